//! Training with products of rounded operands: it learns as in full precision, resumes and replays bit for bit, and
//! continues after overflows.

use autograd::{Precision, Rng, Tensor, Var, tensor};
use nn::data::{Batch, Dataset, TensorDataset, digits};
use nn::distributed::on_threads;
use nn::layer::{Activation, TransformerEncoderLayer, TransformerOptions, Unflatten};
use nn::layer::{Conv2d, Embedding, Flatten, LayerNorm, Linear, Masks, MaxPool2d, Mlp, Sequential};
use nn::loss::{CrossEntropy, Mse, Target, WeightedSum};
use nn::metric::Metric;
use nn::optim::{Adam, Lbfgs, Sgd};
use nn::train::{Checkpoints, EarlyStopping, History, LossScaling, LrRange, TrainError, TrainStep, Trainer};
use nn::{Module, Param, Pass, parameters, state_dict};

/// A LeNet for images of 8 by 8.
fn lenet(seed: u64) -> Sequential<f32> {
    let rng = &mut Rng::new(seed);
    Sequential::new()
        .then(Unflatten::new(1, &[1, 8, 8]))
        .then(Conv2d::new(1, 6, 3, rng).padding(1))
        .then(Activation::Relu)
        .then(MaxPool2d::new(2))
        .then(Conv2d::new(6, 16, 3, rng))
        .then(Activation::Relu)
        .then(Flatten::new())
        .then(Linear::new(16 * 2 * 2, 84, rng))
        .then(Activation::Relu)
        .then(Linear::new(84, 10, rng))
}

/// Trains a LeNet for some epochs: the history, and the accuracy on held-out images.
fn train_lenet(precision: Precision, epochs: usize, seed: u64) -> (History, f64) {
    let (training, test) = digits::<f32>().split(0.8, 1).unwrap();
    let mut model = lenet(seed);
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(3e-3)).epochs(epochs).seed(seed).quiet();
    trainer = trainer.precision(precision).metric(Metric::accuracy());
    if precision == Precision::F16 {
        trainer = trainer.loss_scaling(LossScaling::default());
    }
    let history = trainer.fit(&mut model, &training).unwrap();
    assert!(history.notes.iter().all(|note| note.contains("the scale of the loss")), "{:?}", history.notes);
    (history, trainer.evaluate(&model, &test).unwrap().metrics[0])
}

/// The bound of docs/training.md: 1.5 percentage points of accuracy, and a tenth of the loss.
#[test]
fn a_lenet_learns_as_much() {
    let (full, accuracy) = train_lenet(Precision::Full, 6, 1);
    assert!(accuracy > 0.93, "{accuracy}");
    for precision in [Precision::Bf16, Precision::F16] {
        let (history, found) = train_lenet(precision, 6, 1);
        assert!((found - accuracy).abs() <= 0.015, "{precision:?}: {found}, not {accuracy}");
        let losses = [&full, &history].map(|history| history.epochs.last().unwrap().loss);
        assert!((losses[0] - losses[1]).abs() <= 0.1 * losses[0], "{precision:?}: {losses:?}");
        assert_ne!(losses[0], losses[1], "something is rounded");
    }
}

/// A GPT of one block: it predicts each character from those before it.
struct Gpt {
    token: Embedding<f32>,
    place: Param<f32>,
    block: TransformerEncoderLayer<f32>,
    norm: LayerNorm<f32>,
    head: Linear<f32>,
}

parameters! { impl Parameters<f32> for Gpt { token, place, block, norm, head } }

const LENGTH: usize = 24;
const WIDTH: usize = 32;

impl Gpt {
    fn new(symbols: usize, seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let options = TransformerOptions {
            feedforward: 4 * WIDTH,
            activation: Activation::Gelu,
            dropout: 0.0,
            norm_first: true,
            batch_first: true,
            ..TransformerOptions::default()
        };
        Gpt {
            token: Embedding::new(symbols, WIDTH, rng),
            place: Param::new(Tensor::randn(&[LENGTH, WIDTH], rng) * 0.02),
            block: TransformerEncoderLayer::new(WIDTH, 4, options, rng),
            norm: LayerNorm::new(&[WIDTH]),
            head: Linear::new(WIDTH, symbols, rng),
        }
    }
}

