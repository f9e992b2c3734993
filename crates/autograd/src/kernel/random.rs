//! Random numbers: a seed determines every bit, on any machine and any number of threads. The generator is ChaCha with
//! eight rounds, from a library; the distributions are implemented here, so that they never change between releases.

use super::isa::simd;
use super::threads;
use crate::error::or_panic;
use crate::float::vmath::Elementary;
use crate::float::{Float, Real};
use crate::tensor::Tensor;
use crate::tensor::layout::room;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};

/// Number of random values drawn at a time, before they are transformed.
const BLOCK: usize = 128;
/// Items that a thread processes at a time.
const CHUNK: usize = 64 * BLOCK;

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
#[derive(Debug)]
pub struct Rng {
    chacha: ChaCha8Rng,
    /// The Box-Muller method generates normal numbers in pairs; this holds the second one of a pair.
    spare: Option<f64>,
}

/// The copy is at the same place of the same stream.
impl Clone for Rng {
    fn clone(&self) -> Rng {
        let mut chacha = ChaCha8Rng::from_seed(self.chacha.get_seed());
        chacha.set_stream(self.chacha.get_stream());
        chacha.set_word_pos(self.chacha.get_word_pos());
        Rng { chacha, spare: self.spare }
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
        Rng { chacha: ChaCha8Rng::seed_from_u64(seed), spare: None }
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
        let mut chacha = ChaCha8Rng::from_seed(self.chacha.get_seed());
        chacha.set_stream(n);
        Rng { chacha, spare: None }
    }

    /// Returns 64 random bits.
    ///
    /// ```
    /// let mut rng = autograd::Rng::new(7);
    /// let coin = rng.bits() & 1 == 1;
    /// # let _ = coin;
    /// ```
    pub fn bits(&mut self) -> u64 {
        self.chacha.next_u64()
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
        let mut pair = [[self.uniform(), self.uniform()]];
        box_muller(&mut pair);
        self.spare = Some(pair[0][1]);
        pair[0][0]
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
        // Rounding to a narrower type would turn some numbers into 1.
        let below_one = T::one() - T::of(0.5) * T::EPSILON;
        self.share_out(out, 1, |rng, out| {
            let mut raw = [0; BLOCK];
            for out in out.chunks_mut(BLOCK) {
                let raw = &mut raw[..out.len()];
                raw.iter_mut().for_each(|bits| *bits = rng.bits());
                out.iter_mut().zip(raw).for_each(|(x, bits)| *x = Real::min(T::of(unit(*bits)), below_one));
            }
        });
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
        self.share_out(pairs, 2, |rng, pairs| {
            let mut block = [[0.0; 2]; BLOCK / 2];
            for pairs in pairs.chunks_mut(block.len()) {
                let block = &mut block[..pairs.len()];
                block.iter_mut().for_each(|pair| *pair = [rng.uniform(), rng.uniform()]);
                box_muller(block);
                pairs.iter_mut().zip(block).for_each(|(out, pair)| *out = pair.map(T::of));
            }
        });
        last.iter_mut().for_each(|x| *x = T::of(self.normal()));
    }

    /// Fills `out`, each item of which takes `draws` times 64 bits, on all threads. Each chunk starts at the position
    /// in the stream that it would have if one thread drew all numbers.
    fn share_out<V: Send>(&mut self, out: &mut [V], draws: usize, fill: impl Fn(&mut Rng, &mut [V]) + Sync) {
        if out.len() <= CHUNK {
            return fill(self, out);
        }
        let (start, len) = (&*self, out.len());
        threads::for_each_chunk(out, CHUNK, &|i, out| fill(&mut start.ahead(i * CHUNK * draws), out));
        *self = self.ahead(len * draws);
    }

    /// The same generator, advanced by `draws` draws of 64 bits.
    fn ahead(&self, draws: usize) -> Rng {
        const WORDS: u128 = 2;
        let mut rng = self.clone();
        rng.chacha.set_word_pos(self.chacha.get_word_pos() + WORDS * draws as u128);
        rng
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
            // Reject the few low parts that would make some results more likely than others.
            if wide as u64 >= n.wrapping_neg() % n {
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
    /// Transforms pairs of numbers uniform on `[0, 1)` into independent normal numbers.
    fn box_muller<T: Float>(pairs: &mut [[T; 2]]) {
        for [u, v] in pairs {
            // 1 - u is never 0, so the logarithm is finite.
            let radius = Real::sqrt(T::of(-2.0) * Elementary::ln(T::one() - *u));
            let angle = T::of(std::f64::consts::TAU) * *v;
            (*u, *v) = (radius * Elementary::cos(angle), radius * Elementary::sin(angle));
        }
    }
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
