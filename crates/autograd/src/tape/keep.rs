//! Decides which values stay in memory: all, unless the tape is lean. A reverse rule reads some of its op's inputs, its
//! output, or neither. A lean tape drops an array that no rule reads after some delay, and recomputes it on demand.
//!
//! The delay avoids recomputing an array that an op recorded soon afterward still uses.

use super::list::{Code, List};
use crate::error::Result;
use crate::eval::blocks::any_saturated;
use crate::float::{Few, Float};
use crate::op::{OUTPUT, Op, Unary};
use crate::rules::reads;
use crate::tensor::Tensor;
use crate::value::Value;
use smallvec::{SmallVec, smallvec};

/// Whether an array must stay in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Keep {
    /// It is an input, a rule reads it, or it was recomputed after it had been dropped.
    Needed,
    /// Not needed so far.
    Spare,
    /// It has been dropped; a placeholder of the same shape that takes no memory has replaced it.
    Gone,
}

/// The nodes at the end of a lean tape that are too recent to be dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent {
    /// The first of them.
    first: u32,
    /// Number of elements in their arrays.
    elements: usize,
    /// How many elements must follow an array before it is dropped.
    most: usize,
}

impl Recent {
    pub(super) fn new(most: usize) -> Self {
        Recent { first: 0, elements: 0, most }
    }
}

impl<T: Float> List<T> {
    /// Accounts for a new node: marks what its rule reads as needed, and drops spare arrays that are old enough.
    pub(super) fn account(&mut self, id: u32) {
        let Some(mut recent) = self.recent else { return };
        if self.active(id) {
            for value in self.read_by_rule(id, &|input| self.active(input)) {
                self.nodes[value as usize].keep = Keep::Needed;
            }
        }
        recent.elements = recent.elements.saturating_add(self.elements(id));
        while recent.first <= id {
            let younger = recent.elements.saturating_sub(self.elements(recent.first));
            if younger < recent.most {
                break;
            }
            self.let_go(recent.first);
            (recent.first, recent.elements) = (recent.first + 1, younger);
        }
        self.recent = Some(recent);
    }

    /// Corrects the account after the tape was truncated.
    pub(super) fn recount(&mut self) {
        let Some(mut recent) = self.recent else { return };
        let end = self.nodes.len() as u32;
        recent.first = recent.first.min(end);
        recent.elements = (recent.first..end).fold(0, |sum: usize, id| sum.saturating_add(self.elements(id)));
        self.recent = Some(recent);
    }

    /// Number of elements in a node's array; 0 if it has none.
    fn elements(&self, id: u32) -> usize {
        self.array(id).map_or(0, Tensor::len)
    }

    /// The values that a node's rule reads to differentiate with respect to the inputs for which `wanted` holds.
    fn read_by_rule(&self, id: u32, wanted: &dyn Fn(u32) -> bool) -> SmallVec<[u32; 4]> {
        let inputs = self.inputs(id);
        let wanted = |i: usize| wanted(inputs[i]);
        let bits = match self.node(id).0 {
            Code::Leaf | Code::Const => 0,
            // The rule reads x only where tanh saturates, so most tapes do not need it.
            Code::Unary(Unary::Tanh) if !self.is_gone(id) && self.is_core(id) => OUTPUT,
            Code::Unary(f) => reads(&Op::Unary(f), &wanted),
            Code::Binary(f) => reads(&Op::Binary(f), &wanted),
            Code::Structured => reads(&self.structured(id).op, &wanted),
        };
        let read = inputs.iter().enumerate().filter(|(i, _)| bits >> i.min(&30) & 1 == 1);
        read.map(|(_, &input)| input).chain((bits & OUTPUT != 0).then_some(id)).collect()
    }

    /// Whether all elements of a tanh are far enough from ±1 for its rule to read nothing else.
    fn is_core(&self, id: u32) -> bool {
        self.value(id).as_slice().is_some_and(|y| !any_saturated(y))
    }

