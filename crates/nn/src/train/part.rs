//! [`PartTrainer`]: a step and an optimizer for a part of a model, for loops in which several losses take turns.

use super::error::StepError;
use super::objective::Outcome;
use super::step::TrainStep;
use crate::data::Samples;
use crate::io::{StateDict, StateError};
use crate::loss::Parts;
use crate::number::count;
use crate::optim::{Names, Optimizer};
use crate::{Given, Parameters, Pass, Path};
use autograd::{Float, Precision, Result, Tensor};

/// Trains the parameters with certain names with a separate loss and optimizer: the critic of a GAN, for example, or its
/// generator. The other parameters are constants of its steps, which are [replayed](super#replay).
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{Module, data::{Fields, Samples}, layer::Linear, loss::Parts, optim::Sgd, parameters};
/// use nn::train::{PartTrainer, each_in_one};
/// /// A follows B, and B avoids A.
/// struct Pair { a: Linear<f64>, b: Linear<f64> }
/// parameters! { impl Parameters<f64> for Pair { a, b } }
/// let mut pair = Pair { a: Linear::new(1, 1, &mut Rng::new(0)), b: Linear::new(1, 1, &mut Rng::new(1)) };
/// let (mut a, mut b) = (PartTrainer::new("a.*", Sgd::new(0.1), 1), PartTrainer::new("b.*", Sgd::new(0.01), 2));
/// each_in_one(&pair, &[&a, &b])?;
/// let batch = Samples::unlabeled(Fields::new().with("x", tensor![[1.0], [2.0]]));
/// for _ in 0..10 {
///     for (part, sign) in [(&mut a, 1.0), (&mut b, -1.0)] {
///         part.run(&mut pair, &batch, |pair, given, pass| {
///             let x = given.inputs.only()?;
///             let apart = pair.a.forward(x, pass) - pair.b.forward(x, pass);
///             Ok(Parts::from(apart.square().mean() * sign))
///         })?;
///     }
/// }
/// assert_eq!((a.step().programs(), b.step().programs()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PartTrainer<T: Float> {
    step: TrainStep<T>,
    optimizer: Box<dyn Optimizer<T> + 'static>,
    whose: String,
}

impl<T: Float> PartTrainer<T> {
    /// Trains the parameters with these names: a pattern, in which `*` matches any text, or a function.
    ///
    /// # Panics
    /// Panics if the optimizer [searches](Optimizer::searches) for its steps, as [`Lbfgs`](crate::optim::Lbfgs) does.
    #[track_caller]
    pub fn new(names: impl Names, optimizer: impl Optimizer<T> + 'static, seed: u64) -> Self {
        assert!(!optimizer.searches(), "PartTrainer: the optimizer searches for its steps, which takes a Trainer");
        let whose = names.describe();
        PartTrainer { step: TrainStep::new(seed).replaying().only(names), optimizer: Box::new(optimizer), whose }
    }

    /// Rounds the operands of products to this precision: see [`TrainStep::precision`].
    ///
    /// ```
    /// use nn::{optim::Sgd, train::PartTrainer};
    /// let critic = PartTrainer::<f32>::new("critic.*", Sgd::new(0.1), 0).precision(autograd::Precision::Bf16);
    /// # let _ = critic;
    /// ```
    pub fn precision(self, precision: Precision) -> Self {
        PartTrainer { step: self.step.precision(precision), ..self }
    }

    /// Runs one update by the loss that `record` computes from the model and the batch.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if `record` fails, the loss or a gradient is not finite, or no parameter
    /// has such a name.
    pub fn run<M: Parameters<T>>(
        &mut self,
        model: &mut M,
        batch: impl Into<Samples<T>>,
        record: impl for<'t> Fn(&M, &Given<'t, T>, &mut Pass<'t, T>) -> Result<Parts<'t, T>>,
    ) -> std::result::Result<Outcome<T>, StepError> {
        let outcome = self.step.gradients_by(&*model, batch, |given, pass| record(model, given, pass))?;
        self.step.apply(model, &mut *self.optimizer);
        Ok(outcome)
    }

