//! Finds repetition in a list of instructions, and what can be computed ahead.

use super::turns::{LANES, Loop, LoopInstruction, TURNS};
use super::{Instruction, Positions, RESULT, ScalarOp};
use crate::op::Binary;
use crate::program::fused::{BlockOp, Chain};
use crate::program::hash::Map;
use std::cmp::Reverse;
use std::ops::Range;

/// The longest loop body whose instructions are reordered by their dependencies; a longer one has enough independent
/// work.
const SHORT: usize = 32;

/// Names from here on are columns: the values of one instruction in many iterations.
const COLUMN: u32 = 1 << 31;

/// Rolls instructions into loops, and returns them with the number of places needed in addition to the columns. The
/// first names belong to the sources, whose places are given and end before `end`; names of instruction results follow
/// in order. Replaces the names in `results` with places.
pub(super) fn loops(
    instructions: &mut [Instruction],
    results: &mut [u32],
    sources: &[u32],
    end: u32,
) -> (Vec<Loop>, usize) {
    // Repetition is first detected by names, which show what an iteration computes for itself. It is detected again by
    // places, since the reuse of dead values' places may take longer to repeat.
    let stretches = roll(instructions, 1);
    for stretch in &stretches {
        if stretch.turn <= SHORT && stretch.is_even(instructions) {
            stretch.chain(instructions);
        }
    }
    look_ahead(instructions, &stretches, results, sources.len() as u32);
    let places = reuse_places(instructions, results, sources, end) as usize;
    let again = |stretch: &Stretch| {
        let part = &instructions[stretch.range()];
        // Columns belong to whole iterations.
        let unit = if part.iter().any(|i| i.column.is_some()) { stretch.turn } else { 1 };
        roll(part, unit).into_iter().map(|stretch| stretch.as_loop(part, places)).collect::<Vec<_>>()
    };
    (stretches.iter().flat_map(again).collect(), places)
}

/// A range of instructions that repeats, with operands advancing by a fixed step each time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    start: usize,
    /// Number of instructions per iteration.
    turn: usize,
    times: usize,
}

impl Stretch {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.turn * self.times
    }

    /// The instructions of the first iteration, with their steps.
    fn lines<'i>(&self, instructions: &'i [Instruction]) -> impl Iterator<Item = (&'i Instruction, Positions)> {
        let (first, turn, times) = (self.start, self.turn, self.times);
        (first..first + turn).map(move |k| {
            let step = if times > 1 { step(&instructions[k], &instructions[k + turn]) } else { [0; 4] };
            (&instructions[k], step)
        })
    }

    /// Whether each instruction's operands are loop invariant, advance with the result, or come from before the loop.
    fn is_even(&self, instructions: &[Instruction]) -> bool {
        let first = self.first_name(instructions);
        let even = |(i, step): (&Instruction, Positions)| {
            (0..i.op.arity()).all(|k| [0, step[RESULT]].contains(&step[k]) || self.end(i.at[k], step[k]) < first)
        };
        self.times > 1 && self.lines(instructions).all(even)
    }

    /// The smallest name that it computes.
    fn first_name(&self, instructions: &[Instruction]) -> u32 {
        instructions[self.range()].iter().map(|i| i.at[RESULT]).min().unwrap_or(0)
    }

    /// The largest name that an operand has in any iteration.
    fn end(&self, name: u32, step: u32) -> u32 {
        name.max(name.wrapping_add(step.wrapping_mul(self.times as u32 - 1)))
    }

    /// Moves the readers of a result directly behind it, longest dependency chain first, so that an iteration waits as
    /// little as possible for the previous one.
    fn chain(&self, instructions: &mut [Instruction]) {
        let body = &instructions[self.start..self.start + self.turn];
        let reads = |i: &Instruction, name: u32| i.at[..i.op.arity()].contains(&name);
        // The length of the longest dependency chain that starts at each instruction.
        let mut height = vec![1; self.turn];
        for j in (0..self.turn).rev() {
            let name = body[j].at[RESULT];
            let behind = (j + 1..self.turn).filter(|&k| reads(&body[k], name)).map(|k| height[k] + 1);
            height[j] = behind.max().unwrap_or(1);
        }
        let (mut order, mut waiting): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..self.turn).collect());
        while !waiting.is_empty() {
            let ready = |&j: &usize| !waiting.iter().any(|&k| reads(&body[j], body[k].at[RESULT]));
            let follows = |j: usize| order.last().is_some_and(|&last: &usize| reads(&body[j], body[last].at[RESULT]));
            let next = waiting.iter().copied().filter(ready).max_by_key(|&j| (follows(j), height[j], Reverse(j)));
            let next = next.expect("the first recorded instruction is ready");
            waiting.retain(|&j| j != next);
            order.push(next);
        }
        for turn in instructions[self.range()].chunks_mut(self.turn) {
            let ordered: Vec<Instruction> = order.iter().map(|&j| turn[j]).collect();
            turn.copy_from_slice(&ordered);
        }
    }

    /// The loop, with columns that begin after `places`.
    fn as_loop(&self, instructions: &[Instruction], places: usize) -> Loop {
        let mut columns: Map<u32, u32> = Map::default();
        let (mut ahead, mut body) = (Vec::new(), Vec::new());
        for (&Instruction { op, row, mut at, column, sums }, mut step) in self.lines(instructions) {
            if column.is_some() {
                columns.insert(at[RESULT], (places + ahead.len() * TURNS) as u32);
            }
            for (at, step) in at.iter_mut().zip(&mut step).filter(|(at, _)| **at >= COLUMN) {
                (*at, *step) = (columns[at], 1);
            }
            if column.is_some() { &mut ahead } else { &mut body }.push(LoopInstruction { op, row, sums, at, step });
        }
        Loop::new(ahead, body, self.times)
    }
}

