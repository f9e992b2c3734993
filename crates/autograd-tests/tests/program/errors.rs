//! The errors of programs: their messages help, and a failed call changes nothing.

use autograd::prelude::*;
use autograd::{Cotangents, Error, Order, Program, Result, Rule, Value, checkpoint, compile};
use std::cell::Cell;

fn text<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn inputs_of_another_number_or_shape() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    let mut program = Program::new(&tape, &[x], &[x * x]);
    let (two, three) = (tensor![1.0, 2.0], tensor![1.0, 2.0, 3.0]);
    assert!(text(program.run(&[])).contains("compiled for 1 inputs, got 0"));
    assert!(text(program.run(&[&two, &two])).contains("got 2"));
    let shape = text(program.run(&[&three]));
    assert!(shape.contains("[3]") && shape.contains("[2]") && shape.contains("input 0"), "{shape}");
    assert!(text(program.run_with(&[&two], &[&tensor![1_i64]])).contains("0 integer inputs"));
    assert_eq!(program.run(&[&two]).unwrap()[0], tensor![1.0, 4.0]);
}

#[test]
fn vars_that_are_no_inputs() {
    let (tape, other) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (x, foreign) = (tape.var(1.0), other.var(1.0));
    let y = x * x;
    assert!(matches!(Program::try_new(&tape, &[foreign], &[y]).err(), Some(Error::Foreign { .. })));
    assert!(matches!(Program::try_new(&tape, &[x], &[foreign]).err(), Some(Error::Foreign { .. })));
    assert!(text(Program::try_new(&tape, &[y], &[y])).contains("was computed (by mul)"));
    assert!(text(Program::try_new(&tape, &[x, x], &[y])).contains("named twice"));
    let wide = tape.var([1.0, 2.0]);
    let changed = Program::draft(&tape).state(&[(wide, wide.sum())]).compile();
    assert!(text(changed).contains("state 0 has shape [2]"));
}

#[test]
fn an_output_that_does_not_depend_on_an_input_has_derivative_zero() {
    let tape = Tape::<f64>::new();
    let (x, y) = (tape.var([1.0, 2.0]), tape.var(3.0));
    let loss = y * y;
    let g = loss.grad(&[x, y]);
    let mut program = Program::new(&tape, &[x, y], &[g[0], g[1]]);
    let out = program.run(&[&tensor![5.0, 6.0], &Tensor::scalar(4.0)]).unwrap();
    assert_eq!((out[0].to_vec(), out[1].item()), (vec![0.0, 0.0], 8.0));
}

#[test]
fn integers_out_of_range_or_computed() {
    let tape = Tape::<f64>::new();
    let (scores, labels) = (tape.var([[1.0, 2.0], [3.0, 4.0]]), tape.integers(tensor![0_i64, 1]));
    let loss = scores.cross_entropy(labels).mean();
    let outputs = [loss, loss.grad(&[scores])[0]];
    let draft = || Program::draft(&tape).inputs(std::slice::from_ref(&scores)).outputs(&outputs);
    let mut program = draft().integers(&[labels]).compile().unwrap();
    let x = scores.value();
    let wrong = text(program.run_with(&[&x], &[&tensor![0_i64, 2]]));
    assert!(wrong.contains("index 2") && wrong.contains("cross_entropy"), "{wrong}");
    assert!(text(program.run_with(&[&x], &[&tensor![0_i64]])).contains("recorded with shape [2]"));
    assert!(text(program.run(&[&x])).contains("1 integer inputs, got 0"));
    let out = program.run_with(&[&x], &[&tensor![1_i64, 1]]).unwrap();
    let tape = Tape::<f64>::new();
    let again = tape.var(x.clone());
    let loss = again.cross_entropy(tensor![1_i64, 1]).mean();
    assert_eq!((&out[0], &out[1]), (&loss.value(), &loss.backward().wrt(again)));
    let largest = scores.argmax_keep(1);
    assert!(
        text(draft().integers(&[largest]).compile()).contains("was computed (by argmax)"),
        "pass what it depends on"
    );
}

/// A user's op that rejects negative numbers.
struct Root;
impl Rule<f64> for Root {
    fn name(&self) -> &'static str {
        "root"
    }
    fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
        let negative = x[0].iter().any(|x| x < 0.0);
        let hint = || Error::Argument { op: "root", hint: "a number is negative".into() };
        if negative { Err(hint()) } else { Ok(x[0].sqrt()) }
    }
    fn vjp<V: Value<f64>>(&self, _: &[&V], y: &V, g: &V) -> Cotangents<V> {
        [Some(g.div(&y.scale(2.0)))].into_iter().collect()
    }
}

