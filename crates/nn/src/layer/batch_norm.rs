//! Batch normalization: brings each channel to mean 0 and variance 1 over the batch.

use crate::domain::or_panic;
use crate::functional::{batch_normalized, check_momentum};
use crate::{ChannelMap, Module, Param, Pass, parameters};
use autograd::{Float, Tensor, Var};

/// Batch normalization of channels `[N, C, …]` with `D` trailing axes; for `D = 1` also of `[N, C]` (Ioffe and Szegedy,
/// 2015): `y = (x - mean) / √(var + eps) · weight + bias`, channel by channel.
///
/// In training, mean and (biased) variance are those of the batch, and gradients flow through both. When the updates of
/// the pass are applied, the running statistics move toward them,
/// `running ← (1 - momentum) · running + momentum · batch`, with the unbiased variance. In eval mode the running
/// statistics are used instead. Names and defaults match PyTorch's.
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
/// let running = layer.running.as_ref().unwrap();
/// assert!((running.mean.value().at(&[0]) - 0.2).abs() < 1e-15);
/// assert!((running.var.value().at(&[0]) - 1.1).abs() < 1e-15);
/// assert_eq!(nn::names(&layer), ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
/// ```
#[derive(Debug, Clone)]
pub struct BatchNorm<T: Float, const D: usize> {
    /// `[C]`, or none
    pub weight: Option<Param<T>>,
    /// `[C]`, or none
    pub bias: Option<Param<T>>,
    /// The running statistics. Without them, the statistics of each batch are used, in eval mode too.
    pub running: Option<Running<T>>,
    /// Added to the variance for numerical stability. Defaults to 1e-5.
    pub eps: f64,
    /// The weight of each batch in the running statistics. Defaults to 0.1. With `None`, they are the mean over all
    /// batches.
    pub momentum: Option<f64>,
    channels: usize,
}

/// Running statistics of the batches that a normalization layer has seen, stored as buffers.
///
/// ```
/// let layer = nn::layer::BatchNorm1d::<f32>::new(3);
/// let running = layer.running.as_ref().unwrap();
/// assert_eq!((running.mean.value().shape(), running.batches.value().item()), ([3].as_slice(), 0.0));
/// ```
#[derive(Debug, Clone)]
pub struct Running<T: Float> {
    /// `[C]`
    pub mean: Param<T>,
    /// `[C]`, unbiased
    pub var: Param<T>,
    /// The number of batches.
    pub batches: Param<T>,
}

/// [`BatchNorm`] of `[N, C]` and `[N, C, L]`.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::BatchNorm1d};
/// let tape = Tape::<f32>::new();
/// let y = BatchNorm1d::new(3).eps(1e-3).forward(tape.constant(Tensor::ones(&[4, 3])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 3]);
/// ```
pub type BatchNorm1d<T> = BatchNorm<T, 1>;
/// [`BatchNorm`] of images `[N, C, H, W]`.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::BatchNorm2d};
/// let tape = Tape::<f32>::new();
/// let y = BatchNorm2d::new(3).eps(1e-3).forward(tape.constant(Tensor::ones(&[4, 3, 5, 5])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 3, 5, 5]);
/// ```
pub type BatchNorm2d<T> = BatchNorm<T, 2>;
/// [`BatchNorm`] of volumes `[N, C, D, H, W]`.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::BatchNorm3d};
/// let tape = Tape::<f32>::new();
/// let y = BatchNorm3d::new(3).eps(1e-3).forward(tape.constant(Tensor::ones(&[4, 3, 5, 5, 5])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 3, 5, 5, 5]);
/// ```
pub type BatchNorm3d<T> = BatchNorm<T, 3>;

parameters! { impl[T: Float, const D: usize] Parameters<T> for BatchNorm<T, D> { weight, bias, ..running } }
parameters! { impl[T: Float] Parameters<T> for Running<T> {
    mean as "running_mean", var as "running_var", batches as "num_batches_tracked"
} }

