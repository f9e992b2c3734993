//! [`Tied`]: layers that share parameters.

use crate::{Model, Param, Parameters, Pass, Path, Vars};
use autograd::{Error, Float, Result, Tensor};
use std::ops::Deref;

/// A model in which several layers share one parameter (weight tying), like assigning a parameter to a second layer in
/// PyTorch. It is one variable on a tape, whose gradient is the sum over all its places. It is saved, counted and updated
/// once, under the first of its names; the other names do not exist.
///
/// ```
/// use autograd::{Result, Rng};
/// use nn::{Model, Module, Pass, Tied, Vars, layer::{Embedding, Gru, Linear}, parameters};
/// /// Scores of the next word.
/// struct Reader { words: Embedding<f32>, gru: Gru<f32>, next: Linear<f32> }
/// parameters! { impl Parameters<f32> for Reader { words, gru, next } }
/// impl Model<f32> for Reader {
///     fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> Result<Vars<'t, f32>> {
///         let words = self.words.lookup(inputs.integers("words")?, pass);
///         let (states, _) = self.gru.run(words, None, None, pass);
///         Ok(self.next.forward(states, pass).into())
///     }
/// }
/// let rng = &mut Rng::new(0);
/// let reader = Reader { words: Embedding::new(50, 8, rng), gru: Gru::new(8, 8, rng), next: Linear::new(8, 50, rng) };
/// // The vector of a word is also the weight of its score.
/// let model = Tied::new(reader, &[["words.weight", "next.weight"]])?;
/// assert_eq!(model.next.weight.value(), model.words.weight.value());
/// let names = nn::names(&model);
/// assert!(names.contains(&"words.weight".to_owned()) && !names.contains(&"next.weight".to_owned()));
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// `*model` gives read access to the model inside. A custom layer that uses the same matrix twice does not need this:
/// [`Pass::var`] of one [`Param`] can be called any number of times.
#[derive(Debug)]
pub struct Tied<T: Float, M> {
    model: M,
    /// Positions in the order of the model that share the parameter of an earlier position, and that position.
    aliases: Vec<(usize, usize)>,
    /// The parameters at those earlier places, during a walk only.
    owners: Vec<(usize, Param<T>)>,
}

impl<T: Float, M: Parameters<T>> Tied<T, M> {
    /// Makes the parameters with the names of each group one. The first of them in the order of the model has the name, the
    /// value and the place in an optimizer.
    ///
    /// # Errors
    /// Returns an error if there is no such parameter, a name occurs twice, or the parameters of a group have different
    /// shapes, or are trained in some places and buffers or counters in others.
    pub fn new<G: AsRef<[N]>, N: AsRef<str>>(model: M, groups: &[G]) -> Result<Self> {
        let groups: Vec<Vec<&str>> =
            groups.iter().map(|group| group.as_ref().iter().map(N::as_ref).collect()).collect();
        let aliases = places(&model, &groups)?;
        Ok(Tied { model, aliases, owners: Vec::new() }.tied())
    }

    /// The same model, after all aliases have been set.
    fn tied(mut self) -> Self {
        self.visit_mut(&mut Path::default(), &mut |_, _| {});
        self
    }
}

