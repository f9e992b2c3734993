use super::*;
use crate::fields::{Field, Fields};
use autograd::{Tape, Tensor, gradcheck, tensor};

/// Value and gradient of a loss.
fn at(loss: &dyn Loss<f64>, output: Tensor<f64>, target: Target<f64>) -> (f64, Vec<f64>) {
    let tape = Tape::new();
    let x = tape.var(output);
    let l = loss.loss(x, &target).unwrap();
    (l.item(), l.backward().wrt(x).to_vec())
}

#[test]
fn numbers_worked_by_hand() {
    let values = || Target::Values(tensor![[0.0, 3.0]]);
    assert_eq!(at(&Mse::new(), tensor![[1.0, 1.0]], values()), (2.5, vec![1.0, -2.0]));
    assert_eq!(at(&HalfSquared::new(), tensor![[1.0, 1.0]], values()), (2.5, vec![1.0, -2.0]));
    let (loss, gradient) = at(&CrossEntropy::new(), tensor![[0.0, 0.0], [0.0, 0.0]], Target::Labels(tensor![0_i64, 1]));
    assert_eq!((loss, gradient), (2f64.ln(), vec![-0.25, 0.25, 0.25, -0.25]));
    let (loss, gradient) = at(&Bce::new(), tensor![0.25, 0.5], Target::Values(tensor![0.0, 1.0]));
    assert!((loss - (-(0.75f64.ln()) - 0.5f64.ln()) / 2.0).abs() < 1e-15);
    assert!((gradient[0] - 0.5 / 0.75).abs() < 1e-15 && (gradient[1] + 1.0).abs() < 1e-15);
}

#[test]
fn nothing_overflows() {
    let (loss, gradient) = at(&CrossEntropy::new(), tensor![[1e5, -1e5, 0.0]], Target::Labels(tensor![1_i64]));
    assert_eq!((loss, gradient), (2e5, vec![1.0, -1.0, 0.0]));
    let far = tensor![1e5, -1e5, 1e5, -1e5];
    let (loss, gradient) = at(&BceWithLogits::new(), far, Target::Values(tensor![1.0, 0.0, 0.0, 1.0]));
    assert_eq!((loss, gradient), (5e4, vec![0.0, 0.0, 0.25, -0.25]));
    let (loss, _) = at(&Bce::new(), tensor![0.0, 1.0], Target::Values(tensor![1.0, 0.0]));
    assert_eq!(loss, 100.0, "logarithms are clamped at -100, as in PyTorch");
}

#[test]
fn derivatives_are_right_to_second_order() {
    let x = [tensor![[0.3, 0.9, 0.2], [0.5, 0.7, 0.6]]];
    let (values, labels) =
        (Target::Values(tensor![[1.0, 0.0, 0.0], [0.25, 0.5, 0.25]]), Target::Labels(tensor![2_i64, 0]));
    let both =
        |loss: &dyn Loss<f64>, target: &Target<f64>| gradcheck(|x| loss.loss(x[0], target).unwrap(), &x).unwrap();
    both(&Mse::new(), &values);
    both(&HalfSquared { reduction: Reduction::Mean }, &values);
    both(&Bce { reduction: Reduction::Sum }, &values);
    both(&BceWithLogits::new(), &values);
    both(&CrossEntropy::new(), &labels);
    both(&CrossEntropy::new().reduction(Reduction::Sum), &values);
}

