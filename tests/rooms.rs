//! The rooms of a crate, which are its top-level modules, have one order, and every import points down. So a room can be
//! read, tested and changed with only the rooms below it in mind, and no two rooms depend on each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate.
struct House {
    name: &'static str,
    /// The rooms, from the ground up: a room may import from itself and from those before it.
    order: &'static [&'static str],
    /// Files that no room imports: the root, which declares and re-exports the rooms, and what only tests use.
    outside: &'static [&'static str],
}

const HOUSES: [House; 2] = [
    House {
        name: "autograd",
        order: &[
            "error",
            "draw",
            "float",
            "tensor",
            "kernel",
            "op",
            "eval",
            "value",
            "rules",
            "tape",
            "methods",
            "operators",
            "sweep",
            "checkpoint",
            "program",
            "transform",
            "interop",
            "check",
            "explain",
            "profile",
        ],
        outside: &["lib"],
    },
    House {
        name: "nn",
        order: &[
            "describe",
            "number",
            "domain",
            "param",
            "parameters",
            "fields",
            "pass",
            "hook",
            "module",
            "summary",
            "picture",
            "regularize",
            "init",
            "functional",
            "distribution",
            "decode",
            "layer",
            "infer",
            "loss",
            "metric",
            "io",
            "plot",
            "data",
            "optim",
            "clip",
            "schedule",
            "distributed",
            "train",
            "report",
            "pipeline",
        ],
        outside: &["lib", "test_support"],
    },
];

#[test]
fn every_import_points_down() {
    for house in &HOUSES {
        let names = house.names_at_the_root();
        let mut faults = Vec::new();
        for (place, code) in house.sources() {
            let (room, file) = (place[0].as_str(), format!("{}/src/{}", house.name, place.join("/")));
            for (line, path) in imports(&code) {
                for head in heads(&place, path) {
                    let Some(target) = names.get(head) else {
                        panic!("{file}, line {line}: {head} is no room and no name at the root");
                    };
                    let above = |target: &&str| house.rank(target) > house.rank(room);
                    if let Some(target) = target.as_deref().filter(above) {
                        faults.push(format!("{file}, line {line}: {room} imports {head} of {target}"));
                    }
                }
            }
        }
        assert!(
            faults.is_empty(),
            "rooms may import only from the rooms below them, but these arrows point up:\n  {}\nMove what both rooms \
             need into the lower one. The order, from the ground up, is {}.",
            faults.join("\n  "),
            house.order.join(", ")
        );
    }
}

#[test]
fn the_order_lists_every_room_once() {
    for house in &HOUSES {
        let rooms: BTreeSet<String> = house.sources().into_iter().map(|(place, _)| place[0].clone()).collect();
        let listed: BTreeSet<String> = house.order.iter().map(|room| (*room).to_owned()).collect();
        assert_eq!(rooms, listed, "left: the modules in src of {}; right: its order", house.name);
        assert_eq!(listed.len(), house.order.len());
    }
}

#[test]
fn the_reader_of_imports_finds_them_all() {
    let code = without_tests(
        "use crate::io::{Source, StateDict};\nuse crate::{\n    Module, // not this: crate::train\n    optim::{Adam, Sgd},\n};\n\
         fn f() -> super::super::Pass { $crate::loss::Mse; supercrate::x() }\n\
         #[cfg(test)]\nmod tests {\n    use crate::train::Trainer;\n}\nuse super::step::Outcome;\n",
    );
    let place = ["data", "csv"].map(str::to_owned);
    let found: Vec<_> =
        imports(&code).flat_map(|(line, path)| heads(&place, path).map(move |head| (line, head))).collect();
    assert_eq!(found, [(1, "io"), (2, "Module"), (2, "optim"), (6, "Pass"), (6, "loss")]);
}

impl House {
    fn rank(&self, room: &str) -> Option<usize> {
        self.order.iter().position(|other| *other == room)
    }

