//! The posterior of a mixture of Gaussians, whose precision matrices are QᵀQ with triangular Q and have a Wishart prior.

use super::input::{Input, json};
use super::protocol::{Reply, unknown};
use super::recording::{pieces, recorded};
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

    /// The points in pieces, whose distances from all components stay in the cache.
    fn pieces(&self) -> impl Iterator<Item = Tensor<f64>> {
        let (n, [k, d]) = (self.x.shape()[0], [0, 1].map(|axis| self.parameters[1].shape()[axis]));
        pieces(n, ((1 << 18) / (k * d)).max(64)).map(|range| self.x.slice_axis(0, range))
    }

    /// The terms that depend only on the number of points: the logarithm of the Wishart density of the precision
    /// matrices, and of the constant factors of the likelihood.
    fn prior<'t>(&self, parameters: &[Var<'t, f64>]) -> Var<'t, f64> {
        let &[alpha, mu, q, l] = parameters else { unreachable!("the parameters are four") };
        let (k, d, n) = (mu.shape()[0] as f64, mu.shape()[1] as f64, self.x.shape()[0] as f64);
        let frobenius = q.exp().square().sum() + l.square().sum();
        let density = self.m * q.sum() - 0.5 * self.gamma.powi(2) * frobenius + self.constant(d, k);
        density - n * (alpha.logsumexp() + 0.5 * d * (2.0 * PI).ln())
    }

    /// The logarithm of the Wishart density's constant factor, for all components.
    fn constant(&self, d: f64, k: f64) -> f64 {
        let freedom = d + self.m + 1.0;
        let gammas: f64 = (0..d as usize).map(|j| Tensor::scalar(0.5 * (freedom - j as f64)).lgamma().item()).sum();
        let multigamma = 0.25 * d * (d - 1.0) * PI.ln() + gammas;
        k * (freedom * d * (self.gamma.ln() - 0.5 * LN_2) - multigamma)
    }
}

/// The parameters of the likelihood of a point: Q, all components below one another; Q·μ; and α + Σ q.
fn components<'t>(parameters: &[Var<'t, f64>]) -> [Var<'t, f64>; 3] {
    let &[alpha, mu, q, l] = parameters else { unreachable!("the parameters are four") };
    let (k, d) = (mu.shape()[0], mu.shape()[1]);
    let factor = triangular(q.exp(), l);
    let center = (factor * mu.reshape(&[k, 1, d])).sum_axes(2);
    [factor.reshape(&[k * d, d]), center.reshape(&[k * d, 1]), (alpha + q.sum_axes(1)).unsqueeze(1)]
}

/// Σᵢ ln Σₖ exp(αₖ + Σ qₖ - ½ |Qₖ·xᵢ - Qₖ·μₖ|²), with components along the first axis and points along the last.
fn likelihood<'t>([factor, center, offset]: [Var<'t, f64>; 3], x: Var<'t, f64>) -> Var<'t, f64> {
    let (n, d, k) = (x.shape()[0], x.shape()[1], offset.shape()[0]);
    let distance = (factor.matmul_t(x) - center).square().reshape(&[k, d, n]).sum_axes(1);
    let beta = offset - 0.5 * distance;
    let largest = beta.max_keep(0).stop_gradient();
    (largest + (beta - largest).exp().sum_keep(0).ln()).sum()
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

/// The derivatives of the likelihood of some points by what it depends on.
fn slopes<'t>(x: &[Var<'t, f64>]) -> Vec<Var<'t, f64>> {
    likelihood([x[0], x[1], x[2]], x[3]).grad(&x[..3])
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let mixture = Mixture::read(input)?;
    let parameters: Vec<&Tensor<f64>> = mixture.parameters.iter().collect();
    // The points are taken piece by piece, so that the memory of one piece is enough.
    let mut prepare = recorded(|x| components(x).into_iter().chain([mixture.prior(x)]).collect());
    match function {
        "objective" => {
            let mut likelihood = recorded(|x| vec![likelihood([x[0], x[1], x[2]], x[3])]);
            let posterior = || {
                let [factor, center, offset, prior] = &prepare(&parameters)?[..] else { unreachable!() };
                let mut total = prior.item();
                for x in mixture.pieces() {
                    total += likelihood(&[factor, center, offset, &x])?[0].item();
                }
                Ok(total)
            };
            Reply::timed(input, posterior, |y| json!(y))
        }
        "jacobian" => {
            let mut slopes = recorded(slopes);
            // From the derivatives by the components to those by the parameters.
            let mut pull_back = recorded(|x| {
                let along = components(&x[..4]).into_iter().zip(&x[4..]).map(|(y, &slope)| (y * slope).sum());
                along.fold(mixture.prior(&x[..4]), |all, y| all + y).grad(&x[..4])
            });
            let gradient = || {
                let [factor, center, offset, _] = &prepare(&parameters)?[..] else { unreachable!() };
                let mut total: Vec<Tensor<f64>> = Vec::new();
                for x in mixture.pieces() {
                    let piece = slopes(&[factor, center, offset, &x])?;
                    total =
                        if total.is_empty() { piece } else { total.iter().zip(&piece).map(|(a, b)| a + b).collect() };
                }
                pull_back(&parameters.iter().copied().chain(&total).collect::<Vec<_>>())
            };
            Reply::timed(input, gradient, |dy| {
                let [alpha, mu, q, l] = [0, 1, 2, 3].map(|i| json(&dy[i]));
                json!({ "alpha": alpha, "mu": mu, "q": q, "l": l })
            })
        }
        _ => unknown(function),
    }
}
