//! Decides which nodes run together. Adjacent elementwise nodes of the same shape become a cluster: one pass over
//! memory, no matter how many nodes. A matrix product that only one cluster reads joins it, and so do sums of values
//! that the cluster computes (`absorb`). Slices and similar values that only clusters read are not stored (`loose`). Which
//! nodes may be joined follows from their levels (`levels`).

mod absorb;
mod levels;
mod loose;
mod order;

use super::graph::{Def, Graph};
use super::hash::Map;
use crate::eval;
use crate::kernel::reduce;
use crate::op::{Fold, Op};
use levels::Levels;
use loose::Loose;
pub(super) use loose::{Part, is_placed};

/// Nodes that run as one step.
#[derive(Debug)]
pub(super) enum Cluster {
    /// A node that runs alone.
    Single(u32),
    /// Scalars, short rows, and sums of short rows, in order.
    Scalars(Vec<u32>),
    /// Elementwise nodes of arrays.
    Elementwise(Body),
    /// A matrix product, and the elementwise nodes that start from it, in order.
    Product { product: u32, nodes: Vec<u32> },
}

/// Elementwise nodes of one shape, and what is computed in the same pass.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The elementwise nodes, in order.
    pub(super) nodes: Vec<u32>,
    /// Sums of their values.
    pub(super) sums: Vec<u32>,
    /// Elementwise nodes of another shape that only this cluster reads, padded with zeros: each block computes the part
    /// of them that it needs.
    pub(super) feed: Vec<u32>,
}

impl Cluster {
    /// The nodes that it computes.
    pub(super) fn members(&self) -> impl Iterator<Item = u32> + '_ {
        let parts: [&[u32]; 3] = match self {
            Cluster::Single(id) => [std::slice::from_ref(id), &[], &[]],
            Cluster::Scalars(nodes) => [nodes, &[], &[]],
            Cluster::Elementwise(Body { nodes, sums, feed }) => [nodes, sums, feed],
            Cluster::Product { product, nodes } => [nodes, std::slice::from_ref(product), &[]],
        };
        parts.into_iter().flatten().copied()
    }
}

/// All steps in topological order, and otherwise in the order of recording.
pub(super) struct Fusion {
    pub(super) clusters: Vec<Cluster>,
    /// The parts of the nodes that are read in parts, and not computed.
    loose: Loose,
}

impl Fusion {
    /// The parts that a node is read in, if it is not stored.
    pub(super) fn parts(&self, id: u32) -> Option<&[Part]> {
        self.loose.get(&id).map(|parts| &parts[..])
    }

    /// The nodes that are actually read for some nodes: themselves, or those of their parts.
    pub(super) fn given(&self, ids: &[u32]) -> Vec<u32> {
        let mut given = Vec::with_capacity(ids.len());
        self.for_given(ids, &mut |id| given.push(id));
        given
    }

    /// The same, one by one.
    pub(super) fn for_given(&self, ids: &[u32], f: &mut dyn FnMut(u32)) {
        for &id in ids {
            match self.parts(id) {
                Some(parts) => parts.iter().for_each(|part| f(part.input)),
                None => f(id),
            }
        }
    }
}

/// The longest row that counts as small.
pub(super) const ROW: usize = 32;

/// Number of elements summed at a time, for a sum that can be accumulated while its elements are computed.
pub(super) fn fold_unit(g: &Graph, id: u32) -> Option<usize> {
    let (input, sizes) = fold_sizes(g, id)?;
    let rows = if g.is_number(input) { None } else { reduce::unit(sizes) };
    rows.map(|rows| rows * sizes[2])
}

/// The input of a sum over adjacent axes, and its sizes before, along and after them.
pub(super) fn fold_sizes(g: &Graph, id: u32) -> Option<(u32, [usize; 3])> {
    let Some(Op::Reduce { fold: Fold::Sum, axes, .. }) = g.structured(id) else { return None };
    let input = g.inputs(id)[0];
    match eval::runs(g.shape(input), *axes)[..] {
        [(_, sizes)] => Some((input, sizes)),
        _ => None,
    }
}

/// The clusters that read a node; [`NONE`] represents the caller of the program.
#[derive(Clone, Copy, PartialEq)]
enum Readers {
    None,
    One(u32),
    Several,
}

