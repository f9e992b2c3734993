//! Convolution and transposed convolution along one, two and three axes.

use super::border;
use super::plan::{argument, padded};
use super::spatial::batched;
use crate::error::{Error, Result};
use crate::float::{Few, Float, Precision};
use crate::op::{Geometry, Op, Window};
use crate::tensor::Shape;
use crate::tensor::view::Span;
use crate::value::Value;
use smallvec::SmallVec;

/// Settings of a convolution along `D` axes; override the defaults with `..Conv::default()`.
///
/// ```
/// use autograd::{Conv, Tensor};
/// let (x, w) = (Tensor::<f32>::ones(&[1, 2, 8, 8]), Tensor::ones(&[3, 2, 3, 3]));
/// let y = x.conv2d(&w, None, Conv { stride: [2, 2], padding: [1, 1], ..Conv::default() });
/// assert_eq!(y.shape(), [1, 3, 4, 4]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv<const D: usize> {
    /// The distance between two positions of the kernel. Defaults to 1.
    pub stride: [usize; D],
    /// The number of zeros before and after the image. Defaults to 0.
    pub padding: [usize; D],
    /// The distance between two elements that the kernel covers. Defaults to 1.
    pub dilation: [usize; D],
    /// The number of groups that the channels are split into; each group of output channels depends only on its group
    /// of input channels. Defaults to 1.
    pub groups: usize,
}

impl<const D: usize> Default for Conv<D> {
    fn default() -> Self {
        Conv { stride: [1; D], padding: [0; D], dilation: [1; D], groups: 1 }
    }
}

impl<const D: usize> Conv<D> {
    /// The geometry, with the kernel sizes taken from the weights' shape after the first two axes.
    fn geometry(&self, w: &[usize], precision: Precision) -> Geometry {
        let window = |i: usize| Window {
            kernel: w.get(2 + i).copied().unwrap_or(1),
            stride: self.stride[i],
            padding: self.padding[i],
            dilation: self.dilation[i],
        };
        Geometry { windows: (0..D).map(window).collect(), groups: self.groups, precision }
    }
}

/// `conv(x, w) + bias`
#[track_caller]
pub(super) fn convolved<T: Float, V: Value<T>, const D: usize>(
    x: &V,
    w: &V,
    bias: Option<&V>,
    conv: Conv<D>,
) -> Result<V> {
    let (x, one) = batched(x, D + 2)?;
    let y = V::try_apply(Op::Conv { geometry: conv.geometry(&w.shape(), x.precision()) }, &[&x, w])?;
    one.undo(biased("conv", y, bias)?)
}

/// A convolution whose result is as large as the image, which is padded with zeros on both sides; if their number is
/// odd, with one more at the end.
#[track_caller]
pub(super) fn same<T: Float, V: Value<T>, const D: usize>(
    x: &V,
    w: &V,
    bias: Option<&V>,
    mut conv: Conv<D>,
) -> Result<V> {
    const OP: &str = "conv";
    if conv.stride != [1; D] {
        return argument(OP, format!("the stride must be 1 for a result as large as the image, not {:?}", conv.stride));
    }
    let shape = x.shape();
    let mut pads = vec![[0, 0]; shape.len()];
    for (i, window) in conv.geometry(&w.shape(), Precision::Full).windows.iter().enumerate() {
        let around = window.reach().map_or(0, |reach| reach - 1);
        conv.padding[i] = around / 2;
        if let Some(pair) = (shape.len() + i).checked_sub(D).and_then(|axis| pads.get_mut(axis)) {
            pair[1] = (around % 2) as isize;
        }
    }
    let longer = pads.iter().any(|pair| pair[1] > 0);
    let x = if longer { &border::constant(x, &pads, 0.0, &padded(OP, &shape, &pads)?)? } else { x };
    convolved(x, w, bias, conv)
}

