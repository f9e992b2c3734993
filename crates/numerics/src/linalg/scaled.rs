//! Numbers with a separate exponent, for products whose intermediate results would overflow or underflow.

/// digits · 2^exponent, where the magnitude of the digits is 0, in [½, 1), or not finite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaled {
    digits: f64,
    exponent: i64,
}

impl From<f64> for Scaled {
    fn from(x: f64) -> Scaled {
        let (digits, exponent) = libm::frexp(x);
        Scaled { digits, exponent: exponent.into() }
    }
}

impl Scaled {
    /// The product.
    pub(super) fn times(self, other: Scaled) -> Scaled {
        Scaled::from(self.digits * other.digits).shift(self.exponent + other.exponent)
    }

    /// The number times a power of two.
    pub(super) fn shift(self, by: i64) -> Scaled {
        Scaled { exponent: self.exponent + by, ..self }
    }

    /// The exponent; `None` for 0.
    pub(super) fn power(self) -> Option<i64> {
        (self.digits != 0.0).then_some(self.exponent)
    }

    /// The number, rounded; infinite if it overflows.
    pub(super) fn value(self) -> f64 {
        libm::scalbn(self.digits, self.exponent.clamp(-4000, 4000) as i32)
    }
}

/// The product of all numbers.
pub(super) fn product(x: impl IntoIterator<Item = f64>) -> Scaled {
    x.into_iter().fold(Scaled::from(1.0), |product, x| product.times(Scaled::from(x)))
}
