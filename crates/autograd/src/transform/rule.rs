//! Rules that are written over variables: a value, a pull-back and a push-forward, each a recording. [`ByVars`] turns them
//! into a user's op. Where tensors are needed, they are recorded on a separate tape.

use super::point::Point;
use super::vmap::mapped;
use crate::error::{Error, Result, or_panic};
use crate::float::{Float, Precision};
use crate::op::Op;
use crate::rules::Cotangents;
use crate::tape::{DynRule, Tape, Var};
use crate::tensor::{Shape, Tensor};
use std::panic::Location;
use std::sync::Arc;

/// A user's function.
pub(super) type Function<T> = Arc<dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync>;

/// Such a function.
pub(super) fn function<T: Float, F>(f: F) -> Function<T>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    Arc::new(f)
}

/// Records a value at variables, or returns an error.
pub(super) type Recording<T> = Arc<dyn for<'t> Fn(&[Var<'t, T>]) -> Result<Var<'t, T>> + Send + Sync>;

/// Such a function.
pub(super) fn recording<T: Float, F>(f: F) -> Recording<T>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Result<Var<'t, T>> + Send + Sync + 'static,
{
    Arc::new(f)
}

/// A rule over variables.
pub(super) trait Traced<T: Float>: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The value: what is recorded, apart, unless there is another way.
    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(apart(x, |x| Ok(vec![self.record(x)?]))?.swap_remove(0))
    }

    /// The cotangents of the inputs, given the result `y` and its cotangent `g`; or of the first ones, if none flows to the
    /// others.
    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>>;

    /// The tangent of the result, given those of the inputs.
    fn push<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>>;

    /// The cotangents as tensors, where this takes less memory than recording them.
    fn pull_apart(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Result<Vec<Tensor<T>>> {
        let all: Vec<&Tensor<T>> = x.iter().copied().chain([y, g]).collect();
        apart(&all, |all| self.pull(&all[..x.len()], all[x.len()], all[x.len() + 1]))
    }

    /// The tangent as a tensor, likewise.
    fn push_apart(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        let tape = Tape::new();
        let var = |x: &Tensor<T>| tape.var(x.clone());
        let (x, t): (Vec<_>, Vec<_>) = (x.iter().map(|x| var(x)).collect(), t.iter().map(|t| t.map(var)).collect());
        Ok(self.push(&x, var(y), &t)?.map(Var::peek))
    }

    /// See [`DynRule::records`].
    fn records(&self) -> bool {
        false
    }

    /// See [`DynRule::record`].
    fn record<'t>(&self, _x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        unreachable!("{} records no value", self.name())
    }

    /// See [`DynRule::map`].
    fn map<'t>(&self, _x: &[Var<'t, T>], _batched: &[bool], _n: usize) -> Option<Result<Var<'t, T>>> {
        None
    }
}

/// Runs a function on variables of a separate tape, and returns the values.
pub(super) fn apart<T: Float, F>(x: &[&Tensor<T>], work: F) -> Result<Vec<Tensor<T>>>
where
    F: for<'t> FnOnce(&[Var<'t, T>]) -> Result<Vec<Var<'t, T>>>,
{
    let tape = Tape::new();
    let x: Vec<Var<T>> = x.iter().map(|&x| tape.var(x.clone())).collect();
    Ok(work(&x)?.into_iter().map(Var::peek).collect())
}

fn vars<'t, T: Float>(x: &[&Var<'t, T>]) -> Vec<Var<'t, T>> {
    x.iter().map(|x| **x).collect()
}

/// Records a rule at inputs on one tape.
#[track_caller]
pub(super) fn applied<'t, T: Float>(rule: impl Traced<T>, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
    let tape = x[0].tape;
    Ok(Var { tape, id: tape.apply_rule(Arc::new(ByVars(rule)), x, Location::caller())? })
}

