//! Products of operands that are rounded to bf16 as they are packed, with sums in `f32`.
//!
//! An element of a packed panel holds two neighboring terms of the sum, the first in its upper half. The sum of a pair is
//! two fused multiply-adds in ascending order; each result that is subnormal becomes 0, as do subnormal operands. That is
//! what the instruction of AVX512-BF16 computes, which starts with the upper half, so loops without it have the same bits.
//! An odd block ends with a product of zeros, which turns a sum of -0 into 0.
//!
//! Except where a sum is subnormal, these are also the bits of the product of the rounded matrices in `f32`, since a product
//! of two bf16 numbers is exact.

use super::element::Kernels;
use super::pack::transpose;
use super::tile::{Panel, put, unrolled};
use super::view::{View, ViewMut};

/// The number of packed elements for a sum of length `k`.
pub(super) fn pairs(k: usize) -> usize {
    k.div_ceil(2)
}

/// Pairs of a row that are rounded before they are transposed.
const SOME: usize = 16;
/// The widest panel, and the narrowest of AVX-512: the rows of a tile.
const WIDEST: usize = 32;
const NARROW: usize = 8;

/// The bf16 nearest to `x`, as the upper half of an `f32`; 0 if `x` is subnormal.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    const EXPONENT: u32 = f32::INFINITY.to_bits();
    const QUIET: u32 = 1 << 22;
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let number = if bits & EXPONENT == 0 { bits & 1 << 31 } else { nearest };
    (if x.is_nan() { bits | QUIET } else { number }) & 0xffff_0000
}

#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(rounded(first) | rounded(second) >> 16)
}

/// The pairs of neighbors in a row of numbers.
///
/// # Safety
///
/// If `INSTRUCTION`, the CPU must support AVX512-BF16.
#[inline(always)]
unsafe fn neighbors<const INSTRUCTION: bool>(x: [[f32; 2]; SOME]) -> [f32; SOME] {
    #[cfg(target_arch = "x86_64")]
    if INSTRUCTION {
        use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_rol_epi32};
        // SAFETY: vectors have the size of the arrays. The conversion puts the first of a pair in the lower half.
        unsafe {
            let [first, second] = std::mem::transmute::<[[f32; 2]; SOME], [__m512; 2]>(x);
            let pairs = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
            return std::mem::transmute::<__m512i, [f32; SOME]>(_mm512_rol_epi32::<16>(pairs));
        }
    }
    let mut pairs = [0.0; SOME];
    for (to, [first, second]) in pairs.iter_mut().zip(x) {
        *to = pair(first, second);
    }
    pairs
}

/// The pairs of the numbers in the same places of two rows.
///
/// # Safety
///
/// As for [`neighbors`].
#[inline(always)]
unsafe fn zipped<const INSTRUCTION: bool>(first: [f32; SOME], second: [f32; SOME]) -> [f32; SOME] {
    #[cfg(target_arch = "x86_64")]
    if INSTRUCTION {
        use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_permutexvar_epi16};
        const ORDER: [u16; 32] = {
            let (mut order, mut i) = ([0; 32], 0);
            while i < 16 {
                (order[2 * i], order[2 * i + 1]) = (i as u16, i as u16 + 16);
                i += 1;
            }
            order
        };
        // SAFETY: vectors have the size of the arrays.
        unsafe {
            let [first, second] = std::mem::transmute::<[[f32; SOME]; 2], [__m512; 2]>([first, second]);
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(first, second));
            let order = std::mem::transmute::<[u16; 32], __m512i>(ORDER);
            return std::mem::transmute::<__m512i, [f32; SOME]>(_mm512_permutexvar_epi16(order, both));
        }
    }
    let mut pairs = [0.0; SOME];
    for (to, (first, second)) in pairs.iter_mut().zip(first.into_iter().zip(second)) {
        *to = pair(first, second);
    }
    pairs
}

