//! Memory planning. Each value that outlives its step gets a block of memory for its lifetime; later values reuse the
//! blocks of dead ones, and a cluster writes over an operand that dies with it. Everything is decided before the first
//! run. `lifetimes` determines when values die, and `onto` which products accumulate into existing memory.

mod lifetimes;
mod onto;

use super::fuse::{Cluster, is_number};
use super::graph::{Act, Graph};
use super::map::{Constants, Map, Ports};
use super::scalar::Scalars;
use crate::error::Result;
use crate::float::Float;
use crate::op::{Cost, Op};
use crate::tensor::layout::{is_contiguous, room, row_major};
use crate::tensor::{Shape, Strides, Tensor};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::panic::Location;

/// What a step does.
pub(super) enum Work<T: Float> {
    /// A view of its input.
    View(Op),
    /// One op.
    Op(Op),
    /// A user's op, by the index of its rule.
    Custom(u32),
    /// A cluster.
    Map(Box<Map<T>>),
    /// A matrix product, added to `keep` times the previous contents of its result's memory if given, and the cluster
    /// that continues from it.
    Product { transposed: [bool; 2], keep: Option<T>, map: Option<Box<Map<T>>> },
    /// A cluster of scalars and short rows.
    Scalars(Scalars<T>),
}

/// One step of a run.
pub(super) struct Step<T: Float> {
    pub(super) work: Work<T>,
    /// The slots that it reads; for a product, its two operands come first.
    pub(super) inputs: SmallVec<[u32; 4]>,
    pub(super) outs: SmallVec<[Out; 1]>,
    /// Slots whose values are not read after this step.
    pub(super) dead: SmallVec<[u32; 4]>,
    /// The arithmetic and memory traffic that it requires at least.
    pub(super) cost: Cost,
    /// For an op that reads indices: the shape of the tensor that they index.
    pub(super) input_shape: Option<Shape>,
    pub(super) line: &'static Location<'static>,
}

/// A result of a step.
pub(super) struct Out {
    pub(super) slot: u32,
    pub(super) memory: Memory,
    pub(super) shape: Shape,
    pub(super) strides: Strides,
}

/// Where a result is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Memory {
    Block(u32),
    /// Over the operand in the given slot.
    Over(u32),
    /// In memory outside the blocks: scalars, views, and results of users' ops.
    Own,
}

/// All steps, and the memory they need.
pub(super) struct Plan<T: Float> {
    pub(super) steps: Vec<Step<T>>,
    /// The initial contents of the slots: the constants.
    pub(super) values: Vec<Tensor<T>>,
    /// Number of elements in each block.
    pub(super) blocks: Vec<usize>,
    /// The block that a slot's memory returns to when its value is dead.
    pub(super) homes: Vec<Option<u32>>,
    /// The slot of each input and of each output.
    pub(super) inputs: Vec<u32>,
    pub(super) outputs: Vec<u32>,
    /// Computed slots whose values outlive the run because the caller may read them.
    pub(super) kept: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// Plans all steps. `state` pairs the node of an input with the node whose value it takes in the next run.
pub(super) fn plan<T: Float>(
    g: &Graph<T>,
    (clusters, padding): &(Vec<Cluster>, HashSet<u32>),
    state: &[(u32, u32)],
) -> Result<Plan<T>> {
    let mut planner = Planner::new(g, clusters, padding, state);
    let mut steps = Vec::with_capacity(clusters.len());
    for (k, cluster) in clusters.iter().enumerate() {
        steps.push(planner.step(k, cluster)?);
    }
    let mut outputs = Vec::new();
    for &id in &g.outputs {
        outputs.push(planner.slot(id));
    }
    let inputs = g.inputs.iter().map(|&id| planner.slot(id)).collect();
    let total: usize = planner.blocks.iter().map(|b| b.size).sum();
    room("program", &[total])?;
    let blocks = planner.blocks.iter().map(|b| b.size).collect();
    let kept = planner.kept();
    Ok(Plan { steps, values: planner.values, blocks, homes: planner.homes, inputs, outputs, kept })
}

/// A block of memory.
struct Block {
    size: usize,
    /// Belongs to a state, or is in use.
    taken: bool,
}

struct Planner<'a, T: Float> {
    g: &'a Graph<T>,
    state: &'a [(u32, u32)],
    /// Nodes that clusters read as their inputs padded with zeros.
    padding: &'a HashSet<u32>,
    /// The slot of each node that has one.
    slots: Vec<u32>,
    values: Vec<Tensor<T>>,
    homes: Vec<Option<u32>>,
    blocks: Vec<Block>,
    /// The node that owns each node's memory: itself, unless it is a view.
    root: Vec<u32>,
    strides: Vec<Option<Strides>>,
    /// Whether a step other than its own, or the caller, reads a node.
    outside: Vec<bool>,
    /// The last step that reads each node or its memory.
    last_read: Vec<u32>,
    /// Nodes by the step after which they are dead.
    dies: Vec<SmallVec<[u32; 4]>>,
    constants: Constants<T>,
}

