//! Replay: a recorded tape compiled so that it can run many times. A run records nothing, allocates nothing, and fuses
//! operations into a single pass over memory where possible.
//!
//! Compiling a [`Program`] takes four stages. `extract` reads from the tape what the outputs need, as a graph. `passes`
//! optimizes the graph: a list of functions from graph to graph, verified between them in debug builds. `fuse` decides
//! which nodes run together. `memory` assigns memory to every value. The result is a list of `steps`, each of which runs
//! as a loop: `fused` over blocks of arrays, `scalars` over scalars and short rows, or the kernel of its op (`run`).
//!
//! Only the ends depend on the number type: the tape, the values of constants, and the loops that run. Everything between
//! is compiled once.

mod builder;
mod compile;
mod constants;
mod extract;
mod fuse;
mod fused;
mod graph;
mod hash;
mod integers;
mod layouts;
mod many;
mod memory;
mod passes;
mod recompute;
mod run;
mod scalars;
mod show;
mod simplify;
mod slices;
mod steps;
mod verify;

use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::float::once;
use crate::op::{IntOp, Op};
use crate::tape::{DynRule, Ints, Tape, Var};
use crate::tensor::{Shape, Tensor};
pub(crate) use compile::refuse_reads;
pub use compile::{Compiled, compile};
use graph::Graph;
use many::Many;
pub(crate) use run::Seen;
use std::sync::Arc;
use steps::Plan;

/// A recorded computation that can be run again with other inputs.
///
/// Recording freezes the operations and their shapes, every leaf and constant that is not listed as an input, and
/// everything that Rust code decided or computed from values. Each run recomputes everything on the tape that depends
/// on the inputs.
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
/// The results have the same bits as on the recorded tape, in every run and with any number of threads, up to the sign
/// of a zero and values that depend on that sign, such as `1/x` at ±0.
///
/// Everything that is not the result of a recorded op is frozen at its recorded value: branches that the surrounding
/// code took based on values, and integers and masks that were passed as tensors. [Integers](Ints) and
/// [masks](crate::Mask) on the tape, such as those of `argsort` and `is_gt`, are recomputed.
/// [`compile`](crate::compile) detects that values are read and returns an error; this type does not check.
pub struct Program<T: Float> {
    plan: Plan,
    rules: Vec<Arc<dyn DynRule<T>>>,
    /// The values that steps read and write, by slot.
    values: Vec<Tensor<T>>,
    /// The memory of each block while no value occupies it.
    blocks: Vec<Option<Arc<Vec<T>>>>,
    /// A block of each constant that loops over arrays repeat.
    repeated: Vec<Arc<[T]>>,
    /// The memory of each loop over scalars.
    numbers: Vec<Vec<T>>,
    outputs: Vec<Tensor<T>>,
    /// The shape of each input, and of each output.
    shapes: Vec<Shape>,
    out_shapes: Vec<Shape>,
    /// The inputs of runs on slices; empty before the first one.
    given: Vec<Tensor<T>>,
    many: Many<T>,
    /// The integers that steps read and write, by slot; empty if there are none.
    integers: Vec<Tensor<i64>>,
    /// The slots of the integers that a run returns; for those that are the same in every run, the integers.
    shown: Vec<std::result::Result<u32, Tensor<i64>>>,
    state: Vec<run::State>,
    /// Holds the next states while they replace the current ones.
    passing: Vec<Tensor<T>>,
}

/// A builder: what a program reads and returns, before it is compiled.
///
/// ```
/// use autograd::{Program, Tape, Tensor};
/// // A running mean: an input, a state, and an output.
/// let tape = Tape::<f64>::new();
/// let (x, mean) = (tape.var(0.0), tape.var(0.0));
/// let next = mean * 0.9 + x * 0.1;
/// let mut program = Program::draft(&tape).inputs(&[x]).state(&[(mean, next)]).outputs(&[next]).compile()?;
/// assert_eq!(program.run(&[&Tensor::scalar(10.0)])?[0].item(), 1.0);
/// assert_eq!(program.run(&[&Tensor::scalar(10.0)])?[0].item(), 1.9);
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct Draft<'a, 't, T: Float> {
    tape: &'t Tape<T>,
    inputs: &'a [Var<'t, T>],
    integers: &'a [Ints<'t, T>],
    state: &'a [(Var<'t, T>, Var<'t, T>)],
    outputs: &'a [Var<'t, T>],
    shown: &'a [Ints<'t, T>],
}

