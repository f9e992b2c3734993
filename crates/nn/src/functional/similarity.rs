//! Vector norms and angles.

use crate::domain::non_negative;
use autograd::{Dims, Float, Result, Tensor, Var};

/// A scalar constant on the tape of `x`.
fn number<'t, T: Float>(x: Var<'t, T>, c: f64) -> Var<'t, T> {
    x.tape().constant(Tensor::scalar(T::of(c)))
}

/// Normalizes vectors along an axis to length 1: `x / max(‖x‖₂, ε)`.
///
/// ```
/// use autograd::{Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let y = nn::functional::normalize(tape.var([[3.0, 4.0]]), 1, 1e-12)?;
/// assert_eq!(y.value(), tensor![[0.6, 0.8]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there is no such axis, or `ε` is negative, infinite or NaN.
#[track_caller]
pub fn normalize<'t, T: Float>(x: Var<'t, T>, axis: isize, eps: f64) -> Result<Var<'t, T>> {
    normalize_with(x, 2.0, axis, eps)
}

/// Normalizes vectors along an axis in any [norm](autograd::Var::norm): `x / max(‖x‖ₚ, ε)`.
///
/// ```
/// use autograd::{Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let y = nn::functional::normalize_with(tape.var([[3.0, 5.0]]), 1.0, 1, 1e-12)?;
/// assert_eq!(y.value(), tensor![[0.375, 0.625]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there is no such axis, `p` is NaN, or `ε` is negative, infinite or NaN.
#[track_caller]
pub fn normalize_with<'t, T: Float>(x: Var<'t, T>, p: f64, axis: isize, eps: f64) -> Result<Var<'t, T>> {
    non_negative("normalize", "eps", eps)?;
    over_norm(x, p, axis, eps, |norm, eps| norm.maximum(eps))
}

/// `x / bounded(‖x‖ₚ, ε)` for a function that scales with its operands. Computed from a fraction of `x`, since the norm
/// of huge numbers may overflow even if each of them is finite.
#[track_caller]
pub(crate) fn over_norm<'t, T: Float>(
    x: Var<'t, T>,
    p: f64,
    axis: isize,
    eps: f64,
    bounded: impl Fn(Var<'t, T>, Var<'t, T>) -> Var<'t, T>,
) -> Result<Var<'t, T>> {
    let (shape, rank) = (x.shape(), x.rank() as isize);
    let size = shape.get(if axis < 0 { axis + rank } else { axis } as usize).copied().unwrap_or(1);
    // The norm is at most n^(1/p) times the largest element; a power of two is exact.
    let halvings = if p >= 1.0 { ((size.max(1) as f64).log2() / p).ceil() } else { 0.0 };
    let part = (-halvings).exp2();
    let norm = (x * T::of(part)).try_norm(p, axis, Dims::Keep)?;
    Ok(x / bounded(norm, number(x, eps * part)) * T::of(part))
}

/// The cosine of the angle between vectors along an axis: `Σ a b / (max(‖a‖, ε) max(‖b‖, ε))`. The operands broadcast.
///
/// ```
/// use autograd::Tape;
/// use nn::functional::cosine_similarity;
/// let tape = Tape::<f64>::new();
/// let (a, b) = (tape.var([[1.0, 0.0], [1.0, 1.0]]), tape.var([[0.0, 2.0], [3.0, 3.0]]));
/// let y = cosine_similarity(a, b, 1, 1e-8)?;
/// assert!(y.value().at(&[0]) == 0.0 && (y.value().at(&[1]) - 1.0).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes do not broadcast, or do not have the axis, or `ε` is negative, infinite or NaN.
#[track_caller]
pub fn cosine_similarity<'t, T: Float>(a: Var<'t, T>, b: Var<'t, T>, axis: isize, eps: f64) -> Result<Var<'t, T>> {
    let shape = a.try_mul(b)?.shape();
    let (a, b) = (a.try_broadcast_to(&shape)?, b.try_broadcast_to(&shape)?);
    (normalize(a, axis, eps)? * normalize(b, axis, eps)?).try_sum(axis, Dims::Drop)
}
