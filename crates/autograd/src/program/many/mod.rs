//! One program at many points: [`Program::run_many`]. A program of numbers and small arrays runs in lanes: each of its
//! numbers becomes one number per point, and an instruction is then a loop over the points (`lower` translates the graph,
//! `run` executes it). The loops are those of arrays, so each point has the same bits as in a separate run. Any other
//! program runs point by point.

mod lower;
mod run;

use super::Program;
use super::constants::Constants;
use super::graph::{Def, Graph};
use crate::error::{Error, Result};
use crate::float::{Few, Float, once};
use crate::tensor::{Shape, Tensor};
#[cfg(test)]
use lower::LARGEST;
use run::Lanes;
use smallvec::SmallVec;

/// What a program needs to run at many points.
pub(super) struct Many<T: Float> {
    /// The graph and the values of its constants, until the first run in lanes; `None` if it cannot run in lanes.
    source: Option<(Graph, Vec<Tensor<T>>)>,
    lanes: Option<Lanes<T>>,
    /// The results of the last run.
    outputs: Vec<Tensor<T>>,
}

impl<T: Float> Many<T> {
    pub(super) fn new(graph: Graph, constants: &Constants<T>) -> Self {
        let lanes = lower::fits(&graph);
        let source = lanes.then(|| {
            let values = (0..graph.constants.len()).map(|number| constants.value(number as u32).clone()).collect();
            (graph, values)
        });
        Many { source, lanes: None, outputs: Vec::new() }
    }
}

/// An input of many points.
#[derive(Clone, Copy)]
struct Given<'x, T> {
    x: &'x [T],
    /// Number of elements from one point to the next; 0 if all points share them.
    step: usize,
    /// Number of elements of a point.
    len: usize,
}

impl<'x, T> Given<'x, T> {
    fn point(&self, i: usize) -> &'x [T] {
        &self.x[i * self.step..][..self.len]
    }
}

impl<T: Float> Program<T> {
    /// Runs the program at many points: each input has an axis of points in front of its recorded shape, or exactly that
    /// shape if all points share it. So do the outputs, which are valid until the next call. Each point has the same bits
    /// as in a separate [`run`](Program::run), with any number of threads.
    ///
    /// A program of numbers and small arrays (elementwise functions, sums, indexing and other rearrangements of up to 256
    /// elements) runs at as many points at once as fit in the vector registers and the cache, on all threads, without
    /// allocation once warm. Any other program runs point by point, no faster than a loop: to batch its ops, compile
    /// [`vmap`](crate::transform::vmap()) of the function instead.
    ///
    /// ```
    /// use autograd::{Program, Tape, Tensor, tensor};
    /// let tape = Tape::<f64>::new();
    /// let (x, a) = (tape.var(0.0), tape.var(0.0));
    /// let y = (x * a).sin();
    /// let mut program = Program::new(&tape, &[x, a], &[y, y.grad(&[x])[0]]);
    ///
    /// let (points, a) = (tensor![0.0, 1.0, 2.0], Tensor::scalar(0.5)); // three points with the same a
    /// let out = program.run_many(&[&points, &a])?;
    /// assert_eq!(out[0].to_vec(), [0.0, 0.5f64.sin(), 1f64.sin()]);
    /// assert!((out[1].at(&[2]) - 0.5 * 1f64.cos()).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the number of inputs differs from the recording, an input has another shape, the inputs have
    /// different numbers of points or all of them are shared, or the program has states or integer inputs; also where
    /// [`run`](Program::run) would.
    pub fn run_many(&mut self, inputs: &[&Tensor<T>]) -> Result<&[Tensor<T>]> {
        run_many(self, inputs)?;
        Ok(&self.many.outputs)
    }

    /// Like [`run_many`](Program::run_many), with inputs and outputs in the caller's slices, in row-major order. The
    /// outputs determine the number of points: an input with that many points has the axis of points in front, and one of
    /// the recorded size is shared by all points. Allocates nothing once warm.
    ///
    /// ```
    /// use autograd::{Program, Tape};
    /// let tape = Tape::<f64>::new();
    /// let (x, a) = (tape.var([0.0, 0.0]), tape.var(0.0));
    /// let y = x.square().sum() * a;
    /// let mut program = Program::new(&tape, &[x, a], &[y, y.grad(&[x])[0]]);
    ///
    /// let points = [3.0, 4.0, 6.0, 8.0, 0.0, 1.0]; // three points of two numbers each
    /// let (mut values, mut gradients) = ([0.0; 3], [0.0; 6]);
    /// program.run_many_into(&[&points, &[0.5]], &mut [&mut values, &mut gradients])?;
    /// assert_eq!((values, gradients), ([12.5, 50.0, 0.5], [3.0, 4.0, 6.0, 8.0, 0.0, 1.0]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the number of slices differs from the recording, the outputs have different numbers of points, or
    /// an input has neither that number of points nor the recorded size (outputs are then untouched); also where
    /// [`run_many`](Program::run_many) would.
    pub fn run_many_into(&mut self, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        run_many_into(self, inputs, outputs)
    }

