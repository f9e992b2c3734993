//! Positional encodings: attention sees a set, and these say where in it each element stands.

use crate::{Module, Param, Pass, parameters};
use autograd::{Error, Float, Result, Rng, Tensor, Var};

/// Adds waves of falling frequency along the width, by position (Vaswani et al., 2017):
/// `sin(p / 10000^(2i / width))` at `2i`, the cosine at `2i + 1`. Positions are the axis before the last,
/// `[batch, length, width]`, unless [told otherwise](SinusoidalEncoding::length_first).
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::SinusoidalEncoding};
/// let tape = Tape::<f64>::new();
/// let x = tape.constant(Tensor::zeros(&[1, 3, 4]));
/// let y = SinusoidalEncoding::new(100, 4).forward(x, &mut Pass::eval(&tape)).value();
/// assert_eq!((y.at(&[0, 0, 0]), y.at(&[0, 0, 1]), y.at(&[0, 2, 0])), (0.0, 1.0, 2f64.sin()));
/// ```
#[derive(Debug, Clone)]
pub struct SinusoidalEncoding<T: Float> {
    /// `[positions, width]`
    table: Tensor<T>,
    length_first: bool,
}

/// Adds a learned vector for each position, normal with deviation 0.02 at first. Positions are the axis before the last,
/// `[batch, length, width]`, unless [told otherwise](LearnedEncoding::length_first).
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::LearnedEncoding};
/// let layer = LearnedEncoding::<f32>::new(100, 4, &mut Rng::new(0));
/// assert_eq!(nn::names(&layer), ["weight"]);
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant(Tensor::zeros(&[2, 3, 4])), &mut Pass::eval(&tape));
/// assert_eq!(y.value().slice_axis(0, 0..1).squeeze(0), layer.weight.value().slice_axis(0, 0..3));
/// ```
#[derive(Debug, Clone)]
pub struct LearnedEncoding<T: Float> {
    /// `[positions, width]`
    pub weight: Param<T>,
    length_first: bool,
}

parameters! { impl[T: Float] Parameters<T> for SinusoidalEncoding<T> {} }
parameters! { impl[T: Float] Parameters<T> for LearnedEncoding<T> { weight } }

impl<T: Float> SinusoidalEncoding<T> {
    /// For at most so many positions.
    pub fn new(positions: usize, width: usize) -> Self {
        let wave = |at: &[usize]| {
            let angle = at[0] as f64 / 10000f64.powf((at[1] / 2 * 2) as f64 / width as f64);
            T::of(if at[1].is_multiple_of(2) { angle.sin() } else { angle.cos() })
        };
        SinusoidalEncoding { table: Tensor::from_fn(&[positions, width], wave), length_first: false }
    }

    /// For inputs `[length, batch, width]`.
    pub fn length_first(self) -> Self {
        SinusoidalEncoding { length_first: true, ..self }
    }
}

impl<T: Float> LearnedEncoding<T> {
    /// For at most so many positions.
    pub fn new(positions: usize, width: usize, rng: &mut Rng) -> Self {
        LearnedEncoding {
            weight: Param::new(Tensor::randn(&[positions, width], rng) * T::of(0.02)),
            length_first: false,
        }
    }

    /// For inputs `[length, batch, width]`.
    pub fn length_first(self) -> Self {
        LearnedEncoding { length_first: true, ..self }
    }
}

/// `x` with the first rows of a table added along its positions.
#[track_caller]
fn placed<'t, T: Float>(x: Var<'t, T>, table: Var<'t, T>, length_first: bool) -> Result<Var<'t, T>> {
    let (shape, size) = (x.shape(), table.shape());
    let axis = if length_first { 0 } else { shape.len().wrapping_sub(2) };
    let fits = shape.len() >= 2 && shape[axis] <= size[0] && shape[shape.len() - 1] == size[1];
    if !fits {
        let hint = format!("there must be at most {} positions of {} numbers each", size[0], size[1]);
        return Err(Error::Shape { op: "positions", shape: shape.as_slice().into(), hint });
    }
    let rows = table.slice(0, ..shape[axis] as isize);
    let mut wide = vec![1; shape.len() - axis];
    (wide[0], wide[shape.len() - axis - 1]) = (shape[axis], size[1]);
    Ok(x + rows.reshape(&wide))
}

impl<T: Float> Module<T> for SinusoidalEncoding<T> {
    /// # Panics
    /// If there are more positions than the table has, or the width is another.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, placed(x, pass.tape().constant(self.table.clone()), self.length_first));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("SinusoidalEncoding({}, {})", self.table.shape()[0], self.table.shape()[1])
    }
}

impl<T: Float> Module<T> for LearnedEncoding<T> {
    /// # Panics
    /// If there are more positions than the table has, or the width is another.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, placed(x, pass.var(&self.weight), self.length_first));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        let shape = self.weight.value().shape();
        format!("LearnedEncoding({}, {})", shape[0], shape[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::Tape;

    #[test]
    fn derivatives_are_right() {
        let rng = &mut Rng::new(3);
        let x = Tensor::randn(&[2, 3, 4], rng);
        check_module(&mut SinusoidalEncoding::new(5, 4), &x);
        check_module(&mut LearnedEncoding::new(3, 4, rng), &x);
        check_module(&mut LearnedEncoding::new(2, 4, rng).length_first(), &x);
    }

    #[test]
    fn the_axis_of_positions_is_the_callers_choice() {
        let tape = Tape::<f64>::new();
        let mut pass = Pass::eval(&tape);
        let x = tape.constant(Tensor::zeros(&[3, 3, 2]));
        let y = SinusoidalEncoding::new(3, 2).forward(x, &mut pass).value();
        let z = SinusoidalEncoding::new(3, 2).length_first().forward(x, &mut pass).value();
        assert_eq!(y.transpose(0, 1), z);
    }

    #[test]
    #[should_panic(expected = "LearnedEncoding(2, 4): positions: shape [3, 4] does not fit: there must be at most 2")]
    fn there_are_only_so_many_positions() {
        let tape = Tape::<f64>::new();
        let layer = LearnedEncoding::new(2, 4, &mut Rng::new(0));
        layer.forward(tape.constant(Tensor::ones(&[3, 4])), &mut Pass::eval(&tape));
    }
}
