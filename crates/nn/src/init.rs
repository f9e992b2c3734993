//! Weight initialization: distributions scaled to a layer's size, so that signals neither vanish nor explode across
//! many layers.
//!
//! ```
//! use autograd::Rng;
//! use nn::init::{Fan, Init, Nonlinearity};
//! let gain = Nonlinearity::Relu.gain(); // √2
//! let weights = Init::kaiming_normal(gain, Fan::In).tensor::<f64>(&[200, 400], &mut Rng::new(0));
//! assert!((weights.square().mean().item().sqrt() - gain / 20.0).abs() < 1e-3);
//! ```

use crate::once;
use crate::{Param, Parameters, Path};
use autograd::{Float, Rng, Tensor};

/// A distribution for initial weights. Plain data: compare it, print it, store it in a configuration.
///
/// ```
/// use autograd::Rng;
/// use nn::{init::{Fan, Init, Nonlinearity}, layer::Linear};
/// let mut rng = Rng::new(1);
/// let mut layer = Linear::<f32>::new(256, 128, &mut rng);
/// Init::kaiming_normal(Nonlinearity::Relu.gain(), Fan::In).fill(&mut layer.weight, &mut rng);
/// Init::Constant(0.1).fill(layer.bias.as_mut().unwrap(), &mut rng);
/// // The same seed draws the same weights.
/// assert_eq!(Init::lecun_normal().tensor::<f32>(&[3, 4], &mut Rng::new(7)), Init::lecun_normal().tensor(&[3, 4], &mut Rng::new(7)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// The same value everywhere.
    Constant(f64),
    /// Uniform on `[low, high)`.
    Uniform {
        /// The lower bound, inclusive.
        low: f64,
        /// The upper bound, exclusive.
        high: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Normal, truncated to `[low, high]`. The bounds are values, not multiples of the standard deviation, as in
    /// PyTorch.
    TruncNormal {
        /// The mean before truncation.
        mean: f64,
        /// The standard deviation before truncation.
        std: f64,
        /// The lower bound, inclusive.
        low: f64,
        /// The upper bound, inclusive.
        high: f64,
    },
    /// A random orthogonal matrix times `gain`: its rows (or its columns, if there are fewer) are orthogonal and have
    /// norm `gain`. Axes after the first are treated as one. Source: Saxe, McClelland and Ganguli, *Exact solutions to
    /// the nonlinear dynamics of learning in deep linear neural networks* (2014).
    Orthogonal {
        /// The gain for the activation that follows; see [`Nonlinearity::gain`].
        gain: f64,
    },
    /// Normal with mean 0, except that a fraction of the elements in each column of a matrix `[out, in]`, rounded up,
    /// is 0. Source: Martens, *Deep learning via Hessian-free optimization* (2010).
    Sparse {
        /// The fraction of each column that is 0.
        sparsity: f64,
        /// The standard deviation of the remaining elements.
        std: f64,
    },
    /// Mean 0 and standard deviation `gain / √fan`: the general form of the Xavier, Kaiming and LeCun initializers.
    Scaled {
        /// The gain for the activation that follows; see [`Nonlinearity::gain`].
        gain: f64,
        /// Which connections count toward the fan.
        fan: Fan,
        /// The family of the distribution.
        form: Form,
    },
}

/// The family of a distribution with a given standard deviation.
///
/// ```
/// use nn::init::{Fan, Form, Init};
/// assert_eq!(Init::Scaled { gain: 1.0, fan: Fan::Mean, form: Form::Uniform }, Init::xavier_uniform(1.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Uniform on `±√3 · std`.
    Uniform,
    /// Normal, not truncated.
    Normal,
}

