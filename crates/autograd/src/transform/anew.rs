//! Functions that branch on values: how often a loop runs, how long a step is. Such a function is one node, which is
//! re-recorded on a separate tape whenever its value or a derivative is needed. Its recorded derivatives are such
//! functions too, to any order, so that a program branches again for new values.

use super::rule::{Recording, Traced, apart, applied, joined, recording, split};
use super::vmap::mapped;
use crate::error::Result;
use crate::float::Float;
use crate::op::Op;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use crate::value::Value;

/// The rule of a function that branches on the values of its first inputs.
#[derive(Clone)]
pub(super) struct Anew<T: Float> {
    pub(super) name: &'static str,
    pub(super) f: Recording<T>,
    /// The number of inputs that it branches on. The others are cotangents and tangents.
    pub(super) deciding: usize,
}

impl<T: Float> Anew<T> {
    /// The value, as a separate node: a loop without iterations returns its start.
    fn recorded<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let y = (self.f)(x)?;
        match x.iter().any(|x| x.id == y.id) {
            true => Value::try_apply(Op::Reshape { shape: y.shape() }, &[&y]),
            false => Ok(y),
        }
    }

    /// Another function with the same decisions.
    fn alike<F>(&self, f: F) -> Self
    where
        F: for<'t> Fn(&Self, &[Var<'t, T>]) -> Result<Var<'t, T>> + Send + Sync + 'static,
    {
        let this = self.clone();
        Anew { f: recording(move |x| f(&this, x)), ..*self }
    }
}

impl<T: Float> Traced<T> for Anew<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(apart(x, |x| Ok(vec![self.recorded(x)?]))?.swap_remove(0))
    }

    fn pull_apart(&self, x: &[&Tensor<T>], _: &Tensor<T>, g: &Tensor<T>) -> Result<Vec<Tensor<T>>> {
        let tape = Tape::new();
        let x: Vec<Var<T>> = x.iter().map(|&x| tape.var(x.clone())).collect();
        let gradients = self.recorded(&x)?.try_vjp(g.clone())?;
        Ok(x.iter().map(|x| gradients.wrt(*x)).collect())
    }

    fn push_apart(&self, x: &[&Tensor<T>], _: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        let tape = Tape::new();
        let x: Vec<Var<T>> = x.iter().map(|&x| tape.var(x.clone())).collect();
        let along: Vec<_> = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, t.clone()))).collect();
        self.recorded(&x)?.try_jvp(&along).map(Some)
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let bars = self.alike(|this, all| {
            let (g, x) = all.split_last().expect("a cotangent");
            joined(&this.recorded(x)?.grad_with(*g, x, true))
        });
        let all: Vec<Var<T>> = x.iter().copied().chain([g]).collect();
        split(applied(bars, &all)?, &x.iter().map(|x| x.shape()).collect::<Vec<_>>())
    }

    fn push<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let moving: Vec<usize> = (0..x.len()).filter(|&i| t[i].is_some()).collect();
        let all: Vec<Var<T>> = x.iter().copied().chain(t.iter().copied().flatten()).collect();
        let dot = self.alike(move |this, all| {
            let (x, t) = all.split_at(all.len() - moving.len());
            let along: Vec<_> = moving.iter().zip(t).map(|(&i, t)| (x[i], *t)).collect();
            this.recorded(x)?.try_jvp_recorded(&along)
        });
        applied(dot, &all).map(Some)
    }

    /// All samples at once, if all make the same decisions, like the directions of a Jacobian.
    fn map<'t>(&self, x: &[Var<'t, T>], batched: &[bool], _: usize) -> Option<Result<Var<'t, T>>> {
        if batched[..self.deciding].contains(&true) {
            return None;
        }
        let axes: Vec<Option<isize>> = batched.iter().map(|b| b.then_some(0)).collect();
        let all = self
            .alike(move |this, x| Ok(mapped(this.name, &|x| Ok(vec![this.recorded(x)?]), &axes, x)?.swap_remove(0)));
        Some(applied(all, x))
    }
}
