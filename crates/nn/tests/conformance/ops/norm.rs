//! Normalization.

use super::optional;
use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Error, Result};
use nn::functional::*;

pub fn apply<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    let real = |i: usize| x[i].real();
    let eps = |default: f64| attrs.f64("eps").unwrap_or(default);
    let shape = || {
        let missing = || Error::Argument { op: "layer_norm", hint: "normalized_shape is missing".into() };
        attrs.sizes("normalized_shape").ok_or_else(missing)
    };
    Some(match op {
        "layer_norm" => one((|| layer_norm(real(0)?, &shape()?, optional(x, 1)?, optional(x, 2)?, eps(1e-5)))()),
        "rms_norm" => one((|| rms_norm(real(0)?, &shape()?, optional(x, 1)?, attrs.f64("eps")))()),
        "group_norm" => {
            let groups = attrs.int("groups").unwrap_or(0).max(0) as usize;
            one((|| group_norm(real(0)?, groups, optional(x, 1)?, optional(x, 2)?, eps(1e-5)))())
        }
        "instance_norm" => one((|| instance_norm(real(0)?, optional(x, 1)?, optional(x, 2)?, eps(1e-5)))()),
        "normalize" => {
            let (p, axis) = (attrs.f64("p").unwrap_or(2.0), attrs.int("axis").unwrap_or(1));
            one((|| normalize_with(real(0)?, p, axis, eps(1e-12)))())
        }
        "batch_norm" => batch(attrs, x),
        _ => return None,
    })
}

fn batch<'t>(attrs: &Attrs, x: &[Arg<'t>]) -> Result<Vec<Arg<'t>>> {
    let number = |name: &str, default: f64| attrs.f64(name).unwrap_or(default);
    let training = attrs.bool("training");
    let options = BatchNormOptions { training, momentum: number("momentum", 0.1), eps: number("eps", 1e-5) };
    let running = [x[3].real()?, x[4].real()?];
    let (y, moved) = batch_norm(x[0].real()?, running, optional(x, 1)?, optional(x, 2)?, options)?;
    let moved = moved.into_iter().filter(|_| training).map(Arg::from);
    Ok(std::iter::once(y.into()).chain(moved).collect())
}
