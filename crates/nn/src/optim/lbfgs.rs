//! L-BFGS.

use super::flat::{flat_gradient, flat_values, set_values, which_trainable};
use super::wolfe::{Trial, strong_wolfe};
use super::{Evaluate, Optimizer, ParamGradients, non_negative};
use crate::io::{AnyTensor, StateDict, StateError};
use crate::{Model, Parameters, Path};
use autograd::{Float, Tensor};
use std::collections::VecDeque;

/// L-BFGS: a quasi-Newton method that estimates the curvature from recent gradients.
///
/// Suited to smooth losses over the full data set.
///
/// ```text
/// d = -H g                        H from the last pairs of steps and changes of the gradient, by the two-loop recursion
/// θ ← θ + t d                     t = γ, or found on the line by the strong Wolfe conditions
/// ```
///
/// A step evaluates the loss at several points, so it takes a function. It runs up to `max_iter` of these iterations,
/// fewer if the gradient or the change falls below a tolerance. Defaults are PyTorch's: 20 iterations, 5/4 as many
/// evaluations, a history of 100 pairs, tolerances of 1e-7 (gradient) and 1e-9 (change), no line search; the learning
/// rate is usually 1. Source: Liu and Nocedal, *On the limited memory BFGS method for large scale optimization* (1989).
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Param, Pass, optim::Lbfgs};
/// // Rosenbrock's valley
/// let mut x = Param::new(tensor![-1.2_f64, 1.0]);
/// let (mut tape, mut lbfgs) = (Tape::new(), Lbfgs::new(1.0).max_iter(100).line_search(true));
/// lbfgs.step(&mut x, |x, gradients| {
///     tape.clear();
///     let v = Pass::eval(&tape).var(x);
///     let (a, b) = (v.slice(0, 0..1), v.slice(0, 1..2));
///     let loss = ((b - a.square()).square() * 100.0 + (a - 1.0).square()).sum();
///     gradients.collect(x, &tape, &mut loss.backward());
///     loss.item()
/// });
/// assert!(x.value().iter().all(|x: f64| (x - 1.0).abs() < 1e-4));
/// ```
#[derive(Debug, Clone)]
pub struct Lbfgs<T: Float> {
    rate: f64,
    max_iter: usize,
    max_eval: Option<usize>,
    history_size: usize,
    tolerance_grad: f64,
    tolerance_change: f64,
    line_search: bool,
    memory: Option<Memory<T>>,
    /// Whether each parameter was trainable in the last step. The memory covers only those that were.
    trainable: Vec<bool>,
    gradients: ParamGradients<T>,
    path: Path,
}

/// The entries of a state, under PyTorch's names.
const NAMES: [&str; 7] = ["d", "t", "prev_flat_grad", "old_stps", "old_dirs", "ro", "H_diag"];

/// The state kept between iterations.
#[derive(Debug, Clone)]
struct Memory<T: Float> {
    gradient: Vec<T>,
    direction: Vec<T>,
    t: f64,
    pairs: VecDeque<Pair<T>>,
    /// The initial inverse curvature of the recursion.
    scale: f64,
}

/// A step, and the change of the gradient over it.
#[derive(Debug, Clone)]
struct Pair<T: Float> {
    s: Vec<T>,
    y: Vec<T>,
    /// 1 / (s · y)
    rho: f64,
}

