//! Recurrent networks: layers that read a sequence one element at a time.

use super::uniform;
use crate::functional::{self, GruUnit, LstmUnit, RnnNonlinearity, Unit, Walk, Weights};
use crate::{Module, Noise, Param, Parameters, Pass, Path, parameters};
use autograd::{Error, Float, Result, Rng, Tensor, Var};

/// The weights of one layer in one direction, in PyTorch's shapes; `gates` is 1 (plain), 3 (GRU) or 4 (LSTM).
///
/// ```
/// let layer = nn::layer::Gru::<f32>::new(3, 4, &mut autograd::Rng::new(0));
/// let weights: &nn::layer::Direction<f32> = &layer.layers[0][0];
/// assert_eq!(weights.weight_ih.value().shape(), [12, 3]);
/// ```
#[derive(Debug, Clone)]
pub struct Direction<T: Float> {
    /// `[gates · hidden, inputs]`
    pub weight_ih: Param<T>,
    /// `[gates · hidden, hidden]`
    pub weight_hh: Param<T>,
    /// `[gates · hidden]`, or none
    pub bias_ih: Option<Param<T>>,
    /// `[gates · hidden]`, or none
    pub bias_hh: Option<Param<T>>,
}

parameters! { impl[T: Float] Parameters<T> for Direction<T> { weight_ih, weight_hh, bias_ih, bias_hh } }

impl<T: Float> Direction<T> {
    /// Uniform on ±1/√hidden, as in PyTorch.
    fn new(gates: usize, inputs: usize, hidden: usize, bias: bool, rng: &mut Rng) -> Self {
        let mut param = |shape: &[usize]| uniform(shape, hidden, rng);
        let (weight_ih, weight_hh) = (param(&[gates * hidden, inputs]), param(&[gates * hidden, hidden]));
        let mut bias = || bias.then(|| param(&[gates * hidden]));
        Direction { weight_ih, weight_hh, bias_ih: bias(), bias_hh: bias() }
    }

    fn on<'t>(&self, pass: &Pass<'t, T>) -> Weights<'t, T> {
        Weights {
            w_ih: pass.var(&self.weight_ih),
            w_hh: pass.var(&self.weight_hh),
            b_ih: pass.optional(&self.bias_ih),
            b_hh: pass.optional(&self.bias_hh),
        }
    }
}

/// Options of recurrent layers. Set some of them and fill in the defaults with `..`.
///
/// ```
/// use nn::layer::{Gru, RecurrentOptions};
/// let options = RecurrentOptions { layers: 2, bias: false, ..RecurrentOptions::default() };
/// let gru = Gru::<f32>::with(3, 5, options, &mut autograd::Rng::new(0));
/// assert_eq!(nn::names(&gru), ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecurrentOptions {
    /// The number of layers, each reading the outputs of the one before. Defaults to 1.
    pub layers: usize,
    /// Whether each layer also reads backward, with separate weights; the outputs are then concatenated. Defaults to
    /// false.
    pub bidirectional: bool,
    /// Whether inputs and outputs are `[batch, time, …]` rather than `[time, batch, …]`. Defaults to false.
    pub batch_first: bool,
    /// Whether there are biases. Defaults to true.
    pub bias: bool,
    /// The probability of dropping outputs of all layers but the last in training. Defaults to 0.
    pub dropout: f64,
}

impl Default for RecurrentOptions {
    fn default() -> Self {
        RecurrentOptions { layers: 1, bidirectional: false, batch_first: false, bias: true, dropout: 0.0 }
    }
}

