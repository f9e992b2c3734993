//! Compiles the nodes of a cluster to the instructions of its [`Fused`] loop: assigns an address to each value, and
//! computes two sums, differences or products in one instruction where only the second reads the first.

use super::{
    Address, Around, BlockInstruction, BlockOp, Chain, Feed, First, Folded, Fused, LARGEST, Part, Ports, Read,
    Repeated, Then,
};
use crate::kernel::reduce;
use crate::op::{Binary, Unary};
use crate::program::fuse::{Body, fold_sizes, is_placed};
use crate::program::graph::{Def, Graph};
use crate::program::hash::{Map, Set};
use crate::tape::Inputs;
use smallvec::smallvec;

/// Maximum size in bytes of one thread's registers.
const SCRATCH: usize = 24 * 1024;

/// Turns the nodes of a cluster into instructions, and allocates registers.
pub(super) struct Emitter<'a> {
    g: &'a Graph,
    body: &'a Body,
    ports: &'a Ports<'a>,
    repeated: &'a mut Repeated,
    /// Size of a number in bytes.
    width: usize,
    /// Where each value is stored, once it is available.
    addresses: Map<u32, Address>,
    /// The last node that reads each value.
    last: Map<u32, u32>,
    /// Values that are computed together with the only node that reads them.
    joined: Set<u32>,
    registers: Registers,
    reads: Vec<Read>,
    parted: Vec<u16>,
    instructions: Vec<BlockInstruction>,
}

/// Registers; later values reuse those of dead ones.
#[derive(Default)]
struct Registers {
    free: Vec<u16>,
    count: u16,
}

impl Registers {
    fn take(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }

    fn give(&mut self, register: u16) {
        if !self.free.contains(&register) {
            self.free.push(register);
        }
    }
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        g: &'a Graph,
        body: &'a Body,
        ports: &'a Ports<'a>,
        repeated: &'a mut Repeated,
        width: usize,
    ) -> Self {
        let joined = joined(g, body, ports);
        let mut last = Map::default();
        for &id in body.nodes.iter().filter(|id| !joined.contains(id)) {
            for input in lowered(g, id, &joined).1 {
                last.insert(input, id);
            }
        }
        Emitter {
            g,
            body,
            ports,
            repeated,
            width,
            addresses: Map::default(),
            last,
            joined,
            registers: Registers::default(),
            reads: Vec::new(),
            parted: Vec::new(),
            instructions: Vec::new(),
        }
    }

    pub(super) fn emit(mut self) -> Fused {
        let body = self.body;
        self.place_operands();
        let feed = self.feed();
        let (folds, passing) = self.place_folds();
        let mut copies = Vec::new();
        for &id in &body.nodes {
            if !self.joined.contains(&id) {
                copies.extend(self.instruction(id));
            }
        }
        self.instructions.extend(copies);
        let shape = self.g.shape(body.nodes[0]).clone();
        let len: usize = shape.iter().product();
        let block = SCRATCH / self.width / usize::from(self.registers.count).max(6) / 64 * 64;
        let block = block.clamp(256, LARGEST).min(len.next_multiple_of(64));
        // A block and the distance between the windows must fit in one block of the feed.
        let block = match &feed {
            Some(feed) => block.min(feed.fused.block - feed.apart.next_multiple_of(64)).max(64),
            None => block,
        };
        let unit = folds.first().map_or(0, unit_of);
        let task = task(&self.instructions, len, block).next_multiple_of(unit.max(1));
        Fused {
            shape,
            instructions: self.instructions,
            cuts: cuts(&self.reads, len),
            reads: self.reads,
            parted: self.parted,
            registers: self.registers.count.into(),
            block,
            whole: self.ports.whole.len(),
            folds,
            passing,
            unit,
            task,
            feed: feed.map(Box::new),
            #[cfg(all(feature = "jit", target_arch = "x86_64"))]
            compiled: std::sync::OnceLock::new(),
        }
    }

    /// The program that feeds this one; its values are read from their windows.
    fn feed(&mut self) -> Option<Feed> {
        let (g, nodes) = (self.g, &self.body.feed);
        if nodes.is_empty() {
            return None;
        }
        let mut pads: Vec<(u32, Part)> = Vec::new();
        for &node in &self.body.nodes {
            for &id in g.inputs(node) {
                if let Some(&[part]) = self.ports.fusion.parts(id)
                    && nodes.binary_search(&part.input).is_ok()
                    && !pads.iter().any(|pad| pad.0 == id)
                {
                    pads.push((id, part));
                }
            }
        }
        let mut values: Vec<u32> = pads.iter().map(|pad| pad.1.input).collect();
        values.sort_unstable();
        values.dedup();
        let (mut least, mut last) = (usize::MAX, 0);
        for (_, part) in &pads {
            (least, last) = (least.min(part.start), last.max(part.start));
        }
        let mut reads = Vec::new();
        for (k, (id, Part { input, start, .. })) in pads.iter().enumerate() {
            self.addresses.insert(*id, Address::Fed(k as u16));
            let value = values.binary_search(input).expect("just collected");
            reads.push((value as u16, (last - start) as u16));
        }
        let in_place = vec![None; values.len()];
        let ports =
            Ports { operands: self.ports.feeding, feeding: &[], whole: &values, in_place: &in_place, ..*self.ports };
        let body = Body { nodes: nodes.clone(), ..Body::default() };
        let fused = Fused::new(g, &body, &ports, self.repeated, self.width);
        Some(Feed { fused, last, apart: last - least, reads })
    }

    fn place_operands(&mut self) {
        let (g, ports) = (self.g, self.ports);
        for &id in ports.operands {
            if let Some(parts) = ports.fusion.parts(id) {
                let address = self.place_parts(id, parts);
                self.addresses.insert(id, address);
                continue;
            }
            let replaced = ports.in_place.iter().position(|&old| old == Some(id));
            let (address, read) = if let Some(out) = replaced {
                (Address::Out(out as u16), Read::Old)
            } else if g.same_shape(id, self.body.nodes[0]) && ports.layouts.is_contiguous(g, id) {
                (Address::Operand(self.reads.len() as u16), Read::Direct(0))
            } else if g.is_number(id) {
                let register = self.registers.take();
                (Address::Splat(register), Read::Splat(register))
            } else {
                let register = self.registers.take();
                (Address::Register(register), Read::Gathered(register))
            };
            self.addresses.insert(id, address);
            self.reads.push(read);
        }
    }

    /// Where the value with the given parts is read: a single part in place, otherwise a register that the parts are
    /// copied to.
    fn place_parts(&mut self, id: u32, parts: &[Part]) -> Address {
        let (g, next) = (self.g, self.reads.len() as u16);
        if let &[Part { input, from, len, .. }] = parts
            && len == g.size(id)
            && self.ports.layouts.is_contiguous(g, input)
        {
            self.reads.push(Read::Direct(from));
            return Address::Operand(next);
        }
        let number = self.parted.len() as u16;
        self.parted.push(self.registers.take());
        let around = if is_placed(g, id) { Around::Zeros } else { Around::Others };
        parts.iter().for_each(|part| self.reads.push(Read::Part(number, *part, around)));
        Address::Parted(number)
    }

    /// The folds with the results of their values, and the number of values that are computed only for folding.
    fn place_folds(&mut self) -> (Vec<Folded>, usize) {
        let whole = self.ports.whole;
        let mut passing: Vec<u32> = Vec::new();
        let mut folds = Vec::new();
        for &fold in &self.body.sums {
            let (value, sizes) = fold_sizes(self.g, fold).expect("a sum over adjacent axes");
            let result = whole.iter().position(|&id| id == value).unwrap_or_else(|| {
                let known = passing.iter().position(|&id| id == value);
                whole.len()
                    + known.unwrap_or_else(|| {
                        passing.push(value);
                        passing.len() - 1
                    })
            });
            folds.push(Folded { value: result as u16, sizes });
        }
        for (k, &id) in passing.iter().enumerate() {
            self.addresses.insert(id, Address::Out((whole.len() + k) as u16));
        }
        (folds, passing.len())
    }

    /// Emits the instruction of a node. Returns another one if its value must be copied to its result in the end.
    fn instruction(&mut self, id: u32) -> Option<BlockInstruction> {
        let (op, inputs) = lowered(self.g, id, &self.joined);
        // With fewer than three operands, the first one fills the unused positions.
        let mut from = [self.source(inputs[0]); 3];
        for k in 1..inputs.len() {
            from[k] = self.source(inputs[k]);
        }
        let whole = self.ports.whole.iter().position(|&out| out == id);
        let to = match (whole, self.addresses.get(&id)) {
            (Some(out), _) if self.is_free(out, id, op, &from) => Address::Out(out as u16),
            (None, Some(&address)) => address,
            _ => Address::Register(self.registers.take()),
        };
        self.addresses.insert(id, to);
        self.instructions.push(BlockInstruction { op, from, to });
        for &input in &inputs {
            let dead = self.last.get(&input) == Some(&id) && self.body.nodes.binary_search(&input).is_ok();
            if let (true, Some(&Address::Register(register))) = (dead, self.addresses.get(&input))
                && !self.ports.whole.contains(&input)
            {
                self.registers.give(register);
            }
        }
        match (whole, to) {
            (Some(out), Address::Register(_)) => {
                Some(BlockInstruction { op: BlockOp::Copy, from: [to; 3], to: Address::Out(out as u16) })
            }
            _ => None,
        }
    }

    /// Whether the memory of a result can be overwritten: no later node reads its previous contents, and this node does
    /// not read them either or can write over them.
    fn is_free(&self, out: usize, by: u32, op: BlockOp, from: &[Address; 3]) -> bool {
        let Some(&last) = self.ports.in_place[out].and_then(|old| self.last.get(&old)) else { return true };
        let reads = from.iter().filter(|&&address| address == Address::Out(out as u16)).count();
        last < by || last == by && reads == 1 && op.writes_over()
    }

    fn source(&mut self, id: u32) -> Address {
        match self.addresses.get(&id) {
            Some(&address) => address,
            None => {
                let x = self.g.uniform(id).expect("a value that is no operand is a uniform constant");
                Address::Const(self.repeated.of(x))
            }
        }
    }
}

