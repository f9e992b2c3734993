//! Multi-head attention.

use super::{KeyValues, Linear, Masks, uniform};
use crate::domain::{or_panic, positive};
use crate::functional::{AttentionOptions, attention_weights, causal_mask, rotary};
use crate::init::Init;
use crate::{Module, Noise, Param, Pass, parameters};
use autograd::{Attention, Error, Float, Result, Rng, Tensor, Var};

/// Multi-head attention (Vaswani et al., 2017): each head projects queries, keys and values to its own part of the
/// width and mixes the values with weights [`softmax(q kᵀ / √d)`](crate::functional::scaled_dot_product_attention), and
/// a last projection mixes the heads. As a [`Module`] it is self-attention.
///
/// Inputs are `[length, batch, width]`, as in PyTorch, or `[batch, length, width]` with
/// [`batch_first`](MultiheadAttention::batch_first), or `[length, width]`. Names, layouts and initial weights match
/// PyTorch's.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::{Masks, MultiheadAttention}};
/// let layer = MultiheadAttention::<f32>::new(8, 2, &mut Rng::new(0)).batch_first();
/// assert_eq!(nn::names(&layer), ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]);
/// let tape = Tape::new();
/// let mut pass = Pass::eval(&tape);
/// let (x, memory) = (tape.constant(Tensor::ones(&[3, 5, 8])), tape.constant(Tensor::ones(&[3, 7, 8])));
/// let y = layer.attend([x, memory, memory], Masks::default(), &mut pass);
/// assert_eq!(y.shape().as_slice(), [3, 5, 8]);
/// let (_, weights) = layer.attend_with_weights([x, x, x], Masks::causal(), &mut pass);
/// assert_eq!(weights.shape().as_slice(), [3, 2, 5, 5]);
/// assert_eq!(weights.value().at(&[0, 1, 0, 4]), 0.0);
/// ```
#[derive(Debug, Clone)]
pub struct MultiheadAttention<T: Float> {
    /// `[3 · width, width]`: the projections of queries, keys and values, if all have the same width.
    pub in_proj_weight: Option<Param<T>>,
    /// `[width, width]`: the projection of queries, otherwise.
    pub q_proj_weight: Option<Param<T>>,
    /// `[width, width of keys]`: the projection of keys, otherwise.
    pub k_proj_weight: Option<Param<T>>,
    /// `[width, width of values]`: the projection of values, otherwise.
    pub v_proj_weight: Option<Param<T>>,
    /// `[3 · width]`, or none
    pub in_proj_bias: Option<Param<T>>,
    /// The projection that mixes the heads.
    pub out_proj: Linear<T>,
    heads: usize,
    dropout: f64,
    batch_first: bool,
    rotary: Option<f64>,
}

parameters! { impl[T: Float] Parameters<T> for MultiheadAttention<T> {
    in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, out_proj
} }

/// The name in errors.
const OP: &str = "multihead_attention";

impl<T: Float> MultiheadAttention<T> {
    /// A layer of the given width, divided among the heads, with biases.
    ///
    /// # Panics
    /// Panics if the width is not divisible by the number of heads.
    #[track_caller]
    pub fn new(width: usize, heads: usize, rng: &mut Rng) -> Self {
        let joint = Init::xavier_uniform(1.0).tensor(&[3 * width, width], rng);
        MultiheadAttention { in_proj_weight: Some(Param::new(joint)), ..Self::projected(width, heads, rng) }
    }

