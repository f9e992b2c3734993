//! The part of a run that a checkpoint stores: every value that changes during training. The program must provide
//! everything else; the settings that must match are stored and compared. The layout on disk is not defined here.

use super::Run;
use crate::io::{StateDict, check_state_dict, load_state_dict, state_dict};
use crate::train::callback::{Callback, PartSum, Sums};
use crate::train::checkpoint::{CheckpointError, Files, newest};
use crate::train::error::TrainError;
use crate::train::history::{Epoch, History, Stop};
use crate::train::trainer::{Pace, Trainer};
use crate::{Model, Path};
use autograd::{Float, Tensor};
use std::path::PathBuf;

/// The prefixes of the parts of the dictionary.
const OPTIMIZER: &str = "optimizer.";
const AVERAGE: &str = "average.";
const STOPPING: &str = "stopping.";
/// The monitored value that the best epoch was found by.
const MONITOR: &str = "monitor";

/// In the message of the first rank: the path of the checkpoint.
const PATH: &str = "path";

/// A checkpoint, its path, and what is wrong with newer ones.
type Newest = Option<(PathBuf, Files, Vec<CheckpointError>)>;

impl<T: Float> Run<'_, '_, T> {
    /// The full state of training between two updates.
    pub(super) fn saved(&self) -> Files {
        // Without `..`: new state of a run must be stored below, or listed as provided by the program or the clock.
        let Run {
            trainer,
            model,
            step,
            epoch,
            batch,
            sums,
            history,
            convergence,
            ema,
            settings,
            loader: _,
            // The ranks hold gathered results only during an update, and a run is saved between updates.
            team: _,
            batches: _,
            rates: _,
            progress: _,
            clock: _,
        } = self;
        let mut all = StateDict::new();
        all.metadata.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        all.metadata.extend(history.stopped.as_ref().map(|stop| ("stopped".to_owned(), written(stop))));
        let counts = [*epoch as u64, *batch as u64, step.passes(), step.steps(), step.skipped()];
        all.insert("position", counts.into_iter().map(|n| n as i64).collect::<Tensor<i64>>());
        all.insert("trainable", trainable(&**model).iter().map(|t| i64::from(*t)).collect::<Tensor<i64>>());
        all.insert("sums", numbers([sums.loss, sums.count, self.seconds()]));
        let parts = parts_of(sums, history);
        if !parts.is_empty() {
            all.metadata.insert("parts".to_owned(), parts.join("\n"));
            all.insert("part_sums", sums.parts.iter().flat_map(|part| [part.sum, part.count]).collect::<Tensor<f64>>());
        }
        for (i, measure) in sums.measures.iter().enumerate() {
            all.insert(format!("measure.{i}"), numbers(measure.state()));
        }
        if let Some(scale) = step.scale() {
            all.insert("loss_scale", numbers(scale.state()));
        }
        all.insert("schedule", numbers(trainer.schedule.state()));
        let table = history.epochs.iter().flat_map(row).collect();
        all.insert("history", Tensor::<f64>::new(&[history.epochs.len(), columns(trainer, parts.len())], table));
        all.metadata.insert(MONITOR.to_owned(), format!("{:?}", convergence.monitor()));
        put(&mut all, STOPPING, &Callback::<T>::state(convergence));
        put(&mut all, OPTIMIZER, &trainer.optimizer.state(&**model));
        if let Some(average) = ema {
            put(&mut all, AVERAGE, &average.state(&**model));
        }
        for (i, callback) in trainer.callbacks.iter().enumerate() {
            put(&mut all, &format!("callback.{i}."), &callback.state());
        }
        let best = convergence.best().map(|best| best.weights.clone()).unwrap_or_default();
        Files { training: all, model: state_dict(&**model), best }
    }

