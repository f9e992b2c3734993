//! Generates the test cases of every op. The matches have no catch-all arm, so a new op, elementwise function or fold
//! does not compile until its inputs are specified here.

use crate::case::{Case, Domain, Input, View};
use crate::windows;
use autograd::op::{Binary, Cell, Factor, Fold, IGNORED, Kind, Op, Pairwise, Transform, Unary};
use autograd::{AxisSet, Precision, Span, Tensor};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::ops::RangeInclusive;

/// Sizes around the widths of vector registers, and the edge cases 0 and 1.
const SIZES: [usize; 8] = [0, 1, 2, 3, 7, 8, 9, 17];
/// The maximum number of elements of an input.
const MOST: usize = 120;

/// Anything that has derivative rules of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    Unary(Unary),
    Binary(Binary),
    Reduce(Fold),
    Linalg(Factor),
    Other(Kind),
}

impl Subject {
    /// Every op, with every elementwise function and fold separately.
    pub fn all() -> impl Iterator<Item = Subject> {
        Kind::ALL.iter().flat_map(|&kind| -> Vec<Subject> {
            match kind {
                Kind::Unary => Unary::ALL.iter().copied().map(Subject::Unary).collect(),
                Kind::Binary => Binary::ALL.iter().copied().map(Subject::Binary).collect(),
                Kind::Reduce => Fold::ALL.iter().copied().map(Subject::Reduce).collect(),
                // The inputs of these depend on one another: `extremes/spectrum.rs` tests them.
                Kind::Linalg => {
                    let free = |f: &Factor| !matches!(f, Factor::EighVjp | Factor::SvdVjp);
                    Factor::ALL.iter().copied().filter(free).map(Subject::Linalg).collect()
                }
                // They have no derivative and no numbers as inputs: `integers.rs` tests them.
                Kind::Integers | Kind::Cast => vec![],
                other => vec![Subject::Other(other)],
            }
        })
    }

    /// The name as its list spells it.
    pub fn name(self) -> String {
        match self {
            Subject::Unary(u) => format!("{u:?}"),
            Subject::Binary(b) => format!("{b:?}"),
            Subject::Reduce(fold) => format!("{fold:?}"),
            Subject::Linalg(factor) => format!("{factor:?}"),
            Subject::Other(kind) => format!("{kind:?}"),
        }
    }

    /// The cases of this subject.
    pub fn cases(self) -> BoxedStrategy<Case> {
        match self {
            Subject::Unary(u) => plain(Op::Unary(u), unary_domain(u)),
            Subject::Binary(b) => binary(b),
            Subject::Reduce(fold) => reduce(fold),
            Subject::Linalg(factor) => linalg(factor),
            Subject::Other(kind) => other(kind),
        }
    }
}

fn unary_domain(u: Unary) -> Domain {
    match u {
        Unary::Neg
        | Unary::Square
        | Unary::Exp
        | Unary::ExpM1
        | Unary::Sin
        | Unary::Cos
        | Unary::Tanh
        | Unary::Sech2
        | Unary::Mills
        | Unary::Sigmoid
        | Unary::Softplus
        | Unary::Exp2
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Atan
        | Unary::Asinh
        | Unary::LogSigmoid
        | Unary::Silu
        | Unary::Mish
        | Unary::Tanhshrink
        | Unary::Gelu
        | Unary::GeluTanh
        | Unary::Erf
        | Unary::Erfc
        | Unary::Erfcx
        | Unary::Sinc
        | Unary::Ndtr
        | Unary::LogNdtr
        | Unary::Hardsigmoid
        | Unary::Hardswish => REAL,
        Unary::Recip
        | Unary::Relu
        | Unary::Abs
        | Unary::Cbrt
        | Unary::Relu6
        | Unary::Sign
        | Unary::Selu
        | Unary::Softsign
        | Unary::I0e
        | Unary::I1e => Domain::AwayFromZero,
        Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc => Domain::Between(1.1, 1.4),
        Unary::Tan | Unary::Asin | Unary::Acos | Unary::Atanh | Unary::ErfInv => Domain::Between(-0.7, 0.7),
        Unary::Acosh => Domain::Between(1.3, 3.0),
        Unary::Logit => Domain::Between(0.2, 0.8),
        Unary::Sqrt
        | Unary::Ln
        | Unary::Log2
        | Unary::Log10
        | Unary::Rsqrt
        | Unary::Lgamma
        | Unary::Digamma
        | Unary::Entr => POSITIVE,
        Unary::Ln1p => Domain::Between(-0.5, 2.0),
    }
}

