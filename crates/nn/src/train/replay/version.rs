//! One program of a replay: for batches of one shape and a model with certain parameters. It knows where each input
//! comes from and where each output goes; whether it may be used is decided elsewhere.

use crate::Path;
use crate::data::Batch;
use crate::loss::Target;
use crate::optim::ParamGradients;
use crate::pass::{Noise, index_of};
use crate::train::objective::{Objective, Outcome, Recording, Swept};
use autograd::{Float, Program, Rng, Shape, Tape, Tensor, Var};
use smallvec::SmallVec;
use std::collections::BTreeSet;

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
    /// Labels that occurred when it was recorded or verified. A loss may treat some label differently, outside the
    /// tape.
    pub labels: BTreeSet<i64>,
    sources: Vec<Source>,
    indices: Vec<Integers>,
    draws: Vec<(Noise, Tensor<T>)>,
    /// Whether each parameter gets a gradient, by index.
    gradients: Vec<bool>,
    /// Keys of buffers that get new values.
    updates: Vec<u64>,
    /// References to the model's parameters during a run.
    lent: Vec<Tensor<T>>,
}

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

/// Where an integer input comes from.
#[derive(Clone, Copy)]
enum Integers {
    Labels,
    /// The batch itself, read as indices.
    Batch,
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
            labels: BTreeSet::new(),
            sources: Vec::new(),
            indices: Vec::new(),
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

    /// Compiles a recorded pass, or returns why it cannot be compiled.
    pub(super) fn compile(
        &mut self,
        objective: &Objective<'_, T>,
        recording: &Recording<'_, '_, T>,
        gradients: &ParamGradients<T>,
        path: &mut Path,
    ) -> Result<(), String> {
        let Recording { pass, input, output, plain, total } = *recording;
        let tape = pass.tape();
        let mut inputs = vec![input];
        self.sources.push(Source::Batch);
        let mut integers = self.add_targets(tape, &objective.batch.targets, &mut inputs)?;
        for (var, index) in pass.indices() {
            if var.id() != input.id() {
                return Err("a layer reads indices from a tensor other than the batch".into());
            }
            self.indices.push(Integers::Batch);
            integers.push(index);
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
        let mut outputs = vec![total, plain, output];
        outputs.extend(total.try_grad(&wanted).map_err(|e| e.to_string())?);
        for (key, value) in pass.updates() {
            self.updates.push(key);
            outputs.push(value);
        }
        let draft = Program::draft(tape).inputs(&inputs).indices(&integers).outputs(&outputs);
        self.program = Some(draft.compile().map_err(|e| e.to_string())?);
        Ok(())
    }

    /// Makes inputs of the targets and of the weights of the samples: constants on the tape that hold these very
    /// tensors, or labels, which are integers. Returns the integers.
    fn add_targets<'t, 'b>(
        &mut self,
        tape: &'t Tape<T>,
        targets: &'b Target<T>,
        inputs: &mut Vec<Var<'t, T>>,
    ) -> Result<Vec<&'b Tensor<i64>>, String> {
        let mut constants = |value: &Tensor<T>, source: Source, what: &str| {
            let before = inputs.len();
            inputs.extend(tape.constants_of(value));
            self.sources.resize(inputs.len(), source);
            if inputs.len() > before {
                Ok(())
            } else {
                Err(format!("the loss does not record {what} on the tape unchanged"))
            }
        };
        let mut integers = Vec::new();
        match targets.labels("replay") {
            Ok(labels) => {
                self.indices.push(Integers::Labels);
                integers.push(labels);
            }
            Err(_) => constants(values_of(targets), Source::Targets, "its targets")?,
        }
        if let Some(weights) = targets.weights() {
            constants(weights, Source::Weights, "the weights of its samples")?;
        }
        Ok(integers)
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
        let read = self.indices.iter().any(|i| matches!(i, Integers::Batch)).then(|| index_of(x));
        let input = |source: &Source| match source {
            Source::Batch => x,
            Source::Targets => values_of(targets),
            Source::Weights => targets.weights().expect("the version is for weighted samples"),
            Source::Parameter(place) => &self.lent[*place],
            Source::Draw(k) => &self.draws[*k].1,
        };
        let integer = |source: &Integers| match source {
            Integers::Labels => targets.labels("replay").expect("the version is for labels"),
            Integers::Batch => read.as_ref().expect("read above"),
        };
        let inputs: SmallVec<[&Tensor<T>; 64]> = self.sources.iter().map(input).collect();
        let integers: SmallVec<[&Tensor<i64>; 4]> = self.indices.iter().map(integer).collect();
        let out = program.run_with(&inputs, &integers);
        drop(inputs);
        // Drop the references, so that the optimizer can update the parameters in place.
        self.lent.clear();
        out
    }
}

fn kind_of<T: Float>(targets: &Target<T>) -> Kind {
    (targets.labels("replay").is_ok(), targets.weights().is_some(), targets.shape().into())
}

fn values_of<T: Float>(targets: &Target<T>) -> &Tensor<T> {
    targets.values("replay").expect("targets that are not labels are values")
}

/// The labels of a batch, if its targets are labels.
pub(super) fn labels_of<T: Float>(batch: &Batch<T>) -> Option<&Tensor<i64>> {
    batch.targets.labels("replay").ok()
}
