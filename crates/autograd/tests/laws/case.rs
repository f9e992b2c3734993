//! One application of one op: the op, its inputs, and the memory layout of the inputs.

use autograd::op::{Factor, Op};
use autograd::{Cotangents, Error, Float, Result, Rng, Rule, Tape, Tensor, Value, Var};

/// An op and inputs that it accepts.
#[derive(Debug, Clone)]
pub struct Case {
    pub op: Op,
    pub inputs: Vec<Input>,
}

/// An input: its values, and the views through which they are read from memory.
#[derive(Debug, Clone)]
pub struct Input {
    pub values: Tensor<f64>,
    pub views: Vec<View>,
    /// False for a mask, through which no derivative flows.
    pub differentiable: bool,
}

/// A view between a buffer and the values read from it. Axes are taken modulo the rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum View {
    /// All axes in the opposite order.
    Transposed,
    /// One axis reversed.
    Reversed(usize),
    /// Every `step`-th element of one axis; the gaps hold NaN, so that reading one is detected.
    Stepped(usize, usize),
    /// The first slice of an axis, repeated along it. Unlike the others, this changes the values.
    Repeated(usize),
}

/// The distribution of an input's values.
#[derive(Debug, Clone, Copy)]
pub enum Domain {
    /// Uniform.
    Between(f64, f64),
    /// Of either sign, with an absolute value of at least 0.5.
    AwayFromZero,
    /// Distinct multiples of a gap, shifted by a fraction of the gap: elements never tie, neither within an input nor
    /// between inputs with different shifts.
    Grid(f64),
    /// Matrices near diag(1, 2, 3, …).
    Regular,
    /// The same with the last row first, so that pivots are found along a cycle.
    Turned,
    /// Matrices near diag(…, -1, 0, 1, …): the eigenvalues are as far apart but smaller, and so are the
    /// finite-difference steps.
    Centered,
    /// Matrices near diag(1, 2, 3, …) whose eigenvalues are pairs of complex ones, except for the last if their number is odd.
    Paired,
    /// Values that count as true or false.
    Mask,
    /// 1, 2 or 3: the order of a function, which is not differentiated.
    Whole,
}

impl Domain {
    /// Values that are also exact in single precision.
    pub fn values(self, shape: &[usize], seed: u64) -> Tensor<f64> {
        /// Much larger than the steps of the gradient checker.
        const GAP: f64 = 0.08;
        let mut rng = Rng::new(seed);
        let count: usize = shape.iter().product();
        let uniform = |rng: &mut Rng, low: f64, high: f64| low + (high - low) * rng.uniform();
        let data: Vec<f64> = match self {
            Domain::Between(low, high) => (0..count).map(|_| uniform(&mut rng, low, high)).collect(),
            Domain::AwayFromZero => {
                let sign = |rng: &mut Rng| if rng.bits() & 1 == 0 { 1.0 } else { -1.0 };
                (0..count).map(|_| sign(&mut rng) * uniform(&mut rng, 0.5, 2.5)).collect()
            }
            Domain::Grid(shift) => {
                let mut order: Vec<usize> = (0..count).collect();
                (1..count).rev().for_each(|i| order.swap(i, rng.bits() as usize % (i + 1)));
                order.iter().map(|&k| (k as f64 - (count / 2) as f64 + shift) * GAP).collect()
            }
            Domain::Whole => (0..count).map(|_| 1.0 + (rng.bits() % 3) as f64).collect(),
            Domain::Regular | Domain::Turned | Domain::Centered | Domain::Paired => {
                let [m, n] = *shape.last_chunk().expect("a matrix has two axes");
                let first = if let Domain::Centered = self { 0.5 - n as f64 / 2.0 } else { 1.0 };
                let paired = |i: usize, j: usize| match self {
                    Domain::Paired if j == i + 1 && i.is_multiple_of(2) => 2.0,
                    Domain::Paired if i == j + 1 && j.is_multiple_of(2) => -0.5,
                    _ => 0.0,
                };
                let turned = if let Domain::Turned = self { 1 } else { 0 };
                let at = |i: usize, j: usize| if i == j { first + j as f64 } else { paired(i, j) };
                (0..count).map(|k| at((k / n + turned) % m, k % n) + uniform(&mut rng, -0.15, 0.15)).collect()
            }
            Domain::Mask => (0..count).map(|_| [0.0, 1.0, -0.0, -0.5, f64::NAN][rng.bits() as usize % 5]).collect(),
        };
        Tensor::new(shape, data.iter().map(|&x| f64::from(x as f32)).collect())
    }
}

impl Input {
    pub fn tensor<T: Float>(&self) -> Tensor<T> {
        laid_out(self.values.cast(), &self.views)
    }
}

