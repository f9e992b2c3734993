//! Sampling images at positions that a network may compute: bilinear sampling on a grid, the grids of affine maps, and the
//! inverse of max pooling.

use crate::number::countable;
use crate::once;
use autograd::{Align, Error, Float, Index, Ints, Result, Shape, Tensor, Var};

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
    sampled(x, grid, beyond, align)
}

once! {
    fn sampled<'t, T>(x: Var<'t, T>, grid: Var<'t, T>, beyond: Beyond, align: Align) -> Result<Var<'t, T>> {
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
        // The position along an axis in pixels, the pixel before it, and the distance between the two.
        let along = |axis: isize, size: usize| {
            let (place, last) = (grid.index_axis(3, axis).reshape(&[n, 1, points]), size as f64 - 1.0);
            let place = match align {
                Align::Centers => ((place + T::one()) * T::of(size as f64) - T::one()) * T::of(0.5),
                // On an axis of one pixel, all positions are at its center, including infinite ones.
                Align::Corners if size == 1 => place.hardtanh(-1.0, 1.0) * T::zero(),
                Align::Corners => (place + T::one()) * T::of(0.5 * last),
            };
            // Two pixels beyond the edge, everything is zero. Without the clamp, an infinite position would have the
            // fraction ∞ - ∞.
            let (place, margin) = match beyond {
                Beyond::Zeros => (place, 2.0),
                Beyond::Border => (place, 0.0),
                Beyond::Reflection => (mirrored(place, size, align), 0.0),
            };
            // Its derivative is 0 at the bounds too, since the image extends beyond the border with a constant value.
            let place = place.hardtanh(-margin, last + margin);
            let before = place.floor();
            (before, place - before)
        };
        let ((left, right_part), (top, bottom_part)) = (along(0, w), along(1, h));
        let pixels = x.reshape(&[n, c, h * w]);
        let mut sum = None;
        for (down, right) in [(false, false), (false, true), (true, false), (true, true)] {
            let next = |before: Var<'t, T>, part: Var<'t, T>, next: bool| match next {
                true => (before + T::one(), part),
                false => (before, -part + T::one()),
            };
            let ((column, part), (row, row_part)) = (next(left, right_part, right), next(top, bottom_part, down));
            let at = row.clamp(0.0, h as f64 - 1.0) * T::of(w as f64) + column.clamp(0.0, w as f64 - 1.0);
            let at = at.broadcast_to(&[n, c, points]).to_integers();
            // Beyond the edge the value is 0, not a pixel times 0, since the pixel may be infinite. At the border, only the
            // pixel after the last one lies beyond, and its weight is 0.
            let inside = |at: Var<'t, T>, size: usize| at.is_ge(T::zero()) & at.is_lt(T::of(size as f64));
            let (inside, nothing) = (inside(column, w) & inside(row, h), x.tape().constant(T::zero()));
            let term = inside.try_choose(pixels.try_gather(2, at)?, nothing)? * (part * row_part);
            sum = Some(sum.map_or(term, |sum| sum + term));
        }
        sum.expect("four corners").try_reshape(&[n, c, rows, columns])
    }
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

/// Writes elements into zeros at the positions that max pooling found: the result has `D` last axes of the given `size`,
/// and the index of an element counts along them in row-major order.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::max_unpool;
/// let x = Tape::<f64>::new();
/// let x = x.var([[[5.0, 7.0]]]);
/// assert_eq!(max_unpool(x, tensor![[[1_i64, 2]]], [4])?.value(), tensor![[[0.0, 5.0, 7.0, 0.0]]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the indices do not have the shape of the elements, or are out of range.
#[track_caller]
pub fn max_unpool<'t, T: Float, const D: usize>(
    x: Var<'t, T>,
    index: impl Into<Index<Var<'t, T>>>,
    size: [usize; D],
) -> Result<Var<'t, T>> {
    unpooled(x, index.into().on(x.tape()), &size)
}

