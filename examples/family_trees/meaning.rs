//! What the six units that encode a person have come to represent: their weights compared with traits of the people, as
//! numbers, as blocks on the terminal, and as a picture like the paper's.

use crate::kin::{BRANCH, GENERATION, NAMES};
use crate::network::Network;
use std::ops::Range;
use wengert::nn::plot::HeatMap;

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
    fn blocks(&self, people: Range<usize>) -> String {
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

/// The picture, like the paper's: for each unit a row of English and a row of Italian people. The area of a square is the
/// size of a weight; it is blue if the person switches the unit on, orange if off.
pub fn picture(units: &[Unit]) -> HeatMap {
    let largest = |unit: &Unit| unit.0.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
    let scaled = |unit: &Unit, people: Range<usize>| unit.0[people].iter().map(|w| w / largest(unit)).collect();
    // An empty row sets each unit off from the next.
    let rows = units.iter().flat_map(|unit| [scaled(unit, 0..12), scaled(unit, 12..24), vec![f64::NAN; 12]]);
    let named = |unit: &Unit| {
        let (name, part) = unit.best();
        [format!("{name} {part:.2}, English"), "Italian".to_owned(), String::new()]
    };
    let people = NAMES[..12].iter().zip(&NAMES[12..]).map(|(english, italian)| format!("{english} / {italian}"));
    HeatMap::new("", rows.take(3 * units.len() - 1).collect::<Vec<Vec<f64>>>())
        .names(people, units.iter().flat_map(named))
        .squares()
}
