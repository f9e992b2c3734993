//! A cluster of elementwise nodes as a small program of its own. It runs over blocks of the arrays, short enough that what
//! lies between two instructions stays in the first-level cache: memory is read and written once for the whole cluster.
//! Each instruction is the loop of its row of the table, so that the bits are those of the ops one by one.

use super::fuse::{Cluster, Padded, fold_sizes, padded};
use super::graph::{Act, Graph};
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::kernel::gemm::{PartsOf, with_workspace};
use crate::kernel::simd::simd;
use crate::kernel::{reduce, threads};
use crate::op::elementwise::binary_map;
use crate::op::eval::{select_block, unary_block};
use crate::op::{Binary, Unary};
use crate::tensor::{Shape, Tensor};
use smallvec::{SmallVec, smallvec};
use std::collections::{HashMap, HashSet};

/// Bytes that the registers of one thread may take.
const SCRATCH: usize = 24 * 1024;
/// Elements that a thread takes at least at a time.
const TASK: usize = 16 * 1024;

/// Where a block of numbers stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// In an operand, as it lies there.
    Operand(u16),
    /// One number, repeated.
    Const(u16),
    /// In the thread's scratch memory.
    Register(u16),
    /// In a result, where it will stay.
    Out(u16),
}

/// What an instruction does to blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Unary(Unary),
    Binary(Binary),
    /// a · b + c, a · b - c, c - a · b: two roundings each, as the two ops had.
    MulAdd,
    MulSub,
    SubMul,
    Where,
    Copy,
}

#[derive(Clone, Copy, Debug)]
struct Instruction {
    function: Function,
    from: [Place; 3],
    to: Place,
}

/// How an operand gets to a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    /// It is read where it lies.
    Direct,
    /// A single number fills the register once.
    Splat(u16),
    /// Its elements are gathered into the register, block by block.
    Gathered(u16),
    /// Its elements are gathered likewise, with zeros before and after them.
    Padded(u16, Padded),
    /// It lies where a result will be.
    Old,
}

/// A sum that is taken of each unit of a value while it is in the cache.
#[derive(Clone, Copy, Debug)]
struct Folded {
    /// The result that holds the value, or its number among the values that are kept for folding alone.
    value: Place,
    /// Sizes before, along and after the folded axes.
    sizes: [usize; 3],
}

/// The program.
#[derive(Debug)]
pub(super) struct Map<T: Float> {
    shape: Shape,
    instructions: Vec<Instruction>,
    /// A block of each constant.
    consts: Vec<T>,
    reads: SmallVec<[Read; 8]>,
    registers: usize,
    /// Elements of a block.
    block: usize,
    /// Results that are arrays of the cluster's shape.
    whole: usize,
    folds: SmallVec<[Folded; 2]>,
    /// Values that are computed for folding alone.
    passing: usize,
    /// Elements that are folded at a time; 0 without folds.
    unit: usize,
}

/// What a cluster reads and writes, by node.
pub(super) struct Ports<'a> {
    /// Values from outside, other than numbers that are the same in every run.
    pub(super) operands: &'a [u32],
    /// Values that outsiders read.
    pub(super) whole: &'a [u32],
    /// The operand whose place each of these takes.
    pub(super) in_place: &'a [Option<u32>],
    /// Operands that are zeros with something put into them, given by that.
    pub(super) padding: &'a HashSet<u32>,
    /// Whether an operand's elements stand in a row.
    pub(super) is_contiguous: &'a dyn Fn(u32) -> bool,
}

impl<T: Float> Map<T> {
    pub(super) fn new(g: &Graph<T>, cluster: &Cluster, ports: &Ports) -> Map<T> {
        Emitter::new(g, cluster, ports).emit()
    }

