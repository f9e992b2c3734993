//! A [`Collective`] of the threads of one process, without any dependency: for tests and for experiments.

use super::{Collective, CollectiveError, Numbers};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// One of the ranks that [`on_threads`] starts.
///
/// ```
/// use nn::distributed::{Collective, ThreadRank, on_threads};
/// let place = |rank: ThreadRank| (rank.rank(), rank.size());
/// assert_eq!(on_threads(2, place), [(0, 2), (1, 2)]);
/// ```
pub struct ThreadRank {
    rank: usize,
    size: usize,
    room: Arc<Room>,
}

/// Runs a function on `size` threads at the same time, each of them one rank, and returns the results in order of ranks.
/// If a rank ends while others wait for it, these get an error.
///
/// ```
/// use nn::{data::digits, distributed::on_threads, layer::Mlp, loss::CrossEntropy, optim::Adam, train::Trainer};
/// let digits = digits::<f32>();
/// let losses = on_threads(2, |rank| {
///     let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-3)).epochs(1).distributed(rank);
///     trainer.fit(&mut Mlp::new(&[64, 16, 10]).build(), &digits).unwrap().epochs[0].loss
/// });
/// assert_eq!(losses[0], losses[1]);
/// ```
/// # Panics
/// Panics if `size` is 0 or the function panics.
#[track_caller]
pub fn on_threads<R: Send>(size: usize, work: impl Fn(ThreadRank) -> R + Sync) -> Vec<R> {
    assert!(size > 0, "on_threads: there must be at least 1 rank, got 0");
    let room = Arc::new(Room { state: Mutex::new(Round::new(size)), changed: Condvar::new() });
    let ranks = (0..size).map(|rank| ThreadRank { rank, size, room: room.clone() });
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = ranks.map(|rank| scope.spawn(move || work(rank))).collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let ended = |result: thread::Result<R>| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        results.into_iter().map(ended).collect()
    })
}

/// The shared state of the ranks.
struct Room {
    state: Mutex<Round>,
    changed: Condvar,
}

/// One exchange: each rank leaves a part; once all are there, each takes all.
struct Round {
    parts: Vec<Option<Part>>,
    whole: Option<Arc<Vec<Part>>>,
    /// The number of ranks that still have to read `whole`.
    readers: usize,
    /// The first rank that has ended.
    lost: Option<usize>,
}

impl Round {
    fn new(size: usize) -> Self {
        Round { parts: (0..size).map(|_| None).collect(), whole: None, readers: 0, lost: None }
    }
}

/// What a rank contributes to an exchange, and the operation that it belongs to.
#[derive(PartialEq)]
enum Part {
    F32(Vec<f32>),
    F64(Vec<f64>),
    Gather(Vec<u8>),
    Broadcast { from: usize, bytes: Vec<u8> },
    Barrier,
}

impl Part {
    /// What must be the same on all ranks.
    fn told(&self) -> String {
        match self {
            Part::F32(numbers) => format!("all_reduce of {} f32", numbers.len()),
            Part::F64(numbers) => format!("all_reduce of {} f64", numbers.len()),
            Part::Gather(_) => "gather".into(),
            Part::Broadcast { from, .. } => format!("broadcast from rank {from}"),
            Part::Barrier => "barrier".into(),
        }
    }
}

