//! Losses for rare classes, overlaps, matching pairs, and distributions.

use super::{Reduction, product, same_shape};
use crate::distribution::Normal;
use crate::domain::{Domain, non_negative, positive, unit};
use crate::functional::normalize;
use autograd::{Error, Float, Result, Var};

super::reduced! {
    /// Binary cross-entropy with logits in which well classified elements count less: see [`focal_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Focal, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = Focal::new().gamma(1.0).alpha(0.5);
    /// let value = loss.loss(tape.var([0.0]), &Target::Values(tensor![1.0]))?.item();
    /// assert!((value - 0.5 * 0.5 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    Focal {
        /// The weight of positive targets; negative ones have `1 - alpha`. Defaults to 0.25.
        alpha: f64 = 0.25,
        /// The exponent: 0, or at least 1. Defaults to 2.
        gamma: f64 = 2.0
    },
    focal_loss, Mean
}

/// Focal loss of the logits `x` for targets `t` in `[0, 1]`, for imbalanced classes: `α_t (1 - p_t)^γ · bce(x, t)` with
/// `p = sigmoid(x)`, `p_t = p t + (1 - p)(1 - t)` and `α_t = α t + (1 - α)(1 - t)`, reduced. With `γ = 0` and `α = 0.5`
/// it is half of [`bce_with_logits_loss`](super::bce_with_logits_loss). Source: Lin, Goyal, Girshick, He and Dollár,
/// *Focal loss for dense object detection* (2017).
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, focal_loss};
/// let tape = Tape::<f64>::new();
/// // Right with certainty, undecided.
/// let losses = focal_loss(tape.var([1e5, 0.0]), tape.constant([1.0, 1.0]), 0.25, 2.0, Reduction::None)?;
/// assert_eq!((losses.value().at(&[0]), losses.value().at(&[1])), (0.0, 0.25 * 0.25 * 2f64.ln()));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, a target is NaN or not in `[0, 1]`, `α` is not in `[0, 1]`, or `γ` is neither 0 nor
/// at least 1: in between, the derivative of the power is infinite at certainty.
#[track_caller]
pub fn focal_loss<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    alpha: f64,
    gamma: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "focal_loss";
    unit(OP, "alpha", alpha)?;
    non_negative(OP, "gamma", gamma)?;
    if gamma > 0.0 && gamma < 1.0 {
        return Err(Error::Argument { op: OP, hint: format!("gamma must be 0 or at least 1, got {gamma}") });
    }
    let losses = super::bce_with_logits_loss(x, t, Reduction::None)?;
    let weight = t * T::of(2.0 * alpha - 1.0) + T::of(1.0 - alpha);
    if gamma == 0.0 {
        return Ok(reduction.apply(weight * losses));
    }
    // 1 - p_t, where neither term cancels.
    let missed = (-x).sigmoid() * t + x.sigmoid() * (-t + T::one());
    Ok(reduction.apply(product(weight * missed.powf(gamma), losses)))
}

super::reduced! {
    /// How little two sets overlap: see [`dice_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Dice, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = Dice::new().smooth(0.0).loss(tape.var([[1.0, 0.0]]), &Target::Values(tensor![[1.0, 1.0]]))?;
    /// assert!((loss.item() - 1.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    Dice {
        /// Added to numerator and denominator, so that two empty sets have the loss 0. Defaults to 1.
        smooth: f64 = 1.0
    },
    dice_loss, Mean
}

/// Dice loss of the probabilities `p` and targets `t`, both in `[0, 1]`: `1 - (2 Σ p t + s) / (Σ p + Σ t + s)` with a
/// smoothing constant `s` and sums over all axes but the first, the axis of samples; the losses of samples are reduced. It
/// is used for segmentation, where few pixels belong to the object. Source: Milletari, Navab and Ahmadi, *V-Net* (2016),
/// with first powers in the denominator.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, dice_loss};
/// let tape = Tape::<f64>::new();
/// let (p, t) = (tape.var([[1.0, 1.0], [0.0, 0.0]]), tape.constant([[1.0, 1.0], [1.0, 1.0]]));
/// assert_eq!(dice_loss(p, t, 1.0, Reduction::None)?.value().to_vec(), [0.0, 1.0 - 1.0 / 3.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, there is no axis of samples, a probability or target is NaN or not in `[0, 1]`, or
/// the constant is negative, infinite or NaN.
#[track_caller]
pub fn dice_loss<'t, T: Float>(p: Var<'t, T>, t: Var<'t, T>, smooth: f64, reduction: Reduction) -> Result<Var<'t, T>> {
    const OP: &str = "dice_loss";
    same_shape(OP, p, t)?;
    non_negative(OP, "smooth", smooth)?;
    let shape = p.shape();
    let [samples, rest @ ..] = shape.as_slice() else {
        let hint = "there must be an axis of samples: unsqueeze(0) adds one".into();
        return Err(Error::Shape { op: OP, shape: Box::new([]), hint });
    };
    let rows = [*samples, rest.iter().product()];
    let p = Domain::Unit.check(OP, "probabilities", p)?.try_reshape(&rows)?;
    let t = Domain::Unit.check(OP, "targets", t)?.try_reshape(&rows)?;
    let overlap = (p * t).sum_axes(1) * T::of(2.0) + T::of(smooth);
    Ok(reduction.apply(-(overlap / ((p + t).sum_axes(1) + T::of(smooth))) + T::one()))
}