impl<T: Float> Lbfgs<T> {
    /// L-BFGS with this learning rate, which scales its steps.
    ///
    /// ```
    /// use nn::optim::Lbfgs;
    /// let mut lbfgs = Lbfgs::<f64>::new(1.0).max_iter(50).max_eval(100).history_size(10).line_search(true);
    /// lbfgs = lbfgs.tolerance_grad(1e-9).tolerance_change(1e-12);
    /// lbfgs.set_learning_rate(0.5);
    /// assert_eq!(lbfgs.learning_rate(), 0.5);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Lbfgs {
            rate: non_negative("Lbfgs", "learning rate", rate),
            max_iter: 20,
            max_eval: None,
            history_size: 100,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            line_search: false,
            memory: None,
            trainable: Vec::new(),
            gradients: ParamGradients::new(),
            path: Path::default(),
        }
    }

    /// The maximum number of iterations per step. Defaults to 20.
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// The number of evaluations per step after which no new iteration starts. Defaults to `max_iter * 5 / 4`.
    pub fn max_eval(mut self, max_eval: usize) -> Self {
        self.max_eval = Some(max_eval);
        self
    }

    /// The maximum number of pairs to keep. Defaults to 100.
    pub fn history_size(mut self, history_size: usize) -> Self {
        self.history_size = history_size;
        self
    }

    /// Whether to choose the length of each step by a line search for the strong Wolfe conditions. Defaults to `false`.
    pub fn line_search(mut self, line_search: bool) -> Self {
        self.line_search = line_search;
        self
    }

    settings! {
        /// The step ends when no element of the gradient exceeds this. Defaults to 1e-7.
        ///
        /// # Panics
        /// Panics if `tolerance_grad` is negative, infinite or NaN.
        tolerance_grad: non_negative("tolerance of the gradient");

        /// The step ends when neither the parameters nor the loss change by more than this. Defaults to 1e-9.
        ///
        /// # Panics
        /// Panics if `tolerance_change` is negative, infinite or NaN.
        tolerance_change: non_negative("tolerance of changes");
    }

    /// The learning rate.
    pub fn learning_rate(&self) -> f64 {
        self.rate
    }

    /// Sets the learning rate, effective from the next step on.
    ///
    /// # Panics
    /// Panics if `rate` is negative, infinite or NaN.
    #[track_caller]
    pub fn set_learning_rate(&mut self, rate: f64) {
        self.rate = non_negative("Lbfgs", "learning rate", rate);
    }

    /// Updates the model's trainable parameters in place. `evaluate` returns the loss of the model and collects its
    /// gradients. Returns the loss before the update. If the set of trainable parameters has changed since the last
    /// step, the search restarts, since the stored curvature no longer applies.
    pub fn step<M: Parameters<T> + ?Sized>(
        &mut self,
        model: &mut M,
        mut evaluate: impl FnMut(&M, &mut ParamGradients<T>) -> f64,
    ) -> f64 {
        let max_eval = self.max_eval.unwrap_or(self.max_iter.saturating_mul(5) / 4);
        let (mut gradients, mut path) = (std::mem::take(&mut self.gradients), std::mem::take(&mut self.path));
        let mut at = |model: &M| {
            let loss = evaluate(model, &mut gradients);
            (loss, flat_gradient(model, &gradients, &mut path))
        };
        let mut place = Path::default();
        let trainable = which_trainable(model);
        if trainable != self.trainable {
            (self.trainable, self.memory) = (trainable, None);
        }
        let (first, mut g) = at(model);
        let (mut loss, mut evaluations) = (first, 1);
        for iteration in 1..=self.max_iter {
            if largest(&g) <= self.tolerance_grad {
                break;
            }
            let (d, t) = self.direction(&g);
            let slope = dot(&g, &d);
            if slope > -self.tolerance_change {
                self.remember(d, t);
                break;
            }
            let (start, before) = (flat_values(model, &mut place), loss);
            let mut taken = t;
            if self.line_search {
                let tries = max_eval.saturating_sub(evaluations);
                let origin = Trial { t: 0.0, f: loss, slope, g: g.clone() };
                let (best, count) = strong_wolfe(origin, t, largest(&d), self.tolerance_change, tries, |t| {
                    set_values(model, &start, t, &d, &mut place);
                    let (f, g) = at(model);
                    Trial { t, f, slope: dot(&g, &d), g }
                });
                evaluations += count;
                (taken, loss, g) = (best.t, best.f, best.g);
                set_values(model, &start, taken, &d, &mut place);
            } else {
                set_values(model, &start, t, &d, &mut place);
                if iteration < self.max_iter {
                    (loss, g) = at(model);
                    evaluations += 1;
                }
            }
            let moved = largest(&d) * taken;
            self.remember(d, taken);
            if evaluations >= max_eval
                || moved <= self.tolerance_change
                || (loss - before).abs() < self.tolerance_change
            {
                break;
            }
        }
        (self.gradients, self.path) = (gradients, path);
        first
    }

    /// The full state, under PyTorch's names: the last direction `d`, its length `t` and its gradient `prev_flat_grad`,
    /// with all parameters in one vector; the pairs as rows of `old_stps` and `old_dirs`, with `ro`; the initial
    /// inverse curvature `H_diag`. Empty before the first step.
    ///
    /// ```
    /// use nn::{layer::Linear, optim::Lbfgs};
    /// let (model, lbfgs) = (Linear::<f64>::new(2, 1, &mut autograd::Rng::new(0)), Lbfgs::<f64>::new(1.0));
    /// let mut other = Lbfgs::new(1.0);
    /// other.load_state(&model, &lbfgs.state())?; // continues like the first one
    /// # Ok::<(), nn::io::StateError>(())
    /// ```
    pub fn state(&self) -> StateDict {
        let mut state = StateDict::new();
        let Some(Memory { gradient, direction, t, pairs, scale }) = &self.memory else { return state };
        let vector = |x: &[T]| Tensor::<T>::new(&[x.len()], x.to_vec());
        let rows = |of: fn(&Pair<T>) -> &[T]| {
            Tensor::<T>::new(&[pairs.len(), gradient.len()], pairs.iter().flat_map(|pair| of(pair).to_vec()).collect())
        };
        state.insert("d", vector(direction));
        state.insert("t", Tensor::scalar(*t));
        state.insert("prev_flat_grad", vector(gradient));
        state.insert("old_stps", rows(|pair| &pair.s));
        state.insert("old_dirs", rows(|pair| &pair.y));
        state.insert("ro", pairs.iter().map(|pair| pair.rho).collect::<Tensor<f64>>());
        state.insert("H_diag", Tensor::scalar(*scale));
        state
    }

    /// Restores what [`state`](Lbfgs::state) returned.
    ///
    /// # Errors
    /// Returns an error if an entry is missing or has an unknown name, or if the vectors do not have as many elements
    /// as the model's trainable parameters. The state is then unchanged.
    pub fn load_state(&mut self, model: &(impl Parameters<T> + ?Sized), state: &StateDict) -> Result<(), StateError> {
        if state.is_empty() {
            self.memory = None;
            return Ok(());
        }
        let elements = crate::parameter_count(model);
        let pairs = state.get("ro").map_or(0, AnyTensor::len);
        let mut error = StateError::default();
        let mut take = |name: &str, expected: usize| match state.get(name) {
            Some(tensor) if tensor.len() == expected => tensor.to::<f64>().to_vec(),
            Some(tensor) => {
                let why = format!("expected {expected} elements, but the state has {}", tensor.len());
                error.unfit.push((name.to_owned(), why));
                Vec::new()
            }
            None => {
                error.missing.push(name.to_owned());
                Vec::new()
            }
        };
        let vectors = ["prev_flat_grad", "d"].map(|name| take(name, elements));
        let [s, y] = ["old_stps", "old_dirs"].map(|name| take(name, pairs * elements));
        let (rho, t, scale) = (take("ro", pairs), take("t", 1), take("H_diag", 1));
        let strange = state.iter().map(|(name, _)| name).filter(|name| !NAMES.contains(name));
        error.unexpected.extend(strange.map(str::to_owned));
        if error != StateError::default() {
            return Err(error);
        }
        let own = |x: &[f64]| x.iter().map(|x| T::of(*x)).collect::<Vec<T>>();
        // Without parameters there are no rows; `max(1)` avoids a chunk size of 0.
        let rows = s.chunks_exact(elements.max(1)).zip(y.chunks_exact(elements.max(1))).zip(rho);
        let pairs = rows.map(|((s, y), rho)| Pair { s: own(s), y: own(y), rho }).collect();
        let [gradient, direction] = vectors.map(|x| own(&x));
        self.memory = Some(Memory { gradient, direction, t: t[0], pairs, scale: scale[0] });
        self.trainable = which_trainable(model);
        Ok(())
    }

    /// Stores the last step.
    fn remember(&mut self, direction: Vec<T>, t: f64) {
        if let Some(memory) = &mut self.memory {
            (memory.direction, memory.t) = (direction, t);
        }
    }

    /// The direction of the next step from a point with gradient `g`, and its initial length. Stores the gradient.
    fn direction(&mut self, g: &[T]) -> (Vec<T>, f64) {
        let Some(memory) = &mut self.memory else {
            // No history yet: take a short step along the negative gradient.
            let t = (1.0 / g.iter().map(|g| g.f64().abs()).sum::<f64>()).min(1.0) * self.rate;
            let (gradient, direction) = (g.to_vec(), Vec::new());
            self.memory = Some(Memory { gradient, direction, t, pairs: VecDeque::new(), scale: 1.0 });
            return (g.iter().map(|&g| -g).collect(), t);
        };
        let t = T::of(memory.t);
        let y: Vec<T> = g.iter().zip(&memory.gradient).map(|(&g, &before)| g - before).collect();
        let s: Vec<T> = memory.direction.iter().map(|&d| d * t).collect();
        let ys = dot(&y, &s);
        if ys > 1e-10 {
            memory.scale = ys / dot(&y, &y);
            memory.pairs.push_back(Pair { s, y, rho: 1.0 / ys });
            if memory.pairs.len() > self.history_size {
                memory.pairs.pop_front();
            }
        }
        memory.gradient.copy_from_slice(g);
        (memory.newton(g), self.rate)
    }
}