    /// Restores the newest complete checkpoint in a folder, if there is one, and notes the damaged ones.
    pub(in crate::train) fn resume_from(&mut self, folder: &std::path::Path) -> Result<(), TrainError> {
        let Some((path, files, damaged)) = self.newest(folder)? else { return Ok(()) };
        let note = |error| format!("{error}; resumed from {}", path.display());
        self.history.notes.extend(damaged.iter().map(note));
        self.restore(&path, files)?;
        match &self.trainer.checkpoints {
            Some(checkpoints) if self.team.as_ref().is_none_or(|team| team.leads()) => Ok(checkpoints.prune(&path)?),
            _ => Ok(()),
        }
    }

    /// The newest complete checkpoint, which the first rank reads for all.
    fn newest(&self, folder: &std::path::Path) -> Result<Newest, TrainError> {
        let Some(team) = &self.team else { return Ok(newest(folder)?) };
        let mut found = None;
        let head = team.sent_by_first(|| {
            found = newest(folder)?;
            let mut head = StateDict::new();
            let path = found.as_ref().map(|(path, ..)| (PATH.to_owned(), path.display().to_string()));
            head.metadata.extend(path);
            Ok(head)
        })?;
        let Some(path) = head.metadata.get(PATH) else { return Ok(None) };
        let (path, Files { training, model, best }, damaged) =
            found.unwrap_or_else(|| (path.into(), Files::default(), Vec::new()));
        let [training, model, best] = [training, model, best].map(|dict| team.sent_by_first(|| Ok(dict)));
        Ok(Some((path, Files { training: training?, model: model?, best: best? }, damaged)))
    }

    /// Compares the rates of past epochs with those of the schedule here, which may be a function, without settings to
    /// compare. A schedule with a state, or one that counts updates, had rates that the history does not show.
    fn rates_match(&self) -> Result<(), String> {
        let Trainer { schedule, pace, optimizer, .. } = &*self.trainer;
        let (Pace::Epoch, true) = (pace, schedule.state().is_empty()) else { return Ok(()) };
        // The history has the optimizer's own rate, regardless of the rates of its groups.
        let base = optimizer.learning_rate();
        for (i, epoch) in self.history.epochs.iter().enumerate() {
            let (there, here) = (epoch.learning_rate, schedule.rate(i, base));
            // Powers and cosines may differ in the last digits on another machine.
            if (there - here).abs() > 1e-9 * there.abs() {
                return Err(format!("its learning rate of epoch {} is {there}, but here it is {here}", i + 1));
            }
        }
        Ok(())
    }

    /// Restores the saved state. If it is rejected, trainer and model do not change.
    fn restore(&mut self, path: &std::path::Path, files: Files) -> Result<(), CheckpointError> {
        let Trainer { schedule, callbacks, optimizer, .. } = &*self.trainer;
        let before = (
            schedule.state(),
            callbacks.iter().map(|callback| callback.state()).collect::<Vec<_>>(),
            optimizer.state(&*self.model),
        );
        let trained = trainable(&*self.model);
        let restored = self.restore_each(path, files);
        if restored.is_err() {
            let Trainer { schedule, callbacks, optimizer, .. } = &mut *self.trainer;
            schedule.restore(&before.0);
            for (callback, state) in callbacks.iter_mut().zip(&before.1) {
                callback.restore(state);
            }
            set_trainable(&mut *self.model, &trained);
            let returned = optimizer.load_state(&*self.model, &before.2);
            debug_assert!(returned.is_ok(), "an optimizer takes its own state");
        }
        restored
    }

