//! The contents of a plot before layout: values, points, the bars of histograms.

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
    /// Its name, and the number of values that cannot be shown.
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
    // On a logarithmic axis, the logarithms are counted.
    let on = |x: f64| if log { x.log10() } else { x };
    let off = |x: f64| if log { 10f64.powf(x) } else { x };
    let (mut shown, mut largest) = (Vec::new(), 0);
    for series in series {
        if let Mark::Values(values) = &series.mark {
            let inside = |x: &f64| ends.is_none_or(|[low, high]| (low..=high).contains(x));
            shown.extend(values.iter().filter(|x| inside(x)).map(|x| on(*x)));
            largest = values.len().max(largest);
        }
    }
    let Some([low, high]) = range(&shown) else { return series.iter().map(|_| None).collect() };
    // A single value has a bar too.
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let count = bins(largest);
    let edge = |i: usize| off(low + (high - low) * (i as f64 / count as f64));
    let bars = |series: &Series| {
        let Mark::Values(values) = &series.mark else { return None };
        let mut heights = vec![0.0; count];
        for value in values {
            let at = (on(*value) - low) / (high - low) * count as f64;
            if (0.0..=count as f64).contains(&at) {
                heights[(at as usize).min(count - 1)] += 1.0;
            }
        }
        Some(Bars { edges: (0..=count).map(edge).collect(), heights })
    };
    series.iter().map(bars).collect()
}

/// The number of bars for this many values: twice the cube root (the Rice rule).
fn bins(values: usize) -> usize {
    ((2.0 * (values as f64).cbrt()).ceil() as usize).clamp(5, 60)
}

/// The centers of a grid of cells, in rows from the top, and the number of columns.
pub(super) fn grid(x: [f64; 2], y: [f64; 2]) -> (usize, Vec<Point>) {
    const COLUMNS: usize = 216;
    const ROWS: usize = 126;
    let at = |ends: [f64; 2], i: usize, n: usize| ends[0] + (ends[1] - ends[0]) * (i as f64 + 0.5) / n as f64;
    let center = |i: usize| [at(x, i % COLUMNS, COLUMNS), at(y, ROWS - 1 - i / COLUMNS, ROWS)];
    (COLUMNS, (0..ROWS * COLUMNS).map(center).collect())
}

/// A visually identical curve with at most four points per column of pixels: the first, the lowest, the highest and the
/// last, as long as x does not change.
pub(super) fn thinned(points: &[Point]) -> Vec<Point> {
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
        let (low, high) = (extreme(false), extreme(true));
        for i in [0, low.min(high), low.max(high), column.len() - 1] {
            out.push(column[i]);
        }
    }
    out.dedup();
    out
}
