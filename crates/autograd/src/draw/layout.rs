//! A layered layout: every value below those it is computed from, few crossings, short edges.
//!
//! Groups are laid out first, the innermost first, and each is then one large node of the group that contains it. Within a
//! group, an item's layer is the longest path to it; long edges run through placeholders, one per layer; the order within a
//! layer follows the mean position of the neighbors; and positions are those nearest to the neighbors' that keep the
//! distances, found by merging blocks that would overlap.

use super::Scene;
use std::collections::{BTreeMap, HashMap};

/// Distances between neighbors in a layer, between layers, and of a group's border from what is in it.
const BESIDE: f64 = 18.0;
const BELOW: f64 = 34.0;
const BORDER: f64 = 12.0;
/// The height of a group's label.
const LABEL: f64 = 20.0;
/// The most placeholders of an edge that are looked at, the most bends that it has, and how far it may be from where the
/// placeholders are.
const SAMPLES: usize = 64;
const BENDS: usize = 8;
const SLACK: f64 = 4.0;
/// How often the order and the positions follow the neighbors.
const SWEEPS: usize = 8;

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

/// A vertex of the layered graph: an item, or a placeholder (of no item) of a long edge.
struct Vertex {
    item: Option<Item>,
    layer: usize,
    size: [f64; 2],
    above: Vec<usize>,
    below: Vec<usize>,
    x: f64,
}

/// The layered graph of a container, with placeholders on long edges.
#[derive(Default)]
struct Layered {
    vertices: Vec<Vertex>,
    /// The placeholders below each vertex: one line for all its edges, from which the readers branch off.
    lines: HashMap<usize, Vec<usize>>,
}

impl Layered {
    fn add(&mut self, item: Option<Item>, layer: usize, size: [f64; 2]) -> usize {
        self.vertices.push(Vertex { item, layer, size, above: Vec::new(), below: Vec::new(), x: 0.0 });
        self.vertices.len() - 1
    }

    /// Adds an edge. Its placeholders are the first of the line's.
    fn connect(&mut self, a: usize, b: usize) {
        let long = self.length(a, b);
        let mut line = self.lines.remove(&a).unwrap_or_default();
        while line.len() < long {
            let from = line.last().copied().unwrap_or(a);
            let placeholder = self.add(None, self.vertices[a].layer + 1 + line.len(), [4.0, 0.0]);
            self.vertices[from].below.push(placeholder);
            self.vertices[placeholder].above.push(from);
            line.push(placeholder);
        }
        let from = if long == 0 { a } else { line[long - 1] };
        self.vertices[from].below.push(b);
        self.vertices[b].above.push(from);
        self.lines.insert(a, line);
    }

    /// The number of layers between two vertices.
    fn length(&self, a: usize, b: usize) -> usize {
        self.vertices[b].layer - self.vertices[a].layer - 1
    }
}

/// Lays out the items of a container, which are in the order of `last`.
fn arrange(
    items: &[Item],
    edges: &[(Item, Item)],
    last: &HashMap<Item, usize>,
    sizes: &HashMap<Item, [f64; 2]>,
) -> Inside {
    let mut number: HashMap<Item, usize> = items.iter().enumerate().map(|(k, &item)| (item, k)).collect();
    // Two groups may read each other's values: an edge back is drawn, but has no influence on the layers.
    let forward = |(a, b): &&(Item, Item)| matches!((last.get(a), last.get(b)), (Some(a), Some(b)) if a < b);
    let mut pairs: Vec<(usize, usize)> = edges.iter().filter(forward).map(|(a, b)| (number[a], number[b])).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let layers = layers(items.len(), &pairs);
    let bottom = layers.iter().copied().max().unwrap_or(0);
    let mut graph = Layered::default();
    for (item, &layer) in items.iter().zip(&layers) {
        graph.add(Some(*item), layer, sizes.get(item).copied().unwrap_or_default());
    }
    // What enters above the top layer, or leaves below the bottom layer, needs no way through the container.
    for &(a, b) in edges {
        let (end, inner, layer) = match (a, b) {
            (Item::Enter(_), item) if layers[number[&item]] > 0 => (a, item, 0),
            (item, Item::Leave(_)) if layers[number[&item]] < bottom => (b, item, bottom),
            _ => continue,
        };
        let inner = number[&inner];
        let end = *number.entry(end).or_insert_with(|| graph.add(Some(end), layer, [4.0, 0.0]));
        pairs.push(if layer == 0 { (end, inner) } else { (inner, end) });
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs.iter().for_each(|&(a, b)| graph.connect(a, b));
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); bottom + 1];
    graph.vertices.iter().enumerate().for_each(|(v, vertex)| rows[vertex.layer].push(v));
    order(&mut rows, &graph.vertices);
    position(&rows, &mut graph.vertices);
    placed(&graph, &rows, &pairs)
}

