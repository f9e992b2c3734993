//! The learning-rate range test: how the loss of a few steps depends on the rate, without changing the model.

use super::error::{StepError, TrainError};
use super::run::{check_and_clip, loader, penalty, step_of, trainable};
use super::step::TrainStep;
use super::trainer::Trainer;
use crate::data::{DataError, Dataset, Samples};
use crate::domain::{or_panic, positive};
use crate::plot::Plot;
use crate::{Model, Path, once};
use autograd::{Float, Tensor};

/// The settings of a [learning-rate range test](Trainer::lr_find). By default a hundred steps from 1e-7 to 10.
///
/// ```
/// let range = nn::train::LrRange { to: 1.0, ..nn::train::LrRange::default() };
/// assert_eq!((range.from, range.steps), (1e-7, 100));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrRange {
    /// The first rate.
    pub from: f64,
    /// The last rate, unless the loss diverges before.
    pub to: f64,
    /// The number of steps; each multiplies the rate by the same factor.
    pub steps: usize,
}

impl Default for LrRange {
    fn default() -> Self {
        LrRange { from: 1e-7, to: 10.0, steps: 100 }
    }
}

/// The result of a learning-rate range test: the loss at each rate.
///
/// ```
/// use nn::{plot::Figure, train::LrCurve};
/// let curve = LrCurve { rates: vec![1e-3, 1e-2, 1e-1, 1.0], losses: vec![2.0, 1.9, 1.0, 4.0] };
/// assert_eq!(curve.suggestion(), Some(1e-2)); // from here the loss falls fastest
/// assert!(curve.plot("Rates").svg().contains(">learning rate</text>"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LrCurve {
    /// The rates of the first parameter group, rising.
    pub rates: Vec<f64>,
    /// The loss of each step before its update, smoothed over about ten steps.
    pub losses: Vec<f64>,
}

impl LrCurve {
    /// The rate from which the loss falls fastest per factor in the rate; `None` if it never falls.
    pub fn suggestion(&self) -> Option<f64> {
        let falls = self.losses.windows(2).map(|pair| pair[0] - pair[1]);
        let steepest = falls.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        steepest.filter(|(_, fall)| *fall > 0.0).map(|(at, _)| self.rates[at])
    }

    /// Plots the loss over the rate, on a logarithmic axis, with the suggestion as a point.
    pub fn plot(&self, title: &str) -> Plot {
        let points = self.rates.iter().copied().zip(self.losses.iter().copied()).collect::<Vec<_>>();
        let plot = Plot::new(title).labels("learning rate", "loss").log_x().curve("loss", points.clone());
        match self.suggestion() {
            Some(rate) => plot.scatter("steepest", points.into_iter().filter(|(x, _)| *x == rate).collect::<Vec<_>>()),
            None => plot,
        }
    }
}

impl<T: Float> Trainer<'_, T> {
    /// The learning-rate range test: trains for some steps while the rate rises, and records the loss, until it is four
    /// times the lowest. Each step accumulates and clips gradients as training does. A good rate lies where the loss falls
    /// fastest. The test leaves the model, the optimizer and its rates unchanged; metrics, callbacks and schedules are not
    /// used. A [distributed](Trainer::distributed) trainer tests whole batches on each rank, all with the same result.
    /// Source: Smith, *Cyclical learning rates for training neural networks* (2017).
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::{LrRange, Trainer}};
    /// let mut model = Mlp::new(&[64, 32, 10]).seed(1).build::<f32>();
    /// let before = nn::state_dict(&model);
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-3));
    /// let curve = trainer.lr_find(&mut model, &digits(), LrRange::default())?;
    /// assert!((1e-4..1.0).contains(&curve.suggestion().unwrap()));
    /// assert_eq!(nn::state_dict(&model), before);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Returns an error if the data is empty or does not fit the model, if nothing is trainable, or if the optimizer cannot
    /// train the model or searches for its own steps, as [`Lbfgs`](crate::optim::Lbfgs) does. The model is unchanged in that case, too.
    ///
    /// # Panics
    /// Panics if a rate is not positive and finite, they do not rise, or there are fewer than two steps.
    #[track_caller]
    pub fn lr_find(
        &mut self,
        model: &mut dyn Model<T>,
        data: &dyn Dataset<T>,
        range: LrRange,
    ) -> Result<LrCurve, TrainError> {
        let LrRange { from, to, steps } = range;
        [("from", from), ("to", to)].into_iter().for_each(|(name, x)| or_panic(positive("LrRange", name, x)));
        assert!(from < to, "LrRange: from must be below to, got {from} and {to}");
        assert!(steps >= 2, "LrRange: steps must be at least 2, got {steps}");
        find(self, model, data, range)
    }
}

