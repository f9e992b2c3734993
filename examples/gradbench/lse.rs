//! The logarithm of a sum of exponentials.

use super::input::Input;
use super::protocol::Reply;
use super::recording::primal_or_gradient;
use wengert::prelude::*;

/// a + ln Σ exp(x - a), with a = max x so that nothing overflows. The result does not depend on a, so a counts as constant.
fn logsumexp<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let a = x[0].max().stop_gradient();
    a + (x[0] - a).exp().sum().ln()
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    primal_or_gradient(function, input, input.get("x")?.tensor([None])?, logsumexp)
}
