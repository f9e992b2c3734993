//! Taylor mode: the derivatives of a function along a line, up to any order, as the coefficients of power series.
//!
//! A linear op maps coefficients to coefficients, and a product convolves them. Every other op `y = f(x)` follows from its
//! own forward rule `y′ = f′(x) x′`, recorded once: coefficient k of y is coefficient k - 1 of that expression, divided by
//! k. The expressions for exp, tanh, sin and similar functions lead back to existing values, so the rules of the table
//! suffice, and n coefficients take O(n²) operations (Griewank and Walther, *Evaluating Derivatives*, chapter 13).

use super::point::{Point, call, check_shapes};
use super::read::{self, Step};
use crate::error::{Result, or_panic};
use crate::float::{Few, Float, once};
use crate::op::{Binary, Factor, Fold, Op, Unary};
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use crate::value::Value;
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::collections::HashMap;

/// The derivatives dᵏ/dsᵏ f(x + s t) at s = 0, for k from 0 to `order`: the value, the directional derivative, and so on.
///
/// ```
/// use autograd::{tensor, transform::taylor};
/// let d = taylor(|x| x[0].exp() * x[0], &[tensor![0.0]], &[tensor![1.0]], 4);
/// assert_eq!(d, [tensor![0.0], tensor![1.0], tensor![2.0], tensor![3.0], tensor![4.0]]);
/// ```
/// # Panics
/// If a tangent does not have the shape of its input, or the function returns a variable of another tape; [`try_taylor`]
/// returns the error.
#[doc(alias = "jet")]
#[track_caller]
pub fn taylor<T: Float, P: Point<T>, F>(f: F, x: &[P], t: &[impl Borrow<Tensor<T>>], order: usize) -> Vec<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_taylor(f, x, t, order))
}

/// Like [`taylor`], but returns the error.
#[track_caller]
pub fn try_taylor<T: Float, P: Point<T>, F>(
    f: F,
    x: &[P],
    t: &[impl Borrow<Tensor<T>>],
    order: usize,
) -> Result<Vec<P::Out>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let t: Vec<Tensor<T>> = t.iter().map(|t| t.borrow().clone()).collect();
    P::run("taylor", x, &|x| {
        check_shapes("taylor", "tangent", x, &t)?;
        let y = call("taylor", &f, x)?;
        let t: Vec<Var<T>> = t.iter().map(|t| y.tape.constant(t.clone())).collect();
        derivatives(y, x, &t, order)
    })
}

once! {
    fn derivatives<'t, T>(y: Var<'t, T>, x: &[Var<'t, T>], t: &[Var<'t, T>], order: usize) -> Result<Vec<Var<'t, T>>> {
        let symbols = Tape::sketch();
        let mut series = Series::new(&symbols, y.tape);
        let root = series.copy(y, x, t)?;
        let mut factorial = 1.0;
        let mut found = Vec::with_capacity(order + 1);
        for k in 0..=order {
            factorial *= k.max(1) as f64;
            let zeros = || y.tape.constant(Tensor::zeros(&y.shape()));
            let c = series.coefficient(root, k)?.unwrap_or_else(zeros);
            found.push(if k < 2 { c } else { c.scale(factorial) });
        }
        Ok(found)
    }
}

/// A coefficient; `None` if it is zero.
type Coefficient<'t, T> = Option<Var<'t, T>>;

/// A bilinear function.
type Product<'p, 't, T> = &'p dyn Fn(&Var<'t, T>, &Var<'t, T>) -> Result<Var<'t, T>>;

/// The power series of the nodes of a symbolic tape, computed on demand.
struct Series<'e, 't, T: Float> {
    /// The function, and the expressions for the slopes of its nodes. Nothing is computed there.
    symbols: &'e Tape<T>,
    onto: &'t Tape<T>,
    /// The known coefficients, by node.
    known: HashMap<(u32, usize), Coefficient<'t, T>>,
    /// For a symbol that represents the slope of a node: that node.
    slope_of: HashMap<u32, u32>,
    /// The symbol for the slope of a node, and the expression that computes it.
    slope: HashMap<u32, u32>,
    expression: HashMap<u32, u32>,
    /// The first node that computes the same.
    first: Vec<u32>,
    alike: HashMap<SmallVec<[u32; 4]>, Vec<u32>>,
}

