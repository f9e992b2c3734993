//! The rows that an image and a line have in common, and copies of them from one to the other.

use crate::float::Float;
use crate::kernel::isa::{each, simd};

/// Rows that are stored both in an image and in a line.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub rows: usize,
    pub width: usize,
    /// Start of the first row in the line, and the distance between rows.
    pub line: usize,
    pub line_pitch: usize,
    /// The same in the image, where the elements of a row are `step` apart.
    pub image: usize,
    pub image_pitch: usize,
    pub step: usize,
}

impl Plane {
    /// Copies from the image to the line.
    pub(super) fn spread<T: Float>(self, image: &[T], line: &mut [T]) {
        let Plane { rows, width, step, .. } = self;
        let (image, line) = (&image[self.image..], &mut line[self.line..]);
        if step == 1 {
            return copy_rows(image, self.image_pitch, line, self.line_pitch, rows, width);
        }
        pick_rows(image, self.image_pitch, step, line, self.line_pitch, rows, width);
    }

    /// Copies from the line, whose slice begins at `start` of the whole line, to the image.
    pub(super) fn gather<T: Float>(self, line: &[T], start: usize, image: &mut [T]) {
        let Plane { rows, width, step, .. } = self;
        let (image, line) = (&mut image[self.image..], &line[self.line - start..]);
        if step == 1 {
            return copy_rows(line, self.line_pitch, image, self.image_pitch, rows, width);
        }
        for (image, line) in image.chunks_mut(self.image_pitch).zip(line.chunks(self.line_pitch)).take(rows) {
            put_apart(&line[..width], step, image);
        }
    }
}

/// Copies neighbors to every `step`-th element.
#[inline]
pub(super) fn put_apart<T: Float>(from: &[T], step: usize, to: &mut [T]) {
    // With a fixed step where the common one allows it.
    let pairs = if step == 2 { from.len().saturating_sub(1) } else { 0 };
    to.as_chunks_mut::<2>().0.iter_mut().zip(&from[..pairs]).for_each(|(to, &x)| to[0] = x);
    to.iter_mut().step_by(step).zip(from).skip(pairs).for_each(|(to, &x)| *to = x);
}

/// The number of elements from which every second one is copied at once.
const PIECE: usize = 16;

simd! {
    /// Copies every `step`-th of some elements, `width` in all, of each of `rows` rows.
    fn pick_rows<T: Float>(from: &[T], pitch: usize, step: usize, to: &mut [T], to_pitch: usize, rows: usize, width: usize) {
        for row in 0..rows {
            let (from, to) = (&from[row * pitch..], &mut to[row * to_pitch..][..width]);
            let from = &from[..pitch.min(from.len())];
            // Pieces of fixed size become vector code, which a loop over rows this short does not.
            let pieces = if step == 2 { from.as_chunks::<PIECE>().0.len().min(width / (PIECE / 2)) } else { 0 };
            for piece in 0..pieces {
                let (from, to) = (&from[piece * PIECE..][..PIECE], &mut to[piece * (PIECE / 2)..][..PIECE / 2]);
                for i in 0..PIECE / 2 {
                    to[i] = from[2 * i];
                }
            }
            for i in pieces * (PIECE / 2)..width {
                to[i] = from[i * step];
            }
        }
    }
}

simd! {
    /// Copies `width` elements of each of `rows` rows. Most rows are too short to justify a call to a copy function:
    /// two moves of fixed size, one from either end, suffice.
    fn copy_rows<T: Float>(from: &[T], pitch: usize, to: &mut [T], to_pitch: usize, rows: usize, width: usize) {
        for row in 0..rows {
            let (from, to) = (&from[row * pitch..][..width], &mut to[row * to_pitch..][..width]);
            match width {
                0..4 => each!(|from| to = from),
                4..8 => copy_ends::<T, 4>(from, to),
                8..16 => copy_ends::<T, 8>(from, to),
                16..=32 => copy_ends::<T, 16>(from, to),
                _ => to.copy_from_slice(from),
            }
        }
    }
}

/// Copies between `N` and `2 N` elements.
#[inline(always)]
fn copy_ends<T: Float, const N: usize>(from: &[T], to: &mut [T]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        let (first, last) = (*first, *last);
        *to.first_chunk_mut().expect("as long") = first;
        *to.last_chunk_mut().expect("as long") = last;
    }
}
