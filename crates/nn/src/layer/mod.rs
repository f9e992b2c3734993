//! Layers: what a network is built from.

mod activation;
mod batch_norm;
mod dropout;
mod linear;
mod mlp;
mod norm;
mod sequential;

pub use activation::Activation;
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, Running};
pub use dropout::{ChannelDropout, Dropout, Dropout1d, Dropout2d, Dropout3d};
pub use linear::Linear;
pub use mlp::Mlp;
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub use sequential::Sequential;
