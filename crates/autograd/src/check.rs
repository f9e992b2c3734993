//! The gradient checker: it compares derivatives with finite differences, with forward mode, and with second
//! derivatives. This crate tests its own rules with it.
//!
//! ```
//! let report = autograd::gradcheck(|x| x[0].tanh().sum(), &[&autograd::tensor![0.5, -2.0]]).unwrap();
//! assert!(report.worst < 1e-7);
//! ```

use crate::error::{Error, Result, debug_as_display};
use crate::kernel::random::Rng;
use crate::tape::Tape;
use crate::tape::Var;
use crate::tensor::Tensor;
use std::borrow::Borrow;

/// Checks the derivatives of `f` at `inputs`, to second order, with the default tolerances of [`GradCheck`].
///
/// ```
/// use autograd::{gradcheck, tensor, Var};
/// let x = tensor![0.3, -1.2, 2.0];
/// gradcheck(|x| (x[0].sin() * x[0]).sum(), &[x.clone()]).unwrap();
/// // A wrong derivative is found: this one forgets that the second factor depends on x.
/// let wrong = gradcheck(|x| (x[0].sin() * x[0].stop_gradient()).sum(), &[x]);
/// assert!(wrong.unwrap_err().to_string().contains("differences"));
/// ```
/// # Errors
/// The first disagreement, with the input, the element and both numbers.
pub fn gradcheck<F>(f: F, inputs: &[impl Borrow<Tensor<f64>>]) -> Result<Report, Mismatch>
where
    F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
{
    GradCheck::default().run(f, inputs)
}

/// Settings of the checker. Tolerances are relative to the larger of the two numbers compared.
///
/// ```
/// use autograd::{check::GradCheck, tensor};
/// // A first derivative alone, of a function whose second derivative is not continuous.
/// let checker = GradCheck { second_order: false, ..GradCheck::default() };
/// let report = checker.run(|x| (x[0] * x[0].abs()).sum(), &[&tensor![0.5, -2.0]]).unwrap();
/// assert!(report.compared > 0 && report.worst < 1e-7);
/// ```
#[derive(Debug, Clone)]
pub struct GradCheck {
    /// Tolerance for reverse mode against five-point differences of the value.
    pub rtol: f64,
    /// Tolerance for the Hessian times a vector against five-point differences of the gradient.
    pub rtol_second: f64,
    /// Tolerance for forward against reverse mode, and for the symmetry of the Hessian. These do not use differences,
    /// so the tolerance covers only rounding errors.
    pub rtol_exact: f64,
    /// Whether second derivatives are checked.
    pub second_order: bool,
    /// Seed of the random cotangents and directions.
    pub seed: u64,
}

impl Default for GradCheck {
    fn default() -> Self {
        GradCheck { rtol: 1e-7, rtol_second: 1e-6, rtol_exact: 1e-10, second_order: true, seed: 0 }
    }
}

/// The number of comparisons, and how well they agreed.
///
/// ```
/// let report = autograd::gradcheck(|x| x[0].sin().sum(), &[&autograd::tensor![0.5, 2.0]]).unwrap();
/// assert!(report.compared >= 2 && report.worst < 1e-7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// Number of values compared.
    pub compared: usize,
    /// The largest relative difference from finite differences.
    pub worst: f64,
}

/// Two derivatives that should be equal and are not.
///
/// ```
/// use autograd::{check::Mismatch, gradcheck, tensor};
/// // The gradient of the rounded part is 0, the differences see its jumps: not differentiable at 0.5.
/// let mismatch = gradcheck(|x| x[0].round().sum(), &[&tensor![0.5]]).unwrap_err();
/// assert!(matches!(mismatch, Mismatch::Numbers { input: 0, element: 0, .. }));
/// ```
#[derive(Clone, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The function itself failed.
    #[error(transparent)]
    Function(#[from] Error),
    /// Two numbers disagree.
    #[error("{what}: input {input}, element {element}: got {got:e}, expected {expected:e} from {reference}")]
    Numbers {
        /// Which derivative.
        what: &'static str,
        /// Which input.
        input: usize,
        /// Which element of it, in row-major order.
        element: usize,
        /// The derivative.
        got: f64,
        /// The quantity it was compared with.
        reference: &'static str,
        /// The number expected.
        expected: f64,
    },
}

