//! Every function of `num_traits` at every number type, beside closed forms; conventions; and what is refused.

use num_traits::{Bounded, Float, FloatConst, Num, NumCast, One, Signed, ToPrimitive, Zero};
use scalar::{Dual, Dual2, Error, HyperDual, Rec, Scalar, Scope, Taylor, record, second_derivative, taylor};

type D = Dual<f64, 2>;

fn close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 4e-15 * (1.0 + expected.abs()), "{name}: {found} instead of {expected}");
}

/// `name: f(x) at number, f′, f″`, where f is called at `Dual`, `Rec` and `Dual2`.
macro_rules! derivatives {
    ($($name:literal: |$x:ident| $f:expr, $at:expr => $slope:expr, $bend:expr;)*) => { $({
        let $x: f64 = $at;
        let (value, slope, bend): (f64, f64, f64) = ($f, $slope, $bend);
        let (y, dy) = { let f = |$x: Dual<f64, 1>| $f; scalar::derivative(f, $at) };
        close($name, y, value);
        close($name, dy, slope);
        let (y, dy) = record(|x: &[Rec<f64>]| { let $x = x[0]; $f }, &[$at]);
        close($name, y, value);
        close($name, dy[0], slope);
        let (y, dy, d2y) = second_derivative(|$x: Dual2<f64>| $f, $at);
        close($name, y, value);
        close($name, dy, slope);
        close($name, d2y, bend);
        let derivatives = taylor(|$x: Taylor<f64, 3>| $f, $at);
        close($name, derivatives[1], slope);
        close($name, derivatives[2], bend);
    })* };
}

