//! The convergence checks, which decide when more epochs would not help.

use super::callback::{Callback, CallbackResult, Moment};
use super::history::{Epoch, Measured, Stop};
use super::monitor::Monitor;
use crate::io::{StateDict, load_state_dict, state_dict};
use crate::number::count;
use autograd::{Float, tensor};

/// Ends training after `patience` epochs in which a monitored value does not improve by more than `min_delta`.
///
/// ```
/// use nn::train::{EarlyStopping, Monitor};
/// let stopping = EarlyStopping { patience: 5, monitor: Monitor::Metric, ..EarlyStopping::default() };
/// assert!(stopping.restore_best);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct EarlyStopping {
    /// Number of epochs without improvement after which training stops.
    pub patience: usize,
    /// An improvement counts only if it exceeds this.
    pub min_delta: f64,
    /// The value to monitor.
    pub monitor: Monitor,
    /// Whether to restore the parameters of the best epoch at the end.
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    /// Stops after ten epochs without any improvement of the validation loss, and restores the best parameters.
    fn default() -> Self {
        EarlyStopping { patience: 10, min_delta: 0.0, monitor: Monitor::default(), restore_best: true }
    }
}

/// The state of both checks after some number of epochs.
pub(super) struct Convergence {
    early: Option<EarlyStopping>,
    tolerance: Option<f64>,
    /// Whether to keep the best weights even if they will not be restored.
    keeps_best: bool,
    best: Option<Best>,
    last_loss: Option<f64>,
}

/// The best epoch so far.
pub(super) struct Best {
    pub epoch: usize,
    pub cost: f64,
    /// Its parameters and buffers, which share the model's memory until the next step changes it. Empty if they are not
    /// needed.
    pub weights: StateDict,
}

impl Convergence {
    pub(super) fn new(early: Option<EarlyStopping>, tolerance: Option<f64>) -> Self {
        Convergence { early, tolerance, keeps_best: false, best: None, last_loss: None }
    }

    /// Tracks the best epoch even without early stopping.
    pub(super) fn keeping_best(mut self) -> Self {
        let endless = EarlyStopping { patience: usize::MAX, restore_best: false, ..EarlyStopping::default() };
        self.early.get_or_insert(endless);
        self.keeps_best = true;
        self
    }

    /// Records an epoch, and returns why training should stop, if it should.
    fn observe(&mut self, epoch: &Epoch, metrics: &[Measured], weights: impl FnOnce() -> StateDict) -> Option<Stop> {
        let change = self.last_loss.replace(epoch.loss).map(|last| (epoch.loss - last).abs());
        self.out_of_patience(epoch, metrics, weights).or_else(|| {
            let change = change.filter(|change| self.tolerance.is_some_and(|tolerance| *change < tolerance))?;
            Some(Stop::Converged { change })
        })
    }

    fn out_of_patience(
        &mut self,
        epoch: &Epoch,
        metrics: &[Measured],
        weights: impl FnOnce() -> StateDict,
    ) -> Option<Stop> {
        let EarlyStopping { patience, min_delta, monitor, restore_best: _ } = self.early.as_ref()?;
        let cost = monitor.cost(epoch, metrics);
        match &self.best {
            Some(best) if cost >= best.cost - min_delta => {
                let stop = Stop::NoImprovement { monitor: monitor.seen_in(epoch), best: best.epoch };
                (epoch.epoch - best.epoch >= *patience).then_some(stop)
            }
            _ => {
                let weights = if self.keeps_weights() { weights() } else { StateDict::new() };
                self.best = Some(Best { epoch: epoch.epoch, cost, weights });
                None
            }
        }
    }

    fn keeps_weights(&self) -> bool {
        self.keeps_best || self.early.as_ref().is_some_and(|early| early.restore_best)
    }

    /// The weights of the best epoch so far, if they are kept.
    pub(super) fn best_weights(&self) -> Option<&StateDict> {
        self.best.as_ref().filter(|_| self.keeps_weights()).map(|best| &best.weights)
    }

    /// The best epoch so far, if it is tracked.
    pub(super) fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// The monitored value.
    pub(super) fn monitor(&self) -> Monitor {
        self.early.as_ref().map(|early| early.monitor.clone()).unwrap_or_default()
    }

    /// Counts from the next epoch on: the best one was found by another value, which cannot be compared.
    pub(super) fn forget_best(&mut self) {
        self.best = None;
    }

    /// Whether training that has stopped after some number of epochs would stop there with these settings.
    pub(super) fn would_stop(&self, stop: &Stop, epochs: usize) -> bool {
        match stop {
            Stop::NoImprovement { .. } => {
                let bounds = self.early.as_ref().zip(self.best.as_ref());
                bounds.is_some_and(|(early, best)| epochs - best.epoch >= early.patience)
            }
            Stop::Converged { change } => self.tolerance.is_some_and(|tolerance| *change < tolerance),
            Stop::Asked { .. } => false,
        }
    }

