//! What can be wrong with a file, and where in it.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// It is not there, may not be touched, or the disk is full.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It does not say what its format wants.
    #[error("{}, byte {at}: {problem} (read as {format})", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it was read as.
        format: &'static str,
        /// Where, in bytes from its beginning; in a compressed file, of what it unpacks to.
        at: u64,
        /// What is wrong there.
        problem: String,
    },
    /// It holds other tensors than the model.
    #[error("{}: {error}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// All that differs.
        error: StateError,
    },
}

impl IoError {
    /// The error with the name of the part of the file that it is in.
    #[cfg(feature = "npz")]
    pub(super) fn within(mut self, part: &str) -> IoError {
        if let IoError::Format { problem, .. } = &mut self {
            *problem = format!("{part:?}: {problem}");
        }
        self
    }
}

/// All that keeps a [`StateDict`](super::StateDict) from being a model's. The model is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateError {
    /// Names that the model has and the dictionary lacks, in the model's order.
    pub missing: Vec<String>,
    /// Names that the dictionary has and the model lacks, in the dictionary's order.
    pub unexpected: Vec<String>,
    /// Names that both have, with why the tensor is not taken.
    pub unfit: Vec<(String, String)>,
}

impl std::error::Error for StateError {}

/// One line for each kind of fault.
impl Display for StateError {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str("the tensors are not those of the model, which is unchanged")?;
        for (kind, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !names.is_empty() {
                write!(f, "\n  {kind}: {}", names.join(", "))?;
            }
        }
        self.unfit.iter().try_for_each(|(name, why)| write!(f, "\n  {name}: {why}"))
    }
}

/// What of a model and a [`StateDict`](super::StateDict) does not match: see [`load_matching`](crate::load_matching).
/// Printing shows a line for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unmatched {
    /// Names and shapes that the model has and the dictionary lacks, in the model's order.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Names and shapes that the dictionary has and the model lacks, in the dictionary's order.
    pub unexpected: Vec<(String, Vec<usize>)>,
    /// Names that both have, with why the tensor is not taken, in the model's order.
    pub unfit: Vec<(String, String)>,
}

impl Unmatched {
    /// Whether all matches.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.unfit.is_empty()
    }
}

impl Display for Unmatched {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        for (kind, tensors) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            tensors.iter().try_for_each(|(name, shape)| writeln!(f, "{kind}: {name} {shape:?}"))?;
        }
        self.unfit.iter().try_for_each(|(name, why)| writeln!(f, "{name}: {why}"))
    }
}

impl From<Unmatched> for StateError {
    fn from(Unmatched { missing, unexpected, unfit }: Unmatched) -> Self {
        let names = |tensors: Vec<(String, Vec<usize>)>| tensors.into_iter().map(|(name, _)| name).collect();
        StateError { missing: names(missing), unexpected: names(unexpected), unfit }
    }
}