#[test]
#[allow(clippy::useless_conversion, reason = "the same text is compiled at f64")]
fn functions_have_the_derivatives_of_mathematics() {
    derivatives! {
        "neg": |x| -x, 0.7 => -1.0, 0.0;
        "recip": |x| x.recip(), 1.6 => -1.0 / 2.56, 2.0 / 4.096;
        "sqrt": |x| x.sqrt(), 2.25 => 1.0 / 3.0, -0.25 / 3.375;
        "cbrt": |x| x.cbrt(), -8.0 => 1.0 / 12.0, 1.0 / 144.0;
        "exp": |x| x.exp(), 0.7 => 0.7f64.exp(), 0.7f64.exp();
        "exp2": |x| x.exp2(), 0.5 => 2f64.sqrt() * 2f64.ln(), 2f64.sqrt() * 2f64.ln().powi(2);
        "exp_m1": |x| x.exp_m1(), 1e-9 => 1e-9f64.exp(), 1e-9f64.exp();
        "ln": |x| x.ln(), 1.6 => 0.625, -0.390625;
        "log2": |x| x.log2(), 1.6 => 0.625 / 2f64.ln(), -0.390625 / 2f64.ln();
        "log10": |x| x.log10(), 1.6 => 0.625 / 10f64.ln(), -0.390625 / 10f64.ln();
        "ln_1p": |x| x.ln_1p(), 0.6 => 0.625, -0.390625;
        "sin": |x| x.sin(), 0.7 => 0.7f64.cos(), -0.7f64.sin();
        "cos": |x| x.cos(), 0.7 => -0.7f64.sin(), -0.7f64.cos();
        "sin_cos": |x| x.sin_cos().0 + x.sin_cos().1, 0.7 => 0.7f64.cos() - 0.7f64.sin(), -0.7f64.sin() - 0.7f64.cos();
        "tan": |x| x.tan(), 0.7 => 0.7f64.cos().powi(-2), 2.0 * 0.7f64.tan() / 0.7f64.cos().powi(2);
        "asin": |x| x.asin(), 0.6 => 1.25, 0.6 * 1.25f64.powi(3);
        "acos": |x| x.acos(), 0.6 => -1.25, -0.6 * 1.25f64.powi(3);
        "atan": |x| x.atan(), 0.5 => 0.8, -0.64;
        "sinh": |x| x.sinh(), 0.7 => 0.7f64.cosh(), 0.7f64.sinh();
        "cosh": |x| x.cosh(), 0.7 => 0.7f64.sinh(), 0.7f64.cosh();
        "tanh": |x| x.tanh(), 0.7 => 0.7f64.cosh().powi(-2), -2.0 * 0.7f64.tanh() / 0.7f64.cosh().powi(2);
        "asinh": |x| x.asinh(), 0.75 => 0.8, -0.75 * 0.512;
        "acosh": |x| x.acosh(), 1.25 => 4.0 / 3.0, -1.25 * 64.0 / 27.0;
        "atanh": |x| x.atanh(), 0.5 => 4.0 / 3.0, 16.0 / 9.0;
        "abs": |x| x.abs(), -0.7 => -1.0, 0.0;
        "fract": |x| x.fract(), 2.25 => 1.0, 0.0;
        "powi": |x| x.powi(5), 0.5 => 0.3125, 2.5;
        "powi of a negative number": |x| x.powi(3), -2.0 => 12.0, -12.0;
        "negative powi": |x| x.powi(-2), -2.0 => 0.25, 0.375;
        "powf": |x| x.powf(2.5.into()), 4.0 => 20.0, 7.5;
        "powf of a negative number": |x| x.powf(3.0.into()), -2.0 => 12.0, -12.0;
        "exponent": |x| (x * 0.0 + 2.0).powf(x), 3.0 => 8.0 * 2f64.ln(), 8.0 * 2f64.ln().powi(2);
        "log": |x| x.log(2.0.into()), 1.6 => 0.625 / 2f64.ln(), -0.390625 / 2f64.ln();
        "base": |x| (x * 0.0 + 2.0).log(x), 4.0 => -0.125 / 4f64.ln(), 0.03125 / 4f64.ln() + 0.0625 / 4f64.ln().powi(2);
        "hypot": |x| x.hypot(4.0.into()), 3.0 => 0.6, 0.128;
        "atan2": |x| x.atan2(4.0.into()), 3.0 => 0.16, -24.0 / 625.0;
        "mul_add": |x| x.mul_add(x, 1.0.into()), 3.0 => 6.0, 2.0;
        "max": |x| x.max(1.0.into()) * x, 3.0 => 6.0, 2.0;
        "min": |x| x.min(1.0.into()) * x, 3.0 => 1.0, 0.0;
        "max of a NaN": |x| x.max(f64::NAN.into()), 3.0 => 1.0, 0.0;
        "copysign": |x| x.copysign((-1.0).into()), 3.0 => -1.0, 0.0;
        "abs_sub": |x| Float::max(x - 1.0, 0.0.into()), 3.0 => 1.0, 0.0;
        "rem": |x| x % 2.0 * x, 5.5 => 1.5 + 5.5, 2.0;
        "to_degrees": |x| x.to_degrees().to_radians(), 0.7 => 1.0, 0.0;
        "arithmetic": |x| (2.0 - x) / (x + 1.0) * 3.0 - 1.0 / x, 2.0 => -0.75, 18.0 / 27.0 - 0.25;
        "steps": |x| x.floor() + x.ceil() + x.round() + x.trunc() + x.signum(), 2.5 => 0.0, 0.0;
    }
}

/// The functions of `Real`, which `num_traits` does not have.
#[test]
fn the_whole_table_is_there() {
    use scalar::Real;
    let x = 0.7;
    let (y, dy) = scalar::derivative(|x: Dual<f64, 1>| Real::erf(x) * Real::sigmoid(x), x);
    let (e, s) = (Real::erf(x), Real::sigmoid(x));
    close("erf", y, e * s);
    close("erf", dy, 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * s + e * s * (1.0 - s));
    let (_, dy) = record(|x: &[Rec<f64>]| Real::lgamma(x[0]), &[1.0]);
    close("lgamma", dy[0], -0.577_215_664_901_532_9);
}

#[test]
fn conventions() {
    let x = D::variable(0.0, 0);
    assert_eq!(Float::abs(x).tangent, [0.0, 0.0], "the mean of the two one-sided derivatives");
    assert_eq!(x.hypot(x * 2.0).tangent, [0.0, 0.0], "docs/kinks.md");
    assert_eq!(x.sqrt().tangent, [f64::INFINITY, 0.0], "a direction in which nothing moves stays 0");
    assert_eq!(D::zero().sqrt().tangent, [0.0, 0.0], "a constant");
    assert_eq!(x.max(x * 3.0).tangent, [2.0, 0.0], "ties share the derivative");
    let (_, dy) = record(|x: &[Rec<f64>]| x[0].sqrt() * 0.0 + x[0], &[0.0]);
    assert_eq!(dy, [1.0], "what does not contribute has no slope");
    let (_, dy) = record(|x: &[Rec<f64>]| x[0].powf(3.0.into()), &[-2.0]);
    assert_eq!(dy, [12.0]);
}

