//! [`Domain`]: the values that data may have, such as targets, weights and lengths. They are checked by an op on the tape,
//! so that a replayed step checks the data of every batch. Settings, which do not change, are checked where they are used.

use crate::once;
use autograd::{Cotangents, Error, Float, Result, Rule, Tensor, Value, Var};
use std::fmt::{self, Display, Formatter};

/// The values that data may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Domain {
    /// `[0, 1]`
    Unit,
    /// Finite, and at least 0.
    NonNegative,
    /// Logarithms of finite numbers: below infinity, and not NaN.
    Logarithm,
    /// 1 or -1.
    Sign,
    /// 0 or 1.
    Binary,
    /// Integers from 0 to the given one.
    Whole(usize),
    /// Any number except this one, the blank class.
    NotBlank(usize),
}

impl Domain {
    /// Returns `x` unchanged, or an error that names the first element that is not in this domain. `what` is the name of
    /// the data.
    pub(crate) fn check<'t, T: Float>(self, op: &'static str, what: &'static str, x: Var<'t, T>) -> Result<Var<'t, T>> {
        checked(self, op, what, x)
    }

    /// The position of the first element that is not in this domain.
    fn first_outside<T: Float>(self, x: &Tensor<T>) -> Option<usize> {
        let (zero, one) = (T::zero(), T::one());
        match self {
            Domain::Unit => outside(x, |x| (zero <= x) & (x <= one)),
            Domain::NonNegative => outside(x, |x| (zero <= x) & (x < T::INFINITY)),
            Domain::Logarithm => outside(x, |x| x < T::INFINITY),
            Domain::Sign => outside(x, |x| x.abs() == one),
            Domain::Binary => outside(x, |x| (x == zero) | (x == one)),
            Domain::NotBlank(blank) => outside(x, |x| (x.f64() - blank as f64).abs() > 0.0),
            Domain::Whole(most) => outside(x, |x| (zero <= x) & (x.f64() <= most as f64) & (x.f64().fract() == 0.0)),
        }
    }
}

once! {
    fn checked<'t, T>(domain: Domain, op: &'static str, what: &'static str, x: Var<'t, T>) -> Result<Var<'t, T>> {
        Var::try_custom(Within { op, what, domain }, &[x])
    }
}

/// The position of the first element that does not fit. Whole blocks have no branch inside, so that the compiler
/// vectorizes the loop.
fn outside<T: Float>(x: &Tensor<T>, fits: impl Fn(T) -> bool) -> Option<usize> {
    let block_fits = |block: &[T]| block.iter().fold(true, |all, x| all & fits(*x));
    if x.as_slice().is_some_and(|x| x.chunks(256).all(block_fits)) {
        return None;
    }
    x.iter().position(|x| !fits(x))
}

impl Display for Domain {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Domain::Unit => f.write_str("in [0, 1]"),
            Domain::NonNegative => f.write_str("finite and at least 0"),
            Domain::Logarithm => f.write_str("logarithms, below infinity"),
            Domain::Sign => f.write_str("1 or -1"),
            Domain::Binary => f.write_str("0 or 1"),
            Domain::NotBlank(blank) => write!(f, "other than the blank {blank}"),
            Domain::Whole(most) => write!(f, "whole numbers from 0 to {most}"),
        }
    }
}

/// The identity on a domain.
struct Within {
    op: &'static str,
    what: &'static str,
    domain: Domain,
}

impl<T: Float> Rule<T> for Within {
    fn name(&self) -> &'static str {
        self.op
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let Some(i) = self.domain.first_outside(x[0]) else { return Ok(x[0].clone()) };
        let found = x[0].iter().nth(i).map_or(f64::NAN, Float::f64);
        let hint = format!("{} must be {}, but element {i} is {found}", self.what, self.domain);
        Err(Error::Argument { op: self.op, hint })
    }

    fn vjp<V: Value<T>>(&self, _x: &[&V], _y: &V, g: &V) -> Cotangents<V> {
        [Some(g.clone())].into_iter().collect()
    }

    fn jvp<V: Value<T>>(&self, _x: &[&V], _y: &V, t: &[Option<&V>]) -> Result<Option<V>> {
        Ok(t[0].cloned())
    }
}

/// Returns an error unless a setting is positive and finite.
pub(crate) fn positive(op: &'static str, name: &str, x: f64) -> Result<()> {
    setting(op, name, x, x > 0.0 && x.is_finite(), "positive and finite")
}

/// Returns an error unless a setting is finite.
pub(crate) fn finite(op: &'static str, name: &str, x: f64) -> Result<()> {
    setting(op, name, x, x.is_finite(), "finite")
}

/// Returns an error unless a setting is finite and at least 0.
pub(crate) fn non_negative(op: &'static str, name: &str, x: f64) -> Result<()> {
    setting(op, name, x, x >= 0.0 && x.is_finite(), "finite and at least 0")
}

/// Returns an error unless a setting is in `[0, 1]`.
pub(crate) fn unit(op: &'static str, name: &str, x: f64) -> Result<()> {
    setting(op, name, x, (0.0..=1.0).contains(&x), "in [0, 1]")
}

/// Panics with the text of the error if there is one.
#[track_caller]
pub(crate) fn or_panic<V, E: Display>(checked: std::result::Result<V, E>) -> V {
    match checked {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

fn setting(op: &'static str, name: &str, x: f64, fits: bool, rule: &str) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::Argument { op, hint: format!("{name} must be {rule}, got {x}") }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Tape, gradcheck, tensor};

    #[test]
    fn each_domain_ends_where_it_should() {
        const INF: f64 = f64::INFINITY;
        let cases: [(Domain, &[f64], &[f64]); 7] = [
            (Domain::Unit, &[0.0, -0.0, 0.5, 1.0], &[-1e-300, 1.0 + f64::EPSILON, INF, -INF]),
            (Domain::NonNegative, &[0.0, 1e-300, f64::MAX], &[-1e-300, INF]),
            (Domain::Logarithm, &[-INF, 0.0, f64::MAX], &[INF]),
            (Domain::Sign, &[1.0, -1.0], &[0.0, 0.5, 2.0]),
            (Domain::Binary, &[0.0, -0.0, 1.0], &[0.5, -1.0, 2.0]),
            (Domain::Whole(3), &[0.0, 1.0, 3.0], &[-1.0, 0.5, 4.0, INF, 1e30]),
            (Domain::NotBlank(3), &[-1.0, 0.0, 4.0], &[3.0]),
        ];
        for (domain, inside, out) in cases {
            let tape = Tape::<f64>::new();
            let x = tape.var(inside.to_vec());
            assert_eq!(domain.check("docs", "targets", x).unwrap().value(), x.value());
            for &bad in out.iter().chain(&[f64::NAN]) {
                // Behind a whole block, in order and as a view.
                let values = [vec![inside[0]; 300], vec![bad, inside[0]]].concat();
                let x = tape.var(values);
                for x in [x, x.flip(0)] {
                    let error = domain.check("docs", "targets", x).unwrap_err().to_string();
                    let place =
                        if x.value().at(&[0]) == inside[0] && x.value().at(&[1]) == inside[0] { 300 } else { 1 };
                    assert_eq!(error, format!("docs: targets must be {domain}, but element {place} is {bad}"));
                }
            }
        }
    }

    #[test]
    fn derivatives_pass() {
        gradcheck(|x| Domain::Unit.check("docs", "targets", x[0]).unwrap().square(), &[tensor![0.25, 0.5]]).unwrap();
    }
}
