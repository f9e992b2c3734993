//! The steps of an explanation are those of the sweep.

use autograd::{Cotangents, Result, Rule, Tape, Tensor, Value, Var, tensor};

/// The cells of the row of a value in the backward table.
fn gradient_in(markdown: &str, name: &str) -> String {
    let start = format!("| {name} | ");
    let row = markdown.lines().find(|line| line.starts_with(&start) && line.contains("| gradient |"));
    row.unwrap_or_else(|| panic!("no gradient of {name} in\n{markdown}")).split(" | ").nth(1).unwrap().to_owned()
}

/// Six digits, as explanations print them.
fn printed(x: f64) -> String {
    let text = format!("{x:.5e}");
    let rounded: f64 = text.parse().unwrap();
    rounded.to_string()
}

/// A function of many ops, of a scalar and an array.
fn mixture<'t, T: autograd::Float>(s: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    let m = v.reshape(&[2, 3]);
    let product = m.matmul(m.t()).softmax(1);
    let parts = v.slice(0, 1..4).sum() + v.take(0, tensor![0_i64, 0, 5]).prod();
    let rows = m.standardize(1, 1e-5).square().mean_axes(1).sum();
    let worst = v.max().exp() + v.abs().sqrt().logsumexp();
    (product.sum() + parts * s.sin() + rows + worst + s * s * s).tanh() + s / (v * v).sum()
}

#[test]
fn gradients_are_those_of_the_sweep() {
    for s in [0.3, -1.25] {
        let tape = Tape::<f64>::new();
        let (s, v) = (tape.var(s).named("s"), tape.var([0.5, -0.25, 0.75, 0.1, -1.0, 0.3]).named("v"));
        let y = mixture(s, v);
        let (gradients, steps) = (y.backward(), tape.explain(y).to_markdown());
        assert_eq!(gradient_in(&steps, "s").parse::<f64>().unwrap().to_string(), printed(gradients.wrt(s).item()));
        let (least, most) = (gradients.wrt(v).min().item(), gradients.wrt(v).max().item());
        let range = gradient_in(&steps, "v");
        let ends: Vec<f64> = range.split(" … ").map(|end| end.parse().unwrap()).collect();
        assert_eq!([ends[0].to_string(), ends[1].to_string()], [printed(least), printed(most)]);
    }
}

#[test]
fn numbers_of_single_precision_are_explained_too() {
    let tape = Tape::<f32>::new();
    let x = tape.var(0.1_f32).named("x");
    let steps = tape.explain((x * x).named("y")).to_string();
    assert!(steps.contains("x     0.2") && !steps.contains("0.1000000"), "{steps}");
}

#[test]
fn a_lean_tape_explains_the_same() {
    let explained = |tape: Tape<f64>| {
        let (s, v) = (tape.var(0.3).named("s"), tape.var([0.5, -0.25, 0.75, 0.1, -1.0, 0.3]).named("v"));
        tape.explain(mixture(s, v)).to_string()
    };
    assert_eq!(explained(Tape::lean(0)), explained(Tape::new()));
}

#[test]
fn second_derivatives_are_explained_like_any_value() {
    let tape = Tape::<f64>::new();
    let x = tape.var(0.7).named("x");
    let slope = x.tanh().square().grad(&[x])[0].named("slope");
    let steps = tape.explain(slope).to_markdown();
    let second = slope.backward().wrt(x).item();
    assert_eq!(gradient_in(&steps, "x").parse::<f64>().unwrap().to_string(), printed(second));
}

#[test]
fn broadcast_operands_and_arrays_without_seed() {
    let tape = Tape::<f64>::new();
    let (m, b) = (tape.var([[1.0, 2.0], [3.0, 4.0]]).named("m"), tape.var([10.0, 20.0]).named("b"));
    let steps = tape.explain((m * b).named("y")).to_markdown();
    assert!(
        steps.contains("| y | [[1, 1], [1, 1]] | m | ḡ·b | b = [[10, 20], [10, 20]] | [[10, 20], [10, 20]] |"),
        "{steps}"
    );
    assert!(steps.contains("|  |  | b | ḡ·m | m = [[1, 2], [3, 4]] | [4, 6] |"), "{steps}");
}

