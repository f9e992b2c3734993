//! The traffic of an update: the sum of gradients over ranks, and the average of models.

use super::messages::union;
use super::{Sharing, Team};
use crate::distributed::{CollectiveError, Pairwise, Term, all_reduce, put_bytes, share_of, take_bytes};
use crate::io::StateDict;
use crate::optim::ParamGradients;
use crate::train::error::TrainError;
use crate::{Parameters, Path};
use autograd::{Float, Rows, Tensor};

/// Tensors with fewer elements are sent together, in buckets of about this many, since even a short message has a fixed
/// cost.
const BUCKET: usize = 1 << 18;

/// The parameters and buffers that have a gradient or a change on some rank.
#[derive(Debug, Default)]
pub(in crate::train) struct Places {
    /// The shapes of the dense ones.
    dense: Vec<Option<Vec<usize>>>,
    /// Those of tables whose gradients may have only some rows, and the shapes of the tables.
    tables: Vec<(usize, Vec<usize>)>,
}

impl Places {
    /// The marked parameters and buffers.
    pub(in crate::train) fn of<T: Float>(model: &dyn Parameters<T>, marked: &[bool]) -> Self {
        let mut places = Places::default();
        model.visit(&mut Path::default(), &mut |_, param| {
            let place = places.dense.len();
            let shape = marked.get(place).is_some_and(|marked| *marked).then(|| param.value().shape().to_vec());
            match shape {
                Some(shape) if param.is_by_rows() => {
                    places.tables.push((place, shape));
                    places.dense.push(None);
                }
                shape => places.dense.push(shape),
            }
        });
        places
    }

    /// The gradients that have all rows.
    fn dense<'s, T: Float>(&self, sum: &'s mut ParamGradients<T>) -> impl Iterator<Item = &'s mut Tensor<T>> {
        sum.fill(&self.dense);
        sum.places_mut().zip(&self.dense).filter_map(|(x, shape)| x.as_mut().filter(|_| shape.is_some()))
    }
}

fn add<T: Float>(sum: &mut ParamGradients<T>, other: ParamGradients<T>) {
    sum.add_scaled(1.0, &other);
}

