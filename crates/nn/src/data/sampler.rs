//! [`Order`]: which samples an epoch takes, and in what order. Seed and epoch determine it.

use super::DataError;
use autograd::Rng;
use std::sync::Arc;

/// Which samples an epoch takes, and in what order.
///
/// ```
/// use nn::data::{DataLoader, Order, digits};
/// let digits = digits::<f32>();
/// let order = |order: Order| Ok::<_, nn::data::DataError>(DataLoader::new(&digits, 100)?.ordered(&order,
/// 7)?.order(0)); assert_eq!(order(Order::InOrder)?[..3], [0, 1, 2]);
/// assert_ne!(order(Order::Shuffled)?[..3], [0, 1, 2]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Order {
    /// 0, 1, 2, …: for sequences, whose batches must follow each other.
    InOrder,
    /// Each sample once, in a random order that differs in each epoch.
    #[default]
    Shuffled,
    /// As many draws as samples, with replacement, in proportion to these weights, so that rare classes can appear as
    /// often as common ones.
    Weighted(Vec<f64>),
    /// Each sample once, in a random order in which every batch has nearly the class proportions of the whole. Contains
    /// the class of each sample.
    Stratified(Vec<i64>),
}

impl Order {
    /// The name under which training runs are compared.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Order::InOrder => "in order",
            Order::Shuffled => "shuffled",
            Order::Weighted(_) => "weighted",
            Order::Stratified(_) => "stratified",
        }
    }
}

/// An [`Order`] with its seed, prepared for a given number of samples.
#[derive(Debug, Clone)]
pub(super) enum Sampler {
    /// 0, 1, 2, …
    InOrder,
    /// Each sample once, in random order.
    Shuffled { seed: u64 },
    /// As many draws as samples, with replacement, by weights with these running sums.
    Weighted { seed: u64, sums: Arc<[f64]> },
    /// Each sample once, in random order, with nearly constant class proportions. Contains the class of each sample.
    Stratified { seed: u64, classes: Arc<[i64]> },
}

impl Sampler {
    pub(super) fn new(order: &Order, samples: usize, seed: u64) -> Result<Self, DataError> {
        match order {
            Order::InOrder => Ok(Sampler::InOrder),
            Order::Shuffled => Ok(Sampler::Shuffled { seed }),
            Order::Weighted(weights) => Sampler::weighted(samples, weights, seed),
            Order::Stratified(labels) => Sampler::stratified(samples, labels, seed),
        }
    }

    pub(super) fn weighted(samples: usize, weights: &[f64], seed: u64) -> Result<Self, DataError> {
        fits("weights", weights.len(), samples)?;
        if let Some((index, weight)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            return Err(DataError::Weight { index, weight: *weight });
        }
        let sums: Arc<[f64]> = weights
            .iter()
            .scan(0.0, |sum, w| {
                *sum += w;
                Some(*sum)
            })
            .collect();
        match sums.last() {
            Some(total) if *total > 0.0 && total.is_finite() => Ok(Sampler::Weighted { seed, sums }),
            _ => Err(DataError::NoWeight),
        }
    }

    pub(super) fn stratified(samples: usize, labels: &[i64], seed: u64) -> Result<Self, DataError> {
        fits("labels", labels.len(), samples)?;
        Ok(Sampler::Stratified { seed, classes: labels.into() })
    }

    /// Indices of the samples of an epoch, in order.
    pub(super) fn order(&self, samples: usize, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..samples).collect();
        let rng = |seed: &u64| Rng::new(*seed).stream(epoch);
        match self {
            Sampler::InOrder => {}
            Sampler::Shuffled { seed } => rng(seed).shuffle(&mut order),
            Sampler::Weighted { seed, sums } => {
                let (mut rng, total) = (rng(seed), sums[samples - 1]);
                // A product can round up to the total. `last` is the last sample with a positive weight: a weight of 0
                // repeats the sum before it.
                let last = sums.partition_point(|sum| *sum < total);
                let mut draw = || {
                    let u = rng.uniform() * total;
                    sums.partition_point(|sum| *sum <= u)
                };
                order.iter_mut().for_each(|index| *index = draw().min(last));
            }
            Sampler::Stratified { seed, classes } => {
                let mut rng = rng(seed);
                rng.shuffle(&mut order);
                let places = spread(&order, classes, &mut rng);
                let mut pairs: Vec<(f64, usize)> = places.into_iter().zip(order).collect();
                pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
                order = pairs.into_iter().map(|(_, index)| index).collect();
            }
        }
        order
    }
}

/// A position between 0 and 1 for each sample. The n samples of a class get one position in each of n equal intervals.
fn spread(order: &[usize], classes: &[i64], rng: &mut Rng) -> Vec<f64> {
    let mut counts = std::collections::HashMap::new();
    classes.iter().for_each(|class| counts.entry(class).or_insert((0.0, 0.0)).1 += 1.0);
    let mut place = |index: &usize| {
        let (seen, of) = counts.get_mut(&classes[*index]).expect("every class was counted");
        *seen += 1.0;
        (*seen - rng.uniform()) / *of
    };
    order.iter().map(&mut place).collect()
}

fn fits(what: &'static str, given: usize, samples: usize) -> Result<(), DataError> {
    if given == samples { Ok(()) } else { Err(DataError::PerSample { what, given, samples }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_decide_how_often() {
        let sampler = Sampler::weighted(4, &[0.0, 1.0, 3.0, 0.0], 5).unwrap();
        let mut counts = [0; 4];
        (0..2500).for_each(|epoch| sampler.order(4, epoch).into_iter().for_each(|i| counts[i] += 1));
        assert_eq!((counts[0], counts[3]), (0, 0));
        // 10,000 draws: the standard deviation is 43.
        assert!((counts[1] as f64 - 2500.0).abs() < 200.0, "{counts:?}");
        assert_eq!(sampler.order(4, 7), sampler.order(4, 7));
    }

    #[test]
    fn weights_and_labels_fit() {
        let message = |error: Result<Sampler, DataError>| error.unwrap_err().to_string();
        assert_eq!(message(Sampler::weighted(2, &[1.0], 0)), "got 1 weights for 2 samples; expected one per sample");
        assert_eq!(
            message(Sampler::stratified(2, &[1, 0, 1], 0)),
            "got 3 labels for 2 samples; expected one per sample"
        );
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Sampler::weighted(2, &[1.0, bad], 0), Err(DataError::Weight { index: 1, .. })));
        }
        for none in [[0.0, 0.0], [f64::MAX, f64::MAX]] {
            assert!(matches!(Sampler::weighted(2, &none, 0), Err(DataError::NoWeight)));
        }
    }

    proptest! {
        #[test]
        fn every_stretch_has_the_classes_in_proportion(
            classes in prop::collection::vec(0_i64..4, 1..200), seed: u64, size in 1_usize..40,
        ) {
            let n = classes.len();
            let order = Sampler::stratified(n, &classes, seed).unwrap().order(n, 3);
            let mut all = order.clone();
            all.sort();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
            for start in (0..n).step_by(size) {
                let batch = &order[start..n.min(start + size)];
                for class in 0..4 {
                    let count = |of: &mut dyn Iterator<Item = i64>| of.filter(|c| *c == class).count() as f64;
                    let found = count(&mut batch.iter().map(|i| classes[*i]));
                    let due = count(&mut classes.iter().copied()) * batch.len() as f64 / n as f64;
                    // Each class deviates by less than one at either end, and the other classes shift the ends, too.
                    prop_assert!((found - due).abs() <= 2.0 + 4.0, "{found} of {due} in {batch:?}");
                }
            }
        }
    }
}
