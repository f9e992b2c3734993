//! First derivatives along one direction: gradients, pull-backs and push-forwards.

use super::point::{Point, call, check_shapes, scalar};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{Tape, Var};
use crate::tensor::{IntoTensor, Tensor};
use std::borrow::Borrow;

/// The gradient of a scalar function with respect to each input.
///
/// ```
/// use autograd::{tensor, transform::grad};
/// assert_eq!(grad(|x| (x[0] * x[1]).sum(), &[tensor![1.0, 2.0], tensor![3.0, 4.0]]), [tensor![3.0, 4.0], tensor![1.0, 2.0]]);
/// ```
/// # Panics
/// If the function is not scalar or returns a variable of another tape; [`try_grad`] returns the error.
#[track_caller]
pub fn grad<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Vec<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_grad(f, x))
}

/// Like [`grad`], but returns the error.
#[track_caller]
pub fn try_grad<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    Ok(try_value_and_grad(f, x)?.1)
}

/// A scalar function's value, and its gradient with respect to each input.
///
/// ```
/// use autograd::{tensor, transform::value_and_grad};
/// let (y, dy) = value_and_grad(|x| x[0].square().sum(), &[tensor![1.0, 2.0]]);
/// assert_eq!((y.item(), &dy[0]), (5.0, &tensor![2.0, 4.0]));
/// ```
/// # Panics
/// If the function is not scalar or returns a variable of another tape; [`try_value_and_grad`] returns the error.
#[track_caller]
pub fn value_and_grad<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> (P::Out, Vec<P::Out>)
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_value_and_grad(f, x))
}

/// Like [`value_and_grad`], but returns the error.
#[track_caller]
pub fn try_value_and_grad<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> Result<(P::Out, Vec<P::Out>)>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let mut all = P::run("grad", x, &|x| {
        let y = call("grad", &f, x)?;
        scalar("grad", y)?;
        Ok(std::iter::once(y).chain(y.try_grad(x)?).collect())
    })?;
    let gradients = all.split_off(1);
    Ok((all.swap_remove(0), gradients))
}

/// A function's value, and its derivative along tangents of the inputs: Σᵢ ∂f/∂xᵢ · tᵢ, by one forward sweep.
///
/// ```
/// use autograd::{tensor, transform::jvp};
/// let (y, dy) = jvp(|x| x[0].square(), &[tensor![1.0, 2.0]], &[tensor![1.0, 0.5]]);
/// assert_eq!((y, dy), (tensor![1.0, 4.0], tensor![2.0, 2.0]));
/// ```
/// # Panics
/// If a tangent does not have the shape of its input, or the function returns a variable of another tape; [`try_jvp`]
/// returns the error.
#[track_caller]
pub fn jvp<T: Float, P: Point<T>, F>(f: F, x: &[P], t: &[impl Borrow<Tensor<T>>]) -> (P::Out, P::Out)
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_jvp(f, x, t))
}

/// Like [`jvp`], but returns the error.
#[track_caller]
pub fn try_jvp<T: Float, P: Point<T>, F>(f: F, x: &[P], t: &[impl Borrow<Tensor<T>>]) -> Result<(P::Out, P::Out)>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let t: Vec<Tensor<T>> = t.iter().map(|t| t.borrow().clone()).collect();
    let mut both = P::run("jvp", x, &|x| {
        check_shapes("jvp", "tangent", x, &t)?;
        let y = call("jvp", &f, x)?;
        let along: Vec<_> = x.iter().zip(&t).map(|(&x, t)| (x, x.tape.constant(t.clone()))).collect();
        Ok(vec![y, y.try_jvp_recorded(&along)?])
    })?;
    let tangent = both.swap_remove(1);
    Ok((both.swap_remove(0), tangent))
}

/// A function recorded at a point: its value, and the linear maps of its derivative there.
struct Linear<T: Float> {
    tape: Tape<T>,
    x: Vec<usize>,
    y: usize,
}

impl<T: Float> Linear<T> {
    #[track_caller]
    fn new<F>(op: &'static str, f: &F, x: &[impl Borrow<Tensor<T>>]) -> Result<(Tensor<T>, Self)>
    where
        F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
    {
        if x.is_empty() {
            return Err(Error::Argument { op, hint: "give at least one input".into() });
        }
        let tape = Tape::new();
        let x: Vec<Var<T>> = x.iter().map(|x| tape.var(x.borrow().clone())).collect();
        let y = call(op, f, &x)?;
        let (x, y, value) = (x.iter().map(|x| x.id()).collect(), y.id(), y.peek());
        Ok((value, Linear { tape, x, y }))
    }

    fn var(&self, id: usize) -> Var<'_, T> {
        self.tape.get(id).expect("the recording is never cleared")
    }
}

