//! Shapes, selection, indexing.

use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Error, Ints, Mask, Pad, Result, Tape, Tensor, Var};
use serde_json::Value;

pub fn apply<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    Some(match op {
        "where" | "greater_scalar" | "masked_fill" => masks(op, attrs, x),
        "split" | "chunk" | "unbind" => pieces(op, attrs, x),
        "concat" | "stack" => one(joined(op, attrs, x)),
        "index_select" | "take" | "gather" | "scatter" | "scatter_add" | "index_add" => one(indexed(op, attrs, x)),
        "clamp" | "clamp_tensor" | "lerp" | "fill_like" | "detach" | "identity_twice" => {
            one(chosen(tape, op, attrs, x))
        }
        _ => return moved(op, attrs, x).map(one),
    })
}

fn bad<V>(what: &'static str) -> Result<V> {
    Err(Error::Argument { op: "conformance", hint: format!("expected {what}") })
}

fn ints(attrs: &Attrs, key: &str) -> Result<Vec<isize>> {
    attrs.ints(key).map_or_else(|| bad("a list of integers"), Ok)
}

fn sizes(attrs: &Attrs, key: &str) -> Result<Vec<usize>> {
    attrs.sizes(key).map_or_else(|| bad("a list of sizes"), Ok)
}

fn int(attrs: &Attrs, key: &str) -> Result<isize> {
    attrs.int(key).map_or_else(|| bad("an integer"), Ok)
}

fn real<'t>(x: &[Arg<'t>], i: usize) -> Result<Var<'t, f64>> {
    x.get(i).map_or_else(|| bad("another operand"), Arg::real)
}

fn index<'t>(x: &[Arg<'t>], i: usize) -> Result<Ints<'t, f64>> {
    x.get(i).map_or_else(|| bad("an index"), Arg::index)
}

fn mask<'t>(x: &[Arg<'t>], i: usize) -> Result<Mask<'t, f64>> {
    x.get(i).map_or_else(|| bad("a mask"), Arg::mask)
}

fn masks<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Vec<Arg<'t>>> {
    match op {
        "where" => one(mask(x, 0)?.try_choose(real(x, 1)?, real(x, 2)?)),
        "masked_fill" => one(real(x, 0)?.try_masked_fill(mask(x, 1)?, attrs.f64("value").unwrap_or(0.0))),
        _ => Ok(vec![Arg::Mask(real(x, 0)?.try_is_gt(attrs.f64("value").unwrap_or(0.0))?)]),
    }
}

fn pieces<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Vec<Arg<'t>>> {
    let (x, axis) = (real(x, 0)?, attrs.int("axis").unwrap_or(0));
    let pieces = match op {
        "split" => match attrs.get("sizes").and_then(Value::as_u64) {
            Some(each) => x.try_split(&evenly(x.shape().as_slice(), axis, each as usize)?, axis)?,
            None => x.try_split(&sizes(attrs, "sizes")?, axis)?,
        },
        "chunk" => x.try_chunk(usize::try_from(int(attrs, "chunks")?).or_else(|_| bad("a count"))?, axis)?,
        _ => {
            let pieces = x.try_split(&evenly(x.shape().as_slice(), axis, 1)?, axis)?;
            pieces.into_iter().map(|p| p.try_squeeze(axis)).collect::<Result<_>>()?
        }
    };
    Ok(pieces.into_iter().map(Arg::Real).collect())
}

/// Splits an axis into pieces of one size; the last piece has the remaining elements.
fn evenly(shape: &[usize], axis: isize, each: usize) -> Result<Vec<usize>> {
    let i = if axis < 0 { axis + shape.len() as isize } else { axis };
    match shape.get(i as usize) {
        Some(&size) if each > 0 => Ok((0..size).step_by(each).map(|start| each.min(size - start)).collect()),
        _ => bad("a size and an axis"),
    }
}

fn joined<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    let parts: Vec<Var<f64>> = x.iter().map(Arg::real).collect::<Result<_>>()?;
    let axis = attrs.int("axis").unwrap_or(0);
    if op == "concat" { Var::try_concat(&parts, axis) } else { Var::try_stack(&parts, axis) }
}

fn indexed<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    let (y, index) = (real(x, 0)?, index(x, 1)?);
    let axis = int(attrs, "axis");
    match op {
        "index_select" => y.try_index_select(axis?, index),
        "take" => axis.map_or_else(|_| y.flatten().try_take(0, index), |axis| y.try_take(axis, index)),
        "gather" => y.try_gather(axis?, index),
        "scatter" => y.try_scatter(axis?, index, real(x, 2)?),
        "scatter_add" => y.try_scatter_add(axis?, index, real(x, 2)?),
        _ => y.try_index_add(axis?, index, real(x, 2)? * attrs.f64("alpha").unwrap_or(1.0)),
    }
}

