//! The rows of the table: tails of saturated functions, powers at 0, and quotients of huge numbers.

use crate::{check, digits, function};
use autograd::op::{Binary, Op};
use autograd::{Float, Tape, Tensor, Value, Var};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// Where a function saturates, `1 - y` of the rounded value would have no digits.
#[test]
fn tails_have_all_digits() {
    let sigmoid = function!(x => x.sigmoid());
    check(
        "sigmoid",
        &sigmoid,
        37.43,
        [0.9999999999999999, 5.550_825_086_253_719e-17, -5.550_825_086_253_718e-17],
        64.0,
    );
    check("sigmoid", &sigmoid, -40.0, [4.248354255291589e-18, 4.248354255291589e-18, 4.248_354_255_291_589e-18], 8.0);
    check("sigmoid", &sigmoid, 18.0, [0.999_999_984_770_020_5, 1.5229979280808073e-8, -1.5229978816903528e-8], 8.0);
    check("sigmoid", &sigmoid, 700.0, [1.0, 9.859_676_543_759_77e-305, -9.859_676_543_759_77e-305], 8.0);
    check("sigmoid", &sigmoid, 0.0, [0.5, 0.25, 0.0], 2.0);
    let tanh = function!(x => x.tanh());
    check("tanh", &tanh, 0.25, [0.24491866240370913, 0.940_014_848_806_378, -0.46045435881856592], 8.0);
    check("tanh", &tanh, 4.0, [0.999329299739067, 0.001340950683025897, -0.0026801026141057864], 8.0);
    check("tanh", &tanh, 9.5, [0.9999999887944072, 2.241118549901845e-08, -4.482237049577566e-08], 8.0);
    check("tanh", &tanh, -12.0, [-0.9999999999244973, 1.510053817597626e-10, 3.0201076349672256e-10], 8.0);
    check("tanh", &tanh, 20.0, [1.0, 1.6993417021166355e-17, -3.398683404233271e-17], 8.0);
    check("tanh", &tanh, 350.0, [1.0, 3.943870617503908e-304, -7.887741235007817e-304], 8.0);
    let by_sigmoid = function!(x => (x + x).sigmoid() * T::of(2.0) - T::one());
    check("2σ(2x) - 1", &by_sigmoid, 20.0, [1.0, 1.699_341_702_116_635_5e-17, -3.398_683_404_233_271e-17], 8.0);
    let exp_m1 = function!(x => x.exp_m1());
    check("exp_m1", &exp_m1, -40.0, [-1.0, 4.248354255291589e-18, 4.248354255291589e-18], 8.0);
    let softplus = function!(x => x.softplus());
    check("softplus", &softplus, -40.0, [4.248354255291589e-18; 3], 8.0);
    check("softplus", &softplus, 37.0, [37.0, 0.999_999_999_999_999_9, 8.533_047_625_744_065e-17], 8.0);
    let log_sigmoid = function!(x => x.log_sigmoid());
    check(
        "log_sigmoid",
        &log_sigmoid,
        40.0,
        [-4.248354255291589e-18, 4.248354255291589e-18, -4.248354255291589e-18],
        8.0,
    );
    check("log_sigmoid", &log_sigmoid, -37.0, [-37.0, 0.999_999_999_999_999_9, -8.533_047_625_744_065e-17], 8.0);
    let gelu = function!(x => x.gelu_tanh());
    check(
        "gelu_tanh",
        &gelu,
        -9.0,
        [-1.3364595947348725e-28, -2.515_735_285_067_425e-27, -4.6839285778142382e-26],
        400.0,
    );
    check("gelu_tanh", &gelu, 1e30, [1e30, 1.0, 0.0], 8.0);
    check("gelu_tanh", &gelu, -1e30, [0.0, 0.0, 0.0], 8.0);
    let silu = function!(x => x.silu());
    check("silu", &silu, -40.0, [-1.6993417021166356e-16, -1.6568581595637197e-16, -1.6143746170108038e-16], 64.0);
    check("silu", &silu, 40.0, [40.0, 1.0000000000000002, -1.6143746170108038e-16], 16.0);
    let mish = function!(x => x.mish());
    check("mish", &mish, -40.0, [-1.6993417021166356e-16, -1.6568581595637197e-16, -1.6143746170108038e-16], 64.0);
}

