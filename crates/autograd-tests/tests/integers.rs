//! Integers on the tape: they are computed again in every run of a program, and nothing about them is frozen.

use autograd::op::IGNORED;
use autograd::prelude::*;
use autograd::{Dims, Order, Program, compile};

/// The values and gradients of `f` at two sets of inputs, recorded and replayed: the bits are the same.
fn replays(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: [Tensor<f64>; 2]) {
    replays_once(&f, at);
}

/// [`replays`], compiled once for all functions.
fn replays_once(f: &dyn for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: [Tensor<f64>; 2]) {
    let record = |tape: &Tape<f64>, x: &Tensor<f64>| {
        let x = tape.var(x.clone());
        let y = f(x);
        let g = y.sum().grad(&[x])[0];
        let curvature = (g * g).sum().grad(&[x])[0];
        ([y, g, curvature].map(Var::value), Program::new(tape, &[x], &[y, g, curvature]))
    };
    let (lean, tape, other) = (Tape::lean(0), Tape::new(), Tape::new());
    let (first, mut program) = record(&tape, &at[0]);
    let (second, _) = record(&other, &at[1]);
    assert_eq!(record(&lean, &at[0]).0, first);
    for (x, expected) in [(&at[0], &first), (&at[1], &second), (&at[0], &first)] {
        let found = program.run(&[x]).unwrap().to_vec();
        assert_eq!(found, expected, "\n{program}");
    }
    let sketch = Tape::sketch();
    let x = sketch.var(at[0].clone());
    let y = f(x);
    let mut program = Program::new(&sketch, &[x], &[y]);
    for (x, expected) in [(&at[1], &second), (&at[0], &first)] {
        assert_eq!(program.run(&[x]).unwrap()[0], expected[0], "recorded on a sketch");
    }
}

#[test]
fn every_search_is_repeated_in_every_run() {
    let at = || [tensor![[3.0, 1.0, 2.0], [0.5, 7.0, -1.0]], tensor![[1.0, 5.0, 2.5], [9.0, 7.0, 8.0]]];
    replays(|x| x.sort(1, Order::Ascending).0 * x, at());
    replays(|x| x.sort(0, Order::Descending).0.square(), at());
    replays(|x| x.topk(2, 1, Order::Descending).0.exp(), at());
    replays(|x| x.max_dim(1).0 * x.min_dim(1).0, at());
    replays(|x| x.median(1).0 * x.mode(1).0, at());
    replays(|x| x.cummax(1).0 * x.cummin(0).0, at());
    replays(|x| x.sin().take(1, x.argsort(0, Order::Ascending).reshape(&[6]).try_within("docs", 2).unwrap()), at());
    replays(|x| x.square().take(1, x.argmax(1)), at());
    replays(|x| x.exp().gather(1, x.argmin_keep(1)), at());
    replays(|x| x.reshape(&[6]).square().take(0, x.argmax(..)), at());
    replays(|x| x.square() * x.argmax(0).numbers(), at());
    replays(|x| x.scatter(1, x.argsort(1, Order::Ascending), x.exp()) * x, at());
    replays(|x| x.scatter_add(1, x.argmax_keep(1), x.square()), at());
    replays(|x| x.index_add(1, x.slice(0, ..1).argsort(1, Order::Descending).reshape(&[3]), x.sin()), at());
    replays(|x| x.index_select(1, x.slice(0, 1..).argsort(1, Order::Descending).reshape(&[3])).square(), at());
    replays(|x| x.cross_entropy(x.argmin(1)), at());
}

#[test]
fn every_comparison_is_repeated_in_every_run() {
    let at = || [tensor![[3.0, -1.0, 2.0], [0.5, 7.0, -1.0]], tensor![[-1.0, 5.0, 0.25], [9.0, -7.0, 0.5]]];
    replays(|x| x.is_gt(1.0).choose(x.square(), x.sin()), at());
    replays(|x| x.is_ge(0.5).choose(x.square(), x.sin()), at());
    replays(|x| x.where_(x.is_lt(x.slice(1, ..1)), x.exp()), at());
    replays(|x| x.masked_fill(x.is_le(tensor![0.5, 7.0, -1.0]), 3.0).square(), at());
    replays(|x| x.square().where_(x.is_eq(0.5), x), at());
    replays(|x| x.square() * x.is_ne(-1.0).indicator(), at());
    replays(|x| (x.is_gt(0.0) & x.is_lt(5.0)).choose(x.exp(), x), at());
    replays(|x| (x.is_gt(5.0) | !x.is_gt(0.0) ^ x.is_eq(x)).choose(x.exp(), x), at());
    replays(|x| x.is_gt(x.argmax_keep(1).numbers()).choose(x.exp(), x), at());
}

