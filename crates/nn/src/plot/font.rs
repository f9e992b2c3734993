//! Letters for pixels: each is a few strokes, drawn like any other line, so that they scale and turn. A glyph is written as
//! points of two characters: x as a digit, y as a letter, with `a` the height of capitals, `d` that of small letters, `j` the
//! baseline and `m` the lowest descender. A large letter is the control point of a curve (quadratic, as in TrueType: between
//! two control points lies a point of the curve), and a space begins a new stroke.

/// The glyphs, by their characters.
#[rustfmt::skip]
const GLYPHS: &[(&str, &str)] = &[
    ("0", "0e0A5A5e5f5J0J0f0e"), ("1", "1c3a3j"), ("2", "0c0A5A5c5E0j5j"), ("3", "0b1A2a5A5c5E2e5E5g5J2j0J0h"),
    ("4", "4j4a0g5g"), ("5", "5a0a0e1D2d5D5g5J2j0J0h"), ("6", "4a0A0g0J5J5g5D0D0g"), ("7", "0a5a1j"),
    ("8", "0c0A5A5E0E0c 0g0E5E5J0J0g"), ("9", "1j5J5d5A0A0d0G5G5d"), ("A", "0j3a6j 1g5g"),
    ("B", "0j0a2a5A5c5E2e0e 2e6E6g6J2j0j"), ("C", "6b5A3a0A0e0f0J3j5J6i"), ("D", "0a0j2j6J6f6e6A2a0a"),
    ("E", "5a0a0j5j 0e4e"), ("F", "5a0a0j 0e4e"), ("G", "6b5A3a0A0e0f0J3j6J6g6f3f"), ("H", "0a0j 6a6j 0e6e"),
    ("I", "0a0j"), ("J", "4a4g4J2j0J0h"), ("K", "0a0j 5a0f 2d5j"), ("L", "0a0j5j"), ("M", "0j0a3g6a6j"),
    ("N", "0j0a6j6a"), ("O", "0e0A6A6e6f6J0J0f0e"), ("P", "0j0a2a5A5c5F2f0f"), ("Q", "0e0A6A6e6f6J0J0f0e 4g6j"),
    ("R", "0j0a2a5A5c5E2e0e 2e5j"), ("S", "5b4A3a0A0c0E3e5F5g5J2j1J0i"), ("T", "0a6a 3a3j"), ("U", "0a0f0J6J6f6a"),
    ("V", "0a3j6a"), ("W", "0a2j4b6j8a"), ("X", "0a5j 5a0j"), ("Y", "0a3e6a 3e3j"), ("Z", "0a5a0j5j"),
    ("a", "5d5j 5g5D0D0J5J5g"), ("b", "0a0j 0g0D5D5J0J0g"), ("c", "5e4D3d0D0g0J3j4J5i"), ("d", "5a5j 5g5D0D0J5J5g"),
    ("e", "0g5g5D0D0g0J3j4J5i"), ("f", "3a1A1c1j 0d3d"), ("g", "5g5D0D0J5J5g 5d5j5M3m1M0l"), ("h", "0a0j 0g0D5D5g5j"),
    ("i", "0d0j 0b0b"), ("j", "2d2k2M0m 2b2b"), ("k", "0a0j 4d0h 1g4j"), ("l", "0a0j"),
    ("m", "0d0j 0g0D4D4g4j 4g4D8D8g8j"), ("n", "0d0j 0g0D5D5g5j"), ("o", "0g0D5D5J0J0g"), ("p", "0d0m 0g0D5D5J0J0g"),
    ("q", "5d5m 5g5D0D0J5J5g"), ("r", "0d0j 0g0D3d"), ("s", "4e3D2d0D0e0F2g4G4h4J2j1J0i"), ("t", "1b1h1J3j 0d3d"),
    ("u", "0d0g0J5J5g 5d5j"), ("v", "0d2j4d"), ("w", "0d2j4e6j8d"), ("x", "0d4j 4d0j"), ("y", "0d2j 4d1m"),
    ("z", "0d4d0j4j"), (".", "0j0j"), (",", "1j0l"), (":", "0e0e 0j0j"), (";", "1e1e 1j0l"), ("!", "0a0g 0j0j"),
    ("?", "0b1A2a4A4c4D2f2g 2j2j"), ("'’", "0a0c"), ("\"", "0a0c 2a2c"), ("-", "0f3f"), ("−–", "0f5f"), ("—", "0f8f"),
    ("+", "0f6f 3c3i"), ("±", "0e6e 3b3h 0j6j"), ("=", "0e5e 0h5h"), ("·", "0f0f"), ("×", "0d4h 4d0h"), ("/", "0k4a"),
    ("\\", "0a4k"), ("|", "0a0l"), ("_", "0k5k"), ("(", "2a0C0f0I2l"), (")", "0a2C2f2I0l"), ("[", "2a0a0l2l"),
    ("]", "0a2a2l0l"), ("{", "3a1A1c1d1F0f1F1h1i1L3l"), ("}", "0a2A2c2d2F3f2F2h2i2L0l"), ("<", "5c0f5i"),
    (">", "0c5f0i"), ("≤", "5b0e5h 0j5j"), ("≥", "0b5e0h 0j5j"), ("~", "0g1D3f5H6e"), ("^", "0c2a4c"), ("`", "0a1b"),
    ("%", "0c0A3A3E0E0c 5h5F8F8J5J5h 7a1j"), ("#", "1j2a 4j5a 0d6d 0g6g"), ("*", "2b2f 0c4e 4c0e"),
    ("$", "5b4A3a0A0c0E3e5F5g5J2j1J0i 2l3a"), ("&", "6j1c1A4A4c4D0F0h0J5J6f"), ("@", "5e5H3D3H5H6H7f7A0A0e0J5j"),
    ("°", "0b0A2A2C0C0b"), ("…", "0j0j 2j2j 4j4j"), ("µμ", "0d0m 0g0J5J5g 5d5j"), ("→", "0f7f 5d7f5h"),
    ("Δ", "0j3a6j0j"), ("√", "0f1f2j5a8a"), ("α", "6d4J2j1J0J0g0D2D4D6j"), ("β", "0m0c0A2a4A4c4E2e5E5g5J2j0J0h"),
    ("γ", "0d2j5d 2j2m"), ("δ", "4a1A1b1C4D5g5J0J0g0D3d"), ("ε", "4e3D2d0D0e0F2f0F0h0J2j3J4i"),
    ("η", "0d0j 0g0D4D4g4m"), ("θ", "0e0A4A4e4f4J0J0f0e 0e4e"), ("λ", "0a1A5j 3f0j"), ("π", "0d6d 1d1j 5d5j"),
    ("ρ", "0m0g0D5D5J0J0h"), ("σ", "6d3d0D0g0J5J5g5D3d"), ("τ", "0d5d 2d2J4j"), ("φ", "0g0D6D6J0J0g 3b3m"),
    ("ω", "1d0F0g0J3J3g3J6J6g6F5d"), ("∞", "4g5D8D8g8J5I4g3D0D0g0J3I4g"), ("Σ", "5b5a0a3e0j5j5i"),
];
/// The placeholder for a character without a glyph.
const UNKNOWN: &str = "0a4a4j0j0a";
/// The side of a square of the grid, and the distance of letters, in parts of the font's size.
const UNIT: f64 = 0.081;
const GAP: f64 = 2.3;
const SPACE: f64 = 3.2;
/// Lines that a curve is drawn as.
const PIECES: usize = 6;

