//! 1986: a network learns two family trees and discovers by itself that people have a nationality, a generation and a
//! branch of the family.
//!
//! `cargo run --release --example family_trees [-- --short] [--picture FILE.svg]`. docs/experiments.md describes the
//! experiment.
//!
//! Sources: Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*, Nature 323 (1986);
//! Hinton, *Learning distributed representations of concepts* (1986).

#[path = "../common/mod.rs"]
mod common;
mod kin;
mod meaning;
mod network;

use meaning::{TRAITS, Unit};
use network::{Network, Recipe, Split};
use std::process::ExitCode;
use wengert::nn::{plot::Figure, train::StepError};

const USAGE: &str = "usage: family_trees [--short] [--picture FILE.svg]
  --short    3 seeds instead of 30
  --picture  output file for the weights of the clearest network (default: target/family_trees.svg)";

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let seeds = if arguments.contains("--short") { 3 } else { 30 };
        let picture =
            arguments.opt_value_from_str("--picture")?.unwrap_or_else(|| "target/family_trees.svg".to_owned());
        common::finish(arguments)?;

        println!("correct after 1,500 sweeps, means of {seeds} seeds:           learned of 100   held out of 4");
        let (mended, paper) = (Recipe::MENDED, Recipe::PAPER);
        let networks = learn("weights from ±1, rate 0.1, shrink 0.2 %", mended, seeds)?;
        learn("  but without shrink", Recipe { shrink: 0.0, ..mended }, seeds)?;
        learn("  but weights from ±0.3", Recipe { range: paper.range, ..mended }, seeds)?;
        learn("  but rate 0.01", Recipe { rate: paper.rate, ..mended }, seeds)?;
        learn("  but rate 0.01 and without shrink", Recipe { rate: paper.rate, shrink: 0.0, ..mended }, seeds)?;
        learn("  but weights from ±0.3 and rate 0.01: the paper's recipe", paper, seeds)?;
        let mut forgetful = networks.clone();
        for (seed, network) in (0..).zip(&mut forgetful) {
            network.learn(paper, &Split::new(seed))?;
        }
        report("the first networks after 1,500 more sweeps by the paper's recipe", &forgetful);

        let coded: Vec<_> = networks.iter().map(meaning::units).collect();
        println!();
        for (which, name) in TRAITS.into_iter().enumerate() {
            let found = coded.iter().filter(|units| best(units, which) > 0.5).count();
            println!(
                "{name} explains over half the variance of a person unit's weights in {found} of {seeds} networks"
            );
        }
        let clarity = |units: &[Unit]| (0..3).map(|which| best(units, which)).fold(1.0, f64::min);
        let clearest = coded.iter().max_by(|a, b| clarity(a).total_cmp(&clarity(b))).expect("there is a network");
        println!("\nthe clearest network's units, the twelve English and the twelve Italian people,");
        println!("from █ (switches the unit on) to · (switches it off):");
        clearest.iter().for_each(|unit| println!("  {}", unit.line()));
        meaning::picture(clearest).save(&picture)?;
        println!("picture: {picture}");
        Ok(())
    })
}

/// Trains networks with a recipe, one per seed, and prints their score. The seed determines the initial weights and the
/// four held-out cases.
fn learn(name: &str, recipe: Recipe, seeds: u64) -> Result<Vec<Network>, StepError> {
    let networks = (0..seeds).map(|seed| {
        let mut network = Network::new(recipe, seed);
        network.learn(recipe, &Split::new(seed))?;
        Ok(network)
    });
    let networks = networks.collect::<Result<Vec<_>, StepError>>()?;
    report(name, &networks);
    Ok(networks)
}

fn report(name: &str, networks: &[Network]) {
    let scores: Vec<(usize, usize)> =
        (0..).zip(networks).map(|(seed, network)| Split::new(seed).score(network)).collect();
    let mean = |part: fn(&(usize, usize)) -> usize| scores.iter().map(part).sum::<usize>() as f64 / scores.len() as f64;
    println!("{name:<66}{:>6.2}{:>16.2}", mean(|s| s.0), mean(|s| s.1));
}

/// The fraction of variance that a trait explains of the unit that it explains best.
fn best(units: &[Unit], which: usize) -> f64 {
    units.iter().map(|unit| unit.explained(which)).fold(0.0, f64::max)
}
