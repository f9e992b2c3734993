//! Training on several ranks, which are threads here: the same as on one, to the bit where that is asked for; and no rank
//! waits for one that has failed.

mod edges;

use autograd::{Rng, Tensor};
use nn::data::TensorDataset;
use nn::distributed::{Collective, ThreadRank, on_threads};
use nn::io::StateDict;
use nn::layer::{Activation, Linear, Mlp, Sequential, SpectralNorm};
use nn::loss::{CrossEntropy, Target};
use nn::metric::{Average, Metric};
use nn::optim::{Adam, Lbfgs, Sgd};
use nn::schedule::OneCycle;
use nn::train::{CheckpointError, Checkpoints, EarlyStopping, History, Sharing, Stop, TrainError, Trainer};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Two classes of points by their distance from the origin.
fn points(n: usize, seed: u64) -> TensorDataset<f32> {
    let x = Tensor::<f32>::randn(&[n, 2], &mut Rng::new(seed));
    let labels = (0..n).map(|i| i64::from(x.at(&[i, 0]).hypot(x.at(&[i, 1])) > 1.2)).collect();
    TensorDataset::new(x, Target::Labels(labels)).unwrap()
}

/// With dropout, which draws random numbers, and batch normalization, which has buffers.
fn model() -> Sequential<f32> {
    Mlp::new(&[2, 6, 2]).batch_norm(true).dropout(0.2).seed(3).build()
}

/// A trainer with every part that depends on all samples: 107 of them, in batches of 24 that are cut into shards.
fn trainer<'d>(validation: &'d TensorDataset<f32>) -> Trainer<'d, f32> {
    Trainer::new(CrossEntropy::new(), Adam::new(0.02))
        .epochs(3)
        .batch_size(24)
        .seed(5)
        .schedule_by_step(OneCycle::new(15))
        .metric(Metric::accuracy())
        .metric(Metric::roc_auc())
        .metric(Metric::f1(Average::Macro))
        .validation(validation)
        .clip_norm(1.0)
        .l2(1e-3)
        .ema(0.9)
        .early_stopping(EarlyStopping { patience: 3, ..EarlyStopping::default() })
        .quiet()
}

/// A weight dictionary as bits, and the history without its times.
type Outcome = (Vec<(String, Vec<u64>)>, History);

fn outcome(model: &Sequential<f32>, mut history: History) -> Outcome {
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    history.notes.clear();
    let bits = |tensor: &nn::io::AnyTensor| tensor.to::<f64>().iter().map(f64::to_bits).collect();
    (nn::state_dict(model).iter().map(|(name, tensor)| (name.to_owned(), bits(tensor))).collect(), history)
}

/// Trains on some ranks, each of which must have the same outcome.
fn train(ranks: usize, set: impl for<'d> Fn(Trainer<'d, f32>) -> Trainer<'d, f32> + Sync) -> Outcome {
    let (training, validation) = (points(107, 1), points(50, 2));
    let mut outcomes = on_threads(ranks, |rank| {
        // Weights of its own, which those of the first rank replace.
        let seed = 3 + rank.rank() as u64;
        let mut model = Mlp::new(&[2, 6, 2]).batch_norm(true).dropout(0.2).seed(seed).build();
        let history = set(trainer(&validation)).distributed(rank).fit(&mut model, &training).unwrap();
        outcome(&model, history)
    });
    let first = outcomes.remove(0);
    assert!(outcomes.iter().all(|other| *other == first), "the ranks end alike");
    first
}

