//! Runs a loop over scalars and short rows, one iteration at a time; what can be computed ahead is vectorized.

use super::{Positions, RESULT, ScalarOp};
use crate::eval::number::{binary, unary};
use crate::float::{Float, Real};
use crate::kernel::isa::simd;
use crate::kernel::reduce;
use crate::op::{Binary, Unary};
use crate::program::fuse::ROW;
use crate::program::fused::{BlockOp, Chain, compute, mul_add};

/// The maximum number of iterations computed ahead, chosen so that their columns stay in the L1 cache.
pub(super) const TURNS: usize = 128;

/// Number of row elements computed at a time: as many as fill the widest vector register.
pub(super) const LANES: usize = 8;

/// An instruction of a loop: its places in the first iteration, and how far each advances per iteration.
#[derive(Clone, Debug)]
pub(super) struct LoopInstruction {
    pub(super) op: ScalarOp,
    /// Number of elements in the row that it reads or writes.
    pub(super) row: u8,
    /// Whether it accumulates: it reads its own result of the previous iteration.
    pub(super) sums: bool,
    pub(super) at: Positions,
    pub(super) step: Positions,
}

/// Instructions that run `times` times.
#[derive(Debug)]
pub(super) struct Loop {
    /// Instructions independent of other iterations: each result is a column with one element per iteration.
    ahead: Vec<LoopInstruction>,
    body: Vec<LoopInstruction>,
    times: usize,
    /// The body with the places of the next iteration.
    next: Vec<LoopInstruction>,
}

impl Loop {
    pub(super) fn new(ahead: Vec<LoopInstruction>, body: Vec<LoopInstruction>, times: usize) -> Loop {
        let next = body.clone();
        Loop { ahead, body, times, next }
    }

    /// Number of instructions executed.
    pub(super) fn count(&self) -> usize {
        self.len() * self.times
    }

    /// Number of instructions stored.
    pub(super) fn len(&self) -> usize {
        self.ahead.len() + self.body.len()
    }

    /// Number of elements in its columns.
    pub(super) fn columns(&self) -> usize {
        self.ahead.len() * TURNS
    }

    /// Runs all iterations; the columns begin at `columns` in `values`.
    pub(super) fn run<T: Float>(&mut self, values: &mut [T], columns: usize) {
        let rows = self.body.iter().any(|line| line.row > 1);
        let run = if rows { run_rows } else { run_numbers };
        let most = if self.ahead.is_empty() { self.times } else { TURNS };
        for first in (0..self.times).step_by(most) {
            let turns = most.min(self.times - first);
            self.ahead.iter().for_each(|line| line.run_ahead(first as u32, turns, values));
            for (next, line) in self.next.iter_mut().zip(&self.body) {
                // Each batch of iterations reads the columns from the start.
                let passed = |k: usize| if line.at[k] as usize >= columns { 0 } else { first as u32 };
                for k in 0..4 {
                    next.at[k] = line.at[k].wrapping_add(line.step[k].wrapping_mul(passed(k)));
                }
            }
            run(&mut self.next, turns, values);
        }
    }
}

impl LoopInstruction {
    /// Computes `turns` iterations from iteration `first` on. Columns follow all other values, in the order of the
    /// lines that fill them, so everything read comes before everything written.
    fn run_ahead<T: Float>(&self, first: u32, turns: usize, values: &mut [T]) {
        let LoopInstruction { op, at, step, .. } = self;
        let (known, to) = values.split_at_mut(at[RESULT] as usize);
        let mut gathered = [[T::zero(); TURNS]; 3];
        let start = |k: usize| at[k].wrapping_add(step[k].wrapping_mul(first));
        for (k, gathered) in gathered.iter_mut().enumerate().take(op.arity()).filter(|(k, _)| step[*k] != 1) {
            let mut next = start(k);
            for x in &mut gathered[..turns] {
                *x = known[next as usize];
                next = next.wrapping_add(step[k]);
            }
        }
        let column = |k: usize| match step[k] {
            1 => &known[start(k) as usize..][..turns],
            _ => &gathered[k][..turns],
        };
        let from = [column(0), column(1), column(2)];
        match op {
            ScalarOp::MulAdd => mul_add(from[0], from[1], from[2], &mut to[..turns]),
            op => compute(op.of_blocks(), from, &mut to[..turns]),
        }
    }
}

simd! {
    fn run_numbers<T: Float>(lines: &mut [LoopInstruction], turns: usize, values: &mut [T]) {
        run_turns::<T, false>(lines, turns, values);
    }
}

simd! {
    fn run_rows<T: Float>(lines: &mut [LoopInstruction], turns: usize, values: &mut [T]) {
        run_turns::<T, true>(lines, turns, values);
    }
}

