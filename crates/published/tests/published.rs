//! Crates that know nothing about derivatives, with the numbers of this one: the same generic function at `Dual` and
//! `Rec`, beside central differences of itself at `f64`.

use euclid::Angle;
use euclid::default::{Rotation2D, Rotation3D, Vector2D, Vector3D};
use nalgebra::{Matrix3, RealField, Vector3};
use num_complex::Complex;
use num_traits::Float;
use scalar::{Dual, HyperDual, Rec};

/// What generic numeric code asks of a number.
trait Number: RealField + Float {}
impl<S: RealField + Float> Number for S {}

/// A generic function of three variables.
trait Function {
    fn of<S: Number>(x: [S; 3]) -> S;
}

fn c<S: Number>(c: f64) -> S {
    <S as num_traits::NumCast>::from(c).unwrap()
}

const AT: [f64; 3] = [0.4, -0.7, 1.3];

/// Central differences, whose error is of the order of h⁴, of a function whose size is about 1.
fn differences(f: impl Fn([f64; 3]) -> f64) -> [f64; 3] {
    std::array::from_fn(|i| {
        let at = |h: f64| {
            let mut x = AT;
            x[i] += h;
            f(x)
        };
        let h = 1e-3;
        (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
    })
}

fn close(name: &str, found: [f64; 3], expected: [f64; 3]) {
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{name}: {found:?} instead of {expected:?}");
    }
}

fn check<F: Function>(name: &str) {
    let expected = differences(F::of::<f64>);
    let (y, dy) = scalar::gradient(F::of::<Dual<f64, 3>>, AT);
    assert!((y - F::of(AT)).abs() <= 1e-13 * (1.0 + y.abs()), "{name}: {y}");
    close(name, dy, expected);
    let (y, recorded) = scalar::record(|x: &[Rec<f64>]| F::of([x[0], x[1], x[2]]), &AT);
    assert!((y - F::of(AT)).abs() <= 1e-13 * (1.0 + y.abs()), "{name}: {y}");
    close(name, recorded.try_into().unwrap(), dy);
    let (_, _, hessian) = scalar::hessian(F::of::<HyperDual<f64, 3>>, AT);
    for (i, row) in hessian.into_iter().enumerate() {
        close(name, row, differences(|x| scalar::gradient(F::of::<Dual<f64, 3>>, x).1[i]));
    }
}

macro_rules! functions {
    ($($name:ident($x:ident: [$S:ident; 3]) $body:block)*) => { $(
        #[test]
        fn $name() {
            enum This {}
            impl Function for This {
                fn of<$S: Number>($x: [$S; 3]) -> $S $body
            }
            check::<This>(stringify!($name));
        }
    )* };
}

fn matrix<S: Number>(x: [S; 3]) -> Matrix3<S> {
    let one = S::one();
    Matrix3::new(
        c::<S>(2.0) + x[0],
        x[1],
        one,
        x[1] * x[2],
        c::<S>(3.0) - x[0],
        x[2],
        c(0.5),
        x[0] * x[0],
        c::<S>(-1.0) * x[2],
    )
}

functions! {
    nalgebra_lu(x: [S; 3]) {
        let solution = matrix(x).lu().solve(&Vector3::new(S::one(), x[0], x[2])).unwrap();
        solution[0] + solution[1] * solution[2]
    }
    nalgebra_inverse_and_determinant(x: [S; 3]) {
        matrix(x).try_inverse().unwrap()[(0, 2)] * matrix(x).determinant()
    }
    nalgebra_qr(x: [S; 3]) {
        let qr = matrix(x).qr();
        qr.q()[(1, 2)] + qr.r()[(0, 1)] * qr.r()[(2, 2)]
    }
    nalgebra_cholesky(x: [S; 3]) {
        let a = matrix(x);
        let l = (a * a.transpose() + Matrix3::identity()).cholesky().unwrap().l();
        l[(0, 0)] * l[(2, 1)] + l[(2, 2)]
    }
    nalgebra_singular_values(x: [S; 3]) {
        let values = matrix(x).singular_values();
        values[0] * values[1] + values[2]
    }
    nalgebra_symmetric_eigenvalues(x: [S; 3]) {
        let a = matrix(x);
        let values = (a + a.transpose()).symmetric_eigen().eigenvalues;
        values.iter().fold(S::zero(), |sum, &v| sum + v * v * v)
    }
    nalgebra_exponential(x: [S; 3]) {
        let e = (matrix(x) * c::<S>(0.5)).exp();
        e[(0, 1)] + e[(2, 2)]
    }
    nalgebra_rotation(x: [S; 3]) {
        let turn = nalgebra::UnitQuaternion::from_euler_angles(x[0], x[1], x[2]);
        let half = nalgebra::UnitQuaternion::identity().slerp(&turn, c(0.5));
        (half * Vector3::new(S::one(), x[2], x[0])).x + turn.angle()
    }
    euclid_vectors(x: [S; 3]) {
        let (a, b) = (Vector3D::new(x[0], x[1], S::one()), Vector3D::new(x[2], S::one(), x[0] * x[1]));
        a.cross(b).normalize().z + (a - b).length()
    }
    euclid_rotations(x: [S; 3]) {
        let flat = Rotation2D::new(Angle::radians(x[0])).transform_vector(Vector2D::new(x[1], x[2]));
        let turn = Rotation3D::euler(Angle::radians(x[0]), Angle::radians(x[1]), Angle::radians(x[2]));
        flat.x * turn.normalize().get_angle().radians + turn.lerp(&Rotation3D::identity(), x[0]).norm()
    }
    complex_functions(x: [S; 3]) {
        let z = Complex::new(x[0], x[1]);
        let w = (z.exp() * z.sqrt()).powf(x[2]) / (z.sin() + Complex::from(x[2]));
        w.re + w.arg() * z.tanh().im + w.ln().re
    }
}
