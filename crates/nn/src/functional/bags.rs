//! Bags of embeddings: the rows of a table, reduced over groups of indices.

use super::attention::{embedding, naming};
use crate::number::countable;
use crate::once;
use autograd::{Cotangents, Error, Float, Index, Result, Rule, Tensor, Value, Var};

/// How the rows of a bag are reduced to one.
///
/// ```
/// assert_eq!(nn::functional::BagMode::default(), nn::functional::BagMode::Mean);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BagMode {
    /// The sum.
    Sum,
    /// The mean.
    #[default]
    Mean,
    /// The elementwise maximum; among equal elements, the first gets the derivative.
    Max,
}

/// How a list of indices is divided into bags.
///
/// ```
/// use autograd::tensor;
/// use nn::functional::Bags;
/// // The first of two bags has three of four indices.
/// let bags: [Bags<f32>; 2] = [Bags::Offsets(tensor![0_i64, 3].into()), Bags::Lengths(tensor![3_i64, 1].into())];
/// # let _ = bags;
/// ```
#[derive(Clone)]
pub enum Bags<'t, T: Float> {
    /// The start of each bag; ascending, from 0.
    Offsets(Index<Var<'t, T>>),
    /// The length of each bag; they sum to the number of indices.
    Lengths(Index<Var<'t, T>>),
}

/// Options of [`embedding_bag`].
#[derive(Debug, Clone, Copy)]
pub struct BagOptions<'t, T: Float> {
    /// The reduction.
    pub mode: BagMode,
    /// A factor for each row of a sum.
    pub weights: Option<Var<'t, T>>,
    /// The index that is skipped.
    pub padding: Option<usize>,
}

impl<T: Float> Default for BagOptions<'_, T> {
    fn default() -> Self {
        BagOptions { mode: BagMode::Mean, weights: None, padding: None }
    }
}

/// The rows of a table `[rows, width]` at a list of indices, reduced over bags: `[bags, width]`. An empty bag is 0.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::{BagOptions, Bags, embedding_bag};
/// let tape = Tape::<f64>::new();
/// let table = tape.var([[1.0, 2.0], [3.0, 6.0], [5.0, 0.0]]);
/// let bags = Bags::Lengths(tensor![2_i64, 0, 1].into());
/// let y = embedding_bag(table, tensor![0_i64, 1, 2], bags, BagOptions::default())?;
/// assert_eq!(y.value(), tensor![[2.0, 4.0], [0.0, 0.0], [5.0, 0.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if an index is not a row of the table, offsets do not ascend from 0 or end after the last index, the
/// sum of lengths is not the number of indices, or weights do not have the shape of the indices or are given for a
/// reduction other than the sum.
#[track_caller]
pub fn embedding_bag<'t, T: Float>(
    table: Var<'t, T>,
    index: impl Into<Index<Var<'t, T>>>,
    bags: Bags<'t, T>,
    options: BagOptions<'t, T>,
) -> Result<Var<'t, T>> {
    reduced(table, index.into(), bags, options)
}

const OP: &str = "embedding_bag";

