//! Nodes that join a cluster of elementwise nodes: the matrix product that it starts from, sums of its values, and
//! values that it reads among zeros.

use super::loose::{Loose, Part, is_placed};
use super::{Body, Cluster, Clusters, NONE, Readers, fold_unit};
use crate::op::Op;

impl Clusters<'_> {
    /// Moves matrix products into the cluster that alone reads them.
    pub(super) fn absorb_products(&mut self) {
        let readers = self.readers();
        for id in self.g.ids().rev() {
            let (Some(Op::MatMul { .. }), Readers::One(reader)) = (self.g.structured(id), readers[id as usize]) else {
                continue;
            };
            if !self.takes_product(reader, id) {
                continue;
            }
            let Some(Cluster::Elementwise(body)) = self.list[reader as usize].take() else {
                unreachable!("elementwise nodes take a product")
            };
            self.list[reader as usize] = Some(Cluster::Product { product: id, nodes: body.nodes });
            self.move_single(id, reader);
        }
    }

    fn takes_product(&self, step: u32, product: u32) -> bool {
        let Some(Cluster::Elementwise(body)) = self.cluster(step) else { return false };
        let [batch @ .., _, _] = &self.g.shape(product)[..] else { return false };
        self.g.same_shape(body.nodes[0], product) && batch.iter().all(|&d| d == 1)
    }

    /// Moves sums into the cluster that computes their input. All sums of a cluster are accumulated in units of one
    /// size.
    pub(super) fn absorb_sums(&mut self) {
        let g = self.g;
        for id in g.ids() {
            let Some(unit) = fold_unit(g, id) else { continue };
            let (input, own) = (g.inputs(id)[0], self.of[id as usize]);
            if !g.is_elementwise(input) || self.is_scalars(own) {
                continue;
            }
            let writer = self.of[input as usize];
            let Some(Cluster::Elementwise(body)) = &mut self.list[writer as usize] else { continue };
            if body.sums.iter().all(|&other| fold_unit(g, other) == Some(unit)) {
                body.sums.push(id);
                self.move_single(id, writer);
            }
        }
    }

    fn move_single(&mut self, id: u32, to: u32) {
        self.list[self.of[id as usize] as usize] = None;
        self.of[id as usize] = to;
    }

    /// Merges a cluster into its only reader if its values are read there as padded values at nearby positions. The
    /// terms that the derivative of a function of neighbors (`x[1..] - x[..n - 1]`) adds up are then never stored.
    pub(super) fn feed(&mut self, loose: &Loose) {
        let readers = self.readers();
        let mut pads: Vec<Vec<u32>> = vec![Vec::new(); self.list.len()];
        for id in self.g.ids().filter(|id| loose.contains_key(id) && self.of[*id as usize] != NONE) {
            pads[self.of[id as usize] as usize].push(id);
        }
        for (from, pads) in pads.iter().enumerate() {
            let Some(to) = self.fed(from as u32, pads, loose, &readers) else { continue };
            let Some(Cluster::Elementwise(source)) = self.list[from].take() else {
                unreachable!("only elementwise nodes are fed")
            };
            for &id in source.nodes.iter().chain(pads) {
                self.of[id as usize] = to;
            }
            if let Some(Cluster::Elementwise(body)) = &mut self.list[to as usize] {
                body.feed = source.nodes;
            }
        }
    }

    /// The cluster that a cluster can be merged into, given the padded values that are read of it.
    fn fed(&self, from: u32, pads: &[u32], loose: &Loose, readers: &[Readers]) -> Option<u32> {
        /// The maximum distance between the positions, which is the number of extra elements computed per block.
        const APART: usize = 64;
        let Readers::One(to) = readers[*pads.first()? as usize] else { return None };
        let plain = |step: u32| match self.cluster(step) {
            Some(Cluster::Elementwise(body)) if body.feed.is_empty() => Some(body),
            _ => None,
        };
        let (source, _) = (plain(from)?, plain(to)?);
        let (mut least, mut last) = (usize::MAX, 0);
        for &id in pads {
            let [Part { input, start, .. }] = loose[&id][..] else { return None };
            // A window holds a whole value. A slice of a padded value is not fed either: the slice itself is among the `pads`.
            if !is_placed(self.g, id) || source.nodes.binary_search(&input).is_err() {
                return None;
            }
            (least, last) = (least.min(start), last.max(start));
        }
        let inside =
            |id: &u32| matches!(readers[*id as usize], Readers::None) || readers[*id as usize] == Readers::One(from);
        let alone = pads.iter().all(|&id| readers[id as usize] == Readers::One(to)) && source.nodes.iter().all(inside);
        let Body { sums, .. } = source;
        (alone && sums.is_empty() && last <= least + APART).then_some(to)
    }
}
