//! What the fuzz targets share. Each target reads arbitrary bytes with one of the readers of `nn`. The properties:
//!
//! - No panic, no overflow, no undefined behavior: libFuzzer and AddressSanitizer watch over these.
//! - No more memory than ten times the file plus 64 MiB: [`with_file`] measures it.
//! - What was read survives being written and read again, and readers of the same file agree: the targets check this.
//!
//! Files with checksums would hardly ever get past them. For these, [`Edits`] change a valid file, and the target
//! renews the checksums.

use nn::io::{AnyTensor, ArrayFile, StateDict};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

struct Counting;

/// The bytes that the process holds, and the most that it has held since [`with_file`] began.
static HELD: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

fn hold(bytes: isize) {
    let now = HELD.fetch_add(bytes, Relaxed) + bytes;
    MOST.fetch_max(now, Relaxed);
}

// SAFETY: forwards every call unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        hold(layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A folder of this process. In memory where that exists: a disk would be most of the time.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
    folder(&parent, &format!("wengert-fuzz-{}", std::process::id()))
});

fn folder(parent: &Path, name: &str) -> PathBuf {
    let folder = parent.join(name);
    fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
    folder
}

/// A path in the folder of this process.
pub fn path(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// Writes a file, reads it, and checks the memory that this took.
pub fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let path = path(name);
    fs::write(&path, bytes).expect("the folder for temporary files is writable");
    bounded(bytes.len(), || read(&path));
}

/// Checks that reading so many bytes takes at most ten times as many, plus 64 MiB.
pub fn bounded(bytes: usize, read: impl FnOnce()) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    read();
    let held = MOST.load(Relaxed) - before;
    let most = 10 * bytes + (64 << 20);
    assert!(held <= most as isize, "{held} bytes of memory for a file of {bytes}, at most {most}");
}

/// Checks that two tensors are equal, NaN to NaN.
pub fn same(a: &AnyTensor, b: &AnyTensor) {
    // Types differ where rows of integers are read as numbers.
    assert_eq!(a.shape(), b.shape());
    let bits = |x: &AnyTensor| {
        x.to::<f64>().iter().map(|x| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }).collect::<Vec<_>>()
    };
    assert_eq!(bits(a), bits(b));
}

/// Checks that the rows of a file are those of the array as a whole.
pub fn same_rows(whole: &AnyTensor, rows: &ArrayFile) {
    // Of empty rows, a short file can hold billions.
    if rows.shape()[0] <= 10_000 {
        let all: Vec<usize> = (0..rows.shape()[0]).collect();
        same(whole, &rows.rows::<f64>(&all).expect("all rows").into());
    }
}

/// Checks that a dictionary reads back as it was written.
pub fn survives(dict: &StateDict, write: impl FnOnce(&Path), read: impl FnOnce(&Path) -> StateDict) {
    let path = path("again.safetensors");
    write(&path);
    let again = read(&path);
    assert_eq!(dict.len(), again.len());
    // In another order, perhaps: widest numbers first.
    dict.iter().for_each(|(name, tensor)| same(tensor, again.get(name).expect("every name")));
}

/// Bytes that describe changes of a file: each is a place, how many bytes to remove there, how many to insert, and
/// these.
pub struct Edits<'b>(pub &'b [u8]);

impl Edits<'_> {
    /// Changes a file.
    pub fn of(&self, file: &[u8]) -> Vec<u8> {
        let (mut file, mut rest) = (file.to_vec(), self.0);
        while let [low, high, remove, insert, more @ ..] = rest {
            let at = usize::from(u16::from_le_bytes([*low, *high])) % (file.len() + 1);
            let (remove, insert) = (usize::from(*remove), usize::from(*insert).min(more.len()));
            file.splice(at..(at + remove).min(file.len()), more[..insert].iter().copied());
            rest = &more[insert..];
        }
        file
    }

    /// Changes the header of a safetensors file, whose length is renewed, or the numbers behind it.
    pub fn of_safetensors(&self, file: &[u8]) -> Vec<u8> {
        let (length, rest) = file.split_first_chunk().expect("a valid file");
        let (header, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let (mut header, mut numbers) = (header.to_vec(), numbers.to_vec());
        match self.0 {
            [first, rest @ ..] if *first == 1 => numbers = Edits(rest).of(&numbers),
            [_, rest @ ..] => header = Edits(rest).of(&header),
            [] => {}
        }
        [&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat()
    }
}