impl Module<f32> for Gpt {
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        let x = self.token.forward(x, pass) + pass.var(&self.place);
        let x = self.norm.forward(self.block.encode(x, Masks::causal(), pass), pass);
        let shape = x.shape();
        self.head.forward(x.reshape(&[shape[0] * shape[1], WIDTH]), pass)
    }
}

/// The mean loss of the last steps on a text in which some words follow others.
fn train_gpt(precision: Precision, steps: usize) -> f64 {
    let rng = &mut Rng::new(7);
    let words = ["the chain rule ", "the tape ", "a node ", "records ", "a gradient ", "of the loss. "];
    let text: String = (0..600).map(|_| words[rng.below(words.len())]).collect();
    let mut symbols: Vec<u8> = text.bytes().collect();
    symbols.sort_unstable();
    symbols.dedup();
    let code: Vec<i64> = text.bytes().map(|c| symbols.binary_search(&c).unwrap() as i64).collect();
    let mut model = Gpt::new(symbols.len(), 3);
    let mut step = TrainStep::new(0).precision(precision).replaying();
    let (mut adam, mut losses) = (Adam::new(3e-3), Vec::new());
    for _ in 0..steps {
        let starts: Vec<usize> = (0..16).map(|_| rng.below(code.len() - LENGTH - 1)).collect();
        let window =
            |from: usize| -> Vec<i64> { starts.iter().flat_map(|&s| code[s + from..][..LENGTH].to_vec()).collect() };
        let inputs = Tensor::new(&[16, LENGTH], window(0).into_iter().map(|c| c as f32).collect());
        let batch = Batch { inputs, targets: Target::Labels(window(1).into_iter().collect()) };
        losses.push(f64::from(step.run(&mut model, &CrossEntropy::new(), &mut adam, &batch).unwrap().loss));
    }
    assert_eq!(step.recorded_because(), None);
    losses[steps - 20..].iter().sum::<f64>() / 20.0
}

/// The bound of docs/training.md: 2 percent of the loss.
#[test]
fn a_gpt_learns_as_much() {
    let full = train_gpt(Precision::Full, 150);
    assert!(full < 1.2, "{full}: it has learned the words");
    for precision in [Precision::Bf16, Precision::F16] {
        let loss = train_gpt(precision, 150);
        assert!((loss - full).abs() <= 0.02 * full, "{precision:?}: {loss}, not {full}");
        assert_ne!(loss, full, "something is rounded");
    }
}

/// Replayed and recorded, on any number of threads.
#[test]
fn a_run_has_the_same_bits_replayed_and_on_any_number_of_threads() {
    let data = digits::<f32>();
    let run = |threads, recorded| {
        autograd::set_threads(threads);
        let scaling = LossScaling { initial: 2f64.powi(30), growth_interval: 5 };
        let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.05)).epochs(1).batch_size(60).accumulate(2).quiet();
        let trainer = trainer.precision(Precision::F16).loss_scaling(scaling);
        let mut model = lenet(2);
        let history = if recorded { trainer.recorded() } else { trainer }.fit(&mut model, &data).unwrap();
        assert!(
            history.notes[0].contains("skipped, because the loss or a gradient was infinite"),
            "{:?}",
            history.notes
        );
        assert!(history.epochs[0].loss.is_finite());
        (history.notes, history.epochs[0].loss, state_dict(&model))
    };
    let first = run(1, false);
    for (threads, recorded) in [(2, false), (3, false), (1, true), (2, true)] {
        assert!(run(threads, recorded) == first, "{threads} threads, recorded: {recorded}");
    }
}

#[test]
fn a_scale_changes_no_bit_of_a_gradient() {
    let (training, _) = digits::<f32>().split(0.1, 1).unwrap();
    let batch = training.samples(0, &(0..50).collect::<Vec<_>>()).unwrap();
    let gradients = |step: TrainStep<f32>| {
        let (mut step, model) = (step, Mlp::new(&[64, 32, 10]).seed(1).build());
        let losses: Vec<f32> =
            (0..4).map(|_| step.gradients(&model, &CrossEntropy::new(), &batch).unwrap().loss).collect();
        (losses, step.param_gradients().iter().cloned().collect::<Vec<_>>())
    };
    let plain = gradients(TrainStep::new(0));
    let scaling = LossScaling { initial: 1024.0, growth_interval: 2 };
    assert!(gradients(TrainStep::new(0).loss_scaling(scaling)) == plain);
    assert!(gradients(TrainStep::new(0).loss_scaling(scaling).replaying()) == plain);
}

