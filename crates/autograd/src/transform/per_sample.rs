//! Gradients of each sample, and quantities that do not need them in memory: their norms, and sums of clipped gradients.

use super::batch::Batched;
use super::point::{Point, Work, call, scalar};
use super::vmap::{Recorded, mapped, recorded};
use crate::error::{Error, Result, or_panic};
use crate::float::{Float, Precision, once};
use crate::op::Op;
use crate::tape::Var;
use crate::value::Value;

/// The gradients of a scalar function of one sample, for all samples: one result for each input in `wrt`, by position, with
/// the samples along its first axis. `in_axes` is that of [`vmap`](super::vmap()); nothing runs sample by sample.
///
/// The result is as large as the weights times the number of samples, and takes at least the time to write that.
/// [`per_sample_norm`] and [`clipped_grad`] do not form it.
///
/// ```
/// use autograd::{tensor, transform::per_sample_grad};
/// let (w, x) = (tensor![1.0, 2.0], tensor![[1.0, 0.0], [0.5, 1.0]]);
/// let dw = per_sample_grad(|x| (x[0] * x[1]).sum().square(), &[None, Some(0)], &[0], &[&w, &x]);
/// assert_eq!(dw[0], tensor![[2.0, 0.0], [2.5, 5.0]]);
/// ```
/// # Panics
/// Same as [`vmap`](super::vmap()), and if the function is not scalar or `wrt` names an input that does not exist;
/// [`try_per_sample_grad`] returns the error.
#[track_caller]
pub fn per_sample_grad<T: Float, P: Point<T>, F>(f: F, in_axes: &[Option<isize>], wrt: &[usize], x: &[P]) -> Vec<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_per_sample_grad(f, in_axes, wrt, x))
}

/// Like [`per_sample_grad`], but returns the error.
#[track_caller]
pub fn try_per_sample_grad<T: Float, P: Point<T>, F>(
    f: F,
    in_axes: &[Option<isize>],
    wrt: &[usize],
    x: &[P],
) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    const OP: &str = "per_sample_grad";
    check_wrt(OP, wrt, x.len())?;
    P::run(OP, x, &|x| mapped(OP, &|x| gradients(OP, &f, wrt, x), in_axes, x))
}

/// The Euclidean norm of each sample's gradient, over all inputs in `wrt` together: a vector with an element for each sample.
/// The gradients of dense layers are not formed: that of a sample is an outer product a bᵀ, whose norm is ‖a‖·‖b‖
/// (Goodfellow, *Efficient per-example gradient computations*, 2015).
///
/// ```
/// use autograd::{tensor, transform::per_sample_norm};
/// let (w, x) = (tensor![[1.0], [2.0]], tensor![[3.0, 4.0], [0.0, 1.0]]);
/// let norms = per_sample_norm(|x| x[1].matmul(x[0]).sum(), &[None, Some(0)], &[0], &[&w, &x]);
/// assert_eq!(norms, tensor![5.0, 1.0]);
/// ```
/// # Panics
/// Same as [`per_sample_grad`]; [`try_per_sample_norm`] returns the error.
#[track_caller]
pub fn per_sample_norm<T: Float, P: Point<T>, F>(f: F, in_axes: &[Option<isize>], wrt: &[usize], x: &[P]) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_per_sample_norm(f, in_axes, wrt, x))
}

/// Like [`per_sample_norm`], but returns the error.
#[track_caller]
pub fn try_per_sample_norm<T: Float, P: Point<T>, F>(
    f: F,
    in_axes: &[Option<isize>],
    wrt: &[usize],
    x: &[P],
) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    const OP: &str = "per_sample_norm";
    check_wrt(OP, wrt, x.len())?;
    let mut all = P::run(OP, x, &|x| Ok(vec![norms(OP, &|x| gradients(OP, &f, wrt, x), in_axes, x)?]))?;
    Ok(all.swap_remove(0))
}

/// The sum of all samples' gradients, each first scaled down to a norm of at most `most`, for differentially private training
/// (Abadi et al., *Deep learning with differential privacy*, 2016). Takes the time of [`per_sample_norm`] and of one gradient
/// of a weighted batch: no sample's gradient is formed.
///
/// ```
/// use autograd::{tensor, transform::clipped_grad};
/// let (w, x) = (tensor![[1.0], [2.0]], tensor![[3.0, 4.0], [0.0, 1.0]]);
/// let sum = clipped_grad(|x| x[1].matmul(x[0]).sum(), 2.0, &[None, Some(0)], &[0], &[&w, &x]);
/// assert!((&sum[0] - tensor![[1.2], [1.6 + 1.0]]).abs().max().item() < 1e-15);
/// ```
/// # Panics
/// Same as [`per_sample_grad`], and if `most` is not positive or an input in `wrt` is not shared by all samples;
/// [`try_clipped_grad`] returns the error.
#[track_caller]
pub fn clipped_grad<T: Float, P: Point<T>, F>(
    f: F,
    most: f64,
    in_axes: &[Option<isize>],
    wrt: &[usize],
    x: &[P],
) -> Vec<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_clipped_grad(f, most, in_axes, wrt, x))
}

