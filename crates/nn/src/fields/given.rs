//! Fields on a tape: the arguments of a model and a loss, and the results of a model.

use super::{Field, Fields, Key, List, Name, Samples};
use crate::once;
use autograd::{Error, Float, Ints, Mask, Result, Shape, Tape, Var};
use std::borrow::Cow;
use std::cell::Cell;

/// A value on a tape: numbers, integers or booleans.
#[derive(Debug, Clone, Copy)]
pub enum FieldVar<'t, T: Float> {
    /// Numbers, which can have a derivative.
    Numbers(Var<'t, T>),
    /// Integers: indices, lengths, labels.
    Integers(Ints<'t, T>),
    /// Booleans: masks.
    Booleans(Mask<'t, T>),
}

impl<'t, T: Float> FieldVar<'t, T> {
    /// Sizes of the axes.
    ///
    /// ```
    /// use nn::FieldVar;
    /// let tape = autograd::Tape::<f64>::new();
    /// let labels = FieldVar::Integers(tape.integers(autograd::tensor![1_i64, 0]));
    /// assert_eq!(labels.shape().as_slice(), [2]);
    /// ```
    pub fn shape(self) -> Shape {
        match self {
            FieldVar::Numbers(x) => x.shape(),
            FieldVar::Integers(x) => x.shape(),
            FieldVar::Booleans(x) => x.shape(),
        }
    }

    /// The id of its node.
    pub(crate) fn id(self) -> usize {
        match self {
            FieldVar::Numbers(x) => x.id(),
            FieldVar::Integers(x) => x.id(),
            FieldVar::Booleans(x) => x.indicator().id(),
        }
    }

    fn told(&self) -> String {
        let kind = match self {
            FieldVar::Numbers(_) => "numbers",
            FieldVar::Integers(_) => "integers",
            FieldVar::Booleans(_) => "booleans",
        };
        format!("{kind} {:?}", self.shape().as_slice())
    }
}

impl<T: Float> Field<T> {
    #[track_caller]
    fn on<'t>(&self, tape: &'t Tape<T>) -> FieldVar<'t, T> {
        match self {
            Field::Numbers(x) => FieldVar::Numbers(tape.constant(x.clone())),
            Field::Integers(x) => FieldVar::Integers(tape.integers(x.clone())),
            Field::Booleans(x) => FieldVar::Booleans(tape.mask(x.clone())),
        }
    }
}

/// Named variables on a tape, in an order: the inputs of a [`Model`](crate::Model), its targets, or its outputs.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Vars, data::Fields};
/// let tape = Tape::<f64>::new();
/// let inputs = Fields::new().with("word", tensor![3_i64]).with("seen", tensor![true]).on(&tape);
/// assert_eq!(inputs.integers("word")?.value(), tensor![3_i64]);
/// assert_eq!(inputs.booleans("seen")?.value(), tensor![true]);
/// assert_eq!(inputs.get("word")?.shape().as_slice(), [1]);
///
/// // What a model returns: one variable, a tuple, or variables with names.
/// let (mean, scale) = (tape.var([1.0]), tape.var([2.0]));
/// assert_eq!(Vars::from(mean).only()?.id(), mean.id());
/// assert_eq!(Vars::from((mean, scale)).numbers(1)?.id(), scale.id());
/// let outputs = Vars::new().with("mean", mean).with("scale", scale);
/// assert_eq!(outputs.numbers("scale")?.id(), scale.id());
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Vars<'t, T: Float> {
    pub(crate) list: List<FieldVar<'t, T>>,
    /// The name of one of them in errors.
    role: &'static str,
    /// Which of the first 64 have been read, as bits.
    read: Cell<u64>,
}

impl<T: Float> Default for Vars<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Fields<T> {
    /// The fields on a tape.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// let tape = Tape::<f64>::new();
    /// let inputs = nn::data::Fields::new().with("x", tensor![2.0]).on(&tape);
    /// assert_eq!(inputs.numbers("x")?.item(), 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn on<'t>(&self, tape: &'t Tape<T>) -> Vars<'t, T> {
        self.on_as(tape, "input")
    }

    #[track_caller]
    fn on_as<'t>(&self, tape: &'t Tape<T>, role: &'static str) -> Vars<'t, T> {
        let mut list = List::default();
        for (name, field) in &self.list.0 {
            list.0.push((name.clone(), field.on(tape)));
        }
        Vars { list, role, read: Cell::new(0) }
    }
}

