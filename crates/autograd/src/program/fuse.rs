//! Decides which nodes run together. Adjacent elementwise nodes of the same shape become a cluster: one pass over
//! memory, no matter how many nodes. A matrix product that only one cluster reads joins it, and so do sums of values
//! that the cluster computes.
//!
//! Each node gets a *level*. Along a path the level never decreases, and it increases whenever the path enters or
//! leaves a cluster. Clusters within one level therefore never wait for each other, and any of their nodes may be
//! joined.

use super::graph::{Act, Graph};
use crate::eval;
use crate::float::Float;
use crate::kernel::reduce;
use crate::op::{Fold, Op};
use crate::tensor::view::Span;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Nodes that run as one step.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Elementwise nodes, in order.
    pub(super) maps: Vec<u32>,
    /// A matrix product that the elementwise nodes start from.
    pub(super) product: Option<u32>,
    /// Sums of their values, accumulated in the same pass.
    pub(super) folds: SmallVec<[u32; 2]>,
    /// Elementwise nodes of another shape that only this cluster reads, as [`Padded`]: each block computes the part of
    /// them that it needs.
    pub(super) feed: Option<Box<Cluster>>,
    /// Any other node, which then runs alone.
    pub(super) single: Option<u32>,
    /// Whether its nodes are scalars, short rows, and sums of short rows.
    pub(super) small: bool,
}

/// The longest row that counts as small.
pub(super) const ROW: usize = 32;

/// A range of zeros with another value placed inside, as a cluster reads it: the zeros are never stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Padded {
    /// The value placed among the zeros.
    pub(super) input: u32,
    /// Its first element's position, and its number of elements.
    pub(super) start: usize,
    pub(super) len: usize,
}

/// The padding of a node that places its input among zeros as one contiguous range.
pub(super) fn padded<T: Float>(g: &Graph<T>, id: u32) -> Option<Padded> {
    let node = &g.nodes[id as usize];
    let Act::Op(op) = &node.act else { return None };
    let Op::Place { spans, shape } = &**op else { return None };
    let axis = spans.iter().zip(shape).position(|(span, &size)| span.len != size)?;
    let whole = |i: usize| spans[i].len == shape[i] && spans[i].step == 1;
    let stretch = (axis + 1..shape.len()).all(whole) && shape[..axis].iter().all(|&d| d == 1);
    let inner: usize = shape[axis + 1..].iter().product();
    let Span { start, len, step } = spans[axis];
    (stretch && step == 1 && len > 0).then(|| Padded { input: node.inputs[0], start: start * inner, len: len * inner })
}

/// The maximum number of nodes in a cluster of arrays, so that their registers stay in the L1 cache. Scalars have no
/// registers, so their clusters are unlimited.
const MOST: usize = 128;

