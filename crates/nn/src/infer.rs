//! Prediction without a tape: a model compiled to programs that compute its outputs and nothing else. It knows models and
//! passes, but neither losses nor training.
//!
//! ```
//! use autograd::Tensor;
//! use nn::{infer::Predictor, layer::Mlp};
//! let mut predictor = Predictor::new(Mlp::new(&[64, 32, 10]).build::<f32>());
//! assert_eq!(predictor.predict(&Tensor::ones(&[1, 64]))?.shape(), [1, 10]);
//! # Ok::<(), nn::LayerError>(())
//! ```

use crate::fields::{Field, FieldVar, Fields, Name, ONLY_INPUT};
use crate::{LayerError, Model, Pass, once};
use autograd::internals::{first_read, sketched, watch};
use autograd::{Float, Program, Shape, Tape, Tensor};

/// A model compiled for prediction, in eval mode: the first batch of each shape is recorded and compiled, and later ones
/// run the program, with the same bits. The parameters are constants of the programs, so values that depend only on
/// them are computed once.
///
/// ```
/// use autograd::Tensor;
/// use nn::{infer::Predictor, layer::Mlp, train::predict};
/// let model = Mlp::new(&[64, 32, 10]).build::<f32>();
/// let x = Tensor::ones(&[1, 64]);
/// let recorded = predict(&model, &x, 1)?;
/// let mut predictor = Predictor::new(model);
/// assert_eq!(predictor.predict(&x)?, &recorded);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It keeps the programs of the 16 most recently used shapes. For models with batch normalization, apply
/// [`Sequential::fold`](crate::layer::Sequential::fold) first: it makes them faster.
pub struct Predictor<T: Float, M> {
    model: M,
    programs: Vec<Forward<T>>,
    calls: u64,
}

/// The maximum number of programs.
const MOST: usize = 16;

/// The program for inputs of given types and shapes.
struct Forward<T: Float> {
    inputs: Vec<(Name, &'static str, Shape)>,
    outputs: Vec<Name>,
    program: Program<T>,
    /// The call that used it last.
    used: u64,
}

impl<T: Float, M: Model<T>> Predictor<T, M> {
    /// Takes a model. Its parameters cannot change while the predictor owns it.
    pub fn new(model: M) -> Self {
        Predictor { model, programs: Vec::new(), calls: 0 }
    }

    /// The output of a model with one input and one output for a batch `[N, …]`. The result belongs to the predictor,
    /// which reuses its memory.
    ///
    /// # Errors
    /// Returns an error if a layer cannot take the input, the model has several outputs, or it branches on values, which
    /// a program cannot do: the error then names the line that read them.
    pub fn predict(&mut self, x: &Tensor<T>) -> Result<&Tensor<T>, LayerError> {
        let known = |forward: &Forward<T>| match &forward.inputs[..] {
            [(_, "numbers", shape)] => shape.as_slice() == x.shape(),
            _ => false,
        };
        let at = match self.programs.iter().position(known) {
            Some(at) => at,
            None => self.compile(&Fields::one(ONLY_INPUT, Field::Numbers(x.clone())))?,
        };
        match self.run(at, &[x], &[])? {
            [output] => Ok(output),
            outputs => Err(refused(format!("expected one output, got {}; use `predict_fields`", outputs.len()))),
        }
    }

    /// The outputs of a model with any number of inputs and outputs.
    ///
    /// ```
    /// use autograd::{Tensor, tensor};
    /// use nn::{data::Fields, infer::Predictor, layer::Linear};
    /// let mut predictor = Predictor::new(Linear::<f64>::new(3, 2, &mut autograd::Rng::new(0)));
    /// let outputs = predictor.predict_fields(&Fields::new().with("x", tensor![[1.0, 2.0, 3.0]]))?;
    /// assert_eq!(outputs.numbers(0)?.shape(), [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// Returns an error if the model cannot take the inputs, or it branches on values: see
    /// [`predict`](Predictor::predict).
    pub fn predict_fields(&mut self, inputs: &Fields<T>) -> Result<Fields<T>, LayerError> {
        let at = match self.programs.iter().position(|forward| forward.fits(inputs)) {
            Some(at) => at,
            None => self.compile(inputs)?,
        };
        let masks: Vec<Tensor<T>> = inputs.iter().filter_map(|(_, field)| field.indicator()).collect();
        let (mut numbers, mut integers, mut masks) = (Vec::new(), Vec::new(), masks.iter());
        for (_, field) in inputs.iter() {
            match field {
                Field::Numbers(x) => numbers.push(x),
                Field::Integers(x) => integers.push(x),
                Field::Booleans(_) => numbers.extend(masks.next()),
            }
        }
        let names = self.programs[at].outputs.clone();
        let outputs = self.run(at, &numbers, &integers)?;
        let with = |all: Fields<T>, (name, output): (Name, &Tensor<T>)| all.with(name, Field::Numbers(output.clone()));
        Ok(names.into_iter().zip(outputs).fold(Fields::new(), with))
    }

