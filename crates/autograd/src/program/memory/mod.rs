//! Memory planning. Each value that outlives its step gets a block of memory for its lifetime; later values reuse the
//! blocks of dead ones, and a cluster writes over an operand that dies with it. Everything is decided before the first
//! run. `lifetimes` determines when values die, `blocks` hands out memory, and `onto` determines which products
//! accumulate into existing memory.

mod blocks;
mod lifetimes;
mod onto;
mod states;

use super::fuse::{Body, Cluster, Fusion, is_placed};
use super::fused::{Fused, Ports, Repeated};
use super::graph::Graph;
use super::hash::Set;
use super::integers::{self, Early, Reads, read_by};
use super::layouts::Layouts;
use super::scalars::Scalars;
use super::steps::{Memory, Out, Plan, Step, Work};
use crate::error::Result;
use crate::op::{Cost, Op};
use crate::tape::Inputs;
use crate::tensor::layout::{room, row_major};
use blocks::{Blocks, Slots};
use lifetimes::Lifetimes;
use smallvec::{SmallVec, smallvec};
use states::States;

const NONE: u32 = u32::MAX;

/// Plans all steps of a program for numbers of `width` bytes. `states` pairs the node of an input with the node whose
/// value it takes in the next run.
pub(super) fn plan(g: &Graph, fusion: &Fusion, states: Vec<(u32, u32)>, width: usize) -> Result<Plan> {
    let layouts = Layouts::new(g, &fusion.clusters);
    let states = States::new(g, states);
    let lifetimes = Lifetimes::new(g, fusion, &layouts, &states);
    let (slots, blocks, repeated) = (Slots::new(g), Blocks::default(), Repeated::default());
    let (is_early, early) = (integers::early(g), Early::default());
    let mut planner =
        Planner { g, fusion, width, layouts, states, lifetimes, slots, blocks, repeated, is_early, early, scalars: 0 };
    planner.settle_states();
    planner.take_integers();
    let mut steps = Vec::with_capacity(fusion.clusters.len());
    for (k, cluster) in fusion.clusters.iter().enumerate() {
        match *cluster {
            Cluster::Single(id) if planner.is_early[id as usize] => planner.derive(id),
            _ => steps.push(planner.step(k as u32, cluster)),
        }
    }
    let (outputs, inputs) = (planner.read(&g.outputs), planner.read(&g.inputs));
    let kept = planner.kept();
    let blocks = planner.blocks.into_sizes();
    room("program", &[blocks.iter().sum()])?;
    let (early, Slots { homes, constants, .. }) = (planner.early, planner.slots);
    let repeated = planner.repeated.into_numbers();
    let (inputs, outputs) = (inputs.to_vec(), outputs.to_vec());
    Ok(Plan { steps, constants, repeated, blocks, homes, early, inputs, outputs, kept })
}

struct Planner<'a> {
    g: &'a Graph,
    fusion: &'a Fusion,
    /// Size of a number in bytes.
    width: usize,
    layouts: Layouts,
    states: States,
    lifetimes: Lifetimes,
    slots: Slots,
    blocks: Blocks,
    /// The numbers that loops repeat.
    repeated: Repeated,
    /// The nodes whose integers are known before the first step.
    is_early: Vec<bool>,
    early: Early,
    /// Number of loops over scalars so far.
    scalars: u32,
}

/// What a step does, the slots that it reads, and its results.
type Parts = (Work, Inputs, SmallVec<[Out; 1]>);

