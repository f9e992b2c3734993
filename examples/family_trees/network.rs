//! The network of 24 + 12 inputs and 6 + 6, 12, 6 and 24 units, and its training.

use crate::kin::{Case, cases};
use nn::init::Init;
use nn::loss::Targets;
use nn::train::StepError;
use nn::{Path, parameters};
use wengert::autograd::{self, Var};
use wengert::nn;
use wengert::prelude::*;

/// Six units each encode the person and the relation; twelve units combine the codes; six encode the answer.
#[derive(Clone)]
pub struct Network {
    pub person: Linear<f64>,
    relation: Linear<f64>,
    centre: Linear<f64>,
    answer: Linear<f64>,
    output: Linear<f64>,
}

parameters! { impl Parameters<f64> for Network { person, relation, centre, answer, output } }

impl Module<f64> for Network {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        let person = self.person.forward(x.slice(1, ..24), pass).sigmoid();
        let relation = self.relation.forward(x.slice(1, 24..), pass).sigmoid();
        let centre = self.centre.forward(Var::concat(&[person, relation], 1), pass).sigmoid();
        let answer = self.answer.forward(centre, pass).sigmoid();
        self.output.forward(answer, pass).sigmoid()
    }
}

/// Training settings.
#[derive(Clone, Copy)]
pub struct Recipe {
    /// Initial weights are uniform on ± this.
    pub range: f64,
    /// Step size; half of it for the first 20 sweeps.
    pub rate: f64,
    /// The fraction by which an update shrinks each weight.
    pub shrink: f64,
    pub sweeps: usize,
}

impl Recipe {
    /// The paper's settings, except for the range, which the paper does not state.
    pub const PAPER: Recipe = Recipe { range: 0.3, rate: 0.01, shrink: 0.002, sweeps: 1_500 };
    /// Settings with which the network learns.
    pub const MENDED: Recipe = Recipe { range: 1.0, rate: 0.1, ..Recipe::PAPER };
}

/// 100 training cases and 4 test cases.
pub struct Split {
    training: Batch<f64>,
    held_out: Batch<f64>,
}

impl Split {
    pub fn new(seed: u64) -> Split {
        let mut cases = cases();
        Rng::new(seed).shuffle(&mut cases);
        let (training, held_out) = cases.split_at(100);
        Split { training: batch(training), held_out: batch(held_out) }
    }

    /// The number of correct training and test cases.
    pub fn score(&self, network: &Network) -> (usize, usize) {
        (right(network, &self.training), right(network, &self.held_out))
    }
}

/// Inputs and targets with one unit for each person and relation; the units of the answers are on.
fn batch(cases: &[Case]) -> Batch<f64> {
    let number = |on| f64::from(u8::from(on));
    let inputs = Tensor::from_fn(&[cases.len(), 36], |at| {
        number(at[1] == cases[at[0]].person || at[1] == 24 + cases[at[0]].relation)
    });
    let targets = Tensor::from_fn(&[cases.len(), 24], |at| number(cases[at[0]].answers.contains(&at[1])));
    Batch { inputs, targets: Target::Values(targets) }
}

/// Counts correct cases as the paper does: every unit that should be on is above 0.5, and every other unit is below.
fn right(network: &Network, batch: &Batch<f64>) -> usize {
    let tape = Tape::new();
    let output = network.forward(tape.constant(batch.inputs.clone()), &mut Pass::eval(&tape)).value();
    let targets = batch.targets.values("right").expect("the targets are numbers");
    let cases = output.to_vec();
    let agrees = |(y, t): (&f64, f64)| (*y > 0.5) == (t > 0.5);
    cases
        .chunks(24)
        .enumerate()
        .filter(|(i, y)| y.iter().zip((0..24).map(|j| targets.at(&[*i, j]))).all(agrees))
        .count()
}

/// E = ½ Σ miss². A unit that should be on misses 0.8 by 0.8 - y; a unit that should be off exceeds 0.2 by `y - 0.2`.
/// Beyond these values there is no error.
fn error<'t>(y: Var<'t, f64>, targets: &Targets<'t, f64>) -> autograd::Result<Var<'t, f64>> {
    let sign = 2.0 * targets.values("error")? - 1.0;
    let miss = (sign * (0.5 - y) + 0.3).relu();
    Ok(0.5 * miss.square().sum())
}

impl Network {
    /// An untrained network.
    pub fn new(recipe: Recipe, seed: u64) -> Network {
        let mut rng = Rng::new(seed);
        let mut dense = |inputs, outputs| Linear::new(inputs, outputs, &mut rng);
        let mut network = Network {
            person: dense(24, 6),
            relation: dense(12, 6),
            centre: dense(12, 12),
            answer: dense(12, 6),
            output: dense(6, 24),
        };
        let first = Init::Uniform { low: -recipe.range, high: recipe.range };
        network.visit_mut(&mut Path::default(), &mut |_, param| first.fill(param, &mut rng));
        network
    }

    /// Sweeps over the training cases, with one update per sweep.
    pub fn learn(&mut self, recipe: Recipe, split: &Split) -> Result<(), StepError> {
        let mut step = TrainStep::new(0);
        let (mut early, mut late) = (Sgd::new(recipe.rate / 2.0).momentum(0.5), Sgd::new(recipe.rate).momentum(0.9));
        for sweep in 0..recipe.sweeps {
            let descent = if sweep < 20 { &mut early } else { &mut late };
            step.run(self, &error, descent, &split.training)?;
            self.visit_mut(&mut Path::default(), &mut |_, param| param.set(param.value() * (1.0 - recipe.shrink)));
        }
        Ok(())
    }
}
