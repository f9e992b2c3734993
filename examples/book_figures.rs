//! The figures of the book: every curve is computed here, by the engine that the book explains. The same bits on every
//! machine.
//!
//! `cargo run --release --example book_figures [-- FOLDER]` writes them to `target/book_figures`, or to the given folder;
//! docs/pictures has the copies that the book shows.

use nn::init::{Fan, Init, Nonlinearity};
use nn::layer::{LstmCell, RnnCell};
use nn::schedule::{Cyclic, OneCycle, Schedule};
use std::error::Error;
use std::path::{Path, PathBuf};
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("target/book_figures"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("workflow.svg"), workflow())?;
    write(&folder, "activation_functions", &activation_functions())?;
    write(&folder, "differences", &differences())?;
    write(&folder, "descent", &descent())?;
    write(&folder, "overfitting", &overfitting()?)?;
    write(&folder, "schedules", &schedules())?;
    write(&folder, "gradients", &gradients()?)?;
    write(&folder, "through_time", &through_time())?;
    write(&folder, "initialization", &initialization())
}

fn write(folder: &Path, name: &str, figure: &impl Figure) -> Result<(), Box<dyn Error>> {
    let path = folder.join(name).with_extension("svg");
    figure.save(&path)?;
    println!("{}", path.display());
    Ok(())
}

/// Activations and their slopes, from -4 to 4.
fn activation_functions() -> Panels {
    let z = Tensor::linspace(-4.0, 4.0, 161);
    let mut panels = [Plot::new("σ(z)").y_range(-1.1, 2.1), Plot::new("σ'(z)").y_range(-0.3, 1.3)];
    for kind in [Activation::Sigmoid, Activation::Tanh, Activation::Relu, Activation::Gelu] {
        let tape = Tape::<f64>::new();
        let x = tape.var(z.clone());
        let y = kind.apply(x);
        for (plot, y) in panels.iter_mut().zip([y.value(), y.sum().backward().wrt(x)]) {
            *plot = plot.clone().labels("z", "").curve(kind.name(), z.iter().zip(y.iter()));
        }
    }
    panels.into_iter().fold(Panels::new("Activations and their slopes"), Panels::panel)
}

/// The error of the central difference of the sine at 1, by step size.
fn differences() -> Plot {
    let error = |h: f64| (((1.0 + h).sin() - (1.0 - h).sin()) / (2.0 * h) - 1f64.cos()).abs();
    let steps = (0..=140).map(|i| 10f64.powf(-f64::from(i) / 10.0));
    Plot::new("Error of (sin(1 + h) - sin(1 - h)) / 2h")
        .labels("h", "error")
        .log_x()
        .log_y()
        .curve("central difference", steps.map(|h| (h, error(h))).filter(|(_, e)| *e > 0.0))
}

/// The loss ½ x² + 50 y² by step, for several optimizers.
fn descent() -> Plot {
    let losses = |mut optimizer: Box<dyn Optimizer<f64>>| {
        let (mut w, mut tape, mut gradients) = (Param::new(tensor![10.0, 1.0]), Tape::new(), ParamGradients::new());
        let mut losses = Vec::new();
        for _ in 0..300 {
            tape.clear();
            let x = Pass::train(&tape, Rng::new(0)).var(&w);
            let loss = (x.square() * tape.constant([0.5, 50.0])).sum();
            losses.push(loss.item());
            gradients.collect(&w, &tape, &mut loss.backward());
            optimizer.step(&mut w, &gradients);
        }
        losses
    };
    Plot::new("Down a narrow valley")
        .labels("step", "loss")
        .log_y()
        .y_range(1e-8, 200.0)
        .line("SGD", losses(Box::new(Sgd::new(0.005))))
        .line("momentum 0.9", losses(Box::new(Sgd::new(0.005).momentum(0.9))))
        .line("Nesterov 0.9", losses(Box::new(Sgd::new(0.005).momentum(0.9).nesterov(true))))
        .line("RMSProp", losses(Box::new(RmsProp::new(0.1))))
        .line("Adam", losses(Box::new(Adam::new(0.3))))
}

