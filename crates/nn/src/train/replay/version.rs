//! One program of a replay: for batches of one shape and a model with certain parameters. It knows where each input
//! comes from and where each output goes; whether it may be used is decided elsewhere.

use crate::Path;
use crate::data::Batch;
use crate::loss::Target;
use crate::optim::ParamGradients;
use crate::pass::Noise;
use crate::train::objective::{Objective, Outcome, Recording, Swept};
use autograd::internals::sketched;
use autograd::{Float, Program, Rng, Shape, Tensor};
use smallvec::SmallVec;

/// The program for batches of one shape and a model with certain parameters.
pub(super) struct Version<T: Float> {
    inputs: Shape,
    targets: Kind,
    parameters: u64,
    pub program: Option<Program<T>>,
    pub proven: bool,
    /// Whether to verify it again before it is used.
    pub doubted: bool,
    /// Number of uses since it was last verified.
    pub uses: usize,
    /// Number of uses since a verification was last requested.
    unasked: usize,
    /// The number of uses after which it is verified again.
    pub due: usize,
    /// How often it has been verified.
    held: u32,
    sources: Vec<Source>,
    draws: Vec<(Noise, Tensor<T>)>,
    /// Whether each parameter gets a gradient, by index.
    gradients: Vec<bool>,
    /// Keys of buffers that get new values.
    updates: Vec<u64>,
    /// References to the model's parameters during a run.
    lent: Vec<Tensor<T>>,
}

/// The name of the replay in errors.
const OP: &str = "replay";

/// What identifies a kind of targets: whether they are labels, whether samples have weights, and their shape.
type Kind = (bool, bool, Shape);

/// Where an input of the program comes from.
#[derive(Clone, Copy)]
enum Source {
    Batch,
    Targets,
    Weights,
    /// The parameter or buffer with this index.
    Parameter(usize),
    /// The random draw with this index.
    Draw(usize),
}

impl<T: Float> Version<T> {
    /// A version without a program.
    pub(super) fn new(batch: &Batch<T>, parameters: u64) -> Self {
        Version {
            inputs: batch.inputs.shape().into(),
            targets: kind_of(&batch.targets),
            parameters,
            program: None,
            proven: false,
            doubted: false,
            uses: 0,
            unasked: 0,
            due: 0,
            held: 0,
            sources: Vec::new(),
            draws: Vec::new(),
            gradients: Vec::new(),
            updates: Vec::new(),
            lent: Vec::new(),
        }
    }

    pub(super) fn fits(&self, batch: &Batch<T>, parameters: u64) -> bool {
        let alike = *self.inputs == *batch.inputs.shape() && self.targets == kind_of(&batch.targets);
        alike && self.parameters == parameters
    }

    /// Notes that it reproduced a recorded step. It is verified again after a random number of uses, between 1 and 2, then
    /// between 2 and 4, 4 and 8, and so on, and in the end between 256 and 512.
    pub(super) fn hold(&mut self) {
        let least = 1 << self.held.min(8);
        (self.proven, self.doubted, self.uses) = (true, false, 0);
        self.due = least + Rng::new(u64::from(self.held)).below(least);
        self.held += 1;
    }

    /// Requests a verification if it was used at least `after` times since the last request.
    pub(super) fn doubt(&mut self, after: usize) {
        if self.unasked >= after {
            (self.doubted, self.unasked) = (true, 0);
        }
    }

