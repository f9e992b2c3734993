//! Random numbers: a seed determines every bit, on any machine and any number of threads. The bits come from [`chacha`];
//! the distributions are implemented here, so that they never change between releases.

mod chacha;

use super::isa::{each, simd};
use super::threads;
use crate::error::or_panic;
use crate::float::vmath::Elementary;
use crate::float::{Float, Real};
use crate::tensor::Tensor;
use crate::tensor::layout::room;
use chacha::{ChaCha8, Scratch};
use std::fmt::{self, Debug, Formatter};

/// Number of draws at a time, before they are transformed.
const BLOCK: usize = 512;
/// Items that a thread processes at a time.
const CHUNK: usize = 16 * BLOCK;

/// Converts the upper 53 bits to a number on `[0, 1)`.
#[inline(always)]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A seeded source of random numbers.
///
/// ```
/// use autograd::Rng;
/// let (mut a, mut b) = (Rng::new(42), Rng::new(42));
/// assert_eq!(a.uniform(), b.uniform());
/// assert_ne!(Rng::new(1).uniform(), Rng::new(2).uniform());
/// ```
#[derive(Clone)]
pub struct Rng {
    chacha: ChaCha8,
    /// The Box-Muller method generates normal numbers in pairs; this holds the second one of a pair.
    spare: Option<f64>,
}

/// Prints the place in the stream, not the key.
impl Debug for Rng {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng")
            .field("stream", &self.chacha.stream)
            .field("place", &self.chacha.place)
            .finish_non_exhaustive()
    }
}

impl Rng {
    /// Creates a generator from a seed.
    ///
    /// ```
    /// use autograd::Rng;
    /// assert_eq!(Rng::new(7).uniform(), Rng::new(7).uniform());
    /// ```
    #[doc(alias = "manual_seed")]
    pub fn new(seed: u64) -> Rng {
        Rng { chacha: ChaCha8::new(seed), spare: None }
    }

    /// An independent generator with the same seed: stream `n` of 2^64. It starts at the beginning of its stream,
    /// however far this generator has advanced.
    ///
    /// ```
    /// use autograd::Rng;
    /// let rng = Rng::new(7);
    /// let (mut first, mut second) = (rng.stream(1), rng.stream(2)); // one for each worker, for example
    /// assert_ne!(first.bits(), second.bits());
    /// ```
    pub fn stream(&self, n: u64) -> Rng {
        Rng { chacha: self.chacha.at(n, 0), spare: None }
    }

    /// Returns 64 random bits.
    ///
    /// ```
    /// let mut rng = autograd::Rng::new(7);
    /// let coin = rng.bits() & 1 == 1;
    /// # let _ = coin;
    /// ```
    pub fn bits(&mut self) -> u64 {
        self.chacha.next()
    }

