//! Distributed training on MPI: [`Mpi`] is a [`Collective`] for [`Trainer::distributed`].
//!
//! ```no_run
//! use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::Trainer};
//! let mpi = wengert_mpi::Mpi::start()?;
//! let mut model = Mlp::new(&[64, 32, 10]).build();
//! let mut trainer = Trainer::new(CrossEntropy::new(), Adam::<f32>::new(3e-3)).batch_size(128).distributed(&mpi);
//! trainer.fit(&mut model, &digits())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Build with the feature `mpi` on a machine that has an MPI, and start with `mpirun -n 4 program`. The crate also
//! builds on a machine without MPI; [`Mpi::start`] then says what is missing.
//!
//! [`Trainer::distributed`]: nn::train::Trainer::distributed

#![warn(missing_docs)]

#[cfg_attr(has_mpi, path = "linked.rs")]
#[cfg_attr(not(has_mpi), path = "missing.rs")]
mod library;

use nn::distributed::{Collective, CollectiveError, Numbers};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// This process as a rank of a program that `mpirun` has started.
///
/// When it is dropped, the process leaves the others: a rank that waits for it gets an error. If it is dropped by a panic,
/// all processes end.
pub struct Mpi {
    rank: usize,
    size: usize,
    /// One call at a time; the first rank that has left.
    lost: Mutex<Option<usize>>,
}

/// Why a process is not a rank.
///
/// ```
/// use wengert_mpi::{Mpi, MpiError};
/// // Tests are not started by mpirun.
/// let error = Mpi::start().err().unwrap();
/// assert!(matches!(error, MpiError::NoLauncher | MpiError::NotBuilt));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MpiError {
    /// The program was built without MPI.
    #[error(
        "this program was built without MPI: install it (on Debian: apt-get install libopenmpi-dev openmpi-bin), and build \
         the program again with --features mpi"
    )]
    NotBuilt,
    /// No launcher has started the process.
    #[error(
        "no launcher started this process, so there are no other ranks: start it with mpirun -n 4 PROGRAM, or leave out \
         Trainer::distributed to train on one process"
    )]
    NoLauncher,
    /// MPI has already been started.
    #[error("MPI can be started only once in a process: keep the first Mpi, and share it by reference")]
    Started,
    /// MPI reports an error.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
}

/// An error is as readable in `main` as elsewhere.
impl std::fmt::Debug for MpiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The environment variables that launchers set: those of Open MPI, MPICH and its derivatives, and Slurm.
const LAUNCHERS: [&str; 5] = ["OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"];

static STARTED: AtomicBool = AtomicBool::new(false);

/// The maximum number of elements in one MPI call, which counts them in an `int`.
const MOST: usize = 1 << 30;
/// Numbers that are summed at a time: received numbers are added while they are in the cache.
const SUMMED: usize = 1 << 17;

/// The operations, which the ranks compare before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Operation {
    Leave,
    SumF32,
    SumF64,
    Broadcast,
    Gather,
    Barrier,
}

