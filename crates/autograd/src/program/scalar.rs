//! A cluster of single numbers: a loop over instructions and a flat array of values, with nothing allocated, counted or looked
//! up on the way.
//!
//! A long computation is mostly the same few lines again and again, and so is its derivative. Where the instructions repeat,
//! each operand a fixed step further on, they are rolled up into a loop: what is left to fetch from memory is the values
//! alone, and of those, the dead give their places to the living.

use super::fuse::Cluster;
use super::graph::{Act, Graph};
use crate::float::{Exact, Float, Real};
use crate::kernel::simd::simd;
use crate::op::{Binary, Unary};
use crate::tensor::Tensor;
use std::collections::HashMap;

/// What an instruction computes of the values it names: the commonest functions by name, the others by their row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Add,
    Sub,
    Mul,
    Div,
    /// a · b + c, rounded twice.
    MulAdd,
    Neg,
    Sin,
    Cos,
    Exp,
    Where,
    Unary(Unary),
    Binary(Binary),
}

/// Three operands and the result, by their places among the values.
type Places = [u32; 4];
const RESULT: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Instruction {
    function: Function,
    at: Places,
}

/// Instructions that run so many times, in each turn a step further on.
#[derive(Debug)]
struct Loop {
    body: Vec<(Instruction, Places)>,
    times: usize,
}

/// The program. Its values are the operands, the constants, and whatever is computed.
#[derive(Debug)]
pub(super) struct Scalars<T: Float> {
    operands: usize,
    values: Vec<T>,
    loops: Vec<Loop>,
    /// Where the results are among the values.
    results: Vec<u32>,
}

impl<T: Float> Scalars<T> {
    pub(super) fn new(g: &Graph<T>, cluster: &Cluster, operands: &[u32], results: &[u32]) -> Self {
        let mut values = vec![T::zero(); operands.len()];
        let mut names: HashMap<u32, u32> = operands.iter().enumerate().map(|(k, &id)| (id, k as u32)).collect();
        for input in cluster.maps.iter().flat_map(|&id| &g.nodes[id as usize].inputs) {
            if let (Some(x), false) = (g.uniform(*input), names.contains_key(input)) {
                names.insert(*input, values.len() as u32);
                values.push(x);
            }
        }
        let sources = values.len() as u32;
        cluster.maps.iter().enumerate().for_each(|(k, &id)| _ = names.insert(id, sources + k as u32));
        let instruction = |&id: &u32| {
            let node = &g.nodes[id as usize];
            let mut at = [0; 4];
            at.iter_mut().zip(&node.inputs).for_each(|(at, input)| *at = names[input]);
            at[RESULT] = names[&id];
            Instruction { function: Function::of(&node.act), at }
        };
        let mut instructions: Vec<Instruction> = cluster.maps.iter().map(instruction).collect();
        let mut results: Vec<u32> = results.iter().map(|id| names[id]).collect();
        join_products(&mut instructions, &results, sources);
        let count = reuse_places(&mut instructions, &mut results, sources);
        values.resize(count as usize, T::zero());
        Scalars { operands: operands.len(), values, loops: roll(&instructions), results }
    }

    /// Reads the operands, and gives the results in the order of their number.
    pub(super) fn run<'t>(&mut self, operands: impl Iterator<Item = &'t Tensor<T>>) -> impl Iterator<Item = T> + '_ {
        for (value, operand) in self.values[..self.operands].iter_mut().zip(operands) {
            let (data, start) = operand.raw();
            *value = data[start];
        }
        for Loop { body, times } in &mut self.loops {
            compute(body, *times, &mut self.values);
        }
        self.results.iter().map(|&at| self.values[at as usize])
    }

    /// How many instructions are written down, and how many are run.
    pub(super) fn len(&self) -> [usize; 2] {
        let written = self.loops.iter().map(|l| l.body.len()).sum();
        [written, self.loops.iter().map(|l| l.body.len() * l.times).sum()]
    }
}

impl Function {
    fn of(act: &Act) -> Function {
        match *act {
            Act::Unary(Unary::Neg) => Function::Neg,
            Act::Unary(Unary::Sin) => Function::Sin,
            Act::Unary(Unary::Cos) => Function::Cos,
            Act::Unary(Unary::Exp) => Function::Exp,
            Act::Unary(u) => Function::Unary(u),
            Act::Binary(Binary::Add) => Function::Add,
            Act::Binary(Binary::Sub) => Function::Sub,
            Act::Binary(Binary::Mul) => Function::Mul,
            Act::Binary(Binary::Div) => Function::Div,
            Act::Binary(b) => Function::Binary(b),
            _ => Function::Where,
        }
    }

