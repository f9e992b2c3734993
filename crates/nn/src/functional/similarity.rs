//! Lengths and angles.

use autograd::{Float, Result, Tensor, Var};

/// A number on the tape of `x`.
fn number<'t, T: Float>(x: Var<'t, T>, c: f64) -> Var<'t, T> {
    x.tape().constant(Tensor::scalar(T::of(c)))
}

/// The Euclidean norm `√Σ x²` along an axis, kept with size 1 or dropped. Elements are divided by the largest first, so that
/// no square overflows; where all are 0, so is the derivative.
///
/// ```
/// use autograd::Tape;
/// use nn::functional::l2_norm;
/// let tape = Tape::<f64>::new();
/// let y = l2_norm(tape.var([[3e200, 4e200], [0.0, 0.0]]), 1, false)?;
/// assert!((y.value().at(&[0]) / 5e200 - 1.0).abs() < 1e-15 && y.value().at(&[1]) == 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If there is no such axis.
#[track_caller]
pub fn l2_norm<'t, T: Float>(x: Var<'t, T>, axis: isize, keep: bool) -> Result<Var<'t, T>> {
    let sizes = x.abs();
    let empty = sizes.shape().contains(&0);
    let largest = if empty { sizes.try_sum(axis, true)? } else { sizes.try_max(axis, true)? };
    // It cancels: the norm does not depend on it, and so neither do its derivatives.
    let usable = largest.gt(number(x, 0.0)) * largest.lt(number(x, f64::INFINITY));
    let scale = usable.select(largest, number(x, 1.0)).stop_gradient();
    let squares = (x / scale).square().try_sum(axis, true)?;
    let some = squares.gt(number(x, 0.0));
    // Times 0, not 0: a NaN stays one.
    let root = some.select(some.select(squares, number(x, 1.0)).sqrt(), squares * T::zero());
    let norm = root * scale;
    if keep { Ok(norm) } else { norm.try_squeeze(axis) }
}

/// `x / max(‖x‖, ε)` along an axis: vectors of length 1.
///
/// ```
/// use autograd::{Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let y = nn::functional::normalize(tape.var([[3.0, 4.0]]), 1, 1e-12)?;
/// assert_eq!(y.value(), tensor![[0.6, 0.8]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If there is no such axis.
#[track_caller]
pub fn normalize<'t, T: Float>(x: Var<'t, T>, axis: isize, eps: f64) -> Result<Var<'t, T>> {
    Ok(x / l2_norm(x, axis, true)?.maximum(number(x, eps)))
}

/// The cosine of the angle between vectors along an axis, `Σ a b / (max(‖a‖, ε) max(‖b‖, ε))`; the operands broadcast.
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
/// If the shapes do not broadcast, or have no such axis.
#[track_caller]
pub fn cosine_similarity<'t, T: Float>(a: Var<'t, T>, b: Var<'t, T>, axis: isize, eps: f64) -> Result<Var<'t, T>> {
    let shape = a.try_mul(b)?.shape();
    let (a, b) = (a.try_broadcast_to(&shape)?, b.try_broadcast_to(&shape)?);
    (normalize(a, axis, eps)? * normalize(b, axis, eps)?).try_sum(axis, false)
}
