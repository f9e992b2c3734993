//! Parting samples: which part each one goes to.

use super::DataError;
use autograd::Rng;

/// The stream of a seed that parts samples; a loader with the same seed shuffles by the streams 0, 1, …
const STREAM: u64 = u64::MAX;

/// The numbers from 0 to `n - 1` in parts of the given fractions, drawn at random; the seed fixes which goes where.
///
/// Part `k` ends at `n` times the sum of the first `k` fractions, rounded, so each number is in exactly one part.
///
/// ```
/// let parts = nn::data::split(10, &[0.7, 0.2, 0.1], 42)?;
/// assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [7, 2, 1]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
/// # Errors
/// If a fraction does not lie between 0 and 1, or they do not add up to 1.
pub fn split(n: usize, fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    let total: f64 = fractions.iter().sum();
    // A NaN fails both comparisons.
    if !(fractions.iter().all(|f| (0.0..=1.0).contains(f)) && (total - 1.0).abs() < 1e-9) {
        return Err(DataError::Fractions { fractions: fractions.to_vec() });
    }
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(seed).stream(STREAM).shuffle(&mut order);
    let (mut sum, mut start) = (0.0, 0);
    let mut parts: Vec<Vec<usize>> = Vec::with_capacity(fractions.len());
    for fraction in fractions {
        sum += fraction;
        let end = ((n as f64 * sum).round() as usize).clamp(start, n);
        parts.push(order[start..end].to_vec());
        start = end;
    }
    // Rounding the sum must not lose the last sample of a huge `n`.
    parts.last_mut().expect("fractions that add up to 1").extend_from_slice(&order[start..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fractions_make_a_whole() {
        for bad in [&[0.5, 0.6][..], &[1.5, -0.5], &[f64::NAN, 1.0], &[], &[0.8]] {
            assert!(matches!(split(10, bad, 0), Err(DataError::Fractions { .. })), "{bad:?}");
        }
        assert!(split(3, &[0.0, 1.0], 0).unwrap()[0].is_empty());
        assert_eq!(split(0, &[1.0], 0).unwrap(), [[0_usize; 0]]);
    }

    #[test]
    fn the_seed_decides() {
        let part = |seed| split(100, &[0.5, 0.5], seed).unwrap();
        assert_eq!(part(1), part(1));
        assert_ne!(part(1), part(2));
    }

    proptest! {
        #[test]
        fn each_sample_is_in_one_part(n in 0_usize..300, weights in prop::collection::vec(0.0..1.0, 1..6), seed: u64) {
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 0.01);
            let fractions: Vec<f64> = weights.iter().map(|w| w / total).collect();
            let parts = split(n, &fractions, seed).unwrap();
            for (part, fraction) in parts.iter().zip(&fractions) {
                prop_assert!((part.len() as f64 - n as f64 * fraction).abs() <= 1.0 + 1e-6);
            }
            let mut all = parts.concat();
            all.sort();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }
}