/// Transposed convolution: the derivative of a convolution with respect to its image, applied to `x`.
#[track_caller]
pub(super) fn transposed<T: Float, V: Value<T>, const D: usize>(
    x: &V,
    w: &V,
    bias: Option<&V>,
    conv: Conv<D>,
    output_padding: [usize; D],
) -> Result<V> {
    const OP: &str = "conv_transpose";
    let (x, one) = batched(x, D + 2)?;
    let mut geometry = conv.geometry(&w.shape(), x.precision());
    let from = x.shape();
    let (mut size, mut parts) = (Shape::new(), SmallVec::<[(usize, usize); 4]>::new());
    for (i, window) in geometry.windows.iter_mut().enumerate() {
        let extra = output_padding[i];
        if extra > 0 && extra >= window.stride.max(window.dilation) {
            let hint = format!("the output padding {extra} must be less than the stride or the dilation: {window:?}");
            return Err(Error::Argument { op: OP, hint });
        }
        let sizes = || {
            let last = from.get(2 + i)?.checked_sub(1)?.checked_mul(window.stride)?;
            let full = last.checked_add(window.reach()?)?;
            let wanted = full.checked_add(extra)?.checked_sub(window.padding.checked_mul(2)?)?;
            (wanted > 0).then_some((full, wanted))
        };
        let Some((full, wanted)) = sizes() else {
            let hint = format!("the padding leaves no elements of axis {}: {window:?}", 2 + i);
            return Err(Error::Shape { op: OP, shape: from.as_slice().into(), hint });
        };
        if extra < window.stride {
            size.push(wanted);
            parts.push((0, wanted));
        } else {
            // A strided kernel would have another position on an image this large, so all of the result without padding
            // is computed, and part of it is kept.
            size.push(full);
            parts.push((std::mem::take(&mut window.padding), wanted));
        }
    }
    let y = V::try_apply(Op::ConvTranspose { geometry, size }, &[&x, w])?;
    one.undo(biased(OP, part(y, &parts)?, bias)?)
}

/// A range `(start, length)` of each spatial axis, filled with zeros past the end.
#[track_caller]
fn part<T: Float, V: Value<T>>(y: V, parts: &[(usize, usize)]) -> Result<V> {
    let mut shape = y.shape();
    let mut spans = Span::whole(&shape);
    for (span, &(start, wanted)) in spans[2..].iter_mut().zip(parts) {
        *span = Span { start, len: wanted.min(span.len.saturating_sub(start)), step: 1 };
    }
    shape[2..].iter_mut().zip(parts).for_each(|(size, &(_, wanted))| *size = wanted);
    let kept: Shape = spans.iter().map(|s| s.len).few();
    let y = if kept == y.shape() { y } else { V::try_apply(Op::Slice { spans: spans.clone() }, &[&y])? };
    if kept == shape {
        return Ok(y);
    }
    spans.iter_mut().for_each(|span| span.start = 0);
    V::try_apply(Op::Place { spans, shape }, &[&y])
}

/// Adds a bias to each channel.
#[track_caller]
fn biased<T: Float, V: Value<T>>(op: &'static str, y: V, bias: Option<&V>) -> Result<V> {
    let Some(bias) = bias else { return Ok(y) };
    let (channels, rank) = (y.shape()[1], y.shape().len());
    if *bias.shape() != [channels] {
        let hint = format!("the bias must have shape [{channels}], one element for each channel of the result");
        return Err(Error::Shape { op, shape: bias.shape().as_slice().into(), hint });
    }
    let mut shape: Shape = SmallVec::from_elem(1, rank - 1);
    shape[0] = channels;
    V::try_apply(Op::Binary(crate::op::Binary::Add), &[&y, &bias.reshape(&shape)])
}

