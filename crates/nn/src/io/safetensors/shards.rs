//! Models in several safetensors files, with an index in JSON that says which tensor is in which file.

use super::LONGEST_HEADER;
use crate::io::source::Source;
use crate::io::{IoError, StateDict};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Component, Path};

const FORMAT: &str = "index of safetensors files";

/// Reads all tensors that an index lists, from the files next to it.
pub(super) fn read(path: &Path) -> Result<StateDict, IoError> {
    let mut source = Source::open(path, FORMAT)?;
    let text = source.vec(source.left().min(LONGEST_HEADER))?;
    let index: Value =
        serde_json::from_slice(&text).map_err(|error| source.fault_at(0, format!("invalid JSON: {error}")))?;
    let no_map = || source.fault_at(0, "the index has no object \"weight_map\", which says where each tensor is");
    let places = index.get("weight_map").and_then(Value::as_object).ok_or_else(no_map)?;
    let mut dict = StateDict::new();
    for file in files(places).map_err(|problem| source.fault_at(0, problem))? {
        let shard = super::read(&path.with_file_name(file))?;
        dict.metadata.extend(shard.metadata.clone());
        let listed = |name: &str| places.get(name).and_then(Value::as_str) == Some(file);
        shard
            .iter()
            .filter(|(name, _)| listed(name))
            .for_each(|(name, tensor)| drop(dict.insert(name, tensor.clone())));
    }
    match places.iter().find(|(name, _)| dict.get(name).is_none()) {
        None => Ok(dict),
        Some((name, file)) => Err(source.fault_at(0, format!("tensor {name:?} should be in {file}, but is not"))),
    }
}

/// The files of an index, each once. They must lie next to it: an index must not read other folders.
fn files(places: &Map<String, Value>) -> Result<BTreeSet<&str>, String> {
    let beside = |file: &&str| {
        let mut parts = Path::new(file).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && file.ends_with(".safetensors")
    };
    let file = |(name, file): (&String, &Value)| {
        file.as_str().filter(beside).map(String::from).ok_or_else(|| {
            format!("tensor {name:?} is in {file}, but files must lie next to the index and end with .safetensors")
        })
    };
    places.iter().try_for_each(|place| file(place).map(drop))?;
    Ok(places.values().filter_map(Value::as_str).collect())
}
