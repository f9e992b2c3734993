//! What a rank is told about the others: `mpirun -n 2 collective`. Panics if that is wrong; a rank that waits forever is ended
//! by whoever runs this.

use nn::distributed::{Collective, CollectiveError};
use wengert_mpi::{Mpi, MpiError};

fn main() -> Result<(), MpiError> {
    let mpi = Mpi::start()?;
    let rank = mpi.rank();

    // Broadcasts from different ranks are refused, and nothing is left of them.
    for length in [8, 1 << 20] {
        let refused = mpi.broadcast(rank, &mut vec![rank as u8; length]);
        assert!(matches!(refused, Err(CollectiveError::Mismatch { .. })), "{refused:?}");
    }
    let mut bytes = if rank == 0 { vec![7; 8] } else { Vec::new() };
    mpi.broadcast(0, &mut bytes)?;
    assert_eq!(bytes, [7; 8]);
    let refused = if rank == 0 { mpi.barrier() } else { mpi.gather(&[1]).map(drop) };
    assert!(matches!(refused, Err(CollectiveError::Mismatch { .. })), "{refused:?}");
    assert_eq!(mpi.gather(&[rank as u8])?, [[0], [1]]);

    // Once a rank has left, every call of another one says so.
    if rank == 0 {
        for _ in 0..3 {
            assert_eq!(mpi.barrier(), Err(CollectiveError::Lost { rank: 1 }));
        }
        println!("rank 1 has left");
    }
    Ok(())
}
