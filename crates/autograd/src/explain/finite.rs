//! [`Origin`]: the op that first turned a value or a cotangent infinite or NaN.

use crate::error::Result;
use crate::float::{Float, once};
use crate::op::Op;
use crate::program::{Program, Seen};
use crate::sweep::{Gradients, passed_on};
use crate::tape::{Code, List, Tape, Var};
use crate::tensor::Tensor;
use std::fmt::{self, Display, Formatter};
use std::panic::Location;

/// The op that first produced an infinite or NaN value: see [`Tape::non_finite`].
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The name of the op; `leaf` and `constant` are values that were not finite when they were put on the tape. In a
    /// replay, all ops of the loop in which the value became non-finite.
    pub op: String,
    /// The shapes of its inputs, if known.
    pub inputs: Vec<Vec<usize>>,
    /// The shape of its result.
    pub shape: Vec<usize>,
    /// The first element that is not finite: infinity or NaN.
    pub value: f64,
    /// The source line that recorded it. A recorded derivative has the line of the value that was differentiated.
    pub line: &'static Location<'static>,
    /// Whether the derivative of the op became non-finite in a backward pass, rather than its result.
    pub derivative: bool,
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Origin { op, inputs, shape, value, line, derivative } = self;
        let of = if *derivative { "the derivative of " } else { "" };
        write!(f, "{of}{op} at {}:{} ({value} in shape {shape:?}", line.file(), line.line())?;
        for (k, input) in inputs.iter().enumerate() {
            write!(f, "{} {input:?}", if k == 0 { " from" } else { "," })?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for Origin {}

impl<T: Float> Tape<T> {
    /// The op that first turned a recorded value infinite or NaN: its result has an element that is NaN although no input
    /// has one, or that is infinite although all inputs are finite. If there is no such op, the first variable or constant
    /// that is NaN, or that is infinite if the last value is not finite either.
    ///
    /// Derivatives recorded by [`Var::grad`] or any [transform](crate::transform) are ordinary values: to check a
    /// transform, apply it to variables.
    ///
    /// ```
    /// use autograd::{Origin, Tape, transform::hessian};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([4.0, 0.0]);
    /// hessian(|x| x[0].sqrt().sum(), &[x]); // the slope of √x is infinite at 0
    /// let origin: Origin = tape.non_finite().unwrap();
    /// assert_eq!((origin.value, origin.shape), (f64::INFINITY, vec![2]));
    /// assert_eq!(origin.line.line(), line!() - 3);
    /// ```
    pub fn non_finite(&self) -> Option<Origin> {
        value_origin(self)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The op whose derivative first turned a cotangent infinite or NaN in the backward pass from this value: the cotangent
    /// that arrived was finite, and one that it passed on was not. `None` if all cotangents are finite.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var([4.0, 0.0]);
    /// let origin = x.sqrt().sum().non_finite_derivative().unwrap();
    /// assert!(origin.to_string().starts_with("the derivative of sqrt at "));
    /// assert_eq!((origin.value, origin.inputs), (f64::INFINITY, vec![vec![2]]));
    /// ```
    /// # Panics
    /// If this does not have exactly one element.
    #[track_caller]
    pub fn non_finite_derivative(self) -> Option<Origin> {
        let all: Vec<Var<'t, T>> = (0..=self.id()).filter_map(|id| self.tape().get(id)).collect();
        derivative_origin(self.tape(), &self.backward_wrt(&all), self.id())
    }
}

impl<T: Float> Program<T> {
    /// Runs the program and returns the first step whose results are not finite. Ops that run as one loop are one step, and
    /// the line is that of the first of them.
    ///
    /// ```
    /// use autograd::{Program, Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let mut program = Program::new(&tape, &[x], &[x.ln().sum()]);
    /// assert_eq!(program.non_finite(&[&tensor![1.0, 2.0]], &[])?, None);
    /// let origin = program.non_finite(&[&tensor![1.0, -2.0]], &[])?.unwrap();
    /// assert!(origin.op.contains("ln") && origin.value.is_nan());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Same as [`run_with`](Program::run_with).
    pub fn non_finite(&mut self, inputs: &[&Tensor<T>], integers: &[&Tensor<i64>]) -> Result<Option<Origin>> {
        step_origin(self, inputs, integers)
    }
}

/// The first element that is not finite.
fn stray<T: Float>(x: &Tensor<T>) -> Option<f64> {
    x.iter().find(|x| !Float::is_finite(*x)).map(Float::f64)
}

fn has_nan<T: Float>(x: &Tensor<T>) -> bool {
    x.iter().any(Float::is_nan)
}

/// Whether a node holds integers, for which the value of the node is a placeholder NaN.
fn holds_integers<T: Float>(list: &List<T>, id: u32) -> bool {
    matches!(list.op(id), Op::Integers { .. })
}

/// A node as an origin.
fn origin<T: Float>(list: &List<T>, id: u32, value: f64, derivative: bool) -> Origin {
    let inputs = list.inputs(id).iter().map(|&input| list.shape(input).to_vec()).collect();
    let (op, shape) = (list.name(id).to_owned(), list.shape(id).to_vec());
    Origin { op, inputs, shape, value, line: list.line(id), derivative }
}

once! {
    fn value_origin<T>(tape: &Tape<T>) -> Option<Origin> {
        let list = tape.filled(0..tape.len() as u32);
        let mut leaf = None;
        for id in 0..tape.len() as u32 {
            let y = list.value(id);
            if stray(&y).is_none() || holds_integers(&list, id) {
                continue;
            }
            let numbers = |x: &&u32| !holds_integers(&list, **x);
            let is_leaf = matches!(list.node(id).0, Code::Leaf | Code::Const);
            let nan = y.iter().find(|y| y.is_nan());
            let known = match nan {
                Some(_) => list.inputs(id).iter().filter(numbers).any(|&x| has_nan(&list.value(x))),
                None => list.inputs(id).iter().filter(numbers).any(|&x| stray(&list.value(x)).is_some()),
            };
            let found = || Some(origin(&list, id, nan.map_or_else(|| stray(&y), |nan| Some(nan.f64()))?, false));
            match is_leaf {
                true if leaf.as_ref().is_none_or(|leaf: &Origin| nan.is_some() && !leaf.value.is_nan()) => leaf = found(),
                false if !known => return found(),
                _ => (),
            }
        }
        // An infinite constant is not necessarily a fault: a mask of scores has such elements.
        let last = tape.len().checked_sub(1).and_then(|last| stray(&list.value(last as u32)));
        leaf.filter(|leaf| leaf.value.is_nan() || last.is_some())
    }

    fn derivative_origin<T>(tape: &Tape<T>, bars: &Gradients<T>, y: usize) -> Option<Origin> {
        let list = tape.filled(0..=y as u32);
        let bad = |id: &u32| bars.find(*id).and_then(stray);
        let last = (0..=y as u32).rev().find(|id| bad(id).is_some())?;
        let passes = |id: &u32| {
            let (g, inputs) = (bars.find(*id)?, list.inputs(*id));
            let passed = passed_on(&list, *id, g).into_iter().zip(inputs).filter(|(_, input)| **input == last);
            passed.filter_map(|(d, _)| stray(&d?)).next()
        };
        let culprit = (last + 1..=y as u32).rev().find_map(|id| passes(&id).map(|value| origin(&list, id, value, true)));
        // If every contribution is finite, their sum overflowed.
        culprit.or_else(|| Some(origin(&list, last, bad(&last)?, true)))
    }

    fn step_origin<T>(program: &mut Program<T>, inputs: &[&Tensor<T>], integers: &[&Tensor<i64>]) -> Result<Option<Origin>> {
        let mut found = None;
        program.run_observed(inputs, integers, &mut |seen: &Seen<'_, T>| {
            if found.is_none() {
                let turned = |y: &Tensor<T>| Some((y.shape().to_vec(), stray(y)?));
                found = seen.results().find_map(turned).map(|(shape, value)| {
                    Origin { op: seen.work(), inputs: Vec::new(), shape, value, line: seen.line(), derivative: false }
                });
            }
        })?;
        Ok(found)
    }
}
