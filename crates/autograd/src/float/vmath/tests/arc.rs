//! Functions of two arguments, compared with a library and the special cases of IEEE 754.

use super::{ulps_f32, ulps_f64};
use crate::float::vmath::Elementary;

/// Magnitudes over the whole range, numbers around the diagonal, and special numbers, with both signs.
fn numbers() -> Vec<f64> {
    let magnitudes = (-30..=30).map(|i| 1.37 * 10f64.powi(i * 10));
    let near = (0..40).map(|i| f64::from(i) * 0.0625);
    let special = [0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NAN];
    magnitudes.chain(near).chain(special).flat_map(|x| [x, -x]).collect()
}

type Both = fn(f64, f64) -> f64;

/// Checks a function of two arguments in both widths.
fn check(exact: Both, wide: Both, narrow: fn(f32, f32) -> f32, bound: f64) {
    for a in numbers() {
        for b in numbers() {
            let (y, expected) = (wide(a, b), exact(a, b));
            assert!(ulps_f64(y, expected) <= bound, "f64 {a:e} {b:e}: {y:e}, not {expected:e}");
            assert!(y.is_nan() || y.is_sign_negative() == expected.is_sign_negative(), "{a:e} {b:e}: {y:e}");
            let (a, b) = (a as f32, b as f32);
            let (y, expected) = (narrow(a, b), exact(a.into(), b.into()));
            assert!(ulps_f32(y, expected) <= bound, "f32 {a:e} {b:e}: {y:e}, not {expected:e}");
        }
    }
}

#[test]
fn atan2_is_accurate_everywhere() {
    check(libm::atan2, Elementary::atan2, Elementary::atan2, 3.0);
}

#[test]
fn hypot_is_accurate_everywhere() {
    check(f64::hypot, Elementary::hypot, Elementary::hypot, 2.0);
}