/// A recurrent network with any number of layers, unidirectional or bidirectional. As a [`Module`] it starts with a
/// state of zeros and returns its outputs; [`run`](Recurrent::run) also takes and returns states.
///
/// Inputs are `[time, batch, inputs]` (`[batch, time, inputs]` with `batch_first`, `[time, inputs]` for a single
/// sequence). Outputs have `hidden` features, or twice that if bidirectional. New weights are uniform on ±1/√hidden.
/// Names are PyTorch's: `weight_ih_l0`, `bias_hh_l1_reverse`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::{Lstm, RecurrentOptions}};
/// let options = RecurrentOptions { layers: 2, bidirectional: true, batch_first: true, ..Default::default() };
/// let lstm = Lstm::<f32>::with(8, 6, options, &mut Rng::new(0));
/// let tape = Tape::new();
/// let mut pass = Pass::eval(&tape);
/// let x = tape.constant(Tensor::zeros(&[3, 10, 8]));
/// assert_eq!(lstm.forward(x, &mut pass).shape().as_slice(), [3, 10, 12]);
/// let (_, [h, c]) = lstm.run(x, None, None, &mut pass);
/// assert_eq!((h.shape().as_slice(), c.shape().as_slice()), (&[4, 3, 6][..], &[4, 3, 6][..]));
/// ```
#[derive(Debug, Clone)]
pub struct Recurrent<T: Float, U, const N: usize> {
    /// The weights, by layer and then by direction.
    pub layers: Vec<Vec<Direction<T>>>,
    unit: U,
    options: RecurrentOptions,
}

/// A plain recurrent network with tanh or ReLU units (Elman, 1990); see [`rnn_cell`](functional::rnn_cell).
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::Rnn};
/// let (tape, layer) = (Tape::<f32>::new(), Rnn::new(3, 4, &mut Rng::new(0)));
/// let x = tape.constant(Tensor::zeros(&[7, 2, 3])); // 7 steps of 2 sequences
/// let (y, states) = layer.run(x, None, None, &mut Pass::eval(&tape));
/// assert_eq!((y.shape().as_slice(), states.len()), ([7, 2, 4].as_slice(), 1));
/// ```
pub type Rnn<T> = Recurrent<T, RnnNonlinearity, 1>;
/// Gated recurrent units (Cho et al., 2014); see [`gru_cell`](functional::gru_cell).
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::Gru};
/// let (tape, layer) = (Tape::<f32>::new(), Gru::new(3, 4, &mut Rng::new(0)));
/// let x = tape.constant(Tensor::zeros(&[7, 2, 3])); // 7 steps of 2 sequences
/// let (y, states) = layer.run(x, None, None, &mut Pass::eval(&tape));
/// assert_eq!((y.shape().as_slice(), states.len()), ([7, 2, 4].as_slice(), 1));
/// ```
pub type Gru<T> = Recurrent<T, GruUnit, 1>;
/// Long short-term memory (Hochreiter and Schmidhuber, 1997); see [`lstm_cell`](functional::lstm_cell).
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::Lstm};
/// let (tape, layer) = (Tape::<f32>::new(), Lstm::new(3, 4, &mut Rng::new(0)));
/// let x = tape.constant(Tensor::zeros(&[7, 2, 3])); // 7 steps of 2 sequences
/// let (y, states) = layer.run(x, None, None, &mut Pass::eval(&tape));
/// assert_eq!((y.shape().as_slice(), states.len()), ([7, 2, 4].as_slice(), 2));
/// ```
pub type Lstm<T> = Recurrent<T, LstmUnit, 2>;

impl<T: Float, U: Unit<N> + Default, const N: usize> Recurrent<T, U, N> {
    /// One unidirectional layer with biases.
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self::with(inputs, hidden, RecurrentOptions::default(), rng)
    }

    /// A network with the given options.
    ///
    /// # Panics
    /// Panics if there is no layer, or the dropout probability is not in `[0, 1]`.
    #[track_caller]
    pub fn with(inputs: usize, hidden: usize, options: RecurrentOptions, rng: &mut Rng) -> Self {
        super::dropout::probability(options.dropout);
        assert!(options.layers > 0, "{}: the number of layers must be at least 1, got 0", U::NAMES[2]);
        let directions = 1 + usize::from(options.bidirectional);
        let layers = (0..options.layers).map(|layer| {
            let inputs = if layer == 0 { inputs } else { hidden * directions };
            (0..directions).map(|_| Direction::new(U::GATES, inputs, hidden, options.bias, rng)).collect()
        });
        Recurrent { layers: layers.collect(), unit: U::default(), options }
    }
}

