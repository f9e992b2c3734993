//! Recurrent layers over whole sequences. A dedicated op computes the cotangents of all steps in one call; the part of the
//! weights is one product over all steps.
//!
//! Further derivatives, and tangents, are those of the steps as operations of the algebra, one after the other: the
//! equations of the cells are evaluated on [values with tangents](Dual). The cotangent of the backward steps is also a
//! tangent: for the cotangent g of the states F, the backward steps give the gradient of ⟨g, F⟩ with respect to x. The
//! derivative of ⟨q, ∇⟨g, F⟩⟩ with respect to x is the tangent of ∇⟨g, F⟩ along q, because second derivatives are
//! symmetric; the one with respect to g is the tangent of F.

use super::Cotangents;
use super::dual::Dual;
use super::elementwise::{self, steps};
use super::scan::part;
use crate::float::{E, Float};
use crate::kernel::recurrent::cell::{Equations, with_equations};
use crate::op::formula::{Source, Step, Term, record};
use crate::op::{Binary, Cell, Fold, Op};
use crate::tensor::{AxisSet, Shape};
use crate::value::Value;
use smallvec::{SmallVec, smallvec};
use std::sync::LazyLock;

/// The cotangents of the inputs.
pub(crate) fn vjp<T: Float, V: Value<T>>(
    op: &Op,
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    match (op, x) {
        (Op::RecurrentTrace { .. }, _) => smallvec![None; x.len()],
        (&Op::Recurrent { cell, reverse }, [trace, z, w, b, lengths, start @ ..]) => {
            let mut read: SmallVec<[&V; 16]> = smallvec![*trace, *w, *lengths, g, *z, *b];
            read.extend_from_slice(start);
            let bars = Bars { cell, reverse, all: V::apply(Op::RecurrentVjp { cell, reverse }, &read) };
            let mut out = smallvec![
                None,
                wants(1).then(|| bars.of_input()),
                wants(2).then(|| bars.of_weights(y)),
                wants(3).then(|| bars.of_bias()),
                None
            ];
            out.extend((0..start.len()).map(|k| wants(5 + k).then(|| bars.of_start(k))));
            out
        }
        (&Op::RecurrentVjp { cell, reverse }, [_, w, lengths, cotangent, z, b, start @ ..]) => {
            // The direction of the arguments: that of the input, and what the state contributes by itself.
            let direction = Bars { cell, reverse, all: g.clone() };
            let along: Vec<V> = (0..start.len()).map(|k| direction.of_start(k)).collect();
            let start = start.iter().zip(&along).map(|(&x, t)| Dual::new(x, Some(t))).collect();
            let z = Dual::new(*z, Some(&direction.of_input()));
            let still = |t: &V| t.number(T::zero()).expand(&t.shape());
            let alone = direction.of_state_alone().map(|t| Dual::new(&still(&t), Some(&t)));
            let [w, b, lengths, cotangent] = [*w, *b, *lengths, *cotangent].map(|x| Dual::new(x, None));
            let steps = Steps::take(cell, reverse, [&z, &w, &b, &lengths], start, alone.as_ref());
            let states = steps.states();
            let bars = Bars { cell, reverse, all: steps.back(&w, &cotangent) };
            let mut out = smallvec![
                None,
                wants(1).then(|| bars.of_weights(&states).t).flatten(),
                None,
                wants(3).then(|| states.t.clone()).flatten(),
                wants(4).then(|| bars.of_input().t).flatten(),
                wants(5).then(|| bars.of_bias().t).flatten()
            ];
            out.extend((0..along.len()).map(|k| wants(6 + k).then(|| bars.of_start(k).t).flatten()));
            out
        }
        _ => unreachable!("not a recurrent layer, or not all of its inputs"),
    }
}

/// The tangent of the output.
pub(crate) fn jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], t: &[Option<&V>]) -> Option<V> {
    let duals: Vec<Dual<V>> = x.iter().zip(t).map(|(&x, t)| Dual::new(x, *t)).collect();
    match (op, &duals[..]) {
        (Op::RecurrentTrace { .. }, _) => None,
        (&Op::Recurrent { cell, reverse }, [_, z, w, b, lengths, start @ ..]) => {
            Steps::take(cell, reverse, [z, w, b, lengths], start.to_vec(), None).states().t
        }
        (&Op::RecurrentVjp { cell, reverse }, [_, w, lengths, cotangent, z, b, start @ ..]) => {
            Steps::take(cell, reverse, [z, w, b, lengths], start.to_vec(), None).back(w, cotangent).t
        }
        _ => unreachable!("not a recurrent layer, or not all of its inputs"),
    }
}

/// The cotangents of what the steps read, `[time + 1, batch, arguments · hidden]`.
struct Bars<V> {
    cell: Cell,
    reverse: bool,
    all: V,
}

impl<V> Bars<V> {
    /// The number of steps, of sequences and of units.
    fn sizes<T: Float>(&self) -> [usize; 3]
    where
        V: Value<T>,
    {
        let shape = self.all.shape();
        [shape[0] - 1, shape[1], shape[2] / self.cell.arguments()]
    }

