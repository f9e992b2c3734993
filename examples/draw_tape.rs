//! Pictures of computations: a neuron and the worked example with both passes side by side, a network with its layers in boxes,
//! and the fused steps of a compiled program. Writes SVG pictures and pages of HTML (open them in a browser: a click on a box
//! shows its rule and its numbers, and a slider walks the backward pass), and prints the chain rule of the worked example step
//! by step.
//!
//! Run with `cargo run --release --example draw_tape`. The files go to `target/tape`, or to the given folder. They
//! include the pictures of docs/pictures.md.

use std::error::Error;
use std::path::{Path, PathBuf};
use wengert::autograd::Program;
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("target/tape"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    neuron(&folder)?;
    worked_example(&folder)?;
    network(&folder)
}

/// The neuron of the README.
fn neuron(folder: &Path) -> Result<(), Box<dyn Error>> {
    let tape = Tape::<f64>::new();
    let x = tape.constant(2.0).named("x");
    let [w, b] = [("w", -1.5), ("b", 2.5)].map(|(name, value)| tape.var(value).named(name));
    let y = (w * x + b).tanh().named("y");
    write(folder, "neuron.svg", tape.drawing().values().backward(y).to_svg())
}

/// The two neurons of docs/worked_example.md.
fn worked_example(folder: &Path) -> Result<(), Box<dyn Error>> {
    let tape = Tape::<f64>::new();
    let (x, t) = (tape.constant(0.5).named("x"), tape.constant(1.0).named("t"));
    let named = |name: &str, value: f64| tape.var(value).named(name);
    let (w1, b1, w2, b2) = (named("w1", 0.8), named("b1", 0.2), named("w2", -1.5), named("b2", 0.5));

    let z1 = (w1 * x + b1).named("z1");
    let a1 = z1.sigmoid().named("a1");
    let z2 = (w2 * a1 + b2).named("z2");
    let y = z2.sigmoid().named("y");
    let loss = (0.5 * (y - t).square()).named("L");

    let steps = tape.explain(loss);
    println!("{steps}\nwhere the derivative of the first weight comes from:\n{}", steps.wrt(w1));
    let drawing = tape.drawing().values().backward(loss);
    write(folder, "worked_example.svg", drawing.to_svg())?;
    write(folder, "worked_example.html", drawing.to_html())
}

/// A training step of a two-layer network, recorded and compiled.
fn network(folder: &Path) -> Result<(), Box<dyn Error>> {
    let model = Mlp::new(&[64, 32, 10]).batch_norm(true).build::<f32>();
    let rng = &mut Rng::new(0);
    let (batch, labels) = (Tensor::randn(&[16, 64], rng), Tensor::from((0..16).map(|i| i % 10).collect::<Vec<i64>>()));
    let tape = Tape::new();
    let mut pass = Pass::train(&tape, Rng::new(1)).noting();
    let x = tape.constant(batch).named("x");
    let scores = model.forward(x, &mut pass).named("scores");
    let loss = CrossEntropy::new().loss(scores, &Target::Labels(labels))?.named("loss");
    let drawing = pass.drawing(&model);
    write(folder, "network.svg", drawing.clone().of(scores).to_svg())?;
    write(folder, "network.html", drawing.values().backward(loss).to_html())?;

    let parameters: Vec<Var<f32>> = tape.vars().filter(|v| *v.op().name() == *"leaf").collect();
    let gradients = loss.grad(&parameters);
    let inputs: Vec<Var<f32>> = [x].into_iter().chain(parameters).collect();
    let program = Program::new(&tape, &inputs, &gradients);
    write(folder, "program.svg", program.to_svg())?;
    write(folder, "program.html", program.to_html())
}

fn write(folder: &Path, name: &str, text: String) -> Result<(), Box<dyn Error>> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    println!("{}", path.display());
    Ok(())
}
