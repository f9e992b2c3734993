//! The page, made of the sources of the mistakes and of what they print.

use crate::compiler::{self, REJECTED};
use crate::{Mistake, data, functions, networks, seen, tapes, tensors};

const OPENING: &str = "\
# Errors

<!-- Made by `UPDATE=1 cargo test --test errors` from the programs in tests/errors. -->

The most likely mistakes, and the exact message for each. A message names the operation, the shapes, and what to do.

A wrong program panics at *your* line, the one that called the operation. The `try_` form of the operation
(`try_matmul` of `matmul`) returns the same text as an `Err`. Whatever comes from outside, such as files, data and
batches, gives an `Err` and never panics; a `main` that returns it prints what is shown here.

The programs start with `use wengert::prelude::*;`. Some need more: `use wengert::autograd::Error;` or
`use wengert::nn::{loss::Targets, data::read_csv_from};`, for example. `cargo build` names what is missing.
";

/// A module: its source, whose opening lines are the section's title and introduction, and its mistakes.
const SECTIONS: [(&str, &str, &[Mistake]); 5] = [
    ("tensors.rs", include_str!("tensors.rs"), tensors::MISTAKES),
    ("tapes.rs", include_str!("tapes.rs"), tapes::MISTAKES),
    ("functions.rs", include_str!("functions.rs"), functions::MISTAKES),
    ("networks.rs", include_str!("networks.rs"), networks::MISTAKES),
    ("data.rs", include_str!("data.rs"), data::MISTAKES),
];

const COMPILER: &str = "
## What the compiler finds

Some mistakes do not compile. The messages are from ";

/// The page as it should be. Another compiler than that of the page as it is `written` may use other words: then its
/// errors must be the same, and the words are those of the page.
pub fn page(written: Option<&str>) -> String {
    let mut page = OPENING.to_owned();
    for (file, source, mistakes) in SECTIONS {
        let opening = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        page += &format!("\n## {}\n", opening.collect::<Vec<_>>().join("\n"));
        for mistake in mistakes {
            page += &section(file, source, mistake);
        }
    }
    let quoted = written.and_then(|page| Some(page.split_once(COMPILER)?.1.split_once("; parts"))?);
    let same = quoted.is_none_or(|(version, _)| version == compiler::version());
    let version = if same { compiler::version() } else { quoted.unwrap_or_default().0.to_owned() };
    page += &format!("{COMPILER}{version}; parts that refer to library code are omitted, and so are repetitions.\n");
    for program in REJECTED {
        let told = compiler::said(program);
        let (title, advice) = compiler::opening(program);
        let head = format!("\n### {title}\n\n```rust,ignore\n{}\n```\n\n```text\n", compiler::code(program));
        let old = quoted.filter(|_| !same).and_then(|(_, page)| page.split_once(&head)?.1.split_once("\n```\n"));
        let told = match old {
            Some((old, _)) => {
                assert_eq!(errors(old), errors(&told), "{}.rs: {version} says something else", program.name);
                old
            }
            None => &told,
        };
        page += &format!("{head}{told}\n```\n\n{advice}\n");
    }
    page
}

/// The lines that say what is wrong.
fn errors(told: &str) -> Vec<&str> {
    told.lines().filter(|line| line.starts_with("error")).collect()
}

/// The section of one mistake: title, program, message, advice.
fn section(file: &str, source: &str, mistake: &Mistake) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let head = format!("fn {}()", mistake.name);
    let at = lines.iter().position(|line| line.starts_with(&head)).expect("the mistake is a function of its module");
    let docs = lines[..at].iter().rev().take_while(|line| line.starts_with("///")).count();
    let docs: Vec<&str> = lines[at - docs..at].iter().map(|line| line.trim_start_matches('/').trim()).collect();
    let [title, "", advice @ ..] = docs.as_slice() else { panic!("{}: write a title and advice", mistake.name) };

    // The program without what only the test needs: its indentation, and the `Ok(())` of functions that return errors.
    let body = lines[at + 1..].iter().take_while(|line| **line != "}").filter(|line| **line != "    Ok(())");
    let body: Vec<&str> = body.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let message = in_the_program(&seen(mistake), &format!("tests/errors/{file}"), at + 1);
    let theirs = message.starts_with("panicked at src/main.rs:") || message.starts_with("Error: ");
    assert!(theirs, "{}: not the user's line: {message}", mistake.name);
    format!(
        "\n### {title}\n\n```rust,ignore\n{}\n```\n\n```text\n{message}\n```\n\n{}\n",
        body.join("\n"),
        advice.join("\n")
    )
}

/// A message with its places in this file (`file:line:column`) as places in a program that consists of the lines after
/// `head`, which are indented.
fn in_the_program(message: &str, file: &str, head: usize) -> String {
    let message = &without_lines_of_libraries(message);
    let mut parts = message.split(file);
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
        let number = |text: &str| -> usize { text.parse().expect("a line and a column follow the file") };
        let rest = part.strip_prefix(':').expect("a line follows the file");
        let (line, rest) = rest.split_at(digits(rest));
        told += &format!("src/main.rs:{}", number(line) - head);
        // A place in a longer text has no column.
        match rest.strip_prefix(':').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            None => told += rest,
            Some(rest) => {
                let (column, rest) = rest.split_at(digits(rest));
                told += &format!(":{}{rest}", number(column) - 4);
            }
        }
    }
    told
}

/// The message without the lines in `crates/….rs:LINE`, which change with every edit there.
fn without_lines_of_libraries(message: &str) -> String {
    let mut parts = message.split("crates/");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (file, rest) = part.split_once(".rs:").expect("a place in a source file");
        told += &format!("crates/{file}.rs:…{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    told
}