debug_as_display!(Mismatch);

/// The function under test, as a trait object: the checks are compiled once, not once per closure.
type Function<'f> = dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + 'f;

/// Steps and weights of the five-point rule `f' ≈ (f(x-2h) - 8f(x-h) + 8f(x+h) - f(x+2h)) / 12h`, with an error of
/// O(h⁴).
const FIVE_POINTS: [(f64, f64); 4] = [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)];
/// Step size that balances the rule's error against rounding in double precision.
const STEP: f64 = 1e-3;
/// The same for a random direction, some of whose entries may be about three times their usual size.
const STEP_ALONG: f64 = STEP / 4.0;

impl GradCheck {
    /// Checks the derivatives of `f` at `inputs`. An output of any shape is weighted with a random cotangent.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn run<F>(&self, f: F, inputs: &[impl Borrow<Tensor<f64>>]) -> Result<Report, Mismatch>
    where
        F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    {
        let inputs: Vec<Tensor<f64>> = inputs.iter().map(|x| x.borrow().clone()).collect();
        self.check(&f, &inputs)
    }

    fn check(&self, f: &Function, inputs: &[Tensor<f64>]) -> Result<Report, Mismatch> {
        let mut rng = Rng::new(self.seed);
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let y = f(&x);
        let cotangent = Tensor::randn(&y.shape(), &mut rng);
        let reverse = y.try_vjp(cotangent.clone())?;
        let reverse: Vec<Tensor<f64>> = x.iter().map(|&x| reverse.wrt(x)).collect();
        let u = directions(inputs, &mut rng);
        let v = directions(inputs, &mut rng);
        let mut report = Report::default();

        self.values(f, inputs, &cotangent, &reverse, &mut report)?;
        self.forward(y, &x, &v, &cotangent, &reverse)?;
        if self.second_order {
            let gradient = y.try_grad_with(tape.constant(cotangent.clone()), &x)?;
            for (input, (recorded, computed)) in gradient.iter().zip(&reverse).enumerate() {
                let claim = Claim { what: what::RECORDED, input, reference: "the computed gradient" };
                claim.tensor(&recorded.value(), computed, self.rtol_exact, 0.0)?;
            }
            let times = |v: &[Tensor<f64>]| {
                let dot =
                    gradient.iter().zip(v).map(|(&g, v)| (g * tape.constant(v.clone())).sum()).reduce(|a, b| a + b);
                let h = dot.map(|dot| dot.backward());
                x.iter()
                    .map(|&x| h.as_ref().map_or_else(|| Tensor::zeros(&x.shape()), |h| h.wrt(x)))
                    .collect::<Vec<_>>()
            };
            let (hv, hu) = (times(&v), times(&u));
            self.gradients(f, inputs, &cotangent, &v, &hv, &mut report)?;
            let (left, right) = (dot(&hv, &u), dot(&v, &hu));
            let scale = magnitude(&hv, &u).max(magnitude(&v, &hu));
            // If the Hessian is zero, the computed one consists of rounding errors of the gradient.
            let noise = 100.0 * f64::EPSILON * magnitude(&reverse, &u).max(magnitude(&reverse, &v));
            let atol = self.rtol_exact * scale + noise;
            let claim = Claim { what: what::SYMMETRY, input: 0, reference: "the other order" };
            claim.number(0, left, right, 0.0, atol)?;
        }
        Ok(report)
    }

