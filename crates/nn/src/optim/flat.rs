//! All trainable parameters of a model as one vector.

use super::ParamGradients;
use crate::{Parameters, Path};
use autograd::Float;

/// The gradients of all trainable parameters as one vector; missing gradients are 0.
pub(super) fn flat_gradient<T: Float, M: Parameters<T> + ?Sized>(
    model: &M,
    gradients: &ParamGradients<T>,
    path: &mut Path,
) -> Vec<T> {
    let (mut flat, mut place) = (Vec::new(), 0);
    model.visit(path, &mut |_, param| {
        if param.is_trainable() {
            match gradients.dense(place) {
                Some(g) => flat.extend(g.iter()),
                None => flat.resize(flat.len() + param.value().len(), T::zero()),
            }
        }
        place += 1;
    });
    flat
}

/// Whether each parameter or buffer is trainable.
pub(super) fn which_trainable<T: Float, M: Parameters<T> + ?Sized>(model: &M) -> Vec<bool> {
    let mut trainable = Vec::new();
    model.visit(&mut Path::default(), &mut |_, param| trainable.push(param.is_trainable()));
    trainable
}

/// All trainable parameters as one vector.
pub(super) fn flat_values<T: Float, M: Parameters<T> + ?Sized>(model: &M, path: &mut Path) -> Vec<T> {
    let mut flat = Vec::new();
    model.visit(path, &mut |_, param| {
        if param.is_trainable() {
            flat.extend(param.value().iter());
        }
    });
    flat
}

/// Trainable parameters ← start + t · d
pub(super) fn set_values<T: Float, M: Parameters<T> + ?Sized>(
    model: &mut M,
    start: &[T],
    t: f64,
    d: &[T],
    path: &mut Path,
) {
    let (t, mut values) = (T::of(t), start.iter().zip(d));
    model.visit_mut(path, &mut |_, param| {
        if param.is_trainable() {
            let moved = values.by_ref().map(|(&x, &d)| x + t * d);
            param.value_mut().make_mut().iter_mut().zip(moved).for_each(|(x, moved)| *x = moved);
        }
    });
}