    /// The cotangents of some arguments at all steps.
    fn of<T: Float>(&self, first: usize, some: usize) -> V
    where
        V: Value<T>,
    {
        let [steps, _, hidden] = self.sizes();
        part(&part(&self.all, 0, 0, steps), 2, first * hidden, some * hidden)
    }

    /// The cotangents of the contributions of the input, which are the first arguments.
    fn of_input<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        self.of(0, self.cell.gates())
    }

    /// The cotangents of the arguments that are contributions of the state alone; `None` if there are none.
    fn of_state_alone<T: Float>(&self) -> Option<V>
    where
        V: Value<T>,
    {
        let (gates, arguments) = (self.cell.gates(), self.cell.arguments());
        (arguments > gates).then(|| self.of(gates, arguments - gates))
    }

    /// Applies `f` to the cotangents of the contributions of the state, along a first axis; gates with adjacent arguments
    /// are processed together.
    fn of_state<T: Float>(&self, f: &dyn Fn(V) -> V) -> V
    where
        V: Value<T>,
    {
        let neighbors = self.cell.of_state().chunk_by(|a, b| a + 1 == *b);
        let parts: Vec<V> = neighbors.map(|gates| f(self.of(gates[0], gates.len()))).collect();
        joined(&parts, 0)
    }

    /// Σ δᵀ h over all steps, where h are the states before them.
    fn of_weights<T: Float>(&self, states: &V) -> V
    where
        V: Value<T>,
    {
        let ([steps, batch, hidden], from) = (self.sizes(), usize::from(self.reverse));
        let h = part(&part(states, 0, 0, 1), 1, from, steps).reshape(&[steps * batch, hidden]);
        self.of_state(&|delta| {
            let width = delta.shape()[2];
            delta.reshape(&[steps * batch, width]).matmul(&h, true, false)
        })
    }

    /// Σ δ over all steps.
    fn of_bias<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        self.of_state(&|delta| delta.reduce(Fold::Sum, AxisSet::one(0).with(1), false))
    }

    /// The cotangent of a part of the initial state.
    fn of_start<T: Float>(&self, k: usize) -> V
    where
        V: Value<T>,
    {
        let [steps, batch, hidden] = self.sizes();
        part(&part(&self.all, 0, steps, 1), 2, k * hidden, hidden).reshape(&[batch, hidden])
    }
}

/// All steps of a layer as operations of the algebra.
struct Steps<V> {
    cell: Cell,
    reverse: bool,
    /// The parts of the state before each step, and behind the last one.
    states: Vec<Vec<V>>,
    /// For each step, the values that the backward step reads, and whether each sequence still runs.
    kept: Vec<(Vec<V>, V)>,
}

impl<V> Steps<V> {
    /// The element of the sequence that is read `k`-th.
    fn element(reverse: bool, steps: usize, k: usize) -> usize {
        if reverse { steps - 1 - k } else { k }
    }

    /// Takes all steps. `more` is added to the contributions of the state alone to some gates.
    fn take<T: Float>(cell: Cell, reverse: bool, [z, w, b, lengths]: [&V; 4], start: Vec<V>, more: Option<&V>) -> Self
    where
        V: Value<T>,
    {
        let (steps, batch, hidden) = (z.shape()[0], z.shape()[1], w.shape()[1]);
        let (gates, mut states, mut kept) = (cell.gates(), vec![start], Vec::with_capacity(steps));
        let lengths = lengths.reshape(&[batch, 1]);
        for k in 0..steps {
            let t = Self::element(reverse, steps, k);
            let before = &states[k];
            let s = before[0].matmul(w, false, true).add(b);
            let mut s = apart(&s, gates);
            if let Some(more) = more {
                let alone = cell.of_state().iter().enumerate().filter(|&(_, &argument)| argument >= gates);
                for ((gate, _), more) in alone.zip(apart(&at(more, t), cell.arguments() - gates)) {
                    s[gate] = s[gate].add(&more);
                }
            }
            let (after, keep) = step(cell, &apart(&at(z, t), gates), &s, before);
            let running = V::binary(Binary::Gt, &lengths, &lengths.number(T::of(t as f64)));
            let held = |(new, old): (&V, &V)| running.select(new, old);
            let after: Vec<V> = after.iter().zip(before).map(held).collect();
            states.push(after);
            kept.push((keep, running));
        }
        debug_assert!(states.iter().flatten().all(|part| *part.shape() == [batch, hidden]));
        Steps { cell, reverse, states, kept }
    }

