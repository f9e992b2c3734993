//! All numbers, and tensors, beside each other at kinks, poles and infinities: the derivatives are those of the table, and the
//! values those of `f64`.

use autograd::{Tape, Var};
use num_traits::Float;
use scalar::{Dual, Dual2, HyperDual, Rec, Taylor, record, second_derivative, taylor};

const POINTS: [f64; 12] =
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 710.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

/// Equal up to rounding, or both NaN.
fn same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 4e-15 * a.abs().max(b.abs()).max(1e-300)
}

/// Collects what differs, so that one run shows all of it.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    /// The value must be the same. A derivative that is NaN on tensors may be a number here.
    fn check(&mut self, what: &str, at: &[f64], number: &str, found: &[f64], expected: &[f64]) {
        let skipped = |i: usize| i > 0 && expected[i].is_nan();
        if !(0..found.len()).all(|i| skipped(i) || same(found[i], expected[i])) {
            self.0.push(format!("{what} at {at:?}: {number} gives {found:?} instead of {expected:?}"));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{} differences:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// The value and two derivatives by a tape of tensors.
fn tensors(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, x: f64) -> [f64; 3] {
    let tape = Tape::new();
    let x = tape.var(x);
    let y = f(x);
    let slope = y.grad(&[x])[0];
    [y.item(), slope.item(), slope.grad(&[x])[0].item()]
}

macro_rules! unary {
    ($found:ident; $($name:literal: |$x:ident| $f:expr, $of_tensors:expr;)*) => { $(
        for at in POINTS {
            let name = $name;
            let plain = { let $x = at; $f };
            let expected = tensors(|$x| $of_tensors, at);
            let (y, dy) = scalar::derivative(|$x: Dual<f64, 1>| $f, at);
            $found.check(name, &[at], "Dual", &[y, dy], &[plain, expected[1]]);
            let (y, dy) = record(|x: &[Rec<f64>]| { let $x = x[0]; $f }, &[at]);
            $found.check(name, &[at], "Rec", &[y, dy[0]], &[plain, expected[1]]);
            let (y, dy, bend) = second_derivative(|$x: Dual2<f64>| $f, at);
            $found.check(name, &[at], "Dual2", &[y, dy, bend], &[plain, expected[1], expected[2]]);
            let series = taylor(|$x: Taylor<f64, 3>| $f, at);
            $found.check(name, &[at], "Taylor", &series, &[y, dy, bend]);
            $found.check(name, &[at], "Dual2, from Taylor,", &[y, dy, bend], &series);
            let mut slope = f64::NAN;
            let (y, bend) = record(|x: &[Rec<f64>]| {
                let $x = Dual::<Rec<f64>, 1>::variable(x[0], 0);
                let y = $f;
                slope = y.value.value;
                y.tangent[0]
            }, &[at]);
            $found.check(name, &[at], "Dual<Rec>", &[slope, y, bend[0]], &[plain, expected[1], expected[2]]);
        }
    )* };
}

#[test]
fn functions_of_one_number() {
    let mut found = Differences::default();
    unary! { found;
        "recip": |x| x.recip(), x.recip();
        "sqrt": |x| x.sqrt(), x.sqrt();
        "cbrt": |x| x.cbrt(), x.cbrt();
        "exp": |x| x.exp(), x.exp();
        "exp2": |x| x.exp2(), x.exp2();
        "exp_m1": |x| x.exp_m1(), x.exp_m1();
        "ln": |x| x.ln(), x.ln();
        "log2": |x| x.log2(), x.log2();
        "log10": |x| x.log10(), x.log10();
        "ln_1p": |x| x.ln_1p(), x.ln_1p();
        "sin": |x| x.sin(), x.sin();
        "cos": |x| x.cos(), x.cos();
        "tan": |x| x.tan(), x.tan();
        "asin": |x| x.asin(), x.asin();
        "acos": |x| x.acos(), x.acos();
        "atan": |x| x.atan(), x.atan();
        "sinh": |x| x.sinh(), x.sinh();
        "cosh": |x| x.cosh(), x.cosh();
        "tanh": |x| x.tanh(), x.tanh();
        "asinh": |x| x.asinh(), x.asinh();
        "acosh": |x| x.acosh(), x.acosh();
        "atanh": |x| x.atanh(), x.atanh();
        "abs": |x| x.abs(), x.abs();
        "floor": |x| x.floor(), x.floor();
        "ceil": |x| x.ceil(), x.ceil();
        "trunc": |x| x.trunc(), x.trunc();
        "round": |x| x.round(), x.round();
        "signum": |x| x.signum(), x.sign();
        "fract": |x| x.fract(), x - x.trunc();
        "to_degrees": |x| x.to_degrees(), x * (180.0 / std::f64::consts::PI);
        "to_radians": |x| x.to_radians(), x * (std::f64::consts::PI / 180.0);
        "sin_cos": |x| x.sin_cos().0, x.sin();
        "powi(-5)": |x| x.powi(-5), x.powi(-5);
        "powi(-4)": |x| x.powi(-4), x.powi(-4);
        "powi(-3)": |x| x.powi(-3), x.powi(-3);
        "powi(-2)": |x| x.powi(-2), x.powi(-2);
        "powi(-1)": |x| x.powi(-1), x.powi(-1);
        "powi(1)": |x| x.powi(1), x.powi(1);
        "powi(2)": |x| x.powi(2), x.powi(2);
        "powi(3)": |x| x.powi(3), x.powi(3);
        "powi(4)": |x| x.powi(4), x.powi(4);
        "powi(5)": |x| x.powi(5), x.powi(5);
    }
    found.none();
}

/// The value, the gradient and the Hessian by a tape of tensors.
fn tensors_of_two(
    f: impl for<'t> Fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>,
    at: [f64; 2],
) -> (f64, [f64; 2], [f64; 3]) {
    let tape = Tape::new();
    let [a, b] = at.map(|x| tape.var(x));
    let y = f(a, b);
    let slopes = y.grad(&[a, b]);
    let [of_a, of_b] = [0, 1].map(|i| slopes[i].grad(&[a, b]));
    (y.item(), [slopes[0].item(), slopes[1].item()], [of_a[0].item(), of_a[1].item(), of_b[1].item()])
}

macro_rules! binary {
    ($found:ident; $($name:literal: |$a:ident, $b:ident| $f:expr, $of_tensors:expr;)*) => { $(
        for at in POINTS.iter().flat_map(|&a| POINTS.map(|b| [a, b])) {
            let name = $name;
            let plain = { let [$a, $b] = at; $f };
            let (_, slopes, bends) = tensors_of_two(|$a, $b| $of_tensors, at);
            let expected = [plain, slopes[0], slopes[1], bends[0], bends[1], bends[2]];
            let (y, dy) = scalar::gradient(|[$a, $b]: [Dual<f64, 2>; 2]| $f, at);
            $found.check(name, &at, "Dual", &[y, dy[0], dy[1]], &expected[..3]);
            let (y, dy) = record(|x: &[Rec<f64>]| { let ($a, $b) = (x[0], x[1]); $f }, &at);
            $found.check(name, &at, "Rec", &[y, dy[0], dy[1]], &expected[..3]);
            let (y, dy, h) = scalar::hessian(|[$a, $b]: [HyperDual<f64, 2>; 2]| $f, at);
            $found.check(name, &at, "HyperDual", &[y, dy[0], dy[1], h[0][0], h[0][1], h[1][1]], &expected);
            let series = taylor(|$a: Taylor<f64, 3>| { let $b = Taylor::constant(at[1]); $f }, at[0]);
            $found.check(name, &at, "Taylor of a", &series, &[y, dy[0], h[0][0]]);
            let series = taylor(|$b: Taylor<f64, 3>| { let $a = Taylor::constant(at[0]); $f }, at[1]);
            $found.check(name, &at, "Taylor of b", &series, &[y, dy[1], h[1][1]]);
        }
    )* };
}

#[test]
fn functions_of_two_numbers() {
    let mut found = Differences::default();
    binary! { found;
        "max": |a, b| a.max(b), a.fmax(b);
        "min": |a, b| a.min(b), a.fmin(b);
        "abs_sub": |a, b| Float::abs_sub(a, b), { let zero = a.tape().constant(0.0); if a.item().is_nan() || b.item().is_nan() { a - b } else { (a - b).fmax(zero) } };
        "powf": |a, b| a.powf(b), a.pow(b);
        "atan2": |a, b| a.atan2(b), a.atan2(b);
        "hypot": |a, b| a.hypot(b), a.hypot(b);
        "copysign": |a, b| a.copysign(b), a.copysign(b);
        "log": |a, b| a.log(b), a.ln() / b.ln();
        "mul_add": |a, b| a.mul_add(b, a), a * b + a;
        "add": |a, b| a + b, a + b;
        "sub": |a, b| a - b, a - b;
        "mul": |a, b| a * b, a * b;
        "div": |a, b| a / b, a / b;
        "rem": |a, b| a % b, a.fmod(b);
    }
    found.none();
}

/// Closed forms, without comparison with tensors.
#[test]
fn values_at_kinks() {
    let inf = f64::INFINITY;
    assert_eq!(second_derivative(|x: Dual2<f64>| x.powi(-2), 0.0), (inf, -inf, inf));
    assert_eq!(second_derivative(|x: Dual2<f64>| x.powi(-2), -0.0), (inf, inf, inf));
    assert_eq!(second_derivative(|x: Dual2<f64>| x.powi(-3), 0.0), (inf, -inf, inf));
    assert_eq!(second_derivative(|x: Dual2<f64>| x.powi(-3), -0.0), (-inf, -inf, -inf));
    assert_eq!(taylor(|x: Taylor<f64, 3>| x.powi(-3), -0.0), [-inf; 3]);
    assert_eq!(record(|x: &[Rec<f64>]| x[0].powi(-2), &[0.0]), (inf, vec![-inf]));
    assert_eq!(second_derivative(|x: Dual2<f64>| x.powi(0), f64::NAN), (1.0, 0.0, 0.0));
    assert_eq!(
        second_derivative(|x: Dual2<f64>| x.powi(i32::MIN), 1.0),
        (1.0, i32::MIN.into(), 2f64.powi(62) + 2f64.powi(31))
    );

    let tie = |f: fn([HyperDual<f64, 2>; 2]) -> HyperDual<f64, 2>| scalar::hessian(f, [1.0, 1.0]);
    assert_eq!(tie(|[a, b]| a.max(b)), (1.0, [0.5, 0.5], [[0.0; 2]; 2]));
    assert_eq!(tie(|[a, b]| a.min(b)), (1.0, [0.5, 0.5], [[0.0; 2]; 2]));
    assert_eq!(tie(|[a, b]| Float::abs_sub(a, b)), (0.0, [0.5, -0.5], [[0.0; 2]; 2]));
    assert!(Float::abs_sub(Dual::<f64, 1>::variable(0.0, 0), Dual::nan()).value.is_nan());

    assert_eq!(taylor(|x: Taylor<f64, 3>| x.to_degrees(), inf), [inf, 1f64.to_degrees(), 0.0]);
    assert_eq!(taylor(|x: Taylor<f64, 3>| x.recip(), 0.0), [inf, -inf, inf]);
    let turned = scalar::derivative(|x: Dual<f32, 1>| x.to_radians(), 77.7_f32);
    assert_eq!(turned, (77.7_f32.to_radians(), 1_f32.to_radians()));
}
