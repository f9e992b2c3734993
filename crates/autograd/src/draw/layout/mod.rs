//! A layered layout: every value below those it is computed from, few crossings, short edges.
//!
//! Groups are laid out first, the innermost first, and each is then one large node of the group that contains it. Within a
//! group, an item's layer is the longest path to it; long edges run through placeholders, one per layer; the order within a
//! layer follows the mean position of the neighbors; and positions are those nearest to the neighbors' that keep the
//! distances, found by merging blocks that would overlap.

mod layered;
#[cfg(test)]
mod tests;

use super::Scene;
use layered::arrange;
use std::collections::{BTreeMap, HashMap};

/// The distance of a group's border from what is in it, and the height of its label.
const BORDER: f64 = 12.0;
const LABEL: f64 = 20.0;
/// The most bends of an edge, and how far it may pass from where its placeholders are.
const BENDS: usize = 8;
const SLACK: f64 = 4.0;

/// A rectangle, by its upper left corner and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

/// Where everything is.
pub(super) struct Layout {
    pub(super) nodes: Vec<Place>,
    pub(super) groups: Vec<Place>,
    /// For each drawn edge of the scene, in order: the points from the input down to the node.
    pub(super) edges: Vec<Vec<[f64; 2]>>,
    pub(super) size: [f64; 2],
}

/// What a container lays out: nodes and groups by index, and where edges from a node outside enter it, or edges from a node
/// inside leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Item {
    Node(usize),
    Group(usize),
    Enter(usize),
    Leave(usize),
}

/// A part of an edge, between two items of one container.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    container: Option<usize>,
    from: Item,
    to: Item,
}

/// The layout of a container: where its items are, and the placeholders of its long edges, from its corner.
#[derive(Default)]
struct Inside {
    places: HashMap<Item, [f64; 2]>,
    bends: HashMap<(Item, Item), Vec<[f64; 2]>>,
    size: [f64; 2],
}

pub(super) fn layout(scene: &Scene, sizes: &[[f64; 2]]) -> Layout {
    let parent = |item: Item| match item {
        Item::Node(i) | Item::Enter(i) | Item::Leave(i) => scene.nodes[i].group,
        Item::Group(g) => scene.groups[g].parent,
    };
    let parts: Vec<Vec<Part>> = scene.edges().map(|(to, _, from)| parts(from, to, &parent)).collect();
    let mut last: HashMap<Item, usize> = HashMap::new();
    for i in 0..scene.nodes.len() {
        chain(i, &parent).into_iter().for_each(|item| _ = last.insert(item, i));
    }
    let mut sizes: HashMap<Item, [f64; 2]> = sizes.iter().enumerate().map(|(i, &s)| (Item::Node(i), s)).collect();
    let mut inside: BTreeMap<Option<usize>, Inside> = BTreeMap::new();
    for container in (0..scene.groups.len()).rev().map(Some).chain([None]) {
        let mut items: Vec<Item> = last.keys().copied().filter(|&item| parent(item) == container).collect();
        items.sort_by_key(|item| (last[item], *item));
        let parts = parts.iter().flatten().filter(|part| part.container == container);
        let mut done = arrange(&items, &parts.map(|part| (part.from, part.to)).collect::<Vec<_>>(), &last, &sizes);
        if let Some(g) = container {
            done.put_in_box(7.0 * super::text::width(&scene.groups[g].label) as f64);
            sizes.insert(Item::Group(g), done.size);
        }
        inside.insert(container, done);
    }
    // The corner of a container, after those that contain it.
    let mut corners: HashMap<Option<usize>, [f64; 2]> = HashMap::from([(None, [0.0, 0.0])]);
    let moved = |[x, y]: [f64; 2], [dx, dy]: [f64; 2]| [x + dx, y + dy];
    for (g, group) in scene.groups.iter().enumerate() {
        let at = inside[&group.parent].places.get(&Item::Group(g)).copied().unwrap_or_default();
        corners.insert(Some(g), moved(at, corners[&group.parent]));
    }
    let place = |item: Item| {
        let at = inside[&parent(item)].places.get(&item).copied().unwrap_or_default();
        let ([x, y], [w, h]) = (moved(at, corners[&parent(item)]), sizes.get(&item).copied().unwrap_or_default());
        Place { x, y, w, h }
    };
    let nodes: Vec<Place> = (0..scene.nodes.len()).map(|i| place(Item::Node(i))).collect();
    let bends = parts.iter().map(|parts| {
        let bends = |part: &Part| {
            let bends = inside[&part.container].bends.get(&(part.from, part.to)).into_iter().flatten();
            bends.map(|&at| moved(at, corners[&part.container])).collect::<Vec<_>>()
        };
        parts.iter().flat_map(bends).collect::<Vec<_>>()
    });
    let edges = joined(scene, &nodes, bends.collect());
    let groups = (0..scene.groups.len()).map(|g| place(Item::Group(g))).collect();
    Layout { nodes, groups, edges, size: inside[&None].size }
}