/// The places of the parameters of each group except its first one, in order, each with the place of the first.
fn places<T: Float>(model: &dyn Parameters<T>, groups: &[Vec<&str>]) -> Result<Vec<(usize, usize)>> {
    let (mut names, mut owners, mut aliases, mut wrong) = (Vec::new(), vec![None; groups.len()], Vec::new(), None);
    model.visit(&mut Path::default(), &mut |name, param| {
        let place = names.len();
        names.push(name.to_owned());
        for (_, owner) in groups.iter().zip(&mut owners).filter(|(group, _)| group.contains(&name)) {
            let (first, owner) = owner.get_or_insert_with(|| (place, param.to_alias()));
            if owner.value().shape() != param.value().shape() || !owner.plays_as(param) {
                let [a, b] = [&*owner, param].map(|param| param.value().shape());
                wrong = Some(format!("{} {a:?} and {name} {b:?} are not of the same shape and kind", names[*first]));
            }
            if *first != place {
                aliases.push((place, *first));
            }
        }
    });
    let all: Vec<&str> = groups.iter().flatten().copied().collect();
    if let Some(unknown) = all.iter().find(|name| !names.iter().any(|known| known == *name)) {
        wrong = Some(format!("there is no parameter {unknown}; there are {}", names.join(", ")));
    } else if let Some((_, twice)) = all.iter().enumerate().find(|(i, name)| all[..*i].contains(name)) {
        wrong = Some(format!("{twice} occurs twice"));
    }
    wrong.map_or(Ok(aliases), |hint| Err(Error::Argument { op: "Tied", hint }))
}

/// Aliases are not separate parameters.
impl<T: Float, M: Parameters<T>> Parameters<T> for Tied<T, M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        let (mut place, mut aliases) = (0, self.aliases.iter().peekable());
        self.model.visit(path, &mut |name, param| {
            if aliases.next_if(|(alias, _)| *alias == place).is_none() {
                f(name, param);
            }
            place += 1;
        });
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        // Aliases release their values first, so that `f` can change the only copy in place.
        self.walk(path, &mut |_, param, owner| {
            if owner.is_some() {
                *param.value_mut() = Tensor::scalar(T::zero());
            }
        });
        self.walk(path, &mut |name, param, owner| match owner {
            Some(owner) => *param = owner.to_alias(),
            None => f(name, param),
        });
    }
}

/// Called with the name of a position, its parameter, and for an alias the shared parameter.
type Visitor<'f, T> = &'f mut dyn FnMut(&str, &mut Param<T>, Option<&Param<T>>);

impl<T: Float, M: Parameters<T>> Tied<T, M> {
    /// Calls `f` with each place of the model.
    fn walk(&mut self, path: &mut Path, f: Visitor<'_, T>) {
        let (aliases, owners, mut place) = (&self.aliases, &mut self.owners, 0);
        self.model.visit_mut(path, &mut |name, param| {
            let owner = aliases.iter().find_map(|&(alias, owner)| (alias == place).then_some(owner));
            f(name, param, owner.and_then(|owner| owners.iter().find(|(at, _)| *at == owner)).map(|(_, owner)| owner));
            if aliases.iter().any(|&(_, owner)| owner == place) {
                owners.push((place, param.to_alias()));
            }
            place += 1;
        });
        owners.clear();
    }
}

/// A clone has its own parameters, tied in the same way.
impl<T: Float, M: Parameters<T> + Clone> Clone for Tied<T, M> {
    fn clone(&self) -> Self {
        Tied { model: self.model.clone(), aliases: self.aliases.clone(), owners: Vec::new() }.tied()
    }
}

impl<T: Float, M> Deref for Tied<T, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

// For each type of numbers: for all of them at once, it would overlap with the implementation for modules.
macro_rules! models { ($($T:ty)+) => { $(
    impl<M: Model<$T>> Model<$T> for Tied<$T, M> {
        fn call<'t>(&self, inputs: &Vars<'t, $T>, pass: &mut Pass<'t, $T>) -> Result<Vars<'t, $T>> {
            self.model.call(inputs, pass)
        }
    }
)+ } }

