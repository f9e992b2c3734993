//! [`Gradients`]: the result of a reverse sweep, by variable.

use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::op::Op;
use crate::tape::{Code, Ints, Var};
use crate::tensor::{Rows, Tensor};
use crate::value::Value;
use smallvec::SmallVec;

/// The derivatives of one output: a gradient for each variable it depends on.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let (x, y, unused) = (tape.var(3.0), tape.var(4.0), tape.var(5.0));
/// let mut gradients = (x * y).backward();
/// assert_eq!((gradients.wrt(x).item(), gradients.wrt(unused).item()), (4.0, 0.0));
/// assert_eq!((gradients.len(), gradients.is_empty(), gradients.get(unused)), (2, false, None));
/// let mut dy = gradients.take(y).unwrap(); // now it is ours to change in place
/// dy.make_mut()[0] *= 0.1;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Gradients<T: Float> {
    /// Sorted by ascending id.
    pub(crate) entries: SmallVec<[(u32, Tensor<T>); 16]>,
    /// The tables for which `entries` has only some rows.
    pub(super) tables: SmallVec<[Table; 1]>,
    pub(crate) stamp: u64,
}

/// A table in which only some rows have derivatives.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) id: u32,
    pub(super) rows: Rows,
    /// The nodes that look them up.
    pub(super) lookups: Vec<u32>,
}

impl<T: Float> Gradients<T> {
    /// The derivative with respect to `x`, with the shape of `x`; zeros if the output does not depend on it.
    ///
    /// # Panics
    /// If `x` belongs to another tape, or was computed rather than created with `tape.var`; for computed values, use
    /// [`backward_wrt`](Var::backward_wrt).
    #[track_caller]
    pub fn wrt(&self, x: Var<'_, T>) -> Tensor<T> {
        or_panic(self.try_wrt(x))
    }

    /// Like [`wrt`](Self::wrt), but returns the error.
    pub fn try_wrt(&self, x: Var<'_, T>) -> Result<Tensor<T>> {
        if let Some(g) = self.try_get(x)? {
            return Ok(self.table(x.id).map_or_else(|| g.clone(), |table| table.rows.dense(g)));
        }
        let hint = match x.tape.list().node(x.id).0 {
            Code::Leaf => None,
            Code::Const => {
                Some(format!("Var #{} is a constant, which derivatives do not reach: create it with tape.var", x.id))
            }
            _ => Some(format!(
                "Var #{} was computed, but backward() keeps only gradients of variables: use backward_wrt",
                x.id
            )),
        };
        if let Some(hint) = hint {
            return Err(Error::Argument { op: "wrt", hint });
        }
        Tensor::try_apply(Op::Expand { shape: x.shape() }, &[&Tensor::scalar(T::zero())])
    }

    /// The derivative with respect to `x`, or `None` if the output does not depend on it (or `x` was not requested). For a
    /// [table](crate::Tape::keyed_table), it has only some [`rows`](Gradients::rows).
    ///
    /// # Panics
    /// If `x` belongs to another tape.
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

    /// The derivative with respect to a node of the tape.
    pub(crate) fn find(&self, id: u32) -> Option<&Tensor<T>> {
        self.entries.binary_search_by_key(&id, |e| e.0).ok().map(|at| &self.entries[at].1)
    }

    /// Which rows the derivative with respect to a [table](crate::Tape::keyed_table) has; `None` if it has all.
    ///
    /// ```
    /// use autograd::{Tape, Tensor, tensor};
    /// let tape = Tape::<f64>::new();
    /// let (table, w) = (tape.keyed_table(0, &Tensor::ones(&[100, 2])), tape.var(3.0));
    /// let gradients = (table.take(0, &tensor![40_i64, 7]) * w).sum().backward();
    /// assert_eq!(gradients.rows(table).unwrap().index(), [7, 40]);
    /// assert!(gradients.rows(w).is_none());
    /// ```
    /// # Panics
    /// If `x` belongs to another tape.
    #[track_caller]
    pub fn rows(&self, x: Var<'_, T>) -> Option<&Rows> {
        or_panic(self.try_get(x))?;
        Some(&self.table(x.id)?.rows)
    }

    fn table(&self, id: u32) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }

    /// Removes and returns the derivative with respect to `x`, so that it can be modified in place.
    ///
    /// # Panics
    /// If `x` belongs to another tape.
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

    /// Whether no variable has a derivative.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The rows looked up in a table that derivatives reach, each with its indices.
pub fn lookups<'t, T: Float>(gradients: &Gradients<T>, table: Var<'t, T>) -> Vec<(Ints<'t, T>, Var<'t, T>)> {
    let lookup = |&id: &u32| {
        let (rows, tape) = (Var { id, ..table }, table.tape);
        let (op, node) = (rows.op(), tape.list().inputs(id).get(1).copied());
        let Op::Take { index, .. } = op else { unreachable!("{} looks up no rows", op.name()) };
        let index = match node {
            Some(id) => Ints { var: Var { id, ..table } },
            None => tape.integers(index),
        };
        (index, rows)
    };
    gradients.table(table.id).map_or_else(Vec::new, |table| table.lookups.iter().map(lookup).collect())
}
