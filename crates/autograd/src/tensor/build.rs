//! Constructors of tensors: from elements, from a function of the index, from random numbers.

use super::layout::{count, room, row_major};
use super::{Repr, Result, Shared, Tensor, recycle};
use crate::error::{Error, or_panic};
use crate::float::{Array, Element, Float, Shape, Strides};
use std::sync::Arc;

impl<T: Element> Tensor<T> {
    /// A tensor of the given shape from elements in row-major order.
    ///
    /// ```
    /// let a = autograd::Tensor::new(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(a.at(&[1, 0]), 3.0);
    /// ```
    /// # Panics
    /// If the number of elements is not the product of the sizes; [`try_new`](Tensor::try_new) returns the error.
    #[track_caller]
    pub fn new(shape: &[usize], data: Vec<T>) -> Tensor<T> {
        or_panic(Self::try_new(shape, data))
    }

    /// A tensor of the given shape, or an error if the number of elements is not the product of the sizes.
    pub fn try_new(shape: &[usize], data: Vec<T>) -> Result<Tensor<T>> {
        let needed = count("new", shape)?;
        if needed != data.len() {
            let hint = format!("it needs {needed} elements, but the data has {} elements", data.len());
            return Err(Error::Shape { op: "new", shape: shape.into(), hint });
        }
        Ok(Self::assemble(Shape::from_slice(shape), row_major(shape), 0, Arc::new(data)))
    }

    /// A scalar: a tensor of rank 0.
    ///
    /// ```
    /// let x = autograd::Tensor::scalar(2.5);
    /// assert_eq!((x.rank(), x.item()), (0, 2.5));
    /// ```
    #[inline(always)]
    pub fn scalar(x: T) -> Tensor<T> {
        Tensor(Repr::Scalar(x))
    }

    /// A tensor with all elements equal to `x`.
    ///
    /// ```
    /// assert_eq!(autograd::Tensor::full(&[2, 2], 7.0), autograd::tensor![[7.0, 7.0], [7.0, 7.0]]);
    /// ```
    /// # Panics
    /// If the elements do not fit in memory.
    #[track_caller]
    pub fn full(shape: &[usize], x: T) -> Tensor<T> {
        or_panic(room("full", shape));
        Self::build(shape, |out| out.fill(x))
    }

    /// A tensor of zeros (of `false` for `bool`).
    ///
    /// ```
    /// assert_eq!(autograd::Tensor::<f64>::zeros(&[3]), autograd::tensor![0.0, 0.0, 0.0]);
    /// ```
    #[doc(alias = "zeros_like")]
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Tensor<T> {
        Self::full(shape, T::default())
    }

