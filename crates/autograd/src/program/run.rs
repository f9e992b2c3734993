//! Runs a program step by step, writing each result to its planned memory.

use super::Program;
use super::constants::Constants;
use super::fused::{Operand, Operands, Running, constant_blocks};
use super::graph::Graph;
use super::many::Many;
use super::steps::{Memory, Out, Plan, Step, Work};
use crate::error::{Error, Result};
use crate::eval;
use crate::eval::integers::{from_integers, from_numbers};
use crate::float::Float;
use crate::float::once;
use crate::kernel::gemm::PartsOf;
use crate::op::Cost;
use crate::tensor::{Shape, Strides, Tensor, recycle};
use smallvec::SmallVec;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A value that a run passes to the next one.
pub(super) struct State {
    /// The slots of its current and of its next value.
    now: u32,
    next: u32,
    /// Whether the next value can be moved: it has a block, and is neither an input nor an output.
    moves: bool,
}

/// A step of a run that has just been done.
pub(crate) struct Seen<'p, T: Float> {
    pub(crate) time: Duration,
    step: &'p Step,
    values: &'p [Tensor<T>],
}

impl<T: Float> Seen<'_, T> {
    /// What it did: its op, or the list of ops of a loop.
    pub(crate) fn work(&self) -> String {
        self.step.work.to_string()
    }

    pub(crate) fn line(&self) -> &'static Location<'static> {
        self.step.line
    }

    pub(crate) fn cost(&self) -> Cost {
        self.step.cost
    }

    /// What it computed.
    pub(crate) fn results(&self) -> impl Iterator<Item = &Tensor<T>> {
        self.step.outs.iter().map(|out| &self.values[out.slot as usize])
    }
}

impl<T: Float> Program<T> {
    /// Assembles a planned program. The outputs of the graph from `kept` on are the next values of the states.
    pub(super) fn assemble(
        plan: Plan,
        graph: Graph,
        constants: Constants<T>,
        state: Vec<Tensor<T>>,
        shown: Vec<std::result::Result<u32, Tensor<i64>>>,
    ) -> Self {
        let (first, kept) = (plan.inputs.len() - state.len(), plan.outputs.len() - state.len());
        let shapes = |ids: &[u32]| ids.iter().map(|&id| graph.shape(id).clone()).collect::<Vec<_>>();
        let (shapes, out_shapes) = (shapes(&graph.inputs[..first]), shapes(&graph.outputs[..kept - shown.len()]));
        let mut values = vec![Tensor::scalar(T::zero()); plan.homes.len()];
        for &(slot, number) in &plan.constants {
            values[slot as usize] = constants.value(number).clone();
        }
        for (&slot, value) in plan.inputs[first..].iter().zip(state) {
            values[slot as usize] = value;
        }
        let mut numbers = Vec::new();
        for step in &plan.steps {
            if let Work::Scalars { scalars, .. } = &step.work {
                numbers.push(scalars.memory());
            }
        }
        Program {
            many: Many::new(graph, &constants),
            rules: constants.into_rules(),
            values,
            blocks: vec![None; plan.blocks.len()],
            repeated: constant_blocks(&plan.repeated),
            numbers,
            outputs: Vec::new(),
            given: Vec::new(),
            shapes,
            out_shapes,
            integers: vec![Tensor::scalar(0); if has_integers(&plan) { plan.homes.len() } else { 0 }],
            shown,
            passing: Vec::new(),
            state: states(&plan, first, kept),
            plan,
        }
    }

    /// Computes the outputs for these inputs. They are valid until the next run, which overwrites their memory unless
    /// they were cloned.
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([0.0, 0.0]);
    /// let mut program = Program::new(&tape, &[x], &[x.square().sum()]);
    /// assert_eq!(program.run(&[&tensor![3.0, 4.0]])?[0].item(), 25.0);
    /// assert_eq!(program.run(&[&tensor![1.0, 1.0]])?[0].item(), 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the number of inputs or an input's shape differs from the recording, if a matrix is singular
    /// where recording would return that error, or if a user's op fails.
    pub fn run(&mut self, inputs: &[&Tensor<T>]) -> Result<&[Tensor<T>]> {
        self.run_with(inputs, &[])
    }

    /// Like [`run`](Program::run), with the integer inputs.
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let (scores, labels) = (tape.var([[1.0, 2.0]]), tape.integers(tensor![0_i64]));
    /// let loss = scores.cross_entropy(labels).mean();
    /// let mut program = Program::draft(&tape).inputs(&[scores]).integers(&[labels]).outputs(&[loss]).compile()?;
    /// let loss = program.run_with(&[&tensor![[0.0, 0.0]]], &[&tensor![1_i64]])?[0].item();
    /// assert!((loss - 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Same as [`run`](Program::run); also if an index is out of range, or integers do not have the recorded shape.
    pub fn run_with(&mut self, inputs: &[&Tensor<T>], integers: &[&Tensor<i64>]) -> Result<&[Tensor<T>]> {
        run(self, inputs, integers)?;
        Ok(&self.outputs)
    }

