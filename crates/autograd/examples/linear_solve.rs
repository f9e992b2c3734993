//! The sensitivity of a linear solve: a chain of springs between two walls, K(k) u = f. How much softer does the middle get if a
//! spring is weakened? The derivative of the solution takes one more solve with the same factorization (the adjoint
//! method), for any number of springs.
//!
//! `cargo run --release -p wengert-autograd --example linear_solve [-- --short]`. Checked against the closed form: by the
//! symmetry of K, ∂uₘ/∂kᵢ is minus the stretch of spring i under f, times that under a unit force at m.

use autograd::{Tape, Tensor, Var, compile};

/// The stiffness matrix Dᵀ diag(k) D, where D takes displacements to stretches.
fn stiffness<'t>(k: Var<'t, f64>, stretch: Var<'t, f64>) -> Var<'t, f64> {
    stretch.t().matmul(k.reshape(&[k.shape()[0], 1]) * stretch)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let short = std::env::args().any(|argument| argument == "--short");
    let n: usize = if short { 20 } else { 200 }; // nodes; each spring leads from one to the next, or to a wall
    let stretch = Tensor::from_fn(&[n + 1, n], |at| match at[0] as isize - at[1] as isize {
        0 => 1.0,
        1 => -1.0,
        _ => 0.0,
    });
    let force = Tensor::<f64>::ones(&[n]);
    let k = Tensor::from_fn(&[n + 1], |at| 1.0 + 0.5 * (at[0] as f64).sin());

    // The displacement of the middle, compiled with its gradient.
    let middle = n as isize / 2;
    let mut displacement = compile::<f64, _>(|k| {
        let given = |x: &Tensor<f64>| k[0].tape().constant(x.clone());
        stiffness(k[0], given(&stretch)).solve(given(&force)).index_axis(0, middle)
    });
    let (value, gradients) = displacement.value_and_grad(&[&k])?;
    let gradient = gradients[0].clone();
    println!("{n} nodes: the middle moves by {value:.6}");
    let strongest = gradient.iter().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are springs");
    println!("it depends most on spring {}: {:.6} for each unit of stiffness", strongest.0, strongest.1);

    // By hand: two solves.
    let tape = Tape::new();
    let matrix = stiffness(tape.constant(k.clone()), tape.constant(stretch.clone())).value();
    let unit = Tensor::from_fn(&[n], |at| if at[0] as isize == middle { 1.0 } else { 0.0 });
    let (u, adjoint) = (matrix.solve(&force), matrix.solve(&unit));
    let by_hand = -(stretch.matmul(&u) * stretch.matmul(&adjoint));
    let difference = ((&gradient - &by_hand).abs().max() / by_hand.abs().max()).item();
    println!("the gradient differs from the closed form by {difference:.0e} of its size");

    // What the derivative is for: the displacement after a small change, without another solve.
    let change = Tensor::from_fn(&[n + 1], |at| if at[0] % 7 == 0 { -1e-3 } else { 0.0 });
    let predicted = value + gradient.matmul(&change).item();
    let exact = displacement.value(&[&(&k + &change)])?.item();
    println!("a thousandth less in every seventh spring: {predicted:.8} predicted, {exact:.8} solved");
    if difference < 1e-9 && (predicted - exact).abs() < 1e-4 * exact {
        Ok(())
    } else {
        Err("the derivative is wrong".into())
    }
}
