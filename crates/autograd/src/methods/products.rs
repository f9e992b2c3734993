//! Matrix products, and other named products of tensors.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::value::Value;

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
                    _ => Value::try_apply(Op::MatMul { ta: false, tb: false }, &[a, b]),
                }
            }

            /// `a · bᵀ` for matrices, without transposing anything, as a dense layer multiplies with its weights.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (x, w) = (tensor![[1.0, 2.0]], tensor![[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);
            /// assert_eq!(x.matmul_t(w), tensor![[11.0, 17.0, 23.0]]);
            /// ```
            matmul_t, try_matmul_t(b: impl Borrow<Self>) |a| {
                Value::try_apply(Op::MatMul { ta: false, tb: true }, &[a, b.borrow()])
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
        /// There is one label per axis. A label that occurs twice in one operand takes its diagonal; one that occurs twice
        /// in the output puts the result on a diagonal, among zeros. `...` matches any number of axes, which broadcast. Without `->`, the output has the labels that occur once, in alphabetical
        /// order. Operands are multiplied as matrices, two at a time, those with the smallest product first.
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
