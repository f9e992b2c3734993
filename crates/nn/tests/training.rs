//! End-to-end training through the public API: what it learns, what it rejects, and that a seed determines every bit.

use autograd::{Rng, Tape, Tensor, Var, tensor};
use nn::data::{DataLoader, Order, TensorDataset};
use nn::layer::{Activation, Linear, Mlp, Sequential};
use nn::loss::{CrossEntropy, Loss, Mse, Target, Targets};
use nn::optim::{Adam, RmsProp, Sgd};
use nn::schedule::StepDecay;
use nn::train::{EarlyStopping, Metric, Monitor, Stop, TrainError, TrainStep, Trainer, predict};
use nn::{Module, Param, Pass, Path, parameters};

/// Two interleaved half circles with some noise, not linearly separable.
fn moons(n: usize, seed: u64) -> TensorDataset<f64> {
    let mut rng = Rng::new(seed);
    let mut points = Vec::new();
    let mut labels = Vec::new();
    for i in 0..n {
        let angle = std::f64::consts::PI * rng.uniform();
        let (x, y) = if i % 2 == 0 { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        points.extend([x + 0.08 * rng.normal(), y + 0.08 * rng.normal()]);
        labels.push((i % 2) as i64);
    }
    TensorDataset::new(Tensor::new(&[n, 2], points), Target::Labels(labels.into())).unwrap()
}

fn values(model: &dyn Module<f64>) -> Vec<u64> {
    let mut bits = Vec::new();
    model.visit(&mut Path::default(), &mut |_, p| bits.extend(p.value().iter().map(f64::to_bits)));
    bits
}

fn network(seed: u64) -> Sequential<f64> {
    Mlp::new(&[2, 16, 16, 2]).activation(Activation::Tanh).batch_norm(true).dropout(0.1).seed(seed).build()
}

#[test]
fn every_optimizer_learns_the_moons() {
    let (training, test) = (moons(400, 1), moons(200, 2));
    let fit = |trainer: Trainer<'_, f64>| {
        let mut model = network(3);
        let mut trainer = trainer.epochs(60).metric(Metric::accuracy()).validation(&test).quiet();
        trainer.fit(&mut model, &training).unwrap();
        trainer.evaluate(&model, &test).unwrap().metric().unwrap()
    };
    let loss = CrossEntropy::new;
    assert!(fit(Trainer::new(loss(), Sgd::new(0.1).momentum(0.9).nesterov(true))) > 0.98);
    assert!(fit(Trainer::new(loss(), Adam::new(0.01))) > 0.98);
    assert!(fit(Trainer::new(loss(), RmsProp::new(0.005))) > 0.98);
    let all = Trainer::new(loss(), Adam::new(0.01)).l1(1e-5).l2(1e-4).clip_norm(1.0);
    assert!(fit(all.schedule(StepDecay { step_size: 20, gamma: 0.5 })) > 0.97);
    assert!(fit(Trainer::new(loss(), Adam::new(0.01)).clip_value(0.1)) > 0.97);
}

#[test]
fn a_seed_fixes_every_bit_on_any_number_of_threads() {
    let data = moons(300, 4);
    let train = |threads: usize, seed: u64| {
        autograd::set_threads(threads);
        // Wide enough for its products to be split among threads.
        let mut model = Mlp::new(&[2, 200, 200, 2]).dropout(0.2).batch_norm(true).seed(1).build::<f64>();
        let mut trainer =
            Trainer::new(CrossEntropy::new(), Adam::new(0.01)).epochs(2).batch_size(100).seed(seed).quiet();
        trainer.fit(&mut model, &data).unwrap();
        values(&model)
    };
    let one = train(1, 7);
    assert!(one == train(2, 7) && one == train(3, 7));
    assert!(one != train(1, 8));
}