impl<T: Float, const D: usize> BatchNorm<T, D> {
    /// A layer for the given number of channels: weight 1, bias 0, running mean 0, running variance 1.
    pub fn new(channels: usize) -> Self {
        let (zeros, ones) = (|| Tensor::zeros(&[channels]), || Tensor::ones(&[channels]));
        BatchNorm {
            weight: Some(Param::new(ones())),
            bias: Some(Param::new(zeros())),
            running: Some(Running::new(channels)),
            eps: 1e-5,
            momentum: Some(0.1),
            channels,
        }
    }

    /// The same layer without weight and bias.
    ///
    /// ```
    /// use nn::layer::BatchNorm2d;
    /// let layer = BatchNorm2d::<f32>::new(16).eps(1e-3).without_affine().without_running();
    /// assert_eq!((layer.channels(), nn::parameter_count(&layer)), (16, 0));
    /// ```
    pub fn without_affine(self) -> Self {
        BatchNorm { weight: None, bias: None, ..self }
    }

    /// The same layer without running statistics.
    pub fn without_running(self) -> Self {
        BatchNorm { running: None, ..self }
    }

    /// Sets the weight of each batch in the running statistics; `None` makes them the mean over all batches.
    ///
    /// ```
    /// use nn::layer::BatchNorm1d;
    /// let layer = BatchNorm1d::<f32>::new(16).momentum(None);
    /// assert_eq!(layer.momentum, None);
    /// ```
    /// # Panics
    /// Panics if it is not in `[0, 1]`.
    #[track_caller]
    pub fn momentum(self, momentum: Option<f64>) -> Self {
        or_panic(momentum.map_or(Ok(()), |m| check_momentum("BatchNorm", m)));
        BatchNorm { momentum, ..self }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }
}

super::norm::with_eps! { BatchNorm [D]; }

impl<T: Float> Running<T> {
    /// Mean 0 and variance 1, before any batch.
    pub fn new(channels: usize) -> Self {
        let (mean, var) = (Tensor::zeros(&[channels]), Tensor::ones(&[channels]));
        Running { mean: Param::buffer(mean), var: Param::buffer(var), batches: Param::count() }
    }

    /// Moves the statistics toward those of a batch when the pass's updates are applied.
    #[track_caller]
    fn follow<'t>(&self, batch: [Var<'t, T>; 2], momentum: Option<f64>, pass: &mut Pass<'t, T>) {
        let batches = pass.var(&self.batches) + T::one();
        pass.update(&self.batches, batches);
        for (buffer, batch) in [&self.mean, &self.var].into_iter().zip(batch) {
            let running = pass.var(buffer);
            let moved = match momentum {
                Some(m) => running * T::of(1.0 - m) + batch * T::of(m),
                None => running + (batch - running) / batches,
            };
            pass.update(buffer, moved);
        }
    }
}