/// Likewise, where the value `y` is known.
#[track_caller]
pub(super) fn known<'t, T: Float>(rule: impl Traced<T>, x: &[Var<'t, T>], y: Tensor<T>) -> Var<'t, T> {
    let tape = x[0].tape;
    let (id, inputs) = (tape.add_rule(Arc::new(ByVars(rule))), x.iter().map(|x| x.id).collect());
    Var { tape, id: tape.structured(Op::Custom { id }, inputs, y, Location::caller()) }
}

/// The result of a rule at the inputs of a transform.
#[track_caller]
pub(super) fn by_rule<T: Float, P: Point<T>>(rule: impl Traced<T>, x: &[P]) -> Result<P::Out> {
    let (line, op) = (Location::caller(), rule.name());
    let rule: Arc<dyn DynRule<T>> = Arc::new(ByVars(rule));
    let mut y = P::run(op, x, &|x| {
        let tape = x[0].tape;
        Ok(vec![Var { tape, id: tape.apply_rule(rule.clone(), x, line)? }])
    })?;
    Ok(y.swap_remove(0))
}

/// A user's op with such a rule. Its value and derivatives are computed on separate tapes, in full precision.
pub(super) struct ByVars<R>(pub(super) R);

impl<T: Float, R: Traced<T>> DynRule<T> for ByVars<R> {
    fn rule_name(&self) -> &'static str {
        self.0.name()
    }

    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        self.0.value(x)
    }

    fn vjp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        or_panic(self.0.pull_apart(x, y, g)).into_iter().map(Some).collect()
    }

    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        or_panic(y.tape.with_precision(Precision::Full, || self.0.pull(&vars(x), *y, *g)))
            .into_iter()
            .map(Some)
            .collect()
    }

    fn jvp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        self.0.push_apart(x, y, t)
    }

    fn jvp_recorded<'t>(
        &self,
        x: &[&Var<'t, T>],
        y: &Var<'t, T>,
        t: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>> {
        let t: Vec<_> = t.iter().map(|t| t.copied()).collect();
        y.tape.with_precision(Precision::Full, || self.0.push(&vars(x), *y, &t))
    }

    fn records(&self) -> bool {
        self.0.records()
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        x[0].tape.with_precision(Precision::Full, || self.0.record(x))
    }

    fn map<'t>(&self, x: &[Var<'t, T>], batched: &[bool], n: usize) -> Option<Result<Var<'t, T>>> {
        x[0].tape.with_precision(Precision::Full, || self.0.map(x, batched, n))
    }
}

/// The cotangents of a rule as one node: its inputs are those of the rule, its result and the cotangent of that; its value is
/// all cotangents, concatenated, computed on a separate tape. Its own derivatives are those of the recorded value of the
/// rule.
struct Adjoint<R> {
    of: R,
}

/// The cotangents of a rule, recorded as one node.
pub(super) fn adjoint<'t, T: Float, R: Traced<T>>(
    of: R,
    x: &[Var<'t, T>],
    y: Var<'t, T>,
    g: Var<'t, T>,
) -> Result<Vec<Var<'t, T>>> {
    let all: Vec<Var<T>> = x.iter().copied().chain([y, g]).collect();
    split(applied(Adjoint { of }, &all)?, &x.iter().map(|x| x.shape()).collect::<Vec<_>>())
}

/// Values one after another, as one vector.
pub(super) fn joined<'t, T: Float>(x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
    let flat = |x: &Var<'t, T>| x.try_reshape(&[x.shape().iter().product()]);
    Var::try_concat(&x.iter().map(flat).collect::<Result<Vec<_>>>()?, 0)
}

/// The parts of such a vector, by their shapes.
pub(super) fn split<'t, T: Float>(x: Var<'t, T>, shapes: &[Shape]) -> Result<Vec<Var<'t, T>>> {
    let mut at = 0;
    let part = |shape: &Shape| {
        let from = at;
        at += shape.iter().product::<usize>();
        x.try_slice(0, from..at)?.try_reshape(shape)
    };
    shapes.iter().map(part).collect()
}

