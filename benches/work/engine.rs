//! How a piece of work is run: an objective, and what may be asked of it.

use autograd::prelude::*;
use autograd::update;

/// Something to be timed.
pub trait Work {
    /// Once, recorded anew.
    fn record(&mut self);
}

/// A function from variables to a number.
pub struct Objective<T: Float> {
    /// The values of the variables.
    pub at: Vec<Tensor<T>>,
    /// What else it reads: a batch, a mask. Constants to the derivative.
    pub data: Vec<Tensor<T>>,
    function: Function<T>,
}

/// Records the objective from variables and data.
type Function<T> = Box<dyn for<'t> Fn(&[Var<'t, T>], &[Var<'t, T>]) -> Var<'t, T>>;

impl<T: Float> Objective<T> {
    /// The objective that `function` records, from variables and data in that order.
    pub fn new(
        at: Vec<Tensor<T>>,
        data: Vec<Tensor<T>>,
        function: impl for<'t> Fn(&[Var<'t, T>], &[Var<'t, T>]) -> Var<'t, T> + 'static,
    ) -> Self {
        Objective { at, data, function: Box::new(function) }
    }

    /// On that tape: the variables, and the number.
    pub fn record<'t>(&self, tape: &'t Tape<T>) -> (Vec<Var<'t, T>>, Var<'t, T>) {
        let x: Vec<_> = self.at.iter().map(|x| tape.var(x.clone())).collect();
        let y = self.call(&x);
        (x, y)
    }

    /// The number at those variables.
    pub fn call<'t>(&self, x: &[Var<'t, T>]) -> Var<'t, T> {
        let data: Vec<_> = self.data.iter().map(|d| x[0].tape().constant(d.clone())).collect();
        (self.function)(x, &data)
    }
}

/// The objective alone, without a derivative.
pub struct Value<T: Float> {
    objective: Objective<T>,
    tape: Tape<T>,
}

/// The objective and its gradient.
pub struct Gradient<T: Float> {
    objective: Objective<T>,
    tape: Tape<T>,
}

impl<T: Float> Value<T> {
    /// Of that objective.
    pub fn new(objective: Objective<T>) -> Self {
        Value { objective, tape: Tape::new() }
    }
}

impl<T: Float> Work for Value<T> {
    fn record(&mut self) {
        self.tape.clear();
        assert!(self.objective.record(&self.tape).1.item().is_finite());
    }
}

impl<T: Float> Gradient<T> {
    /// Of that objective.
    pub fn new(objective: Objective<T>) -> Self {
        Gradient { objective, tape: Tape::new() }
    }

    /// The derivatives by variable.
    pub fn computed(&mut self) -> Vec<Tensor<T>> {
        self.tape.clear();
        let (x, y) = self.objective.record(&self.tape);
        let gradients = y.backward();
        x.iter().map(|&x| gradients.wrt(x)).collect()
    }
}

impl<T: Float> Work for Gradient<T> {
    fn record(&mut self) {
        assert_eq!(self.computed().len(), self.objective.at.len());
    }
}

/// Gradient descent with momentum 0.9 and rate 1e-3 on an objective.
pub struct Training<T: Float> {
    /// With the parameters as trained so far.
    pub objective: Objective<T>,
    velocity: Vec<Tensor<T>>,
    tape: Tape<T>,
}

impl<T: Float> Training<T> {
    /// At rest.
    pub fn new(objective: Objective<T>) -> Self {
        let velocity = objective.at.iter().map(|x| Tensor::zeros(x.shape())).collect();
        Training { objective, velocity, tape: Tape::new() }
    }
}

impl<T: Float> Work for Training<T> {
    fn record(&mut self) {
        let (x, y) = self.objective.record(&self.tape);
        let mut gradients = y.backward();
        let gradients: Vec<_> = x.iter().map(|&x| gradients.take(x).expect("every parameter is used")).collect();
        // The tape shares the parameters' memory: it lets go before they are changed in place.
        self.tape.clear();
        let (momentum, rate) = (T::of(0.9), T::of(1e-3));
        for ((p, v), g) in self.objective.at.iter_mut().zip(&mut self.velocity).zip(&gradients) {
            update(p, [v], g, |p, [v], g| {
                *v = momentum * *v + g;
                *p -= rate * *v;
            });
        }
    }
}

/// The Hessian of an objective times a direction: the gradient of the derivative along that direction.
pub struct HessianVector<T: Float> {
    objective: Objective<T>,
    /// By variable.
    pub direction: Vec<Tensor<T>>,
    tape: Tape<T>,
}

impl<T: Float> HessianVector<T> {
    /// Along a random direction.
    pub fn new(objective: Objective<T>) -> Self {
        let mut rng = Rng::new(1);
        let direction = objective.at.iter().map(|x| Tensor::randn(x.shape(), &mut rng)).collect();
        HessianVector { objective, direction, tape: Tape::new() }
    }

    /// The product, by variable.
    pub fn computed(&mut self) -> Vec<Tensor<T>> {
        self.tape.clear();
        let (x, y) = self.objective.record(&self.tape);
        let along: Vec<_> = x.iter().zip(&self.direction).map(|(&x, v)| (x, self.tape.constant(v.clone()))).collect();
        let gradients = y.jvp_recorded(&along).backward_wrt(&x);
        x.iter().map(|&x| gradients.wrt(x)).collect()
    }
}

impl<T: Float> Work for HessianVector<T> {
    fn record(&mut self) {
        assert_eq!(self.computed().len(), self.direction.len());
    }
}
