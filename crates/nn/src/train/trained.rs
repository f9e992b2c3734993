//! [`Trained`]: the parameters of a model with respect to which a step differentiates. The others are constants on its
//! tape, so no gradients are computed for them.

use crate::optim::Names;
use crate::{Parameters, Path};
use autograd::{Error, Float, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// All parameters, or those with certain names.
#[derive(Default)]
pub(super) struct Trained {
    names: Option<Wanted>,
    /// The keys of the others, and those of all parameters, of the model that was used last.
    held: Option<Arc<HashSet<u64>>>,
    seen: Vec<u64>,
    path: Path,
}

/// Names, in words and as a test.
struct Wanted {
    whose: String,
    test: Box<dyn Fn(&str) -> bool + Send>,
}

impl Trained {
    pub(super) fn only(names: impl Names) -> Self {
        let names = Wanted { whose: names.describe(), test: names.into_test() };
        Trained { names: Some(names), ..Trained::default() }
    }

    /// Finds the parameters of the model, if it is not that of the last pass.
    ///
    /// # Errors
    /// Returns an error if no parameter has such a name.
    pub(super) fn settle<T: Float>(&mut self, model: &dyn Parameters<T>) -> Result<()> {
        let Trained { names: Some(Wanted { whose, test }), held, seen, path } = self else { return Ok(()) };
        let (mut place, mut same) = (0, true);
        model.visit(path, &mut |_, param| {
            same &= seen.get(place) == Some(&param.key());
            place += 1;
        });
        if same && place == seen.len() && held.is_some() {
            return Ok(());
        }
        seen.clear();
        let (mut others, mut any) = (HashSet::new(), false);
        model.visit(path, &mut |name, param| {
            seen.push(param.key());
            match test(name) {
                true => any |= !param.is_buffer(),
                false => drop(others.insert(param.key())),
            }
        });
        if !any {
            let names = crate::names(model).join(", ");
            let hint = format!("{whose} names no parameter; the parameters are {names}");
            return Err(Error::Argument { op: "TrainStep::only", hint });
        }
        *held = Some(Arc::new(others));
        Ok(())
    }

    /// Whether to differentiate with respect to a parameter with this name.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|wanted| (wanted.test)(name))
    }

    /// The keys of the parameters that are constants.
    pub(super) fn held(&self) -> Option<Arc<HashSet<u64>>> {
        self.held.clone()
    }
}
