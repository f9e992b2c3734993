//! Replay: a recorded tape made ready to run again and again. Nothing is recorded, nothing is allocated, and what can be
//! done in one pass over memory is.
//!
//! A [`Program`] is made in four stages, one file each. `graph` takes from the tape what the outputs need, each thing
//! once and as simple as it gets (with `simplify`). `fuse` decides what runs together. `plan` gives every value its place
//! in memory. What a step does then is a loop: `map` over blocks of arrays, `scalar` over single numbers and short rows, or the
//! kernel of its op.

mod compile;
mod fuse;
mod graph;
mod map;
mod plan;
mod run;
mod scalar;
mod show;
mod simplify;

use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::once::once;
use crate::op::Op;
use crate::op::rule::DynRule;
use crate::tape::Tape;
use crate::tensor::{Shape, Tensor};
use crate::var::Var;
pub use compile::{Compiled, compile};
use graph::Graph;
use plan::Plan;
use std::sync::Arc;

/// A recorded computation, to be run again with other inputs.
///
/// What is frozen at recording: the operations and their shapes, every leaf and constant that is not named as an input, and
/// whatever Rust code decided or computed from values. What is computed anew: everything on the tape that depends on the
/// inputs.
///
/// ```
/// use autograd::{Program, Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([1.0, 2.0]);
/// let y = (x * x.sin()).sum();
/// let mut program = Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]); // a value and its gradient
///
/// let z = tensor![0.5, 3.0];
/// let out = program.run(&[&z])?;
/// assert_eq!(out[0].item(), 0.5 * 0.5f64.sin() + 3.0 * 3f64.sin());
/// assert_eq!(out[1].at(&[0]), 0.5f64.sin() + 0.5 * 0.5f64.cos());
/// # Ok::<(), autograd::Error>(())
/// ```
/// The bits are those of the recorded tape, in every run and on any number of threads, up to the sign of a zero: and so up to
/// what is made of that sign, as `1/x` makes of ±0 one infinity or the other.
///
/// Frozen at what recording found is whatever did not go through an op with inputs: what the closure around the tape decided
/// by values, and of the library itself the orders and masks that are tensors and no variables: the indices of `sort`, `topk`,
/// `max_dim` and their kin, comparisons (`is_gt`), labels that are not made [inputs](Draft::indices). [`compile`](crate::compile)
/// sees the values behind them being read, and refuses; here nobody looks.
pub struct Program<T: Float> {
    plan: Plan<T>,
    rules: Vec<Arc<dyn DynRule<T>>>,
    /// What a step reads and writes, by slot.
    values: Vec<Tensor<T>>,
    /// Memory that no value is in.
    blocks: Vec<Option<Arc<Vec<T>>>>,
    outputs: Vec<Tensor<T>>,
    /// The shape of each input.
    shapes: Vec<Shape>,
    indices: Vec<run::Index>,
    state: Vec<run::State>,
}

/// What a program is made of, before it is compiled.
pub struct Draft<'a, 't, T: Float> {
    tape: &'t Tape<T>,
    inputs: &'a [Var<'t, T>],
    indices: &'a [&'a Tensor<i64>],
    state: &'a [(Var<'t, T>, Var<'t, T>)],
    outputs: &'a [Var<'t, T>],
}

impl<T: Float> Program<T> {
    /// Compiles the part of a tape that leads from `inputs` to `outputs`.
    ///
    /// # Panics
    /// If an input is not a leaf or a constant or is named twice, or a `Var` is of another tape;
    /// [`try_new`](Program::try_new) returns the error.
    #[track_caller]
    pub fn new<'t>(tape: &'t Tape<T>, inputs: &[Var<'t, T>], outputs: &[Var<'t, T>]) -> Self {
        or_panic(Self::try_new(tape, inputs, outputs))
    }

    /// Compiles the part of a tape that leads from `inputs` to `outputs`, or says what is wrong.
    ///
    /// # Errors
    /// If an input is not a leaf or a constant or is named twice, a `Var` is of another tape, or memory has no room for
    /// all values at their largest.
    pub fn try_new<'t>(tape: &'t Tape<T>, inputs: &[Var<'t, T>], outputs: &[Var<'t, T>]) -> Result<Self> {
        Self::draft(tape).inputs(inputs).outputs(outputs).compile()
    }

    /// Begins a program that has more than inputs and outputs: integers that change from run to run, or a state.
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// // Gradient descent: w is kept by the program, and each run leaves a better one.
    /// let tape = Tape::<f64>::new();
    /// let w = tape.var([5.0, -3.0]);
    /// let loss = (w * w).sum();
    /// let better = w - 0.25 * loss.grad(&[w])[0];
    /// let mut program = Program::draft(&tape).state(&[(w, better)]).outputs(&[loss]).compile()?;
    /// assert_eq!(program.run(&[])?[0].item(), 34.0);
    /// assert_eq!(program.run(&[])?[0].item(), 8.5);
    /// assert_eq!(program.state(0), &tensor![1.25, -0.75]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn draft(tape: &Tape<T>) -> Draft<'_, '_, T> {
        Draft { tape, inputs: &[], indices: &[], state: &[], outputs: &[] }
    }
}

