//! [`Masks`]: the keys that attention hides.

use autograd::{Float, Ints, Mask, Tensor, Var};

/// Which keys a query may not attend to. Masks are numbers added to the scores, on the tape: 0 leaves a key visible,
/// -inf hides it.
///
/// ```
/// use autograd::{Rng, Tape, Tensor, tensor};
/// use nn::{Pass, layer::{Masks, MultiheadAttention}};
/// let hidden: Tensor<bool> = tensor![[false, false, true]]; // the last of three keys, in a batch of one
/// let tape = Tape::<f64>::new();
/// let keys = tape.constant(hidden.map(|hidden| if hidden { f64::NEG_INFINITY } else { 0.0 }));
/// let layer = MultiheadAttention::new(4, 2, &mut Rng::new(0)).batch_first();
/// let x = tape.constant(Tensor::ones(&[1, 3, 4]));
/// let masks = Masks { keys: Some(keys), ..Masks::causal() };
/// let (_, weights) = layer.attend_with_weights([x, x, x], masks, &mut Pass::eval(&tape));
/// assert_eq!(weights.value().slice_axis(1, 0..1), tensor![[[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]]]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Masks<'t, T: Float> {
    /// For each query and key, `[queries, keys]`, or any shape that broadcasts to `[batch, heads, queries, keys]`.
    pub scores: Option<Var<'t, T>>,
    /// For each key, `[batch, keys]`: PyTorch's `key_padding_mask`.
    pub keys: Option<Var<'t, T>>,
    /// Whether a query attends only to keys up to its own position.
    pub causal: bool,
}

impl<T: Float> Default for Masks<'_, T> {
    fn default() -> Self {
        Masks { scores: None, keys: None, causal: false }
    }
}

impl<T: Float> Masks<'_, T> {
    /// Causal masks: a query attends only to keys up to its own position.
    pub fn causal() -> Self {
        Masks { causal: true, ..Masks::default() }
    }
}

impl<'t, T: Float> Masks<'t, T> {
    /// These masks, restricted to the keys where `visible`, `[batch, keys]`, is true: the negation of PyTorch's
    /// `key_padding_mask`.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::layer::Masks;
    /// let tape = Tape::<f64>::new();
    /// let masks = Masks::causal().visible(tape.mask(tensor![[true, false]]));
    /// assert_eq!(masks.keys.unwrap().value(), tensor![[0.0, f64::NEG_INFINITY]]);
    /// ```
    #[track_caller]
    pub fn visible(self, visible: Mask<'t, T>) -> Self {
        let [zero, hidden] = [T::zero(), -T::INFINITY].map(|c| visible.tape().constant(Tensor::scalar(c)));
        let keys = visible.choose(zero, hidden);
        Masks { keys: Some(self.keys.map_or(keys, |others| others + keys)), ..self }
    }

    /// These masks, restricted to the keys of each sequence before its length: `lengths` is `[batch]`, and there are
    /// `keys` keys.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::layer::Masks;
    /// let tape = Tape::<f64>::new();
    /// let masks = Masks::default().lengths(tape.integers(tensor![2_i64, 1]), 2);
    /// assert_eq!(masks.keys.unwrap().value(), tensor![[0.0, 0.0], [0.0, f64::NEG_INFINITY]]);
    /// ```
    #[track_caller]
    pub fn lengths(self, lengths: Ints<'t, T>, keys: usize) -> Self {
        let places = lengths.tape().constant(Tensor::arange(keys));
        self.visible(lengths.numbers().unsqueeze(1).is_gt(places))
    }
}
