//! Sheets as SVG. Every ink is a class, whose color the style sheet chooses by the reader's theme; a page that holds several
//! figures needs the style sheet once.

use super::font::width;
use super::png::{base64, encode};
use super::sheet::{Anchor, Area, Ink, Point, Shape, Sheet, Style};
use super::theme::{INKS, SERIES, Theme};
use autograd::internals::xml;

const FONT: &str = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif";

/// The colors of the classes.
pub(super) fn style(theme: Theme) -> String {
    let rules = |dark| {
        INKS.iter().fold(String::new(), |rules, ink| {
            let [r, g, b] = ink.color(dark);
            rules + &format!(".plot .{}{{color:#{r:02x}{g:02x}{b:02x}}}", ink.class())
        })
    };
    match theme {
        Theme::Reader => format!("{}@media(prefers-color-scheme:dark){{{}}}", rules(false), rules(true)),
        Theme::Light => rules(false),
        Theme::Dark => rules(true),
    }
}

/// An SVG element; a complete document if it has a style sheet.
pub(super) fn write(sheet: &Sheet, name: &str, style: &str) -> String {
    let [w, h] = sheet.size;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" \
         height=\"{h:.0}\" role=\"img\" aria-label=\"{}\" font-family=\"{FONT}\">\n",
        xml(name)
    );
    if !style.is_empty() {
        out += &format!("<style>{style}</style>\n");
    }
    out += &format!("<rect class=\"ground\" width=\"{w:.0}\" height=\"{h:.0}\" rx=\"6\" fill=\"currentColor\"/>\n");
    sheet.shapes.iter().for_each(|shape| self::shape(&mut out, shape));
    out + "</svg>\n"
}

fn shape(out: &mut String, shape: &Shape) {
    match shape {
        Shape::Box { area: [x, y, w, h], ink, opacity } => {
            let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"");
            *out += &format!("<rect class=\"{}\" {place} fill=\"currentColor\"", ink.class());
            *out += &if *opacity < 1.0 { format!(" fill-opacity=\"{opacity}\"/>\n") } else { "/>\n".into() };
        }
        Shape::Line { points, ink, width, dashed } => {
            let dashes = if *dashed { " stroke-dasharray=\"7 6\"" } else { "" };
            stroked(out, &path(points), *ink, *width, dashes);
        }
        // A line of no length with round ends.
        Shape::Dots { points, ink, radius } => {
            let path: String = points.iter().map(|[x, y]| format!("M{x:.1} {y:.1}h0")).collect();
            stroked(out, &path, *ink, 2.0 * radius, " stroke-opacity=\"0.8\"");
        }
        Shape::Text { at, text, style } => written(out, *at, text, style),
        Shape::Cells { area, columns, colors, smooth } => {
            cells(out, area, &encode(*columns, 4, colors.as_flattened()), *smooth);
        }
    }
}

fn stroked(out: &mut String, path: &str, ink: Ink, width: f64, more: &str) {
    let class = ink.class();
    // A grid of straight lines needs no round ends.
    let round = if matches!(ink, Ink::Series(_)) { " stroke-linejoin=\"round\" stroke-linecap=\"round\"" } else { "" };
    *out +=
        &format!("<path class=\"{class}\" d=\"{path}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"{width}\"");
    *out += &format!("{round}{more}/>\n");
}

fn path(points: &[Point]) -> String {
    let mut out = String::new();
    for (k, [x, y]) in points.iter().enumerate() {
        out += &format!("{}{x:.1} {y:.1}", if k == 0 { 'M' } else { 'L' });
    }
    // A single point is visible because of its round ends.
    if points.len() == 1 { out + "h0" } else { out }
}

fn written(out: &mut String, [x, y]: Point, text: &str, style: &Style) {
    let anchor = match style.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let place = match style.turned {
        0.0 => format!("x=\"{x:.1}\" y=\"{y:.1}\""),
        turned => format!("transform=\"translate({x:.1} {y:.1}) rotate({:.0})\"", -turned),
    };
    let weight = if style.bold { " font-weight=\"600\"" } else { "" };
    *out += &format!("<text class=\"{}\" {place} font-size=\"{}\"{anchor}", style.ink.class(), style.size);
    *out += &format!("{weight} fill=\"currentColor\">{}</text>\n", xml(text));
}

fn cells(out: &mut String, [x, y, w, h]: &Area, png: &[u8], smooth: bool) {
    let sharp = if smooth { "" } else { " style=\"image-rendering:pixelated\"" };
    *out +=
        &format!("<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" preserveAspectRatio=\"none\"");
    *out += &format!("{sharp} href=\"data:image/png;base64,{}\"/>\n", base64(png));
}

/// After the last color, the colors of series repeat with dashed lines.
pub(super) fn is_dashed(series: usize) -> bool {
    series >= SERIES
}

/// The widest of these texts.
pub(super) fn widest<'t>(texts: impl Iterator<Item = &'t str>, size: f64) -> f64 {
    texts.fold(0.0, |most, text| width(text, size).max(most))
}
