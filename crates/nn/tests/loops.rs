//! Loops beyond the trainer's: parts of a model with losses of their own, penalties on gradients, searches for steps, and
//! tests of learning rates.

use autograd::{Rng, Tensor, tensor};
use nn::data::{Fields, Samples, TensorDataset};
use nn::layer::{BatchNorm1d, Dropout, Linear, Mlp, Sequential};
use nn::loss::{CrossEntropy, Mse, Parts, Target};
use nn::optim::{Adam, Lbfgs, Optimizer, ParamGroups, Sgd};
use nn::train::{Checkpoints, LrRange, PartTrainer, StepError, TrainError, TrainStep, Trainer, each_in_one};
use nn::{Given, Module, Noise, Parameters, Pass, parameters};

fn bits(model: &dyn Parameters<f64>) -> Vec<u64> {
    let mut all = Vec::new();
    model.visit(&mut nn::Path::default(), &mut |_, p| all.extend(p.value().iter().map(f64::to_bits)));
    all
}

/// A generator and a critic.
struct Pair {
    drawn: Sequential<f64>,
    judge: Sequential<f64>,
}

parameters! { impl Parameters<f64> for Pair { drawn, judge } }

impl Pair {
    fn new() -> Self {
        let net = |sizes: &[usize], seed| Mlp::new(sizes).activation(nn::layer::Activation::Tanh).seed(seed).build();
        Pair { drawn: net(&[2, 5, 2], 1), judge: net(&[2, 5, 1], 2) }
    }

    /// A distance and a penalty on a slope: a second derivative, with noise and a batch.
    fn judged<'t>(&self, given: &Given<'t, f64>, pass: &mut Pass<'t, f64>) -> autograd::Result<Parts<'t, f64>> {
        let real = given.inputs.numbers("points")?;
        let noise = pass.noise(&real.shape(), Noise::Normal);
        let drawn = self.drawn.forward(noise, pass);
        let share = pass.noise(&[real.shape()[0], 1], Noise::Uniform);
        let between = real * share + drawn * (1.0 - share);
        let slope = self.judge.forward(between, pass).sum().grad(&[between])[0];
        let penalty = ((slope.square().sum_axes(1) + 1e-12).sqrt() - 1.0).square().mean();
        let distance = self.judge.forward(real, pass).mean() - self.judge.forward(drawn, pass).mean();
        Ok(Parts::new().part("distance", -1.0, distance).part("penalty", 2.0, penalty))
    }

    fn fooled<'t>(&self, given: &Given<'t, f64>, pass: &mut Pass<'t, f64>) -> autograd::Result<Parts<'t, f64>> {
        let noise = pass.noise(&given.inputs.numbers("points")?.shape(), Noise::Normal);
        let drawn = self.drawn.forward(noise, pass);
        Ok((self.judge.forward(drawn, pass).mean() * -1.0).into())
    }
}

fn points(seed: u64) -> Samples<f64> {
    Samples::unlabeled(Fields::new().with("points", Tensor::<f64>::randn(&[6, 2], &mut Rng::new(seed))))
}

#[test]
fn networks_that_take_turns_are_replayed_bit_for_bit() {
    let (mut a, mut b) = (Pair::new(), Pair::new());
    let (mut judge, mut drawn) = (TrainStep::new(1).only("judge.*"), TrainStep::new(2).only("drawn.*"));
    let (mut one, mut two) = (Adam::new(0.01), Adam::new(0.02));
    let mut parts = (PartTrainer::new("judge.*", Adam::new(0.01), 1), PartTrainer::new("drawn.*", Adam::new(0.02), 2));
    each_in_one(&a, &[&parts.0, &parts.1]).unwrap();
    for k in 0..20 {
        let x = judge.gradients_by(&a, points(k), |given, pass| a.judged(given, pass)).unwrap();
        judge.apply(&mut a, &mut one);
        drawn.gradients_by(&a, points(k), |given, pass| a.fooled(given, pass)).unwrap();
        drawn.apply(&mut a, &mut two);
        let before = bits(&b.drawn);
        let y = parts.0.run(&mut b, points(k), |pair, given, pass| pair.judged(given, pass)).unwrap();
        assert_eq!(bits(&b.drawn), before, "the critic's turn leaves the generator alone");
        let before = bits(&b.judge);
        parts.1.run(&mut b, points(k), |pair, given, pass| pair.fooled(given, pass)).unwrap();
        assert_eq!(bits(&b.judge), before);
        assert_eq!((x.loss, x.parts), (y.loss, y.parts), "round {k}");
        assert_eq!(bits(&a), bits(&b), "round {k}");
    }
    for part in [&parts.0, &parts.1] {
        assert_eq!((part.step().programs(), part.step().recorded_because()), (1, None));
    }
}

