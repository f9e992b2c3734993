//! A language model of characters: an LSTM reads a text and says after each character how likely each is to come next.
//! `cargo run --release --example char_lstm [-- --text FILE] [--epochs N] [--short]`. docs/experiments.md has the outcome.
//!
//! The text is cut into 32 streams that are read side by side, 64 characters a step. Derivatives reach back through those
//! 64: backpropagation through time, truncated. The state is carried on from step to step; it is a pair of buffers of the
//! model, as a batch norm's statistics are, so that a step can be compiled and replayed.
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
  --text FILE  what to read, in UTF-8 (Mark Twain, The Adventures of Tom Sawyer)
  --epochs N   how often to read it (16)
  --short      one epoch on the first 60,000 characters";

/// The novel, compressed. Where it comes from: README.md beside the file.
const NOVEL: &[u8] = include_bytes!("texts/tom_sawyer.txt.gz");

const SEED: u64 = 1;
const STREAMS: usize = 32;
const STEPS: usize = 64;
const WIDTH: usize = 64;
const HIDDEN: usize = 256;
const RATE: f64 = 4e-3;
/// What scores are divided by before one is drawn: below 1, likely characters become likelier.
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
            "{} characters to learn from, {} held out, {} different ones",
            training.len(),
            held_out.len(),
            text.alphabet.len()
        );

        let rng = &mut Rng::new(SEED);
        let mut model = Reader::new(text.alphabet.len(), rng);
        println!("{} parameters, {} updates an epoch", nn::parameter_count(&model), pieces(training));
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
            println!("epoch {epoch:>2}: {learnt:.3} bits a character, held out {:.3}", bits(&model, held_out)?);
        }
        match step.recorded_because() {
            None => println!("replayed, by {} program", step.programs()),
            Some(why) => println!("some steps were recorded: {why}"),
        }

        let held_out = bits(&model, held_out)?;
        println!("\n{}\n", model.write(&text.alphabet, if short { 200 } else { 600 }, rng));
        println!("held out: {held_out:.3} bits a character, perplexity {:.3}", held_out.exp2());
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
        return Err(at(&"it is not a regular file").into());
    }
    let bytes = std::fs::read(path).map_err(|error| at(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        at(&format!("it is not UTF-8: byte {byte} begins no character")).into()
    })
}

/// A text as numbers of its characters in an alphabet.
struct Text {
    alphabet: Vec<char>,
    codes: Vec<usize>,
}

impl Text {
    /// The first `most` characters, if they are enough to learn from.
    fn new(text: &str, most: usize) -> Result<Text, String> {
        let characters: Vec<char> = text.chars().take(most).collect();
        let mut alphabet = characters.clone();
        alphabet.sort_unstable();
        alphabet.dedup();
        let number = |character| alphabet.binary_search(character).expect("all are in it");
        let codes: Vec<usize> = characters.iter().map(number).collect();
        let text = Text { alphabet, codes };
        if pieces(text.parts().1) == 0 {
            let (length, least) = (text.codes.len(), 10 * (STREAMS * STEPS + 1));
            return Err(format!("the text is too short: it has {length} characters, and {least} are needed"));
        }
        Ok(text)
    }

    /// Nine tenths to learn from, and the last one, to be judged by.
    fn parts(&self) -> (&[usize], &[usize]) {
        self.codes.split_at(self.codes.len() - self.codes.len() / 10)
    }
}

/// How often all streams of a text can go on by `STEPS` characters and still have one that comes next.
fn pieces(codes: &[usize]) -> usize {
    codes.len().saturating_sub(1) / STREAMS / STEPS
}

/// A piece of each stream as `[STREAMS, STEPS]`, and for each of its characters the one that comes next.
fn batch(codes: &[usize], piece: usize) -> Batch<f32> {
    let stream = (codes.len() - 1) / STREAMS;
    let place = |stream_of: usize, step: usize| stream_of * stream + piece * STEPS + step;
    let inputs = Tensor::from_fn(&[STREAMS, STEPS], |at| codes[place(at[0], at[1])] as f32);
    let next = (0..STREAMS * STEPS).map(|k| codes[place(k / STEPS, k % STEPS) + 1] as i64);
    Batch { inputs, targets: Target::Labels(next.collect()) }
}

/// Bits that the model needs to be told each character of a text, given those before it.
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

/// Each character becomes a vector, the LSTM reads the vectors, and each of its outputs gives a score to every character.
#[derive(Clone)]
struct Reader {
    characters: Embedding<f32>,
    lstm: Lstm<f32>,
    next: Linear<f32>,
    /// The state after what was read last, `[1, streams, HIDDEN]`.
    h: Param<f32>,
    c: Param<f32>,
}

parameters! { impl Parameters<f32> for Reader { characters, lstm, next, h, c } }

impl Module<f32> for Reader {
    /// `[streams, steps] -> [streams · steps, characters]`, from the state where the last pass left it.
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        let places = x.value().len();
        let x = self.characters.forward(x, pass);
        // Buffers are constants: no derivative goes back beyond this piece.
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

    /// The same model, which has read nothing yet and is to read so many streams.
    fn reading(&self, streams: usize) -> Reader {
        let state = || Param::buffer(Tensor::zeros(&[1, streams, HIDDEN]));
        Reader { h: state(), c: state(), ..self.clone() }
    }

    /// Puts the state back to where nothing has been read.
    fn forget(&mut self) {
        for part in [&mut self.h, &mut self.c] {
            part.set(Tensor::zeros(&[1, STREAMS, HIDDEN]));
        }
    }

    /// Reads on, without learning.
    fn go_on<'t>(&mut self, inputs: Tensor<f32>, tape: &'t Tape<f32>) -> Var<'t, f32> {
        let mut pass = Pass::eval(tape);
        let scores = self.forward(tape.constant(inputs), &mut pass);
        apply_updates(self, &pass.into_updates());
        scores
    }

    /// A text of the model's own: each character is drawn as it says, and read by it.
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
            last = drawn.unwrap_or(last); // rounding may leave a last bit of probability
            text.push(alphabet[last]);
        }
        text
    }
}
