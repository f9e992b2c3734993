//! Code shared by the evals: functions that are recorded and compiled in their first evaluation, within the measured
//! time, and replayed from then on.

use super::input::{Input, json, text};
use super::protocol::{Reply, unknown};
use std::ops::Range;
use wengert::autograd::{Program, compile};
use wengert::prelude::*;

/// A function of several inputs and several results, compiled once for each list of input shapes.
pub fn recorded<F>(f: F) -> impl FnMut(&[&Tensor<f64>]) -> Result<Vec<Tensor<f64>>, String>
where
    F: for<'t> Fn(&[Var<'t, f64>]) -> Vec<Var<'t, f64>>,
{
    let mut programs: Vec<(Vec<Vec<usize>>, Program<f64>)> = Vec::new();
    move |x| {
        let fits = |shapes: &[Vec<usize>]| shapes.iter().zip(x).all(|(shape, x)| shape == x.shape());
        let known = programs.iter().position(|(shapes, _)| fits(shapes));
        let at = known.unwrap_or(programs.len());
        if known.is_none() {
            let tape = Tape::sketch();
            let vars: Vec<Var<f64>> = x.iter().map(|&x| tape.var(x.clone())).collect();
            let program = Program::try_new(&tape, &vars, &f(&vars)).map_err(text)?;
            programs.push((x.iter().map(|x| x.shape().to_vec()).collect(), program));
        }
        programs[at].1.run(x).map(<[_]>::to_vec).map_err(text)
    }
}

/// Cuts `n` rows into pieces of `size` rows, and a smaller one at the end.
pub fn pieces(n: usize, size: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..n.div_ceil(size)).map(move |i| i * size..n.min((i + 1) * size))
}

/// The functions `primal` and `gradient` of a module: a scalar function of one tensor, and its gradient.
pub fn primal_or_gradient<F>(function: &str, input: &Input, x: Tensor<f64>, f: F) -> Result<Reply, String>
where
    F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
{
    let (x, mut f) = ([x], compile(f));
    match function {
        "primal" => Reply::timed(input, || f.value(&x).cloned().map_err(text), |y| json(&y)),
        "gradient" => {
            Reply::timed(input, || f.value_and_grad(&x).map(|(_, dy)| dy[0].clone()).map_err(text), |dy| json(&dy))
        }
        _ => unknown(function),
    }
}
