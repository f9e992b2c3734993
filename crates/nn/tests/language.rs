//! Models of sequences: layers that share a parameter, the transformer, and the causal language model, recorded, replayed
//! and resumed.

use autograd::{Result, Rng, Tape, Tensor, Var, tensor};
use nn::data::{FieldDataset, Fields, Samples};
use nn::io::StateDict;
use nn::layer::{
    CausalLm, CausalLmOptions, Embedding, Gru, Linear, Masks, Positions, RecurrentOptions, Transformer,
    TransformerDecoder, TransformerMasks, TransformerOptions,
};
use nn::loss::CrossEntropy;
use nn::optim::{Adam, Optimizer, ParamGroups, Sgd};
use nn::train::{Callback, CallbackResult, Checkpoints, Moment, TrainStep, Trainer};
use nn::{Model, Module, Pass, Tied, Vars, parameters};

const WORDS: usize = 9;
const WIDTH: usize = 8;

/// Scores of the next word, where a word's vector is also the weight of its score.
#[derive(Clone)]
struct Reader {
    words: Embedding<f64>,
    gru: Gru<f64>,
    next: Linear<f64>,
}

parameters! { impl Parameters<f64> for Reader { words, gru, next } }

impl Model<f64> for Reader {
    fn call<'t>(&self, inputs: &Vars<'t, f64>, pass: &mut Pass<'t, f64>) -> Result<Vars<'t, f64>> {
        let words = self.words.lookup(inputs.integers("words")?, pass);
        let (states, _) = self.gru.run(words, None, None, pass);
        Ok(self.next.forward(states, pass).permute(&[0, 2, 1]).into())
    }
}

fn reader(seed: u64) -> Tied<f64, Reader> {
    let rng = &mut Rng::new(seed);
    let options = RecurrentOptions { batch_first: true, ..Default::default() };
    let (words, gru) = (Embedding::new(WORDS, WIDTH, rng), Gru::with(WIDTH, WIDTH, options, rng));
    let next = Linear::new(WIDTH, WORDS, rng);
    Tied::new(Reader { words, gru, next }, &[["words.weight", "next.weight"]]).unwrap()
}

/// Reads a source of some length, and scores the words of a target.
struct Translator {
    words: Embedding<f64>,
    transformer: Transformer<f64>,
    next: Linear<f64>,
}

parameters! { impl Parameters<f64> for Translator { words, transformer, next } }

impl Model<f64> for Translator {
    fn call<'t>(&self, inputs: &Vars<'t, f64>, pass: &mut Pass<'t, f64>) -> Result<Vars<'t, f64>> {
        let (read, written) = (inputs.integers("words")?, inputs.integers("written")?);
        let masks = TransformerMasks::causal().source_lengths(inputs.integers("lengths")?, read.shape()[1]);
        let [read, written] = [read, written].map(|words| self.words.lookup(words, pass));
        let states = self.transformer.run([read, written], masks, pass);
        Ok(self.next.forward(states, pass).permute(&[0, 2, 1]).into())
    }
}

fn translator() -> Translator {
    let rng = &mut Rng::new(5);
    let options =
        TransformerOptions { feedforward: 16, batch_first: true, rotary: Some(100.0), ..TransformerOptions::default() };
    Translator {
        words: Embedding::new(WORDS, WIDTH, rng),
        transformer: Transformer::new([1, 1], WIDTH, 2, options, rng),
        next: Linear::new(WIDTH, WORDS, rng),
    }
}

fn random(shape: &[usize], below: usize, rng: &mut Rng) -> Tensor<i64> {
    Tensor::new(shape, (0..shape.iter().product()).map(|_| rng.below(below) as i64).collect())
}

fn batch(n: usize, seed: u64) -> Samples<f64> {
    let rng = &mut Rng::new(seed);
    let lengths: Tensor<i64> = (0..n).map(|_| 1 + rng.below(6) as i64).collect();
    let inputs = Fields::new()
        .with("words", random(&[n, 6], WORDS, rng))
        .with("written", random(&[n, 6], WORDS, rng))
        .with("lengths", lengths);
    Samples::new(inputs, Fields::new().with("next", random(&[n, 6], WORDS, rng)))
}

