//! Sampling images at positions that a network may compute, and the grids of affine maps.

use crate::number::countable;
use crate::once;
use autograd::{Align, Error, Float, Result, Tensor, Var};

/// The values beyond the edges of an image.
///
/// ```
/// assert_eq!(nn::functional::Beyond::default(), nn::functional::Beyond::Zeros);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Beyond {
    /// Zeros.
    #[default]
    Zeros,
    /// The nearest pixel.
    Border,
    /// The image, mirrored at its edges as often as needed; with [`Align::Corners`], at the centers of its edge pixels.
    Reflection,
}

/// How the value between pixels is computed.
///
/// ```
/// assert_eq!(nn::functional::Sampling::default(), nn::functional::Sampling::Bilinear);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// The nearest pixel, the even one of two; it has no derivative with respect to the position. For labels and masks.
    Nearest,
    /// The mean of the four pixels around, weighted by proximity.
    #[default]
    Bilinear,
    /// Of the sixteen pixels around, by the cubic convolution of Keys, *Cubic convolution interpolation for digital image
    /// processing* (1981), with a = -0.75 as in PyTorch.
    Bicubic,
}

/// Samples images `x`, `[N, C, H, W]`, at the positions of a grid, `[N, H', W', 2]`, by bilinear interpolation; the result is
/// `[N, C, H', W']`. A position is a pair `(x, y)` in which -1 and 1 are the outer edges of the corner pixels, or with
/// [`Align::Corners`] their centers. Differentiable with respect to both. Source: Jaderberg, Simonyan, Zisserman and
/// Kavukcuoglu, *Spatial transformer networks* (2015).
///
/// ```
/// use autograd::{Align, Tape, tensor};
/// use nn::functional::{Beyond, grid_sample};
/// let tape = Tape::<f64>::new();
/// let (image, grid) = (tape.var([[[[1.0, 3.0]]]]), tape.var([[[[0.0, 0.0], [1.0, 0.0]]]]));
/// let y = grid_sample(image, grid, Beyond::Border, Align::Corners)?;
/// assert_eq!(y.value(), tensor![[[[2.0, 3.0]]]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes do not fit, a position is NaN, or the image has more pixels than the 2²⁴ that `f32` can
/// count. An infinite position lies beyond the edge; with [`Beyond::Reflection`], it is an error.
#[track_caller]
pub fn grid_sample<'t, T: Float>(x: Var<'t, T>, grid: Var<'t, T>, beyond: Beyond, align: Align) -> Result<Var<'t, T>> {
    sampled(x, grid, Sampling::Bilinear, beyond, align)
}

/// [`grid_sample`] by the nearest pixel, or by bilinear or bicubic interpolation: PyTorch's `mode`.
///
/// ```
/// use autograd::{Align, Tape, tensor};
/// use nn::functional::{Beyond, Sampling, grid_sample_with};
/// let tape = Tape::<f64>::new();
/// let (image, grid) = (tape.var([[[[1.0, 3.0]]]]), tape.var([[[[-0.3, 0.0], [0.2, 0.0]]]]));
/// let y = grid_sample_with(image, grid, Sampling::Nearest, Beyond::Zeros, Align::Centers)?;
/// assert_eq!(y.value(), tensor![[[[1.0, 3.0]]]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error under the same conditions as [`grid_sample`].
#[track_caller]
pub fn grid_sample_with<'t, T: Float>(
    x: Var<'t, T>,
    grid: Var<'t, T>,
    sampling: Sampling,
    beyond: Beyond,
    align: Align,
) -> Result<Var<'t, T>> {
    sampled(x, grid, sampling, beyond, align)
}

