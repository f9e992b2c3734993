//! How an epoch is evaluated: which samples count, what their mean loss is, and what follows it.

use super::{classifier, close, clusters, line, plane, values};
use autograd::{Tensor, tensor};
use nn::data::{Order, TensorDataset};
use nn::loss::{CrossEntropy, IGNORED, Mse, Reduction, Target};
use nn::metric::{Average, Metric};
use nn::optim::{Adam, Sgd};
use nn::schedule::Schedule;
use nn::train::{Callback, CallbackResult, Moment, Monitor, Trainer};
use nn::{Parameters, Path};
use std::sync::{Arc, Mutex};

/// Samples with an ignored label have no effect on training, and neither the loss nor a metric counts them.
#[test]
fn ignored_samples_teach_nothing_and_are_not_judged() {
    let (whole, validation) = (clusters(60, 8), clusters(30, 9));
    let without_ones = |data: &TensorDataset<f64>, ignored: i64, put: Option<f64>| {
        let labels = data.labels().unwrap();
        let hidden = |i: usize| labels.at(&[i]) == 1;
        let x = data.inputs();
        let x = Tensor::from_fn(x.shape(), |i| put.filter(|_| hidden(i[0])).unwrap_or(x.at(i)));
        let labels = labels.iter().map(|label| if label == 1 { ignored } else { label }).collect();
        TensorDataset::new(x, Target::Labels(labels)).unwrap()
    };
    let fit = |ignored: i64, put: Option<f64>| {
        let (training, validation) = (without_ones(&whole, ignored, put), without_ones(&validation, ignored, put));
        let mut model = classifier();
        let all = [Metric::accuracy(), Metric::top_k(2), Metric::f1(Average::Macro), Metric::roc_auc()];
        let trainer = Trainer::new(CrossEntropy::new().ignore_index(ignored), Adam::new(0.02)).epochs(3).batch_size(7);
        let trainer = all.into_iter().fold(trainer, |trainer, metric| trainer.metric(metric.ignoring(ignored)));
        let mut trainer = trainer.validation(&validation).order(Order::InOrder).quiet();
        let history = trainer.fit(&mut model, &training).unwrap();
        let evaluation = trainer.evaluate(&model, &validation).unwrap();
        let last = history.epochs.last().unwrap();
        assert_eq!(last.validation_loss, Some(evaluation.loss));
        (values(&model), last.loss, evaluation)
    };
    let default = fit(IGNORED, None);
    assert_eq!(fit(IGNORED, Some(1e3)), default);
    assert_eq!(fit(7, Some(-5.0)), default);
    // The samples that count, one by one.
    let counting = without_ones(&validation, IGNORED, None);
    let kept: Vec<usize> = (0..30).filter(|i| counting.labels().unwrap().at(&[*i]) != IGNORED).collect();
    let kept = counting.subset(&kept).unwrap();
    let mut model = classifier();
    let mut place = default.0.iter();
    model.visit_mut(&mut Path::default(), &mut |_, p| {
        p.value_mut().make_mut().iter_mut().for_each(|x| *x = *place.next().unwrap());
    });
    let alone = nn::train::evaluate(&model, &CrossEntropy::new(), &[Metric::accuracy()], &kept, 100).unwrap();
    close(&[default.2.loss, default.2.metrics[0]], &[alone.loss, alone.metrics[0]], 1e-12);
}

