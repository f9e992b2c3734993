//! Layers that only change the shape.

use crate::{Module, Pass, parameters};
use autograd::{Error, Float, Result, Var};

/// Merges several axes into one: by default all axes after the first, the batch.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::Flatten};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[8, 16, 5, 5]));
/// assert_eq!(Flatten::new().forward(x, &mut Pass::eval(&tape)).shape().as_slice(), [8, 400]);
/// assert_eq!(Flatten::axes(0, -2).forward(x, &mut Pass::eval(&tape)).shape().as_slice(), [640, 5]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flatten {
    first: isize,
    last: isize,
}

/// Splits one axis into several, whose sizes multiply to its size. One of them may be -1 and is inferred from the
/// others.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::Unflatten};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[8, 400]));
/// let y = Unflatten::new(1, &[16, 5, -1]).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [8, 16, 5, 5]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unflatten {
    axis: isize,
    sizes: Box<[isize]>,
}

impl Flatten {
    /// Merges all axes but the first.
    pub fn new() -> Self {
        Self::axes(1, -1)
    }

    /// Merges the axes from `first` through `last`; negative axes count from the end.
    pub fn axes(first: isize, last: isize) -> Self {
        Flatten { first, last }
    }
}

impl Default for Flatten {
    fn default() -> Self {
        Self::new()
    }
}

impl Unflatten {
    /// Splits the axis, counted from the end if negative, into axes of the given sizes.
    pub fn new(axis: isize, sizes: &[isize]) -> Self {
        Unflatten { axis, sizes: sizes.into() }
    }
}

/// The index of an axis in a shape, or an error if there is no such axis.
fn place(op: &'static str, axis: isize, shape: &[usize]) -> Result<usize> {
    let rank = shape.len() as isize;
    let place = if axis < 0 { axis + rank } else { axis };
    if (0..rank).contains(&place) {
        return Ok(place as usize);
    }
    Err(Error::Shape { op, shape: shape.into(), hint: format!("there is no axis {axis}") })
}

parameters! { impl[T: Float] Parameters<T> for Flatten {} }
parameters! { impl[T: Float] Parameters<T> for Unflatten {} }

impl<T: Float> Module<T> for Flatten {
    /// # Panics
    /// Panics if there are no such axes, or `first` comes after `last`.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let shape = x.shape();
        let [first, last] = [self.first, self.last].map(|axis| pass.checked(self, place("flatten", axis, &shape)));
        let problem = || format!("first axis {} comes after last axis {} in shape {shape:?}", self.first, self.last);
        pass.ensure(first <= last, "Flatten", problem);
        let mut sizes = shape.clone();
        sizes.truncate(first);
        sizes.push(shape[first..=last].iter().product());
        sizes.extend_from_slice(&shape[last + 1..]);
        let y = pass.checked(self, x.try_reshape(&sizes));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        if *self == Flatten::new() { "Flatten".into() } else { format!("Flatten({}, {})", self.first, self.last) }
    }
}

impl<T: Float> Module<T> for Unflatten {
    /// # Panics
    /// Panics if there is no such axis, or the sizes do not multiply to its size.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let shape = x.shape();
        let axis = pass.checked(self, place("unflatten", self.axis, &shape));
        let sizes = |part: &[usize]| part.iter().map(|&size| size as isize).collect::<Vec<_>>();
        let sizes = [sizes(&shape[..axis]), self.sizes.to_vec(), sizes(&shape[axis + 1..])].concat();
        let y = pass.checked(self, x.try_reshape_infer(&sizes));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("Unflatten({}, {:?})", self.axis, self.sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, Tensor};

    #[test]
    fn derivatives_and_shapes() {
        let x = Tensor::randn(&[2, 3, 4], &mut Rng::new(0));
        check_module(&mut Flatten::new(), &x);
        check_module(&mut Flatten::axes(-3, 1), &x);
        check_module(&mut Unflatten::new(-1, &[2, -1]), &x);
    }

    #[test]
    #[should_panic(expected = "Flatten: flatten: shape [] does not fit")]
    fn a_number_has_no_axes() {
        let tape = Tape::<f64>::new();
        Flatten::new().forward(tape.constant(1.0), &mut Pass::eval(&tape));
    }

    #[test]
    #[should_panic(expected = "Unflatten(1, [3, 2])")]
    fn sizes_multiply_to_the_axis() {
        let tape = Tape::<f64>::new();
        Unflatten::new(1, &[3, 2]).forward(tape.constant(Tensor::ones(&[2, 5])), &mut Pass::eval(&tape));
    }
}
