//! [`ParamGroups`]: different optimizers for different parameters.

use super::memory::parameter_of;
use super::{Optimizer, ParamGradients};
use crate::domain::or_panic;
use crate::io::{StateDict, StateError};
use crate::{Parameters, Path};
use autograd::Float;

/// Several optimizers, each for the parameters with matching names. Like PyTorch's parameter groups, except that even
/// the update rule may differ.
///
/// A parameter belongs to the first group that matches its name, or else to the default. A schedule acts on the
/// learning rate of every group. Frozen parameters do not change; freezing them with
/// [`Param::set_trainable`](crate::Param::set_trainable) also saves the cost of their gradients. The first step panics
/// if a group matches no parameter, since its names must be wrong.
///
/// ```
/// use autograd::Rng;
/// use nn::{layer::Linear, optim::{AdamW, Optimizer, ParamGradients, ParamGroups, Sgd}};
///
/// let mut model = vec![Linear::<f64>::new(2, 3, &mut Rng::new(0)), Linear::new(3, 1, &mut Rng::new(1))];
/// let mut groups = ParamGroups::new(AdamW::new(1e-3))
///     .frozen("0.weight")
///     .group("*.bias", AdamW::new(1e-3).weight_decay(0.0))
///     .group(|name: &str| name.starts_with("1."), Sgd::new(0.1));
/// let before = model[0].weight.value().clone();
/// groups.step(&mut model, &ParamGradients::from_iter([None, None, None, None]));
/// assert_eq!(model[0].weight.value(), &before);
/// ```
pub struct ParamGroups<T: Float> {
    /// The default group is last.
    groups: Vec<Group<T>>,
    /// The group of each parameter, by index; set when the model is first used.
    places: Vec<usize>,
}

struct Group<T: Float> {
    /// A description of the names.
    whose: String,
    names: Box<dyn Fn(&str) -> bool + Send>,
    /// `None` for frozen parameters.
    optimizer: Option<Box<dyn Optimizer<T>>>,
    gradients: ParamGradients<T>,
}

/// Selects parameters by name: a pattern in which `*` matches any text, or a predicate.
///
/// ```
/// use nn::optim::Names;
/// assert!(Names::into_test("encoder.*.bias")("encoder.0.bias"));
/// assert!(!Names::into_test(|name: &str| name.len() < 5)("weight"));
/// ```
pub trait Names {
    /// A predicate that returns whether a name matches.
    fn into_test(self) -> Box<dyn Fn(&str) -> bool + Send>;

    /// A description of the names for [`Optimizer::describe`].
    ///
    /// ```
    /// use nn::optim::Names;
    /// assert_eq!(Names::describe(&"*.bias"), "\"*.bias\"");
    /// ```
    fn describe(&self) -> String {
        "a function".to_owned()
    }
}

impl Names for &str {
    fn into_test(self) -> Box<dyn Fn(&str) -> bool + Send> {
        let pattern = self.to_owned();
        Box::new(move |name| matches(&pattern, name))
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

impl<F: Fn(&str) -> bool + Send + 'static> Names for F {
    fn into_test(self) -> Box<dyn Fn(&str) -> bool + Send> {
        Box::new(self)
    }
}

/// Whether the name matches the pattern, where each `*` matches any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    // Taking the earliest match of each inner piece leaves the most room for the rest.
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

impl<T: Float> ParamGroups<T> {
    /// A single group with all parameters.
    pub fn new(default: impl Optimizer<T> + 'static) -> Self {
        ParamGroups { groups: Vec::new(), places: Vec::new() }.with(|_: &str| true, Some(Box::new(default)))
    }

    /// Adds a group: another optimizer for the parameters with these names.
    pub fn group(self, names: impl Names, optimizer: impl Optimizer<T> + 'static) -> Self {
        self.with(names, Some(Box::new(optimizer)))
    }

    /// Freezes the parameters with these names.
    pub fn frozen(self, names: impl Names) -> Self {
        self.with(names, None)
    }

    fn with(mut self, names: impl Names, optimizer: Option<Box<dyn Optimizer<T>>>) -> Self {
        let (whose, gradients) = (names.describe(), ParamGradients::new());
        let group = Group { whose, names: names.into_test(), optimizer, gradients };
        self.groups.insert(self.groups.len().saturating_sub(1), group);
        self
    }

    /// The index of the group that a parameter with this name belongs to.
    fn group_of(&self, name: &str) -> usize {
        self.groups.iter().position(|group| (group.names)(name)).expect("the last group matches every name")
    }

    /// The group of each parameter.
    fn places(&self, model: &dyn Parameters<T>) -> Vec<usize> {
        let mut places = Vec::new();
        model.visit(&mut Path::default(), &mut |name, _| places.push(self.group_of(name)));
        places
    }