/// Whatever the reduction, class weights and ignored labels, batches of any size give the same mean, and accumulated
/// ones the same update.
#[test]
fn the_mean_loss_does_not_depend_on_the_batches() {
    let data = clusters(50, 11);
    let weighted = CrossEntropy::new().weight(&[1.0, 4.0, 0.5]).ignore_index(2);
    for loss in [weighted.clone(), weighted.clone().reduction(Reduction::Sum), CrossEntropy::new().ignore_index(0)] {
        let whole = loss.clone().reduction(Reduction::Mean);
        let mean = |loss: CrossEntropy, size| nn::train::evaluate(&classifier(), &loss, &[], &data, size).unwrap().loss;
        for size in [1, 7, 50] {
            close(&[mean(loss.clone(), size)], &[mean(whole.clone(), 50)], 1e-13);
        }
    }
    let regression = plane(50);
    let error = |reduction, size| {
        nn::train::evaluate(&line(), &Mse::new().reduction(reduction), &[], &regression, size).unwrap().loss
    };
    let [sum, mean, batch] =
        [Reduction::Sum, Reduction::Mean, Reduction::BatchMean].map(|r| [error(r, 50), error(r, 7)]);
    close(&[sum, mean, batch].concat(), &[mean[0]; 6], 1e-13);
    let fit = |batch_size, accumulate| {
        let mut model = classifier();
        let trainer = Trainer::new(weighted.clone(), Sgd::new(0.1)).epochs(1).batch_size(batch_size);
        let history = trainer.accumulate(accumulate).seed(4).quiet().fit(&mut model, &data).unwrap();
        (values(&model), history.epochs[0].loss)
    };
    let (large, small) = (fit(40, 1), fit(10, 4));
    close(&large.0, &small.0, 1e-12);
    close(&[large.1], &[small.1], 1e-12);
}

/// After an error between two epochs, the model has its own parameters, not their averages.
#[test]
fn after_an_error_in_validation_the_model_has_its_own_parameters() {
    struct Fails;
    impl Callback<f64> for Fails {
        fn epoch_end(&mut self, _: &mut Moment<'_, f64>) -> CallbackResult {
            Err("no more".into())
        }
    }
    let (data, odd) = (clusters(30, 12), clusters(5, 13));
    let odd = TensorDataset::new(odd.inputs().clone(), Target::Labels(tensor![0_i64, 1, 2, 3, 0])).unwrap();
    let trainer = || Trainer::new(CrossEntropy::new(), Adam::new(0.05)).epochs(1).batch_size(5).quiet();
    let mut plain = classifier();
    trainer().fit(&mut plain, &data).unwrap();
    for (mut trainer, expected) in [
        (trainer().ema(0.9).callback(Fails), "a callback failed: no more"),
        (trainer().ema(0.9).validation(&odd), "evaluation: cross_entropy: index 3 "),
    ] {
        let mut model = classifier();
        let said = trainer.fit(&mut model, &data).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(values(&model), values(&plain), "{said}");
    }
}

/// Logs what a schedule observes.
#[derive(Clone, Default)]
struct Observer(Arc<Mutex<Vec<f64>>>);

impl Schedule for Observer {
    fn rate(&self, _: usize, base: f64) -> f64 {
        base
    }
    fn observe(&mut self, measure: f64) {
        self.0.lock().unwrap().push(measure);
    }
}

#[test]
fn a_schedule_follows_what_it_is_told_to() {
    let (data, validation) = (clusters(40, 14), clusters(20, 15));
    let seen = |monitor: Option<Monitor>| {
        let observer = Observer::default();
        let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.05)).epochs(3).validation(&validation).quiet();
        let trainer = trainer.metric(Metric::accuracy()).metric(Metric::roc_auc()).schedule(observer.clone());
        let mut trainer = match monitor {
            Some(monitor) => trainer.schedule_follows(monitor),
            None => trainer,
        };
        let history = trainer.fit(&mut classifier(), &data).unwrap();
        drop(trainer);
        (observer.0.lock().unwrap().clone(), history.epochs)
    };
    let (auc, epochs) = seen(Some(Monitor::Named("roc_auc".into())));
    assert_eq!(auc, epochs.iter().map(|epoch| epoch.validation_metrics[1]).collect::<Vec<_>>());
    assert_eq!(seen(Some(Monitor::Loss)).0, epochs.iter().map(|epoch| epoch.loss).collect::<Vec<_>>());
    assert_eq!(seen(None).0, epochs.iter().map(|epoch| epoch.validation_loss.unwrap()).collect::<Vec<_>>());
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.05)).schedule_follows(Monitor::Metric).quiet();
    let said = trainer.fit(&mut classifier(), &data).unwrap_err().to_string();
    assert!(said.starts_with("the schedule watches the metric, which is not measured"), "{said}");
}