/// The op of a node and the nodes it reads: those of the value joined to it, then the other one.
fn lowered(g: &Graph, id: u32, joined: &Set<u32>) -> (BlockOp, Inputs) {
    let node = g.node(id);
    let inner = node.inputs.iter().position(|i| joined.contains(i));
    let start = inner.map_or(id, |at| node.inputs[at]);
    let Some((first, mut inputs)) = first(g, start) else { return (BlockOp::of(&node.def), node.inputs.clone()) };
    let then = inner.map_or(Then::End, |at| then(g, id, at).expect("a value is joined to what can follow it"));
    let chain = Chain { first, then };
    if let (Some(at), 3) = (inner, chain.arity()) {
        inputs.push(node.inputs[1 - at]);
    }
    (BlockOp::Chain(chain), inputs)
}

/// A node as the first of a chain, with its operands; if one is a number, it comes second.
fn first(g: &Graph, id: u32) -> Option<(First, Inputs)> {
    let is_number = |id: u32| g.is_number(id) || g.uniform(id).is_some();
    match (&g.node(id).def, g.inputs(id)) {
        (Def::Unary(Unary::Square), &[x]) => Some((First::Mul, smallvec![x, x])),
        (Def::Binary(Binary::Add), &[a, b]) if is_number(a) => Some((First::Add, smallvec![b, a])),
        (Def::Binary(Binary::Mul), &[a, b]) if is_number(a) => Some((First::Mul, smallvec![b, a])),
        (Def::Binary(Binary::Add), inputs) => Some((First::Add, inputs.into())),
        (Def::Binary(Binary::Mul), inputs) => Some((First::Mul, inputs.into())),
        (Def::Binary(Binary::Sub), inputs) if !is_number(inputs[0]) => Some((First::Sub, inputs.into())),
        _ => None,
    }
}

