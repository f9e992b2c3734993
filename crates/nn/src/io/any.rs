//! [`AnyTensor`]: a tensor whose element type is known only at run time.

use autograd::{Element, Float, Tensor};
use std::any::Any;
use std::io::{self, Write};

/// A tensor of any element type. Cloning shares the elements.
///
/// ```
/// use autograd::tensor;
/// use nn::io::AnyTensor;
/// let x = AnyTensor::from(tensor![[1.5f32, 2.0]]);
/// assert_eq!((x.shape(), x.type_name()), (&[1, 2][..], "f32"));
/// assert_eq!(x.get::<f32>(), Some(&tensor![[1.5f32, 2.0]]));
/// assert_eq!(x.get::<f64>(), None);
/// assert_eq!(x.to::<f64>(), tensor![[1.5, 2.0]]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum AnyTensor {
    /// Single precision.
    F32(Tensor<f32>),
    /// Double precision.
    F64(Tensor<f64>),
    /// 64-bit integers.
    I64(Tensor<i64>),
    /// Booleans.
    Bool(Tensor<bool>),
}

/// Evaluates an expression on the inner tensor, whatever its type.
macro_rules! each {
    ($any:expr, $t:ident => $value:expr) => {
        match $any {
            AnyTensor::F32($t) => $value,
            AnyTensor::F64($t) => $value,
            AnyTensor::I64($t) => $value,
            AnyTensor::Bool($t) => $value,
        }
    };
}

impl AnyTensor {
    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        each!(self, t => t.shape())
    }

    /// Number of elements.
    ///
    /// ```
    /// use nn::io::AnyTensor;
    /// let x = AnyTensor::from(autograd::tensor![1.0f32, 2.0]);
    /// assert_eq!((x.len(), x.is_empty()), (2, false));
    /// ```
    pub fn len(&self) -> usize {
        each!(self, t => t.len())
    }

    /// Whether an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the element type, such as `f64`.
    pub fn type_name(&self) -> &'static str {
        fn name<E: Element>(_: &Tensor<E>) -> &'static str {
            E::NAME
        }
        each!(self, t => name(t))
    }

    /// The inner tensor, if its elements are of this type.
    pub fn get<E: Element>(&self) -> Option<&Tensor<E>> {
        each!(self, t => (t as &dyn Any).downcast_ref())
    }

    /// Reverses the order of the axes.
    pub(super) fn transposed(self) -> AnyTensor {
        fn turned<E: Element>(x: &Tensor<E>) -> AnyTensor {
            let shape: Vec<usize> = x.shape().iter().rev().copied().collect();
            let mut place = vec![0; shape.len()];
            Tensor::from_fn(&shape, |index| {
                place.iter_mut().rev().zip(index).for_each(|(to, from)| *to = *from);
                x.at(&place)
            })
            .into()
        }
        each!(&self, t => turned(t))
    }

    /// Writes the elements in row-major order, little-endian; a boolean takes one byte.
    pub(crate) fn write_numbers(&self, w: &mut dyn Write) -> io::Result<()> {
        match self {
            AnyTensor::F32(t) => put(w, t, f32::to_le_bytes),
            AnyTensor::F64(t) => put(w, t, f64::to_le_bytes),
            AnyTensor::I64(t) => put(w, t, i64::to_le_bytes),
            AnyTensor::Bool(t) => put(w, t, |x| [u8::from(x)]),
        }
    }

    /// Converts the elements to the nearest floating-point numbers; `true` becomes 1. Does not copy if the elements
    /// already have this type.
    pub fn to<T: Float>(&self) -> Tensor<T> {
        if let Some(same) = self.get::<T>() {
            return same.clone();
        }
        match self {
            AnyTensor::F32(t) => t.cast(),
            AnyTensor::F64(t) => t.cast(),
            AnyTensor::I64(t) => t.to_float(),
            AnyTensor::Bool(t) => t.map(|x| T::of(f64::from(x))),
        }
    }
}

/// Writes the bytes of each element.
fn put<E: Element, const N: usize>(w: &mut dyn Write, x: &Tensor<E>, bytes: impl Fn(E) -> [u8; N]) -> io::Result<()> {
    let x = x.contiguous();
    let mut block = Vec::new();
    for elements in x.as_slice().expect("contiguous").chunks(8192) {
        block.clear();
        elements.iter().for_each(|x| block.extend(bytes(*x)));
        w.write_all(&block)?;
    }
    Ok(())
}

impl<E: Element> From<Tensor<E>> for AnyTensor {
    fn from(tensor: Tensor<E>) -> Self {
        let tensor: &dyn Any = &tensor;
        let f32 = || tensor.downcast_ref().cloned().map(AnyTensor::F32);
        let f64 = || tensor.downcast_ref().cloned().map(AnyTensor::F64);
        let i64 = || tensor.downcast_ref().cloned().map(AnyTensor::I64);
        let bool = || tensor.downcast_ref().cloned().map(AnyTensor::Bool);
        f32().or_else(f64).or_else(i64).or_else(bool).expect("an element is one of these four types")
    }
}