impl<'a, T: Float> Planner<'a, T> {
    fn new(g: &'a Graph<T>, clusters: &[Cluster], padding: &'a HashSet<u32>, state: &'a [(u32, u32)]) -> Self {
        let count = g.nodes.len();
        let mut planner = Planner {
            g,
            state,
            padding,
            slots: vec![NONE; count],
            values: Vec::new(),
            homes: Vec::new(),
            blocks: Vec::new(),
            root: (0..count as u32).collect(),
            strides: vec![None; count],
            outside: vec![false; count],
            last_read: vec![NONE; count],
            dies: vec![SmallVec::new(); clusters.len()],
            constants: Constants::new(),
        };
        planner.lay_out(clusters);
        planner.find_ends(clusters);
        for &(input, _) in state {
            let size = size(g, input);
            let slot = planner.slot(input);
            planner.homes[slot as usize] = Some(planner.blocks.len() as u32);
            planner.blocks.push(Block { size, taken: true });
        }
        planner
    }

    /// The node that is actually read for a node: itself, or, for a padded node, its input.
    fn given(&self, id: u32) -> u32 {
        if self.padding.contains(&id) { self.g.nodes[id as usize].inputs[0] } else { id }
    }

    /// The slots of outputs and of the memory that they view, views first; without those of next states, which are
    /// moved.
    fn kept(&self) -> Vec<u32> {
        let mut kept: Vec<u32> = self.g.outputs.iter().flat_map(|&id| [id, self.root[id as usize]]).collect();
        kept.sort_by_key(|&id| (self.root[id as usize] == id, id));
        kept.dedup();
        let outputs = &self.g.outputs[..self.g.outputs.len() - self.state.len()];
        let passed = |id: &u32| self.state.iter().any(|(_, next)| next == id) && !outputs.contains(id);
        let source = |id: &u32| matches!(self.g.nodes[*id as usize].act, Act::Input | Act::Const);
        kept.retain(|id| !passed(id) && !source(id));
        kept.into_iter().map(|id| self.slots[id as usize]).filter(|&slot| slot != NONE).collect()
    }

    fn slot(&mut self, id: u32) -> u32 {
        if self.slots[id as usize] == NONE {
            self.slots[id as usize] = self.values.len() as u32;
            let value = self.g.nodes[id as usize].value.clone();
            self.values.push(value.unwrap_or_else(|| Tensor::scalar(T::zero())));
            self.homes.push(None);
        }
        self.slots[id as usize]
    }

