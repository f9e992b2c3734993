//! Backpropagation by hand and by tape: a network of two neurons, one per layer,
//!
//! ```text
//! x ── w1, b1 ──> z1 ── σ ──> a1 ── w2, b2 ──> z2 ── σ ──> y        L = ½ (y - t)²
//! ```
//!
//! Every number is computed twice, by the delta formulas of the textbooks and by the tape, and both are printed side by
//! side. docs/worked_example.md derives the formulas. Run with `cargo run --release --example worked_example`.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;
use wengert::prelude::*;

/// Input, target and the four parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Network {
    pub x: f64,
    pub t: f64,
    pub w1: f64,
    pub b1: f64,
    pub w2: f64,
    pub b2: f64,
}

/// The values of the forward pass and the derivatives of L, under the names of the formulas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Numbers {
    pub z1: f64,
    pub a1: f64,
    pub z2: f64,
    pub y: f64,
    pub loss: f64,
    /// dL/dz2
    pub delta2: f64,
    pub dw2: f64,
    pub db2: f64,
    /// dL/dz1
    pub delta1: f64,
    pub dw1: f64,
    pub db1: f64,
}

/// The maximum difference allowed between the two computations.
pub(crate) const TOLERANCE: f64 = 1e-12;

/// The step size of gradient descent.
pub(crate) const RATE: f64 = 0.5;

impl Network {
    pub const EXAMPLE: Network = Network { x: 0.5, t: 1.0, w1: 0.8, b1: 0.2, w2: -1.5, b2: 0.5 };

    /// Forward and backward pass written out in plain arithmetic.
    pub fn by_formula(self) -> Numbers {
        let Network { x, t, w1, b1, w2, b2 } = self;
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());

        let z1 = w1 * x + b1;
        let a1 = sigmoid(z1);
        let z2 = w2 * a1 + b2;
        let y = sigmoid(z2);
        let loss = 0.5 * (y - t).powi(2);

        let delta2 = (y - t) * y * (1.0 - y);
        let delta1 = delta2 * w2 * a1 * (1.0 - a1);
        Numbers { z1, a1, z2, y, loss, delta2, dw2: delta2 * a1, db2: delta2, delta1, dw1: delta1 * x, db1: delta1 }
    }

    /// The same numbers from the tape: only the forward pass is written; the backward pass follows from the chain rule.
    pub fn by_tape(self) -> Numbers {
        let tape = Tape::new();
        let [w1, b1, w2, b2] = [self.w1, self.b1, self.w2, self.b2].map(|parameter| tape.var(parameter));

        let z1 = w1 * self.x + b1;
        let a1 = z1.sigmoid();
        let z2 = w2 * a1 + b2;
        let y = z2.sigmoid();
        let loss = 0.5 * (y - self.t).square();

        // `backward` would return only the parameters' derivatives; the deltas belong to intermediate values, so
        // request them too.
        let gradients = loss.backward_wrt(&[z1, z2, w1, b1, w2, b2]);
        let d = |v| gradients.wrt(v).item();
        Numbers {
            z1: z1.item(),
            a1: a1.item(),
            z2: z2.item(),
            y: y.item(),
            loss: loss.item(),
            delta2: d(z2),
            dw2: d(w2),
            db2: d(b2),
            delta1: d(z1),
            dw1: d(w1),
            db1: d(b1),
        }
    }

    /// One step of gradient descent: every parameter moves against its derivative.
    pub fn step(self, g: &Numbers, rate: f64) -> Network {
        Network {
            w1: self.w1 - rate * g.dw1,
            b1: self.b1 - rate * g.db1,
            w2: self.w2 - rate * g.dw2,
            b2: self.b2 - rate * g.db2,
            ..self
        }
    }
}

impl Numbers {
    /// The numbers in the order of computation, with the formula of each.
    pub fn rows(&self) -> [(&'static str, &'static str, f64); 11] {
        [
            ("z1", "w1 x + b1", self.z1),
            ("a1", "σ(z1)", self.a1),
            ("z2", "w2 a1 + b2", self.z2),
            ("y", "σ(z2)", self.y),
            ("L", "½ (y - t)²", self.loss),
            ("delta2", "(y - t) y (1 - y)", self.delta2),
            ("dL/dw2", "delta2 a1", self.dw2),
            ("dL/db2", "delta2", self.db2),
            ("delta1", "delta2 w2 a1 (1 - a1)", self.delta1),
            ("dL/dw1", "delta1 x", self.dw1),
            ("dL/db1", "delta1", self.db1),
        ]
    }
}

/// The example's output.
pub(crate) struct Report {
    pub network: Network,
    pub formula: Numbers,
    pub tape: Numbers,
    pub after_step: Numbers,
}

impl Report {
    pub fn new(network: Network) -> Report {
        let tape = network.by_tape();
        Report { network, formula: network.by_formula(), tape, after_step: network.step(&tape, RATE).by_tape() }
    }

    /// The largest difference between the two computations.
    pub fn difference(&self) -> f64 {
        let pairs = self.formula.rows().into_iter().zip(self.tape.rows());
        // `f64::max` would ignore a NaN.
        pairs.map(|(f, t)| (f.2 - t.2).abs()).fold(0.0, |a, b| if a.is_nan() || b <= a { a } else { b })
    }

    /// Whether the two computations agree and the step lowered the loss.
    pub fn holds(&self) -> bool {
        self.difference() < TOLERANCE && self.after_step.loss < self.tape.loss
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Network { x, t, w1, b1, w2, b2 } = self.network;
        writeln!(f, "x = {x}  t = {t}  w1 = {w1}  b1 = {b1}  w2 = {w2}  b2 = {b2}\n")?;
        writeln!(f, "{:<8}{:<22}{:>16}{:>16}{:>16}", "", "formula", "by formula", "by tape", "difference")?;
        for ((name, formula, by_formula), (.., by_tape)) in self.formula.rows().into_iter().zip(self.tape.rows()) {
            let difference = (by_formula - by_tape).abs();
            writeln!(f, "{name:<8}{formula:<22}{by_formula:>16.12}{by_tape:>16.12}{difference:>16.12}")?;
        }
        let (before, after) = (self.tape.loss, self.after_step.loss);
        writeln!(f, "\none step of gradient descent, rate {RATE}: L = {before:.12} -> {after:.12}")
    }
}

fn main() -> ExitCode {
    let report = Report::new(Network::EXAMPLE);
    print!("{report}");
    if report.holds() {
        println!("formulas and tape agree to {TOLERANCE:e}");
        ExitCode::SUCCESS
    } else {
        eprintln!("formulas and tape differ by {:e}, or the loss did not decrease", report.difference());
        ExitCode::FAILURE
    }
}
