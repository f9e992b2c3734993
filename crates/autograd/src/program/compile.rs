//! Compiles a user's closure without exposing a tape: it is recorded the first time it is called with inputs of given
//! shapes, and replayed whenever those shapes recur.

use super::Program;
use crate::error::{Error, Result};
use crate::float::once;
use crate::float::{Few, Float};
use crate::tape::{Tape, Var, first_read, sketched, watch};
use crate::tensor::{Shape, Tensor};
use smallvec::SmallVec;
use std::borrow::Borrow;

/// A function compiled to programs, one per list of input shapes: see [`compile`].
///
/// ```
/// use autograd::compile;
/// let mut f = compile::<f64, _>(|x| x[0].square().sum());
/// let x = autograd::tensor![3.0, 4.0];
/// assert_eq!(f.value(&[&x])?.item(), 25.0);
/// assert_eq!(f.value_and_grad(&[&x])?.1[0].to_vec(), [6.0, 8.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct Compiled<T: Float, F> {
    function: F,
    values: Vec<Version<T>>,
    gradients: Vec<Version<T>>,
}

/// The program for inputs of given shapes.
struct Version<T: Float> {
    shapes: Vec<Shape>,
    program: Program<T>,
}

/// The maximum number of programs for values, and of those for gradients.
const MOST: usize = 16;

/// Compiles a function for replay. The closure is called once for every new list of input shapes, with variables on a
/// separate tape (`x[0].tape()`); the recording is compiled, and later calls run the program without calling the closure.
/// Keeps the 16 most recently used programs for values and as many for gradients.
///
/// ```
/// use autograd::{compile, tensor};
/// let mut f = compile::<f64, _>(|x| (x[0].tanh() * x[1]).sum());
/// let (x, w) = (tensor![0.5, -1.0], tensor![2.0, 3.0]);
/// let (value, gradients) = f.value_and_grad(&[&x, &w])?;
/// assert_eq!(value, 2.0 * 0.5f64.tanh() - 3.0 * 1f64.tanh());
/// assert!((gradients[1].at(&[0]) - 0.5f64.tanh()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// Branches that the closure takes based on values (`if x[0].item() > 0.0`), and anything it computes from values
/// outside the tape, would be frozen at recording. To prevent this, [`value`](Compiled::value) and
/// [`value_and_grad`](Compiled::value_and_grad) return an error if the closure reads the value of something that
/// depends on the inputs, or derivatives computed from it (`backward`, `vjp`; derivatives recorded by `grad` are
/// compiled). Use ops that choose (`select`, `maximum`) instead. Values from elsewhere, such as random numbers or
/// captured variables, are frozen silently.
pub fn compile<T, F>(function: F) -> Compiled<T, F>
where
    T: Float,
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    Compiled { function, values: Vec::new(), gradients: Vec::new() }
}

impl<T, F> Compiled<T, F>
where
    T: Float,
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    /// Returns the function's value, of any shape.
    ///
    /// # Errors
    /// Returns an error if the closure read a value that depends on the inputs, or the values do not fit in memory.
    ///
    /// # Panics
    /// Panics if the closure does.
    pub fn value(&mut self, x: &[impl Borrow<Tensor<T>>]) -> Result<&Tensor<T>> {
        Ok(&run(&mut self.values, &self.function, &refs(x), Outputs::Value)?[0])
    }

    /// Returns the function's value, a scalar, and its gradient with respect to every input. An input that the value
    /// does not depend on has gradient 0.
    ///
    /// # Errors
    /// Returns an error if the value does not have exactly one element, the closure read a value that depends on the
    /// inputs, or the values do not fit in memory.
    ///
    /// # Panics
    /// Panics if the closure does.
    pub fn value_and_grad(&mut self, x: &[impl Borrow<Tensor<T>>]) -> Result<(T, &[Tensor<T>])> {
        let out = run(&mut self.gradients, &self.function, &refs(x), Outputs::ValueAndGradients)?;
        Ok((out[0].item(), &out[1..]))
    }

    /// Like [`value_and_grad`](Compiled::value_and_grad), with inputs and gradients in the caller's slices, for samplers
    /// and optimizers that own their buffers: each input is a vector, and so is its gradient. Allocates nothing once warm.
    ///
    /// ```
    /// use autograd::compile;
    /// let mut f = compile::<f64, _>(|x| x[0].square().sum());
    /// let (mut x, mut gradient) = (vec![3.0, 4.0], [0.0; 2]);
    /// assert_eq!(f.value_and_grad_into(&[&x], &mut [&mut gradient])?, 25.0);
    /// x.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= 0.5 * g);
    /// assert_eq!(f.value_and_grad_into(&[&x], &mut [&mut gradient])?, 0.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Same as [`value_and_grad`](Compiled::value_and_grad); also unless there is one gradient for each input, of its length.
    ///
    /// # Panics
    /// Panics if the closure does.
    pub fn value_and_grad_into(&mut self, x: &[&[T]], gradients: &mut [&mut [T]]) -> Result<T> {
        run_slices(&mut self.gradients, &self.function, x, gradients)
    }

    /// Number of programs that are kept: one per list of input shapes, for values and for gradients separately.
    ///
    /// ```
    /// use autograd::{Tensor, compile};
    /// let mut f = compile::<f64, _>(|x| x[0].exp().sum());
    /// for n in [2, 3, 2] {
    ///     f.value(&[&Tensor::zeros(&[n])])?;
    /// }
    /// assert_eq!(f.programs(), 2);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn programs(&self) -> usize {
        self.values.len() + self.gradients.len()
    }
}

