//! [`Ema`]: a moving average of the parameters, often better than the parameters themselves.

use crate::io::{StateDict, StateError};
use crate::{Parameters, Path};
use autograd::{Float, Tensor, update};

/// The exponential moving average of a model's parameters: `a ← a + (1 - d) (θ - a)`, starting at the first `θ`. Frozen
/// parameters are averaged too, so that they may be trained later.
///
/// [`swap`](Ema::swap) exchanges the averages with the model's parameters; a second call restores them. Buffers
/// (running statistics) are not averaged. Source: Polyak and Juditsky, *Acceleration of stochastic approximation by
/// averaging* (1992), with decaying weights, as in PyTorch's `AveragedModel` with `get_ema_avg_fn`.
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
#[doc(alias = "AveragedModel")]
#[derive(Debug, Clone)]
pub struct Ema<T: Float> {
    decay: f64,
    /// One per parameter or buffer, in order; `None` for a buffer.
    averages: Vec<Option<Tensor<T>>>,
    path: Path,
}

impl<T: Float> Ema<T> {
    /// An empty average with this decay, such as 0.999.
    ///
    /// # Panics
    /// Panics if `decay` is not in `[0, 1)`.
    #[track_caller]
    pub fn new(decay: f64) -> Self {
        Ema {
            decay: super::fraction("Ema", "decay of the average", decay),
            averages: Vec::new(),
            path: Path::default(),
        }
    }

    /// Adds the current parameters to the average.
    pub fn update(&mut self, model: &(impl Parameters<T> + ?Sized)) {
        let Ema { decay, averages, path } = self;
        let (new, mut place) = (T::of(1.0 - *decay), 0);
        model.visit(path, &mut |_, param| {
            match averages.get_mut(place) {
                // A frozen parameter is its own average: both share their memory, and there is nothing to update.
                Some(Some(average)) if share_memory(average, param.value()) => {}
                Some(Some(average)) => update(average, [], param.value(), |a, [], p| *a += new * (p - *a)),
                Some(None) => {}
                None => averages.push((!param.is_buffer()).then(|| param.value().clone())),
            }
            place += 1;
        });
    }

    /// Exchanges the model's parameters and their averages. Does nothing before the first update.
    ///
    /// # Panics
    /// Panics if the model has different shapes.
    pub fn swap(&mut self, model: &mut (impl Parameters<T> + ?Sized)) {
        let mut averages = self.averages.iter_mut();
        model.visit_mut(&mut self.path, &mut |_, param| {
            if let Some(Some(average)) = averages.next() {
                let own = param.value().clone();
                param.set(std::mem::replace(average, own));
            }
        });
    }

    /// The averages under the names of their parameters.
    ///
    /// ```
    /// use nn::{layer::Linear, optim::Ema};
    /// let (model, mut ema) = (Linear::<f64>::new(2, 1, &mut autograd::Rng::new(0)), Ema::new(0.999));
    /// ema.update(&model);
    /// let mut other = Ema::new(0.999);
    /// other.load_state(&model, &ema.state(&model))?;
    /// # Ok::<(), nn::io::StateError>(())
    /// ```
    pub fn state(&self, model: &(impl Parameters<T> + ?Sized)) -> StateDict {
        let (mut state, mut averages) = (StateDict::new(), self.averages.iter());
        model.visit(&mut Path::default(), &mut |name, _| {
            if let Some(Some(average)) = averages.next() {
                state.insert(name, average.clone());
            }
        });
        state
    }

    /// Restores what [`state`](Ema::state) returned. The average of a frozen parameter may be missing, and is then its
    /// value.
    ///
    /// # Errors
    /// Returns an error if a trainable parameter has no average, or an average has another shape or belongs to no
    /// parameter. An empty state is one before the first update.
    pub fn load_state(&mut self, model: &(impl Parameters<T> + ?Sized), state: &StateDict) -> Result<(), StateError> {
        let (mut error, mut averages, mut used) = (StateError::default(), Vec::new(), 0);
        model.visit(&mut Path::default(), &mut |name, param| {
            let shape = param.value().shape();
            let average = state.get(name).filter(|_| !param.is_buffer());
            used += usize::from(average.is_some());
            averages.push(match average {
                Some(average) if average.shape() == shape => Some(average.to::<T>()),
                Some(average) => {
                    let why = format!("the parameter has shape {shape:?}, but its average has {:?}", average.shape());
                    error.unfit.push((name.to_owned(), why));
                    None
                }
                None => {
                    error.missing.extend(param.is_trainable().then(|| name.to_owned()));
                    (!param.is_buffer()).then(|| param.value().clone())
                }
            });
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

/// Whether two tensors of one shape are the same memory.
fn share_memory<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
    let starts = [a, b].map(|x| x.as_slice().map(<[T]>::as_ptr));
    starts[0].is_some() && starts[0] == starts[1]
}