    /// Computes everything: `out` has the whole results, then the sums.
    pub(super) fn run(&self, operands: &[Operand<T>], out: &mut [&mut [T]]) {
        let len: usize = self.shape.iter().product();
        let unit = self.unit.max(1);
        let task = TASK.next_multiple_of(unit);
        let (whole, folded) = out.split_at_mut(self.whole);
        let mut partial: SmallVec<[Tensor<T>; 2]> = SmallVec::new();
        for fold in &self.folds {
            let [_, _, inner] = fold.sizes;
            partial.push(Tensor::build(&[len.div_ceil(unit) * inner], |_| ()));
        }
        {
            let mut all: SmallVec<[&mut [T]; 8]> = whole.iter_mut().map(|w| &mut **w).collect();
            let mut sizes: SmallVec<[usize; 8]> = smallvec![task; self.whole];
            for (fold, partial) in self.folds.iter().zip(&mut partial) {
                sizes.push(task / unit * fold.sizes[2]);
                all.push(partial.unique_mut().expect("just made"));
            }
            threads::for_each_chunks(&mut all, &sizes, &|i, chunks| {
                let at = i * task;
                self.task(at, task.min(len - at), operands, chunks);
            });
        }
        for ((fold, partial), out) in self.folds.iter().zip(&partial).zip(folded) {
            let [outer, _, inner] = fold.sizes;
            let parts = partial.len() / (outer * inner);
            let partial = partial.as_slice().expect("just made");
            match parts {
                1 => out.copy_from_slice(partial),
                _ => reduce::fold_middle::<reduce::Sum<T>>(partial, [outer, parts, inner], out),
            }
        }
    }

    /// Runs of the first result, which hold what a product has just put there, each with the same part of the other results.
    pub(super) fn finish(&self, runs: &mut PartsOf<'_, T>, operands: &[Operand<T>]) {
        self.with_registers(|registers| {
            for (at, mut out) in runs {
                self.span(at, out[0].len(), operands, &mut out, registers);
            }
        });
    }

    /// The part of everything that begins at an element and is one thread's.
    fn task(&self, at: usize, n: usize, operands: &[Operand<T>], chunks: &mut [&mut [T]]) {
        self.with_registers(|registers| {
            if self.folds.is_empty() {
                return self.span(at, n, operands, chunks, registers);
            }
            with_workspace(self.passing.max(1) * self.unit, |passing: &mut [T]| {
                for (k, first) in (0..n).step_by(self.unit).enumerate() {
                    let len = self.unit.min(n - first);
                    self.unit(at, first, len, k, operands, chunks, passing, registers);
                }
            });
        });
    }

    /// One unit of the folds.
    #[allow(clippy::too_many_arguments, reason = "a piece of a loop")]
    fn unit(
        &self,
        at: usize,
        first: usize,
        len: usize,
        k: usize,
        operands: &[Operand<T>],
        chunks: &mut [&mut [T]],
        passing: &mut [T],
        registers: &mut [&mut [T]],
    ) {
        let (whole, partial) = chunks.split_at_mut(self.whole);
        let mut out: SmallVec<[&mut [T]; 8]> = whole.iter_mut().map(|w| &mut w[first..first + len]).collect();
        out.extend(passing.chunks_mut(self.unit).take(self.passing).map(|p| &mut p[..len]));
        self.span(at + first, len, operands, &mut out, registers);
        for (fold, partial) in self.folds.iter().zip(partial) {
            let Place::Out(value) = fold.value else { unreachable!("a folded value is a result") };
            let inner = fold.sizes[2];
            reduce::fold_rows::<reduce::Sum<T>>(
                out[value as usize],
                inner,
                len / inner,
                &mut partial[k * inner..][..inner],
            );
        }
    }

    fn with_registers(&self, f: impl FnOnce(&mut [&mut [T]])) {
        with_workspace(self.registers.max(1) * self.block, |scratch: &mut [T]| {
            let mut registers: SmallVec<[&mut [T]; 16]> = scratch.chunks_mut(self.block).collect();
            f(&mut registers);
        });
    }