/// The product of a vanishing and an overflowing factor.
#[test]
fn the_normal_distribution_far_out() {
    let f = function!(x => x.log_ndtr());
    check("log_ndtr", &f, 14.0, [-7.793_536_819_192_8e-45, 1.0966065593889713e-43, -1.5352491831445598e-42], 32.0);
    check(
        "log_ndtr",
        &f,
        30.0,
        [-4.906_713_927_148_187e-198, 1.4736461348785475e-196, -4.420_938_404_635_642e-195],
        32.0,
    );
    check(
        "log_ndtr",
        &f,
        37.0,
        [-5.725_571_222_524_577e-300, 2.1200065515246056e-298, -7.844_024_240_641_04e-297],
        32.0,
    );
    check("log_ndtr", &f, -1e4, [-5.000_001_012_927_891e7, 1.0000000099999998e4, -0.9999999900000006], 16.0);
    check("log_ndtr", &f, -1e10, [-5e19, 1e10, -1.0], 16.0);
    check_f64(&f, -1e150, [-5e299, 1e150, -1.0]);
    check("log_ndtr", &f, -3.0, [-6.607_726_221_510_349, 3.2830986549304365, -0.929_440_813_214_731_9], 16.0);
    check("log_ndtr", &f, -1.5, [-2.7059444008238898, 1.9386771666225432, -0.8504534064497973], 16.0);
    check("log_ndtr", &f, 0.5, [-0.368_946_415_288_656_4, 0.509_160_433_837_033_5, -0.5138245643036329], 16.0);
    let erfcx = function!(x => x.erfcx());
    check("erfcx", &erfcx, 1e4, [5.641_895_807_268_084e-5, -5.641_895_750_849_127e-9, 1.1283791332441388e-12], 32.0);
    check("erfcx", &erfcx, 2.0, [0.25539567631050574, -0.1067964618534896, 0.083_605_505_207_053_1], 32.0);
    check("erfcx", &erfcx, -1.0, [5.008_980_080_762_283, -11.14633932862008, 32.310_638_818_764_72], 32.0);
}

#[track_caller]
fn check_f64(f: &impl crate::Function, at: f64, expected: [f64; 3]) {
    crate::check_as::<f64>("far out", &|x| f.at(x), at, expected, 16.0);
}

#[test]
fn quotients_of_huge_numbers() {
    check_f64(&function!(x => x.atan()), 1e100, [FRAC_PI_2, 1e-200, -2e-300]);
    check("atan", &function!(x => x.atan()), -3.0, [-1.2490457723982544, 0.1, 0.06], 8.0);
    check_f64(&function!(x => x.softsign()), 1e100, [1.0, 1e-200, -2e-300]);
    check("softsign", &function!(x => x.softsign()), -0.5, [-1.0 / 3.0, 4.0 / 9.0, 16.0 / 27.0], 8.0);
    check_f64(&function!(x => x.asinh()), 1e100, [230.951_656_479_964_5, 1e-100, -1e-200]);
    check(
        "asinh",
        &function!(x => x.asinh()),
        0.5,
        [0.48121182505960345, 0.894_427_190_999_915_9, -0.35777087639996635],
        8.0,
    );
    // ∂²/∂a² √(a² + b²) = b²/y³, and the angle.
    check_f64(&function!(a => a.hypot(a.number(T::of(1e5)))), 1e20, [1e20, 1.0, 1e-50]);
    check_f64(&function!(b => b.number(T::of(1e20)).hypot(b)), 1e5, [1e20, 1e-15, 1e-20]);
    check("hypot", &function!(a => a.hypot(a.number(T::of(4.0)))), 3.0, [5.0, 0.6, 16.0 / 125.0], 8.0);
    check("hypot", &function!(a => a.hypot(a.number(T::zero()))), f64::INFINITY, [f64::INFINITY, 1.0, 0.0], 8.0);
    check("hypot", &function!(a => a.hypot(a.number(T::zero()))), 0.0, [0.0; 3], 0.0);
    check("atan2", &function!(a => a.atan2(a.number(T::of(4.0)))), 3.0, [0.75f64.atan(), 0.16, -0.0384], 8.0);
    check_f64(&function!(a => a.atan2(a.number(T::of(1e100)))), 1e150, [FRAC_PI_2, 1e-200, -2e-350]);
}

