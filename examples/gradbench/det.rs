//! The determinant by expansion along the first row, minor by minor. That takes n! products, as the suite intends; no
//! minor is shared or reused.

use super::input::{Input, json};
use super::protocol::{Reply, unknown};
use super::recording::primal_or_gradient;
use std::sync::Arc;
use wengert::autograd::checkpoint;
use wengert::prelude::*;

/// The columns that are left in each row, one below the other, for every choice of columns in the rows above: one table for
/// each row.
struct Expansion(Vec<Tensor<i64>>);

impl Expansion {
    fn new(n: usize) -> Self {
        let mut left: Vec<Vec<i64>> = vec![(0..n as i64).collect()];
        let table = |row: usize| {
            let column = |j: usize| left.iter().map(move |columns| columns[j]);
            let table = Tensor::new(&[n - row, left.len()], (0..n - row).flat_map(column).collect());
            let without = |columns: &Vec<i64>, j| [&columns[..j], &columns[j + 1..]].concat();
            left = (0..n - row).flat_map(|j| left.iter().map(move |columns| without(columns, j))).collect();
            table
        };
        Expansion((0..n).map(table).collect())
    }

    /// Σⱼ (-1)ʲ a₀ⱼ |minor of a₀ⱼ|, from the last row to the first, for all minors of as many rows together.
    fn determinant<'t>(&self, a: Var<'t, f64>) -> Var<'t, f64> {
        let choices = self.0.last().map_or(1, |columns| columns.shape()[1]);
        let ones = a.tape().constant(Tensor::ones(&[choices]));
        let determinant = self.0.iter().enumerate().rev().fold(ones, |minors, (row, columns)| {
            let sign = |at: &[usize]| if at[0].is_multiple_of(2) { 1.0 } else { -1.0 };
            let signs = a.tape().constant(Tensor::from_fn(&[columns.shape()[0], 1], sign));
            let elements = a.index_axis(0, row as isize).take(0, columns.clone());
            (elements * minors.reshape(columns.shape()) * signs).sum_axes(0)
        });
        determinant.reshape(&[])
    }

    /// The same for a larger matrix: minors that are larger than the tables are expanded one by one. Only the minor at work
    /// is in memory; it is computed again for its derivative.
    fn of_larger<'t>(self: &Arc<Self>, a: Var<'t, f64>) -> Var<'t, f64> {
        let n = a.shape()[0];
        if n == self.0.len() {
            let tables = Arc::clone(self);
            return checkpoint(move |a| tables.determinant(a[0]), &[a]);
        }
        let below = a.slice(0, 1..);
        let term = |j: usize| {
            let minor = Var::concat(&[below.slice(1, ..j), below.slice(1, j + 1..)], 1);
            let product = a.index_axis(0, 0).index_axis(0, j as isize) * self.of_larger(minor);
            if j.is_multiple_of(2) { product } else { -product }
        };
        (0..n).map(term).reduce(|a, b| a + b).expect("there are columns")
    }
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    /// Tables for larger matrices would not fit in the cache.
    const TABLES: usize = 8;
    let n = input.get("ell")?.count()?;
    if !(1..=13).contains(&n) {
        return Err(input.expected("ell from 1 to 13: the work grows as its factorial"));
    }
    let a = input.get("A")?.tensor([Some(n * n)])?;
    let expansion = Arc::new(Expansion::new(n.min(TABLES)));
    if n <= TABLES {
        return primal_or_gradient(function, input, a, |x| expansion.determinant(x[0].reshape(&[n, n])));
    }
    let mut tape = Tape::new();
    let mut at = |read: fn(Var<f64>, Var<f64>) -> Tensor<f64>| {
        tape.clear();
        let a = tape.var(a.clone());
        Ok(read(expansion.of_larger(a.reshape(&[n, n])), a))
    };
    match function {
        "primal" => Reply::timed(input, || at(|y, _| y.value()), |y| json(&y)),
        "gradient" => Reply::timed(input, || at(|y, a| y.backward().wrt(a)), |dy| json(&dy)),
        _ => unknown(function),
    }
}
