"""The public items of each crate that no example shows, from rustdoc's JSON; see .ci/examples."""

import json
import re
import sys

# The numbers may only go down.
BUDGET = {"autograd": 0, "nn": 0, "scalar": 0}

# Modules whose types are the rows of a table, which their own example is about.
TABLES = {"row"}

# Types whose methods need no example of their own, because each is a formula in its first line, or nobody calls them.
FORMULAS = {
    "Nested",  # what becomes a tensor
    "Real",  # the elementary functions, under the names of f64
    "E",  # the same
    "Value",  # the operations that rules may use, under the names of Tensor
}

# Members that need no example of their own: the examples of their types are about them.
MEMBERS = {"variant", "struct_field", "assoc_type", "assoc_const"}


def code(docs):
    """The examples in a documentation comment."""
    return "\n".join((docs or "").split("```")[1::2])


def twin(name, names):
    """Whether it is the fallible form of a function that needs an example anyway."""
    return name is not None and name.startswith("try_") and not names.isdisjoint({name[4:], name[4:] + "_"})


class Crate:
    def __init__(self, path):
        self.items = json.load(open(path))["index"]
        self.shown, self.hidden = 0, []
        self.examples = "\n".join(code(item["docs"]) for item in self.items.values())

    def item(self, number):
        return self.items.get(str(number))

    def note(self, path, item, examples):
        name = item["name"]
        if "```" in (item["docs"] or "") or re.search(rf"\b{re.escape(name)}\b", examples):
            self.shown += 1
        else:
            self.hidden.append(f"{path}::{name}")

    def visit(self, item, path, seen):
        """Notes what a module exports."""
        children = [self.item(number) for number in item["inner"]["module"]["items"]]
        children = [child for child in children if child is not None]
        exported = {child["inner"].get("use", child)["name"] for child in children}
        # What is exported here comes before what the modules below export again, such as a prelude.
        for child in sorted(children, key=lambda child: "module" in child["inner"]):
            if child["id"] in seen or twin(child["name"], exported):
                continue
            seen.add(child["id"])
            kind, inner = next(iter(child["inner"].items()))
            if kind == "use":
                # What a private module defines is documented where it is exported.
                target = self.item(inner["id"]) if inner["id"] is not None else None
                if target is None or target["id"] in seen:
                    continue
                if inner["is_glob"]:
                    if "module" in target["inner"]:
                        self.visit(target, path, seen)
                    continue
                seen.add(target["id"])
                child, (kind, inner) = target, next(iter(target["inner"].items()))
                if twin(child["name"], exported):
                    continue
            if kind == "module":
                if child["name"] != "prelude":
                    self.note(path, child, "")
                    if child["name"] in TABLES:
                        continue
                    self.visit(child, f"{path}::{child['name']}", seen)
            elif kind in ("struct", "enum", "trait"):
                self.of_type(child, kind, inner, path)
            elif kind not in MEMBERS:
                self.note(path, child, self.examples if kind == "type_alias" else "")

    def of_type(self, item, kind, inner, path):
        """Notes a type or trait with its methods."""
        if kind == "trait":
            methods = [self.item(number) for number in inner["items"]]
        else:
            blocks = [self.item(number) for number in inner["impls"]]
            blocks = [b["inner"]["impl"] for b in blocks if b and b["inner"]["impl"]["trait"] is None]
            methods = [self.item(number) for block in blocks for number in block["items"]]
        methods = [m for m in methods if m and "function" in m["inner"]]
        examples = "\n".join([code(item["docs"])] + [code(m["docs"]) for m in methods])
        # A type is shown wherever an example uses it.
        self.note(path, item, self.examples)
        names = {method["name"] for method in methods}
        for method in methods if item["name"] not in FORMULAS else []:
            if not twin(method["name"], names):
                self.note(f"{path}::{item['name']}", method, examples)


def main(folder):
    failed = False
    for name, budget in BUDGET.items():
        crate = Crate(f"{folder}/{name}.json")
        root = next(i for i in crate.items.values() if "module" in i["inner"] and i["inner"]["module"]["is_crate"])
        crate.visit(root, name, set())
        hidden = len(crate.hidden)
        print(f"{name}: examples show {crate.shown} items and leave out {hidden}, budget {budget}")
        print("".join(f"  {path}\n" for path in sorted(crate.hidden)), end="")
        if hidden < budget:
            print(f"*** lower the budget of {name} in .ci/examples.py to {hidden}")
        failed |= hidden > budget
    if failed:
        print("error: a public item has no example", file=sys.stderr)
    sys.exit(failed)


main(sys.argv[1])