/// Assigns a column to each scalar instruction whose operands do not come from other iterations and whose result only
/// its own iteration reads; and marks instructions that read their own result of the previous iteration.
fn look_ahead(instructions: &mut [Instruction], stretches: &[Stretch], results: &[u32], sources: u32) {
    let last = last_reads(instructions, results, sources);
    for stretch in stretches.iter().filter(|stretch| stretch.times > 1) {
        let &Stretch { start, turn, times } = stretch;
        let first = stretch.first_name(instructions);
        let mut ahead: Vec<u32> = Vec::new();
        let (mut columns, mut sums): (Vec<Option<u32>>, Vec<bool>) = (Vec::new(), Vec::new());
        for (j, (i, step)) in stretch.lines(instructions).enumerate() {
            let known = |k: usize| {
                let here = ahead.contains(&i.at[k]) && step[k] == step[RESULT];
                here || stretch.end(i.at[k], step[k]) < first
            };
            let own = |t: usize| last[instructions[start + t * turn + j].at[RESULT] as usize] < start + (t + 1) * turn;
            let alone = i.row == 1 && (0..i.op.arity()).all(known) && (0..times).all(own);
            let column = alone.then_some(j as u32);
            // Whether it reads what it wrote in the previous iteration.
            let again = |k: usize| step[k] == step[RESULT] && i.at[k].wrapping_add(step[k]) == i.at[RESULT];
            sums.push(turn > 1 && (0..i.op.arity()).any(again));
            ahead.extend(column.map(|_| i.at[RESULT]));
            columns.push(column);
        }
        let kinds = columns.into_iter().zip(sums).cycle();
        instructions[stretch.range()].iter_mut().zip(kinds).for_each(|(i, kind)| (i.column, i.sums) = kind);
    }
}

/// The last instruction that reads each name; `usize::MAX` for results, which never die.
fn last_reads(instructions: &[Instruction], results: &[u32], sources: u32) -> Vec<usize> {
    let end = instructions.iter().map(|i| i.at[RESULT] + 1).max().unwrap_or(sources);
    let mut last = vec![usize::MAX; end as usize];
    for (k, i) in instructions.iter().enumerate() {
        i.at[..i.op.arity()].iter().for_each(|&at| last[at as usize] = k);
    }
    results.iter().for_each(|&at| last[at as usize] = usize::MAX);
    last
}

