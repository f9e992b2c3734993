//! Layers that change the size of an image: upsampling, and pixels that move to channels and back.

use super::spatial::{Sizes, brief};
use crate::{Module, Pass, parameters};
use autograd::{Align, Float, Resize, Var};

/// Resizes the last `D` axes of `[N, C, …]`: by repeating the nearest pixel or, with [`linear`](Upsample::linear), by
/// interpolation.
///
/// ```
/// use autograd::{Align, Tape, tensor};
/// use nn::{Module, Pass, layer::Upsample1d};
/// let tape = Tape::<f64>::new();
/// let (x, mut pass) = (tape.constant([[[1.0, 3.0]]]), Pass::eval(&tape));
/// assert_eq!(Upsample1d::by(2.0).forward(x, &mut pass).value(), tensor![[[1.0, 1.0, 3.0, 3.0]]]);
/// let linear = Upsample1d::to(3).linear(Align::Corners);
/// assert_eq!(linear.forward(x, &mut pass).value(), tensor![[[1.0, 2.0, 3.0]]]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Upsample<const D: usize> {
    resize: Resize<D>,
    linear: Option<Align>,
}

parameters! { impl[T: Float, const D: usize] Parameters<T> for Upsample<D> {} }

impl<const D: usize> Upsample<D> {
    /// Multiplies the size of each axis by a factor.
    pub fn by(factor: f64) -> Self {
        Self::with(Resize::By([factor; D]))
    }

    /// Resizes to the given size, one for all axes or one for each.
    pub fn to(size: impl Sizes<D>) -> Self {
        Self::with(Resize::To(size.sizes()))
    }

    /// Resizes to sizes or by factors, one for each axis.
    ///
    /// ```
    /// use autograd::Resize;
    /// use nn::layer::Upsample2d;
    /// assert_eq!(Upsample2d::with(Resize::By([2.0, 2.0])), Upsample2d::by(2.0));
    /// ```
    pub fn with(resize: Resize<D>) -> Self {
        Upsample { resize, linear: None }
    }

    /// Interpolates: linearly, bilinearly or trilinearly, depending on the number of axes.
    pub fn linear(self, align: Align) -> Self {
        Upsample { linear: Some(align), ..self }
    }
}

/// `Upsample` in one, two and three axes.
macro_rules! upsample {
    ($($D:literal $Alias:ident $nearest:ident $linear:ident;)*) => { $(
        #[doc = concat!("[`Upsample`] in ", stringify!($D), "D, over the last axes of `[N, C, …]`.")]
        ///
        /// ```
        /// use nn::{Module, Pass};
        #[doc = concat!("use nn::layer::", stringify!($Alias), ";")]
        /// let tape = autograd::Tape::<f32>::new();
        #[doc = concat!("let x = tape.constant(autograd::Tensor::ones(&[&[2, 3], [4; ", stringify!($D), "].as_slice()].concat()));")]
        #[doc = concat!("let y = ", stringify!($Alias), "::by(2.0).forward(x, &mut Pass::eval(&tape));")]
        #[doc = concat!("assert_eq!(&y.shape()[2..], [8; ", stringify!($D), "]);")]
        /// ```
        pub type $Alias = Upsample<$D>;

        impl<T: Float> Module<T> for Upsample<$D> {
            /// # Panics
            /// Panics if the input does not have channels followed by the axes, or a size would be 0.
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
                let y = match self.linear {
                    None => x.$nearest(self.resize),
                    Some(align) => x.$linear(self.resize, align),
                };
                let y = pass.checked(self, y);
                pass.note(self, y)
            }

            fn describe(&self) -> String {
                format!("{}({})", stringify!($Alias), settings(self))
            }
        }
    )* };
}

upsample! {
    1 Upsample1d try_upsample_nearest1d try_upsample_linear1d;
    2 Upsample2d try_upsample_nearest2d try_upsample_bilinear2d;
    3 Upsample3d try_upsample_nearest3d try_upsample_trilinear3d;
}

fn settings<const D: usize>(layer: &Upsample<D>) -> String {
    let size = match layer.resize {
        Resize::To(size) => format!("to {}", brief(&size)),
        Resize::By(factors) if factors.iter().all(|f| *f == factors[0]) => format!("by {}", factors[0]),
        Resize::By(factors) => format!("by {factors:?}"),
    };
    let how = match layer.linear {
        None => "",
        Some(Align::Centers) => ", linear",
        Some(Align::Corners) => ", linear, corners aligned",
    };
    format!("{size}{how}")
}

/// A layer that moves pixels between axes.
macro_rules! shuffles {
    ($($(#[$doc:meta])* $Layer:ident $method:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $Layer {
            factor: usize,
        }

        parameters! { impl[T: Float] Parameters<T> for $Layer {} }

        impl $Layer {
            /// The layer for this factor `r`.
            pub fn new(factor: usize) -> Self {
                $Layer { factor }
            }
        }

        impl<T: Float> Module<T> for $Layer {
            /// # Panics
            /// Panics if the axes that shrink are not divisible by the factor, or channels by its square.
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
                let y = pass.checked(self, x.$method(self.factor));
                pass.note(self, y)
            }

            fn describe(&self) -> String {
                format!("{}({})", stringify!($Layer), self.factor)
            }
        }
    )* };
}