    /// Uniformly distributed on `[0, 1)`, a multiple of 2^-53.
    ///
    /// ```
    /// let x = autograd::Rng::new(7).uniform();
    /// assert!((0.0..1.0).contains(&x));
    /// ```
    pub fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Normally distributed with mean 0 and standard deviation 1 (Box and Muller, 1958).
    ///
    /// ```
    /// let mut rng = autograd::Rng::new(7);
    /// let mean = (0..10_000).map(|_| rng.normal()).sum::<f64>() / 10_000.0;
    /// assert!(mean.abs() < 0.05);
    /// ```
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let mut pair = [[0.0; 2]];
        normal(&[[self.bits(), self.bits()]], &mut pair);
        let [[x, spare]] = pair;
        self.spare = Some(spare);
        x
    }

    /// Fills `out` with the same numbers as repeated calls of [`uniform`](Rng::uniform), rounded to `T`, but never to
    /// 1.
    ///
    /// ```
    /// use autograd::Rng;
    /// let (mut many, mut rng) = ([0.0; 3], Rng::new(5));
    /// rng.fill_uniform(&mut many);
    /// let mut one_by_one = Rng::new(5);
    /// assert_eq!(many, [(); 3].map(|()| one_by_one.uniform()));
    /// assert_eq!(rng.bits(), one_by_one.bits());
    /// ```
    pub fn fill_uniform<T: Float>(&mut self, out: &mut [T]) {
        self.share_out(out, 1, &|bits, out| uniform(bits, out));
    }

    /// Fills `out` with the same numbers as repeated calls of [`normal`](Rng::normal).
    ///
    /// ```
    /// let (mut many, mut rng) = ([0.0; 2], autograd::Rng::new(5));
    /// rng.fill_normal(&mut many);
    /// let mut one_by_one = autograd::Rng::new(5);
    /// assert_eq!(many, [(); 2].map(|()| one_by_one.normal()));
    /// ```
    pub fn fill_normal<T: Float>(&mut self, out: &mut [T]) {
        let (first, out) = out.split_at_mut(usize::from(self.spare.is_some()).min(out.len()));
        let (pairs, last) = out.as_chunks_mut::<2>();
        first.iter_mut().for_each(|x| *x = T::of(self.normal()));
        self.share_out(pairs, 2, &|bits, out| normal(bits.as_chunks().0, out));
        last.iter_mut().for_each(|x| *x = T::of(self.normal()));
    }

    /// Fills `out` with the first of the values with probability `p`, otherwise the second. Each half of 64
    /// [`bits`](Rng::bits) chooses one element, the low half first.
    ///
    /// ```
    /// let mut gate = [0.0; 1000];
    /// autograd::Rng::new(7).fill_choice(0.25, [0.0, 4.0], &mut gate);
    /// assert!(gate.iter().all(|&x| x == 0.0 || x == 4.0));
    /// assert!((gate.iter().sum::<f64>() / 1000.0 - 3.0).abs() < 0.2);
    /// ```
    /// # Panics
    /// If `p` is not in `[0, 1]`.
    #[track_caller]
    #[doc(alias = "bernoulli")]
    pub fn fill_choice<T: Float>(&mut self, p: f64, values: [T; 2], out: &mut [T]) {
        assert!((0.0..=1.0).contains(&p), "fill_choice: the probability must be in [0, 1], got {p}");
        let first = (p * 2f64.powi(32)).round() as u64;
        let (pairs, last) = out.as_chunks_mut::<2>();
        self.share_out(pairs, 1, &|bits, out| choose(bits, first, values, out));
        if let [last] = last {
            let mut pair = [[T::zero(); 2]];
            choose(&[self.bits()], first, values, &mut pair);
            *last = pair[0][0];
        }
    }

    /// Fills `out`, each item of which takes `draws` times 64 bits, on all threads: `fill` computes a block of items from
    /// its bits. Each chunk starts at the place in the stream that it would have if one thread drew all numbers.
    fn share_out<V: Send>(&mut self, out: &mut [V], draws: usize, fill: &(dyn Fn(&[u64], &mut [V]) + Sync)) {
        let blocks = |chacha: &mut ChaCha8, out: &mut [V]| {
            let (mut bits, mut scratch) = ([0; BLOCK], Scratch::new());
            for out in out.chunks_mut(BLOCK / draws) {
                let bits = &mut bits[..out.len() * draws];
                chacha.fill(bits, &mut scratch);
                fill(bits, out);
            }
        };
        if out.len() <= CHUNK {
            return blocks(&mut self.chacha, out);
        }
        let (start, len) = (&self.chacha, out.len());
        let ahead = |items: usize| start.at(start.stream, start.place + (items * draws) as u64);
        threads::for_each_chunk(out, CHUNK, &|i, out| blocks(&mut ahead(i * CHUNK), out));
        self.chacha = ahead(len);
    }

    /// Uniformly distributed over `0, 1, …, n - 1`, without bias (Lemire, 2019).
    ///
    /// ```
    /// let mut rng = autograd::Rng::new(7);
    /// assert!((0..100).all(|_| rng.below(6) < 6)); // a die
    /// ```
    /// # Panics
    /// If `n` is 0.
    #[doc(alias = "randint")]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below: n must be at least 1");
        let n = n as u64;
        loop {
            let wide = self.bits() as u128 * n as u128;
            // Reject the few low parts that would make some results more likely than others. They are below the remainder,
            // and it is below n: nearly always, the division is spared.
            if wide as u64 >= n || wide as u64 >= n.wrapping_neg() % n {
                return (wide >> 64) as usize;
            }
        }
    }

    /// Shuffles a slice; every order is equally likely (Fisher and Yates).
    ///
    /// ```
    /// let mut cards = [1, 2, 3, 4];
    /// autograd::Rng::new(7).shuffle(&mut cards);
    /// cards.sort();
    /// assert_eq!(cards, [1, 2, 3, 4]);
    /// ```
    #[doc(alias = "randperm")]
    pub fn shuffle<V>(&mut self, items: &mut [V]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

simd! {
    /// Numbers uniform on `[0, 1)`, of 53 random bits each.
    fn uniform<T: Float>(bits: &[u64], out: &mut [T]) {
        // Rounding to a narrower type would turn some numbers into 1.
        let below_one = T::one() - T::of(0.5) * T::EPSILON;
        each!(|bits| out = Real::min(T::of(unit(bits)), below_one));
    }
}

simd! {
    /// Pairs of independent normal numbers, each of two that are uniform on `[0, 1)`.
    fn normal<T: Float>(bits: &[[u64; 2]], out: &mut [[T; 2]]) {
        each!(|bits| out = {
            let [x, y] = box_muller([unit(bits[0]), unit(bits[1])]);
            [T::of(x), T::of(y)]
        });
    }
}

simd! {
    /// For each half of the bits, the first of the values if it is below `first`, otherwise the second.
    fn choose<T: Float>(bits: &[u64], first: u64, values: [T; 2], out: &mut [[T; 2]]) {
        let [yes, no] = values;
        let choice = |half| if half < first { yes } else { no };
        each!(|bits| out = [choice(bits & u64::from(u32::MAX)), choice(bits >> 32)]);
    }
}

/// Two independent normal numbers of two that are uniform on `[0, 1)`.
#[inline(always)]
fn box_muller([u, v]: [f64; 2]) -> [f64; 2] {
    // 1 - u is never 0, so the logarithm is finite.
    let radius = Real::sqrt(-2.0 * Elementary::ln(1.0 - u));
    let angle = std::f64::consts::TAU * v;
    [radius * Elementary::cos(angle), radius * Elementary::sin(angle)]
}

impl<T: Float> Tensor<T> {
    /// Independent random numbers, uniform on `[0, 1)`; the seed of `rng` determines every bit.
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// let a = Tensor::<f32>::rand(&[3], &mut Rng::new(7));
    /// assert_eq!(a, Tensor::rand(&[3], &mut Rng::new(7)));
    /// ```
    #[track_caller]
    pub fn rand(shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        or_panic(room("rand", shape));
        Self::build(shape, |out| rng.fill_uniform(out))
    }

    /// Independent random numbers from the standard normal distribution (mean 0, standard deviation 1).
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// let weights = Tensor::<f32>::randn(&[20, 10], &mut Rng::new(7)) * 0.1;
    /// assert!(weights.mean().item().abs() < 0.05);
    /// ```
    #[track_caller]
    pub fn randn(shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        or_panic(room("randn", shape));
        Self::build(shape, |out| rng.fill_normal(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_bits_for_ever() {
        let mut rng = Rng::new(0);
        let first: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        assert_eq!(first, FIRST_BITS_OF_SEED_0, "changing the stream of a seed breaks every user's results");
        assert_eq!(rng.stream(3).bits(), Rng::new(0).stream(3).bits());
    }
    const FIRST_BITS_OF_SEED_0: [u64; 3] = [13080132717333068652, 8594738769458413623, 12896916468484187878];

    /// All lengths, including several chunks and a remainder; the second time from where the first one stopped.
    #[test]
    fn many_numbers_are_those_drawn_one_by_one() {
        for n in [0, 1, 2, 3, 127, 128, 129, 300, CHUNK, CHUNK + 1, 5 * CHUNK + 77] {
            let (mut rng, mut other) = (Rng::new(3), Rng::new(3));
            let mut many = vec![0.0; n];
            for _ in 0..2 {
                rng.fill_normal(&mut many);
                assert!(many.iter().all(|x: &f64| x.to_bits() == other.normal().to_bits()), "{n}");
                rng.fill_uniform(&mut many);
                assert!(many.iter().all(|x: &f64| x.to_bits() == other.uniform().to_bits()), "{n}");
            }
            assert_eq!(rng.normal(), other.normal());
            assert_eq!(rng.bits(), other.bits());
        }
    }

    #[test]
    fn no_number_is_rounded_to_one() {
        let (mut rng, mut many) = (Rng::new(11), vec![0f32; 1 << 20]);
        let mut most = 0f32;
        for _ in 0..100 {
            rng.fill_uniform(&mut many);
            most = many.iter().fold(most, |most, &x| most.max(x));
        }
        assert_eq!(most, 1f32.next_down());
    }

    #[test]
    fn distributions_have_their_moments() {
        let (mut rng, n) = (Rng::new(5), 100_000);
        let normal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let moment = |k: i32| normal.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
        assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.02 && (moment(4) - 3.0).abs() < 0.15);
        let mut counts = [0; 7];
        (0..n).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|&c| (c as f64 - n as f64 / 7.0).abs() < 500.0), "{counts:?}");
    }
}