impl<T: Float, const D: usize> Module<T> for BatchNorm<T, D> {
    /// # Panics
    /// Panics if the input does not have these channels and `D` trailing axes, or if a channel has a single value in
    /// training, and thus no variance.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let shape = x.shape();
        let fits = (shape.len() == D + 2 || D == 1 && shape.len() == 2) && shape[1] == self.channels;
        let channels = self.channels;
        let problem = || format!("expected input [N, {channels}, …] (trailing axes: {D}), got {shape:?}");
        pass.ensure(fits, format_args!("BatchNorm{D}d"), problem);
        let [weight, bias] = [&self.weight, &self.bias].map(|p| pass.optional(p));
        let running = self.running.as_ref();
        let known = running.filter(|_| !pass.is_training()).map(|r| [pass.var(&r.mean), pass.var(&r.var)]);
        let (y, batch) = pass.checked(self, batch_normalized(x, known, weight, bias, self.eps));
        if let (true, Some(running), Some(batch)) = (pass.is_training(), running, batch) {
            pass.checked(self, self.momentum.map_or(Ok(()), |m| check_momentum("batch_norm", m)));
            running.follow(batch, self.momentum, pass);
        }
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("BatchNorm{D}d({})", self.channels)
    }

    fn channel_map(&self) -> Option<ChannelMap<T>> {
        let running = self.running.as_ref()?;
        let (weight, bias) = (self.weight.as_ref().map(Param::value), self.bias.as_ref().map(Param::value));
        let inverse = (running.var.value() + T::of(self.eps)).sqrt().recip();
        let scale = weight.map_or(inverse.clone(), |weight| &inverse * weight);
        let moved = -(running.mean.value() * &scale);
        Some(ChannelMap { shift: bias.map_or(moved.clone(), |bias| &moved + bias), scale })
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
        let running = layer.running.as_mut().unwrap();
        running.mean.set(Tensor::randn(&[3], rng));
        running.var.set(Tensor::rand(&[3], rng) + 0.5);
        layer
    }

    #[test]
    fn derivatives_pass_through_the_statistics() {
        let rng = &mut Rng::new(4);
        for shape in [&[4, 3][..], &[2, 3, 2]] {
            let x = Tensor::randn(shape, rng);
            check_module(&mut layer(rng), &x);
            check_module(&mut layer(rng).without_affine(), &x);
            check_module(&mut layer(rng).without_running(), &x);
        }
        check_module(&mut BatchNorm2d::new(3), &Tensor::randn(&[2, 3, 2, 2], rng));
        check_module(&mut BatchNorm3d::new(2), &Tensor::randn(&[2, 2, 2, 1, 2], rng));
    }

    #[test]
    fn normalizes_each_channel() {
        let tape = Tape::new();
        let x = tape.constant(Tensor::randn(&[50, 3, 4], &mut Rng::new(1)) * 5.0 + 2.0);
        let y = BatchNorm1d::<f64>::new(3).forward(x, &mut Pass::train(&tape, Rng::new(0)));
        let (mean, square) = (y.mean_axes(&[0, 2][..]).value(), y.square().mean_axes(&[0, 2][..]).value());
        assert!(mean.iter().all(|m| m.abs() < 1e-12) && square.iter().all(|s| (s - 1.0).abs() < 1e-5));
    }

    /// Both statistics over five steps match the definition, written out.
    #[test]
    fn running_statistics_follow_the_batches() {
        let (mut layer, rng) = (layer(&mut Rng::new(2)), &mut Rng::new(9));
        let (mut mean, mut var) = statistics(&layer);
        for _ in 0..5 {
            let x = Tensor::<f64>::randn(&[6, 3], rng) * 2.0 + 1.0;
            let tape = Tape::new();
            let mut pass = Pass::train(&tape, Rng::new(0));
            layer.forward(tape.constant(x.clone()), &mut pass);
            assert_eq!(statistics(&layer).0, mean, "a forward pass does not modify the layer");
            apply_updates(&mut layer, &pass.into_updates());
            for c in 0..3 {
                let column: Vec<f64> = (0..6).map(|i| x.at(&[i, c])).collect();
                let m = column.iter().sum::<f64>() / 6.0;
                let v = column.iter().map(|x| (x - m).powi(2)).sum::<f64>() / 5.0;
                (mean[c], var[c]) = (0.9 * mean[c] + 0.1 * m, 0.9 * var[c] + 0.1 * v);
                let (new_mean, new_var) = statistics(&layer);
                assert!((new_mean[c] - mean[c]).abs() < 1e-14 && (new_var[c] - var[c]).abs() < 1e-14);
            }
            (mean, var) = statistics(&layer);
        }
        assert_eq!(layer.running.unwrap().batches.value().item(), 5.0);
    }

    fn statistics(layer: &BatchNorm1d<f64>) -> (Vec<f64>, Vec<f64>) {
        let running = layer.running.as_ref().unwrap();
        (running.mean.value().to_vec(), running.var.value().to_vec())
    }

    #[test]
    fn without_momentum_the_running_mean_is_that_of_all_batches() {
        let mut layer = BatchNorm1d::<f64> { momentum: None, ..BatchNorm1d::new(1) };
        for x in [[[1.0], [3.0]], [[4.0], [6.0]], [[-3.0], [3.0]]] {
            let tape = Tape::new();
            let mut pass = Pass::train(&tape, Rng::new(0));
            layer.forward(tape.constant(x), &mut pass);
            apply_updates(&mut layer, &pass.into_updates());
        }
        let (mean, var) = statistics(&layer);
        assert!((mean[0] - 7.0 / 3.0).abs() < 1e-15 && (var[0] - 22.0 / 3.0).abs() < 1e-14, "{mean:?} {var:?}");
    }

    #[test]
    fn each_call_in_a_pass_counts() {
        let mut layer = BatchNorm1d::<f64>::new(1).momentum(None);
        let x = tensor![[1.0, 10.0], [2.0, 30.0], [3.0, 20.0], [5.0, 60.0]];
        for _ in 0..3 {
            let tape = Tape::new();
            let mut pass = Pass::train(&tape, Rng::new(0));
            for c in 0..2 {
                layer.forward(tape.constant(x.slice_axis(1, c..c + 1)), &mut pass);
            }
            apply_updates(&mut layer, &pass.into_updates());
        }
        assert!((statistics(&layer).0[0] - 16.375).abs() < 1e-13, "{:?}", statistics(&layer));
        assert_eq!(layer.running.unwrap().batches.value().item(), 6.0);
    }

    #[test]
    fn huge_values_are_normalized_and_leave_finite_statistics() {
        let mut layer = BatchNorm1d::<f32>::new(1).without_affine();
        let tape = Tape::new();
        let mut pass = Pass::train(&tape, Rng::new(0));
        let y = layer.forward(tape.constant([[1e30f32], [3e30]]), &mut pass).value();
        assert!((y.at(&[0, 0]) + 1.0).abs() < 1e-6 && (y.at(&[1, 0]) - 1.0).abs() < 1e-6, "{y}");
        apply_updates(&mut layer, &pass.into_updates());
        assert!(layer.running.unwrap().var.value().item().is_finite());
    }

    #[test]
    fn eval_uses_the_running_statistics_and_asks_for_no_update() {
        let mut layer = BatchNorm1d::<f64>::new(1).without_affine();
        let running = layer.running.as_mut().unwrap();
        running.mean.set(tensor![3.0]);
        running.var.set(tensor![4.0 - 1e-5]);
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape);
        let y = layer.forward(tape.constant([[7.0]]), &mut pass);
        assert!((y.item() - 2.0).abs() < 1e-15);
        assert!(pass.into_updates().is_empty());
    }

    #[test]
    fn running_statistics_are_constants_that_the_tape_knows() {
        let (layer, tape) = (layer(&mut Rng::new(0)), Tape::new());
        layer.forward(tape.constant([[1.0, 2.0, 3.0]]), &mut Pass::eval(&tape));
        let mean = tape.find(layer.running.as_ref().unwrap().mean.key()).unwrap();
        assert_eq!(mean.op(), autograd::op::Op::Const);
    }

    #[test]
    #[should_panic(expected = "more than one value per channel, but [1, 3] has 1")]
    fn a_batch_of_one_has_no_variance() {
        let tape = Tape::new();
        let x = tape.constant([[1.0, 2.0, 3.0]]);
        BatchNorm1d::<f64>::new(3).forward(x, &mut Pass::train(&tape, Rng::new(0)));
    }

    #[test]
    #[should_panic(expected = "expected input [N, 3, …] (trailing axes: 1), got [2, 1]")]
    fn a_single_channel_is_not_broadcast() {
        let tape = Tape::new();
        BatchNorm1d::<f64>::new(3).forward(tape.constant([[1.0], [2.0]]), &mut Pass::eval(&tape));
    }
}
