//! The operations of a [`Trainer`]: train a model, resume its training, evaluate it, predict with it. Each is compiled
//! once, in this crate.

use super::checkpoint::{CheckpointError, Checkpoints};
use super::error::TrainError;
use super::evaluate::{Evaluation, evaluate, predict, predict_fields};
use super::history::History;
use super::run::{Run, loader};
use super::team::Team;
use super::trainer::Trainer;
use crate::data::{Dataset, Fields};
use crate::io::StateDict;
use crate::{Model, Module, once};
use autograd::{Float, Tensor};

impl<T: Float> Trainer<'_, T> {
    /// Trains the model. A second call continues from the current state of the model, the optimizer, and a schedule that has
    /// one, such as [`ReduceOnPlateau`](crate::schedule::ReduceOnPlateau); epochs are counted from 1 again.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::Trainer};
    /// let mut model = Mlp::new(&[64, 32, 10]).build();
    /// let history = Trainer::new(CrossEntropy::new(), Adam::<f32>::new(3e-3)).epochs(3).fit(&mut model, &digits())?;
    /// assert!(history.epochs[2].loss < history.epochs[0].loss);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Returns an error if the data is empty or does not fit the model, the batch size is 0, or a loss or gradient is
    /// not finite; that error names the epoch and batch, and the model keeps the parameters of the last good step. Also
    /// if a callback fails, a checkpoint cannot be written, or the folder already has checkpoints or belongs to a
    /// training run in progress.
    pub fn fit(&mut self, model: &mut dyn Model<T>, data: &dyn Dataset<T>) -> Result<History, TrainError> {
        fit(self, model, data)
    }

    /// Resumes from the newest complete checkpoint, and continues bit for bit as [`fit`](Trainer::fit) would have if it
    /// had not been stopped; only the recorded times differ. The trainer, the model and the data must be set up as
    /// before: settings, layers and samples are compared with those of the checkpoint. If the folder does not exist or
    /// has no checkpoints, training starts from the beginning. If a callback stopped the run within an epoch, it goes on with the
    /// next epoch. If it has checkpoints, but all of them are damaged, that is
    /// an error. From a checkpoint of a finished run, the model and the history are restored as at its end.
    ///
    /// The [notes](History::notes) of the history list damaged checkpoints that were skipped.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::{Checkpoints, Trainer}};
    /// let (folder, digits) = (std::env::temp_dir().join(format!("resume-{}", std::process::id())), digits());
    /// let train = |epochs| {
    ///     let mut trainer = Trainer::new(CrossEntropy::new(), Adam::<f32>::new(3e-3)).epochs(epochs);
    ///     trainer = trainer.checkpoints(Checkpoints::new(&folder));
    ///     trainer.resume(&mut Mlp::new(&[64, 10]).build(), &digits)
    /// };
    /// assert_eq!(train(1)?.epochs.len(), 1);
    /// assert_eq!(train(1)?.epochs.len(), 1, "it was over, and is restored");
    /// std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Same as [`fit`](Trainer::fit); if no folder is set to resume from; if it has checkpoints, but none is complete; if
    /// the newest complete one is from another training run.
    pub fn resume(&mut self, model: &mut dyn Model<T>, data: &dyn Dataset<T>) -> Result<History, TrainError> {
        resume(self, model, data)
    }

    /// Computes the loss and metrics on a data set, in eval mode.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).metric(Metric::accuracy());
    /// let evaluation = trainer.evaluate(&Mlp::new(&[64, 10]).build(), &digits())?;
    /// assert!(evaluation.loss > 1.0 && evaluation.metrics[0] < 0.5, "it has learned nothing yet");
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Same as [`evaluate`].
    pub fn evaluate(&self, model: &dyn Model<T>, data: &dyn Dataset<T>) -> Result<Evaluation, TrainError> {
        evaluate(model, &*self.loss, &self.metrics, data, self.settings.batch_size)
    }

    /// Computes the model's outputs in eval mode.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1));
    /// let scores = trainer.predict(&Mlp::new(&[64, 10]).build(), digits().inputs())?;
    /// assert_eq!((scores.shape(), scores.argmax(1).shape()), ([1797, 10].as_slice(), [1797].as_slice()));
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Same as [`predict`].
    pub fn predict(&self, model: &dyn Module<T>, inputs: &Tensor<T>) -> Result<Tensor<T>, TrainError> {
        predict(model, inputs, self.settings.batch_size)
    }

    /// Computes the outputs of a model with any number of inputs and outputs, in eval mode.
    ///
    /// ```
    /// use nn::{data::{Fields, digits}, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1));
    /// let inputs = Fields::new().with("image", digits::<f32>().inputs().clone());
    /// let outputs = trainer.predict_fields(&Mlp::new(&[64, 10]).build(), &inputs)?;
    /// assert_eq!(outputs.numbers(0)?.shape(), [1797, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// Same as [`predict_fields`].
    pub fn predict_fields(&self, model: &dyn Model<T>, inputs: &Fields<T>) -> Result<Fields<T>, TrainError> {
        predict_fields(model, inputs, self.settings.batch_size)
    }
}

once! {
    fn fit<'d, T>(
        trainer: &mut Trainer<'d, T>,
        model: &mut dyn Model<T>,
        data: &dyn Dataset<T>,
    ) -> Result<History, TrainError> {
        together(Team::of(trainer), |team| {
            let writes = team.is_none_or(Team::leads);
            let _lock = trainer.checkpoints.as_ref().filter(|_| writes).map(Checkpoints::begin).transpose()?;
            let loader = loader(trainer, data, team)?;
            let mut run = Run::new(trainer, model, &loader, data)?;
            run.join("fit")?;
            run.finish()
        })
    }

    fn resume<'d, T>(
        trainer: &mut Trainer<'d, T>,
        model: &mut dyn Model<T>,
        data: &dyn Dataset<T>,
    ) -> Result<History, TrainError> {
        together(Team::of(trainer), |team| {
            let checkpoints = trainer.checkpoints.as_ref().ok_or(CheckpointError::NoFolder)?;
            let writes = team.is_none_or(Team::leads);
            let _lock = writes.then(|| checkpoints.lock()).transpose()?;
            let folder = checkpoints.folder().to_owned();
            let loader = loader(trainer, data, team)?;
            let mut run = Run::new(trainer, model, &loader, data)?;
            run.join("resume")?;
            run.resume_from(&folder)?;
            run.finish()
        })
    }
}

/// Runs `work`, and tells the other ranks if it fails, so that none of them waits forever. The last exchange is one that all
/// ranks take part in, so a rank that fails at the very end also tells the others, and no message is left for a later run.
fn together<T: Float>(
    team: Option<Team<'_, T>>,
    work: impl FnOnce(Option<&Team<'_, T>>) -> Result<History, TrainError>,
) -> Result<History, TrainError> {
    let outcome = work(team.as_ref());
    match (&team, &outcome) {
        (Some(team), Ok(_)) => drop(team.exchange(&StateDict::new())?),
        (Some(team), Err(error)) => team.farewell(error),
        (None, _) => {}
    }
    outcome
}