    fn default(&self) -> &dyn Optimizer<T> {
        self.groups.last().and_then(|group| group.optimizer.as_deref()).expect("the default group is not frozen")
    }
}

impl<T: Float> Optimizer<T> for ParamGroups<T> {
    fn check(&self, model: &dyn Parameters<T>) -> Result<(), String> {
        let places = self.places(model);
        if let Some(empty) = (0..self.groups.len() - 1).find(|group| !places.contains(group)) {
            let names = crate::names(model).join(", ");
            let problem = "matches no parameter; the parameters are";
            return Err(format!("ParamGroups: group {empty} (counted from 0) {problem} {names}"));
        }
        self.groups.iter().filter_map(|group| group.optimizer.as_ref()).try_for_each(|own| own.check(model))
    }

    /// # Panics
    /// Panics in the first step if a group matches no parameter, and if one of the optimizers does.
    #[track_caller]
    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        if self.places.len() != gradients.places.len() {
            or_panic(self.check(&*model));
            self.places = self.places(&*model);
        }
        for (i, Group { optimizer, gradients: own, .. }) in self.groups.iter_mut().enumerate() {
            let Some(optimizer) = optimizer else { continue };
            gradients.copy_to(own, |place| self.places[place] == i);
            optimizer.step(model, own);
            // Drop the gradients, so that their owner can modify them in place.
            own.replace([]);
        }
    }

    /// The learning rate of the default group.
    fn learning_rate(&self) -> f64 {
        self.default().learning_rate()
    }

    /// Sets the learning rate of every group. A schedule uses [`for_each_rate`](Optimizer::for_each_rate) instead,
    /// which keeps the groups' rates separate.
    #[track_caller]
    fn set_learning_rate(&mut self, rate: f64) {
        self.groups.iter_mut().filter_map(|group| group.optimizer.as_mut()).for_each(|o| o.set_learning_rate(rate));
    }

    fn for_each_rate(&mut self, f: &mut dyn FnMut(&mut f64)) {
        self.groups.iter_mut().filter_map(|group| group.optimizer.as_mut()).for_each(|o| o.for_each_rate(f));
    }

    fn describe(&self) -> String {
        let rule = |group: &Group<T>| group.optimizer.as_ref().map_or("frozen".to_owned(), |o| o.describe());
        let (last, first) = self.groups.split_last().expect("there is a default group");
        let named = first.iter().map(|group| format!("{}: {}", group.whose, rule(group)));
        let all: Vec<String> = named.chain([format!("others: {}", rule(last))]).collect();
        format!("ParamGroups {{ {} }}", all.join(", "))
    }

    fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        let mut all = StateDict::new();
        for optimizer in self.groups.iter().filter_map(|group| group.optimizer.as_ref()) {
            for (name, tensor) in optimizer.state(model).iter() {
                all.insert(name, tensor.clone());
            }
        }
        all
    }

    fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        let mut parts = vec![StateDict::new(); self.groups.len()];
        for (name, tensor) in state.iter() {
            parts[self.group_of(parameter_of(name))].insert(name, tensor.clone());
        }
        let before: Vec<_> = self.groups.iter().map(|group| group.optimizer.as_ref().map(|o| o.state(model))).collect();
        let mut error = StateError::default();
        for (group, part) in self.groups.iter_mut().zip(parts) {
            match &mut group.optimizer {
                Some(optimizer) => {
                    let Err(more) = optimizer.load_state(model, &part) else { continue };
                    error.missing.extend(more.missing);
                    error.unexpected.extend(more.unexpected);
                    error.unfit.extend(more.unfit);
                }
                None => error.unexpected.extend(part.iter().map(|(name, _)| name.to_owned())),
            }
        }
        if error == StateError::default() {
            return Ok(());
        }
        // Groups that already loaded their part restore their previous state.
        for (group, before) in self.groups.iter_mut().zip(before) {
            if let (Some(optimizer), Some(before)) = (&mut group.optimizer, before) {
                drop(optimizer.load_state(model, &before));
            }
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let all = ["0.weight", "0.bias", "encoder.0.weight", "weight", ""];
        let matching = |pattern: &str| all.into_iter().filter(|name| matches(pattern, name)).collect::<Vec<_>>();
        assert_eq!(matching("*"), all);
        assert_eq!(matching("0.weight"), ["0.weight"]);
        assert_eq!(matching("*.weight"), ["0.weight", "encoder.0.weight"]);
        assert_eq!(matching("*weight"), ["0.weight", "encoder.0.weight", "weight"]);
        assert_eq!(matching("encoder.*"), ["encoder.0.weight"]);
        assert_eq!(matching("*0*t"), ["0.weight", "encoder.0.weight"]);
        assert_eq!(matching("0.*.weight"), [""; 0]);
        assert_eq!(matching("wei*ight"), [""; 0]);
        assert_eq!(matching(""), [""]);
    }
}
