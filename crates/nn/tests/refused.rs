//! Invalid data and settings are rejected with errors that name them: recorded and replayed, in both types.

use autograd::{Float, Result, Rng, Tape, Tensor, Var, tensor};
use nn::data::{Batch, HorizontalFlip, Normalize, Order, RandomAffine, TensorDataset, Transform};
use nn::init::{Fan, Init};
use nn::layer::*;
use nn::loss::*;
use nn::metric::{Decision, Metric, binary_accuracy};
use nn::optim::{Adam, Optimizer, Sgd};
use nn::schedule::*;
use nn::train::{EarlyStopping, StepError, TrainStep, Trainer};
use nn::{Module, Noise, Pass};

const INF: f64 = f64::INFINITY;

fn numbers<T: Float>(shape: &[usize], x: &[f64]) -> Tensor<T> {
    Tensor::new(shape, x.iter().map(|x| T::of(*x)).collect())
}

/// A loss with numeric targets: targets that it takes, and those that it does not.
type Case<T> = (Box<dyn Loss<T>>, [f64; 2], Vec<f64>);

fn losses<T: Float>() -> Vec<Case<T>> {
    let no_probabilities = || vec![-0.1, 1.5, INF, f64::NAN];
    let negative = || vec![-1.0, INF, f64::NAN];
    let no_signs = || vec![0.0, 0.5, 2.0, f64::NAN];
    vec![
        (Box::new(Bce::new()), [0.0, 1.0], no_probabilities()),
        (Box::new(BceWithLogits::new()), [0.0, 1.0], no_probabilities()),
        (Box::new(BceWithLogits::new().pos_weight(&[2.0])), [0.5, 1.0], no_probabilities()),
        (Box::new(MultiLabelSoftMargin::new()), [0.0, 1.0], no_probabilities()),
        (Box::new(MultiLabelMargin::new()), [0.0, 1.0], vec![0.5, -1.0, 2.0, f64::NAN]),
        (Box::new(CrossEntropy::new()), [0.25, 0.75], no_probabilities()),
        (Box::new(KlDiv::new()), [0.25, 0.75], negative()),
        (Box::new(KlDiv::new().log_target(true)), [-1.0, -INF], vec![INF, f64::NAN]),
        (Box::new(PoissonNll::new()), [0.0, 3.0], negative()),
        (Box::new(HingeEmbedding::new()), [1.0, -1.0], no_signs()),
        (Box::new(SoftMargin::new()), [1.0, -1.0], no_signs()),
    ]
}

fn batch<T: Float>(target: Target<T>) -> Batch<T> {
    Batch { inputs: numbers(&[1, 2], &[0.25, 0.5]), targets: target }
}

/// The result of a step on each target in turn, by the same trainer.
fn steps<T: Float>(
    loss: &dyn Loss<T>,
    targets: impl IntoIterator<Item = Target<T>>,
    replayed: bool,
) -> (Vec<std::result::Result<T, StepError>>, TrainStep<T>) {
    // Outputs between 0 and 1 for all losses.
    let mut model = Linear::<T>::new(2, 2, &mut Rng::new(3));
    model.weight.set(numbers(&[2, 2], &[1.0, 0.0, 0.0, 1.0]));
    model.bias.as_mut().unwrap().set(numbers(&[2], &[0.1, 0.1]));
    let step = TrainStep::new(0);
    let mut step = if replayed { step.replaying() } else { step };
    let mut sgd = Sgd::new(1e-4);
    let run = |target| step.run(&mut model, loss, &mut sgd, &batch(target)).map(|outcome| outcome.loss);
    (targets.into_iter().map(run).collect(), step)
}