fn chosen<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Var<'t, f64>> {
    let y = match real(x, 0) {
        Err(_) if op == "fill_like" => tape.constant(Tensor::zeros(&mask(x, 0)?.shape())),
        y => y?,
    };
    match op {
        "clamp" => match (attrs.f64("min"), attrs.f64("max")) {
            (None, None) => bad("a bound"),
            (low, high) => Ok(y.clamp(low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))),
        },
        "clamp_tensor" => y.try_clamp_between(real(x, 1)?, real(x, 2)?),
        "lerp" => match x.get(2) {
            Some(w) => y.try_lerp(real(x, 1)?, w.real()?),
            None => y.try_lerp(real(x, 1)?, tape.constant(attrs.f64("weight").unwrap_or(f64::NAN))),
        },
        "fill_like" => Ok(y.full_like(attrs.f64("value").unwrap_or(0.0))),
        "detach" => Ok(y.stop_gradient()),
        _ => Ok(y + y),
    }
}

/// Rearranges the elements of one operand; `None` for an unknown name.
fn moved<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Option<Result<Var<'t, f64>>> {
    let this = real(x, 0);
    let axis = || attrs.int("axis");
    let run = |f: &dyn Fn(Var<'t, f64>) -> Result<Var<'t, f64>>| Some(this.clone().and_then(f));
    match op {
        "reshape" => run(&|x| x.try_reshape_infer(&ints(attrs, "shape")?)),
        "flatten" => run(&|x| Ok(x.flatten())),
        "permute" => run(&|x| x.try_permute_axes(&ints(attrs, "axes")?)),
        "transpose" => run(&|x| x.try_transpose(int(attrs, "a0")?, int(attrs, "a1")?)),
        "broadcast_to" | "expand" => run(&|x| x.try_broadcast_to(&sizes(attrs, "shape")?)),
        "squeeze" => run(&|x| axis().map_or_else(|| x.try_squeeze_all(), |axis| x.try_squeeze(axis))),
        "unsqueeze" => run(&|x| x.try_unsqueeze(int(attrs, "axis")?)),
        "select" => run(&|x| x.try_index_axis(int(attrs, "axis")?, int(attrs, "index")?)),
        "slice" => run(&|x| slice(x, attrs)),
        "pad" => run(&|x| pad(x, attrs)),
        "flip" => run(&|x| match attrs.ints("axes") {
            Some(axes) => x.try_flip(axes.as_slice()),
            None => x.try_flip(..),
        }),
        "tile" => run(&|x| x.try_tile(&sizes(attrs, "reps")?)),
        "repeat_interleave" => run(&|x| match axis() {
            Some(axis) => x.try_repeat_interleave(&sizes(attrs, "repeats")?, axis),
            None => x.flatten().try_repeat_interleave(&sizes(attrs, "repeats")?, 0),
        }),
        "roll" => run(&|x| roll(x, &ints(attrs, "shifts")?, attrs.ints("axes"))),
        "tril" => run(&|x| x.try_tril(attrs.int("k").unwrap_or(0))),
        "triu" => run(&|x| x.try_triu(attrs.int("k").unwrap_or(0))),
        "diag" => run(&|x| x.try_diag(attrs.int("k").unwrap_or(0))),
        "diagonal" => run(&|x| {
            let axis = |key, default| attrs.int(key).unwrap_or(default);
            x.try_diagonal(axis("k", 0), axis("a0", 0), axis("a1", 1))
        }),
        "trace" => run(&|x| x.try_trace()),
        _ => None,
    }
}

fn roll<'t>(x: Var<'t, f64>, shifts: &[isize], axes: Option<Vec<isize>>) -> Result<Var<'t, f64>> {
    match (axes, shifts) {
        (None, &[shift]) => x.flatten().try_roll(shift, 0)?.try_reshape(&x.shape()),
        (Some(axes), _) if axes.len() == shifts.len() => {
            axes.iter().zip(shifts).try_fold(x, |x, (&axis, &shift)| x.try_roll(shift, axis))
        }
        _ => bad("one shift per axis"),
    }
}

fn list(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn slice<'t>(x: Var<'t, f64>, attrs: &Attrs) -> Result<Var<'t, f64>> {
    let Some(slices) = attrs.get("slices") else { return bad("slices") };
    let parts = list(slices).iter().enumerate().filter(|(_, part)| !part.is_null());
    parts.into_iter().try_fold(x, |x, (axis, part)| {
        let end = |i: usize| part[i].as_i64().map(|i| i as isize);
        x.try_slice_step(axis as isize, end(0), end(1), end(2).unwrap_or(1))
    })
}

fn pad<'t>(x: Var<'t, f64>, attrs: &Attrs) -> Result<Var<'t, f64>> {
    let value = attrs.f64("value").unwrap_or(0.0);
    let mode = match attrs.text("mode").unwrap_or("constant") {
        "constant" => Pad::Constant(value),
        "reflect" => Pad::Reflect,
        "replicate" | "edge" => Pad::Replicate,
        "circular" | "wrap" => Pad::Circular,
        _ => return bad("a padding mode"),
    };
    let width = |pair: &Value, i: usize| pair[i].as_i64().map(|n| n as isize);
    let pair = |pair: &Value| Some([width(pair, 0)?, width(pair, 1)?]);
    match attrs.get("pads").map(|pads| list(pads).iter().map(pair).collect::<Option<Vec<_>>>()) {
        Some(Some(pads)) => x.try_pad(&pads, mode),
        _ => bad("pairs of widths"),
    }
}
