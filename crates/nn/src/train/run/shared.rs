//! The batches of a run whose ranks share the work: each rank runs the passes of its own shards; at each update, the
//! ranks exchange notes and gradients, and all apply the same update. This module defines the messages; the [`Team`]
//! defines how gradients are summed.

use super::Run;
use super::batch::penalty;
use super::saved::{difference, put, stop, taken as taken_from, written};
use crate::data::{DataError, DataLoader, Dataset, Position, Samples};
use crate::distributed::share_of;
use crate::io::{StateDict, load_state_dict, state_dict};
use crate::metric::Metric;
use crate::optim::ParamGradients;
use crate::train::callback::Sums;
use crate::train::error::{StepError, TrainError};
use crate::train::evaluate::{Evaluation, add_batch};
use crate::train::team::{Counts, Places, Sharing, Team, settle, taken};
use crate::train::trainer::{Pace, Trainer};
use crate::{Model, Path};
use autograd::{Float, Tape, Tensor, tensor};
use flate2::Crc;

/// The entries of a message: sums over shards, the names of the parts of the loss, which parameters have a gradient, why to
/// stop, the numbers of updates, and a checksum of the weights.
const NOTES: &str = "notes";
const PARTS: &str = "parts";
const MARKS: &str = "marks";
const STOP: &str = "stop";
const STEPS: &str = "steps";
const WEIGHTS: &str = "weights";
const SCHEDULE: &str = "schedule";

/// The prefixes of averaged tensors.
const MODEL: &str = "model.";
const OPTIMIZER: &str = "optimizer.";
const AVERAGE: &str = "average.";

/// Whether the ranks met at a batch, and whether they agreed to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    No,
    Yes,
    Stopped,
}

/// A run that has no team does not get here.
const SHARED: &str = "a run that shares its work has a team";

impl<T: Float> Run<'_, '_, T> {
    /// Compares the settings of all ranks and which function each called, and gives them the first one's weights and states
    /// of the optimizer and the schedule.
    pub(in crate::train) fn join(&mut self, called: &str) -> Result<(), TrainError> {
        let Some(team) = &self.team else { return Ok(()) };
        let mut settings = self.settings.clone();
        settings.extend(self.trainer.length());
        settings.push(("call", called.to_owned()));
        team.agree(&settings, difference)?;
        let Run { trainer, model, .. } = self;
        let misfit =
            |error: String| TrainError::Ranks { problem: format!("the state of rank 0 does not fit: {error}") };
        let weights = team.sent_by_first(|| Ok(state_dict(&**model)))?;
        load_state_dict(&mut **model, &weights).map_err(|error| misfit(error.to_string()))?;
        let state = team.sent_by_first(|| {
            let mut all = StateDict::new();
            put(&mut all, OPTIMIZER, &trainer.optimizer.state(&**model));
            all.insert(SCHEDULE, trainer.schedule.state().into_iter().collect::<Tensor<f64>>());
            Ok(all)
        })?;
        let loaded = trainer.optimizer.load_state(&**model, &taken_from(&state, OPTIMIZER));
        loaded.map_err(|error| misfit(error.to_string()))?;
        match trainer.schedule.restore(&numbers(&state, SCHEDULE)) {
            true => Ok(()),
            false => Err(misfit("it is of another schedule".to_owned())),
        }
    }

    /// Stops all ranks if a callback of one has asked for it.
    pub(super) fn stop_together(&mut self) -> Result<(), TrainError> {
        let Some(team) = &self.team else { return Ok(()) };
        let all = team.exchange(&self.message())?;
        self.adopt_stop(&all);
        Ok(())
    }

    /// Runs the remaining batches of an epoch. Between updates, the ranks do not communicate.
    pub(super) fn shared_batches(
        &mut self,
        left: &mut dyn Iterator<Item = Result<Samples<T>, DataError>>,
    ) -> Result<(), TrainError> {
        let mut saved_at = self.step.steps();
        while self.batch < self.batches {
            let number = self.batch + 1;
            let last = number == self.batches;
            self.announce(&|callback, at| callback.batch_begin(at))?;
            self.set_rates(Pace::Step, self.step.steps() as usize);
            self.passes(left, number)?;
            let updates = last || number.is_multiple_of(self.trainer.settings.accumulate);
            let met = if updates { self.update_together(last, number)? } else { Met::No };
            if met == Met::Stopped {
                break;
            }
            self.batch = number;
            self.announce(&|callback, at| callback.batch_end(at))?;
            let steps = self.step.steps();
            if met == Met::Yes {
                self.save_if(|checkpoints| !last && checkpoints.due_between(saved_at, steps))?;
                saved_at = steps;
            }
        }
        Ok(())
    }

