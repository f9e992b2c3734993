//! The Wengert list: every operation in the order of computation, with its value. Variables are indices into it.
//!
//! This file has the public interface. `record` puts ops on the list, which is in `list`, and `keep` decides
//! which values stay in memory; `reads` tracks which values plain Rust code reads, and `sketch` records without
//! computing.

mod custom;
mod ints;
mod keep;
mod list;
mod mask;
mod reads;
mod record;
mod sketch;
mod var;

use crate::error::{Error, Result, or_panic};
use crate::float::{Float, Precision};
use crate::op::{Binary, Op, Unary};
use crate::tensor::{IntoTensor, Tensor};
pub(crate) use custom::DynRule;
pub use ints::Ints;
use keep::Recent;
use list::Extent;
pub(crate) use list::{Code, List, Node, Stored, Structured};
pub use mask::Mask;
use reads::Reads;
pub(crate) use reads::read_of;
pub use reads::{first_read, watch};
pub(crate) use record::{Attribution, peek, record, same_tape};
pub use record::{Placed, placed};
pub use sketch::sketched;
use smallvec::SmallVec;
use std::cell::{Cell, Ref, RefCell};
use std::panic::Location;
use std::sync::Arc;
pub use var::Var;

/// Ids of a node's inputs.
pub(crate) type Inputs = SmallVec<[u32; 4]>;

