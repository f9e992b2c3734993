//! [`Tensor`]: row-major arrays of any rank, with views that share memory. Independent of tapes and derivatives.
//!
//! A tensor is 16 bytes: a scalar (rank 0) is stored inline, anything larger behind one reference-counted pointer, so
//! a clone never copies elements. Memory is taken from the thread's [pool](recycle) and returned to it.

mod build;
mod display;
pub(crate) mod layout;
pub(crate) mod mask;
mod nested;
pub(crate) mod recycle;
mod rows;
pub(crate) mod view;

pub use crate::float::{Shape, Strides};
pub use layout::{Axes, AxisSet};
pub use nested::IntoTensor;
pub use rows::Rows;

use crate::error::{Error, Result, or_panic};
use crate::float::{Array, Element};
use std::sync::Arc;

/// An array of `T` with any number of axes. Cloning shares the elements; operations return new tensors.
///
/// ```
/// use autograd::{tensor, Tensor};
/// let a = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
/// assert_eq!(a.shape(), [2, 3]);
/// let b: Tensor<f64> = &a.t() * 2.0; // a view, then a new tensor
/// assert_eq!(b, tensor![[2.0, 8.0], [4.0, 10.0], [6.0, 12.0]]);
/// ```
#[doc(alias = "ndarray")]
#[derive(Clone)]
pub struct Tensor<T: Element>(Repr<T>);

#[derive(Clone)]
enum Repr<T: Element> {
    /// Always rank 0.
    Scalar(T),
    /// Rank 1 and above.
    Array(Shared<T>),
}

/// A reference-counted array, returned to the pool when its last owner drops it.
struct Shared<T: Element>(Option<Arc<Array<T>>>);

impl<T: Element> Shared<T> {
    #[inline(always)]
    fn get(&self) -> &Array<T> {
        self.0.as_ref().expect("the head is taken only in drop")
    }

    #[inline(always)]
    fn buffer(&self) -> &Arc<Vec<T>> {
        self.get().buffer.as_ref().expect("the buffer is taken only in drop")
    }
}

impl<T: Element> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<T: Element> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(head) = self.0.take() {
            recycle::give_array(head);
        }
    }
}

impl<T: Element> Tensor<T> {
    /// Sizes of the axes; empty for a scalar.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].shape(), [2, 3]);
    /// ```
    #[inline]
    pub fn shape(&self) -> &[usize] {
        match &self.0 {
            Repr::Scalar(_) => &[],
            Repr::Array(a) => &a.get().shape,
        }
    }

    /// Whether both have the same shape. For two scalars, their (empty) shapes are not compared.
    #[inline(always)]
    pub(crate) fn is_like(&self, other: &Tensor<T>) -> bool {
        match (&self.0, &other.0) {
            (Repr::Scalar(_), Repr::Scalar(_)) => true,
            (Repr::Array(a), Repr::Array(b)) => a.get().shape.as_slice() == b.get().shape.as_slice(),
            _ => false,
        }
    }