#[test]
fn a_loop_that_was_stopped_resumes_bit_for_bit() {
    let parts = || (PartTrainer::new("judge.*", Adam::new(0.01), 1), PartTrainer::new("drawn.*", Adam::new(0.02), 2));
    let round = |pair: &mut Pair, parts: &mut (PartTrainer<f64>, PartTrainer<f64>), k| {
        parts.0.run(pair, points(k), |pair, given, pass| pair.judged(given, pass)).unwrap();
        parts.1.run(pair, points(k), |pair, given, pass| pair.fooled(given, pass)).unwrap();
    };
    let (mut whole, mut all) = (Pair::new(), parts());
    (0..10).for_each(|k| round(&mut whole, &mut all, k));
    let (mut first, mut half) = (Pair::new(), parts());
    (0..4).for_each(|k| round(&mut first, &mut half, k));
    let (mut later, mut again) = (Pair::new(), parts());
    nn::load_state_dict(&mut later, &nn::state_dict(&first)).unwrap();
    again.0.load_state(&later, &half.0.state(&first)).unwrap();
    again.1.load_state(&later, &half.1.state(&first)).unwrap();
    (4..10).for_each(|k| round(&mut later, &mut again, k));
    assert_eq!(bits(&later), bits(&whole));
    let error = again.0.load_state(&later, &nn::io::StateDict::new()).unwrap_err();
    assert_eq!(error.missing, ["position"]);
}

/// For f(x) = w · x the slope is w, and (|w| - 1)² has the derivative 2 (|w| - 1) w / |w|.
#[test]
fn a_penalty_on_a_gradient_has_its_second_derivative() {
    let mut critic = Linear::<f64>::new(2, 1, &mut Rng::new(0)).without_bias();
    critic.weight.set(tensor![[3.0, 4.0]]);
    let mut step = TrainStep::new(0).replaying();
    for k in 0..5 {
        step.gradients_by(&critic, points(k), |given, pass| {
            let x = given.inputs.numbers("points")?;
            let slope = critic.forward(x, pass).sum().grad(&[x])[0];
            Ok((slope.square().sum_axes(1).sqrt() - 1.0).square().mean().into())
        })
        .unwrap();
        let gradient = step.param_gradients().get(0).unwrap();
        assert!((gradient - &tensor![[4.8, 6.4]]).abs().max().item() < 1e-12, "{gradient}");
    }
    assert_eq!((step.programs(), step.recorded_because()), (1, None));
}

#[test]
fn parameters_with_no_optimizer_or_two_are_named() {
    let pair = Pair::new();
    let part = |names: &str| PartTrainer::new(names, Sgd::new(0.1), 0);
    let error = each_in_one(&pair, &[&part("judge.*")]).unwrap_err().to_string();
    assert!(error.contains("drawn.0.weight belongs to none") && !error.contains("judge"), "{error}");
    let error = each_in_one(&pair, &[&part("*"), &part("judge.0.*")]).unwrap_err().to_string();
    assert!(error.contains("judge.0.weight belongs to 2: \"*\", \"judge.0.*\""), "{error}");
    let mut pair = pair;
    let error = part("critic.*").run(&mut pair, points(0), |pair, given, pass| pair.fooled(given, pass)).unwrap_err();
    let StepError::Loss(error) = error else { panic!("{error}") };
    let error = error.to_string();
    assert!(error.contains("\"critic.*\" names no parameter") && error.contains("judge.0.weight"), "{error}");
}

