//! The layout of one container: items in layers, by longest paths; placeholders on long edges; few crossings; positions close
//! to the neighbors'.

use super::End;
use crate::draw::ranked;

/// Distances between neighbors in a layer and between layers.
const BESIDE: f64 = 18.0;
const BELOW: f64 = 34.0;
/// The maximum number of placeholders of an edge that are considered.
const SAMPLES: usize = 64;
/// The number of iterations that adjust the order and the positions to the neighbors.
const SWEEPS: usize = 8;

/// The layout of a container, from its corner.
pub(super) struct Arranged {
    /// The corner of each item.
    pub(super) places: Vec<[f64; 2]>,
    /// The points that each edge passes through.
    pub(super) bends: Vec<Vec<[f64; 2]>>,
    pub(super) size: [f64; 2],
}

/// A vertex of the layered graph: an item, the end of an edge at the border, or a placeholder of a long edge.
struct Vertex {
    layer: usize,
    size: [f64; 2],
    above: Vec<usize>,
    below: Vec<usize>,
    /// The placeholders below it: one line for all its edges, from which the readers branch off.
    line: Vec<usize>,
    x: f64,
}

/// The layered graph of a container. The items come first.
#[derive(Default)]
struct Layered {
    vertices: Vec<Vertex>,
    /// The vertices of the ends at the border.
    border: Vec<(End, usize)>,
}

/// The size of what an edge passes through.
const THIN: [f64; 2] = [4.0, 0.0];

impl Layered {
    fn add(&mut self, layer: usize, size: [f64; 2]) -> usize {
        self.vertices.push(Vertex { layer, size, above: Vec::new(), below: Vec::new(), line: Vec::new(), x: 0.0 });
        self.vertices.len() - 1
    }

    /// The vertex of an end, if it has one.
    fn vertex(&self, end: End) -> Option<usize> {
        match end {
            End::Item(number) => Some(number),
            _ => self.border.iter().find(|(at, _)| *at == end).map(|&(_, vertex)| vertex),
        }
    }

    /// Adds an edge. Its placeholders are the first of the line's.
    fn connect(&mut self, a: usize, b: usize) {
        let long = self.length(a, b);
        while self.vertices[a].line.len() < long {
            let from = self.vertices[a].line.last().copied().unwrap_or(a);
            let placeholder = self.add(self.vertices[from].layer + 1, THIN);
            self.vertices[from].below.push(placeholder);
            self.vertices[placeholder].above.push(from);
            self.vertices[a].line.push(placeholder);
        }
        let from = if long == 0 { a } else { self.vertices[a].line[long - 1] };
        self.vertices[from].below.push(b);
        self.vertices[b].above.push(from);
    }

    /// The number of layers between two vertices.
    fn length(&self, a: usize, b: usize) -> usize {
        self.vertices[b].layer - self.vertices[a].layer - 1
    }
}

/// Lays out the items of a container. An edge between two items runs from the lower number to the higher: two groups may
/// read each other's values; then an edge in the other direction is drawn, but does not influence the layers.
pub(super) fn arrange(sizes: &[[f64; 2]], edges: &[(End, End)]) -> Arranged {
    let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(edges.len());
    for edge in edges {
        if let (End::Item(a), End::Item(b)) = *edge
            && a < b
        {
            pairs.push((a, b));
        }
    }
    unique(&mut pairs);
    let layers = layers(sizes.len(), &pairs);
    let bottom = layers.iter().fold(0, |most, &layer| layer.max(most));
    let mut graph = Layered::default();
    for (&size, &layer) in sizes.iter().zip(&layers) {
        graph.add(layer, size);
    }
    // Edges that enter above the top layer, or leave below the bottom layer, need no path through the container.
    for &edge in edges {
        let (end, layer) = match edge {
            (end @ End::Enter(_), End::Item(item)) if layers[item] > 0 => (end, 0),
            (End::Item(item), end @ End::Leave(_)) if layers[item] < bottom => (end, bottom),
            _ => continue,
        };
        if graph.vertex(end).is_none() {
            let vertex = graph.add(layer, THIN);
            graph.border.push((end, vertex));
        }
        if let (Some(a), Some(b)) = (graph.vertex(edge.0), graph.vertex(edge.1)) {
            pairs.push((a, b));
        }
    }
    unique(&mut pairs);
    for &(a, b) in &pairs {
        graph.connect(a, b);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); bottom + 1];
    graph.vertices.iter().enumerate().for_each(|(v, vertex)| rows[vertex.layer].push(v));
    order(&mut rows, &graph.vertices);
    position(&rows, &mut graph.vertices);
    placed(&graph, &rows, sizes.len(), edges)
}

fn unique(pairs: &mut Vec<(usize, usize)>) {
    pairs.sort_unstable();
    pairs.dedup();
}

/// The places of the items and of the bends, from those of the vertices in their rows.
fn placed(graph: &Layered, rows: &[Vec<usize>], items: usize, edges: &[(End, End)]) -> Arranged {
    let vertices = &graph.vertices;
    let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
    for vertex in vertices {
        left = left.min(vertex.x - vertex.size[0] / 2.0);
        right = right.max(vertex.x + vertex.size[0] / 2.0);
    }
    let mut bands: Vec<[f64; 2]> = Vec::with_capacity(rows.len());
    let mut y = 0.0;
    for row in rows {
        let height = row.iter().fold(0.0, |most: f64, &v| most.max(vertices[v].size[1]));
        bands.push([y, y + height]);
        y += height + BELOW;
    }
    let mut places = Vec::with_capacity(items);
    for vertex in &vertices[..items] {
        let [top, bottom] = bands[vertex.layer];
        let slack = bottom - top - vertex.size[1];
        // Leaves stand at the bottom of their layer, close to their readers.
        let down = if vertex.above.is_empty() { slack } else { slack / 2.0 };
        places.push([vertex.x - left - vertex.size[0] / 2.0, top + down]);
    }
    let mut bends = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let mut points = Vec::new();
        if let (Some(a), Some(b)) = (graph.vertex(from), graph.vertex(to))
            && vertices[a].layer < vertices[b].layer
        {
            let line = &vertices[a].line[..graph.length(a, b)];
            let ends = [Some(a).filter(|&a| a >= items), Some(b).filter(|&b| b >= items)];
            let through = line.iter().step_by(line.len() / SAMPLES + 1).copied();
            for v in ends[0].into_iter().chain(through).chain(ends[1]) {
                points.extend(bands[vertices[v].layer].map(|y| [vertices[v].x - left, y]));
            }
        }
        bends.push(points);
    }
    Arranged { places, bends, size: [(right - left).max(0.0), (y - BELOW).max(0.0)] }
}

/// The layer of each item: below all items that it depends on. An item that depends on nothing is placed right above its
/// first reader.
pub(super) fn layers(count: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let (mut layers, mut depends) = (vec![0; count], vec![false; count]);
    let mut inputs: Vec<Vec<usize>> = vec![Vec::new(); count];
    pairs.iter().for_each(|&(a, b)| inputs[b].push(a));
    for (b, inputs) in inputs.iter().enumerate() {
        for &a in inputs {
            layers[b] = layers[b].max(layers[a] + 1);
            depends[b] = true;
        }
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
            let means: Vec<f64> = row.iter().map(|&v| mean(v)).collect();
            *row = ranked(&means).into_iter().map(|k| row[k]).collect();
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
/// neighbors that would be too close become one block, at the mean of the positions wanted by its members.
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
        let weight = if vertices[v].size == THIN { 4.0 } else { 1.0 };
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