once! {
    fn sampled<'t, T>(x: Var<'t, T>, grid: Var<'t, T>, sampling: Sampling, beyond: Beyond, align: Align) -> Result<Var<'t, T>> {
        const OP: &str = "grid_sample";
        let (&[n, c, h, w], &[samples, rows, columns, 2]) = (x.shape().as_slice(), grid.shape().as_slice()) else {
            let hint = format!("expected images [N, C, H, W] and a grid [N, H', W', 2], got {:?}", grid.shape());
            return Err(Error::Shape { op: OP, shape: x.shape().as_slice().into(), hint });
        };
        if samples != n || h * w == 0 {
            let hint = format!("the images must have pixels, and there must be a grid for each, got {samples}");
            return Err(Error::Shape { op: OP, shape: x.shape().as_slice().into(), hint });
        }
        countable::<T>(OP, "pixels", h * w)?;
        let points = rows * columns;
        let along = |k: isize, size: usize| {
            let axis = Axis { size, sampling, beyond, align };
            axis.taps(grid.index_axis(3, k).reshape(&[n, 1, points]))
        };
        let (across, down) = (along(0, w), along(1, h));
        let pixels = x.reshape(&[n, c, h * w]);
        let nothing = x.tape().constant(T::zero());
        let mut sum = None;
        for (row, row_part) in down {
            for &(column, part) in &across {
                let at = row.clamp(0.0, h as f64 - 1.0) * T::of(w as f64) + column.clamp(0.0, w as f64 - 1.0);
                let at = at.broadcast_to(&[n, c, points]).to_integers();
                // Beyond the edge the value is 0, not a pixel times 0, since the pixel may be infinite. At the border, only
                // the pixel after the last one lies beyond, and its weight is 0.
                let inside = |at: Var<'t, T>, size: usize| at.is_ge(T::zero()) & at.is_lt(T::of(size as f64));
                let value = (inside(column, w) & inside(row, h)).try_choose(pixels.try_gather(2, at)?, nothing)?;
                let term = match (part, row_part) {
                    (Some(part), Some(row_part)) => value * (part * row_part),
                    _ => value,
                };
                sum = Some(sum.map_or(term, |sum| sum + term));
            }
        }
        sum.expect("at least one pixel").try_reshape(&[n, c, rows, columns])
    }
}

/// An axis of an image.
struct Axis {
    size: usize,
    sampling: Sampling,
    beyond: Beyond,
    align: Align,
}

/// A pixel of an axis and its weight, which is 1 if there is only one.
type Tap<'t, T> = (Var<'t, T>, Option<Var<'t, T>>);

impl Axis {
    fn last(&self) -> f64 {
        self.size as f64 - 1.0
    }

    /// The positions of a grid in pixels.
    fn place<'t, T: Float>(&self, place: Var<'t, T>) -> Var<'t, T> {
        let place = match self.align {
            Align::Centers => ((place + T::one()) * T::of(self.size as f64) - T::one()) * T::of(0.5),
            // On an axis of one pixel, all positions are at its center, including infinite ones.
            Align::Corners if self.size == 1 => place.hardtanh(-1.0, 1.0) * T::zero(),
            Align::Corners => (place + T::one()) * T::of(0.5 * self.last()),
        };
        // Without the clamp, an infinite position would have the fraction ∞ - ∞. Everything is constant three pixels beyond
        // the edge, or from the border on.
        let place = self.reflected(place);
        let margin = if self.beyond == Beyond::Zeros || self.sampling == Sampling::Bicubic { 3.0 } else { 0.0 };
        // Its derivative is 0 at the bounds too, since the image extends beyond the border with a constant value.
        place.hardtanh(-margin, self.last() + margin)
    }

    /// The pixels that a position of a grid reads.
    fn taps<'t, T: Float>(&self, place: Var<'t, T>) -> Vec<Tap<'t, T>> {
        let place = self.place(place);
        // The pixel before the position, and the distances from it and to the next one.
        let around = || {
            let before = place.floor();
            let part = place - before;
            (before, part, -part + T::one())
        };
        match self.sampling {
            Sampling::Nearest => vec![(place.round(), None)],
            Sampling::Bilinear => {
                let (before, part, rest) = around();
                vec![(before, Some(rest)), (before + T::one(), Some(part))]
            }
            Sampling::Bicubic => {
                let (before, part, rest) = around();
                let weights = [far(part), near(part), near(rest), far(rest)];
                let at = |k: usize| self.moved(before + T::of(k as f64 - 1.0));
                weights.into_iter().enumerate().map(|(k, weight)| (at(k), Some(weight))).collect()
            }
        }
    }

    /// The pixel that stands for one beyond the edge.
    fn moved<'t, T: Float>(&self, pixel: Var<'t, T>) -> Var<'t, T> {
        if self.beyond == Beyond::Zeros { pixel } else { self.reflected(pixel).clamp(0.0, self.last()) }
    }

    fn reflected<'t, T: Float>(&self, place: Var<'t, T>) -> Var<'t, T> {
        if self.beyond == Beyond::Reflection { mirrored(place, self.size, self.align) } else { place }
    }
}