/// All steps in topological order, and otherwise in the order of recording; and the nodes read as [`Padded`].
pub(super) fn clusters<T: Float>(g: &Graph<T>) -> (Vec<Cluster>, HashSet<u32>) {
    let levels = Levels::of(g, small(g));
    let mut sets = Sets::new(g.nodes.len());
    let joins = |a: u32, b: u32| levels.at[a as usize] == levels.at[b as usize] && same_shape(g, a, b);
    let is_small = |id: u32| levels.small[id as usize];
    let mut others: HashMap<u32, u32> = HashMap::new();
    for id in (0..g.nodes.len() as u32).filter(|&id| is_small(id)) {
        sets.join(id, *others.entry(levels.at[id as usize]).or_insert(id));
    }
    // The elementwise readers of each value, one per level and shape: others of that level and shape join it.
    let mut reader: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); g.nodes.len()];
    for id in maps(g).filter(|&id| !is_small(id)) {
        for &input in &g.nodes[id as usize].inputs {
            if is_map(g, input) && !is_small(input) && joins(id, input) {
                sets.join(id, input);
            }
            if !g.is_const(input) && same_shape(g, id, input) {
                match reader[input as usize].iter_mut().find(|r| joins(**r, id)) {
                    Some(other) => sets.join(id, *other),
                    None => reader[input as usize].push(id),
                }
            }
        }
    }
    let mut steps: Vec<Cluster> = Vec::new();
    let mut step_of = vec![u32::MAX; g.nodes.len()];
    let mut begun = vec![u32::MAX; g.nodes.len()];
    for id in 0..g.nodes.len() as u32 {
        if matches!(g.nodes[id as usize].act, Act::Input | Act::Const) {
            continue;
        }
        if is_map(g, id) || is_small(id) {
            let set = sets.find(id) as usize;
            let most = if is_small(id) || is_number(g, id) { usize::MAX } else { MOST };
            let full = begun[set] == u32::MAX || steps[begun[set] as usize].maps.len() >= most;
            if full {
                begun[set] = steps.len() as u32;
                steps.push(Cluster { small: is_small(id), ..Cluster::default() });
            }
            steps[begun[set] as usize].maps.push(id);
            step_of[id as usize] = begun[set];
        } else {
            step_of[id as usize] = steps.len() as u32;
            steps.push(Cluster { single: Some(id), ..Cluster::default() });
        }
    }
    absorb(g, &mut steps, &mut step_of);
    let padding = pad(g, &mut steps, &mut step_of);
    feed(g, &mut steps, &mut step_of, &padding);
    (ordered(g, steps, &step_of), padding)
}

/// The nodes that clusters read as [`Padded`], which are those without other readers. Their own steps become empty.
fn pad<T: Float>(g: &Graph<T>, steps: &mut [Cluster], step_of: &mut [u32]) -> HashSet<u32> {
    let mut padding: HashSet<u32> = (0..g.nodes.len() as u32).filter(|&id| padded(g, id).is_some()).collect();
    g.outputs.iter().for_each(|id| _ = padding.remove(id));
    for (id, node) in g.nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|_| step_of[id] != u32::MAX) {
            let reads = is_map(g, id as u32) && same_shape(g, id as u32, *input) && !is_number(g, *input);
            let reads = reads && !steps[step_of[id] as usize].small;
            if !reads || padding.contains(&(id as u32)) {
                padding.remove(input);
            }
        }
    }
    for &id in &padding {
        // Its readers depend on the step that computes its input instead.
        let input = g.nodes[id as usize].inputs[0];
        steps[step_of[id as usize] as usize].single = None;
        step_of[id as usize] = step_of[input as usize];
    }
    padding
}

fn same_shape<T: Float>(g: &Graph<T>, a: u32, b: u32) -> bool {
    g.nodes[a as usize].shape == g.nodes[b as usize].shape
}

/// Whether a node has a single element.
pub(super) fn is_number<T: Float>(g: &Graph<T>, id: u32) -> bool {
    g.shape(id).iter().all(|&d| d == 1)
}

/// Whether a node is elementwise.
pub(super) fn is_map<T: Float>(g: &Graph<T>, id: u32) -> bool {
    let node = &g.nodes[id as usize];
    match &node.act {
        Act::Unary(_) | Act::Binary(_) => true,
        Act::Op(op) => matches!(**op, Op::Select),
        _ => false,
    }
}

fn maps<T: Float>(g: &Graph<T>) -> impl Iterator<Item = u32> {
    (0..g.nodes.len() as u32).filter(|&id| is_map(g, id))
}

/// The steps that read each node; `u32::MAX` represents the caller of the program.
fn readers<T: Float>(g: &Graph<T>, step_of: &[u32]) -> Vec<SmallVec<[u32; 2]>> {
    let mut readers: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); g.nodes.len()];
    for (id, node) in g.nodes.iter().enumerate() {
        for &input in &node.inputs {
            let step = step_of[id];
            if !readers[input as usize].contains(&step) {
                readers[input as usize].push(step);
            }
        }
    }
    g.outputs.iter().for_each(|&id| readers[id as usize].push(u32::MAX));
    readers
}

