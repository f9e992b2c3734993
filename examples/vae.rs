//! A variational autoencoder of handwritten digits: it learns to compress a picture to a few numbers, and to draw new ones.
//! `cargo run --release --example vae [-- --short]`. docs/experiments.md has the results.
//!
//! The model returns three variables: the picture as logits, and the mean and the standard deviation of the code. The loss is a
//! function of them and of the input, with two named parts. Source: Kingma and Welling, *Auto-encoding variational Bayes*
//! (2014).

mod common;

use nn::distribution::Normal;
use nn::loss::{Reduction, bce_with_logits_loss, custom};
use nn::plot::Images;
use nn::{Given, parameters};
use std::process::ExitCode;
use wengert::autograd::{Result, Var};
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: vae [--short]\n  --short  2 epochs instead of 60";

pub(crate) const CODE: usize = 8;

pub(crate) struct Vae {
    pub(crate) encoder: Sequential<f32>,
    pub(crate) decoder: Sequential<f32>,
}

parameters! { impl Parameters<f32> for Vae { encoder, decoder } }

/// The outputs of the model.
pub(crate) struct Seen<'t> {
    image: Var<'t, f32>,
    code: Normal<'t, f32>,
}

impl<'t> From<Seen<'t>> for Vars<'t, f32> {
    fn from(Seen { image, code }: Seen<'t>) -> Self {
        Vars::new().with("image", image).with("mean", code.mean()).with("std", code.std())
    }
}

impl Model<f32> for Vae {
    fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> Result<Vars<'t, f32>> {
        let both = self.encoder.forward(inputs.numbers("image")?, pass);
        let code = Normal::new(both.slice(1, 0..CODE), (both.slice(1, CODE..2 * CODE) * 0.5).exp())?;
        // A sample of the code that has a derivative; in eval mode, its mean.
        let sample = if pass.is_training() { code.rsample(pass) } else { code.mean() };
        Ok(Seen { image: self.decoder.forward(sample, pass), code }.into())
    }
}

/// The evidence lower bound, negated, per picture: the cross-entropy of the pixels, and the divergence of the code from a
/// standard normal distribution.
pub(crate) fn loss<'t>(seen: &Vars<'t, f32>, given: &Given<'t, f32>) -> Result<Parts<'t, f32>> {
    let image = given.inputs.numbers("image")?;
    let pixels = bce_with_logits_loss(seen.numbers("image")?, image, Reduction::BatchMean)?;
    let code = Normal::new(seen.numbers("mean")?, seen.numbers("std")?)?;
    let divergence = code.kl(&Normal::standard(image.tape()))?.sum_axes(1).mean();
    Ok(Parts::new().part("pixels", 1.0, pixels).part("divergence", 1.0, divergence))
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let epochs = if arguments.contains("--short") { 2 } else { 60 };
        common::finish(arguments)?;

        let images = Fields::new().with("image", digits::<f32>().inputs().clone());
        let (training, test) = FieldDataset::new(images, Fields::new())?.split(0.8, 1)?;
        let net = |sizes: &[usize], seed| Mlp::new(sizes).seed(seed).build();
        let mut vae = Vae { encoder: net(&[64, 128, 2 * CODE], 1), decoder: net(&[CODE, 128, 64], 2) };
        let mut trainer = Trainer::new(custom(loss), Adam::new(2e-3)).epochs(epochs).batch_size(64).validation(&test);
        let history = trainer.fit(&mut vae, &training)?;
        for epoch in history.epochs.iter().step_by(epochs.div_ceil(4)).chain(history.epochs.last()) {
            let [pixels, divergence] = epoch.parts[..] else { unreachable!("two parts") };
            println!("epoch {:>2}: pixels {pixels:.2}, divergence {divergence:.2}", epoch.epoch);
        }

        // How well a code of eight numbers describes pictures that were not seen.
        let found = trainer.predict_fields(&vae, &test.all().inputs)?;
        let (drawn, real) = (found.numbers("image")?.sigmoid(), test.all().inputs.numbers("image")?);
        let mean = training.all().inputs.numbers("image")?.mean_axes(0);
        let error = |image: Tensor<f32>| (image - real).square().mean().item().sqrt();
        println!("error of a pixel: {:.3}; of the mean picture: {:.3}", error(drawn), error(&mean + &(real * 0.0)));

        // New digits, from codes at random.
        let tape = Tape::new();
        let codes = tape.constant(Tensor::randn(&[6, CODE], &mut Rng::new(5)));
        let new = vae.decoder.forward(codes, &mut Pass::eval(&tape)).sigmoid().value();
        let image = |k: usize| new.slice_axis(0, k..k + 1).iter().map(f64::from).collect::<Vec<_>>();
        let images = (0..6).fold(Images::new("", 8), |images, k| images.image("", image(k)));
        println!("{}", images.to_text(false));
        Ok(())
    })
}
