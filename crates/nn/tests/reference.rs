//! Losses, activations and batch norm against PyTorch's numbers: outputs, gradients, and Hessian-vector products.
//!
//! A case holds inputs, outputs and cotangents; `grads` are the derivatives of `Σ cotangent · output`, and `hvp` is the
//! product of its Hessian with tangents, jointly over all differentiable inputs.

use autograd::{Rng, Tape, Tensor, Var};
use nn::layer::{Activation, BatchNorm1d};
use nn::loss::{Reduction, bce_loss, bce_with_logits_loss, cross_entropy, mse_loss, soft_cross_entropy};
use nn::{Module, Param, Pass, apply_updates};
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(text).expect("a fixture is JSON");
    let Value::Array(cases) = file["cases"].take() else { panic!("a fixture is a list of cases") };
    assert!(!cases.is_empty());
    cases
}

fn sizes(array: &Value) -> Vec<usize> {
    array["shape"].as_array().expect("a shape").iter().map(|d| d.as_u64().expect("a size") as usize).collect()
}

fn data<'a, V>(array: &'a Value, number: impl Fn(&'a Value) -> Option<V>) -> Vec<V> {
    array["data"].as_array().expect("data").iter().map(|x| number(x).expect("a number")).collect()
}

fn tensor(array: &Value) -> Tensor<f64> {
    assert_eq!(array["dtype"], "f64");
    Tensor::new(&sizes(array), data(array, Value::as_f64))
}

fn labels(array: &Value) -> Tensor<i64> {
    assert_eq!(array["dtype"], "i64");
    Tensor::new(&sizes(array), data(array, Value::as_i64))
}

/// The fixtures' rule: relative to the number, or to the largest of its array where that is small.
fn agree(case: &Value, what: &str, got: &Tensor<f64>, expected: &Value) {
    let (id, rtol, expected) = (&case["id"], case["rtol"].as_f64().expect("a tolerance"), tensor(expected));
    assert_eq!(got.shape(), expected.shape(), "{id}: shape of the {what}");
    let largest = expected.iter().fold(0.0f64, |m, e| m.max(e.abs())).min(1e3);
    for (i, (g, e)) in got.iter().zip(expected.iter()).enumerate() {
        let tolerance = (rtol * e.abs().max(largest)).max(1e-14);
        assert!((g - e).abs() <= tolerance, "{id}: {what}[{i}] is {g:e}, PyTorch says {e:e}");
    }
}

/// Checks output, gradients and Hessian-vector product; `inputs` are the variables of the case's inputs, `None` for
/// labels and buffers.
fn check<'t>(case: &Value, inputs: &[Option<Var<'t, f64>>], y: Var<'t, f64>) {
    agree(case, "output", &y.value(), &case["outputs"][0]);
    let cotangent = y.tape().constant(tensor(&case["cotangents"][0]));
    let wanted: Vec<usize> = (0..inputs.len()).filter(|&i| !case["grads"][i].is_null()).collect();
    assert!(!wanted.is_empty());
    let x: Vec<Var<f64>> = wanted.iter().map(|&i| inputs[i].expect("the input is differentiable")).collect();
    let gradient = y.try_grad_with(cotangent, &x).unwrap();
    for (g, &i) in gradient.iter().zip(&wanted) {
        agree(case, &format!("gradient of input {i}"), &g.value(), &case["grads"][i]);
    }
    if let Some(hvp) = case.get("hvp") {
        let tangent = |i: usize| y.tape().constant(tensor(&hvp["tangents"][i]));
        let along = gradient.iter().zip(&wanted).map(|(&g, &i)| (g * tangent(i)).sum()).reduce(|a, b| a + b);
        let second = along.expect("there are inputs").backward();
        for (&x, &i) in x.iter().zip(&wanted) {
            agree(case, &format!("Hessian product of input {i}"), &second.wrt(x), &hvp["grads"][i]);
        }
    }
}