    /// Results of `n` elements from element `at` on, block by block.
    fn span(&self, at: usize, n: usize, operands: &[Operand<T>], out: &mut [&mut [T]], registers: &mut [&mut [T]]) {
        for (read, operand) in self.reads.iter().zip(operands) {
            if let (Read::Splat(r), Operand::Number(x)) = (read, operand) {
                registers[*r as usize][..n.min(self.block)].fill(*x);
            }
        }
        for first in (0..n).step_by(self.block) {
            let len = self.block.min(n - first);
            for (read, operand) in self.reads.iter().zip(operands) {
                match (read, operand) {
                    (Read::Gathered(r), Operand::Strided(s)) => s.read(at + first, &mut registers[*r as usize][..len]),
                    (Read::Padded(r, padded), Operand::Strided(s)) => {
                        read_padded(s, *padded, at + first, &mut registers[*r as usize][..len]);
                    }
                    _ => (),
                }
            }
            let mut here = Block { map: self, at: at + first, first, len, operands, out, registers };
            self.instructions.iter().for_each(|i| here.execute(i));
        }
    }

    /// What the instructions do, in order, for people.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.instructions.iter().filter_map(|i| match i.function {
            Function::Unary(u) => Some(u.name()),
            Function::Binary(b) => Some(b.name()),
            Function::MulAdd => Some("mul+add"),
            Function::MulSub | Function::SubMul => Some("mul+sub"),
            Function::Where => Some("select"),
            Function::Copy => None,
        })
    }

    /// The operand of that number as the program reads it.
    pub(super) fn operand<'t>(&self, k: usize, tensor: &'t Tensor<T>) -> Operand<'t, T> {
        match self.reads[k] {
            Read::Old => Operand::Old,
            Read::Direct => Operand::Whole(tensor.as_slice().expect("planned to be contiguous")),
            Read::Splat(_) => Operand::Number(tensor.raw().0[tensor.raw().1]),
            Read::Gathered(_) => Operand::Strided(Strided::new(tensor, &self.shape)),
            Read::Padded(..) => Operand::Strided(Strided::new(tensor, tensor.shape())),
        }
    }
}

/// An operand at run time.
pub(super) enum Operand<'t, T: Float> {
    Whole(&'t [T]),
    Number(T),
    Strided(Strided<'t, T>),
    /// Already where a result will be.
    Old,
}

/// The elements from position `from` on of something put into zeros.
fn read_padded<T: Float>(inner: &Strided<T>, Padded { start, len, .. }: Padded, from: usize, out: &mut [T]) {
    let end = from + out.len();
    let inside = start.clamp(from, end)..(start + len).clamp(from, end);
    out[..inside.start - from].fill(T::zero());
    out[inside.end - from..].fill(T::zero());
    if !inside.is_empty() {
        inner.read(inside.start - start, &mut out[inside.start - from..inside.end - from]);
    }
}

/// One block, and all that instructions may touch.
struct Block<'b, 'o, 'r, T: Float> {
    map: &'b Map<T>,
    at: usize,
    first: usize,
    len: usize,
    operands: &'b [Operand<'b, T>],
    out: &'b mut [&'o mut [T]],
    registers: &'b mut [&'r mut [T]],
}

