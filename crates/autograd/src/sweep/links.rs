//! One link of the chain at a time: what a node passes on to each of its inputs. A sweep adds these up as it goes;
//! explanations of a derivative inspect each one separately.

use super::Swept;
use super::backward::structured;
use super::source::Computed;
use crate::float::once;
use crate::op::Side;
use crate::rules::Cotangents;
use crate::tape::{Code, List};
use crate::tensor::Tensor;
use smallvec::smallvec;

once! {
    /// What node `id` passes on to each of its inputs when `g` arrives; `None` where nothing flows. All values must be in
    /// memory.
    pub(crate) fn passed_on<T>(list: &List<T>, id: u32, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        let (code, [a, b]) = list.node(id);
        match code {
            Code::Leaf | Code::Const => smallvec![],
            Code::Unary(_) | Code::Binary(_) => {
                let narrow = |d: Tensor<T>, input| d.narrow(&list.value(input));
                elementwise(list, id, g).into_iter().zip([a, b]).map(|(d, input)| d.map(|d| narrow(d, input))).collect()
            }
            Code::Structured => {
                let node = list.structured(id);
                let mut passed = structured(&Computed::all(list), id, &node.op, &node.inputs, g);
                passed.iter_mut().zip(&node.inputs).for_each(|(d, &i)| *d = d.take().filter(|_| list.active(i)));
                passed
            }
        }
    }

    /// The derivatives of an elementwise function with respect to its operands, at each element of its value; `None` for
    /// structured ops, whose derivatives are linear maps.
    pub(crate) fn slopes<T>(list: &List<T>, id: u32) -> Cotangents<Tensor<T>> {
        elementwise(list, id, &Tensor::full(list.value(id).shape(), T::one()))
    }

    /// The cotangents of the operands of an elementwise function, with the shape of its value.
    fn elementwise<T>(list: &List<T>, id: u32, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        let (code, [a, b]) = list.node(id);
        let y = list.value(id);
        match code {
            Code::Unary(op) => {
                smallvec![list.active(a).then(|| Tensor::unary_rule(op, &list.value(a), &y, g))]
            }
            Code::Binary(op) => {
                let flows = |i| list.active(i) && op.is_differentiable();
                let rule = |side| Tensor::binary_rule(op, side, [&list.value(a), &list.value(b), &y, g]);
                smallvec![flows(a).then(|| rule(Side::A)), flows(b).then(|| rule(Side::B))]
            }
            Code::Leaf | Code::Const | Code::Structured => smallvec![],
        }
    }
}