#[test]
fn a_fixed_number_of_shards_has_the_same_bits_on_any_number_of_ranks() {
    for accumulate in [1, 2] {
        let on = |ranks| train(ranks, |trainer| trainer.sharing(Sharing::Shards(4)).accumulate(accumulate));
        let one = on(1);
        (2..5).for_each(|ranks| assert_eq!(on(ranks), one, "{ranks} ranks"));
        // Also without ranks.
        let (training, validation) = (points(107, 1), points(50, 2));
        let mut alone = model();
        let trainer = trainer(&validation).sharing(Sharing::Shards(4)).accumulate(accumulate);
        let history = { trainer }.fit(&mut alone, &training).unwrap();
        assert_eq!(outcome(&alone, history), one);
    }
    let five = train(1, |trainer| trainer.sharing(Sharing::Shards(5)));
    assert_eq!(five, train(3, |trainer| trainer.sharing(Sharing::Shards(5)).prefetch(2)));
}

/// Without dropout and batch normalization, whose shards differ from whole batches, the gradients are those of whole
/// batches, up to rounding.
#[test]
fn ranks_compute_the_gradient_of_the_whole_batch() {
    let (training, validation) = (points(107, 1), points(50, 2));
    let new = || Mlp::new(&[2, 6, 2]).seed(3).build::<f32>();
    let mut whole = new();
    let expected = trainer(&validation).fit(&mut whole, &training).unwrap();
    for (ranks, sharing) in [(2, Sharing::PerRank), (3, Sharing::PerRank), (3, Sharing::Shards(7))] {
        let found = on_threads(ranks, |rank| {
            let mut model = new();
            let history = trainer(&validation).distributed(rank).sharing(sharing).fit(&mut model, &training).unwrap();
            (nn::state_dict(&model), history)
        });
        for (dict, history) in &found {
            for ((name, a), (_, b)) in dict.iter().zip(nn::state_dict(&whole).iter()) {
                let apart = (a.to::<f32>() - b.to::<f32>()).abs().max().item();
                assert!(apart < 1e-4, "{name}: {apart:e} with {sharing:?}");
            }
            for (a, b) in history.epochs.iter().zip(&expected.epochs) {
                assert!((a.loss - b.loss).abs() < 1e-5 && (a.metrics[0] - b.metrics[0]).abs() < 0.02);
                assert!((a.validation_loss.unwrap() - b.validation_loss.unwrap()).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn accumulation_needs_no_traffic_between_updates() {
    /// Counts the messages of one rank.
    struct Counted<'c>(ThreadRank, &'c AtomicUsize);
    impl Collective for Counted<'_> {
        fn rank(&self) -> usize {
            self.0.rank()
        }
        fn size(&self) -> usize {
            self.0.size()
        }
        fn all_reduce(&self, numbers: nn::distributed::Numbers<'_>) -> Result<(), nn::distributed::CollectiveError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.all_reduce(numbers)
        }
        fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<(), nn::distributed::CollectiveError> {
            self.0.broadcast(from, bytes)
        }
        fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, nn::distributed::CollectiveError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.gather(bytes)
        }
        fn barrier(&self) -> Result<(), nn::distributed::CollectiveError> {
            self.0.barrier()
        }
    }
    let data = points(96, 1);
    let messages = |accumulate: usize| {
        let count = AtomicUsize::new(0);
        on_threads(2, |rank| {
            let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(1).batch_size(8).quiet();
            let collective = Counted(rank, &count);
            trainer.accumulate(accumulate).distributed(collective).fit(&mut model(), &data).unwrap();
        });
        count.into_inner() / 2
    };
    // Two messages for each update, on top of those at the beginning and at the end.
    assert_eq!(messages(1) - messages(4), 2 * (12 - 3));
}

/// The path of a folder that does not exist yet, for one test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nn-distributed-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn killed_and_resumed_on_another_number_of_ranks_it_goes_on_bit_for_bit() {
    let (training, validation) = (points(107, 1), points(50, 2));
    let set = |folder: &Path| {
        trainer(&validation).sharing(Sharing::Shards(4)).checkpoints(Checkpoints::new(folder).every_steps(1).keep(2))
    };
    let run = |folder: &Path, ranks: usize, fails_after: usize| {
        on_threads(ranks, |rank| {
            // The last rank dies: its thread ends without a message.
            let dies = rank.rank() + 1 == ranks;
            let mut batches = 0;
            let mut model = model();
            let trainer = set(folder).on_batch_end(move |_| {
                batches += 1;
                if dies && batches == fails_after {
                    std::panic::panic_any("killed");
                }
            });
            let mut trainer = trainer.distributed(rank);
            let fitted =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trainer.resume(&mut model, &training)));
            fitted.ok().map(|history| history.map(|history| outcome(&model, history)))
        })
    };
    let straight = folder("straight");
    let expected = run(&straight, 1, usize::MAX).remove(0).unwrap().unwrap();
    let halves = folder("halves");
    for (ranks, fails_after) in [(3, 4), (2, 3), (4, 1), (1, 2)] {
        let ended = run(&halves, ranks, fails_after);
        assert!(ended[ranks - 1].is_none(), "it was killed");
        for other in &ended[..ranks - 1] {
            let error = other.as_ref().expect("not killed").as_ref().unwrap_err();
            assert!(matches!(error, TrainError::Collective(_)), "{error}");
        }
    }
    for end in run(&halves, 3, usize::MAX) {
        assert_eq!(end.unwrap().unwrap(), expected);
    }
    [straight, halves].iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
}

