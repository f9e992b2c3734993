//! Positional encodings. Attention ignores the order of its inputs; these encode the position of each element.

use crate::{Module, Param, Pass, parameters};
use autograd::{Error, Float, Result, Rng, Tensor, Var};

/// Adds sinusoids of decreasing frequency along the width, by position (Vaswani et al., 2017):
/// `sin(p / 10000^(2i / width))` at `2i`, the cosine at `2i + 1`. Positions are the second-to-last axis,
/// `[batch, length, width]`, unless [`length_first`](SinusoidalEncoding::length_first) is set.
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

/// Adds a learned vector for each position, initially normal with standard deviation 0.02. Positions are the
/// second-to-last axis, `[batch, length, width]`, unless [`length_first`](LearnedEncoding::length_first) is set.
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
    /// An encoding for up to `positions` positions.
    pub fn new(positions: usize, width: usize) -> Self {
        let wave = |at: &[usize]| {
            let angle = at[0] as f64 / 10000f64.powf((at[1] / 2 * 2) as f64 / width as f64);
            T::of(if at[1].is_multiple_of(2) { angle.sin() } else { angle.cos() })
        };
        SinusoidalEncoding { table: Tensor::from_fn(&[positions, width], wave), length_first: false }
    }

    /// For inputs `[length, batch, width]`.
    ///
    /// ```
    /// use nn::layer::SinusoidalEncoding;
    /// let encoding = SinusoidalEncoding::<f32>::new(100, 8).length_first();
    /// # let _ = encoding;
    /// ```
    pub fn length_first(self) -> Self {
        SinusoidalEncoding { length_first: true, ..self }
    }
}

impl<T: Float> LearnedEncoding<T> {
    /// An encoding for up to `positions` positions.
    pub fn new(positions: usize, width: usize, rng: &mut Rng) -> Self {
        LearnedEncoding {
            weight: Param::new(Tensor::randn(&[positions, width], rng) * T::of(0.02)),
            length_first: false,
        }
    }

    /// For inputs `[length, batch, width]`.
    ///
    /// ```
    /// use nn::layer::LearnedEncoding;
    /// let encoding = LearnedEncoding::<f32>::new(100, 8, &mut autograd::Rng::new(0)).length_first();
    /// # let _ = encoding;
    /// ```
    pub fn length_first(self) -> Self {
        LearnedEncoding { length_first: true, ..self }
    }

    /// The encoding of positions from `from` on.
    #[track_caller]
    pub(super) fn encode_from<'t>(&self, x: Var<'t, T>, from: usize, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, placed(x, pass.var(&self.weight), from, self.length_first));
        pass.note(self, y)
    }
}

/// Adds the rows of a table to `x` along its positions, starting at `from`.
#[track_caller]
fn placed<'t, T: Float>(x: Var<'t, T>, table: Var<'t, T>, from: usize, length_first: bool) -> Result<Var<'t, T>> {
    let (shape, size) = (x.shape(), table.shape());
    let axis = if length_first { 0 } else { shape.len().wrapping_sub(2) };
    let fits = shape.len() >= 2 && from + shape[axis] <= size[0] && shape[shape.len() - 1] == size[1];
    if !fits {
        let after = if from > 0 { format!(", and {from} came before") } else { String::new() };
        let hint = format!("expected at most {} positions of width {}{after}", size[0], size[1]);
        return Err(Error::Shape { op: "positions", shape: shape.as_slice().into(), hint });
    }
    let rows = table.slice(0, from..from + shape[axis]);
    let mut wide = vec![1; shape.len() - axis];
    (wide[0], wide[shape.len() - axis - 1]) = (shape[axis], size[1]);
    Ok(x + rows.reshape(&wide))
}

impl<T: Float> Module<T> for SinusoidalEncoding<T> {
    /// # Panics
    /// Panics if there are more positions than the table has, or the width differs.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, placed(x, pass.tape().constant(self.table.clone()), 0, self.length_first));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("SinusoidalEncoding({}, {})", self.table.shape()[0], self.table.shape()[1])
    }
}

impl<T: Float> Module<T> for LearnedEncoding<T> {
    /// # Panics
    /// Panics if there are more positions than the table has, or the width differs.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.encode_from(x, 0, pass)
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
    #[should_panic(expected = "LearnedEncoding(2, 4): positions: shape [3, 4] does not fit: expected at most 2")]
    fn there_are_only_so_many_positions() {
        let tape = Tape::<f64>::new();
        let layer = LearnedEncoding::new(2, 4, &mut Rng::new(0));
        layer.forward(tape.constant(Tensor::ones(&[3, 4])), &mut Pass::eval(&tape));
    }
}