/// The smoothing of the losses, and how many times the lowest loss ends the test.
const SMOOTHING: f64 = 0.9;
const DIVERGED: f64 = 4.0;

once! {
    fn find<'d, T>(
        trainer: &mut Trainer<'d, T>,
        model: &mut dyn Model<T>,
        data: &dyn Dataset<T>,
        range: LrRange,
    ) -> Result<LrCurve, TrainError> {
        if trainer.optimizer.searches() {
            return Err(TrainError::Search { problem: "it has no learning rate to test".into() });
        }
        trainable(&*model, &*trainer.optimizer)?;
        let mut values: Vec<(Tensor<T>, bool)> = Vec::new();
        model.visit(&mut Path::default(), &mut |_, param| values.push((param.value().clone(), param.is_trainable())));
        let state = trainer.optimizer.state(&*model);
        let mut rates = Vec::new();
        trainer.optimizer.for_each_rate(&mut |rate| rates.push(*rate));

        let curve = rise(trainer, model, data, range, &rates);

        let mut old = values.into_iter();
        model.visit_mut(&mut Path::default(), &mut |_, param| param.set(old.next().expect("as many as before").0));
        let restored = trainer.optimizer.load_state(&*model, &state);
        debug_assert!(restored.is_ok(), "an optimizer takes its own state");
        let mut old = rates.into_iter();
        trainer.optimizer.for_each_rate(&mut |rate| *rate = old.next().expect("as many as before"));
        curve
    }
}

/// Trains while the rate rises, from batch to batch and from epoch to epoch of the data.
fn rise<T: Float>(
    trainer: &mut Trainer<'_, T>,
    model: &mut dyn Model<T>,
    data: &dyn Dataset<T>,
    LrRange { from, to, steps }: LrRange,
    bases: &[f64],
) -> Result<LrCurve, TrainError> {
    let (mut curve, mut average, mut best) = (LrCurve::default(), 0.0, f64::INFINITY);
    let mut step = step_of(trainer);
    let loader = loader(trainer, data, None)?;
    let mut batches = (0..).flat_map(|epoch| loader.epoch_samples(epoch));
    let mut next = || batches.next().expect("epochs without end, of at least one batch");
    for k in 0..steps {
        let rate = from * (to / from).powf(k as f64 / (steps - 1) as f64);
        // Groups keep the ratios of their rates.
        let mut base = bases.iter();
        let first = bases.first().copied().filter(|rate| *rate > 0.0).unwrap_or(1.0);
        trainer.optimizer.for_each_rate(&mut |own| *own = rate * base.next().expect("as many rates as before") / first);
        let loss = match gradients(trainer, model, &mut step, &mut next, k + 1) {
            Ok(loss) => loss,
            // The end of the test.
            Err(TrainError::NonFinite { .. }) if k > 0 => break,
            Err(error) => return Err(error),
        };
        if step.overflowed() {
            continue;
        }
        average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
        // Batches that overflowed are not in the average.
        let smoothed = average / (1.0 - SMOOTHING.powi(curve.losses.len() as i32 + 1));
        best = smoothed.min(best);
        if smoothed > DIVERGED * best {
            break;
        }
        curve.rates.push(rate);
        curve.losses.push(smoothed);
        step.apply(model, &mut *trainer.optimizer);
    }
    Ok(curve)
}

/// Computes the gradients of one update, as training would: accumulated and clipped. Returns the mean loss of its batches.
fn gradients<T: Float>(
    trainer: &Trainer<'_, T>,
    model: &mut dyn Model<T>,
    step: &mut TrainStep<T>,
    next: &mut dyn FnMut() -> Result<Samples<T>, DataError>,
    number: usize,
) -> Result<f64, TrainError> {
    let Trainer { loss, settings, .. } = trainer;
    let (mut sum, mut count) = (0.0, 0.0);
    for _ in 0..settings.accumulate {
        let samples = next()?;
        let outcome = step.gradients_with(&*model, &**loss, &samples, |model, pass| penalty(model, pass, settings));
        let outcome = outcome.map_err(|cause| cause.at(1, number))?;
        if settings.accumulate > 1 {
            step.accumulate(model, loss.sum_and_count_of(0.0, &samples).1);
        }
        // Batches that overflowed have no loss.
        if !step.overflowed() {
            (sum, count) = (sum + outcome.loss.f64(), count + 1.0);
        }
    }
    if settings.accumulate > 1 {
        step.average();
    }
    check_and_clip(&*model, step, settings, false).map_err(|cause| StepError::from(cause).at(1, number))?;
    Ok(sum / count)
}
