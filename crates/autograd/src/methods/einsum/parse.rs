//! Parses an equation into operands with labeled axes.

use super::{ELLIPSIS, Label, Permuted, Term, reshaped};
use crate::error::{Error, Result};
use crate::float::{Few, Float};
use crate::op::Op;
use crate::tensor::Shape;
use crate::tensor::layout::count;
use crate::tensor::view::Span;
use crate::value::Value;
use std::collections::BTreeMap;

/// Returns the operands with labeled axes (diagonals taken, axes of size 1 removed, since they broadcast) and the
/// labels of the output.
pub(super) fn parse<T: Float, V: Value<T>>(equation: &str, operands: &[&V]) -> Result<(Vec<Term<V>>, Vec<Label>)> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = text.split_once("->").map_or((text.as_str(), None), |(i, o)| (i, Some(o)));
    let subscripts: Vec<&str> = inputs.split(',').collect();
    if subscripts.len() != operands.len() || operands.is_empty() {
        return error(equation, format!("it names {} operands, but {} were given", subscripts.len(), operands.len()));
    }
    let mut named = Vec::new();
    for (subscript, x) in subscripts.iter().zip(operands) {
        named.push(axes(equation, subscript, Some(x.shape().len()))?);
    }
    let dots = named.iter().flatten().filter(|&&l| l >= ELLIPSIS).map(|l| l - ELLIPSIS + 1).max().unwrap_or(0);
    // The size of each label: its size in the operands where that is not 1.
    let mut sizes: BTreeMap<Label, usize> = Default::default();
    for (labels, x) in named.iter().zip(operands) {
        for (&label, &d) in labels.iter().zip(&x.shape()) {
            let size = sizes.entry(label).or_insert(d);
            if *size == 1 {
                *size = d;
            } else if d != 1 && d != *size {
                return error(equation, format!("axes with the same label have sizes {size} and {d}"));
            }
        }
    }
    let output = match output {
        Some(output) => {
            let labels = axes(equation, output, output.contains("...").then(|| letters(output) + dots as usize))?;
            if labels.iter().any(|l| !sizes.contains_key(l)) {
                return error(equation, "the output must contain only labels of the operands");
            }
            labels
        }
        None => {
            let all: Vec<Label> = named.concat();
            let once = sizes.keys().filter(|&&l| l < ELLIPSIS && all.iter().filter(|&&k| k == l).count() == 1);
            (0..dots).rev().map(|i| ELLIPSIS + i).chain(once.copied()).collect()
        }
    };
    // Repeated output labels multiply the size: reject outputs that cannot be addressed before computing any part of
    // them.
    count("einsum", &output.iter().map(|l| sizes[l]).few::<[_; 6]>())?;
    let mut terms = Vec::new();
    for (labels, &x) in named.into_iter().zip(operands) {
        let mut term = Term { value: x.clone(), labels };
        while let Some(pair) = repeated(&term.labels) {
            let [i, j] = pair;
            if term.value.shape()[i] != term.value.shape()[j] {
                return error(equation, "the axes of a diagonal must have the same size");
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

/// One label per axis of a tensor of the given rank, which defaults to the number of letters.
fn axes(equation: &str, subscript: &str, rank: Option<usize>) -> Result<Vec<Label>> {
    let letters = letters(subscript);
    let (before, after) = subscript.split_once("...").map_or((subscript, None), |(b, a)| (b, Some(a)));
    let rank = rank.unwrap_or(letters);
    if rank < letters || (after.is_none() && rank != letters) {
        return error(equation, format!("`{subscript}` does not fit an operand of rank {rank}"));
    }
    if let Some(c) = before.chars().chain(after.unwrap_or("").chars()).find(|c| !c.is_ascii_alphabetic()) {
        return error(equation, format!("`{c}` is not a label: use letters, `...`, `,` and one `->`"));
    }
    let dots = (0..rank - letters).rev().map(|i| ELLIPSIS + i as Label);
    Ok(before.chars().map(Label::from).chain(dots).chain(after.unwrap_or("").chars().map(Label::from)).collect())
}

/// Two axes with the same label, if there are any.
fn repeated(labels: &[Label]) -> Option<[usize; 2]> {
    (0..labels.len()).find_map(|j| labels[..j].iter().position(|l| *l == labels[j]).map(|i| [i, j]))
}

/// The diagonal of two axes, as the last axis: every (n + 1)-th element of the merged axes.
fn diagonal<T: Float, V: Value<T>>(term: Term<V>, [i, j]: [usize; 2]) -> Result<Term<V>> {
    let shape = term.value.shape();
    let n = shape[i];
    let others: Vec<usize> = (0..shape.len()).filter(|k| ![i, j].contains(k)).collect();
    let both = term.value.permuted(&[others.clone(), vec![i, j]].concat())?;
    let mut flat: Shape = others.iter().map(|&k| shape[k]).few();
    flat.push(count("einsum", &[n, n])?);
    let mut spans = Span::whole(&flat);
    spans[others.len()] = Span { start: 0, len: n, step: n as isize + 1 };
    let value = V::try_apply(Op::Slice { spans }, &[&reshaped(&both, &flat)?])?;
    let labels = others.iter().chain([&i]).map(|&k| term.labels[k]).collect();
    Ok(Term { value, labels })
}

/// Removes the axes of size 1: they do not change the product, and they broadcast where their label is larger.
fn without_ones<T: Float, V: Value<T>>(term: Term<V>) -> Result<Term<V>> {
    let shape = term.value.shape();
    let kept: Vec<usize> = (0..shape.len()).filter(|&k| shape[k] != 1).collect();
    let value = reshaped(&term.value, &kept.iter().map(|&k| shape[k]).few::<[_; 6]>())?;
    Ok(Term { value, labels: kept.iter().map(|&k| term.labels[k]).collect() })
}

fn error<V>(equation: &str, why: impl std::fmt::Display) -> Result<V> {
    Err(Error::Argument { op: "einsum", hint: format!("`{equation}`: {why}") })
}
