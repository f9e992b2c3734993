//! Discrete Fourier transforms. Requires the feature `fft`.
//!
//! There is no complex number type: complex numbers are pairs of a real and an imaginary part along a last axis of size
//! 2, as in `torch.view_as_real`. The axes of a transform do not count that axis.

use super::select::{leading, placed};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::{Op, Transform};
use crate::tensor::Shape;
use crate::tensor::layout::resolve_axis;
use crate::value::Value;

/// The factors of a Fourier transform of n numbers and of its inverse.
///
/// ```
/// use autograd::{Fft, FftNorm, tensor};
/// let x = tensor![1.0, 1.0, 1.0, 1.0];
/// let mean = |norm| x.rfft(Fft::default().norm(norm)).at(&[0, 0]);
/// assert_eq!([FftNorm::Backward, FftNorm::Ortho, FftNorm::Forward].map(mean), [4.0, 2.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FftNorm {
    /// 1, and 1/n for the inverse.
    #[default]
    Backward,
    /// 1/√n for both, which makes the transform orthogonal.
    Ortho,
    /// 1/n, and 1 for the inverse.
    Forward,
}

/// Settings of a Fourier transform. The default transforms all numbers along the last axis.
///
/// ```
/// use autograd::{Fft, Tensor};
/// let image = Tensor::<f32>::ones(&[3, 20, 30]);
/// assert_eq!(image.rfft(Fft::default()).shape(), [3, 20, 16, 2]);
/// assert_eq!(image.rfft(Fft::along([-2, -1])).shape(), [3, 20, 16, 2]); // in two dimensions
/// assert_eq!(image.rfft(Fft::along([1]).size([64])).shape(), [3, 33, 30, 2]); // zeros behind the 20 numbers
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fft {
    axes: Vec<isize>,
    size: Option<Vec<usize>>,
    norm: FftNorm,
}

impl Default for Fft {
    fn default() -> Self {
        Fft::along([-1])
    }
}

impl Fft {
    /// A transform along several axes of numbers, one after the other. The axis of real and imaginary parts does not count:
    /// -1 is always the last axis of numbers.
    #[doc(alias = "fft2")]
    #[doc(alias = "fftn")]
    pub fn along(axes: impl IntoIterator<Item = isize>) -> Self {
        Fft { axes: axes.into_iter().collect(), size: None, norm: FftNorm::default() }
    }

    /// The number of elements along each of these axes: longer axes are cut off, and shorter ones padded with zeros. For
    /// [`irfft`], the sizes of the result.
    ///
    /// [`irfft`]: crate::Tensor::irfft
    pub fn size(self, size: impl IntoIterator<Item = usize>) -> Self {
        Fft { size: Some(size.into_iter().collect()), ..self }
    }

    /// The factors. Defaults to `FftNorm::Backward`.
    ///
    /// ```
    /// use autograd::{Fft, FftNorm, tensor};
    /// let by = || Fft::default().norm(FftNorm::Ortho);
    /// let y = tensor![3.0, 1.0, 3.0, 1.0].rfft(by());
    /// assert_eq!(y, tensor![[4.0, 0.0], [0.0, 0.0], [2.0, 0.0]]);
    /// assert_eq!(y.irfft(by()), tensor![3.0, 1.0, 3.0, 1.0]);
    /// ```
    pub fn norm(self, norm: FftNorm) -> Self {
        Fft { norm, ..self }
    }
}

