//! Linear algebra in programs: replayed like any other op, and a singular matrix is the error that recording gives.

use super::{check, randn};
use autograd::prelude::*;
use autograd::{Program, Triangle, compile};

fn spread<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
    let weights = Tensor::from_fn(&x.shape(), |i| 1.0 + i.iter().sum::<usize>() as f64);
    (x * x.tape().constant(weights)).sum()
}

#[test]
fn solutions_factors_and_functions_of_matrices() {
    let regular = randn(&[2, 3, 3], 1) + Tensor::eye(3) * 4.0;
    check(&[regular.clone(), randn(&[2, 3, 2], 2)], |_, x| spread(x[0].solve(x[1])));
    check(&[regular.clone(), randn(&[2, 3, 2], 2)], |_, x| spread(x[0].triangular_solve(x[1], Triangle::Lower)));
    let one = [regular];
    check(&one, |_, x| spread(x[0].inv()));
    check(&one, |_, x| spread(x[0].matrix_power(-2)));
    check(&one, |_, x| spread(x[0].cholesky()));
    check(&one, |_, x| spread(x[0].eigvalsh()) + spread(x[0].eigh().1));
    check(&one, |_, x| spread(x[0].svdvals()) + spread(x[0].svd().0) + spread(x[0].svd().2));
    check(&one, |_, x| spread(x[0].qr().0) + spread(x[0].qr().1));
    check(&one, |_, x| spread(x[0].det()) + spread(x[0].logabsdet()));
    check(&one, |_, x| spread((x[0] * 0.1).matrix_exp()));
}

type Function = for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>;

#[test]
fn functions_of_matrices_compile_and_report_singular_ones() {
    let singular = tensor![[1.0, 2.0], [2.0, 4.0]];
    let regular = tensor![[3.0, 1.0], [1.0, 2.0]];
    let functions: [(Function, Tensor<f64>, &str); 4] = [
        (|x| x[0].solve(x[0].tape().constant([1.0, 2.0])).sum(), singular.clone(), "solve: the matrix is singular"),
        (|x| x[0].inv().sum(), singular.clone(), "inv: the matrix is singular"),
        (|x| x[0].matrix_power(-1).sum(), singular, "inv: the matrix is singular"),
        (|x| x[0].cholesky().sum(), -&regular, "cholesky: the matrix is not positive definite"),
    ];
    for (f, bad, words) in functions {
        let mut compiled = compile::<f64, _>(f);
        let value = |x: &Tensor<f64>| {
            let tape = Tape::new();
            let x = tape.var(x.clone());
            let y = f(&[x]);
            (y.item(), y.backward().wrt(x))
        };
        for _ in 0..2 {
            let (y, gradients) = compiled.value_and_grad(&[&regular]).unwrap();
            assert_eq!((y, gradients[0].clone()), value(&regular));
            let error = compiled.value_and_grad(&[&bad]).map(|_| ()).unwrap_err().to_string();
            let recorded = std::panic::catch_unwind(|| value(&bad)).unwrap_err();
            assert_eq!(recorded.downcast_ref::<String>(), Some(&error));
            assert!(error.starts_with(words), "{error}");
        }
        // NaN propagates, as when recorded.
        assert!(compiled.value_and_grad(&[&(&regular * f64::NAN)]).unwrap().0.is_nan());
    }
    let mut spectrum = compile::<f64, _>(|x| (x[0].eigvalsh().exp() + x[0].svdvals()).sum());
    let (value, gradients) = spectrum.value_and_grad(&[&Tensor::eye(3)]).unwrap();
    assert!((value - 3.0 * (1f64.exp() + 1.0)).abs() < 1e-14);
    assert!((&gradients[0] - Tensor::eye(3) * (1f64.exp() + 1.0)).abs().max().item() < 1e-14);
}

#[test]
fn a_singular_matrix_leaves_the_state_as_it_was() {
    let tape = Tape::<f64>::sketch();
    let (w, a) = (tape.var([4.0, 9.0]), tape.var(Tensor::eye(2)));
    let next = w - 1.0;
    let y = a.inv().matmul(next.unsqueeze(-1)).sum();
    let mut program = Program::draft(&tape).inputs(&[a]).state(&[(w, next)]).outputs(&[y]).compile().unwrap();
    assert_eq!(program.run(&[&Tensor::eye(2)]).unwrap()[0].item(), 11.0);
    assert!(program.run(&[&Tensor::ones(&[2, 2])]).unwrap_err().to_string().contains("singular"));
    assert_eq!(program.state(0), &tensor![3.0, 8.0]);
    assert_eq!(program.run(&[&Tensor::eye(2)]).unwrap()[0].item(), 9.0);
}

#[test]
fn what_is_only_needed_for_second_derivatives_is_not_computed() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::eye(3));
    let y = x.eigvalsh().exp().sum();
    let (value, first) = (Program::new(&tape, &[x], &[y]), Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]));
    let steps = |program: &Program<f64>| program.to_string().lines().count();
    assert!(steps(&first) < steps(&value) + 20, "{first}");
}
