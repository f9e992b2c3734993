//! [`Samples`]: a batch of any number of named inputs and targets, each of numbers, integers or booleans, and
//! [`Given`], the same on the tape of a pass. It knows neither models nor losses.

mod given;
mod samples;

pub use given::{FieldVar, Given, Vars};
pub use samples::Samples;

use autograd::{Error, Float, Result, Tensor};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// A name of a field. String literals are not copied.
pub(crate) type Name = Cow<'static, str>;

/// The name of a model's only input, and of its only target.
pub(crate) const ONLY_INPUT: &str = "x";
pub(crate) const ONLY_TARGET: &str = "target";

/// A tensor of numbers, integers or booleans: one input or one target of a batch.
///
/// ```
/// use autograd::tensor;
/// use nn::data::Field;
/// let users = Field::<f32>::from(tensor![3_i64, 1]);
/// assert_eq!((users.shape(), users.to_string()), ([2].as_slice(), "integers [2]".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Field<T: Float> {
    /// Numbers, which can have a derivative.
    Numbers(Tensor<T>),
    /// Integers: indices, lengths, labels.
    Integers(Tensor<i64>),
    /// Booleans: masks.
    Booleans(Tensor<bool>),
}

/// Evaluates an expression on the tensor of a field, whatever its type, and wraps it again after `=>>`.
macro_rules! each {
    ($field:expr, $t:ident => $value:expr) => {
        match $field {
            $crate::fields::Field::Numbers($t) => $value,
            $crate::fields::Field::Integers($t) => $value,
            $crate::fields::Field::Booleans($t) => $value,
        }
    };
    ($field:expr, $t:ident =>> $value:expr) => {
        match $field {
            $crate::fields::Field::Numbers($t) => $crate::fields::Field::Numbers($value),
            $crate::fields::Field::Integers($t) => $crate::fields::Field::Integers($value),
            $crate::fields::Field::Booleans($t) => $crate::fields::Field::Booleans($value),
        }
    };
}
pub(crate) use each;

impl<T: Float> Field<T> {
    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        each!(self, t => t.shape())
    }

    /// What it holds: `numbers`, `integers` or `booleans`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Field::Numbers(_) => "numbers",
            Field::Integers(_) => "integers",
            Field::Booleans(_) => "booleans",
        }
    }

    /// Booleans as 0 and 1, the form that a program takes.
    pub(crate) fn indicator(&self) -> Option<Tensor<T>> {
        match self {
            Field::Booleans(mask) => Some(mask.indicator()),
            Field::Numbers(_) | Field::Integers(_) => None,
        }
    }

    pub(crate) fn deep_copy(&self) -> Self {
        each!(self, t =>> t.deep_copy())
    }
}

/// What it holds, and its shape.
impl<T: Float> Display for Field<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{} {:?}", self.kind(), self.shape())
    }
}

impl From<Tensor<f32>> for Field<f32> {
    fn from(numbers: Tensor<f32>) -> Self {
        Field::Numbers(numbers)
    }
}

impl From<Tensor<f64>> for Field<f64> {
    fn from(numbers: Tensor<f64>) -> Self {
        Field::Numbers(numbers)
    }
}

impl<T: Float> From<Tensor<i64>> for Field<T> {
    fn from(integers: Tensor<i64>) -> Self {
        Field::Integers(integers)
    }
}

impl<T: Float> From<Tensor<bool>> for Field<T> {
    fn from(booleans: Tensor<bool>) -> Self {
        Field::Booleans(booleans)
    }
}

/// Selects one of several fields by name or position.
///
/// ```
/// use autograd::tensor;
/// use nn::data::Fields;
/// let fields = Fields::<f64>::new().with("user", tensor![3_i64]);
/// assert_eq!(fields.get("user"), fields.get(0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'k> {
    /// The name.
    Name(&'k str),
    /// The position, counted from 0.
    Place(usize),
}

impl<'k> From<&'k str> for Key<'k> {
    fn from(name: &'k str) -> Self {
        Key::Name(name)
    }
}

impl<'k> From<&'k String> for Key<'k> {
    fn from(name: &'k String) -> Self {
        Key::Name(name)
    }
}