once! {
    fn reduced<'t, T>(
        table: Var<'t, T>,
        index: Index<Var<'t, T>>,
        bags: Bags<'t, T>,
        options: BagOptions<'t, T>,
    ) -> Result<Var<'t, T>> {
        let (tape, BagOptions { mode, weights, padding }) = (table.tape(), options);
        let index = index.on(tape);
        let &[entries] = index.shape().as_slice() else {
            let hint = "the indices must be a list, whose bags have offsets or lengths".into();
            return Err(Error::Shape { op: OP, shape: index.shape().as_slice().into(), hint });
        };
        let (cuts, by_length) = match bags {
            Bags::Offsets(index) => (index.on(tape), false),
            Bags::Lengths(index) => (index.on(tape), true),
        };
        if cuts.shape().len() != 1 {
            let hint = "the offsets or lengths of bags must be a list".into();
            return Err(Error::Shape { op: OP, shape: cuts.shape().as_slice().into(), hint });
        }
        countable::<T>(OP, "indices", entries)?;
        countable::<T>(OP, "bags", cuts.shape().iter().product())?;
        let bag = Var::try_custom(BagOf { by_length, entries }, &[cuts.numbers()])?;
        let mut rows = embedding(table, index, padding)?;
        let counts = padding.map(|row| !naming(index, row, table.shape()[0]));
        if let Some(weights) = weights {
            if mode != BagMode::Sum || weights.shape() != index.shape() {
                let hint = format!("a factor for each of {entries} rows is possible for a sum, not for {mode:?}");
                return Err(Error::Shape { op: OP, shape: weights.shape().as_slice().into(), hint });
            }
            rows = rows * weights.unsqueeze(1);
        }
        let zeros = |width| tape.constant(Tensor::zeros(&[cuts.shape().iter().product(), width]));
        let (nothing, width) = (tape.constant(Tensor::scalar(T::zero())), table.shape()[1]);
        if mode == BagMode::Max {
            let bag = counts.map_or(Ok(bag), |counts| counts.try_choose(bag, nothing - T::one()))?;
            return largest(rows, bag, zeros(width));
        }
        let bag = bag.to_integers();
        if let Some(counts) = counts {
            rows = counts.indicator().unsqueeze(1).select(rows, nothing);
        }
        let sum = zeros(width).try_index_add(0, bag, rows)?;
        if mode == BagMode::Sum {
            return Ok(sum);
        }
        let ones = counts.map_or_else(|| tape.constant(Tensor::ones(&[entries])), |counts| counts.indicator());
        Ok(sum / zeros(1).try_index_add(0, bag, ones.unsqueeze(1))?.maximum(nothing + T::one()))
    }
}

/// The elementwise maximum over the rows of each bag; `zeros` for empty bags.
fn largest<'t, T: Float>(rows: Var<'t, T>, bag: Var<'t, T>, zeros: Var<'t, T>) -> Result<Var<'t, T>> {
    if rows.shape()[0] == 0 {
        return Ok(zeros);
    }
    let place = Var::try_custom(FirstLargest { bags: zeros.shape()[0] }, &[rows, bag])?;
    let found = rows.try_gather(0, place.relu().to_integers())?;
    place.is_ge(T::zero()).try_choose(found, zeros)
}

/// No derivative flows through these rules, since they only compute positions.
macro_rules! places {
    () => {
        fn vjp<V: Value<T>>(&self, x: &[&V], _y: &V, _g: &V) -> Cotangents<V> {
            x.iter().map(|_| None).collect()
        }

        fn jvp<V: Value<T>>(&self, _x: &[&V], _y: &V, _t: &[Option<&V>]) -> Result<Option<V>> {
            Ok(None)
        }
    };
}

/// The number of the bag of each entry, from the offsets or lengths of bags.
struct BagOf {
    by_length: bool,
    entries: usize,
}

impl<T: Float> Rule<T> for BagOf {
    fn name(&self) -> &'static str {
        OP
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let given: Vec<f64> = x[0].iter().map(Float::f64).collect();
        let ends: Vec<f64> = match self.by_length {
            true => given.iter().scan(0.0, |end, length| Some((*end += length, *end).1)).collect(),
            false => given.iter().copied().skip(1).chain([self.entries as f64]).collect(),
        };
        let starts = || [0.0].into_iter().chain(ends.iter().copied());
        let fits = starts().zip(&ends).all(|(start, end)| start <= *end)
            && starts().last() == Some(self.entries as f64)
            && (self.by_length || given.first().map_or(self.entries == 0, |first| *first == 0.0));
        if !fits {
            let (what, rule) = match self.by_length {
                true => ("lengths", "be at least 0 and sum to that"),
                false => ("offsets", "ascend from 0 to at most that"),
            };
            let hint = format!("there are {} indices, so the {what} of bags must {rule}: {given:?}", self.entries);
            return Err(Error::Argument { op: OP, hint });
        }
        let (mut bag, mut out) = (0, Vec::with_capacity(self.entries));
        for entry in 0..self.entries {
            while ends[bag] <= entry as f64 {
                bag += 1;
            }
            out.push(T::of(bag as f64));
        }
        Ok(Tensor::from(out))
    }

    places!();
}

