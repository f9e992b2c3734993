//! [`Pipeline`]: everything that turns a table into predictions, in one file: the columns, the scalers, the model, and
//! the names of the classes.

use crate::data::{Columns, DataError, Scaler};
use crate::io::{IoError, StateDict, load_state_dict, state_dict};
use crate::train::{TrainError, predict};
use crate::{LayerError, Module, Pass};
use autograd::{Float, Tape, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A model with everything that its predictions need: the [`Columns`] of the table that it was trained on, the scalers of
/// inputs and targets, and the class names. It is saved as one safetensors file, and loaded by another process, which
/// predicts from a CSV file.
///
/// ```
/// use nn::data::{CsvOptions, Scaler};
/// use nn::{Pipeline, layer::Mlp, loss::CrossEntropy, optim::Adam, train::Trainer};
/// let [table, file] = ["csv", "safetensors"].map(|e| std::env::temp_dir().join(format!("nn-p-{}.{e}", std::process::id())));
/// std::fs::write(&table, "color,width,fruit\nred,7,apple\ngreen,8,apple\nyellow,3,banana\nyellow,4,banana\n")?;
///
/// let (columns, fruit) = CsvOptions::text("fruit").one_hot(["color"]).learn::<f32>(&table)?;
/// let scaler = Scaler::fit_standard(fruit.inputs())?;
/// let mut model = Mlp::new(&[columns.inputs(), 8, columns.outputs()]).build();
/// Trainer::new(CrossEntropy::new(), Adam::new(0.05)).epochs(50).quiet().fit(&mut model, &fruit.scaled(&scaler)?)?;
/// Pipeline::new(columns, model).scaler(scaler).save(&file)?;
///
/// // In another process:
/// std::fs::write(&table, "width,color\n3,yellow\n8,red\n")?;
/// let pipeline = Pipeline::<f32>::load(&file, |columns| Mlp::new(&[columns.inputs(), 8, columns.outputs()]).build())?;
/// assert_eq!(pipeline.predict_csv(&table)?.names(), ["banana", "apple"]);
/// # std::fs::remove_file(table)?;
/// # std::fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pipeline<T: Float> {
    columns: Columns,
    scaler: Option<Scaler<T>>,
    target_scaler: Option<Scaler<T>>,
    model: Box<dyn Module<T>>,
    /// Texts by name, which are saved with the model. The names `columns` and `architecture` are taken.
    pub notes: BTreeMap<String, String>,
}

/// Why a pipeline could not be saved, loaded or used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A file could not be read or written, or does not match the model.
    #[error(transparent)]
    File(#[from] IoError),
    /// A table or a scaler is not valid.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot take its inputs.
    #[error(transparent)]
    Predict(#[from] TrainError),
    /// The model does not take as many inputs as the columns give.
    #[error("the model does not take the {inputs} inputs of the columns: {error}")]
    Inputs {
        /// Number of inputs.
        inputs: usize,
        /// The input that the model rejected.
        error: LayerError,
    },
    /// A file of weights alone.
    #[error("{}: the file does not hold a pipeline: it has no note {note:?}. nn::load reads weights alone", path.display())]
    NoPipeline {
        /// The file.
        path: PathBuf,
        /// The missing note.
        note: &'static str,
    },
    /// A note has a name under which the pipeline saves its own.
    #[error("a pipeline saves its own note {note:?}: give yours another name")]
    Reserved {
        /// The name.
        note: &'static str,
    },
    /// The columns of a file have more outputs than its model can have.
    #[error("{}: the columns have {outputs} outputs, but the file holds only {held} numbers", path.display())]
    Outputs {
        /// The file.
        path: PathBuf,
        /// Number of outputs.
        outputs: usize,
        /// The number of values that the file holds.
        held: usize,
    },
    /// The model was built differently from the saved one.
    #[error("{}: the file has the layers {saved}, but the given model has {given}", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// The layers of the saved model.
        saved: String,
        /// The layers of the given model.
        given: String,
    },
}