/// How the coefficients of a result are computed from those of the inputs.
enum Law {
    /// Only the value depends on the inputs, and only on their values.
    Constant,
    /// Linear in all inputs together.
    Linear,
    /// A choice by the value of the first input, linear in the others.
    Choice,
    /// A product of the two inputs, or of one with itself.
    Product,
    /// A quotient: the result times the second input, or the first matrix, is the other input.
    Quotient,
    /// By the forward rule.
    Slope,
}

fn law(op: &Op) -> Law {
    match op {
        Op::Leaf | Op::Const | Op::StopGradient | Op::Integers { .. } | Op::Cast { .. } => Law::Constant,
        Op::RecurrentTrace { .. } => Law::Constant,
        Op::Binary(f) if !f.is_differentiable() => Law::Constant,
        Op::Unary(Unary::Neg) | Op::Binary(Binary::Add | Binary::Sub) => Law::Linear,
        Op::Reduce { fold: Fold::Sum | Fold::Mean, .. } => Law::Linear,
        Op::CumSum { .. }
        | Op::Fourier(_)
        | Op::Reshape { .. }
        | Op::Expand { .. }
        | Op::Permute { .. }
        | Op::Slice { .. }
        | Op::Place { .. }
        | Op::Concat { .. }
        | Op::Take { .. }
        | Op::TakeAdd { .. }
        | Op::Gather { .. }
        | Op::GatherAdd { .. }
        | Op::Map { .. } => Law::Linear,
        Op::Select | Op::MaxPool { .. } | Op::MaxUnpool { .. } => Law::Choice,
        Op::Unary(Unary::Square) | Op::Binary(Binary::Mul | Binary::TanhSlope) => Law::Product,
        Op::MatMul { .. } | Op::Conv { .. } | Op::ConvTranspose { .. } | Op::ConvWeight { .. } => Law::Product,
        Op::Unary(Unary::Recip) | Op::Binary(Binary::Div) | Op::Linalg(Factor::Solve { .. }) => Law::Quotient,
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Reduce { .. }
        | Op::Softmax { .. }
        | Op::SoftmaxVjp { .. }
        | Op::LogSoftmax { .. }
        | Op::LogSoftmaxVjp { .. }
        | Op::Standardize { .. }
        | Op::StandardizeVjp { .. }
        | Op::LayerNorm { .. }
        | Op::LayerNormVjp { .. }
        | Op::LayerNormSums { .. }
        | Op::Attention { .. }
        | Op::AttentionVjp { .. }
        | Op::LogCumSumExp { .. }
        | Op::Recurrence { .. }
        | Op::GatherFold { .. }
        | Op::GatherOthers { .. }
        | Op::Recurrent { .. }
        | Op::RecurrentVjp { .. }
        | Op::CrossEntropy { .. }
        | Op::CrossEntropyVjp { .. }
        | Op::Linalg(_)
        | Op::Pairwise(_)
        | Op::Custom { .. } => Law::Slope,
    }
}

impl<'e, 't, T: Float> Series<'e, 't, T> {
    fn new(symbols: &'e Tape<T>, onto: &'t Tape<T>) -> Self {
        let (known, slope_of, slope) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (expression, first, alike) = (HashMap::new(), Vec::new(), HashMap::new());
        Series { symbols, onto, known, slope_of, slope, expression, first, alike }
    }

    /// Copies the recording of `y` as symbols, from the inputs `x`, which move along `t`. Values that do not depend on
    /// those become symbols too.
    fn copy(&mut self, y: Var<'t, T>, x: &[Var<'t, T>], t: &[Var<'t, T>]) -> Result<u32> {
        let mut copies: HashMap<u32, Var<'e, T>> = HashMap::new();
        for (x, t) in x.iter().zip(t) {
            let symbol = self.symbols.var(hollow(*x));
            self.known.insert((symbol.id, 0), Some(*x));
            self.known.insert((symbol.id, 1), Some(*t));
            copies.insert(x.id, symbol);
        }
        for id in 0..=y.id {
            let inputs: SmallVec<[u32; 4]> = self.onto.list().inputs(id).into();
            let moves = |i: &u32| copies.get(i).is_some_and(|s| self.symbols.is_active(s.id));
            if copies.contains_key(&id) || !inputs.iter().any(moves) {
                continue;
            }
            let mut from: Vec<Var<'e, T>> = Vec::new();
            for &i in &inputs {
                from.push(self.symbol(&mut copies, i));
            }
            let op = self.onto.list().op(id);
            let rule = if let Op::Custom { id } = op { Some(self.onto.list().rule(id).clone()) } else { None };
            copies.insert(id, read::apply(&Step { op: &op, rule }, &from)?);
        }
        Ok(self.symbol(&mut copies, y.id).id)
    }

