//! Evaluates an op on tensors: which kernel computes it. Shapes have already been inferred, so nothing here can fail,
//! except that a matrix may be singular: see [`check`].

mod attention;
pub(crate) mod blocks;
mod fold;
#[cfg(feature = "fft")]
mod fourier;
pub(crate) mod integers;
#[cfg(feature = "linalg")]
mod linalg;
mod lookup;
pub(crate) mod number;
mod pairwise;
mod product;
mod recurrent;
mod rows;
mod scan;
mod windows;

use crate::error::{Error, Result};
use crate::float::{Element, Few, Float, once};
use crate::kernel::elementwise::{add_assign, zip, zip_add};
use crate::kernel::{index, pool, reduce};
use crate::op::{Binary, Fold, OUTPUT, Op, Side, Unary, family};
use crate::tensor::layout::Odometer;
use crate::tensor::view::Span;
use crate::tensor::{Shape, Strides, Tensor};
pub(crate) use fold::runs;
pub(crate) use product::matmul;
use smallvec::SmallVec;

once! {
    /// The value of `op` at inputs `x`; `shape` is the result of the shape rule.
    pub(crate) fn eval<T>(op: &Op, x: &[&Tensor<T>], shape: &[usize]) -> Tensor<T> {
        if shape.contains(&0) {
            // If one axis is empty, the product of the others may be too large to loop over.
            return Tensor::build(shape, |_| ());
        }
        match op {
            // Scalars need no allocation; `build` would have to check for them.
            Op::Unary(u) => unary(*u, x[0]),
            Op::Binary(b) => binary(*b, x[0], x[1], shape),
            #[cfg(feature = "linalg")]
            Op::Linalg(factor) => linalg::eval(*factor, x, shape),
            #[cfg(not(feature = "linalg"))]
            Op::Linalg(factor) => unreachable!("the shape rule rejects {factor:?} without the feature `linalg`"),
            // Integers are in the op; as numbers, they take no memory.
            Op::Integers { .. } if shape.is_empty() => Tensor::scalar(T::NAN),
            Op::Integers { .. } => Tensor::full(&[1], T::NAN).broadcast_view(shape),
            op if op.is_view() => view(op, x).expect("a view"),
            op => Tensor::build(shape, |out| eval_into(op, x, shape, out)),
        }
    }
}

/// Returns an error if the result is not finite although the operands are, and the op does not allow that: the matrix is
/// singular.
pub(crate) fn check<T: Float>(op: &Op, x: &[&Tensor<T>], mut y: impl Iterator<Item = T>) -> Result<()> {
    let Op::Linalg(factor) = op else { return Ok(()) };
    match factor.lacks() {
        Some(hint) if !y.all(T::is_finite) && x.iter().all(|x| x.iter().all(T::is_finite)) => {
            Err(Error::Singular { op: factor.name(), hint })
        }
        _ => Ok(()),
    }
}

/// The value of an op that is a view of its input; `None` for all other ops.
pub(crate) fn view<T: Float>(op: &Op, x: &[&Tensor<T>]) -> Option<Tensor<T>> {
    Some(match op {
        Op::Leaf | Op::Const | Op::StopGradient => x[0].clone(),
        Op::Reshape { shape } => x[0].as_shape(shape),
        Op::Expand { shape } => x[0].broadcast_view(shape),
        Op::Permute { order } => x[0].permuted(order),
        Op::Slice { spans } => x[0].spans(spans),
        Op::Recurrent { cell, .. } => recurrent::states(*cell, x[0]),
        _ => return None,
    })
}

