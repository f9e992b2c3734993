//! [`Images`]: small images side by side, such as samples or the weights of a first layer.

use super::sheet::{Color, Point, SMALL, Shape, Sheet, Style, fitted};
use super::theme::{diverging, gray};
use super::ticks::range;
use super::{Figure, PlotError};
use std::io::IsTerminal;

/// Small images side by side, each with a caption. Pixels range from 0 (white) to the largest of all images (black). If some
/// are negative, as weights are, negative pixels are orange and positive ones blue.
///
/// ```
/// use nn::plot::{Figure, Images};
/// let images = Images::new("Two strokes", 3).image("down", [0., 1., 0., 0., 1., 0.]).image("across", [0., 0., 0., 1., 1., 1.]);
/// assert!(images.svg().contains(">across</text>"));
/// assert_eq!(images.to_text(false), "  @@
///   @@    @@@@@@
/// down    across
/// ");
/// assert!(images.len() == 2 && !images.is_empty());
/// images.print(); // on a terminal in shades of gray
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    title: String,
    /// The width of each image in pixels.
    width: usize,
    images: Vec<(String, Vec<f64>)>,
}

/// The side of an image on a sheet, the distance of images, and the height of a caption.
const SIDE: f64 = 72.0;
const APART: f64 = 14.0;
const CAPTION: f64 = 20.0;

impl Images {
    /// No images yet; each will be `width` pixels wide.
    ///
    /// # Panics
    /// If `width` is 0.
    #[track_caller]
    pub fn new(title: impl Into<String>, width: usize) -> Self {
        assert!(width > 0, "Images: width must be at least 1");
        Images { title: title.into(), width, images: Vec::new() }
    }

    /// Adds an image, in rows from the top.
    pub fn image(mut self, caption: impl Into<String>, pixels: impl Into<Vec<f64>>) -> Self {
        self.images.push((caption.into(), pixels.into()));
        self
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The largest size of a pixel, and whether one is below 0.
    fn range(&self) -> (f64, bool) {
        let mut all = Vec::new();
        self.images.iter().for_each(|(_, pixels)| all.extend_from_slice(pixels));
        let [low, high] = range(&all).unwrap_or([0.0, 0.0]);
        (high.max(-low), low < 0.0)
    }

    /// Width and height of an image on a sheet.
    fn tile(&self) -> Point {
        let rows = self.images.first().map_or(self.width, |(_, pixels)| pixels.len().div_ceil(self.width)).max(1);
        let scale = SIDE / self.width.max(rows) as f64;
        [self.width as f64 * scale, rows as f64 * scale]
    }

    /// How many images fit side by side.
    fn across(&self, width: f64) -> usize {
        let fit = ((width - 32.0 + APART) / (self.tile()[0].max(40.0) + APART)).max(1.0) as usize;
        fit.min(self.images.len().max(1))
    }

    fn rows(&self, width: f64) -> usize {
        self.images.len().div_ceil(self.across(width))
    }

    /// The images side by side as text. For a terminal: in shades of gray, with two rows of pixels per line. Otherwise each
    /// pixel is two characters, of which `@@` is the darkest. Negative pixels are shown by their magnitude.
    pub fn to_text(&self, terminal: bool) -> String {
        let (most, _) = self.range();
        let shade = |pixels: &[f64], row: usize, column: usize| {
            let pixel = pixels.get(row * self.width + column).copied().unwrap_or(0.0);
            if most > 0.0 && pixel.is_finite() { pixel.abs() / most } else { 0.0 }
        };
        let (step, cell) = if terminal { (2, 1) } else { (1, 2) };
        // Captions longer than their images are cut, but not below eight characters.
        let longest = self.images.iter().map(|(caption, _)| caption.chars().count()).max().unwrap_or(0);
        let room = (cell * self.width).max(longest.min(8));
        let mut out = String::new();
        let across = (100 / (room + 2)).max(1);
        for images in self.images.chunks(across) {
            let rows = images.iter().map(|(_, pixels)| pixels.len().div_ceil(self.width)).max().unwrap_or(0);
            for row in (0..rows).step_by(step) {
                let mut line = String::new();
                for (_, pixels) in images {
                    for column in 0..self.width {
                        match terminal {
                            true => line += &halves(shade(pixels, row, column), shade(pixels, row + 1, column)),
                            false => line.extend([letter(shade(pixels, row, column)); 2]),
                        }
                    }
                    line += if terminal { "\x1b[0m" } else { "" };
                    line += &" ".repeat(room - cell * self.width + 2);
                }
                out += line.trim_end();
                out.push('\n');
            }
            let captions = images.iter().map(|(caption, _)| format!("{:room$}  ", cut(caption, room)));
            out += captions.collect::<String>().trim_end();
            out.push('\n');
        }
        out
    }

    /// Prints the images on standard output: in shades of gray if it is a terminal and the environment variable `NO_COLOR` is
    /// not set, otherwise in letters.
    pub fn print(&self) {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        print!("{}", self.to_text(std::io::stdout().is_terminal() && !plain));
    }
}

/// At most this many characters.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Two pixels, one above the other, as a terminal of 256 colors shows them: dark on light, as on paper.
fn halves(upper: f64, lower: f64) -> String {
    let level = |shade: f64| 255 - (23.0 * shade).round() as u8;
    format!("\x1b[38;5;{}m\x1b[48;5;{}m▀", level(upper), level(lower))
}

fn letter(shade: f64) -> char {
    const LETTERS: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
    LETTERS[(9.0 * shade).round() as usize]
}

impl Figure for Images {
    fn name(&self) -> &str {
        &self.title
    }

    fn natural(&self) -> Point {
        let top = if self.title.is_empty() { 14.0 } else { 42.0 };
        [720.0, top + self.rows(720.0) as f64 * (self.tile()[1] + CAPTION + APART) + 6.0]
    }

    fn sheet(&self, size: Point) -> Result<Sheet, PlotError> {
        let mut sheet = Sheet::new(size);
        let top = sheet.title(&self.title);
        let (most, signed) = self.range();
        let color = |x: &f64| -> Color {
            let x = if most > 0.0 { x / most } else { 0.0 };
            if signed { diverging(x) } else { gray(x) }
        };
        let ([w, h], across) = (self.tile(), self.across(size[0]));
        let pitch = w.max(40.0) + APART;
        let left = (size[0] - across as f64 * pitch + APART) / 2.0;
        for (i, (caption, pixels)) in self.images.iter().enumerate() {
            if pixels.is_empty() || pixels.len() % self.width != 0 {
                return Err(PlotError::Pixels { image: i + 1, pixels: pixels.len(), width: self.width });
            }
            let x = left + (i % across) as f64 * pitch + (pitch - APART - w) / 2.0;
            let y = top + (i / across) as f64 * (h + CAPTION + APART);
            let (colors, area) = (pixels.iter().map(color).collect(), [x, y, w, h]);
            sheet.shapes.push(Shape::Cells { area, columns: self.width, colors, smooth: false });
            let frame = vec![[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]];
            sheet.line(frame, super::sheet::Ink::Grid, 1.0);
            sheet.text([x + w / 2.0, y + h + 15.0], &fitted(caption, SMALL, pitch), Style::SMALL);
        }
        Ok(sheet)
    }
}
