//! Products with a matrix whose rows are overlapping pieces of one slice, each shifted by some elements relative to
//! the first. The image values that the taps of a convolution read form such a matrix; it need not be materialized.
//!
//! [`shifted_into`] multiplies it from the left, [`shifted_dots_into`] multiplies its transpose. The order of the
//! additions is that of the parent module's documentation: blocks of the sum for the first; for the second, lanes and
//! their totals, as in [`super::dots`], of halves if the sum is long.

use super::blocked::block;
use super::element::{Element, Loops};
use super::tile::{tile, unrolled};
use super::view::{View, ViewMut};
use super::{LONG, threads_for};
use crate::float::once;
use crate::kernel::elementwise::add_block;
use crate::kernel::isa::Isa;
use crate::kernel::reduce::total;
use crate::kernel::scratch::with_scratch;
use crate::kernel::threads;

/// Rows of a result that a thread processes at a time, if there is enough work: a multiple of the rows of every tile.
const ROWS: usize = 24;

/// A term of a sum: the position of its weight in a row of weights, and the start of the weighted elements in an
/// image.
pub type Tap = [i64; 2];

once! {
    /// `c[i, j] = Σ w[i * row + at] x[shift + j]`, summed over the taps `[at, shift]`; `c` has `rows` contiguous rows.
    ///
    /// # Panics
    ///
    /// If the length of the rows of `c` is not a multiple of [`lanes`](super::lanes), or if a tap is out of range for `w` or
    /// `x`.
    pub fn shifted_into<T: Element>(w: &[T], rows: usize, row: usize, x: &[T], taps: &[Tap], c: &mut [T]) {
        if c.is_empty() {
            return;
        }
        let len = check(x, taps, c, rows);
        let last = (rows - 1) * row;
        assert!(taps.iter().all(|&[at, _]| in_slice(w, at, last + 1)), "shifted_into: a tap is outside the weights");
        let loops = T::loops(Isa::best());
        let some = if threads_for(c.len() * taps.len()) > 1 { ROWS } else { rows };
        threads::for_each_chunk(c, some * len, &|part, c| {
            let w = View { start: w.as_ptr(), rows, cols: 1, row, col: 1 };
            // SAFETY: the rows of this part are rows of `w`; the taps and the length have been checked.
            unsafe { (loops.shifted)(w.sub(part * some, 0, c.len() / len, 1), x, taps, ViewMut::new(c, len)) };
        });
    }
}

once! {
    /// `w[i * row + at] = Σ g[n, i, j] x[n, shift + j]` for each tap `[at, shift]`, summed over all `n` below `images` and
    /// all `j`. `g` and `x` each consist of that many equal parts; those of `g` have as many rows as `w`.
    ///
    /// # Panics
    ///
    /// If the length of the rows of `g` is not a multiple of [`lanes`](super::lanes), or if a tap is out of range for a row or
    /// for its part of `x`.
    pub fn shifted_dots_into<T: Element>(images: usize, g: &[T], x: &[T], taps: &[Tap], w: &mut [T], row: usize) {
        if w.is_empty() {
            return;
        }
        let (rows, g_size, x_size) = (w.len() / row, g.len() / images, x.len() / images);
        let len = check(&x[..x_size], taps, &g[..g_size], rows);
        let loops = T::loops(Isa::best());
        let some = if threads_for(images * len * w.len()) > 1 { ROWS } else { rows };
        threads::for_each_chunk(w, some * row, &|part, w| {
            let dots = Dots { images, g: &g[part * some * len..], g_size, x, x_size, len, pitch: len, taps, row };
            // SAFETY: the rows of this part are rows of each image; the taps and the length have been checked.
            unsafe { dots_by_halves(loops, &dots, w) };
        });
    }
}

/// [`shifted_dots_into`] on one thread. In single precision, long sums are those of their halves.
///
/// # Safety
///
/// As for `shifted_dots_into`.
unsafe fn dots_by_halves<T: Element>(loops: &Loops<T>, dots: &Dots<'_, T>, w: &mut [T]) {
    // SAFETY: guaranteed by the caller; the halves have the rows and taps of the whole.
    unsafe {
        if size_of::<T>() == size_of::<f64>() || dots.images * dots.len <= LONG {
            return (loops.shifted_dots)(dots, w);
        }
        let [first, second] = dots.halves();
        dots_by_halves(loops, &first, w);
        with_scratch(w.len(), |more: &mut [T]| {
            dots_by_halves(loops, &second, more);
            add_block(w, more);
        });
    }
}

