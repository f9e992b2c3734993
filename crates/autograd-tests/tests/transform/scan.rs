//! A scan is the loop that it stands for.

use autograd::transform::{fold, scan, try_fold, try_scan, vmap};
use autograd::{Rng, Tape, Tensor, Var, tensor};

/// One step of a recurrent net.
fn body<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    (x[2].matmul(x[0]) + x[1]).tanh()
}

fn unrolled<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let steps = x[1].shape()[0] as isize;
    let mut carry = x[0];
    let carries: Vec<Var<f64>> = (0..steps)
        .map(|k| {
            carry = body(&[carry, x[1].index_axis(0, k), x[2]]);
            carry
        })
        .collect();
    Var::stack(&carries, 0)
}

#[test]
fn a_scan_is_the_unrolled_loop() {
    let rng = &mut Rng::new(2);
    let at = [[3].as_slice(), &[7, 3], &[3, 3]].map(|shape| Tensor::<f64>::randn(shape, rng));
    let weights = Tensor::<f64>::randn(&[7, 3], rng);
    let direction = [[3].as_slice(), &[7, 3], &[3, 3]].map(|shape| Tensor::<f64>::randn(shape, rng));
    for pieces in [1, 2, 3, 7, 100] {
        let all = |f: &dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>| {
            let tape = Tape::new();
            let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
            let y = f(&x);
            let nodes = tape.len();
            let s = (y * tape.constant(weights.clone())).sum();
            let along: Vec<_> = x.iter().copied().zip(direction.clone()).collect();
            let reverse = s.backward();
            let mut found: Vec<Tensor<f64>> = vec![y.value()];
            found.extend(x.iter().map(|x| reverse.wrt(*x)));
            found.push(y.jvp(&along));
            found.extend(s.hvp(&along));
            (found, nodes)
        };
        let (found, nodes) = all(&|x| scan(body, &x[0], &x[1], &x[2..], pieces));
        let (expected, _) = all(&unrolled);
        assert_eq!(nodes, 4, "one node");
        assert_eq!(found[0], expected[0], "the same bits");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs().max().item() < 1e-13 * expected.abs().max().item().max(1.0));
        }
    }
}

#[test]
fn a_fold_is_the_last_carry_of_a_scan() {
    let rng = &mut Rng::new(4);
    let at = [[3].as_slice(), &[7, 3], &[3, 3]].map(|shape| Tensor::<f64>::randn(shape, rng));
    let direction = [[3].as_slice(), &[7, 3], &[3, 3]].map(|shape| Tensor::<f64>::randn(shape, rng));
    for pieces in [1, 2, 3, 7, 100] {
        let all = |f: &dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>| {
            let tape = Tape::new();
            let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
            let y = f(&x);
            let along: Vec<_> = x.iter().copied().zip(direction.clone()).collect();
            let s = y.square().sum();
            let reverse = s.backward();
            let mut found: Vec<Tensor<f64>> = vec![y.value()];
            found.extend(x.iter().map(|x| reverse.wrt(*x)));
            found.extend(s.grad(&x).iter().map(|g| g.value()));
            found.push(y.jvp(&along));
            found.extend(s.hvp(&along));
            found
        };
        let found = all(&|x| fold(body, &x[0], &x[1], &x[2..], pieces));
        let expected = all(&|x| unrolled(x).index_axis(0, -1));
        assert_eq!(found[0], expected[0], "the same bits");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs().max().item() < 1e-13 * expected.abs().max().item().max(1.0));
        }
    }
    let starts = Tensor::<f64>::randn(&[4, 3], rng);
    let y = vmap(|x| fold(body, &x[0], &x[1], &[x[2]], 3), &[Some(0), None, None], &[&starts, &at[1], &at[2]]);
    assert!(
        (y.index_axis(0, 2) - fold(body, &starts.index_axis(0, 2), &at[1], &at[2..], 3)).abs().max().item() < 1e-15
    );
    let error = try_fold(body, &at[0], &Tensor::zeros(&[0, 3]), &at[2..], 1).unwrap_err().to_string();
    assert!(error.contains("at least one step"), "{error}");
}

#[test]
fn a_scan_is_replayed_and_mapped() {
    let xs = Tensor::<f64>::randn(&[5, 3], &mut Rng::new(3));
    let mut program = autograd::compile(|x| scan(body, &x[0], &x[1], &[x[2]], 2).square().sum());
    for seed in [4, 5] {
        let (h, w) = (Tensor::randn(&[3], &mut Rng::new(seed)), Tensor::randn(&[3, 3], &mut Rng::new(seed + 10)));
        let tape = Tape::new();
        let x: Vec<Var<f64>> = [&h, &xs, &w].map(|x| tape.var(x.clone())).to_vec();
        let y = unrolled(&x).square().sum();
        let (value, gradients) = program.value_and_grad(&[&h, &xs, &w]).unwrap();
        assert_eq!(value, y.item());
        let expected = y.backward();
        for (found, x) in gradients.iter().zip(&x) {
            assert!((found - expected.wrt(*x)).abs().max().item() < 1e-13);
        }
    }
    let starts = Tensor::<f64>::randn(&[4, 3], &mut Rng::new(6));
    let w = Tensor::<f64>::eye(3);
    let y = vmap(|x| scan(body, &x[0], &x[1], &[x[2]], 1), &[Some(0), None, None], &[&starts, &xs, &w]);
    assert_eq!(y.shape(), [4, 5, 3]);
    assert_eq!(y.index_axis(0, 2), scan(body, &starts.index_axis(0, 2), &xs, &[w], 1));
}

#[test]
fn misuse_is_an_error() {
    let (carry, xs) = (tensor![1.0, 2.0], tensor![[1.0, 2.0]]);
    let error = try_scan(|x| (x[0] + x[1]).sum(), &carry, &xs, &[], 1).unwrap_err().to_string();
    assert!(error.contains("shape of the carry, [2]"), "{error}");
    let error = try_scan(|x| x[0] + x[1], &carry, &Tensor::zeros(&[0, 2]), &[], 1).unwrap_err().to_string();
    assert!(error.contains("at least one step"), "{error}");
    assert!(try_scan(|x| x[0], &carry, &Tensor::scalar(1.0), &[], 1).is_err());
}