#[test]
fn masks_of_variables_are_those_of_tensors() {
    let tape = Tape::<f32>::new();
    let (a, b) = (tensor![[1.0f32], [3.0], [f32::NAN]], tensor![1.0f32, -0.0, f32::INFINITY, f32::NAN]);
    let (x, y) = (tape.var(a.clone()), tape.var(b.clone()));
    assert_eq!(x.is_gt(y).value(), a.is_gt(&b));
    assert_eq!(x.is_ge(y).value(), a.is_ge(&b));
    assert_eq!(x.is_lt(&b).value(), a.is_lt(&b));
    assert_eq!(x.is_le(b.clone()).value(), a.is_le(&b));
    assert_eq!(x.is_eq(3.0).value(), a.is_eq(3.0));
    assert_eq!(x.is_ne(y).value(), a.is_ne(&b));
    let (m, n) = (a.is_ge(&b), b.is_gt(0.0));
    let (p, q) = (tape.mask(m.clone()), tape.mask(n.clone()));
    assert_eq!((p & q).value(), &m & &n);
    assert_eq!((p | q).value(), &m | &n);
    assert_eq!((p ^ q).value(), &m ^ &n);
    assert_eq!((!p).value(), !&m);
    assert_eq!((p.any(), p.all()), (m.any(), m.all()));
    assert!(x.sum().grad(&[x])[0].value().shape() == [3, 1]);
}

#[test]
fn numbers_that_are_indices() {
    let at = [tensor![2.0, 0.0, 1.0], tensor![1.0, 1.0, 2.0]];
    replays(|x| x.square().take(0, x.to_integers()), at);
    let tape = Tape::<f32>::new();
    let x = tape.constant([16_777_215.0f32, 16_777_217.0, 0.5, f32::NAN, -3.0, f32::INFINITY]);
    assert_eq!(x.to_integers().value(), tensor![16_777_215_i64, i64::MIN, i64::MIN, i64::MIN, -3, i64::MIN]);
    assert!(tape.var([1.0f32]).try_take(0, x.to_integers()).is_err());
    let error = tape.var([1.0f32]).try_take(0, tape.var([0.5]).to_integers()).unwrap_err().to_string();
    assert!(error.contains("a number that is not whole"), "{error}");
}

#[test]
fn a_copy_of_the_labels_is_an_input_as_well() {
    let tape = Tape::<f64>::new();
    let (x, labels) = (tape.var([[1.0, 2.0], [3.0, 5.0]]), tape.integers(tensor![0_i64, 0]));
    let weights = tape.constant([1.0, 3.0]);
    // One op reads the labels, the other a column of them.
    let loss = |x: Var<'_, f64>, labels: &Tensor<i64>| {
        let picked: Vec<f64> = labels.iter().enumerate().map(|(i, l)| x.value().at(&[i, l as usize])).collect();
        labels.iter().zip(&picked).map(|(l, p)| [1.0, 3.0][l as usize] * p).sum::<f64>()
    };
    let y = (x.gather(1, labels.reshape(&[2, 1])).squeeze(1) * weights.take(0, labels)).sum();
    let mut program = Program::draft(&tape).inputs(&[x]).integers(&[labels]).outputs(&[y]).compile().unwrap();
    for labels in [tensor![0_i64, 0], tensor![1_i64, 0], tensor![0_i64, 1], tensor![-1_i64, 0]] {
        let found = program.run_with(&[&x.value()], &[&labels]).unwrap()[0].item();
        let positive = labels.iter().map(|l| if l < 0 { l + 2 } else { l }).collect();
        assert_eq!(found, loss(x, &positive), "{labels:?}");
    }
}

#[test]
fn what_a_run_refuses_changes_nothing() {
    let tape = Tape::<f64>::new();
    let (w, labels) = (tape.var([[1.0, 2.0]]), tape.integers(tensor![0_i64]));
    let rows = labels.try_labels("loss", 2, 9, IGNORED).unwrap();
    let loss = w.cross_entropy(rows).sum();
    let better = w - 0.5 * loss.grad(&[w])[0];
    let (integers, state, outputs) = ([labels], [(w, better)], [loss]);
    let draft = Program::draft(&tape).integers(&integers).state(&state).outputs(&outputs);
    let mut program = draft.compile().unwrap();
    let before = program.state(0).clone();
    let error = program.run_with(&[], &[&tensor![2_i64]]).unwrap_err().to_string();
    assert!(error.contains("loss: index 2 at position 0"), "{error}");
    assert_eq!(program.state(0), &before);
    assert_eq!(program.run_with(&[], &[&tensor![9_i64]]).unwrap()[0].item(), 0.0);
    assert_eq!(program.state(0), &before, "an ignored row has gradient 0");
    assert!(program.run_with(&[], &[&tensor![1_i64]]).unwrap()[0].item() > 0.0);
    assert_ne!(program.state(0), &before);

    // An index that numbers hold is known only in the middle of a run.
    let tape = Tape::<f64>::new();
    let (w, x) = (tape.var([1.0, 2.0]), tape.var([0.0]));
    let better = (w * 2.0) + w.take(0, x.to_integers());
    let mut program = Program::draft(&tape).inputs(&[x]).state(&[(w, better)]).compile().unwrap();
    assert!(program.run(&[&tensor![2.0]]).is_err());
    assert_eq!(program.state(0), &tensor![1.0, 2.0]);
    program.run(&[&tensor![1.0]]).unwrap();
    assert_eq!(program.state(0), &tensor![4.0, 6.0]);
}