    /// Compares each partial derivative with differences of the value.
    fn values(
        &self,
        f: &Function,
        inputs: &[Tensor<f64>],
        w: &Tensor<f64>,
        reverse: &[Tensor<f64>],
        report: &mut Report,
    ) -> Result<(), Mismatch> {
        let value = |inputs: &[Tensor<f64>]| {
            let tape = Tape::new();
            let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
            let products: Vec<f64> = f(&x).value().iter().zip(w.iter()).map(|(y, w)| y * w).collect();
            (products.iter().sum::<f64>(), products.iter().map(|p| p.abs()).sum::<f64>())
        };
        let mut moved: Vec<Tensor<f64>> = inputs.to_vec();
        for (i, input) in inputs.iter().enumerate() {
            let claim = Claim { what: what::REVERSE, input: i, reference: "finite differences" };
            for (k, x) in input.iter().enumerate() {
                let h = STEP * x.abs().clamp(0.1, 1e3);
                let (mut sum, mut size) = (0.0, 0.0f64);
                for (step, weight) in FIVE_POINTS {
                    moved[i].make_mut()[k] = x + step * h;
                    let (y, magnitude) = value(&moved);
                    sum += weight * y;
                    size = size.max(magnitude);
                }
                moved[i].make_mut()[k] = x;
                let expected = sum / (12.0 * h);
                let noise = 100.0 * f64::EPSILON * size / h;
                let got = reverse[i].iter().nth(k).expect("a gradient has the shape of its input");
                report.note(got, expected, noise);
                claim.number(k, got, expected, self.rtol, noise)?;
            }
        }
        Ok(())
    }

    /// `<J v, w> = <v, Jᵀ w>`: forward and reverse mode are transposes of each other.
    fn forward(
        &self,
        y: Var<f64>,
        x: &[Var<f64>],
        v: &[Tensor<f64>],
        w: &Tensor<f64>,
        reverse: &[Tensor<f64>],
    ) -> Result<(), Mismatch> {
        let pairs: Vec<(Var<f64>, Tensor<f64>)> = x.iter().copied().zip(v.iter().cloned()).collect();
        let jv = [y.try_jvp(&pairs)?];
        let w = [w.clone()];
        let scale = magnitude(&jv, &w).max(magnitude(v, reverse));
        let claim = Claim { what: what::FORWARD, input: 0, reference: "reverse mode" };
        claim.number(0, dot(&jv, &w), dot(v, reverse), 0.0, self.rtol_exact * scale)
    }

    /// Compares the Hessian times `v` with differences of the gradient along `v`.
    fn gradients(
        &self,
        f: &Function,
        inputs: &[Tensor<f64>],
        w: &Tensor<f64>,
        v: &[Tensor<f64>],
        hv: &[Tensor<f64>],
        report: &mut Report,
    ) -> Result<(), Mismatch> {
        let mut expected: Vec<Tensor<f64>> = inputs.iter().map(|x| Tensor::zeros(x.shape())).collect();
        let mut size = 0.0f64;
        for (step, weight) in FIVE_POINTS {
            let tape = Tape::new();
            let x: Vec<Var<f64>> = inputs.iter().zip(v).map(|(x, v)| tape.var(x + v * (step * STEP_ALONG))).collect();
            let gradient = f(&x).try_vjp(w.clone())?;
            for (sum, &x) in expected.iter_mut().zip(&x) {
                let g = gradient.wrt(x);
                size = g.iter().fold(size, |m, g| m.max(g.abs()));
                *sum = &*sum + g * (weight / (12.0 * STEP_ALONG));
            }
        }
        let noise = 100.0 * f64::EPSILON * size / STEP_ALONG;
        for (i, (got, expected)) in hv.iter().zip(&expected).enumerate() {
            got.iter().zip(expected.iter()).for_each(|(got, expected)| report.note(got, expected, noise));
            let claim = Claim { what: what::HESSIAN, input: i, reference: "differences of the gradient" };
            claim.tensor(got, expected, self.rtol_second, noise)?;
        }
        Ok(())
    }
}

