//! A recurrent encoder and a decoder with attention learn to write a sequence backward.
//! `cargo run --release --example reverse [-- --short]`. docs/experiments.md has the results.
//!
//! A batch has two inputs, both integers: the letters to read, and the letters written so far. At each step the decoder
//! looks back at all that was read. Source: Luong, Pham and Manning, *Effective approaches to attention-based neural
//! machine translation* (2015).

mod common;

use nn::data::Samples;
use nn::functional::{AttentionOptions, scaled_dot_product_attention};
use nn::parameters;
use std::process::ExitCode;
use wengert::autograd::{Result, Var};
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: reverse [--short]\n  --short  30 updates instead of 2,000";

const LETTERS: usize = 26;
/// Stands before the first letter.
const START: i64 = LETTERS as i64;
const LENGTH: usize = 8;
const WIDTH: usize = 96;
const BATCH: usize = 64;

struct Reverser {
    letters: Embedding<f32>,
    reads: Gru<f32>,
    writes: Gru<f32>,
    score: Linear<f32>,
}

parameters! { impl Parameters<f32> for Reverser { letters, reads, writes, score } }

impl Model<f32> for Reverser {
    fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> Result<Vars<'t, f32>> {
        let (read, written) = (inputs.integers("read")?, inputs.integers("written")?);
        let read = self.letters.lookup(read, pass);
        let (seen, state) = self.reads.run(read, None, None, pass);
        let written = self.letters.lookup(written, pass);
        let (states, _) = self.writes.run(written, Some(state), None, pass);
        let found = scaled_dot_product_attention(states, seen, seen, AttentionOptions::default())?;
        let scores = self.score.forward(Var::concat(&[states, found], -1), pass);
        // The classes are on the second axis.
        Ok(scores.permute(&[0, 2, 1]).into())
    }
}

impl Reverser {
    fn new(rng: &mut Rng) -> Self {
        let options = || RecurrentOptions { batch_first: true, ..Default::default() };
        Reverser {
            letters: Embedding::new(LETTERS + 1, WIDTH, rng),
            reads: Gru::with(WIDTH, WIDTH, options(), rng),
            writes: Gru::with(WIDTH, WIDTH, options(), rng),
            score: Linear::new(2 * WIDTH, LETTERS, rng),
        }
    }

    /// Writes letter by letter, each time the likeliest.
    fn answer(&self, read: &Tensor<i64>) -> std::result::Result<Tensor<i64>, Box<dyn std::error::Error>> {
        let count = read.shape()[0];
        let mut written = vec![vec![START]; count];
        for place in 0..LENGTH {
            let so_far = Tensor::new(&[count, place + 1], written.concat());
            let inputs = Fields::new().with("read", read.clone()).with("written", so_far);
            let outputs = nn::train::predict_fields(self, &inputs, count)?;
            let next = outputs.numbers(0)?.slice_axis(2, place..place + 1).argmax(1);
            written.iter_mut().zip(next.iter()).for_each(|(word, letter)| word.push(letter));
        }
        Ok(Tensor::new(&[count, LENGTH], written.iter().flat_map(|word| word[1..].to_vec()).collect()))
    }
}

/// Random words, the same backward as targets, and the targets one step late as what was written before.
fn words(count: usize, rng: &mut Rng) -> Samples<f32> {
    let (mut read, mut written, mut target) = (vec![], vec![], vec![]);
    for _ in 0..count {
        let word: Vec<i64> = (0..LENGTH).map(|_| rng.below(LETTERS) as i64).collect();
        let backward: Vec<i64> = word.iter().rev().copied().collect();
        written.push(START);
        written.extend(&backward[..LENGTH - 1]);
        target.extend(backward);
        read.extend(word);
    }
    let [read, written, target] = [read, written, target].map(|x: Vec<i64>| Tensor::new(&[count, LENGTH], x));
    Samples::new(Fields::new().with("read", read).with("written", written), Fields::new().with("backward", target))
}

fn text(letters: &Tensor<i64>, row: usize) -> String {
    (0..LENGTH).map(|at| char::from(b'a' + letters.at(&[row, at]) as u8)).collect()
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let updates = if arguments.contains("--short") { 30 } else { 2_000 };
        common::finish(arguments)?;

        let rng = &mut Rng::new(1);
        let mut model = Reverser::new(rng);
        let (mut step, mut adam, loss) = (TrainStep::new(1).replaying(), Adam::new(4e-3), CrossEntropy::new());
        for update in 1..=updates {
            adam.set_learning_rate(4e-3 * (1.0 - update as f64 / (updates + 1) as f64));
            let outcome = step.run(&mut model, &loss, &mut adam, words(BATCH, rng))?;
            if update % (updates / 6) == 0 {
                println!("update {update:>4}: loss {:.4}", outcome.loss);
            }
        }
        let test = words(500, &mut Rng::new(2));
        let (read, right) = (test.inputs.integers("read")?, test.targets.integers("backward")?);
        let answers = model.answer(read)?;
        println!("{} -> {}", text(read, 0), text(&answers, 0));
        let exact = (0..500).filter(|&row| text(&answers, row) == text(right, row)).count();
        println!("new words written backward without a mistake: {:.1}%", exact as f64 / 5.0);
        Ok(())
    })
}