fn binary(b: Binary) -> BoxedStrategy<Case> {
    let domains = match b {
        Binary::Add | Binary::Sub | Binary::Mul => [REAL, REAL],
        Binary::Div => [REAL, Domain::AwayFromZero],
        Binary::Pow => [POSITIVE, REAL],
        Binary::Logaddexp => [REAL, REAL],
        Binary::Atan2 | Binary::Hypot | Binary::Versor | Binary::Copysign => {
            [Domain::AwayFromZero, Domain::AwayFromZero]
        }
        Binary::Fmod | Binary::Remainder => [Domain::Between(2.2, 2.6), Domain::Between(0.9, 1.0)],
        Binary::Xlogy | Binary::Xlog1py => [REAL, POSITIVE],
        Binary::TanhSlope => [REAL, Domain::Between(-0.9, 0.9)],
        Binary::Polygamma => [POSITIVE, Domain::Whole],
        Binary::MillsTail | Binary::Spherical => [REAL, Domain::Whole],
        Binary::Prelu | Binary::Elu | Binary::Celu => [Domain::AwayFromZero, POSITIVE],
        Binary::Softshrink | Binary::Hardshrink => [Domain::AwayFromZero, Domain::Between(0.2, 0.4)],
        Binary::Maximum | Binary::Minimum | Binary::Fmax | Binary::Fmin | Binary::Gt | Binary::Ge | Binary::Eq => {
            [Domain::Grid(0.0), Domain::Grid(0.5)]
        }
    };
    let operands = shape(0..=5).prop_flat_map(|full| (operand(full.clone()), operand(full)));
    operands.prop_flat_map(move |(p, q)| case(Op::Binary(b), vec![input(p, domains[0]), input(q, domains[1])])).boxed()
}

fn reduce(fold: Fold) -> BoxedStrategy<Case> {
    let (domain, needs_elements) = match fold {
        Fold::Sum | Fold::Mean | Fold::LogSumExp => (REAL, false),
        // Near 0 a finite-difference step is larger than the element, which ruins the accuracy for products of many
        // elements. The norm of a single element has a kink there.
        Fold::Prod | Fold::Norm => (Domain::AwayFromZero, false),
        Fold::Max | Fold::Min => (Domain::Grid(0.0), true),
    };
    (shape(0..=5), vec(any::<bool>(), 5), any::<bool>())
        .prop_flat_map(move |(mut shape, reduced, keep)| {
            let axes: Vec<usize> = (0..shape.len()).filter(|&i| reduced[i]).collect();
            if needs_elements {
                axes.iter().for_each(|&i| shape[i] = shape[i].max(1));
            }
            case(Op::Reduce { fold, axes: axis_set(&axes), keep }, vec![input(shape, domain)])
        })
        .boxed()
}

