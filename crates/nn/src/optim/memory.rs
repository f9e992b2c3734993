//! [`Memory`]: the state that optimizers keep per parameter, and its import and export.

use super::ParamGradients;
use super::gradients::for_each_slope;
use crate::io::{AnyTensor, StateDict, StateError};
use crate::number::whole;
use crate::once;
use crate::{Parameters, Path};
use autograd::{Float, Rows, Slope, Tensor};
use smallvec::SmallVec;
use std::fmt::{self, Debug, Formatter};

/// The state of an optimizer: for each parameter that has had a gradient, the number of its steps, and some tensors of
/// its shape under PyTorch's names.
///
/// Your own optimizer needs only this and a formula:
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
    /// The name that denotes a scalar, if there is one.
    scalar: Option<&'static str>,
    counted: bool,
    by_rows: ByRows,
    places: Vec<Option<Entry<T>>>,
    path: Path,
}

/// How a rule handles a gradient that has only some rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByRows {
    /// It does not support such gradients.
    Refused,
    /// It updates only these rows.
    These,
    /// It updates all rows that have had a gradient: the others would not change.
    AllSoFar,
}

/// The state of one parameter.
#[derive(Debug, Clone)]
struct Entry<T: Float> {
    /// Number of steps so far.
    step: i32,
    tensors: Tensors<T>,
    /// The rows that have had a gradient, if known.
    seen: Option<Rows>,
}

/// Shows only the names: they are settings, while everything else changes from step to step.
impl<T: Float> Debug for Memory<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.names).finish()
    }
}

type Tensors<T> = SmallVec<[Tensor<T>; 3]>;

/// An update of a parameter by its gradient, the number of its steps, and its tensors.
type Rule<'f, T> = dyn FnMut(&mut Tensor<T>, Slope<'_, T>, i32, &mut [Tensor<T>]) + 'f;

/// The name under which the number of steps is stored.
const STEP: &str = "step";

impl<T: Float> Memory<T> {
    /// An empty state for tensors with these names, in addition to the number of steps.
    pub fn new(names: &'static [&'static str]) -> Self {
        Memory {
            names,
            scalar: None,
            counted: true,
            by_rows: ByRows::Refused,
            places: Vec::new(),
            path: Path::default(),
        }
    }

    /// Like [`new`](Memory::new), for a rule that does not use the number of steps: it is not exported.
    ///
    /// ```
    /// use nn::{Param, optim::Memory};
    /// let memory = Memory::<f32>::uncounted(&["velocity"]);
    /// assert!(memory.state(&Param::new(1.0)).is_empty(), "no step yet");
    /// ```
    pub fn uncounted(names: &'static [&'static str]) -> Self {
        Memory { counted: false, ..Self::new(names) }
    }

    /// Marks the entry with this name as a scalar rather than a tensor of the parameter's shape.
    ///
    /// ```
    /// use nn::optim::Memory;
    /// let memory = Memory::<f32>::new(&["exp_avg", "mu_product"]).with_scalar("mu_product");
    /// # let _ = memory;
    /// ```
    pub fn with_scalar(self, name: &'static str) -> Self {
        Memory { scalar: Some(name), ..self }
    }

    /// Lets the rule take gradients that have only [some rows](ParamGradients::rows) of a table: it updates these rows of
    /// the parameter and of its tensors, and no others.
    ///
    /// ```
    /// use nn::optim::Memory;
    /// let memory = Memory::<f32>::new(&["sum"]).by_rows();
    /// # let _ = memory;
    /// ```
    pub fn by_rows(self) -> Self {
        Memory { by_rows: ByRows::These, ..self }
    }

    /// Like [`by_rows`](Memory::by_rows), for a rule that keeps moving rows once they have had a gradient. It updates
    /// all such rows.
    ///
    /// ```
    /// use nn::optim::Memory;
    /// let memory = Memory::<f32>::new(&["momentum_buffer"]).by_rows_so_far();
    /// # let _ = memory;
    /// ```
    pub fn by_rows_so_far(self) -> Self {
        Memory { by_rows: ByRows::AllSoFar, ..self }
    }

    /// Calls `f(parameter, gradient, step, tensors)` for each parameter that has a gradient, where `step` counts its
    /// steps from 1. `first` creates the tensors of a parameter from its values when it has its first gradient.
    ///
    /// # Panics
    /// Panics if `N` is not the number of names, or a gradient has only some rows, and the rule does not
    /// [take them](Memory::by_rows).
    #[track_caller]
    pub fn for_each<const N: usize>(
        &mut self,
        model: &mut dyn Parameters<T>,
        gradients: &ParamGradients<T>,
        first: impl Fn(&Tensor<T>) -> [Tensor<T>; N],
        mut f: impl FnMut(&mut Tensor<T>, Slope<'_, T>, i32, &mut [Tensor<T>; N]),
    ) {
        assert_eq!(N, self.names.len(), "Memory: expected one tensor per name");
        self.for_each_entry(model, gradients, &|p| first(p).into_iter().collect(), &mut |p, g, step, tensors| {
            f(p, g, step, tensors.try_into().expect("as many as names"));
        });
    }

    /// [`for_each`](Memory::for_each) without its types, so that it is compiled once for all rules.
    #[track_caller]
    fn for_each_entry(
        &mut self,
        model: &mut dyn Parameters<T>,
        gradients: &ParamGradients<T>,
        first: &dyn Fn(&Tensor<T>) -> Tensors<T>,
        f: &mut Rule<'_, T>,
    ) {
        let Memory { places, path, by_rows, .. } = self;
        if *by_rows == ByRows::Refused {
            gradients.refuse_rows("this optimizer");
        }
        for_each_slope(model, gradients, path, |place, param, slope| {
            if place >= places.len() {
                places.resize_with(place + 1, || None);
            }
            let entry = places[place].get_or_insert_with(|| Entry::new(first(param.value())));
            entry.step = entry.step.saturating_add(1);
            match (slope.rows, *by_rows) {
                (Some(rows), ByRows::AllSoFar) => {
                    let (values, all) = entry.so_far(slope.values, rows);
                    f(param.value_mut(), Slope { values: &values, rows: Some(&all) }, entry.step, &mut entry.tensors);
                    entry.seen = Some(all);
                }
                _ => {
                    entry.seen = None;
                    f(param.value_mut(), slope, entry.step, &mut entry.tensors);
                }
            }
        });
    }

    /// Exports the state under names such as `0.weight.exp_avg` and `0.weight.step`: the parameter's name, then
    /// PyTorch's name.
    pub fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        state(self, model)
    }

    /// Restores what [`state`](Memory::state) returned. Parameters without entries are treated as having had no
    /// gradient yet.
    ///
    /// # Errors
    /// Returns an error if a parameter has only some of its entries, a tensor has a different shape, or a name belongs
    /// to no parameter. The state is then unchanged.
    pub fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        load_state(self, model, state)
    }

    /// The names in a state that do not belong to this memory and model.
    fn strangers(&self, model: &dyn Parameters<T>, state: &StateDict) -> Vec<String> {
        let mut known = std::collections::HashSet::new();
        model.visit(&mut Path::default(), &mut |param, _| {
            known.extend(self.names.iter().map(|name| key(param, name)));
            known.extend(self.counted.then(|| key(param, STEP)));
        });
        state.iter().map(|(name, _)| name.to_owned()).filter(|name| !known.contains(name)).collect()
    }
}