#[test]
fn comparisons_act_on_the_value() {
    let (x, y) = (D::variable(1.0, 0), D::variable(1.0, 1));
    assert!(x == y && x <= y && x < 2.0 && x == 1.0);
    let nan = D::nan();
    assert!(nan != D::nan() && nan.partial_cmp(&x).is_none(), "as f64: unordered");
    assert_eq!([nan < x, nan >= x, nan > 0.0], [false; 3]);
    assert_eq!(Float::max(nan, x).tangent, [1.0, 0.0], "as f64: a NaN is ignored");
    let scope = Scope::open();
    let (a, nan) = (scope.variable(1.0), scope.variable(f64::NAN));
    assert!(nan.partial_cmp(&a).is_none() && nan.partial_cmp(&0.0).is_none());
    assert_eq!(scope.gradient(Float::min(nan, a), &[nan, a]), [0.0, 1.0]);
}

#[test]
fn casts_act_on_the_value_and_constants_do_not_move() {
    let x = D::variable(2.75, 1);
    assert_eq!((x.to_i32(), x.to_f64(), x.to_usize()), (Some(2), Some(2.75), Some(2)));
    assert_eq!(<D as NumCast>::from(x).unwrap().tangent, [0.0, 0.0]);
    assert_eq!(<D as Num>::from_str_radix("2.5", 10).unwrap().value, 2.5);
    assert_eq!((D::PI().value, <D as Float>::epsilon().value), (std::f64::consts::PI, f64::EPSILON));
    assert_eq!((<D as Bounded>::max_value().value, D::one() + D::zero()), (f64::MAX, D::one()));
    assert!(Signed::is_negative(&-x) && Float::is_finite(x) && !D::infinity().is_finite());
    assert_eq!([x, x, D::one()].iter().sum::<D>().tangent, [0.0, 2.0]);
    assert_eq!([x, x].into_iter().product::<D>().tangent, [0.0, 5.5]);
    assert_eq!(format!("{x:.1} {}", Rec::constant(0.5)), "2.8 + [0.0, 1.0]ε 0.5");
}

#[test]
fn values_have_the_bits_of_plain_numbers() {
    fn f<S: Float>(x: S) -> S {
        (x.sin() * x.exp() - x.ln()).powf(x) / x.sqrt() + x.tanh().atan2(x) + x.powi(7) + x.acos().log10()
    }
    for x in (1..100).map(|i| i as f64 * 0.01) {
        let y = f(x);
        assert_eq!(f(D::variable(x, 0)).value.to_bits(), y.to_bits(), "at {x}");
        assert_eq!(f(Rec::constant(x)).value.to_bits(), y.to_bits(), "at {x}");
        assert_eq!(f(Dual::<f32, 1>::variable(x as f32, 0)).value.to_bits(), f(x as f32).to_bits(), "at {x}");
    }
}

/// Forward over reverse: a Hessian-vector product, one column of the Hessian by one sweep.
#[test]
fn numbers_nest() {
    let scope = Scope::open();
    let x = [0.3, 0.8].map(|x| scope.variable(x));
    let along = [2.0, -1.0];
    let [a, b] = std::array::from_fn(|i| Dual::moving(x[i], [Rec::constant(along[i])]));
    let slope = (a * b.sin()).tangent[0];
    let product = scope.gradient(slope, &x);
    close("first", product[0], -0.8f64.cos());
    close("second", product[1], 2.0 * 0.8f64.cos() + 0.3 * 0.8f64.sin());
    let (_, _, third) = second_derivative(|x: Dual2<Dual<f64, 1>>| x * x * x, Dual::variable(2.0, 0));
    assert_eq!(third.tangent, [6.0]);
}

