//! How a workload is run: objectives, the computations on them, and their recorded and replayed variants.

use autograd::prelude::*;
use autograd::{Ints, Precision, Program, update};

/// A workload to be timed.
pub trait Work {
    /// Runs once, recorded each time.
    fn record(&mut self);
    /// Runs once, with a program compiled at the first call.
    fn replay(&mut self);
}

/// A function from variables to a scalar.
pub struct Objective<T: Float> {
    /// The values of the variables.
    pub at: Vec<Tensor<T>>,
    /// Other inputs: a batch, a mask. Constants to the derivative.
    pub data: Vec<Tensor<T>>,
    /// Integer inputs.
    pub indices: Vec<Tensor<i64>>,
    function: Function<T>,
}

/// Records the objective from variables, data and integers.
type Function<T> = Box<dyn for<'t> Fn(&[Var<'t, T>], &[Var<'t, T>], &[Ints<'t, T>]) -> Var<'t, T>>;

/// An objective on a tape.
pub struct Recorded<'t, T: Float> {
    /// The variables.
    pub x: Vec<Var<'t, T>>,
    /// The other inputs that it was recorded from.
    pub data: Vec<Var<'t, T>>,
    /// The integer inputs.
    pub integers: Vec<Ints<'t, T>>,
    /// The value of the objective.
    pub y: Var<'t, T>,
}

impl<T: Float> Objective<T> {
    /// The objective that `function` records, from variables, data and integers in that order.
    pub fn new(
        at: Vec<Tensor<T>>,
        data: Vec<Tensor<T>>,
        function: impl for<'t> Fn(&[Var<'t, T>], &[Var<'t, T>], &[Ints<'t, T>]) -> Var<'t, T> + 'static,
    ) -> Self {
        Objective { at, data, indices: Vec::new(), function: Box::new(function) }
    }

    /// Adds integer inputs: labels, indices.
    pub fn reading(self, indices: Vec<Tensor<i64>>) -> Self {
        Objective { indices, ..self }
    }

    /// Records the objective on a tape.
    pub fn record<'t>(&self, tape: &'t Tape<T>) -> Recorded<'t, T> {
        let x: Vec<_> = self.at.iter().map(|x| tape.var(x.clone())).collect();
        self.call(&x)
    }

    /// Records the objective at the given variables.
    pub fn call<'t>(&self, x: &[Var<'t, T>]) -> Recorded<'t, T> {
        let tape = x[0].tape();
        let data: Vec<_> = self.data.iter().map(|d| tape.constant(d.clone())).collect();
        let integers: Vec<_> = self.indices.iter().map(|i| tape.integers(i.clone())).collect();
        let y = (self.function)(x, &data, &integers);
        Recorded { x: x.to_vec(), data, integers, y }
    }

    /// Runs a program whose inputs are the variables, then the data, then `more`; compiles it at the first call.
    fn replay<'p>(
        &self,
        program: &'p mut Option<Program<T>>,
        outputs: impl for<'t> FnOnce(&Recorded<'t, T>) -> Outputs<'t, T>,
        more: &[Tensor<T>],
    ) -> &'p [Tensor<T>] {
        let program = program.get_or_insert_with(|| {
            let tape = Tape::sketch();
            let recorded = self.record(&tape);
            let Outputs { more, outputs } = outputs(&recorded);
            let inputs = [recorded.x, recorded.data, more].concat();
            let draft = Program::draft(&tape).inputs(&inputs).integers(&recorded.integers).outputs(&outputs);
            draft.compile().expect("inputs are leaves")
        });
        let inputs: Vec<_> = self.at.iter().chain(&self.data).chain(more).collect();
        let indices: Vec<_> = self.indices.iter().collect();
        program.run_with(&inputs, &indices).expect("the shapes are those of the recording")
    }
}