impl From<usize> for Key<'_> {
    fn from(place: usize) -> Self {
        Key::Place(place)
    }
}

impl Display for Key<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Key::Name(name) => write!(f, "`{name}`"),
            Key::Place(place) => write!(f, "{place} (counted from 0)"),
        }
    }
}

/// Named values, in order: fields of data, or variables on a tape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List<V>(pub(crate) SmallVec<[(Name, V); 3]>);

impl<V> Default for List<V> {
    fn default() -> Self {
        List(SmallVec::new())
    }
}

impl<V> List<V> {
    pub(crate) fn place(&self, key: Key<'_>) -> Option<usize> {
        match key {
            Key::Name(name) => self.0.iter().position(|(own, _)| own == name),
            Key::Place(place) => (place < self.0.len()).then_some(place),
        }
    }

    /// Adds a value.
    ///
    /// # Panics
    /// Panics if the name is taken.
    #[track_caller]
    fn push(&mut self, name: Name, value: V) {
        assert!(self.place(Key::Name(&name)).is_none(), "there are two fields with the name `{name}`");
        self.0.push((name, value));
    }

    /// The name of the next unnamed value: its position.
    fn next_name(&self) -> Name {
        const FIRST: [&str; 4] = ["0", "1", "2", "3"];
        FIRST.get(self.0.len()).map_or_else(|| self.0.len().to_string().into(), |&name| name.into())
    }

    /// All names with what they hold, for errors.
    pub(crate) fn told(&self, text: impl Fn(&V) -> String) -> String {
        let all: Vec<String> = self.0.iter().map(|(name, value)| format!("`{name}` ({})", text(value))).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }
}

/// The inputs of a batch, or its targets: named fields in an order, of any of the three types.
///
/// ```
/// use autograd::tensor;
/// use nn::data::Fields;
/// let ratings = Fields::<f32>::new()
///     .with("user", tensor![0_i64, 3])
///     .with("item", tensor![7_i64, 2])
///     .with("age", tensor![0.25f32, 0.5])
///     .with("seen", tensor![true, false]);
/// assert_eq!(ratings.integers("item")?, &tensor![7_i64, 2]);
/// assert_eq!((ratings.len(), ratings.is_empty(), ratings.iter().count()), (4, false, 4));
/// let positional = Fields::<f32>::from((tensor![0_i64, 3], tensor![0.25f32, 0.5])); // named "0" and "1"
/// assert_eq!(positional.numbers(1)?, &tensor![0.25f32, 0.5]);
/// let error = ratings.integers("movie").unwrap_err().to_string();
/// assert!(error.contains("no field `movie`") && error.contains("`seen` (booleans [2])"));
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fields<T: Float> {
    pub(crate) list: List<Field<T>>,
}

impl<T: Float> Default for Fields<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Fields<T> {
    /// No fields.
    pub fn new() -> Self {
        Fields { list: List::default() }
    }

