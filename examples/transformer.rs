//! A small transformer learns to sort: it reads ten digits and outputs them in order, all at once.
//! `cargo run --release --example transformer [-- --short]`. docs/experiments.md has the results.
//!
//! Everything except the dense layers and the norms is written out here: heads, attention, residual connections.
//! Source: Vaswani et al., *Attention is all you need* (2017), but with pre-normalization, as is now usual.

mod common;

use nn::functional::{AttentionOptions, scaled_dot_product_attention};
use nn::layer::LayerNorm;
use nn::{clip, parameters};
use std::process::ExitCode;
use wengert::autograd::Var;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: transformer [--short]\n  --short  30 updates instead of 1,500";

const LENGTH: usize = 10;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const BATCH: usize = 64;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let updates = if arguments.contains("--short") { 30 } else { 1_500 };
        common::finish(arguments)?;

        let rng = &mut Rng::new(1);
        let mut model = Sorter::new(rng);
        println!("{} parameters, {updates} updates of {BATCH} sequences", nn::parameter_count(&model));
        let (mut step, mut adam, loss) = (TrainStep::new(1), Adam::new(0.0), CrossEntropy::new());
        for update in 0..updates {
            // The rate warms up for 100 updates and then decreases linearly to 0.
            let (rise, fall) = ((update + 1) as f64 / 100.0, (updates - update) as f64 / updates as f64);
            adam.set_learning_rate(2e-3 * rise.min(1.0) * fall);
            let outcome = step.gradients(&model, &loss, &sequences(BATCH, rng))?;
            clip::by_norm(step.param_gradients_mut(), 1.0);
            step.apply(&mut model, &mut adam);
            if update % 250 == 0 {
                println!("update {update:>4}: loss {:.4}", outcome.loss);
            }
        }

        // Held-out test: training uses a hundred-thousandth of the 10^10 sequences, so an overlap is unlikely.
        let test = sequences(2_000, &mut Rng::new(2));
        let answers = answers(&model, &test);
        let right = test.targets.labels("transformer")?.to_vec();
        let exact = answers.chunks(LENGTH).zip(right.chunks(LENGTH)).filter(|(answer, right)| answer == right).count();
        let question: Vec<i64> = test.inputs.argmax(-1).to_vec()[..LENGTH].to_vec();
        println!("\n{question:?} -> {:?}", &answers[..LENGTH]);
        println!("held-out sequences sorted without a mistake: {:.2}%", 100.0 * exact as f64 / 2_000.0);
        Ok(())
    })
}

/// Random digits as `[count, LENGTH, 10]`, one-hot, and the same digits in sorted order as labels.
fn sequences(count: usize, rng: &mut Rng) -> Batch<f32> {
    let digits: Vec<i64> = (0..count * LENGTH).map(|_| rng.below(10) as i64).collect();
    let inputs =
        Tensor::from_fn(
            &[count, LENGTH, 10],
            |at| {
                if digits[at[0] * LENGTH + at[1]] == at[2] as i64 { 1.0 } else { 0.0 }
            },
        );
    let mut sorted = digits;
    sorted.chunks_mut(LENGTH).for_each(|sequence| sequence.sort_unstable());
    Batch { inputs, targets: Target::Labels(sorted.into_iter().collect()) }
}

/// The most likely digit at each position.
fn answers(model: &Sorter, data: &Batch<f32>) -> Vec<i64> {
    let tape = Tape::new();
    model.forward(tape.constant(data.inputs.clone()), &mut Pass::eval(&tape)).value().argmax(-1).to_vec()
}

/// Digits and their positions are embedded as vectors, two blocks apply attention, and each vector is decoded as a
/// digit.
struct Sorter {
    digit: Linear<f32>,
    place: Param<f32>,
    blocks: Vec<Block>,
    norm: LayerNorm<f32>,
    read: Linear<f32>,
}

parameters! { impl Parameters<f32> for Sorter { digit, place, blocks, norm, read } }

impl Sorter {
    fn new(rng: &mut Rng) -> Sorter {
        Sorter {
            digit: Linear::new(10, WIDTH, rng), // with one-hot inputs, a table of ten vectors
            place: Param::new(Tensor::randn(&[LENGTH, WIDTH], rng) * 0.1),
            blocks: (0..2).map(|_| Block::new(rng)).collect(),
            norm: LayerNorm::new(&[WIDTH]),
            read: Linear::new(WIDTH, 10, rng),
        }
    }
}

impl Module<f32> for Sorter {
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        let count = x.shape()[0];
        let mut x = self.digit.forward(x, pass) + pass.var(&self.place);
        for block in &self.blocks {
            x = block.forward(x, pass);
        }
        let x = self.norm.forward(x, pass);
        self.read.forward(x, pass).reshape(&[count * LENGTH, 10])
    }
}

/// Attention, then two dense layers applied to each position separately, both with residual connections.
struct Block {
    norm1: LayerNorm<f32>,
    in_proj: Linear<f32>,
    out_proj: Linear<f32>,
    norm2: LayerNorm<f32>,
    linear1: Linear<f32>,
    linear2: Linear<f32>,
}

parameters! { impl Parameters<f32> for Block { norm1, in_proj, out_proj, norm2, linear1, linear2 } }

impl Block {
    fn new(rng: &mut Rng) -> Block {
        Block {
            norm1: LayerNorm::new(&[WIDTH]),
            in_proj: Linear::new(WIDTH, 3 * WIDTH, rng),
            out_proj: Linear::new(WIDTH, WIDTH, rng),
            norm2: LayerNorm::new(&[WIDTH]),
            linear1: Linear::new(WIDTH, 4 * WIDTH, rng),
            linear2: Linear::new(4 * WIDTH, WIDTH, rng),
        }
    }
}

impl Module<f32> for Block {
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        let count = x.shape()[0];
        // [batch, place, 3 · width] -> three of [batch, head, place, width of a head]
        let normed = self.norm1.forward(x, pass);
        let all = self.in_proj.forward(normed, pass);
        let head = |i: usize| {
            let part = all.slice(-1, i * WIDTH..(i + 1) * WIDTH);
            part.reshape(&[count, LENGTH, HEADS, WIDTH / HEADS]).permute(&[0, 2, 1, 3])
        };
        let attended = scaled_dot_product_attention(head(0), head(1), head(2), AttentionOptions::default());
        let joined = attended.expect("the shapes fit").permute(&[0, 2, 1, 3]);
        let joined = joined.reshape(&[count, LENGTH, WIDTH]);
        let x = x + self.out_proj.forward(joined, pass);

        let normed = self.norm2.forward(x, pass);
        let wide = self.linear1.forward(normed, pass).gelu();
        x + self.linear2.forward(wide, pass)
    }
}
