//! The geometry of convolutions, and their shape rules.

use crate::error::{Error, Result};
use crate::float::{Few, Precision};
use crate::tensor::Shape;
use crate::tensor::layout::room;
use smallvec::{SmallVec, smallvec};

/// How a kernel covers one axis of an image and moves along it.
///
/// ```
/// use autograd::op::Window;
/// let window = Window { kernel: 3, stride: 2, padding: 1, dilation: 1 };
/// assert_eq!((window.places(8), window.places(0)), (Some(4), None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Number of elements that the kernel covers.
    pub kernel: usize,
    /// Distance between two positions of the kernel.
    pub stride: usize,
    /// Number of implicit zeros before and after the image.
    pub padding: usize,
    /// Distance between two elements that the kernel covers.
    pub dilation: usize,
}

impl Window {
    /// The number of kernel positions on an axis of the given size; `None` if the kernel does not fit.
    pub fn places(&self, size: usize) -> Option<usize> {
        let room = self.padding.checked_mul(2)?.checked_add(size)?.checked_sub(self.reach()?)?;
        Some(room.checked_div(self.stride)? + 1)
    }

    /// The extent from the first covered element to the last, inclusive; `None` if the kernel or the dilation is 0.
    pub(crate) fn reach(&self) -> Option<usize> {
        let steps = self.kernel.checked_sub(1)?;
        (self.dilation > 0).then(|| steps.checked_mul(self.dilation)?.checked_add(1)).flatten()
    }
}

/// The geometry of a convolution: one to three spatial axes, and the groups of channels.
///
/// ```
/// use autograd::{Conv, Tape, Tensor, op::Op};
/// let tape = Tape::<f64>::new();
/// let (x, w) = (tape.var(Tensor::zeros(&[1, 2, 9])), tape.var(Tensor::zeros(&[4, 1, 3])));
/// let Op::Conv { geometry } = x.conv1d(w, None, Conv { groups: 2, ..Conv::default() }).op() else { unreachable!() };
/// assert_eq!((geometry.groups, geometry.windows[0].kernel), (2, 3));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// One window for each spatial axis.
    pub windows: SmallVec<[Window; 3]>,
    /// Number of groups. The output channels of a group depend only on the input channels of that group.
    pub groups: usize,
    /// The precision that operands are rounded to.
    pub precision: Precision,
}

impl Geometry {
    /// The sizes of the kernel.
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
                format!("kernel, stride, dilation and groups must be at least 1, with one to three axes: {self:?}");
            return Err(Error::Argument { op, hint });
        }
        if x.len() != rank + 2 {
            return error(x, format!("an image must have shape [batch, channels, …] with {rank} spatial axes"));
        }
        if w.len() != rank + 2 || !self.kernel().eq(w[2..].iter().copied()) {
            let kernel: Shape = self.kernel().few();
            return error(w, format!("weights must be [out, channels / groups, …] with kernel sizes {kernel:?}"));
        }
        if w[1].checked_mul(self.groups) != Some(x[1]) {
            let groups = if self.groups == 1 { String::new() } else { format!(" in {} groups", self.groups) };
            let gray = if (w[1], self.groups) == (1, 1) { "; gray images get their axis by unsqueeze(1)" } else { "" };
            let hint = format!(
                "weights of shape {w:?}{groups} take images [batch, {}, …], but it has {} channels{gray}",
                w[1].saturating_mul(self.groups),
                x[1]
            );
            return error(x, hint);
        }
        if !w[0].is_multiple_of(self.groups) {
            return error(w, format!("its {} outputs are not divisible into {} groups", w[0], self.groups));
        }
        let mut shape: Shape = smallvec![x[0], w[0]];
        for (window, &size) in self.windows.iter().zip(&x[2..]) {
            match window.places(size) {
                Some(places) => shape.push(places),
                None => return error(x, format!("the kernel does not fit into the padded image: {window:?}")),
            }
        }
        room(op, &shape)?;
        Ok(shape)
    }

    /// The shape of an image with spatial sizes `size` whose convolution with `w` has shape `g`.
    pub(super) fn input(&self, op: &'static str, g: &[usize], w: &[usize], size: &[usize]) -> Result<Shape> {
        let sides = g.first().zip(w.get(1).and_then(|c| c.checked_mul(self.groups)));
        let (n, channels) = sides.unwrap_or((&0, 0));
        let shape: Shape = [*n, channels].iter().chain(size).copied().few();
        room(op, &shape)?;
        self.matches(op, g, &shape, w)?;
        Ok(shape)
    }

    /// The shape of weights whose convolution with `x` has shape `g`.
    pub(super) fn weight(&self, op: &'static str, x: &[usize], g: &[usize]) -> Result<Shape> {
        let channels = x.get(1).and_then(|c| c.checked_div(self.groups)).unwrap_or(0);
        let shape: Shape = [g.get(1).copied().unwrap_or(0), channels].into_iter().chain(self.kernel()).few();
        room(op, &shape)?;
        self.matches(op, g, x, &shape)?;
        Ok(shape)
    }

    fn matches(&self, op: &'static str, g: &[usize], x: &[usize], w: &[usize]) -> Result<()> {
        let expected = self.output(op, x, w)?;
        if *expected == *g {
            return Ok(());
        }
        let hint = format!("the convolution of {x:?} with {w:?} has shape {expected:?}");
        Err(Error::Shape { op, shape: g.into(), hint })
    }
}