/// In a [`Trainer`](crate::train::Trainer), whose batches must hold all the data.
impl<T: Float> Optimizer<T> for Lbfgs<T> {
    /// # Panics
    /// Panics: an update needs the loss at several points.
    #[track_caller]
    fn step(&mut self, _: &mut dyn Parameters<T>, _: &ParamGradients<T>) {
        panic!(
            "Lbfgs needs the loss at several points: train with it alone on batches of all the data, or call \
             Lbfgs::step(model, evaluate)"
        );
    }

    fn learning_rate(&self) -> f64 {
        self.rate
    }

    #[track_caller]
    fn set_learning_rate(&mut self, rate: f64) {
        Lbfgs::set_learning_rate(self, rate);
    }

    fn searches(&self) -> bool {
        true
    }

    fn search(&mut self, model: &mut dyn Model<T>, evaluate: &mut Evaluate<'_, T>) {
        Lbfgs::step(self, model, |model, gradients| evaluate(model, gradients));
    }

    fn describe(&self) -> String {
        let Lbfgs { rate, max_iter, max_eval, history_size, tolerance_grad, tolerance_change, line_search, .. } = self;
        format!(
            "Lbfgs {{ rate: {rate}, max_iter: {max_iter}, max_eval: {max_eval:?}, history_size: {history_size}, \
             tolerance_grad: {tolerance_grad}, tolerance_change: {tolerance_change}, line_search: {line_search} }}"
        )
    }