impl Mpi {
    /// Starts MPI.
    ///
    /// # Errors
    /// Returns an error if the program was built without MPI, no launcher started it, or MPI was started before.
    pub fn start() -> Result<Self, MpiError> {
        if !library::LINKED {
            return Err(MpiError::NotBuilt);
        }
        if LAUNCHERS.iter().all(|name| std::env::var_os(name).is_none()) {
            return Err(MpiError::NoLauncher);
        }
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(MpiError::Started);
        }
        let (rank, size) = library::start().map_err(failed("MPI_Init_thread"))?;
        Ok(Mpi { rank, size, lost: Mutex::new(None) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<usize>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that all ranks are about to perform the same operation, on the same rank's data if it has a sender, and
    /// returns the number that each rank passed with it.
    fn agree(
        &self,
        lost: &mut Option<usize>,
        operation: Operation,
        from: usize,
        number: usize,
    ) -> Result<Vec<usize>, CollectiveError> {
        // A rank that has left takes part in no operation, and MPI would wait for it.
        if let Some(rank) = *lost {
            return Err(CollectiveError::Lost { rank });
        }
        let own = [operation as u64, from as u64, number as u64];
        let mut all = vec![0; own.len() * self.size];
        library::gather_words(&own, &mut all).map_err(failed("MPI_Allgather"))?;
        let leaves = all.chunks(own.len()).position(|words| words[0] == Operation::Leave as u64);
        let other = all.chunks(own.len()).position(|words| words[..2] != own[..2]);
        match (leaves, other) {
            (_, None) => Ok(all.chunks(own.len()).map(|words| words[2] as usize).collect()),
            (Some(rank), _) => {
                *lost = Some(rank);
                Err(CollectiveError::Lost { rank })
            }
            (None, Some(rank)) => {
                let there = &all[own.len() * rank..];
                let other = match there[0] == own[0] {
                    true => format!("from rank {}", there[1]),
                    false => "something else".to_owned(),
                };
                let sender =
                    if operation == Operation::Broadcast { format!(" from rank {from}") } else { String::new() };
                let problem = format!("rank {} calls {operation:?}{sender}, and rank {rank} {other}", self.rank);
                Err(CollectiveError::Mismatch { problem })
            }
        }
    }

    fn sum<N>(
        &self,
        operation: Operation,
        numbers: &mut [N],
        sum: fn(&mut [N]) -> Result<(), String>,
    ) -> Result<(), CollectiveError> {
        let mut lost = self.lock();
        let lengths = self.agree(&mut lost, operation, 0, numbers.len())?;
        if let Some(rank) = lengths.iter().position(|length| *length != numbers.len()) {
            let problem =
                format!("rank {} sums {} numbers, and rank {rank} {}", self.rank, numbers.len(), lengths[rank]);
            return Err(CollectiveError::Mismatch { problem });
        }
        numbers.chunks_mut(SUMMED).try_for_each(sum).map_err(failed("MPI_Allreduce"))
    }

    fn send(&self, from: usize, bytes: &mut [u8]) -> Result<(), CollectiveError> {
        bytes.chunks_mut(MOST).try_for_each(|part| library::broadcast(part, from)).map_err(failed("MPI_Bcast"))
    }
}

fn failed(operation: &'static str) -> impl Fn(String) -> CollectiveError {
    move |problem| CollectiveError::Failed { operation, problem }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_reduce(&self, numbers: Numbers<'_>) -> Result<(), CollectiveError> {
        match numbers {
            Numbers::F32(numbers) => self.sum(Operation::SumF32, numbers, library::sum_f32),
            Numbers::F64(numbers) => self.sum(Operation::SumF64, numbers, library::sum_f64),
        }
    }

    fn broadcast(&self, from: usize, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let mut lost = self.lock();
        let lengths = self.agree(&mut lost, Operation::Broadcast, from, bytes.len())?;
        let Some(length) = lengths.get(from) else {
            return Err(CollectiveError::Mismatch { problem: format!("there is no rank {from} to broadcast") });
        };
        bytes.resize(*length, 0);
        self.send(from, bytes)
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let mut lost = self.lock();
        let lengths = self.agree(&mut lost, Operation::Gather, 0, bytes.len())?;
        if lengths.iter().sum::<usize>() > MOST {
            // One after the other, since their positions in one list would not fit into an `int`.
            let part = |(rank, length): (usize, &usize)| {
                let mut part = if rank == self.rank { bytes.to_vec() } else { vec![0; *length] };
                self.send(rank, &mut part).map(|()| part)
            };
            return lengths.iter().enumerate().map(part).collect();
        }
        let mut all = vec![0; lengths.iter().sum()];
        // Open MPI refuses an empty list.
        if !all.is_empty() {
            library::gather(bytes, &mut all, &lengths).map_err(failed("MPI_Allgatherv"))?;
        }
        let mut rest = all.as_slice();
        let part = |length: &usize| rest.split_off(..*length).unwrap_or_default().to_vec();
        Ok(lengths.iter().map(part).collect())
    }

    fn barrier(&self) -> Result<(), CollectiveError> {
        self.agree(&mut self.lock(), Operation::Barrier, 0, 0).map(drop)
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // MPI_Finalize would wait for the others, and they for this rank.
            library::abort();
            return;
        }
        // Ranks that still wait for this one learn that it leaves; then all end.
        let mut lost = self.lock();
        if lost.is_none() {
            let _ = self.agree(&mut lost, Operation::Leave, 0, 0);
        }
        library::finish();
    }
}
