//! [`StateDict`]: named tensors in order, the contents of a file of weights.

use super::{AnyTensor, IoError};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Named tensors in order of insertion, with metadata.
///
/// ```
/// use autograd::tensor;
/// use nn::io::StateDict;
/// let mut dict = StateDict::new();
/// dict.insert("weight", tensor![[1.0f32, 2.0]]);
/// dict.insert("steps", tensor![7_i64]);
/// dict.metadata.insert("epoch".into(), "3".into());
/// assert_eq!(dict.get("steps").and_then(|t| t.get::<i64>()), Some(&tensor![7_i64]));
/// assert_eq!(dict.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["weight", "steps"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct StateDict {
    entries: Vec<(Arc<str>, AnyTensor)>,
    places: HashMap<Arc<str>, usize>,
    /// Text by name, which safetensors files store in their headers.
    pub metadata: BTreeMap<String, String>,
    /// Parts of the source file that are not tensors, with the reason.
    pub(super) left_out: BTreeMap<String, String>,
}

impl StateDict {
    /// Creates an empty dictionary.
    pub fn new() -> Self {
        StateDict::default()
    }

    /// Appends a tensor, or replaces the one with the same name and returns the old one.
    pub fn insert(&mut self, name: impl Into<String>, tensor: impl Into<AnyTensor>) -> Option<AnyTensor> {
        let (name, tensor): (Arc<str>, AnyTensor) = (name.into().into(), tensor.into());
        if let Some(&place) = self.places.get(&name) {
            return Some(std::mem::replace(&mut self.entries[place].1, tensor));
        }
        self.places.insert(name.clone(), self.entries.len());
        self.entries.push((name, tensor));
        None
    }

    /// The tensor with this name.
    pub fn get(&self, name: &str) -> Option<&AnyTensor> {
        self.places.get(name).map(|&place| &self.entries[place].1)
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AnyTensor)> {
        self.entries.iter().map(|(name, tensor)| (&**name, tensor))
    }

    /// The parts of the source file that are not tensors, with the reason: text in an NPZ file, for example.
    ///
    /// ```
    /// let dict = nn::io::StateDict::new();
    /// assert!(dict.left_out().is_empty() && dict.is_empty());
    /// ```
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        &self.left_out
    }

    /// Keeps only the tensors for which the function returns `true`.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::io::StateDict;
    /// let mut dict = StateDict::new();
    /// dict.insert("body.weight", tensor![1.0]);
    /// dict.insert("head.weight", tensor![2.0]);
    /// dict.retain(|name, _| !name.starts_with("head."));
    /// assert_eq!((dict.len(), dict.get("head.weight")), (1, None));
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &AnyTensor) -> bool) {
        self.entries.retain(|(name, tensor)| keep(name, tensor));
        self.places = self.entries.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    }

    /// Renames every tensor by a function of its name. The order stays the same.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::io::StateDict;
    /// let mut dict = StateDict::new();
    /// dict.insert("module.weight", tensor![1.0]);
    /// dict.insert("bias", tensor![2.0]);
    /// dict.rename(|name| name.trim_start_matches("module.").to_owned())?;
    /// assert_eq!(dict.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["weight", "bias"]);
    /// assert!(dict.rename(|_| "same".to_owned()).is_err());
    /// # Ok::<(), nn::io::NameTaken>(())
    /// ```
    /// # Errors
    /// If two tensors would share a name. The dictionary is then unchanged.
    pub fn rename(&mut self, mut new: impl FnMut(&str) -> String) -> Result<(), NameTaken> {
        let mut renamed = StateDict { metadata: self.metadata.clone(), ..StateDict::new() };
        for (name, tensor) in self.iter() {
            let name = new(name);
            if renamed.insert(name.clone(), tensor.clone()).is_some() {
                return Err(NameTaken { name });
            }
        }
        *self = renamed;
        Ok(())
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads a [safetensors](https://huggingface.co/docs/safetensors) file, or, given the path of an index that ends with
    /// `.json` (`model.safetensors.index.json`), all files of a sharded model. Half precision (`F16`, `BF16`) becomes
    /// `f32` and integers of every width become `i64`, both without loss; a `U64` tensor with a value beyond `i64` becomes
    /// `f64`, rounded to the nearest number.
    ///
    /// ```
    /// use nn::{io::StateDict, layer::Linear};
    /// let path = std::env::temp_dir().join(format!("state-{}.safetensors", std::process::id()));
    /// nn::state_dict(&Linear::<f32>::new(3, 2, &mut autograd::Rng::new(0))).write(&path)?;
    /// let dict = StateDict::read(&path)?;
    /// assert_eq!(dict.get("weight").unwrap().shape(), [2, 3]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::io::IoError>(())
    /// ```
    /// # Errors
    /// If the file cannot be read or is not valid: all declared sizes must agree with each other and with its length.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, IoError> {
        super::safetensors::read(path.as_ref())
    }

    /// Writes a [safetensors](https://huggingface.co/docs/safetensors) file, [atomically](super::write_atomically):
    /// `F32`, `F64`, `I64` and `BOOL` tensors in row-major order, the widest elements first, so that all are aligned.
    ///
    /// # Errors
    /// If the file cannot be written, or a tensor is named `__metadata__`, which the format reserves.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        super::safetensors::write(self, path.as_ref())
    }
}

/// Two tensors of a [`StateDict`] would share a name.
///
/// ```
/// use nn::io::StateDict;
/// let mut dict = StateDict::new();
/// dict.insert("a.weight", autograd::tensor![1.0]);
/// dict.insert("b.weight", autograd::tensor![2.0]);
/// let error = dict.rename(|name| name.replace("b.", "a.")).unwrap_err();
/// assert_eq!(error.name, "a.weight");
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("two tensors would be named {name:?}")]
pub struct NameTaken {
    /// The name.
    pub name: String,
}

autograd::debug_as_display!(NameTaken);

/// Dictionaries are equal if they have the same tensors and metadata, in any order.
impl PartialEq for StateDict {
    fn eq(&self, other: &Self) -> bool {
        let same = |(name, tensor)| other.get(name) == Some(tensor);
        self.len() == other.len() && self.metadata == other.metadata && self.iter().all(same)
    }
}
