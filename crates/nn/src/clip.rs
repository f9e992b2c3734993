//! Gradient clipping: limits the size of a step, applied between the backward sweep and the optimizer.
//!
//! ```
//! use autograd::tensor;
//! use nn::{clip, optim::ParamGradients};
//! let mut gradients = ParamGradients::from_iter([Some(tensor![30.0, -0.5])]);
//! clip::by_value(&mut gradients, 1.0);
//! assert_eq!(gradients.get(0), Some(&tensor![1.0, -0.5]));
//! ```

use crate::number::{power_of_two, smallest_normal};
use crate::optim::ParamGradients;
use autograd::{Float, Tensor};

/// Scales all gradients together so that their joint Euclidean norm is at most `max`, and returns the norm before
/// scaling: `g ← g · min(1, max / (‖g‖ + 1e-6))`, PyTorch's `clip_grad_norm_`.
///
/// The direction is preserved. The norm is summed in `f64`, in a fixed order, and no square in it overflows or
/// underflows. An infinite or NaN gradient makes the norm infinite or NaN, which the caller can check, and leaves
/// non-finite values in the gradients (an infinite norm turns finite ones into 0, a NaN norm turns all into NaN).
/// Source: Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks* (2013).
///
/// ```
/// use autograd::tensor;
/// use nn::{clip, optim::ParamGradients};
/// let mut gradients = ParamGradients::from_iter([Some(tensor![3.0_f64, 0.0]), None, Some(tensor![4.0])]);
/// assert_eq!(clip::by_norm(&mut gradients, 1.0), 5.0);
/// assert!((gradients.get(2).unwrap().at(&[0]) - 0.8).abs() < 1e-6);
/// ```
/// # Panics
/// Panics if `max` is negative or NaN.
#[doc(alias = "clip_grad_norm_")]
#[track_caller]
pub fn by_norm<T: Float>(gradients: &mut ParamGradients<T>, max: f64) -> f64 {
    assert!(max >= 0.0, "clip::by_norm: max must be at least 0, got {max}");
    let norm = Norm::of(|| gradients.iter());
    if let Some(factors) = norm.clipped(max) {
        gradients.iter_mut().for_each(|g| multiply(g, factors));
    }
    norm.value()
}

/// Scales each gradient separately so that its Euclidean norm is at most `max`: Keras' `clipnorm`. A parameter with a
/// large gradient does not shrink the other gradients, but the overall direction changes.
///
/// ```
/// use autograd::tensor;
/// use nn::{clip, optim::ParamGradients};
/// let mut gradients = ParamGradients::from_iter([Some(tensor![3.0_f64, 4.0]), Some(tensor![0.5])]);
/// clip::each_by_norm(&mut gradients, 1.0);
/// assert!((gradients.get(0).unwrap().at(&[1]) - 0.8).abs() < 1e-6);
/// assert_eq!(gradients.get(1), Some(&tensor![0.5]));
/// ```
/// # Panics
/// Panics if `max` is negative or NaN.
#[track_caller]
pub fn each_by_norm<T: Float>(gradients: &mut ParamGradients<T>, max: f64) {
    assert!(max >= 0.0, "clip::each_by_norm: max must be at least 0, got {max}");
    for g in gradients.iter_mut() {
        if let Some(factors) = Norm::of(|| std::iter::once(&*g)).clipped(max) {
            multiply(g, factors);
        }
    }
}

/// A Euclidean norm: the root of a sum of squares times a power of two, which is 1 unless squares overflow or
/// underflow.
struct Norm {
    root: f64,
    power: f64,
}

impl Norm {
    /// The norm of all tensors as one vector.
    fn of<'g, T: Float, I: Iterator<Item = &'g Tensor<T>>>(gradients: impl Fn() -> I) -> Self {
        let sum = |power: f64| gradients().map(|g| sum_of_squares(g, 1.0 / power)).sum::<f64>();
        let plain = sum(1.0);
        if (1e-280..1e300).contains(&plain) || plain.is_nan() {
            return Norm { root: plain.sqrt(), power: 1.0 };
        }
        let largest = gradients().map(largest).fold(0.0, f64::max);
        if largest == 0.0 || largest.is_infinite() {
            return Norm { root: largest, power: 1.0 };
        }
        let power = power_of_two(largest);
        Norm { root: sum(power).sqrt(), power }
    }

    fn value(&self) -> f64 {
        self.root * self.power
    }

    /// The two factors that scale the norm down to `max`, or `None` if it does not exceed it.
    fn clipped(&self, max: f64) -> Option<[f64; 2]> {
        let factor = max / self.power / (self.root + 1e-6 / self.power);
        let exceeds = factor < 1.0 || factor.is_nan();
        // The product of the two factors may underflow and lose digits, though neither factor does.
        exceeds.then(|| [1.0 / self.power, max / (self.root + 1e-6 / self.power)])
    }
}

/// Multiplies by both factors: at once if their product is precise in this type, else one after the other.
fn multiply<T: Float>(g: &mut Tensor<T>, [first, second]: [f64; 2]) {
    let by = |g: &mut Tensor<T>, factor: f64| {
        let factor = T::of(factor);
        g.make_mut().iter_mut().for_each(|x| *x *= factor);
    };
    let least = smallest_normal::<T>();
    match first * second {
        whole if whole == 0.0 && second == 0.0 || whole >= least || whole.is_nan() => by(g, whole),
        // A power of two is exact.
        whole => {
            let power = if first == 1.0 { power_of_two(whole) } else { first };
            by(g, power);
            by(g, second * (first / power));
        }
    }
}

