//! Dropout: noise that keeps units from relying on one another.

use crate::{Mode, Module, Noise, Pass, parameters};
use autograd::{Float, Var};

/// Inverted dropout (Srivastava et al., 2014): in training each element becomes 0 with probability `p` and is divided
/// by `1 - p` otherwise, so that its mean is preserved; in eval mode the input passes through. Works on any shape.
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

/// Dropout of whole channels of `[N, C, …]` or `[C, …]` with `D` trailing axes (Tompson et al., 2015): neighbors in an
/// image are so similar that dropping single ones has little effect.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Dropout2d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::ones(&[2, 3, 4, 4]));
/// let y = Dropout2d::new(0.5).forward(x, &mut Pass::train(&tape, Rng::new(1)));
/// assert!(y.mean_axes([2, 3]).value().iter().all(|mean| mean == 0.0 || mean == 2.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelDropout<const D: usize> {
    p: f64,
}

/// [`ChannelDropout`] of `[N, C, L]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Dropout1d};
/// let tape = Tape::<f32>::new();
/// let y = Dropout1d::new(0.5).forward(tape.constant(Tensor::ones(&[4, 3, 5])), &mut Pass::train(&tape, Rng::new(1)));
/// assert!(y.value().iter().all(|x| x == 0.0 || x == 2.0));
/// ```
pub type Dropout1d = ChannelDropout<1>;
/// [`ChannelDropout`] of `[N, C, H, W]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Dropout2d};
/// let tape = Tape::<f32>::new();
/// let y = Dropout2d::new(0.5).forward(tape.constant(Tensor::ones(&[4, 3, 5, 5])), &mut Pass::train(&tape, Rng::new(1)));
/// assert!(y.value().iter().all(|x| x == 0.0 || x == 2.0));
/// ```
pub type Dropout2d = ChannelDropout<2>;
/// [`ChannelDropout`] of `[N, C, D, H, W]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Dropout3d};
/// let tape = Tape::<f32>::new();
/// let y = Dropout3d::new(0.5).forward(tape.constant(Tensor::ones(&[4, 3, 5, 5, 5])), &mut Pass::train(&tape, Rng::new(1)));
/// assert!(y.value().iter().all(|x| x == 0.0 || x == 2.0));
/// ```
pub type Dropout3d = ChannelDropout<3>;

/// Dropout for networks of `Selu` (Klambauer et al., *Self-normalizing neural networks*, 2017): in training each element
/// becomes -λα, the least value of `Selu`, with probability `p`, and then all are scaled and shifted, so that inputs of mean 0
/// and variance 1 keep both; in eval mode the input passes through. Works on any shape.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::AlphaDropout};
/// let tape = Tape::<f64>::new();
/// let x = tape.constant(Tensor::randn(&[10_000], &mut Rng::new(1)));
/// let y = AlphaDropout::new(0.2).forward(x, &mut Pass::train(&tape, Rng::new(2))).value();
/// let (mean, variance) = (y.mean().item(), y.var(0.0).item());
/// assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlphaDropout {
    p: f64,
}

#[track_caller]
pub(super) fn probability(p: f64) -> f64 {
    assert!((0.0..=1.0).contains(&p), "Dropout: the probability must be in [0, 1], got {p}");
    p
}

/// Multiplies `x` by a dropout mask of the given shape, which broadcasts to `x`.
#[track_caller]
fn drop_at<'t, T: Float>(x: Var<'t, T>, shape: &[usize], p: f64, pass: &mut Pass<'t, T>) -> Var<'t, T> {
    x * pass.noise(shape, Noise::Dropout { p })
}

impl Dropout {
    /// Drops with probability `p`; 1 drops everything.
    ///
    /// # Panics
    /// Panics if `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        Dropout { p: probability(p) }
    }

    /// The dropout probability.
    ///
    /// ```
    /// assert_eq!(nn::layer::Dropout::new(0.5).p(), 0.5);
    /// ```
    pub fn p(&self) -> f64 {
        self.p
    }

    /// The output, without a separate line in a summary, for layers that contain this one.
    #[track_caller]
    pub(super) fn apply<'t, T: Float>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        if pass.mode() == Mode::Eval || self.p == 0.0 { x } else { drop_at(x, &x.shape(), self.p, pass) }
    }
}

impl<const D: usize> ChannelDropout<D> {
    /// Drops channels with probability `p`; 1 drops everything.
    ///
    /// # Panics
    /// Panics if `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        ChannelDropout { p: probability(p) }
    }

    /// The dropout probability.
    ///
    /// ```
    /// assert_eq!(nn::layer::Dropout2d::new(0.5).p(), 0.5);
    /// ```
    pub fn p(&self) -> f64 {
        self.p
    }
}

/// λα of `Selu`.
const LEAST: f64 = 1.050_700_987_355_480_5 * 1.673_263_242_354_377_2;

impl AlphaDropout {
    /// Drops with probability `p`; 1 makes everything 0.
    ///
    /// # Panics
    /// Panics if `p` is not in `[0, 1]`.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        AlphaDropout { p: probability(p) }
    }

    /// The dropout probability.
    ///
    /// ```
    /// assert_eq!(nn::layer::AlphaDropout::new(0.5).p(), 0.5);
    /// ```
    pub fn p(&self) -> f64 {
        self.p
    }
}

parameters! { impl[T: Float] Parameters<T> for Dropout {} }
parameters! { impl[T: Float] Parameters<T> for AlphaDropout {} }
parameters! { impl[T: Float, const D: usize] Parameters<T> for ChannelDropout<D> {} }

