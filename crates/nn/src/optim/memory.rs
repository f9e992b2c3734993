//! [`Memory`]: what optimizers remember about parameters, kept alike for all of them, and its way out and in.

use super::{ParamGradients, for_each_gradient};
use crate::io::{AnyTensor, StateDict, StateError};
use crate::number::whole;
use crate::once;
use crate::{Parameters, Path};
use autograd::{Float, Tensor};
use smallvec::SmallVec;
use std::fmt::{self, Debug, Formatter};

/// What an optimizer remembers: for each parameter that has had a gradient, how often it has moved, and some tensors of its
/// shape under PyTorch's names. An optimizer of your own needs no more than this and a formula:
///
/// ```
/// use autograd::{Float, tensor, update};
/// use nn::optim::{Memory, Optimizer, ParamGradients, zeros};
/// use nn::{Param, Parameters, io::{StateDict, StateError}};
///
/// /// v ← v + |g|,  θ ← θ - γ g / v
/// struct Shy { rate: f64, memory: Memory<f64> }
///
/// impl Optimizer<f64> for Shy {
///     fn step(&mut self, model: &mut dyn Parameters<f64>, gradients: &ParamGradients<f64>) {
///         let rate = self.rate;
///         self.memory.for_each(model, gradients, zeros, |p, g, _step, [v]| {
///             update(p, [v], g, |p, [v], g| {
///                 *v += g.abs();
///                 *p -= rate * g / *v;
///             });
///         });
///     }
///     fn learning_rate(&self) -> f64 {
///         self.rate
///     }
///     fn set_learning_rate(&mut self, rate: f64) {
///         self.rate = rate;
///     }
///     fn state(&self, model: &dyn Parameters<f64>) -> StateDict {
///         self.memory.state(model)
///     }
///     fn load_state(&mut self, model: &dyn Parameters<f64>, state: &StateDict) -> Result<(), StateError> {
///         self.memory.load_state(model, state)
///     }
/// }
/// let (mut shy, mut w) = (Shy { rate: 0.5, memory: Memory::new(&["sum"]) }, Param::new(tensor![1.0]));
/// shy.step(&mut w, &ParamGradients::from_iter([Some(tensor![4.0])]));
/// assert_eq!(w.value(), &tensor![0.5]);
/// assert_eq!(shy.state(&w).get("sum").unwrap().to::<f64>(), tensor![4.0]);
/// ```
#[derive(Clone)]
pub struct Memory<T: Float> {
    names: &'static [&'static str],
    /// The one of them that is a single number, if there is one.
    scalar: Option<&'static str>,
    counted: bool,
    places: Vec<Option<Entry<T>>>,
    path: Path,
}

/// What is remembered of one parameter.
#[derive(Debug, Clone)]
struct Entry<T: Float> {
    /// Steps made.
    step: i32,
    tensors: SmallVec<[Tensor<T>; 3]>,
}

/// Its names alone: they are settings, and all else changes from step to step.
impl<T: Float> Debug for Memory<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.names).finish()
    }
}

/// The name under which the number of steps is kept.
const STEP: &str = "step";

impl<T: Float> Memory<T> {
    /// Nothing yet, of tensors that will have these names, beside the number of steps.
    pub fn new(names: &'static [&'static str]) -> Self {
        Memory { names, scalar: None, counted: true, places: Vec::new(), path: Path::default() }
    }

    /// The same, for a rule that does not ask how many steps there were: their number is not exported.
    pub fn uncounted(names: &'static [&'static str]) -> Self {
        Memory { counted: false, ..Self::new(names) }
    }

    /// The same, if what has this name is a single number rather than a tensor of the parameter's shape.
    pub fn with_scalar(self, name: &'static str) -> Self {
        Memory { scalar: Some(name), ..self }
    }

    /// Calls `f(parameter, gradient, step, tensors)` for each parameter that has a gradient, where `step` counts its steps
    /// from 1. `first` makes the tensors of a parameter, given its values, when it has its first gradient.
    ///
    /// # Panics
    /// If `N` is not the number of names.
    pub fn for_each<const N: usize>(
        &mut self,
        model: &mut dyn Parameters<T>,
        gradients: &ParamGradients<T>,
        first: impl Fn(&Tensor<T>) -> [Tensor<T>; N],
        mut f: impl FnMut(&mut Tensor<T>, &Tensor<T>, i32, &mut [Tensor<T>; N]),
    ) {
        let Memory { names, places, path, .. } = self;
        assert_eq!(N, names.len(), "Memory: a name for each tensor");
        for_each_gradient(model, gradients, path, |place, param, g| {
            if place >= places.len() {
                places.resize_with(place + 1, || None);
            }
            let new = || Entry { step: 0, tensors: first(param.value()).into_iter().collect() };
            let Entry { step, tensors } = places[place].get_or_insert_with(new);
            *step = step.saturating_add(1);
            let tensors = tensors.as_mut_slice().try_into().expect("as many as names");
            f(param.value_mut(), g, *step, tensors);
        });
    }

    /// Everything, as `0.weight.exp_avg` and `0.weight.step`: the parameter's name, and PyTorch's for what is remembered.
    pub fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        state(self, model)
    }

    /// Takes everything over from what [`state`](Memory::state) gave. Parameters of which nothing is said have had no
    /// gradient yet.
    ///
    /// # Errors
    /// If a parameter has a part only, a tensor another shape, or a name no parameter. Nothing is changed then.
    pub fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        load_state(self, model, state)
    }

    /// Names in a state that are none of this memory of this model.
    fn strangers(&self, model: &dyn Parameters<T>, state: &StateDict) -> Vec<String> {
        let mut known = std::collections::HashSet::new();
        model.visit(&mut Path::default(), &mut |param, _| {
            known.extend(self.names.iter().map(|name| key(param, name)));
            known.extend(self.counted.then(|| key(param, STEP)));
        });
        state.iter().map(|(name, _)| name.to_owned()).filter(|name| !known.contains(name)).collect()
    }
}