/// A node and the groups that contain it, from the inside out.
fn chain(node: usize, parent: &dyn Fn(Item) -> Option<usize>) -> Vec<Item> {
    std::iter::successors(Some(Item::Node(node)), |&item| parent(item).map(Item::Group)).collect()
}

/// The parts of an edge: out of each container that the reader is not in, across the innermost that both are in, and into
/// each that the input is not in.
fn parts(from: usize, to: usize, parent: &dyn Fn(Item) -> Option<usize>) -> Vec<Part> {
    let (mut out, mut into) = (chain(from, parent), chain(to, parent));
    while out.len() > 1 && into.len() > 1 && out.last() == into.last() {
        out.pop();
        into.pop();
    }
    let (across, leaving) = (out.pop().unwrap_or(Item::Node(from)), out);
    let (arriving, entering) = (into.pop().unwrap_or(Item::Node(to)), into);
    let part = |item: Item, from: Item, to: Item| Part { container: parent(item), from, to };
    let leave = leaving.into_iter().map(|item| part(item, item, Item::Leave(from)));
    let enter = entering.into_iter().rev().map(|item| part(item, Item::Enter(from), item));
    leave.chain([part(across, across, arriving)]).chain(enter).collect()
}

impl Inside {
    /// Makes room for the border of a group and for its label.
    fn put_in_box(&mut self, label: f64) {
        let wider = (label - self.size[0]).max(0.0) / 2.0;
        let shift = |[x, y]: &mut [f64; 2]| (*x, *y) = (*x + BORDER + wider, *y + BORDER + LABEL);
        self.places.values_mut().for_each(shift);
        self.bends.values_mut().flatten().for_each(shift);
        self.size = [self.size[0] + 2.0 * (BORDER + wider), self.size[1] + 2.0 * BORDER + LABEL];
    }
}

/// The edges with their ends: each leaves its input at the bottom, and those that enter a node are spread over its top.
fn joined(scene: &Scene, nodes: &[Place], mut bends: Vec<Vec<[f64; 2]>>) -> Vec<Vec<[f64; 2]>> {
    let ends: Vec<(usize, usize)> = scene.edges().map(|(to, _, from)| (to, from)).collect();
    let middle = |place: Place| place.x + place.w / 2.0;
    let mut entering: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    ends.iter().enumerate().for_each(|(edge, &(to, _))| entering[to].push(edge));
    for (to, mut edges) in entering.into_iter().enumerate() {
        let from = |edge: usize| bends[edge].last().map_or_else(|| middle(nodes[ends[edge].1]), |bend| bend[0]);
        edges.sort_by(|&a, &b| from(a).total_cmp(&from(b)));
        let (count, place) = (edges.len() as f64, nodes[to]);
        let apart = (place.w / (count + 1.0)).min(24.0);
        for (k, edge) in edges.into_iter().enumerate() {
            let source = nodes[ends[edge].1];
            bends[edge].insert(0, [middle(source), source.y + source.h]);
            bends[edge].push([middle(place) + (k as f64 - (count - 1.0) / 2.0) * apart, place.y]);
            simplify(&mut bends[edge]);
        }
    }
    bends
}

/// Removes the bends that matter least: those beside which the line passes closely, and those that are too many.
fn simplify(points: &mut Vec<[f64; 2]>) {
    let off = |points: &[[f64; 2]], k: usize| {
        let [[x0, y0], [x, y], [x1, y1]] = [points[k - 1], points[k], points[k + 1]];
        let along = if y1 > y0 { (y - y0) / (y1 - y0) } else { 0.5 };
        (x - x0 - along * (x1 - x0)).abs()
    };
    while points.len() > 2 {
        let (least, at) = (1..points.len() - 1)
            .map(|k| (off(points, k), k))
            .fold((f64::INFINITY, 1), |best, other| if other.0 < best.0 { other } else { best });
        if least > SLACK && points.len() <= BENDS + 2 {
            break;
        }
        points.remove(at);
    }
}
