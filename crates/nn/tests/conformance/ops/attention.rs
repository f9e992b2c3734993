//! Attention and embeddings.

use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Error, Result, Tape, Var};
use nn::functional::{AttentionOptions, embedding, scaled_dot_product_attention};

pub fn apply<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    Some(match op {
        "embedding" => one(table(attrs, x)),
        "sdpa" => one(sdpa(tape, attrs, x)),
        _ => return None,
    })
}

/// A negative padding index counts from the end.
fn table<'t>(attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    let weight = x[0].real()?;
    let rows = weight.shape().first().map_or(0, |&rows| rows as isize);
    let row = |i: isize| {
        let outside = || Error::Argument { op: "embedding", hint: format!("{i} is not a row") };
        usize::try_from(if i < 0 { i + rows } else { i }).map_err(|_| outside())
    };
    embedding(weight, x[1].index()?, attrs.int("padding_idx").map(row).transpose()?)
}

/// A boolean mask is true where a key may be attended to.
fn sdpa<'t>(tape: &'t Tape<f64>, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    let mask = x.get(3).map(|mask| match mask {
        Arg::Mask(seen) => Ok(seen.choose(tape.constant(0.0), tape.constant(f64::NEG_INFINITY))),
        mask => mask.real(),
    });
    let options = AttentionOptions { mask: mask.transpose()?, causal: attrs.bool("causal"), scale: attrs.f64("scale") };
    scaled_dot_product_attention(x[0].real()?, x[1].real()?, x[2].real()?, options)
}
