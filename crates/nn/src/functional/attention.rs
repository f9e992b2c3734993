//! Attention, and the embedding table that usually precedes it.

use crate::domain::{finite, positive};
use crate::number::exact;
use autograd::{Attention, Error, Float, Index, Ints, Mask, Result, Tensor, Var};

/// Looks up rows of a table `[rows, width]`. The result has the shape of the index plus a last axis, `[…, width]`. The
/// row `padding` receives no gradient.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::embedding;
/// let tape = Tape::<f64>::new();
/// let table = tape.var([[1.0, 2.0], [3.0, 4.0]]);
/// let y = embedding(table, &tensor![1_i64, 0, 1], Some(0))?;
/// assert_eq!(y.value(), tensor![[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!(y.sum().backward().wrt(table), tensor![[0.0, 0.0], [2.0, 2.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the table is not a matrix, or an index or `padding` is not one of its rows.
#[track_caller]
pub fn embedding<'t, T: Float>(
    table: Var<'t, T>,
    index: impl Into<Index<Var<'t, T>>>,
    padding: Option<usize>,
) -> Result<Var<'t, T>> {
    const OP: &str = "embedding";
    let &[rows, _] = table.shape().as_slice() else {
        let hint = "the table must be [rows, width]".into();
        return Err(Error::Shape { op: OP, shape: table.shape().as_slice().into(), hint });
    };
    let index = index.into().on(table.tape()).try_within(OP, rows)?;
    let vectors = table.try_take(0, index)?;
    let Some(padding) = padding else { return Ok(vectors) };
    if padding >= rows {
        return Err(Error::Index { op: OP, index: padding as i64, position: 0, size: rows });
    }
    let is_padding = naming(index, padding, rows).indicator().unsqueeze(-1);
    Ok(is_padding.select(vectors.stop_gradient(), vectors))
}

/// Mask of the positions whose index is one of the given rows. It is computed from the same index as the lookup, so
/// that both agree when a replay changes the index.
pub(super) fn naming<'t, T: Float>(index: Ints<'t, T>, row: usize, rows: usize) -> Mask<'t, T> {
    if row < exact::<T>() {
        return index.numbers().is_eq(T::of(row as f64));
    }
    let named = Tensor::from_fn(&[rows], |at| if at[0] == row { T::one() } else { T::zero() });
    index.tape().constant(named).take(0, index).is_eq(T::one())
}

/// The rotary encoding of positions (Su et al., *RoFormer*, 2021) of queries or keys `[…, length, width]`: each pair of
/// neighbors (x₂ᵢ, x₂ᵢ₊₁) of the vector at position p is rotated by the angle p · base^(-2i / width). The scalar product
/// of a query and a key then depends on their positions only through the distance. The first position is `from`.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::rotary;
/// let tape = Tape::<f64>::new();
/// let x = tape.var([[1.0, 0.0], [1.0, 0.0]]);
/// let y = rotary(x, 0, 10_000.0)?;
/// assert_eq!(y.value(), tensor![[1.0, 0.0], [1f64.cos(), 1f64.sin()]]);
/// assert_eq!(rotary(x.slice(0, 1..), 1, 10_000.0)?.value(), y.value().slice_axis(0, 1..2));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there are fewer than two axes, the width is odd, or the base is not positive and finite.
#[track_caller]
pub fn rotary<'t, T: Float>(x: Var<'t, T>, from: usize, base: f64) -> Result<Var<'t, T>> {
    positive("rotary", "base", base)?;
    let shape = x.shape();
    let (&[.., length, width], true) = (shape.as_slice(), x.rank() >= 2 && shape[x.rank() - 1].is_multiple_of(2))
    else {
        let hint = "expected […, positions, width], where the width is even".into();
        return Err(Error::Shape { op: "rotary", shape: shape.as_slice().into(), hint });
    };
    let table = |values: Vec<f64>| Tensor::new(&[length, width], values.into_iter().map(T::of).collect());
    let [cos, sin] = turns(from, length, width, base).map(|values| x.tape().constant(table(values)));
    // (a, b) becomes (a cos - b sin, b cos + a sin): the second table has -sin for a.
    let pairs = [&shape[..shape.len() - 1], &[width / 2, 2]].concat();
    let swapped = x.reshape(&pairs).flip(-1).reshape(&shape);
    Ok(x * cos + swapped * sin)
}

/// The cosines and the signed sines of the angles of [`rotary`], `[length, width]`.
fn turns(from: usize, length: usize, width: usize, base: f64) -> [Vec<f64>; 2] {
    let rates: Vec<f64> = (0..width / 2).map(|i| base.powf(-((2 * i) as f64) / width as f64)).collect();
    let (mut cosines, mut sines) = (Vec::with_capacity(length * width), Vec::with_capacity(length * width));
    for position in from..from + length {
        for rate in &rates {
            let (sin, cos) = (position as f64 * rate).sin_cos();
            cosines.extend([cos; 2]);
            sines.extend([-sin, sin]);
        }
    }
    [cosines, sines]
}

/// Options of [`scaled_dot_product_attention`].
#[derive(Debug, Clone, Copy)]
pub struct AttentionOptions<'t, T: Float> {
    /// Added to the scores `[…, queries, keys]`, to which it broadcasts; -inf hides a key. A query whose keys are all
    /// hidden yields 0.
    pub mask: Option<Var<'t, T>>,
    /// Whether a query attends only to keys up to its own position.
    pub causal: bool,
    /// The factor applied to the scores. Defaults to `1 / √width`.
    pub scale: Option<f64>,
}

