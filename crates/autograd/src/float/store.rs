//! What an element type must provide to be stored in tensors: the free lists of each thread, and the parts that they
//! hold. The pool of `tensor` decides when a part is taken or returned.

use smallvec::SmallVec;
use std::cell::RefCell;
use std::sync::Arc;

/// The sizes of a tensor's axes, stored inline up to rank six.
///
/// ```
/// use autograd::Shape;
/// let shape: Shape = [2_usize, 3].as_slice().into();
/// assert_eq!(shape.iter().product::<usize>(), 6);
/// ```
pub type Shape = SmallVec<[usize; 6]>;
/// Number of elements to step over for one step along each axis: 0 for a broadcast axis, negative for a reversed one.
///
/// ```
/// use autograd::Strides;
/// let strides: Strides = [3_isize, 1].as_slice().into();
/// assert_eq!(autograd::Tensor::<f32>::zeros(&[2, 3]).strides(), strides.as_slice());
/// ```
pub type Strides = SmallVec<[isize; 6]>;

/// Collects into short lists with a single loop; `collect` would compile the growth of the list again for every
/// iterator.
pub(crate) trait Few: Iterator + Sized {
    #[inline]
    fn few<A: smallvec::Array<Item = Self::Item>>(self) -> SmallVec<A> {
        let mut few = SmallVec::new();
        for x in self {
            few.push(x);
        }
        few
    }
}

impl<I: Iterator> Few for I {}

/// The head of an array: its shape and strides, and the buffer that holds its elements.
#[derive(Debug)]
#[doc(hidden)]
pub struct Array<T> {
    pub(crate) shape: Shape,
    pub(crate) strides: Strides,
    /// Index of the first element in the buffer.
    pub(crate) start: usize,
    pub(crate) len: usize,
    /// `None` only while the head is in the pool.
    pub(crate) buffer: Option<Arc<Vec<T>>>,
}

/// The free lists of one thread and one element type.
#[doc(hidden)]
pub struct Pool<T> {
    /// Buffers by size class.
    pub(crate) buffers: Vec<Vec<Arc<Vec<T>>>>,
    /// Heads of arrays, without data.
    pub(crate) arrays: Vec<Arc<Array<T>>>,
}

impl<T> Pool<T> {
    const fn new() -> Self {
        Pool { buffers: Vec::new(), arrays: Vec::new() }
    }
}

/// Provides the thread-local free lists of each element type.
#[doc(hidden)]
pub trait Pooled: Sized {
    /// Runs `f` on this thread's lists; returns `None` while the thread is being torn down.
    fn with_pool<R>(f: impl FnOnce(&mut Pool<Self>) -> R) -> Option<R>;
}

/// Copies of views, compiled once for each element type: every program makes some.
#[doc(hidden)]
pub trait Viewed: Sized {
    /// Copies a view of `data` to `out` in row-major order. The view begins at `start` and has as many elements as `out`.
    fn copy_view(data: &[Self], start: usize, shape: &[usize], strides: &[isize], out: &mut [Self]);
}

macro_rules! pooled { ($($t:ident)*) => { $(
    impl Pooled for $t {
        #[inline]
        fn with_pool<R>(f: impl FnOnce(&mut Pool<$t>) -> R) -> Option<R> {
            thread_local! { static POOL: RefCell<Pool<$t>> = const { RefCell::new(Pool::new()) }; }
            POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
        }
    }
)* } }
pooled!(f32 f64 i64 bool);
