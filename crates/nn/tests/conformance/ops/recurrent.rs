//! Recurrent cells and sequences.

use super::optional;
use crate::engine::{Applied, Arg, Attrs};
use autograd::Result;
use nn::functional::*;

pub fn apply<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    let kind = op.strip_suffix("_cell").or_else(|| op.strip_suffix("_seq"))?;
    let relu = kind == "rnn_relu" || attrs.text("nonlinearity") == Some("relu");
    let nonlinearity = if relu { RnnNonlinearity::Relu } else { RnnNonlinearity::Tanh };
    Some(match kind {
        "lstm" => lstm(op, x),
        "gru" | "rnn" | "rnn_tanh" | "rnn_relu" => simple(op, x, nonlinearity),
        _ => return None,
    })
}

/// The parameters, the first of which is `x[first]`.
fn weights<'t>(x: &[Arg<'t>], first: usize) -> Result<Weights<'t, f64>> {
    let (b_ih, b_hh) = (optional(x, first + 2)?, optional(x, first + 3)?);
    Ok(Weights { w_ih: x[first].real()?, w_hh: x[first + 1].real()?, b_ih, b_hh })
}

fn lstm<'t>(op: &str, x: &[Arg<'t>]) -> Result<Vec<Arg<'t>>> {
    let (weights, state) = (weights(x, 3)?, [x[1].real()?, x[2].real()?]);
    if op.ends_with("_cell") {
        return Ok(lstm_cell(x[0].real()?, state, &weights)?.map(Arg::from).into());
    }
    let (y, [h, c]) = lstm_seq(x[0].real()?, state, &weights)?;
    Ok([y, h, c].map(Arg::from).into())
}

/// Cells with one state.
fn simple<'t>(op: &str, x: &[Arg<'t>], nonlinearity: RnnNonlinearity) -> Result<Vec<Arg<'t>>> {
    let (weights, input, h) = (weights(x, 2)?, x[0].real()?, x[1].real()?);
    let sequence = |(y, h)| vec![Arg::Real(y), Arg::Real(h)];
    Ok(match (op.starts_with("gru"), op.ends_with("_cell")) {
        (true, true) => vec![gru_cell(input, h, &weights)?.into()],
        (true, false) => sequence(gru_seq(input, h, &weights)?),
        (false, true) => vec![rnn_cell(input, h, &weights, nonlinearity)?.into()],
        (false, false) => sequence(rnn_seq(input, h, &weights, nonlinearity)?),
    })
}