    /// Like [`new`](Self::new), but keys and values may have other widths than the queries. If all widths are equal, the layer
    /// is that of `new`, with the same parameters.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{Masks, MultiheadAttention}};
    /// let layer = MultiheadAttention::<f32>::of_widths(8, 3, 5, 2, &mut Rng::new(0)).batch_first().without_bias().dropout(0.1);
    /// let tape = Tape::new();
    /// let [q, k, v] = [[2, 4, 8], [2, 6, 3], [2, 6, 5]].map(|shape| tape.constant(Tensor::ones(&shape)));
    /// assert_eq!(layer.attend([q, k, v], Masks::default(), &mut Pass::eval(&tape)).shape().as_slice(), [2, 4, 8]);
    /// ```
    /// # Panics
    /// Panics if the width is not divisible by the number of heads.
    #[track_caller]
    pub fn of_widths(width: usize, keys: usize, values: usize, heads: usize, rng: &mut Rng) -> Self {
        // As in PyTorch, whose files have one matrix for the three projections then.
        if [keys, values] == [width; 2] {
            return Self::new(width, heads, rng);
        }
        let mut project = |from: usize| Some(Param::new(Init::xavier_uniform(1.0).tensor(&[width, from], rng)));
        let (q_proj_weight, k_proj_weight, v_proj_weight) = (project(width), project(keys), project(values));
        let rest = Self::projected(width, heads, rng);
        MultiheadAttention { q_proj_weight, k_proj_weight, v_proj_weight, ..rest }
    }

    /// A layer without the weights of the input projections.
    #[track_caller]
    fn projected(width: usize, heads: usize, rng: &mut Rng) -> Self {
        let divides = heads > 0 && width.is_multiple_of(heads);
        assert!(divides, "MultiheadAttention: width {width} is not divisible by {heads} heads");
        let zeros = |n: usize| Some(Param::new(Tensor::zeros(&[n])));
        MultiheadAttention {
            in_proj_weight: None,
            q_proj_weight: None,
            k_proj_weight: None,
            v_proj_weight: None,
            in_proj_bias: zeros(3 * width),
            out_proj: Linear { weight: uniform(&[width, width], width, rng), bias: zeros(width) },
            heads,
            dropout: 0.0,
            batch_first: false,
            rotary: None,
        }
    }

    /// The same layer without biases.
    pub fn without_bias(self) -> Self {
        MultiheadAttention { in_proj_bias: None, out_proj: self.out_proj.without_bias(), ..self }
    }

    /// The same layer with inputs and outputs `[batch, length, width]`.
    pub fn batch_first(self) -> Self {
        MultiheadAttention { batch_first: true, ..self }
    }

