//! Checks for infinite or NaN losses and gradients, and finds the operation that produced them.

use super::error::{NonFinite, Origin};
use crate::optim::ParamGradients;
use crate::{Parameters, Path};
use autograd::{Float, Tape, Tensor, Var};

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
            found = Some(NonFinite { what: format!("the gradient of {name}"), value, origin: None });
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
    pub(super) fn loss<T: Float>(value: T, tape: &Tape<T>) -> Self {
        let origin = tape.first_non_finite().map(|culprit| Origin::new(culprit, false));
        NonFinite { what: "the loss".into(), value: value.f64(), origin }
    }
}

impl Origin {
    fn new<T: Float>(culprit: Var<'_, T>, derivative: bool) -> Self {
        Origin { op: culprit.op().name(), line: culprit.line(), derivative }
    }

    /// The operation whose derivative first made a gradient infinite or NaN in the backward pass. Found by a second
    /// backward pass that keeps the gradients of every node on the tape.
    pub(super) fn of_gradients<T: Float>(loss: Var<'_, T>) -> Option<Self> {
        let all: Vec<Var<'_, T>> = loss.tape().vars().collect();
        let gradients = loss.backward_wrt(&all);
        let last = all.iter().rfind(|v| gradients.get(**v).is_some_and(|g| !all_finite(g)))?.id();
        let uses = |v: &&Var<'_, T>| gradients.get(**v).is_some() && v.inputs().iter().any(|input| input.id() == last);
        // Its incoming gradient was still finite.
        all[last + 1..].iter().find(uses).map(|culprit| Origin::new(*culprit, true))
    }
}
