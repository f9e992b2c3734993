//! Jacobians and Hessians. The derivative along one direction is recorded once, and read for all directions
//! together, so that every op runs once.

use super::batch::{Batched, Samples};
use super::choice::{Choice, Mode, choose};
use super::point::{Point, call, check_shapes, scalar};
use super::read::{following, read};
use super::shapes::{ahead, joined, moved};
use super::sparse::expanded;
use crate::error::{Error, Result, or_panic};
use crate::float::{Float, once};
use crate::op::Op;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use crate::value::Value;
use std::borrow::Borrow;

/// The Jacobian of a function: for each input, all derivatives of all elements of the output, with the shape of the output
/// followed by that of the input. Chooses forward, reverse or sparse mode by counting operations; [`jacobian_choice`] says
/// why, and [`jacobian_by`] takes the choice.
///
/// All directions go through one sweep together, except that at tensors those whose values take more than 256 MB
/// together are split into several sweeps.
///
/// ```
/// use autograd::{tensor, transform::jacobian};
/// let j = jacobian(|x| x[0].square() * x[1], &[tensor![1.0, 2.0], tensor![3.0]]);
/// assert_eq!(j, [tensor![[6.0, 0.0], [0.0, 12.0]], tensor![[1.0], [4.0]]]);
/// ```
/// # Panics
/// If there is no input, or the function returns a variable of another tape; [`try_jacobian`] returns the error.
#[doc(alias = "jacfwd")]
#[doc(alias = "jacrev")]
#[track_caller]
pub fn jacobian<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Vec<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_jacobian(f, x))
}

/// Like [`jacobian`], but returns the error.
#[track_caller]
pub fn try_jacobian<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    jacobian_by(Mode::Auto, f, x)
}

/// The [`jacobian`], in a given mode.
///
/// ```
/// use autograd::{tensor, transform::{Mode, jacobian_by}};
/// let j = |mode| jacobian_by(mode, |x| x[0].exp(), &[tensor![0.0, 0.0]]);
/// assert_eq!(j(Mode::Forward)?, j(Mode::Reverse)?);
/// assert_eq!(j(Mode::Forward)?, j(Mode::Sparse)?); // by one direction
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there is no input, sparse mode has several, or the function returns a variable of another tape.
#[track_caller]
pub fn jacobian_by<T: Float, P: Point<T>, F>(mode: Mode, f: F, x: &[P]) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    P::run("jacobian", x, &|x| {
        let y = call("jacobian", &f, x)?;
        by_mode(mode, y, x, P::RECORDS)
    })
}

/// How [`jacobian`] computes the derivatives of this function at inputs of these shapes, and why.
///
/// ```
/// use autograd::{Tensor, transform::{Choice, Mode, jacobian_choice}};
/// let x = Tensor::<f64>::ones(&[200]);
/// let why: Choice = jacobian_choice(|x| x[0].slice(0, 1..) * x[0].slice(0, ..-1), &[x])?;
/// assert_eq!((why.mode, why.colors), (Mode::Sparse, Some(2)));
/// assert!(why.to_string().starts_with("sparse mode, for 199 rows and 200 columns of 2 colors: reverse takes "));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there is no input, or the function returns a variable of another tape.
#[track_caller]
pub fn jacobian_choice<T: Float, F>(f: F, x: &[impl Borrow<Tensor<T>>]) -> Result<Choice>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    if x.is_empty() {
        return Err(Error::Argument { op: "jacobian", hint: "give at least one input".into() });
    }
    let tape = Tape::new();
    let x: Vec<Var<T>> = x.iter().map(|x| tape.var(x.borrow().clone())).collect();
    choose(call("jacobian", &f, &x)?, &x)
}

/// The Hessian of a scalar function: `hessian(f, x)[i][j]` has the second derivatives with respect to inputs i and j, with
/// the shape of the former followed by that of the latter. Forward over reverse: the gradient is recorded once, and its
/// derivative read for all directions together.
///
/// ```
/// use autograd::{tensor, transform::hessian};
/// let h = hessian(|x| (x[0].square() * x[1]).sum(), &[tensor![1.0, 2.0], tensor![3.0]]);
/// assert_eq!(h[0][0], tensor![[6.0, 0.0], [0.0, 6.0]]);
/// assert_eq!(h[0][1], tensor![[2.0], [4.0]]);
/// ```
/// # Panics
/// If the function is not scalar, or returns a variable of another tape; [`try_hessian`] returns the error.
#[track_caller]
pub fn hessian<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Vec<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_hessian(f, x))
}

