//! Optimizers, schedules and initializers against reference cases computed with PyTorch in float64.

use autograd::{Rng, Tape, Tensor, Var};
use nn::init::{Fan, Init, Nonlinearity, fan};
use nn::optim::{Adam, AdamW, Optimizer, ParamGradients, RmsProp, Sgd};
use nn::schedule::{ExponentialDecay, Schedule, StepDecay};
use nn::{Param, Pass};
use serde_json::Value;

/// The cases of a file.
fn cases(text: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(text).expect("a fixture is JSON");
    std::mem::take(file["cases"].as_array_mut().expect("a fixture has cases"))
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v} is no number"))
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_else(|| panic!("{v} is no string"))
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap_or_else(|| panic!("{v} is no array")).iter().map(number).collect()
}

fn integers(v: &Value) -> Vec<usize> {
    numbers(v).into_iter().map(|x| x as usize).collect()
}

/// The fixtures' own criterion: |a - e| ≤ rtol · max(|e|, min(max |e|, 1000)), or 1e-14.
#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], rtol: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0, |m: f64, e| m.max(e.abs())).min(1e3);
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= (rtol * e.abs().max(largest)).max(1e-14), "{what}: {actual:?}, not {expected:?}");
    }
}

const OPTIM: &str = include_str!("fixtures/optim.json");
/// Which optimizers of the file are covered, and by how many cases.
const OPTIMIZERS: [(&str, usize); 4] = [("SGD", 12), ("RMSprop", 6), ("Adam", 6), ("AdamW", 4)];

/// The optimizer that a case describes. A hyperparameter that is not known is a failure.
fn optimizer(case: &Value) -> Box<dyn Optimizer<f64>> {
    let unknown = |name: &str| -> ! { panic!("{}: unknown hyperparameter {name}", case["id"]) };
    let flag = |v: &Value| v.as_bool().expect("true or false");
    match text(&case["optimizer"]) {
        "SGD" => build(case, Sgd::new, |sgd, name, v| match name {
            "momentum" => sgd.momentum(number(v)),
            "dampening" => sgd.dampening(number(v)),
            "nesterov" => sgd.nesterov(flag(v)),
            "weight_decay" => sgd.weight_decay(number(v)),
            _ => unknown(name),
        }),
        "RMSprop" => build(case, RmsProp::new, |rmsprop, name, v| match name {
            "alpha" => rmsprop.alpha(number(v)),
            "eps" => rmsprop.eps(number(v)),
            "momentum" => rmsprop.momentum(number(v)),
            "centered" => rmsprop.centered(flag(v)),
            "weight_decay" => rmsprop.weight_decay(number(v)),
            _ => unknown(name),
        }),
        "Adam" => build(case, Adam::new, |adam, name, v| match name {
            "betas" => adam.betas(number(&v[0]), number(&v[1])),
            "eps" => adam.eps(number(v)),
            "amsgrad" => adam.amsgrad(flag(v)),
            "weight_decay" => adam.weight_decay(number(v)),
            _ => unknown(name),
        }),
        "AdamW" => build(case, AdamW::new, |adamw, name, v| match name {
            "betas" => adamw.betas(number(&v[0]), number(&v[1])),
            "eps" => adamw.eps(number(v)),
            "weight_decay" => adamw.weight_decay(number(v)),
            _ => unknown(name),
        }),
        other => panic!("no optimizer is called {other}"),
    }
}

/// An optimizer with the case's rate, and every other hyperparameter set by `set`.
fn build<O: Optimizer<f64> + 'static>(
    case: &Value,
    new: impl Fn(f64) -> O,
    set: impl Fn(O, &str, &Value) -> O,
) -> Box<dyn Optimizer<f64>> {
    let hyper = case["hyper"].as_object().expect("hyperparameters");
    let others = hyper.iter().filter(|(name, _)| *name != "lr");
    Box::new(others.fold(new(number(&hyper["lr"])), |optimizer, (name, v)| set(optimizer, name, v)))
}

/// The covered cases, after making sure that they are as many as they should be.
fn covered() -> Vec<Value> {
    let all = cases(OPTIM);
    for (name, count) in OPTIMIZERS {
        assert_eq!(all.iter().filter(|c| c["optimizer"] == name).count(), count, "cases of {name}");
    }
    all.into_iter().filter(|c| OPTIMIZERS.iter().any(|(name, _)| c["optimizer"] == *name)).collect()
}

#[test]
fn update_rules_follow_the_reference_step_by_step() {
    for case in covered() {
        let mut x = Param::new(numbers(&case["x0"]));
        let mut optimizer = optimizer(&case);
        let (path, grads) = (case["x"].as_array().unwrap(), case["grads"].as_array().unwrap());
        assert_eq!((path.len(), grads.len()), (20, 20), "{}", case["id"]);
        for (step, (expected, g)) in path.iter().zip(grads).enumerate() {
            optimizer.step(&mut x, &ParamGradients::from_iter([Some(numbers(g).into())]));
            let what = format!("{} step {step}", case["id"]);
            assert_close(&x.value().to_vec(), &numbers(expected), number(&case["rtol"]), &what);
        }
    }
}