impl ThreadRank {
    fn state(&self) -> MutexGuard<'_, Round> {
        // A rank does not panic while it holds the lock.
        self.room.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready`, unless a rank has ended.
    fn wait<'r>(
        &self,
        mut state: MutexGuard<'r, Round>,
        ready: impl Fn(&Round) -> bool,
    ) -> Result<MutexGuard<'r, Round>, CollectiveError> {
        while !ready(&state) {
            if let Some(rank) = state.lost {
                return Err(CollectiveError::Lost { rank });
            }
            state = self.room.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(state)
    }

    /// Exchanges parts of the same operation.
    fn exchange(&self, part: Part) -> Result<Arc<Vec<Part>>, CollectiveError> {
        let all = self.meet(part)?;
        let own = all[self.rank].told();
        match all.iter().enumerate().find(|(_, other)| other.told() != own) {
            None => Ok(all),
            Some((other, part)) => {
                let problem = format!("rank {} calls {own}, and rank {other} {}", self.rank, part.told());
                Err(CollectiveError::Mismatch { problem })
            }
        }
    }

    fn meet(&self, part: Part) -> Result<Arc<Vec<Part>>, CollectiveError> {
        let mut state = self.wait(self.state(), |round| round.whole.is_none())?;
        state.parts[self.rank] = Some(part);
        if state.parts.iter().all(Option::is_some) {
            let parts = state.parts.iter_mut().filter_map(Option::take).collect();
            (state.whole, state.readers) = (Some(Arc::new(parts)), self.size);
            self.room.changed.notify_all();
        }
        let mut state = self.wait(state, |round| round.whole.is_some())?;
        let whole = state.whole.clone().expect("it was waited for");
        state.readers -= 1;
        if state.readers == 0 {
            state.whole = None;
            self.room.changed.notify_all();
        }
        Ok(whole)
    }
}

/// Other ranks must not wait for a rank that has ended.
impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.state().lost.get_or_insert(self.rank);
        self.room.changed.notify_all();
    }
}

impl Collective for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_reduce(&self, numbers: Numbers<'_>) -> Result<(), CollectiveError> {
        fn sum<N: Copy + std::ops::AddAssign>(sum: &mut [N], parts: &mut dyn Iterator<Item = &Vec<N>>) {
            let first = parts.next().expect("at least one rank");
            sum.copy_from_slice(first);
            parts.for_each(|part| sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += *x));
        }
        match numbers {
            Numbers::F32(numbers) => {
                let all = self.exchange(Part::F32(numbers.to_vec()))?;
                sum(numbers, &mut all.iter().filter_map(|part| if let Part::F32(x) = part { Some(x) } else { None }));
            }
            Numbers::F64(numbers) => {
                let all = self.exchange(Part::F64(numbers.to_vec()))?;
                sum(numbers, &mut all.iter().filter_map(|part| if let Part::F64(x) = part { Some(x) } else { None }));
            }
        }
        Ok(())
    }

    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let own = if self.rank == from { std::mem::take(bytes) } else { Vec::new() };
        let all = self.exchange(Part::Broadcast { from, bytes: own })?;
        let Some(Part::Broadcast { bytes: sent, .. }) = all.get(from) else {
            return Err(CollectiveError::Mismatch { problem: format!("there is no rank {from} to broadcast") });
        };
        bytes.clone_from(sent);
        Ok(())
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let all = self.exchange(Part::Gather(bytes.to_vec()))?;
        Ok(all.iter().filter_map(|part| if let Part::Gather(x) = part { Some(x.clone()) } else { None }).collect())
    }

    fn barrier(&self) -> Result<(), CollectiveError> {
        self.exchange(Part::Barrier).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rounds_in_a_row_do_not_mix() {
        let sums = on_threads(4, |rank| {
            (0..500)
                .map(|round| {
                    let mut x = [(round * (rank.rank() + 1)) as f32];
                    rank.all_reduce(Numbers::F32(&mut x)).unwrap();
                    x[0]
                })
                .collect::<Vec<_>>()
        });
        let expected: Vec<f32> = (0..500).map(|round| (10 * round) as f32).collect();
        assert!(sums.iter().all(|sums| *sums == expected));
    }

    #[test]
    fn ranks_that_do_different_things_are_told_which() {
        let errors = on_threads(2, |rank| match rank.rank() {
            0 => rank.all_reduce(Numbers::F64(&mut [0.0; 3])),
            _ => rank.all_reduce(Numbers::F64(&mut [0.0; 4])),
        });
        let said = errors[0].as_ref().unwrap_err().to_string();
        assert!(said.contains("rank 0 calls all_reduce of 3 f64, and rank 1 all_reduce of 4 f64"), "{said}");
        assert!(errors[1].is_err());
        let errors = on_threads(2, |rank| if rank.rank() == 0 { rank.barrier() } else { rank.gather(&[]).map(drop) });
        assert!(errors.iter().all(Result::is_err));
        assert!(on_threads(1, |rank| rank.broadcast(1, &mut Vec::new()))[0].is_err());
    }

    #[test]
    fn a_rank_that_panics_ends_the_others() {
        let ended = std::panic::catch_unwind(|| {
            on_threads(3, |rank| {
                assert!(rank.rank() != 1, "as an error in a program");
                assert_eq!(rank.barrier(), Err(CollectiveError::Lost { rank: 1 }));
            })
        });
        assert!(ended.is_err(), "and its panic goes on");
    }
}