/// A recording of operations: create variables on it, compute with them, and differentiate the result.
///
/// ```
/// use autograd::Tape;
/// let tape = Tape::<f64>::new();
/// let x = tape.var(3.0);
/// let y = x * x + x.sin();
/// assert_eq!(y.backward().wrt(x).item(), 6.0 + 3f64.cos());
/// ```
/// A loop can reuse one tape: `clear` removes the nodes and keeps the memory. Using a variable after the tape was
/// cleared does not compile, since the variable borrows the tape:
///
/// ```compile_fail
/// let mut tape = autograd::Tape::<f64>::new();
/// let x = tape.var(1.0);
/// tape.clear();
/// let y = x + x;
/// ```
pub struct Tape<T: Float> {
    list: RefCell<List<T>>,
    reads: RefCell<Reads>,
    precision: Cell<Precision>,
}

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Tape<T> {
    /// An empty tape.
    ///
    /// ```
    /// let tape = autograd::Tape::<f32>::new();
    /// assert!(tape.is_empty());
    /// ```
    pub fn new() -> Self {
        record::empty()
    }

    /// An empty tape that records operations with the shapes of their results, but computes nothing. Use it to compile
    /// a [`Program`](crate::Program) when computing the intermediate values would take time, or more memory than the
    /// program itself.
    ///
    /// ```
    /// use autograd::{Program, Tape, Tensor};
    /// let tape = Tape::<f32>::sketch();
    /// let (w, start) = (tape.var(Tensor::eye(64)), tape.constant(Tensor::ones(&[8, 64])));
    /// let y = (0..100).fold(start, |h, _| h.matmul(w).tanh()).sum();
    /// let mut program = Program::new(&tape, &[w, start], &y.grad(&[w])); // no product has been computed yet
    /// assert_eq!(program.run(&[&Tensor::zeros(&[64, 64]), &Tensor::ones(&[8, 64])])?[0].shape(), [64, 64]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// Only variables and constants have values. Reading the value of any other node panics, and `backward` and `jvp`
    /// are not available: record derivatives with [`grad`](Var::grad) and [`jvp_recorded`](Var::jvp_recorded). Solvers and
    /// adaptive steps need the values of their inputs, so they are an error at other nodes.
    pub fn sketch() -> Self {
        let mut tape = Self::new();
        tape.list.get_mut().sketched = Some(0);
        tape
    }

    /// An empty tape that trades time for memory: an array that no derivative reads is dropped once at least `recent`
    /// elements have been recorded after it. The product in `x.matmul(w).tanh()` is such an array, since the derivative
    /// of tanh reads only its result.
    ///
    /// Observable only as extra time: when an operation, [`Var::value`], a second derivative or a
    /// [`Program`](crate::Program) needs such an array later, it is recomputed from its inputs and kept from then on.
    /// So `recent` should cover the distance over which values are commonly reused, a layer or two.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::lean(0);
    /// let x = tape.var([1.0, 2.0]);
    /// let y = x * 3.0;
    /// let z = y.tanh().sum(); // y has been dropped
    /// assert_eq!(y.value().to_vec(), [3.0, 6.0]); // and is recomputed
    /// ```
    pub fn lean(recent: usize) -> Self {
        let mut tape = Self::new();
        tape.list.get_mut().recent = Some(Recent::new(recent));
        tape
    }

    /// Rounds the operands of the matrix products, convolutions and attention that are recorded from now on to a precision.
    /// Their derivatives round operands to the same precision. Products are summed in the element type; everything else
    /// keeps full precision.
    ///
    /// In `f32` and on a CPU with AVX512-BF16, products of [`Bf16`](Precision::Bf16) take about half the time. Elsewhere, and
    /// for [`F16`](Precision::F16), they have the same bits and take longer than those of full precision.
    ///
    /// ```
    /// use autograd::{Precision, Tape, tensor};
    /// let tape = Tape::<f32>::new();
    /// let (a, b) = (tape.var([[1.0 / 3.0]]), tape.var([[3.0]]));
    /// tape.set_precision(Precision::Bf16);
    /// let y = a.matmul(b);
    /// assert_eq!(y.value(), tensor![[3.0 * Precision::Bf16.round(1.0_f32 / 3.0)]]);
    /// assert_eq!(y.sum().backward().wrt(b), tensor![[Precision::Bf16.round(1.0_f32 / 3.0)]]); // at rounded operands
    /// ```
    /// [`clear`](Tape::clear) keeps the setting.
    pub fn set_precision(&self, precision: Precision) {
        self.precision.set(precision);
    }

    /// The precision that operands of products are rounded to.
    ///
    /// ```
    /// use autograd::{Precision, Tape};
    /// let tape = Tape::<f32>::new();
    /// let product = tape.with_precision(Precision::F16, || tape.var([[1.0, 2.0]]).matmul(tape.var([[1e5], [0.0]])));
    /// assert_eq!((product.item(), tape.precision()), (f32::INFINITY, Precision::Full));
    /// ```
    pub fn precision(&self) -> Precision {
        self.precision.get()
    }

    /// Calls `f` with another [precision](Tape::set_precision).
    pub fn with_precision<R>(&self, precision: Precision, f: impl FnOnce() -> R) -> R {
        /// Sets it back, even if `f` panics.
        struct Before<'t>(&'t Cell<Precision>, Precision);
        impl Drop for Before<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _before = Before(&self.precision, self.precision.replace(precision));
        f()
    }

    /// Creates a variable, with respect to which results can be differentiated. Takes a tensor, a number, or nested
    /// arrays.
    ///
    /// ```
    /// # use autograd::Tape;
    /// let tape = Tape::new();
    /// let (x, m) = (tape.var(1.5), tape.var([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(m.shape().as_slice(), [2, 2]);
    /// # let _: autograd::Var<f64> = x;
    /// ```
    #[doc(alias = "requires_grad")]
    #[track_caller]
    pub fn var(&self, value: impl IntoTensor<T>) -> Var<'_, T> {
        self.leaf(Code::Leaf, value.into_tensor())
    }

    /// Creates a constant: derivatives do not reach it.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let (w, x) = (tape.var(2.0), tape.constant(3.0));
    /// let gradients = (w * x).backward();
    /// assert_eq!(gradients.wrt(w).item(), 3.0);
    /// assert!(gradients.try_wrt(x).is_err()); // nothing arrives there
    /// ```
    #[doc(alias = "no_grad")]
    #[track_caller]
    pub fn constant(&self, value: impl IntoTensor<T>) -> Var<'_, T> {
        self.leaf(Code::Const, value.into_tensor())
    }

    /// A constant attributed to a line other than the caller's.
    pub(crate) fn constant_at(&self, value: Tensor<T>, line: &'static Location<'static>) -> Var<'_, T> {
        Var { tape: self, id: record::leaf(self, Code::Const, value, line) }
    }

    /// The variable for a key: created with `value` at the first call, returned by later calls until the tape is
    /// cleared. So a parameter used twice in a network is one variable.
    ///
    /// ```
    /// let (tape, weight) = (autograd::Tape::<f64>::new(), autograd::tensor![2.0]);
    /// let (a, b) = (tape.keyed(7, &weight), tape.keyed(7, &weight));
    /// assert_eq!((a.id(), tape.len()), (b.id(), 1));
    /// assert_eq!((a * b).sum().backward().wrt(a).item(), 4.0); // of both uses
    /// ```
    /// # Panics
    /// Panics if the value has changed since the first call: clear the tape after an update.
    #[track_caller]
    pub fn keyed(&self, key: u64, value: &Tensor<T>) -> Var<'_, T> {
        or_panic(placed(self, key, value, Placed::Variable, Location::caller()))
    }

    /// Like [`keyed`](Tape::keyed), but derivatives do not reach it: for frozen parameters and statistics. A changed
    /// value is recorded as another constant.
    ///
    /// ```
    /// let (tape, mean) = (autograd::Tape::<f64>::new(), autograd::tensor![0.5]);
    /// assert_eq!(tape.keyed_constant(7, &mean).id(), tape.keyed_constant(7, &mean).id());
    /// ```
    #[track_caller]
    pub fn keyed_constant(&self, key: u64, value: &Tensor<T>) -> Var<'_, T> {
        or_panic(placed(self, key, value, Placed::Constant, Location::caller()))
    }

    /// Like [`keyed`](Tape::keyed), for a table in which few rows are looked up: if it is only used by [`take`](Var::take)
    /// along the first axis, [`backward`](Var::backward) computes derivatives for [those rows](crate::Gradients::rows) only,
    /// in a time that does not depend on the size of the table.
    ///
    /// ```
    /// use autograd::{Tape, Tensor, tensor};
    /// let (tape, words) = (Tape::<f32>::new(), Tensor::ones(&[100_000, 8]));
    /// let x = tape.keyed_table(7, &words);
    /// let gradients = x.take(0, &tensor![5_i64, 9, 5]).sum().backward();
    /// assert_eq!(gradients.rows(x).unwrap().index(), [5, 9]);
    /// ```
    /// Recorded derivatives ([`grad`](Var::grad)) are those of the whole table.
    ///
    /// # Panics
    /// Panics if the value has no axis, or has changed since the first call.
    #[track_caller]
    pub fn keyed_table(&self, key: u64, value: &Tensor<T>) -> Var<'_, T> {
        assert!(value.rank() > 0, "keyed_table: a table has rows, but this is a scalar");
        or_panic(placed(self, key, value, Placed::Table, Location::caller()))
    }

    /// The variable or constant for a key, if this recording uses it.
    ///
    /// ```
    /// let (tape, weight) = (autograd::Tape::<f64>::new(), autograd::tensor![2.0]);
    /// let w = tape.keyed(7, &weight);
    /// assert_eq!((tape.find(7).map(|x| x.id()), tape.find(8).map(|x| x.id())), (Some(w.id()), None));
    /// ```
    pub fn find(&self, key: u64) -> Option<Var<'_, T>> {
        record::find(self, key).map(|id| Var { tape: self, id })
    }

    /// The variable with an id, as returned by [`Var::id`]; `None` if the id is out of range.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// tape.var(2.0).exp();
    /// assert_eq!(tape.get(0).unwrap().item(), 2.0);
    /// assert!(tape.get(2).is_none());
    /// ```
    pub fn get(&self, id: usize) -> Option<Var<'_, T>> {
        (id < self.len()).then_some(Var { tape: self, id: id as u32 })
    }

    /// The keys in the order of recording, each with its variable or constant.
    ///
    /// ```
    /// use autograd::{Tape, op::Op, tensor};
    /// let tape = Tape::<f64>::new();
    /// (tape.keyed(7, &tensor![2.0]), tape.keyed_constant(3, &tensor![1.0]));
    /// let keys: Vec<(u64, Op)> = tape.keys().into_iter().map(|(key, x)| (key, x.op())).collect();
    /// assert_eq!(keys, [(7, Op::Leaf), (3, Op::Const)]);
    /// ```
    pub fn keys(&self) -> Vec<(u64, Var<'_, T>)> {
        let mut keys: Vec<(u32, u64)> = self.list.borrow().keyed.iter().map(|(&key, &id)| (id, key)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(id, key)| (key, Var { tape: self, id })).collect()
    }

    /// Whether a derivative can reach a variable through a node.
    pub(crate) fn is_active(&self, id: u32) -> bool {
        self.list.borrow().active(id)
    }

    /// Number of nodes recorded.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let x = tape.var(2.0);
    /// let _y = x * x + 1.0;
    /// assert_eq!(tape.len(), 4); // x, its square, 1, and their sum
    /// ```
    pub fn len(&self) -> usize {
        self.list.borrow().nodes.len()
    }

    /// Whether nothing has been recorded.
    ///
    /// ```
    /// assert!(autograd::Tape::<f64>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all nodes and keeps the memory for the next recording.
    ///
    /// ```
    /// let mut tape = autograd::Tape::<f64>::new();
    /// for step in 0..3 {
    ///     let x = tape.var(f64::from(step));
    ///     assert_eq!((x * x).backward().wrt(x).item(), 2.0 * f64::from(step));
    ///     tape.clear(); // the next step takes the memory of this one
    /// }
    /// ```
    pub fn clear(&mut self) {
        record::clear(self);
    }

    /// Every variable recorded so far, in order.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// tape.var(2.0).square();
    /// let values: Vec<f64> = tape.vars().map(|x| x.item()).collect();
    /// assert_eq!(values, [2.0, 4.0]);
    /// ```
    pub fn vars(&self) -> impl Iterator<Item = Var<'_, T>> {
        (0..self.len() as u32).map(|id| Var { tape: self, id })
    }

    #[track_caller]
    fn leaf(&self, code: Code, value: Tensor<T>) -> Var<'_, T> {
        Var { tape: self, id: record::leaf(self, code, value, Location::caller()) }
    }

    pub(crate) fn list(&self) -> Ref<'_, List<T>> {
        self.list.borrow()
    }

    /// The list with the values of these nodes in memory.
    pub(crate) fn filled(&self, ids: impl IntoIterator<Item = u32>) -> Ref<'_, List<T>> {
        for id in ids {
            if self.list.borrow().is_gone(id) {
                self.list.borrow_mut().fill(id);
            }
        }
        self.list.borrow()
    }

    /// The list, with everything in memory that rules read in a sweep from `root` back through the nodes for which
    /// `passes` holds.
    pub(crate) fn filled_for(&self, root: u32, passes: &dyn Fn(u32) -> bool) -> Ref<'_, List<T>> {
        self.list.borrow_mut().fill_for(root, passes);
        self.list.borrow()
    }

    pub(crate) fn set_name(&self, id: u32, name: String) {
        self.list.borrow_mut().set_name(id, name);
    }

    /// Records a unary function of `x`.
    #[inline]
    pub(crate) fn unary(&self, op: Unary, x: u32, line: &'static Location<'static>) -> u32 {
        record::unary(self, op, x, line)
    }

    /// Records a binary function of `a` and `b`.
    #[inline]
    pub(crate) fn binary(&self, op: Binary, a: u32, b: u32, line: &'static Location<'static>) -> Result<u32> {
        record::binary(self, op, a, b, line)
    }

    /// Records a scalar constant.
    #[inline]
    pub(crate) fn number(&self, c: T, line: &'static Location<'static>) -> u32 {
        record::constant(self, c, line)
    }

    /// Records a structured op.
    pub(crate) fn structured(&self, op: Op, inputs: Inputs, value: Tensor<T>, line: &'static Location<'static>) -> u32 {
        record::structured(self, op, inputs, value, line)
    }

    /// Adds a user's rule and returns its index.
    pub(crate) fn add_rule(&self, rule: Arc<dyn DynRule<T>>) -> u32 {
        self.list.borrow_mut().push_rule(rule)
    }

    /// Records a user's op, of inputs on this tape.
    pub(crate) fn apply_rule(
        &self,
        rule: Arc<dyn DynRule<T>>,
        x: &[Var<'_, T>],
        line: &'static Location<'static>,
    ) -> Result<u32> {
        let values: Vec<Tensor<T>> = x.iter().map(|v| v.peek()).collect();
        let y = match rule.compute(&values.iter().collect::<Vec<_>>()) {
            Err(error) if !x.iter().all(|v| self.list().is_known(v.id)) => {
                return Err(needs_values(rule.rule_name(), &error));
            }
            y => y?,
        };
        let (id, inputs) = (self.add_rule(rule), x.iter().map(|v| v.id).collect());
        Ok(self.structured(Op::Custom { id }, inputs, y, line))
    }

    /// How much has been recorded so far.
    pub(crate) fn extent(&self) -> Extent {
        self.list.borrow().extent()
    }

    /// Removes everything recorded since. Only for nodes that users cannot hold.
    pub(crate) fn rewind(&self, to: Extent) {
        self.list.borrow_mut().rewind(to);
        self.reads.borrow_mut().rewind(self.len());
    }

    /// From here on, until the guard is dropped, recorded nodes are attributed to the lines set by [`Attribution::to`].
    pub(crate) fn attribute(&self) -> Attribution<'_, T> {
        Attribution { tape: self, before: self.list.borrow().attributed }
    }

    /// Takes the cotangent buffer of the last sweep, for reuse.
    pub(crate) fn take_cotangents(&self) -> Vec<Option<Tensor<T>>> {
        std::mem::take(&mut self.list.borrow_mut().cotangents)
    }

    pub(crate) fn give_cotangents(&self, cotangents: Vec<Option<Tensor<T>>>) {
        self.list.borrow_mut().cotangents = cotangents;
    }
}

/// The error of a rule computed from placeholders: a sketch has no values.
fn needs_values(op: &'static str, error: &Error) -> Error {
    let hint = format!("it needs values, which a sketch does not compute: record it on `Tape::new()` ({error})");
    Error::Argument { op, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_variables_are_small() {
        assert_eq!(size_of::<Node<f64>>(), 24);
        assert_eq!(size_of::<Var<f64>>(), 16);
    }

    #[test]
    fn a_tape_may_move_to_another_thread() {
        fn moves<V: Send>() {}
        moves::<Tape<f32>>();
    }
}
