//! Products of tensors of any rank: Einstein's sums, and the products that have names.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::{Fold, Op};
use crate::tensor::layout::{count, resolve_axis};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape};
use crate::value::Value;
use smallvec::SmallVec;

/// The name of an axis: a letter, or a number above all letters for an axis of the ellipsis, counted from the last.
type Label = u32;
const ELLIPSIS: Label = 1000;

/// An operand with a name for each axis.
struct Term<V> {
    value: V,
    labels: Vec<Label>,
}

/// Σ over the labels that the output does not name of the products of the operands, two at a time, cheapest first.
pub(super) fn einsum<T: Float, V: Value<T>>(equation: &str, operands: &[&V]) -> Result<V> {
    let (mut terms, output) = parse(equation, operands)?;
    for i in 0..terms.len() {
        let needed = needed(&terms, &output, [i, i]);
        let term = &terms[i];
        let lone = |l: &Label| !needed.contains(l);
        let axes = (0..term.labels.len()).filter(|&k| lone(&term.labels[k])).fold(AxisSet::default(), AxisSet::with);
        if !axes.is_empty() {
            let value = V::try_apply(Op::Reduce { fold: Fold::Sum, axes, keep: false }, &[&term.value])?;
            let labels = term.labels.iter().copied().filter(|l| !lone(l)).collect();
            terms[i] = Term { value, labels };
        }
    }
    while terms.len() > 1 {
        let pairs = (0..terms.len()).flat_map(|i| (i + 1..terms.len()).map(move |j| [i, j]));
        let cost = |&[i, j]: &[usize; 2]| growth(&terms[i], &terms[j], &needed(&terms, &output, [i, j]));
        let [i, j] = pairs.min_by(|p, q| cost(p).total_cmp(&cost(q))).expect("there are two");
        let kept = needed(&terms, &output, [i, j]);
        let b = terms.remove(j);
        terms[i] = contract(&terms[i], &b, &kept)?;
    }
    let term = terms.pop().expect("the parser wants an operand");
    // A label whose axis every operand lacks was of size 1 everywhere.
    let missing: Vec<Label> = output.iter().copied().filter(|l| !term.labels.contains(l)).collect();
    let labels = [missing, term.labels].concat();
    let ones = [vec![1; labels.len() - term.value.shape().len()], term.value.shape().to_vec()].concat();
    let order: Shape = output.iter().filter_map(|l| labels.iter().position(|k| k == l)).collect();
    reshaped(&term.value, &ones)?.permuted(&order)
}

trait Permuted<T: Float>: Value<T> {
    /// Axes in another order.
    fn permuted(&self, order: &[usize]) -> Result<Self> {
        let same = order.iter().enumerate().all(|(i, &axis)| i == axis);
        if same { Ok(self.clone()) } else { Self::try_apply(Op::Permute { order: order.into() }, &[self]) }
    }
}

impl<T: Float, V: Value<T>> Permuted<T> for V {}

fn reshaped<T: Float, V: Value<T>>(x: &V, shape: &[usize]) -> Result<V> {
    if *x.shape() == *shape { Ok(x.clone()) } else { V::try_apply(Op::Reshape { shape: shape.into() }, &[x]) }
}

fn error<V>(equation: &str, why: impl std::fmt::Display) -> Result<V> {
    Err(Error::Argument { op: "einsum", hint: format!("`{equation}`: {why}") })
}

/// The labels that the output or a term other than these two names.
fn needed<V>(terms: &[Term<V>], output: &[Label], pair: [usize; 2]) -> Vec<Label> {
    let others = terms.iter().enumerate().filter(|(k, _)| !pair.contains(k)).flat_map(|(_, t)| &t.labels);
    output.iter().chain(others).copied().collect()
}

/// By how much the product is larger than its factors.
fn growth<T: Float, V: Value<T>>(a: &Term<V>, b: &Term<V>, needed: &[Label]) -> f64 {
    let size = |t: &Term<V>, keep: &dyn Fn(&Label) -> bool| -> f64 {
        let shape = t.value.shape();
        t.labels.iter().zip(&shape).filter(|(l, _)| keep(l)).map(|(_, &d)| d as f64).product()
    };
    let product = size(a, &|l| needed.contains(l)) * size(b, &|l| needed.contains(l) && !a.labels.contains(l));
    product - size(a, &|_| true) - size(b, &|_| true)
}

