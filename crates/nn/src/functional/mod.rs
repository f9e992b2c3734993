//! The functions behind the layers, with PyTorch's names and conventions. They take all parameters as arguments, so
//! they also work for networks that store them elsewhere.
//!
//! ```
//! use autograd::Tape;
//! use nn::functional::{layer_norm, normalize};
//! let tape = Tape::<f64>::new();
//! assert_eq!(normalize(tape.var([[3.0, 4.0]]), 1, 1e-12)?.value(), autograd::tensor![[0.6, 0.8]]);
//! let y = layer_norm(tape.var([[1.0, 3.0]]), &[2], None, None, 1e-5)?.value();
//! assert!((y.at(&[0, 1]) - 1.0).abs() < 1e-5);
//! # Ok::<(), autograd::Error>(())
//! ```

mod attention;
mod bags;
mod grid;
mod norm;
mod recurrent;
mod similarity;
mod unpool;

pub(crate) use attention::causal_mask;
pub use attention::{AttentionOptions, attention_weights, embedding, rotary, scaled_dot_product_attention};
pub use bags::{BagMode, BagOptions, Bags, embedding_bag};
pub use grid::{Beyond, Sampling, affine_grid, grid_sample, grid_sample_with};
pub use norm::{BatchNormOptions, batch_norm, group_norm, instance_norm, layer_norm, rms_norm};
pub(crate) use norm::{batch_normalized, check_momentum, representable};
pub use recurrent::{
    GruUnit, LstmUnit, RnnNonlinearity, Unit, Weights, gru_cell, gru_seq, lstm_cell, lstm_seq, rnn_cell, rnn_seq,
};
pub(crate) use recurrent::{Walk, cell, sequence};
pub(crate) use similarity::over_norm;
pub use similarity::{cosine_similarity, normalize, normalize_with};
pub use unpool::max_unpool;

#[cfg(test)]
mod tests;