impl<T: Float> Module<T> for Dropout {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = self.apply(x, pass);
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("Dropout({})", self.p)
    }
}

impl<T: Float> Module<T> for AlphaDropout {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let p = self.p;
        if pass.mode() == Mode::Eval || p == 0.0 {
            return pass.note(self, x);
        }
        let kept = pass.noise(&x.shape(), Noise::Dropout { p }).sign();
        // The dropped elements have mean -λα and no variance.
        let scale = if p < 1.0 { 1.0 / ((1.0 - p) * (1.0 + p * LEAST * LEAST)).sqrt() } else { 0.0 };
        let y = x * kept * T::of(scale) + (kept - T::of(1.0 - p)) * T::of(scale * LEAST);
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("AlphaDropout({})", self.p)
    }
}

impl<T: Float, const D: usize> Module<T> for ChannelDropout<D> {
    /// # Panics
    /// Panics if the input is neither `[N, C, …]` nor `[C, …]` with `D` trailing axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let mut shape = x.shape();
        let leading = shape.len().wrapping_sub(D);
        let problem = || format!("expected input [N, C, …] or [C, …] (trailing axes: {D}), got {shape:?}");
        pass.ensure(matches!(leading, 1 | 2), format_args!("Dropout{D}d"), problem);
        if pass.mode() == Mode::Eval || self.p == 0.0 {
            return pass.note(self, x);
        }
        shape[leading..].fill(1);
        let y = drop_at(x, &shape, self.p, pass);
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("Dropout{D}d({})", self.p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, Tensor};

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
            // The standard deviation of the mean is √(p / (1 - p) / n); allow five of them.
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
        let rng = &mut Rng::new(2);
        check_module(&mut Dropout::new(0.4), &Tensor::randn(&[3, 4], rng));
        check_module(&mut AlphaDropout::new(0.4), &Tensor::randn(&[3, 4], rng));
        check_module(&mut Dropout1d::new(0.4), &Tensor::randn(&[3, 4], rng));
        check_module(&mut Dropout2d::new(0.4), &Tensor::randn(&[2, 4, 2, 2], rng));
    }

    /// By the formula of the paper: a (x d + α' (1 - d)) + b with α' = -λα, q = 1 - p, a = (q + α'² q (1 - q))^-½ and
    /// b = -a (1 - q) α'.
    #[test]
    fn alpha_dropout_keeps_mean_and_variance() {
        for p in [0.05, 0.3, 0.7] {
            let tape = Tape::<f64>::new();
            let x = tape.constant(Tensor::randn(&[100_000], &mut Rng::new(5)));
            let y = AlphaDropout::new(p).forward(x, &mut Pass::train(&tape, Rng::new(6))).value();
            let (alpha, q) = (Tensor::scalar(-1e3).selu().item(), 1.0 - p);
            let a = (q + alpha * alpha * q * (1.0 - q)).powf(-0.5);
            let b = -a * (1.0 - q) * alpha;
            let near = |y: f64, x: f64| (y - x).abs() < 1e-14;
            let dropped = y.iter().filter(|&y| near(y, a * alpha + b)).count();
            assert!((dropped as f64 / 1e5 - p).abs() < 0.01, "{p}: {dropped}");
            assert!(x.value().iter().zip(y.iter()).all(|(x, y)| near(y, a * alpha + b) || near(y, a * x + b)));
            assert!(y.mean().item().abs() < 0.02 && (y.var(0.0).item() - 1.0).abs() < 0.02, "{p}: {y}");
        }
    }

    #[test]
    fn alpha_dropout_of_nothing_and_of_everything() {
        let tape = Tape::<f64>::new();
        let x = tape.constant([1.0, -2.0]);
        let drop = |p: f64| AlphaDropout::new(p).forward(x, &mut Pass::train(&tape, Rng::new(1))).value().to_vec();
        assert_eq!((drop(0.0), drop(1.0)), (vec![1.0, -2.0], vec![0.0, 0.0]));
        assert_eq!(AlphaDropout::new(0.5).forward(x, &mut Pass::eval(&tape)).value(), x.value());
    }

    #[test]
    fn channels_are_dropped_whole() {
        let tape = Tape::<f64>::new();
        for shape in [&[2, 8, 3, 2, 2][..], &[8, 3, 2, 2]] {
            let x = tape.constant(Tensor::ones(shape));
            let y = Dropout3d::new(0.5).forward(x, &mut Pass::train(&tape, Rng::new(1)));
            let means = y.mean_axes([-3, -2, -1]).value();
            assert!(
                means.iter().all(|m| m == 0.0 || m == 2.0) && means.iter().any(|m| m != means.iter().next().unwrap())
            );
        }
    }

    #[test]
    #[should_panic(expected = "Dropout2d: expected input [N, C, …] or [C, …] (trailing axes: 2), got [4, 4]")]
    fn channels_need_their_axes() {
        let tape = Tape::<f64>::new();
        Dropout2d::new(0.5).forward(tape.constant(Tensor::ones(&[4, 4])), &mut Pass::eval(&tape));
    }

    #[test]
    #[should_panic(expected = "must be in [0, 1], got NaN")]
    fn a_probability_is_no_nan() {
        Dropout::new(f64::NAN);
    }

    #[test]
    #[should_panic(expected = "must be in [0, 1], got 1.5")]
    fn a_probability_is_at_most_one() {
        Dropout1d::new(1.5);
    }
}
