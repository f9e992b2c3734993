//! Max pooling that also returns the positions of the largest elements, and its inverse.

use super::pool::MaxPool;
use super::spatial::Sizes;
use crate::Pass;
use crate::domain::or_panic;
use crate::functional::max_unpool;
use crate::number::countable;
use autograd::{Error, Float, Index, Ints, Pool, Result, Tensor, Value, Var};

/// The partial inverse of [`MaxPool`]: writes each element into zeros at the position where pooling found it.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Pass, layer::{MaxPool1d, MaxUnpool1d}};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([[[1.0, 5.0, 0.0, 3.0]]]);
/// let (y, places) = MaxPool1d::new(2).with_indices(x, &mut Pass::eval(&tape));
/// assert_eq!((y.value(), places.value()), (tensor![[[5.0, 3.0]]], tensor![[[1_i64, 3]]]));
/// assert_eq!(MaxUnpool1d::new(2).unpool(y, places).value(), tensor![[[0.0, 5.0, 0.0, 3.0]]]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxUnpool<const D: usize> {
    pool: Pool<D>,
}

/// [`MaxUnpool`] in one dimension.
pub type MaxUnpool1d = MaxUnpool<1>;
/// [`MaxUnpool`] in two dimensions.
pub type MaxUnpool2d = MaxUnpool<2>;
/// [`MaxUnpool`] in three dimensions.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Pass, layer::{MaxPool3d, MaxUnpool3d}};
/// let tape = Tape::<f64>::new();
/// let x = tape.var(Tensor::from_fn(&[1, 1, 2, 2, 2], |at| at[4] as f64));
/// let (y, places) = MaxPool3d::new(2).with_indices(x, &mut Pass::eval(&tape));
/// assert_eq!(MaxUnpool3d::new(2).unpool(y, places).value().sum().item(), 1.0);
/// ```
pub type MaxUnpool3d = MaxUnpool<3>;

impl<const D: usize> MaxUnpool<D> {
    /// The inverse of a pooling with adjacent windows of this size.
    pub fn new(kernel: impl Sizes<D>) -> Self {
        MaxUnpool { pool: Pool::of(kernel.sizes()) }
    }

    /// The distance between windows. Defaults to their size.
    ///
    /// ```
    /// use nn::layer::MaxUnpool2d;
    /// let layer = MaxUnpool2d::new(3).stride(2).padding(1);
    /// # let _ = layer;
    /// ```
    pub fn stride(mut self, stride: impl Sizes<D>) -> Self {
        self.pool.stride = stride.sizes();
        self
    }

    /// The padding at each end. Defaults to 0.
    pub fn padding(mut self, padding: impl Sizes<D>) -> Self {
        self.pool.padding = padding.sizes();
        self
    }

    /// Writes elements to their positions in an image of the size that the windows cover:
    /// `(n - 1) stride + kernel - 2 padding` along each axis.
    ///
    /// # Panics
    /// Panics if the indices do not have the shape of the elements or are out of range, or the windows are invalid: kernel
    /// or stride are 0, or the padding is more than half of the kernel.
    #[track_caller]
    pub fn unpool<'t, T: Float>(&self, x: Var<'t, T>, index: impl Into<Index<Var<'t, T>>>) -> Var<'t, T> {
        let (shape, pool) = (x.shape(), &self.pool);
        or_panic(self.check());
        let size = std::array::from_fn(|i| {
            let places = shape.len().checked_sub(D - i).map_or(0, |axis| shape[axis]);
            (places.saturating_sub(1) * pool.stride[i] + pool.kernel[i]).saturating_sub(2 * pool.padding[i])
        });
        self.unpool_to(x, index, size)
    }

    /// Returns an error if there is no pooling with these settings.
    fn check(&self) -> Result<()> {
        let Pool { kernel, stride, padding, .. } = self.pool;
        if (0..D).all(|i| stride[i] > 0 && kernel[i] > 0 && padding[i] <= kernel[i] / 2) {
            return Ok(());
        }
        let hint = "kernel and stride must be at least 1, and the padding at most half of the kernel";
        let hint = format!("{hint}: {kernel:?}, {stride:?} and {padding:?}");
        Err(Error::Argument { op: "max_unpool", hint })
    }

    /// Writes elements to their positions in an image of the given size.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::layer::MaxUnpool1d;
    /// let tape = Tape::<f64>::new();
    /// let y = MaxUnpool1d::new(2).unpool_to(tape.var([[[7.0]]]), tensor![[[1_i64]]], [3]);
    /// assert_eq!(y.value(), tensor![[[0.0, 7.0, 0.0]]]);
    /// ```
    /// # Panics
    /// Panics if the indices do not have the shape of the elements, or are out of range.
    #[track_caller]
    pub fn unpool_to<'t, T: Float>(
        &self,
        x: Var<'t, T>,
        index: impl Into<Index<Var<'t, T>>>,
        size: [usize; D],
    ) -> Var<'t, T> {
        or_panic(max_unpool(x, index, size))
    }
}

