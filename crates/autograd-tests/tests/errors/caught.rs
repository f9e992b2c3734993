//! Captures a panic's message and location.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// The panic hook is global and tests run in parallel, so each thread keeps its own last panic.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic's message and location.
#[derive(Debug)]
pub struct Panic {
    pub text: String,
    pub file: String,
    pub line: u32,
}

/// The panic of `f`, if it panics. Not generic: it is called some three hundred times.
pub fn caught(f: Box<dyn FnOnce() + '_>) -> Option<Panic> {
    static HOOK: Once = Once::new();
    thread_local! { static LISTENING: RefCell<bool> = const { RefCell::new(false) }; }
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !LISTENING.with_borrow(|l| *l) {
                return usual(info);
            }
            let at = info.location().expect("a panic has a location");
            let formatted = info.payload().downcast_ref::<String>().cloned();
            let text = formatted.or_else(|| info.payload().downcast_ref::<&str>().map(|s| s.to_string()));
            let text = text.unwrap_or_default();
            LAST.set(Some(Panic { text, file: at.file().into(), line: at.line() }));
        }));
    });
    LISTENING.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    LISTENING.set(false);
    result.err().and_then(|_| LAST.take())
}

/// Checks that `call` panicked in this place with a message that contains all the words, and returns the message.
pub fn check(call: &str, panic: Option<Panic>, place: (&str, u32), words: &[&str]) -> String {
    let panic = panic.unwrap_or_else(|| panic!("{call} does not panic"));
    for word in words {
        assert!(panic.text.contains(word), "{:?} does not contain {word:?}", panic.text);
    }
    assert_eq!((panic.file.as_str(), panic.line), place, "{call}");
    panic.text
}

/// Checks that the call panics on this line of this file with a message that contains all the words, and that its
/// `try_` form, if given, returns an error with the same message.
macro_rules! refuses {
    ($call:expr, $($word:literal),+) => {{
        let panic = crate::caught::caught(Box::new(|| { let _ = $call; }));
        crate::caught::check(stringify!($call), panic, (file!(), line!()), &[$($word),+])
    }};
    ($call:expr, $try:expr, $($word:literal),+) => {{
        let error = $try.map(|_| ()).expect_err("the call should fail").to_string();
        assert_eq!(refuses!($call, $($word),+), error, "both forms must have the same message");
    }};
}
pub(crate) use refuses;