fn check_targets<T: Float>() {
    for (loss, good, bad) in losses::<T>() {
        for replayed in [false, true] {
            for wrong in &bad {
                let row = |x: [f64; 2]| Target::Values(numbers(&[1, 2], &x));
                // The first is recorded, the second runs both ways, the third is replayed.
                let targets = [row(good), row(good), row([good[0], *wrong]), row(good)];
                let (found, step) = steps(&*loss, targets, replayed);
                let fine = [0, 1, 3].into_iter().all(|i| found[i].is_ok());
                assert!(fine, "{}: {found:?}", loss.describe());
                let Err(StepError::Loss(error)) = &found[2] else { panic!("{} takes {wrong}", loss.describe()) };
                assert!(error.to_string().contains("element 1 is"), "{error}");
                assert!(!replayed || step.recorded_because().unwrap().contains("element 1 is"));
            }
            let (found, step) = steps(&*loss, (0..9).map(|_| Target::Values(numbers(&[1, 2], &good))), replayed);
            assert!(found.iter().all(|loss| loss.is_ok()) && step.recorded_because().is_none(), "{}", loss.describe());
            assert_eq!(step.programs(), usize::from(replayed), "{}", loss.describe());
        }
    }
}

#[test]
fn targets_have_a_domain() {
    check_targets::<f32>();
    check_targets::<f64>();
}

fn check_weights<T: Float>() {
    for replayed in [false, true] {
        for wrong in [-1.0, INF, f64::NAN] {
            let values = |w: f64| Target::Values(numbers::<T>(&[1, 2], &[0.5, 0.5])).weighted(numbers(&[1], &[w]));
            let labels = |w: f64| Target::Labels(tensor![1_i64]).weighted(numbers::<T>(&[1], &[w]));
            let (found, _) = steps(&Mse::new(), [1.0, 2.0, wrong, 0.5].map(values), replayed);
            assert!(found[3].is_ok() && found[2].is_err(), "{found:?}");
            let (found, _) = steps(&CrossEntropy::new(), [1.0, 2.0, wrong, 0.5].map(labels), replayed);
            assert!(found[3].is_ok() && found[2].is_err(), "{found:?}");
        }
    }
}

#[test]
fn weights_of_samples_are_not_negative() {
    check_weights::<f32>();
    check_weights::<f64>();
}

/// Whether a loss function refuses its last argument.
fn refuses(f: impl for<'t> Fn(Var<'t, f64>, Var<'t, f64>) -> Result<Var<'t, f64>>) -> bool {
    let tape = Tape::new();
    f(tape.var([[0.5, 0.25]]), tape.var([[0.5, 0.5]])).is_err()
}

#[test]
fn losses_check_their_settings() {
    use Reduction::Sum;
    for x in [f64::NAN, INF, -INF] {
        assert!(refuses(|a, b| hinge_embedding_loss(a, b.sign(), x, Sum)));
        assert!(refuses(|a, b| margin_ranking_loss(a, b, b.sign(), x, Sum)));
        assert!(refuses(|a, b| cosine_embedding_loss(a, b, b.sum_axes(1).sign(), x, Sum)));
        assert!(refuses(|a, _| multi_margin_loss(a, tensor![0_i64], 1, x, None, Sum)));
        let options = |weight| ClassOptions { weight: Some(tensor![1.0, weight]), ..ClassOptions::default() };
        assert!(refuses(|a, _| cross_entropy_with(a, tensor![0_i64], &options(x), Sum)));
        assert!(refuses(|a, _| nll_loss(a, tensor![0_i64], &options(x), Sum)));
        assert!(refuses(|a, b| soft_cross_entropy_with(a, b, &options(x), Sum)));
        assert!(refuses(|a, _| multi_margin_loss(a, tensor![0_i64], 1, 1.0, Some(&tensor![1.0, x]), Sum)));
        assert!(refuses(|a, b| huber_loss(a, b, x, Sum)) && refuses(|a, b| smooth_l1_loss(a, b, x, Sum)));
    }
    for x in [f64::NAN, INF, -1.0] {
        assert!(refuses(|a, b| poisson_nll_loss(a, b, PoissonOptions { eps: x, ..PoissonOptions::default() }, Sum)));
        assert!(refuses(|a, b| gaussian_nll_loss(a, b, b, GaussianOptions { eps: x, full: false }, Sum)));
        assert!(refuses(|a, b| gaussian_nll_loss(a, b, b * x, GaussianOptions::default(), Sum)));
        assert!(refuses(|a, b| pos_weighted_bce_with_logits_loss(a, b, b * x, Sum)));
        assert!(refuses(|a, b| weighted_bce_loss(a, b, b * x, Sum)));
        assert!(refuses(|a, b| triplet_margin_loss(
            [a, b, a],
            TripletOptions { margin: x, ..Default::default() },
            Sum
        )));
        assert!(refuses(|a, b| triplet_margin_loss([a, b, a], TripletOptions { eps: x, ..Default::default() }, Sum)));
        assert!(refuses(|a, b| BceWithLogits::new().pos_weight(&[x]).loss(a, &Target::Values(b.value()))));
    }
    assert!(refuses(|a, b| cosine_embedding_loss(a, b, b.sum_axes(1) * 0.0, 0.5, Sum)));
    assert!(refuses(|a, b| margin_ranking_loss(a, b, b, 0.5, Sum)));
    assert!(!refuses(|a, b| triplet_margin_loss([a, b, a], TripletOptions { p: INF, ..Default::default() }, Sum)));
    assert!(!refuses(|a, b| gaussian_nll_loss(a, b, b * 0.0, GaussianOptions::default(), Sum)));
}

