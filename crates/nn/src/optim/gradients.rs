//! [`ParamGradients`]: the gradients of a model's parameters, from a backward pass to an optimizer.

use crate::{Param, Parameters, Path};
use autograd::{Float, Gradients, Tape, Tensor, update};

/// The gradients of a model's parameters: one entry per parameter and buffer, in the order of [`Parameters::visit`],
/// empty if there is no gradient. Reused from step to step.
///
/// ```
/// use autograd::tensor;
/// use nn::optim::ParamGradients;
/// let mut gradients = ParamGradients::from_iter([Some(tensor![3.0, 4.0]), None]);
/// gradients.scale(0.5);
/// assert_eq!((gradients.get(0), gradients.get(1)), (Some(&tensor![1.5, 2.0]), None));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ParamGradients<T: Float> {
    pub(super) places: Vec<Option<Tensor<T>>>,
    path: Path,
}

impl<T: Float> ParamGradients<T> {
    /// No gradients yet.
    pub fn new() -> Self {
        ParamGradients { places: Vec::new(), path: Path::default() }
    }

    /// Moves the gradients of the model's parameters out of the result of a backward pass over `tape`.
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

    /// Replaces the gradients, with one entry per parameter and buffer.
    pub(crate) fn replace(&mut self, places: impl IntoIterator<Item = Option<Tensor<T>>>) {
        self.places.clear();
        self.places.extend(places);
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The entry of the `i`-th parameter or buffer, which may be set or taken.
    pub(crate) fn place_mut(&mut self, i: usize) -> &mut Option<Tensor<T>> {
        if self.places.len() <= i {
            self.places.resize(i + 1, None);
        }
        &mut self.places[i]
    }

    /// Sets entries without a gradient to 0 where there is a shape for it.
    pub(crate) fn fill(&mut self, shapes: &[Option<Vec<usize>>]) {
        for (i, shape) in shapes.iter().enumerate() {
            if let Some(shape) = shape {
                self.place_mut(i).get_or_insert_with(|| Tensor::zeros(shape));
            }
        }
    }

    /// The gradient of the `i`-th parameter or buffer.
    pub fn get(&self, i: usize) -> Option<&Tensor<T>> {
        self.places.get(i)?.as_ref()
    }

    /// Iterates over the gradients that exist.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor<T>> {
        self.places.iter().flatten()
    }

    /// Iterates over the gradients that exist, to clip or scale them in place.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::optim::ParamGradients;
    /// let mut gradients = ParamGradients::from_iter([Some(tensor![2.0]), None]);
    /// gradients.iter_mut().for_each(|g| g.make_mut()[0] += 1.0);
    /// assert_eq!(gradients.get(0), Some(&tensor![3.0]));
    /// ```
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tensor<T>> {
        self.places.iter_mut().flatten()
    }

    /// Multiplies all gradients by a factor.
    pub fn scale(&mut self, factor: f64) {
        let factor = T::of(factor);
        self.iter_mut().for_each(|g| g.make_mut().iter_mut().for_each(|g| *g *= factor));
    }

    /// Adds a multiple of other gradients of the same model, entry by entry: `g ← g + factor · other`.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::optim::ParamGradients;
    /// let mut sum = ParamGradients::from_iter([Some(tensor![1.0]), None]);
    /// sum.add_scaled(0.5, &ParamGradients::from_iter([Some(tensor![4.0]), Some(tensor![2.0])]));
    /// assert_eq!((sum.get(0), sum.get(1)), (Some(&tensor![3.0]), Some(&tensor![1.0])));
    /// ```
    /// # Panics
    /// Panics if the shapes differ, as for a different model.
    #[track_caller]
    pub fn add_scaled(&mut self, factor: f64, other: &ParamGradients<T>) {
        let factor = T::of(factor);
        self.places.resize(self.places.len().max(other.places.len()), None);
        for (sum, g) in self.places.iter_mut().zip(&other.places) {
            if let Some(g) = g {
                let sum = sum.get_or_insert_with(|| Tensor::zeros(g.shape()));
                update(sum, [], g, |sum, [], g| *sum += factor * g);
            }
        }
    }
}

impl<T: Float> FromIterator<Option<Tensor<T>>> for ParamGradients<T> {
    /// Builds gradients from other sources, with one entry per parameter and buffer.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::optim::{Optimizer, ParamGradients, Sgd};
    /// let mut w = nn::Param::new(tensor![1.0, 2.0]);
    /// let gradients = ParamGradients::from_iter([Some(tensor![1.0, -1.0])]);
    /// Sgd::new(0.5).step(&mut w, &gradients);
    /// assert_eq!(w.value(), &tensor![0.5, 2.5]);
    /// ```
    fn from_iter<I: IntoIterator<Item = Option<Tensor<T>>>>(places: I) -> Self {
        ParamGradients { places: places.into_iter().collect(), path: Path::default() }
    }
}

/// Calls `f(index, parameter, gradient)` for each trainable parameter that has a gradient. A parameter that was frozen
/// after the backward pass has a gradient, but must not change.
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, Path, optim::{ParamGradients, for_each_gradient}};
/// let mut model = vec![Param::new(tensor![1.0]), Param::new(tensor![2.0])];
/// let gradients = ParamGradients::from_iter([None, Some(tensor![0.5])]);
/// for_each_gradient(&mut model, &gradients, &mut Path::default(), |place, param, g| {
///     assert_eq!(place, 1);
///     param.set(param.value() - g);
/// });
/// assert_eq!(model[1].value(), &tensor![1.5]);
/// ```
pub fn for_each_gradient<T: Float>(
    model: &mut dyn Parameters<T>,
    gradients: &ParamGradients<T>,
    path: &mut Path,
    mut f: impl FnMut(usize, &mut Param<T>, &Tensor<T>),
) {
    let mut place = 0;
    model.visit_mut(path, &mut |_, param| {
        if let Some(g) = gradients.get(place).filter(|_| param.is_trainable()) {
            f(place, param, g);
        }
        place += 1;
    });
}
