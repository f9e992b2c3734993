//! Checksums of data sets, by which a resumed training run recognizes its data.

use super::{DataError, Samples};
use crate::fields::{ONLY_INPUT, ONLY_TARGET, each};
use crate::io::AnyTensor;
use crate::once;
use autograd::{Element, Tensor};
use flate2::Crc;
use std::io::{self, Write};

/// Samples read at a time.
const BLOCK: usize = 256;

/// A function that returns the samples at some indices.
type Reader<'a, T> = &'a dyn Fn(&[usize]) -> Result<Samples<T>, DataError>;

once! {
    /// The checksum of `len` samples, read in blocks: of every bit of their inputs, targets and weights, and of their
    /// types and shapes.
    pub(super) fn of_samples<'a, T>(len: usize, samples: Reader<'a, T>) -> Result<u64, DataError> {
        let mut digest = Digest(Crc::new());
        let mut start = 0;
        while start < len {
            let end = len.min(start + BLOCK);
            // Without `..`: everything in a batch is compared.
            let Samples { inputs, targets, weights } = samples(&(start..end).collect::<Vec<_>>())?;
            for (name, field) in inputs.iter().chain(targets.iter()) {
                digest.name(name);
                each!(field, x => digest.tensor(x));
            }
            if let Some(weights) = &weights {
                digest.tensor(weights);
            }
            start = end;
        }
        Ok(digest.value())
    }
}

struct Digest(Crc);

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Digest {
    fn tensor<E: Element>(&mut self, x: &Tensor<E>) {
        let sizes: Vec<u8> = x.shape().iter().flat_map(|size| (*size as u64).to_le_bytes()).collect();
        self.0.update(E::NAME.as_bytes());
        self.0.update(&sizes);
        AnyTensor::from(x.clone()).write_numbers(self).expect("a checksum takes every byte");
    }

    /// The names of a single input and a single target do not count.
    fn name(&mut self, name: &str) {
        if name != ONLY_INPUT && name != ONLY_TARGET {
            self.0.update(name.as_bytes());
        }
    }

    fn value(&self) -> u64 {
        u64::from(self.0.amount()) << 32 | u64::from(self.0.sum())
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{Augmented, Dataset, HorizontalFlip, Subset, TensorDataset};
    use crate::loss::Target;
    use autograd::{Tensor, tensor};

    #[test]
    fn a_bit_of_any_sample_target_or_weight_changes_the_checksum() {
        let inputs =
            |changed: usize| Tensor::from_fn(&[600, 2], |i| if i[0] == changed { 1e-300 } else { i[0] as f64 });
        let labels = |changed: usize| (0..600).map(|i| i64::from(i == changed)).collect::<Tensor<i64>>();
        let data = |x: usize, y: usize| TensorDataset::new(inputs(x), Target::Labels(labels(y))).unwrap();
        let weighted =
            |w: f64| data(9999, 9999).weighted(Tensor::from_fn(&[600], |i| if i[0] == 599 { w } else { 1.0 }));
        let plain = data(9999, 9999);
        let values = TensorDataset::new(inputs(9999), Target::Values(labels(9999).to_float())).unwrap();
        let all = [
            plain.digest(),
            data(599, 9999).digest(),
            data(9999, 0).digest(),
            data(0, 9999).digest(),
            weighted(1.0).unwrap().digest(),
            weighted(2.0).unwrap().digest(),
            values.digest(),
            Subset::new(&plain, (0..599).collect()).unwrap().digest(),
        ];
        let mut found: Vec<u64> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(found[0], Subset::new(&plain, (0..600).collect()).unwrap().digest().unwrap());
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn shapes_and_transforms_change_the_checksum() {
        let of = |x: Tensor<f64>| TensorDataset::new(x, Target::Labels(tensor![0_i64, 1])).unwrap();
        let flat = Tensor::from_fn(&[2, 4], |i| i[1] as f64);
        assert_ne!(of(flat.clone()).digest().unwrap(), of(flat.reshape(&[2, 2, 2])).digest().unwrap());
        let pictures = of(flat.reshape(&[2, 1, 2, 2]));
        let flipped = |probability| Augmented::new(&pictures, 1).then(HorizontalFlip { probability }).digest().unwrap();
        assert_eq!(flipped(0.0), pictures.digest().unwrap());
        assert_ne!(flipped(0.0), flipped(1.0));
    }
}
