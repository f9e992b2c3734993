//! Batch normalisation: each channel brought to mean 0 and variance 1 over the batch.

use crate::{Mode, Module, Param, Pass, functional, parameters};
use autograd::{Float, Tensor, Var};

/// Batch normalisation over `[N, C]` or `[N, C, L]` (Ioffe and Szegedy, 2015):
/// `y = (x - mean) / √(var + eps) · weight + bias`, channel by channel.
///
/// In training, mean and (biased) variance are those of the batch, and derivatives flow through both; the running
/// statistics move towards them, `running ← (1 - momentum) · running + momentum · batch`, the variance unbiased, when the
/// updates of the pass are applied. In eval mode the running statistics take their place. Names and numbers are
/// PyTorch's; its counter `num_batches_tracked` is left out, since only a cumulative average would read it.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Module, Pass, apply_updates, layer::BatchNorm1d};
/// let mut layer = BatchNorm1d::<f64>::new(1);
/// let tape = Tape::new();
/// let mut pass = Pass::train(&tape, Rng::new(0));
/// let y = layer.forward(tape.constant([[1.0], [3.0]]), &mut pass); // mean 2, variance 1, unbiased 2
/// assert!((y.value().at(&[1, 0]) - 1.0).abs() < 1e-5);
/// apply_updates(&mut layer, &pass.into_updates());
/// assert!((layer.running_mean.value().at(&[0]) - 0.2).abs() < 1e-15);
/// assert!((layer.running_var.value().at(&[0]) - 1.1).abs() < 1e-15);
/// assert_eq!(nn::names(&layer), ["weight", "bias", "running_mean", "running_var"]);
/// ```
#[derive(Debug, Clone)]
pub struct BatchNorm1d<T: Float> {
    /// `[C]`, or none
    pub weight: Option<Param<T>>,
    /// `[C]`, or none
    pub bias: Option<Param<T>>,
    /// `[C]`, a buffer
    pub running_mean: Param<T>,
    /// `[C]`, a buffer
    pub running_var: Param<T>,
    /// Added to the variance, so that a constant channel has no division by zero: 1e-5.
    pub eps: f64,
    /// How far the running statistics move with each batch: 0.1.
    pub momentum: f64,
}

parameters! { impl[T: Float] Parameters<T> for BatchNorm1d<T> { weight, bias, running_mean, running_var } }

impl<T: Float> BatchNorm1d<T> {
    /// A layer for that many channels: weight 1, bias 0, running mean 0, running variance 1.
    pub fn new(channels: usize) -> Self {
        let (zeros, ones) = (|| Tensor::zeros(&[channels]), || Tensor::ones(&[channels]));
        BatchNorm1d {
            weight: Some(Param::new(ones())),
            bias: Some(Param::new(zeros())),
            running_mean: Param::buffer(zeros()),
            running_var: Param::buffer(ones()),
            eps: 1e-5,
            momentum: 0.1,
        }
    }

    /// The same layer without weight and bias.
    pub fn without_affine(self) -> Self {
        BatchNorm1d { weight: None, bias: None, ..self }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.running_mean.value().len()
    }
}

