//! The optimizers of the crate `argmin`, with values, gradients, Jacobians and Hessians from here, and tensors as points.

use argmin::core::{CostFunction, Error, Executor, Gradient, Hessian, IterState, Jacobian, Operator, Solver};
use argmin::solver::gaussnewton::GaussNewton;
use argmin::solver::gradientdescent::SteepestDescent;
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::newton::Newton;
use argmin::solver::quasinewton::{BFGS, LBFGS};
use argmin::solver::trustregion::{Steihaug, TrustRegion};
use autograd::transform::{grad, hessian, jacobian};
use autograd::{Tape, Tensor, Var, tensor};

type Point = Tensor<f64>;

/// Rosenbrock's function.
struct Valley;

fn valley<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (x, next) = (x[0].slice(0, ..-1), x[0].slice(0, 1..));
    ((next - x.square()).square() * 100.0 + (1.0 - x).square()).sum()
}

impl CostFunction for Valley {
    type Param = Point;
    type Output = f64;
    fn cost(&self, x: &Point) -> Result<f64, Error> {
        let tape = Tape::new();
        Ok(valley(&[tape.constant(x.clone())]).item())
    }
}

impl Gradient for Valley {
    type Param = Point;
    type Gradient = Point;
    fn gradient(&self, x: &Point) -> Result<Point, Error> {
        Ok(grad(valley, &[x]).swap_remove(0))
    }
}

impl Hessian for Valley {
    type Param = Point;
    type Hessian = Point;
    fn hessian(&self, x: &Point) -> Result<Point, Error> {
        Ok(hessian(valley, &[x]).swap_remove(0).swap_remove(0))
    }
}

/// Residuals a e⁻ᵇᵗ - y of an exponential decay.
struct Decay;

const TIMES: [f64; 5] = [0.0, 1.0, 2.0, 3.0, 4.0];

fn residuals<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let times = x[0].tape().constant(TIMES);
    let data = x[0].tape().constant(TIMES.map(|t| 2.0 * (-0.7 * t).exp()));
    x[0].index_axis(0, 0) * (-x[0].index_axis(0, 1) * times).exp() - data
}

impl Operator for Decay {
    type Param = Point;
    type Output = Point;
    fn apply(&self, x: &Point) -> Result<Point, Error> {
        let tape = Tape::new();
        Ok(residuals(&[tape.constant(x.clone())]).value())
    }
}

impl Jacobian for Decay {
    type Param = Point;
    type Jacobian = Point;
    fn jacobian(&self, x: &Point) -> Result<Point, Error> {
        Ok(jacobian(residuals, &[x]).swap_remove(0))
    }
}

/// The point that a solver finds from (-1.2, 1).
fn minimum<S, H>(solver: S, most: u64, inverse: Option<H>) -> Point
where
    S: Solver<Valley, IterState<Point, Point, (), H, (), f64>>,
{
    let begin = |state: IterState<Point, Point, (), H, (), f64>| {
        let state = state.param(tensor![-1.2, 1.0]).max_iters(most);
        match inverse {
            Some(inverse) => state.inv_hessian(inverse),
            None => state,
        }
    };
    let result = Executor::new(Valley, solver).configure(begin).run().unwrap();
    result.state.best_param.or(result.state.param).unwrap()
}

fn close(found: &Point, expected: [f64; 2], tolerance: f64) {
    let error = (found - Tensor::from(expected)).abs().max().item();
    assert!(error < tolerance, "{found}, off by {error}");
}

#[test]
fn newton_with_the_exact_hessian() {
    close(&minimum::<_, Point>(Newton::new(), 10, None), [1.0, 1.0], 1e-10);
}

#[test]
fn quasi_newton_methods_with_the_gradient() {
    let search = MoreThuenteLineSearch::new;
    close(&minimum::<_, ()>(LBFGS::<_, Point, Point, f64>::new(search(), 5), 100, None), [1.0, 1.0], 1e-5);
    close(&minimum::<_, Point>(BFGS::new(search()), 100, Some(tensor![[1.0, 0.0], [0.0, 1.0]])), [1.0, 1.0], 1e-5);
    let descended = minimum::<_, ()>(SteepestDescent::new(search()), 200, None);
    assert!(Valley.cost(&descended).unwrap() < Valley.cost(&tensor![-1.2, 1.0]).unwrap() / 10.0);
}

#[test]
fn a_trust_region_with_the_exact_hessian() {
    close(&minimum::<_, Point>(TrustRegion::new(Steihaug::new().with_max_iters(20)), 100, None), [1.0, 1.0], 1e-6);
}

#[test]
fn gauss_newton_with_the_jacobian() {
    let begin = |state: IterState<Point, (), Point, (), Point, f64>| state.param(tensor![1.0, 1.0]).max_iters(20);
    let result = Executor::new(Decay, GaussNewton::new()).configure(begin).run().unwrap();
    close(&result.state.param.unwrap(), [2.0, 0.7], 1e-8);
}

#[test]
fn a_singular_matrix_is_an_error() {
    let matrix: Tensor<f64> = tensor![[1.0, 2.0], [2.0, 4.0]];
    let error = argmin_math::ArgminInv::inv(&matrix).unwrap_err().to_string();
    assert!(error.contains("singular"), "{error}");
}
