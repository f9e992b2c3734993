//! Shapes, axes and indices
//!
//! The same messages come from tensors and from variables on a tape.

use wengert::prelude::*;

crate::mistakes! {
    matmul_of_a_weight broadcast_along_rows softmax_axis axis_twice reshape_to_another_size numbers_of_another_count
    concatenation index_past_the_end item_of_many labels_that_count_from_1
    maximum_of_nothing
}

/// A product with a weight of shape `[out, in]`
///
/// Weights have PyTorch's layout. `matmul_t` multiplies by the second matrix transposed.
fn matmul_of_a_weight() {
    let x = Tensor::<f32>::zeros(&[32, 784]);
    let weight = Tensor::zeros(&[128, 784]);
    x.matmul(weight);
}

/// One number per row, broadcast as if it were one per column
///
/// Broadcasting aligns shapes at the last axis, as in NumPy. `unsqueeze(-1)` makes a column of the vector; reductions
/// keep the axis with `sum_keep`, `mean_keep`, `max_keep`.
fn broadcast_along_rows() {
    let scores = Tensor::<f32>::ones(&[32, 10]);
    let totals = scores.sum_axes(1);
    let shares = &scores / totals;
    println!("{shares}");
}

/// An axis that is not there
///
/// Axes count from 0. The last one is -1, whatever the rank.
fn softmax_axis() {
    let scores = Tensor::<f32>::zeros(&[32, 10]);
    scores.softmax(2);
}

/// The same axis twice
///
/// Axis -1 of a matrix is axis 1.
fn axis_twice() {
    Tensor::<f32>::zeros(&[32, 10]).sum_axes([1, -1]);
}

/// A reshape to another number of elements
///
/// A reshape keeps all elements. `reshape_infer(&[32, -1])` computes one size from the others.
fn reshape_to_another_size() {
    let images = Tensor::<f32>::zeros(&[32, 1, 28, 28]);
    images.reshape(&[32, 28]);
}

/// As many numbers as the shape does not have
///
/// The number of elements is the product of the sizes.
fn numbers_of_another_count() {
    Tensor::new(&[2, 2], vec![1.0, 2.0, 3.0]);
}

/// Tensors concatenated whose other axes differ
///
/// All axes except that of the concatenation must agree.
fn concatenation() {
    let parts = [Tensor::<f32>::zeros(&[8, 3]), Tensor::zeros(&[8, 4])];
    Tensor::concat(&parts, 0);
}

/// An index past the end
///
/// Indices count from 0, one for each axis.
fn index_past_the_end() {
    let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    x.at(&[2, 0]);
}

/// A tensor of several elements as a number
///
/// Reduce it first, or read one element with `at`, or all of them with `to_vec`.
fn item_of_many() {
    tensor![1.0, 2.0].item();
}

/// Labels that count from 1
///
/// Ten classes have the labels 0 to 9. Subtract 1.
fn labels_that_count_from_1() {
    let scores = Tensor::<f32>::zeros(&[3, 10]);
    scores.cross_entropy(tensor![1_i64, 10, 5]);
}

/// The maximum of nothing
///
/// An empty sum is 0 and an empty product is 1, but an empty array has no maximum. A filter that kept no row is a likely cause.
fn maximum_of_nothing() {
    Tensor::<f32>::zeros(&[0, 10]).max_axes(0);
}