/// Targets and variances that are checked are still inputs of a program.
#[test]
fn a_program_checks_the_variances_of_every_run() {
    let tape = Tape::<f64>::new();
    let [x, t, v] = [0.5, 0.25, 2.0].map(|x| tape.var([x]));
    let y = gaussian_nll_loss(x, t, v, GaussianOptions::default(), Reduction::Sum).unwrap();
    let mut program = autograd::Program::new(&tape, &[x, t, v], &[y]);
    let [one, two] = [1.0, 2.0].map(|x| tensor![x]);
    assert_eq!(program.run(&[&one, &two, &one]).unwrap()[0].item(), 0.5);
    let error = program.run(&[&one, &two, &tensor![-1.0]]).unwrap_err().to_string();
    assert!(error.contains("variances must be finite and at least 0, but element 0 is -1"), "{error}");
    assert_eq!(program.run(&[&one, &one, &one]).unwrap()[0].item(), 0.0);
}

fn check_lengths<T: Float>() {
    let options = RecurrentOptions { bidirectional: true, layers: 2, ..RecurrentOptions::default() };
    let rng = &mut Rng::new(1);
    let (rnn, gru, lstm) =
        (Rnn::<T>::with(2, 3, options, rng), Gru::<T>::with(2, 3, options, rng), Lstm::<T>::with(2, 3, options, rng));
    let run = |lengths: [f64; 2]| {
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape);
        let x = tape.constant(Tensor::<f64>::randn(&[4, 2, 2], &mut Rng::new(2)).map(T::of));
        let lengths = Some(tape.constant(numbers::<T>(&[2], &lengths)));
        let results = [
            rnn.try_run(x, None, lengths, &mut pass).map(|(y, _)| y.value()),
            gru.try_run(x, None, lengths, &mut pass).map(|(y, _)| y.value()),
            lstm.try_run(x, None, lengths, &mut pass).map(|(y, _)| y.value()),
        ];
        results.map(|y| y.map_err(|error| error.to_string()))
    };
    for length in [-1.0, 0.5, 5.0, 1e30, INF, f64::NAN] {
        for error in run([4.0, length]).map(|result| result.unwrap_err()) {
            assert!(error.contains("lengths must be whole numbers from 0 to 4, but element 1 is"), "{error}");
        }
    }
    for y in run([4.0, 0.0]).map(|result| result.unwrap()) {
        assert!(y.iter().all(Float::is_finite) && y.index_axis(1, 1).iter().all(|x| x == T::zero()));
    }
}

#[test]
fn lengths_are_whole_numbers_of_steps() {
    check_lengths::<f32>();
    check_lengths::<f64>();
}

/// Whether something panics with a message that contains a text.
fn panics<R>(name: &str, f: impl FnOnce() -> R + std::panic::UnwindSafe) {
    let panic = std::panic::catch_unwind(f).err().expect(name);
    let fixed = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = fixed.or(panic.downcast_ref::<String>().cloned()).expect("a message");
    assert!(text.contains(name) && text.contains("got"), "{name}: {text}");
}