/// Training and validation loss on 200 digits, two fifths of whose labels are wrong, with and without regularization.
fn overfitting() -> Result<Plot, Box<dyn Error>> {
    let (training, held_out) = digits::<f32>().subset(&(0..600).collect::<Vec<_>>())?.split(1.0 / 3.0, 1)?;
    let labels = training.labels().expect("digits have labels").iter().enumerate();
    let wrong = labels.map(|(i, label)| if i % 5 < 2 { (label + 1 + i as i64 % 9) % 10 } else { label });
    let training = TensorDataset::new(training.inputs().clone(), Target::Labels(wrong.collect()))?;
    let mut plot = Plot::new("200 digits, two fifths of the labels wrong").labels("epoch", "cross-entropy");
    for (name, dropout, decay) in [("", 0.0, 0.0), (", regularized", 0.5, 0.3)] {
        let mut model = Mlp::new(&[64, 256, 10]).dropout(dropout).seed(1).build();
        let mut trainer = Trainer::new(CrossEntropy::new(), AdamW::new(3e-3).weight_decay(decay)).epochs(100);
        trainer = trainer.validation(&held_out).quiet();
        let epochs = trainer.fit(&mut model, &training)?.epochs;
        plot = plot
            .line(format!("training{name}"), epochs.iter().map(|e| e.loss))
            .line(format!("validation{name}"), epochs.iter().filter_map(|e| e.validation_loss));
    }
    Ok(plot)
}

/// The rates of schedules over 100 epochs.
fn schedules() -> Plot {
    let warmup = LinearRamp { start_factor: 0.1, end_factor: 1.0, total_iters: 10 };
    let schedules: [(&str, f64, Box<dyn Schedule>); 6] = [
        ("StepDecay", 1.0, Box::new(StepDecay { step_size: 25, gamma: 0.5 })),
        ("ExponentialDecay", 1.0, Box::new(ExponentialDecay { gamma: 0.97 })),
        ("CosineAnnealing", 1.0, Box::new(CosineAnnealing::new(100))),
        ("warm-up, then cosine", 1.0, Box::new(Sequence::new(warmup).then(10, CosineAnnealing::new(90)))),
        ("OneCycle", 1.0, Box::new(OneCycle::new(101))),
        ("Cyclic", 0.1, Box::new(Cyclic::new(0.4, 10))),
    ];
    let plot = Plot::new("Learning rates by epoch").labels("epoch", "rate");
    schedules.iter().fold(plot, |plot, (name, base, schedule)| {
        plot.curve(*name, (0..=100u8).map(|k| (f64::from(k), schedule.rate(k.into(), *base))))
    })
}

/// The norm of the gradient of the weights by layer, in networks of 20 hidden layers before training.
fn gradients() -> Result<Plot, Box<dyn Error>> {
    let sizes: Vec<usize> = std::iter::once(64).chain([64; 20]).chain([10]).collect();
    let batch = digits::<f64>().batch(&(0..128).collect::<Vec<_>>())?;
    let normal = |gain: f64| Init::Scaled { gain, fan: Fan::In, form: nn::init::Form::Normal };
    let relu = Nonlinearity::Relu.gain();
    let networks = [
        ("sigmoid", Mlp::new(&sizes).activation(Activation::Sigmoid).init(normal(1.0))),
        ("sigmoid, batch norm", Mlp::new(&sizes).activation(Activation::Sigmoid).init(normal(1.0)).batch_norm(true)),
        ("ReLU, weights too large", Mlp::new(&sizes).init(normal(2.0))),
        ("ReLU, He's weights", Mlp::new(&sizes).init(Init::kaiming_normal(relu, Fan::In))),
    ];
    let mut plot = Plot::new("The gradient before training").labels("layer", "norm of the weights' gradient").log_y();
    for (name, network) in networks {
        let mut step = TrainStep::new(0);
        step.gradients(&network.seed(0).build(), &CrossEntropy::new(), &batch)?;
        let weights = step.param_gradients().iter().filter(|g| g.rank() == 2);
        plot = plot.line(name, weights.take(20).map(|g| g.norm(2.0).item()));
    }
    Ok(plot)
}

