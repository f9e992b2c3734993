//! Random programs over all kinds of ops: every elementwise function, reductions, rows, scans, products, windows,
//! selection; shared and dead nodes, views, broadcasts, integers.

use autograd::op::{Binary, Op, Unary};
use autograd::prelude::*;
use autograd::{Attention, Conv, Dims, Ints, Order, Pad, Pool, Result, Rng, Value, checkpoint};
use proptest::prelude::*;

fn randn(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

/// Few sizes, so that operands often fit, and one that is large enough for several blocks.
const SIZES: &[usize] = &[1, 2, 3, 3, 4, 70];

/// Numbers at which functions overflow, vanish, saturate, tie or have no value.
const EXTREMES: [f64; 14] =
    [0.0, 5e-324, 1e-310, 1e-300, -1e-300, 1e-150, 1.0, -1.0, 40.0, -710.0, 1e150, 1e300, f64::INFINITY, f64::NAN];

/// A recipe for a program: it records the same ops on any tape.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub seed: u64,
    pub inputs: usize,
    pub ops: usize,
    /// Whether inputs have elements of all magnitudes, and axes may be empty.
    pub extreme: bool,
    /// The sizes of axes.
    pub sizes: &'static [usize],
}

#[allow(dead_code, reason = "one of the tests needs it")]
pub fn recipes() -> impl Strategy<Value = Recipe> {
    (any::<u64>(), 1..4usize, 1..40usize, prop::bool::weighted(0.3)).prop_map(|(seed, inputs, ops, extreme)| Recipe {
        seed,
        inputs,
        ops,
        extreme,
        sizes: SIZES,
    })
}

/// Short programs of small values, where all functions are smooth and well conditioned.
#[allow(dead_code, reason = "one of the tests needs it")]
pub fn tame_recipes() -> impl Strategy<Value = Recipe> {
    (any::<u64>(), 1..4usize, 1..16usize).prop_map(|(seed, inputs, ops)| Recipe {
        seed,
        inputs,
        ops,
        extreme: false,
        sizes: &SIZES[..5],
    })
}

impl Recipe {
    pub fn inputs(&self, variant: u64) -> Vec<Tensor<f64>> {
        let mut rng = Rng::new(self.seed);
        let shape = |rng: &mut Rng| -> Vec<usize> {
            let rank = rng.below(4);
            let size = |rng: &mut Rng| {
                if self.extreme && rng.below(12) == 0 { 0 } else { self.sizes[rng.below(self.sizes.len())] }
            };
            (0..rank).map(|_| size(rng)).collect()
        };
        let values = |shape: &[usize], seed: u64| match self.extreme {
            false => randn(shape, seed),
            true => {
                let mut rng = Rng::new(seed);
                Tensor::from_fn(shape, |_| EXTREMES[rng.below(EXTREMES.len())])
            }
        };
        (0..self.inputs).map(|k| values(&shape(&mut rng), self.seed ^ (variant << 32) ^ k as u64)).collect()
    }

    /// Records the program, and returns all its values.
    fn values<'t>(&self, x: &[Var<'t, f64>], labels: Ints<'t, f64>) -> Vec<Var<'t, f64>> {
        let mut rng = Rng::new(self.seed ^ 0x5eed);
        let mut all = x.to_vec();
        for _ in 0..self.ops {
            let a = all[rng.below(all.len())];
            let b = all[rng.below(all.len())];
            if let Ok(y) = op(&mut rng, a, b, labels, self.extreme)
                && len(y) <= 20_000
            {
                all.push(y);
            }
        }
        all
    }

    /// Records the program; the result is a scalar that depends on a third of all values and the last one.
    pub fn record<'t>(&self, x: &[Var<'t, f64>], labels: Ints<'t, f64>) -> Var<'t, f64> {
        let all = self.values(x, labels);
        // The result uses some values, including the last one; others are dead.
        let kept = all.iter().enumerate().filter(|(i, _)| *i + 1 == all.len() || i % 3 == 0);
        kept.map(|(_, y)| (y.tanh() * 0.5).sum()).reduce(|a, b| a + b).expect("there is one")
    }

    /// Records the program on its labels; the result is an array, the last value.
    #[allow(dead_code, reason = "one of the tests needs it")]
    pub fn array<'t>(&self, x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let labels = x[0].tape().integers(tensor![0_i64, 1, 0]);
        self.values(x, labels).last().expect("the inputs are values").tanh()
    }
}

/// The number of elements, without reading them.
fn len(x: Var<'_, f64>) -> usize {
    x.shape().iter().product()
}

/// A random op, if it accepts the operands.
fn op<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>, labels: Ints<'t, f64>, wild: bool) -> Result<Var<'t, f64>> {
    match rng.below(8) {
        0 if wild => Var::try_apply(Op::Unary(Unary::ALL[rng.below(Unary::ALL.len())]), &[&a]),
        1 if wild => Var::try_apply(Op::Binary(Binary::ALL[rng.below(Binary::ALL.len())]), &[&a, &b]),
        0 => Ok(any_unary(rng, a)),
        1 => any_binary(rng, a, b),
        2 | 3 => plain(rng, a, b),
        4 | 5 => reduction(rng, a, b),
        6 => structure(rng, a, b, labels),
        _ => windows(rng, a, b),
    }
}

/// Maps values to between 0.1 and 0.9, where most functions are defined.
fn tame(x: Var<'_, f64>) -> Var<'_, f64> {
    x.tanh() * 0.4 + 0.5
}

fn any_unary<'t>(rng: &mut Rng, a: Var<'t, f64>) -> Var<'t, f64> {
    let f = Unary::ALL[rng.below(Unary::ALL.len())];
    // These functions are defined only from 1 on, or are better conditioned there.
    let a = if matches!(f, Unary::Acosh | Unary::Lgamma | Unary::Digamma) { tame(a) + 1.0 } else { tame(a) };
    Var::apply(Op::Unary(f), &[&a])
}

