//! Models saved by PyTorch: they load by name, give PyTorch's outputs, and saving them again gives an equivalent file.

use crate::build::build;
use crate::repr::Printed;
use crate::{array, cases, folder};
use autograd::{Float, Tape, Tensor};
use nn::io::{AnyTensor, StateDict};
use nn::{Module, Pass};
use serde_json::Value;

/// The output of the model in eval mode.
fn output<T: Float>(model: &dyn Module<T>, input: &AnyTensor) -> Tensor<T> {
    let tape = Tape::new();
    model.forward(tape.constant(input.to::<T>()), &mut Pass::eval(&tape)).value()
}

/// The largest difference relative to the largest number.
fn distance<T: Float>(a: &Tensor<T>, b: &AnyTensor) -> f64 {
    let (a, b) = (a.cast::<f64>(), b.to::<f64>());
    assert_eq!(a.shape(), b.shape());
    (&a - &b).abs().max().item() / b.abs().max().item()
}

fn check(name: &str, case: &Value) {
    let printed = Printed::parse(case["module"].as_str().expect("a printed module"));
    let (input, expected) = (array(&case["input"]), array(&case["output"]));
    let file = folder().join(format!("{name}.safetensors"));

    let mut model = build::<f32>(&printed, &case["options"]);
    nn::load(&mut model, &file).unwrap_or_else(|error| panic!("{error}"));
    let single = distance(&output(&*model, &input), &expected);
    let mut wide = build::<f64>(&printed, &case["options"]);
    nn::load(&mut wide, &file).unwrap_or_else(|error| panic!("{error}"));
    let double = distance(&output(&*wide, &input), &expected);
    println!("{name}: {single:.1e} in f32, {double:.1e} in f64");
    assert!(single < 1e-6 && double < 1e-6, "{name}: {single:e} in f32, {double:e} in f64");

    // The saved file has the same names, types, shapes and numbers.
    let saved = std::env::temp_dir().join(format!("nn-torch-{name}-{}.safetensors", std::process::id()));
    nn::save(&model, &saved).unwrap();
    let (ours, theirs) = (StateDict::read(&saved).unwrap(), StateDict::read(&file).unwrap());
    std::fs::remove_file(saved).unwrap();
    let names = |dict: &StateDict| {
        let mut names: Vec<String> =
            dict.iter().map(|(n, t)| format!("{n}: {} {:?}", t.type_name(), t.shape())).collect();
        names.sort();
        names
    };
    assert_eq!(names(&ours), names(&theirs));
    assert!(theirs.iter().all(|(name, tensor)| ours.get(name) == Some(tensor)), "{name}: numbers differ");
}

#[test]
fn torch_models_load_by_name_and_agree() {
    let cases = cases("io.json");
    let models = cases.as_object().expect("models by name");
    assert!(!models.is_empty());
    models.iter().for_each(|(name, case)| check(name, case));
}

/// Writes models with new weights, an input and the output to the folder `TORCH_SAVE_DIR`, from which
/// `benches/peers/torch_loads.py` loads them into PyTorch. Without the variable, uses a temporary folder.
#[test]
fn torch_models_are_written_for_torch_to_load() {
    let (kept, own) = (std::env::var_os("TORCH_SAVE_DIR"), format!("nn-torch-save-{}", std::process::id()));
    let target = kept.clone().map_or_else(|| std::env::temp_dir().join(own), Into::into);
    std::fs::create_dir_all(&target).unwrap();
    for (name, case) in cases("io.json").as_object().expect("models by name") {
        let printed = Printed::parse(case["module"].as_str().expect("a printed module"));
        let (model, input) = (build::<f32>(&printed, &case["options"]), array(&case["input"]));
        nn::save(&model, target.join(format!("{name}.safetensors"))).unwrap();
        let mut said = StateDict::new();
        said.insert("output", output(&*model, &input));
        said.insert("input", input);
        said.write(target.join(format!("{name}.case.safetensors"))).unwrap();
    }
    if kept.is_none() {
        std::fs::remove_dir_all(target).unwrap();
    }
}
