//! [`Var`]: a value on a tape. Operations on it are recorded.

use super::custom::Written;
use super::{Tape, peek, record, same_tape};
use crate::error::{Error, Result, or_panic};
use crate::float::{Float, Precision};
use crate::op::{Binary, Op, Unary};
use crate::rules::Rule;
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use smallvec::SmallVec;
use std::panic::Location;
use std::sync::Arc;

/// A value on a [`Tape`]: a reference and an index, which is as cheap to copy as a number.
///
/// ```
/// use autograd::Tape;
/// let tape = Tape::<f64>::new();
/// let (x, y) = (tape.var(0.5), tape.var(2.0));
/// let z = 2.0 * x * y + (x / y).tanh(); // no clone, no borrow
/// let dz = z.backward();
/// assert_eq!(dz.wrt(y).item(), 1.0 - 0.125 * (1.0 - 0.25f64.tanh().powi(2)));
/// ```
#[derive(Clone, Copy)]
pub struct Var<'t, T: Float> {
    pub(crate) tape: &'t Tape<T>,
    pub(crate) id: u32,
}

impl<'t, T: Float> Var<'t, T> {
    /// The value. It shares memory with the tape, so nothing is copied.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert_eq!((tape.var([1.0, 2.0]) * 3.0).value(), autograd::tensor![3.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn value(self) -> Tensor<T> {
        self.tape.note_read(self.id, Location::caller());
        self.peek()
    }

    /// The value, without noting that it was read. For uses that do not depend on it, such as printing and recording.
    pub(crate) fn peek(self) -> Tensor<T> {
        peek(self.tape, self.id)
    }

    /// The value as a scalar.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert_eq!(tape.var([1.0, 2.0]).sum().item(), 3.0);
    /// ```
    /// # Panics
    /// If the value does not have exactly one element.
    #[track_caller]
    pub fn item(self) -> T {
        self.value().item()
    }

    /// Sizes of the axes.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([[1.0, 2.0, 3.0]]);
    /// assert_eq!((x.shape().as_slice(), x.rank()), ([1, 3].as_slice(), 2));
    /// ```
    pub fn shape(self) -> Shape {
        Shape::from_slice(self.tape.list().value(self.id).shape())
    }

    /// Number of axes.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert_eq!(tape.var([[1.0, 2.0, 3.0]]).rank(), 2);
    /// ```
    pub fn rank(self) -> usize {
        self.tape.list().value(self.id).rank()
    }

    /// The tape that the value is on.
    ///
    /// ```
    /// // The constant goes where the variable is.
    /// fn distance<'t>(x: autograd::Var<'t, f64>) -> autograd::Var<'t, f64> {
    ///     (x - x.tape().constant([3.0, 4.0])).square().sum().sqrt()
    /// }
    /// let tape = autograd::Tape::new();
    /// assert_eq!(distance(tape.var([0.0, 0.0])).item(), 5.0);
    /// ```
    pub fn tape(self) -> &'t Tape<T> {
        self.tape
    }

    /// The index of the value in the order of recording.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// assert_eq!((x.id(), x.exp().id()), (0, 1));
    /// ```
    pub fn id(self) -> usize {
        self.id as usize
    }

    /// The op that computed it.
    ///
    /// ```
    /// use autograd::{Tape, op::{Op, Unary}};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!(tape.var(2.0).exp().op(), Op::Unary(Unary::Exp));
    /// ```
    pub fn op(self) -> Op {
        self.tape.list().op(self.id)
    }

    /// The inputs of the op that computed it.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let (a, b) = (tape.var(2.0), tape.var(3.0));
    /// let ids: Vec<usize> = (a * b).inputs().iter().map(|x| x.id()).collect();
    /// assert_eq!(ids, [a.id(), b.id()]);
    /// ```
    pub fn inputs(self) -> SmallVec<[Var<'t, T>; 16]> {
        self.tape.list().inputs(self.id).iter().map(|&id| Var { tape: self.tape, id }).collect()
    }

    /// The source line that recorded it.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let y = x.exp();
    /// assert_eq!(y.line().line(), x.line().line() + 1);
    /// ```
    pub fn line(self) -> &'static Location<'static> {
        self.tape.list().line(self.id)
    }

    /// Gives the value a name, which pictures and explanations of the tape show instead of its number, and returns it. A
    /// later name replaces it.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let (w, x) = (tape.var(2.0).named("w"), tape.var(3.0).named("x"));
    /// let z = (w * x).named("z");
    /// assert_eq!(z.name().as_deref(), Some("z"));
    /// assert!(tape.to_mermaid().contains("z = w·x"));
    /// ```
    pub fn named(self, name: impl Into<String>) -> Self {
        self.tape.set_name(self.id, name.into());
        self
    }

    /// The name that [`named`](Var::named) gave.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert_eq!(tape.var(2.0).name(), None);
    /// ```
    pub fn name(self) -> Option<String> {
        self.tape.list().given_name(self.id).map(str::to_owned)
    }

    /// The same value, treated as a constant in differentiation.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(3.0);
    /// assert_eq!((x * x.stop_gradient()).backward().wrt(x).item(), 3.0);
    /// ```
    #[doc(alias = "detach")]
    #[track_caller]
    pub fn stop_gradient(self) -> Self {
        Value::apply(Op::StopGradient, &[&self])
    }

    /// Applies a user-defined op; see [`Rule`].
    ///
    /// ```
    /// use autograd::{Cotangents, Result, Rule, Tape, Tensor, Value, Var};
    /// /// y = x, with a cotangent scaled by a factor: a gradient reversal, for a negative one.
    /// struct Scaled(f64);
    /// impl Rule<f64> for Scaled {
    ///     fn name(&self) -> &'static str {
    ///         "scaled"
    ///     }
    ///     fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
    ///         Ok(x[0].clone())
    ///     }
    ///     fn vjp<V: Value<f64>>(&self, _: &[&V], _: &V, g: &V) -> Cotangents<V> {
    ///         [Some(g.scale(self.0))].into_iter().collect()
    ///     }
    ///     fn jvp<V: Value<f64>>(&self, _: &[&V], _: &V, t: &[Option<&V>]) -> Result<Option<V>> {
    ///         Ok(t[0].map(|t| t.scale(self.0)))
    ///     }
    /// }
    /// let tape = Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// assert_eq!(Var::custom(Scaled(-1.0), &[x]).sum().backward().wrt(x).to_vec(), [-1.0, -1.0]);
    /// ```
    /// # Panics
    /// If there are no inputs, they are on different tapes, or the rule's `forward` returns an error;
    /// [`try_custom`](Var::try_custom) returns the error.
    #[track_caller]
    pub fn custom(rule: impl Rule<T>, x: &[Var<'t, T>]) -> Self {
        or_panic(Self::try_custom(rule, x))
    }

    /// Like [`custom`](Var::custom), but returns the error.
    #[track_caller]
    pub fn try_custom(rule: impl Rule<T>, x: &[Var<'t, T>]) -> Result<Self> {
        let Some(first) = x.first() else {
            return Err(Error::Argument { op: "custom", hint: "pass at least one input, to set the tape".into() });
        };
        same_tape("custom", &x.iter().collect::<Vec<_>>())?;
        let tape = first.tape;
        Ok(Var { tape, id: tape.apply_rule(Arc::new(Written(rule)), x, Location::caller())? })
    }
}

impl<'t, T: Float> Value<T> for Var<'t, T> {
    fn precision(&self) -> Precision {
        self.tape.precision()
    }

    #[track_caller]
    #[inline]
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self> {
        match (&op, x) {
            (Op::Unary(f), [x]) => return Ok(x.unary(*f)),
            (Op::Binary(f), [a, b]) => return Self::try_binary(*f, a, b),
            _ => (),
        }
        record(op, x, Location::caller())
    }

    #[track_caller]
    #[inline]
    fn unary(&self, op: Unary) -> Self {
        Var { id: self.tape.unary(op, self.id, Location::caller()), ..*self }
    }

    #[track_caller]
    #[inline]
    fn try_binary(op: Binary, a: &Self, b: &Self) -> Result<Self> {
        if !std::ptr::eq(a.tape, b.tape) {
            return Err(Error::Foreign { op: op.name() });
        }
        Ok(Var { id: a.tape.binary(op, a.id, b.id, Location::caller())?, ..*a })
    }

    #[track_caller]
    #[inline]
    fn number(&self, c: T) -> Self {
        Var { id: self.tape.number(c, Location::caller()), ..*self }
    }

    fn shape(&self) -> Shape {
        Var::shape(*self)
    }

    #[track_caller]
    fn constant(&self, value: Tensor<T>) -> Self {
        self.tape.constant(value)
    }
}

/// Prints the id and the value.
impl<T: Float> std::fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Var #{} {:?}", self.id, self.peek())
    }
}

/// Prints the value.
impl<T: Float> std::fmt::Display for Var<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.peek(), f)
    }
}
