//! One network answers three questions about a handwritten digit: which it is, how many holes it has, and how much ink was
//! used. `cargo run --release --example multi_task [-- --short]`. docs/experiments.md has the results.
//!
//! The model has three outputs. The loss is a weighted sum of three named parts, which the history shows one by one.

mod common;

use nn::loss::{WeightedSum, between};
use nn::parameters;
use std::process::ExitCode;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: multi_task [--short]\n  --short  3 epochs instead of 40";

/// Holes of each digit: 0, 6 and 9 have one, 8 has two. (Some 4s are closed at the top. Here they count as open.)
const HOLES: [i64; 10] = [1, 0, 0, 0, 0, 0, 1, 0, 2, 1];

/// A trunk, and a head for each task.
pub(crate) struct MultiTask {
    trunk: Sequential<f32>,
    digit: Linear<f32>,
    holes: Linear<f32>,
    ink: Linear<f32>,
}

parameters! { impl Parameters<f32> for MultiTask { trunk, digit, holes, ink } }

impl Model<f32> for MultiTask {
    fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> autograd::Result<Vars<'t, f32>> {
        let hidden = self.trunk.forward(inputs.numbers("image")?, pass);
        Ok(Vars::new()
            .with("digit", self.digit.forward(hidden, pass))
            .with("holes", self.holes.forward(hidden, pass))
            .with("ink", self.ink.forward(hidden, pass)))
    }
}

impl MultiTask {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let trunk = Sequential::new().then(Linear::new(64, 48, rng)).then(Activation::Relu).then(Dropout::new(0.1));
        MultiTask {
            trunk,
            digit: Linear::new(48, 10, rng),
            holes: Linear::new(48, 3, rng),
            ink: Linear::new(48, 1, rng),
        }
    }
}

/// The digits with three targets: two of labels, one of numbers.
pub(crate) fn tasks() -> Result<FieldDataset<f32>, Box<dyn std::error::Error>> {
    let digits = digits::<f32>();
    let labels = digits.labels().expect("digits have labels").clone();
    let holes: Tensor<i64> = labels.iter().map(|digit| HOLES[digit as usize]).collect();
    // The ink varies about its mean by one.
    let ink = digits.inputs().mean_keep(1);
    let ink = (&ink - ink.mean()) / ink.std(0.0);
    let targets = Fields::new().with("digit", labels).with("holes", holes).with("ink", ink);
    Ok(FieldDataset::new(Fields::new().with("image", digits.inputs().clone()), targets)?)
}

/// The sum that is trained on.
pub(crate) fn loss() -> WeightedSum<f32> {
    WeightedSum::new()
        .part("digit", 1.0, between(CrossEntropy::new(), "digit", "digit"))
        .part("holes", 0.5, between(CrossEntropy::new(), "holes", "holes"))
        .part("ink", 0.5, between(Mse::new(), "ink", "ink"))
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let epochs = if arguments.contains("--short") { 3 } else { 40 };
        common::finish(arguments)?;

        let (training, test) = tasks()?.split(0.8, 1)?;
        let mut trainer = Trainer::new(loss(), Adam::new(3e-3))
            .epochs(epochs)
            .validation(&test)
            .metric(Metric::accuracy().between("digit", "digit"))
            .metric(Metric::accuracy().between("holes", "holes"))
            .metric(Metric::r2().between("ink", "ink"));
        let mut model = MultiTask::new(&mut Rng::new(1));
        let history = trainer.fit(&mut model, &training)?;

        println!("epoch  {}", history.parts.iter().map(|name| format!("{name:>8}")).collect::<String>());
        for epoch in history.epochs.iter().step_by(epochs.div_ceil(4)).chain(history.epochs.last()) {
            let parts = epoch.validation_parts.iter().map(|part| format!("{part:8.4}")).collect::<String>();
            println!("{:>5}  {parts}", epoch.epoch);
        }
        let found = trainer.evaluate(&model, &test)?;
        let [digit, holes, ink] = found.metrics[..] else { unreachable!("three metrics") };
        println!("test: digits {:.1}% right, holes {:.1}% right, ink R2 {ink:.3}", 100.0 * digit, 100.0 * holes);
        Ok(())
    })
}
