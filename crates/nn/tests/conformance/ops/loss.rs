//! Losses.

use super::optional;
use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Error, Result, Var};
use nn::functional::cosine_similarity;
use nn::loss::*;

pub fn apply<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    Some(match op {
        "cosine_similarity" => one(cosine(attrs, x)),
        "cross_entropy" | "cross_entropy_soft" | "nll_loss" => one(by_class(op, attrs, x)),
        _ => one(loss(op, attrs, x).transpose()?),
    })
}

fn reduction(attrs: &Attrs) -> Result<Reduction> {
    Ok(match attrs.text("reduction") {
        None | Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        Some("batchmean") => Reduction::BatchMean,
        Some(other) => return Err(Error::Argument { op: "reduction", hint: format!("{other} is not a reduction") }),
    })
}

fn cosine<'t>(attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    cosine_similarity(x[0].real()?, x[1].real()?, attrs.int("axis").unwrap_or(1), attrs.f64("eps").unwrap_or(1e-8))
}

/// Losses against classes, given by number.
fn by_class<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    let mut options = ClassOptions { weight: optional(x, 2)?.map(Var::value), ..ClassOptions::default() };
    options.label_smoothing = attrs.f64("label_smoothing").unwrap_or(0.0);
    options.ignore_index = attrs.int("ignore_index").map_or(options.ignore_index, |i| i as i64);
    let (scores, reduction) = (x[0].real()?, reduction(attrs)?);
    // Floating-point targets are class probabilities.
    if let Arg::Real(t) = x[1] {
        return soft_cross_entropy_with(scores, t, &options, reduction);
    }
    match op {
        "nll_loss" => nll_loss(scores, x[1].index()?, &options, reduction),
        _ => cross_entropy_with(scores, x[1].index()?, &options, reduction),
    }
}

/// The other losses; `None` for an unknown name.
fn loss<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Option<Var<'t, f64>>> {
    let number = |name: &str, default: f64| attrs.f64(name).unwrap_or(default);
    let (real, reduction) = (|i: usize| x[i].real(), || reduction(attrs));
    let margin = |default: f64| number("margin", default);
    let loss = match op {
        "mse_loss" => mse_loss(real(0)?, real(1)?, reduction()?),
        "l1_loss" => l1_loss(real(0)?, real(1)?, reduction()?),
        "smooth_l1_loss" => smooth_l1_loss(real(0)?, real(1)?, number("beta", 1.0), reduction()?),
        "huber_loss" => huber_loss(real(0)?, real(1)?, number("delta", 1.0), reduction()?),
        "bce_loss" => match optional(x, 2)? {
            Some(weight) => weighted_bce_loss(real(0)?, real(1)?, weight, reduction()?),
            None => bce_loss(real(0)?, real(1)?, reduction()?),
        },
        "bce_with_logits_loss" => match optional(x, 2)? {
            Some(weight) => pos_weighted_bce_with_logits_loss(real(0)?, real(1)?, weight, reduction()?),
            None => bce_with_logits_loss(real(0)?, real(1)?, reduction()?),
        },
        "kl_div" if attrs.bool("log_target") => kl_div_log_target(real(0)?, real(1)?, reduction()?),
        "kl_div" => kl_div(real(0)?, real(1)?, reduction()?),
        "cosine_embedding_loss" => cosine_embedding_loss(real(0)?, real(1)?, real(2)?, margin(0.0), reduction()?),
        "margin_ranking_loss" => margin_ranking_loss(real(0)?, real(1)?, real(2)?, margin(0.0), reduction()?),
        "hinge_embedding_loss" => hinge_embedding_loss(real(0)?, real(1)?, margin(1.0), reduction()?),
        "soft_margin_loss" => soft_margin_loss(real(0)?, real(1)?, reduction()?),
        "poisson_nll_loss" => {
            let log_input = attrs.get("log_input").is_none_or(|v| v == true);
            let options = PoissonOptions { log_input, full: attrs.bool("full"), eps: number("eps", 1e-8) };
            poisson_nll_loss(real(0)?, real(1)?, options, reduction()?)
        }
        "gaussian_nll_loss" => {
            let options = GaussianOptions { full: attrs.bool("full"), eps: number("eps", 1e-6) };
            gaussian_nll_loss(real(0)?, real(1)?, real(2)?, options, reduction()?)
        }
        "triplet_margin_loss" => {
            let (margin, p, eps) = (margin(1.0), number("p", 2.0), number("eps", 1e-6));
            let options = TripletOptions { margin, p, eps, swap: attrs.bool("swap") };
            triplet_margin_loss([real(0)?, real(1)?, real(2)?], options, reduction()?)
        }
        _ => return Ok(None),
    };
    loss.map(Some)
}