/// Checks the arguments and returns the length of the rows of `c`.
fn check<T: Element>(x: &[T], taps: &[Tap], c: &[T], rows: usize) -> usize {
    let len = c.len() / rows;
    assert!(c.len() == rows * len && len.is_multiple_of(T::LANES), "shifted: bad length {} for {rows} rows", c.len());
    assert!(taps.iter().all(|&[_, shift]| in_slice(x, shift, len)), "shifted: a row of {len} exceeds {}", x.len());
    len
}

fn in_slice<T>(x: &[T], from: i64, len: usize) -> bool {
    usize::try_from(from).is_ok_and(|from| from <= x.len() && len <= x.len() - from)
}

/// [`shifted_into`] on one thread.
///
/// # Safety
///
/// As for `shifted_into`; `w` is the first column of the weights, and `c` must have its rows. For `HARDWARE`, see
/// [`tile`].
#[inline(always)]
pub(super) unsafe fn across<T: Element, const R: usize, const W: usize, const H: usize, const HARDWARE: bool>(
    w: View<T>,
    x: &[T],
    taps: &[Tap],
    c: ViewMut<T>,
) {
    let mut i = 0;
    while i < w.rows {
        // Process as many rows at a time as remain, or as fit in the registers.
        macro_rules! rows {
            ($rows:expr) => {
                if const { $rows <= R } && $rows <= w.rows - i {
                    // SAFETY: rows of `w` and of `c`.
                    unsafe {
                        let w = w.sub(i, 0, $rows, 1);
                        across_rows::<T, { $rows }, W, H, HARDWARE>(w, x, taps, c.sub(i, 0));
                    }
                    i += $rows;
                    continue;
                }
            };
        }
        rows!(8);
        rows!(6);
        rows!(4);
        rows!(2);
        rows!(1);
    }
}

/// [`across`] for the rows of a single tile.
///
/// # Safety
///
/// As for `across`.
#[inline(always)]
unsafe fn across_rows<T: Element, const R: usize, const W: usize, const H: usize, const HARDWARE: bool>(
    w: View<T>,
    x: &[T],
    taps: &[Tap],
    c: ViewMut<T>,
) {
    let depth = block(taps.len());
    // One step even for an empty sum, to set `c` to 0.
    for p in (0..taps.len().max(1)).step_by(depth) {
        let taps = &taps[p..taps.len().min(p + depth)];
        let keep = (p > 0).then_some(T::ONE);
        // SAFETY: the taps refer to weights, and to rows within `x`; `j` and the columns of a tile are within a row.
        unsafe {
            let weight = |p: usize| w.start.add(taps.get_unchecked(p)[0] as usize);
            let wide = c.row - c.row % W;
            for j in (0..wide).step_by(W) {
                let piece = |p: usize| x.as_ptr().add(taps.get_unchecked(p)[1] as usize + j);
                tile::<T, R, W, HARDWARE>(taps.len(), weight, w.row, piece, c.sub(0, j), keep);
            }
            // Rows are whole numbers of lanes: after tiles that are not wider, no columns remain.
            if const { W > T::LANES } {
                for j in (wide..c.row).step_by(H) {
                    let piece = |p: usize| x.as_ptr().add(taps.get_unchecked(p)[1] as usize + j);
                    tile::<T, R, H, HARDWARE>(taps.len(), weight, w.row, piece, c.sub(0, j), keep);
                }
            }
        }
    }
}

/// The operands of [`shifted_dots_into`], or of some of its rows, images or columns.
#[derive(Clone, Copy)]
pub struct Dots<'a, T> {
    images: usize,
    /// Starts at the first of the rows.
    g: &'a [T],
    g_size: usize,
    x: &'a [T],
    x_size: usize,
    len: usize,
    /// The distance of the rows of `g`.
    pitch: usize,
    taps: &'a [Tap],
    row: usize,
}