#[test]
fn an_op_that_fails_in_the_middle_leaves_the_state_as_it_was() {
    let tape = Tape::<f64>::new();
    let (w, x) = (tape.var([4.0, 9.0]), tape.var([1.0, 1.0]));
    let next = w - 1.0;
    let y = Var::custom(Root, &[w * x]) + next;
    let mut program = Program::draft(&tape).inputs(&[x]).state(&[(w, next)]).outputs(&[y]).compile().unwrap();
    assert_eq!(program.run(&[&tensor![1.0, 1.0]]).unwrap()[0], tensor![5.0, 11.0]);
    assert!(text(program.run(&[&tensor![1.0, -1.0]])).contains("negative"));
    assert_eq!(program.state(0), &tensor![3.0, 8.0]);
    assert!(program.run(&[&tensor![1.0, 1.0]]).is_ok());
    assert_eq!(program.state(0), &tensor![2.0, 7.0]);
    assert!(text(program.set_state(1, &tensor![1.0])).contains("1 states"));
    assert!(text(program.set_state(0, &tensor![1.0])).contains("[2]"));
    program.set_state(0, &tensor![1.0, 4.0]).unwrap();
    assert_eq!(program.run(&[&tensor![1.0, 1.0]]).unwrap()[0], tensor![1.0, 5.0]);
}

#[test]
fn a_program_moves_to_another_thread_and_outlives_its_tape() {
    let mut program = {
        let tape = Tape::<f64>::new();
        let x = tape.var([1.0, 2.0]);
        Program::new(&tape, &[x], &[x.exp()])
    };
    let out = std::thread::spawn(move || program.run(&[&tensor![0.0, 0.0]]).unwrap()[0].clone()).join().unwrap();
    assert_eq!(out, tensor![1.0, 1.0]);
}

#[test]
fn outputs_that_somebody_keeps_are_not_written_over() {
    let tape = Tape::<f64>::new();
    let (w, x) = (tape.var([1.0, 2.0]), tape.var([1.0, 1.0]));
    let mut program =
        Program::draft(&tape).inputs(&[x]).state(&[(w, w + x)]).outputs(&[w * 2.0, x, w]).compile().unwrap();
    let (one, two) = (tensor![1.0, 1.0], tensor![10.0, 10.0]);
    let first: Vec<Tensor<f64>> = program.run(&[&one]).unwrap().to_vec();
    let state = program.state(0).clone();
    program.run(&[&two]).unwrap();
    assert_eq!(first, [tensor![2.0, 4.0], one, tensor![1.0, 2.0]]);
    assert_eq!((state, program.state(0)), (tensor![2.0, 3.0], &tensor![12.0, 13.0]));
}

#[test]
fn states_may_change_places() {
    let tape = Tape::<f64>::new();
    let (a, b) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]));
    let mut program = Program::draft(&tape).state(&[(a, b), (b, a + b)]).compile().unwrap();
    program.run(&[]).unwrap();
    program.run(&[]).unwrap();
    assert_eq!((program.state(0), program.state(1)), (&tensor![4.0, 6.0], &tensor![7.0, 10.0]));
}

#[test]
fn a_closure_that_looks_at_values() {
    let mut f = compile(|x| if x[0].item() > 0.0 { x[0].exp() } else { x[0] });
    let error = text(f.value(&[&Tensor::scalar(1.0)]));
    assert!(error.contains("errors.rs") && error.contains("op `leaf`"), "{error}");
    // Values that depend on no input may be read, and so may shapes; printing does not count as a read.
    let mut g = compile::<f64, _>(|x| {
        let scale = x[0].tape().constant(2.0).item() * x[0].shape()[0] as f64;
        assert!(!format!("{} {:?}", x[0], x[0]).is_empty());
        (x[0] * scale).sum()
    });
    assert_eq!(g.value_and_grad(&[&tensor![1.0, 2.0]]).unwrap().0, 12.0);
    // A computed derivative is a value like any other; a recorded derivative is compiled.
    let mut inner = compile::<f64, _>(|x| x[0] * x[0].tape().constant(x[0].square().sum().backward().wrt(x[0])));
    assert!(text(inner.value(&[&tensor![3.0]])).contains("derivative"));
    let mut inner = compile::<f64, _>(|x| x[0] * x[0].square().sum().grad(&[x[0]])[0]);
    assert_eq!(inner.value(&[&tensor![3.0]]).unwrap(), &tensor![18.0]);
    // The same holds for the closure of a checkpoint, when its derivatives are recorded.
    let mut piece = compile::<f64, _>(|x| checkpoint(|x| if x[0].item() > 0.0 { x[0].exp() } else { x[0] * 2.0 }, x));
    assert!(text(piece.value_and_grad(&[&tensor!(1.0)]).map(|_| ())).contains("was read at"));
    // Sorting reads its values, and would freeze their order.
    let mut sorting = compile::<f64, _>(|x| x[0] * x[0].argsort(0, Order::Ascending).value().at(&[0]) as f64);
    assert!(text(sorting.value(&[&tensor![2.0, 1.0]])).contains("was read at"));
}

