//! The random bits: ChaCha with eight rounds (Bernstein, *ChaCha, a variant of Salsa20*, 2008). Block `n` of a stream is a
//! function of the key, the stream and `n` alone, so the bits at any place are computed without those before it: on any
//! thread, and many blocks at once in the lanes of vector registers.

use crate::kernel::isa::simd;

/// Words of a block, and draws of 64 bits, low word first.
const WORDS: usize = 16;
const DRAWS: usize = WORDS / 2;
/// Blocks computed together. Word `w` of all of them is one row: the lanes of a register.
const LANES: usize = 64;
/// Blocks that are kept for draws one by one; a vector of the widest registers.
const KEPT: usize = 16;

type Lanes = [[u32; LANES]; WORDS];

/// Memory for [`ChaCha8::fill`], of unspecified contents.
pub(super) struct Scratch(Lanes);

impl Scratch {
    pub(super) fn new() -> Self {
        Scratch([[0; LANES]; WORDS])
    }
}

/// A place in one of 2^64 streams of a key.
#[derive(Clone)]
pub(super) struct ChaCha8 {
    key: [u32; 8],
    pub(super) stream: u64,
    /// The number of draws so far.
    pub(super) place: u64,
    /// A group of draws, and its number.
    kept: [u64; KEPT * DRAWS],
    group: Option<u64>,
}

impl ChaCha8 {
    /// The beginning of stream 0 of a seed. The key consists of eight numbers of a PCG generator (O'Neill, 2014), so that
    /// the streams of neighboring seeds are unrelated.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        let key = std::array::from_fn(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(11_634_580_027_462_260_723);
            let shifted = (((state >> 18) ^ state) >> 27) as u32;
            shifted.rotate_right((state >> 59) as u32)
        });
        ChaCha8 { key, stream: 0, place: 0, kept: [0; KEPT * DRAWS], group: None }
    }

    /// Another place of the same key.
    pub(super) fn at(&self, stream: u64, place: u64) -> Self {
        ChaCha8 { key: self.key, stream, place, kept: [0; KEPT * DRAWS], group: None }
    }

    /// The next 64 bits.
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        let (group, at) = (self.place / self.kept.len() as u64, self.place % self.kept.len() as u64);
        if self.group != Some(group) {
            self.keep(group);
        }
        self.place += 1;
        self.kept[at as usize]
    }

    #[cold]
    fn keep(&mut self, group: u64) {
        let (start, mut words) = (self.start(), [[0; LANES]; WORDS]);
        blocks(&start, group * KEPT as u64, KEPT, &mut words);
        join(&words, self.kept.as_chunks_mut().0);
        self.group = Some(group);
    }

    /// Fills `out` with the next draws.
    pub(super) fn fill(&mut self, out: &mut [u64], Scratch(words): &mut Scratch) {
        let lead = (self.place.next_multiple_of(DRAWS as u64) - self.place) as usize;
        let (lead, out) = out.split_at_mut(lead.min(out.len()));
        lead.iter_mut().for_each(|x| *x = self.next());
        let (whole, rest) = out.as_chunks_mut::<DRAWS>();
        let start = self.start();
        for out in whole.chunks_mut(LANES) {
            blocks(&start, self.place / DRAWS as u64, out.len().next_multiple_of(KEPT), words);
            join(words, out);
            self.place += (out.len() * DRAWS) as u64;
        }
        rest.iter_mut().for_each(|x| *x = self.next());
    }

    /// The words that the rounds of a block start from; its number is missing.
    fn start(&self) -> [u32; WORDS] {
        const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]; // "expand 32-byte k"
        let mut start = [0; WORDS];
        start[..4].copy_from_slice(&CONSTANTS);
        start[4..12].copy_from_slice(&self.key);
        [start[14], start[15]] = halves(self.stream);
        start
    }
}

/// The low and the high half.
#[inline(always)]
fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