impl<T: Float> Program<T> {
    /// Compiles the part of a tape that leads from `inputs` to `outputs`.
    ///
    /// # Panics
    /// Panics if an input is not a leaf or a constant or is listed twice, or if a `Var` belongs to another tape;
    /// [`try_new`](Program::try_new) returns the error instead.
    #[track_caller]
    pub fn new<'t>(tape: &'t Tape<T>, inputs: &[Var<'t, T>], outputs: &[Var<'t, T>]) -> Self {
        or_panic(Self::try_new(tape, inputs, outputs))
    }

    /// Compiles the part of a tape that leads from `inputs` to `outputs`, or returns an error.
    ///
    /// # Errors
    /// Returns an error if an input is not a leaf or a constant or is listed twice, if a `Var` belongs to another tape,
    /// or if the program's values do not fit in memory.
    pub fn try_new<'t>(tape: &'t Tape<T>, inputs: &[Var<'t, T>], outputs: &[Var<'t, T>]) -> Result<Self> {
        Self::draft(tape).inputs(inputs).outputs(outputs).compile()
    }

    /// Starts building a program with more than inputs and outputs: integers that change from run to run, or state.
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// // Gradient descent: the program keeps w, and each run improves it.
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
        Draft { tape, inputs: &[], integers: &[], state: &[], outputs: &[], shown: &[] }
    }
}

impl<'a, 't, T: Float> Draft<'a, 't, T> {
    /// Leaves or constants whose values are passed to each run.
    pub fn inputs(self, inputs: &'a [Var<'t, T>]) -> Self {
        Draft { inputs, ..self }
    }

    /// Integers (labels, rows to take) that are passed to each run: those of [`Tape::integers`].
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let (x, rows) = (tape.var([1.0, 2.0, 4.0]), tape.integers(tensor![0_i64]));
    /// let mut program = Program::draft(&tape).inputs(&[x]).integers(&[rows]).outputs(&[x.take(0, rows)]).compile()?;
    /// assert_eq!(program.run_with(&[&x.value()], &[&tensor![2_i64]])?[0], tensor![4.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn integers(self, integers: &'a [Ints<'t, T>]) -> Self {
        Draft { integers, ..self }
    }

    /// Leaves that the program keeps from run to run, each with its value for the next run. Updated in place where
    /// possible.
    pub fn state(self, state: &'a [(Var<'t, T>, Var<'t, T>)]) -> Self {
        Draft { state, ..self }
    }

    /// The values that each run returns.
    pub fn outputs(self, outputs: &'a [Var<'t, T>]) -> Self {
        Draft { outputs, ..self }
    }

    /// The integers that can be read after each run, with [`Program::integers`].
    ///
    /// ```
    /// use autograd::{Order, Program, Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([1.0, 3.0, 2.0]);
    /// let order = x.argsort(0, Order::Ascending);
    /// let mut program = Program::draft(&tape).inputs(&[x]).integer_outputs(&[order]).compile()?;
    /// program.run(&[&tensor![3.0, 2.0, 1.0]])?;
    /// assert_eq!(program.integers(0), &tensor![2_i64, 1, 0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn integer_outputs(self, shown: &'a [Ints<'t, T>]) -> Self {
        Draft { shown, ..self }
    }

    /// Compiles the program.
    ///
    /// # Errors
    /// Same as [`Program::try_new`]; also if a state's next value has another shape, or integers were computed.
    pub fn compile(self) -> Result<Program<T>> {
        compiled(self)
    }

    fn compile_here(self) -> Result<Program<T>> {
        let (given, wanted) = self.check()?;
        let (first, kept) = (self.inputs.len(), self.outputs.len() + self.shown.len());
        let integers: Vec<u32> = self.integers.iter().map(|ints| ints.var.id).collect();
        let (graph, mut constants) = extract::extract(self.tape, &given, &wanted, &integers);
        let graph = passes::optimize(graph, &mut constants)?;
        let plan = planned(&graph, first, kept, size_of::<T>())?;
        let mut state = Vec::with_capacity(self.state.len());
        for (now, _) in self.state {
            state.push(from_its_start(&now.value()));
        }
        let mut shown = Vec::with_capacity(self.shown.len());
        for (k, ints) in (self.outputs.len()..).zip(self.shown) {
            shown.push(if graph.is_const(graph.outputs[k]) { Err(ints.peek()) } else { Ok(plan.outputs[k]) });
        }
        Ok(Program::assemble(plan, graph, constants, state, shown))
    }

    /// Checks the variables. Returns the ids of those that are given (inputs and states) and of those that are wanted
    /// (outputs and next states).
    fn check(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let (mut given, mut wanted) = (self.inputs.to_vec(), self.outputs.to_vec());
        wanted.extend(self.shown.iter().map(|ints| ints.var));
        for (now, next) in self.state {
            given.push(*now);
            wanted.push(*next);
        }
        let integers = self.integers.iter().map(|ints| &ints.var);
        if given.iter().chain(&wanted).chain(integers.clone()).any(|v| !std::ptr::eq(v.tape, self.tape)) {
            return Err(Error::Foreign { op: OP });
        }
        let mut leaves = Vec::with_capacity(given.len());
        for var in given.iter().chain(integers) {
            leaves.push((var.id, var.op()));
        }
        check_leaves(&leaves)?;
        for (k, (now, next)) in self.state.iter().enumerate() {
            check_state(k, &now.shape(), &next.shape())?;
        }
        let ids = |vars: &[Var<'t, T>]| vars.iter().map(|v| v.id).collect();
        Ok((ids(&given), ids(&wanted)))
    }
}

