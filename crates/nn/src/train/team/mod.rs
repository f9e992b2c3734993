//! [`Team`]: the ranks of a distributed run, from the viewpoint of one rank. They meet at fixed points of training: before the
//! first step, at each update, and after each epoch. Each of these begins with a message from every rank, so a rank that
//! fails reports it in its next message, and all ranks end together.

mod messages;
mod reduce;
mod sums;

pub(super) use reduce::Places;
pub(super) use sums::{Counts, settle, taken};

use super::error::TrainError;
use super::trainer::Trainer;
use crate::distributed::{Alone, Collective, share_of};
use crate::io::StateDict;
use crate::optim::ParamGradients;
use autograd::Float;
use std::ops::Range;
use std::sync::Arc;

/// How the ranks of a [distributed](super::Trainer::distributed) run share the work of a batch.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::{Sharing, Trainer}};
/// use nn::distributed::on_threads;
/// let digits = digits::<f32>();
/// let train = |ranks: usize| {
///     let weights = on_threads(ranks, |rank| {
///         let mut model = Mlp::new(&[64, 16, 10]).dropout(0.1).build();
///         let trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-2)).epochs(1).batch_size(100);
///         trainer.distributed(rank).sharing(Sharing::Shards(6)).fit(&mut model, &digits).unwrap();
///         nn::state_dict(&model)
///     });
///     weights.into_iter().next().unwrap()
/// };
/// assert_eq!(train(1), train(3)); // to the bit
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Sharing {
    /// Each rank computes the gradient of one shard of each batch, and the library sums them in any order. This is the
    /// fastest, but the bits depend on the number of ranks.
    #[default]
    PerRank,
    /// Each batch is cut into this many shards, regardless of the number of ranks, and their gradients are summed in a
    /// fixed order: the same bits on any number of ranks, which may even change when training is
    /// [resumed](super::Trainer::resume). Smaller shards use the processor less efficiently, and each rank sends its sums
    /// to every other. Best is the largest number of ranks that you use, a power of two.
    Shards(usize),
    /// Each rank updates its own model with the gradient of its shard, and after this many updates, parameters, buffers and
    /// the optimizer's state are averaged (local SGD; Stich, 2019): less communication, but different results. They are
    /// also averaged at the end of each epoch.
    LocalSgd(u64),
}

/// The ranks, and what this one has gathered since they last met.
pub(super) struct Team<'d, T: Float> {
    collective: Arc<dyn Collective + 'd>,
    pub sharing: Sharing,
    /// The shards of a batch, and which of them are this rank's.
    pub shards: usize,
    pub mine: Range<usize>,
    /// The summed gradients of each of its shards, and changes of buffers, since the last update.
    pub sums: Vec<ParamGradients<T>>,
    /// The notes on its shards since the ranks last met: batch by batch, shard by shard.
    pub notes: Vec<f64>,
    /// The names of the parts of the loss, once a shard has shown them.
    pub parts: Vec<String>,
    /// The samples and shards that its own sums count.
    pub own: Counts,
    /// Updates since the models were last averaged.
    pub local: u64,
}

impl<'d, T: Float> Team<'d, T> {
    /// The team of a trainer that has one. A fixed number of shards means the same on a single process.
    pub(super) fn of(trainer: &Trainer<'d, T>) -> Option<Self> {
        let sharing = trainer.settings.sharing;
        let collective = match (&trainer.collective, sharing) {
            (Some(collective), _) => collective.clone(),
            (None, Sharing::PerRank) => return None,
            (None, Sharing::Shards(_) | Sharing::LocalSgd(_)) => Arc::new(Alone),
        };
        let shards = match sharing {
            Sharing::Shards(shards) => shards,
            Sharing::PerRank | Sharing::LocalSgd(_) => collective.size(),
        };
        let mine = share_of(collective.rank(), collective.size(), shards);
        let (sums, notes, parts) = (Vec::new(), Vec::new(), Vec::new());
        Some(Team { collective, sharing, shards, mine, sums, notes, parts, own: Counts::default(), local: 0 })
    }

    /// Returns an error if the settings do not allow the work to be shared.
    pub(super) fn check(&self, trainer: &Trainer<'d, T>) -> Result<(), TrainError> {
        let (shards, size, batch) = (self.shards, self.size(), trainer.settings.batch_size);
        let problem = match self.sharing {
            _ if trainer.optimizer.searches() => {
                "the optimizer searches for its steps, which takes one process: use another optimizer".to_owned()
            }
            _ if trainer.settings.loss_scaling.is_some() => {
                "the scale of the loss is that of one process: use a precision that needs none, such as Bf16".to_owned()
            }
            Sharing::LocalSgd(0) => "LocalSgd(0) never averages the models: average after at least 1 update".to_owned(),
            _ if shards < size => {
                format!("{shards} shards are too few for {size} ranks: Sharing::Shards needs at least one for each")
            }
            _ if shards > batch => {
                format!("a batch of {batch} samples cannot be cut into {shards} shards: set a larger batch_size")
            }
            _ => return Ok(()),
        };
        Err(TrainError::Sharing { problem })
    }

    pub(super) fn size(&self) -> usize {
        self.collective.size()
    }

    pub(super) fn rank(&self) -> usize {
        self.collective.rank()
    }

    /// Whether this rank writes files and shows progress.
    pub(super) fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// The settings that must be the same on all ranks, beyond those of a checkpoint.
    pub(super) fn describe(&self) -> String {
        match self.sharing {
            Sharing::PerRank => format!("{}, one per rank", self.shards),
            Sharing::Shards(shards) => shards.to_string(),
            Sharing::LocalSgd(steps) => format!("{}, averaged after {steps} updates", self.shards),
        }
    }

    /// Sends a message to every rank, and returns those of all ranks.
    ///
    /// # Errors
    /// Returns an error on every rank if a rank failed.
    pub(super) fn exchange(&self, message: &StateDict) -> Result<Vec<StateDict>, TrainError> {
        messages::exchange(&*self.collective, message)
    }

    /// Tells the others that this rank ends with an error, unless they learned of it in an exchange.
    pub(super) fn farewell(&self, error: &TrainError) {
        messages::farewell(&*self.collective, error);
    }

    /// Sends the first rank's data to every rank.
    pub(super) fn sent_by_first(
        &self,
        dict: impl FnOnce() -> Result<StateDict, TrainError>,
    ) -> Result<StateDict, TrainError> {
        let dict = if self.leads() { dict()? } else { StateDict::new() };
        self.exchange(&StateDict::new())?;
        messages::broadcast(&*self.collective, 0, &dict)
    }

    /// Compares the settings of all ranks.
    ///
    /// # Errors
    /// Returns an error on every rank that names all that differs.
    pub(super) fn agree(
        &self,
        settings: &[(&'static str, String)],
        difference: messages::Difference,
    ) -> Result<(), TrainError> {
        messages::agree(&*self.collective, settings, difference)
    }
}