/// The error of a layer on a batch in training.
fn refusal(layer: &dyn Module<f64>, shape: &[usize]) -> String {
    let tape = Tape::new();
    let x = tape.constant(Tensor::<f64>::randn(shape, &mut Rng::new(0)));
    Pass::train(&tape, Rng::new(0)).try_forward(layer, x).map(|y| format!("{:?}", y.value())).unwrap_err().to_string()
}

#[test]
fn layers_check_their_settings() {
    for bad in [-1e-5, INF, f64::NAN] {
        panics("LayerNorm: eps", || LayerNorm::<f64>::new(&[2]).eps(bad));
        panics("GroupNorm: eps", || GroupNorm::<f64>::new(1, 2).eps(bad));
        panics("BatchNorm: eps", || BatchNorm2d::<f64>::new(2).eps(bad));
        panics("InstanceNorm: eps", || InstanceNorm1d::<f64>::new(2).eps(bad));
        panics("BatchNorm: momentum", || BatchNorm1d::<f64>::new(2).momentum(Some(bad)));
        panics("LayerNorm: eps", || {
            let options = TransformerOptions { eps: bad, ..TransformerOptions::default() };
            TransformerEncoderLayer::<f64>::new(4, 2, options, &mut Rng::new(0))
        });
        panics("Dropout", || Mlp::new(&[2, 1]).dropout(bad));
        panics("dropout probability", || Noise::Dropout { p: bad }.fill(&mut [0.0f32; 2], &mut Rng::new(0)));
        // Fields that are set directly.
        let mut norm = BatchNorm1d::<f64>::new(3);
        norm.eps = bad;
        assert!(refusal(&norm, &[4, 3]).contains("eps must be finite and at least 0"));
        (norm.eps, norm.momentum) = (1e-5, Some(bad));
        assert!(refusal(&norm, &[4, 3]).contains("momentum must be in [0, 1]"));
        let mut norm = InstanceNorm1d::<f64>::new(3).with_running();
        norm.momentum = bad;
        assert!(refusal(&norm, &[2, 3, 4]).contains("momentum must be in [0, 1]"));
        let mut norm = RmsNorm::<f64>::new(&[3]);
        norm.eps = Some(bad);
        assert!(refusal(&norm, &[4, 3]).contains("eps must be finite"));
        let mut norm = LayerNorm::<f64>::new(&[3]);
        norm.eps = bad;
        assert!(refusal(&norm, &[4, 3]).contains("eps must be finite"));
    }
    for (lower, upper) in [(0.5, 0.25), (f64::NAN, 0.5), (0.5, INF)] {
        assert!(refusal(&RRelu { lower, upper }, &[2]).contains("lower <= upper"));
    }
    panics("the number of layers", || {
        Gru::<f64>::with(2, 3, RecurrentOptions { layers: 0, ..RecurrentOptions::default() }, &mut Rng::new(0))
    });
    for bad in [f64::NAN, INF] {
        panics("Init::Constant", || Init::Constant(bad).tensor::<f32>(&[2], &mut Rng::new(0)));
        let scaled = Init::kaiming_normal(bad, Fan::In);
        panics("Init::Scaled", || scaled.tensor::<f32>(&[2, 2], &mut Rng::new(0)));
    }
}

#[test]
fn activations_check_their_settings() {
    use Activation::*;
    let refused = |f: Activation, name: &str| {
        panics(name, || {
            let tape = Tape::<f64>::new();
            f.apply(tape.constant([1.0]));
        });
    };
    for bad in [f64::NAN, INF] {
        refused(LeakyRelu { slope: bad }, "slope must be finite");
        refused(Elu { alpha: bad }, "alpha must be finite");
        refused(Celu { alpha: bad }, "alpha must be finite");
        refused(Hardshrink { lambda: bad }, "lambda must be");
        refused(Softshrink { lambda: bad }, "lambda must be");
        refused(SoftplusWith { beta: bad, threshold: 20.0 }, "beta must be");
    }
    refused(Hardshrink { lambda: -0.5 }, "lambda must be");
    refused(SoftplusWith { beta: 0.0, threshold: 20.0 }, "beta must be");
    refused(SoftplusWith { beta: 1.0, threshold: f64::NAN }, "softplus: bounds");
    refused(Hardtanh { min: 1.0, max: -1.0 }, "hardtanh: bounds");
    refused(Hardtanh { min: f64::NAN, max: 1.0 }, "hardtanh: bounds");
    refused(Threshold { threshold: f64::NAN, value: 0.0 }, "threshold: bounds");
    refused(Threshold { threshold: 0.0, value: f64::NAN }, "threshold: bounds");
}