    /// Adds a field.
    ///
    /// # Panics
    /// Panics if there is a field with this name.
    #[track_caller]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, field: impl Into<Field<T>>) -> Self {
        self.list.push(name.into(), field.into());
        self
    }

    /// Adds a field named by its position: `0`, `1`, …
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::data::Fields;
    /// let fields = Fields::<f64>::new().and(tensor![1.0]).and(tensor![2_i64]);
    /// assert_eq!(fields.names().collect::<Vec<_>>(), ["0", "1"]);
    /// ```
    #[track_caller]
    pub fn and(mut self, field: impl Into<Field<T>>) -> Self {
        let name = self.list.next_name();
        self.list.push(name, field.into());
        self
    }

    /// A single field.
    pub(crate) fn one(name: &'static str, field: Field<T>) -> Self {
        let mut list = List::default();
        list.0.push((name.into(), field));
        Fields { list }
    }

    /// Number of fields.
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

    /// The fields with their names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Field<T>)> {
        self.list.0.iter().map(|(name, field)| (&**name, field))
    }

    /// The field with this name or place.
    ///
    /// ```
    /// use autograd::tensor;
    /// let fields = nn::data::Fields::<f64>::new().with("user", tensor![3_i64]);
    /// assert!(fields.get("user").is_some() && fields.get(1).is_none());
    /// ```
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<&Field<T>> {
        self.list.place(key.into()).map(|place| &self.list.0[place].1)
    }

    /// The field with this name or place, which must hold numbers.
    ///
    /// # Errors
    /// Returns an error if there is no such field or it holds something else.
    pub fn numbers<'k>(&self, key: impl Into<Key<'k>>) -> Result<&Tensor<T>> {
        let key = key.into();
        match self.get(key) {
            Some(Field::Numbers(numbers)) => Ok(numbers),
            other => Err(self.wrong(key, other, "numbers")),
        }
    }

    /// The field with this name or place, which must hold integers.
    ///
    /// # Errors
    /// Returns an error if there is no such field or it holds something else.
    pub fn integers<'k>(&self, key: impl Into<Key<'k>>) -> Result<&Tensor<i64>> {
        let key = key.into();
        match self.get(key) {
            Some(Field::Integers(integers)) => Ok(integers),
            other => Err(self.wrong(key, other, "integers")),
        }
    }

    /// The field with this name or place, which must hold booleans.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::data::Fields;
    /// let fields = Fields::<f64>::new().with("mask", tensor![true, false]);
    /// assert_eq!(fields.booleans("mask")?, &tensor![true, false]);
    /// assert!(fields.integers("mask").unwrap_err().to_string().contains("holds booleans [2], not integers"));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if there is no such field or it holds something else.
    pub fn booleans<'k>(&self, key: impl Into<Key<'k>>) -> Result<&Tensor<bool>> {
        let key = key.into();
        match self.get(key) {
            Some(Field::Booleans(booleans)) => Ok(booleans),
            other => Err(self.wrong(key, other, "booleans")),
        }
    }

    /// Replaces a field that exists.
    pub(crate) fn replace(&mut self, key: Key<'_>, field: Field<T>) {
        if let Some(place) = self.list.place(key) {
            self.list.0[place].1 = field;
        }
    }

    fn wrong(&self, key: Key<'_>, found: Option<&Field<T>>, wanted: &str) -> Error {
        let hint = match found {
            Some(field) => format!("the field {key} holds {field}, not {wanted}"),
            None => format!("there is no field {key}; the fields are {self}"),
        };
        Error::Argument { op: "fields", hint }
    }

    /// Whether the other fields have the same names, types and shapes, except for the first axis.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let of_one = |fields: &Self| {
            let form = |(name, field): (&str, &Field<T>)| {
                (name.to_owned(), field.kind(), field.shape().get(1..).unwrap_or_default().to_vec())
            };
            fields.iter().map(form).collect::<Vec<_>>()
        };
        of_one(self) == of_one(other)
    }

    /// The description of one sample: the shape of a single field, or the names, types and shapes of several.
    pub(crate) fn samples_told(&self) -> String {
        let of_one = |field: &Field<T>| format!("{:?}", field.shape().get(1..).unwrap_or_default());
        match self.list.0.as_slice() {
            [(_, field)] => format!("shape {}", of_one(field)),
            _ => self.list.told(|field| format!("{} {}", field.kind(), of_one(field))),
        }
    }

    /// The same fields, each changed.
    pub(crate) fn map(&self, f: impl Fn(&Field<T>) -> Field<T>) -> Self {
        Fields { list: List(self.list.0.iter().map(|(name, field)| (name.clone(), f(field))).collect()) }
    }
}

/// The names, with what they hold.
impl<T: Float> Display for Fields<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.list.told(Field::to_string))
    }
}

macro_rules! tuples { ($(($($A:ident $a:ident),+))+) => { $(
    /// Fields named by their positions: `0`, `1`, …
    impl<T: Float, $($A: Into<Field<T>>),+> From<($($A,)+)> for Fields<T> {
        fn from(($($a,)+): ($($A,)+)) -> Self {
            Fields::new()$(.and($a))+
        }
    }
)+ } }

tuples! { (A a) (A a, B b) (A a, B b, C c) (A a, B b, C c, D d) }