#[test]
fn ignored_rows_have_no_influence() {
    let nan = f64::NAN;
    let tape = Tape::<f64>::new();
    let x = tape.var([[0.3, -0.2], [nan, f64::INFINITY], [1.0, 0.5]]);
    let kept = tape.var([[0.3, -0.2], [1.0, 0.5]]);
    for labels in [tape.integers(tensor![1_i64, IGNORED, 0]).into(), autograd::Index::from(tensor![1_i64, IGNORED, 0])]
    {
        let (loss, expected) = (x.cross_entropy(labels), kept.cross_entropy(tensor![1_i64, 0]));
        assert_eq!(loss.value(), tensor![expected.value().at(&[0]), 0.0, expected.value().at(&[1])]);
        let gradients = |loss: Var<'_, f64>, x| {
            let g = (loss * loss).sum().grad(&[x])[0];
            (g.value(), g.square().sum().backward().wrt(x))
        };
        let ((g, h), (p, q)) = (gradients(loss.take(0, tensor![0_i64, 2]), x), gradients(expected, kept));
        assert_eq!((g.take(0, tensor![0_i64, 2]), h.take(0, tensor![0_i64, 2])), (p, q));
        let whole = loss.sum().grad(&[x])[0];
        assert_eq!(whole.value().slice(0, 1..2), tensor![[0.0, 0.0]]);
        let curvature = whole.slice(0, ..1).square().sum().backward().wrt(x);
        assert!(curvature.iter().all(f64::is_finite), "{curvature:?}");
        let tangent = loss.jvp(&[(x, Tensor::ones(&[3, 2]))]);
        assert_eq!(tangent.at(&[1]), 0.0);
    }
}

#[test]
fn negative_indices_count_from_the_end() {
    let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    assert_eq!(x.gather(1, tensor![[-1_i64], [0]]), tensor![[2.0], [3.0]]);
    assert_eq!(x.take(0, tensor![-1_i64, 0]), tensor![[3.0, 4.0], [1.0, 2.0]]);
    assert_eq!(x.index_add(0, tensor![-1_i64], tensor![[1.0, 1.0]]), tensor![[1.0, 2.0], [4.0, 5.0]]);
    assert_eq!(x.scatter_add(1, tensor![[-1_i64], [-2]], tensor![[10.0], [20.0]]), tensor![[1.0, 12.0], [23.0, 4.0]]);
    assert_eq!(x.scatter(1, tensor![[-1_i64], [-2]], tensor![[10.0], [20.0]]), tensor![[1.0, 10.0], [20.0, 4.0]]);
    for bad in [2_i64, -3] {
        assert!(x.try_gather(1, tensor![[bad]]).is_err() && x.try_scatter(1, tensor![[bad]], tensor![[1.0]]).is_err());
        assert!(x.try_scatter_add(1, tensor![[bad]], tensor![[1.0]]).is_err() && x.try_take(0, tensor![bad]).is_err());
        assert!(x.try_index_add(0, tensor![bad], tensor![[1.0, 1.0]]).is_err());
    }
    // As in PyTorch.
    let error = x.try_index_select(0, tensor![-1_i64]).unwrap_err().to_string();
    assert!(error.starts_with("index_select: index -1") && error.ends_with("use 0 to 1"), "{error}");
}

#[test]
fn integers_of_another_tape_are_refused() {
    let (tape, other) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (x, index) = (tape.var([1.0, 2.0]), other.integers(tensor![0_i64]));
    assert!(matches!(x.try_take(0, index), Err(autograd::Error::Foreign { .. })));
    let draft = Program::draft(&tape).inputs(std::slice::from_ref(&x)).integers(std::slice::from_ref(&index));
    assert!(matches!(draft.compile().err(), Some(autograd::Error::Foreign { .. })));
}

#[test]
fn a_compiled_function_may_sort() {
    let mut median = compile::<f64, _>(|x| x[0].try_median(0, Dims::Drop).expect("it has elements").0 * x[0].sum());
    let mut at = |x: &Tensor<f64>| median.value_and_grad(&[x]).map(|(y, g)| (y, g[0].clone())).unwrap();
    assert_eq!(at(&tensor![1.0, 2.0, 6.0]), (18.0, tensor![2.0, 11.0, 2.0]));
    assert_eq!(at(&tensor![9.0, 1.0, 4.0]), (56.0, tensor![4.0, 4.0, 18.0]));
}