    /// The number of programs that are kept.
    ///
    /// ```
    /// use autograd::Tensor;
    /// use nn::{infer::Predictor, layer::Linear};
    /// let mut predictor = Predictor::new(Linear::<f32>::new(3, 2, &mut autograd::Rng::new(0)));
    /// for batch in [1, 8, 1] {
    ///     predictor.predict(&Tensor::zeros(&[batch, 3]))?;
    /// }
    /// assert_eq!(predictor.programs(), 2);
    /// # Ok::<(), nn::LayerError>(())
    /// ```
    pub fn programs(&self) -> usize {
        self.programs.len()
    }

    /// The model, for example to train it further.
    ///
    /// ```
    /// let layer = nn::layer::Linear::<f32>::new(3, 2, &mut autograd::Rng::new(0));
    /// let layer = nn::infer::Predictor::new(layer).into_model();
    /// assert_eq!(layer.weight.value().shape(), [2, 3]);
    /// ```
    pub fn into_model(self) -> M {
        self.model
    }

    fn run(
        &mut self,
        at: usize,
        numbers: &[&Tensor<T>],
        integers: &[&Tensor<i64>],
    ) -> Result<&[Tensor<T>], LayerError> {
        self.calls += 1;
        let forward = &mut self.programs[at];
        forward.used = self.calls;
        forward.program.run_with(numbers, integers).map_err(|error| refused(error.to_string()))
    }

    /// The slot of a new program for such inputs, which replaces the least recently used one if there are too many.
    fn compile(&mut self, inputs: &Fields<T>) -> Result<usize, LayerError> {
        let forward = compiled(&self.model, inputs)?;
        if self.programs.len() == MOST {
            let oldest = (0..MOST).min_by_key(|&at| self.programs[at].used).unwrap_or(0);
            self.programs.swap_remove(oldest);
        }
        self.programs.push(forward);
        Ok(self.programs.len() - 1)
    }
}

impl<T: Float> Forward<T> {
    fn fits(&self, inputs: &Fields<T>) -> bool {
        let alike = |((name, kind, shape), (own, field)): (&(Name, &str, Shape), (&str, &Field<T>))| {
            name == own && *kind == field.kind() && shape.as_slice() == field.shape()
        };
        self.inputs.len() == inputs.len() && self.inputs.iter().zip(inputs.iter()).all(alike)
    }
}

once! {
    /// The program for inputs of these types and shapes.
    fn compiled<T>(model: &dyn Model<T>, inputs: &Fields<T>) -> Result<Forward<T>, LayerError> {
        let tape = Tape::new();
        watch(&tape);
        let given = inputs.on(&tape);
        let (mut numbers, mut integers) = (Vec::new(), Vec::new());
        for (_, var) in &given.list.0 {
            match *var {
                FieldVar::Numbers(x) => numbers.push(x),
                FieldVar::Integers(x) => integers.push(x),
                FieldVar::Booleans(mask) => numbers.push(mask.indicator()),
            }
        }
        let returned = Pass::eval(&tape).try_call(model, &given)?;
        let ids: Vec<usize> = numbers.iter().map(|x| x.id()).chain(integers.iter().map(|x| x.id())).collect();
        if let Some(why) = first_read(&tape, &ids) {
            return Err(refused(format!("{why}; `train::predict` records every batch")));
        }
        let (names, outputs): (Vec<Name>, Vec<_>) =
            returned.vars().map(|(name, output)| (name.clone(), output)).unzip();
        let program = sketched(&tape, || {
            Program::draft(&tape).inputs(&numbers).integers(&integers).outputs(&outputs).compile()
        });
        let kind = |(name, field): (&str, &Field<T>)| (Name::Owned(name.to_owned()), field.kind(), field.shape().into());
        Ok(Forward {
            inputs: inputs.iter().map(kind).collect(),
            outputs: names,
            program: program.map_err(|error| refused(error.to_string()))?,
            used: 0,
        })
    }
}

fn refused(problem: String) -> LayerError {
    LayerError { layer: "the model".into(), problem }
}
