//! The reverse sweep, written once, from the output back along the list: each node's rule propagates its cotangent to
//! its inputs. Over tensors it computes derivatives; over variables it also records them, so they can be differentiated
//! again.

use super::gradients::Table;
use super::source::{Computed, Lookup, Mark, Recorded, Source, reaching};
#[cfg(feature = "linalg")]
use super::ties;
use super::{Gradients, Swept};
use crate::error::{Error, Result, or_panic};
use crate::float::once;
use crate::float::{Few, Float};
#[cfg(feature = "linalg")]
use crate::op::Factor;
use crate::op::{Op, Side};
use crate::rules::{Cotangents, vjp};
use crate::tape::{Code, List, Structured, Var};
use crate::tensor::{IntoTensor, Rows, Tensor};
use smallvec::{SmallVec, smallvec};
use std::borrow::Borrow;
use std::cell::RefCell;
use std::panic::Location;

impl<'t, T: Float> Var<'t, T> {
    /// The gradients of this scalar with respect to every variable it depends on, as tensors. Adds nothing to the tape.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0, 3.0]);
    /// let gradients = (x * x).sum().backward();
    /// assert_eq!(gradients.wrt(x).to_vec(), [2.0, 4.0, 6.0]);
    /// ```
    /// # Panics
    /// Panics if this does not have exactly one element; [`try_backward`](Var::try_backward) returns the error instead,
    /// and [`vjp`](Var::vjp) takes a cotangent for outputs of any shape.
    #[track_caller]
    pub fn backward(self) -> Gradients<T> {
        or_panic(self.try_backward())
    }

    /// The gradients of this scalar, or an error if it does not have exactly one element.
    pub fn try_backward(self) -> Result<Gradients<T>> {
        self.check_computed("backward")?;
        let seed = self.unit_seed("backward")?;
        Ok(self.reverse(seed, None))
    }

    /// Like [`backward`](Var::backward), but only with respect to `x`, which may include computed values. Sweeps only
    /// the paths that lead to `x`.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let z = x * x;
    /// assert_eq!((3.0 * z).backward_wrt(&[z]).wrt(z).item(), 3.0);
    /// ```
    /// # Panics
    /// Panics if this does not have exactly one element, or a `Var` belongs to another tape.
    #[doc(alias = "retain_grad")]
    #[track_caller]
    pub fn backward_wrt(self, x: &[Var<'t, T>]) -> Gradients<T> {
        or_panic(self.check_computed("backward_wrt"));
        let seed = or_panic(self.unit_seed("backward_wrt"));
        or_panic(self.check_tape("backward_wrt", x));
        self.reverse(seed, Some(x))
    }

    /// The vector-Jacobian product: the gradients of `Σ cotangent · self`, for an output of any shape.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0, 3.0]);
    /// assert_eq!((x * x).vjp([1.0, 0.0, 10.0]).wrt(x).to_vec(), [2.0, 0.0, 60.0]);
    /// ```
    /// # Panics
    /// Panics if the cotangent does not have the shape of this value; [`try_vjp`](Var::try_vjp) returns the error
    /// instead.
    #[track_caller]
    pub fn vjp(self, cotangent: impl IntoTensor<T>) -> Gradients<T> {
        or_panic(self.try_vjp(cotangent))
    }

    /// The vector-Jacobian product, or an error if the cotangent does not have the shape of this value.
    #[track_caller]
    pub fn try_vjp(self, cotangent: impl IntoTensor<T>) -> Result<Gradients<T>> {
        self.check_computed("vjp")?;
        let cotangent = cotangent.into_tensor();
        if *cotangent.shape() != *self.shape() {
            let hint = format!("the cotangent must have the shape of the output, {:?}", self.shape());
            return Err(Error::Shape { op: "vjp", shape: cotangent.shape().into(), hint });
        }
        Ok(self.reverse(cotangent, None))
    }

    /// The gradients with respect to `x`, recorded as variables, which can be differentiated again to any order.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let y = x * x * x;
    /// let dy = y.grad(&[x])[0]; // 3x²
    /// let d2y = dy.grad(&[x])[0]; // 6x
    /// assert_eq!((dy.item(), d2y.item()), (12.0, 12.0));
    /// ```
    /// # Panics
    /// Panics if this does not have exactly one element, or a `Var` belongs to another tape;
    /// [`try_grad`](Var::try_grad) returns the error instead.
    #[track_caller]
    pub fn grad(self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        or_panic(self.try_grad(x))
    }

    /// The recorded gradients with respect to `x`, or an error.
    #[track_caller]
    pub fn try_grad(self, x: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> {
        let seed = self.tape.constant(self.unit_seed("grad")?);
        self.try_grad_with(seed, x)
    }

    /// Like [`grad`](Var::grad), for an output of any shape and a recorded cotangent of that shape.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let dx = (x * x).try_grad_with(tape.constant([1.0, 10.0]), &[x])?[0]; // recorded
    /// assert_eq!(dx.value().to_vec(), [2.0, 40.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the cotangent does not have the shape of this value, or a `Var` belongs to another tape.
    #[track_caller]
    pub fn try_grad_with(self, cotangent: Var<'t, T>, x: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> {
        self.check_tape("grad", x)?;
        self.check_tape("grad", &[cotangent])?;
        if cotangent.shape() != self.shape() {
            let hint = format!("the cotangent must have the shape of the output, {:?}", self.shape());
            return Err(Error::Shape { op: "grad", shape: cotangent.shape().as_slice().into(), hint });
        }
        Ok(self.grad_with(cotangent, x, false))
    }

    /// The recorded derivatives. With `partial`, each is a partial derivative that holds the other `x` fixed, even if
    /// they depend on one another.
    #[track_caller]
    pub(crate) fn grad_with(self, cotangent: Var<'t, T>, x: &[Var<'t, T>], partial: bool) -> Vec<Var<'t, T>> {
        recorded(self, cotangent, x, partial, Location::caller())
    }