fn other(kind: Kind) -> BoxedStrategy<Case> {
    match kind {
        Kind::Unary | Kind::Binary | Kind::Reduce | Kind::Linalg | Kind::Integers | Kind::Cast => {
            unreachable!("each function and fold is a subject of its own")
        }
        Kind::Leaf => plain(Op::Leaf, REAL),
        Kind::Const => plain(Op::Const, REAL),
        Kind::StopGradient => plain(Op::StopGradient, REAL),
        Kind::Select => shape(0..=5)
            .prop_flat_map(|full| (operand(full.clone()), operand(full.clone()), operand(full)))
            .prop_flat_map(|(mask, a, b)| {
                case(Op::Select, vec![input(mask, Domain::Mask), input(a, REAL), input(b, REAL)])
            })
            .boxed(),
        Kind::Softmax => along_axis(|axis, shape| case(Op::Softmax { axis }, vec![input(shape, REAL)])),
        Kind::SoftmaxVjp => along_axis(|axis, shape| {
            case(Op::SoftmaxVjp { axis }, vec![input(shape.clone(), REAL), input(shape, REAL)])
        }),
        Kind::LogSoftmax => along_axis(|axis, shape| case(Op::LogSoftmax { axis }, vec![input(shape, REAL)])),
        Kind::LogSoftmaxVjp => along_axis(|axis, shape| {
            case(Op::LogSoftmaxVjp { axis }, vec![input(shape.clone(), REAL), input(shape, REAL)])
        }),
        Kind::Standardize => {
            along_axis(|axis, shape| case(Op::Standardize { axis, eps: 0.5 }, vec![input(shape, REAL)]))
        }
        Kind::StandardizeVjp => along_axis(|axis, shape| {
            // Equal elements standardize to 0, so that finite differences would measure only rounding errors.
            let inputs = vec![input(shape.clone(), REAL), input(shape, Domain::Grid(0.0))];
            case(Op::StandardizeVjp { axis, eps: 0.5 }, inputs)
        }),
        Kind::LayerNorm => along_axis(|axis, shape| {
            let parameter = || input(shape[axis..].to_vec(), REAL);
            let inputs = vec![input(shape.clone(), REAL), parameter(), parameter()];
            case(Op::LayerNorm { axis, eps: 0.5 }, inputs)
        }),
        Kind::LayerNormVjp => along_axis(|axis, shape| {
            let weight = input(shape[axis..].to_vec(), REAL);
            let inputs = vec![input(shape.clone(), REAL), weight, input(shape, Domain::Grid(0.0))];
            case(Op::LayerNormVjp { axis, eps: 0.5 }, inputs)
        }),
        Kind::LayerNormSums => along_axis(|axis, shape| {
            case(Op::LayerNormSums { axis, eps: 0.5 }, vec![input(shape.clone(), REAL), input(shape, REAL)])
        }),
        Kind::Attention => attention(false),
        Kind::AttentionVjp => attention(true),
        Kind::CumSum => reversible(|axis, reverse, shape| case(Op::CumSum { axis, reverse }, vec![input(shape, REAL)])),
        Kind::LogCumSumExp => along_axis(|axis, shape| case(Op::LogCumSumExp { axis }, vec![input(shape, REAL)])),
        Kind::Recurrence => reversible(|axis, transposed, shape| {
            case(Op::Recurrence { axis, transposed }, vec![input(shape.clone(), REAL), input(shape, REAL)])
        }),
        Kind::RecurrentTrace => recurrent(|cell, reverse, [_, z, w, b, lengths, _], start| {
            case(Op::RecurrentTrace { cell, reverse }, [vec![z, w, b, lengths], start].concat())
        }),
        Kind::Recurrent => recurrent(|cell, reverse, [trace, z, w, b, lengths, _], start| {
            case(Op::Recurrent { cell, reverse }, [vec![trace, z, w, b, lengths], start].concat())
        }),
        Kind::RecurrentVjp => recurrent(|cell, reverse, [trace, z, w, b, lengths, g], start| {
            case(Op::RecurrentVjp { cell, reverse }, [vec![trace, w, lengths, g, z, b], start].concat())
        }),
        Kind::CrossEntropy => labelled(|labels, shape| case(Op::CrossEntropy { labels }, vec![input(shape, REAL)])),
        Kind::CrossEntropyVjp => labelled(|labels, shape| {
            let numbers = input(shape[..1].to_vec(), REAL);
            case(Op::CrossEntropyVjp { labels }, vec![input(shape, REAL), numbers])
        }),
        Kind::MatMul => matmul(),
        Kind::Fourier => (shape(0..=3), 1..=13usize, select(Transform::ALL))
            .prop_flat_map(|(outer, n, transform)| {
                let whole = |tail: &[usize]| input([&outer[..], tail].concat(), REAL);
                let (transform, x) = match transform {
                    Transform::Forward | Transform::Backward => (transform, whole(&[n, 2])),
                    Transform::Real => (transform, whole(&[n])),
                    Transform::Half { .. } => (Transform::Half { n }, whole(&[n / 2 + 1, 2])),
                };
                case(Op::Fourier(transform), vec![x])
            })
            .boxed(),
        Kind::Pairwise => pairwise(),
        Kind::Reshape => shape(0..=5).prop_flat_map(regrouped).boxed(),
        Kind::Expand => shape(0..=5)
            .prop_flat_map(|to| (operand(to.clone()), Just(to)))
            .prop_flat_map(|(from, to)| case(Op::Expand { shape: to.as_slice().into() }, vec![input(from, REAL)]))
            .boxed(),
        Kind::Permute => shape(0..=5)
            .prop_flat_map(|shape| (Just((0..shape.len()).collect::<Vec<_>>()).prop_shuffle(), Just(shape)))
            .prop_flat_map(|(order, x)| case(Op::Permute { order: order.as_slice().into() }, vec![input(x, REAL)]))
            .boxed(),
        Kind::Slice => spans()
            .prop_flat_map(|(shape, spans)| case(Op::Slice { spans: spans.into() }, vec![input(shape, REAL)]))
            .boxed(),
        Kind::Place => spans()
            .prop_flat_map(|(shape, spans)| {
                let part = spans.iter().map(|s| s.len).collect();
                case(Op::Place { spans: spans.into(), shape: shape.as_slice().into() }, vec![input(part, REAL)])
            })
            .boxed(),
        Kind::Concat => (shape(1..=5), any::<Index>(), vec(select(&SIZES[..4]), 1..=4))
            .prop_flat_map(|(shape, axis, sizes)| {
                let axis = axis.index(shape.len());
                let parts = sizes.iter().map(|&size| input(with(&shape, axis, size), REAL));
                case(Op::Concat { axis }, parts.collect())
            })
            .boxed(),
        Kind::Take => picking(|x, axis, index, picks| {
            let index = indices(&picks, x[axis], index);
            case(Op::Take { axis, index }, vec![input(x, REAL)])
        }),
        Kind::TakeAdd => picking(|y, axis, index, picks| {
            let (index, size) = (indices(&picks, y[axis], index), y[axis]);
            let x = [&y[..axis], &picks, &y[axis + 1..]].concat();
            case(Op::TakeAdd { axis, index, size }, vec![input(x, REAL)])
        }),
        Kind::Gather => picking(|x, axis, index, picks| {
            let index = indices(&with(&x, axis, picks.iter().product()), x[axis], index);
            case(Op::Gather { axis, index }, vec![input(x, REAL)])
        }),
        Kind::GatherAdd => picking(|y, axis, index, picks| {
            let (x, size) = (with(&y, axis, picks.iter().product()), y[axis]);
            case(Op::GatherAdd { axis, index: indices(&x, size, index), size }, vec![input(x, REAL)])
        }),
        Kind::GatherFold => picking(|x, axis, seed, picks| {
            let (fold, domains) = match seed % 3 {
                0 => (Fold::Prod, [Domain::AwayFromZero; 2]),
                1 => (Fold::Max, [Domain::Grid(0.0), Domain::Grid(0.5)]),
                _ => (Fold::Min, [Domain::Grid(0.0), Domain::Grid(0.5)]),
            };
            let src = with(&x, axis, picks.iter().product());
            let index = indices(&src, x[axis], seed);
            case(Op::GatherFold { axis, index, fold }, vec![input(x, domains[0]), input(src, domains[1])])
        }),
        Kind::GatherOthers => picking(|x, axis, seed, picks| {
            let (along, size) = (seed as usize % 3, x[axis]);
            let x = with(&x, axis, picks.iter().product());
            let index = indices(&x, size, seed);
            let directions = (0..along).map(|_| input(x.clone(), REAL));
            let inputs = std::iter::once(input(x.clone(), Domain::AwayFromZero)).chain(directions).collect();
            case(Op::GatherOthers { axis, index, size, along }, inputs)
        }),
        Kind::Conv => windows::convolution(windows::Side::Output),
        Kind::ConvTranspose => windows::convolution(windows::Side::Input),
        Kind::ConvWeight => windows::convolution(windows::Side::Weight),
        Kind::MaxPool => windows::picking_largest(false),
        Kind::MaxUnpool => windows::picking_largest(true),
        Kind::Map => (shape(1..=4), any::<Index>(), 0..6usize, any::<u64>())
            .prop_flat_map(|(shape, axis, rows, seed)| {
                let axis = axis.index(shape.len());
                let map = windows::sparse(rows, shape[axis], seed);
                case(Op::Map { axis, map }, vec![input(shape, REAL)])
            })
            .boxed(),
        Kind::Custom => shape(0..=5)
            .prop_flat_map(|shape| {
                case(Op::Custom { id: 0 }, vec![input(shape.clone(), POSITIVE), input(shape, Domain::AwayFromZero)])
            })
            .boxed(),
    }
}

