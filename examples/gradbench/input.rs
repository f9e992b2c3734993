//! JSON input and output: the contents of a message, checked, as numbers and tensors.

use serde_json::{Value, json};
use std::time::Duration;
use wengert::prelude::*;

/// A part of the input of a message, and where it stands there.
pub struct Input<'a> {
    value: &'a Value,
    path: String,
}

/// The largest count that is accepted: a typing error must not exhaust the memory.
const LARGEST: u64 = 1 << 24;

impl<'a> Input<'a> {
    pub fn new(value: &'a Value) -> Self {
        Input { value, path: "input".into() }
    }

    /// A field of an object.
    pub fn get(&self, name: &str) -> Result<Input<'a>, String> {
        let path = format!("{}.{name}", self.path);
        match self.value.get(name) {
            Some(value) => Ok(Input { value, path }),
            None => Err(format!("{path} is missing")),
        }
    }

    /// How often to evaluate, and for how long: at least once.
    pub fn runs(&self) -> Result<(usize, Duration), String> {
        let runs = self.get("min_runs").map_or(Ok(1), |runs| runs.count())?;
        let seconds = self.get("min_seconds").map_or(Ok(0.0), |seconds| seconds.number())?;
        let time = Duration::try_from_secs_f64(seconds).map_err(|error| format!("{}.min_seconds: {error}", self.path));
        Ok((runs.max(1), time?))
    }

    pub fn number(&self) -> Result<f64, String> {
        self.value.as_f64().ok_or_else(|| self.expected("a number"))
    }

    pub fn flag(&self) -> Result<bool, String> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    pub fn count(&self) -> Result<usize, String> {
        let count = self.value.as_u64().filter(|&count| count <= LARGEST);
        Ok(count.ok_or_else(|| self.expected(&format!("a whole number up to {LARGEST}")))? as usize)
    }

    /// An index below `size`.
    pub fn index(&self, size: usize) -> Result<usize, String> {
        let index = self.value.as_u64().filter(|&index| index < size as u64);
        Ok(index.ok_or_else(|| self.expected(&format!("an index below {size}")))? as usize)
    }

    /// An index below `size`, or -1 for none.
    pub fn optional_index(&self, size: usize) -> Result<Option<usize>, String> {
        if self.value.as_i64() == Some(-1) { Ok(None) } else { self.index(size).map(Some) }
    }

    /// The elements of an array.
    pub fn list<Y>(&self, read: impl Fn(&Input<'a>) -> Result<Y, String>) -> Result<Vec<Y>, String> {
        let values = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        let element = |(i, value)| read(&Input { value, path: format!("{}[{i}]", self.path) });
        values.iter().enumerate().map(element).collect()
    }

    /// Numbers in arrays, nested as deep as the shape is long. A size of `None` is taken from the input.
    pub fn tensor<const RANK: usize>(&self, shape: [Option<usize>; RANK]) -> Result<Tensor<f64>, String> {
        let (mut sizes, mut numbers) = (shape, Vec::new());
        self.fill(&mut sizes, &mut numbers)?;
        let sizes: Vec<usize> = sizes.iter().map(|size| size.unwrap_or(0)).collect();
        Tensor::try_new(&sizes, numbers).map_err(|error| format!("{}: {error}", self.path))
    }

    fn fill(&self, shape: &mut [Option<usize>], numbers: &mut Vec<f64>) -> Result<(), String> {
        let Some((size, inner)) = shape.split_first_mut() else {
            numbers.push(self.number()?);
            return Ok(());
        };
        let values = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        if *size.get_or_insert(values.len()) != values.len() {
            return Err(self.expected(&format!("{} elements, but found {}", size.unwrap_or(0), values.len())));
        }
        for (i, value) in values.iter().enumerate() {
            // The path is only needed where something is wrong.
            if inner.is_empty()
                && let Some(number) = value.as_f64()
            {
                numbers.push(number);
            } else {
                Input { value, path: format!("{}[{i}]", self.path) }.fill(inner, numbers)?;
            }
        }
        Ok(())
    }

    pub fn expected(&self, what: &str) -> String {
        format!("{}: expected {what}", self.path)
    }
}

/// A tensor as nested arrays.
pub fn json(x: &Tensor<f64>) -> Value {
    match x.shape() {
        [] => json!(x.item()),
        [_] => json!(x.to_vec()),
        [rows, ..] => (0..*rows).map(|i| json(&x.index_axis(0, i as isize))).collect(),
    }
}

/// The text of an error.
pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
