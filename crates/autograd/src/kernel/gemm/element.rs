//! The element types of products, and the inner loops that are compiled for each type and instruction set. All else in
//! this module is compiled once per type, and calls the loops through a table.

use super::pack::{self, SIDE};
use super::shifted::{self, Dots, Tap};
use super::tile::{Panel, tile_of};
use super::view::{View, ViewMut};
use super::{dots, pairs};
use crate::float::{Float, Precision};
use crate::kernel::isa::{Isa, compiled_for};
use std::sync::LazyLock;

/// An element type of matrix products: `f32` or `f64`.
pub trait Element: Kernels {}

impl<T: Kernels> Element for T {}

/// The requirements of the kernels on an element type, and the kernels themselves.
pub trait Kernels: Float {
    const ZERO: Self;
    const ONE: Self;

    /// The length of the rows of [shifted](super::shifted) products must be a multiple of this: the elements in 64
    /// bytes.
    const LANES: usize = 64 / size_of::<Self>();

    /// `self * x + y`, rounded once; a single instruction if `HARDWARE`, which requires it to be enabled.
    fn fused<const HARDWARE: bool>(self, x: Self, y: Self) -> Self;

    /// The transpose of the square at `start`, with rows `row` apart.
    ///
    /// # Safety
    ///
    /// The square must be readable.
    unsafe fn transposed(start: *const Self, row: usize) -> [[Self; SIDE]; SIDE];

    /// The inner loops for an instruction set.
    fn loops(isa: Isa) -> &'static Loops<Self>;

    /// The loops for an instruction set that round operands to this precision, if there are any.
    fn rounding(precision: Precision, isa: Isa) -> Option<&'static Loops<Self>>;
}

/// The inner loops of one element type, compiled for one instruction set. Calling them is unsafe: the CPU must support
/// the set.
#[allow(clippy::type_complexity, reason = "each is the type of the function that its doc names")]
pub struct Loops<T: 'static> {
    /// Whether operands are rounded, to [pairs] of terms. If they are, all panels are packed, and a product with a vector is
    /// one of matrices.
    pub pairs: bool,
    /// [`pack::pack`]
    pub pack: unsafe fn(View<T>, usize, *mut T),
    /// Rows of a tile.
    pub rows: usize,
    /// Columns of a wide tile and of a narrow one: twice as wide, or the same.
    pub wide: usize,
    pub narrow: usize,
    /// [`tile_of`] these sizes.
    pub wide_tile: TileFn<T>,
    pub narrow_tile: TileFn<T>,
    /// [`dots::across`]
    pub across: unsafe fn(View<T>, View<T>, ViewMut<T>, Option<T>),
    /// [`dots::along`]
    pub along: unsafe fn(View<T>, View<T>, ViewMut<T>, Option<T>, &mut [T]),
    /// [`shifted::across`]
    pub shifted: unsafe fn(View<T>, &[T], &[Tap], ViewMut<T>),
    /// [`shifted::along`]
    pub shifted_dots: unsafe fn(&Dots<'_, T>, &mut [T]),
}

pub type TileFn<T> = unsafe fn(usize, Panel<T>, Panel<T>, ViewMut<T>, Option<T>);

/// Compiles a function for an instruction set.
macro_rules! version {
    ($isa:ident, $name:ident($($arg:ident: $Arg:ty),*) = $f:expr) => {
        // SAFETY: guaranteed by the caller.
        compiled_for!($isa, unsafe fn $name($($arg: $Arg),*) { unsafe { $f($($arg),*) } });
    };
}

