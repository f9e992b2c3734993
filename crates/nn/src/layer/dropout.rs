//! Dropout: noise that keeps units from relying on one another.

use crate::{Mode, Module, Pass, parameters};
use autograd::{Float, Rng, Tensor, Var};

/// Inverted dropout (Srivastava et al., 2014): in training each number becomes 0 with probability `p` and is divided by
/// `1 - p` otherwise, so that its mean stays; in eval mode nothing happens. Any shape.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Module, Pass, layer::Dropout};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant([1.0f32; 8]);
/// let y = Dropout::new(0.5).forward(x, &mut Pass::train(&tape, Rng::new(1)));
/// assert!(y.value().iter().all(|y| y == 0.0 || y == 2.0));
/// assert_eq!(Dropout::new(0.5).forward(x, &mut Pass::eval(&tape)).value(), x.value());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Drops with probability `p`; 1 drops everything.
    ///
    /// # Panics
    /// If `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "Dropout: the probability must be in [0, 1], not {p}");
        Dropout { p }
    }

    /// The probability of dropping.
    pub fn p(&self) -> f64 {
        self.p
    }

    /// What each number is multiplied by: 0 or 1 / (1 - p).
    fn mask<T: Float>(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        let keep = T::of(1.0 / (1.0 - self.p));
        // Half of 64 random bits decides one number: it is dropped if it lies below p · 2³². For p = 1 all do.
        let dropped = (self.p * 2f64.powi(32)).round() as u64;
        let mut mask = Tensor::zeros(shape);
        for pair in mask.make_mut().chunks_mut(2) {
            let bits = rng.bits();
            for (x, half) in pair.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
                *x = if u64::from(half) < dropped { T::zero() } else { keep };
            }
        }
        mask
    }
}

parameters! { impl[T: Float] Parameters<T> for Dropout {} }

impl<T: Float> Module<T> for Dropout {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        if pass.mode() == Mode::Eval || self.p == 0.0 {
            return x;
        }
        let mask = self.mask(&x.shape(), pass.rng());
        x * pass.tape().constant(mask)
    }

    fn describe(&self) -> String {
        format!("Dropout({})", self.p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::Tape;

    fn drop_ones(p: f64, n: usize, seed: u64) -> Tensor<f64> {
        let tape = Tape::new();
        let x = tape.constant(Tensor::ones(&[n]));
        Dropout::new(p).forward(x, &mut Pass::train(&tape, Rng::new(seed))).value()
    }

    #[test]
    fn the_mean_stays() {
        let n = 100_000;
        for p in [0.1, 0.5, 0.9] {
            let y = drop_ones(p, n, 3);
            // The standard deviation of the mean is √(p / (1 - p) / n); five of them.
            let tolerance = 5.0 * (p / (1.0 - p) / n as f64).sqrt();
            assert!((y.mean().item() - 1.0).abs() < tolerance, "{p}: {}", y.mean());
            assert!(y.iter().all(|y| y == 0.0 || y == 1.0 / (1.0 - p)));
        }
    }

    #[test]
    fn extremes_are_identity_and_zeros() {
        assert_eq!(drop_ones(0.0, 5, 0), Tensor::ones(&[5]));
        assert_eq!(drop_ones(1.0, 5, 0), Tensor::zeros(&[5]));
    }

    #[test]
    fn the_seed_decides_what_is_dropped() {
        assert_eq!(drop_ones(0.5, 101, 7), drop_ones(0.5, 101, 7));
        assert_ne!(drop_ones(0.5, 101, 7), drop_ones(0.5, 101, 8));
    }

    #[test]
    fn one_pass_drops_differently_in_each_layer() {
        let tape = Tape::<f64>::new();
        let x = tape.constant(Tensor::ones(&[64]));
        let mut pass = Pass::train(&tape, Rng::new(0));
        let layer = Dropout::new(0.5);
        assert_ne!(layer.forward(x, &mut pass).value(), layer.forward(x, &mut pass).value());
    }

    #[test]
    fn derivatives_are_right() {
        check_module(&mut Dropout::new(0.4), &Tensor::randn(&[3, 4], &mut Rng::new(2)));
    }

    #[test]
    #[should_panic(expected = "must be in [0, 1], not NaN")]
    fn a_probability_is_no_nan() {
        Dropout::new(f64::NAN);
    }

    #[test]
    #[should_panic(expected = "must be in [0, 1], not 1.5")]
    fn a_probability_is_at_most_one() {
        Dropout::new(1.5);
    }
}
