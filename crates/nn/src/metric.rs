//! Metrics: how good a model is, as numbers for people to read. Nothing here is differentiated.
//!
//! Scores are what a classifier puts out: logits or probabilities `[…, classes]`, the largest one decides, the first of
//! equals. A row with a NaN decides for nothing: it counts as wrong.

mod confusion;

pub use confusion::ConfusionMatrix;

use autograd::{Error, Float, Result, Tensor};

/// The part of the samples whose largest score is that of the right class. Scores `[…, classes]`, labels `[…]`.
///
/// ```
/// use autograd::tensor;
/// let scores = tensor![[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [f64::NAN, 0.5]];
/// assert_eq!(nn::metric::accuracy(&scores, &tensor![0_i64, 1, 1, 1])?, 0.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit, there is no sample, or a label is out of range.
pub fn accuracy<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<f64> {
    let (predicted, classes) = decisions("accuracy", scores, labels.shape())?;
    if predicted.is_empty() {
        return Err(Error::Empty { op: "accuracy", shape: scores.shape().into() });
    }
    check_labels("accuracy", labels, classes)?;
    let right = predicted.iter().zip(labels.iter()).filter(|(p, label)| p.is_some_and(|p| p as i64 == *label));
    Ok(right.count() as f64 / predicted.len() as f64)
}

/// The mean of |output - target| over all elements, which have the same shape; NaN if one of them is.
///
/// ```
/// use autograd::tensor;
/// assert_eq!(nn::metric::mean_absolute_error(&tensor![1.0, 2.0], &tensor![1.5, 1.0])?, 0.75);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes differ or there is no element.
pub fn mean_absolute_error<T: Float>(output: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    check_same("mean_absolute_error", output, target)?;
    let total: f64 = output.iter().zip(target.iter()).map(|(y, t)| (y.f64() - t.f64()).abs()).sum();
    Ok(total / output.len() as f64)
}

/// The coefficient of determination `R² = 1 - Σ(t - y)² / Σ(t - t̄)²` of outputs `y` and targets `t`, both `[n]` or
/// `[n, …]`.
///
/// 1 is perfect, 0 is no better than the mean of the targets, and it may be worse than that. Of several columns the
/// mean is taken. Where the targets do not vary the formula divides by 0: as in scikit-learn, that is 1 if the outputs
/// are right, else 0. NaN if an element is.
///
/// ```
/// use autograd::tensor;
/// use nn::metric::r2;
/// let target = tensor![3.0, -0.5, 2.0, 7.0];
/// let score = r2(&tensor![2.5, 0.0, 2.0, 8.0], &target)?;
/// assert!((score - 0.948608137).abs() < 1e-9);
/// assert_eq!(r2(&tensor![2.875, 2.875, 2.875, 2.875], &target)?, 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes differ or there is no element.
pub fn r2<T: Float>(output: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    check_same("r2", output, target)?;
    let columns: usize = target.shape().iter().skip(1).product();
    let (outputs, targets) = (output.to_vec(), target.to_vec());
    let column =
        |values: &[T], c: usize| -> Vec<f64> { values.iter().skip(c).step_by(columns).map(|x| x.f64()).collect() };
    let score = |c: usize| {
        let (y, t) = (column(&outputs, c), column(&targets, c));
        let mean = t.iter().sum::<f64>() / t.len() as f64;
        let missed: f64 = t.iter().zip(&y).map(|(t, y)| (t - y).powi(2)).sum();
        // Equal targets are compared, not subtracted: their rounded mean may differ from them.
        let constant = t.iter().all(|x| *x == t[0]);
        let spread: f64 = if constant { 0.0 } else { t.iter().map(|t| (t - mean).powi(2)).sum() };
        match (missed, spread) {
            (0.0, 0.0) => 1.0,
            (missed, 0.0) if !missed.is_nan() => 0.0,
            (missed, spread) => 1.0 - missed / spread,
        }
    };
    Ok((0..columns).map(score).sum::<f64>() / columns as f64)
}

