//! Plots of training: a [`LinePlot`] draws curves as SVG, a text format that browsers and READMEs display. Dark ink on
//! a white background is readable in light and dark themes alike; the file needs no external fonts or styles.
//!
//! ```
//! use nn::plot::LinePlot;
//! let svg = LinePlot::new("loss").labels("epoch", "loss").log_y().line("training", [2.0, 0.5, 0.1]).svg();
//! assert!(svg.starts_with("<svg"));
//! ```

mod ticks;

use crate::io::{IoError, write_atomically};
use std::fmt::Write as _;
use std::path::Path;
use ticks::Scale;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Distances of the right and bottom edges of the picture from those of the frame.
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 54.0;
/// Average width of a character of the small text, a little generous because fonts differ.
const CHARACTER: f64 = 7.0;
/// Height of a row of the legend.
const ROW: f64 = 22.0;
const FONT: &str = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";
const INK: &str = "#1f2933";
/// Colors that color-blind readers can tell apart (Okabe and Ito, 2008), darkest first.
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d"];

/// A plot of curves over a common axis, with one value per epoch (or step), the first at x = 1.
///
/// Values that are NaN or infinite, or not above 0 on a logarithmic axis, leave a gap in the curve.
///
/// ```
/// use nn::plot::LinePlot;
/// let (train, valid) = ([2.3, 0.7, 0.3, 0.12], [2.3, 0.9, 0.5, 0.4]);
/// let plot = LinePlot::new("Learning to read").labels("epoch", "loss").log_y();
/// let svg = plot.line("train", train).line("valid", valid).svg();
/// assert!(svg.starts_with("<svg ") && svg.contains(">valid</text>"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinePlot {
    title: String,
    x_label: String,
    y_label: String,
    log_y: bool,
    lines: Vec<(String, Vec<f64>)>,
}

impl LinePlot {
    /// Creates a plot without curves.
    pub fn new(title: impl Into<String>) -> Self {
        LinePlot { title: title.into(), ..Self::default() }
    }

    /// Sets the labels of the axes.
    pub fn labels(self, x: impl Into<String>, y: impl Into<String>) -> Self {
        LinePlot { x_label: x.into(), y_label: y.into(), ..self }
    }

    /// Makes the y axis logarithmic.
    pub fn log_y(self) -> Self {
        LinePlot { log_y: true, ..self }
    }

    /// Adds a curve.
    pub fn line(mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        self.lines.push((name.into(), values.into_iter().collect()));
        self
    }

    /// Returns the plot as a complete SVG document.
    pub fn svg(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("writing to a string succeeds");
        out
    }

