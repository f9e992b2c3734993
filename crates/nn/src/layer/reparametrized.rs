//! Layers whose weight is a function of other parameters: weight normalization and spectral normalization.

use crate::{Module, Param, Parameters, Pass, Path};
use autograd::{Dims, Float, Result, Rng, Tensor, Var};

/// The name of the weight in the layers that are wrapped.
const WEIGHT: &str = "weight";

/// A layer whose weight is `g v / ‖v‖`: its length `g` and its direction `v` are separate parameters. The norm is taken of
/// each slice along the first axis, the axis of outputs. Source: Salimans and Kingma, *Weight normalization* (2016).
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Module, Pass, layer::{Linear, WeightNorm}};
/// let inner = Linear::<f64>::new(3, 2, &mut Rng::new(0));
/// let outer = WeightNorm::new(inner.clone());
/// let tape = Tape::new();
/// let (x, mut pass) = (tape.constant([[1.0, -1.0, 2.0]]), Pass::eval(&tape));
/// let [a, b] = [inner.forward(x, &mut pass), outer.forward(x, &mut pass)];
/// assert!((a - b).abs().max().item() < 1e-15); // at first, nothing changes
/// let names = ["parametrizations.weight.original1", "bias", "parametrizations.weight.original0"];
/// assert_eq!(nn::names(&outer), names); // as PyTorch's
/// ```
#[derive(Debug, Clone)]
pub struct WeightNorm<T: Float, L> {
    layer: L,
    /// The norms, `[outputs, 1, …]`.
    g: Param<T>,
}

/// A layer whose weight is divided by its largest singular value, so that it does not increase distances; often used for the
/// critic of a GAN. The weight is treated as a matrix whose rows are its slices along the axis of outputs: the first axis, or
/// the second one for a transposed convolution. The singular vectors are buffers, which each training pass improves by one step
/// of power iteration. Source: Miyato, Kataoka, Koyama and Yoshida, *Spectral normalization for generative adversarial
/// networks* (2018).
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Module, Pass, layer::{Linear, SpectralNorm}};
/// let rng = &mut Rng::new(0);
/// let mut inner = Linear::<f64>::new(2, 2, rng).without_bias();
/// inner.weight.set(tensor![[4.0, 0.0], [0.0, 1.0]]);
/// let tape = Tape::new();
/// let y = SpectralNorm::new(inner, rng).forward(tape.constant([[1.0, 1.0]]), &mut Pass::eval(&tape));
/// assert!((y.value() - tensor![[1.0, 0.25]]).abs().max().item() < 1e-9);
/// ```
#[derive(Debug, Clone)]
pub struct SpectralNorm<T: Float, L> {
    layer: L,
    /// The left and the right singular vector.
    u: Param<T>,
    v: Param<T>,
}

/// A lower bound of the norm.
const EPS: f64 = 1e-12;
/// Steps of power iteration when the layer is made.
const FIRST_STEPS: usize = 15;

impl<T: Float, L: Parameters<T>> WeightNorm<T, L> {
    /// The layer with its weight split into length and direction.
    ///
    /// # Panics
    /// Panics if the layer has no parameter `weight`, or it has no axis.
    #[track_caller]
    pub fn new(layer: L) -> Self {
        let g = norms(&weight_of("WeightNorm", &layer));
        WeightNorm { layer, g: Param::new(g) }
    }
}

impl<T: Float, L: Module<T>> SpectralNorm<T, L> {
    /// The layer with its weight normalized.
    ///
    /// # Panics
    /// Panics if the layer has no parameter `weight`, or it has no axis.
    #[track_caller]
    pub fn new(layer: L, rng: &mut Rng) -> Self {
        let weight = weight_of("SpectralNorm", &layer);
        let (order, shape) = as_matrix(weight.shape(), layer.output_axis());
        let matrix = weight.permute(&order).reshape(&shape);
        let mut random = |n: usize| unit(&Tensor::randn(&[n], rng));
        let (mut u, mut v) = (random(matrix.shape()[0]), random(matrix.shape()[1]));
        for _ in 0..FIRST_STEPS {
            u = unit(&matrix.matmul(&v));
            v = unit(&matrix.t().matmul(&u));
        }
        SpectralNorm { layer, u: Param::direction(u), v: Param::direction(v) }
    }
}

