//! A saddle point: the x at which the largest value over all y is smallest, and the y of that value. Both searches descend
//! along derivatives, in forward or in reverse mode.

use super::descent::{Negative, Objective, Sweep, argmin, sweeps};
use super::input::Input;
use super::protocol::{Reply, unknown};
use super::recording::recorded;
use serde_json::json;
use wengert::autograd::transform::jvp;
use wengert::prelude::*;

/// |x|² - |y|².
fn height<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    x[0].square().sum() - x[1].square().sum()
}

/// The gradient of the height by one of its two inputs.
fn slope<'t>(x: &[Var<'t, f64>], by: usize, sweep: Sweep) -> Var<'t, f64> {
    match sweep {
        Sweep::Reverse => height(x).grad(x)[by],
        Sweep::Forward => {
            let along = |axis: usize| {
                let mut directions = [Tensor::zeros(&[2]), Tensor::zeros(&[2])];
                directions[by] = Tensor::from_fn(&[2], |at| if at[0] == axis { 1.0 } else { 0.0 });
                jvp(height, x, &directions).1
            };
            Var::stack(&[along(0), along(1)], 0)
        }
    }
}

type Point = [f64; 2];

/// A compiled function of x and y.
type Field<'a> = &'a mut dyn FnMut(&[&Tensor<f64>]) -> Result<Vec<Tensor<f64>>, String>;

/// The height and its gradient by one of the points, as functions of both.
struct Slopes<'a> {
    height: Field<'a>,
    slope: Field<'a>,
}

impl Slopes<'_> {
    fn value(&mut self, x: Point, y: Point) -> Result<f64, String> {
        Ok((self.height)(&[&x.into(), &y.into()])?[0].item())
    }

    fn gradient(&mut self, x: Point, y: Point) -> Result<Point, String> {
        let slope = &(self.slope)(&[&x.into(), &y.into()])?[0];
        Ok([slope.at(&[0]), slope.at(&[1])])
    }
}

/// The height over y, for a fixed x.
struct Ridge<'a, 'f> {
    by_y: &'a mut Slopes<'f>,
    x: Point,
}

impl Objective<2> for Ridge<'_, '_> {
    fn value(&mut self, y: Point) -> Result<f64, String> {
        self.by_y.value(self.x, y)
    }

    fn gradient(&mut self, y: Point) -> Result<Point, String> {
        self.by_y.gradient(self.x, y)
    }
}

/// The largest height over all y, as a function of x.
struct Pass<'a> {
    by_x: Slopes<'a>,
    by_y: Slopes<'a>,
    start: Point,
}

impl Pass<'_> {
    fn highest(&mut self, x: Point) -> Result<Point, String> {
        argmin(&mut Negative(Ridge { by_y: &mut self.by_y, x }), self.start)
    }
}

impl Objective<2> for Pass<'_> {
    fn value(&mut self, x: Point) -> Result<f64, String> {
        let y = self.highest(x)?;
        self.by_x.value(x, y)
    }

    fn gradient(&mut self, x: Point) -> Result<Point, String> {
        let y = self.highest(x)?;
        self.by_x.gradient(x, y)
    }
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let start: Tensor<f64> = input.get("start")?.tensor([Some(2)])?;
    let Some([outer, inner]) = sweeps(function) else { return unknown(function) };
    let start = [start.at(&[0]), start.at(&[1])];
    let height = || recorded(|x| vec![height(x)]);
    let [mut at_x, mut at_y] = [height(), height()];
    let (mut by_x, mut by_y) = (recorded(|x| vec![slope(x, 0, outer)]), recorded(|x| vec![slope(x, 1, inner)]));
    let mut pass = Pass {
        by_x: Slopes { height: &mut at_x, slope: &mut by_x },
        by_y: Slopes { height: &mut at_y, slope: &mut by_y },
        start,
    };
    let search = || {
        let x = argmin(&mut pass, start)?;
        let y = pass.highest(x)?;
        Ok([x, y].concat())
    };
    Reply::timed(input, search, |saddle| json!(saddle))
}