#[test]
fn directions_beyond_n_and_seeds_that_are_not_finite() {
    let error = D::try_variable(1.0, 2).unwrap_err();
    assert_eq!(error, Error::Direction { direction: 2, directions: 2 });
    assert!(error.to_string().contains("direction 2 of a number with 2"), "{error}");
    for seed in [f64::NAN, f64::INFINITY] {
        let error = D::try_moving(1.0, [0.0, seed]).unwrap_err();
        assert!(matches!(error, Error::Seed { direction: 1, .. }) && error.to_string().contains("finite"), "{error}");
    }
    assert!(std::panic::catch_unwind(|| D::variable(1.0, 5)).is_err());
    assert!(std::panic::catch_unwind(|| D::moving(1.0, [f64::NAN, 0.0])).is_err());
}

/// The text with which `f` panics.
fn panics(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(f).unwrap_err().downcast().unwrap()
}

#[test]
fn a_number_does_not_outlive_its_scope() {
    let scope = Scope::open();
    let x = scope.variable(2.0);
    drop(scope);
    assert!(x.value == 2.0 && x > 1.0 && x.to_f64() == Some(2.0), "its value can be read");
    let text = panics(move || _ = x * x);
    assert!(text.contains("belongs to a scope that has ended"), "{text}");
    assert!(panics(move || _ = x.sin()).contains("scope"));
    let scope = Scope::open();
    let y = scope.variable(3.0);
    assert!(panics(move || _ = x + y).contains("scope"), "not even in the next scope");
    assert!(panics(move || _ = record(|_| x, &[1.0])).contains("records a scope"));
    drop(scope);
    assert!(panics(move || _ = record(|_| x, &[1.0])).contains("belongs to a scope"));
    assert_eq!(record(|x: &[Rec<f64>]| x[0] * x[0], &[3.0]), (9.0, vec![6.0]), "a panic closes its scope");
}

#[test]
fn a_number_does_not_leave_its_thread() {
    let scope = Scope::open();
    let x = scope.variable(2.0);
    let there = std::thread::spawn(move || {
        let scope = Scope::open();
        let y = scope.variable(1.0);
        panics(move || _ = x + y)
    });
    assert!(there.join().unwrap().contains("another thread"));
    let there = std::thread::spawn(move || panics(move || _ = x + 1.0));
    assert!(there.join().unwrap().contains("another thread"));
    let constant = Rec::constant(2.0);
    assert_eq!(std::thread::spawn(move || (constant * 2.0).value).join().unwrap(), 4.0, "a constant is on no tape");
}

#[test]
fn scopes_do_not_nest() {
    let scope = Scope::<f64>::open();
    let error = Scope::<f64>::try_open().unwrap_err();
    assert!(matches!(error, Error::Nested { .. }));
    assert!(error.to_string().contains("numbers.rs"), "it says where the other was opened: {error}");
    let other = Scope::<f32>::open();
    assert_eq!(other.gradient(other.variable(2.0) * 3.0, &[]), [0f32; 0], "f32 has a tape of its own");
    drop(scope);
    assert!(Scope::<f64>::try_open().is_ok());
}

#[test]
fn a_scope_gives_several_gradients() {
    let scope = Scope::open();
    assert!(scope.is_empty());
    let [x, y] = [2.0, 3.0].map(|x| scope.variable(x));
    let (a, b) = (x * y, x / 2.0);
    assert_eq!(scope.len(), 4);
    assert_eq!(scope.gradient(a, &[x, y]), [3.0, 2.0]);
    assert_eq!(scope.gradient(b, &[x, y, a]), [0.5, 0.0, 0.0]);
    assert_eq!(scope.gradient(x, &[x, y]), [1.0, 0.0]);
    assert_eq!(scope.gradient(Rec::constant(1.0), &[x, Rec::constant(2.0)]), [0.0, 0.0]);
}

#[test]
fn hessians_are_symmetric() {
    fn f<S: Float>([x, y, z]: [S; 3]) -> S {
        (x * y).sin() * z.exp() + x.powf(y) / z
    }
    let (_, gradient, hessian) = scalar::hessian(f::<HyperDual<f64, 3>>, [0.5, 1.5, 2.5]);
    assert_eq!(gradient, scalar::gradient(f::<Dual<f64, 3>>, [0.5, 1.5, 2.5]).1);
    for [i, j] in [[0, 1], [0, 2], [1, 2]] {
        close("symmetry", hessian[i][j], hessian[j][i]);
    }
}

