//! The operations that a structured rule may use. A [`Tensor`] applies an op by computing it, a [`Var`](crate::Var) by
//! computing and recording it, so one rule gives derivatives of any order.
//!
//! Not in the prelude: its `add`, `exp`, … would clash with the methods of the types that implement it.

use crate::error::{Result, or_panic};
use crate::float::Float;
use crate::once::once;
use crate::op::formula::{Formula, Function, Source};
use crate::op::rule::DynRule;
use crate::op::vjp::Cotangents;
use crate::op::{Binary, Fold, Op, Side, Unary, eval, shape};
use crate::tensor::{AxisSet, Shape, Tensor};
use smallvec::SmallVec;

/// A value that ops apply to. The other operations build on [`try_apply`](Value::try_apply).
pub trait Value<T: Float>: Clone {
    /// Applies an op to inputs, or returns an error if they do not fit.
    #[track_caller]
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self>;
    /// The sizes of the axes.
    fn shape(&self) -> Shape;
    /// A constant that can be combined with `self`: for a variable, on the same tape.
    fn constant(&self, value: Tensor<T>) -> Self;
    /// The cotangent of `x` by the rule of the table.
    #[track_caller]
    fn unary_rule(op: Unary, x: &Self, y: &Self, g: &Self) -> Self;
    /// The cotangent of one operand by the rule of the table, with the shape of `y`: the caller undoes broadcasting.
    #[track_caller]
    fn binary_rule(op: Binary, side: Side, a: &Self, b: &Self, y: &Self, g: &Self) -> Self;
    /// `slot += x`, in place if possible.
    #[track_caller]
    fn accumulate(slot: &mut Self, x: Self);
    /// Adds a contribution to a cotangent; the first one is moved in.
    #[track_caller]
    #[inline]
    fn contribute(slot: &mut Option<Self>, x: Self) {
        match slot {
            Some(sum) => Self::accumulate(sum, x),
            None => *slot = Some(x),
        }
    }
    /// Contributes the result of [`unary_rule`](Value::unary_rule).
    #[track_caller]
    #[inline]
    fn contribute_unary(slot: &mut Option<Self>, op: Unary, x: &Self, y: &Self, g: &Self) {
        Self::contribute(slot, Self::unary_rule(op, x, y, g));
    }
    /// Contributes the result of [`binary_rule`](Value::binary_rule), with broadcasting undone.
    #[track_caller]
    #[inline]
    fn contribute_binary(slot: &mut Option<Self>, op: Binary, side: Side, [a, b, y, g]: [&Self; 4]) {
        let like = if side == Side::A { a } else { b };
        Self::contribute(slot, Self::binary_rule(op, side, a, b, y, g).narrow(like));
    }
    #[doc(hidden)]
    fn custom_vjp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, g: &Self) -> Cotangents<Self>;
    #[doc(hidden)]
    fn custom_jvp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, t: &[Option<&Self>]) -> Result<Option<Self>>;

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
        Self::apply(Op::Where, &[self, a, b])
    }

    /// Matrix product; `ta` and `tb` transpose the operands.
    #[track_caller]
    fn matmul(&self, b: &Self, ta: bool, tb: bool) -> Self {
        Self::apply(Op::MatMul { ta, tb }, &[self, b])
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

    /// Undoes the broadcasting of an operand `like`, as needed for its cotangent.
    #[track_caller]
    #[inline]
    fn narrow(self, like: &Self) -> Self {
        self.sum_to(&like.shape())
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

once! {
    fn compute<T>(op: &Op, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let shape = match x {
            [a] => shape::infer(op, &[a.shape()])?,
            [a, b] => shape::infer(op, &[a.shape(), b.shape()])?,
            _ => shape::infer(op, &x.iter().map(|t| t.shape()).collect::<SmallVec<[_; 8]>>())?,
        };
        Ok(eval::eval(op, x, &shape))
    }

    fn contribute_unary<T>(slot: &mut Option<Tensor<T>>, op: Unary, x: &Tensor<T>, y: &Tensor<T>, g: &Tensor<T>) {
        match slot.as_mut().and_then(Tensor::unique_mut) {
            Some(sum) => eval::add_unary_rule(op, [x, y, g], sum),
            None => Tensor::contribute(slot, eval::unary_rule(op, x, y, g)),
        }
    }

    fn contribute_binary<T>(slot: &mut Option<Tensor<T>>, op: Binary, side: Side, operands: [&Tensor<T>; 4]) {
        let [a, b, y, _] = operands;
        let like = if side == Side::A { a } else { b };
        let fits = y.is_like(like) && !op.passes_cotangent(side);
        match slot.as_mut().filter(|_| fits).and_then(Tensor::unique_mut) {
            Some(sum) => eval::add_binary_rule(op, side, operands, sum),
            None => Tensor::contribute(slot, eval::binary_rule(op, side, operands).narrow(like)),
        }
    }
}

/// A formula of the table at these operands, function by function.
#[track_caller]
pub(crate) fn compose<T: Float, V: Value<T>>(formula: &Formula, x: &[&V]) -> V {
    let mut done: SmallVec<[V; 8]> = SmallVec::new();
    let operand = |source: Source, done: &[V]| match source {
        Source::Input(i) => x[usize::from(i)].clone(),
        Source::Const(bits) => x[0].number(T::of(f64::from_bits(bits))),
        Source::Step(k) => done[usize::from(k)].clone(),
    };
    for step in &formula.steps {
        let from = |i: usize| operand(step.from()[i], &done);
        let y = match step.function {
            Function::Unary(f) => from(0).unary(f),
            Function::Binary(f) => V::binary(f, &from(0), &from(1)),
            Function::Select => from(0).select(&from(1), &from(2)),
        };
        done.push(y);
    }
    operand(formula.result, &done)
}

impl<T: Float> Value<T> for Tensor<T> {
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self> {
        compute(&op, x)
    }

    fn shape(&self) -> Shape {
        self.shape().into()
    }

    fn constant(&self, value: Tensor<T>) -> Self {
        value
    }

    #[inline]
    fn unary_rule(op: Unary, x: &Self, y: &Self, g: &Self) -> Self {
        eval::unary_rule(op, x, y, g)
    }

    #[inline]
    fn binary_rule(op: Binary, side: Side, a: &Self, b: &Self, y: &Self, g: &Self) -> Self {
        eval::binary_rule(op, side, [a, b, y, g])
    }

    #[inline]
    fn accumulate(slot: &mut Self, x: Self) {
        eval::accumulate(slot, x);
    }

    fn contribute_unary(slot: &mut Option<Self>, op: Unary, x: &Self, y: &Self, g: &Self) {
        contribute_unary(slot, op, x, y, g);
    }

    fn contribute_binary(slot: &mut Option<Self>, op: Binary, side: Side, operands: [&Self; 4]) {
        contribute_binary(slot, op, side, operands);
    }

    #[inline]
    fn narrow(self, like: &Self) -> Self {
        if self.is_like(like) { self } else { self.sum_to(like.shape()) }
    }

    fn custom_vjp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, g: &Self) -> Cotangents<Self> {
        rule.vjp_computed(x, y, g)
    }

    fn custom_jvp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, t: &[Option<&Self>]) -> Result<Option<Self>> {
        rule.jvp_computed(x, y, t)
    }
}
