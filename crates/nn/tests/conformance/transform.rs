//! The reference cases of transforms: programs whose Jacobians, Hessians, series and so on are known.

use crate::engine::{self, Arg, Array, Attrs, Case, attempt, chain, check_results, match_all};
use autograd::transform::{
    Directions, Solver, SparseHessian, SparseJacobian, jacobian, try_fixed_point, try_hessian, try_jacobian, try_jvp,
    try_laplacian, try_per_sample_grad, try_root, try_scan, try_taylor, try_vjp, try_vmap,
};
use autograd::{Error, Tape, Tensor, Var};
use serde_json::Value;

pub fn check(case: &Case) -> Result<(), String> {
    attempt(|| run(case))
}

/// The program of a case, on inputs of which some are variables and the others constants.
#[derive(Clone)]
struct Program {
    json: Value,
    /// The inputs that are variables.
    moving: Vec<usize>,
    inputs: Vec<Array>,
}

impl Program {
    fn new(case: &Case, moving: impl Iterator<Item = usize>) -> Program {
        case.attrs.get("nodes");
        Program { json: case.json["attrs"].clone(), moving: moving.collect(), inputs: case.inputs.clone() }
    }

    /// The value at these variables.
    fn at<'t>(&self, x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let tape = x[0].tape();
        let arg = |i: usize| match self.moving.iter().position(|&m| m == i) {
            None => self.inputs[i].operand(tape),
            Some(k) => match self.inputs[i].dtype.as_str() {
                "i64" => Arg::Index(x[k].to_integers()),
                "bool" => Arg::Mask(x[k].is_ne(0.0)),
                _ => Arg::Real(x[k]),
            },
        };
        let args: Vec<Arg> = (0..self.inputs.len()).map(arg).collect();
        let nodes = Attrs::new(self.json.clone()).nodes();
        let y = chain(tape, nodes, &args, &crate::apply).expect("known ops").expect("operands that fit");
        y[0].real().expect("a real result")
    }

    /// The values of the variables.
    fn start(&self) -> Vec<Tensor<f64>> {
        self.moving.iter().map(|&i| self.inputs[i].reals()).collect()
    }
}

fn tangents(case: &Case, program: &Program) -> Vec<Tensor<f64>> {
    let all: Vec<Option<Array>> = engine::optional(&case.json["tangents"]);
    // One per input, or one per differentiable input.
    let pick = |(k, &i): (usize, &usize)| {
        all[if all.len() == case.inputs.len() { i } else { k }].as_ref().expect("a tangent").reals()
    };
    program.moving.iter().enumerate().map(pick).collect()
}

fn run(case: &Case) -> Result<(), String> {
    let grads = || (0..case.inputs.len()).filter(|&i| case.inputs[i].grad);
    let text = |error: Error| error.to_string();
    let program = Program::new(case, grads());
    let x = program.start();
    let found: Vec<Tensor<f64>> = match case.op.as_str() {
        "jacobian" => try_jacobian(|x| program.at(x), &x).map_err(text)?,
        "hessian" => try_hessian(|x| program.at(x), &x).map_err(text)?.concat(),
        "laplacian" => vec![try_laplacian(|x| program.at(x), &x, Directions::All).map_err(text)?],
        "jvp" => {
            let (y, t) = try_jvp(|x| program.at(x), &x, &tangents(case, &program)).map_err(text)?;
            vec![y, t]
        }
        "vjp" => {
            let (y, back) = try_vjp(|x| program.at(x), &x).map_err(text)?;
            let cotangent = case.cotangents[0].as_ref().ok_or("no cotangent")?.reals();
            std::iter::once(y).chain(back.call(cotangent).map_err(text)?).collect()
        }
        "taylor" => {
            let order = case.attrs.int("order").ok_or("no order")? as usize;
            try_taylor(|x| program.at(x), &x, &tangents(case, &program), order).map_err(text)?
        }
        "sparse_jacobian" => {
            let mut sparse = SparseJacobian::new(|x| program.at(x), &x[0]).map_err(text)?;
            sparse.at(&x[0]).map_err(text)?;
            small(case, sparse.colors(), sparse.pattern().nonzeros())?;
            vec![sparse.dense()]
        }
        "sparse_hessian" => {
            let mut sparse = SparseHessian::new(|x| program.at(x), &x[0]).map_err(text)?;
            sparse.at(&x[0]).map_err(text)?;
            small(case, sparse.colors(), sparse.pattern().nonzeros())?;
            vec![sparse.dense()]
        }
        "fixed_point" | "root" => solution(case)?,
        "vmap" => return mapped(case),
        "scan" => return looped(case),
        "per_sample_grad" => {
            let all = Program::new(case, 0..case.inputs.len());
            let wrt = case.attrs.sizes("wrt").ok_or("no wrt")?;
            try_per_sample_grad(|x| all.at(x), &in_axes(case), &wrt, &all.start()).map_err(text)?
        }
        other => return Err(format!("unknown transform `{other}`")),
    };
    if found.len() != case.outputs.len() {
        return Err(format!("{} outputs, expected {}", found.len(), case.outputs.len()));
    }
    let found: Vec<Array> = found.iter().map(Array::of_reals).collect();
    match_all(case, "output", &found, case.outputs.iter().map(Some), case.jax_outputs.as_deref())?;
    all_read(case)
}