/// For each bag and column, the first row with the largest element, from rows `[rows, width]` and the number of each
/// row's bag, or -1 for none: `[bags, width]`, with -1 for an empty bag.
struct FirstLargest {
    bags: usize,
}

impl<T: Float> Rule<T> for FirstLargest {
    fn name(&self) -> &'static str {
        OP
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (width, rows) = (x[0].shape()[1], x[0].contiguous());
        let rows = rows.as_slice().expect("contiguous");
        let (mut best, mut place) = (vec![T::zero(); self.bags * width], vec![-T::one(); self.bags * width]);
        for (entry, bag) in x[1].iter().enumerate().filter(|(_, bag)| *bag >= T::zero()) {
            let at = bag.f64() as usize * width;
            for (k, &x) in rows[entry * width..][..width].iter().enumerate() {
                if place[at + k] < T::zero() || x > best[at + k] {
                    (best[at + k], place[at + k]) = (x, T::of(entry as f64));
                }
            }
        }
        Ok(Tensor::new(&[self.bags, width], place))
    }

    places!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Tape, tensor};

    /// In `f32`, the numbers of the last two rows are the same.
    #[test]
    fn padding_is_one_row_of_a_large_table() {
        let (tape, padding) = (Tape::<f32>::new(), 1 << 24);
        let table = tape.constant([[3.0]]).broadcast_to(&[padding + 2, 1]);
        let bags = Bags::Lengths(tensor![2_i64].into());
        let options = BagOptions { mode: BagMode::Sum, weights: None, padding: Some(padding) };
        let y = embedding_bag(table, tensor![padding as i64, padding as i64 + 1], bags, options).unwrap();
        assert_eq!(y.value(), tensor![[3.0]]);
    }

    const BY_BAG: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

    /// A bag, its values, and the derivatives of Σ k y by the table and the weights.
    type Expected = (BagMode, Option<usize>, bool, [f64; 8], [f64; 12], [f64; 7]);

    /// Values and derivatives from PyTorch 2.15, written out there.
    #[test]
    fn bags_have_the_values_of_pytorch() {
        let table = [-0.4, 0.21, 0.82, -0.07, 0.54, -0.35, 0.26, 0.87, -0.02, 0.59, -0.3, 0.31];
        let (ids, offsets) = (tensor![1_i64, 3, 1, 0, 5, 3, 2], tensor![0_i64, 3, 3, 5]);
        let lengths = tensor![3_i64, 0, 2, 2];
        let factors = [0.5, -1.0, 2.0, 0.3, 1.5, 0.7, -0.2];
        let (third, two) = (2.0 / 3.0, 4.0 / 3.0);
        let all: [Expected; 6] = [
            (
                BagMode::Sum,
                None,
                true,
                [1.79, -1.045, 0.0, 0.0, -0.57, 0.528, 0.074, 0.679],
                [1.5, 1.8, 2.5, 5.0, -1.4, -1.6, 3.9, 3.6, 0.0, 0.0, 7.5, 9.0],
                [0.68, 2.0, 0.68, -0.74, 0.36, 8.78, 0.98],
            ),
            (
                BagMode::Sum,
                Some(3),
                true,
                [2.05, -0.175, 0.0, 0.0, -0.57, 0.528, -0.108, 0.07],
                [1.5, 1.8, 2.5, 5.0, -1.4, -1.6, 0.0, 0.0, 0.0, 0.0, 7.5, 9.0],
                [0.68, 0.0, 0.68, -0.74, 0.36, 0.0, 0.98],
            ),
            (
                BagMode::Mean,
                None,
                false,
                [1.9 / 3.0, 0.73 / 3.0, 0.0, 0.0, -0.35, 0.26, 0.4, 0.26],
                [2.5, 3.0, third, two, 3.5, 4.0, 3.5 + 1.0 / 3.0, 4.0 + third, 0.0, 0.0, 2.5, 3.0],
                [0.0; 7],
            ),
            (
                BagMode::Mean,
                Some(3),
                false,
                [0.82, -0.07, 0.0, 0.0, -0.35, 0.26, 0.54, -0.35],
                [2.5, 3.0, 1.0, 2.0, 7.0, 8.0, 0.0, 0.0, 0.0, 0.0, 2.5, 3.0],
                [0.0; 7],
            ),
            (
                BagMode::Max,
                None,
                false,
                [0.82, 0.87, 0.0, 0.0, -0.3, 0.31, 0.54, 0.87],
                [0.0, 0.0, 1.0, 0.0, 7.0, 0.0, 0.0, 10.0, 0.0, 0.0, 5.0, 6.0],
                [0.0; 7],
            ),
            (
                BagMode::Max,
                Some(3),
                false,
                [0.82, -0.07, 0.0, 0.0, -0.3, 0.31, 0.54, -0.35],
                [0.0, 0.0, 1.0, 2.0, 7.0, 8.0, 0.0, 0.0, 0.0, 0.0, 5.0, 6.0],
                [0.0; 7],
            ),
        ];
        for (mode, padding, weighted, value, by_table, by_factor) in all {
            let tape = Tape::<f64>::new();
            let (x, w) = (tape.var(Tensor::new(&[6, 2], table.to_vec())), tape.var(factors));
            let options = BagOptions { mode, weights: weighted.then_some(w), padding };
            let y = embedding_bag(x, &ids, Bags::Offsets((&offsets).into()), options).unwrap();
            let gradients = (y * tape.constant(Tensor::new(&[4, 2], BY_BAG.to_vec()))).sum().backward();
            let found = [y.value(), gradients.wrt(x), gradients.wrt(w)];
            for (found, expected) in found.iter().zip([&value[..], &by_table, &by_factor]) {
                let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14);
                assert!(near && found.len() == expected.len(), "{mode:?} {padding:?}: {found} is not {expected:?}");
            }
            assert_eq!(embedding_bag(x, &ids, Bags::Lengths((&lengths).into()), options).unwrap().value(), y.value());
        }
    }

    #[test]
    fn bags_that_do_not_fit_are_refused() {
        let tape = Tape::<f64>::new();
        let table = tape.var([[1.0], [2.0]]);
        let said = |ids: Tensor<i64>, bags| {
            embedding_bag(table, ids, bags, BagOptions::default()).map(|y| y.value()).unwrap_err().to_string()
        };
        let three = || tensor![0_i64, 1, 0];
        let none = Tensor::from(Vec::<i64>::new());
        for offsets in [tensor![1_i64], tensor![0_i64, 2, 1], tensor![0_i64, 4], none.clone()] {
            assert!(said(three(), Bags::Offsets(offsets.into())).contains("the offsets of bags must ascend from 0"));
        }
        for lengths in [tensor![2_i64], tensor![4_i64, -1], none] {
            assert!(said(three(), Bags::Lengths(lengths.into())).contains("the lengths of bags must be at least 0"));
        }
        assert!(said(tensor![[0_i64]], Bags::Offsets(tensor![0_i64].into())).contains("must be a list"));
        assert!(said(three(), Bags::Offsets(tensor![[0_i64, 1]].into())).contains("lengths of bags must be a list"));
        assert!(said(tensor![2_i64], Bags::Offsets(tensor![0_i64].into())).contains("index 2"));
        let weights = Some(tape.var([1.0]));
        let mean = BagOptions { weights, ..BagOptions::default() };
        assert!(embedding_bag(table, tensor![0_i64], Bags::Offsets(tensor![0_i64].into()), mean).is_err());
        // Without indices, every bag is empty.
        for mode in [BagMode::Sum, BagMode::Mean, BagMode::Max] {
            let options = BagOptions { mode, ..BagOptions::default() };
            let none = Tensor::from(Vec::<i64>::new());
            let y = embedding_bag(table, none, Bags::Lengths(tensor![0_i64, 0].into()), options).unwrap();
            assert_eq!(y.value(), Tensor::zeros(&[2, 1]));
        }
    }
}
