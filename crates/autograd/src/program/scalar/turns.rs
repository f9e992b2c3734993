//! Running a loop over single numbers, turn by turn, with what can be computed ahead as vectors.

use super::{Function, Places, RESULT};
use crate::float::{Exact, Float, Real};
use crate::kernel::reduce;
use crate::kernel::simd::simd;
use crate::op::{Binary, Unary};
use crate::program::fuse::ROW;
use crate::program::map;

/// The most turns that are computed ahead: their columns have to stay in the first-level cache.
pub(super) const TURNS: usize = 128;

/// Elements of a row that are computed at a time: as many as fill a register of the widest kind.
pub(super) const LANES: usize = 8;

/// An instruction of a loop: its places in the first turn, and how much further on each is in the next.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) function: Function,
    /// Elements of the row that it reads or writes.
    pub(super) row: u8,
    /// Whether it adds to what it gave a turn ago.
    pub(super) sums: bool,
    pub(super) at: Places,
    pub(super) step: Places,
}

/// Instructions that run so many times.
#[derive(Debug)]
pub(super) struct Loop {
    /// Those that need nothing of other turns: each result is a column, of an element a turn.
    ahead: Vec<Line>,
    body: Vec<Line>,
    times: usize,
    /// The body as of the turn that comes next.
    next: Vec<Line>,
}

impl Loop {
    pub(super) fn new(ahead: Vec<Line>, body: Vec<Line>, times: usize) -> Loop {
        let next = body.clone();
        Loop { ahead, body, times, next }
    }

    /// How many instructions it runs.
    pub(super) fn count(&self) -> usize {
        self.len() * self.times
    }

    /// How many instructions are written down.
    pub(super) fn len(&self) -> usize {
        self.ahead.len() + self.body.len()
    }

    /// How many elements its columns have.
    pub(super) fn columns(&self) -> usize {
        self.ahead.len() * TURNS
    }

    /// Runs all turns; among the values, the columns begin at `columns`.
    pub(super) fn run<T: Float>(&mut self, values: &mut [T], columns: usize) {
        let rows = self.body.iter().any(|line| line.row > 1);
        let run = if rows { run_rows } else { run_numbers };
        let most = if self.ahead.is_empty() { self.times } else { TURNS };
        for first in (0..self.times).step_by(most) {
            let turns = most.min(self.times - first);
            self.ahead.iter().for_each(|line| line.run_ahead(first as u32, turns, values));
            for (next, line) in self.next.iter_mut().zip(&self.body) {
                // Columns are read from their top again.
                let passed = |k: usize| if line.at[k] as usize >= columns { 0 } else { first as u32 };
                next.at = std::array::from_fn(|k| line.at[k].wrapping_add(line.step[k].wrapping_mul(passed(k))));
            }
            run(&mut self.next, turns, values);
        }
    }
}

impl Line {
    /// Computes so many turns from the given one on. Columns are in the order of the lines that fill them, after all else: so
    /// what is read stands before what is written.
    fn run_ahead<T: Float>(&self, first: u32, turns: usize, values: &mut [T]) {
        let Line { function, at, step, .. } = self;
        let (known, to) = values.split_at_mut(at[RESULT] as usize);
        let mut gathered = [[T::zero(); TURNS]; 3];
        let start = |k: usize| at[k].wrapping_add(step[k].wrapping_mul(first));
        for (k, gathered) in gathered.iter_mut().enumerate().take(function.arity()).filter(|(k, _)| step[*k] != 1) {
            let mut next = start(k);
            for x in &mut gathered[..turns] {
                *x = known[next as usize];
                next = next.wrapping_add(step[k]);
            }
        }
        let from = std::array::from_fn(|k| match step[k] {
            1 => &known[start(k) as usize..][..turns],
            _ => &gathered[k][..turns],
        });
        map::compute(function.of_blocks(), from, &mut to[..turns]);
    }
}

simd! {
    fn run_numbers<T: Float>(lines: &mut [Line], turns: usize, values: &mut [T]) {
        run_turns::<T, false>(lines, turns, values);
    }
}

simd! {
    fn run_rows<T: Float>(lines: &mut [Line], turns: usize, values: &mut [T]) {
        run_turns::<T, true>(lines, turns, values);
    }
}

