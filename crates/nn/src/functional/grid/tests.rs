//! Samples and their derivatives compared with PyTorch, and bad input.

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
    all.iter().for_each(|case| check(Sampling::Bilinear, case, 1e-13));
}

/// As above, for the other kinds of sampling; numbers from PyTorch 2.15, rounded to seven digits.
#[test]
fn other_samplings_are_those_of_pytorch() {
    let bicubic = [
        (
            (Beyond::Zeros, Align::Centers),
            [
                0.252707, 0.3064887, 0.0015524, -0.4265137, 0.3857403, 0.0, -0.2606224, 1.3410861, 0.0394457,
                0.3171387, -0.7283367, 0.0,
            ],
            [
                0.1318511, -0.0327073, 0.162199, 0.0197859, 0.0507357, -0.0350453, 0.0229693, -0.0045262, 0.0009842,
                0.1640202, 0.2524286, -0.0427987,
            ],
            [
                -0.1103678, 1.4893106, -0.4842581, -0.9036649, 0.559485, -0.0416598, 0.6451172, 0.4776855, -2.5893896,
                1.3203377, 0.0, 0.0,
            ],
        ),
        (
            (Beyond::Border, Align::Centers),
            [
                0.3757121, 0.3092938, -0.0112109, -1.3288574, 0.6236265, 1.5, -0.3610871, 1.1723459, -0.6600703,
                0.9851074, -1.0622189, 0.5,
            ],
            [
                0.4662751, -0.0499244, 0.1408707, 0.5901327, 0.0551776, -0.0350453, 0.0229693, 0.2983235, -0.0089277,
                0.2525055, 0.390112, -0.0224689,
            ],
            [
                0.0888891, 1.6968734, -0.621304, -0.9904238, 0.0, 0.5876719, 0.1705078, 0.2263184, -4.0046599,
                0.2407507, 0.0, 0.0,
            ],
        ),
        (
            (Beyond::Reflection, Align::Corners),
            [
                0.3398667, 0.5165503, 0.6016799, -1.0, 0.6578729, 0.6474609, -0.2339307, 1.0836866, -0.5319807, 0.75,
                -0.827531, 0.3671875,
            ],
            [
                0.3908804, 0.003202, 0.1017239, -0.0145259, 0.0847996, -0.0123996, 0.236244, 0.1885522, 0.1375861,
                0.7489352, 0.2691263, -0.0341242,
            ],
            [
                1.0377906, 0.8729061, -0.2977847, -0.6423505, 1.7757923, -0.5795798, 0.0, 0.0, -2.8417701, -0.5877744,
                0.6644531, 0.0,
            ],
        ),
    ];
    let nearest = [
        (
            (Beyond::Zeros, Align::Centers),
            [0.5, -0.25, 0.0, -1.0, 0.0, 0.0, -0.5, 1.5, 0.0, 0.75, -1.0, 0.0],
            [0.4, 0.0, 0.2, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0],
            [0.0; 12],
        ),
        (
            (Beyond::Reflection, Align::Corners),
            [0.5, 1.25, 0.25, -1.0, 0.0, 1.0, -0.5, 0.25, -0.75, 0.75, -1.0, 0.0],
            [0.4, 0.0, 0.0, 0.0, 0.1, 0.0, 0.2, 0.3, 0.0, 0.6, 0.5, 0.0],
            [0.0; 12],
        ),
    ];
    bicubic.iter().for_each(|case| check(Sampling::Bicubic, case, 1e-7));
    nearest.iter().for_each(|case| check(Sampling::Nearest, case, 1e-13));
}

type Case = ((Beyond, Align), [f64; 12], [f64; 12], [f64; 12]);

/// Compares values and derivatives of Σ 0.1 k y; those of pixels for the first channel.
fn check(sampling: Sampling, ((beyond, align), value, by_pixel, by_place): &Case, tolerance: f64) {
    let tape = Tape::<f64>::new();
    let (x, g) = (tape.var(image()), tape.var(grid()));
    let y = grid_sample_with(x, g, sampling, *beyond, *align).unwrap();
    let factors = Tensor::from_fn(&[1, 2, 2, 3], |at| 0.1 * (1 + 6 * at[1] + 3 * at[2] + at[3]) as f64);
    let gradients = (y * tape.constant(factors)).sum().backward();
    let first = gradients.wrt(x).slice_axis(1, 0..1);
    for (found, expected) in [(y.value(), value), (first, by_pixel), (gradients.wrt(g), by_place)] {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < tolerance);
        assert!(near && found.len() == 12, "{sampling:?} {beyond:?} {align:?}: {found} is not {expected:?}");
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
    fn bicubic<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        grid_sample_with(x[0], x[1], Sampling::Bicubic, Beyond::Border, Align::Centers).unwrap().square().sum()
    }
    gradcheck(squares, &[image(), grid()]).unwrap();
    gradcheck(bicubic, &[image(), grid()]).unwrap();
}

#[test]
fn infinite_places_are_beyond_the_edge() {
    let tape = Tape::<f64>::new();
    let (x, g) = (tape.var([[[[1.0, 3.0]]]]), tape.var([[[[f64::INFINITY, 0.0], [-1e300, 0.0]]]]));
    for (beyond, expected) in [(Beyond::Zeros, [0.0, 0.0]), (Beyond::Border, [3.0, 1.0])] {
        let y = grid_sample(x, g, beyond, Align::Centers).unwrap();
        assert_eq!(y.value().to_vec(), expected);
        assert_eq!(y.sum().backward().wrt(g), Tensor::zeros(&[1, 1, 2, 2]));
        for sampling in [Sampling::Nearest, Sampling::Bicubic] {
            let y = grid_sample_with(x, g, sampling, beyond, Align::Centers).unwrap().value();
            assert!(y.iter().zip(expected).all(|(y, x)| (y - x).abs() < 1e-14), "{sampling:?} {beyond:?}: {y}");
        }
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
    assert!(grid_sample(x, two, Beyond::Zeros, Align::Centers).unwrap_err().to_string().contains("a grid for each"));
    assert!(grid_sample(x, g * f64::NAN, Beyond::Zeros, Align::Centers).is_err());
}
