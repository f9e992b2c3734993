//! Atomic replacement of files.

use super::IoError;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file atomically: at every moment, even after a crash or a power failure, the path holds either the complete
/// old file or all that `contents` wrote. Writes to a temporary file in the same folder, syncs and renames it.
///
/// ```
/// use std::io::Write;
/// let path = std::env::temp_dir().join(format!("nn-atomic-{}.txt", std::process::id()));
/// nn::io::write_atomically(&path, |w| w.write_all(b"whole"))?;
/// let failed = nn::io::write_atomically(&path, |w| {
///     w.write_all(b"half of it")?;
///     Err(std::io::Error::other("no more"))
/// });
/// assert!(failed.unwrap_err().to_string().contains("no more"));
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// If the file cannot be written, or `contents` fails. The temporary file is then removed. On Linux, one left behind by
/// a killed process is removed by the next write to the same path.
pub fn write_atomically(
    path: impl AsRef<Path>,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), IoError> {
    let path = path.as_ref();
    replace(path, contents).map_err(|source| IoError::Io { action: "write", path: path.into(), source })
}

fn replace(path: &Path, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A symbolic link stays a link; its target is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => (Path::new("."), name),
        (Some(folder), Some(name)) => (folder, name),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path does not name a file")),
    };
    remove_leftovers(folder, name);
    let temporary = Temporary(folder.join(temporary_name(name)));
    write_through(&temporary.0, contents)?;
    fs::rename(&temporary.0, &path)?;
    // The rename, too, must survive a power failure. Only Unix can open folders to sync them.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Creates a private temporary file for writing and reading, and a guard that removes it. On Unix, where an open file
/// needs no name, the file is unlinked at once and there is no guard, so that it disappears however the process ends.
pub(super) fn nameless() -> io::Result<(File, Option<Temporary>)> {
    let path = std::env::temp_dir().join(temporary_name(OsStr::new("wengert")));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let temporary = Temporary(path);
    Ok((file, (!cfg!(unix)).then_some(temporary)))
}

/// Removes a file when dropped, however the writing ends. After a rename, there is nothing left to remove.
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Creates a file with these contents and syncs it to disk.
fn write_through(path: &Path, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, OpenOptions::new().write(true).create_new(true).open(path)?);
    contents(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// `.name.PROCESS-NUMBER.tmp`, unique to each writer.
fn temporary_name(name: &OsStr) -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut temporary = prefix(name);
    temporary.push(format!("{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    temporary
}

fn prefix(name: &OsStr) -> OsString {
    [OsStr::new("."), name, OsStr::new(".")].into_iter().collect()
}

/// Removes temporary files for this name whose process is gone. Only Linux can tell; elsewhere they stay.
fn remove_leftovers(folder: &Path, name: &OsStr) {
    let prefix = prefix(name).into_encoded_bytes();
    let gone = |file: &Path| {
        let rest = file.file_name()?.as_encoded_bytes().strip_prefix(&prefix[..])?.strip_suffix(b".tmp")?;
        let (process, _) = str::from_utf8(rest).ok()?.split_once('-')?;
        let id: u32 = process.parse().ok()?;
        Some(!Path::new("/proc").join(id.to_string()).exists())
    };
    if cfg!(target_os = "linux") && Path::new("/proc/self").exists() {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let leftovers: Vec<PathBuf> = files.filter(|file| gone(file) == Some(true)).collect();
        leftovers.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}
