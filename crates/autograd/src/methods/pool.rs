//! Pooling, resizing and shuffling of images, as methods.

macro_rules! pool_methods {
    () => {
        twins! {
            /// The largest element of each window, along the last axis of `[batch, channels, length]` (the batch axis
            /// is optional). The derivative flows to the first of equal elements; NaN counts as largest.
            ///
            /// ```
            /// use autograd::{Pool, tensor};
            /// let x = tensor![[[1.0, 5.0, 2.0, 0.0, 7.0]]];
            /// assert_eq!(x.max_pool1d(Pool::of([2])), tensor![[[5.0, 2.0]]]);
            /// assert_eq!(x.max_pool1d(Pool { ceil_mode: true, ..Pool::of([2]) }), tensor![[[5.0, 2.0, 7.0]]]);
            /// ```
            max_pool1d, try_max_pool1d(pool: Pool<1>) |x| { spatial::max_pool("max_pool1d", x, pool) }

            /// The largest element of each window, along the last two axes; see [`max_pool1d`](Self::max_pool1d).
            ///
            /// ```
            /// use autograd::{Pool, tensor};
            /// let x = tensor![[[1.0, 5.0], [2.0, 0.0], [3.0, 4.0]]];
            /// assert_eq!(x.max_pool2d(Pool { stride: [1, 1], ..Pool::of([2, 2]) }), tensor![[[5.0], [4.0]]]);
            /// ```
            max_pool2d, try_max_pool2d(pool: Pool<2>) |x| { spatial::max_pool("max_pool2d", x, pool) }

            /// The largest element of each window, along the last three axes; see [`max_pool1d`](Self::max_pool1d).
            ///
            /// ```
            /// use autograd::{Pool, Tensor};
            /// let x = Tensor::<f32>::ones(&[2, 4, 6, 6, 6]);
            /// assert_eq!(x.max_pool3d(Pool::of([3, 2, 2])).shape(), [2, 4, 2, 3, 3]);
            /// ```
            max_pool3d, try_max_pool3d(pool: Pool<3>) |x| { spatial::max_pool("max_pool3d", x, pool) }

            /// The mean Σ x / n of each window, along the last axis of `[batch, channels, length]` (the batch axis is
            /// optional). The `count_include_pad` setting determines whether padding counts as zeros or not at all.
            ///
            /// ```
            /// use autograd::{Pool, tensor};
            /// let x = tensor![[[1.0, 5.0, 2.0, 4.0]]];
            /// assert_eq!(x.avg_pool1d(Pool::of([2])), tensor![[[3.0, 3.0]]]);
            /// let settings = Pool { padding: [1], count_include_pad: false, ..Pool::of([2]) };
            /// assert_eq!(x.avg_pool1d(settings), tensor![[[1.0, 3.5, 4.0]]]);
            /// ```
            avg_pool1d, try_avg_pool1d(pool: Pool<1>) |x| { spatial::avg_pool("avg_pool1d", x, pool) }

            /// The mean Σ x / n of each window, along the last two axes; see [`avg_pool1d`](Self::avg_pool1d).
            ///
            /// ```
            /// use autograd::{Pool, tensor};
            /// assert_eq!(tensor![[[1.0, 5.0], [2.0, 0.0]]].avg_pool2d(Pool::of([2, 2])), tensor![[[2.0]]]);
            /// ```
            avg_pool2d, try_avg_pool2d(pool: Pool<2>) |x| { spatial::avg_pool("avg_pool2d", x, pool) }

            /// The mean Σ x / n of each window, along the last three axes; see [`avg_pool1d`](Self::avg_pool1d).
            ///
            /// ```
            /// use autograd::{Pool, Tensor};
            /// let x = Tensor::<f32>::ones(&[1, 2, 4, 4, 4]);
            /// assert_eq!(x.avg_pool3d(Pool::of([2, 2, 2])), Tensor::ones(&[1, 2, 2, 2, 2]));
            /// ```
            avg_pool3d, try_avg_pool3d(pool: Pool<3>) |x| { spatial::avg_pool("avg_pool3d", x, pool) }

            /// The windows of `size` elements along an axis, `step` apart: the axis becomes the index of the window,
            /// and a new last axis holds the elements. Same as PyTorch's `Tensor.unfold`.
            ///
            /// ```
            /// use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0, 4.0].unfold(0, 2, 1), tensor![[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]);
            /// ```
            #[doc(alias = "sliding_window_view")]
            unfold, try_unfold(axis: isize, size: usize, step: usize) |x| {
                let axis = resolve_axis("unfold", axis, &Value::shape(x))?;
                spatial::unfold(x, axis, size, step)
            }

            /// The windows of an image `[batch, channels, height, width]` (the batch axis is optional) as columns:
            /// `[batch, channels · kernel, positions]`. A convolution is the product of a matrix with these columns.
            /// Same as PyTorch's `torch.nn.functional.unfold`; the settings `ceil_mode` and `count_include_pad` are ignored.
            ///
            /// ```
            /// use autograd::{Pool, tensor};
            /// let x = tensor![[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]];
            /// let y = x.columns(Pool { stride: [1, 1], ..Pool::of([2, 2]) });
            /// assert_eq!(y, tensor![[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]);
            /// ```
            #[doc(alias = "unfold")]
            #[doc(alias = "im2col")]
            columns, try_columns(windows: Pool<2>) |x| { spatial::columns(x, windows) }

            /// Max pooling to a last axis of the given size: the `i`-th window covers `⌊i·n / size⌋` up to
            /// `⌈(i + 1)·n / size⌉`, exclusive.
            ///
            /// ```
            /// use autograd::tensor;
            /// assert_eq!(tensor![[[1.0, 5.0, 2.0]]].adaptive_max_pool1d([2]), tensor![[[5.0, 5.0]]]);
            /// ```
            adaptive_max_pool1d, try_adaptive_max_pool1d(size: [usize; 1]) |x| { spatial::adaptive_max("adaptive_max_pool1d", x, size) }

            /// Max pooling to the given sizes of the last two axes; see
            /// [`adaptive_max_pool1d`](Self::adaptive_max_pool1d).
            ///
            /// ```
            /// use autograd::tensor;
            /// assert_eq!(tensor![[[1.0, 5.0], [2.0, 0.0]]].adaptive_max_pool2d([2, 1]), tensor![[[5.0], [2.0]]]);
            /// ```
            adaptive_max_pool2d, try_adaptive_max_pool2d(size: [usize; 2]) |x| { spatial::adaptive_max("adaptive_max_pool2d", x, size) }

            /// Max pooling to the given sizes of the last three axes; see
            /// [`adaptive_max_pool1d`](Self::adaptive_max_pool1d).
            ///
            /// ```
            /// use autograd::Tensor;
            /// let x = Tensor::<f32>::ones(&[2, 4, 5, 6, 7]);
            /// assert_eq!(x.adaptive_max_pool3d([3, 1, 9]).shape(), [2, 4, 3, 1, 9]);
            /// ```
            adaptive_max_pool3d, try_adaptive_max_pool3d(size: [usize; 3]) |x| { spatial::adaptive_max("adaptive_max_pool3d", x, size) }

            /// Average pooling to a last axis of the given size: the `i`-th window covers `⌊i·n / size⌋` up to
            /// `⌈(i + 1)·n / size⌉`, exclusive.
            ///
            /// ```
            /// use autograd::tensor;
            /// assert_eq!(tensor![[[1.0, 5.0, 2.0]]].adaptive_avg_pool1d([2]), tensor![[[3.0, 3.5]]]);
            /// ```
            adaptive_avg_pool1d, try_adaptive_avg_pool1d(size: [usize; 1]) |x| { spatial::adaptive_avg("adaptive_avg_pool1d", x, size) }

            /// Average pooling to the given sizes of the last two axes; see
            /// [`adaptive_avg_pool1d`](Self::adaptive_avg_pool1d).
            ///
            /// ```
            /// use autograd::tensor;
            /// assert_eq!(tensor![[[1.0, 5.0], [2.0, 0.0]]].adaptive_avg_pool2d([1, 1]), tensor![[[2.0]]]);
            /// ```
            adaptive_avg_pool2d, try_adaptive_avg_pool2d(size: [usize; 2]) |x| { spatial::adaptive_avg("adaptive_avg_pool2d", x, size) }

            /// Average pooling to the given sizes of the last three axes; see
            /// [`adaptive_avg_pool1d`](Self::adaptive_avg_pool1d).
            ///
            /// ```
            /// use autograd::Tensor;
            /// let x = Tensor::<f64>::ones(&[1, 2, 5, 4, 3]);
            /// assert_eq!(x.adaptive_avg_pool3d([1, 2, 2]), Tensor::ones(&[1, 2, 1, 2, 2]));
            /// ```
            adaptive_avg_pool3d, try_adaptive_avg_pool3d(size: [usize; 3]) |x| { spatial::adaptive_avg("adaptive_avg_pool3d", x, size) }

            /// Resizes the last axis by nearest-neighbor interpolation: `y[i] = x[⌊i·n / size⌋]`.
            ///
            /// ```
            /// use autograd::{Resize, tensor};
            /// let y = tensor![[[1.0, 2.0]]].upsample_nearest1d(Resize::By([2.0]));
            /// assert_eq!(y, tensor![[[1.0, 1.0, 2.0, 2.0]]]);
            /// ```
            #[doc(alias = "interpolate")]
            #[doc(alias = "Upsample")]
            upsample_nearest1d, try_upsample_nearest1d(to: Resize<1>) |x| {
                resize::resized("upsample_nearest1d", x, to, resize::nearest)
            }

            /// Resizes the last two axes like [`upsample_nearest1d`](Self::upsample_nearest1d).
            ///
            /// ```
            /// use autograd::{Resize, tensor};
            /// let y = tensor![[[1.0, 2.0]]].upsample_nearest2d(Resize::To([2, 3]));
            /// assert_eq!(y, tensor![[[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]]]);
            /// ```
            #[doc(alias = "interpolate")]
            #[doc(alias = "Upsample")]
            upsample_nearest2d, try_upsample_nearest2d(to: Resize<2>) |x| {
                resize::resized("upsample_nearest2d", x, to, resize::nearest)
            }

            /// Resizes the last three axes like [`upsample_nearest1d`](Self::upsample_nearest1d).
            ///
            /// ```
            /// use autograd::{Resize, Tensor};
            /// let y = Tensor::<f32>::ones(&[1, 1, 2, 2, 2]).upsample_nearest3d(Resize::By([2.0, 1.0, 1.0]));
            /// assert_eq!(y, Tensor::ones(&[1, 1, 4, 2, 2]));
            /// ```
            #[doc(alias = "interpolate")]
            #[doc(alias = "Upsample")]
            upsample_nearest3d, try_upsample_nearest3d(to: Resize<3>) |x| {
                resize::resized("upsample_nearest3d", x, to, resize::nearest)
            }

            /// Resizes the last axis by linear interpolation: element `i` is interpolated at `(i + ½)·n / size - ½` with
            /// [`Align::Centers`], or at `i·(n - 1) / (size - 1)` with [`Align::Corners`].
            ///
            /// ```
            /// use autograd::{Align, Resize, tensor};
            /// let x = tensor![[[0.0, 8.0]]];
            /// assert_eq!(x.upsample_linear1d(Resize::To([4]), Align::Centers), tensor![[[0.0, 2.0, 6.0, 8.0]]]);
            /// assert_eq!(x.upsample_linear1d(Resize::To([5]), Align::Corners), tensor![[[0.0, 2.0, 4.0, 6.0, 8.0]]]);
            /// ```
            #[doc(alias = "interpolate")]
            #[doc(alias = "Upsample")]
            upsample_linear1d, try_upsample_linear1d(to: Resize<1>, align: Align) |x| {
                resize::resized("upsample_linear1d", x, to, resize::linear_rule(align))
            }

            /// Resizes the last two axes like [`upsample_linear1d`](Self::upsample_linear1d).
            ///
            /// ```
            /// use autograd::{Align, Resize, tensor};
            /// let y = tensor![[[0.0, 2.0], [4.0, 6.0]]].upsample_bilinear2d(Resize::To([3, 3]), Align::Corners);
            /// assert_eq!(y, tensor![[[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]]]);
            /// ```
            #[doc(alias = "interpolate")]
            #[doc(alias = "Upsample")]
            upsample_bilinear2d, try_upsample_bilinear2d(to: Resize<2>, align: Align) |x| {
                resize::resized("upsample_bilinear2d", x, to, resize::linear_rule(align))
            }

            /// Resizes the last three axes like [`upsample_linear1d`](Self::upsample_linear1d).
            ///
            /// ```
            /// use autograd::{Align, Resize, Tensor};
            /// let y = Tensor::<f64>::ones(&[1, 1, 2, 2, 2]).upsample_trilinear3d(Resize::To([3, 4, 5]), Align::Centers);
            /// assert_eq!(y, Tensor::ones(&[1, 1, 3, 4, 5]));
            /// ```
            #[doc(alias = "interpolate")]
            #[doc(alias = "Upsample")]
            upsample_trilinear3d, try_upsample_trilinear3d(to: Resize<3>, align: Align) |x| {
                resize::resized("upsample_trilinear3d", x, to, resize::linear_rule(align))
            }

            /// Moves channels into an image `r` times as high and wide: `[…, c·r², h, w]` becomes `[…, c, h·r, w·r]`.
            ///
            /// ```
            /// use autograd::tensor;
            /// let x = tensor![[[1.0]], [[2.0]], [[3.0]], [[4.0]]];
            /// assert_eq!(x.pixel_shuffle(2), tensor![[[1.0, 2.0], [3.0, 4.0]]]);
            /// ```
            pixel_shuffle, try_pixel_shuffle(r: usize) |x| { resize::shuffled("pixel_shuffle", x, r, true) }

            /// The inverse of [`pixel_shuffle`](Self::pixel_shuffle): `[…, c, h·r, w·r]` becomes `[…, c·r², h, w]`.
            ///
            /// ```
            /// use autograd::tensor;
            /// let x = tensor![[[1.0, 2.0], [3.0, 4.0]]];
            /// assert_eq!(x.pixel_unshuffle(2), tensor![[[1.0]], [[2.0]], [[3.0]], [[4.0]]]);
            /// ```
            pixel_unshuffle, try_pixel_unshuffle(r: usize) |x| { resize::shuffled("pixel_unshuffle", x, r, false) }
        }
    };
}
pub(super) use pool_methods;
