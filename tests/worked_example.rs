//! Tests of the numbers of examples/worked_example.rs and of the page that explains them.

#[path = "../examples/worked_example.rs"]
#[allow(dead_code)]
mod example;

use example::{Network, RATE, Report, TOLERANCE};

/// Random networks, including saturated ones.
fn networks() -> impl Iterator<Item = Network> {
    let mut rng = wengert::autograd::Rng::new(1);
    let random = std::iter::repeat_with(move || {
        let mut next = || 4.0 * rng.normal();
        Network { x: next(), t: next(), w1: next(), b1: next(), w2: next(), b2: next() }
    });
    std::iter::once(Network::EXAMPLE).chain(random.take(100))
}

#[test]
fn formulas_and_tape_agree() {
    for network in networks() {
        let report = Report::new(network);
        assert!(report.difference() < TOLERANCE, "{report}");
    }
}

#[test]
fn the_formulas_agree_with_differences_of_the_loss() {
    let h = 1e-5;
    let g = Network::EXAMPLE.by_formula();
    type Place = fn(&mut Network) -> &mut f64;
    let places: [(Place, f64); 4] =
        [(|n| &mut n.w1, g.dw1), (|n| &mut n.b1, g.db1), (|n| &mut n.w2, g.dw2), (|n| &mut n.b2, g.db2)];
    for (place, derivative) in places {
        let loss_at = |shift: f64| {
            let mut moved = Network::EXAMPLE;
            *place(&mut moved) += shift;
            moved.by_formula().loss
        };
        let difference = (loss_at(h) - loss_at(-h)) / (2.0 * h);
        assert!((difference - derivative).abs() < 1e-9, "{difference} {derivative}");
    }
}

#[test]
fn a_step_lowers_the_loss() {
    let report = Report::new(Network::EXAMPLE);
    assert!(report.after_step.loss < report.tape.loss);
    assert!(report.holds());
    let stepped = Network::EXAMPLE.step(&report.formula, RATE);
    assert_eq!(stepped.b2, Network::EXAMPLE.b2 - RATE * report.formula.delta2);
}

#[test]
fn nan_is_no_agreement() {
    let mut report = Report::new(Network::EXAMPLE);
    report.tape.dw1 = f64::NAN;
    assert!(!report.holds());
}

#[test]
fn the_page_shows_what_the_example_prints() {
    let page = include_str!("../docs/worked_example.md");
    let printed = Report::new(Network::EXAMPLE).to_string();
    let shown = page.split("```text\n").find(|block| block.starts_with("x = ")).expect("the page shows the output");
    assert!(shown.starts_with(&printed), "the page shows\n{shown}\nbut the example prints\n{printed}");
}
