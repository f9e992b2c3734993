//! Products of rounded operands: their gradients are those of the same products at rounded operands, at which they are
//! evaluated too; every reading of a recording (replay, samples at once, further derivatives, checkpoints) keeps them.

use autograd::op::Op;
use autograd::transform::vmap;
use autograd::{Attention, Conv, Float, Precision, Program, Rng, Tape, Tensor, Var, checkpoint, set_threads, tensor};

const ROUNDED: [Precision; 2] = [Precision::Bf16, Precision::F16];

fn round<T: Float>(precision: Precision, x: &Tensor<T>) -> Tensor<T> {
    x.map(|x| precision.round(x))
}

/// A function of two operands, and shapes that it takes.
type Product<T> = (&'static str, for<'t> fn(Var<'t, T>, Var<'t, T>) -> Var<'t, T>, [&'static [usize]; 2]);

fn products<T: Float>() -> Vec<Product<T>> {
    const STRIDED: Conv<2> = Conv { stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 2 };
    vec![
        ("matmul", |a, b| a.matmul(b), [&[33, 70], &[70, 21]]),
        ("matmul_t", |a, b| a.matmul_t(b), [&[33, 70], &[21, 70]]),
        ("batches", |a, b| a.matmul(b), [&[3, 1, 9, 12], &[4, 12, 5]]),
        ("vector", |a, b| a.matmul(b), [&[70], &[70, 21]]),
        ("linear", |a, b| a.linear(b, None), [&[2, 9, 30], &[17, 30]]),
        ("einsum", |a, b| Var::einsum("bij,jbk->kbi", &[a, b]), [&[3, 5, 7], &[7, 3, 4]]),
        ("conv1d", |x, w| x.conv1d(w, None, Conv::default()), [&[2, 3, 19], &[5, 3, 4]]),
        ("conv2d", |x, w| x.conv2d(w, None, STRIDED), [&[2, 4, 9, 8], &[6, 2, 3, 3]]),
        ("pointwise", |x, w| x.conv2d(w, None, Conv::default()), [&[2, 4, 9, 8], &[6, 4, 1, 1]]),
        ("conv_transpose2d", |x, w| x.conv_transpose2d(w, None, STRIDED, [0, 0]), [&[2, 4, 5, 4], &[4, 3, 3, 3]]),
    ]
}

/// The value and the gradients at `x`, for the cotangent `g`.
fn pulled<T: Float>(precision: Precision, (_, f, _): Product<T>, x: &[Tensor<T>; 2], g: &Tensor<T>) -> [Tensor<T>; 3] {
    let tape = Tape::new();
    tape.set_precision(precision);
    let [a, b] = x.each_ref().map(|x| tape.var(x.clone()));
    let y = f(a, b);
    let gradients = y.vjp(g.clone());
    [y.value(), gradients.wrt(a), gradients.wrt(b)]
}

/// Straight-through rounding: value, then gradients, are those in full precision at rounded operands, where the cotangent is
/// an operand too.
fn check_gradients<T: Float>() {
    let rng = &mut Rng::new(1);
    for product in products::<T>() {
        let (name, f, shapes) = product;
        let x = shapes.map(|shape| Tensor::<T>::randn(shape, rng));
        let tape = Tape::new();
        let shape = f(tape.var(x[0].clone()), tape.var(x[1].clone())).shape();
        let g = Tensor::<T>::randn(&shape, rng);
        for precision in ROUNDED {
            let found = pulled(precision, product, &x, &g);
            let near = x.each_ref().map(|x| round(precision, x));
            let expected = pulled(Precision::Full, product, &near, &round(precision, &g));
            // Products with a vector are summed in another order.
            let few = name == "vector";
            for (found, expected) in found.iter().zip(&expected) {
                let apart = (found - expected).abs().max().item().f64();
                let most = if few { 70.0 * T::EPSILON.f64() * expected.abs().max().item().f64() } else { 0.0 };
                assert!(apart <= most, "{name}, {precision:?}: {apart:e}");
            }
            assert_ne!(
                found[0],
                f(tape.var(x[0].clone()), tape.var(x[1].clone())).value(),
                "{name}: nothing is rounded"
            );
        }
    }
}

#[test]
fn gradients_are_those_at_rounded_operands() {
    check_gradients::<f32>();
    check_gradients::<f64>();
}

/// Attention rounds inside: against the formula with whole matrices, whose products round the same operands.
#[test]
fn attention_rounds_the_operands_of_its_products() {
    let rng = &mut Rng::new(2);
    let mut random = |shape: [usize; 3]| Tensor::<f32>::randn(&shape, rng);
    let (q, k, v, g) = (random([2, 40, 16]), random([2, 30, 16]), random([2, 30, 8]), random([2, 40, 8]));
    for precision in ROUNDED {
        let tape = Tape::new();
        tape.set_precision(precision);
        let [q, k, v] = [&q, &k, &v].map(|x| tape.var(x.clone()));
        let y = q.attention(k, v, None, Attention::default());
        let expected = (q * 0.25).matmul(k.t()).softmax(-1).matmul(v);
        let full = tape.with_precision(Precision::Full, || q.attention(k, v, None, Attention::default()));
        let apart = |a: &Tensor<f32>, b: &Tensor<f32>| (a - b).abs().max().item();
        assert!(apart(&y.value(), &expected.value()) < 2e-3, "{precision:?}");
        assert!(apart(&y.value(), &full.value()) > 1e-4, "{precision:?}: nothing is rounded");
        let [found, expected, full] = [y, expected, full].map(|y| y.vjp(g.clone()));
        for x in [q, k, v] {
            assert!(apart(&found.wrt(x), &expected.wrt(x)) < 4e-3 * expected.wrt(x).abs().max().item().max(1.0));
            assert_ne!(found.wrt(x), full.wrt(x));
        }
    }
}