/// Keys' a.
const KEYS: f64 = -0.75;

/// The cubic weight of a pixel at distance t in [0, 1]: ((a + 2) t - (a + 3)) t² + 1.
fn near<T: Float>(t: Var<'_, T>) -> Var<'_, T> {
    (t * T::of(KEYS + 2.0) - T::of(KEYS + 3.0)) * t * t + T::one()
}

/// The cubic weight of a pixel at distance 1 + t: a t (t - 1)².
fn far<T: Float>(t: Var<'_, T>) -> Var<'_, T> {
    t * (t - T::one()).square() * T::of(KEYS)
}

/// The position inside the image, or up to half a pixel outside, that is mirrored to this one.
fn mirrored<'t, T: Float>(place: Var<'t, T>, size: usize, align: Align) -> Var<'t, T> {
    let (first, span) = match align {
        Align::Centers => (-0.5, size as f64),
        Align::Corners => (0.0, size as f64 - 1.0),
    };
    if span == 0.0 {
        return place;
    }
    let distance = (place - T::of(first)).abs();
    let mirrors = (distance / T::of(span)).floor();
    let (rest, odd) = (distance - mirrors * T::of(span), mirrors - (mirrors * T::of(0.5)).floor() * T::of(2.0));
    rest + odd * (-rest * T::of(2.0) + T::of(span)) + T::of(first)
}

/// The grid `[N, H, W, 2]` of affine maps `[N, 2, 3]`, for [`grid_sample`]: position (x, y) of the result is taken from
/// `map · (x, y, 1)ᵀ` of the image. A spatial transformer computes the maps.
///
/// ```
/// use autograd::{Align, Tape, tensor};
/// use nn::functional::{Beyond, affine_grid, grid_sample};
/// let tape = Tape::<f64>::new();
/// let mirror = tape.var([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]);
/// let grid = affine_grid(mirror, [1, 2], Align::Centers)?;
/// let y = grid_sample(tape.var([[[[1.0, 3.0]]]]), grid, Beyond::Zeros, Align::Centers)?;
/// assert_eq!(y.value(), tensor![[[[3.0, 1.0]]]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the maps do not have the shape `[N, 2, 3]`.
#[track_caller]
pub fn affine_grid<'t, T: Float>(map: Var<'t, T>, size: [usize; 2], align: Align) -> Result<Var<'t, T>> {
    affine(map, size, align)
}

once! {
    fn affine<'t, T>(map: Var<'t, T>, size: [usize; 2], align: Align) -> Result<Var<'t, T>> {
        let (shape, [h, w]) = (map.shape(), size);
        let &[n, 2, 3] = shape.as_slice() else {
            let hint = "expected affine maps [N, 2, 3]".into();
            return Err(Error::Shape { op: "affine_grid", shape: shape.as_slice().into(), hint });
        };
        // The positions along an axis.
        let along = |shape: &[usize], size: usize| {
            let halves = match align {
                Align::Centers => size as f64,
                Align::Corners => (size as f64 - 1.0).max(1.0),
            };
            let place = |at: usize| T::of(((2 * at + 1) as f64 - size as f64) / halves);
            map.tape().constant(Tensor::new(shape, (0..size).map(place).collect()))
        };
        // Not a matrix product, whose operands may be rounded to 16 bits.
        let column = |k: usize| map.slice(2, k..k + 1).reshape(&[n, 1, 1, 2]);
        let y = column(1) * along(&[h, 1, 1], h);
        Ok(column(0) * along(&[w, 1], w) + y + column(2))
    }
}

#[cfg(test)]
mod tests;
