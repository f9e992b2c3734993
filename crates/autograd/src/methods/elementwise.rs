//! The rows of [the table](crate::op::elementwise) as methods, one line each with its doc, and methods that call a row
//! under another name.

macro_rules! elementwise_methods {
    () => {
        unary! {
            /// eˣ
            exp Exp = "x.exp()";
            /// eˣ - 1, accurate near 0
            #[doc(alias = "expm1")]
            exp_m1 ExpM1 = "x.exp_m1()";
            /// Natural logarithm: -inf at 0, NaN for negative x.
            #[doc(alias = "log")]
            ln Ln = "x.ln()";
            /// ln(1 + x), accurate near 0
            #[doc(alias = "log1p")]
            ln_1p Ln1p = "x.ln_1p()";
            /// √x; its derivative at 0 is infinite.
            sqrt Sqrt = "x.sqrt()";
            /// Sine of x in radians.
            sin Sin = "x.sin()";
            /// Cosine of x in radians.
            cos Cos = "x.cos()";
            /// Hyperbolic tangent.
            tanh Tanh = "x.tanh()";
            /// The logistic function 1 / (1 + e⁻ˣ), without overflow.
            #[doc(alias = "expit")]
            sigmoid Sigmoid = "1.0 / (1.0 + (-x).exp())";
            /// ln(1 + eˣ), without overflow
            softplus Softplus = "x.exp().ln_1p()";
            /// max(x, 0); its derivative at 0 is 0.
            relu Relu = "x.max(0.0)";
            /// |x|; its derivative at 0 is 0.
            #[doc(alias = "absolute")]
            abs Abs = "x.abs()";
            /// x²
            square Square = "x * x";
            /// 1 / x
            #[doc(alias = "reciprocal")]
            recip Recip = "1.0 / x";
            /// 2ˣ
            exp2 Exp2 = "2f64.sqrt()";
            /// Logarithm to base 2.
            log2 Log2 = "-1.0";
            /// Logarithm to base 10.
            log10 Log10 = "0.5f64.log10()";
            /// Cube root, also of a negative number.
            cbrt Cbrt = "x.cbrt()";
            /// 1 / √x
            rsqrt Rsqrt = "2f64.sqrt()";
            /// Tangent of x in radians.
            tan Tan = "x.tan()";
            /// Hyperbolic sine.
            sinh Sinh = "x.sinh()";
            /// Hyperbolic cosine.
            cosh Cosh = "x.cosh()";
            /// Inverse sine, in [-π/2, π/2]; NaN for |x| > 1.
            #[doc(alias = "arcsin")]
            asin Asin = "x.asin()";
            /// Inverse cosine, in [0, π]; NaN for |x| > 1.
            #[doc(alias = "arccos")]
            acos Acos = "x.acos()";
            /// Inverse tangent, in [-π/2, π/2].
            #[doc(alias = "arctan")]
            atan Atan = "x.atan()";
            /// Inverse hyperbolic sine.
            #[doc(alias = "arcsinh")]
            asinh Asinh = "x.asinh()";
            /// Inverse hyperbolic cosine, accurate near 1; NaN for x < 1.
            #[doc(alias = "arccosh")]
            acosh Acosh = "f64::NAN";
            /// Inverse hyperbolic tangent.
            #[doc(alias = "arctanh")]
            atanh Atanh = "3f64.ln() / 2.0";
            /// The sign of x: -1, 0 or 1; its derivative is 0.
            sign Sign = "1.0";
            /// Rounds down to an integer; its derivative is 0.
            floor Floor = "0.0";
            /// Rounds up to an integer; its derivative is 0.
            ceil Ceil = "1.0";
            /// Rounds to the nearest integer, ties to even; its derivative is 0.
            round Round = "0.0";
            /// Rounds toward 0 to an integer; its derivative is 0.
            #[doc(alias = "fix")]
            trunc Trunc = "0.0";
            /// ln σ(x) = -ln(1 + e⁻ˣ), without overflow
            #[doc(alias = "logsigmoid")]
            log_sigmoid LogSigmoid = "-(-x).exp().ln_1p()";
            /// min(max(x, 0), 6); its derivative is 0 at both ends.
            relu6 Relu6 = "x";
            /// SELU, the self-normalizing unit: λx for x > 0, else λα(eˣ - 1), with λ ≈ 1.0507 and α ≈ 1.6733.
            selu Selu = "1.0507009873554805 * x";
            /// x σ(x), also called swish.
            #[doc(alias = "swish")]
            silu Silu = "x / (1.0 + (-x).exp())";
            /// x tanh(ln(1 + eˣ))
            mish Mish = "x * x.exp().ln_1p().tanh()";
            /// x/6 + ½, clamped to the range from 0 to 1; its derivative is 0 at ±3.
            hardsigmoid Hardsigmoid = "x / 6.0 + 0.5";
            /// x · hardsigmoid(x); its derivative is 0 at -3 and 1 at 3.
            hardswish Hardswish = "x * (x / 6.0 + 0.5)";
            /// x / (1 + |x|)
            softsign Softsign = "1.0 / 3.0";
            /// x - tanh x
            tanhshrink Tanhshrink = "x - x.tanh()";
            /// x Φ(x), where Φ is the standard normal distribution function.
            gelu Gelu = "x * 0.6914624612740131";
            /// The tanh approximation ½x(1 + tanh(√(2/π)(x + 0.044715x³))) of [`gelu`](Self::gelu).
            gelu_tanh GeluTanh = "0.34571400982514394";
            /// The error function 2/√π ∫₀ˣ exp(-t²) dt.
            erf Erf = "0.5204998778130465";
            /// 1 - erf x, accurate in the tail.
            erfc Erfc = "1.0 - 0.5204998778130465";
            /// exp(x²) erfc x, which decays only like 1/x where erfc underflows.
            erfcx Erfcx = "0.6156903441929258";
            /// The inverse of erf; infinite at ±1, NaN for |x| > 1.
            erfinv ErfInv = "0.4769362762044699";
            /// ln |Γ(x)|
            #[doc(alias = "gammaln")]
            lgamma Lgamma = "std::f64::consts::PI.ln() / 2.0";
            /// Γ′(x) / Γ(x)
            digamma Digamma = "-1.9635100260214235";
            /// ln(x / (1 - x)), the inverse of the sigmoid.
            logit Logit = "0.0";
            /// sin(πx) / (πx), and 1 at 0.
            sinc Sinc = "2.0 / std::f64::consts::PI";
            /// -x ln x; 0 at 0, -inf for negative x.
            entr Entr = "2f64.ln() / 2.0";
            /// The standard normal distribution function Φ(x).
            ndtr Ndtr = "0.6914624612740131";
            /// ln Φ(x), accurate in the left tail.
            log_ndtr LogNdtr = "0.6914624612740131f64.ln()";
            /// e⁻|ˣ| I₀(x), where I₀ is the modified Bessel function of order 0.
            i0e I0e = "1.0634833707413236 * (-x).exp()";
            /// e⁻|ˣ| I₁(x), where I₁ is the modified Bessel function of order 1.
            i1e I1e = "0.25789430539089631 * (-x).exp()";
        }

        binary! {
            /// a + b, with broadcasting.
            add, try_add, Add = "[4.0, 4.0], [6.0, 6.0]";
            /// a - b, with broadcasting.
            #[doc(alias = "subtract")]
            sub, try_sub, Sub = "[-2.0, 0.0], [0.0, 2.0]";
            /// a · b, element by element, with broadcasting.
            #[doc(alias = "multiply")]
            mul, try_mul, Mul = "[3.0, 4.0], [9.0, 8.0]";
            /// a / b, with broadcasting.
            #[doc(alias = "divide")]
            #[doc(alias = "true_divide")]
            div, try_div, Div = "[1.0 / 3.0, 1.0], [1.0, 2.0]";
            /// aᵇ. 0⁰ is 1, with derivative 0 with respect to a; NaN for a < 0 and noninteger b.
            #[doc(alias = "power")]
            pow, try_pow, Pow = "[1.0, 4.0], [27.0, 16.0]";
            /// The elementwise maximum; at ties, each operand gets half of the derivative.
            maximum, try_maximum, Maximum = "[3.0, 2.0], [3.0, 4.0]";
            /// The elementwise minimum; at ties, each operand gets half of the derivative.
            minimum, try_minimum, Minimum = "[1.0, 2.0], [3.0, 2.0]";
            /// 1 where a > b, else 0: a mask, which has no derivative.
            #[doc(alias = "greater")]
            gt, try_gt, Gt = "[0.0, 0.0], [0.0, 1.0]";
            /// 1 where a ≥ b, else 0: a mask, which has no derivative.
            #[doc(alias = "greater_equal")]
            ge, try_ge, Ge = "[0.0, 1.0], [1.0, 1.0]";
            /// 1 where a = b, else 0: a mask, which has no derivative.
            #[doc(alias = "eq")]
            equal, try_equal, Eq = "[0.0, 1.0], [1.0, 0.0]";
            /// The angle of the point (b, a), in radians from -π to π; at the origin its derivative is 0.
            #[doc(alias = "arctan2")]
            atan2, try_atan2, Atan2 = "[1.0_f64.atan2(3.0), 2.0_f64.atan2(2.0)], [3.0_f64.atan2(3.0), 4.0_f64.atan2(2.0)]";
            /// √(a² + b²), without overflow; at the origin its derivative is 0.
            hypot, try_hypot, Hypot = "[1.0_f64.hypot(3.0), 2.0_f64.hypot(2.0)], [3.0_f64.hypot(3.0), 4.0_f64.hypot(2.0)]";
            /// The remainder a - b·trunc(a/b), with the sign of a.
            fmod, try_fmod, Fmod = "[1.0, 0.0], [0.0, 0.0]";
            /// The remainder a - b·⌊a/b⌋, with the sign of b.
            #[doc(alias = "mod")]
            remainder, try_remainder, Remainder = "[1.0, 0.0], [0.0, 0.0]";
            /// The magnitude of a with the sign of b.
            copysign, try_copysign, Copysign = "[1.0, 2.0], [3.0, 4.0]";
            /// The elementwise maximum, where NaN is ignored if the other operand is a number; at ties, each gets half
            /// of the derivative.
            fmax, try_fmax, Fmax = "[3.0, 2.0], [3.0, 4.0]";
            /// The elementwise minimum, where NaN is ignored if the other operand is a number; at ties, each gets half
            /// of the derivative.
            fmin, try_fmin, Fmin = "[1.0, 2.0], [3.0, 2.0]";
            /// a for a > 0, else ab: b is the slope for negative a.
            prelu, try_prelu, Prelu = "[1.0, 2.0], [3.0, 4.0]";
            /// a moved toward 0 by b; 0 where |a| ≤ b.
            softshrink, try_softshrink, Softshrink = "[0.0, 0.0], [0.0, 2.0]";
            /// a, but 0 where |a| ≤ b.
            hardshrink, try_hardshrink, Hardshrink = "[0.0, 0.0], [0.0, 4.0]";
            /// ln(eᵃ + eᵇ), without overflow.
            logaddexp, try_logaddexp, Logaddexp = "[(1f64.exp() + 3f64.exp()).ln(), 2.0 + 2f64.ln()], [3.0 + 2f64.ln(), (4f64.exp() + 2f64.exp()).ln()]";
            /// a ln b, and 0 where a is 0.
            xlogy, try_xlogy, Xlogy = "[1.0 * 3.0_f64.ln(), 2.0 * 2.0_f64.ln()], [3.0 * 3.0_f64.ln(), 4.0 * 2.0_f64.ln()]";
            /// a ln(1 + b), and 0 where a is 0.
            xlog1py, try_xlog1py, Xlog1py = "[1.0 * 3.0_f64.ln_1p(), 2.0 * 2.0_f64.ln_1p()], [3.0 * 3.0_f64.ln_1p(), 4.0 * 2.0_f64.ln_1p()]";
        }

        /// 1 where a < b, else 0: a mask, which has no derivative.
        ///
        /// # Panics
        /// If the shapes do not broadcast.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0].lt(tensor![2.0]), tensor![1.0, 0.0]);
        /// ```
        #[doc(alias = "less")]
        #[track_caller]
        pub fn lt(&self, b: impl Borrow<Self>) -> Self {
            b.borrow().gt(self)
        }

        /// 1 where a ≤ b, else 0: a mask, which has no derivative.
        ///
        /// # Panics
        /// If the shapes do not broadcast.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0].le(tensor![1.0]), tensor![1.0, 0.0]);
        /// ```
        #[doc(alias = "less_equal")]
        #[track_caller]
        pub fn le(&self, b: impl Borrow<Self>) -> Self {
            b.borrow().ge(self)
        }

        /// x to a constant power: `powf(2.0)` squares, `powf(0.5)` takes the square root.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![2.0, 3.0].powf(2.0), tensor![4.0, 9.0]);
        /// ```
        #[doc(alias = "pow")]
        #[track_caller]
        pub fn powf(&self, exponent: f64) -> Self {
            match exponent {
                1.0 => self.clone(),
                2.0 => self.square(),
                0.5 => self.sqrt(),
                -1.0 => self.recip(),
                p => self.pow(self.number(T::of(p))),
            }
        }

        /// x to a constant integer power, like `f64::powi`: [`powf`](Self::powf) of the same number.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![2.0, -3.0].powi(3), tensor![8.0, -27.0]);
        /// ```
        #[track_caller]
        pub fn powi(&self, exponent: i32) -> Self {
            self.powf(exponent.into())
        }
    };
}
pub(super) use elementwise_methods;