    /// Restores one part after the other. The weights are changed last, when nothing else can fail.
    fn restore_each(&mut self, path: &std::path::Path, files: Files) -> Result<(), CheckpointError> {
        let foreign = |problem: String| CheckpointError::Foreign { path: path.into(), problem };
        let Files { training: all, model: weights, best } = files;
        let there = |name: &str| all.metadata.get(name).map_or("nothing", String::as_str);
        let told = |[what, there, here]: [String; 3]| format!("its {what} is {there}, but here it is {here}");
        let different: Vec<String> =
            self.settings.iter().filter_map(|(name, here)| difference(name, there(name), here)).map(told).collect();
        if !different.is_empty() {
            return Err(foreign(different.join(", ")));
        }
        let part = |name: &str| foreign(format!("{name} does not match this training run"));

        self.history.parts = names(&all);
        self.history.epochs = epochs(&all, self.trainer, self.history.parts.len()).ok_or_else(|| part("history"))?;
        position(&all, self).ok_or_else(|| part("position"))?;
        let saved = read(&all, "loss_scale").unwrap_or_default();
        if !self.step.scale_mut().is_none_or(|scale| scale.restore(&saved)) {
            return Err(part("the scale of the loss"));
        }
        self.rates_match().map_err(foreign)?;
        self.sums = sums(&all, self.trainer).ok_or_else(|| part("the state of the metrics"))?;
        self.sums.noted = self.batch > 0;
        let stopped = all.metadata.get("stopped").and_then(|text| stop(text, self));
        let Run { trainer, model, convergence, ema, epoch, .. } = self;
        let restored = read(&all, "schedule").is_some_and(|state| trainer.schedule.restore(&state));
        if !restored {
            return Err(part("the state of the schedule"));
        }
        if !convergence.restore_with(&taken(&all, STOPPING), best, *epoch) {
            return Err(part("the state of early stopping"));
        }
        if all.metadata.get(MONITOR).is_some_and(|there| *there != format!("{:?}", convergence.monitor())) {
            convergence.forget_best();
        }
        for (i, callback) in trainer.callbacks.iter_mut().enumerate() {
            let state = taken(&all, &format!("callback.{i}."));
            // A callback that was not there before starts afresh.
            if !callback.restore(&state) && !state.is_empty() {
                return Err(part(&format!("the state of callback {i}")));
            }
        }
        // What is averaged and optimized depends on it.
        let trained = trained(&all, &**model).ok_or_else(|| part("the list of trainable parameters"))?;
        set_trainable(&mut **model, &trained);
        if let Some(average) = ema {
            average.load_state(&**model, &taken(&all, AVERAGE)).map_err(|e| foreign(format!("averages: {e}")))?;
        }
        if let Some(best) = convergence.best_weights() {
            // They are loaded at the end of training, which is too late to discover that they do not fit.
            check_state_dict(&**model, best).map_err(|error| foreign(format!("best model: {error}")))?;
        }
        let optimizer = trainer.optimizer.load_state(&**model, &taken(&all, OPTIMIZER));
        optimizer.map_err(|error| foreign(format!("optimizer: {error}")))?;
        load_state_dict(&mut **model, &weights).map_err(|error| foreign(format!("model: {error}")))?;
        self.stopped_before(stopped);
        Ok(())
    }

    /// Whether training that had stopped is over. A resumed run may have more epochs, other callbacks and other settings of
    /// early stopping. A callback that still wants to stop asks again.
    fn stopped_before(&mut self, stopped: Option<Stop>) {
        let over = match &stopped {
            Some(Stop::Asked { .. }) | None => self.epoch >= self.trainer.settings.epochs,
            Some(stop) => self.convergence.would_stop(stop, self.epoch),
        };
        match stopped {
            stopped if over => self.history.stopped = stopped,
            Some(Stop::Asked { reason }) => {
                self.history.notes.push(format!("resumed after a callback had stopped training: {reason}"));
            }
            Some(stop) => self.history.notes.push(format!("resumed with other settings of early stopping: {stop}")),
            None => {}
        }
    }
}

/// Describes how a saved setting differs from the current one. For lists, which have one item per line, only the first
/// difference is shown.
pub(super) fn difference(name: &str, there: &str, here: &str) -> Option<[String; 3]> {
    if there == here {
        return None;
    }
    if !there.contains('\n') && !here.contains('\n') {
        return Some([name, there, here].map(str::to_owned));
    }
    let mut lines = (there.lines(), here.lines());
    let pairs = (1..).map(|line| (line, lines.0.next(), lines.1.next()));
    let (line, there, here) = pairs.into_iter().find(|(_, there, here)| there != here)?;
    let shown = |item: Option<&str>| item.unwrap_or("nothing").to_owned();
    Some([format!("{name}, item {line},"), shown(there), shown(here)])
}