#[test]
fn schedules_check_their_settings() {
    let refused = |name: &str, schedule: &(dyn Schedule + std::panic::RefUnwindSafe)| {
        panics(name, || {
            schedule.rate(1, 0.1);
        });
    };
    for bad in [-0.5, INF, f64::NAN] {
        refused("StepDecay: gamma", &StepDecay { gamma: bad, ..StepDecay::new(3) });
        refused("MultiStepDecay: gamma", &MultiStepDecay { gamma: bad, ..MultiStepDecay::new([3]) });
        refused("ExponentialDecay: gamma", &ExponentialDecay { gamma: bad });
        refused("CosineAnnealing: eta_min", &CosineAnnealing { eta_min: bad, ..CosineAnnealing::new(3) });
        refused("CosineWarmRestarts: eta_min", &CosineWarmRestarts { eta_min: bad, ..CosineWarmRestarts::new(3) });
        refused("OneCycle: pct_start", &OneCycle { pct_start: bad, ..OneCycle::new(3) });
        refused("OneCycle: div_factor", &OneCycle { div_factor: bad, ..OneCycle::new(3) });
        refused("OneCycle: final_div_factor", &OneCycle { final_div_factor: bad, ..OneCycle::new(3) });
        refused("Cyclic: max_lr", &Cyclic::new(bad, 3));
        let exponential = Cyclic { mode: CycleMode::Exponential(bad), ..Cyclic::new(1.0, 3) };
        refused("Cyclic: the factor", &exponential);
        refused("LinearRamp: start_factor", &LinearRamp { start_factor: bad, ..LinearRamp::default() });
        refused("LinearRamp: end_factor", &LinearRamp { end_factor: bad, ..LinearRamp::default() });
        refused("PolynomialDecay: power", &PolynomialDecay { power: bad, ..PolynomialDecay::default() });
        refused("ConstantFactor: factor", &ConstantFactor { factor: bad, ..ConstantFactor::default() });
        let plateau = |options: PlateauOptions| move || ReduceOnPlateau::new(options);
        let default = PlateauOptions::default;
        panics("factor must be", plateau(PlateauOptions { factor: bad, ..default() }));
        panics("threshold must be", plateau(PlateauOptions { threshold: Threshold::Relative(bad), ..default() }));
        panics("threshold must be", plateau(PlateauOptions { threshold: Threshold::Absolute(bad), ..default() }));
        panics("min_lr must be", plateau(PlateauOptions { min_lr: bad, ..default() }));
        panics("eps must be", plateau(PlateauOptions { eps: bad, ..default() }));
    }
    refused("OneCycle: total_steps", &OneCycle::new(0));
    refused("Cyclic: step_size_up", &Cyclic::new(1.0, 0));
    panics("factor must be", || ReduceOnPlateau::new(PlateauOptions { factor: 1.0, ..Default::default() }));
}

#[test]
fn trainers_check_their_settings() {
    let new = || Trainer::new(Mse::new(), Sgd::<f32>::new(0.1));
    for bad in [-1.0, INF, f64::NAN] {
        panics("Trainer: clip_norm", || new().clip_norm(bad));
        panics("Trainer: clip_each_norm", || new().clip_each_norm(bad));
        panics("Trainer: clip_value", || new().clip_value(bad));
        panics("Trainer: l1", || new().l1(bad));
        panics("Trainer: l2", || new().l2(bad));
        panics("Trainer: tolerance", || new().tolerance(bad));
        let stopping = EarlyStopping { min_delta: bad, ..EarlyStopping::default() };
        panics("Trainer: min_delta", || new().early_stopping(stopping));
        panics("decay of the average", || new().ema(bad));
        panics("learning rate", || Adam::<f32>::new(0.1).set_learning_rate(bad));
    }
    for bad in [-1.0, INF, f64::NAN] {
        let panic = std::panic::catch_unwind(|| {
            TrainStep::<f64>::new(0).accumulate(&mut Linear::new(1, 1, &mut Rng::new(0)), bad);
        });
        assert!(panic.unwrap_err().downcast_ref::<String>().unwrap().contains("is no number of samples"));
    }
}

