//! Options of a trainer: accumulation, averages, groups, schedules by step, callbacks, several metrics, class weights.

mod judged;
mod nothing;
mod unlisted;

use autograd::{Ints, Rng, Tensor, Var, tensor};
use nn::data::{Batch, DataError, Dataset, FileDataset, Order, TensorDataset};
use nn::io::{ArrayFile, write_npy};
use nn::layer::{Linear, Mlp, Sequential};
use nn::loss::{ClassOptions, CrossEntropy, Mse, Reduction, Target, Targets, cross_entropy_with};
use nn::metric::{self, Average, Metric};
use nn::optim::{Adam, Ema, ParamGroups, Sgd};
use nn::schedule::{ExponentialDecay, LinearRamp};
use nn::train::{Callback, CallbackResult, EarlyStopping, Moment, Monitor, Stop, Trainer};
use nn::{Module, Path};
use std::sync::{Arc, Mutex};

/// y = 2 a - b, with some noise.
fn plane(n: usize) -> TensorDataset<f64> {
    let mut rng = Rng::new(9);
    let x = Tensor::<f64>::randn(&[n, 2], &mut rng);
    let y = Tensor::from_fn(&[n, 1], |i| 2.0 * x.at(&[i[0], 0]) - x.at(&[i[0], 1]) + 0.1 * rng.normal());
    TensorDataset::new(x, Target::Values(y)).unwrap()
}

/// Three clusters of very different sizes.
fn clusters(n: usize, seed: u64) -> TensorDataset<f64> {
    let mut rng = Rng::new(seed);
    let labels: Vec<i64> = (0..n).map(|_| [0, 0, 0, 0, 0, 0, 1, 1, 2][rng.below(9)]).collect();
    let centers = [[0.0, 0.0], [1.2, 0.3], [0.4, 1.1]];
    let x = Tensor::from_fn(&[n, 2], |i| centers[labels[i[0]] as usize][i[1]] + 0.5 * rng.normal());
    TensorDataset::new(x, Target::Labels(labels.into())).unwrap()
}

fn values(model: &dyn Module<f64>) -> Vec<f64> {
    let mut all = Vec::new();
    model.visit(&mut Path::default(), &mut |_, p| all.extend(p.value().iter()));
    all
}

fn line() -> Linear<f64> {
    Linear::new(2, 1, &mut Rng::new(0))
}

fn classifier() -> Sequential<f64> {
    Mlp::new(&[2, 8, 3]).seed(1).build()
}

fn close(a: &[f64], b: &[f64], by: f64) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= by), "{a:?} {b:?}");
}

#[test]
fn small_batches_that_are_accumulated_are_one_large_batch() {
    // 70 samples in batches of 12: four batches per step are 48 samples; the rest is 22, with a last batch of 10.
    let data = plane(70);
    let fit = |batch_size, accumulate| {
        let mut model = line();
        let trainer = Trainer::new(Mse::new(), Adam::new(0.05)).epochs(3).clip_norm(0.5).l1(1e-3).l2(1e-2);
        let mut trainer = trainer.batch_size(batch_size).accumulate(accumulate).seed(2).quiet();
        let history = trainer.fit(&mut model, &data).unwrap();
        (values(&model), history.epochs.iter().map(|e| e.loss).collect::<Vec<_>>())
    };
    let (large, small) = (fit(48, 1), fit(12, 4));
    close(&large.0, &small.0, 1e-12);
    close(&large.1, &small.1, 1e-12);
    assert!(
        large.0.iter().zip(fit(12, 1).0).any(|(a, b)| (a - b).abs() > 1e-3),
        "accumulation is not many small steps"
    );
}

#[test]
fn averages_are_validated_and_left_in_the_model() {
    let (data, validation) = (plane(64), plane(16));
    let mut seen = Ema::new(0.8);
    let mut by_hand = line();
    Trainer::new(Mse::new(), Sgd::new(0.1))
        .epochs(2)
        .batch_size(8)
        .on_batch_end(|at| seen.update(&*at.model()))
        .quiet()
        .fit(&mut by_hand, &data)
        .unwrap();
    seen.swap(&mut by_hand);
    let mut model = line();
    let mut trainer = Trainer::new(Mse::new(), Sgd::new(0.1)).epochs(2).batch_size(8).ema(0.8);
    trainer = trainer.validation(&validation).quiet();
    let history = trainer.fit(&mut model, &data).unwrap();
    assert_eq!(values(&model), values(&by_hand));
    let found = trainer.evaluate(&model, &validation).unwrap().loss;
    assert_eq!(history.epochs[1].validation_loss, Some(found));
}

