//! Checkpoints: all that a training needs to go on as if it had never stopped, in folders that are there as a whole or not
//! at all. [`folder`](self::folder) knows how they lie on the disk, [`state`](self::state) what is in them.

mod folder;
mod state;

pub(super) use folder::{Files, newest};

use crate::io::IoError;
use std::path::{Path, PathBuf};

/// Where and how often a training is saved, and how many of its states are kept.
///
/// Each checkpoint is a folder of its own, `checkpoint-000007` say, with the weights as `model.safetensors` under PyTorch's
/// names, those of the best epoch as `best.safetensors`, and everything else (optimizer, schedule, averages, place in the
/// data, random streams, history) in `training.safetensors`. Checksums in `checkpoint.txt` tell a damaged one, which
/// [`Trainer::resume`](super::Trainer::resume) passes over.
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
/// trainer(2).fit(&mut new(), &digits::<f32>())?; // and another day, in another process:
/// let history = trainer(3).resume(&mut new(), &digits::<f32>())?;
/// assert_eq!(history.epochs.len(), 3);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    every_epochs: usize,
    every_steps: Option<u64>,
    keep: usize,
}

impl Checkpoints {
    /// After every epoch, the last three of them, in this folder, which belongs to one training.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Checkpoints { folder: folder.into(), every_epochs: 1, every_steps: None, keep: 3 }
    }

    /// After so many epochs, and after the last.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn every_epochs(self, epochs: usize) -> Self {
        assert!(epochs > 0, "Checkpoints: every 0 epochs is never");
        Checkpoints { every_epochs: epochs, ..self }
    }

    /// Also after so many updates, in the middle of an epoch too.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn every_steps(self, steps: u64) -> Self {
        assert!(steps > 0, "Checkpoints: every 0 steps is never");
        Checkpoints { every_steps: Some(steps), ..self }
    }

    /// How many of the last checkpoints stay: with two or more, one that the disk damages is no loss.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn keep(self, keep: usize) -> Self {
        assert!(keep > 0, "Checkpoints: at least one must stay");
        Checkpoints { keep, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a training is to be saved after so many updates.
    pub(super) fn due_after_step(&self, steps: u64) -> bool {
        self.every_steps.is_some_and(|every| steps.is_multiple_of(every))
    }

    /// Whether it is to be saved after so many epochs.
    pub(super) fn due_after_epoch(&self, epochs: usize) -> bool {
        epochs.is_multiple_of(self.every_epochs)
    }
}

/// Why a checkpoint could not be written or gone on from.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{CheckpointError, TrainError, Trainer}};
/// let error = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).resume(&mut Mlp::new(&[64, 10]).build(), &digits());
/// assert!(matches!(error, Err(TrainError::Checkpoint(CheckpointError::NoFolder))));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file that cannot be read or written, or is not sound.
    #[error(transparent)]
    File(#[from] IoError),
    /// A file that is not what was written.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A whole checkpoint of another training.
    #[error("{}: this is a checkpoint of another training: {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// A new training in the folder of an old one.
    #[error("{} holds checkpoints of an earlier training: resume that, or choose another folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no folder to resume from.
    #[error("there is nothing to resume from: give the trainer a folder by Trainer::checkpoints")]
    NoFolder,
}