/// Which of a unit's connections count toward the fan.
///
/// ```
/// use nn::init::{Fan, Form, Init};
/// let he = Init::Scaled { gain: 2f64.sqrt(), fan: Fan::In, form: Form::Normal };
/// assert_eq!(he, Init::kaiming_normal(2f64.sqrt(), Fan::In));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fan {
    /// Inputs: preserves the variance of the activations in the forward pass.
    In,
    /// Outputs: preserves the variance of the gradients in the backward pass.
    Out,
    /// The mean of both, `(in + out) / 2`.
    Mean,
}

impl Init {
    /// Uniform on `±gain · √(6 / (in + out))`, for layers with tanh-like activations. Source: Glorot and Bengio,
    /// *Understanding the difficulty of training deep feedforward neural networks* (2010).
    ///
    /// ```
    /// use autograd::Rng;
    /// use nn::init::Init;
    /// let w = Init::xavier_uniform(1.0).tensor::<f64>(&[100, 300], &mut Rng::new(0));
    /// assert!(w.abs().max().item() <= (6.0f64 / 400.0).sqrt());
    /// ```
    #[doc(alias = "glorot_uniform")]
    pub fn xavier_uniform(gain: f64) -> Init {
        Init::Scaled { gain, fan: Fan::Mean, form: Form::Uniform }
    }

    /// Normal with standard deviation `gain · √(2 / (in + out))`. Source: Glorot and Bengio (2010).
    ///
    /// ```
    /// use autograd::Rng;
    /// use nn::init::Init;
    /// let w = Init::xavier_normal(1.0).tensor::<f64>(&[100, 300], &mut Rng::new(0)); // std √(2/400)
    /// assert!((w.square().mean().item().sqrt() / (2.0f64 / 400.0).sqrt() - 1.0).abs() < 0.05);
    /// ```
    #[doc(alias = "glorot_normal")]
    pub fn xavier_normal(gain: f64) -> Init {
        Init::Scaled { gain, fan: Fan::Mean, form: Form::Normal }
    }

    /// Uniform on `±gain · √(3 / fan)`, for layers with ReLU-like activations. Source: He, Zhang, Ren and Sun, *Delving
    /// deep into rectifiers* (2015).
    ///
    /// ```
    /// use autograd::Rng;
    /// use nn::init::{Fan, Init, Nonlinearity};
    /// let w = Init::kaiming_uniform(Nonlinearity::Relu.gain(), Fan::In).tensor::<f64>(&[100, 300], &mut Rng::new(0));
    /// assert!(w.abs().max().item() <= (6.0f64 / 300.0).sqrt());
    /// ```
    #[doc(alias = "he_uniform")]
    pub fn kaiming_uniform(gain: f64, fan: Fan) -> Init {
        Init::Scaled { gain, fan, form: Form::Uniform }
    }

    /// Normal with standard deviation `gain / √fan`. Source: He, Zhang, Ren and Sun (2015).
    #[doc(alias = "he_normal")]
    pub fn kaiming_normal(gain: f64, fan: Fan) -> Init {
        Init::Scaled { gain, fan, form: Form::Normal }
    }

    /// Uniform on `±√(3 / in)`. Source: LeCun, Bottou, Orr and Müller, *Efficient BackProp* (1998).
    ///
    /// ```
    /// use autograd::Rng;
    /// let w = nn::init::Init::lecun_uniform().tensor::<f64>(&[100, 300], &mut Rng::new(0));
    /// assert!(w.abs().max().item() <= (3.0f64 / 300.0).sqrt());
    /// ```
    pub fn lecun_uniform() -> Init {
        Init::Scaled { gain: 1.0, fan: Fan::In, form: Form::Uniform }
    }

    /// Normal with standard deviation `1 / √in`, the initializer for self-normalizing networks (SELU). Source: LeCun,
    /// Bottou, Orr and Müller (1998).
    pub fn lecun_normal() -> Init {
        Init::Scaled { gain: 1.0, fan: Fan::In, form: Form::Normal }
    }

