//! The operations that a structured rule may use. A [`Tensor`] applies an op by computing it, a [`Var`](crate::Var) by
//! computing and recording it, so one rule gives derivatives of any order.
//!
//! Not in the prelude: its `add`, `exp`, … would clash with the methods of the types that implement it.

use crate::error::{Result, or_panic};
use crate::eval;
use crate::eval::integers::from_integers;
use crate::float::{Few, Float, Precision, once};
use crate::op::{Binary, Fold, IntOp, Op, Unary, shape};
use crate::tensor::{AxisSet, Shape, Tensor};

/// A value that ops apply to. The other operations build on [`try_apply`](Value::try_apply).
///
/// ```
/// use autograd::Value;
/// /// The squared distance, of tensors and of variables.
/// fn distance<V: Value<f64>>(a: &V, b: &V) -> V {
///     let difference = a.sub(b);
///     difference.mul(&difference)
/// }
/// assert_eq!(distance(&autograd::tensor![1.0], &autograd::tensor![4.0]), autograd::tensor![9.0]);
/// ```
pub trait Value<T: Float>: Clone {
    /// Applies an op to inputs, or returns an error if they do not fit.
    #[track_caller]
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self>;
    /// The sizes of the axes.
    fn shape(&self) -> Shape;
    /// A constant that can be combined with `self`: for a variable, on the same tape.
    fn constant(&self, value: Tensor<T>) -> Self;

    /// The precision that operands of products are rounded to from now on: for a variable, the setting of its tape.
    fn precision(&self) -> Precision {
        Precision::Full
    }

    /// Applies an op to inputs.
    ///
    /// # Panics
    /// If the inputs do not fit, with the text of the error.
    #[track_caller]
    fn apply(op: Op, x: &[&Self]) -> Self {
        or_panic(Self::try_apply(op, x))
    }

    /// Applies an elementwise function of two tensors, or returns an error if they do not fit.
    #[track_caller]
    #[inline]
    fn try_binary(op: Binary, a: &Self, b: &Self) -> Result<Self> {
        Self::try_apply(Op::Binary(op), &[a, b])
    }

    /// Applies an elementwise function of two tensors.
    #[track_caller]
    #[inline]
    fn binary(op: Binary, a: &Self, b: &Self) -> Self {
        or_panic(Self::try_binary(op, a, b))
    }

    /// A scalar constant that can be combined with `self`.
    #[track_caller]
    fn number(&self, c: T) -> Self {
        self.constant(Tensor::scalar(c))
    }

    /// self + b
    #[track_caller]
    fn add(&self, b: &Self) -> Self {
        Self::binary(Binary::Add, self, b)
    }

    /// self - b
    #[track_caller]
    fn sub(&self, b: &Self) -> Self {
        Self::binary(Binary::Sub, self, b)
    }

    /// self · b, element by element
    #[track_caller]
    fn mul(&self, b: &Self) -> Self {
        Self::binary(Binary::Mul, self, b)
    }

    /// self / b
    #[track_caller]
    fn div(&self, b: &Self) -> Self {
        Self::binary(Binary::Div, self, b)
    }

    /// c · self
    #[track_caller]
    fn scale(&self, c: f64) -> Self {
        self.mul(&self.number(T::of(c)))
    }

    /// 1 where self == b, else 0
    #[track_caller]
    fn eq(&self, b: &Self) -> Self {
        Self::binary(Binary::Eq, self, b)
    }

    /// Applies an elementwise function of one tensor.
    #[track_caller]
    #[inline]
    fn unary(&self, op: Unary) -> Self {
        Self::apply(Op::Unary(op), &[self])
    }

    /// eˣ
    #[track_caller]
    fn exp(&self) -> Self {
        self.unary(Unary::Exp)
    }

    /// `a` where self (a mask) is not 0, else `b`
    #[track_caller]
    fn select(&self, a: &Self, b: &Self) -> Self {
        Self::apply(Op::Select, &[self, a, b])
    }

    /// Matrix product; `ta` and `tb` transpose the operands.
    #[track_caller]
    fn matmul(&self, b: &Self, ta: bool, tb: bool) -> Self {
        self.matmul_in(Precision::Full, b, ta, tb)
    }

    /// Matrix product of operands that are rounded to a precision.
    #[track_caller]
    fn matmul_in(&self, precision: Precision, b: &Self, ta: bool, tb: bool) -> Self {
        Self::apply(Op::MatMul { ta, tb, precision }, &[self, b])
    }

    /// Reduces axes, which are removed or kept with size 1.
    #[track_caller]
    fn reduce(&self, fold: Fold, axes: AxisSet, keep: bool) -> Self {
        Self::apply(Op::Reduce { fold, axes, keep }, &[self])
    }

    /// The sum along one axis, kept with size 1.
    #[track_caller]
    fn sum_axis(&self, axis: usize) -> Self {
        self.reduce(Fold::Sum, AxisSet::one(axis), true)
    }

    /// eˣ / Σ eˣ along an axis
    #[track_caller]
    fn softmax(&self, axis: usize) -> Self {
        Self::apply(Op::Softmax { axis }, &[self])
    }

    /// The same elements with another shape.
    #[track_caller]
    fn reshape(&self, shape: &[usize]) -> Self {
        if *self.shape() == *shape { self.clone() } else { Self::apply(Op::Reshape { shape: shape.into() }, &[self]) }
    }

