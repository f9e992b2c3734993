//! One program of a replay: for batches of one shape and a model with certain parameters. It knows where each input
//! comes from and where each output goes; whether it may be used is decided elsewhere.

use crate::Path;
use crate::fields::{Field, FieldVar, Name, Samples};
use crate::optim::ParamGradients;
use crate::pass::Noise;
use crate::train::objective::{Objective, Outcome, Recording, Swept};
use autograd::internals::{lookups, sketched};
use autograd::{Float, Program, Rng, Rows, Shape, Tensor};
use smallvec::SmallVec;

/// The program for batches of one shape and a model with certain parameters.
pub(super) struct Version<T: Float> {
    batch: Form,
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
    /// The positions in a batch of the program's integers.
    integers: Vec<usize>,
    /// The names of the parts of the loss, and of the outputs.
    parts: Vec<Name>,
    outputs: Vec<Name>,
    draws: Vec<(Noise, Tensor<T>)>,
    /// The scale of the loss and its inverse during a run.
    scale: [Tensor<T>; 2],
    /// The gradient of each parameter, by index.
    gradients: Vec<Found>,
    /// Keys of buffers that get new values.
    updates: Vec<u64>,
    /// References to the model's parameters during a run.
    lent: Vec<Tensor<T>>,
    /// The booleans of the batch as 0 and 1 during a run.
    masks: Vec<Tensor<T>>,
}

/// The form in which a program returns the gradient of a parameter.
enum Found {
    None,
    All,
    /// The cotangents of this many lookups in a table of this shape.
    Lookups(usize, Shape),
}

/// What identifies a kind of batches: the number of inputs, the fields with their types and shapes, and the shape of the
/// weights.
struct Form {
    inputs: usize,
    fields: Vec<(Name, &'static str, Shape)>,
    weights: Option<Shape>,
}

impl Form {
    fn of<T: Float>(batch: &Samples<T>) -> Self {
        let fields = batch.inputs.list.0.iter().chain(&batch.targets.list.0);
        Form {
            inputs: batch.inputs.len(),
            fields: fields.map(|(name, field)| (name.clone(), field.kind(), field.shape().into())).collect(),
            weights: batch.weights.as_ref().map(|weights| weights.shape().into()),
        }
    }

    fn fits<T: Float>(&self, batch: &Samples<T>) -> bool {
        let alike = |(known, (name, field)): (&(Name, &str, Shape), (&str, &Field<T>))| {
            known.0 == name && known.1 == field.kind() && known.2.as_slice() == field.shape()
        };
        self.inputs == batch.inputs.len()
            && self.fields.len() == self.inputs + batch.targets.len()
            && self.fields.iter().zip(batch.iter()).all(alike)
            && self.weights.as_deref() == batch.weights.as_ref().map(|weights| weights.shape())
    }
}

/// Where an input of the program comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The field with this index, which holds numbers.
    Numbers(usize),
    /// The field with this index, which holds booleans.
    Booleans(usize),
    Weights,
    /// The scale of the loss, or its inverse.
    Scale(usize),
    /// The parameter or buffer with this index.
    Parameter(usize),
    /// The random draw with this index.
    Draw(usize),
}

impl<T: Float> Version<T> {
    /// A version without a program.
    pub(super) fn new(batch: &Samples<T>, parameters: u64) -> Self {
        Version {
            batch: Form::of(batch),
            parameters,
            program: None,
            proven: false,
            doubted: false,
            uses: 0,
            unasked: 0,
            due: 0,
            held: 0,
            sources: Vec::new(),
            integers: Vec::new(),
            parts: Vec::new(),
            outputs: Vec::new(),
            draws: Vec::new(),
            scale: [1.0, 1.0].map(|one| Tensor::scalar(T::of(one))),
            gradients: Vec::new(),
            updates: Vec::new(),
            lent: Vec::new(),
            masks: Vec::new(),
        }
    }

