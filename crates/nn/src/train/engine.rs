//! The engine of a training step: forward, loss and backward on one batch, recorded on its tape or, where a program is
//! proven to give the same bits, replayed. It knows neither optimizers nor epochs.

use super::error::{NonFinite, StepError};
use super::finite::check_finite;
use super::objective::{Objective, Outcome, Recorded, Recording, Root, Swept};
use super::replay::Replay;
use super::scaling::Scale;
use super::trained::Trained;
use crate::pass::Record;
use crate::{Given, LayerError, Parameters, Pass, Path};
use autograd::internals::{first_read, watch};
use autograd::op::Op;
use autograd::{Float, Gradients, Precision, Rng, Shape, Tape, Var};
use std::collections::HashSet;

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
    /// The parameters with respect to which the loss is differentiated.
    pub trained: Trained,
    pub passes: u64,
    pub swept: Swept<T>,
    /// The scale of the loss, if it is scaled.
    pub scale: Option<Scale>,
    /// Whether the last pass overflowed at its scale.
    pub overflowed: bool,
    /// The shapes of the trainable parameters that the first recorded pass read and the model does not list.
    unlisted: Option<Vec<Shape>>,
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
            trained: Trained::default(),
            passes: 0,
            swept: Swept::new(),
            scale: None,
            overflowed: false,
            unlisted: None,
        }
    }

    /// The note in the history about parameters that have gradients but are not updated.
    pub(super) fn unlisted(&self) -> Option<String> {
        let shapes = self.unlisted.as_deref().filter(|shapes| !shapes.is_empty())?;
        let told: Vec<String> = shapes.iter().map(|shape| format!("{:?}", shape.as_slice())).collect();
        let (parameters, they) = if shapes.len() == 1 { ("parameter", "it is") } else { ("parameters", "they are") };
        Some(format!(
            "{} trainable {parameters} of shape {} that the model does not list took part: {they} not updated; add the layer to \
             the model's `parameters!`, or freeze it",
            shapes.len(),
            told.join(", ")
        ))
    }

    /// Compiles what it records from now on, and replays it.
    pub(super) fn replaying(self) -> Self {
        Engine { replay: Some(Replay::new()), ..self }
    }

    /// Rounds the operands of products to a precision.
    pub(super) fn set_precision(&mut self, precision: Precision) {
        self.tape.set_precision(precision);
    }

    fn factors(&self) -> Option<[T; 2]> {
        self.scale.as_ref().map(Scale::factors)
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
    pub(super) fn run(&mut self, objective: Objective<'_, T>) -> Result<Outcome<T>, StepError> {
        let objective = &Objective { scale: self.factors(), ..objective };
        self.trained.settle(objective.parameters)?;
        let rng = self.stream();
        let version = self.replay.as_mut().and_then(|replay| replay.find(objective));
        if let (Some(replay), Some(version)) = (&mut self.replay, version)
            && replay.is_proven(version)
            && let Some((total, outcome)) = replay.run(version, objective, rng.clone(), &mut self.swept)
            && total.is_finite()
            && check_finite(objective.parameters, &self.swept.gradients).is_ok()
        {
            self.passes += 1;
            self.held();
            return Ok(outcome);
        }
        // Record: for the first time, or to find the origin of an error.
        let outcome = self.record(objective, version.is_none())?;
        // A pass that overflowed has left nothing to compare.
        if let (Some(replay), Some(version), false) = (&mut self.replay, version, self.overflowed) {
            replay.prove(version, objective, rng, &outcome, &self.swept);
        }
        Ok(outcome)
    }

    /// A recorded pass over an objective, which the replay compiles if it has no program for this batch yet.
    fn record(&mut self, objective: &Objective<'_, T>, learns: bool) -> Result<Outcome<T>, StepError> {
        let Objective { parameters, batch, record, scale } = *objective;
        self.tape.clear();
        let learns = learns && self.replay.is_some();
        if learns {
            watch(&self.tape);
        }
        let mut pass = Pass::train(&self.tape, self.stream()).reusing(std::mem::take(&mut self.record));
        pass.held = self.trained.held();
        let given = batch.on(&self.tape);
        let recorded = record(&given, &mut pass)?;
        nothing_unread(&given)?;
        self.unlisted.get_or_insert_with(|| unlisted(parameters, &self.tape));
        let root = Root::new(recorded.total, scale);
        // Now, since the sweep reads values as well.
        let read = if learns { first_read(&self.tape, &ids(parameters, &pass, &given)) } else { None };
        let swept = backward(parameters, &pass, (&recorded, root), &mut self.adjoints, &mut self.swept);
        let swept = swept.map_err(|error| match error {
            StepError::NonFinite(error) => NonFinite::in_batch(batch).unwrap_or(error).into(),
            other => other,
        });
        if let (Ok(_), Some(replay), true) = (&swept, &mut self.replay, learns) {
            let recording =
                Recording { pass: &pass, given: &given, recorded: &recorded, root, adjoints: &self.adjoints, read };
            replay.learn(objective, &recording, &self.swept.gradients);
        }
        let outcome = recorded.outcome();
        self.record = pass.into_record();
        drop((given, recorded));
        self.judge(swept)?;
        self.close();
        Ok(outcome?)
    }

    /// A pass over a loss that `recorder` records; it is never replayed. Returns the loss.
    pub(super) fn run_with(
        &mut self,
        parameters: &dyn Parameters<T>,
        recorder: &mut Recorder<'_, T>,
    ) -> Result<T, StepError> {
        self.trained.settle(parameters)?;
        self.tape.clear();
        let mut pass = Pass::train(&self.tape, self.stream()).reusing(std::mem::take(&mut self.record));
        pass.held = self.trained.held();
        let recorded = Recorded::of(recorder(&mut pass)?.into())?;
        let root = Root::new(recorded.total, self.factors());
        let swept = backward(parameters, &pass, (&recorded, root), &mut self.adjoints, &mut self.swept);
        let loss = recorded.total.value().try_item()?;
        self.record = pass.into_record();
        drop(recorded);
        self.judge(swept)?;
        self.close();
        Ok(loss)
    }

    /// Takes note of a pass that overflowed at a scale that can be smaller: it has no gradients. Without one, that is an error.
    fn judge(&mut self, swept: Result<(), StepError>) -> Result<(), StepError> {
        match swept {
            Ok(()) => self.held(),
            Err(StepError::NonFinite(_)) if self.scale.as_mut().is_some_and(Scale::overflow) => {
                self.overflowed = true;
                self.swept.gradients.replace(std::iter::empty());
                self.swept.updates.clear();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes note of a pass that did not overflow.
    fn held(&mut self) {
        self.overflowed = false;
        if let Some(scale) = &mut self.scale {
            scale.hold();
        }
    }

    /// Ends a recorded pass.
    fn close(&mut self) {
        // The tape shares the parameters' memory: clearing it now lets the optimizer update them in place.
        self.tape.clear();
        self.passes += 1;
    }
}

/// The shapes of the variables with a key that is none of the parameters'.
fn unlisted<T: Float>(parameters: &dyn Parameters<T>, tape: &Tape<T>) -> Vec<Shape> {
    let mut listed = HashSet::new();
    parameters.visit(&mut Path::default(), &mut |_, param| {
        listed.insert(param.key());
    });
    let others = tape.keys().into_iter().filter(|(key, var)| !listed.contains(key) && var.op() == Op::Leaf);
    others.map(|(_, var)| var.shape()).collect()
}

/// Returns an error that names an input that neither the model nor the loss reads.
fn nothing_unread<T: Float>(given: &Given<'_, T>) -> Result<(), LayerError> {
    match given.inputs.unread().next() {
        None => Ok(()),
        Some(name) => {
            let all = given.inputs.told();
            let problem = format!("neither the model nor the loss reads the input `{name}`; the inputs are {all}");
            Err(LayerError { layer: "the model".into(), problem })
        }
    }
}

/// The ids of everything that a replay replaces: the batch, the model, and random numbers.
fn ids<'t, T: Float>(parameters: &dyn Parameters<T>, pass: &Pass<'t, T>, given: &Given<'t, T>) -> Vec<usize> {
    let mut ids: Vec<usize> = given.each().map(|var| var.id()).collect();
    ids.extend(pass.draws().map(|(var, _)| var.id()));
    parameters
        .visit(&mut Path::default(), &mut |_, param| ids.extend(pass.tape().find(param.key()).map(|var| var.id())));
    ids
}

/// The backward pass of a recording, and everything that the update needs from it.
fn backward<'t, T: Float>(
    parameters: &dyn Parameters<T>,
    pass: &Pass<'t, T>,
    (recorded, root): (&Recorded<'t, T>, Root<'t, T>),
    adjoints: &mut Gradients<T>,
    Swept { gradients, updates }: &mut Swept<T>,
) -> Result<(), StepError> {
    let value = recorded.total.value().try_item()?;
    if !value.is_finite() {
        return Err(NonFinite::loss(value, &recorded.parts, pass.tape()).into());
    }
    root.var.backward_into(adjoints);
    gradients.collect(parameters, pass.tape(), adjoints);
    if let Some([_, inverse]) = root.scale {
        gradients.scale(inverse.value().item().f64());
    }
    updates.clear();
    updates.extend(pass.updates().map(|(key, value)| (key, value.value())));
    check_finite(parameters, gradients)
        .map_err(|error| NonFinite { origin: root.var.non_finite_derivative().map(Box::new), ..error })?;
    Ok(())
}
