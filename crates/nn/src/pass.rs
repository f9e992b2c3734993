//! One run through a network: the tape it is recorded on, train or eval mode, and its side effects.
//!
//! A recording may be replayed with other numbers, but anything it read as plain numbers is frozen. So everything that
//! changes from step to step is on the tape, and the pass records where: parameters and buffers by key, random numbers
//! with the distribution that draws them, and the new values of buffers.

use crate::domain::{or_panic, unit};
use crate::{Param, Parameters, Path, once};
use autograd::internals::{Placed, placed};
use autograd::{Float, Result, Rng, Shape, Tape, Tensor, Var};
use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;

/// Whether a run through the network is for training or inference. Dropout and batch norm depend on it.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Mode, Pass};
/// let tape = Tape::<f32>::new();
/// assert_eq!((Pass::train(&tape, Rng::new(0)).mode(), Pass::eval(&tape).mode()), (Mode::Train, Mode::Eval));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Dropout drops, batch norm uses the batch's statistics.
    Train,
    /// Dropout passes its input through, batch norm uses its running statistics.
    Eval,
}

/// Random numbers that a layer requests from a [`Pass`]. Plain data, so that a replayed step can draw them again. Other
/// distributions are functions of these, computed on the tape.
///
/// ```
/// use autograd::Rng;
/// use nn::Noise;
/// let mut gate = [0.0f32; 4];
/// Noise::Dropout { p: 0.5 }.fill(&mut gate, &mut Rng::new(0));
/// assert!(gate.iter().all(|&x| x == 0.0 || x == 2.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// 0 with probability `p`, otherwise `1 / (1 - p)`, so that the mean is 1: the factor that dropout multiplies by.
    Dropout {
        /// The probability of 0.
        p: f64,
    },
    /// Uniform on `[0, 1)`.
    Uniform,
    /// Normal with mean 0 and standard deviation 1.
    Normal,
}

impl Noise {
    /// Fills a slice, in order.
    ///
    /// # Panics
    /// Panics if a dropout probability is not in `[0, 1]`.
    #[track_caller]
    pub fn fill<T: Float>(self, out: &mut [T], rng: &mut Rng) {
        match self {
            Noise::Dropout { p } => {
                or_panic(unit("Noise", "the dropout probability", p));
                // With p = 1, all are dropped.
                rng.fill_choice(p, [T::zero(), T::of(1.0 / (1.0 - p))], out);
            }
            Noise::Uniform => rng.fill_uniform(out),
            Noise::Normal => rng.fill_normal(out),
        }
    }
}

/// One run through a network.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Module, Pass, layer::Linear};
/// let layer = Linear::<f32>::new(3, 1, &mut Rng::new(0));
/// let tape = Tape::new();
/// let mut pass = Pass::train(&tape, Rng::new(1));
/// let y = layer.forward(tape.constant([[1.0f32, 2.0, 3.0]]), &mut pass);
/// let gradients = y.sum().backward();
/// assert_eq!(gradients.wrt(pass.var(&layer.weight)), autograd::tensor![[1.0f32, 2.0, 3.0]]);
/// ```
///
/// Parameters and buffers are found on the tape by their keys ([`Tape::find`]). The pass lists everything else that is not only
/// a function of them and the input: its [`draws`](Pass::draws). A replay keeps the rest frozen: the mode, shapes, settings of
/// layers, and everything that a custom layer computes from [`Var::value`].
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Module, Param, Pass, layer::Dropout};
/// let (tape, w) = (Tape::new(), Param::new(tensor![2.0]));
/// let mut pass = Pass::train(&tape, Rng::new(1));
/// let y = Dropout::new(0.5).forward(pass.var(&w), &mut pass);
/// assert_eq!(pass.draws().count(), 1);
/// assert!(y.item() == 0.0 || y.item() == 4.0);
/// ```
pub struct Pass<'t, T: Float> {
    tape: &'t Tape<T>,
    mode: Mode,
    rng: Rng,
    record: Record,
    pub(crate) notes: Option<Vec<Note>>,
    /// Whether `try_forward` will receive the refusal of a layer.
    pub(crate) caught: bool,
    pub(crate) hooks: Vec<Hook<'t, T>>,
    /// The keys of parameters that are constants in this pass, if not all are differentiated by.
    pub(crate) held: Option<Arc<HashSet<u64>>>,
    /// Variables that stand for parameters, by key.
    substitutes: Vec<(u64, Var<'t, T>)>,
}