    pub(super) fn fits(&self, batch: &Samples<T>, parameters: u64) -> bool {
        self.parameters == parameters && self.batch.fits(batch)
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
        let Recording { pass, given, recorded, root, adjoints, ref read } = *recording;
        if let Some(why) = read {
            return Err(why.clone());
        }
        let tape = pass.tape();
        let (mut inputs, mut integers) = (Vec::new(), Vec::new());
        for (place, var) in given.each().enumerate() {
            match var {
                FieldVar::Integers(var) => {
                    integers.push(var);
                    self.integers.push(place);
                }
                FieldVar::Numbers(var) => {
                    inputs.push(var);
                    let weights = place == self.batch.fields.len();
                    self.sources.push(if weights { Source::Weights } else { Source::Numbers(place) });
                }
                FieldVar::Booleans(mask) => {
                    inputs.push(mask.indicator());
                    self.sources.push(Source::Booleans(place));
                }
            }
        }
        let (mut place, mut wanted, mut looked_up) = (0, Vec::new(), Vec::new());
        objective.parameters.visit(path, &mut |_, param| {
            let var = tape.find(param.key());
            if let Some(var) = var {
                inputs.push(var);
                self.sources.push(Source::Parameter(place));
            }
            self.gradients.push(match var {
                Some(table) if gradients.rows(place).is_some() => {
                    let found = lookups(adjoints, table);
                    looked_up.extend(found.iter().map(|(index, _)| *index));
                    wanted.extend(found.iter().map(|(_, rows)| *rows));
                    Found::Lookups(found.len(), table.shape())
                }
                Some(var) if gradients.get(place).is_some() => {
                    wanted.push(var);
                    Found::All
                }
                _ => Found::None,
            });
            place += 1;
        });
        for (k, (var, noise)) in pass.draws().enumerate() {
            inputs.push(var);
            self.sources.push(Source::Draw(k));
            self.draws.push((noise, Tensor::zeros(&var.shape())));
        }
        for (k, factor) in root.scale.into_iter().flatten().enumerate() {
            inputs.push(factor);
            self.sources.push(Source::Scale(k));
        }
        self.updates.extend(pass.updates().map(|(key, _)| key));
        (self.parts, self.outputs) = recorded.names();
        let compiled = sketched(tape, || {
            let mut outputs: Vec<_> = recorded.vars().collect();
            outputs.extend(root.gradients(&wanted)?);
            outputs.extend(pass.updates().map(|(_, value)| value));
            let draft = Program::draft(tape).inputs(&inputs).integers(&integers).outputs(&outputs);
            draft.integer_outputs(&looked_up).compile()
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
        let mut values = out.iter().cloned().collect::<SmallVec<[Tensor<T>; 32]>>().into_iter();
        let outcome = Outcome::new(&mut self.parts.iter().cloned(), &mut self.outputs.iter().cloned(), &mut values);
        let mut looked_up = 0;
        for found in &self.gradients {
            match found {
                Found::None => swept.gradients.push(None),
                Found::All => swept.gradients.push(values.next()),
                Found::Lookups(count, table) => {
                    let index = |(g, k)| (program.integers(k).clone(), g);
                    let parts: Vec<_> = values.by_ref().take(*count).zip(looked_up..).map(index).collect();
                    swept.gradients.push_rows(Rows::sum(&parts, table));
                    looked_up += count;
                }
            }
        }
        // A buffer keeps its value, so it must not share the program's memory.
        swept.updates.extend(self.updates.iter().copied().zip(values.map(|value| value.deep_copy())));
        let results = outcome.map(|outcome| (outcome.total, outcome));
        self.program = Some(program);
        self.uses += 1;
        self.unasked += 1;
        Some(results)
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
        objective.parameters.visit(path, &mut |_, param| self.lent.push(param.value().clone()));
        for (noise, values) in &mut self.draws {
            noise.fill(values.make_mut(), &mut rng);
        }
        if let Some(factors) = objective.scale {
            self.scale = factors.map(Tensor::scalar);
        }
        let batch = objective.batch;
        let masks = self.sources.iter().filter_map(|source| match source {
            Source::Booleans(place) => batch.field(*place).indicator(),
            Source::Numbers(_) | Source::Weights | Source::Scale(_) | Source::Parameter(_) | Source::Draw(_) => None,
        });
        self.masks.extend(masks);
        let mut masks = self.masks.iter();
        let input = |source: &Source| match source {
            Source::Numbers(place) => match batch.field(*place) {
                Field::Numbers(x) => x,
                _ => unreachable!("the version is for numbers here"),
            },
            Source::Booleans(_) => masks.next().expect("one for each"),
            Source::Weights => batch.weights.as_ref().expect("the version is for weighted samples"),
            Source::Scale(k) => &self.scale[*k],
            Source::Parameter(place) => &self.lent[*place],
            Source::Draw(k) => &self.draws[*k].1,
        };
        let inputs: SmallVec<[&Tensor<T>; 64]> = self.sources.iter().map(input).collect();
        let labels = |place: &usize| match batch.field(*place) {
            Field::Integers(x) => x,
            _ => unreachable!("the version is for integers here"),
        };
        let integers: SmallVec<[&Tensor<i64>; 4]> = self.integers.iter().map(labels).collect();
        let out = program.run_with(&inputs, &integers);
        drop(inputs);
        // Drop the references, so that the optimizer can update the parameters in place.
        self.lent.clear();
        self.masks.clear();
        out
    }
}
