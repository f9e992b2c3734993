//! Models compiled for prediction: the same bits as recorded passes, folded normalizations, and what is refused.

use autograd::{Result, Rng, Tape, Tensor, Var, tensor};
use nn::data::{Field, Fields};
use nn::infer::Predictor;
use nn::layer::{
    Activation, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, ConvTranspose2d, Dropout, Embedding, Flatten, Linear, Lstm,
    MaxPool2d, Residual, Sequential,
};
use nn::train::{predict, predict_fields};
use nn::{Model, Module, Pass, Vars, apply_updates, parameters};

/// Moves the running statistics away from their defaults.
fn trained(model: &mut Sequential<f64>, x: &Tensor<f64>) {
    for seed in 0..3 {
        let tape = Tape::new();
        let mut pass = Pass::train(&tape, Rng::new(seed));
        model.forward(tape.constant(x * (seed as f64 + 1.0) + 0.5), &mut pass);
        apply_updates(model, &pass.into_updates());
    }
}

fn net(rng: &mut Rng) -> Sequential<f64> {
    let inner = Sequential::new().then(Conv2d::grouped(8, 8, 3, 2, rng).same()).then(BatchNorm2d::new(8));
    Sequential::new()
        .then(Conv2d::new(3, 8, 3, rng).without_bias())
        .then(BatchNorm2d::new(8))
        .then(Activation::Relu)
        .then(Residual::new(inner))
        .then(ConvTranspose2d::grouped(8, 4, 3, 2, rng).stride(2))
        .then(BatchNorm2d::new(4).without_affine())
        .then(MaxPool2d::new(2))
        .then(Flatten::new())
        .then(Dropout::new(0.5))
        .then(Linear::new(4 * 4 * 4, 5, rng))
        .then(BatchNorm1d::new(5))
}

#[test]
fn programs_have_the_bits_of_recorded_passes() {
    let rng = &mut Rng::new(1);
    let mut model = net(rng);
    trained(&mut model, &Tensor::randn(&[4, 3, 6, 6], rng));
    let batches: Vec<Tensor<f64>> = [1, 7, 1, 3].map(|n| Tensor::randn(&[n, 3, 6, 6], rng)).into();
    let recorded: Vec<Tensor<f64>> = batches.iter().map(|x| predict(&model, x, 10).unwrap()).collect();
    let mut predictor = Predictor::new(model);
    for (x, recorded) in batches.iter().zip(&recorded) {
        assert_eq!(predictor.predict(x).unwrap(), recorded);
    }
    assert_eq!(predictor.programs(), 3);
    // The model comes back as it was.
    assert_eq!(predict(&predictor.into_model(), &batches[1], 10).unwrap(), recorded[1]);
}

#[test]
fn folded_normalizations_change_only_the_rounding() {
    let rng = &mut Rng::new(2);
    let mut model = net(rng);
    let x = Tensor::randn(&[4, 3, 6, 6], rng);
    trained(&mut model, &x);
    let before = predict(&model, &x, 4).unwrap();
    // The last one follows a dense layer, whose channels may be another axis.
    assert_eq!((model.fold(), model.layers().len()), (3, 9));
    let after = predict(&model, &x, 4).unwrap();
    assert!((&after - &before).abs().max().item() < 1e-11 * before.abs().max().item());
    assert_eq!(model.fold(), 0);
    assert_eq!(Predictor::new(model).predict(&x).unwrap(), &after);
}

#[test]
fn statistics_of_the_batch_and_other_channels_are_not_folded() {
    let rng = &mut Rng::new(3);
    let mut model =
        Sequential::<f64>::new().then(Conv2d::new(1, 2, 1, rng)).then(BatchNorm2d::new(2).without_running());
    assert_eq!(model.fold(), 0);
    let mut model = Sequential::<f64>::new().then(Conv2d::new(1, 2, 1, rng)).then(BatchNorm2d::new(3));
    assert_eq!(model.fold(), 0);
}

