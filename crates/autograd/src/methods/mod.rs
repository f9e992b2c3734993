//! The vocabulary: the methods of [`Tensor`] and [`Var`], written once for both. Names are NumPy's and PyTorch's.
//!
//! Operands are taken by value or by reference, `x.matmul(w)` or `x.matmul(&w)`. What can fail has a `try_` twin that
//! returns the error; the plain form panics with the same text at the caller's line.

mod border;
mod compare;
mod conv;
mod einsum;
#[cfg(feature = "linalg")]
mod linalg;
mod macros;
mod order;
mod parametric;
mod plan;
mod pool;
mod products;
mod reduce;
mod resize;
mod select;
mod shape;
mod spatial;

use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::op::shape::python_span;
use crate::op::{Binary, Fold, Op, Unary};
use crate::tensor::layout::{count, resolve_axis};
use crate::tensor::view::Span;
use crate::tensor::{Axes, Shape, Tensor};
use crate::value::Value;
use crate::var::Var;
pub use compare::Compared;
pub use conv::Conv;
use conv::conv_methods;
use macros::{binary, fold, twins, unary};
use order::order_methods;
use parametric::parametric;
pub use plan::Pad;
use pool::pool_methods;
use reduce::{reduce_methods, statistic};
pub use resize::Resize;
use select::select_methods;
use shape::shape_methods;
use smallvec::SmallVec;
pub use spatial::Pool;
use std::borrow::Borrow;
use std::ops::{Bound, RangeBounds};
#[cfg(feature = "linalg")]
use {crate::op::Factor, crate::tensor::layout::broadcast, linalg::*};

