//! The methods of [`Tensor`] and [`Var`], written once for both. Names follow NumPy and PyTorch.
//!
//! Operands are passed by value or by reference, `x.matmul(w)` or `x.matmul(&w)`. A method that can fail has a `try_`
//! twin that returns the error; the plain form panics with the same text, at the caller's line.

mod border;
mod compare;
mod conv;
mod distinct;
mod einsum;
mod elementwise;
#[cfg(feature = "linalg")]
mod factors;
#[cfg(feature = "fft")]
mod fourier;
#[cfg(feature = "linalg")]
mod linalg;
mod macros;
mod order;
mod parametric;
mod plan;
mod pool;
mod products;
mod recurrent;
mod reduce;
mod resize;
mod scatter;
mod select;
mod shape;
mod spatial;
mod statistics;
mod view;

use crate::error::{Error, Result, or_panic};
use crate::float::{Few, Float};
#[cfg(feature = "fft")]
use crate::op::Transform;
use crate::op::shape::python_span;
use crate::op::{Binary, Cell, Fold, Insert, IntOp, Op, Order, Unary};
use crate::tape::{Ints, Var};
use crate::tensor::layout::{count, resolve_axis};
use crate::tensor::view::Span;
use crate::tensor::{Axes, AxisSet, Shape, Tensor};
use crate::value::{Condition, Index, Value};
pub use compare::Compared;
pub use conv::Conv;
use conv::conv_methods;
pub use distinct::Unique;
use elementwise::elementwise_methods;
#[cfg(feature = "fft")]
pub use fourier::{Fft, FftNorm};
#[cfg(feature = "linalg")]
pub use linalg::Triangle;
use macros::{binary, fold, twins, unary};
use order::{located, order_methods, place};
use parametric::parametric;
pub use plan::Pad;
use pool::pool_methods;
pub use products::Attention;
use products::product_methods;
use recurrent::recurrent_methods;
pub use reduce::Dims;
use reduce::{reduce_methods, statistic};
pub use resize::{Align, Resize};
use scatter::scatter_methods;
pub use scatter::{Scatter, Target};
use select::select_methods;
use shape::shape_methods;
pub use spatial::Pool;
pub use statistics::Between;
use statistics::statistics_methods;
use std::borrow::Borrow;
pub use view::Bounds;
use view::view_methods;
#[cfg(feature = "linalg")]
use {
    crate::op::Factor,
    crate::tensor::layout::broadcast,
    factors::parts,
    linalg::{matrix, square},
};

macro_rules! vocabulary {
    ($Ints:ty) => {
        elementwise_methods!();
        parametric!();
        view_methods!();
        shape_methods!();
        select_methods!();
        product_methods!();
        recurrent_methods!();
        #[cfg(feature = "linalg")]
        linalg::linalg_methods!($Ints);
        #[cfg(feature = "linalg")]
        factors::factor_methods!();
        #[cfg(feature = "fft")]
        fourier::fourier_methods!();
        reduce_methods!();
        order_methods!($Ints);
        statistics_methods!($Ints);
        scatter_methods!();
        conv_methods!();
        pool_methods!();
    };
}

impl<T: Float> Tensor<T> {
    vocabulary!(Tensor<i64>);
}

impl<'t, T: Float> Var<'t, T> {
    vocabulary!(Ints<'t, T>);
}
