//! [`Point`]: where a transform is evaluated, at tensors or at variables.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::Op;
use crate::tape::{Tape, Var, same_tape};
use crate::tensor::Tensor;
use crate::value::Value;

/// What a transform does with variables.
pub(super) type Work<'w, T> = dyn for<'t> Fn(&[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> + 'w;

/// An input of a transform: a tensor, a reference to one, or a variable.
///
/// ```
/// use autograd::{Tape, Tensor, tensor, transform::grad};
/// let at_a_tensor: Vec<Tensor<f64>> = grad(|x| x[0].square().sum(), &[&tensor![3.0]]);
/// let tape = Tape::new();
/// let at_a_variable = grad(|x| x[0].square().sum(), &[tape.var([3.0])]); // recorded, so that it can be differentiated again
/// assert_eq!(at_a_variable[0].value(), at_a_tensor[0]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a point at which a function of `{T}` can be differentiated",
    label = "neither `&Tensor<{T}>` nor `Var<{T}>`",
    note = "pass tensors by reference, `&[&x, &y]`, or variables, `&[x, y]`"
)]
pub trait Point<T: Float>: Sized {
    /// The type of the results: tensors for tensors, variables for variables.
    type Out;

    /// Whether the results stay on the tape, to be differentiated again.
    #[doc(hidden)]
    const RECORDS: bool;

    /// Does the work at these inputs, as variables.
    #[doc(hidden)]
    fn run(op: &'static str, x: &[Self], work: &Work<'_, T>) -> Result<Vec<Self::Out>>;
}

fn computed<T: Float>(x: &mut dyn Iterator<Item = &Tensor<T>>, work: &Work<'_, T>) -> Result<Vec<Tensor<T>>> {
    let tape = Tape::new();
    let x: Vec<Var<T>> = x.map(|x| tape.var(x.clone())).collect();
    Ok(work(&x)?.into_iter().map(Var::peek).collect())
}

fn at_least_one<X>(op: &'static str, x: &[X]) -> Result<()> {
    let hint = || "give at least one input".into();
    if x.is_empty() { Err(Error::Argument { op, hint: hint() }) } else { Ok(()) }
}

impl<T: Float> Point<T> for Tensor<T> {
    type Out = Tensor<T>;
    const RECORDS: bool = false;

    fn run(op: &'static str, x: &[Self], work: &Work<'_, T>) -> Result<Vec<Tensor<T>>> {
        at_least_one(op, x)?;
        computed(&mut x.iter(), work)
    }
}

impl<T: Float> Point<T> for &Tensor<T> {
    type Out = Tensor<T>;
    const RECORDS: bool = false;

    fn run(op: &'static str, x: &[Self], work: &Work<'_, T>) -> Result<Vec<Tensor<T>>> {
        at_least_one(op, x)?;
        computed(&mut x.iter().copied(), work)
    }
}

/// The derivatives are recorded. Each holds the other inputs fixed, even if they depend on one another.
impl<'t, T: Float> Point<T> for Var<'t, T> {
    type Out = Var<'t, T>;
    const RECORDS: bool = true;

    fn run(op: &'static str, x: &[Self], work: &Work<'_, T>) -> Result<Vec<Var<'t, T>>> {
        at_least_one(op, x)?;
        same_tape(op, &x.iter().collect::<Vec<_>>())?;
        // A computed value becomes a separate node, on which no other input depends.
        let independent = |x: &Var<'t, T>| match x.op() {
            Op::Leaf | Op::Const => Ok(*x),
            _ => Value::try_apply(Op::Reshape { shape: x.shape() }, &[x]),
        };
        work(&x.iter().map(independent).collect::<Result<Vec<_>>>()?)
    }
}

/// The value of the function, which must be on the tape of its inputs.
#[track_caller]
pub(super) fn call<'t, T: Float, F>(op: &'static str, f: &F, x: &[Var<'t, T>]) -> Result<Var<'t, T>>
where
    F: for<'a> Fn(&[Var<'a, T>]) -> Var<'a, T> + ?Sized,
{
    let y = f(x);
    if std::ptr::eq(y.tape, x[0].tape) { Ok(y) } else { Err(Error::Foreign { op }) }
}

/// Returns an error unless the value has exactly one element.
pub(super) fn scalar<T: Float>(op: &'static str, y: Var<'_, T>) -> Result<()> {
    y.unit_seed(op).map(|_| ())
}

/// Returns an error unless there is one `what` of the right shape for each input.
pub(super) fn check_shapes<T: Float>(op: &'static str, what: &str, x: &[Var<'_, T>], t: &[Tensor<T>]) -> Result<()> {
    if x.len() != t.len() {
        let hint = format!("it takes {} {what}s, one for each input, but {} were given", x.len(), t.len());
        return Err(Error::Argument { op, hint });
    }
    match x.iter().zip(t).find(|(x, t)| *x.shape() != *t.shape()) {
        None => Ok(()),
        Some((x, t)) => {
            let hint = format!("the {what} must have the shape of its input, {:?}", x.shape());
            Err(Error::Shape { op, shape: t.shape().into(), hint })
        }
    }
}
