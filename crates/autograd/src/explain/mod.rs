//! Inspecting a tape: a table of its nodes with ops, values and source lines, the origin of values that are not finite
//! ([`Origin`]), inputs that no derivative reaches ([`Disconnected`]), pictures ([`Drawing`]), and the chain rule step by
//! step ([`Explanation`]).
//!
//! `collect` turns the requested part of a tape into a [`Scene`](crate::draw::Scene), plain data from which everything is
//! drawn and printed.

mod collect;
mod disconnected;
mod drawing;
mod finite;
mod skeleton;
mod steps;
mod why;

pub use disconnected::{Break, Cause, Disconnected};
pub use drawing::Drawing;
pub use finite::Origin;
pub use steps::Explanation;
pub use why::{Contribution, Contributions};

use crate::float::Float;
use crate::tape::Tape;
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
