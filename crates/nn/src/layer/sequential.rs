//! Layers one after the other.

use crate::{Module, Param, Parameters, Pass, Path};
use autograd::{Float, Var};
use std::fmt::{self, Display, Formatter};

/// Layers one after the other; each takes what the one before gave. Names are positions, as in PyTorch: `0.weight`.
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
/// println!("{model}"); // a table of the layers and their parameters
/// ```
#[derive(Default)]
pub struct Sequential<T: Float> {
    layers: Vec<Box<dyn Module<T>>>,
}

impl<T: Float> Sequential<T> {
    /// No layers: the identity.
    pub fn new() -> Self {
        Sequential { layers: Vec::new() }
    }

    /// With one more layer at the end.
    pub fn then(mut self, layer: impl Module<T> + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The layers.
    pub fn layers(&self) -> &[Box<dyn Module<T>>] {
        &self.layers
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
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let mut x = x;
        for layer in &self.layers {
            x = layer.forward(x, pass);
        }
        x
    }
}

/// A table: each layer with its number of trainable parameters, and their sum.
impl<T: Float> Display for Sequential<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "{:<4} {:<28} {:>12}", "", "layer", "parameters")?;
        for (i, layer) in self.layers.iter().enumerate() {
            writeln!(f, "{i:<4} {:<28} {:>12}", layer.describe(), crate::parameter_count(&**layer))?;
        }
        write!(f, "{:<4} {:<28} {:>12}", "", "total", crate::parameter_count(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Activation, BatchNorm1d, Linear};
    use crate::test_support::check_module;
    use autograd::{Rng, Tensor};

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
    fn the_table_counts_parameters() {
        let model = Sequential::<f32>::new().then(Linear::new(64, 32, &mut Rng::new(0))).then(Activation::Relu);
        let table = model.to_string();
        assert!(table.contains("Linear(64, 32)") && table.lines().last().unwrap().ends_with("2080"), "{table}");
    }
}
