//! Pooling: reduces each window of an image to one value.

use super::spatial::{Sizes, brief, unusual};
use crate::{Module, Pass, parameters};
use autograd::{Float, Pool, Var};

/// Layers with one setting and no parameters, for one, two and three axes.
macro_rules! pools {
    ($($(#[$doc:meta])* $Layer:ident { $setting:ident: $Setting:ty }, $describe:expr;
        $($D:literal $Alias:ident $method:ident;)*)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $Layer<const D: usize> {
            $setting: $Setting,
        }

        parameters! { impl[T: Float, const D: usize] Parameters<T> for $Layer<D> {} }

        $(
            #[doc = concat!("[`", stringify!($Layer), "`] in ", stringify!($D), "D, over the last axes of `[N, C, …]`.")]
            ///
            /// ```
            #[doc = concat!("use nn::layer::", stringify!($Alias), ";")]
            /// use nn::{Module, Pass};
            /// let tape = autograd::Tape::<f32>::new();
            #[doc = concat!("let x = tape.constant(autograd::Tensor::ones(&[&[2, 3], [6; ", stringify!($D), "].as_slice()].concat()));")]
            #[doc = concat!("let y = ", stringify!($Alias), "::new(3).forward(x, &mut Pass::eval(&tape));")]
            #[doc = concat!("assert_eq!(y.rank(), 2 + ", stringify!($D), ");")]
            /// assert!(y.value().iter().all(|y| y == 1.0));
            /// ```
            pub type $Alias = $Layer<$D>;

            impl<T: Float> Module<T> for $Layer<$D> {
                /// # Panics
                /// Panics if the input does not have channels followed by the pooled axes, or no window fits.
                #[track_caller]
                fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
                    let y = pass.checked(self, x.$method(self.$setting));
                    pass.note(self, y)
                }

                fn describe(&self) -> String {
                    format!("{}({})", stringify!($Alias), $describe(self))
                }
            }
        )*
    )* };
}

pools! {
    /// The largest element of each window. If several are equal, the first one receives the gradient.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Module, Pass, layer::MaxPool2d};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.constant([[[1.0, 5.0, 0.0, 3.0], [2.0, 0.0, 4.0, 3.5]]]);
    /// assert_eq!(MaxPool2d::new(2).forward(x, &mut Pass::eval(&tape)).value(), tensor![[[5.0, 4.0]]]);
    /// ```
    MaxPool { pool: Pool<D> }, |layer: &Self| settings(&layer.pool);
    1 MaxPool1d try_max_pool1d;
    2 MaxPool2d try_max_pool2d;
    3 MaxPool3d try_max_pool3d;

    /// The mean of each window. By default, padding counts as zeros; see
    /// [`count_include_pad`](AvgPool::count_include_pad).
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Module, Pass, layer::AvgPool1d};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.constant([[[1.0, 5.0, 2.0, 4.0]]]);
    /// assert_eq!(AvgPool1d::new(2).forward(x, &mut Pass::eval(&tape)).value(), tensor![[[3.0, 3.0]]]);
    /// ```
    AvgPool { pool: Pool<D> }, |layer: &Self| settings(&layer.pool);
    1 AvgPool1d try_avg_pool1d;
    2 AvgPool2d try_avg_pool2d;
    3 AvgPool3d try_avg_pool3d;

    /// The largest elements of windows chosen so that the output has a given size for any image size.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Module, Pass, layer::AdaptiveMaxPool1d};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.constant([[[1.0, 5.0, 2.0, 4.0, 3.0]]]);
    /// assert_eq!(AdaptiveMaxPool1d::new(2).forward(x, &mut Pass::eval(&tape)).value(), tensor![[[5.0, 4.0]]]);
    /// ```
    AdaptiveMaxPool { size: [usize; D] }, |layer: &Self| brief(&layer.size);
    1 AdaptiveMaxPool1d try_adaptive_max_pool1d;
    2 AdaptiveMaxPool2d try_adaptive_max_pool2d;
    3 AdaptiveMaxPool3d try_adaptive_max_pool3d;

    /// The means of windows chosen so that the output has a given size for any image size. Size 1 is the mean of each
    /// channel.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Module, Pass, layer::AdaptiveAvgPool2d};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.constant([[[1.0, 5.0], [2.0, 4.0]]]);
    /// assert_eq!(AdaptiveAvgPool2d::new(1).forward(x, &mut Pass::eval(&tape)).value(), tensor![[[3.0]]]);
    /// ```
    AdaptiveAvgPool { size: [usize; D] }, |layer: &Self| brief(&layer.size);
    1 AdaptiveAvgPool1d try_adaptive_avg_pool1d;
    2 AdaptiveAvgPool2d try_adaptive_avg_pool2d;
    3 AdaptiveAvgPool3d try_adaptive_avg_pool3d;
}

/// Describes the windows of a pooling, and the settings that differ from their defaults.
fn settings<const D: usize>(pool: &Pool<D>) -> String {
    let stride = if pool.stride == pool.kernel { String::new() } else { format!(", stride {}", brief(&pool.stride)) };
    let (padding, dilation) = (unusual("padding", &pool.padding, 0), unusual("dilation", &pool.dilation, 1));
    let ceil = if pool.ceil_mode { ", ceil" } else { "" };
    format!("{}{stride}{padding}{dilation}{ceil}", brief(&pool.kernel))
}