    /// Sets the probability of dropping attention weights in training.
    ///
    /// # Panics
    /// Panics if it is not in `[0, 1]`.
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        MultiheadAttention { dropout: super::dropout::probability(p), ..self }
    }

    /// Encodes positions by [rotating](rotary) queries and keys. A usual base is 10,000.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Module, Pass, layer::MultiheadAttention};
    /// let layer = MultiheadAttention::<f64>::new(8, 2, &mut Rng::new(0)).batch_first().rotary(10_000.0);
    /// let tape = Tape::new();
    /// let x = tape.constant(Tensor::ones(&[1, 3, 8]));
    /// assert_eq!(layer.forward(x, &mut Pass::eval(&tape)).shape().as_slice(), [1, 3, 8]);
    /// ```
    /// # Panics
    /// Panics if the base is not positive and finite, or the width of a head is odd.
    #[track_caller]
    pub fn rotary(self, base: f64) -> Self {
        or_panic(positive("MultiheadAttention", "the base of the rotary encoding", base));
        let part = self.out_proj.weight.value().shape()[0] / self.heads;
        assert!(
            part.is_multiple_of(2),
            "MultiheadAttention: a rotary encoding needs heads of an even width, not {part}"
        );
        MultiheadAttention { rotary: Some(base), ..self }
    }

    /// Attends from queries to keys and values. Returns the mixed values for each query.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible; [`try_attend`](Self::try_attend) returns the error.
    #[track_caller]
    pub fn attend<'t>(&self, qkv: [Var<'t, T>; 3], masks: Masks<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let result = self.attended(qkv, masks, None, pass, false);
        let (y, _) = pass.checked(self, result);
        pass.note(self, y)
    }

    /// Causal self-attention of new positions, which also attend to all previous ones: `before` holds the keys and values
    /// of these, and those of `x` are appended to it. The result equals that of the last positions of
    /// [`attend`](Self::attend) on the whole sequence, at the cost of the new ones only. `before` holds tensors, not
    /// variables: no derivative reaches it.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{KeyValues, Masks, MultiheadAttention}};
    /// let rng = &mut Rng::new(0);
    /// let (layer, tape) = (MultiheadAttention::<f64>::new(8, 2, rng).batch_first().rotary(10_000.0), Tape::new());
    /// let mut pass = Pass::eval(&tape);
    /// let x = tape.constant(Tensor::randn(&[1, 5, 8], rng));
    /// let whole = layer.attend([x, x, x], Masks::causal(), &mut pass).value();
    /// let mut before = KeyValues::new();
    /// for (from, to) in [(0, 3), (3, 4), (4, 5)] {
    ///     let y = layer.attend_after(x.slice(1, from..to), &mut before, &mut pass).value();
    ///     assert!((y - whole.slice_axis(1, from as usize..to as usize)).abs().max().item() < 1e-15);
    /// }
    /// assert_eq!(before.len(), 5);
    /// ```
    /// # Panics
    /// Panics if `x` does not have the layer's width, or its batch size differs from that of `before`.
    #[track_caller]
    pub fn attend_after<'t>(&self, x: Var<'t, T>, before: &mut KeyValues<T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let result = self.attended([x, x, x], Masks::causal(), Some(before), pass, false);
        let (y, _) = pass.checked(self, result);
        pass.note(self, y)
    }

    /// The keys and values of a memory, for [`attend_to`](Self::attend_to). They are tensors, not variables: no
    /// derivative reaches the memory.
    ///
    /// # Panics
    /// Panics if the memory does not have the layer's width.
    #[track_caller]
    pub fn keys_of<'t>(&self, memory: Var<'t, T>, pass: &Pass<'t, T>) -> KeyValues<T> {
        let both = [1, 2].map(|i| pass.checked(self, self.projection(memory, i, pass)));
        let keys = pass.checked(self, self.placed(both[0], 0));
        let mut kept = KeyValues::new();
        pass.checked(self, kept.joined([keys.value(), both[1].value()]));
        kept
    }

    /// Attends to a memory whose keys and values are known, like [`attend`](Self::attend) with the memory as keys and
    /// values. `from` is the position of the first query, which only a [rotary encoding](Self::rotary) reads.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{Masks, MultiheadAttention}};
    /// let rng = &mut Rng::new(0);
    /// let (layer, tape) = (MultiheadAttention::<f64>::new(8, 2, rng).batch_first(), Tape::new());
    /// let mut pass = Pass::eval(&tape);
    /// let [x, memory] = [2, 5].map(|length| tape.constant(Tensor::randn(&[1, length, 8], rng)));
    /// let kept = layer.keys_of(memory, &pass);
    /// let y = layer.attend_to(x, 0, &kept, Masks::default(), &mut pass);
    /// let whole = layer.attend([x, memory, memory], Masks::default(), &mut pass);
    /// assert!((y - whole).value().abs().max().item() < 1e-15);
    /// ```
    /// # Panics
    /// Panics if `x` does not have the layer's width, or its batch size differs from that of the memory.
    #[track_caller]
    pub fn attend_to<'t>(
        &self,
        x: Var<'t, T>,
        from: usize,
        memory: &KeyValues<T>,
        masks: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let nothing = || Error::Argument { op: OP, hint: "there is nothing to attend to: use keys_of first".into() };
        let [k, v] = pass.checked(self, memory.all().ok_or_else(nothing)).map(|all| pass.tape().constant(all));
        let q = pass.checked(self, self.projection(x, 0, pass).and_then(|q| self.placed(q, from)));
        let mixed = self.mixed([q, k, v], x.rank() == 2, masks, pass, false);
        let (y, _) = pass.checked(self, mixed);
        pass.note(self, y)
    }

    /// Like [`attend`](Self::attend), but also returns the attention weights, `[batch, heads, queries, keys]`, before
    /// dropout.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible; [`try_attend`](Self::try_attend) returns the error.
    #[track_caller]
    pub fn attend_with_weights<'t>(
        &self,
        qkv: [Var<'t, T>; 3],
        masks: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> (Var<'t, T>, Var<'t, T>) {
        let result = self.try_attend(qkv, masks, pass);
        let (y, weights) = pass.checked(self, result);
        (pass.note(self, y), weights)
    }

    /// Like [`attend_with_weights`](Self::attend_with_weights), but returns an error if the shapes are incompatible.
    ///
    /// # Errors
    /// Returns an error if queries, keys and values do not have the layer's widths or the same batch, or a mask does
    /// not broadcast to the scores.
    #[track_caller]
    pub fn try_attend<'t>(
        &self,
        qkv: [Var<'t, T>; 3],
        masks: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Result<(Var<'t, T>, Var<'t, T>)> {
        let (y, weights) = self.attended(qkv, masks, None, pass, true)?;
        Ok((y, weights.expect("the weights were asked for")))
    }

    /// The mixed values, and the weights if requested. Otherwise the weights are stored only for dropout.
    #[track_caller]
    #[allow(clippy::type_complexity, reason = "a value and perhaps another")]
    fn attended<'t>(
        &self,
        qkv: [Var<'t, T>; 3],
        mut masks: Masks<'t, T>,
        before: Option<&mut KeyValues<T>>,
        pass: &mut Pass<'t, T>,
        wants_weights: bool,
    ) -> Result<(Var<'t, T>, Option<Var<'t, T>>)> {
        let single = qkv[0].rank() == 2;
        let [q, mut k, mut v] = self.heads_of(qkv, pass)?;
        let from = before.as_ref().map_or(0, |before| before.len());
        let q = self.placed(q, from)?;
        k = self.placed(k, from)?;
        if let Some(before) = before {
            [k, v] = before.joined([k.value(), v.value()])?.map(|all| pass.tape().constant(all));
            if from > 0 {
                // The first query is at the position `from`, and a single one sees all keys.
                masks.causal = false;
                let queries = q.shape()[2];
                masks.scores = (queries > 1).then(|| pass.tape().constant(causal_mask(from, queries, from + queries)));
            }
        }
        self.mixed([q, k, v], single, masks, pass, wants_weights)
    }

    /// The mixed values of queries, keys and values of each head, and the weights if requested.
    #[track_caller]
    #[allow(clippy::type_complexity, reason = "a value and perhaps another")]
    fn mixed<'t>(
        &self,
        [q, k, v]: [Var<'t, T>; 3],
        single: bool,
        masks: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
        wants_weights: bool,
    ) -> Result<(Var<'t, T>, Option<Var<'t, T>>)> {
        let keys = match masks.keys {
            Some(keys) => Some(keys.try_reshape(&[if single { 1 } else { k.shape()[0] }, 1, 1, k.shape()[2]])?),
            None => None,
        };
        let (mask, causal) = (both(masks.scores, keys)?, masks.causal);
        let drops = pass.is_training() && self.dropout > 0.0;
        let (found, weights) = if wants_weights || drops {
            // If there is an explicit mask, fold the causal mask into it.
            let later =
                (causal && mask.is_some()).then(|| pass.tape().constant(causal_mask(0, q.shape()[2], k.shape()[2])));
            let options = AttentionOptions { mask: both(mask, later)?, causal: causal && later.is_none(), scale: None };
            let weights = attention_weights(q, k, options)?;
            let noise = drops.then(|| pass.noise(&weights.shape(), Noise::Dropout { p: self.dropout }));
            (noise.map_or(weights, |noise| weights * noise).try_matmul(v)?, Some(weights))
        } else {
            (q.try_attention(k, v, mask.as_ref(), Attention { causal, scale: None })?, None)
        };
        // [batch, heads, queries, part] back to [batch, queries, width], or with the batch second.
        let &[batch, heads, queries, part] = found.shape().as_slice() else { unreachable!("four axes in, four out") };
        let time_first = !self.batch_first && !single;
        let (order, [first, second]) =
            if time_first { ([2, 0, 1, 3], [queries, batch]) } else { ([0, 2, 1, 3], [batch, queries]) };
        let y = found.permute(&order).reshape(&[first, second, heads * part]);
        let y = self.out_proj.apply(if single { y.squeeze(0) } else { y }, pass);
        Ok((y, weights))
    }

    /// Queries or keys of each head, with their positions encoded. The first is at the position `from`.
    #[track_caller]
    fn placed<'t>(&self, x: Var<'t, T>, from: usize) -> Result<Var<'t, T>> {
        self.rotary.map_or(Ok(x), |base| rotary(x, from, base))
    }

    /// Queries, keys and values of each head, `[batch, heads, length, part]`.
    #[track_caller]
    fn heads_of<'t>(&self, qkv: [Var<'t, T>; 3], pass: &Pass<'t, T>) -> Result<[Var<'t, T>; 3]> {
        let single = qkv[0].rank() == 2;
        if let Some(x) = qkv.iter().find(|x| x.rank() != if single { 2 } else { 3 }) {
            let hint = "queries, keys and values must all be [length, batch, width] (or with the batch first), or all \
                        [length, width]";
            return Err(Error::Shape { op: OP, shape: x.shape().as_slice().into(), hint: hint.into() });
        }
        let [q, k, v] = qkv;
        match &self.in_proj_weight {
            // Self-attention: one product for all three.
            Some(weight) if q.id() == k.id() && k.id() == v.id() => {
                let y = q.try_linear(pass.var(weight), pass.optional(&self.in_proj_bias).as_ref())?;
                let width = self.out_proj.weight.value().shape()[0] as isize;
                Ok([0, 1, 2].map(|i| self.split(y.slice(-1, i * width..(i + 1) * width))))
            }
            _ => Ok([self.projection(q, 0, pass)?, self.projection(k, 1, pass)?, self.projection(v, 2, pass)?]),
        }
    }

    /// The queries (0), keys (1) or values (2) of each head.
    #[track_caller]
    fn projection<'t>(&self, x: Var<'t, T>, i: usize, pass: &Pass<'t, T>) -> Result<Var<'t, T>> {
        let width = self.out_proj.weight.value().shape()[0] as isize;
        let part = |all: Var<'t, T>| all.slice(0, i as isize * width..(i as isize + 1) * width);
        let own = [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight][i];
        let weight = match (&self.in_proj_weight, own) {
            (Some(joint), _) => part(pass.var(joint)),
            (None, Some(own)) => pass.var(own),
            (None, None) => {
                let hint = "set either in_proj_weight, or all of q_proj_weight, k_proj_weight, v_proj_weight";
                return Err(Error::Argument { op: OP, hint: hint.into() });
            }
        };
        Ok(self.split(x.try_linear(weight, pass.optional(&self.in_proj_bias).map(part).as_ref())?))
    }

    /// The parts of the width that belong to each head, `[batch, heads, length, part]`.
    fn split<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let single = x.rank() == 2;
        let x = if single { x.unsqueeze(0) } else { x };
        let shape = x.shape();
        let x = x.reshape(&[shape[0], shape[1], self.heads, shape[2] / self.heads]);
        x.permute(&if self.batch_first || single { [0, 2, 1, 3] } else { [1, 2, 0, 3] })
    }
}

/// The combined mask, which hides every key that either mask hides.
#[track_caller]
fn both<'t, T: Float>(a: Option<Var<'t, T>>, b: Option<Var<'t, T>>) -> Result<Option<Var<'t, T>>> {
    match (a, b) {
        (Some(a), Some(b)) => a.try_add(b).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

impl<T: Float> Module<T> for MultiheadAttention<T> {
    /// Self-attention on `x`.
    ///
    /// # Panics
    /// Panics if the input does not have the layer's width.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.attend([x, x, x], Masks::default(), pass)
    }

    fn describe(&self) -> String {
        format!("MultiheadAttention({}, {} heads)", self.out_proj.weight.value().shape()[0], self.heads)
    }
}
