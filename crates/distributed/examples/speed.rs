//! The time of a training step of M1c, an MLP 1024-2048-2048-1000 and SGD with momentum, with a batch of 512 samples over all
//! ranks: `WENGERT_THREADS=1 mpirun -x WENGERT_THREADS -n 2 target/release/examples/speed [--shards]`.
//! With `--alone`, on one process without MPI.

use autograd::{Rng, Tensor};
use nn::data::TensorDataset;
use nn::distributed::Collective;
use nn::layer::Mlp;
use nn::loss::{CrossEntropy, Target};
use nn::optim::Sgd;
use nn::train::{Sharing, Trainer};
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use wengert_mpi::Mpi;

const BATCH: usize = 512;
/// The first steps record, compile and verify.
const WARM: u64 = 4;
/// Steps of an epoch.
const STEPS: usize = 8;
const EPOCHS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let asked = |name: &str| std::env::args().any(|argument| argument == name);
    let rng = &mut Rng::new(0);
    let labels = (0..STEPS * BATCH).map(|i| (i % 1000) as i64).collect();
    let data = TensorDataset::new(Tensor::<f32>::randn(&[STEPS * BATCH, 1024], rng), Target::Labels(labels))?;
    let mut model = Mlp::new(&[1024, 2048, 2048, 1000]).build::<f32>();
    let times = Arc::new(Mutex::new(Vec::new()));
    let (noted, mut last) = (times.clone(), Instant::now());
    let mut trainer =
        Trainer::new(CrossEntropy::new(), Sgd::new(1e-3).momentum(0.9)).epochs(EPOCHS).batch_size(BATCH).quiet();
    trainer = trainer.on_batch_end(move |at| {
        let now = Instant::now();
        if at.step() > WARM {
            noted.lock().expect("one thread writes").push((now - last).as_secs_f64());
        }
        last = now;
    });
    let mut leads = true;
    if !asked("--alone") {
        let mpi = Mpi::start()?;
        leads = mpi.rank() == 0;
        if asked("--shards") {
            trainer = trainer.sharing(Sharing::Shards(mpi.size().next_power_of_two()));
        }
        trainer = trainer.distributed(mpi);
    }
    trainer.fit(&mut model, &data)?;
    if leads {
        let mut times = times.lock().expect("training is over").clone();
        times.sort_by(f64::total_cmp);
        println!("median step {:.1} ms, fastest {:.1} ms", 1e3 * times[times.len() / 2], 1e3 * times[0]);
    }
    Ok(())
}
