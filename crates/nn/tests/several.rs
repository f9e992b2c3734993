//! Models with several inputs and outputs: recorded, replayed, resumed, and rejected with errors that name the field.

use autograd::{Result, Rng, Tensor, tensor};
use nn::data::{
    Augmented, Batch, Concat, DataError, DataLoader, Dataset, FieldDataset, Fields, Position, Samples, Subset,
};
use nn::layer::{BatchNorm1d, Dropout, Embedding, Linear};
use nn::loss::{CrossEntropy, IGNORED, Loss, Mse, Parts, Target, WeightedSum, between, custom};
use nn::metric::Metric;
use nn::optim::{Adam, Sgd};
use nn::train::{Callback, CallbackResult, Checkpoints, History, Moment, TrainStep, Trainer, evaluate, predict_fields};
use nn::{Model, Module, Pass, Vars, parameters};
use std::path::PathBuf;

/// The class of a word in a context, and its length: from an id, a mask and numbers.
struct Two {
    words: Embedding<f64>,
    norm: BatchNorm1d<f64>,
    class: Linear<f64>,
    length: Linear<f64>,
}

parameters! { impl Parameters<f64> for Two { words, norm, class, length } }

impl Model<f64> for Two {
    fn call<'t>(&self, inputs: &Vars<'t, f64>, pass: &mut Pass<'t, f64>) -> Result<Vars<'t, f64>> {
        let word = self.words.lookup(inputs.integers("word")?, pass);
        let context = inputs.numbers("context")?;
        let seen = inputs.booleans("seen")?.try_choose(context, context * 0.5)?;
        let hidden = Dropout::new(0.2).forward(self.norm.forward((word + seen).tanh(), pass), pass);
        let (class, length) = (self.class.forward(hidden, pass), self.length.forward(hidden, pass));
        Ok(Vars::new().with("class", class).with("length", length))
    }
}

fn model() -> Two {
    let rng = &mut Rng::new(3);
    Two {
        words: Embedding::new(7, 4, rng),
        norm: BatchNorm1d::new(4),
        class: Linear::new(4, 3, rng),
        length: Linear::new(4, 1, rng),
    }
}

fn loss() -> WeightedSum<f64> {
    WeightedSum::new().part("class", 1.0, between(CrossEntropy::new(), "class", "kind")).part(
        "length",
        0.25,
        between(Mse::new(), "length", "length"),
    )
}

fn inputs(n: usize, seed: u64) -> Fields<f64> {
    let mut rng = Rng::new(seed);
    let word: Tensor<i64> = (0..n).map(|_| rng.below(7) as i64).collect();
    let seen: Tensor<bool> = Tensor::new(&[n, 4], (0..n * 4).map(|_| rng.uniform() < 0.5).collect());
    Fields::new().with("word", word).with("context", Tensor::<f64>::randn(&[n, 4], &mut rng)).with("seen", seen)
}

fn samples(n: usize, seed: u64) -> Samples<f64> {
    let mut rng = Rng::new(seed + 1000);
    // Some labels are ignored.
    let kind: Tensor<i64> = (0..n).map(|i| if i % 5 == 4 { IGNORED } else { rng.below(3) as i64 }).collect();
    let targets = Fields::new().with("kind", kind).with("length", Tensor::<f64>::randn(&[n, 1], &mut rng));
    Samples::new(inputs(n, seed), targets)
}

fn data(n: usize, seed: u64) -> FieldDataset<f64> {
    let Samples { inputs, targets, .. } = samples(n, seed);
    FieldDataset::new(inputs, targets).unwrap()
}

fn bits(model: &dyn Model<f64>) -> Vec<u64> {
    let mut all = Vec::new();
    model.visit(&mut nn::Path::default(), &mut |_, p| all.extend(p.value().iter().map(f64::to_bits)));
    all
}

