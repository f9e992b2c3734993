//! [`Panels`]: small plots side by side, to be compared.

use super::sheet::{Point, Sheet};
use super::ticks::range;
use super::{Figure, Plot, PlotError};

/// Small plots side by side, such as a histogram for each layer.
///
/// ```
/// use nn::plot::{Figure, Panels, Plot};
/// let panels = Panels::new("Activations").shared_x();
/// let panels = panels.panel(Plot::new("layer 1").histogram("", [-0.9, 0.1, 0.8]));
/// let panels = panels.panel(Plot::new("layer 2").histogram("", [-0.1, 0.1, 0.2]));
/// assert!(panels.svg().contains(">layer 2</text>"));
/// let stacked = panels.shared_y().across(1);
/// assert!(stacked.len() == 2 && !stacked.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    title: String,
    plots: Vec<Plot>,
    across: Option<usize>,
    /// Whether the plots have the same x and y axis.
    shared: [bool; 2],
}

const WIDTH: f64 = 800.0;
const APART: f64 = 4.0;

impl Panels {
    /// No plots yet.
    pub fn new(title: impl Into<String>) -> Self {
        Panels { title: title.into(), plots: Vec::new(), across: None, shared: [false; 2] }
    }

    /// Adds a plot.
    pub fn panel(mut self, plot: Plot) -> Self {
        self.plots.push(plot);
        self
    }

    /// How many plots there are.
    pub fn len(&self) -> usize {
        self.plots.len()
    }

    /// Whether there are no plots.
    pub fn is_empty(&self) -> bool {
        self.plots.is_empty()
    }

    /// Sets how many plots are side by side. Defaults to 2 for up to four plots, and to 3 for more.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn across(self, plots: usize) -> Self {
        assert!(plots > 0, "Panels: across must be at least 1");
        Panels { across: Some(plots), ..self }
    }

    /// Gives all plots the same x axis.
    pub fn shared_x(self) -> Self {
        Panels { shared: [true, self.shared[1]], ..self }
    }

    /// Gives all plots the same y axis.
    pub fn shared_y(self) -> Self {
        Panels { shared: [self.shared[0], true], ..self }
    }

    fn side_by_side(&self) -> usize {
        let default = if self.plots.len() <= 4 { 2 } else { 3 };
        self.across.unwrap_or(default).min(self.plots.len().max(1))
    }

    fn rows(&self) -> usize {
        self.plots.len().div_ceil(self.side_by_side())
    }

    /// The common range of an axis, if it is shared.
    fn common(&self, axis: usize) -> Option<[f64; 2]> {
        let mut all = Vec::new();
        for ends in self.plots.iter().filter_map(|plot| plot.ends[axis].or_else(|| plot.range(axis))) {
            all.extend(ends);
        }
        let [low, high] = range(&all).filter(|_| self.shared[axis])?;
        (high > low).then_some([low, high])
    }
}

impl Figure for Panels {
    fn name(&self) -> &str {
        &self.title
    }

    fn natural(&self) -> Point {
        let wide = WIDTH / self.side_by_side() as f64;
        [WIDTH, 42.0 + self.rows() as f64 * (0.62 * wide).max(170.0)]
    }

    fn sheet(&self, size: Point) -> Result<Sheet, PlotError> {
        let mut sheet = Sheet::new(size);
        let mut top = sheet.title(&self.title);
        // Equal names are written once.
        let names: Vec<Vec<String>> = self.plots.iter().map(Plot::names).collect();
        let equal = names.windows(2).all(|pair| pair[0] == pair[1]);
        if let Some(first) = self.plots.first().filter(|_| equal) {
            top += first.legend(&mut sheet, top);
        }
        let across = self.side_by_side();
        // Whole pixels, so that plots that are sharp on their own stay sharp.
        let w = (size[0] / across as f64).floor();
        let h = ((size[1] - top) / self.rows().max(1) as f64).floor();
        let common = [self.common(0), self.common(1)];
        for (i, plot) in self.plots.iter().enumerate() {
            let mut plot = plot.clone();
            plot.ends = [common[0].or(plot.ends[0]), common[1].or(plot.ends[1])];
            plot.names_series = !equal;
            let at = [(i % across) as f64 * w, top + (i / across) as f64 * h];
            sheet.place(plot.sheet([w - APART, h - APART])?, at);
        }
        Ok(sheet)
    }
}
