//! Files that are replaced as a whole or not at all.

use super::IoError;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file so that at every moment, even after a crash or a power cut, the path holds either all that was there
/// before or all that `contents` wrote: into a temporary file in the same folder, forced to disk, then renamed.
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
/// If the folder or the disk refuses, or `contents` fails. The temporary file is removed then; one that a killed process
/// left behind is removed by the next write to the same path.
pub fn write_atomically(
    path: impl AsRef<Path>,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), IoError> {
    let path = path.as_ref();
    replace(path, contents).map_err(|source| IoError::Io { action: "write", path: path.into(), source })
}

fn replace(path: &Path, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => (Path::new("."), name),
        (Some(folder), Some(name)) => (folder, name),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no name of a file")),
    };
    remove_leftovers(folder, name);
    let temporary = Temporary(folder.join(temporary_name(name)));
    write_through(&temporary.0, contents)?;
    fs::rename(&temporary.0, &path)?;
    // The new name, too, must survive a power cut. Only Unix opens folders.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A new file to write to and read from that nobody else has, and what removes it: at once where an open file needs no
/// name, so that it goes with the process, whatever ends that.
pub(super) fn nameless() -> io::Result<(File, Option<Temporary>)> {
    let path = std::env::temp_dir().join(temporary_name(OsStr::new("wengert")));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let temporary = Temporary(path);
    Ok((file, (!cfg!(unix)).then_some(temporary)))
}

/// A file that goes when this does, whatever ends the writing; once renamed it is no longer there.
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A new file with these contents, on the disk itself.
fn write_through(path: &Path, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, OpenOptions::new().write(true).create_new(true).open(path)?);
    contents(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// `.name.PROCESS-NUMBER.tmp`: no two writers share one.
fn temporary_name(name: &OsStr) -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut temporary = prefix(name);
    temporary.push(format!("{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    temporary
}

fn prefix(name: &OsStr) -> OsString {
    [OsStr::new("."), name, OsStr::new(".")].into_iter().collect()
}

/// Removes temporary files for this name whose process is gone. That can be told on Linux only; elsewhere they stay.
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