/// Each function to order 5: as nested dual numbers, whose rules are the same, but whose algebra is not.
#[test]
fn series_have_the_derivatives_of_nested_dual_numbers() {
    type Nested = Dual2<Dual2<f64>>;
    fn seed(x: f64) -> Nested {
        let once = Dual::variable(Dual::variable(x, 0), 0);
        Dual::variable(Dual::variable(once, 0), 0)
    }
    macro_rules! alike {
        ($($name:literal: |$x:ident| $f:expr, $at:expr;)*) => { $({
            let f = |$x: Nested| $f;
            let fourth = f(seed($at)).tangent[0].tangent[0].tangent[0].tangent[0];
            let series = taylor(|$x: Taylor<f64, 5>| $f, $at);
            let size = series[4].abs().max(1.0);
            assert!((series[4] - fourth).abs() < 1e-11 * size, "{}: {series:?}, not {fourth}", $name);
        })* };
    }
    use scalar::Real;
    alike! {
        "sin": |x| Float::sin(x), 0.7;
        "exp sqrt": |x| Float::exp(Float::sqrt(x)), 0.7;
        "tan asinh": |x| Float::tan(Float::asinh(x)), 0.7;
        "powf": |x| Float::powf(x, x), 1.7;
        "atan2 hypot": |x| Float::atan2(x, x * x) * Float::hypot(x, x * x), 0.7;
        "quotient": |x| (x + x * x) / (x * x + Float::exp(x)) - x, 0.7;
        "lgamma": |x| Real::lgamma(x), 1.7;
        "erfcx": |x| Real::erfcx(x), 0.7;
        "i0e": |x| Real::i0e(x), 0.7;
        "acos": |x| Float::acos(x), 0.3;
        "cbrt tanh": |x| Float::cbrt(Float::tanh(x)), 0.7;
        "powf of a negative number": |x| Float::powf(x, Scalar::of(5.0)), -1.3;
        "abs": |x| Float::abs(x) * Float::max(x, -x), -1.3;
    }
}

#[test]
fn series_print_and_do_not_move_as_constants() {
    let t = Taylor::<f64, 3>::variable(2.0);
    assert_eq!((t * t).to_string(), "4 + 4 t + 1 t^2");
    assert_eq!(Taylor::<f64, 3>::zero().sqrt().coefficients(), [0.0; 3]);
    assert_eq!(taylor(|x: Taylor<f64, 1>| x.exp() * x, 1.0), [1f64.exp()]);
}

#[test]
fn plain_numbers_mix_with_numbers_of_numbers() {
    fn mixed<S>(x: S) -> S
    where
        S: Float + From<f64> + PartialOrd<f64> + std::ops::Add<f64, Output = S> + std::ops::Mul<f64, Output = S>,
        f64: std::ops::Sub<S, Output = S>,
    {
        let mut y = 1.0 - x * 2.0 + 0.5;
        if y > 0.0 {
            y = y * y;
        }
        y + <S as From<f64>>::from(1.0)
    }
    // (1.5 - 2 x)² + 1 at x = 0.25: 2, -4 and 8.
    let second: Dual2<f64> = mixed(Dual::variable(Dual::variable(0.25, 0), 0));
    assert_eq!((second.value.value, second.value.tangent, second.tangent[0].tangent), (2.0, [-4.0], [8.0]));
    let of_taylor = mixed(Dual::<_, 1>::variable(Taylor::<f64, 3>::variable(0.25), 0));
    assert_eq!(of_taylor.value.coefficients(), [2.0, -4.0, 4.0]);
    assert_eq!(of_taylor.tangent[0].coefficients(), [-4.0, 8.0, 0.0]);
    let of_dual = mixed(Taylor::<_, 3>::variable(Dual::<f64, 1>::variable(0.25, 0)));
    assert_eq!(of_dual.coefficients().map(|c| (c.value, c.tangent[0])), [(2.0, -4.0), (-4.0, 8.0), (4.0, 0.0)]);
    let slope = |x: &[Rec<f64>]| mixed(Dual::<_, 1>::variable(x[0], 0)).tangent[0];
    assert_eq!(scalar::record(slope, &[0.25]), (-4.0, vec![8.0]));
    let coefficient = |x: &[Rec<f64>]| mixed(Taylor::<_, 3>::variable(x[0])).coefficients()[2];
    assert_eq!(scalar::record(coefficient, &[0.25]), (4.0, vec![0.0]));
}
