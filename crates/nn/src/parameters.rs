//! [`Parameters`]: what has named parameters, and how a walk over them spells the names. It knows tensors, but not what
//! is computed with them.

use crate::Param;
use autograd::Float;
use std::fmt::{Display, Write};

/// Something with named parameters: a [`Param`], a layer, a list of layers. Implement it with
/// [`parameters!`](crate::parameters).
///
/// ```
/// use nn::{Parameters, Path, layer::Linear};
/// let rng = &mut autograd::Rng::new(0);
/// let mut layers = vec![Linear::<f32>::new(4, 3, rng), Linear::new(3, 2, rng)];
/// layers.visit_mut(&mut Path::default(), &mut |name, param| param.set_trainable(name.starts_with("1.")));
/// assert_eq!(nn::parameter_count(&layers), 3 * 2 + 2); // the first is frozen
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which parameters of type `{T}` it has",
    label = "no list of parameters",
    note = "write `parameters! {{ impl Parameters<{T}> for … {{ weight, bias }} }}`, with the fields that hold them"
)]
#[doc(alias = "ModuleList")]
pub trait Parameters<T: Float> {
    /// Calls `f` with each parameter and buffer and its name, in a fixed order.
    ///
    /// ```
    /// use nn::{Parameters, Path, layer::Linear};
    /// let mut largest = 0;
    /// let layer = Linear::<f32>::new(3, 2, &mut autograd::Rng::new(0));
    /// layer.visit(&mut Path::default(), &mut |_, param| largest = largest.max(param.value().len()));
    /// assert_eq!(largest, 6);
    /// ```
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>));
    /// Calls `f` with mutable access to each parameter and buffer and its name, in the same order.
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>));
}

/// The name of the place being visited, such as `encoder.0.weight`. It is reused from visit to visit, so that naming
/// does not allocate once warm.
///
/// ```
/// let (mut path, mut seen) = (nn::Path::default(), Vec::new());
/// path.within("encoder", |path| {
///     path.within(0, |path| seen.push(path.as_str().to_owned()));
///     path.ending("_l1", |path| path.within("weight", |path| seen.push(path.as_str().to_owned())));
/// });
/// assert_eq!((seen, path.as_str()), (vec!["encoder.0".to_owned(), "encoder.weight_l1".to_owned()], ""));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Path {
    name: String,
    ending: String,
}

impl Path {
    /// The current name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Runs `f` with the path one level deeper.
    pub fn within(&mut self, name: impl Display, f: impl FnOnce(&mut Path)) {
        let length = self.name.len();
        self.descend(&name);
        f(self);
        self.name.truncate(length);
    }

    fn descend(&mut self, name: &dyn Display) {
        let dot = if self.name.is_empty() { "" } else { "." };
        write!(self.name, "{dot}{name}{}", self.ending).expect("writing to a string succeeds");
    }

    /// Runs `f` with `ending` appended to each name it descends into: the ending `_l0` turns `weight` into `weight_l0`.
    pub fn ending(&mut self, ending: impl Display, f: impl FnOnce(&mut Path)) {
        self.ending.clear();
        write!(self.ending, "{ending}").expect("writing to a string succeeds");
        f(self);
        self.ending.clear();
    }
}

impl<T: Float> Parameters<T> for Param<T> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        f(path.as_str(), self);
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        f(path.as_str(), self);
    }
}

/// Absent parameters (a layer without bias) have no name.
impl<T: Float, P: Parameters<T>> Parameters<T> for Option<P> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        self.iter().for_each(|p| p.visit(path, f));
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        self.iter_mut().for_each(|p| p.visit_mut(path, f));
    }
}

/// Lists are named by position: `0`, `1`, …
impl<T: Float, P: Parameters<T>> Parameters<T> for Vec<P> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        self.iter().enumerate().for_each(|(i, p)| path.within(i, |path| p.visit(path, f)));
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        self.iter_mut().enumerate().for_each(|(i, p)| path.within(i, |path| p.visit_mut(path, f)));
    }
}

impl<T: Float, P: Parameters<T> + ?Sized> Parameters<T> for Box<P> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        (**self).visit(path, f);
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        (**self).visit_mut(path, f);
    }
}

