//! The Wengert list: every operation in the order it was computed, with its value. Variables are indices into it.
//!
//! A node is 24 bytes: what it does, its inputs, and its value where that is a number; arrays stand in a list beside, and
//! so do ops with data of their own or more than two inputs. Nodes own nothing, so that forgetting them takes no time.
//! Nothing walks the graph by recursion, so ten million nodes need no more stack than ten.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::rule::DynRule;
use crate::op::shape::infer;
use crate::op::{Binary, Op, Unary, number};
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use crate::var::Var;
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::cell::{Ref, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ids of a node's inputs.
pub(crate) type Inputs = SmallVec<[u32; 4]>;

/// A recording: create variables on it, compute with them, and ask the result for derivatives.
///
/// ```
/// use autograd::Tape;
/// let tape = Tape::<f64>::new();
/// let x = tape.var(3.0);
/// let y = x * x + x.sin();
/// assert_eq!(y.backward().wrt(x).item(), 6.0 + 3f64.cos());
/// ```
/// A loop reuses one tape: `clear` forgets the nodes and keeps the memory. A variable that outlived the clearing would
/// not compile, since it borrows the tape:
///
/// ```compile_fail
/// let mut tape = autograd::Tape::<f64>::new();
/// let x = tape.var(1.0);
/// tape.clear();
/// let y = x + x;
/// ```
pub struct Tape<T: Float> {
    list: RefCell<List<T>>,
    /// While a closure is recorded for replay: which values it asked for, and where.
    reads: RefCell<Option<Vec<(u32, &'static Location<'static>)>>>,
}

/// What the tape holds.
pub(crate) struct List<T: Float> {
    pub(crate) nodes: Vec<Node<T>>,
    /// The values that are no numbers.
    arrays: Vec<Tensor<T>>,
    /// The user's line that recorded each node.
    lines: Vec<&'static Location<'static>>,
    structured: Vec<Structured>,
    rules: Vec<Arc<dyn DynRule<T>>>,
    /// Variables by the caller's key.
    keyed: HashMap<u64, u32>,
    /// While derivatives are recorded: the line of the node being differentiated, which theirs are put down to.
    attributed: Option<&'static Location<'static>>,
    /// Where the last sweep kept its cotangents: reused by the next.
    pub(crate) cotangents: Vec<Option<Tensor<T>>>,
    /// Whether nothing is computed: see [`Tape::sketch`].
    pub(crate) sketch: bool,
    /// Names this recording: another tape, or this one after a clear, has another.
    pub(crate) stamp: u64,
}

/// One operation.
#[derive(Clone, Copy)]
pub(crate) struct Node<T> {
    pub(crate) code: Code,
    /// Whether a derivative can reach a variable through it.
    pub(crate) active: bool,
    /// The inputs; for structured ops `inputs[0]` is the place in `structured`.
    pub(crate) inputs: [u32; 2],
    /// The place of its value in `arrays`, or [`NUMBER`].
    array: u32,
    number: T,
}

/// The node's value is its number.
const NUMBER: u32 = u32::MAX;

impl<T: Copy> Node<T> {
    /// Its value, if the rank of that is 0.
    #[inline(always)]
    pub(crate) fn number(&self) -> Option<T> {
        (self.array == NUMBER).then_some(self.number)
    }
}

/// A value on the tape, as the tensor it is.
pub(crate) enum Stored<'a, T: Float> {
    Number(Tensor<T>),
    Array(&'a Tensor<T>),
}

impl<T: Float> Deref for Stored<'_, T> {
    type Target = Tensor<T>;
    #[inline(always)]
    fn deref(&self) -> &Tensor<T> {
        match self {
            Stored::Number(x) => x,
            Stored::Array(x) => x,
        }
    }
}

impl<T: Float> Borrow<Tensor<T>> for Stored<'_, T> {
    #[inline(always)]
    fn borrow(&self) -> &Tensor<T> {
        self
    }
}

/// An op as a node stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Code {
    Leaf,
    Const,
    Unary(Unary),
    Binary(Binary),
    Structured,
}

/// An op with data of its own, or with any number of inputs.
#[derive(Clone)]
pub(crate) struct Structured {
    pub(crate) op: Op,
    pub(crate) inputs: Inputs,
}

/// Sizes of a tape's lists at some moment.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    nodes: usize,
    arrays: usize,
    structured: usize,
    rules: usize,
}