impl<T: Float> Module<T> for BatchNorm1d<T> {
    /// # Panics
    /// If the input is not `[N, C]` or `[N, C, L]`, or if in training a channel has a single value: it has no variance.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let (shape, channels) = (x.shape(), self.channels());
        let fits = matches!(shape.len(), 2 | 3) && shape[1] == channels;
        assert!(fits, "BatchNorm1d: the input must be [N, {channels}] or [N, {channels}, L], not {shape:?}");
        let training = pass.mode() == Mode::Train;
        let options = functional::BatchNormOptions { training, momentum: self.momentum, eps: self.eps };
        let running = [&self.running_mean, &self.running_var].map(|r| r.value().clone());
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| pass.var(p)));
        match functional::batch_norm(x, &running, weight, bias, options) {
            Err(error) => panic!("BatchNorm1d: {error}"),
            Ok((y, [mean, var])) => {
                if training {
                    pass.update(&self.running_mean, mean);
                    pass.update(&self.running_var, var);
                }
                y
            }
        }
    }

    fn describe(&self) -> String {
        format!("BatchNorm1d({})", self.channels())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply_updates;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, tensor};

    fn layer(rng: &mut Rng) -> BatchNorm1d<f64> {
        let mut layer = BatchNorm1d::new(3);
        layer.weight = Some(Param::new(Tensor::randn(&[3], rng)));
        layer.bias = Some(Param::new(Tensor::randn(&[3], rng)));
        layer.running_mean.set(Tensor::randn(&[3], rng));
        layer.running_var.set(Tensor::rand(&[3], rng) + 0.5);
        layer
    }

    #[test]
    fn derivatives_pass_through_the_statistics() {
        let rng = &mut Rng::new(4);
        for shape in [&[4, 3][..], &[2, 3, 2]] {
            let x = Tensor::randn(shape, rng);
            check_module(&mut layer(rng), &x);
            check_module(&mut layer(rng).without_affine(), &x);
        }
    }

    #[test]
    fn normalises_each_channel() {
        let tape = Tape::new();
        let x = tape.constant(Tensor::randn(&[50, 3, 4], &mut Rng::new(1)) * 5.0 + 2.0);
        let y = BatchNorm1d::<f64>::new(3).forward(x, &mut Pass::train(&tape, Rng::new(0)));
        let (mean, square) = (y.mean_axes(&[0, 2][..]).value(), y.square().mean_axes(&[0, 2][..]).value());
        assert!(mean.iter().all(|m| m.abs() < 1e-12) && square.iter().all(|s| (s - 1.0).abs() < 1e-5));
    }

    /// Two statistics over five steps, against the definition written out.
    #[test]
    fn running_statistics_follow_the_batches() {
        let (mut layer, rng) = (layer(&mut Rng::new(2)), &mut Rng::new(9));
        let (mut mean, mut var) = (layer.running_mean.value().to_vec(), layer.running_var.value().to_vec());
        for _ in 0..5 {
            let x = Tensor::<f64>::randn(&[6, 3], rng) * 2.0 + 1.0;
            let tape = Tape::new();
            let mut pass = Pass::train(&tape, Rng::new(0));
            layer.forward(tape.constant(x.clone()), &mut pass);
            assert_eq!(layer.running_mean.value().to_vec(), mean, "a forward pass changes nothing by itself");
            apply_updates(&mut layer, &pass.into_updates());
            for c in 0..3 {
                let column: Vec<f64> = (0..6).map(|i| x.at(&[i, c])).collect();
                let m = column.iter().sum::<f64>() / 6.0;
                let v = column.iter().map(|x| (x - m).powi(2)).sum::<f64>() / 5.0;
                (mean[c], var[c]) = (0.9 * mean[c] + 0.1 * m, 0.9 * var[c] + 0.1 * v);
                assert!((layer.running_mean.value().at(&[c]) - mean[c]).abs() < 1e-14);
                assert!((layer.running_var.value().at(&[c]) - var[c]).abs() < 1e-14);
            }
            (mean, var) = (layer.running_mean.value().to_vec(), layer.running_var.value().to_vec());
        }
    }

    #[test]
    fn eval_uses_the_running_statistics_and_asks_for_no_update() {
        let mut layer = BatchNorm1d::<f64>::new(1).without_affine();
        layer.running_mean.set(tensor![3.0]);
        layer.running_var.set(tensor![4.0 - 1e-5]);
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape);
        let y = layer.forward(tape.constant([[7.0]]), &mut pass);
        assert!((y.item() - 2.0).abs() < 1e-15);
        assert!(pass.into_updates().is_empty());
    }

    #[test]
    fn running_statistics_take_no_gradient() {
        let (layer, tape) = (layer(&mut Rng::new(0)), Tape::new());
        layer.forward(tape.constant([[1.0, 2.0, 3.0]]), &mut Pass::eval(&tape));
        assert!(tape.find(layer.running_mean.key()).is_none());
    }

    #[test]
    #[should_panic(expected = "more than one value per channel, and [1, 3] has 1")]
    fn a_batch_of_one_has_no_variance() {
        let tape = Tape::new();
        let x = tape.constant([[1.0, 2.0, 3.0]]);
        BatchNorm1d::<f64>::new(3).forward(x, &mut Pass::train(&tape, Rng::new(0)));
    }

    #[test]
    #[should_panic(expected = "must be [N, 3] or [N, 3, L], not [2, 1]")]
    fn a_single_channel_is_not_broadcast() {
        let tape = Tape::new();
        BatchNorm1d::<f64>::new(3).forward(tape.constant([[1.0], [2.0]]), &mut Pass::eval(&tape));
    }
}