/// Like [`hessian`], but returns the error.
#[track_caller]
pub fn try_hessian<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Result<Vec<Vec<P::Out>>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let blocks = P::run("hessian", x, &|x| second(call("hessian", &f, x)?, x, P::RECORDS))?;
    let mut blocks = blocks.into_iter();
    Ok((0..x.len()).map(|_| blocks.by_ref().take(x.len()).collect()).collect())
}

/// The Hessian of a scalar function times a vector, which is given by one direction for each input. Forward over reverse;
/// the Hessian is never formed.
///
/// ```
/// use autograd::{tensor, transform::hvp};
/// let h = hvp(|x| (x[0] * x[0] * x[0]).sum(), &[tensor![1.0, 2.0]], &[tensor![1.0, 0.5]]);
/// assert_eq!(h, [tensor![6.0, 6.0]]);
/// ```
/// # Panics
/// If the function is not scalar or a direction does not have the shape of its input; [`try_hvp`] returns the error.
#[track_caller]
pub fn hvp<T: Float, P: Point<T>, F>(f: F, x: &[P], v: &[impl Borrow<Tensor<T>>]) -> Vec<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_hvp(f, x, v))
}

/// Like [`hvp`], but returns the error.
#[track_caller]
pub fn try_hvp<T: Float, P: Point<T>, F>(f: F, x: &[P], v: &[impl Borrow<Tensor<T>>]) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let v: Vec<Tensor<T>> = v.iter().map(|v| v.borrow().clone()).collect();
    P::run("hvp", x, &|x| {
        check_shapes("hvp", "direction", x, &v)?;
        let y = call("hvp", &f, x)?;
        scalar("hvp", y)?;
        let along: Vec<_> = x.iter().zip(&v).map(|(&x, v)| (x, x.tape.constant(v.clone()))).collect();
        y.try_jvp_recorded(&along)?.try_grad(x)
    })
}

fn size<T: Float>(x: Var<'_, T>) -> usize {
    x.shape().iter().product()
}

/// The values of `y`, recorded as a linear function of `t`, for all unit vectors in place of `t`, along the first axis.
/// Unless it is `kept` on the tape, it is read in parts, so that the values of one part fit in memory.
pub(super) fn for_units<'t, T: Float>(y: &[Var<'t, T>], t: Var<'t, T>, kept: bool) -> Result<Vec<Var<'t, T>>> {
    let n = size(t);
    let units = Tensor::eye(n).reshape(&ahead(n, &t.shape()));
    let part = (PART / bytes_of_each(y, t).max(1)).max(1);
    if kept || part >= n {
        return for_each(y, t, units);
    }
    let mut parts: Vec<Vec<Tensor<T>>> = vec![Vec::new(); y.len()];
    for start in (0..n).step_by(part) {
        let before = t.tape.extent();
        let found = for_each(y, t, units.slice_axis(0, start..n.min(start + part)))?;
        parts.iter_mut().zip(found).for_each(|(parts, found)| parts.push(found.peek()));
        t.tape.rewind(before);
    }
    parts.iter().map(|parts| Ok(t.tape.constant(Tensor::try_concat(parts, 0)?))).collect()
}

