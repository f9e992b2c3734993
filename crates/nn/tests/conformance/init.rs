//! Initial weights: exact gains, distributions by their moments, orthogonal matrices by their definition.

use crate::{close, number, sizes, text};
use autograd::{Rng, Tensor};
use nn::init::{Fan, Init, Nonlinearity, fan};
use serde_json::Value;

pub fn check(case: &Value) -> Result<(), String> {
    match text(&case["kind"]) {
        "gain" => {
            let gain = nonlinearity(text(&case["nonlinearity"]), &case["param"])?.gain();
            close("gain", &[gain], &[number(&case["gain"])], 1e-15)
        }
        "distribution" => distribution(case),
        "orthogonal" => orthogonal(case),
        other => Err(format!("unknown kind {other}")),
    }
}

/// The activation with this name; convolutions and dense layers count as linear.
fn nonlinearity(name: &str, param: &Value) -> Result<Nonlinearity, String> {
    Ok(match name {
        "sigmoid" => Nonlinearity::Sigmoid,
        "tanh" => Nonlinearity::Tanh,
        "relu" => Nonlinearity::Relu,
        "leaky_relu" => Nonlinearity::LeakyRelu(param.as_f64().unwrap_or(0.01)),
        "selu" => Nonlinearity::Selu,
        "linear" | "conv1d" | "conv2d" | "conv3d" => Nonlinearity::Linear,
        "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d" => Nonlinearity::Linear,
        other => return Err(format!("unknown activation {other}")),
    })
}

fn init(case: &Value) -> Result<Init, String> {
    let attrs = &case["attrs"];
    let real = |name: &str, default: f64| attrs[name].as_f64().unwrap_or(default);
    let kaiming = || {
        let fan = if attrs["mode"] == "fan_out" { Fan::Out } else { Fan::In };
        Ok::<_, String>((
            nonlinearity(attrs["nonlinearity"].as_str().unwrap_or("leaky_relu"), &attrs["a"])?.gain(),
            fan,
        ))
    };
    Ok(match text(&case["init"]) {
        "xavier_uniform" => Init::xavier_uniform(real("gain", 1.0)),
        "xavier_normal" => Init::xavier_normal(real("gain", 1.0)),
        "kaiming_uniform" => kaiming().map(|(gain, fan)| Init::kaiming_uniform(gain, fan))?,
        "kaiming_normal" => kaiming().map(|(gain, fan)| Init::kaiming_normal(gain, fan))?,
        "lecun_uniform" => Init::lecun_uniform(),
        "lecun_normal" => Init::lecun_normal(),
        "normal" => Init::Normal { mean: real("mean", 0.0), std: real("std", 1.0) },
        "uniform" => Init::Uniform { low: real("a", 0.0), high: real("b", 1.0) },
        "trunc_normal" => {
            let (low, high) = (real("a", -2.0), real("b", 2.0));
            Init::TruncNormal { mean: real("mean", 0.0), std: real("std", 1.0), low, high }
        }
        other => return Err(format!("unknown distribution {other}")),
    })
}

/// The standard deviation and the mean must lie within six standard errors.
fn distribution(case: &Value) -> Result<(), String> {
    let (shape, std) = (sizes(&case["shape"]), number(&case["std"]));
    if let Some(inputs) = case["fan_in"].as_u64() {
        let expected = (inputs as usize, number(&case["fan_out"]) as usize);
        (fan(&shape) == expected).then_some(()).ok_or_else(|| format!("fan {:?}", fan(&shape)))?;
    }
    let w: Tensor<f64> = init(case)?.tensor(&shape, &mut Rng::new(2024));
    let n = w.len() as f64;
    let mean = w.iter().sum::<f64>() / n;
    let sample = (w.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    let largest = w.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if (sample / std - 1.0).abs() >= 6.0 / (2.0 * n).sqrt() {
        return Err(format!("standard deviation {sample}, expected {std}"));
    }
    if (mean - number(&case["mean"])).abs() >= 6.0 * std / n.sqrt() {
        return Err(format!("mean {mean}"));
    }
    match case["bound"].as_f64() {
        Some(bound) if !(0.99 * bound..=bound * (1.0 + 1e-12)).contains(&largest) => {
            Err(format!("the largest value is {largest}, the bound {bound}"))
        }
        _ => Ok(()),
    }
}

/// The vectors along the shorter side must be orthogonal and have length `gain`.
fn orthogonal(case: &Value) -> Result<(), String> {
    let (shape, gain) = (sizes(&case["shape"]), number(&case["gain"]));
    let w: Tensor<f64> = Init::Orthogonal { gain }.tensor(&shape, &mut Rng::new(2024));
    let rows = shape[0];
    let w = w.reshape(&[rows, shape[1..].iter().product()]);
    let product = if rows <= w.shape()[1] { w.matmul(w.t()) } else { w.t().matmul(&w) };
    let error = (&product - Tensor::eye(product.shape()[0]) * (gain * gain)).abs().max().item();
    if error < 1e-10 { Ok(()) } else { Err(format!("off by {error:e}")) }
}
