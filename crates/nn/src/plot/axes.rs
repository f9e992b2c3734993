//! [`Plot`]: curves, points, histograms and regions over two axes.

use super::font::width;
use super::frame::Frame;
use super::series::{Bars, Mark, Series, bars};
use super::sheet::{Anchor, BODY, Ink, Point, SMALL, Shape, Sheet, Style};
use super::svg::{is_dashed, widest};
use super::ticks::{Scale, range};
use super::{Figure, PlotError};

/// Series over two axes: curves, points, histograms, and the regions of classes.
///
/// Values that are NaN or infinite leave a gap in a curve. Each axis covers all values unless its range is set.
///
/// ```
/// use nn::plot::{Figure, Plot};
/// let (train, valid) = ([2.3, 0.7, 0.3, 0.12], [2.3, 0.9, 0.5, 0.4]);
/// let plot = Plot::new("Learning to read").labels("epoch", "loss").log_y();
/// let plot = plot.line("train", train).line("valid", valid);
/// assert!(plot.svg().starts_with("<svg ") && plot.svg().contains(">valid</text>"));
///
/// let decades = (0..=8).map(|k| 10f64.powf(f64::from(k) / 2.0));
/// let plot = Plot::new("Two axes").log_x().curve("ln x", decades.map(|x| (x, x.ln())));
/// let plot = plot.x_range(1.0, 1e4).y_range(0.0, 10.0).size(600.0, 300.0);
/// assert!(plot.svg().contains(">ln x</text>"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    pub(super) title: String,
    labels: [String; 2],
    /// For x and for y, like all pairs below.
    log: [bool; 2],
    pub(super) ends: [Option<[f64; 2]>; 2],
    size: Point,
    series: Vec<Series>,
    /// Whether the names of the series are written above the axes.
    pub(super) names_series: bool,
}

impl Plot {
    /// A plot without series.
    pub fn new(title: impl Into<String>) -> Self {
        Plot {
            title: title.into(),
            labels: Default::default(),
            log: [false; 2],
            ends: [None; 2],
            size: [720.0, 420.0],
            series: Vec::new(),
            names_series: true,
        }
    }

    /// Sets the labels of the axes.
    pub fn labels(self, x: impl Into<String>, y: impl Into<String>) -> Self {
        Plot { labels: [x.into(), y.into()], ..self }
    }

    /// Makes the x axis logarithmic: all x must then be above 0.
    pub fn log_x(self) -> Self {
        Plot { log: [true, self.log[1]], ..self }
    }

    /// Makes the y axis logarithmic: all y must then be above 0.
    pub fn log_y(self) -> Self {
        Plot { log: [self.log[0], true], ..self }
    }

    /// Sets the ends of the x axis. Points outside are not shown.
    ///
    /// # Panics
    /// If they are not finite, or `low` is not below `high`.
    #[track_caller]
    pub fn x_range(self, low: f64, high: f64) -> Self {
        Plot { ends: [Some(ends("x_range", [low, high])), self.ends[1]], ..self }
    }

    /// Sets the ends of the y axis. Points outside are not shown.
    ///
    /// # Panics
    /// If they are not finite, or `low` is not below `high`.
    #[track_caller]
    pub fn y_range(self, low: f64, high: f64) -> Self {
        Plot { ends: [self.ends[0], Some(ends("y_range", [low, high]))], ..self }
    }

    /// Sets width and height in pixels, from 200 to 4,000. Defaults to 720 × 420.
    pub fn size(self, width: f64, height: f64) -> Self {
        Plot { size: [width.clamp(200.0, 4000.0), height.clamp(200.0, 4000.0)], ..self }
    }

    /// Adds a curve with one value per epoch (or step), the first at x = 1.
    pub fn line(self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        self.with(name.into(), Mark::Epochs(values.into_iter().collect()))
    }

    /// Adds a curve through points `(x, y)`.
    pub fn curve(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(name.into(), Mark::Line(points.into_iter().map(|(x, y)| [x, y]).collect()))
    }

    /// Adds points `(x, y)`.
    pub fn scatter(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(name.into(), Mark::Dots(points.into_iter().map(|(x, y)| [x, y]).collect()))
    }

    /// Adds a histogram: how many values lie in each of a number of bins of equal width. All histograms of a plot share
    /// their bins. The legend says how many values are not finite.
    ///
    /// ```
    /// use nn::plot::{Figure, Plot};
    /// let plot = Plot::new("Steps").histogram("lengths", [0.1, 0.2, 0.2, 0.9, f64::NAN]);
    /// assert!(plot.svg().contains(">lengths (1 not finite)</text>"));
    /// ```
    pub fn histogram(self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        self.with(name.into(), Mark::Values(values.into_iter().collect()))
    }