/// Clamps every element of every gradient to `[-max, max]`, PyTorch's `clip_grad_value_`. NaN stays NaN.
///
/// ```
/// use autograd::tensor;
/// use nn::{clip, optim::ParamGradients};
/// let mut gradients = ParamGradients::from_iter([Some(tensor![3.0, -0.25, -7.0])]);
/// clip::by_value(&mut gradients, 0.5);
/// assert_eq!(gradients.get(0), Some(&tensor![0.5, -0.25, -0.5]));
/// ```
/// # Panics
/// Panics if `max` is negative or NaN.
#[doc(alias = "clip_grad_value_")]
#[track_caller]
pub fn by_value<T: Float>(gradients: &mut ParamGradients<T>, max: f64) {
    assert!(max >= 0.0, "clip::by_value: max must be at least 0, got {max}");
    let max = T::of(max);
    for g in gradients.iter_mut() {
        g.make_mut().iter_mut().for_each(|x| *x = x.max(-max).min(max));
    }
}

/// The largest magnitude.
fn largest<T: Float>(g: &Tensor<T>) -> f64 {
    g.iter().fold(0.0, |largest: f64, x| largest.max(x.f64().abs()))
}

/// Σ (c x)² in `f64`. Eight independent sums, so that no addition waits for the one before it.
fn sum_of_squares<T: Float>(g: &Tensor<T>, c: f64) -> f64 {
    let g = g.contiguous();
    let mut sums = [0.0; 8];
    for chunk in g.as_slice().expect("contiguous").chunks(sums.len()) {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            let x = c * x.f64();
            *sum += x * x;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    fn gradients(parts: impl IntoIterator<Item = Tensor<f64>>) -> ParamGradients<f64> {
        parts.into_iter().map(Some).collect()
    }

    #[test]
    fn the_norm_is_that_of_one_long_vector() {
        for n in 0..40 {
            let mut g = gradients([Tensor::arange(n), Tensor::scalar(2.0), Tensor::arange(4).reshape(&[2, 2]).t()]);
            let squares: f64 = (0..n).map(|i| (i * i) as f64).sum::<f64>() + 4.0 + 14.0;
            let before = g.clone();
            assert!((by_norm(&mut g, 1e9) - squares.sqrt()).abs() < 1e-12, "{n}");
            assert!(g.iter().eq(before.iter()), "gradients below the bound are unchanged");
            by_norm(&mut g, 0.5);
            let scaled = 0.5 / (squares.sqrt() + 1e-6);
            assert!(g.iter().zip(before.iter()).all(|(g, b)| *g == b * scaled), "{n}");
        }
    }

    #[test]
    fn f32_squares_do_not_overflow() {
        let mut g: ParamGradients<f32> = ParamGradients::from_iter([Some(tensor![3e30f32, 4e30])]);
        assert!((by_norm(&mut g, 1.0) / 5e30 - 1.0).abs() < 1e-6);
        assert!((g.get(0).unwrap().at(&[1]) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn squares_beyond_the_range_of_f64_count() {
        for size in [1e200, 1e307, 1e-200] {
            let norm = by_norm(&mut gradients([tensor![3.0 * size, 4.0 * size]]), f64::MAX);
            assert!((norm / size / 5.0 - 1.0).abs() < 1e-14, "{norm:e}");
        }
        // g · max / (‖g‖ + 1e-6)
        for (size, max, expected) in
            [(1e200, 1.0, [0.6, 0.8]), (1e307, 1e-300, [6e-301, 8e-301]), (1e-200, 1e-100, [3e-294, 4e-294])]
        {
            let mut joint = gradients([tensor![3.0 * size], tensor![4.0 * size]]);
            by_norm(&mut joint, max);
            let mut each = gradients([tensor![3.0 * size, 4.0 * size]]);
            each_by_norm(&mut each, max);
            let joint = joint.iter().flat_map(|g| g.to_vec()).collect::<Vec<_>>();
            for clipped in [joint, each.get(0).unwrap().to_vec()] {
                let close = clipped.iter().zip(expected).all(|(x, e)| (x / e - 1.0).abs() < 1e-14);
                assert!(close, "{size:e}: {clipped:?}");
            }
        }
        let mut g = ParamGradients::from_iter([Some(tensor![3e38f32, 3e38])]);
        each_by_norm(&mut g, 1e-3);
        assert!(g.get(0).unwrap().iter().all(|x| (x / 7.071_068e-4 - 1.0).abs() < 1e-6));
    }

    #[test]
    fn what_is_not_finite_stays_visible() {
        let mut g = gradients([tensor![f64::INFINITY, 1.0]]);
        assert_eq!(by_norm(&mut g, 1.0), f64::INFINITY);
        assert!(g.get(0).unwrap().at(&[0]).is_nan() && g.get(0).unwrap().at(&[1]) == 0.0);
        let mut g = gradients([tensor![f64::NAN, 1.0]]);
        assert!(by_norm(&mut g, 1.0).is_nan() && g.get(0).unwrap().iter().all(f64::is_nan));
        let mut g = gradients([tensor![f64::NAN, f64::NEG_INFINITY]]);
        by_value(&mut g, 2.0);
        assert!(g.get(0).unwrap().at(&[0]).is_nan() && g.get(0).unwrap().at(&[1]) == -2.0);
    }

    #[test]
    #[should_panic(expected = "clip::by_norm: max must be at least 0")]
    fn a_negative_bound_panics() {
        by_norm(&mut gradients([tensor![1.0]]), -1.0);
    }
}
