//! Which nodes are views of others, and the strides of all.

use super::fuse::Cluster;
use super::graph::Graph;
use crate::op::Op;
use crate::tensor::Strides;
use crate::tensor::layout::{broadcast_strides, is_contiguous, reshape_strides, row_major};

/// How the elements of each node lie in memory.
pub(super) struct Layouts {
    /// The node that owns each node's memory: itself, unless it is a view.
    root: Vec<u32>,
    strides: Vec<Strides>,
}

impl Layouts {
    pub(super) fn new(g: &Graph, clusters: &[Cluster]) -> Layouts {
        let mut layouts = Layouts { root: g.ids().collect(), strides: Vec::with_capacity(g.nodes.len()) };
        for id in g.ids() {
            layouts.strides.push(match g.constant(id) {
                Some(constant) => constant.strides.clone(),
                None => row_major(g.shape(id)),
            });
        }
        for cluster in clusters {
            if let Cluster::Single(id) = *cluster
                && let Some(strides) = layouts.view(g, id)
            {
                layouts.strides[id as usize] = strides;
                layouts.root[id as usize] = layouts.root(g.inputs(id)[0]);
            }
        }
        layouts
    }

    /// The strides of a node that is a view of its input.
    fn view(&self, g: &Graph, id: u32) -> Option<Strides> {
        let (op, &input) = (g.structured(id)?, g.inputs(id).first()?);
        let (from, to, old) = (g.shape(input), g.shape(id), &self.strides[input as usize]);
        if to.contains(&0) || to.is_empty() {
            return None;
        }
        match op {
            Op::Reshape { .. } => reshape_strides(from, old, to),
            Op::Expand { .. } => Some(broadcast_strides(from, old, to)),
            Op::Permute { order } => Some(order.iter().map(|&i| old[i]).collect()),
            Op::Slice { spans } => Some(spans.iter().zip(old).map(|(s, &stride)| s.stride(stride)).collect()),
            Op::Recurrent { .. } => Some(old.clone()),
            _ => None,
        }
    }

    pub(super) fn root(&self, id: u32) -> u32 {
        self.root[id as usize]
    }

    pub(super) fn is_view(&self, id: u32) -> bool {
        self.root(id) != id
    }

    pub(super) fn is_contiguous(&self, g: &Graph, id: u32) -> bool {
        is_contiguous(g.shape(id), &self.strides[id as usize])
    }
}
