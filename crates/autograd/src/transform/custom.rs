//! Functions with derivatives of the user's own, given as closures: for a stable formula, a gradient that is clipped, or a
//! step that counts as the identity. A rule with a name, for reuse, is a [`Rule`](crate::Rule).

use super::point::{Point, call};
use super::rule::{ByVars, Function, Traced, by_rule, function};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{DynRule, Var, same_tape};
use crate::tensor::Tensor;
use std::panic::Location;
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
    by_rule(Reverse { name: "custom_vjp", f: function(f), back: Arc::new(back), inputs: x.len() }, x)
}

/// Applies `f`, which returns its result and values for the backward pass; its reverse rule `back` gets those values
/// and the cotangent g of the result, and returns one cotangent for each input. So results of the forward pass need not
/// be recomputed. Derivatives of the rule itself reach the inputs through the saved values. Forward mode is an error.
///
/// ```
/// use autograd::{Tape, Var, transform::custom_vjp_saving};
/// /// ln(1 + eˣ) and its slope σ(x), which is e^(x - y).
/// fn softplus<'t>(x: &[Var<'t, f64>]) -> (Var<'t, f64>, Vec<Var<'t, f64>>) {
///     let y = (x[0].exp() + 1.0).ln();
///     (y, vec![(x[0] - y).exp()])
/// }
/// let tape = Tape::<f64>::new();
/// let x = tape.var(0.0);
/// let y = custom_vjp_saving(softplus, |saved, g| vec![g * saved[0]], &[x]);
/// let slope = y.grad(&[x])[0];
/// assert!((slope.item() - 0.5).abs() < 1e-15);
/// assert!((slope.backward().wrt(x).item() - 0.25).abs() < 1e-15); // σ' = σ (1 - σ)
/// ```
/// # Panics
/// If there is no input, or variables are on different tapes; later, if the rule does not return one cotangent of the right
/// shape for each input. [`try_custom_vjp_saving`] returns the first of these as an error.
#[doc(alias = "save_for_backward")]
#[doc(alias = "defvjp")]
#[track_caller]
pub fn custom_vjp_saving<T: Float, P: Point<T>, F, B>(f: F, back: B, x: &[P]) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> (Var<'t, T>, Vec<Var<'t, T>>),
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    or_panic(try_custom_vjp_saving(f, back, x))
}

/// Like [`custom_vjp_saving`], but returns the error.
#[track_caller]
pub fn try_custom_vjp_saving<T: Float, P: Point<T>, F, B>(f: F, back: B, x: &[P]) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> (Var<'t, T>, Vec<Var<'t, T>>),
    B: for<'t> Fn(&[Var<'t, T>], Var<'t, T>) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    const OP: &str = "custom_vjp_saving";
    let (line, inputs) = (Location::caller(), x.len());
    // The result as a function of the inputs, of the saved values, and of itself, of which only the inputs have cotangents.
    let result = function(|x| x[x.len() - 1]);
    let back: Back<T> = Arc::new(move |x, _, g| back(&x[inputs..x.len() - 1], g));
    let rule: Arc<dyn DynRule<T>> = Arc::new(ByVars(Reverse { name: OP, f: result, back, inputs }));
    let mut y = P::run(OP, x, &|x| {
        let (y, saved) = f(x);
        let operands = [x, &saved, &[y.stop_gradient()]].concat();
        same_tape(OP, &operands.iter().collect::<Vec<_>>())?;
        Ok(vec![Var { tape: y.tape, id: y.tape.apply_rule(rule.clone(), &operands, line)? }])
    })?;
    Ok(y.swap_remove(0))
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
    by_rule(Forward { f: function(f), push: Arc::new(push) }, x)
}

/// A reverse rule: the cotangents of the inputs.
type Back<T> = Arc<dyn for<'t> Fn(&[Var<'t, T>], Var<'t, T>, Var<'t, T>) -> Vec<Var<'t, T>> + Send + Sync>;

/// A forward rule: the tangent of the result.
type Push<T> = Arc<dyn for<'t> Fn(&[Var<'t, T>], Var<'t, T>, &[Var<'t, T>]) -> Var<'t, T> + Send + Sync>;

/// A function with a reverse rule, which gives the cotangents of the first `inputs` operands.
struct Reverse<T: Float> {
    name: &'static str,
    f: Function<T>,
    back: Back<T>,
    inputs: usize,
}

impl<T: Float> Traced<T> for Reverse<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let bars = (self.back)(x, y, g);
        let shapes = |x: &[Var<'t, T>]| x.iter().map(|x| x.shape()).collect::<Vec<_>>();
        let (expected, found) = (shapes(&x[..self.inputs]), shapes(&bars));
        let name = self.name;
        assert!(found == expected, "{name}: the rule must return cotangents of the shapes {expected:?}, not {found:?}");
        Ok(bars)
    }

    fn push<'t>(&self, _: &[Var<'t, T>], _: Var<'t, T>, _: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let hint = format!("a function of {} has no forward rule: give one with custom_jvp", self.name);
        Err(Error::Argument { op: "jvp", hint })
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        call(self.name, &*self.f, x)
    }
}

/// A function with a forward rule.
struct Forward<T: Float> {
    f: Function<T>,
    push: Push<T>,
}

impl<T: Float> Traced<T> for Forward<T> {
    fn name(&self) -> &'static str {
        "custom_jvp"
    }

    /// The transpose of the forward rule: the gradients of `Σ g · tangent` by the tangents.
    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let t: Vec<Var<T>> = x.iter().map(|x| x.tape.var(Tensor::zeros(&x.shape()))).collect();
        Ok((self.push)(x, y, &t).grad_with(g, &t, true))
    }

    fn push<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let zeros = |x: &Var<'t, T>| x.tape.constant(Tensor::zeros(&x.shape()));
        let t: Vec<Var<T>> = x.iter().zip(t).map(|(x, t)| t.unwrap_or_else(|| zeros(x))).collect();
        Ok(Some((self.push)(x, y, &t)))
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        call("custom_jvp", &*self.f, x)
    }
}