autograd::debug_as_display!(PipelineError);

const COLUMNS: &str = "columns";
const ARCHITECTURE: &str = "architecture";
const MODEL: &str = "model.";
const SCALER: &str = "scaler.";
const TARGET_SCALER: &str = "target_scaler.";

impl<T: Float> Pipeline<T> {
    /// A pipeline of columns and a model that was trained on their inputs.
    pub fn new(columns: Columns, model: impl Module<T> + 'static) -> Self {
        Pipeline { columns, scaler: None, target_scaler: None, model: Box::new(model), notes: BTreeMap::new() }
    }

    /// Scales inputs before the model sees them.
    pub fn scaler(self, scaler: Scaler<T>) -> Self {
        Pipeline { scaler: Some(scaler), ..self }
    }

    /// Turns outputs back into the units of the targets, which were scaled for training: see
    /// [`TensorDataset::with_scaled_targets`](crate::data::TensorDataset::with_scaled_targets).
    ///
    /// ```
    /// use nn::{Pipeline, data::{CsvOptions, Scaler}, layer::Mlp};
    /// let text = "mass,price\n1,10\n2,20\n";
    /// let (columns, data) = CsvOptions::values("price").learn_from::<f32>(text.as_bytes(), "t.csv")?;
    /// let prices = Scaler::fit_standard(data.values().unwrap())?; // the model learns prices with mean 0 and deviation 1
    /// let pipeline = Pipeline::new(columns, Mlp::new(&[1, 1]).build()).target_scaler(prices);
    /// # let _ = pipeline;
    /// # Ok::<(), nn::PipelineError>(())
    /// ```
    pub fn target_scaler(self, scaler: Scaler<T>) -> Self {
        Pipeline { target_scaler: Some(scaler), ..self }
    }

    /// The columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The model.
    pub fn model(&self) -> &dyn Module<T> {
        &*self.model
    }

