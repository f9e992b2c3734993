//! The pattern of a Jacobian, from the recording: for each element of each node, the elements of the input that it can
//! depend on. Views and selections are followed by moving the numbers of the elements instead of their values.

use crate::float::{Few, Float, once};
use crate::op::{Binary, Op, Pairwise, Transform};
use crate::tape::{List, Var};
use crate::tensor::layout::reduced_shape;
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The positions of a sparse matrix that can differ from zero, row by row.
///
/// ```
/// use autograd::{tensor, transform::sparsity};
/// // Differences of neighbors.
/// let pattern = sparsity(|x| x[0].slice(0, 1..) - x[0].slice(0, ..2), &tensor![1.0, 2.0, 3.0])?;
/// assert_eq!((pattern.rows(), pattern.columns(), pattern.nonzeros()), (2, 3, 4));
/// assert_eq!((pattern.row_starts(), pattern.columns_of()), ([0, 2, 4].as_slice(), [0, 1, 1, 2].as_slice()));
/// assert_eq!(pattern.entries().collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 1), (1, 2)]);
/// assert_eq!(pattern.transposed().row(1), [0, 1]);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    columns: usize,
    /// Where each row starts, and where the last one ends.
    starts: Vec<usize>,
    /// The columns of each row, ascending.
    entries: Vec<u32>,
}

impl Pattern {
    fn new(columns: usize) -> Pattern {
        Pattern { columns, starts: vec![0], entries: Vec::new() }
    }

    /// Adds a row: the columns in any of the given rows.
    fn push<'r>(&mut self, rows: impl IntoIterator<Item = &'r [u32]>) {
        for row in rows {
            self.entries.extend_from_slice(row);
        }
        self.close();
    }

    /// Ends the row whose columns were added to the entries, in any order and as often as they occur.
    fn close(&mut self) {
        let start = *self.starts.last().expect("the first row starts at 0");
        if !self.entries[start..].is_sorted_by(|a, b| a < b) {
            self.entries[start..].sort_unstable();
            let mut kept = start;
            for i in start..self.entries.len() {
                if kept == start || self.entries[kept - 1] != self.entries[i] {
                    self.entries[kept] = self.entries[i];
                    kept += 1;
                }
            }
            self.entries.truncate(kept);
        }
        self.starts.push(self.entries.len());
    }

    /// Number of rows: elements of the output.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of columns: elements of the input.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of positions.
    pub fn nonzeros(&self) -> usize {
        self.entries.len()
    }

    /// The columns of a row, ascending.
    #[inline]
    pub fn row(&self, i: usize) -> &[u32] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }

    /// Where each row starts among the entries, and where the last one ends: with [`columns_of`](Self::columns_of), the
    /// compressed-row format.
    pub fn row_starts(&self) -> &[usize] {
        &self.starts
    }

    /// The column of each entry, row by row.
    pub fn columns_of(&self) -> &[u32] {
        &self.entries
    }

    /// The row and column of each entry, row by row.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows()).flat_map(|r| self.row(r).iter().map(move |&c| (r, c as usize)))
    }

    /// The pattern with rows and columns exchanged.
    pub fn transposed(&self) -> Pattern {
        self.by_columns().0
    }

    /// The compressed-column format: the transposed pattern, whose rows are the columns of this one, and for each of its
    /// entries the place of that entry in this pattern, row by row.
    ///
    /// ```
    /// use autograd::{tensor, transform::sparsity};
    /// let pattern = sparsity(|x| x[0].slice(0, 1..) - x[0].slice(0, ..2), &tensor![1.0, 2.0, 3.0])?;
    /// let (columns, places) = pattern.by_columns(); // entries (0, 0), (0, 1), (1, 1), (1, 2)
    /// assert_eq!((columns.row_starts(), columns.columns_of()), (&[0, 1, 3, 4][..], &[0, 0, 1, 1][..]));
    /// assert_eq!(places, [0, 1, 2, 3]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn by_columns(&self) -> (Pattern, Vec<usize>) {
        let mut starts = vec![0; self.columns + 1];
        self.entries.iter().for_each(|&c| starts[c as usize + 1] += 1);
        (0..self.columns).for_each(|c| starts[c + 1] += starts[c]);
        let mut next = starts.clone();
        let (mut entries, mut places) = (vec![0; self.entries.len()], vec![0; self.entries.len()]);
        for (place, (r, c)) in self.entries().enumerate() {
            (entries[next[c]], places[next[c]]) = (r as u32, place);
            next[c] += 1;
        }
        (Pattern { columns: self.rows(), starts, entries }, places)
    }

    /// The positions that this pattern or its transpose has.
    pub(super) fn symmetric(&self) -> Pattern {
        let (mirror, mut both) = (self.transposed(), Pattern::new(self.columns));
        (0..self.rows()).for_each(|r| both.push([self.row(r), mirror.row(r)]));
        both
    }
}

