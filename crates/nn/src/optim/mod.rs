//! Optimizers: rules that move parameters along their gradients.

use crate::{Param, Parameters, Path};
use autograd::{Float, Gradients, Tape, Tensor};

/// A rule that turns gradients into new parameters.
pub trait Optimizer<T: Float>: Send {
    /// Changes every trainable parameter of the model that has a gradient, in place.
    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>);
    /// The step size in use.
    fn learning_rate(&self) -> f64;
    /// Another step size, from the next step on: what a schedule sets.
    fn set_learning_rate(&mut self, rate: f64);
}

/// The gradients of a model's parameters: one place per parameter and buffer, in the order of
/// [`Parameters::visit`], empty where there is no gradient. Reused from step to step.
#[derive(Debug, Clone, Default)]
pub struct ParamGradients<T: Float> {
    places: Vec<Option<Tensor<T>>>,
    path: Path,
}

impl<T: Float> ParamGradients<T> {
    /// None yet.
    pub fn new() -> Self {
        ParamGradients { places: Vec::new(), path: Path::default() }
    }

    /// Takes the gradients of the model's parameters out of a sweep over the tape they were used on.
    ///
    /// ```
    /// use autograd::{Rng, Tape};
    /// use nn::{Module, Pass, layer::Linear, optim::ParamGradients};
    /// let layer = Linear::<f64>::new(2, 1, &mut Rng::new(0));
    /// let tape = Tape::new();
    /// let y = layer.forward(tape.constant([[3.0, 4.0]]), &mut Pass::eval(&tape)).sum();
    /// let mut gradients = ParamGradients::new();
    /// gradients.collect(&layer, &tape, &mut y.backward());
    /// assert_eq!(gradients.iter().map(|g| g.to_vec()).collect::<Vec<_>>(), [vec![3.0, 4.0], vec![1.0]]);
    /// ```
    pub fn collect(&mut self, model: &(impl Parameters<T> + ?Sized), tape: &Tape<T>, gradients: &mut Gradients<T>) {
        self.places.clear();
        let places = &mut self.places;
        model.visit(&mut self.path, &mut |_, param| {
            places.push(if param.is_trainable() {
                tape.find(param.key()).and_then(|v| gradients.take(v))
            } else {
                None
            });
        });
    }

    /// The gradient in the place of the `i`-th parameter or buffer.
    pub fn get(&self, i: usize) -> Option<&Tensor<T>> {
        self.places.get(i)?.as_ref()
    }

    /// The gradients there are.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor<T>> {
        self.places.iter().flatten()
    }

    /// The gradients there are, to be clipped or scaled in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tensor<T>> {
        self.places.iter_mut().flatten()
    }
}

/// Calls `f(place, parameter, gradient)` for each parameter that has a gradient. What an optimizer's `step` is made of.
pub fn for_each_gradient<T: Float>(
    model: &mut dyn Parameters<T>,
    gradients: &ParamGradients<T>,
    path: &mut Path,
    mut f: impl FnMut(usize, &mut Param<T>, &Tensor<T>),
) {
    let mut place = 0;
    model.visit_mut(path, &mut |_, param| {
        if let Some(g) = gradients.get(place) {
            f(place, param, g);
        }
        place += 1;
    });
}
