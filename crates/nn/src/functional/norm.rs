//! Normalization: brings values to mean 0 and variance 1 over different axes of a tensor.

use crate::domain::{non_negative, unit};
use crate::number::smallest_normal;
use autograd::{Axes, Dims, Error, Float, Result, Shape, Tensor, Var};
use smallvec::SmallVec;

/// The root mean square of `x` over axes of `count` elements, which are kept with size 1: a norm, whose squares do not
/// overflow or underflow.
#[track_caller]
fn root_mean_square<T: Float>(x: Var<'_, T>, axes: impl Into<Axes>, count: usize) -> Result<Var<'_, T>> {
    Ok(x.try_norm(2.0, axes, Dims::Keep)? / T::of((count as f64).sqrt()))
}

/// `√(r² + ε)`
#[track_caller]
fn deviation<T: Float>(r: Var<'_, T>, eps: f64) -> Var<'_, T> {
    r.hypot(number(r, eps.sqrt()))
}

/// Returns an error unless a weight of new statistics is in `[0, 1]`.
pub(crate) fn check_momentum(op: &'static str, momentum: f64) -> Result<()> {
    unit(op, "momentum", momentum)
}

/// Statistics, limited to half of the largest finite number so that their running mean stays finite.
#[track_caller]
pub(crate) fn representable<T: Float>(statistics: Var<'_, T>) -> Var<'_, T> {
    statistics.minimum(number(statistics, 2.0 / smallest_normal::<T>()))
}

/// A scalar constant on the tape of `x`.
fn number<'t, T: Float>(x: Var<'t, T>, c: f64) -> Var<'t, T> {
    x.tape().constant(Tensor::scalar(T::of(c)))
}

/// `y · weight + bias`, skipping whichever is absent.
#[track_caller]
fn affine<'t, T: Float>(y: Var<'t, T>, weight: Option<Var<'t, T>>, bias: Option<Var<'t, T>>) -> Var<'t, T> {
    let y = weight.map_or(y, |weight| y * weight);
    bias.map_or(y, |bias| y + bias)
}

/// The last axes, those of `shape`. Returns an error unless `x` ends with them and weight and bias have that shape.
fn trailing<T: Float>(
    op: &'static str,
    x: Var<'_, T>,
    shape: &[usize],
    parameters: [Option<Var<'_, T>>; 2],
) -> Result<Axes> {
    if shape.is_empty() || !x.shape().ends_with(shape) {
        let hint = format!("its last axes must be the normalized ones, {shape:?}, at least one");
        return Err(Error::Shape { op, shape: x.shape().as_slice().into(), hint });
    }
    same_sizes(op, shape, parameters)?;
    Ok((1..=shape.len() as isize).map(|i| -i).collect::<SmallVec<[isize; 6]>>().as_slice().into())
}

/// Returns an error unless all parameters that are present have this shape.
fn same_sizes<T: Float>(op: &'static str, shape: &[usize], parameters: [Option<Var<'_, T>>; 2]) -> Result<()> {
    match parameters.into_iter().flatten().find(|p| p.shape().as_slice() != shape) {
        None => Ok(()),
        Some(p) => {
            let hint = format!("weight, bias and statistics must have shape {shape:?}");
            Err(Error::Shape { op, shape: p.shape().as_slice().into(), hint })
        }
    }
}

/// The number of channels of `[N, C, …]`.
fn channels<T: Float>(op: &'static str, x: Var<'_, T>) -> Result<usize> {
    x.shape().get(1).copied().ok_or_else(|| {
        let hint = "the input must be [N, channels, …]".into();
        Error::Shape { op, shape: x.shape().as_slice().into(), hint }
    })
}

/// Per-channel values, reshaped to broadcast against `[N, C, …]` of the given rank.
#[track_caller]
fn per_channel<T: Float>(p: Var<'_, T>, rank: usize) -> Var<'_, T> {
    let mut shape = Shape::from_elem(1, rank);
    shape[1] = p.shape()[0];
    p.reshape(&shape)
}

/// Layer normalization, `(x - mean) / √(var + ε) · weight + bias`, over the last axes. Their sizes are `shape`, which
/// is also the shape of weight and bias. Source: Ba, Kiros and Hinton, *Layer normalization* (2016).
///
/// ```
/// use autograd::Tape;
/// use nn::functional::layer_norm;
/// let tape = Tape::<f64>::new();
/// let y = layer_norm(tape.var([[1.0, 3.0], [10.0, 30.0]]), &[2], None, None, 0.0)?;
/// assert_eq!(y.value(), autograd::tensor![[-1.0, 1.0], [-1.0, 1.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if `x` does not end with these axes, `shape` is empty, weight or bias has a different shape, or `ε` is
/// negative, infinite or NaN.
#[track_caller]
pub fn layer_norm<'t, T: Float>(
    x: Var<'t, T>,
    shape: &[usize],
    weight: Option<Var<'t, T>>,
    bias: Option<Var<'t, T>>,
    eps: f64,
) -> Result<Var<'t, T>> {
    trailing("layer_norm", x, shape, [weight, bias])?;
    non_negative("layer_norm", "eps", eps)?;
    let axis = -(shape.len() as isize);
    match (weight, bias) {
        (Some(weight), Some(bias)) => x.try_layer_norm(axis, &weight, &bias, eps),
        _ => Ok(affine(x.try_standardize(axis, eps)?, weight, bias)),
    }
}

