//! `vmap`: a function of one sample on many samples at once.

use super::batch::{Batched, Samples};
use super::point::{Point, Work, call};
use super::read::read;
use super::shapes::{joined, moved};
use crate::error::{Error, Result, or_panic};
use crate::float::{Float, once};
use crate::op::Op;
use crate::program::refuse_reads;
use crate::tape::{Tape, Var, read_of, watch};
use crate::tensor::Tensor;
use crate::tensor::layout::resolve_axis;
use crate::value::Value;

/// Applies a function of one sample to all samples: `in_axes` names the axis of each input along which the samples lie,
/// or `None` for an input that all samples share. The samples lie along the first axis of the result.
///
/// The function is called once, with variables of the shape of one sample; each op that it records is then applied to all
/// samples at once. A [`checkpoint`](crate::checkpoint()), a [`scan`](super::scan()) and rules given as closures also become
/// one op on all samples. A user's [`Rule`](crate::Rule) and a [`while_loop`](super::while_loop()) run sample by sample.
///
/// ```
/// use autograd::{tensor, transform::vmap};
/// let (w, x) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
/// let y = vmap(|x| x[0].matmul(x[1]).sum(), &[None, Some(0)], &[&w, &x]);
/// assert_eq!(y, tensor![4.0, 6.0, 10.0]);
/// ```
/// # Panics
/// If there is not one axis for each input, an axis is out of range, the numbers of samples differ, every input is shared,
/// or the function branches on a value that depends on inputs that the samples do not share (the first sample would decide
/// for all); [`try_vmap`] returns the error.
#[track_caller]
pub fn vmap<T: Float, P: Point<T>, F>(f: F, in_axes: &[Option<isize>], x: &[P]) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_vmap(f, in_axes, x))
}

/// Like [`vmap`], but returns the error.
#[track_caller]
pub fn try_vmap<T: Float, P: Point<T>, F>(f: F, in_axes: &[Option<isize>], x: &[P]) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let mut y = P::run("vmap", x, &|x| mapped("vmap", &|x| Ok(vec![call("vmap", &f, x)?]), in_axes, x))?;
    Ok(y.swap_remove(0))
}

once! {
    /// All results of a function of one sample, for all samples.
    pub(super) fn mapped<'t, T>(
        op: &'static str,
        f: &Work<'_, T>,
        in_axes: &[Option<isize>],
        x: &[Var<'t, T>],
    ) -> Result<Vec<Var<'t, T>>> {
        let one = recorded(op, f, in_axes, x)?;
        let all = one.read(x, &one.results)?;
        Ok(all.into_iter().map(|y| y.full(one.samples.n)).collect())
    }

    /// Records a function of one sample.
    pub(super) fn recorded<T>(
        op: &'static str,
        f: &Work<'_, T>,
        in_axes: &[Option<isize>],
        x: &[Var<'_, T>],
    ) -> Result<Recorded<T>> {
        let axes = axes(op, in_axes, x)?;
        let n = samples(op, &axes, x)?;
        let tape = one_tape(x[0].tape);
        let first: Vec<Var<T>> = x.iter().zip(&axes).map(|(x, axis)| tape.var(sample(&x.peek(), *axis))).collect();
        watch(&tape);
        let y = f(&first)?;
        let mut own = first.clone();
        for i in (0..x.len()).rev().filter(|&i| axes[i].is_none()) {
            own.remove(i);
            // A branch on values that all samples share is the same for all of them, but a program would freeze it.
            if let Some((_, line)) = read_of(&tape, &[first[i].id()]) {
                x[i].tape.note_read(x[i].id, line);
            }
        }
        refuse_reads(op, &tape, &own)?;
        let (given, results) = (first.iter().map(|x| x.id).collect(), y.iter().map(|y| y.id).collect());
        Ok(Recorded { tape, given, axes, results, samples: Samples { n } })
    }
}

/// A function of one sample, recorded on a separate tape.
pub(super) struct Recorded<T: Float> {
    pub(super) tape: Tape<T>,
    /// Its inputs, and the axes of the samples in those of all samples.
    given: Vec<u32>,
    axes: Vec<Option<usize>>,
    pub(super) results: Vec<u32>,
    pub(super) samples: Samples,
}

impl<T: Float> Recorded<T> {
    /// Some of its values for all samples, at the inputs `x`.
    pub(super) fn read<'t>(&self, x: &[Var<'t, T>], wanted: &[u32]) -> Result<Vec<Batched<'t, T>>> {
        let given = self.given.iter().zip(x).zip(&self.axes).map(|((one, x), axis)| (*one, in_front(*x, *axis)));
        read(&self.tape, x[0].tape, &self.samples, given.collect(), wanted)
    }
}

/// A tape for the recording of one sample, of the same precision. On a sketch, the recording is a sketch, too.
fn one_tape<T: Float>(outer: &Tape<T>) -> Tape<T> {
    let tape = if outer.list().is_sketch() { Tape::sketch() } else { Tape::new() };
    tape.set_precision(outer.precision());
    tape
}

/// The axis of the samples of each input, counted from the front.
fn axes<T: Float>(op: &'static str, in_axes: &[Option<isize>], x: &[Var<'_, T>]) -> Result<Vec<Option<usize>>> {
    if in_axes.len() != x.len() {
        let hint =
            format!("`in_axes` must have one axis, or None, for each of the {} inputs, not {}", x.len(), in_axes.len());
        return Err(Error::Argument { op, hint });
    }
    let resolve =
        |(axis, x): (&Option<isize>, &Var<T>)| axis.map(|axis| resolve_axis(op, axis, &x.shape())).transpose();
    in_axes.iter().zip(x).map(resolve).collect()
}

/// The number of samples, the same for all inputs.
fn samples<T: Float>(op: &'static str, axes: &[Option<usize>], x: &[Var<'_, T>]) -> Result<usize> {
    let sizes: Vec<usize> = axes.iter().zip(x).filter_map(|(axis, x)| axis.map(|axis| x.shape()[axis])).collect();
    match sizes.as_slice() {
        [] => Err(Error::Argument {
            op,
            hint: "every input is shared: name the axis of the samples of one in `in_axes`".into(),
        }),
        [n, others @ ..] if others.iter().all(|m| m == n) => Ok(*n),
        _ => {
            let hint = format!(
                "the inputs have different numbers of samples, {sizes:?}: name the axis of the samples of each in \
                 `in_axes`, and None for what all samples share"
            );
            Err(Error::Argument { op, hint })
        }
    }
}

/// The first sample, or zeros if there is none.
fn sample<T: Float>(x: &Tensor<T>, axis: Option<usize>) -> Tensor<T> {
    let Some(axis) = axis else { return x.clone() };
    let shape = joined(&[&x.shape()[..axis], &x.shape()[axis + 1..]]);
    if x.shape()[axis] == 0 { Tensor::zeros(&shape) } else { x.slice_axis(axis as isize, 0..1).reshape(&shape) }
}

/// The samples along the first axis.
fn in_front<T: Float>(x: Var<'_, T>, axis: Option<usize>) -> Batched<'_, T> {
    let Some(axis) = axis else { return Batched { var: x, batched: false } };
    let order = moved(x.rank(), axis, 1, 0);
    let var = if axis == 0 { x } else { Value::apply(Op::Permute { order }, &[&x]) };
    Batched { var, batched: true }
}