#[test]
fn soft_and_hard_targets_agree() {
    let x = tensor![[0.5, -1.0, 2.0], [0.0, 0.1, 0.2]];
    let one_hot = Target::Values(tensor![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    let (soft, soft_gradient) = at(&CrossEntropy::new(), x.clone(), one_hot);
    let (hard, hard_gradient) = at(&CrossEntropy::new(), x, Target::Labels(tensor![2_i64, 0]));
    assert!((soft - hard).abs() < 1e-15);
    assert!(soft_gradient.iter().zip(&hard_gradient).all(|(a, b)| (a - b).abs() < 1e-15));
}

/// Values and gradients from PyTorch 2.15.
#[test]
fn losses_by_margins_are_pytorchs() {
    let x = tensor![[0.3, -0.7, 1.2], [0.9, 0.1, -0.4]];
    let labels = tensor![2_i64, 1];
    let each = |p: i32, margin: f64, weight: Option<&Tensor<f64>>| {
        let tape = Tape::new();
        let x = tape.var(x.clone());
        let loss = multi_margin_loss(x, &labels, p, margin, weight, Reduction::None).unwrap();
        [loss.value().to_vec(), loss.sum().backward().wrt(x).to_vec()].concat()
    };
    let close = |a: &[f64], b: &[f64]| assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15), "{a:?} {b:?}");
    let third = 1.0 / 3.0;
    close(&each(1, 1.0, None), &[third / 10.0, 2.3 * third, third, 0.0, -third, third, -2.0 * third, third]);
    let weight = tensor![0.5, 2.0, 1.5];
    close(&each(2, 0.5, Some(&weight)), &[0.0, 3.38 * third, 0.0, 0.0, 0.0, 5.2 * third, -5.2 * third, 0.0]);
    let steep = [0.6, 8.6 * third, 0.5, 0.5, -1.0, 2.0 * third, -4.0 * third, 2.0 * third];
    close(&each(1, 2.0, Some(&weight)), &steep);

    let marked = Target::Values(tensor![[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    let (loss, gradient) = at(&MultiLabelMargin::new().reduction(Reduction::Sum), x.clone(), marked.clone());
    close(&[loss], &[2.3 * third]);
    close(&gradient, &[0.0, 0.0, 0.0, third, -2.0 * third, third]);
    let (loss, gradient) = at(&MultiLabelSoftMargin::new().reduction(Reduction::Sum), x, marked);
    close(&[loss], &[0.4069412535640054 + 0.7995219290685371]);
    close(&gradient[..3], &[-0.14185249439611367, 0.11060407594394464, -0.07715840550032746]);
}

#[test]
fn margins_that_cannot_be_are_errors() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[0.3, -0.7, 1.2]]);
    let said = |labels: Tensor<i64>, p: i32, weight: Option<&Tensor<f64>>| {
        multi_margin_loss(x, &labels, p, 1.0, weight, Reduction::Mean).unwrap_err().to_string()
    };
    assert!(said(tensor![0_i64], 3, None).contains("p must be 1 or 2"));
    assert!(said(tensor![0_i64, 1], 1, None).contains("one label for each of the 1 samples"));
    assert!(said(tensor![-1_i64], 1, None).contains("-1"));
    assert!(said(tensor![0_i64], 1, Some(&tensor![1.0])).contains("one weight for each of the 3 classes"));
    assert!(multi_label_margin_loss(tape.var([1.0]), tape.var([1.0]), Reduction::Mean).is_err());
}

