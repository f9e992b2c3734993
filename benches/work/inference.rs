//! Prediction: batches of one sample through networks of `nn`, recorded and compiled, and text written by a language model.

use super::Work;
use autograd::prelude::*;
use nn::decode::Sampler;
use nn::infer::Predictor;
use nn::layer::{Activation, BatchNorm2d, CausalLm, Conv2d, Flatten, Linear, MaxPool2d, Mlp, Residual, Sequential};
use nn::train::predict;
use wengert::nn;

/// A network and an input. Recording runs it unchanged; the compiled one has its normalizations folded.
pub struct Prediction {
    model: Sequential<f32>,
    predictor: Predictor<f32, Sequential<f32>>,
    x: Tensor<f32>,
}

impl Prediction {
    fn new(build: impl Fn(&mut Rng) -> Sequential<f32>, shape: &[usize]) -> Box<Prediction> {
        let (model, mut folded) = (build(&mut Rng::new(0)), build(&mut Rng::new(0)));
        folded.fold();
        Box::new(Prediction { model, predictor: Predictor::new(folded), x: Tensor::randn(shape, &mut Rng::new(1)) })
    }

    /// The output, recorded and compiled.
    pub fn both(&mut self) -> [Tensor<f32>; 2] {
        let recorded = predict(&self.model, &self.x, usize::MAX).expect("the input fits");
        [recorded, self.predictor.predict(&self.x).expect("the input fits").clone()]
    }
}

impl Work for Prediction {
    fn record(&mut self) {
        predict(&self.model, &self.x, usize::MAX).expect("the input fits");
    }

    fn replay(&mut self) {
        self.predictor.predict(&self.x).expect("the input fits");
    }
}

/// A multilayer perceptron 784-256-128-10.
pub fn mlp() -> Box<Prediction> {
    Prediction::new(|_| Mlp::new(&[784, 256, 128, 10]).build(), &[1, 784])
}

/// LeNet-5.
pub fn lenet() -> Box<Prediction> {
    Prediction::new(lenet_model, &[1, 1, 28, 28])
}

/// The layers of LeNet-5, with ReLU and max pooling as in current practice.
pub fn lenet_model(rng: &mut Rng) -> Sequential<f32> {
    Sequential::new()
        .then(Conv2d::new(1, 6, 5, rng).padding(2))
        .then(Activation::Relu)
        .then(MaxPool2d::new(2))
        .then(Conv2d::new(6, 16, 5, rng))
        .then(Activation::Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten::new())
        .then(Linear::new(400, 120, rng))
        .then(Activation::Relu)
        .then(Linear::new(120, 84, rng))
        .then(Activation::Relu)
        .then(Linear::new(84, 10, rng))
}

/// A residual network of 16, 32 and 64 channels on images of 32 by 32, with batch normalization after each convolution.
pub fn residual() -> Box<Prediction> {
    let conv = |from: usize, to: usize, stride: usize, rng: &mut Rng| {
        let conv = Conv2d::new(from, to, 3, rng).stride(stride).padding(1).without_bias();
        Sequential::new().then(conv).then(BatchNorm2d::new(to))
    };
    let build = move |rng: &mut Rng| {
        let mut net = conv(3, 16, 1, rng).then(Activation::Relu);
        for (from, to) in [(16, 16), (16, 32), (32, 64)] {
            if from != to {
                net = net.then(conv(from, to, 2, rng)).then(Activation::Relu);
            }
            let inner = conv(to, to, 1, rng).then(Activation::Relu).then(conv(to, to, 1, rng));
            net = net.then(Residual::new(inner)).then(Activation::Relu);
        }
        net.then(Flatten::new()).then(Linear::new(64 * 8 * 8, 10, rng))
    };
    Prediction::new(build, &[1, 3, 32, 32])
}

/// The length of a text that is written behind its first token.
pub const TEXT: usize = 128;

/// A GPT of 4 layers of width 128 and 256 tokens, which writes a text of [`TEXT`] tokens, with a cache.
pub struct Writing(CausalLm<f32>);

impl Writing {
    /// A model with random weights.
    pub fn new() -> Box<Writing> {
        Box::new(Writing(CausalLm::new(256, 128, Default::default(), &mut Rng::new(0))))
    }

    /// The text.
    pub fn text(&self) -> Vec<usize> {
        self.0.generation().write(&[0], TEXT, Sampler::greedy(), &mut Rng::new(0)).expect("the token exists")
    }
}

impl Work for Writing {
    fn record(&mut self) {
        self.text();
    }

    /// Each token is recorded, since each length would need its own program.
    fn replay(&mut self) {
        self.text();
    }
}
