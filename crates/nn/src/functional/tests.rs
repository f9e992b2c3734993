use super::*;
use autograd::{Float, Rng, Tape, Tensor, Var, gradcheck, tensor};

#[test]
fn derivatives_to_second_order() {
    let rng = &mut Rng::new(3);
    let (x, w, b) = (Tensor::randn(&[2, 4, 3], rng), Tensor::randn(&[4], rng), Tensor::randn(&[4], rng));
    let inputs = [x.clone(), w, b];
    gradcheck(|x| instance_norm(x[0], Some(x[1]), Some(x[2]), 1e-3).unwrap(), &inputs).unwrap();
    gradcheck(|x| group_norm(x[0], 2, Some(x[1]), Some(x[2]), 1e-3).unwrap(), &inputs).unwrap();
    gradcheck(|x| layer_norm(x[0], &[4, 3], None, None, 1e-3).unwrap(), &inputs[..1]).unwrap();
    for p in [1.0, 2.0, 3.0] {
        gradcheck(|x| normalize_with(x[0], p, 1, 1e-12).unwrap(), &inputs[..1]).unwrap();
    }
    let other = [x, Tensor::randn(&[4, 1], rng)];
    gradcheck(|x| cosine_similarity(x[0], x[1], -2, 1e-8).unwrap(), &other).unwrap();
    let mut random = |shape: &[usize]| Tensor::randn(shape, rng) * 0.5;
    let parts = [random(&[3, 2, 3]), random(&[2, 2]), random(&[2, 3]), random(&[2, 2]), random(&[2])];
    for kind in [RnnNonlinearity::Tanh, RnnNonlinearity::Relu] {
        gradcheck(
            |x| {
                let weights = Weights { w_ih: x[2], w_hh: x[3], b_ih: Some(x[4]), b_hh: None };
                rnn_seq(x[0], x[1], &weights, kind).unwrap().0
            },
            &parts,
        )
        .unwrap();
    }
}

#[test]
fn a_sequence_is_its_steps() {
    let (tape, rng) = (Tape::new(), &mut Rng::new(5));
    let mut random = |shape: &[usize]| tape.var(Tensor::<f64>::randn(shape, rng));
    let (x, h, c) = (random(&[3, 2, 4]), random(&[2, 5]), random(&[2, 5]));
    let mut weights = |gates: usize| Weights {
        w_ih: random(&[gates * 5, 4]),
        w_hh: random(&[gates * 5, 5]),
        b_ih: Some(random(&[gates * 5])),
        b_hh: Some(random(&[gates * 5])),
    };
    let (lstm, gru) = (weights(4), weights(3));
    let (y, last) = lstm_seq(x, [h, c], &lstm).unwrap();
    let (z, end) = gru_seq(x, h, &gru).unwrap();
    let (mut state, mut single) = ([h, c], h);
    for t in 0..3 {
        let at = |x: autograd::Var<'_, f64>| x.value().slice_axis(0, t..t + 1).squeeze(0);
        state = lstm_cell(tape.constant(at(x)), state, &lstm).unwrap();
        single = gru_cell(tape.constant(at(x)), single, &gru).unwrap();
        let same = |a: Tensor<f64>, b: Tensor<f64>| (a - b).abs().max().item() < 1e-15;
        assert!(same(at(y), state[0].value()) && same(at(z), single.value()));
    }
    assert_eq!((last[0].value(), end.value()), (at_end(y), at_end(z)));
    assert!(lstm_seq(x, [h, x], &lstm).is_err() && gru_seq(h, h, &gru).is_err() && gru_seq(x, h, &lstm).is_err());
    let nothing = tape.constant(Tensor::zeros(&[0, 2, 4]));
    assert!(gru_seq(nothing, h, &gru).unwrap_err().to_string().contains("at least one step"));
}

/// A unit whose steps are recorded one by one.
#[derive(Debug, Clone, Copy)]
struct Written<U>(U);

