//! Three problems with every number: all agree with differences and with each other.

use autograd::transform::{hessian, jacobian};
use autograd::{Tensor, tensor};
use nalgebra::SVector;
use scalar::{Dual, Dual2, HyperDual, Rec, Scope, Taylor};
use wengert_published::problems::{distance, populations, residuals, with_num_dual, with_tensors};

const FIT: [f64; 2] = [1.8, 0.6];
const RATES: [f64; 2] = [1.0, 0.8];
const POINTS: [f64; 4] = [0.9, 0.2, 0.7, 1.4];

/// By central differences.
fn differences<const N: usize, const M: usize>(f: fn([f64; N]) -> [f64; M], x: [f64; N]) -> [[f64; N]; M] {
    let moved = |j: usize, h: f64| f(std::array::from_fn(|i| x[i] + if i == j { h } else { 0.0 }));
    let columns: [[[f64; M]; 2]; N] = std::array::from_fn(|j| [moved(j, 1e-5), moved(j, -1e-5)]);
    std::array::from_fn(|i| columns.map(|[more, less]| (more[i] - less[i]) / 2e-5))
}

#[track_caller]
fn close<'a>(got: impl IntoIterator<Item = &'a f64>, wanted: impl IntoIterator<Item = &'a f64>, tolerance: f64) {
    let (got, wanted): (Vec<_>, Vec<_>) = (got.into_iter().collect(), wanted.into_iter().collect());
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.into_iter().zip(wanted) {
        assert!((got - wanted).abs() <= tolerance * (1.0 + wanted.abs()), "{got} is not {wanted}");
    }
}

/// The Jacobian by reverse mode: one recording, and one sweep for each result.
fn by_rows<const M: usize>(f: fn([Rec<f64>; 2]) -> [Rec<f64>; M], x: [f64; 2]) -> Vec<Vec<f64>> {
    let scope = Scope::open();
    let x = x.map(|x| scope.variable(x));
    f(x).into_iter().map(|y| scope.gradient(y, &x)).collect()
}

/// Checks the Jacobian of one problem with each number.
fn check<const M: usize>(
    plain: fn([f64; 2]) -> [f64; M],
    [dual, num_dual, tensors]: [[[f64; 2]; M]; 3],
    reverse: Vec<Vec<f64>>,
    [twice, taylor]: [[[f64; 3]; M]; 2],
    x: [f64; 2],
) {
    close(dual.as_flattened(), differences(plain, x).as_flattened(), 1e-8);
    close(num_dual.as_flattened(), dual.as_flattened(), 1e-13);
    close(tensors.as_flattened(), dual.as_flattened(), 1e-13);
    close(reverse.iter().flatten(), dual.as_flattened(), 1e-13);
    // Along the first variable: the value, the derivative, and half of the second derivative.
    for (i, y) in plain(x).into_iter().enumerate() {
        close(&twice[i], &[y, dual[i][0], twice[i][2]], 1e-13);
        close(&taylor[i], &twice[i], 1e-13);
    }
}

fn of_dual2<const M: usize>(y: [Dual2<f64>; M]) -> [[f64; 3]; M] {
    y.map(|y| [y.value.value, y.value.tangent[0], y.tangent[0].tangent[0] / 2.0])
}

fn rows<const M: usize>(x: &Tensor<f64>) -> [[f64; 2]; M] {
    std::array::from_fn(|i| [x.at(&[i, 0]), x.at(&[i, 1])])
}

fn twice([x, y]: [f64; 2]) -> [Dual2<f64>; 2] {
    [Dual::variable(Dual::variable(x, 0), 0), Dual::constant(Dual::constant(y))]
}

fn taylor([x, y]: [f64; 2]) -> [Taylor<f64, 3>; 2] {
    [Taylor::variable(x), Taylor::constant(y)]
}

#[test]
fn least_squares() {
    let dual = scalar::jacobian(residuals::<Dual<f64, 2>>, FIT).1;
    let (_, theirs) = num_dual::jacobian(with_num_dual::residuals, &SVector::from(FIT));
    let theirs = std::array::from_fn(|i| [theirs[(i, 0)], theirs[(i, 1)]]);
    let tensors = rows(&jacobian(with_tensors::residuals, &[&tensor![1.8, 0.6]])[0]);
    let along = [of_dual2(residuals(twice(FIT))), residuals(taylor(FIT)).map(Taylor::coefficients)];
    check(residuals, [dual, theirs, tensors], by_rows(residuals, FIT), along, FIT);
}

#[test]
fn an_ordinary_differential_equation() {
    let dual = scalar::jacobian(populations::<Dual<f64, 2>>, RATES).1;
    let (_, theirs) = num_dual::jacobian(with_num_dual::populations, &SVector::from(RATES));
    let theirs = std::array::from_fn(|i| [theirs[(i, 0)], theirs[(i, 1)]]);
    let tensors = rows(&jacobian(with_tensors::populations, &[&tensor![1.0, 0.8]])[0]);
    let along = [of_dual2(populations(twice(RATES))), populations(taylor(RATES)).map(Taylor::coefficients)];
    check(populations, [dual, theirs, tensors], by_rows(populations, RATES), along, RATES);
}

#[test]
fn geometry() {
    let (y, dy, d2y) = scalar::hessian(distance::<HyperDual<f64, 4>>, POINTS);
    let gradient = scalar::gradient(distance::<Dual<f64, 4>>, POINTS).1;
    assert_eq!((y, dy), (distance(POINTS), gradient));
    close(&gradient, differences(|x| [distance(x)], POINTS).as_flattened(), 1e-8);
    let slope = |x| scalar::gradient(distance::<Dual<f64, 4>>, x).1;
    close(d2y.as_flattened(), differences(slope, POINTS).as_flattened(), 1e-8);

    let recorded = |x: &[Rec<f64>]| distance(x.try_into().unwrap());
    close(&scalar::record(recorded, &POINTS).1, &gradient, 1e-13);
    // A row of the Hessian, forward over reverse: the gradient of the derivative along the first coordinate.
    let along = |x: &[Rec<f64>]| {
        let mut x: [Dual<Rec<f64>, 1>; 4] = std::array::from_fn(|i| Dual::constant(x[i]));
        x[0] = Dual::variable(x[0].value, 0);
        distance(x).tangent[0]
    };
    close(&scalar::record(along, &POINTS).1, &d2y[0], 1e-12);

    let (_, _, theirs) = num_dual::hessian(with_num_dual::distance, &SVector::from(POINTS));
    close(theirs.iter(), d2y.as_flattened(), 1e-12);
    let tensors = hessian(with_tensors::distance, &[&tensor![0.9, 0.2, 0.7, 1.4]]);
    close(tensors[0][0].to_vec().iter(), d2y.as_flattened(), 1e-12);
}
