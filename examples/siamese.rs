//! Twin networks learn whether two pictures show the same digit, and then distinguish digits that they have never seen.
//! `cargo run --release --example siamese [-- --short]`. docs/experiments.md has the results.
//!
//! A batch is pairs of pictures, and whether they show the same digit, as a boolean. The same network maps both pictures
//! to a point; points of the same digit attract each other, and others repel each other up to a margin. Source: Hadsell,
//! Chopra and LeCun, *Dimensionality reduction by learning an invariant mapping* (2006).

mod common;

use nn::loss::custom;
use nn::{Given, parameters};
use std::error::Error;
use std::process::ExitCode;
use wengert::autograd;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: siamese [--short]\n  --short  2 epochs instead of 25";

const MARGIN: f32 = 1.0;
/// The digits that are not trained on.
const UNSEEN: [i64; 3] = [0, 4, 7];

pub(crate) struct Twins {
    pub(crate) embed: Sequential<f32>,
}

parameters! { impl Parameters<f32> for Twins { ..embed } }

impl Model<f32> for Twins {
    fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> autograd::Result<Vars<'t, f32>> {
        let left = self.embed.forward(inputs.numbers("left")?, pass);
        let right = self.embed.forward(inputs.numbers("right")?, pass);
        // A little more than 0, where the square root has a derivative.
        Ok(((left - right).square().sum_axes(1) + 1e-12).sqrt().into())
    }
}

/// The contrastive loss: d² for the same digit, else (margin - d)² within the margin.
pub(crate) fn contrastive<'t>(outputs: &Vars<'t, f32>, given: &Given<'t, f32>) -> autograd::Result<Parts<'t, f32>> {
    let (apart, same) = (outputs.only()?, given.targets.booleans("same")?.indicator());
    let attract = (same * apart.square()).mean();
    let repel = ((1.0 - same) * (MARGIN - apart).relu().square()).mean();
    Ok(Parts::new().part("attract", 1.0, attract).part("repel", 1.0, repel))
}

/// Random pairs of pictures of the chosen digits, half of them of the same digit.
pub(crate) fn pairs(
    digits: &TensorDataset<f32>,
    wanted: impl Fn(i64) -> bool,
    count: usize,
    rng: &mut Rng,
) -> FieldDataset<f32> {
    let labels = digits.labels().expect("digits have labels").to_vec();
    let of = |digit: i64| (0..labels.len()).filter(|&i| labels[i] == digit).collect::<Vec<_>>();
    let places: Vec<Vec<usize>> = (0..10).filter(|&digit| wanted(digit)).map(of).collect();
    let (mut left, mut right, mut same) = (vec![], vec![], vec![]);
    for k in 0..count {
        let a = rng.below(places.len());
        let b = if k % 2 == 0 { a } else { (a + 1 + rng.below(places.len() - 1)) % places.len() };
        left.push(places[a][rng.below(places[a].len())]);
        right.push(places[b][rng.below(places[b].len())]);
        same.push(a == b);
    }
    let images = |at: &[usize]| digits.subset(at).expect("the places exist").inputs().clone();
    let inputs = Fields::new().with("left", images(&left)).with("right", images(&right));
    FieldDataset::new(inputs, Fields::new().with("same", Tensor::from(same))).expect("as many of each")
}

/// The share of pairs on the correct side of half the margin.
fn right(trainer: &Trainer<f32>, twins: &Twins, pairs: &FieldDataset<f32>) -> Result<f64, Box<dyn Error>> {
    let outputs = trainer.predict_fields(twins, &pairs.all().inputs)?;
    let (apart, same) = (outputs.numbers(0)?, pairs.all().targets.booleans("same")?);
    let hits = apart.iter().zip(same.iter()).filter(|(apart, same)| (*apart < MARGIN / 2.0) == *same).count();
    Ok(hits as f64 / apart.len() as f64)
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let epochs = if arguments.contains("--short") { 2 } else { 25 };
        common::finish(arguments)?;

        let (training, test) = digits::<f32>().split(0.8, 1)?;
        let rng = &mut Rng::new(2);
        let (seen, unseen) = (|digit: i64| !UNSEEN.contains(&digit), |digit: i64| UNSEEN.contains(&digit));
        let learned = pairs(&training, seen, 10_000, rng);
        let embed = Mlp::new(&[64, 128, 32]).dropout(0.2).seed(1).build();
        let mut twins = Twins { embed };
        let mut trainer = Trainer::new(custom(contrastive), Adam::new(1e-3)).epochs(epochs).batch_size(64);
        let history = trainer.fit(&mut twins, &learned)?;
        for epoch in history.epochs.iter().step_by(epochs.div_ceil(4)).chain(history.epochs.last()) {
            println!("epoch {:>2}: attract {:.4}, repel {:.4}", epoch.epoch, epoch.parts[0], epoch.parts[1]);
        }
        let held_out = right(&trainer, &twins, &pairs(&test, seen, 2_000, rng))?;
        println!("held-out pairs of the same digits: {:.1}% right", 100.0 * held_out);
        let new = right(&trainer, &twins, &pairs(&test, unseen, 2_000, rng))?;
        println!("pairs of the digits 0, 4 and 7, never seen: {:.1}% right", 100.0 * new);
        Ok(())
    })
}