    fn let_go(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        if node.keep == Keep::Spare {
            node.keep = Keep::Gone;
            let array = node.array as usize;
            self.arrays[array] = self.unknown(self.arrays[array].shape());
        }
    }

    /// Whether a value has been dropped.
    #[inline(always)]
    pub(super) fn is_gone(&self, id: u32) -> bool {
        self.nodes[id as usize].keep == Keep::Gone
    }

    /// Recomputes a value that has been dropped, along with the dropped values it depends on. They are kept from now
    /// on.
    pub(super) fn fill(&mut self, id: u32) {
        if !self.is_gone(id) {
            return;
        }
        let mut waiting: SmallVec<[u32; 4]> = smallvec![id];
        while let Some(&id) = waiting.last() {
            let missing = waiting.len();
            if self.is_gone(id) {
                waiting.extend(self.inputs(id).iter().copied().filter(|&i| self.is_gone(i)));
            }
            if waiting.len() > missing {
                continue;
            }
            waiting.pop();
            if self.is_gone(id) {
                let value = self.again(id).expect("it has been computed before");
                let node = &mut self.nodes[id as usize];
                node.keep = Keep::Needed;
                self.arrays[node.array as usize] = value;
            }
        }
    }

    /// Recomputes what rules will read in a sweep from `root` back through the nodes for which `passes` holds. Active
    /// nodes keep everything that their rules read, but derivatives with respect to constants may need more.
    pub(super) fn fill_for(&mut self, root: u32, passes: &dyn Fn(u32) -> bool) {
        if self.recent.is_some() {
            for id in (0..=root).filter(|&id| passes(id)) {
                self.read_by_rule(id, passes).into_iter().for_each(|value| self.fill(value));
            }
        }
    }

    /// Recomputes a node's value from those of its inputs.
    pub(crate) fn again(&self, id: u32) -> Result<Tensor<T>> {
        let x: SmallVec<[_; 16]> = self.inputs(id).iter().map(|&i| self.value(i)).few();
        let x: SmallVec<[&Tensor<T>; 16]> = x.iter().map(|x| &**x).few();
        match self.op(id) {
            Op::Custom { id } => self.rule(id).compute(&x),
            op => Tensor::try_apply(op, &x),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Program, Tape, Tensor, Var, tensor};

    fn gone(tape: &Tape<f64>) -> Vec<u32> {
        (0..tape.len() as u32).filter(|&id| tape.list().is_gone(id)).collect()
    }

    /// Three steps that each compute a product and its exponential, then a constant large enough to make the last product old.
    fn steps<'t>(h: Var<'t, f64>, w: Var<'t, f64>) -> Var<'t, f64> {
        let y = (0..3).fold(h, |h, _| h.matmul(w).exp());
        y.tape().constant(Tensor::zeros(&[12]));
        y
    }

    #[test]
    fn products_that_only_feed_an_exponential_are_let_go_and_come_back() {
        let (lean, full) = (Tape::<f64>::lean(12), Tape::new());
        let at = [3, 2].map(|rows| Tensor::<f64>::arange(2 * rows).as_shape(&[rows, 2]) * 0.1);
        let ([h, w], [k, v]) = (
            [lean.constant(at[0].clone()), lean.var(at[1].clone())],
            [full.constant(at[0].clone()), full.var(at[1].clone())],
        );
        let (y, z) = (steps(h, w), steps(k, v));
        assert_eq!((gone(&lean), gone(&full)), (vec![2, 4, 6], vec![]));
        assert_eq!(y.sum().backward().wrt(w), z.sum().backward().wrt(v));
        assert_eq!(gone(&lean), [2, 4, 6], "the sweep does not need them");
        let value = |tape: &Tape<f64>, id: usize| tape.get(id).unwrap().value();
        assert_eq!(value(&lean, 4), value(&full, 4));
        assert_eq!(gone(&lean), [2, 6], "a recomputed value is kept");
        let ones = Tensor::<f64>::ones(&[2, 2]);
        assert_eq!(y.sum().hvp(&[(w, ones.clone())]), z.sum().hvp(&[(v, ones.clone())]));
        assert_eq!(y.jvp(&[(w, ones.clone())]), z.jvp(&[(v, ones)]));
    }

    #[test]
    fn what_tanh_is_of_is_kept_only_for_a_tail() {
        let tape = Tape::<f64>::lean(4);
        let x = tape.var([0.5, 1.0]);
        let (near, far) = (x * 3.0, x * 20.0);
        let y = (near.tanh() + far.tanh()).sum();
        tape.constant(Tensor::zeros(&[4]));
        assert!(tape.list().is_gone(near.id) && !tape.list().is_gone(far.id));
        let sech2 = |x: f64| x.cosh().powi(-2);
        let expected = [0.5, 1.0].map(|x| 3.0 * sech2(3.0 * x) + 20.0 * sech2(20.0 * x));
        let gradient = y.backward().wrt(x);
        assert!(gradient.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-13 * b), "{gradient}");
        let tail = far.tanh().sum().backward().wrt(x).at(&[1]);
        assert!((tail / (20.0 * sech2(20.0)) - 1.0).abs() < 1e-14, "{tail}");
    }

