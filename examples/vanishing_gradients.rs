//! Measures why deep networks could not be trained, and the remedies: gradients that vanish or explode from layer to
//! layer and from step to step.
//!
//! `cargo run --release --example vanishing_gradients [-- --short]`. docs/stability.md describes the experiment.

mod common;

use nn::init::{Fan, Init, Nonlinearity};
use nn::train::StepError;
use nn::{Path, clip, functional, parameters};
use std::error::Error;
use std::process::ExitCode;
use wengert::autograd::Var;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str =
    "usage: vanishing_gradients [--short]\n  --short  a tenth of the training, with one seed instead of five";

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        let seeds = if short { 1 } else { 5 };
        by_depth(if short { 2 } else { 20 }, seeds)?;
        by_time(if short { 50 } else { 500 }, seeds)?;
        Ok(())
    })
}

/// A network of 20 hidden layers of 64 units.
struct Deep {
    name: &'static str,
    activation: Activation,
    init: Init,
    batch_norm: bool,
    clip: bool,
}

/// Prints the gradients by layer before training, and the accuracies after training.
fn by_depth(epochs: usize, seeds: u64) -> Result<(), Box<dyn Error>> {
    let plain = |name, activation, init| Deep { name, activation, init, batch_norm: false, clip: false };
    let normal = |gain: f64| Init::Scaled { gain, fan: Fan::In, form: nn::init::Form::Normal };
    let networks = [
        plain("sigmoid, weights of variance 1/64", Activation::Sigmoid, normal(1.0)),
        plain("tanh, weights of variance 16/64", Activation::Tanh, normal(4.0)),
        plain("ReLU, weights of variance 4/64", Activation::Relu, normal(2.0)),
        plain("tanh, Xavier's weights", Activation::Tanh, Init::xavier_normal(1.0)),
        plain("ReLU, He's weights", Activation::Relu, Init::kaiming_normal(Nonlinearity::Relu.gain(), Fan::In)),
        Deep { batch_norm: true, ..plain("sigmoid, batch norm", Activation::Sigmoid, normal(1.0)) },
        Deep { clip: true, ..plain("ReLU, 4/64, gradients clipped", Activation::Relu, normal(2.0)) },
    ];
    let sizes: Vec<usize> = std::iter::once(64).chain([64; 20]).chain([10]).collect();
    let (training, test) = digits::<f64>().split(0.8, 1)?;
    let batch = training.batch(&(0..128).collect::<Vec<_>>())?;

    println!("20 hidden layers on the digits: |dE/dW| by layer before training, accuracy after {epochs} epochs");
    println!("{:<36}{:>9}{:>9}{:>9}{:>9}{:>9}   test", "", "layer 1", "5", "10", "15", "20");
    for Deep { name, activation, init, batch_norm, clip } in networks {
        let layers = Mlp::new(&sizes).activation(activation).init(init).batch_norm(batch_norm);
        let norms = gradient_norms(&layers.clone().seed(0).build(), &batch)?;
        let mut scores = Vec::new();
        for seed in 0..seeds {
            let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.003).momentum(0.9)).epochs(epochs).quiet();
            let mut trainer = trainer.metric(Metric::accuracy()).seed(seed);
            if clip {
                trainer = trainer.clip_norm(1.0);
            }
            let mut model = layers.clone().seed(seed).build();
            match trainer.fit(&mut model, &training) {
                Ok(_) => scores.extend(trainer.evaluate(&model, &test)?.metric()),
                Err(error) if seed == 0 => println!("  first seed of the next row: {error}"),
                Err(_) => (),
            }
        }
        let shown: Vec<String> = [0, 4, 9, 14, 19].map(|i| format!("{:>9.0e}", norms[i])).into();
        println!("{name:<36}{}   {}", shown.concat(), spread(&scores, seeds));
    }
    Ok(())
}

/// The minimum and maximum accuracy, and how many training runs diverged.
fn spread(scores: &[f64], seeds: u64) -> String {
    let diverged = seeds as usize - scores.len();
    let [least, most] = [scores.iter().copied().fold(1.0, f64::min), scores.iter().copied().fold(0.0, f64::max)];
    match diverged {
        0 => format!("{:.1} to {:.1}%", 100.0 * least, 100.0 * most),
        n if n == seeds as usize => "all diverge".into(),
        n => format!("{:.1} to {:.1}%, {n} diverge", 100.0 * least, 100.0 * most),
    }
}

/// The norm of the gradient of each dense layer's weights.
fn gradient_norms(model: &Sequential<f64>, batch: &Batch<f64>) -> Result<Vec<f64>, StepError> {
    let mut step = TrainStep::new(0);
    step.gradients(model, &CrossEntropy::new(), batch)?;
    let mut norms = Vec::new();
    let mut gradients = step.param_gradients().iter();
    model.visit(&mut Path::default(), &mut |_, param| {
        let gradient = if param.is_trainable() { gradients.next() } else { None };
        norms.extend(gradient.filter(|g| g.rank() == 2).map(|g| g.norm(2.0).item()));
    });
    Ok(norms)
}

/// A recurrent network of 32 units that reads symbols and predicts at the end which one came first.
struct Recall {
    lstm: bool,
    w_ih: Param<f64>,
    w_hh: Param<f64>,
    bias: Param<f64>,
    output: Linear<f64>,
}

