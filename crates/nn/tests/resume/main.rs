//! Training that is interrupted, by an error or by `kill -9`, resumes as if nothing had happened.

mod changed;

use autograd::{Rng, Tensor, Var, tensor};
use nn::data::{Order, TensorDataset};
use nn::io::StateDict;
use nn::layer::{Activation, BatchNorm1d, Dropout, LayerNorm, Linear, Mlp, Residual, Sequential};
use nn::loss::{CrossEntropy, Target};
use nn::metric::{Average, Metric};
use nn::optim::{Adam, AdamW, ParamGroups, Sgd};
use nn::schedule::{Chain, Constant, ExponentialDecay, LinearRamp, PlateauOptions, ReduceOnPlateau};
use nn::train::{Callback, CallbackResult, Checkpoints, EarlyStopping, History, Moment, Monitor, Trainer};
use nn::{Module, Parameters, Pass, parameters};
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
    all.retain(|path| !path.ends_with(".lock"));
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
    assert!(said.contains(
        "its list of metrics is accuracy, roc_auc, f1 Macro, but here it is accuracy, roc_auc, f1 Macro, top_1"
    ));
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

/// Every setting of a layer, of this crate or custom, is compared, and so are all samples.
#[test]
fn another_model_or_other_data_is_another_training() {
    let (training, validation, folder) = (points(24, 1), points(12, 2), folder("model"));
    fn trainer<'d>(validation: &'d TensorDataset<f64>, folder: &Path) -> Trainer<'d, f64> {
        let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.01)).epochs(1).batch_size(8).validation(validation);
        trainer.checkpoints(Checkpoints::new(folder)).quiet()
    }
    type Layers = Vec<Box<dyn Module<f64>>>;
    let network = |change: &dyn Fn(&mut Layers)| {
        let rng = &mut Rng::new(3);
        let mut layers: Layers = vec![
            Box::new(Linear::new(2, 6, rng)),
            Box::new(BatchNorm1d::new(6)),
            Box::new(Activation::Relu),
            Box::new(Dropout::new(0.25)),
            Box::new(Residual::new(Linear::new(6, 6, rng))),
            Box::new(LayerNorm::new(&[6])),
            Box::new(Scaled { factor: 2.0, mask: tensor![1.0, 1.0, 0.0, 1.0, 1.0, 1.0] }),
            Box::new(Linear::new(6, 2, rng)),
        ];
        change(&mut layers);
        layers.into_iter().fold(Sequential::new(), |model, layer| model.then(Layer(layer)))
    };
    trainer(&validation, &folder).fit(&mut network(&|_| ()), &training).unwrap();
    trainer(&validation, &folder).epochs(2).resume(&mut network(&|_| ()), &training).unwrap();
    let refused = |change: &dyn Fn(&mut Layers)| {
        let said = trainer(&validation, &folder).resume(&mut network(change), &training).unwrap_err().to_string();
        assert!(said.contains("of another training run: "), "{said}");
        said
    };
    let said = refused(&|layers| layers[2] = Box::new(Activation::Tanh));
    assert!(said.contains("its list of layers, item 3, is Relu, but here it is Tanh"), "{said}");
    refused(&|layers| layers[3] = Box::new(Dropout::new(0.26)));
    refused(&|layers| layers[1] = Box::new(BatchNorm1d::new(6).momentum(Some(0.2))));
    refused(&|layers| layers[1] = Box::new(BatchNorm1d::new(6).eps(1e-4)));
    refused(&|layers| layers[5] = Box::new(LayerNorm::new(&[6]).eps(1.1e-5)));
    let scaled = |factor, third| Scaled { factor, mask: tensor![1.0, 1.0, third, 1.0, 1.0, 1.0] };
    let said = refused(&|layers| layers[6] = Box::new(scaled(3.0, 0.0)));
    assert!(said.contains("its computation (a checksum of the operations and constants of a step"), "{said}");
    refused(&|layers| layers[6] = Box::new(scaled(2.0, 1.0)));
    let freeze = |name: &str, param: &mut nn::Param<f64>| param.set_trainable(name != "weight");
    let said = refused(&|layers| layers[0].visit_mut(&mut nn::Path::default(), &mut |name, param| freeze(name, param)));
    assert!(
        said.contains("its list of parameters, item 1, is 0.weight [6, 2], but here it is 0.weight [6, 2], frozen")
    );

    let other_data = |training: &TensorDataset<f64>, validation: &TensorDataset<f64>| {
        trainer(validation, &folder).resume(&mut network(&|_| ()), training).unwrap_err().to_string()
    };
    assert!(other_data(&points(24, 3), &validation).contains("its data (a checksum of all samples) is "));
    assert!(other_data(&training, &points(12, 1)).contains("its validation data (a checksum of all samples) is "));
    let mut labels = training.labels().unwrap().to_vec();
    labels[23] = 1 - labels[23];
    let relabeled = TensorDataset::new(training.inputs().clone(), Target::Labels(labels.into())).unwrap();
    assert!(other_data(&relabeled, &validation).contains("its data"));
    fs::remove_dir_all(folder).unwrap();
}

