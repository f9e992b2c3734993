//! Three problems, each written once in operations that all numbers share: the numbers of `scalar` and everything that
//! implements `num_traits::Float`, those of `num-dual`, and variables on the tape of tensors.

use autograd::transform::jacobian;
use autograd::{Tensor, Var};
use nalgebra::SVector;
use num_dual::{Dual2SVec64, DualSVec64};
use num_traits::Float;
use scalar::{Dual, Dual2, Rec, Scope, Taylor};

/// a e⁻ᵇᵗ - data at t = 0, 1, 2, 3
macro_rules! residuals {
    ([$a:ident, $b:ident]) => {
        [$a - 2.0, $a * ($b * -1.0).exp() - 1.0, $a * ($b * -2.0).exp() - 0.5, $a * ($b * -3.0).exp() - 0.25]
    };
}

/// Predators and prey after the time 2, by 100 steps of the classical Runge-Kutta method.
macro_rules! populations {
    ([$birth:ident, $death:ident], $start:expr) => {{
        let mut y = $start;
        for _ in 0..100 {
            let slope = |[prey, predators]: [_; 2]| [prey * ($birth - predators), predators * (prey - $death)];
            let [p, q] = y;
            let [a, b] = slope(y);
            let [c, d] = slope([p + a * 0.01, q + b * 0.01]);
            let [e, f] = slope([p + c * 0.01, q + d * 0.01]);
            let [g, h] = slope([p + e * 0.02, q + f * 0.02]);
            y = [p + (a + (c + e) * 2.0 + g) * (0.02 / 6.0), q + (b + (d + f) * 2.0 + h) * (0.02 / 6.0)];
        }
        y
    }};
}

/// The distance of two points on a sphere of radius 1, of their latitudes and longitudes (the haversine formula).
macro_rules! distance {
    ([$lat:ident, $lon:ident, $other_lat:ident, $other_lon:ident]) => {{
        let [a, b] = [(($other_lat - $lat) * 0.5).sin(), (($other_lon - $lon) * 0.5).sin()];
        (a * a + $lat.cos() * $other_lat.cos() * b * b).sqrt().asin() * 2.0
    }};
}

/// Numbers of `num_traits` that mix with plain ones.
pub trait Number:
    Float + std::ops::Add<f64, Output = Self> + std::ops::Sub<f64, Output = Self> + std::ops::Mul<f64, Output = Self>
{
}

impl<S> Number for S where
    S: Float + std::ops::Add<f64, Output = S> + std::ops::Sub<f64, Output = S> + std::ops::Mul<f64, Output = S>
{
}

/// The residuals of a fit of exponential decay.
pub fn residuals<S: Number>([a, b]: [S; 2]) -> [S; 4] {
    residuals!([a, b])
}

/// Predators and prey after some time.
pub fn populations<S: Number>([birth, death]: [S; 2]) -> [S; 2] {
    populations!([birth, death], [1.5, 0.5].map(|c| S::from(c).expect("a number")))
}

/// The distance of two points on a sphere.
pub fn distance<S: Number>([lat, lon, other_lat, other_lon]: [S; 4]) -> S {
    distance!([lat, lon, other_lat, other_lon])
}

/// The same with `num-dual`.
pub mod with_num_dual {
    use super::{Dual2SVec64, DualSVec64};
    use nalgebra::SVector;
    use num_dual::DualNum;

    /// The residuals of a fit of exponential decay.
    pub fn residuals(x: SVector<DualSVec64<2>, 2>) -> SVector<DualSVec64<2>, 4> {
        let [a, b] = x.into();
        SVector::from(residuals!([a, b]))
    }

    /// Predators and prey after some time.
    pub fn populations(x: SVector<DualSVec64<2>, 2>) -> SVector<DualSVec64<2>, 2> {
        let [birth, death] = x.into();
        SVector::from(populations!([birth, death], [1.5, 0.5].map(DualSVec64::<2>::from)))
    }