    /// Rejects a program whose points are not independent.
    fn check_independent(&self, op: &'static str) -> Result<()> {
        let what = match (self.state.is_empty(), self.plan.early.inputs.is_empty()) {
            (true, true) => return Ok(()),
            (true, false) => "has integer inputs",
            (false, _) => "keeps state from run to run",
        };
        let hint = format!("the program {what}, so its points are not independent: call run_with for each of them");
        Err(Error::Argument { op, hint })
    }

    /// The number of points.
    fn points(&self, inputs: &[&Tensor<T>]) -> Result<usize> {
        self.check_independent(OP)?;
        self.check_count(OP, inputs.len())?;
        let mut counts: SmallVec<[usize; 32]> = SmallVec::new();
        for (k, (input, shape)) in inputs.iter().zip(&self.shapes).enumerate() {
            match input.shape() {
                given if given == shape.as_slice() => (),
                [n, rest @ ..] if rest == shape.as_slice() => counts.push(*n),
                given => return Err(wrong_shape(k, shape, given)),
            }
        }
        match counts.as_slice() {
            [] => Err(Error::Argument {
                op: OP,
                hint: "every input has its recorded shape: give at least one an axis of points in front, or call run"
                    .into(),
            }),
            [n, others @ ..] if others.iter().all(|m| m == n) => Ok(*n),
            counts => {
                let hint = format!(
                    "the inputs have different numbers of points, {counts:?}: their first axes must have the same size"
                );
                Err(Error::Argument { op: OP, hint })
            }
        }
    }

    fn run_points(&mut self, inputs: &[&Tensor<T>]) -> Result<()> {
        let n = self.points(inputs)?;
        let mut outputs = std::mem::take(&mut self.many.outputs);
        outputs.resize(self.out_shapes.len(), Tensor::scalar(T::zero()));
        for (output, shape) in outputs.iter_mut().zip(&self.out_shapes) {
            make_room(output, n, shape);
        }
        let whole: SmallVec<[Tensor<T>; 16]> = inputs.iter().map(|x| x.contiguous()).few();
        let given: SmallVec<[Given<T>; 16]> = whole.iter().zip(&self.shapes).map(|(x, shape)| given(x, shape)).few();
        let mut rooms: SmallVec<[&mut [T]; 16]> = SmallVec::new();
        for output in &mut outputs {
            rooms.push(output.unique_mut().expect("it has just been made so"));
        }
        let done = self.run_given(n, &given, &mut rooms);
        drop(rooms);
        self.many.outputs = outputs;
        done
    }

    fn run_many_slices(&mut self, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        self.check_independent(INTO)?;
        self.check_counts(INTO, inputs.len(), outputs.len())?;
        let n = points_of(&self.out_shapes, outputs)?;
        let mut given: SmallVec<[Given<T>; 16]> = SmallVec::new();
        for (k, (x, shape)) in inputs.iter().zip(&self.shapes).enumerate() {
            let len = shape.iter().product();
            let step = match x.len() {
                size if size == n * len => len,
                size if size == len => 0,
                size => return Err(wrong_size("input", k, size, n, len)),
            };
            given.push(Given { x, step, len });
        }
        self.run_given(n, &given, outputs)
    }

    /// Runs at `n` points, in lanes where the program allows.
    fn run_given(&mut self, n: usize, given: &[Given<T>], outputs: &mut [&mut [T]]) -> Result<()> {
        match self.lanes() {
            Some(lanes) => {
                lanes.run(n, given, outputs);
                Ok(())
            }
            None => self.run_each(n, given, outputs),
        }
    }

    /// The program in lanes, compiled at the first call.
    fn lanes(&mut self) -> Option<&Lanes<T>> {
        if let Some((graph, constants)) = self.many.source.take() {
            self.many.lanes = Some(Lanes::new(&graph, &constants));
        }
        self.many.lanes.as_ref()
    }

