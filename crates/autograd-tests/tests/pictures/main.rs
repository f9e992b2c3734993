//! Pictures of tapes and programs, and the chain rule explained: what they say is what the sweep computes, and small ones
//! look as they did. `WENGERT_BLESS=1 cargo test -p wengert-autograd-tests --test pictures` writes the stored pictures anew.

mod explained;
mod followed;

use autograd::{Program, Tape, Tensor, Var, tensor};
use std::path::Path;

/// Two neurons, as in docs/worked_example.md.
fn neurons(tape: &Tape<f64>) -> Var<'_, f64> {
    let (x, t) = (tape.constant(0.5).named("x"), tape.constant(1.0).named("t"));
    let [w1, b1, w2, b2] = [("w1", 0.8), ("b1", 0.2), ("w2", -1.5), ("b2", 0.5)].map(|(n, w)| tape.var(w).named(n));
    let z1 = (w1 * x + b1).named("z1");
    let z2 = (w2 * z1.sigmoid().named("a1") + b2).named("z2");
    let y = z2.sigmoid().named("y");
    (0.5 * (y - t).square()).named("L")
}

/// Compares a text with the stored one, in which source lines have no numbers.
fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name);
    let text: String = text
        .split_inclusive(".rs:")
        .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()).replace(".rs:", ".rs"))
        .collect();
    if std::env::var_os("WENGERT_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "{name} differs from the stored one:\n{text}");
}

#[test]
fn the_neurons_look_as_they_did() {
    let tape = Tape::new();
    let loss = neurons(&tape);
    let drawing = tape.drawing().values().backward(loss);
    compare("neurons.mmd", &drawing.to_mermaid());
    compare("neurons.dot", &drawing.to_dot());
    compare("neurons.svg", &drawing.to_svg());
    compare("neurons.txt", &tape.explain(loss).to_string());
    compare("neurons.md", &tape.explain(loss).to_markdown());
}

#[test]
fn a_program_shows_what_was_fused() {
    let tape = Tape::<f64>::new();
    let (x, w) = (tape.var(Tensor::ones(&[8, 4])), tape.var(Tensor::ones(&[4, 3])));
    let y = (x.matmul(w).tanh() * 2.0).softmax(1).ln();
    let program = Program::new(&tape, &[x, w], &[y]);
    compare("program.mmd", &program.to_mermaid());
    assert!(program.to_dot().contains("matmul [tanh mul]"));
    assert!(program.to_svg().contains(">0: matmul [tanh mul]</text>"));
    assert!(program.to_html().contains("\"matmul [tanh mul]\""));
}

#[test]
fn every_program_has_a_picture() {
    let tape = Tape::<f32>::new();
    let x = tape.var(tensor![[0.5_f32, -1.0], [2.0, 0.25]]);
    let best = x.argmax_keep(1);
    let y = x.gather(1, best).sum() + x.max_axes(0).exp().sum();
    let program = Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]);
    let picture = program.to_mermaid();
    assert!(picture.matches(":::output").count() >= 2 && picture.contains("argmax"), "{picture}");
}

#[test]
fn what_a_picture_leaves_out() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]).named("x");
    let (y, other) = ((3.0 * x + 1.0).named("y"), x.cos());
    let picture = tape.drawing().of(y).to_mermaid();
    assert!(!picture.contains("cos") && picture.contains("3·x") && picture.matches("[2]").count() == 3, "{picture}");
    assert!(picture.contains("y = #35;2 + 1") && tape.to_mermaid().contains("cos"));
    assert!(tape.drawing().of(other).backward(y).to_mermaid().contains("dy/dx<br>[3, 3]"));
    assert!(Tape::<f64>::new().to_svg().ends_with("</svg>\n") && Tape::<f64>::new().to_html().ends_with("</script>\n"));
}

#[test]
fn a_sketch_is_drawn_without_numbers() {
    let tape = Tape::<f32>::sketch();
    let w = tape.var(Tensor::<f32>::ones(&[3, 3])).named("w");
    let y = w.matmul(w).sum();
    let picture = tape.drawing().values().to_mermaid();
    assert!(picture.contains("w·w<br>[3, 3]") && !picture.contains("NaN"), "{picture}");
    assert!(tape.to_html().contains("w\\u00b7w") || tape.to_html().contains("w·w"));
    assert!(tape.try_explain(y).is_err_and(|error| error.to_string().contains("sketch")));
    let other = Tape::new();
    assert!(other.try_explain(y).is_err_and(|error| matches!(error, autograd::Error::Foreign { .. })));
}

/// A loop of this many steps.
fn steps<'t>(tape: &'t Tape<f64>, count: usize) -> Var<'t, f64> {
    let (w, b) = (tape.var(0.5).named("w"), tape.var(0.1).named("b"));
    (0..count).fold(tape.constant(1.0).named("h"), |h, _| (h * w + b).tanh()).named("out")
}

#[test]
fn a_loop_is_drawn_once() {
    let tape = Tape::new();
    let out = steps(&tape, 1000);
    let picture = tape.drawing().of(out).to_mermaid();
    assert!(picture.contains("[\"× 1,000\"]") || picture.contains("[\"× 999\"]"), "{picture}");
    assert!(picture.lines().count() < 40, "{picture}");
    assert_eq!(tape.drawing().of(out).unfolded().to_mermaid().matches("tanh(").count(), 1000);
}

#[test]
fn a_hundred_thousand_nodes_are_drawn_in_no_time() {
    let tape = Tape::new();
    let loss = steps(&tape, 30_000).square();
    let start = std::time::Instant::now();
    let picture = tape.drawing().values().backward(loss).to_svg();
    assert!(picture.len() < 30_000 && start.elapsed().as_secs() < 20, "{} {:?}", picture.len(), start.elapsed());
}

#[test]
fn a_page_of_five_hundred_nodes_is_small_and_needs_no_network() {
    let tape = Tape::<f64>::new();
    let inputs: Vec<Var<f64>> = (0..50).map(|i| tape.var(0.1 + 0.37 * f64::from(i))).collect();
    let mut nodes = inputs.clone();
    while tape.len() < 520 {
        let (n, k) = (nodes.len(), nodes.len() * 7919);
        let (a, b) = (nodes[n - 1 - k % n.min(40)], nodes[n - 1 - n % 3]);
        nodes.push(match k % 5 {
            0 => a.sin() + b,
            1 => a * b.tanh(),
            2 => (a - b).square().ln_1p(),
            3 => a / (b.square() + 1.0),
            _ => a.maximum(b),
        });
    }
    let out = nodes[50..].iter().fold(nodes[0], |sum, &node| sum + node);
    let page = tape.drawing().values().backward(out).unfolded().to_html();
    let drawn = page.split("\"nodes\":[\n").nth(1).unwrap().split("\n],").next().unwrap().lines().count();
    assert!(drawn > 500 && page.len() < 200_000, "{drawn} nodes in {} bytes", page.len());
    assert!(!page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org/").count());
    assert!(!page.contains("https://") && !page.contains("@import") && !page.contains(" src="));
}
