//! The training step as a compiled program: recorded once per batch shape, then replayed.
//!
//! The first batch of a shape runs recorded, and the recording is compiled: batch, targets, parameters, buffers and the
//! random numbers of dropout are inputs; losses, output, gradients and the new values of buffers are outputs. The second
//! runs both recorded and replayed, and the program is used from the third on only if every bit agrees. This detects a
//! loss or a layer that computes outside the tape, whose values would be frozen; reading a value for that purpose is
//! detected immediately. The comparison is repeated at random, with decreasing frequency, since a constant or a setting
//! may change later. What cannot be compiled runs recorded, and [`Replay::refused`] says why.

mod version;

use self::version::Version;
use super::objective::{Objective, Outcome, Recording, Swept};
use crate::optim::ParamGradients;
use crate::{Parameters, Path};
use autograd::{Float, Rng, Tensor};

/// The programs, one per batch shape.
pub(super) struct Replay<T: Float> {
    versions: Vec<Version<T>>,
    refused: Option<String>,
    path: Path,
}

/// The maximum number of batch shapes; beyond that, a program for each shape does not pay off.
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
    pub(super) fn find(&mut self, objective: &Objective<'_, T>) -> Option<usize> {
        let parameters = identity(objective.parameters, &mut self.path);
        self.versions.iter().position(|v| v.fits(objective.batch, parameters))
    }

    /// Whether a version may be used without recording the batch too.
    pub(super) fn is_proven(&self, version: usize) -> bool {
        let Version { proven, doubted, uses, due, .. } = self.versions[version];
        proven && !doubted && uses < due
    }

    /// Requests a new verification of programs used at least `after` times since the last request.
    pub(super) fn doubt(&mut self, after: usize) {
        self.versions.iter_mut().for_each(|version| version.doubt(after));
    }

    /// Compiles what was just recorded; if that fails, keeps the reason.
    pub(super) fn learn(
        &mut self,
        objective: &Objective<'_, T>,
        recording: &Recording<'_, '_, T>,
        gradients: &ParamGradients<T>,
    ) {
        if self.versions.len() == MOST {
            self.refuse(format!("more than {MOST} batch shapes: only the first {MOST} have a program"));
            return;
        }
        let mut version = Version::new(objective.batch, identity(objective.parameters, &mut self.path));
        if let Err(why) = version.compile(objective, recording, gradients, &mut self.path) {
            self.refuse(why);
        }
        self.versions.push(version);
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// Runs a version; `None` if it has no program. Stores the gradients and the new values of buffers in `swept`, and
    /// returns the loss with penalties and the outcome.
    pub(super) fn run(
        &mut self,
        version: usize,
        objective: &Objective<'_, T>,
        rng: Rng,
        swept: &mut Swept<T>,
    ) -> Option<(T, Outcome<T>)> {
        match self.versions[version].run(objective, rng, swept, &mut self.path)? {
            Ok(results) => Some(results),
            Err(error) => {
                self.refuse(error.to_string());
                None
            }
        }
    }

    /// Runs a version on a pass that has just been recorded, with the same random numbers. If every bit agrees, the
    /// version is proven; otherwise, its program is dropped.
    pub(super) fn prove(
        &mut self,
        version: usize,
        objective: &Objective<'_, T>,
        rng: Rng,
        outcome: &Outcome<T>,
        swept: &Swept<T>,
    ) {
        let mut kept = Swept::new();
        let Some((_, again)) = self.run(version, objective, rng, &mut kept) else { return };
        let updates = swept.updates.iter().zip(&kept.updates).map(|((_, a), (_, b))| (a, b));
        let mut pairs = swept.gradients.iter().zip(kept.gradients.iter()).chain(updates);
        let rows = (0..swept.gradients.len()).all(|i| swept.gradients.rows(i) == kept.gradients.rows(i));
        let same = outcome.is_same(&again) && rows && pairs.all(|(a, b)| same_bits(a, b));
        let version = &mut self.versions[version];
        if same {
            version.hold();
        } else {
            version.program = None;
            // This comparison was a use as well.
            let since = version.uses.saturating_sub(1);
            self.refuse(format!(
                "a replayed step does not reproduce the recorded one: a layer or the loss computes something outside \
                 the tape, or one of their settings has changed; {since} steps were replayed since it last did"
            ));
        }
    }
}

/// A hash that changes if the model has different parameters, or different ones are trainable.
fn identity<T: Float>(model: &dyn Parameters<T>, path: &mut Path) -> u64 {
    let mut hash = 0u64;
    model.visit(path, &mut |_, param| {
        let own = param.key() << 2 | u64::from(param.is_by_rows()) << 1 | u64::from(param.is_trainable());
        hash = (hash ^ own).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    });
    hash
}

impl<T: Float> Outcome<T> {
    /// Whether every bit agrees.
    fn is_same(&self, other: &Self) -> bool {
        let parts = self.parts.iter().zip(&other.parts).all(|((_, a), (_, b))| same_number(*a, *b));
        let outputs = self.outputs.iter().zip(other.outputs.iter());
        let mut pairs = outputs.map(|((name, _), _)| (self.outputs.numbers(name), other.outputs.numbers(name)));
        same_number(self.loss, other.loss)
            && self.parts.len() == other.parts.len()
            && parts
            && pairs.all(|(a, b)| matches!((a, b), (Ok(a), Ok(b)) if same_bits(a, b)))
    }
}

/// Bitwise equal; all NaN are equal.
fn same_number<T: Float>(a: T, b: T) -> bool {
    a.f64().to_bits() == b.f64().to_bits() || a.is_nan() && b.is_nan()
}

/// Bitwise equal; all NaN are equal.
fn same_bits<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
    a.shape() == b.shape() && a.iter().zip(b.iter()).all(|(a, b)| same_number(a, b))
}