impl<T: Float> Rnn<T> {
    /// The same network with another nonlinearity.
    ///
    /// ```
    /// use nn::{functional::RnnNonlinearity, layer::Rnn};
    /// let network = Rnn::<f32>::new(3, 4, &mut autograd::Rng::new(0)).nonlinearity(RnnNonlinearity::Relu);
    /// # let _ = network;
    /// ```
    pub fn nonlinearity(self, unit: RnnNonlinearity) -> Self {
        Recurrent { unit, ..self }
    }
}

impl<T: Float, U: Unit<N>, const N: usize> Recurrent<T, U, N> {
    /// Returns the outputs and the last states.
    ///
    /// A state is `[layers · directions, batch, hidden]`, zeros if not given; `[h, c]` for an LSTM, `[h]` otherwise.
    /// With `lengths`, `[batch]`, each sequence ends at its length, and later elements are ignored: their outputs are
    /// 0, the last states are those at the end, and the backward direction starts there, as in PyTorch's packed
    /// sequences. An empty sequence keeps its initial state.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible, or a length is not an integer from 0 to the size of the time axis;
    /// [`try_run`](Recurrent::try_run) returns the error.
    #[track_caller]
    pub fn run<'t>(
        &self,
        x: Var<'t, T>,
        state: Option<[Var<'t, T>; N]>,
        lengths: Option<Var<'t, T>>,
        pass: &mut Pass<'t, T>,
    ) -> (Var<'t, T>, [Var<'t, T>; N]) {
        let result = self.try_run(x, state, lengths, pass);
        let (y, state) = pass.checked(self, result);
        (pass.note(self, y), state)
    }

    /// Like [`run`](Recurrent::run), but returns an error if the shapes or lengths are incompatible.
    ///
    /// # Errors
    /// Returns an error if the input is not a sequence of the layer's inputs with at least one step, the state does not
    /// have one entry per layer and direction, or lengths are not one per sequence, whole, and at most the number of steps.
    #[track_caller]
    pub fn try_run<'t>(
        &self,
        x: Var<'t, T>,
        state: Option<[Var<'t, T>; N]>,
        lengths: Option<Var<'t, T>>,
        pass: &mut Pass<'t, T>,
    ) -> Result<(Var<'t, T>, [Var<'t, T>; N])> {
        let single = x.rank() == 2;
        let in_time = |x: Var<'t, T>| match (single, self.options.batch_first) {
            (true, _) => x.try_unsqueeze(1),
            (false, true) => x.try_transpose(0, 1),
            (false, false) => Ok(x),
        };
        let starts = self.starts(x, state, single)?;
        let (mut y, mut ends) = (in_time(x)?, Vec::with_capacity(starts.len()));
        let mut starts = starts.into_iter();
        for (i, layer) in self.layers.iter().enumerate() {
            let mut outputs = Vec::with_capacity(layer.len());
            for (reverse, (direction, start)) in [false, true].into_iter().zip(layer.iter().zip(&mut starts)) {
                let walk = Walk { reverse, lengths };
                let (output, end) = functional::sequence(self.unit, y, start, &direction.on(pass), walk)?;
                outputs.push(output);
                ends.push(end);
            }
            y = if let [one] = outputs[..] { one } else { Var::try_concat(&outputs, -1)? };
            if pass.is_training() && self.options.dropout > 0.0 && i + 1 < self.layers.len() {
                y = y * pass.noise(&y.shape(), Noise::Dropout { p: self.options.dropout });
            }
        }
        let mut state = Vec::with_capacity(N);
        for part in 0..N {
            let ends: Vec<_> = ends.iter().map(|end| end[part]).collect();
            let whole = Var::try_stack(&ends, 0)?;
            state.push(if single { whole.try_squeeze(1)? } else { whole });
        }
        let y = if single { y.try_squeeze(1)? } else { in_time(y)? };
        Ok((y, std::array::from_fn(|part| state[part])))
    }

    /// The initial state of each layer and direction.
    #[track_caller]
    fn starts<'t>(&self, x: Var<'t, T>, state: Option<[Var<'t, T>; N]>, single: bool) -> Result<Vec<[Var<'t, T>; N]>> {
        let (op, shape, count) = (U::NAMES[1], x.shape(), self.layers.iter().map(Vec::len).sum::<usize>());
        if !matches!(shape.len(), 2 | 3) {
            let hint = "a sequence must be [time, batch, inputs] (or with the batch first), or [time, inputs]".into();
            return Err(Error::Shape { op, shape: shape.as_slice().into(), hint });
        }
        let batch = match (single, self.options.batch_first) {
            (true, _) => 1,
            (false, true) => shape[0],
            (false, false) => shape[1],
        };
        let Some(state) = state else {
            let zeros = x.tape().constant(Tensor::zeros(&[batch, self.hidden()]));
            return Ok(vec![[zeros; N]; count]);
        };
        let mut whole = vec![count, batch, self.hidden()];
        if single {
            whole.remove(1);
        }
        if let Some(part) = state.iter().find(|part| *part.shape() != *whole) {
            let hint = format!("a state must have one entry per layer and direction, {whole:?}");
            return Err(Error::Shape { op, shape: part.shape().as_slice().into(), hint });
        }
        let state = state.map(|part| if single { part.unsqueeze(1) } else { part });
        Ok((0..count as isize).map(|i| state.map(|part| part.index_axis(0, i))).collect())
    }

    fn hidden(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer[0].weight_hh.value().shape()[1])
    }
}