/// A layer of any type.
struct Layer(Box<dyn Module<f64>>);

impl Parameters<f64> for Layer {
    fn visit(&self, path: &mut nn::Path, f: &mut dyn FnMut(&str, &nn::Param<f64>)) {
        self.0.visit(path, f);
    }
    fn visit_mut(&mut self, path: &mut nn::Path, f: &mut dyn FnMut(&str, &mut nn::Param<f64>)) {
        self.0.visit_mut(path, f);
    }
}

impl Module<f64> for Layer {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        self.0.forward(x, pass)
    }
}

/// A custom layer with settings that its description does not show.
struct Scaled {
    factor: f64,
    mask: Tensor<f64>,
}

parameters! { impl Parameters<f64> for Scaled {} }

impl Module<f64> for Scaled {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        x * self.factor * pass.tape().constant(self.mask.clone())
    }
}

/// Settings of metrics and of functions as schedules are compared, too.
#[test]
fn another_metric_or_function_of_the_epoch_is_another_training() {
    let (training, folder) = (points(24, 1), folder("metric"));
    let made = |metric: Metric<f64>, base: f64| {
        let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.01)).epochs(2).metric(metric);
        let schedule = move |epoch: usize, rate: f64| rate * f64::powi(base, epoch as i32);
        trainer.schedule(schedule).checkpoints(Checkpoints::new(&folder)).quiet()
    };
    made(Metric::f1(Average::Macro), 0.5).fit(&mut model(), &training).unwrap();
    let refused = |mut trainer: Trainer<'_, f64>| trainer.resume(&mut model(), &training).unwrap_err().to_string();
    let said = refused(made(Metric::f1(Average::Micro), 0.5));
    assert!(said.contains("its list of metrics is f1 Macro, but here it is f1 Micro"), "{said}");
    let said = refused(made(Metric::f1(Average::Macro), 0.25));
    assert!(said.contains("its learning rate of epoch 2 is 0.005, but here it is 0.0025"), "{said}");
    made(Metric::f1(Average::Macro), 0.5).epochs(3).resume(&mut model(), &training).unwrap();
    fs::remove_dir_all(folder).unwrap();
}

