//! Accuracy compared with the standard library and a table, the IEEE special cases, and bitwise reproducibility.

mod arc;
mod erf;

use super::Elementary;
use super::lane::Lane;

/// Error of `y` in units in the last place of `exact`, in a format with `digits` mantissa bits and the given smallest
/// normal number. Equal infinities and two NaNs have no error.
fn ulps(y: f64, exact: f64, digits: i32, least_normal: f64) -> f64 {
    if y == exact || (y.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    let exponent = (exact.abs().max(least_normal).to_bits() >> 52) as i32 - 1023;
    // Multiply by two factors: one power of two cannot represent the inverse of a subnormal unit.
    (y - exact).abs() * 2f64.powi(digits - 1 - exponent.max(0)) * 2f64.powi(-exponent.min(0))
}

fn ulps_f32(y: f32, exact: f64) -> f64 {
    // Beyond the range of f32, the only correct answer is the rounded one.
    let exact = if (exact as f32).is_infinite() { (exact as f32).into() } else { exact };
    ulps(y.into(), exact, 24, f32::MIN_POSITIVE.into())
}

fn ulps_f64(y: f64, exact: f64) -> f64 {
    ulps(y, exact, 53, f64::MIN_POSITIVE)
}

/// Points spread evenly over `[-radius, radius]`, and magnitudes spread evenly over all binades of `f32`.
fn samples(radius: f64) -> impl Iterator<Item = f64> {
    let even = (-10_000..=10_000).map(move |i| radius * f64::from(i) / 10_007.0);
    let magnitudes = (0..20_000).map(|i| f64::from(f32::from_bits(i * 106_961)));
    let specials = [0.0, 1.0, f64::INFINITY, f64::NAN, f64::MAX, f64::MIN_POSITIVE, 5e-324, f32::MAX.into()];
    even.chain(magnitudes.chain(specials).flat_map(|x| [x, -x]))
}

fn sigmoid_std(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

fn softplus_std(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

/// The library's `acosh` returns values below 1.
fn acosh_std(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// Checks a function in both widths; `wide` is the bound in f64, where the reference itself is rounded.
macro_rules! accuracy {
    ($($test:ident: $function:ident, $exact:expr, radius $radius:expr, narrow $narrow:expr, wide $wide:expr;)*) => {$(
        #[test]
        fn $test() {
            let exact: fn(f64) -> f64 = $exact;
            let trigonometric = ["sin", "cos"].contains(&stringify!($function));
            for x in samples($radius) {
                let narrow = x as f32;
                if !trigonometric || !narrow.is_finite() || narrow.abs() <= <f32 as Elementary>::TRIG_LIMIT {
                    let y: f32 = Elementary::$function(narrow);
                    let error = ulps_f32(y, exact(narrow.into()));
                    assert!(error <= $narrow, "f32 {}({narrow:e}) = {y:e}: {error} ulp", stringify!($function));
                }
                if !trigonometric || !x.is_finite() || x.abs() <= <f64 as Elementary>::TRIG_LIMIT {
                    let y: f64 = Elementary::$function(x);
                    let error = ulps_f64(y, exact(x));
                    assert!(error <= $wide, "f64 {}({x:e}) = {y:e}: {error} ulp", stringify!($function));
                }
            }
        }
    )*};
}

accuracy! {
    exp_is_accurate: exp, f64::exp, radius 750.0, narrow 1.0, wide 1.0;
    exp_is_accurate_near_zero: exp, f64::exp, radius 20.0, narrow 1.0, wide 1.0;
    exp_m1_is_accurate: exp_m1, f64::exp_m1, radius 4.0, narrow 1.5, wide 2.0;
    exp_m1_is_accurate_far_out: exp_m1, f64::exp_m1, radius 750.0, narrow 1.5, wide 2.0;
    ln_is_accurate: ln, f64::ln, radius 3.0, narrow 1.0, wide 1.0;
    log2_is_accurate: log2, f64::log2, radius 3.0, narrow 1.0, wide 1.0;
    log10_is_accurate: log10, f64::log10, radius 3.0, narrow 1.0, wide 2.0;
    ln_1p_is_accurate: ln_1p, f64::ln_1p, radius 1.5, narrow 1.5, wide 2.0;
    sin_is_accurate: sin, f64::sin, radius 30.0, narrow 2.0, wide 2.0;
    sin_is_accurate_up_to_the_limit: sin, f64::sin, radius 1.07e9, narrow 2.0, wide 2.0;
    cos_is_accurate: cos, f64::cos, radius 30.0, narrow 2.0, wide 2.0;
    cos_is_accurate_up_to_the_limit: cos, f64::cos, radius 131e3, narrow 2.0, wide 2.0;
    tanh_is_accurate: tanh, f64::tanh, radius 5.0, narrow 2.0, wide 3.0;
    tanh_is_accurate_until_it_saturates: tanh, f64::tanh, radius 25.0, narrow 2.0, wide 3.0;
    sigmoid_is_accurate: sigmoid, sigmoid_std, radius 10.0, narrow 2.0, wide 4.0;
    sigmoid_is_accurate_far_out: sigmoid, sigmoid_std, radius 750.0, narrow 2.0, wide 4.0;
    exp2_is_accurate: exp2, f64::exp2, radius 20.0, narrow 1.0, wide 1.0;
    exp2_is_accurate_far_out: exp2, f64::exp2, radius 1100.0, narrow 1.0, wide 1.0;
    sinh_is_accurate: sinh, libm::sinh, radius 3.0, narrow 3.0, wide 3.0;
    sinh_is_accurate_far_out: sinh, libm::sinh, radius 711.0, narrow 3.0, wide 3.0;
    cosh_is_accurate: cosh, libm::cosh, radius 3.0, narrow 2.0, wide 2.0;
    cosh_is_accurate_far_out: cosh, libm::cosh, radius 711.0, narrow 2.0, wide 2.0;
    asinh_is_accurate: asinh, libm::asinh, radius 10.0, narrow 3.0, wide 3.0;
    acosh_is_accurate: acosh, acosh_std, radius 10.0, narrow 3.0, wide 3.0;
    atanh_is_accurate: atanh, libm::atanh, radius 1.1, narrow 3.0, wide 3.0;
    asin_is_accurate: asin, libm::asin, radius 1.1, narrow 3.0, wide 3.0;
    acos_is_accurate: acos, libm::acos, radius 1.1, narrow 3.0, wide 3.0;
    atan_is_accurate: atan, libm::atan, radius 10.0, narrow 2.0, wide 2.0;
    erfc_is_accurate: erfc, libm::erfc, radius 4.0, narrow 5.0, wide 4.0;
    erfc_is_accurate_far_out: erfc, libm::erfc, radius 28.0, narrow 5.0, wide 4.0;
    softplus_is_accurate: softplus, softplus_std, radius 10.0, narrow 2.0, wide 3.0;
    softplus_is_accurate_far_out: softplus, softplus_std, radius 750.0, narrow 2.0, wide 3.0;
}

#[test]
fn logarithms_of_powers_are_whole() {
    for k in -1074..1024 {
        assert_eq!(Elementary::log2(2f64.powi(k.max(-1000)) * 2f64.powi(k.min(-1000) + 1000)), f64::from(k));
    }
    for k in -300..=308_i32 {
        // The float that the decimal number rounds to, like a literal.
        let power: f64 = format!("1e{k}").parse().unwrap();
        assert_eq!(Elementary::log10(power), f64::from(k));
        if k.abs() < 38 {
            assert_eq!(Elementary::log10(power as f32), k as f32);
        }
    }
}

#[test]
fn powf_is_accurate() {
    for base in samples(10.0) {
        for p in [0.5, -0.5, 1.7, 3.0, -13.0, 100.25, 1e-3, -1e5, 1e15, 0.1 / 3.0] {
            let (x, y) = (base as f32, p as f32);
            let error = ulps_f32(Elementary::powf(x, y), f64::from(x).powf(y.into()));
            assert!(error <= 1.0, "f32 {x:e}^{y:e}: {error} ulp");
            let error = ulps_f64(Elementary::powf(base, p), base.powf(p));
            assert!(error <= 2.0, "f64 {base:e}^{p:e}: {error} ulp");
        }
    }
    // The exponent that puts the power at a given position in the range, including overflow and underflow.
    for base in samples(10.0).filter(|x| *x > 0.0 && x.is_finite() && *x != 1.0) {
        for logarithm in [-745.0, -720.0, -300.5, 1e-3, 512.3, 709.5, 710.5] {
            let p = logarithm / base.ln();
            let error = ulps_f64(Elementary::powf(base, p), base.powf(p));
            assert!(error <= 2.0, "f64 {base:e}^{p:e}: {error} ulp");
        }
    }
}

/// Checks all pairs of special values against the standard library, including the sign of zero.
fn check_powf_specials<T: Elementary + Lane + Into<f64>>(std: fn(T, T) -> T) {
    let values = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e10, f32::MAX, f32::INFINITY, f32::NAN, 16_777_215.0, 1e-44];
    for x in values.into_iter().flat_map(|v| [v, -v]).map(T::from) {
        for p in values.into_iter().flat_map(|v| [v, -v]).map(T::from) {
            let (y, exact): (f64, f64) = (Elementary::powf(x, p).into(), std(x, p).into());
            let both_nan = y.is_nan() && exact.is_nan();
            let same_sign = y.is_sign_negative() == exact.is_sign_negative();
            let close = y == exact || (y / exact - 1.0).abs() < 1e-6;
            assert!(both_nan || (same_sign && close), "{:e}^{:e} = {y:e}, not {exact:e}", x.into(), p.into());
        }
    }
}

#[test]
fn powf_follows_ieee_754() {
    check_powf_specials::<f32>(f32::powf);
    check_powf_specials::<f64>(f64::powf);
}

fn odd_functions<T: Elementary>() -> [fn(T) -> T; 11] {
    [T::exp_m1, T::ln_1p, T::sin, T::tanh, T::erf, T::sinh, T::asinh, T::atanh, T::asin, T::atan, T::erfinv]
}

fn check_signs_and_limits<T: Elementary + Lane + Into<f64> + std::fmt::Debug>() {
    let (zero, one) = (T::from(0.0), T::from(1.0));
    let negative = |x: T| one.copysign(x) < zero;
    for odd in odd_functions() {
        assert!(odd(-zero) == zero && negative(odd(-zero)) && !negative(odd(zero)));
    }
    assert!(Elementary::exp(-T::INFINITY) == zero && Elementary::exp(T::INFINITY) == T::INFINITY);
    assert!(Elementary::ln(zero) == -T::INFINITY && Elementary::ln_1p(-one) == -T::INFINITY);
    assert!(Elementary::ln(T::INFINITY) == T::INFINITY && Elementary::ln_1p(T::INFINITY) == T::INFINITY);
    for undefined in [Elementary::ln(-one), Elementary::ln(-T::INFINITY), Elementary::ln_1p(T::from(-1.5))] {
        assert!(undefined.into().is_nan());
    }
    for angle in [T::INFINITY, -T::INFINITY] {
        assert!(Elementary::sin(angle).into().is_nan() && Elementary::cos(angle).into().is_nan());
    }
    // Never above 1 in magnitude, neither at the extrema nor where they saturate.
    for i in 0..40_000 {
        let x = T::from(i as f32 * 0.001);
        for bounded in [T::sin, T::cos, T::tanh, T::erf, T::sigmoid] as [fn(T) -> T; 5] {
            assert!(bounded(x).abs() <= one, "{x:?}");
        }
    }
}

#[test]
fn signs_and_limits_are_right() {
    check_signs_and_limits::<f32>();
    check_signs_and_limits::<f64>();
}

/// The same loop compiled for AVX2 and for the baseline must give the same bits at every length.
#[cfg(target_arch = "x86_64")]
macro_rules! same_bits {
    ($($float:ident: $($function:ident $(($p:expr))?)*;)*) => {$($({
        #[target_feature(enable = "avx2,fma")]
        fn vector(out: &mut [$float], xs: &[$float]) {
            for (o, &x) in out.iter_mut().zip(xs) {
                *o = Elementary::$function(x $(, $p)?);
            }
        }
        let specials = [0.0, -0.0, $float::INFINITY, -$float::INFINITY, $float::NAN, $float::MIN_POSITIVE / 3.0];
        let xs: Vec<$float> = (0..67).map(|i| (i as $float - 33.0) * 0.37).chain(specials).collect();
        for length in 0..=67 {
            for xs in [&xs[..length], &xs[xs.len() - length..]] {
                let mut out = vec![0.0; length];
                #[allow(unsafe_code, reason = "the function exists only in this test")]
                // SAFETY: the caller has checked that this machine has AVX2 and FMA.
                unsafe { vector(&mut out, xs) };
                for (y, &x) in out.iter().zip(xs) {
                    let scalar: $float = Elementary::$function(x $(, $p)?);
                    let same = y.to_bits() == scalar.to_bits() || (y.is_nan() && scalar.is_nan());
                    assert!(same, "{}({x:e}) of {length}: {y:e} or {scalar:e}", stringify!($function));
                }
            }
        }
    })*)*};
}

#[cfg(target_arch = "x86_64")]
#[test]
fn vector_and_scalar_bits_agree() {
    if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma") {
        return;
    }
    same_bits! {
        f32: exp exp_m1 exp2 ln ln_1p log2 log10 sin cos tanh sinh cosh asinh acosh atanh asin acos atan atan2(0.7) hypot(-3.0)
             sigmoid softplus erf erfc erfcx erfinv ndtr log_ndtr powf(2.0) powf(-0.7);
        f64: exp exp_m1 exp2 ln ln_1p log2 log10 sin cos tanh sinh cosh asinh acosh atanh asin acos atan atan2(0.7) hypot(-3.0)
             sigmoid softplus erf erfc erfcx erfinv ndtr log_ndtr powf(2.0) powf(-0.7);
    }
}
