//! The messages of the ranks: dictionaries of text and tensors. They do not depend on the type of the numbers.

use crate::distributed::{Collective, CollectiveError};
use crate::io::StateDict;
use crate::train::error::TrainError;

/// In a message: why a rank failed.
const FAILED: &str = "failed";

/// Says how a setting, by name, differs between a rank and the first one.
pub(in crate::train) type Difference = fn(&str, &str, &str) -> Option<[String; 3]>;

/// Sends a message to every rank, and returns those of all ranks.
///
/// # Errors
/// Returns an error on every rank if a rank failed.
pub(super) fn exchange(ranks: &dyn Collective, message: &StateDict) -> Result<Vec<StateDict>, TrainError> {
    let mut all = Vec::new();
    for bytes in ranks.gather(&message.to_bytes())? {
        let problem = || CollectiveError::Mismatch { problem: "a message is not valid".into() };
        all.push(StateDict::from_bytes(&bytes).ok_or_else(problem)?);
    }
    let failed = all.iter().enumerate().find_map(|(rank, all)| Some((rank, all.metadata.get(FAILED)?)));
    match failed {
        Some((rank, problem)) => Err(TrainError::Rank { rank, problem: problem.clone() }),
        None => Ok(all),
    }
}

/// Tells the others that this rank ends with an error, unless they learned of it in an exchange.
pub(super) fn farewell(ranks: &dyn Collective, error: &TrainError) {
    let known = matches!(error, TrainError::Collective(_) | TrainError::Rank { .. });
    if !known {
        let mut message = StateDict::new();
        message.metadata.insert(FAILED.to_owned(), error.to_string());
        // If they are gone, the message is not needed.
        let _ = ranks.gather(&message.to_bytes());
    }
}

/// Sends one rank's data to every rank; the others' are not used.
pub(super) fn broadcast(ranks: &dyn Collective, from: usize, dict: &StateDict) -> Result<StateDict, TrainError> {
    let mut bytes = if ranks.rank() == from { dict.to_bytes() } else { Vec::new() };
    ranks.broadcast(from, &mut bytes)?;
    let invalid = || CollectiveError::Mismatch { problem: "a broadcast is not valid".into() };
    Ok(StateDict::from_bytes(&bytes).ok_or_else(invalid)?)
}

/// Compares the settings of all ranks.
///
/// # Errors
/// Returns an error on every rank that names all that differs.
pub(super) fn agree(
    ranks: &dyn Collective,
    settings: &[(&'static str, String)],
    difference: Difference,
) -> Result<(), TrainError> {
    let mut message = StateDict::new();
    message.metadata.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let all = exchange(ranks, &message)?;
    let of = |rank: usize, name: &str| all[rank].metadata.get(name).map_or("nothing", String::as_str);
    let mut different = Vec::new();
    for rank in 1..ranks.size() {
        let found = settings.iter().filter_map(|(name, _)| difference(name, of(rank, name), of(0, name)));
        let told = |[what, there, here]: [String; 3]| {
            format!("the {what} of rank {rank} is {there}, but that of rank 0 is {here}")
        };
        different.extend(found.map(told));
    }
    match different.is_empty() {
        true => Ok(()),
        false => Err(TrainError::Ranks { problem: different.join("; ") }),
    }
}

/// The entries of all ranks, each from the first rank that has it; and the names that each rank has, as metadata.
pub(super) fn union(ranks: &dyn Collective, dict: &StateDict) -> Result<(StateDict, Vec<StateDict>), TrainError> {
    let mut message = StateDict::new();
    message.metadata.extend(dict.iter().map(|(name, _)| (name.to_owned(), String::new())));
    let all = exchange(ranks, &message)?;
    let mut whole = StateDict::new();
    for (rank, message) in all.iter().enumerate() {
        let new = |name: &str| message.metadata.contains_key(name) && whole.get(name).is_none();
        if message.metadata.keys().any(|name| new(name)) {
            let mut own = dict.clone();
            own.retain(|name, _| new(name));
            for (name, tensor) in broadcast(ranks, rank, &own)?.iter() {
                whole.insert(name, tensor.clone());
            }
        }
    }
    Ok((whole, all))
}