/// The settings of layers with windows.
macro_rules! windows {
    ($Layer:ident) => {
        impl<const D: usize> $Layer<D> {
            /// Adjacent windows of the given size, one for all axes or one for each.
            pub fn new(kernel: impl Sizes<D>) -> Self {
                Self::with(Pool::of(kernel.sizes()))
            }

            /// With all settings.
            ///
            /// ```
            /// use autograd::Pool;
            #[doc = concat!("use nn::layer::", stringify!($Layer), ";")]
            #[doc = concat!("let layer = ", stringify!($Layer), "::new(3).stride(2).padding(1).ceil_mode(true);")]
            /// let pool = Pool { stride: [2, 2], padding: [1, 1], ceil_mode: true, ..Pool::of([3, 3]) };
            #[doc = concat!("assert_eq!(layer, ", stringify!($Layer), "::with(pool));")]
            /// ```
            pub fn with(pool: Pool<D>) -> Self {
                $Layer { pool }
            }

            /// Sets the distance between adjacent windows. Defaults to the kernel size.
            pub fn stride(self, stride: impl Sizes<D>) -> Self {
                Self::with(Pool { stride: stride.sizes(), ..self.pool })
            }

            /// Sets how far windows extend beyond the edges, at most half of the kernel.
            pub fn padding(self, padding: impl Sizes<D>) -> Self {
                Self::with(Pool { padding: padding.sizes(), ..self.pool })
            }

            /// Sets whether windows may extend beyond the end, so that no element is left out. Defaults to false.
            pub fn ceil_mode(self, ceil_mode: bool) -> Self {
                Self::with(Pool { ceil_mode, ..self.pool })
            }
        }
    };
}

windows!(MaxPool);
windows!(AvgPool);

impl<const D: usize> MaxPool<D> {
    /// All settings.
    pub(super) fn pool(&self) -> Pool<D> {
        self.pool
    }

    /// Sets the distance between adjacent elements of a window. Defaults to 1.
    ///
    /// ```
    /// let layer = nn::layer::MaxPool2d::new(3).dilation(2); // a window of 5 by 5, every other element
    /// # let _ = layer;
    /// ```
    pub fn dilation(self, dilation: impl Sizes<D>) -> Self {
        Self::with(Pool { dilation: dilation.sizes(), ..self.pool })
    }
}

impl<const D: usize> AvgPool<D> {
    /// Sets whether averages count the padding, as zeros. Defaults to true.
    ///
    /// ```
    /// let layer = nn::layer::AvgPool2d::new(3).padding(1).count_include_pad(false);
    /// # let _ = layer;
    /// ```
    pub fn count_include_pad(self, count_include_pad: bool) -> Self {
        Self::with(Pool { count_include_pad, ..self.pool })
    }
}

impl<const D: usize> AdaptiveMaxPool<D> {
    /// Pools to the given size, one for all axes or one for each.
    pub fn new(size: impl Sizes<D>) -> Self {
        AdaptiveMaxPool { size: size.sizes() }
    }
}

impl<const D: usize> AdaptiveAvgPool<D> {
    /// Pools to the given size, one for all axes or one for each.
    pub fn new(size: impl Sizes<D>) -> Self {
        AdaptiveAvgPool { size: size.sizes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, Tensor};

    #[test]
    fn derivatives_are_right() {
        let rng = &mut Rng::new(5);
        let (line, image) = (Tensor::randn(&[2, 2, 7], rng), Tensor::randn(&[1, 2, 5, 4], rng));
        let volume = Tensor::randn(&[1, 1, 3, 4, 4], rng);
        check_module(&mut MaxPool1d::new(3).stride(2).padding(1), &line);
        check_module(&mut MaxPool2d::new([2, 1]).dilation(2), &image);
        check_module(&mut MaxPool3d::new(2).ceil_mode(true), &volume);
        check_module(&mut AvgPool1d::new(3).stride(2).padding(1).count_include_pad(false), &line);
        check_module(&mut AvgPool2d::new(2).ceil_mode(true), &image);
        check_module(&mut AvgPool3d::new([3, 2, 2]), &volume);
        check_module(&mut AdaptiveMaxPool1d::new(3), &line);
        check_module(&mut AdaptiveMaxPool2d::new([2, 3]), &image);
        check_module(&mut AdaptiveMaxPool3d::new(2), &volume);
        check_module(&mut AdaptiveAvgPool1d::new(4), &line);
        check_module(&mut AdaptiveAvgPool2d::new(1), &image);
        check_module(&mut AdaptiveAvgPool3d::new([1, 2, 3]), &volume);
    }

    #[test]
    fn settings_that_are_not_usual_are_described() {
        let describe = |layer: &dyn Module<f32>| layer.describe();
        assert_eq!(describe(&MaxPool2d::new(2)), "MaxPool2d(2)");
        assert_eq!(describe(&MaxPool2d::new([3, 2]).stride(2).padding(1)), "MaxPool2d([3, 2], stride 2, padding 1)");
        assert_eq!(describe(&AdaptiveAvgPool2d::new(7)), "AdaptiveAvgPool2d(7)");
    }

    #[test]
    #[should_panic(expected = "MaxPool2d(9): max_pool2d")]
    fn windows_fit_the_image() {
        let tape = Tape::<f64>::new();
        MaxPool2d::new(9).forward(tape.constant(Tensor::ones(&[1, 1, 4, 4])), &mut Pass::eval(&tape));
    }
}