once! {
    /// Writes the value of `op`, which must not be empty, to `out` in row-major order. Previous contents are overwritten.
    pub(crate) fn eval_into<T>(op: &Op, x: &[&Tensor<T>], shape: &[usize], out: &mut [T]) {
        match op {
            Op::Leaf | Op::Const | Op::StopGradient => x[0].copy_into(out),
            Op::Reshape { .. }
            | Op::Expand { .. }
            | Op::Permute { .. }
            | Op::Slice { .. }
            | Op::Recurrent { .. } => {
                view(op, x).expect("a view").copy_into(out);
            }
            Op::Unary(u) => zip(shape, [x[0]], out, &|[x], out| blocks::unary(*u, x, out)),
            Op::Binary(f) => zip(shape, [x[0], x[1]], out, &|[a, b], out| blocks::binary(*f, a, b, out)),
            Op::Select => zip(shape, [x[0], x[1], x[2]], out, &|[c, a, b], out| blocks::select(c, a, b, out)),
            Op::Reduce { fold, axes, .. } => fold::reduce(*fold, x[0], *axes, out),
            Op::Linalg(_) | Op::Integers { .. } => eval(op, x, shape).copy_into(out),
            Op::Cast { values } => out.iter_mut().zip(values.iter()).for_each(|(y, i)| *y = T::of(i as f64)),
            family!(rows) => rows::eval(op, x, out),
            family!(layer_norm) => rows::layer_norm(op, x, out),
            family!(attention) => attention::eval(op, x, out),
            family!(scan) => scan::eval(op, x, shape, out),
            Op::RecurrentTrace { cell, reverse } => recurrent::trace(*cell, *reverse, x, out),
            Op::RecurrentVjp { cell, reverse } => recurrent::vjp(*cell, *reverse, x, out),
            Op::MatMul { ta, tb, precision } => {
                matmul([x[0], x[1]], [*ta, *tb], *precision, shape, None, out, None)
            }
            #[cfg(feature = "fft")]
            Op::Fourier(transform) => fourier::eval(*transform, x[0], out),
            #[cfg(not(feature = "fft"))]
            Op::Fourier(t) => unreachable!("the shape rule rejects {t:?} without the feature `fft`"),
            Op::Pairwise(f) => pairwise::eval(*f, x, out),
            Op::Place { spans, .. } => {
                out.fill(T::zero());
                place::<T, false>(x[0], spans, shape, out);
            }
            Op::Concat { axis } => {
                let mut spans = Span::whole(shape);
                for part in x {
                    spans[*axis].len = part.shape()[*axis];
                    place::<T, false>(part, &spans, shape, out);
                    spans[*axis].start += spans[*axis].len;
                }
            }
            Op::Take { axis, index } => {
                let dims = around(x[0].shape(), *axis);
                index::take(flat(&x[0].contiguous()), dims, flat(&index.contiguous()), out)
            }
            Op::TakeAdd { axis, index, .. } => {
                out.fill(T::zero());
                index::take_add(flat(&x[0].contiguous()), around(shape, *axis), flat(&index.contiguous()), out);
            }
            Op::Gather { axis, index } => {
                let [_, size, inner] = around(x[0].shape(), *axis);
                let dims = [size, index.shape()[*axis], inner];
                index::gather(flat(&x[0].contiguous()), dims, flat(&index.contiguous()), out)
            }
            Op::GatherAdd { axis, index, size } => {
                let dims = [*size, index.shape()[*axis], around(shape, *axis)[2]];
                out.fill(T::zero());
                index::gather_add(flat(&x[0].contiguous()), dims, flat(&index.contiguous()), out);
            }
            Op::GatherFold { axis, index, fold } => {
                let [_, size, inner] = around(shape, *axis);
                let dims = [size, index.shape()[*axis], inner];
                out.copy_from_slice(flat(&x[0].contiguous()));
                let combine = match fold {
                    Fold::Prod => index::gather_fold::<reduce::Prod<T>>,
                    Fold::Max => index::gather_fold::<reduce::Max<T>>,
                    Fold::Min => index::gather_fold::<reduce::Min<T>>,
                    Fold::Sum | Fold::Mean | Fold::Norm | Fold::LogSumExp => unreachable!("the shape rule refuses {fold:?}"),
                };
                combine(flat(&x[1].contiguous()), dims, flat(&index.contiguous()), out);
            }
            Op::GatherOthers { axis, index, size, .. } => {
                let dims = [*size, index.shape()[*axis], around(shape, *axis)[2]];
                let x: SmallVec<[Tensor<T>; 16]> = x[..op.arity().unwrap_or_default()].iter().map(|x| x.contiguous()).few();
                let x: SmallVec<[&[T]; 16]> = x.iter().map(flat).few();
                index::gather_others(&x, dims, flat(&index.contiguous()), out);
            }
            Op::Conv { .. } | Op::ConvTranspose { .. } | Op::ConvWeight { .. } | Op::MaxPool { .. } | Op::MaxUnpool { .. } => {
                windows::eval(op, [x[0], x[1]], shape, out)
            }
            Op::Map { axis, map } => {
                let dims = around(x[0].shape(), *axis);
                pool::map(flat(&x[0].contiguous()), dims, map.lists(), out)
            }
            Op::Custom { .. } => unreachable!("the shape rule rejects user-defined ops"),
        }
    }
}