/// The same values (except for [`View::Repeated`]), read through the given views of a buffer.
fn laid_out<T: Float>(x: Tensor<T>, views: &[View]) -> Tensor<T> {
    let Some((view, rest)) = views.split_first() else { return x.deep_copy() };
    let rank = x.rank();
    if rank == 0 {
        return x;
    }
    match *view {
        View::Transposed => {
            let turned = |x: Tensor<T>| x.permute(&(0..rank).rev().collect::<Vec<_>>());
            turned(laid_out(turned(x), rest))
        }
        View::Reversed(k) => {
            let flipped = |x: Tensor<T>| x.slice_step((k % rank) as isize, None, None, -1);
            flipped(laid_out(flipped(x), rest))
        }
        View::Stepped(k, step) => {
            let (k, mut wide) = (k % rank, x.shape().to_vec());
            let stop = x.shape()[k] * step;
            wide[k] = stop + 1;
            let spread = Tensor::from_fn(&wide, |i| {
                let mut from = i.to_vec();
                from[k] /= step;
                if i[k] % step == 0 { x.get(&from).unwrap_or(T::NAN) } else { T::NAN }
            });
            laid_out(spread, rest).slice_step(k as isize, Some(0), Some(stop as isize), step as isize)
        }
        View::Repeated(k) if x.shape()[k % rank] > 0 => {
            laid_out(x.slice((k % rank) as isize, 0..1), rest).broadcast_to(x.shape())
        }
        View::Repeated(_) => laid_out(x, rest),
    }
}

/// Eigenvalues and eigenvectors as the op stacks them. The factors of its vectors are arbitrary, so that only those of the
/// method, which are not, can be compared.
macro_rules! normalized {
    ($x:expr, $Value:ident) => {{
        let ((wr, wi), (vr, vi)) = $x.try_eig()?;
        $Value::try_concat(&[wr.unsqueeze(-2), wi.unsqueeze(-2), vr, vi], -2)
    }};
}

impl Case {
    pub fn tensors<T: Float>(&self) -> Vec<Tensor<T>> {
        self.inputs.iter().map(Input::tensor).collect()
    }

    pub fn shapes(&self) -> Vec<Vec<usize>> {
        self.inputs.iter().map(|x| x.values.shape().to_vec()).collect()
    }

    /// Whether the op is meant to stop derivatives.
    pub fn cuts(&self) -> bool {
        match &self.op {
            Op::Leaf | Op::Const | Op::StopGradient => true,
            Op::Binary(b) => !b.is_differentiable(),
            Op::RecurrentTrace { .. } => true,
            _ => false,
        }
    }

    /// The op on tensors.
    pub fn compute<T: Float>(&self, x: &[Tensor<T>]) -> Result<Tensor<T>> {
        let x: Vec<&Tensor<T>> = x.iter().collect();
        match &self.op {
            Op::Custom { .. } => Rule::<T>::forward(&Hypotenuse, &x),
            Op::Linalg(Factor::Eig) => normalized!(x[0], Tensor),
            op => Tensor::try_apply(op.clone(), &with_trace(op, &x)?.iter().collect::<Vec<_>>()),
        }
    }

    /// The op on variables.
    pub fn apply<'t, T: Float>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        match &self.op {
            Op::Custom { .. } => Var::try_custom(Hypotenuse, x),
            Op::Linalg(Factor::Eig) => normalized!(x[0], Var),
            op => {
                Var::try_apply(op.clone(), &with_trace(op, &x.iter().collect::<Vec<_>>())?.iter().collect::<Vec<_>>())
            }
        }
    }

    /// The value and, for a cotangent of its shape, the cotangents of all inputs.
    pub fn vjp<T: Float>(&self, x: &[Tensor<T>], cotangent: &dyn Fn(&[usize]) -> Tensor<T>) -> Differentiated<T> {
        let tape = Tape::new();
        let x: Vec<Var<T>> = x.iter().map(|x| tape.var(x.clone())).collect();
        let y = self.apply(&x).expect("strategies generate valid inputs");
        let gradients = y.vjp(cotangent(&y.shape()));
        Differentiated { y: y.value(), gradients: x.iter().map(|&x| gradients.wrt(x)).collect() }
    }
}

/// The inputs of an op, with the trace of a recurrent layer computed from the others.
fn with_trace<T: Float, V: Value<T>>(op: &Op, x: &[&V]) -> Result<Vec<V>> {
    let mut all: Vec<V> = x.iter().map(|&x| x.clone()).collect();
    match *op {
        Op::Recurrent { cell, reverse } => all[0] = V::try_apply(Op::RecurrentTrace { cell, reverse }, &x[1..])?,
        Op::RecurrentVjp { cell, reverse } => {
            let inputs = [&[x[4], x[1], x[5], x[2]], &x[6..]].concat();
            all[0] = V::try_apply(Op::RecurrentTrace { cell, reverse }, &inputs)?;
        }
        _ => (),
    }
    Ok(all)
}

/// An output, and the cotangents of the inputs.
pub struct Differentiated<T: Float> {
    pub y: Tensor<T>,
    pub gradients: Vec<Tensor<T>>,
}

/// A user's own op: √(a² + b²), for two tensors of the same shape.
pub struct Hypotenuse;

impl<T: Float> Rule<T> for Hypotenuse {
    fn name(&self) -> &'static str {
        "hypotenuse"
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        match x {
            [a, b] if a.shape() == b.shape() => Ok((*a * *a + *b * *b).sqrt()),
            _ => Err(Error::Argument { op: "hypotenuse", hint: "it takes two tensors of one shape".into() }),
        }
    }

    fn vjp<V: Value<T>>(&self, x: &[&V], y: &V, g: &V) -> Cotangents<V> {
        x.iter().map(|x| Some(g.mul(x).div(y))).collect()
    }

    fn jvp<V: Value<T>>(&self, x: &[&V], y: &V, t: &[Option<&V>]) -> Result<Option<V>> {
        let parts = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| t.mul(x).div(y)));
        Ok(parts.reduce(|a, b| a.add(&b)))
    }
}
