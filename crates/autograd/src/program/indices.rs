//! Index tensors that are passed to each run: which steps read them, and how those of a run replace the recorded ones.

use super::graph::Graph;
use super::steps::{Plan, Step, Work};
use crate::error::{Error, Result};
use crate::op::shape::check_index;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// An index tensor that is passed to each run.
pub(super) struct Index {
    /// The tensor as recorded, whose shape later ones must have.
    recorded: Tensor<i64>,
    readers: Vec<Reader>,
}

/// A step that reads indices.
struct Reader {
    step: u32,
    name: &'static str,
    /// The view of the recorded tensor that it reads.
    view: Tensor<i64>,
    /// The size of the axis that they index.
    size: usize,
}

/// The index tensors of a program, with the steps that read them.
pub(super) fn with_readers(plan: &Plan, graph: &Graph) -> Vec<Index> {
    let mut indices = Vec::new();
    for recorded in &graph.indices {
        indices.push(Index { recorded: recorded.clone(), readers: Vec::new() });
    }
    for (k, step) in plan.steps.iter().enumerate() {
        if let Work::Op { op, indexed: Some(size) } = &step.work
            && let (Some(i), Some(view)) = (graph.index_input(op), op.index())
        {
            indices[i].readers.push(Reader { step: k as u32, name: op.name(), view: view.clone(), size: *size });
        }
    }
    indices
}

/// Returns an error if no step reads one of the index tensors.
pub(super) fn check_read(indices: &[Index]) -> Result<()> {
    let Some(k) = indices.iter().position(|index| index.readers.is_empty()) else { return Ok(()) };
    let hint = format!("no op that the outputs need reads index tensor {k}: pass the recorded tensor itself");
    Err(Error::Argument { op: super::OP, hint })
}

/// Replaces the indices that ops read with those of a run: all of them, or none if one is invalid.
pub(super) fn exchange(indices: &[Index], steps: &mut [Step], given: &[&Tensor<i64>]) -> Result<()> {
    if given.len() != indices.len() {
        let hint = format!("the program was compiled for {} index tensors, got {}", indices.len(), given.len());
        return Err(Error::Argument { op: "run", hint });
    }
    let mut exchanged: SmallVec<[(u32, Tensor<i64>); 4]> = SmallVec::new();
    for (k, (index, &given)) in indices.iter().zip(given).enumerate() {
        if given.shape() != index.recorded.shape() {
            let hint = format!("index tensor {k} was recorded with shape {:?}", index.recorded.shape());
            return Err(Error::Shape { op: "run", shape: given.shape().into(), hint });
        }
        let given = given.contiguous();
        for reader in &index.readers {
            let view = reader.view.transferred(&index.recorded, &given);
            check_index(reader.name, &view, reader.size)?;
            exchanged.push((reader.step, view));
        }
    }
    for (step, view) in exchanged {
        let Work::Op { op, .. } = &mut steps[step as usize].work else { unreachable!("only ops read indices") };
        *op.index_mut().expect("the op reads indices") = view;
    }
    Ok(())
}