    /// The states, `[parts, time + 1, batch, hidden]`.
    fn states<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        let parts = (0..self.cell.states()).map(|n| {
            let places = self.in_time(self.states.iter().map(|state| with_axis(&state[n])).collect());
            with_axis(&joined(&places, 0))
        });
        joined(&parts.collect::<Vec<V>>(), 0)
    }

    /// The values computed for each step, in the order of time.
    fn in_time(&self, mut steps: Vec<V>) -> Vec<V> {
        if self.reverse {
            steps.reverse();
        }
        steps
    }

    /// Takes all backward steps, from the cotangent of the states to those of the values that the steps read.
    fn back<T: Float>(&self, w: &V, g: &V) -> V
    where
        V: Value<T>,
    {
        let (cell, steps) = (self.cell, self.kept.len());
        // Of the parts of the state before step k.
        let arrived = |k: usize| -> Vec<V> {
            let place = Self::element(self.reverse, steps + 1, k);
            (0..cell.states()).map(|n| at(&at(g, n), place)).collect()
        };
        let mut bars = arrived(steps);
        let mut deltas = Vec::with_capacity(steps + 1);
        for k in (0..steps).rev() {
            let (keep, running) = &self.kept[k];
            let (arguments, mut passed) = step_back(cell, &bars, &self.states[k], &self.states[k + 1], keep);
            let zero = w.number(T::zero());
            let arguments: Vec<V> = arguments.iter().map(|delta| running.select(delta, &zero)).collect();
            let of_state: Vec<V> = cell.of_state().iter().map(|&a| arguments[a].clone()).collect();
            passed[0] = passed[0].add(&joined(&of_state, 1).matmul(w, false, false));
            let sum = |((passed, held), g): ((&V, &V), &V)| running.select(passed, held).add(g);
            bars = passed.iter().zip(&bars).zip(&arrived(k)).map(sum).collect();
            deltas.push(with_axis(&joined(&arguments, 1)));
        }
        deltas.reverse();
        let none = bars[0].number(T::zero()).expand(&bars[0].shape());
        bars.resize(cell.arguments(), none);
        let mut places = self.in_time(deltas);
        places.push(with_axis(&joined(&bars, 1)));
        joined(&places, 0)
    }
}

/// Element `i` of the first axis.
fn at<T: Float, V: Value<T>>(x: &V, i: usize) -> V {
    part(x, 0, i, 1).reshape(&x.shape()[1..])
}

/// Equal parts of the last of two axes.
fn apart<T: Float, V: Value<T>>(x: &V, parts: usize) -> Vec<V> {
    let size = x.shape()[1] / parts;
    (0..parts).map(|k| part(x, 1, k * size, size)).collect()
}

/// With an axis of size 1 in front.
fn with_axis<T: Float, V: Value<T>>(x: &V) -> V {
    let mut shape: Shape = x.shape();
    shape.insert(0, 1);
    x.reshape(&shape)
}

fn joined<T: Float, V: Value<T>>(parts: &[V], axis: usize) -> V {
    match parts {
        [one] => one.clone(),
        _ => V::apply(Op::Concat { axis }, &parts.iter().collect::<Vec<_>>()),
    }
}

// ---- The equations of a cell, on values ----

/// Equations as data: the functions they are composed of, and where their results are.
type Composed = (Vec<Step>, Vec<Source>);

/// The equations of a step and of a backward step, for each kind of cell.
static EQUATIONS: LazyLock<Vec<[Composed; 2]>> = LazyLock::new(|| {
    let of = |&cell| {
        with_equations!(cell, |C, G, A, N, K| {
            let step = record(2 * G + N, &|x| {
                let x = &mut x.iter();
                let (after, kept) = <C as Equations<G, A, N, K>>::step(take(x), take(x), take(x));
                after.iter().chain(&kept).map(|x| x.0).collect()
            });
            let back = record(3 * N + K, &|x| {
                let x = &mut x.iter();
                let (arguments, passed) = <C as Equations<G, A, N, K>>::back(take(x), take(x), take(x), take(x));
                arguments.iter().chain(&passed).map(|x| x.0).collect()
            });
            [step, back]
        })
    };
    Cell::ALL.iter().map(of).collect()
});

/// The next operands.
fn take<'f, const N: usize>(x: &mut std::slice::Iter<Term<'f>>) -> [E<Term<'f>>; N] {
    std::array::from_fn(|_| E(*x.next().expect("as many operands as are recorded")))
}

/// Evaluates equations on operands. The first results are separate from the others.
fn evaluate<T: Float, V: Value<T>>((functions, results): &Composed, x: &[&[V]], first: usize) -> (Vec<V>, Vec<V>) {
    let x: Vec<&V> = x.iter().copied().flatten().collect();
    let done = steps(functions, &x);
    let mut results = results.iter().map(|&result| elementwise::at(result, &x, &done));
    (results.by_ref().take(first).collect(), results.collect())
}

/// A step: the states after it, and the values that the backward step reads.
fn step<T: Float, V: Value<T>>(cell: Cell, z: &[V], s: &[V], before: &[V]) -> (Vec<V>, Vec<V>) {
    evaluate(&EQUATIONS[cell as usize][0], &[z, s, before], cell.states())
}

/// A backward step: the cotangents of the arguments, and of the states before it.
fn step_back<T: Float, V: Value<T>>(cell: Cell, bars: &[V], before: &[V], after: &[V], kept: &[V]) -> (Vec<V>, Vec<V>) {
    let (arguments, mut passed) =
        evaluate(&EQUATIONS[cell as usize][1], &[bars, before, after, kept], cell.arguments());
    // A literal has no axes.
    let shape = before[0].shape();
    passed.iter_mut().for_each(|x| *x = x.expand(&shape));
    (arguments, passed)
}
