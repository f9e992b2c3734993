//! Functions with derivatives of the user's own, given as closures: for a stable formula, a gradient that is clipped, or a
//! step that counts as the identity. A rule with a name, for reuse, is a [`Rule`](crate::Rule).

use super::point::{Point, Work, by_rule, call};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::rules::Cotangents;
use crate::tape::{DynRule, Tape, Var};
use crate::tensor::Tensor;
use std::sync::Arc;

/// Applies `f`, whose reverse rule is `back`: it gets the inputs, the output y and its cotangent g, and returns one cotangent
/// for each input. The rule is recorded where derivatives are differentiated again. Forward mode is an error.
///
/// ```
/// use autograd::{Tape, transform::custom_vjp};
/// // The identity, whose gradient is at most 1 in size.
/// let tape = Tape::<f64>::new();
/// let x = tape.var([3.0, -0.25]);
/// let y = custom_vjp(|x| x[0], |_, _, g| vec![g.clamp(-1.0, 1.0)], &[x]);
/// assert_eq!(y.square().sum().backward().wrt(x).to_vec(), [1.0, -0.5]);
/// ```
/// # Panics
/// If there is no input, or the inputs are on different tapes; later, if the rule does not return one cotangent of the right
/// shape for each input. [`try_custom_vjp`] returns the first of these as an error.
#[track_caller]
pub fn custom_vjp<T: Float, P: Point<T>, F, B>(f: F, back: B, x: &[P]) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>, Var<'t, T>) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    or_panic(try_custom_vjp(f, back, x))
}

/// Like [`custom_vjp`], but returns the error.
#[track_caller]
pub fn try_custom_vjp<T: Float, P: Point<T>, F, B>(f: F, back: B, x: &[P]) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>, Var<'t, T>) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    by_rule("custom_vjp", Arc::new(Reverse { f, back }), x)
}

/// Applies `f`, whose forward rule is `push`: it gets the inputs, the output y and the tangents of the inputs, and returns the
/// tangent of the output. The reverse rule is its transpose, found by differentiating it: the rule must be linear in the
/// tangents.
///
/// ```
/// use autograd::{Tape, transform::custom_jvp};
/// // ln(1 + eˣ), with a derivative that does not overflow.
/// let softplus = |x| custom_jvp(|x| (x[0].exp() + 1.0).ln(), |x, _, t| t[0] * x[0].sigmoid(), &[x]);
/// let tape = Tape::<f64>::new();
/// let x = tape.var(0.0);
/// assert_eq!(softplus(x).backward().wrt(x).item(), 0.5);
/// ```
/// # Panics
/// If there is no input, or the inputs are on different tapes; [`try_custom_jvp`] returns the error.
#[track_caller]
pub fn custom_jvp<T: Float, P: Point<T>, F, B>(f: F, push: B, x: &[P]) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>, &[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_custom_jvp(f, push, x))
}

/// Like [`custom_jvp`], but returns the error.
#[track_caller]
pub fn try_custom_jvp<T: Float, P: Point<T>, F, B>(f: F, push: B, x: &[P]) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>, &[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    by_rule("custom_jvp", Arc::new(Forward { f, push }), x)
}

/// Does some work on variables of a tape of its own, and returns the values.
fn apart<T: Float>(x: &[&Tensor<T>], work: &Work<'_, T>) -> Result<Vec<Tensor<T>>> {
    let tape = Tape::new();
    let x: Vec<Var<T>> = x.iter().map(|&x| tape.constant(x.clone())).collect();
    Ok(work(&x)?.into_iter().map(Var::peek).collect())
}

fn vars<'t, T: Float>(x: &[&Var<'t, T>]) -> Vec<Var<'t, T>> {
    x.iter().map(|x| **x).collect()
}

/// A function with a reverse rule.
struct Reverse<F, B> {
    f: F,
    back: B,
}