    /// Like [`backward`](Var::backward), but reuses the memory of existing gradients.
    ///
    /// ```
    /// let (mut tape, mut gradients) = (autograd::Tape::<f64>::new(), autograd::Gradients::default());
    /// for step in 0..3 {
    ///     let x = tape.var([f64::from(step); 2]);
    ///     x.square().sum().backward_into(&mut gradients);
    ///     assert_eq!(gradients.wrt(x).to_vec(), [2.0 * f64::from(step); 2]);
    ///     tape.clear();
    /// }
    /// ```
    /// # Panics
    /// Panics if this does not have exactly one element.
    #[track_caller]
    pub fn backward_into(self, gradients: &mut Gradients<T>) {
        or_panic(self.check_computed("backward_into"));
        let seed = or_panic(self.unit_seed("backward_into"));
        let reused = std::mem::take(gradients);
        *gradients = self.reverse_into(seed, None, reused);
    }

    pub(crate) fn unit_seed(self, op: &'static str) -> Result<Tensor<T>> {
        let shape = self.shape();
        if shape.iter().any(|&d| d != 1) {
            return Err(Error::NotScalar { op, shape: shape.as_slice().into() });
        }
        Ok(Tensor::full(&shape, T::one()))
    }

    /// Returns an error on a sketch, which has no values to sweep over.
    pub(crate) fn check_computed(self, op: &'static str) -> Result<()> {
        let hint = || "a sketch computes nothing: record the derivative with grad and compile it".into();
        if self.tape.list().is_sketch() { Err(Error::Argument { op, hint: hint() }) } else { Ok(()) }
    }

