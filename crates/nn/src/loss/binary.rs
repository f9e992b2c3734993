//! Binary cross-entropy losses, of probabilities and of logits.

use super::{Loss, Reduction, Target, Targets, number, product, reduced, same_shape};
use crate::domain::Domain;
use autograd::op::{Binary, Op, Unary};
use autograd::{Cotangents, Error, Float, Result, Rule, Tensor, Value, Var};

reduced! {
    /// Binary cross-entropy of probabilities in `[0, 1]`: `-(t ln y + (1 - t) ln(1 - y))`, averaged. Logarithms are
    /// clamped at -100, as in PyTorch, and a value outside `[0, 1]` is an error. For logits rather than probabilities,
    /// use [`BceWithLogits`], which is exact where this loss is clamped.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Bce, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = Bce::new().loss(tape.var([0.5]), &Target::Values(tensor![1.0]))?;
    /// assert_eq!(loss.item(), 2f64.ln());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "BCELoss")]
    Bce, bce_loss, Mean
}

/// Binary cross-entropy of logits, whose sigmoid is the probability: `t softplus(-x) + (1 - t) softplus(x)`, averaged.
/// It never overflows, and stays precise where the loss is small.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{BceWithLogits, Loss, Target};
/// let tape = Tape::<f64>::new();
/// let (x, yes) = (tape.var([[-1e5]]), Target::Values(tensor![[1.0]]));
/// assert_eq!(BceWithLogits::new().loss(x, &yes)?.item(), 1e5);
/// assert_eq!(BceWithLogits::new().pos_weight(&[3.0]).loss(x, &yes)?.item(), 3e5);
/// # Ok::<(), autograd::Error>(())
/// ```
#[doc(alias = "BCEWithLogitsLoss")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BceWithLogits {
    /// The weight of positive targets relative to negative ones: one for each class, or a single one for all.
    pub pos_weight: Option<Vec<f64>>,
    /// How the losses of the elements are reduced.
    pub reduction: Reduction,
}

impl BceWithLogits {
    /// With equal weights for positive and negative targets, averaged.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the weight of positive targets relative to negative ones: one for each class, the last axis, or a single
    /// one for all.
    pub fn pos_weight(self, weight: &[f64]) -> Self {
        BceWithLogits { pos_weight: Some(weight.to_vec()), ..self }
    }

    /// Sets the reduction.
    ///
    /// ```
    /// use nn::loss::{BceWithLogits, Reduction};
    /// let loss = BceWithLogits::new().pos_weight(&[3.0]).reduction(Reduction::Sum);
    /// assert_eq!(loss.reduction, Reduction::Sum);
    /// ```
    pub fn reduction(self, reduction: Reduction) -> Self {
        BceWithLogits { reduction, ..self }
    }
}

impl<T: Float> Loss<T> for BceWithLogits {
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        const OP: &str = "bce_with_logits_loss";
        let (tape, values) = (output.tape(), targets.values(OP)?);
        self.reduction.weighing(OP, targets, |reduction| match &self.pos_weight {
            None => bce_with_logits_loss(output, values, reduction),
            Some(weight) => {
                let weight = tape.constant(weight.iter().map(|&w| T::of(w)).collect::<Tensor<T>>());
                pos_weighted_bce_with_logits_loss(output, values, weight, reduction)
            }
        })
    }

    describe_as_debugged!();

    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        self.reduction.sum_and_count(loss, target.len() as f64)
    }
}