    fn step(&mut self, k: usize, cluster: &Cluster) -> Result<Step<T>> {
        let g = self.g;
        let line = g.nodes[members(cluster).max().expect("a step does something") as usize].line;
        let mut step = Step {
            work: Work::Custom(0),
            inputs: SmallVec::new(),
            outs: SmallVec::new(),
            dead: SmallVec::new(),
            cost: self.cost(cluster),
            input_shape: None,
            line,
        };
        match cluster.single {
            Some(id) => self.single(id, &mut step),
            None => self.cluster(k as u32, cluster, &mut step),
        }
        // Views come before the memory that they view, which can be freed only when no view holds it.
        let mut dead = std::mem::take(&mut self.dies[k]);
        dead.sort_by_key(|&id| self.root[id as usize] == id);
        for id in dead {
            let slot = self.slots[id as usize];
            let over = step.outs.iter().any(|out| out.memory == Memory::Over(slot));
            if slot != NONE && !over {
                step.dead.push(slot);
                self.give(id);
            }
        }
        Ok(step)
    }

    fn single(&mut self, id: u32, step: &mut Step<T>) {
        let node = &self.g.nodes[id as usize];
        let Act::Op(op) = &node.act else { unreachable!("elementwise ops are in clusters") };
        step.inputs = node.inputs.iter().map(|&i| self.slot(i)).collect();
        let memory = match **op {
            Op::Custom { id: rule } => {
                step.work = Work::Custom(rule);
                Memory::Own
            }
            _ if self.root[id as usize] != id => {
                step.work = Work::View((**op).clone());
                Memory::Own
            }
            _ => {
                step.work = Work::Op((**op).clone());
                step.input_shape = op.index().map(|_| self.g.shape(node.inputs[0]).clone());
                self.take(id)
            }
        };
        let out = self.out(id, memory);
        step.outs.push(out);
    }

    fn cluster(&mut self, k: u32, cluster: &Cluster, step: &mut Step<T>) {
        let g = self.g;
        let mut operands = self.operands(cluster);
        let feeding = cluster.feed.as_ref().map_or(Vec::new(), |feed| self.operands(feed));
        let mut whole: Vec<u32> = cluster.maps.iter().copied().filter(|&id| self.outside[id as usize]).collect();
        if cluster.small || is_number(g, cluster.maps[0]) {
            step.inputs = operands.iter().map(|&id| self.slot(id)).collect();
            step.outs = whole.iter().map(|&id| self.out(id, Memory::Own)).collect();
            step.work = Work::Scalars(Scalars::new(g, cluster, &operands, &whole));
            return;
        }
        let mut in_place = self.in_place(k, cluster, [&operands, &feeding], &whole);
        let onto = cluster.product.and_then(|product| onto::find(g, product, &cluster.maps, &whole, &in_place));
        // The node whose value the first result holds before anything else is computed.
        let begun = onto.as_ref().map(|onto| onto.sum).or(cluster.product);
        if let Some(product) = cluster.product {
            let first = match &onto {
                Some(onto) => whole.iter().position(|&id| id == onto.sum),
                // A product is not written over any operand.
                None => in_place.iter().position(Option::is_none),
            };
            whole.swap(0, first.unwrap_or(0));
            in_place.swap(0, first.unwrap_or(0));
            match &onto {
                Some(onto) => operands.retain(|&id| id != onto.old),
                None => in_place[0] = None,
            }
            step.inputs = g.nodes[product as usize].inputs.iter().map(|&i| self.slot(i)).collect();
        }
        let read = operands.iter().chain(&feeding).map(|&id| self.slot(self.given(id))).collect::<SmallVec<[u32; 8]>>();
        step.inputs.extend(read);
        for (&id, over) in whole.iter().zip(&in_place) {
            let memory = match *over {
                Some(over) => {
                    let home = self.slots[over as usize] as usize;
                    let slot = self.slot(id) as usize;
                    self.homes[slot] = self.homes[home];
                    Memory::Over(home as u32)
                }
                None => self.take(id),
            };
            let out = self.out(id, memory);
            step.outs.push(out);
        }
        for &id in &cluster.folds {
            let memory = self.take(id);
            let out = self.out(id, memory);
            step.outs.push(out);
        }
        operands.extend(begun);
        if begun.is_some() {
            in_place[0] = begun;
        }
        let is_contiguous = |id: u32| is_contiguous(g.shape(id), self.strides[id as usize].as_ref().expect("laid out"));
        let ports = Ports {
            operands: &operands,
            feeding: &feeding,
            whole: &whole,
            in_place: &in_place,
            padding: self.padding,
            is_contiguous: &is_contiguous,
        };
        // The nodes that remain to be computed once the product has been added.
        let rest = onto.as_ref().map(|onto| {
            let maps = cluster.maps.iter().copied().filter(|id| !onto.done.contains(id)).collect();
            Cluster { maps, folds: cluster.folds.clone(), ..Cluster::default() }
        });
        let rest = rest.as_ref().unwrap_or(cluster);
        let map = (!rest.maps.is_empty()).then(|| Box::new(Map::new(g, rest, &ports, &mut self.constants)));
        step.work = match (cluster.product.and_then(|id| onto::flags(g, id)), map) {
            (Some(transposed), map) => Work::Product { transposed, keep: onto.map(|onto| onto.keep), map },
            (None, Some(map)) => Work::Map(map),
            (None, None) => unreachable!("without a product, elementwise nodes remain"),
        };
    }