/// Root mean square normalization, `x / √(mean x² + ε) · weight`, over the last axes. Their sizes are `shape`; `ε`
/// defaults to the type's machine epsilon. Source: Zhang and Sennrich, *Root mean square layer normalization* (2019).
///
/// ```
/// use autograd::Tape;
/// let tape = Tape::<f64>::new();
/// let y = nn::functional::rms_norm(tape.var([[1.0, -1.0], [5.0, 5.0]]), &[2], None, Some(0.0))?;
/// assert_eq!(y.value(), autograd::tensor![[1.0, -1.0], [1.0, 1.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if `x` does not end with these axes, `shape` is empty, the weight has a different shape, or `ε` is
/// negative, infinite or NaN.
#[track_caller]
pub fn rms_norm<'t, T: Float>(
    x: Var<'t, T>,
    shape: &[usize],
    weight: Option<Var<'t, T>>,
    eps: Option<f64>,
) -> Result<Var<'t, T>> {
    let axes = trailing("rms_norm", x, shape, [weight, None])?;
    let eps = eps.unwrap_or(T::EPSILON.f64());
    non_negative("rms_norm", "eps", eps)?;
    let root = deviation(root_mean_square(x, axes, shape.iter().product())?, eps);
    Ok(affine(x / root, weight, None))
}

/// Normalizes each sample of `[N, C, …]` in groups of channels, then applies `· weight + bias` per channel. Source: Wu
/// and He, *Group normalization* (2018).
///
/// ```
/// use autograd::Tape;
/// let tape = Tape::<f64>::new();
/// let y = nn::functional::group_norm(tape.var([[1.0, 3.0, 7.0, 5.0]]), 2, None, None, 0.0)?;
/// assert_eq!(y.value(), autograd::tensor![[-1.0, 1.0, 1.0, -1.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the channels are not divisible into the groups, weight or bias is not `[C]`, or `ε` is negative,
/// infinite or NaN.
#[track_caller]
pub fn group_norm<'t, T: Float>(
    x: Var<'t, T>,
    groups: usize,
    weight: Option<Var<'t, T>>,
    bias: Option<Var<'t, T>>,
    eps: f64,
) -> Result<Var<'t, T>> {
    const OP: &str = "group_norm";
    let (shape, channels) = (x.shape(), channels(OP, x)?);
    if groups == 0 || !channels.is_multiple_of(groups) {
        let hint = format!("{channels} channels are not divisible into {groups} groups");
        return Err(Error::Argument { op: OP, hint });
    }
    same_sizes(OP, &[channels], [weight, bias])?;
    non_negative(OP, "eps", eps)?;
    let size = channels / groups * shape[2..].iter().product::<usize>();
    let y = x.try_reshape(&[shape[0], groups, size])?.try_standardize(2, eps)?.reshape(&shape);
    let wide = |p: Var<'t, T>| per_channel(p, shape.len());
    Ok(affine(y, weight.map(wide), bias.map(wide)))
}

/// Normalizes each channel of each sample of `[N, C, …]` separately, then applies `· weight + bias`. Source: Ulyanov,
/// Vedaldi and Lempitsky, *Instance normalization* (2016).
///
/// ```
/// use autograd::Tape;
/// let tape = Tape::<f64>::new();
/// let y = nn::functional::instance_norm(tape.var([[[1.0, 3.0], [70.0, 50.0]]]), None, None, 0.0)?;
/// assert_eq!(y.value(), autograd::tensor![[[-1.0, 1.0], [1.0, -1.0]]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there are fewer than two axes, a channel of a sample has only one element (which would be its
/// own mean), weight or bias is not `[C]`, or `ε` is negative, infinite or NaN.
#[track_caller]
pub fn instance_norm<'t, T: Float>(
    x: Var<'t, T>,
    weight: Option<Var<'t, T>>,
    bias: Option<Var<'t, T>>,
    eps: f64,
) -> Result<Var<'t, T>> {
    let channels = channels("instance_norm", x)?;
    let shape = x.shape();
    if shape[2..].iter().product::<usize>() == 1 {
        let hint = "each channel of each sample must have more than one element".into();
        return Err(Error::Shape { op: "instance_norm", shape: shape.as_slice().into(), hint });
    }
    if channels == 0 {
        return Ok(x);
    }
    group_norm(x, channels, weight, bias, eps)
}

