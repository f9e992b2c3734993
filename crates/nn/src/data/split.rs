//! Random splits of a data set into parts.

use super::DataError;
use autograd::Rng;

/// The random stream for splits. A loader with the same seed shuffles by the streams 0, 1, …
const STREAM: u64 = u64::MAX;

/// Splits the indices from 0 to `n - 1` at random into parts of the given fractions. The seed determines the split.
///
/// Part `k` ends at `n` times the sum of the first `k` fractions, rounded, so each index is in exactly one part.
///
/// ```
/// let parts = nn::data::split(10, &[0.7, 0.2, 0.1], 42)?;
/// assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [7, 2, 1]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
/// # Errors
/// If a fraction does not lie between 0 and 1, or they do not add up to 1.
#[doc(alias = "random_split")]
pub fn split(n: usize, fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    check(fractions)?;
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

/// Like [`split`], but each part has the class proportions of the whole, to within one sample per cut, so that rare
/// classes also reach the test part. Takes one label per sample.
///
/// ```
/// let labels = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
/// let parts = nn::data::split_stratified(&labels, &[0.5, 0.5], 42)?;
/// let ones = |part: &[usize]| part.iter().filter(|i| labels[**i] == 1).count();
/// assert_eq!((parts[0].len(), ones(&parts[0]), ones(&parts[1])), (5, 1, 1));
/// # Ok::<(), nn::data::DataError>(())
/// ```
/// # Errors
/// Same as [`split`].
pub fn split_stratified(labels: &[i64], fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    check(fractions)?;
    let mut rng = Rng::new(seed).stream(STREAM);
    let mut left: Vec<usize> = (0..labels.len()).collect();
    rng.shuffle(&mut left);
    left.sort_by_key(|i| labels[*i]);
    let (mut whole, mut parts) = (1.0, Vec::with_capacity(fractions.len()));
    for (k, fraction) in fractions.iter().enumerate() {
        // Takes every 1/share-th of the remaining samples, sorted by class, so that every class contributes its share.
        let share = if k + 1 == fractions.len() { 1.0 } else { (fraction / whole).min(1.0) };
        let upto = |place: usize| (place as f64 * share).round();
        let (mut part, mut rest) = (Vec::new(), Vec::new());
        for (place, i) in left.into_iter().enumerate() {
            if upto(place + 1) > upto(place) { part.push(i) } else { rest.push(i) }
        }
        rng.shuffle(&mut part);
        parts.push(part);
        (left, whole) = (rest, f64::max(whole - fraction, f64::MIN_POSITIVE));
    }
    Ok(parts)
}

/// Returns an error unless the fractions add up to 1.
fn check(fractions: &[f64]) -> Result<(), DataError> {
    let total: f64 = fractions.iter().sum();
    // A NaN fails both comparisons.
    if fractions.iter().all(|f| (0.0..=1.0).contains(f)) && (total - 1.0).abs() < 1e-9 {
        return Ok(());
    }
    Err(DataError::Fractions { fractions: fractions.to_vec() })
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
        fn each_part_has_the_classes_in_proportion(
            labels in prop::collection::vec(-1_i64..4, 0..200), weights in prop::collection::vec(0.0..1.0, 1..5), seed: u64,
        ) {
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 0.01);
            let fractions: Vec<f64> = weights.iter().map(|w| w / total).collect();
            let parts = split_stratified(&labels, &fractions, seed).unwrap();
            prop_assert_eq!(&parts, &split_stratified(&labels, &fractions, seed).unwrap());
            for (k, (part, fraction)) in parts.iter().zip(&fractions).enumerate() {
                for class in -1..4 {
                    let due = labels.iter().filter(|l| **l == class).count() as f64 * fraction;
                    let found = part.iter().filter(|i| labels[**i] == class).count() as f64;
                    // One sample per cut: the earlier cuts determine what is left for this one.
                    prop_assert!((found - due).abs() <= (k + 1) as f64 + 1e-6, "{} of {}", found, due);
                }
            }
            let mut all = parts.concat();
            all.sort();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        }

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