/// A function that the outputs of one layer pass through, and the keys of the parameters that identify the layer.
pub(crate) struct Hook<'t, T: Float> {
    pub(crate) keys: Vec<u64>,
    pub(crate) f: Box<dyn FnMut(Var<'t, T>) -> Var<'t, T> + 't>,
}

/// The output of a layer, noted for a [summary](crate::summary) or a [picture](Pass::drawing).
pub(crate) struct Note {
    /// The layer's description of itself.
    pub(crate) layer: String,
    /// Keys and local names of its parameters.
    pub(crate) parameters: Vec<(u64, String)>,
    pub(crate) output: Shape,
    /// The id of the output on the tape.
    pub(crate) at: usize,
}

/// The side effects of a pass, by variable id on its tape. Plain data; the next pass reuses its memory.
#[derive(Debug, Default)]
pub(crate) struct Record {
    draws: Vec<(usize, Noise)>,
    updates: Vec<(u64, usize)>,
}

impl<'t, T: Float> Pass<'t, T> {
    /// A training pass; `rng` is the source of its random numbers, such as those of dropout.
    pub fn train(tape: &'t Tape<T>, rng: Rng) -> Self {
        Pass {
            tape,
            mode: Mode::Train,
            rng,
            record: Record::default(),
            notes: None,
            caught: false,
            hooks: Vec::new(),
            held: None,
            substitutes: Vec::new(),
        }
    }

    /// A pass in eval mode, for inference.
    pub fn eval(tape: &'t Tape<T>) -> Self {
        Pass { mode: Mode::Eval, ..Self::train(tape, Rng::new(0)) }
    }

    /// The same pass, storing its lists in the memory of an earlier pass's.
    pub(crate) fn reusing(mut self, mut record: Record) -> Self {
        record.draws.clear();
        record.updates.clear();
        self.record = record;
        self
    }

    /// Returns the lists.
    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    /// The same pass, in which layers also note their outputs, for [`drawing`](Pass::drawing).
    ///
    /// ```
    /// use autograd::{Rng, Tape};
    /// use nn::{Module, Pass, layer::Linear};
    /// let (tape, layer) = (Tape::<f64>::new(), Linear::new(2, 1, &mut Rng::new(0)));
    /// let mut pass = Pass::eval(&tape).noting();
    /// layer.forward(tape.constant([[1.0, 2.0]]), &mut pass);
    /// assert!(pass.drawing(&layer).to_mermaid().contains("weight"));
    /// ```
    pub fn noting(self) -> Self {
        Pass { notes: Some(Vec::new()), ..self }
    }

    /// Returns the notes of the layers.
    pub(crate) fn into_notes(self) -> Vec<Note> {
        self.notes.unwrap_or_default()
    }