pub const REAL: Domain = Domain::Between(-2.0, 2.0);
const POSITIVE: Domain = Domain::Between(0.5, 3.0);

pub fn case(op: Op, inputs: Vec<BoxedStrategy<Input>>) -> BoxedStrategy<Case> {
    inputs.prop_map(move |inputs| Case { op: op.clone(), inputs }).boxed()
}

/// An op with one input of any shape.
fn plain(op: Op, domain: Domain) -> BoxedStrategy<Case> {
    shape(0..=5).prop_flat_map(move |shape| case(op.clone(), vec![input(shape, domain)])).boxed()
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0), 12 => select(&SIZES[1..])]
}

fn shape(ranks: RangeInclusive<usize>) -> impl Strategy<Value = Vec<usize>> {
    vec(size(), ranks).prop_map(trimmed)
}

/// The shape with its largest axes reduced until it has at most `MOST` elements, counting empty axes as 1.
fn trimmed(mut shape: Vec<usize>) -> Vec<usize> {
    while shape.iter().map(|&d| d.max(1)).product::<usize>() > MOST {
        let largest = shape.iter_mut().max().expect("it has elements");
        *largest = *SIZES.iter().rfind(|&size| size < largest).expect("it is more than 1");
    }
    shape
}

fn with(shape: &[usize], axis: usize, size: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[axis] = size;
    shape
}

