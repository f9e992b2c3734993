//! A builder of multilayer perceptrons.

use super::{Activation, BatchNorm1d, Dropout, Linear, Sequential};
use crate::init::{Fan, Init, Nonlinearity};
use crate::once;
use autograd::{Float, Rng};

/// A builder of dense networks: `Mlp::new(&[64, 32, 10])` has 64 inputs, 32 hidden units and 10 outputs.
///
/// After each hidden layer come batch normalization (if enabled), the activation, and dropout (if enabled); the last
/// layer has none of them. Initial weights depend on the [`Nonlinearity`] of the activation: He's for ReLU and similar
/// activations (ELU, GELU, SiLU, Mish, softplus, …), LeCun's for SELU, Xavier's for the others; biases are 0.
///
/// ```
/// use nn::layer::{Activation, Mlp};
/// let model = Mlp::new(&[64, 32, 10]).activation(Activation::Tanh).dropout(0.2).seed(7).build::<f32>();
/// assert_eq!(nn::parameter_count(&model), 64 * 32 + 32 + 32 * 10 + 10);
/// ```
#[derive(Debug, Clone)]
pub struct Mlp {
    sizes: Vec<usize>,
    activation: Activation,
    dropout: f64,
    batch_norm: bool,
    init: Option<Init>,
    seed: u64,
}

impl Mlp {
    /// A network with these layer sizes, inputs first.
    ///
    /// # Panics
    /// Panics if there are fewer than two sizes, or one is 0.
    #[track_caller]
    pub fn new(sizes: &[usize]) -> Self {
        assert!(
            sizes.len() >= 2 && !sizes.contains(&0),
            "Mlp: expected sizes [inputs, hidden units, …, outputs], none of them 0, got {sizes:?}"
        );
        Mlp {
            sizes: sizes.to_vec(),
            activation: Activation::Relu,
            dropout: 0.0,
            batch_norm: false,
            init: None,
            seed: 0,
        }
    }

    /// Sets the activation after each hidden layer. Defaults to ReLU.
    pub fn activation(self, activation: Activation) -> Self {
        Mlp { activation, ..self }
    }

    /// Sets the probability of dropping hidden units in training. Defaults to 0.
    ///
    /// # Panics
    /// Panics if it is not in `[0, 1]`.
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        Mlp { dropout: super::dropout::probability(p), ..self }
    }

    /// Sets whether to normalize each hidden layer over the batch, before the activation. Defaults to false.
    ///
    /// ```
    /// use nn::{Module, layer::Mlp};
    /// let model = Mlp::new(&[4, 3, 2]).batch_norm(true).build::<f32>();
    /// assert_eq!(model.layers()[1].describe(), "BatchNorm1d(3)");
    /// ```
    pub fn batch_norm(self, batch_norm: bool) -> Self {
        Mlp { batch_norm, ..self }
    }

    /// Sets another distribution for the initial weights.
    ///
    /// ```
    /// use nn::{init::Init, layer::Mlp};
    /// let model = Mlp::new(&[4, 3, 2]).init(Init::Normal { mean: 0.0, std: 0.01 }).build::<f32>();
    /// # let _ = model;
    /// ```
    pub fn init(self, init: Init) -> Self {
        Mlp { init: Some(init), ..self }
    }

    /// Sets the seed of the initial weights. Defaults to 0.
    pub fn seed(self, seed: u64) -> Self {
        Mlp { seed, ..self }
    }

    /// Builds the network.
    #[track_caller]
    pub fn build<T: Float>(&self) -> Sequential<T> {
        build(self)
    }

    fn dense<T: Float>(&self, inputs: usize, outputs: usize, rng: &mut Rng) -> Linear<T> {
        let mut layer = Linear::new(inputs, outputs, rng);
        self.init.unwrap_or(self.usual_init()).fill(&mut layer.weight, rng);
        layer.bias.iter_mut().for_each(|bias| Init::Constant(0.0).fill(bias, rng));
        layer
    }

    fn usual_init(&self) -> Init {
        match Nonlinearity::from(self.activation) {
            kin @ (Nonlinearity::Relu | Nonlinearity::LeakyRelu(_)) => Init::kaiming_uniform(kin.gain(), Fan::In),
            // Preserving mean and variance requires a variance of 1 / in, not PyTorch's gain.
            Nonlinearity::Selu => Init::lecun_normal(),
            other => Init::xavier_uniform(other.gain()),
        }
    }
}

once! {
    fn build<T>(mlp: &Mlp) -> Sequential<T> {
        let mut rng = Rng::new(mlp.seed);
        let hidden = mlp.sizes.len() - 2;
        mlp.sizes.windows(2).enumerate().fold(Sequential::new(), |model, (i, pair)| {
            let model = model.then(mlp.dense(pair[0], pair[1], &mut rng));
            if i == hidden {
                return model;
            }
            let model = if mlp.batch_norm { model.then(BatchNorm1d::new(pair[1])) } else { model };
            let model = model.then(mlp.activation);
            if mlp.dropout == 0.0 { model } else { model.then(Dropout::new(mlp.dropout)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;

    #[test]
    fn layers_stand_in_the_order_that_was_asked_for() {
        let model = Mlp::new(&[4, 3, 3, 2]).batch_norm(true).dropout(0.5).build::<f32>();
        let layers: Vec<String> = model.layers().iter().map(|l| l.describe()).collect();
        assert_eq!(layers.len(), 9);
        assert_eq!(
            (layers[0].as_str(), layers[2].as_str(), layers[8].as_str()),
            ("Linear(4, 3)", "Relu", "Linear(3, 2)")
        );
        assert_eq!(names(&model)[..3], ["0.weight", "0.bias", "1.weight"]);
    }

    #[test]
    fn the_seed_fixes_the_weights() {
        let first = |seed| {
            let mut weights = Vec::new();
            let model = Mlp::new(&[5, 4, 3]).seed(seed).build::<f64>();
            crate::Parameters::visit(&model, &mut crate::Path::default(), &mut |_, p| weights.extend(p.value().iter()));
            weights
        };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    /// Signals neither explode nor vanish with depth, for any activation.
    #[test]
    fn weights_fit_the_activation() {
        let x = autograd::Tensor::<f64>::randn(&[64, 128], &mut Rng::new(1));
        let kin =
            ["Relu", "Relu6", "LeakyRelu", "Elu", "Celu", "Selu", "Gelu", "GeluTanh", "Silu", "Mish", "Hardswish"];
        for f in Activation::ALL.iter().filter(|f| kin.contains(&f.name()) || f.name() == "Tanh") {
            let tape = autograd::Tape::new();
            let model = Mlp::new(&[128; 9]).activation(*f).build();
            let y = crate::Module::forward(&model, tape.constant(x.clone()), &mut crate::Pass::eval(&tape));
            let size = y.value().square().mean().item().sqrt();
            assert!((0.05..5.0).contains(&size), "{f:?}: {size}");
        }
        let init = |f| Mlp::new(&[2, 2, 2]).activation(f).usual_init();
        assert_eq!(init(Activation::Gelu), init(Activation::Relu));
        assert_eq!(init(Activation::Sigmoid), Init::xavier_uniform(1.0));
        assert_eq!(init(Activation::Tanh), Init::xavier_uniform(5.0 / 3.0));
    }

    #[test]
    #[should_panic(expected = "none of them 0")]
    fn a_layer_of_no_units_is_refused() {
        Mlp::new(&[4, 0, 2]);
    }
}