/// A weight of 0 leaves a sample out, a weight of 2 counts it twice, and weights of 1 change nothing.
#[test]
fn weights_of_samples_count() {
    let (ones, some) = (tensor![1.0, 1.0, 1.0], tensor![2.0, 0.0, 0.5]);
    let x = tensor![[0.3, 0.9], [0.5, 0.7], [0.2, 0.6]];
    let values = Target::Values(tensor![[1.0, 0.0], [0.25, 0.5], [0.0, 1.0]]);
    let labels = Target::Labels(tensor![1_i64, 0, 1]);
    let check = |loss: &dyn Fn(Reduction) -> Box<dyn Loss<f64>>, target: &Target<f64>| {
        let mean = loss(Reduction::Mean);
        let plain = at(&*mean, x.clone(), target.clone());
        let same = at(&*mean, x.clone(), target.clone().weighted(ones.clone()));
        assert!((plain.0 - same.0).abs() < 1e-15 && plain.1.iter().zip(&same.1).all(|(a, b)| (a - b).abs() < 1e-15));
        // Each sample separately, with its weight.
        let sum = loss(Reduction::Sum);
        let found = at(&*sum, x.clone(), target.clone().weighted(some.clone())).0;
        let alone = |i: usize| {
            let target = crate::data::TensorDataset::new(x.clone(), target.clone()).unwrap().subset(&[i]).unwrap();
            at(&*sum, target.inputs().clone(), target.targets().clone()).0
        };
        assert!((found - 2.0 * alone(0) - 0.5 * alone(2)).abs() < 1e-14);
    };
    check(&|r| Box::new(Mse::new().reduction(r)), &values);
    check(&|r| Box::new(Bce::new().reduction(r)), &values);
    check(&|r| Box::new(BceWithLogits::new().pos_weight(&[3.0, 1.0]).reduction(r)), &values);
    check(&|r| Box::new(CrossEntropy::new().label_smoothing(0.1).reduction(r)), &values);
    check(&|r| Box::new(CrossEntropy::new().weight(&[3.0, 1.0]).reduction(r)), &labels);
    check(&|r| Box::new(CrossEntropy::new().ignore_index(0).reduction(r)), &labels);
    check(&|r| Box::new(Nll::new().reduction(r)), &labels);
    check(&|r| Box::new(MultiMargin::new().reduction(r)), &labels);
}

#[test]
fn weights_reach_every_row_of_a_sample() {
    let tape = Tape::new();
    let x = tape.var(Tensor::from_fn(&[2, 3, 2], |at| (at[0] * 6 + at[1] * 2 + at[2]) as f64 * 0.1));
    let each = |labels: Tensor<i64>, sample_weight: Option<Tensor<f64>>| {
        let options = ClassOptions { sample_weight, ..ClassOptions::default() };
        cross_entropy_with(x, &labels, &options, Reduction::None).map(|loss| loss.value().to_vec())
    };
    for labels in [tensor![[0_i64, 1], [2, 1]], tensor![[0_i64, -100], [2, 1]]] {
        let (plain, weighted) = (each(labels.clone(), None).unwrap(), each(labels.clone(), Some(tensor![3.0, 0.5])));
        let expected: Vec<f64> = plain.iter().zip([3.0, 3.0, 0.5, 0.5]).map(|(loss, weight)| loss * weight).collect();
        assert_eq!(weighted.unwrap(), expected);
        let said = each(labels, Some(tensor![1.0, 1.0, 1.0])).unwrap_err().to_string();
        assert!(said.contains("one weight for each sample"), "{said}");
    }
}

/// A loss function with numeric targets.
type Function = for<'t> fn(Var<'t, f64>, Var<'t, f64>, Reduction) -> Result<Var<'t, f64>>;
const FUNCTIONS: [Function; 7] =
    [mse_loss, half_squared_loss, l1_loss, bce_loss, bce_with_logits_loss, soft_cross_entropy, kl_div_log_target];

#[test]
fn functions_are_differentiable_on_both_sides() {
    let inputs = [tensor![[0.2, 0.7, 0.45], [0.9, 0.35, 0.6]], tensor![[0.05, 0.95, 0.3], [0.8, 0.5, 0.9]]];
    // Targets that are signs have no neighbors.
    let signs = tensor![[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]];
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
        for f in FUNCTIONS {
            gradcheck(|x| f(x[0], x[1], reduction).unwrap(), &inputs).unwrap();
        }
        gradcheck(|x| soft_margin_loss(x[0], x[0].tape().constant(signs.clone()), reduction).unwrap(), &inputs[..1])
            .unwrap();
    }
}

#[test]
fn a_divergence_is_differentiable_in_both_distributions() {
    let inputs = [tensor![[-0.2, -0.7, -1.5]], tensor![[0.2, 0.5, 0.3]]];
    gradcheck(|x| kl_div(x[0], x[1], Reduction::BatchMean).unwrap(), &inputs).unwrap();
}

