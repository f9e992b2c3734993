use super::*;
use crate::loss::Target;
use autograd::{Rng, tensor};
use proptest::prelude::*;

#[test]
fn accuracy_of_sequences_ties_and_nan() {
    let scores = tensor![[[0.0, 1.0], [1.0, 0.0]], [[0.5, f64::NAN], [0.5, 0.0]]];
    assert_eq!(accuracy(&scores, &tensor![[1_i64, 1], [0, 0]]).unwrap(), 0.5);
    assert_eq!(accuracy(&tensor![[f32::NAN; 3]; 2], &tensor![0_i64, 0]).unwrap(), 0.0);
    assert_eq!(accuracy(&tensor![[f64::NEG_INFINITY, f64::INFINITY]].t().t(), &tensor![1_i64]).unwrap(), 1.0);
    assert_eq!(accuracy(&tensor![[0.0, 9.0], [5.0, 6.0]].t(), &tensor![1_i64, 0]).unwrap(), 1.0);
    assert_eq!(top_k_accuracy(&scores, &tensor![[1_i64, 1], [0, 0]], 2).unwrap(), 0.75);
}

/// Classes are along the second axis, even if more axes follow.
#[test]
fn losses_and_metrics_agree_on_the_axis_of_classes() {
    use crate::loss::{Loss, Nll};
    let scores: Tensor<f64> = tensor![[[0.9, 0.2], [0.1, 0.8]], [[0.3, 0.4], [0.7, 0.6]]];
    let labels = tensor![[0_i64, 1], [0, 1]];
    assert_eq!(accuracy(&scores, &labels).unwrap(), 0.75);
    let tape = autograd::Tape::new();
    let of_right = -Nll::new().loss(tape.constant(scores.clone()), &Target::Labels(labels.clone())).unwrap().item();
    assert!((of_right - (0.9 + 0.8 + 0.3 + 0.6) / 4.0).abs() < 1e-15);
    let matrix = ConfusionMatrix::from_scores(&scores, &labels).unwrap();
    assert_eq!((matrix.count(0, 1), matrix.count(1, 1)), (1, 2));
    let auc = roc_auc(&scores, &Target::Labels(labels.clone())).unwrap();
    assert_eq!(
        auc,
        roc_auc(&tensor![[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]], &Target::Labels(tensor![0_i64, 1, 0, 1]))
            .unwrap()
    );
    assert_eq!(accuracy(&tensor![0.1, 0.9], &Tensor::scalar(1_i64)).unwrap(), 1.0);
}

/// Ignored samples, by default or by label, do not affect any metric.
#[test]
fn ignored_samples_count_nowhere() {
    let (few, labels) = (tensor![[3.0, 1.0], [0.0, 2.0], [1.0, 0.5]], [0_i64, 1, 1]);
    let many = tensor![[3.0, 1.0], [f64::NAN, 9.0], [0.0, 2.0], [5.0, 1.0], [1.0, 0.5]];
    let all: [fn() -> Metric<f64>; 6] = [
        Metric::accuracy,
        || Metric::top_k(1),
        || Metric::f1(Average::Macro),
        || Metric::recall(Average::Binary),
        Metric::roc_auc,
        Metric::perplexity,
    ];
    for metric in all {
        let value = |metric: Metric<f64>, scores: &Tensor<f64>, labels: &[i64]| {
            let mut measure = metric.start();
            measure.add(scores, &Target::Labels(labels.to_vec().into())).unwrap();
            measure.value()
        };
        let expected = value(metric(), &few, &labels);
        let name = metric().name().to_owned();
        assert_eq!(value(metric(), &many, &[0, IGNORED, 1, IGNORED, 1]), expected, "{name}");
        assert_eq!(value(metric().ignoring(7), &many, &[0, 7, 1, IGNORED, 1]), expected, "{name}");
    }
    let output = tensor![1.0, -1.0, 3.0];
    let target = Target::Labels(tensor![1_i64, 0, IGNORED]);
    assert_eq!(binary_accuracy(&output, &target, 0.0).unwrap(), 1.0);
    assert_eq!(roc_auc(&output, &target).unwrap(), 1.0);
    let mut matrix = ConfusionMatrix::new(2);
    matrix.add_labels(&tensor![0_i64, 1], &tensor![IGNORED, 1]).unwrap();
    matrix.add_binary(&output, &target, 0.0).unwrap();
    assert_eq!((matrix.samples(), matrix.accuracy()), (3, Some(1.0)));
}

