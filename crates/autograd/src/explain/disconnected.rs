//! [`Tape::disconnected`]: which inputs no derivative reaches, and where the path from the output to them breaks.

use super::collect::bare;
use super::skeleton::Raw;
use crate::float::{Float, once};
use crate::op::{Binary, Op};
use crate::tape::{Tape, Var};
use std::fmt::{self, Display, Formatter};
use std::panic::Location;

/// An input that no derivative of an output reaches: see [`Tape::disconnected`].
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnected {
    /// The position of the input among those passed to the function.
    pub input: usize,
    /// Every place where the path to the output breaks, in the order of recording.
    pub breaks: Vec<Break>,
    /// The name of the input.
    name: String,
}

/// A place where the path from an input to an output breaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Break {
    /// Why no derivative passes.
    pub cause: Cause,
    /// The op of the value at which the path breaks, or the name of the user's rule.
    pub op: &'static str,
    /// The shape of that value.
    pub shape: Vec<usize>,
    /// The line that recorded that value, or for [`Cause::Read`], the line that read it.
    pub line: &'static Location<'static>,
}

/// Why a derivative does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The input is a constant (`tape.constant`), or computed from constants only.
    Constant,
    /// No op reads the input.
    Unused,
    /// [`Var::stop_gradient`].
    Stopped,
    /// A comparison, or the condition of a choice: piecewise constant, so without a derivative.
    Comparison,
    /// The value became an integer: an index, a label, an argmax.
    Integer,
    /// The op has no derivative with respect to this input.
    Flat,
    /// Plain Rust code read the value ([`Var::value`], [`Var::item`]); the tape cannot see what it computed from it.
    Read,
    /// The output does not depend on the last value that is computed from the input.
    DeadEnd,
}

impl Display for Break {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Break { cause, op, shape, line } = self;
        let at = format!("`{op}` of shape {shape:?} at {line}");
        match cause {
            Cause::Constant => write!(f, "it is a constant, made at {line}: use `tape.var`"),
            Cause::Unused => f.write_str("no op reads it"),
            Cause::Stopped => write!(f, "{at} stops it"),
            Cause::Comparison => write!(f, "{at} only compares, which has no slope"),
            Cause::Integer => write!(f, "{at} makes integers of it"),
            Cause::Flat => write!(f, "{at} has no derivative by it"),
            Cause::Read => write!(f, "the value of {at} was read into plain Rust there, which the tape cannot follow"),
            Cause::DeadEnd => {
                write!(f, "{at} is the last value computed from it, and the output does not depend on it")
            }
        }
    }
}

impl Display for Disconnected {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "input {} ({}): no derivative reaches it", self.input, self.name)?;
        for (k, at) in self.breaks.iter().enumerate() {
            write!(f, "{} {at}", if k == 0 { ":" } else { "; also" })?;
        }
        Ok(())
    }
}

impl<T: Float> Tape<T> {
    /// The inputs that no derivative of `y` reaches, each with the lines at which the path breaks and why: a
    /// `stop_gradient`, a comparison, an integer index, a value read into plain Rust. Empty if derivatives reach all inputs.
    /// This only inspects the recording and computes nothing.
    ///
    /// ```
    /// use autograd::{Break, Cause, Disconnected, Tape};
    /// let tape = Tape::<f64>::new();
    /// let (w, b, k) = (tape.var([1.0, 2.0]), tape.var(0.5).named("b"), tape.var(3.0));
    /// let scale = k.item(); // a number: the tape does not know where it came from
    /// let loss = (w * scale + b.stop_gradient()).sum();
    /// let found: Vec<Disconnected> = tape.disconnected(loss, &[w, b, k]);
    /// assert_eq!(found.iter().map(|d| (d.input, d.breaks[0].cause)).collect::<Vec<_>>(), [(1, Cause::Stopped), (2, Cause::Read)]);
    /// let Break { op, line, .. } = found[0].breaks[0];
    /// assert_eq!((op, line.line()), ("stop_gradient", line!() - 4));
    /// assert!(found[0].to_string().starts_with("input 1 (b): no derivative reaches it: `stop_gradient` of shape [] at "));
    /// ```
    /// # Panics
    /// If a variable belongs to another tape.
    #[track_caller]
    pub fn disconnected<'t>(&'t self, y: Var<'t, T>, x: &[Var<'t, T>]) -> Vec<Disconnected> {
        let own = |v: &Var<'t, T>| std::ptr::eq(v.tape(), self);
        assert!(own(&y) && x.iter().all(own), "disconnected: a Var belongs to another tape");
        disconnected(self, y.id(), &x.iter().map(|x| x.id()).collect::<Vec<_>>())
    }
}

