//! When values die: the step after which nothing reads a node or its memory.

use super::NONE;
use super::states::States;
use crate::op::Op;
use crate::program::fuse::Fusion;
use crate::program::graph::Graph;
use crate::program::integers::may_fail;
use crate::program::layouts::Layouts;
use crate::tape::Inputs;

/// The last read of each node.
pub(super) struct Lifetimes {
    /// Whether a step other than its own, or the caller, reads a node.
    outside: Vec<bool>,
    /// The last step that reads each node or its memory.
    last_read: Vec<u32>,
    /// Nodes by the step after which they are dead.
    dies: Vec<Inputs>,
}

impl Lifetimes {
    pub(super) fn new(g: &Graph, fusion: &Fusion, layouts: &Layouts, states: &States) -> Lifetimes {
        let count = g.nodes.len();
        let mut lifetimes = Lifetimes {
            outside: vec![false; count],
            last_read: vec![NONE; count],
            dies: vec![Inputs::new(); fusion.clusters.len()],
        };
        lifetimes.find_last_reads(g, fusion);
        lifetimes.share(g, layouts);
        lifetimes.find_ends(g, layouts, states);
        lifetimes
    }

    /// Whether a step other than its own, or the caller, reads a node.
    pub(super) fn is_read_outside(&self, id: u32) -> bool {
        self.outside[id as usize]
    }

    pub(super) fn is_last_read(&self, id: u32, step: u32) -> bool {
        self.last_read[id as usize] == step
    }

    /// The nodes that are dead after a step.
    pub(super) fn dead_after(&self, step: u32) -> &[u32] {
        &self.dies[step as usize]
    }

    fn find_last_reads(&mut self, g: &Graph, fusion: &Fusion) {
        let mut step_of = vec![NONE; g.nodes.len()];
        for (k, cluster) in fusion.clusters.iter().enumerate() {
            cluster.members().for_each(|id| step_of[id as usize] = k as u32);
        }
        for (k, cluster) in fusion.clusters.iter().enumerate() {
            for id in cluster.members() {
                fusion.for_given(g.inputs(id), &mut |input| {
                    let input = input as usize;
                    if step_of[input] != k as u32 {
                        self.outside[input] = true;
                        self.last_read[input] = k as u32;
                    }
                });
            }
        }
    }

    /// Reading a view reads the memory behind it.
    fn share(&mut self, g: &Graph, layouts: &Layouts) {
        for id in g.ids().filter(|&id| layouts.is_view(id)) {
            let last = self.last_read[id as usize];
            let known = &mut self.last_read[layouts.root(id) as usize];
            if last != NONE {
                *known = if *known == NONE { last } else { last.max(*known) };
            }
        }
    }

    fn find_ends(&mut self, g: &Graph, layouts: &Layouts, states: &States) {
        let mut kept = vec![false; g.nodes.len()];
        for &id in &g.outputs {
            self.outside[id as usize] = true;
            kept[id as usize] = true;
            kept[layouts.root(id) as usize] = true;
        }
        // A user's op or an index may fail in the middle of a run, and the state must survive that.
        let safe = !g.ids().any(|id| matches!(g.structured(id), Some(Op::Custom { .. }))) && !may_fail(g);
        for id in g.ids().rev() {
            let last = &mut self.last_read[id as usize];
            let mortal = g.node(id).def.is_computed() || safe && states.is_current(id);
            if kept[id as usize] || !mortal {
                *last = NONE;
            } else if *last != NONE {
                self.dies[*last as usize].push(id);
            }
        }
    }
}
