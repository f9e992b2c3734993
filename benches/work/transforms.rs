//! Transforms of functions: whole Jacobians and Hessians, gradients of each sample, power series, loops.

use super::Work;
use autograd::prelude::*;
use autograd::transform::{SparseHessian, clipped_grad, fold, hvp, per_sample_grad, per_sample_norm, taylor};
use autograd::{Compiled, compile};

/// A function of fixed inputs, recorded each time or compiled.
pub struct Function<T: Float, F> {
    at: Vec<Tensor<T>>,
    f: F,
    compiled: Compiled<T, F>,
}

impl<T: Float, F> Function<T, F>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Clone,
{
    /// Wraps a function.
    pub fn new(at: Vec<Tensor<T>>, f: F) -> Self {
        Function { at, compiled: compile(f.clone()), f }
    }

    /// The result, recorded each time.
    pub fn recorded(&self) -> Tensor<T> {
        let tape = Tape::new();
        (self.f)(&self.at.iter().map(|x| tape.var(x.clone())).collect::<Vec<_>>()).value()
    }

    /// The result, replayed.
    pub fn replayed(&mut self) -> &Tensor<T> {
        self.compiled.value(&self.at).expect("the function reads no value")
    }
}

impl<T: Float, F> Work for Function<T, F>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Clone,
{
    fn record(&mut self) {
        assert!(!self.recorded().is_empty());
    }

    fn replay(&mut self) {
        assert!(!self.replayed().is_empty());
    }
}

fn boxed<T: Float, F>(at: Vec<Tensor<T>>, f: F) -> Box<dyn Work>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Clone + 'static,
{
    Box::new(Function::new(at, f))
}

fn random<T: Float>(shape: &[usize], scale: f64, rng: &mut Rng) -> Tensor<T> {
    Tensor::randn(shape, rng) * T::of(scale)
}

/// The Jacobian of a net from 100 to 100 by way of 256 and 256, with tanh between the layers.
pub fn jacobian_of_net() -> Box<dyn Work> {
    let rng = &mut Rng::new(0);
    let weights: [Tensor<f32>; 3] = [[100, 256], [256, 256], [256, 100]].map(|shape| random(&shape, 0.1, rng));
    boxed(vec![random(&[100], 0.1, rng)], move |x| jacobian(|x| Net(&weights).of(x[0]), x)[0])
}

/// Dense layers with tanh between them.
struct Net<'w>(&'w [Tensor<f32>]);

impl Net<'_> {
    fn of<'t>(&self, x: Var<'t, f32>) -> Var<'t, f32> {
        let layers = self.0.iter().map(|w| x.tape().constant(w.clone()));
        layers.enumerate().fold(x, |h, (i, w)| if i == 0 { h.matmul(w) } else { h.tanh().matmul(w) })
    }
}

/// Rosenbrock's valley.
pub fn valley<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (a, b) = (x[0].slice(0, ..-1), x[0].slice(0, 1..));
    ((b - a.square()).square() * 100.0 + (1.0_f64 - a).square()).sum()
}

/// The dense Hessian, with respect to `n` variables, of the log of a sum of squares of tanh of products with a matrix.
pub fn dense_hessian(n: usize) -> Box<dyn Work> {
    let rng = &mut Rng::new(0);
    let m: Tensor<f64> = random(&[n, n], 0.1, rng);
    boxed(vec![random(&[n], 1.0, rng)], move |x| {
        hessian(|x| x[0].tape().constant(m.clone()).matmul(x[0]).tanh().square().sum().ln_1p(), x)[0][0]
    })
}

/// The Hessian of the valley times a vector.
pub fn product(n: usize) -> Box<dyn Work> {
    let rng = &mut Rng::new(0);
    let v = random(&[n], 1.0, rng);
    boxed(vec![random(&[n], 1.0, rng)], move |x| hvp(valley, x, std::slice::from_ref(&v))[0])
}

/// All nonzero second derivatives of the valley.
pub struct Sparse {
    x: Tensor<f64>,
    hessian: SparseHessian<f64>,
}

impl Sparse {
    /// By `n` variables.
    pub fn new(n: usize) -> Sparse {
        let x = random(&[n], 1.0, &mut Rng::new(0));
        Sparse { hessian: SparseHessian::new(valley, &x).expect("a scalar function"), x }
    }
}

impl Work for Sparse {
    fn record(&mut self) {
        *self = Sparse::new(self.x.len());
        self.replay();
    }

    fn replay(&mut self) {
        assert!(self.hessian.at(&self.x).is_ok());
    }
}

