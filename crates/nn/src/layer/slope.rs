//! Activations whose slope below 0 is learned or random rather than fixed.

use crate::{Mode, Module, Noise, Param, Pass, parameters};
use autograd::{Float, Tensor, Var};

/// x where positive, `weight · x` elsewhere, with a learned slope: one for all, or one for each channel of `[N, C, …]`
/// (He et al., 2015). It is initially 0.25.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Module, Pass, layer::PRelu};
/// let tape = Tape::<f64>::new();
/// let y = PRelu::new(1).forward(tape.constant([2.0, -2.0]), &mut Pass::eval(&tape));
/// assert_eq!(y.value(), tensor![2.0, -0.5]);
/// ```
#[derive(Debug, Clone)]
pub struct PRelu<T: Float> {
    /// `[1]` or `[C]`
    pub weight: Param<T>,
}

parameters! { impl[T: Float] Parameters<T> for PRelu<T> { weight } }

impl<T: Float> PRelu<T> {
    /// With one slope, or one for each of `slopes` channels.
    pub fn new(slopes: usize) -> Self {
        PRelu { weight: Param::new(Tensor::full(&[slopes], T::of(0.25))) }
    }
}

impl<T: Float> Module<T> for PRelu<T> {
    /// # Panics
    /// Panics if there are several slopes, but not as many channels.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let (slopes, shape) = (self.weight.value().len(), x.shape());
        let fits = slopes == 1 || shape.get(1) == Some(&slopes);
        pass.ensure(fits, "PRelu", || format!("expected {slopes} channels, one per slope, got shape {shape:?}"));
        let mut wide = vec![1; shape.len().saturating_sub(1)];
        wide.first_mut().into_iter().for_each(|channels| *channels = slopes);
        let y = x.prelu(pass.var(&self.weight).reshape(&wide));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("PRelu({})", self.weight.value().len())
    }
}

/// x where positive, `slope · x` elsewhere. In training, each slope is drawn from a range; in eval mode, it is the
/// middle of the range (Xu et al., 2015).
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Module, Pass, layer::RRelu};
/// let tape = Tape::<f64>::new();
/// let y = RRelu { lower: 0.25, upper: 0.75 }.forward(tape.constant([2.0, -2.0]), &mut Pass::eval(&tape));
/// assert_eq!(y.value(), tensor![2.0, -1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RRelu {
    /// The lower bound of the slopes. Defaults to ⅛.
    pub lower: f64,
    /// The upper bound of the slopes, exclusive. Defaults to ⅓.
    pub upper: f64,
}

impl Default for RRelu {
    fn default() -> Self {
        RRelu { lower: 1.0 / 8.0, upper: 1.0 / 3.0 }
    }
}

parameters! { impl[T: Float] Parameters<T> for RRelu {} }

impl<T: Float> Module<T> for RRelu {
    /// # Panics
    /// Panics if the lower bound exceeds the upper one, or one of them is not finite.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let fits = self.lower <= self.upper && (self.upper - self.lower).is_finite();
        pass.ensure(fits, "RRelu", || format!("expected finite slopes, lower <= upper, got {self:?}"));
        let y = match pass.mode() {
            Mode::Eval => x.leaky_relu((self.lower + self.upper) / 2.0),
            Mode::Train => {
                let slopes = pass.noise(&x.shape(), Noise::Uniform) * T::of(self.upper - self.lower);
                x.prelu(slopes + T::of(self.lower))
            }
        };
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("RRelu({}, {})", self.lower, self.upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Tape, tensor};

    #[test]
    fn derivatives_are_right_to_second_order() {
        let x = tensor![[0.55, -1.2, 2.0, 7.0], [-0.3, 0.9, -2.5, -4.0]];
        check_module(&mut PRelu::new(1), &x);
        check_module(&mut PRelu::new(4), &x);
        check_module(&mut RRelu::default(), &x);
    }

    #[test]
    fn slopes_are_drawn_anew_within_their_range() {
        let tape = Tape::<f64>::new();
        let x = tape.constant(Tensor::full(&[100], -1.0));
        let mut pass = Pass::train(&tape, autograd::Rng::new(2));
        let mut draw = || RRelu::default().forward(x, &mut pass).value();
        let (a, b) = (draw(), draw());
        assert!(a != b && a.iter().all(|y| (-1.0 / 3.0..=-0.125).contains(&y)));
    }
}