/// Fuses each product that is read once, by a sum, with that sum. Results of instructions are numbered from `sources`
/// on, in order.
pub(super) fn join_products(instructions: &mut Vec<Instruction>, results: &[u32], sources: u32) {
    let mut reads = vec![0u32; instructions.len()];
    let mut count = |at: u32| at.checked_sub(sources).map(|k| reads[k as usize] += 1);
    for i in instructions.iter() {
        i.at[..i.op.arity()].iter().for_each(|&at| _ = count(at));
    }
    results.iter().for_each(|&at| _ = (count(at), count(at)));
    let mut joined = vec![false; instructions.len()];
    for k in 0..instructions.len() {
        let Instruction { op, at: [a, b, _, to], .. } = instructions[k];
        let (product, together) = match op {
            ScalarOp::Add => (ScalarOp::Mul, ScalarOp::MulAdd),
            ScalarOp::Row(BlockOp::Binary(Binary::Add)) => {
                (ScalarOp::Row(BlockOp::Binary(Binary::Mul)), ScalarOp::Row(BlockOp::Chain(Chain::MUL_ADD)))
            }
            _ => continue,
        };
        for (factor, other) in [(a, b), (b, a)] {
            let Some(p) = factor.checked_sub(sources).map(|p| p as usize) else { continue };
            if instructions[p].op == product && reads[p] == 1 && !joined[p] {
                let [x, y, ..] = instructions[p].at;
                instructions[k] = Instruction { op: together, at: [x, y, other, to], ..instructions[k] };
                joined[p] = true;
                break;
            }
        }
    }
    let mut k = 0;
    instructions.retain(|_| {
        k += 1;
        !joined[k - 1]
    });
}

/// Number of elements reserved for a row or a scalar.
pub(super) fn room(len: usize) -> usize {
    if len > 1 { len.next_multiple_of(LANES) } else { 1 }
}

/// Assigns places to values, reusing those of dead ones first; returns the total number of elements. Sources keep
/// theirs.
fn reuse_places(instructions: &mut [Instruction], results: &mut [u32], sources: &[u32], end: u32) -> u32 {
    let last = last_reads(instructions, results, sources.len() as u32);
    let (mut place, mut rooms) = (vec![0; last.len()], vec![0; last.len()]);
    place[..sources.len()].copy_from_slice(sources);
    let (mut free, mut count): (Map<u32, Vec<u32>>, u32) = (Map::default(), end);
    for (k, i) in instructions.iter_mut().enumerate() {
        let arity = i.op.arity();
        for j in 0..arity {
            let name = i.at[j] as usize;
            let again = i.at[..j].contains(&i.at[j]);
            if name >= sources.len() && last[name] == k && !again && place[name] < COLUMN {
                free.entry(rooms[name]).or_default().push(place[name]);
            }
        }
        // Only now, since the loop above compares the operands by name.
        let name = i.at[RESULT] as usize;
        i.at[..arity].iter_mut().for_each(|at| *at = place[*at as usize]);
        i.at[arity..RESULT].fill(0);
        let room = if i.op.is_wide() { room(i.row.into()) as u32 } else { 1 };
        rooms[name] = room;
        place[name] = match i.column {
            Some(column) => COLUMN + column,
            None => free.get_mut(&room).and_then(Vec::pop).unwrap_or_else(|| {
                let start = count.next_multiple_of(room.min(LANES as u32));
                count = start + room;
                start
            }),
        };
        i.at[RESULT] = place[name];
    }
    results.iter_mut().for_each(|at| *at = place[*at as usize]);
    count
}