#[test]
fn a_loss_of_a_turn_that_is_not_finite_changes_nothing() {
    let (mut pair, mut part) = (Pair::new(), PartTrainer::new("judge.*", Adam::new(0.01), 1));
    let before = (bits(&pair), part.state(&pair));
    let error = part.run(&mut pair, points(0), |pair, given, pass| {
        let y = pair.fooled(given, pass)?.total()?;
        Ok(Parts::new().part("fine", 1.0, y).part("log", 1.0, (y.square() * -1.0).ln()))
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the part `log` of the loss is NaN") && error.contains("ln"), "{error}");
    assert_eq!((bits(&pair), part.state(&pair)), before);
}

#[test]
fn micro_batches_are_one_batch() {
    let data = Tensor::<f64>::randn(&[6, 2], &mut Rng::new(5));
    let of = |rows: std::ops::Range<usize>| Samples::unlabeled(Fields::new().with("x", data.slice_axis(0, rows)));
    let mut model = Linear::<f64>::new(2, 1, &mut Rng::new(1));
    let (mut whole, mut parts) = (TrainStep::new(0), TrainStep::new(0).replaying());
    let squares = |model: &Linear<f64>, step: &mut TrainStep<f64>, batch: Samples<f64>| {
        step.gradients_by(model, batch, |given, pass| {
            let x = given.inputs.only()?;
            Ok(model.forward(x, pass).square().mean().into())
        })
        .unwrap();
    };
    squares(&model, &mut whole, of(0..6));
    for rows in [0..2, 2..4, 4..6] {
        squares(&model, &mut parts, of(rows));
        parts.accumulate(&mut model, 2.0);
    }
    parts.average();
    for (a, b) in whole.param_gradients().iter().zip(parts.param_gradients().iter()) {
        assert!((a - b).abs().max().item() < 1e-15);
    }
}

/// y = 2 x₁ - x₂ + 3, exactly.
fn line(n: usize) -> TensorDataset<f64> {
    let x = Tensor::<f64>::randn(&[n, 2], &mut Rng::new(7));
    let y = Tensor::from_fn(&[n, 1], |i| 2.0 * x.at(&[i[0], 0]) - x.at(&[i[0], 1]) + 3.0);
    TensorDataset::new(x, Target::Values(y)).unwrap()
}

#[test]
fn lbfgs_trains_on_all_the_data_at_once() {
    let mut model = Linear::new(2, 1, &mut Rng::new(0));
    let mut trainer = Trainer::new(Mse::new(), Lbfgs::new(1.0).line_search(true)).epochs(3).batch_size(40).quiet();
    let history = trainer.fit(&mut model, &line(40)).unwrap();
    assert!((model.weight.value() - tensor![[2.0, -1.0]]).abs().max().item() < 1e-6, "{}", model.weight.value());
    assert!((model.bias.as_ref().unwrap().value().item() - 3.0).abs() < 1e-6);
    assert!(history.epochs[1].loss < 1e-10 && history.notes.is_empty(), "{history:?}");
}

#[test]
fn lbfgs_says_which_settings_do_not_fit() {
    let fit = |trainer: Trainer<'static, f64>| {
        let error = trainer.quiet().fit(&mut Linear::new(2, 1, &mut Rng::new(0)), &line(40)).unwrap_err();
        assert!(matches!(error, TrainError::Search { .. }), "{error}");
        error.to_string()
    };
    let new = || Trainer::new(Mse::new(), Lbfgs::new(1.0));
    assert!(fit(new()).contains("set batch_size(40) instead of 32"));
    assert!(fit(new().batch_size(40).clip_norm(1.0)).contains("do not clip"));
    let error = new().batch_size(40).lr_find(&mut Linear::new(2, 1, &mut Rng::new(0)), &line(40), LrRange::default());
    assert!(error.unwrap_err().to_string().contains("no learning rate to test"));
    let step = std::panic::catch_unwind(|| {
        let (mut model, mut lbfgs) = (Linear::<f64>::new(2, 1, &mut Rng::new(0)), Lbfgs::new(1.0));
        Optimizer::step(&mut lbfgs, &mut model, &nn::optim::ParamGradients::new());
    });
    assert!(step.unwrap_err().downcast_ref::<&str>().is_some_and(|text| text.contains("several points")));
}

#[test]
fn lbfgs_with_noise_penalties_and_statistics_resumes_bit_for_bit() {
    let folder = std::env::temp_dir().join(format!("nn-lbfgs-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let make = || {
        let rng = &mut Rng::new(3);
        Sequential::new()
            .then(Linear::new(2, 6, rng))
            .then(BatchNorm1d::new(6))
            .then(nn::layer::Activation::Tanh)
            .then(Dropout::new(0.2))
            .then(Linear::new(6, 1, rng))
    };
    let trainer = |epochs| {
        Trainer::new(Mse::new(), Lbfgs::new(1.0).max_iter(4).history_size(3).line_search(true))
            .epochs(epochs)
            .batch_size(40)
            .l2(1e-3)
            .ema(0.5)
            .quiet()
    };
    let (mut whole, mut later) = (make(), make());
    let straight = trainer(4).fit(&mut whole, &line(40)).unwrap();
    assert!(straight.epochs[3].loss < straight.epochs[0].loss && straight.notes.is_empty(), "{straight:?}");
    trainer(2).checkpoints(Checkpoints::new(&folder)).fit(&mut make(), &line(40)).unwrap();
    let resumed = trainer(4).checkpoints(Checkpoints::new(&folder)).resume(&mut later, &line(40)).unwrap();
    assert_eq!(bits(&later), bits(&whole));
    let losses = |history: &nn::train::History| history.epochs.iter().map(|epoch| epoch.loss).collect::<Vec<_>>();
    assert_eq!(losses(&resumed), losses(&straight));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_search_that_fails_leaves_the_model_as_it_was() {
    let data = TensorDataset::new(tensor![[1e200], [-1e200]], Target::Values(tensor![[1.0], [2.0]])).unwrap();
    let mut model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
    let before = bits(&model);
    let mut trainer = Trainer::new(Mse::new(), Lbfgs::new(1.0)).batch_size(2).quiet();
    let error = trainer.fit(&mut model, &data).unwrap_err();
    assert!(matches!(error, TrainError::NonFinite { epoch: 1, batch: 1, .. }), "{error}");
    assert_eq!(bits(&model), before);
}

#[test]
fn a_range_test_leaves_no_trace() {
    let labels = (0..60).map(|i| i % 3).collect();
    let data = TensorDataset::new(Tensor::<f64>::randn(&[60, 4], &mut Rng::new(1)), Target::Labels(labels)).unwrap();
    let make = || Mlp::new(&[4, 8, 3]).batch_norm(true).dropout(0.1).seed(2).build::<f64>();
    let trainer = || {
        let groups = ParamGroups::new(Adam::new(0.01)).group("*.bias", Sgd::new(0.05).momentum(0.9));
        Trainer::new(CrossEntropy::new(), groups).epochs(2).batch_size(16).l2(1e-3).quiet()
    };
    let (mut plain, mut tested) = (make(), make());
    let (mut one, mut two) = (trainer(), trainer());
    one.fit(&mut plain, &data).unwrap();
    two.fit(&mut tested, &data).unwrap();
    let before = bits(&tested);
    let range = LrRange { from: 1e-4, to: 1e3, steps: 60 };
    let curve = two.lr_find(&mut tested, &data, range).unwrap();
    assert_eq!(bits(&tested), before);
    assert!(curve.rates.len() > 10 && curve.rates.windows(2).all(|pair| pair[0] < pair[1]), "{curve:?}");
    assert!((curve.rates[0] - 1e-4).abs() < 1e-18 && curve.losses.len() == curve.rates.len());
    one.fit(&mut plain, &data).unwrap();
    two.fit(&mut tested, &data).unwrap();
    assert_eq!(bits(&tested), bits(&plain), "the optimizer and its rates are as they were");
    let narrow = TensorDataset::new(Tensor::<f64>::zeros(&[4, 3]), Target::Labels(tensor![0_i64, 1, 2, 0])).unwrap();
    let before = bits(&tested);
    assert!(two.lr_find(&mut tested, &narrow, range).unwrap_err().to_string().contains("Linear(4, 8)"));
    assert_eq!(bits(&tested), before);
}

#[test]
fn a_range_must_rise() {
    for range in [
        LrRange { from: 0.0, ..LrRange::default() },
        LrRange { to: f64::NAN, ..LrRange::default() },
        LrRange { from: 1.0, to: 0.1, ..LrRange::default() },
        LrRange { steps: 1, ..LrRange::default() },
    ] {
        let found = std::panic::catch_unwind(|| {
            let mut trainer = Trainer::new(Mse::new(), Sgd::<f64>::new(0.1));
            trainer.lr_find(&mut Linear::new(2, 1, &mut Rng::new(0)), &line(40), range).map(|_| ())
        });
        let text = found.unwrap_err().downcast_ref::<String>().unwrap().clone();
        assert!(text.contains("LrRange"), "{text}");
    }
}

#[test]
#[should_panic(expected = "PartTrainer: the optimizer searches for its steps")]
fn a_part_is_not_trained_by_a_search() {
    let _ = PartTrainer::<f64>::new("*", Lbfgs::new(1.0), 0);
}