impl<T: Float> Block<'_, '_, '_, T> {
    fn read(&self, place: Place) -> &[T] {
        match place {
            Place::Operand(k) => match &self.operands[k as usize] {
                Operand::Whole(x) => &x[self.at..self.at + self.len],
                _ => unreachable!("only whole operands are read where they lie"),
            },
            Place::Const(k) => &self.map.consts[k as usize * self.map.block..][..self.len],
            Place::Register(k) => &self.registers[k as usize][..self.len],
            Place::Out(k) => &self.out[k as usize][self.first..self.first + self.len],
        }
    }

    fn execute(&mut self, i: &Instruction) {
        // What is written is taken out for the moment, so that everything else may be read.
        match i.to {
            Place::Register(k) => {
                let taken = std::mem::take(&mut self.registers[k as usize]);
                self.compute(i, &mut taken[..self.len]);
                self.registers[k as usize] = taken;
            }
            Place::Out(k) => {
                let taken = std::mem::take(&mut self.out[k as usize]);
                if let Some(at) = i.from.iter().position(|&from| from == i.to) {
                    self.compute_onto(i, at, &mut taken[self.first..self.first + self.len]);
                    self.out[k as usize] = taken;
                    return;
                }
                self.compute(i, &mut taken[self.first..self.first + self.len]);
                self.out[k as usize] = taken;
            }
            _ => unreachable!("operands are not written"),
        }
    }

    /// An instruction whose operand `at` lies where its result goes.
    fn compute_onto(&self, i: &Instruction, at: usize, to: &mut [T]) {
        let [a, b, c] = i.from;
        match (i.function, at) {
            (Function::MulAdd, 0) => mul_add_onto(to, self.read(b), self.read(c)),
            (Function::MulAdd, 1) => mul_add_onto(to, self.read(a), self.read(c)),
            (Function::SubMul, _) => sub_mul_onto(to, self.read(a), self.read(b)),
            _ => unreachable!("no other instruction is written over its operand"),
        }
    }

    fn compute(&self, i: &Instruction, to: &mut [T]) {
        let [a, b, c] = i.from;
        match i.function {
            Function::Unary(u) => unary_block(u, self.read(a), to),
            Function::Binary(f) => binary_map(f, self.read(a), self.read(b), to),
            Function::MulAdd => mul_add(self.read(a), self.read(b), self.read(c), to),
            Function::MulSub => mul_sub(self.read(a), self.read(b), self.read(c), to),
            Function::SubMul => sub_mul(self.read(a), self.read(b), self.read(c), to),
            Function::Where => select_block(self.read(a), self.read(b), self.read(c), to),
            Function::Copy => to.copy_from_slice(self.read(a)),
        }
    }
}

simd! {
    fn mul_add<T: Float>(a: &[T], b: &[T], c: &[T], out: &mut [T]) {
        for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *o = a * b + c;
        }
    }
}

simd! {
    fn mul_sub<T: Float>(a: &[T], b: &[T], c: &[T], out: &mut [T]) {
        for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *o = a * b - c;
        }
    }
}

simd! {
    fn sub_mul<T: Float>(a: &[T], b: &[T], c: &[T], out: &mut [T]) {
        for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *o = c - a * b;
        }
    }
}

simd! {
    fn mul_add_onto<T: Float>(to: &mut [T], b: &[T], c: &[T]) {
        for ((o, &b), &c) in to.iter_mut().zip(b).zip(c) {
            *o = *o * b + c;
        }
    }
}

simd! {
    fn sub_mul_onto<T: Float>(to: &mut [T], a: &[T], b: &[T]) {
        for ((o, &a), &b) in to.iter_mut().zip(a).zip(b) {
            *o -= a * b;
        }
    }
}

impl Function {
    /// Whether the operand in that place may lie where the result goes.
    fn writes_over(self, at: usize) -> bool {
        matches!((self, at), (Function::MulAdd, 0 | 1) | (Function::SubMul, 2))
    }
}

/// Turns the nodes of a cluster into instructions, and gives out registers.
struct Emitter<'a, T: Float> {
    g: &'a Graph<T>,
    cluster: &'a Cluster,
    ports: &'a Ports<'a>,
    /// Where each value is, once it is anywhere.
    places: HashMap<u32, Place>,
    /// The last node that reads each value.
    last: HashMap<u32, u32>,
    /// Products that are computed with the one sum that reads them.
    joined: HashSet<u32>,
    consts: Vec<T>,
    free: Vec<u16>,
    registers: u16,
    reads: SmallVec<[Read; 8]>,
    instructions: Vec<Instruction>,
}

impl<'a, T: Float> Emitter<'a, T> {
    fn new(g: &'a Graph<T>, cluster: &'a Cluster, ports: &'a Ports<'a>) -> Self {
        let joined = joined(g, cluster, ports);
        let mut last = HashMap::new();
        for &id in cluster.maps.iter().filter(|id| !joined.contains(id)) {
            let (_, from) = lowered(g, id, &joined);
            from.iter().for_each(|&i| _ = last.insert(i, id));
        }
        Emitter {
            g,
            cluster,
            ports,
            places: HashMap::new(),
            last,
            joined,
            consts: Vec::new(),
            free: Vec::new(),
            registers: 0,
            reads: SmallVec::new(),
            instructions: Vec::new(),
        }
    }