#[test]
fn transforms_and_metrics_check_their_settings() {
    let refused = |transform: &dyn Transform<f64>| {
        let error = transform.apply(Tensor::ones(&[1, 2, 2]), &mut Rng::new(0)).unwrap_err().to_string();
        assert!(error.contains("must be") || error.contains("exceeds"), "{error}");
    };
    let turn = RandomAffine::rotation(10.0);
    for bad in [-0.1, INF, f64::NAN] {
        refused(&HorizontalFlip { probability: bad });
        refused(&Normalize { mean: vec![0.0], std: vec![bad] });
        refused(&RandomAffine::rotation(bad));
        refused(&RandomAffine { translate: [0.0, bad], ..turn.clone() });
        refused(&RandomAffine { scale: [bad, 1.0], ..turn.clone() });
        refused(&RandomAffine { scale: [1.0, bad], ..turn.clone() });
    }
    refused(&HorizontalFlip { probability: 1.5 });
    refused(&Normalize { mean: vec![f64::NAN], std: vec![1.0] });
    refused(&Normalize { mean: vec![0.0], std: vec![0.0] });
    refused(&RandomAffine { scale: [2.0, 1.0], ..turn.clone() });
    refused(&RandomAffine { scale: [0.0, 1.0], ..turn });

    let (y, t) = (tensor![0.5, 1.0], Target::Values(tensor![0.0, 1.0]));
    assert!(binary_accuracy(&y, &t, f64::NAN).is_err());
    assert!(Metric::binary_accuracy(f64::NAN).start().add(&y, &t).is_err());
    let f1 = Metric::counted("f1", Decision::Above(f64::NAN), |matrix| matrix.accuracy().unwrap_or(0.0));
    assert!(f1.start().add(&y, &t).is_err());
}

/// Angles and likelihoods of numbers whose squares are beyond the type: recorded and replayed.
#[test]
fn losses_of_any_size() {
    fn check<T: Float>(scales: &[f64]) {
        for &s in scales {
            let tape = Tape::<T>::new();
            let row = |x: [f64; 2]| tape.var(tensor![[x[0], x[1]]].map(|x| T::of(x * s)));
            let (a, b, y) = (row([3.0, 4.0]), row([4.0, 3.0]), tape.constant(tensor![-1.0].map(T::of)));
            let angle = cosine_embedding_loss(a, b, y, 0.0, Reduction::Sum).unwrap();
            let triplet =
                triplet_margin_loss([a, b, row([0.0, 0.0])], TripletOptions::default(), Reduction::Sum).unwrap();
            let v = tape.var(tensor![[s, s]].map(T::of));
            let options = GaussianOptions { eps: f64::MIN_POSITIVE, ..GaussianOptions::default() };
            let likelihood = gaussian_nll_loss(a, b, v, options, Reduction::Sum).unwrap();
            let slope = angle.grad(&[a])[0];
            let mut program = autograd::Program::new(&tape, &[a, b, v], &[angle, triplet, likelihood, slope]);
            let run = program.run(&[&a.value(), &b.value(), &v.value()]).unwrap().to_vec();
            let recorded = [angle, triplet, likelihood, slope].map(|y| y.value()).to_vec();
            for found in [recorded, run] {
                let number = |i: usize| found[i].item().f64();
                // PyTorch's epsilon counts for short rows: 24 s² / (25 s² + 1e-12).
                let cosine = if s > 1e-3 { 0.96 } else { 0.0 };
                assert!((number(0) - cosine).abs() < 1e-6, "{s:e}: {}", number(0));
                // √2 s - 5 s + 1, at least 0
                let short = (1.0 - (5.0 - 2f64.sqrt()) * s).max(0.0);
                assert!((number(1) - short).abs() < 1e-5, "{s:e}: {}", number(1));
                // ½ · 2 (ln s + s² / s)
                assert!((number(2) / (s.ln() + s) - 1.0).abs() < 1e-5, "{s:e}: {}", number(2));
                // 4/25 - 24/25 · 3/25, divided by s
                let first = found[3].at(&[0, 0]).f64() * s;
                assert!(s < 1e-3 || (first - 0.0448).abs() < 1e-6, "{s:e}: {first}");
            }
        }
    }
    check::<f32>(&[1.0, 1e30, 1e-30]);
    check::<f64>(&[1.0, 1e200, 1e-200]);
}

