//! Special functions against values of arbitrary precision.

use super::*;
use std::f64::consts::LN_2;

/// Reference values with 17 digits.
#[test]
fn known_values() {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 4e-15 * b.abs().max(1e-3), "{a:e} {b:e}");
    close(digamma(1.0), -EULER);
    close(digamma(0.5), -EULER - 2.0 * LN_2);
    // The reflection loses digits to cancellation, but the absolute error stays small.
    close(1.0 + digamma(-0.5), 3.0 - EULER - 2.0 * LN_2);
    close(1.0 + digamma(1.47), 1.0 + digamma(2.47) - 1.0 / 1.47);
    close(polygamma(1.0, 1.0), PI * PI / 6.0);
    close(polygamma(0.5, 1.0), PI * PI / 2.0);
    close(polygamma(1e200, 1.0), 1e-200);
    close(polygamma(1.0, 2.0), -2.0 * 1.202_056_903_159_594_2);
    close(i0e(1.0), 1.266_065_877_752_008_4 / 1f64.exp());
    close(i1e(-1.0), -0.565_159_103_992_485 / 1f64.exp());
}

#[test]
fn what_remains_is_exact() {
    let special = [0.0, 5e-324, 1e-310, 0.1, 1.0, 3.0, 1e16, 1e300, f64::MAX, f64::INFINITY, f64::NAN];
    // Just below integer quotients, where the division rounds up to them.
    let units = [0.1, 0.7, 3.3, 1e-161, 3e-200, 7e-300];
    let near = (1..300).flat_map(|k| units.map(|b| (f64::from(k) * b).next_down()));
    let numbers: Vec<f64> = special.into_iter().chain(near).flat_map(|x| [x, -x]).collect();
    for &a in &numbers {
        for b in special.into_iter().chain(units).chain([1.0 - f64::EPSILON]).flat_map(|x| [x, -x]) {
            let (r, exact) = (fmod(a, b), a % b);
            assert!(r.to_bits() == exact.to_bits() || r.is_nan() && exact.is_nan(), "{a:e} % {b:e}: {r:e}, {exact:e}");
        }
    }
}

/// Values with 17 digits, from a library of arbitrary precision.
#[test]
fn values_are_accurate() {
    let check = |name: &str, f: fn(f64) -> f64, table: &[(f64, f64)]| {
        for &(x, exact) in table {
            let error = (f(x) - exact).abs() / (exact.abs() * f64::EPSILON).max(5e-324);
            assert!(error <= 4.0, "{name}({x:e}) is {:e}, not {exact:e}", f(x));
        }
    };
    check("lgamma", lgamma, LGAMMA);
    check("digamma", digamma, DIGAMMA);
    check("i0e", i0e, I0E);
    check("i1e", i1e, I1E);
    assert_eq!([0.0, -3.0, f64::INFINITY, -f64::INFINITY].map(lgamma), [f64::INFINITY; 4]);
    assert_eq!([1.0, 2.0].map(lgamma), [0.0; 2]);
    assert_eq!([0.0, -0.0, f64::INFINITY].map(digamma), [-f64::INFINITY, f64::INFINITY, f64::INFINITY]);
    assert_eq!([i0e(f64::INFINITY), i1e(-f64::INFINITY)], [0.0; 2]);
    for nan in [lgamma(f64::NAN), digamma(f64::NAN), digamma(-2.0), i0e(f64::NAN), i1e(f64::NAN)] {
        assert!(nan.is_nan());
    }
}

const LGAMMA: &[(f64, f64)] = &[
    (5e-324, 744.4400719213812),
    (1e-10, 23.025850929882736),
    (0.25, 1.2880225246980774),
    (0.5, 0.5723649429247001),
    (0.999999999, 5.77215649399226e-10),
    (1.00000001, -5.772156531688512e-09),
    (1.25, -0.09827183642181316),
    (1.4616321449683622, -0.12148629053584961),
    (1.5, -0.12078223763524522),
    (1.9999999, -4.2278430309861296e-08),
    (2.0000001, 4.227843666532498e-08),
    (2.5, 0.2846828704729192),
    (3.5, 1.2009736023470743),
    (9.999, 12.799575780077413),
    (10.0, 12.801827480081469),
    (123.5, 469.8172754919306),
    (10000000000.0, 220258509288.81058),
    (1e+300, 6.897755278982137e+302),
    (-0.3, 1.4648400508576025),
    (-1.5, 0.860047015376481),
    (-3.7, -1.3797399049658245),
    (-10.2, -13.90053096369515),
    (-1e-20, 46.051701859880914),
];
const DIGAMMA: &[(f64, f64)] = &[
    (1e-300, -9.999999999999999e+299),
    (1e-10, -10000000000.577215),
    (0.25, -4.2274535333762655),
    (0.75, -1.0858608797864722),
    (1.0, -0.5772156649015329),
    (1.46, -0.0015805619870834522),
    (1.4616321449683622, -9.241265521729427e-17),
    (1.47, 0.008066489011364869),
    (1.999, 0.4221391988923556),
    (2.0, 0.42278433509846713),
    (5.5, 1.6110931485817512),
    (9.999, 2.2516474172057355),
    (10.0, 2.251752589066721),
    (123.5, 4.812187109433143),
    (10000000000.0, 23.025850929890456),
    (-0.3, 2.113309779635399),
    (-1.7, -1.4857174995110567),
    (-10.2, 6.694638450417517),
];
const I0E: &[(f64, f64)] = &[
    (0.0, 1.0),
    (1e-10, 0.9999999999),
    (0.5, 0.6450352704491501),
    (1.7, 0.34051568798247095),
    (3.0, 0.2430003541618254),
    (5.5, 0.17448325638192988),
    (7.999, 0.14344107205089568),
    (8.0, 0.14343178185685032),
    (8.001, 0.14342249347357044),
    (12.0, 0.11642622121344044),
    (30.0, 0.0731459464822373),
    (500.0, 0.017845706500153168),
    (10000000000.0, 3.9894228040641945e-06),
];
const I1E: &[(f64, f64)] = &[
    (0.0, 0.0),
    (1e-10, 4.9999999995e-11),
    (0.5, 0.1564208031848717),
    (1.7, 0.21855280659849344),
    (3.0, 0.19682671329730086),
    (5.5, 0.15770100901675652),
    (7.999, 0.13414997242586205),
    (8.0, 0.13414249329269817),
    (8.001, 0.13413501537956068),
    (12.0, 0.11146429929018098),
    (30.0, 0.07191633059864755),
    (500.0, 0.017827851852898056),
    (10000000000.0, 3.989422803864723e-06),
];