/// The function that a case descends.
fn problem<'t>(case: &Value, x: Var<'t, f64>) -> Var<'t, f64> {
    let definition = &case["problem_def"];
    match text(&case["problem"]) {
        "quadratic" => {
            let n = x.shape()[0];
            let a = x.tape().constant(Tensor::new(&[n, n], numbers(&definition["A"])));
            let b = x.tape().constant(numbers(&definition["b"]));
            x.matmul(a.matmul(x)) * 0.5 - b.matmul(x)
        }
        "rosenbrock" => {
            let (head, tail) = (x.slice(0, ..-1), x.slice(0, 1..));
            ((tail - head.square()).square() * 100.0 + (head * -1.0 + 1.0).square()).sum()
        }
        other => panic!("no problem is called {other}"),
    }
}

#[test]
fn training_on_the_tape_follows_the_reference() {
    for case in covered() {
        let mut x = Param::new(numbers(&case["x0"]));
        let mut optimizer = optimizer(&case);
        let (mut tape, mut gradients) = (Tape::new(), ParamGradients::new());
        let (path, values) = (case["x"].as_array().unwrap(), numbers(&case["f"]));
        for (step, expected) in path.iter().enumerate() {
            tape.clear();
            let f = problem(&case, Pass::eval(&tape).var(&x));
            let what = format!("{} step {step}", case["id"]);
            assert_close(&[f.item()], &values[step..=step], number(&case["rtol"]), &what);
            gradients.collect(&x, &tape, &mut f.backward());
            optimizer.step(&mut x, &gradients);
            assert_close(&x.value().to_vec(), &numbers(expected), number(&case["rtol"]), &what);
        }
    }
}

#[test]
fn schedules_follow_the_reference() {
    let mut covered = 0;
    for case in cases(include_str!("fixtures/lr_schedule.json")) {
        let attrs = &case["attrs"];
        let schedule: Box<dyn Schedule> = match text(&case["schedule"]) {
            "step" => {
                Box::new(StepDecay { every: number(&attrs["step_size"]) as usize, factor: number(&attrs["gamma"]) })
            }
            "exponential" => Box::new(ExponentialDecay { factor: number(&attrs["gamma"]) }),
            _ => continue,
        };
        covered += 1;
        let (base, expected) = (number(&case["base_lr"]), numbers(&case["lr"]));
        let rates: Vec<f64> = (0..expected.len()).map(|epoch| schedule.rate(epoch, base)).collect();
        assert_close(&rates, &expected, number(&case["rtol"]), text(&case["id"]));
    }
    assert_eq!(covered, 2);
}

/// The activation of a name; convolutions and dense layers count as linear.
fn nonlinearity(name: &str, param: &Value) -> Nonlinearity {
    match name {
        "linear" | "conv2d" => Nonlinearity::Linear,
        "sigmoid" => Nonlinearity::Sigmoid,
        "tanh" => Nonlinearity::Tanh,
        "relu" => Nonlinearity::Relu,
        "leaky_relu" => Nonlinearity::LeakyRelu(number(param)),
        "selu" => Nonlinearity::Selu,
        other => panic!("no activation is called {other}"),
    }
}

#[test]
fn gains_and_distributions_follow_the_reference() {
    let (mut gains, mut distributions, mut rng) = (0, 0, Rng::new(2024));
    for case in cases(include_str!("fixtures/init.json")) {
        let (id, attrs) = (text(&case["id"]), &case["attrs"]);
        match text(&case["kind"]) {
            "gain" => {
                let gain = nonlinearity(text(&case["nonlinearity"]), &case["param"]).gain();
                assert_close(&[gain], &[number(&case["gain"])], 1e-15, id);
                gains += 1;
            }
            "distribution" => {
                let kaiming = || {
                    let mode = match text(&attrs["mode"]) {
                        "fan_in" => Fan::In,
                        "fan_out" => Fan::Out,
                        other => panic!("no fan is called {other}"),
                    };
                    (nonlinearity(text(&attrs["nonlinearity"]), &attrs["a"]).gain(), mode)
                };
                let init = match text(&case["init"]) {
                    "xavier_uniform" => Init::xavier_uniform(number(&attrs["gain"])),
                    "xavier_normal" => Init::xavier_normal(number(&attrs["gain"])),
                    "kaiming_uniform" => Init::kaiming_uniform(kaiming().0, kaiming().1),
                    "kaiming_normal" => Init::kaiming_normal(kaiming().0, kaiming().1),
                    other => panic!("no distribution is called {other}"),
                };
                follows(&case, init, &mut rng);
                distributions += 1;
            }
            "orthogonal" => {}
            other => panic!("{id}: unknown kind {other}"),
        }
    }
    assert_eq!((gains, distributions), (7, 12));
}

/// Draws weights and compares their moments: six standard errors of the deviation and of the mean.
fn follows(case: &Value, init: Init, rng: &mut Rng) {
    let (id, shape, std) = (text(&case["id"]), integers(&case["shape"]), number(&case["std"]));
    assert_eq!(
        vec![fan(&shape).0, fan(&shape).1],
        [number(&case["fan_in"]) as usize, number(&case["fan_out"]) as usize]
    );
    let w: Tensor<f64> = init.tensor(&shape, rng);
    let n = w.len() as f64;
    let mean = w.iter().sum::<f64>() / n;
    let sample = (w.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    assert!((sample / std - 1.0).abs() < 6.0 / (2.0 * n).sqrt(), "{id}: deviation {sample}, not {std}");
    assert!((mean - number(&case["mean"])).abs() < 6.0 * std / n.sqrt(), "{id}: mean {mean}");
    if let Some(bound) = case["bound"].as_f64() {
        let largest = w.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        assert!(largest <= bound * (1.0 + 1e-12) && largest > 0.99 * bound, "{id}: {largest}, bound {bound}");
    }
}