once! {
    fn disconnected<T>(tape: &Tape<T>, y: usize, x: &[usize]) -> Vec<Disconnected> {
        let (list, mut active) = (tape.list(), Vec::with_capacity(tape.len()));
        let raw: Vec<Raw> = (0..tape.len() as u32).map(|id| bare(&list, id)).collect();
        (0..tape.len() as u32).for_each(|id| active.push(list.active(id)));
        let (reads, leads) = (tape.reads(), leading(&raw, y));
        let find = |(input, &x): (usize, &usize)| {
            let breaks = breaks(&raw, &active, &leads, &reads, y, x)?;
            Some(Disconnected { input, breaks, name: raw[x].name(x) })
        };
        x.iter().enumerate().filter_map(find).collect()
    }
}

/// The nodes that `y` is computed from, and `y`.
fn leading(raw: &[Raw], y: usize) -> Vec<bool> {
    let mut leads = vec![false; raw.len()];
    leads[y] = true;
    for id in (0..=y).rev() {
        if leads[id] {
            raw[id].inputs.iter().for_each(|&input| leads[input as usize] = true);
        }
    }
    leads
}

/// Where the paths from `x` to `y` break; `None` if a derivative passes.
fn breaks(
    raw: &[Raw],
    active: &[bool],
    leads: &[bool],
    reads: &[(u32, &'static Location<'static>)],
    y: usize,
    x: usize,
) -> Option<Vec<Break>> {
    let at = |cause, id: usize| Break { cause, op: raw[id].what, shape: raw[id].shape.clone(), line: raw[id].line };
    if !active[x] && !matches!(raw[x].op, Op::StopGradient) {
        return Some(vec![at(Cause::Constant, x)]);
    }
    // The values from which a derivative can pass back to x, and the edges that block it.
    let (mut passes, mut found) = (vec![false; raw.len()], Vec::new());
    passes[x] = true;
    for id in x + 1..raw.len() {
        let reached = |k: &usize| passes[raw[id].inputs[*k] as usize];
        let from: Vec<usize> = (0..raw[id].inputs.len()).filter(reached).collect();
        passes[id] = from.iter().any(|&k| flows(&raw[id], k));
        if let Some(&k) = from.first()
            && !passes[id]
            && leads[id]
        {
            found.push(at(cause(&raw[id].op, k), id));
        }
    }
    if passes[y] {
        return None;
    }
    if found.is_empty() {
        let read = |&&(id, _): &&(u32, _)| passes[id as usize];
        found.extend(reads.iter().filter(read).map(|&(id, line)| Break { line, ..at(Cause::Read, id as usize) }));
    }
    if found.is_empty() {
        let last = (x..raw.len()).rev().find(|&id| passes[id]).expect("x is reached from itself");
        found.push(at(if last == x { Cause::Unused } else { Cause::DeadEnd }, last));
    }
    Some(found)
}

/// Whether a cotangent flows to input `k`.
fn flows(node: &Raw, k: usize) -> bool {
    let names = vec!["x"; node.inputs.len()];
    node.op.is_differentiable() && node.op.rule_text(k, &names, "y", "g").is_some()
}

/// Why no cotangent flows through an op to input `k`.
fn cause(op: &Op, k: usize) -> Cause {
    match op {
        Op::StopGradient => Cause::Stopped,
        Op::Binary(Binary::Copysign | Binary::TanhSlope) => Cause::Flat,
        Op::Binary(_) => Cause::Comparison,
        Op::Select if k == 0 => Cause::Comparison,
        Op::Integers { .. } | Op::Cast { .. } => Cause::Integer,
        _ => Cause::Flat,
    }
}