/// Merges a cluster into its only reader if its values are read there as padded values at nearby positions. The terms
/// that the derivative of a function of neighbors (`x[1..] - x[..n - 1]`) adds up are then never stored.
fn feed<T: Float>(g: &Graph<T>, steps: &mut [Cluster], step_of: &mut [u32], padding: &HashSet<u32>) {
    /// The maximum distance between the positions, which is the number of extra elements computed per block.
    const APART: usize = 64;
    let readers = readers(g, step_of);
    let mut pads: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); steps.len()];
    for &id in padding.iter().filter(|&&id| step_of[id as usize] != u32::MAX) {
        pads[step_of[id as usize] as usize].push(id);
    }
    for (from, pads) in pads.iter().enumerate() {
        let Some(&[to]) = pads.first().map(|&id| &readers[id as usize][..]) else { continue };
        let starts = || pads.iter().filter_map(|&id| padded(g, id)).map(|padded| padded.start);
        let near = starts().max() <= starts().min().map(|least| least + APART);
        let alone = pads.iter().all(|&id| readers[id as usize][..] == [to])
            && steps[from].maps.iter().all(|&id| readers[id as usize].iter().all(|&step| step == from as u32));
        let plain = |step: &Cluster| {
            let arrays = step.maps.first().is_some_and(|&id| !is_number(g, id));
            arrays && !step.small && step.product.is_none() && step.feed.is_none()
        };
        let plain = plain(&steps[from]) && steps[from].folds.is_empty() && plain(&steps[to as usize]);
        if near && alone && plain {
            let cluster = std::mem::take(&mut steps[from]);
            cluster.maps.iter().chain(pads).for_each(|&id| step_of[id as usize] = to);
            steps[to as usize].feed = Some(Box::new(cluster));
        }
    }
}

/// Moves matrix products into the cluster that alone reads them, and sums into the cluster that computes their input.
fn absorb<T: Float>(g: &Graph<T>, steps: &mut [Cluster], step_of: &mut [u32]) {
    let readers = readers(g, step_of);
    for id in (0..g.nodes.len() as u32).rev() {
        let Act::Op(op) = &g.nodes[id as usize].act else { continue };
        let own = step_of[id as usize];
        let joined = match **op {
            Op::MatMul { .. } => match readers[id as usize][..] {
                [reader] if reader != u32::MAX && takes_product(g, &steps[reader as usize], id) => {
                    steps[reader as usize].product = Some(id);
                    reader
                }
                _ => continue,
            },
            _ => continue,
        };
        steps[own as usize].single = None;
        step_of[id as usize] = joined;
    }
    for id in 0..g.nodes.len() as u32 {
        let (own, node) = (step_of[id as usize], &g.nodes[id as usize]);
        let Some(unit) = fold_unit(g, id).filter(|_| is_map(g, node.inputs[0])) else { continue };
        let writer = step_of[node.inputs[0] as usize] as usize;
        if steps[own as usize].small || steps[writer].small {
            continue;
        }
        let cluster = &mut steps[writer];
        let alike = cluster.folds.iter().all(|&other| fold_unit(g, other) == Some(unit));
        if cluster.product.is_none() && alike {
            cluster.folds.push(id);
            steps[own as usize].single = None;
            step_of[id as usize] = writer as u32;
        }
    }
}

fn takes_product<T: Float>(g: &Graph<T>, cluster: &Cluster, product: u32) -> bool {
    let Some(&first) = cluster.maps.first() else { return false };
    let batch = g.shape(product).len() - 2;
    let single = g.shape(product)[..batch].iter().all(|&d| d == 1);
    cluster.product.is_none() && !cluster.small && same_shape(g, first, product) && single && !is_number(g, product)
}

/// Number of elements summed at a time, for a sum that can be accumulated while its elements are computed.
pub(super) fn fold_unit<T: Float>(g: &Graph<T>, id: u32) -> Option<usize> {
    let (input, sizes) = fold_sizes(g, id)?;
    (!is_number(g, input)).then(|| reduce::unit(sizes)).flatten().map(|rows| rows * sizes[2])
}

