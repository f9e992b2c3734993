//! [`Mask`]: booleans on a tape, as the numbers 0 and 1, so that they are fused, replayed and stored like any other
//! value.

use super::{Tape, Var};
use crate::error::{Result, or_panic};
use crate::float::Float;
use crate::op::{Binary, Op};
use crate::tensor::{IntoTensor, Shape, Tensor};
use crate::value::{Condition, Value};
use std::borrow::Borrow;
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// Booleans on a [`Tape`]: put there with [`Tape::mask`], or found by comparing variables, such as
/// [`Var::is_gt`]. A [`Program`](crate::Program) repeats the comparison in every run, whereas it would freeze a
/// `Tensor<bool>`. A mask has no derivative, but the values it selects do.
///
/// ```
/// use autograd::{compile, tensor};
/// let mut leaky = compile(|x| x[0].is_gt(0.0).choose(x[0], x[0] * 0.1).sum());
/// assert_eq!(leaky.value(&[tensor![10.0, 2.0]])?.item(), 12.0);
/// assert_eq!(leaky.value(&[tensor![-10.0, 2.0]])?.item(), 1.0);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// A mask that changes from run to run is an ordinary input of the program, given as numbers:
///
/// ```
/// use autograd::{Program, Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let (x, keep) = (tape.var([3.0, 4.0]), tape.mask(tensor![true, true]));
/// let y = x.where_(keep, tape.constant(0.0)).sum();
/// let mut program = Program::new(&tape, &[x, keep.indicator()], &[y]);
/// assert_eq!(program.run(&[&x.value(), &tensor![true, false].indicator()])?[0].item(), 3.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Mask<'t, T: Float> {
    /// 1 where the mask holds, else 0.
    var: Var<'t, T>,
}

impl<T: Float> Tape<T> {
    /// Puts a mask on the tape.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!((!tape.mask(tensor![true, false])).value(), tensor![false, true]);
    /// ```
    #[track_caller]
    pub fn mask(&self, values: impl IntoTensor<bool>) -> Mask<'_, T> {
        Mask { var: self.constant(values.into_tensor().indicator()) }
    }
}

impl<'t, T: Float> Mask<'t, T> {
    /// The mask of a comparison.
    #[track_caller]
    pub(crate) fn try_of(op: Binary, a: &Var<'t, T>, b: &Var<'t, T>) -> Result<Self> {
        Ok(Mask { var: Value::try_binary(op, a, b)? })
    }

    /// The mask, as a tensor.
    ///
    /// # Panics
    /// If the tape is a sketch.
    #[track_caller]
    pub fn value(self) -> Tensor<bool> {
        self.var.value().is_ne(T::zero())
    }

    /// 1 where the mask holds, else 0. No derivative flows to it.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!(tape.var([1.0, 3.0]).is_ge(2.0).indicator().value(), tensor![0.0, 1.0]);
    /// ```
    pub fn indicator(self) -> Var<'t, T> {
        self.var
    }

    /// Sizes of the axes.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert_eq!(tape.var([1.0, 3.0]).is_ge(2.0).shape().as_slice(), [2]);
    /// ```
    pub fn shape(self) -> Shape {
        self.var.shape()
    }

    /// The tape that it is on.
    pub fn tape(self) -> &'t Tape<T> {
        self.var.tape
    }

    /// Selects `a` where this mask holds, else `b`; all three broadcast. Elements that are not selected do not affect
    /// the value, even if they are NaN; see [`Tensor::choose`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([4.0, -4.0]);
    /// assert_eq!(x.is_ge(0.0).choose(x.sqrt(), x).value(), tensor![2.0, -4.0]);
    /// ```
    /// # Panics
    /// If the shapes do not broadcast; [`try_choose`](Self::try_choose) returns the error.
    #[track_caller]
    pub fn choose(self, a: impl Borrow<Var<'t, T>>, b: impl Borrow<Var<'t, T>>) -> Var<'t, T> {
        or_panic(self.try_choose(a, b))
    }

    /// Like [`choose`](Self::choose), but returns an error if the shapes do not broadcast.
    #[track_caller]
    pub fn try_choose(self, a: impl Borrow<Var<'t, T>>, b: impl Borrow<Var<'t, T>>) -> Result<Var<'t, T>> {
        Value::try_apply(Op::Select, &[&self.var, a.borrow(), b.borrow()])
    }

    /// Whether any element is `true`. This reads the value: a program would freeze everything computed from it in Rust.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert!(tape.var([1.0, 3.0]).is_ge(2.0).any());
    /// ```
    #[track_caller]
    pub fn any(self) -> bool {
        self.value().any()
    }

    /// Whether all elements are `true`. This reads the value: a program would freeze everything computed from it in
    /// Rust.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// assert!(!tape.var([1.0, 3.0]).is_ge(2.0).all());
    /// ```
    #[track_caller]
    pub fn all(self) -> bool {
        self.value().all()
    }
}

macro_rules! connectives { ($($Trait:ident $method:ident, $Op:ident, $doc:literal;)*) => { $(
    #[doc = $doc]
    impl<'t, T: Float> $Trait for Mask<'t, T> {
        type Output = Self;

        #[track_caller]
        fn $method(self, b: Self) -> Self {
            Mask { var: Value::binary(Binary::$Op, &self.var, &b.var) }
        }
    }
)* } }

connectives! {
    BitAnd bitand, Mul, "Logical AND, with broadcasting.";
    BitOr bitor, Maximum, "Logical OR, with broadcasting.";
}

/// Logical XOR, with broadcasting.
impl<T: Float> BitXor for Mask<'_, T> {
    type Output = Self;

    #[track_caller]
    fn bitxor(self, b: Self) -> Self {
        !Mask { var: self.var.eq(&b.var) }
    }
}

/// Logical NOT.
impl<T: Float> Not for Mask<'_, T> {
    type Output = Self;

    #[track_caller]
    fn not(self) -> Self {
        Mask { var: self.var.eq(&self.var.number(T::zero())) }
    }
}

impl<'t, T: Float> From<Mask<'t, T>> for Condition<Var<'t, T>> {
    fn from(mask: Mask<'t, T>) -> Self {
        Condition::Node(mask.var)
    }
}

impl<'t, T: Float> From<&Mask<'t, T>> for Condition<Var<'t, T>> {
    fn from(mask: &Mask<'t, T>) -> Self {
        (*mask).into()
    }
}

/// Prints the id and the booleans.
impl<T: Float> std::fmt::Debug for Mask<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Mask {:?}", self.var)
    }
}
