//! 1986: a network of six inputs, two hidden units and one output learns whether a pattern is its own mirror image.
//! `cargo run --release --example symmetry [-- --short]`. docs/experiments.md describes the experiment.
//!
//! Source: Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*, Nature 323 (1986).

mod common;

use nn::Path;
use nn::init::Init;
use nn::loss::Reduction;
use nn::train::StepError;
use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: symmetry [--short]\n  --short   6 seeds instead of 30";

/// A network that has not learned the patterns after this many sweeps counts as stuck. The paper's took 1,425.
const PATIENCE: usize = 5_000;
/// Successful networks are trained for this many sweeps in total, so that their weights settle.
const SETTLED: usize = 10_000;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let seeds = if arguments.contains("--short") { 6 } else { 30 };
        common::finish(arguments)?;
        println!("seed    sweeps until all 64 correct  weights of hidden unit 1 when settled          ratio");
        let runs: Vec<Run> = (0..seeds).map(Run::new).collect::<Result<_, _>>()?;
        runs.iter().for_each(|run| println!("{run}"));

        let mut sweeps: Vec<usize> = runs.iter().filter_map(|run| run.sweeps).collect();
        sweeps.sort_unstable();
        let (solved, [fewest, median, most]) =
            (sweeps.len(), [0, sweeps.len() / 2, sweeps.len() - 1].map(|i| sweeps[i]));
        println!(
            "\nsolved within {PATIENCE} sweeps: {solved} of {seeds}; fewest {fewest}, median {median}, most {most}"
        );
        let count = |ratio| runs.iter().filter(|run| run.sweeps.is_some() && run.ratio() == Some(ratio)).count();
        let (powers, others) = (count([1, 2, 4]), count([2, 3, 4]));
        println!("equal and opposite about the middle: ratio 1:2:4 in {powers}, 2:3:4 in {others}");
        if powers + others < solved {
            return Err("the weights of a solved network are not equal and opposite in one of these ratios".into());
        }
        Ok(())
    })
}

/// All patterns of six bits, and whether each is a palindrome.
fn patterns() -> Batch<f64> {
    let bit = |pattern: usize, i: usize| (pattern >> i & 1) as f64;
    let mirrored = |pattern| (0..3).all(|i| bit(pattern, i) == bit(pattern, 5 - i));
    Batch {
        inputs: Tensor::from_fn(&[64, 6], |at| bit(at[0], at[1])),
        targets: Target::Values(Tensor::from_fn(&[64, 1], |at| f64::from(u8::from(mirrored(at[0]))))),
    }
}

/// The outcome of one seed.
struct Run {
    seed: u64,
    /// The number of sweeps until all outputs were correct; `None` if the network is stuck.
    sweeps: Option<usize>,
    /// The six weights of each hidden unit.
    hidden: [[f64; 6]; 2],
}

impl Run {
    fn new(seed: u64) -> Result<Run, StepError> {
        // Logistic units; weights and biases start between -0.3 and 0.3.
        let mut rng = Rng::new(seed);
        let mut model = Mlp::new(&[6, 2, 1]).activation(Activation::Sigmoid).build().then(Activation::Sigmoid);
        let first = Init::Uniform { low: -0.3, high: 0.3 };
        model.visit_mut(&mut Path::default(), &mut |_, param| first.fill(param, &mut rng));

        // The error is E = ½ Σ (y - t)² over all patterns; Δw(t) = -0.1 ∂E/∂w + 0.9 Δw(t-1), once per sweep.
        let (batch, error) = (patterns(), HalfSquared { reduction: Reduction::Sum });
        let (mut step, mut descent) = (TrainStep::new(seed), Sgd::new(0.1).momentum(0.9));
        let mut sweeps = None;
        for sweep in 0..SETTLED {
            let output = step.run(&mut model, &error, &mut descent, &batch)?.output;
            if sweeps.is_none() && all_right(&output, &batch) {
                sweeps = Some(sweep);
            }
            if sweeps.is_none() && sweep == PATIENCE {
                break;
            }
        }

        let mut hidden = [[0.0; 6]; 2];
        model.visit(&mut Path::default(), &mut |name, param| {
            if name == "0.weight" {
                hidden = std::array::from_fn(|unit| std::array::from_fn(|i| param.value().at(&[unit, i])));
            }
        });
        Ok(Run { seed, sweeps, hidden })
    }

    /// The ratio of the weight magnitudes, if the weights of both units are equal and opposite about the middle: the
    /// candidate ratio that all weights match within 5 %.
    fn ratio(&self) -> Option<[usize; 3]> {
        [[1, 2, 4], [2, 3, 4]].into_iter().find(|ratio| {
            self.hidden.iter().all(|w| {
                let mut sizes = [w[0].abs(), w[1].abs(), w[2].abs()];
                sizes.sort_by(f64::total_cmp);
                let unit = sizes[2] / ratio[2] as f64;
                let opposite = (0..3).all(|i| (w[i] + w[5 - i]).abs() < 0.01 * sizes[2]);
                opposite && sizes.iter().zip(ratio).all(|(size, &r)| (size / (unit * r as f64) - 1.0).abs() < 0.05)
            })
        })
    }
}

fn all_right(output: &Tensor<f64>, batch: &Batch<f64>) -> bool {
    let targets = batch.targets.values("symmetry").expect("the targets are numbers");
    output.iter().zip(targets.iter()).all(|(y, t)| (y > 0.5) == (t > 0.5))
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let sweeps = self.sweeps.map_or("stuck".into(), |sweeps| sweeps.to_string());
        let weights: Vec<String> = self.hidden[0].iter().map(|w| format!("{w:>7.2}")).collect();
        let ratio = self.ratio().map_or("-".into(), |[a, b, c]| format!("{a}:{b}:{c}"));
        write!(f, "{:>4}  {sweeps:>29}  {}  {ratio}", self.seed, weights.concat())
    }
}