macro_rules! conv_methods {
    () => {
        twins! {
            /// Convolution along one axis: an image `[batch, channels, length]` with weights
            /// `[out, channels / groups, kernel]` and an optional bias `[out]`. As in PyTorch, the kernel is not
            /// reversed: `y[n, o, i] = b[o] + Σ w[o, c, k] · x[n, c, i·stride + k·dilation - padding]`. The batch axis
            /// is optional.
            ///
            /// ```
            /// use autograd::{Conv, tensor};
            /// let (x, w) = (tensor![[[1.0, 2.0, 4.0, 8.0]]], tensor![[[-1.0, 1.0]]]);
            /// assert_eq!(x.conv1d(w, None, Conv::default()), tensor![[[1.0, 2.0, 4.0]]]);
            /// ```
            #[doc(alias = "convolve")]
            conv1d, try_conv1d(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<1>) |x| {
                conv::convolved(x, w.borrow(), bias, settings)
            }

            /// Convolution along two axes: an image `[batch, channels, height, width]` with weights
            /// `[out, channels / groups, kernel, kernel]` and an optional bias `[out]`; see [`conv1d`](Self::conv1d).
            ///
            /// ```
            /// use autograd::{Conv, Tensor, tensor};
            /// let (x, w) = (Tensor::<f64>::ones(&[1, 1, 3, 3]), Tensor::ones(&[1, 1, 3, 3]));
            /// let y = x.conv2d(w, Some(&tensor![0.5]), Conv { padding: [0, 1], ..Conv::default() });
            /// assert_eq!(y, tensor![[[[6.5, 9.5, 6.5]]]]);
            /// ```
            conv2d, try_conv2d(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<2>) |x| {
                conv::convolved(x, w.borrow(), bias, settings)
            }

            /// Convolution along three axes: an image `[batch, channels, depth, height, width]` with weights
            /// `[out, channels / groups, kernel, kernel, kernel]` and an optional bias `[out]`; see
            /// [`conv1d`](Self::conv1d).
            ///
            /// ```
            /// use autograd::{Conv, Tensor};
            /// let (x, w) = (Tensor::<f64>::ones(&[1, 2, 4, 4, 4]), Tensor::ones(&[1, 2, 3, 3, 3]));
            /// assert_eq!(x.conv3d(w, None, Conv::default()), Tensor::full(&[1, 1, 2, 2, 2], 54.0));
            /// ```
            conv3d, try_conv3d(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<3>) |x| {
                conv::convolved(x, w.borrow(), bias, settings)
            }

            /// [`conv1d`](Self::conv1d) with zero padding that makes the result as long as the image; an odd zero goes
            /// at the end. The stride must be 1; the `padding` setting is ignored.
            ///
            /// ```
            /// use autograd::{Conv, tensor};
            /// let (x, w) = (tensor![[[1.0, 2.0, 4.0]]], tensor![[[1.0, 10.0]]]);
            /// assert_eq!(x.conv1d_same(w, None, Conv::default()), tensor![[[21.0, 42.0, 4.0]]]);
            /// ```
            conv1d_same, try_conv1d_same(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<1>) |x| {
                conv::same(x, w.borrow(), bias, settings)
            }

            /// [`conv2d`](Self::conv2d) with a result as large as the image; see [`conv1d_same`](Self::conv1d_same).
            ///
            /// ```
            /// use autograd::{Conv, Tensor};
            /// let (x, w) = (Tensor::<f32>::ones(&[1, 1, 5, 6]), Tensor::ones(&[2, 1, 3, 4]));
            /// assert_eq!(x.conv2d_same(w, None, Conv::default()).shape(), [1, 2, 5, 6]);
            /// ```
            conv2d_same, try_conv2d_same(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<2>) |x| {
                conv::same(x, w.borrow(), bias, settings)
            }

            /// [`conv3d`](Self::conv3d) with a result as large as the image; see [`conv1d_same`](Self::conv1d_same).
            ///
            /// ```
            /// use autograd::{Conv, Tensor};
            /// let (x, w) = (Tensor::<f32>::ones(&[1, 1, 3, 4, 5]), Tensor::ones(&[2, 1, 3, 3, 2]));
            /// assert_eq!(x.conv3d_same(w, None, Conv::default()).shape(), [1, 2, 3, 4, 5]);
            /// ```
            conv3d_same, try_conv3d_same(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<3>) |x| {
                conv::same(x, w.borrow(), bias, settings)
            }

            /// Transposed convolution along one axis: the derivative of [`conv1d`](Self::conv1d) with respect to its
            /// image, applied to an image `[batch, channels, length]` with weights `[channels, out / groups, kernel]`:
            /// `y[n, o, i·stride + k·dilation - padding] += w[c, o, k] · x[n, c, i]`. The output padding makes the
            /// result longer at the end.
            ///
            /// ```
            /// use autograd::{Conv, tensor};
            /// let (x, w) = (tensor![[[1.0, 2.0]]], tensor![[[1.0, 10.0, 100.0]]]);
            /// let settings = Conv { stride: [2], ..Conv::default() };
            /// assert_eq!(x.conv_transpose1d(w, None, settings, [0]), tensor![[[1.0, 10.0, 102.0, 20.0, 200.0]]]);
            /// ```
            conv_transpose1d, try_conv_transpose1d(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<1>, output_padding: [usize; 1]) |x| {
                conv::transposed(x, w.borrow(), bias, settings, output_padding)
            }

            /// Transposed convolution along two axes; see [`conv_transpose1d`](Self::conv_transpose1d).
            ///
            /// ```
            /// use autograd::{Conv, Tensor};
            /// let (x, w) = (Tensor::<f32>::ones(&[1, 2, 3, 3]), Tensor::ones(&[2, 5, 3, 3]));
            /// let settings = Conv { stride: [2, 2], padding: [1, 1], ..Conv::default() };
            /// assert_eq!(x.conv_transpose2d(w, None, settings, [1, 1]).shape(), [1, 5, 6, 6]);
            /// ```
            conv_transpose2d, try_conv_transpose2d(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<2>, output_padding: [usize; 2]) |x| {
                conv::transposed(x, w.borrow(), bias, settings, output_padding)
            }

            /// Transposed convolution along three axes; see [`conv_transpose1d`](Self::conv_transpose1d).
            ///
            /// ```
            /// use autograd::{Conv, Tensor};
            /// let (x, w) = (Tensor::<f32>::ones(&[1, 2, 3, 3, 3]), Tensor::ones(&[2, 1, 2, 2, 2]));
            /// let y = x.conv_transpose3d(w, None, Conv { stride: [2, 2, 2], ..Conv::default() }, [0, 0, 0]);
            /// assert_eq!(y, Tensor::full(&[1, 1, 6, 6, 6], 2.0));
            /// ```
            conv_transpose3d, try_conv_transpose3d(w: impl Borrow<Self>, bias: Option<&Self>, settings: Conv<3>, output_padding: [usize; 3]) |x| {
                conv::transposed(x, w.borrow(), bias, settings, output_padding)
            }
        }
    };
}
pub(super) use conv_methods;