/// The product of two terms, summed over what they share and nobody needs: one batch of matrix products.
fn contract<T: Float, V: Value<T>>(a: &Term<V>, b: &Term<V>, needed: &[Label]) -> Result<Term<V>> {
    let shared = |l: &Label| a.labels.contains(l) && b.labels.contains(l);
    let (batch, summed): (Vec<_>, Vec<_>) = a.labels.iter().copied().filter(shared).partition(|l| needed.contains(l));
    let rest = |t: &Term<V>| -> Vec<Label> { t.labels.iter().copied().filter(|l| !shared(l)).collect() };
    let (rows, columns) = (rest(a), rest(b));
    let labels = [batch.clone(), rows.clone(), columns.clone()].concat();
    let sizes = |t: &Term<V>, labels: &[Label]| -> Vec<usize> {
        let (shape, axis) = (t.value.shape(), |l: &Label| t.labels.iter().position(|k| k == l));
        labels.iter().filter_map(axis).map(|i| shape[i]).collect()
    };
    let turned = |t: &Term<V>, parts: [&[Label]; 3]| {
        let axis = |l: &Label| t.labels.iter().position(|k| k == l);
        t.value.permuted(&parts.concat().iter().filter_map(axis).collect::<Vec<_>>())
    };
    let whole = [sizes(a, &batch), sizes(a, &rows), sizes(b, &columns)].concat();
    if summed.is_empty() {
        let left = reshaped(
            &turned(a, [&batch, &rows, &[]])?,
            &[sizes(a, &batch), sizes(a, &rows), vec![1; columns.len()]].concat(),
        )?;
        let right = reshaped(
            &turned(b, [&batch, &[], &columns])?,
            &[sizes(b, &batch), vec![1; rows.len()], sizes(b, &columns)].concat(),
        )?;
        let value = V::try_apply(Op::Binary(crate::op::Binary::Mul), &[&left, &right])?;
        return Ok(Term { value, labels });
    }
    // The order of axes that memory already has is read in place, transposed or not.
    let first = |t: &Term<V>| t.labels.iter().find(|l| !batch.contains(l)).is_some_and(|l| summed.contains(l));
    let (ta, tb) = (first(a) && !rows.is_empty(), !first(b) && !columns.is_empty());
    let matrices = |t: &Term<V>, transposed: bool, [p, q]: [&[Label]; 2]| {
        let [p, q] = if transposed { [q, p] } else { [p, q] };
        let size = |labels: &[Label]| count("einsum", &sizes(t, labels));
        reshaped(&turned(t, [&batch, p, q])?, &[size(&batch)?, size(p)?, size(q)?])
    };
    let left = matrices(a, ta, [&rows, &summed])?;
    let right = matrices(b, tb, [&summed, &columns])?;
    let value = reshaped(&V::try_apply(Op::MatMul { ta, tb }, &[&left, &right])?, &whole)?;
    Ok(Term { value, labels })
}

/// The operands with their axes named (diagonals taken, axes of size 1 that broadcast removed), and the output's labels.
fn parse<T: Float, V: Value<T>>(equation: &str, operands: &[&V]) -> Result<(Vec<Term<V>>, Vec<Label>)> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = text.split_once("->").map_or((text.as_str(), None), |(i, o)| (i, Some(o)));
    let subscripts: Vec<&str> = inputs.split(',').collect();
    if subscripts.len() != operands.len() || operands.is_empty() {
        return error(equation, format!("it names {} operands, and {} were given", subscripts.len(), operands.len()));
    }
    let mut named = Vec::new();
    for (subscript, x) in subscripts.iter().zip(operands) {
        named.push(axes(equation, subscript, Some(x.shape().len()))?);
    }
    let dots = named.iter().flatten().filter(|&&l| l >= ELLIPSIS).map(|l| l - ELLIPSIS + 1).max().unwrap_or(0);
    // The size of each label: that of the operands where it is not 1.
    let mut sizes: std::collections::BTreeMap<Label, usize> = Default::default();
    for (labels, x) in named.iter().zip(operands) {
        for (&label, &d) in labels.iter().zip(&x.shape()) {
            let size = sizes.entry(label).or_insert(d);
            if *size == 1 {
                *size = d;
            } else if d != 1 && d != *size {
                return error(equation, format!("an axis has size {size} in one place and {d} in another"));
            }
        }
    }
    let output = match output {
        Some(output) => {
            let labels = axes(equation, output, output.contains("...").then(|| letters(output) + dots as usize))?;
            let once = labels.iter().enumerate().all(|(i, l)| !labels[..i].contains(l));
            if !once || labels.iter().any(|l| !sizes.contains_key(l)) {
                return error(equation, "the output names labels of the operands, each once");
            }
            labels
        }
        None => {
            let all: Vec<Label> = named.concat();
            let once = sizes.keys().filter(|&&l| l < ELLIPSIS && all.iter().filter(|&&k| k == l).count() == 1);
            (0..dots).rev().map(|i| ELLIPSIS + i).chain(once.copied()).collect()
        }
    };
    let mut terms = Vec::new();
    for (labels, &x) in named.into_iter().zip(operands) {
        let mut term = Term { value: x.clone(), labels };
        while let Some(pair) = repeated(&term.labels) {
            let [i, j] = pair;
            if term.value.shape()[i] != term.value.shape()[j] {
                return error(equation, "the axes of a diagonal have the same size");
            }
            term = diagonal(term, pair)?;
        }
        terms.push(without_ones(term)?);
    }
    Ok((terms, output))
}