    /// The nodes outside a cluster that its elementwise nodes read, except uniform constants.
    fn operands(&self, cluster: &Cluster) -> Vec<u32> {
        let g = self.g;
        let inner = |maps: &[u32], id: u32| maps.binary_search(&id).is_ok();
        let fed = |id: u32| cluster.feed.as_ref().is_some_and(|feed| inner(&feed.maps, self.given(id)));
        let mut seen = HashSet::new();
        let inputs = cluster.maps.iter().flat_map(|&id| g.nodes[id as usize].inputs.iter().copied());
        let outer = |&id: &u32| !inner(&cluster.maps, id) && cluster.product != Some(id) && !fed(id);
        inputs.filter(outer).filter(|&id| g.uniform(id).is_none() && seen.insert(id)).collect()
    }

    /// For each result, the operand that it may be written over: one that dies here and has the result's layout.
    fn in_place(
        &mut self,
        k: u32,
        cluster: &Cluster,
        [operands, feeding]: [&[u32]; 2],
        whole: &[u32],
    ) -> Vec<Option<u32>> {
        let g = self.g;
        let shape = g.shape(cluster.maps[0]);
        let read = operands.iter().chain(feeding);
        let mut roots: Vec<u32> = read.map(|&id| self.root[self.given(id) as usize]).collect();
        if let Some(product) = cluster.product {
            roots.extend(g.nodes[product as usize].inputs.iter().map(|&i| self.root[i as usize]));
        }
        let dies = |&id: &u32| {
            let i = id as usize;
            let own = self.root[i] == id && self.last_read[i] == k && roots.iter().filter(|&&r| r == id).count() == 1;
            let home = self.slots[i] != NONE && self.homes[self.slots[i] as usize].is_some();
            own && home && g.shape(id) == shape && is_contiguous(shape, self.strides[i].as_ref().expect("laid out"))
        };
        let mut free: Vec<u32> = operands.iter().copied().filter(dies).collect();
        let partner = |id: u32| self.state.iter().find(|(_, next)| *next == id).map(|&(input, _)| input);
        let is_state = |id: u32| self.state.iter().any(|&(input, _)| input == id);
        let mut over = vec![None; whole.len()];
        for (over, &id) in over.iter_mut().zip(whole) {
            let fits = |other: &u32| match partner(id) {
                Some(own) => *other == own,
                None => !is_state(*other),
            };
            *over = free.iter().position(fits).map(|at| free.remove(at));
        }
        over
    }