macro_rules! methods {
    () => {
        unary! {
            /// eˣ
            exp Exp = "x.exp()";
            /// eˣ - 1, exact near 0
            exp_m1 ExpM1 = "x.exp_m1()";
            /// Natural logarithm: -inf at 0, NaN below.
            ln Ln = "x.ln()";
            /// ln(1 + x), exact near 0
            ln_1p Ln1p = "x.ln_1p()";
            /// √x; its derivative at 0 is infinite.
            sqrt Sqrt = "x.sqrt()";
            /// Sine of radians.
            sin Sin = "x.sin()";
            /// Cosine of radians.
            cos Cos = "x.cos()";
            /// Hyperbolic tangent.
            tanh Tanh = "x.tanh()";
            /// The logistic function 1 / (1 + e⁻ˣ), without overflow.
            sigmoid Sigmoid = "1.0 / (1.0 + (-x).exp())";
            /// ln(1 + eˣ), without overflow
            softplus Softplus = "x.exp().ln_1p()";
            /// max(x, 0); its derivative at 0 is 0.
            relu Relu = "x.max(0.0)";
            /// |x|; its derivative at 0 is 0.
            abs Abs = "x.abs()";
            /// x²
            square Square = "x * x";
            /// 1 / x
            recip Recip = "1.0 / x";
            /// 2ˣ
            exp2 Exp2 = "2f64.sqrt()";
            /// Logarithm to base 2.
            log2 Log2 = "-1.0";
            /// Logarithm to base 10.
            log10 Log10 = "0.5f64.log10()";
            /// 1 / √x
            rsqrt Rsqrt = "2f64.sqrt()";
            /// Tangent of radians.
            tan Tan = "x.tan()";
            /// Hyperbolic sine.
            sinh Sinh = "x.sinh()";
            /// Hyperbolic cosine.
            cosh Cosh = "x.cosh()";
            /// The angle in [-π/2, π/2] whose sine is x; NaN beyond ±1.
            asin Asin = "x.asin()";
            /// The angle in [0, π] whose cosine is x; NaN beyond ±1.
            acos Acos = "x.acos()";
            /// The angle in [-π/2, π/2] whose tangent is x.
            atan Atan = "x.atan()";
            /// Inverse hyperbolic sine.
            asinh Asinh = "x.asinh()";
            /// Inverse hyperbolic cosine, exact near 1; NaN below.
            acosh Acosh = "f64::NAN";
            /// Inverse hyperbolic tangent.
            atanh Atanh = "3f64.ln() / 2.0";
            /// -1, 0 or 1; its derivative is 0.
            sign Sign = "1.0";
            /// The whole number at or below; its derivative is 0.
            floor Floor = "0.0";
            /// The whole number at or above; its derivative is 0.
            ceil Ceil = "1.0";
            /// The nearest whole number, halves to the even one; its derivative is 0.
            round Round = "0.0";
            /// The whole part, towards 0; its derivative is 0.
            trunc Trunc = "0.0";
            /// ln σ(x) = -ln(1 + e⁻ˣ), without overflow
            log_sigmoid LogSigmoid = "-(-x).exp().ln_1p()";
            /// min(max(x, 0), 6); its derivative is 0 at both ends.
            relu6 Relu6 = "x";
            /// λx for x > 0, else λα(eˣ - 1): the self-normalizing unit, λ ≈ 1.0507 and α ≈ 1.6733.
            selu Selu = "1.0507009873554805 * x";
            /// x σ(x), also called swish.
            silu Silu = "x / (1.0 + (-x).exp())";
            /// x tanh(ln(1 + eˣ))
            mish Mish = "x * x.exp().ln_1p().tanh()";
            /// The line x/6 + ½, cut off at 0 and 1; its derivative is 0 at ±3.
            hardsigmoid Hardsigmoid = "x / 6.0 + 0.5";
            /// x · hardsigmoid(x); its derivative is 0 at -3 and 1 at 3.
            hardswish Hardswish = "x * (x / 6.0 + 0.5)";
            /// x / (1 + |x|)
            softsign Softsign = "1.0 / 3.0";
            /// x - tanh x
            tanhshrink Tanhshrink = "x - x.tanh()";
            /// x Φ(x), with Φ the normal distribution function.
            gelu Gelu = "x * 0.6914624612740131";
            /// The approximation ½x(1 + tanh(√(2/π)(x + 0.044715x³))) of [`gelu`](Self::gelu).
            gelu_tanh GeluTanh = "0.34571400982514394";
            /// The error function 2/√π ∫₀ˣ exp(-t²) dt.
            erf Erf = "0.5204998778130465";
            /// 1 - erf x, exact in its tail.
            erfc Erfc = "1.0 - 0.5204998778130465";
            /// The inverse of erf; infinite at ±1, NaN beyond.
            erfinv ErfInv = "0.4769362762044699";
            /// ln |Γ(x)|
            lgamma Lgamma = "std::f64::consts::PI.ln() / 2.0";
            /// Γ′(x) / Γ(x)
            digamma Digamma = "-1.9635100260214235";
            /// ln(x / (1 - x)), the inverse of the sigmoid.
            logit Logit = "0.0";
            /// sin(πx) / (πx), and 1 at 0.
            sinc Sinc = "2.0 / std::f64::consts::PI";
            /// -x ln x, 0 at 0, -inf below.
            entr Entr = "2f64.ln() / 2.0";
            /// The normal distribution function Φ(x).
            ndtr Ndtr = "0.6914624612740131";
            /// ln Φ(x), exact in the left tail.
            log_ndtr LogNdtr = "0.6914624612740131f64.ln()";
            /// e⁻|ˣ| I₀(x), I₀ the modified Bessel function of order 0.
            i0e I0e = "1.0634833707413236 * (-x).exp()";
            /// e⁻|ˣ| I₁(x), I₁ the modified Bessel function of order 1.
            i1e I1e = "0.25789430539089631 * (-x).exp()";
        }

        binary! {
            /// a + b, broadcast.
            add, try_add, Add = "[4.0, 4.0], [6.0, 6.0]";
            /// a - b, broadcast.
            sub, try_sub, Sub = "[-2.0, 0.0], [0.0, 2.0]";
            /// a · b element by element, broadcast.
            mul, try_mul, Mul = "[3.0, 4.0], [9.0, 8.0]";
            /// a / b, broadcast.
            div, try_div, Div = "[1.0 / 3.0, 1.0], [1.0, 2.0]";
            /// aᵇ. 0⁰ is 1 with derivative 0 in a; for a < 0 and a fraction b it is NaN.
            pow, try_pow, Pow = "[1.0, 4.0], [27.0, 16.0]";
            /// The larger of the two; ties share the derivative, half each.
            maximum, try_maximum, Maximum = "[3.0, 2.0], [3.0, 4.0]";
            /// The smaller of the two; ties share the derivative, half each.
            minimum, try_minimum, Minimum = "[1.0, 2.0], [3.0, 2.0]";
            /// 1 where a > b, else 0: a mask, without derivative.
            gt, try_gt, Gt = "[0.0, 0.0], [0.0, 1.0]";
            /// 1 where a ≥ b, else 0: a mask, without derivative.
            ge, try_ge, Ge = "[0.0, 1.0], [1.0, 1.0]";
            /// 1 where a = b, else 0: a mask, without derivative.
            equal, try_equal, Eq = "[0.0, 1.0], [1.0, 0.0]";
            /// The angle of the point (b, a), in radians from -π to π; at the origin its derivative is 0.
            atan2, try_atan2, Atan2 = "[1.0_f64.atan2(3.0), 2.0_f64.atan2(2.0)], [3.0_f64.atan2(3.0), 4.0_f64.atan2(2.0)]";
            /// √(a² + b²), without overflow; at the origin its derivative is 0.
            hypot, try_hypot, Hypot = "[1.0_f64.hypot(3.0), 2.0_f64.hypot(2.0)], [3.0_f64.hypot(3.0), 4.0_f64.hypot(2.0)]";
            /// a - b·trunc(a/b): what remains, with the sign of a.
            fmod, try_fmod, Fmod = "[1.0, 0.0], [0.0, 0.0]";
            /// a - b·⌊a/b⌋: what remains, with the sign of b.
            remainder, try_remainder, Remainder = "[1.0, 0.0], [0.0, 0.0]";
            /// The magnitude of a with the sign of b.
            copysign, try_copysign, Copysign = "[1.0, 2.0], [3.0, 4.0]";
            /// The larger of the two, where NaN gives way to a number; ties share the derivative, half each.
            fmax, try_fmax, Fmax = "[3.0, 2.0], [3.0, 4.0]";
            /// The smaller of the two, where NaN gives way to a number; ties share the derivative, half each.
            fmin, try_fmin, Fmin = "[1.0, 2.0], [3.0, 2.0]";
            /// a for a > 0, else ab: b is the slope on the left.
            prelu, try_prelu, Prelu = "[1.0, 2.0], [3.0, 4.0]";
            /// a moved towards 0 by b, and 0 within b of it.
            softshrink, try_softshrink, Softshrink = "[0.0, 0.0], [0.0, 2.0]";
            /// a, but 0 where |a| ≤ b.
            hardshrink, try_hardshrink, Hardshrink = "[0.0, 0.0], [0.0, 4.0]";
            /// ln(eᵃ + eᵇ), without overflow.
            logaddexp, try_logaddexp, Logaddexp = "[(1f64.exp() + 3f64.exp()).ln(), 2.0 + 2f64.ln()], [3.0 + 2f64.ln(), (4f64.exp() + 2f64.exp()).ln()]";
            /// a ln b, and 0 where a is 0.
            xlogy, try_xlogy, Xlogy = "[1.0 * 3.0_f64.ln(), 2.0 * 2.0_f64.ln()], [3.0 * 3.0_f64.ln(), 4.0 * 2.0_f64.ln()]";
            /// a ln(1 + b), and 0 where a is 0.
            xlog1py, try_xlog1py, Xlog1py = "[1.0 * 3.0_f64.ln_1p(), 2.0 * 2.0_f64.ln_1p()], [3.0 * 3.0_f64.ln_1p(), 4.0 * 2.0_f64.ln_1p()]";
        }

        /// 1 where a < b, else 0: a mask, without derivative.
        ///
        /// # Panics
        /// If the shapes do not broadcast.
        ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![1.0, 2.0].lt(tensor![2.0]), tensor![1.0, 0.0]);
    /// ```
    #[track_caller]
        pub fn lt(&self, b: impl Borrow<Self>) -> Self {
            b.borrow().gt(self)
        }

        /// 1 where a ≤ b, else 0: a mask, without derivative.
        ///
        /// # Panics
        /// If the shapes do not broadcast.
        ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![1.0, 2.0].le(tensor![1.0]), tensor![1.0, 0.0]);
    /// ```
    #[track_caller]
        pub fn le(&self, b: impl Borrow<Self>) -> Self {
            b.borrow().ge(self)
        }

        /// x to a fixed power: `powf(2.0)` squares, `powf(0.5)` takes the root.
        ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![2.0, 3.0].powf(2.0), tensor![4.0, 9.0]);
    /// ```
    #[track_caller]
        pub fn powf(&self, exponent: f64) -> Self {
            match exponent {
                1.0 => self.clone(),
                2.0 => self.square(),
                0.5 => self.sqrt(),
                -1.0 => self.recip(),
                p => self.pow(self.number(T::of(p))),
            }
        }

        fold! {
            /// Σ x.
            sum, sum_axes, sum_keep, try_sum, Sum = "10.0", "[3.0, 7.0]";
            /// The mean Σ x / n; NaN over nothing.
            mean, mean_axes, mean_keep, try_mean, Mean = "2.5", "[1.5, 3.5]";
            /// Π x; 1 over nothing. Its derivatives are exact where elements are 0.
            prod, prod_axes, prod_keep, try_prod, Prod = "24.0", "[2.0, 12.0]";
            /// The largest element; ties share the derivative evenly. An error over an empty axis.
            max, max_axes, max_keep, try_max, Max = "4.0", "[2.0, 4.0]";
            /// The smallest element; ties share the derivative evenly. An error over an empty axis.
            min, min_axes, min_keep, try_min, Min = "1.0", "[1.0, 3.0]";
            /// ln Σ eˣ, without overflow; -inf over nothing.
            logsumexp, logsumexp_axes, logsumexp_keep, try_logsumexp, LogSumExp = "4.440189698561196", "[2.313261687518223, 4.313261687518223]";
        }

        twins! {
            /// `a` where this mask is not 0, else `b`; all three broadcast. What is not chosen has no influence, not even
            /// a NaN: this is a choice, not a multiplication by zero.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let mask = tensor![1.0, 0.0];
        /// assert_eq!(mask.select(tensor![1.0, 2.0], tensor![f64::NAN, 4.0]), tensor![1.0, 4.0]);
        /// ```
        select, try_select(a: impl Borrow<Self>, b: impl Borrow<Self>) |mask| {
                Value::try_apply(Op::Where, &[mask, a.borrow(), b.borrow()])
            }

            /// Matrix product, as NumPy's: vectors multiply as rows and columns, axes before the last two broadcast.
            /// A transposed operand (`t()`) is read in place.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let a = tensor![[1.0, 2.0], [3.0, 4.0]];
        /// assert_eq!(a.matmul(tensor![1.0, 10.0]), tensor![21.0, 43.0]);
        /// assert_eq!(a.matmul(a.t()), tensor![[5.0, 11.0], [11.0, 25.0]]);
        /// ```
        matmul, try_matmul(b: impl Borrow<Self>) |a| {
                let b = b.borrow();
                let (from, to) = (Value::shape(a), Value::shape(b));
                let error = |hint| Err(Error::MatMul { a: from.as_slice().into(), b: to.as_slice().into(), hint });
                match (from.len(), to.len()) {
                    (0, _) | (_, 0) => error("a single number is no matrix: multiply with *"),
                    (1, 1) if from != to => error("two vectors need the same length"),
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
                    // One matrix for the whole batch: the batch is only more rows.
                    (rank, 2) if rank > 2 && from[rank - 1] == to[0] => {
                        let rows = count("matmul", &from[..rank - 1])?;
                        let mut shape: Shape = from[..rank - 1].into();
                        shape.push(to[1]);
                        a.try_reshape(&[rows, to[0]])?.try_matmul(b)?.try_reshape(&shape)
                    }
                    _ => Value::try_apply(Op::MatMul { ta: false, tb: false }, &[a, b]),
                }
            }

            /// `a · bᵀ` for matrices, without transposing anything: what a dense layer computes from its weights.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let (x, w) = (tensor![[1.0, 2.0]], tensor![[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);
        /// assert_eq!(x.matmul_t(w), tensor![[11.0, 17.0, 23.0]]);
        /// ```
        matmul_t, try_matmul_t(b: impl Borrow<Self>) |a| {
                Value::try_apply(Op::MatMul { ta: false, tb: true }, &[a, b.borrow()])
            }

            /// The same elements under another shape: a view where memory allows.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0, 3.0, 4.0].reshape(&[2, 2]), tensor![[1.0, 2.0], [3.0, 4.0]]);
        /// ```
        reshape, try_reshape(shape: &[usize]) |x| {
                if *Value::shape(x) == *shape { return Ok(x.clone()) }
                Value::try_apply(Op::Reshape { shape: shape.into() }, &[x])
            }

            /// Repeated without copying to a shape it broadcasts to.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0].broadcast_to(&[2, 2]), tensor![[1.0, 2.0], [1.0, 2.0]]);
        /// ```
        broadcast_to, try_broadcast_to(shape: &[usize]) |x| {
                Value::try_apply(Op::Expand { shape: shape.into() }, &[x])
            }

            /// Axes in another order, a view: axis `i` of the result is axis `order[i]` of this one.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![[1.0, 2.0, 3.0]].permute(&[1, 0]), tensor![[1.0], [2.0], [3.0]]);
        /// ```
        permute, try_permute(order: &[usize]) |x| {
                Value::try_apply(Op::Permute { order: order.into() }, &[x])
            }

            /// Two axes exchanged, a view; negative ones count from the back.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![[1.0, 2.0, 3.0]].transpose(0, -1), tensor![[1.0], [2.0], [3.0]]);
        /// ```
        transpose, try_transpose(i: isize, j: isize) |x| {
                let shape = Value::shape(x);
                let (i, j) = (resolve_axis("transpose", i, &shape)?, resolve_axis("transpose", j, &shape)?);
                let mut order: Shape = (0..shape.len()).collect();
                order.swap(i, j);
                x.try_permute(&order)
            }

            /// A new axis of size 1 before the given one; `-1` appends it.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0].unsqueeze(-1), tensor![[1.0], [2.0]]);
        /// ```
        unsqueeze, try_unsqueeze(axis: isize) |x| {
                let mut shape = Value::shape(x);
                let mut wider = shape.clone();
                wider.push(1);
                let axis = resolve_axis("unsqueeze", axis, &wider)?;
                shape.insert(axis, 1);
                x.try_reshape(&shape)
            }

            /// Without the given axis, whose size must be 1.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![[1.0], [2.0]].squeeze(1), tensor![1.0, 2.0]);
        /// ```
        squeeze, try_squeeze(axis: isize) |x| {
                let mut shape = Value::shape(x);
                let axis = resolve_axis("squeeze", axis, &shape)?;
                if shape[axis] != 1 {
                    return Err(Error::Shape { op: "squeeze", shape: shape.as_slice().into(), hint: format!("axis {axis} must have size 1") });
                }
                shape.remove(axis);
                x.try_reshape(&shape)
            }

            /// Part of one axis, a view, by Python's rules: negative ends count from the back, out-of-range ones are
            /// clipped. `x.slice(1, ..)`, `x.slice(0, 2..5)`, `x.slice(-1, -3..)`.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        /// assert_eq!(x.slice(1, -2..), tensor![[2.0, 3.0], [5.0, 6.0]]);
        /// ```
        slice, try_slice(axis: isize, range: impl RangeBounds<isize>) |x| {
                let start = match range.start_bound() {
                    Bound::Included(&i) => Some(i),
                    // After the last element there is none: -1 + 1 would be the first.
                    Bound::Excluded(&-1) => Some(isize::MAX),
                    Bound::Excluded(&i) => Some(i.saturating_add(1)),
                    Bound::Unbounded => None,
                };
                let stop = match range.end_bound() {
                    // Through the last element is no index: -1 + 1 would be 0.
                    Bound::Included(&-1) | Bound::Unbounded => None,
                    Bound::Included(&i) => Some(i.saturating_add(1)),
                    Bound::Excluded(&i) => Some(i),
                };
                x.try_slice_step(axis, start, stop, 1)
            }

            /// Every `step`-th element of one axis, a view, as Python's `start:stop:step`; negative steps walk backwards.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0, 3.0].slice_step(0, None, None, -2), tensor![3.0, 1.0]);
        /// ```
        slice_step, try_slice_step(axis: isize, start: Option<isize>, stop: Option<isize>, step: isize) |x| {
                let shape = Value::shape(x);
                let axis = resolve_axis("slice", axis, &shape)?;
                let mut spans: SmallVec<[Span; 4]> = shape.iter().map(|&len| Span { start: 0, len, step: 1 }).collect();
                spans[axis] = python_span(shape[axis], start, stop, step)
                    .ok_or_else(|| Error::Argument { op: "slice", hint: "the step must not be 0".into() })?;
                Value::try_apply(Op::Slice { spans }, &[x])
            }

            /// Slices of an axis by index, as NumPy's `take`: the axes of the index take the place of the indexed one.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
        /// assert_eq!(x.take(0, &tensor![1_i64, 1, 0]), tensor![[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]]);
        /// ```
        take, try_take(axis: isize, index: &Tensor<i64>) |x| {
                let axis = resolve_axis("take", axis, &Value::shape(x))?;
                Value::try_apply(Op::Take { axis, index: index.clone() }, &[x])
            }

            /// One element per index along an axis, as PyTorch's `gather`: `out[i][j] = x[index[i][j]][j]` for axis 0.
            /// Beside the axis the index may be smaller than this: the rest is not read.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
        /// assert_eq!(x.gather(1, &tensor![[1_i64], [0]]), tensor![[2.0], [3.0]]);
        /// ```
        gather, try_gather(axis: isize, index: &Tensor<i64>) |x| {
                let mut part = Value::shape(x);
                let axis = resolve_axis("gather", axis, &part)?;
                if index.rank() == part.len() {
                    (0..part.len()).filter(|&i| i != axis).for_each(|i| part[i] = index.shape()[i]);
                }
                Value::try_apply(Op::Gather { axis, index: index.clone() }, &[&select::leading(x, &part)?])
            }

            /// eˣ / Σ eˣ along an axis, without overflow.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![[0.0, 0.0], [1e5, 0.0]].softmax(1), tensor![[0.5, 0.5], [1.0, 0.0]]);
        /// ```
        softmax, try_softmax(axis: isize) |x| {
                let axis = resolve_axis("softmax", axis, &Value::shape(x))?;
                Value::try_apply(Op::Softmax { axis }, &[x])
            }

            /// x - ln Σ eˣ along an axis: the logarithm of the softmax, exact where the softmax underflows.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1e5, 0.0].log_softmax(0), tensor![0.0, -1e5]);
        /// ```
        log_softmax, try_log_softmax(axis: isize) |x| {
                let axis = resolve_axis("log_softmax", axis, &Value::shape(x))?;
                Value::try_apply(Op::LogSoftmax { axis }, &[x])
            }

            /// Cross-entropy of scores `[rows, classes]` against the right class of each row: `ln Σ eˣ - x[label]`, one
            /// number per row. Fused: no probability is formed, nothing overflows.
            ///
        /// ```
        /// # use autograd::tensor;
        /// let loss = tensor![[0.0, 0.0], [1e5, 0.0]].cross_entropy(&tensor![0_i64, 1]);
        /// assert_eq!(loss, tensor![2f64.ln(), 1e5]);
        /// ```
        cross_entropy, try_cross_entropy(labels: &Tensor<i64>) |x| {
                Value::try_apply(Op::CrossEntropy { labels: labels.clone() }, &[x])
            }
        }

        /// The last two axes exchanged: the transposed matrix, as a view. A vector stays as it is.
        ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![[1.0, 2.0]].t(), tensor![[1.0], [2.0]]);
    /// ```
    #[track_caller]
        pub fn t(&self) -> Self {
            if Value::shape(self).len() < 2 { self.clone() } else { self.transpose(-1, -2) }
        }

        /// All elements in one axis.
        ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].flatten(), tensor![1.0, 2.0, 3.0, 4.0]);
    /// ```
    #[track_caller]
        pub fn flatten(&self) -> Self {
            self.reshape(&[or_panic(count("flatten", &Value::shape(self)))])
        }

        /// Joined along an axis that they already have.
        ///
        /// # Panics
        /// If there are none, or the other axes differ; [`try_concat`](Self::try_concat) returns the error.
        ///
    /// ```
    /// # use autograd::tensor;
    /// let (a, b) = (tensor![[1.0], [2.0]], tensor![[3.0], [4.0]]);
    /// assert_eq!(autograd::Tensor::concat(&[a, b], 1), tensor![[1.0, 3.0], [2.0, 4.0]]);
    /// ```
    #[track_caller]
        pub fn concat(parts: &[Self], axis: isize) -> Self {
            or_panic(Self::try_concat(parts, axis))
        }

        /// Joined along an axis that they already have, or an error.
        #[track_caller]
        pub fn try_concat(parts: &[Self], axis: isize) -> Result<Self> {
            let first = parts.first().map(|p| Value::shape(p)).unwrap_or_default();
            let axis = if parts.is_empty() { 0 } else { resolve_axis("concat", axis, &first)? };
            Value::try_apply(Op::Concat { axis }, &parts.iter().collect::<SmallVec<[_; 8]>>())
        }

        /// Joined along a new axis.
        ///
        /// # Panics
        /// If there are none, or the shapes differ.
        ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(autograd::Tensor::stack(&[tensor![1.0, 2.0], tensor![3.0, 4.0]], 0), tensor![[1.0, 2.0], [3.0, 4.0]]);
    /// ```
    #[track_caller]
        pub fn stack(parts: &[Self], axis: isize) -> Self {
            or_panic(Self::try_stack(parts, axis))
        }

        /// Joined along a new axis, or an error.
        #[track_caller]
        pub fn try_stack(parts: &[Self], axis: isize) -> Result<Self> {
            let parts: Result<Vec<Self>> = parts.iter().map(|p| p.try_unsqueeze(axis)).collect();
            Self::try_concat(&parts?, axis)
        }
    };
}

impl<T: Float> Tensor<T> {
    methods!();
    parametric!();
    shape_methods!();
    select_methods!();
    products::product_methods!();
    #[cfg(feature = "linalg")]
    linalg::linalg_methods!();
    reduce_methods!();
    order_methods!();
    conv_methods!();
    pool_methods!();
}

impl<'t, T: Float> Var<'t, T> {
    methods!();
    parametric!();
    shape_methods!();
    select_methods!();
    products::product_methods!();
    #[cfg(feature = "linalg")]
    linalg::linalg_methods!();
    reduce_methods!();
    order_methods!();
    conv_methods!();
    pool_methods!();
}