/// The transposed derivative of a function at a point: see [`vjp`].
///
/// ```
/// use autograd::{tensor, transform::vjp};
/// let (_, pullback) = vjp(|x| x[0].square(), &[&tensor![1.0, 2.0]]);
/// assert_eq!(pullback.call([1.0, 0.0])?[0], tensor![2.0, 0.0]);
/// assert_eq!(pullback.call([0.0, 1.0])?[0], tensor![0.0, 4.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct Pullback<T: Float>(Linear<T>);

impl<T: Float> Pullback<T> {
    /// The cotangents of the inputs, for a cotangent of the output: ḡᵀ ∂f/∂xᵢ. One reverse sweep.
    ///
    /// # Errors
    /// Returns an error if the cotangent does not have the shape of the output.
    pub fn call(&self, cotangent: impl IntoTensor<T>) -> Result<Vec<Tensor<T>>> {
        let gradients = self.0.var(self.0.y).try_vjp(cotangent)?;
        Ok(self.0.x.iter().map(|&x| gradients.wrt(self.0.var(x))).collect())
    }
}

/// The derivative of a function at a point: see [`linearize`].
///
/// ```
/// use autograd::{tensor, transform::linearize};
/// let (_, push) = linearize(|x| x[0].square(), &[&tensor![1.0, 2.0]]);
/// assert_eq!(push.call(&[&tensor![1.0, 0.5]])?, tensor![2.0, 2.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct Pushforward<T: Float>(Linear<T>);

impl<T: Float> Pushforward<T> {
    /// The tangent of the output, for tangents of the inputs: Σᵢ ∂f/∂xᵢ · tᵢ. One forward sweep.
    ///
    /// # Errors
    /// Returns an error if there is not one tangent of the right shape for each input.
    pub fn call(&self, t: &[impl Borrow<Tensor<T>>]) -> Result<Tensor<T>> {
        let x: Vec<Var<T>> = self.0.x.iter().map(|&x| self.0.var(x)).collect();
        let t: Vec<Tensor<T>> = t.iter().map(|t| t.borrow().clone()).collect();
        check_shapes("linearize", "tangent", &x, &t)?;
        self.0.var(self.0.y).try_jvp(&x.into_iter().zip(t).collect::<Vec<_>>())
    }
}

/// A function's value, and the map from a cotangent of its output to those of its inputs, which can be called many times.
///
/// ```
/// use autograd::{tensor, transform::vjp};
/// let (y, back) = vjp(|x| x[0] * x[1], &[tensor![1.0, 2.0], tensor![3.0, 4.0]]);
/// assert_eq!(y, tensor![3.0, 8.0]);
/// assert_eq!(back.call(tensor![1.0, 0.0])?, [tensor![3.0, 0.0], tensor![1.0, 0.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Panics
/// If there is no input, or the function returns a variable of another tape; [`try_vjp`] returns the error.
#[track_caller]
pub fn vjp<T: Float, F>(f: F, x: &[impl Borrow<Tensor<T>>]) -> (Tensor<T>, Pullback<T>)
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_vjp(f, x))
}

/// Like [`vjp`], but returns the error.
#[track_caller]
pub fn try_vjp<T: Float, F>(f: F, x: &[impl Borrow<Tensor<T>>]) -> Result<(Tensor<T>, Pullback<T>)>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let (value, linear) = Linear::new("vjp", &f, x)?;
    Ok((value, Pullback(linear)))
}

/// A function's value, and the map from tangents of its inputs to that of its output, which can be called many times.
///
/// ```
/// use autograd::{tensor, transform::linearize};
/// let (y, push) = linearize(|x| x[0].square(), &[tensor![1.0, 2.0]]);
/// assert_eq!(y, tensor![1.0, 4.0]);
/// assert_eq!(push.call(&[tensor![1.0, 0.5]])?, tensor![2.0, 2.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Panics
/// If there is no input, or the function returns a variable of another tape; [`try_linearize`] returns the error.
#[track_caller]
pub fn linearize<T: Float, F>(f: F, x: &[impl Borrow<Tensor<T>>]) -> (Tensor<T>, Pushforward<T>)
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_linearize(f, x))
}

/// Like [`linearize`], but returns the error.
#[track_caller]
pub fn try_linearize<T: Float, F>(f: F, x: &[impl Borrow<Tensor<T>>]) -> Result<(Tensor<T>, Pushforward<T>)>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let (value, linear) = Linear::new("linearize", &f, x)?;
    Ok((value, Pushforward(linear)))
}
