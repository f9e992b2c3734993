//! [`Ema`]: an average of the parameters over the last steps, often better than the parameters themselves.

use crate::io::{StateDict, StateError};
use crate::{Parameters, Path};
use autograd::{Float, Tensor, update};

/// The exponential moving average of a model's trainable parameters: `a ← a + (1 - d) (θ - a)`, from the first value on.
///
/// [`swap`](Ema::swap) puts it into the model, and a second time takes it out again. Buffers (running statistics) are the
/// model's own. Source: Polyak and Juditsky, *Acceleration of stochastic approximation by averaging* (1992), with weights
/// that fade; PyTorch's `AveragedModel` with `get_ema_avg_fn`.
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::Ema};
/// let (mut w, mut ema) = (Param::new(tensor![1.0]), Ema::new(0.75));
/// ema.update(&w);
/// w.set(tensor![2.0]);
/// ema.update(&w);
/// ema.swap(&mut w);
/// assert_eq!(w.value(), &tensor![1.25]);
/// ema.swap(&mut w);
/// assert_eq!(w.value(), &tensor![2.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Ema<T: Float> {
    decay: f64,
    /// By place; empty for what is not trained.
    averages: Vec<Option<Tensor<T>>>,
    path: Path,
}

impl<T: Float> Ema<T> {
    /// No average yet, of which this part will be kept from step to step: 0.999, say.
    ///
    /// # Panics
    /// If it is not in `[0, 1)`.
    #[track_caller]
    pub fn new(decay: f64) -> Self {
        Ema { decay: super::fraction("decay of the average", decay), averages: Vec::new(), path: Path::default() }
    }

    /// Takes the parameters as they are into the average.
    pub fn update(&mut self, model: &(impl Parameters<T> + ?Sized)) {
        let Ema { decay, averages, path } = self;
        let (new, mut place) = (T::of(1.0 - *decay), 0);
        model.visit(path, &mut |_, param| {
            match averages.get_mut(place) {
                Some(Some(average)) => update(average, [], param.value(), |a, [], p| *a += new * (p - *a)),
                Some(None) => {}
                None => averages.push(param.is_trainable().then(|| param.value().clone())),
            }
            place += 1;
        });
    }

    /// Exchanges the model's parameters and their averages. Before the first update nothing happens.
    ///
    /// # Panics
    /// If it is another model.
    pub fn swap(&mut self, model: &mut (impl Parameters<T> + ?Sized)) {
        let mut averages = self.averages.iter_mut();
        model.visit_mut(&mut self.path, &mut |_, param| {
            if let Some(Some(average)) = averages.next() {
                let own = param.value().clone();
                param.set(std::mem::replace(average, own));
            }
        });
    }

    /// The averages by the names of their parameters.
    pub fn state(&self, model: &(impl Parameters<T> + ?Sized)) -> StateDict {
        let (mut state, mut averages) = (StateDict::new(), self.averages.iter());
        model.visit(&mut Path::default(), &mut |name, _| {
            if let Some(Some(average)) = averages.next() {
                state.insert(name, average.clone());
            }
        });
        state
    }

    /// Goes on from what [`state`](Ema::state) gave.
    ///
    /// # Errors
    /// If there is not one average of the right shape for each trainable parameter, or none at all.
    pub fn load_state(&mut self, model: &(impl Parameters<T> + ?Sized), state: &StateDict) -> Result<(), StateError> {
        let (mut error, mut averages, mut used) = (StateError::default(), Vec::new(), 0);
        model.visit(&mut Path::default(), &mut |name, param| {
            let shape = param.value().shape();
            let average = state.get(name).filter(|_| param.is_trainable());
            match average {
                Some(average) if average.shape() == shape => used += 1,
                Some(average) => {
                    used += 1;
                    let why = format!("the parameter has shape {shape:?} and its average {:?}", average.shape());
                    error.unfit.push((name.to_owned(), why));
                }
                None if param.is_trainable() => error.missing.push(name.to_owned()),
                None => {}
            }
            averages.push(average.map(|average| average.to::<T>()));
        });
        if state.is_empty() {
            self.averages.clear();
            return Ok(());
        }
        if used < state.len() {
            let known: Vec<String> = crate::names(model);
            error.unexpected = state.iter().map(|(name, _)| name.to_owned()).filter(|n| !known.contains(n)).collect();
        }
        if error != StateError::default() {
            return Err(error);
        }
        self.averages = averages;
        Ok(())
    }
}
