//! The engine of a training step: forward, loss and backward on one batch, recorded on its tape or, where a program is
//! proven to give the same bits, replayed. It knows neither optimizers nor epochs.

use super::error::{NonFinite, StepError};
use super::finite::check_finite;
use super::objective::{Objective, Outcome, Recording, Swept};
use super::replay::Replay;
use crate::loss::Targets;
use crate::pass::Record;
use crate::{Parameters, Pass, Path};
use autograd::internals::{first_read, watch};
use autograd::{Float, Gradients, Rng, Tape, Var};

/// A loss that the caller records.
pub(super) type Recorder<'r, T> = dyn for<'t> FnMut(&mut Pass<'t, T>) -> autograd::Result<Var<'t, T>> + 'r;

/// The memory that passes share: one tape, the results of the last pass, the programs, and the count of passes, which
/// seeds dropout.
pub(super) struct Engine<T: Float> {
    tape: Tape<T>,
    adjoints: Gradients<T>,
    record: Record,
    replay: Option<Replay<T>>,
    rng: Rng,
    pub passes: u64,
    pub swept: Swept<T>,
}

/// The first random stream of the passes, far from those of the epochs, which a loader with the same seed uses.
const DROPOUT: u64 = 1 << 63;

impl<T: Float> Engine<T> {
    pub(super) fn new(seed: u64) -> Self {
        Engine {
            tape: Tape::new(),
            adjoints: Gradients::default(),
            record: Record::default(),
            replay: None,
            rng: Rng::new(seed),
            passes: 0,
            swept: Swept::new(),
        }
    }

    /// Compiles what it records from now on, and replays it.
    pub(super) fn replaying(self) -> Self {
        Engine { replay: Some(Replay::new()), ..self }
    }

    pub(super) fn replay(&self) -> Option<&Replay<T>> {
        self.replay.as_ref()
    }

    pub(super) fn replay_mut(&mut self) -> Option<&mut Replay<T>> {
        self.replay.as_mut()
    }

    /// The random stream of the next pass.
    fn stream(&self) -> Rng {
        self.rng.stream(DROPOUT | self.passes)
    }

    /// A pass over an objective: replayed if that is proven to be the same, else recorded.
    pub(super) fn run(&mut self, objective: &Objective<'_, T>) -> Result<Outcome<T>, StepError> {
        let rng = self.stream();
        let version = self.replay.as_mut().and_then(|replay| replay.find(objective.model, objective.batch));
        if let (Some(replay), Some(version)) = (&mut self.replay, version)
            && replay.is_proven(version)
            && let Some((total, outcome)) = replay.run(version, objective, rng.clone(), &mut self.swept)
            && total.is_finite()
            && check_finite(objective.model, &self.swept.gradients).is_ok()
        {
            self.passes += 1;
            return Ok(outcome);
        }
        // Record: for the first time, or to find out what went wrong and where.
        let outcome = self.record(objective, version.is_none())?;
        if let (Some(replay), Some(version)) = (&mut self.replay, version) {
            replay.prove(version, objective, rng, &outcome, &self.swept);
        }
        Ok(outcome)
    }

    /// A recorded pass over an objective, from which the replay learns if it has no program for this batch yet.
    fn record(&mut self, objective: &Objective<'_, T>, learns: bool) -> Result<Outcome<T>, StepError> {
        let Objective { model, loss, batch, penalty } = *objective;
        self.tape.clear();
        let learns = learns && self.replay.is_some();
        if learns {
            watch(&self.tape);
        }
        let mut pass = Pass::train(&self.tape, self.stream()).reusing(std::mem::take(&mut self.record));
        let input = self.tape.constant(batch.inputs.clone());
        let output = pass.try_forward(model, input)?;
        let targets = batch.targets.on(&self.tape);
        let plain = loss.record(output, &targets)?;
        let total = penalty(model, &pass).map_or(plain, |penalty| plain + penalty);
        // Now, since the sweep reads values as well.
        let read = if learns { first_read(&self.tape, &given(model, &pass, input, &targets)) } else { None };
        let swept = backward(model, &pass, total, &mut self.adjoints, &mut self.swept);
        if let (Ok(_), Some(replay), true) = (&swept, &mut self.replay, learns) {
            let recording = Recording { pass: &pass, input, targets, output, plain, total, read };
            replay.learn(objective, &recording, &self.swept.gradients);
        }
        let (plain, output) = (plain.value(), output.value());
        self.record = pass.into_record();
        swept?;
        self.close();
        Ok(Outcome { loss: plain.try_item()?, output })
    }

    /// A pass over a loss that `recorder` records; it is never replayed. Returns the loss.
    pub(super) fn run_with(
        &mut self,
        model: &dyn Parameters<T>,
        recorder: &mut Recorder<'_, T>,
    ) -> Result<T, StepError> {
        self.tape.clear();
        let mut pass = Pass::train(&self.tape, self.stream()).reusing(std::mem::take(&mut self.record));
        let total = recorder(&mut pass)?;
        let swept = backward(model, &pass, total, &mut self.adjoints, &mut self.swept);
        self.record = pass.into_record();
        let loss = swept?;
        self.close();
        Ok(loss)
    }

    /// Ends a recorded pass.
    fn close(&mut self) {
        // The tape shares the parameters' memory: clearing it now lets the optimizer update them in place.
        self.tape.clear();
        self.passes += 1;
    }
}

/// The ids of all that a replay replaces: the batch, the model, and random numbers.
fn given<'t, T: Float>(
    model: &dyn Parameters<T>,
    pass: &Pass<'t, T>,
    input: Var<'t, T>,
    targets: &Targets<'t, T>,
) -> Vec<usize> {
    let mut given = vec![input.id()];
    given.extend(targets.ids());
    given.extend(pass.draws().map(|(var, _)| var.id()));
    model.visit(&mut Path::default(), &mut |_, param| given.extend(pass.tape().find(param.key()).map(|var| var.id())));
    given
}

/// The backward pass of a recording, and all that it leaves for the update. Returns the loss.
fn backward<'t, T: Float>(
    model: &dyn Parameters<T>,
    pass: &Pass<'t, T>,
    total: Var<'t, T>,
    adjoints: &mut Gradients<T>,
    Swept { gradients, updates }: &mut Swept<T>,
) -> Result<T, StepError> {
    let value = total.value().try_item()?;
    if !value.is_finite() {
        return Err(NonFinite::loss(value, pass.tape()).into());
    }
    total.backward_into(adjoints);
    gradients.collect(model, pass.tape(), adjoints);
    updates.clear();
    updates.extend(pass.updates().map(|(key, value)| (key, value.value())));
    check_finite(model, gradients)
        .map_err(|error| NonFinite { origin: total.non_finite_derivative().map(Box::new), ..error })?;
    Ok(value)
}