    /// Colors the plane by class, which shows the decision boundary of a classifier. `classes` gets all points of a grid over
    /// these ranges of x and y at once, and returns the class of each. Class `i` has the color of series `i`. The axes must be
    /// linear; they cover these ranges.
    ///
    /// ```
    /// use nn::plot::{Figure, Plot};
    /// let inside = |points: &[[f64; 2]]| points.iter().map(|[x, y]| usize::from(x * x + y * y < 1.0)).collect();
    /// let plot = Plot::new("A disc").regions([-2.0, 2.0], [-1.5, 1.5], inside);
    /// assert!(plot.scatter("outside", [(1.5, 0.0)]).scatter("inside", [(0.5, 0.5)]).svg().contains("<image "));
    /// ```
    /// # Panics
    /// If `classes` does not return one class per point, or a range does not ascend.
    #[track_caller]
    pub fn regions(self, x: [f64; 2], y: [f64; 2], classes: impl FnOnce(&[[f64; 2]]) -> Vec<usize>) -> Self {
        let (x, y) = (ends("regions", x), ends("regions", y));
        let (columns, points) = super::series::grid(x, y);
        let classes = classes(&points);
        assert!(
            classes.len() == points.len(),
            "regions: {} points need as many classes, got {}",
            points.len(),
            classes.len()
        );
        self.with(String::new(), Mark::Regions { x, y, columns, classes })
    }

    fn with(mut self, name: String, mark: Mark) -> Self {
        self.series.push(Series { name, mark });
        self
    }

    /// Values that cannot be drawn on a logarithmic axis.
    fn check(&self) -> Result<(), PlotError> {
        for (axis, name) in [(0, 'x'), (1, 'y')].into_iter().filter(|(axis, _)| self.log[*axis]) {
            for series in &self.series {
                if let Some((at, value)) = series.mark.not_above_0(axis) {
                    return Err(PlotError::NotPositive { axis: name, series: series.name.clone(), at, value });
                }
            }
            if self.region(axis).is_some() {
                return Err(PlotError::Regions { axis: name });
            }
            if let Some([low, high]) = self.ends[axis].filter(|[low, _]| *low <= 0.0) {
                return Err(PlotError::Ends { axis: name, low, high });
            }
        }
        Ok(())
    }

    /// The range of everything shown on an axis.
    pub(super) fn range(&self, axis: usize) -> Option<[f64; 2]> {
        let mut all = Vec::new();
        self.series.iter().for_each(|series| all.extend(series.mark.values(axis)));
        if axis == 1 {
            // Bars begin at 0, where there is one.
            let base: f64 = if self.log[1] { 0.5 } else { 0.0 };
            for bars in self.bars().into_iter().flatten() {
                all.push(base);
                bars.heights.iter().for_each(|height| all.push(height.max(base)));
            }
        }
        range(&all)
    }

    /// The range of the regions on an axis, if there are any.
    fn region(&self, axis: usize) -> Option<[f64; 2]> {
        self.series.iter().rev().find_map(|series| match &series.mark {
            Mark::Regions { x, y, .. } => Some([*x, *y][axis]),
            _ => None,
        })
    }

    /// The bars of each series that is a histogram.
    fn bars(&self) -> Vec<Option<Bars>> {
        bars(&self.series, self.log[0], self.ends[0])
    }

    fn scale(&self, axis: usize, wanted: f64) -> Scale {
        let epochs = |series: &Series| if let Mark::Epochs(values) = &series.mark { Some(values.len()) } else { None };
        let counted: Option<Vec<usize>> = self.series.iter().map(epochs).collect();
        match (self.region(axis).or(self.ends[axis]), self.log[axis], counted) {
            (ends, true, _) => Scale::log(ends.or_else(|| self.range(axis)), wanted),
            (Some(ends), false, _) => Scale::between(ends, wanted),
            (None, false, Some(counts)) if axis == 0 => {
                Scale::whole(counts.into_iter().max().unwrap_or(0).max(1), wanted)
            }
            (None, false, _) => Scale::linear(self.range(axis), wanted),
        }
    }
}

impl Figure for Plot {
    fn name(&self) -> &str {
        &self.title
    }

    fn natural(&self) -> Point {
        self.size
    }