impl<'a, 't, T: Float> Draft<'a, 't, T> {
    /// Leaves or constants whose values each run is given.
    pub fn inputs(self, inputs: &'a [Var<'t, T>]) -> Self {
        Draft { inputs, ..self }
    }

    /// Integers (labels, rows to take) that each run is given anew. An op reads them if it was given this very tensor,
    /// a clone or a view of it.
    pub fn indices(self, indices: &'a [&'a Tensor<i64>]) -> Self {
        Draft { indices, ..self }
    }

    /// Leaves that the program keeps, and what each is to be in the next run. Where it can, it is changed in place.
    pub fn state(self, state: &'a [(Var<'t, T>, Var<'t, T>)]) -> Self {
        Draft { state, ..self }
    }

    /// What each run returns.
    pub fn outputs(self, outputs: &'a [Var<'t, T>]) -> Self {
        Draft { outputs, ..self }
    }

    /// The program.
    ///
    /// # Errors
    /// As [`Program::try_new`]; and if a state changes its shape, or an index tensor is one that no op reads.
    pub fn compile(self) -> Result<Program<T>> {
        compiled(self)
    }

    fn compile_here(self) -> Result<Program<T>> {
        const OP: &str = "program";
        let given: Vec<Var<'t, T>> = self.inputs.iter().copied().chain(self.state.iter().map(|s| s.0)).collect();
        let wanted: Vec<Var<'t, T>> = self.outputs.iter().copied().chain(self.state.iter().map(|s| s.1)).collect();
        if given.iter().chain(&wanted).any(|v| !std::ptr::eq(v.tape, self.tape)) {
            return Err(Error::Foreign { op: OP });
        }
        for (k, var) in given.iter().enumerate() {
            if !matches!(var.op(), Op::Leaf | Op::Const) {
                let hint =
                    format!("input {k} was computed (by {}): name the leaves it was computed from", var.op().name());
                return Err(Error::Argument { op: OP, hint });
            }
            if given[..k].iter().any(|other| other.id == var.id) {
                return Err(Error::Argument { op: OP, hint: format!("input {k} is named twice") });
            }
        }
        for (k, (now, next)) in self.state.iter().enumerate() {
            if now.shape() != next.shape() {
                let hint = format!("state {k} has shape {:?} and would next have {:?}", now.shape(), next.shape());
                return Err(Error::Shape { op: OP, shape: next.shape().as_slice().into(), hint });
            }
        }
        let ids = |vars: &[Var<'t, T>]| vars.iter().map(|v| v.id).collect::<Vec<_>>();
        let indices: Vec<Tensor<i64>> = self.indices.iter().map(|&i| i.clone()).collect();
        if let Some(k) = indices.iter().position(|i| i.rank() == 0 || i.as_slice().is_none()) {
            let hint = format!("index tensor {k} must be an array whose elements stand in a row: use contiguous()");
            return Err(Error::Shape { op: OP, shape: indices[k].shape().into(), hint });
        }
        let graph = Graph::slice(self.tape, &ids(&given), &ids(&wanted), &indices)?;
        let clusters = fuse::clusters(&graph);
        let (first, kept) = (self.inputs.len(), self.outputs.len());
        let state: Vec<(u32, u32)> =
            graph.inputs[first..].iter().copied().zip(graph.outputs[kept..].iter().copied()).collect();
        let plan = plan::plan(&graph, &clusters, &state)?;
        let values: Vec<Tensor<T>> = self.state.iter().map(|s| from_its_start(&s.0.value())).collect();
        let program = Program::assemble(plan, graph, values, kept);
        program.unread_index().map_or(Ok(program), |k| {
            let hint = format!("no op that the outputs need reads index tensor {k}: give the one it was recorded with");
            Err(Error::Argument { op: OP, hint })
        })
    }
}

once! {
    fn compiled<'a, 't, T>(draft: Draft<'a, 't, T>) -> Result<Program<T>> {
        draft.compile_here()
    }
}

/// A state to begin with. What nobody else holds any more by then is changed in place, else it is copied when it first
/// changes.
fn from_its_start<T: Float>(value: &Tensor<T>) -> Tensor<T> {
    if value.raw().1 == 0 { value.contiguous() } else { value.deep_copy() }
}
