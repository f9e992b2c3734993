//! Layers that take part in a model's `forward`, but that its `parameters!` leave out.

use autograd::{Rng, Tensor, Var};
use nn::layer::Linear;
use nn::loss::{Mse, Target};
use nn::{Module, Parameters, Pass, Path, data::TensorDataset, optim::Sgd, parameters, train::Trainer};

/// `b` is left out of the parameters.
struct Forgetful {
    a: Linear<f64>,
    b: Linear<f64>,
}

parameters! { impl Parameters<f64> for Forgetful { a } }

impl Module<f64> for Forgetful {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        let hidden = self.a.forward(x, pass).tanh();
        self.b.forward(hidden, pass)
    }
}

fn notes(model: &mut Forgetful, replayed: bool) -> Vec<String> {
    let x = Tensor::from_fn(&[8, 2], |at| ((2 * at[0] + at[1]) as f64).sin());
    let data = TensorDataset::new(x, Target::Values(Tensor::from_fn(&[8, 1], |at| at[0] as f64 / 8.0))).unwrap();
    let trainer = Trainer::new(Mse::new(), Sgd::new(0.1)).epochs(3).batch_size(2).quiet();
    let mut trainer = if replayed { trainer } else { trainer.recorded() };
    trainer.fit(model, &data).unwrap().notes
}

#[test]
fn a_layer_that_the_model_does_not_list_is_noted() {
    for replayed in [false, true] {
        let rng = &mut Rng::new(0);
        let mut model = Forgetful { a: Linear::new(2, 3, rng), b: Linear::new(3, 1, rng) };
        let before = model.b.weight.value().clone();
        let notes = notes(&mut model, replayed);
        assert_eq!(*model.b.weight.value(), before);
        let [note] = notes.as_slice() else { panic!("{notes:?}") };
        assert!(note.starts_with("2 trainable parameters of shape [1, 3], [1] that the model does not list"), "{note}");
    }
}

#[test]
fn a_frozen_layer_needs_no_place_in_the_model() {
    let rng = &mut Rng::new(0);
    let mut model = Forgetful { a: Linear::new(2, 3, rng), b: Linear::new(3, 1, rng) };
    model.b.visit_mut(&mut Path::default(), &mut |_, param| param.set_trainable(false));
    assert_eq!(notes(&mut model, true), [""; 0]);
}
