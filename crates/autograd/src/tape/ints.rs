//! [`Ints`]: integers on a tape. Operations that take them record where they came from.

use super::{Tape, Var};
use crate::error::{Result, or_panic};
use crate::eval::integers::from_integers;
use crate::float::Float;
use crate::op::{IntOp, Op};
use crate::tensor::{IntoTensor, Shape, Tensor};
use crate::value::{Index, Value};
use smallvec::smallvec;
use std::panic::Location;

/// Integers on a [`Tape`]: labels and indices that were put there with [`Tape::integers`], or that an operation found
/// (`argsort`, `argmax`, [`Var::to_integers`]). A [`Program`](crate::Program) recomputes them in every run or takes them
/// as input, whereas it would freeze a plain tensor.
///
/// ```
/// use autograd::{Program, Tape, tensor};
/// let tape = Tape::<f64>::new();
/// let (x, rows) = (tape.var([1.0, 2.0, 4.0]), tape.integers(tensor![0_i64, 1]));
/// let y = x.take(0, rows).sum();
/// let mut program = Program::draft(&tape).inputs(&[x]).integers(&[rows]).outputs(&[y]).compile()?;
/// assert_eq!(program.run_with(&[&x.value()], &[&tensor![2_i64, 2]])?[0].item(), 8.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Ints<'t, T: Float> {
    pub(crate) var: Var<'t, T>,
}

impl<T: Float> Tape<T> {
    /// Puts integers on the tape, such as labels, which can be an input of a [`Program`](crate::Program).
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let (scores, labels) = (tape.var([[0.0, 0.0]]), tape.integers(tensor![1_i64]));
    /// assert_eq!(labels.shape().as_slice(), [1]);
    /// assert_eq!(scores.cross_entropy(labels).item(), 2f64.ln());
    /// ```
    #[track_caller]
    pub fn integers(&self, values: impl IntoTensor<i64>) -> Ints<'_, T> {
        let op = Op::Integers { from: IntOp::Given, values: values.into_tensor() };
        let placeholder = or_panic(self.list().evaluate(&op, &[]));
        Ints { var: Var { tape: self, id: self.structured(op, smallvec![], placeholder, Location::caller()) } }
    }
}

impl<'t, T: Float> Ints<'t, T> {
    /// The integers, as a tensor.
    ///
    /// # Panics
    /// If the tape is a sketch and they were computed.
    #[track_caller]
    pub fn value(self) -> Tensor<i64> {
        self.var.tape.note_read(self.var.id, Location::caller());
        self.peek()
    }

    /// The integers, for uses that do not influence the recording, such as an operation that checks them again in every
    /// run of a program.
    pub fn peek(self) -> Tensor<i64> {
        match &self.var.tape.list().structured(self.var.id).op {
            Op::Integers { values, .. } => values.clone(),
            other => unreachable!("{} is no node of integers", other.name()),
        }
    }

    /// Sizes of the axes.
    pub fn shape(self) -> Shape {
        self.var.shape()
    }

    /// The tape that they are on.
    pub fn tape(self) -> &'t Tape<T> {
        self.var.tape
    }

    /// The index of their node in the order of recording.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let labels = tape.integers(autograd::tensor![1_i64, 0]);
    /// assert_eq!((labels.id(), labels.shape().as_slice(), labels.peek()), (0, [2].as_slice(), labels.value()));
    /// ```
    pub fn id(self) -> usize {
        self.var.id()
    }

    /// The same integers with another shape.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!(tape.integers(tensor![[1_i64, 2]]).reshape(&[2]).value(), tensor![1_i64, 2]);
    /// ```
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(self, shape: &[usize]) -> Self {
        if *self.shape() == *shape {
            return self;
        }
        let op = Op::Reshape { shape: shape.into() };
        or_panic(crate::op::shape::infer(&op, &[&self.shape()]));
        or_panic(self.derive(IntOp::View(Box::new(op))))
    }

    /// Class labels for a loss: those of `0..classes`, and `by` in place of `ignored`.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let labels = tape.integers(tensor![1_i64, -1]).try_labels("docs", 2, -1, autograd::op::IGNORED)?;
    /// assert_eq!(labels.value(), tensor![1_i64, -100]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error that names `op` if there is another label. A program checks the labels of every run.
    #[track_caller]
    pub fn try_labels(self, op: &'static str, classes: usize, ignored: i64, by: i64) -> Result<Self> {
        self.derive(IntOp::Labels { op, classes, ignored, by })
    }

    /// The same integers, which must be in `0..size`.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// assert!(tape.integers(tensor![0_i64, 2]).try_within("docs", 2).is_err());
    /// ```
    /// # Errors
    /// Returns an error that names `op` for any other. A program checks the integers of every run.
    #[track_caller]
    pub fn try_within(self, op: &'static str, size: usize) -> Result<Self> {
        self.derive(IntOp::Within { op, size })
    }

    /// The integers as numbers. No derivative flows to them.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!(tape.integers(tensor![2_i64]).numbers().value(), tensor![2.0]);
    /// ```
    #[track_caller]
    pub fn numbers(self) -> Var<'t, T> {
        Value::apply(Op::Cast { values: self.peek() }, &[&self.var])
    }

    #[track_caller]
    pub(crate) fn derive(self, op: IntOp) -> Result<Self> {
        let values = from_integers(&op, &self.peek())?;
        Ok(Ints { var: Value::try_apply(Op::Integers { from: op, values }, &[&self.var])? })
    }
}

impl<'t, T: Float> Index<Var<'t, T>> {
    /// The integers on a tape: added now, unless they are already on a tape.
    ///
    /// ```
    /// use autograd::{Index, Tape, Var, tensor};
    /// let tape = Tape::<f64>::new();
    /// let index = Index::<Var<f64>>::from(tensor![2_i64, 0]);
    /// assert_eq!(index.on(&tape).value(), tensor![2_i64, 0]);
    /// ```
    #[track_caller]
    pub fn on(self, tape: &'t Tape<T>) -> Ints<'t, T> {
        match self.node {
            Some(var) => Ints { var },
            None => tape.integers(self.values),
        }
    }
}

impl<'t, T: Float> From<Ints<'t, T>> for Index<Var<'t, T>> {
    fn from(ints: Ints<'t, T>) -> Self {
        Index { values: ints.peek(), node: Some(ints.var) }
    }
}

impl<'t, T: Float> From<&Ints<'t, T>> for Index<Var<'t, T>> {
    fn from(ints: &Ints<'t, T>) -> Self {
        (*ints).into()
    }
}

/// Prints the id and the integers.
impl<T: Float> std::fmt::Debug for Ints<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Ints #{} {:?}", self.var.id, self.peek())
    }
}