/// Sums that would absorb a small number, and products that overflow before they are divided.
#[test]
fn slopes_near_zero_and_near_the_largest_number() {
    for x in [2f64.powi(-60), 2f64.powi(-40), -2f64.powi(-30)] {
        check("asin", &function!(x => x.asin()), x, [x, 1.0, x], 8.0);
        check("acos", &function!(x => x.acos()), x, [std::f64::consts::FRAC_PI_2 - x, -1.0, -x], 8.0);
        check("atanh", &function!(x => x.atanh()), x, [x, 1.0, 2.0 * x], 8.0);
    }
    let asin = [0.848062078981481, 1.511857892036909, 2.5917563863489865];
    check("asin", &function!(x => x.asin()), 0.75, asin, 16.0);
    check_f64(&function!(x => x.log10()), 1e308, [308.0, 4.342_944_819_032_52e-309, 0.0]);
    check("cbrt", &function!(x => x.cbrt()), -8.0, [-2.0, 1.0 / 12.0, 1.0 / 144.0], 8.0);
    check_f64(&function!(x => x.logit()), 1e-160, [-368.4136148790473, 1e160, f64::NEG_INFINITY]);
    check("logit", &function!(x => x.logit()), 0.25, [-1.0986122886681098, 16.0 / 3.0, -128.0 / 9.0], 8.0);
    check_f64(&function!(x => x.i0e()), 1e308, [3.989_422_804_014_327e-155, 0.0, 0.0]);
}

#[test]
fn sinc_reduces_its_angle_first() {
    let f = function!(x => x.sinc());
    check("sinc", &f, 5e6, [0.0, 2e-7, -8e-14], 8.0);
    check("sinc", &f, 1e60, [0.0, 1e-60, -2e-120], 8.0);
    check("sinc", &f, 5000001.0, [0.0, -1.99999960000008e-7, 7.99999680000096e-14], 8.0);
    check("sinc", &f, 0.5, [FRAC_2_PI, -1.2732395447351627, -1.1902271282389357], 8.0);
    check("sinc", &f, 2.25, [0.10003514623967845, 0.269_809_615_531_941_8, -1.2271380889524741], 16.0);
    check("sinc", &f, 0.03, [0.998_520_216_712_160_2, -0.098_608_403_636_004_57, -3.2811059497053976], 8.0);
    check("sinc", &f, 0.0, [1.0, 0.0, -std::f64::consts::PI.powi(2) / 3.0], 8.0);
    check("sinc", &f, 1e-40, [1.0, -3.289868133696453e-40, -std::f64::consts::PI.powi(2) / 3.0], 8.0);
}

#[test]
fn gamma_functions_of_negative_numbers() {
    let digamma = function!(x => x.digamma());
    check("digamma", &digamma, -1000000.3, [16.098012025764004, 15.079412699597643, 68.837_543_678_723_78], 1e7);
    check("digamma", &digamma, -0.5, [0.036_489_973_978_576_52, 8.934_802_200_544_679, -0.82879664423432], 64.0);
    check("digamma", &digamma, -2.25, [4.158_583_564_657_972, 19.379410511869137, 123.89694977406017], 64.0);
    let tape = Tape::<f64>::new();
    let x = tape.var([-1e15 - 0.5, -1e9 - 0.5, -3.0, -2.25]);
    let trigamma = x.polygamma(1);
    let found = trigamma.value().to_vec();
    // Halfway between poles it is π² - 1/(-x).
    let expected = [std::f64::consts::PI.powi(2), std::f64::consts::PI.powi(2), f64::INFINITY, 19.379410511869137];
    found.iter().zip(expected).for_each(|(&x, e)| digits(x, e, 1e7, &"polygamma(1)"));
    digits(x.polygamma(3).value().at(&[3]), 1558.4550231887143, 64.0, &"polygamma(3)");
    // π/tan of a tenth: lgamma, twice.
    let far = tape.var(-1000000.3);
    let second = far.lgamma().grad(&[far])[0].grad(&[far])[0].item();
    assert!((second - 15.079412699597643).abs() < 1e-8, "{second}");
}

