//! A character-level language model: an LSTM reads a text and predicts the probabilities of the next character.
//! `cargo run --release --example char_lstm [-- --text FILE] [--epochs N] [--short]`. docs/experiments.md has the
//! results.
//!
//! The text is split into 32 streams that are read in parallel, 64 characters per step. Derivatives reach back through
//! those 64 characters: truncated backpropagation through time. The state is carried from step to step; it is a pair of
//! buffers of the model, like the running statistics of a batch norm, so that a step can be compiled and replayed.
//!
//! Source: Graves, *Generating sequences with recurrent neural networks* (2013).

mod common;

use nn::schedule::{CosineAnnealing, Schedule};
use nn::{apply_updates, clip, parameters};
use std::error::Error;
use std::f64::consts::LN_2;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wengert::autograd::Var;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: char_lstm [--text FILE] [--epochs N] [--short]
  --text FILE  the text to read, in UTF-8 (default: Mark Twain, The Adventures of Tom Sawyer)
  --epochs N   number of epochs (default: 16)
  --short      one epoch on the first 60,000 characters";

/// The novel, compressed. The README.md next to the file states its source.
const NOVEL: &[u8] = include_bytes!("texts/tom_sawyer.txt.gz");

const SEED: u64 = 1;
const STREAMS: usize = 32;
const STEPS: usize = 64;
const WIDTH: usize = 64;
const HIDDEN: usize = 256;
const RATE: f64 = 4e-3;
/// Scores are divided by this before sampling: values below 1 make likely characters more likely.
const TEMPERATURE: f32 = 0.7;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        let path: Option<PathBuf> = arguments.opt_value_from_str("--text")?;
        let epochs = arguments.opt_value_from_str("--epochs")?.unwrap_or(if short { 1 } else { 16 });
        common::finish(arguments)?;
        let of_file = |error: &str| path.as_ref().map_or(String::new(), |path| format!("{}: ", path.display())) + error;
        let most = if short { 60_000 } else { usize::MAX };
        let text = Text::new(&read(path.as_deref())?, most).map_err(|error| of_file(&error))?;
        let (training, held_out) = text.parts();
        println!(
            "{} training characters, {} held out, {} distinct",
            training.len(),
            held_out.len(),
            text.alphabet.len()
        );

        let rng = &mut Rng::new(SEED);
        let mut model = Reader::new(text.alphabet.len(), rng);
        println!("{} parameters, {} updates per epoch", nn::parameter_count(&model), pieces(training));
        let (mut step, mut adam, loss) = (TrainStep::new(SEED).replaying(), Adam::new(RATE), CrossEntropy::new());
        let schedule = CosineAnnealing::new(epochs * pieces(training));
        for epoch in 1..=epochs {
            let mut nats = 0.0;
            model.forget();
            for piece in 0..pieces(training) {
                adam.set_learning_rate(schedule.rate(step.steps() as usize, RATE));
                nats += step.gradients(&model, &loss, &batch(training, piece))?.loss as f64;
                clip::by_norm(step.param_gradients_mut(), 1.0);
                step.apply(&mut model, &mut adam);
            }
            let learnt = nats / pieces(training) as f64 / LN_2;
            println!("epoch {epoch:>2}: {learnt:.3} bits per character, held out {:.3}", bits(&model, held_out)?);
        }
        match step.recorded_because() {
            None => println!("replayed with {} program", step.programs()),
            Some(why) => println!("some steps were recorded: {why}"),
        }

        let held_out = bits(&model, held_out)?;
        println!("\n{}\n", model.write(&text.alphabet, if short { 200 } else { 600 }, rng));
        println!("held out: {held_out:.3} bits per character, perplexity {:.3}", held_out.exp2());
        Ok(())
    })
}

/// The text in a file, or the novel.
fn read(path: Option<&Path>) -> Result<String, Box<dyn Error>> {
    let Some(path) = path else {
        let mut novel = String::new();
        flate2::read::GzDecoder::new(NOVEL).read_to_string(&mut novel)?;
        return Ok(novel);
    };
    let at = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    // A pipe or a device may never end.
    if !std::fs::metadata(path).map_err(|error| at(&error))?.is_file() {
        return Err(at(&"not a regular file").into());
    }
    let bytes = std::fs::read(path).map_err(|error| at(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        at(&format!("not valid UTF-8 at byte {byte}")).into()
    })
}

/// A text as indices of its characters in an alphabet.
struct Text {
    alphabet: Vec<char>,
    codes: Vec<usize>,
}

impl Text {
    /// The first `most` characters; an error if they are too few to train on.
    fn new(text: &str, most: usize) -> Result<Text, String> {
        let characters: Vec<char> = text.chars().take(most).collect();
        let mut alphabet = characters.clone();
        alphabet.sort_unstable();
        alphabet.dedup();
        let number = |character| alphabet.binary_search(character).expect("the alphabet contains every character");
        let codes: Vec<usize> = characters.iter().map(number).collect();
        let text = Text { alphabet, codes };
        if pieces(text.parts().1) == 0 {
            let (length, least) = (text.codes.len(), 10 * (STREAMS * STEPS + 1));
            return Err(format!("the text is too short: expected at least {least} characters, got {length}"));
        }
        Ok(text)
    }

