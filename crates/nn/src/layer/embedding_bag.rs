//! Bags of embeddings: a learned vector for each index, reduced over groups of indices.

use super::Embedding;
use crate::functional::{BagMode, BagOptions, Bags, embedding_bag};
use crate::{Module, Pass, parameters};
use autograd::{Float, Index, Result, Rng, Tensor, Var};

/// A table of vectors, `[rows, width]`, and a reduction of the vectors selected by each bag of indices. Initial weights
/// are standard normal.
///
/// As a layer it takes integers stored as floats, `[bags, length]`; [`lookup`](EmbeddingBag::lookup) takes integers, and
/// [`lookup_bags`](EmbeddingBag::lookup_bags) takes bags of different lengths.
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Pass, functional::{BagMode, Bags}, layer::EmbeddingBag};
/// let layer = EmbeddingBag::<f32>::new(10, 4, BagMode::Sum, &mut Rng::new(0));
/// let (tape, table) = (Tape::new(), layer.embedding.weight.value());
/// let mut pass = Pass::eval(&tape);
/// let y = layer.lookup_bags(tensor![3_i64, 1, 7], Bags::Offsets(tensor![0_i64, 2].into()), None, &mut pass).value();
/// assert_eq!(y.slice_axis(0, 0..1), table.slice_axis(0, 3..4) + table.slice_axis(0, 1..2));
/// assert_eq!(y.slice_axis(0, 1..2), table.slice_axis(0, 7..8));
/// ```
#[derive(Debug, Clone)]
pub struct EmbeddingBag<T: Float> {
    /// The table, with its padding and whether its gradients are sparse. PyTorch's files name its `weight` directly, and so
    /// does this layer.
    pub embedding: Embedding<T>,
    mode: BagMode,
}

parameters! { impl[T: Float] Parameters<T> for EmbeddingBag<T> { ..embedding } }

impl<T: Float> EmbeddingBag<T> {
    /// A table of `rows` vectors of size `width`.
    pub fn new(rows: usize, width: usize, mode: BagMode, rng: &mut Rng) -> Self {
        EmbeddingBag { embedding: Embedding::new(rows, width, rng), mode }
    }

    /// The same layer with a row of zeros that is skipped in bags.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, functional::BagMode, layer::EmbeddingBag};
    /// let layer = EmbeddingBag::<f32>::new(10, 4, BagMode::Mean, &mut Rng::new(0)).with_padding(0);
    /// let y = layer.lookup(tensor![[3_i64, 0], [3, 3]], &mut Pass::eval(&Tape::new())).value();
    /// assert_eq!(y.slice_axis(0, 0..1), y.slice_axis(0, 1..2));
    /// ```
    /// # Panics
    /// Panics if the table does not have this row.
    #[track_caller]
    pub fn with_padding(self, row: usize) -> Self {
        EmbeddingBag { embedding: self.embedding.with_padding(row), ..self }
    }

    /// The same layer with gradients that contain only the rows that were looked up: see [`Embedding::sparse`].
    ///
    /// ```
    /// use autograd::Rng;
    /// use nn::{functional::BagMode, layer::EmbeddingBag};
    /// assert!(EmbeddingBag::<f32>::new(10, 4, BagMode::Sum, &mut Rng::new(0)).sparse().embedding.weight.is_by_rows());
    /// ```
    pub fn sparse(self) -> Self {
        EmbeddingBag { embedding: self.embedding.sparse(), ..self }
    }

    /// The reduced vectors of bags of equal length, `[bags, length]`.
    ///
    /// # Panics
    /// Panics if an index is not a row of the table, or the indices are not a matrix.
    #[track_caller]
    pub fn lookup<'t>(&self, index: impl Into<Index<Var<'t, T>>>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, self.rectangle(index.into(), pass));
        pass.note(self, y)
    }

    /// The reduced vectors of the bags that a list of indices consists of, with a factor for each index if the reduction is
    /// a sum.
    ///
    /// # Panics
    /// Panics if an index is not a row of the table, bags or factors do not fit the indices, or factors are given for a
    /// reduction other than the sum.
    #[track_caller]
    pub fn lookup_bags<'t>(
        &self,
        index: impl Into<Index<Var<'t, T>>>,
        bags: Bags<'t, T>,
        factors: Option<Var<'t, T>>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let y = pass.checked(self, self.bags(index.into(), bags, factors, pass));
        pass.note(self, y)
    }

    fn bags<'t>(
        &self,
        index: Index<Var<'t, T>>,
        bags: Bags<'t, T>,
        weights: Option<Var<'t, T>>,
        pass: &Pass<'t, T>,
    ) -> Result<Var<'t, T>> {
        let options = BagOptions { mode: self.mode, weights, padding: self.embedding.padding };
        embedding_bag(pass.var(&self.embedding.weight), index, bags, options)
    }

    fn rectangle<'t>(&self, index: Index<Var<'t, T>>, pass: &Pass<'t, T>) -> Result<Var<'t, T>> {
        let index = index.on(pass.tape());
        let &[bags, length] = index.shape().as_slice() else {
            let hint = "bags of one length must be [bags, length]".into();
            return Err(autograd::Error::Shape { op: "embedding_bag", shape: index.shape().as_slice().into(), hint });
        };
        let lengths: Tensor<i64> = std::iter::repeat_n(length as i64, bags).collect();
        self.bags(index.reshape(&[bags * length]).into(), Bags::Lengths(lengths.into()), None, pass)
    }
}

impl<T: Float> Module<T> for EmbeddingBag<T> {
    /// # Panics
    /// Panics if an index is not a row of the table or not an integer, or the input is not a matrix.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.lookup(x.to_integers(), pass)
    }

    fn describe(&self) -> String {
        let shape = self.embedding.weight.value().shape();
        format!("EmbeddingBag({}, {}, {:?})", shape[0], shape[1], self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_parameters;
    use autograd::tensor;

    #[test]
    fn derivatives_are_right() {
        for mode in [BagMode::Sum, BagMode::Mean, BagMode::Max] {
            let mut layer = EmbeddingBag::new(5, 3, mode, &mut Rng::new(1));
            check_parameters(&mut layer, &tensor![[3.0, 1.0, 3.0], [1.0, 0.0, 4.0]], crate::Mode::Train);
            assert_eq!(crate::names(&layer), ["weight"]);
        }
    }
}
