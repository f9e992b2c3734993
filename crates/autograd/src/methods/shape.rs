//! Methods that move elements: reshaping, reordering, slicing, repetition, padding, diagonals. All of them are composed
//! of views and ops, so their derivatives are correct by construction.

macro_rules! shape_methods {
    () => {
        twins! {
            /// The same elements with another shape. One size may be given as -1 and is computed from the others.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0, 4.0].reshape_infer(&[2, -1]), tensor![[1.0, 2.0], [3.0, 4.0]]);
            /// ```
            #[doc(alias = "view")]
            reshape_infer, try_reshape_infer(sizes: &[isize]) |x| {
                x.try_reshape(&plan::inferred("reshape", sizes, &Value::shape(x))?)
            }

            /// Reorders the axes, as a view; negative axes count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0, 3.0]].permute_axes(&[-1, 0]), tensor![[1.0], [2.0], [3.0]]);
            /// ```
            #[doc(alias = "transpose")]
            #[doc(alias = "moveaxis")]
            #[doc(alias = "movedim")]
            permute_axes, try_permute_axes(order: &[isize]) |x| {
                let shape = Value::shape(x);
                let order: Result<Shape> = order.iter().map(|&i| resolve_axis("permute", i, &shape)).collect();
                x.try_permute(&order?)
            }

            /// Removes all axes of size 1.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[[1.0], [2.0]]].squeeze_all(), tensor![1.0, 2.0]);
            /// ```
            #[doc(alias = "squeeze")]
            squeeze_all, try_squeeze_all() |x| {
                let rest: Shape = Value::shape(x).iter().copied().filter(|&d| d != 1).few();
                x.try_reshape(&rest)
            }

            /// The slice at one index of an axis, which is removed from the result: a view. Negative indices count from
            /// the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].index_axis(1, -1), tensor![2.0, 4.0]);
            /// ```
            #[doc(alias = "select")]
            index_axis, try_index_axis(axis: isize, index: isize) |x| {
                let mut shape = Value::shape(x);
                let axis = resolve_axis("index_axis", axis, &shape)?;
                let size = shape[axis];
                let start = if index < 0 { size.checked_sub(index.unsigned_abs()) } else { Some(index.unsigned_abs()) };
                let Some(start) = start.filter(|&i| i < size) else {
                    return Err(Error::Index { op: "index_axis", index: index as i64, position: 0, size });
                };
                let mut spans = Span::whole(&shape);
                spans[axis] = Span { start, len: 1, step: 1 };
                shape.remove(axis);
                Self::try_apply(Op::Slice { spans }, &[x])?.try_reshape(&shape)
            }

            /// Reverses the elements along the given axes (`0`, `[0, -1]`, `..` for all): a view.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].flip(1), tensor![[2.0, 1.0], [4.0, 3.0]]);
            /// ```
            #[doc(alias = "fliplr")]
            #[doc(alias = "flipud")]
            flip, try_flip(axes: impl Into<Axes>) |x| {
                let shape = Value::shape(x);
                let mut spans = Span::whole(&shape);
                for axis in axes.into().resolve("flip", &shape)?.iter() {
                    spans[axis] = Span { start: shape[axis].saturating_sub(1), len: shape[axis], step: -1 };
                }
                Self::try_apply(Op::Slice { spans }, &[x])
            }

            /// Moves the elements along an axis by `shift` positions; elements that leave at the end reenter at the
            /// front.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0].roll(1, 0), tensor![3.0, 1.0, 2.0]);
            /// ```
            roll, try_roll(shift: isize, axis: isize) |x| {
                let shape = Value::shape(x);
                let i = resolve_axis("roll", axis, &shape)?;
                let front = shift.rem_euclid(shape[i].max(1) as isize);
                if front == 0 { return Ok(x.clone()) }
                let cut = shape[i] as isize - front;
                Self::try_concat(&[x.try_slice(axis, cut..)?, x.try_slice(axis, ..cut)?], axis)
            }

            /// Repeats the whole tensor along each axis, as in NumPy's `tile`; missing leading axes or counts default
            /// to 1.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].tile(&[2, 2]), tensor![[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]);
            /// ```
            #[doc(alias = "repeat")]
            tile, try_tile(reps: &[usize]) |x| {
                let [apart, wide, whole] = plan::tiled("tile", &Value::shape(x), reps)?;
                x.try_reshape(&apart)?.try_broadcast_to(&wide)?.try_reshape(&whole)
            }

            /// Repeats each slice along an axis, keeping its copies together: one count for all slices, or one for
            /// each.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].repeat_interleave(&[2], 0), tensor![1.0, 1.0, 2.0, 2.0]);
            /// assert_eq!(tensor![1.0, 2.0].repeat_interleave(&[1, 3], 0), tensor![1.0, 2.0, 2.0, 2.0]);
            /// ```
            #[doc(alias = "repeat")]
            repeat_interleave, try_repeat_interleave(repeats: &[usize], axis: isize) |x| {
                let shape = Value::shape(x);
                let axis = resolve_axis("repeat_interleave", axis, &shape)?;
                let &[times] = repeats else {
                    let index = plan::repeated("repeat_interleave", &shape, axis, repeats)?;
                    return Self::try_apply(Op::Take { axis, index }, &[x]);
                };
                let mut apart = shape.clone();
                apart.insert(axis + 1, 1);
                let mut wide = apart.clone();
                wide[axis + 1] = times;
                let [_, _, whole] = plan::tiled("repeat_interleave", &shape, &plan::once_but(&shape, axis, times))?;
                x.try_reshape(&apart)?.try_broadcast_to(&wide)?.try_reshape(&whole)
            }

            /// Adds `[before, after]` elements along each axis, or crops where a width is negative. A constant is added
            /// to one axis after the other, so that the corners are filled as well.
            ///
            /// ```
            /// # use autograd::{Pad, tensor};
            /// let x = tensor![1.0, 2.0, 3.0];
            /// assert_eq!(x.pad(&[[1, 0]], Pad::Constant(9.0)), tensor![9.0, 1.0, 2.0, 3.0]);
            /// assert_eq!(x.pad(&[[2, -1]], Pad::Reflect), tensor![3.0, 2.0, 1.0, 2.0]);
            /// assert_eq!(x.pad(&[[2, 0]], Pad::Replicate), tensor![1.0, 1.0, 1.0, 2.0, 3.0]);
            /// assert_eq!(x.pad(&[[2, 0]], Pad::Circular), tensor![2.0, 3.0, 1.0, 2.0, 3.0]);
            /// ```
            #[doc(alias = "ZeroPad2d")]
            pad, try_pad(pads: &[[isize; 2]], mode: Pad) |x| {
                let shape = Value::shape(x);
                let whole = plan::padded("pad", &shape, pads)?;
                match mode {
                    Pad::Constant(c) => border::constant(x, pads, c, &whole),
                    _ => border::indexed(x, pads, mode),
                }
            }

            /// The lower triangle of each matrix: its elements on and below the diagonal `k`, and zero above it.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].tril(0), tensor![[1.0, 0.0], [3.0, 4.0]]);
            /// ```
            tril, try_tril(k: isize) |x| {
                border::triangle("tril", x, |i, j| j.saturating_sub(i) <= k)
            }

            /// The upper triangle of each matrix: its elements on and above the diagonal `k`, and zero below it.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].triu(1), tensor![[0.0, 2.0], [0.0, 0.0]]);
            /// ```
            triu, try_triu(k: isize) |x| {
                border::triangle("triu", x, |i, j| j.saturating_sub(i) >= k)
            }

            /// For a vector, the matrix with the vector on the diagonal `k` and zeros elsewhere; for a matrix, its
            /// diagonal `k`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].diag(0), tensor![[1.0, 0.0], [0.0, 2.0]]);
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].diag(-1), tensor![3.0]);
            /// ```
            #[doc(alias = "diag_embed")]
            diag, try_diag(k: isize) |x| {
                match *Value::shape(x) {
                    [n] => border::on_diagonal(x, n, k),
                    [_, _] => x.try_diagonal(k, 0, 1),
                    ref shape => Err(Error::Shape { op: "diag", shape: shape.into(), hint: "it must be a vector or a matrix".into() }),
                }
            }

            /// The diagonal `k` of two axes, `x[i, i + k]`, which becomes the last axis of the result.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].diagonal(0, 0, 1), tensor![1.0, 4.0]);
            /// ```
            diagonal, try_diagonal(k: isize, rows: isize, cols: isize) |x| {
                let shape = Value::shape(x);
                let (i, j) = (resolve_axis("diagonal", rows, &shape)?, resolve_axis("diagonal", cols, &shape)?);
                if i == j { return Err(Error::Axis { op: "diagonal", axis: cols, shape: shape.as_slice().into() }) }
                // Adjacent axes in ascending order are read without a copy.
                let (i, j, k) = if i < j { (i, j, k) } else { (j, i, k.saturating_neg()) };
                let (rows, cols) = (shape[i], shape[j]);
                let mut order: Shape = (0..shape.len()).filter(|&a| a != i && a != j).few();
                let mut flat: Shape = order.iter().map(|&a| shape[a]).few();
                order.extend([i, j]);
                flat.push(count("diagonal", &[rows, cols])?);
                let mut spans = Span::whole(&flat);
                let (start, len) = plan::diagonal(rows, cols, k);
                spans[flat.len() - 1] = Span { start, len, step: cols as isize + 1 };
                let flat = x.try_permute(&order)?.try_reshape(&flat)?;
                Self::try_apply(Op::Slice { spans }, &[&flat])
            }

            /// The sum of the diagonal of a matrix.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].trace().item(), 5.0);
            /// ```
            trace, try_trace() |x| {
                match *Value::shape(x) {
                    [_, _] => x.try_diagonal(0, 0, 1)?.try_sum(.., Dims::Drop),
                    ref shape => Err(Error::Shape { op: "trace", shape: shape.into(), hint: "it must be a matrix".into() }),
                }
            }
        }

        /// Splits an axis into pieces of the given sizes, which must add up to its size: views.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0, 3.0].split(&[1, 2], 0), [tensor![1.0], tensor![2.0, 3.0]]);
        /// ```
        /// # Panics
        /// If the sizes do not add up; [`try_split`](Self::try_split) returns the error.
        #[track_caller]
        pub fn split(&self, sizes: &[usize], axis: isize) -> Vec<Self> {
            or_panic(self.try_split(sizes, axis))
        }

        /// Like [`split`](Self::split), but returns the error.
        #[track_caller]
        pub fn try_split(&self, sizes: &[usize], axis: isize) -> Result<Vec<Self>> {
            let shape = Value::shape(self);
            let axis = resolve_axis("split", axis, &shape)?;
            if sizes.iter().try_fold(0usize, |n, &d| n.checked_add(d)) != Some(shape[axis]) {
                return plan::argument("split", format!("the sizes {sizes:?} must add up to {}", shape[axis]));
            }
            let mut spans = Span::whole(&shape);
            let (mut start, mut pieces) = (0, Vec::new());
            for &len in sizes {
                spans[axis] = Span { start: if len == 0 { 0 } else { start }, len, step: 1 };
                pieces.push(Self::try_apply(Op::Slice { spans: spans.clone() }, &[self])?);
                start += len;
            }
            Ok(pieces)
        }

        /// Splits an axis into at most `n` pieces, as in PyTorch's `chunk`. All but the last have the same size; they
        /// are views.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0, 3.0].chunk(2, 0), [tensor![1.0, 2.0], tensor![3.0]]);
        /// ```
        /// # Panics
        /// If `n` is 0 or the axis out of range; [`try_chunk`](Self::try_chunk) returns the error.
        #[doc(alias = "array_split")]
        #[track_caller]
        pub fn chunk(&self, n: usize, axis: isize) -> Vec<Self> {
            or_panic(self.try_chunk(n, axis))
        }

        /// Like [`chunk`](Self::chunk), but returns the error.
        #[track_caller]
        pub fn try_chunk(&self, n: usize, axis: isize) -> Result<Vec<Self>> {
            let shape = Value::shape(self);
            let size = shape[resolve_axis("chunk", axis, &shape)?];
            self.try_split(&plan::chunks("chunk", size, n)?, axis)
        }
    };
}

pub(super) use shape_methods;