macro_rules! fourier_methods {
    () => {
        twins! {
            /// The discrete Fourier transform `y[k] = Σ x[j] exp(-2πi jk/n)` of complex numbers, which are pairs along the last
            /// axis. For real numbers, [`rfft`](Self::rfft) takes half of the time. It is linear, so its derivatives are
            /// also transforms, exact to any order. Any size takes O(n log n) operations.
            ///
            /// ```
            /// use autograd::{Fft, tensor};
            /// let z = tensor![[1.0, 0.0], [0.0, 1.0]]; // 1, i
            /// assert_eq!(z.fft(Fft::default()), tensor![[1.0, 1.0], [1.0, -1.0]]); // 1 + i, 1 - i
            /// ```
            fft, try_fft(settings: Fft) |x| {
                fourier::complex(x, &settings, Transform::Forward)
            }

            /// The inverse of [`fft`](Self::fft): `y[j] = Σ x[k] exp(2πi jk/n) / n`.
            ///
            /// ```
            /// use autograd::{Fft, Rng, Tensor};
            /// let z = Tensor::<f64>::randn(&[7, 2], &mut Rng::new(1));
            /// let back = z.fft(Fft::default()).ifft(Fft::default());
            /// assert!((back - z).abs().max().item() < 1e-15);
            /// ```
            ifft, try_ifft(settings: Fft) |x| {
                fourier::complex(x, &settings, Transform::Backward)
            }

            /// The [Fourier transform](Self::fft) of real numbers. Of n numbers along the last of the axes, it returns the first
            /// n/2 + 1; the others are the conjugates of these.
            ///
            /// A product of spectra is the spectrum of a convolution: here a long filter, in O(n log n) operations, with its
            /// derivatives.
            ///
            /// ```
            /// use autograd::{Fft, Rng, Tensor, Var, gradcheck, tensor};
            /// /// `y[k] = Σ a[j] b[k - j]`
            /// fn convolve<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
            ///     let (a, b) = (x[0], x[1]);
            ///     let n = a.shape()[0] + b.shape()[0] - 1;
            ///     let spectrum = |x: Var<'t, f64>| x.rfft(Fft::default().size([n]));
            ///     spectrum(a).complex_mul(spectrum(b)).irfft(Fft::default().size([n]))
            /// }
            /// let (a, b) = (tensor![1.0, 2.0, 3.0], tensor![1.0, 0.0, -1.0, 2.0]);
            /// let tape = autograd::Tape::new();
            /// let y = convolve(&[tape.var(a.clone()), tape.var(b.clone())]).value();
            /// assert!((y - tensor![1.0, 2.0, 2.0, 0.0, 1.0, 6.0]).abs().max().item() < 1e-14);
            /// gradcheck(convolve, &[a, b]).unwrap();
            /// ```
            #[doc(alias = "rfft2")]
            rfft, try_rfft(settings: Fft) |x| {
                fourier::real(x, &settings)
            }

            /// The inverse of [`rfft`](Self::rfft): real numbers, from the first half of their spectrum. Along the last of the
            /// axes, it returns 2·(m - 1) numbers for m complex ones, unless the settings give another size; an odd size must
            /// be given. The imaginary parts of numbers that must be real are ignored.
            ///
            /// ```
            /// use autograd::{Fft, tensor};
            /// let x = tensor![1.0, 5.0, -2.0];
            /// let back = x.rfft(Fft::default()).irfft(Fft::default().size([3]));
            /// assert!((back - x).abs().max().item() < 1e-15);
            /// ```
            #[doc(alias = "irfft2")]
            irfft, try_irfft(settings: Fft) |x| {
                fourier::half(x, &settings)
            }

            /// Complex numbers with these real parts and the given imaginary parts: pairs along a new last axis.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].complex(tensor![3.0, 4.0]), tensor![[1.0, 3.0], [2.0, 4.0]]);
            /// ```
            #[doc(alias = "view_as_real")]
            complex, try_complex(im: impl Borrow<Self>) |re| {
                Self::try_stack(&[re.clone(), im.borrow().clone()], -1)
            }

            /// The real parts of complex numbers, which are pairs along the last axis. Their magnitudes are
            /// `z.norm_axes(2.0, -1)`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 3.0], [2.0, 4.0]].real(), tensor![1.0, 2.0]);
            /// ```
            real, try_real() |z| {
                fourier::part("real", z, 0)
            }

            /// The imaginary parts of complex numbers, which are pairs along the last axis.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 3.0], [2.0, 4.0]].imag(), tensor![3.0, 4.0]);
            /// ```
            imag, try_imag() |z| {
                fourier::part("imag", z, 1)
            }

            /// The complex conjugates of complex numbers, which are pairs along the last axis.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 3.0], [2.0, 4.0]].conj(), tensor![[1.0, -3.0], [2.0, -4.0]]);
            /// ```
            conj, try_conj() |z| {
                fourier::numbers("conj", &Value::shape(z))?;
                z.try_mul(z.constant(Tensor::from_fn(&[2], |i| T::of(1.0 - 2.0 * i[0] as f64))))
            }

            /// The products of complex numbers, which are pairs along the last axis; the other axes broadcast.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let i = tensor![0.0, 1.0];
            /// assert_eq!(i.complex_mul(&i), tensor![-1.0, 0.0]);
            /// ```
            complex_mul, try_complex_mul(b: impl Borrow<Self>) |a| {
                let part = |z, i| fourier::part("complex_mul", z, i);
                let ([a, b], [c, d]) = ([part(a, 0)?, part(a, 1)?], [part(b.borrow(), 0)?, part(b.borrow(), 1)?]);
                let (ac, bd, ad, bc) = (a.try_mul(&c)?, b.try_mul(&d)?, a.try_mul(&d)?, b.try_mul(&c)?);
                ac.try_sub(bd)?.try_complex(ad.try_add(bc)?)
            }

            /// Shifts the number of frequency 0 from the first place of each axis to the middle. The axes are those of this
            /// array, including the axis of real and imaginary parts.
            ///
            /// ```
            /// use autograd::{Tensor, tensor};
            /// assert_eq!(Tensor::<f64>::fftfreq(4, 0.25).fftshift(0), tensor![-2.0, -1.0, 0.0, 1.0]);
            /// ```
            fftshift, try_fftshift(axes: impl Into<Axes>) |x| {
                let shape = Value::shape(x);
                let axes = axes.into().resolve("fftshift", &shape)?;
                axes.iter().try_fold(x.clone(), |x, i| x.try_roll((shape[i] / 2) as isize, i as isize))
            }

            /// The inverse of [`fftshift`](Self::fftshift).
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0].fftshift(0).ifftshift(0), tensor![1.0, 2.0, 3.0]);
            /// ```
            ifftshift, try_ifftshift(axes: impl Into<Axes>) |x| {
                let shape = Value::shape(x);
                let axes = axes.into().resolve("ifftshift", &shape)?;
                axes.iter().try_fold(x.clone(), |x, i| x.try_roll(-((shape[i] / 2) as isize), i as isize))
            }
        }
    };
}
pub(super) use fourier_methods;

