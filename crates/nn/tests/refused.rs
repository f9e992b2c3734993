//! Data and settings that make no sense are refused, in words that name them: recorded and replayed, in both types.

use autograd::{Float, Result, Rng, Tape, Tensor, Var, tensor};
use nn::Pass;
use nn::data::Batch;
use nn::layer::{Gru, Linear, Lstm, RecurrentOptions, Rnn};
use nn::loss::*;
use nn::optim::Sgd;
use nn::train::{StepError, TrainStep};

const INF: f64 = f64::INFINITY;

fn numbers<T: Float>(shape: &[usize], x: &[f64]) -> Tensor<T> {
    Tensor::new(shape, x.iter().map(|x| T::of(*x)).collect())
}

/// The losses with numeric targets: targets that they take, and targets that they do not.
fn losses<T: Float>() -> Vec<(Box<dyn Loss<T>>, [f64; 2], Vec<f64>)> {
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
        assert!(refuses(|a, _| multi_margin_loss(a, &tensor![0_i64], 1, x, None, Sum)));
        let options = |weight| ClassOptions { weight: Some(tensor![1.0, weight]), ..ClassOptions::default() };
        assert!(refuses(|a, _| cross_entropy_with(a, &tensor![0_i64], &options(x), Sum)));
        assert!(refuses(|a, _| nll_loss(a, &tensor![0_i64], &options(x), Sum)));
        assert!(refuses(|a, b| soft_cross_entropy_with(a, b, &options(x), Sum)));
        assert!(refuses(|a, _| multi_margin_loss(a, &tensor![0_i64], 1, 1.0, Some(&tensor![1.0, x]), Sum)));
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