    /// Runs the passes of this rank's shards of a batch. The random numbers of a shard depend only on its number.
    fn passes(
        &mut self,
        left: &mut dyn Iterator<Item = Result<Samples<T>, DataError>>,
        number: usize,
    ) -> Result<(), TrainError> {
        let Team { mine, shards, .. } = self.team.as_ref().expect(SHARED);
        let (mine, shards, first) = (mine.clone(), *shards as u64, self.step.passes());
        for (index, shard) in mine.enumerate() {
            // If a thread that prefetches panics, its batches end, and the panic goes on once this function returns.
            let ended = || TrainError::Sharing { problem: "the data ended within a batch".to_owned() };
            let samples = left.next().ok_or_else(ended)??;
            self.step.continue_at(first + shard as u64);
            self.pass(index, &samples).map_err(|cause| cause.at(self.epoch + 1, number))?;
        }
        self.step.continue_at(first + shards);
        Ok(())
    }

    /// Runs the pass of one shard, and adds its gradients and sums to those since the last update.
    fn pass(&mut self, index: usize, samples: &Samples<T>) -> Result<(), StepError> {
        let Run { trainer, model, step, team, .. } = self;
        let (Trainer { loss, metrics, settings, .. }, team) = (&mut **trainer, team.as_mut().expect(SHARED));
        let mut sums = Sums::new(metrics);
        let (mut counts, mut sum) = (Counts::default(), ParamGradients::new());
        if !samples.is_empty() {
            let outcome =
                step.gradients_with(&**model, &**loss, samples, |model, pass| penalty(model, pass, settings))?;
            sums.add(&**loss, metrics, &outcome, samples)?;
            counts = Counts { loss: sums.count, samples: samples.len() as f64, any: step.counts() };
            sum = taken(&**model, step.swept_mut(), counts);
        }
        match team.sums.get_mut(index) {
            Some(earlier) => earlier.add_scaled(1.0, &sum),
            None => team.sums.push(sum),
        }
        team.own.add(counts);
        if team.parts.is_empty() {
            team.parts = sums.parts.iter().map(|part| part.name.clone()).collect();
        }
        put_note(&mut team.notes, counts, &sums);
        Ok(())
    }

    /// Updates the model, together with the other ranks if it is time to meet.
    fn update_together(&mut self, last: bool, number: usize) -> Result<Met, TrainError> {
        let team = self.team.as_mut().expect(SHARED);
        if let Sharing::LocalSgd(every) = team.sharing {
            let counts = std::mem::take(&mut team.own);
            let sum = team.sums.pop().unwrap_or_default();
            self.update_by(sum, counts, number)?;
            let team = self.team.as_mut().expect(SHARED);
            team.local += 1;
            if !last && team.local < every {
                return Ok(Met::No);
            }
            team.local = 0;
            let met = self.meet()?;
            self.average_models()?;
            return Ok(if met.is_some() { Met::Yes } else { Met::Stopped });
        }
        let Some((counts, marked)) = self.meet()? else { return Ok(Met::Stopped) };
        let team = self.team.as_mut().expect(SHARED);
        let sum = team.reduce(&Places::of(&*self.model, &marked))?;
        team.own = Counts::default();
        self.update_by(sum, counts, number)?;
        Ok(Met::Yes)
    }

    /// Updates the model by the mean of a sum.
    fn update_by(&mut self, sum: ParamGradients<T>, counts: Counts, number: usize) -> Result<(), TrainError> {
        settle(&*self.model, sum, counts, self.step.swept_mut());
        self.step.set_counts(counts.any);
        self.update().map_err(|cause| StepError::from(cause).at(self.epoch + 1, number))
    }

