//! A deep Q-network learns to balance a pole on a cart. `cargo run --release --example dqn [-- --short]`.
//! docs/experiments.md has the results.
//!
//! The network estimates the value of each of two pushes. It learns from a replay memory, and its targets come from a
//! second network that slowly tracks it. Source: Mnih et al., *Human-level control through deep reinforcement learning*
//! (2015), with the double targets of van Hasselt et al. (2016).

mod common;

use nn::data::Samples;
use nn::loss::{Reduction, smooth_l1_loss};
use nn::optim::follow;
use nn::train::PartTrainer;
use nn::{Given, parameters};
use std::process::ExitCode;
use wengert::autograd::Result;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: dqn [--short]\n  --short  1,500 steps instead of 60,000";

const BATCH: usize = 128;
const DISCOUNT: f32 = 0.99;
/// An episode ends in success after this many steps.
const LONGEST: usize = 500;

/// A pole on a cart: position, speed, angle, angular speed. Source: Barto, Sutton and Anderson, *Neuronlike adaptive
/// elements that can solve difficult learning control problems* (1983).
pub(crate) type State = [f32; 4];

pub(crate) fn start(rng: &mut Rng) -> State {
    std::array::from_fn(|_| (rng.uniform() as f32 - 0.5) * 0.1)
}

/// The state 0.02 seconds after a push to the left (0) or to the right (1), and whether the pole has fallen.
fn pushed([x, v, angle, turn]: State, action: usize) -> (State, bool) {
    let (force, tau, length) = (if action == 1 { 10.0 } else { -10.0 }, 0.02, 0.5);
    let (sin, cos) = angle.sin_cos();
    let common = (force + 0.05 * turn * turn * sin) / 1.1;
    let spin = (9.8 * sin - cos * common) / (length * (4.0 / 3.0 - 0.1 * cos * cos / 1.1));
    let push = common - 0.05 * spin * cos / 1.1;
    let next = [x + tau * v, v + tau * push, angle + tau * turn, turn + tau * spin];
    (next, next[0].abs() > 2.4 || next[2].abs() > 12f32.to_radians())
}

pub(crate) struct Dqn {
    pub(crate) online: Sequential<f32>,
    pub(crate) target: Sequential<f32>,
}

parameters! { impl Parameters<f32> for Dqn { online, target } }

impl Dqn {
    /// The better push.
    pub(crate) fn choose(&self, state: State) -> usize {
        let tape = Tape::new();
        let worth = self.online.forward(tape.constant([state]), &mut Pass::eval(&tape)).value();
        usize::from(worth.at(&[0, 1]) > worth.at(&[0, 0]))
    }

    /// The distance between the value of each push and its reward plus the highest value afterward.
    pub(crate) fn loss<'t>(&self, given: &Given<'t, f32>, pass: &mut Pass<'t, f32>) -> Result<Parts<'t, f32>> {
        let (now, next) = (given.inputs.numbers("now")?, given.inputs.numbers("next")?);
        let action = given.inputs.integers("action")?;
        let worth = self.online.forward(now, pass).gather(1, action.reshape(&[BATCH, 1]));
        let best = self.online.forward(next, pass).argmax_keep(1);
        let then = self.target.forward(next, pass).gather(1, best).stop_gradient();
        // After a fall there is nothing to come.
        let fell = given.inputs.booleans("fell")?.indicator();
        let wanted = (1.0 - fell) * then * DISCOUNT + 1.0;
        Ok(smooth_l1_loss(worth, wanted, 1.0, Reduction::Mean)?.into())
    }
}

/// The record of one step.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) now: State,
    pub(crate) action: i64,
    pub(crate) next: State,
    pub(crate) fell: bool,
}

/// A batch of random steps from the memory.
pub(crate) fn recalled(memory: &[Step], rng: &mut Rng) -> Samples<f32> {
    let steps: Vec<Step> = (0..BATCH).map(|_| memory[rng.below(memory.len())]).collect();
    let inputs = Fields::new()
        .with("now", Tensor::<f32>::from(steps.iter().map(|step| step.now).collect::<Vec<_>>()))
        .with("action", steps.iter().map(|step| step.action).collect::<Tensor<i64>>())
        .with("next", Tensor::<f32>::from(steps.iter().map(|step| step.next).collect::<Vec<_>>()))
        .with("fell", Tensor::new(&[BATCH, 1], steps.iter().map(|step| step.fell).collect()));
    Samples::unlabeled(inputs)
}

/// The mean number of steps in some episodes without exploring.
fn judged(dqn: &Dqn, seeds: std::ops::Range<u64>) -> f64 {
    let count = seeds.clone().count();
    let episode = |seed| {
        let mut state = start(&mut Rng::new(1_000 + seed));
        for steps in 1..=LONGEST {
            let (next, fell) = pushed(state, dqn.choose(state));
            if fell {
                return steps;
            }
            state = next;
        }
        LONGEST
    };
    seeds.map(episode).sum::<usize>() as f64 / count as f64
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let steps = if arguments.contains("--short") { 1_500 } else { 60_000 };
        common::finish(arguments)?;

        let net = || Mlp::new(&[4, 128, 128, 2]).seed(1).build();
        let mut dqn = Dqn { online: net(), target: net() };
        let mut online = PartTrainer::new("online.*", Adam::new(5e-4), 1);
        println!("before: {:.1} steps", judged(&dqn, 0..20));
        let (rng, mut memory, mut best) = (&mut Rng::new(2), Vec::new(), (0.0, nn::state_dict(&dqn)));
        let (mut state, mut age) = (start(rng), 0);
        for count in 1..=steps {
            let explores = rng.uniform() < (1.0 - count as f64 / 8_000.0).max(0.05);
            let action = if explores { rng.below(2) } else { dqn.choose(state) };
            let (next, fell) = pushed(state, action);
            memory.push(Step { now: state, action: action as i64, next, fell });
            age += 1;
            (state, age) = if fell || age == LONGEST { (start(rng), 0) } else { (next, age) };
            if memory.len() >= 1_000 {
                online.optimizer().set_learning_rate(5e-4 * (1.0 - 0.9 * count as f64 / steps as f64));
                online.run(&mut dqn, recalled(&memory, rng), |dqn, given, pass| dqn.loss(given, pass))?;
                let Dqn { online, target } = &mut dqn;
                follow(target, online, 0.01)?;
            }
            if count % (steps / 10) == 0 {
                let mean = judged(&dqn, 0..20);
                println!("step {count:>5}: {mean:.1} steps");
                // A network may forget, so the best one is kept.
                if mean > best.0 {
                    best = (mean, nn::state_dict(&dqn));
                }
            }
        }
        nn::load_state_dict(&mut dqn, &best.1)?;
        println!("replayed with {} program", online.step().programs());
        println!("the best network, from 100 other starts: {:.1} of {LONGEST} steps", judged(&dqn, 100..200));
        Ok(())
    })
}