/// The derivative of the last state with respect to earlier ones, for recurrent cells of 32 units.
fn through_time() -> Plot {
    const STEPS: usize = 40;
    let rng = &mut Rng::new(0);
    let x = Tensor::<f64>::randn(&[1, 8], rng);
    let norms = |h: &[Var<'_, f64>]| {
        let last = h[h.len() - 1].sum();
        let gradients = last.backward_wrt(h);
        h.iter().map(|h| gradients.wrt(*h).norm(2.0).item()).collect::<Vec<_>>()
    };
    let mut plot = Plot::new("The gradient through time").labels("step", "norm of the state's gradient").log_y();
    for gain in [0.5, 1.0, 2.0] {
        let mut cell = RnnCell::new(8, 32, rng);
        cell.weights.weight_hh.set(Tensor::randn(&[32, 32], rng) * (gain / 32f64.sqrt()));
        let tape = Tape::new();
        let (x, pass) = (tape.constant(x.clone()), &mut Pass::eval(&tape));
        let mut h = vec![tape.var(Tensor::zeros(&[1, 32]))];
        for _ in 1..STEPS {
            let [next] = cell.step(x, [h[h.len() - 1]], pass);
            h.push(next);
        }
        plot = plot.line(format!("plain, gain {gain}"), norms(&h));
    }
    let mut cell = LstmCell::new(8, 32, rng);
    let open = |at: &[usize]| if (32..64).contains(&at[0]) { 4.0 } else { 0.0 };
    cell.weights.bias_ih = Some(Param::new(Tensor::from_fn(&[128], open)));
    let tape = Tape::new();
    let (x, pass) = (tape.constant(x), &mut Pass::eval(&tape));
    let start = tape.var(Tensor::zeros(&[1, 32]));
    let mut c = vec![start];
    let mut h = start;
    for _ in 1..STEPS {
        let [state, cell] = cell.step(x, [h, c[c.len() - 1]], pass);
        (h, c) = (state, [c, vec![cell]].concat());
    }
    plot.line("LSTM, forget gate open", norms(&c))
}

/// The root mean square of the activations by layer, for inputs of variance 1.
fn initialization() -> Plot {
    let scales = |init: Init, activation: Activation| {
        let (rng, tape) = (&mut Rng::new(1), Tape::<f64>::new());
        let mut x = tape.constant(Tensor::randn(&[64, 256], rng));
        let mut scales = Vec::new();
        for _ in 0..30 {
            x = activation.apply(x.matmul(tape.constant(init.tensor(&[256, 256], rng)).t()));
            scales.push(x.square().mean().sqrt().item());
        }
        scales
    };
    let relu = Nonlinearity::Relu.gain();
    Plot::new("The scale of the activations by depth")
        .labels("layer", "root mean square")
        .log_y()
        .line("ReLU, He", scales(Init::kaiming_normal(relu, Fan::In), Activation::Relu))
        .line("ReLU, Xavier", scales(Init::xavier_normal(1.0), Activation::Relu))
        .line("ReLU, twice He", scales(Init::kaiming_normal(2.0 * relu, Fan::In), Activation::Relu))
        .line("tanh, Xavier", scales(Init::xavier_normal(1.0), Activation::Tanh))
}