#[test]
fn what_does_not_fit() {
    let scores = tensor![[0.1, 0.9], [0.3, 0.7]];
    assert!(matches!(accuracy(&scores, &tensor![0_i64]), Err(Error::Shape { .. })));
    assert!(matches!(accuracy(&scores, &tensor![0_i64, 2]), Err(Error::Index { index: 2, position: 1, size: 2, .. })));
    assert!(matches!(accuracy(&Tensor::<f32>::zeros(&[0, 3]), &Tensor::zeros(&[0])), Err(Error::Empty { .. })));
    assert!(matches!(accuracy(&Tensor::<f32>::zeros(&[2, 0]), &tensor![0_i64, 0]), Err(Error::Shape { .. })));
    assert!(accuracy(&Tensor::scalar(1.0), &tensor![0_i64]).is_err());
    assert!(mean_absolute_error(&tensor![1.0], &tensor![[1.0]]).is_err());
    assert!(matches!(r2(&Tensor::<f64>::zeros(&[0]), &Tensor::zeros(&[0])), Err(Error::Empty { .. })));
    assert!(top_k_accuracy(&scores, &tensor![0_i64, 0], 0).unwrap_err().to_string().contains("k must be"));
    assert!(matches!(perplexity(&scores, &tensor![-100_i64, -100]), Err(Error::Empty { .. })));
    assert!(matches!(perplexity(&scores, &tensor![0_i64, 5]), Err(Error::Index { index: 5, position: 1, .. })));
    let half = Target::Values(tensor![0.5, 1.0]);
    assert!(roc_auc(&tensor![0.1, 0.2], &half).unwrap_err().to_string().contains("must be 0 or 1"));
    assert!(roc_auc(&scores, &Target::Labels(tensor![0_i64, 7])).is_err());
    assert!(binary_accuracy(&tensor![0.1], &half, 0.5).unwrap_err().to_string().contains("2 targets"));
}

#[test]
fn errors_of_regression() {
    assert!(mean_absolute_error(&tensor![f64::NAN, 1.0], &tensor![1.0, 1.0]).unwrap().is_nan());
    // From sklearn.metrics.r2_score: columns averaged, constant targets give 1 or 0.
    let (target, output) =
        (tensor![[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]], tensor![[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]]);
    assert!((r2(&output, &target).unwrap() - 0.936_800_526_662).abs() < 1e-11);
    let constant = Tensor::<f64>::full(&[10], 0.1);
    assert_eq!((r2(&constant, &constant).unwrap(), r2(&(&constant + 1.0), &constant).unwrap()), (1.0, 0.0));
    assert!(r2(&tensor![f64::NAN, 1.0], &tensor![1.0, 1.0]).unwrap().is_nan());
    assert!(r2(&tensor![1.0, 1.0], &tensor![1.0, f64::NAN]).unwrap().is_nan());
}

/// From sklearn.metrics, for these twelve labels, where the third class is never predicted.
#[test]
fn averages_over_classes() {
    let labels = tensor![0_i64, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3];
    let predicted = tensor![0_i64, 0, 0, 1, 3, 1, 1, 0, 0, 1, 3, 0];
    let mut matrix = ConfusionMatrix::new(5);
    matrix.add_labels(&predicted, &labels).unwrap();
    let all = [Average::Micro, Average::Macro, Average::Weighted];
    let near = |got: [f64; 3], expected: [f64; 3]| {
        assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-15), "{got:?} {expected:?}");
    };
    // Of the four classes that are present: precision 1/2, 1/2, 0, 1/2; recall 3/5, 2/3, 0, 1/2; F1 6/11, 4/7, 0, 1/2.
    near(all.map(|a| matrix.average_precision(a)), [0.5, 0.375, (2.5 + 1.5 + 1.0) / 12.0]);
    near(all.map(|a| matrix.average_recall(a)), [0.5, (0.6 + 2.0 / 3.0 + 0.5) / 4.0, 0.5]);
    let f1 = [6.0 / 11.0, 4.0 / 7.0, 0.0, 0.5];
    let weighted = (5.0 * f1[0] + 3.0 * f1[1] + 2.0 * f1[3]) / 12.0;
    near(all.map(|a| matrix.average_f1(a)), [0.5, f1.iter().sum::<f64>() / 4.0, weighted]);
    assert!(ConfusionMatrix::new(2).average_f1(Average::Macro).is_nan());
    assert!(ConfusionMatrix::new(2).average_recall(Average::Binary).is_nan());
}

#[test]
#[should_panic(expected = "Average::Binary requires two classes")]
fn the_binary_average_is_of_two_classes() {
    ConfusionMatrix::new(3).average_precision(Average::Binary);
}