    /// What `crate::` can be followed by: each room, and each re-exported name, with its room. Names from other crates
    /// and modules that only re-export have none.
    fn names_at_the_root(&self) -> BTreeMap<String, Option<String>> {
        let root = without_tests(&fs::read_to_string(self.folder().join("lib.rs")).unwrap());
        let mut names: BTreeMap<_, _> =
            self.order.iter().map(|room| ((*room).to_owned(), Some((*room).to_owned()))).collect();
        names.insert("internals".to_owned(), None);
        for line in root.lines().filter(|line| line.starts_with("pub use ") || line.starts_with("pub(crate) use ")) {
            let (from, list) = line.split_once(" use ").unwrap().1.rsplit_once("::").unwrap();
            let from = from.split("::").next().unwrap();
            let room = self.rank(from).map(|_| from.to_owned());
            for name in list.trim_matches(['{', '}', ';']).split(", ") {
                names.insert(name.trim_end_matches(['}', ';']).to_owned(), room.clone());
            }
        }
        names
    }

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").join(self.name).join("src")
    }

    /// Every source file: its place among the modules, such as `data`, `csv`, and its code without comments and tests.
    fn sources(&self) -> Vec<(Vec<String>, String)> {
        let (mut found, mut folders) = (Vec::new(), vec![self.folder()]);
        while let Some(next) = folders.pop() {
            for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let place = path.strip_prefix(self.folder()).unwrap().with_extension("");
                let mut place: Vec<String> = place.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                place.pop_if(|last| *last == "mod");
                let last = place.last().unwrap();
                let is_test = last == "tests" || place.contains(&"tests".to_owned());
                if path.extension().is_some_and(|kind| kind == "rs") && !is_test && !self.outside.contains(&&**last) {
                    found.push((place, without_tests(&fs::read_to_string(&path).unwrap())));
                }
            }
        }
        found.sort();
        found
    }
}

/// The same lines, with comments and test modules left blank.
fn without_tests(code: &str) -> String {
    let (mut kept, mut in_tests) = (String::new(), false);
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        in_tests |= line == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.ends_with('{'));
        if !in_tests {
            kept += line.split("//").next().unwrap_or_default();
        }
        kept.push('\n');
        in_tests &= line != "}";
    }
    kept
}

/// Each path that begins with `crate::` or `super::`, with its line: all that follows, up to the end of the code.
fn imports(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let begins = |(at, _): &(usize, &str)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !['_', ':'].contains(&before))
    };
    let found = ["crate::", "super::"].map(|word| code.match_indices(word).filter(begins));
    let mut found: Vec<usize> = found.into_iter().flatten().map(|(at, _)| at).collect();
    found.sort();
    found.into_iter().map(|at| (1 + code[..at].matches('\n').count(), &code[at..]))
}

/// The names at the root of the crate that a path at this place begins with: several for `crate::{a::b, c}`, none for
/// one that stays within the room.
fn heads<'a>(place: &[String], path: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (mut rest, mut depth) = (path, place.len());
    if let Some(after) = rest.strip_prefix("crate::") {
        (rest, depth) = (after, 0);
    }
    while let Some(after) = rest.strip_prefix("super::") {
        (rest, depth) = (after, depth - 1);
    }
    let word = |text: &'a str| text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    let mut heads = Vec::new();
    match rest.strip_prefix('{') {
        _ if depth > 0 => {}
        None => heads.push(word(rest)),
        Some(list) => {
            let (mut depth, mut start) = (1, 0);
            for (at, c) in list.char_indices() {
                let ends = depth == 1 && (c == ',' || c == '}');
                depth = depth + i32::from(c == '{') - i32::from(c == '}');
                if ends {
                    heads.push(word(&list[start..at]));
                    start = at + 1;
                }
                if depth == 0 {
                    break;
                }
            }
        }
    }
    heads.into_iter().filter(|head| !head.is_empty())
}