once! {
    fn load_state<T>(memory: &mut Memory<T>, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        let (mut error, mut places, mut used) = (StateError::default(), Vec::new(), 0);
        model.visit(&mut Path::default(), &mut |param, value| {
            let of = |name: &str| state.get(&key(param, name));
            let (step, tensors) = (of(STEP), memory.names.iter().map(|name| of(name)).collect::<Vec<_>>());
            let found = tensors.iter().flatten().count() + usize::from(memory.counted && step.is_some());
            if found == 0 {
                return places.push(None);
            }
            used += found;
            let mut take = |name: &str, tensor: Option<&AnyTensor>, shape: &[usize]| match tensor {
                Some(tensor) if tensor.shape() == shape => Some(tensor.clone()),
                Some(tensor) => {
                    let why = format!("the parameter asks for shape {shape:?} and the state has {:?}", tensor.shape());
                    error.unfit.push((key(param, name), why));
                    None
                }
                None => {
                    error.missing.push(key(param, name));
                    None
                }
            };
            // A rule that does not count knows only whether it has begun.
            let step = if memory.counted { take(STEP, step, &[]).map(|t| t.to::<f64>().item()) } else { Some(1.0) };
            let shape = |name| if memory.scalar == Some(name) { &[] } else { value.value().shape() };
            let named = memory.names.iter().zip(tensors);
            let tensors =
                named.filter_map(|(name, tensor)| Some(take(name, tensor, shape(*name))?.to::<T>())).collect();
            let count =
                step.map(|step| whole(step).and_then(|step| i32::try_from(step).ok()).filter(|step| *step >= 0));
            if count == Some(None) {
                error.unfit.push((key(param, STEP), format!("{} is no number of steps", step.unwrap_or(f64::NAN))));
            }
            places.push(count.flatten().map(|step| Entry { step, tensors }));
        });
        if used < state.len() {
            error.unexpected = memory.strangers(model, state);
        }
        if error != StateError::default() {
            return Err(error);
        }
        memory.places = places;
        Ok(())
    }
}

once! {
    fn state<T>(memory: &Memory<T>, model: &dyn Parameters<T>) -> StateDict {
        let (mut state, mut places) = (StateDict::new(), memory.places.iter());
        model.visit(&mut Path::default(), &mut |param, _| {
            let Some(Some(Entry { step, tensors })) = places.next() else { return };
            if memory.counted {
                state.insert(key(param, STEP), Tensor::scalar(i64::from(*step)));
            }
            for (name, tensor) in memory.names.iter().zip(tensors) {
                state.insert(key(param, name), tensor.clone());
            }
        });
        state
    }
}

/// The name of what is remembered of a parameter; a model that is one parameter has no name of its own.
fn key(param: &str, name: &str) -> String {
    if param.is_empty() { name.to_owned() } else { format!("{param}.{name}") }
}

/// The parameter's name in a name that [`Memory::state`] gave.
pub(super) fn parameter_of(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(param, _)| param)
}

/// Zeros of a parameter's shape: how most memories begin.
///
/// ```
/// use autograd::{Tensor, tensor};
/// let [m, v] = nn::optim::zeros(&tensor![1.0, 2.0]);
/// assert_eq!((m, v), (Tensor::zeros(&[2]), Tensor::zeros(&[2])));
/// ```
pub fn zeros<T: Float, const N: usize>(parameter: &Tensor<T>) -> [Tensor<T>; N] {
    std::array::from_fn(|_| Tensor::zeros(parameter.shape()))
}
