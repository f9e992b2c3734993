//! Sheets as pixels. Edges are smooth: a pixel takes a color in proportion to the area that the shape covers.

use super::font;
use super::png::encode;
use super::sheet::{Anchor, Area, Color, Ink, Point, Shape, Sheet, Style};

/// Pixels of the image per pixel of the sheet, so that it is sharp on fine screens.
const SCALE: f64 = 2.0;

/// A PNG file of the sheet.
pub(super) fn write(sheet: &Sheet, dark: bool) -> Vec<u8> {
    let pixels = |side: f64| (side * SCALE).round().max(1.0) as usize;
    let (width, height) = (pixels(sheet.size[0]), pixels(sheet.size[1]));
    let [r, g, b] = Ink::Ground.color(dark);
    let ground = [f32::from(r), f32::from(g), f32::from(b)];
    let mut canvas =
        Canvas { width, height, pixels: vec![ground; width * height], covered: vec![0.0; width * height], dark };
    sheet.shapes.iter().for_each(|shape| canvas.draw(shape));
    let bytes: Vec<u8> = canvas.pixels.as_flattened().iter().map(|level| level.round() as u8).collect();
    encode(width, 3, &bytes)
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
    /// The fraction of each pixel that the current shape covers; reset to 0 between shapes. So pieces of a line that
    /// overlap where they meet are drawn once.
    covered: Vec<f32>,
    dark: bool,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Box { area, ink, opacity } => self.fill(*area, ink.color(self.dark), *opacity),
            Shape::Line { points, ink, width, dashed } => {
                let pieces = if *dashed { dashes(points) } else { vec![points.clone()] };
                self.stroke(&pieces, *width, ink.color(self.dark), 1.0);
            }
            Shape::Dots { points, ink, radius } => {
                let pieces: Vec<Vec<Point>> = points.iter().map(|point| vec![*point]).collect();
                self.stroke(&pieces, 2.0 * radius, ink.color(self.dark), 0.8);
            }
            Shape::Text { at, text, style } => self.text(*at, text, style),
            Shape::Cells { area, columns, colors, smooth } => {
                self.cells(*area, &Cells { columns: *columns, colors }, *smooth);
            }
        }
    }

    /// An image: each pixel has the color of the cell that it is in, or if smooth, of the four around it.
    fn cells(&mut self, [x, y, w, h]: Area, image: &Cells, smooth: bool) {
        let (left, top) = ((x * SCALE).round(), (y * SCALE).round());
        let (right, bottom) = (((x + w) * SCALE).round(), ((y + h) * SCALE).round());
        for row in self.rows(top, bottom) {
            for column in self.columns(left, right) {
                let x = (column as f64 + 0.5 - left) / (right - left) * image.columns as f64;
                let y = (row as f64 + 0.5 - top) / (bottom - top) * image.rows() as f64;
                let [r, g, b, opacity] = if smooth { image.between(x, y) } else { image.at(x, y) };
                let color = [r.round() as u8, g.round() as u8, b.round() as u8];
                self.blend(row * self.width + column, color, opacity as f32);
            }
        }
    }

    fn text(&mut self, [x, y]: Point, text: &str, style: &Style) {
        let back = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => font::width(text, style.size) / 2.0,
            Anchor::End => font::width(text, style.size),
        };
        let (sin, cos) = style.turned.to_radians().sin_cos();
        let mut strokes = font::strokes(text, style.size);
        for point in strokes.iter_mut().flatten() {
            let [along, down] = [point[0] - back, point[1]];
            *point = [x + along * cos + down * sin, y - along * sin + down * cos];
        }
        let width = style.size * if style.bold { 0.13 } else { 0.092 };
        self.stroke(&strokes, width, style.ink.color(self.dark), 1.0);
    }

    /// Fills a rectangle.
    fn fill(&mut self, [x, y, w, h]: Area, color: [u8; 3], opacity: f64) {
        let (left, top, right, bottom) = (x * SCALE, y * SCALE, (x + w) * SCALE, (y + h) * SCALE);
        // The part of the pixels from `at` to `at + 1` that lies between two edges.
        let part = |at: usize, from: f64, to: f64| (to.min(at as f64 + 1.0) - from.max(at as f64)).max(0.0);
        for row in self.rows(top, bottom) {
            for column in self.columns(left, right) {
                let covered = part(column, left, right) * part(row, top, bottom);
                self.blend(row * self.width + column, color, (covered * opacity) as f32);
            }
        }
    }

    /// Draws lines with round ends and corners.
    fn stroke(&mut self, lines: &[Vec<Point>], width: f64, color: [u8; 3], opacity: f64) {
        let mut touched = Vec::new();
        for line in lines {
            let points: Vec<Point> = line.iter().map(|[x, y]| [x * SCALE, y * SCALE]).collect();
            match points[..] {
                [only] => self.cover(only, only, width * SCALE / 2.0, &mut touched),
                _ => points.windows(2).for_each(|p| self.cover(p[0], p[1], width * SCALE / 2.0, &mut touched)),
            }
        }
        for at in touched {
            let covered = std::mem::take(&mut self.covered[at]);
            self.blend(at, color, covered * opacity as f32);
        }
    }

    /// Covers the pixels near a piece of a line.
    fn cover(&mut self, a: Point, b: Point, radius: f64, touched: &mut Vec<usize>) {
        let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
        let length = (dx * dx + dy * dy).max(1e-12);
        let reach = radius + 1.0;
        for row in self.rows(a[1].min(b[1]) - reach, a[1].max(b[1]) + reach) {
            for column in self.columns(a[0].min(b[0]) - reach, a[0].max(b[0]) + reach) {
                let [px, py] = [column as f64 + 0.5 - a[0], row as f64 + 0.5 - a[1]];
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                let covered = (radius + 0.5 - distance).clamp(0.0, 1.0) as f32;
                let at = row * self.width + column;
                if covered > self.covered[at] {
                    if self.covered[at] == 0.0 {
                        touched.push(at);
                    }
                    self.covered[at] = covered;
                }
            }
        }
    }

    fn rows(&self, from: f64, to: f64) -> std::ops::Range<usize> {
        from.max(0.0) as usize..(to.ceil().max(0.0) as usize).min(self.height)
    }

    fn columns(&self, from: f64, to: f64) -> std::ops::Range<usize> {
        from.max(0.0) as usize..(to.ceil().max(0.0) as usize).min(self.width)
    }

    fn blend(&mut self, at: usize, color: [u8; 3], part: f32) {
        for (level, to) in self.pixels[at].iter_mut().zip(color) {
            *level += (f32::from(to) - *level) * part;
        }
    }
}

