//! A differential equation by the classical Runge-Kutta method: y₀' = x₀ and yᵢ' = xᵢ yᵢ₋₁, from 0 at time 0 to time 2.

use super::input::{Input, json};
use super::protocol::{Reply, unknown};
use super::recording::recorded;
use wengert::prelude::*;

/// The solution at the end of `steps` steps.
fn solution<'t>(x: Var<'t, f64>, steps: usize) -> Var<'t, f64> {
    let (tape, n, h) = (x.tape(), x.shape()[0], 2.0 / steps as f64);
    let (x, one) = (h * x, tape.constant(Tensor::ones(&[1])));
    // The change in a step at the slope of y: each element is driven by the one before it, and the first by 1.
    let change = |y: Var<'t, f64>| x * Var::concat(&[one, y.slice(0, ..n - 1)], 0);
    let mut y = tape.constant(Tensor::zeros(&[n]));
    for _ in 0..steps {
        let k1 = change(y);
        let k2 = change(y + 0.5 * k1);
        let k3 = change(y + 0.5 * k2);
        let k4 = change(y + k3);
        y = y + (k1 + 2.0 * (k2 + k3) + k4) / 6.0;
    }
    y
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let (x, steps) = (input.get("x")?.tensor([None])?, input.get("s")?.count()?);
    if x.is_empty() || steps == 0 {
        return Err(input.expected("at least one element and one step"));
    }
    let mut value = recorded(|x| vec![solution(x[0], steps)]);
    let mut gradient = recorded(|x| solution(x[0], steps).index_axis(0, -1).grad(x));
    match function {
        "primal" => Reply::timed(input, || value(&[&x]), |y| json(&y[0])),
        "gradient" => Reply::timed(input, || gradient(&[&x]), |dy| json(&dy[0])),
        _ => unknown(function),
    }
}