#[test]
fn a_target_of_another_shape_is_never_broadcast() {
    let tape = Tape::new();
    let output = tape.var([[0.5], [0.25]]);
    for f in FUNCTIONS.into_iter().chain([soft_margin_loss as Function]) {
        for target in [tensor![0.0, 1.0], tensor![[0.0, 1.0]], tensor![1.0]] {
            let error = f(output, tape.constant(target), Reduction::Mean).unwrap_err();
            assert!(matches!(error, Error::Shape { .. }) && error.to_string().contains("[2, 1]"), "{error}");
        }
    }
}

#[test]
fn nothing_has_no_mean_and_the_sum_zero() {
    let tape = Tape::new();
    let nothing = tape.constant(Tensor::zeros(&[0, 2]));
    for f in FUNCTIONS {
        assert!(f(nothing, nothing, Reduction::Mean).unwrap().item().is_nan());
        assert_eq!(f(nothing, nothing, Reduction::Sum).unwrap().item(), 0.0);
    }
}

#[test]
fn a_loss_is_one_number() {
    let tape = Tape::new();
    let (output, target, reduction) = (tape.var([[0.5, 0.5]]), Target::Values(tensor![[0.0, 1.0]]), Reduction::None);
    let losses: [&dyn Loss<f64>; 12] = [
        &Mse { reduction },
        &HalfSquared { reduction },
        &L1 { reduction },
        &SmoothL1::new().reduction(reduction),
        &Huber::new().reduction(reduction),
        &Bce { reduction },
        &BceWithLogits::new().reduction(reduction),
        &CrossEntropy::new().reduction(reduction),
        &KlDiv::new().reduction(reduction),
        &PoissonNll::new().reduction(reduction),
        &HingeEmbedding::new().reduction(reduction),
        &SoftMargin::new().reduction(reduction),
    ];
    assert!(Nll::new().reduction(reduction).loss(output, &Target::Labels(tensor![0_i64])).is_err());
    for loss in losses {
        assert!(loss.loss(output, &target).unwrap_err().to_string().contains("must be a scalar"));
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[0.5, 0.5]]);
    let values = Target::Values(tensor![[1.0]]);
    let says = |loss: &dyn Loss<f64>, target: &Target<f64>| loss.loss(x, target).unwrap_err().to_string();
    assert!(says(&Mse::new(), &values).contains("shape of the output, [1, 2]"));
    assert!(says(&Bce::new(), &Target::Labels(tensor![0_i64])).contains("class labels"));
    assert!(says(&CrossEntropy::new(), &Target::Labels(tensor![2_i64])).contains("out of range for size 2"));
    assert!(says(&CrossEntropy::new(), &Target::Labels(tensor![-1_i64])).contains("index -1"));
    assert!(says(&CrossEntropy::new(), &Target::Labels(tensor![0_i64, 0])).contains("one label per row"));
}

