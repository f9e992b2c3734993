//! Maps from small keys that the compiler makes itself: node ids, ops, shapes. No adversary chooses them to collide, so
//! one multiplication per word is sufficient; the default hash took half of the compile time.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;
pub(super) type Set<K> = HashSet<K, BuildHasherDefault<Mix>>;

/// Rotates, adds and multiplies.
#[derive(Clone, Copy, Default)]
pub(super) struct Mix(u64);

impl Mix {
    #[inline]
    fn add(&mut self, word: u64) {
        // An odd number near 2^64 over the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    /// Tables use the upper and the lower bits, and the lower ones of a product depend on little.
    #[inline]
    fn finish(&self) -> u64 {
        let mut last = Mix(self.0 >> 32);
        last.add(self.0);
        last.0 ^ (last.0 >> 32)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u8(&mut self, x: u8) {
        self.add(x.into());
    }

    #[inline]
    fn write_u32(&mut self, x: u32) {
        self.add(x.into());
    }

    #[inline]
    fn write_u64(&mut self, x: u64) {
        self.add(x);
    }

    #[inline]
    fn write_usize(&mut self, x: usize) {
        self.add(x as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, Hash};

    /// The number of different values of some bits of the hashes.
    fn spread(keys: impl Iterator<Item = impl Hash>, bits: impl Fn(u64) -> u64) -> usize {
        let build = BuildHasherDefault::<Mix>::default();
        keys.map(|key| bits(build.hash_one(key))).collect::<Set<_>>().len()
    }

    #[test]
    fn keys_that_differ_little_spread_over_a_table() {
        // 4,096 balls in as many bins leave about 2,590 bins that are not empty.
        for bits in [|hash| hash & 4095, |hash| hash >> 52] {
            assert!(spread(0..4096_u32, bits) > 2400);
            assert!(spread((0..4096_u32).map(|k| k << 12), bits) > 2400);
            assert!(spread((0..4096_u32).map(|k| [k, k + 1]), bits) > 2400);
            assert!(spread((0..4096_usize).map(|k| (k / 64, k % 64)), bits) > 2400);
        }
        assert_eq!(spread((0..10).map(|k| "0123456789a"[..k].to_owned()), |hash| hash), 10);
    }
}
