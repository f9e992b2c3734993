//! The derivative table: every elementwise function and its derivative, one row each, written once over the algebra
//! [`Real`].
//!
//! `x` (or `a`, `b`) are the inputs, `y` is the output, and `g` is the cotangent of `y`; a rule computes the cotangent
//! of an input. The Jacobian of an elementwise function is diagonal, so the same rule with a tangent for `g` is its
//! forward-mode derivative. The macros of `table` expand a row into its kernel, its fused rule, its recorded rule and
//! its line in the docs.

use super::Side;
use super::table::{BinaryRow, UnaryRow, binary, mark, unary};
use crate::float::{E, Float, Real};
use crate::kernel::isa::simd;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10, PI, SQRT_2};

/// 1 / √(2π)
const FRAC_1_SQRT_TAU: f64 = 0.398_942_280_401_432_7;
/// λ and α of Klambauer et al., *Self-Normalizing Neural Networks*, 2017.
const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.673_263_242_354_377_2];
/// √(2/π) and 0.044715 √(2/π): Hendrycks and Gimpel, *Gaussian Error Linear Units*, 2016.
const GELU: [f64; 2] = [0.797_884_560_802_865_4, 0.044_715 * 0.797_884_560_802_865_4];

/// x clamped to ±30. Beyond that, `gelu_tanh` is linear, and the square of x could overflow.
#[inline(always)]
fn gelu_curved<S: Real>(x: E<S>) -> E<S> {
    x.max(x.lit(-30.0)).min(x.lit(30.0))
}

/// The argument of the tanh in `gelu_tanh`, for x between ±30.
#[inline(always)]
fn gelu_angle<S: Real>(x: E<S>) -> E<S> {
    x * (GELU[0] + GELU[1] * x * x)
}

/// x (½ (1 + tanh θ(x)))′ of `gelu_tanh`.
#[inline(always)]
fn gelu_bend<S: Real>(x: E<S>) -> E<S> {
    let x = gelu_curved(x);
    0.5 * x * gelu_angle(x).sech2() * (GELU[0] + 3.0 * GELU[1] * x * x)
}

/// sin πx = (-1)ⁿ sin π(x - n), with the integer n nearest to x: exact at integers, and as accurate far from 0 as near.
#[inline(always)]
fn sin_pi<S: Real>(x: E<S>) -> E<S> {
    let n = x.round();
    let odd = (n - 2.0 * (0.5 * n).round()).abs();
    (1.0 - 2.0 * odd) * (PI * (x - n)).sin()
}

/// The length of (a, b), but 1 for the zero vector: a divisor.
#[inline(always)]
fn length<S: Real>(a: E<S>, b: E<S>) -> E<S> {
    a.hypot(b).or_where(a.hypot(b).eq(b.lit(0.0)), 1.0)
}

/// 1 / √(1 + x²), without overflow.
#[inline(always)]
fn secant<S: Real>(x: E<S>) -> E<S> {
    x.lit(1.0).versor(x)
}

/// 1 - x². Near ±1 its digits are those of the factors, and near 0 those of the square, also in derivatives.
#[inline(always)]
fn one_minus_square<S: Real>(x: E<S>) -> E<S> {
    x.abs().gt(x.lit(0.5)).select((1.0 - x) * (1.0 + x), 1.0 - x * x)
}

/// g b aᵇ⁻¹. Exponents 0 and 1 end the derivatives of a polynomial, also where negative powers of a overflow; b is
/// multiplied last, since it may be infinite where the power is 0. At (0, 0) the mixed derivatives are 0 in both orders.
#[inline(always)]
fn power_slope<S: Real>(g: E<S>, a: E<S>, b: E<S>) -> E<S> {
    let (nothing, constant) = (a.eq(a.lit(0.0)), b.eq(b.lit(0.0)));
    let other = g * (b * a.or_where(constant, 1.0).pow(b - 1.0));
    (nothing * b.eq(b.lit(1.0)))
        .select(g, constant.select((g * b.only(constant) / a.or_where(nothing, 1.0)).unless(nothing), other))
}

/// Whether e^(a/b) of `celu` vanishes: its quotient could overflow.
#[inline(always)]
fn celu_flat<S: Real>(a: E<S>, b: E<S>) -> E<S> {
    (-1e-3 * a).gt(b) * b.gt(b.lit(0.0))
}