/// The outputs of a program, and its inputs in addition to those of the objective.
struct Outputs<'t, T: Float> {
    more: Vec<Var<'t, T>>,
    outputs: Vec<Var<'t, T>>,
}

/// The value of the objective, without derivatives.
pub struct Evaluation<T: Float> {
    objective: Objective<T>,
    tape: Tape<T>,
    program: Option<Program<T>>,
}

impl<T: Float> Evaluation<T> {
    /// Wraps an objective.
    pub fn new(objective: Objective<T>) -> Self {
        Evaluation { objective, tape: Tape::new(), program: None }
    }
}

impl<T: Float> Work for Evaluation<T> {
    fn record(&mut self) {
        self.tape.clear();
        assert!(self.objective.record(&self.tape).y.item().is_finite());
    }

    fn replay(&mut self) {
        let outputs = self.objective.replay(&mut self.program, |r| Outputs { more: vec![], outputs: vec![r.y] }, &[]);
        assert!(outputs[0].item().is_finite());
    }
}

/// The objective and its gradient.
pub struct Gradient<T: Float> {
    objective: Objective<T>,
    tape: Tape<T>,
    program: Option<Program<T>>,
}

impl<T: Float> Gradient<T> {
    /// Wraps an objective.
    pub fn new(objective: Objective<T>) -> Self {
        Gradient { objective, tape: Tape::new(), program: None }
    }

    /// The same on a tape that frees values that no derivative reads.
    pub fn lean(objective: Objective<T>) -> Self {
        Gradient { tape: Tape::lean(1 << 16), ..Gradient::new(objective) }
    }

    /// The value, and its derivatives by variable.
    pub fn recorded(&mut self) -> (Tensor<T>, Vec<Tensor<T>>) {
        self.tape.clear();
        let Recorded { x, y, .. } = self.objective.record(&self.tape);
        let gradients = y.backward();
        (y.value(), x.iter().map(|&x| gradients.wrt(x)).collect())
    }

    /// The same, replayed, as one list.
    pub fn replayed(&mut self) -> &[Tensor<T>] {
        let Gradient { objective, program, .. } = self;
        objective.replay(program, |r| Outputs { more: vec![], outputs: [vec![r.y], r.y.grad(&r.x)].concat() }, &[])
    }
}

impl<T: Float> Work for Gradient<T> {
    fn record(&mut self) {
        assert_eq!(self.recorded().1.len(), self.objective.at.len());
    }

    fn replay(&mut self) {
        let outputs = self.replayed().len();
        assert_eq!(outputs, 1 + self.objective.at.len());
    }
}

/// Gradient descent with momentum 0.9 and rate 1e-3 on an objective.
pub struct Training<T: Float> {
    /// Holds the parameters trained by recorded steps; replayed steps keep theirs in the program.
    pub objective: Objective<T>,
    velocity: Vec<Tensor<T>>,
    tape: Tape<T>,
    /// Keeps its own parameters and velocities.
    program: Option<Program<T>>,
}

impl<T: Float> Training<T> {
    /// Starts with zero velocity.
    pub fn new(objective: Objective<T>) -> Self {
        // A single zero, broadcast until the first step.
        let velocity = objective.at.iter().map(|x| Tensor::scalar(T::zero()).broadcast_to(x.shape())).collect();
        Training { objective, velocity, tape: Tape::new(), program: None }
    }

    /// Rounds the operands of products.
    pub fn precision(self, precision: Precision) -> Self {
        self.tape.set_precision(precision);
        self
    }

    /// A parameter as trained by replayed steps.
    pub fn replayed(&self, k: usize) -> &Tensor<T> {
        self.program.as_ref().expect("a step was replayed").state(2 * k)
    }