/// Runs `turns` iterations, and leaves the lines at the start of the next one.
#[inline(always)]
fn run_turns<T: Float, const ROWS: bool>(lines: &mut [LoopInstruction], turns: usize, values: &mut [T]) {
    // Forwards the last result in a register, so that its reader does not wait for memory. Accumulating instructions
    // are excluded: each forms a dependency chain of its own.
    let (mut last, mut place) = (T::zero(), usize::MAX);
    for _ in 0..turns {
        for LoopInstruction { op, row, sums, at, step } in lines.iter_mut() {
            let [a, b, c, to] = [at[0] as usize, at[1] as usize, at[2] as usize, at[3] as usize];
            let read = |at: usize| if at == place { last } else { values[at] };
            let y = match *op {
                ScalarOp::Add => Real::add(read(a), read(b)),
                ScalarOp::Sub => Real::sub(read(a), read(b)),
                ScalarOp::Mul => Real::mul(read(a), read(b)),
                ScalarOp::Div => Real::div(read(a), read(b)),
                ScalarOp::MulAdd => Real::add(Real::mul(read(a), read(b)), read(c)),
                ScalarOp::Neg => Real::neg(read(a)),
                ScalarOp::Sin if is_near(read(a)) => Real::sin(read(a)),
                ScalarOp::Cos if is_near(read(a)) => Real::cos(read(a)),
                ScalarOp::Exp => Real::exp(read(a)),
                ScalarOp::Where => Real::select(read(a), read(b), read(c)),
                ScalarOp::Sin => unary(Unary::Sin, read(a)),
                ScalarOp::Cos => unary(Unary::Cos, read(a)),
                ScalarOp::Unary(u) => unary(u, read(a)),
                ScalarOp::Binary(f) => binary(f, read(a), read(b)),
                ScalarOp::Sum if ROWS => {
                    let mut sum = [T::zero()];
                    reduce::fold_rows::<reduce::Sum<T>>(&values[a..], 1, (*row).into(), &mut sum);
                    sum[0]
                }
                ScalarOp::Spread if ROWS => {
                    let x = read(a);
                    values[to..to + usize::from(*row).next_multiple_of(LANES)].fill(x);
                    advance(at, step);
                    continue;
                }
                ScalarOp::Row(f) if ROWS => {
                    compute_row(f, (*row).into(), [a, b, c, to], values);
                    advance(at, step);
                    continue;
                }
                ScalarOp::Sum | ScalarOp::Spread | ScalarOp::Row(_) => unreachable!("the loop has no rows"),
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
fn advance(at: &mut Positions, step: &Positions) {
    for k in 0..at.len() {
        at[k] = at[k].wrapping_add(step[k]);
    }
}

/// An elementwise function of rows. Rows are padded to a multiple of [`LANES`] elements; the padding never affects a
/// result.
#[inline(always)]
fn compute_row<T: Float>(op: BlockOp, len: usize, [a, b, c, to]: [usize; 4], values: &mut [T]) {
    let len = len.next_multiple_of(LANES);
    macro_rules! lanes {
        ($($x:ident)+ => $f:expr) => {{
            let mut first = 0;
            while first < len {
                $(let $x = lanes(values, $x + first);)+
                let mut y = [T::zero(); LANES];
                let mut i = 0;
                while i < LANES {
                    $(let $x = $x[i];)+
                    y[i] = $f;
                    i += 1;
                }
                *values[to + first..].first_chunk_mut().expect("rows are padded to whole lanes") = y;
                first += LANES;
            }
        }};
    }
    match op {
        BlockOp::Binary(Binary::Add) => lanes!(a b => a + b),
        BlockOp::Binary(Binary::Sub) => lanes!(a b => a - b),
        BlockOp::Binary(Binary::Mul) => lanes!(a b => a * b),
        BlockOp::Binary(Binary::Div) => lanes!(a b => a / b),
        BlockOp::Chain(Chain::MUL_ADD) => lanes!(a b c => a * b + c),
        BlockOp::Unary(Unary::Neg) => lanes!(a => -a),
        other => {
            let (mut x, mut y) = ([[T::zero(); ROW]; 3], [T::zero(); ROW]);
            for (x, at) in x.iter_mut().zip([a, b, c]).take(other.arity()) {
                x[..len].copy_from_slice(&values[at..at + len]);
            }
            compute(other, [&x[0][..len], &x[1][..len], &x[2][..len]], &mut y[..len]);
            values[to..to + len].copy_from_slice(&y[..len]);
        }
    }
}

#[inline(always)]
fn lanes<T: Float>(values: &[T], first: usize) -> [T; LANES] {
    *values[first..].first_chunk().expect("rows are padded to whole lanes")
}

/// Whether the angle is in the range of the fast sine and cosine.
#[inline(always)]
fn is_near<T: Float>(x: T) -> bool {
    Real::abs(x) <= T::TRIG_LIMIT * T::of(0.25)
}