/// Contrastive loss of pairs (InfoNCE): each row of `a`, `[N, D]`, should be closest in angle to the row of `b` with the same
/// index. The loss is the mean cross-entropy of `softmax(cos(aᵢ, bⱼ) / τ)` over `j`, with the label `i`; the loss of CLIP is
/// the mean of this and of the same with `a` and `b` exchanged. Source: van den Oord, Li and Vinyals, *Representation learning
/// with contrastive predictive coding* (2018).
///
/// ```
/// use autograd::Tape;
/// use nn::loss::info_nce_loss;
/// let tape = Tape::<f64>::new();
/// let (a, b) = (tape.var([[1.0, 0.0], [0.0, 2.0]]), tape.var([[3.0, 0.0], [0.0, 1.0]]));
/// // Cosines 1 on the diagonal and 0 beside it.
/// let loss = info_nce_loss(a, b, 0.5)?.item();
/// assert!((loss - (-2f64).exp().ln_1p()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or are not `[N, D]`, or the temperature `τ` is not positive and finite.
#[track_caller]
pub fn info_nce_loss<'t, T: Float>(a: Var<'t, T>, b: Var<'t, T>, temperature: f64) -> Result<Var<'t, T>> {
    const OP: &str = "info_nce_loss";
    same_shape(OP, a, b)?;
    positive(OP, "temperature", temperature)?;
    if a.rank() != 2 {
        let hint = "expected rows [N, D], one for each sample".into();
        return Err(Error::Shape { op: OP, shape: a.shape().as_slice().into(), hint });
    }
    let cosines = normalize(a, 1, 1e-12)?.try_matmul_t(normalize(b, 1, 1e-12)?)?;
    let own: Vec<i64> = (0..a.shape()[0] as i64).collect();
    super::cross_entropy(cosines * T::of(1.0 / temperature), a.tape().integers(own), Reduction::Mean)
}

