//! The colors of the ink roles, on a light and on a dark background.

use super::sheet::{Color, Ink};

/// The colors of a figure: on a light or on a dark background.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// An SVG follows the theme of its reader's browser; a PNG is light.
    #[default]
    Reader,
    /// Dark text on white.
    Light,
    /// Light text on black.
    Dark,
}

/// The number of series with distinct colors.
pub(super) const SERIES: usize = 7;
/// The colors of the series: those of Okabe and Ito (2008), which color-blind readers can distinguish, and for a dark
/// background brighter ones of the same hues.
const LIGHT: [[u8; 3]; SERIES] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [77, 77, 77]];
const DARK: [[u8; 3]; SERIES] =
    [[72, 166, 230], [255, 137, 61], [38, 196, 148], [232, 154, 196], [240, 180, 41], [240, 228, 66], [190, 197, 205]];

/// All inks.
pub(super) const INKS: [Ink; 6 + SERIES] = [
    Ink::Ground,
    Ink::Text,
    Ink::Dim,
    Ink::Grid,
    Ink::Axis,
    Ink::Bright,
    Ink::Series(0),
    Ink::Series(1),
    Ink::Series(2),
    Ink::Series(3),
    Ink::Series(4),
    Ink::Series(5),
    Ink::Series(6),
];

impl Ink {
    pub(super) fn color(self, dark: bool) -> [u8; 3] {
        match (self, dark) {
            (Ink::Ground, false) | (Ink::Bright, _) => [255, 255, 255],
            (Ink::Ground, true) => [13, 17, 23],
            (Ink::Text, false) => [31, 35, 40],
            (Ink::Text, true) => [230, 237, 243],
            (Ink::Dim, false) => [89, 99, 110],
            (Ink::Dim, true) => [145, 152, 161],
            (Ink::Grid, false) => [228, 231, 235],
            (Ink::Grid, true) => [38, 44, 54],
            (Ink::Axis, false) => [140, 149, 159],
            (Ink::Axis, true) => [110, 118, 129],
            (Ink::Series(i), false) => LIGHT[i % SERIES],
            (Ink::Series(i), true) => DARK[i % SERIES],
        }
    }

    /// The name of its class in SVG.
    pub(super) fn class(self) -> String {
        match self {
            Ink::Ground => "ground".into(),
            Ink::Text => "ink".into(),
            Ink::Dim => "dim".into(),
            Ink::Grid => "grid".into(),
            Ink::Axis => "axis".into(),
            Ink::Bright => "bright".into(),
            Ink::Series(i) => format!("s{}", i % SERIES),
        }
    }
}

/// Colors of cells are blended with the background, so that they suit either theme: transparent at 0, opaque at 1.
pub(super) fn sequential(fraction: f64) -> Color {
    shade(LIGHT[0], fraction)
}

/// Blue above 0, orange below, as strong as the value is large.
pub(super) fn diverging(fraction: f64) -> Color {
    shade(if fraction < 0.0 { LIGHT[1] } else { LIGHT[0] }, fraction.abs())
}

/// Ink on paper, in either theme: 0 is white, 1 is black.
pub(super) fn gray(fraction: f64) -> Color {
    let level = 255 - (255.0 * fraction.clamp(0.0, 1.0)).round() as u8;
    [level, level, level, 255]
}

/// The region of a class, behind the points of its color.
pub(super) fn region(class: usize) -> Color {
    let [r, g, b] = LIGHT[class % SERIES];
    [r, g, b, 70]
}

fn shade([r, g, b]: [u8; 3], fraction: f64) -> Color {
    match fraction.is_nan() {
        true => [128, 128, 128, 90],
        false => [r, g, b, (255.0 * fraction.clamp(0.0, 1.0)).round() as u8],
    }
}
