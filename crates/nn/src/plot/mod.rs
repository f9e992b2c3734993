//! Figures: curves, points, histograms, the regions of classes ([`Plot`], [`Panels`]), tables of numbers as colors
//! ([`HeatMap`]), and small images ([`Images`]), as SVG and PNG. Neither needs other files or fonts, and both fit the
//! width of a README.
//!
//! A figure is laid out as a list of shapes in pixels; SVG and PNG are two ways to write the list down. An SVG follows its
//! reader's light or dark theme; a PNG has the [`Theme`] that it was written in. Color-blind readers can distinguish the
//! colors.
//!
//! ```
//! use nn::plot::{Figure, Plot};
//! let file = std::env::temp_dir().join(format!("nn-figure-{}.png", std::process::id()));
//! Plot::new("A parabola").labels("x", "y").curve("x²", (-20..=20).map(|i| f64::from(i) / 10.0).map(|x| (x, x * x))).save(&file)?;
//! # std::fs::remove_file(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod axes;
mod font;
mod frame;
mod heat;
mod images;
mod panels;
mod png;
mod raster;
mod series;
mod sheet;
mod svg;
mod theme;
mod ticks;

pub use axes::Plot;
pub use heat::HeatMap;
pub use images::Images;
pub use panels::Panels;
pub use sheet::Sheet;
pub use theme::Theme;

use crate::io::{IoError, write_atomically};
use sheet::Point;
use std::path::{Path, PathBuf};

/// A figure, which can be written as SVG or PNG.
///
/// ```
/// use nn::plot::{Figure, Plot, Sheet, Theme};
/// let plot = Plot::new("Loss").line("training", [2.0, 1.0]).size(600.0, 300.0);
/// assert_eq!((plot.name(), plot.natural()), ("Loss", [600.0, 300.0]));
/// let _shapes: Sheet = plot.sheet(plot.natural())?;
/// // A document, an element of a page, and a file of an image.
/// assert!(plot.svg().contains("prefers-color-scheme") && !plot.svg_element()?.contains("prefers-color-scheme"));
/// assert!(plot.png(Theme::Light).starts_with(b"\x89PNG"));
///
/// let file = std::env::temp_dir().join(format!("nn-loss-{}.png", std::process::id()));
/// plot.save(&file)?;
/// plot.save_as(&file, Theme::Dark)?;
/// # std::fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Figure {
    /// The title of the figure.
    fn name(&self) -> &str;

    /// The preferred width and height, in pixels.
    fn natural(&self) -> Point;

    /// Lays the figure out in this many pixels.
    ///
    /// # Errors
    /// If its values cannot be drawn.
    fn sheet(&self, size: Point) -> Result<Sheet, PlotError>;

    /// The figure as a complete SVG document, which follows the reader's light or dark theme.
    ///
    /// # Panics
    /// If the figure cannot be drawn, with the message of [`try_svg`](Figure::try_svg).
    #[track_caller]
    fn svg(&self) -> String {
        drawn(self.try_svg(Theme::Reader))
    }

    /// The figure as a complete SVG document.
    ///
    /// # Errors
    /// If the figure cannot be drawn: see [`PlotError`].
    fn try_svg(&self, theme: Theme) -> Result<String, PlotError> {
        Ok(svg::write(&self.sheet(self.natural())?, self.name(), &svg::style(theme)))
    }

    /// The figure as an SVG element for a page that includes the [style sheet](svg_style) of figures.
    ///
    /// # Errors
    /// Same as [`try_svg`](Figure::try_svg).
    fn svg_element(&self) -> Result<String, PlotError> {
        Ok(svg::write(&self.sheet(self.natural())?, self.name(), ""))
    }

    /// The figure as a PNG file, with twice as many pixels in each direction as the figure has.
    ///
    /// # Panics
    /// If the figure cannot be drawn, with the message of [`try_png`](Figure::try_png).
    #[track_caller]
    fn png(&self, theme: Theme) -> Vec<u8> {
        drawn(self.try_png(theme))
    }

    /// The figure as a PNG file.
    ///
    /// # Errors
    /// Same as [`try_svg`](Figure::try_svg).
    fn try_png(&self, theme: Theme) -> Result<Vec<u8>, PlotError> {
        Ok(raster::write(&self.sheet(self.natural())?, theme == Theme::Dark))
    }

    /// Writes the figure to a file [atomically](write_atomically): as SVG if its name ends in `.svg`, as PNG if it ends
    /// in `.png`.
    ///
    /// # Errors
    /// If the figure cannot be drawn, the name ends otherwise, or the file cannot be written.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError>
    where
        Self: Sized,
    {
        self.save_as(path, Theme::Reader)
    }

    /// [Saves](Figure::save) the figure in these colors.
    ///
    /// # Errors
    /// Same as [`save`](Figure::save).
    fn save_as(&self, path: impl AsRef<Path>, theme: Theme) -> Result<(), PlotError>
    where
        Self: Sized,
    {
        save(self, path.as_ref(), theme)
    }
}

/// Writes a figure in the format of the path's extension. Compiled here, once.
fn save(figure: &dyn Figure, path: &Path, theme: Theme) -> Result<(), PlotError> {
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => figure.try_svg(theme)?.into_bytes(),
        Some("png") => figure.try_png(theme)?,
        _ => return Err(PlotError::Format { path: path.into() }),
    };
    Ok(write_atomically(path, |w| w.write_all(&bytes))?)
}

/// The style sheet that a page needs once for all its [elements](Figure::svg_element).
///
/// ```
/// use nn::plot::{Figure, Plot, svg_style};
/// let plot = Plot::new("Loss").line("training", [2.0, 1.0]);
/// let page = format!("<!doctype html><title>t</title><style>{}</style>{}", svg_style(), plot.svg_element()?);
/// # assert!(page.contains("prefers-color-scheme"));
/// # Ok::<(), nn::plot::PlotError>(())
/// ```
pub fn svg_style() -> String {
    svg::style(Theme::Reader)
}

/// Why a figure could not be drawn or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A value without a logarithm.
    #[error(
        "the {axis} axis is logarithmic, but value {at} of {series:?} is {value}: make the axis linear, or leave out values \
         that are not above 0"
    )]
    NotPositive {
        /// The axis, `x` or `y`.
        axis: char,
        /// The name of the series.
        series: String,
        /// The place of the value in its series, counted from 1.
        at: usize,
        /// The value.
        value: f64,
    },
    /// The ends of a logarithmic axis are not above 0.
    #[error("the {axis} axis is logarithmic, but its range is {low} to {high}: both must be above 0")]
    Ends {
        /// The axis, `x` or `y`.
        axis: char,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// Regions on a logarithmic axis.
    #[error("the {axis} axis is logarithmic, but regions need linear axes")]
    Regions {
        /// The axis, `x` or `y`.
        axis: char,
    },
    /// The rows of a heat map differ in length.
    #[error("row {row} of the heat map has {cells} cells, but the first has {columns}")]
    Ragged {
        /// The row, counted from 1.
        row: usize,
        /// Its number of cells.
        cells: usize,
        /// The number of cells of the first row.
        columns: usize,
    },
    /// The pixels of an image do not fill its rows.
    #[error("image {image} has {pixels} pixels, which are not rows of {width}")]
    Pixels {
        /// The image, counted from 1.
        image: usize,
        /// Its number of pixels.
        pixels: usize,
        /// The width of the images.
        width: usize,
    },
    /// The name of a file does not determine its format.
    #[error("{}: the name must end in .svg or .png", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] IoError),
}

#[track_caller]
fn drawn<R>(result: Result<R, PlotError>) -> R {
    result.unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests;