/// A shape that broadcasts to `full`, often `full` itself.
fn operand(full: Vec<usize>) -> impl Strategy<Value = Vec<usize>> {
    let rank = full.len();
    (prop_oneof![2 => Just(0), 1 => 0..=rank], vec(prop::bool::weighted(0.2), rank))
        .prop_map(move |(drop, ones)| (drop..rank).map(|i| if ones[i] { 1 } else { full[i] }).collect())
}

pub fn input(shape: Vec<usize>, domain: Domain) -> BoxedStrategy<Input> {
    let axis = 0..5usize;
    let view = prop_oneof![
        Just(View::Transposed),
        axis.clone().prop_map(View::Reversed),
        (axis.clone(), 1..4usize).prop_map(|(k, step)| View::Stepped(k, step)),
        axis.prop_map(View::Repeated),
    ];
    (any::<u64>().no_shrink(), vec(view, 0..=3))
        .prop_map(move |(seed, mut views)| {
            if let Domain::Grid(_) | Domain::Regular | Domain::Turned | Domain::Centered = domain {
                views.retain(|v| !matches!(v, View::Repeated(_))); // its elements must differ
            }
            views.sort_by_key(|v| matches!(v, View::Stepped(..))); // innermost, so that gaps are not repeated
            let differentiable = !matches!(domain, Domain::Mask | Domain::Whole);
            Input { values: domain.values(&shape, seed), views, differentiable }
        })
        .boxed()
}

