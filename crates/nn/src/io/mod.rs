//! Reading and writing tensors. [`save`] and [`load`] store a model in the safetensors format under PyTorch's names; a
//! [`StateDict`] holds the contents of such a file; [`write_atomically`] replaces a file completely or not at all. This
//! module is independent of what layers compute.
//!
//! Files are untrusted: declared sizes are checked against the file's length before memory is allocated, and every
//! fault is an [`IoError`] that names the file and the byte.
//!
//! ```
//! use autograd::Rng;
//! use nn::layer::Linear;
//! let path = std::env::temp_dir().join(format!("nn-io-{}.safetensors", std::process::id()));
//! let model = Linear::<f32>::new(3, 2, &mut Rng::new(1));
//! nn::save(&model, &path)?;
//!
//! let mut other = Linear::<f64>::new(3, 2, &mut Rng::new(2)); // of another type: converted
//! nn::load(&mut other, &path)?;
//! assert_eq!(other.weight.value().at(&[1, 2]), f64::from(model.weight.value().at(&[1, 2])));
//!
//! let mut wider = Linear::<f32>::new(4, 2, &mut Rng::new(3)).without_bias();
//! let error = nn::load(&mut wider, &path).unwrap_err().to_string();
//! assert!(error.contains("weight: the model has shape [2, 4] and the file [2, 3]"));
//! assert!(error.contains("unexpected: bias"));
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod any;
mod array_file;
mod atomic;
mod bytes;
mod dtype;
mod error;
mod gzip;
mod idx;
mod model;
mod npy;
#[cfg(feature = "npz")]
mod npz;
mod safetensors;
mod sniff;
mod source;
mod state;

pub use any::AnyTensor;
pub use array_file::ArrayFile;
pub use atomic::write_atomically;
pub use error::{IoError, StateError, Unmatched};
pub use idx::{read_idx, read_idx_as};
pub(crate) use model::check_state_dict;
pub use model::{load, load_matching, load_state_dict, save, save_with_notes, state_dict};
pub use npy::{read_npy, write_npy};
pub(crate) use sniff::stranger;
pub(crate) use source::{Opened, Source, Stream};
pub use state::{NameTaken, StateDict};