    /// The first nine tenths for training, the last tenth held out.
    fn parts(&self) -> (&[usize], &[usize]) {
        self.codes.split_at(self.codes.len() - self.codes.len() / 10)
    }
}

/// Number of times that all streams can advance by `STEPS` characters and still have a next character.
fn pieces(codes: &[usize]) -> usize {
    codes.len().saturating_sub(1) / STREAMS / STEPS
}

/// A segment of each stream as `[STREAMS, STEPS]`, with the next character of each position as the label.
fn batch(codes: &[usize], piece: usize) -> Batch<f32> {
    let stream = (codes.len() - 1) / STREAMS;
    let place = |stream_of: usize, step: usize| stream_of * stream + piece * STEPS + step;
    let inputs = Tensor::from_fn(&[STREAMS, STEPS], |at| codes[place(at[0], at[1])] as f32);
    let next = (0..STREAMS * STEPS).map(|k| codes[place(k / STEPS, k % STEPS) + 1] as i64);
    Batch { inputs, targets: Target::Labels(next.collect()) }
}

/// The cross-entropy of a text under the model, in bits per character.
fn bits(model: &Reader, codes: &[usize]) -> Result<f64, Box<dyn Error>> {
    let (mut model, mut tape, mut nats) = (model.reading(STREAMS), Tape::new(), 0.0);
    for piece in 0..pieces(codes) {
        let Batch { inputs, targets } = batch(codes, piece);
        tape.clear();
        let scores = model.go_on(inputs, &tape);
        nats += CrossEntropy::new().loss(scores, &targets)?.item() as f64;
    }
    Ok(nats / pieces(codes) as f64 / LN_2)
}

/// Each character is embedded as a vector, the LSTM reads the vectors, and each of its outputs scores every character.
#[derive(Clone)]
struct Reader {
    characters: Embedding<f32>,
    lstm: Lstm<f32>,
    next: Linear<f32>,
    /// The state after the last segment, `[1, streams, HIDDEN]`.
    h: Param<f32>,
    c: Param<f32>,
}

parameters! { impl Parameters<f32> for Reader { characters, lstm, next, h, c } }

impl Module<f32> for Reader {
    /// `[streams, steps] -> [streams · steps, characters]`, starting from the state after the last pass.
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        let places = x.value().len();
        let x = self.characters.forward(x, pass);
        // Buffers are constants: no derivative reaches back beyond this segment.
        let state = [pass.var(&self.h), pass.var(&self.c)];
        let (y, [h, c]) = self.lstm.run(x, Some(state), None, pass);
        pass.update(&self.h, h);
        pass.update(&self.c, c);
        self.next.forward(y.reshape(&[places, HIDDEN]), pass)
    }
}

impl Reader {
    fn new(characters: usize, rng: &mut Rng) -> Reader {
        let state = || Param::buffer(Tensor::zeros(&[1, STREAMS, HIDDEN]));
        let options = RecurrentOptions { batch_first: true, ..Default::default() };
        Reader {
            characters: Embedding::new(characters, WIDTH, rng),
            lstm: Lstm::with(WIDTH, HIDDEN, options, rng),
            next: Linear::new(HIDDEN, characters, rng),
            h: state(),
            c: state(),
        }
    }

    /// The same model with a fresh state for the given number of streams.
    fn reading(&self, streams: usize) -> Reader {
        let state = || Param::buffer(Tensor::zeros(&[1, streams, HIDDEN]));
        Reader { h: state(), c: state(), ..self.clone() }
    }

    /// Resets the state.
    fn forget(&mut self) {
        for part in [&mut self.h, &mut self.c] {
            part.set(Tensor::zeros(&[1, STREAMS, HIDDEN]));
        }
    }

    /// Reads further without training.
    fn go_on<'t>(&mut self, inputs: Tensor<f32>, tape: &'t Tape<f32>) -> Var<'t, f32> {
        let mut pass = Pass::eval(tape);
        let scores = self.forward(tape.constant(inputs), &mut pass);
        apply_updates(self, &pass.into_updates());
        scores
    }

    /// Generates text: each character is sampled from the model's prediction and fed back to it.
    fn write(&self, alphabet: &[char], length: usize, rng: &mut Rng) -> String {
        let (mut model, mut tape, mut text) = (self.reading(1), Tape::new(), String::new());
        let mut last = alphabet.iter().position(|c| *c == '\n').unwrap_or(0);
        for _ in 0..length {
            tape.clear();
            let scores = model.go_on(Tensor::full(&[1, 1], last as f32), &tape).value();
            let mut left = rng.uniform() as f32;
            let drawn = (scores / TEMPERATURE).softmax(-1).iter().position(|probability| {
                left -= probability;
                left < 0.0
            });
            last = drawn.unwrap_or(last); // rounding may leave a remainder of probability
            text.push(alphabet[last]);
        }
        text
    }
}