fn letters(subscript: &str) -> usize {
    subscript.chars().filter(|&c| c != '.').count()
}

/// One label per axis of a tensor of that rank, as many as there are letters if no rank is given.
fn axes(equation: &str, subscript: &str, rank: Option<usize>) -> Result<Vec<Label>> {
    let letters = letters(subscript);
    let (before, after) = subscript.split_once("...").map_or((subscript, None), |(b, a)| (b, Some(a)));
    let rank = rank.unwrap_or(letters);
    if rank < letters || (after.is_none() && rank != letters) {
        return error(equation, format!("`{subscript}` does not fit an operand of rank {rank}"));
    }
    if let Some(c) = before.chars().chain(after.unwrap_or("").chars()).find(|c| !c.is_ascii_alphabetic()) {
        return error(equation, format!("`{c}` is no label: use letters, `...`, `,` and one `->`"));
    }
    let dots = (0..rank - letters).rev().map(|i| ELLIPSIS + i as Label);
    Ok(before.chars().map(Label::from).chain(dots).chain(after.unwrap_or("").chars().map(Label::from)).collect())
}

/// Two axes of the same name.
fn repeated(labels: &[Label]) -> Option<[usize; 2]> {
    (0..labels.len()).find_map(|j| labels[..j].iter().position(|l| *l == labels[j]).map(|i| [i, j]))
}

/// The diagonal of two axes, as the last axis: every (n + 1)-th element of both in one.
fn diagonal<T: Float, V: Value<T>>(term: Term<V>, [i, j]: [usize; 2]) -> Result<Term<V>> {
    let shape = term.value.shape();
    let n = shape[i];
    let others: Vec<usize> = (0..shape.len()).filter(|k| ![i, j].contains(k)).collect();
    let both = term.value.permuted(&[others.clone(), vec![i, j]].concat())?;
    let mut flat: Shape = others.iter().map(|&k| shape[k]).collect();
    flat.push(count("einsum", &[n, n])?);
    let mut spans: SmallVec<[Span; 4]> = flat.iter().map(|&len| Span { start: 0, len, step: 1 }).collect();
    spans[others.len()] = Span { start: 0, len: n, step: n as isize + 1 };
    let value = V::try_apply(Op::Slice { spans }, &[&reshaped(&both, &flat)?])?;
    let labels = others.iter().chain([&i]).map(|&k| term.labels[k]).collect();
    Ok(Term { value, labels })
}

/// Without the axes of size 1: they multiply nothing, and broadcast wherever their label is larger.
fn without_ones<T: Float, V: Value<T>>(term: Term<V>) -> Result<Term<V>> {
    let shape = term.value.shape();
    let kept: Vec<usize> = (0..shape.len()).filter(|&k| shape[k] != 1).collect();
    let value = reshaped(&term.value, &kept.iter().map(|&k| shape[k]).collect::<Shape>())?;
    Ok(Term { value, labels: kept.iter().map(|&k| term.labels[k]).collect() })
}

