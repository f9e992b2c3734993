//! Matrix products, einsum, linear algebra.

use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Error, Result, Tape, Triangle, Var};

pub fn apply<'t>(_: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    let known = [
        "matmul",
        "dot",
        "outer",
        "kron",
        "linear",
        "bilinear",
        "tensordot",
        "einsum",
        "inv",
        "det",
        "logabsdet",
        "slogdet",
        "cholesky",
        "cholesky_sym",
        "eigh",
        "eigvalsh",
        "eigvalsh_sym",
        "qr",
        "svd",
        "svdvals",
        "matrix_exp",
        "matrix_power",
        "solve",
        "triangular_solve",
    ];
    known.contains(&op).then(|| call(op, attrs, x))
}

fn call<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Result<Vec<Arg<'t>>> {
    let x: Vec<Var<f64>> = x.iter().map(Arg::real).collect::<Result<_>>()?;
    let (a, b) = (x[0], x.get(1).copied().unwrap_or(x[0]));
    let symmetric = || Ok::<_, Error>(a.try_add(a.t())? * 0.5);
    let axes = |key: &str| attrs.ints(key).unwrap_or_default();
    one(match op {
        "matmul" => a.try_matmul(b),
        "dot" => a.try_dot(b),
        "outer" => a.try_outer(b),
        "kron" => a.try_kron(b),
        "linear" => a.try_linear(b, x.get(2)),
        "bilinear" => a.try_bilinear(b, x[2], x.get(3)),
        "tensordot" => a.try_tensordot(b, &axes("axes_a"), &axes("axes_b")),
        "einsum" => Var::try_einsum(attrs.text("equation").unwrap_or_default(), &x),
        "inv" => a.try_inv(),
        "det" => a.try_det(),
        "logabsdet" => a.try_logabsdet(),
        "cholesky" => a.try_cholesky(),
        "cholesky_sym" => symmetric()?.try_cholesky(),
        "eigvalsh" => a.try_eigvalsh(),
        "eigvalsh_sym" => symmetric()?.try_eigvalsh(),
        "svdvals" => a.try_svdvals(),
        "matrix_exp" => a.try_matrix_exp(),
        "matrix_power" => a.try_matrix_power(attrs.int("n").unwrap_or(1) as i64),
        "solve" => a.try_solve(b),
        "triangular_solve" => {
            let (lower, transpose) = (attrs.bool("lower"), attrs.bool("transpose"));
            let a = if transpose { a.t() } else { a };
            let triangle = match (lower != transpose, attrs.bool("unit")) {
                (true, false) => Triangle::Lower,
                (false, false) => Triangle::Upper,
                (true, true) => Triangle::UnitLower,
                (false, true) => Triangle::UnitUpper,
            };
            a.try_triangular_solve(b, triangle)
        }
        "slogdet" => return a.try_slogdet().map(|(sign, log)| vec![sign.into(), log.into()]),
        "eigh" => return a.try_eigh().map(|(w, v)| vec![w.into(), v.into()]),
        "qr" => return a.try_qr().map(|(q, r)| vec![q.into(), r.into()]),
        _ => return a.try_svd().map(|(u, s, vt)| vec![u.into(), s.into(), vt.into()]),
    })
}
