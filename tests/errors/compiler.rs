//! Mistakes that the compiler finds, and what it says of them.
//!
//! The compiler runs here on each program of `rejected`, without code generation, against the crates that this test is
//! linked to.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that does not compile, by the name of its file in `rejected`.
pub struct Rejected {
    pub name: &'static str,
    pub source: &'static str,
}

macro_rules! rejected {
    ($($name:ident)*) => {
        pub const REJECTED: &[Rejected] = &[$( Rejected {
            name: stringify!($name),
            source: include_str!(concat!("rejected/", stringify!($name), ".rs")),
        } ),*];
    };
}

rejected! {
    outlives cleared threads integers integer_tape two_types whole_number moved closure no_layer no_loss no_optimizer
}

/// The version of the compiler. Another one may use other words.
pub fn version() -> String {
    let output = rustc().arg("--version").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
}

/// The newest build of the facade among the crates that this test is linked to.
fn library(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("the test lies beside its crates").flatten();
    let libraries = files.filter(|file| {
        let name = file.file_name().into_string().unwrap_or_default();
        name.starts_with("libwengert-") && name.ends_with(".rlib")
    });
    libraries.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok()).expect("a library").path()
}

/// What the compiler says of a program, which it must reject.
pub fn said(program: &Rejected) -> String {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let folder = deps.parent().unwrap().join("rejected").join(program.name);
    std::fs::create_dir_all(folder.join("src")).unwrap();
    // Behind the program, so that its lines keep their numbers.
    std::fs::write(folder.join("src/main.rs"), format!("{}\nuse wengert::prelude::*;\n", code(program))).unwrap();
    let output = rustc()
        .current_dir(&folder)
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--color=never", "-Awarnings", "src/main.rs"])
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("wengert={}", library(&deps).display()))
        .output()
        .expect("rustc runs");
    assert!(!output.status.success(), "rejected/{}.rs compiles", program.name);
    abridged(&String::from_utf8_lossy(&output.stderr))
}

/// The title and the advice, which open the file.
pub fn opening(program: &Rejected) -> (&str, String) {
    let mut lines = program.source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let title = lines.next().expect("a title");
    (title, lines.skip(1).collect::<Vec<_>>().join("\n"))
}

/// The lines of the program, without its title and advice.
pub fn code(program: &Rejected) -> &str {
    program.source.split_once("\n\n").expect("an empty line follows the advice").1.trim_end()
}

/// The first error, without what points into a library or lists other types.
fn abridged(said: &str) -> String {
    let mut kept = Vec::new();
    for message in blocks(said, |line| ["error", "note", "help"].iter().any(|word| line.starts_with(word))) {
        let elsewhere = message.iter().any(|line| line.contains("--> ") && !line.contains("--> src/main.rs"));
        if message[0].starts_with("error") && !kept.is_empty() {
            break;
        }
        if elsewhere {
            continue;
        }
        for block in blocks(&message.join("\n"), |line| line.trim_start().starts_with("= ")) {
            let noise = ["other types implement", "full name for the type", "Nightly builds", "` implements `"];
            if !noise.iter().any(|text| block[0].contains(text)) {
                kept.extend(block.into_iter().map(str::to_owned));
            }
        }
    }
    kept.retain(|line| !line.contains("rustc --explain") && !line.contains("::: "));
    kept.join("\n").trim().to_owned()
}

/// The lines, in blocks that begin where `begins` holds.
fn blocks(text: &str, begins: impl Fn(&str) -> bool) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        if begins(line) || blocks.is_empty() {
            blocks.push(Vec::new());
        }
        blocks.last_mut().expect("there is one").push(line);
    }
    blocks
}