#[test]
fn a_replayed_step_has_the_bits_of_a_recorded_one() {
    let (mut a, mut b) = (model(), model());
    let (mut recorded, mut replayed) = (TrainStep::new(7), TrainStep::new(7).replaying());
    let (mut one, mut two) = (Adam::new(0.01), Adam::new(0.01));
    for k in 0..12 {
        let batch = samples(if k % 3 == 2 { 4 } else { 6 }, k);
        let x = recorded.run(&mut a, &loss(), &mut one, &batch).unwrap();
        let y = replayed.run(&mut b, &loss(), &mut two, &batch).unwrap();
        assert_eq!((x.loss, &x.outputs, &x.parts), (y.loss, &y.outputs, &y.parts), "step {k}");
        assert_eq!(x.loss, x.part("class").unwrap() + x.part("length").unwrap() * 0.25);
        assert_eq!(x.outputs.names().collect::<Vec<_>>(), ["class", "length"]);
        assert_eq!(bits(&a), bits(&b), "step {k}");
    }
    assert_eq!((replayed.programs(), replayed.recorded_because()), (2, None));
}

#[test]
fn weights_of_samples_reach_every_part() {
    let batch = samples(6, 1);
    let half = Samples { weights: Some(Tensor::full(&[6], 0.5)), ..batch.clone() };
    let of = |batch: &Samples<f64>| TrainStep::new(0).gradients(&model(), &loss(), batch).unwrap();
    let (whole, half) = (of(&batch), of(&half));
    for part in ["class", "length"] {
        assert!((half.part(part).unwrap() - whole.part(part).unwrap() / 2.0).abs() < 1e-15);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nn-several-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn trainer<'d>(validation: &'d dyn Dataset<f64>, folder: &PathBuf) -> Trainer<'d, f64> {
    Trainer::new(loss(), Adam::new(0.02))
        .epochs(3)
        .batch_size(8)
        .prefetch(2)
        .metric(Metric::accuracy().between("class", "kind"))
        .metric(Metric::mean_absolute_error().between("length", "length"))
        .validation(validation)
        .ema(0.9)
        .checkpoints(Checkpoints::new(folder).every_steps(1))
        .quiet()
}

/// Fails after a batch.
struct Fails(usize);
impl Callback<f64> for Fails {
    fn batch_end(&mut self, _: &mut Moment<'_, f64>) -> CallbackResult {
        self.0 = self.0.wrapping_sub(1);
        if self.0 == 0 { Err("no more".into()) } else { Ok(()) }
    }
}

fn without_seconds(mut history: History) -> History {
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    history
}

