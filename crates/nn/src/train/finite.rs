//! Numbers that should be finite and are not: which one, and what made it so.

use super::error::{NonFinite, Origin};
use crate::optim::ParamGradients;
use crate::{Parameters, Path};
use autograd::{Float, Tape, Tensor, Var};

/// An error that names the first parameter with an infinite or NaN gradient.
pub(super) fn check_finite<T: Float>(
    model: &(impl Parameters<T> + ?Sized),
    gradients: &ParamGradients<T>,
) -> Result<(), NonFinite> {
    if gradients.iter().all(all_finite) {
        return Ok(());
    }
    let (mut place, mut found) = (0, None);
    model.visit(&mut Path::default(), &mut |name, _| {
        if let Some(g) = gradients.get(place).filter(|g| found.is_none() && !all_finite(g)) {
            let value = g.iter().find(|x| !Float::is_finite(*x)).map_or(f64::NAN, Float::f64);
            found = Some(NonFinite { what: format!("the gradient of {name}"), value, origin: None });
        }
        place += 1;
    });
    found.map_or(Ok(()), Err)
}

fn all_finite<T: Float>(x: &Tensor<T>) -> bool {
    match x.as_slice() {
        // Whole blocks without a branch inside: the compiler makes vector code of it.
        Some(x) => x.chunks(256).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite())),
        None => x.iter().all(Float::is_finite),
    }
}

impl NonFinite {
    pub(super) fn loss<T: Float>(value: T, tape: &Tape<T>) -> Self {
        let origin = tape.first_non_finite().map(|culprit| Origin::new(culprit, false));
        NonFinite { what: "the loss".into(), value: value.f64(), origin }
    }
}

impl Origin {
    fn new<T: Float>(culprit: Var<'_, T>, derivative: bool) -> Self {
        Origin { op: culprit.op().name(), line: culprit.line(), derivative }
    }

    /// The operation whose derivative first made gradients infinite or NaN on the way back, found by a sweep that keeps
    /// those of everything on the tape.
    pub(super) fn of_gradients<T: Float>(loss: Var<'_, T>) -> Option<Self> {
        let all: Vec<Var<'_, T>> = loss.tape().vars().collect();
        let gradients = loss.backward_wrt(&all);
        let last = all.iter().rfind(|v| gradients.get(**v).is_some_and(|g| !all_finite(g)))?.id();
        let uses = |v: &&Var<'_, T>| gradients.get(**v).is_some() && v.inputs().iter().any(|input| input.id() == last);
        // What came to it was still finite.
        all[last + 1..].iter().find(uses).map(|culprit| Origin::new(*culprit, true))
    }
}