fn refs<T: Float>(x: &[impl Borrow<Tensor<T>>]) -> SmallVec<[&Tensor<T>; 16]> {
    x.iter().map(Borrow::borrow).collect()
}

/// The user's closure.
type Function<'f, T> = dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + 'f;

/// What a program computes.
#[derive(Clone, Copy)]
enum Outputs {
    Value,
    /// The value, followed by its gradients.
    ValueAndGradients,
}

once! {
    fn run<'v, T>(versions: &'v mut Vec<Version<T>>, f: &Function<'_, T>, x: &[&Tensor<T>], outputs: Outputs) -> Result<&'v [Tensor<T>]> {
        let shapes: SmallVec<[&[usize]; 16]> = x.iter().map(|x| x.shape()).few();
        find(versions, &shapes, &|| record(f, x.iter().map(|&x| x.clone()).collect(), outputs))?.run(x)
    }

    fn run_slices<T>(versions: &mut Vec<Version<T>>, f: &Function<'_, T>, x: &[&[T]], gradients: &mut [&mut [T]]) -> Result<T> {
        check_gradients(x, gradients)?;
        let lengths: SmallVec<[[usize; 1]; 16]> = x.iter().map(|x| [x.len()]).collect();
        let shapes: SmallVec<[&[usize]; 16]> = lengths.iter().map(|shape| shape.as_slice()).few();
        let make = || record(f, x.iter().map(|x| Tensor::from(x.to_vec())).collect(), Outputs::ValueAndGradients);
        let program = find(versions, &shapes, &make)?;
        let mut value = [T::zero()];
        let mut outputs: SmallVec<[&mut [T]; 16]> = SmallVec::new();
        outputs.push(&mut value);
        outputs.extend(gradients.iter_mut().map(|gradient| &mut **gradient));
        program.run_slices(x, &mut outputs)?;
        drop(outputs);
        Ok(value[0])
    }
}

/// Returns an error unless there is a gradient for each input, of its length.
fn check_gradients<T>(x: &[&[T]], gradients: &[&mut [T]]) -> Result<()> {
    const OP: &str = "value_and_grad_into";
    if x.len() != gradients.len() {
        let hint = format!("{} inputs need as many slices for their gradients, not {}", x.len(), gradients.len());
        return Err(Error::Argument { op: OP, hint });
    }
    for (k, (x, gradient)) in x.iter().zip(gradients).enumerate() {
        let (len, room) = (x.len(), gradient.len());
        if len != room {
            let hint = format!("input {k} has {len} elements, so the slice for its gradient needs {len}, not {room}");
            return Err(Error::Argument { op: OP, hint });
        }
    }
    Ok(())
}

/// The program for inputs of these shapes, compiled now if it does not exist yet. Versions are sorted by last use.
fn find<'v, T: Float>(
    versions: &'v mut Vec<Version<T>>,
    x: &[&[usize]],
    make: &dyn Fn() -> Result<Program<T>>,
) -> Result<&'v mut Program<T>> {
    let alike = |v: &Version<T>| v.shapes.len() == x.len() && v.shapes.iter().zip(x).all(|(s, x)| **s == **x);
    match versions.iter().position(alike) {
        Some(at) => versions[at..].rotate_left(1),
        None => {
            let version = Version { shapes: x.iter().map(|&shape| shape.into()).collect(), program: make()? };
            if versions.len() == MOST {
                versions.remove(0);
            }
            versions.push(version);
        }
    }
    Ok(&mut versions.last_mut().expect("found, or just compiled").program)
}

fn record<T: Float>(f: &Function<'_, T>, x: Vec<Tensor<T>>, outputs: Outputs) -> Result<Program<T>> {
    let tape = Tape::new();
    let x: Vec<Var<T>> = x.into_iter().map(|x| tape.var(x)).collect();
    watch(&tape);
    let y = f(&x);
    if !std::ptr::eq(y.tape(), &tape) {
        return Err(Error::Foreign { op: "compile" });
    }
    refuse_reads("compile", &tape, &x)?;
    sketched(&tape, || {
        let mut values = vec![y];
        match outputs {
            Outputs::Value => {}
            Outputs::ValueAndGradients => values.extend(y.try_grad(&x)?),
        }
        // Differentiating a checkpoint runs its closure again on this tape, and the closure may read values.
        refuse_reads("compile", &tape, &x)?;
        Program::try_new(&tape, &x, &values)
    })
}

once! {
    /// Returns an error if a value, or a computed derivative, of something that depends on the inputs was read.
    pub(crate) fn refuse_reads<'t, T>(op: &'static str, tape: &'t Tape<T>, x: &[Var<'t, T>]) -> Result<()> {
        let given: Vec<usize> = x.iter().map(|x| x.id()).collect();
        match first_read(tape, &given) {
            Some(hint) => Err(Error::Argument { op, hint }),
            None => Ok(()),
        }
    }
}