fn numbers(values: impl IntoIterator<Item = f64>) -> Tensor<f64> {
    values.into_iter().collect()
}

fn read(all: &StateDict, name: &str) -> Option<Vec<f64>> {
    Some(all.get(name)?.get::<f64>()?.to_vec())
}

/// Whether each parameter or buffer is trainable. A callback may freeze and unfreeze them.
fn trainable<T: Float>(model: &dyn Model<T>) -> Vec<bool> {
    let mut all = Vec::new();
    model.visit(&mut Path::default(), &mut |_, param| all.push(param.is_trainable()));
    all
}

fn set_trainable<T: Float>(model: &mut dyn Model<T>, trained: &[bool]) {
    let mut trained = trained.iter();
    model.visit_mut(&mut Path::default(), &mut |_, param| {
        let trained = trained.next().is_some_and(|trained| *trained);
        if !param.is_buffer() {
            param.set_trainable(trained);
        }
    });
}

/// The saved [`trainable`] flags, if there is one for each parameter and buffer.
fn trained<T: Float>(all: &StateDict, model: &dyn Model<T>) -> Option<Vec<bool>> {
    let flags = all.get("trainable")?.get::<i64>()?;
    (flags.len() == trainable(model).len()).then(|| flags.iter().map(|flag| flag != 0).collect())
}

/// Inserts a dictionary into another, under a prefix.
pub(super) fn put(all: &mut StateDict, prefix: &str, part: &StateDict) {
    for (name, tensor) in part.iter() {
        all.insert(format!("{prefix}{name}"), tensor.clone());
    }
}

/// Extracts the entries under a prefix.
pub(super) fn taken(all: &StateDict, prefix: &str) -> StateDict {
    let mut part = StateDict::new();
    for (name, tensor) in all.iter() {
        if let Some(name) = name.strip_prefix(prefix) {
            part.insert(name, tensor.clone());
        }
    }
    part
}

/// Restores the saved position. `None` if it is invalid: it must follow the epochs in the history and precede the last
/// batch of the next epoch.
fn position<T: Float>(all: &StateDict, run: &mut Run<'_, '_, T>) -> Option<()> {
    let counts =
        all.get("position")?.get::<i64>()?.iter().map(|n| u64::try_from(n).ok()).collect::<Option<Vec<_>>>()?;
    let &[epoch, batch, passes, steps, skipped] = counts.as_slice() else { return None };
    (run.epoch, run.batch) = (usize::try_from(epoch).ok()?, usize::try_from(batch).ok()?);
    run.step.continue_from(passes, steps, skipped);
    (run.epoch == run.history.epochs.len() && run.batch < run.batches).then_some(())
}

/// The names of the parts of the loss, once a batch has shown them.
fn parts_of<T: Float>(sums: &Sums<T>, history: &History) -> Vec<String> {
    match sums.parts.is_empty() {
        true => history.parts.clone(),
        false => sums.parts.iter().map(|part| part.name.clone()).collect(),
    }
}

/// The saved names of the parts of the loss.
fn names(all: &StateDict) -> Vec<String> {
    all.metadata.get("parts").map(|names| names.split('\n').map(str::to_owned).collect()).unwrap_or_default()
}

fn sums<T: Float>(all: &StateDict, trainer: &Trainer<'_, T>) -> Option<Sums<T>> {
    let mut sums = Sums::new(&trainer.metrics);
    let &[loss, count, seconds] = read(all, "sums")?.as_slice() else { return None };
    (sums.loss, sums.count, sums.seconds) = (loss, count, seconds);
    let (names, parts) = (names(all), read(all, "part_sums").unwrap_or_default());
    if !parts.is_empty() {
        (parts.len() == 2 * names.len()).then_some(())?;
        let part = |(name, sum): (String, &[f64])| PartSum { name, sum: sum[0], count: sum[1] };
        sums.parts = names.into_iter().zip(parts.chunks_exact(2)).map(part).collect();
    }
    for (i, measure) in sums.measures.iter_mut().enumerate() {
        measure.restore(&read(all, &format!("measure.{i}"))?).then_some(())?;
    }
    Some(sums)
}