/// The places of the items and placeholders, from those of the vertices in their rows.
fn placed(graph: &Layered, rows: &[Vec<usize>], pairs: &[(usize, usize)]) -> Inside {
    let vertices = &graph.vertices;
    let edge = |side: f64| vertices.iter().map(move |v| v.x + side * v.size[0] / 2.0);
    let left = edge(-1.0).fold(f64::INFINITY, f64::min);
    let right = edge(1.0).fold(f64::NEG_INFINITY, f64::max);
    let mut bands: Vec<[f64; 2]> = Vec::with_capacity(rows.len());
    let mut y = 0.0;
    for row in rows {
        let height = row.iter().map(|&v| vertices[v].size[1]).fold(0.0, f64::max);
        bands.push([y, y + height]);
        y += height + BELOW;
    }
    let mut out = Inside { size: [(right - left).max(0.0), (y - BELOW).max(0.0)], ..Inside::default() };
    for vertex in vertices {
        let [top, bottom] = bands[vertex.layer];
        let slack = bottom - top - vertex.size[1];
        // Leaves stand at the bottom of their layer, close to their readers.
        let down = if vertex.above.is_empty() { slack } else { slack / 2.0 };
        if let Some(item) = vertex.item {
            out.places.insert(item, [vertex.x - left - vertex.size[0] / 2.0, top + down]);
        }
    }
    for &(a, b) in pairs {
        let (Some(from), Some(to)) = (vertices[a].item, vertices[b].item) else { continue };
        let through = |v: usize| bands[vertices[v].layer].map(|y| [vertices[v].x - left, y]);
        let line = graph.lines.get(&a).map_or(&[][..], |line| &line[..graph.length(a, b)]);
        let stride = line.len() / SAMPLES + 1;
        let mut bends: Vec<[f64; 2]> = line.iter().step_by(stride).flat_map(|&v| through(v)).collect();
        match (from, to) {
            (Item::Enter(_), _) => drop(bends.splice(0..0, through(a))),
            (_, Item::Leave(_)) => bends.extend(through(b)),
            _ => (),
        }
        out.bends.insert((from, to), bends);
    }
    out
}

/// The layer of each of the items: below all that it depends on; what depends on nothing stands right above its first reader.
fn layers(count: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let (mut layers, mut depends) = (vec![0; count], vec![false; count]);
    let mut by_reader = pairs.to_vec();
    by_reader.sort_unstable_by_key(|&(a, b)| (b, a));
    for &(a, b) in &by_reader {
        layers[b] = layers[b].max(layers[a] + 1);
        depends[b] = true;
    }
    let mut first: Vec<Option<usize>> = vec![None; count];
    for &(a, b) in pairs {
        first[a] = Some(first[a].map_or(layers[b], |layer: usize| layer.min(layers[b])));
    }
    for (a, first) in first.into_iter().enumerate().filter(|&(a, _)| !depends[a]) {
        layers[a] = first.map_or(0, |layer| layer - 1);
    }
    layers
}