    /// The tape that this pass records on.
    pub fn tape(&self) -> &'t Tape<T> {
        self.tape
    }

    /// Train or eval mode.
    ///
    /// ```
    /// let tape = autograd::Tape::<f32>::new();
    /// assert_eq!(nn::Pass::eval(&tape).mode(), nn::Mode::Eval);
    /// ```
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether this pass trains.
    ///
    /// ```
    /// let tape = autograd::Tape::<f32>::new();
    /// assert!(!nn::Pass::eval(&tape).is_training());
    /// ```
    pub fn is_training(&self) -> bool {
        self.mode == Mode::Train
    }

    /// A parameter on the tape: always the same variable within one recording. A frozen parameter is a constant, also
    /// always the same. A buffer is a constant too: its value, or the latest one that this pass has requested by
    /// [`update`](Pass::update), so that a layer called twice in one pass sees its first call.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Param, Pass};
    /// let (tape, calls) = (Tape::<f64>::new(), Param::buffer(tensor![0.0]));
    /// let mut pass = Pass::train(&tape, Rng::new(0));
    /// for _ in 0..3 {
    ///     let next = pass.var(&calls) + 1.0;
    ///     pass.update(&calls, next);
    /// }
    /// assert_eq!(pass.var(&calls).value(), tensor![3.0]);
    /// ```
    /// # Panics
    /// Panics if a trainable parameter has changed since it was put on this tape, as an update does: clear the tape first.
    #[track_caller]
    pub fn var(&self, param: &Param<T>) -> Var<'t, T> {
        or_panic(var(self, param, Location::caller()))
    }

    /// Runs `f` with a variable in place of the parameter with this key, such as a weight computed from others.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Param, Pass};
    /// let (tape, w) = (Tape::<f64>::new(), Param::new(tensor![2.0]));
    /// let mut pass = Pass::eval(&tape);
    /// let twice = pass.var(&w) * 2.0;
    /// assert_eq!(pass.substituting(w.key(), twice, |pass| pass.var(&w).value()), tensor![4.0]);
    /// assert_eq!(pass.var(&w).value(), tensor![2.0]);
    /// ```
    pub fn substituting<R>(&mut self, key: u64, var: Var<'t, T>, f: impl FnOnce(&mut Self) -> R) -> R {
        self.substitutes.push((key, var));
        let result = f(self);
        self.substitutes.pop();
        result
    }

    /// [`var`](Pass::var) of an optional parameter.
    ///
    /// ```
    /// use autograd::{Rng, Tape};
    /// use nn::{Pass, layer::Linear};
    /// let (tape, layer) = (Tape::<f64>::new(), Linear::new(2, 1, &mut Rng::new(0)).without_bias());
    /// assert!(Pass::eval(&tape).optional(&layer.bias).is_none());
    /// ```
    #[track_caller]
    pub fn optional(&self, param: &Option<Param<T>>) -> Option<Var<'t, T>> {
        param.as_ref().map(|param| self.var(param))
    }

    /// A constant of the given shape, filled with random numbers. A replayed step draws them again, from its own
    /// generator and in the order of [`draws`](Pass::draws).
    ///
    /// ```
    /// use autograd::{Rng, Tape};
    /// use nn::{Noise, Pass};
    /// let tape = Tape::<f64>::new();
    /// let mut pass = Pass::train(&tape, Rng::new(1));
    /// let gate = pass.noise(&[2, 3], Noise::Dropout { p: 0.5 });
    /// assert!(gate.value().iter().all(|x| x == 0.0 || x == 2.0));
    /// // The same numbers once more, from the same generator.
    /// let (rng, mut again) = (&mut Rng::new(1), [0.0; 6]);
    /// pass.draws().for_each(|(_, noise)| noise.fill(&mut again, rng));
    /// assert_eq!(gate.value().to_vec(), again);
    /// ```
    /// # Panics
    /// Panics if a dropout probability is not in `[0, 1]`.
    #[track_caller]
    pub fn noise(&mut self, shape: &[usize], noise: Noise) -> Var<'t, T> {
        let mut values = Tensor::zeros(shape);
        noise.fill(values.make_mut(), &mut self.rng);
        let var = self.tape.constant(values);
        self.record.draws.push((var.id(), noise));
        var
    }

    /// Requests a new value for a buffer after the step: a forward pass does not modify layers itself. The rest of the
    /// pass reads this value, as a constant, and a later request replaces it.
    ///
    /// # Panics
    /// Panics if the shapes differ.
    #[track_caller]
    pub fn update(&mut self, buffer: &Param<T>, value: Var<'t, T>) {
        let (from, to) = (value.shape(), buffer.value().shape());
        assert!(from.as_slice() == to, "Pass::update: the value has shape {from:?}, but the buffer has shape {to:?}");
        let id = value.stop_gradient().id();
        match self.record.updates.iter_mut().find(|(key, _)| *key == buffer.key()) {
            Some((_, latest)) => *latest = id,
            None => self.record.updates.push((buffer.key(), id)),
        }
    }

    /// The constants returned by [`noise`](Pass::noise), in order, each with the distribution to draw it from again.
    pub fn draws(&self) -> impl Iterator<Item = (Var<'t, T>, Noise)> {
        self.record.draws.iter().map(|&(id, noise)| (self.at(id), noise))
    }

    /// The buffer updates that the layers requested: keys of buffers with their new values, one for each.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Param, Pass};
    /// let (tape, calls) = (Tape::<f64>::new(), Param::buffer(tensor![0.0]));
    /// let mut pass = Pass::train(&tape, Rng::new(0));
    /// pass.update(&calls, pass.var(&calls) + 1.0);
    /// let requested: Vec<_> = pass.updates().map(|(key, value)| (key, value.value())).collect();
    /// assert_eq!(requested, [(calls.key(), tensor![1.0])]);
    /// ```
    pub fn updates(&self) -> impl Iterator<Item = (u64, Var<'t, T>)> {
        self.record.updates.iter().map(|&(key, id)| (key, self.at(id)))
    }

    /// The buffer updates that the layers requested, as tensors, for [`apply_updates`].
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Module, Pass, layer::BatchNorm1d};
    /// let (tape, layer) = (Tape::<f32>::new(), BatchNorm1d::new(2));
    /// let mut pass = Pass::train(&tape, Rng::new(0));
    /// layer.forward(tape.constant(Tensor::ones(&[4, 2])), &mut pass);
    /// assert_eq!(pass.into_updates().len(), 3); // mean, variance, number of batches
    /// ```
    pub fn into_updates(self) -> Vec<(u64, Tensor<T>)> {
        self.updates().map(|(key, value)| (key, value.value())).collect()
    }

    fn at(&self, id: usize) -> Var<'t, T> {
        self.tape.get(id).expect("the pass recorded it")
    }
}