/// A parameter that an update changed is not read as it was before.
#[test]
#[should_panic(expected = "this parameter has changed since it was put on the tape, at ")]
fn a_tape_that_was_not_cleared_after_an_update() {
    let mut weight = nn::Param::new(tensor![1.0]);
    let tape = Tape::<f64>::new();
    Pass::eval(&tape).var(&weight);
    weight.set(tensor![1.0]); // the same number
    Pass::eval(&tape).var(&weight);
    weight.set(tensor![5.0]);
    Pass::eval(&tape).var(&weight);
}

/// Statistics and frozen parameters are constants: their new values are recorded.
#[test]
fn constants_that_have_changed_are_read_again() {
    let tape = Tape::<f64>::new();
    let mut mean = nn::Param::buffer(tensor![1.0]);
    let before = Pass::eval(&tape).var(&mean);
    mean.set(tensor![5.0]);
    let after = Pass::eval(&tape).var(&mean);
    assert_eq!((before.value(), after.value()), (tensor![1.0], tensor![5.0]));
    assert_eq!(Pass::eval(&tape).var(&mean).id(), after.id());
}

#[test]
fn settings_of_optimizers_are_refused_before_the_first_step() {
    let model = || nn::layer::Mlp::new(&[64, 10]).build::<f64>();
    let fit = |optimizer: Box<dyn nn::optim::Optimizer<f64>>| {
        let mut trainer = Trainer::new(CrossEntropy::new(), optimizer).epochs(1).quiet();
        trainer.fit(&mut model(), &nn::data::digits()).unwrap_err().to_string()
    };
    let error = fit(Box::new(Sgd::new(0.1).nesterov(true)));
    assert!(error.contains("cannot train this model: Sgd: Nesterov momentum requires momentum above 0"), "{error}");
    let groups = || nn::optim::ParamGroups::new(Sgd::new(0.1));
    let error = fit(Box::new(groups().group("*.biass", Sgd::new(0.1))));
    assert!(error.contains("group 0 (counted from 0) matches no parameter; the parameters are 0.weight"), "{error}");
    let error = fit(Box::new(groups().group("*.bias", Sgd::new(0.1).nesterov(true))));
    assert!(error.contains("Nesterov"), "{error}");
}

/// The data is to blame, not the first op on it: recorded and replayed, inputs and targets, in training and validation.
#[test]
fn numbers_that_are_not_are_found_in_the_data() {
    let with = |at: Option<usize>, target: bool| {
        let numbers = |hit: bool, width: usize| {
            Tensor::from_fn(&[20, width], |i| if hit && Some(i[0]) == at { f64::NAN } else { 0.1 * i[0] as f64 })
        };
        TensorDataset::new(numbers(!target, 2), Target::Values(numbers(target, 1))).unwrap()
    };
    let trainer = || Trainer::new(Mse::new(), Sgd::new(0.01)).epochs(2).batch_size(5).order(Order::InOrder).quiet();
    let model = || nn::layer::Mlp::new(&[2, 1]).seed(1).build::<f64>();
    for (target, what) in [(false, "the input `x`"), (true, "the target")] {
        let error = trainer().fit(&mut model(), &with(Some(13), target)).unwrap_err().to_string();
        let expected = format!("epoch 1, batch 3: {what} is NaN in sample 3 of the batch, counted from 0.");
        assert!(error.starts_with(&expected) && error.contains("remove such samples"), "{error}");
    }
    let (clean, dirty) = (with(None, false), with(Some(2), false));
    let history = trainer().validation(&dirty).fit(&mut model(), &clean).unwrap();
    assert!(history.notes[0].starts_with("the validation loss of epoch 1 is NaN: the data"), "{:?}", history.notes);
}
