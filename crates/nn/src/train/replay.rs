//! The training step as a compiled program: recorded once per batch shape, then replayed.
//!
//! The first batch of a shape runs recorded, and the recording is compiled: batch, targets, parameters, buffers and the
//! random numbers of dropout are inputs; losses, output, gradients and the new values of buffers are outputs. The
//! second runs both ways, and the program is used from the third on only if every bit agrees. This detects a loss or a
//! layer that computes outside the tape, whose values would be frozen. The check is repeated for a batch with a new
//! label, since a loss may ignore it, and occasionally, since a setting may have changed. What cannot be compiled runs
//! recorded, and [`Replay::refused`] says why.

use super::step::Outcome;
use crate::data::Batch;
use crate::loss::Target;
use crate::optim::ParamGradients;
use crate::pass::{Noise, Pass, index_of};
use crate::{Parameters, Path};
use autograd::{Float, Program, Rng, Shape, Tensor, Var};
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// The programs, one per batch shape.
pub(super) struct Replay<T: Float> {
    versions: Vec<Version<T>>,
    refused: Option<String>,
    path: Path,
}

/// The program for batches of one shape and a model with certain parameters.
struct Version<T: Float> {
    inputs: Shape,
    targets: Kind,
    parameters: u64,
    program: Option<Program<T>>,
    proven: bool,
    /// Whether to verify it again before it is used.
    doubted: bool,
    /// Number of uses since it was last verified.
    uses: usize,
    /// Labels that occurred when it was recorded or verified. A loss may treat some label differently, outside the
    /// tape.
    labels: BTreeSet<i64>,
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

/// What to compile: the variables of a recorded pass.
pub(super) struct Recorded<'a, 't, T: Float> {
    pass: &'a Pass<'t, T>,
    input: Var<'t, T>,
    output: Var<'t, T>,
    /// The loss without penalties, and with them.
    plain: Var<'t, T>,
    total: Var<'t, T>,
}

impl<'a, 't, T: Float> Recorded<'a, 't, T> {
    /// The variables with these ids: input, output, and loss without penalties.
    pub(super) fn new(pass: &'a Pass<'t, T>, places: [usize; 3], total: Var<'t, T>) -> Self {
        let [input, output, plain] = places.map(|id| pass.tape().get(id).expect("the pass recorded it"));
        Recorded { pass, input, output, plain, total }
    }
}

/// The maximum number of batch shapes; more are not worth a program each.
const MOST: usize = 8;

impl<T: Float> Replay<T> {
    pub(super) fn new() -> Self {
        Replay { versions: Vec::new(), refused: None, path: Path::default() }
    }

    /// The number of batch shapes that are replayed.
    pub(super) fn programs(&self) -> usize {
        self.versions.iter().filter(|v| v.proven).count()
    }

    /// Why some batches run recorded.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The index of the version for this batch, if there is one.
    pub(super) fn find(&mut self, model: &(impl Parameters<T> + ?Sized), batch: &Batch<T>) -> Option<usize> {
        let parameters = identity(model, &mut self.path);
        self.versions.iter().position(|v| v.fits(batch, parameters))
    }

    /// Whether a version may be used for a batch without recording it too.
    pub(super) fn is_proven(&self, version: usize, batch: &Batch<T>) -> bool {
        let Version { proven, doubted, labels, .. } = &self.versions[version];
        *proven && !*doubted && labels_of(batch).is_none_or(|now| now.iter().all(|label| labels.contains(&label)))
    }

    /// Requests a new verification of programs used at least `after` times since their last one.
    pub(super) fn doubt(&mut self, after: usize) {
        self.versions.iter_mut().for_each(|version| version.doubted |= version.uses >= after);
    }

