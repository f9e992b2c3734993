//! Training that is interrupted, by an error or by `kill -9`, resumes as if nothing had happened.

use autograd::{Rng, Tensor, tensor};
use nn::data::{Order, TensorDataset};
use nn::io::StateDict;
use nn::layer::{Mlp, Sequential};
use nn::loss::{CrossEntropy, Target};
use nn::metric::{Average, Metric};
use nn::optim::{Adam, AdamW, ParamGroups, Sgd};
use nn::schedule::{Chain, Constant, ExponentialDecay, LinearRamp, PlateauOptions, ReduceOnPlateau};
use nn::train::{Callback, CallbackResult, Checkpoints, EarlyStopping, History, Moment, Monitor, Trainer};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two classes of points by their distance from the origin, some of them mislabeled.
fn points(n: usize, seed: u64) -> TensorDataset<f64> {
    let mut rng = Rng::new(seed);
    let x = Tensor::<f64>::randn(&[n, 2], &mut rng);
    let far = |i: usize| x.at(&[i, 0]).hypot(x.at(&[i, 1])) > 1.2;
    let labels = (0..n).map(|i| i64::from(far(i) ^ (rng.uniform() < 0.1))).collect();
    TensorDataset::new(x, Target::Labels(labels)).unwrap()
}

fn model() -> Sequential<f64> {
    Mlp::new(&[2, 6, 2]).batch_norm(true).dropout(0.2).seed(3).build()
}

/// A callback with state.
#[derive(Default)]
struct Batches(i64);

impl Callback<f64> for Batches {
    fn batch_end(&mut self, _: &mut Moment<'_, f64>) -> CallbackResult {
        self.0 += 1;
        Ok(())
    }
    fn state(&self) -> StateDict {
        let mut state = StateDict::new();
        state.insert("batches", tensor![self.0]);
        state
    }
    fn restore(&mut self, state: &StateDict) -> bool {
        state.get("batches").and_then(|t| t.get::<i64>()).map(|t| self.0 = t.at(&[0])).is_some()
    }
}

const EPOCHS: usize = 4;
/// Updates per epoch: five batches of eight samples, two per update, and one update for the rest.
const UPDATES: u64 = 3;

fn order() -> Order {
    Order::Stratified(points(40, 1).labels().unwrap().to_vec())
}

/// A trainer with every part that has state.
fn trainer<'d>(validation: &'d TensorDataset<f64>, folder: &Path) -> Trainer<'d, f64> {
    let groups = ParamGroups::new(Adam::new(0.02)).group("*.bias", Sgd::new(0.05).momentum(0.9));
    let plateau = ReduceOnPlateau::new(PlateauOptions { patience: 0, factor: 0.5, ..PlateauOptions::default() });
    let warmup = LinearRamp { start_factor: 0.1, end_factor: 1.0, total_iters: 4 };
    Trainer::new(CrossEntropy::new(), groups)
        .epochs(EPOCHS)
        .batch_size(8)
        .order(order())
        .prefetch(2)
        .accumulate(2)
        .seed(5)
        .schedule_by_step(Chain::new(warmup).and(plateau))
        .metric(Metric::accuracy())
        .metric(Metric::roc_auc())
        .metric(Metric::f1(Average::Macro))
        .validation(validation)
        .clip_norm(1.0)
        .l2(1e-3)
        .ema(0.9)
        .early_stopping(EarlyStopping { patience: 3, ..EarlyStopping::default() })
        .callback(Batches::default())
        .checkpoints(Checkpoints::new(folder).every_steps(1).keep(2))
        .quiet()
}

/// The path of a folder that does not exist yet, for one test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nn-resume-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// The checkpoints in a folder, the newest last.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// All bits of the last checkpoint except times: weights, best weights, optimizer, averages, history and so on.
fn outcome(folder: &Path) -> Vec<(String, Vec<u64>)> {
    let last = checkpoints(folder).pop().expect("a checkpoint");
    let mut all = Vec::new();
    for file in ["model", "best", "training"] {
        let dict = StateDict::read(last.join(format!("{file}.safetensors"))).unwrap();
        all.extend(dict.metadata.iter().map(|(name, text)| (format!("{name}: {text}"), Vec::new())));
        for (name, tensor) in dict.iter().filter(|(name, _)| *name != "sums") {
            let mut tensor = tensor.to::<f64>();
            if name == "history" {
                let columns = tensor.shape()[1];
                let seconds = |i: usize| i % columns == 2;
                tensor.make_mut().iter_mut().enumerate().filter(|(i, _)| seconds(*i)).for_each(|(_, x)| *x = 0.0);
            }
            all.push((format!("{file} {name}"), tensor.iter().map(f64::to_bits).collect()));
        }
    }
    all.sort();
    all
}

fn without_seconds(mut history: History) -> History {
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    history.notes.clear();
    history
}

/// The outcome and the history of uninterrupted training.
fn straight(name: &str) -> (Vec<(String, Vec<u64>)>, History) {
    let folder = folder(name);
    let history = trainer(&points(20, 2), &folder).fit(&mut model(), &points(40, 1)).unwrap();
    let outcome = outcome(&folder);
    fs::remove_dir_all(folder).unwrap();
    (outcome, without_seconds(history))
}