    /// Runs point by point.
    fn run_each(&mut self, n: usize, given: &[Given<T>], outputs: &mut [&mut [T]]) -> Result<()> {
        for i in 0..n {
            let x: SmallVec<[&[T]; 16]> = given.iter().map(|given| given.point(i)).few();
            let mut y: SmallVec<[&mut [T]; 16]> = SmallVec::new();
            for (output, shape) in outputs.iter_mut().zip(&self.out_shapes) {
                let len = shape.iter().product::<usize>();
                y.push(&mut output[i * len..][..len]);
            }
            self.run_slices(&x, &mut y)?;
        }
        Ok(())
    }
}

once! {
    fn run_many<T>(program: &mut Program<T>, inputs: &[&Tensor<T>]) -> Result<()> {
        program.run_points(inputs)
    }

    fn run_many_into<T>(program: &mut Program<T>, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        program.run_many_slices(inputs, outputs)
    }
}

/// The names of the methods in errors.
const OP: &str = "run_many";
const INTO: &str = "run_many_into";

/// The number of points that output slices have room for.
fn points_of<T>(shapes: &[Shape], outputs: &[&mut [T]]) -> Result<usize> {
    let len = |shape: &Shape| shape.iter().product::<usize>();
    // Outputs without elements have room for any number.
    let points =
        outputs.iter().zip(shapes).find_map(|(output, shape)| output.len().checked_div(len(shape))).unwrap_or(0);
    for (k, (output, shape)) in outputs.iter().zip(shapes).enumerate() {
        if output.len() != points * len(shape) {
            return Err(wrong_size("output", k, output.len(), points, len(shape)));
        }
    }
    Ok(points)
}

fn wrong_size(what: &str, k: usize, size: usize, n: usize, len: usize) -> Error {
    let shared = if what == "input" { format!(", or {len} if all points share it") } else { String::new() };
    let hint = format!("{what} {k} has {size} elements, but {n} points take {}{shared}", n * len);
    Error::Argument { op: INTO, hint }
}

fn given<'x, T: Float>(x: &'x Tensor<T>, shape: &Shape) -> Given<'x, T> {
    let len = shape.iter().product();
    let step = if x.rank() == shape.len() { 0 } else { len };
    Given { x: x.as_slice().expect("contiguous"), step, len }
}

/// Makes a tensor of `n` points that is not shared. Reuses its memory if it already has that shape.
fn make_room<T: Float>(output: &mut Tensor<T>, n: usize, shape: &[usize]) {
    let fits = matches!(output.shape(), [m, rest @ ..] if *m == n && rest == shape);
    if !fits || output.unique_mut().is_none() {
        let shape: Shape = [n].iter().chain(shape).copied().few();
        *output = Tensor::build(&shape, |_| ());
    }
}

fn wrong_shape(k: usize, recorded: &[usize], given: &[usize]) -> Error {
    let sizes: String = recorded.iter().map(|size| format!(", {size}")).collect();
    let hint = format!(
        "input {k} was recorded with shape {recorded:?}: give it the shape [points{sizes}], or {recorded:?} if all points \
         share it"
    );
    Error::Shape { op: OP, shape: given.into(), hint }
}

/// Whether a node is an input or a constant.
fn is_given(graph: &Graph, id: u32) -> bool {
    matches!(graph.node(id).def, Def::Input | Def::Const(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tape, Var, tensor};

    /// Whether the gradient of a function runs in lanes.
    fn runs_in_lanes(x: Tensor<f64>, f: fn(Var<'_, f64>) -> Var<'_, f64>) -> bool {
        let tape = Tape::new();
        let x = tape.var(x);
        let y = f(x);
        Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]).lanes().is_some()
    }

    #[test]
    fn numbers_small_arrays_sums_and_rearrangements_run_in_lanes() {
        let row = tensor![1.0, 2.0, 3.0];
        assert!(runs_in_lanes(Tensor::scalar(1.0), |x| x.sin() * x));
        assert!(runs_in_lanes(row.clone(), |x| (x * x.sum()).exp().sum()));
        assert!(runs_in_lanes(row.clone(), |x| x.index_axis(0, 0) * x.index_axis(0, 2).cos()));
        assert!(runs_in_lanes(row.clone(), |x| Var::stack(&[x, x.flip(0)], 1).t().square().sum_axes(0).exp().sum()));
        assert!(runs_in_lanes(row.clone(), |x| x.gt(-x.sin()).select(x, -x).mean()));
        assert!(!runs_in_lanes(row.clone(), |x| x.softmax(0).square().sum()));
        assert!(!runs_in_lanes(row.clone(), |x| x.matmul(x)));
        assert!(!runs_in_lanes(Tensor::ones(&[LARGEST + 1]), |x| x.exp().sum()));
        assert!(!runs_in_lanes(Tensor::ones(&[0]), |x| x.exp().sum()));
    }
}
