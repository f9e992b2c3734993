//! Functions of rows: normalizations of huge, tiny and nearly equal numbers, and sums of exponentials that one element
//! dominates.

use crate::derivatives;
use autograd::{Float, Tape, Tensor};

/// A row of numbers, at either type.
fn row<T: Float>(x: &[f64]) -> Tensor<T> {
    Tensor::from(x.iter().map(|&x| T::of(x)).collect::<Vec<T>>())
}

#[track_caller]
fn near<T: Float>(found: &Tensor<T>, expected: &[f64], tolerance: f64) {
    for (found, &expected) in found.iter().zip(expected) {
        let (found, scale) = (found.f64(), expected.abs());
        let close = (found - expected).abs() <= tolerance * scale;
        assert!(found == expected || close, "{found:e}, expected {expected:e}, in {}", T::NAME);
    }
}

const ROW: [f64; 4] = [1.0, 2.0, 3.0, -4.0];
const STANDARD: [f64; 4] = [0.18569533817705186, 0.5570860145311556, 0.9284766908852593, -1.6712580435934667];

fn standardized<T: Float>(unit: f64, eps: f64, tolerance: f64) {
    let tape = Tape::<T>::new();
    let x = tape.var(row::<T>(&ROW.map(|x| x * unit)));
    let (w, b) = (tape.var(Tensor::<T>::ones(&[4])), tape.var(Tensor::<T>::zeros(&[4])));
    near(&x.standardize(0, eps).value(), &STANDARD, tolerance);
    let y = x.layer_norm(0, &w, &b, eps);
    near(&y.value(), &STANDARD, tolerance);
    // The derivative of z₀ is r (e₀ - 1/4 - z z₀/4), with r = 1/(2.6925824035672523 unit).
    let r = 1.0 / (7.25f64.sqrt() * unit);
    let slope: Vec<f64> = (0..4).map(|k| r * (f64::from(k == 0) - 0.25 - STANDARD[k] * STANDARD[0] / 4.0)).collect();
    let first = y.slice(0, 0..1).sum();
    near(&first.backward().wrt(x), &slope, 4.0 * tolerance);
    near(&first.grad(&[x])[0].value(), &slope, 4.0 * tolerance);
    near(&y.slice(0, 0..1).sum().backward().wrt(w), &[STANDARD[0], 0.0, 0.0, 0.0], tolerance);
}

#[test]
fn normalizations_keep_their_digits_at_any_scale() {
    for unit in [1.0, 1e15, 1e19, 1e30, 8e37] {
        standardized::<f32>(unit, 1e-5, 1e-6);
    }
    for unit in [1e-25, 1e-18, 1e-5, 1e25] {
        standardized::<f32>(unit, 0.0, 1e-6);
    }
    for unit in [1.0, 1e100, 1e160, 4e307] {
        standardized::<f64>(unit, 1e-8 * (unit.min(1e4) - 1.0).min(1.0), 1e-13);
    }
    for unit in [1e-300, 1e-160, 1e-20] {
        standardized::<f64>(unit, 0.0, 1e-13);
    }
}

#[test]
fn equal_numbers_are_standardized_to_zero() {
    for n in [5, 128, 1000] {
        let x = Tensor::<f32>::full(&[n], 8766.168);
        assert_eq!(x.standardize(0, 1e-5), Tensor::zeros(&[n]), "{n}");
        let (w, b) = (Tensor::ones(&[n]), Tensor::zeros(&[n]));
        assert_eq!(x.layer_norm(0, &w, &b, 1e-5), Tensor::zeros(&[n]), "{n}");
    }
    // A spread of a few units in the last place, far from 0.
    let far = row::<f32>(&ROW.map(|x| 8e6 + x));
    near(&far.standardize(0, 0.0), &STANDARD, 1e-6);
}

#[test]
fn sums_of_exponentials_that_one_element_rules() {
    fn check<T: Float>(tolerance: f64) {
        let small = (-40f64).exp();
        for n in [2, 9, 40, 100, 600] {
            let tape = Tape::<T>::new();
            let mut numbers = vec![-1e9; n];
            (numbers[0], numbers[n - 1]) = (-40.0, 0.0);
            let x = tape.var(row::<T>(&numbers));
            near(&x.logsumexp().value(), &[small], tolerance);
            let log_p = x.log_softmax(0);
            near(&log_p.slice(0, n as isize - 1..n as isize).value(), &[-small], tolerance);
            let label = Tensor::<i64>::from(vec![n as i64 - 1]);
            near(&x.reshape(&[1, n]).cross_entropy(&label).value(), &[small], tolerance);
        }
    }
    check::<f64>(1e-14);
    check::<f32>(1e-6);
}

#[test]
fn infinite_scores() {
    fn check<T: Float>() {
        let inf = f64::INFINITY;
        let x = row::<T>(&[inf, 1.0]);
        let [y, first, second] = derivatives(&|x| x.logsumexp(), &x);
        assert_eq!([y.item().f64()], [inf]);
        assert_eq!((first, second), (row(&[1.0, 0.0]), row(&[0.0, 0.0])));
        let nothing = row::<T>(&[-inf, -inf]);
        let [y, first, _] = derivatives(&|x| x.logsumexp(), &nothing);
        assert_eq!((y.item().f64(), first), (-inf, row(&[0.0, 0.0])));
    }
    check::<f64>();
    check::<f32>();
}
