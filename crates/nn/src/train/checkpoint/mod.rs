//! Checkpoints: everything a training run needs to resume as if it had never stopped, in folders that are written
//! atomically. [`folder`](self::folder) defines the layout on disk; a run decides what lies in it.

mod folder;
mod lock;

pub(super) use folder::{Files, newest};

use crate::io::IoError;
use std::path::{Path, PathBuf};

/// Where and how often to save training, and how many checkpoints to keep.
///
/// Each checkpoint is a separate folder, such as `checkpoint-000007`. It contains the weights in `model.safetensors`
/// under PyTorch's names, those of the best epoch in `best.safetensors`, and everything else (optimizer, schedule,
/// averages, position in the data, random streams, history) in `training.safetensors`. Checksums in `checkpoint.txt`
/// detect damaged checkpoints, which [`Trainer::resume`](super::Trainer::resume) skips.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::{Checkpoints, Trainer}};
/// let folder = std::env::temp_dir().join(format!("nn-checkpoints-{}", std::process::id()));
/// let trainer = |epochs| {
///     let trainer = Trainer::new(CrossEntropy::new(), Adam::<f32>::new(1e-3)).epochs(epochs);
///     trainer.checkpoints(Checkpoints::new(&folder).every_steps(40).keep(2))
/// };
/// let new = || Mlp::new(&[64, 16, 10]).dropout(0.1).seed(1).build::<f32>();
///
/// trainer(2).fit(&mut new(), &digits::<f32>())?; // and later, in another process:
/// let history = trainer(3).resume(&mut new(), &digits::<f32>())?;
/// assert_eq!(history.epochs.len(), 3);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "ModelCheckpoint")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    every_epochs: usize,
    every_steps: Option<u64>,
    keep: usize,
}

impl Checkpoints {
    /// Saves to this folder after every epoch, and keeps the last three checkpoints. The folder belongs to one training
    /// run: as long as it is in progress, a file lock keeps other runs out.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Checkpoints { folder: folder.into(), every_epochs: 1, every_steps: None, keep: 3 }
    }

    /// Saves after every `epochs` epochs, and after the last.
    ///
    /// ```
    /// let checkpoints = nn::train::Checkpoints::new("run").every_epochs(5);
    /// # let _ = checkpoints;
    /// ```
    /// # Panics
    /// Panics if `epochs` is 0.
    #[track_caller]
    pub fn every_epochs(self, epochs: usize) -> Self {
        assert!(epochs > 0, "Checkpoints: every_epochs must be at least 1, got 0");
        Checkpoints { every_epochs: epochs, ..self }
    }

    /// Also saves after every `steps` updates, even in the middle of an epoch.
    ///
    /// # Panics
    /// Panics if `steps` is 0.
    #[track_caller]
    pub fn every_steps(self, steps: u64) -> Self {
        assert!(steps > 0, "Checkpoints: every_steps must be at least 1, got 0");
        Checkpoints { every_steps: Some(steps), ..self }
    }

    /// How many of the latest checkpoints to keep. With two or more, training can still resume if one is damaged on
    /// disk.
    ///
    /// # Panics
    /// Panics if `keep` is 0.
    #[track_caller]
    pub fn keep(self, keep: usize) -> Self {
        assert!(keep > 0, "Checkpoints: keep must be at least 1, got 0");
        Checkpoints { keep, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether to save after this many updates.
    pub(super) fn due_after_step(&self, steps: u64) -> bool {
        self.every_steps.is_some_and(|every| steps.is_multiple_of(every))
    }

    /// Whether a save was due after any update between these two, not counting the first.
    pub(super) fn due_between(&self, after: u64, steps: u64) -> bool {
        self.every_steps.is_some_and(|every| steps / every > after / every)
    }

    /// How often it saves.
    pub(super) fn pace(&self) -> String {
        let steps = self.every_steps.map(|steps| format!(" and {steps} updates")).unwrap_or_default();
        format!("after {} epochs{steps}", self.every_epochs)
    }

    /// Whether to save after this many epochs.
    pub(super) fn due_after_epoch(&self, epochs: usize) -> bool {
        epochs.is_multiple_of(self.every_epochs)
    }
}

/// Why a checkpoint could not be written or resumed.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{CheckpointError, TrainError, Trainer}};
/// let error = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).resume(&mut Mlp::new(&[64, 10]).build(), &digits());
/// assert!(matches!(error, Err(TrainError::Checkpoint(CheckpointError::NoFolder))));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file could not be read or written, or is malformed.
    #[error(transparent)]
    File(#[from] IoError),
    /// The contents of a file are not what was written.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There are checkpoints, but none is complete.
    #[error("{newest}; {}: restore one from a backup, or delete the folder to start over", incomplete(*checkpoints, folder))]
    NoneComplete {
        /// The folder.
        folder: PathBuf,
        /// Number of checkpoints in it.
        checkpoints: usize,
        /// What is wrong with the newest.
        newest: Box<CheckpointError>,
    },
    /// A complete checkpoint of another training run.
    #[error("{}: this is a checkpoint of another training run: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// A new training run would write into the folder of an earlier one.
    #[error("{} holds checkpoints of an earlier training run: resume it, or choose another folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// Another training run, in this or in another process, is writing to the folder.
    #[error("{} belongs to a training run in progress: wait for its end, or choose another folder", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The path of the folder is the path of a file.
    #[error("{} is a file, not a folder: choose another path for checkpoints", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The path of the folder is empty.
    #[error("the path of the folder for checkpoints is empty: use \".\" for the current folder")]
    NoName,
    /// No checkpoint folder is set.
    #[error("no folder to resume from: set one with Trainer::checkpoints")]
    NoFolder,
}

autograd::debug_as_display!(CheckpointError);

/// The error that no checkpoint is complete.
fn incomplete(checkpoints: usize, folder: &Path) -> String {
    match checkpoints {
        1 => format!("{} has no other checkpoint", folder.display()),
        n => format!("none of the {n} checkpoints in {} is complete", folder.display()),
    }
}