impl<U: Unit<N>, const N: usize> Unit<N> for Written<U> {
    const GATES: usize = U::GATES;
    const NAMES: [&'static str; 3] = U::NAMES;
    fn step<'t, T: Float>(
        self,
        input: Var<'t, T>,
        state: [Var<'t, T>; N],
        weights: &Weights<'t, T>,
    ) -> [Var<'t, T>; N] {
        self.0.step(input, state, weights)
    }
}

/// Values, gradients, tangents and second derivatives of all steps at once are those of steps that are recorded one by one:
/// in both directions, with lengths and without, at sizes around those of tiles.
#[test]
fn all_steps_at_once_are_the_steps() {
    fn check<U: Unit<N>, const N: usize>(unit: U) {
        for ([steps, batch, hidden], reverse, ended) in
            [([3, 2, 5], false, false), ([4, 9, 3], true, true), ([2, 1, 18], false, true), ([1, 3, 1], true, false)]
        {
            let rng = &mut Rng::new(11);
            let rows = U::GATES * hidden;
            let shapes: [&[usize]; 7] =
                [&[steps, batch, 2], &[rows, 2], &[rows, hidden], &[rows], &[rows], &[batch, hidden], &[batch, hidden]];
            let at = shapes.map(|shape| Tensor::<f64>::randn(shape, rng) * 0.7);
            let along = shapes.map(|shape| Tensor::<f64>::randn(shape, rng));
            let found = derivatives(unit, &at, &along, reverse, ended);
            let expected = derivatives(Written(unit), &at, &along, reverse, ended);
            assert_eq!(found.len(), expected.len());
            for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
                let error = (a - b).abs().max().item() / b.abs().max().item().max(1.0);
                assert!(error < 1e-13, "{unit:?} [{steps}, {batch}, {hidden}] {reverse} {ended}, {k}: {error:e}");
            }
        }
    }
    check(RnnNonlinearity::Tanh);
    check(RnnNonlinearity::Relu);
    check(GruUnit);
    check(LstmUnit);
}

/// The outputs and the last state of a sequence, and of a function of both the gradient, the slope along a direction, and the
/// Hessian times it.
fn derivatives<U: Unit<N>, const N: usize>(
    unit: U,
    at: &[Tensor<f64>; 7],
    along: &[Tensor<f64>; 7],
    reverse: bool,
    ended: bool,
) -> Vec<Tensor<f64>> {
    let tape = Tape::new();
    let x = at.each_ref().map(|x| tape.var(x.clone()));
    let weights = Weights { w_ih: x[1], w_hh: x[2], b_ih: Some(x[3]), b_hh: Some(x[4]) };
    let (steps, batch) = (x[0].shape()[0], x[0].shape()[1]);
    // From 0 to the number of steps.
    let lengths = tape.constant(Tensor::from((0..batch).map(|i| (i % (steps + 1)) as f64).collect::<Vec<_>>()));
    let walk = Walk { reverse, lengths: ended.then_some(lengths) };
    let (y, state) = sequence(unit, x[0], std::array::from_fn(|k| x[5 + k]), &weights, walk).unwrap();
    let sum = state.iter().fold((y * y.sin()).sum(), |sum, part| sum + part.exp().sum());
    let directions: Vec<_> = x.iter().copied().zip(along.iter().cloned()).collect();
    let gradients = sum.backward();
    let mut all = vec![y.value()];
    all.extend(state.map(|part| part.value()));
    all.extend(x.iter().map(|&x| gradients.wrt(x)));
    all.push(sum.jvp(&directions));
    all.extend(sum.hvp(&directions));
    all
}

fn at_end(y: autograd::Var<'_, f64>) -> Tensor<f64> {
    y.value().slice_axis(0, 2..3).squeeze(0)
}