const SYMBOLS: usize = 4;
const UNITS: usize = 32;
const BATCH: usize = 64;
const STEPS: usize = 40;

parameters! { impl Parameters<f64> for Recall { w_ih, w_hh, bias, output } }

impl Recall {
    /// Recurrent weights with the given gain: states grow or shrink by about that factor from step to step.
    fn plain(gain: f64, seed: u64) -> Recall {
        Recall::new(false, 1, gain, seed)
    }

    /// An LSTM that forgets a fraction of 1/`steps` per step (Tallec and Ollivier, 2018).
    fn lstm(steps: usize, seed: u64) -> Recall {
        let mut recall = Recall::new(true, 4, 1.0, seed);
        let forget = ((steps - 1) as f64).ln();
        let gate = |at: &[usize]| [-forget, forget, 0.0, 0.0][at[0] / UNITS];
        recall.bias.set(Tensor::from_fn(&[4 * UNITS], gate));
        recall
    }

    fn new(lstm: bool, gates: usize, gain: f64, seed: u64) -> Recall {
        let rng = &mut Rng::new(seed);
        let mut random = |columns: usize, std: f64| Tensor::randn(&[gates * UNITS, columns], rng) * std;
        let w_ih = Param::new(random(SYMBOLS, 0.5));
        let w_hh = Param::new(random(UNITS, gain / (UNITS as f64).sqrt()));
        let bias = Param::new(Tensor::zeros(&[gates * UNITS]));
        Recall { lstm, w_ih, w_hh, bias, output: Linear::new(UNITS, SYMBOLS, rng) }
    }
}

impl Module<f64> for Recall {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        let [w_ih, w_hh, bias] = [&self.w_ih, &self.w_hh, &self.bias].map(|param| pass.var(param));
        let weights = functional::Weights { w_ih, w_hh, b_ih: Some(bias), b_hh: None };
        let start = pass.tape().constant(Tensor::zeros(&[x.shape()[1], UNITS]));
        let last = if self.lstm {
            functional::lstm_seq(x, [start, start], &weights).map(|(_, [h, _])| h)
        } else {
            functional::rnn_seq(x, start, &weights, functional::RnnNonlinearity::Tanh).map(|(_, h)| h)
        };
        self.output.forward(last.expect("the shapes fit"), pass)
    }
}

/// Random sequences `[steps, batch, symbols]`, and the first symbol of each.
fn sequences(steps: usize, rng: &mut Rng) -> Batch<f64> {
    let symbols: Vec<usize> = (0..steps * BATCH).map(|_| rng.below(SYMBOLS)).collect();
    let one_hot = |at: &[usize]| f64::from(u8::from(symbols[at[0] * BATCH + at[1]] == at[2]));
    let first = symbols[..BATCH].iter().map(|&symbol| symbol as i64).collect();
    Batch { inputs: Tensor::from_fn(&[steps, BATCH, SYMBOLS], one_hot), targets: Target::Labels(first) }
}

/// Prints the gradients by step before training, and the accuracies after training.
fn by_time(updates: usize, seeds: u64) -> Result<(), StepError> {
    println!(
        "\nrecalling the first of {STEPS} symbols: |dE/dx| by step before training, accuracy after {updates} updates"
    );
    println!("{:<36}{:>9}{:>9}{:>9}{:>9}{:>9}   correct", "", "step 1", "10", "20", "30", "40");
    type Make = fn(u64) -> Recall;
    let networks: [(&str, Make); 3] = [
        ("plain, recurrent weights of gain 0.5", |seed| Recall::plain(0.5, seed)),
        ("plain, recurrent weights of gain 2", |seed| Recall::plain(2.0, seed)),
        ("LSTM", |seed| Recall::lstm(STEPS, seed)),
    ];
    for (name, network) in networks {
        let batch = sequences(STEPS, &mut Rng::new(0));
        let tape = Tape::new();
        let x = tape.var(batch.inputs);
        let y = network(0).forward(x, &mut Pass::train(&tape, Rng::new(0)));
        let gradient = CrossEntropy::new().loss(y, &batch.targets)?.backward().wrt(x);
        let shown: Vec<String> =
            [0, 9, 19, 29, 39].map(|t| format!("{:>9.0e}", gradient.slice(0, t..t + 1).norm(2.0).item())).into();
        let scores = (0..seeds).map(|seed| recall(network(seed), updates, seed)).collect::<Result<Vec<_>, _>>()?;
        println!("{name:<36}{}   {}", shown.concat(), spread(&scores, seeds));
    }
    Ok(())
}

/// The accuracy over the last ten updates.
fn recall(mut network: Recall, updates: usize, seed: u64) -> Result<f64, StepError> {
    let mut rng = Rng::new(seed);
    let (mut step, mut descent, mut right) = (TrainStep::new(seed), Adam::new(3e-3), 0.0);
    for update in 0..updates {
        let batch = sequences(STEPS, &mut rng);
        let output = step.gradients(&network, &CrossEntropy::new(), &batch)?.output;
        clip::by_norm(step.param_gradients_mut(), 1.0);
        step.apply(&mut network, &mut descent);
        if update + 10 >= updates {
            right += nn::metric::accuracy(&output, batch.targets.labels("recall")?)? / 10.0;
        }
    }
    Ok(right)
}