#[test]
fn losses() {
    for case in cases(include_str!("fixtures/loss.json")) {
        let tape = Tape::new();
        let x = tape.var(tensor(&case["inputs"][0]));
        let reduction = match case["attrs"]["reduction"].as_str() {
            Some("mean") => Reduction::Mean,
            Some("sum") => Reduction::Sum,
            Some("none") => Reduction::None,
            other => panic!("{}: reduction {other:?}", case["id"]),
        };
        if case["op"] == "cross_entropy" {
            let y = cross_entropy(x, &labels(&case["inputs"][1]), reduction).unwrap();
            check(&case, &[Some(x), None], y);
            continue;
        }
        let t = tape.var(tensor(&case["inputs"][1]));
        let y = match case["op"].as_str().expect("a name") {
            "mse_loss" => mse_loss(x, t, reduction),
            "bce_loss" => bce_loss(x, t, reduction),
            "bce_with_logits_loss" => bce_with_logits_loss(x, t, reduction),
            "cross_entropy_soft" => soft_cross_entropy(x, t, reduction),
            other => panic!("{other}: no such loss"),
        };
        check(&case, &[Some(x), Some(t)], y.unwrap());
    }
}

#[test]
fn activations() {
    for case in cases(include_str!("fixtures/activation.json")) {
        let tape = Tape::new();
        let x = tape.var(tensor(&case["inputs"][0]));
        let number = |name: &str| case["attrs"][name].as_f64().expect("an attribute");
        let activation = match case["op"].as_str().expect("a name") {
            "relu" => Activation::Relu,
            "leaky_relu" => Activation::LeakyRelu { slope: number("slope") },
            "elu" => Activation::Elu { alpha: number("alpha") },
            "silu" => Activation::Silu,
            "sigmoid" => Activation::Sigmoid,
            "tanh" => Activation::Tanh,
            "softplus" => Activation::Softplus,
            "softmax" => Activation::Softmax { axis: number("axis") as isize },
            "log_softmax" => Activation::LogSoftmax { axis: number("axis") as isize },
            other => panic!("{other}: no such activation"),
        };
        check(&case, &[Some(x)], activation.apply(x));
    }
}

#[test]
fn batch_norm() {
    for case in cases(include_str!("fixtures/batch_norm.json")) {
        let inputs: Vec<Tensor<f64>> = (0..5).map(|i| tensor(&case["inputs"][i])).collect();
        let mut layer = BatchNorm1d::<f64>::new(inputs[1].len());
        layer.weight = Some(Param::new(inputs[1].clone()));
        layer.bias = Some(Param::new(inputs[2].clone()));
        layer.running_mean.set(inputs[3].clone());
        layer.running_var.set(inputs[4].clone());
        layer.eps = case["attrs"]["eps"].as_f64().expect("eps");
        layer.momentum = case["attrs"]["momentum"].as_f64().expect("momentum");

        let training = case["attrs"]["training"] == true;
        let tape = Tape::new();
        let mut pass = if training { Pass::train(&tape, Rng::new(0)) } else { Pass::eval(&tape) };
        let x = tape.var(inputs[0].clone());
        // An image's rows and columns are one axis to the statistics.
        let shape = x.shape();
        let flat = if shape.len() > 3 { x.reshape(&[shape[0], shape[1], shape[2..].iter().product()]) } else { x };
        let y = layer.forward(flat, &mut pass).reshape(&shape);
        let param = |param: &Option<Param<f64>>| tape.find(param.as_ref().expect("affine").key());
        check(&case, &[Some(x), param(&layer.weight), param(&layer.bias), None, None], y);

        let updates = pass.into_updates();
        assert_eq!(updates.len(), if training { 2 } else { 0 });
        apply_updates(&mut layer, &updates);
        if training {
            agree(&case, "running mean", layer.running_mean.value(), &case["outputs"][1]);
            agree(&case, "running variance", layer.running_var.value(), &case["outputs"][2]);
        }
    }
}
