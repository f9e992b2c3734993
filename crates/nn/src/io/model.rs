//! Conversion of a model's parameters and buffers to a [`StateDict`] and back.

use super::{AnyTensor, IoError, StateDict, StateError, Unmatched};
use crate::{Param, Parameters};
use autograd::{Float, Tensor};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Returns all parameters and buffers of a model by name. Shares their elements, except those of
/// [counters](Param::count), which become integers.
///
/// ```
/// use nn::layer::Linear;
/// let model = Linear::<f32>::new(3, 2, &mut autograd::Rng::new(1));
/// let dict = nn::state_dict(&model);
/// assert_eq!(dict.get("weight").unwrap().shape(), [2, 3]);
/// ```
pub fn state_dict<T: Float>(model: &(impl Parameters<T> + ?Sized)) -> StateDict {
    let mut dict = StateDict::new();
    model.visit(&mut crate::Path::default(), &mut |name, param| {
        let value = param.value();
        // PyTorch stores counters as integers.
        let stored =
            if param.is_count() { value.map(|x| x.f64() as i64).into() } else { AnyTensor::from(value.clone()) };
        dict.insert(name, stored);
    });
    dict
}

/// Loads a dictionary into a model, converted to its element type. Checks everything before it changes anything.
///
/// ```
/// use nn::layer::Linear;
/// let (trained, mut fresh) = (Linear::<f32>::new(3, 2, &mut autograd::Rng::new(1)), Linear::new(3, 2, &mut
/// autograd::Rng::new(2))); nn::load_state_dict(&mut fresh, &nn::state_dict(&trained))?;
/// assert_eq!(fresh.weight.value(), trained.weight.value());
/// # Ok::<(), nn::io::StateError>(())
/// ```
/// # Errors
/// If a name is missing or unexpected, a shape differs, or a value overflows the model's type. The error lists all
/// mismatches; the model is unchanged.
pub fn load_state_dict<T: Float>(
    model: &mut (impl Parameters<T> + ?Sized),
    dict: &StateDict,
) -> Result<(), StateError> {
    set(model, all_matched(model, dict)?);
    Ok(())
}

/// Checks that a dictionary [loads](load_state_dict) into a model.
pub(crate) fn check_state_dict<T: Float>(
    model: &(impl Parameters<T> + ?Sized),
    dict: &StateDict,
) -> Result<(), StateError> {
    all_matched(model, dict).map(drop)
}

fn all_matched<T: Float>(
    model: &(impl Parameters<T> + ?Sized),
    dict: &StateDict,
) -> Result<Vec<Option<Tensor<T>>>, StateError> {
    match matched(model, dict) {
        (values, unmatched) if unmatched.is_empty() => Ok(values),
        (_, unmatched) => Err(unmatched.into()),
    }
}

/// Loads the tensors of a dictionary that match a model in name and shape, and returns the mismatches. Like PyTorch's
/// `strict=False`, but also tolerates different shapes. Use it for a model partly trained elsewhere. Parameters without
/// a match are unchanged.
///
/// ```
/// use nn::io::StateDict;
/// use nn::layer::{Linear, Sequential};
/// let rng = &mut autograd::Rng::new(1);
/// let network = |classes, rng: &mut _| Sequential::<f32>::new().then(Linear::new(8, 4, rng)).then(Linear::new(4,
/// classes, rng)); let (trained, mut other) = (network(10, rng), network(3, rng));
/// let left = nn::load_matching(&mut other, &nn::state_dict(&trained));
/// assert_eq!(left.to_string(), "\
/// 1.weight: the model has shape [3, 4] and the file [10, 4]
/// 1.bias: the model has shape [3] and the file [10]
/// ");
/// assert_eq!(nn::state_dict(&other).get("0.weight"), nn::state_dict(&trained).get("0.weight"));
///
/// // The first layer alone, under the name that it has in a model of one layer.
/// let mut dict = nn::state_dict(&trained);
/// dict.retain(|name, _| name.starts_with("0."));
/// dict.rename(|name| name.replace("0.", ""))?;
/// nn::load_state_dict(&mut Linear::<f32>::new(8, 4, rng), &dict)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_matching<T: Float>(model: &mut (impl Parameters<T> + ?Sized), dict: &StateDict) -> Unmatched {
    let (values, unmatched) = matched(model, dict);
    set(model, values);
    unmatched
}