fn all_read(case: &Case) -> Result<(), String> {
    let unread = case.attrs.unread();
    if unread.is_empty() { Ok(()) } else { Err(format!("unknown attributes of `{}`: {unread:?}", case.op)) }
}

/// Whether the colors and the pattern keep the bounds of the case.
fn small(case: &Case, colors: usize, nonzeros: usize) -> Result<(), String> {
    let most = |key| case.attrs.int(key).map_or(usize::MAX, |most| most as usize);
    if colors > most("most_colors") || nonzeros > most("most_nonzeros") {
        return Err(format!("{colors} colors and {nonzeros} nonzeros, above the bounds"));
    }
    Ok(())
}

fn in_axes(case: &Case) -> Vec<Option<isize>> {
    let axes = case.attrs.get("in_axes").and_then(Value::as_array).cloned().unwrap_or_default();
    axes.iter().map(|axis| axis.as_i64().map(|axis| axis as isize)).collect()
}

/// The solution, and its Jacobians by the parameters.
fn solution(case: &Case) -> Result<Vec<Tensor<f64>>, String> {
    let program = Program::new(case, 0..case.inputs.len());
    let (start, params) = (program.inputs[0].reals(), &program.start()[1..]);
    fn solved<'t>(
        op: &str,
        program: &Program,
        start: &Tensor<f64>,
        params: &[Var<'t, f64>],
    ) -> autograd::Result<Var<'t, f64>> {
        let (program, solver) = (program.clone(), Solver::default());
        match op {
            "root" => try_root(move |x| program.at(x), start, params, solver),
            _ => try_fixed_point(move |x| program.at(x), start, params, solver),
        }
    }
    let tape = Tape::new();
    let at: Vec<Var<f64>> = params.iter().map(|p| tape.var(p.clone())).collect();
    let z = solved(&case.op, &program, &start, &at).map_err(|e| e.to_string())?.value();
    let by = jacobian(|p| solved(&case.op, &program, &start, p).expect("a solution"), params);
    Ok(std::iter::once(z).chain(by).collect())
}

/// Variables of all inputs; those without derivatives are numbers on the tape.
fn variables<'t>(case: &Case, tape: &'t Tape<f64>) -> Vec<Var<'t, f64>> {
    let var = |x: &Array| if x.grad { tape.var(x.reals()) } else { tape.constant(x.reals()) };
    case.inputs.iter().map(var).collect()
}

fn mapped(case: &Case) -> Result<(), String> {
    let (tape, program) = (Tape::new(), Program::new(case, 0..case.inputs.len()));
    let x = variables(case, &tape);
    let y = try_vmap(|x| program.at(x), &in_axes(case), &x).map_err(|e| e.to_string())?;
    all_read(case)?;
    check_results(case, &tape, &x.into_iter().map(Arg::Real).collect::<Vec<_>>(), &[Arg::Real(y)])
}

fn looped(case: &Case) -> Result<(), String> {
    let (tape, program) = (Tape::new(), Program::new(case, 0..case.inputs.len()));
    let x = variables(case, &tape);
    let steps = case.attrs.int("steps");
    if steps != x[1].shape().first().map(|&steps| steps as isize) {
        return Err(format!("{steps:?} steps of {:?}", x[1].shape()));
    }
    let y = try_scan(move |x| program.at(x), &x[0], &x[1], &x[2..], 3).map_err(|e| e.to_string())?;
    all_read(case)?;
    check_results(case, &tape, &x.into_iter().map(Arg::Real).collect::<Vec<_>>(), &[Arg::Real(y)])
}
