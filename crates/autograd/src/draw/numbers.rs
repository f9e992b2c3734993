//! A readable summary of a tensor's numbers: the first few, the extremes, and how many are 0, infinite or NaN.

use std::fmt::{self, Display, Formatter};

/// A summary of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) shape: Vec<usize>,
    pub(crate) len: usize,
    first: Vec<f64>,
    least: f64,
    greatest: f64,
    pub(crate) zeros: usize,
    pub(crate) infinite: usize,
    pub(crate) nans: usize,
}

impl Numbers {
    /// How many elements are shown one by one.
    pub(crate) const SHOWN: usize = 4;

    /// An empty summary for an array of this shape.
    pub(crate) fn new(shape: &[usize]) -> Self {
        Numbers {
            shape: shape.to_vec(),
            len: 0,
            first: Vec::with_capacity(Self::SHOWN),
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            zeros: 0,
            infinite: 0,
            nans: 0,
        }
    }

    /// Adds an element.
    #[inline(never)]
    pub(crate) fn add(&mut self, x: f64) {
        if self.first.len() < Self::SHOWN {
            self.first.push(x);
        }
        self.len += 1;
        self.zeros += usize::from(x == 0.0);
        self.infinite += usize::from(x.is_infinite());
        self.nans += usize::from(x.is_nan());
        (self.least, self.greatest) = (self.least.min(x), self.greatest.max(x));
    }

    /// The largest magnitude; NaN if there is a NaN.
    pub(crate) fn largest(&self) -> f64 {
        match () {
            _ if self.nans > 0 => f64::NAN,
            _ if self.len == 0 => 0.0,
            _ => self.least.abs().max(self.greatest.abs()),
        }
    }

    /// The first element, which is the only one of a scalar.
    pub(crate) fn only(&self) -> f64 {
        self.first.first().copied().unwrap_or(f64::NAN)
    }

    /// Whether all are 0.
    pub(crate) fn is_zero(&self) -> bool {
        self.zeros == self.len
    }

    /// Whether all are finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.nans + self.infinite == 0
    }

    /// Notable counts: how many elements are NaN, infinite or, unless all are, 0.
    fn remarks(&self) -> String {
        let part = |n: usize| if n == self.len { "all".to_owned() } else { super::text::count(n) };
        let counted = [(self.nans, "NaN"), (self.infinite, "infinite"), (self.zeros, "zero")];
        let told = counted.into_iter().filter(|&(n, _)| n > 0).map(|(n, what)| format!("{} {what}", part(n)));
        told.collect::<Vec<_>>().join(", ")
    }
}

/// A single number, all numbers if there are few, or the range.
impl Display for Numbers {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        if self.shape.is_empty() {
            return f.write_str(&self.first.first().map_or_else(String::new, |&x| number(x)));
        }
        if self.len <= Self::SHOWN {
            return f.write_str(&nested(&self.shape, &self.first));
        }
        let remarks = self.remarks();
        match () {
            _ if self.nans == self.len || self.zeros == self.len => f.write_str(&remarks),
            _ if self.least == self.greatest && self.nans == 0 => write!(f, "all {}", number(self.least)),
            _ => {
                write!(f, "{} … {}", number(self.least), number(self.greatest))?;
                if remarks.is_empty() { Ok(()) } else { write!(f, ", {remarks}") }
            }
        }
    }
}

/// Elements in the brackets of their shape.
fn nested(shape: &[usize], elements: &[f64]) -> String {
    match shape {
        [] => elements.first().map_or_else(String::new, |&x| number(x)),
        [rows, rest @ ..] => {
            let size = rest.iter().product::<usize>();
            let row = |i: usize| nested(rest, elements.get(i * size..(i + 1) * size).unwrap_or_default());
            format!("[{}]", (0..if size == 0 { 0 } else { *rows }).map(row).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Six digits, without zeros at the end.
pub(crate) fn number(x: f64) -> String {
    if !x.is_finite() || x == 0.0 {
        return if x == 0.0 { "0".into() } else { x.to_string() };
    }
    let scientific = format!("{x:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..7).contains(&exponent) {
        let fixed = format!("{x:.*}", usize::try_from(5 - exponent).unwrap_or(0));
        return trimmed(&fixed).to_owned();
    }
    format!("{}e{exponent}", trimmed(digits))
}

/// Without the zeros that end a fraction.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shape: &[usize], elements: &[f64]) -> String {
        let mut numbers = Numbers::new(shape);
        elements.iter().for_each(|&x| numbers.add(x));
        numbers.to_string()
    }

    #[test]
    fn a_number_has_six_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.384_975_014, "0.384975"),
            (-1.5, "-1.5"),
            (0.1_f32 as f64, "0.1"),
            (1_234_567.0, "1234567"),
            (12_345_678.0, "1.23457e7"),
            (0.000_1, "0.0001"),
            (0.000_012, "1.2e-5"),
            (0.999_999_99, "1"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (x, text) in cases {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn few_elements_are_shown_and_many_summed_up() {
        assert_eq!(of(&[], &[0.5]), "0.5");
        assert_eq!(of(&[2], &[1.0, -2.0]), "[1, -2]");
        assert_eq!(of(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), "[[1, 2], [3, 4]]");
        assert_eq!(of(&[1, 1], &[f64::NAN]), "[[NaN]]");
        assert_eq!(of(&[5], &[1.0, 2.0, 0.0, -3.0, 0.5]), "-3 … 2, 1 zero");
        assert_eq!(of(&[5], &[0.0; 5]), "all zero");
        assert_eq!(of(&[5], &[2.5; 5]), "all 2.5");
        assert_eq!(of(&[5], &[f64::NAN; 5]), "all NaN");
        assert_eq!(of(&[6], &[1.0, f64::NAN, f64::INFINITY, 0.0, 0.0, 2.0]), "0 … inf, 1 NaN, 1 infinite, 2 zero");
        assert_eq!((of(&[0], &[]), of(&[2, 0], &[])), ("[]".into(), "[]".into()));
    }
}