    /// Compiles a recorded pass, or returns why it cannot be compiled.
    pub(super) fn compile(
        &mut self,
        objective: &Objective<'_, T>,
        recording: &Recording<'_, '_, T>,
        gradients: &ParamGradients<T>,
        path: &mut Path,
    ) -> Result<(), String> {
        let Recording { pass, input, targets, output, plain, total, ref read } = *recording;
        if let Some(why) = read {
            return Err(why.clone());
        }
        let tape = pass.tape();
        let mut inputs = vec![input];
        self.sources.push(Source::Batch);
        let labels = targets.labels(OP).ok();
        for (var, source) in [(targets.values(OP).ok(), Source::Targets), (targets.weights(), Source::Weights)] {
            if let Some(var) = var {
                inputs.push(var);
                self.sources.push(source);
            }
        }
        let (mut place, mut wanted) = (0, Vec::new());
        objective.model.visit(path, &mut |_, param| {
            let var = tape.find(param.key());
            if let Some(var) = var {
                inputs.push(var);
                self.sources.push(Source::Parameter(place));
            }
            let has = gradients.get(place).is_some();
            self.gradients.push(has);
            wanted.extend(var.filter(|_| has));
            place += 1;
        });
        for (k, (var, noise)) in pass.draws().enumerate() {
            inputs.push(var);
            self.sources.push(Source::Draw(k));
            self.draws.push((noise, Tensor::zeros(&var.shape())));
        }
        self.updates.extend(pass.updates().map(|(key, _)| key));
        let compiled = sketched(tape, || {
            let mut outputs = vec![total, plain, output];
            outputs.extend(total.try_grad(&wanted)?);
            outputs.extend(pass.updates().map(|(_, value)| value));
            Program::draft(tape).inputs(&inputs).integers(labels.as_slice()).outputs(&outputs).compile()
        });
        self.program = Some(compiled.map_err(|e| e.to_string())?);
        Ok(())
    }

    /// Runs the program, if there is one; after an error there is none. Stores the gradients and the new values of
    /// buffers in `swept`, and returns the loss with penalties and the outcome.
    pub(super) fn run(
        &mut self,
        objective: &Objective<'_, T>,
        rng: Rng,
        swept: &mut Swept<T>,
        path: &mut Path,
    ) -> Option<autograd::Result<(T, Outcome<T>)>> {
        let mut program = self.program.take()?;
        // Drop what still shares the memory of the last run.
        swept.gradients.replace(std::iter::empty());
        swept.updates.clear();
        let out = match self.outputs(&mut program, objective, rng, path) {
            Ok(out) => out,
            Err(error) => return Some(Err(error)),
        };
        let mut values = out[3..].iter().cloned();
        swept.gradients.replace(self.gradients.iter().map(|&has| if has { values.next() } else { None }));
        // A buffer keeps its value, so it must not share the program's memory.
        swept.updates.extend(self.updates.iter().copied().zip(values.map(|value| value.deep_copy())));
        let results = (out[0].item(), Outcome { loss: out[1].item(), output: out[2].clone() });
        self.program = Some(program);
        self.uses += 1;
        self.unasked += 1;
        Some(Ok(results))
    }

    /// The outputs of the program: the loss with and without penalties, the model's output, the gradients, and the new
    /// values of buffers.
    fn outputs<'p>(
        &mut self,
        program: &'p mut Program<T>,
        objective: &Objective<'_, T>,
        mut rng: Rng,
        path: &mut Path,
    ) -> autograd::Result<&'p [Tensor<T>]> {
        let Batch { inputs: x, targets } = objective.batch;
        objective.model.visit(path, &mut |_, param| self.lent.push(param.value().clone()));
        for (noise, values) in &mut self.draws {
            noise.fill(values.make_mut(), &mut rng);
        }
        let input = |source: &Source| match source {
            Source::Batch => x,
            Source::Targets => values_of(targets),
            Source::Weights => targets.weights().expect("the version is for weighted samples"),
            Source::Parameter(place) => &self.lent[*place],
            Source::Draw(k) => &self.draws[*k].1,
        };
        let inputs: SmallVec<[&Tensor<T>; 64]> = self.sources.iter().map(input).collect();
        let out = program.run_with(&inputs, labels_of(objective.batch).as_slice());
        drop(inputs);
        // Drop the references, so that the optimizer can update the parameters in place.
        self.lent.clear();
        out
    }
}

fn kind_of<T: Float>(targets: &Target<T>) -> Kind {
    (targets.labels(OP).is_ok(), targets.weights().is_some(), targets.shape().into())
}

fn values_of<T: Float>(targets: &Target<T>) -> &Tensor<T> {
    targets.values(OP).expect("targets that are not labels are values")
}

/// The labels of a batch, if its targets are labels.
fn labels_of<T: Float>(batch: &Batch<T>) -> Option<&Tensor<i64>> {
    batch.targets.labels(OP).ok()
}