/// Packs the rows of a view, at most `width`, as [`super::pack::pack`] does, with pairs of its columns for columns; an odd one
/// is paired with 0.
///
/// # Safety
///
/// `view` must be readable and not empty; `to` must be valid for `width` elements for each pair of its columns. If
/// `INSTRUCTION`, the CPU must support AVX512-BF16.
#[inline(always)]
pub(super) unsafe fn pack<const INSTRUCTION: bool>(view: View<f32>, width: usize, to: *mut f32) {
    let View { start, rows, cols, row, col } = view;
    assert!(rows <= width && width <= WIDEST);
    let whole = if col == 1 && row != 1 {
        cols - cols % (2 * SOME)
    } else if row == 1 && rows == NARROW && width == NARROW {
        cols - cols % 4
    } else {
        0
    };
    // SAFETY: below, `i < rows` and columns below `cols` are read, and pairs of them are written.
    unsafe {
        // A narrow panel has room for two pairs of its columns in a vector.
        for p in (0..if row == 1 { whole } else { 0 }).step_by(4) {
            let column = |p: usize| start.add(p * col).cast::<[f32; NARROW]>().read();
            let two = |p: usize| std::mem::transmute::<[[f32; NARROW]; 2], [f32; SOME]>([column(p), column(p + 2)]);
            to.add(p / 2 * width).cast::<[f32; SOME]>().write(zipped::<INSTRUCTION>(two(p), two(p + 1)));
        }
        for first in (0..if row == 1 { 0 } else { whole }).step_by(2 * SOME) {
            let mut some = [[0.0; SOME]; WIDEST];
            for (i, some) in some[..rows].iter_mut().enumerate() {
                *some = neighbors::<INSTRUCTION>(start.add(i * row + first).cast::<[[f32; 2]; SOME]>().read());
            }
            let from = View { start: some.as_ptr().cast(), rows, cols: SOME, row: SOME, col: 1 };
            transpose(from, ViewMut { start: to.add(first / 2 * width), row: width }, None);
        }
        for p in (whole..cols).step_by(2) {
            let (at, to) = (start.add(p * col), to.add(p / 2 * width));
            let together = if row == 1 && p + 1 < cols { rows - rows % SOME } else { 0 };
            for i in (0..together).step_by(SOME) {
                let (first, second) = (at.add(i).cast::<[f32; SOME]>(), at.add(i + col).cast::<[f32; SOME]>());
                to.add(i).cast::<[f32; SOME]>().write(zipped::<INSTRUCTION>(first.read(), second.read()));
            }
            for i in together..rows {
                let second = if p + 1 < cols { at.add(i * row + col).read() } else { 0.0 };
                to.add(i).write(pair(at.add(i * row).read(), second));
            }
        }
    }
}

/// A sum, or 0 if it is subnormal.
#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }
}

/// [`super::tile::tile_of`] for packed pairs, without the instruction for them.
///
/// # Safety
///
/// As for [`super::tile::tile`]; the panels must be packed.
#[inline(always)]
pub(super) unsafe fn tile_of<const R: usize, const W: usize, const HARDWARE: bool>(
    k: usize,
    a: Panel<f32>,
    b: Panel<f32>,
    c: ViewMut<f32>,
    keep: Option<f32>,
) {
    let mut sums = [[0.0; W]; R];
    // SAFETY: steps below `k`, lanes below `R` and `W`; arrays have the alignment of their elements.
    unsafe {
        for p in 0..k {
            let column = a.start.add(p * a.step).cast::<[u32; R]>().read();
            let lanes = b.start.add(p * b.step).cast::<[u32; W]>().read();
            for shift in [0, 16] {
                let half = |bits: u32| f32::from_bits(bits << shift & 0xffff_0000);
                let mut terms = [0.0; W];
                for j in 0..W {
                    terms[j] = half(lanes[j]);
                }
                unrolled!(i < R, {
                    let x = half(column[i]);
                    for j in 0..W {
                        sums[i][j] = flushed(x.fused::<HARDWARE>(terms[j], sums[i][j]));
                    }
                });
            }
        }
        put(sums, c, keep);
    }
}

/// [`pack`] by the instruction that rounds.
///
/// # Safety
///
/// As for `pack`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")]
pub(super) unsafe fn pack_by_pairs(view: View<f32>, width: usize, to: *mut f32) {
    // SAFETY: guaranteed by the caller.
    unsafe { pack::<true>(view, width, to) };
}

/// [`tile_of`] with the instruction: `V` vectors of 16 columns.
///
/// # Safety
///
/// As for `tile_of`; the CPU must support AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")]
pub(super) unsafe fn tile_by_pairs<const R: usize, const V: usize>(
    k: usize,
    a: Panel<f32>,
    b: Panel<f32>,
    c: ViewMut<f32>,
    keep: Option<f32>,
) {
    use std::arch::x86_64::{
        __m512, __m512bh, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // SAFETY: steps below `k`, lanes below `R` and 16 times `V`. Vectors of the same size, and arrays of them, have the same
    // layout.
    unsafe {
        let pairs = |x: __m512| std::mem::transmute::<__m512, __m512bh>(x);
        for p in 0..k {
            let (column, row) = (a.start.add(p * a.step), b.start.add(p * b.step));
            let mut lanes = [_mm512_setzero_ps(); V];
            unrolled!(j < V, {
                lanes[j] = _mm512_loadu_ps(row.add(16 * j));
            });
            unrolled!(i < R, {
                let x = pairs(_mm512_set1_ps(column.add(i).read()));
                unrolled!(j < V, {
                    sums[i][j] = _mm512_dpbf16_ps(sums[i][j], x, pairs(lanes[j]));
                });
            });
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (j, sum) in sums.into_iter().enumerate() {
                let to = c.sub(i, 16 * j).start;
                let kept = keep.map(|keep| _mm512_mul_ps(_mm512_set1_ps(keep), _mm512_loadu_ps(to)));
                _mm512_storeu_ps(to, kept.map_or(sum, |kept| _mm512_add_ps(kept, sum)));
            }
        }
    }
}
