//! Matrix products, other named products of tensors, and attention.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::Op;
use crate::tensor::Shape;
use crate::tensor::layout::broadcast;
use crate::value::Value;

/// Settings of attention; override the defaults with `..Attention::default()`.
///
/// ```
/// use autograd::{Attention, tensor};
/// let x = tensor![[0.0], [1.0]];
/// let y = x.attention(&x, &x, None, Attention { causal: true, ..Attention::default() });
/// assert_eq!(y.get(&[0, 0]), Some(0.0)); // the first query sees only the first key
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Attention {
    /// Whether a query attends only to keys up to its own position. Defaults to `false`.
    pub causal: bool,
    /// The factor of the scores. Defaults to `1 / √width`, if it is `None`.
    pub scale: Option<f64>,
}

impl Attention {
    /// `softmax(q kᵀ · scale + mask) v`, where the leading axes of q, k and v broadcast.
    #[track_caller]
    pub(super) fn apply<T: Float, V: Value<T>>(self, [q, k, v]: [&V; 3], mask: Option<&V>) -> Result<V> {
        const OP: &str = "attention";
        let shapes = [q, k, v].map(|x| x.shape());
        if let Some(shape) = shapes.iter().find(|shape| shape.len() < 2) {
            let hint = "queries, keys and values must have at least two axes, […, positions, width]".into();
            return Err(Error::Shape { op: OP, shape: shape.as_slice().into(), hint });
        }
        let [a, b, c] = shapes.each_ref().map(|shape| &shape[..shape.len() - 2]);
        let batch = broadcast(OP, &broadcast(OP, a, b)?, c)?;
        let wide = |x: &V, shape: &Shape| x.expand(&[&batch, &shape[shape.len() - 2..]].concat());
        let [q, k, v] = [wide(q, &shapes[0]), wide(k, &shapes[1]), wide(v, &shapes[2])];
        let scale = self.scale.unwrap_or_else(|| 1.0 / (shapes[0][shapes[0].len() - 1] as f64).sqrt());
        let op = Op::Attention { scale, causal: self.causal, precision: q.precision() };
        match mask {
            Some(mask) => V::try_apply(op, &[&q, &k, &v, mask]),
            None => V::try_apply(op, &[&q, &k, &v]),
        }
    }
}

/// Returns an error unless all operands are vectors.
pub(super) fn vectors<T: Float, V: Value<T>>(op: &'static str, x: &[&V]) -> Result<()> {
    match x.iter().map(|x| x.shape()).find(|shape| shape.len() != 1) {
        Some(shape) => Err(Error::Shape { op, shape: shape.as_slice().into(), hint: "it must be a vector".into() }),
        None => Ok(()),
    }
}

