//! Ranks that fail, stop or differ at unusual points, and shards with nothing in them.

use super::{folder, points};
use autograd::{Rng, Tensor, Var, tensor};
use nn::data::{Batch, DataError, Dataset, Order, TensorDataset};
use nn::distributed::{Collective, ThreadRank, on_threads};
use nn::layer::{Linear, Mlp, Sequential};
use nn::loss::{CrossEntropy, IGNORED, Mse, Target};
use nn::optim::{Adam, Sgd};
use nn::schedule::{Goal, PlateauOptions, ReduceOnPlateau};
use nn::train::{Callback, CallbackResult, Checkpoints, History, LrRange, Moment, Sharing, TrainError, Trainer};
use nn::{Module, Param, Pass, parameters};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn model() -> Sequential<f32> {
    Mlp::new(&[2, 6, 2]).dropout(0.2).seed(3).build()
}

fn trainer<'d>() -> Trainer<'d, f32> {
    Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(3).batch_size(12).quiet()
}

/// A function that is called at one of the six points of a run.
struct At<F>(usize, F);

impl<F: Fn(&mut Moment<'_, f32>) -> CallbackResult + Send> At<F> {
    fn call(&self, point: usize, at: &mut Moment<'_, f32>) -> CallbackResult {
        if self.0 == point { (self.1)(at) } else { Ok(()) }
    }
}

impl<F: Fn(&mut Moment<'_, f32>) -> CallbackResult + Send> Callback<f32> for At<F> {
    fn train_begin(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
        self.call(0, at)
    }
    fn epoch_begin(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
        self.call(1, at)
    }
    fn batch_begin(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
        self.call(2, at)
    }
    fn batch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
        self.call(3, at)
    }
    fn epoch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
        self.call(4, at)
    }
    fn train_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
        self.call(5, at)
    }
}

const POINTS: std::ops::Range<usize> = 0..6;
const SHARINGS: [Sharing; 3] = [Sharing::PerRank, Sharing::Shards(3), Sharing::LocalSgd(3)];

fn losses(history: &History) -> Vec<f64> {
    history.epochs.iter().map(|epoch| epoch.loss).collect()
}