fn along_axis(f: fn(usize, Vec<usize>) -> BoxedStrategy<Case>) -> BoxedStrategy<Case> {
    (shape(1..=5), any::<Index>()).prop_flat_map(move |(shape, axis)| f(axis.index(shape.len()), shape)).boxed()
}

/// `f(labels, shape of the scores)`
fn labelled(f: fn(Tensor<i64>, Vec<usize>) -> BoxedStrategy<Case>) -> BoxedStrategy<Case> {
    (size(), select(&SIZES[1..]), any::<u64>())
        .prop_flat_map(move |(rows, classes, seed)| {
            let shape = trimmed(vec![rows, classes]);
            let labels = indices(&shape[..1], shape[1], seed);
            // One row in eight is ignored.
            let ignored = |i: usize, label| if (seed >> (i % 20)).is_multiple_of(8) { IGNORED } else { label };
            f(labels.iter().enumerate().map(|(i, label)| ignored(i, label)).collect(), shape)
        })
        .boxed()
}

fn reversible(f: fn(usize, bool, Vec<usize>) -> BoxedStrategy<Case>) -> BoxedStrategy<Case> {
    (shape(1..=5), any::<Index>(), any::<bool>())
        .prop_flat_map(move |(shape, axis, reverse)| f(axis.index(shape.len()), reverse, shape))
        .boxed()
}

/// The values that an input may have.
type Inputs = BoxedStrategy<Input>;

/// `f(cell, whether in reverse, inputs, parts of the initial state)`; the inputs are the trace (its values are computed when
/// the op is applied), the contributions of the input, weights, bias, lengths and the cotangent of the states.
fn recurrent(f: fn(Cell, bool, [Inputs; 6], Vec<Inputs>) -> BoxedStrategy<Case>) -> BoxedStrategy<Case> {
    let sizes = (0..=3usize, prop_oneof![1 => Just(0), 4 => Just(1), 8 => 2..=3usize], 1..=3usize);
    (select(Cell::ALL), any::<bool>(), sizes)
        .prop_flat_map(move |(cell, reverse, (steps, batch, hidden))| {
            let (width, states) = (cell.gates() * hidden, cell.states());
            let planes = if let Cell::Tanh | Cell::Relu = cell { 1 } else { states + 4 };
            // Far from the kink.
            let domain = if cell == Cell::Relu { Domain::Between(0.125, 0.75) } else { Domain::Between(-1.0, 1.0) };
            let some = |shape: &[usize]| input(shape.to_vec(), domain);
            let inputs = [
                input(vec![planes, steps + 1, batch, hidden], Domain::Whole),
                some(&[steps, batch, width]),
                some(&[width, hidden]),
                some(&[width]),
                input(vec![batch], Domain::Whole),
                some(&[states, steps + 1, batch, hidden]),
            ];
            f(cell, reverse, inputs, vec![some(&[batch, hidden]); states])
        })
        .boxed()
}

/// `f(shape, axis, seed of an index, shape of the index)`; the index is empty if the axis is empty.
fn picking(f: fn(Vec<usize>, usize, u64, Vec<usize>) -> BoxedStrategy<Case>) -> BoxedStrategy<Case> {
    (shape(1..=4), any::<Index>(), any::<u64>(), vec(select(&SIZES[..4]), 0..=2))
        .prop_flat_map(move |(shape, axis, seed, mut picks)| {
            let axis = axis.index(shape.len());
            if shape[axis] == 0 && !picks.contains(&0) {
                picks = vec![0];
            }
            f(shape, axis, seed, picks)
        })
        .boxed()
}

/// Random indices below `size`, as a view with an offset and gaps.
fn indices(shape: &[usize], size: usize, seed: u64) -> Tensor<i64> {
    let mut rng = autograd::Rng::new(seed);
    let mut draw = |_: &[usize]| (rng.bits() % size.max(1) as u64) as i64;
    let Some((&last, before)) = shape.split_last() else { return Tensor::from_fn(&[], draw) };
    let wide = [before, &[last + 2]].concat();
    Tensor::from_fn(&wide, |i| if (1..=last).contains(&i[before.len()]) { draw(i) } else { -1 })
        .slice_axis(-1, 1..last + 1)
}