/// Axes paired by their place: what a product over given axes of both says in letters.
pub(super) fn tensordot<T: Float, V: Value<T>>(a: &V, b: &V, axes_a: &[isize], axes_b: &[isize]) -> Result<V> {
    let op = "tensordot";
    let (from, to) = (a.shape(), b.shape());
    let resolve = |axes: &[isize], shape: &[usize]| -> Result<Vec<usize>> {
        let axes: Vec<usize> = axes.iter().map(|&axis| resolve_axis(op, axis, shape)).collect::<Result<_>>()?;
        match axes.iter().enumerate().find(|(i, axis)| axes[..*i].contains(axis)) {
            Some((_, &axis)) => Err(Error::Axis { op, axis: axis as isize, shape: shape.into() }),
            None => Ok(axes),
        }
    };
    let (of_a, of_b) = (resolve(axes_a, &from)?, resolve(axes_b, &to)?);
    if of_a.iter().map(|&i| from[i]).ne(of_b.iter().map(|&i| to[i])) {
        let hint = format!("axes {axes_a:?} do not have the sizes of axes {axes_b:?} of {to:?}");
        return Err(Error::Shape { op, shape: from.as_slice().into(), hint });
    }
    let other = |i: usize| from.len() as Label + i as Label;
    let named = |i: usize| of_b.iter().position(|&k| k == i).map_or(other(i), |k| of_a[k] as Label);
    let a = Term { value: a.clone(), labels: (0..from.len() as Label).collect() };
    let b = Term { value: b.clone(), labels: (0..to.len()).map(named).collect() };
    let kept = |l: &Label| !of_a.contains(&(*l as usize));
    let output: Vec<Label> = a.labels.iter().chain(&b.labels).copied().filter(kept).collect();
    Ok(contract(&a, &b, &output)?.value)
}

macro_rules! product_methods {
    () => {
        twins! {
            /// The sum of the products of two vectors of one length.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].dot(tensor![3.0, 4.0]).item(), 11.0);
            /// ```
            dot, try_dot(b: impl Borrow<Self>) |a| {
                einsum::vectors("dot", &[a, b.borrow()])?;
                a.try_matmul(b)
            }

            /// All products of the elements of two vectors: `out[i][j] = a[i]·b[j]`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].outer(tensor![3.0, 4.0]), tensor![[3.0, 4.0], [6.0, 8.0]]);
            /// ```
            outer, try_outer(b: impl Borrow<Self>) |a| {
                einsum::vectors("outer", &[a, b.borrow()])?;
                a.try_unsqueeze(-1)?.try_mul(b)
            }

            /// The Kronecker product: each element of this tensor times all of the other.
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

            /// The product over the given axes of both, pair by pair; the axes left of this tensor come first.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![[1.0, 0.0], [0.0, 1.0]]);
            /// assert_eq!(a.tensordot(&b, &[0, 1], &[0, 1]).item(), 5.0);
            /// ```
            tensordot, try_tensordot(b: impl Borrow<Self>, axes_a: &[isize], axes_b: &[isize]) |a| {
                if axes_a.len() != axes_b.len() {
                    let hint = format!("axes {axes_a:?} and {axes_b:?} do not pair");
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
                    let hint = "a weight is [out, in]".into();
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

        /// Σ over the labels that the output lacks of the products of the operands: `"ij,jk->ik"` is a matrix product.
        ///
        /// A label per axis; a label twice in one operand is its diagonal; `...` stands for any axes, which broadcast;
        /// without `->` the output has the labels that occur once, in alphabetical order. Operands are multiplied two at
        /// a time, those with the smallest product first, as matrices.
        ///
        /// ```
        /// # use autograd::{Tensor, tensor};
        /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![1.0, 10.0]);
        /// assert_eq!(Tensor::einsum("ij,j->i", &[a.clone(), b]), tensor![21.0, 43.0]);
        /// assert_eq!(Tensor::einsum("ii->i", &[a]), tensor![1.0, 4.0]);
        /// ```
        /// # Panics
        /// If the equation does not fit the operands; [`try_einsum`](Self::try_einsum) returns the error.
        #[track_caller]
        pub fn einsum(equation: &str, operands: &[Self]) -> Self {
            or_panic(Self::try_einsum(equation, operands))
        }

        /// As [`einsum`](Self::einsum), or what is wrong with the equation or the operands.
        #[track_caller]
        pub fn try_einsum(equation: &str, operands: &[Self]) -> Result<Self> {
            einsum::einsum(equation, &operands.iter().collect::<Vec<_>>())
        }
    };
}
pub(super) use product_methods;

/// An error unless all are vectors.
pub(super) fn vectors<T: Float, V: Value<T>>(op: &'static str, x: &[&V]) -> Result<()> {
    match x.iter().map(|x| x.shape()).find(|shape| shape.len() != 1) {
        Some(shape) => Err(Error::Shape { op, shape: shape.as_slice().into(), hint: "it takes vectors".into() }),
        None => Ok(()),
    }
}
