//! Losses of several outputs and targets: any function of them, a loss of one output among several, and weighted sums.

use super::{Loss, Parts, Target, Targets};
use crate::fields::{Field, Given, Samples, Vars};
use crate::once;
use autograd::{Error, Float, Result, Var};

/// A loss that is any function of the outputs of a model and of the batch: see [`custom`].
///
/// ```
/// use nn::loss::{Loss, custom};
/// let loss = custom(|outputs, given| Ok((outputs.only()? - given.inputs.only()?).square().mean().into()));
/// assert_eq!(Loss::<f32>::describe(&loss), "a function");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Custom<F>(F);

/// A loss that is any function of the outputs and of the batch, which it finds by name: with inputs as targets, masks,
/// several outputs, or [`Parts`] with names. The reported loss is its mean over samples.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Vars, data::{Fields, Samples}, loss::{Loss, Parts, custom}};
/// // An autoencoder: its target is its input.
/// let loss = custom(|outputs, given| {
///     let error = (outputs.numbers("image")? - given.inputs.numbers("image")?).square().mean();
///     Ok(Parts::new().part("error", 1.0, error).part("size", 0.5, outputs.numbers("code")?.square().mean()))
/// });
/// let tape = Tape::<f64>::new();
/// let given = Samples::unlabeled(Fields::new().with("image", tensor![1.0, 2.0])).on(&tape);
/// let outputs = Vars::new().with("image", tape.var([1.0, 4.0])).with("code", tape.var([2.0]));
/// assert_eq!(loss.parts(&outputs, &given)?.total()?.item(), 2.0 + 0.5 * 4.0);
/// # Ok::<(), autograd::Error>(())
/// ```
pub fn custom<T, F>(f: F) -> Custom<F>
where
    T: Float,
    F: for<'t> Fn(&Vars<'t, T>, &Given<'t, T>) -> Result<Parts<'t, T>> + Send,
{
    Custom(f)
}

impl<T, F> Loss<T> for Custom<F>
where
    T: Float,
    F: for<'t> Fn(&Vars<'t, T>, &Given<'t, T>) -> Result<Parts<'t, T>> + Send,
{
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        let given = Given { inputs: Vars::new(), targets: targets.vars(), weights: targets.weights() };
        (self.0)(&output.into(), &given)?.total()
    }

    #[track_caller]
    fn parts<'t>(&self, outputs: &Vars<'t, T>, given: &Given<'t, T>) -> Result<Parts<'t, T>> {
        (self.0)(outputs, given)
    }

    fn describe(&self) -> String {
        "a function".to_owned()
    }

    fn sum_and_count_of(&self, loss: f64, samples: &Samples<T>) -> (f64, f64) {
        let count = samples.len() as f64;
        (loss * count, count)
    }

    fn counts_in(&self, samples: &Samples<T>) -> bool {
        !samples.is_empty()
    }
}

/// A loss of one of several outputs and one of several targets: see [`between`].
///
/// ```
/// use nn::loss::{CrossEntropy, between};
/// let loss = between(CrossEntropy::new(), "class", "digit");
/// assert_eq!((&*loss.output, &*loss.target), ("class", "digit"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Between<L> {
    /// The loss.
    pub loss: L,
    /// The name of the output.
    pub output: String,
    /// The name of the target.
    pub target: String,
}

/// A loss of the output and the target with these names, among several.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Vars, data::{Fields, Samples}, loss::{Loss, Mse, between}};
/// let loss = between(Mse::new(), "age", "years");
/// let tape = Tape::new();
/// let given = Samples::new(Fields::new(), Fields::new().with("years", tensor![3.0])).on(&tape);
/// let outputs = Vars::new().with("age", tape.var([5.0])).with("height", tape.var([1.0]));
/// assert_eq!(loss.parts(&outputs, &given)?.total()?.item(), 4.0);
/// # Ok::<(), autograd::Error>(())
/// ```
pub fn between<L>(loss: L, output: impl Into<String>, target: impl Into<String>) -> Between<L> {
    Between { loss, output: output.into(), target: target.into() }
}

impl<T: Float, L: Loss<T>> Loss<T> for Between<L> {
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        self.loss.record(output, targets)
    }

    #[track_caller]
    fn parts<'t>(&self, outputs: &Vars<'t, T>, given: &Given<'t, T>) -> Result<Parts<'t, T>> {
        let targets = given.target(&self.target)?;
        Ok(self.loss.record(outputs.numbers(&self.output)?, &targets)?.into())
    }

    fn describe(&self) -> String {
        format!("{} between {:?} and {:?}", self.loss.describe(), self.output, self.target)
    }

    fn sum_and_count_of(&self, loss: f64, samples: &Samples<T>) -> (f64, f64) {
        let target = Target::of(samples, &self.target);
        target.map_or((0.0, 0.0), |target| self.loss.sum_and_count(loss, &target))
    }

    fn counts_in(&self, samples: &Samples<T>) -> bool {
        Target::of(samples, &self.target).is_ok_and(|target| self.loss.counts(&target))
    }
}

/// A weighted sum of named losses.
///
/// Each part is reported like its own loss: as a mean over the labels that are not ignored, for example. The reported total
/// is the weighted sum of the reported parts, so neither depends on the batch size.
///
/// ```
/// use nn::loss::{CrossEntropy, Loss, Mse, WeightedSum, between};
/// let loss = WeightedSum::<f32>::new()
///     .part("class", 1.0, between(CrossEntropy::new(), "class", "digit"))
///     .part("strokes", 0.25, between(Mse::new(), "strokes", "strokes"));
/// assert!(loss.describe().contains("0.25 strokes: "));
/// ```
pub struct WeightedSum<T: Float> {
    parts: Vec<(String, f64, Box<dyn Loss<T>>)>,
}