    /// The arithmetic of all nodes of a cluster, and the memory traffic of its external inputs and results.
    fn cost(&self, cluster: &Cluster) -> Cost {
        let g = self.g;
        let mut cost = Cost::default();
        let mut moved: Vec<u32> = Vec::new();
        let inside: HashSet<u32> = members(cluster).collect();
        for id in members(cluster) {
            let inputs = &g.nodes[id as usize].inputs;
            let shapes: SmallVec<[&[usize]; 4]> = inputs.iter().map(|&i| g.shape(i).as_slice()).collect();
            let op = g.op(id).expect("computed");
            let alone = op.cost(&shapes, g.shape(id), size_of::<T>());
            if inside.len() == 1 {
                return alone;
            }
            cost.flops += alone.flops;
            moved.extend(inputs.iter().map(|&i| self.given(i)).filter(|i| !inside.contains(i)));
            moved.extend(self.outside[id as usize].then_some(id));
        }
        moved.sort_unstable();
        moved.dedup();
        cost.bytes = moved.iter().map(|&id| (size(g, id) * size_of::<T>()) as u64).sum();
        cost
    }

    fn out(&mut self, id: u32, memory: Memory) -> Out {
        let shape = self.g.shape(id).clone();
        Out { slot: self.slot(id), memory, strides: row_major(&shape), shape }
    }

    /// A block for a new value: the smallest free block that is large enough, otherwise the largest free one, enlarged.
    fn take(&mut self, id: u32) -> Memory {
        let need = size(self.g, id);
        if self.g.shape(id).is_empty() {
            return Memory::Own;
        }
        let kept = self.state.iter().any(|(_, next)| *next == id);
        let free = || self.blocks.iter().enumerate().filter(|(_, b)| !b.taken && !kept);
        let fits = free().filter(|(_, b)| b.size >= need).min_by_key(|(_, b)| b.size).map(|(i, _)| i);
        let block = fits.or_else(|| free().max_by_key(|(_, b)| b.size).map(|(i, _)| i)).unwrap_or_else(|| {
            self.blocks.push(Block { size: need, taken: true });
            self.blocks.len() - 1
        });
        self.blocks[block].taken = true;
        self.blocks[block].size = self.blocks[block].size.max(need);
        let slot = self.slot(id) as usize;
        self.homes[slot] = Some(block as u32);
        Memory::Block(block as u32)
    }

    /// Frees the block of a dead value. A state keeps its block.
    fn give(&mut self, id: u32) {
        let home = self.homes[self.slots[id as usize] as usize];
        let state = self.state.iter().any(|&(input, _)| input == id);
        if let (Some(block), false) = (home, state) {
            self.blocks[block as usize].taken = false;
        }
    }
}

/// The nodes that a step computes.
fn members(cluster: &Cluster) -> impl Iterator<Item = u32> + '_ {
    let feed = cluster.feed.iter().flat_map(|feed| &feed.maps);
    cluster.maps.iter().chain(&cluster.product).chain(&cluster.folds).chain(&cluster.single).chain(feed).copied()
}

fn size<T: Float>(g: &Graph<T>, id: u32) -> usize {
    g.shape(id).iter().product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::op::Unary;
    use crate::{Tape, tensor};
    use smallvec::smallvec;

    #[test]
    fn a_plan_larger_than_memory_is_refused() {
        let tape = Tape::<f64>::new();
        let x = tape.var(tensor![1.0]);
        let mut g = Graph::slice(&tape, &[x.id], &[x.id], &[]).unwrap();
        let line = std::panic::Location::caller();
        let wide = Op::Expand { shape: smallvec![1 << 20, 1 << 20] };
        let wide = g.push_shaped(wide, smallvec![0], smallvec![1 << 20, 1 << 20], line);
        let y = g.push_shaped(Op::Unary(Unary::Exp), smallvec![wide], smallvec![1 << 20, 1 << 20], line);
        g.outputs = vec![y];
        let clusters = super::super::fuse::clusters(&g);
        assert!(matches!(plan(&g, &clusters, &[]).err(), Some(Error::TooLarge { .. })));
    }
}