impl<T: Float, F, B> DynRule<T> for Reverse<F, B>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>, Var<'t, T>) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    fn rule_name(&self) -> &'static str {
        "custom_vjp"
    }

    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(apart(x, &|x| Ok(vec![call("custom_vjp", &self.f, x)?]))?.swap_remove(0))
    }

    fn vjp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        let all: Vec<&Tensor<T>> = x.iter().copied().chain([y, g]).collect();
        let n = x.len();
        or_panic(apart(&all, &|all| Ok(fitting(&all[..n], (self.back)(&all[..n], all[n], all[n + 1])))))
            .into_iter()
            .map(Some)
            .collect()
    }

    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        let x = vars(x);
        fitting(&x, (self.back)(&x, *y, *g)).into_iter().map(Some).collect()
    }

    fn jvp_computed(&self, _: &[&Tensor<T>], _: &Tensor<T>, _: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        Err(no_forward())
    }

    fn jvp_recorded<'t>(
        &self,
        _: &[&Var<'t, T>],
        _: &Var<'t, T>,
        _: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>> {
        Err(no_forward())
    }
}

fn no_forward() -> Error {
    Error::Argument { op: "jvp", hint: "a function of custom_vjp has no forward rule: give one with custom_jvp".into() }
}

/// The cotangents, which must have the shapes of the inputs.
fn fitting<'t, T: Float>(x: &[Var<'t, T>], bars: Vec<Var<'t, T>>) -> Vec<Var<'t, T>> {
    let fits = x.len() == bars.len() && x.iter().zip(&bars).all(|(x, bar)| x.shape() == bar.shape());
    let shapes = |x: &[Var<'t, T>]| x.iter().map(|x| x.shape()).collect::<Vec<_>>();
    assert!(fits, "custom_vjp: the rule must return cotangents of the shapes {:?}, not {:?}", shapes(x), shapes(&bars));
    bars
}

/// A function with a forward rule.
struct Forward<F, B> {
    f: F,
    push: B,
}

impl<F, B> Forward<F, B> {
    fn tangent<'t, T: Float>(&self, x: &[Var<'t, T>], y: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Var<'t, T>
    where
        B: for<'a> Fn(&[Var<'a, T>], Var<'a, T>, &[Var<'a, T>]) -> Var<'a, T>,
    {
        let zeros = |x: &Var<'t, T>| x.tape.constant(Tensor::zeros(&x.shape()));
        let t: Vec<Var<T>> = x.iter().zip(t).map(|(x, t)| t.unwrap_or_else(|| zeros(x))).collect();
        (self.push)(x, y, &t)
    }

    /// The transpose of the forward rule: the gradients of `Σ g · tangent` by the tangents.
    fn transposed<'t, T: Float>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Vec<Var<'t, T>>
    where
        B: for<'a> Fn(&[Var<'a, T>], Var<'a, T>, &[Var<'a, T>]) -> Var<'a, T>,
    {
        let t: Vec<Var<T>> = x.iter().map(|x| x.tape.var(Tensor::zeros(&x.shape()))).collect();
        (self.push)(x, y, &t).grad_with(g, &t, true)
    }
}

impl<T: Float, F, B> DynRule<T> for Forward<F, B>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>, &[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    fn rule_name(&self) -> &'static str {
        "custom_jvp"
    }

    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(apart(x, &|x| Ok(vec![call("custom_jvp", &self.f, x)?]))?.swap_remove(0))
    }

    fn vjp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        let (all, n): (Vec<&Tensor<T>>, _) = (x.iter().copied().chain([y, g]).collect(), x.len());
        let bars = apart(&all, &|all| Ok(self.transposed(&all[..n], all[n], all[n + 1])));
        or_panic(bars).into_iter().map(Some).collect()
    }

    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        self.transposed(&vars(x), *y, *g).into_iter().map(Some).collect()
    }

    fn jvp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        let tape = Tape::new();
        let var = |x: &Tensor<T>| tape.constant(x.clone());
        let (x, t): (Vec<_>, Vec<_>) = (x.iter().map(|x| var(x)).collect(), t.iter().map(|t| t.map(var)).collect());
        Ok(Some(self.tangent(&x, var(y), &t).peek()))
    }

    fn jvp_recorded<'t>(
        &self,
        x: &[&Var<'t, T>],
        y: &Var<'t, T>,
        t: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>> {
        Ok(Some(self.tangent(&vars(x), *y, &t.iter().map(|t| t.copied()).collect::<Vec<_>>())))
    }
}
