//! Derivatives with respect to the rows of a table: contributions to the same row are summed, and selected rows are
//! expanded to a full tensor with zeros elsewhere.

use super::flat;
use crate::float::{Float, once};
use crate::kernel::index::{by_row, sum_runs, take_add};
use crate::tensor::{Rows, Shape, Tensor};

impl Rows {
    /// Which rows of a table are looked up, and for each row the sum `Σ x[p]` over the positions `p` with `index[p] = row`.
    /// Takes pairs of indices `[…]` and tensors `[…, width]`, and the shape `[rows, width]` of the table. The sums have the
    /// same bits as in a dense derivative.
    ///
    /// ```
    /// use autograd::{Rows, tensor};
    /// let (rows, sums) = Rows::sum(&[(tensor![4_i64, 1, 4], tensor![[1.0], [2.0], [3.0]])], &[5, 1]);
    /// assert_eq!((rows.index(), sums), ([1, 4].as_slice(), tensor![[2.0], [4.0]]));
    /// ```
    ///
    /// # Panics
    /// Panics if an index is not a row of the table (it must not be negative), or a tensor does not have one row for each
    /// index.
    pub fn sum<T: Float>(parts: &[(Tensor<i64>, Tensor<T>)], table: &[usize]) -> (Rows, Tensor<T>) {
        sum(parts, table)
    }

    /// The full tensor with these rows, and zeros elsewhere.
    ///
    /// ```
    /// use autograd::{Rows, tensor};
    /// let rows = Rows::nonzero(&tensor![[0.0], [1.0], [1.0]]);
    /// assert_eq!(rows.dense(&tensor![[5.0], [7.0]]), tensor![[0.0], [5.0], [7.0]]);
    /// ```
    /// # Panics
    /// Panics if `values` does not have as many rows.
    #[track_caller]
    pub fn dense<T: Float>(&self, values: &Tensor<T>) -> Tensor<T> {
        self.check("dense", values);
        among_zeros(self.tensor(), self.of(), values)
    }

    /// Expands these rows to the rows `all`, which contain them, with zeros for the others.
    ///
    /// ```
    /// use autograd::{Rows, tensor};
    /// let (some, all) = (Rows::nonzero(&tensor![[0.0], [1.0], [0.0]]), Rows::nonzero(&tensor![[1.0], [1.0], [0.0]]));
    /// assert_eq!(some.spread(&tensor![[5.0]], &all), tensor![[0.0], [5.0]]);
    /// ```
    /// # Panics
    /// Panics if `values` does not have as many rows, or one of these rows is not among `all`.
    #[track_caller]
    pub fn spread<T: Float>(&self, values: &Tensor<T>, all: &Rows) -> Tensor<T> {
        self.check("spread", values);
        if self == all {
            return values.clone();
        }
        let (mut at, all) = (0, all.index());
        let place = |row: &i64| {
            at += all[at..].iter().position(|other| other == row).expect("they are among all");
            at as i64
        };
        let places: Vec<i64> = self.index().iter().map(place).collect();
        among_zeros(&Tensor::from(places), all.len(), values)
    }

    #[track_caller]
    fn check<T: Float>(&self, method: &str, values: &Tensor<T>) {
        let shape = values.shape();
        assert!(
            shape.first() == Some(&self.len()),
            "Rows::{method}: {} rows are needed, not shape {shape:?}",
            self.len()
        );
    }
}

once! {
    fn sum<T>(parts: &[(Tensor<i64>, Tensor<T>)], table: &[usize]) -> (Rows, Tensor<T>) {
        let width: usize = table[1..].iter().product();
        let index: Vec<Tensor<i64>> = parts.iter().map(|(index, _)| index.contiguous()).collect();
        let values: Vec<Tensor<T>> = parts.iter().map(|(_, x)| x.contiguous()).collect();
        let fits = |(index, x): (&Tensor<i64>, &Tensor<T>)| x.len() == index.len() * width;
        assert!(index.iter().zip(&values).all(fits), "Rows::sum: each index needs a row of {width} elements");
        let order = by_row(&index.iter().map(flat).collect::<Vec<_>>());
        let inside = |row: Option<&(i64, u32)>| row.is_none_or(|row| (0..table[0] as i64).contains(&row.0));
        assert!(inside(order.first()) && inside(order.last()), "Rows::sum: an index is not a row of shape {table:?}");
        let begins = |&p: &usize| p == 0 || order[p - 1].0 != order[p].0;
        let starts: Vec<usize> = (0..order.len()).filter(begins).collect();
        let rows = Rows::ascending(starts.iter().map(|&p| order[p].0).collect(), table[0]);
        let mut shape = Shape::from(table);
        shape[0] = rows.len();
        let row = |mut place: usize| {
            let part = index.iter().position(|part| {
                let here = place < part.len();
                place -= if here { 0 } else { part.len() };
                here
            });
            &flat(&values[part.expect("each place is in a part")])[place * width..][..width]
        };
        let sums = Tensor::build(&shape, |out| sum_runs(&order, &starts, table.iter().product(), &row, out));
        (rows, sums)
    }

    fn among_zeros<T>(index: &Tensor<i64>, size: usize, values: &Tensor<T>) -> Tensor<T> {
        let (mut shape, values) = (Shape::from(values.shape()), values.contiguous());
        shape[0] = size;
        Tensor::build(&shape, |out| {
            out.fill(T::zero());
            take_add(flat(&values), [1, size, shape[1..].iter().product()], flat(index), out);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    #[should_panic = "not a row of shape [3, 1]"]
    fn rows_are_counted_from_the_first() {
        Rows::sum(&[(Tensor::from(vec![0, -1]), Tensor::<f64>::ones(&[2, 1]))], &[3, 1]);
    }

    #[test]
    #[should_panic = "Rows::dense: 1 rows are needed, not shape [2, 1]"]
    fn values_have_as_many_rows() {
        Rows::ascending(vec![1], 3).dense(&Tensor::<f64>::ones(&[2, 1]));
    }

    #[test]
    fn sums_of_rows_have_the_bits_of_a_dense_derivative() {
        for (size, width, count) in [(1, 3, 5), (7, 2, 40), (4000, 5, 300), (50_000, 64, 3000), (9, 0, 4), (5, 3, 0)] {
            let rng = &mut Rng::new(1);
            let index: Tensor<i64> = (0..count).map(|_| rng.below(size) as i64).collect();
            let x = Tensor::<f32>::randn(&[count, width], rng);
            let dense = Tensor::zeros(&[size, width]).index_add(0, &index, &x);
            let (rows, sums) = Rows::sum(&[(index.clone(), x.clone())], &[size, width]);
            assert_eq!(rows.dense(&sums), dense, "{size} {width} {count}");
            assert!(rows.index().iter().all(|row| index.iter().any(|other| other == *row)));
            // Cut into parts, the sum is the same.
            let half = count / 2;
            let part = |from, to| (index.slice_axis(0, from..to), x.slice_axis(0, from..to));
            assert_eq!(Rows::sum(&[part(0, half), part(half, count)], &[size, width]), (rows, sums));
        }
    }
}