/// The exponent a/b of `celu`; 0 where the exponential is not needed.
#[inline(always)]
fn celu_exponent<S: Real>(a: E<S>, b: E<S>) -> E<S> {
    a.left().unless(celu_flat(a, b)) / b
}

/// a - b, but 0 for equal infinities.
#[inline(always)]
fn difference<S: Real>(a: E<S>, b: E<S>) -> E<S> {
    (a - b).unless(a.eq(b) * (1.0 - (a - b).eq(a - b)))
}

unary! { x, y, g =>
    //          y                   cotangent of x
    Neg        [y, d]: -x,                 -g;
    Recip      [y, d]: 1.0 / x,            -g * y * y;
    Square     [y, d]: x * x,              2.0 * g * x;
    Sqrt       [y, d]: x.sqrt(),           g / (2.0 * y);
    Exp        [y, d]: x.exp(),            g * y;
    ExpM1      [y]   : x.exp_m1(),         g * x.exp();
    Ln         [y, d]: x.ln(),             g / x;
    Ln1p       [y]   : x.ln_1p(),          g / (1.0 + x);
    Sin        [y, d]: x.sin(),            g * x.cos();
    Cos        [y, d]: x.cos(),            -g * x.sin();
    Tanh       [y, d]: x.tanh(),           g * x.tanh_slope(y);
    Sigmoid    [y, d]: x.sigmoid(),        0.25 * g * (0.5 * x).sech2();
    Softplus   [y, d]: x.softplus(),       g * x.sigmoid();
    Relu       [y, d]: x.max(x.lit(0.0)),  g.where_pos(y);
    Abs        [y, d]: x.abs(),            g.where_pos(x) - g.where_pos(-x);
    Exp2       [y]   : x.exp2(),                           g * y * LN_2;
    Log2       [y]   : x.log2(),                          g / x / LN_2;
    Log10      [y]   : x.log10(),                         g / x / LN_10;
    Cbrt       [y]   : x.cbrt(),                          g / (3.0 * y * y);
    Rsqrt            : 1.0 / x.sqrt(),                    -0.5 * g * y / x;
    Tan              : x.sin() / x.cos(),                 g * (1.0 + y * y);
    Sinh       [y]   : x.sinh(),                          g * x.cosh();
    Cosh       [y]   : x.cosh(),                          g * x.sinh();
    Asin       [y]   : x.asin(),                          g / one_minus_square(x).sqrt();
    Acos       [y]   : x.acos(),                          -g / one_minus_square(x).sqrt();
    Atan       [y]   : x.atan(),                          g * secant(x) * secant(x);
    Asinh      [y]   : x.asinh(),                         g * secant(x);
    Sech2      [y]   : x.sech2(),                         -2.0 * (g * y * x.tanh());
    Acosh      [y]   : x.acosh(),                         g / ((x - 1.0).sqrt() * (x + 1.0).sqrt());
    Atanh      [y]   : x.atanh(),                         g / one_minus_square(x);
    // Step functions: piecewise constant.
    Sign       [y]   : x.sign(),                          x.lit(0.0);
    Floor      [y]   : x.floor(),                         x.lit(0.0);
    Ceil       [y]   : x.ceil(),                          x.lit(0.0);
    Round      [y]   : x.round(),                         x.lit(0.0);
    Trunc      [y]   : x.trunc(),                         x.lit(0.0);
    // Activations.
    LogSigmoid       : -(-x).softplus(),                  g * (-x).sigmoid();
    Relu6            : x.max(x.lit(0.0)).min(x.lit(6.0)), g.where_pos(x).where_pos(6.0 - x);
    Selu             : SELU[0] * x.gt(x.lit(0.0)).select(x, SELU[1] * x.left().exp_m1()), SELU[0] * x.gt(x.lit(0.0)).select(g, SELU[1] * g * x.left().exp());
    Silu       [y, d]: x * x.sigmoid(),                   g * x.sigmoid() * (1.0 + x * (-x).sigmoid());
    Mish             : x * x.softplus().tanh(),           g * (x.softplus().tanh() + x * x.sigmoid() * x.softplus().sech2());
    Hardsigmoid       : ((x + 3.0) / 6.0).max(x.lit(0.0)).min(x.lit(1.0)), (g / 6.0).where_pos(x + 3.0).where_pos(3.0 - x);
    Hardswish        : x * ((x + 3.0) / 6.0).max(x.lit(0.0)).min(x.lit(1.0)), x.ge(x.lit(3.0)).select(g, (g * (x / 3.0 + 0.5)).unless(x.le(x.lit(-3.0))));
    Softsign         : x / (1.0 + x.abs()),               g / (1.0 + x.abs()) / (1.0 + x.abs());
    Tanhshrink       : x - x.tanh(),                      g * x.tanh() * x.tanh();
    Gelu       [y, d]: x * x.ndtr(),                      g * (x.ndtr() + x * (-0.5 * x * x).exp() * FRAC_1_SQRT_TAU);
    GeluTanh         : x * (2.0 * gelu_angle(gelu_curved(x))).sigmoid(), g * ((2.0 * gelu_angle(gelu_curved(x))).sigmoid() + gelu_bend(x));
    // Special functions.
    Erf        [y]   : x.erf(),                           g * FRAC_2_SQRT_PI * (-x * x).exp();
    Erfc       [y]   : x.erfc(),                          -g * FRAC_2_SQRT_PI * (-x * x).exp();
    Erfcx      [y]   : x.erfcx(),                         -SQRT_2 * g * y * (-SQRT_2 * x).mills_tail(x.lit(1.0));
    ErfInv     [y]   : x.erfinv(),                        g * (0.5 * PI.sqrt()) * (y * y).exp();
    Lgamma     [y]   : x.lgamma(),                        g * x.digamma();
    Digamma    [y]   : x.digamma(),                       g * x.polygamma(x.lit(1.0));
    Logit            : (x / (1.0 - x)).ln(),              g / x + g / (1.0 - x);
    Sinc             : (sin_pi(x) / (PI * x)).or_where(x.eq(x.lit(0.0)), 1.0), -PI * g * x.spherical(x.lit(1.0));
    Entr             : (-x * x.ln()).unless(x.eq(x.lit(0.0))).or_where(x.lit(0.0).gt(x), -f64::INFINITY), -g * (x.ln() + 1.0);
    Ndtr       [y]   : x.ndtr(),                          g * (-0.5 * x * x).exp() * FRAC_1_SQRT_TAU;
    LogNdtr    [y]   : x.log_ndtr(),                      g * x.mills();
    Mills      [y]   : x.mills(),                         -g * y * x.mills_tail(x.lit(1.0));
    I0e        [y]   : x.i0e(),                           g * (x.i1e() - x.sign() * y);
    I1e        [y]   : x.i1e(),                           g * (x.i0e() - y * x.sign() - (y / x.or_where(x.eq(x.lit(0.0)), 1.0)).or_where(x.eq(x.lit(0.0)), 0.5));
}

