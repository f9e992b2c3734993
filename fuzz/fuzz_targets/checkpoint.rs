//! Checkpoints: one file of a valid one, changed, with checksums that match. Training resumes or is refused; a refused
//! one leaves the model as it was.
#![no_main]

use flate2::Crc;
use libfuzzer_sys::fuzz_target;
use nn::data::TensorDataset;
use nn::layer::{Mlp, Sequential};
use nn::loss::{CrossEntropy, Target};
use nn::metric::{Average, Metric};
use nn::optim::Adam;
use nn::schedule::{PlateauOptions, ReduceOnPlateau};
use nn::train::{Checkpoints, EarlyStopping, Trainer};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use wengert_fuzz::{Edits, bounded, path};

const NAMES: [&str; 3] = ["training.safetensors", "model.safetensors", "best.safetensors"];

fn data() -> TensorDataset<f64> {
    let inputs = autograd::tensor![[0.0, 1.0], [1.0, 0.5], [0.5, 0.5], [1.0, 1.0]];
    TensorDataset::new(inputs, Target::Labels(autograd::tensor![0_i64, 1, 1, 0])).unwrap()
}

fn model() -> Sequential<f64> {
    Mlp::new(&[2, 3, 2]).batch_norm(true).seed(1).build()
}

fn trainer<'d>(folder: &Path, validation: &'d TensorDataset<f64>) -> Trainer<'d, f64> {
    Trainer::new(CrossEntropy::new(), Adam::new(0.01))
        .epochs(2)
        .batch_size(2)
        .schedule(ReduceOnPlateau::new(PlateauOptions::default()))
        .metric(Metric::roc_auc())
        .metric(Metric::f1(Average::Macro))
        .validation(validation)
        .ema(0.9)
        .early_stopping(EarlyStopping { patience: 3, ..EarlyStopping::default() })
        .checkpoints(Checkpoints::new(folder).keep(1))
        .quiet()
}

/// The files of a finished training run.
static VALID: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let (folder, data) = (path("run"), data());
    trainer(&folder, &data).fit(&mut model(), &data).unwrap();
    let checkpoint = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let checkpoint = checkpoint.expect("it saved a checkpoint");
    NAMES.map(|name| fs::read(checkpoint.join(name)).unwrap())
});

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fuzz_target!(|data: &[u8]| {
    let [which, edits @ ..] = data else { return };
    let (which, mut files) = (usize::from(*which % 5), VALID.clone());
    if which < 3 {
        files[which] = Edits(edits).of_safetensors(&files[which]);
    }
    let listed = |(name, file): (&str, &Vec<u8>)| format!("{:08x} {} {name}\n", sum(file), file.len());
    let mut list =
        format!("wengert checkpoint 1\n{}", NAMES.into_iter().zip(&files).map(listed).collect::<String>()).into_bytes();
    if which == 3 {
        list = Edits(edits).of(&list);
    }
    let end = format!("{:08x} end\n", sum(&list));
    list.extend(end.bytes());
    if which == 4 {
        list = Edits(edits).of(&list);
    }

    let folder = path("resumed");
    let _ = fs::remove_dir_all(&folder);
    let checkpoint = folder.join("checkpoint-000001");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::write(checkpoint.join("checkpoint.txt"), &list).unwrap();
    NAMES.into_iter().zip(&files).for_each(|(name, file)| fs::write(checkpoint.join(name), file).unwrap());
    let length = list.len() + files.iter().map(Vec::len).sum::<usize>();
    bounded(length, || {
        let (data, mut resumed) = (self::data(), model());
        if let Err(error) = trainer(&folder, &data).resume(&mut resumed, &data) {
            let same = nn::state_dict(&resumed).iter().eq(nn::state_dict(&model()).iter());
            assert!(same, "the model has changed, but: {error}");
        }
    });
});
