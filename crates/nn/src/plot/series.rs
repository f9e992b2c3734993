//! What a plot shows, before it has a place: values, points, the bars of histograms.

use super::sheet::Point;
use super::ticks::range;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// A curve over 1, 2, ….
    Epochs(Vec<f64>),
    Line(Vec<Point>),
    Dots(Vec<Point>),
    /// A histogram.
    Values(Vec<f64>),
    /// The class of each cell of a grid, in rows from the top.
    Regions {
        x: [f64; 2],
        y: [f64; 2],
        columns: usize,
        classes: Vec<usize>,
    },
}

impl Series {
    /// Its name, and what of it cannot be shown.
    pub(super) fn label(&self) -> String {
        let Mark::Values(values) = &self.mark else { return self.name.clone() };
        match values.iter().filter(|value| !value.is_finite()).count() {
            0 => self.name.clone(),
            lost => format!("{} ({lost} not finite)", self.name).trim_start().to_owned(),
        }
    }
}

impl Mark {
    /// Its values on an axis: those of its points, not the heights of its bars.
    pub(super) fn values(&self, axis: usize) -> Vec<f64> {
        match (self, axis) {
            (Mark::Epochs(values), 0) => (1..=values.len()).map(|i| i as f64).collect(),
            (Mark::Epochs(values), _) | (Mark::Values(values), 0) => values.clone(),
            (Mark::Values(_), _) => Vec::new(),
            (Mark::Line(points) | Mark::Dots(points), axis) => points.iter().map(|point| point[axis]).collect(),
            (Mark::Regions { x, .. }, 0) => x.to_vec(),
            (Mark::Regions { y, .. }, _) => y.to_vec(),
        }
    }

    /// The first value that has no logarithm, with its place counted from 1.
    pub(super) fn not_above_0(&self, axis: usize) -> Option<(usize, f64)> {
        self.values(axis).into_iter().enumerate().find(|(_, x)| *x <= 0.0 && x.is_finite()).map(|(i, x)| (i + 1, x))
    }

    pub(super) fn is_colored(&self) -> bool {
        !matches!(self, Mark::Regions { .. })
    }
}

/// A histogram: how many values lie between each pair of neighboring edges.
pub(super) struct Bars {
    pub(super) edges: Vec<f64>,
    pub(super) heights: Vec<f64>,
}

/// The bars of each series that is a histogram. All share the edges.
pub(super) fn bars(series: &[Series], log: bool, ends: Option<[f64; 2]>) -> Vec<Option<Bars>> {
    let values = |series: &Series| match &series.mark {
        Mark::Values(values) => Some(values.iter().copied().filter(|x| x.is_finite()).collect::<Vec<f64>>()),
        _ => None,
    };
    let all: Vec<Option<Vec<f64>>> = series.iter().map(values).collect();
    let [on, off]: [fn(f64) -> f64; 2] = if log { [f64::log10, |x| 10f64.powf(x)] } else { [|x| x, |x| x] };
    let largest = all.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let shown = all.iter().flatten().flatten().copied().filter(|x| ends.is_none_or(|[a, b]| (a..=b).contains(x)));
    let Some([low, high]) = range(shown.map(on)) else { return all.iter().map(|_| None).collect() };
    // A single value has a bar too.
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let count = bins(largest);
    let edge = |i: usize| off(low + (high - low) * (i as f64 / count as f64));
    let bars = |values: Vec<f64>| {
        let mut heights = vec![0.0; count];
        for value in values {
            let at = (on(value) - low) / (high - low) * count as f64;
            if (0.0..=count as f64).contains(&at) {
                heights[(at as usize).min(count - 1)] += 1.0;
            }
        }
        Bars { edges: (0..=count).map(edge).collect(), heights }
    };
    all.into_iter().map(|values| values.map(bars)).collect()
}

/// How many bars suit so many values: twice the cube root, as Rice University teaches.
fn bins(values: usize) -> usize {
    ((2.0 * (values as f64).cbrt()).ceil() as usize).clamp(5, 60)
}

/// The centers of a grid of cells, in rows from the top, and the number of columns.
pub(super) fn grid(x: [f64; 2], y: [f64; 2]) -> (usize, Vec<Point>) {
    const COLUMNS: usize = 216;
    const ROWS: usize = 126;
    let at = |ends: [f64; 2], i: usize, n: usize| ends[0] + (ends[1] - ends[0]) * (i as f64 + 0.5) / n as f64;
    let row = |row: usize| (0..COLUMNS).map(move |column| [at(x, column, COLUMNS), at(y, ROWS - 1 - row, ROWS)]);
    (COLUMNS, (0..ROWS).flat_map(row).collect())
}

/// The same curve to the eye, with at most four points per column of pixels: the first, the lowest, the highest and the
/// last, as long as x does not change.
pub(super) fn thinned(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let points: Vec<Point> = points.collect();
    let mut out = Vec::new();
    for column in points.chunk_by(|a, b| a[0].floor() == b[0].floor()) {
        if column.len() <= 4 {
            out.extend_from_slice(column);
            continue;
        }
        let extreme = |up: bool| {
            let better = |a: f64, b: f64| if up { a > b } else { a < b };
            (1..column.len()).fold(0, |best, i| if better(column[i][1], column[best][1]) { i } else { best })
        };
        let mut kept = [0, extreme(false), extreme(true), column.len() - 1];
        kept.sort_unstable();
        out.extend(kept.map(|i| column[i]));
    }
    out.dedup();
    out
}