/// Runs on three ranks, the second of which has a different setup, and returns the errors.
fn refused(
    set: impl for<'d> Fn(Trainer<'d, f32>, usize) -> Trainer<'d, f32> + Sync,
    model: impl Fn(usize) -> Sequential<f32> + Sync,
    data: impl Fn(usize) -> TensorDataset<f32> + Sync,
) -> Vec<TrainError> {
    let validation = points(50, 2);
    let begun = Instant::now();
    let errors = on_threads(3, |rank| {
        let number = rank.rank();
        let trainer = set(trainer(&validation), number).on_batch_end(|at| assert!(at.step() < 10));
        trainer.distributed(rank).fit(&mut model(number), &data(number)).unwrap_err()
    });
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waits");
    errors
}

#[test]
fn ranks_that_differ_are_refused_before_the_first_step() {
    let usual = |_: usize| points(107, 1);
    let odd = |rank: usize| rank == 1;
    let said = |errors: Vec<TrainError>, expected: &str| {
        for error in errors {
            assert!(matches!(error, TrainError::Ranks { .. }) && error.to_string().contains(expected), "{error}");
        }
    };
    let epochs = refused(|trainer, rank| trainer.epochs(if odd(rank) { 4 } else { 3 }), |_| model(), usual);
    said(epochs, "the number of epochs of rank 1 is 4, but that of rank 0 is 3");
    let clipped =
        refused(|trainer, rank| if odd(rank) { trainer.clip_value(1.0) } else { trainer }, |_| model(), usual);
    said(clipped, "the clipping of rank 1 is Value(1.0), but that of rank 0 is Norm(1.0)");
    let wide = |rank: usize| Mlp::new(&[2, if odd(rank) { 7 } else { 6 }, 2]).build();
    said(refused(|trainer, _| trainer, wide, usual), "the list of parameters, item 1, of rank 1 is 0.weight [7, 2]");
    let seeds = |rank: usize| points(107, if odd(rank) { 9 } else { 1 });
    said(refused(|trainer, _| trainer, |_| model(), seeds), "the data (a checksum of all samples) of rank 1");
    let few = refused(
        |trainer, rank| if odd(rank) { trainer.sharing(Sharing::Shards(6)) } else { trainer },
        |_| model(),
        usual,
    );
    said(few, "the number of shards of a batch of rank 1 is 6, but that of rank 0 is 3, one per rank");
}

