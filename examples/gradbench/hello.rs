//! The first eval, which only tries the protocol: a square and its derivative.

use super::input::Input;
use super::protocol::{Reply, unknown};
use serde_json::json;
use wengert::prelude::*;

fn square<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    x[0].square()
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let x = [Tensor::scalar(input.number()?)];
    match function {
        "square" => Reply::timed(input, || Ok(value_and_grad(square, &x).0), |y| json!(y.item())),
        "double" => Reply::timed(input, || Ok(grad(square, &x)), |dy| json!(dy[0].item())),
        _ => unknown(function),
    }
}
