//! The documented network on several processes, which may run on several machines:
//!
//! ```text
//! cargo build --release --all-features --example mlp_mpi
//! mpirun -n 4 target/release/examples/mlp_mpi
//! ```
//!
//! Ranks print only their errors; the first one also prints the accuracy on the test set and a checksum of the weights.
//! With `--shards 12`, they are the same to the bit on 1, 2, 3 or 4 ranks, or more. docs/distributed.md explains the
//! options.

mod common;

use pico_args::Arguments;
use std::error::Error;
use std::process::ExitCode;
use wengert::mpi::Mpi;
use wengert::nn::distributed::Collective;
use wengert::nn::train::Sharing;
use wengert::prelude::*;

const USAGE: &str =
    "usage: mpirun -n RANKS mlp_mpi [--shards N | --local-sgd UPDATES] [--epochs N] [--checkpoints FOLDER]";

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments: Arguments| {
        let shards = arguments.opt_value_from_str("--shards")?.map(Sharing::Shards);
        let local = arguments.opt_value_from_str("--local-sgd")?.map(Sharing::LocalSgd);
        let epochs = arguments.opt_value_from_str("--epochs")?.unwrap_or(40);
        let checkpoints: Option<String> = arguments.opt_value_from_str("--checkpoints")?;
        common::finish(arguments)?;
        train(shards.or(local).unwrap_or_default(), epochs, checkpoints)
    })
}

fn train(sharing: Sharing, epochs: usize, checkpoints: Option<String>) -> Result<(), Box<dyn Error>> {
    let mpi = Mpi::start()?;
    let (training, test) = digits::<f32>().split(0.8, 1)?;
    let mut model = Mlp::new(&[64, 32, 10]).dropout(0.1).seed(1).build::<f32>();
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(3e-3))
        .epochs(epochs)
        .batch_size(96)
        .metric(Metric::accuracy())
        .distributed(&mpi)
        .sharing(sharing)
        .quiet();
    match checkpoints {
        Some(folder) => {
            trainer = trainer.checkpoints(Checkpoints::new(folder));
            trainer.resume(&mut model, &training)?
        }
        None => trainer.fit(&mut model, &training)?,
    };
    if mpi.rank() == 0 {
        let accuracy = trainer.evaluate(&model, &test)?.metrics[0];
        println!("{} ranks", mpi.size());
        println!("test accuracy: {:.2}%", 100.0 * accuracy);
        println!("weights: {:016x}", digest(&model));
    }
    Ok(())
}

/// A checksum of every bit of every weight (FNV-1a).
fn digest(model: &Sequential<f32>) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325;
    model.visit(&mut nn::Path::default(), &mut |_, param| {
        for byte in param.value().iter().flat_map(f32::to_le_bytes) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    });
    digest
}
