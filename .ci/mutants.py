#!/usr/bin/env python3
"""Mutation test: breaks every derivative rule in turn and counts how many mutants the tests kill.

In a copy of the repository, the environment variable WENGERT_MUTANT selects a mutant of a rule: a flipped sign, a dropped
term or factor, or a wrong operand. The copy is compiled once. Each mutant runs against the laws of its op and, if it
survives these, against all laws and the table of kinks. The script prints every mutant that no test kills, and fails if
there is one.

    python3 .ci/mutants.py [words that a rule's name must contain]
    python3 .ci/mutants.py --part 0.1 --seconds 300     a random tenth, as far as it gets in five minutes
    python3 .ci/mutants.py --part 0.1 --seed 7          the tenth that a run with this seed printed
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")))

options = argparse.ArgumentParser(description="Breaks derivative rules and lists the mutants that no test kills.")
options.add_argument("words", nargs="*", help="words that the name of a rule must contain")
options.add_argument("--copy", default=os.path.join(TARGET, "mutants"), help="folder for the copy of the repository")
options.add_argument("--part", type=float, default=1.0, help="test a random part of the mutants: 0.1 is a tenth")
options.add_argument("--seed", type=int, default=random.randrange(10**6), help="the seed of that part")
options.add_argument("--seconds", type=float, default=float("inf"), help="start no mutant after this time")
options = options.parse_args()

COPY = os.path.abspath(options.copy)
ONLY = options.words
SRC = os.path.join(COPY, "crates/autograd/src")

# Mutants that compute the same values, with the reason.
EQUIVALENT = {
    ("Relu", "g.where_pos(x)"): "x and y = max(x, 0) are positive together",
    ("Relu6", "g.where_pos(y).where_pos(6.0 - y)"): "x and y are above 0, and below 6, together",
    ("Logaddexp", "(g * difference(a, b).sigmoid()).unless(a.eq(a.lit(-f64::INFINITY)))"): "the sigmoid is 0 there",
    ("linalg.rs:Eigh", "v.matmul(&symmetric(d), true, <false to true>)"): "the transpose of a symmetric matrix",
    ("linalg.rs:Qr", "triangle(&m.sub(&t(&m)), true, <true to false>)"): "the diagonal of M - Mᵀ is 0",
    ("linalg.rs:Qr", "y.matmul(&turn, false, <false to true>)"): "it is symmetric: below the diagonal M - Mᵀ - M is -Mᵀ",
    ("linalg.rs:Qr", "triangle(&p, true, <true to false>)"): "the diagonals of L and Lᵀ cancel in L - Lᵀ",
    ("lu.rs:Lu", "(triangle(&square, true, <true>)"): "what is strictly below the diagonal of L₁ᵀ·L̄₁ has no such factor",
}

mutants = []  # (rule, mutated text)


def new(rule, text):
    mutants.append((rule, " ".join(text.split())))
    return len(mutants)


def split(expr, operators):
    """Splits an expression at top-level binary operators. Returns each part with the operator before it."""
    parts, depth, start, operator = [], 0, 0, ""
    for i, c in enumerate(expr):
        depth += (c in "([{") - (c in ")]}")
        binary = c in operators and depth == 0 and expr[i - 1] == " " and expr[i + 1 : i + 2] == " "
        if binary:
            parts.append((operator, expr[start:i].strip()))
            operator, start = c, i + 1
    return parts + [(operator, expr[start:].strip())]


def broken(expr, operands):
    """Mutants of a rule: the sign flipped, each part dropped, each operand replaced by another."""
    if expr in ("x.lit(0.0)", "b.lit(0.0)", "a.lit(0.0)"):
        yield "g"
        return
    yield f"-({expr})"
    for operators in ("+-", "*/"):
        parts = split(expr, operators)
        if len(parts) > 1:
            for i in range(len(parts)):
                rest = [p for k, p in enumerate(parts) if k != i]
                first = {"-": "-", "/": "1.0 / "}.get(rest[0][0], "") if i == 0 else ""
                yield first + rest[0][1] + "".join(f" {o} {p}" for o, p in rest[1:])
            break
    for a in operands:
        for b in operands:
            if a != b and re.search(rf"\b{a}\b", expr):
                yield re.sub(rf"\b{a}\b", b, expr)
                break


def typed(text):
    """Whether a mutant compiles: dropping a part can leave a bare number."""
    return re.search(r"\b[gxyab]\b", text) is not None and not re.match(r"^-?\(?[A-Z_0-9.]+ [*/+-] [A-Z_0-9.]+$", text)


def switch(rule, expr, operands):
    out = expr
    for text in dict.fromkeys(broken(expr, operands)):
        if typed(text) and (rule.split(".")[0], text) not in EQUIVALENT and all(word in rule for word in ONLY):
            out = f"if crate::mutant({new(rule, text)}) {{ {text} }} else {{ {out} }}"
    return out if out == expr else "{ " + out + " }"


def columns(row):
    """The columns of a row of the table, separated by top-level commas."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(row):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(row[start:i].strip())
            start = i + 1
    return parts + [row[start:].strip()]


