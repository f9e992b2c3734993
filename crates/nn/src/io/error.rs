//! Errors of reading and writing files, with their location.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// Why a file could not be read or written.
///
/// ```
/// let mut model = nn::layer::Mlp::new(&[2, 1]).build::<f32>();
/// let error = nn::load(&mut model, "no/such/file.safetensors").unwrap_err();
/// assert!(matches!(error, nn::io::IoError::Io { action: "read", .. }));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The file does not exist, access is denied, the disk is full, or another I/O error occurred.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted action, such as `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not valid in its format.
    #[error("{}, byte {at}: {problem} (read as {format})", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format as which it was read.
        format: &'static str,
        /// Byte offset of the fault; in a compressed file, an offset in the decompressed data.
        at: u64,
        /// The fault.
        problem: String,
    },
    /// The tensors in the file do not match the model.
    #[error("{}: {error}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// All differences.
        error: StateError,
    },
}

autograd::debug_as_display!(IoError);

impl IoError {
    /// The error of reading this file. A [`Stream`](super::Stream) has already located it.
    pub(crate) fn of(error: std::io::Error, path: &std::path::Path) -> IoError {
        error.downcast().unwrap_or_else(|source| IoError::Io { action: "read", path: path.into(), source })
    }

    /// Adds the name of the part of the file in which the error occurred.
    #[cfg(feature = "npz")]
    pub(super) fn within(mut self, part: &str) -> IoError {
        if let IoError::Format { problem, .. } = &mut self {
            *problem = format!("{part:?}: {problem}");
        }
        self
    }
}

/// All reasons why a [`StateDict`](super::StateDict) does not match a model. The model is unchanged.
///
/// ```
/// use nn::layer::Linear;
/// let rng = &mut autograd::Rng::new(0);
/// let (narrow, mut wide) = (Linear::<f32>::new(2, 1, rng), Linear::<f32>::new(3, 1, rng));
/// let error = nn::load_state_dict(&mut wide, &nn::state_dict(&narrow)).unwrap_err();
/// assert_eq!((error.missing.len(), error.unfit[0].0.as_str()), (0, "weight"));
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StateError {
    /// Names that the model has and the dictionary lacks, in the model's order.
    pub missing: Vec<String>,
    /// Names that the dictionary has and the model lacks, in the dictionary's order.
    pub unexpected: Vec<String>,
    /// Names that both have, with the reason why the tensor does not fit.
    pub unfit: Vec<(String, String)>,
}

autograd::debug_as_display!(StateError);

impl std::error::Error for StateError {}

/// One line each for missing and unexpected names, and one for each tensor that does not fit.
impl Display for StateError {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str("the tensors do not match the model, which is unchanged")?;
        for (kind, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !names.is_empty() {
                write!(f, "\n  {kind}: {}", names.join(", "))?;
            }
        }
        self.unfit.iter().try_for_each(|(name, why)| write!(f, "\n  {name}: {why}"))
    }
}

/// The mismatches between a model and a [`StateDict`](super::StateDict): see [`load_matching`](crate::load_matching).
/// Displays one line for each.
///
/// ```
/// use nn::layer::Linear;
/// let rng = &mut autograd::Rng::new(0);
/// let (narrow, mut wide) = (Linear::<f32>::new(2, 1, rng), Linear::<f32>::new(3, 1, rng));
/// let unmatched = nn::load_matching(&mut wide, &nn::state_dict(&narrow));
/// assert!(!unmatched.is_empty() && unmatched.unfit.len() == 1, "the bias matches");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unmatched {
    /// Names and shapes that the model has and the dictionary lacks, in the model's order.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Names and shapes that the dictionary has and the model lacks, in the dictionary's order.
    pub unexpected: Vec<(String, Vec<usize>)>,
    /// Names that both have, with the reason why the tensor does not fit, in the model's order.
    pub unfit: Vec<(String, String)>,
}

impl Unmatched {
    /// Whether everything matches.
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
