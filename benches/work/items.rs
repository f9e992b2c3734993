//! The list of benchmarks, by name.

use super::functions::{self, Checkpointed, LENGTH};
use super::networks::Cell;
use super::transforms::{self, Loop, Sparse};
use super::{Evaluation, Gradient, HessianVector, Objective, Training, Work};
use super::{bundle, gaussian, hand, inference, language, loops, networks, points};
use autograd::Precision;
use autograd::prelude::*;

/// A workload, and how it is measured.
pub struct Item {
    /// The name, as in `--only`.
    pub name: &'static str,
    /// A one-line description.
    pub what: &'static str,
    /// The number of threads, if the workload prescribes it.
    pub threads: Option<usize>,
    /// The quantity to measure.
    pub measure: Measure,
    /// Constructs the workload.
    pub work: fn() -> Box<dyn Work>,
}

/// The quantity to measure.
#[derive(Clone, Copy)]
pub enum Measure {
    /// The time of one run, over `runs` runs; `second` is the number of units in a second.
    Time { runs: usize, unit: &'static str, second: f64 },
    /// The peak memory over some runs, minus the memory of the process before the workload is constructed, in MiB. A
    /// small workload of the same kind runs first, here as in the scripts of the peers, to load what is loaded only
    /// once, above all code.
    Peak { runs: usize, small: fn() -> Box<dyn Work> },
}

const fn us(runs: usize) -> Measure {
    Measure::Time { runs, unit: "us", second: 1e6 }
}

const fn ms(runs: usize) -> Measure {
    Measure::Time { runs, unit: "ms", second: 1e3 }
}

const CHAIN: Measure = Measure::Time { runs: 20, unit: "ns/op", second: 1e9 / (3 * LENGTH) as f64 };

const WRITING: Measure = Measure::Time { runs: 100, unit: "us/token", second: 1e6 / inference::TEXT as f64 };

/// All benchmarks.
#[rustfmt::skip]
pub const ITEMS: &[Item] = &[
    item("M1a", "train step, MLP 64-32-10, batch 32", us(2000), || train(small())),
    item("M1b", "train step, MLP 784-256-128-10, batch 128", ms(200), || train(middle())),
    item("M1c", "train step, MLP 1024-2048-2048-1000, batch 256", ms(10), || train(large())),
    item("M1c_bf16", "the same, products of operands rounded to bf16", ms(10), || Box::new(Training::new(large()).precision(Precision::Bf16))),
    item("M1c_memory", "M1c, peak memory", Measure::Peak { runs: 3, small: || train(small()) }, || train(large())),
    item("M2", "100,000 times x <- sin(x)·a + b, value and gradient, per operation", CHAIN, || gradient(functions::scalar_chain(LENGTH, functions::ALIVE))),
    item("M2_denormal", "the same, most cotangents denormal", CHAIN, || gradient(functions::scalar_chain(LENGTH, functions::DENORMAL))),
    item("M3_1000", "Σ tanh(x)·exp(-x²) + sigmoid(x), value and gradient, n = 1e3", us(2000), || gradient(functions::elementwise::<f32>(1000))),
    item("M3_100000", "the same, n = 1e5", us(200), || gradient(functions::elementwise::<f32>(100_000))),
    item("M3_10000000", "the same, n = 1e7", ms(5), || gradient(functions::elementwise::<f32>(10_000_000))),
    item("M4_1000", "Rosenbrock, Hessian times a vector, f64, n = 1e3", us(1000), || product(functions::rosenbrock(1000))),
    item("M4_1000000", "the same, n = 1e6", ms(20), || product(functions::rosenbrock(1_000_000))),
    item("M4_mlp", "MLP 784-256-128-10, batch 128, Hessian times a vector", ms(100), || product(middle())),
    item("M5", "LSTM 64-128, 64 steps, batch 16, gradient", ms(30), || gradient(networks::recurrent::<f32>(Cell::Lstm, [64, 128, 64, 16]))),
    item("R_LSTM64", "LSTM 32-32, 64 steps, batch 32, gradient", ms(50), || gradient(networks::recurrent::<f32>(Cell::Lstm, [32, 32, 64, 32]))),
    item("R_LSTM512", "the same, 512 steps", ms(10), || gradient(networks::recurrent::<f32>(Cell::Lstm, [32, 32, 512, 32]))),
    item("R_GRU64", "GRU 32-32, 64 steps, batch 32, gradient", ms(50), || gradient(networks::recurrent::<f32>(Cell::Gru, [32, 32, 64, 32]))),
    item("R_GRU512", "the same, 512 steps", ms(10), || gradient(networks::recurrent::<f32>(Cell::Gru, [32, 32, 512, 32]))),
    item("M6", "LeNet-5, batch 64, train step", ms(50), || train(networks::lenet::<f32>(64))),
    item("M7", "1,000 times h <- tanh(h W), 64 by 256, gradient, peak memory", Measure::Peak { runs: 1, small: || lean(2) }, || lean(1000)),
    item("M7_checkpointed", "the same with checkpoints, peak memory", Measure::Peak { runs: 1, small: || Box::new(Checkpointed::new(4, 2)) }, || Box::new(Checkpointed::new(1000, 20))),
    item("P_MLP", "MLP 784-256-128-10, prediction of one sample", us(5000), || inference::mlp()),
    item("P_LENET", "LeNet-5, prediction of one image", us(2000), || inference::lenet()),
    item("P_RESIDUAL", "residual net 16-32-64 with batch normalization, prediction of one image of 32 by 32", us(200), || inference::residual()),
    item("P_GPT", "GPT, 4 layers of width 128, writes a text of 128 tokens with a cache, per token", WRITING, || inference::Writing::new()),
    item("T_jacobian", "Jacobian of an MLP 100-256-256-100, f32", us(200), transforms::jacobian_of_net),
    item("T_hessian", "dense Hessian by 200 variables, f64", ms(20), || transforms::dense_hessian(200)),
    item("T_hvp", "Rosenbrock, Hessian times a vector, n = 1e5", us(100), || transforms::product(100_000)),
    item("T_gradient", "Rosenbrock, gradient, n = 1e5", us(100), || gradient(functions::rosenbrock(100_000))),
    item("T_sparse_hessian", "Rosenbrock, all nonzero second derivatives, n = 1e5", us(50), || Box::new(Sparse::new(100_000))),
    item("T_batch_gradient", "MLP 784-256-128-10, batch 128, gradient of the batch", ms(50), transforms::batch_gradient),
    item("T_each_gradient", "the same, gradients of each sample", ms(10), transforms::each_gradient),
    item("T_each_norm", "the same, norm of each sample's gradient", ms(50), transforms::each_norm),
    item("T_clipped", "the same, sum of clipped gradients", ms(50), transforms::clipped),
    item("T_function", "tanh(exp(sin x)·x), n = 1e5", us(100), || transforms::series(100_000, 0)),
    item("T_taylor", "the same, derivatives to order 8", us(20), || transforms::series(100_000, 8)),
    item("T_loop", "recurrent net, 10,000 steps, batch 16, 8 inputs, 128 units, gradient of the recorded loop", ms(3), || Box::new(Loop::new(10_000, None))),
    item("T_fold", "the same as a fold in 100 pieces", ms(3), || Box::new(Loop::new(10_000, Some(100)))),
    item("T_loop_memory", "the loop, peak memory", Measure::Peak { runs: 1, small: || Box::new(Loop::new(10, None)) }, || Box::new(Loop::new(10_000, None))),
    item("T_fold_memory", "the fold, peak memory", Measure::Peak { runs: 1, small: || Box::new(Loop::new(10, Some(2))) }, || Box::new(Loop::new(10_000, Some(100)))),
    single("P_each", "a function of 203 scalar operations, gradient at 10,000 points, a run each", ms(20), || Box::new(points::Points::new(false))),
    single("P_many", "the same by run_many", ms(100), || Box::new(points::Points::new(true))),
    item("L_recommender", "train step of the example two_tower, batch 64", us(1000), || loops::of(loops::recommender)),
    item("L_vae", "of vae, batch 64", us(500), || loops::of(loops::vae)),
    item("L_gan", "a round of gan: three updates of the critic, one of the generator, batch 128", us(200), || loops::of(loops::gan)),
    item("L_siamese", "train step of siamese, batch 64", us(500), || loops::of(loops::siamese)),
    item("L_reverse", "of reverse, batch 64", us(200), || loops::of(loops::reverse)),
    item("L_gpt", "of char_gpt, batch 16", us(20), || loops::of(loops::gpt)),
    item("L_dqn", "of dqn, batch 128, with the choice of a push", us(500), || loops::of(loops::dqn)),
    item("L_multi_task", "of multi_task, batch 32", us(1000), || loops::of(loops::multi_task)),
    item("L_apartments", "of apartments, batch 32", us(1000), || loops::of(loops::apartments)),
    single("G_GMM1k_objective", "GMM, 1,000 points, d = 10, K = 25, objective", ms(50), || value(gaussian::gmm(1000, 10, 25))),
    single("G_GMM1k", "GMM, 1,000 points, d = 10, K = 25, gradient", ms(50), || gradient(gaussian::gmm(1000, 10, 25))),
    single("G_GMM10k_objective", "GMM, 10,000 points, d = 10, K = 25, objective", ms(10), || value(gaussian::gmm(10_000, 10, 25))),
    single("G_GMM10k", "GMM, 10,000 points, d = 10, K = 25, gradient", ms(10), || gradient(gaussian::gmm(10_000, 10, 25))),
    single("G_GMM10k_memory", "the same, peak memory", Measure::Peak { runs: 1, small: || gradient(gaussian::gmm(10, 10, 25)) }, || gradient(gaussian::gmm(10_000, 10, 25))),
    single("G_LSTM_l2_c1024_objective", "LSTM, 2 layers, 1,024 characters, objective", ms(20), || value(language::lstm(2, 1024))),
    single("G_LSTM_l2_c1024", "LSTM, 2 layers, 1,024 characters, gradient", ms(20), || gradient(language::lstm(2, 1024))),
    single("G_LSTM_l4_c4096_objective", "LSTM, 4 layers, 4,096 characters, objective", ms(5), || value(language::lstm(4, 4096))),
    single("G_LSTM_l4_c4096", "LSTM, 4 layers, 4,096 characters, gradient", ms(5), || gradient(language::lstm(4, 4096))),
    single("G_BA1_objective", "BA, 49 cameras, 7,776 points, 31,843 measurements, objective", ms(50), || Box::new(bundle::Errors(scene()))),
    single("G_BA1", "BA, 49 cameras, 7,776 points, 31,843 measurements, Jacobian", ms(20), || Box::new(scene())),
    single("G_HAND192_objective", "HAND, 192 points, objective", ms(200), || Box::new(hand::Errors(hand::Hand::new(192)))),
    single("G_HAND192", "HAND, 192 points, Jacobian", ms(100), || Box::new(hand::Hand::new(192))),
];

const fn item(name: &'static str, what: &'static str, measure: Measure, work: fn() -> Box<dyn Work>) -> Item {
    Item { name, what, threads: None, measure, work }
}

const fn single(name: &'static str, what: &'static str, measure: Measure, work: fn() -> Box<dyn Work>) -> Item {
    Item { name, what, threads: Some(1), measure, work }
}

fn small() -> Objective<f32> {
    networks::mlp(&[64, 32, 10], 32)
}

fn middle() -> Objective<f32> {
    networks::mlp(&[784, 256, 128, 10], 128)
}

fn large() -> Objective<f32> {
    networks::mlp(&[1024, 2048, 2048, 1000], 256)
}

fn scene() -> bundle::Bundle {
    bundle::Bundle::new(49, 7776, 31_843)
}

fn train<T: Float>(objective: Objective<T>) -> Box<dyn Work> {
    Box::new(Training::new(objective))
}

fn gradient<T: Float>(objective: Objective<T>) -> Box<dyn Work> {
    Box::new(Gradient::new(objective))
}

/// The gradient of a recurrence of `n` steps, on a tape that keeps only what derivatives read.
fn lean(n: usize) -> Box<dyn Work> {
    Box::new(Gradient::lean(functions::recurrence::<f32>(n)))
}

fn value<T: Float>(objective: Objective<T>) -> Box<dyn Work> {
    Box::new(Evaluation::new(objective))
}

fn product<T: Float>(objective: Objective<T>) -> Box<dyn Work> {
    Box::new(HessianVector::new(objective))
}
