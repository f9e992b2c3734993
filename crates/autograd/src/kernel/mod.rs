//! Kernels: loops over slices and strides. They are independent of tapes, ops and derivatives, and shapes are checked
//! before they are called. Only this module may contain `unsafe` code.

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod copy;
pub(crate) mod elementwise;
pub(crate) mod fourier;
pub(crate) mod gemm;
mod halves;
pub(crate) mod index;
pub(crate) mod isa;
#[cfg(all(feature = "jit", target_arch = "x86_64"))]
pub(crate) mod jit;
pub(crate) mod linalg;
pub(crate) mod order;
pub(crate) mod pairwise;
pub(crate) mod pool;
pub mod random;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod scratch;
pub mod threads;
pub(crate) mod update;
