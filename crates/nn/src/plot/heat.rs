//! [`HeatMap`]: a table of numbers as colors.

use super::sheet::{Anchor, BODY, Color, Ink, Point, SMALL, Shape, Sheet, Style};
use super::svg::widest;
use super::theme::{diverging, sequential};
use super::ticks::{Scale, range};
use super::{Figure, PlotError};
use crate::metric::ConfusionMatrix;

/// A table of numbers as colors, with the first row at the top and a color scale beside it. Numbers from 0 up are shades of
/// blue; if some are negative, these are shades of orange. NaN is gray.
///
/// ```
/// use nn::plot::{Figure, HeatMap};
/// let map = HeatMap::new("Correlations", [[1.0, -0.4], [-0.4, 1.0]]).names(["a", "b"], ["a", "b"]).numbers();
/// assert!(map.svg().contains(">−0.40</text>"));
/// // As areas: blue squares for positive numbers, orange ones for negative.
/// let map = HeatMap::new("Weights", [[0.5, -0.5]]).labels("input", "unit").squares();
/// assert!(map.svg().contains(">input</text>"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    title: String,
    rows: Vec<Vec<f64>>,
    labels: [String; 2],
    /// Of the columns and of the rows.
    names: [Vec<String>; 2],
    numbers: bool,
    look: Look,
}

/// How a number becomes a color.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Look {
    Colors,
    /// The area of a square is the size of the number.
    Squares,
    /// Blue on the diagonal and orange beside it, as strong as the root of the number.
    Hits,
}

impl HeatMap {
    /// A map of the rows of a table.
    pub fn new<R: Into<Vec<f64>>>(title: impl Into<String>, rows: impl IntoIterator<Item = R>) -> Self {
        let rows = rows.into_iter().map(Into::into).collect();
        let (labels, names) = Default::default();
        HeatMap { title: title.into(), rows, labels, names, numbers: false, look: Look::Colors }
    }

    /// Sets the labels of the axes.
    pub fn labels(self, x: impl Into<String>, y: impl Into<String>) -> Self {
        HeatMap { labels: [x.into(), y.into()], ..self }
    }

    /// Names the first columns and rows.
    pub fn names<C: Into<String>, R: Into<String>>(
        self,
        columns: impl IntoIterator<Item = C>,
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        let names = [columns.into_iter().map(Into::into).collect(), rows.into_iter().map(Into::into).collect()];
        HeatMap { names, ..self }
    }

    /// Writes the numbers into the cells.
    pub fn numbers(self) -> Self {
        HeatMap { numbers: true, ..self }
    }

    /// Shows each number as a square whose area is its magnitude, as in Hinton's diagrams of weights: blue for positive
    /// numbers, orange for negative ones.
    pub fn squares(self) -> Self {
        HeatMap { look: Look::Squares, ..self }
    }

    /// The number of columns.
    ///
    /// # Errors
    /// If a row has another.
    fn columns(&self) -> Result<usize, PlotError> {
        let columns = self.rows.first().map_or(0, Vec::len);
        match self.rows.iter().position(|row| row.len() != columns) {
            Some(at) => Err(PlotError::Ragged { row: at + 1, cells: self.rows[at].len(), columns }),
            None => Ok(columns),
        }
    }

    /// The numbers at the two ends of the colors.
    fn ends(&self) -> [f64; 2] {
        let [low, high] = range(&self.rows.concat()).unwrap_or([0.0, 1.0]);
        match low < 0.0 {
            true => [low.min(-high), high.max(-low)],
            false if high == 0.0 => [0.0, 1.0],
            false => [if low < 0.5 * high || low == high { 0.0 } else { low }, high],
        }
    }

    fn color(&self, [low, high]: [f64; 2], value: f64, on_diagonal: bool) -> Color {
        match self.look {
            Look::Hits => diverging((value / high).sqrt() * if on_diagonal { 1.0 } else { -1.0 }),
            Look::Colors | Look::Squares if low < 0.0 => diverging(value / high),
            Look::Colors | Look::Squares => sequential((value - low) / (high - low)),
        }
    }

    /// The largest side of a cell: numbers need room.
    fn most(&self) -> f64 {
        if self.numbers && self.look == Look::Colors { 52.0 } else { 36.0 }
    }

