//! Layers applied in sequence.

use crate::summary::{grouped, table};
use crate::{Module, Param, Parameters, Pass, Path, parameter_count};
use autograd::{Float, Var};
use std::fmt::{self, Debug, Display, Formatter};

/// Layers applied in sequence, each to the output of the one before. Names are positions, as in PyTorch: `0.weight`.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Module, Pass, layer::{Activation, Linear, Sequential}};
/// let rng = &mut Rng::new(0);
/// let model = Sequential::<f32>::new().then(Linear::new(4, 8, rng)).then(Activation::Relu).then(Linear::new(8, 2, rng));
/// let tape = Tape::new();
/// let y = model.forward(tape.constant([[1.0f32, 2.0, 3.0, 4.0]]), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [1, 2]);
/// assert_eq!(nn::names(&model), ["0.weight", "0.bias", "2.weight", "2.bias"]);
/// assert_eq!(model.to_string(), "\
/// layer            parameters
/// 0  Linear(4, 8)          40
/// 1  Relu                   0
/// 2  Linear(8, 2)          18
/// total                    58");
/// ```
#[derive(Default)]
pub struct Sequential<T: Float> {
    layers: Vec<Box<dyn Module<T>>>,
}

impl<T: Float> Sequential<T> {
    /// A network without layers: the identity.
    pub fn new() -> Self {
        Sequential { layers: Vec::new() }
    }

    /// Appends a layer.
    pub fn then(mut self, layer: impl Module<T> + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The layers.
    ///
    /// ```
    /// use nn::{Module, layer::Mlp};
    /// let model = Mlp::new(&[64, 32, 10]).build::<f32>();
    /// let layers: Vec<String> = model.layers().iter().map(|layer| layer.describe()).collect();
    /// assert_eq!(layers, ["Linear(64, 32)", "Relu", "Linear(32, 10)"]);
    /// ```
    pub fn layers(&self) -> &[Box<dyn Module<T>>] {
        &self.layers
    }

    /// Folds each batch normalization into the convolution before it, on all levels, and returns how many there were. In
    /// eval mode, the network then computes the same up to rounding, in fewer passes over memory. It is meant for
    /// [prediction](crate::infer): folded layers can no longer be trained or saved in their original form, and a folded
    /// convolution requires the batch axis.
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// use nn::{Module, layer::{Activation, BatchNorm2d, Conv2d, Sequential}, train::predict};
    /// let rng = &mut Rng::new(0);
    /// let conv = Conv2d::<f64>::new(3, 8, 3, rng).without_bias();
    /// let mut model = Sequential::new().then(conv).then(BatchNorm2d::new(8)).then(Activation::Relu);
    /// let x = Tensor::randn(&[2, 3, 6, 6], rng);
    /// let before = predict(&model, &x, 2)?;
    /// assert_eq!((model.fold(), model.layers().len()), (1, 2));
    /// let apart = (predict(&model, &x, 2)? - before).abs().max().item();
    /// assert!(apart < 1e-12);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    pub fn fold(&mut self) -> usize {
        let mut folded = 0;
        for mut layer in std::mem::take(&mut self.layers) {
            folded += layer.fold();
            let map = layer.channel_map();
            if map.zip(self.layers.last_mut()).is_some_and(|(map, before)| before.absorb(&map)) {
                folded += 1;
            } else {
                self.layers.push(layer);
            }
        }
        folded
    }
}

impl<T: Float> Parameters<T> for Sequential<T> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        self.layers.visit(path, f);
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        self.layers.visit_mut(path, f);
    }
}

impl<T: Float> Module<T> for Sequential<T> {
    /// # Panics
    /// Panics if a layer panics, for example because it does not accept the output of the one before.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let mut x = x;
        for layer in &self.layers {
            x = pass.through(&**layer, x);
        }
        pass.hooked(self, x)
    }

    fn fold(&mut self) -> usize {
        Sequential::fold(self)
    }
}

/// A table of the layers with their numbers of trainable parameters, and the total. [`summary`](crate::summary) also
/// shows the shapes.
impl<T: Float> Display for Sequential<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let mut rows = vec![["layer".to_owned(), "parameters".to_owned()]];
        rows.extend(
            self.layers
                .iter()
                .enumerate()
                .map(|(i, layer)| [format!("{i}  {}", layer.describe()), grouped(parameter_count(&**layer))]),
        );
        rows.push(["total".to_owned(), grouped(parameter_count(self))]);
        f.write_str(&table(rows))
    }
}

/// The list of the layers' descriptions.
impl<T: Float> Debug for Sequential<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.debug_list().entries(self.layers.iter().map(|layer| layer.describe())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Activation, BatchNorm1d, Linear};
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, Tensor};

    #[test]
    fn derivatives_pass_through_all_layers() {
        let rng = &mut Rng::new(3);
        let mut model = Sequential::new()
            .then(Linear::new(3, 4, rng))
            .then(BatchNorm1d::new(4))
            .then(Activation::Tanh)
            .then(Linear::new(4, 2, rng));
        check_module(&mut model, &Tensor::randn(&[5, 3], rng));
    }

    #[test]
    fn names_follow_positions_through_all_levels() {
        let rng = &mut Rng::new(3);
        let inner = Sequential::new().then(Linear::<f64>::new(4, 3, rng)).then(Activation::Softmax { axis: -1 });
        let model = Sequential::new().then(Linear::new(2, 4, rng).without_bias()).then(inner);
        assert_eq!(crate::names(&model), ["0.weight", "1.0.weight", "1.0.bias"]);
        assert_eq!(format!("{model:?}"), r#"["Linear(2, 4)", "Sequential"]"#);
    }

    #[test]
    fn no_layer_is_the_identity() {
        let tape = Tape::<f64>::new();
        let x = tape.var(1.5);
        assert_eq!(Sequential::new().forward(x, &mut Pass::eval(&tape)).id(), x.id());
    }
}
