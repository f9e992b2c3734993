//! Compares optimizers on one network with the same initial weights and the same order of the digits, so that only the
//! optimizer differs; then compares regularizers with one optimizer.
//!
//! `cargo run --release --example optimizers [-- --short]`. docs/descent.md and docs/regularization.md have the results.

mod common;

use nn::optim::{Adadelta, Adamax, Asgd, Lbfgs, RAdam, Rprop};
use std::error::Error;
use std::process::ExitCode;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: optimizers [--short]\n  --short  one seed instead of five, and a tenth of the epochs";

type Outcome<T> = Result<T, Box<dyn Error>>;
type Rule = Box<dyn Optimizer<f32>>;
type AtRate = fn(f64) -> Rule;
/// The name of a row, and a constructor for its item.
type Named<F> = (&'static str, F);
type Training = (Mlp, Trainer<'static, f32>);

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        let seeds = if short { 1 } else { 5 };
        by_optimizer(if short { 2 } else { 20 }, seeds)?;
        whole_batches(if short { 10 } else { 100 }, seeds)?;
        against_learning_by_heart(if short { 10 } else { 100 }, seeds)
    })
}

/// Runs each optimizer at its best rate among 1, 3, 10, 30, … ten-thousandths.
fn by_optimizer(epochs: usize, seeds: u64) -> Outcome<()> {
    let rules: [Named<AtRate>; 14] = [
        ("SGD", |rate| Box::new(Sgd::new(rate))),
        ("SGD, momentum 0.9", |rate| Box::new(Sgd::new(rate).momentum(0.9))),
        ("SGD, Nesterov 0.9", |rate| Box::new(Sgd::new(rate).momentum(0.9).nesterov(true))),
        ("ASGD", |rate| Box::new(Asgd::new(rate))),
        ("RMSProp", |rate| Box::new(RmsProp::new(rate))),
        ("Adagrad", |rate| Box::new(Adagrad::new(rate))),
        ("Adadelta", |rate| Box::new(Adadelta::new(rate))),
        ("Adam", |rate| Box::new(Adam::new(rate))),
        ("Adam, amsgrad", |rate| Box::new(Adam::new(rate).amsgrad(true))),
        ("AdamW", |rate| Box::new(AdamW::new(rate))),
        ("Adamax", |rate| Box::new(Adamax::new(rate))),
        ("NAdam", |rate| Box::new(NAdam::new(rate))),
        ("RAdam", |rate| Box::new(RAdam::new(rate))),
        ("Lion", |rate| Box::new(Lion::new(rate))),
    ];
    println!("64-32-10 on the digits, batches of 32, {epochs} epochs; means of {seeds} seeds");
    println!("{:<22}{:>8}{:>14}{:>14}{:>10}", "", "rate", "loss, epoch 1", "last epoch", "test");
    for (name, rule) in rules {
        let rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0];
        let mut best: Option<(f64, [f64; 3])> = None;
        for rate in rates {
            // An optimizer that diverges at this rate also diverges at larger rates.
            let Ok(found) = mean(seeds, |seed| trained(rule(rate), epochs, seed)) else { break };
            if best.is_none_or(|(_, [_, last, _])| found[1] < last) {
                best = Some((rate, found));
            }
        }
        let (rate, [first, last, test]) = best.ok_or("no rate converges")?;
        println!("{name:<22}{rate:>8}{first:>14.4}{last:>14.4}{test:>9.1}%");
    }
    Ok(())
}

/// The training losses of the first and the last epoch, and the accuracy on the test set.
fn trained(rule: Rule, epochs: usize, seed: u64) -> Outcome<[f64; 3]> {
    let (training, test) = digits::<f32>().split(0.8, seed)?;
    let mut model = Mlp::new(&[64, 32, 10]).seed(seed).build();
    let mut trainer =
        Trainer::new(CrossEntropy::new(), rule).epochs(epochs).seed(seed).metric(Metric::accuracy()).quiet();
    let history = trainer.fit(&mut model, &training)?;
    let accuracy = trainer.evaluate(&model, &test)?.metric().expect("the trainer has a metric");
    Ok([history.epochs[0].loss, history.epochs[epochs - 1].loss, 100.0 * accuracy])
}