/// The elements of a contiguous tensor.
pub(crate) fn flat<T: Element>(x: &Tensor<T>) -> &[T] {
    x.as_slice().expect("contiguous")
}

/// Number of elements before, along and after an axis.
pub(crate) fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

// ---- elementwise ----

once! {
    /// `f(x)`.
    pub(crate) fn unary<T>(u: Unary, x: &Tensor<T>) -> Tensor<T> {
        match x.as_scalar() {
            Some(x) => Tensor::scalar(number::unary(u, x)),
            None => Tensor::build(x.shape(), |out| zip(x.shape(), [x], out, &|[x], out| blocks::unary(u, x, out))),
        }
    }
}

once! {
    /// The cotangent of `x`, in one pass and without temporaries.
    pub(crate) fn unary_rule<T>(u: Unary, x: &Tensor<T>, y: &Tensor<T>, g: &Tensor<T>) -> Tensor<T> {
        match (x.as_scalar(), y.as_scalar(), g.as_scalar()) {
            (Some(x), Some(y), Some(g)) => Tensor::scalar(number::unary_rule(u, x, y, g)),
            _ => Tensor::build(x.shape(), |out| {
                zip(x.shape(), unary_operands(u, [x, y, g]), out, &|[x, y, g], out| blocks::unary_rule(u, x, y, g, out));
            }),
        }
    }
}

once! {
    /// Adds the cotangent of `x` to the accumulated `sum`, block by block.
    pub(crate) fn add_unary_rule<T>(u: Unary, operands: [&Tensor<T>; 3], sum: &mut [T]) {
        zip_add(operands[0].shape(), unary_operands(u, operands), sum, &|[x, y, g], out| blocks::unary_rule(u, x, y, g, out));
    }
}

/// The operands of a rule. An operand that it does not read may have been freed; the cotangent is passed in its place.
fn unary_operands<T: Float>(u: Unary, [x, y, g]: [&Tensor<T>; 3]) -> [&Tensor<T>; 3] {
    let reads = u.reads();
    [read(reads, 1, x, g), read(reads, OUTPUT, y, g), g]
}

fn read<'a, T: Float>(reads: u32, bit: u32, x: &'a Tensor<T>, g: &'a Tensor<T>) -> &'a Tensor<T> {
    if reads & bit != 0 { x } else { g }
}

once! {
    /// `f(a, b)`, with broadcasting.
    pub(crate) fn binary<T>(f: Binary, a: &Tensor<T>, b: &Tensor<T>, shape: &[usize]) -> Tensor<T> {
        match (a.as_scalar(), b.as_scalar()) {
            (Some(a), Some(b)) => Tensor::scalar(number::binary(f, a, b)),
            _ => Tensor::build(shape, |out| zip(shape, [a, b], out, &|[a, b], out| blocks::binary(f, a, b, out))),
        }
    }
}

once! {
    /// The cotangent of one operand before broadcasting is undone: it has the shape of `y`.
    pub(crate) fn binary_rule<T>(f: Binary, side: Side, operands: [&Tensor<T>; 4]) -> Tensor<T> {
        let [a, b, y, g] = operands;
        if f.passes_cotangent(side) {
            return if g.is_like(y) { g.clone() } else { g.broadcast_view(y.shape()) };
        }
        match (a.as_scalar(), b.as_scalar(), g.as_scalar(), y.as_scalar()) {
            (Some(a), Some(b), Some(g), Some(y)) => Tensor::scalar(number::binary_rule(f, side, a, b, y, g)),
            _ => Tensor::build(y.shape(), |out| {
                let operands = binary_operands(f, side, [a, b, y, g]);
                zip(y.shape(), operands, out, &|[a, b, y, g], out| blocks::binary_rule(f, side, a, b, y, g, out));
            }),
        }
    }
}