    fn arity(self) -> usize {
        match self {
            Function::MulAdd | Function::Where => 3,
            Function::Add | Function::Sub | Function::Mul | Function::Div | Function::Binary(_) => 2,
            _ => 1,
        }
    }
}

/// A product that is read once, by a sum, becomes one instruction with it. Results of instructions are numbered from
/// `sources` on, in order.
fn join_products(instructions: &mut Vec<Instruction>, results: &[u32], sources: u32) {
    let mut reads = vec![0u32; instructions.len()];
    let mut count = |at: u32| at.checked_sub(sources).map(|k| reads[k as usize] += 1);
    for i in instructions.iter() {
        i.at[..i.function.arity()].iter().for_each(|&at| _ = count(at));
    }
    results.iter().for_each(|&at| _ = (count(at), count(at)));
    let mut joined = vec![false; instructions.len()];
    for k in 0..instructions.len() {
        let Instruction { function: Function::Add, at: [a, b, _, to] } = instructions[k] else { continue };
        for (product, other) in [(a, b), (b, a)] {
            let Some(p) = product.checked_sub(sources).map(|p| p as usize) else { continue };
            if instructions[p].function == Function::Mul && reads[p] == 1 && !joined[p] {
                let [x, y, ..] = instructions[p].at;
                instructions[k] = Instruction { function: Function::MulAdd, at: [x, y, other, to] };
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

/// Numbers values so that a dead one's place is taken by the next; says how many places there are. Sources keep theirs.
fn reuse_places(instructions: &mut [Instruction], results: &mut [u32], sources: u32) -> u32 {
    let end = instructions.last().map_or(sources, |i| i.at[RESULT] + 1);
    let mut last = vec![usize::MAX; end as usize];
    for (k, i) in instructions.iter().enumerate() {
        i.at[..i.function.arity()].iter().for_each(|&at| last[at as usize] = k);
    }
    results.iter().for_each(|&at| last[at as usize] = usize::MAX);
    let mut place: Vec<u32> = (0..end).collect();
    let (mut free, mut count) = (Vec::new(), sources);
    for (k, i) in instructions.iter_mut().enumerate() {
        let arity = i.function.arity();
        for j in 0..arity {
            let name = i.at[j];
            let again = i.at[..j].contains(&name);
            if name >= sources && last[name as usize] == k && !again {
                free.push(place[name as usize]);
            }
        }
        // Only now: the operands' names are needed above to see which are the same.
        let name = i.at[RESULT];
        i.at[..arity].iter_mut().for_each(|at| *at = place[*at as usize]);
        i.at[arity..RESULT].fill(0);
        place[name as usize] = free.pop().unwrap_or_else(|| {
            count += 1;
            count - 1
        });
        i.at[RESULT] = place[name as usize];
    }
    results.iter_mut().for_each(|at| *at = place[*at as usize]);
    count
}

/// Finds what repeats. A period is tried where the last loop ended, the shortest first.
fn roll(instructions: &[Instruction]) -> Vec<Loop> {
    const LONGEST: usize = 128;
    const LEAST: usize = 4;
    let mut loops: Vec<Loop> = Vec::new();
    let (mut at, mut straight) = (0, 0);
    let single = |i: &Instruction| (*i, [0; 4]);
    while at < instructions.len() {
        let rest = &instructions[at..];
        let found = (1..=LONGEST.min(rest.len() / LEAST)).find_map(|p| {
            let times = repetitions(rest, p);
            (times >= LEAST).then_some((p, times))
        });
        let Some((p, times)) = found else {
            at += 1;
            continue;
        };
        if straight < at {
            loops.push(Loop { body: instructions[straight..at].iter().map(single).collect(), times: 1 });
        }
        let body = (0..p).map(|j| (rest[j], step(&rest[j], &rest[j + p]))).collect();
        loops.push(Loop { body, times });
        at += p * times;
        straight = at;
    }
    if straight < at {
        loops.push(Loop { body: instructions[straight..].iter().map(single).collect(), times: 1 });
    }
    loops
}

/// How often the first `p` instructions are repeated, each time the same step further on.
fn repetitions(i: &[Instruction], p: usize) -> usize {
    let steady = |k: usize| {
        let (first, next) = (&i[k % p], &i[k % p + p]);
        i[k].function == i[k - p].function && step(&i[k - p], &i[k]) == step(first, next)
    };
    let same = (p..i.len()).take_while(|&k| steady(k)).count();
    1 + same / p
}

fn step(a: &Instruction, b: &Instruction) -> Places {
    std::array::from_fn(|j| b.at[j].wrapping_sub(a.at[j]))
}

simd! {
    /// Runs a loop.
    fn compute<T: Float>(lines: &[(Instruction, Places)], times: usize, values: &mut [T]) {
        for turn in 0..times as u32 {
            for (i, step) in lines {
                let at = |j: usize| i.at[j].wrapping_add(step[j].wrapping_mul(turn)) as usize;
                let [a, b, c, to] = [at(0), at(1), at(2), at(3)];
                values[to] = match i.function {
                    Function::Add => Real::add(values[a], values[b]),
                    Function::Sub => Real::sub(values[a], values[b]),
                    Function::Mul => Real::mul(values[a], values[b]),
                    Function::Div => Real::div(values[a], values[b]),
                    Function::MulAdd => Real::add(Real::mul(values[a], values[b]), values[c]),
                    Function::Neg => Real::neg(values[a]),
                    Function::Sin if is_near(values[a]) => Real::sin(values[a]),
                    Function::Cos if is_near(values[a]) => Real::cos(values[a]),
                    Function::Exp => Real::exp(values[a]),
                    Function::Where => Real::select(values[a], values[b], values[c]),
                    Function::Sin => unary(Unary::Sin, values[a]),
                    Function::Cos => unary(Unary::Cos, values[a]),
                    Function::Unary(u) => unary(u, values[a]),
                    Function::Binary(f) => binary(f, values[a], values[b]),
                };
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::fuse::clusters;
    use crate::{Tape, Tensor};

    fn scalars(length: usize) -> Scalars<f64> {
        let tape = Tape::<f64>::new();
        let (x0, a, b) = (tape.var(1.5), tape.var(1.85), tape.var(-0.55));
        let x = (0..length).fold(x0, |x, _| x.sin() * a + b);
        let ids = [x0.id, a.id, b.id];
        let outputs: Vec<u32> = x.grad(&[x0, a, b]).iter().map(|g| g.id).collect();
        let g = Graph::slice(&tape, &ids, &outputs, &[]).unwrap();
        let cluster = &clusters(&g).0[0];
        Scalars::new(&g, cluster, &g.inputs, &g.outputs)
    }

    #[test]
    fn a_chain_rolls_up_into_two_loops_and_gives_what_it_gave_unrolled() {
        for length in [2, 3, 4, 7, 100, 1001] {
            let mut rolled = scalars(length);
            let [written, run] = rolled.len();
            assert!(run >= 5 * length, "{length}: {run}");
            if length >= 100 {
                assert!(written < 60, "{length}: {written} instructions are written down");
                assert!(rolled.values.len() < 2 * length + 20, "dead values give up their places");
            }
            let at = [1.5, 1.85, -0.55].map(Tensor::scalar);
            let got: Vec<f64> = rolled.run(at.iter()).collect();
            let again: Vec<f64> = rolled.run(at.iter()).collect();
            let tape = Tape::<f64>::new();
            let [x0, a, b] = [1.5, 1.85, -0.55].map(|x| tape.var(x));
            let x = (0..length).fold(x0, |x, _| x.sin() * a + b);
            let expected: Vec<f64> = x.grad(&[x0, a, b]).iter().map(|g| g.item()).collect();
            assert_eq!((&got, &again), (&expected, &expected), "{length}");
        }
    }

    #[test]
    fn what_does_not_repeat_is_left_as_it_is() {
        let add = |at: Places| Instruction { function: Function::Add, at };
        let mul = |at: Places| Instruction { function: Function::Mul, at };
        let odd = [add([0, 1, 0, 2]), mul([2, 1, 0, 3]), add([3, 0, 0, 4])];
        let loops = roll(&odd);
        assert_eq!((loops.len(), loops[0].body.len(), loops[0].times), (1, 3, 1));
        let even: Vec<Instruction> = (0..9).map(|k| add([k, 1, 0, k + 1])).collect();
        let loops = roll(&even);
        assert_eq!((loops.len(), loops[0].body.len(), loops[0].times), (1, 1, 9));
    }
}