/// A cotangent that is 0 in half precision.
#[test]
fn a_scale_keeps_small_gradients() {
    let batch = Batch { inputs: tensor![[1.0_f32]], targets: Target::Values(tensor![[1e-8]]) };
    let gradient = |step: TrainStep<f32>| {
        let (mut step, mut model) =
            (step.precision(Precision::F16), Linear::new(1, 1, &mut Rng::new(0)).without_bias());
        model.weight.set(tensor![[0.0]]);
        step.gradients(&model, &Mse::new(), &batch).unwrap();
        step.param_gradients().get(0).unwrap().item()
    };
    assert_eq!(gradient(TrainStep::new(0)), 0.0);
    let scaled = gradient(TrainStep::new(0).loss_scaling(LossScaling::default()));
    assert!((scaled / -2e-8 - 1.0).abs() < 1e-3, "{scaled}");
}

/// One sample of the data is so large that products overflow, at every scale: its batches are skipped.
#[test]
fn a_model_that_overflows_is_reported_and_training_goes_on() {
    let inputs = Tensor::from_fn(&[64, 1], |at| if at[0] == 13 { 1e6 } else { at[0] as f32 / 64.0 });
    let targets = Target::Values(inputs.map(|x| if x > 1.0 { 0.0 } else { 3.0 * x - 1.0 }));
    let data = TensorDataset::new(inputs, targets).unwrap();
    let trainer = || Trainer::new(Mse::new(), Sgd::new(0.6)).epochs(12).batch_size(8).precision(Precision::F16).quiet();
    let model = || Linear::<f32>::new(1, 1, &mut Rng::new(0));

    let error = trainer().fit(&mut model(), &data).unwrap_err();
    assert!(matches!(error, TrainError::NonFinite { epoch: 1, .. }), "{error}");

    let mut learned = model();
    let scaling = LossScaling { initial: 16_384.0, growth_interval: 1_000 };
    let history = trainer().loss_scaling(scaling).fit(&mut learned, &data).unwrap();
    let note = "12 passes were skipped, because the loss or a gradient was infinite or NaN at its scale; the scale of the loss is 4 now";
    assert_eq!(history.notes, [note]);
    assert!(history.epochs.iter().all(|epoch| epoch.loss.is_finite()));
    assert!((learned.weight.value().item() - 3.0).abs() < 0.1, "{:?}", learned.weight.value());

    // Where no scale is left to try, it is an error, and names the operation.
    let scaling = LossScaling { initial: 4.0, growth_interval: 1_000 };
    let error = trainer().loss_scaling(scaling).fit(&mut model(), &data).unwrap_err().to_string();
    assert!(error.contains("epoch 3") && error.contains("first produced by"), "{error}");
}