static NEXT_STAMP: AtomicU64 = AtomicU64::new(1);

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Tape<T> {
    /// An empty tape.
    pub fn new() -> Self {
        let list = List {
            nodes: Vec::new(),
            arrays: Vec::new(),
            lines: Vec::new(),
            structured: Vec::new(),
            rules: Vec::new(),
            keyed: HashMap::new(),
            attributed: None,
            cotangents: Vec::new(),
            sketch: false,
            stamp: NEXT_STAMP.fetch_add(1, Ordering::Relaxed),
        };
        Tape { list: RefCell::new(list), reads: RefCell::new(None) }
    }

    /// An empty tape on which nothing is computed: an operation is noted with the shape of its result. What a
    /// [`Program`](crate::Program) is compiled from when the values on the way would need time, or more memory than the
    /// program itself.
    ///
    /// ```
    /// use autograd::{Program, Tape, Tensor};
    /// let tape = Tape::<f32>::sketch();
    /// let (w, start) = (tape.var(Tensor::eye(64)), tape.constant(Tensor::ones(&[8, 64])));
    /// let y = (0..100).fold(start, |h, _| h.matmul(w).tanh()).sum();
    /// let mut program = Program::new(&tape, &[w, start], &y.grad(&[w])); // the first product is yet to be made
    /// assert_eq!(program.run(&[&Tensor::zeros(&[64, 64]), &Tensor::ones(&[8, 64])])?[0].shape(), [64, 64]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// Variables and constants have their values. Asking for another panics, and there is no `backward` or `jvp` to
    /// numbers: record derivatives by [`grad`](Var::grad) and [`jvp_recorded`](Var::jvp_recorded).
    pub fn sketch() -> Self {
        let mut tape = Self::new();
        tape.list.get_mut().sketch = true;
        tape
    }

    /// A variable: something to differentiate with respect to. Takes a tensor, a number, or nested arrays.
    ///
    /// ```
    /// # use autograd::Tape;
    /// let tape = Tape::new();
    /// let (x, m) = (tape.var(1.5), tape.var([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(m.shape().as_slice(), [2, 2]);
    /// # let _: autograd::Var<f64> = x;
    /// ```
    #[track_caller]
    pub fn var(&self, value: impl Into<Tensor<T>>) -> Var<'_, T> {
        self.leaf(Code::Leaf, value.into())
    }

    /// A constant: derivatives do not reach it.
    #[track_caller]
    pub fn constant(&self, value: impl Into<Tensor<T>>) -> Var<'_, T> {
        self.leaf(Code::Const, value.into())
    }

    /// The variable for a key: created with the value at the first call, found again at later ones until the tape is
    /// cleared. So that a parameter used twice in a network is one variable.
    #[track_caller]
    pub fn keyed(&self, key: u64, value: &Tensor<T>) -> Var<'_, T> {
        self.leaf_for(key, Code::Leaf, value)
    }

    /// As [`keyed`](Tape::keyed), but derivatives do not reach it: a parameter that is frozen, a statistic.
    #[track_caller]
    pub fn keyed_constant(&self, key: u64, value: &Tensor<T>) -> Var<'_, T> {
        self.leaf_for(key, Code::Const, value)
    }

    #[track_caller]
    fn leaf_for(&self, key: u64, code: Code, value: &Tensor<T>) -> Var<'_, T> {
        if let Some(var) = self.find(key) {
            return var;
        }
        let var = self.leaf(code, value.clone());
        self.list.borrow_mut().keyed.insert(key, var.id);
        var
    }

    /// The variable or constant for a key, if this recording has used it.
    pub fn find(&self, key: u64) -> Option<Var<'_, T>> {
        self.list.borrow().keyed.get(&key).map(|&id| Var { tape: self, id })
    }

    /// The variable at a place in the order of recording, as [`Var::id`] gives it.
    pub fn get(&self, id: usize) -> Option<Var<'_, T>> {
        (id < self.len()).then_some(Var { tape: self, id: id as u32 })
    }

    /// The keys in the order of recording, each with what it stands for.
    pub(crate) fn keys(&self) -> Vec<(u64, Var<'_, T>)> {
        let list = self.list.borrow();
        let mut keys: Vec<_> = list.keyed.iter().map(|(&key, &id)| (key, Var { tape: self, id })).collect();
        keys.sort_unstable_by_key(|(_, var)| var.id);
        keys
    }

    /// Whether a derivative can reach a variable through a node.
    pub(crate) fn is_active(&self, id: u32) -> bool {
        self.list.borrow().active(id)
    }

    /// The constants that were given this very tensor, a clone of it or a view of all of it: how data that others put on
    /// the tape is found again.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let (tape, data) = (Tape::new(), tensor![1.0, 2.0]);
    /// let x = tape.constant(data.clone());
    /// assert_eq!(tape.constants_of(&data).map(|c| c.id()).collect::<Vec<_>>(), [x.id()]);
    /// assert_eq!(tape.constants_of(&tensor![1.0, 2.0]).count(), 0); // equal, but another one
    /// ```
    pub fn constants_of(&self, value: &Tensor<T>) -> impl Iterator<Item = Var<'_, T>> {
        let is_it = |var: &Var<'_, T>| {
            let list = self.list.borrow();
            list.nodes[var.id as usize].code == Code::Const && list.value(var.id).is_same_view(value)
        };
        self.vars().filter(move |var| is_it(var))
    }

    /// Number of nodes recorded.
    pub fn len(&self) -> usize {
        self.list.borrow().nodes.len()
    }

    /// Whether nothing has been recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all nodes and keeps the memory for the next recording.
    pub fn clear(&mut self) {
        let list = self.list.get_mut();
        list.nodes.clear();
        list.arrays.clear();
        list.lines.clear();
        list.structured.clear();
        list.rules.clear();
        list.keyed.clear();
        list.stamp = NEXT_STAMP.fetch_add(1, Ordering::Relaxed);
    }

    /// Every variable recorded so far, in order.
    pub fn vars(&self) -> impl Iterator<Item = Var<'_, T>> {
        (0..self.len() as u32).map(|id| Var { tape: self, id })
    }

    #[track_caller]
    fn leaf(&self, code: Code, value: Tensor<T>) -> Var<'_, T> {
        let id = self.list.borrow_mut().push(code, code == Code::Leaf, [0; 2], value, Location::caller());
        Var { tape: self, id }
    }

    /// From here on, which values are asked for is kept.
    pub(crate) fn watch(&self) {
        *self.reads.borrow_mut() = Some(Vec::new());
    }

    /// Keeps that the value of a node was asked for.
    #[inline]
    #[track_caller]
    pub(crate) fn note_read(&self, id: u32, line: &'static Location<'static>) {
        let list = self.list();
        let given = || matches!(list.node(id).0, Code::Leaf | Code::Const);
        assert!(!list.sketch || given(), "Var #{id} ({}) has no value: a sketch computes nothing", list.op(id).name());
        if let Some(reads) = &mut *self.reads.borrow_mut() {
            reads.push((id, line));
        }
    }

    /// The first value that was asked for, since the watch began, of something that depends on one of `x`.
    pub(crate) fn first_read(&self, x: &[Var<'_, T>]) -> Option<(Var<'_, T>, &'static Location<'static>)> {
        let (list, reads) = (self.list.borrow(), self.reads.borrow());
        let mut depends = vec![false; list.nodes.len()];
        x.iter().for_each(|x| depends[x.id as usize] = true);
        for id in 0..list.nodes.len() {
            depends[id] |= list.inputs(id as u32).iter().any(|&i| depends[i as usize]);
        }
        let found = reads.iter().flatten().find(|(id, _)| depends[*id as usize]);
        found.map(|&(id, line)| (Var { tape: self, id }, line))
    }

    pub(crate) fn list(&self) -> Ref<'_, List<T>> {
        self.list.borrow()
    }

    /// Records a row of the table at `x`.
    #[inline]
    pub(crate) fn unary(&self, op: Unary, x: u32, line: &'static Location<'static>) -> u32 {
        let mut list = self.list.borrow_mut();
        let input = &list.nodes[x as usize];
        let (code, active, inputs) = (Code::Unary(op), input.active, [x, x]);
        match input.number() {
            Some(at) => list.push_number(code, active, inputs, number::unary(op, at), line),
            None => {
                let x = list.value(x);
                let value = if list.sketch { unknown(x.shape()) } else { crate::op::eval::unary(op, &x) };
                list.push(code, active, inputs, value, line)
            }
        }
    }

    /// Records a row of the table at `a` and `b`.
    #[inline]
    pub(crate) fn binary(&self, op: Binary, a: u32, b: u32, line: &'static Location<'static>) -> Result<u32> {
        let mut list = self.list.borrow_mut();
        let (p, q) = (&list.nodes[a as usize], &list.nodes[b as usize]);
        let (code, active) = (Code::Binary(op), (p.active || q.active) && op.is_differentiable());
        match (p.number(), q.number()) {
            (Some(p), Some(q)) => Ok(list.push_number(code, active, [a, b], number::binary(op, p, q), line)),
            _ => list.push_binary(op, active, [a, b], line),
        }
    }

    /// Records a constant number.
    #[inline]
    pub(crate) fn number(&self, c: T, line: &'static Location<'static>) -> u32 {
        self.list.borrow_mut().push_number(Code::Const, false, [0; 2], c, line)
    }

    /// Records an op with data of its own.
    pub(crate) fn structured(&self, op: Op, inputs: Inputs, value: Tensor<T>, line: &'static Location<'static>) -> u32 {
        let mut list = self.list.borrow_mut();
        let active = op.is_differentiable() && inputs.iter().any(|&i| list.nodes[i as usize].active);
        let at = list.structured.len() as u32;
        list.structured.push(Structured { op, inputs });
        list.push(Code::Structured, active, [at, 0], value, line)
    }

    /// Keeps a user's rule and gives its number.
    pub(crate) fn add_rule(&self, rule: Arc<dyn DynRule<T>>) -> u32 {
        let mut list = self.list.borrow_mut();
        list.rules.push(rule);
        list.rules.len() as u32 - 1
    }

    /// How much has been recorded so far.
    pub(crate) fn extent(&self) -> Extent {
        let list = self.list.borrow();
        Extent {
            nodes: list.nodes.len(),
            arrays: list.arrays.len(),
            structured: list.structured.len(),
            rules: list.rules.len(),
        }
    }

    /// Forgets what was recorded since. For nodes that nobody outside has seen.
    pub(crate) fn rewind(&self, to: Extent) {
        let list = &mut *self.list.borrow_mut();
        list.nodes.truncate(to.nodes);
        list.lines.truncate(to.nodes);
        list.arrays.truncate(to.arrays);
        list.structured.truncate(to.structured);
        list.rules.truncate(to.rules);
        list.keyed.retain(|_, id| (*id as usize) < to.nodes);
    }

    /// From here on, and until the guard goes, recorded nodes are put down to the lines that
    /// [`Attribution::to`] names.
    pub(crate) fn attribute(&self) -> Attribution<'_, T> {
        Attribution { tape: self, before: self.list.borrow().attributed }
    }

    /// Lends the sweep the memory of the last one.
    pub(crate) fn take_cotangents(&self) -> Vec<Option<Tensor<T>>> {
        std::mem::take(&mut self.list.borrow_mut().cotangents)
    }

    pub(crate) fn give_cotangents(&self, cotangents: Vec<Option<Tensor<T>>>) {
        self.list.borrow_mut().cotangents = cotangents;
    }
}