/// Finds repetition. From the end of the last loop on, it takes the period that covers most instructions, and of equal
/// ones the shortest. Loops begin and end at multiples of `unit`.
fn roll(instructions: &[Instruction], unit: usize) -> Vec<Stretch> {
    const LONGEST: usize = 512;
    let alike = next_alike(instructions);
    let mut stretches = Vec::new();
    let (mut at, mut straight) = (0, 0);
    let once = |start: usize, end: usize| (start < end).then_some(Stretch { start, turn: end - start, times: 1 });
    while at < instructions.len() {
        let rest = &instructions[at..];
        let (mut p, mut times) = (1, 0);
        let periods = std::iter::successors(alike[at], |&next| alike[next]).map(|next| next - at);
        for longer in periods.take_while(|&p| p <= LONGEST.min(rest.len() / LEAST)) {
            // A multiple of a period that was already found covers nothing more.
            let known = times > 0 && longer.is_multiple_of(p);
            let more = if known || !longer.is_multiple_of(unit) { 0 } else { repetitions(rest, longer) };
            if more >= LEAST && more * longer > times * p {
                (p, times) = (longer, more);
            }
        }
        if times == 0 {
            at += unit;
            continue;
        }
        stretches.extend(once(straight, at));
        stretches.push(Stretch { start: at, turn: p, times });
        at += p * times;
        straight = at;
    }
    stretches.extend(once(straight, instructions.len()));
    stretches
}

/// Number of iterations that make a loop.
const LEAST: usize = 4;

/// For each instruction, the next one from which the same three kinds of instructions follow. Only there can what begins at
/// the first one begin again.
fn next_alike(instructions: &[Instruction]) -> Vec<Option<usize>> {
    let kind = |i: &Instruction| (std::mem::discriminant(&i.op), i.row, i.column);
    let mut alike = vec![None; instructions.len()];
    let mut seen: Map<_, usize> = Map::default();
    for (k, three) in instructions.windows(LEAST - 1).enumerate().rev() {
        alike[k] = seen.insert([kind(&three[0]), kind(&three[1]), kind(&three[2])], k);
    }
    alike
}

/// How often the first `p` instructions are repeated, advancing by the same step each time; 1 if not often enough.
fn repetitions(i: &[Instruction], p: usize) -> usize {
    let steady = |k: usize| {
        let (first, next) = (&i[k % p], &i[k % p + p]);
        (i[k].op, i[k].row) == (i[k - p].op, i[k - p].row)
            && i[k].column == i[k - p].column
            && step(&i[k - p], &i[k]) == step(first, next)
    };
    // Most candidates fail at one of the last of the minimum number of iterations.
    if ![2 * p, 3 * p, LEAST * p - 1].into_iter().all(steady) {
        return 1;
    }
    let same = (p..i.len()).take_while(|&k| steady(k)).count();
    1 + same / p
}

fn step(a: &Instruction, b: &Instruction) -> Positions {
    let mut step = [0; 4];
    for (j, step) in step.iter_mut().enumerate() {
        *step = b.at[j].wrapping_sub(a.at[j]);
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_repeat_is_left_as_it_is() {
        let add = |at: Positions| Instruction { op: ScalarOp::Add, row: 1, at, column: None, sums: false };
        let mul = |at: Positions| Instruction { op: ScalarOp::Mul, row: 1, at, column: None, sums: false };
        let odd = [add([0, 1, 0, 2]), mul([2, 1, 0, 3]), add([3, 0, 0, 4])];
        assert_eq!(roll(&odd, 1), [Stretch { start: 0, turn: 3, times: 1 }]);
        let even: Vec<Instruction> = (0..9).map(|k| add([k, 1, 0, k + 1])).collect();
        assert_eq!(roll(&even, 1), [Stretch { start: 0, turn: 1, times: 9 }]);
        // Iterations of two instructions are not cut in two.
        let late: Vec<Instruction> =
            std::iter::once(mul([0, 1, 0, 1])).chain((1..12).map(|k| add([k, 1, 0, k + 1]))).collect();
        let whole = [Stretch { start: 0, turn: 2, times: 1 }, Stretch { start: 2, turn: 2, times: 5 }];
        assert_eq!(roll(&late, 2), whole);
    }
}