once! {
    fn unpooled<'t, T>(x: Var<'t, T>, index: Ints<'t, T>, size: &[usize]) -> Result<Var<'t, T>> {
        let shape = x.shape();
        if index.shape() != shape || shape.len() < size.len() {
            let hint = format!("there must be an index for each element, got {:?}", index.shape());
            return Err(Error::Shape { op: "max_unpool", shape: shape.as_slice().into(), hint });
        }
        let (outer, inner) = shape.split_at(shape.len() - size.len());
        let with = |last: &[usize]| outer.iter().chain(last).copied().collect::<Shape>();
        let [from, to] = [with(&[inner.iter().product()]), with(&[size.iter().product()])];
        let zeros = x.tape().constant(Tensor::zeros(&to));
        let index = index.reshape(&from).try_within("max_unpool", size.iter().product())?;
        let y = zeros.try_scatter(-1, index, x.reshape(&from))?;
        y.try_reshape(&with(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Precision, Tape, gradcheck, tensor};

    fn image() -> Tensor<f64> {
        Tensor::from_fn(&[1, 2, 3, 4], |at| ((12 * at[1] + 4 * at[2] + at[3]) * 7 % 11) as f64 * 0.25 - 1.0)
    }

    fn grid() -> Tensor<f64> {
        tensor![[[[-0.9, 0.2], [0.31, -0.47], [1.3, 0.1]], [[-1.0, -1.0], [0.05, 0.93], [2.5, -3.0]]]]
    }

    /// Values and derivatives of Σ 0.1 k y from PyTorch 2.15, written out there; those of pixels by the first channel.
    #[test]
    fn samples_are_those_of_pytorch() {
        let all = [
            (
                (Beyond::Zeros, Align::Centers),
                [0.0875, 0.30515, 0.0, -0.25, 0.242, 0.0, -0.035, 1.01125, 0.0, 0.1875, -0.363, 0.0],
                [0.1, 0.0, 0.12408, 0.01692, 0.049, 0.0, 0.05192, 0.00708, 0.021, 0.121, 0.1815, 0.0],
                [-0.045, 0.97125, -1.2245, -1.149, 0.0, 0.0, 0.35, 0.2625, -1.936, 0.69, 0.0, 0.0],
            ),
            (
                (Beyond::Zeros, Align::Corners),
                [0.1825, 0.5289875, 0.06875, -1.0, 0.4306875, 0.0, -0.02, 0.8272625, -0.33, 0.75, -0.4875, 0.0],
                [0.4, 0.00329, 0.09071, 0.0, 0.068, 0.030585, 0.122415, 0.1485, 0.017, 0.200625, 0.267375, 0.0165],
                [1.1925, 0.6775, 0.48825, -0.64225, 0.75375, 0.53625, -0.45, -0.65, -2.255625, -1.415625, 0.0, 0.0],
            ),
            (
                (Beyond::Border, Align::Centers),
                [0.125, 0.30515, 0.0625, -1.0, 0.4, 1.5, -0.05, 1.01125, -0.525, 0.75, -0.6, 0.5],
                [0.4, 0.0, 0.12408, 0.61692, 0.07, 0.0, 0.05192, 0.26208, 0.03, 0.2, 0.3, 0.045],
                [0.0, 1.3875, -1.2245, -1.149, 0.0, 1.4625, 0.0, 0.0, -3.2, 0.0, 0.0, 0.0],
            ),
            (
                (Beyond::Reflection, Align::Centers),
                [0.125, 0.30515, 0.1625, -1.0, 0.4, 0.125, -0.05, 1.01125, -0.46625, 0.75, -0.6, 0.5],
                [0.4, 0.0, 0.12408, 0.01692, 0.07, 0.0, 0.07742, 0.23658, 0.33, 0.5, 0.3045, 0.0405],
                [0.0, 1.3875, -1.2245, -1.149, 1.6575, 1.09125, 0.0, 0.0, -3.2, 0.0, 0.3, 0.0],
            ),
            (
                (Beyond::Reflection, Align::Corners),
                [0.1825, 0.5289875, 0.575, -1.0, 0.4306875, 0.5625, -0.02, 0.8272625, -0.27375, 0.75, -0.4875, 0.25],
                [0.4, 0.00329, 0.09071, 0.0, 0.068, 0.030585, 0.243915, 0.1485, 0.167, 0.650625, 0.280875, 0.0165],
                [1.1925, 0.6775, 0.48825, -0.64225, 1.42875, -0.13875, 0.0, 0.0, -2.255625, -1.415625, 0.225, 0.0],
            ),
        ];
        for ((beyond, align), value, by_pixel, by_place) in all {
            let tape = Tape::<f64>::new();
            let (x, g) = (tape.var(image()), tape.var(grid()));
            let y = grid_sample(x, g, beyond, align).unwrap();
            let factors = Tensor::from_fn(&[1, 2, 2, 3], |at| 0.1 * (1 + 6 * at[1] + 3 * at[2] + at[3]) as f64);
            let gradients = (y * tape.constant(factors)).sum().backward();
            let first = gradients.wrt(x).slice_axis(1, 0..1);
            for (found, expected) in [(y.value(), &value), (first, &by_pixel), (gradients.wrt(g), &by_place)] {
                let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13);
                assert!(near && found.len() == 12, "{beyond:?} {align:?}: {found} is not {expected:?}");
            }
        }
    }

    /// Values and derivatives from PyTorch 2.15.
    #[test]
    fn grids_of_affine_maps_are_those_of_pytorch() {
        let all = [
            (
                Align::Centers,
                [-17.0 / 60.0, -11.0 / 12.0, 0.25, -0.75, 47.0 / 60.0, -7.0 / 12.0],
                [16.0 / 3.0, 9.0, 30.0, 16.0 / 3.0, 9.0, 36.0, 16.0 / 3.0, 9.0, 102.0, 16.0 / 3.0, 9.0, 108.0],
                [-0.3, -0.325, 0.5, -0.075, -0.5, 0.0, 0.5, 0.0],
            ),
            (
                Align::Corners,
                [-0.4, -1.55, 0.4, -1.3, 1.2, -1.05],
                [8.0, 18.0, 30.0, 8.0, 18.0, 36.0, 8.0, 18.0, 102.0, 8.0, 18.0, 108.0],
                [-0.7, -0.45, 0.9, 0.05, -1.0, 0.0, 1.0, 0.0],
            ),
        ];
        let near = |x: &Tensor<f64>, y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-13);
        for (align, first_row, by_map, one_row) in all {
            let tape = Tape::<f64>::new();
            tape.set_precision(Precision::Bf16); // positions are never rounded
            let maps = tape.var([[[0.8, -0.3, 0.1], [0.25, 1.1, -0.2]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]);
            let grid = affine_grid(maps, [2, 3], align).unwrap();
            assert_eq!(grid.shape().as_slice(), [2, 2, 3, 2]);
            assert!(near(&grid.value().slice_axis(0, 0..1).slice_axis(1, 0..1), &first_row));
            let factors = tape.constant(Tensor::arange(24).reshape(&[2, 2, 3, 2]));
            assert!(near(&(grid * factors).sum().backward().wrt(maps), &by_map));
            assert!(near(&affine_grid(maps, [1, 2], align).unwrap().value(), &one_row));
            assert!(affine_grid(grid, [1, 2], align).is_err());
        }
    }

    #[test]
    fn derivatives_are_right() {
        fn squares<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
            grid_sample(x[0], x[1], Beyond::Zeros, Align::Centers).unwrap().square().sum()
        }
        gradcheck(squares, &[image(), grid()]).unwrap();
    }

    #[test]
    fn infinite_places_are_beyond_the_edge() {
        let tape = Tape::<f64>::new();
        let (x, g) = (tape.var([[[[1.0, 3.0]]]]), tape.var([[[[f64::INFINITY, 0.0], [-1e300, 0.0]]]]));
        for (beyond, expected) in [(Beyond::Zeros, [0.0, 0.0]), (Beyond::Border, [3.0, 1.0])] {
            let y = grid_sample(x, g, beyond, Align::Centers).unwrap();
            assert_eq!(y.value().to_vec(), expected);
            assert_eq!(y.sum().backward().wrt(g), Tensor::zeros(&[1, 1, 2, 2]));
        }
        for beyond in [Beyond::Border, Beyond::Reflection] {
            let one = grid_sample(tape.var([[[[5.0]]]]), g, beyond, Align::Corners).unwrap();
            assert_eq!(one.value().to_vec(), [5.0, 5.0]);
        }
        assert!(grid_sample(x, g, Beyond::Reflection, Align::Centers).is_err());
    }

    #[test]
    fn pixels_that_the_type_cannot_count_are_an_error() {
        let tape = Tape::<f32>::new();
        let x = tape.constant(Tensor::zeros(&[1, 1, 1, 1])).broadcast_to(&[1, 1, 1 << 12, (1 << 12) + 1]);
        let error = grid_sample(x, tape.var([[[[0.0, 0.0]]]]), Beyond::Zeros, Align::Centers).unwrap_err().to_string();
        assert!(error.contains("16781312 pixels") && error.contains("use f64"), "{error}");
    }

    /// The last pixel extends beyond the border instead of falling to 0. Values and derivatives from PyTorch 2.15.
    #[test]
    fn the_derivative_at_the_border_is_not_that_of_zeros() {
        let tape = Tape::<f64>::new();
        let x = tape.var([[[[1.0, 3.0], [2.0, 5.0]]]]);
        let g = tape.var([[[[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]]]]);
        let y = grid_sample(x, g, Beyond::Border, Align::Corners).unwrap();
        let by_place = y.sum().backward().wrt(g).to_vec();
        assert_eq!(y.value().to_vec(), [1.0, 5.0, 2.0, 2.75]);
        assert_eq!(by_place, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.25, 0.75]);
    }

    /// Values from PyTorch 2.15.
    #[test]
    fn an_infinite_pixel_is_not_read_beyond_the_edge() {
        let tape = Tape::<f64>::new();
        let x = tape.constant([[[[f64::INFINITY, 3.0]]]]);
        let g = tape.constant([[[[-1.25, 0.0], [-0.75, 0.0], [0.9, 0.0], [-3.0, 0.0]]]]);
        for (beyond, last) in [(Beyond::Zeros, [1.8, 0.0]), (Beyond::Border, [3.0, f64::INFINITY])] {
            let y = grid_sample(x, g, beyond, Align::Centers).unwrap().value().to_vec();
            assert!(y[..2] == [f64::INFINITY; 2] && (y[2] - last[0]).abs() < 1e-14 && y[3] == last[1], "{y:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let tape = Tape::<f64>::new();
        let (x, g) = (tape.var(image()), tape.var(grid()));
        assert!(grid_sample(x, x, Beyond::Zeros, Align::Centers).is_err());
        let two = tape.var(Tensor::zeros(&[2, 2, 3, 2]));
        assert!(
            grid_sample(x, two, Beyond::Zeros, Align::Centers).unwrap_err().to_string().contains("a grid for each")
        );
        assert!(grid_sample(x, g * f64::NAN, Beyond::Zeros, Align::Centers).is_err());
        let y = tape.var([[[5.0, 7.0]]]);
        assert!(max_unpool(y, tensor![[[1_i64, 4]]], [4]).unwrap_err().to_string().contains("4"));
        let error = max_unpool(y, tensor![[[0_i64, -1]]], [4]).unwrap_err().to_string();
        assert!(error.contains("max_unpool: index -1"), "{error}");
        assert!(max_unpool(y, tensor![1_i64, 2], [4]).is_err());
    }
}