/// Options of [`batch_norm`], with PyTorch's defaults.
///
/// ```
/// use nn::functional::BatchNormOptions;
/// let options = BatchNormOptions { training: true, ..BatchNormOptions::default() };
/// assert_eq!((options.momentum, options.eps), (0.1, 1e-5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormOptions {
    /// Whether to use the statistics of the batch rather than the running ones.
    pub training: bool,
    /// The weight of each batch in the running statistics. Defaults to 0.1.
    pub momentum: f64,
    /// Added to the variance for numerical stability. Defaults to 1e-5.
    pub eps: f64,
}

impl Default for BatchNormOptions {
    fn default() -> Self {
        BatchNormOptions { training: false, momentum: 0.1, eps: 1e-5 }
    }
}

/// Normalizes each channel of `[N, C, …]` over the batch, then applies `· weight + bias`. In training, the statistics
/// are those of the batch, gradients flow through them, and the running `[mean, variance]` are returned moved toward
/// them, with the unbiased variance. Otherwise the running statistics are used and returned unchanged. Source: Ioffe
/// and Szegedy, *Batch normalization* (2015).
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::{BatchNormOptions, batch_norm};
/// let tape = Tape::<f64>::new();
/// let options = BatchNormOptions { training: true, eps: 0.0, ..BatchNormOptions::default() };
/// let running = [tape.constant([0.0]), tape.constant([1.0])];
/// let (y, running) = batch_norm(tape.var([[1.0], [3.0]]), running, None, None, options)?;
/// assert_eq!(y.value(), tensor![[-1.0], [1.0]]);
/// assert_eq!(running.map(|r| r.value()), [tensor![0.2], tensor![1.1]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there are fewer than two axes, if statistics, weight or bias are not `[C]`, if a channel has a
/// single value in training, and thus no variance, if the momentum is not in `[0, 1]`, or if `ε` is negative, infinite or
/// NaN.
#[track_caller]
pub fn batch_norm<'t, T: Float>(
    x: Var<'t, T>,
    running: [Var<'t, T>; 2],
    weight: Option<Var<'t, T>>,
    bias: Option<Var<'t, T>>,
    options: BatchNormOptions,
) -> Result<(Var<'t, T>, [Var<'t, T>; 2])> {
    same_sizes("batch_norm", &[channels("batch_norm", x)?], running.map(Some))?;
    check_momentum("batch_norm", options.momentum)?;
    let known = (!options.training).then_some(running);
    let (y, batch) = batch_normalized(x, known, weight, bias, options.eps)?;
    let Some([mean, variance]) = batch else { return Ok((y, running)) };
    let moved = |running: Var<'t, T>, batch: Var<'t, T>| {
        running * T::of(1.0 - options.momentum) + batch * T::of(options.momentum)
    };
    Ok((y, [moved(running[0], mean), moved(running[1], variance)]))
}

/// Mean and variance of each channel, `[C]`.
type Statistics<'t, T> = [Var<'t, T>; 2];

/// [`batch_norm`] with known statistics, or with those of the batch, which it then also returns as `[C]`, the variance
/// unbiased.
#[track_caller]
pub(crate) fn batch_normalized<'t, T: Float>(
    x: Var<'t, T>,
    known: Option<Statistics<'t, T>>,
    weight: Option<Var<'t, T>>,
    bias: Option<Var<'t, T>>,
    eps: f64,
) -> Result<(Var<'t, T>, Option<Statistics<'t, T>>)> {
    const OP: &str = "batch_norm";
    let (shape, channels) = (x.shape(), channels(OP, x)?);
    same_sizes(OP, &[channels], [weight, bias])?;
    non_negative(OP, "eps", eps)?;
    let wide = |p: Var<'t, T>| per_channel(p, shape.len());
    let (centered, deviation, batch) = if let Some([mean, variance]) = known {
        (x - wide(mean), (wide(variance) + T::of(eps)).sqrt(), None)
    } else {
        let count = shape[0] * shape[2..].iter().product::<usize>();
        if count < 2 {
            let hint = format!(
                "training needs more than one value per channel, but {shape:?} has {count}: use larger batches \
                 (drop_last), or eval mode"
            );
            return Err(Error::Argument { op: OP, hint });
        }
        let axes: SmallVec<[isize; 6]> = (0..shape.len() as isize).filter(|axis| *axis != 1).collect();
        let mean = x.try_mean(axes.as_slice(), Dims::Keep)?;
        let centered = x - mean;
        let rms = root_mean_square(centered, axes.as_slice(), count)?;
        // The variance of values beyond √MAX is not representable: it stops at a number from which it can return.
        let unbiased = representable(rms.square() * T::of(count as f64 / (count - 1) as f64));
        (centered, deviation(rms, eps), Some([mean, unbiased].map(|v| v.reshape(&[channels]))))
    };
    // Combine the per-channel factors first: there are far fewer of them than elements in the batch.
    let y = weight.map_or_else(|| centered / deviation, |weight| centered * (wide(weight) / deviation));
    Ok((affine(y, None, bias.map(wide)), batch))
}