/// Without a batch axis, the channels of the normalization were another axis than those of the convolution.
#[test]
fn a_folded_convolution_requires_the_batch_axis() {
    let rng = &mut Rng::new(4);
    let mut model = Sequential::<f64>::new().then(Conv1d::new(1, 4, 1, rng)).then(BatchNorm1d::new(4));
    let x = Tensor::ones(&[1, 4]);
    assert!(predict(&model, &x, 4).is_ok());
    assert_eq!(model.fold(), 1);
    let refused = predict(&model, &x, 4).unwrap_err().to_string();
    assert!(refused.contains("Conv1d(1, 4, 1): a normalization was folded into this layer"), "{refused}");
}

#[test]
fn recurrent_layers_compile() {
    let rng = &mut Rng::new(5);
    let (model, x) = (Lstm::<f32>::new(3, 4, rng), Tensor::randn(&[2, 6, 3], rng));
    let recorded = predict(&model, &x, 2).unwrap();
    assert_eq!(Predictor::new(model).predict(&x).unwrap(), &recorded);
}

struct Tagger {
    words: Embedding<f32>,
    out: Linear<f32>,
}

parameters! { impl Parameters<f32> for Tagger { words, out } }

impl Model<f32> for Tagger {
    fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> Result<Vars<'t, f32>> {
        let vectors = self.words.lookup(inputs.integers("word")?, pass) * inputs.numbers("scale")?;
        let kept = vectors * inputs.booleans("known")?.indicator();
        Ok(Vars::new().with("tag", self.out.forward(kept, pass)).with("vector", kept))
    }
}

#[test]
fn several_inputs_of_all_types_and_several_outputs() {
    let rng = &mut Rng::new(6);
    let model = Tagger { words: Embedding::new(9, 4, rng), out: Linear::new(4, 2, rng) };
    let batch = |words: [i64; 3], known: [bool; 3], scale: f32| {
        Fields::new()
            .with("word", Tensor::from(words.to_vec()))
            .with("known", Tensor::new(&[3, 1], known.to_vec()))
            .with("scale", Tensor::ones(&[3, 1]) * scale)
    };
    let batches = [batch([0, 1, 2], [true, false, true], 1.0), batch([8, 8, 3], [true, true, false], -0.5)];
    let recorded: Vec<Fields<f32>> = batches.iter().map(|b| predict_fields(&model, b, 3).unwrap()).collect();
    let mut predictor = Predictor::new(model);
    for (inputs, recorded) in batches.iter().zip(&recorded) {
        let outputs = predictor.predict_fields(inputs).unwrap();
        assert_eq!(outputs.names().collect::<Vec<_>>(), ["tag", "vector"]);
        for (own, other) in outputs.iter().zip(recorded.iter()) {
            assert!(matches!((own.1, other.1), (Field::Numbers(a), Field::Numbers(b)) if a == b));
        }
    }
    assert_eq!(predictor.programs(), 1);
    let wrong = predictor.predict_fields(&batch([9, 0, 0], [true; 3], 1.0)).unwrap_err().to_string();
    assert!(wrong.contains("9"), "{wrong}");
    let wrong = predictor.predict(&tensor![[1.0f32]]).unwrap_err().to_string();
    assert!(wrong.contains("there is no input `word`"), "{wrong}");
}

/// The steps of a loop depend on the input.
struct Deciding;

parameters! { impl Parameters<f64> for Deciding {} }

impl Module<f64> for Deciding {
    fn forward<'t>(&self, x: Var<'t, f64>, _: &mut Pass<'t, f64>) -> Var<'t, f64> {
        if x.sum().item() > 0.0 { x } else { -x }
    }
}

#[test]
fn a_model_that_decides_by_values_is_refused() {
    let refused = Predictor::new(Deciding).predict(&tensor![[1.0]]).unwrap_err().to_string();
    assert!(refused.contains("predictor.rs") && refused.contains("records every batch"), "{refused}");
}

#[test]
fn programs_of_old_shapes_make_room() {
    let mut predictor = Predictor::new(Linear::<f32>::new(2, 1, &mut Rng::new(0)));
    for n in 1..=40 {
        assert_eq!(predictor.predict(&Tensor::ones(&[n, 2])).unwrap().shape(), [n, 1]);
        predictor.predict(&Tensor::ones(&[1, 2])).unwrap();
    }
    assert_eq!(predictor.programs(), 16);
    let refused = predictor.predict(&Tensor::ones(&[1, 3])).unwrap_err().to_string();
    assert!(refused.contains("Linear(2, 1)"), "{refused}");
}