#[test]
fn masks_hide_keys() {
    let (tape, rng) = (Tape::new(), &mut Rng::new(7));
    let mut random = |shape: &[usize]| tape.var(Tensor::<f64>::randn(shape, rng));
    let (q, k, v) = (random(&[2, 3, 4]), random(&[2, 3, 4]), random(&[2, 3, 5]));
    let inf = f64::NEG_INFINITY;
    let later = tape.constant([[0.0, inf, inf], [0.0, 0.0, inf], [0.0, 0.0, 0.0]]);
    let masked = AttentionOptions { mask: Some(later), ..AttentionOptions::default() };
    let causal = AttentionOptions { causal: true, ..AttentionOptions::default() };
    let y = scaled_dot_product_attention(q, k, v, masked).unwrap();
    assert_eq!(y.value(), scaled_dot_product_attention(q, k, v, causal).unwrap().value());
    assert_eq!(y.shape().as_slice(), [2, 3, 5]);
    let both = AttentionOptions { causal: true, ..masked };
    assert!(scaled_dot_product_attention(q, k, v, both).is_err());
    assert!(scaled_dot_product_attention(q, v, v, causal).is_err(), "widths differ");
    assert!(scaled_dot_product_attention(q, k, tape.var([1.0]), causal).is_err());
}

#[test]
fn a_query_without_keys_gives_nothing() {
    let tape = Tape::new();
    let (q, v) = (tape.var([[1.0], [2.0]]), tape.var([[3.0], [5.0]]));
    let inf = f64::NEG_INFINITY;
    let mask = tape.constant([[inf, inf], [0.0, inf]]);
    let options = AttentionOptions { mask: Some(mask), ..AttentionOptions::default() };
    let y = scaled_dot_product_attention(q, q, v, options).unwrap();
    assert_eq!(y.value(), tensor![[0.0], [3.0]]);
    let gradients = y.sum().backward();
    assert_eq!((gradients.wrt(q), gradients.wrt(v)), (tensor![[0.0], [0.0]], tensor![[1.0], [0.0]]));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let tape = Tape::<f64>::new();
    let (x, vector) = (tape.var(Tensor::ones(&[2, 4])), tape.var([1.0; 3]));
    assert!(layer_norm(x, &[3], None, None, 1e-5).is_err() && layer_norm(x, &[], None, None, 1e-5).is_err());
    assert!(layer_norm(x, &[4], Some(vector), None, 1e-5).is_err() && rms_norm(x, &[2, 4, 1], None, None).is_err());
    assert!(group_norm(x, 3, None, None, 1e-5).is_err() && group_norm(x, 0, None, None, 1e-5).is_err());
    assert!(group_norm(vector, 1, None, None, 1e-5).is_err() && instance_norm(x, Some(vector), None, 1e-5).is_err());
    assert!(batch_norm(x, [vector, vector], None, None, BatchNormOptions::default()).is_err());
    let table = tape.var([[1.0], [2.0]]);
    for index in [-1, 2] {
        assert!(embedding(table, tensor![index], None).is_err());
    }
    assert!(embedding(table, tensor![0_i64], Some(2)).is_err() && embedding(vector, tensor![0_i64], None).is_err());
    assert_eq!(embedding(table, Tensor::scalar(1), None).unwrap().value(), tensor![2.0]);
}