    /// Compiles what was just recorded; if that fails, keeps the reason.
    pub(super) fn learn(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        batch: &Batch<T>,
        recorded: Recorded<'_, '_, T>,
        gradients: &ParamGradients<T>,
    ) {
        if self.versions.len() == MOST {
            self.refuse(format!("more than {MOST} batch shapes: only the first {MOST} have a program"));
            return;
        }
        let (inputs, targets) = (batch.inputs.shape().into(), kind_of(&batch.targets));
        let parameters = identity(model, &mut self.path);
        let mut version = Version {
            inputs,
            targets,
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
        };
        match version.compile(model, batch, recorded, gradients, &mut self.path) {
            Ok(program) => version.program = Some(program),
            Err(why) => self.refuse(why),
        }
        version.labels.extend(labels_of(batch).iter().flat_map(|labels| labels.iter()));
        self.versions.push(version);
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// Runs a version; `None` if it has no program. Stores the gradients and the new values of buffers in the
    /// arguments, and returns the loss with penalties and the outcome.
    pub(super) fn run(
        &mut self,
        version: usize,
        model: &(impl Parameters<T> + ?Sized),
        batch: &Batch<T>,
        rng: Rng,
        gradients: &mut ParamGradients<T>,
        updates: &mut Vec<(u64, Tensor<T>)>,
    ) -> Option<(T, Outcome<T>)> {
        let version = &mut self.versions[version];
        let mut program = version.program.take()?;
        // Drop what still shares the memory of the last run.
        gradients.replace(std::iter::empty());
        updates.clear();
        match version.run(&mut program, model, batch, rng, &mut self.path) {
            Ok(out) => {
                let mut swept = out[3..].iter().cloned();
                gradients.replace(version.gradients.iter().map(|&has| if has { swept.next() } else { None }));
                // A buffer keeps its value, so it must not share the program's memory.
                updates.extend(version.updates.iter().copied().zip(swept.map(|value| value.deep_copy())));
                let outcome = Outcome { loss: out[1].item(), output: out[2].clone() };
                let total = out[0].item();
                version.program = Some(program);
                version.uses += 1;
                Some((total, outcome))
            }
            Err(error) => {
                self.refuse(error.to_string());
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the pass, and all its results")]
    /// Runs a version on a pass that has just been recorded. If every bit agrees, the version is proven; otherwise, its
    /// program is dropped.
    pub(super) fn prove(
        &mut self,
        version: usize,
        model: &(impl Parameters<T> + ?Sized),
        batch: &Batch<T>,
        rng: Rng,
        outcome: &Outcome<T>,
        gradients: &ParamGradients<T>,
        updates: &[(u64, Tensor<T>)],
    ) {
        let (mut swept, mut kept) = (ParamGradients::new(), Vec::new());
        let Some((_, again)) = self.run(version, model, batch, rng, &mut swept, &mut kept) else { return };
        let updates = updates.iter().zip(&kept).map(|((_, a), (_, b))| (a, b));
        let mut pairs = gradients.iter().zip(swept.iter()).chain(updates);
        let same = same_bits(&outcome.output, &again.output)
            && same_bits(&Tensor::scalar(outcome.loss), &Tensor::scalar(again.loss))
            && pairs.all(|(a, b)| same_bits(a, b));
        let version = &mut self.versions[version];
        if same {
            (version.proven, version.doubted, version.uses) = (true, false, 0);
            version.labels.extend(labels_of(batch).iter().flat_map(|labels| labels.iter()));
        } else {
            version.program = None;
            self.refuse(
                "a replayed step does not reproduce the recorded one: a layer or the loss computes something outside \
                 the tape, or one of their settings has changed"
                    .into(),
            );
        }
    }
}

impl<T: Float> Version<T> {
    fn fits(&self, batch: &Batch<T>, parameters: u64) -> bool {
        let alike = *self.inputs == *batch.inputs.shape() && self.targets == kind_of(&batch.targets);
        alike && self.parameters == parameters
    }

    /// Compiles a recorded pass, or returns why it cannot be compiled.
    fn compile(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        batch: &Batch<T>,
        recorded: Recorded<'_, '_, T>,
        gradients: &ParamGradients<T>,
        path: &mut Path,
    ) -> Result<Program<T>, String> {
        let Recorded { pass, input, output, plain, total } = recorded;
        let tape = pass.tape();
        let mut inputs = vec![input];
        self.sources.push(Source::Batch);
        let mut integers = Vec::new();
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
        match batch.targets.labels("replay") {
            Ok(labels) => {
                self.indices.push(Integers::Labels);
                integers.push(labels);
            }
            Err(_) => constants(values_of(&batch.targets), Source::Targets, "its targets")?,
        }
        if let Some(weights) = batch.targets.weights() {
            constants(weights, Source::Weights, "the weights of its samples")?;
        }
        for (var, index) in pass.indices() {
            if var.id() != input.id() {
                return Err("a layer reads indices from a tensor other than the batch".into());
            }
            self.indices.push(Integers::Batch);
            integers.push(index);
        }
        let (mut place, mut wanted) = (0, Vec::new());
        model.visit(path, &mut |_, param| {
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
        draft.compile().map_err(|e| e.to_string())
    }

    fn run<'p>(
        &mut self,
        program: &'p mut Program<T>,
        model: &(impl Parameters<T> + ?Sized),
        batch: &Batch<T>,
        mut rng: Rng,
        path: &mut Path,
    ) -> autograd::Result<&'p [Tensor<T>]> {
        model.visit(path, &mut |_, param| self.lent.push(param.value().clone()));
        for (noise, values) in &mut self.draws {
            noise.fill(values.make_mut(), &mut rng);
        }
        let read = self.indices.iter().any(|i| matches!(i, Integers::Batch)).then(|| index_of(&batch.inputs));
        let input = |source: &Source| match source {
            Source::Batch => &batch.inputs,
            Source::Targets => values_of(&batch.targets),
            Source::Weights => batch.targets.weights().expect("the version is for weighted samples"),
            Source::Parameter(place) => &self.lent[*place],
            Source::Draw(k) => &self.draws[*k].1,
        };
        let integer = |source: &Integers| match source {
            Integers::Labels => batch.targets.labels("replay").expect("the version is for labels"),
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

fn labels_of<T: Float>(batch: &Batch<T>) -> Option<&Tensor<i64>> {
    batch.targets.labels("replay").ok()
}

/// A hash that changes if the model has different parameters, or different ones are trainable.
fn identity<T: Float>(model: &(impl Parameters<T> + ?Sized), path: &mut Path) -> u64 {
    let mut hash = 0u64;
    model.visit(path, &mut |_, param| {
        let own = param.key() << 1 | u64::from(param.is_trainable());
        hash = (hash ^ own).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    });
    hash
}

/// Bitwise equal; all NaN are equal.
fn same_bits<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
    let same = |(a, b): (T, T)| a.f64().to_bits() == b.f64().to_bits() || a.is_nan() && b.is_nan();
    a.shape() == b.shape() && a.iter().zip(b.iter()).all(same)
}