impl<T: Float> Default for WeightedSum<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> WeightedSum<T> {
    /// No parts yet.
    pub fn new() -> Self {
        WeightedSum { parts: Vec::new() }
    }

    /// Adds a part.
    pub fn part(mut self, name: impl Into<String>, weight: f64, loss: impl Loss<T> + 'static) -> Self {
        self.parts.push((name.into(), weight, Box::new(loss)));
        self
    }
}

impl<T: Float> Loss<T> for WeightedSum<T> {
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        let mut all = Parts::new();
        for (name, weight, loss) in &self.parts {
            all = all.part(name.clone(), *weight, loss.record(output, targets)?);
        }
        all.total()
    }

    #[track_caller]
    fn parts<'t>(&self, outputs: &Vars<'t, T>, given: &Given<'t, T>) -> Result<Parts<'t, T>> {
        let mut all = Parts::new();
        for (name, weight, loss) in &self.parts {
            all = all.part(name.clone(), *weight, loss.parts(outputs, given)?.total()?);
        }
        Ok(all)
    }

    fn describe(&self) -> String {
        let part =
            |(name, weight, loss): &(String, f64, Box<dyn Loss<T>>)| format!("{weight} {name}: {}", loss.describe());
        self.parts.iter().map(part).collect::<Vec<_>>().join(" + ")
    }

    fn sum_and_count_of(&self, loss: f64, samples: &Samples<T>) -> (f64, f64) {
        // Also for samples of weight 0, if the parts count them: the mean of a larger batch divides by their number.
        let counts = self.parts.iter().any(|(_, _, loss)| loss.sum_and_count_of(0.0, samples).1 > 0.0);
        let count = if counts { samples.len() as f64 } else { 0.0 };
        (loss * count, count)
    }

    fn of_parts(&self, parts: &[f64]) -> Option<f64> {
        let all = self.parts.len() == parts.len();
        all.then(|| self.parts.iter().zip(parts).map(|((_, weight, _), part)| weight * part).sum())
    }

    fn part_sum_and_count(&self, part: usize, loss: f64, samples: &Samples<T>) -> (f64, f64) {
        self.parts.get(part).map_or((0.0, 0.0), |(_, _, own)| own.sum_and_count_of(loss, samples))
    }

    fn counts_in(&self, samples: &Samples<T>) -> bool {
        self.parts.iter().any(|(_, _, loss)| loss.counts_in(samples))
    }
}

impl<T: Float> Target<T> {
    /// The target with this name among those of a batch, with the weights of the samples.
    pub(crate) fn of(samples: &Samples<T>, name: &str) -> Result<Self> {
        named(samples, name)
    }

    /// The only target of a batch.
    pub(crate) fn only(samples: &Samples<T>) -> Result<Self> {
        only(samples)
    }
}

impl<'t, T: Float> Given<'t, T> {
    /// The target with this name, with the weights of the samples, as a [`Loss`] of one output takes it. Booleans are
    /// the values 0 and 1 of a binary loss.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{data::{Fields, Samples}, loss::{CrossEntropy, Loss}};
    /// let tape = Tape::<f64>::new();
    /// let given = Samples::new(Fields::new(), Fields::new().with("digit", tensor![1_i64])).on(&tape);
    /// let loss = CrossEntropy::new().record(tape.var([[0.0, 0.0]]), &given.target("digit")?)?;
    /// assert_eq!(loss.item(), 2f64.ln());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if there is no such target.
    pub fn target(&self, name: &str) -> Result<Targets<'t, T>> {
        Ok(Targets::of(self.targets.get(name)?, self.weights))
    }
}

once! {
    fn named<T>(samples: &Samples<T>, name: &str) -> Result<Target<T>> {
        let target = match samples.targets.get(name) {
            Some(Field::Numbers(x)) => Target::Values(x.clone()),
            Some(Field::Integers(x)) => Target::Labels(x.clone()),
            // Booleans are the 0 and 1 of a binary loss.
            Some(Field::Booleans(x)) => Target::Values(x.indicator()),
            None => {
                let hint = format!("there is no target `{name}`; the targets are {}", samples.targets);
                return Err(Error::Argument { op: "batch", hint });
            }
        };
        Ok(match &samples.weights {
            Some(weights) => target.weighted(weights.clone()),
            None => target,
        })
    }

    fn only<T>(samples: &Samples<T>) -> Result<Target<T>> {
        match samples.targets.names().next() {
            Some(name) if samples.targets.len() == 1 => named(samples, name),
            _ => Err(not_one(samples.targets.len(), samples.targets.to_string())),
        }
    }

    /// The only output and the only target.
    pub(super) fn one_of_each<'t, T>(outputs: &Vars<'t, T>, given: &Given<'t, T>) -> Result<(Var<'t, T>, Targets<'t, T>)> {
        let output = outputs.only()?;
        match given.targets.len() {
            1 => Ok((output, Targets::of(given.targets.get(0)?, given.weights))),
            n => Err(not_one(n, given.targets.told())),
        }
    }
}

fn not_one(count: usize, targets: String) -> Error {
    let hint = format!(
        "this loss takes one target, but the batch has {count}: {targets}; `between` names the output and the target, and \
         `custom` takes them all"
    );
    Error::Argument { op: "batch", hint }
}