#[test]
fn stopped_by_an_error_after_any_batch_it_goes_on_bit_for_bit() {
    let (expected, history) = straight("straight");
    assert_eq!(history.epochs.len(), EPOCHS);
    let (training, validation) = (points(40, 1), points(20, 2));
    for fails_after in 0..5 * EPOCHS {
        let folder = folder("error");
        let mut batches = 0;
        let fails = move |at: &mut Moment<'_, f64>| {
            batches += 1;
            assert!(batches <= fails_after + 1 && at.step() <= UPDATES * EPOCHS as u64);
            if batches == fails_after + 1 { Err("no more".into()) } else { Ok(()) }
        };
        let error = trainer(&validation, &folder).callback(Fails(fails)).fit(&mut model(), &training).unwrap_err();
        assert_eq!(error.to_string(), "a callback failed: no more");
        // The failing callback has no state, but it counts as a callback.
        let mut whole = trainer(&validation, &folder).callback(Fails(|_: &mut Moment<'_, f64>| Ok(())));
        let resumed = whole.resume(&mut model(), &training).unwrap();
        assert_eq!(without_seconds(resumed), history, "stopped after batch {fails_after}");
        assert!(outcome(&folder) == expected, "stopped after batch {fails_after}");
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Calls a function that can fail after each batch.
struct Fails<F>(F);

impl<F: FnMut(&mut Moment<'_, f64>) -> CallbackResult + Send> Callback<f64> for Fails<F> {
    fn batch_end(&mut self, at: &mut Moment<'_, f64>) -> CallbackResult {
        (self.0)(at)
    }
}

#[test]
fn a_training_that_is_over_stays_as_it_was_and_may_be_made_longer() {
    let (training, validation, folder) = (points(40, 1), points(20, 2), folder("over"));
    let mut finished = model();
    let history = trainer(&validation, &folder).epochs(2).fit(&mut finished, &training).unwrap();
    let mut again = model();
    let resumed = trainer(&validation, &folder).epochs(2).resume(&mut again, &training).unwrap();
    assert_eq!(resumed, history, "even the seconds");
    assert_eq!(nn::state_dict(&again), nn::state_dict(&finished));
    let longer = trainer(&validation, &folder).resume(&mut model(), &training).unwrap();
    let (expected, whole) = straight("longer");
    assert_eq!(without_seconds(longer), whole);
    assert!(outcome(&folder) == expected);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_noted() {
    let (training, validation, folder) = (points(40, 1), points(20, 2), folder("damaged"));
    trainer(&validation, &folder).epochs(2).fit(&mut model(), &training).unwrap();
    let newest = checkpoints(&folder).pop().unwrap().join("training.safetensors");
    let mut bytes = fs::read(&newest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&newest, bytes).unwrap();
    let resumed = trainer(&validation, &folder).resume(&mut model(), &training).unwrap();
    let note = &resumed.notes[0];
    assert!(note.contains("training.safetensors: its ") && note.contains("; resumed from "), "{note}");
    let (expected, history) = straight("undamaged");
    assert_eq!(without_seconds(resumed), history);
    assert!(outcome(&folder) == expected);
    for path in checkpoints(&folder) {
        fs::write(path.join("model.safetensors"), "nothing").unwrap();
    }
    let said = trainer(&validation, &folder).resume(&mut model(), &training).unwrap_err().to_string();
    assert!(said.contains("model.safetensors: it has 7 bytes, but "), "{said}");
    fs::remove_dir_all(folder).unwrap();
}

/// Refuses another optimizer, setting, rate (although a schedule has changed it by then) or loss.
#[test]
fn another_rule_rate_or_loss_is_another_training() {
    let (training, folder) = (points(24, 1), folder("rule"));
    let made = |trainer: Trainer<'static, f64>| {
        trainer.epochs(2).schedule(ExponentialDecay { gamma: 0.5 }).checkpoints(Checkpoints::new(&folder)).quiet()
    };
    let adam = || made(Trainer::new(CrossEntropy::new(), Adam::new(0.01)));
    adam().fit(&mut model(), &training).unwrap();
    adam().epochs(3).resume(&mut model(), &training).unwrap();
    let refused = |other: Trainer<'static, f64>| made(other).resume(&mut model(), &training).unwrap_err().to_string();
    let said = refused(Trainer::new(CrossEntropy::new(), AdamW::new(0.01)));
    assert!(said.contains("its optimizer is Adam { rate: 0.01, ") && said.contains("but here it is AdamW("), "{said}");
    let said = refused(Trainer::new(CrossEntropy::new(), Adam::new(0.02)));
    assert!(said.contains("its list of rates is [0.01], but here it is [0.02]"), "{said}");
    let said = refused(Trainer::new(CrossEntropy::new(), Adam::new(0.01).betas(0.8, 0.999)));
    assert!(said.contains("betas: (0.9, 0.999)") && said.contains("betas: (0.8, 0.999)"), "{said}");
    let said = refused(Trainer::new(CrossEntropy::new().label_smoothing(0.1), Adam::new(0.01)));
    assert!(said.contains("its loss is CrossEntropy {") && said.contains("label_smoothing: 0.1"), "{said}");
    let groups = |name: &'static str| ParamGroups::new(Adam::new(0.01)).group(name, Sgd::new(0.01));
    let said = refused(Trainer::new(CrossEntropy::new(), groups("*.bias")));
    assert!(said.contains("ParamGroups { \"*.bias\": Sgd { rate: 0.01, ") && said.contains("others: Adam {"), "{said}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let (training, validation, folder) = (points(40, 1), points(20, 2), folder("foreign"));
    trainer(&validation, &folder).epochs(1).fit(&mut model(), &training).unwrap();
    let said = trainer(&validation, &folder).fit(&mut model(), &training).unwrap_err().to_string();
    assert!(said.contains("holds checkpoints of an earlier training"), "{said}");
    let refused = |mut trainer: Trainer<'_, f64>, model: &mut Sequential<f64>| {
        let before = nn::state_dict(model);
        let said = trainer.resume(model, &training).unwrap_err().to_string();
        assert!(said.contains("checkpoint-00") && said.contains("of another training"), "{said}");
        assert_eq!(nn::state_dict(model), before, "the model is unchanged");
        said
    };
    let same = || trainer(&validation, &folder);
    let said = refused(same().batch_size(4).metric(Metric::top_k(1)), &mut model());
    assert!(said.contains("its batch size is 8, but here it is 4"), "{said}");
    assert!(said.contains("its list of metrics is accuracy, roc_auc, f1, but here it is accuracy, roc_auc, f1, top_1"));
    let mut wider = Mlp::new(&[2, 7, 2]).batch_norm(true).build();
    assert!(refused(same(), &mut wider).contains("0.weight"));
    let said = refused(same().schedule(Constant), &mut model());
    assert!(
        said.contains("its schedule is Chain { LinearRamp { start_factor: 0.1, ") && said.contains("is Constant"),
        "{said}"
    );
    assert!(said.contains("its pace of the schedule is Step, but here it is Epoch"), "{said}");
    for (other, difference) in [
        (same().clip_norm(2.0), "its clipping is Norm(1.0), but here it is Norm(2.0)"),
        (same().clip_value(1.0), "its clipping is Norm(1.0), but here it is Value(1.0)"),
        (same().l2(0.0), "its l2 penalty is 0.001, but here it is none"),
        (same().l1(0.5), "its l1 penalty is none, but here it is 0.5"),
        (same().ema(0.5), "its decay of averages is 0.9, but here it is 0.5"),
        (same().order(Order::Stratified(vec![0; 40])), "its order of the samples is stratified by "),
        (same().schedule_follows(Monitor::Loss), "its measure that the schedule follows is the validation loss"),
    ] {
        assert!(refused(other, &mut model()).contains(difference), "{difference}");
    }
    assert!(Trainer::new(CrossEntropy::new(), Adam::new(0.1)).resume(&mut model(), &training).is_err());
    fs::remove_dir_all(folder).unwrap();
}

/// The environment variable that passes the folder to the process to be killed.
const FOLDER: &str = "WENGERT_RESUME_FOLDER";

/// Not a real test: the test below runs it in a separate process, which it kills.
#[test]
fn the_process_that_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        trainer(&points(20, 2), Path::new(&folder)).resume(&mut model(), &points(40, 1)).unwrap();
    }
}

/// Starts a process that trains, or resumes training, in a folder.
fn start(folder: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command.args(["the_process_that_is_killed", "--exact", "--test-threads=1"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Kills 200 times, or as often as `WENGERT_KILLS` specifies.
#[test]
fn killed_at_any_moment_it_goes_on_bit_for_bit() {
    let kills = std::env::var("WENGERT_KILLS").map_or(200, |n| n.parse().expect("WENGERT_KILLS is a number"));
    let (expected, _) = straight("killed");
    let folder = folder("kill");
    let begin = Instant::now();
    assert!(start(&folder).wait().unwrap().success());
    let whole = begin.elapsed();
    assert!(outcome(&folder) == expected, "a separate process has the same outcome");

    let (mut rng, mut killed) = (Rng::new(1), 0);
    while killed < kills {
        fs::remove_dir_all(&folder).unwrap();
        loop {
            let mut child = start(&folder);
            if killed < kills {
                // A quarter of the run on average, mostly between the first and the last step.
                std::thread::sleep(whole.mul_f64(0.5 * rng.uniform()).min(Duration::from_secs(2)));
            }
            if killed == kills || child.try_wait().unwrap().is_some() {
                assert!(child.wait().unwrap().success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
        }
        assert!(outcome(&folder) == expected, "after {killed} kills in total");
        // One more than the number to keep, if the last kill came just before its removal.
        let hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
        let left = checkpoints(&folder);
        assert!(left.len() <= 3 && !left.iter().any(hidden), "no incomplete checkpoint is left behind: {left:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}