    #[test]
    fn derivatives_of_constants_bring_back_what_they_read() {
        let (lean, full) = (Tape::<f64>::lean(0), Tape::new());
        let gradient = |tape: &Tape<f64>| {
            let c = tape.constant([0.5, 1.0, 2.0]);
            let y = (c.sin() * c.exp()).sum();
            y.backward_wrt(&[c]).wrt(c)
        };
        assert_eq!(gradient(&lean), gradient(&full));
    }

    #[test]
    fn what_is_frozen_into_a_program_comes_back_first() {
        let tape = Tape::<f64>::lean(0);
        let (x, c) = (tape.var([1.0, 2.0]), tape.constant([3.0, 4.0]));
        let y = x * c.exp().sin();
        let mut program = Program::new(&tape, &[x], &[y]);
        assert_eq!(program.run(&[&tensor![1.0, 1.0]]).unwrap()[0], c.value().exp().sin());
        assert_eq!(tape.profile().rows().len(), 4, "three ops, one of which propagates a derivative");
    }

    #[test]
    fn values_come_back_from_values_that_must_come_back_first() {
        let tape = Tape::<f64>::lean(0);
        let x = tape.var([1.0, 2.0]);
        let chain: Vec<Var<f64>> = (0..1000)
            .scan(x, |x, _| {
                *x = *x + 1.0;
                Some(*x)
            })
            .collect();
        assert!(gone(&tape).contains(&chain[999].id));
        assert_eq!(chain[998].value(), tensor![1000.0, 1001.0]);
        assert_eq!(chain[999].sum().backward().wrt(x), tensor![1.0, 1.0]);
    }

    #[test]
    fn what_derivatives_need_is_kept_and_so_is_what_came_from_outside() {
        let tape = Tape::<f64>::lean(0);
        let (x, c) = (tape.var([1.0, 2.0]), tape.constant([3.0, 4.0]));
        let y = x * 2.0; // read by the rule of the product below, for the derivative in z
        let z = x.exp(); // its own rule reads it, and so does the product's
        let product = y * z;
        assert!(![x, c, z].iter().any(|v| tape.list().is_gone(v.id)));
        assert_eq!(product.sum().backward().wrt(x), (x.value() * 2.0 + 2.0) * x.value().exp());
        // No derivative passes through nodes that depend only on constants.
        let w = c.exp();
        assert!(tape.list().is_gone(w.id) && w.value() == c.value().exp());
    }

    #[test]
    fn a_tape_that_was_cut_short_goes_on_counting() {
        let tape = Tape::<f64>::lean(4);
        let x = tape.var([0.5, 0.25]);
        let y = x.exp().sum();
        y.hvp(&[(x, tensor![1.0, 0.0])]); // records nodes, and removes them again
        let z = (x + 1.0) + 2.0;
        assert!(gone(&tape).is_empty());
        let _ = z + x;
        assert_eq!(gone(&tape).len(), 1, "four elements after x + 1");
    }
}