impl<'t, T: Float> Vars<'t, T> {
    /// No variables.
    pub fn new() -> Self {
        Vars { list: List::default(), role: "output", read: Cell::new(0) }
    }

    /// Adds a variable.
    ///
    /// # Panics
    /// Panics if there is a variable with this name.
    #[track_caller]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, var: Var<'t, T>) -> Self {
        self.list.push(name.into(), FieldVar::Numbers(var));
        self
    }

    /// A single target.
    pub(crate) fn one(name: &'static str, var: FieldVar<'t, T>) -> Self {
        let mut all = Vars { role: "target", ..Vars::new() };
        all.list.0.push((name.into(), var));
        all
    }

    /// Number of variables.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let outputs = nn::Vars::from((tape.var(1.0), tape.var(2.0)));
    /// assert_eq!((outputs.len(), outputs.is_empty(), outputs.names().last()), (2, false, Some("1")));
    /// ```
    pub fn len(&self) -> usize {
        self.list.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.0.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.0.iter().map(|(name, _)| &**name)
    }

    /// The variable with this name or position, of any type.
    ///
    /// # Errors
    /// Returns an error that lists the names if there is none.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Result<FieldVar<'t, T>> {
        found(self, key.into())
    }

    /// The numbers with this name or place.
    ///
    /// # Errors
    /// Returns an error if there are none, or they are integers or booleans.
    pub fn numbers<'k>(&self, key: impl Into<Key<'k>>) -> Result<Var<'t, T>> {
        let key = key.into();
        match self.get(key)? {
            FieldVar::Numbers(x) => Ok(x),
            other => Err(mistaken(self, key, other, "numbers")),
        }
    }

    /// The integers with this name or place.
    ///
    /// # Errors
    /// Returns an error if there are none, or they are numbers or booleans.
    pub fn integers<'k>(&self, key: impl Into<Key<'k>>) -> Result<Ints<'t, T>> {
        let key = key.into();
        match self.get(key)? {
            FieldVar::Integers(x) => Ok(x),
            other => Err(mistaken(self, key, other, "integers")),
        }
    }

    /// The mask with this name or place.
    ///
    /// # Errors
    /// Returns an error if there is none, or it holds numbers or integers.
    pub fn booleans<'k>(&self, key: impl Into<Key<'k>>) -> Result<Mask<'t, T>> {
        let key = key.into();
        match self.get(key)? {
            FieldVar::Booleans(x) => Ok(x),
            other => Err(mistaken(self, key, other, "booleans")),
        }
    }

    /// The only variable, which holds numbers.
    ///
    /// # Errors
    /// Returns an error if there are several, none, or it holds integers or booleans.
    pub fn only(&self) -> Result<Var<'t, T>> {
        only(self)
    }

    /// The variables that hold numbers, in order.
    pub(crate) fn vars(&self) -> impl Iterator<Item = (&Name, Var<'t, T>)> {
        self.list.0.iter().filter_map(|(name, var)| match var {
            FieldVar::Numbers(x) => Some((name, *x)),
            FieldVar::Integers(_) | FieldVar::Booleans(_) => None,
        })
    }

    /// The names of the unread variables.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &str> {
        let read = self.read.get();
        self.names().enumerate().filter(move |(place, _)| *place < 64 && read >> place & 1 == 0).map(|(_, name)| name)
    }

    /// All of them, with their shapes, for errors.
    pub(crate) fn told(&self) -> String {
        self.list.told(FieldVar::told)
    }
}

fn wrong(hint: String) -> Error {
    Error::Argument { op: "batch", hint }
}