impl<T: Float> crate::Tensor<T> {
    /// The frequencies of the n numbers of a spectrum for samples at distances of `step`: k/(n·step), with k - n in place of
    /// k in the second half.
    ///
    /// ```
    /// use autograd::{Tensor, tensor};
    /// assert_eq!(Tensor::<f64>::fftfreq(5, 0.2), tensor![0.0, 1.0, 2.0, -2.0, -1.0]);
    /// ```
    pub fn fftfreq(n: usize, step: f64) -> Self {
        let signed = |k: usize| if k < n.div_ceil(2) { k as f64 } else { k as f64 - n as f64 };
        Self::from_fn(&[n], |k| T::of(signed(k[0]) / (n as f64 * step)))
    }

    /// The frequencies of the n/2 + 1 numbers that [`rfft`](Self::rfft) returns for n samples at distances of `step`;
    /// empty for no samples.
    ///
    /// ```
    /// use autograd::{Tensor, tensor};
    /// assert_eq!(Tensor::<f64>::rfftfreq(4, 0.25), tensor![0.0, 1.0, 2.0]);
    /// ```
    pub fn rfftfreq(n: usize, step: f64) -> Self {
        let count = if n == 0 { 0 } else { n / 2 + 1 };
        Self::from_fn(&[count], |k| T::of(k[0] as f64 / (n as f64 * step)))
    }
}

/// The axes of complex numbers, which are pairs along the last one.
pub(super) fn numbers<'a>(op: &'static str, shape: &'a [usize]) -> Result<&'a [usize]> {
    match shape {
        [numbers @ .., 2] => Ok(numbers),
        _ => {
            let hint = "complex numbers are pairs along a last axis of size 2; `complex` makes them of their parts";
            Err(Error::Shape { op, shape: shape.into(), hint: hint.into() })
        }
    }
}

/// The real or the imaginary parts.
#[track_caller]
pub(super) fn part<T: Float, V: Value<T>>(op: &'static str, z: &V, i: i64) -> Result<V> {
    let shape = z.shape();
    let axis = numbers(op, &shape)?.len();
    V::try_apply(Op::Take { axis, index: crate::Tensor::scalar(i) }, &[z])
}

/// A transform of complex numbers.
#[track_caller]
pub(super) fn complex<T: Float, V: Value<T>>(x: &V, settings: &Fft, transform: Transform) -> Result<V> {
    let (op, shape) = (transform.name(), x.shape());
    let plan = Plan::new(op, settings, numbers(op, &shape)?)?;
    let mut y = fitted(x, &plan.axes, &plan.size)?;
    for &axis in &plan.axes {
        y = along(&y, axis, transform)?;
    }
    Ok(plan.scaled(&y, transform == Transform::Forward))
}

