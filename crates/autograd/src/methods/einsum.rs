//! Einstein summation: products of tensors of any rank by the labels of their axes, computed as batched matrix
//! products.

mod parse;

use crate::error::{Error, Result};
use crate::float::{Few, Float};
use crate::op::{Fold, Op};
use crate::tensor::layout::{count, resolve_axis};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape};
use crate::value::Value;
use parse::parse;

/// The label of an axis: a letter, or a number above all letters for an axis of the ellipsis, counted from the last.
type Label = u32;
const ELLIPSIS: Label = 1000;

/// An operand with a label for each axis.
struct Term<V> {
    value: V,
    labels: Vec<Label>,
}

/// Sums the product of the operands over the labels that the output does not have. Contracts two operands at a time,
/// the cheapest pair first.
pub(super) fn einsum<T: Float, V: Value<T>>(equation: &str, operands: &[&V]) -> Result<V> {
    let (mut terms, named) = parse(equation, operands)?;
    let mut output = named.clone();
    output.retain(first_only());
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
    let term = terms.pop().expect("the parser requires an operand");
    // An output label that is missing from the last term had size 1 in every operand.
    let missing: Vec<Label> = output.iter().copied().filter(|l| !term.labels.contains(l)).collect();
    let labels = [missing, term.labels].concat();
    let ones = [vec![1; labels.len() - term.value.shape().len()], term.value.shape().to_vec()].concat();
    let order: Shape = output.iter().filter_map(|l| labels.iter().position(|k| k == l)).few();
    on_diagonals(Term { value: reshaped(&term.value, &ones)?.permuted(&order)?, labels: output }, &named)
}

/// Holds for the first occurrence of each label.
fn first_only() -> impl FnMut(&Label) -> bool {
    let mut seen = Vec::new();
    move |label| {
        let new = !seen.contains(label);
        seen.push(*label);
        new
    }
}

/// Writes the term on the diagonals of axes with the same label, with zeros elsewhere.
fn on_diagonals<T: Float, V: Value<T>>(mut term: Term<V>, labels: &[Label]) -> Result<V> {
    let mut first = first_only();
    for label in labels.iter().filter(|label| !first(label)) {
        let (shape, rank) = (term.value.shape(), term.labels.len());
        let axis = term.labels.iter().position(|l| l == label).expect("a label of the output");
        let others: Vec<usize> = (0..rank).filter(|&k| k != axis).collect();
        let n = shape[axis];
        let mut flat: Shape = others.iter().map(|&k| shape[k]).few();
        let mut spans = Span::whole(&flat);
        spans.push(Span { start: 0, len: n, step: n as isize + 1 });
        let square: Shape = flat.iter().copied().chain([n, n]).few();
        flat.push(count("einsum", &[n, n])?);
        let last = term.value.permuted(&[others.clone(), vec![axis]].concat())?;
        let value = reshaped(&V::try_apply(Op::Place { spans, shape: flat }, &[&last])?, &square)?;
        let labels = others.iter().map(|&k| term.labels[k]).chain([*label; 2]).collect();
        term = Term { value, labels };
    }
    let mut left: Vec<Option<Label>> = term.labels.iter().copied().map(Some).collect();
    let mut next = |label: &Label| left.iter().position(|l| *l == Some(*label)).inspect(|&k| left[k] = None);
    let order: Vec<usize> = labels.iter().filter_map(&mut next).collect();
    term.value.permuted(&order)
}

trait Permuted<T: Float>: Value<T> {
    /// Reorders the axes.
    fn permuted(&self, order: &[usize]) -> Result<Self> {
        let same = order.iter().enumerate().all(|(i, &axis)| i == axis);
        if same { Ok(self.clone()) } else { Self::try_apply(Op::Permute { order: order.into() }, &[self]) }
    }
}

impl<T: Float, V: Value<T>> Permuted<T> for V {}

fn reshaped<T: Float, V: Value<T>>(x: &V, shape: &[usize]) -> Result<V> {
    if *x.shape() == *shape { Ok(x.clone()) } else { V::try_apply(Op::Reshape { shape: shape.into() }, &[x]) }
}

/// The labels of the output and of all terms outside the pair.
fn needed<V>(terms: &[Term<V>], output: &[Label], pair: [usize; 2]) -> Vec<Label> {
    let others = terms.iter().enumerate().filter(|(k, _)| !pair.contains(k)).flat_map(|(_, t)| &t.labels);
    output.iter().chain(others).copied().collect()
}

/// How much larger the product is than its factors.
fn growth<T: Float, V: Value<T>>(a: &Term<V>, b: &Term<V>, needed: &[Label]) -> f64 {
    let size = |t: &Term<V>, keep: &dyn Fn(&Label) -> bool| -> f64 {
        let shape = t.value.shape();
        t.labels.iter().zip(&shape).filter(|(l, _)| keep(l)).map(|(_, &d)| d as f64).product()
    };
    let product = size(a, &|l| needed.contains(l)) * size(b, &|l| needed.contains(l) && !a.labels.contains(l));
    product - size(a, &|_| true) - size(b, &|_| true)
}

/// The product of two terms, summed over the labels that they share and that are not needed later: one batched matrix
/// product.
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
    // Transposition flags keep the existing order of axes, so that operands are read in place.
    let first = |t: &Term<V>| t.labels.iter().find(|l| !batch.contains(l)).is_some_and(|l| summed.contains(l));
    let (ta, tb) = (first(a) && !rows.is_empty(), !first(b) && !columns.is_empty());
    let matrices = |t: &Term<V>, transposed: bool, [p, q]: [&[Label]; 2]| {
        let [p, q] = if transposed { [q, p] } else { [p, q] };
        let size = |labels: &[Label]| count("einsum", &sizes(t, labels));
        reshaped(&turned(t, [&batch, p, q])?, &[size(&batch)?, size(p)?, size(q)?])
    };
    let left = matrices(a, ta, [&rows, &summed])?;
    let right = matrices(b, tb, [&summed, &columns])?;
    let value = reshaped(&V::try_apply(Op::MatMul { ta, tb, precision: left.precision() }, &[&left, &right])?, &whole)?;
    Ok(Term { value, labels })
}

/// The product over given pairs of axes, expressed with labels.
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
        let hint = format!("axes {axes_a:?} do not have the same sizes as axes {axes_b:?} of {to:?}");
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
