//! [`Parts`]: a loss as a weighted sum of named parts, on the tape.

use crate::fields::Name;
use autograd::{Error, Float, Result, Var};
use smallvec::SmallVec;
use std::borrow::Cow;

/// A loss on the tape: one variable, or a weighted sum `Σ w · part` of named ones. A
/// [history](crate::train::History) shows the parts one by one, without their weights.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::Parts;
/// let tape = Tape::<f64>::new();
/// let (error, size) = (tape.var(2.0), tape.var(10.0));
/// let parts = Parts::new().part("error", 1.0, error).part("size", 0.1, size);
/// assert_eq!(parts.total()?.item(), 2.0 + 0.1 * 10.0);
/// assert_eq!(Parts::from(error).total()?.id(), error.id());
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parts<'t, T: Float> {
    parts: SmallVec<[Part<'t, T>; 2]>,
}

#[derive(Debug, Clone)]
struct Part<'t, T: Float> {
    /// Empty for a loss that is not a sum of parts.
    name: Name,
    weight: f64,
    value: Var<'t, T>,
}

impl<T: Float> Default for Parts<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'t, T: Float> Parts<'t, T> {
    /// No parts yet.
    pub fn new() -> Self {
        Parts { parts: SmallVec::new() }
    }

    /// Adds `weight · value` to the sum.
    pub fn part(mut self, name: impl Into<Cow<'static, str>>, weight: f64, value: Var<'t, T>) -> Self {
        self.parts.push(Part { name: name.into(), weight, value });
        self
    }

    /// The weighted sum.
    ///
    /// # Errors
    /// Returns an error that names the part if one is not a scalar, its weight is not finite, or its name is taken; also
    /// if there is no part.
    #[track_caller]
    pub fn total(&self) -> Result<Var<'t, T>> {
        let mut total = None;
        for (place, Part { name, weight, value }) in self.parts.iter().enumerate() {
            let wrong = |hint: String| Error::Argument { op: "loss", hint };
            if !value.shape().is_empty() {
                let hint = format!("{} must be a scalar, as a mean or a sum is", told(name));
                return Err(Error::Shape { op: "loss", shape: value.shape().as_slice().into(), hint });
            }
            if !weight.is_finite() {
                return Err(wrong(format!("the weight of {} is {weight}; it must be finite", told(name))));
            }
            if self.parts[..place].iter().any(|part| part.name == *name) {
                return Err(wrong(format!("{} is given twice", told(name))));
            }
            let term = if *weight == 1.0 { *value } else { *value * T::of(*weight) };
            total = Some(total.map_or(term, |total: Var<'t, T>| total + term));
        }
        total.ok_or_else(|| Error::Argument {
            op: "loss",
            hint: "the loss has no parts: add one with Parts::part".into(),
        })
    }

    /// The parts that have names, without their weights.
    ///
    /// ```
    /// use autograd::Tape;
    /// use nn::loss::Parts;
    /// let tape = Tape::<f64>::new();
    /// let parts = Parts::new().part("size", 0.1, tape.var(10.0));
    /// assert_eq!(parts.named().map(|(name, part)| (name, part.item())).collect::<Vec<_>>(), [("size", 10.0)]);
    /// ```
    pub fn named(&self) -> impl Iterator<Item = (&str, Var<'t, T>)> {
        self.names().map(|(name, value)| (&**name, value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = (&Name, Var<'t, T>)> {
        self.parts.iter().filter(|part| !part.name.is_empty()).map(|part| (&part.name, part.value))
    }
}

impl<'t, T: Float> From<Var<'t, T>> for Parts<'t, T> {
    fn from(loss: Var<'t, T>) -> Self {
        Parts::new().part("", 1.0, loss)
    }
}

/// The name of a part in errors.
fn told(name: &str) -> String {
    if name.is_empty() { "the loss".to_owned() } else { format!("the part `{name}` of the loss") }
}