once! {
    fn found<'t, T>(vars: &Vars<'t, T>, key: Key<'_>) -> Result<FieldVar<'t, T>> {
        let Some(place) = vars.list.place(key) else {
            let (role, all) = (vars.role, vars.told());
            return Err(wrong(format!("there is no {role} {key}; the {role}s are {all}")));
        };
        vars.read.set(vars.read.get() | 1u64.checked_shl(place as u32).unwrap_or(0));
        Ok(vars.list.0[place].1)
    }

    fn only<'t, T>(vars: &Vars<'t, T>) -> Result<Var<'t, T>> {
        match vars.len() {
            1 => vars.numbers(0),
            n => Err(wrong(format!("expected one {}, got {n}: {}", vars.role, vars.told()))),
        }
    }

    fn mistaken<'t, T>(vars: &Vars<'t, T>, key: Key<'_>, found: FieldVar<'t, T>, wanted: &str) -> Error {
        wrong(format!("the {} {key} is {}, not {wanted}", vars.role, found.told()))
    }

    fn listed<'t, T>(vars: &[Var<'t, T>]) -> Vars<'t, T> {
        let mut all = Vars::new();
        for var in vars {
            let name = all.list.next_name();
            all.list.push(name, FieldVar::Numbers(*var));
        }
        all
    }
}

impl<'t, T: Float> From<Var<'t, T>> for Vars<'t, T> {
    fn from(var: Var<'t, T>) -> Self {
        listed(&[var])
    }
}

/// Variables that are named by their places: `0`, `1`, …
impl<'t, T: Float, const N: usize> From<[Var<'t, T>; N]> for Vars<'t, T> {
    fn from(vars: [Var<'t, T>; N]) -> Self {
        listed(&vars)
    }
}

/// Variables that are named by their places: `0`, `1`.
impl<'t, T: Float> From<(Var<'t, T>, Var<'t, T>)> for Vars<'t, T> {
    fn from((a, b): (Var<'t, T>, Var<'t, T>)) -> Self {
        listed(&[a, b])
    }
}

/// Variables that are named by their places: `0`, `1`, `2`.
impl<'t, T: Float> From<(Var<'t, T>, Var<'t, T>, Var<'t, T>)> for Vars<'t, T> {
    fn from((a, b, c): (Var<'t, T>, Var<'t, T>, Var<'t, T>)) -> Self {
        listed(&[a, b, c])
    }
}

/// A batch on a tape: what a loss may depend on, apart from the outputs. Everything in it is an input of a replayed
/// step.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::data::{Fields, Samples};
/// let tape = Tape::<f64>::new();
/// let samples = Samples::new(Fields::new().with("x", tensor![1.0]), Fields::new().with("y", tensor![2.0]));
/// let given = samples.on(&tape);
/// assert_eq!((given.inputs.numbers("x")? + given.targets.numbers("y")?).item(), 3.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Given<'t, T: Float> {
    /// The inputs.
    pub inputs: Vars<'t, T>,
    /// The targets.
    pub targets: Vars<'t, T>,
    /// The weight of each sample, if they have weights.
    pub weights: Option<Var<'t, T>>,
}

impl<T: Float> Samples<T> {
    /// The batch on a tape.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::data::{Fields, Samples};
    /// let tape = Tape::<f64>::new();
    /// let given = Samples::unlabeled(Fields::new().with("x", tensor![2.0])).on(&tape);
    /// assert_eq!((given.inputs.only()?.item(), given.targets.len()), (2.0, 0));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn on<'t>(&self, tape: &'t Tape<T>) -> Given<'t, T> {
        Given {
            inputs: self.inputs.on_as(tape, "input"),
            targets: self.targets.on_as(tape, "target"),
            weights: self.weights.as_ref().map(|weights| tape.constant(weights.clone())),
        }
    }
}

impl<'t, T: Float> Given<'t, T> {
    /// All variables, inputs first, in the order of [`Samples`].
    pub(crate) fn each(&self) -> impl Iterator<Item = FieldVar<'t, T>> {
        let fields = self.inputs.list.0.iter().chain(&self.targets.list.0).map(|(_, var)| *var);
        fields.chain(self.weights.map(FieldVar::Numbers))
    }
}
