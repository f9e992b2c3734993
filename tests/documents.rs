//! The documentation is complete: the book lists every page, links and anchors resolve, and every block of Rust code is
//! compiled or quotes a program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The pages at the root and in `docs` with their text, by their paths from the root.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).to_vec();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder);
        for entry in std::fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                pages.push(path);
            }
        }
    }
    pages.into_iter().map(|page| (page.clone(), read(&page))).collect()
}

/// The prose of a page: without blocks and spans of code.
fn prose(text: &str) -> String {
    let blocks = text.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    blocks.split('`').step_by(2).collect::<Vec<_>>().join("x")
}

/// The targets of the links and pictures of a page.
fn links(text: &str) -> Vec<String> {
    prose(text).split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them: in lower case, spaces become hyphens, and other
/// punctuation is dropped.
fn anchors(text: &str) -> BTreeSet<String> {
    let outside_of_code = text.split("```").step_by(2).flat_map(str::lines);
    let headings = outside_of_code.filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then_some(c),
    };
    headings.map(|heading| heading.to_lowercase().chars().filter_map(kept).collect()).collect()
}

/// The file that a link on a page leads to, as a path from the root.
fn target(page: &Path, file: &str) -> PathBuf {
    if file.is_empty() {
        return page.to_owned();
    }
    let mut path = page.parent().expect("a page lies in a folder").to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(part) => path.push(part),
            _ => (),
        }
    }
    path
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    for (page, text) in &pages {
        for link in links(text).iter().filter(|link| !link.starts_with("http")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = target(page, file);
            assert!(
                Path::new(env!("CARGO_MANIFEST_DIR")).join(&target).exists(),
                "{} links to {link}, which does not exist",
                page.display()
            );
            if let Some(text) = pages.get(&target).filter(|_| !anchor.is_empty()) {
                let anchors = anchors(text);
                assert!(anchors.contains(anchor), "{} links to {link}, whose anchors are {anchors:?}", page.display());
            }
        }
    }
}

#[test]
fn the_book_lists_every_page() {
    let pages = pages();
    let book = |links: Vec<String>| -> BTreeSet<PathBuf> {
        links.iter().map(|link| target(Path::new("docs/SUMMARY.md"), link.split('#').next().unwrap())).collect()
    };
    let listed = book(links(&pages[Path::new("docs/SUMMARY.md")]));
    let there = pages.keys().filter(|page| page.starts_with("docs") && !page.ends_with("SUMMARY.md"));
    assert_eq!(there.cloned().collect::<BTreeSet<_>>(), listed, "docs/SUMMARY.md lists other pages than there are");
    // The introduction, which GitHub shows for the folder, leads to the same pages, except for those below others.
    let introduced = book(links(&pages[Path::new("docs/README.md")]));
    let missing: Vec<_> = listed.iter().filter(|page| page.parent() == Some(Path::new("docs"))).collect();
    let missing: Vec<_> = missing.into_iter().filter(|page| !introduced.contains(*page)).collect();
    assert_eq!(missing, [Path::new("docs/README.md")], "docs/README.md does not lead to these pages");
}

/// The blocks of Rust of a page: what follows `rust` in the first line, the code, and the text before it.
fn blocks(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find("```").map(|i| at + i) {
        let (head, rest) = text[start + 3..].split_once('\n').expect("a block has a first line");
        let code = rest.split("```").next().unwrap_or_default();
        if let Some(kind) = head.strip_prefix("rust") {
            found.push((kind, code, &text[..start]));
        }
        at = start + 3 + head.len() + 1 + code.len() + 3;
    }
    found
}

/// Each page with code is a doctest of this crate. Code that is not compiled quotes a program, the one that was linked last:
/// it contains every line. A page that a test makes from programs is compared by that test.
#[test]
fn every_block_of_code_runs_or_quotes_a_program() {
    let [library, published] = ["src/lib.rs", "crates/published/src/lib.rs"].map(read);
    let tested: BTreeSet<&str> =
        library.split("pages! {").nth(1).expect("src/lib.rs lists pages").split_whitespace().collect();
    let mut quoted = 0;
    for (page, text) in pages().into_iter().filter(|(_, text)| !text.contains("<!-- Made by `UPDATE=1 cargo test")) {
        for (kind, code, before) in blocks(&text) {
            if kind.contains("ignore") {
                let program = links(before).into_iter().rev().find(|link| link.ends_with(".rs"));
                let program = target(&page, &program.unwrap_or_else(|| panic!("{}: which program?", page.display())));
                let source = read(&program);
                for line in code.lines().map(|line| line.trim().trim_end_matches(';')) {
                    // A quoted call may omit trailing settings.
                    assert!(
                        source.contains(line),
                        "{}: {} does not contain: {line}",
                        page.display(),
                        program.display()
                    );
                    quoted += 1;
                }
            } else {
                let name = page.file_stem().and_then(|name| name.to_str()).expect("names are valid UTF-8");
                let runs = page == Path::new("README.md")
                    || (page.parent() == Some(Path::new("docs")) && tested.contains(name))
                    || published.contains(&format!("include_str!(\"../../../{}\")", page.display()));
                assert!(runs, "{} has code: list it in src/lib.rs", page.display());
            }
        }
    }
    assert!(quoted > 10, "only {quoted} lines of code quote a program");
}
