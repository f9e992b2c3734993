//! Losses of numbers: squared errors.

use super::{Loss, Target, beside, reduced};
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
    Mse, Mean
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
    HalfSquared, Sum
}

impl<T: Float> Loss<T> for Mse {
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        Ok(self.reduction.apply((output - beside("mse", output, target)?).square()))
    }
}

impl<T: Float> Loss<T> for HalfSquared {
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        Ok(self.reduction.apply((output - beside("half_squared", output, target)?).square()) * T::of(0.5))
    }
}
