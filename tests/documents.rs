//! The documentation quotes the programs correctly, and its links resolve.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_page_of_the_network_quotes_its_program() {
    let (page, program) = (read("docs/mlp.md"), read("examples/mlp.rs"));
    let quoted: Vec<&str> =
        page.split("```rust,ignore\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert!(quoted.len() >= 3);
    for line in quoted.iter().flat_map(|block| block.lines()) {
        // A quoted call may omit trailing settings.
        let line = line.trim().trim_end_matches(';');
        assert!(program.contains(line), "examples/mlp.rs does not contain: {line}");
    }
}

/// The pages at the root and in `docs`, by their paths from the root.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(String::from).to_vec();
    let mut folders = vec!["docs".to_string()];
    while let Some(folder) = folders.pop() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder);
        for entry in std::fs::read_dir(path).unwrap_or_else(|e| panic!("{folder}: {e}")) {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().to_str().expect("names are valid UTF-8"));
            if entry.path().is_dir() {
                folders.push(name);
            } else if name.ends_with(".md") {
                pages.push(name);
            }
        }
    }
    pages
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 15, "found only {pages:?}");
    for page in pages {
        let folder = Path::new(&page).parent().unwrap();
        for link in read(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let there = file.starts_with("http")
                || file.is_empty()
                || Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file).exists();
            assert!(there, "{page} links to {link}, which does not exist");
        }
    }
}