once! {
    /// The pattern of the derivative of `y` with respect to `x`. If only a `sparse` one is needed, `None` as soon as the
    /// pattern of a node is not sparse.
    pub(super) fn of<'t, T>(y: Var<'t, T>, x: Var<'t, T>, sparse: bool) -> Option<Pattern> {
        let list = y.tape.list();
        let n: usize = x.shape().iter().product();
        let mut found: HashMap<u32, Rc<Pattern>> = HashMap::new();
        let units = Pattern { columns: n, starts: (0..=n).collect(), entries: (0..n as u32).collect() };
        found.insert(x.id, Rc::new(units));
        // The nodes whose values depend on those of the input, also where no derivative flows.
        let mut moving = HashSet::from([x.id]);
        for id in x.id + 1..=y.id {
            let op = list.op(id);
            let inputs = list.inputs(id);
            if inputs.iter().any(|i| moving.contains(i)) {
                moving.insert(id);
            }
            let (operands, index) = op.operands(inputs);
            if !op.is_differentiable() || !operands.iter().any(|i| found.contains_key(i)) {
                continue;
            }
            let x: Vec<Operand> = operands.iter().map(|i| operand(&list, &found, *i)).collect();
            let shape = list.shape(id);
            let size = shape.iter().product::<usize>();
            let large = sparse && size * n > SMALL;
            let chosen = index.is_some_and(|i| moving.contains(i));
            let pattern = match follow(&op, &x, chosen, &shape, n) {
                Some(pattern) => pattern,
                None if large => return None,
                None => dense(&x, size, n),
            };
            if large && pattern.nonzeros() > size * n / 4 {
                return None;
            }
            found.insert(id, pattern);
        }
        let size: usize = y.shape().iter().product();
        let nothing = || Rc::new(Pattern { columns: n, starts: vec![0; size + 1], entries: Vec::new() });
        Some(Pattern::clone(&found.remove(&y.id).unwrap_or_else(nothing)))
    }
}

/// Matrices with fewer elements are not worth a search for sparsity.
const SMALL: usize = 1 << 10;

/// An input of an op.
struct Operand {
    shape: Shape,
    /// `None` if it does not depend on the input of the function.
    pattern: Option<Rc<Pattern>>,
}

fn operand<T: Float>(list: &List<T>, found: &HashMap<u32, Rc<Pattern>>, id: u32) -> Operand {
    Operand { shape: list.shape(id), pattern: found.get(&id).cloned() }
}

impl Operand {
    #[inline]
    fn row(&self, i: usize) -> &[u32] {
        self.pattern.as_ref().map_or(&[], |pattern| pattern.row(i))
    }

    fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The numbers 1, 2, … in a tensor; 0 stands for no element.
fn numbered(shape: &[usize], from: usize) -> Tensor<f64> {
    let n: usize = shape.iter().product();
    Tensor::new(shape, (from + 1..=from + n).map(|i| i as f64).collect())
}

/// For each element, the number in a tensor, as a position.
fn positions(numbers: &Tensor<f64>) -> impl Iterator<Item = Option<usize>> {
    numbers.iter().map(|i| (i as usize).checked_sub(1))
}

/// What each element of the result of `op` depends on; `None` if every one counts as depending on everything. `chosen`: the
/// index of the op follows from the input, so at another point it may name any element of its axis.
fn follow(op: &Op, x: &[Operand], chosen: bool, shape: &[usize], n: usize) -> Option<Rc<Pattern>> {
    Some(match op {
        Op::Take { axis, .. } | Op::Gather { axis, .. } if chosen => chosen_from(op, &x[0], *axis, n),
        Op::TakeAdd { axis, index, .. } if chosen => {
            let select = Op::Take { axis: *axis, index: index.clone() };
            chosen_to(&[(&x[0], Some(&select))], *axis, shape, n)
        }
        Op::GatherAdd { axis, index, .. } if chosen => {
            let select = Op::Gather { axis: *axis, index: index.clone() };
            chosen_to(&[(&x[0], Some(&select))], *axis, shape, n)
        }
        Op::GatherFold { axis, index, .. } if chosen => {
            let select = Op::Gather { axis: *axis, index: index.clone() };
            chosen_to(&[(&x[0], None), (&x[1], Some(&select))], *axis, shape, n)
        }
        Op::GatherOthers { axis, .. } if chosen => groups(x, AxisSet::one(*axis), shape, n),
        Op::Unary(_) => x[0].pattern.clone().expect("one of its inputs depends on the input"),
        Op::Binary(Binary::Copysign) => elementwise(&x[..1], shape, n),
        Op::Binary(_) => elementwise(x, shape, n),
        Op::Select => elementwise(&x[1..], shape, n),
        Op::Reshape { .. }
        | Op::Expand { .. }
        | Op::Permute { .. }
        | Op::Slice { .. }
        | Op::Place { .. }
        | Op::Concat { .. }
        | Op::Take { .. }
        | Op::Gather { .. } => moved(op, x, n),
        Op::TakeAdd { axis, index, .. } => added(&x[0], &Op::Take { axis: *axis, index: index.clone() }, shape, n),
        Op::GatherAdd { axis, index, .. } => added(&x[0], &Op::Gather { axis: *axis, index: index.clone() }, shape, n),
        Op::GatherFold { axis, index, .. } => {
            let (own, select) = (x[0].size(), Op::Gather { axis: *axis, index: index.clone() });
            collected(&[&x[0], &x[1]], &[(0..own).map(Some).collect(), sources(&select, shape)], own, n)
        }
        Op::GatherOthers { axis, index, size, .. } => {
            let (select, mut wide) = (Op::Gather { axis: *axis, index: index.clone() }, Shape::from(shape));
            wide[*axis] = *size;
            let (all, to) = (x.iter().collect::<Vec<_>>(), vec![sources(&select, &wide); x.len()]);
            let pattern = Some(collected(&all, &to, wide.iter().product(), n));
            moved(&select, &[Operand { shape: wide, pattern }], n)
        }
        Op::Reduce { axes, .. } => groups(x, *axes, shape, n),
        Op::Softmax { axis } | Op::SoftmaxVjp { axis } | Op::LogSoftmax { axis } | Op::LogSoftmaxVjp { axis } => {
            groups(x, AxisSet::one(*axis), shape, n)
        }
        Op::Standardize { axis, .. } | Op::StandardizeVjp { axis, .. } => {
            groups(x, (*axis..shape.len()).fold(AxisSet::default(), AxisSet::with), shape, n)
        }
        Op::CumSum { axis, reverse } | Op::Recurrence { axis, transposed: reverse } => {
            running(x, *axis, *reverse, shape, n)
        }
        Op::LogCumSumExp { axis } => running(x, *axis, false, shape, n),
        Op::Fourier(Transform::Forward | Transform::Backward) => {
            let last = shape.len() - 1;
            groups(x, AxisSet::one(last).with(last - 1), shape, n)
        }
        Op::Map { axis, .. } => groups(x, AxisSet::one(*axis), shape, n),
        Op::CrossEntropy { .. } => groups(x, AxisSet::one(1), shape, n),
        Op::MatMul { ta, tb, .. } => product(x, [*ta, *tb], shape, n),
        Op::Pairwise(Pairwise::Distance) => product(x, [false, true], shape, n),
        // No derivative flows through these.
        Op::Leaf | Op::Const | Op::StopGradient | Op::RecurrentTrace { .. } | Op::Integers { .. } | Op::Cast { .. } => {
            dense(&[], shape.iter().product(), n)
        }
        Op::CrossEntropyVjp { .. }
        | Op::LayerNorm { .. }
        | Op::LayerNormVjp { .. }
        | Op::LayerNormSums { .. }
        | Op::Attention { .. }
        | Op::AttentionVjp { .. }
        | Op::Recurrent { .. }
        | Op::RecurrentVjp { .. }
        | Op::Linalg(_)
        | Op::Pairwise(Pairwise::Product | Pairwise::Sum)
        | Op::Fourier(Transform::Real | Transform::Half { .. })
        | Op::Conv { .. }
        | Op::ConvTranspose { .. }
        | Op::ConvWeight { .. }
        | Op::MaxPool { .. }
        | Op::MaxUnpool { .. }
        | Op::Custom { .. } => return None,
    })
}

/// Every element depends on everything that any input depends on.
fn dense(x: &[Operand], size: usize, n: usize) -> Rc<Pattern> {
    let mut whole = Pattern::new(n);
    whole.push(x.iter().flat_map(|x| (0..x.size()).map(|i| x.row(i))));
    let mut all = Pattern::new(n);
    (0..size).for_each(|_| all.push([whole.row(0)]));
    Rc::new(all)
}

fn elementwise(x: &[Operand], shape: &[usize], n: usize) -> Rc<Pattern> {
    let mut moving = x.iter().filter(|x| x.pattern.is_some());
    if let (Some(only), None) = (moving.next(), moving.next())
        && *only.shape == *shape
    {
        return only.pattern.clone().expect("it moves");
    }
    let at: Vec<Tensor<f64>> = x.iter().map(|x| numbered(&x.shape, 0).broadcast_view(shape)).collect();
    let mut places: Vec<_> = at.iter().map(positions).collect();
    let mut all = Pattern::new(n);
    for _ in 0..shape.iter().product::<usize>() {
        for (x, places) in x.iter().zip(&mut places) {
            if let Some(i) = places.next().flatten() {
                all.entries.extend_from_slice(x.row(i));
            }
        }
        all.close();
    }
    Rc::new(all)
}

/// An op that moves elements.
fn moved(op: &Op, x: &[Operand], n: usize) -> Rc<Pattern> {
    let mut first = Vec::with_capacity(x.len());
    let mut count = 0;
    for x in x {
        first.push(count);
        count += x.size();
    }
    let numbers: Vec<Tensor<f64>> = x.iter().zip(&first).map(|(x, &from)| numbered(&x.shape, from)).collect();
    let result = Tensor::apply(op.clone(), &numbers.iter().collect::<Vec<_>>());
    let mut all = Pattern::new(n);
    for place in positions(&result) {
        let row = place.map(|i| {
            // The last input that starts there or before; an input without elements starts where the next one does.
            let k = first.partition_point(|&from| from <= i) - 1;
            x[k].row(i - first[k])
        });
        all.push(row);
    }
    Rc::new(all)
}

/// Each element of the result depends on the elements of `x` that `to` says go there.
fn collected(x: &[&Operand], to: &[Vec<Option<usize>>], size: usize, n: usize) -> Rc<Pattern> {
    let mut sources: Vec<Vec<&[u32]>> = vec![Vec::new(); size];
    for (x, to) in x.iter().zip(to) {
        to.iter().enumerate().filter_map(|(i, to)| to.map(|to| (i, to))).for_each(|(i, to)| sources[to].push(x.row(i)));
    }
    let mut all = Pattern::new(n);
    sources.into_iter().for_each(|rows| all.push(rows));
    Rc::new(all)
}

/// The transpose of an op that selects.
fn added(x: &Operand, select: &Op, shape: &[usize], n: usize) -> Rc<Pattern> {
    collected(&[x], &[sources(select, shape)], shape.iter().product(), n)
}

/// The places in an array of this shape that an op selects.
fn sources(select: &Op, shape: &[usize]) -> Vec<Option<usize>> {
    positions(&Tensor::apply(select.clone(), &[&numbered(shape, 0)])).collect()
}

/// For each element of an array of this shape, the number of its line along the axis; and how many lines there are.
fn lines(shape: &[usize], axis: usize) -> (Tensor<f64>, usize) {
    let kept = reduced_shape(shape, AxisSet::one(axis), true);
    (numbered(&kept, 0).broadcast_view(shape), kept.iter().product())
}

/// Each element of the result depends on the line of `x` that `select` takes it from, wherever along it.
fn chosen_from(select: &Op, x: &Operand, axis: usize, n: usize) -> Rc<Pattern> {
    let (line, count) = lines(&x.shape, axis);
    let by_line = collected(&[x], &[positions(&line).collect()], count, n);
    let mut all = Pattern::new(n);
    positions(&Tensor::apply(select.clone(), &[&line])).for_each(|i| all.push(i.map(|i| by_line.row(i))));
    Rc::new(all)
}

/// Each element of the result, of this shape, depends on all that goes anywhere along its line: of each of `x` the elements
/// that `select` says, or those of the same places.
fn chosen_to(x: &[(&Operand, Option<&Op>)], axis: usize, shape: &[usize], n: usize) -> Rc<Pattern> {
    let (line, count) = lines(shape, axis);
    let to = |select: &Option<&Op>| match select {
        Some(select) => positions(&Tensor::apply(Op::clone(select), &[&line])).collect(),
        None => positions(&line).collect(),
    };
    let (operands, to): (Vec<_>, Vec<_>) = x.iter().map(|(x, select)| (*x, to(select))).unzip();
    let by_line = collected(&operands, &to, count, n);
    let mut all = Pattern::new(n);
    positions(&line).for_each(|i| all.push(i.map(|i| by_line.row(i))));
    Rc::new(all)
}

/// Each element depends on all elements that differ from it along `axes` only; the result has those axes, or lost them.
fn groups(x: &[Operand], axes: AxisSet, shape: &[usize], n: usize) -> Rc<Pattern> {
    let kept = reduced_shape(&x[0].shape, axes, true);
    let count: usize = kept.iter().product();
    let to: Vec<_> = x.iter().map(|x| positions(&numbered(&kept, 0).broadcast_view(&x.shape)).collect()).collect();
    let groups = collected(&x.iter().collect::<Vec<_>>(), &to, count, n);
    if count == shape.iter().product::<usize>() {
        return groups;
    }
    let mut all = Pattern::new(n);
    positions(&numbered(&kept, 0).broadcast_view(shape)).flatten().for_each(|i| all.push([groups.row(i)]));
    Rc::new(all)
}

/// Each element depends on those before it along an axis, or after it.
fn running(x: &[Operand], axis: usize, reverse: bool, shape: &[usize], n: usize) -> Rc<Pattern> {
    let (len, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let mut all = Pattern::new(n);
    for i in 0..shape.iter().product::<usize>() {
        let k = i / inner % len.max(1);
        let span = if reverse { k..len } else { 0..k + 1 };
        let first = i - k * inner;
        all.push(x.iter().flat_map(|x| span.clone().map(move |k| x.row(first + k * inner))));
    }
    Rc::new(all)
}

/// Row i of the first operand and column j of the second.
fn product(x: &[Operand], [ta, tb]: [bool; 2], shape: &[usize], n: usize) -> Rc<Pattern> {
    // The lines of an operand that meet in the product, as groups along its inner axis.
    let meeting = |x: &Operand, inner: usize| {
        groups(std::slice::from_ref(x), AxisSet::one(inner), &reduced_shape(&x.shape, AxisSet::one(inner), true), n)
    };
    let (ra, rb) = (x[0].shape.len(), x[1].shape.len());
    let inner = [ra - if ta { 2 } else { 1 }, rb - if tb { 1 } else { 2 }];
    let lines = [meeting(&x[0], inner[0]), meeting(&x[1], inner[1])];
    // Each line stands where its row or column is in the result.
    let place = |k: usize| {
        let mut kept: Shape = x[k].shape.clone();
        kept[inner[k]] = 1;
        let mut order: Shape = (0..kept.len()).few();
        if (k == 0 && ta) || (k == 1 && tb) {
            order.swap(kept.len() - 1, kept.len() - 2);
        }
        let numbers: Tensor<f64> = Value::permute(&numbered(&kept, 0), &order);
        positions(&numbers.broadcast_view(shape)).map(|i| i.expect("each has a number")).collect::<Vec<_>>()
    };
    let [a, b] = [place(0), place(1)];
    let mut all = Pattern::new(n);
    a.into_iter().zip(b).for_each(|(i, j)| all.push([lines[0].row(i), lines[1].row(j)]));
    Rc::new(all)
}