#[test]
fn a_rank_that_fails_tells_the_others_why() {
    let usual = |_: usize| points(107, 1);
    // Before the first step: its data are empty.
    let errors = refused(|trainer, _| trainer, |_| model(), |rank| points(if rank == 2 { 0 } else { 107 }, 1));
    assert!(matches!(errors[2], TrainError::Data(_)), "{}", errors[2]);
    for error in &errors[..2] {
        let TrainError::Rank { rank: 2, problem } = error else { panic!("{error}") };
        assert_eq!(*problem, errors[2].to_string());
    }
    // In the middle: a gradient that only one rank finds not to be finite.
    let broken = |at: &mut nn::train::Moment<'_, f32>| {
        let mut weights = nn::state_dict(at.model());
        weights.insert("0.weight", Tensor::<f32>::full(&[6, 2], f32::NAN));
        nn::load_state_dict(at.model(), &weights).unwrap();
    };
    let errors = refused(
        |trainer, rank| {
            trainer.on_batch_end(move |at| {
                if rank == 0 && at.step() == 4 {
                    broken(at)
                }
            })
        },
        |_| model(),
        usual,
    );
    assert!(matches!(errors[0], TrainError::NonFinite { epoch: 1, batch: 5, .. }), "{}", errors[0]);
    assert!(errors[1..].iter().all(|error| matches!(error, TrainError::Rank { rank: 0, .. })));
    // Weights that drift apart without being noticed otherwise.
    let nudged = |at: &mut nn::train::Moment<'_, f32>| {
        let mut weights = nn::state_dict(at.model());
        weights.insert("0.weight", Tensor::<f32>::ones(&[6, 2]));
        nn::load_state_dict(at.model(), &weights).unwrap();
    };
    let errors = refused(
        |trainer, rank| {
            trainer.on_batch_end(move |at| {
                if rank == 1 && at.step() == 4 {
                    nudged(at)
                }
            })
        },
        |_| model(),
        usual,
    );
    assert!(errors.iter().all(|error| error.to_string().contains("the weights of rank 1 are not those of rank 0")));
}

#[test]
fn settings_that_cannot_be_shared_are_refused() {
    let data = points(16, 1);
    let errors = |set: &(dyn for<'d> Fn(Trainer<'d, f32>) -> Trainer<'d, f32> + Sync)| {
        let fitted = on_threads(2, |rank| {
            let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).batch_size(16);
            set(trainer).distributed(rank).fit(&mut model(), &data).unwrap_err().to_string()
        });
        fitted.into_iter().next().unwrap()
    };
    assert!(errors(&|trainer| trainer.sharing(Sharing::Shards(1))).contains("1 shards are too few for 2 ranks"));
    assert!(errors(&|trainer| trainer.batch_size(1)).contains("a batch of 1 samples cannot be cut into 2 shards"));
    assert!(errors(&|trainer| trainer.sharing(Sharing::LocalSgd(0))).contains("never averages"));
    let search = on_threads(2, |rank| {
        let trainer = Trainer::new(CrossEntropy::new(), Lbfgs::new(1.0)).batch_size(16).distributed(rank);
        { trainer }.fit(&mut model(), &data).unwrap_err().to_string()
    });
    assert!(search[0].contains("takes one process"), "{}", search[0]);
}

