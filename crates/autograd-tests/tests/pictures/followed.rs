//! Where one derivative comes from, and why it is what it is.

use autograd::{Contributions, Tape, Tensor, Var, tensor};

fn why(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: f64) -> Contributions {
    let tape = Tape::<f64>::new();
    let x = tape.var(at).named("x");
    tape.explain(f(x).named("y")).wrt(x)
}

#[track_caller]
fn verdict(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: f64, starts: &str) {
    let why = why(f, at);
    assert!(why.verdict().starts_with(starts), "{why}");
}

#[test]
fn contributions_add_up_and_the_largest_comes_first() {
    let why = why(|x| 3.0 * x + x.sin() - x.square() * 0.5, 2.0);
    let sizes: Vec<f64> = why.rows().iter().map(|row| row.largest).collect();
    assert_eq!(sizes, [3.0, 2.0, 2f64.cos().abs()]);
    let text = why.to_string();
    assert!(text.starts_with("dy/dx = 0.583853.\n") && text.contains("-2            y → #7 → #5 → x  "), "{text}");
    assert!(why.rows().iter().all(|row| row.line.contains("followed.rs:")));
    assert_eq!((why.rows()[0].path.first(), why.rows()[0].path.last()), (Some(&8), Some(&0)));
}

#[test]
fn a_value_used_twice_by_one_op_has_two_paths() {
    let why = why(|x| x * x, 3.0);
    assert_eq!(why.rows().iter().map(|row| row.largest).collect::<Vec<_>>(), [3.0, 3.0]);
}

#[test]
fn a_million_paths_are_summed_up_by_the_op_that_reads_the_input() {
    let why = why(|x| (0..20).fold(x.sin(), |h, _| h + h) + x, 0.5);
    assert_eq!(why.rows().len(), 2);
    assert!((why.rows()[0].largest / 2f64.powi(20) / 0.5f64.cos() - 1.0).abs() < 1e-15);
    assert!(why.to_string().contains("all paths → #1 → x"), "{why}");
}

#[test]
fn why_a_derivative_is_zero() {
    verdict(|x| x.relu() * 2.0, -1.0, "It is 0: it vanishes at #1 = max(x, 0) (");
    verdict(|x| x.floor() * 2.0, 1.5, "It is 0: it vanishes at #1 = floor(x) (");
    verdict(|x| x - x, 1.5, "It is 0: the contributions cancel one another.");
    verdict(|x| x.stop_gradient() * 2.0, 1.5, "It is 0: no derivative flows through #1 = x, as a constant (");
    verdict(|x| x.gt(x.tape().constant(0.0)) * 2.0, 1.5, "It is 0: no derivative flows through #2 = [x > 0] (");
    verdict(|x| x.tape().var(1.0).exp(), 1.5, "y does not depend on x.");
    let tape = Tape::<f64>::new();
    let (c, x) = (tape.constant(2.0).named("c"), tape.var(1.0));
    let z = c.exp();
    let y = c * x * z;
    assert!(tape.explain(y).wrt(c).verdict().starts_with("c ("), "{}", tape.explain(y).wrt(c));
    assert!(tape.explain(y).wrt(z).verdict().contains("is computed from constants only"));
    assert!(tape.explain(x).wrt(y).verdict().contains("does not depend on"));
}

#[test]
fn why_a_derivative_is_not_finite() {
    verdict(|x| x.sqrt() * 2.0, 0.0, "It is infinite: #1 = √x (");
    verdict(|x| (x * 0.0).sqrt(), 1.0, "It is NaN: y = √#2 (");
    verdict(|x| x.ln().square(), -1.0, "It is NaN: already in the forward pass, #1 = ln(x) (");
    let why = why(|x| x.sqrt(), 0.0);
    assert!(why.verdict().ends_with("passes on inf where 1 arrives, by its rule ḡ/(2·y)."), "{why}");
    assert_eq!(why.rows()[0].largest, f64::INFINITY);
}

#[test]
fn why_a_derivative_explodes_or_vanishes() {
    verdict(|x| (x * 1e4).exp() * 10.0, 1e-3, "It is huge: it grows most by 22026.5 at #3 = exp(#2)");
    verdict(
        |x| (0..12).fold(x, |h, _| h.sigmoid()),
        9.0,
        "It is tiny: it shrinks most by 0.000123379 at #1 = sigmoid(x)",
    );
    assert_eq!(why(|x| x.sin(), 1.0).verdict(), "");
}

#[test]
fn arrays_are_followed_as_a_whole() {
    let tape = Tape::<f32>::new();
    let w = tape.var(Tensor::<f32>::ones(&[4, 3])).named("w");
    let x = tape.constant(tensor![[1.0_f32, 2.0, 3.0, 4.0]]);
    let y = x.matmul(w).relu().sum() + w.square().mean();
    let why = tape.explain(y.named("y")).wrt(w);
    let text = why.to_markdown();
    assert!(text.contains("| 1 … 4 |") && text.contains("| all 0.166667 |"), "{text}");
    assert_eq!(why.rows()[0].largest, 4.0);
}

#[test]
#[should_panic(expected = "tape")]
fn an_input_of_another_tape_is_refused() {
    let (tape, other) = (Tape::<f64>::new(), Tape::new());
    let (x, y) = (tape.var(1.0), other.var(2.0));
    tape.explain(x.sin()).wrt(y);
}