    /// Like [`run_with`](Program::run_with), reporting each step.
    pub(crate) fn run_observed(
        &mut self,
        inputs: &[&Tensor<T>],
        integers: &[&Tensor<i64>],
        seen: &mut dyn FnMut(&Seen<'_, T>),
    ) -> Result<()> {
        self.ready(inputs, integers)?;
        let mut done = Ok(());
        for k in 0..self.plan.steps.len() {
            let start = Instant::now();
            done = self.step(k);
            if done.is_err() {
                break;
            }
            seen(&Seen { time: start.elapsed(), step: &self.plan.steps[k], values: &self.values });
        }
        self.finish(inputs.len(), done)
    }

    /// Checks the inputs, then stores them in their slots.
    fn ready(&mut self, inputs: &[&Tensor<T>], integers: &[&Tensor<i64>]) -> Result<()> {
        self.check(inputs)?;
        self.plan.early.start(integers, &mut self.integers)?;
        self.release();
        for (&slot, &input) in self.plan.inputs.iter().zip(inputs) {
            self.values[slot as usize] = input.contiguous();
        }
        Ok(())
    }

    /// Releases the outputs of the last run.
    pub(super) fn release(&mut self) {
        self.outputs.clear();
        let Program { plan, values, blocks, .. } = self;
        plan.kept.iter().for_each(|&slot| free(slot, &plan.homes, values, blocks));
    }

    /// Runs all steps, once the given number of inputs is in place.
    pub(super) fn run_steps(&mut self, inputs: usize) -> Result<()> {
        let mut done = Ok(());
        for k in 0..self.plan.steps.len() {
            done = self.step(k);
            if done.is_err() {
                break;
            }
        }
        self.finish(inputs, done)
    }

    /// Collects the outputs, updates the states, and releases the inputs.
    fn finish(&mut self, inputs: usize, done: Result<()>) -> Result<()> {
        if done.is_ok() {
            for &slot in &self.plan.outputs[..self.out_shapes.len()] {
                self.outputs.push(self.values[slot as usize].clone());
            }
            self.pass_on();
        }
        // So that the caller can change the inputs in place.
        for &slot in &self.plan.inputs[..inputs] {
            self.values[slot as usize] = Tensor::scalar(T::zero());
        }
        done
    }

    /// The integers listed `k`-th as [integer outputs](super::Draft::integer_outputs), as the last run left them.
    ///
    /// # Panics
    /// Panics if `k` is out of range.
    #[track_caller]
    pub fn integers(&self, k: usize) -> &Tensor<i64> {
        match &self.shown[k] {
            Ok(slot) => &self.integers[*slot as usize],
            Err(integers) => integers,
        }
    }

    /// The current value of state `k`.
    ///
    /// ```
    /// use autograd::{Program, Tape};
    /// let tape = Tape::<f64>::new();
    /// let count = tape.var(0.0);
    /// let mut counter = Program::draft(&tape).state(&[(count, count + 1.0)]).compile()?;
    /// counter.run(&[])?;
    /// assert_eq!(counter.state(0).item(), 1.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Panics
    /// Panics if `k` is out of range.
    #[track_caller]
    pub fn state(&self, k: usize) -> &Tensor<T> {
        &self.values[self.state[k].now as usize]
    }

    /// Sets the value of state `k`.
    ///
    /// ```
    /// use autograd::{Program, Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let count = tape.var(0.0);
    /// let mut counter = Program::draft(&tape).state(&[(count, count + 1.0)]).compile()?;
    /// counter.run(&[])?;
    /// assert_eq!(counter.state(0).item(), 1.0);
    /// counter.set_state(0, &Tensor::scalar(10.0))?;
    /// counter.run(&[])?;
    /// assert_eq!(counter.state(0).item(), 11.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if `k` is out of range, or the shape differs.
    pub fn set_state(&mut self, k: usize, value: &Tensor<T>) -> Result<()> {
        let Some(state) = self.state.get(k) else {
            let hint = format!("state {k} is out of range: the program has {} states", self.state.len());
            return Err(Error::Argument { op: "set_state", hint });
        };
        let slot = state.now as usize;
        if self.values[slot].shape() != value.shape() {
            let hint = format!("state {k} has shape {:?}", self.values[slot].shape());
            return Err(Error::Shape { op: "set_state", shape: value.shape().into(), hint });
        }
        self.values[slot] = value.deep_copy();
        Ok(())
    }

    /// Returns an error unless the inputs are as recorded.
    fn check(&self, inputs: &[&Tensor<T>]) -> Result<()> {
        self.check_count("run", inputs.len())?;
        for (k, (input, shape)) in inputs.iter().zip(&self.shapes).enumerate() {
            if input.shape() != shape.as_slice() {
                return Err(wrong_input(k, shape, input.shape()));
            }
        }
        Ok(())
    }

    /// Returns an error unless there are as many inputs as recorded.
    pub(super) fn check_count(&self, op: &'static str, inputs: usize) -> Result<()> {
        if inputs == self.shapes.len() {
            return Ok(());
        }
        let hint = format!("the program was compiled for {} inputs, got {inputs}", self.shapes.len());
        Err(Error::Argument { op, hint })
    }

    /// Makes the computed next states the current ones, swapping their memory with that of the old ones.
    fn pass_on(&mut self) {
        let Program { plan, values, blocks, state, passing, .. } = self;
        for state in &*state {
            passing.push(values[state.next as usize].clone());
        }
        for state in &*state {
            if !state.moves {
                continue;
            }
            values[state.next as usize] = Tensor::scalar(T::zero());
            let homes = (plan.homes[state.now as usize], plan.homes[state.next as usize]);
            if let (Some(from), Some(to)) = homes
                && from != to
            {
                blocks[to as usize] = blocks[from as usize].take();
            }
        }
        for (state, next) in state.iter().zip(passing.drain(..)) {
            values[state.now as usize] = next.contiguous(); // a view too, since steps read states in order
        }
    }

    fn step(&mut self, k: usize) -> Result<()> {
        let Program { plan, values, blocks, rules, repeated, numbers, integers, .. } = self;
        let step = &mut plan.steps[k];
        let mut rooms: SmallVec<[Room<T>; 16]> = SmallVec::new();
        for out in &step.outs {
            rooms.push(Room::take(out, values, blocks, &plan.blocks));
        }
        let mut x: SmallVec<[&Tensor<T>; 16]> = SmallVec::new();
        for &slot in &step.inputs {
            x.push(&values[slot as usize]);
        }
        match &mut step.work {
            Work::View(op) => rooms[0] = Room::Made(eval::view(op, &x).expect("a view")),
            Work::Custom(rule) => {
                let y = rules[*rule as usize].compute(&x)?;
                check_custom(y.shape(), &step.outs[0])?;
                rooms[0] = Room::Made(y.contiguous()); // a rule may return a view
            }
            Work::Op { op, reads } => {
                if let Some(reads) = reads {
                    let given = &integers[*step.inputs.last().expect("it reads integers") as usize];
                    if !reads.early {
                        reads.check(given)?;
                    }
                    *op.index_mut().expect("it reads integers") = given.clone();
                }
                eval::eval_into(op, &x, &step.outs[0].shape, rooms[0].slice());
                eval::check(op, &x, rooms[0].slice().iter().copied())?;
            }
            Work::Integers(from) => {
                integers[step.outs[0].slot as usize] = match from.reads_integers() {
                    true => from_integers(from, &integers[step.inputs[0] as usize])?,
                    false => from_numbers(from, x[0])?,
                };
            }
            Work::Fused(fused) => {
                let mut operands = Operands::new();
                fused.operands(&x, &mut operands);
                Running::new(fused, &operands, repeated).run(&mut slices(&mut rooms));
            }
            Work::Product { transposed, precision, keep, fused } => {
                let (factors, keep, shape) = ([x[0], x[1]], keep.map(T::of), &step.outs[0].shape);
                if let Some(fused) = fused {
                    let mut operands = Operands::new();
                    fused.operands(&x[2..], &mut operands);
                    operands.push(Operand::Old);
                    let running = Running::new(fused, &operands, repeated);
                    let mut out = slices(&mut rooms);
                    let (product, others) = out.split_first_mut().expect("a product has a result");
                    let finish = |runs: &mut PartsOf<'_, T>| running.finish(runs);
                    eval::matmul(factors, *transposed, *precision, shape, keep, product, Some((others, &finish)));
                } else {
                    eval::matmul(factors, *transposed, *precision, shape, keep, rooms[0].slice(), None);
                }
            }
            Work::Scalars { scalars, memory } => {
                for (room, y) in rooms.iter_mut().zip(scalars.run(&mut numbers[*memory as usize], &x)) {
                    room.slice().copy_from_slice(y);
                }
            }
        }
        drop(x);
        for (out, room) in step.outs.iter().zip(rooms) {
            values[out.slot as usize] = room.tensor(out);
        }
        step.dead.iter().for_each(|&slot| free(slot, &plan.homes, values, blocks));
        Ok(())
    }
}

/// Whether a program works with integers.
fn has_integers(plan: &Plan) -> bool {
    let found = |step: &Step| matches!(step.work, Work::Integers(_));
    !plan.early.inputs.is_empty() || plan.steps.iter().any(found)
}

/// The memory of all results of a step.
fn slices<T: Float>(rooms: &mut [Room<T>]) -> SmallVec<[&mut [T]; 16]> {
    let mut slices = SmallVec::new();
    for room in rooms {
        slices.push(room.slice());
    }
    slices
}

/// The states of a program, which are its inputs from `first` on and its outputs from `kept` on.
fn states(plan: &Plan, first: usize, kept: usize) -> Vec<State> {
    let mut states = Vec::new();
    for (&now, &next) in plan.inputs[first..].iter().zip(&plan.outputs[kept..]) {
        let passed = plan.inputs.contains(&next) || plan.outputs[..kept].contains(&next);
        states.push(State { now, next, moves: !passed && plan.homes[next as usize].is_some() });
    }
    states
}

once! {
    fn run<T>(program: &mut Program<T>, inputs: &[&Tensor<T>], integers: &[&Tensor<i64>]) -> Result<()> {
        program.ready(inputs, integers)?;
        program.run_steps(inputs.len())
    }
}

/// Returns the memory of a value to its block.
fn free<T: Float>(slot: u32, homes: &[Option<u32>], values: &mut [Tensor<T>], blocks: &mut [Option<Arc<Vec<T>>>]) {
    let value = std::mem::replace(&mut values[slot as usize], Tensor::scalar(T::zero()));
    if let Some(home) = homes[slot as usize]
        && let Ok(buffer) = value.into_buffer()
    {
        blocks[home as usize] = Some(buffer);
    }
}

/// The memory that a result is written to.
enum Room<T: Float> {
    Array(Arc<Vec<T>>, usize),
    Number([T; 1]),
    /// The result has memory of its own.
    Made(Tensor<T>),
}

impl<T: Float> Room<T> {
    /// The memory that the plan assigns; if the memory to overwrite is still shared, new memory instead.
    fn take(out: &Out, values: &mut [Tensor<T>], blocks: &mut [Option<Arc<Vec<T>>>], sizes: &[usize]) -> Room<T> {
        let len = out.shape.iter().product();
        let buffer = match out.memory {
            Memory::Integers => return Room::Number([T::zero()]),
            Memory::Own if out.shape.is_empty() => return Room::Number([T::zero()]),
            Memory::Own => return Room::Made(Tensor::build(&out.shape, |_| ())),
            Memory::Block(block) => {
                let free = blocks[block as usize].take().filter(|buffer| Arc::strong_count(buffer) == 1);
                free.unwrap_or_else(|| recycle::take_buffer(sizes[block as usize]))
            }
            Memory::Over(slot) => {
                let old = std::mem::replace(&mut values[slot as usize], Tensor::scalar(T::zero()));
                old.into_buffer().unwrap_or_else(|shared| Arc::new(shared.to_vec()))
            }
        };
        Room::Array(buffer, len)
    }

