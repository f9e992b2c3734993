//! End-to-end tests of files: written data reads back, broken files are errors, and failed writes keep the old file.

mod arrays;
mod atomic;
mod hostile;
mod safetensors;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

/// A separate folder for a test, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("nn-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
        Folder(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of the files in it.
    fn names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        fs::read_dir(&self.0).unwrap().map(name).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes these bytes to a file.
fn written<'p>(path: &'p Path, bytes: &[u8]) -> &'p Path {
    fs::write(path, bytes).unwrap();
    path
}