/// The bytes of the values that are read for one direction.
fn bytes_of_each<T: Float>(y: &[Var<'_, T>], t: Var<'_, T>) -> usize {
    let mut given = vec![None; t.tape.len()];
    given[t.id as usize] = Some(());
    let (depends, list) = (following(t.tape, &given), t.tape.list());
    let last = y.iter().map(|y| y.id).max().unwrap_or_default();
    let sizes = (0..=last).filter(|&id| depends[id as usize]).map(|id| list.shape(id).iter().product::<usize>());
    sizes.sum::<usize>() * size_of::<T>()
}

/// The most bytes of the values that are read for several directions together.
const PART: usize = 1 << 28;

/// The values of `y` for each row of `rows` in place of `t`, along the first axis.
pub(super) fn for_each<'t, T: Float>(y: &[Var<'t, T>], t: Var<'t, T>, rows: Tensor<T>) -> Result<Vec<Var<'t, T>>> {
    let n = rows.shape()[0];
    let given = vec![(t.id, Batched { var: t.tape.constant(rows), batched: true })];
    let wanted: Vec<u32> = y.iter().map(|y| y.id).collect();
    Ok(read(t.tape, t.tape, &Samples { n }, given, &wanted)?.into_iter().map(|y| y.full(n)).collect())
}

/// A direction of unknown value, of the shape of `x`.
pub(super) fn unknown<'t, T: Float>(x: Var<'t, T>) -> Var<'t, T> {
    x.tape.constant(Tensor::zeros(&x.shape()))
}

/// Moves the first axis behind all others.
fn to_back<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    Value::apply(Op::Permute { order: moved(x.rank(), 0, 1, x.rank() - 1) }, &[&x])
}

once! {
    fn by_mode<'t, T>(mode: Mode, y: Var<'t, T>, x: &[Var<'t, T>], kept: bool) -> Result<Vec<Var<'t, T>>> {
        match (mode, x) {
            (Mode::Forward, _) => by_columns(y, x, kept),
            (Mode::Reverse, _) => by_rows(y, x, kept),
            (Mode::Sparse, [x]) => Ok(vec![expanded(y, *x)?]),
            (Mode::Sparse, _) => {
                let hint = format!("sparse mode takes one input, not {}: join them with concat", x.len());
                Err(Error::Argument { op: "jacobian", hint })
            }
            (Mode::Auto, _) => by_mode(choose(y, x)?.mode, y, x, kept),
        }
    }

    /// The Jacobians of `y`, by its rows.
    pub(super) fn by_rows<'t, T>(y: Var<'t, T>, x: &[Var<'t, T>], kept: bool) -> Result<Vec<Var<'t, T>>> {
        let g = unknown(y);
        let rows = for_units(&y.try_grad_with(g, x)?, g, kept)?;
        let shaped = |(row, x): (Var<'t, T>, &Var<'t, T>)| Value::try_apply(Op::Reshape { shape: joined(&[&y.shape(), &x.shape()]) }, &[&row]);
        rows.into_iter().zip(x).map(shaped).collect()
    }

    fn by_columns<'t, T>(y: Var<'t, T>, x: &[Var<'t, T>], kept: bool) -> Result<Vec<Var<'t, T>>> {
        let column = |&x: &Var<'t, T>| {
            let t = unknown(x);
            let columns = for_units(&[y.try_jvp_recorded(&[(x, t)])?], t, kept)?[0];
            Value::try_apply(Op::Reshape { shape: joined(&[&y.shape(), &x.shape()]) }, &[&to_back(columns)])
        };
        x.iter().map(column).collect()
    }

    /// The blocks of the Hessian, row by row.
    fn second<'t, T>(y: Var<'t, T>, x: &[Var<'t, T>], kept: bool) -> Result<Vec<Var<'t, T>>> {
        scalar("hessian", y)?;
        let gradient = y.try_grad(x)?;
        // blocks[j][i] has the derivatives of gradient i by input j.
        let column = |&xj: &Var<'t, T>| {
            let t = unknown(xj);
            let slopes: Result<Vec<Var<T>>> = gradient.iter().map(|g| g.try_jvp_recorded(&[(xj, t)])).collect();
            for_units(&slopes?, t, kept)
        };
        let blocks = x.iter().map(column).collect::<Result<Vec<_>>>()?;
        let shaped = |i: usize, j: usize| {
            let shape = joined(&[&x[i].shape(), &x[j].shape()]);
            Value::try_apply(Op::Reshape { shape }, &[&to_back(blocks[j][i])])
        };
        (0..x.len()).flat_map(|i| (0..x.len()).map(move |j| (i, j))).map(|(i, j)| shaped(i, j)).collect()
    }
}