    /// Draws weights of the given shape.
    ///
    /// # Panics
    /// Panics if the shape has fewer than two axes for a distribution that is scaled by the fan ([`fan`]) or
    /// orthogonal, or other than two for a sparse one; if a bound, mean, gain or standard deviation is out of range or not
    /// finite, or `low > high`; or if the sparsity is not in `[0, 1]`.
    #[track_caller]
    pub fn tensor<T: Float>(self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        match self {
            Init::Constant(c) => {
                assert!(c.is_finite(), "Init::Constant: the value must be finite, got {c}");
                Tensor::full(shape, T::of(c))
            }
            Init::Uniform { low, high } => {
                assert!(low <= high && (high - low).is_finite(), "Init::Uniform: invalid bounds [{low}, {high})");
                Tensor::from_fn(shape, |_| T::of(low + (high - low) * rng.uniform()))
            }
            Init::Normal { mean, std } => {
                let fits = mean.is_finite() && std >= 0.0 && std.is_finite();
                assert!(fits, "Init::Normal: expected a finite mean and a finite std >= 0, got mean {mean}, std {std}");
                Tensor::from_fn(shape, |_| T::of(mean + std * rng.normal()))
            }
            Init::TruncNormal { mean, std, low, high } => {
                let fits = mean.is_finite() && std > 0.0 && std.is_finite() && low <= high;
                assert!(fits, "Init::TruncNormal: need a finite mean, finite std > 0 and low <= high, got {self:?}");
                let (a, b) = ((low - mean) / std, (high - mean) / std);
                Tensor::from_fn(shape, |_| T::of((mean + std * truncated(a, b, rng)).clamp(low, high)))
            }
            Init::Orthogonal { gain } => orthogonal(shape, gain, rng),
            Init::Sparse { sparsity, std } => sparse(shape, sparsity, std, rng),
            Init::Scaled { gain, fan: mode, form } => {
                let (inputs, outputs) = fan(shape);
                let fan = match mode {
                    Fan::In => inputs as f64,
                    Fan::Out => outputs as f64,
                    Fan::Mean => (inputs as f64 + outputs as f64) / 2.0,
                };
                // A layer without inputs or outputs has no weights to draw, but must not cause a division by zero
                // either.
                assert!(
                    gain >= 0.0 && gain.is_finite(),
                    "Init::Scaled: the gain must be finite and at least 0, got {gain}"
                );
                let std = gain / fan.max(1.0).sqrt();
                match form {
                    Form::Uniform => {
                        let bound = 3f64.sqrt() * std;
                        Init::Uniform { low: -bound, high: bound }.tensor(shape, rng)
                    }
                    Form::Normal => Init::Normal { mean: 0.0, std }.tensor(shape, rng),
                }
            }
        }
    }

    /// Replaces the values of a parameter, keeping its shape.
    ///
    /// # Panics
    /// Panics under the same conditions as [`tensor`](Init::tensor).
    #[track_caller]
    pub fn fill<T: Float>(self, param: &mut Param<T>, rng: &mut Rng) {
        let value = self.tensor(param.value().shape(), rng);
        param.set(value);
    }
}

/// Initializes the parameters of a model for which `choose` returns a distribution, given their name and shape. Frozen
/// parameters and buffers keep their values.
///
/// ```
/// use autograd::Rng;
/// use nn::{init::{Fan, Init, Nonlinearity, initialize}, layer::{Activation, Conv2d, Flatten, Linear, Sequential}};
/// let rng = &mut Rng::new(0);
/// let mut model = Sequential::<f32>::new()
///     .then(Conv2d::new(1, 8, 3, rng))
///     .then(Activation::Relu)
///     .then(Flatten::new())
///     .then(Linear::new(8 * 36, 10, rng));
/// initialize(&mut model, rng, |name, shape| match shape.len() {
///     1 => Some(Init::Constant(0.0)),
///     _ if name.starts_with("3.") => Some(Init::xavier_uniform(1.0)),
///     _ => Some(Init::kaiming_normal(Nonlinearity::Relu.gain(), Fan::In)),
/// });
/// let mut biases = Vec::new();
/// nn::Parameters::visit(&model, &mut nn::Path::default(), &mut |_, p| if p.value().rank() == 1 { biases.push(p.value().clone()) });
/// assert!(biases.iter().all(|bias| bias.iter().all(|b| b == 0.0)));
/// ```
/// # Panics
/// Panics under the same conditions as [`Init::tensor`].
#[track_caller]
pub fn initialize<T: Float>(
    model: &mut dyn Parameters<T>,
    rng: &mut Rng,
    mut choose: impl FnMut(&str, &[usize]) -> Option<Init>,
) {
    model.visit_mut(&mut Path::default(), &mut |name, param| {
        let init = choose(name, param.value().shape()).filter(|_| param.is_trainable());
        init.into_iter().for_each(|init| init.fill(param, rng));
    });
}

