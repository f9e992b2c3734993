//! What a model computes, as text: its parameters, its layers, and a checksum of the operations that one training step
//! records. Every setting of a layer or of a loss that has an effect is an operation, a constant, a distribution of
//! noise or the new value of a buffer, and all of these are on the tape or in the pass. So no settings are listed by
//! hand, and custom layers are compared like those of this crate.

use crate::data::Samples;
use crate::loss::Loss;
use crate::{Model, Pass, Path, once};
use autograd::op::{IntOp, Op};
use autograd::{Float, Rng, Tape, Var};
use flate2::Crc;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};

/// A name and its text.
type Setting = (&'static str, String);

once! {
    /// The settings of a model and a loss, as a step on this batch shows them. The values of parameters and of the batch
    /// are not compared: training changes the former, and data sets have [checksums](crate::data::Dataset::digest).
    pub(super) fn trace<'d, T>(model: &dyn Model<T>, loss: &(dyn Loss<T> + 'd), batch: &Samples<T>, seed: u64) -> Vec<Setting> {
        let tape = Tape::new();
        let mut pass = Pass::train(&tape, Rng::new(seed)).noting();
        let given = batch.on(&tape);
        let mut sum = Checksum(Crc::new());
        // A batch that a layer or the loss rejects ends training in its first step, with a better error.
        let refused = match pass.try_call(model, &given.inputs) {
            Ok(outputs) => loss.parts(&outputs, &given).and_then(|parts| parts.total()).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        sum.line(format_args!("{refused:?}"));
        sum.pass(model, &pass, given.each().map(|var| var.id()));
        let layers = pass.into_notes().into_iter().map(|note| note.layer).collect::<Vec<_>>().join("\n");
        vec![
            ("list of parameters", parameters(model)),
            ("list of layers", layers),
            (COMPUTATION, format!("{:08x}", sum.0.sum())),
        ]
    }
}

const COMPUTATION: &str = "computation (a checksum of the operations and constants of a step, which follow from the \
                           settings of the layers and of the loss)";

/// Names, shapes and roles, one per line.
fn parameters<T: Float>(model: &dyn Model<T>) -> String {
    let mut lines = Vec::new();
    model.visit(&mut Path::default(), &mut |name, param| {
        let role = match (param.is_buffer(), param.is_trainable()) {
            (true, _) => ", a buffer",
            (false, true) => "",
            (false, false) => ", frozen",
        };
        let by_rows = if param.is_by_rows() { ", by rows" } else { "" };
        lines.push(format!("{name} {:?}{role}{by_rows}", param.value().shape()));
    });
    lines.join("\n")
}

/// Whether an op has integers that are not constants: its own, or those of its last input.
fn is_found<T: Float>(var: Var<'_, T>) -> bool {
    let computed = |op: Op| matches!(op, Op::Integers { from, .. } if from != IntOp::Given);
    computed(var.op()) || var.inputs().last().is_some_and(|input| computed(input.op()))
}

struct Checksum(Crc);

impl Write for Checksum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Checksum {
    fn line(&mut self, text: fmt::Arguments) {
        writeln!(self, "{text}").expect("a checksum takes all text");
    }

    /// Adds everything that a pass recorded, except the values of parameters, noise and the batch, whose ids are `batch`.
    fn pass<'t, T: Float>(&mut self, model: &dyn Model<T>, pass: &Pass<'t, T>, batch: impl Iterator<Item = usize>) {
        let mut names = HashMap::new();
        model.visit(&mut Path::default(), &mut |name, param| drop(names.insert(param.key(), name.to_owned())));
        let placed = names.keys().filter_map(|key| pass.tape().find(*key)).map(|var| var.id());
        let drawn = pass.draws().map(|(var, _)| var.id());
        let given: HashSet<usize> = placed.chain(drawn).chain(batch).collect();
        for var in pass.tape().vars() {
            // Integers that follow from numbers depend on parameters, too.
            let (op, shape, found) = (var.op(), var.shape(), is_found(var));
            let op = if found { op.without_integers() } else { op };
            let inputs: Vec<usize> = var.inputs().iter().map(|input| input.id()).collect();
            self.line(format_args!("{op:?} {inputs:?} {shape:?}"));
            if op == Op::Const && !given.contains(&var.id()) {
                var.value().iter().for_each(|x| self.0.update(&x.f64().to_le_bytes()));
            }
        }
        pass.draws().for_each(|(var, noise)| self.line(format_args!("{} {noise:?}", var.id())));
        pass.updates().for_each(|(key, var)| self.line(format_args!("{:?} {}", names.get(&key), var.id())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;
    use crate::loss::{Mse, Target};
    use crate::{Module, Param, parameters};
    use autograd::{Order, tensor};

    /// The `k` largest of the weighted inputs.
    struct Largest {
        weight: Param<f64>,
        k: usize,
    }
    parameters! { impl Parameters<f64> for Largest { weight } }
    impl Module<f64> for Largest {
        fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
            (x * pass.var(&self.weight)).topk(self.k, 1, Order::Descending).0.sum_keep(1)
        }
    }

    #[test]
    fn values_of_parameters_do_not_matter_but_settings_do() {
        let batch = Batch { inputs: tensor![[1.0, 2.0, 3.0]], targets: Target::Values(tensor![[0.0]]) };
        let of = |weight, k| trace(&Largest { weight: Param::new(weight), k }, &Mse::new(), &Samples::from(&batch), 0);
        assert_eq!(of(tensor![1.0, 1.0, 1.0], 2), of(tensor![9.0, 1.0, -1.0], 2));
        assert_ne!(of(tensor![1.0, 1.0, 1.0], 2), of(tensor![1.0, 1.0, 1.0], 1));
    }
}