    fn emit(mut self) -> Map<T> {
        let shape = self.g.shape(self.cluster.maps[0]).clone();
        self.place_operands(&shape);
        let folds = self.place_folds();
        let passing = folds.iter().filter(|(_, alone)| *alone).count();
        let unit = folds.first().map_or(0, |(fold, _)| unit_of(fold));
        let mut copies = Vec::new();
        for &id in self.cluster.maps.iter().filter(|id| !self.joined.contains(id)).collect::<Vec<_>>() {
            self.instruction(id, &mut copies);
        }
        self.instructions.extend(copies);
        let block = SCRATCH / size_of::<T>() / usize::from(self.registers).max(6) / 64 * 64;
        let block = block.clamp(256, 2048).min(shape.iter().product::<usize>().next_multiple_of(64));
        Map {
            shape,
            consts: self.consts.iter().flat_map(|&c| std::iter::repeat_n(c, block)).collect(),
            instructions: self.instructions,
            reads: self.reads,
            registers: self.registers.into(),
            block,
            whole: self.ports.whole.len(),
            folds: folds.into_iter().map(|(fold, _)| fold).collect(),
            passing,
            unit,
        }
    }

    fn place_operands(&mut self, shape: &Shape) {
        for (k, &id) in self.ports.operands.iter().enumerate() {
            let replaced = self.ports.in_place.iter().position(|&old| old == Some(id));
            let read = match replaced {
                Some(out) => {
                    self.places.insert(id, Place::Out(out as u16));
                    Read::Old
                }
                None if self.ports.padding.contains(&id) => {
                    let register = self.register();
                    self.places.insert(id, Place::Register(register));
                    Read::Padded(register, padded(self.g, id).expect("it is padded"))
                }
                None if *self.g.shape(id) == *shape && (self.ports.is_contiguous)(id) => {
                    self.places.insert(id, Place::Operand(k as u16));
                    Read::Direct
                }
                None => {
                    let register = self.register();
                    self.places.insert(id, Place::Register(register));
                    let number = self.g.shape(id).iter().all(|&d| d == 1);
                    if number { Read::Splat(register) } else { Read::Gathered(register) }
                }
            };
            self.reads.push(read);
        }
    }

    /// Where the values are that are folded, and whether they are computed for that alone.
    fn place_folds(&mut self) -> Vec<(Folded, bool)> {
        let mut passing: Vec<u32> = Vec::new();
        let mut folds = Vec::new();
        for &fold in &self.cluster.folds {
            let (value, sizes) = fold_sizes(self.g, fold).expect("a sum over neighbouring axes");
            let whole = self.ports.whole.iter().position(|&id| id == value);
            let known = passing.iter().position(|&id| id == value);
            let alone = whole.is_none() && known.is_none();
            if alone {
                passing.push(value);
            }
            let place = whole.unwrap_or_else(|| self.ports.whole.len() + known.unwrap_or(passing.len() - 1));
            folds.push((Folded { value: Place::Out(place as u16), sizes }, alone));
        }
        passing.iter().enumerate().for_each(|(k, &id)| {
            self.places.insert(id, Place::Out((self.ports.whole.len() + k) as u16));
        });
        folds
    }

    fn instruction(&mut self, id: u32, copies: &mut Vec<Instruction>) {
        let (function, inputs) = lowered(self.g, id, &self.joined);
        let mut from = [Place::Register(0); 3];
        for (place, &input) in from.iter_mut().zip(&inputs) {
            *place = self.source(input);
        }
        let whole = self.ports.whole.iter().position(|&out| out == id);
        let to = match (whole, self.places.get(&id)) {
            (Some(out), _) if self.is_free(out, id, function, &from) => Place::Out(out as u16),
            (None, Some(&place)) => place,
            _ => Place::Register(self.register()),
        };
        if let (Some(out), Place::Register(_)) = (whole, to) {
            copies.push(Instruction { function: Function::Copy, from: [to; 3], to: Place::Out(out as u16) });
        }
        self.places.insert(id, to);
        self.instructions.push(Instruction { function, from, to });
        for &input in &inputs {
            let dead = self.last.get(&input) == Some(&id) && self.cluster.maps.binary_search(&input).is_ok();
            let kept = self.ports.whole.contains(&input);
            if let (true, false, Some(Place::Register(r))) = (dead, kept, self.places.get(&input))
                && !self.free.contains(r)
            {
                self.free.push(*r);
            }
        }
    }