#[test]
fn a_schedule_acts_on_each_group_from_its_own_rate_epoch_by_epoch_or_step_by_step() {
    let data = plane(32);
    let rates = |by_step: bool| {
        let seen = Mutex::new(Vec::new());
        let groups = ParamGroups::new(Sgd::new(0.1)).group("bias", Sgd::new(0.4));
        let trainer = Trainer::new(Mse::new(), groups).epochs(2).batch_size(16).quiet();
        let ramp = LinearRamp { start_factor: 0.5, end_factor: 1.0, total_iters: 2 };
        let trainer = if by_step { trainer.schedule_by_step(ramp) } else { trainer.schedule(ramp) };
        let mut trainer = trainer.on_batch_end(|at| seen.lock().unwrap().push(at.learning_rate()));
        trainer.fit(&mut line(), &data).unwrap();
        drop(trainer);
        seen.into_inner().unwrap()
    };
    close(&rates(true), &[0.05, 0.075, 0.1, 0.1], 1e-15);
    close(&rates(false), &[0.05, 0.05, 0.075, 0.075], 1e-15);
    // The second group trains as if alone, with its own rate and schedule.
    let (mut parts, mut alone) = (line(), line());
    let fit = |model: &mut Linear<f64>, groups: ParamGroups<f64>| {
        let trainer = Trainer::new(Mse::new(), groups).epochs(3).quiet();
        trainer.schedule(ExponentialDecay { gamma: 0.5 }).fit(model, &data).unwrap();
    };
    fit(&mut parts, ParamGroups::new(Sgd::new(0.0)).group("bias", Sgd::new(0.4)));
    alone.weight.set_trainable(false);
    fit(&mut alone, ParamGroups::new(Sgd::new(0.4)));
    close(&values(&parts), &values(&alone), 1e-15);
}

/// Logs which hook was called at which epoch and batch.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, at: &Moment<'_, f64>) -> CallbackResult {
        self.0.lock().unwrap().push(format!("{what} {}.{}", at.epoch(), at.batch()));
        Ok(())
    }
}

impl Callback<f64> for Diary {
    fn train_begin(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        self.note("begin", at)
    }
    fn epoch_begin(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        self.note("epoch", at)
    }
    fn batch_begin(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        self.note("batch", at)
    }
    fn batch_end(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        self.note("done", at)
    }
    fn epoch_end(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        assert_eq!(at.history().epochs.len(), at.epoch());
        assert_eq!(at.loss(), at.history().epochs.last().unwrap().loss);
        self.note("judged", at)
    }
    fn train_end(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        self.note("end", at)
    }
}

#[test]
fn hooks_are_called_in_order_and_can_stop() {
    let diary = Diary::default();
    let trainer = Trainer::new(Mse::new(), Sgd::new(0.01)).epochs(5).batch_size(8).callback(diary.clone());
    let stops = |at: &mut Moment<'_, f64>| {
        if (at.epoch(), at.batch()) == (2, 1) {
            at.stop("enough");
            at.stop("the first reason counts");
        }
    };
    let history = trainer.on_batch_end(stops).quiet().fit(&mut line(), &plane(20)).unwrap();
    assert_eq!(history.stopped, Some(Stop::Asked { reason: "enough".into() }));
    assert_eq!(history.epochs.len(), 2);
    let expected = "begin 1.0, epoch 1.0, batch 1.0, done 1.1, batch 1.1, done 1.2, batch 1.2, done 1.3, judged 1.3, \
                    epoch 2.0, batch 2.0, done 2.1, judged 2.1, end 3.0";
    assert_eq!(diary.0.lock().unwrap().join(", "), expected);
}

#[test]
fn metrics_of_batches_are_metrics_of_all_data() {
    let (data, validation) = (clusters(90, 1), clusters(50, 2));
    let named = Metric::recall(Average::Macro).named("macro recall");
    let mut model = classifier();
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.02))
        .epochs(4)
        .batch_size(7)
        .metric(Metric::accuracy())
        .metric(named)
        .metric(Metric::roc_auc())
        .validation(&validation)
        .quiet();
    let history = trainer.fit(&mut model, &data).unwrap();
    let scores = trainer.predict(&model, validation.inputs()).unwrap();
    let labels = validation.targets().labels("test").unwrap();
    let matrix = metric::ConfusionMatrix::from_scores(&scores, labels).unwrap();
    let auc = metric::roc_auc(&scores, validation.targets()).unwrap();
    let expected = [matrix.accuracy().unwrap(), matrix.average_recall(Average::Macro), auc];
    close(&history.epochs[3].validation_metrics, &expected, 1e-12);
    assert_eq!(history.metrics[1].name, "macro recall");
    assert!(history.to_csv().starts_with("epoch,loss,accuracy,macro recall,roc_auc,validation_loss,"));
    let best = history.best_by(Monitor::Named("macro recall".into())).unwrap();
    assert!(history.epochs.iter().all(|e| e.validation_metrics[1] <= best.validation_metrics[1]));
}