/// The input of a sum over adjacent axes, and its sizes before, along and after them.
pub(super) fn fold_sizes<T: Float>(g: &Graph<T>, id: u32) -> Option<(u32, [usize; 3])> {
    let node = &g.nodes[id as usize];
    let Act::Op(op) = &node.act else { return None };
    let Op::Reduce { fold: Fold::Sum, axes, .. } = **op else { return None };
    let runs = eval::runs(g.shape(node.inputs[0]), axes);
    (runs.len() == 1).then(|| (node.inputs[0], runs[0].1))
}

/// Orders the steps by Kahn's algorithm; of the ready steps, the one whose last node was recorded first comes next.
fn ordered<T: Float>(g: &Graph<T>, steps: Vec<Cluster>, step_of: &[u32]) -> Vec<Cluster> {
    let mut waits = vec![0u32; steps.len()];
    let mut then: Vec<Vec<u32>> = vec![Vec::new(); steps.len()];
    let mut last = vec![0u32; steps.len()];
    for (id, node) in g.nodes.iter().enumerate().filter(|(id, _)| step_of[*id] != u32::MAX) {
        let step = step_of[id];
        last[step as usize] = id as u32;
        for &input in &node.inputs {
            let from = step_of[input as usize];
            if from != u32::MAX && from != step && then[from as usize].last() != Some(&step) {
                then[from as usize].push(step);
                waits[step as usize] += 1;
            }
        }
    }
    let mut steps: Vec<Option<Cluster>> = steps.into_iter().map(Some).collect();
    let ready = |step: u32| Reverse((last[step as usize], step));
    let mut queue: BinaryHeap<_> = (0..steps.len() as u32).filter(|&s| waits[s as usize] == 0).map(ready).collect();
    let mut order = Vec::new();
    while let Some(Reverse((_, step))) = queue.pop() {
        let cluster = steps[step as usize].take().expect("each step is ready once");
        if !cluster.maps.is_empty() || cluster.single.is_some() {
            order.push(cluster);
        }
        for &next in &then[step as usize] {
            waits[next as usize] -= 1;
            if waits[next as usize] == 0 {
                queue.push(ready(next));
            }
        }
    }
    assert!(steps.iter().all(Option::is_none), "levels form no cycle");
    order
}

/// Which nodes are small: scalars and short rows that are elementwise or sums. In a long recurrence of them the cost is
/// the number of steps rather than memory, so they run as one step. If there are only few of them, no node counts as
/// small.
fn small<T: Float>(g: &Graph<T>) -> Vec<bool> {
    const MANY: usize = 1024;
    let len = |id: u32| g.shape(id).iter().product::<usize>();
    let is_small = |id: u32| {
        let inputs = &g.nodes[id as usize].inputs;
        let elementwise = || len(id) <= ROW && inputs.iter().all(|&i| len(i) == len(id) || len(i) == 1);
        match &g.nodes[id as usize].act {
            Act::Input | Act::Const => false,
            Act::Unary(_) | Act::Binary(_) => elementwise(),
            Act::Op(op) => match **op {
                Op::Select | Op::Reshape { .. } => elementwise(),
                Op::Reduce { fold: Fold::Sum, .. } => len(id) == 1 && len(inputs[0]) <= ROW,
                _ => false,
            },
        }
    };
    let mut small: Vec<bool> = (0..g.nodes.len() as u32).map(is_small).collect();
    let rows = (0..g.nodes.len() as u32).filter(|&id| small[id as usize] && len(id) > 1).count();
    if rows < MANY || 2 * rows < g.nodes.len() {
        small.fill(false);
    }
    small
}

/// Roughly when each node runs: see the module documentation.
struct Levels {
    at: Vec<u32>,
    small: Vec<bool>,
}