/// Orders each row by the mean place of its vertices' neighbors, from the top down and back up.
fn order(rows: &mut [Vec<usize>], vertices: &[Vertex]) {
    let mut at = vec![0.0; vertices.len()];
    let place = |row: &[usize], at: &mut [f64]| row.iter().enumerate().for_each(|(k, &v)| at[v] = k as f64);
    rows.iter().for_each(|row| place(row, &mut at));
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let mut sorted = |row: &mut Vec<usize>| {
            let mean = |v: usize| {
                let near = if down { &vertices[v].above } else { &vertices[v].below };
                if near.is_empty() { at[v] } else { near.iter().map(|&n| at[n]).sum::<f64>() / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = row.iter().map(|&v| (mean(v), v)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *row = keyed.into_iter().map(|(_, v)| v).collect();
            place(row, &mut at);
        };
        if down { rows.iter_mut().for_each(&mut sorted) } else { rows.iter_mut().rev().for_each(&mut sorted) }
    }
}

/// Moves each row toward its neighbors, from the top down and back up.
fn position(rows: &[Vec<usize>], vertices: &mut [Vertex]) {
    for row in rows {
        spread(row, vertices, |_, _| 0.0);
    }
    for sweep in 0..2 * SWEEPS {
        let down = sweep % 2 == 0;
        let toward = |vertices: &[Vertex], v: usize| {
            let Vertex { above, below, x, .. } = &vertices[v];
            let near = match (down, above.is_empty(), below.is_empty()) {
                (true, false, _) | (_, _, true) => above,
                _ => below,
            };
            if near.is_empty() { *x } else { near.iter().map(|&n| vertices[n].x).sum::<f64>() / near.len() as f64 }
        };
        let mut step = |row: &Vec<usize>| spread(row, vertices, toward);
        if down { rows.iter().for_each(&mut step) } else { rows.iter().rev().for_each(&mut step) }
    }
}

/// Gives the vertices of a row the places nearest to the wanted ones (least squares) that keep their order and distances:
/// neighbors that would come too close become one block, at the mean of what its members want.
fn spread(row: &[usize], vertices: &mut [Vertex], wanted: impl Fn(&[Vertex], usize) -> f64) {
    // Distance of each vertex from the first, if all touch.
    let mut offsets = Vec::with_capacity(row.len());
    let mut offset = 0.0;
    for (k, &v) in row.iter().enumerate() {
        if k > 0 {
            offset += (vertices[row[k - 1]].size[0] + vertices[v].size[0]) / 2.0 + BESIDE;
        }
        offsets.push(offset);
    }
    // Blocks: the sum of weighted wishes, the weight, and the number of vertices.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (&v, offset) in row.iter().zip(&offsets) {
        let weight = if vertices[v].size[1] == 0.0 { 4.0 } else { 1.0 };
        blocks.push((weight * (wanted(vertices, v) - offset), weight, 1));
        while let [.., a, b] = blocks[..] {
            if a.0 / a.1 <= b.0 / b.1 {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            blocks.push((a.0 + b.0, a.1 + b.1, a.2 + b.2));
        }
    }
    let starts = blocks.iter().flat_map(|&(sum, weight, count)| std::iter::repeat_n(sum / weight, count));
    for ((&v, offset), start) in row.iter().zip(&offsets).zip(starts) {
        vertices[v].x = start + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Group, Link, Node};

    /// A graph of `count` nodes in `groups` groups, nested at random.
    fn random(count: usize, groups: usize, seed: u64) -> Scene {
        let mut state = seed;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut scene = Scene::default();
        for g in 0..groups {
            let parent = if g > 0 && below(2) == 0 { Some(below(g)) } else { None };
            scene.groups.push(Group { label: format!("group {g}"), parent });
        }
        for i in 0..count {
            let inputs = if i == 0 { 0 } else { below(4) };
            let links = (0..inputs).map(|_| Link { from: Some(below(i)), ..Link::default() }).collect();
            // Neighbors are often in one group, as layers are.
            let group = (groups > 0).then(|| (i * groups / count + below(2)).min(groups - 1));
            scene.nodes.push(Node { name: format!("#{i}"), links, group, ..Node::default() });
        }
        scene
    }

    fn overlap(a: &Place, b: &Place) -> bool {
        a.x + a.w > b.x + 0.01 && b.x + b.w > a.x + 0.01 && a.y + a.h > b.y + 0.01 && b.y + b.h > a.y + 0.01
    }

    fn holds(outer: &Place, inner: &Place) -> bool {
        let (right, bottom) = (outer.x + outer.w - inner.x - inner.w, outer.y + outer.h - inner.y - inner.h);
        inner.x >= outer.x && inner.y >= outer.y && right >= -0.01 && bottom >= -0.01
    }

    #[test]
    fn no_boxes_overlap_and_groups_hold_what_is_theirs() {
        for seed in 0..60 {
            let scene = random(3 + seed as usize, seed as usize % 6, seed);
            let sizes: Vec<[f64; 2]> = (0..scene.nodes.len()).map(|i| [40.0 + 13.0 * (i % 5) as f64, 30.0]).collect();
            let done = layout(&scene, &sizes);
            let within = |mut group: Option<usize>, g: usize| {
                while let Some(of) = group {
                    if of == g {
                        return true;
                    }
                    group = scene.groups[of].parent;
                }
                false
            };
            for (i, a) in done.nodes.iter().enumerate() {
                assert!(
                    a.x >= 0.0 && a.y >= 0.0 && a.x + a.w <= done.size[0] + 0.01 && a.y + a.h <= done.size[1] + 0.01
                );
                assert!(done.nodes[..i].iter().all(|b| !overlap(a, b)), "seed {seed}, node {i}");
                for (g, box_) in done.groups.iter().enumerate() {
                    let inside = within(scene.nodes[i].group, g);
                    assert!(
                        if inside { holds(box_, a) } else { !overlap(a, box_) },
                        "seed {seed}, node {i}, group {g}"
                    );
                }
            }
        }
    }

    #[test]
    fn values_stand_below_what_they_are_computed_from() {
        let scene = random(80, 0, 7);
        let done = layout(&scene, &vec![[50.0, 30.0]; 80]);
        for ((to, _, from), points) in scene.edges().zip(&done.edges) {
            assert!(done.nodes[to].y > done.nodes[from].y + 30.0);
            assert!(points.windows(2).all(|pair| pair[1][1] >= pair[0][1]), "edges run down: {points:?}");
        }
    }

    #[test]
    fn a_chain_is_straight() {
        let mut scene = random(1, 0, 0);
        for i in 1..20 {
            scene.nodes.push(Node { links: vec![Link { from: Some(i - 1), ..Link::default() }], ..Node::default() });
        }
        let done = layout(&scene, &vec![[50.0, 30.0]; 20]);
        assert!(done.nodes.iter().all(|place| (place.x - done.nodes[0].x).abs() < 1e-9));
    }

    #[test]
    fn layers_of_leaves_and_readers() {
        // 0 and 1 are leaves; 2 reads 0; 3 reads 2 and 1.
        assert_eq!(layers(4, &[(0, 2), (1, 3), (2, 3)]), [0, 1, 1, 2]);
        assert_eq!(layers(2, &[]), [0, 0]);
    }
}
