//! The most likely mistakes, with the exact message that a user sees for each. This folder generates `docs/errors.md`, and a
//! test compares the two. `UPDATE=1 cargo test --test errors` rewrites the page.
//!
//! Each function of the modules below is one mistake. The first line of its documentation is the title on the page, the
//! rest says what to do, and its body is the program. It panics, or returns an error.

mod compiler;
mod data;
mod functions;
mod networks;
mod page;
mod tapes;
mod tensors;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Mutex;

/// A program with a mistake.
pub struct Mistake {
    name: &'static str,
    run: fn() -> Option<String>,
}

/// What a program returns: nothing, since it panics, or an error.
trait Outcome {
    fn error(self) -> Option<String>;
}

impl Outcome for () {
    fn error(self) -> Option<String> {
        None
    }
}

impl<E: Error> Outcome for Result<(), E> {
    fn error(self) -> Option<String> {
        // As a `main` that returns it prints it.
        self.err().map(|error| format!("Error: {error:?}"))
    }
}

/// The mistakes of a module, in the order of the page.
macro_rules! mistakes {
    ($($name:ident)*) => {
        pub const MISTAKES: &[crate::Mistake] =
            &[$( crate::Mistake { name: stringify!($name), run: || crate::Outcome::error($name()) } ),*];
    };
}
use mistakes;

/// What the user sees of a mistake: the message of the panic, with its place, or the error.
fn seen(mistake: &Mistake) -> String {
    static PANIC: Mutex<Option<String>> = Mutex::new(None);
    let usual = take_hook();
    set_hook(Box::new(|panic| *PANIC.lock().unwrap() = Some(panic.to_string())));
    let returned = catch_unwind(AssertUnwindSafe(mistake.run));
    set_hook(usual);
    match returned {
        Ok(error) => error.unwrap_or_else(|| panic!("{} neither panics nor returns an error", mistake.name)),
        Err(_) => PANIC.lock().unwrap().take().expect("a panic has a message"),
    }
}

#[test]
fn the_page_shows_what_the_user_sees() {
    const STALE: &str = "docs/errors.md is out of date: UPDATE=1 cargo test --test errors rewrites it";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, page::page(None)).unwrap();
    }
    let written = std::fs::read_to_string(path).expect("the page is there");
    let page = page::page(Some(&written));
    for (found, expected) in written.lines().zip(page.lines()) {
        assert_eq!(found, expected, "{STALE}");
    }
    assert!(written == page, "{STALE}");
}
