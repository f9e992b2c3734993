//! The tensors of a model: parameters, which training updates by their gradients, and buffers, which it updates by
//! other means (a batch norm's running statistics).

use autograd::{Float, IntoTensor, Tensor};
use std::sync::atomic::{AtomicU64, Ordering};

/// A tensor that belongs to a model. On a tape it is a single variable, however often it is used.
///
/// A clone is a separate parameter with the same values and a different key.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Param, Pass};
/// let w = Param::new(tensor![3.0]);
/// let tape = Tape::<f64>::new();
/// let pass = Pass::eval(&tape);
/// let y = pass.var(&w) * pass.var(&w); // one variable, used twice
/// assert_eq!(y.backward().wrt(pass.var(&w)), tensor![6.0]);
/// assert_ne!(w.clone().key(), w.key());
/// ```
#[doc(alias = "Parameter")]
#[derive(Debug)]
pub struct Param<T: Float> {
    value: Tensor<T>,
    key: u64,
    role: Role,
    frozen: bool,
    /// Whether it is an alias of another parameter of the model: see [`Tied`](crate::Tied).
    alias: bool,
    by_rows: bool,
}

/// The role of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Parameter,
    Buffer,
    Direction,
    Count,
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

impl<T: Float> Param<T> {
    /// A trainable parameter.
    ///
    /// ```
    /// use autograd::tensor;
    /// let w = nn::Param::new(tensor![1.0, 2.0]);
    /// assert!(w.is_trainable() && w.value() == &tensor![1.0, 2.0]);
    /// ```
    pub fn new(value: impl IntoTensor<T>) -> Self {
        Param::with_role(value.into_tensor(), Role::Parameter)
    }

    /// A buffer: saved with the model, but not trained.
    ///
    /// ```
    /// let mean = nn::Param::buffer(autograd::tensor![0.0]);
    /// assert!(mean.is_buffer() && !mean.is_trainable());
    /// ```
    #[doc(alias = "register_buffer")]
    pub fn buffer(value: impl IntoTensor<T>) -> Self {
        Param::with_role(value.into_tensor(), Role::Buffer)
    }

    /// A buffer that is a unit vector, as in [`SpectralNorm`](crate::layer::SpectralNorm). A mean of unit vectors is not one,
    /// so ranks that average their models all take the vector of the first rank.
    ///
    /// ```
    /// let u = nn::Param::direction(autograd::tensor![0.6, 0.8]);
    /// assert!(u.is_direction() && u.is_buffer());
    /// ```
    pub fn direction(value: impl IntoTensor<T>) -> Self {
        Param::with_role(value.into_tensor(), Role::Direction)
    }

    /// A buffer that counts, starting at 0. PyTorch's files store it as a 64-bit integer.
    ///
    /// ```
    /// let batches = nn::Param::<f32>::count();
    /// assert!(batches.is_count() && batches.is_buffer() && batches.value().item() == 0.0);
    /// ```
    pub fn count() -> Self {
        Param::with_role(Tensor::scalar(T::zero()), Role::Count)
    }

    fn with_role(value: Tensor<T>, role: Role) -> Self {
        Param {
            value,
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            role,
            frozen: false,
            alias: false,
            by_rows: false,
        }
    }

    /// The same parameter at another position in a model.
    pub(crate) fn to_alias(&self) -> Self {
        Param {
            value: self.value.clone(),
            key: self.key,
            role: self.role,
            frozen: self.frozen,
            alias: true,
            by_rows: self.by_rows,
        }
    }

    /// Whether it is an alias of another parameter.
    pub(crate) fn is_alias(&self) -> bool {
        self.alias
    }

    /// Whether two have the same role.
    pub(crate) fn plays_as(&self, other: &Self) -> bool {
        self.role == other.role
    }

    /// The values.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// Mutable access to the values.
    ///
    /// ```
    /// let mut w = nn::Param::new(autograd::tensor![1.0, 2.0]);
    /// w.value_mut().make_mut()[0] = 0.0;
    /// assert_eq!(w.value(), &autograd::tensor![0.0, 2.0]);
    /// ```
    pub fn value_mut(&mut self) -> &mut Tensor<T> {
        &mut self.value
    }

