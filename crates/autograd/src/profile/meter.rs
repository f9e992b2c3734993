//! Measures a tape: every op is recomputed at its recorded inputs, followed by a reverse sweep over tensors that count
//! the cost of each operation. Recording and the plain sweep contain none of this code, so it costs them nothing.

use super::Profile;
use crate::error::Result;
use crate::float::Float;
use crate::op::{Binary, Cost, Op, Side, Unary};
use crate::rules::Cotangents;
use crate::sweep::{Source, Swept, sweep};
use crate::tape::DynRule;
use crate::tape::Var;
use crate::tape::{Code, List, Structured, Tape};
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::Instant;

impl<T: Float> Var<'_, T> {
    /// Measures the computation of this value and the reverse sweep from it. Everything recorded up to it is computed
    /// again at the recorded inputs and then differentiated, with each op timed (which adds some 50 ns to each). The
    /// tape is not changed.
    ///
    /// ```
    /// let tape = autograd::Tape::<f32>::new();
    /// let (w, x) = (tape.var(autograd::Tensor::ones(&[64, 64])), tape.var(autograd::Tensor::ones(&[64, 64])));
    /// let loss = w.matmul(x).tanh().sum();
    /// let profile = loss.profile();
    /// println!("{profile}"); // a table: phase, op, calls, time, GFLOP/s, GB/s, line
    /// let products = profile.by_op().into_iter().find(|row| row.op == "matmul" && row.phase == "reverse").unwrap();
    /// assert_eq!(products.cost.flops, 2 * 2 * 64 * 64 * 64); // one product for each side
    /// # let path = std::env::temp_dir().join(format!("wengert-trace-{}.json", std::process::id()));
    /// std::fs::write(&path, profile.trace())?; // for Perfetto, speedscope, chrome://tracing
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn profile(self) -> Profile {
        let list = self.tape.filled(0..=self.id);
        let mut profile = Profile::default();
        let clock = Instant::now();
        (0..=self.id).for_each(|id| compute(&list, id, clock, &mut profile));
        let spent = Cell::new(Cost::default());
        let source = Metered { list: &list, spent: &spent, open: RefCell::new(Open { node: None, clock, profile }) };
        let mut bars = vec![None; self.id as usize + 1];
        let seed = source.meter(Tensor::full(&self.shape(), T::one()));
        sweep(&source, self.id, seed, &mut bars, |_, _| ());
        source.switch(None);
        source.open.into_inner().profile
    }
}

impl<T: Float> Tape<T> {
    /// Measures everything recorded and the reverse sweep from the last value; see [`Var::profile`].
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(autograd::Tensor::ones(&[50, 50]));
    /// x.matmul(x).sum();
    /// assert_eq!(tape.profile().rows()[0].op, "matmul");
    /// ```
    pub fn profile(&self) -> Profile {
        self.vars().last().map_or_else(Profile::default, Var::profile)
    }
}

/// Computes a node again and records its time.
fn compute<T: Float>(list: &List<T>, id: u32, clock: Instant, profile: &mut Profile) {
    let op = list.op(id);
    if matches!(op, Op::Leaf | Op::Const) {
        return;
    }
    let start = clock.elapsed();
    std::hint::black_box(list.again(id).is_ok());
    let time = clock.elapsed() - start;
    let stored: Vec<_> = list.inputs(id).iter().map(|&i| list.value(i)).collect();
    let x: Vec<&Tensor<T>> = stored.iter().map(|x| &**x).collect();
    let cost = cost(&op, &x, list.value(id).shape());
    profile.add("forward", list.name(id), Some(list.line(id)), [start, time], cost);
}

fn cost<T: Float>(op: &Op, x: &[&Tensor<T>], y: &[usize]) -> Cost {
    op.cost(&x.iter().map(|x| x.shape()).collect::<Vec<_>>(), y, size_of::<T>())
}

/// A tensor that counts the cost of operations on it.
#[derive(Clone)]
struct Counted<'m, T: Float> {
    tensor: Tensor<T>,
    spent: &'m Cell<Cost>,
}

impl<T: Float> Counted<'_, T> {
    fn spend(&self, cost: Cost) {
        self.spent.set(self.spent.get() + cost);
    }

    fn like(&self, tensor: Tensor<T>) -> Self {
        Counted { tensor, spent: self.spent }
    }
}

fn plain<'a, T: Float>(x: &[&'a Counted<'_, T>]) -> Vec<&'a Tensor<T>> {
    x.iter().map(|x| &x.tensor).collect()
}

impl<T: Float> Value<T> for Counted<'_, T> {
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self> {
        let tensors = plain(x);
        let y = Tensor::try_apply(op.clone(), &tensors)?;
        x[0].spend(cost(&op, &tensors, y.shape()));
        Ok(x[0].like(y))
    }

    fn shape(&self) -> Shape {
        self.tensor.shape().into()
    }

    fn constant(&self, value: Tensor<T>) -> Self {
        self.like(value)
    }
}