/// Attention, or its cotangents, with a mask or without.
fn attention(vjp: bool) -> BoxedStrategy<Case> {
    let batch = vec(select(&SIZES[1..4]), 0..=2).prop_filter("few heads", |b| b.iter().product::<usize>() <= 4);
    (batch, vec(size(), 4), any::<[bool; 2]>())
        .prop_flat_map(|(batch, sizes, flags)| {
            // A mask that is the same for all keys changes nothing: its derivative cancels to rounding errors.
            let rows = [&batch[..], &[sizes[0].min(5)]].concat();
            (operand(rows), Just((batch, sizes, flags)))
        })
        .prop_flat_map(move |(mask, (batch, sizes, [causal, masked]))| {
            let [queries, keys, width, values] = sizes.iter().map(|&size| size.min(5)).collect::<Vec<_>>()[..] else {
                unreachable!("four sizes")
            };
            let matrix = |rows: usize, columns: usize| input([&batch[..], &[rows, columns]].concat(), REAL);
            // With equal keys or values, the weights' derivatives cancel to rounding errors.
            let distinct = |columns: usize| input([&batch[..], &[keys, columns]].concat(), Domain::Grid(0.0));
            let mut inputs = vec![matrix(queries, width), distinct(width), distinct(values)];
            inputs.extend(masked.then(|| input([&mask[..], &[keys]].concat(), Domain::Grid(0.0))));
            inputs.extend(vjp.then(|| matrix(queries, values)));
            let scale = 0.5;
            let precision = Precision::Full;
            let op = match vjp {
                true => Op::AttentionVjp { scale, causal, precision },
                false => Op::Attention { scale, causal, precision },
            };
            case(op, inputs)
        })
        .boxed()
}

/// Points that no two of are the same.
fn pairwise() -> BoxedStrategy<Case> {
    let batch = vec(select(&SIZES[1..4]), 0..=2).prop_filter("few matrices", |b| b.iter().product::<usize>() <= 4);
    (select(Pairwise::ALL), batch, vec(size(), 3))
        .prop_flat_map(|(f, batch, sizes)| {
            let [rows, columns, width] = trimmed(sizes)[..] else { unreachable!("three sizes") };
            let matrix = |rows: usize, columns: usize, domain| input([&batch[..], &[rows, columns]].concat(), domain);
            let inputs = match f {
                Pairwise::Distance => {
                    vec![matrix(rows, width, Domain::Grid(0.0)), matrix(columns, width, Domain::Grid(0.5))]
                }
                Pairwise::Product => {
                    let pair = || [matrix(rows, width, REAL), matrix(columns, width, REAL)];
                    [pair(), pair()].concat()
                }
                Pairwise::Sum => {
                    vec![matrix(rows, columns, REAL), matrix(rows, width, REAL), matrix(columns, width, REAL)]
                }
            };
            case(Op::Pairwise(f), inputs)
        })
        .boxed()
}

fn matmul() -> BoxedStrategy<Case> {
    let batch = vec(select(&SIZES[1..4]), 0..=3).prop_filter("few matrices", |b| b.iter().product::<usize>() <= 6);
    let operands = batch.prop_flat_map(|full| (operand(full.clone()), operand(full)));
    (operands, vec(size(), 3), any::<[bool; 2]>())
        .prop_flat_map(|((a, b), mkn, [ta, tb])| {
            let [m, k, n] = trimmed(mkn)[..] else { unreachable!("three sizes") };
            let matrix = |batch: Vec<usize>, rows: usize, cols: usize, transposed: bool| {
                let (rows, cols) = if transposed { (cols, rows) } else { (rows, cols) };
                input([batch, vec![rows, cols]].concat(), REAL)
            };
            case(Op::MatMul { ta, tb, precision: Precision::Full }, vec![matrix(a, m, k, ta), matrix(b, k, n, tb)])
        })
        .boxed()
}