    /// Exchanges what the ranks noted since they last met. Returns the counts of all, and which parameters and buffers
    /// have a gradient or a change; or nothing if a callback of some rank has asked to stop.
    fn meet(&mut self) -> Result<Option<(Counts, Vec<bool>)>, TrainError> {
        let mut message = self.message();
        let team = self.team.as_mut().expect(SHARED);
        message.insert(NOTES, std::mem::take(&mut team.notes).into_iter().collect::<Tensor<f64>>());
        message.metadata.insert(PARTS.to_owned(), team.parts.join("\n"));
        let places = team.sums.iter().map(ParamGradients::len).max().unwrap_or(0);
        let marked = |place: usize| team.sums.iter().any(|sum| sum.get(place).is_some());
        message.insert(MARKS, (0..places).map(|place| i64::from(marked(place))).collect::<Tensor<i64>>());
        let all = team.exchange(&message)?;
        let (rank_count, shards) = (team.size(), team.shards);
        let stops = self.adopt_stop(&all);
        self.count_updates(&all);
        let (mut counts, parts) = (Counts::default(), parts_of(&all));
        let notes: Vec<Vec<f64>> = all.iter().map(|message| numbers(message, NOTES)).collect();
        let mut left: Vec<&[f64]> = notes.iter().map(Vec::as_slice).collect();
        while left.iter().any(|left| !left.is_empty()) {
            for (rank, left) in left.iter_mut().enumerate() {
                for _ in share_of(rank, rank_count, shards) {
                    let Some((own, sums)) = take_note(left) else { continue };
                    counts.add(own);
                    merge(&mut self.sums, sums, &parts, &self.trainer.metrics)?;
                }
            }
        }
        // After a stop, the gradients since the last update are not used.
        if stops {
            self.team.as_mut().expect(SHARED).sums.clear();
            return Ok(None);
        }
        let mut marked = Vec::new();
        for marks in all.iter().map(|message| numbers(message, MARKS)) {
            marked.resize(marked.len().max(marks.len()), false);
            marked.iter_mut().zip(marks).for_each(|(marked, mark)| *marked |= mark != 0.0);
        }
        Ok(Some((counts, marked)))
    }

    /// Takes the largest number of updates: a rank skips an update of its own model if its shard has no target that counts.
    fn count_updates(&mut self, all: &[StateDict]) {
        let counted = |message: &StateDict| Some(message.get(STEPS)?.get::<i64>()?.to_vec());
        if let Some([steps, skipped]) = all.iter().filter_map(counted).max().as_deref() {
            self.step.continue_from(self.step.passes(), *steps as u64, *skipped as u64);
        }
    }

    /// The common part of every message: the numbers of updates, and whether a callback has requested a stop.
    fn message(&self) -> StateDict {
        let mut message = StateDict::new();
        message.insert(STEPS, tensor![self.step.steps() as i64, self.step.skipped() as i64]);
        message.metadata.extend(self.history.stopped.as_ref().map(|why| (STOP.to_owned(), written(why))));
        message
    }

    /// Stops for the reason of the first rank that has one. Returns whether there is one.
    fn adopt_stop(&mut self, all: &[StateDict]) -> bool {
        let why = all.iter().find_map(|message| message.metadata.get(STOP));
        if let Some(why) = why {
            self.history.stopped = stop(why, self);
        }
        why.is_some()
    }

    /// The last point of an epoch: all stop if one does, and the weights are compared.
    pub(super) fn close_epoch(&mut self) -> Result<(), TrainError> {
        let Some(team) = &self.team else { return Ok(()) };
        let mut message = self.message();
        message.insert(WEIGHTS, tensor![i64::from(checksum(&*self.model))]);
        let all = team.exchange(&message)?;
        let sums: Vec<Vec<f64>> = all.iter().map(|message| numbers(message, WEIGHTS)).collect();
        if let Some(rank) = sums.iter().position(|sum| *sum != sums[0]) {
            let problem = format!(
                "after epoch {}, the weights of rank {rank} are not those of rank 0: a callback changes them on some ranks \
                 only, or the machines round differently",
                self.epoch
            );
            return Err(TrainError::Ranks { problem });
        }
        self.adopt_stop(&all);
        Ok(())
    }

