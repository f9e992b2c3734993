//! Replayed training equals recorded training, bit for bit. What cannot be replayed is detected and recorded.

use autograd::{Float, Result, Rng, Tensor, Var, tensor};
use nn::data::{Batch, TensorDataset};
use nn::layer::{
    BatchNorm1d, Conv2d, Dropout, Embedding, Flatten, Linear, Lstm, MaxPool2d, Sequential, TransformerEncoderLayer,
    TransformerOptions, Unflatten,
};
use nn::loss::{CrossEntropy, Loss, Mse, MultiMargin, Nll, Reduction, Target, Targets};
use nn::optim::{Adam, Sgd};
use nn::train::{TrainStep, Trainer};
use nn::{Module, Param, Parameters, Pass, parameters};
use std::sync::{Arc, Mutex};

fn values<T: Float>(model: &dyn Module<T>) -> Vec<Vec<f64>> {
    let mut all = Vec::new();
    model.visit(&mut nn::Path::default(), &mut |_, p| all.push(p.value().iter().map(|x| x.f64()).collect()));
    all
}

/// Runs recorded and replayed steps side by side, on different batches.
fn compare<M: Module<f64>>(make: impl Fn() -> M, loss: &dyn Loss<f64>, batches: &[Batch<f64>]) -> TrainStep<f64> {
    let (mut a, mut b) = (make(), make());
    let (mut recorded, mut replayed) = (TrainStep::new(7), TrainStep::new(7).replaying());
    let (mut one, mut two) = (Adam::new(0.01), Adam::new(0.01));
    for (k, batch) in batches.iter().enumerate() {
        let x = recorded.run(&mut a, loss, &mut one, batch).unwrap();
        let y = replayed.run(&mut b, loss, &mut two, batch).unwrap();
        assert_eq!((x.loss, &x.output), (y.loss, &y.output), "step {k}");
        assert_eq!(values(&a), values(&b), "step {k}");
    }
    replayed
}

fn labeled(rows: usize, k: u64) -> Batch<f64> {
    let mut rng = Rng::new(k);
    let labels = (0..rows).map(|_| rng.below(3) as i64).collect();
    Batch { inputs: Tensor::randn(&[rows, 5], &mut rng), targets: Target::Labels(labels) }
}

#[test]
fn dropout_statistics_labels_and_two_shapes() {
    let make = || {
        let rng = &mut Rng::new(1);
        Sequential::new()
            .then(Linear::new(5, 8, rng))
            .then(BatchNorm1d::new(8))
            .then(nn::layer::Activation::Relu)
            .then(Dropout::new(0.4))
            .then(Linear::new(8, 3, rng))
    };
    let batches: Vec<_> = (0..12).map(|k| labeled(if k % 3 == 2 { 4 } else { 6 }, k)).collect();
    let step = compare(make, &CrossEntropy::new(), &batches);
    assert_eq!((step.programs(), step.recorded_because()), (2, None));
}

/// One batch norm on two branches.
struct Twin(BatchNorm1d<f64>);
impl Parameters<f64> for Twin {
    fn visit(&self, path: &mut nn::Path, f: &mut dyn FnMut(&str, &Param<f64>)) {
        self.0.visit(path, f);
    }
    fn visit_mut(&mut self, path: &mut nn::Path, f: &mut dyn FnMut(&str, &mut Param<f64>)) {
        self.0.visit_mut(path, f);
    }
}
impl Module<f64> for Twin {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        let [left, right] = [0, 1].map(|c| self.0.forward(x.slice(1, c..c + 1), pass));
        left - right
    }
}

/// Means of 2.75 and 30, in each of three steps.
#[test]
fn statistics_of_a_layer_called_twice() {
    let inputs = tensor![[1.0, 10.0], [2.0, 30.0], [3.0, 20.0], [5.0, 60.0]];
    let batch = Batch { inputs, targets: Target::Values(Tensor::ones(&[4, 1])) };
    let step = compare(|| Twin(BatchNorm1d::new(1).momentum(None)), &Mse::new(), &vec![batch.clone(); 3]);
    assert_eq!((step.programs(), step.recorded_because()), (1, None));
    for mut step in [TrainStep::new(0), TrainStep::new(0).replaying()] {
        let mut twin = Twin(BatchNorm1d::new(1).momentum(None));
        (0..3).for_each(|_| drop(step.run(&mut twin, &Mse::new(), &mut Sgd::new(0.1), &batch).unwrap()));
        let running = twin.0.running.unwrap();
        assert!((running.mean.value().at(&[0]) - 16.375).abs() < 1e-13);
        assert_eq!(running.batches.value().item(), 6.0);
    }
}