    fn check_tape(self, op: &'static str, x: &[Var<'t, T>]) -> Result<()> {
        let foreign = x.iter().any(|x| !std::ptr::eq(x.tape, self.tape));
        if foreign { Err(Error::Foreign { op }) } else { Ok(()) }
    }

    #[track_caller]
    pub(crate) fn reverse(self, seed: Tensor<T>, x: Option<&[Var<'t, T>]>) -> Gradients<T> {
        self.reverse_into(seed, x, Gradients::default())
    }

    /// Sweeps over tensors. Keeps the cotangents of the leaves, or only those of `x` if given.
    #[track_caller]
    fn reverse_into(self, seed: Tensor<T>, x: Option<&[Var<'t, T>]>, mut out: Gradients<T>) -> Gradients<T> {
        self.tape.note_read(self.id, Location::caller());
        computed(self, seed, x, &mut out);
        out
    }
}

once! {
    /// Sweeps over tensors, and puts the gradients into `out`.
    fn computed<'t, T>(root: Var<'t, T>, seed: Tensor<T>, x: Option<&[Var<'t, T>]>, out: &mut Gradients<T>) {
        out.tables.clear();
        #[cfg(feature = "linalg")]
        if ties::meets(root, x) {
            return ties::reverse(root, seed, x, out);
        }
        let mut bars = root.tape.take_cotangents();
        let marks = x.map(|x| reaching(&root.tape.list(), root.id, x));
        let list = match &marks {
            Some(marks) => root.tape.filled_for(root.id, &|id| marks[id as usize] != Mark::Skip),
            None => root.tape.list(),
        };
        out.entries.clear();
        out.stamp = list.stamp;
        let tables = if marks.is_none() { list.tables_by_rows(root.id) } else { Vec::new() };
        let source = Computed { list: &list, marks: marks.as_deref(), tables: &tables, lookups: RefCell::default() };
        bars.resize(bars.len().max(root.id as usize + 1), None);
        sweep(&source, root.id, seed, &mut bars, |id, g| out.entries.push((id, g.clone())));
        out.entries.reverse();
        let lookups = source.lookups.into_inner();
        tables.iter().for_each(|&table| add_table(&list, table, &lookups, out));
        drop(list);
        root.tape.give_cotangents(bars);
    }

    /// Sweeps over variables; `line` is that of zeros for what `root` does not depend on.
    fn recorded<'t, T>(
        root: Var<'t, T>,
        cotangent: Var<'t, T>,
        x: &[Var<'t, T>],
        partial: bool,
        line: &'static Location<'static>,
    ) -> Vec<Var<'t, T>> {
        let marks = reaching(&root.tape.list(), root.id, x);
        let mut bars = vec![None; root.id as usize + 1];
        let (lines, parts) = (root.tape.attribute(), RefCell::default());
        let source = Recorded { var: root, marks: &marks, partial, lines, parts };
        let mut kept: Vec<(u32, Var<T>)> = Vec::with_capacity(x.len());
        sweep(&source, root.id, cotangent, &mut bars, |id, g| kept.push((id, *g)));
        kept.reverse();
        let found = |x: &Var<'t, T>| kept.binary_search_by_key(&x.id, |k| k.0).ok().map(|at| kept[at].1);
        let zeros = |x: &Var<'t, T>| root.tape.constant_at(Tensor::zeros(&x.shape()), line);
        x.iter().map(|x| found(x).unwrap_or_else(|| zeros(x))).collect()
    }
}

/// Adds the derivatives with respect to rows of tables to the gradients, if there are any.
fn add_table<T: Float>(list: &List<T>, table: u32, lookups: &[Lookup<T>], out: &mut Gradients<T>) {
    let (mut parts, mut nodes) = (Vec::new(), Vec::new());
    for (id, g) in lookups.iter().filter(|(id, _)| list.inputs(*id)[0] == table) {
        if let Op::Take { index, .. } = &list.structured(*id).op {
            parts.push((index.clone(), g.clone()));
            nodes.push(*id);
        }
    }
    if nodes.is_empty() {
        return;
    }
    let (rows, sums) = Rows::sum(&parts, &list.shape(table));
    let at = out.entries.partition_point(|(id, _)| *id < table);
    out.entries.insert(at, (table, sums));
    out.tables.push(Table { id: table, rows, lookups: nodes });
}

