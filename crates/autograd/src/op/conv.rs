//! Convolution: its geometry, shape rule and derivatives.
//!
//! Convolution, its derivative for the input (known as transposed convolution) and its derivative for the weights are
//! the three sides of one form `φ(x, w, g) = Σ g · conv(x, w)`, linear in each of image, weights and cotangent. Fixing
//! two of them leaves a function of the third, and so the three ops are closed under differentiation of any order.

use super::Op;
use super::vjp::Cotangents;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Shape;
use crate::tensor::layout::room;
use crate::value::Value;
use smallvec::{SmallVec, smallvec};

/// How a kernel lies on one axis of an image, and how it moves along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// How many elements it covers.
    pub kernel: usize,
    /// The distance between two of its places.
    pub stride: usize,
    /// How many zeros are thought before and after the image.
    pub padding: usize,
    /// The distance between two elements that it covers.
    pub dilation: usize,
}

impl Window {
    /// The number of its places on an axis of that size; `None` if it has none.
    pub fn places(&self, size: usize) -> Option<usize> {
        let room = self.padding.checked_mul(2)?.checked_add(size)?.checked_sub(self.reach()?)?;
        Some(room.checked_div(self.stride)? + 1)
    }

    /// From the first element it covers to the last, both included; `None` for a kernel of nothing, too.
    pub(crate) fn reach(&self) -> Option<usize> {
        let steps = self.kernel.checked_sub(1)?;
        (self.dilation > 0).then(|| steps.checked_mul(self.dilation)?.checked_add(1)).flatten()
    }
}

/// A convolution without its numbers: the spatial axes, one to three of them, and the groups that channels fall into.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// One window for each spatial axis.
    pub windows: SmallVec<[Window; 3]>,
    /// Output channels of a group see the input channels of that group only.
    pub groups: usize,
}

impl Geometry {
    /// The kernel's sizes.
    fn kernel(&self) -> impl Iterator<Item = usize> {
        self.windows.iter().map(|w| w.kernel)
    }

    /// The shape of the convolution of an image `[n, channels, …]` with weights `[out, channels / groups, …]`.
    pub(super) fn output(&self, op: &'static str, x: &[usize], w: &[usize]) -> Result<Shape> {
        let rank = self.windows.len();
        let error = |shape: &[usize], hint: String| Err(Error::Shape { op, shape: shape.into(), hint });
        if !(1..=3).contains(&rank)
            || self.groups == 0
            || self.windows.iter().any(|w| w.stride == 0 || w.reach().is_none())
        {
            let hint =
                format!("kernel, stride, dilation and groups must be at least 1, in one to three axes: {self:?}");
            return Err(Error::Argument { op, hint });
        }
        if x.len() != rank + 2 {
            return error(x, format!("an image must be [batch, channels, …] with {rank} more axes"));
        }
        if w.len() != rank + 2 || !self.kernel().eq(w[2..].iter().copied()) {
            let kernel: Shape = self.kernel().collect();
            return error(w, format!("weights must be [out, channels / groups, …] with a kernel of {kernel:?}"));
        }
        if w[1].checked_mul(self.groups) != Some(x[1]) || !w[0].is_multiple_of(self.groups) {
            let hint = format!("in {} groups it does not fit the {} channels of the image {x:?}", self.groups, x[1]);
            return error(w, hint);
        }
        let mut shape: Shape = smallvec![x[0], w[0]];
        for (window, &size) in self.windows.iter().zip(&x[2..]) {
            match window.places(size) {
                Some(places) => shape.push(places),
                None => return error(x, format!("the kernel leaves the padded image: {window:?}")),
            }
        }
        room(op, &shape)?;
        Ok(shape)
    }

    /// The shape of an image of those sizes whose convolution with `w` has the shape `g`.
    pub(super) fn input(&self, op: &'static str, g: &[usize], w: &[usize], size: &[usize]) -> Result<Shape> {
        let sides = g.first().zip(w.get(1).and_then(|c| c.checked_mul(self.groups)));
        let (n, channels) = sides.unwrap_or((&0, 0));
        let shape: Shape = [*n, channels].iter().chain(size).copied().collect();
        room(op, &shape)?;
        self.matches(op, g, &shape, w)?;
        Ok(shape)
    }

    /// The shape of the weights with which the convolution of `x` has the shape `g`.
    pub(super) fn weight(&self, op: &'static str, x: &[usize], g: &[usize]) -> Result<Shape> {
        let channels = x.get(1).and_then(|c| c.checked_div(self.groups)).unwrap_or(0);
        let shape: Shape = [g.get(1).copied().unwrap_or(0), channels].into_iter().chain(self.kernel()).collect();
        room(op, &shape)?;
        self.matches(op, g, x, &shape)?;
        Ok(shape)
    }

    fn matches(&self, op: &'static str, g: &[usize], x: &[usize], w: &[usize]) -> Result<()> {
        let expected = self.output(op, x, w)?;
        if *expected == *g {
            return Ok(());
        }
        let hint = format!("the convolution of {x:?} with {w:?} has the shape {expected:?}");
        Err(Error::Shape { op, shape: g.into(), hint })
    }
}

fn spatial(shape: &[usize]) -> Shape {
    shape[2..].into()
}

/// The cotangents of both operands of one of the three ops.
pub(super) fn vjp<T: Float, V: Value<T>>(op: &Op, x: &[&V], h: &V, wants: &dyn Fn(usize) -> bool) -> Cotangents<V> {
    let output = |geometry: &Geometry, x: &V, w: &V| V::apply(Op::Conv { geometry: geometry.clone() }, &[x, w]);
    let input = |geometry: &Geometry, g: &V, w: &V, like: &V| {
        V::apply(Op::ConvInput { geometry: geometry.clone(), size: spatial(&like.shape()) }, &[g, w])
    };
    let weight = |geometry: &Geometry, x: &V, g: &V| V::apply(Op::ConvWeight { geometry: geometry.clone() }, &[x, g]);
    match op {
        Op::Conv { geometry } => {
            smallvec![wants(0).then(|| input(geometry, h, x[1], x[0])), wants(1).then(|| weight(geometry, x[0], h)),]
        }
        Op::ConvInput { geometry, .. } => {
            smallvec![wants(0).then(|| output(geometry, h, x[1])), wants(1).then(|| weight(geometry, h, x[0])),]
        }
        Op::ConvWeight { geometry } => {
            smallvec![wants(0).then(|| input(geometry, x[1], h, x[0])), wants(1).then(|| output(geometry, x[0], h)),]
        }
        _ => unreachable!("no convolution"),
    }
}