impl<T: Float> Default for AttentionOptions<'_, T> {
    fn default() -> Self {
        AttentionOptions { mask: None, causal: false, scale: None }
    }
}

/// Attention of queries `[…, L, E]` to keys `[…, S, E]` and their values `[…, S, V]`: `softmax(q kᵀ · scale + mask) v`,
/// of shape `[…, L, V]`. Source: Vaswani et al., *Attention is all you need* (2017). The weights are never stored:
/// [`Var::attention`] computes them a few queries at a time.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::{AttentionOptions, scaled_dot_product_attention};
/// let tape = Tape::<f64>::new();
/// let (q, v) = (tape.var([[0.0], [0.0]]), tape.var([[1.0], [3.0]]));
/// let options = AttentionOptions { causal: true, ..AttentionOptions::default() };
/// assert_eq!(scaled_dot_product_attention(q, q, v, options)?.value(), tensor![[1.0], [2.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes are incompatible, or both `mask` and `causal` are set (one mask can express both).
#[track_caller]
pub fn scaled_dot_product_attention<'t, T: Float>(
    q: Var<'t, T>,
    k: Var<'t, T>,
    v: Var<'t, T>,
    options: AttentionOptions<'t, T>,
) -> Result<Var<'t, T>> {
    let scale = checked(q, k, options)?;
    at_least_matrix(v)?;
    q.try_attention(k, v, options.mask.as_ref(), Attention { causal: options.causal, scale: Some(scale) })
}

/// The weight that each query `[…, L, E]` gives to each key `[…, S, E]`: `softmax(q kᵀ · scale + mask)`, of shape
/// `[…, L, S]`. [`scaled_dot_product_attention`] mixes the values with these weights.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::{AttentionOptions, attention_weights};
/// let tape = Tape::<f64>::new();
/// let q = tape.var([[0.0], [0.0]]);
/// let mask = Some(tape.constant([[0.0, f64::NEG_INFINITY], [0.0, 0.0]]));
/// let weights = attention_weights(q, q, AttentionOptions { mask, ..AttentionOptions::default() })?;
/// assert_eq!(weights.value(), tensor![[1.0, 0.0], [0.5, 0.5]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes are incompatible, or both `mask` and `causal` are set (one mask can express both).
#[track_caller]
pub fn attention_weights<'t, T: Float>(
    q: Var<'t, T>,
    k: Var<'t, T>,
    options: AttentionOptions<'t, T>,
) -> Result<Var<'t, T>> {
    let scale = checked(q, k, options)?;
    // Scaling the queries touches fewer elements than scaling the scores.
    let mut scores = (q * T::of(scale)).try_matmul(k.t())?;
    if let Some(mask) = options.mask {
        let shape = scores.shape();
        scores = scores + mask.try_broadcast_to(&shape)?;
    }
    if options.causal {
        let shape = scores.shape();
        scores = scores + scores.tape().constant(causal_mask(0, shape[shape.len() - 2], shape[shape.len() - 1]));
    }
    attend(scores, options.mask.is_some())
}

const OP: &str = "scaled_dot_product_attention";

/// The scale of the scores, or an error if the options do not fit.
fn checked<T: Float>(q: Var<'_, T>, k: Var<'_, T>, options: AttentionOptions<'_, T>) -> Result<f64> {
    at_least_matrix(q).and(at_least_matrix(k))?;
    if options.causal && options.mask.is_some() {
        let hint = "set either mask or causal, not both: a mask can also hide later keys".into();
        return Err(Error::Argument { op: OP, hint });
    }
    options.scale.map_or(Ok(()), |scale| finite(OP, "scale", scale))?;
    Ok(options.scale.unwrap_or_else(|| 1.0 / (q.shape()[q.rank() - 1] as f64).sqrt()))
}

fn at_least_matrix<T: Float>(x: Var<'_, T>) -> Result<()> {
    if x.rank() >= 2 {
        return Ok(());
    }
    let hint = "queries, keys and values must have at least two axes, […, positions, width]".into();
    Err(Error::Shape { op: OP, shape: x.shape().as_slice().into(), hint })
}

/// The causal mask of queries that start at position `from`: 0 for keys up to the query's own position, -inf for later
/// keys.
pub(crate) fn causal_mask<T: Float>(from: usize, queries: usize, keys: usize) -> Tensor<T> {
    Tensor::from_fn(&[queries, keys], |at| if at[1] > from + at[0] { -T::INFINITY } else { T::zero() })
}

/// Softmax over the keys. A query whose keys are all masked gets weight 0 everywhere, and no gradient.
#[track_caller]
fn attend<'t, T: Float>(scores: Var<'t, T>, masked: bool) -> Result<Var<'t, T>> {
    let keys = scores.shape()[scores.rank() - 1];
    if !masked || keys == 0 {
        return scores.try_softmax(-1);
    }
    // Fully masked queries are detected on the tape, because a mask may change from step to step.
    let number = |c: T| scores.tape().constant(Tensor::scalar(c));
    let (blind, zero) = (scores.max_keep(-1).equal(number(-T::INFINITY)), number(T::zero()));
    Ok(blind.select(zero, blind.select(zero, scores).try_softmax(-1)?))
}
