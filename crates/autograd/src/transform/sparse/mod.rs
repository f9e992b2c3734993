//! Sparse Jacobians and Hessians: the recording determines which derivatives can differ from zero, columns without a common
//! row get the same color, and one direction for each color gives all derivatives.

mod color;
mod pattern;

use super::batch::{Batched, Samples};
use super::point::{call, scalar};
use super::read::{read, record};
use super::shapes::{ahead, joined};
use crate::error::{Error, Result};
use crate::float::{Float, once};
use crate::op::Op;
use crate::program::{Program, refuse_reads};
use crate::tape::{Tape, Var, watch};
use crate::tensor::{Shape, Tensor};
pub use pattern::Pattern;

/// Which elements of the output of a function can depend on which elements of its input: the rows and columns of the Jacobian
/// that can differ from zero for some values.
///
/// Elementwise functions, selections, views, sums, products and cumulative ops are followed element by element. An index
/// computed from values, as in sorting, may refer to any element of its axis. Convolutions, pooling and users' rules count as
/// dense.
///
/// ```
/// use autograd::{tensor, transform::sparsity};
/// let pattern = sparsity(|x| x[0].slice(0, 1..) - x[0].slice(0, ..2), &tensor![1.0, 2.0, 3.0])?;
/// assert_eq!(pattern.row(0), [0, 1]);
/// assert_eq!(pattern.row(1), [1, 2]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the function returns a variable of another tape.
pub fn sparsity<T: Float, F>(f: F, x: &Tensor<T>) -> Result<Pattern>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let tape = Tape::new();
    let x = tape.var(x.clone());
    let y = call("sparsity", &f, &[x])?;
    Ok(pattern::of(y, x, false).expect("a dense one is accepted"))
}

/// A Jacobian or Hessian with a fixed pattern, and a compiled program that computes all its nonzero values.
struct Compressed<T: Float> {
    pattern: Pattern,
    colors: usize,
    program: Program<T>,
    /// The position of each value in the result of the program.
    places: Vec<usize>,
    values: Vec<T>,
    /// The shape of the dense matrix: that of the output, then that of the input.
    shape: Shape,
}

impl<T: Float> Compressed<T> {
    fn at(&mut self, x: &Tensor<T>) -> Result<&[T]> {
        let found = self.program.run(&[x])?[0].contiguous();
        let found = found.as_slice().expect("it is contiguous");
        self.values.iter_mut().zip(&self.places).for_each(|(value, &place)| *value = found[place]);
        Ok(&self.values)
    }

    fn dense(&self) -> Tensor<T> {
        let mut all = vec![T::zero(); self.pattern.rows() * self.pattern.columns()];
        let places = (0..self.pattern.rows()).flat_map(|r| self.pattern.row(r).iter().map(move |&c| (r, c)));
        places.zip(&self.values).for_each(|((r, c), &value)| all[r * self.pattern.columns() + c as usize] = value);
        Tensor::new(&self.shape, all)
    }
}

