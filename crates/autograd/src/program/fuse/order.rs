//! The order of the steps.

use super::loose::Loose;
use super::{Cluster, Clusters, NONE};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

impl Clusters<'_> {
    /// Orders the clusters by Kahn's algorithm; of the ready ones, the one whose last node was recorded first comes
    /// next.
    pub(super) fn ordered(mut self, loose: &Loose) -> Vec<Cluster> {
        let count = self.list.len();
        let mut waits = vec![0u32; count];
        let mut then: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut last = vec![0u32; count];
        for id in self.g.ids().filter(|id| !loose.contains_key(id)) {
            let step = self.of[id as usize];
            if step == NONE {
                continue;
            }
            last[step as usize] = id;
            let mut wait = |input: u32| {
                let from = self.of[input as usize];
                if from != NONE && from != step && then[from as usize].last() != Some(&step) {
                    then[from as usize].push(step);
                    waits[step as usize] += 1;
                }
            };
            for &input in self.g.inputs(id) {
                match loose.get(&input) {
                    Some(parts) => parts.iter().for_each(|part| wait(part.input)),
                    None => wait(input),
                }
            }
        }
        let mut queue = BinaryHeap::new();
        for step in (0..count).filter(|&step| waits[step] == 0) {
            queue.push(Reverse((last[step], step as u32)));
        }
        let (mut order, mut visited) = (Vec::new(), 0);
        while let Some(Reverse((_, step))) = queue.pop() {
            visited += 1;
            order.extend(self.list[step as usize].take());
            for &next in &then[step as usize] {
                waits[next as usize] -= 1;
                if waits[next as usize] == 0 {
                    queue.push(Reverse((last[next as usize], next)));
                }
            }
        }
        assert_eq!(visited, count, "levels form no cycle");
        order
    }
}