once! {
    fn var<'t, T>(pass: &Pass<'t, T>, param: &Param<T>, line: &'static Location<'static>) -> Result<Var<'t, T>> {
        let key = param.key();
        if let Some((_, var)) = pass.substitutes.iter().rev().find(|(own, _)| *own == key) {
            return Ok(*var);
        }
        let held = pass.held.as_ref().is_some_and(|held| held.contains(&key));
        let kind = match (param.is_trainable() && !held, param.is_by_rows()) {
            (false, _) => Placed::Constant,
            (true, false) => Placed::Variable,
            (true, true) => Placed::Table,
        };
        // The latest value that was requested for a buffer.
        let updates = if param.is_buffer() { &pass.record.updates[..] } else { &[] };
        match updates.iter().find(|(own, _)| *own == key) {
            Some((_, id)) => Ok(pass.at(*id)),
            None => placed(pass.tape, key, param.value(), kind, line),
        }
    }
}

/// Sets buffers to the values that a pass requested.
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Module, Pass, apply_updates, layer::BatchNorm1d};
/// let mut layer = BatchNorm1d::<f64>::new(1);
/// let tape = Tape::new();
/// let mut pass = Pass::train(&tape, Rng::new(0));
/// layer.forward(tape.constant([[1.0], [3.0]]), &mut pass);
/// apply_updates(&mut layer, &pass.into_updates());
/// assert_eq!(nn::state_dict(&layer).get("running_mean").unwrap().to::<f64>(), tensor![0.2]); // a tenth of the batch's
/// ```
pub fn apply_updates<T: Float>(model: &mut (impl Parameters<T> + ?Sized), updates: &[(u64, Tensor<T>)]) {
    apply_updates_by(&mut Path::default(), model, updates);
}

/// [`apply_updates`] with a path supplied by the caller, which keeps its memory for the next time.
pub(crate) fn apply_updates_by<T: Float>(
    path: &mut Path,
    model: &mut (impl Parameters<T> + ?Sized),
    updates: &[(u64, Tensor<T>)],
) {
    if !updates.is_empty() {
        model.visit_mut(path, &mut |_, param| {
            // A list joined from several passes may have several values for a buffer, the latest last.
            if let Some((_, value)) = updates.iter().rev().find(|(key, _)| *key == param.key()) {
                param.set(value.clone());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    #[test]
    fn frozen_parameters_and_buffers_are_constants_found_by_their_keys() {
        let (tape, mut w) = (Tape::new(), Param::new(tensor![2.0]));
        w.set_trainable(false);
        let buffer = Param::buffer(tensor![3.0]);
        let pass = Pass::train(&tape, Rng::new(0));
        let x = tape.var([5.0]);
        let y = x * pass.var(&w) * pass.var(&buffer) + pass.var(&w);
        assert_eq!((pass.var(&w).id(), tape.find(w.key()).unwrap().id()), (1, 1));
        assert_eq!(tape.find(buffer.key()).unwrap().op(), autograd::op::Op::Const);
        assert_eq!(y.backward().wrt(x), tensor![6.0]);
    }

    #[test]
    fn draws_come_in_order_and_repeat() {
        let tape = Tape::<f32>::new();
        let mut pass = Pass::train(&tape, Rng::new(4));
        let kinds = [Noise::Normal, Noise::Dropout { p: 0.25 }, Noise::Uniform];
        let recorded = kinds.map(|kind| pass.noise(&[3, 3], kind).value().to_vec());
        let rng = &mut Rng::new(4);
        for ((var, noise), recorded) in pass.draws().zip(recorded) {
            let mut again = vec![0.0; 9];
            noise.fill(&mut again, rng);
            assert_eq!((var.value().to_vec(), &recorded), (again, &recorded));
        }
    }

    #[test]
    #[should_panic(expected = "the value has shape [2], but the buffer has shape [1]")]
    fn a_buffer_keeps_its_shape() {
        let tape = Tape::<f64>::new();
        Pass::eval(&tape).update(&Param::buffer(tensor![1.0]), tape.constant([1.0, 2.0]));
    }
}