/// The loops for an instruction set, with tiles of `$rows` by `$wide` or `$narrow`, and `$r` rows by `$s` taps of dot
/// products at a time.
macro_rules! loops {
    ($isa:ident, $t:ty, fuses: $fuses:expr, $rows:literal x $wide:literal or $narrow:literal, dots: $r:literal x $s:literal) => {{
        version!($isa, wide_tile(k: usize, a: Panel<$t>, b: Panel<$t>, c: ViewMut<$t>, keep: Option<$t>)
            = tile_of::<$t, $rows, $wide, { $fuses }>);
        version!($isa, narrow_tile(k: usize, a: Panel<$t>, b: Panel<$t>, c: ViewMut<$t>, keep: Option<$t>)
            = tile_of::<$t, $rows, $narrow, { $fuses }>);
        version!($isa, across(a: View<$t>, b: View<$t>, c: ViewMut<$t>, keep: Option<$t>)
            = dots::across::<$t, { $fuses }>);
        version!($isa, along(a: View<$t>, b: View<$t>, c: ViewMut<$t>, keep: Option<$t>, gathered: &mut [$t])
            = dots::along::<$t, { $fuses }>);
        version!($isa, shifted(w: View<$t>, x: &[$t], taps: &[Tap], c: ViewMut<$t>)
            = shifted::across::<$t, $rows, $wide, $narrow, { $fuses }>);
        version!($isa, shifted_dots(dots: &Dots<'_, $t>, w: &mut [$t])
            = shifted::along::<$t, { <$t>::LANES }, $r, $s, { $fuses }>);
        const NARROW: TileFn<$t> = if $narrow == $wide { wide_tile } else { narrow_tile };
        &Loops {
            pairs: false,
            pack: pack::pack::<$t>,
            rows: $rows,
            wide: $wide,
            narrow: $narrow,
            wide_tile,
            narrow_tile: NARROW,
            across,
            along,
            shifted,
            shifted_dots,
        }
    }};
}

/// [Loops](loops!) whose tiles are of [pairs] of terms, all of the same size.
macro_rules! pair_loops {
    ($isa:ident, fuses: $fuses:expr, $rows:literal x $wide:literal) => {{
        version!($isa, pack(view: View<f32>, width: usize, to: *mut f32) = pairs::pack::<false>);
        version!($isa, tile(k: usize, a: Panel<f32>, b: Panel<f32>, c: ViewMut<f32>, keep: Option<f32>)
            = pairs::tile_of::<$rows, $wide, { $fuses }>);
        static LOOPS: LazyLock<Loops<f32>> = LazyLock::new(|| {
            let (wide_tile, narrow_tile): (TileFn<f32>, TileFn<f32>) = (tile, tile);
            Loops { pairs: true, pack, narrow: $wide, wide_tile, narrow_tile, ..*f32::loops(Isa::$isa) }
        });
        &LOOPS
    }};
}

macro_rules! kernels {
    ($t:ty, $fused:path, $transposed:path, avx512: $avx512:tt, avx2: $avx2:tt, baseline: $baseline:tt, $rounding:path) => {
        impl Kernels for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn fused<const HARDWARE: bool>(self, x: Self, y: Self) -> Self {
                if HARDWARE { self.mul_add(x, y) } else { $fused(self, x, y) }
            }

            #[inline(always)]
            unsafe fn transposed(start: *const Self, row: usize) -> [[Self; SIDE]; SIDE] {
                // SAFETY: guaranteed by the caller.
                unsafe { $transposed(start, row) }
            }

            fn loops(isa: Isa) -> &'static Loops<Self> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => kernels!(@ Avx512, $t, true, $avx512),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => kernels!(@ Avx2, $t, true, $avx2),
                    Isa::Baseline => kernels!(@ Baseline, $t, Isa::BASELINE_FUSES, $baseline),
                }
            }

            fn rounding(precision: Precision, isa: Isa) -> Option<&'static Loops<Self>> {
                match precision {
                    Precision::Full => Some(Self::loops(isa)),
                    Precision::Bf16 => $rounding(isa),
                    Precision::F16 => None,
                }
            }
        }
    };
    (@ $isa:ident, $t:ty, $fuses:expr, ($($sizes:tt)*)) => { loops!($isa, $t, fuses: $fuses, $($sizes)*) };
}

kernels!(f32, fused_f32, transposed_f32,
    avx512: (8 x 32 or 16, dots: 4 x 6), avx2: (6 x 16 or 8, dots: 2 x 3), baseline: (4 x 8 or 8, dots: 1 x 2), of_pairs);
