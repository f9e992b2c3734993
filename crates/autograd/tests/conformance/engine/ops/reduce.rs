//! Reductions, scans, softmax, sorting.

use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Axes, Dims, Error, Ints, Order, Result, Tape, Var};

pub fn apply<'t>(_: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    let known = [
        "sum",
        "mean",
        "prod",
        "amax",
        "amin",
        "logsumexp",
        "var",
        "std",
        "norm",
        "argmax",
        "argmin",
        "max_dim",
        "min_dim",
        "median",
        "mode",
        "cumsum",
        "cumprod",
        "logcumsumexp",
        "cummax",
        "cummin",
        "sort",
        "topk",
        "softmax",
        "log_softmax",
        "softmin",
    ];
    known.contains(&op).then(|| call(op, attrs, x.first().ok_or_else(nothing)?.real()?))
}

fn nothing() -> Error {
    Error::Argument { op: "conformance", hint: "expected an operand".into() }
}

fn call<'t>(op: &str, attrs: &Attrs, x: Var<'t, f64>) -> Result<Vec<Arg<'t>>> {
    let dims = || if attrs.bool("keepdim") { Dims::Keep } else { Dims::Drop };
    let order = |descending| if descending { Order::Descending } else { Order::Ascending };
    let axes = || -> Axes {
        let given = attrs.ints("axes").or_else(|| attrs.ints("axis"));
        given.map_or_else(|| (..).into(), |axes| axes.as_slice().into())
    };
    let axis = || attrs.int("axis").unwrap_or(-1);
    let correction = || attrs.f64("correction").unwrap_or(1.0);
    let values = |y: Result<(Var<'t, f64>, Ints<'t, f64>)>| one(y.map(|(y, _)| y));
    let index = |at: Result<Ints<'t, f64>>| Ok(vec![Arg::Index(at?)]);
    match op {
        "sum" => one(x.try_sum(axes(), dims())),
        "mean" => one(x.try_mean(axes(), dims())),
        "prod" => one(x.try_prod(axes(), dims())),
        "amax" => one(x.try_max(axes(), dims())),
        "amin" => one(x.try_min(axes(), dims())),
        "logsumexp" => one(x.try_logsumexp(axes(), dims())),
        "var" => one(x.try_var(correction(), axes(), dims())),
        "std" => one(x.try_std(correction(), axes(), dims())),
        "norm" => one(x.try_norm(attrs.f64("ord").unwrap_or(2.0), axes(), dims())),
        "argmax" => index(x.try_argmax(axes(), dims())),
        "argmin" => index(x.try_argmin(axes(), dims())),
        "max_dim" => values(x.try_max_dim(axis(), dims())),
        "min_dim" => values(x.try_min_dim(axis(), dims())),
        "median" => values(x.try_median(axis(), dims())),
        "mode" => values(x.try_mode(axis(), dims())),
        "cumsum" => one(x.try_cumsum(axis())),
        "cumprod" => one(x.try_cumprod(axis())),
        "logcumsumexp" => one(x.try_logcumsumexp(axis())),
        "cummax" => values(x.try_cummax(axis())),
        "cummin" => values(x.try_cummin(axis())),
        "sort" => values(x.try_sort(axis(), order(attrs.bool("descending")))),
        "topk" => {
            // Whether the results are sorted is up to the op; ours always are.
            let _ = attrs.get("sorted");
            let largest = attrs.get("largest").is_none() || attrs.bool("largest");
            // A negative count is invalid, so it is replaced by one that exceeds every axis.
            values(x.try_topk(attrs.sizes("k").map_or(usize::MAX, |k| k[0]), axis(), order(largest)))
        }
        "softmax" => one(x.try_softmax(axis())),
        "log_softmax" => one(x.try_log_softmax(axis())),
        "softmin" => one(x.try_softmin(axis())),
        _ => unreachable!("the name is in the list"),
    }
}