impl<T: Element> Dots<'_, T> {
    /// Two sums whose sum is this one: of the first and the last images, or of the first and the last columns of one.
    fn halves(&self) -> [Self; 2] {
        let Dots { images, g, g_size, x, x_size, len, .. } = *self;
        if images > 1 {
            let half = images / 2;
            let last = Dots { images: images - half, g: &g[half * g_size..], x: &x[half * x_size..], ..*self };
            return [Dots { images: half, ..*self }, last];
        }
        let half = (len / 2).next_multiple_of(T::LANES);
        [Dots { len: half, ..*self }, Dots { len: len - half, g: &g[half..], x: &x[half..], ..*self }]
    }
}

/// [`shifted_dots_into`] on one thread, `R` rows and `S` taps at a time; the last rows overlap the previous ones.
///
/// # Safety
///
/// As for `shifted_dots_into`. For `HARDWARE`, see [`tile`].
#[inline(always)]
pub(super) unsafe fn along<T: Element, const L: usize, const R: usize, const S: usize, const HARDWARE: bool>(
    dots: &Dots<'_, T>,
    w: &mut [T],
) {
    let (rows, taps) = (w.len() / dots.row, dots.taps.len());
    let r = if rows < R { 1 } else { R };
    for i in (0..rows).step_by(r) {
        let i = i.min(rows - r);
        for p in (0..taps).step_by(S) {
            // SAFETY: these rows exist.
            unsafe {
                match r == 1 {
                    true => dots_of::<T, L, 1, S, HARDWARE>(dots, i, p, w),
                    false => dots_of::<T, L, R, S, HARDWARE>(dots, i, p, w),
                }
            }
        }
    }
}

/// `R` rows by `S` taps of [`along`], each sum in `L` lanes.
///
/// # Safety
///
/// As for `along`; the `R` rows from `first` on and the tap must exist. The last tap is repeated if there are fewer.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "indices of fixed range are what the compiler unrolls")]
unsafe fn dots_of<T: Element, const L: usize, const R: usize, const S: usize, const HARDWARE: bool>(
    dots: &Dots<'_, T>,
    first: usize,
    tap: usize,
    w: &mut [T],
) {
    let Dots { images, g, g_size, x, x_size, len, pitch, taps, row } = *dots;
    let (mut to, mut shift) = ([0; S], [0; S]);
    for p in 0..S {
        let [at, from] = taps[(tap + p).min(taps.len() - 1)];
        (to[p], shift[p]) = (at as usize, from as usize);
    }
    let mut sums = [[[T::ZERO; L]; S]; R];
    for image in 0..images {
        for j in (0..len).step_by(L) {
            // SAFETY: the rows of `g` and the shifted ones of `x` are `len` long.
            unsafe {
                let from_g = g.as_ptr().add(image * g_size + first * pitch + j);
                let from_x = x.as_ptr().add(image * x_size + j);
                let mut lanes = [[T::ZERO; L]; R];
                for i in 0..R {
                    lanes[i] = from_g.add(i * pitch).cast::<[T; L]>().read();
                }
                unrolled!(p < S, {
                    let x = from_x.add(shift[p]).cast::<[T; L]>().read();
                    for i in 0..R {
                        for l in 0..L {
                            sums[i][p][l] = lanes[i][l].fused::<HARDWARE>(x[l], sums[i][p][l]);
                        }
                    }
                });
            }
        }
    }
    // A copy: a variable whose address is passed to another function does not stay in registers.
    let totals = sums;
    put_totals(&totals, to, &mut w[first * row..], row);
}

/// Writes the sum of all lanes for each of `R` rows and `S` taps.
///
/// Kept apart from the loop over the lanes: the compiler would otherwise mix the two and split the lanes.
#[inline(never)]
fn put_totals<T: Element, const L: usize, const R: usize, const S: usize>(
    sums: &[[[T; L]; S]; R],
    to: [usize; S],
    w: &mut [T],
    row: usize,
) {
    for (i, sums) in sums.iter().enumerate() {
        for (&lanes, to) in sums.iter().zip(to) {
            w[i * row + to] = total(lanes, |a, b| a + b);
        }
    }
}
