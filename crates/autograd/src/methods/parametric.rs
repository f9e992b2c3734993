//! Functions with parameters, mostly activations: rows of the table with a constant operand, and selections between two
//! values.

macro_rules! parametric {
    () => {
        /// x for x > 0, else `slope` · x.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![2.0, -2.0].leaky_relu(0.25), tensor![2.0, -0.5]);
        /// ```
        #[track_caller]
        pub fn leaky_relu(&self, slope: f64) -> Self {
            self.prelu(self.number(T::of(slope)))
        }

        /// x for x > 0, else α(eˣ - 1): Clevert et al., 2016.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![2.0, -1e3].elu(0.5), tensor![2.0, -0.5]);
        /// ```
        #[track_caller]
        pub fn elu(&self, alpha: f64) -> Self {
            Value::apply(Op::Binary(Binary::Elu), &[self, &self.number(T::of(alpha))])
        }

        /// x clamped between `min` and `max`; the derivative at and beyond the bounds is 0.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![-3.0, 0.5, 3.0].hardtanh(-1.0, 1.0), tensor![-1.0, 0.5, 1.0]);
        /// ```
        #[track_caller]
        pub fn hardtanh(&self, min: f64, max: f64) -> Self {
            let (min, max) = (self.number(T::of(min)), self.number(T::of(max)));
            self.le(&min).select(&min, max.le(self).select(&max, self))
        }

        /// x where x > `threshold`, else `value`.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![0.5, 1.5].threshold(1.0, -2.0), tensor![-2.0, 1.5]);
        /// ```
        #[track_caller]
        pub fn threshold(&self, threshold: f64, value: f64) -> Self {
            let (threshold, value) = (self.number(T::of(threshold)), self.number(T::of(value)));
            // Select by x ≤ `threshold`, not by x > `threshold`, so that NaN stays NaN.
            self.le(threshold).select(value, self)
        }

        /// ln(1 + e^(βx)) / β, and x itself where βx > `threshold`.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![0.0, 9.0].softplus_with(2.0, 10.0), tensor![0.5 * 2f64.ln(), 9.0]);
        /// ```
        #[track_caller]
        pub fn softplus_with(&self, beta: f64, threshold: f64) -> Self {
            let scaled = Value::scale(self, beta);
            let line = scaled.gt(self.number(T::of(threshold)));
            line.select(self, Value::scale(&scaled.softplus(), 1.0 / beta))
        }

        /// `base`ˣ
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![2.0, -1.0].scalar_pow(2.0), tensor![4.0, 0.5]);
        /// ```
        #[track_caller]
        pub fn scalar_pow(&self, base: f64) -> Self {
            self.number(T::of(base)).pow(self)
        }

        /// The n-th derivative of [`digamma`](Self::digamma), for n ≥ 0.
        ///
        /// ```
        /// let y: f64 = autograd::tensor![1.0].polygamma(1).item();
        /// assert!((y - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-15);
        /// ```
        #[track_caller]
        pub fn polygamma(&self, n: u32) -> Self {
            Value::apply(Op::Binary(Binary::Polygamma), &[self, &self.number(T::of(f64::from(n)))])
        }

        twins! {
            /// x for x > 0, else α(e^(x/α) - 1), whose derivative at 0 is 1. α must not be 0.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![2.0, -1e3].celu(0.5), tensor![2.0, -0.5]);
            /// assert!(tensor![2.0].try_celu(0.0).is_err());
            /// ```
            celu, try_celu(alpha: f64) |x| {
                if alpha == 0.0 {
                    return Err(Error::Argument { op: "celu", hint: "alpha must not be 0: it is a divisor".into() });
                }
                Ok(Value::apply(Op::Binary(Binary::Celu), &[x, &x.number(T::of(alpha))]))
            }

            /// The gated linear unit: the first half of an axis times the sigmoid of the second half.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![2.0, 0.0].glu(0), tensor![1.0]);
            /// ```
            glu, try_glu(axis: isize) |x| {
                let shape = Value::shape(x);
                let i = resolve_axis("glu", axis, &shape)?;
                if shape[i] % 2 != 0 {
                    let hint = format!("axis {i} must have an even size");
                    return Err(Error::Shape { op: "glu", shape: shape.as_slice().into(), hint });
                }
                let half = shape[i] / 2;
                x.try_slice(axis, ..half)?.try_mul(x.try_slice(axis, half..)?.sigmoid())
            }
        }
    };
}

pub(super) use parametric;