/// Returns the value of each parameter of a model from the dictionary, in order, if there is one, and all mismatches.
fn matched<T: Float>(model: &(impl Parameters<T> + ?Sized), dict: &StateDict) -> (Vec<Option<Tensor<T>>>, Unmatched) {
    let (mut left, mut known, mut values) = (Unmatched::default(), HashSet::new(), Vec::new());
    model.visit(&mut crate::Path::default(), &mut |name, param| {
        known.insert(name.to_owned());
        values.push(match dict.get(name).map(|stored| fitted(param, stored)) {
            None => {
                left.missing.push((name.to_owned(), param.value().shape().to_vec()));
                None
            }
            Some(fitted) => fitted.map_err(|why| left.unfit.push((name.to_owned(), why))).ok(),
        });
    });
    let unexpected = dict.iter().filter(|(name, _)| !known.contains(*name));
    left.unexpected = unexpected.map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect();
    (values, left)
}

/// Sets each parameter to its value, if there is one.
fn set<T: Float>(model: &mut (impl Parameters<T> + ?Sized), values: Vec<Option<Tensor<T>>>) {
    let mut values = values.into_iter();
    model.visit_mut(&mut crate::Path::default(), &mut |_, param| {
        values.next().expect("both visits have the same order").into_iter().for_each(|value| param.set(value));
    });
}

/// Converts the stored tensor to a value of this parameter, or returns the reason why it does not fit.
fn fitted<T: Float>(param: &Param<T>, stored: &AnyTensor) -> Result<Tensor<T>, String> {
    let (wanted, found) = (param.value().shape(), stored.shape());
    if wanted != found {
        return Err(format!("the model has shape {wanted:?} and the file {found:?}"));
    }
    let value = stored.to::<T>();
    let overflows = |wide: &Tensor<f64>| wide.iter().zip(value.iter()).any(|(w, v)| w.is_finite() && !v.is_finite());
    match stored.get::<f64>() {
        Some(wide) if overflows(wide) => Err(format!("it has values that overflow {}", T::NAME)),
        _ => Ok(value),
    }
}

/// Saves a model's parameters and buffers as safetensors under PyTorch's names, [atomically](super::write_atomically).
///
/// ```
/// use nn::layer::Linear;
/// let path = std::env::temp_dir().join(format!("nn-save-{}.safetensors", std::process::id()));
/// nn::save(&Linear::<f32>::new(3, 2, &mut autograd::Rng::new(1)), &path)?;
/// assert_eq!(nn::io::StateDict::read(&path)?.get("bias").unwrap().shape(), [2]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// If the file cannot be written. An existing file is then unchanged.
pub fn save<T: Float>(model: &(impl Parameters<T> + ?Sized), path: impl AsRef<Path>) -> Result<(), IoError> {
    state_dict(model).write(path)
}

/// Like [`save`], but also stores notes, texts by name: class names, say, or how the model was trained. [`load`] returns
/// them.
///
/// ```
/// use nn::layer::Linear;
/// let path = std::env::temp_dir().join(format!("nn-notes-{}.safetensors", std::process::id()));
/// let mut model = Linear::<f32>::new(3, 2, &mut autograd::Rng::new(1));
/// nn::save_with_notes(&model, [("classes", "cat, dog")], &path)?;
/// assert_eq!(nn::load(&mut model, &path)?["classes"], "cat, dog");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// Same as [`save`].
pub fn save_with_notes<T: Float>(
    model: &(impl Parameters<T> + ?Sized),
    notes: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    path: impl AsRef<Path>,
) -> Result<(), IoError> {
    let mut dict = state_dict(model);
    dict.metadata.extend(notes.into_iter().map(|(name, text)| (name.into(), text.into())));
    dict.write(path)
}

/// Loads a safetensors file into a model by name, like [`load_state_dict`], and returns the notes in the file: see
/// [`save_with_notes`].
///
/// ```
/// use autograd::Rng;
/// use nn::layer::Linear;
/// let path = std::env::temp_dir().join(format!("nn-load-{}.safetensors", std::process::id()));
/// let (trained, mut fresh) = (Linear::<f32>::new(3, 2, &mut Rng::new(1)), Linear::new(3, 2, &mut Rng::new(2)));
/// nn::save(&trained, &path)?;
/// nn::load(&mut fresh, &path)?;
/// assert_eq!(fresh.weight.value(), trained.weight.value());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// If the file cannot be read, is not valid, or its tensors do not match the model. The model is then unchanged.
pub fn load<T: Float>(
    model: &mut (impl Parameters<T> + ?Sized),
    path: impl AsRef<Path>,
) -> Result<BTreeMap<String, String>, IoError> {
    let dict = StateDict::read(&path)?;
    load_state_dict(model, &dict).map_err(|error| IoError::State { path: path.as_ref().into(), error })?;
    Ok(dict.metadata)
}