    /// The step, which knows how many programs it replays.
    pub fn step(&self) -> &TrainStep<T> {
        &self.step
    }

    /// The optimizer, whose rate may change.
    ///
    /// ```
    /// let mut part = nn::train::PartTrainer::<f64>::new("a.*", nn::optim::Sgd::new(0.1), 0);
    /// part.optimizer().set_learning_rate(0.01);
    /// assert_eq!(part.optimizer().learning_rate(), 0.01);
    /// ```
    pub fn optimizer(&mut self) -> &mut dyn Optimizer<T> {
        &mut *self.optimizer
    }

    /// Everything that changes in a run: the state of the optimizer, and the number of passes, which seeds dropout. A
    /// loop saves it with the model.
    ///
    /// ```
    /// use nn::{layer::Linear, optim::Adam, train::PartTrainer};
    /// let model = Linear::<f64>::new(1, 1, &mut autograd::Rng::new(0));
    /// let part = || PartTrainer::<f64>::new("*", Adam::new(0.1), 0);
    /// let mut later = part();
    /// later.load_state(&model, &part().state(&model))?; // continues like the first one
    /// # Ok::<(), nn::io::StateError>(())
    /// ```
    pub fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        let mut state = self.optimizer.state(model);
        let counts = [self.step.passes(), self.step.steps(), self.step.skipped()];
        state.insert(POSITION, counts.into_iter().map(|n| n as i64).collect::<Tensor<i64>>());
        state
    }

    /// Restores what [`state`](PartTrainer::state) returned.
    ///
    /// # Errors
    /// Returns an error that names all differences if the state does not match. Nothing changes then.
    pub fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> std::result::Result<(), StateError> {
        let mut own = StateDict::new();
        for (name, tensor) in state.iter().filter(|(name, _)| *name != POSITION) {
            own.insert(name, tensor.clone());
        }
        let saved = state.get(POSITION).map(|counts| counts.to::<f64>().to_vec());
        let counts = saved.and_then(|counts| counts.iter().map(|n| count(*n)).collect::<Option<Vec<_>>>());
        let Some([passes, steps, skipped]) = counts.and_then(|counts| <[usize; 3]>::try_from(counts).ok()) else {
            return Err(StateError { missing: vec![POSITION.to_owned()], ..StateError::default() });
        };
        self.optimizer.load_state(model, &own)?;
        self.step.continue_from(passes as u64, steps as u64, skipped as u64);
        Ok(())
    }
}

/// The name of the position in a state. No parameter has this name, since an entry of an optimizer ends with another
/// name.
const POSITION: &str = "position";

/// Checks that each trainable parameter belongs to exactly one of the trainers of the parts of a model.
///
/// ```
/// use nn::{layer::Mlp, optim::Sgd, train::{PartTrainer, each_in_one}};
/// let model = Mlp::new(&[4, 3, 2]).build::<f64>();
/// let part = |names: &str| PartTrainer::new(names, Sgd::new(0.1), 0);
/// let error = each_in_one(&model, &[&part("0.*"), &part("*.bias")]).unwrap_err().to_string();
/// assert!(error.contains("2.weight belongs to none") && error.contains("0.bias belongs to 2: \"0.*\", \"*.bias\""));
/// ```
/// # Errors
/// Returns an error that names every parameter that belongs to none or to several.
pub fn each_in_one<T: Float>(model: &dyn Parameters<T>, parts: &[&PartTrainer<T>]) -> Result<()> {
    let mut wrong = Vec::new();
    model.visit(&mut Path::default(), &mut |name, param| {
        let owners = parts.iter().filter(|part| part.step.trains(name));
        let owners: Vec<&str> = owners.map(|part| part.whose.as_str()).collect();
        match owners.len() {
            1 => {}
            _ if !param.is_trainable() => {}
            0 => wrong.push(format!("{name} belongs to none")),
            n => wrong.push(format!("{name} belongs to {n}: {}", owners.join(", "))),
        }
    });
    if wrong.is_empty() {
        return Ok(());
    }
    let hint = format!("each parameter must belong to one optimizer, but {}", wrong.join("; "));
    Err(autograd::Error::Argument { op: "each_in_one", hint })
}
