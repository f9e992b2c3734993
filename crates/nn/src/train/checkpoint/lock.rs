//! A folder of checkpoints belongs to one training run at a time. The run holds an advisory lock on a file in it, which
//! the operating system releases when the process ends, however it ends.

use super::folder::{NAME, failed, numbered};
use super::{CheckpointError, Checkpoints};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;

/// The file that is locked. It stays in the folder: a process that removed it could remove the lock of another.
const FILE: &str = ".lock";

/// The lock of a folder, held until it is dropped; `None` on a file system without locks.
pub(in crate::train) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] Option<File>);

impl Checkpoints {
    /// Locks the folder for a new run. It must not have checkpoints.
    pub(in crate::train) fn begin(&self) -> Result<Lock, CheckpointError> {
        let lock = self.lock()?;
        match numbered(&self.folder)?.is_empty() {
            true => Ok(lock),
            false => Err(CheckpointError::Occupied { folder: self.folder.clone() }),
        }
    }

    /// Locks the folder, which is created if it does not exist, checks that checkpoints can be written to it, and removes
    /// leftovers of dead processes. Without the lock, nothing is changed.
    pub(in crate::train) fn lock(&self) -> Result<Lock, CheckpointError> {
        let folder = &self.folder;
        if folder.as_os_str().is_empty() {
            return Err(CheckpointError::NoName);
        }
        if folder.exists() && !folder.is_dir() {
            return Err(CheckpointError::NotAFolder { path: folder.clone() });
        }
        let unwritable = |problem| failed("write checkpoints to", folder, problem);
        fs::create_dir_all(folder).map_err(unwritable)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(FILE));
        let file = file.map_err(unwritable)?;
        let lock = match file.try_lock() {
            Ok(()) => Lock(Some(file)),
            Err(TryLockError::WouldBlock) => return Err(CheckpointError::InUse { folder: folder.clone() }),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Lock(None),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        };
        let trial = folder.join(format!(".{NAME}trial.tmp"));
        self.remove_leftovers();
        fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).map_err(unwritable)?;
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("nn-lock-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_second_run_is_refused_and_touches_nothing() {
        let folder = folder("second");
        let checkpoints = Checkpoints::new(&folder);
        let lock = checkpoints.begin().unwrap();
        let half = folder.join(".checkpoint-000001.tmp");
        fs::create_dir(&half).unwrap();
        for refused in [checkpoints.begin(), checkpoints.lock()] {
            assert!(matches!(refused, Err(CheckpointError::InUse { .. })));
            assert!(half.exists());
        }
        drop(lock);
        checkpoints.lock().map(drop).unwrap();
        assert!(!half.exists(), "a leftover of a run that is over");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_one_is_refused_at_once() {
        assert!(matches!(Checkpoints::new("").lock(), Err(CheckpointError::NoName)));
        let file = folder("file");
        fs::write(&file, "not a folder").unwrap();
        let said = Checkpoints::new(&file).begin().map(drop).unwrap_err().to_string();
        assert!(said.ends_with("is a file, not a folder: choose another path for checkpoints"), "{said}");
        let within = file.join("run");
        let said = Checkpoints::new(&within).begin().map(drop).unwrap_err().to_string();
        assert!(said.starts_with(&format!("cannot write checkpoints to {}", within.display())), "{said}");
        fs::remove_file(file).unwrap();
    }
}
