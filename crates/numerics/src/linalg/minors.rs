//! The derivatives of the determinant, of any order and at any matrix: nothing is divided by a determinant, a singular
//! value or a pivot.

use super::scaled::{Scaled, product};
use faer::{Mat, MatRef};
use smallvec::SmallVec;

/// The matrix C with ⟨C, H⟩ = Dᵏ⁺¹det(A)[G₁, …, Gₖ, H], the derivative of the determinant in the directions G and H: the
/// cofactors of A if there is no G.
///
/// Rows and columns are scaled first. In the bases of singular vectors, A is diagonal, and the determinant of Σ + X is the sum over all sets S of indices of
/// det(X of S) · Π σ of the others. The derivative in k + 1 directions is the part that is linear in each of them.
pub(super) fn cofactors(a: MatRef<f64>, g: &[Mat<f64>]) -> Option<Mat<f64>> {
    let n = a.nrows();
    let (rows, columns) = equilibrate(a);
    let scaled = |x: &dyn Fn(usize, usize) -> f64, by: i64| {
        Mat::from_fn(n, n, |i, j| Scaled::from(x(i, j)).shift(by - rows[i] - columns[j]).value())
    };
    let svd = scaled(&|i, j| a[(i, j)], 0).svd().ok()?;
    let (u, v) = (svd.U(), svd.V());
    let turned = g.iter().map(|g| u.transpose() * scaled(&|i, j| g[(i, j)], 0) * v).collect();
    let sigma: Vec<f64> = (0..n).map(|i| svd.S()[i]).collect();
    let mut sum = Sum { products: products(&sigma), turned, total: Mat::zeros(n, n) };
    sum.add(&mut Vec::new());
    let orientation = super::sign_of_det(u) * super::sign_of_det(v);
    let total = u * sum.total * v.transpose();
    let whole: i64 = rows.iter().chain(&columns).sum();
    Some(scaled(&|i, j| orientation * total[(i, j)], whole))
}

/// Powers of two, as exponents, by which to divide the rows and then the columns so that their largest elements are about 1.
fn equilibrate(a: MatRef<f64>) -> (Vec<i64>, Vec<i64>) {
    let n = a.nrows();
    let power =
        |elements: &dyn Fn(usize) -> Scaled| (0..n).map(elements).filter_map(Scaled::power).max().unwrap_or_default();
    let rows: Vec<i64> = (0..n).map(|i| power(&|j| Scaled::from(a[(i, j)]))).collect();
    let columns = (0..n).map(|j| power(&|i| Scaled::from(a[(i, j)]).shift(-rows[i]))).collect();
    (rows, columns)
}

/// The products of all runs of numbers: that of `start..stop` is in row `start`, column `stop`.
fn products(x: &[f64]) -> Vec<Vec<Scaled>> {
    let run = |start: usize| {
        let mut run = vec![Scaled::from(1.0); x.len() + 1];
        (start..x.len()).for_each(|i| run[i + 1] = run[i].times(Scaled::from(x[i])));
        run
    };
    (0..=x.len()).map(run).collect()
}

/// The sum over all lists of different indices, one per direction.
struct Sum {
    products: Vec<Vec<Scaled>>,
    turned: Vec<Mat<f64>>,
    total: Mat<f64>,
}

impl Sum {
    /// Adds the terms of all lists that start with these indices.
    fn add(&mut self, list: &mut Vec<usize>) {
        if list.len() == self.turned.len() + 1 {
            return self.add_term(list);
        }
        for i in 0..self.total.nrows() {
            if !list.contains(&i) {
                list.push(i);
                self.add(list);
                list.pop();
            }
        }
    }

    /// Adds the terms of one list: a cofactor, times the product of the other singular values.
    fn add_term(&mut self, list: &[usize]) {
        let weight = self.others(list);
        if weight == 0.0 {
            return;
        }
        let (last, k) = (list[list.len() - 1], self.turned.len());
        for (b, &column) in list.iter().enumerate() {
            let columns = without(list, column);
            let sign = if (k + b).is_multiple_of(2) { 1.0 } else { -1.0 };
            self.total[(last, column)] += sign * weight * self.minor(list, &columns);
        }
    }

    /// The product of the singular values that are not in the list.
    fn others(&self, list: &[usize]) -> f64 {
        let mut sorted: SmallVec<[usize; 4]> = list.into();
        sorted.sort_unstable();
        let mut product = Scaled::from(1.0);
        let mut start = 0;
        for stop in sorted {
            product = product.times(self.products[start][stop]);
            start = stop + 1;
        }
        product.times(self.products[start][self.total.nrows()]).value()
    }

    /// The determinant of the matrix with row i of each direction, in the given columns, by expansion of its last row.
    fn minor(&self, rows: &[usize], columns: &[usize]) -> f64 {
        let Some(k) = columns.len().checked_sub(1) else { return 1.0 };
        let term = |(b, &column): (usize, &usize)| {
            let sign = if (k + b).is_multiple_of(2) { 1.0 } else { -1.0 };
            sign * self.turned[k][(rows[k], column)] * self.minor(rows, &without(columns, column))
        };
        columns.iter().enumerate().map(term).sum()
    }
}

fn without(columns: &[usize], column: usize) -> SmallVec<[usize; 4]> {
    columns.iter().copied().filter(|&c| c != column).collect()
}

/// The determinant from its factors: a sign and the pivots.
pub(super) fn determinant(sign: f64, pivots: impl IntoIterator<Item = f64>) -> f64 {
    product(pivots).times(Scaled::from(sign)).value()
}
