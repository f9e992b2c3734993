//! A layered layout: every value below those it is computed from, few crossings, short edges.
//!
//! Groups are laid out first, the innermost first, and each is then one large node of the group that contains it. Within a
//! group, an item's layer is the longest path to it; long edges run through placeholders, one per layer; the order within a
//! layer follows the mean position of the neighbors; and positions are those nearest to the neighbors' that keep the
//! distances, found by merging blocks that would overlap.

mod layered;
#[cfg(test)]
mod tests;

use super::{Scene, ranked};
use layered::{Arranged, arrange};

/// The distance of a group's border from what is in it, and the height of its label.
const BORDER: f64 = 12.0;
const LABEL: f64 = 20.0;
/// The maximum number of bends of an edge, and how far it may deviate from its placeholders.
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

/// The positions of all parts of the picture.
pub(super) struct Layout {
    pub(super) nodes: Vec<Place>,
    pub(super) groups: Vec<Place>,
    /// For each drawn edge of the scene, in order: the points from the input down to the node.
    pub(super) edges: Vec<Vec<[f64; 2]>>,
    pub(super) size: [f64; 2],
}

/// An item that a container lays out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Node(usize),
    Group(usize),
}

/// Where a part of an edge ends: at an item of its container, by number, or at its border, on the way from a node outside
/// or to one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Item(usize),
    Enter(usize),
    Leave(usize),
}

/// A part of an edge, within one container.
struct Part {
    edge: usize,
    container: Option<usize>,
    from: End,
    to: End,
}

/// The containers: the groups, and the picture as a whole.
struct Containers<'s> {
    scene: &'s Scene,
    /// The items of the picture, then those of each group, in the order of the last node in each.
    items: Vec<Vec<Item>>,
    /// The number of each node and of each group within its container.
    nodes: Vec<usize>,
    groups: Vec<usize>,
}

impl<'s> Containers<'s> {
    fn new(scene: &'s Scene) -> Self {
        let mut items: Vec<Vec<Item>> = vec![Vec::new(); scene.groups.len() + 1];
        let mut seen = vec![false; scene.groups.len()];
        for (i, node) in scene.nodes.iter().enumerate().rev() {
            items[slot(node.group)].push(Item::Node(i));
            let mut group = node.group;
            while let Some(g) = group.filter(|&g| !std::mem::replace(&mut seen[g], true)) {
                group = scene.groups[g].parent;
                items[slot(group)].push(Item::Group(g));
            }
        }
        let (mut nodes, mut groups) = (vec![0; scene.nodes.len()], vec![0; scene.groups.len()]);
        for items in &mut items {
            items.reverse();
            for (number, item) in items.iter().enumerate() {
                match *item {
                    Item::Node(i) => nodes[i] = number,
                    Item::Group(g) => groups[g] = number,
                }
            }
        }
        Containers { scene, items, nodes, groups }
    }

    /// The containers of a node, from the inside out, each with the number of what the node is in.
    fn chain(&self, node: usize) -> Vec<(Option<usize>, usize)> {
        let mut chain = vec![(self.scene.nodes[node].group, self.nodes[node])];
        while let (Some(g), _) = chain[chain.len() - 1] {
            chain.push((self.scene.groups[g].parent, self.groups[g]));
        }
        chain
    }

    /// The parts of an edge: out of each container that the reader is not in, across the innermost that both are in, and
    /// into each that the input is not in.
    fn parts(&self, edge: usize, from: usize, to: usize, parts: &mut Vec<Part>) {
        let (mut out, mut into) = (self.chain(from), self.chain(to));
        while out.len() > 1 && into.len() > 1 && out.last() == into.last() {
            out.pop();
            into.pop();
        }
        let (Some((container, a)), Some((_, b))) = (out.pop(), into.pop()) else { return };
        for (container, number) in out {
            parts.push(Part { edge, container, from: End::Item(number), to: End::Leave(from) });
        }
        parts.push(Part { edge, container, from: End::Item(a), to: End::Item(b) });
        for (container, number) in into.into_iter().rev() {
            parts.push(Part { edge, container, from: End::Enter(from), to: End::Item(number) });
        }
    }
}

/// The place of a container in a list of all.
fn slot(container: Option<usize>) -> usize {
    container.map_or(0, |g| g + 1)
}

