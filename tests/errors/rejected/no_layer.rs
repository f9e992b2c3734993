//! A function as a layer
//!
//! Activations are layers: `Activation::Relu`. A layer of your own is a type with `Module` and `parameters!`.

fn relu(x: Var<f32>) -> Var<f32> {
    x.relu()
}

fn model(rng: &mut Rng) -> Sequential<f32> {
    Sequential::new().then(Linear::new(784, 10, rng)).then(relu)
}
