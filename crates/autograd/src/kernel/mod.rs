//! Loops, and nothing but loops: slices and strides in, slices out. Kernels know nothing of tapes, ops or derivatives;
//! shapes have been checked before they are called. The only room where `unsafe` may live.

pub(crate) mod conv;
pub(crate) mod elementwise;
pub(crate) mod gemm;
pub(crate) mod index;
pub(crate) mod linalg;
pub(crate) mod order;
pub(crate) mod pool;
pub mod random;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod simd;
pub(crate) mod special;
pub mod threads;
pub(crate) mod update;
pub mod vmath;
