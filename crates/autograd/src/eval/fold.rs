//! Reductions of any axes: runs of adjacent axes, one after the other.

use super::{binary, flat, unary};
use crate::float::{Few, Float, Real};
use crate::kernel::{reduce, rows};
use crate::op::{Binary, Fold, Unary};
use crate::tensor::layout::reduced_shape;
use crate::tensor::{AxisSet, Shape, Tensor};
use smallvec::SmallVec;

pub(super) fn reduce<T: Float>(fold: Fold, x: &Tensor<T>, axes: AxisSet, out: &mut [T]) {
    if x.is_empty() {
        return out.fill(match fold {
            Fold::Sum | Fold::Norm => T::zero(),
            Fold::Mean => T::NAN,
            Fold::Prod => T::one(),
            Fold::LogSumExp => -T::INFINITY,
            Fold::Max | Fold::Min => unreachable!("the shape rule rejects them"),
        });
    }
    match fold {
        Fold::Sum => fold_axes::<reduce::Sum<T>>(x, axes, out),
        Fold::Prod => fold_axes::<reduce::Prod<T>>(x, axes, out),
        Fold::Max => fold_axes::<reduce::Max<T>>(x, axes, out),
        Fold::Min => fold_axes::<reduce::Min<T>>(x, axes, out),
        Fold::Mean => {
            let n = T::of(axes.iter().map(|i| x.shape()[i]).product::<usize>() as f64);
            fold_axes::<reduce::Sum<T>>(x, axes, out);
            out.iter_mut().for_each(|sum| *sum /= n);
        }
        Fold::Norm => norm(x, axes, out),
        Fold::LogSumExp => {
            // Move the reduced axes last and merge them into one row.
            let order: Shape = (0..x.rank()).filter(|&i| !axes.contains(i)).chain(axes.iter()).few();
            let n = axes.iter().map(|i| x.shape()[i]).product();
            rows::logsumexp(flat(&x.permuted(&order).contiguous()), n, out)
        }
    }
}

/// Groups the reduced axes into runs of adjacent axes, the last run first. Each run counts as one axis, and its sizes
/// are the products before, along and after it.
pub(crate) fn runs(shape: &[usize], axes: AxisSet) -> SmallVec<[(AxisSet, [usize; 3]); 2]> {
    let mut runs = SmallVec::new();
    let (mut shape, mut end) = (Shape::from_slice(shape), shape.len());
    while end > 0 {
        let mut start = end - 1;
        if !axes.contains(start) {
            end = start;
            continue;
        }
        while start > 0 && axes.contains(start - 1) {
            start -= 1;
        }
        let size = |s: &[usize]| s.iter().product();
        let sizes = [size(&shape[..start]), size(&shape[start..end]), size(&shape[end..])];
        runs.push(((start..end).fold(AxisSet::default(), AxisSet::with), sizes));
        shape[start..end].fill(1);
        end = start;
    }
    runs
}

/// Reduces one run of adjacent axes after the other. The last run comes first, since it has the longest contiguous
/// reads.
fn fold_axes<F: reduce::Fold>(x: &Tensor<F::T>, axes: AxisSet, out: &mut [F::T]) {
    fold_runs::<F>(&x.contiguous(), &runs(x.shape(), axes), out);
}

fn fold_runs<F: reduce::Fold>(x: &Tensor<F::T>, runs: &[(AxisSet, [usize; 3])], out: &mut [F::T]) {
    match runs {
        [] => x.copy_into(out),
        [(_, sizes)] => reduce::fold_middle::<F>(flat(x), *sizes, out),
        [(run, sizes), rest @ ..] => {
            let shape = reduced_shape(x.shape(), *run, true);
            let partial = Tensor::build(&shape, |out| reduce::fold_middle::<F>(flat(x), *sizes, out));
            fold_runs::<F::Partial>(&partial, rest, out);
        }
    }
}

/// √Σ x² in one pass. If a sum of squares may have overflowed or underflowed, it is recomputed from elements divided by
/// a power of two near the largest one, so that the division is exact.
fn norm<T: Float>(x: &Tensor<T>, axes: AxisSet, out: &mut [T]) {
    if axes.iter().next().is_none() {
        return unary(Unary::Abs, x).copy_into(out);
    }
    let harmless = |&sum: &T| (T::of(1e-18)..T::of(1e18)).contains(&sum);
    fold_axes::<reduce::Squares<T>>(x, axes, out);
    if out.iter().all(harmless) {
        return out.iter_mut().for_each(|sum| *sum = Real::sqrt(*sum));
    }
    let kept = reduced_shape(x.shape(), axes, true);
    let scale = Tensor::build(&kept, |scale| {
        fold_axes::<reduce::Max<T>>(&unary(Unary::Abs, x), axes, scale);
        scale.iter_mut().for_each(|m| {
            let exponent = f64::from_bits(m.f64().to_bits() & f64::INFINITY.to_bits());
            let usable = m.f64() > 0.0 && m.is_finite();
            *m = if usable { T::of(exponent.max(f64::MIN_POSITIVE)) } else { T::one() };
        });
    });
    fold_axes::<reduce::Squares<T>>(&binary(Binary::Div, x, &scale, x.shape()), axes, out);
    out.iter_mut().zip(scale.iter()).for_each(|(sum, scale)| *sum = Real::sqrt(*sum) * scale);
}