#[test]
fn numbers_as_targets_and_indices_as_inputs() {
    let make = || {
        let rng = &mut Rng::new(2);
        Sequential::new().then(Embedding::new(7, 4, rng)).then(Flatten::default()).then(Linear::new(8, 2, rng))
    };
    let batch = |k: u64| {
        let mut rng = Rng::new(k);
        let rows = Tensor::from_fn(&[3, 2], |_| rng.below(7) as f64);
        Batch { inputs: rows, targets: Target::Values(Tensor::randn(&[3, 2], &mut rng)) }
    };
    let step = compare(make, &Mse::new(), &(0..6).map(batch).collect::<Vec<_>>());
    assert_eq!((step.programs(), step.recorded_because()), (1, None));
}

/// Multiplies by the mean of its input, computed outside the tape.
struct Secretive {
    scale: Param<f64>,
}
parameters! { impl Parameters<f64> for Secretive { scale } }
impl Module<f64> for Secretive {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        x * pass.var(&self.scale) * x.value().mean().item()
    }
}

#[test]
fn a_layer_that_computes_beside_the_tape_is_found_out() {
    let batch = |k: u64| Batch {
        inputs: Tensor::randn(&[4, 2], &mut Rng::new(k)),
        targets: Target::Values(Tensor::randn(&[4, 2], &mut Rng::new(k + 100))),
    };
    let batches: Vec<_> = (0..5).map(batch).collect();
    let step = compare(|| Secretive { scale: Param::new(tensor![1.0, 2.0]) }, &Mse::new(), &batches);
    assert_eq!(step.programs(), 0);
    assert!(step.recorded_because().unwrap().contains("was read at"));
}

#[test]
fn a_loss_that_computes_beside_the_tape_is_recorded() {
    fn shifted<'t>(y: Var<'t, f64>, targets: &Targets<'t, f64>) -> Result<Var<'t, f64>> {
        Ok((y - y.tape().constant(targets.values("shifted")?.value() + 1.0)).square().mean())
    }
    let batch = |k: u64| Batch {
        inputs: Tensor::randn(&[4, 2], &mut Rng::new(k)),
        targets: Target::Values(Tensor::randn(&[4, 2], &mut Rng::new(k + 100))),
    };
    let batches: Vec<_> = (0..4).map(batch).collect();
    let step = compare(|| Linear::new(2, 2, &mut Rng::new(3)), &shifted, &batches);
    assert!(step.recorded_because().unwrap().contains("was read at"));
}

#[test]
fn the_trainer_replays_by_itself_and_says_when_it_cannot() {
    let data = || {
        let mut rng = Rng::new(5);
        let x = Tensor::<f64>::randn(&[50, 5], &mut rng);
        TensorDataset::new(x, Target::Labels((0..50).map(|_| rng.below(3) as i64).collect())).unwrap()
    };
    let make = || Sequential::new().then(Linear::new(5, 3, &mut Rng::new(6))).then(Dropout::new(0.2));
    let trainer =
        || Trainer::new(CrossEntropy::new(), Sgd::new(0.1).momentum(0.9)).epochs(3).batch_size(8).l2(1e-3).quiet();
    let (mut a, mut b) = (make(), make());
    let replayed = trainer().fit(&mut a, &data()).unwrap();
    let recorded = trainer().recorded().fit(&mut b, &data()).unwrap();
    assert_eq!(values(&a), values(&b));
    let losses = |h: &nn::train::History| h.epochs.iter().map(|e| e.loss).collect::<Vec<_>>();
    assert_eq!((losses(&replayed), replayed.notes.len()), (losses(&recorded), 0));

    let mut odd = Secretive { scale: Param::new(tensor![1.0, 2.0]) };
    let x = Tensor::<f64>::randn(&[20, 2], &mut Rng::new(7));
    let data = TensorDataset::new(x.clone(), Target::Values(x)).unwrap();
    let history =
        Trainer::new(Mse::new(), Sgd::new(0.01)).epochs(2).batch_size(5).quiet().fit(&mut odd, &data).unwrap();
    assert!(history.notes[0].contains("recorded, not replayed"), "{:?}", history.notes);
}