/// The order of axes in which those of outputs come first, and the shape `[outputs, all others]`.
fn as_matrix(weight: &[usize], outputs: usize) -> (Vec<usize>, [usize; 2]) {
    let others = (0..weight.len()).filter(|&axis| axis != outputs);
    let rest = others.clone().map(|axis| weight[axis]).product();
    ([outputs].into_iter().chain(others).collect(), [weight[outputs], rest])
}

/// The norm of each slice along the first axis, which keeps its axes.
fn norms<T: Float>(weight: &Tensor<T>) -> Tensor<T> {
    let others: Vec<isize> = (1..weight.rank() as isize).collect();
    weight.norm_keep(2.0, others.as_slice())
}

/// A vector of length 1.
fn unit<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    x / &x.norm(2.0).maximum(Tensor::scalar(T::of(EPS)))
}

/// The weight of a layer.
#[track_caller]
fn weight_of<T: Float>(wrapper: &str, layer: &impl Parameters<T>) -> Tensor<T> {
    let mut weight = None;
    layer.visit(&mut Path::default(), &mut |name, param| {
        if name == WEIGHT && !param.is_buffer() {
            weight = Some(param.value().clone());
        }
    });
    match weight {
        Some(weight) if weight.rank() > 0 => weight,
        _ => panic!("{wrapper}: the layer needs a parameter `weight`; its parameters are {}", all_names(layer)),
    }
}

fn all_names<T: Float>(layer: &impl Parameters<T>) -> String {
    let mut names = Vec::new();
    layer.visit(&mut Path::default(), &mut |name, _| names.push(name.to_owned()));
    names.join(", ")
}

/// The output of a layer with another weight, computed from its own.
#[track_caller]
fn forward_with<'t, T: Float, L: Module<T>>(
    layer: &L,
    x: Var<'t, T>,
    pass: &mut Pass<'t, T>,
    weight: impl FnOnce(Var<'t, T>, &mut Pass<'t, T>) -> Result<Var<'t, T>>,
) -> Var<'t, T> {
    let mut own = None;
    layer.visit(&mut Path::default(), &mut |name, param| {
        if name == WEIGHT {
            own = Some((param.key(), pass.var(param)));
        }
    });
    let (key, var) = own.expect("the layer has had a weight");
    let weight = weight(var, pass);
    let weight = pass.checked(layer, weight);
    pass.substituting(key, weight, |pass| layer.forward(x, pass))
}

/// The name of a place below the current one.
fn spelled(path: &mut Path, parts: &[&str]) -> String {
    let mut name = String::new();
    match parts {
        [] => name.push_str(path.as_str()),
        [first, rest @ ..] => path.within(first, |path| name = spelled(path, rest)),
    }
    name
}

/// The places of PyTorch's parametrizations.
const PLACE: [&str; 2] = ["parametrizations", WEIGHT];

/// Implements `Parameters` for a wrapper: the weight of the layer has another name, and other parameters follow.
macro_rules! reparametrized {
    ($Layer:ident: $weight:literal, $($field:ident as $($part:literal).+),*) => {
        impl<T: Float, L: Parameters<T>> Parameters<T> for $Layer<T, L> {
            fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
                let [own, new] = [spelled(path, &[WEIGHT]), spelled(path, &[PLACE[0], PLACE[1], $weight])];
                self.layer.visit(path, &mut |name, param| f(if name == own { &new } else { name }, param));
                $(f(&spelled(path, &[PLACE[0], PLACE[1], $($part),+]), &self.$field);)*
            }

            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
                let [own, new] = [spelled(path, &[WEIGHT]), spelled(path, &[PLACE[0], PLACE[1], $weight])];
                self.layer.visit_mut(path, &mut |name, param| f(if name == own { &new } else { name }, param));
                $(f(&spelled(path, &[PLACE[0], PLACE[1], $($part),+]), &mut self.$field);)*
            }
        }
    };
}

reparametrized!(WeightNorm: "original1", g as "original0");
reparametrized!(SpectralNorm: "original", u as "0"."_u", v as "0"."_v");