/// The class that each row of scores decides for, none where one of them is NaN; and the number of classes.
fn decisions<T: Float>(op: &'static str, scores: &Tensor<T>, labels: &[usize]) -> Result<(Vec<Option<usize>>, usize)> {
    let (classes, rows) = match scores.shape().split_last() {
        Some((&classes @ 1.., rows)) => (classes, rows),
        _ => return Err(mismatch(op, scores.shape(), "scores need a last axis of at least one class".into())),
    };
    if rows != labels {
        return Err(mismatch(
            op,
            scores.shape(),
            format!("labels of shape {labels:?} need scores of that shape and one axis more"),
        ));
    }
    let scores = scores.contiguous();
    let best = |row: &[T]| {
        let first_largest = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
        let numbers = row.iter().all(|x| !x.f64().is_nan());
        numbers.then(|| (0..classes).fold(0, first_largest))
    };
    Ok((scores.as_slice().expect("contiguous").chunks_exact(classes).map(best).collect(), classes))
}

fn check_labels(op: &'static str, labels: &Tensor<i64>, size: usize) -> Result<()> {
    let inside = |label: i64| usize::try_from(label).is_ok_and(|label| label < size);
    match labels.iter().enumerate().find(|(_, label)| !inside(*label)) {
        Some((position, index)) => Err(Error::Index { op, index, position, size }),
        None => Ok(()),
    }
}

fn check_same<T: Float>(op: &'static str, output: &Tensor<T>, target: &Tensor<T>) -> Result<()> {
    if output.shape() != target.shape() {
        return Err(mismatch(op, output.shape(), format!("the targets have shape {:?}", target.shape())));
    }
    if output.is_empty() { Err(Error::Empty { op, shape: output.shape().into() }) } else { Ok(()) }
}

fn mismatch(op: &'static str, shape: &[usize], hint: String) -> Error {
    Error::Shape { op, shape: shape.into(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    #[test]
    fn accuracy_of_sequences_ties_and_nan() {
        let scores = tensor![[[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [f64::NAN, 0.0]]];
        assert_eq!(accuracy(&scores, &tensor![[1_i64, 1], [0, 0]]).unwrap(), 0.5);
        assert_eq!(accuracy(&tensor![[f32::NAN; 3]; 2], &tensor![0_i64, 0]).unwrap(), 0.0);
        assert_eq!(accuracy(&tensor![[f64::NEG_INFINITY, f64::INFINITY]].t().t(), &tensor![1_i64]).unwrap(), 1.0);
        assert_eq!(accuracy(&tensor![[0.0, 9.0], [5.0, 6.0]].t(), &tensor![1_i64, 0]).unwrap(), 1.0);
    }

    #[test]
    fn what_does_not_fit() {
        let scores = tensor![[0.1, 0.9], [0.3, 0.7]];
        assert!(matches!(accuracy(&scores, &tensor![0_i64]), Err(Error::Shape { .. })));
        assert!(matches!(
            accuracy(&scores, &tensor![0_i64, 2]),
            Err(Error::Index { index: 2, position: 1, size: 2, .. })
        ));
        assert!(matches!(accuracy(&Tensor::<f32>::zeros(&[0, 3]), &Tensor::zeros(&[0])), Err(Error::Empty { .. })));
        assert!(matches!(accuracy(&Tensor::<f32>::zeros(&[2, 0]), &tensor![0_i64, 0]), Err(Error::Shape { .. })));
        assert!(accuracy(&Tensor::scalar(1.0), &tensor![0_i64]).is_err());
        assert!(mean_absolute_error(&tensor![1.0], &tensor![[1.0]]).is_err());
        assert!(matches!(r2(&Tensor::<f64>::zeros(&[0]), &Tensor::zeros(&[0])), Err(Error::Empty { .. })));
    }

    #[test]
    fn errors_of_regression() {
        assert!(mean_absolute_error(&tensor![f64::NAN, 1.0], &tensor![1.0, 1.0]).unwrap().is_nan());
        // As sklearn.metrics.r2_score gives them: columns averaged, constant targets 1 or 0.
        let (target, output) =
            (tensor![[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]], tensor![[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]]);
        assert!((r2(&output, &target).unwrap() - 0.936_800_526_662).abs() < 1e-11);
        let constant = Tensor::<f64>::full(&[10], 0.1);
        assert_eq!((r2(&constant, &constant).unwrap(), r2(&(&constant + 1.0), &constant).unwrap()), (1.0, 0.0));
        assert!(r2(&tensor![f64::NAN, 1.0], &tensor![1.0, 1.0]).unwrap().is_nan());
        assert!(r2(&tensor![1.0, 1.0], &tensor![1.0, f64::NAN]).unwrap().is_nan());
    }
}
