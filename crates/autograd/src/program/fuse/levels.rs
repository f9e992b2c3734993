//! Roughly when each node runs. Along a path the level never decreases, and it increases whenever the path enters or
//! leaves a cluster. Clusters within one level therefore never wait for each other, and any of their nodes may be
//! joined.

use super::ROW;
use crate::op::{Fold, Op};
use crate::program::graph::{Def, Graph};

/// The level of each node, and which nodes are small.
pub(super) struct Levels {
    at: Vec<u32>,
    small: Vec<bool>,
}

impl Levels {
    /// Schedules each node as early as possible, then moves elementwise nodes to their readers where that saves memory.
    pub(super) fn of(g: &Graph) -> Levels {
        let mut levels = Levels { at: vec![0; g.nodes.len()], small: small(g) };
        for id in g.ids() {
            let elementwise = levels.is_small(id) || g.is_elementwise(id);
            let mut level = 0;
            for &input in g.inputs(id) {
                let source = elementwise && !g.node(input).def.is_computed();
                level = level.max(levels.at(input) + u32::from(!source && !levels.inside(g, id, input)));
            }
            levels.at[id as usize] = level;
        }
        levels.delay(g);
        levels
    }

    pub(super) fn at(&self, id: u32) -> u32 {
        self.at[id as usize]
    }

    /// Whether a node is a scalar or short row in a long recurrence.
    pub(super) fn is_small(&self, id: u32) -> bool {
        self.small[id as usize]
    }

    /// Whether a node and its input may be in one cluster.
    fn inside(&self, g: &Graph, id: u32, input: u32) -> bool {
        match (self.is_small(id), self.is_small(input)) {
            (true, true) => true,
            (false, false) => g.is_elementwise(id) && g.is_elementwise(input) && g.same_shape(id, input),
            _ => false,
        }
    }

    /// Delays elementwise nodes. Derivatives read values from much earlier: `2 x` is better computed where it is
    /// needed, from the `x` that is kept anyway, than stored in addition to it.
    fn delay(&mut self, g: &Graph) {
        let count = g.nodes.len();
        // The latest level that each value may move to.
        let mut latest = vec![u32::MAX; count];
        let mut uses = Uses { until: self.at.clone(), readers: vec![0; count] };
        // The last reader of each value that has been counted, so that an input that is given twice counts once.
        let mut counted = vec![u32::MAX; count];
        for id in g.ids() {
            for &input in g.inputs(id) {
                let i = input as usize;
                uses.until[i] = uses.until[i].max(self.at(id));
                uses.readers[i] += u32::from(std::mem::replace(&mut counted[i], id) != id);
            }
        }
        for &id in &g.outputs {
            (uses.until[id as usize], latest[id as usize]) = (u32::MAX, 0);
        }
        g.kept.iter().for_each(|&id| uses.until[id as usize] = u32::MAX);
        for id in g.ids().rev() {
            let goal = latest[id as usize];
            if g.is_elementwise(id) && !self.is_small(id) && goal != u32::MAX && goal > self.at(id) {
                let kept = size(g, id) * f64::from(goal - self.at(id));
                let inputs = g.inputs(id);
                let mut cost = 0.0;
                for (k, &input) in inputs.iter().enumerate() {
                    if !inputs[..k].contains(&input) {
                        cost += self.keeping(g, input, goal, &uses, 0);
                    }
                }
                if cost < kept {
                    self.at[id as usize] = goal;
                }
            }
            let at = self.at(id);
            for &input in g.inputs(id) {
                let i = input as usize;
                latest[i] = latest[i].min(at - u32::from(at > 0 && !self.inside(g, id, input)));
                uses.until[i] = uses.until[i].max(at);
            }
        }
    }

    /// The memory cost, in elements times levels, of having a value at a level, either by keeping it or by moving its
    /// computation there too.
    fn keeping(&self, g: &Graph, id: u32, goal: u32, uses: &Uses, depth: u32) -> f64 {
        const DEEPEST: u32 = 4;
        let levels = goal.saturating_sub(uses.until[id as usize]);
        if levels == 0 || !g.node(id).def.is_computed() {
            return 0.0;
        }
        let keep = size(g, id) * f64::from(levels);
        if !g.is_elementwise(id) || self.is_small(id) || uses.readers[id as usize] > 1 || depth == DEEPEST {
            return keep;
        }
        let mut moved = 0.0;
        for &input in g.inputs(id) {
            moved += self.keeping(g, input, goal, uses, depth + 1);
        }
        keep.min(moved)
    }
}

/// Who reads each value.
struct Uses {
    /// The last level that reads it.
    until: Vec<u32>,
    /// How many nodes read it.
    readers: Vec<u32>,
}

fn size(g: &Graph, id: u32) -> f64 {
    g.shape(id).iter().map(|&d| d as f64).product()
}

/// Which nodes are small: scalars and short rows that are elementwise or sums. In a long recurrence of them the cost is
/// the number of steps rather than memory, so they run as one step. If there are only few of them, no node counts as
/// small.
fn small(g: &Graph) -> Vec<bool> {
    const MANY: usize = 1024;
    let mut small = Vec::with_capacity(g.nodes.len());
    let mut rows = 0;
    for id in g.ids() {
        let (len, inputs) = (g.size(id), g.inputs(id));
        let elementwise = || len <= ROW && inputs.iter().all(|&i| g.size(i) == len || g.size(i) == 1);
        let is_small = match &g.node(id).def {
            Def::Input | Def::Const(_) => false,
            Def::Unary(_) | Def::Binary(_) => elementwise(),
            Def::Op(op) => match **op {
                Op::Select | Op::Reshape { .. } => elementwise(),
                Op::Reduce { fold: Fold::Sum, .. } => len == 1 && g.size(inputs[0]) <= ROW,
                _ => false,
            },
        };
        rows += usize::from(is_small && len > 1);
        small.push(is_small);
    }
    if rows < MANY || 2 * rows < g.nodes.len() {
        small.fill(false);
    }
    small
}