macro_rules! compressed { ($($(#[$doc:meta])* $Name:ident;)*) => { $(
    $(#[$doc])*
    pub struct $Name<T: Float>(Compressed<T>);

    impl<T: Float> $Name<T> {
        /// Where values can differ from zero.
        pub fn pattern(&self) -> &Pattern {
            &self.0.pattern
        }

        /// The number of directions that one evaluation takes.
        pub fn colors(&self) -> usize {
            self.0.colors
        }

        /// The values at another point, row by row in the order of the [pattern](Self::pattern).
        ///
        /// # Errors
        /// Returns an error if `x` does not have the shape of the recorded input.
        pub fn at(&mut self, x: &Tensor<T>) -> Result<&[T]> {
            self.0.at(x)
        }

        /// The last values, row by row in the order of the [pattern](Self::pattern): zeros before the first
        /// [`at`](Self::at).
        pub fn values(&self) -> &[T] {
            &self.0.values
        }

        /// The last values in the compressed-column format: the transposed pattern, whose
        /// [`row_starts`](Pattern::row_starts) are where the columns start and whose [`columns_of`](Pattern::columns_of) are
        /// the rows of the entries, and the values in its order.
        ///
        /// ```
        /// use autograd::{tensor, transform::SparseJacobian};
        /// let x = tensor![1.0, 2.0, 3.0];
        /// let mut jacobian = SparseJacobian::new(|x| x[0].slice(0, 1..) * x[0].slice(0, ..2), &x)?;
        /// jacobian.at(&x)?; // [[2, 1, 0], [0, 3, 2]]
        /// let (columns, values) = jacobian.by_columns();
        /// assert_eq!((columns.row_starts(), values), (&[0, 1, 3, 4][..], vec![2.0, 1.0, 3.0, 2.0]));
        /// # Ok::<(), autograd::Error>(())
        /// ```
        pub fn by_columns(&self) -> (Pattern, Vec<T>) {
            let (columns, places) = self.0.pattern.by_columns();
            (columns, places.into_iter().map(|place| self.0.values[place]).collect())
        }

        /// The matrix of the last values as a tensor, with the shape of the output followed by that of the input.
        pub fn dense(&self) -> Tensor<T> {
            self.0.dense()
        }
    }
)* } }

compressed! {
    /// The Jacobian of a function of one input, by as few directions as its sparsity allows. Its pattern, coloring and program
    /// are made once; [`at`](SparseJacobian::at) fills in the values at any point.
    ///
    /// ```
    /// use autograd::{Tensor, transform::SparseJacobian};
    /// let x = Tensor::<f64>::ones(&[1000]);
    /// let mut jacobian = SparseJacobian::new(|x| x[0].slice(0, 1..) * x[0].slice(0, ..-1), &x)?;
    /// assert_eq!((jacobian.pattern().nonzeros(), jacobian.colors()), (1998, 2));
    /// assert!(jacobian.at(&(x * 3.0))?.iter().all(|&value| value == 3.0));
    /// assert_eq!(jacobian.dense().shape(), [999, 1000]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    SparseJacobian;
    /// The Hessian of a scalar function of one input, by as few Hessian-vector products as its sparsity allows. By symmetry,
    /// a star coloring suffices (Coleman and Moré, 1984), which can take fewer colors than one of the columns.
    ///
    /// ```
    /// use autograd::{Tensor, transform::SparseHessian};
    /// let x = Tensor::<f64>::ones(&[1000]);
    /// let mut hessian = SparseHessian::new(|x| (x[0].slice(0, 1..) * x[0].slice(0, ..-1).square()).sum(), &x)?;
    /// assert_eq!((hessian.pattern().nonzeros(), hessian.colors()), (999 + 2 * 999, 3));
    /// assert_eq!(hessian.at(&x)?[..3], [2.0, 2.0, 2.0]);
    /// assert_eq!(hessian.dense().shape(), [1000, 1000]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    SparseHessian;
}

impl<T: Float> SparseJacobian<T> {
    /// Records the function at a point, finds its pattern, and compiles the program for its values.
    ///
    /// # Errors
    /// Returns an error if the function reads a value, which would be frozen, or returns a variable of another tape.
    pub fn new<F>(f: F, x: &Tensor<T>) -> Result<Self>
    where
        F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
    {
        const OP: &str = "sparse_jacobian";
        let tape = Tape::new();
        let x = tape.var(x.clone());
        watch(&tape);
        let y = call(OP, &f, &[x])?;
        refuse_reads(OP, &tape, &[x])?;
        jacobian(y, x).map(SparseJacobian)
    }
}

impl<T: Float> SparseHessian<T> {
    /// Records the function and its gradient at a point, finds the pattern, and compiles the program for its values.
    ///
    /// # Errors
    /// Returns an error if the function is not scalar, reads a value, which would be frozen, or returns a variable of
    /// another tape.
    pub fn new<F>(f: F, x: &Tensor<T>) -> Result<Self>
    where
        F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
    {
        const OP: &str = "sparse_hessian";
        let tape = Tape::new();
        let x = tape.var(x.clone());
        watch(&tape);
        let y = call(OP, &f, &[x])?;
        refuse_reads(OP, &tape, &[x])?;
        scalar(OP, y)?;
        hessian(y, x).map(SparseHessian)
    }
}

once! {
    /// The pattern and the better of the two colorings. If only a `sparse` pattern is requested, `None` if it is not
    /// sparse.
    pub(super) fn coloring<'t, T>(y: Var<'t, T>, x: Var<'t, T>, sparse: bool) -> Option<Coloring> {
        let pattern = pattern::of(y, x, sparse)?;
        let (columns, rows) = (color::columns(&pattern), color::columns(&pattern.transposed()));
        let by_rows = rows.count < columns.count;
        Some(Coloring { pattern, by_rows, colors: if by_rows { rows } else { columns } })
    }

    fn jacobian<'t, T>(y: Var<'t, T>, x: Var<'t, T>) -> Result<Compressed<T>> {
        let coloring = coloring(y, x, false).expect("a dense one is accepted");
        let (seed, slope) = coloring.slope(y, x)?;
        let Coloring { pattern, colors, .. } = &coloring;
        compress(pattern.clone(), coloring.places(), colors, x, seed, slope, &y.shape())
    }

    /// The dense Jacobian, from the compressed one.
    pub(super) fn expanded<'t, T>(y: Var<'t, T>, x: Var<'t, T>) -> Result<Var<'t, T>> {
        let coloring = coloring(y, x, false).expect("a dense one is accepted");
        let (seed, slope) = coloring.slope(y, x)?;
        let all = by_color(&coloring.colors, seed, slope, &y.shape())?;
        let whole = |numbers: Vec<usize>| Tensor::new(&[numbers.len()], numbers.into_iter().map(|i| i as i64).collect());
        let (rows, columns) = (coloring.pattern.rows(), coloring.pattern.columns());
        let values = all.try_reshape(&[all.shape().iter().product()])?.try_take(0, whole(coloring.places()))?;
        let to = whole(coloring.pattern.entries().map(|(r, c)| r * columns + c).collect());
        let flat = record(Op::TakeAdd { axis: 0, index: to, size: rows * columns }, &[values])?;
        flat.try_reshape(&joined(&[&y.shape(), &x.shape()]))
    }

    fn hessian<'t, T>(y: Var<'t, T>, x: Var<'t, T>) -> Result<Compressed<T>> {
        let gradient = y.try_grad(&[x])?[0];
        let pattern = pattern::of(gradient, x, false).expect("a dense one is accepted").symmetric();
        let colors = color::star(&pattern);
        let seed = y.tape.constant(Tensor::zeros(&x.shape()));
        let slope = gradient.try_jvp_recorded(&[(x, seed)])?;
        // An entry is read where its column's color is alone in its row; by symmetry, one of the two places is.
        let alone = |r: usize, c: usize| pattern.row(r).iter().filter(|&&k| colors.of[k as usize] == colors.of[c]).count() == 1;
        let n = pattern.rows();
        let place = |(r, c): (usize, usize)| match alone(r, c) {
            true => colors.of[c] as usize * n + r,
            false => colors.of[r] as usize * n + c,
        };
        let places = pattern.entries().map(place).collect();
        compress(pattern.clone(), places, &colors, x, seed, slope, &x.shape())
    }

    /// The values of `slope`, a function of `seed`, for the sum of the unit vectors of each color.
    fn by_color<'t, T>(
        colors: &color::Colors,
        seed: Var<'t, T>,
        slope: Var<'t, T>,
        rows: &[usize],
    ) -> Result<Var<'t, T>> {
        let (n, count) = (colors.of.len(), colors.count.max(1));
        let mut units = vec![T::zero(); count.checked_mul(n).ok_or_else(|| too_large(rows))?];
        colors.of.iter().enumerate().for_each(|(i, &color)| units[color as usize * n + i] = T::one());
        let units = seed.tape.constant(Tensor::new(&ahead(count, &seed.shape()), units));
        let given = vec![(seed.id, Batched { var: units, batched: true })];
        Ok(read(seed.tape, seed.tape, &Samples { n: count }, given, &[slope.id])?[0].full(count))
    }

    /// The program that computes `slope`, a function of `seed`, for the sum of the unit vectors of each color.
    fn compress<'t, T>(
        pattern: Pattern,
        places: Vec<usize>,
        colors: &color::Colors,
        x: Var<'t, T>,
        seed: Var<'t, T>,
        slope: Var<'t, T>,
        rows: &[usize],
    ) -> Result<Compressed<T>> {
        let all = by_color(colors, seed, slope, rows)?;
        let program = Program::try_new(x.tape, &[x], &[all])?;
        let (colors, values) = (colors.count, vec![T::zero(); places.len()]);
        let shape = joined(&[rows, &x.shape()]);
        Ok(Compressed { pattern, colors, program, places, values, shape })
    }
}