#[test]
fn a_checkpoint_of_one_shard_per_rank_needs_as_many_ranks() {
    let (data, folder) = (points(48, 1), folder("count"));
    let resume = |ranks: usize| {
        let resumed = on_threads(ranks, |rank| {
            let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(ranks).quiet();
            trainer.checkpoints(Checkpoints::new(&folder)).distributed(rank).resume(&mut model(), &data)
        });
        resumed.into_iter().next().unwrap()
    };
    assert_eq!(resume(2).unwrap().epochs.len(), 2);
    let error = resume(3).unwrap_err();
    let TrainError::Checkpoint(CheckpointError::Foreign { problem, .. }) = &error else { panic!("{error}") };
    assert!(problem.contains("its number of shards of a batch is 2, one per rank, but here it is 3, one per rank"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn one_rank_that_asks_to_stop_stops_all() {
    let (data, stopped_at) = (points(96, 1), Mutex::new(Vec::new()));
    let histories = on_threads(3, |rank| {
        let asks = rank.rank() == 2;
        let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(5).batch_size(8).quiet();
        let trainer = trainer.on_batch_end(move |at| {
            if asks && at.step() == 14 {
                at.stop("enough")
            }
        });
        let trainer = trainer.on_epoch_end(|at| stopped_at.lock().unwrap().push(at.step()));
        trainer.distributed(rank).fit(&mut model(), &data).unwrap()
    });
    for history in histories {
        assert_eq!((history.epochs.len(), history.stopped), (2, Some(Stop::Asked { reason: "enough".into() })));
    }
    assert_eq!(stopped_at.into_inner().unwrap().iter().max(), Some(&14), "no rank makes another update");
}

#[test]
fn local_sgd_averages_the_models_of_all_ranks() {
    // With an average after every update and plain descent, it is the descent of the mean gradient.
    let data = points(96, 1);
    let train = |ranks: usize, sharing: Sharing| {
        let weights = on_threads(ranks, |rank| {
            let mut model = Mlp::new(&[2, 6, 2]).seed(3).build::<f32>();
            let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(2).batch_size(12).quiet();
            let history = trainer.distributed(rank).sharing(sharing).fit(&mut model, &data).unwrap();
            (nn::state_dict(&model), history.epochs.last().unwrap().loss)
        });
        assert!(weights.iter().all(|(dict, loss)| *dict == weights[0].0 && *loss == weights[0].1));
        weights.into_iter().next().unwrap()
    };
    let apart = |a: &StateDict, b: &StateDict| {
        let pairs = a.iter().zip(b.iter());
        pairs.map(|((_, a), (_, b))| (a.to::<f32>() - b.to::<f32>()).abs().max().item()).fold(0.0, f32::max)
    };
    let each = train(3, Sharing::PerRank);
    assert!(apart(&train(3, Sharing::LocalSgd(1)).0, &each.0) < 1e-5);
    let rarely = train(3, Sharing::LocalSgd(4));
    assert!((1e-5..0.1).contains(&apart(&rarely.0, &each.0)), "{}", apart(&rarely.0, &each.0));
    assert!((rarely.1 - each.1).abs() < 0.05);
}

#[test]
fn local_sgd_resumes_bit_for_bit() {
    let (data, validation) = (points(107, 1), points(50, 2));
    let run = |folder: &Path, epochs: usize| {
        let ended = on_threads(2, |rank| {
            let mut model = model();
            let trainer = trainer(&validation).sharing(Sharing::LocalSgd(2)).epochs(epochs);
            let trainer = trainer.checkpoints(Checkpoints::new(folder).every_steps(3));
            let history = trainer.distributed(rank).resume(&mut model, &data).unwrap();
            outcome(&model, history)
        });
        ended.into_iter().next().unwrap()
    };
    let (straight, halves) = (folder("local"), folder("local-halves"));
    let expected = run(&straight, 3);
    run(&halves, 1);
    assert_eq!(run(&halves, 3), expected);
    [straight, halves].iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
}

/// The mean of unit vectors is shorter than 1, and divides a weight by too little.
#[test]
fn local_sgd_leaves_singular_vectors_their_length() {
    let data = points(96, 1);
    let models = on_threads(3, |rank| {
        let rng = &mut Rng::new(3);
        let hidden = SpectralNorm::new(Linear::new(2, 16, rng), rng);
        let mut model = Sequential::new().then(hidden).then(Activation::Tanh).then(Linear::new(16, 2, rng));
        let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.5)).epochs(2).batch_size(12).quiet();
        trainer.distributed(rank).sharing(Sharing::LocalSgd(4)).fit(&mut model, &data).unwrap();
        nn::state_dict(&model)
    });
    assert!(models.iter().all(|dict| *dict == models[0]));
    for name in ["0.parametrizations.weight.0._u", "0.parametrizations.weight.0._v"] {
        let length = models[0].get(name).unwrap().to::<f64>().norm(2.0).item();
        assert!((length - 1.0).abs() < 1e-6, "{name}: {length}");
    }
}