#[test]
fn a_step_that_goes_wrong_is_named_as_if_it_had_been_recorded() {
    let batch = |x: f64| Batch { inputs: tensor![[x, 1.0]], targets: Target::Values(tensor![[0.0, 0.0]]) };
    let (mut model, mut sgd) = (Linear::<f64>::new(2, 2, &mut Rng::new(3)), Sgd::new(0.01));
    let mut step = TrainStep::new(0).replaying();
    for _ in 0..4 {
        step.run(&mut model, &Mse::new(), &mut sgd, &batch(1.0)).unwrap();
    }
    assert_eq!(step.programs(), 1);
    let before = values(&model);
    for (x, what) in
        [(1e200, "the loss is inf, first produced by "), (f64::INFINITY, "the input `x` is inf in sample 0")]
    {
        let error = step.run(&mut model, &Mse::new(), &mut sgd, &batch(x)).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    assert_eq!(values(&model), before);
    step.run(&mut model, &Mse::new(), &mut sgd, &batch(1.0)).unwrap();
}

#[test]
fn a_label_that_is_ignored_may_come_late() {
    let make = || Linear::new(5, 3, &mut Rng::new(8));
    let batch = |k: u64| Batch {
        inputs: Tensor::randn(&[4, 5], &mut Rng::new(k)),
        targets: Target::Labels(if k < 4 { tensor![0_i64, 1, 1, 0] } else { tensor![2_i64, 1, 0, 2] }),
    };
    let batches: Vec<_> = (0..8).map(batch).collect();
    let step = compare(make, &CrossEntropy::new().ignore_index(2), &batches);
    assert_eq!((step.programs(), step.recorded_because()), (1, None));
}

/// Scales by a setting that a callback, or a clock, changes outside the tape.
struct Annealed {
    weight: Param<f64>,
    size: Arc<Mutex<f64>>,
}
parameters! { impl Parameters<f64> for Annealed { weight } }
impl Module<f64> for Annealed {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        x * pass.var(&self.weight) * *self.size.lock().unwrap()
    }
}

/// A setting that changes at the end of an epoch is noticed at the start of the next; later steps are all recorded.
#[test]
fn a_setting_that_changes_between_epochs_is_not_frozen() {
    let x = Tensor::<f64>::randn(&[80, 2], &mut Rng::new(7));
    let data = TensorDataset::new(x.clone(), Target::Values(x)).unwrap();
    let fit = |recorded: bool| {
        let size = Arc::new(Mutex::new(1.0));
        let mut model = Annealed { weight: Param::new(tensor![0.3, 2.0]), size: size.clone() };
        let trainer = Trainer::new(Mse::new(), Sgd::new(0.01)).epochs(4).batch_size(2).quiet();
        let mut trainer = trainer.on_epoch_end(move |at| *size.lock().unwrap() = 1.0 / at.epoch() as f64);
        if recorded {
            trainer = trainer.recorded();
        }
        let history = trainer.fit(&mut model, &data).unwrap();
        (values(&model), history.notes)
    };
    let ((replayed, notes), (recorded, _)) = (fit(false), fit(true));
    assert_eq!(replayed, recorded);
    assert!(notes[0].contains("one of their settings has changed"), "{notes:?}");
}