/// An epoch of one batch, which overflows at first.
#[test]
fn an_epoch_in_which_all_batches_overflow_has_no_loss() {
    let folder = std::env::temp_dir().join(format!("nn-overflows-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let data = digits::<f32>();
    let trainer = |epochs| {
        let loss = WeightedSum::new().part("class", 1.0, CrossEntropy::new());
        let trainer = Trainer::new(loss, Sgd::new(0.1)).epochs(epochs).batch_size(data.len()).precision(Precision::F16);
        let scaling = LossScaling { initial: 2f64.powi(30), growth_interval: 2_000 };
        trainer.loss_scaling(scaling).tolerance(1e-6).early_stopping(EarlyStopping::default()).quiet()
    };
    let model = || Mlp::new(&[64, 10]).seed(1).build::<f32>();
    let whole = trainer(20).fit(&mut model(), &data).unwrap();
    // It is neither converged nor the best one.
    assert_eq!((whole.epochs.len(), whole.stopped.is_some(), whole.best().unwrap().epoch), (20, false, 20));
    let skipped = whole.epochs.iter().take_while(|epoch| epoch.loss.is_nan() && epoch.parts[0].is_nan()).count();
    assert!((2..15).contains(&skipped), "{:?}", whole.epochs);
    assert!(whole.epochs[skipped..].iter().all(|epoch| epoch.loss == epoch.parts[0] && epoch.loss > 0.0));

    let saved = |epochs| trainer(epochs).checkpoints(Checkpoints::new(&folder));
    for epochs in [2, skipped + 2] {
        let history = saved(epochs).resume(&mut model(), &data).unwrap();
        assert_eq!((history.epochs.len(), history.parts.as_slice()), (epochs, &["class".to_owned()][..]));
    }
    let history = saved(20).resume(&mut model(), &data).unwrap();
    assert_eq!(history.epochs[19].loss, whole.epochs[19].loss);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_range_test_averages_the_batches_that_did_not_overflow() {
    let data = digits::<f32>();
    let scaling = LossScaling { initial: 2f64.powi(30), growth_interval: 2_000 };
    let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).batch_size(data.len()).precision(Precision::F16);
    let range = LrRange { from: 1e-8, to: 1e-7, steps: 20 };
    let curve = trainer.loss_scaling(scaling).quiet().lr_find(&mut Mlp::new(&[64, 10]).build(), &data, range).unwrap();
    assert!((5..18).contains(&curve.losses.len()), "some overflow, at first: {curve:?}");
    // At such rates the loss stays where it is.
    let first = curve.losses[0];
    assert!(first > 1.0 && curve.losses.iter().all(|loss| (loss / first - 1.0).abs() < 1e-3), "{curve:?}");
}

#[test]
fn a_run_resumes_bit_for_bit_with_its_scale_and_only_with_its_settings() {
    let folder = std::env::temp_dir().join(format!("nn-precision-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let data = digits::<f32>();
    let trainer = |epochs, precision, initial| {
        let scaling = LossScaling { initial, growth_interval: 7 };
        let trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-2)).epochs(epochs).batch_size(200).quiet();
        trainer.precision(precision).loss_scaling(scaling)
    };
    let model = || Mlp::new(&[64, 16, 10]).dropout(0.1).seed(1).build::<f32>();
    let scale = 2f64.powi(27);
    let (mut straight, mut resumed) = (model(), model());
    let whole = trainer(4, Precision::F16, scale).fit(&mut straight, &data).unwrap();
    let saved = |epochs, precision, scale| trainer(epochs, precision, scale).checkpoints(Checkpoints::new(&folder));
    saved(2, Precision::F16, scale).fit(&mut model(), &data).unwrap();
    for (precision, initial, what) in
        [(Precision::Bf16, scale, "precision of products is F16"), (Precision::F16, 2.0, "scaling of the loss is")]
    {
        let error = saved(4, precision, initial).resume(&mut model(), &data).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let history = saved(4, Precision::F16, scale).resume(&mut resumed, &data).unwrap();
    assert_eq!(history.notes, whole.notes);
    assert!(whole.notes[0].contains("the scale of the loss is"), "{:?}", whole.notes);
    assert!(state_dict(&straight) == state_dict(&resumed));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_does_not_go_together_is_refused() {
    let data = digits::<f32>();
    let scaled = LossScaling::default();
    let search = Trainer::new(CrossEntropy::new(), Lbfgs::new(1.0)).batch_size(data.len()).loss_scaling(scaled);
    let error = search.quiet().fit(&mut Mlp::new(&[64, 10]).build(), &data).unwrap_err().to_string();
    assert!(error.contains("do not scale the loss"), "{error}");
    let errors = on_threads(2, |rank| {
        let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).loss_scaling(scaled).quiet();
        trainer.distributed(rank).fit(&mut Mlp::new(&[64, 10]).build(), &data).unwrap_err().to_string()
    });
    assert!(errors[0].contains("the scale of the loss is that of one process"), "{errors:?}");
    let different = on_threads(2, |rank| {
        let precision = [Precision::Full, Precision::Bf16][nn::distributed::Collective::rank(&rank)];
        let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).precision(precision).quiet();
        trainer.distributed(rank).fit(&mut Mlp::new(&[64, 10]).build(), &data).unwrap_err().to_string()
    });
    assert!(
        different[0].contains("the precision of products of rank 1 is Bf16, but that of rank 0 is Full"),
        "{different:?}"
    );
}
