//! Values, first and second derivatives where numbers are huge, tiny, saturated, equal or infinite: recorded and replayed,
//! in both precisions. The expected numbers are mpmath's or follow from a closed form.

mod elementwise;
mod linalg;
mod magnitudes;
mod rows;
mod spectrum;

use autograd::{Float, Program, Tape, Tensor, Var};

/// A function of one variable, at both types.
trait Function {
    fn at<'t, T: Float>(&self, x: Var<'t, T>) -> Var<'t, T>;
}

/// A [`Function`] at one type. What takes one is compiled once for all functions.
type At<'f, T> = &'f dyn for<'t> Fn(Var<'t, T>) -> Var<'t, T>;

/// Defines a [`Function`]: `function!(x => x.tanh())`.
macro_rules! function {
    ($x:ident => $y:expr) => {{
        struct F;
        impl crate::Function for F {
            #[allow(unused_imports, reason = "not all expressions need them")]
            fn at<'t, T: autograd::Float>(&self, $x: autograd::Var<'t, T>) -> autograd::Var<'t, T> {
                use autograd::{Dims, Tensor, Value, Var};
                $y
            }
        }
        F
    }};
}
pub(crate) use function;

/// The sum of the values, and its first and second derivative along ones, element by element: computed, and the same bits
/// when replayed at other inputs first.
fn derivatives<T: Float>(f: At<T>, x: &Tensor<T>) -> [Tensor<T>; 3] {
    let tape = Tape::new();
    let v = tape.var(x.clone());
    let y = f(v);
    let first = y.sum().grad(&[v])[0];
    let second = first.sum().grad(&[v])[0];
    let recorded = [y, first, second].map(|v| v.value());
    let backward = first.sum().backward().wrt(v);
    assert!(alike(&backward, &recorded[2]), "computed {backward}, recorded {}", recorded[2]);

    let sketch = Tape::new();
    let other = sketch.var(x.map(|_| T::of(0.3)));
    let y = f(other);
    let first = y.sum().grad(&[other])[0];
    let second = first.sum().grad(&[other])[0];
    let mut program = Program::new(&sketch, &[other], &[y, first, second]);
    let replayed = program.run(&[x]).unwrap();
    for (replayed, recorded) in replayed.iter().zip(&recorded) {
        let same = |(a, b): (T, T)| a == b || a.is_nan() && b.is_nan();
        assert!(replayed.iter().zip(recorded.iter()).all(same), "replayed {replayed}, recorded {recorded}");
    }
    recorded
}

/// Whether two tensors agree up to rounding.
fn alike<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
    let scale = b.iter().fold(0.0, |m: f64, b| m.max(b.f64().abs()));
    let near = |(a, b): (T, T)| {
        let (a, b) = (a.f64(), b.f64());
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 32.0 * T::EPSILON.f64() * scale
    };
    a.iter().zip(b.iter()).all(near)
}

/// Asserts that a number has the expected digits; what the type cannot represent may be 0 or infinite.
#[track_caller]
fn digits<T: Float>(number: T, expected: f64, ulps: f64, of: &dyn std::fmt::Display) {
    let (least, rounded) = (if T::EPSILON.f64() > f64::EPSILON { 1e-37 } else { 1e-307 }, T::of(expected).f64());
    let number = number.f64();
    let same = number == rounded || number.is_nan() && rounded.is_nan();
    let near = (number - rounded).abs() <= (ulps * T::EPSILON.f64() * rounded.abs()).max(least);
    assert!(same || near && expected.is_finite(), "{of}: {number:e}, expected {expected:e}");
}

/// Checks value, first and second derivative of a function of a scalar, in the given number of rounding errors.
#[track_caller]
fn check(name: &str, f: &impl Function, at: f64, expected: [f64; 3], ulps: f64) {
    check_as::<f64>(name, &|x| f.at(x), at, expected, ulps);
    if f64::from(at as f32) == at {
        check_as::<f32>(name, &|x| f.at(x), at, expected, ulps);
    }
}

#[track_caller]
fn check_as<T: Float>(name: &str, f: At<T>, at: f64, expected: [f64; 3], ulps: f64) {
    for x in [Tensor::scalar(T::of(at)), Tensor::full(&[9], T::of(at))] {
        let found = derivatives(f, &x);
        for (order, (found, expected)) in found.iter().zip(expected).enumerate() {
            let of = format!("{name}, derivative {order} at {at:e} in {}", T::NAME);
            found.iter().for_each(|number| digits(number, expected, ulps, &of));
        }
    }
}
