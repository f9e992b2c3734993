//! A figure that has been laid out: a list of shapes in pixels from the upper left corner, whose colors are named by their
//! role. SVG and PNG are two ways to write it down.

use super::font;

/// A point, as x and y.
pub(super) type Point = [f64; 2];
/// A rectangle: x and y of its upper left corner, width and height.
pub(super) type Area = [f64; 4];
/// Red, green, blue and opacity.
pub(super) type Color = [u8; 4];

/// The size of the small text.
pub(super) const SMALL: f64 = 12.0;
pub(super) const BODY: f64 = 13.0;
pub(super) const TITLE: f64 = 16.0;

/// A figure with positions and colors for everything in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    pub(super) size: Point,
    pub(super) shapes: Vec<Shape>,
}

/// A color by its role, which the theme turns into a color.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ink {
    /// The background of figures.
    Ground,
    Text,
    /// Secondary text.
    Dim,
    Grid,
    Axis,
    /// The series of this number; after the last color they repeat.
    Series(usize),
    /// On dark cells.
    Bright,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Box {
        area: Area,
        ink: Ink,
        opacity: f64,
    },
    Line {
        points: Vec<Point>,
        ink: Ink,
        width: f64,
        dashed: bool,
    },
    Dots {
        points: Vec<Point>,
        ink: Ink,
        radius: f64,
    },
    Text {
        at: Point,
        text: String,
        style: Style,
    },
    /// An image of cells, in rows from the top.
    Cells {
        area: Area,
        columns: usize,
        colors: Vec<Color>,
        smooth: bool,
    },
}

/// How a text looks and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) ink: Ink,
    pub(super) bold: bool,
    pub(super) anchor: Anchor,
    /// Degrees, counterclockwise.
    pub(super) turned: f64,
}

/// Which part of a text is at its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Style {
    pub(super) const SMALL: Style =
        Style { size: SMALL, ink: Ink::Dim, bold: false, anchor: Anchor::Middle, turned: 0.0 };
    pub(super) const BODY: Style = Style { size: BODY, ink: Ink::Text, ..Style::SMALL };
    pub(super) const TITLE: Style = Style { size: TITLE, ink: Ink::Text, bold: true, ..Style::SMALL };

    pub(super) const fn at(self, anchor: Anchor) -> Style {
        Style { anchor, ..self }
    }
}

impl Sheet {
    pub(super) fn new(size: Point) -> Sheet {
        Sheet { size, shapes: Vec::new() }
    }

    pub(super) fn text(&mut self, at: Point, text: &str, style: Style) {
        if !text.is_empty() {
            self.shapes.push(Shape::Text { at, text: text.to_owned(), style });
        }
    }

    pub(super) fn line(&mut self, points: Vec<Point>, ink: Ink, width: f64) {
        self.shapes.push(Shape::Line { points, ink, width, dashed: false });
    }

    /// The title in the middle of the sheet. Returns the height that it takes.
    pub(super) fn title(&mut self, title: &str) -> f64 {
        let middle = self.size[0] / 2.0;
        let size = if self.size[0] < 420.0 { BODY } else { TITLE };
        self.text([middle, 27.0], &fitted(title, size, self.size[0] - 16.0), Style { size, ..Style::TITLE });
        if title.is_empty() { 14.0 } else { 42.0 }
    }

    /// Adds all shapes of another sheet, with its corner at a point.
    pub(super) fn place(&mut self, other: Sheet, [dx, dy]: Point) {
        let moved = |[x, y]: &mut Point| (*x, *y) = (*x + dx, *y + dy);
        self.shapes.extend(other.shapes.into_iter().map(|mut shape| {
            match &mut shape {
                Shape::Line { points, .. } | Shape::Dots { points, .. } => points.iter_mut().for_each(moved),
                Shape::Text { at, .. } => moved(at),
                Shape::Box { area: [x, y, ..], .. } | Shape::Cells { area: [x, y, ..], .. } => {
                    (*x, *y) = (*x + dx, *y + dy);
                }
            }
            shape
        }));
    }
}

/// A text that is cut with an ellipsis if it is wider than this.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    if font::width(text, size) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if font::width(&out, size) + size > width {
            break;
        }
    }
    out.pop();
    out.push('…');
    out
}