impl<T: Float> List<T> {
    /// Keeps a node and its value: a number inside, an array beside.
    fn push(
        &mut self,
        code: Code,
        active: bool,
        inputs: [u32; 2],
        value: Tensor<T>,
        line: &'static Location<'static>,
    ) -> u32 {
        if let Some(number) = value.as_scalar() {
            return self.push_number(code, active, inputs, number, line);
        }
        let array = self.arrays.len() as u32;
        self.arrays.push(value);
        self.push_node(Node { code, active, inputs, array, number: T::zero() }, line)
    }

    /// Apart from the short way of numbers, so that theirs needs no memory.
    #[cold]
    #[inline(never)]
    fn push_binary(
        &mut self,
        op: Binary,
        active: bool,
        [a, b]: [u32; 2],
        line: &'static Location<'static>,
    ) -> Result<u32> {
        let (p, q) = (self.value(a), self.value(b));
        let value =
            if self.sketch { self.evaluate(&Op::Binary(op), &[&p, &q])? } else { Tensor::try_binary(op, &p, &q)? };
        drop((p, q));
        Ok(self.push(Code::Binary(op), active, [a, b], value, line))
    }

    #[inline(always)]
    fn push_number(
        &mut self,
        code: Code,
        active: bool,
        inputs: [u32; 2],
        number: T,
        line: &'static Location<'static>,
    ) -> u32 {
        self.push_node(Node { code, active, inputs, array: NUMBER, number }, line)
    }