    fn state(&self, _: &dyn Parameters<T>) -> StateDict {
        Lbfgs::state(self)
    }

    fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        Lbfgs::load_state(self, model, state)
    }
}

impl<T: Float> Memory<T> {
    /// Computes `-H g` by the two-loop recursion.
    fn newton(&self, g: &[T]) -> Vec<T> {
        let mut d: Vec<T> = g.iter().map(|&g| -g).collect();
        let mut back = Vec::with_capacity(self.pairs.len());
        for Pair { s, y, rho } in self.pairs.iter().rev() {
            let a = dot(s, &d) * rho;
            add(&mut d, -a, y);
            back.push(a);
        }
        d.iter_mut().for_each(|d| *d *= T::of(self.scale));
        for (Pair { s, y, rho }, a) in self.pairs.iter().zip(back.into_iter().rev()) {
            let b = dot(y, &d) * rho;
            add(&mut d, a - b, s);
        }
        d
    }
}

fn dot<T: Float>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum()
}

/// a += c · b
fn add<T: Float>(a: &mut [T], c: f64, b: &[T]) {
    let c = T::of(c);
    a.iter_mut().zip(b).for_each(|(a, &b)| *a += c * b);
}

fn largest<T: Float>(x: &[T]) -> f64 {
    x.iter().fold(0.0, |m: f64, x| m.max(x.f64().abs()))
}
