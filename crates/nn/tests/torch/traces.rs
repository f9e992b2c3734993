//! Training matches PyTorch's: 50 losses and the final weights, to 1e-9.

use crate::build::build;
use crate::repr::Printed;
use crate::{array, cases};
use autograd::{Program, Rng, Tape, Tensor, Var};
use nn::data::Batch;
use nn::io::{AnyTensor, StateDict};
use nn::loss::{CrossEntropy, Loss, Mse, Target};
use nn::optim::{Adam, AdamW, Optimizer, ParamGradients, RmsProp, Sgd};
use nn::train::TrainStep;
use nn::{Module, Pass, Path};
use serde_json::Value;

type Model = Box<dyn Module<f64>>;

/// A training loop: from model, loss, optimizer and batch to the losses of a number of steps.
type Training = fn(&mut Model, &dyn Loss<f64>, &mut dyn Optimizer<f64>, &Batch<f64>, usize) -> Vec<f64>;

fn dictionary(json: &Value) -> StateDict {
    let mut dict = StateDict::new();
    json.as_object().expect("tensors by name").iter().for_each(|(name, a)| drop(dict.insert(name, array(a))));
    dict
}

/// The optimizers by their names in the traces.
fn optimizer(name: &str) -> Box<dyn Optimizer<f64>> {
    match name {
        "sgd_momentum" => Box::new(Sgd::new(0.05).momentum(0.9)),
        "sgd_nesterov_wd" => Box::new(Sgd::new(0.05).momentum(0.9).nesterov(true).weight_decay(1e-3)),
        "rmsprop" => Box::new(RmsProp::new(3e-3).alpha(0.99)),
        "adam" => Box::new(Adam::new(1e-2)),
        "adamw" => Box::new(AdamW::new(1e-2).weight_decay(0.05)),
        _ => panic!("{name} is an optimizer unknown to the tests"),
    }
}

/// Parses `Linear(6,9) Tanh Linear(9,8)` as if PyTorch had printed it.
fn printed(model: &str) -> Printed {
    let layers = model.split_whitespace().enumerate().map(|(i, layer)| {
        let call = if layer.ends_with(')') { layer.to_owned() } else { format!("{layer}()") };
        format!("({i}): {call}\n")
    });
    Printed::parse(&format!("Sequential(\n{})", layers.collect::<String>()))
}

fn follow(train: Training) {
    let traces = cases("training_traces.json");
    let traces = traces.as_array().expect("a list of traces");
    assert!(!traces.is_empty());
    for trace in traces {
        let text = |key: &str| trace[key].as_str().expect("a name");
        let what = format!("{} {}", text("optimizer"), text("loss"));
        let mut model = build::<f64>(&printed(text("model")), &Value::Null);
        nn::load_state_dict(&mut model, &dictionary(&trace["start"])).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (inputs, targets) = (array(&trace["x"]).to::<f64>(), array(&trace["y"]));
        let (loss, targets): (Box<dyn Loss<f64>>, _) = match (text("loss"), targets) {
            ("cross_entropy", AnyTensor::I64(labels)) => (Box::new(CrossEntropy::new()), Target::Labels(labels)),
            ("mse", values) => (Box::new(Mse::new()), Target::Values(values.to())),
            (loss, _) => panic!("{loss} is a loss unknown to the tests"),
        };
        let expected: Vec<f64> =
            trace["losses"].as_array().expect("losses").iter().map(|x| x.as_f64().expect("a number")).collect();
        let batch = Batch { inputs, targets };
        let losses = train(&mut model, &*loss, &mut *optimizer(text("optimizer")), &batch, expected.len());
        let pairs = losses.iter().zip(&expected);
        let of_losses = pairs.map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f64::max);
        let (end, mut of_weights) = (dictionary(&trace["end"]), 0.0f64);
        for (name, tensor) in nn::state_dict(&model).iter() {
            let (a, b) = (tensor.to::<f64>(), end.get(name).expect("the same names").to::<f64>());
            of_weights = of_weights.max((&a - &b).abs().max().item() / b.abs().max().item());
        }
        println!("{what}: losses {of_losses:.1e}, weights {of_weights:.1e}");
        assert!(
            losses.len() == expected.len() && of_losses < 1e-9 && of_weights < 1e-9,
            "{what}: {of_losses:e}, {of_weights:e}"
        );
    }
}

/// Records each step anew.
fn recorded(
    model: &mut Model,
    loss: &dyn Loss<f64>,
    optimizer: &mut dyn Optimizer<f64>,
    batch: &Batch<f64>,
    steps: usize,
) -> Vec<f64> {
    let mut step = TrainStep::new(0);
    (0..steps).map(|_| step.run(&mut **model, loss, optimizer, batch).expect("finite").loss).collect()
}

/// Records one step with its gradients, then replays it.
fn replayed(
    model: &mut Model,
    loss: &dyn Loss<f64>,
    optimizer: &mut dyn Optimizer<f64>,
    batch: &Batch<f64>,
    steps: usize,
) -> Vec<f64> {
    let tape = Tape::new();
    let mut pass = Pass::train(&tape, Rng::new(0));
    let output = model.forward(tape.constant(batch.inputs.clone()), &mut pass);
    let loss = loss.loss(output, &batch.targets).expect("targets fit");
    let mut weights: Vec<Var<f64>> = Vec::new();
    model.visit(&mut Path::default(), &mut |_, param| weights.push(pass.var(param)));
    let outputs: Vec<Var<f64>> = [loss].into_iter().chain(loss.grad(&weights)).collect();
    let mut program = Program::new(&tape, &weights, &outputs);
    let step = |_| {
        let mut values: Vec<Tensor<f64>> = Vec::new();
        model.visit(&mut Path::default(), &mut |_, param| values.push(param.value().clone()));
        let results = program.run(&values.iter().collect::<Vec<_>>()).expect("the same shapes");
        drop(values);
        optimizer.step(&mut **model, &results[1..].iter().cloned().map(Some).collect::<ParamGradients<f64>>());
        results[0].item()
    };
    (0..steps).map(step).collect()
}

#[test]
fn torch_traces_are_followed_recorded() {
    follow(recorded);
}

#[test]
fn torch_traces_are_followed_replayed() {
    follow(replayed);
}
