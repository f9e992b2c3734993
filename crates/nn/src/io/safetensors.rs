//! The safetensors format: eight bytes with the length of the header; the header, a JSON object with the type, shape
//! and position of each tensor; then the numbers, little-endian, without gaps.
//!
//! The format is so small that its own crate would add little beyond the JSON of the header, which `serde_json` parses.
//! This reader goes from the file directly to tensors, without loading the whole file in between, and locates faults.

mod header;
mod shards;

use super::dtype::Layout;
use super::source::Source;
use super::{AnyTensor, IoError, StateDict, stranger, write_atomically};
use header::{Entry, Header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The header's key for metadata.
const METADATA: &str = "__metadata__";
/// The longest header that the reference implementation accepts.
const LONGEST_HEADER: u64 = 100_000_000;

pub(super) const FORMAT: &str = "safetensors";

pub(super) fn read(path: &Path) -> Result<StateDict, IoError> {
    if path.extension().is_some_and(|extension| extension == "json") {
        return shards::read(path);
    }
    let mut source = Source::open(path, FORMAT)?;
    let mut dict = StateDict::new();
    let entries = entries(&mut source, &mut dict.metadata)?;
    let mut tensors = Vec::with_capacity(entries.len());
    for place in in_order(&entries, &source)? {
        tensors.push((place, entries[place].1.layout.tensor(&mut source)?));
    }
    tensors.sort_unstable_by_key(|(place, _)| *place);
    entries.into_iter().zip(tensors).for_each(|((name, _), (_, tensor))| drop(dict.insert(name, tensor)));
    Ok(dict)
}

/// Seeks to one tensor and returns its layout and its number of bytes.
pub(super) fn find(source: &mut Source<File>, name: &str) -> Result<(Layout, u64), IoError> {
    let entries = entries(source, &mut BTreeMap::new())?;
    in_order(&entries, source)?;
    let Some((_, entry)) = entries.into_iter().find(|(found, _)| found == name) else {
        return Err(source.fault_at(8, format!("the file has no tensor {name:?}")));
    };
    source.seek(source.at() + entry.begin)?;
    Ok((entry.layout, entry.end - entry.begin))
}

/// Reads the header: the entry of each tensor, and the metadata. If it is not valid, says what else the file is.
fn entries(
    source: &mut Source<File>,
    metadata: &mut BTreeMap<String, String>,
) -> Result<Vec<(String, Entry)>, IoError> {
    header_of(source, metadata).map_err(|error| {
        let start = source.seek(0).and_then(|()| source.vec(source.left().min(1024)));
        start.ok().and_then(|start| stranger(&start)).map_or(error, |what| source.fault_at(0, what))
    })
}

fn header_of(
    source: &mut Source<File>,
    metadata: &mut BTreeMap<String, String>,
) -> Result<Vec<(String, Entry)>, IoError> {
    let length = u64::from_le_bytes(source.bytes()?);
    let most = LONGEST_HEADER.min(source.left());
    if length > most {
        return Err(source.fault_at(0, format!("the header declares {length} bytes, but can have at most {most}")));
    }
    let header = source.vec(length)?;
    let Header { entries, notes } = serde_json::from_slice(&header).map_err(|error| {
        let before: usize = header.split(|b| *b == b'\n').take(error.line() - 1).map(|line| line.len() + 1).sum();
        let at = 8 + (before + error.column().saturating_sub(1)) as u64;
        source.fault_at(at, format!("invalid header: {error}"))
    })?;
    let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(source.fault_at(8, format!("header, {:?} occurs twice", twice[0])));
    }
    *metadata = notes;
    Ok(entries)
}

/// The order of the header's tensors in the file. They must fill it from here to its end without gaps, each as long as
/// its shape requires; otherwise, the file is not valid.
fn in_order(entries: &[(String, Entry)], source: &Source<File>) -> Result<Vec<usize>, IoError> {
    let (start, left, mut end) = (source.at(), source.left(), 0);
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&i| (entries[i].1.begin, entries[i].1.end));
    for &place in &order {
        let (name, entry) = &entries[place];
        if entry.begin != end {
            let problem = format!("{name:?} begins at byte {} of the data instead of {end}", entry.begin);
            return Err(source.fault_at(start + end, problem));
        }
        let size = entry.layout.size();
        end += (source.claim(entry.layout.count(source)? as u64, size)? * size) as u64;
        if entry.end != end {
            let problem = format!("{name:?} ends at byte {} of the data, but its shape requires {end}", entry.end);
            return Err(source.fault_at(start + end, problem));
        }
    }
    match end == left {
        true => Ok(order),
        false => Err(source.fault_at(start + end.min(left), format!("{end} bytes are declared, but {left} follow"))),
    }
}

pub(super) fn write(dict: &StateDict, path: &Path) -> Result<(), IoError> {
    // With the widest elements first, every tensor begins at a multiple of its element size.
    let mut tensors: Vec<_> = dict.iter().map(|(name, tensor)| (name, tensor, layout(tensor))).collect();
    tensors.sort_by_key(|(_, _, (_, size))| std::cmp::Reverse(*size));
    let header = header(dict, &tensors);
    write_atomically(path, |w| {
        if dict.get(METADATA).is_some() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!("the format reserves the tensor name {METADATA}"),
            ));
        }
        w.write_all(&(header.len() as u64).to_le_bytes())?;
        w.write_all(header.as_bytes())?;
        tensors.iter().try_for_each(|(_, tensor, _)| tensor.write_numbers(w))
    })
}

/// The name of the type in a header, and the size of an element.
fn layout(tensor: &AnyTensor) -> (&'static str, usize) {
    match tensor {
        AnyTensor::F32(_) => ("F32", 4),
        AnyTensor::F64(_) => ("F64", 8),
        AnyTensor::I64(_) => ("I64", 8),
        AnyTensor::Bool(_) => ("BOOL", 1),
    }
}

/// The header, padded so that the data starts at a multiple of 8.
fn header(dict: &StateDict, tensors: &[(&str, &AnyTensor, (&str, usize))]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut fields = Vec::with_capacity(tensors.len() + 1);
    if !dict.metadata.is_empty() {
        let notes: Vec<_> = dict.metadata.iter().map(|(k, v)| format!("{}:{}", quoted(k), quoted(v))).collect();
        fields.push(format!("\"{METADATA}\":{{{}}}", notes.join(",")));
    }
    let mut begin = 0;
    for (name, tensor, (dtype, size)) in tensors {
        let (shape, end) = (tensor.shape(), begin + tensor.len() * size);
        let name = quoted(name);
        fields.push(format!("{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}"));
        begin = end;
    }
    let header = format!("{{{}}}", fields.join(","));
    let padded = header.len().next_multiple_of(8);
    format!("{header:padded$}")
}