#[test]
fn a_metric_that_is_not_measured_cannot_be_watched() {
    let early = EarlyStopping { monitor: Monitor::Named("f1".into()), ..EarlyStopping::default() };
    let mut trainer = Trainer::new(Mse::new(), Sgd::new(0.1)).metric(Metric::r2()).early_stopping(early).quiet();
    let said = trainer.fit(&mut line(), &plane(8)).unwrap_err().to_string();
    assert!(said.contains("watches f1, which is not measured"), "{said}");
}

#[test]
fn weights_of_classes_find_the_rare_ones() {
    let (data, test) = (clusters(400, 3), clusters(400, 4));
    let recall_of_the_rarest = |weight: Option<Tensor<f64>>| {
        let options = ClassOptions { weight, ..ClassOptions::default() };
        let mut model = classifier();
        let loss = for_labels(move |scores, labels| cross_entropy_with(scores, labels, &options, Reduction::Mean));
        let mut trainer = Trainer::new(loss, Adam::new(0.02)).epochs(15).quiet();
        trainer.fit(&mut model, &data).unwrap();
        let scores = trainer.predict(&model, test.inputs()).unwrap();
        let labels = test.targets().labels("test").unwrap();
        metric::ConfusionMatrix::from_scores(&scores, labels).unwrap().recall(2).unwrap()
    };
    let (plain, weighted) = (recall_of_the_rarest(None), recall_of_the_rarest(Some(tensor![1.0, 3.0, 6.0])));
    assert!(weighted > plain + 0.1, "{plain} {weighted}");
}

/// Adapts a loss function of labels to the trait.
fn for_labels<F>(f: F) -> impl for<'t> Fn(Var<'t, f64>, &Targets<'t, f64>) -> autograd::Result<Var<'t, f64>> + Send
where
    F: for<'t> Fn(Var<'t, f64>, Ints<'t, f64>) -> autograd::Result<Var<'t, f64>> + Send,
{
    move |output, targets| f(output, targets.labels("test")?)
}

#[test]
fn a_gradient_is_clipped_as_a_whole_or_one_by_one() {
    let data = TensorDataset::new(tensor![[100.0, 0.0]], Target::Values(tensor![[-1000.0]])).unwrap();
    let moved = |trainer: Trainer<'_, f64>| {
        let (mut model, before) = (line(), values(&line()));
        trainer.epochs(1).quiet().fit(&mut model, &data).unwrap();
        values(&model).iter().zip(before).map(|(after, before)| before - after).collect::<Vec<_>>()
    };
    let sgd = || Trainer::new(Mse::new(), Sgd::new(1.0));
    let unit = 1.0 / 100f64.hypot(1.0);
    close(&moved(sgd().clip_norm(1.0)), &[100.0 * unit, 0.0, unit], 1e-8);
    close(&moved(sgd().clip_each_norm(1.0)), &[1.0, 0.0, 1.0], 1e-8);
    close(&moved(sgd().clip_value(0.25)), &[0.25, 0.0, 0.25], 1e-12);
    assert_eq!(data.len(), 1);
}

/// Weights after two epochs, and the loss of each epoch.
fn trained(
    data: &dyn Dataset<f64>,
    told: impl for<'d> Fn(Trainer<'d, f64>) -> Trainer<'d, f64>,
) -> (Vec<f64>, Vec<f64>) {
    let mut model = classifier();
    let mut trainer = told(Trainer::new(CrossEntropy::new(), Adam::new(0.02)).epochs(2).batch_size(7).seed(3).quiet());
    let history = trainer.fit(&mut model, data).unwrap();
    assert_eq!(history.notes, [""; 0], "every step is replayed");
    (values(&model), history.epochs.iter().map(|epoch| epoch.loss).collect())
}

#[test]
fn order_and_prefetching_are_the_loaders() {
    let data = clusters(40, 5);
    let labels = data.labels().unwrap().to_vec();
    let weights: Vec<f64> = labels.iter().map(|label| [1.0, 3.0, 6.0][*label as usize]).collect();
    let orders = [Order::InOrder, Order::Shuffled, Order::Weighted(weights), Order::Stratified(labels)];
    let fits: Vec<_> = orders.iter().map(|order| trained(&data, |t| t.order(order.clone()))).collect();
    for (i, (order, fit)) in orders.iter().zip(&fits).enumerate() {
        assert!(fits[..i].iter().all(|other| other != fit), "all orders differ");
        for ahead in [1, 3, 100] {
            assert_eq!(&trained(&data, |t| t.order(order.clone()).prefetch(ahead)), fit, "{order:?}, {ahead} ahead");
        }
    }
    assert_eq!(trained(&data, |t| t), fits[1], "shuffled by default");
    // 40 samples make five batches of 7, and five samples are left over.
    let batches = Mutex::new(0);
    let count = |_: &mut Moment<'_, f64>| *batches.lock().unwrap() += 1;
    let mut trainer =
        Trainer::new(CrossEntropy::new(), Adam::new(0.02)).epochs(1).batch_size(7).drop_last(true).quiet();
    trainer = trainer.on_batch_end(count);
    trainer.fit(&mut classifier(), &data).unwrap();
    drop(trainer);
    assert_eq!(*batches.lock().unwrap(), 5);
}

