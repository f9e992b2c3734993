//! [`Swept`]: what a sweep does with the values it carries, apart from applying ops to them. Tensors compute a rule in one
//! pass and accumulate in place; any other value composes rules from the algebra.

#[cfg(feature = "linalg")]
use super::ties;
use crate::error::Result;
use crate::eval;
use crate::float::Float;
use crate::float::once;
use crate::op::{Binary, Side, Unary};
use crate::rules::{Cotangents, elementwise};
use crate::tape::{DynRule, Var};
use crate::tensor::Tensor;
use crate::value::Value;
#[cfg(feature = "linalg")]
use smallvec::SmallVec;

/// A value that sweeps carry.
pub(crate) trait Swept<T: Float>: Value<T> {
    /// The cotangent of `x` by the rule of the table.
    #[track_caller]
    fn unary_rule(op: Unary, x: &Self, y: &Self, g: &Self) -> Self {
        elementwise::unary(op, x, y, g)
    }
    /// The cotangent of one operand by the rule of the table, with the shape of `y`: the caller undoes broadcasting.
    #[track_caller]
    fn binary_rule(op: Binary, side: Side, operands: [&Self; 4]) -> Self {
        elementwise::binary(op, side, operands)
    }
    /// `slot += x`, in place if possible.
    #[track_caller]
    fn accumulate(slot: &mut Self, x: Self) {
        *slot = slot.add(&x);
    }
    /// Undoes the broadcasting of an operand `like`, as needed for its cotangent.
    #[track_caller]
    fn narrow(self, like: &Self) -> Self {
        self.sum_to(&like.shape())
    }
    /// Adds a contribution to a cotangent; the first one is moved in.
    #[track_caller]
    #[inline]
    fn contribute(slot: &mut Option<Self>, x: Self) {
        match slot {
            Some(sum) => Self::accumulate(sum, x),
            None => *slot = Some(x),
        }
    }
    /// Contributes the result of [`unary_rule`](Swept::unary_rule).
    #[track_caller]
    fn contribute_unary(slot: &mut Option<Self>, op: Unary, x: &Self, y: &Self, g: &Self) {
        Self::contribute(slot, Self::unary_rule(op, x, y, g));
    }
    /// Contributes the result of [`binary_rule`](Swept::binary_rule), with broadcasting undone.
    #[track_caller]
    fn contribute_binary(slot: &mut Option<Self>, op: Binary, side: Side, operands: [&Self; 4]) {
        let like = operands[side as usize];
        Self::contribute(slot, Self::binary_rule(op, side, operands).narrow(like));
    }
    /// How this value, the cotangent of the decomposition `y`, changes as the values of `y` split: once if it is one of
    /// the values only, else twice. Empty for values that are not on a tape, and if a user's op has no forward rule.
    #[cfg(feature = "linalg")]
    fn changes(&self, _y: &Self) -> SmallVec<[Self; 2]> {
        SmallVec::new()
    }
    /// The cotangents by a user's rule.
    fn custom_vjp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, g: &Self) -> Cotangents<Self>;
    /// The tangent by a user's rule.
    fn custom_jvp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, t: &[Option<&Self>]) -> Result<Option<Self>>;
}

impl<T: Float> Swept<T> for Tensor<T> {
    #[inline]
    fn unary_rule(op: Unary, x: &Self, y: &Self, g: &Self) -> Self {
        eval::unary_rule(op, x, y, g)
    }

    #[inline]
    fn binary_rule(op: Binary, side: Side, operands: [&Self; 4]) -> Self {
        eval::binary_rule(op, side, operands)
    }

    #[inline]
    fn accumulate(slot: &mut Self, x: Self) {
        eval::accumulate(slot, x);
    }

    #[inline]
    fn narrow(self, like: &Self) -> Self {
        if self.is_like(like) { self } else { self.sum_to(like.shape()) }
    }

    fn contribute_unary(slot: &mut Option<Self>, op: Unary, x: &Self, y: &Self, g: &Self) {
        contribute_unary(slot, op, x, y, g);
    }

    fn contribute_binary(slot: &mut Option<Self>, op: Binary, side: Side, operands: [&Self; 4]) {
        contribute_binary(slot, op, side, operands);
    }

    fn custom_vjp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, g: &Self) -> Cotangents<Self> {
        rule.vjp_computed(x, y, g)
    }

    fn custom_jvp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, t: &[Option<&Self>]) -> Result<Option<Self>> {
        rule.jvp_computed(x, y, t)
    }
}

impl<T: Float> Swept<T> for Var<'_, T> {
    #[cfg(feature = "linalg")]
    fn changes(&self, y: &Self) -> SmallVec<[Self; 2]> {
        ties::changes(*self, *y)
    }

    fn custom_vjp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, g: &Self) -> Cotangents<Self> {
        rule.vjp_recorded(x, y, g)
    }

    fn custom_jvp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, t: &[Option<&Self>]) -> Result<Option<Self>> {
        rule.jvp_recorded(x, y, t)
    }
}

once! {
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
