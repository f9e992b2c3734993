//! A charged particle flies past two charges, one of which is moved by w so that the particle hits the origin. Its
//! acceleration is a derivative, and w is found by another one, through the whole flight.

use super::descent::{Objective, Sweep, argmin, sweeps};
use super::input::Input;
use super::protocol::{Reply, unknown};
use super::recording::recorded;
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
        Sweep::Forward => {
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].map(|along| jvp(potential, x, &along.map(Tensor::scalar)).1)
        }
    }
}

/// Steps that are recorded together.
const PIECE: usize = 32;

/// A piece of a flight by Euler's method: position and speed after each step, one step in a row, from those before (four
/// numbers) and w.
fn piece<'t>(x: &[Var<'t, f64>], inner: Sweep) -> Var<'t, f64> {
    const TIME: f64 = 0.1;
    let (mut state, w) = ([0, 1, 2, 3].map(|i| x[0].index_axis(0, i)), x[1]);
    let step = |_| {
        let [x, y, speed_x, speed_y] = state;
        let [slope_x, slope_y] = field(&[x, y, w], inner);
        state = [x + TIME * speed_x, y + TIME * speed_y, speed_x - TIME * slope_x, speed_y - TIME * slope_y];
        state
    };
    let all: Vec<Var<f64>> = (0..PIECE).flat_map(step).collect();
    Var::stack(&all, 0).reshape(&[PIECE, 4])
}

/// The square of where the particle crosses the axis, on a straight line from its last position above it.
fn miss<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let [x, y, speed_x, speed_y] = [0, 1, 2, 3].map(|i| x[0].index_axis(0, i));
    (x - y / speed_y * speed_x).square()
}

type Recorded<'a> = Box<dyn FnMut(&[&Tensor<f64>]) -> Result<Vec<Tensor<f64>>, String> + 'a>;

/// Flights as a function of w: compiled pieces, as many as it takes until the particle is below the axis.
struct Flights<'a> {
    outer: Sweep,
    piece: Recorded<'a>,
    /// The derivative of a piece: of its steps along a direction, or by the state before it and by w.
    slope: Recorded<'a>,
    miss: Recorded<'a>,
    /// The derivative of the miss: along a direction, or by the last state.
    miss_slope: Recorded<'a>,
}

/// A flight: the states before each piece, the last state above the axis, and its step in the last piece, or -1 if that is
/// where the piece begins.
struct Flight {
    before: Vec<Tensor<f64>>,
    last: Tensor<f64>,
    above: isize,
}

impl Flights<'_> {
    fn new(outer: Sweep, inner: Sweep) -> Self {
        let (slope, miss_slope): (Recorded, Recorded) = match outer {
            Sweep::Forward => (
                Box::new(recorded(move |x| {
                    let (state, w, one) = (x[0], x[1], x[1].tape().constant(1.0));
                    vec![piece(&x[..2], inner).jvp_recorded(&[(state, x[2]), (w, one)])]
                })),
                Box::new(recorded(|x| vec![miss(x).jvp_recorded(&[(x[0], x[1])])])),
            ),
            Sweep::Reverse => (
                Box::new(recorded(move |x| (piece(&x[..2], inner) * x[2]).sum().grad(&x[..2]))),
                Box::new(recorded(|x| miss(x).grad(x))),
            ),
        };
        let piece = Box::new(recorded(move |x| vec![piece(x, inner)]));
        Flights { outer, piece, slope, miss: Box::new(recorded(|x| vec![miss(x)])), miss_slope }
    }

    fn fly(&mut self, w: &Tensor<f64>) -> Result<Flight, String> {
        /// A flight that does not come down ends the search.
        const MOST: usize = 1_000_000 / PIECE;
        let mut before = vec![tensor![0.0, 8.0, 0.75, 0.0]];
        for _ in 0..MOST {
            let start = before[before.len() - 1].clone();
            let steps = (self.piece)(&[&start, w])?.swap_remove(0);
            if let Some(below) = (0..PIECE).position(|k| steps.at(&[k, 1]) < 0.0) {
                let above = below as isize - 1;
                let last = if above < 0 { start } else { steps.index_axis(0, above) };
                return Ok(Flight { before, last, above });
            }
            before.push(steps.index_axis(0, -1));
        }
        Err("the particle does not come down".into())
    }

    /// The derivative by w, from that by the last state, which is a step of the last of the pieces.
    fn backward(
        &mut self,
        w: &Tensor<f64>,
        before: &[Tensor<f64>],
        mut slope: Tensor<f64>,
        above: isize,
    ) -> Result<f64, String> {
        let seed = |step: isize, slope: &Tensor<f64>| {
            Tensor::from_fn(&[PIECE, 4], |at| if at[0] as isize == step { slope.at(&[at[1]]) } else { 0.0 })
        };
        let (mut step, mut total) = (above, 0.0);
        for state in before.iter().rev() {
            if step >= 0 {
                let slopes = (self.slope)(&[state, w, &seed(step, &slope)])?;
                slope = slopes[0].clone();
                total += slopes[1].item();
            }
            step = PIECE as isize - 1;
        }
        Ok(total)
    }

    /// How the last state changes with w.
    fn forward(&mut self, w: &Tensor<f64>, before: &[Tensor<f64>], above: isize) -> Result<Tensor<f64>, String> {
        let mut along = Tensor::zeros(&[4]);
        for (k, state) in before.iter().enumerate() {
            let step = if k + 1 == before.len() { above } else { PIECE as isize - 1 };
            if step >= 0 {
                along = (self.slope)(&[state, w, &along])?[0].index_axis(0, step);
            }
        }
        Ok(along)
    }
}

impl Objective<1> for Flights<'_> {
    fn value(&mut self, [w]: [f64; 1]) -> Result<f64, String> {
        let Flight { last, .. } = self.fly(&w.into())?;
        Ok((self.miss)(&[&last])?[0].item())
    }

    fn gradient(&mut self, [w]: [f64; 1]) -> Result<[f64; 1], String> {
        let w = Tensor::scalar(w);
        let Flight { before, last, above } = self.fly(&w)?;
        let slope = match self.outer {
            Sweep::Reverse => {
                let slope = (self.miss_slope)(&[&last])?.swap_remove(0);
                self.backward(&w, &before, slope, above)?
            }
            Sweep::Forward => {
                let along = self.forward(&w, &before, above)?;
                (self.miss_slope)(&[&last, &along])?[0].item()
            }
        };
        Ok([slope])
    }
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let w = input.get("w")?.number()?;
    let Some([outer, inner]) = sweeps(function) else { return unknown(function) };
    let mut flights = Flights::new(outer, inner);
    Reply::timed(input, || argmin(&mut flights, [w]), |[w]| json!(w))
}