impl Planner<'_> {
    /// Gives each state a block of its own.
    fn settle_states(&mut self) {
        for id in self.states.all_current() {
            let slot = self.slots.of(self.g, id);
            self.slots.homes[slot as usize] = Some(self.blocks.add(self.g.size(id)));
        }
    }

    /// Gives each integer input a slot.
    fn take_integers(&mut self) {
        for &id in &self.g.integers {
            let slot = self.slots.of(self.g, id);
            self.early.inputs.push((slot, self.g.shape(id).clone()));
        }
    }

    /// Plans integers that are computed before the first step.
    fn derive(&mut self, id: u32) {
        let Some(Op::Integers { from, .. }) = self.g.structured(id) else { unreachable!("a node of integers") };
        let [input, out] = [self.g.inputs(id)[0], id].map(|id| self.slots.of(self.g, id));
        self.early.derived.push((from.clone(), input, out));
    }

    /// What a node requires of the integers that it reads.
    fn reads(&mut self, id: u32) -> Option<Reads> {
        let (g, integers) = (self.g, read_by(self.g, id)?);
        let op = g.structured(id)?;
        let (range, early) = (op.index_range(&g.input_shapes(g.inputs(id))), self.is_early[integers as usize]);
        let reads = Reads { op: op.name(), range, early };
        if early {
            self.early.checks.push((self.slots.of(g, integers), reads));
        }
        Some(reads)
    }

    /// The slots of outputs and of the memory that they view, views first; without those of next states, which are
    /// moved.
    fn kept(&self) -> Vec<u32> {
        let g = self.g;
        let mut kept: Vec<u32> = g.outputs.iter().flat_map(|&id| [id, self.layouts.root(id)]).collect();
        kept.sort_unstable();
        kept.dedup();
        let outputs = &g.outputs[..g.outputs.len() - self.states.len()];
        kept.retain(|&id| g.node(id).def.is_computed() && (!self.states.is_next(id) || outputs.contains(&id)));
        self.views_first(&kept).filter_map(|id| self.slots.get(id)).collect()
    }

    fn step(&mut self, k: u32, cluster: &Cluster) -> Step {
        let last = cluster.members().max().expect("a cluster has nodes");
        let cost = self.cost(cluster);
        let (work, inputs, outs) = match cluster {
            Cluster::Single(id) => self.single(*id),
            Cluster::Scalars(nodes) => self.scalars(nodes),
            Cluster::Elementwise(body) => self.elementwise(k, body),
            Cluster::Product { product, nodes } => self.product(k, *product, nodes),
        };
        let dead = self.bury(k, &outs);
        Step { work, inputs, outs, dead, cost, line: self.g.node(last).line }
    }

    /// Views, and then the memory that they view, which can be freed only when no view holds it.
    fn views_first(&self, ids: &[u32]) -> impl Iterator<Item = u32> {
        let some = move |view| ids.iter().copied().filter(move |&id| self.layouts.is_view(id) == view);
        some(true).chain(some(false))
    }

    /// The slots that are dead after step `k`, whose memory is free from then on.
    fn bury(&mut self, k: u32, outs: &[Out]) -> SmallVec<[u32; 4]> {
        let ids: Vec<u32> = self.views_first(self.lifetimes.dead_after(k)).collect();
        let mut over: Set<u32> = Set::default();
        for out in outs {
            if let Memory::Over(slot) = out.memory {
                over.insert(slot);
            }
        }
        let mut dead = SmallVec::new();
        for id in ids {
            let Some(slot) = self.slots.get(id).filter(|slot| !over.contains(slot)) else { continue };
            dead.push(slot);
            // A state keeps its block.
            if let (Some(block), false) = (self.slots.home(id), self.states.is_current(id)) {
                self.blocks.give(block);
            }
        }
        dead
    }

    fn single(&mut self, id: u32) -> Parts {
        let g = self.g;
        let op = g.structured(id).expect("elementwise ops are in clusters");
        let inputs = self.read(g.inputs(id));
        let (work, memory) = match op {
            Op::Custom { id: rule } => (Work::Custom(*rule), Memory::Own),
            op if self.layouts.is_view(id) => (Work::View(op.clone()), Memory::Own),
            Op::Integers { from, .. } => (Work::Integers(from.clone()), Memory::Integers),
            op => {
                let reads = self.reads(id);
                (Work::Op { op: op.clone(), reads }, self.take(id))
            }
        };
        (work, inputs, smallvec![self.out(id, memory)])
    }

    fn scalars(&mut self, nodes: &[u32]) -> Parts {
        let (operands, whole) = (self.operands(nodes, None, &[]), self.whole(nodes));
        let inputs = self.read(&operands);
        let mut outs = SmallVec::new();
        for &id in &whole {
            outs.push(self.out(id, Memory::Own));
        }
        let scalars = Box::new(Scalars::new(self.g, nodes, &operands, &whole));
        self.scalars += 1;
        (Work::Scalars { scalars, memory: self.scalars - 1 }, inputs, outs)
    }

    fn elementwise(&mut self, k: u32, body: &Body) -> Parts {
        let operands = self.operands(&body.nodes, None, &body.feed);
        let feeding = self.operands(&body.feed, None, &[]);
        let whole = self.whole(&body.nodes);
        let mut read = self.fusion.given(&operands);
        read.extend(self.fusion.given(&feeding));
        let in_place = self.in_place(k, &operands, &read, &whole);
        let inputs = self.read(&read);
        let mut outs = self.results(&whole, &in_place);
        for &id in &body.sums {
            let memory = self.take(id);
            outs.push(self.out(id, memory));
        }
        (Work::Fused(Box::new(self.fused(body, [&operands, &feeding], &whole, &in_place))), inputs, outs)
    }

    fn product(&mut self, k: u32, product: u32, nodes: &[u32]) -> Parts {
        let g = self.g;
        let mut operands = self.operands(nodes, Some(product), &[]);
        let mut whole = self.whole(nodes);
        let mut read = self.fusion.given(&operands);
        read.extend_from_slice(g.inputs(product));
        let mut in_place = self.in_place(k, &operands, &read, &whole);
        let onto = onto::find(g, product, nodes, &whole, &in_place);
        let first = match &onto {
            Some(onto) => whole.iter().position(|&id| id == onto.sum),
            None => in_place.iter().position(Option::is_none),
        };
        whole.swap(0, first.unwrap_or(0));
        in_place.swap(0, first.unwrap_or(0));
        match &onto {
            Some(onto) => operands.retain(|&id| id != onto.old),
            // A product is not written over any operand.
            None => in_place[0] = None,
        }
        let mut inputs = self.read(g.inputs(product));
        for id in self.fusion.given(&operands) {
            inputs.push(self.slots.of(g, id));
        }
        let outs = self.results(&whole, &in_place);
        // The node whose value the first result holds before anything else is computed.
        let begun = onto.as_ref().map_or(product, |onto| onto.sum);
        operands.push(begun);
        in_place[0] = Some(begun);
        // The nodes that remain to be computed once the product has been added.
        let computed = |id: &u32| onto.as_ref().is_some_and(|onto| onto.computes(*id));
        let rest: Vec<u32> = nodes.iter().copied().filter(|id| !computed(id)).collect();
        let keep = onto.as_ref().map(|onto| onto.keep);
        let fused = if rest.is_empty() {
            None
        } else {
            let rest = Body { nodes: rest, ..Body::default() };
            Some(Box::new(self.fused(&rest, [&operands, &[]], &whole, &in_place)))
        };
        let (transposed, precision) = onto::flags(g, product);
        (Work::Product { transposed, precision, keep, fused }, inputs, outs)
    }

    fn fused(
        &mut self,
        body: &Body,
        [operands, feeding]: [&[u32]; 2],
        whole: &[u32],
        in_place: &[Option<u32>],
    ) -> Fused {
        let (fusion, layouts) = (self.fusion, &self.layouts);
        let ports = Ports { operands, feeding, whole, in_place, fusion, layouts };
        Fused::new(self.g, body, &ports, &mut self.repeated, self.width)
    }

    /// The nodes outside a cluster that its elementwise nodes read, except uniform constants, the product and the feed.
    fn operands(&self, nodes: &[u32], product: Option<u32>, feed: &[u32]) -> Vec<u32> {
        let g = self.g;
        let (mut operands, mut seen) = (Vec::new(), Set::default());
        for &node in nodes {
            for &id in g.inputs(node) {
                let inner = nodes.binary_search(&id).is_ok() || product == Some(id);
                let fed = !feed.is_empty() && self.fusion.given(&[id]).iter().any(|id| feed.binary_search(id).is_ok());
                if !inner && !fed && g.uniform(id).is_none() && seen.insert(id) {
                    operands.push(id);
                }
            }
        }
        operands
    }

    /// The nodes of a cluster whose values are read elsewhere, and stored as a whole.
    fn whole(&self, nodes: &[u32]) -> Vec<u32> {
        nodes.iter().copied().filter(|&id| self.lifetimes.is_read_outside(id)).collect()
    }

    /// For each result, the operand that it may be written over: one that dies here and has the result's layout. `read`
    /// lists all that the step reads.
    fn in_place(&self, k: u32, operands: &[u32], read: &[u32], whole: &[u32]) -> Vec<Option<u32>> {
        let mut free = Vec::new();
        for &id in operands {
            let shaped = whole.first().is_some_and(|&result| self.g.same_shape(id, result));
            if shaped && self.dies(k, id, read) {
                free.push(id);
            }
        }
        let mut over = vec![None; whole.len()];
        for (over, &id) in over.iter_mut().zip(whole) {
            let fits = |other: &u32| match self.states.current_of(id) {
                Some(own) => *other == own,
                None => !self.states.is_current(*other),
            };
            *over = free.iter().position(fits).map(|at| free.remove(at));
        }
        over
    }

    /// Whether step `k` is the last to read the memory of an operand, and reads it only as this operand.
    fn dies(&self, k: u32, id: u32, read: &[u32]) -> bool {
        let layouts = &self.layouts;
        let once = read.iter().filter(|&&other| layouts.root(other) == id).count() == 1;
        let own = !layouts.is_view(id) && self.slots.home(id).is_some();
        own && once && self.lifetimes.is_last_read(id, k) && layouts.is_contiguous(self.g, id)
    }

    /// The arithmetic of all nodes of a cluster, and the memory traffic of its external inputs and results.
    fn cost(&self, cluster: &Cluster) -> Cost {
        let (g, width) = (self.g, self.width);
        let alone = |id: u32| g.op(id).expect("computed").cost(&g.input_shapes(g.inputs(id)), g.shape(id), width);
        if let (1, Some(id)) = (cluster.members().count(), cluster.members().next()) {
            return alone(id);
        }
        let mut cost = Cost::default();
        let mut moved: Vec<u32> = Vec::new();
        let inside: Set<u32> = cluster.members().collect();
        for id in cluster.members() {
            cost.flops += alone(id).flops;
            for &input in g.inputs(id) {
                let mut fed = true;
                self.fusion.for_given(&[input], &mut |given| fed &= inside.contains(&given));
                if !fed {
                    moved.push(input);
                }
            }
            if self.lifetimes.is_read_outside(id) {
                moved.push(id);
            }
        }
        moved.sort_unstable();
        moved.dedup();
        for id in moved {
            let zeros = is_placed(g, id) && self.fusion.parts(id).is_some();
            cost.bytes += (g.size(if zeros { g.inputs(id)[0] } else { id }) * width) as u64;
        }
        cost
    }

    /// The slots of nodes.
    fn read(&mut self, ids: &[u32]) -> Inputs {
        let mut slots = Inputs::new();
        for &id in ids {
            slots.push(self.slots.of(self.g, id));
        }
        slots
    }

    fn out(&mut self, id: u32, memory: Memory) -> Out {
        let shape = self.g.shape(id).clone();
        Out { slot: self.slots.of(self.g, id), memory, strides: row_major(&shape), shape }
    }

    /// The results of a cluster, each written over the given operand or to a block of its own.
    fn results(&mut self, whole: &[u32], in_place: &[Option<u32>]) -> SmallVec<[Out; 1]> {
        let mut outs = SmallVec::new();
        for (&id, over) in whole.iter().zip(in_place) {
            let memory = match over.and_then(|over| self.slots.get(over)) {
                Some(over) => {
                    let slot = self.slots.of(self.g, id);
                    self.slots.homes[slot as usize] = self.slots.homes[over as usize];
                    Memory::Over(over)
                }
                None => self.take(id),
            };
            outs.push(self.out(id, memory));
        }
        outs
    }

    /// A block for a new value. The next value of a state gets one of its own, since the two are swapped.
    fn take(&mut self, id: u32) -> Memory {
        if self.g.shape(id).is_empty() {
            return Memory::Own;
        }
        let size = self.g.size(id);
        let block = if self.states.is_next(id) { self.blocks.add(size) } else { self.blocks.take(size) };
        let slot = self.slots.of(self.g, id);
        self.slots.homes[slot as usize] = Some(block);
        Memory::Block(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::op::Unary;
    use crate::program::fuse::fuse;
    use crate::program::graph::Def;

    #[test]
    fn a_plan_larger_than_memory_is_refused() {
        let line = std::panic::Location::caller();
        let mut g = Graph::default();
        let (x, big) = (g.add(Def::Input, smallvec![], &[1], line), [1 << 20, 1 << 20]);
        let wide = g.add(Def::of(Op::Expand { shape: big.into_iter().collect() }), smallvec![x], &big, line);
        let y = g.add(Def::Unary(Unary::Exp), smallvec![wide], &big, line);
        (g.inputs, g.outputs) = (vec![x], vec![y]);
        assert!(matches!(plan(&g, &fuse(&g), Vec::new(), 8).err(), Some(Error::TooLarge { .. })));
    }
}
