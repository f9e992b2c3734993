//! Batches and micro-batches in which no target counts: all labels ignored, or all weights 0.

use super::{classifier, values};
use autograd::{Tensor, tensor};
use nn::data::{Batch, Order, TensorDataset};
use nn::loss::{CrossEntropy, IGNORED, Loss, Mse, Nll, Reduction, Target};
use nn::optim::{Adam, Optimizer};
use nn::train::{Callback, CallbackResult, Checkpoints, History, Moment, TrainStep, Trainer};

/// Six batches of two samples, in order; those that are listed have no label.
fn data(empty: &[usize]) -> TensorDataset<f64> {
    let label = |i: usize| if empty.contains(&(i / 2)) { IGNORED } else { (i % 3) as i64 };
    let x = Tensor::from_fn(&[12, 2], |at| ((3 * at[0] + at[1]) as f64).sin());
    TensorDataset::new(x, Target::Labels((0..12).map(label).collect())).unwrap()
}

fn fit(loss: impl Loss<f64>, accumulate: usize, data: &TensorDataset<f64>, replayed: bool) -> (Vec<f64>, History) {
    let mut model = classifier();
    let trainer = Trainer::new(loss, Adam::new(0.05)).epochs(3).batch_size(2).order(Order::InOrder).l2(0.01);
    let trainer = trainer.accumulate(accumulate).ema(0.5).quiet();
    let mut trainer = if replayed { trainer } else { trainer.recorded() };
    let history = trainer.fit(&mut model, data).unwrap();
    (values(&model), history)
}

#[test]
fn a_batch_of_nothing_is_no_update() {
    let counting = data(&[]).subset(&[0, 1, 4, 5, 8, 9, 10, 11]).unwrap();
    for replayed in [false, true] {
        let (expected, history) = fit(CrossEntropy::new(), 1, &counting, replayed);
        assert!(history.notes.is_empty());
        let (found, history) = fit(CrossEntropy::new(), 1, &data(&[1, 3]), replayed);
        assert_eq!(found, expected);
        assert_eq!(
            history.notes,
            [
                "6 updates were skipped, because none of their targets count: every label is ignored, or every weight is 0"
            ]
        );
        let weights = Tensor::from_fn(&[12], |at| if [1, 3].contains(&(at[0] / 2)) { 0.0 } else { 1.0 });
        assert_eq!(fit(CrossEntropy::new(), 1, &data(&[]).weighted(weights).unwrap(), replayed).0, expected);
        for loss in [CrossEntropy::new().reduction(Reduction::Sum), CrossEntropy::new().reduction(Reduction::BatchMean)]
        {
            let expected = fit(loss.clone(), 1, &counting, replayed).0;
            assert_eq!(fit(loss, 1, &data(&[1, 3]), replayed).0, expected);
        }
    }
}

#[test]
fn parts_of_nothing_contribute_nothing() {
    for replayed in [false, true] {
        // Two updates of an epoch, of three parts each: one part is empty, and then all are.
        let (found, history) = fit(CrossEntropy::new(), 3, &data(&[1, 3, 4, 5]), replayed);
        let (expected, _) = fit(CrossEntropy::new(), 2, &data(&[]).subset(&[0, 1, 4, 5]).unwrap(), replayed);
        assert_eq!(found, expected);
        assert!(history.notes[0].starts_with("3 updates were skipped"), "{:?}", history.notes);
    }
}

#[test]
fn training_on_nothing_changes_nothing() {
    let nothing = data(&[0, 1, 2, 3, 4, 5]);
    for (accumulate, replayed) in [(1, false), (1, true), (4, false), (4, true)] {
        let (found, history) = fit(CrossEntropy::new(), accumulate, &nothing, replayed);
        assert_eq!(found, values(&classifier()));
        assert_eq!(history.epochs.iter().map(|epoch| epoch.loss).collect::<Vec<_>>(), [0.0; 3]);
        assert_eq!(history.notes.len(), 1);
    }
    let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.1));
    assert_eq!(trainer.evaluate(&classifier(), &nothing).unwrap().loss, 0.0);
}