pub(super) fn layout(scene: &Scene, sizes: &[[f64; 2]]) -> Layout {
    let containers = Containers::new(scene);
    let mut parts = Vec::new();
    for (edge, (to, _, from)) in scene.edges().enumerate() {
        containers.parts(edge, from, to, &mut parts);
    }
    let mut nodes: Vec<Place> = sizes.iter().map(|&[w, h]| Place { w, h, ..Place::default() }).collect();
    let mut groups = vec![Place::default(); scene.groups.len()];
    let mut bends: Vec<Vec<[f64; 2]>> = Vec::new();
    bends.resize_with(parts.len(), Vec::new);
    let mut size = [0.0, 0.0];
    for container in (0..scene.groups.len()).rev().map(Some).chain([None]) {
        let items = &containers.items[slot(container)];
        let mut sizes = Vec::with_capacity(items.len());
        for item in items {
            let Place { w, h, .. } = place(*item, &mut nodes, &mut groups);
            sizes.push([*w, *h]);
        }
        let (mut ends, mut of) = (Vec::new(), Vec::new());
        for (k, part) in parts.iter().enumerate().filter(|(_, part)| part.container == container) {
            ends.push((part.from, part.to));
            of.push(k);
        }
        let mut done = arrange(&sizes, &ends);
        if let Some(g) = container {
            done.put_in_box(7.0 * super::text::width(&scene.groups[g].label) as f64);
            [groups[g].w, groups[g].h] = done.size;
        }
        for (item, at) in items.iter().zip(done.places) {
            let place = place(*item, &mut nodes, &mut groups);
            [place.x, place.y] = at;
        }
        of.into_iter().zip(done.bends).for_each(|(k, points)| bends[k] = points);
        size = done.size;
    }
    // So far, everything is placed from the corner of its container.
    for g in 0..scene.groups.len() {
        let [x, y] = corner(scene.groups[g].parent, &groups);
        groups[g].x += x;
        groups[g].y += y;
    }
    for (place, node) in nodes.iter_mut().zip(&scene.nodes) {
        let [x, y] = corner(node.group, &groups);
        place.x += x;
        place.y += y;
    }
    let mut edges: Vec<Vec<[f64; 2]>> = Vec::new();
    edges.resize_with(scene.edges().count(), Vec::new);
    for (part, points) in parts.iter().zip(bends) {
        let [x, y] = corner(part.container, &groups);
        for point in points {
            edges[part.edge].push([point[0] + x, point[1] + y]);
        }
    }
    join(scene, &nodes, &mut edges);
    Layout { nodes, groups, edges, size }
}

fn place<'p>(item: Item, nodes: &'p mut [Place], groups: &'p mut [Place]) -> &'p mut Place {
    match item {
        Item::Node(i) => &mut nodes[i],
        Item::Group(g) => &mut groups[g],
    }
}

fn corner(container: Option<usize>, groups: &[Place]) -> [f64; 2] {
    container.map_or([0.0, 0.0], |g| [groups[g].x, groups[g].y])
}

impl Arranged {
    /// Makes room for the border of a group and for its label.
    fn put_in_box(&mut self, label: f64) {
        let wider = (label - self.size[0]).max(0.0) / 2.0;
        for [x, y] in self.places.iter_mut().chain(self.bends.iter_mut().flatten()) {
            (*x, *y) = (*x + BORDER + wider, *y + BORDER + LABEL);
        }
        self.size = [self.size[0] + 2.0 * (BORDER + wider), self.size[1] + 2.0 * BORDER + LABEL];
    }
}

/// Adds their ends to the edges: each leaves its input at the bottom, and those that enter a node are spread over its top.
fn join(scene: &Scene, nodes: &[Place], edges: &mut [Vec<[f64; 2]>]) {
    let middle = |place: Place| place.x + place.w / 2.0;
    let mut entering: Vec<Vec<(usize, usize)>> = vec![Vec::new(); nodes.len()];
    scene.edges().enumerate().for_each(|(edge, (to, _, from))| entering[to].push((edge, from)));
    for (place, entering) in nodes.iter().zip(entering) {
        let mut from = Vec::with_capacity(entering.len());
        for &(edge, input) in &entering {
            from.push(edges[edge].last().map_or_else(|| middle(nodes[input]), |bend| bend[0]));
        }
        let count = entering.len() as f64;
        let apart = (place.w / (count + 1.0)).min(24.0);
        for (k, at) in ranked(&from).into_iter().enumerate() {
            let ((edge, input), x) = (entering[at], middle(*place) + (k as f64 - (count - 1.0) / 2.0) * apart);
            edges[edge].insert(0, [middle(nodes[input]), nodes[input].y + nodes[input].h]);
            edges[edge].push([x, place.y]);
            simplify(&mut edges[edge]);
        }
    }
}

/// Removes the least important bends: those close to the straight line, and those beyond the maximum number.
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