#[test]
fn an_order_that_does_not_fit_is_an_error() {
    let data = clusters(40, 5);
    let said = |trainer: Trainer<'_, f64>| trainer.quiet().fit(&mut classifier(), &data).unwrap_err().to_string();
    let trainer = || Trainer::new(CrossEntropy::new(), Adam::new(0.02));
    assert_eq!(
        said(trainer().order(Order::Weighted(vec![1.0]))),
        "got 1 weights for 40 samples; expected one per sample"
    );
    assert_eq!(
        said(trainer().order(Order::Stratified(vec![]))),
        "got 0 labels for 40 samples; expected one per sample"
    );
    let whole = "40 samples do not fill a batch of 64, and `drop_last` drops incomplete batches";
    assert_eq!(said(trainer().batch_size(64).drop_last(true)), whole);
}

/// A sample that cannot be loaded ends training at its batch, with or without prefetching.
#[test]
fn data_that_fails_ends_training() {
    struct Torn(TensorDataset<f64>);
    impl Dataset<f64> for Torn {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn batch(&self, indices: &[usize]) -> Result<Batch<f64>, DataError> {
            if indices.contains(&30) { Err(DataError::Sample { index: 30, len: 30 }) } else { self.0.batch(indices) }
        }
    }
    let after = |ahead: usize| {
        let (mut model, data) = (classifier(), Torn(clusters(40, 5)));
        let mut trainer =
            Trainer::new(CrossEntropy::new(), Adam::new(0.02)).batch_size(4).order(Order::InOrder).quiet();
        trainer = trainer.prefetch(ahead);
        let said = trainer.fit(&mut model, &data).unwrap_err().to_string();
        assert_eq!(said, "sample index 30 is out of range for a data set of 30 samples");
        values(&model)
    };
    assert_eq!(after(0), after(2));
    assert_ne!(after(2), values(&classifier()));
}

#[test]
fn data_in_files_streams_through_fit() {
    let data = clusters(40, 6);
    let folder = std::env::temp_dir();
    let [x, y] = ["x", "y"].map(|name| folder.join(format!("nn-trainer-{name}-{}.npy", std::process::id())));
    write_npy(&x, &data.inputs().clone().into()).unwrap();
    write_npy(&y, &data.labels().unwrap().clone().into()).unwrap();
    let rows = FileDataset::labels(ArrayFile::npy(&x).unwrap(), ArrayFile::npy(&y).unwrap()).unwrap();
    let in_memory = trained(&data, |t| t);
    assert_eq!(trained(&rows, |t| t), in_memory);
    assert_eq!(trained(&rows, |t| t.prefetch(2)), in_memory);
    [x, y].iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn samples_of_weight_zero_teach_nothing() {
    let data = clusters(40, 7);
    let weights: Tensor<f64> = data.labels().unwrap().iter().map(|label| [1.0, 0.0, 2.5][label as usize]).collect();
    let weighted = data.clone().weighted(weights.clone()).unwrap();
    let fit = trained(&weighted, |t| t);
    assert_eq!(fit, trained(&weighted, |t| t.recorded()), "replayed equals recorded");
    assert_ne!(fit, trained(&data, |t| t));
    assert_eq!(trained(&data.clone().weighted(Tensor::ones(&[40])).unwrap(), |t| t), trained(&data, |t| t));
    // A sample of weight 0 may have any label.
    let other: Tensor<i64> = data.labels().unwrap().iter().map(|label| if label == 1 { 0 } else { label }).collect();
    let other = TensorDataset::new(data.inputs().clone(), Target::Labels(other)).unwrap().weighted(weights).unwrap();
    assert_eq!(trained(&other, |t| t), fit);
    let said = |weights: Tensor<f64>| data.clone().weighted(weights).unwrap_err().to_string();
    assert_eq!(said(tensor![1.0]), "got 1 weights for 40 samples; expected one per sample");
    assert!(said(Tensor::full(&[40], -1.0)).contains("the weight of sample 0 is -1"));
}
