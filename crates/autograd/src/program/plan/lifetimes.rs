//! Determines which values are views of others, and the step after which each value is dead.

use super::{NONE, Planner, members};
use crate::float::Float;
use crate::op::Op;
use crate::program::fuse::Cluster;
use crate::program::graph::Act;
use crate::tensor::Strides;
use crate::tensor::layout::{broadcast_strides, reshape_strides, row_major};

impl<T: Float> Planner<'_, T> {
    /// Determines which nodes are views, and of which nodes.
    pub(super) fn lay_out(&mut self, clusters: &[Cluster]) {
        for (id, node) in self.g.nodes.iter().enumerate() {
            let strides = match &node.value {
                Some(value) => value.strides().into(),
                None => row_major(self.g.shape(id as u32)),
            };
            self.strides[id] = Some(strides);
        }
        for id in clusters.iter().filter_map(|c| c.single) {
            let node = &self.g.nodes[id as usize];
            let (Act::Op(op), Some(&input)) = (&node.act, node.inputs.first()) else { continue };
            let (from, to) = (self.g.shape(input), self.g.shape(id));
            let old = self.strides[input as usize].as_ref().expect("set above");
            let view: Option<Strides> = match &**op {
                _ if to.contains(&0) || to.is_empty() => None,
                Op::Reshape { .. } => reshape_strides(from, old, to),
                Op::Expand { .. } => Some(broadcast_strides(from, old, to)),
                Op::Permute { order } => Some(order.iter().map(|&i| old[i]).collect()),
                Op::Slice { spans } => Some(spans.iter().zip(old).map(|(s, &stride)| s.stride(stride)).collect()),
                _ => None,
            };
            if let Some(view) = view {
                self.strides[id as usize] = Some(view);
                self.root[id as usize] = self.root[input as usize];
            }
        }
    }

    /// Determines the last read of each value.
    pub(super) fn find_ends(&mut self, clusters: &[Cluster]) {
        let mut step_of = vec![NONE; self.g.nodes.len()];
        for (k, cluster) in clusters.iter().enumerate() {
            members(cluster).for_each(|id| step_of[id as usize] = k as u32);
        }
        for (k, cluster) in clusters.iter().enumerate() {
            for id in members(cluster) {
                for &input in &self.g.nodes[id as usize].inputs {
                    let input = self.given(input);
                    if step_of[input as usize] != k as u32 {
                        self.outside[input as usize] = true;
                        self.last_read[input as usize] = k as u32;
                    }
                }
            }
        }
        // Reading a view reads the memory behind it.
        for id in 0..self.g.nodes.len() {
            let root = self.root[id] as usize;
            let (last, known) = (self.last_read[id], self.last_read[root]);
            if root != id && last != NONE {
                self.last_read[root] = if known == NONE { last } else { known.max(last) };
            }
        }
        let mut kept = vec![false; self.g.nodes.len()];
        for &id in self.g.outputs.iter().chain(self.state.iter().map(|(_, next)| next)) {
            self.outside[id as usize] = true;
            kept[id as usize] = true;
            kept[self.root[id as usize] as usize] = true;
        }
        // A user's op may fail in the middle of a run, and the state must survive that.
        let safe = self.g.rules.is_empty();
        for id in (0..self.g.nodes.len()).rev() {
            let state = self.state.iter().any(|&(input, _)| input as usize == id);
            let source = matches!(self.g.nodes[id].act, Act::Input | Act::Const) && !(state && safe);
            if kept[id] || source {
                self.last_read[id] = NONE;
            } else if self.last_read[id] != NONE {
                self.dies[self.last_read[id] as usize].push(id as u32);
            }
        }
    }
}