/// The first `orders` derivatives of a power with respect to its base.
fn of_base<T: Float>(base: f64, exponent: f64, orders: usize) -> Vec<f64> {
    let tape = Tape::<T>::new();
    let (a, b) = (tape.var(T::of(base)), tape.var(T::of(exponent)));
    let mut y = Var::try_apply(Op::Binary(Binary::Pow), &[&a, &b]).unwrap();
    let mut all = Vec::new();
    for _ in 0..orders {
        y = y.grad(&[a])[0];
        all.push(y.item().f64());
    }
    all
}

#[test]
fn a_power_with_an_integer_exponent_is_a_polynomial() {
    fn check<T: Float>() {
        assert_eq!(of_base::<T>(0.0, 0.0, 4), [0.0; 4]);
        assert_eq!(of_base::<T>(0.0, 1.0, 4), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(of_base::<T>(0.0, 3.0, 6), [0.0, 0.0, 6.0, 0.0, 0.0, 0.0]);
        assert_eq!(of_base::<T>(-0.0, 4.0, 6), [0.0, 0.0, 0.0, 24.0, 0.0, 0.0]);
        assert_eq!(of_base::<T>(-2.0, 3.0, 6), [12.0, -12.0, 6.0, 0.0, 0.0, 0.0]);
        assert_eq!(of_base::<T>(1e-30, 2.0, 3)[1..], [2.0, 0.0]);
        assert_eq!(of_base::<T>(f64::from(f32::MIN_POSITIVE), 1.0, 3), [1.0, 0.0, 0.0]);
        assert_eq!(of_base::<T>(if T::NAME == "f32" { 1e-30 } else { 1e-200 }, 0.0, 3), [0.0; 3]);
        assert_eq!(of_base::<T>(0.25, if T::NAME == "f32" { 1e30 } else { 1e200 }, 2), [0.0; 2]);
    }
    check::<f64>();
    check::<f32>();
    for (p, orders) in [(0.0, [0.0; 5]), (3.0, [0.0, 0.0, 6.0, 0.0, 0.0])] {
        let tape = Tape::<f64>::new();
        let x = tape.var(0.0);
        let mut y = x.powf(p);
        for expected in orders {
            y = y.grad(&[x])[0];
            assert_eq!(y.item(), expected, "powf({p})");
        }
    }
}

/// Both orders of differentiation.
#[test]
fn mixed_derivatives_of_powers() {
    fn mixed<T: Float>(a: f64, b: f64) -> [f64; 2] {
        let tape = Tape::<T>::new();
        let (a, b) = (tape.var(T::of(a)), tape.var(T::of(b)));
        let first = a.pow(b).grad(&[a, b]);
        [first[0].grad(&[b])[0].item().f64(), first[1].grad(&[a])[0].item().f64()]
    }
    for found in mixed::<f64>(0.3, 0.0) {
        digits(found, 1.0 / 0.3, 4.0, &"a^b at (0.3, 0)");
    }
    for found in mixed::<f32>(0.25, 0.0) {
        assert_eq!(found, 4.0);
    }
    for b in [0.0, 1.0, 1.5, 2.0, 3.0] {
        assert_eq!((mixed::<f64>(0.0, b), mixed::<f32>(0.0, b)), ([0.0; 2], [0.0; 2]), "a^b at (0, {b})");
    }
    // a^(b - 1) (1 + b ln a)
    for found in mixed::<f64>(2.0, 3.0) {
        digits(found, 4.0 * (1.0 + 3.0 * 2f64.ln()), 8.0, &"a^b at (2, 3)");
    }
}

/// Powers that underflow cost no more than others, and are 0 or subnormal as before.
#[test]
fn vanishing_exponentials() {
    let x = Tensor::<f64>::from(vec![-1e300, -800.0, -746.0, -745.2, -745.0, -708.5, f64::NEG_INFINITY, -0.0]);
    let expected = [0.0, 0.0, 0.0, 0.0, 5e-324, (-708.5f64).exp(), 0.0, 1.0];
    assert_eq!(x.exp().to_vec(), expected);
    let x = Tensor::<f32>::from(vec![-1e30, -104.5, -103.9, -103.0, f32::NEG_INFINITY, f32::NAN]);
    let found = x.exp().to_vec();
    assert_eq!(found[..5], [0.0, 0.0, 1e-45, 1e-45, 0.0]);
    assert!(found[5].is_nan());
}