def table():
    path = os.path.join(SRC, "op/elementwise.rs")
    text = open(path).read()

    def row(m):
        parts = columns(m[3])
        operands = ["x", "y"] if len(parts) == 2 else ["a", "b", "y"]
        rules = [switch(f"{m[1]}.{k}", part, operands) for k, part in enumerate(parts[1:])]
        return f"    {m[1]} {m[2] or ''}: " + ", ".join([parts[0]] + rules) + ";\n"

    open(path, "w").write(re.sub(r"^ {4,8}(\w+) *(\[[yd, ]+\])? *: (.*);\n", row, text, flags=re.M))


SWAPS = [
    (r"\.sub\(", ".add("),
    (r"\.add\(", ".sub("),
    (r"\.mul\(", ".add("),
    (r"\.div\(", ".mul("),
    (r"x\[0\]\.(?!shape|number)", "x[1]."),
    (r"x\[1\](?!\.shape)", "x[0]"),
    (r"\bfalse\b", "true"),
    (r"\btrue\b", "false"),
    (r"Some\(g\b", "Some(y"),
    (r"\bg\.(?!shape|number)", "y."),
    (r"(?<![.\w])y\.(?!shape)", "@."),
    (r"\(g\)", "(y)"),
    (r"\(y\)", "(@)"),
    (r"!t(?=[ab]\b)", "*t"),
    (r"!(?=transposed|reverse|lower)", ""),
    (r"\.unary\(Unary::Neg\)", ""),
    (r"advanced\(", "delayed("),
]


def arms(name):
    """Inserts the mutants of each rule that is an arm of a match before it, as arms with a guard."""
    path = os.path.join(SRC, name)
    if not os.path.exists(path):
        return
    lines = open(path).read().split("\n")
    out, i = [], 0
    while i < len(lines):
        if not re.match(r" {8}(?: {4})?(?:Op|Factor)::\w+", lines[i]):
            out.append(lines[i])
            i += 1
            continue
        end, margin = i + 1, len(lines[i]) - len(lines[i].lstrip())
        while re.match(rf" {{{margin}}}(?: |\||\}})", lines[end]):
            end += 1
        arm = "\n".join(lines[i:end])
        out.extend(twins(name, arm))
        out.append(arm)
        i = end
    open(path, "w").write("\n".join(out))


def twins(name, arm):
    head, arrow, body = arm.partition("=>")
    if "unreachable!" in body or " if " in head or not arrow:
        return
    rule = os.path.basename(name) + ":" + re.search(r"(?:Op|Factor)::(\w+)", head)[1]
    if not all(word in rule for word in ONLY):
        return
    for pattern, other in SWAPS:
        other = other.replace("@", "g" if re.search(r"\bg\b", body) else "x[0]")
        if other == "x[1]." and "x[1]" not in body:
            continue
        for m in re.finditer(pattern, body):
            text = body[: m.start()] + other + body[m.end() :]
            shown = f"{body[max(0, m.start() - 60) : m.start()]}<{m[0]} to {other}>{body[m.end() : m.end() + 20]}"
            if not any(rule == r and what in shown for r, what in EQUIVALENT):
                yield f"{head}if crate::mutant({new(rule, shown)}) =>{text}"


