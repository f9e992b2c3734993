//! A differential equation by the classical Runge-Kutta method: y₀' = x₀ and yᵢ' = xᵢ yᵢ₋₁, from 0 at time 0 to time 2.

use super::input::{Input, json};
use super::protocol::{Reply, unknown};
use super::recording::recorded;
use wengert::autograd::Pad;
use wengert::prelude::*;

/// The solution at the end of `steps` steps.
fn solution<'t>(x: Var<'t, f64>, steps: usize) -> Var<'t, f64> {
    let (n, h) = (x.shape()[0], 2.0 / steps as f64);
    // Elements depend on their neighbors before them, and the first one on 1.
    let first = x.tape().constant(Tensor::from_fn(&[n], |at| if at[0] == 0 { 1.0 } else { 0.0 }));
    let slope = |y: Var<'t, f64>| x * (first + y.slice(0, ..n - 1).pad(&[[1, 0]], Pad::Constant(0.0)));
    let mut y = x.tape().constant(Tensor::zeros(&[n]));
    for _ in 0..steps {
        let k1 = slope(y);
        let k2 = slope(y + 0.5 * h * k1);
        let k3 = slope(y + 0.5 * h * k2);
        let k4 = slope(y + h * k3);
        y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
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