/// The transform of real numbers: along the last axis, and then of complex numbers along the others.
#[track_caller]
pub(super) fn real<T: Float, V: Value<T>>(x: &V, settings: &Fft) -> Result<V> {
    let plan = Plan::new(Transform::Real.name(), settings, &x.shape())?;
    let mut y = fitted(x, &plan.axes, &plan.size)?;
    for (k, &axis) in plan.axes.iter().enumerate().rev() {
        let transform = if k + 1 == plan.axes.len() { Transform::Real } else { Transform::Forward };
        y = along(&y, axis, transform)?;
    }
    Ok(plan.scaled(&y, true))
}

/// The inverse of `real`.
#[track_caller]
pub(super) fn half<T: Float, V: Value<T>>(x: &V, settings: &Fft) -> Result<V> {
    let (op, shape) = ("irfft", x.shape());
    let mut whole: Shape = numbers(op, &shape)?.into();
    if let Some(&last) = settings.axes.last() {
        let axis = resolve_axis(op, last, &whole)?;
        whole[axis] = 2 * whole[axis].saturating_sub(1);
    }
    let plan = Plan::new(op, settings, &whole)?;
    let mut kept = plan.size.clone();
    let (&axis, n) = (plan.axes.last().expect("a plan has axes"), plan.size[plan.size.len() - 1]);
    *kept.last_mut().expect("a plan has axes") = n / 2 + 1;
    let mut y = fitted(x, &plan.axes, &kept)?;
    for &axis in &plan.axes[..plan.axes.len() - 1] {
        y = along(&y, axis, Transform::Backward)?;
    }
    Ok(plan.scaled(&along(&y, axis, Transform::Half { n })?, false))
}

/// The axes of a transform, and how many numbers there are along each.
struct Plan {
    axes: Shape,
    size: Shape,
    norm: FftNorm,
}

impl Plan {
    fn new(op: &'static str, settings: &Fft, shape: &[usize]) -> Result<Plan> {
        let axes = settings.axes.iter().map(|&axis| resolve_axis(op, axis, shape)).collect::<Result<Shape>>()?;
        let error = |hint: &str| Err(Error::Argument { op, hint: format!("{hint}: {settings:?}") });
        if axes.is_empty() || (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
            return error("it needs one axis or several different ones");
        }
        let size = match &settings.size {
            Some(size) if size.len() != axes.len() => return error("there must be one size for each axis"),
            Some(size) => size.as_slice().into(),
            None => axes.iter().map(|&axis| shape[axis]).collect::<Shape>(),
        };
        if size.contains(&0) {
            return error(&format!("there must be at least one number along each axis, but there are {size:?}"));
        }
        Ok(Plan { axes, size, norm: settings.norm })
    }

    /// The result with its factor.
    #[track_caller]
    fn scaled<T: Float, V: Value<T>>(&self, y: &V, forward: bool) -> V {
        let n: f64 = self.size.iter().map(|&n| n as f64).product();
        match (self.norm, forward) {
            (FftNorm::Backward, true) | (FftNorm::Forward, false) => y.clone(),
            (FftNorm::Backward, false) | (FftNorm::Forward, true) => y.scale(1.0 / n),
            (FftNorm::Ortho, _) => y.scale(1.0 / n.sqrt()),
        }
    }
}

/// The numbers, cut off or followed by zeros along some axes.
#[track_caller]
fn fitted<T: Float, V: Value<T>>(x: &V, axes: &[usize], size: &[usize]) -> Result<V> {
    let mut whole = x.shape();
    axes.iter().zip(size).for_each(|(&axis, &size)| whole[axis] = size);
    let part: Shape = x.shape().iter().zip(&whole).map(|(&a, &b)| a.min(b)).collect();
    placed(&leading(x, &part)?, &whole)
}

/// A transform along one axis of numbers.
#[track_caller]
fn along<T: Float, V: Value<T>>(x: &V, axis: usize, transform: Transform) -> Result<V> {
    let pairs = usize::from(transform != Transform::Real); // the axis of the parts
    let last = x.shape().len() - 1 - pairs;
    let swapped = |x: &V| {
        let mut order: Shape = (0..x.shape().len()).collect();
        order.swap(axis, last);
        if axis == last { x.clone() } else { x.permute(&order) }
    };
    Ok(swapped(&V::try_apply(Op::Fourier(transform), &[&swapped(x)])?))
}
