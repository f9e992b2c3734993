//! A charged particle flies past two charges, one of which is moved by w so that the particle hits the origin. Its
//! acceleration is a derivative, and w is found by another one, through the whole flight.

use crate::descent::{Objective, Sweep, argmin, sweeps};
use crate::input::Input;
use crate::protocol::{Reply, unknown};
use serde_json::json;
use wengert::autograd::transform::jvp;
use wengert::prelude::*;

/// The electric potential at the point (x₀, x₁), where x₂ is w: the charges are at (10, 0) and (10, 10 - w).
fn potential<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let aside = (10.0 - x[0]).square();
    let distance = |y: Var<'t, f64>| (aside + y.square()).sqrt();
    distance(x[1]).recip() + distance(10.0 - x[2] - x[1]).recip()
}

/// The derivatives of the potential by the two coordinates.
fn field<'t>(x: &[Var<'t, f64>; 3], sweep: Sweep) -> [Var<'t, f64>; 2] {
    match sweep {
        Sweep::Reverse => {
            let slopes = potential(x).grad(&x[..2]);
            [slopes[0], slopes[1]]
        }
        Sweep::Forward => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].map(|along| jvp(potential, x, &along.map(Tensor::scalar)).1),
    }
}

/// Flights as a function of w.
struct Flights {
    tape: Tape<f64>,
    outer: Sweep,
    inner: Sweep,
}

impl Flights {
    const TIME: f64 = 0.1;
    /// A flight that does not come down ends the search.
    const STEPS: usize = 1_000_000;

    /// The square of where the particle crosses the axis, by Euler's method and, in the last step, along a line.
    fn miss<'t>(&self, w: Var<'t, f64>) -> Result<Var<'t, f64>, String> {
        let number = |x: f64| w.tape().constant(x);
        let (mut x, mut speed) = ([number(0.0), number(8.0)], [number(0.75), number(0.0)]);
        for _ in 0..Self::STEPS {
            let next = [0, 1].map(|i| x[i] + Self::TIME * speed[i]);
            if next[1].item() < 0.0 {
                let last = -x[1] / speed[1];
                return Ok((x[0] + last * speed[0]).square());
            }
            let slopes = field(&[x[0], x[1], w], self.inner);
            (x, speed) = (next, [0, 1].map(|i| speed[i] - Self::TIME * slopes[i]));
        }
        Err(format!("the particle does not come down within {} steps", Self::STEPS))
    }
}

impl Objective<1> for Flights {
    fn value(&mut self, [w]: [f64; 1]) -> Result<f64, String> {
        self.tape.clear();
        Ok(self.miss(self.tape.var(w))?.item())
    }

    fn gradient(&mut self, [w]: [f64; 1]) -> Result<[f64; 1], String> {
        self.tape.clear();
        let w = self.tape.var(w);
        let miss = self.miss(w)?;
        let slope = match self.outer {
            Sweep::Reverse => miss.backward().wrt(w),
            Sweep::Forward => miss.jvp(&[(w, Tensor::scalar(1.0))]),
        };
        Ok([slope.item()])
    }
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let w = input.get("w")?.number()?;
    let Some([outer, inner]) = sweeps(function) else { return unknown(function) };
    let mut flights = Flights { tape: Tape::new(), outer, inner };
    Reply::timed(input, || argmin(&mut flights, [w]), |[w]| json!(w))
}
