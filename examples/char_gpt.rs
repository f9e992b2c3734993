//! A small GPT reads a novel, character by character, and writes. `cargo run --release --example char_gpt [-- --updates N]
//! [--short]`. docs/experiments.md has the results.
//!
//! Unlike the recurrent network of `char_lstm`, it looks back at all characters at once, up to 128 of them. When it writes, it
//! caches the keys and values of previous characters, so each new character costs one pass over one character.
//!
//! Source: Radford et al., *Language models are unsupervised multitask learners* (2019).

mod common;

use nn::clip;
use nn::data::Samples;
use nn::decode::Sampler;
use nn::layer::{CausalLm, CausalLmOptions};
use nn::schedule::Schedule;
use std::collections::BTreeSet;
use std::error::Error;
use std::f64::consts::LN_2;
use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: char_gpt [--updates N] [--short]
  --updates N  number of updates (default: 2,000)
  --short      100 updates";

const SEED: u64 = 1;
const WIDTH: usize = 96;
/// Characters that the model sees at once.
const LENGTH: usize = 128;
const BATCH: usize = 16;
const RATE: f64 = 3e-3;
/// Scores are divided by this before sampling: values below 1 make likely characters more likely.
const TEMPERATURE: f64 = 0.7;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        let updates = arguments.opt_value_from_str("--updates")?.unwrap_or(if short { 100 } else { 2_000 });
        common::finish(arguments)?;

        let mut novel = String::new();
        flate2::read::GzDecoder::new(&include_bytes!("texts/tom_sawyer.txt.gz")[..]).read_to_string(&mut novel)?;
        let alphabet: Vec<char> = novel.chars().collect::<BTreeSet<char>>().into_iter().collect();
        let number = |c: char| alphabet.binary_search(&c).map_err(|_| format!("the novel has no {c:?}"));
        let codes = novel.chars().map(number).collect::<Result<Vec<usize>, String>>()?;
        // The last tenth is held out.
        let (training, held_out) = codes.split_at(codes.len() - codes.len() / 10);

        let rng = &mut Rng::new(SEED);
        let options = CausalLmOptions { layers: 3, ..CausalLmOptions::default() };
        let mut model = CausalLm::<f32>::new(alphabet.len(), WIDTH, options, rng);
        println!("{} characters, {} parameters", training.len(), nn::parameter_count(&model));

        let (mut step, mut adam, loss) = (TrainStep::new(SEED).replaying(), Adam::new(RATE), CrossEntropy::new());
        let (cosine, mut nats) = (CosineAnnealing::new(updates), 0.0);
        for update in 1..=updates {
            adam.set_learning_rate(cosine.rate(update, RATE) * (update as f64 / 50.0).min(1.0));
            let from: Vec<usize> = (0..BATCH).map(|_| rng.below(training.len() - LENGTH)).collect();
            nats += f64::from(step.gradients(&model, &loss, batch(training, &from))?.loss);
            clip::by_norm(step.param_gradients_mut(), 1.0);
            step.apply(&mut model, &mut adam);
            if update % (updates / 10).max(1) == 0 {
                let mean = nats / (updates / 10).max(1) as f64 / LN_2;
                nats = 0.0;
                println!("update {update:>5}: {mean:.3} bits per character");
            }
        }
        if let Some(why) = step.recorded_because() {
            println!("some steps were recorded: {why}");
        }

        println!("with a cache and without, scores differ by at most {:.0e}", apart(&model, &held_out[..LENGTH])?);
        let start = Instant::now();
        for prompt in ["Tom ", "\"Huck", "The "] {
            let read = prompt.chars().map(number).collect::<Result<Vec<usize>, String>>()?;
            let written = model.generation().write(&read, LENGTH - read.len(), Sampler::new(TEMPERATURE), rng)?;
            println!("\n{prompt}{}", written.into_iter().map(|code| alphabet[code]).collect::<String>());
        }
        println!("\n{:.2} ms per character", start.elapsed().as_secs_f64() * 1e3 / (3 * LENGTH) as f64);

        let (bits, guess) = (bits(&model, held_out)?, frequencies(training, held_out, alphabet.len()));
        println!("held out: {bits:.3} bits per character; guessing by frequency: {guess:.3}");
        if bits < guess { Ok(()) } else { Err("the model has learned nothing".into()) }
    })
}

/// The characters from each of these places, and the next character of each as the target.
fn batch(codes: &[usize], from: &[usize]) -> Samples<f32> {
    let rows = |later: usize| Tensor::from_fn(&[from.len(), LENGTH], |at| codes[from[at[0]] + at[1] + later] as i64);
    Samples::new(Fields::new().with("read", rows(0)), Fields::new().with("next", rows(1)))
}

/// The cross-entropy of a text under the model, in bits per character.
fn bits(model: &CausalLm<f32>, codes: &[usize]) -> Result<f64, Box<dyn Error>> {
    let from: Vec<usize> = (0..(codes.len() - 1) / LENGTH).map(|piece| piece * LENGTH).collect();
    let Samples { inputs, targets, .. } = batch(codes, &from);
    let found =
        nn::train::evaluate(model, &CrossEntropy::new(), &[], &nn::data::FieldDataset::new(inputs, targets)?, 16)?;
    Ok(found.loss / LN_2)
}

/// The same for a guess by character frequencies, with one added to each count.
fn frequencies(training: &[usize], held_out: &[usize], alphabet: usize) -> f64 {
    let mut counts = vec![1.0; alphabet];
    training.iter().for_each(|&code| counts[code] += 1.0);
    let whole: f64 = counts.iter().sum();
    held_out.iter().map(|&code| (whole / counts[code]).log2()).sum::<f64>() / held_out.len() as f64
}

/// The largest difference between the scores of a text read at once, and of the text read character by character.
fn apart(model: &CausalLm<f32>, codes: &[usize]) -> Result<f32, Box<dyn Error>> {
    let text = Tensor::from_fn(&[1, codes.len()], |at| codes[at[1]] as i64);
    let tape = Tape::new();
    let whole = model.scores(tape.integers(text.clone()), &mut Pass::eval(&tape)).value();
    let (mut generation, mut apart) = (model.generation(), 0f32);
    for at in 0..codes.len() {
        let scores = generation.read(&text.slice_axis(1, at..at + 1))?;
        apart = apart.max((scores - whole.slice_axis(1, at..at + 1).squeeze(1)).abs().max().item());
    }
    Ok(apart)
}