#[test]
fn areas_that_do_not_exist_are_left_out() {
    let scores = tensor![[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]];
    // Class 2 has no samples; classes 0 and 1 are separated perfectly.
    assert_eq!(roc_auc(&scores, &Target::Labels(tensor![0_i64, 1, 0])).unwrap(), 1.0);
    assert!(roc_auc(&tensor![0.1, 0.2], &Target::Labels(tensor![1_i64, 1])).unwrap().is_nan());
    assert!(roc_auc(&tensor![0.1, f64::NAN], &Target::Labels(tensor![0_i64, 1])).unwrap().is_nan());
}

#[test]
fn a_state_of_another_measure_is_refused() {
    for metric in [Metric::<f64>::accuracy(), Metric::roc_auc(), Metric::r2(), Metric::f1(Average::Macro)] {
        assert!(!metric.start().restore(&[1.0, 2.0, 3.0]), "{}", metric.name());
        let start = metric.start();
        assert!(metric.start().restore(&start.state()), "{}", metric.name());
    }
}

/// Outputs with many ties, and targets.
#[derive(Debug)]
struct Sample {
    scores: Tensor<f64>,
    labels: Vec<i64>,
    values: Tensor<f64>,
}

fn sample(n: usize, classes: usize, seed: u64) -> Sample {
    let rng = &mut Rng::new(seed);
    let coarse = |rng: &mut Rng, shape: &[usize]| Tensor::from_fn(shape, |_| rng.below(7) as f64 - 3.0);
    let labels = (0..n).map(|_| rng.below(classes) as i64).collect();
    Sample { scores: coarse(rng, &[n, classes]), labels, values: coarse(rng, &[n, classes]) }
}

/// The probability that a positive scores higher than a negative, pair by pair.
fn naive_auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let pairs = (0..scores.len()).flat_map(|i| (0..scores.len()).map(move |j| (i, j)));
    let pairs: Vec<_> = pairs.filter(|&(i, j)| positive[i] && !positive[j]).collect();
    let won = |&(i, j): &(usize, usize)| match scores[i].partial_cmp(&scores[j]) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    };
    (!pairs.is_empty()).then(|| pairs.iter().map(won).sum::<f64>() / pairs.len() as f64)
}

/// Each metric from its definition, without running sums.
fn naive(Sample { scores, labels, values }: &Sample, classes: usize) -> Vec<(Metric<f64>, bool, f64)> {
    let n = labels.len();
    let row = |i: usize| -> Vec<f64> { (0..classes).map(|c| scores.at(&[i, c])).collect() };
    let ranked = |i: usize| {
        let (row, mut order) = (row(i), (0..classes).collect::<Vec<_>>());
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a])); // stable: the first of equals first
        order
    };
    let mean = |of: &dyn Fn(usize) -> f64| (0..n).map(of).sum::<f64>() / n as f64;
    let in_top = |k: usize| mean(&|i| f64::from(u8::from(ranked(i).iter().take(k).any(|c| *c as i64 == labels[i]))));
    let surprise = |i: usize| -(row(i)[labels[i] as usize].exp() / row(i).iter().map(|x| x.exp()).sum::<f64>()).ln();
    let column = |c: usize| -> Vec<f64> { (0..n).map(|i| scores.at(&[i, c])).collect() };
    let of_class = |c: usize| labels.iter().map(|l| *l == c as i64).collect::<Vec<_>>();
    let areas: Vec<f64> = (0..classes).filter_map(|c| naive_auc(&column(c), &of_class(c))).collect();
    let off = (scores - values).to_vec();
    let squares = off.iter().map(|d| d * d).sum::<f64>() / off.len() as f64;
    let f1 = |c: usize| {
        let taken = (0..n).filter(|i| ranked(*i)[0] == c).count();
        let there = (0..n).filter(|i| labels[*i] == c as i64).count();
        let both = (0..n).filter(|i| labels[*i] == c as i64 && ranked(*i)[0] == c).count();
        (taken + there > 0).then(|| 2.0 * both as f64 / (taken + there) as f64)
    };
    let f1s: Vec<f64> = (0..classes).filter_map(f1).collect();
    let average = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    vec![
        (Metric::accuracy(), true, in_top(1)),
        (Metric::top_k(2), true, in_top(2)),
        (Metric::f1(Average::Macro), true, average(&f1s)),
        (Metric::precision(Average::Micro), true, in_top(1)),
        (Metric::recall(Average::Weighted), true, in_top(1)),
        (Metric::roc_auc(), true, average(&areas)),
        (Metric::perplexity(), true, mean(&surprise).exp()),
        (Metric::mean_absolute_error(), false, off.iter().map(|d| d.abs()).sum::<f64>() / off.len() as f64),
        (Metric::mean_squared_error(), false, squares),
        (Metric::root_mean_squared_error(), false, squares.sqrt()),
        (Metric::r2(), false, r2_of_columns(scores, values)),
    ]
}