#[cfg(test)]
mod tests {
    use crate::{Conv, Error, Pool, Resize, Tape, Tensor, tensor};

    /// Expected values are from PyTorch.
    #[test]
    fn output_padding_past_the_stride_uncovers_what_padding_hid() {
        let of =
            |stride, padding, dilation| Conv { stride: [stride], padding: [padding], dilation: [dilation], groups: 1 };
        let sparse = tensor![[[0.0, 2.0, 10.0, -1.0, 20.0, 100.0, -10.0, 200.0, 0.0, -100.0, 0.0]]];
        for (settings, extra, y, dx) in [
            (of(1, 1, 2), 1, tensor![[[2.0, 9.0, 20.0, 90.0, 200.0, -100.0]]], tensor![[[420.0, 531.0, 642.0]]]),
            (of(2, 1, 3), 2, sparse, tensor![[[630.0, 852.0, 1074.0]]]),
            (of(1, 4, 3), 2, tensor![[[20.0, -10.0, 100.0]]], tensor![[[300.0, 10.0, 20.0]]]),
        ] {
            let tape = Tape::new();
            let (x, w) = (tape.var(tensor![[[1.0, 2.0, -1.0]]]), tape.constant(tensor![[[1.0, 10.0, 100.0]]]));
            let got = x.conv_transpose1d(w, None, settings, [extra]);
            assert_eq!(got.value(), y, "{settings:?}");
            let count: Tensor<f64> = (1..=y.len()).map(|n| n as f64).collect();
            assert_eq!((got * tape.constant(count)).sum().backward().wrt(x), dx, "{settings:?}");
        }
    }

    #[test]
    fn settings_of_any_size_are_taken_or_refused() {
        let (x, w) = (Tensor::<f64>::ones(&[1, 1, 3, 3]), Tensor::ones(&[1, 1, 3, 3]));
        for n in [0, 1, 7, usize::MAX / 2, usize::MAX] {
            let far = Conv { stride: [n, n], ..Conv::default() };
            assert_eq!(x.try_conv2d(&w, None, far).is_ok(), n > 0);
            assert_eq!(x.try_conv2d(&w, None, Conv { dilation: [n, n], ..Conv::default() }).is_ok(), n == 1);
            assert_eq!(x.try_conv2d(&w, None, Conv { groups: n, ..Conv::default() }).is_ok(), n == 1);
            assert!(x.try_conv_transpose2d(&w, None, far, [n, n]).is_err() || n == 0);
            assert_eq!(x.try_max_pool2d(Pool::of([n, n])).is_ok(), n == 1);
            assert!(x.try_max_pool2d(Pool { padding: [n, n], ..Pool::of([n, n]) }).is_err());
            assert_eq!(x.try_avg_pool2d(Pool { stride: [n, n], ..Pool::of([2, 2]) }).is_ok(), n > 0);
            assert_eq!(x.try_pixel_unshuffle(n).is_ok(), n == 1);
        }
    }

    /// Sizes that can be addressed, but do not fit in memory.
    #[test]
    fn results_without_room_are_errors() {
        let (line, w) = (Tensor::<f32>::ones(&[1, 1, 3]), Tensor::ones(&[1, 1, 3]));
        for huge in [1 << 38, 1 << 44] {
            let far = Conv { padding: [huge], ..Conv::default() };
            let long = Tensor::<f32>::scalar(1.0).broadcast_to(&[huge]);
            let results = [
                line.try_conv1d(&w, None, far),
                line.try_upsample_nearest1d(Resize::To([huge])),
                line.try_adaptive_avg_pool1d([huge]),
                line.try_adaptive_max_pool1d([huge]).map(|_| line.clone()),
                Tensor::zeros(&[0, 1, 3]).try_adaptive_avg_pool1d([huge]),
                long.try_unfold(0, 7, 1),
            ];
            for (i, result) in results.into_iter().enumerate() {
                assert!(
                    matches!(result, Err(Error::TooLarge { .. })),
                    "{i} {huge}: {:?}",
                    result.map(|y| y.shape().to_vec())
                );
            }
        }
    }
}