/// Binary cross-entropy `-(t ln p + (1 - t) ln(1 - p))` of probabilities `p` in `[0, 1]`. The mean is over all
/// elements.
///
/// As in PyTorch, the logarithms are clamped to at least -100, and the derivative `(p - t) / (p (1 - p))` divides by at
/// least 1e-12, so that both are finite where `p` is exactly 0 or 1.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, bce_loss};
/// let tape = Tape::<f64>::new();
/// let loss = bce_loss(tape.var([0.5, 0.25]), tape.constant([1.0, 0.0]), Reduction::Sum)?;
/// assert!((loss.item() - (2f64.ln() + (4.0 / 3.0f64).ln())).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, or a probability or a target is NaN or not in `[0, 1]`.
#[track_caller]
pub fn bce_loss<'t, T: Float>(p: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("bce_loss", p, t)?;
    let t = Domain::Unit.check("bce_loss", "targets", t)?;
    Ok(reduction.apply(Var::try_custom(BinaryCrossEntropy, &[p, t])?))
}

/// Binary cross-entropy of the probabilities `sigmoid(x)`, computed from the logits `x` as
/// `t softplus(-x) + (1 - t) softplus(x)`; the mean is over all elements.
///
/// Both terms are positive: nothing overflows or cancels, however large the logits. An infinite logit with the correct
/// sign has the loss 0.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, bce_with_logits_loss};
/// let tape = Tape::<f64>::new();
/// let loss = bce_with_logits_loss(tape.var([0.0, 1e5]), tape.constant([1.0, 1.0]), Reduction::Sum)?;
/// assert_eq!(loss.item(), 2f64.ln());
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, or a target is NaN or not in `[0, 1]`.
#[track_caller]
pub fn bce_with_logits_loss<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("bce_with_logits_loss", x, t)?;
    let t = Domain::Unit.check("bce_with_logits_loss", "targets", t)?;
    Ok(reduction.apply(two_sided(x, t, -t + T::one())))
}

/// `a softplus(-x) + b softplus(x)`, computed with the smaller softplus alone, since `softplus(x) = x + softplus(-x)`.
#[track_caller]
fn two_sided<'t, T: Float>(x: Var<'t, T>, a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    let right = x.gt(number(x, 0.0));
    // |x|, but with a sign at 0 as well, so that the derivatives of both terms fit together there.
    let size = x * right.select(number(x, 1.0), number(x, -1.0));
    (a + b) * (-size).softplus() + product(right.select(b, a), size)
}

/// [`bce_loss`] with each element's loss multiplied by a weight, which broadcasts; the mean still divides by the number
/// of elements.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, weighted_bce_loss};
/// let tape = Tape::<f64>::new();
/// let [p, t, w] = [[0.5, 0.5], [1.0, 0.0], [3.0, 0.0]].map(|x| tape.constant(x));
/// assert!((weighted_bce_loss(p, t, w, Reduction::Mean)?.item() - 1.5 * 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error under the same conditions as [`bce_loss`], or if the weight does not broadcast to the shape of the
/// probabilities, or is negative, infinite or NaN.
#[track_caller]
pub fn weighted_bce_loss<'t, T: Float>(
    p: Var<'t, T>,
    t: Var<'t, T>,
    weight: Var<'t, T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let weight = Domain::NonNegative.check("bce_loss", "weights", weight)?.try_broadcast_to(&p.shape())?;
    Ok(reduction.apply(product(weight, bce_loss(p, t, Reduction::None)?)))
}

/// [`bce_with_logits_loss`] with a weight for positive targets: `w t softplus(-x) + (1 - t) softplus(x)`. The weight
/// `w` broadcasts; often there is one per class.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, pos_weighted_bce_with_logits_loss};
/// let tape = Tape::<f64>::new();
/// let (x, t, w) = (tape.var([0.0, 0.0]), tape.constant([1.0, 0.0]), tape.constant([3.0, 3.0]));
/// let loss = pos_weighted_bce_with_logits_loss(x, t, w, Reduction::Mean)?;
/// assert_eq!(loss.item(), 2.0 * 2f64.ln());
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, a target is NaN or not in `[0, 1]`, or the weight does not broadcast to them, or
/// is negative, infinite or NaN.
#[track_caller]
pub fn pos_weighted_bce_with_logits_loss<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    weight: Var<'t, T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "bce_with_logits_loss";
    same_shape(OP, x, t)?;
    let t = Domain::Unit.check(OP, "targets", t)?;
    let weight = Domain::NonNegative.check(OP, "weights of positive targets", weight)?.try_broadcast_to(&x.shape())?;
    Ok(reduction.apply(two_sided(x, weight * t, -t + T::one())))
}

