//! The training step as a compiled program: recorded once for a shape of batch, then replayed.
//!
//! The first batch of a shape runs recorded, and what it recorded is compiled: batch, targets, parameters, buffers and the
//! random numbers of dropout are inputs; losses, output, gradients and the new values of buffers are outputs. The second
//! runs both ways, and the program is used from the third on only if every bit agreed: so a loss or a layer that computes
//! beside the tape, whose numbers would be frozen, is found out. So does a later batch with a label that never came up before,
//! since a loss may ignore it; and one now and then, since a setting may have changed. What cannot be compiled runs recorded, and
//! [`Replay::refused`] says why.

use super::step::Outcome;
use crate::data::Batch;
use crate::loss::Target;
use crate::optim::ParamGradients;
use crate::pass::{Noise, Pass, index_of};
use crate::{Parameters, Path};
use autograd::{Float, Program, Rng, Shape, Tensor, Var};
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Programs by shape of batch.
pub(super) struct Replay<T: Float> {
    versions: Vec<Version<T>>,
    refused: Option<String>,
    path: Path,
}

/// The program for batches of one shape and a model of certain parameters.
struct Version<T: Float> {
    inputs: Shape,
    targets: Kind,
    parameters: u64,
    program: Option<Program<T>>,
    proven: bool,
    /// Whether it is to be proven again before it is used.
    doubted: bool,
    /// How often it has been used since it was proven.
    uses: usize,
    /// Labels that came up while it was proven. A loss may treat one apart from the others, outside the tape.
    labels: BTreeSet<i64>,
    sources: Vec<Source>,
    indices: Vec<Integers>,
    draws: Vec<(Noise, Tensor<T>)>,
    /// By place, whether a parameter gets a gradient.
    gradients: Vec<bool>,
    /// Keys of buffers that get new values.
    updates: Vec<u64>,
    /// The model's parameters, while they are lent to a run.
    lent: Vec<Tensor<T>>,
}

/// What targets are alike in: whether they are labels, whether samples have weights, and their shape.
type Kind = (bool, bool, Shape);

/// Where an input of the program comes from.
#[derive(Clone, Copy)]
enum Source {
    Batch,
    Targets,
    Weights,
    /// The parameter or buffer in that place.
    Parameter(usize),
    /// The random numbers of that number.
    Draw(usize),
}

/// Where integers come from.
#[derive(Clone, Copy)]
enum Integers {
    Labels,
    /// The batch itself, read as indices.
    Batch,
}

/// What there is to compile: the variables of a recorded pass.
pub(super) struct Recorded<'a, 't, T: Float> {
    pass: &'a Pass<'t, T>,
    input: Var<'t, T>,
    output: Var<'t, T>,
    /// The loss without penalties, and with them.
    plain: Var<'t, T>,
    total: Var<'t, T>,
}

impl<'a, 't, T: Float> Recorded<'a, 't, T> {
    /// The variables at these places: input, output, and loss without penalties.
    pub(super) fn new(pass: &'a Pass<'t, T>, places: [usize; 3], total: Var<'t, T>) -> Self {
        let [input, output, plain] = places.map(|id| pass.tape().get(id).expect("the pass recorded it"));
        Recorded { pass, input, output, plain, total }
    }
}

/// More shapes than this are not worth a program each.
const MOST: usize = 8;

impl<T: Float> Replay<T> {
    pub(super) fn new() -> Self {
        Replay { versions: Vec::new(), refused: None, path: Path::default() }
    }

    /// How many shapes of batches are replayed.
    pub(super) fn programs(&self) -> usize {
        self.versions.iter().filter(|v| v.proven).count()
    }

    /// Why some batches run recorded.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The number of the version for this batch, if there is one.
    pub(super) fn find(&mut self, model: &(impl Parameters<T> + ?Sized), batch: &Batch<T>) -> Option<usize> {
        let parameters = identity(model, &mut self.path);
        self.versions.iter().position(|v| v.fits(batch, parameters))
    }

    /// Whether a version may be used for a batch without a recording beside it.
    pub(super) fn is_proven(&self, version: usize, batch: &Batch<T>) -> bool {
        let Version { proven, doubted, labels, .. } = &self.versions[version];
        *proven && !*doubted && labels_of(batch).is_none_or(|now| now.iter().all(|label| labels.contains(&label)))
    }

    /// Proves programs again that have been used so often since they were proven.
    pub(super) fn doubt(&mut self, after: usize) {
        self.versions.iter_mut().for_each(|version| version.doubted |= version.uses >= after);
    }

    /// Compiles what was just recorded; if that is impossible, keeps the reason.
    pub(super) fn learn(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        batch: &Batch<T>,
        recorded: Recorded<'_, '_, T>,
        gradients: &ParamGradients<T>,
    ) {
        if self.versions.len() == MOST {
            self.refuse(format!("more than {MOST} shapes of batches: only the first ones have a program"));
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

    /// Runs a version; `None` if it has no program. Leaves gradients and the new values of buffers where it is told to, and
    /// gives the loss with penalties and the outcome.
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
        // What still holds memory of the last run lets go of it.
        gradients.replace(std::iter::empty());
        updates.clear();
        match version.run(&mut program, model, batch, rng, &mut self.path) {
            Ok(out) => {
                let mut swept = out[3..].iter().cloned();
                gradients.replace(version.gradients.iter().map(|&has| if has { swept.next() } else { None }));
                // A buffer keeps what it is given: not memory of the program's.
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

    #[allow(clippy::too_many_arguments, reason = "the pass, and all that came of it")]
    /// Runs a version beside a recording that has just been made of the same pass. If every bit agrees it is proven, if not
    /// it is given up.
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
                "replayed, a step gives other numbers: a layer or the loss computes something beside the tape, or one of \
                 their settings has changed"
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

    /// The program of a recorded pass, or why there is none.
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
                Err(format!("the loss does not put {what} on the tape as they are"))
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
                return Err("a layer reads indices from something that is not the batch".into());
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
        // The optimizer changes the parameters in place.
        self.lent.clear();
        out
    }
}

fn kind_of<T: Float>(targets: &Target<T>) -> Kind {
    (targets.labels("replay").is_ok(), targets.weights().is_some(), targets.shape().into())
}

fn values_of<T: Float>(targets: &Target<T>) -> &Tensor<T> {
    targets.values("replay").expect("what are no labels are numbers")
}

fn labels_of<T: Float>(batch: &Batch<T>) -> Option<&Tensor<i64>> {
    batch.targets.labels("replay").ok()
}

/// A number that changes when the model has other parameters, or other ones are trained.
fn identity<T: Float>(model: &(impl Parameters<T> + ?Sized), path: &mut Path) -> u64 {
    let mut hash = 0u64;
    model.visit(path, &mut |_, param| {
        let own = param.key() << 1 | u64::from(param.is_trainable());
        hash = (hash ^ own).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    });
    hash
}

/// Equal to the bit; NaN equals NaN.
fn same_bits<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
    let same = |(a, b): (T, T)| a.f64().to_bits() == b.f64().to_bits() || a.is_nan() && b.is_nan();
    a.shape() == b.shape() && a.iter().zip(b.iter()).all(same)
}
