use super::*;
use autograd::{Rng, Tape, Tensor, gradcheck, tensor};

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
