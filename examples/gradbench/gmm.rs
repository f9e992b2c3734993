//! The posterior of a mixture of Gaussians, whose precision matrices are QᵀQ with triangular Q and have a Wishart prior.

use crate::input::{Input, json};
use crate::protocol::{Reply, unknown};
use crate::recording::{pieces, recorded};
use serde_json::json;
use std::f64::consts::{LN_2, PI};
use wengert::prelude::*;

struct Mixture {
    /// Points, one in a row.
    x: Tensor<f64>,
    /// Weights α, means μ, logarithms q of the diagonals of Q, and the elements l of Q under the diagonals.
    parameters: [Tensor<f64>; 4],
    /// The Wishart prior: degrees of freedom beyond d + 1, and precision.
    m: f64,
    gamma: f64,
}

impl Mixture {
    fn read(input: &Input) -> Result<Self, String> {
        let size = |name| input.get(name)?.count();
        let (d, k, n) = (size("d")?, size("k")?, size("n")?);
        if [d, k, n].contains(&0) {
            return Err(input.expected("d, k and n of at least 1"));
        }
        let matrix = |name, rows, columns| input.get(name)?.tensor([Some(rows), Some(columns)]);
        let alpha = input.get("alpha")?.tensor([Some(k)])?;
        let parameters = [alpha, matrix("mu", k, d)?, matrix("q", k, d)?, matrix("l", k, d * (d - 1) / 2)?];
        let (m, gamma) = (input.get("m")?.count()? as f64, input.get("gamma")?.number()?);
        Ok(Mixture { x: matrix("x", n, d)?, parameters, m, gamma })
    }

    fn inputs(&self) -> [&Tensor<f64>; 5] {
        let [alpha, mu, q, l] = &self.parameters;
        [alpha, mu, q, l, &self.x]
    }

    /// The logarithm of the Wishart density's constant factor, for all components.
    fn constant(&self, d: f64, k: f64) -> f64 {
        let freedom = d + self.m + 1.0;
        let gammas: f64 = (0..d as usize).map(|j| Tensor::scalar(0.5 * (freedom - j as f64)).lgamma().item()).sum();
        let multigamma = 0.25 * d * (d - 1.0) * PI.ln() + gammas;
        k * (freedom * d * (self.gamma.ln() - 0.5 * LN_2) - multigamma)
    }
}

/// The recorded inputs, and what the likelihood of a point depends on.
struct Posterior<'t> {
    parameters: [Var<'t, f64>; 4],
    x: Var<'t, f64>,
    /// Q, all components below one another; Q·μ; and α + Σ q.
    by_component: [Var<'t, f64>; 3],
    prior: Var<'t, f64>,
}

impl<'t> Posterior<'t> {
    fn new(mixture: &Mixture, x: &[Var<'t, f64>]) -> Self {
        let &[alpha, mu, q, l, x] = x else { unreachable!("the inputs are five") };
        let (k, d, n) = (mu.shape()[0], mu.shape()[1], x.shape()[0]);
        let (diagonal, volume) = (q.exp(), q.sum_axes(1));
        let factor = triangular(diagonal, l);
        let center = (factor * mu.reshape(&[k, 1, d])).sum_axes(2);
        let frobenius = diagonal.square().sum() + l.square().sum();
        let prior = mixture.m * volume.sum() - 0.5 * mixture.gamma.powi(2) * frobenius;
        let constant = mixture.constant(d as f64, k as f64) - 0.5 * (n * d) as f64 * (2.0 * PI).ln();
        let by_component = [factor.reshape(&[k * d, d]), center.reshape(&[k * d, 1]), (alpha + volume).unsqueeze(1)];
        let prior = prior + constant - n as f64 * alpha.logsumexp();
        Posterior { parameters: [alpha, mu, q, l], x, by_component, prior }
    }

    /// The likelihood of the points, piece by piece.
    fn likelihoods(&self, by_component: [Var<'t, f64>; 3]) -> impl Iterator<Item = Var<'t, f64>> {
        let x = self.x;
        let range = pieces(x.shape()[0], by_component[0].shape()[0]);
        range.map(move |range| likelihood(by_component, x.slice(0, range)))
    }

    fn value(self) -> Vec<Var<'t, f64>> {
        vec![self.likelihoods(self.by_component).fold(self.prior, |all, y| all + y)]
    }

    /// The gradient. The likelihood's derivatives by Q, Q·μ and the offsets add up over pieces of the points, so that the
    /// memory of one piece is enough; one pull-back takes them to the parameters.
    fn gradient(self) -> Vec<Var<'t, f64>> {
        let by_component = self.by_component.map(Var::stop_gradient);
        let slopes = self.likelihoods(by_component).map(|y| y.grad(&by_component));
        let total = slopes.reduce(|a, b| a.iter().zip(b).map(|(&a, b)| a + b).collect()).expect("there are points");
        let pulled = self.by_component.iter().zip(total).map(|(&y, slope)| (y * slope.stop_gradient()).sum());
        pulled.fold(self.prior, |all, y| all + y).grad(&self.parameters)
    }
}

/// Σᵢ ln Σₖ exp(αₖ + Σ qₖ - ½ |Qₖ·xᵢ - Qₖ·μₖ|²), with components along the first axis and points along the last.
fn likelihood<'t>([factor, center, offset]: [Var<'t, f64>; 3], x: Var<'t, f64>) -> Var<'t, f64> {
    let (n, d, k) = (x.shape()[0], x.shape()[1], offset.shape()[0]);
    let distance = (factor.matmul_t(x) - center).square().reshape(&[k, d, n]).sum_axes(1);
    (offset - 0.5 * distance).logsumexp_axes(0).sum()
}

/// Lower triangular matrices, given the diagonals and the columns below them, one after another.
fn triangular<'t>(diagonal: Var<'t, f64>, below: Var<'t, f64>) -> Var<'t, f64> {
    let (k, d, rest) = (diagonal.shape()[0], diagonal.shape()[1], below.shape()[1]);
    let zero = diagonal.tape().constant(Tensor::zeros(&[k, 1]));
    let place = |row: usize, column: usize| match row.cmp(&column) {
        std::cmp::Ordering::Equal => row,
        std::cmp::Ordering::Greater => d + column * (2 * d - column - 1) / 2 + row - column - 1,
        std::cmp::Ordering::Less => d + rest,
    };
    let places: Vec<i64> = (0..d * d).map(|i| place(i / d, i % d) as i64).collect();
    Var::concat(&[diagonal, below, zero], 1).take(1, Tensor::new(&[d * d], places)).reshape(&[k, d, d])
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let mixture = Mixture::read(input)?;
    let mut value = recorded(|x| Posterior::new(&mixture, x).value());
    let mut gradient = recorded(|x| Posterior::new(&mixture, x).gradient());
    match function {
        "objective" => Reply::timed(input, || value(&mixture.inputs()), |y| json(&y[0])),
        "jacobian" => Reply::timed(
            input,
            || gradient(&mixture.inputs()),
            |dy| {
                let [alpha, mu, q, l] = [0, 1, 2, 3].map(|i| json(&dy[i]));
                json!({ "alpha": alpha, "mu": mu, "q": q, "l": l })
            },
        ),
        _ => unknown(function),
    }
}