simd! {
    /// The first `count` blocks from number `first` on, a multiple of [`KEPT`].
    #[allow(clippy::needless_range_loop, reason = "the loop over lanes becomes vectors")]
    fn blocks(start: &[u32; WORDS], first: u64, count: usize, out: &mut Lanes) {
        for lane in 0..count.min(LANES) {
            let mut start = *start;
            [start[12], start[13]] = halves(first.wrapping_add(lane as u64));
            let end = double_round(double_round(double_round(double_round(start))));
            for w in 0..WORDS {
                out[w][lane] = end[w].wrapping_add(start[w]);
            }
        }
    }
}

simd! {
    /// The draws of the first blocks, block by block.
    fn join(words: &Lanes, out: &mut [[u64; DRAWS]]) {
        for (lane, out) in out.iter_mut().enumerate().take(LANES) {
            for (i, draw) in out.iter_mut().enumerate() {
                *draw = u64::from(words[2 * i][lane]) | u64::from(words[2 * i + 1][lane]) << 32;
            }
        }
    }
}

/// A round of the columns of the 4 × 4 matrix of words, and one of its diagonals. Without loops or references, so that
/// the loop over lanes becomes vectors.
#[inline(always)]
fn double_round(x: [u32; WORDS]) -> [u32; WORDS] {
    let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3] = x;
    let [a0, b0, c0, d0] = quarter_round([a0, b0, c0, d0]);
    let [a1, b1, c1, d1] = quarter_round([a1, b1, c1, d1]);
    let [a2, b2, c2, d2] = quarter_round([a2, b2, c2, d2]);
    let [a3, b3, c3, d3] = quarter_round([a3, b3, c3, d3]);
    let [a0, b1, c2, d3] = quarter_round([a0, b1, c2, d3]);
    let [a1, b2, c3, d0] = quarter_round([a1, b2, c3, d0]);
    let [a2, b3, c0, d1] = quarter_round([a2, b3, c0, d1]);
    let [a3, b0, c1, d2] = quarter_round([a3, b0, c1, d2]);
    [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
}

#[inline(always)]
fn quarter_round([a, b, c, d]: [u32; 4]) -> [u32; 4] {
    let a = a.wrapping_add(b);
    let d = (d ^ a).rotate_left(16);
    let c = c.wrapping_add(d);
    let b = (b ^ c).rotate_left(12);
    let a = a.wrapping_add(b);
    let d = (d ^ a).rotate_left(8);
    let c = c.wrapping_add(d);
    let b = (b ^ c).rotate_left(7);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test vector for a key of zeros.
    #[test]
    fn the_bits_are_those_of_chacha8() {
        const BYTES: [u8; 64] = [
            0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6, 0x7f, 0x5b, 0xb8, 0xe8, 0x1f, 0x09, 0xa5, 0xa1, 0x2c, 0x84,
            0x0e, 0xc3, 0xce, 0x9a, 0x7f, 0x3b, 0x18, 0x1b, 0xe1, 0x88, 0xef, 0x71, 0x1a, 0x1e, 0x98, 0x4c, 0xe1, 0x72,
            0xb9, 0x21, 0x6f, 0x41, 0x9f, 0x44, 0x53, 0x67, 0x45, 0x6d, 0x56, 0x19, 0x31, 0x4a, 0x42, 0xa3, 0xda, 0x86,
            0xb0, 0x01, 0x38, 0x7b, 0xfd, 0xb8, 0x0e, 0x0c, 0xfe, 0x42,
        ];
        let mut chacha = ChaCha8 { key: [0; 8], ..ChaCha8::new(0) };
        assert!(BYTES.as_chunks().0.iter().all(|bytes| chacha.next() == u64::from_le_bytes(*bytes)));
    }

    /// From every place within a block, over several groups of blocks.
    #[test]
    fn many_draws_are_those_drawn_one_by_one() {
        for skipped in 0..DRAWS + 2 {
            for n in (0..40).chain([127, 128, 129, 512, 1200, 3001]) {
                let (mut all, mut one) = (ChaCha8::new(9), ChaCha8::new(9));
                all.place = skipped as u64;
                (0..skipped).for_each(|_| _ = one.next());
                let mut out = vec![0; n];
                all.fill(&mut out, &mut Scratch::new());
                assert!(out.iter().all(|&x| x == one.next()), "{n} after {skipped}");
                assert_eq!((all.place, all.next()), (one.place, one.next()), "{n} after {skipped}");
            }
        }
    }
}