    #[inline(always)]
    fn push_node(&mut self, node: Node<T>, line: &'static Location<'static>) -> u32 {
        let id = self.nodes.len() as u32;
        assert!(id != NUMBER, "a tape holds less than 2^32 nodes: clear it");
        self.nodes.push(node);
        self.lines.push(self.attributed.unwrap_or(line));
        id
    }

    /// The result of an op; of a sketch, its shape.
    pub(crate) fn evaluate(&self, op: &Op, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        if !self.sketch {
            return Tensor::try_apply(op.clone(), x);
        }
        let shapes: SmallVec<[&[usize]; 8]> = x.iter().map(|x| x.shape()).collect();
        Ok(unknown(&infer(op, &shapes)?))
    }

    /// What a sweep needs to know of a node.
    #[inline(always)]
    pub(crate) fn node(&self, id: u32) -> (Code, [u32; 2]) {
        let node = &self.nodes[id as usize];
        (node.code, node.inputs)
    }

    /// A node's value.
    #[inline(always)]
    pub(crate) fn value(&self, id: u32) -> Stored<'_, T> {
        let node = &self.nodes[id as usize];
        match node.number() {
            Some(x) => Stored::Number(Tensor::scalar(x)),
            None => Stored::Array(&self.arrays[node.array as usize]),
        }
    }

    /// Whether a derivative can reach a variable through a node.
    #[inline(always)]
    pub(crate) fn active(&self, id: u32) -> bool {
        self.nodes[id as usize].active
    }

    /// The op and inputs of a node with data of its own.
    pub(crate) fn structured(&self, id: u32) -> &Structured {
        &self.structured[self.nodes[id as usize].inputs[0] as usize]
    }

    /// The name of a node's op: a user's own, where it is one.
    pub(crate) fn name(&self, id: u32) -> &'static str {
        match self.op(id) {
            Op::Custom { id } => self.rule(id).rule_name(),
            op => op.name(),
        }
    }

    /// All users' rules.
    pub(crate) fn rules(&self) -> &[Arc<dyn DynRule<T>>] {
        &self.rules
    }

    /// The sizes of a node's axes.
    pub(crate) fn shape(&self, id: u32) -> Shape {
        self.value(id).shape().into()
    }

    /// A user's rule.
    pub(crate) fn rule(&self, id: u32) -> &Arc<dyn DynRule<T>> {
        &self.rules[id as usize]
    }

    /// The user's line that recorded a node.
    pub(crate) fn line(&self, id: u32) -> &'static Location<'static> {
        self.lines[id as usize]
    }

    /// A node's op, whole.
    pub(crate) fn op(&self, id: u32) -> Op {
        let node = &self.nodes[id as usize];
        match node.code {
            Code::Leaf => Op::Leaf,
            Code::Const => Op::Const,
            Code::Unary(u) => Op::Unary(u),
            Code::Binary(b) => Op::Binary(b),
            Code::Structured => self.structured(id).op.clone(),
        }
    }

    /// A node's inputs.
    pub(crate) fn inputs(&self, id: u32) -> &[u32] {
        let node = &self.nodes[id as usize];
        match node.code {
            Code::Leaf | Code::Const => &[],
            Code::Unary(_) => &node.inputs[..1],
            Code::Binary(_) => &node.inputs,
            Code::Structured => &self.structured(id).inputs,
        }
    }
}

