//! The layout of one container: items in layers, by longest paths; placeholders on long edges; few crossings; positions close
//! to the neighbors'.

use super::{Inside, Item};
use std::collections::HashMap;

/// Distances between neighbors in a layer and between layers.
const BESIDE: f64 = 18.0;
const BELOW: f64 = 34.0;
/// The most placeholders of an edge that are looked at.
const SAMPLES: usize = 64;
/// How often the order and the positions follow the neighbors.
const SWEEPS: usize = 8;

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
pub(super) fn arrange(
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
pub(super) fn layers(count: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
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
