//! The element types of products, and the instruction sets that the kernels are compiled for.
//!
//! On x86-64 the same source is compiled three times: for AVX-512, for AVX2 with FMA, and for the baseline, which has
//! no fused multiply-add and computes the same bits without it. Other targets have only the baseline.

use std::cell::RefCell;
use std::ops::{Add, Mul};

use super::shifted::{Dots, Tap};
use super::view::{View, ViewMut};
use super::{Kind, Product, blocked, dots, shifted};

/// An element type of matrix products: `f32` or `f64`.
pub trait Element: Kernels {}

impl<T: Kernels> Element for T {}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Fma,
    Baseline,
}

impl Isa {
    /// The best instruction set that this machine supports.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return if is_x86_feature_detected!("avx512f") { Isa::Avx512 } else { Isa::Fma };
        }
        Isa::Baseline
    }
}

/// Whether the baseline has an instruction for the fused multiply-add.
const BASELINE_FUSES: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64", target_arch = "riscv64"));

/// Columns of a single-row tile.
const ROW: usize = 64;
/// The requirements of the kernels on an element type, and the kernels themselves.
pub trait Kernels: Copy + Send + Sync + Add<Output = Self> + Mul<Output = Self> + 'static {
    const ZERO: Self;
    const ONE: Self;

    /// The length of the rows of [shifted](super::shifted) products must be a multiple of this: the elements in 64
    /// bytes.
    const LANES: usize = 64 / size_of::<Self>();

    /// `self * x + y`, rounded once; a single instruction if `HARDWARE`, which requires it to be enabled.
    fn fused<const HARDWARE: bool>(self, x: Self, y: Self) -> Self;

    /// Numbers of rows and columns of a tile.
    fn tile(isa: Isa, kind: Kind) -> (usize, usize);

    /// Workspace size for a product of `m x k` and `k x n`, or of vectors of these lengths.
    fn workspace(isa: Isa, m: usize, n: usize, k: usize) -> usize;

    /// # Safety
    ///
    /// The machine must support `isa`, the shapes and bounds of the operands must have been checked, only this thread
    /// may access `c`, and the workspace must have the size given by [`workspace`](Self::workspace).
    unsafe fn multiply(isa: Isa, product: Product<'_, Self>, workspace: &mut [Self]);

    /// # Safety
    ///
    /// The machine must support `isa`; otherwise as for [`shifted::across`].
    unsafe fn shifted(isa: Isa, w: View<Self>, x: &[Self], taps: &[Tap], c: ViewMut<Self>);

    /// # Safety
    ///
    /// The machine must support `isa`; otherwise as for [`shifted::along`].
    unsafe fn shifted_dots(isa: Isa, dots: Dots<'_, Self>, w: &mut [Self]);
}

macro_rules! kernels {
    ($t:ty, $fused:path, avx512: $r512:literal x $w512:literal, fma: $r:literal x $w:literal,
     baseline: $r0:literal x $w0:literal) => {
        impl Kernels for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn fused<const HARDWARE: bool>(self, x: Self, y: Self) -> Self {
                if HARDWARE { self.mul_add(x, y) } else { $fused(self, x, y) }
            }

            fn tile(isa: Isa, kind: Kind) -> (usize, usize) {
                match isa {
                    _ if kind != Kind::Matrices => (1, ROW),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => ($r512, $w512),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Fma => ($r, $w),
                    Isa::Baseline => ($r0, $w0),
                }
            }

            fn workspace(isa: Isa, m: usize, n: usize, k: usize) -> usize {
                if m == 1 || n == 1 {
                    return k.max(1); // not 0: the parts are chunks of the workspace
                }
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => blocked::workspace::<$r512, $w512>(m, n, k),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Fma => blocked::workspace::<$r, $w>(m, n, k),
                    Isa::Baseline => blocked::workspace::<$r0, $w0>(m, n, k),
                }
            }

            unsafe fn multiply(isa: Isa, product: Product<'_, Self>, workspace: &mut [Self]) {
                on_isa!(isa, $t, (product: Product<'_, $t>, workspace: &mut [$t]),
                    avx512: run::<$t, $r512, $w512, { $w512 / 2 }, true>,
                    fma: run::<$t, $r, $w, { $w / 2 }, true>,
                    baseline: run::<$t, $r0, $w0, { $w0 / 2 }, BASELINE_FUSES>)
            }

            unsafe fn shifted(isa: Isa, w: View<Self>, x: &[Self], taps: &[Tap], c: ViewMut<Self>) {
                on_isa!(isa, $t, (w: View<$t>, x: &[$t], taps: &[Tap], c: ViewMut<$t>),
                    avx512: shifted::across::<$t, $r512, $w512, { $w512 / 2 }, true>,
                    fma: shifted::across::<$t, $r, $w, { $w / 2 }, true>,
                    baseline: shifted::across::<$t, $r0, $w0, { $w0 / 2 }, BASELINE_FUSES>)
            }

            unsafe fn shifted_dots(isa: Isa, dots: Dots<'_, Self>, w: &mut [Self]) {
                const LANES: usize = <$t as Kernels>::LANES;
                on_isa!(isa, $t, (dots: Dots<'_, $t>, w: &mut [$t]),
                    avx512: shifted::along::<$t, LANES, 4, 6, true>,
                    fma: shifted::along::<$t, LANES, 2, 3, true>,
                    baseline: shifted::along::<$t, LANES, 1, 2, BASELINE_FUSES>)
            }
        }
    };
}

/// Calls one of three versions of a function, each compiled for its instruction set.
macro_rules! on_isa {
    ($isa:ident, $t:ty, ($($arg:ident: $Arg:ty),*), avx512: $avx512:expr, fma: $fma:expr, baseline: $baseline:expr) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn avx512($($arg: $Arg),*) {
            unsafe { $avx512($($arg),*) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn fma($($arg: $Arg),*) {
            unsafe { $fma($($arg),*) }
        }

        // SAFETY: the machine supports `isa`, and the caller guarantees the rest.
        unsafe {
            match $isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => avx512($($arg),*),
                #[cfg(target_arch = "x86_64")]
                Isa::Fma => fma($($arg),*),
                Isa::Baseline => $baseline($($arg),*),
            }
        }
    }};
}