/// The number of values per epoch in a saved history: see [`row`].
fn columns<T: Float>(trainer: &Trainer<'_, T>, parts: usize) -> usize {
    let values = trainer.metrics.len() + parts;
    3 + values + if trainer.validation.is_some() { 1 + values } else { 0 }
}

/// The values of an epoch: those that are always present, then the metrics and the parts of the loss, then validation
/// loss, metrics and parts if there is validation data.
fn row(epoch: &Epoch) -> Vec<f64> {
    let mut row = vec![epoch.loss, epoch.learning_rate, epoch.seconds];
    row.extend(epoch.metrics.iter().chain(&epoch.parts));
    row.extend(epoch.validation_loss);
    row.extend(epoch.validation_metrics.iter().chain(&epoch.validation_parts));
    row
}

/// The inverse of [`row`], for all epochs.
fn epochs<T: Float>(all: &StateDict, trainer: &Trainer<'_, T>, parts: usize) -> Option<Vec<Epoch>> {
    let table = all.get("history")?.get::<f64>()?;
    let (&[rows, width], metrics) = (table.shape(), trainer.metrics.len()) else { return None };
    let validated = trainer.validation.is_some();
    let table = table.to_vec();
    let epoch = |i: usize| {
        let row = &table[i * width..][..width];
        let (training, validation) = row[3..].split_at(metrics + parts);
        let (validation_loss, validation) = validation.split_at(usize::from(validated));
        let split = |values: &[f64], from: usize| values.get(from..).unwrap_or_default().to_vec();
        Epoch {
            epoch: i + 1,
            loss: row[0],
            learning_rate: row[1],
            seconds: row[2],
            metrics: training[..metrics].to_vec(),
            parts: split(training, metrics),
            validation_loss: validation_loss.first().copied(),
            validation_metrics: validation.iter().take(metrics).copied().collect(),
            validation_parts: split(validation, metrics),
        }
    };
    (width == columns(trainer, parts)).then(|| (0..rows).map(epoch).collect())
}

/// Encodes why training stopped: a keyword and its argument.
pub(super) fn written(stop: &Stop) -> String {
    match stop {
        Stop::NoImprovement { best, .. } => format!("no_improvement {best}"),
        Stop::Converged { change } => format!("converged {change}"),
        Stop::Asked { reason } => format!("asked {reason}"),
    }
}