/// Appends layer and direction to the names of the weights: `weight_ih_l0`, `weight_ih_l0_reverse`.
impl<T: Float, U, const N: usize> Parameters<T> for Recurrent<T, U, N> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        for (i, layer) in self.layers.iter().enumerate() {
            for (direction, way) in layer.iter().zip(["", "_reverse"]) {
                path.ending(format_args!("_l{i}{way}"), |path| direction.visit(path, f));
            }
        }
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            for (direction, way) in layer.iter_mut().zip(["", "_reverse"]) {
                path.ending(format_args!("_l{i}{way}"), |path| direction.visit_mut(path, f));
            }
        }
    }
}

impl<T: Float, U: Unit<N>, const N: usize> Module<T> for Recurrent<T, U, N> {
    /// # Panics
    /// Panics if the input is not a sequence of the layer's inputs.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.run(x, None, None, pass).0
    }

    fn describe(&self) -> String {
        let inputs = self.layers.first().map_or(0, |layer| layer[0].weight_ih.value().shape()[1]);
        let layers = if self.layers.len() == 1 { String::new() } else { format!(", {} layers", self.layers.len()) };
        let ways = if self.options.bidirectional { ", both ways" } else { "" };
        format!("{}({inputs}, {}{layers}{ways})", U::NAMES[2], self.hidden())
    }
}

/// One step of a recurrent network, for custom loops.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::LstmCell};
/// let cell = LstmCell::<f32>::new(3, 5, &mut Rng::new(0));
/// assert_eq!(nn::names(&cell), ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]);
/// let tape = Tape::new();
/// let mut pass = Pass::eval(&tape);
/// let zeros = tape.constant(Tensor::zeros(&[2, 5]));
/// let [h, c] = cell.step(tape.constant(Tensor::ones(&[2, 3])), [zeros, zeros], &mut pass);
/// let [h, _] = cell.step(tape.constant(Tensor::ones(&[2, 3])), [h, c], &mut pass);
/// assert_eq!(h.shape().as_slice(), [2, 5]);
/// ```
#[derive(Debug, Clone)]
pub struct RecurrentCell<T: Float, U, const N: usize> {
    /// The parameters.
    pub weights: Direction<T>,
    unit: U,
}