fn any_binary<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>) -> Result<Var<'t, f64>> {
    match Binary::ALL[rng.below(Binary::ALL.len())] {
        f @ (Binary::Polygamma | Binary::MillsTail | Binary::Spherical) => {
            Var::try_apply(Op::Binary(f), &[&tame(a), &b.number(1.0)])
        }
        f => Var::try_apply(Op::Binary(f), &[&tame(a), &tame(b)]),
    }
}

fn plain<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>) -> Result<Var<'t, f64>> {
    let some = (rng.below(4) as f64) - 1.5;
    Ok(match rng.below(16) {
        0 => a.tanh(),
        1 => a.sigmoid(),
        2 => a.sin(),
        3 => (-a * a).exp(),
        4 => a.relu(),
        5 => a.square() * 0.1,
        6 => (a.square() + 1.0).sqrt(),
        7 => a.clamp(-0.5, 1.0),
        8 => a.try_add(b)?,
        9 => a.try_sub(b)?,
        10 | 11 => a.try_mul(b)?,
        12 => a.try_div(b.square() + 1.0)?,
        13 => a.gt(b.try_broadcast_to(&a.shape())?).try_select(a, b)?,
        14 => checkpoint(move |x| (x[0] * some).sin() * x[0], &[a]),
        _ => a * some,
    })
}

fn reduction<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>) -> Result<Var<'t, f64>> {
    let axis = rng.below(a.rank().max(1)) as isize;
    let dims = if rng.below(2) == 0 { Dims::Keep } else { Dims::Drop };
    Ok(match rng.below(19) {
        0 => a.try_sum(axis, dims)?,
        1 => a.try_mean(axis, dims)?,
        2 => a.try_max(axis, dims)?,
        3 => a.try_min(axis, dims)?,
        4 => tame(a).try_prod(axis, dims)?,
        5 => a.try_norm(2.0, axis, dims)?,
        6 => a.try_var(0.0, axis, dims)?,
        7 => a.try_logsumexp(axis, dims)?,
        8 => a.try_softmax(axis)?,
        9 => a.try_log_softmax(axis)?,
        10 => a.try_standardize(axis, 0.1)?,
        11 => a.try_layer_norm(0, &a.sin(), if b.shape() == a.shape() { &b } else { &a }, 0.1)?,
        12 => a.try_cumsum(axis)?,
        13 => tame(a).try_cumprod(axis)?,
        14 => a.try_logcumsumexp(axis)?,
        15 => a.try_matmul(b)?,
        16 => a.try_matmul_t(b)?,
        17 => a.try_attention(b, b.sin(), None, Attention { causal: axis == 0, scale: None })?,
        _ => a.try_matmul(b)? + 0.5,
    })
}

fn structure<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>, labels: Ints<'t, f64>) -> Result<Var<'t, f64>> {
    let axis = rng.below(a.rank().max(1)) as isize;
    Ok(match rng.below(22) {
        0 => a.try_permute(&(0..a.rank()).rev().collect::<Vec<_>>())?,
        1 => a.try_slice(axis, 1..)?,
        2 => a.try_slice_step(axis, None, None, -1)?,
        3 => a.try_slice(axis, 1..)? - a.try_slice(axis, ..-1)?,
        4 => a.try_reshape(&[len(a)])?,
        5 => Var::try_concat(&[a, b], axis)?,
        6 => Var::try_stack(&[a, b], axis)?,
        7 => a.try_broadcast_to(&[&[2][..], &a.shape()].concat())? * 0.5,
        8 => a.try_pad(&vec![[1, 1]; a.rank()], Pad::Constant(0.5))?,
        9 => a.try_roll(1, axis)?,
        10 => a.try_flip(axis)?,
        11 => a.try_tril(0)?,
        12 => a.try_take(axis, labels)?,
        13 => a.try_take(axis, labels)?.try_scatter_add(axis, Tensor::zeros(&[1]), b)?,
        14 => a.try_gather(0, Tensor::zeros(&vec![1; a.rank()]))?,
        15 => a.try_sort(axis, Order::Descending)?.0,
        16 => a.try_topk(1, axis, Order::Ascending)?.0,
        17 => a.try_median(axis, Dims::Keep)?.0 + a.try_max_dim(axis, Dims::Keep)?.0,
        18 => a.try_cummin(axis)?.0,
        19 => a.try_take(axis, a.try_argmin(axis, Dims::Drop)?)?,
        20 => {
            a.try_reshape(&[len(a)])?.try_take(0, a.try_argmin(.., Dims::Drop)?)?
                + b.try_argmax(.., Dims::Drop)?.numbers()
        }
        _ => a.try_cross_entropy(labels)?,
    })
}

fn windows<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>) -> Result<Var<'t, f64>> {
    let line = |x: Var<'t, f64>| x.try_reshape(&[1, 1, len(x)]);
    let (image, kernel) = (line(a)?, line(b)?);
    let kernel = kernel.try_slice(2, ..len(b).min(5))?;
    let settings = Conv { padding: [rng.below(2)], stride: [1 + rng.below(2)], ..Conv::default() };
    match rng.below(5) {
        0 => image.try_conv1d(kernel, None, settings),
        1 => image.try_conv_transpose1d(kernel, None, settings, [0]),
        2 => image.try_max_pool1d(Pool::of([2])),
        3 => image.try_avg_pool1d(Pool::of([3])),
        _ => a.try_unfold(0, 2, 1),
    }
}