/// The inverse of [`written`]. The monitored value comes from the early-stopping settings.
pub(super) fn stop<T: Float>(text: &str, run: &Run<'_, '_, T>) -> Option<Stop> {
    let (word, rest) = text.split_once(' ')?;
    match word {
        "no_improvement" => {
            let monitor = run.convergence.monitor();
            let monitor = run.history.epochs.last().map_or(monitor.clone(), |epoch| monitor.seen_in(epoch));
            Some(Stop::NoImprovement { monitor, best: rest.parse().ok()? })
        }
        "converged" => Some(Stop::Converged { change: rest.parse().ok()? }),
        "asked" => Some(Stop::Asked { reason: rest.to_owned() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataError, TensorDataset};
    use crate::layer::Mlp;
    use crate::loss::{CrossEntropy, Target};
    use crate::metric::{Average, Metric};
    use crate::optim::Adam;
    use crate::schedule::ReduceOnPlateau;
    use crate::train::checkpoint::newest;
    use crate::train::{Checkpoints, EarlyStopping, TrainError};
    use autograd::{Rng, tensor};

    fn data() -> Result<TensorDataset<f64>, DataError> {
        let labels = (0..12).map(|i| i % 2).collect();
        TensorDataset::new(Tensor::randn(&[12, 2], &mut Rng::new(1)), Target::Labels(labels))
    }

    fn trainer(folder: &std::path::Path) -> Trainer<'static, f64> {
        Trainer::new(CrossEntropy::new(), Adam::new(0.01))
            .epochs(2)
            .batch_size(4)
            .schedule(ReduceOnPlateau::default())
            .metric(Metric::roc_auc())
            .metric(Metric::f1(Average::Macro))
            .early_stopping(EarlyStopping::default())
            .checkpoints(Checkpoints::new(folder))
            .quiet()
    }

    /// A checksum proves that the numbers are those that were written, not that they are valid.
    #[test]
    fn numbers_that_no_training_has_are_refused() {
        let folder = std::env::temp_dir().join(format!("nn-hostile-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let model = || Mlp::new(&[2, 3, 2]).build::<f64>();
        trainer(&folder).fit(&mut model(), &data().unwrap()).unwrap();
        let (path, whole, _) = newest(&folder).unwrap().unwrap();
        let refuses = |name: &str, state: crate::io::AnyTensor| {
            let mut files = whole.clone();
            files.training.insert(name, state.clone());
            std::fs::remove_dir_all(&folder).unwrap();
            Checkpoints::new(&folder).write(&files).unwrap();
            let error = trainer(&folder).resume(&mut model(), &data().unwrap()).unwrap_err();
            let foreign = matches!(error, TrainError::Checkpoint(CheckpointError::Foreign { .. }));
            assert!(foreign, "{}: {name}, {state:?}: {error}", path.display());
        };
        for position in [
            [-1, 0, 0, 0, 0],
            [2, -1, 6, 6, 0],
            [2, 3, 6, 6, 0],
            [1, 0, 3, 3, 0],
            [i64::MAX, 0, 0, 0, 0],
            [2, 0, -6, 6, 0],
            [2, 0, 6, 6, -1],
        ] {
            refuses("position", position.into_iter().collect::<Tensor<i64>>().into());
        }
        for schedule in [[1e19, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1e19], [0.5, 0.0, 0.0], [f64::NAN, 0.0, 0.0]] {
            refuses("schedule", numbers(schedule).into());
        }
        for auc in
            [&[1e19, 0.0][..], &[0.0, 1e19], &[2.0, 1.0, 7.0, 0.1, 0.2], &[2.0, 1.0, -1.0, 0.1, 0.2], &[-2.0, 0.0]]
        {
            refuses("measure.0", numbers(auc.iter().copied()).into());
        }
        for count in [1e19, -1.0, 0.5, f64::INFINITY] {
            refuses("measure.1", numbers([count; 6]).into());
        }
        for best in [[1e19, 0.5], [-1.0, 0.5], [0.0, 0.5], [3.0, 0.5]] {
            refuses("stopping.best", numbers(best).into());
        }
        for steps in [-1, i64::MAX] {
            refuses("optimizer.0.weight.step", Tensor::scalar(steps).into());
        }
        refuses("history", tensor![[0.5, 0.1]].into());
        refuses("trainable", tensor![1_i64].into());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_refused_checkpoint_changes_nothing() {
        let folder = std::env::temp_dir().join(format!("nn-refused-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let model = || Mlp::new(&[2, 3, 2]).build::<f64>();
        trainer(&folder).fit(&mut model(), &data().unwrap()).unwrap();
        let (_, whole, _) = newest(&folder).unwrap().unwrap();
        // The last parts are wrong: that of the optimizer, the model itself, and the best one, which training restores at
        // its end.
        let (mut steps, mut weights, mut best) = (whole.clone(), whole.clone(), whole);
        steps.training.insert("optimizer.0.weight.step", Tensor::scalar(-1_i64));
        weights.model.insert("0.weight", tensor![1.0]);
        best.best.rename(|name| name.replace("0.", "5.")).unwrap();
        for files in [steps, weights, best] {
            std::fs::remove_dir_all(&folder).unwrap();
            Checkpoints::new(&folder).write(&files).unwrap();
            let (mut trainer, mut model) = (trainer(&folder), model());
            let (schedule, before) = (trainer.schedule.state(), state_dict(&model));
            trainer.resume(&mut model, &data().unwrap()).unwrap_err();
            assert_eq!(trainer.schedule.state(), schedule);
            assert!(trainer.optimizer.state(&model).is_empty(), "the optimizer has had no gradient");
            assert!(state_dict(&model).iter().eq(before.iter()));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
