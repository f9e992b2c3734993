//! The constants of a graph as numbers, and their evaluation at compile time. Everything else that compiles a program
//! knows constants by number only, and is therefore compiled once for all number types.

use super::graph::Constant;
use crate::error::Result;
use crate::eval;
use crate::float::Float;
use crate::op::Op;
use crate::tape::DynRule;
use crate::tensor::{Shape, Strides, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// Computes constants from constants, all given by number.
pub(super) trait Evaluator {
    /// The value of an op at constants.
    fn eval(&mut self, op: &Op, inputs: &[u32], shape: &[usize]) -> Result<u32>;
    /// A scalar.
    fn scalar(&mut self, x: f64) -> u32;
    /// An array without elements.
    fn empty(&mut self, shape: &[usize]) -> u32;
    fn describe(&self, constant: u32) -> Constant;
}

/// The values of constants, by number. Each value is stored once.
pub(super) struct Constants<T: Float> {
    values: Vec<Tensor<T>>,
    /// Scalars are identified by their bits, arrays by their memory.
    scalars: HashMap<u64, u32>,
    arrays: HashMap<(usize, Shape, Strides), u32>,
    rules: Vec<Arc<dyn DynRule<T>>>,
}

impl<T: Float> Constants<T> {
    /// A table without constants; `rules` are those of the users' ops.
    pub(super) fn new(rules: &[Arc<dyn DynRule<T>>]) -> Self {
        Constants { values: Vec::new(), scalars: HashMap::new(), arrays: HashMap::new(), rules: rules.to_vec() }
    }

    /// The number of a constant, added if it is new.
    pub(super) fn add(&mut self, value: Tensor<T>) -> u32 {
        let next = self.values.len() as u32;
        let number = match value.as_scalar() {
            Some(x) => *self.scalars.entry(x.f64().to_bits()).or_insert(next),
            None => {
                let (data, start) = value.raw();
                let at = data[start..].as_ptr() as usize;
                *self.arrays.entry((at, value.shape().into(), value.strides().into())).or_insert(next)
            }
        };
        if number == next {
            self.values.push(value);
        }
        number
    }

    pub(super) fn value(&self, number: u32) -> &Tensor<T> {
        &self.values[number as usize]
    }

    pub(super) fn into_rules(self) -> Vec<Arc<dyn DynRule<T>>> {
        self.rules
    }
}

impl<T: Float> Evaluator for Constants<T> {
    fn eval(&mut self, op: &Op, inputs: &[u32], shape: &[usize]) -> Result<u32> {
        let mut x = Vec::with_capacity(inputs.len());
        for &input in inputs {
            x.push(self.value(input));
        }
        let value = match op {
            Op::Custom { id } => self.rules[*id as usize].compute(&x)?,
            op => {
                let value = eval::eval(op, &x, shape);
                eval::check(op, &x, value.iter())?;
                value
            }
        };
        Ok(self.add(value))
    }

    fn scalar(&mut self, x: f64) -> u32 {
        self.add(Tensor::scalar(T::of(x)))
    }

    fn empty(&mut self, shape: &[usize]) -> u32 {
        self.add(Tensor::zeros(shape))
    }

    fn describe(&self, constant: u32) -> Constant {
        let value = self.value(constant);
        let (data, start) = value.raw();
        // Found by their bits, so that a sum of zeros keeps its sign. Most arrays end this at the second number.
        let mut numbers = value.iter().map(|x| x.f64().to_bits());
        let first = numbers.next();
        let alike = first.is_some() && numbers.all(|x| Some(x) == first);
        Constant {
            shape: value.shape().into(),
            strides: value.strides().into(),
            uniform: alike.then(|| data[start].f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_one_number_are_known() {
        let mut constants = Constants::<f64>::new(&[]);
        let mut uniform = |shape: &[usize], data: &[f64]| {
            let number = constants.add(Tensor::new(shape, data.to_vec()));
            constants.describe(number).uniform
        };
        assert_eq!(uniform(&[], &[2.0]), Some(2.0));
        assert_eq!(uniform(&[2, 2], &[3.0; 4]), Some(3.0));
        assert_eq!(uniform(&[3], &[3.0, 3.0, 4.0]), None);
        assert_eq!(uniform(&[2], &[0.0, -0.0]), None);
        assert_eq!(uniform(&[0], &[]), None);
    }
}