    fn sheet(&self, size: Point) -> Result<Sheet, PlotError> {
        self.check()?;
        let mut sheet = Sheet::new(size);
        let top = sheet.title(&self.title);
        let top = if self.names_series { top + self.legend(&mut sheet, top) } else { top };
        let (x, y) = (self.scale(0, (size[0] / 80.0).max(4.0)), self.scale(1, ((size[1] - top) / 52.0).max(4.0)));
        let ticks = widest(y.ticks.iter().map(|(_, text)| text.as_str()), SMALL);
        let label = |axis: usize| if self.labels[axis].is_empty() { 0.0 } else { 22.0 };
        let frame = Frame {
            left: 20.0 + ticks + label(1),
            top: top + 4.0,
            right: size[0] - 22.0,
            bottom: size[1] - 32.0 - label(0),
            x,
            y,
        };
        // Regions are drawn below the grid. Only the last series of regions is visible, as regions cover everything
        // below them.
        let regions = self.series.iter().rev().find(|series| !series.mark.is_colored());
        regions.into_iter().for_each(|series| frame.regions(&mut sheet, &series.mark));
        frame.axes(&mut sheet, &self.labels);
        let bars = self.bars();
        let opacity = if bars.iter().flatten().count() > 1 { 0.35 } else { 0.75 };
        let colored = self.series.iter().zip(&bars).filter(|(series, _)| series.mark.is_colored());
        for (at, (series, bars)) in colored.enumerate() {
            match &series.mark {
                Mark::Epochs(values) => {
                    let points: Vec<Point> = values.iter().enumerate().map(|(i, y)| [(i + 1) as f64, *y]).collect();
                    frame.curve(&mut sheet, at, &points);
                }
                Mark::Line(points) => frame.curve(&mut sheet, at, points),
                Mark::Dots(points) => {
                    let points: Vec<Point> = points.iter().filter_map(|point| frame.place(*point)).collect();
                    // A ring in the background color separates points from regions and from each other.
                    sheet.shapes.push(Shape::Dots { points: points.clone(), ink: Ink::Ground, radius: 4.5 });
                    sheet.shapes.push(Shape::Dots { points, ink: Ink::Series(at), radius: 3.5 });
                }
                Mark::Values(_) => bars.iter().for_each(|bars| frame.bars(&mut sheet, at, bars, opacity)),
                Mark::Regions { .. } => {}
            }
        }
        Ok(sheet)
    }
}

impl Plot {
    /// The names of the series, as the legend has them.
    pub(super) fn names(&self) -> Vec<String> {
        self.series.iter().filter(|series| series.mark.is_colored()).map(Series::label).collect()
    }

    /// The names of the series, in rows from `top`. Returns their height.
    pub(super) fn legend(&self, sheet: &mut Sheet, top: f64) -> f64 {
        const ROW: f64 = 21.0;
        let (mut at, mut rows) = (20.0, 0.0);
        for (i, series) in self.series.iter().filter(|series| series.mark.is_colored()).enumerate() {
            let label = series.label();
            if label.is_empty() {
                continue;
            }
            let wide = 50.0 + width(&label, BODY);
            if rows == 0.0 || at + wide > sheet.size[0] {
                (at, rows) = (20.0, rows + 1.0);
            }
            let base = top + ROW * rows - 8.0;
            // The axes keep half of the height.
            if base > 0.5 * sheet.size[1] {
                sheet.text([at, base - ROW], "…", Style::BODY.at(Anchor::Start));
                rows -= 1.0;
                break;
            }
            let (key, ink) = ([at + 1.0, base - 4.5], Ink::Series(i));
            sheet.shapes.push(match series.mark {
                Mark::Dots(_) => Shape::Dots { points: vec![[at + 11.0, key[1]]], ink, radius: 4.0 },
                Mark::Values(_) => Shape::Box { area: [at + 5.0, key[1] - 5.0, 11.0, 11.0], ink, opacity: 0.75 },
                _ => {
                    let points = vec![key, [at + 21.0, key[1]]];
                    Shape::Line { points, ink, width: 3.0, dashed: is_dashed(i) }
                }
            });
            sheet.text([at + 28.0, base], &label, Style::BODY.at(Anchor::Start));
            at += wide;
        }
        if rows > 0.0 { ROW * rows + 4.0 } else { 0.0 }
    }
}

/// Checks the ends of an axis.
#[track_caller]
fn ends(name: &str, [low, high]: [f64; 2]) -> [f64; 2] {
    assert!(low < high && (high - low).is_finite(), "{name}: {low} must be below {high}, and both finite");
    [low, high]
}