/// Unit vectors and angles do not depend on the lengths, to the ends of the type: 3-4-5, and [2.0775, 3.0262].
#[test]
fn vectors_of_any_length_have_a_direction() {
    fn check<T: Float>(scales: &[f64]) {
        for &s in scales {
            let tape = Tape::<T>::new();
            let vector = |x: [f64; 2]| tape.var(tensor![x[0], x[1]].map(|x| T::of(x * s)));
            let near = |y: Var<'_, T>, expected: f64| (y.item().f64() / expected - 1.0).abs() < 4.0 * T::EPSILON.f64();
            let (a, b, ones) = (vector([0.3, 0.4]), vector([2.0775, 3.0262]), tape.var(tensor![T::one(), T::one()]));
            for (p, first) in [(2.0, 0.6), (1.0, 3.0 / 7.0), (f64::INFINITY, 0.75), (3.0, 0.3 / 0.091f64.cbrt())] {
                let y = normalize_with(a, p, 0, 0.0).unwrap();
                assert!(near(y.slice(0, 0..1).sum(), first), "{s:e}, {p}: {}", y.value());
            }
            let cosine = cosine_similarity(b, ones, 0, 0.0).unwrap();
            assert!(near(cosine, 0.983_158_635_872_665_2), "{s:e}: {}", cosine.value());
            // The derivative points across: no length, no change along the vector.
            let dx = cosine.backward().wrt(b);
            let along: f64 = dx.iter().zip(b.value().iter()).map(|(d, x)| d.f64() * x.f64()).sum();
            let across = dx.at(&[0]).f64() * s;
            assert!(
                along.abs() < 1e-6 && (across / 0.041_046_100_428_530_5 - 1.0).abs() < 1e-5,
                "{s:e}: {dx} {along} {across}"
            );
        }
    }
    check::<f32>(&[1.0, 1e30, 1e38, 1e-30, 1e-37]);
    check::<f64>(&[1.0, 1e200, 5e307, 1e-200, 1e-307]);
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    let tape = Tape::<f64>::new();
    let (x, one) = (tape.var(Tensor::ones(&[2, 4])), tape.var([1.0; 4]));
    for bad in [-1e-5, f64::NAN, f64::INFINITY] {
        assert!(
            layer_norm(x, &[4], None, None, bad).is_err() && layer_norm(x, &[4], Some(one), Some(one), bad).is_err()
        );
        assert!(rms_norm(x, &[4], None, Some(bad)).is_err() && group_norm(x, 2, None, None, bad).is_err());
        assert!(instance_norm(x.unsqueeze(0), None, None, bad).is_err());
        for training in [true, false] {
            let options = |momentum, eps| BatchNormOptions { training, momentum, eps };
            assert!(batch_norm(x, [one, one], None, None, options(0.1, bad)).is_err());
            assert!(batch_norm(x, [one, one], None, None, options(bad, 1e-5)).is_err());
            assert!(batch_norm(x, [one, one], None, None, options(1.5, 1e-5)).is_err());
        }
        assert!(normalize(x, 0, bad).is_err() && cosine_similarity(x, x, 1, bad).is_err());
    }
    let options = AttentionOptions { scale: Some(f64::NAN), ..AttentionOptions::default() };
    assert!(attention_weights(x, x, options).is_err());
}

/// Numbers of PyTorch's complex multiplication by `polar(1, position · rate)`; layers.rs compares attention.
#[test]
fn rotated_vectors_keep_their_length_and_know_their_distance() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 2.0, -3.0]]);
    let y = rotary(x, 7, 100.0).unwrap().value();
    let expected = tensor![
        [-0.560_070_943_094_273_5, 2.164_791_107_405_398_5, -0.282_344_187_097_299_1, 4.992_021_810_851_027],
        [-0.349_179_089_503_077_4, -1.062_108_263_527_688_6, 3.545_481_691_392_899, -0.655_407_946_242_450_7],
    ];
    assert!((&y - &expected).abs().max().item() < 1e-14, "{y}");
    let product = |query: usize, key: usize| {
        let of = |row: usize, at: usize| rotary(x.slice(0, row..row + 1), at, 100.0).unwrap();
        (of(0, query) * of(1, key)).sum().item()
    };
    assert!((product(9, 4) - product(25, 20)).abs() < 1e-13 && (product(9, 4) - product(9, 5)).abs() > 0.1);
    gradcheck(|x| rotary(x[0], 5, 10_000.0).unwrap(), &[x.value().unsqueeze(0)]).unwrap();
    for bad in
        [rotary(x, 0, 0.0), rotary(x, 0, f64::NAN), rotary(tape.var([[1.0; 3]; 2]), 0, 10.0), rotary(x.sum(), 0, 9.0)]
    {
        assert!(bad.unwrap_err().to_string().starts_with("rotary: "));
    }
}