/// The clusters while nodes move between them.
struct Clusters<'g> {
    g: &'g Graph,
    /// `None` for a cluster whose nodes have all moved.
    list: Vec<Option<Cluster>>,
    /// The cluster that computes each node; [`NONE`] for inputs and constants.
    of: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// Groups the nodes of a graph.
pub(super) fn fuse(g: &Graph) -> Fusion {
    let mut clusters = Clusters::of(g, &Levels::of(g));
    clusters.absorb_products();
    clusters.absorb_sums();
    let loose = clusters.loosen();
    clusters.feed(&loose);
    Fusion { clusters: clusters.ordered(&loose), loose }
}

impl<'g> Clusters<'g> {
    /// One cluster for the elementwise nodes that may run together, and one for each other node.
    fn of(g: &'g Graph, levels: &Levels) -> Clusters<'g> {
        /// The maximum number of nodes in a cluster of arrays, so that their registers stay in the L1 cache. Scalars
        /// have no registers, so their clusters are unlimited.
        const MOST: usize = 128;
        let mut sets = joined(g, levels);
        let mut clusters = Clusters { g, list: Vec::new(), of: vec![NONE; g.nodes.len()] };
        // The cluster of each set that still has room.
        let mut open = vec![NONE; g.nodes.len()];
        for id in g.ids().filter(|&id| g.node(id).def.is_computed()) {
            let next = clusters.list.len() as u32;
            if !g.is_elementwise(id) && !levels.is_small(id) {
                clusters.list.push(Some(Cluster::Single(id)));
                clusters.of[id as usize] = next;
                continue;
            }
            let scalars = levels.is_small(id) || g.is_number(id);
            let open = &mut open[sets.find(id) as usize];
            match clusters.list.get_mut(*open as usize) {
                Some(Some(Cluster::Scalars(nodes))) => nodes.push(id),
                Some(Some(Cluster::Elementwise(body))) if body.nodes.len() < MOST => body.nodes.push(id),
                _ => {
                    *open = next;
                    clusters.list.push(Some(match scalars {
                        true => Cluster::Scalars(vec![id]),
                        false => Cluster::Elementwise(Body { nodes: vec![id], ..Body::default() }),
                    }));
                }
            }
            clusters.of[id as usize] = *open;
        }
        clusters
    }

    fn cluster(&self, step: u32) -> Option<&Cluster> {
        self.list.get(step as usize)?.as_ref()
    }

    fn is_scalars(&self, step: u32) -> bool {
        matches!(self.cluster(step), Some(Cluster::Scalars(_)))
    }

    /// Who reads each node.
    fn readers(&self) -> Vec<Readers> {
        let mut readers = vec![Readers::None; self.of.len()];
        let mut add = |id: u32, step: u32| {
            let readers = &mut readers[id as usize];
            *readers = match *readers {
                Readers::None => Readers::One(step),
                Readers::One(other) if other == step => Readers::One(step),
                Readers::One(_) | Readers::Several => Readers::Several,
            };
        };
        for id in self.g.ids() {
            self.g.inputs(id).iter().for_each(|&input| add(input, self.of[id as usize]));
        }
        self.g.outputs.iter().for_each(|&id| add(id, NONE));
        readers
    }
}

/// The nodes that may run together: small ones of a level, and elementwise ones of a level and shape where one reads the
/// other or both read the same value.
fn joined(g: &Graph, levels: &Levels) -> Sets {
    let mut sets = Sets::new(g.nodes.len());
    let joins = |a: u32, b: u32| levels.at(a) == levels.at(b) && g.same_shape(a, b);
    let mut small: Map<u32, u32> = Map::default();
    // The elementwise reader of each value, of its shape, by level: others of that level join it.
    let mut readers: Map<[u32; 2], u32> = Map::default();
    for id in g.ids() {
        if levels.is_small(id) {
            sets.join(id, *small.entry(levels.at(id)).or_insert(id));
            continue;
        }
        if !g.is_elementwise(id) {
            continue;
        }
        for &input in g.inputs(id) {
            if g.is_elementwise(input) && !levels.is_small(input) && joins(id, input) {
                sets.join(id, input);
            }
            if matches!(g.node(input).def, Def::Const(_)) || !g.same_shape(id, input) {
                continue;
            }
            let other = *readers.entry([input, levels.at(id)]).or_insert(id);
            sets.join(id, other);
        }
    }
    sets
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
