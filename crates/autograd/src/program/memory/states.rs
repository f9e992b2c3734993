//! The values that a program passes from run to run.

use crate::program::graph::Graph;

/// Pairs the node of a state's current value, an input, with the node of its next value, an output.
pub(super) struct States {
    pairs: Vec<(u32, u32)>,
    current: Vec<bool>,
    next: Vec<bool>,
}

impl States {
    pub(super) fn new(g: &Graph, pairs: Vec<(u32, u32)>) -> States {
        let (mut current, mut next) = (vec![false; g.nodes.len()], vec![false; g.nodes.len()]);
        for &(now, then) in &pairs {
            (current[now as usize], next[then as usize]) = (true, true);
        }
        States { pairs, current, next }
    }

    pub(super) fn is_current(&self, id: u32) -> bool {
        self.current[id as usize]
    }

    pub(super) fn is_next(&self, id: u32) -> bool {
        self.next[id as usize]
    }

    /// The node of the current value of the state whose next value is `id`.
    pub(super) fn current_of(&self, id: u32) -> Option<u32> {
        self.pairs.iter().find(|(_, next)| *next == id).map(|&(now, _)| now)
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(super) fn all_current(&self) -> impl Iterator<Item = u32> + '_ {
        self.pairs.iter().map(|&(now, _)| now)
    }
}