/// Binary cross-entropy as a separate op: the derivative of a composition would divide 0 by 0 at p = 0 and p = 1.
struct BinaryCrossEntropy;

/// max(ln x, -100), where `ln` is the logarithm to apply.
fn clamped<T: Float, V: Value<T>>(ln: Unary, x: &V) -> V {
    V::apply(Op::Binary(Binary::Maximum), &[&x.unary(ln), &x.number(T::of(-100.0))])
}

/// max(ln p, -100) and max(ln(1 - p), -100)
fn logarithms<T: Float, V: Value<T>>(p: &V) -> [V; 2] {
    [clamped(Unary::Ln, p), clamped(Unary::Ln1p, &p.unary(Unary::Neg))]
}

/// The derivatives with respect to `p` and `t`.
fn partials<T: Float, V: Value<T>>(p: &V, t: &V) -> [V; 2] {
    // PyTorch's 1e-12 is a single-precision constant.
    let least = p.number(T::of(f64::from(1e-12f32)));
    let variance = p.mul(&p.number(T::one()).sub(p));
    let [ln_p, ln_q] = logarithms(p);
    [p.sub(t).div(&V::apply(Op::Binary(Binary::Maximum), &[&variance, &least])), ln_q.sub(&ln_p)]
}

impl<T: Float> Rule<T> for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "bce_loss"
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (p, t) = (x[0], x[1]);
        if let Some((i, p)) = p.iter().enumerate().find(|(_, p)| !(T::zero()..=T::one()).contains(p)) {
            let hint = format!(
                "element {i} is {p}, but probabilities must be in [0, 1]: apply a sigmoid, or use bce_with_logits_loss"
            );
            return Err(Error::Argument { op: "bce_loss", hint });
        }
        let [ln_p, ln_q] = logarithms(p);
        Ok((t - T::one()) * ln_q - t * &ln_p)
    }

    fn vjp<V: Value<T>>(&self, x: &[&V], _y: &V, g: &V) -> Cotangents<V> {
        partials(x[0], x[1]).iter().map(|partial| Some(g.mul(partial))).collect()
    }

    fn jvp<V: Value<T>>(&self, x: &[&V], _y: &V, t: &[Option<&V>]) -> Result<Option<V>> {
        let terms = partials(x[0], x[1]);
        Ok(terms.iter().zip(t).filter_map(|(partial, t)| t.map(|t| partial.mul(t))).reduce(|a, b| a.add(&b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Tape, tensor};

    #[test]
    fn certain_probabilities_have_pytorchs_finite_loss_and_derivative() {
        let tape = Tape::new();
        let p = tape.var([0.0, 1.0, 0.0, 1.0]);
        let loss = bce_loss(p, tape.constant([0.0, 1.0, 1.0, 0.0]), Reduction::None).unwrap();
        assert_eq!(loss.value(), tensor![0.0, 0.0, 100.0, 100.0]);
        let steep = 1.0 / f64::from(1e-12f32);
        assert_eq!(loss.sum().backward().wrt(p), tensor![0.0, 0.0, -steep, steep]);
    }

    /// The statement of docs/kinks.md about a variable target.
    #[test]
    fn the_mixed_second_derivative_at_a_certain_probability_is_nan() {
        let tape = Tape::new();
        let (p, t) = (tape.var([0.0, 1.0]), tape.var([0.5, 0.5]));
        let loss = bce_loss(p, t, Reduction::Sum).unwrap();
        let by_target = loss.grad(&[t])[0];
        assert_eq!(by_target.value(), tensor![100.0, -100.0]);
        assert!(by_target.sum().grad(&[p])[0].value().iter().all(f64::is_nan));
    }

    #[test]
    fn what_is_no_probability_is_an_error() {
        let tape = Tape::new();
        for wrong in [-1e-9, 1.1, f64::NAN] {
            let error = bce_loss(tape.var([0.5, wrong]), tape.constant([0.0, 1.0]), Reduction::Mean).unwrap_err();
            assert!(error.to_string().contains("element 1 is"), "{error}");
        }
    }

    /// Certain scores: the loss is 0 or infinite, and the derivative that of a large finite score.
    #[test]
    fn infinite_scores_have_losses() {
        fn check<T: Float>() {
            let (tape, inf) = (Tape::<T>::new(), f64::INFINITY);
            let x = tape.var(tensor![inf, -inf, inf, -inf, inf].map(T::of));
            let t = tape.var(tensor![1.0, 0.0, 0.0, 1.0, 0.25].map(T::of));
            let w = tape.constant(Tensor::scalar(T::of(3.0)));
            let plain = bce_with_logits_loss(x, t, Reduction::None).unwrap();
            let weighted = pos_weighted_bce_with_logits_loss(x, t, w, Reduction::None).unwrap();
            let slopes = [plain, weighted].map(|loss| loss.sum().grad(&[x])[0]);
            let mut program = autograd::Program::new(&tape, &[x, t], &[plain, weighted, slopes[0], slopes[1]]);
            let replayed = program.run(&[&x.value(), &t.value()]).unwrap().to_vec();
            let recorded = [plain, weighted, slopes[0], slopes[1]].map(|y| y.value()).to_vec();
            for found in [recorded, replayed] {
                let found: Vec<Vec<f64>> = found.iter().map(|y| y.iter().map(Float::f64).collect()).collect();
                assert_eq!(found[..2], [[0.0, 0.0, inf, inf, inf], [0.0, 0.0, inf, inf, inf]]);
                assert_eq!(found[2..], [[0.0, 0.0, 1.0, -1.0, 0.75], [0.0, 0.0, 1.0, -3.0, 0.75]]);
            }
        }
        check::<f32>();
        check::<f64>();
    }

    /// The first two derivatives at the point where the two forms meet: σ - t and σ (1 - σ).
    #[test]
    fn the_two_sides_meet_smoothly() {
        for zero in [0.0, -0.0] {
            let tape = Tape::<f64>::new();
            let (x, t) = (tape.var([zero]), tape.var([0.25]));
            let loss = bce_with_logits_loss(x, t, Reduction::Sum).unwrap();
            let [dx, dt] = loss.grad(&[x, t])[..] else { unreachable!() };
            let second = dx.sum().grad(&[x, t]);
            let found = [loss, dx.sum(), dt.sum(), second[0].sum(), second[1].sum()].map(|y| y.item());
            assert_eq!(found, [2f64.ln(), 0.25, 0.0, 0.25, -1.0]);
        }
    }

    #[test]
    fn scores_of_any_size_have_exact_losses_and_derivatives() {
        let tape = Tape::new();
        let x = tape.var([-1e5, -30.0, 0.0, 30.0, 1e5]);
        for (t, ends) in [(0.0, [0.0, 1e5]), (1.0, [1e5, 0.0])] {
            let loss = bce_with_logits_loss(x, tape.constant(Tensor::full(&[5], t)), Reduction::None).unwrap();
            let dx: Tensor<f64> = loss.sum().backward().wrt(x);
            assert_eq!([loss.value().at(&[0]), loss.value().at(&[4])], ends);
            assert_eq!([dx.at(&[0]), dx.at(&[2]), dx.at(&[4])], [-t, 0.5 - t, 1.0 - t]);
            // The small side of the loss: e^-30 to full precision, where `x - x t + …` would cancel.
            let small = if t == 0.0 { 1 } else { 3 };
            for e in [loss.value().at(&[small]), dx.at(&[small]).abs()] {
                assert!((e / (-30f64).exp() - 1.0).abs() < 1e-12, "{e:e}");
            }
        }
    }
}
