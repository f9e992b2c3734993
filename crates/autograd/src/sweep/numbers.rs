//! The reverse sweep over runs of scalars. A node of rank 0 takes only a few operations, which are done here without
//! tensors. Between one cotangent and the next there is only arithmetic: no calls, and no memory except the slots.

use super::source::Mark;
use crate::eval::number::{binary_rule, unary_rule};
use crate::float::Float;
use crate::op::Side;
use crate::tape::{Code, Node};
use crate::tensor::Tensor;

/// Sweeps back from the node before `end` as long as nodes are elementwise functions of scalars whose cotangents are
/// not requested. Returns the end of the remaining nodes. `marks` is as in the sweep over tensors.
pub(super) fn sweep<T: Float>(
    nodes: &[Node<T>],
    marks: Option<&[Mark]>,
    bars: &mut [Option<Tensor<T>>],
    end: u32,
) -> u32 {
    let needs = |i: u32| match marks {
        None => nodes[i as usize].active,
        Some(marks) => marks[i as usize] != Mark::Skip,
    };
    let at = |i: u32| nodes[i as usize].number().expect("the inputs of a scalar are scalars");
    let mut end = end as usize;
    while let Some(id) = end.checked_sub(1) {
        let node = &nodes[id];
        let Some(y) = node.number() else { break };
        if marks.is_some_and(|marks| marks[id] == Mark::Wanted) {
            break;
        }
        let [a, b] = node.inputs;
        match node.code {
            Code::Const => bars[id] = None,
            Code::Unary(f) => {
                if let Some(g) = take(&mut bars[id])
                    && needs(a)
                {
                    add(&mut bars[a as usize], unary_rule(f, at(a), y, g));
                }
            }
            Code::Binary(f) => {
                if let Some(g) = take(&mut bars[id])
                    && f.is_differentiable()
                {
                    let (p, q) = (at(a), at(b));
                    if needs(a) {
                        add(&mut bars[a as usize], binary_rule(f, Side::A, p, q, y, g));
                    }
                    if needs(b) {
                        add(&mut bars[b as usize], binary_rule(f, Side::B, p, q, y, g));
                    }
                }
            }
            Code::Leaf | Code::Structured => break,
        }
        end = id;
    }
    end as u32
}

#[inline(always)]
fn take<T: Float>(slot: &mut Option<Tensor<T>>) -> Option<T> {
    let g = slot.as_ref()?.as_scalar();
    *slot = None;
    g
}

/// Stores the first contribution; adds later ones.
#[inline(always)]
fn add<T: Float>(slot: &mut Option<Tensor<T>>, d: T) {
    match slot {
        None => *slot = Some(Tensor::scalar(d)),
        Some(sum) => *sum.scalar_mut().expect("the cotangent of a scalar is a scalar") += d,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tape, Tensor, Var};

    /// A function that reads every input several times, so that contributions add up.
    fn f<'t>([x, a]: [Var<'t, f64>; 2]) -> Var<'t, f64> {
        let y = x.tanh() * (-x * x).exp() + x.sigmoid() / a;
        (y.maximum(x.sin()) - 0.5 * a * x).pow(a) + x.sqrt()
    }

    #[test]
    fn numbers_have_the_derivatives_of_arrays_bit_for_bit() {
        let at: [Vec<f64>; 2] =
            [(1..700).map(|i| i as f64 * 0.013).collect(), (1..700).map(|i| 3.1 - i as f64 * 0.004).collect()];
        let tape = Tape::new();
        let x = at.each_ref().map(|x| tape.var(Tensor::from(x.clone())));
        let gradients = f(x).sum().backward();
        for i in 0..699 {
            let tape = Tape::new();
            let number = at.each_ref().map(|x| tape.var(x[i]));
            let y = f(number);
            let (all, chosen) = (y.backward(), y.backward_wrt(&number));
            for k in 0..2 {
                let bits = gradients.wrt(x[k]).at(&[i]).to_bits();
                assert_eq!(all.wrt(number[k]).item().to_bits(), bits, "input {k} at {i}");
                assert_eq!(chosen.wrt(number[k]).item().to_bits(), bits, "input {k} at {i}, chosen");
            }
        }
    }

    #[test]
    fn a_number_on_the_way_may_be_asked_for() {
        let tape = Tape::<f64>::new();
        let x = tape.var(0.5);
        let (y, c) = (x.exp(), tape.constant(2.0));
        let z = (y * c + y).sin();
        let (slope, asked) = ((3.0 * y.item()).cos(), z.backward_wrt(&[y, c]));
        assert!((asked.wrt(c).item() - y.item() * slope).abs() < 1e-15);
        assert!((asked.wrt(y).item() - 3.0 * slope).abs() < 1e-15);
        assert!(c.backward().is_empty() && z.backward().wrt(x).item() != 0.0, "no cotangent is left behind");
    }
}