    /// Saves everything in one safetensors file, [atomically](crate::io::write_atomically): the weights under PyTorch's
    /// names, after `model.`, the scalers, and as notes the columns and a description of the layers.
    ///
    /// # Errors
    /// If the file cannot be written, the model does not take the inputs of the columns, or a note has one of the names that
    /// are taken.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PipelineError> {
        // Without `..`: all of a pipeline is saved.
        let Pipeline { columns, scaler, target_scaler, model, notes } = self;
        if let Some(note) = [COLUMNS, ARCHITECTURE].into_iter().find(|note| notes.contains_key(*note)) {
            return Err(PipelineError::Reserved { note });
        }
        let mut dict = StateDict::new();
        let mut put = |prefix: &str, part: StateDict| {
            part.iter().for_each(|(name, tensor)| drop(dict.insert(format!("{prefix}{name}"), tensor.clone())));
        };
        put(MODEL, state_dict(&**model));
        scaler.iter().for_each(|scaler| put(SCALER, scaler.state()));
        target_scaler.iter().for_each(|scaler| put(TARGET_SCALER, scaler.state()));
        dict.metadata.clone_from(notes);
        dict.metadata.insert(COLUMNS.into(), columns.to_text());
        dict.metadata.insert(ARCHITECTURE.into(), architecture(&**model, columns.inputs())?);
        Ok(dict.write(path)?)
    }

    /// Loads a pipeline. `build` makes the model as it was before training, from the number of inputs and outputs of the
    /// columns; its layers are compared with those of the saved one.
    ///
    /// # Errors
    /// If the file cannot be read, is not valid, does not hold a pipeline, or holds another model.
    pub fn load<M: Module<T> + 'static>(
        path: impl AsRef<Path>,
        build: impl FnOnce(&Columns) -> M,
    ) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        let mut saved = StateDict::read(path)?;
        let mut note = |note| saved.metadata.remove(note).ok_or(PipelineError::NoPipeline { path: path.into(), note });
        let (columns, layers) = (Columns::from_text(&note(COLUMNS)?)?, note(ARCHITECTURE)?);
        // The model has memory for each output, so a broken file must not declare more than it could hold.
        let (outputs, held) = (columns.outputs(), saved.iter().map(|(_, tensor)| tensor.len()).sum::<usize>());
        if outputs > held.max(columns.inputs()) {
            return Err(PipelineError::Outputs { path: path.into(), outputs, held });
        }
        let mut model = build(&columns);
        let given = architecture(&model, columns.inputs())?;
        if given != layers {
            return Err(PipelineError::Architecture { path: path.into(), saved: layers, given });
        }
        let part = |prefix: &str| {
            let mut part = saved.clone();
            part.retain(|name, _| name.starts_with(prefix));
            part.rename(|name| name[prefix.len()..].to_owned()).expect("names that differ after the same prefix");
            part
        };
        let scaler =
            |prefix: &str| Some(part(prefix)).filter(|part| !part.is_empty()).map(|part| Scaler::from_state(&part));
        let (scaler, target_scaler) = (scaler(SCALER).transpose()?, scaler(TARGET_SCALER).transpose()?);
        let loaded = load_state_dict(&mut model, &part(MODEL));
        loaded.map_err(|error| IoError::State { path: path.into(), error })?;
        Ok(Pipeline { columns, scaler, target_scaler, model: Box::new(model), notes: saved.metadata })
    }

    /// The outputs of the model for inputs `[n, inputs]` as the columns read them, in eval mode and in the units of the
    /// targets.
    ///
    /// ```
    /// use nn::{Pipeline, data::CsvOptions, layer::Mlp};
    /// let text = "mass,price\n1,10\n2,20\n";
    /// let (columns, data) = CsvOptions::values("price").learn_from::<f32>(text.as_bytes(), "t.csv")?;
    /// let pipeline = Pipeline::new(columns, Mlp::new(&[1, 1]).build());
    /// assert_eq!(pipeline.predict(data.inputs())?.outputs.shape(), [2, 1]);
    /// # Ok::<(), nn::PipelineError>(())
    /// ```
    /// # Errors
    /// If the inputs do not fit the scaler or the model.
    pub fn predict(&self, inputs: &Tensor<T>) -> Result<Predictions<T>, PipelineError> {
        const BATCH: usize = 256;
        let inputs = self.scaler.as_ref().map_or_else(|| Ok(inputs.clone()), |scaler| scaler.apply(inputs))?;
        let outputs = predict(&*self.model, &inputs, BATCH)?;
        let outputs =
            self.target_scaler.as_ref().map_or_else(|| Ok(outputs.clone()), |scaler| scaler.invert(&outputs))?;
        Ok(Predictions { outputs, classes: self.columns.class_names().to_vec() })
    }

    /// The predictions for the rows of a CSV file, which need not contain targets.
    ///
    /// # Errors
    /// If the file cannot be read, or does not have the columns.
    pub fn predict_csv(&self, path: impl AsRef<Path>) -> Result<Predictions<T>, PipelineError> {
        self.predict(&self.columns.read_inputs(path)?)
    }
}

/// The outputs of a [`Pipeline`], one row per sample.
///
/// ```
/// use autograd::tensor;
/// use nn::Predictions;
/// let predictions = Predictions { outputs: tensor![[0.1, 0.9], [2.0, 1.0]], classes: vec!["cat".into(), "dog".into()] };
/// assert_eq!((predictions.labels(), predictions.names()), (vec![1, 0], vec!["dog".to_owned(), "cat".to_owned()]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions<T: Float> {
    /// The outputs, `[n, outputs]`: scores of classes, or values.
    pub outputs: Tensor<T>,
    /// The class names; empty if the targets are not class names.
    pub classes: Vec<String>,
}

impl<T: Float> Predictions<T> {
    /// The class of each sample: the position of its largest output.
    pub fn labels(&self) -> Vec<usize> {
        let outputs = self.outputs.contiguous();
        let width = outputs.shape().get(1).copied().unwrap_or(1).max(1);
        let largest = |row: &[T]| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        outputs.as_slice().expect("contiguous").chunks_exact(width).map(largest).collect()
    }

