//! `levenberg-marquardt`, with the Jacobian, and the derivatives of the fit, from dual numbers.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra_of_levenberg_marquardt::{Matrix2, Owned, SMatrix, SVector, U2, U5};
use num_traits::Float;
use scalar::{Dual, HyperDual};

const DATA: [f64; 5] = [2.1, 1.3, 0.75, 0.44, 0.3];

/// a e⁻ᵇᵗ minus the data, which are half a second apart.
fn residuals<S: Float>([a, b]: [S; 2], data: [f64; 5]) -> [S; 5] {
    let c = |c: f64| S::from(c).unwrap();
    std::array::from_fn(|i| a * (-b * c(i as f64 * 0.5)).exp() - c(data[i]))
}

struct Fit {
    data: [f64; 5],
    parameters: SVector<f64, 2>,
}

impl LeastSquaresProblem<f64, U5, U2> for Fit {
    type ResidualStorage = Owned<f64, U5>;
    type JacobianStorage = Owned<f64, U5, U2>;
    type ParameterStorage = Owned<f64, U2>;

    fn set_params(&mut self, x: &SVector<f64, 2>) {
        self.parameters = *x;
    }

    fn params(&self) -> SVector<f64, 2> {
        self.parameters
    }

    fn residuals(&self) -> Option<SVector<f64, 5>> {
        Some(residuals(self.parameters.into(), self.data).into())
    }

    fn jacobian(&self) -> Option<SMatrix<f64, 5, 2>> {
        let (_, rows) = scalar::jacobian(|x| residuals::<Dual<f64, 2>>(x, self.data), self.parameters.into());
        Some(SMatrix::from_fn(|i, j| rows[i][j]))
    }
}

fn fit(data: [f64; 5]) -> [f64; 2] {
    let start = Fit { data, parameters: [1.0, 1.0].into() };
    let (fit, report) = LevenbergMarquardt::new().minimize(start);
    assert!(report.termination.was_successful(), "{:?}", report.termination);
    fit.parameters.into()
}

/// Half the sum of squares.
fn loss<S: Float>(x: [S; 2], data: [f64; 5]) -> S {
    residuals(x, data).into_iter().fold(S::zero(), |sum, r| sum + r * r) / S::from(2.0).unwrap()
}

/// The gradient and the Hessian of the loss.
fn slopes(x: [f64; 2], data: [f64; 5]) -> (SVector<f64, 2>, Matrix2<f64>) {
    let (_, gradient, hessian) = scalar::hessian(|x| loss::<HyperDual<f64, 2>>(x, data), x);
    (gradient.into(), Matrix2::from_fn(|i, j| hessian[i][j]))
}

#[test]
fn levenberg_marquardt_finds_the_minimum_with_our_jacobian() {
    let found = fit(DATA);
    let (gradient, _) = slopes(found, DATA);
    assert!(gradient.amax() < 1e-7, "{gradient}");
    assert!((found[0] - 2.1).abs() < 0.05 && (found[1] - 1.0).abs() < 0.1, "{found:?}");
}

/// At the minimum the gradient is 0 whatever the data, so H dx = -d(gradient) = Jᵀ d(data).
#[test]
fn the_fit_moves_with_the_data_as_the_hessian_says() {
    // The solver stops at half the digits of the minimum; one step of Newton's method finds the others.
    let minimum = |data: [f64; 5]| -> SVector<f64, 2> {
        let x = fit(data);
        let (gradient, hessian) = slopes(x, data);
        SVector::from(x) - hessian.lu().solve(&gradient).expect("the minimum is strict")
    };
    let x = minimum(DATA);
    let (_, hessian) = slopes(x.into(), DATA);
    let (_, rows) = scalar::jacobian(|x| residuals::<Dual<f64, 2>>(x, DATA), x.into());
    for (i, row) in rows.into_iter().enumerate() {
        let predicted = hessian.lu().solve(&SVector::from(row)).expect("the minimum is strict");
        let moved = |h: f64| {
            let mut data = DATA;
            data[i] += h;
            minimum(data)
        };
        let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
        assert!((predicted - slope).amax() < 1e-5, "{predicted} not {slope} for datum {i}");
    }
}