/// The index of each largest element along the `axes` last axes of `x`, in row-major order: pooling those indices by the
/// elements finds it.
fn places<'t, T: Float>(x: Var<'t, T>, pooled: Var<'t, T>, axes: usize) -> Result<Ints<'t, T>> {
    let shape = x.shape();
    let last = &shape[shape.len() - axes..];
    countable::<T>("max_pool", "elements", last.iter().product())?;
    let all = x.tape().constant(Tensor::<T>::arange(last.iter().product()).reshape(last)).broadcast_to(&shape);
    Ok(Var::try_apply(pooled.op(), &[&x, &all])?.to_integers())
}

macro_rules! with_indices {
    ($($D:literal $method:ident;)*) => { $(
        impl MaxPool<$D> {
            /// The largest elements, and the index of each along the pooled axes, in row-major order.
            ///
            /// ```
            /// use autograd::{Tape, tensor};
            /// use nn::{Pass, layer::MaxPool1d};
            /// let tape = Tape::<f64>::new();
            /// let x = tape.var([[[1.0, 5.0, 7.0, 3.0]]]);
            /// let (y, places) = MaxPool1d::new(2).with_indices(x, &mut Pass::eval(&tape));
            /// assert_eq!((y.value(), places.value()), (tensor![[[5.0, 7.0]]], tensor![[[1_i64, 2]]]));
            /// ```
            /// # Panics
            /// Panics if the input does not have channels followed by the pooled axes, no window fits, or there are
            /// more elements than the 2²⁴ that `f32` can count.
            #[track_caller]
            pub fn with_indices<'t, T: Float>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> (Var<'t, T>, Ints<'t, T>) {
                let y = pass.checked(self, x.$method(self.pool()));
                (pass.note(self, y), pass.checked(self, places(x, y, $D)))
            }
        }
    )* };
}

with_indices! {
    1 try_max_pool1d;
    2 try_max_pool2d;
    3 try_max_pool3d;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::MaxPool2d;
    use autograd::{Tape, gradcheck, tensor};

    fn image() -> Tensor<f64> {
        Tensor::from_fn(&[1, 1, 4, 4], |at| (4 * at[2] + at[3]) as f64).map(|i| 5.0 * i % 7.0 + 0.01 * i)
    }

    /// In `f32`, 2²⁴ + 1 is 2²⁴.
    #[test]
    fn places_that_the_type_cannot_count_are_an_error() {
        let tape = Tape::<f32>::new();
        let x = tape.constant(Tensor::zeros(&[1, 1, 1])).broadcast_to(&[1, 1, (1 << 24) + 1]);
        let error = places(x, x.max_pool1d(Pool::of([1 << 20])), 1).unwrap_err().to_string();
        assert!(error.contains("16777217 elements") && error.contains("use f64"), "{error}");
    }

    fn there_and_back<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let (y, places) = MaxPool2d::new(2).with_indices(x, &mut Pass::eval(x.tape()));
        MaxUnpool2d::new(2).unpool(y, places)
    }

    /// Values from PyTorch 2.15, written out there.
    #[test]
    fn images_are_those_of_pytorch() {
        let tape = Tape::<f64>::new();
        let x = tape.var(image());
        let expected = |some: &[(usize, f64)]| {
            let mut all = vec![0.0; 16];
            some.iter().for_each(|&(at, x)| all[at] = x);
            all
        };
        let near = |y: Var<'_, f64>, expected: Vec<f64>| {
            assert!(y.value().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{}", y.value());
        };
        near(there_and_back(x), expected(&[(2, 3.02), (4, 6.04), (8, 5.08), (11, 6.11)]));
        // One element is the largest of two windows.
        let pool = MaxPool2d::new(3).stride(2).padding(1);
        let (y, places) = pool.with_indices(x, &mut Pass::eval(&tape));
        assert_eq!(places.value(), tensor![[[[4_i64, 1], [4, 11]]]]);
        let back = MaxUnpool2d::new(3).stride(2).padding(1);
        near(back.unpool_to(y, places, [4, 4]), expected(&[(1, 5.01), (4, 6.04), (11, 6.11)]));
        assert_eq!(back.unpool(y, tensor![[[[0_i64, 1], [2, 3]]]]).shape().as_slice(), [1, 1, 3, 3]);
    }

    #[test]
    fn settings_of_no_pooling_are_refused() {
        for (layer, why) in [
            (MaxUnpool1d::new(0), "at least 1, and the padding at most half of the kernel: [0], [0] and [0]"),
            (MaxUnpool1d::new(2).stride(0), ": [2], [0] and [0]"),
            (MaxUnpool1d::new(2).padding(9), ": [2], [2] and [9]"),
        ] {
            let unpooled = || layer.unpool(Tape::<f64>::new().var([[[1.0]]]), tensor![[[0_i64]]]).shape();
            let panic = std::panic::catch_unwind(unpooled).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.starts_with("max_unpool: kernel and stride must be") && text.ends_with(why), "{text}");
        }
    }

    #[test]
    fn derivatives_are_right() {
        gradcheck(|x| there_and_back(x[0]).square().sum(), &[image()]).unwrap();
    }
}
