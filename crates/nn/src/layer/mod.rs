//! Layers, the building blocks of networks, with PyTorch's names. `docs/layers.md` lists each with its PyTorch
//! counterpart.
//!
//! ```
//! use autograd::{Rng, Tape, Tensor};
//! use nn::{Module, Pass, layer::{Activation, Conv2d, Flatten, Linear, MaxPool2d, Sequential}};
//! let rng = &mut Rng::new(0);
//! let model = Sequential::<f32>::new()
//!     .then(Conv2d::new(1, 6, 5, rng).padding(2))
//!     .then(Activation::Relu)
//!     .then(MaxPool2d::new(2))
//!     .then(Flatten::new())
//!     .then(Linear::new(6 * 14 * 14, 10, rng));
//! let tape = Tape::new();
//! let scores = model.forward(tape.constant(Tensor::zeros(&[8, 1, 28, 28])), &mut Pass::eval(&tape));
//! assert_eq!(scores.shape().as_slice(), [8, 10]);
//! ```

mod activation;
mod attention;
mod batch_norm;
mod cache;
mod causal_lm;
mod conv;
mod dropout;
mod embedding;
mod embedding_bag;
mod generation;
mod linear;
mod masks;
mod mlp;
mod norm;
mod pool;
mod position;
mod recurrent;
mod reparametrized;
mod resample;
mod reshape;
mod residual;
mod sequential;
mod slope;
mod spatial;
mod transformer;
mod unpool;

pub use activation::Activation;
pub use attention::MultiheadAttention;
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, Running};
pub use cache::KeyValues;
pub use causal_lm::{CausalLm, CausalLmOptions, Positions};
pub use conv::{
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Convolution, ConvolutionTranspose,
};
pub use dropout::{AlphaDropout, ChannelDropout, Dropout, Dropout1d, Dropout2d, Dropout3d};
pub use embedding::Embedding;
pub use embedding_bag::EmbeddingBag;
pub use generation::Generation;
pub use linear::{Bilinear, Linear};
pub use masks::Masks;
pub use mlp::Mlp;
pub use norm::{GroupNorm, InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm, RmsNorm};
pub use pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AdaptiveMaxPool3d, AvgPool, AvgPool1d, AvgPool2d, AvgPool3d, MaxPool, MaxPool1d, MaxPool2d,
    MaxPool3d,
};
pub use position::{LearnedEncoding, SinusoidalEncoding};
pub use recurrent::{
    Direction, Gru, GruCell, Lstm, LstmCell, Recurrent, RecurrentCell, RecurrentOptions, Rnn, RnnCell,
};
pub use reparametrized::{SpectralNorm, WeightNorm};
pub use resample::{PixelShuffle, PixelUnshuffle, Upsample, Upsample1d, Upsample2d, Upsample3d};
pub use reshape::{Flatten, Unflatten};
pub use residual::Residual;
pub use sequential::Sequential;
pub use slope::{PRelu, RRelu};
pub use spatial::Sizes;
pub use transformer::{
    DecoderCache, Transformer, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder,
    TransformerEncoderLayer, TransformerMasks, TransformerOptions,
};
pub use unpool::{MaxUnpool, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d};

use crate::Param;
use autograd::{Float, Rng, Tensor};

/// A new parameter, uniform on ±1/√fan, as PyTorch initializes most layers.
fn uniform<T: Float>(shape: &[usize], fan: usize, rng: &mut Rng) -> Param<T> {
    let bound = T::of(1.0 / (fan.max(1) as f64).sqrt());
    Param::new((Tensor::rand(shape, rng) * T::of(2.0) - T::one()) * bound)
}
