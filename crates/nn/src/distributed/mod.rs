//! Collectives: communication between the ranks of a distributed run. A rank is one of several processes, or threads,
//! that run the same program on different samples. [`Collective`] is all that [`Trainer::distributed`] needs; the package
//! `wengert-mpi` implements it on MPI, and [`on_threads`] on the threads of one process, for tests.
//!
//! ```
//! use nn::distributed::{Collective, Numbers, on_threads};
//! let sums = on_threads(3, |rank| {
//!     let mut mine = [rank.rank() as f64, 1.0];
//!     rank.all_reduce(Numbers::F64(&mut mine)).unwrap();
//!     mine
//! });
//! assert_eq!(sums, [[3.0, 3.0]; 3]); // 0 + 1 + 2, and three ranks
//! ```
//!
//! [`Trainer::distributed`]: crate::train::Trainer::distributed

mod alone;
mod pairwise;
mod threads;

pub(crate) use alone::Alone;
pub(crate) use pairwise::{Pairwise, Term, share_of};
pub use threads::{ThreadRank, on_threads};

use crate::once;

/// Communication between the ranks of a run. Every rank calls the same methods in the same order; a call returns when
/// the ranks have received what they need from each other.
///
/// ```
/// use nn::distributed::{Collective, on_threads};
/// let said = on_threads(2, |rank| {
///     let mut word = if rank.rank() == 0 { b"hello".to_vec() } else { Vec::new() };
///     rank.broadcast(0, &mut word).unwrap();
///     let all = rank.gather(&[rank.rank() as u8, rank.size() as u8]).unwrap();
///     rank.barrier().unwrap();
///     (word, all)
/// });
/// assert!(said.iter().all(|(word, all)| word == b"hello" && *all == [[0, 2], [1, 2]]));
/// ```
/// # Errors
/// Every method returns an error, within seconds, if another rank is gone or the ranks did not call the same method with
/// compatible arguments.
pub trait Collective: Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn size(&self) -> usize;

    /// Replaces each number by its sum over all ranks (`MPI_Allreduce`). The result has the same bits on all ranks, but
    /// may depend on their number.
    ///
    /// ```
    /// use nn::distributed::{Collective, Numbers, on_threads};
    /// let sums = on_threads(3, |rank| {
    ///     let mut numbers = [rank.rank() as f64, 1.0];
    ///     rank.all_reduce(Numbers::F64(&mut numbers)).map(|()| numbers)
    /// });
    /// assert_eq!(sums, [Ok([3.0, 3.0]), Ok([3.0, 3.0]), Ok([3.0, 3.0])]);
    /// ```
    fn all_reduce(&self, numbers: Numbers<'_>) -> Result<(), CollectiveError>;

    /// Replaces the bytes by those of one rank (`MPI_Bcast`).
    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<(), CollectiveError>;

    /// Returns the bytes of every rank, in order of ranks, to every rank (`MPI_Allgatherv`).
    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Waits until every rank has called this method (`MPI_Barrier`).
    fn barrier(&self) -> Result<(), CollectiveError>;
}

/// A reference, for a program that also uses the collective itself.
impl<C: Collective + ?Sized> Collective for &C {
    fn rank(&self) -> usize {
        (**self).rank()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn all_reduce(&self, numbers: Numbers<'_>) -> Result<(), CollectiveError> {
        (**self).all_reduce(numbers)
    }

    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        (**self).broadcast(from, bytes)
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        (**self).gather(bytes)
    }

    fn barrier(&self) -> Result<(), CollectiveError> {
        (**self).barrier()
    }
}

/// Numbers to sum over ranks.
///
/// ```
/// let mut halves = [0.5f32, 1.5];
/// let numbers = nn::distributed::Numbers::F32(&mut halves);
/// assert!(numbers.len() == 2 && !numbers.is_empty());
/// ```
#[derive(Debug)]
pub enum Numbers<'n> {
    /// Single precision.
    F32(&'n mut [f32]),
    /// Double precision.
    F64(&'n mut [f64]),
}

impl Numbers<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Numbers::F32(numbers) => numbers.len(),
            Numbers::F64(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why ranks could not communicate.
///
/// ```
/// use nn::distributed::{Collective, CollectiveError, on_threads};
/// let results = on_threads(2, |rank| match rank.rank() {
///     0 => rank.barrier(),
///     _ => Ok(()), // leaves without it
/// });
/// assert!(matches!(results[0], Err(CollectiveError::Lost { rank: 1 })));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectiveError {
    /// A rank has ended.
    #[error("rank {rank} has ended, so the others cannot continue: its own message says why")]
    Lost {
        /// The rank.
        rank: usize,
    },
    /// The ranks performed different operations.
    #[error("the ranks do not do the same: {problem}")]
    Mismatch {
        /// What differs.
        problem: String,
    },
    /// The library for communication reports an error.
    #[error("{operation} failed: {problem}")]
    Failed {
        /// The operation.
        operation: &'static str,
        /// The library's message.
        problem: String,
    },
}

autograd::debug_as_display!(CollectiveError);

/// The two number types of [`Numbers`].
trait Number: Sized {
    fn numbers(slice: &mut [Self]) -> Numbers<'_>;
    fn put(self, bytes: &mut Vec<u8>);
    fn of_bytes(bytes: &[u8]) -> impl Iterator<Item = Self>;
}

macro_rules! numbers { ($($t:ty: $variant:ident, $bytes:literal;)*) => { $(
    impl Number for $t {
        fn numbers(slice: &mut [Self]) -> Numbers<'_> {
            Numbers::$variant(slice)
        }
        fn put(self, bytes: &mut Vec<u8>) {
            bytes.extend(self.to_le_bytes());
        }
        fn of_bytes(bytes: &[u8]) -> impl Iterator<Item = Self> {
            bytes.as_chunks::<$bytes>().0.iter().map(|number| <$t>::from_le_bytes(*number))
        }
    }
)* } }

numbers! { f32: F32, 4; f64: F64, 8; }

once! {
    /// [`Collective::all_reduce`] for either number type.
    pub(crate) fn all_reduce<'c, T: Number>(
        collective: &(dyn Collective + 'c),
        numbers: &mut [T],
    ) -> Result<(), CollectiveError> {
        collective.all_reduce(T::numbers(numbers))
    }

    /// Appends numbers to bytes.
    pub(crate) fn put_bytes<T: Number>(numbers: &[T], bytes: &mut Vec<u8>) {
        bytes.reserve(size_of_val(numbers));
        numbers.iter().for_each(|x| x.put(bytes));
    }

    /// Replaces numbers by those that [`put_bytes`] wrote.
    pub(crate) fn take_bytes<T: Number>(bytes: &[u8], numbers: &mut [T]) {
        numbers.iter_mut().zip(T::of_bytes(bytes)).for_each(|(to, from)| *to = from);
    }
}
