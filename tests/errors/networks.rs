//! Layers, losses and optimizers
//!
//! In training, a layer or a loss that does not take a batch gives an `Err` that says which batch. Called by hand, it
//! panics with the same text.

use wengert::autograd::Error;
use wengert::nn;
use wengert::nn::loss::{L1, Targets};
use wengert::nn::train::TrainError;
use wengert::prelude::*;

crate::mistakes! {
    features_of_another_number images_that_are_not_flat images_without_channels a_layer_that_does_not_fit_the_last
    a_batch_of_one an_unknown_word heads_that_do_not_divide labels_out_of_range one_hot_for_a_regression
    labels_for_a_regression outputs_and_targets_of_two_shapes logits_for_probabilities a_negative_rate a_rate_that_is_nan
    nothing_to_train a_rate_that_is_too_large a_logarithm_of_a_negative_number a_probability_above_one
}

/// A layer for another number of features
///
/// The first number of `Linear` is the size of the input's last axis.
fn features_of_another_number() {
    let tape = Tape::<f32>::new();
    let layer = Linear::new(10, 4, &mut Rng::new(0));
    let x = tape.constant(Tensor::zeros(&[32, 12]));
    layer.forward(x, &mut Pass::eval(&tape));
}

/// Images in front of a dense layer
///
/// Put `Flatten::new()` first, which makes a row of each image.
fn images_that_are_not_flat() {
    let tape = Tape::<f32>::new();
    let model = Mlp::new(&[784, 128, 10]).build();
    let images = tape.constant(Tensor::zeros(&[32, 28, 28]));
    model.forward(images, &mut Pass::eval(&tape));
}

/// Images without an axis for channels
///
/// Gray images have one channel: `images.unsqueeze(1)` makes `[32, 1, 28, 28]` of `[32, 28, 28]`.
fn images_without_channels() {
    let tape = Tape::<f32>::new();
    let layer = Conv2d::new(1, 6, 5, &mut Rng::new(0));
    let images = tape.constant(Tensor::zeros(&[32, 28, 28]));
    layer.forward(images, &mut Pass::eval(&tape));
}

/// A layer that does not fit the one before
///
/// `nn::summary(&model, &[32, 784])` shows the shapes between the layers.
fn a_layer_that_does_not_fit_the_last() -> Result<(), TrainError> {
    let rng = &mut Rng::new(0);
    let mut model = Sequential::new().then(Linear::new(64, 32, rng)).then(Linear::new(30, 10, rng));
    Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).quiet().fit(&mut model, &digits())?;
    Ok(())
}

/// Batch normalization of a single sample
///
/// One sample has no variance. `drop_last(true)` drops the incomplete batch at the end of an epoch; for predictions, use
/// `Pass::eval`.
fn a_batch_of_one() {
    let tape = Tape::<f32>::new();
    let x = tape.constant([[1.0, 2.0]]);
    BatchNorm1d::new(2).forward(x, &mut Pass::train(&tape, Rng::new(0)));
}

/// An index that the table does not have
///
/// An `Embedding` has as many rows as there are words. Give words that are not among them an index of their own.
fn an_unknown_word() {
    let tape = Tape::<f32>::new();
    let words = Embedding::new(1000, 16, &mut Rng::new(0));
    words.lookup(tensor![7_i64, 1000], &mut Pass::eval(&tape));
}

/// Heads that do not divide the width
///
/// Each head has `width / heads` features.
fn heads_that_do_not_divide() {
    MultiheadAttention::<f32>::new(64, 6, &mut Rng::new(0));
}

/// More classes in the labels than outputs in the model
///
/// The last layer needs one output for each class, and labels count from 0.
fn labels_out_of_range() -> Result<(), TrainError> {
    let mut model = Mlp::new(&[64, 32, 9]).build();
    Trainer::new(CrossEntropy::new(), Adam::<f32>::new(1e-3)).quiet().fit(&mut model, &digits())?;
    Ok(())
}

/// A list of numbers where the loss wants labels
///
/// Labels are integers, one for each row: `Target::Labels(tensor![2_i64, 0])`. `CrossEntropy` also takes
/// probabilities, such as one-hot rows, as `Target::Values` of the shape of the output.
fn one_hot_for_a_regression() -> Result<(), Error> {
    let tape = Tape::<f64>::new();
    let scores = tape.var(Tensor::zeros(&[2, 3]));
    CrossEntropy::new().loss(scores, &Target::Values(tensor![2.0, 0.0]))?;
    Ok(())
}

/// Labels where the loss wants numbers
///
/// A regression has `Target::Values`; classes have `CrossEntropy`.
fn labels_for_a_regression() -> Result<(), TrainError> {
    let mut model = Mlp::new(&[64, 10]).build();
    Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).quiet().fit(&mut model, &digits())?;
    Ok(())
}

/// Outputs of shape `[n, 1]` and targets of shape `[n]`
///
/// They would broadcast to a matrix of all differences. Give the targets their second axis:
/// `targets.unsqueeze(1)`.
fn outputs_and_targets_of_two_shapes() -> Result<(), Error> {
    let tape = Tape::<f32>::new();
    let outputs = tape.var(Tensor::zeros(&[32, 1]));
    L1::new().loss(outputs, &Target::Values(Tensor::zeros(&[32])))?;
    Ok(())
}

/// Logits in a loss that takes probabilities
///
/// `BceWithLogits` applies the sigmoid itself, which is also more precise.
fn logits_for_probabilities() -> Result<(), Error> {
    let tape = Tape::<f32>::new();
    let outputs = tape.var([0.3, -1.2]);
    Bce::new().loss(outputs, &Target::Values(tensor![1.0, 0.0]))?;
    Ok(())
}

/// A negative learning rate
///
/// Optimizers step against the gradient.
fn a_negative_rate() {
    Adam::<f32>::new(-1e-3);
}

/// A learning rate that is not a number
///
/// It was likely computed: `0.0 / 0.0`, the logarithm of a negative number.
fn a_rate_that_is_nan() {
    Sgd::<f32>::new((-1f64).ln());
}

/// A model without anything to train
///
/// Some parameters must stay trainable, such as those of the last layer.
fn nothing_to_train() -> Result<(), TrainError> {
    let mut model = Mlp::new(&[64, 10]).build();
    model.visit_mut(&mut nn::Path::default(), &mut |_, param| param.set_trainable(false));
    Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).quiet().fit(&mut model, &digits())?;
    Ok(())
}

/// A training run that diverges
///
/// The message names the first operation that gave NaN or infinity.
fn a_rate_that_is_too_large() -> Result<(), TrainError> {
    let mut model = Mlp::new(&[64, 32, 10]).build();
    Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(1e20)).quiet().fit(&mut model, &digits())?;
    Ok(())
}

/// NaN from a formula of your own
///
/// The line is the one that recorded the operation. `log_softmax`, `ln_1p`, `softplus` and `logsumexp` do not leave their
/// domains; otherwise `clamp` comes first.
fn a_logarithm_of_a_negative_number() -> Result<(), TrainError> {
    fn surprise<'t>(outputs: Var<'t, f32>, _: &Targets<'t, f32>) -> Result<Var<'t, f32>, Error> {
        Ok(-outputs.ln().mean())
    }
    let mut model = Mlp::new(&[64, 10]).build();
    Trainer::new(surprise, Sgd::<f32>::new(0.1)).quiet().fit(&mut model, &digits())?;
    Ok(())
}

/// A probability above 1
///
/// `Dropout` takes the probability of 0, as in PyTorch and Keras: a fraction, no percentage.
fn a_probability_above_one() {
    Dropout::new(50.0);
}