/// A second run on a folder, in this process or in another, is rejected, and the first continues undisturbed.
#[test]
fn a_folder_belongs_to_one_run() {
    let (expected, history) = straight("alone");
    let (training, validation, folder) = (points(40, 1), points(20, 2), folder("shared"));
    let intrudes = |at: &mut Moment<'_, f64>| {
        let (training, validation) = (points(40, 1), points(20, 2));
        for resumes in [true, false] {
            let mut other = trainer(&validation, &folder);
            let result =
                if resumes { other.resume(&mut model(), &training) } else { other.fit(&mut model(), &training) };
            let said = result.unwrap_err().to_string();
            assert!(said.contains("belongs to a training run in progress"), "{said}");
        }
        if at.step() == 2 {
            assert!(!start(&folder).wait().unwrap().success());
        }
        Ok(())
    };
    let found = trainer(&validation, &folder).callback(Fails(intrudes)).fit(&mut model(), &training).unwrap();
    assert_eq!(without_seconds(found), history);
    assert!(outcome(&folder) == expected);
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
        let hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
        let left = checkpoints(&folder);
        assert!(left.len() <= 2 && !left.iter().any(hidden), "no incomplete checkpoint is left behind: {left:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// A layer that a callback unfreezes: a resumed run continues to train it, from averages that began while it was
/// frozen.
#[test]
fn a_layer_that_thaws_stays_trainable() {
    let training = points(24, 5);
    let folder = std::env::temp_dir().join(format!("nn-thaw-{}", std::process::id()));
    let run = |epochs: usize, folder: Option<&Path>, resume: bool| {
        let mut model: Sequential<f64> = Mlp::new(&[2, 6, 2]).seed(3).build();
        let trainable = |name: &str| !name.starts_with("0.");
        model.visit_mut(&mut nn::Path::default(), &mut |name, p| p.set_trainable(trainable(name)));
        let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.05)).epochs(epochs).batch_size(8).ema(0.9).quiet();
        let trainer = trainer.on_epoch_end(|at| {
            if at.epoch() == 2 {
                at.model().visit_mut(&mut nn::Path::default(), &mut |_, p| p.set_trainable(true));
            }
        });
        let mut trainer = match folder {
            Some(folder) => trainer.checkpoints(Checkpoints::new(folder)),
            None => trainer,
        };
        let history = if resume { trainer.resume(&mut model, &training) } else { trainer.fit(&mut model, &training) };
        let losses: Vec<f64> = history.unwrap().epochs.iter().map(|epoch| epoch.loss).collect();
        let mut values = Vec::new();
        model.visit(&mut nn::Path::default(), &mut |_, p| values.push(p.value().to_vec()));
        (losses, values)
    };
    let straight = run(5, None, false);
    assert_ne!(straight.1[0], run(2, None, false).1[0], "the first layer moves once it has thawed");
    for stop in 1..5 {
        let _ = fs::remove_dir_all(&folder);
        run(stop, Some(&folder), false);
        assert_eq!(run(5, Some(&folder), true), straight, "stopped after {stop}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// A time limit stops a run; the next one continues and reaches the weights of a run that was never stopped.
#[test]
fn a_run_that_a_callback_stopped_goes_on() {
    let folder = std::env::temp_dir().join(format!("nn-stopped-{}", std::process::id()));
    let model = || nn::layer::Mlp::new(&[64, 8, 10]).dropout(0.1).seed(1).build::<f32>();
    let trainer = || {
        let trainer = nn::train::Trainer::new(nn::loss::CrossEntropy::new(), nn::optim::Adam::new(1e-3));
        trainer.epochs(4).quiet()
    };
    let kept = || trainer().checkpoints(nn::train::Checkpoints::new(&folder));
    let data = nn::data::digits();
    let mut whole = model();
    trainer().fit(&mut whole, &data).unwrap();
    let mut first = kept().on_epoch_end(|at| {
        if at.epoch() == 2 {
            at.stop("time is up");
        }
    });
    assert_eq!(first.resume(&mut model(), &data).unwrap().epochs.len(), 2);
    let mut resumed = model();
    let history = kept().resume(&mut resumed, &data).unwrap();
    assert_eq!((history.epochs.len(), &history.stopped), (4, &None));
    assert_eq!(history.notes[0], "resumed after a callback had stopped training: time is up");
    assert_eq!(nn::state_dict(&resumed), nn::state_dict(&whole));
    std::fs::remove_dir_all(folder).unwrap();
}
