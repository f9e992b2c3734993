//! Checks for infinite or NaN losses and gradients, and finds the operation that produced them.

use super::error::NonFinite;
use crate::fields::{Field, Samples};
use crate::loss::Parts;
use crate::optim::ParamGradients;
use crate::{Parameters, Path};
use autograd::{Float, Tape, Tensor};

/// Returns an error that names the first parameter with an infinite or NaN gradient.
pub(super) fn check_finite<T: Float>(
    model: &dyn Parameters<T>,
    gradients: &ParamGradients<T>,
) -> Result<(), NonFinite> {
    if gradients.iter().all(all_finite) {
        return Ok(());
    }
    let (mut place, mut found) = (0, None);
    model.visit(&mut Path::default(), &mut |name, _| {
        if let Some(g) = gradients.get(place).filter(|g| found.is_none() && !all_finite(g)) {
            let value = g.iter().find(|x| !Float::is_finite(*x)).map_or(f64::NAN, Float::f64);
            found = Some(NonFinite { what: format!("the gradient of {name}"), value, sample: None, origin: None });
        }
        place += 1;
    });
    found.map_or(Ok(()), Err)
}

fn all_finite<T: Float>(x: &Tensor<T>) -> bool {
    match x.as_slice() {
        // Whole blocks without a branch inside, so that the compiler vectorizes the loop.
        Some(x) => x.chunks(256).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite())),
        None => x.iter().all(Float::is_finite),
    }
}

impl NonFinite {
    /// The loss, or the part of it that is not finite.
    pub(super) fn loss<T: Float>(value: T, parts: &Parts<'_, T>, tape: &Tape<T>) -> Self {
        let parts = parts.named().map(|(name, part)| (name, part.value().item()));
        let (what, value) = match parts.into_iter().find(|(_, part)| !part.is_finite()) {
            Some((name, part)) => (format!("the part `{name}` of the loss"), part),
            None => ("the loss".to_owned(), value),
        };
        NonFinite { what, value: value.f64(), sample: None, origin: tape.non_finite().map(Box::new) }
    }

    /// The first number of a batch that is not finite, if there is one: then the data is the cause.
    pub(super) fn in_batch<T: Float>(batch: &Samples<T>) -> Option<Self> {
        let inputs = batch.inputs.iter().map(|(name, field)| ("input", name, field));
        let targets = batch.targets.iter().map(|(name, field)| ("target", name, field));
        inputs.chain(targets).find_map(|(kind, name, field)| {
            let Field::Numbers(x) = field else { return None };
            let (place, value) = x.iter().enumerate().find(|(_, x)| !Float::is_finite(*x))?;
            let row = x.shape().iter().skip(1).product::<usize>();
            let what = if name == kind { format!("the {kind}") } else { format!("the {kind} `{name}`") };
            Some(NonFinite { what, value: value.f64(), sample: Some(place / row), origin: None })
        })
    }
}
