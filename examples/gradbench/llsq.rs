//! A polynomial fitted to the sign function by least squares: y(x) = ½ Σᵢ (sᵢ - Σⱼ xⱼ tᵢʲ)².

use super::input::Input;
use super::protocol::Reply;
use super::recording::primal_or_gradient;
use wengert::autograd::Pad;
use wengert::prelude::*;

/// tʲ for j < m, one column for each.
fn powers<'t>(t: Var<'t, f64>, m: usize) -> Var<'t, f64> {
    let ones = t.full_like(1.0);
    let all: Vec<Var<f64>> = std::iter::successors(Some(ones), |&power| Some(power * t)).take(m).collect();
    Var::stack(&all, 1)
}

/// The squared distance of the polynomial from the sign function at n points between -1 and 1. With b ≈ √m, the
/// polynomial is Σᵢ tᵇⁱ · (Σⱼ xᵢⱼ tʲ): products of matrices of b columns.
fn distance<'t>(x: Var<'t, f64>, n: usize) -> Var<'t, f64> {
    let m = x.shape()[0];
    let b = m.isqrt() + usize::from(m.isqrt().pow(2) < m);
    let t = x.tape().constant(Tensor::linspace(-1.0, 1.0, n));
    let low = powers(t, b);
    let high = powers(low.index_axis(1, -1) * t, b);
    let blocks = x.pad(&[[0, (b * b - m) as isize]], Pad::Constant(0.0)).reshape(&[b, b]);
    let y = (low.matmul_t(blocks) * high).sum_axes(1);
    0.5 * (t.sign() - y).square().sum()
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let (x, n) = (input.get("x")?.tensor([None])?, input.get("n")?.count()?);
    if x.is_empty() || n < 2 {
        return Err(input.expected("at least one coefficient and two points"));
    }
    primal_or_gradient(function, input, x, |x| distance(x[0], n))
}
