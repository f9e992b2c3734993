//! The search of the API reference finds the names that people bring from PyTorch and NumPy.

use std::collections::BTreeSet;
use std::path::Path;

/// As the search of rustdoc compares names.
fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The names of all public items, as `.ci/public-api` lists them.
fn items(root: &Path, names: &mut BTreeSet<String>) {
    for page in ["docs/api/autograd.txt", "docs/api/nn.txt"] {
        for line in text(&root.join(page)).lines().filter_map(|line| line.strip_prefix("pub ")) {
            // `fn nn::layer::Linear<T>::new(…)`: the last part of the path, without what follows.
            let mut depth = 0;
            let path = line.chars().filter(|c| {
                depth += i32::from(*c == '<') - i32::from(*c == '>');
                depth == 0 && *c != '>'
            });
            let path: String = path.collect();
            let path = path.split(['(', '=']).next().unwrap_or_default().split(": ").next().unwrap_or_default();
            let name = path.trim_end_matches(['!', ' ']).rsplit("::").next().unwrap_or_default();
            names.insert(folded(name));
        }
    }
}

/// The aliases in the sources of a folder.
fn aliases(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            aliases(&entry.path(), names);
        } else if entry.path().extension().is_some_and(|end| end == "rs") {
            let source = text(&entry.path());
            let found = source.split("doc(alias = \"").skip(1).filter_map(|rest| rest.split('"').next());
            names.extend(found.map(folded));
        }
    }
}

#[test]
fn the_search_finds_the_names_of_other_libraries() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ours = BTreeSet::new();
    items(root, &mut ours);
    aliases(&root.join("crates"), &mut ours);
    assert!(ours.contains("matmul") && ours.contains("crossentropyloss"), "the lists of names are read");

    let list = text(&root.join("tests/names.txt"));
    let (mut sought, mut lost) = (0, Vec::new());
    for line in list.lines().filter(|line| line.starts_with("    ")) {
        match line.split_once(':') {
            Some((name, _)) => {
                assert!(!ours.contains(&folded(name.trim())), "{name} is listed as absent, but the search finds it");
            }
            None => {
                let names: Vec<&str> = line.split_whitespace().collect();
                sought += names.len();
                lost.extend(names.into_iter().filter(|name| !ours.contains(&folded(name))));
            }
        }
    }
    assert!(sought > 200, "the list has only {sought} names");
    assert!(
        lost.is_empty(),
        "the search finds nothing for {lost:?}: add `#[doc(alias = …)]`, or a reason to tests/names.txt"
    );
}
