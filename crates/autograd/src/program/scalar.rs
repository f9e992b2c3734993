//! A cluster of single numbers: a loop over a list of instructions and a flat array of values, with nothing allocated, counted
//! or looked up on the way.

use super::fuse::Cluster;
use super::graph::{Act, Graph};
use crate::float::{Exact, Float, Real};
use crate::kernel::simd::simd;
use crate::op::{Binary, Unary};
use crate::tensor::Tensor;
use std::collections::HashMap;

/// What an instruction computes of the values it names.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Unary(Unary),
    Binary(Binary),
    Where,
}

/// Its result is the value after those of the instructions before it.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    function: Function,
    from: [u32; 3],
}

/// The list. Its values are the operands, the constants, and then one for each instruction.
pub(super) struct Scalars<T: Float> {
    operands: usize,
    values: Vec<T>,
    instructions: Vec<Instruction>,
    /// Where the results are among the values.
    results: Vec<u32>,
}

impl<T: Float> Scalars<T> {
    pub(super) fn new(g: &Graph<T>, cluster: &Cluster, operands: &[u32], results: &[u32]) -> Self {
        let mut places: HashMap<u32, u32> = operands.iter().enumerate().map(|(k, &id)| (id, k as u32)).collect();
        let mut values = vec![T::zero(); operands.len()];
        for &id in &cluster.maps {
            for &input in &g.nodes[id as usize].inputs {
                if let (Some(x), false) = (g.uniform(input), places.contains_key(&input)) {
                    places.insert(input, values.len() as u32);
                    values.push(x);
                }
            }
        }
        let mut instructions = Vec::with_capacity(cluster.maps.len());
        for (k, &id) in cluster.maps.iter().enumerate() {
            let node = &g.nodes[id as usize];
            let function = match node.act {
                Act::Unary(u) => Function::Unary(u),
                Act::Binary(b) => Function::Binary(b),
                _ => Function::Where,
            };
            let mut from = [0; 3];
            from.iter_mut().zip(&node.inputs).for_each(|(from, input)| *from = places[input]);
            instructions.push(Instruction { function, from });
            places.insert(id, (values.len() + k) as u32);
        }
        let results = results.iter().map(|id| places[id]).collect();
        values.resize(values.len() + instructions.len(), T::zero());
        Scalars { operands: operands.len(), values, instructions, results }
    }

    /// Reads the operands, and gives the results in the order of their number.
    pub(super) fn run<'t>(&mut self, operands: impl Iterator<Item = &'t Tensor<T>>) -> impl Iterator<Item = T> + '_ {
        for (value, operand) in self.values[..self.operands].iter_mut().zip(operands) {
            let (data, start) = operand.raw();
            *value = data[start];
        }
        compute(&self.instructions, &mut self.values);
        self.results.iter().map(|&at| self.values[at as usize])
    }

    /// How many instructions there are.
    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }
}

simd! {
    fn compute<T: Float>(instructions: &[Instruction], values: &mut [T]) {
        let first = values.len() - instructions.len();
        for (k, i) in instructions.iter().enumerate() {
            let [a, b, c] = i.from.map(|at| at as usize);
            let y = match i.function {
                // The commonest inline; the others would only crowd the loop.
                Function::Binary(Binary::Add) => Real::add(values[a], values[b]),
                Function::Binary(Binary::Sub) => Real::sub(values[a], values[b]),
                Function::Binary(Binary::Mul) => Real::mul(values[a], values[b]),
                Function::Binary(Binary::Div) => Real::div(values[a], values[b]),
                Function::Unary(Unary::Neg) => Real::neg(values[a]),
                Function::Unary(Unary::Sin) if is_near(values[a]) => Real::sin(values[a]),
                Function::Unary(Unary::Cos) if is_near(values[a]) => Real::cos(values[a]),
                Function::Unary(Unary::Exp) => Real::exp(values[a]),
                Function::Unary(u) => unary(u, values[a]),
                Function::Binary(f) => binary(f, values[a], values[b]),
                Function::Where => Real::select(values[a], values[b], values[c]),
            };
            values[first + k] = y;
        }
    }
}

/// Whether the fast sine and cosine know the angle.
#[inline(always)]
fn is_near<T: Float>(x: T) -> bool {
    Real::abs(x) <= T::TRIG_LIMIT * T::of(0.25)
}

simd! {
    #[inline(never)]
    fn unary<T: Float>(u: Unary, x: T) -> T {
        if u.is_trigonometric() && !is_near(x) && !Float::is_nan(x) { u.f(Exact(x)).0 } else { u.f(x) }
    }
}

simd! {
    #[inline(never)]
    fn binary<T: Float>(f: Binary, a: T, b: T) -> T {
        f.f(a, b)
    }
}