#[test]
fn stops_when_it_has_converged() {
    let data = TensorDataset::new(tensor![[0.0], [1.0], [2.0]], Target::Values(tensor![[1.0], [3.0], [5.0]])).unwrap();
    let mut line = Linear::<f64>::new(1, 1, &mut Rng::new(0));
    let mut trainer = Trainer::new(Mse::new(), Sgd::new(0.2)).epochs(10_000).batch_size(3).tolerance(1e-14).quiet();
    let history = trainer.fit(&mut line, &data).unwrap();
    assert!(matches!(history.stopped, Some(Stop::Converged { .. })) && history.epochs.len() < 5000);
    assert!((line.weight.value().item() - 2.0).abs() < 1e-5);

    let stopping = EarlyStopping { patience: 3, min_delta: 1e-3, ..EarlyStopping::default() };
    let (training, test) = (moons(100, 1), moons(100, 2));
    let mut model = network(1);
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.02))
        .epochs(500)
        .validation(&test)
        .early_stopping(stopping)
        .quiet();
    let history = trainer.fit(&mut model, &training).unwrap();
    let Some(Stop::NoImprovement { best, .. }) = history.stopped else { panic!("{:?}", history.stopped) };
    assert_eq!(history.epochs.len(), best + 3);
    let restored = trainer.evaluate(&model, &test).unwrap().loss;
    assert!(
        (restored - history.epochs[best - 1].validation_loss.unwrap()).abs() < 1e-12,
        "the best parameters are restored"
    );
}

#[test]
fn a_loss_that_is_not_finite_stops_and_leaves_the_last_good_parameters() {
    let mut inputs = Tensor::<f64>::ones(&[20, 2]);
    inputs.make_mut()[25] = f64::NAN;
    let data = TensorDataset::new(inputs, Target::Values(Tensor::zeros(&[20, 1]))).unwrap();
    let mut model = Linear::<f64>::new(2, 1, &mut Rng::new(0));
    let error =
        Trainer::new(Mse::new(), Sgd::new(0.01)).batch_size(5).seed(3).quiet().fit(&mut model, &data).unwrap_err();
    let TrainError::NonFinite { epoch, batch, cause } = &error else { panic!("{error}") };
    assert_eq!(*epoch, 1);
    assert!(cause.what == "the input `x`" && cause.value.is_nan() && cause.sample.is_some_and(|sample| sample < 5));
    assert!(error.to_string().contains(&format!("epoch 1, batch {batch}")), "{error}");
    // The earlier batches, step by step, lead to the same parameters.
    let mut other = Linear::<f64>::new(2, 1, &mut Rng::new(0));
    let (mut step, mut optimizer) = (TrainStep::new(3), Sgd::new(0.01));
    let loader = DataLoader::new(&data, 5).unwrap().shuffle(3);
    for good in loader.epoch(0).take(batch - 1) {
        step.run(&mut other, &Mse::new(), &mut optimizer, &good.unwrap()).unwrap();
    }
    assert_eq!(values(&model), values(&other));

    // An exploding learning rate is an error, too.
    let mut model = network(2);
    let error = Trainer::new(Mse::new(), Sgd::new(1e200)).epochs(50).quiet().fit(&mut model, &exploding()).unwrap_err();
    assert!(matches!(error, TrainError::NonFinite { .. }), "{error}");
}

fn exploding() -> TensorDataset<f64> {
    TensorDataset::new(Tensor::ones(&[8, 2]) * 3.0, Target::Values(Tensor::ones(&[8, 2]))).unwrap()
}

#[test]
fn bad_input_is_an_error() {
    let mut model = network(0);
    let good = moons(10, 1);
    let mut fit = |trainer: Trainer<'_, f64>, data: &TensorDataset<f64>| {
        trainer.quiet().fit(&mut model, data).unwrap_err().to_string()
    };
    let trainer = || Trainer::new(CrossEntropy::new(), Sgd::new(0.1));
    assert!(fit(trainer().batch_size(0), &good).contains("batch size"));
    let empty = TensorDataset::new(Tensor::zeros(&[0, 2]), Target::Labels(Tensor::zeros(&[0])));
    let said = match empty {
        Ok(empty) => fit(trainer(), &empty),
        Err(error) => error.to_string(),
    };
    assert!(said.contains("empty") || said.contains("no samples"), "{said}");
    let far = TensorDataset::new(Tensor::ones(&[2, 2]), Target::Labels(tensor![0_i64, 5])).unwrap();
    let said = fit(trainer().batch_size(2), &far);
    assert!(said.contains("epoch 1, batch 1") && said.contains("index 5"), "{said}");
    let values = TensorDataset::new(Tensor::ones(&[2, 2]), Target::Values(Tensor::ones(&[2, 3]))).unwrap();
    assert!(fit(Trainer::new(Mse::new(), Sgd::new(0.1)), &values).contains("shape of the output"));
    let wide = TensorDataset::new(Tensor::ones(&[2, 3]), Target::Labels(tensor![0_i64, 1])).unwrap();
    assert!(fit(trainer().validation(&wide), &good).contains("must agree"));
    assert!(predict(&network(0), &Tensor::ones(&[2, 2]), 0).unwrap_err().to_string().contains("batch size"));
}