    /// Writes the plot to a file, [atomically](write_atomically).
    ///
    /// ```
    /// use nn::plot::LinePlot;
    /// let path = std::env::temp_dir().join(format!("loss-{}.svg", std::process::id()));
    /// LinePlot::new("loss").line("training", [2.0, 1.0, 0.5]).save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::io::IoError>(())
    /// ```
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        write_atomically(path, |w| w.write_all(self.svg().as_bytes()))
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (x, y) = self.scales();
        let (legend, rows) = self.legend();
        let widest = y.ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        let title = if self.title.is_empty() { 18.0 } else { 48.0 };
        let frame = Frame {
            left: 48.0 + CHARACTER * widest as f64,
            top: title + ROW * rows as f64,
            right: WIDTH - RIGHT,
            bottom: HEIGHT - BOTTOM,
        };
        write!(out, r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" "#)?;
        writeln!(out, r#"height="{HEIGHT}" font-family="{FONT}" font-size="13" fill="{INK}">"#)?;
        writeln!(out, r##"<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>"##)?;
        frame.axes(out, &x, &y)?;
        frame.words(out, [&self.title, &self.x_label, &self.y_label].map(|text| escape(text)))?;
        for (i, ((name, values), (at, row))) in self.lines.iter().zip(legend).enumerate() {
            let color = COLORS[i % COLORS.len()];
            // After the last color, they repeat with dashed lines.
            let dashes = if i < COLORS.len() { "none" } else { "7 6" };
            let path = frame.path(values, &x, &y);
            write!(out, r#"<path d="{path}" fill="none" stroke="{color}" stroke-width="2" "#)?;
            writeln!(out, r#"stroke-dasharray="{dashes}" stroke-linejoin="round" stroke-linecap="round"/>"#)?;
            let (left, base) = (frame.left + at, frame.top - 14.0 - ROW * (rows - 1 - row) as f64);
            writeln!(
                out,
                r#"<path d="M{left:.1} {:.1}h20" stroke="{color}" stroke-width="3" stroke-dasharray="{dashes}"/>"#,
                base - 4.5
            )?;
            writeln!(out, r#"<text x="{:.1}" y="{base:.1}">{}</text>"#, left + 27.0, escape(name))?;
        }
        writeln!(out, "</svg>")
    }

    /// The axes: x covers all epochs, y all values that can be shown.
    fn scales(&self) -> (Scale, Scale) {
        let epochs = self.lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let values = self.lines.iter().flat_map(|(_, values)| values.iter().copied());
        (Scale::whole(epochs.max(1)), if self.log_y { Scale::log(values) } else { Scale::linear(values) })
    }

    /// Distance from the left edge of the frame and row of each legend entry, and the number of rows.
    fn legend(&self) -> (Vec<(f64, usize)>, usize) {
        let (mut at, mut row) = (0.0, 0);
        let places: Vec<_> = self
            .lines
            .iter()
            .map(|(name, _)| {
                let width = 48.0 + CHARACTER * name.chars().count() as f64;
                if at > 0.0 && at + width > WIDTH - 120.0 {
                    (at, row) = (0.0, row + 1);
                }
                at += width;
                (at - width, row)
            })
            .collect();
        let rows = if places.is_empty() { 0 } else { row + 1 };
        (places, rows)
    }
}

/// The box around the curves, in pixels from the upper left corner.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, fraction: f64) -> f64 {
        self.left + fraction * (self.right - self.left)
    }

    fn y(&self, fraction: f64) -> f64 {
        self.bottom - fraction * (self.bottom - self.top)
    }

    /// Draws the grid, the tick labels and a line at the bottom.
    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) -> std::fmt::Result {
        let Frame { left, right, top, bottom } = self;
        writeln!(out, r##"<g stroke="#e4e7eb" font-size="12">"##)?;
        for (at, text) in &y.ticks {
            let (at, end) = (self.y(*at), left - 8.0);
            writeln!(out, r#"<path d="M{left:.1} {at:.1}H{right:.1}"/>"#)?;
            writeln!(out, r#"<text x="{end:.1}" y="{:.1}" stroke="none" text-anchor="end">{text}</text>"#, at + 4.0)?;
        }
        for (at, text) in &x.ticks {
            let (at, base) = (self.x(*at), bottom + 18.0);
            writeln!(out, r#"<path d="M{at:.1} {top:.1}V{bottom:.1}"/>"#)?;
            writeln!(out, r#"<text x="{at:.1}" y="{base:.1}" stroke="none" text-anchor="middle">{text}</text>"#)?;
        }
        writeln!(out, "</g>\n<path d=\"M{left:.1} {bottom:.1}H{right:.1}\" stroke=\"#7b8794\"/>")
    }

    /// Writes the title and the labels of the axes.
    fn words(&self, out: &mut String, [title, x, y]: [String; 3]) -> std::fmt::Result {
        let (middle, center) = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        writeln!(out, r#"<g text-anchor="middle">"#)?;
        writeln!(out, r#"<text x="{middle:.1}" y="32" font-size="17" font-weight="600">{title}</text>"#)?;
        writeln!(out, r#"<text x="{middle:.1}" y="{:.1}">{x}</text>"#, HEIGHT - 14.0)?;
        writeln!(out, r#"<text transform="translate(22 {center:.1}) rotate(-90)">{y}</text>"#)?;
        writeln!(out, "</g>")
    }

    /// The path of a curve, in pieces between gaps. A single point becomes a line of zero length, shown as a dot by its
    /// round ends.
    fn path(&self, values: &[f64], x: &Scale, y: &Scale) -> String {
        let point = |(i, value): (usize, &f64)| Some((self.x(x.place((i + 1) as f64)?), self.y(y.place(*value)?)));
        let points: Vec<Option<(f64, f64)>> = values.iter().enumerate().map(point).collect();
        let mut path = String::new();
        for piece in points.split(Option::is_none).filter(|piece| !piece.is_empty()) {
            for (k, (x, y)) in piece.iter().flatten().enumerate() {
                path += &format!("{}{x:.1} {y:.1}", if k == 0 { 'M' } else { 'L' });
            }
            path += if piece.len() == 1 { "h0" } else { "" };
        }
        path
    }
}

/// Escapes text for XML and removes control characters, which XML does not allow.
fn escape(text: &str) -> String {
    let allowed = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(allowed).fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests;