/// The names of the checks.
mod what {
    pub const REVERSE: &str = "reverse mode";
    pub const FORWARD: &str = "forward mode";
    pub const RECORDED: &str = "the recorded gradient";
    pub const HESSIAN: &str = "the Hessian times a vector";
    pub const SYMMETRY: &str = "the symmetry of the Hessian";
}

impl Report {
    fn note(&mut self, got: f64, expected: f64, noise: f64) {
        self.compared += 1;
        let excess = ((got - expected).abs() - noise).max(0.0);
        self.worst = self.worst.max(excess / got.abs().max(expected.abs()).max(f64::MIN_POSITIVE));
    }
}

/// Two derivatives of one input that should be equal.
struct Claim {
    what: &'static str,
    input: usize,
    reference: &'static str,
}

impl Claim {
    /// Returns an error unless two numbers agree within `rtol` times the larger plus `atol`.
    fn number(&self, element: usize, got: f64, expected: f64, rtol: f64, atol: f64) -> Result<(), Mismatch> {
        let &Claim { what, input, reference } = self;
        let agree = (got - expected).abs() <= rtol * got.abs().max(expected.abs()) + atol || got == expected;
        if agree { Ok(()) } else { Err(Mismatch::Numbers { what, input, element, got, reference, expected }) }
    }

    /// Returns an error unless the shapes are equal and all numbers agree.
    fn tensor(&self, got: &Tensor<f64>, expected: &Tensor<f64>, rtol: f64, atol: f64) -> Result<(), Mismatch> {
        if got.shape() != expected.shape() {
            let hint = format!("the gradient must have the shape of its input, {:?}", expected.shape());
            return Err(Error::Shape { op: self.what, shape: got.shape().into(), hint }.into());
        }
        let mut pairs = got.iter().zip(expected.iter()).enumerate();
        pairs.try_for_each(|(k, (got, expected))| self.number(k, got, expected, rtol, atol))
    }
}

fn directions(like: &[Tensor<f64>], rng: &mut Rng) -> Vec<Tensor<f64>> {
    like.iter().map(|x| Tensor::randn(x.shape(), rng)).collect()
}

fn dot(a: &[Tensor<f64>], b: &[Tensor<f64>]) -> f64 {
    products(a, b).sum()
}

fn magnitude(a: &[Tensor<f64>], b: &[Tensor<f64>]) -> f64 {
    products(a, b).map(f64::abs).sum()
}

fn products<'a>(a: &'a [Tensor<f64>], b: &'a [Tensor<f64>]) -> impl Iterator<Item = f64> + 'a {
    a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b.iter()).map(|(a, b)| a * b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    /// exp(x), with its derivative multiplied by `1 + error`.
    fn flawed<'t>(x: Var<'t, f64>, error: f64) -> Var<'t, f64> {
        let y = x.exp();
        y + (x - x.stop_gradient()) * error * x.stop_gradient().exp()
    }

    #[test]
    fn finds_small_errors_and_passes_none() {
        let x = [tensor![[0.5, -1.0], [2.0, 0.1]]];
        assert!(gradcheck(|x| flawed(x[0], 0.0), &x).is_ok());
        for error in [1.0, -2.0, 1e-3, 1e-6] {
            assert!(gradcheck(|x| flawed(x[0], error), &x).is_err(), "{error}");
        }
    }

    #[test]
    fn finds_a_wrong_second_derivative() {
        // The value and gradient of x², but the second derivative of a line.
        fn wrong<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
            let (x, c) = (x[0], x[0].stop_gradient());
            c * c + 2.0 * c * (x - c)
        }
        let x = [tensor![1.5, -0.5]];
        assert!(GradCheck { second_order: false, ..GradCheck::default() }.run(wrong, &x).is_ok());
        assert!(gradcheck(wrong, &x).unwrap_err().to_string().contains("Hessian"));
    }
}