/// The sweep. `bars[i]` is the cotangent of node `i`; `bars` is empty before and after. `found` receives each wanted
/// cotangent once all its contributions have been added.
pub(crate) fn sweep<T: Float, V: Swept<T>, S: Source<T, V>>(
    source: &S,
    root: u32,
    seed: V,
    bars: &mut [Option<V>],
    mut found: impl FnMut(u32, &V),
) {
    bars[root as usize] = Some(seed);
    let mut end = root + 1;
    while let Some(id) = source.ahead(bars, end).checked_sub(1) {
        end = id;
        source.settle(id, &mut bars[id as usize]);
        let Some(g) = bars[id as usize].take() else { continue };
        if source.wants(id) {
            found(id, &g);
        }
        if source.ends(id) {
            continue;
        }
        let (code, [a, b]) = source.node(id);
        match code {
            Code::Leaf | Code::Const => (),
            Code::Unary(op) => {
                if source.needs(a) {
                    let (x, y) = (source.at(a), source.at(id));
                    source.settle(a, &mut bars[a as usize]);
                    V::contribute_unary(&mut bars[a as usize], op, x.borrow(), y.borrow(), &g);
                }
            }
            Code::Binary(op) => {
                for (side, input) in [(Side::A, a), (Side::B, b)] {
                    if source.needs(input) && op.is_differentiable() {
                        let (p, q, y) = (source.at(a), source.at(b), source.at(id));
                        let operands = [p.borrow(), q.borrow(), y.borrow(), &g];
                        source.settle(input, &mut bars[input as usize]);
                        V::contribute_binary(&mut bars[input as usize], op, side, operands);
                    }
                }
            }
            Code::Structured => {
                let node = source.structured(id);
                let Structured { op, inputs } = &*node;
                if inputs.first().is_some_and(|&x| source.keep_lookup(id, x, &g)) {
                    continue;
                }
                if let [x] = inputs[..]
                    && picks_a_part(op)
                    && source.needs(x)
                    && source.add_part(x, &mut bars[x as usize], op, &g)
                {
                    continue;
                }
                let d = structured(source, id, op, inputs, &g);
                for (&input, d) in inputs.iter().zip(d) {
                    if let Some(d) = d.filter(|_| source.needs(input)) {
                        source.settle(input, &mut bars[input as usize]);
                        V::contribute(&mut bars[input as usize], d);
                    }
                }
            }
        }
    }
}

/// Whether an op picks elements of its input by position.
fn picks_a_part(op: &Op) -> bool {
    matches!(op, Op::Slice { .. } | Op::Take { .. } | Op::Gather { .. })
}

/// The cotangents of the inputs of a structured op.
pub(super) fn structured<T: Float, V: Swept<T>, S: Source<T, V>>(
    source: &S,
    id: u32,
    op: &Op,
    inputs: &[u32],
    g: &V,
) -> Cotangents<V> {
    if !inputs.iter().any(|&i| source.needs(i)) {
        return smallvec![];
    }
    let x: SmallVec<[S::At<'_>; 16]> = inputs.iter().map(|&i| source.at(i)).few();
    let x: SmallVec<[&V; 16]> = x.iter().map(|x| x.borrow()).few();
    let y = source.at(id);
    match op {
        Op::Custom { id } => source.custom_vjp(*id, &x, y.borrow(), g),
        #[cfg(feature = "linalg")]
        Op::Linalg(Factor::Eigh | Factor::Svd) => {
            let changes = g.changes(y.borrow());
            let with_changes: SmallVec<[&V; 16]> = x.iter().copied().chain(&changes).few();
            vjp(op, &with_changes, y.borrow(), g, &|i| source.needs(inputs[i]))
        }
        op => vjp(op, &x, y.borrow(), g, &|i| source.needs(inputs[i])),
    }
}
