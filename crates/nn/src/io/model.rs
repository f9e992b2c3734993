//! A model's parameters and buffers as a [`StateDict`], and back.

use super::{AnyTensor, IoError, StateDict, StateError};
use crate::{Param, Parameters};
use autograd::{Float, Tensor};
use std::collections::HashSet;
use std::path::Path;

/// All parameters and buffers of a model by name. Copies no elements, but for those that [count](Param::count): they become
/// integers.
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
        // Counts are whole numbers in PyTorch's files.
        let stored =
            if param.is_count() { value.map(|x| x.f64() as i64).into() } else { AnyTensor::from(value.clone()) };
        dict.insert(name, stored);
    });
    dict
}

/// Gives a model the values in a dictionary, converted to its element type. All is checked before anything is changed.
///
/// ```
/// use nn::layer::Linear;
/// let (trained, mut fresh) = (Linear::<f32>::new(3, 2, &mut autograd::Rng::new(1)), Linear::new(3, 2, &mut autograd::Rng::new(2)));
/// nn::load_state_dict(&mut fresh, &nn::state_dict(&trained))?;
/// assert_eq!(fresh.weight.value(), trained.weight.value());
/// # Ok::<(), nn::io::StateError>(())
/// ```
/// # Errors
/// If a name is missing or too many, a shape differs, or a number is too large for the model's type. One error tells
/// all that is wrong; the model is as it was.
pub fn load_state_dict<T: Float>(
    model: &mut (impl Parameters<T> + ?Sized),
    dict: &StateDict,
) -> Result<(), StateError> {
    let (mut error, mut known, mut values) = (StateError::default(), HashSet::new(), Vec::new());
    model.visit(&mut crate::Path::default(), &mut |name, param| {
        known.insert(name.to_owned());
        match dict.get(name).map(|stored| fitted(param, stored)) {
            None => error.missing.push(name.to_owned()),
            Some(Err(why)) => error.unfit.push((name.to_owned(), why)),
            Some(Ok(value)) => values.push(value),
        }
    });
    let unexpected = dict.iter().map(|(name, _)| name).filter(|name| !known.contains(*name));
    error.unexpected = unexpected.map(str::to_owned).collect();
    if !error.is_empty() {
        return Err(error);
    }
    let mut values = values.into_iter();
    model.visit_mut(&mut crate::Path::default(), &mut |_, param| {
        param.set(values.next().expect("both visits go the same way"));
    });
    Ok(())
}

/// The stored tensor as this parameter's value, or why it cannot be.
fn fitted<T: Float>(param: &Param<T>, stored: &AnyTensor) -> Result<Tensor<T>, String> {
    let (wanted, found) = (param.value().shape(), stored.shape());
    if wanted != found {
        return Err(format!("the model has shape {wanted:?} and the file {found:?}"));
    }
    let value = stored.to::<T>();
    let overflows = |wide: &Tensor<f64>| wide.iter().zip(value.iter()).any(|(w, v)| w.is_finite() && !v.is_finite());
    match stored.get::<f64>() {
        Some(wide) if overflows(wide) => Err(format!("it has numbers too large for {}", T::NAME)),
        _ => Ok(value),
    }
}

/// Writes a model's parameters and buffers as safetensors under PyTorch's names, [atomically](super::write_atomically).
///
/// # Errors
/// If the file cannot be written. Then what was there before is still there.
pub fn save<T: Float>(model: &(impl Parameters<T> + ?Sized), path: impl AsRef<Path>) -> Result<(), IoError> {
    state_dict(model).write(path)
}

/// Gives a model the values in a safetensors file, by name, as [`load_state_dict`] does.
///
/// # Errors
/// If the file cannot be read, is not sound, or holds other tensors than the model has. The model is as it was.
pub fn load<T: Float>(model: &mut (impl Parameters<T> + ?Sized), path: impl AsRef<Path>) -> Result<(), IoError> {
    let dict = StateDict::read(&path)?;
    load_state_dict(model, &dict).map_err(|error| IoError::State { path: path.as_ref().into(), error })
}