/// Kullback–Leibler divergence `KL(p ‖ q)` between normal distributions, each given by mean and standard deviation, element
/// by element ([`Normal::kl`]), reduced. The shapes broadcast, so that `q` may be the
/// standard normal distribution, as in a variational autoencoder.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, normal_kl};
/// let tape = Tape::<f64>::new();
/// let (p, standard) = ([tape.var([0.0, 1.0]), tape.var([1.0, 1.0])], [0.0, 1.0].map(|x| tape.constant(x)));
/// assert_eq!(normal_kl(p, standard, Reduction::None)?.value().to_vec(), [0.0, 0.5]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes do not broadcast.
#[track_caller]
pub fn normal_kl<'t, T: Float>(p: [Var<'t, T>; 2], q: [Var<'t, T>; 2], reduction: Reduction) -> Result<Var<'t, T>> {
    let [p, q] = [p, q].map(|[mean, std]| Normal::new(mean, std));
    Ok(reduction.apply(p?.kl(&q?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Tape, Tensor, gradcheck, tensor};

    /// The value, and the gradient by all inputs in turn.
    fn close(f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>, at: &[Tensor<f64>], value: f64, gradient: &[f64]) {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
        let y = f(&x);
        let found: Vec<f64> = y.grad(&x).iter().flat_map(|g| g.value().to_vec()).collect();
        assert!((y.item() - value).abs() < 1e-14, "{} is not {value}", y.item());
        assert_eq!(found.len(), gradient.len());
        assert!(found.iter().zip(gradient).all(|(a, b)| (a - b).abs() < 1e-14), "{found:?} is not {gradient:?}");
        gradcheck(f, at).unwrap();
    }

    /// Values and gradients from PyTorch 2.15, written out there.
    #[test]
    fn losses_have_the_values_of_pytorch() {
        type V<'t> = Var<'t, f64>;
        let x = tensor![[0.3, -1.2], [2.5, -0.7]];
        fn focal<'t>(x: &[V<'t>]) -> V<'t> {
            let t = x[0].tape().constant([[1.0, 0.0], [0.25, 1.0]]);
            focal_loss(x[0], t, 0.3, 1.5, Reduction::Mean).unwrap()
        }
        let by_x = [-0.018805925558697992, 0.01042642644619144, 0.07376469675471545, -0.04986475864212554];
        close(focal, &[x], 0.237971755576239, &by_x);

        fn dice<'t>(p: &[V<'t>]) -> V<'t> {
            let t = p[0].tape().constant([[1.0, 1.0, 0.0], [0.0, 0.5, 1.0]]);
            dice_loss(p[0], t, 0.5, Reduction::Mean).unwrap()
        }
        let by_p = [
            -0.16274238227146812,
            -0.16274238227146812,
            0.10041551246537397,
            0.08723599632690543,
            -0.06427915518824609,
            -0.2157943067033976,
        ];
        close(dice, &[tensor![[0.3, 0.9, 0.1], [0.5, 0.2, 0.6]]], 0.330542264752791, &by_p);

        fn pairs<'t>(a: &[V<'t>]) -> V<'t> {
            let b = a[0].tape().constant([[0.1, 0.8], [0.9, -0.5], [-0.3, 0.6]]);
            info_nce_loss(a[0], b, 0.2).unwrap()
        }
        let by_a = [
            -0.16790115593409272,
            0.05596705197803092,
            0.0026298518773275083,
            0.006574629693318765,
            0.6982956792991964,
            -1.7457391982479913,
        ];
        close(pairs, &[tensor![[0.3, 0.9], [0.5, -0.2], [1.0, 0.4]]], 1.404211509204288, &by_a);

        fn kl<'t>(p: &[V<'t>]) -> V<'t> {
            let q = [[0.0, 0.3], [1.5, 0.8]].map(|x| p[0].tape().constant(x));
            normal_kl([p[0], p[1]], q, Reduction::Sum).unwrap()
        }
        let by_p = [0.2222222222222222, -2.03125, -1.1174603174603175, 2.625];
        close(kl, &[tensor![0.5, -1.0], tensor![0.7, 2.0]], 3.4556062646171863, &by_p);
    }

    /// At certainty, right or wrong, nothing overflows and no derivative is NaN.
    #[test]
    fn focal_loss_is_stable() {
        let tape = Tape::<f64>::new();
        let x = tape.var([1e5, -1e5, f64::INFINITY, 800.0]);
        let loss = focal_loss(x, tape.constant([1.0, 1.0, 1.0, 0.0]), 0.5, 2.0, Reduction::Sum).unwrap();
        assert_eq!(loss.item(), 0.5 * (1e5 + 800.0));
        assert_eq!(loss.backward().wrt(x).to_vec(), [0.0, -0.5, 0.0, 0.5]);
    }

    #[test]
    fn settings_and_shapes_are_checked() {
        let tape = Tape::<f64>::new();
        let (a, b, one) = (tape.var([[0.5, 0.5]]), tape.var([[0.5, 0.5], [0.5, 0.5]]), tape.var(0.5));
        let said = |result: Result<Var<'_, f64>>| result.unwrap_err().to_string();
        assert!(said(focal_loss(a, a, 0.5, 0.5, Reduction::Mean)).contains("gamma must be 0 or at least 1, got 0.5"));
        assert!(said(focal_loss(a, a, 1.5, 2.0, Reduction::Mean)).contains("alpha"));
        assert!(said(focal_loss(a, b, 0.5, 2.0, Reduction::Mean)).contains("[2, 2]"));
        assert!(said(dice_loss(one, one, 1.0, Reduction::Mean)).contains("axis of samples"));
        assert!(said(dice_loss(a * 3.0, a, 1.0, Reduction::Mean)).contains("probabilities"));
        assert!(said(info_nce_loss(a, b, 0.1)).contains("[2, 2]"));
        assert!(said(info_nce_loss(a, a, 0.0)).contains("temperature"));
        assert!(said(normal_kl([a, a], [tape.var([1.0, 1.0, 1.0]); 2], Reduction::Mean)).contains("[3]"));
    }
}