/// Full-batch training, with the same number of gradients for each optimizer.
fn whole_batches(gradients: usize, seeds: u64) -> Outcome<()> {
    println!("\nthe same with {gradients} full-batch gradients");
    let rules: [Named<fn() -> Rule>; 4] = [
        ("SGD", || Box::new(Sgd::new(1.0))),
        ("SGD, momentum 0.9", || Box::new(Sgd::new(0.3).momentum(0.9))),
        ("Adam", || Box::new(Adam::new(1e-2))),
        ("Rprop", || Box::new(Rprop::new(1e-2))),
    ];
    println!("{:<22}{:>36}{:>10}", "", "loss", "test");
    let print = |name: &str, [loss, test]: [f64; 2]| println!("{name:<22}{loss:>36.4}{test:>9.1}%");
    for (name, rule) in rules {
        let found = mean(seeds, |seed| {
            let (mut rule, mut step, loss) = (rule(), TrainStep::new(seed), CrossEntropy::new());
            on_all(seed, |model, all| {
                for _ in 0..gradients {
                    step.run(model, &loss, &mut rule, all)?;
                }
                Ok(())
            })
        });
        print(name, found?);
    }
    let found = mean(seeds, |seed| {
        let mut lbfgs = Lbfgs::new(1.0).max_iter(gradients).max_eval(gradients).line_search(true);
        on_all(seed, |model, all| {
            let (mut tape, loss) = (Tape::new(), CrossEntropy::new());
            lbfgs.step(model, |model, gradients| {
                tape.clear();
                let scores = model.forward(tape.constant(all.inputs.clone()), &mut Pass::eval(&tape));
                let loss = loss.loss(scores, &all.targets).expect("one label per sample");
                gradients.collect(model, &tape, &mut loss.backward());
                loss.item().into()
            });
            Ok(())
        })
    });
    print("L-BFGS, line search", found?);
    Ok(())
}

/// The loss on all training data and the accuracy on the test set, after `learn`.
fn on_all(seed: u64, learn: impl FnOnce(&mut Sequential<f32>, &Batch<f32>) -> Outcome<()>) -> Outcome<[f64; 2]> {
    let (training, test) = digits::<f32>().split(0.8, seed)?;
    let mut model = Mlp::new(&[64, 32, 10]).seed(seed).build();
    learn(&mut model, &training.batch(&(0..training.len()).collect::<Vec<_>>())?)?;
    let on =
        |data: &TensorDataset<f32>| nn::train::evaluate(&model, &CrossEntropy::new(), &[Metric::accuracy()], data, 512);
    Ok([on(&training)?.loss, 100.0 * on(&test)?.metrics[0]])
}

/// Compares regularizers on 200 digits, which a wide network can memorize.
fn against_learning_by_heart(epochs: usize, seeds: u64) -> Outcome<()> {
    println!("\n64-256-10 on 200 digits, Adam at 0.001, {epochs} epochs; means of {seeds} seeds");
    println!("{:<22}{:>14}{:>14}{:>14}{:>10}", "", "training loss", "test loss", "mean |w|", "test");
    let mlp = || Mlp::new(&[64, 256, 10]);
    let adam = || Trainer::new(CrossEntropy::new(), Adam::<f32>::new(1e-3));
    let ways: [Named<&dyn Fn() -> Training>; 7] = [
        ("none", &|| (mlp(), adam())),
        ("L1, 0.0003", &|| (mlp(), adam().l1(3e-4))),
        ("L2, 0.001", &|| (mlp(), adam().l2(1e-3))),
        ("AdamW, decay 0.5", &|| (mlp(), Trainer::new(CrossEntropy::new(), AdamW::new(1e-3).weight_decay(0.5)))),
        ("dropout 0.5", &|| (mlp().dropout(0.5), adam())),
        ("batch norm", &|| (mlp().batch_norm(true), adam())),
        ("label smoothing 0.1", &|| (mlp(), Trainer::new(CrossEntropy::new().label_smoothing(0.1), Adam::new(1e-3)))),
    ];
    for (name, way) in ways {
        let found = mean(seeds, |seed| {
            let (training, test) = digits::<f32>().split_stratified(200.0 / 1797.0, seed)?;
            let (network, trainer) = way();
            let mut model = network.seed(seed).build();
            trainer.epochs(epochs).seed(seed).quiet().fit(&mut model, &training)?;
            let on = |data| nn::train::evaluate(&model, &CrossEntropy::new(), &[Metric::accuracy()], data, 512);
            let (learnt, tested) = (on(&training)?, on(&test)?);
            Ok([learnt.loss, tested.loss, weight(&model), 100.0 * tested.metrics[0]])
        });
        let [learnt, tested, weight, accuracy] = found?;
        println!("{name:<22}{learnt:>14.4}{tested:>14.4}{weight:>14.4}{accuracy:>9.1}%");
    }
    Ok(())
}

/// The mean absolute weight of the first layer.
fn weight(model: &Sequential<f32>) -> f64 {
    let mut first = None;
    model.visit(&mut nn::Path::default(), &mut |_, param| {
        first.get_or_insert_with(|| param.value().abs().mean().item());
    });
    f64::from(first.expect("a first layer"))
}

/// The mean of the results over the seeds.
fn mean<const N: usize>(seeds: u64, run: impl FnMut(u64) -> Outcome<[f64; N]>) -> Outcome<[f64; N]> {
    let found: Vec<[f64; N]> = (0..seeds).map(run).collect::<Result<_, _>>()?;
    Ok(std::array::from_fn(|k| found.iter().map(|one| one[k]).sum::<f64>() / seeds as f64))
}