    /// The distance of two points on a sphere.
    pub fn distance(x: SVector<Dual2SVec64<4>, 4>) -> Dual2SVec64<4> {
        let [lat, lon, other_lat, other_lon] = x.into();
        distance!([lat, lon, other_lat, other_lon])
    }
}

/// The same on the tape of tensors, of one vector of variables.
pub mod with_tensors {
    use super::Var;

    fn elements<'t, const N: usize>(x: &[Var<'t, f64>]) -> [Var<'t, f64>; N] {
        std::array::from_fn(|i| x[0].index_axis(0, i as isize))
    }

    /// The residuals of a fit of exponential decay.
    pub fn residuals<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let [a, b] = elements(x);
        Var::stack(&residuals!([a, b]), 0)
    }

    /// Predators and prey after some time.
    pub fn populations<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let [birth, death] = elements(x);
        Var::stack(&populations!([birth, death], [1.5, 0.5].map(|c| x[0].tape().constant(c))), 0)
    }

    /// The distance of two points on a sphere.
    pub fn distance<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let [lat, lon, other_lat, other_lon] = elements(x);
        distance!([lat, lon, other_lat, other_lon])
    }
}

/// A function of two variables with each number.
pub struct Problem<const M: usize> {
    /// Where it is differentiated.
    pub at: [f64; 2],
    /// The values alone.
    pub plain: fn([f64; 2]) -> [f64; M],
    /// With both directions.
    pub dual: fn([Dual<f64, 2>; 2]) -> [Dual<f64, 2>; M],
    /// Twice along one direction.
    pub twice: fn([Dual2<f64>; 2]) -> [Dual2<f64>; M],
    /// As a power series along one direction.
    pub series: fn([Taylor<f64, 3>; 2]) -> [Taylor<f64, 3>; M],
    /// In reverse mode.
    pub rec: fn([Rec<f64>; 2]) -> [Rec<f64>; M],
    /// With `num-dual`.
    pub num_dual: fn(SVector<DualSVec64<2>, 2>) -> SVector<DualSVec64<2>, M>,
    /// On the tape of tensors.
    pub tensors: for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>,
}

/// A fit by least squares.
pub const LEAST_SQUARES: Problem<4> = Problem {
    at: [1.8, 0.6],
    plain: residuals,
    dual: residuals,
    twice: residuals,
    series: residuals,
    rec: residuals,
    num_dual: with_num_dual::residuals,
    tensors: with_tensors::residuals,
};

/// An ordinary differential equation.
pub const EQUATION: Problem<2> = Problem {
    at: [1.0, 0.8],
    plain: populations,
    dual: populations,
    twice: populations,
    series: populations,
    rec: populations,
    num_dual: with_num_dual::populations,
    tensors: with_tensors::populations,
};

impl<const M: usize> Problem<M> {
    /// The point as a tensor.
    pub fn point(&self) -> Tensor<f64> {
        self.at.into_iter().collect()
    }

    /// The Jacobian by `Dual`: one evaluation.
    pub fn by_dual(&self) -> [[f64; 2]; M] {
        scalar::jacobian(self.dual, self.at).1
    }

    /// The Jacobian by `Rec`: one recording, and one sweep for each row.
    pub fn by_rec(&self) -> [[f64; 2]; M] {
        let scope = Scope::open();
        let x = self.at.map(|x| scope.variable(x));
        (self.rec)(x).map(|y| scope.gradient(y, &x).try_into().expect("two variables"))
    }

    /// The Jacobian by `num-dual`.
    pub fn by_num_dual(&self) -> [[f64; 2]; M] {
        let (_, rows) = num_dual::jacobian(self.num_dual, &self.at.into());
        std::array::from_fn(|i| [rows[(i, 0)], rows[(i, 1)]])
    }

    /// The Jacobian on the tape of tensors, of a [`point`](Problem::point).
    pub fn by_tensors<'t>(&self, x: &[Var<'t, f64>]) -> Var<'t, f64> {
        jacobian(self.tensors, &[x[0]])[0]
    }
}
