//! Embeddings: a learned vector for each index.

use crate::{Module, Param, Pass, functional, parameters};
use autograd::{Float, Index, Rng, Tensor, Var};

/// A table of vectors, `[rows, width]`, from which an index selects a row. Initial weights are standard normal.
///
/// As a layer it takes integers stored as floats, of any shape `[…]`, and returns `[…, width]`;
/// [`lookup`](Embedding::lookup) takes integers.
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Module, Pass, layer::Embedding};
/// let layer = Embedding::<f32>::new(10, 4, &mut Rng::new(0));
/// let tape = Tape::new();
/// let mut pass = Pass::eval(&tape);
/// let words = layer.forward(tape.constant([[3.0f32, 1.0, 3.0]]), &mut pass);
/// assert_eq!(words.shape().as_slice(), [1, 3, 4]);
/// assert_eq!(words.value(), layer.lookup(&tensor![[3_i64, 1, 3]], &mut pass).value());
/// ```
#[derive(Debug, Clone)]
pub struct Embedding<T: Float> {
    /// `[rows, width]`
    pub weight: Param<T>,
    /// The row that receives no gradient, such as the one for padding between sequences.
    pub padding: Option<usize>,
}

parameters! { impl[T: Float] Parameters<T> for Embedding<T> { weight } }

impl<T: Float> Embedding<T> {
    /// A table of `rows` vectors of size `width`.
    pub fn new(rows: usize, width: usize, rng: &mut Rng) -> Self {
        Embedding { weight: Param::new(Tensor::randn(&[rows, width], rng)), padding: None }
    }

    /// The same table with a row of zeros that receives no gradient, PyTorch's `padding_idx`.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, layer::Embedding};
    /// let (tape, words) = (Tape::<f32>::new(), Embedding::new(10, 3, &mut Rng::new(0)).with_padding(0));
    /// assert_eq!(words.lookup(tensor![0_i64], &mut Pass::eval(&tape)).value(), tensor![[0.0f32, 0.0, 0.0]]);
    /// ```
    /// # Panics
    /// Panics if the table does not have this row.
    #[track_caller]
    pub fn with_padding(mut self, row: usize) -> Self {
        let &[rows, width] = self.weight.value().shape() else { unreachable!("the table is a matrix") };
        assert!(row < rows, "Embedding: padding row {row} is out of range for {rows} rows");
        self.weight.value_mut().make_mut()[row * width..][..width].fill(T::zero());
        Embedding { padding: Some(row), ..self }
    }

    /// The same table with gradients that contain only the rows that were looked up. The cost of a step (the backward
    /// pass, clipping, and the optimizer) is then proportional to these rows, not to the size of the table. The optimizers
    /// [`Sgd`](crate::optim::Sgd), [`Adagrad`](crate::optim::Adagrad) and [`SparseAdam`](crate::optim::SparseAdam) update
    /// rows; others panic in their first step.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, layer::Embedding, optim::{Optimizer, ParamGradients, SparseAdam}};
    /// let mut words = Embedding::<f32>::new(10_000, 16, &mut Rng::new(0)).sparse();
    /// let (tape, mut gradients) = (Tape::new(), ParamGradients::new());
    /// let loss = words.lookup(tensor![[3_i64, 9_000, 3]], &mut Pass::eval(&tape)).square().sum();
    /// gradients.collect(&words, &tape, &mut loss.backward());
    /// assert_eq!(gradients.rows(0).unwrap().index(), [3, 9_000]);
    /// drop(tape); // it shares the table, which would be copied
    /// SparseAdam::new(1e-3).step(&mut words, &gradients);
    /// ```
    /// A table that is also used in another way, such as by an output layer that shares it or by a penalty, has gradients of
    /// all rows. [`Ema`](crate::optim::Ema) and checkpoints read the whole table; ranks of a distributed run cannot share
    /// such gradients.
    pub fn sparse(mut self) -> Self {
        self.weight.set_by_rows(true);
        self
    }

    /// The vectors of the given rows.
    ///
    /// # Panics
    /// Panics if the table does not have one of the rows.
    #[track_caller]
    pub fn lookup<'t>(&self, index: impl Into<Index<Var<'t, T>>>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, functional::embedding(pass.var(&self.weight), index, self.padding));
        pass.note(self, y)
    }
}

impl<T: Float> Module<T> for Embedding<T> {
    /// # Panics
    /// Panics if an index is not a row of the table or not an integer.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.lookup(x.to_integers(), pass)
    }

    fn describe(&self) -> String {
        let shape = self.weight.value().shape();
        let sparse = if self.weight.is_by_rows() { ", sparse" } else { "" };
        format!("Embedding({}, {}{sparse})", shape[0], shape[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_parameters;
    use autograd::{Tape, tensor};

    #[test]
    fn derivatives_add_up_and_leave_the_padding_alone() {
        let mut layer = Embedding::new(4, 2, &mut Rng::new(1)).with_padding(2);
        assert_eq!(layer.weight.value().slice_axis(0, 2..3), Tensor::zeros(&[1, 2]));
        let tape = Tape::<f64>::new();
        let y = layer.forward(tape.constant([1.0, 2.0, 1.0]), &mut Pass::eval(&tape));
        let gradient = y.sum().backward().wrt(tape.find(layer.weight.key()).unwrap());
        assert_eq!(gradient, tensor![[0.0, 0.0], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]);
        layer.padding = None;
        check_parameters(&mut layer, &tensor![[3.0, 1.0], [1.0, 0.0]], crate::Mode::Train);
    }

    #[test]
    #[should_panic(expected = "Embedding(3, 2): embedding")]
    fn a_row_that_is_not_there_panics() {
        let tape = Tape::<f64>::new();
        Embedding::new(3, 2, &mut Rng::new(0)).forward(tape.constant([0.5]), &mut Pass::eval(&tape));
    }
}