/// A small network with a product of each kind.
fn network<'t>(x: Var<'t, f32>, w: Var<'t, f32>, kernel: Var<'t, f32>) -> Var<'t, f32> {
    let image = x.matmul(w).tanh();
    let filtered = image.unsqueeze(1).conv1d(kernel, None, Conv { padding: [1], ..Conv::default() }).sum_axes(1);
    filtered.attention(filtered, filtered, None, Attention { causal: true, scale: None }).matmul_t(w).square().mean()
}

fn operands() -> [Tensor<f32>; 3] {
    let rng = &mut Rng::new(3);
    [[20, 12], [12, 16]]
        .map(|shape| Tensor::randn(&shape, rng))
        .into_iter()
        .chain([Tensor::randn(&[3, 1, 3], rng)])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn replay_threads_and_further_derivatives_keep_the_precision() {
    let x = operands();
    for precision in ROUNDED {
        let tape = Tape::new();
        tape.set_precision(precision);
        let vars = x.each_ref().map(|x| tape.var(x.clone()));
        let y = network(vars[0], vars[1], vars[2]);
        let recorded = y.grad(&vars);
        let second = recorded[1].square().sum().grad(&vars)[0];
        // What was recorded keeps its precision, whatever the tape is set to afterwards.
        tape.set_precision(Precision::Full);
        let (gradients, again) = (y.backward(), y.grad(&vars));
        for ((var, recorded), again) in vars.iter().zip(&recorded).zip(&again) {
            assert_eq!(gradients.wrt(*var), recorded.value());
            assert_eq!(again.value(), recorded.value());
        }
        let full = network(vars[0], vars[1], vars[2]);
        assert_ne!(full.value(), y.value());
        let outputs = [y, recorded[0], recorded[1], recorded[2], second, full];
        let mut program = Program::new(&tape, &vars, &outputs);
        for threads in [1, 2, 3] {
            set_threads(threads);
            let replayed = program.run(&x.each_ref()).unwrap().to_vec();
            for (replayed, output) in replayed.iter().zip(outputs) {
                assert_eq!(*replayed, output.value(), "{precision:?}, {threads} threads");
            }
        }
        let products = tape
            .vars()
            .map(|var| var.op())
            .filter(|op| matches!(op, Op::MatMul { precision: p, .. } if *p == precision));
        assert!(products.count() > 8, "those of the network and of its derivatives");
    }
}

#[test]
fn forward_derivatives_are_products_of_the_same_precision() {
    let (x, t) = (tensor![[1.0 / 3.0, 1.0 / 7.0]], tensor![[0.1, 0.2]]);
    let tape = Tape::<f32>::new();
    tape.set_precision(Precision::Bf16);
    let (a, b) = (tape.var(x), tape.constant(tensor![[1.0], [3.0]]));
    let y = a.matmul(b);
    let near = round(Precision::Bf16, &t);
    assert_eq!(y.jvp(&[(a, t.clone())]), near.matmul(tensor![[1.0], [3.0]]));
    assert_eq!(y.jvp_recorded(&[(a, tape.constant(t))]).value(), near.matmul(tensor![[1.0], [3.0]]));
}

#[test]
fn samples_and_checkpoints_have_the_precision_of_their_tape() {
    let [x, w, kernel] = operands();
    let samples = Tensor::stack(&[x.clone(), &x * 0.7], 0);
    let tape = Tape::new();
    tape.set_precision(Precision::Bf16);
    let (samples, w, kernel) = (tape.var(samples), tape.var(w), tape.var(kernel));
    let all = vmap(|x| network(x[0], x[1], x[2]), &[Some(0), None, None], &[samples, w, kernel]);
    for i in 0..2 {
        let one = network(samples.index_axis(0, i), w, kernel);
        assert_eq!(all.index_axis(0, i).value(), one.value());
        let piece = checkpoint(|x| network(x[0], x[1], x[2]), &[samples.index_axis(0, i), w, kernel]);
        assert_eq!(piece.value(), one.value());
        // Also when it is computed again at another setting of the tape.
        tape.with_precision(Precision::Full, || {
            assert_eq!(piece.backward().wrt(w), one.backward().wrt(w));
            assert_eq!(piece.grad(&[w])[0].value(), one.grad(&[w])[0].value());
        });
    }
}

#[test]
fn a_scope_ends_and_a_cleared_tape_keeps_its_setting() {
    let mut tape = Tape::<f32>::new();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tape.with_precision(Precision::F16, || tape.var([1.0]).matmul(tape.var([1.0, 2.0])))
    }));
    assert!(failed.is_err(), "the lengths differ");
    assert_eq!(tape.precision(), Precision::Full);
    tape.set_precision(Precision::Bf16);
    tape.clear();
    assert_eq!(tape.precision(), Precision::Bf16);
    assert!(tape.var(1.5).exp().value() == tensor![1.5_f32].exp().sum(), "nothing else is rounded");
}