    /// Number of axes.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].rank(), 2);
    /// ```
    #[doc(alias = "dim")]
    #[doc(alias = "ndim")]
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// Number of elements: the product of the sizes.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].len(), 6);
    /// ```
    #[doc(alias = "numel")]
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Scalar(_) => 1,
            Repr::Array(a) => a.get().len,
        }
    }

    /// Whether an axis has size 0.
    ///
    /// ```
    /// assert!(autograd::Tensor::<f64>::zeros(&[0, 3]).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements to step over in memory for one step along each axis.
    ///
    /// ```
    /// let x = autograd::tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    /// assert_eq!((x.strides(), x.t().strides()), ([3, 1].as_slice(), [1, 3].as_slice()));
    /// ```
    pub fn strides(&self) -> &[isize] {
        match &self.0 {
            Repr::Scalar(_) => &[],
            Repr::Array(a) => &a.get().strides,
        }
    }

    /// The elements in row-major order, if they are stored contiguously in that order; see
    /// [`contiguous`](Tensor::contiguous).
    ///
    /// ```
    /// let x = autograd::tensor![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!(x.as_slice(), Some([1.0, 2.0, 3.0, 4.0].as_slice()));
    /// assert_eq!(x.t().as_slice(), None); // a view that walks the columns
    /// ```
    #[inline]
    pub fn as_slice(&self) -> Option<&[T]> {
        match &self.0 {
            Repr::Scalar(x) => Some(std::slice::from_ref(x)),
            Repr::Array(a) => {
                let a_ref = a.get();
                let whole = layout::is_contiguous(&a_ref.shape, &a_ref.strides);
                whole.then(|| &a.buffer()[a_ref.start..a_ref.start + a_ref.len])
            }
        }
    }

    /// The whole buffer, and the index of this view's first element in it: for kernels that walk strides.
    #[inline]
    pub(crate) fn raw(&self) -> (&[T], usize) {
        match &self.0 {
            Repr::Scalar(x) => (std::slice::from_ref(x), 0),
            Repr::Array(a) => (a.buffer(), a.get().start),
        }
    }

    /// The value, if the rank is 0.
    #[inline(always)]
    pub(crate) fn as_scalar(&self) -> Option<T> {
        match self.0 {
            Repr::Scalar(x) => Some(x),
            Repr::Array(_) => None,
        }
    }

    /// A mutable reference to the value, if the rank is 0.
    #[inline(always)]
    pub(crate) fn scalar_mut(&mut self) -> Option<&mut T> {
        match &mut self.0 {
            Repr::Scalar(x) => Some(x),
            Repr::Array(_) => None,
        }
    }

    /// The same elements, contiguous in row-major order: this tensor itself if it is contiguous already, else a copy.
    ///
    /// ```
    /// let x = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].t().contiguous();
    /// assert_eq!(x.as_slice(), Some([1.0, 3.0, 2.0, 4.0].as_slice()));
    /// ```
    pub fn contiguous(&self) -> Tensor<T> {
        if self.as_slice().is_some() { self.clone() } else { self.deep_copy() }
    }

    /// A copy that shares no memory with this tensor.
    ///
    /// ```
    /// let x = autograd::tensor![1.0, 2.0];
    /// assert_eq!(x.deep_copy(), x); // `clone` would share the elements
    /// ```
    #[doc(alias = "copy")]
    pub fn deep_copy(&self) -> Tensor<T> {
        Tensor::build(self.shape(), |out| self.copy_into(out))
    }

    /// The elements, mutable in place; copied first if another tensor shares them or they are not contiguous.
    ///
    /// ```
    /// let mut a = autograd::tensor![1.0, 2.0];
    /// let b = a.clone();
    /// a.make_mut()[0] = 9.0;
    /// assert_eq!((a.to_vec(), b.to_vec()), (vec![9.0, 2.0], vec![1.0, 2.0]));
    /// ```
    pub fn make_mut(&mut self) -> &mut [T] {
        if self.unique_mut().is_none() {
            *self = self.deep_copy();
        }
        self.unique_mut().expect("a fresh copy has one owner")
    }

    /// The elements, mutable in place, if no other tensor shares them and they are contiguous.
    pub(crate) fn unique_mut(&mut self) -> Option<&mut [T]> {
        match &mut self.0 {
            Repr::Scalar(x) => Some(std::slice::from_mut(x)),
            Repr::Array(a) => {
                let a = Arc::get_mut(a.0.as_mut()?)?;
                if !layout::is_contiguous(&a.shape, &a.strides) {
                    return None;
                }
                Some(&mut Arc::get_mut(a.buffer.as_mut()?)?[a.start..a.start + a.len])
            }
        }
    }

    /// Takes the buffer for reuse if nothing else holds it; otherwise returns the tensor unchanged.
    pub(crate) fn into_buffer(mut self) -> std::result::Result<Arc<Vec<T>>, Self> {
        let Repr::Array(shared) = &mut self.0 else { return Err(self) };
        let head = shared.0.as_mut().and_then(Arc::get_mut);
        match head.and_then(|head| head.buffer.take_if(|buffer| Arc::get_mut(buffer).is_some())) {
            Some(buffer) => Ok(buffer),
            None => Err(self),
        }
    }

    /// The elements in row-major order.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![[1.0, 2.0], [3.0, 4.0]].to_vec(), [1.0, 2.0, 3.0, 4.0]);
    /// ```
    #[doc(alias = "tolist")]
    pub fn to_vec(&self) -> Vec<T> {
        self.iter().collect()
    }

    /// The elements in row-major order, in the memory of this tensor if no other tensor shares it, and in a copy otherwise.
    ///
    /// ```
    /// let x = autograd::Tensor::from(vec![1.0, 2.0, 3.0]);
    /// let memory = x.as_slice().unwrap().as_ptr();
    /// assert_eq!(x.into_vec().as_ptr(), memory);
    /// ```
    pub fn into_vec(self) -> Vec<T> {
        let (len, whole) = (self.len(), self.as_slice().is_some() && self.raw().1 == 0);
        if !whole {
            return self.to_vec();
        }
        match self.into_buffer().map(Arc::try_unwrap) {
            Ok(Ok(mut data)) => {
                data.truncate(len);
                data
            }
            Ok(Err(shared)) => shared[..len].to_vec(),
            Err(shared) => shared.to_vec(),
        }
    }

    /// Iterates over the elements in row-major order.
    ///
    /// ```
    /// let total: f64 = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].iter().sum();
    /// assert_eq!(total, 10.0);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        let (data, start) = self.raw();
        // Runs along the last axis, or a single one.
        let (outer, strides, run, step) = match (self.shape().split_last(), self.strides().split_last()) {
            (Some((&run, outer)), Some((&step, strides))) if self.as_slice().is_none() => (outer, strides, run, step),
            _ => (&[][..], &[][..], self.len(), 1),
        };
        let mut runs = layout::Odometer::new(outer, [strides], [start as isize]);
        let (mut next, mut left) = (0, 0);
        (0..self.len()).map(move |_| {
            if left == 0 {
                ([next], left) = (runs.offsets(), run);
                runs.advance();
            }
            let x = data[next as usize];
            (next, left) = (next + step, left - 1);
            x
        })
    }

    /// The only element.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![1.0, 2.0].sum().item(), 3.0);
    /// ```
    /// # Panics
    /// If the tensor does not have exactly one element; [`try_item`](Tensor::try_item) returns the error.
    #[track_caller]
    pub fn item(&self) -> T {
        or_panic(self.try_item())
    }

    /// The only element, or an error if the tensor does not have exactly one.
    pub fn try_item(&self) -> Result<T> {
        let (data, start) = self.raw();
        if self.len() == 1 {
            return Ok(data[start]);
        }
        let hint = format!("it has {} elements, but item() requires exactly one; use to_vec() or at()", self.len());
        Err(Error::Shape { op: "item", shape: self.shape().into(), hint })
    }

    /// The element at `index`, which has one entry per axis.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![[1.0, 2.0], [3.0, 4.0]].at(&[1, 0]), 3.0);
    /// ```
    /// # Panics
    /// If the index has another rank than the tensor or is out of range; [`get`](Tensor::get) returns `None` instead.
    #[track_caller]
    pub fn at(&self, index: &[usize]) -> T {
        match self.get(index) {
            Some(x) => x,
            None => {
                let shape = self.shape();
                let why = match index.iter().zip(shape).position(|(i, size)| i >= size) {
                    _ if index.len() != shape.len() => format!("it needs one entry for each of {} axes", shape.len()),
                    Some(axis) => format!("axis {axis} ends at {}", shape[axis] as isize - 1),
                    None => unreachable!("the index is inside"),
                };
                panic!("at: index {index:?} is out of range for shape {shape:?}: {why}")
            }
        }
    }

    /// The element at `index`, or `None` if it is out of range.
    ///
    /// ```
    /// let x = autograd::tensor![[1.0, 2.0], [3.0, 4.0]];
    /// assert_eq!((x.get(&[1, 0]), x.get(&[2, 0])), (Some(3.0), None));
    /// ```
    pub fn get(&self, index: &[usize]) -> Option<T> {
        let inside = index.len() == self.rank() && index.iter().zip(self.shape()).all(|(i, d)| i < d);
        let (data, start) = self.raw();
        let offset: isize = index.iter().zip(self.strides()).map(|(&i, &s)| i as isize * s).sum();
        inside.then(|| data[(start as isize + offset) as usize])
    }
}

/// Equal shapes and equal elements. NaN is not equal to itself, as in IEEE 754.
impl<T: Element> PartialEq for Tensor<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape() == other.shape() && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn a_tensor_is_two_words_and_crosses_threads() {
        fn crosses<V: Send + Sync>() {}
        crosses::<Tensor<f32>>();
        assert_eq!((size_of::<Tensor<f64>>(), size_of::<Option<Tensor<f64>>>()), (16, 16));
    }

    #[test]
    fn views_are_not_written_through() {
        let a = tensor![[1.0, 2.0], [3.0, 4.0]];
        let mut row = a.slice_axis(0, 0..1);
        row.make_mut()[0] = 7.0;
        assert_eq!(a.at(&[0, 0]), 1.0);
    }

    #[test]
    fn item_wants_one_element() {
        assert_eq!(tensor![[5.0]].item(), 5.0);
        assert!(tensor![1.0, 2.0].try_item().unwrap_err().to_string().contains("[2]"));
    }
}
