//! How a Jacobian is computed, and why: by rows, by columns, or compressed, whichever takes the fewest operations.

use super::read::following;
use super::sparse::{Coloring, coloring};
use crate::error::Result;
use crate::float::{Float, once};
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use std::fmt::{self, Display, Formatter};

/// How a Jacobian is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By columns: one direction for each element of the inputs.
    Forward,
    /// By rows: one cotangent for each element of the output.
    Reverse,
    /// By as few directions or cotangents as the sparsity pattern allows: columns without a common row share one. For a
    /// function of one input.
    Sparse,
    /// By the mode that takes the fewest operations: see [`jacobian_choice`](super::jacobian_choice()).
    Auto,
}

/// The mode that [`jacobian`](super::jacobian()) chooses, and the cost of the others in operations: `Display` explains
/// the choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The mode.
    pub mode: Mode,
    /// The number of rows, elements of the output: cotangents that reverse mode takes.
    pub rows: usize,
    /// The number of columns, elements of the inputs: directions that forward mode takes.
    pub columns: usize,
    /// The number of directions or cotangents without overlaps, if the pattern was computed.
    pub colors: Option<usize>,
    /// The operations of each mode that was counted.
    pub costs: Vec<(Mode, u64)>,
}

impl Display for Choice {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Choice { mode, rows, columns, colors, costs } = self;
        let name = |mode: &Mode| match mode {
            Mode::Forward => "forward",
            Mode::Reverse => "reverse",
            Mode::Sparse => "sparse",
            Mode::Auto => "auto",
        };
        write!(f, "{} mode, for {rows} rows and {columns} columns", name(mode))?;
        if let Some(colors) = colors {
            write!(f, " of {colors} colors")?;
        }
        if costs.is_empty() {
            return write!(f, ": one side is {FAR} times the other or more");
        }
        for (k, (mode, cost)) in costs.iter().enumerate() {
            write!(f, "{} {} takes {:.1e} operations", if k == 0 { ":" } else { "," }, name(mode), *cost as f64)?;
        }
        Ok(())
    }
}

/// From this ratio of rows to columns on, counting is unnecessary: a sweep costs at most a few times the function.
const FAR: usize = 8;
/// The number of rows and columns from which on the pattern is computed.
const WIDE: usize = 32;

once! {
    /// The mode with the fewest operations.
    pub(super) fn choose<'t, T>(y: Var<'t, T>, x: &[Var<'t, T>]) -> Result<Choice> {
        let size = |x: &Var<'t, T>| x.shape().iter().product::<usize>();
        let (rows, columns) = (size(&y), x.iter().map(size).sum::<usize>());
        let mut choice = Choice { mode: Mode::Reverse, rows, columns, colors: None, costs: Vec::new() };
        if rows.saturating_mul(FAR) <= columns {
            return Ok(choice);
        }
        if columns.saturating_mul(FAR) <= rows {
            return Ok(Choice { mode: Mode::Forward, ..choice });
        }
        let reverse = recorded_and_forgotten(y, &|| {
            let g = y.tape.constant(Tensor::zeros(&y.shape()));
            y.try_grad_with(g, x)?;
            Ok(g)
        })?;
        choice.costs.push((Mode::Reverse, reverse.times(rows)));
        // A function with only a reverse rule has no forward mode.
        let forward = forward(y, x).ok();
        choice.costs.extend(forward.map(|forward| (Mode::Forward, forward.once + forward.each)));
        if let ([x], Some(forward)) = (x, forward)
            && rows.min(columns) >= WIDE
            && let Some(Coloring { colors, by_rows, .. }) = coloring(y, *x, true)
        {
            let count = if by_rows { reverse } else { Count { each: forward.each / columns as u64, ..forward } };
            choice.colors = Some(colors.count);
            choice.costs.push((Mode::Sparse, count.times(colors.count) + (rows * columns) as u64));
        }
        choice.mode = choice.costs.iter().min_by_key(|(_, cost)| *cost).expect("one was counted").0;
        Ok(choice)
    }
}

/// The operations of forward mode: `each` is that of all directions together.
fn forward<'t, T: Float>(y: Var<'t, T>, x: &[Var<'t, T>]) -> Result<Count> {
    let mut forward = Count::default();
    for x in x {
        let count = recorded_and_forgotten(y, &|| {
            let t = y.tape.constant(Tensor::zeros(&x.shape()));
            y.try_jvp_recorded(&[(*x, t)])?;
            Ok(t)
        })?;
        forward.once += count.once;
        forward.each += count.each * x.shape().iter().product::<usize>() as u64;
    }
    Ok(forward)
}

/// The operations of a recorded derivative.
#[derive(Clone, Copy, Default)]
struct Count {
    /// The operations that do not depend on the seed.
    once: u64,
    /// The operations that depend on the seed, for each seed.
    each: u64,
}

impl Count {
    fn times(self, seeds: usize) -> u64 {
        self.once.saturating_add(self.each.saturating_mul(seeds as u64))
    }
}

/// Counts the operations of what `record` records, which depends on the seed that it returns, and removes it again. Memory
/// traffic counts where it takes longer than the arithmetic.
fn recorded_and_forgotten<'t, T: Float>(y: Var<'t, T>, record: &dyn Fn() -> Result<Var<'t, T>>) -> Result<Count> {
    let (tape, before): (&Tape<T>, _) = (y.tape, y.tape.extent());
    let start = tape.len();
    let seed = record().inspect_err(|_| tape.rewind(before))?;
    let mut given = vec![None; tape.len()];
    given[seed.id as usize] = Some(());
    let depends = following(tape, &given);
    let mut count = Count::default();
    for (id, depends) in (0..).zip(depends).skip(start) {
        let list = tape.list();
        let shapes: Vec<_> = list.inputs(id).iter().map(|&x| list.shape(x)).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(|shape| shape.as_slice()).collect();
        let cost = list.op(id).cost(&shapes, &list.shape(id), 1);
        *if depends { &mut count.each } else { &mut count.once } += cost.flops.max(cost.bytes);
    }
    tape.rewind(before);
    Ok(count)
}
