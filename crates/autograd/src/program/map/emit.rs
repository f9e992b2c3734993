//! Compiles the nodes of a cluster to the instructions of its [`Map`]: assigns a register or result to each value, and
//! combines products with the sum that reads them.

use super::{Constants, Feed, Folded, Function, Instruction, Map, Place, Ports, Read};
use crate::float::Float;
use crate::kernel::reduce;
use crate::op::Binary;
use crate::program::fuse::{Cluster, Padded, fold_sizes, padded};
use crate::program::graph::{Act, Graph};
use crate::tensor::Shape;
use smallvec::{SmallVec, smallvec};
use std::collections::{HashMap, HashSet};

/// Maximum size in bytes of one thread's registers.
const SCRATCH: usize = 24 * 1024;

/// Turns the nodes of a cluster into instructions, and allocates registers.
pub(super) struct Emitter<'a, T: Float> {
    g: &'a Graph<T>,
    cluster: &'a Cluster,
    ports: &'a Ports<'a>,
    /// Where each value is stored, once it is available.
    places: HashMap<u32, Place>,
    /// The last node that reads each value.
    last: HashMap<u32, u32>,
    /// Products that are computed together with the only sum that reads them.
    joined: HashSet<u32>,
    consts: Vec<T>,
    free: Vec<u16>,
    registers: u16,
    reads: SmallVec<[Read; 2]>,
    instructions: Vec<Instruction>,
}

impl<'a, T: Float> Emitter<'a, T> {
    pub(super) fn new(g: &'a Graph<T>, cluster: &'a Cluster, ports: &'a Ports<'a>) -> Self {
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

    pub(super) fn emit(mut self, constants: &mut Constants<T>) -> Map<T> {
        let shape = self.g.shape(self.cluster.maps[0]).clone();
        self.place_operands(&shape);
        let feed = self.feed(constants);
        let folds = self.place_folds();
        let passing = folds.iter().filter(|(_, alone)| *alone).count();
        let unit = folds.first().map_or(0, |(fold, _)| unit_of(fold));
        let mut copies = Vec::new();
        for &id in self.cluster.maps.iter().filter(|id| !self.joined.contains(id)).collect::<Vec<_>>() {
            self.instruction(id, &mut copies);
        }
        self.instructions.extend(copies);
        let block = SCRATCH / size_of::<T>() / usize::from(self.registers).max(6) / 64 * 64;
        let block = block.clamp(256, Constants::<T>::BLOCK).min(shape.iter().product::<usize>().next_multiple_of(64));
        // A block and the distance between the windows must fit in one block of the feed.
        let block = feed.as_ref().map_or(block, |f| block.min(f.map.block - f.apart.next_multiple_of(64)).max(64));
        Map {
            shape,
            consts: self.consts.iter().map(|&c| constants.block(c)).collect(),
            instructions: self.instructions,
            reads: self.reads,
            registers: self.registers.into(),
            block,
            whole: self.ports.whole.len(),
            folds: folds.into_iter().map(|(fold, _)| fold).collect(),
            passing,
            unit,
            feed: feed.map(Box::new),
        }
    }

    /// The program that feeds this one; its values are read from their windows.
    fn feed(&mut self, constants: &mut Constants<T>) -> Option<Feed<T>> {
        let cluster = self.cluster.feed.as_ref()?;
        let mut pads: Vec<(u32, Padded)> = Vec::new();
        for &id in self.cluster.maps.iter().flat_map(|&id| &self.g.nodes[id as usize].inputs) {
            let fed = |p: &Padded| cluster.maps.binary_search(&p.input).is_ok() && !pads.iter().any(|pad| pad.0 == id);
            pads.extend(padded(self.g, id).filter(fed).map(|padded| (id, padded)));
        }
        let mut values: Vec<u32> = pads.iter().map(|pad| pad.1.input).collect();
        values.sort_unstable();
        values.dedup();
        let starts = || pads.iter().map(|pad| pad.1.start);
        let (last, least) = (starts().max()?, starts().min()?);
        let mut reads = SmallVec::new();
        for (k, (id, Padded { input, start, .. })) in pads.iter().enumerate() {
            self.places.insert(*id, Place::Fed(k as u16));
            let value = values.binary_search(input).expect("just collected");
            reads.push((value as u16, (last - start) as u16));
        }
        let ports = Ports {
            operands: self.ports.feeding,
            feeding: &[],
            whole: &values,
            in_place: &vec![None; values.len()],
            ..*self.ports
        };
        Some(Feed { map: Map::new(self.g, cluster, &ports, constants), last, apart: last - least, reads })
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
                    let number = self.g.shape(id).iter().all(|&d| d == 1);
                    self.places.insert(id, if number { Place::Splat(register) } else { Place::Register(register) });
                    if number { Read::Splat(register) } else { Read::Gathered(register) }
                }
            };
            self.reads.push(read);
        }
    }

    /// The folds with the places of their values, and whether each value is computed only for folding.
    fn place_folds(&mut self) -> Vec<(Folded, bool)> {
        let mut passing: Vec<u32> = Vec::new();
        let mut folds = Vec::new();
        for &fold in &self.cluster.folds {
            let (value, sizes) = fold_sizes(self.g, fold).expect("a sum over adjacent axes");
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
        // With fewer than three operands, the first one fills the unused positions.
        let mut from: [Place; 3] = std::array::from_fn(|k| self.source(*inputs.get(k).unwrap_or(&inputs[0])));
        if function.writes_over(0) && from[0].is_number() {
            from.swap(0, 1);
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

    /// Whether the memory of a result can be overwritten: no later node reads its previous contents, and this node does
    /// not read them either or can write over them.
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
        let x = self.g.uniform(id).expect("a value that is no operand is a uniform constant");
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

/// The function of a node and the nodes it reads: a sum reads the operands of the product joined to it.
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

/// The products that are read only by one sum or difference, at most one for each.
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

/// Number of elements folded at a time.
fn unit_of(fold: &Folded) -> usize {
    reduce::unit(fold.sizes).expect("only sums that fold in units join a cluster") * fold.sizes[2]
}