    /// Replaces the values with others of the same shape.
    ///
    /// ```
    /// let mut w = nn::Param::new(autograd::tensor![1.0, 2.0]);
    /// w.set(autograd::tensor![3.0, 4.0]);
    /// assert_eq!(w.value(), &autograd::tensor![3.0, 4.0]);
    /// ```
    /// # Panics
    /// Panics if the shape differs.
    #[track_caller]
    pub fn set(&mut self, value: Tensor<T>) {
        let (new, old) = (value.shape(), self.value.shape());
        assert!(new == old, "Param::set: the new values have shape {new:?}, but the parameter has shape {old:?}");
        self.value = value;
    }

    /// The key that identifies its variable on a tape.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Whether optimizers update it: true for a parameter that is not frozen.
    pub fn is_trainable(&self) -> bool {
        self.role == Role::Parameter && !self.frozen
    }

    /// Whether it is a buffer rather than a parameter (trainable or frozen).
    pub fn is_buffer(&self) -> bool {
        self.role != Role::Parameter
    }

    /// Whether it is a unit vector; see [`direction`](Param::direction).
    pub fn is_direction(&self) -> bool {
        self.role == Role::Direction
    }

    /// Whether it is a counter, with a whole number as its value; see [`count`](Param::count).
    pub fn is_count(&self) -> bool {
        self.role == Role::Count
    }

    /// Whether it is a table whose gradients have only the rows that were looked up.
    ///
    /// ```
    /// use nn::layer::Embedding;
    /// let words = Embedding::<f32>::new(100, 4, &mut autograd::Rng::new(0));
    /// assert!(!words.weight.is_by_rows() && words.sparse().weight.is_by_rows());
    /// ```
    pub fn is_by_rows(&self) -> bool {
        self.by_rows
    }

    /// Makes it a table whose gradients have only the rows that were looked up ([`Tape::keyed_table`]), or one whose
    /// gradients have all rows (`false`, the default). If the table is also used in any way other than looking up rows,
    /// gradients have all rows nonetheless.
    ///
    /// ```
    /// use autograd::{Tape, Tensor, tensor};
    /// use nn::{Param, Pass, optim::ParamGradients};
    /// let mut table = Param::new(Tensor::<f64>::zeros(&[1000, 2]));
    /// table.set_by_rows(true);
    /// let tape = Tape::new();
    /// let loss = Pass::eval(&tape).var(&table).take(0, &tensor![7_i64]).sum();
    /// let mut gradients = ParamGradients::new();
    /// gradients.collect(&table, &tape, &mut loss.backward());
    /// assert_eq!((gradients.rows(0).unwrap().index(), gradients.get(0)), ([7].as_slice(), Some(&tensor![[1.0, 1.0]])));
    /// ```
    /// [`Tape::keyed_table`]: autograd::Tape::keyed_table
    ///
    /// # Panics
    /// Panics if it has no axis.
    #[track_caller]
    pub fn set_by_rows(&mut self, by_rows: bool) {
        assert!(!by_rows || self.value.rank() > 0, "Param::set_by_rows: a table has rows, but this is a scalar");
        self.by_rows = by_rows;
    }

    /// Freezes a parameter (`false`) or makes it trainable again (`true`). A buffer remains a buffer.
    ///
    /// ```
    /// use nn::{Param, Parameters, Path, layer::BatchNorm1d};
    /// let mut layer = BatchNorm1d::<f32>::new(4);
    /// layer.visit_mut(&mut Path::default(), &mut |_, param| param.set_trainable(false));
    /// assert_eq!(nn::parameter_count(&layer), 0);
    /// layer.visit_mut(&mut Path::default(), &mut |_, param| param.set_trainable(true));
    /// assert_eq!(nn::parameter_count(&layer), 8);
    /// ```
    pub fn set_trainable(&mut self, trainable: bool) {
        self.frozen = !trainable;
    }
}

impl<T: Float> Clone for Param<T> {
    fn clone(&self) -> Self {
        Param { frozen: self.frozen, by_rows: self.by_rows, ..Param::with_role(self.value.clone(), self.role) }
    }
}