/// The dashes of a line.
fn dashes(points: &[Point]) -> Vec<Vec<Point>> {
    const DASH: [f64; 2] = [7.0, 6.0];
    let (mut out, mut left, mut on) = (vec![points[..1].to_vec()], DASH[0], true);
    for pair in points.windows(2) {
        let [mut from, to] = [pair[0], pair[1]];
        let mut length = (to[0] - from[0]).hypot(to[1] - from[1]);
        while length > left {
            from = [from[0] + (to[0] - from[0]) * left / length, from[1] + (to[1] - from[1]) * left / length];
            length -= left;
            match on {
                true => out.last_mut().expect("it has a first dash").push(from),
                false => out.push(vec![from]),
            }
            on = !on;
            left = DASH[usize::from(!on)];
        }
        left -= length;
        if on {
            out.last_mut().expect("it has a first dash").push(to);
        }
    }
    out
}

/// The cells of an image, in rows from the top.
struct Cells<'c> {
    columns: usize,
    colors: &'c [Color],
}

impl Cells<'_> {
    fn rows(&self) -> usize {
        self.colors.len() / self.columns.max(1)
    }

    /// The color of the cell at a place, or of the nearest: red, green and blue, and opacity from 0 to 1.
    fn at(&self, x: f64, y: f64) -> [f64; 4] {
        let near = |at: f64, most: usize| at.floor().clamp(0.0, most as f64 - 1.0) as usize;
        let [r, g, b, opacity] = self.colors[near(y, self.rows()) * self.columns + near(x, self.columns)];
        [f64::from(r), f64::from(g), f64::from(b), f64::from(opacity) / 255.0]
    }

    /// The mixture of the four cells whose centers are around a place. Colors count as much as they cover.
    fn between(&self, x: f64, y: f64) -> [f64; 4] {
        let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
        let (right, below) = (x - 0.5 - left, y - 0.5 - top);
        let mut mixed = [0.0; 4];
        for (dx, dy, part) in [
            (0.0, 0.0, (1.0 - right) * (1.0 - below)),
            (1.0, 0.0, right * (1.0 - below)),
            (0.0, 1.0, (1.0 - right) * below),
            (1.0, 1.0, right * below),
        ] {
            let [r, g, b, opacity] = self.at(left + dx, top + dy);
            let covers = part * opacity;
            mixed = [mixed[0] + covers * r, mixed[1] + covers * g, mixed[2] + covers * b, mixed[3] + covers];
        }
        let [r, g, b, opacity] = mixed;
        let whole = opacity.max(1e-12);
        [r / whole, g / whole, b / whole, opacity]
    }
}