/// The loss of one sample: dense layers with ReLU between them and biases, and cross-entropy with a target distribution.
fn loss<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    let layers = x[2..].chunks(2).enumerate();
    let scores = layers.fold(x[0], |h, (i, layer)| {
        let h = if i == 0 { h } else { h.relu() };
        h.matmul(layer[0]) + layer[1]
    });
    -(scores.log_softmax(0) * x[1]).sum()
}

/// The net of M1b, 784-256-128-10, with a batch of 128.
fn samples() -> Vec<Tensor<f32>> {
    let rng = &mut Rng::new(0);
    let mut all = vec![random(&[128, 784], 1.0, rng), random::<f32>(&[128, 10], 1.0, rng).softmax(1)];
    for pair in [784, 256, 128, 10].windows(2) {
        all.push(random(&[pair[0], pair[1]], (pair[0] as f64).powf(-0.5), rng));
        all.push(Tensor::zeros(&[pair[1]]));
    }
    all
}

const AXES: [Option<isize>; 8] = [Some(0), Some(0), None, None, None, None, None, None];
const WEIGHTS: [usize; 6] = [2, 3, 4, 5, 6, 7];

/// The gradient of the whole batch, with which the next three are compared: the sum of all elements keeps it from being
/// eliminated.
pub fn batch_gradient() -> Box<dyn Work> {
    boxed(samples(), |x| {
        let total = vmap(loss, &AXES, x).sum();
        joined(&total.grad(&x[2..]))
    })
}

/// The gradients of each sample.
pub fn each_gradient() -> Box<dyn Work> {
    boxed(samples(), |x| {
        let all = per_sample_grad(loss, &AXES, &WEIGHTS, x);
        let flat: Vec<Var<f32>> =
            all.iter().map(|g| g.reshape(&[128, g.shape().iter().product::<usize>() / 128])).collect();
        Var::concat(&flat, 1)
    })
}

/// The norm of the gradient of each sample.
pub fn each_norm() -> Box<dyn Work> {
    boxed(samples(), |x| per_sample_norm(loss, &AXES, &WEIGHTS, x))
}

/// The sum of the gradients, each clipped to a norm of 1.
pub fn clipped() -> Box<dyn Work> {
    boxed(samples(), |x| joined(&clipped_grad(loss, 1.0, &AXES, &WEIGHTS, x)))
}

fn joined<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    Var::concat(&x.iter().map(|x| x.reshape(&[x.shape().iter().product::<usize>()])).collect::<Vec<_>>(), 0)
}

/// A function of four ops on `n` elements, and its derivatives to order 8 along a line.
pub fn series(n: usize, order: usize) -> Box<dyn Work> {
    let t = Tensor::<f64>::ones(&[n]);
    boxed(vec![random(&[n], 1.0, &mut Rng::new(0))], move |x| {
        *taylor(|x| (x[0].sin().exp() * x[0]).tanh(), x, std::slice::from_ref(&t), order).last().expect("a value")
    })
}

/// One step of a recurrent net.
fn cell<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    (x[0].matmul(x[2]) + x[1].matmul(x[3])).tanh()
}

/// The gradient with respect to the weights of a loop of this many steps, as a fold or recorded step by step.
pub struct Loop {
    at: Vec<Tensor<f32>>,
    pieces: Option<usize>,
}

impl Loop {
    /// A loop of a batch of 16 with 128 units and 8 inputs.
    pub fn new(steps: usize, pieces: Option<usize>) -> Loop {
        let rng = &mut Rng::new(0);
        let shapes = [(vec![16, 128], 1.0), (vec![steps, 16, 8], 0.1), (vec![128, 128], 0.05), (vec![8, 128], 0.3)];
        let at = shapes.map(|(shape, scale)| random(&shape, scale, rng)).into();
        Loop { at, pieces }
    }

    /// The gradient.
    pub fn gradient(&self) -> Tensor<f32> {
        let tape = Tape::new();
        let x: Vec<Var<f32>> = self.at.iter().map(|x| tape.var(x.clone())).collect();
        let end = match self.pieces {
            Some(pieces) => fold(cell, &x[0], &x[1], &x[2..], pieces),
            None => (0..x[1].shape()[0] as isize).fold(x[0], |h, k| cell(&[h, x[1].index_axis(0, k), x[2], x[3]])),
        };
        end.sum().backward().wrt(x[2])
    }
}

impl Work for Loop {
    fn record(&mut self) {
        assert!(!self.gradient().is_empty());
    }

    fn replay(&mut self) {
        self.record();
    }
}
