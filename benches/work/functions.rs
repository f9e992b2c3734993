//! Functions without layers: a chain of scalars, an elementwise sum, the Rosenbrock function, a long recurrence.

use super::{Objective, Work};
use autograd::prelude::*;
use autograd::{Program, checkpoint};

/// Iterations of the scalar chain, with three operations each.
pub const LENGTH: usize = 100_000;

/// x0, a and b of the scalar chain. It approaches 2π, where the derivative of a step is 1, so that the gradient does not
/// vanish.
pub const ALIVE: [f64; 3] = [1.5, 1.0, std::f64::consts::TAU];
/// x0, a and b for which two thirds of the cotangents are denormal numbers. Some processors take 150 cycles for each
/// operation on them, and XLA sets them to 0.
pub const DENORMAL: [f64; 3] = [1.5, 1.8508157176809255, -0.5577074246549021];

/// M2: `x <- sin(x)·a + b` from x0, n times; `at` lists x0, a and b.
pub fn scalar_chain(n: usize, at: [f64; 3]) -> Objective<f64> {
    let at = at.map(Tensor::scalar).into();
    Objective::new(at, vec![], move |x, _, _| {
        let &[x0, a, b] = x else { unreachable!("three variables") };
        (0..n).fold(x0, |x, _| x.sin() * a + b)
    })
}

/// M3: `sum(tanh(x)·exp(-x²) + sigmoid(x))`.
pub fn elementwise<T: Float>(n: usize) -> Objective<T> {
    let at = vec![Tensor::randn(&[n], &mut Rng::new(0))];
    Objective::new(at, vec![], |x, _, _| {
        let x = x[0];
        (x.tanh() * (-x * x).exp() + x.sigmoid()).sum()
    })
}

/// M4: Rosenbrock's function of n variables, `Σ 100 (x[i+1] - x[i]²)² + (1 - x[i])²`.
pub fn rosenbrock(n: usize) -> Objective<f64> {
    let at = vec![Tensor::randn(&[n], &mut Rng::new(0))];
    Objective::new(at, vec![], |x, _, _| {
        let (x, next) = (x[0].slice(0, ..-1), x[0].slice(0, 1..));
        ((next - x.square()).square() * 100.0 + (1.0 - x).square()).sum()
    })
}

/// M7: `h <- tanh(h W)`, n times, from a batch of 64 rows of 256; the sum of the final state.
pub fn recurrence<T: Float>(n: usize) -> Objective<T> {
    let mut rng = Rng::new(0);
    let w = Tensor::randn(&[256, 256], &mut rng) * T::of(1.0 / 16.0);
    let h = Tensor::randn(&[64, 256], &mut rng);
    Objective::new(vec![w], vec![h], move |x, data, _| (0..n).fold(data[0], |h, _| step(h, x[0])).sum())
}

fn step<'t, T: Float>(h: Var<'t, T>, w: Var<'t, T>) -> Var<'t, T> {
    h.matmul(w).tanh()
}

/// M7 with checkpoints: the forward pass keeps only the state at the start of each segment; the backward pass records
/// each segment again when it reaches it.
pub struct Checkpointed {
    objective: Objective<f32>,
    steps: usize,
    segment: usize,
    tape: Tape<f32>,
    /// The forward pass of a segment, and its derivatives.
    programs: Option<[Program<f32>; 2]>,
}

impl Checkpointed {
    /// `steps` steps in segments of `segment`.
    pub fn new(steps: usize, segment: usize) -> Checkpointed {
        assert!(steps.is_multiple_of(segment), "steps must be a multiple of segment");
        Checkpointed { objective: recurrence(steps), steps, segment, tape: Tape::new(), programs: None }
    }

    /// The derivative with respect to W.
    pub fn recorded(&mut self) -> Tensor<f32> {
        self.tape.clear();
        let (w, h) = (self.tape.var(self.objective.at[0].clone()), self.tape.constant(self.objective.data[0].clone()));
        let segment = self.segment;
        let piece = |h, _| checkpoint(move |x| (0..segment).fold(x[0], |h, _| step(h, x[1])), &[h, w]);
        (0..self.steps / segment).fold(h, piece).sum().backward().wrt(w)
    }

    /// The same, replayed with two programs for all segments.
    pub fn replayed(&mut self) -> Tensor<f32> {
        let (w, mut h) = (&self.objective.at[0], self.objective.data[0].clone());
        let [forward, backward] = self.programs.get_or_insert_with(|| {
            let tape = Tape::sketch();
            let (w, h, g) = (tape.var(w.clone()), tape.var(h.clone()), tape.constant(h.clone()));
            let end = (0..self.segment).fold(h, |h, _| step(h, w));
            let forward = Program::new(&tape, &[h, w], &[end]);
            let gradients = end.try_grad_with(g, &[h, w]).expect("the cotangent has the state's shape");
            [forward, Program::new(&tape, &[h, w, g], &gradients)]
        });
        let mut starts = Vec::with_capacity(self.steps / self.segment);
        for _ in 0..self.steps / self.segment {
            let end = forward.run(&[&h, w]).expect("the shapes are those of the recording")[0].clone();
            starts.push(std::mem::replace(&mut h, end));
        }
        let (mut cotangent, mut sum) = (Tensor::ones(h.shape()), Tensor::zeros(w.shape()));
        for start in starts.into_iter().rev() {
            let gradients = backward.run(&[&start, w, &cotangent]).expect("the shapes are those of the recording");
            (cotangent, sum) = (gradients[0].clone(), sum + &gradients[1]);
        }
        sum
    }
}

impl Work for Checkpointed {
    fn record(&mut self) {
        assert_eq!(self.recorded().shape(), self.objective.at[0].shape());
    }

    fn replay(&mut self) {
        assert_eq!(self.replayed().shape(), self.objective.at[0].shape());
    }
}