    fn slice(&mut self) -> &mut [T] {
        match self {
            Room::Array(buffer, len) => &mut Arc::get_mut(buffer).expect("the buffer is not shared")[..*len],
            Room::Number(x) => x,
            Room::Made(x) => x.unique_mut().expect("just created"),
        }
    }

    fn tensor(self, out: &Out) -> Tensor<T> {
        match self {
            Room::Array(buffer, _) => {
                let (shape, strides) = (Shape::from_slice(&out.shape), Strides::from_slice(&out.strides));
                Tensor::assemble(shape, strides, 0, buffer)
            }
            Room::Number([x]) => Tensor::scalar(x),
            Room::Made(x) => x,
        }
    }
}

/// Returns an error if the result of a user's op does not have the recorded shape.
fn check_custom(shape: &[usize], out: &Out) -> Result<()> {
    if shape == out.shape.as_slice() {
        return Ok(());
    }
    let hint =
        format!("a user's op returned this, but {:?} when recorded: shapes must not depend on values", out.shape);
    Err(Error::Shape { op: "run", shape: shape.into(), hint })
}

fn wrong_input(k: usize, recorded: &[usize], given: &[usize]) -> Error {
    let hint = format!("input {k} was recorded with shape {recorded:?}: compile a program for each shape");
    Error::Shape { op: "run", shape: given.into(), hint }
}