binary! { a, b, y, g =>
    {
        //          y            cotangent of a                                     cotangent of b
        Add        [y, d]: a + b,       g,                                                 g;
        Sub        [y, d]: a - b,       g,                                                 -g;
        Mul        [y, d]: a * b,       g * b,                                             g * a;
        Div        [y, d]: a / b,       g / b,                                             -g * y / b;
        Pow        [y, d]: a.pow(b),    power_slope(g, a, b), g * y * a.or_where(a.eq(a.lit(0.0)) * b.ge(b.lit(0.0)), 1.0).ln();
        Maximum    [y, d]: a.max(b),    a.gt(b).select(g, (0.5 * g).only(a.eq(b))),        b.gt(a).select(g, (0.5 * g).only(a.eq(b)));
        Minimum    [y, d]: a.min(b),    b.gt(a).select(g, (0.5 * g).only(a.eq(b))),        a.gt(b).select(g, (0.5 * g).only(a.eq(b)));
        // 1 - b² for b = tanh a. Where b is close to ±1, the value is computed from a, since b has lost its digits
        // there; the derivative of b keeps all of them. Its loop is in `eval::blocks`.
        TanhSlope        : a.tanh_slope(b), b.lit(0.0),                                    -2.0 * g * b;
        // Angles and lengths; the cotangents are 0 at the origin.
        Atan2      [y]   : a.atan2(b),  g * b.versor(a) / length(a, b),                    -g * a.versor(b) / length(a, b);
        Hypot      [y]   : a.hypot(b),  g * a.versor(b),                                   g * b.versor(a);
        // a / √(a² + b²): one of the two components of a unit vector, whose squares add up to 1.
        Versor     [y]   : a.versor(b), g * b.versor(a) * b.versor(a) / length(a, b),      -g * y * b.versor(a) / length(a, b);
        Logaddexp        : a.max(b) + (-difference(a, b).abs()).exp().ln_1p(), (g * difference(a, b).sigmoid()).unless(y.eq(y.lit(-f64::INFINITY))), (g * difference(b, a).sigmoid()).unless(y.eq(y.lit(-f64::INFINITY)));
        Fmod       [y]   : a.fmod(b),   g,                                                 -g * ((a - y) / b).round();
        Remainder  [y]   : a.remainder(b), g,                                              -g * ((a - y) / b).round();
        Copysign   [y]   : a.copysign(b), g * a.sign() * a.lit(1.0).copysign(b),           b.lit(0.0);
        Xlogy            : (a * b.ln()).unless(a.eq(a.lit(0.0)) * b.eq(b)), (g * b.ln()).unless(a.eq(a.lit(0.0)) * b.le(b.lit(0.0))), g * a / b;
        Xlog1py          : (a * b.ln_1p()).unless(a.eq(a.lit(0.0)) * b.eq(b)), (g * b.ln_1p()).unless(a.eq(a.lit(0.0)) * b.le(b.lit(-1.0))), g * a / (1.0 + b);
        // Maximum and minimum; a NaN is ignored if the other operand is a number.
        Fmax             : a.ge(b).select(a, b.eq(b).select(b, a)), a.eq(b).select(0.5 * g, g.only(a.gt(b) + 1.0 - b.eq(b))), a.eq(b).select(0.5 * g, g.only(b.gt(a) + b.eq(b) * (1.0 - a.eq(a))));
        Fmin             : b.ge(a).select(a, b.eq(b).select(b, a)), a.eq(b).select(0.5 * g, g.only(b.gt(a) + 1.0 - b.eq(b))), a.eq(b).select(0.5 * g, g.only(a.gt(b) + b.eq(b) * (1.0 - a.eq(a))));
        Polygamma  [y]   : a.polygamma(b), g * a.polygamma(b + 1.0),                       b.lit(0.0);
        // Tails of a continued fraction: φ(x)/Φ(x) = K₁ - x, where Kₙ = n / (Kₙ₊₁ - x).
        MillsTail  [y]   : a.mills_tail(b), g * y * (a.mills_tail(b + 1.0) - y),           b.lit(0.0);
        // The spherical Bessel function jₙ(πx).
        Spherical  [y]   : a.spherical(b), PI * g * (b * a.spherical((b - 1.0).max(b.lit(0.0))) - (b + 1.0) * a.spherical(b + 1.0)) / (2.0 * b + 1.0), b.lit(0.0);
        // Activations with a parameter b.
        Prelu            : a.gt(a.lit(0.0)).select(a, a * b), a.gt(a.lit(0.0)).select(g, g * b), (g * a).unless(a.gt(a.lit(0.0)));
        Elu              : a.gt(a.lit(0.0)).select(a, b * a.left().exp_m1()), a.gt(a.lit(0.0)).select(g, g * b * a.left().exp()), (g * a.left().exp_m1()).unless(a.gt(a.lit(0.0)));
        Celu             : (a.gt(a.lit(0.0)) + (1e-16 * b.abs()).ge(a.abs())).select(a, celu_flat(a, b).select(-b, b * celu_exponent(a, b).exp_m1())), a.gt(a.lit(0.0)).select(g, (g * celu_exponent(a, b).exp()).unless(celu_flat(a, b))), celu_flat(a, b).select(-g, g * (celu_exponent(a, b).exp_m1() - celu_exponent(a, b) * celu_exponent(a, b).exp()));
        Softshrink       : a - a.max(-b).min(b), g.only(a.abs().gt(b)), -g * a.sign().only(a.abs().gt(b));
        Hardshrink       : a.unless(b.ge(a.abs())), g.only(a.abs().gt(b)),              b.lit(0.0);
    }
    // 1 where true, else 0. Piecewise constant: they take no cotangent.
    masks {
        Gt : a.gt(b);
        Ge : a.ge(b);
        Eq : a.eq(b);
    }
}
