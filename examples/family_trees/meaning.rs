//! What the six units that encode a person have come to represent: their weights compared with traits of the people, as
//! numbers, as blocks on the terminal, and as a picture like the paper's.

use crate::kin::{BRANCH, GENERATION, NAMES};
use crate::network::Network;
use std::fmt::Write;

/// Traits that people may share. No input encodes them.
pub const TRAITS: [&str; 3] = ["nationality", "generation", "branch"];

/// The group of a person with respect to a trait.
fn group(which: usize, person: usize) -> usize {
    [person / 12, GENERATION[person % 12], BRANCH[person % 12]][which]
}

/// One unit: its weights from the 24 people.
pub struct Unit(Vec<f64>);

pub fn units(network: &Network) -> Vec<Unit> {
    network.person.weight.value().to_vec().chunks(24).map(|weights| Unit(weights.to_vec())).collect()
}

impl Unit {
    /// The fraction of the weights' variance that lies between the groups of a trait: 1 if all people of a group have
    /// the same weight, near 0 if the trait explains nothing.
    pub fn explained(&self, which: usize) -> f64 {
        let mean = |people: &[f64]| people.iter().sum::<f64>() / people.len() as f64;
        let of_group = |g| (0..24).filter(|&p| group(which, p) == g).map(|p| self.0[p]).collect::<Vec<_>>();
        let all = mean(&self.0);
        let total: f64 = self.0.iter().map(|w| (w - all).powi(2)).sum();
        let between = |people: Vec<f64>| people.len() as f64 * (mean(&people) - all).powi(2);
        (0..3).map(of_group).filter(|people| !people.is_empty()).map(between).sum::<f64>() / total
    }

    /// The trait that explains the most variance.
    pub fn best(&self) -> (&'static str, f64) {
        let all = (0..3).map(|which| (TRAITS[which], self.explained(which)));
        all.max_by(|a, b| a.1.total_cmp(&b.1)).expect("three traits")
    }

    /// The weights of the twelve people of one nationality, from `█`, large and positive, to `·`, large and negative.
    fn blocks(&self, people: std::ops::Range<usize>) -> String {
        let largest = self.0.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
        let shade = |w: &f64| ['·', '░', '▒', '▓', '█'][((w / largest + 1.0) * 2.0).round() as usize];
        self.0[people].iter().map(shade).collect()
    }

    /// One line of terminal output.
    pub fn line(&self) -> String {
        let (name, part) = self.best();
        format!("{}  {}   {name}: {part:.2}", self.blocks(0..12), self.blocks(12..24))
    }
}

/// The picture: a box for each unit, the English people above the Italian. The area of a square is the size of a
/// weight; it is blue if the person switches the unit on, orange if off.
pub fn svg(units: &[Unit]) -> String {
    const CELL: f64 = 26.0;
    const WIDTH: f64 = 640.0;
    let (left, top, gap) = (230.0, 120.0, 2.0 * CELL + 26.0);
    let height = top + gap * units.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#1f2933\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n"
    );
    for (i, (english, italian)) in NAMES[..12].iter().zip(&NAMES[12..]).enumerate() {
        let x = left + CELL * (i as f64 + 0.65);
        let _ = writeln!(
            out,
            "<text transform=\"translate({x:.0} {:.0}) rotate(-50)\">{english} / {italian}</text>",
            top - 8.0
        );
    }
    for (unit, y) in units.iter().zip((0..).map(|i| top + gap * f64::from(i))) {
        let (name, part) = unit.best();
        let _ = writeln!(out, "<text x=\"16\" y=\"{:.0}\">{name}: {part:.2}</text>", y + CELL + 4.0);
        let largest = unit.0.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
        for (row, word) in ["English", "Italian"].into_iter().enumerate() {
            let middle = y + CELL * (row as f64 + 0.5);
            let _ = writeln!(
                out,
                "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{word}</text>",
                left - 8.0,
                middle + 4.0
            );
            for (i, w) in unit.0[12 * row..12 * row + 12].iter().enumerate() {
                let (side, colour) =
                    ((CELL - 3.0) * (w.abs() / largest).sqrt(), if *w > 0.0 { "#0072b2" } else { "#e69f00" });
                let x = left + CELL * (i as f64 + 0.5);
                let (x, y) = (x - side / 2.0, middle - side / 2.0);
                let _ = writeln!(out, "<path d=\"M{x:.1} {y:.1}h{side:.1}v{side:.1}h-{side:.1}z\" fill=\"{colour}\"/>");
            }
        }
        let (width, height) = (12.0 * CELL, 2.0 * CELL);
        let _ = writeln!(out, "<path d=\"M{left} {y}h{width}v{height}h-{width}z\" fill=\"none\" stroke=\"#cbd2d9\"/>");
    }
    out + "</svg>\n"
}