models! { f32 f64 }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{BatchNorm1d, Linear, Sequential};
    use crate::optim::{Adam, Optimizer, ParamGradients, Sgd};
    use crate::{Module, state_dict};
    use autograd::{Rng, Tape, tensor};

    /// x W₀ᵀ W₁ᵀ W₂ᵀ, where all but W₁ are the same.
    fn model(seed: u64) -> Tied<f64, Sequential<f64>> {
        let rng = &mut Rng::new(seed);
        let layer = |rng: &mut _| Linear::new(2, 2, rng).without_bias();
        let inner = Sequential::new().then(layer(rng)).then(layer(rng));
        let model = Sequential::new().then(layer(rng)).then(inner).then(Linear::new(2, 2, rng));
        Tied::new(model, &[["2.weight", "0.weight", "1.1.weight"]]).unwrap()
    }

    /// The parameters of all layers, tied or not.
    fn everywhere(model: &Tied<f64, Sequential<f64>>) -> Vec<(u64, Tensor<f64>)> {
        let mut all = Vec::new();
        model.model.visit(&mut Path::default(), &mut |_, param| all.push((param.key(), param.value().clone())));
        all
    }

    #[track_caller]
    fn is_tied(model: &Tied<f64, Sequential<f64>>) {
        let all = everywhere(model);
        assert!(all[0] == all[2] && all[0] == all[3] && all[0].0 != all[1].0);
    }

    fn gradients(model: &Tied<f64, Sequential<f64>>) -> ParamGradients<f64> {
        let tape = Tape::new();
        let x = tape.constant([[1.0, -2.0], [0.5, 3.0]]);
        let loss = model.forward(x, &mut Pass::eval(&tape)).square().sum();
        let mut gradients = ParamGradients::new();
        gradients.collect(model, &tape, &mut loss.backward());
        gradients
    }

    #[test]
    fn one_parameter_has_one_name_one_gradient_and_one_update() {
        let mut model = model(1);
        is_tied(&model);
        assert_eq!(crate::names(&model), ["0.weight", "1.0.weight", "2.bias"]);
        assert_eq!(crate::parameter_count(&model), 10);
        // The gradient is the sum of those of three parameters of the same values.
        let mut apart = Sequential::new();
        for (_, value) in everywhere(&model).into_iter().take(4) {
            apart = apart.then(Linear { weight: Param::new(value), bias: None });
        }
        let tape = Tape::new();
        let bias = everywhere(&model)[4].1.clone();
        let y = apart.forward(tape.constant([[1.0, -2.0], [0.5, 3.0]]), &mut Pass::eval(&tape)) + tape.constant(bias);
        let mut each = ParamGradients::new();
        each.collect(&apart, &tape, &mut y.square().sum().backward());
        let of = |at: usize| each.get(at).unwrap();
        let sum = of(0) + of(2) + of(3);
        let own = gradients(&model);
        let apart = (own.get(0).unwrap() - &sum).abs().max().item();
        assert!(apart < 1e-12 && own.iter().count() == 3, "{apart}");

        let before = everywhere(&model)[0].1.clone();
        Sgd::new(0.01).step(&mut model, &own);
        is_tied(&model);
        let moved = (everywhere(&model)[3].1.clone() - (before - own.get(0).unwrap() * 0.01)).abs().max().item();
        assert!(moved < 1e-15, "the update is made once: {moved}");
    }

    #[test]
    fn the_value_is_changed_in_place() {
        let (mut model, mut adam) = (model(1), Adam::new(0.01));
        let own = gradients(&model);
        adam.step(&mut model, &own);
        let place = |model: &Tied<f64, Sequential<f64>>| {
            let mut place = None;
            model.visit(&mut Path::default(), &mut |_, p| place = place.or(p.value().as_slice().map(<[f64]>::as_ptr)));
            place.unwrap()
        };
        let before = place(&model);
        adam.step(&mut model, &own);
        assert_eq!(place(&model), before);
        is_tied(&model);
    }

    #[test]
    fn what_is_saved_loads_and_what_is_cloned_or_frozen_stays_tied() {
        let (first, mut second) = (model(1), model(2));
        let dict = state_dict(&first);
        assert_eq!(dict.iter().count(), 3);
        crate::load_state_dict(&mut second, &dict).unwrap();
        is_tied(&second);
        assert_eq!(everywhere(&second)[3].1, everywhere(&first)[3].1);

        let inner = Tied::new(Linear::<f64>::new(2, 2, &mut Rng::new(0)), &[["bias"]]).unwrap();
        let mut copy = inner.clone();
        assert_ne!(copy.weight.key(), inner.weight.key());
        copy.visit_mut(&mut Path::default(), &mut |_, param| param.set_trainable(false));
        assert!(!copy.bias.as_ref().unwrap().is_trainable());

        second.visit_mut(&mut Path::default(), &mut |name, param| param.set_trainable(name != "0.weight"));
        let mut trainable = Vec::new();
        second.model.visit(&mut Path::default(), &mut |_, param| trainable.push(param.is_trainable()));
        assert_eq!(trainable, [false, true, false, false, true]);
        assert!(gradients(&second).get(0).is_none());
    }

    #[test]
    fn ties_within_ties_hold() {
        let rng = &mut Rng::new(5);
        let pair = |rng: &mut Rng| {
            let layers = vec![Linear::<f64>::new(2, 2, rng), Linear::new(2, 2, rng)];
            Tied::new(layers, &[["0.weight", "1.weight"]]).unwrap()
        };
        let mut model = Tied::new(vec![pair(rng), pair(rng)], &[["0.0.weight", "1.0.weight"]]).unwrap();
        assert_eq!(crate::names(&model), ["0.0.weight", "0.0.bias", "0.1.bias", "1.0.bias", "1.1.bias"]);
        for value in [tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[0.0, 2.0], [3.0, 5.0]]] {
            model.visit_mut(&mut Path::default(), &mut |name, param| {
                if name.ends_with("weight") {
                    param.set(value.clone());
                }
            });
            let of = |pair: usize, layer: usize| &model[pair][layer].weight;
            for (pair, layer) in [(0, 1), (1, 0), (1, 1)] {
                assert_eq!((of(pair, layer).value(), of(pair, layer).key()), (&value, of(0, 0).key()));
            }
        }
        assert_eq!(crate::names(&model.clone()).len(), 5);
    }

    #[test]
    fn hooks_and_summaries_know_the_places_of_tied_layers() {
        let (model, tape) = (model(1), Tape::new());
        let mut pass = Pass::eval(&tape).noting();
        pass.hook(&model, "2", |y| y * 0.0).unwrap();
        let x = tape.constant([[1.0, -2.0]]);
        assert_eq!(model.forward(x, &mut pass).value(), tensor![[0.0, 0.0]]);
        pass.hook(&model, "", |y| y + 3.0).unwrap();
        pass.hook(&*model, "", |y| y * 2.0).unwrap();
        assert_eq!(model.forward(x, &mut pass).value(), tensor![[6.0, 6.0]], "the whole model");
        let summary = crate::summary_of(&model, &crate::data::Fields::new().with("x", tensor![[1.0, 2.0]])).unwrap();
        let rows: Vec<(&str, usize)> = summary.layers.iter().map(|row| (row.name.as_str(), row.parameters)).collect();
        assert_eq!(rows, [("0", 4), ("1.0", 4), ("0", 0), ("2", 2)], "a layer that only has parameters of another");
        assert_eq!(summary.trainable, 10);
    }

    #[test]
    fn what_cannot_be_one_is_refused() {
        let model = || {
            let rng = &mut Rng::new(0);
            Sequential::<f64>::new().then(Linear::new(2, 2, rng)).then(BatchNorm1d::new(2)).then(Linear::new(2, 3, rng))
        };
        for (group, told) in [
            (["0.weight", "2.weight"], "0.weight [2, 2] and 2.weight [3, 2] are not of the same shape"),
            (["0.bias", "1.running_mean"], "0.bias [2] and 1.running_mean [2] are not of the same shape and kind"),
            (["0.bias", "3.bias"], "there is no parameter 3.bias; there are 0.weight, 0.bias, 1.weight"),
            (["0.bias", "0.bias"], "0.bias occurs twice"),
        ] {
            let error = Tied::new(model(), &[group]).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