#[test]
fn a_training_that_was_stopped_resumes_bit_for_bit_with_its_parts() {
    let (training, validation) = (data(40, 1), data(20, 2));
    let (straight, mut whole) = (folder("straight"), model());
    let expected = without_seconds(trainer(&validation, &straight).fit(&mut whole, &training).unwrap());
    assert_eq!(expected.parts, ["class", "length"]);
    let last = &expected.epochs[2];
    assert_eq!((last.parts.len(), last.validation_parts.len(), last.metrics.len()), (2, 2, 2));
    for batches in [1, 3, 5, 6, 9, 14] {
        let folder = folder("stopped");
        let error = trainer(&validation, &folder).callback(Fails(batches)).fit(&mut model(), &training).unwrap_err();
        assert!(error.to_string().contains("no more"));
        let mut again = model();
        let resumed = trainer(&validation, &folder).callback(Fails(0)).resume(&mut again, &training).unwrap();
        assert_eq!(without_seconds(resumed), expected, "stopped after batch {batches}");
        assert_eq!(bits(&again), bits(&whole), "stopped after batch {batches}");
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::remove_dir_all(straight).unwrap();
}

#[test]
fn a_history_shows_the_parts() {
    let (training, validation) = (data(40, 1), data(20, 2));
    let mut trainer = Trainer::new(loss(), Sgd::new(0.05)).epochs(2).validation(&validation).quiet();
    let history = trainer.fit(&mut model(), &training).unwrap();
    let csv = history.to_csv();
    let head = "epoch,loss,class,length,validation_loss,validation_class,validation_length,learning_rate,seconds";
    assert_eq!(csv.lines().next(), Some(head));
    // 40 samples, of which 8 have no label: the class is a mean over 32.
    let found = trainer.evaluate(&model(), &training).unwrap();
    let outputs = trainer.predict_fields(&model(), &training.all().inputs).unwrap();
    let tape = autograd::Tape::new();
    let kinds = training.all().targets.integers("kind").unwrap().clone();
    let class =
        CrossEntropy::new().loss(tape.constant(outputs.numbers("class").unwrap().clone()), &Target::Labels(kinds));
    assert!((found.parts[0].1 - class.unwrap().item()).abs() < 1e-14, "{found:?}");
}

#[test]
fn data_sets_of_several_fields_are_combined_and_loaded() {
    let (a, b) = (data(5, 1), data(4, 2));
    let both = Concat::new(vec![&a, &b]);
    let picked = Subset::new(&both, vec![8, 0, 5]).unwrap();
    let found = picked.samples(0, &[0, 1, 2]).unwrap();
    let word = |data: &FieldDataset<f64>, i: usize| data.all().inputs.integers("word").unwrap().at(&[i]);
    assert_eq!(found.inputs.integers("word").unwrap().to_vec(), [word(&b, 3), word(&a, 0), word(&b, 0)]);
    assert_eq!(found.inputs.booleans("seen").unwrap().shape(), [3, 4]);
    let loader = DataLoader::new(&both, 4).unwrap().shuffle(1);
    let plain: Vec<_> = loader.epoch_samples(2).map(|samples| samples.unwrap()).collect();
    let fetched = loader
        .prefetched_samples(Position { epoch: 2, batch: 0 }, 2, |all| all.map(|s| s.unwrap()).collect::<Vec<_>>());
    assert_eq!((plain.len(), &plain), (3, &fetched));
    assert_ne!(a.digest().unwrap(), b.digest().unwrap());
    let doubled = Augmented::new(&a, 0).of("context").then(|x: Tensor<f64>, _: &mut Rng| Ok(x * 2.0));
    let context = doubled.samples(0, &[1]).unwrap().inputs.numbers("context").unwrap().clone();
    assert_eq!(context, a.all().inputs.numbers("context").unwrap().slice_axis(0, 1..2) * 2.0);
    let error = loader.epoch(0).next().unwrap().unwrap_err();
    assert!(matches!(error, DataError::NoBatchOfOne { .. }), "{error}");
    let odd = FieldDataset::new(Fields::new().with("word", tensor![1_i64]), Fields::new()).unwrap();
    let error = Concat::new(vec![&a, &odd]).samples(0, &[0, 5]).unwrap_err();
    assert!(matches!(error, DataError::Unlike { .. }), "{error}");
}

/// The error of a step on this batch.
fn refused(batch: Samples<f64>) -> String {
    for replays in [false, true] {
        let step = TrainStep::new(0);
        let (mut step, mut model) = (if replays { step.replaying() } else { step }, model());
        let mut sgd = Sgd::new(0.1);
        for k in 0..3 {
            step.run(&mut model, &loss(), &mut sgd, samples(6, k)).unwrap();
        }
        let before = bits(&model);
        let error = step.run(&mut model, &loss(), &mut sgd, &batch).unwrap_err().to_string();
        assert_eq!(bits(&model), before, "the model is unchanged");
        step.run(&mut model, &loss(), &mut sgd, samples(6, 9)).unwrap();
        if replays {
            return error;
        }
    }
    unreachable!()
}

fn says(batch: Samples<f64>, words: &[&str]) {
    let error = refused(batch);
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn a_batch_that_does_not_fit_is_refused_by_name() {
    let Samples { inputs, targets, .. } = samples(6, 1);
    let with = |inputs: Fields<f64>| Samples::new(inputs, targets.clone());
    let without = |name: &str| {
        inputs
            .iter()
            .filter(|(own, _)| *own != name)
            .fold(Fields::new(), |all, (name, field)| all.with(name.to_owned(), field.clone()))
    };
    says(with(without("seen")), &["no input `seen`", "`word` (integers [6])", "`context` (numbers [6, 4])"]);
    says(with(inputs.clone().with("age", tensor![1.0])), &["neither the model nor the loss reads the input `age`"]);
    says(
        with(without("word").with("word", Tensor::<f64>::zeros(&[6]))),
        &["the input `word` is numbers [6], not integers"],
    );
    says(
        with(without("seen").with("seen", Tensor::<f64>::zeros(&[6, 4]))),
        &["`seen` is numbers [6, 4], not booleans"],
    );
    says(with(without("word").with("word", tensor![1_i64, 2, 3, 4, 5, 7])), &["Embedding(7, 4)", "7"]);
    says(with(without("context").with("context", Tensor::<f64>::zeros(&[6, 3]))), &["context", "[6, 3]"]);
    let no_length = Fields::new().with("kind", targets.integers("kind").unwrap().clone());
    says(Samples::new(inputs.clone(), no_length), &["no target `length`", "`kind` (integers [6])"]);
    let floats = targets.numbers("length").unwrap().clone();
    let labels = Fields::new().with("kind", floats.clone()).with("length", floats);
    says(Samples::new(inputs.clone(), labels), &["cross_entropy"]);
}

#[test]
fn a_shape_that_does_not_fit_is_an_error_and_not_a_panic() {
    let error = std::panic::catch_unwind(|| {
        let mut batch = samples(6, 1);
        batch.inputs = inputs(6, 1);
        TrainStep::new(0)
            .gradients(&nn::layer::Mlp::new(&[4, 2]).build::<f64>(), &Mse::new(), &batch)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    });
    let error = error.unwrap();
    assert!(error.contains("expected one input, got 3") && error.contains("`seen` (booleans [6, 4])"), "{error}");
}

#[test]
fn parts_of_a_loss_must_be_finite_scalars_with_names_of_their_own() {
    let of = |loss: &dyn Loss<f64>| {
        TrainStep::new(0).gradients(&model(), loss, samples(6, 1)).map(|_| ()).unwrap_err().to_string()
    };
    let nan = custom(|y: &Vars<'_, f64>, _| {
        let class = y.numbers("class")?;
        Ok(Parts::new().part("fine", 1.0, class.mean()).part("root", 1.0, (class.square() * -1.0 - 1.0).sqrt().mean()))
    });
    let error = of(&nan);
    assert!(error.contains("the part `root` of the loss is NaN") && error.contains("sqrt"), "{error}");
    let vector = custom(|y: &Vars<'_, f64>, _| Ok(Parts::new().part("all", 1.0, y.numbers("class")?)));
    assert!(of(&vector).contains("the part `all` of the loss must be a scalar"), "{}", of(&vector));
    let twice = custom(|y: &Vars<'_, f64>, _| {
        let mean = y.numbers("class")?.mean();
        Ok(Parts::new().part("same", 1.0, mean).part("same", 1.0, mean))
    });
    assert!(of(&twice).contains("the part `same` of the loss is given twice"));
    let weight = custom(|y: &Vars<'_, f64>, _| Ok(Parts::new().part("one", f64::NAN, y.numbers("class")?.mean())));
    assert!(of(&weight).contains("the weight of the part `one` of the loss is NaN"));
    let none = custom(|_: &Vars<'_, f64>, _| Ok(Parts::new()));
    assert!(of(&none).contains("the loss has no parts"));
    let error = of(&Mse::new());
    assert!(error.contains("expected one output, got 2: `class` (numbers [6, 3])"), "{error}");
}

#[test]
fn evaluation_and_prediction_say_what_does_not_fit() {
    let data = data(10, 1);
    let error = evaluate(&model(), &loss(), &[Metric::accuracy()], &data, 4).unwrap_err().to_string();
    assert!(error.contains("say which by Metric::between") && error.contains("`length` (numbers [4, 1])"), "{error}");
    let metric = Metric::accuracy().between("class", "sort");
    let error = evaluate(&model(), &loss(), &[metric], &data, 4).unwrap_err().to_string();
    assert!(error.contains("no target `sort`"), "{error}");
    let uneven = inputs(6, 1).with("age", Tensor::<f64>::zeros(&[5]));
    let error = predict_fields(&model(), &uneven, 4).unwrap_err().to_string();
    assert!(error.contains("`age` (numbers [5])") && error.contains("6 samples"), "{error}");
    let other = FieldDataset::new(Fields::new().with("word", tensor![1_i64]), Fields::new()).unwrap();
    let error =
        Trainer::new(loss(), Sgd::new(0.1)).validation(&other).fit(&mut model(), &data).unwrap_err().to_string();
    assert!(error.contains("validation samples have") && error.contains("`seen` (booleans [4])"), "{error}");
    let uneven =
        FieldDataset::<f64>::new(Fields::new().with("a", tensor![1_i64]).with("b", tensor![1.0, 2.0]), Fields::new());
    assert!(
        uneven.unwrap_err().to_string().contains("`b` (numbers [2]) does not have one row for each of the 1 samples")
    );
}

#[test]
fn outputs_are_predicted_in_batches() {
    let model = model();
    let inputs = inputs(10, 1);
    let (whole, parts) = (predict_fields(&model, &inputs, 100).unwrap(), predict_fields(&model, &inputs, 3).unwrap());
    for name in ["class", "length"] {
        let apart = whole.numbers(name).unwrap() - parts.numbers(name).unwrap();
        assert!(apart.abs().max().item() < 1e-14);
    }
}

/// Models and modules behind pointers.
#[test]
fn a_trait_object_trains_as_its_model_does() {
    let batch = Batch { inputs: Tensor::ones(&[4, 2]), targets: Target::Values(Tensor::<f64>::ones(&[4, 1])) };
    let mut module: Box<dyn Module<f64>> = Box::new(Linear::new(2, 1, &mut Rng::new(0)));
    let mut plain = Linear::new(2, 1, &mut Rng::new(0));
    let (mut a, mut b) = (Sgd::new(0.1), Sgd::new(0.1));
    let x = TrainStep::new(0).run(&mut *module, &Mse::new(), &mut a, &batch).unwrap();
    let y = TrainStep::new(0).run(&mut plain, &Mse::new(), &mut b, &batch).unwrap();
    assert_eq!((x.loss, bits(&*module)), (y.loss, bits(&plain)));
    let mut several: Box<dyn Model<f64>> = Box::new(model());
    TrainStep::new(0).run(&mut *several, &loss(), &mut Sgd::new(0.1), samples(6, 1)).unwrap();
}

/// The loss of a sum of parts that count different samples is the sum of their means, in batches of any size.
#[test]
fn the_reported_sum_does_not_depend_on_the_batch_size() {
    let outputs = tensor![[0.2, -0.1], [1.0, 0.3], [-0.5, 0.4], [0.0, 2.0], [0.7, 0.7], [-1.0, 0.1]];
    let loss =
        |class: CrossEntropy| WeightedSum::new().part("class", 2.0, class).part("again", 0.5, CrossEntropy::new());
    let weighted = CrossEntropy::new().weight(&[0.1, 3.0]);
    for (class, labels) in [
        (weighted.clone(), tensor![0_i64, 1, 1, 0, 0, 0]),
        (CrossEntropy::new(), tensor![0_i64, IGNORED, IGNORED, 1, IGNORED, 0]),
        (weighted, tensor![IGNORED, 1, IGNORED, IGNORED, 0, 0]),
    ] {
        let data = nn::data::TensorDataset::new(outputs.clone(), Target::Labels(labels)).unwrap();
        let found = |size| evaluate(&nn::layer::Activation::Identity, &loss(class.clone()), &[], &data, size).unwrap();
        let whole = found(6);
        assert_eq!(whole.loss, 2.0 * whole.parts[0].1 + 0.5 * whole.parts[1].1);
        for size in [1, 2, 3, 4] {
            let parts = found(size);
            assert!((parts.loss - whole.loss).abs() < 1e-15, "batches of {size}: {}, {}", parts.loss, whole.loss);
        }
    }
}
