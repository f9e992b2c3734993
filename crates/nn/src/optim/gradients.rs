//! [`ParamGradients`]: the gradients of a model's parameters, from a backward pass to an optimizer.

use crate::{Param, Parameters, Path};
use autograd::{Float, Gradients, Rows, Slope, Tape, Tensor, update};

/// The gradients of a model's parameters: one entry per parameter and buffer, in the order of [`Parameters::visit`],
/// empty if there is no gradient. Reused from step to step.
///
/// The gradient of a table may have only the rows that were looked up ([`Param::set_by_rows`]): its tensor then consists of
/// these, and [`rows`](ParamGradients::rows) says which they are. All others are 0, so norms and scaling work without
/// change.
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
    /// The indices of gradients that have only some rows.
    tables: Vec<(usize, Rows)>,
    path: Path,
}

impl<T: Float> ParamGradients<T> {
    /// No gradients yet.
    pub fn new() -> Self {
        ParamGradients { places: Vec::new(), tables: Vec::new(), path: Path::default() }
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
        let ParamGradients { places, tables, path } = self;
        places.clear();
        tables.clear();
        model.visit(path, &mut |_, param| {
            let var = if param.is_trainable() { tape.find(param.key()) } else { None };
            let rows = var.and_then(|v| gradients.rows(v));
            tables.extend(rows.map(|rows| (places.len(), rows.clone())));
            places.push(var.and_then(|v| gradients.take(v)));
        });
    }

    /// Replaces the gradients, with one entry per parameter and buffer.
    pub(crate) fn replace(&mut self, places: impl IntoIterator<Item = Option<Tensor<T>>>) {
        self.places.clear();
        self.tables.clear();
        self.places.extend(places);
    }

    /// Adds the gradient of the next parameter, which has only these rows.
    pub(crate) fn push_rows(&mut self, (rows, values): (Rows, Tensor<T>)) {
        self.tables.push((self.places.len(), rows));
        self.places.push(Some(values));
    }

    /// Adds the gradient of the next parameter or buffer.
    pub(crate) fn push(&mut self, gradient: Option<Tensor<T>>) {
        self.places.push(gradient);
    }

    /// Moves the gradients selected by `keep` to others.
    pub(super) fn copy_to(&self, other: &mut ParamGradients<T>, keep: impl Fn(usize) -> bool) {
        other.replace(self.places.iter().enumerate().map(|(place, g)| g.clone().filter(|_| keep(place))));
        other.tables.extend(self.tables.iter().filter(|(place, _)| keep(*place)).cloned());
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

    /// All entries.
    pub(crate) fn places_mut(&mut self) -> impl Iterator<Item = &mut Option<Tensor<T>>> {
        self.places.iter_mut()
    }

    /// Sets the entry of the `i`-th parameter: all its rows, or only these.
    pub(crate) fn put(&mut self, i: usize, values: Tensor<T>, rows: Option<Rows>) {
        *self.place_mut(i) = Some(values);
        self.tables.retain(|(place, _)| *place != i);
        self.tables.extend(rows.map(|rows| (i, rows)));
    }

    /// Sets entries without a gradient to 0 where there is a shape for it.
    pub(crate) fn fill(&mut self, shapes: &[Option<Vec<usize>>]) {
        for (i, shape) in shapes.iter().enumerate() {
            if let Some(shape) = shape {
                self.place_mut(i).get_or_insert_with(|| Tensor::zeros(shape));
            }
        }
    }

    /// Which rows the gradient of the `i`-th parameter has; `None` if it has all.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, layer::Embedding, optim::ParamGradients};
    /// let words = Embedding::<f64>::new(1000, 4, &mut Rng::new(0)).sparse();
    /// let tape = Tape::new();
    /// let loss = words.lookup(&tensor![5_i64, 900, 5], &mut Pass::eval(&tape)).sum();
    /// let mut gradients = ParamGradients::new();
    /// gradients.collect(&words, &tape, &mut loss.backward());
    /// assert_eq!(gradients.rows(0).unwrap().index(), [5, 900]);
    /// ```
    pub fn rows(&self, i: usize) -> Option<&Rows> {
        self.tables.iter().find(|(place, _)| *place == i).map(|(_, rows)| rows)
    }

    /// The gradient of the `i`-th parameter, with zeros for the rows that it lacks.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::optim::ParamGradients;
    /// let gradients = ParamGradients::from_iter([Some(tensor![3.0])]);
    /// assert_eq!((gradients.dense(0), gradients.dense(1)), (Some(tensor![3.0]), None));
    /// ```
    pub fn dense(&self, i: usize) -> Option<Tensor<T>> {
        let values = self.get(i)?;
        Some(self.rows(i).map_or_else(|| values.clone(), |rows| rows.dense(values)))
    }

    /// The gradient of the `i`-th parameter as an update takes it.
    pub(super) fn slope(&self, i: usize) -> Option<Slope<'_, T>> {
        Some(Slope { values: self.get(i)?, rows: self.rows(i) })
    }

