//! From a tape to plain data: the nodes of a picture, and the requested numbers.

use super::skeleton::{Raw, Skeleton, Wanted, skeleton};
use crate::draw::{Numbers, Scene};
use crate::float::Float;
use crate::float::once;
use crate::op::Op;
use crate::sweep::{Swept, passed_on, slopes};
use crate::tape::{Code, List, Tape};
use crate::tensor::Tensor;

once! {
    /// The picture of a tape.
    pub(super) fn scene<T>(tape: &Tape<T>, wanted: &Wanted) -> Scene {
        let end = wanted.output.map_or(tape.len() as u32, |output| output + 1);
        let list = if wanted.values || wanted.backward { tape.filled(0..end) } else { tape.list() };
        let raw: Vec<Raw> = (0..end).map(|id| bare(&list, id)).collect();
        let Skeleton { mut scene, ids } = skeleton(&raw, wanted);
        if wanted.values {
            for (node, &id) in scene.nodes.iter_mut().zip(&ids) {
                node.value = value(&list, id, &raw[id as usize].op);
            }
        }
        if let Some(output) = wanted.output.filter(|_| wanted.backward) {
            back(&list, output, &ids, &mut scene);
        }
        scene
    }

    /// A summary of a tensor.
    pub(super) fn numbers<T>(x: &Tensor<T>) -> Numbers {
        let mut numbers = Numbers::new(x.shape());
        for x in x.iter() {
            numbers.add(x.f64());
        }
        numbers
    }
}

/// A node without its numbers.
pub(super) fn bare<T: Float>(list: &List<T>, id: u32) -> Raw {
    let name = list.given_name(id).map(str::to_owned);
    let value = list.value(id);
    let number = value.as_scalar().filter(|_| name.is_none() && list.node(id).0 == Code::Const).map(Float::f64);
    let (shape, what) = (value.shape().to_vec(), list.name(id));
    Raw { op: list.op(id), what, inputs: list.inputs(id).into(), shape, line: list.line(id), name, number }
}

/// The numbers of a node, if it has any: integers as numbers, and none on a sketch.
pub(super) fn value<T: Float>(list: &List<T>, id: u32, op: &Op) -> Option<Numbers> {
    if let Op::Integers { values, .. } = op {
        let mut numbers = Numbers::new(values.shape());
        values.iter().for_each(|i| numbers.add(i as f64));
        return Some(numbers);
    }
    list.is_known(id).then(|| numbers(&list.value(id)))
}

/// The backward pass from a node, one link of the chain at a time, as far as it concerns the drawn nodes.
fn back<T: Float>(list: &List<T>, output: u32, ids: &[u32], scene: &mut Scene) {
    let mut bars: Vec<Option<Tensor<T>>> = vec![None; output as usize + 1];
    bars[output as usize] = Some(Tensor::full(list.value(output).shape(), T::one()));
    for id in (0..=output).rev() {
        let Some(g) = bars[id as usize].take() else { continue };
        let passed = passed_on(list, id, &g);
        if let Ok(at) = ids.binary_search(&id) {
            let node = &mut scene.nodes[at];
            node.cotangent = Some(numbers(&g));
            for (link, d) in node.links.iter_mut().zip(&passed) {
                link.passes = d.as_ref().map(numbers);
            }
            for (link, d) in node.links.iter_mut().zip(slopes(list, id)) {
                link.local = d.as_ref().map(numbers);
            }
        }
        for (&input, d) in list.inputs(id).iter().zip(passed) {
            if let Some(d) = d {
                Tensor::contribute(&mut bars[input as usize], d);
            }
        }
    }
}
