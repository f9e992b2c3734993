//! What a model remembers: parameters, which training changes by their gradients, and buffers, which it changes
//! otherwise (a batch norm's running statistics).

use autograd::{Float, Tensor};
use std::sync::atomic::{AtomicU64, Ordering};

/// A tensor that belongs to a model. On a tape it is one variable, however often it is used.
///
/// A clone is a parameter of its own: it has the same values and another identity.
#[derive(Debug)]
pub struct Param<T: Float> {
    value: Tensor<T>,
    key: u64,
    trainable: bool,
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

impl<T: Float> Param<T> {
    /// A parameter, to be trained.
    ///
    /// ```
    /// use autograd::tensor;
    /// let w = nn::Param::new(tensor![1.0, 2.0]);
    /// assert!(w.is_trainable() && w.value() == &tensor![1.0, 2.0]);
    /// ```
    pub fn new(value: impl Into<Tensor<T>>) -> Self {
        Param { value: value.into(), key: NEXT_KEY.fetch_add(1, Ordering::Relaxed), trainable: true }
    }

    /// A buffer: saved with the model, but not trained.
    pub fn buffer(value: impl Into<Tensor<T>>) -> Self {
        Param { trainable: false, ..Self::new(value) }
    }

    /// The values.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// The values, to be changed in place.
    pub fn value_mut(&mut self) -> &mut Tensor<T> {
        &mut self.value
    }

    /// Other values of the same shape.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn set(&mut self, value: Tensor<T>) {
        assert_eq!(value.shape(), self.value.shape(), "Param::set: a parameter keeps its shape");
        self.value = value;
    }

    /// Its identity: what its variable is found by on a tape.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Whether optimizers change it.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// Freezes it (`false`) or gives it back to the optimizers (`true`).
    pub fn set_trainable(&mut self, trainable: bool) {
        self.trainable = trainable;
    }
}

impl<T: Float> Clone for Param<T> {
    fn clone(&self) -> Self {
        Param { trainable: self.trainable, ..Param::new(self.value.clone()) }
    }
}