    /// Panics if a gradient has only some rows.
    #[track_caller]
    pub(super) fn refuse_rows(&self, who: &str) {
        let Some((place, rows)) = self.tables.first() else { return };
        panic!(
            "{who} needs all rows of a gradient, but that of parameter {place} (counted from 0) has {} of {}: use Sgd \
             without weight decay, Adagrad without weight decay, or SparseAdam; or do without Embedding::sparse",
            rows.len(),
            rows.of()
        );
    }

    /// The gradient of the `i`-th parameter or buffer; see [`rows`](ParamGradients::rows).
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
        for (i, g) in other.places.iter().enumerate() {
            let Some(g) = g else { continue };
            if self.rows(i).is_some() || other.rows(i).is_some() {
                self.add_table(i, factor, other);
                continue;
            }
            let sum = self.places[i].get_or_insert_with(|| Tensor::zeros(g.shape()));
            update(sum, [], g, |sum, [], g| *sum += factor * g);
        }
    }

    /// Adds a multiple of the gradient of a table. The sum has the rows of both, or all if one of them has.
    fn add_table(&mut self, i: usize, factor: T, other: &ParamGradients<T>) {
        let (sum, g) = (self.places[i].take(), other.get(i).expect("it is there") * factor);
        let rows = self.tables.iter().position(|(place, _)| *place == i).map(|at| self.tables.swap_remove(at).1);
        let (all, sum) = match (sum, rows, other.rows(i)) {
            (None, _, theirs) => (theirs.cloned(), g),
            (Some(sum), Some(own), Some(theirs)) => {
                let all = own.union(theirs);
                let sum = own.spread(&sum, &all) + theirs.spread(&g, &all);
                (Some(all), sum)
            }
            (Some(sum), Some(own), None) => (None, own.dense(&sum) + g),
            (Some(sum), None, theirs) => (None, sum + theirs.map_or_else(|| g.clone(), |theirs| theirs.dense(&g))),
        };
        self.tables.extend(all.map(|rows| (i, rows)));
        self.places[i] = Some(sum);
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
        ParamGradients { places: places.into_iter().collect(), tables: Vec::new(), path: Path::default() }
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
/// # Panics
/// Panics if a gradient has only [some rows](ParamGradients::rows).
#[track_caller]
pub fn for_each_gradient<T: Float>(
    model: &mut dyn Parameters<T>,
    gradients: &ParamGradients<T>,
    path: &mut Path,
    mut f: impl FnMut(usize, &mut Param<T>, &Tensor<T>),
) {
    gradients.refuse_rows("for_each_gradient");
    for_each_slope(model, gradients, path, |place, param, slope| f(place, param, slope.values));
}

/// [`for_each_gradient`], also for gradients that have only some rows.
pub(super) fn for_each_slope<T: Float>(
    model: &mut dyn Parameters<T>,
    gradients: &ParamGradients<T>,
    path: &mut Path,
    mut f: impl FnMut(usize, &mut Param<T>, Slope<'_, T>),
) {
    let mut place = 0;
    model.visit_mut(path, &mut |_, param| {
        if let Some(slope) = gradients.slope(place).filter(|_| param.is_trainable()) {
            f(place, param, slope);
        }
        place += 1;
    });
}
