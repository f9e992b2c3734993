//! Prints like NumPy: brackets by axis, aligned columns, and the middle of a large array omitted.

use super::Tensor;
use crate::float::Element;
use std::fmt::{self, Debug, Display, Formatter};

/// Arrays with more elements than this are summarized.
const SUMMARIZE: usize = 1000;
/// Number of entries shown at either end of each axis of a summarized array.
const EDGE: usize = 3;
/// Digits after the decimal point, by default.
const DIGITS: usize = 8;

/// Prints like NumPy; `{:.3}` sets the number of digits after the decimal point.
///
/// ```
/// let a = autograd::tensor![[1.0, -2.5], [0.125, 40.0]];
/// assert_eq!(a.to_string(), "[[ 1.   , -2.5  ],\n [ 0.125, 40.   ]]");
/// ```
impl<T: Element> Display for Tensor<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        if self.rank() == 0 {
            return f.write_str(&number(self.item(), f.precision()));
        }
        let cells = Cells::of(self, f.precision());
        let mut index = Vec::with_capacity(self.rank());
        write_axis(f, self, &mut index, &cells)
    }
}

/// Prints the type, the shape and the elements.
impl<T: Element> Debug for Tensor<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "Tensor<{}>{:?} {self}", T::NAME, self.shape())
    }
}

/// The number format shared by all elements of a tensor: one width, one number of digits after the decimal point.
struct Cells {
    width: usize,
    digits: Option<usize>,
}

impl Cells {
    fn of<T: Element>(tensor: &Tensor<T>, precision: Option<usize>) -> Cells {
        let mut texts = Vec::new();
        visit(tensor, &mut Vec::new(), &mut |x| texts.push(number(x, precision)));
        let fraction = |t: &String| t.split_once('.').map_or(0, |(_, tail)| tail.len());
        // Only plain decimals are aligned at the decimal point; numbers with exponents are aligned on the right.
        let plain = texts.iter().all(|t| t.contains('.') && !t.contains('e'));
        let digits = plain.then(|| texts.iter().map(fraction).max().unwrap_or(0));
        let width = |t: &String| t.len() + digits.map_or(0, |d| d - fraction(t));
        Cells { width: texts.iter().map(width).max().unwrap_or(0), digits }
    }

    fn write<T: Element>(&self, f: &mut Formatter, x: T) -> fmt::Result {
        let text = number(x, f.precision());
        let fraction = text.split_once('.').map_or(0, |(_, tail)| tail.len());
        let padded = format!("{text}{}", " ".repeat(self.digits.map_or(0, |d| d - fraction)));
        write!(f, "{padded:>width$}", width = self.width)
    }
}

/// A number formatted like NumPy: at most eight digits after the decimal point, without trailing zeros.
fn number<T: Element>(x: T, precision: Option<usize>) -> String {
    let plain = x.to_string();
    let is_float = matches!(T::NAME, "f32" | "f64") && plain.parse::<f64>().is_ok_and(f64::is_finite);
    if !is_float {
        return plain;
    }
    let value: f64 = plain.parse().expect("a float prints as a float");
    let digits = precision.unwrap_or(DIGITS);
    if value != 0.0 && !(1e-4..1e8).contains(&value.abs()) {
        return format!("{value:.*e}", digits.min(DIGITS));
    }
    let text = format!("{value:.digits$}");
    match precision {
        Some(_) => text,
        None => text.trim_end_matches('0').to_owned(),
    }
}

/// The indices of an axis that are shown: all of them, or those at both ends.
fn shown(size: usize, summarize: bool) -> impl Iterator<Item = usize> {
    let cut = summarize && size > 2 * EDGE;
    (0..size).filter(move |i| !cut || *i < EDGE || *i >= size - EDGE)
}

fn visit<T: Element>(tensor: &Tensor<T>, index: &mut Vec<usize>, f: &mut dyn FnMut(T)) {
    if index.len() == tensor.rank() {
        return f(tensor.at(index));
    }
    for i in shown(tensor.shape()[index.len()], tensor.len() > SUMMARIZE) {
        index.push(i);
        visit(tensor, index, f);
        index.pop();
    }
}

fn write_axis<T: Element>(f: &mut Formatter, t: &Tensor<T>, index: &mut Vec<usize>, cells: &Cells) -> fmt::Result {
    let depth = index.len();
    if depth == t.rank() {
        return cells.write(f, t.at(index));
    }
    let between = if depth + 1 == t.rank() {
        ", ".to_owned()
    } else {
        format!(",{}{}", "\n".repeat(t.rank() - depth - 1), " ".repeat(depth + 1))
    };
    f.write_str("[")?;
    let mut last = None;
    for i in shown(t.shape()[depth], t.len() > SUMMARIZE) {
        match last {
            Some(j) if j + 1 < i => write!(f, "{between}...{between}")?,
            Some(_) => f.write_str(&between)?,
            None => (),
        }
        index.push(i);
        write_axis(f, t, index, cells)?;
        index.pop();
        last = Some(i);
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, tensor};

    #[test]
    fn like_numpy() {
        assert_eq!(tensor![1.0, 2.0].to_string(), "[1., 2.]");
        assert_eq!(tensor![[1_i64, 20], [3, 4]].to_string(), "[[ 1, 20],\n [ 3,  4]]");
        assert_eq!(tensor![[[1_i64], [2]], [[3], [4]]].to_string(), "[[[1],\n  [2]],\n\n [[3],\n  [4]]]");
        assert_eq!(Tensor::<f64>::arange(2000).to_string(), "[   0.,    1.,    2., ..., 1997., 1998., 1999.]");
        assert_eq!(format!("{:.2}", tensor![0.126, 1.0]), "[0.13, 1.00]");
        assert_eq!(tensor![1e-9, f64::NAN].to_string(), "[1.00000000e-9,           NaN]");
        assert_eq!(Tensor::<f64>::zeros(&[0, 3]).to_string(), "[]");
        assert_eq!(Tensor::scalar(0.5f32).to_string(), "0.5");
        assert_eq!(Tensor::scalar(0.1f32).to_string(), "0.1");
    }
}