/// Draws a standard normal number from `[a, b]` by rejection sampling with uniform proposals. Nothing is proposed where
/// the density is below e⁻⁴⁰ of its largest value, so that long tails do not cause rejections.
fn truncated(a: f64, b: f64, rng: &mut Rng) -> f64 {
    let top = 0f64.clamp(a, b);
    let reach = (top * top + 80.0).sqrt();
    let (low, high) = (a.max(-reach), b.min(reach));
    loop {
        let x = low + (high - low) * rng.uniform();
        // If the interval is a single point, accept that point.
        if rng.uniform() <= ((top * top - x * x) / 2.0).exp() || low >= high {
            return x;
        }
    }
}

once! {
    /// A normal matrix in which some elements of each column, chosen at random, are 0.
    fn sparse<T>(shape: &[usize], sparsity: f64, std: f64, rng: &mut Rng) -> Tensor<T> {
        let &[rows, columns] = shape else { panic!("Init::Sparse: expected a shape with two axes, got {shape:?}") };
        assert!((0.0..=1.0).contains(&sparsity), "Init::Sparse: sparsity must be in [0, 1], got {sparsity}");
        let mut matrix: Tensor<T> = Init::Normal { mean: 0.0, std }.tensor(shape, rng);
        let (zeros, mut order) = ((sparsity * rows as f64).ceil() as usize, (0..rows).collect::<Vec<_>>());
        for column in 0..columns {
            rng.shuffle(&mut order);
            order[..zeros].iter().for_each(|row| matrix.make_mut()[row * columns + column] = T::zero());
        }
        matrix
    }
}

once! {
    /// Gram-Schmidt orthogonalization of Gaussian vectors, which samples all such matrices uniformly.
    fn orthogonal<T>(shape: &[usize], gain: f64, rng: &mut Rng) -> Tensor<T> {
        let [rows, rest @ ..] = shape else {
            panic!("Init::Orthogonal: expected a shape with at least two axes, got {shape:?}")
        };
        assert!(!rest.is_empty(), "Init::Orthogonal: expected a shape with at least two axes, got {shape:?}");
        assert!(gain.is_finite(), "Init::Orthogonal: gain must be finite, got {gain}");
        let columns: usize = rest.iter().product();
        let (count, length) = (*rows.min(&columns), *rows.max(&columns));
        let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
        for _ in 0..count {
            let mut v: Vec<f64> = (0..length).map(|_| rng.normal()).collect();
            // Two passes suffice: the second removes what rounding left of the components along the other vectors.
            for _ in 0..2 {
                for u in &vectors {
                    let along: f64 = u.iter().zip(&v).map(|(u, v)| u * v).sum();
                    v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
                }
                let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                v.iter_mut().for_each(|v| *v /= norm);
            }
            vectors.push(v);
        }
        let by_rows = *rows <= columns;
        let at = |i: usize, j: usize| if by_rows { vectors[i][j] } else { vectors[j][i] };
        let elements = (0..rows * columns).map(|k| T::of(gain * at(k / columns, k % columns)));
        Tensor::new(shape, elements.collect())
    }
}