macro_rules! product_methods {
    () => {
        twins! {
            /// Matrix product, as in NumPy: vectors multiply as rows and columns, and the leading axes broadcast. A
            /// transposed operand (`t()`) is read in place.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[1.0, 2.0], [3.0, 4.0]];
            /// assert_eq!(a.matmul(tensor![1.0, 10.0]), tensor![21.0, 43.0]);
            /// assert_eq!(a.matmul(a.t()), tensor![[5.0, 11.0], [11.0, 25.0]]);
            /// ```
            #[doc(alias = "mm")]
            #[doc(alias = "mv")]
            #[doc(alias = "bmm")]
            matmul, try_matmul(b: impl Borrow<Self>) |a| {
                let b = b.borrow();
                let (from, to) = (Value::shape(a), Value::shape(b));
                let error = |hint| Err(Error::MatMul { a: from.as_slice().into(), b: to.as_slice().into(), hint });
                match (from.len(), to.len()) {
                    (0, _) | (_, 0) => error("a scalar is not a matrix: multiply with *"),
                    (1, 1) if from != to => error("two vectors must have the same length"),
                    (1, 1) => a.try_reshape(&[1, from[0]])?.try_matmul(b.try_reshape(&[to[0], 1])?)?.try_reshape(&[]),
                    (1, _) => {
                        let y = a.try_reshape(&[1, from[0]])?.try_matmul(b)?;
                        let mut shape = Value::shape(&y);
                        shape.remove(shape.len() - 2);
                        y.try_reshape(&shape)
                    }
                    (_, 1) => {
                        let y = a.try_matmul(b.try_reshape(&[to[0], 1])?)?;
                        let mut shape = Value::shape(&y);
                        shape.pop();
                        y.try_reshape(&shape)
                    }
                    // One matrix for the whole batch: merge the batch axes into the rows.
                    (rank, 2) if rank > 2 && from[rank - 1] == to[0] => {
                        let rows = count("matmul", &from[..rank - 1])?;
                        let mut shape: Shape = from[..rank - 1].into();
                        shape.push(to[1]);
                        a.try_reshape(&[rows, to[0]])?.try_matmul(b)?.try_reshape(&shape)
                    }
                    _ => Value::try_apply(Op::MatMul { ta: false, tb: false, precision: a.precision() }, &[a, b]),
                }
            }

            /// `a · bᵀ` for matrices, without transposing anything, as in a dense layer.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (x, w) = (tensor![[1.0, 2.0]], tensor![[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);
            /// assert_eq!(x.matmul_t(w), tensor![[11.0, 17.0, 23.0]]);
            /// ```
            matmul_t, try_matmul_t(b: impl Borrow<Self>) |a| {
                Value::try_apply(Op::MatMul { ta: false, tb: true, precision: a.precision() }, &[a, b.borrow()])
            }

            /// The dot product of two vectors of the same length.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].dot(tensor![3.0, 4.0]).item(), 11.0);
            /// ```
            #[doc(alias = "inner")]
            #[doc(alias = "vdot")]
            dot, try_dot(b: impl Borrow<Self>) |a| {
                products::vectors("dot", &[a, b.borrow()])?;
                a.try_matmul(b)
            }

            /// The outer product of two vectors: `out[i][j] = a[i]·b[j]`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].outer(tensor![3.0, 4.0]), tensor![[3.0, 4.0], [6.0, 8.0]]);
            /// ```
            #[doc(alias = "ger")]
            outer, try_outer(b: impl Borrow<Self>) |a| {
                products::vectors("outer", &[a, b.borrow()])?;
                a.try_unsqueeze(-1)?.try_mul(b)
            }

            /// The Kronecker product: each element of this tensor times the whole of `b`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0]].kron(tensor![[1.0], [10.0]]), tensor![[1.0, 2.0], [10.0, 20.0]]);
            /// ```
            kron, try_kron(b: impl Borrow<Self>) |a| {
                let b = b.borrow();
                let (from, to) = (Value::shape(a), Value::shape(b));
                let rank = from.len().max(to.len());
                let size = |shape: &[usize], i: usize| if i + shape.len() < rank { 1 } else { shape[i + shape.len() - rank] };
                let apart = |f: &dyn Fn(usize) -> [usize; 2]| -> Shape { (0..rank).flat_map(f).collect() };
                let left = a.try_reshape(&apart(&|i| [size(&from, i), 1]))?;
                let right = b.try_reshape(&apart(&|i| [1, size(&to, i)]))?;
                let together: Result<Shape> = (0..rank).map(|i| count("kron", &[size(&from, i), size(&to, i)])).collect();
                left.try_mul(right)?.try_reshape(&together?)
            }

            /// Contracts the given pairs of axes; the remaining axes of this tensor come first, then those of `b`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[1.0, 0.0], [0.0, 1.0]]);
            /// assert_eq!(a.tensordot(&b, &[0, 1], &[0, 1]).item(), 5.0);
            /// ```
            tensordot, try_tensordot(b: impl Borrow<Self>, axes_a: &[isize], axes_b: &[isize]) |a| {
                if axes_a.len() != axes_b.len() {
                    let hint = format!("axes {axes_a:?} and {axes_b:?} must have the same length");
                    return Err(Error::Argument { op: "tensordot", hint });
                }
                einsum::tensordot(a, b.borrow(), axes_a, axes_b)
            }

            /// Attention of these queries `[…, L, E]` to keys `[…, S, E]` and their values `[…, S, V]`:
            /// `softmax(q kᵀ · scale + mask) v`, of shape `[…, L, V]`; the leading axes broadcast. A mask is added to the
            /// scores `[…, L, S]`, to which it broadcasts; -inf hides a key. A query whose keys are all hidden
            /// yields 0.
            ///
            /// The scores are computed a few rows at a time, recomputed for the derivatives, and never stored: memory
            /// is proportional to the number of positions, not to its square. Source: Dao et al., *FlashAttention*
            /// (2022).
            ///
            /// ```
            /// # use autograd::{Attention, tensor};
            /// let (q, k, v) = (tensor![[0.0]], tensor![[5.0], [7.0]], tensor![[1.0, 10.0], [3.0, 30.0]]);
            /// assert_eq!(q.attention(&k, &v, None, Attention::default()), tensor![[2.0, 20.0]]); // equal weights
            /// let mask = tensor![0.0, f64::NEG_INFINITY];
            /// assert_eq!(q.attention(&k, &v, Some(&mask), Attention::default()), tensor![[1.0, 10.0]]);
            /// ```
            #[doc(alias = "scaled_dot_product_attention")]
            attention, try_attention(keys: impl Borrow<Self>, values: impl Borrow<Self>, mask: Option<&Self>, settings: Attention) |q| {
                settings.apply([q, keys.borrow(), values.borrow()], mask)
            }

            /// `x·Wᵀ + b` of a dense layer: weight `[out, in]`, bias `[out]`, and x `[…, in]`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (x, w) = (tensor![[1.0, 2.0]], tensor![[3.0, 4.0], [5.0, 6.0]]);
            /// assert_eq!(x.linear(w, Some(&tensor![100.0, 200.0])), tensor![[111.0, 217.0]]);
            /// ```
            linear, try_linear(weight: impl Borrow<Self>, bias: Option<&Self>) |x| {
                let weight = weight.borrow();
                let shape = Value::shape(weight);
                if shape.len() != 2 {
                    let hint = "a weight must be [out, in]".into();
                    return Err(Error::Shape { op: "linear", shape: shape.as_slice().into(), hint });
                }
                let y = x.try_matmul(weight.try_permute(&[1, 0])?)?;
                bias.map_or(Ok(y.clone()), |bias| y.try_add(bias))
            }

            /// `xᵀ·W[o]·z + b[o]` for each output o: weight `[out, in, in']`, bias `[out]`, x `[…, in]`, z `[…, in']`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let w = tensor![[[1.0, 0.0], [0.0, 1.0]]];
            /// assert_eq!(tensor![1.0, 2.0].bilinear(tensor![3.0, 4.0], w, None), tensor![11.0]);
            /// ```
            bilinear, try_bilinear(z: impl Borrow<Self>, weight: impl Borrow<Self>, bias: Option<&Self>) |x| {
                let y = einsum::einsum("...i,oij,...j->...o", &[x, weight.borrow(), z.borrow()])?;
                bias.map_or(Ok(y.clone()), |bias| y.try_add(bias))
            }
        }

        /// Einstein summation: the product of the operands, summed over the labels that the output does not have. For
        /// example, `"ij,jk->ik"` is a matrix product.
        ///
        /// There is one label per axis. A label that occurs twice in one operand takes its diagonal; one that occurs twice in
        /// the output puts the result on a diagonal, with zeros elsewhere. `...` matches any number of axes, which broadcast.
        /// Without `->`, the output has the labels that occur once, in alphabetical order. Operands are multiplied as matrices,
        /// two at a time, starting with those that have the smallest product.
        ///
        /// ```
        /// # use autograd::{Tensor, tensor};
        /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![1.0, 10.0]);
        /// assert_eq!(Tensor::einsum("ij,j->i", &[a.clone(), b]), tensor![21.0, 43.0]);
        /// assert_eq!(Tensor::einsum("ii->i", &[a]), tensor![1.0, 4.0]);
        /// assert_eq!(Tensor::einsum("i->ii", &[tensor![1.0, 2.0]]), tensor![[1.0, 0.0], [0.0, 2.0]]);
        /// ```
        /// # Panics
        /// If the equation does not fit the operands; [`try_einsum`](Self::try_einsum) returns the error.
        #[track_caller]
        pub fn einsum(equation: &str, operands: &[Self]) -> Self {
            or_panic(Self::try_einsum(equation, operands))
        }

        /// Like [`einsum`](Self::einsum), but returns the error.
        #[track_caller]
        pub fn try_einsum(equation: &str, operands: &[Self]) -> Result<Self> {
            einsum::einsum(equation, &operands.iter().collect::<Vec<_>>())
        }
    };
}
pub(super) use product_methods;
