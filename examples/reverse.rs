//! A recurrent encoder and a decoder with attention learn to write a sequence backward.
//! `cargo run --release --example reverse [-- --short]`. docs/experiments.md has the results.
//!
//! A batch has two inputs, both integers: the letters to read, and the letters written so far. At each step the decoder
//! attends to all input letters. New words are written greedily, and by a beam search. Source: Luong, Pham and Manning,
//! *Effective approaches to attention-based neural machine translation* (2015).

mod common;

use nn::data::Samples;
use nn::decode::{Beam, BeamSearch};
use nn::functional::{AttentionOptions, scaled_dot_product_attention};
use nn::parameters;
use std::error::Error;
use std::process::ExitCode;
use wengert::autograd::{Result, Var};
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: reverse [--short]\n  --short  30 updates instead of 2,000";

const LETTERS: usize = 26;
/// The start token.
const START: i64 = LETTERS as i64;
const LENGTH: usize = 8;
const WIDTH: usize = 96;
pub(crate) const BATCH: usize = 64;

pub(crate) struct Reverser {
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
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let options = || RecurrentOptions { batch_first: true, ..Default::default() };
        Reverser {
            letters: Embedding::new(LETTERS + 1, WIDTH, rng),
            reads: Gru::with(WIDTH, WIDTH, options(), rng),
            writes: Gru::with(WIDTH, WIDTH, options(), rng),
            score: Linear::new(2 * WIDTH, LETTERS, rng),
        }
    }

    /// Writes letter by letter, and keeps this many of the most likely prefixes.
    fn answer(&self, word: &[usize], width: usize) -> std::result::Result<Beam, Box<dyn Error>> {
        let found = BeamSearch::new(width, LENGTH).run(|beams| -> std::result::Result<_, Box<dyn Error>> {
            let (count, place) = (beams.len(), beams[0].tokens.len());
            let read = Tensor::from_fn(&[count, LENGTH], |at| word[at[1]] as i64);
            let written = Tensor::from_fn(&[count, place + 1], |at| match at[1] {
                0 => START,
                later => beams[at[0]].tokens[later - 1] as i64,
            });
            let inputs = Fields::new().with("read", read).with("written", written);
            let outputs = nn::train::predict_fields(self, &inputs, count)?;
            Ok(outputs.numbers(0)?.slice_axis(2, place..place + 1).squeeze(2))
        })?;
        found.into_iter().next().ok_or_else(|| "there are no words".into())
    }
}

/// Random words, the same backward as targets, and the targets one step late as what was written before.
pub(crate) fn words(count: usize, rng: &mut Rng) -> Samples<f32> {
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

fn text(letters: &[usize]) -> String {
    letters.iter().map(|&letter| char::from(b'a' + letter as u8)).collect()
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
        let letters = |field: &Tensor<i64>| field.iter().map(|letter| letter as usize).collect::<Vec<usize>>();
        let (read, right) = (letters(test.inputs.integers("read")?), letters(test.targets.integers("backward")?));
        for (way, width) in [("greedily", 1), ("by a beam of 4", 4)] {
            let (mut exact, mut logs) = (0, 0.0);
            for (row, (word, right)) in read.chunks(LENGTH).zip(right.chunks(LENGTH)).enumerate() {
                let best = model.answer(word, width)?;
                if row == 0 {
                    println!("{} -> {}", text(word), text(&best.tokens));
                }
                exact += usize::from(best.tokens == right);
                logs += best.log_probability / 500.0;
            }
            let exact = exact as f64 / 5.0;
            println!("{way}: {exact:.1}% of new words without a mistake, mean log-probability {logs:.4}");
        }
        Ok(())
    })
}
