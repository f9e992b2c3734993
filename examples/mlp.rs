//! The documented network: 64-32-10 on handwritten digits, from data to convergence.
//! `cargo run --release --example mlp [-- REPORT.html]`, or `-- CURVE.svg` for the learning curve alone. docs/workflow.md
//! explains it line by line.

use std::error::Error;
use std::path::PathBuf;
use wengert::nn::report::{first_layer, mistakes};
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let page = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("target/mlp.html"), PathBuf::from);

    // 1. Data: 1,797 images of 8x8 pixels, four fifths for training and one fifth for testing.
    let (training, test) = digits::<f32>().split(0.8, SEED)?;
    println!("{} training digits, {} test digits", training.len(), test.len());

    // 2. Model: 64 pixels, 32 hidden units, 10 classes.
    let mut model = Mlp::new(&[64, 32, 10]).activation(Activation::Relu).dropout(0.1).seed(SEED).build::<f32>();
    println!("\n{model}\n");

    // 3. One step by hand, to show what training repeats.
    one_step(&model, &training)?;

    // 4. Training: the step above for every batch of every epoch, until the loss on held-out digits stops decreasing.
    let (learned_from, held_out) = training.split(0.85, SEED)?;
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(3e-3))
        .epochs(200)
        .batch_size(32)
        .seed(SEED)
        .schedule(ExponentialDecay { gamma: 0.98 })
        .metric(Metric::accuracy())
        .validation(&held_out)
        .early_stopping(EarlyStopping { patience: 30, ..EarlyStopping::default() });
    let history = trainer.fit(&mut model, &learned_from)?;
    let best = history.best().expect("at least one epoch").epoch;
    match &history.stopped {
        Some(reason) => println!("stopped after epoch {}: {reason}", history.epochs.len()),
        None => println!("ran all {} epochs", history.epochs.len()),
    }
    println!("parameters of epoch {best} restored");

    // 5. Evaluation, on digits that no decision was based on.
    let scores = trainer.predict(&model, test.inputs())?;
    let labels = test.targets().labels("mlp")?;
    let wrong = mistakes(&scores, labels, test.inputs(), 8, 5);
    println!("\ntest accuracy: {:.2}%", 100.0 * nn::metric::accuracy(&scores, labels)?);
    println!("wrong, as actual → predicted:\n");
    wrong.print();

    // 6. A report: one page of HTML that needs nothing else.
    let title = "64-32-10 on handwritten digits";
    let report = trainer
        .report(title, &history, &model, &test)?
        .figure("Weights of the hidden units, as images", &first_layer(&model, 8))
        .figure("Wrong digits, as actual → predicted", &wrong);
    match page.extension().is_some_and(|kind| kind == "svg" || kind == "png") {
        true => history.curve(title).save(&page)?,
        false => report.save(&page)?,
    }
    println!("\nreport: {}", page.display());
    Ok(())
}

/// Determines the split, the initial weights, the order of the batches and the dropout masks.
const SEED: u64 = 1;

/// Forward pass, loss, backward pass and update of a copy of one layer, step by step on the tape.
fn one_step(model: &Sequential<f32>, data: &TensorDataset<f32>) -> Result<(), Box<dyn Error>> {
    let batch = data.batch(&(0..32).collect::<Vec<_>>())?;
    let tape = Tape::new();
    let mut pass = Pass::train(&tape, Rng::new(SEED));

    let scores = model.forward(tape.constant(batch.inputs), &mut pass); // forward: [32, 64] -> [32, 10]
    let loss = CrossEntropy::new().loss(scores, &batch.targets)?; // a scalar
    let gradients = loss.backward(); // the chain rule, from the loss back to every parameter

    println!(
        "one step by hand: {} nodes on the tape, loss {:.4} (ten classes by chance: {:.4})",
        tape.len(),
        loss.item(),
        10f32.ln()
    );
    model.visit(&mut nn::Path::default(), &mut |name, param| {
        let gradient = gradients.wrt(pass.var(param));
        let norm = gradient.square().sum().item().sqrt();
        // The position of the largest element, counted through the rows.
        let larger = |best: (usize, f32), (i, g): (usize, f32)| if g.abs() > best.1 { (i, g.abs()) } else { best };
        let (steepest, _) = gradient.iter().enumerate().fold((0, 0.0), larger);
        let moved = param.value() - &gradient * 0.1; // gradient descent: w <- w - 0.1 dL/dw
        println!(
            "  {name:<10} {:<9} |dL/dw| = {norm:.4}, w[{steepest}]: {:.4} -> {:.4}",
            format!("{:?}", gradient.shape()),
            element(param.value(), steepest),
            element(&moved, steepest)
        );
    });
    println!();
    Ok(())
}

/// The element at a position that is counted through the rows.
fn element(x: &Tensor<f32>, position: usize) -> f32 {
    x.iter().nth(position).expect("the tensor has this element")
}
