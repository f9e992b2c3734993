//! A generic runner of reference cases: an op by name, its attributes, its inputs, and the expected value, gradient and
//! Hessian-vector product. Shared with the crate `nn`, which passes its ops as a function.

#![allow(dead_code, reason = "each crate runs its own families")]

pub mod compare;
pub mod ops;
mod schema;

use autograd::{Error, Ints, Mask, Program, Result, Tape, Tensor, Var};
use compare::{agrees, same_shape};
#[allow(unused_imports, reason = "each crate uses its own part")]
pub use schema::{Array, Attrs, Case, File, files, optional};

/// An operand or a result: differentiable numbers, integers, or a mask.
#[derive(Clone, Copy)]
pub enum Arg<'t> {
    Real(Var<'t, f64>),
    Index(Ints<'t, f64>),
    Mask(Mask<'t, f64>),
}

impl<'t> Arg<'t> {
    /// The differentiable operand; an error for a case that passes something else.
    pub fn real(&self) -> Result<Var<'t, f64>> {
        match self {
            Arg::Real(x) => Ok(*x),
            _ => Err(Error::Argument { op: "conformance", hint: "expected a real operand".into() }),
        }
    }

    pub fn index(&self) -> Result<Ints<'t, f64>> {
        match self {
            Arg::Index(x) => Ok(*x),
            _ => Err(Error::Argument { op: "conformance", hint: "expected an index".into() }),
        }
    }

    pub fn mask(&self) -> Result<Mask<'t, f64>> {
        match self {
            Arg::Mask(x) => Ok(*x),
            _ => Err(Error::Argument { op: "conformance", hint: "expected a mask".into() }),
        }
    }
}

impl<'t> From<Var<'t, f64>> for Arg<'t> {
    fn from(x: Var<'t, f64>) -> Self {
        Arg::Real(x)
    }
}

/// The results of an op, or `None` if its name is unknown.
pub type Applied<'t> = Option<Result<Vec<Arg<'t>>>>;

/// A dispatch from names to ops.
pub type Apply = dyn for<'t> Fn(&'t Tape<f64>, &str, &Attrs, &[Arg<'t>]) -> Applied<'t>;

/// A single result.
pub fn one<'t>(y: Result<Var<'t, f64>>) -> Result<Vec<Arg<'t>>> {
    Ok(vec![y?.into()])
}

/// Passed and failed cases.
#[derive(Default)]
pub struct Report {
    passed: usize,
    failures: Vec<String>,
}

impl Report {
    pub fn note(&mut self, case: &Case, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.failures.push(format!("{} ({} {}): {why}", case.id, case.op, case.attrs)),
        }
    }

    /// Prints the failures, then the totals; exits with an error if there are failures.
    pub fn finish(self) {
        self.failures.iter().for_each(|failure| println!("{failure}"));
        println!("conformance: {} passed, {} failed, 0 skipped", self.passed, self.failures.len());
        if self.passed == 0 || !self.failures.is_empty() {
            std::process::exit(1);
        }
    }
}

/// Runs one case; returns a description of any disagreement.
pub fn run(case: &Case, apply: &Apply) -> Result<(), String> {
    attempt(|| run_case(case, apply))
}

/// The outcome of a check, in which a panic is a failure.
pub fn attempt(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

fn run_case(case: &Case, apply: &Apply) -> Result<(), String> {
    let tape = Tape::new();
    let args: Vec<Arg> = case.inputs.iter().map(|x| x.operand(&tape)).collect();
    let applied = if case.op == "program" {
        program(&tape, case, &args, apply)
    } else {
        call(&tape, &case.op, &case.attrs, &args, apply)
    };
    let outputs = match (applied?, case.expect.as_deref()) {
        (Err(_), Some("error")) => return Ok(()),
        (Ok(_), Some("error")) => return Err("expected an error".into()),
        (Err(error), _) => return Err(error.to_string()),
        (Ok(outputs), _) => outputs,
    };
    check_results(case, &tape, &args, &outputs)
}

/// Calls one op; an unknown name is an error.
pub fn call<'t>(
    tape: &'t Tape<f64>,
    op: &str,
    attrs: &Attrs,
    x: &[Arg<'t>],
    apply: &Apply,
) -> Result<Result<Vec<Arg<'t>>>, String> {
    let result = apply(tape, op, attrs, x).ok_or_else(|| format!("unknown op `{op}`"))?;
    let unread = attrs.unread();
    if unread.is_empty() || result.is_err() {
        Ok(result)
    } else {
        Err(format!("unknown attributes of `{op}`: {unread:?}"))
    }
}

/// Runs a chain of ops and returns the result of the last one.
fn program<'t>(
    tape: &'t Tape<f64>,
    case: &Case,
    args: &[Arg<'t>],
    apply: &Apply,
) -> Result<Result<Vec<Arg<'t>>>, String> {
    chain(tape, case.nodes(), args, apply)
}