/// The weights after some steps, and why some of them were recorded rather than replayed.
fn trained(
    mut model: Box<dyn Model<f64>>,
    mut step: TrainStep<f64>,
    fields: &[&'static str],
) -> (StateDict, usize, Option<String>) {
    let (mut adam, loss) = (Adam::new(0.01), CrossEntropy::new());
    for k in 0..5 {
        let Samples { inputs, targets, .. } = batch(3, k);
        let with = |all: Fields<f64>, &name: &&'static str| all.with(name, inputs.get(name).unwrap().clone());
        let batch = Samples::new(fields.iter().fold(Fields::new(), with), targets);
        step.run(&mut *model, &loss, &mut adam, batch).unwrap();
    }
    (nn::state_dict(&*model), step.programs(), step.recorded_because().map(str::to_owned))
}

#[test]
fn a_replayed_step_has_the_bits_of_a_recorded_one() {
    let both = |model: &dyn Fn() -> Box<dyn Model<f64>>, fields: &[&'static str]| {
        let (recorded, ..) = trained(model(), TrainStep::new(1), fields);
        assert_eq!(trained(model(), TrainStep::new(1).replaying(), fields), (recorded, 1, None));
    };
    both(&|| Box::new(reader(1)), &["words"]);
    both(&|| Box::new(translator()), &["words", "written", "lengths"]);
    for positions in [Positions::Rotary { base: 10_000.0 }, Positions::Learned { most: 6 }] {
        let options = CausalLmOptions { layers: 2, heads: 2, positions, dropout: 0.2, ..CausalLmOptions::default() };
        both(&|| Box::new(CausalLm::new(WORDS, WIDTH, options, &mut Rng::new(2))), &["words"]);
    }
}

#[test]
fn what_is_behind_the_end_of_a_source_changes_nothing() {
    let (model, tape) = (translator(), Tape::new());
    let with = |words: Tensor<i64>| {
        let lengths = tensor![2_i64, 4];
        Fields::new()
            .with("words", words)
            .with("written", tensor![[0_i64, 1], [2, 3]])
            .with("lengths", lengths)
            .on(&tape)
    };
    let [a, b, other] = [
        tensor![[1_i64, 2, 3, 4], [5, 6, 7, 8]],
        tensor![[1_i64, 2, 0, 8], [5, 6, 7, 8]],
        tensor![[1_i64, 2, 3, 4], [5, 6, 7, 0]],
    ]
    .map(|words| model.call(&with(words), &mut Pass::eval(&tape)).unwrap().only().unwrap().value());
    assert_eq!(a, b);
    assert_ne!(a, other);
    // Lengths and booleans say the same.
    let visible = tape.mask(tensor![[true, true, false, false], [true; 4]]);
    let [by_lengths, by_booleans] =
        [Masks::default().lengths(tape.integers(tensor![2_i64, 4]), 4), Masks::default().visible(visible)];
    assert_eq!(by_lengths.keys.unwrap().value(), by_booleans.keys.unwrap().value());
}

/// Fails after some batches.
struct Fails(usize);

impl Callback<f64> for Fails {
    fn batch_end(&mut self, _: &mut Moment<'_, f64>) -> CallbackResult {
        self.0 = self.0.checked_sub(1).ok_or("no more")?;
        Ok(())
    }
}

/// A tied parameter is saved once, belongs to one group of an optimizer, and is tied after a checkpoint was loaded.
#[test]
fn a_tied_model_resumes_bit_for_bit() {
    let Samples { inputs, targets, .. } = batch(12, 9);
    let words = Fields::new().with("words", inputs.integers("words").unwrap().clone());
    let data = FieldDataset::new(words, targets).unwrap();
    let folder = |name: &str| {
        let folder = std::env::temp_dir().join(format!("nn-language-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    };
    let trainer = |folder: &std::path::Path, fails: usize| {
        let optimizer: Box<dyn Optimizer<f64>> =
            Box::new(ParamGroups::new(Adam::new(0.01)).group("words.*", Sgd::new(0.1).momentum(0.9)));
        Trainer::new(CrossEntropy::new(), optimizer)
            .epochs(2)
            .batch_size(4)
            .ema(0.9)
            .callback(Fails(fails))
            .checkpoints(Checkpoints::new(folder).every_steps(1))
            .quiet()
    };
    let straight = folder("straight");
    let mut expected = reader(1);
    trainer(&straight, 100).fit(&mut expected, &data).unwrap();
    for fails in [1, 4] {
        let folder = folder("stopped");
        trainer(&folder, fails).fit(&mut reader(1), &data).unwrap_err();
        let mut resumed = reader(2);
        trainer(&folder, 100).resume(&mut resumed, &data).unwrap();
        assert!(nn::state_dict(&resumed) == nn::state_dict(&expected), "stopped after batch {fails}");
        assert_eq!(resumed.next.weight.value(), resumed.words.weight.value());
        assert_eq!(resumed.next.weight.key(), resumed.words.weight.key());
        let newest = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
        let saved = StateDict::read(newest.join("model.safetensors")).unwrap();
        assert!(saved.get("words.weight").is_some() && saved.get("next.weight").is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::remove_dir_all(straight).unwrap();
}

/// A model without ties, whose two parameters are given the sum of their gradients, goes the same way.
#[test]
fn one_parameter_in_two_layers_learns_from_both() {
    let (mut tied, mut apart) = (reader(1), (*reader(1)).clone());
    let Samples { inputs, targets, .. } = batch(3, 0);
    let batch = Samples::new(Fields::new().with("words", inputs.integers("words").unwrap().clone()), targets);
    let loss = CrossEntropy::new();
    for _ in 0..3 {
        let mut step = TrainStep::new(0);
        step.run(&mut tied, &loss, &mut Sgd::new(0.1), batch.clone()).unwrap();
        let mut step = TrainStep::new(0);
        step.gradients(&apart, &loss, batch.clone()).unwrap();
        let names = nn::names(&apart);
        let place = |name: &str| names.iter().position(|own| own == name).unwrap();
        let [a, b] = ["words.weight", "next.weight"].map(place);
        let sum = step.param_gradients().get(a).unwrap() + step.param_gradients().get(b).unwrap();
        step.param_gradients_mut().iter_mut().enumerate().for_each(|(i, g)| {
            if i == a || i == b {
                *g = sum.clone();
            }
        });
        step.apply(&mut apart, &mut Sgd::new(0.1));
    }
    let [a, b] = [nn::state_dict(&tied), nn::state_dict(&apart)];
    for (name, tensor) in a.iter() {
        let off = (tensor.to::<f64>() - b.get(name).unwrap().to::<f64>()).abs().max().item();
        assert!(off < 1e-13, "{name}: {off}");
    }
}

/// Positions are decoded one after another, or several at once, from sources of several lengths, and those of another
/// order of the batch go on.
#[test]
fn a_decoder_with_a_cache_computes_what_one_without_does() {
    for (batch_first, norm_first, rotary) in
        [(true, false, None), (false, true, Some(100.0)), (true, true, Some(100.0))]
    {
        let (rng, tape) = (&mut Rng::new(5), Tape::<f64>::new());
        let options = TransformerOptions { feedforward: 16, batch_first, norm_first, rotary, ..Default::default() };
        let decoder = TransformerDecoder::new(3, WIDTH, 2, options, rng);
        let time = isize::from(batch_first);
        let mut sequence = |length: usize| {
            let x = tape.constant(Tensor::randn(&[3, length, WIDTH], rng));
            if batch_first { x } else { x.permute(&[1, 0, 2]) }
        };
        let (x, memory) = (sequence(9), sequence(4));
        let lengths = Masks::default().lengths(tape.integers(tensor![4_i64, 1, 3]), 4);
        let pass = &mut Pass::eval(&tape);
        let whole = decoder.decode(x, memory, Masks::causal(), lengths, pass);
        let mut cache = decoder.start(memory, pass);
        for (from, to) in [(0, 1), (1, 2), (2, 5), (5, 6)] {
            let y = decoder.decode_after(x.slice(time, from..to), &mut cache, lengths, pass);
            let apart = (y - whole.slice(time, from..to)).value().abs().max().item();
            assert!(apart < 1e-12, "{from}..{to}: {apart}");
        }
        // The last positions once more, and then those of two of the sequences, in another order.
        cache.truncate(5);
        assert_eq!((cache.len(), cache.is_empty()), (5, false));
        cache.select(&[2, 0]);
        fn picked(x: Var<'_, f64>, axis: isize) -> Var<'_, f64> {
            x.take(axis, tensor![2_i64, 0])
        }
        let two = Masks::default().lengths(tape.integers(tensor![3_i64, 4]), 4);
        let y = decoder.decode_after(picked(x.slice(time, 5..), 1 - time), &mut cache, two, pass);
        assert!((y - picked(whole.slice(time, 5..), 1 - time)).value().abs().max().item() < 1e-12);
        assert_eq!(cache.len(), 9);
    }
}