# Rules that are functions, and the op that each is the rule of.
BODIES = {
    "rules/attention.rs": "Attention",
    "rules/eig.rs": "Eig",
    "rules/lu.rs": "Lu",
    "rules/pinv.rs": "Pinv",
    "rules/recurrent.rs": "Recurrent",
}

# Methods of the algebra that choose between an operation and another.
CHOICES = """
    #[doc(hidden)] #[track_caller]
    fn add_or_sub(&self, id: usize, b: &Self) -> Self { if crate::mutant(id) { self.sub(b) } else { self.add(b) } }
    #[doc(hidden)] #[track_caller]
    fn sub_or_add(&self, id: usize, b: &Self) -> Self { if crate::mutant(id) { self.add(b) } else { self.sub(b) } }
    #[doc(hidden)] #[track_caller]
    fn mul_or_add(&self, id: usize, b: &Self) -> Self { if crate::mutant(id) { self.add(b) } else { self.mul(b) } }
    #[doc(hidden)] #[track_caller]
    fn scale_or_flip(&self, id: usize, c: f64) -> Self { self.scale(if crate::mutant(id) { -c } else { c }) }
"""


def bodies():
    """Replaces operations and flags of rules that are functions by a choice between them and others."""
    swaps = {"add(": ".add_or_sub({}, ", "sub(": ".sub_or_add({}, ", "mul(": ".mul_or_add({}, ", "scale(": ".scale_or_flip({}, "}
    for name, op in BODIES.items():
        rule = f"{os.path.basename(name)}:{op}"
        if not all(word in rule for word in ONLY):
            continue
        path = os.path.join(SRC, name)
        code, tests, rest = open(path).read().partition("#[cfg(test)]")

        def choice(m):
            line = code[code.rfind("\n", 0, m.start()) + 1 : m.start()]
            shown = code[max(0, m.start() - 60) : m.start()] + f"<{m[0]}>" + code[m.end() : m.end() + 30]
            same = any(rule == r and what in " ".join(shown.split()) for r, what in EQUIVALENT)
            if "//" in line or line.startswith("use ") or same:
                return m[0]
            id = new(rule, shown)
            return swaps[m[1]].format(id) if m[1] else f"({m[0]} ^ crate::mutant({id}))"

        code = re.sub(r"\.(add\(|sub\(|mul\(|scale\()|\b(?:true|false)\b", choice, code)
        open(path, "w").write(code + tests + rest)
    path = os.path.join(SRC, "value.rs")
    text = open(path).read()
    start = "pub trait Value<T: Float>: Clone {"
    assert start in text
    open(path, "w").write(text.replace(start, start + CHOICES))


# Ops without cotangents, and those whose rules are mutated elsewhere.
UNSIGNED = {"Leaf", "Const", "StopGradient", "Integers", "Cast", "RecurrentTrace", "Unary", "Binary", "Custom"}


def signs():
    """Flips the sign of the cotangents of each structured op, where the reverse sweep receives them."""
    kinds = re.search(r"^ops! \{\n(.*?)^\}", open(os.path.join(SRC, "op/mod.rs")).read(), re.S | re.M)[1]
    kinds = re.findall(r"^    (\w+)(?=[;( ])", kinds, re.M)
    path = os.path.join(SRC, "sweep/backward.rs")
    text = open(path).read()
    call = "op => vjp(op, &x, y.borrow(), g, &|i| source.needs(inputs[i])),"
    assert call in text
    other = ""
    for kind in kinds:
        rule = f"backward.rs:{kind}"
        if kind not in UNSIGNED and all(w in rule for w in ONLY):
            other += f"op if matches!(op, Op::{kind} {{ .. }}) && crate::mutant({new(rule, 'the sign flipped')}) => "
            other += call[6:-1] + ".into_iter().map(|d| d.map(|d| d.scale(-1.0))).collect(),\n        "
    open(path, "w").write(text.replace(call, other + call))


