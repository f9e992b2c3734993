//! The box of a plot: where its series are drawn, with the grid and the numbers at its lines.

use super::series::{Bars, Mark, thinned};
use super::sheet::{Anchor, BODY, Ink, Point, Shape, Sheet, Style, fitted};
use super::svg::is_dashed;
use super::theme::region;
use super::ticks::Scale;

/// The box around the series, in pixels from the upper left corner.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame {
    fn at_x(&self, fraction: f64) -> f64 {
        self.left + fraction * (self.right - self.left)
    }

    fn at_y(&self, fraction: f64) -> f64 {
        self.bottom - fraction * (self.bottom - self.top)
    }

    /// Where a point is, if it is within the axes.
    pub(super) fn place(&self, [x, y]: Point) -> Option<Point> {
        let inside = |at: &f64| (-1e-6..=1.0 + 1e-6).contains(at);
        let (x, y) = (self.x.place(x).filter(inside)?, self.y.place(y).filter(inside)?);
        Some([self.at_x(x), self.at_y(y)])
    }

    /// The grid, the numbers at its lines, and the labels of the axes.
    pub(super) fn axes(&self, sheet: &mut Sheet, [x, y]: &[String; 2]) {
        let (left, right, top, bottom) = (self.left, self.right, self.top, self.bottom);
        for (at, text) in &self.y.ticks {
            let at = self.at_y(*at);
            sheet.line(vec![[left, at], [right, at]], Ink::Grid, 1.0);
            sheet.text([left - 8.0, at + 4.0], text, Style::SMALL.at(Anchor::End));
        }
        for (at, text) in &self.x.ticks {
            let at = self.at_x(*at);
            sheet.line(vec![[at, top], [at, bottom]], Ink::Grid, 1.0);
            sheet.text([at, bottom + 18.0], text, Style::SMALL);
        }
        sheet.line(vec![[left, bottom], [right, bottom]], Ink::Axis, 1.0);
        sheet.text([(left + right) / 2.0, bottom + 42.0], &fitted(x, BODY, right - left), Style::BODY);
        sheet.text(
            [20.0, (top + bottom) / 2.0],
            &fitted(y, BODY, bottom - top + 30.0),
            Style { turned: 90.0, ..Style::BODY },
        );
    }

    /// A curve, in pieces between gaps. A single point is a dot.
    pub(super) fn curve(&self, sheet: &mut Sheet, series: usize, points: impl Iterator<Item = Point>) {
        let ink = Ink::Series(series);
        let places: Vec<Option<Point>> = points.map(|point| self.place(point)).collect();
        for piece in places.split(Option::is_none).filter(|piece| !piece.is_empty()) {
            let points = thinned(piece.iter().flatten().copied());
            sheet.shapes.push(match points.len() {
                1 => Shape::Dots { points, ink, radius: 3.0 },
                _ => Shape::Line { points, ink, width: 2.0, dashed: is_dashed(series) },
            });
        }
    }

    /// Bars from the bottom, and their outline.
    pub(super) fn bars(&self, sheet: &mut Sheet, series: usize, bars: &Bars, opacity: f64) {
        let ink = Ink::Series(series);
        let y = |height| self.at_y(self.y.place(height).unwrap_or(0.0).clamp(0.0, 1.0));
        // Whole pixels, so that no light shines through between neighbors.
        let x = |edge| self.at_x(self.x.place(edge).unwrap_or(0.0).clamp(0.0, 1.0)).round();
        let mut outline = vec![[x(bars.edges[0]), self.bottom]];
        for (edges, height) in bars.edges.windows(2).zip(&bars.heights) {
            let (from, to, top) = (x(edges[0]), x(edges[1]), y(*height));
            if *height > 0.0 {
                sheet.shapes.push(Shape::Box { area: [from, top, to - from, self.bottom - top], ink, opacity });
            }
            outline.extend([[from, top], [to, top]]);
        }
        outline.push([x(*bars.edges.last().expect("bars have edges")), self.bottom]);
        sheet.line(outline, ink, 1.2);
    }

    pub(super) fn regions(&self, sheet: &mut Sheet, mark: &Mark) {
        let Mark::Regions { x, y, columns, classes } = mark else { return };
        let corner = |x, y| [self.at_x(self.x.place(x).unwrap_or(0.0)), self.at_y(self.y.place(y).unwrap_or(0.0))];
        let ([left, bottom], [right, top]) = (corner(x[0], y[0]), corner(x[1], y[1]));
        let area = [left, top, right - left, bottom - top];
        let colors = classes.iter().map(|class| region(*class)).collect();
        sheet.shapes.push(Shape::Cells { area, columns: *columns, colors, smooth: true });
    }
}
