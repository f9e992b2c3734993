//! The slots that values have at run time, and the blocks of memory behind them.

use super::NONE;
use crate::program::graph::{Def, Graph};
use std::collections::BTreeSet;

/// A slot for each node that has a value of its own at run time.
pub(super) struct Slots {
    of: Vec<u32>,
    /// For each slot, the block that its memory returns to when its value is dead.
    pub(super) homes: Vec<Option<u32>>,
    /// The slots of constants, with the constants.
    pub(super) constants: Vec<(u32, u32)>,
}

impl Slots {
    pub(super) fn new(g: &Graph) -> Slots {
        Slots { of: vec![NONE; g.nodes.len()], homes: Vec::new(), constants: Vec::new() }
    }

    /// The slot of a node, added if it has none.
    pub(super) fn of(&mut self, g: &Graph, id: u32) -> u32 {
        let slot = &mut self.of[id as usize];
        if *slot == NONE {
            *slot = self.homes.len() as u32;
            self.homes.push(None);
            if let Def::Const(number) = g.node(id).def {
                self.constants.push((*slot, number));
            }
        }
        *slot
    }

    /// The slot of a node, if it has one.
    pub(super) fn get(&self, id: u32) -> Option<u32> {
        Some(self.of[id as usize]).filter(|&slot| slot != NONE)
    }

    /// The block that the memory of a node returns to.
    pub(super) fn home(&self, id: u32) -> Option<u32> {
        self.homes[self.get(id)? as usize]
    }
}

/// All blocks of memory.
#[derive(Default)]
pub(super) struct Blocks {
    sizes: Vec<usize>,
    /// The blocks that are neither in use nor a state's, with their sizes.
    free: BTreeSet<(usize, u32)>,
}

impl Blocks {
    pub(super) fn add(&mut self, size: usize) -> u32 {
        self.sizes.push(size);
        self.sizes.len() as u32 - 1
    }

    /// The smallest free block that is large enough, otherwise the largest free one, enlarged.
    pub(super) fn take(&mut self, size: usize) -> u32 {
        let fits = self.free.range((size, 0)..).next();
        let Some(&found) = fits.or_else(|| self.free.last()) else { return self.add(size) };
        self.free.remove(&found);
        let (old, block) = found;
        self.sizes[block as usize] = old.max(size);
        block
    }

    pub(super) fn give(&mut self, block: u32) {
        self.free.insert((self.sizes[block as usize], block));
    }

    pub(super) fn into_sizes(self) -> Vec<usize> {
        self.sizes
    }
}