impl<T: Float> Entry<T> {
    /// The state before the first step.
    fn new(tensors: Tensors<T>) -> Self {
        Entry { step: 0, tensors, seen: None }
    }

    /// Expands a gradient of some rows to all rows that have had a gradient so far: those where a tensor is not 0.
    fn so_far(&mut self, values: &Tensor<T>, rows: &Rows) -> (Tensor<T>, Rows) {
        let had = |tensors: &Tensors<T>| tensors.iter().map(Rows::nonzero).reduce(|a, b| a.union(&b));
        let seen = self.seen.take().or_else(|| if self.step > 1 { had(&self.tensors) } else { None });
        let all = seen.map_or_else(|| rows.clone(), |seen| seen.union(rows));
        (rows.spread(values, &all), all)
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
                    let why = format!("expected shape {shape:?}, but the state has {:?}", tensor.shape());
                    error.unfit.push((key(param, name), why));
                    None
                }
                None => {
                    error.missing.push(key(param, name));
                    None
                }
            };
            // A rule that does not count steps only needs to know whether it has started.
            let step = if memory.counted { take(STEP, step, &[]).map(|t| t.to::<f64>().item()) } else { Some(1.0) };
            let shape = |name| if memory.scalar == Some(name) { &[] } else { value.value().shape() };
            let named = memory.names.iter().zip(tensors);
            let tensors =
                named.filter_map(|(name, tensor)| Some(take(name, tensor, shape(*name))?.to::<T>())).collect();
            let count =
                step.map(|step| whole(step).and_then(|step| i32::try_from(step).ok()).filter(|step| *step >= 0));
            if count == Some(None) {
                error.unfit.push((key(param, STEP), format!("{} is not a number of steps", step.unwrap_or(f64::NAN))));
            }
            places.push(count.flatten().map(|step| Entry { step, tensors, seen: None }));
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
            let Some(Some(Entry { step, tensors, .. })) = places.next() else { return };
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

/// The name of an entry for a parameter. A model that is a single parameter has an empty name.
fn key(param: &str, name: &str) -> String {
    if param.is_empty() { name.to_owned() } else { format!("{param}.{name}") }
}

/// The parameter's name within a name from [`Memory::state`].
pub(super) fn parameter_of(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(param, _)| param)
}

/// Zeros of a parameter's shape: the usual initial state.
///
/// ```
/// use autograd::{Tensor, tensor};
/// let [m, v] = nn::optim::zeros(&tensor![1.0, 2.0]);
/// assert_eq!((m, v), (Tensor::zeros(&[2]), Tensor::zeros(&[2])));
/// ```
pub fn zeros<T: Float, const N: usize>(parameter: &Tensor<T>) -> [Tensor<T>; N] {
    std::array::from_fn(|_| Tensor::zeros(parameter.shape()))
}
