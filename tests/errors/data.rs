//! Data and files
//!
//! Nothing that a file holds makes a program panic, and what cannot be read leaves everything as it was.

use wengert::nn;
use wengert::nn::data::{DataError, read_csv_from};
use wengert::nn::io::IoError;
use wengert::nn::train::TrainError;
use wengert::prelude::*;

crate::mistakes! {
    targets_of_another_number no_samples batches_of_nothing validation_of_another_shape a_missing_column a_word_among_numbers
    a_gap no_such_file a_checkpoint_of_another_model a_folder_of_another_run
}

/// More inputs than targets
///
/// The first axis counts the samples, in both.
fn targets_of_another_number() -> Result<(), DataError> {
    TensorDataset::<f32>::new(Tensor::zeros(&[100, 4]), Target::Labels(tensor![0_i64, 1, 2]))?;
    Ok(())
}

/// A data set without samples
///
/// A filter that kept nothing is a likely cause.
fn no_samples() -> Result<(), TrainError> {
    let nothing = digits().subset(&[])?;
    let mut model = Mlp::new(&[64, 10]).build();
    Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).quiet().fit(&mut model, &nothing)?;
    Ok(())
}

/// Batches of size 0
///
/// A whole data set in one batch is `batch_size(data.len())`.
fn batches_of_nothing() -> Result<(), DataError> {
    DataLoader::new(&digits::<f32>(), 0)?;
    Ok(())
}

/// Validation data of another shape
///
/// Prepare both parts alike, with the same scaler.
fn validation_of_another_shape() -> Result<(), TrainError> {
    let images = TensorDataset::new(Tensor::zeros(&[10, 8, 8]), Target::Labels(Tensor::full(&[10], 0)))?;
    let mut model = Mlp::new(&[64, 10]).build();
    let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).validation(&images).quiet();
    trainer.fit(&mut model, &digits())?;
    Ok(())
}

/// A column that the table does not have
///
/// The message lists the columns. One long name with commas or semicolons in it points to the `delimiter`.
fn a_missing_column() -> Result<(), DataError> {
    let file = "sepal,petal,species\n5.1,1.4,setosa\n7.0,4.7,versicolor\n";
    read_csv_from::<f32>(file.as_bytes(), "iris.csv", &CsvOptions::text("Species"))?;
    Ok(())
}

/// A word in a column of numbers
///
/// `one_hot` and `ordinal` turn words into numbers.
fn a_word_among_numbers() -> Result<(), DataError> {
    let file = "mass,island,species\n3750,Dream,Adelie\n";
    read_csv_from::<f32>(file.as_bytes(), "penguins.csv", &CsvOptions::text("species"))?;
    Ok(())
}

/// A gap in a table
///
/// Choose what a gap means: the mean or median of its column, or a row to leave out.
fn a_gap() -> Result<(), DataError> {
    let file = "mass,wing,species\n3750,181,Adelie\n,186,Gentoo\n";
    read_csv_from::<f32>(file.as_bytes(), "penguins.csv", &CsvOptions::text("species"))?;
    Ok(())
}

/// A file that is not there
///
/// A relative path starts at the folder that the program runs in.
fn no_such_file() -> Result<(), IoError> {
    let mut model = Mlp::new(&[64, 10]).build::<f32>();
    nn::load(&mut model, "best.safetensors")?;
    Ok(())
}

/// The weights of another model
///
/// Build the model that was saved. `nn::load_matching` takes what fits and reports the rest. The model is unchanged.
fn a_checkpoint_of_another_model() -> Result<(), IoError> {
    let file = "target/errors.safetensors";
    nn::save(&Mlp::new(&[64, 32, 10]).build::<f32>(), file)?;
    let mut model = Mlp::new(&[64, 48, 32, 10]).build::<f32>();
    nn::load(&mut model, file)?;
    Ok(())
}

/// Checkpoints of another run
///
/// Each run has a folder of its own.
fn a_folder_of_another_run() -> Result<(), TrainError> {
    let mut model = Mlp::new(&[64, 10]).build();
    for rate in [0.1, 0.2] {
        let checkpoints = Checkpoints::new("target/errors-run");
        let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(rate)).epochs(1).quiet();
        trainer = trainer.checkpoints(checkpoints);
        trainer.fit(&mut model, &digits())?;
    }
    Ok(())
}