    /// Resumes after `epochs` epochs from a saved state and the weights of the best epoch, which are saved separately.
    pub(super) fn restore_with(&mut self, state: &StateDict, weights: StateDict, epochs: usize) -> bool {
        let numbers = |name: &str| Some(state.get(name)?.get::<f64>()?.to_vec());
        self.last_loss = numbers("last_loss").and_then(|loss| loss.first().copied());
        self.best = match numbers("best").as_deref() {
            Some(&[epoch, cost]) => {
                let epoch = count(epoch).filter(|epoch| (1..=epochs).contains(epoch));
                epoch.map(|epoch| Best { epoch, cost, weights })
            }
            _ => None,
        };
        self.last_loss.is_some() == state.get("last_loss").is_some()
            && self.best.is_some() == state.get("best").is_some()
    }
}

impl<T: Float> Callback<T> for Convergence {
    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let Some(epoch) = at.history.epochs.last() else { return Ok(()) };
        if let Some(stop) = self.observe(epoch, &at.history.metrics, || state_dict(&*at.model)) {
            at.stop_because(stop);
        }
        Ok(())
    }

    /// Restores the parameters of the best epoch if `restore_best` is set.
    fn train_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        match (&self.best, &self.early) {
            (Some(best), Some(early)) if early.restore_best => Ok(load_state_dict(at.model, &best.weights)?),
            _ => Ok(()),
        }
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::new();
        if let Some(loss) = self.last_loss {
            state.insert("last_loss", tensor![loss]);
        }
        if let Some(Best { epoch, cost, .. }) = &self.best {
            state.insert("best", tensor![*epoch as f64, *cost]);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Param;

    /// Where training stops on these losses, and the final parameter (the epoch number). The check is saved and
    /// restored after each epoch.
    fn run(early: Option<EarlyStopping>, tolerance: Option<f64>, losses: &[f64]) -> (Option<(usize, Stop)>, f64) {
        let mut check = Convergence::new(early.clone(), tolerance);
        let mut model = Param::new(tensor![0.0f64]);
        let stop = losses.iter().enumerate().find_map(|(i, &loss)| {
            model.value_mut().make_mut()[0] = (i + 1) as f64;
            let epoch = Epoch { epoch: i + 1, loss, ..Epoch::default() };
            let stop = check.observe(&epoch, &[], || state_dict(&model));
            let (state, weights) = (Callback::<f64>::state(&check), check.best.take().map(|best| best.weights));
            check = Convergence::new(early.clone(), tolerance);
            assert!(check.restore_with(&state, weights.unwrap_or_default(), i + 1));
            Some((i + 1, stop?))
        });
        if let Some(best) = check.best.filter(|best| !best.weights.is_empty()) {
            load_state_dict(&mut model, &best.weights).unwrap();
        }
        (stop, model.value().item())
    }

    fn patience(patience: usize) -> EarlyStopping {
        EarlyStopping { patience, ..EarlyStopping::default() }
    }

    #[test]
    fn stops_after_patience_and_restores_the_best() {
        let (stop, left) = run(Some(patience(2)), None, &[3.0, 1.0, 2.0, 1.5, 0.1]);
        let reason = Stop::NoImprovement { monitor: Monitor::Loss, best: 2 }; // there is no validation
        assert_eq!((stop, left), (Some((4, reason)), 2.0));
    }

    #[test]
    fn an_improvement_starts_the_count_again() {
        assert_eq!(run(Some(patience(2)), None, &[3.0, 3.0, 2.0, 2.0, 1.0]), (None, 5.0));
    }

    #[test]
    fn a_small_improvement_is_none() {
        let early = EarlyStopping { min_delta: 0.5, restore_best: false, ..patience(2) };
        let (stop, left) = run(Some(early), None, &[3.0, 2.8, 2.6, 0.0]);
        assert_eq!((stop.unwrap().0, left), (3, 3.0));
    }

    #[test]
    fn nan_is_no_improvement() {
        assert_eq!(run(Some(patience(1)), None, &[1.0, f64::NAN]).0.unwrap().0, 2);
    }

    #[test]
    fn a_settled_loss_has_converged() {
        let (stop, left) = run(None, Some(1e-2), &[1.0, 0.5, 0.495, 0.1]);
        let (epoch, Stop::Converged { change }) = stop.unwrap() else { panic!("expected convergence") };
        assert!(epoch == 3 && (change - 0.005).abs() < 1e-12 && left == 3.0);
    }

    #[test]
    fn without_checks_nothing_stops() {
        assert_eq!(run(None, None, &[1.0, 1.0, 1.0, 1.0]), (None, 4.0));
    }
}