/// Losses of logits `[N, classes, d]` match their definition, evaluated at each position.
#[test]
fn every_axis_after_the_classes_has_its_own_label() {
    let tape = Tape::new();
    let rng = &mut autograd::Rng::new(1);
    let x = tape.var(Tensor::<f64>::randn(&[2, 4, 3], rng));
    let labels = tensor![[0_i64, 3, 1], [2, -100, 0]];
    let weight = tensor![0.5, 2.0, 1.0, 3.0];
    let options = ClassOptions { weight: Some(weight.clone()), label_smoothing: 0.3, ..ClassOptions::default() };
    let all = cross_entropy_with(x, &labels, &options, Reduction::None).unwrap();
    assert_eq!(all.shape().as_slice(), [2, 3]);
    let (mut sum, mut total) = (0.0, 0.0);
    for (n, d) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)] {
        let label = labels.at(&[n, d]) as usize;
        let logs: Vec<f64> = (0..4).map(|c| x.log_softmax(1).value().at(&[n, c, d])).collect();
        let smooth: f64 = (0..4).map(|c| weight.at(&[c]) * logs[c]).sum();
        let expected = -0.7 * weight.at(&[label]) * logs[label] - 0.3 / 4.0 * smooth;
        assert!((all.value().at(&[n, d]) - expected).abs() < 1e-14);
        (sum, total) = (sum + expected, total + weight.at(&[label]));
    }
    assert_eq!(all.value().at(&[1, 1]), 0.0);
    let mean = cross_entropy_with(x, &labels, &options, Reduction::Mean).unwrap().item();
    assert!((mean - sum / total).abs() < 1e-14);
    gradcheck(|x| cross_entropy_with(x[0], &labels, &options, Reduction::Mean).unwrap(), &[x.value()]).unwrap();
    gradcheck(|x| nll_loss(x[0], &labels, &options, Reduction::None).unwrap(), &[x.value()]).unwrap();
}

#[test]
fn ignored_samples_have_no_influence_not_even_nan() {
    let tape = Tape::new();
    let x = tape.var([[0.0, 0.0], [f64::NAN, f64::INFINITY]]);
    let labels = tensor![1_i64, -100];
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
        let loss = cross_entropy(x, &labels, reduction).unwrap().sum();
        assert_eq!((loss.item(), loss.backward().wrt(x)), (2f64.ln(), tensor![[0.5, -0.5], [0.0, 0.0]]));
    }
    // There is nothing to average, and the gradient is 0.
    let nothing = cross_entropy(x, tensor![-100_i64, -100], Reduction::Mean).unwrap();
    assert_eq!((nothing.item(), nothing.backward().wrt(x)), (0.0, Tensor::zeros(&x.shape())));
    assert_eq!(cross_entropy(x, tensor![-100_i64, -100], Reduction::Sum).unwrap().item(), 0.0);
    let one = cross_entropy(tape.var([0.0, 0.0]), Tensor::scalar(1), Reduction::None).unwrap();
    assert_eq!((one.rank(), one.item()), (0, 2f64.ln()), "logits without a batch axis");
}