/// Like [`clipped_grad`], but returns the error.
#[track_caller]
pub fn try_clipped_grad<T: Float, P: Point<T>, F>(
    f: F,
    most: f64,
    in_axes: &[Option<isize>],
    wrt: &[usize],
    x: &[P],
) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    const OP: &str = "clipped_grad";
    check_wrt(OP, wrt, x.len())?;
    if most.is_nan() || most <= 0.0 {
        return Err(Error::Argument { op: OP, hint: format!("the largest norm must be positive, not {most}") });
    }
    if let Some(i) = wrt.iter().find(|&&i| in_axes.get(i).is_some_and(Option::is_some)) {
        let hint = format!("input {i} is each sample's own: the gradients of different inputs have no sum");
        return Err(Error::Argument { op: OP, hint });
    }
    P::run(OP, x, &|x| {
        let norms = norms(OP, &|x| gradients(OP, &f, wrt, x), in_axes, x)?;
        // A gradient of 0 keeps its length.
        let weights = (norms.maximum(norms.number(T::of(most))).recip() * T::of(most)).stop_gradient();
        let losses = mapped(OP, &|x| Ok(vec![call(OP, &f, x)?]), in_axes, x)?[0];
        let total = (losses.try_reshape(&weights.shape())? * weights).sum();
        total.try_grad(&wrt.iter().map(|&i| x[i]).collect::<Vec<_>>())
    })
}

fn check_wrt(op: &'static str, wrt: &[usize], inputs: usize) -> Result<()> {
    match wrt.iter().find(|&&i| i >= inputs) {
        Some(i) => {
            let hint = format!("`wrt` names input {i}, but there are {inputs} inputs");
            Err(Error::Argument { op, hint })
        }
        None if wrt.is_empty() => Err(Error::Argument { op, hint: "`wrt` names no input".into() }),
        None => Ok(()),
    }
}

/// The gradients of one sample.
#[track_caller]
fn gradients<'t, T: Float, F>(op: &'static str, f: &F, wrt: &[usize], x: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>>
where
    F: for<'a> Fn(&[Var<'a, T>]) -> Var<'a, T>,
{
    let y = call(op, f, x)?;
    scalar(op, y)?;
    y.try_grad(&wrt.iter().map(|&i| x[i]).collect::<Vec<_>>())
}

once! {
    /// The norm of each sample's gradients together.
    fn norms<'t, T>(
        op: &'static str,
        gradients: &Work<'_, T>,
        in_axes: &[Option<isize>],
        x: &[Var<'t, T>],
    ) -> Result<Var<'t, T>> {
        let one = recorded(op, gradients, in_axes, x)?;
        let ids: Vec<u32> = one.results.clone();
        let squares: Vec<Square> = ids.iter().map(|&id| Square::of(&one, id)).collect();
        let wanted: Vec<u32> = squares.iter().flat_map(Square::nodes).collect();
        let all = one.read(x, &wanted)?;
        let mut all = all.into_iter();
        let mut sum: Option<Var<'t, T>> = None;
        for square in &squares {
            let parts: Vec<Batched<'t, T>> = all.by_ref().take(square.nodes().len()).collect();
            let square = square.sum(&parts, one.samples.n)?;
            sum = Some(match sum {
                Some(sum) => sum.try_add(square)?,
                None => square,
            });
        }
        Ok(sum.expect("there is a gradient").sqrt())
    }
}

/// How the squared norm of a gradient is computed: from its elements, or from the factors of its product Σ aᵢ bᵢᵀ, each with
/// the axis of its columns.
enum Square {
    Whole(u32),
    Product { factors: [u32; 2], columns: [usize; 2] },
}

impl Square {
    /// Looks through views that move all elements.
    fn of<T: Float>(one: &Recorded<T>, id: u32) -> Square {
        let list = one.tape.list();
        let mut at = id;
        while let Op::Reshape { .. } | Op::Permute { .. } = list.op(at) {
            at = list.inputs(at)[0];
        }
        let Op::MatMul { ta, tb, precision: Precision::Full } = list.op(at) else { return Square::Whole(id) };
        let &[a, b] = list.inputs(at) else { return Square::Whole(id) };
        let (p, q) = (list.shape(a), list.shape(b));
        if p.len() != 2 || q.len() != 2 {
            return Square::Whole(id);
        }
        let columns = [if ta { 0 } else { 1 }, if tb { 1 } else { 0 }];
        let (terms, rows, width) = (p[columns[0]], p[1 - columns[0]], q[1 - columns[1]]);
        // Products of all pairs of columns, or of all elements.
        match terms * (rows + width) < rows * width {
            true => Square::Product { factors: [a, b], columns },
            false => Square::Whole(id),
        }
    }

    fn nodes(&self) -> Vec<u32> {
        match self {
            Square::Whole(id) => vec![*id],
            Square::Product { factors, .. } => factors.to_vec(),
        }
    }

    /// The squared norm for each sample. That of Σ aᵢ bᵢᵀ is Σ (aᵢ·aⱼ)(bᵢ·bⱼ).
    fn sum<'t, T: Float>(&self, parts: &[Batched<'t, T>], n: usize) -> Result<Var<'t, T>> {
        let samples = |x: Var<'t, T>| {
            let size: usize = x.shape().iter().product();
            x.try_reshape(&[n, size / n.max(1)])
        };
        match *self {
            Square::Whole(_) => Ok(samples(parts[0].full(n))?.square().sum_axes(1)),
            Square::Product { columns, .. } => {
                let products = |k: usize| {
                    let x = parts[k].full(n);
                    let (terms, by_rows) = (x.shape()[1 + columns[k]], columns[k] == 0);
                    match terms {
                        1 => Ok(samples(x)?.square().sum_axes(1)),
                        _ => samples(Var::try_apply(
                            Op::MatMul { ta: !by_rows, tb: by_rows, precision: Precision::Full },
                            &[&x, &x],
                        )?),
                    }
                };
                let (a, b) = (products(0)?, products(1)?);
                let both = a.try_mul(b)?;
                if both.rank() == 1 { Ok(both) } else { Ok(both.sum_axes(1)) }
            }
        }
    }
}