/// Implements [`Parameters`](crate::Parameters) from the names of the fields that hold parameters or layers. A name
/// that differs from the field's follows `as`; `..` before a field omits its name from the path.
///
/// ```
/// # use nn::{Param, parameters}; use autograd::{Float, tensor};
/// struct Affine<T: Float> { weight: Param<T>, bias: Option<Param<T>>, fan_in: usize }
/// parameters! { impl[T: Float] Parameters<T> for Affine<T> { weight, bias } }
///
/// struct Pair<T: Float> { affine: Affine<T>, gate: Param<T>, last: Affine<T> }
/// parameters! { impl[T: Float] Parameters<T> for Pair<T> { affine, gate as "type", ..last } }
///
/// # let affine = || Affine::<f32> { weight: Param::new(tensor![1.0f32]), bias: None, fan_in: 1 };
/// let pair = Pair { affine: affine(), gate: Param::new(tensor![2.0f32]), last: affine() };
/// assert_eq!(nn::names(&pair), ["affine.weight", "type", "weight"]);
/// ```
#[macro_export]
macro_rules! parameters {
    (impl $([$($generics:tt)*])? Parameters<$T:ty> for $Layer:ty { $($fields:tt)* }) => {
        impl $(<$($generics)*>)? $crate::Parameters<$T> for $Layer {
            #[allow(unused_variables)]
            fn visit(&self, path: &mut $crate::Path, f: &mut dyn FnMut(&str, &$crate::Param<$T>)) {
                $crate::parameters! { @each visit self path f; $($fields)* }
            }
            #[allow(unused_variables)]
            fn visit_mut(&mut self, path: &mut $crate::Path, f: &mut dyn FnMut(&str, &mut $crate::Param<$T>)) {
                $crate::parameters! { @each visit_mut self path f; $($fields)* }
            }
        }
    };
    (@each $visit:ident $self:ident $path:ident $f:ident; ..$field:ident $(, $($rest:tt)*)?) => {
        $crate::parameters! { @field $visit $self $path $f $field };
        $crate::parameters! { @each $visit $self $path $f; $($($rest)*)? }
    };
    (@each $visit:ident $self:ident $path:ident $f:ident; $field:ident as $name:literal $(, $($rest:tt)*)?) => {
        $path.within($name, |$path| $crate::parameters! { @field $visit $self $path $f $field });
        $crate::parameters! { @each $visit $self $path $f; $($($rest)*)? }
    };
    (@each $visit:ident $self:ident $path:ident $f:ident; $field:ident $(, $($rest:tt)*)?) => {
        $path.within(stringify!($field), |$path| $crate::parameters! { @field $visit $self $path $f $field });
        $crate::parameters! { @each $visit $self $path $f; $($($rest)*)? }
    };
    (@each $visit:ident $self:ident $path:ident $f:ident;) => {};
    (@field visit $self:ident $path:ident $f:ident $field:ident) => {
        $crate::Parameters::visit(&$self.$field, $path, $f)
    };
    (@field visit_mut $self:ident $path:ident $f:ident $field:ident) => {
        $crate::Parameters::visit_mut(&mut $self.$field, $path, $f)
    };
}

/// The names of all parameters and buffers, in PyTorch's format.
///
/// ```
/// let model = nn::layer::Mlp::new(&[4, 3, 2]).batch_norm(true).build::<f32>();
/// assert_eq!(nn::names(&model)[..3], ["0.weight", "0.bias", "1.weight"]);
/// assert!(nn::names(&model).contains(&"1.running_mean".to_owned()));
/// ```
#[doc(alias = "named_parameters")]
pub fn names<T: Float>(model: &(impl Parameters<T> + ?Sized)) -> Vec<String> {
    let mut names = Vec::new();
    model.visit(&mut Path::default(), &mut |name, _| names.push(name.to_owned()));
    names
}

/// The number of trainable scalars.
///
/// ```
/// use nn::layer::Linear;
/// let layer = Linear::<f32>::new(64, 32, &mut autograd::Rng::new(0));
/// assert_eq!(nn::parameter_count(&layer), 64 * 32 + 32);
/// ```
pub fn parameter_count<T: Float>(model: &(impl Parameters<T> + ?Sized)) -> usize {
    let mut count = 0;
    model.visit(&mut Path::default(), &mut |_, p| count += if p.is_trainable() { p.value().len() } else { 0 });
    count
}