    /// Whether what the place of a result held before is no longer read, by this node (unless it writes over it) or a later
    /// one.
    fn is_free(&self, out: usize, by: u32, function: Function, from: &[Place; 3]) -> bool {
        let Some(&last) = self.ports.in_place[out].and_then(|old| self.last.get(&old)) else { return true };
        let mut reads = (0..3).filter(|&at| from[at] == Place::Out(out as u16));
        let over = match (reads.next(), reads.next()) {
            (Some(at), None) => function.writes_over(at),
            _ => false,
        };
        last < by || last == by && over
    }

    fn source(&mut self, id: u32) -> Place {
        if let Some(&place) = self.places.get(&id) {
            return place;
        }
        let x = self.g.uniform(id).expect("what is no operand is one number");
        let known = self.consts.iter().position(|c| c.f64().to_bits() == x.f64().to_bits());
        let k = known.unwrap_or_else(|| {
            self.consts.push(x);
            self.consts.len() - 1
        });
        Place::Const(k as u16)
    }

    fn register(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.registers += 1;
            self.registers - 1
        })
    }
}

/// What a node does, and what it reads: a sum reads the operands of a product joined to it.
fn lowered<T: Float>(g: &Graph<T>, id: u32, joined: &HashSet<u32>) -> (Function, SmallVec<[u32; 3]>) {
    let node = &g.nodes[id as usize];
    let inputs = || node.inputs.iter().copied().collect();
    let function = match node.act {
        Act::Unary(u) => return (Function::Unary(u), inputs()),
        Act::Binary(Binary::Add) => Function::MulAdd,
        Act::Binary(Binary::Sub) if joined.contains(&node.inputs[0]) => Function::MulSub,
        Act::Binary(Binary::Sub) => Function::SubMul,
        Act::Binary(b) => return (Function::Binary(b), inputs()),
        _ => return (Function::Where, inputs()),
    };
    let product = |other: usize| {
        let [a, b] = [0, 1].map(|k| g.nodes[node.inputs[1 - other] as usize].inputs[k]);
        smallvec![a, b, node.inputs[other]]
    };
    match node.inputs.iter().position(|i| joined.contains(i)) {
        Some(at) => (function, product(1 - at)),
        None => (
            if function == Function::MulAdd { Function::Binary(Binary::Add) } else { Function::Binary(Binary::Sub) },
            inputs(),
        ),
    }
}

/// The products that one sum or difference alone reads, one each.
fn joined<T: Float>(g: &Graph<T>, cluster: &Cluster, ports: &Ports) -> HashSet<u32> {
    let mut readers: HashMap<u32, u32> = HashMap::new();
    for &id in &cluster.maps {
        g.nodes[id as usize].inputs.iter().for_each(|&i| *readers.entry(i).or_default() += 1);
    }
    let folded = |id: u32| cluster.folds.iter().any(|&fold| g.nodes[fold as usize].inputs[0] == id);
    let alone = |id: &u32| {
        let product = matches!(g.nodes[*id as usize].act, Act::Binary(Binary::Mul));
        let inside = cluster.maps.binary_search(id).is_ok() && !ports.whole.contains(id) && !folded(*id);
        product && inside && readers[id] == 1
    };
    let sums =
        cluster.maps.iter().filter(|&&id| matches!(g.nodes[id as usize].act, Act::Binary(Binary::Add | Binary::Sub)));
    sums.filter_map(|&id| g.nodes[id as usize].inputs.iter().copied().find(alone)).collect()
}

/// Elements that are folded at a time.
fn unit_of(fold: &Folded) -> usize {
    reduce::unit(fold.sizes).expect("only what folds in units joins a cluster") * fold.sizes[2]
}