    /// The symbol of a node; a node that does not depend on the inputs gets one now.
    fn symbol(&mut self, copies: &mut HashMap<u32, Var<'e, T>>, id: u32) -> Var<'e, T> {
        *copies.entry(id).or_insert_with(|| {
            let still = Var { tape: self.onto, id };
            let symbol = self.symbols.constant(hollow(still));
            self.known.insert((symbol.id, 0), Some(still));
            symbol
        })
    }

    /// Coefficient `k` of a node. Its dependencies are computed first, in the order of an explicit stack.
    fn coefficient(&mut self, root: u32, k: usize) -> Result<Coefficient<'t, T>> {
        let mut stack = vec![(self.canonical(root), k)];
        while let Some(&(id, k)) = stack.last() {
            if !self.known.contains_key(&(id, k)) {
                let mut missing = self.needs(id, k)?;
                missing.retain(|at| !self.known.contains_key(at));
                if !missing.is_empty() {
                    stack.extend(missing);
                    continue;
                }
                let found = self.compute(id, k)?;
                self.known.insert((id, k), found);
            }
            stack.pop();
        }
        Ok(self.at(root, k))
    }

    fn op(&self, id: u32) -> Op {
        self.symbols.list().op(id)
    }

    fn inputs(&mut self, id: u32) -> SmallVec<[u32; 4]> {
        let inputs: SmallVec<[u32; 4]> = self.symbols.list().inputs(id).into();
        inputs.into_iter().map(|i| self.canonical(i)).collect()
    }

    /// The coefficients that coefficient `k` of a node depends on.
    fn needs(&mut self, id: u32, k: usize) -> Result<Vec<(u32, usize)>> {
        if let Some(&of) = self.slope_of.get(&id) {
            return Ok(vec![(of, k + 1)]);
        }
        if k > 0 && !self.symbols.is_active(id) {
            return Ok(Vec::new());
        }
        let op = self.op(id);
        let x = self.inputs(id);
        let all = |ids: &[u32], to: usize| ids.iter().flat_map(|&i| (0..=to).map(move |j| (i, j))).collect::<Vec<_>>();
        Ok(match law(&op) {
            _ if k == 0 => all(&x, 0),
            Law::Constant => Vec::new(),
            Law::Linear | Law::Choice => x.iter().flat_map(|&i| [(i, 0), (i, k)]).collect(),
            Law::Product => all(&x, k),
            Law::Quotient => all(&x, k).into_iter().chain(all(&[id], k - 1)).collect(),
            Law::Slope => vec![(self.expression(id)?, k - 1)],
        })
    }

