//! From a user's closure to a program, without a tape in sight: recorded when it is first called with inputs of some shapes,
//! replayed whenever those shapes come again.

use super::Program;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tape::Tape;
use crate::tensor::{Shape, Tensor};
use crate::var::Var;
use std::marker::PhantomData;

/// A function that runs as programs: see [`compile`].
pub struct Compiled<T: Float, F> {
    function: F,
    values: Vec<Version<T>>,
    gradients: Vec<Version<T>>,
    number: PhantomData<T>,
}

/// The program for inputs of some shapes.
struct Version<T: Float> {
    shapes: Vec<Shape>,
    program: Program<T>,
}

/// Makes a function ready to be replayed. The closure is called once for every new list of input shapes, with variables on a
/// tape of its own; what it does is compiled, and runs without it from then on.
///
/// ```
/// use autograd::{compile, tensor};
/// let mut f = compile::<f64, _>(|_, x| (x[0].tanh() * x[1]).sum());
/// let (x, w) = (tensor![0.5, -1.0], tensor![2.0, 3.0]);
/// let (value, gradients) = f.value_and_grad(&[&x, &w])?;
/// assert_eq!(value, 2.0 * 0.5f64.tanh() - 3.0 * 1f64.tanh());
/// assert!((gradients[1].at(&[0]) - 0.5f64.tanh()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// What the closure decides by values (`if x[0].item() > 0.0`) is decided once, when it is recorded, and frozen; so is what
/// it makes of them outside the tape. That is refused where it shows: [`value`](Compiled::value) and
/// [`value_and_grad`](Compiled::value_and_grad) return an error if the closure read the value of something that depends on
/// the inputs, or derivatives computed from it (`backward`, `vjp`; recorded ones, as `grad` makes them, are compiled). Use ops that choose (`select`, `maximum`) instead. What it takes from elsewhere, a random number or a captured
/// variable, is frozen without a word.
pub fn compile<T, F>(function: F) -> Compiled<T, F>
where
    T: Float,
    F: for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T>,
{
    Compiled { function, values: Vec::new(), gradients: Vec::new(), number: PhantomData }
}

impl<T, F> Compiled<T, F>
where
    T: Float,
    F: for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T>,
{
    /// The function's value, of any shape.
    ///
    /// # Errors
    /// If the closure read a value that depends on the inputs, or memory has no room.
    ///
    /// # Panics
    /// If the closure does.
    pub fn value(&mut self, x: &[&Tensor<T>]) -> Result<&Tensor<T>> {
        let version = find(&mut self.values, x, || record(&self.function, x, |_, y| Ok(vec![y])))?;
        Ok(&version.program.run(x)?[0])
    }

    /// The function's value, a number, and its derivatives with respect to every input. An input that it does not depend on
    /// has derivative 0.
    ///
    /// # Errors
    /// If the value is not a single number, the closure read a value that depends on the inputs, or memory has no room.
    ///
    /// # Panics
    /// If the closure does.
    pub fn value_and_grad(&mut self, x: &[&Tensor<T>]) -> Result<(T, &[Tensor<T>])> {
        let version = find(&mut self.gradients, x, || {
            record(&self.function, x, |x, y| {
                let mut outputs = vec![y];
                outputs.extend(y.try_grad(x)?);
                Ok(outputs)
            })
        })?;
        let out = version.program.run(x)?;
        Ok((out[0].item(), &out[1..]))
    }

    /// How many programs have been compiled: one for each list of shapes, for values and for gradients.
    pub fn programs(&self) -> usize {
        self.values.len() + self.gradients.len()
    }
}

/// The program for these inputs, made now if need be.
fn find<'v, T: Float>(
    versions: &'v mut Vec<Version<T>>,
    x: &[&Tensor<T>],
    make: impl FnOnce() -> Result<Program<T>>,
) -> Result<&'v mut Version<T>> {
    let alike = |v: &Version<T>| v.shapes.len() == x.len() && v.shapes.iter().zip(x).all(|(s, x)| **s == *x.shape());
    let at = match versions.iter().position(alike) {
        Some(at) => at,
        None => {
            let shapes = x.iter().map(|x| x.shape().into()).collect();
            versions.push(Version { shapes, program: make()? });
            versions.len() - 1
        }
    };
    Ok(&mut versions[at])
}

fn record<T, F>(
    function: &F,
    x: &[&Tensor<T>],
    outputs: impl for<'t> FnOnce(&[Var<'t, T>], Var<'t, T>) -> Result<Vec<Var<'t, T>>>,
) -> Result<Program<T>>
where
    T: Float,
    F: for<'t> Fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T>,
{
    let tape = Tape::new();
    let x: Vec<Var<T>> = x.iter().map(|&x| tape.var(x.clone())).collect();
    tape.watch();
    let y = function(&tape, &x);
    if !std::ptr::eq(y.tape(), &tape) {
        return Err(Error::Foreign { op: "compile" });
    }
    refuse_reads(&tape, &x)?;
    let outputs = outputs(&x, y)?;
    // A checkpoint runs its closure again, on this tape, for its derivatives.
    refuse_reads(&tape, &x)?;
    Program::try_new(&tape, &x, &outputs)
}

/// An error if a value, or a computed derivative, of something that depends on the inputs was asked for.
fn refuse_reads<T: Float>(tape: &Tape<T>, x: &[Var<'_, T>]) -> Result<()> {
    let Some((var, line)) = tape.first_read(x) else { return Ok(()) };
    let (op, file, line) = (var.op().name(), line.file(), line.line());
    let hint = format!(
        "the value or a derivative of something that depends on the inputs (made by {op}) was read at {file}:{line}: what it \
         decides would be frozen"
    );
    Err(Error::Argument { op: "compile", hint })
}