shuffles! {
    /// Moves channels into pixels: `[…, c r², h, w]` becomes `[…, c, h r, w r]`. After a convolution, this is a learned
    /// upsampling.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Module, Pass, layer::PixelShuffle};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.constant([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]);
    /// assert_eq!(PixelShuffle::new(2).forward(x, &mut Pass::eval(&tape)).value(), tensor![[[[1.0, 2.0], [3.0, 4.0]]]]);
    /// ```
    PixelShuffle try_pixel_shuffle;

    /// Moves pixels into channels: `[…, c, h r, w r]` becomes `[…, c r², h, w]`. The inverse of [`PixelShuffle`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{Module, Pass, layer::PixelUnshuffle};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.constant([[[[1.0, 2.0], [3.0, 4.0]]]]);
    /// assert_eq!(PixelUnshuffle::new(2).forward(x, &mut Pass::eval(&tape)).shape().as_slice(), [1, 4, 1, 1]);
    /// ```
    PixelUnshuffle try_pixel_unshuffle;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, Tensor, tensor};

    /// Values from PyTorch 2.15, written out there.
    #[test]
    fn images_are_those_of_pytorch() {
        let tape = Tape::<f64>::new();
        let (x, pass) = (tape.constant([[[[1.0, 2.0], [3.0, 5.0]]]]), &mut Pass::eval(&tape));
        let mut near = |layer: Upsample<2>, expected: &[f64]| {
            let y = layer.forward(x, pass).value();
            assert!(y.len() == expected.len() && y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{y}");
        };
        let twice = Upsample2d::by(2.0);
        near(twice, &[1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0, 3.0, 3.0, 5.0, 5.0]);
        let centers = [1.0, 1.25, 1.75, 2.0, 1.5, 1.8125, 2.4375, 2.75, 2.5, 2.9375, 3.8125, 4.25, 3.0, 3.5, 4.5, 5.0];
        near(twice.linear(Align::Centers), &centers);
        let corners = [9.0, 12.0, 15.0, 18.0, 15.0, 19.0, 23.0, 27.0, 21.0, 26.0, 31.0, 36.0, 27.0, 33.0, 39.0, 45.0];
        near(twice.linear(Align::Corners), &corners.map(|x| x / 9.0));
        let wide = [1.0, 1.1, 1.5, 1.9, 2.0, 2.0, 2.15, 2.75, 3.35, 3.5, 3.0, 3.2, 4.0, 4.8, 5.0];
        near(Upsample2d::to([3, 5]).linear(Align::Centers), &wide);
        let x = tape.constant(Tensor::<f64>::arange(16).reshape(&[1, 4, 2, 2]));
        let y = PixelShuffle::new(2).forward(x, pass);
        let expected =
            tensor![[[[0.0, 4.0, 1.0, 5.0], [8.0, 12.0, 9.0, 13.0], [2.0, 6.0, 3.0, 7.0], [10.0, 14.0, 11.0, 15.0]]]];
        assert_eq!(y.value(), expected);
        assert_eq!(PixelUnshuffle::new(2).forward(y, pass).value(), x.value());
    }

    /// Values from PyTorch 2.15: `Upsample(scale_factor=(1.3, 2.3), mode="bilinear")` of 3 by 2 pixels, and
    /// `Upsample(scale_factor=1.4, mode="linear")` of two with its gradient.
    #[test]
    fn factors_that_keep_a_size_keep_its_elements() {
        let (tape, [a, b]) = (Tape::<f64>::new(), [0.15217391304347827, 0.5869565217391305]);
        let (pass, rows) = (&mut Pass::eval(&tape), [[1.0, 2.0], [3.0, 5.0], [4.0, 8.0]]);
        let layer = Upsample2d::with(Resize::By([1.3, 2.3])).linear(Align::Centers);
        let y = layer.forward(tape.constant([[rows]]), pass).value();
        let expected = tape.constant([[rows.map(|[x, y]| [x, x + a * (y - x), x + b * (y - x), y])]]).value();
        assert!(y.shape() == expected.shape() && (&y - &expected).abs().max().item() < 1e-14, "{y}");
        let line = tape.var([[[1.0, 2.0]]]);
        let kept = Upsample1d::by(1.4).linear(Align::Centers).forward(line, pass);
        assert_eq!(kept.value(), line.value());
        assert_eq!(kept.vjp(tensor![[[3.0, 4.0]]]).wrt(line), tensor![[[3.0, 4.0]]]);
    }

    #[test]
    fn derivatives_are_right() {
        let rng = &mut Rng::new(5);
        check_module(&mut Upsample1d::by(1.5), &Tensor::randn(&[2, 2, 4], rng));
        check_module(&mut Upsample2d::to([3, 5]).linear(Align::Corners), &Tensor::randn(&[1, 2, 2, 3], rng));
        check_module(&mut Upsample3d::by(2.0).linear(Align::Centers), &Tensor::randn(&[1, 1, 2, 2, 2], rng));
        check_module(&mut PixelShuffle::new(2), &Tensor::randn(&[1, 8, 2, 3], rng));
        check_module(&mut PixelUnshuffle::new(2), &Tensor::randn(&[1, 2, 4, 6], rng));
    }

    #[test]
    fn settings_are_described() {
        let describe = |layer: &dyn Module<f32>| layer.describe();
        assert_eq!(describe(&Upsample2d::by(2.0)), "Upsample2d(by 2)");
        assert_eq!(describe(&Upsample2d::to([3, 5]).linear(Align::Centers)), "Upsample2d(to [3, 5], linear)");
        assert_eq!(describe(&PixelShuffle::new(3)), "PixelShuffle(3)");
    }

    #[test]
    #[should_panic(expected = "PixelShuffle(2): pixel_shuffle")]
    fn channels_are_divisible() {
        let tape = Tape::<f64>::new();
        PixelShuffle::new(2).forward(tape.constant(Tensor::zeros(&[1, 3, 2, 2])), &mut Pass::eval(&tape));
    }
}
