//! Finding trouble: inputs that no derivative reaches, and the op that first gave a value that is not finite.

use autograd::transform::{hessian, per_sample_grad};
use autograd::{Cause, Program, Tape, Tensor, Value, Var, tensor};

#[test]
fn a_broken_path_is_named_with_its_line() {
    let tape = Tape::<f64>::new();
    let x: Vec<Var<f64>> = (0..9).map(|k| tape.var(tensor![1.0 + k as f64, 2.0])).collect();
    let fixed = tape.constant([1.0, 1.0]);
    let first = line!() + 1;
    let a = x[0].stop_gradient() * x[8];
    let b = x[1].is_gt(0.0).choose(a, x[8]);
    let c = x[8].take(0, x[2].argmax(0));
    let d = x[8] * x[3].sum().item();
    let dead = x[4].exp();
    let e = x[6].is_gt(x[8]).indicator() + x[6].stop_gradient();
    let f = x[7] * 2.0;
    let y = (a + b + d + e + f).sum() + c + fixed.sum();
    let found = tape.disconnected(y, &[x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], fixed]);
    let told: Vec<(usize, Vec<(Cause, u32)>)> = found
        .iter()
        .map(|d| (d.input, d.breaks.iter().map(|b| (b.cause, b.line.line().wrapping_sub(first))).collect()))
        .collect();
    let made = 8;
    assert_eq!(told[0], (0, vec![(Cause::Stopped, 0)]));
    assert_eq!(told[1], (1, vec![(Cause::Comparison, 1)]));
    assert_eq!(told[2], (2, vec![(Cause::Integer, 2)]));
    assert_eq!(told[3], (3, vec![(Cause::Read, 3)]));
    assert_eq!(told[4], (4, vec![(Cause::DeadEnd, 4)]));
    assert_eq!((told[5].0, told[5].1[0].0), (5, Cause::Unused));
    assert_eq!(told[6], (6, vec![(Cause::Comparison, 5), (Cause::Stopped, 5)]));
    assert_eq!((told[7].0, told[7].1[0].0, told.len()), (9, Cause::Constant, made));
    assert!(dead.value().len() == 2 && found[0].to_string().contains("`stop_gradient` of shape [2] at "));
    assert!(found[3].to_string().contains("was read into plain Rust"));
}

#[test]
fn a_user_s_rule_connects_all_its_inputs() {
    struct Sum;
    impl autograd::Rule<f64> for Sum {
        fn name(&self) -> &'static str {
            "sum of two"
        }
        fn forward(&self, x: &[&Tensor<f64>]) -> autograd::Result<Tensor<f64>> {
            Ok(x[0] + x[1])
        }
        fn vjp<V: Value<f64>>(&self, _: &[&V], _: &V, g: &V) -> autograd::Cotangents<V> {
            [Some(g.clone()), Some(g.clone())].into_iter().collect()
        }
    }
    let tape = Tape::new();
    let (a, b) = (tape.var(1.0), tape.var(2.0));
    let y = Var::custom(Sum, &[a, b]) * 3.0;
    assert_eq!(tape.disconnected(y, &[a, b]), []);
    assert_eq!(tape.explain(y).wrt(b).rows()[0].largest, 3.0);
}

#[test]
fn the_op_that_turned_a_value_is_named_for_any_transform() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[4.0, 1.0], [0.0, 1.0]]);
    let line = line!() + 1;
    per_sample_grad(|x| (x[0].sqrt() * x[0]).sum(), &[Some(0)], &[0], &[x]);
    let origin = tape.non_finite().unwrap();
    assert_eq!((origin.line.line(), origin.shape.as_slice()), (line, &[2, 2][..]));
    assert!(origin.value.is_nan() && !origin.derivative, "0 times ∞: {origin}");

    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, -1.0]);
    hessian(|x| (x[0].ln() * 2.0).sum(), &[x]);
    let origin = tape.non_finite().unwrap();
    assert_eq!((origin.op.as_str(), origin.inputs), ("ln", vec![vec![2]]));

    // An infinite mask is not a fault, but its consequences may be.
    let tape = Tape::<f64>::new();
    let mask = tape.constant([0.0, f64::NEG_INFINITY]);
    let p = (tape.var([1.0, 2.0]) + mask).softmax(0);
    assert_eq!(tape.non_finite(), None);
    p.ln();
    assert_eq!(tape.non_finite().unwrap().op, "ln");
    let tape = Tape::<f64>::new();
    assert_eq!(tape.non_finite(), None);
    tape.constant(f64::NAN).exp();
    assert_eq!(tape.non_finite().unwrap().op, "constant");
}

#[test]
fn the_derivative_that_turned_a_cotangent_is_named() {
    let tape = Tape::<f64>::new();
    let x = tape.var([4.0, 0.0]);
    let y = (x.sqrt() + x.exp()).sum();
    let origin = y.non_finite_derivative().unwrap();
    assert_eq!((origin.op.as_str(), origin.derivative), ("sqrt", true));
    assert_eq!(x.exp().sum().non_finite_derivative(), None);
    // A sum of finite cotangents that overflows.
    let x = tape.var(1.0);
    let y = x * 1e308 + x * 1e308;
    assert_eq!(y.non_finite_derivative().unwrap().op, "leaf");
}

/// Integers have no value as numbers. They are neither an origin nor what made another value NaN.
#[test]
fn integers_are_no_origin() {
    let tape = Tape::<f64>::new();
    let rows = tape.integers(tensor![1_i64]);
    let x = tape.var([4.0, 0.0]);
    assert_eq!(tape.non_finite(), None);
    let (_, line) = (x.take(0, rows).ln(), line!());
    let origin = tape.non_finite().unwrap();
    assert_eq!((origin.op.as_str(), origin.value, origin.line.line()), ("ln", f64::NEG_INFINITY, line));
    // An op that reads integers can itself be the origin.
    let tape = Tape::<f64>::new();
    let (labels, scores) = (tape.integers(tensor![1_i64]), tape.var([[1e308, -1e308]]));
    assert_eq!(scores.cross_entropy(labels).item(), f64::INFINITY);
    assert_eq!(tape.non_finite().unwrap().op, "cross_entropy");
}

#[test]
fn a_replay_names_its_step() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[1.0, 2.0], [3.0, 4.0]]);
    let y = x.matmul(x).sqrt().sum();
    let mut program = Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]);
    assert_eq!(program.non_finite(&[&x.value()], &[]).unwrap(), None);
    let origin = program.non_finite(&[&Tensor::zeros(&[2, 2])], &[]).unwrap().unwrap();
    assert!(origin.line.file().ends_with("trouble.rs") && !origin.value.is_finite(), "{origin}");
}

#[test]
fn every_node_has_the_line_of_its_caller() {
    let tape = Tape::<f64>::new();
    let (x, y) = (tape.var([1.0, 2.0]), tape.var([2.0, 1.0]));
    let first = line!();
    x.is_gt(y);
    x.is_ge(0.5);
    x.is_lt(y);
    x.is_le(tensor![1.0, 3.0]);
    x.is_eq(y);
    x.is_ne(1.0);
    Var::stack(&[x, y], 0);
    x.clamp(0.0, 1.5);
    x.map_cotangent(|g| g * 2.0);
    x.straight_through(|x| x.round());
    let lines: Vec<u32> = tape.vars().skip(2).map(|v| v.line().line() - first).collect();
    assert!(tape.vars().all(|v| v.line().file() == file!()), "{lines:?}");
    assert!(lines.is_sorted() && lines.last() == Some(&10), "{lines:?}");
}