type Point = [f64; 2];

/// Digits above and below the line are small ones, as far down as this.
fn small(c: char) -> Option<(char, f64)> {
    let digit = |all: &str| char::from_digit(all.chars().position(|other| other == c)? as u32, 10);
    if c == '⁻' {
        return Some(('-', -4.5));
    }
    let (raised, lowered) = (digit("⁰¹²³⁴⁵⁶⁷⁸⁹"), digit("₀₁₂₃₄₅₆₇₈₉"));
    raised.map(|digit| (digit, -4.5)).or_else(|| Some((lowered?, 2.0)))
}
/// The size of small digits.
const REDUCED: f64 = 0.62;

fn glyph(c: char) -> &'static str {
    GLYPHS.iter().find(|(chars, _)| chars.contains(c)).map_or(UNKNOWN, |(_, strokes)| strokes)
}

/// The advance after a character, in units.
fn advance(c: char) -> f64 {
    if let Some((digit, _)) = small(c) {
        return REDUCED * advance(digit);
    }
    let widest = glyph(c).bytes().filter(u8::is_ascii_digit).max().map_or(0, |x| x - b'0');
    match c {
        ' ' => SPACE,
        // All digits are as wide as the widest, so that numbers in a column are aligned.
        '0'..='9' => 5.0 + GAP,
        _ => f64::from(widest) + GAP,
    }
}

