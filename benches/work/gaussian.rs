//! GradBench's GMM: the posterior of a mixture of Gaussians, in the parametrization of ADBench.
//! Source: Šrajer, Kukelova and Fitzgibbon, *A benchmark of selected algorithmic differentiation tools* (2018).

use super::Objective;
use autograd::prelude::*;
use std::f64::consts::TAU;

/// The scale and the degrees of freedom (beyond the dimension) of the Wishart prior.
const GAMMA: f64 = 1.0;
const M: f64 = 0.0;

/// The log posterior of n points of d dimensions under k Gaussians, parametrized by the logarithms α of their weights,
/// their means μ, and the roots of their inverse covariances: triangular matrices Q, whose diagonal is stored as a
/// logarithm and whose elements below it are stored column by column.
///
/// ```text
/// Σᵢ ln Σₖ exp(αₖ + Σ ln diag Qₖ - |Qₖ (xᵢ - μₖ)|² / 2) - n ln Σₖ exp αₖ + ln Wishart(Q) + constants
/// ```
pub fn gmm(n: usize, d: usize, k: usize) -> Objective<f64> {
    let mut rng = Rng::new(0);
    let lower = d * (d - 1) / 2;
    let at = vec![
        Tensor::randn(&[k], &mut rng),
        Tensor::rand(&[k, d], &mut rng),
        Tensor::randn(&[k, d + lower], &mut rng) * 0.5,
    ];
    let points = Tensor::concat(&[Tensor::randn(&[n, d], &mut rng), Tensor::ones(&[n, 1])], 1);
    let (places, constant) = (triangle(d), constant(n, d, k));
    Objective::new(at, vec![points], move |parameters, data, _| {
        let &[alphas, means, roots] = parameters else { unreachable!("three groups of parameters") };
        let (log_diagonal, below) = (roots.slice(1, ..d), roots.slice(1, d..));
        let (diagonal, log_determinants) = (log_diagonal.exp(), log_diagonal.sum_axes(1));
        let zero = roots.tape().constant(Tensor::zeros(&[k, 1]));
        let elements = Var::concat(&[diagonal, below, zero], 1);
        let q = elements.take(1, &places);

        // Q (x - μ) = [Q, -Q μ] [x, 1]: one product for all points and Gaussians.
        let centred = Var::concat(&[q, -q.matmul(means.unsqueeze(-1))], 2);
        // One row per coordinate and Gaussian, so that the sums run over rows of all Gaussians.
        let rows = centred.transpose(0, 1).reshape(&[d * k, d + 1]);
        let distances = data[0].matmul_t(rows).reshape(&[n, d, k]).square().sum_axes(1);
        let fit = (alphas + log_determinants - distances * 0.5).logsumexp_axes(1).sum();

        let spread = diagonal.square().sum() + below.square().sum();
        let prior = spread * (0.5 * GAMMA * GAMMA) - log_determinants.sum() * M;
        fit - alphas.logsumexp() * (n as f64) + prior + constant
    })
}

/// The index of each element of Q in the concatenation of the diagonal, the elements below it column by column, and a
/// zero.
fn triangle(d: usize) -> Tensor<i64> {
    let zero = d + d * (d - 1) / 2;
    let place = |row: usize, column: usize| match row.cmp(&column) {
        std::cmp::Ordering::Equal => row,
        std::cmp::Ordering::Less => zero,
        std::cmp::Ordering::Greater => d + column * (2 * d - column - 1) / 2 + row - column - 1,
    };
    let places = (0..d * d).map(|i| place(i / d, i % d) as i64).collect();
    Tensor::new(&[d, d], places)
}

/// The terms that depend only on sizes: the normalization of the Gaussians and of the Wishart density.
fn constant(n: usize, d: usize, k: usize) -> f64 {
    let freedom = d as f64 + M + 1.0;
    let wishart = freedom * d as f64 * (GAMMA.ln() - 0.5 * 2f64.ln()) - log_gamma(0.5 * freedom, d);
    -0.5 * (n * d) as f64 * TAU.ln() - k as f64 * wishart
}

/// The logarithm of the multivariate gamma function of d dimensions.
fn log_gamma(a: f64, d: usize) -> f64 {
    let terms = Tensor::<f64>::from_fn(&[d], |j| a - 0.5 * j[0] as f64);
    0.25 * (d * (d - 1)) as f64 * std::f64::consts::PI.ln() + terms.lgamma().sum().item()
}