    /// The step as a program of the data; each parameter and each velocity is a state.
    fn compile(&self) -> Program<T> {
        let tape = Tape::sketch();
        tape.set_precision(self.tape.precision());
        let Recorded { x, data, integers, y } = self.objective.record(&tape);
        let mut state = Vec::with_capacity(2 * x.len());
        for ((&p, v), g) in x.iter().zip(&self.velocity).zip(y.grad(&x)) {
            let v = tape.constant(v.clone());
            let next = v * T::of(0.9) + g;
            state.extend([(p, p - next * T::of(1e-3)), (v, next)]);
        }
        let draft = Program::draft(&tape).inputs(&data).integers(&integers).state(&state);
        draft.outputs(&[y]).compile().expect("inputs are leaves")
    }
}

impl<T: Float> Work for Training<T> {
    fn record(&mut self) {
        let Recorded { x, y, .. } = self.objective.record(&self.tape);
        let mut gradients = y.backward();
        let gradients: Vec<_> = x.iter().map(|&x| gradients.take(x).expect("every parameter is used")).collect();
        // The tape shares the parameters' memory: clear it before they are changed in place.
        self.tape.clear();
        let (momentum, rate) = (T::of(0.9), T::of(1e-3));
        for ((p, v), g) in self.objective.at.iter_mut().zip(&mut self.velocity).zip(&gradients) {
            update(p, [v], g, |p, [v], g| {
                *v = momentum * *v + g;
                *p -= rate * *v;
            });
        }
    }

    fn replay(&mut self) {
        if self.program.is_none() {
            self.program = Some(self.compile());
            // The program has its own parameters from here on.
            self.objective.at.clear();
        }
        let program = self.program.as_mut().expect("compiled");
        let (data, indices): (Vec<_>, Vec<_>) =
            (self.objective.data.iter().collect(), self.objective.indices.iter().collect());
        let loss = program.run_with(&data, &indices).expect("the shapes are those of the recording");
        assert!(loss[0].item().is_finite());
    }
}

/// The Hessian of an objective times a direction: the gradient of the derivative along that direction.
pub struct HessianVector<T: Float> {
    objective: Objective<T>,
    /// By variable.
    pub direction: Vec<Tensor<T>>,
    tape: Tape<T>,
    program: Option<Program<T>>,
}

impl<T: Float> HessianVector<T> {
    /// Uses a random direction.
    pub fn new(objective: Objective<T>) -> Self {
        let mut rng = Rng::new(1);
        let direction = objective.at.iter().map(|x| Tensor::randn(x.shape(), &mut rng)).collect();
        HessianVector { objective, direction, tape: Tape::new(), program: None }
    }

    /// The product, by variable.
    pub fn recorded(&mut self) -> Vec<Tensor<T>> {
        self.tape.clear();
        let recorded = self.objective.record(&self.tape);
        let (_, slope) = slope(&recorded, &self.direction);
        let gradients = slope.backward_wrt(&recorded.x);
        recorded.x.iter().map(|&x| gradients.wrt(x)).collect()
    }

    /// The same, replayed.
    pub fn replayed(&mut self) -> &[Tensor<T>] {
        let HessianVector { objective, direction, program, .. } = self;
        objective.replay(
            program,
            |r| {
                let (more, slope) = slope(r, direction);
                Outputs { more, outputs: slope.grad(&r.x) }
            },
            direction,
        )
    }
}

/// The direction, and the derivative along it.
fn slope<'t, T: Float>(r: &Recorded<'t, T>, direction: &[Tensor<T>]) -> (Vec<Var<'t, T>>, Var<'t, T>) {
    let direction: Vec<_> = direction.iter().map(|v| r.y.tape().constant(v.clone())).collect();
    let along: Vec<_> = r.x.iter().copied().zip(direction.iter().copied()).collect();
    (direction, r.y.jvp_recorded(&along))
}

impl<T: Float> Work for HessianVector<T> {
    fn record(&mut self) {
        assert_eq!(self.recorded().len(), self.direction.len());
    }

    fn replay(&mut self) {
        let outputs = self.replayed().len();
        assert_eq!(outputs, self.direction.len());
    }
}