    /// The names of the columns need more than their cells.
    fn is_crowded(&self, cell: f64) -> bool {
        widest(self.names[0].iter().map(String::as_str), SMALL) > cell - 3.0
    }

    /// The space around the cells: left, top, right, bottom.
    fn margins(&self, cell: f64) -> [f64; 4] {
        let label = |label: &String| if label.is_empty() { 0.0 } else { 24.0 };
        let widest = |axis: usize| widest(self.names[axis].iter().map(String::as_str), SMALL);
        let names = [widest(0), widest(1)];
        let left = 16.0 + label(&self.labels[1]) + names[1] + if names[1] > 0.0 { 8.0 } else { 0.0 };
        let top = if self.title.is_empty() { 14.0 } else { 44.0 };
        let bar = if self.look == Look::Colors { 78.0 } else { 18.0 };
        // Names that are turned end at their cells, so the first reach to the left.
        let (sin, cos) = TURNED.to_radians().sin_cos();
        let (left, under) = match self.is_crowded(cell) {
            true => (left.max(names[0] * cos), names[0] * sin + 16.0),
            false => (left, if names[0] > 0.0 { 22.0 } else { 0.0 }),
        };
        [left, top, bar, 12.0 + under + label(&self.labels[0])]
    }
}

/// Degrees by which crowded names of columns are turned.
const TURNED: f64 = 50.0;

impl Figure for HeatMap {
    fn name(&self) -> &str {
        &self.title
    }

    fn natural(&self) -> Point {
        let columns = self.rows.first().map_or(0, Vec::len).max(1) as f64;
        let rows = self.rows.len().max(1) as f64;
        let most = self.most();
        let [mut w, mut h] = [(600.0 / columns).min(most), (420.0 / rows).min(most)];
        // Cells are square unless the map would be a line.
        if w / h < 3.0 && h / w < 3.0 {
            (w, h) = (w.min(h), w.min(h));
        }
        let [left, top, right, bottom] = self.margins(w);
        let title = super::font::width(&self.title, super::sheet::TITLE) + 40.0;
        [(left + columns * w + right).max(title), top + rows * h + bottom]
    }

    fn sheet(&self, size: Point) -> Result<Sheet, PlotError> {
        let columns = self.columns()?;
        let mut sheet = Sheet::new(size);
        sheet.title(&self.title);
        let natural = (600.0 / columns.max(1) as f64).min(self.most());
        let [left, top, right, bottom] = self.margins(natural);
        let area = [left, top, (size[0] - left - right).max(10.0), (size[1] - top - bottom).max(10.0)];
        let [w, h] = [area[2] / columns.max(1) as f64, area[3] / self.rows.len().max(1) as f64];
        let ends = self.ends();
        let center = |row: usize, column: usize| [left + (column as f64 + 0.5) * w, top + (row as f64 + 0.5) * h];

        let cells = self.rows.concat();
        let color = |i: usize| self.color(ends, cells[i], i / columns == i % columns);
        let colors: Vec<Color> = (0..cells.len()).map(color).collect();
        match self.look {
            Look::Squares => self.draw_squares(&mut sheet, ends, w.min(h), &center),
            _ if colors.is_empty() => {}
            _ => sheet.shapes.push(Shape::Cells { area, columns, colors: colors.clone(), smooth: false }),
        }
        let [right_edge, base] = [left + area[2], top + area[3]];
        let frame = vec![[left, top], [right_edge, top], [right_edge, base], [left, base], [left, top]];
        sheet.line(frame, Ink::Grid, 1.0);
        self.words(&mut sheet, area, w, &center);
        if self.numbers {
            let texts: Vec<String> = cells.iter().map(|x| self.number(*x)).collect();
            let em = widest(texts.iter().map(String::as_str), 1.0).max(0.5);
            let size = (0.85 * w / em).min(0.5 * h).min(BODY);
            for (i, text) in texts.iter().enumerate() {
                let [x_at, y_at] = center(i / columns, i % columns);
                let ink = if colors[i][3] > 130 { Ink::Bright } else { Ink::Text };
                let style = Style { size, ink, ..Style::SMALL };
                sheet.text([x_at, y_at + 0.36 * size], text, style);
            }
        }
        if self.look == Look::Colors {
            self.scale(&mut sheet, ends, [right_edge + 16.0, top, 12.0, area[3]]);
        }
        Ok(sheet)
    }
}

