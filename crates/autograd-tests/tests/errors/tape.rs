//! Mistakes that only a recording allows: variables of two tapes, derivatives where there are none, a user's own ops.

use crate::caught::refuses;
use autograd::{Cotangents, Error, Result, Rule, Tape, Tensor, Value, Var, tensor};

#[test]
fn variables_of_two_tapes() {
    let (one, two) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (a, b) = (one.var([[1.0, 2.0], [3.0, 4.0]]), two.var([[1.0, 2.0], [3.0, 4.0]]));
    assert_eq!(a.try_add(b).unwrap_err(), Error::Foreign { op: "add" });
    refuses!(a + b, a.try_add(b), "add", "another tape");
    refuses!(a.mul(b), a.try_mul(b), "mul", "another tape");
    refuses!(a.matmul(b), a.try_matmul(b), "matmul", "another tape");
    refuses!(a.select(a, b), a.try_select(a, b), "select", "another tape");
    refuses!(Var::concat(&[a, b], 0), Var::try_concat(&[a, b], 0), "concat", "another tape");
    refuses!(Var::custom(Twice, &[a, b]), Var::try_custom(Twice, &[a, b]), "custom", "another tape");
    let y = a.sum();
    refuses!(y.grad(&[b]), y.try_grad(&[b]), "grad", "another tape");
    refuses!(y.backward_wrt(&[b]), "backward_wrt", "another tape");
    refuses!(y.jvp(&[(b, b.value())]), y.try_jvp(&[(b, b.value())]), "jvp", "another tape");
    refuses!(y.jvp_recorded(&[(b, b)]), "jvp", "another tape");
    assert_eq!(y.try_grad_with(b.sum(), &[a]).unwrap_err(), Error::Foreign { op: "grad" });
    let mut gradients = y.backward();
    refuses!(gradients.wrt(b), gradients.try_wrt(b), "wrt", "another tape");
    refuses!(gradients.get(b), "wrt", "another tape");
    refuses!(gradients.take(b), "wrt", "another tape");
}

#[test]
fn gradients_of_a_recording_that_was_cleared() {
    let mut tape = Tape::<f64>::new();
    let x = tape.var(2.0);
    let mut gradients = (x * x).backward();
    tape.clear();
    let x = tape.var(2.0);
    refuses!(gradients.wrt(x), gradients.try_wrt(x), "wrt", "cleared");
    refuses!(gradients.get(x), "wrt", "cleared");
    refuses!(gradients.take(x), "wrt", "cleared");
}

#[test]
fn derivatives_of_more_than_one_number() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0, 3.0]);
    let y = x * x;
    assert!(matches!(y.try_backward(), Err(Error::NotScalar { op: "backward", .. })));
    refuses!(y.backward(), y.try_backward(), "backward", "[3]", "sum");
    refuses!(y.grad(&[x]), y.try_grad(&[x]), "grad", "[3]");
    refuses!(y.backward_wrt(&[x]), "backward_wrt", "[3]");
    refuses!(y.backward_into(&mut Default::default()), "backward_into", "[3]");
    refuses!(tape.var(Tensor::zeros(&[0, 1])).backward(), "backward", "[0, 1]");
    refuses!(y.item(), "item", "[3]");
    // A single element counts as a scalar, whatever its rank.
    assert_eq!(y.sum().reshape(&[1, 1]).backward().wrt(x), tensor![2.0, 4.0, 6.0]);
}

#[test]
fn cotangents_and_tangents_of_another_shape() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0, 3.0]);
    let y = x * x;
    let wrong = || tensor![1.0, 2.0];
    refuses!(y.vjp(wrong()), y.try_vjp(wrong()), "vjp", "[2]", "[3]");
    refuses!(y.jvp(&[(x, wrong())]), y.try_jvp(&[(x, wrong())]), "jvp", "[2]", "[3]");
    refuses!(y.jvp_recorded(&[(x, tape.var(wrong()))]), "jvp", "[2]", "[3]");
    let error = y.try_grad_with(tape.var(wrong()), &[x]).unwrap_err().to_string();
    assert!(error.contains("grad") && error.contains("[2]") && error.contains("[3]"), "{error}");
}

#[test]
fn the_gradient_of_something_computed() {
    let tape = Tape::<f64>::new();
    let x = tape.var(3.0);
    let y = x * x;
    let gradients = (y * y).backward();
    refuses!(gradients.wrt(y), gradients.try_wrt(y), "wrt", "backward_wrt");
    assert_eq!(gradients.get(y), None);
    assert_eq!((y * y).backward_wrt(&[y]).wrt(y).item(), 18.0);
}

/// y = 2 x, for one tensor; without a forward rule.
struct Twice;

impl Rule<f64> for Twice {
    fn name(&self) -> &'static str {
        "twice"
    }

    fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
        match x {
            [x] => Ok(*x * 2.0),
            _ => Err(Error::Argument { op: "twice", hint: format!("it takes one tensor, not {}", x.len()) }),
        }
    }

    fn vjp<V: Value<f64>>(&self, _: &[&V], _: &V, g: &V) -> Cotangents<V> {
        [Some(g.scale(2.0))].into_iter().collect()
    }
}

#[test]
fn ops_of_a_user() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    refuses!(Var::custom(Twice, &[x, x]), Var::try_custom(Twice, &[x, x]), "twice", "not 2");
    refuses!(Var::<f64>::custom(Twice, &[]), Var::<f64>::try_custom(Twice, &[]), "custom", "at least one");
    let y = Var::custom(Twice, &[x]);
    assert_eq!(y.sum().backward().wrt(x), tensor![2.0, 2.0]);
    refuses!(y.jvp(&[(x, tensor![1.0, 0.0])]), y.try_jvp(&[(x, tensor![1.0, 0.0])]), "jvp", "twice", "Rule::jvp");
    // The recorded op can be read, but cannot be applied on its own.
    assert_eq!(
        Var::try_apply(y.op(), &[&x]).unwrap_err().to_string(),
        "custom: a user-defined op runs only on its tape"
    );
}

#[test]
fn a_recorded_operation_remembers_its_line() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    let at = |y: Var<f64>| (y.line().file(), y.line().line());
    let y = x + x;
    assert_eq!(at(y), (file!(), line!() - 1));
    let y = x.matmul(x);
    assert_eq!(at(y), (file!(), line!() - 1));
    let y = (1.0 - x).powf(1.5).sum_axes(0).reshape(&[1]).softmax(0);
    assert_eq!((at(y), at(x)), ((file!(), line!() - 1), (file!(), line!() - 7)));
    let y = Var::custom(Twice, &[x]);
    assert_eq!(at(y), (file!(), line!() - 1));
    let g = x.sin().sum().grad(&[x])[0];
    assert_eq!(at(g), (file!(), line!() - 1), "nodes that a derivative records");
}