impl<T: Float, L: Module<T>> Module<T> for WeightNorm<T, L> {
    /// # Panics
    /// Panics if the layer does.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = forward_with(&self.layer, x, pass, |v, pass| {
            let others: Vec<isize> = (1..v.rank() as isize).collect();
            let norms = v.try_norm(2.0, others.as_slice(), Dims::Keep)?;
            v.try_mul(pass.var(&self.g).try_div(norms)?)
        });
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("WeightNorm({})", self.layer.describe())
    }
}

impl<T: Float, L: Module<T>> Module<T> for SpectralNorm<T, L> {
    /// # Panics
    /// Panics if the layer does.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = forward_with(&self.layer, x, pass, |weight, pass| {
            let (order, shape) = as_matrix(&weight.shape(), self.layer.output_axis());
            let matrix = weight.try_permute(&order)?.try_reshape(&shape)?;
            let (mut u, mut v) = (pass.var(&self.u), pass.var(&self.v));
            if pass.is_training() {
                let fixed = matrix.stop_gradient();
                let eps = pass.tape().constant(Tensor::scalar(T::of(EPS)));
                let unit = |x: Var<'t, T>| x / x.norm(2.0).maximum(eps);
                u = unit(fixed.try_matmul(v)?);
                v = unit(fixed.t().try_matmul(u)?);
                pass.update(&self.u, u);
                pass.update(&self.v, v);
            }
            weight.try_div(u.try_dot(matrix.try_matmul(v)?)?)
        });
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("SpectralNorm({})", self.layer.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Activation, Conv2d, ConvTranspose1d, Linear, Sequential};
    use crate::test_support::{check_module, check_parameters};
    use autograd::{Tape, tensor};

    fn linear() -> Linear<f64> {
        let mut linear = Linear::new(3, 2, &mut Rng::new(0));
        linear.weight.set(tensor![[1.0, 2.0, -2.0], [0.5, 0.0, 1.5]]);
        linear.bias.as_mut().unwrap().set(tensor![0.1, -0.2]);
        linear
    }

    fn near(found: &Tensor<f64>, expected: &[f64]) {
        let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(close && found.len() == expected.len(), "{found} is not {expected:?}");
    }

    /// Values and derivatives of Σ k y from PyTorch 2.15, written out there.
    #[test]
    fn layers_are_those_of_pytorch() {
        let (input, factors) = (tensor![[1.0, -1.0, 2.0], [0.5, 0.3, -0.7]], tensor![[1.0, 2.0], [3.0, 4.0]]);
        let mut layer = WeightNorm::new(linear());
        layer.g.set(tensor![[2.0], [0.5]]);
        let tape = Tape::new();
        let mut pass = Pass::train(&tape, Rng::new(0));
        let y = layer.forward(tape.constant(input.clone()), &mut pass);
        near(&y.value(), &[-3.233333333333333, 0.9067971810589328, 1.7666666666666666, -0.4529822128134703]);
        let gradients = (y * tape.constant(factors.clone())).sum().backward();
        near(&gradients.wrt(pass.var(&layer.g)), &[0.833333333333333, 2.4033310217279684]);
        near(
            &gradients.wrt(pass.var(&layer.layer.weight)),
            &[
                1.4814814814814814,
                -0.4370370370370369,
                0.3037037037037038,
                1.024577961894555,
                -0.2529822128134704,
                -0.3415259872981848,
            ],
        );

        let mut layer = SpectralNorm::new(linear(), &mut Rng::new(0));
        layer.u.set(tensor![0.6, 0.8]);
        layer.v.set(tensor![2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0]);
        let tape = Tape::new();
        let mut pass = Pass::train(&tape, Rng::new(0));
        let y = layer.forward(tape.constant(input.clone()), &mut pass);
        let expected = [-1.6407765595569788, 1.018543591689885, 0.9703882797784894, -0.4785242495291165];
        near(&y.value(), &expected);
        let gradients = (y * tape.constant(factors)).sum().backward();
        near(
            &gradients.wrt(pass.var(&layer.layer.weight)),
            &[
                0.8039222656863138,
                -0.3006795875598419,
                0.4304465674540894,
                1.4590872617377586,
                -0.0126601931604143,
                -0.0474757243515539,
            ],
        );
        let updates = pass.into_updates();
        crate::apply_updates(&mut layer, &updates);
        near(layer.u.value(), &[-0.7071067811865475, 0.7071067811865475]);
        near(layer.v.value(), &[-0.1230914909793327, -0.492365963917331, 0.8616404368553291]);
        let tape = Tape::new();
        near(&layer.forward(tape.constant(input), &mut Pass::eval(&tape)).value(), &expected);
    }

    /// The rows are the outputs, which lie along the second axis. Values and derivatives of Σ k y from PyTorch 2.15, written out
    /// there.
    #[test]
    fn a_transposed_convolution_is_that_of_pytorch() {
        let rng = &mut Rng::new(0);
        let mut layer = SpectralNorm::new(ConvTranspose1d::new(2, 3, 2, rng).without_bias(), rng);
        layer.layer.weight.set(tensor![[[1.0, 2.0], [-2.0, 0.5], [0.0, 1.5]], [[-1.0, 1.0], [0.25, 3.0], [2.0, -0.5]]]);
        layer.u.set(tensor![2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0]);
        layer.v.set(tensor![0.5, -0.5, 0.5, 0.5]);
        let tape = Tape::new();
        let mut pass = Pass::train(&tape, Rng::new(0));
        let y = layer.forward(tape.constant([[[1.0, -1.0], [0.5, 2.0]]]), &mut pass);
        let unit = 0.18145862013111433;
        near(&y.value(), &[1.0, -1.0, 0.0, -3.75, 9.0, 11.0, 2.0, 10.5, -5.0].map(|k| k * unit));
        let factors = tape.constant(Tensor::arange(9).reshape(&[1, 3, 3]) + Tensor::scalar(1.0));
        near(
            &(y * factors).sum().backward().wrt(pass.var(&layer.layer.weight)),
            &[
                -6.02237081247795,
                -4.041562062202448,
                3.881672938899563,
                2.3960663761929357,
                -0.36291724026222866,
                -0.36291724026222866,
                4.321368027982498,
                5.370147467943461,
                2.3388265480448927,
                3.1400048942214207,
                7.076886185113459,
                7.98417928576903,
            ],
        );
        crate::apply_updates(&mut layer, &pass.into_updates());
        near(layer.u.value(), &[-0.8, 0.6, 0.0]);
        near(layer.v.value(), &[-0.7258344805244573, -0.47179241234089725, 0.34477137824911724, 0.36291724026222855]);
    }

    #[test]
    fn derivatives_are_right() {
        let rng = &mut Rng::new(3);
        let image = Tensor::randn(&[2, 2, 4, 4], rng);
        check_module(&mut WeightNorm::new(Conv2d::new(2, 3, 3, rng)), &image);
        let mut spectral = SpectralNorm::new(Conv2d::new(2, 3, 3, rng), rng);
        check_parameters(&mut spectral, &image, crate::Mode::Eval);
    }

    /// Inside a model, names have their prefix, and the state equals that of PyTorch.
    #[test]
    fn names_are_those_of_pytorch() {
        let rng = &mut Rng::new(0);
        let model = Sequential::<f64>::new()
            .then(SpectralNorm::new(Linear::new(3, 4, rng), rng))
            .then(Activation::Relu)
            .then(WeightNorm::new(Linear::new(4, 1, rng)));
        let names = crate::names(&model);
        for name in [
            "0.bias",
            "0.parametrizations.weight.original",
            "0.parametrizations.weight.0._u",
            "0.parametrizations.weight.0._v",
            "2.bias",
            "2.parametrizations.weight.original0",
            "2.parametrizations.weight.original1",
        ] {
            assert!(names.iter().any(|own| own == name), "{name}: {names:?}");
        }
        assert_eq!(names.len(), 7);
        assert_eq!(Module::<f64>::describe(&WeightNorm::new(linear())), "WeightNorm(Linear(3, 2))");
    }

    #[test]
    #[should_panic(expected = "WeightNorm: the layer needs a parameter `weight`; its parameters are ")]
    fn a_layer_without_weight_is_refused() {
        WeightNorm::<f64, _>::new(Activation::Relu);
    }
}