/// A step of an [`Rnn`].
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::RnnCell};
/// let (tape, cell) = (Tape::<f32>::new(), RnnCell::new(3, 4, &mut Rng::new(0)).without_bias());
/// let (x, h) = (tape.constant(Tensor::ones(&[2, 3])), tape.constant(Tensor::zeros(&[2, 4])));
/// let next = cell.step(x, [h], &mut Pass::eval(&tape));
/// assert_eq!(next[0].shape().as_slice(), [2, 4]);
/// ```
pub type RnnCell<T> = RecurrentCell<T, RnnNonlinearity, 1>;
/// A step of a [`Gru`].
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::GruCell};
/// let (tape, cell) = (Tape::<f32>::new(), GruCell::new(3, 4, &mut Rng::new(0)).without_bias());
/// let (x, h) = (tape.constant(Tensor::ones(&[2, 3])), tape.constant(Tensor::zeros(&[2, 4])));
/// let next = cell.step(x, [h], &mut Pass::eval(&tape));
/// assert_eq!(next[0].shape().as_slice(), [2, 4]);
/// ```
pub type GruCell<T> = RecurrentCell<T, GruUnit, 1>;
/// A step of an [`Lstm`].
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::LstmCell};
/// let (tape, cell) = (Tape::<f32>::new(), LstmCell::new(3, 4, &mut Rng::new(0)).without_bias());
/// let (x, h) = (tape.constant(Tensor::ones(&[2, 3])), tape.constant(Tensor::zeros(&[2, 4])));
/// let next = cell.step(x, [h, h], &mut Pass::eval(&tape));
/// assert_eq!(next[0].shape().as_slice(), [2, 4]);
/// ```
pub type LstmCell<T> = RecurrentCell<T, LstmUnit, 2>;

parameters! { impl[T: Float, U, const N: usize] Parameters<T> for RecurrentCell<T, U, N> { ..weights } }

impl<T: Float, U: Unit<N> + Default, const N: usize> RecurrentCell<T, U, N> {
    /// A cell with biases.
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        RecurrentCell { weights: Direction::new(U::GATES, inputs, hidden, true, rng), unit: U::default() }
    }

    /// The same cell without biases.
    ///
    /// ```
    /// let cell = nn::layer::GruCell::<f32>::new(3, 4, &mut autograd::Rng::new(0)).without_bias();
    /// assert!(cell.weights.bias_ih.is_none());
    /// ```
    pub fn without_bias(mut self) -> Self {
        (self.weights.bias_ih, self.weights.bias_hh) = (None, None);
        self
    }
}

impl<T: Float> RnnCell<T> {
    /// The same cell with another nonlinearity.
    ///
    /// ```
    /// use nn::{functional::RnnNonlinearity, layer::RnnCell};
    /// let cell = RnnCell::<f32>::new(3, 4, &mut autograd::Rng::new(0)).nonlinearity(RnnNonlinearity::Relu);
    /// # let _ = cell;
    /// ```
    pub fn nonlinearity(self, unit: RnnNonlinearity) -> Self {
        RecurrentCell { unit, ..self }
    }
}

impl<T: Float, U: Unit<N>, const N: usize> RecurrentCell<T, U, N> {
    /// The next state, from inputs `[batch, inputs]` and a state with parts `[batch, hidden]` (or all without the batch
    /// axis).
    ///
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn step<'t>(&self, x: Var<'t, T>, state: [Var<'t, T>; N], pass: &mut Pass<'t, T>) -> [Var<'t, T>; N] {
        match functional::cell(self.unit, x, state, &self.weights.on(pass)) {
            Ok(state) => state,
            Err(error) => panic!("{}Cell: {error}", U::NAMES[2]),
        }
    }
}
