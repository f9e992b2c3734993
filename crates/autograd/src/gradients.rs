//! [`Gradients`]: what a reverse sweep found, by variable.

use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::op::Op;
use crate::tape::Code;
use crate::tensor::Tensor;
use crate::value::Value;
use crate::var::Var;
use smallvec::SmallVec;

/// The derivatives of one output: a cotangent for each variable it depends on.
#[derive(Debug, Clone, Default)]
pub struct Gradients<T: Float> {
    /// By ascending id.
    pub(crate) entries: SmallVec<[(u32, Tensor<T>); 16]>,
    pub(crate) stamp: u64,
}

impl<T: Float> Gradients<T> {
    /// The derivative with respect to `x`, of the shape of `x`: zeros if the output does not depend on it.
    ///
    /// # Panics
    /// If `x` is of another tape, or was computed rather than created with `tape.var`: for those, ask
    /// [`backward_wrt`](Var::backward_wrt).
    #[track_caller]
    pub fn wrt(&self, x: Var<'_, T>) -> Tensor<T> {
        or_panic(self.try_wrt(x))
    }

    /// The derivative with respect to `x`, or what is wrong with asking for it.
    pub fn try_wrt(&self, x: Var<'_, T>) -> Result<Tensor<T>> {
        if let Some(g) = self.try_get(x)? {
            return Ok(g.clone());
        }
        if x.tape.list().node(x.id).0 != Code::Leaf {
            let hint = format!(
                "Var #{} was computed, and backward() keeps gradients of variables only: use backward_wrt",
                x.id
            );
            return Err(Error::Argument { op: "wrt", hint });
        }
        Tensor::try_apply(Op::Expand { shape: x.shape() }, &[&Tensor::scalar(T::zero())])
    }

    /// The derivative with respect to `x`, or `None` if the output does not depend on it (or `x` was not asked for).
    ///
    /// # Panics
    /// If `x` is of another tape.
    #[track_caller]
    pub fn get(&self, x: Var<'_, T>) -> Option<&Tensor<T>> {
        or_panic(self.try_get(x))
    }

    fn try_get(&self, x: Var<'_, T>) -> Result<Option<&Tensor<T>>> {
        if x.tape.list().stamp != self.stamp {
            return Err(Error::Foreign { op: "wrt" });
        }
        Ok(self.find(x.id))
    }

    /// The derivative with respect to a node of the tape that this is of.
    pub(crate) fn find(&self, id: u32) -> Option<&Tensor<T>> {
        self.entries.binary_search_by_key(&id, |e| e.0).ok().map(|at| &self.entries[at].1)
    }

    /// Takes the derivative with respect to `x` out, so that its memory can be changed in place.
    ///
    /// # Panics
    /// If `x` is of another tape.
    #[track_caller]
    pub fn take(&mut self, x: Var<'_, T>) -> Option<Tensor<T>> {
        or_panic(self.try_get(x))?;
        let at = self.entries.binary_search_by_key(&x.id, |e| e.0).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// Number of variables with a derivative.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no variable has one.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
