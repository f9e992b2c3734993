//! Three problems with every number: all agree with differences and with each other.

use autograd::transform::hessian;
use autograd::{Tape, tensor};
use nalgebra::SVector;
use scalar::{Dual, HyperDual, Rec, Taylor};
use wengert_published::problems::{EQUATION, LEAST_SQUARES, Problem, distance, with_num_dual, with_tensors};

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

/// Checks the Jacobian of a problem with each number.
fn check<const M: usize>(problem: &Problem<M>) {
    let &Problem { at, plain, twice, series, .. } = problem;
    let dual = problem.by_dual();
    close(dual.as_flattened(), differences(plain, at).as_flattened(), 1e-8);
    close(problem.by_rec().as_flattened(), dual.as_flattened(), 1e-13);
    close(problem.by_num_dual().as_flattened(), dual.as_flattened(), 1e-13);
    let tape = Tape::new();
    let tensors = problem.by_tensors(&[tape.var(problem.point())]).value();
    close(tensors.to_vec().iter(), dual.as_flattened(), 1e-13);
    // Along the first variable: the value, the derivative, and half of the second derivative.
    let twice = twice([Dual::variable(Dual::variable(at[0], 0), 0), Dual::constant(Dual::constant(at[1]))]);
    let series = series([Taylor::variable(at[0]), Taylor::constant(at[1])]);
    for (i, y) in plain(at).into_iter().enumerate() {
        let bend = twice[i].tangent[0].tangent[0];
        close(&[twice[i].value.value, twice[i].tangent[0].value], &[y, dual[i][0]], 1e-13);
        close(&series[i].coefficients(), &[y, dual[i][0], bend / 2.0], 1e-13);
    }
}

#[test]
fn least_squares() {
    check(&LEAST_SQUARES);
}

#[test]
fn an_ordinary_differential_equation() {
    check(&EQUATION);
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