    /// Averages what each rank has trained separately: parameters, buffers, the optimizer's state, and moving averages.
    fn average_models(&mut self) -> Result<(), TrainError> {
        let Run { trainer, model, ema, team, .. } = self;
        let team = team.as_ref().expect(SHARED);
        let mut all = StateDict::new();
        put(&mut all, MODEL, &state_dict(&**model));
        put(&mut all, OPTIMIZER, &trainer.optimizer.state(&**model));
        if let Some(ema) = ema {
            put(&mut all, AVERAGE, &ema.state(&**model));
        }
        let mut directions = Vec::new();
        model.visit(&mut Path::default(), &mut |name, param| {
            directions.extend(param.is_direction().then(|| format!("{MODEL}{name}")));
        });
        let mean = team.average(&all, &directions)?;
        let misfit = |error: String| TrainError::Ranks { problem: format!("the models cannot be averaged: {error}") };
        load_state_dict(&mut **model, &taken_from(&mean, MODEL)).map_err(|error| misfit(error.to_string()))?;
        let optimizer = trainer.optimizer.load_state(&**model, &taken_from(&mean, OPTIMIZER));
        optimizer.map_err(|error| misfit(error.to_string()))?;
        if let Some(ema) = ema {
            ema.load_state(&**model, &taken_from(&mean, AVERAGE)).map_err(|error| misfit(error.to_string()))?;
        }
        Ok(())
    }

    /// The loss and metrics on held-out data; each rank evaluates a contiguous part of the batches.
    pub(super) fn evaluate_together(&self, data: &dyn Dataset<T>) -> Result<Evaluation, TrainError> {
        let Run { trainer, model, team, .. } = self;
        let (Trainer { loss, metrics, settings, .. }, team) = (&**trainer, team.as_ref().expect(SHARED));
        let loader = DataLoader::new(data, settings.batch_size)?;
        let mine = share_of(team.rank(), team.size(), loader.batches());
        let (mut tape, mut notes, mut parts) = (Tape::new(), Vec::new(), Vec::new());
        for samples in loader.samples_from(Position { epoch: 0, batch: mine.start }).take(mine.len()) {
            let mut sums = Sums::new(metrics);
            add_batch(&**model, &**loss, metrics, &samples?, &mut tape, &mut sums)?;
            put_note(&mut notes, Counts::default(), &sums);
            parts = sums.parts.into_iter().map(|part| part.name).collect();
        }
        let mut message = StateDict::new();
        message.insert(NOTES, notes.into_iter().collect::<Tensor<f64>>());
        message.metadata.insert(PARTS.to_owned(), parts.join("\n"));
        let all = team.exchange(&message)?;
        let (mut sums, parts) = (Sums::new(metrics), parts_of(&all));
        for notes in all.iter().map(|message| numbers(message, NOTES)) {
            let left = &mut notes.as_slice();
            while let Some((_, note)) = take_note(left) {
                merge(&mut sums, note, &parts, metrics)?;
            }
        }
        Ok(Evaluation::of(&sums, &**loss))
    }
}

/// Appends a note on a shard: its length, the counts, and the sums.
fn put_note<T: Float>(notes: &mut Vec<f64>, counts: Counts, sums: &Sums<T>) {
    let sums = sums.numbers();
    notes.extend([sums.len() as f64, counts.loss, counts.samples, f64::from(counts.any)]);
    notes.extend(sums);
}

/// Takes the first note off a list.
fn take_note<'n>(left: &mut &'n [f64]) -> Option<(Counts, &'n [f64])> {
    let (&[length, loss, samples, any], rest) = left.split_first_chunk()?;
    let (sums, rest) = rest.split_at_checked(length as usize)?;
    *left = rest;
    Some((Counts { loss, samples, any: any != 0.0 }, sums))
}

/// Adds the sums of a note.
fn merge<T: Float>(
    sums: &mut Sums<T>,
    note: &[f64],
    parts: &[String],
    metrics: &[Metric<T>],
) -> Result<(), TrainError> {
    sums.merge(note, parts).map_err(|metric| {
        let name = metrics.get(metric).map_or("a metric", Metric::name);
        TrainError::Sharing { problem: format!("the metric {name} cannot be merged: implement Measure::merge for it") }
    })
}

/// The names of the parts of the loss, which a rank without samples does not know.
fn parts_of(all: &[StateDict]) -> Vec<String> {
    let names = all.iter().find_map(|message| message.metadata.get(PARTS).filter(|names| !names.is_empty()));
    names.map(|names| names.split('\n').map(str::to_owned).collect()).unwrap_or_default()
}

fn numbers(message: &StateDict, name: &str) -> Vec<f64> {
    message.get(name).map(|numbers| numbers.to::<f64>().to_vec()).unwrap_or_default()
}

/// A checksum of all weights and buffers.
fn checksum<T: Float>(model: &dyn Model<T>) -> u32 {
    let mut crc = Crc::new();
    model.visit(&mut Path::default(), &mut |_, param| {
        param.value().iter().for_each(|x| crc.update(&x.f64().to_le_bytes()));
    });
    crc.sum()
}