    fn at(&mut self, id: u32, k: usize) -> Coefficient<'t, T> {
        let id = self.canonical(id);
        self.known[&(id, k)]
    }

    /// Coefficient `k` of a node, from its dependencies.
    fn compute(&mut self, id: u32, k: usize) -> Result<Coefficient<'t, T>> {
        if let Some(&of) = self.slope_of.get(&id) {
            return Ok(self.at(of, k + 1).map(|c| if k == 0 { c } else { c.scale((k + 1) as f64) }));
        }
        let (op, x) = (self.op(id), self.inputs(id));
        if k == 0 {
            return self.value(id, &op, &x).map(Some);
        }
        if !self.symbols.is_active(id) {
            return Ok(None);
        }
        match law(&op) {
            Law::Constant => Ok(None),
            Law::Linear => self.linear(&op, &x, id, k),
            Law::Choice => self.choice(&op, &x, id, k),
            // 1 - b²
            Law::Product if op == Op::Binary(Binary::TanhSlope) => {
                let square = self.convolve(x[1], x[1], 0..=k, k, &|a, b| Ok(a.mul(b)))?;
                let shape = self.symbols.list().shape(id);
                Ok(square.map(|c| Value::unary(&c, Unary::Neg).expand(&shape)))
            }
            Law::Product => {
                let product = |a: &Var<'t, T>, b: &Var<'t, T>| match op {
                    Op::Unary(_) => Ok(a.mul(b)),
                    ref op => Value::try_apply(op.clone(), &[a, b]),
                };
                self.convolve(x[0], *x.last().expect("it has inputs"), 0..=k, k, &product)
            }
            Law::Quotient => self.quotient(&op, &x, id, k),
            Law::Slope => {
                let slope = self.expression(id)?;
                Ok(self.at(slope, k - 1).map(|c| if k == 1 { c } else { c.scale(1.0 / k as f64) }))
            }
        }
    }

    /// The value of a node.
    fn value(&mut self, id: u32, op: &Op, x: &[u32]) -> Result<Var<'t, T>> {
        if x.is_empty() {
            let symbol = Var { tape: self.symbols, id };
            return Ok(self.onto.constant(symbol.peek()));
        }
        let mut from: Vec<Var<'t, T>> = Vec::new();
        for &i in x {
            let zeros = || self.onto.constant(Tensor::zeros(&self.symbols.list().shape(i)));
            from.push(self.known[&(i, 0)].unwrap_or_else(zeros));
        }
        let rule = if let Op::Custom { id } = op { Some(self.symbols.list().rule(*id).clone()) } else { None };
        read::apply(&Step { op, rule }, &from)
    }

    /// The result of a linear op.
    fn linear(&mut self, op: &Op, x: &[u32], id: u32, k: usize) -> Result<Coefficient<'t, T>> {
        let shape = self.symbols.list().shape(id);
        let (operands, node) = op.operands(x);
        let parts: Vec<Coefficient<'t, T>> = operands.iter().map(|&i| self.known[&(i, k)]).collect();
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        match (op, parts.as_slice()) {
            (Op::Binary(Binary::Add), &[Some(a), None] | &[None, Some(a)]) => Ok(Some(a.expand(&shape))),
            (Op::Binary(_), &[Some(a), None]) => Ok(Some(a.expand(&shape))),
            (Op::Binary(_), &[None, Some(b)]) => Ok(Some(Value::unary(&b, Unary::Neg).expand(&shape))),
            _ => {
                let zeros = |i: u32| self.onto.constant(Tensor::zeros(&self.symbols.list().shape(i)));
                let part = |(c, &i): (&Coefficient<'t, T>, &u32)| c.unwrap_or_else(|| zeros(i));
                let mut from: Vec<Var<'t, T>> = parts.iter().zip(operands).map(part).collect();
                from.extend(node.map(|&node| self.known[&(node, 0)].expect("integers have a value")));
                Ok(Some(read::record(op.clone(), &from)?))
            }
        }
    }

    /// The result of a choice by the value of the first input.
    fn choice(&mut self, op: &Op, x: &[u32], id: u32, k: usize) -> Result<Coefficient<'t, T>> {
        let shape = self.symbols.list().shape(id);
        if x[1..].iter().all(|&i| self.known[&(i, k)].is_none()) {
            return Ok(None);
        }
        let zero = self.onto.constant(T::zero());
        let by = self.known[&(x[0], 0)].unwrap_or(zero);
        let from: Vec<Var<'t, T>> =
            std::iter::once(by).chain(x[1..].iter().map(|&i| self.known[&(i, k)].unwrap_or(zero))).collect();
        Ok(Some(read::record(op.clone(), &from)?.expand(&shape)))
    }

    /// Σ `product(a[j], b[k - j])` over some `j`.
    fn convolve(
        &mut self,
        a: u32,
        b: u32,
        over: std::ops::RangeInclusive<usize>,
        k: usize,
        product: Product<'_, 't, T>,
    ) -> Result<Coefficient<'t, T>> {
        let mut sum: Coefficient<'t, T> = None;
        for j in over {
            if let (Some(a), Some(b)) = (self.known[&(a, j)], self.known[&(b, k - j)]) {
                let term = product(&a, &b)?;
                sum = Some(sum.map_or(term, |sum| sum + term));
            }
        }
        Ok(sum)
    }

    /// From y·b = a: `y[k] = (a[k] - Σ y[k - j] b[j]) / b[0]`, the sum over j from 1; likewise for matrices.
    fn quotient(&mut self, op: &Op, x: &[u32], id: u32, k: usize) -> Result<Coefficient<'t, T>> {
        let shape = self.symbols.list().shape(id);
        let (by, of) = match op {
            Op::Linalg(_) => (x[0], Some(x[1])),
            Op::Binary(_) => (x[1], Some(x[0])),
            _ => (x[0], None),
        };
        let matrix = matches!(op, Op::Linalg(_));
        let product = |b: &Var<'t, T>, y: &Var<'t, T>| match matrix {
            true => Ok(Value::matmul(b, y, false, false)),
            false => Ok(b.mul(y)),
        };
        let of = of.and_then(|of| self.known[&(of, k)]);
        let rest = match (of, self.convolve(by, id, 1..=k, k, &product)?) {
            (None, None) => return Ok(None),
            (Some(a), None) => a,
            (Some(a), Some(sum)) => a.sub(sum),
            (None, Some(sum)) => Value::unary(&sum, Unary::Neg),
        };
        let by = self.known[&(by, 0)].unwrap_or_else(|| self.onto.constant(T::zero()));
        let y = if matrix { Value::try_apply(op.clone(), &[&by, &rest])? } else { rest.div(by) };
        Ok(Some(y.expand(&shape)))
    }

    /// The expression for the slope of a node, by its forward rule.
    fn expression(&mut self, id: u32) -> Result<u32> {
        if let Some(&slope) = self.expression.get(&id) {
            return Ok(slope);
        }
        let mut along: Vec<(Var<'e, T>, Var<'e, T>)> = Vec::new();
        let inputs: SmallVec<[u32; 4]> = self.symbols.list().inputs(id).into();
        for i in inputs {
            let x = Var { tape: self.symbols, id: i };
            if self.symbols.is_active(i) && along.iter().all(|(other, _)| other.id != i) {
                let canonical = self.canonical(i);
                let slope = match self.slope.get(&canonical) {
                    Some(&slope) => Var { tape: self.symbols, id: slope },
                    None => self.symbols.var(hollow(x)),
                };
                self.slope.insert(canonical, slope.id);
                self.slope_of.insert(slope.id, canonical);
                along.push((x, slope));
            }
        }
        let slope = Var { tape: self.symbols, id }.try_jvp_recorded(&along)?.id;
        let slope = self.canonical(slope);
        self.expression.insert(id, slope);
        Ok(slope)
    }

    /// The first node that applies the same op to the same inputs. So expressions lead back to known values.
    fn canonical(&mut self, id: u32) -> u32 {
        for new in self.first.len() as u32..=id {
            let first = self.first_like(new);
            self.first.push(first);
        }
        self.first[id as usize]
    }

    fn first_like(&mut self, id: u32) -> u32 {
        let list = self.symbols.list();
        let op = list.op(id);
        let inputs: SmallVec<[u32; 4]> = list.inputs(id).iter().map(|&i| self.first[i as usize]).few();
        if matches!(op, Op::Leaf | Op::Custom { .. }) || self.known.contains_key(&(id, 0)) {
            return id;
        }
        let value = |id: u32| list.nodes[id as usize].number().map(Float::f64);
        let same = |&other: &u32| match op {
            Op::Const => value(id).is_some_and(|x| value(other).is_some_and(|y| x.to_bits() == y.to_bits())),
            _ => list.op(other) == op,
        };
        let others = self.alike.entry(inputs).or_default();
        if let Some(&other) = others.iter().find(|&other| same(other)) {
            return other;
        }
        others.push(id);
        id
    }
}

/// A placeholder of the shape of `x`, all in the memory of one element.
fn hollow<T: Float>(x: Var<'_, T>) -> Tensor<T> {
    match &*x.shape() {
        [] => Tensor::scalar(T::zero()),
        shape => Tensor::zeros(&[1]).broadcast_view(shape),
    }
}