impl<T: Float, R: Traced<T>> Traced<T> for Adjoint<R> {
    fn name(&self) -> &'static str {
        "adjoint"
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (inputs, [y, g]) = x.split_last_chunk().expect("a result and a cotangent");
        let bars = self.of.pull_apart(inputs, y, g)?;
        let flat: Vec<Tensor<T>> = bars.iter().map(|bar| bar.reshape(&[bar.len()])).collect();
        Tensor::try_concat(&flat, 0)
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        Ok(self.record(x)?.grad_with(g, x, true))
    }

    fn push<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let along: Vec<_> = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, t))).collect();
        self.record(x)?.try_jvp_recorded(&along).map(Some)
    }

    fn records(&self) -> bool {
        self.of.records()
    }

    /// The result is recorded again as a function of the inputs, so nothing depends on the given one.
    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let (inputs, [_, g]) = x.split_last_chunk().expect("a result and a cotangent");
        joined(&self.of.record(inputs)?.grad_with(*g, inputs, true))
    }
}

/// A rule on `n` samples at once: its value and its derivatives are recorded for one sample and read for all.
pub(super) struct Mapped<T: Float> {
    pub(super) rule: Arc<dyn DynRule<T>>,
    /// Which inputs have an axis of samples in front; all samples share the others.
    pub(super) batched: Vec<bool>,
}

impl<T: Float> Mapped<T> {
    fn axes(&self, inputs: usize) -> Vec<Option<isize>> {
        // The result and its cotangent have samples.
        let axis = |i: usize| self.batched.get(i).copied().unwrap_or(true).then_some(0);
        (0..inputs).map(axis).collect()
    }
}

impl<T: Float> Traced<T> for Mapped<T> {
    fn name(&self) -> &'static str {
        self.rule.rule_name()
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let all: Vec<Var<T>> = x.iter().copied().chain([y, g]).collect();
        let bars = mapped(
            self.name(),
            &|all| {
                let (x, rest) = all.split_at(x.len());
                let bars = self.rule.vjp_recorded(&x.iter().collect::<Vec<_>>(), &rest[0], &rest[1]);
                let all = x.iter().zip(bars);
                Ok(all.map(|(x, bar)| bar.unwrap_or_else(|| x.tape.constant(Tensor::zeros(&x.shape())))).collect())
            },
            &self.axes(all.len()),
            &all,
        )?;
        // An input that all samples share gets the cotangents of all.
        let summed = |(bar, &batched): (Var<'t, T>, &bool)| if batched { bar } else { bar.sum_axes(0) };
        Ok(bars.into_iter().zip(&self.batched).map(summed).collect())
    }

    fn push<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let moving: Vec<usize> = (0..x.len()).filter(|&i| t[i].is_some()).collect();
        let along = moving.iter().filter_map(|&i| t[i]);
        let all: Vec<Var<T>> = x.iter().copied().chain([y]).chain(along).collect();
        let mut axes = self.axes(x.len() + 1);
        axes.extend(moving.iter().map(|&i| axes[i]).collect::<Vec<_>>());
        let mut dot = mapped(
            self.name(),
            &|all| {
                let (x, rest) = all.split_at(x.len());
                let mut t = vec![None; x.len()];
                moving.iter().zip(&rest[1..]).for_each(|(&i, dot)| t[i] = Some(dot));
                let dot = self.rule.jvp_recorded(&x.iter().collect::<Vec<_>>(), &rest[0], &t)?;
                Ok(vec![dot.unwrap_or_else(|| rest[0].tape.constant(Tensor::zeros(&rest[0].shape())))])
            },
            &axes,
            &all,
        )?;
        Ok(dot.pop())
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        Ok(mapped(self.name(), &|x| Ok(vec![self.rule.record(x)?]), &self.axes(x.len()), x)?.swap_remove(0))
    }
}

/// The error of a result with another shape than `like`, which is called `what`.
pub(super) fn check_shape<T: Float>(op: &'static str, y: Var<'_, T>, like: Var<'_, T>, what: &str) -> Result<()> {
    if y.shape() == like.shape() {
        return Ok(());
    }
    let hint = format!("the function must return {what}, {:?}", like.shape());
    Err(Error::Shape { op, shape: y.shape().as_slice().into(), hint })
}
