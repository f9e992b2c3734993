//! [`follow`]: a network whose parameters track those of another.

use crate::{Parameters, Path};
use autograd::{Error, Float, Result, Tensor, update};

/// Moves the parameters of `target` toward those of `source`: `t ← t + rate (s - t)`, parameter by parameter and buffer
/// by buffer, in order. A rate of 1 copies them. A target network tracks the trained network in this way.
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::follow};
/// let (online, mut target) = (Param::new(tensor![4.0]), Param::new(tensor![0.0]));
/// follow(&mut target, &online, 0.25)?;
/// assert_eq!(target.value(), &tensor![1.0]);
/// follow(&mut target, &online, 1.0)?;
/// assert_eq!(target.value(), online.value());
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error, and changes nothing, if the rate is not in `[0, 1]`, or the two do not have the same shapes.
pub fn follow<T: Float>(target: &mut dyn Parameters<T>, source: &dyn Parameters<T>, rate: f64) -> Result<()> {
    let wrong = |hint: String| Err(Error::Argument { op: "follow", hint });
    if !(0.0..=1.0).contains(&rate) {
        return wrong(format!("the rate must be at least 0 and at most 1, got {rate}"));
    }
    let mut values: Vec<Tensor<T>> = Vec::new();
    source.visit(&mut Path::default(), &mut |_, param| values.push(param.value().clone()));
    let (mut place, mut odd) = (0, None);
    target.visit(&mut Path::default(), &mut |name, param| {
        let (own, other) = (param.value().shape(), values.get(place).map(Tensor::shape));
        if other != Some(own) && odd.is_none() {
            let other = other.map_or("nothing".to_owned(), |other| format!("shape {other:?}"));
            odd = Some(format!("{name} has shape {own:?}, but the source has {other} in its place"));
        }
        place += 1;
    });
    if let Some(odd) = odd {
        return wrong(odd);
    }
    if place != values.len() {
        return wrong(format!("the target has {place} parameters and buffers, but the source has {}", values.len()));
    }
    let mut values = values.into_iter();
    target.visit_mut(&mut Path::default(), &mut |_, param| {
        let value = values.next().expect("as many as counted");
        match rate == 1.0 {
            true => param.set(value),
            false => update(param.value_mut(), [], &value, |t, [], s| *t += T::of(rate) * (s - *t)),
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Linear, Mlp};
    use autograd::Rng;

    #[test]
    fn networks_of_other_shapes_are_not_followed() {
        let (mut target, source) = (Linear::<f64>::new(2, 1, &mut Rng::new(0)), Linear::new(3, 1, &mut Rng::new(1)));
        let before = target.weight.value().clone();
        let error = follow(&mut target, &source, 0.5).unwrap_err().to_string();
        assert!(error.contains("weight has shape [1, 2], but the source has shape [1, 3]"), "{error}");
        let longer = Mlp::new(&[2, 1, 1]).build::<f64>();
        assert!(follow(&mut target, &longer, 0.5).unwrap_err().to_string().contains("the source has 4"));
        for rate in [-0.1, 1.5, f64::NAN] {
            assert!(follow(&mut target, &source, rate).unwrap_err().to_string().contains("the rate must be"));
        }
        assert_eq!(target.weight.value(), &before);
    }
}