    /// Broadcasts to a larger shape.
    #[track_caller]
    fn expand(&self, shape: &[usize]) -> Self {
        if *self.shape() == *shape { self.clone() } else { Self::apply(Op::Expand { shape: shape.into() }, &[self]) }
    }

    /// Reorders the axes.
    #[track_caller]
    fn permute(&self, order: &[usize]) -> Self {
        Self::apply(Op::Permute { order: order.into() }, &[self])
    }

    /// Undoes broadcasting from `shape`: sums over the axes that were broadcast.
    #[track_caller]
    fn sum_to(&self, shape: &[usize]) -> Self {
        let from = self.shape();
        if *from == *shape {
            return self.clone();
        }
        let missing = from.len() - shape.len();
        let repeated = |i: &usize| *i < missing || (shape[i - missing] == 1 && from[*i] != 1);
        let axes = (0..from.len()).filter(repeated).fold(AxisSet::default(), AxisSet::with);
        self.reduce(Fold::Sum, axes, true).reshape(shape)
    }

    /// Selects one element per index along an axis.
    #[track_caller]
    fn gather(&self, axis: usize, index: &Tensor<i64>) -> Self {
        Self::apply(Op::Gather { axis, index: index.clone() }, &[self])
    }

    /// Adds elements into zeros by index along an axis, which gets the given size.
    #[track_caller]
    fn gather_add(&self, axis: usize, index: &Tensor<i64>, size: usize) -> Self {
        Self::apply(Op::GatherAdd { axis, index: index.clone(), size }, &[self])
    }
}

/// Integers as an operand: a tensor, or a value on the tape, such as [`Ints`](crate::Ints).
///
/// ```
/// use autograd::{Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([1.0, 2.0, 4.0]);
/// assert_eq!(x.take(0, &tensor![2_i64, 0]).value(), tensor![4.0, 1.0]); // fixed
/// assert_eq!(x.take(0, tape.integers(tensor![2_i64, 0])).value(), tensor![4.0, 1.0]); // an input of a program
/// ```
#[derive(Clone, Debug)]
pub struct Index<V> {
    /// The integers.
    pub(crate) values: Tensor<i64>,
    /// The node that they come from, if they are a value on the tape.
    pub(crate) node: Option<V>,
}

impl<V> Index<V> {
    /// Integers computed from these.
    #[track_caller]
    pub(crate) fn derive<T: Float>(self, from: IntOp) -> Result<Self>
    where
        V: Value<T>,
    {
        let values = from_integers(&from, &self.values)?;
        let derived = |node| V::try_apply(Op::Integers { from, values: values.clone() }, &[&node]);
        let node = self.node.map(derived).transpose()?;
        Ok(Index { values, node })
    }

    /// Applies an op that reads the integers to `x`.
    #[track_caller]
    pub(crate) fn apply<T: Float>(self, x: &V, op: impl FnOnce(Tensor<i64>) -> Op) -> Result<V>
    where
        V: Value<T>,
    {
        match &self.node {
            Some(node) => V::try_apply(op(self.values), &[x, node]),
            None => V::try_apply(op(self.values), &[x]),
        }
    }
}

impl<V> From<Tensor<i64>> for Index<V> {
    fn from(values: Tensor<i64>) -> Self {
        Index { values, node: None }
    }
}

impl<V> From<&Tensor<i64>> for Index<V> {
    fn from(values: &Tensor<i64>) -> Self {
        values.clone().into()
    }
}

/// A mask as an operand: a tensor of `bool`, or a value on the tape, such as [`Mask`](crate::Mask).
///
/// ```
/// use autograd::{Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([1.0, -2.0]);
/// assert_eq!(x.masked_fill(tensor![false, true], 0.0).value(), tensor![1.0, 0.0]); // fixed
/// assert_eq!(x.masked_fill(x.is_lt(0.0), 0.0).value(), tensor![1.0, 0.0]); // computed again by a program
/// ```
#[derive(Clone, Debug)]
pub enum Condition<V> {
    /// A tensor, which a program repeats in every run.
    Given(Tensor<bool>),
    /// 1 where the mask holds, else 0.
    Node(V),
}

impl<V> Condition<V> {
    /// 1 where the mask holds, else 0, as a value that combines with `x`.
    #[track_caller]
    pub(crate) fn numbers<T: Float>(self, x: &V) -> V
    where
        V: Value<T>,
    {
        match self {
            Condition::Given(mask) => x.constant(mask.indicator()),
            Condition::Node(numbers) => numbers,
        }
    }
}

impl<V> From<Tensor<bool>> for Condition<V> {
    fn from(mask: Tensor<bool>) -> Self {
        Condition::Given(mask)
    }
}

impl<V> From<&Tensor<bool>> for Condition<V> {
    fn from(mask: &Tensor<bool>) -> Self {
        Condition::Given(mask.clone())
    }
}

once! {
    fn compute<T>(op: &Op, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let shape = match x {
            [a] => shape::infer(op, &[a.shape()])?,
            [a, b] => shape::infer(op, &[a.shape(), b.shape()])?,
            _ => shape::infer(op, &x.iter().map(|t| t.shape()).few::<[_; 16]>())?,
        };
        let y = eval::eval(op, x, &shape);
        eval::check(op, x, y.iter())?;
        Ok(y)
    }
}

impl<T: Float> Value<T> for Tensor<T> {
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self> {
        compute(&op, x)
    }

    fn shape(&self) -> Shape {
        Shape::from_slice(self.shape())
    }

    fn constant(&self, value: Tensor<T>) -> Self {
        value
    }
}
