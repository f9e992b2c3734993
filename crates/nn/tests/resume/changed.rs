//! What may change between a run and its resumption, and what a failed run leaves.

use super::{Batches, points};
use autograd::{Tensor, tensor};
use nn::data::{Order, TensorDataset};
use nn::layer::{Mlp, Sequential};
use nn::loss::{CrossEntropy, Target};
use nn::metric::Metric;
use nn::optim::{Adam, Lbfgs, ParamGroups, Sgd};
use nn::train::{
    Callback, CallbackResult, Checkpoints, EarlyStopping, LrRange, Moment, Monitor, Stop, TrainError, Trainer,
};
use nn::{Parameters, io::StateDict};
use std::fs;
use std::path::PathBuf;

fn model() -> Sequential<f64> {
    Mlp::new(&[2, 6, 2]).seed(3).build()
}

fn trainer<'d>() -> Trainer<'d, f64> {
    Trainer::new(CrossEntropy::new(), Adam::new(0.02)).epochs(2).batch_size(8).quiet()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nn-changed-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// A loss is not compared with the accuracy of an earlier epoch, which as a cost is below 0.
#[test]
fn another_monitor_counts_from_where_it_begins() {
    let (data, folder) = (points(40, 1), folder("monitor"));
    let early = |monitor| EarlyStopping { patience: 3, monitor, ..EarlyStopping::default() };
    let trainer = || trainer().metric(Metric::accuracy()).checkpoints(Checkpoints::new(&folder));
    trainer().early_stopping(early(Monitor::Metric)).fit(&mut model(), &data).unwrap();
    let mut resumed = model();
    let mut longer = trainer().epochs(10).early_stopping(early(Monitor::Loss));
    let history = longer.resume(&mut resumed, &data).unwrap();
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.loss).collect();
    assert!(losses.is_sorted_by(|a, b| a > b), "the loss falls in every epoch: {losses:?}");
    assert_eq!((history.epochs.len(), history.stopped), (10, None));
    let mut straight = model();
    self::trainer().epochs(10).fit(&mut straight, &data).unwrap();
    assert_eq!(nn::state_dict(&resumed), nn::state_dict(&straight), "the last epoch is the best");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn more_patience_goes_on() {
    let (data, folder) = (points(40, 1), folder("patience"));
    let trainer = || trainer().epochs(8).checkpoints(Checkpoints::new(&folder));
    let early = |patience| EarlyStopping { patience, min_delta: 10.0, ..EarlyStopping::default() };
    let stopped = trainer().early_stopping(early(2)).fit(&mut model(), &data).unwrap();
    let again = trainer().early_stopping(early(2)).resume(&mut model(), &data).unwrap();
    assert_eq!((stopped.epochs.len(), &stopped.stopped), (3, &again.stopped), "the same settings");
    let patient = trainer().early_stopping(early(4)).resume(&mut model(), &data).unwrap();
    assert_eq!((patient.epochs.len(), patient.stopped.is_some()), (5, true));
    assert!(patient.notes[0].starts_with("resumed with other settings of early stopping: "), "{:?}", patient.notes);
    let endless = trainer().resume(&mut model(), &data).unwrap();
    assert_eq!((endless.epochs.len(), endless.stopped), (8, None));
    fs::remove_dir_all(&folder).unwrap();

    let converged = trainer().tolerance(100.0).fit(&mut model(), &data).unwrap();
    assert!(matches!(converged.stopped, Some(Stop::Converged { .. })) && converged.epochs.len() == 2);
    assert_eq!(trainer().resume(&mut model(), &data).unwrap().epochs.len(), 8);
    fs::remove_dir_all(folder).unwrap();
}

/// Its vectors have an element for each trainable parameter.
#[test]
fn lbfgs_goes_on_after_a_parameter_was_frozen() {
    let (data, folder) = (points(40, 1), folder("frozen"));
    let run = |epochs: usize, resumes: bool, saves: bool| {
        let trainer = Trainer::new(CrossEntropy::new(), Lbfgs::new(1.0)).epochs(epochs).batch_size(40).quiet();
        let mut trainer = trainer.on_batch_end(|at| {
            if at.epoch() == 1 {
                let frozen = |name: &str| name == "2.bias";
                at.model().visit_mut(&mut nn::Path::default(), &mut |name, p| p.set_trainable(!frozen(name)));
            }
        });
        if saves {
            trainer = trainer.checkpoints(Checkpoints::new(&folder));
        }
        let mut model = model();
        if resumes {
            trainer.resume(&mut model, &data).unwrap()
        } else {
            trainer.fit(&mut model, &data).unwrap()
        };
        nn::state_dict(&model)
    };
    let straight = run(4, false, false);
    run(2, false, true);
    assert_eq!(run(4, true, true), straight);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_callback_with_a_state_may_be_added() {
    let (data, folder) = (points(40, 1), folder("callback"));
    let trainer = |epochs| trainer().epochs(epochs).checkpoints(Checkpoints::new(&folder));
    trainer(1).fit(&mut model(), &data).unwrap();
    assert_eq!(trainer(2).callback(Batches::default()).resume(&mut model(), &data).unwrap().epochs.len(), 2);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_stop_in_the_last_epoch_is_restored() {
    let (data, folder) = (points(40, 1), folder("last"));
    let trainer = || trainer().checkpoints(Checkpoints::new(&folder));
    let mut first = trainer().on_epoch_end(|at| {
        if at.epoch() == 2 {
            at.stop("enough");
        }
    });
    let history = first.fit(&mut model(), &data).unwrap();
    assert_eq!(trainer().resume(&mut model(), &data).unwrap(), history);
    fs::remove_dir_all(folder).unwrap();
}

/// Fails at the end.
struct Fails;

impl Callback<f64> for Fails {
    fn train_end(&mut self, _: &mut Moment<'_, f64>) -> CallbackResult {
        Err("the disk is full".into())
    }
}

#[test]
fn after_an_error_at_the_end_the_model_has_its_own_parameters() {
    let data = points(40, 1);
    let train = |set: fn(Trainer<'_, f64>) -> Trainer<'_, f64>| {
        let mut model = model();
        let failed = set(trainer().callback(Fails)).fit(&mut model, &data);
        assert!(matches!(failed, Err(TrainError::Callback(_))));
        nn::state_dict(&model)
    };
    let own: StateDict = train(|trainer| trainer);
    assert_eq!(train(|trainer| trainer.ema(0.9)), own);
    assert_eq!(train(|trainer| trainer.ema(0.9).early_stopping(EarlyStopping::default())), own);
}

#[test]
fn a_range_test_refuses_what_training_refuses() {
    let data = points(40, 1);
    let groups = ParamGroups::new(Sgd::new(0.1)).group("nothing.*", Sgd::new(0.1));
    let mut trainer = Trainer::new(CrossEntropy::new(), groups).batch_size(8).quiet();
    let refused = trainer.lr_find(&mut model(), &data, LrRange::default());
    assert!(matches!(refused, Err(TrainError::Optimizer { .. })), "{refused:?}");
    let mut frozen = model();
    frozen.visit_mut(&mut nn::Path::default(), &mut |_, p| p.set_trainable(false));
    let refused = self::trainer().lr_find(&mut frozen, &data, LrRange::default());
    assert!(matches!(refused, Err(TrainError::NothingToTrain { .. })), "{refused:?}");
}

#[test]
fn a_range_test_accumulates_and_clips() {
    let data = points(64, 1);
    let range = LrRange { from: 1e-3, to: 1.0, steps: 20 };
    let curve = |batch_size, set: fn(Trainer<'static, f64>) -> Trainer<'static, f64>| {
        let trainer =
            Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).batch_size(batch_size).order(Order::InOrder).quiet();
        set(trainer).lr_find(&mut model(), &data, range).unwrap().losses
    };
    let (whole, halves) = (curve(16, |trainer| trainer), curve(8, |trainer| trainer.accumulate(2)));
    assert_eq!(whole.len(), 20);
    assert!(whole.iter().zip(&halves).all(|(a, b)| (a - b).abs() < 1e-12), "{whole:?}\n{halves:?}");
    let clipped = curve(64, |trainer| trainer.clip_norm(1e-12));
    assert!(clipped.iter().all(|loss| (loss - clipped[0]).abs() < 1e-9), "no step moves: {clipped:?}");
    let free = curve(64, |trainer| trainer);
    assert!(free[19] < free[0] - 0.01, "{free:?}");
}

/// What is noted of the epochs before a checkpoint is in the history of the run that resumes from it.
#[test]
fn notes_are_resumed() {
    let (data, folder) = (points(40, 1), folder("notes"));
    let nan = TensorDataset::new(Tensor::full(&[1, 2], f64::NAN), Target::Labels(tensor![0_i64])).unwrap();
    let run = |epochs| {
        let mut trainer = trainer().epochs(epochs).validation(&nan).checkpoints(Checkpoints::new(&folder));
        trainer.resume(&mut model(), &data).unwrap().notes
    };
    let (first, second, again) = (run(1), run(2), run(2));
    assert!(first.len() == 1 && first[0].contains("epoch 1 is NaN"), "{first:?}");
    assert!(second.len() == 2 && second[0] == first[0] && second[1].contains("epoch 2 is NaN"), "{second:?}");
    assert_eq!(again, second);
    fs::remove_dir_all(folder).unwrap();
}