#[test]
fn a_compiled_function_has_a_program_for_each_list_of_shapes() {
    let mut f = compile(|x| (x[0] * x[1]).sum());
    for (n, programs) in [(2, 1), (3, 2), (2, 2)] {
        let (a, b) = (Tensor::<f64>::ones(&[n]), Tensor::ones(&[n]) * 2.0);
        let (value, gradients) = f.value_and_grad(&[&a, &b]).unwrap();
        assert_eq!((value, gradients[0].sum().item()), (2.0 * n as f64, 2.0 * n as f64));
        assert_eq!(f.programs(), programs);
    }
    // Only the last few are kept: 2 is used all the time and is never compiled again, 3 has to be.
    let calls = Cell::new(0);
    let mut f = compile(|x| {
        calls.set(calls.get() + 1);
        (x[0] * x[0]).sum()
    });
    for n in (2..102).flat_map(|n| [2, n]) {
        assert_eq!(f.value(&[&Tensor::<f64>::ones(&[n])]).unwrap().item(), n as f64);
    }
    assert_eq!((f.programs(), calls.get()), (16, 100));
    for (n, made) in [(2, 100), (101, 100), (3, 101)] {
        assert_eq!((f.value(&[&Tensor::ones(&[n])]).unwrap().item(), calls.get()), (n as f64, made));
    }
    assert!(matches!(compile(|x| x[0]).value_and_grad(&[&tensor![1.0, 2.0]]), Err(Error::NotScalar { .. })));
}

/// A user's op that adds one.
struct Next;

impl Rule<f64> for Next {
    fn name(&self) -> &'static str {
        "next"
    }
    fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
        Ok(x[0] + 1.0)
    }
    fn vjp<V: Value<f64>>(&self, _x: &[&V], _y: &V, g: &V) -> Cotangents<V> {
        [Some(g.clone())].into_iter().collect()
    }
}

#[test]
fn a_sketch_has_no_numbers() {
    let tape = Tape::<f64>::sketch();
    let x = tape.var([1.0, 2.0]);
    let y = (x * x).sum();
    assert_eq!(x.value(), tensor![1.0, 2.0]);
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (x * x).value())).unwrap_err();
    assert!(asked.downcast_ref::<String>().unwrap().contains("(mul) has no value: a sketch computes nothing"));
    assert!(text(y.try_backward()).contains("record the derivative with grad"));
    assert!(text((x * x).try_vjp([1.0, 1.0])).contains("record the derivative with grad"));
    assert!(text(y.try_jvp(&[(x, tensor![1.0, 1.0])])).contains("record the derivative with grad"));
    assert!(text(y.try_hvp(&[(x, tensor![1.0, 1.0])])).contains("record the derivative with grad"));
    assert!(text(x.try_matmul(tape.var([[1.0, 2.0]]))).contains("matmul"));
}

#[test]
fn what_a_sketch_knows_is_computed_when_it_is_compiled() {
    let tape = Tape::<f64>::sketch();
    let (x, w, c) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]), tape.constant(2.0));
    let known = Var::custom(Next, &[w.exp() * c]);
    let y = (Var::custom(Next, &[x]) * known).sum();
    let mut program = Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]);
    let known = tensor![3.0, 4.0].exp() * 2.0 + 1.0;
    let out = program.run(&[&tensor![5.0, 6.0]]).unwrap();
    assert_eq!((out[0].item(), &out[1]), ((tensor![6.0, 7.0] * &known).sum().item(), &known));
}