/// A node as the second of a chain, after its operand `at`.
fn then(g: &Graph, id: u32, at: usize) -> Option<Then> {
    match (&g.node(id).def, g.inputs(id)) {
        (Def::Unary(Unary::Square), _) => Some(Then::Square),
        (Def::Binary(Binary::Mul), &[a, b]) if a == b => Some(Then::Square),
        (Def::Binary(_), &[a, b]) if a == b => None,
        (Def::Binary(Binary::Mul), _) => Some(Then::Mul),
        (Def::Binary(Binary::Add), _) => Some(Then::Add),
        (Def::Binary(Binary::Sub), _) => Some(if at == 0 { Then::Sub } else { Then::From }),
        _ => None,
    }
}

/// The values that are computed together with the only node that reads them. A chain has two nodes; products are joined to
/// sums before others are joined, since such a chain can be computed in place.
fn joined(g: &Graph, body: &Body, ports: &Ports) -> Set<u32> {
    let mut readers: Map<u32, u32> = Map::default();
    for &id in &body.nodes {
        let inputs = g.inputs(id);
        for (k, &input) in inputs.iter().enumerate() {
            *readers.entry(input).or_default() += u32::from(!inputs[..k].contains(&input));
        }
    }
    let stored = |id: u32| ports.whole.contains(&id) || body.sums.iter().any(|&fold| g.inputs(fold)[0] == id);
    let alone = |id: u32| body.nodes.binary_search(&id).is_ok() && readers[&id] == 1 && !stored(id);
    let (mut joined, mut longer) = (Set::default(), Set::default());
    for only_products in [true, false] {
        for &id in &body.nodes {
            if joined.contains(&id) || longer.contains(&id) {
                continue;
            }
            let starts = |&(at, &input): &(usize, &u32)| {
                let fits = match (first(g, input), then(g, id, at)) {
                    (Some((First::Mul, _)), Some(Then::Add | Then::Sub | Then::From)) => true,
                    (Some(_), Some(_)) => !only_products,
                    _ => false,
                };
                fits && alone(input) && !longer.contains(&input) && !joined.contains(&input)
            };
            if let Some((_, &start)) = g.inputs(id).iter().enumerate().find(starts) {
                joined.insert(start);
                longer.insert(id);
            }
        }
    }
    joined
}

/// Additional starts of blocks of values that are read in parts: shortly before and after the positions where parts meet, so
/// that only short blocks are copied. None if the parts are short.
fn cuts(reads: &[Read], len: usize) -> Vec<usize> {
    /// Blocks have a multiple of this number of elements.
    const UNIT: usize = 64;
    let mut cuts = Vec::new();
    for read in reads {
        let Read::Part(_, part, _) = read else { continue };
        for end in [part.start, part.start + part.len] {
            for cut in [end / UNIT * UNIT, end.next_multiple_of(UNIT)] {
                if end < len && 0 < cut && cut < len && !cuts.contains(&cut) {
                    cuts.push(cut);
                }
            }
        }
    }
    if cuts.len() * 4 * UNIT > len { Vec::new() } else { cuts }
}

/// Number of elements per task, of `len` in all: whole blocks, so many that forking pays off, and no more tasks than keep
/// all threads busy to the end.
fn task(instructions: &[BlockInstruction], len: usize, block: usize) -> usize {
    /// The minimum number of elements if each costs one addition or multiplication, and the minimum at any cost.
    const LIGHT: usize = 16 * 1024;
    const LEAST: usize = 1024;
    const MANY: usize = 64;
    // A unary function counts as four.
    let worth = |i: &BlockInstruction| if let BlockOp::Unary(_) = i.op { 4 } else { 1 };
    let weight = instructions.iter().map(worth).sum::<usize>().max(1);
    (LIGHT / weight).max(LEAST).max(len / MANY).next_multiple_of(block.max(1))
}

/// Number of elements folded at a time.
fn unit_of(fold: &Folded) -> usize {
    reduce::unit(fold.sizes).expect("only sums that fold in units join a cluster") * fold.sizes[2]
}