/// Networks with many zeros of both signs, whose gradients a rectifier, a pool or a penalty omits.
#[test]
fn zeros_keep_their_signs() {
    let network = |kind: usize| -> Sequential<f64> {
        let rng = &mut Rng::new(4);
        let linear = |inputs, rng: &mut Rng| Linear::new(inputs, 3, rng);
        match kind {
            0 => Sequential::new()
                .then(Unflatten::new(1, &[1, 6, 6]))
                .then(Conv2d::new(1, 2, 3, rng))
                .then(nn::layer::Activation::Relu)
                .then(MaxPool2d::new(2))
                .then(Flatten::default())
                .then(linear(8, rng)),
            1 => Sequential::new()
                .then(Unflatten::new(1, &[6, 6]))
                .then(Lstm::new(6, 4, rng))
                .then(Flatten::default())
                .then(linear(24, rng)),
            _ => Sequential::new()
                .then(Unflatten::new(1, &[6, 6]))
                .then(TransformerEncoderLayer::new(
                    6,
                    2,
                    TransformerOptions { feedforward: 8, ..Default::default() },
                    rng,
                ))
                .then(Flatten::default())
                .then(linear(36, rng)),
        }
    };
    let x = Tensor::<f64>::randn(&[60, 36], &mut Rng::new(5)).relu();
    let data = TensorDataset::new(x, Target::Labels((0..60).map(|i| i % 3).collect())).unwrap();
    for kind in 0..3 {
        let fit = |trainer: Trainer<'_, f64>| {
            let mut model = network(kind);
            let history = trainer.epochs(2).batch_size(6).l1(1e-3).quiet().fit(&mut model, &data).unwrap();
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            (values(&model).into_iter().map(bits).collect::<Vec<_>>(), history.notes)
        };
        let trainer = || Trainer::new(CrossEntropy::new(), Sgd::new(0.1).momentum(0.9));
        let (replayed, notes) = fit(trainer());
        assert_eq!(notes, [""; 0], "{kind}");
        assert_eq!(replayed, fit(trainer().recorded()).0, "{kind}");
    }
}

#[test]
fn labels_that_are_copied_or_ignored_are_not_frozen() {
    // The first two batches have the same labels, the later ones do not.
    let labels = [[0_i64, 1, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 0, 1]];
    let ignoring = [[0_i64, -100, 1], [0, -100, 1], [-100, 1, 0], [1, 0, -100], [-100, -100, -100]];
    let batches = |labels: [[i64; 3]; 5]| {
        let batch = |(k, labels): (usize, [i64; 3])| Batch {
            inputs: Tensor::<f64>::randn(&[3, 2], &mut Rng::new(k as u64)),
            targets: Target::Labels(labels.into_iter().collect()),
        };
        labels.into_iter().enumerate().map(batch).collect::<Vec<_>>()
    };
    let model = || Linear::new(2, 2, &mut Rng::new(3));
    let replayed = |loss: &dyn Loss<f64>, labels| {
        let step = compare(model, loss, &batches(labels));
        assert_eq!((step.programs(), step.recorded_because()), (1, None), "{}", loss.describe());
    };
    let weight = &[1.0, 2.0];
    replayed(&MultiMargin::new().weight(weight), labels);
    for labels in [labels, ignoring] {
        replayed(&Nll::new(), labels);
        replayed(&Nll::new().weight(weight), labels);
        replayed(&CrossEntropy::new(), labels);
        replayed(&CrossEntropy::new().weight(weight).label_smoothing(0.1), labels);
        replayed(&CrossEntropy::new().reduction(Reduction::Sum), labels);
        replayed(&CrossEntropy::new().reduction(Reduction::BatchMean), labels);
    }
    let custom = labels.map(|row| row.map(|label| if label == 0 { 7 } else { label }));
    replayed(&Nll::new().ignore_index(7), custom);
}

#[test]
fn a_factor_that_changes_late_is_found_out_and_said() {
    /// Doubles the loss from the fourth recording on.
    struct Late(Mutex<u32>);
    impl Loss<f64> for Late {
        fn record<'t>(&self, y: Var<'t, f64>, targets: &Targets<'t, f64>) -> Result<Var<'t, f64>> {
            let mut count = self.0.lock().unwrap();
            *count += 1;
            Ok((y - targets.values("late")?).square().mean() * if *count > 3 { 2.0 } else { 1.0 })
        }
    }
    let loss = Late(Mutex::new(0));
    let (mut model, mut sgd) = (Linear::<f64>::new(2, 2, &mut Rng::new(3)), Sgd::new(0.01));
    let mut step = TrainStep::new(0).replaying();
    for k in 0..40 {
        let inputs = Tensor::randn(&[4, 2], &mut Rng::new(k));
        let targets = Target::Values(Tensor::randn(&[4, 2], &mut Rng::new(k + 100)));
        step.run(&mut model, &loss, &mut sgd, &Batch { inputs, targets }).unwrap();
    }
    let said = step.recorded_because().unwrap();
    assert!(said.contains("steps were replayed since it last did"), "{said}");
}