/// Returns an error unless all inputs are different leaves or constants.
fn check_leaves(given: &[(u32, Op)]) -> Result<()> {
    for (k, (id, op)) in given.iter().enumerate() {
        if !matches!(op, Op::Leaf | Op::Const | Op::Integers { from: IntOp::Given, .. }) {
            let hint = format!("input {k} was computed (by {}): pass the leaves it depends on instead", op.name());
            return Err(Error::Argument { op: OP, hint });
        }
        if given[..k].iter().any(|(other, _)| other == id) {
            return Err(Error::Argument { op: OP, hint: format!("input {k} is named twice") });
        }
    }
    Ok(())
}

fn check_state(k: usize, now: &[usize], next: &[usize]) -> Result<()> {
    if now == next {
        return Ok(());
    }
    let hint = format!("state {k} has shape {now:?}, but its next value has {next:?}");
    Err(Error::Shape { op: OP, shape: next.into(), hint })
}

/// The name of the compiler in errors.
const OP: &str = "program";

/// The plan of a graph. Its inputs from `first` on are states, whose next values are the outputs from `kept` on.
fn planned(graph: &Graph, first: usize, kept: usize, width: usize) -> Result<Plan> {
    let states = graph.inputs[first..].iter().copied().zip(graph.outputs[kept..].iter().copied()).collect();
    memory::plan(graph, &fuse::fuse(graph), states, width)
}

once! {
    fn compiled<'a, 't, T>(draft: Draft<'a, 't, T>) -> Result<Program<T>> {
        draft.compile_here()
    }
}

/// The initial value of a state, contiguous and at offset 0. If its memory is still shared at the first update, it is
/// copied then; otherwise it is updated in place.
fn from_its_start<T: Float>(value: &Tensor<T>) -> Tensor<T> {
    if value.raw().1 == 0 { value.contiguous() } else { value.deep_copy() }
}