def prepare():
    shutil.rmtree(COPY, ignore_errors=True)
    skip = shutil.ignore_patterns("target", ".git")
    shutil.copytree(ROOT, COPY, ignore=skip)
    table()
    signs()
    bodies()
    for name in sys_rules():
        arms(name)
    with open(os.path.join(SRC, "lib.rs"), "a") as lib:
        lib.write(
            "\n#[inline]\npub(crate) fn mutant(id: usize) -> bool {\n"
            "    static CHOSEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();\n"
            '    *CHOSEN.get_or_init(|| std::env::var("WENGERT_MUTANT").map_or(0, |s| s.parse().unwrap())) == id\n}\n'
        )


def sys_rules():
    folder = os.path.join(SRC, "rules")
    names = [os.path.relpath(os.path.join(d, f), SRC) for d, _, files in os.walk(folder) for f in files]
    return sorted(n for n in names if re.search(r"(vjp|jvp)", open(os.path.join(SRC, n)).read()) and "mod.rs" not in n)


def build():
    command = ["cargo", "test", "-p", "wengert-autograd", "--no-run", "--test", "laws", "--test", "kinks"]
    # Kept from run to run, for the dependencies. Not that of the original: cargo would take one's files for the other's.
    env = {**os.environ, "CARGO_TARGET_DIR": COPY + "-target"}
    done = subprocess.run(command, cwd=COPY, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    binaries = {re.sub(r"-\w+$", "", os.path.basename(p)): p for p in re.findall(r"\((\S*deps/\S+)\)", done.stderr)}
    return [os.path.join(COPY, binaries[name]) for name in ("laws", "kinks")]


def fails(binary, id, op=None):
    env = {**os.environ, "WENGERT_MUTANT": str(id), "RUST_BACKTRACE": "0", "WENGERT_THREADS": "1"}
    env |= {"WENGERT_OP": op} if op else {}
    return subprocess.run([binary], env=env, cwd=os.path.join(COPY, "crates/autograd"), capture_output=True).returncode != 0


def op(rule):
    """The op of a rule, which has a name like `Tanh.0` or `vjp.rs:Take`."""
    return rule.split(":")[-1].split(".")[0]


def main():
    prepare()
    laws, kinks = build()
    start = time.monotonic()
    chosen = list(range(1, len(mutants) + 1))
    if options.part < 1:
        chosen = random.Random(options.seed).sample(chosen, max(1, round(options.part * len(chosen))))
        print(f"{len(chosen)} of {len(mutants)} mutants, chosen by --seed {options.seed}", flush=True)
    killed = lambda id, alone: (alone and fails(laws, id, alone)) or fails(laws, id) or fails(kinks, id)
    in_time = lambda id, alone: None if time.monotonic() - start > options.seconds else killed(id, alone)
    if killed(0, None):
        sys.exit("the tests fail without any mutation")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        ops = sorted({op(mutants[id - 1][0]) for id in chosen})
        listed = [name for name, unknown in zip(ops, pool.map(lambda name: fails(laws, 0, name), ops)) if not unknown]
        alone = [name if name in listed else None for name in (op(mutants[id - 1][0]) for id in chosen)]
        dead = list(pool.map(in_time, chosen, alone))
    for id, dies in zip(chosen, dead):
        if dies is False:
            print(f"survived: {mutants[id - 1][0]}: {mutants[id - 1][1]}")
    tried = [dies for dies in dead if dies is not None]
    print(f"mutants: {sum(tried)} of {len(tried)} killed")
    if len(tried) < len(dead):
        print(f"*** {len(dead) - len(tried)} more were left out: the time of {options.seconds:.0f} s was over")
    sys.exit(not all(tried))


main()
