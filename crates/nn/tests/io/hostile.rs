//! Broken files: every prefix, every flipped byte, sizes beyond the file. Each must give an error that names the file
//! and the place, and take memory in proportion to the file's real length, which a counting allocator checks.

use super::{Folder, written};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Display;
use std::path::Path;

struct Counting;

thread_local! {
    /// The largest block that this thread has requested.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    /// The bytes that this thread holds, and the most that it has held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn hold(bytes: isize) {
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + bytes;
        held.set((now, now.max(held.get().1)));
    });
}

fn note(size: usize) {
    // The counter is already destroyed late in the life of a thread; nothing is measured then.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: forwards everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        hold(layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        hold(layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        hold(size as isize - layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that a reader may allocate for any file: its buffer, and a block of numbers.
const BLOCKS: usize = 600_000;

/// What follows the file's name in an error: the place of the fault, or what the table lacks.
const PLACES: [&str; 4] = [", byte ", ", line ", ": the table has no data rows", ": the table has no column"];

/// Reads these bytes: the outcome is data, or an error that names file and place. No block may be much larger than the
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

/// Breaks a valid file in every way. Each strict prefix must be an error; a flipped byte may give other data.
pub fn break_everywhere<T, E: Display>(name: &str, bytes: &[u8], read: impl Fn(&Path) -> Result<T, E>) {
    let whole = |length, outcome: Result<T, String>| {
        assert!(outcome.is_err(), "{name} cut to {length} bytes of {}", bytes.len());
    };
    break_with(name, bytes, read, whole);
}

/// Like [`break_everywhere`], for formats without an end marker: `check` gets the length and outcome of each prefix.
pub fn break_with<T, E: Display>(
    name: &str,
    bytes: &[u8],
    read: impl Fn(&Path) -> Result<T, E>,
    check: impl Fn(usize, Result<T, String>),
) {
    let folder = Folder::new(&format!("broken-{name}"));
    let path = folder.file(name);
    assert!(outcome(&path, bytes, &read).is_ok(), "{name} is not valid to begin with");
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

/// Paths that are not regular files must be errors that name the path.
fn unreadable<T, E: Display>(folder: &Folder, read: &impl Fn(&Path) -> Result<T, E>) {
    for path in [folder.0.as_path(), &folder.file("missing"), Path::new("/dev/zero")] {
        let Err(error) = read(path) else { panic!("{} is not a readable file, but no error occurred", path.display()) };
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

/// Checks that reading these bytes is an error with this text.
pub fn refuses<T, E: Display>(bytes: &[u8], read: impl Fn(&Path) -> Result<T, E>, saying: &str) {
    let folder = Folder::new(&format!("refused-{:x}", bytes.as_ptr().addr()));
    let Err(error) = outcome(&folder.file("file"), bytes, &read) else { panic!("no error, expected: {saying}") };
    assert!(error.contains(saying), "{error:?} does not contain {saying:?}");
}

/// Files of much structure and few numbers take at most ten times their size, plus 64 MiB.
#[test]
fn memory_of_structure() {
    use nn::data::{Column, CsvOptions, read_csv};
    use nn::io::StateDict;
    let folder = Folder::new("structure");
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let object =
        |entry: &dyn Fn(usize) -> String, n| format!("{{{}}}", (0..n).map(entry).collect::<Vec<_>>().join(","));
    let empty = |i: usize| format!(r#""t{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#);
    let zeros = format!(r#"{{"a":{{"dtype":"F32","shape":[{}0],"data_offsets":[0,0]}}}}"#, "0,".repeat(4_000_000));
    let notes = format!(r#"{{"__metadata__":{}}}"#, object(&|i| format!(r#""{i}":"""#), 600_000));
    let weights = |path: &Path| StateDict::read(path).map(drop).map_err(|error| error.to_string());
    let table =
        |options: CsvOptions| move |path: &Path| read_csv::<f64>(path, &options).map(drop).map_err(|e| e.to_string());
    type Reads = Box<dyn Fn(&Path) -> Result<(), String>>;
    let cases: [(&str, Vec<u8>, Reads); 6] = [
        ("many axes", header(&zeros), Box::new(weights)),
        ("many tensors", header(&object(&empty, 150_000)), Box::new(weights)),
        ("many notes", header(&notes), Box::new(weights)),
        ("a wide row", "1,".repeat(4_000_000).into_bytes(), Box::new(table(CsvOptions::labels(Column::Last)))),
        ("many rows", "1,1\n".repeat(1_000_000).into_bytes(), Box::new(table(CsvOptions::labels(1)))),
        (
            "many classes",
            (0..900_000).map(|i| format!("{i},1\n")).collect::<String>().into_bytes(),
            Box::new(table(CsvOptions::text(0))),
        ),
    ];
    for (name, bytes, read) in cases {
        let path = folder.file("file");
        written(&path, &bytes);
        let before = HELD.get().0;
        HELD.set((before, before));
        let _ = read(&path);
        let held = (HELD.get().1 - before) as usize;
        let most = 10 * bytes.len() + (64 << 20);
        assert!(held <= most, "{name}: {held} bytes for a file of {}, at most {most}", bytes.len());
    }
}
