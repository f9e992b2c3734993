//! The traffic of an update: the sum of gradients over ranks, and the average of models.

use super::{Sharing, Team};
use crate::distributed::{CollectiveError, Pairwise, Term, all_reduce, put_bytes, share_of, take_bytes};
use crate::io::StateDict;
use crate::optim::ParamGradients;
use crate::train::error::TrainError;
use crate::{Parameters, Path};
use autograd::{Float, Tensor};

/// Tensors with fewer elements travel together, in buckets of about this many: a message costs time, however short it is.
const BUCKET: usize = 1 << 18;

/// The shapes of the places that a gradient or the change of a buffer exists for, on some rank.
pub(in crate::train) type Shapes = Vec<Option<Vec<usize>>>;

/// The shape of each parameter and buffer that is marked.
pub(in crate::train) fn shapes<T: Float>(model: &dyn Parameters<T>, marked: &[bool]) -> Shapes {
    let mut shapes = Vec::with_capacity(marked.len());
    model.visit(&mut Path::default(), &mut |_, param| {
        let marked = marked.get(shapes.len()).is_some_and(|marked| *marked);
        shapes.push(marked.then(|| param.value().shape().to_vec()));
    });
    shapes
}

fn add<T: Float>(sum: &mut ParamGradients<T>, other: ParamGradients<T>) {
    sum.add_scaled(1.0, &other);
}

impl<T: Float> Team<'_, T> {
    /// The sum of what all ranks have gathered since the last update.
    pub(in crate::train) fn reduce(&mut self, shapes: &Shapes) -> Result<ParamGradients<T>, TrainError> {
        let sums = std::mem::take(&mut self.sums);
        let mut total = match self.sharing {
            Sharing::Shards(_) => self.ordered(sums, shapes)?,
            Sharing::PerRank | Sharing::LocalSgd(_) => sums.into_iter().next().unwrap_or_default(),
        };
        total.fill(shapes);
        if self.sharing == Sharing::PerRank && self.size() > 1 {
            self.buckets(&mut total.iter_mut().collect::<Vec<_>>())?;
        }
        Ok(total)
    }

    /// The sum in the order of shards, of which each rank computes the nodes that are its own.
    fn ordered(&self, sums: Vec<ParamGradients<T>>, shapes: &Shapes) -> Result<ParamGradients<T>, TrainError> {
        let mut own = Pairwise::new();
        for (start, sum) in self.mine.clone().zip(sums) {
            own.push(Term { start, width: 1, sum }, &mut add);
        }
        if self.size() == 1 {
            return Ok(own.total(&mut add).unwrap_or_default());
        }
        let mut bytes = Vec::new();
        for term in &mut own.terms {
            term.sum.fill(shapes);
            term.sum.iter_mut().for_each(|x| put_bytes(x.make_mut(), &mut bytes));
        }
        let all = self.collective.gather(&bytes)?;
        let mut whole = Pairwise::new();
        for (rank, bytes) in all.iter().enumerate() {
            let left = &mut bytes.as_slice();
            for Term { start, width, .. } in terms_of(rank, self.size(), self.shards) {
                let mut sum = ParamGradients::new();
                sum.fill(shapes);
                for x in sum.iter_mut() {
                    let numbers = x.make_mut();
                    let short = || CollectiveError::Mismatch { problem: format!("rank {rank} sent too few gradients") };
                    take_bytes(left.split_off(..size_of_val(numbers)).ok_or_else(short)?, numbers);
                }
                whole.push(Term { start, width, sum }, &mut add);
            }
        }
        Ok(whole.total(&mut add).unwrap_or_default())
    }

    /// Sums tensors over ranks: large ones in place, small ones together.
    fn buckets(&self, tensors: &mut [&mut Tensor<T>]) -> Result<(), CollectiveError> {
        let collective = &*self.collective;
        let mut rest = tensors;
        while let Some((first, _)) = rest.split_first_mut() {
            if first.len() >= BUCKET {
                all_reduce(collective, first.make_mut())?;
                rest = &mut rest[1..];
                continue;
            }
            let mut size = 0;
            let mut fits = |x: &&mut Tensor<T>| {
                size += x.len();
                x.len() < BUCKET && size <= BUCKET
            };
            let bucket = rest.iter().take_while(|x| fits(x)).count();
            let (small, others) = rest.split_at_mut(bucket);
            let mut numbers: Vec<T> = small.iter().flat_map(|x| x.iter()).collect();
            all_reduce(collective, &mut numbers)?;
            let mut numbers = numbers.into_iter();
            small.iter_mut().for_each(|x| x.make_mut().iter_mut().zip(&mut numbers).for_each(|(x, sum)| *x = sum));
            rest = others;
        }
        Ok(())
    }

    /// The mean over ranks of each tensor of numbers of type `T` or `f64`; the rest as the first rank has it.
    pub(in crate::train) fn average(&self, dict: &StateDict) -> Result<StateDict, TrainError> {
        let mut mean = self.sent_by_first(|| Ok(dict.clone()))?;
        let by = 1.0 / self.size() as f64;
        for (name, tensor) in dict.iter() {
            if let Some(own) = tensor.get::<T>() {
                let mut own = own.deep_copy();
                self.buckets(&mut [&mut own])?;
                own.make_mut().iter_mut().for_each(|x| *x *= T::of(by));
                mean.insert(name, own);
            } else if let Some(own) = tensor.get::<f64>() {
                let mut own = own.deep_copy();
                all_reduce(&*self.collective, own.make_mut())?;
                own.make_mut().iter_mut().for_each(|x| *x *= by);
                mean.insert(name, own);
            }
        }
        Ok(mean)
    }
}

/// The terms that a rank sends, without their sums.
fn terms_of(rank: usize, size: usize, shards: usize) -> Vec<Term<()>> {
    let mut terms = Pairwise::new();
    share_of(rank, size, shards).for_each(|start| terms.push(Term { start, width: 1, sum: () }, &mut |(), ()| ()));
    terms.terms
}
