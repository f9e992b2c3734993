//! Compares models and training traces with PyTorch. `TORCH_MODELS_DIR` selects a different folder of the same files:
//! `io.json`, with a printed module, its options, an input and an output for each `NAME.safetensors`, and
//! `training_traces.json`.

mod build;
mod models;
mod repr;
mod traces;

use autograd::Tensor;
use nn::io::AnyTensor;
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torch/models");
    std::env::var_os("TORCH_MODELS_DIR").map_or_else(|| own.into(), PathBuf::from)
}

fn cases(file: &str) -> Value {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An array of the fixtures: type, shape, and numbers in row-major order. Numbers that are not finite are strings.
fn array(json: &Value) -> AnyTensor {
    let list = |key: &str| json[key].as_array().unwrap_or_else(|| panic!("{json} is not an array")).clone();
    let shape: Vec<usize> = list("shape").iter().map(|n| n.as_u64().expect("a size") as usize).collect();
    let number = |x: &Value| x.as_f64().or_else(|| x.as_str()?.parse().ok()).expect("a number");
    match json["dtype"].as_str() {
        Some("i64") => {
            Tensor::new(&shape, list("data").iter().map(|n| n.as_i64().expect("an integer")).collect()).into()
        }
        Some("f32") => Tensor::new(&shape, list("data").iter().map(|x| number(x) as f32).collect()).into(),
        Some("f64") => Tensor::new(&shape, list("data").iter().map(number).collect()).into(),
        other => panic!("{other:?} is a type unknown to the tests"),
    }
}
