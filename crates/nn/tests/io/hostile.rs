//! Broken files: every prefix, every flipped byte, sizes beyond the file. An error that names the file and the place
//! each time, and memory in proportion to the file's real length, which a counting allocator watches.

use super::{Folder, written};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Display;
use std::path::Path;

struct Counting;

thread_local! {
    /// The largest block that this thread has asked for.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // Late in a thread's life its counter is gone; nothing is measured then.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Blocks that a reader may ask for whatever the file: its buffer, and numbers read at a time.
const BLOCKS: usize = 600_000;

/// What follows the file's name in an error: the place of the fault, or what the table lacks.
const PLACES: [&str; 4] = [", byte ", ", line ", ": the table has no data rows", ": the table has no column"];

/// What a reader makes of these bytes: data, or an error that names file and place. No block is much larger than the
/// file.
fn outcome<T, E: Display>(path: &Path, bytes: &[u8], read: &impl Fn(&Path) -> Result<T, E>) -> Result<T, String> {
    written(path, bytes);
    LARGEST.set(0);
    let outcome = read(path).map_err(|error| error.to_string());
    let largest = LARGEST.get();
    assert!(largest <= BLOCKS + 64 * bytes.len(), "{largest} bytes at once for a file of {}", bytes.len());
    if let Err(error) = &outcome {
        let rest = error.strip_prefix(path.to_str().unwrap());
        let rest = rest.unwrap_or_else(|| panic!("the file is not named: {error}"));
        assert!(PLACES.iter().any(|place| rest.starts_with(place)), "the place is not named: {error}");
    }
    outcome
}

/// Breaks a sound file in every way. Each strict prefix must be an error; a flipped byte may be other data.
pub fn break_everywhere<T, E: Display>(name: &str, bytes: &[u8], read: impl Fn(&Path) -> Result<T, E>) {
    let whole = |length, outcome: Result<T, String>| {
        assert!(outcome.is_err(), "{name} cut to {length} bytes of {}", bytes.len());
    };
    break_with(name, bytes, read, whole);
}

/// The same of a file without an end of its own: `check` sees what comes of each strict prefix, by its length.
pub fn break_with<T, E: Display>(
    name: &str,
    bytes: &[u8],
    read: impl Fn(&Path) -> Result<T, E>,
    check: impl Fn(usize, Result<T, String>),
) {
    let folder = Folder::new(&format!("broken-{name}"));
    let path = folder.file(name);
    assert!(outcome(&path, bytes, &read).is_ok(), "{name} is sound");
    for length in 0..bytes.len() {
        check(length, outcome(&path, &bytes[..length], &read));
    }
    for place in 0..bytes.len() {
        for flip in [0x01, 0x08, 0x80, 0xff] {
            let mut broken = bytes.to_vec();
            broken[place] ^= flip;
            let _ = outcome(&path, &broken, &read);
        }
    }
    unreadable(&folder, &read);
}

/// What is there no file at all.
fn unreadable<T, E: Display>(folder: &Folder, read: &impl Fn(&Path) -> Result<T, E>) {
    for path in [folder.0.as_path(), &folder.file("missing"), Path::new("/dev/zero")] {
        let Err(error) = read(path) else { panic!("{} is no file to read", path.display()) };
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

/// That these bytes are an error that says so.
pub fn refuses<T, E: Display>(bytes: &[u8], read: impl Fn(&Path) -> Result<T, E>, saying: &str) {
    let folder = Folder::new(&format!("refused-{:x}", bytes.as_ptr().addr()));
    let Err(error) = outcome(&folder.file("file"), bytes, &read) else { panic!("taken, and should be: {saying}") };
    assert!(error.contains(saying), "{error:?} does not say {saying:?}");
}