    /// The name of the class of each sample; its number if the classes have no names.
    pub fn names(&self) -> Vec<String> {
        let name = |label: usize| self.classes.get(label).cloned().unwrap_or_else(|| label.to_string());
        self.labels().into_iter().map(name).collect()
    }
}

/// The layers of a model, in the order in which they run.
fn architecture<T: Float>(model: &dyn Module<T>, inputs: usize) -> Result<String, PipelineError> {
    let tape = Tape::new();
    let mut pass = Pass::eval(&tape).noting();
    let output = pass.try_forward(model, tape.constant(Tensor::zeros(&[1, inputs])));
    output.map_err(|error| PipelineError::Inputs { inputs, error })?;
    let layers: Vec<String> = pass.into_notes().into_iter().map(|note| note.layer).collect();
    Ok(if layers.is_empty() { model.describe() } else { layers.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CsvOptions, Gap, TensorDataset};
    use crate::layer::{Activation, Mlp};

    fn learned() -> (Columns, TensorDataset<f64>) {
        let text = &b"area,kind,price\n50,flat,100\n70,house,300\n,flat,200\n"[..];
        CsvOptions::values("price").one_hot(["kind"]).gaps(Gap::Mean).learn_from(text, "t").unwrap()
    }

    fn model(columns: &Columns) -> crate::layer::Sequential<f64> {
        Mlp::new(&[columns.inputs(), 4, columns.outputs()]).seed(1).build()
    }

    #[test]
    fn what_is_saved_predicts_the_same() {
        let (columns, data) = learned();
        let path = std::env::temp_dir().join(format!("nn-pipeline-{}.safetensors", std::process::id()));
        let model_of = model(&columns);
        let mut pipeline = Pipeline::new(columns, model_of)
            .scaler(Scaler::fit_standard(data.inputs()).unwrap())
            .target_scaler(Scaler::fit_standard(data.values().unwrap()).unwrap());
        pipeline.notes.insert("made".into(), "here".into());
        pipeline.save(&path).unwrap();
        let loaded = Pipeline::load(&path, model).unwrap();
        assert_eq!(loaded.predict(data.inputs()).unwrap(), pipeline.predict(data.inputs()).unwrap());
        assert_eq!(loaded.notes, pipeline.notes);
        for note in ["columns", "architecture"] {
            pipeline.notes.insert(note.into(), "mine".into());
            let error = pipeline.save(&path).unwrap_err().to_string();
            assert_eq!(error, format!("a pipeline saves its own note {note:?}: give yours another name"));
            pipeline.notes.remove(note);
        }

        let tanh = |columns: &Columns| {
            Mlp::new(&[columns.inputs(), 4, columns.outputs()]).activation(Activation::Tanh).build::<f64>()
        };
        let error = Pipeline::load(&path, tanh).err().unwrap().to_string();
        assert!(error.contains("has the layers Linear(3, 4), Relu, Linear(4, 1), but the given model has"), "{error}");
        let error = Pipeline::load(&path, |_| Mlp::new(&[2, 4, 1]).build::<f64>()).err().unwrap().to_string();
        assert!(error.contains("does not take the 3 inputs of the columns"), "{error}");
        let mut declared = StateDict::read(&path).unwrap();
        let columns = declared.metadata.get_mut(COLUMNS).unwrap();
        *columns = columns.replace("\"values\"", "\"labels\"").replace("\"labels\":0", "\"labels\":1000000000000");
        declared.write(&path).unwrap();
        let error = Pipeline::load(&path, model).err().unwrap().to_string();
        assert!(error.contains("the columns have 1000000000000 outputs, but the file holds only"), "{error}");
        crate::save(&model(&learned().0), &path).unwrap();
        let error = Pipeline::load(&path, model).err().unwrap().to_string();
        assert!(error.contains("the file does not hold a pipeline: it has no note \"columns\""), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