struct Cube;

impl Rule<f64> for Cube {
    fn name(&self) -> &'static str {
        "cube"
    }
    fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
        Ok(x[0] * x[0] * x[0])
    }
    fn vjp<V: Value<f64>>(&self, x: &[&V], _: &V, g: &V) -> Cotangents<V> {
        [Some(g.mul(&x[0].mul(x[0])).scale(3.0))].into_iter().collect()
    }
}

#[test]
fn a_users_rule_is_explained_by_its_name() {
    let tape = Tape::new();
    let x = tape.var(2.0).named("x");
    let steps = tape.explain(Var::custom(Cube, &[x]).named("y")).to_markdown();
    assert!(
        steps.contains("| y | cube(x) | 8 |") && steps.contains("| y | 1 | x | the user's rule |  | 12 |"),
        "{steps}"
    );
}

#[test]
fn names_go_with_the_nodes() {
    let mut tape = Tape::<f64>::new();
    let x = tape.var(1.0).named("x");
    assert_eq!(x.named("z").name().as_deref(), Some("z"));
    assert_eq!((x.named("").name(), x.sin().name()), (None, None));
    x.named("again");
    tape.clear();
    assert_eq!(tape.var(1.0).name(), None);
}

/// A sum over functions of many structured ops.
fn structured<'t>(m: Var<'t, f64>, image: Var<'t, f64>) -> Var<'t, f64> {
    let windows = image.max_pool2d(autograd::Pool::of([2, 2]));
    let scans = m.cumsum(0) + m.cumprod(1) + m.logcumsumexp(0);
    let picked = m.cross_entropy(tensor![0_i64, 2, 1]).sum() + m.gather(1, tensor![[0_i64], [1], [2]]).sum();
    let sorted = m.flatten().sort(0, autograd::Order::Ascending).0.slice(0, 2..5).prod();
    let joined = Var::concat(&[m, m.t()], 1).log_softmax(1).sum();
    let spd = m.matmul(m.t()) + m.tape().constant(Tensor::eye(3));
    let matrices = spd.cholesky().sum() + spd.det() + spd.solve(m).sum() + m.matrix_exp().sum();
    windows.square().sum() + scans.sum() + picked + sorted + joined + matrices + m.max_axes(0).norm(2.0)
}

#[test]
fn every_link_has_a_rule_in_words() {
    let tape = Tape::<f64>::new();
    let m = tape.var([[0.5, -0.25, 0.75], [0.1, -1.0, 0.3], [0.2, 0.6, -0.4]]).named("m");
    let image = tape.var(Tensor::from_fn(&[1, 1, 4, 4], |i| ((3 * i[2] + i[3]) as f64).sin())).named("image");
    let once = structured(m, image);
    // Recorded derivatives are made of the ops of the rules.
    let twice = once.grad(&[m, image]).into_iter().map(|d| d.square().sum()).fold(once, |sum, d| sum + d);
    for y in [once, twice] {
        let (gradients, steps) = (y.backward(), tape.explain(y).to_markdown());
        let backward = steps.split("### Backward").nth(1).unwrap();
        let rows: Vec<Vec<&str>> =
            backward.lines().skip(4).map(|row| row.split(" | ").map(str::trim).collect()).collect();
        assert!(rows.len() > 30);
        for row in rows.iter().filter(|row| row.len() == 6 && row[2] != "gradient") {
            assert!(!row[3].is_empty() && !row[3].contains('$') && !row[3].contains('?'), "{row:?}");
        }
        let largest = |range: String| {
            let range = range.split(',').next().unwrap().to_owned();
            range.split(" … ").map(|end| end.parse::<f64>().unwrap().abs()).fold(0.0, f64::max)
        };
        for (x, name) in [(m, "m"), (image, "image")] {
            let (found, expected) = (largest(gradient_in(&steps, name)), gradients.wrt(x).abs().max().item());
            assert!((found - expected).abs() <= 1e-5 * expected, "{name}: {found} is not {expected}");
        }
        assert!(tape.drawing().values().backward(y).to_html().len() > 1000);
    }
}
