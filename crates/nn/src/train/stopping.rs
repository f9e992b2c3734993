//! The convergence check: when more epochs would not help.

use super::history::{Epoch, Monitor, Stop};
use crate::{Parameters, Path};
use autograd::{Float, Tensor};

/// Ends training when a number has not improved by more than `min_delta` for `patience` epochs.
///
/// ```
/// use nn::train::{EarlyStopping, Monitor};
/// let stopping = EarlyStopping { patience: 5, monitor: Monitor::Metric, ..EarlyStopping::default() };
/// assert!(stopping.restore_best);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// Epochs without improvement that are put up with.
    pub patience: usize,
    /// What counts as improvement: more than this.
    pub min_delta: f64,
    /// The number that is watched.
    pub monitor: Monitor,
    /// Whether the model gets the parameters of the best epoch back at the end.
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    /// Ten epochs without any improvement of the validation loss; the best parameters come back.
    fn default() -> Self {
        EarlyStopping { patience: 10, min_delta: 0.0, monitor: Monitor::default(), restore_best: true }
    }
}

/// Both checks, as they stand after some epochs.
pub(super) struct Convergence<T: Float> {
    early: Option<EarlyStopping>,
    tolerance: Option<f64>,
    metric_rises: bool,
    best: Option<Best<T>>,
    last_loss: Option<f64>,
}

struct Best<T: Float> {
    epoch: usize,
    cost: f64,
    parameters: Vec<Tensor<T>>,
}

impl<T: Float> Convergence<T> {
    pub(super) fn new(early: Option<EarlyStopping>, tolerance: Option<f64>, metric_rises: bool) -> Self {
        Convergence { early, tolerance, metric_rises, best: None, last_loss: None }
    }

    /// Takes note of an epoch, and says whether it was the last.
    pub(super) fn observe(&mut self, epoch: &Epoch, model: &dyn Parameters<T>) -> Option<Stop> {
        let change = self.last_loss.replace(epoch.loss).map(|last| (epoch.loss - last).abs());
        self.out_of_patience(epoch, model).or_else(|| {
            let change = change.filter(|change| self.tolerance.is_some_and(|tolerance| *change < tolerance))?;
            Some(Stop::Converged { change })
        })
    }

    fn out_of_patience(&mut self, epoch: &Epoch, model: &dyn Parameters<T>) -> Option<Stop> {
        let EarlyStopping { patience, min_delta, monitor, restore_best } = self.early?;
        let cost = monitor.cost(epoch, self.metric_rises);
        match &self.best {
            Some(best) if cost >= best.cost - min_delta => {
                let stop = Stop::NoImprovement { monitor, best: best.epoch };
                (epoch.epoch - best.epoch >= patience).then_some(stop)
            }
            _ => {
                let parameters = if restore_best { values(model) } else { Vec::new() };
                self.best = Some(Best { epoch: epoch.epoch, cost, parameters });
                None
            }
        }
    }

    /// Gives the model the parameters of the best epoch, if that was asked for.
    pub(super) fn restore(self, model: &mut dyn Parameters<T>) {
        let mut parameters = self.best.map(|best| best.parameters).unwrap_or_default().into_iter();
        model.visit_mut(&mut Path::default(), &mut |_, param| {
            if let Some(value) = parameters.next() {
                param.set(value);
            }
        });
    }
}

/// The values of all parameters and buffers. They share the model's memory until the next step changes it.
fn values<T: Float>(model: &dyn Parameters<T>) -> Vec<Tensor<T>> {
    let mut values = Vec::new();
    model.visit(&mut Path::default(), &mut |_, param| values.push(param.value().clone()));
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Param;

    /// Where training stops on these losses, and the parameter (the number of the epoch) that is left.
    fn run(early: Option<EarlyStopping>, tolerance: Option<f64>, losses: &[f64]) -> (Option<(usize, Stop)>, f64) {
        let mut check = Convergence::new(early, tolerance, true);
        let mut model = Param::new(autograd::tensor![0.0f64]);
        let stop = losses.iter().enumerate().find_map(|(i, &loss)| {
            model.value_mut().make_mut()[0] = (i + 1) as f64;
            let epoch = Epoch { epoch: i + 1, loss, ..Epoch::default() };
            Some((i + 1, check.observe(&epoch, &model)?))
        });
        check.restore(&mut model);
        (stop, model.value().item())
    }

    fn patience(patience: usize) -> EarlyStopping {
        EarlyStopping { patience, ..EarlyStopping::default() }
    }

    #[test]
    fn stops_after_patience_and_restores_the_best() {
        let (stop, left) = run(Some(patience(2)), None, &[3.0, 1.0, 2.0, 1.5, 0.1]);
        let reason = Stop::NoImprovement { monitor: Monitor::ValidationLoss, best: 2 };
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
        let (epoch, Stop::Converged { change }) = stop.unwrap() else { panic!("{stop:?}") };
        assert!(epoch == 3 && (change - 0.005).abs() < 1e-12 && left == 3.0);
    }

    #[test]
    fn without_checks_nothing_stops() {
        assert_eq!(run(None, None, &[1.0, 1.0, 1.0, 1.0]), (None, 4.0));
    }
}