kernels!(f32, fused_f32, avx512: 8 x 32, fma: 6 x 16, baseline: 4 x 8);
kernels!(f64, f64::mul_add, avx512: 8 x 16, fma: 6 x 8, baseline: 4 x 4);

/// # Safety
///
/// As for [`Kernels::multiply`].
#[inline(always)]
unsafe fn run<T: Element, const R: usize, const W: usize, const H: usize, const HARDWARE: bool>(
    p: Product<'_, T>,
    workspace: &mut [T],
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match p.kind {
            Kind::Matrices => return blocked::multiply::<T, R, W, H, HARDWARE>(&p, workspace),
            Kind::Row => dots::across::<T, HARDWARE>(p.a, p.b, p.c, p.keep),
            Kind::Dots => dots::along::<T, HARDWARE>(p.a, p.b, p.c, p.keep, workspace),
        }
        p.finish(0, 0, 1, p.b.cols);
    }
}

/// `a * b + c`, rounded once, for machines without such an instruction.
///
/// The product is exact in `f64`. The sum is rounded to odd in `f64`, which keeps enough of the discarded bits to
/// round correctly to `f32` (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE TC 57, 2008).
#[inline(always)]
fn fused_f32(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let virtual_c = sum - product;
    let error = (product - (sum - virtual_c)) + (c - virtual_c);
    // If the sum is inexact and even, its neighbor on the other side of the exact sum is odd.
    let inexact = error.abs() > 0.0; // False for NaN: the sum is NaN or infinite then, and stays so.
    let even = sum.to_bits() & 1 == 0;
    let step = if (error > 0.0) == (sum > 0.0) { 1 } else { u64::MAX };
    let odd = sum.to_bits().wrapping_add(if inexact && even { step } else { 0 });
    f64::from_bits(odd) as f32
}

/// The unit of workspace memory: aligned to a cache line, so that no vector straddles two lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "memory, used as other types")] [u8; 64]);

/// Calls `f` with memory for `len` elements of unspecified values. The memory belongs to the thread and is reused, so
/// nothing is allocated unless a larger size is requested; a nested call within `f` gets a separate piece, also
/// reused.
pub fn with_workspace<T: Element, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    thread_local!(static PIECES: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) });
    let mut lines = PIECES.with_borrow_mut(Vec::pop).unwrap_or_default();
    let needed = (len * size_of::<T>()).div_ceil(size_of::<Line>());
    if lines.len() < needed {
        lines.resize(needed, Line([0; 64]));
    }
    // SAFETY: the lines are initialized and aligned for T, which is f32 or f64: any bits are a valid value.
    let result = f(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) });
    PIECES.with_borrow_mut(|pieces| pieces.push(lines));
    result
}