#[test]
fn smoothed_labels_are_smoothed_probabilities() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[0.5, -1.0, 2.0], [0.0, 0.1, 0.2]]);
    let one_hot = tape.constant([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    let options = ClassOptions { label_smoothing: 0.2, ..ClassOptions::default() };
    let hard = cross_entropy_with(x, tensor![2_i64, 0], &options, Reduction::Mean).unwrap();
    let soft = soft_cross_entropy_with(x, one_hot, &options, Reduction::Mean).unwrap();
    assert!((hard.item() - soft.item()).abs() < 1e-15);
}

#[test]
fn settings_of_classes_that_do_not_fit_are_errors() {
    let tape = Tape::<f64>::new();
    let (x, labels) = (tape.var([[0.5, 0.5]]), tensor![0_i64]);
    let with = |options: ClassOptions<f64>| cross_entropy_with(x, &labels, &options, Reduction::Mean).is_err();
    assert!(with(ClassOptions { label_smoothing: 1.5, ..ClassOptions::default() }));
    assert!(with(ClassOptions { label_smoothing: f64::NAN, ..ClassOptions::default() }));
    assert!(with(ClassOptions { weight: Some(tensor![1.0]), ..ClassOptions::default() }));
    assert!(nll_loss(tape.var(1.0), Tensor::scalar(0), &ClassOptions::default(), Reduction::Mean).is_err());
    assert!(huber_loss(x, x, 0.0, Reduction::Mean).is_err() && smooth_l1_loss(x, x, -1.0, Reduction::Mean).is_err());
    let negative = gaussian_nll_loss(x, x, -x, GaussianOptions::default(), Reduction::Mean);
    assert!(negative.unwrap_err().to_string().contains("variances must be finite and at least 0"));
    assert!(gaussian_nll_loss(x, x, tape.var([0.5; 3]), GaussianOptions::default(), Reduction::Mean).is_err());
}

#[test]
fn rare_settings() {
    let tape = Tape::<f64>::new();
    let (x, t) = (tape.var([[0.2, 0.9]]), tape.constant([[0.0, 3.0]]));
    let rate = PoissonOptions { log_input: false, full: true, eps: 0.0 };
    let loss = poisson_nll_loss(x, t, rate, Reduction::Sum).unwrap().item();
    let stirling = 3.0 * 3f64.ln() - 3.0 + 0.5 * (6.0 * std::f64::consts::PI).ln();
    assert!((loss - (0.2 + 0.9 - 3.0 * 0.9f64.ln() + stirling)).abs() < 1e-14);

    let full = GaussianOptions { full: true, ..GaussianOptions::default() };
    let loss = gaussian_nll_loss(x, t, tape.var([[0.0]]), full, Reduction::Sum).unwrap().item();
    let square = 0.2f64.powi(2) + 2.1f64.powi(2);
    let expected = 0.5 * (2.0 * 1e-6f64.ln() + square / 1e-6) + (2.0 * std::f64::consts::PI).ln();
    assert!((loss / expected - 1.0).abs() < 1e-14);

    let rows = [tape.var([[0.0, 0.0]]), tape.var([[1.0, 1.0]]), tape.var([[0.0, 3.0]])];
    let options = TripletOptions { margin: 2.0, p: 1.0, eps: 0.0, swap: false };
    assert_eq!(triplet_margin_loss(rows, options, Reduction::Sum).unwrap().item(), 1.0);
    let third = |swap| triplet_margin_loss(rows, TripletOptions { p: 3.0, swap, ..options }, Reduction::Sum);
    assert!((third(false).unwrap().item() - (2.0 + 2f64.cbrt() - 3.0)).abs() < 1e-14);
    assert!((third(true).unwrap().item() - (2.0 + 2f64.cbrt() - 9f64.cbrt())).abs() < 1e-14);

    let pairs = hinge_embedding_loss(tape.var([5.0, 5.0]), tape.constant([1.0, -1.0]), 1.0, Reduction::Sum);
    assert_eq!(pairs.unwrap().item(), 5.0);
}

/// A term whose factor is 0 is 0, also where the other operand is infinite; recorded and replayed, in both types.
#[test]
fn nothing_times_infinity_is_nothing() {
    fn check<T: Float>(loss: &dyn Loss<T>, x: &[f64], target: &Target<T>, expected: f64, slope: &[f64]) {
        let tape = Tape::<T>::new();
        let values = |x: &[f64]| Tensor::new(target.shape(), x.iter().map(|x| T::of(*x)).collect());
        let x = tape.var(values(x));
        let y = loss.loss(x, target).unwrap();
        let dx = y.grad(&[x])[0];
        let near = |a: f64, b: f64| a == b || (a - b).abs() < 4.0 * T::EPSILON.f64();
        let mut program = autograd::Program::new(&tape, &[x], &[y, dx]);
        let run = program.run(&[&x.value()]).unwrap().to_vec();
        for (y, dx) in [(y.value(), dx.value()), (run[0].clone(), run[1].clone())] {
            let (y, dx) = (y.item().f64(), dx.iter().map(|d| d.f64()).collect::<Vec<_>>());
            assert!(
                near(y, expected) && dx.iter().zip(slope).all(|(a, b)| near(*a, *b)),
                "{}: {y} {dx:?}",
                loss.describe()
            );
        }
    }
    fn all<T: Float>() {
        let (inf, ln2) = (f64::INFINITY, 2f64.ln());
        let values = |t: &[f64]| Target::Values(Tensor::new(&[1, t.len()], t.iter().map(|t| T::of(*t)).collect()));
        // ln Σ eˣ = ln (1 + e)
        let (soft, rest) = (0.563_261_687_518_222_8, 0.018_941_421_369_995_12);
        check(&CrossEntropy::new(), &[-inf, 0.0, 1.0], &values(&[0.0, 0.25, 0.75]), soft, &[0.0, rest, -rest]);
        let sum = Reduction::Sum;
        check(&KlDiv::new().reduction(sum), &[-inf, -ln2], &values(&[0.0, 1.0]), ln2, &[0.0, -1.0]);
        let logs = KlDiv::new().log_target(true).reduction(sum);
        check(&logs, &[-inf, -ln2], &values(&[-inf, 0.0]), ln2, &[0.0, -1.0]);
        check(&logs, &[-inf, -ln2], &values(&[-1e38, 0.0]), ln2, &[0.0, -1.0]);
        check(&PoissonNll::new().reduction(sum), &[-inf, 0.0], &values(&[0.0, 1.0]), 1.0, &[0.0, 0.0]);
        let rates = PoissonNll::new().log_input(false).eps(0.0).reduction(sum);
        check(&rates, &[0.0, 2.0], &values(&[0.0, 3.0]), 2.0 - 3.0 * ln2, &[1.0, -0.5]);
        // An infinite loss of a sample that is left out.
        let two = Target::Values(Tensor::<f64>::ones(&[2, 1]).map(|x| T::of(x)))
            .weighted(Tensor::new(&[2], vec![T::zero(), T::one()]));
        check(&KlDiv::new().reduction(sum), &[-inf, -1.0], &two, 1.0, &[0.0, -1.0]);
    }
    all::<f32>();
    all::<f64>();
}

/// Derivatives from PyTorch 2.15: beyond the kink they are those of a line, at any distance. NaN stays NaN.
#[test]
fn infinite_differences_have_derivatives() {
    let tape = Tape::<f64>::new();
    let (x, t) = (tape.var([f64::INFINITY, f64::NEG_INFINITY, 0.5]), tape.var([0.0, 1.0, 0.0]));
    for (loss, expected) in [
        (huber_loss(x, t, 2.0, Reduction::Sum), [2.0, -2.0, 0.5]),
        (smooth_l1_loss(x, t, 2.0, Reduction::Sum), [1.0, -1.0, 0.25]),
    ] {
        let loss = loss.unwrap();
        let gradients = loss.backward();
        assert_eq!((loss.item(), gradients.wrt(x).to_vec()), (f64::INFINITY, expected.to_vec()));
        assert_eq!(gradients.wrt(t).to_vec(), expected.map(|d| -d).to_vec());
    }
    let lost = tape.var(f64::NAN);
    assert!(huber_loss(lost, tape.constant(0.0), 2.0, Reduction::Sum).unwrap().backward().wrt(lost).item().is_nan());
}

#[test]
fn a_weighted_sum_counts_samples_as_its_parts_do() {
    let samples = |target: Field<f64>, weights: [f64; 2]| {
        let samples = Samples::new(Fields::new(), Fields::new().with("y", target));
        Samples { weights: Some(weights.into()), ..samples }
    };
    let (values, known, ignored) = (tensor![1.0, 2.0], tensor![1_i64, 0], tensor![IGNORED, IGNORED]);
    let mean = WeightedSum::new().part("only", 1.0, Mse::new());
    assert_eq!(mean.sum_and_count_of(3.0, &samples(values.into(), [0.0, 0.0])), (6.0, 2.0));
    let class = WeightedSum::new().part("only", 1.0, CrossEntropy::new());
    assert_eq!(class.sum_and_count_of(3.0, &samples(known.into(), [0.0, 0.0])), (6.0, 2.0));
    assert_eq!(class.sum_and_count_of(0.0, &samples(ignored.into(), [1.0, 1.0])), (0.0, 0.0));
}
