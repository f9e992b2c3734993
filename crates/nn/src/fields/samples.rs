//! [`Samples`]: the inputs and targets of a batch, as data.

use super::{Field, Fields};
use autograd::{Float, Tensor};

/// A batch of any number of inputs and targets. [`Batch`](crate::data::Batch) is one of a single input and a single target.
///
/// ```
/// use autograd::tensor;
/// use nn::data::{Fields, Samples};
/// let inputs = Fields::new().with("user", tensor![0_i64, 3]).with("item", tensor![7_i64, 2]);
/// let samples = Samples::<f32>::new(inputs, Fields::new().with("rating", tensor![5.0f32, 2.0]));
/// assert_eq!((samples.len(), samples.is_empty(), samples.targets.names().next()), (2, false, Some("rating")));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Samples<T: Float> {
    /// The inputs of the model.
    pub inputs: Fields<T>,
    /// The values that its outputs are compared with; may be empty.
    pub targets: Fields<T>,
    /// The weight of each sample in the loss, `[samples]`, if they have weights.
    pub weights: Option<Tensor<T>>,
}

impl<T: Float> Samples<T> {
    /// Samples without weights.
    pub fn new(inputs: impl Into<Fields<T>>, targets: impl Into<Fields<T>>) -> Self {
        Samples { inputs: inputs.into(), targets: targets.into(), weights: None }
    }

    /// Samples without targets, for a loss that needs none.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::data::{Fields, Samples};
    /// let images = Samples::<f32>::unlabeled(Fields::new().with("image", tensor![[0.5f32, 1.0]]));
    /// assert_eq!((images.len(), images.targets.is_empty()), (1, true));
    /// ```
    pub fn unlabeled(inputs: impl Into<Fields<T>>) -> Self {
        Samples::new(inputs, Fields::new())
    }

    /// Number of samples: the size of the first axis of the first target, or of the first input if there is no target.
    pub fn len(&self) -> usize {
        let first = self.targets.get(0).or(self.inputs.get(0));
        first.map_or(0, |field| field.shape().first().copied().unwrap_or(1))
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy that shares no memory.
    pub(crate) fn deep_copy(&self) -> Self {
        Samples {
            inputs: self.inputs.map(Field::deep_copy),
            targets: self.targets.map(Field::deep_copy),
            weights: self.weights.as_ref().map(Tensor::deep_copy),
        }
    }

    /// The field at this place, inputs first.
    pub(crate) fn field(&self, place: usize) -> &Field<T> {
        let inputs = &self.inputs.list.0;
        match place < inputs.len() {
            true => &inputs[place].1,
            false => &self.targets.list.0[place - inputs.len()].1,
        }
    }

    /// All tensors with their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Field<T>)> {
        self.inputs.iter().chain(self.targets.iter())
    }
}

impl<T: Float> From<&Samples<T>> for Samples<T> {
    fn from(samples: &Samples<T>) -> Self {
        samples.clone()
    }
}
