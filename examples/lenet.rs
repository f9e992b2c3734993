//! LeNet-5 on Fashion-MNIST: 60,000 training images of clothes and 10,000 test images.
//!
//! `cargo run --release --example lenet [-- --data DIR] [--epochs N] [--short]`, where DIR contains the four gzipped
//! IDX files, as installed by Debian's package dataset-fashion-mnist. docs/experiments.md has the results.
//!
//! Source: LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition* (1998), with ReLU
//! and max pooling.

mod common;

use nn::layer::{Conv2d, Flatten, MaxPool2d};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: lenet [--data DIR] [--epochs N] [--short]
  --data DIR   directory of train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and the two t10k files
               (default: /usr/share/datasets/fashion-mnist, or /usr/share/dataset-fashion-mnist)
  --epochs N   passes over the data (default: 12)
  --short      one pass over a few generated images, written to and read from files of this format";

/// Directories in which versions of Debian's package install the files.
const FOLDERS: [&str; 2] = ["/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist"];

/// Determines the initial weights and the order of the images.
const SEED: u64 = 1;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        let folder: Option<PathBuf> = arguments.opt_value_from_str("--data")?;
        let epochs: usize = arguments.opt_value_from_str("--epochs")?.unwrap_or(if short { 1 } else { 12 });
        common::finish(arguments)?;
        let (training, test) = if short {
            made_up()?
        } else {
            let installed = || FOLDERS.map(PathBuf::from).into_iter().find(|folder| folder.exists());
            let folder = folder.or_else(installed).unwrap_or_else(|| FOLDERS[0].into());
            (pictures(&folder, "train")?, pictures(&folder, "t10k")?)
        };
        println!("{} training images, {} test images", training.len(), test.len());

        let mut model = lenet(&mut Rng::new(SEED));
        println!("{}", nn::summary(&model, &[64, 1, 28, 28]));
        // Half a cosine, from the full rate down to almost zero, lets the last epochs settle.
        let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(2e-3))
            .epochs(epochs)
            .batch_size(64)
            .seed(SEED)
            .schedule(nn::schedule::CosineAnnealing::new(epochs))
            .metric(Metric::accuracy());
        let history = trainer.fit(&mut model, &training)?;
        for e in &history.epochs {
            let accuracy = 100.0 * e.metric().unwrap_or(f64::NAN);
            println!("epoch {:>2}: loss {:.4}, accuracy {accuracy:.2}%, {:.1} s", e.epoch, e.loss, e.seconds);
        }

        let scores = trainer.predict(&model, test.inputs())?;
        let accuracy = nn::metric::accuracy(&scores, test.targets().labels("lenet")?)?;
        println!("test accuracy: {:.2}%", 100.0 * accuracy);
        Ok(())
    })
}

/// Two convolutions, each followed by pooling to half the size, and three dense layers.
fn lenet(rng: &mut Rng) -> Sequential<f32> {
    Sequential::new()
        .then(Conv2d::new(1, 6, 5, rng).padding(2)) // [1, 28, 28] -> [6, 28, 28]
        .then(Activation::Relu)
        .then(MaxPool2d::new(2)) // -> [6, 14, 14]
        .then(Conv2d::new(6, 16, 5, rng)) // -> [16, 10, 10]
        .then(Activation::Relu)
        .then(MaxPool2d::new(2)) // -> [16, 5, 5]
        .then(Flatten::default())
        .then(Linear::new(400, 120, rng))
        .then(Activation::Relu)
        .then(Linear::new(120, 84, rng))
        .then(Activation::Relu)
        .then(Linear::new(84, 10, rng))
}

/// The images and labels from the files with this name prefix; errors say how to obtain the files.
fn pictures(folder: &Path, name: &str) -> Result<TensorDataset<f32>, Box<dyn Error>> {
    let file = |rest: &str| folder.join(format!("{name}-{rest}-ubyte.gz"));
    let data = TensorDataset::from_idx(file("images-idx3"), file("labels-idx1"));
    data.map_err(|error| format!("{error}\nInstall Debian's package dataset-fashion-mnist, or pass --data DIR").into())
}

/// Noisy bars of ten heights, written to and read from files of the same format.
fn made_up() -> Result<(TensorDataset<f32>, TensorDataset<f32>), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("wengert-lenet-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let read = || {
        let rng = &mut Rng::new(SEED);
        for (name, count) in [("train", 640), ("t10k", 200)] {
            let labels: Vec<u8> = (0..count).map(|_| rng.below(10) as u8).collect();
            let bar = |label: &u8| {
                let height = 28 * (usize::from(*label) + 1) / 11;
                (0..28 * 28).map(|at| if at / 28 < height { 255 } else { rng.below(64) as u8 }).collect::<Vec<_>>()
            };
            let pixels: Vec<u8> = labels.iter().flat_map(bar).collect();
            write_idx(&folder.join(format!("{name}-images-idx3-ubyte.gz")), &[count, 28, 28], &pixels)?;
            write_idx(&folder.join(format!("{name}-labels-idx1-ubyte.gz")), &[count], &labels)?;
        }
        Ok((pictures(&folder, "train")?, pictures(&folder, "t10k")?))
    };
    let data = read();
    std::fs::remove_dir_all(&folder)?;
    data
}

/// Writes a compressed IDX file of bytes.
fn write_idx(path: &Path, shape: &[u32], bytes: &[u8]) -> std::io::Result<()> {
    let mut file = flate2::write::GzEncoder::new(std::fs::File::create(path)?, flate2::Compression::fast());
    file.write_all(&[0, 0, 8, shape.len() as u8])?;
    shape.iter().try_for_each(|size| file.write_all(&size.to_be_bytes()))?;
    file.write_all(bytes)?;
    file.finish().map(drop)
}