impl<T: Float> Team<'_, T> {
    /// The sum of what all ranks have gathered since the last update.
    pub(in crate::train) fn reduce(&mut self, places: &Places) -> Result<ParamGradients<T>, TrainError> {
        let sums = std::mem::take(&mut self.sums);
        let mut total = match self.sharing {
            Sharing::Shards(_) => self.ordered(sums, places)?,
            Sharing::PerRank | Sharing::LocalSgd(_) => sums.into_iter().next().unwrap_or_default(),
        };
        let shared = self.sharing == Sharing::PerRank && self.size() > 1;
        let mut dense: Vec<_> = places.dense(&mut total).collect();
        if shared {
            self.buckets(&mut dense)?;
        }
        if shared && !places.tables.is_empty() {
            self.tables(&mut total, places)?;
        }
        Ok(total)
    }

    /// Sums the gradients of tables in the order of ranks. Every rank sends the rows that it has.
    fn tables(&self, total: &mut ParamGradients<T>, places: &Places) -> Result<(), CollectiveError> {
        let mut bytes = Vec::new();
        places.tables.iter().for_each(|(place, _)| put_table(total, *place, &mut bytes));
        let mut sum = ParamGradients::new();
        for (rank, bytes) in self.collective.gather(&bytes)?.iter().enumerate() {
            let (left, mut own) = (&mut bytes.as_slice(), ParamGradients::new());
            for (place, shape) in &places.tables {
                take_table(left, *place, shape, &mut own).ok_or_else(|| short(rank))?;
            }
            add(&mut sum, own);
        }
        for (place, _) in &places.tables {
            if let Some(values) = sum.get(*place) {
                total.put(*place, values.clone(), sum.rows(*place).cloned());
            }
        }
        Ok(())
    }

    /// The sum in the order of shards. Each rank computes its own nodes of the tree.
    fn ordered(&self, sums: Vec<ParamGradients<T>>, places: &Places) -> Result<ParamGradients<T>, TrainError> {
        let mut own = Pairwise::new();
        for (start, mut sum) in self.mine.clone().zip(sums) {
            // A shard without a gradient adds zeros on one rank, too: 0 + -0 is 0.
            sum.fill(&places.dense);
            own.push(Term { start, width: 1, sum }, &mut add);
        }
        if self.size() == 1 {
            return Ok(own.total(&mut add).unwrap_or_default());
        }
        let mut bytes = Vec::new();
        for term in &mut own.terms {
            places.dense(&mut term.sum).for_each(|x| put_bytes(x.make_mut(), &mut bytes));
            places.tables.iter().for_each(|(place, _)| put_table(&term.sum, *place, &mut bytes));
        }
        let all = self.collective.gather(&bytes)?;
        let mut whole = Pairwise::new();
        for (rank, bytes) in all.iter().enumerate() {
            let left = &mut bytes.as_slice();
            for Term { start, width, .. } in terms_of(rank, self.size(), self.shards) {
                let mut sum = ParamGradients::new();
                for x in places.dense(&mut sum) {
                    take_numbers(left, x).ok_or_else(|| short(rank))?;
                }
                for (place, shape) in &places.tables {
                    take_table(left, *place, shape, &mut sum).ok_or_else(|| short(rank))?;
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

    /// The mean of each tensor of numbers of type `T` or `f64` over the ranks that have it, except for some; the rest is
    /// taken from the first rank that has it. An optimizer has no state for a parameter that never had a gradient.
    pub(in crate::train) fn average(&self, dict: &StateDict, except: &[String]) -> Result<StateDict, TrainError> {
        let (whole, all) = union(&*self.collective, dict)?;
        let mut mean = whole.clone();
        for (name, first) in whole.iter().filter(|(name, _)| !except.iter().any(|other| other == name)) {
            let by = 1.0 / all.iter().filter(|message| message.metadata.contains_key(name)).count() as f64;
            if let Some(first) = first.get::<T>() {
                let mut own = own_or_zeros(dict, name, first);
                self.buckets(&mut [&mut own])?;
                own.make_mut().iter_mut().for_each(|x| *x *= T::of(by));
                mean.insert(name, own);
            } else if let Some(first) = first.get::<f64>() {
                let mut own = own_or_zeros(dict, name, first);
                all_reduce(&*self.collective, own.make_mut())?;
                own.make_mut().iter_mut().for_each(|x| *x *= by);
                mean.insert(name, own);
            }
        }
        Ok(mean)
    }
}

/// A copy of this rank's tensor, or zeros of the shape that another rank's has.
fn own_or_zeros<N: Float>(dict: &StateDict, name: &str, like: &Tensor<N>) -> Tensor<N> {
    match dict.get(name).and_then(|own| own.get::<N>()) {
        Some(own) => own.deep_copy(),
        None => Tensor::zeros(like.shape()),
    }
}

fn short(rank: usize) -> CollectiveError {
    CollectiveError::Mismatch { problem: format!("rank {rank} sent too few gradients, or rows that are not there") }
}

/// Replaces numbers by the next ones of a message.
fn take_numbers<T: Float>(left: &mut &[u8], x: &mut Tensor<T>) -> Option<()> {
    let numbers = x.make_mut();
    take_bytes(left.split_off(..size_of_val(numbers))?, numbers);
    Some(())
}

/// Instead of a number of rows: there is no gradient.
const NONE: i64 = -1;

/// Writes the gradient of a table: how many rows it has, or one more than all if it is not by rows; which they are; and
/// their numbers.
fn put_table<T: Float>(sum: &ParamGradients<T>, place: usize, bytes: &mut Vec<u8>) {
    let Some(values) = sum.get(place) else { return bytes.extend(NONE.to_le_bytes()) };
    match sum.rows(place) {
        Some(rows) => [rows.len() as i64].iter().chain(rows.index()).for_each(|row| bytes.extend(row.to_le_bytes())),
        None => bytes.extend((values.shape()[0] as i64 + 1).to_le_bytes()),
    }
    put_bytes(values.contiguous().as_slice().expect("it is contiguous"), bytes);
}

fn take_integer(left: &mut &[u8]) -> Option<i64> {
    let (bytes, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(i64::from_le_bytes(*bytes))
}

/// Takes the gradient of a table that [`put_table`] wrote.
fn take_table<T: Float>(left: &mut &[u8], place: usize, shape: &[usize], sum: &mut ParamGradients<T>) -> Option<()> {
    let count = take_integer(left)?;
    if count == NONE {
        return Some(());
    }
    let count = usize::try_from(count).ok()?;
    let rows = match count <= shape[0] {
        true => Some(Rows::new((0..count).map(|_| take_integer(left)).collect::<Option<_>>()?, shape[0])?),
        false => None,
    };
    let mut values = Tensor::zeros(&[&[count.min(shape[0])], &shape[1..]].concat());
    take_numbers(left, &mut values)?;
    sum.put(place, values, rows);
    Some(())
}

/// The terms that a rank sends, without their sums.
fn terms_of(rank: usize, size: usize, shards: usize) -> Vec<Term<()>> {
    let mut terms = Pairwise::new();
    share_of(rank, size, shards).for_each(|start| terms.push(Term { start, width: 1, sum: () }, &mut |(), ()| ()));
    terms.terms
}