fn r2_of_columns(y: &Tensor<f64>, t: &Tensor<f64>) -> f64 {
    let score = |c: usize| {
        let (y, t) = (y.slice_axis(1, c..c + 1).to_vec(), t.slice_axis(1, c..c + 1).to_vec());
        let mean = t.iter().sum::<f64>() / t.len() as f64;
        let missed: f64 = t.iter().zip(&y).map(|(t, y)| (t - y).powi(2)).sum();
        let spread: f64 = t.iter().map(|t| (t - mean).powi(2)).sum();
        let constant = t.iter().all(|x| *x == t[0]);
        if constant { f64::from(u8::from(missed == 0.0)) } else { 1.0 - missed / spread }
    };
    let columns = y.shape()[1];
    (0..columns).map(score).sum::<f64>() / columns as f64
}

fn same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0)
}

proptest! {
    #[test]
    fn batches_come_to_what_the_definition_says(n in 1_usize..40, classes in 2_usize..5, size in 1_usize..12, seed: u64) {
        let sample = sample(n, classes, seed);
        for (metric, of_labels, expected) in naive(&sample, classes) {
            let mut measure = metric.start();
            for from in (0..n).step_by(size) {
                let range = from..n.min(from + size);
                let target = match of_labels {
                    true => Target::Labels(sample.labels[range.clone()].iter().copied().collect()),
                    false => Target::Values(sample.values.slice_axis(0, range.clone())),
                };
                measure.add(&sample.scores.slice_axis(0, range), &target).unwrap();
                // The state is complete.
                let mut other = metric.start();
                prop_assert!(other.restore(&measure.state()));
                measure = other;
            }
            prop_assert!(same(measure.value(), expected), "{}: {} {expected}", metric.name(), measure.value());
        }
    }

    #[test]
    fn one_output_decides_by_its_threshold(n in 1_usize..40, size in 1_usize..12, seed: u64) {
        let Sample { scores, labels, .. } = sample(n, 2, seed);
        let scores = scores.slice_axis(1, 0..1);
        let right = |i: usize| (scores.at(&[i, 0]) > 0.0) == (labels[i] == 1);
        let share = (0..n).filter(|i| right(*i)).count() as f64 / n as f64;
        let positive: Vec<bool> = labels.iter().map(|l| *l == 1).collect();
        let area = naive_auc(&scores.to_vec(), &positive).unwrap_or(f64::NAN);
        let counted = Metric::counted("accuracy", Decision::Above(0.0), |matrix| matrix.accuracy().unwrap());
        for (metric, expected) in [(Metric::binary_accuracy(0.0), share), (counted, share), (Metric::roc_auc(), area)] {
            let mut measure = metric.start();
            for from in (0..n).step_by(size) {
                let range = from..n.min(from + size);
                let target = Target::Labels(labels[range.clone()].iter().copied().collect());
                measure.add(&scores.slice_axis(0, range), &target).unwrap();
            }
            prop_assert!(same(measure.value(), expected), "{}: {} {expected}", metric.name(), measure.value());
        }
    }
}

#[test]
fn a_refused_state_leaves_the_counts() {
    for metric in [Metric::<f64>::f1(Average::Macro), Metric::accuracy()] {
        let mut measure = metric.start();
        measure.add(&tensor![[0.9, 0.1], [0.2, 0.8]], &Target::Labels(tensor![0_i64, 0])).unwrap();
        let (value, state) = (measure.value(), measure.state());
        assert!(!measure.restore(&[0.5]));
        assert_eq!((measure.value(), measure.state()), (value, state), "{}", metric.name());
    }
    let mut r2 = Metric::<f64>::r2().start();
    r2.add(&tensor![[1.0], [2.0]], &Target::Values(tensor![[1.0], [3.0]])).unwrap();
    let state = r2.state();
    assert!(!r2.restore(&[1.0; 7]));
    assert_eq!(r2.state(), state);
}