impl<T: Float> Swept<T> for Counted<'_, T> {
    fn unary_rule(op: Unary, x: &Self, y: &Self, g: &Self) -> Self {
        g.spend(op.rule_cost(y.tensor.len(), size_of::<T>()));
        g.like(Tensor::unary_rule(op, &x.tensor, &y.tensor, &g.tensor))
    }

    fn binary_rule(op: Binary, side: Side, [a, b, y, g]: [&Self; 4]) -> Self {
        g.spend(op.rule_cost(side, y.tensor.len(), size_of::<T>()));
        g.like(Tensor::binary_rule(op, side, [&a.tensor, &b.tensor, &y.tensor, &g.tensor]))
    }

    fn accumulate(slot: &mut Self, x: Self) {
        slot.spend(cost(&Op::Binary(Binary::Add), &[&slot.tensor, &x.tensor], slot.tensor.shape()));
        Tensor::accumulate(&mut slot.tensor, x.tensor);
    }

    fn custom_vjp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, g: &Self) -> Cotangents<Self> {
        let cotangents = Tensor::custom_vjp(rule, &plain(x), &y.tensor, &g.tensor);
        cotangents.into_iter().map(|d| d.map(|d| g.like(d))).collect()
    }

    fn custom_jvp(rule: &dyn DynRule<T>, x: &[&Self], y: &Self, t: &[Option<&Self>]) -> Result<Option<Self>> {
        let tangents: Vec<Option<&Tensor<T>>> = t.iter().map(|t| t.map(|t| &t.tensor)).collect();
        let tangent = Tensor::custom_jvp(rule, &plain(x), &y.tensor, &tangents)?;
        Ok(tangent.map(|t| y.like(t)))
    }
}

/// A source for the sweep that reads the clock whenever the sweep moves to another node.
struct Metered<'a, T: Float> {
    list: &'a List<T>,
    spent: &'a Cell<Cost>,
    open: RefCell<Open>,
}

/// The state of the measurement.
struct Open {
    node: Option<(u32, std::time::Duration)>,
    clock: Instant,
    profile: Profile,
}

impl<'a, T: Float> Metered<'a, T> {
    fn meter(&self, tensor: Tensor<T>) -> Counted<'a, T> {
        Counted { tensor, spent: self.spent }
    }

    /// Ends the span of one node and begins that of the next.
    fn switch(&self, next: Option<u32>) {
        let Open { node, clock, profile } = &mut *self.open.borrow_mut();
        let now = clock.elapsed();
        let cost = self.spent.take();
        if let Some((id, start)) = node.take() {
            profile.add("reverse", self.list.name(id), Some(self.list.line(id)), [start, now - start], cost);
        }
        *node = next.map(|id| (id, clock.elapsed()));
    }
}

impl<'m, T: Float> Source<T, Counted<'m, T>> for Metered<'m, T> {
    type At<'a>
        = Counted<'m, T>
    where
        Self: 'a;
    fn node(&self, id: u32) -> (Code, [u32; 2]) {
        let (code, inputs) = self.list.node(id);
        self.switch((!matches!(code, Code::Leaf | Code::Const)).then_some(id));
        (code, inputs)
    }
    fn structured(&self, id: u32) -> Cow<'_, Structured> {
        Cow::Borrowed(self.list.structured(id))
    }
    fn at(&self, id: u32) -> Counted<'m, T> {
        self.meter(Tensor::clone(&self.list.value(id)))
    }
    fn needs(&self, id: u32) -> bool {
        self.list.active(id)
    }
    fn wants(&self, _: u32) -> bool {
        false
    }
    fn custom_vjp(
        &self,
        rule: u32,
        x: &[&Counted<'m, T>],
        y: &Counted<'m, T>,
        g: &Counted<'m, T>,
    ) -> Cotangents<Counted<'m, T>> {
        Counted::custom_vjp(&**self.list.rule(rule), x, y, g)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All counts match, so nothing is missed and nothing is counted twice.
    #[test]
    fn a_network_is_measured_op_by_op() {
        let tape = Tape::<f32>::new();
        let (x, w, b) =
            (tape.constant(Tensor::ones(&[8, 4])), tape.var(Tensor::ones(&[4, 3])), tape.var([1.0_f32, 2.0, 3.0]));
        let loss = (x.matmul(w) + b).tanh().sum();
        let nodes = tape.len();
        let profile = loss.profile();
        assert_eq!(tape.len(), nodes, "nothing was recorded");
        let rows: Vec<_> = profile.rows().iter().map(|r| (r.phase, &*r.op, r.calls)).collect();
        let ops = ["matmul", "add", "tanh", "sum"];
        let forward = ops.iter().map(|op| ("forward", *op, 1));
        let reverse = ops.iter().rev().map(|op| ("reverse", *op, 1));
        assert_eq!(rows, forward.chain(reverse).collect::<Vec<_>>());
        assert!(profile.rows().iter().all(|r| r.seconds > 0.0 && r.line.unwrap().file() == file!()));
        let flops: Vec<u64> = profile.rows().iter().map(|r| r.cost.flops).collect();
        // In reverse: the cotangent of the sum is broadcast, a view; the rule of tanh; the bias sums rows; x is a
        // constant, so there is one product.
        assert_eq!(flops, [2 * 8 * 4 * 3, 24, 24, 24, 0, 48, 24, 2 * 8 * 4 * 3]);
    }

    #[test]
    fn later_contributions_and_users_rules_are_counted() {
        struct Twice;
        impl crate::Rule<f64> for Twice {
            fn name(&self) -> &'static str {
                "twice"
            }
            fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
                Ok(x[0] * 2.0)
            }
            fn vjp<V: Value<f64>>(&self, _: &[&V], _: &V, g: &V) -> Cotangents<V> {
                [Some(g.scale(2.0))].into_iter().collect()
            }
        }
        let tape = Tape::<f64>::new();
        let x = tape.var([1.0, 2.0]);
        let y = Var::custom(Twice, &[x]) * x;
        let profile = y.sum().profile();
        let find = |phase, op: &str| profile.rows().iter().find(|r| r.phase == phase && r.op == op).unwrap().cost.flops;
        assert_eq!((find("forward", "twice"), find("reverse", "mul")), (0, 4));
        assert_eq!(find("reverse", "twice"), 2, "its cotangent is added to that of the product");
    }

    #[test]
    fn an_empty_tape_has_an_empty_profile() {
        assert!(Tape::<f64>::new().profile().rows().is_empty());
    }
}