kernels!(f64, fused_f64, transposed_f64,
    avx512: (8 x 16 or 8, dots: 4 x 6), avx2: (6 x 8 or 4, dots: 2 x 3), baseline: (4 x 4 or 4, dots: 1 x 2), none);

/// The loops that round to bf16, by the instructions for pairs where there are any.
fn of_pairs(isa: Isa) -> Option<&'static Loops<f32>> {
    Some(match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if is_x86_feature_detected!("avx512bf16") => {
            static LOOPS: LazyLock<Loops<f32>> = LazyLock::new(|| {
                let (pack, wide_tile, narrow_tile) =
                    (pairs::pack_by_pairs, pairs::tile_by_pairs::<8, 2>, pairs::tile_by_pairs::<8, 1>);
                Loops { pairs: true, pack, wide_tile, narrow_tile, ..*f32::loops(Isa::Avx512) }
            });
            &LOOPS
        }
        _ => emulated(isa),
    })
}

/// The loops that round to bf16 without that instruction.
pub(super) fn emulated(isa: Isa) -> &'static Loops<f32> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => pair_loops!(Avx512, fuses: true, 8 x 32),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => pair_loops!(Avx2, fuses: true, 6 x 16),
        Isa::Baseline => pair_loops!(Baseline, fuses: Isa::BASELINE_FUSES, 4 x 8),
    }
}

/// Products of `f64` are of rounded copies.
fn none(_: Isa) -> Option<&'static Loops<f64>> {
    None
}

/// `a * b + c`, rounded once, for machines without such an instruction.
///
/// The product is exact in `f64`. The sum is rounded to odd in `f64`, which keeps enough of the discarded bits to
/// round correctly to `f32` (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE TC 57, 2008).
///
/// Never inlined: only old machines need it, and a call keeps their version of every loop small.
#[inline(never)]
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

/// `a * b + c`, rounded once; a call of the library.
#[inline(never)]
fn fused_f64(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

/// # Safety
///
/// As for [`Kernels::transposed`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transposed_f32(start: *const f32, row: usize) -> [[f32; SIDE]; SIDE] {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps};
    // SAFETY: four rows of four; a vector has the size of an array.
    unsafe {
        let mut a = _mm_loadu_ps(start);
        let mut b = _mm_loadu_ps(start.add(row));
        let mut c = _mm_loadu_ps(start.add(2 * row));
        let mut d = _mm_loadu_ps(start.add(3 * row));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        std::mem::transmute([a, b, c, d])
    }
}

/// # Safety
///
/// As for [`Kernels::transposed`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transposed_f64(start: *const f64, row: usize) -> [[f64; SIDE]; SIDE] {
    use std::arch::x86_64::{_mm_loadu_pd, _mm_unpackhi_pd, _mm_unpacklo_pd};
    // SAFETY: four rows of twice two; a vector has the size of an array.
    unsafe {
        let at = |i: usize, j: usize| _mm_loadu_pd(start.add(i * row + j));
        let (a, b, c, d) = (at(0, 0), at(1, 0), at(2, 0), at(3, 0));
        let (e, f, g, h) = (at(0, 2), at(1, 2), at(2, 2), at(3, 2));
        std::mem::transmute([
            [_mm_unpacklo_pd(a, b), _mm_unpacklo_pd(c, d)],
            [_mm_unpackhi_pd(a, b), _mm_unpackhi_pd(c, d)],
            [_mm_unpacklo_pd(e, f), _mm_unpacklo_pd(g, h)],
            [_mm_unpackhi_pd(e, f), _mm_unpackhi_pd(g, h)],
        ])
    }
}

#[cfg(not(target_arch = "x86_64"))]
use {transposed_any as transposed_f32, transposed_any as transposed_f64};

/// # Safety
///
/// As for [`Kernels::transposed`].
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn transposed_any<T: Element>(start: *const T, row: usize) -> [[T; SIDE]; SIDE] {
    let mut square = [[T::ZERO; SIDE]; SIDE];
    for (i, j) in (0..SIDE).flat_map(|i| (0..SIDE).map(move |j| (i, j))) {
        // SAFETY: guaranteed by the caller.
        square[j][i] = unsafe { start.add(i * row + j).read() };
    }
    square
}