/// Stands for what a sketch does not compute: NaN at every place, in the memory of one number.
fn unknown<T: Float>(shape: &[usize]) -> Tensor<T> {
    Tensor::apply(Op::Expand { shape: shape.into() }, &[&Tensor::scalar(T::of(f64::NAN))])
}

/// Derivatives are recorded on behalf of the user's line that computed what is differentiated.
pub(crate) struct Attribution<'t, T: Float> {
    tape: &'t Tape<T>,
    before: Option<&'static Location<'static>>,
}

impl<T: Float> Attribution<'_, T> {
    /// What is recorded next differentiates this node.
    pub(crate) fn to(&self, id: u32) {
        let mut list = self.tape.list.borrow_mut();
        list.attributed = Some(list.line(id));
    }
}

impl<T: Float> Drop for Attribution<'_, T> {
    fn drop(&mut self) {
        self.tape.list.borrow_mut().attributed = self.before;
    }
}

/// An error unless all variables live on one tape.
pub(crate) fn same_tape<T: Float>(op: &'static str, vars: &[&Var<'_, T>]) -> Result<()> {
    let foreign = vars.windows(2).any(|w| !std::ptr::eq(w[0].tape, w[1].tape));
    if foreign { Err(Error::Foreign { op }) } else { Ok(()) }
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
