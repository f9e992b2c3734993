//! Hooks: a value whose cotangent is read or replaced in the backward pass. A hook is a node of the tape, the identity
//! in the forward direction, so it is replayed, mapped over samples, and differentiated again like any other op.

use super::point::call;
use super::rule::{Function, Traced, applied, check_shape, function};
use crate::error::{Result, or_panic};
use crate::float::Float;
use crate::tape::Var;
use crate::tensor::Tensor;
use std::sync::Arc;

impl<'t, T: Float> Var<'t, T> {
    /// The same value, whose cotangent is replaced in the backward pass: this value receives `f` of the cotangent that
    /// arrives at the result. `f` is recorded where derivatives are recorded, so that a program replays it and higher
    /// derivatives include it. Forward mode passes tangents on unchanged.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([3.0, -0.25]);
    /// let gradient = |y: autograd::Var<f64>| y.square().sum().backward().wrt(x);
    /// assert_eq!(gradient(x.map_cotangent(|g| g.clamp(-1.0, 1.0))), tensor![1.0, -0.5]); // clipped
    /// assert_eq!(gradient(x.map_cotangent(|g| g * 0.5)), tensor![3.0, -0.25]); // scaled
    /// assert_eq!(gradient(x.map_cotangent(|g| -g)), tensor![-6.0, 0.5]); // reversed
    /// ```
    /// # Panics
    /// In the backward pass, if `f` returns another shape.
    #[doc(alias = "register_hook")]
    #[track_caller]
    pub fn map_cotangent<F>(self, f: F) -> Self
    where
        F: for<'a> Fn(Var<'a, T>) -> Var<'a, T> + Send + Sync + 'static,
    {
        or_panic(applied(Replaced { f: function(move |g| f(g[0])) }, &[self]))
    }

    /// The same value, whose cotangent is passed to `f` in every backward pass, in every run of a program, and when
    /// derivatives are recorded.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use std::sync::{Arc, Mutex};
    /// let (tape, seen) = (Tape::<f64>::new(), Arc::new(Mutex::new(Vec::new())));
    /// let (x, list) = (tape.var([1.0, 2.0]), seen.clone());
    /// let h = (x * 3.0).inspect_cotangent(move |g| list.lock().unwrap().push(g.clone()));
    /// h.square().sum().backward();
    /// assert_eq!(*seen.lock().unwrap(), [tensor![6.0, 12.0]]);
    /// ```
    #[doc(alias = "retain_grad")]
    #[track_caller]
    pub fn inspect_cotangent<F>(self, f: F) -> Self
    where
        F: Fn(&Tensor<T>) + Send + Sync + 'static,
    {
        let look: Look<T> = Arc::new(f);
        or_panic(applied(Replaced { f: function(move |g| or_panic(applied(Shown { f: look.clone() }, g))) }, &[self]))
    }

    /// The value of `f`, with the derivative of the identity: a straight-through estimator, for functions such as rounding
    /// whose own derivative is 0 (Bengio et al., 2013).
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(1.7);
    /// let y = x.straight_through(|x| x.round());
    /// assert_eq!((y.item(), (y * y).backward().wrt(x).item()), (2.0, 4.0));
    /// ```
    /// # Panics
    /// If `f` returns another shape.
    #[track_caller]
    pub fn straight_through<F>(self, f: F) -> Self
    where
        F: for<'a> Fn(Var<'a, T>) -> Var<'a, T> + Send + Sync + 'static,
    {
        or_panic(applied(Through { f: function(move |x| f(x[0])) }, &[self]))
    }
}

/// The identity, with another cotangent.
struct Replaced<T: Float> {
    f: Function<T>,
}

impl<T: Float> Traced<T> for Replaced<T> {
    fn name(&self) -> &'static str {
        "map_cotangent"
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(x[0].clone())
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let bar = call(Traced::<T>::name(self), &*self.f, &[g])?;
        check_shape(Traced::<T>::name(self), bar, x[0], "a cotangent of the shape of the value")?;
        Ok(vec![bar])
    }

    fn push<'t>(&self, _: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        Ok(t[0])
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        Ok(x[0])
    }
}

/// Looks at a value.
type Look<T> = Arc<dyn Fn(&Tensor<T>) + Send + Sync>;

/// The identity, which shows its value.
struct Shown<T: Float> {
    f: Look<T>,
}

impl<T: Float> Traced<T> for Shown<T> {
    fn name(&self) -> &'static str {
        "inspect_cotangent"
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        (self.f)(x[0]);
        Ok(x[0].clone())
    }

    fn pull<'t>(&self, _: &[Var<'t, T>], _: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        Ok(vec![g])
    }

    fn push<'t>(&self, _: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        Ok(t[0])
    }
}

/// A function with the derivative of the identity.
struct Through<T: Float> {
    f: Function<T>,
}

impl<T: Float> Traced<T> for Through<T> {
    fn name(&self) -> &'static str {
        "straight_through"
    }

    fn pull<'t>(&self, _: &[Var<'t, T>], _: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        Ok(vec![g])
    }

    fn push<'t>(&self, _: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        Ok(t[0])
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let y = call(Traced::<T>::name(self), &*self.f, x)?;
        check_shape(Traced::<T>::name(self), y, x[0], "the shape of its input")?;
        Ok(y)
    }
}
