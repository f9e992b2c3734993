//! Maps the names of the reference cases to the methods of this crate, family by family. Each function returns `None`
//! for a name it does not know.

mod conv;
mod elementwise;
mod linalg;
mod reduce;
mod shape;

use super::{Applied, Arg, Attrs};
use autograd::Tape;

/// Every op of this crate.
pub fn apply<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    elementwise::apply(tape, op, attrs, x)
        .or_else(|| reduce::apply(tape, op, attrs, x))
        .or_else(|| shape::apply(tape, op, attrs, x))
        .or_else(|| linalg::apply(tape, op, attrs, x))
        .or_else(|| conv::apply(tape, op, attrs, x))
}
