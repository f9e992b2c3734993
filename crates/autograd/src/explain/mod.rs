//! Inspecting a tape: a table of its nodes with ops, values and source lines, a search for the first non-finite value,
//! pictures ([`Drawing`]), and the chain rule step by step ([`Explanation`]).
//!
//! `collect` turns the part of a tape that is wanted into a [`Scene`](crate::draw::Scene), plain data from which everything
//! is drawn and printed.

mod collect;
mod drawing;
mod skeleton;
mod steps;
mod why;

pub use drawing::Drawing;
pub use steps::Explanation;
pub use why::{Contribution, Contributions};

use crate::float::Float;
use crate::tape::Tape;
use crate::tape::Var;
use crate::tensor::Tensor;
use std::fmt::{self, Display, Formatter};

/// Prints the tape as a table: id, op, inputs, shape, value, and the source line that recorded each node.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let x = tape.var(3.0);
/// let y = x * x + 1.0;
/// let table = tape.to_string();
/// assert!(table.contains("#1  mul       #0 #0"));
/// ```
impl<T: Float> Display for Tape<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        for var in self.vars() {
            let inputs: Vec<String> = var.inputs().iter().map(|v| format!("#{}", v.id())).collect();
            let (op, value, line) = (var.op(), var.value(), var.line());
            let shape = format!("{:?}", value.shape());
            write!(f, "#{:<2} {:<9} {:<10} {shape:<10} {:<24}", var.id(), op.name(), inputs.join(" "), brief(&value))?;
            writeln!(f, " {}:{}", line.file(), line.line())?;
        }
        Ok(())
    }
}

impl<T: Float> Tape<T> {
    /// Returns the first node whose value is infinite or NaN although its inputs are finite, which is where a
    /// computation went wrong. [`Var::line`] returns its source line.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, -1.0]);
    /// let y = x.ln().exp(); // ln(-1) is NaN
    /// let culprit = tape.first_non_finite().unwrap();
    /// assert_eq!(culprit.op().name(), "ln");
    /// ```
    pub fn first_non_finite(&self) -> Option<Var<'_, T>> {
        self.vars().find(|v| v.value().iter().any(|x| !Float::is_finite(x)))
    }
}

/// The first few elements on one line.
fn brief<T: Float>(value: &Tensor<T>) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = value.iter().take(SHOWN).map(|x| format!("{:.4}", x.f64())).collect();
    let more = if value.len() > SHOWN { " …" } else { "" };
    format!("{}{more}", shown.join(" "))
}

#[cfg(test)]
mod tests {
    use crate::Tape;

    #[test]
    fn derivatives_are_put_down_to_the_line_they_derive_from() {
        let tape = Tape::<f64>::new();
        let x = tape.var(2.0);
        let y = x.tanh();
        let line = y.line();
        let dy = (y * y).grad(&[x])[0];
        let after: Vec<_> = tape.vars().skip(4).map(|v| v.line()).collect();
        assert!(after.iter().all(|l| l.file() == file!()) && after.contains(&line));
        assert_eq!(dy.line().line(), line.line());
        assert_ne!(tape.var(1.0).line().line(), line.line(), "later nodes have their own lines again");
    }
}