impl Levels {
    /// Schedules each node as early as possible, then moves elementwise nodes to their readers where that saves memory.
    fn of<T: Float>(g: &Graph<T>, small: Vec<bool>) -> Levels {
        let mut levels = Levels { at: vec![0; g.nodes.len()], small };
        for (id, node) in g.nodes.iter().enumerate() {
            let map = levels.small[id] || is_map(g, id as u32);
            let after = |&input: &u32| {
                let source = map && matches!(g.nodes[input as usize].act, Act::Input | Act::Const);
                levels.at[input as usize] + u32::from(!source && !levels.inside(g, id as u32, input))
            };
            levels.at[id] = node.inputs.iter().map(after).max().unwrap_or(0);
        }
        levels.delay(g);
        levels
    }

    /// Whether a node and its input may be in one cluster.
    fn inside<T: Float>(&self, g: &Graph<T>, id: u32, input: u32) -> bool {
        match [self.small[id as usize], self.small[input as usize]] {
            [true, true] => true,
            [false, false] => is_map(g, id) && is_map(g, input) && same_shape(g, id, input),
            _ => false,
        }
    }

    /// Delays elementwise nodes. Derivatives read values from much earlier: `1 - y·y` is better computed where it is
    /// needed, from the `y` that is kept anyway, than stored in addition to it.
    fn delay<T: Float>(&mut self, g: &Graph<T>) {
        let count = g.nodes.len();
        // The last level that reads each value, the latest level it may move to, and how many read it.
        let (mut until, mut latest, mut readers) = (self.at.clone(), vec![u32::MAX; count], vec![0u32; count]);
        for (id, node) in g.nodes.iter().enumerate() {
            for (k, &input) in node.inputs.iter().enumerate() {
                until[input as usize] = until[input as usize].max(self.at[id]);
                readers[input as usize] += u32::from(!node.inputs[..k].contains(&input));
            }
        }
        g.outputs.iter().for_each(|&id| (until[id as usize], latest[id as usize]) = (u32::MAX, 0));
        for id in (0..count).rev() {
            let map = is_map(g, id as u32) && !self.small[id];
            let goal = latest[id];
            if map && goal != u32::MAX && goal > self.at[id] {
                let kept = size(g, id as u32) * f64::from(goal - self.at[id]);
                let inputs = &g.nodes[id].inputs;
                let different = inputs.iter().enumerate().filter(|(k, i)| !inputs[..*k].contains(i));
                let cost: f64 = different.map(|(_, &i)| self.keeping(g, i, goal, &until, &readers, 0)).sum();
                if cost < kept {
                    self.at[id] = goal;
                }
            }
            for &input in &g.nodes[id].inputs {
                let i = input as usize;
                let inside = self.inside(g, id as u32, input);
                latest[i] = latest[i].min(self.at[id] - u32::from(!inside && self.at[id] > 0));
                until[i] = until[i].max(self.at[id]);
            }
        }
    }

    /// The memory cost, in elements times levels, of having a value at a level, either by keeping it or by moving its
    /// computation there too.
    fn keeping<T: Float>(&self, g: &Graph<T>, id: u32, goal: u32, until: &[u32], readers: &[u32], depth: u32) -> f64 {
        const DEEPEST: u32 = 4;
        let node = &g.nodes[id as usize];
        let levels = goal.saturating_sub(until[id as usize]);
        if levels == 0 || matches!(node.act, Act::Input | Act::Const) {
            return 0.0;
        }
        let keep = size(g, id) * f64::from(levels);
        if !is_map(g, id) || self.small[id as usize] || readers[id as usize] > 1 || depth == DEEPEST {
            return keep;
        }
        let moved = node.inputs.iter().map(|&i| self.keeping(g, i, goal, until, readers, depth + 1)).sum::<f64>();
        keep.min(moved)
    }
}

fn size<T: Float>(g: &Graph<T>, id: u32) -> f64 {
    g.shape(id).iter().map(|&d| d as f64).product()
}

/// Disjoint sets of nodes (Tarjan's union-find, with path halving).
struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    fn new(count: usize) -> Sets {
        Sets { parent: (0..count as u32).collect() }
    }

    fn find(&mut self, mut id: u32) -> u32 {
        while self.parent[id as usize] != id {
            self.parent[id as usize] = self.parent[self.parent[id as usize] as usize];
            id = self.parent[id as usize];
        }
        id
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }
}