impl HeatMap {
    fn draw_squares(&self, sheet: &mut Sheet, ends: [f64; 2], cell: f64, center: &dyn Fn(usize, usize) -> Point) {
        let largest = ends[1].max(-ends[0]);
        for (i, row) in self.rows.iter().enumerate() {
            for (j, value) in row.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                let (side, [x, y]) = ((cell - 3.0) * (value.abs() / largest).sqrt(), center(i, j));
                let ink = Ink::Series(usize::from(*value < 0.0));
                let area = [x - side / 2.0, y - side / 2.0, side, side];
                sheet.shapes.push(Shape::Box { area, ink, opacity: 1.0 });
            }
        }
    }

    /// The names of rows and columns, and the labels.
    fn words(&self, sheet: &mut Sheet, [left, top, w, h]: [f64; 4], cell: f64, center: &dyn Fn(usize, usize) -> Point) {
        let base = top + h;
        let turned = self.is_crowded(cell);
        for (j, name) in self.names[0].iter().take(self.rows.first().map_or(0, Vec::len)).enumerate() {
            let [x, _] = center(0, j);
            match turned {
                true => {
                    let style = Style { turned: TURNED, ..Style::SMALL.at(Anchor::End) };
                    sheet.text([x + 4.0, base + 14.0], name, style);
                }
                false => sheet.text([x, base + 17.0], name, Style::SMALL),
            }
        }
        for (i, name) in self.names[1].iter().take(self.rows.len()).enumerate() {
            let [_, y] = center(i, 0);
            sheet.text([left - 8.0, y + 4.0], name, Style::SMALL.at(Anchor::End));
        }
        sheet.text([left + w / 2.0, sheet.size[1] - 12.0], &self.labels[0], Style::BODY);
        sheet.text([20.0, top + h / 2.0], &self.labels[1], Style { turned: 90.0, ..Style::BODY });
    }

    /// As short as possible without losing accuracy; empty for a 0 among hits.
    fn number(&self, x: f64) -> String {
        let text = if self.look == Look::Hits && x == 0.0 {
            String::new()
        } else if x.fract() == 0.0 && x.abs() < 1e6 {
            format!("{x:.0}")
        } else if x.abs() >= 0.01 && x.abs() < 100.0 {
            format!("{x:.2}")
        } else {
            format!("{x:.0e}")
        };
        text.replace('-', "−")
    }

    /// The scale: which number is which color.
    fn scale(&self, sheet: &mut Sheet, [low, high]: [f64; 2], area: [f64; 4]) {
        const STEPS: usize = 64;
        let [x, y, w, h] = area;
        let value = |i: usize| high + (low - high) * (i as f64 + 0.5) / STEPS as f64;
        let colors = (0..STEPS).map(|i| self.color([low, high], value(i), false)).collect();
        sheet.shapes.push(Shape::Cells { area, columns: 1, colors, smooth: true });
        sheet.line(vec![[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]], Ink::Grid, 1.0);
        for (at, text) in &Scale::between([low, high], (h / 45.0).clamp(2.0, 6.0)).ticks {
            let at = y + h * (1.0 - at);
            sheet.line(vec![[x + w, at], [x + w + 4.0, at]], Ink::Axis, 1.0);
            sheet.text([x + w + 8.0, at + 4.0], text, Style::SMALL.at(Anchor::Start));
        }
    }
}

impl ConfusionMatrix {
    /// The matrix as a map of counts: blue where the prediction is right, orange where it is not.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{metric::ConfusionMatrix, plot::Figure};
    /// let mut matrix = ConfusionMatrix::new(2);
    /// matrix.add_labels(&tensor![0_i64, 0, 1, 1, 0], &tensor![0_i64, 0, 0, 1, 1])?;
    /// let map = matrix.heat_map().names(["ham", "spam"], ["ham", "spam"]);
    /// assert!(map.svg().contains(">predicted</text>") && map.svg().contains(">spam</text>"));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn heat_map(&self) -> HeatMap {
        let all = 0..self.classes();
        let row = |actual| all.clone().map(|predicted| self.count(actual, predicted) as f64).collect::<Vec<f64>>();
        let names = || all.clone().map(|class| class.to_string());
        let map =
            HeatMap::new("", all.clone().map(row)).names(names(), names()).labels("predicted", "actual").numbers();
        HeatMap { look: Look::Hits, ..map }
    }
}
