//! Losses of numbers: squared errors.

use super::{Reduction, reduced, same_shape};
use autograd::{Float, Result, Var};

reduced! {
    /// The mean squared error, `mean (y - t)²` over all elements; output and target of one shape.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Mse, Target};
    /// let tape = Tape::<f64>::new();
    /// let y = tape.var([1.0, 2.0]);
    /// let loss = Mse::new().loss(y, &Target::Values(tensor![0.0, 4.0]))?;
    /// assert_eq!((loss.item(), loss.backward().wrt(y)), (2.5, tensor![1.0, -2.0]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    Mse, Mean, mse_loss
}

reduced! {
    /// Half the squared error, `½ Σ (y - t)²`: the loss of the classic derivations, whose derivative is `y - t` itself.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{HalfSquared, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let y = tape.var([1.0, 2.0]);
    /// let loss = HalfSquared::new().loss(y, &Target::Values(tensor![0.0, 4.0]))?;
    /// assert_eq!((loss.item(), loss.backward().wrt(y)), (2.5, tensor![1.0, -2.0]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    HalfSquared, Sum, half_squared_loss
}

/// The squared error `(y - t)²` of each element, reduced.
///
/// # Errors
/// If the shapes differ.
#[track_caller]
pub fn mse_loss<'t, T: Float>(y: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("mse_loss", y, t)?;
    Ok(reduction.apply((y - t).square()))
}

/// Half the squared error `½ (y - t)²` of each element, reduced.
///
/// # Errors
/// If the shapes differ.
#[track_caller]
pub fn half_squared_loss<'t, T: Float>(y: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("half_squared_loss", y, t)?;
    Ok(reduction.apply((y - t).square()) * T::of(0.5))
}