#[test]
fn a_failure_at_any_point_reaches_all_ranks() {
    let data = points(48, 1);
    for (sharing, point) in SHARINGS.into_iter().flat_map(|sharing| POINTS.map(move |point| (sharing, point))) {
        let ends = on_threads(2, |rank| {
            let fails = rank.rank() == 1;
            let callback =
                At(point, move |_: &mut Moment<'_, f32>| if fails { Err("bad luck".into()) } else { Ok(()) });
            trainer().sharing(sharing).callback(callback).distributed(rank).fit(&mut model(), &data)
        });
        assert!(matches!(ends[0], Err(TrainError::Rank { rank: 1, .. })), "{sharing:?} at {point}: {:?}", ends[0]);
        assert!(matches!(ends[1], Err(TrainError::Callback(_))), "{sharing:?} at {point}: {:?}", ends[1]);
    }
}

#[test]
fn a_failure_at_the_end_does_not_disturb_the_next_run() {
    let data = points(48, 1);
    let ends = on_threads(2, |rank| {
        let fails = rank.rank() == 1;
        let mut train = |run: u64| {
            let fails = fails && run == 0;
            let callback = At(5, move |_: &mut Moment<'_, f32>| if fails { Err("bad luck".into()) } else { Ok(()) });
            trainer().seed(run).callback(callback).distributed(&rank).fit(&mut model(), &data).is_ok()
        };
        [0, 1, 2].map(&mut train)
    });
    assert_eq!(ends, [[false, true, true]; 2]);
}

#[test]
fn a_checkpoint_that_cannot_be_written_at_the_end_is_an_error_on_all_ranks() {
    let (data, folder) = (points(48, 1), folder("unwritable"));
    let ends = on_threads(2, |rank| {
        let (breaks, place) = (rank.rank() == 0, folder.clone());
        let trainer = trainer().checkpoints(Checkpoints::new(&folder)).on_epoch_end(move |at| {
            if breaks && at.epoch() == 3 {
                fs::remove_dir_all(&place).unwrap();
                fs::write(&place, "not a folder").unwrap();
            }
        });
        trainer.distributed(rank).fit(&mut model(), &data)
    });
    assert!(matches!(ends[0], Err(TrainError::Checkpoint(_))), "{:?}", ends[0]);
    assert!(matches!(ends[1], Err(TrainError::Rank { rank: 0, .. })), "{:?}", ends[1]);
    fs::remove_file(folder).unwrap();
}

#[test]
fn a_stop_at_any_point_stops_all_ranks_alike() {
    let data = points(48, 1);
    for (sharing, point) in SHARINGS.into_iter().flat_map(|sharing| POINTS.map(move |point| (sharing, point))) {
        let ends = on_threads(2, |rank| {
            let stops = rank.rank() == 1;
            let callback = At(point, move |at: &mut Moment<'_, f32>| {
                if stops && (point == 0 || at.epoch() == 2) {
                    at.stop("enough");
                }
                Ok(())
            });
            trainer()
                .sharing(sharing)
                .accumulate(2)
                .callback(callback)
                .distributed(rank)
                .fit(&mut model(), &data)
                .unwrap()
        });
        assert_eq!(losses(&ends[0]), losses(&ends[1]), "{sharing:?} at {point}");
        assert_eq!(ends[0].epochs.len(), [0, 2, 2, 2, 2, 3][point], "{sharing:?} at {point}");
        assert!(losses(&ends[0]).iter().all(|loss| *loss > 0.1), "{sharing:?} at {point}: {:?}", losses(&ends[0]));
        assert_eq!(ends[0].stopped, ends[1].stopped);
    }
}

#[test]
fn a_loss_that_is_not_known_yet_is_nan() {
    let data = points(48, 1);
    let seen = |set: fn(Trainer<'_, f32>) -> Trainer<'_, f32>| {
        let seen = std::sync::Mutex::new(Vec::new());
        on_threads(2, |rank| {
            let trainer =
                set(trainer()).epochs(1).on_batch_end(|at| seen.lock().unwrap().push((at.batch(), at.loss())));
            trainer.distributed(rank).fit(&mut model(), &data).unwrap();
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort_by_key(|(batch, _)| *batch);
        seen.into_iter().map(|(_, loss)| loss.is_nan()).collect::<Vec<bool>>()
    };
    let [no, yes] = [false, true];
    assert_eq!(seen(|trainer| trainer), [no; 8]);
    assert_eq!(seen(|trainer| trainer.accumulate(2)), [yes, yes, no, no, no, no, no, no]);
    assert_eq!(seen(|trainer| trainer.sharing(Sharing::LocalSgd(3))), [yes, yes, yes, yes, no, no, no, no]);
}

/// A model of which each sample uses one half only.
struct Experts {
    a: Linear<f32>,
    b: Linear<f32>,
}

parameters! { impl Parameters<f32> for Experts { a, b } }

impl Module<f32> for Experts {
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        if x.value().sum().item() > 0.0 { self.a.forward(x, pass) } else { self.b.forward(x, pass) }
    }
}

#[test]
fn local_sgd_averages_the_states_that_some_ranks_have() {
    let same = |ends: Vec<(nn::io::StateDict, History)>| {
        assert!(ends.iter().all(|(weights, history)| *weights == ends[0].0 && history.notes.is_empty()), "{ends:?}");
        assert!(losses(&ends[0].1).iter().all(|loss| *loss > 0.0));
    };
    let adam = || Trainer::new(CrossEntropy::new(), Adam::new(0.05)).epochs(2).quiet().sharing(Sharing::LocalSgd(1));
    // Fewer samples than ranks, in the only batch and in the last one.
    for (samples, batch) in [(2, 3), (1, 8), (25, 24)] {
        let data = points(samples, 1);
        same(on_threads(3, |rank| {
            let mut model = model();
            let history = adam().batch_size(batch).ema(0.9).distributed(rank).fit(&mut model, &data).unwrap();
            (nn::state_dict(&model), history)
        }));
    }
    // A shard without labels.
    let labels = (0..8).map(|i| if i < 4 { IGNORED } else { i % 2 }).collect();
    let data = TensorDataset::new(Tensor::randn(&[8, 2], &mut Rng::new(1)), Target::Labels(labels)).unwrap();
    same(on_threads(2, |rank| {
        let mut model = model();
        let history = adam().batch_size(8).order(Order::InOrder).distributed(rank).fit(&mut model, &data).unwrap();
        (nn::state_dict(&model), history)
    }));
    // Parameters that have a gradient on some ranks only.
    let data = points(48, 1);
    same(on_threads(2, |rank| {
        let [a, b] = [1, 2].map(|seed| Linear::new(2, 2, &mut Rng::new(seed)));
        let mut model = Experts { a, b };
        let history = adam().batch_size(2).recorded().distributed(rank).fit(&mut model, &data).unwrap();
        (nn::state_dict(&model), history)
    }));
}

#[test]
fn a_range_test_on_several_ranks_is_that_of_one() {
    let data = points(33, 1);
    let range = LrRange { steps: 20, ..LrRange::default() };
    let alone = trainer().batch_size(16).lr_find(&mut model(), &data, range).unwrap();
    for sharing in [Sharing::PerRank, Sharing::Shards(4)] {
        let find = |rank: ThreadRank| {
            let trainer = trainer().batch_size(16).sharing(sharing).distributed(rank);
            { trainer }.lr_find(&mut model(), &data, range).unwrap()
        };
        assert!(on_threads(2, find).iter().all(|curve| *curve == alone), "{sharing:?}");
    }
}

/// Each gradient is finite, and their sum is not.
#[test]
fn a_sum_of_gradients_that_overflows_leaves_the_model_as_it_was() {
    let targets = Target::Values(Tensor::full(&[64, 1], 1e18));
    let data = TensorDataset::new(Tensor::<f32>::full(&[64, 1], 1e19), targets).unwrap();
    let ways: [fn(Trainer<'_, f32>) -> Trainer<'_, f32>; 4] = [
        |trainer| trainer.batch_size(32).accumulate(2),
        |trainer| trainer.batch_size(32).accumulate(2).clip_value(1.0),
        |trainer| trainer.batch_size(64).sharing(Sharing::Shards(2)),
        |trainer| trainer.batch_size(64).sharing(Sharing::Shards(2)).clip_norm(1.0),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let mut model = Linear::<f32>::new(1, 1, &mut Rng::new(0));
        let before = nn::state_dict(&model);
        let mut trainer = way(Trainer::new(Mse::new(), Sgd::new(1e-39)).epochs(1).quiet());
        let error = trainer.fit(&mut model, &data).unwrap_err();
        assert!(matches!(error, TrainError::NonFinite { .. }), "{number}: {error}");
        assert_eq!(nn::state_dict(&model), before, "{number}");
    }
}

/// Uses one parameter for large inputs and the other one for small ones.
struct Branch {
    large: Param<f32>,
    small: Param<f32>,
}

parameters! { impl Parameters<f32> for Branch { large, small } }

impl Module<f32> for Branch {
    fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
        x * pass.var(if x.value().max().item() > 0.5 { &self.large } else { &self.small })
    }
}

/// A sum of nothing and -0 would be -0 on one rank, and 0 on two.
#[test]
fn zeros_have_the_same_sign_on_any_number_of_ranks() {
    let data = TensorDataset::new(tensor![[0.0f32], [1.0]], Target::Values(tensor![[1.0f32], [1.0]])).unwrap();
    let train = |ranks: usize| {
        let bits = on_threads(ranks, |rank| {
            let mut model = Branch { large: Param::new(tensor![[0.5]]), small: Param::new(tensor![[-0.0]]) };
            let trainer = Trainer::new(Mse::new(), Sgd::new(0.1)).epochs(1).batch_size(2).order(Order::InOrder).quiet();
            trainer.sharing(Sharing::Shards(2)).distributed(rank).fit(&mut model, &data).unwrap();
            model.small.value().item().to_bits()
        });
        bits[0]
    };
    assert_eq!(train(1), train(2));
}

/// Data that cannot be read from some sample on.
struct Gone(TensorDataset<f32>);

impl Dataset<f32> for Gone {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<f32>, DataError> {
        assert!(indices.iter().all(|index| *index < 40), "the disk is gone");
        self.0.batch(indices)
    }
}

#[test]
fn a_panic_while_prefetching_keeps_its_words() {
    for sharing in [Sharing::PerRank, Sharing::Shards(2)] {
        let mut trainer = trainer().prefetch(2).sharing(sharing);
        let ended = catch_unwind(AssertUnwindSafe(|| trainer.fit(&mut model(), &Gone(points(48, 1))).map(drop)));
        assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&"the disk is gone"), "{sharing:?}");
    }
}

#[test]
fn fit_and_resume_together_are_refused() {
    let (data, folder) = (points(48, 1), folder("mixed"));
    let ends = on_threads(2, |rank| {
        let fits = rank.rank() == 0;
        let mut trainer = trainer().checkpoints(Checkpoints::new(&folder)).distributed(rank);
        if fits { trainer.fit(&mut model(), &data) } else { trainer.resume(&mut model(), &data) }
    });
    for end in ends {
        let error = end.unwrap_err().to_string();
        assert!(error.contains("the call of rank 1 is resume, but that of rank 0 is fit"), "{error}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn more_shards_than_numbers_are_refused() {
    let data = points(48, 1);
    let ends = on_threads(2, |rank| {
        trainer().sharing(Sharing::Shards(usize::MAX)).distributed(rank).fit(&mut model(), &data).unwrap_err()
    });
    assert!(ends.iter().all(|error| error.to_string().contains("cannot be cut into")), "{ends:?}");
}

/// The first rank has trained before, so its schedule has lowered the rate.
#[test]
fn all_ranks_start_from_the_schedule_of_the_first() {
    let data = points(48, 1);
    let rates = on_threads(2, |rank| {
        let options = PlateauOptions { patience: 0, mode: Goal::Max, ..PlateauOptions::default() };
        let mut trainer = trainer().schedule(ReduceOnPlateau::new(options));
        if rank.rank() == 0 {
            trainer.fit(&mut model(), &data).unwrap();
        }
        let history = trainer.distributed(rank).fit(&mut model(), &data).unwrap();
        history.epochs.iter().map(|epoch| epoch.learning_rate).collect::<Vec<f64>>()
    });
    assert_eq!(rates[0], rates[1]);
    assert!(rates[0][0] < 0.1);
}