/// By hand: the state of the optimizer and the count of steps stay, and the count of skipped updates says so.
#[test]
fn a_step_on_nothing_leaves_the_optimizer() {
    let (mut model, mut adam, mut step) = (classifier(), Adam::new(0.05), TrainStep::new(0).replaying());
    let batch = |targets| Batch { inputs: tensor![[1.0, 2.0], [-1.0, 0.5]], targets };
    let good = batch(Target::Labels(tensor![0_i64, 2]));
    let nothing = batch(Target::Labels(tensor![IGNORED, IGNORED]));
    step.run(&mut model, &CrossEntropy::new(), &mut adam, &good).unwrap();
    let (before, state) = (values(&model), adam.state(&model));
    for _ in 0..3 {
        assert_eq!(step.run(&mut model, &CrossEntropy::new(), &mut adam, &nothing).unwrap().loss, 0.0);
    }
    step.gradients(&model, &CrossEntropy::new(), &nothing).unwrap();
    step.accumulate(&mut model, 0.0);
    step.average();
    assert!(step.param_gradients().iter().all(|g| g.iter().all(|g| g == 0.0)));
    assert!(!step.apply(&mut model, &mut adam));
    assert_eq!((values(&model), adam.state(&model), step.steps(), step.skipped()), (before, state, 1, 4));
    step.run(&mut model, &CrossEntropy::new(), &mut adam, &good).unwrap();
    assert_eq!(step.steps(), 2);
    // Nothing has been accumulated since an average that was not 0.
    step.gradients(&model, &CrossEntropy::new(), &good).unwrap();
    step.accumulate(&mut model, 2.0);
    step.average();
    assert!(step.param_gradients().iter().any(|g| g.iter().any(|g| g != 0.0)));
    step.average();
    assert!(step.param_gradients().iter().all(|g| g.iter().all(|g| g == 0.0)));
}

#[test]
fn what_counts_has_a_sample_a_label_and_a_weight() {
    let counts = |loss: &dyn Loss<f64>, target: Target<f64>| loss.counts(&target);
    let labels = || Target::Labels(tensor![IGNORED, 1]);
    assert!(counts(&CrossEntropy::new(), labels()) && counts(&Nll::new(), labels()));
    assert!(!counts(&CrossEntropy::new().ignore_index(1), Target::Labels(tensor![1_i64, 1])));
    assert!(!counts(&Nll::new().weight(&[1.0, 0.0]), labels()));
    // The only label has no weight, and the only weight no label.
    assert!(!counts(&CrossEntropy::new(), labels().weighted(tensor![1.0, 0.0])));
    assert!(counts(&CrossEntropy::new(), labels().weighted(tensor![0.0, 1.0])));
    let places = Target::Labels(tensor![[IGNORED, IGNORED], [IGNORED, 0]]);
    assert!(counts(&CrossEntropy::new(), places.clone().weighted(tensor![0.0, 1.0])));
    assert!(!counts(&CrossEntropy::new(), places.weighted(tensor![1.0, 0.0])));
    let values = Target::Values(tensor![[0.5, 0.5], [1.0, 0.0]]);
    assert!(counts(&CrossEntropy::new(), values.clone().weighted(tensor![0.0, 2.0])));
    assert!(!counts(&Mse::new(), values.weighted(tensor![0.0, 0.0])));
    assert!(!counts(&Mse::new(), Target::Values(Tensor::zeros(&[0, 2]))));
}

#[test]
fn a_resumed_training_remembers_what_it_skipped() {
    let folder = std::env::temp_dir().join(format!("nn-skipped-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let run = |epochs: usize, resume: bool| {
        let mut model = classifier();
        let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.05)).epochs(epochs).batch_size(2);
        let mut trainer = trainer.order(Order::InOrder).checkpoints(Checkpoints::new(&folder)).quiet();
        let data = data(&[1]);
        let history = if resume { trainer.resume(&mut model, &data) } else { trainer.fit(&mut model, &data) };
        history.unwrap().notes
    };
    assert!(run(1, false)[0].starts_with("1 update was skipped, because none of its targets count"));
    assert!(run(3, true)[0].starts_with("3 updates were skipped"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Stops before the first batch of the second epoch.
struct Stops {
    before_epoch: bool,
}

impl Callback<f64> for Stops {
    fn epoch_begin(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        if self.before_epoch && at.epoch() == 2 {
            at.stop("enough");
        }
        Ok(())
    }

    fn batch_begin(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        if !self.before_epoch && at.epoch() == 2 {
            at.stop("enough");
        }
        Ok(())
    }
}

#[test]
fn a_stop_before_a_batch_does_not_train_it() {
    let data = TensorDataset::new(tensor![[1.0, 2.0], [-1.0, 0.5]], Target::Labels(tensor![0_i64, 2])).unwrap();
    let trainer = || Trainer::new(CrossEntropy::new(), Adam::new(0.05)).batch_size(1).epochs(3).quiet();
    let mut once = classifier();
    trainer().epochs(1).fit(&mut once, &data).unwrap();
    for before_epoch in [false, true] {
        let mut stopped = classifier();
        let history = trainer().callback(Stops { before_epoch }).fit(&mut stopped, &data).unwrap();
        assert_eq!(values(&stopped), values(&once));
        assert!(history.epochs.len() == 2 && history.epochs[1].loss.is_nan(), "{history:?}");
        assert_eq!(history.best().unwrap().epoch, 1);
    }
}