#[test]
fn a_binary_average_of_three_classes_is_an_error() {
    for metric in [Metric::f1(Average::Binary), Metric::recall(Average::Binary), Metric::precision(Average::Binary)] {
        let mut measure = metric.start();
        let error = measure.add(&Tensor::<f64>::zeros(&[1, 3]), &Target::Labels(tensor![2_i64])).unwrap_err();
        assert!(error.to_string().contains("Average::Binary requires two classes"), "{error}");
        measure.add(&Tensor::<f64>::zeros(&[1, 2]), &Target::Labels(tensor![0_i64])).unwrap();
        assert_eq!(measure.value(), 0.0);
    }
}

/// Squares of these numbers overflow or underflow f64, but the root of their mean and their ratio do not.
#[test]
fn errors_of_any_size_have_a_root_and_a_ratio() {
    for s in [1.0, 1e200, 1e300, 1e-200, 1e-300] {
        let t = tensor![0.0, 3.0, -0.5, 2.0, 7.0] * s;
        let y = tensor![0.0, 2.5, 0.0, 2.0, 8.0] * s;
        let root = root_mean_squared_error(&y, &t).unwrap();
        assert!((root / s - 0.3f64.sqrt()).abs() < 1e-15, "{s:e}: {root:e}");
        assert!((r2(&y, &t).unwrap() - (1.0 - 1.5 / 35.8)).abs() < 1e-15, "{s:e}");
        let far = r2(&(&y * 0.0 + s), &(&t / s)).unwrap();
        assert!(if s <= 1.0 { far < 1.0 } else { far == f64::NEG_INFINITY || far < -1e300 }, "{s:e}: {far}");
    }
    // Small errors before and after a huge one.
    let y = tensor![1.0, 3e200, 1.0, 4e200];
    let root = root_mean_squared_error(&y, &(&y * 0.0)).unwrap();
    assert!((root / 2.5e200 - 1.0).abs() < 1e-15, "{root:e}");
    assert!(root_mean_squared_error(&tensor![f64::NAN, 1.0], &tensor![0.0, 0.0]).unwrap().is_nan());
    assert_eq!(root_mean_squared_error(&tensor![f64::INFINITY], &tensor![0.0]).unwrap(), f64::INFINITY);
    assert_eq!(root_mean_squared_error(&tensor![0.5f32, 0.5], &tensor![0.5f32, 0.5]).unwrap(), 0.0);
}

/// Merging the measures of parts of the samples gives the measure of all samples; a state of another measure is
/// rejected.
#[test]
fn parts_merge_to_the_whole() {
    let rng = &mut Rng::new(4);
    let (scores, values) =
        (Tensor::<f64>::randn(&[60, 2], rng).softmax(1), Tensor::<f64>::randn(&[60, 2], rng) * 1e180);
    let labels: Tensor<i64> = (0..60).map(|i| i * i % 3 % 2).collect();
    let of_labels = [
        Metric::accuracy(),
        Metric::top_k(1),
        Metric::perplexity(),
        Metric::roc_auc(),
        Metric::f1(Average::Macro),
        Metric::f1(Average::Binary).ignoring(0),
        Metric::counted("f1", Decision::Largest, |matrix| matrix.average_f1(Average::Weighted)),
    ];
    let of_values = [Metric::mean_absolute_error(), Metric::root_mean_squared_error(), Metric::r2()];
    let outputs = &values * 0.7 + 1e179;
    for (metric, output, target) in of_labels
        .iter()
        .map(|metric| (metric, &scores, Target::Labels(labels.clone())))
        .chain(of_values.iter().map(|metric| (metric, &outputs, Target::Values(values.clone()))))
    {
        let (mut whole, mut merged) = (metric.start(), metric.start());
        whole.add(output, &target).unwrap();
        for part in [0..0, 0..17, 17..18, 18..60] {
            let mut measure = metric.start();
            if !part.is_empty() {
                let target = match &target {
                    Target::Labels(labels) => Target::Labels(labels.slice_axis(0, part.clone())),
                    Target::Values(values) => Target::Values(values.slice_axis(0, part.clone())),
                    Target::Weighted { .. } => unreachable!("none is weighted"),
                };
                measure.add(&output.slice_axis(0, part), &target).unwrap();
            }
            assert!(merged.merge(&measure.state()), "{}", metric.name());
        }
        let (whole, merged) = (whole.value(), merged.value());
        assert!((whole - merged).abs() <= 1e-13 * whole.abs(), "{}: {whole} and {merged}", metric.name());
        let mut measure = metric.start();
        measure.add(output, &target).unwrap();
        assert!(!measure.merge(&[1.0]) && measure.value() == whole, "{}", metric.name());
    }
}