/// A pattern whose columns, or rows, are colored.
pub(super) struct Coloring {
    pub(super) pattern: Pattern,
    pub(super) colors: color::Colors,
    pub(super) by_rows: bool,
}

impl Coloring {
    /// A seed of unknown value, and the derivative along it.
    fn slope<'t, T: Float>(&self, y: Var<'t, T>, x: Var<'t, T>) -> Result<(Var<'t, T>, Var<'t, T>)> {
        let seed = y.tape.constant(Tensor::zeros(&if self.by_rows { y.shape() } else { x.shape() }));
        let slope = if self.by_rows { y.try_grad_with(seed, &[x])?[0] } else { y.try_jvp_recorded(&[(x, seed)])? };
        Ok((seed, slope))
    }

    /// Where each entry stands among the derivatives along the sums of the unit vectors of each color.
    fn places(&self) -> Vec<usize> {
        let Coloring { pattern, colors, by_rows } = self;
        let width = if *by_rows { pattern.columns() } else { pattern.rows() };
        let place = |(r, c): (usize, usize)| match by_rows {
            true => colors.of[r] as usize * width + c,
            false => colors.of[c] as usize * width + r,
        };
        pattern.entries().map(place).collect()
    }
}

fn too_large(shape: &[usize]) -> Error {
    Error::TooLarge { op: "sparse_jacobian", shape: shape.into() }
}