/// The fan-in and fan-out of a unit, `(in, out)`, from the shape of its weights: `[out, in]` for a dense layer,
/// `[out, in, k…]` for a convolution, where the number of kernel elements multiplies both.
///
/// ```
/// use nn::init::fan;
/// assert_eq!(fan(&[300, 200]), (200, 300));
/// assert_eq!(fan(&[64, 32, 3, 3]), (32 * 9, 64 * 9));
/// ```
/// # Panics
/// Panics if there are fewer than two axes.
#[track_caller]
pub fn fan(shape: &[usize]) -> (usize, usize) {
    let [outputs, inputs, kernel @ ..] = shape else {
        panic!("fan: weights must have at least two axes, [out, in, …], got shape {shape:?}");
    };
    let kernel: usize = kernel.iter().product();
    (inputs * kernel, outputs * kernel)
}

/// The activation that follows a layer, which determines the gain of the layer's initial weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nonlinearity {
    /// No activation.
    Linear,
    /// The logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// max(x, 0)
    Relu,
    /// `x`, and `slope · x` below 0; PyTorch's default slope is 0.01.
    LeakyRelu(f64),
    /// The self-normalizing exponential unit.
    Selu,
}

impl Nonlinearity {
    /// The recommended gain, as in PyTorch's `calculate_gain`: 1 for linear and sigmoid, 5/3 for tanh, √2 for ReLU,
    /// `√(2 / (1 + slope²))` for leaky ReLU, 3/4 for SELU.
    ///
    /// ```
    /// use nn::init::Nonlinearity;
    /// assert_eq!(Nonlinearity::Relu.gain(), 2f64.sqrt());
    /// ```
    pub fn gain(self) -> f64 {
        match self {
            Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
            Nonlinearity::Tanh => 5.0 / 3.0,
            Nonlinearity::Relu => 2f64.sqrt(),
            Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Nonlinearity::Selu => 0.75,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(x: &Tensor<f64>) -> (f64, f64) {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        (mean, (x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn plain_distributions_have_their_moments() {
        let (shape, mut rng) = ([100, 100], Rng::new(3));
        let uniform: Tensor<f64> = Init::Uniform { low: -1.0, high: 3.0 }.tensor(&shape, &mut rng);
        assert!(uniform.iter().all(|x| (-1.0..3.0).contains(&x)));
        let (mean, std) = moments(&uniform);
        assert!((mean - 1.0).abs() < 0.05 && (std - 4.0 / 12f64.sqrt()).abs() < 0.05, "{mean} {std}");
        let (mean, std) = moments(&Init::Normal { mean: 2.0, std: 0.5 }.tensor(&shape, &mut rng));
        assert!((mean - 2.0).abs() < 0.03 && (std - 0.5).abs() < 0.03, "{mean} {std}");
        let (_, std) = moments(&Init::lecun_normal().tensor(&shape, &mut rng));
        assert!((std - 0.1).abs() < 0.005, "{std}");
        let lecun: Tensor<f64> = Init::lecun_uniform().tensor(&shape, &mut rng);
        assert!(lecun.iter().all(|x| x.abs() <= 0.1 * 3f64.sqrt()) && (moments(&lecun).1 - 0.1).abs() < 0.005);
        assert_eq!(Init::Constant(2.5).tensor::<f32>(&[3], &mut rng), autograd::tensor![2.5f32, 2.5, 2.5]);
    }

    #[test]
    #[should_panic(expected = "Init::Orthogonal: gain must be finite, got NaN")]
    fn a_gain_that_is_no_number_is_refused() {
        Init::Orthogonal { gain: f64::NAN }.tensor::<f64>(&[2, 2], &mut Rng::new(0));
    }

    #[test]
    fn truncation_keeps_the_density_between_the_bounds() {
        let (shape, mut rng) = ([100, 100], Rng::new(5));
        let mut draw = |mean, std, low, high| -> Tensor<f64> {
            let w: Tensor<f64> = Init::TruncNormal { mean, std, low, high }.tensor(&shape, &mut rng);
            assert!(w.iter().all(|x| (low..=high).contains(&x)));
            w
        };
        // The moments of the truncated normal, in closed form.
        let (mean, std) = moments(&draw(0.0, 1.0, -2.0, 2.0));
        assert!(mean.abs() < 0.05 && (std - 0.879_625_661_034).abs() < 0.03, "{mean} {std}");
        let (mean, std) = moments(&draw(0.0, 1.0, f64::NEG_INFINITY, f64::INFINITY));
        assert!(mean.abs() < 0.05 && (std - 1.0).abs() < 0.03, "{mean} {std}");
        let (mean, _) = moments(&draw(1.0, 2.0, 21.0, 1e300));
        assert!((mean - 21.196_2).abs() < 0.02, "a far tail: {mean}");
        assert_eq!(moments(&draw(0.0, 1.0, 0.5, 0.5)), (0.5, 0.0));
    }

    #[test]
    fn orthogonal_matrices_of_all_shapes() {
        let rng = &mut Rng::new(8);
        for shape in [&[3, 3][..], &[2, 5], &[5, 2], &[4, 3, 2, 2], &[6, 1], &[0, 4]] {
            let w: Tensor<f64> = Init::Orthogonal { gain: 2.0 }.tensor(shape, rng);
            let columns: usize = shape[1..].iter().product();
            let w = w.reshape(&[shape[0], columns]);
            let product = if shape[0] <= columns { w.matmul(w.t()) } else { w.t().matmul(&w) };
            let off = (&product - Tensor::eye(product.shape()[0]) * 4.0).abs();
            assert!(off.iter().all(|x| x < 1e-12), "{shape:?}");
        }
    }

    #[test]
    fn each_column_has_its_zeros() {
        let w: Tensor<f64> = Init::Sparse { sparsity: 0.3, std: 1.0 }.tensor(&[10, 4], &mut Rng::new(1));
        for column in 0..4 {
            assert_eq!((0..10).filter(|&row| w.at(&[row, column]) == 0.0).count(), 3);
        }
    }

    #[test]
    fn frozen_parameters_and_what_is_not_chosen_stay() {
        let mut layer = crate::layer::Linear::<f64>::new(3, 2, &mut Rng::new(0));
        let before = layer.clone();
        layer.bias.iter_mut().for_each(|bias| bias.set_trainable(false));
        initialize(&mut layer, &mut Rng::new(1), |_, _| Some(Init::Constant(2.0)));
        assert_eq!(
            (layer.weight.value().at(&[1, 2]), layer.bias.unwrap().value()),
            (2.0, before.bias.unwrap().value())
        );
        let weight = layer.weight.value().clone();
        initialize(&mut layer.weight, &mut Rng::new(1), |_, _| None);
        assert_eq!(layer.weight.value(), &weight);
    }

    #[test]
    fn filling_keeps_the_parameter_and_a_seed_fixes_it() {
        let draw = |seed| {
            let mut param = Param::<f32>::new(Tensor::zeros(&[4, 3]));
            let key = param.key();
            Init::xavier_normal(1.0).fill(&mut param, &mut Rng::new(seed));
            assert_eq!(param.key(), key);
            param.value().clone()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_layer_of_nothing_has_no_weights() {
        assert!(Init::kaiming_uniform(1.0, Fan::In).tensor::<f32>(&[4, 0], &mut Rng::new(0)).is_empty());
    }

    #[test]
    #[should_panic(expected = "at least two axes")]
    fn a_vector_has_no_fan() {
        Init::xavier_uniform(1.0).tensor::<f32>(&[4], &mut Rng::new(0));
    }

    #[test]
    #[should_panic(expected = "got mean 0, std -1")]
    fn deviations_are_not_negative() {
        Init::Normal { mean: 0.0, std: -1.0 }.tensor::<f32>(&[4], &mut Rng::new(0));
    }
}