/// Runs so many turns, and leaves the lines where the next turn begins.
#[inline(always)]
fn run_turns<T: Float, const ROWS: bool>(lines: &mut [Line], turns: usize, values: &mut [T]) {
    // What reads the last result need not wait until it is in memory; a sum in between has its own pace.
    let (mut last, mut place) = (T::zero(), usize::MAX);
    for _ in 0..turns {
        for Line { function, row, sums, at, step } in lines.iter_mut() {
            let [a, b, c, to] = at.map(|at| at as usize);
            let read = |at: usize| if at == place { last } else { values[at] };
            let y = match *function {
                Function::Add => Real::add(read(a), read(b)),
                Function::Sub => Real::sub(read(a), read(b)),
                Function::Mul => Real::mul(read(a), read(b)),
                Function::Div => Real::div(read(a), read(b)),
                Function::MulAdd => Real::add(Real::mul(read(a), read(b)), read(c)),
                Function::Neg => Real::neg(read(a)),
                Function::Sin if is_near(read(a)) => Real::sin(read(a)),
                Function::Cos if is_near(read(a)) => Real::cos(read(a)),
                Function::Exp => Real::exp(read(a)),
                Function::Where => Real::select(read(a), read(b), read(c)),
                Function::Sin => unary(Unary::Sin, read(a)),
                Function::Cos => unary(Unary::Cos, read(a)),
                Function::Unary(u) => unary(u, read(a)),
                Function::Binary(f) => binary(f, read(a), read(b)),
                Function::Sum if ROWS => {
                    let mut sum = [T::zero()];
                    reduce::fold_rows::<reduce::Sum<T>>(&values[a..], 1, (*row).into(), &mut sum);
                    sum[0]
                }
                Function::Spread if ROWS => {
                    let x = read(a);
                    values[to..to + usize::from(*row).next_multiple_of(LANES)].fill(x);
                    advance(at, step);
                    continue;
                }
                Function::Row(f) if ROWS => {
                    compute_row(f, (*row).into(), [a, b, c, to], values);
                    advance(at, step);
                    continue;
                }
                Function::Sum | Function::Spread | Function::Row(_) => unreachable!("there are no rows"),
            };
            values[to] = y;
            if !*sums {
                (last, place) = (y, to);
            } else if to == place {
                place = usize::MAX;
            }
            advance(at, step);
        }
    }
}

#[inline(always)]
fn advance(at: &mut Places, step: &Places) {
    at.iter_mut().zip(step).for_each(|(at, step)| *at = at.wrapping_add(*step));
}

/// A function of rows. Rows have room for whole steps of [`LANES`] elements; what is beyond their end is never read.
#[inline(always)]
fn compute_row<T: Float>(function: map::Function, len: usize, [a, b, c, to]: [usize; 4], values: &mut [T]) {
    let len = len.next_multiple_of(LANES);
    macro_rules! lanes {
        ($($x:ident)+ => $f:expr) => {
            for first in (0..len).step_by(LANES) {
                $(let $x: [T; LANES] = values[$x + first..][..LANES].try_into().expect("so many");)+
                let y: [T; LANES] = std::array::from_fn(|i| { $(let $x = $x[i];)+ $f });
                values[to + first..][..LANES].copy_from_slice(&y);
            }
        };
    }
    match function {
        map::Function::Binary(Binary::Add) => lanes!(a b => a + b),
        map::Function::Binary(Binary::Sub) => lanes!(a b => a - b),
        map::Function::Binary(Binary::Mul) => lanes!(a b => a * b),
        map::Function::Binary(Binary::Div) => lanes!(a b => a / b),
        map::Function::MulAdd => lanes!(a b c => a * b + c),
        map::Function::Unary(Unary::Neg) => lanes!(a => -a),
        other => {
            let (mut x, mut y) = ([[T::zero(); ROW]; 3], [T::zero(); ROW]);
            for (x, at) in x.iter_mut().zip([a, b, c]).take(other.arity()) {
                x[..len].copy_from_slice(&values[at..at + len]);
            }
            map::compute(other, x.each_ref().map(|x| &x[..len]), &mut y[..len]);
            values[to..to + len].copy_from_slice(&y[..len]);
        }
    }
}

/// Whether the fast sine and cosine know the angle.
#[inline(always)]
fn is_near<T: Float>(x: T) -> bool {
    Real::abs(x) <= T::TRIG_LIMIT * T::of(0.25)
}

simd! {
    #[inline(never)]
    fn unary<T: Float>(u: Unary, x: T) -> T {
        if u.is_trigonometric() && !is_near(x) && !Float::is_nan(x) { u.f(Exact(x)).0 } else { u.f(x) }
    }
}

simd! {
    #[inline(never)]
    fn binary<T: Float>(f: Binary, a: T, b: T) -> T {
        f.f(a, b)
    }
}