/// A user-defined layer nested in others: named, trained and summarized like any other.
struct Residual {
    inner: Linear<f64>,
}
parameters! { impl Parameters<f64> for Residual { inner } }
impl Module<f64> for Residual {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        x + self.inner.forward(x, pass).tanh()
    }
}

#[test]
fn a_users_own_layer_trains_with_the_others() {
    let rng = &mut Rng::new(1);
    let mut model = Sequential::new()
        .then(Linear::new(2, 8, rng))
        .then(Residual { inner: Linear::new(8, 8, rng) })
        .then(Linear::new(8, 2, rng));
    assert_eq!(nn::names(&model)[2..4], ["1.inner.weight", "1.inner.bias"]);
    assert!(model.to_string().contains("Residual"));
    let before = values(&model);
    Trainer::new(CrossEntropy::new(), Adam::new(0.01)).epochs(30).quiet().fit(&mut model, &moons(200, 1)).unwrap();
    assert!(values(&model).iter().zip(&before).all(|(a, b)| a != b), "every parameter has moved");
    let tape = Tape::new();
    let y = model.forward(tape.constant([[0.0, 1.0]]), &mut Pass::eval(&tape)).value();
    assert!(y.at(&[0, 0]) > y.at(&[0, 1]), "the top of the upper moon");
}

#[test]
fn a_metric_that_is_to_fall_is_watched_downwards() {
    let line = TensorDataset::new(tensor![[0.0], [1.0], [2.0]], Target::Values(tensor![[1.0], [3.0], [5.0]])).unwrap();
    let mut model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
    let early = EarlyStopping { patience: 2, monitor: Monitor::Metric, ..EarlyStopping::default() };
    let mut trainer = Trainer::new(Mse::new(), Sgd::new(0.05)).epochs(40).batch_size(3).early_stopping(early).quiet();
    trainer = trainer.metric(Metric::mean_absolute_error()).validation(&line);
    let history = trainer.fit(&mut model, &line).unwrap();
    let errors: Vec<f64> = history.epochs.iter().map(|e| e.validation_metric().unwrap()).collect();
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(errors.len() > 10 && least < errors[0] / 2.0, "training continues while the error falls: {errors:?}");
    assert_eq!(history.best_by(Monitor::Metric).unwrap().validation_metric(), Some(least));
    assert_eq!(trainer.evaluate(&model, &line).unwrap().metric(), Some(least), "the best parameters are restored");
}

#[test]
fn a_gradient_that_is_not_finite_stops_and_names_the_parameter_and_the_op() {
    /// √(w x): finite at 0, with an infinite derivative.
    struct Root {
        w: Param<f64>,
    }
    parameters! { impl Parameters<f64> for Root { w } }
    impl Module<f64> for Root {
        fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
            (pass.var(&self.w) * x).sqrt() * 2.0
        }
    }
    let data = TensorDataset::new(tensor![[1.0]], Target::Values(tensor![[1.0]])).unwrap();
    let mut model = Root { w: Param::new(tensor![0.0]) };
    let error = Trainer::new(Mse::new(), Sgd::new(0.1)).quiet().fit(&mut model, &data).unwrap_err();
    assert!(matches!(&error, TrainError::NonFinite { epoch: 1, batch: 1, cause } if cause.what == "the gradient of w"));
    let said = error.to_string();
    assert!(said.contains("the gradient of w is "), "{said}");
    assert!(said.contains(", first produced by the derivative of sqrt at ") && said.contains("training.rs:"), "{said}");
    assert_eq!(model.w.value(), &tensor![0.0]);
}

#[test]
fn gradients_whose_squares_overflow_are_not_clipped_to_nothing() {
    let data = TensorDataset::new(tensor![[1.0]], Target::Values(tensor![[-1e200]])).unwrap();
    let mut model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
    let before = values(&model);
    // The gradient is 1e200, a finite number; its square is beyond f64.
    Trainer::new(Steep, Sgd::new(0.1)).epochs(1).clip_norm(1.0).quiet().fit(&mut model, &data).unwrap();
    let after = values(&model);
    let moved = before.iter().zip(&after).map(|(a, b)| f64::from_bits(*a) - f64::from_bits(*b));
    assert!(moved.into_iter().all(|d| (d - 0.1 / 2f64.sqrt()).abs() < 1e-15));
}