/// Matrices that are far from singular, with eigenvalues and singular values far from each other.
fn linalg(factor: Factor) -> BoxedStrategy<Case> {
    let batch = vec(select(&SIZES[1..4]), 0..=2).prop_filter("few matrices", |b| b.iter().product::<usize>() <= 4);
    (batch, 0..=4usize, 0..=4usize, any::<[bool; 2]>())
        .prop_flat_map(move |(batch, m, n, [lower, unit])| {
            let matrices = |rows: usize, columns: usize, domain: Domain| {
                input([batch.clone(), vec![rows, columns]].concat(), domain)
            };
            let op = match factor {
                Factor::TriangularSolve { .. } => Factor::TriangularSolve { lower, unit },
                other => other,
            };
            let inputs = match factor {
                Factor::Solve { .. } | Factor::TriangularSolve { .. } => {
                    vec![matrices(m, m, Domain::Regular), matrices(m, n, REAL)]
                }
                Factor::Svd => vec![matrices(m, n, Domain::Regular)],
                Factor::Cofactor => {
                    let directions = (0..n % 3).map(|_| matrices(m, m, REAL));
                    std::iter::once(matrices(m, m, Domain::Regular)).chain(directions).collect()
                }
                Factor::Pinv { .. } => vec![matrices(m, n, Domain::Regular)],
                Factor::Qr => vec![matrices(m.max(n), m.min(n), Domain::Regular)],
                Factor::Lu => vec![matrices(m.max(n), m.min(n), Domain::Turned)],
                Factor::Eigh => vec![matrices(m, m, Domain::Centered)],
                // Equal rows would give eigenvalues that coincide.
                Factor::Eig => {
                    let distinct = |mut x: Input| {
                        x.views.retain(|view| !matches!(view, View::Repeated(_)));
                        x
                    };
                    vec![matrices(m, m, Domain::Paired).prop_map(distinct).boxed()]
                }
                _ => vec![matrices(m, m, Domain::Regular)],
            };
            case(Op::Linalg(op), inputs)
        })
        .boxed()
}

/// The shape's axes permuted, some adjacent ones merged, and some axes of size 1 inserted.
fn regrouped(from: Vec<usize>) -> BoxedStrategy<Case> {
    (Just(from.clone()).prop_shuffle(), vec(0..4usize, 5))
        .prop_flat_map(move |(sizes, choices)| {
            let mut to: Vec<usize> = Vec::new();
            for (size, choice) in sizes.into_iter().zip(choices) {
                match (choice, to.last_mut()) {
                    (0, Some(last)) => *last *= size,
                    (1, _) => to.extend([1, size]),
                    _ => to.push(size),
                }
            }
            case(Op::Reshape { shape: to.as_slice().into() }, vec![input(from.clone(), REAL)])
        })
        .boxed()
}

/// A shape and a span of each of its axes.
fn spans() -> impl Strategy<Value = (Vec<usize>, Vec<Span>)> {
    let choice = (any::<Index>(), select(&[1isize, 1, 2, 3, -1, -2][..]), any::<Index>());
    (shape(0..=5), vec(choice, 5)).prop_map(|(shape, choices)| {
        let span = |(&size, (start, step, len)): (&usize, &(Index, isize, Index))| {
            if size == 0 {
                return Span { start: 0, len: 0, step: *step };
            }
            let start = start.index(size);
            let room = if *step > 0 { size - 1 - start } else { start };
            Span { start, len: len.index(room / step.unsigned_abs() + 2), step: *step }
        };
        let spans = shape.iter().zip(&choices).map(span).collect();
        (shape, spans)
    })
}

/// Axes as an op holds them.
fn axis_set(axes: &[usize]) -> AxisSet {
    axes.iter().fold(AxisSet::default(), |set, &axis| set.with(axis))
}
