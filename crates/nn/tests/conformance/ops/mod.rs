//! Maps the names of the reference cases to the functions of this crate, family by family. Each function returns `None`
//! for an unknown name.

mod attention;
mod loss;
mod norm;
mod recurrent;

use crate::engine::{Applied, Arg, Attrs};
use autograd::{Result, Tape, Var};

/// Every op of this crate.
pub fn apply<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    loss::apply(op, attrs, x)
        .or_else(|| norm::apply(op, attrs, x))
        .or_else(|| attention::apply(tape, op, attrs, x))
        .or_else(|| recurrent::apply(op, attrs, x))
}

/// An operand that may be missing.
fn optional<'t>(x: &[Arg<'t>], i: usize) -> Result<Option<Var<'t, f64>>> {
    x.get(i).map(Arg::real).transpose()
}