/// The width of a text in a font of this size. Other fonts of the usual kind are about as wide.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * UNIT * size
}

/// The strokes of a text that begins at 0 on the baseline.
pub(super) fn strokes(text: &str, size: f64) -> Vec<Vec<Point>> {
    let (mut pen, mut out) = (0.0, Vec::new());
    for c in text.chars() {
        let (c, scale, down) = small(c).map_or((c, 1.0, 0.0), |(digit, down)| (digit, REDUCED, down));
        let strokes = if c == ' ' { "" } else { glyph(c) };
        for stroke in strokes.split(' ').filter(|stroke| !stroke.is_empty()) {
            let place = |[x, y]: Point| {
                [(pen + scale * (x + GAP / 2.0)) * UNIT * size, (scale * (y - 9.0) + down) * UNIT * size]
            };
            out.push(curve(stroke.as_bytes()).into_iter().map(place).collect());
        }
        pen += scale * advance(c);
    }
    out
}

/// The points of a stroke, in units of the grid.
fn curve(stroke: &[u8]) -> Vec<Point> {
    let at = |pair: &[u8]| [f64::from(pair[0] - b'0'), f64::from(pair[1].to_ascii_lowercase() - b'a')];
    let middle = |a: Point, b: Point| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let mut out: Vec<Point> = Vec::new();
    let mut control: Option<Point> = None;
    for pair in stroke.chunks_exact(2) {
        let (point, is_control) = (at(pair), pair[1].is_ascii_uppercase());
        match control {
            Some(bend) => bent(&mut out, bend, if is_control { middle(bend, point) } else { point }),
            None if is_control => {}
            None => out.push(point),
        }
        control = is_control.then_some(point);
    }
    out
}

/// Continues along a curve from the last point.
fn bent(out: &mut Vec<Point>, bend: Point, end: Point) {
    let start = out.last().copied().unwrap_or(end);
    for i in 1..=PIECES {
        let t = i as f64 / PIECES as f64;
        let mix = |k: usize| (1.0 - t).powi(2) * start[k] + 2.0 * t * (1.0 - t) * bend[k] + t * t * end[k];
        out.push([mix(0), mix(1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_of_ascii_has_a_glyph() {
        for c in (' '..='~').filter(|c| *c != ' ') {
            assert!(glyph(c) != UNKNOWN, "{c}");
            for [x, y] in strokes(&c.to_string(), 10.0).concat() {
                assert!((0.0..8.5).contains(&x) && (-7.5..2.6).contains(&y), "{c}: {x} {y}");
            }
        }
        assert_eq!(glyph('字'), UNKNOWN);
    }

    #[test]
    fn a_circle_is_round() {
        // The o is centered at 2.5 and 6, and 5 wide and 6 high.
        for [x, y] in curve(b"0g0D5D5J0J0g") {
            let r = ((x - 2.5) / 2.5).hypot((y - 6.0) / 3.0);
            assert!((0.99..1.07).contains(&r), "{r}");
        }
    }
}