/// Runs the nodes of a program, and returns the result of the last one.
pub fn chain<'t>(
    tape: &'t Tape<f64>,
    nodes: Vec<(String, Vec<usize>, Attrs)>,
    args: &[Arg<'t>],
    apply: &Apply,
) -> Result<Result<Vec<Arg<'t>>>, String> {
    let mut values = args.to_vec();
    for (op, ids, attrs) in nodes {
        let x: Vec<Arg> = ids.iter().map(|&id| values[id]).collect();
        match call(tape, &op, &attrs, &x, apply)? {
            Ok(mut outputs) => values.push(outputs.swap_remove(0)),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(vec![values.pop().expect("a program has nodes")]))
}

/// Checks the values of all results, and the derivatives if the case has some.
pub fn check_results<'t>(
    case: &Case,
    tape: &'t Tape<f64>,
    args: &[Arg<'t>],
    outputs: &[Arg<'t>],
) -> Result<(), String> {
    if outputs.len() != case.outputs.len() {
        return Err(format!("{} outputs, expected {}", outputs.len(), case.outputs.len()));
    }
    let values: Vec<Array> = outputs.iter().map(Array::of).collect();
    match_all(case, "output", &values, case.outputs.iter().map(Some), case.jax_outputs.as_deref())?;
    if case.grads.is_empty() { Ok(()) } else { derivatives(case, tape, args, outputs) }
}

/// Checks the gradient, and the Hessian-vector product if the case has one.
fn derivatives(case: &Case, tape: &Tape<f64>, args: &[Arg], outputs: &[Arg]) -> Result<(), String> {
    let weighted = outputs.iter().zip(&case.cotangents).filter_map(|(y, w)| match (y, w) {
        (Arg::Real(y), Some(w)) => Some((*y, w.reals())),
        _ => None,
    });
    let s = weighted.map(|(y, w)| (y * tape.constant(w)).sum()).reduce(|a, b| a + b).ok_or("no cotangent")?;
    let wanted: Vec<usize> = (0..args.len()).filter(|&i| case.inputs[i].grad).collect();
    let x: Vec<Var<f64>> = wanted.iter().map(|&i| args[i].real().expect("a differentiable input is real")).collect();
    let reverse = s.backward();
    let gradients: Vec<Array> = x.iter().map(|&x| Array::of_reals(&reverse.wrt(x))).collect();
    let pick = |all: &'_ [Option<Array>]| wanted.iter().map(|&i| all[i].clone()).collect::<Vec<_>>();
    let expected = pick(&case.grads);
    let jax = case.jax_grads.as_ref().map(|g| pick(g).into_iter().flatten().collect::<Vec<_>>());
    match_all(case, "gradient", &gradients, expected.iter().map(Option::as_ref), jax.as_deref())?;
    let recorded = s.grad(&x);
    replayed(tape, &x, &recorded)?;
    let Some(hvp) = &case.hvp else { return Ok(()) };
    let tangents = pick(&hvp.tangents);
    let pairs =
        recorded.iter().zip(&tangents).filter_map(|(&g, v)| v.as_ref().map(|v| (g * tape.constant(v.reals())).sum()));
    let h = pairs.reduce(|a, b| a + b).ok_or("no tangent")?.backward();
    let products: Vec<Array> = x.iter().map(|&x| Array::of_reals(&h.wrt(x))).collect();
    let expected = pick(&hvp.grads);
    let jax = case.jax_hvp.as_ref().map(|h| pick(h).into_iter().flatten().collect::<Vec<_>>());
    match_all(case, "hessian-vector product", &products, expected.iter().map(Option::as_ref), jax.as_deref())
}

/// Checks that a program compiled from the tape gives the tape's gradient bit for bit, except for the signs of zeros.
fn replayed(tape: &Tape<f64>, x: &[Var<f64>], gradients: &[Var<f64>]) -> Result<(), String> {
    let bits = |x: &Tensor<f64>| -> Vec<u64> {
        x.iter().map(|x| if x.is_nan() { u64::MAX } else { (x + 0.0).to_bits() }).collect()
    };
    let values: Vec<Tensor<f64>> = x.iter().map(|x| x.value()).collect();
    let mut program = Program::try_new(tape, x, gradients).map_err(|e| e.to_string())?;
    let again = program.run(&values.iter().collect::<Vec<_>>()).map_err(|e| e.to_string())?;
    let same = gradients.iter().zip(again).all(|(g, again)| bits(&g.value()) == bits(again));
    if same { Ok(()) } else { Err("replay gives a different gradient".into()) }
}

/// Compares each array with the expected one. At edges, JAX's convention or a row of `docs/kinks.md` is accepted as
/// well.
pub fn match_all<'a>(
    case: &Case,
    what: &str,
    got: &[Array],
    expected: impl Iterator<Item = Option<&'a Array>>,
    jax: Option<&[Array]>,
) -> Result<(), String> {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let Some(expected) = expected else { continue };
        same_shape(got, expected).map_err(|e| format!("{what} {i}: {e}"))?;
        for k in 0..expected.data.len() {
            let jax_agrees = || case.edge && jax.and_then(|j| j.get(i)).is_some_and(|j| agrees(got, j, k, case.rtol));
            let ours = || case.edge && compare::our_choice(case, what, k, got.data[k]);
            if !agrees(got, expected, k, case.rtol) && !jax_agrees() && !ours() {
                let (got, expected) = (got.data[k], expected.data[k]);
                return Err(format!("{what} {i}, element {k}: {got:e}, expected {expected:e}"));
            }
        }
    }
    Ok(())
}