    /// A tensor whose element at each index is `f(index)`.
    ///
    /// ```
    /// let eye = autograd::Tensor::from_fn(&[2, 2], |i| if i[0] == i[1] { 1.0 } else { 0.0 });
    /// assert_eq!(eye, autograd::tensor![[1.0, 0.0], [0.0, 1.0]]);
    /// ```
    #[doc(alias = "fromfunction")]
    #[track_caller]
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> T) -> Tensor<T> {
        or_panic(room("from_fn", shape));
        let mut index: Shape = smallvec::SmallVec::from_elem(0, shape.len());
        Self::build(shape, |out| {
            let (index, row) = (index.as_mut_slice(), shape.last().map_or(1, |&n| n.max(1)));
            for row in out.chunks_mut(row) {
                for (last, x) in row.iter_mut().enumerate() {
                    if let Some(at) = index.last_mut() {
                        *at = last;
                    }
                    *x = f(index);
                }
                for axis in (0..shape.len().saturating_sub(1)).rev() {
                    index[axis] += 1;
                    if index[axis] < shape[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
        })
    }

    /// Applies `f` to each element; the element type may change.
    ///
    /// ```
    /// let x = autograd::tensor![1.0, -2.0];
    /// assert_eq!(x.map(|x| x > 0.0), autograd::tensor![true, false]);
    /// ```
    pub fn map<U: Element>(&self, mut f: impl FnMut(T) -> U) -> Tensor<U> {
        Tensor::build(self.shape(), |out| match self.as_slice() {
            Some(x) => out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(x)),
            None => out.iter_mut().zip(self.iter()).for_each(|(o, x)| *o = f(x)),
        })
    }

    /// A tensor whose elements `fill` writes. It must write all of them, since a recycled buffer holds arbitrary
    /// contents. The caller has checked the size.
    pub(crate) fn build(shape: &[usize], fill: impl FnOnce(&mut [T])) -> Tensor<T> {
        let mut tensor = Self::unfilled(shape);
        fill(tensor.unique_mut().expect("a new tensor has one owner"));
        tensor
    }

    /// A tensor with arbitrary elements, from a recycled buffer.
    fn unfilled(shape: &[usize]) -> Tensor<T> {
        if shape.is_empty() {
            return Tensor::scalar(T::default());
        }
        let n = if shape.contains(&0) { 0 } else { shape.iter().product() };
        Self::assemble(Shape::from_slice(shape), row_major(shape), 0, recycle::take_buffer::<T>(n))
    }

    /// Builds a tensor from a head and a buffer. The caller guarantees that every index is inside the buffer.
    pub(crate) fn assemble(shape: Shape, strides: Strides, start: usize, buffer: Arc<Vec<T>>) -> Tensor<T> {
        if shape.is_empty() {
            return Tensor::scalar(buffer[start]);
        }
        let len = if shape.contains(&0) { 0 } else { shape.iter().product() };
        Tensor(Repr::Array(Shared(Some(recycle::take_array(Array {
            shape,
            strides,
            start,
            len,
            buffer: Some(buffer),
        })))))
    }
}

impl<T: Float> Tensor<T> {
    /// A tensor of ones.
    ///
    /// ```
    /// assert_eq!(autograd::Tensor::<f64>::ones(&[2]), autograd::tensor![1.0, 1.0]);
    /// ```
    #[doc(alias = "ones_like")]
    #[track_caller]
    pub fn ones(shape: &[usize]) -> Tensor<T> {
        Self::full(shape, T::one())
    }

    /// The identity matrix of size `n` by `n`.
    ///
    /// ```
    /// assert_eq!(autograd::Tensor::<f64>::eye(2), autograd::tensor![[1.0, 0.0], [0.0, 1.0]]);
    /// ```
    #[track_caller]
    pub fn eye(n: usize) -> Tensor<T> {
        Self::from_fn(&[n, n], |i| if i[0] == i[1] { T::one() } else { T::zero() })
    }

    /// `n` numbers evenly spaced from `start` to `stop`, both included.
    ///
    /// ```
    /// assert_eq!(autograd::Tensor::<f64>::linspace(0.0, 1.0, 5), autograd::tensor![0.0, 0.25, 0.5, 0.75, 1.0]);
    /// ```
    #[track_caller]
    pub fn linspace(start: T, stop: T, n: usize) -> Tensor<T> {
        or_panic(room("linspace", &[n]));
        let step = (stop.f64() - start.f64()) / n.saturating_sub(1).max(1) as f64;
        let last = n.saturating_sub(1);
        Self::from_fn(&[n], |i| if i[0] == last && n > 1 { stop } else { T::of(start.f64() + i[0] as f64 * step) })
    }

    /// The numbers `0, 1, …, n - 1`.
    ///
    /// ```
    /// assert_eq!(autograd::Tensor::<f64>::arange(3), autograd::tensor![0.0, 1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn arange(n: usize) -> Tensor<T> {
        or_panic(room("arange", &[n]));
        Self::from_fn(&[n], |i| T::of(i[0] as f64))
    }

    /// The same numbers in another floating-point type, rounded to nearest.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![0.5f64, 2.0].cast::<f32>(), autograd::tensor![0.5f32, 2.0]);
    /// ```
    #[doc(alias = "astype")]
    pub fn cast<U: Float>(&self) -> Tensor<U> {
        self.map(|x| U::of(x.f64()))
    }
}

impl Tensor<i64> {
    /// Converts the integers to a floating-point type.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![2_i64, -1].to_float::<f32>(), autograd::tensor![2.0f32, -1.0]);
    /// ```
    pub fn to_float<T: Float>(&self) -> Tensor<T> {
        self.map(|x| T::of(x as f64))
    }
}

impl<T: Element> FromIterator<T> for Tensor<T> {
    /// A tensor of rank 1.
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let data: Vec<T> = items.into_iter().collect();
        Tensor::new(&[data.len()], data)
    }
}

impl<T: Element> From<Vec<T>> for Tensor<T> {
    /// A tensor of rank 1.
    fn from(data: Vec<T>) -> Self {
        Tensor::new(&[data.len()], data)
    }
}

impl<T: Element, const N: usize> From<Vec<[T; N]>> for Tensor<T> {
    /// A matrix of these rows.
    ///
    /// ```
    /// use autograd::{Tensor, tensor};
    /// let rows = vec![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    /// assert_eq!(Tensor::from(rows), tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// ```
    fn from(rows: Vec<[T; N]>) -> Self {
        Tensor::new(&[rows.len(), N], rows.into_flattened())
    }
}