/// 1e200 · mean(y)
struct Steep;
impl Loss<f64> for Steep {
    fn record<'t>(&self, output: Var<'t, f64>, _: &Targets<'t, f64>) -> autograd::Result<Var<'t, f64>> {
        Ok(output.mean() * 1e200)
    }
}

#[test]
fn a_domain_error_names_the_op_and_the_line() {
    struct Log {
        w: Param<f64>,
    }
    parameters! { impl Parameters<f64> for Log { w } }
    impl Module<f64> for Log {
        fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
            (pass.var(&self.w) * x).ln()
        }
    }
    let data = TensorDataset::new(tensor![[-1.0]], Target::Values(tensor![[1.0]])).unwrap();
    let error = Trainer::new(Mse::new(), Sgd::new(0.1)).quiet().fit(&mut Log { w: Param::new(tensor![1.0]) }, &data);
    let said = error.unwrap_err().to_string();
    assert!(said.contains("epoch 1, batch 1: the loss is NaN, first produced by ln at"), "{said}");
    assert!(said.contains("training.rs:"), "{said}");
}

/// Data that a layer cannot accept, in the first batch or in one that would be replayed, is an error that names layer,
/// epoch and batch, in training and in inference. The parameters are then those of the last good step.
#[test]
fn inputs_that_do_not_fit_the_model_are_an_error_that_names_the_layer() {
    let wide = TensorDataset::new(Tensor::ones(&[4, 3]), Target::Labels(tensor![0_i64, 1, 0, 1])).unwrap();
    let (mut model, before) = (network(0), values(&network(0)));
    let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).quiet();
    let said = trainer.fit(&mut model, &wide).unwrap_err().to_string();
    assert!(said.starts_with("epoch 1, batch 1: Linear(2, 16): the last axis") && said.contains("[4, 3]"), "{said}");
    assert_eq!(values(&model), before);
    for error in [trainer.evaluate(&model, &wide).unwrap_err(), predict(&model, wide.inputs(), 3).unwrap_err()] {
        assert!(error.to_string().starts_with("in eval mode: Linear(2, 16): "), "{error}");
    }

    // The last of five batches has a single sample, which has no variance.
    let said = trainer.epochs(1).batch_size(5).fit(&mut model, &moons(21, 1)).unwrap_err().to_string();
    assert!(said.starts_with("epoch 1, batch 5: BatchNorm1d(16): ") && said.contains("more than one value"), "{said}");

    let embed = || Sequential::<f64>::new().then(nn::layer::Embedding::new(3, 2, &mut Rng::new(1)));
    let ids = |bad: f64| {
        let ids = Tensor::from_fn(&[12], |i| if i[0] == 11 { bad } else { (i[0] % 3) as f64 });
        TensorDataset::new(ids, Target::Values(Tensor::ones(&[12, 2]))).unwrap()
    };
    let fit = |data: &TensorDataset<f64>| {
        let mut model = embed();
        let trainer = Trainer::new(Mse::new(), Sgd::new(0.1)).epochs(1).batch_size(2).order(Order::InOrder);
        let error = trainer.quiet().fit(&mut model, data).err().map(|error| error.to_string());
        (values(&model), error)
    };
    let (model, said) = fit(&ids(3.0));
    assert!(said.unwrap().starts_with("epoch 1, batch 6: Embedding(3, 2): embedding: index 3 "));
    let five: Vec<usize> = (0..10).collect();
    assert_eq!((model, None), fit(&ids(0.0).subset(&five).unwrap()), "the model learned from five batches");
}

#[test]
fn prediction_in_batches_is_prediction_at_once() {
    let (model, x) = (network(5), Tensor::randn(&[23, 2], &mut Rng::new(1)));
    let whole = predict(&model, &x, 100).unwrap();
    for batch_size in [1, 4, 22, 23] {
        let close = (predict(&model, &x, batch_size).unwrap() - &whole).abs().max().item();
        assert!(close < 1e-12, "{batch_size}: {close}");
    }
}