once! {
    /// Adds the cotangent of an operand that has the shape of `y` to the accumulated `sum`, block by block.
    pub(crate) fn add_binary_rule<T>(f: Binary, side: Side, operands: [&Tensor<T>; 4], sum: &mut [T]) {
        let (shape, operands) = (operands[2].shape(), binary_operands(f, side, operands));
        zip_add(shape, operands, sum, &|[a, b, y, g], out| blocks::binary_rule(f, side, a, b, y, g, out));
    }
}

fn binary_operands<T: Float>(f: Binary, side: Side, [a, b, y, g]: [&Tensor<T>; 4]) -> [&Tensor<T>; 4] {
    let reads = f.reads(side);
    [read(reads, 1, a, g), read(reads, 2, b, g), read(reads, OUTPUT, y, g), g]
}

once! {
    /// `acc += x`, in place if the memory is not shared.
    pub(crate) fn accumulate<T>(acc: &mut Tensor<T>, x: Tensor<T>) {
        if let (Some(a), Some(b)) = (acc.as_scalar(), x.as_scalar()) {
            *acc = Tensor::scalar(a + b);
            return;
        }
        let shape = Shape::from_slice(acc.shape());
        if let Some(acc) = acc.unique_mut() {
            return add_assign(&shape, acc, &x);
        }
        let shared = std::mem::replace(acc, x);
        match acc.unique_mut() {
            Some(acc) => add_assign(&shape, acc, &shared),
            None => *acc = binary(Binary::Add, &shared, acc, &shape),
        }
    }

    /// Adds `x` to the elements of an array of the given shape that `op` picks.
    pub(crate) fn add_part<T>(op: &Op, x: &Tensor<T>, shape: &[usize], out: &mut [T]) {
        if x.is_empty() {
            return;
        }
        match op {
            Op::Slice { spans } => place::<T, true>(x, spans, shape, out),
            Op::Take { axis, index } => {
                index::take_add(flat(&x.contiguous()), around(shape, *axis), flat(&index.contiguous()), out);
            }
            Op::Gather { axis, index } => {
                let [_, size, inner] = around(shape, *axis);
                let dims = [size, index.shape()[*axis], inner];
                index::gather_add(flat(&x.contiguous()), dims, flat(&index.contiguous()), out);
            }
            other => unreachable!("{} does not pick a part", other.name()),
        }
    }
}

#[inline(always)]
fn put<T: Float, const ADD: bool>(out: &mut T, x: T) {
    *out = if ADD { *out + x } else { x };
}

/// Writes or adds `x` to the elements that a slice with these spans would read from `out`, which is row-major with the
/// given shape.
fn place<T: Float, const ADD: bool>(x: &Tensor<T>, spans: &[Span], shape: &[usize], out: &mut [T]) {
    if x.is_empty() {
        return;
    }
    let whole = crate::tensor::layout::row_major(shape);
    let start: isize = spans.iter().zip(&whole).map(|(s, &stride)| s.start as isize * stride).sum();
    // Axes of size 1 would only make the inner loop short: a column is written as one run with a large step.
    let axes = || (0..spans.len()).filter(|&axis| spans[axis].len != 1);
    let sizes: Shape = axes().map(|axis| spans[axis].len).few();
    let from: Strides = axes().map(|axis| x.strides()[axis]).few();
    let to: Strides = axes().map(|axis| spans[axis].stride(whole[axis])).few();
    let (data, at) = x.raw();
    let Some((&n, outer)) = sizes.split_last() else {
        return put::<T, ADD>(&mut out[start as usize], data[at]);
    };
    let (step_in, step_out) = (from[outer.len()], to[outer.len()]);
    let mut walk = Odometer::new(outer, [&from[..outer.len()], &to[..outer.len()]], [at as isize, start]);
    for _ in 0..outer.iter().product() {
        let [from, to] = walk.offsets();
        if step_in == 1 && step_out == 1 {
            let (out, data) = (&mut out[to as usize..to as usize + n], &data[from as usize..from as usize + n]);
            for i in 0..n {
                put::<T, ADD>(&mut out[i], data[i]);
            }
        } else {
            for i in 0..n as isize {
                put::<T, ADD>(&mut out[(to + i * step_out) as usize], data[(from + i * step_in) as usize]);
            }
        }
        walk.advance();
    }
}