/// Colors for light and dark readers, as in the pictures of tapes.
const STYLE: &str = "svg{--bg:#fff;--ink:#1f2328;--dim:#656d76;--edge:#8c959f;--step:#ddf4ff;--line:#218bff;--end:#dafbe1;\
                     --loop:#f6f8fa}@media(prefers-color-scheme:dark){svg{--bg:#0d1117;--ink:#e6edf3;--dim:#8d96a0;\
                     --edge:#6e7681;--step:#0c2d6b;--line:#388bfd;--end:#033a16;--loop:#151b23}}text{font:13px system-ui,\
                     sans-serif;fill:var(--ink);text-anchor:middle}.d{font-size:11px;fill:var(--dim)}.plain{fill:var(--bg)}\
                     .step{fill:var(--step)}.end{fill:var(--end)}.loop{fill:var(--loop)}rect{stroke:var(--edge)}\
                     path{fill:none;stroke:var(--edge);stroke-width:1.5}";

/// The workflow from data to a network in use, as boxes and arrows.
fn workflow() -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 440\" width=\"760\" height=\"440\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0.5L7.5 4L0 7.5z\" style=\"fill:var(--edge);stroke:none\"/></marker></defs>\n\
         <rect width=\"760\" height=\"440\" style=\"fill:var(--bg);stroke:none\"/>\n"
    );
    let mut draw = |class: &str, [x, y, width, height]: [i32; 4], words: [&str; 2]| {
        svg +=
            &format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n");
        // The two lines of a box are centered, the words of the loop stand at its top.
        let middle = if class == "loop" { y + 18 } else { y + height / 2 - if words[1].is_empty() { 0 } else { 8 } };
        for (line, (class, word)) in ["", "d"].into_iter().zip(words).enumerate() {
            let (x, y) = (x + width / 2, middle + 5 + 16 * line as i32);
            svg += &format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{word}</text>\n");
        }
    };
    draw("loop", [170, 20, 420, 330], ["training", ""]);
    draw("plain", [20, 150, 110, 56], ["data", "inputs and targets"]);
    draw("step", [190, 56, 170, 50], ["training part", "shuffled, in batches"]);
    draw("plain", [610, 56, 130, 50], ["validation part", "held out"]);
    draw("plain", [20, 376, 110, 50], ["test part", "put away"]);
    draw("step", [190, 136, 170, 50], ["2  forward pass", "outputs, on the tape"]);
    draw("step", [400, 136, 170, 50], ["3  loss", "one number, and penalties"]);
    draw("step", [400, 216, 170, 50], ["4  backward pass", "gradients, perhaps clipped"]);
    draw("step", [190, 216, 170, 50], ["5  update", "optimizer, at the rate of now"]);
    draw("step", [400, 56, 170, 50], ["1  initialize", "parameters at random"]);
    draw("step", [190, 290, 380, 44], ["6  repeat, for all batches of all epochs", ""]);
    draw("plain", [610, 216, 130, 64], ["validation loss", "after each epoch"]);
    draw("end", [610, 300, 130, 50], ["stop", "with the best parameters"]);
    draw("end", [190, 376, 170, 50], ["evaluate once", "on the test part"]);
    draw("end", [400, 376, 170, 50], ["save, predict", "with the same scaling"]);
    for arrow in [
        "M130 178C160 178 160 81 188 81",
        "M75 150C75 10 75 10 200 10L600 10C675 10 675 20 675 54",
        "M75 206L75 374",
        "M275 106L275 134",
        "M360 161L398 161",
        "M485 106C485 124 320 114 300 134",
        "M485 186L485 214",
        "M400 241L362 241",
        "M275 266L275 288",
        "M230 290C160 290 160 161 188 161",
        "M675 106L675 214",
        "M570 312C592 312 588 248 608 248",
        "M675 280L675 298",
        "M675 350C675 363 670 363 660 363L290 363C275 363 275 366 275 374",
        "M130 401L188 401",
        "M360 401L398 401",
    ] {
        svg += &format!("<path d=\"{arrow}\" marker-end=\"url(#a)\"/>\n");
    }
    svg + "</svg>\n"
}
