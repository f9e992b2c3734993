//! Two networks against each other learn to draw points from a ring of eight Gaussians.
//! `cargo run --release --example gan [-- --short]`. docs/experiments.md has the results.
//!
//! The generator turns noise into points, and the critic distinguishes them from real ones. They take turns, each with its
//! own optimizer and loss: the Wasserstein distance, with a penalty on the norm of the critic's gradient, which is a second
//! derivative. Source: Gulrajani et al., *Improved training of Wasserstein GANs* (2017).

mod common;

use nn::data::Samples;
use nn::train::{Epoch, PartTrainer, each_in_one};
use nn::{Noise, parameters};
use std::process::ExitCode;
use wengert::autograd::{Result, Var};
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: gan [--short]\n  --short  60 rounds instead of 6,000";

const BATCH: usize = 128;
const NOISE: usize = 4;
/// Updates of the critic for each of the generator.
pub(crate) const TURNS: usize = 3;
/// The weight of the penalty on the critic's gradient.
const PENALTY: f64 = 1.0;

pub(crate) struct Gan {
    pub(crate) generator: Sequential<f32>,
    pub(crate) critic: Sequential<f32>,
}

parameters! { impl Parameters<f32> for Gan { generator, critic } }

impl Gan {
    /// Points made of noise.
    fn draw<'t>(&self, count: usize, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        let noise = pass.noise(&[count, NOISE], Noise::Normal);
        self.generator.forward(noise, pass)
    }

    /// How well the critic separates real points from generated ones, and how far its slope between them is from 1.
    pub(crate) fn critic_loss<'t>(
        &self,
        given: &nn::Given<'t, f32>,
        pass: &mut Pass<'t, f32>,
    ) -> Result<Parts<'t, f32>> {
        let real = given.inputs.numbers("points")?;
        let drawn = self.draw(BATCH, pass);
        let distance = self.critic.forward(real, pass).mean() - self.critic.forward(drawn, pass).mean();
        let share = pass.noise(&[BATCH, 1], Noise::Uniform);
        let between = real * share + drawn * (1.0 - share);
        let slope = self.critic.forward(between, pass).sum().grad(&[between])[0];
        let excess = (slope.square().sum_axes(1) + 1e-12).sqrt() - 1.0;
        Ok(Parts::new().part("distance", -1.0, distance).part("penalty", PENALTY, excess.square().mean()))
    }

    pub(crate) fn generator_loss<'t>(&self, pass: &mut Pass<'t, f32>) -> Parts<'t, f32> {
        let drawn = self.draw(BATCH, pass);
        Parts::new().part("generator", -1.0, self.critic.forward(drawn, pass).mean())
    }
}

/// The centers of the ring.
fn center(k: usize) -> [f32; 2] {
    let angle = k as f32 * std::f32::consts::TAU / 8.0;
    [angle.cos() * 2.0, angle.sin() * 2.0]
}

/// Real points: around one of eight centers, with a standard deviation of 0.1.
pub(crate) fn points(rng: &mut Rng) -> Samples<f32> {
    let spread = Tensor::<f32>::randn(&[BATCH, 2], rng) * 0.1;
    let centers: Vec<[f32; 2]> = (0..BATCH).map(|_| center(rng.below(8))).collect();
    Samples::unlabeled(Fields::new().with("points", Tensor::from(centers) + spread))
}

/// The share of drawn points within 0.5 of a center, and the number of centers that at least 2 % of them are near.
fn judged(gan: &Gan) -> (f64, usize) {
    const COUNT: usize = 2_000;
    let tape = Tape::new();
    let drawn = gan.draw(COUNT, &mut Pass::train(&tape, Rng::new(99))).value();
    let mut near = [0; 8];
    for i in 0..COUNT {
        let apart = |k: usize| (drawn.at(&[i, 0]) - center(k)[0]).hypot(drawn.at(&[i, 1]) - center(k)[1]);
        near.iter_mut().enumerate().for_each(|(k, near)| *near += usize::from(apart(k) < 0.5));
    }
    (near.iter().sum::<usize>() as f64 / COUNT as f64, near.iter().filter(|&&n| n >= COUNT / 50).count())
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let rounds = if arguments.contains("--short") { 60 } else { 6_000 };
        common::finish(arguments)?;

        let net = |sizes: &[usize], seed| Mlp::new(sizes).activation(Activation::Silu).seed(seed).build();
        let mut gan = Gan { generator: net(&[NOISE, 64, 64, 2], 1), critic: net(&[2, 64, 64, 1], 2) };
        let adam = || Adam::new(1e-3).betas(0.5, 0.9);
        let mut critic = PartTrainer::new("critic.*", adam(), 1);
        let mut generator = PartTrainer::new("generator.*", adam(), 2);
        each_in_one(&gan, &[&critic, &generator])?;

        let (rng, mut history) = (&mut Rng::new(3), History::default());
        history.parts = ["distance", "penalty", "generator"].map(str::to_owned).into();
        for round in 1..=rounds {
            // The rates fall to a tenth.
            let rate = 1e-3 * (1.0 - 0.9 * round as f64 / rounds as f64);
            for part in [&mut critic, &mut generator] {
                part.optimizer().set_learning_rate(rate);
            }
            let mut told = Vec::new();
            for _ in 0..TURNS {
                let outcome = critic.run(&mut gan, points(rng), |gan, given, pass| gan.critic_loss(given, pass))?;
                told = outcome.parts.iter().map(|(_, value)| f64::from(*value)).collect();
            }
            let nothing = Samples::unlabeled(Fields::new());
            let outcome = generator.run(&mut gan, nothing, |gan, _, pass| Ok(gan.generator_loss(pass)))?;
            told.push(f64::from(outcome.parts[0].1));
            history.epochs.push(Epoch { epoch: round, loss: told[0], parts: told, ..Epoch::default() });
            if round % (rounds / 6) == 0 {
                let [distance, penalty, _] = history.epochs[round - 1].parts[..] else { unreachable!("three parts") };
                let (near, modes) = judged(&gan);
                let near = 100.0 * near;
                println!(
                    "round {round:>4}: distance {distance:.3}, penalty {penalty:.3}; {near:.1}% near {modes} centers"
                );
            }
        }
        let programs = (critic.step().programs(), generator.step().programs());
        println!("replayed with {} and {} programs", programs.0, programs.1);
        history.parts_curve("Critic and generator").expect("there are parts").save("target/gan.svg")?;
        let (near, modes) = judged(&gan);
        println!("{:.1}% of the points are near a center, and {modes} of 8 centers are reached", 100.0 * near);
        Ok(())
    })
}
