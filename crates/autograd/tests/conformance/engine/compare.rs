//! Decides when two values count as equal.

use super::{Array, Case};

/// Returns an error unless dtype and shape are the same.
pub fn same_shape(got: &Array, expected: &Array) -> Result<(), String> {
    if got.shape == expected.shape && got.dtype == expected.dtype {
        return Ok(());
    }
    Err(format!("{} of shape {:?}, expected {} of shape {:?}", got.dtype, got.shape, expected.dtype, expected.shape))
}

/// Whether element `k` is within the case's tolerance, relative to itself or to the largest element, capped at 1000.
pub fn agrees(got: &Array, expected: &Array, k: usize, rtol: f64) -> bool {
    let largest = expected.data.iter().filter(|e| e.is_finite()).fold(0.0f64, |m, e| m.max(e.abs()));
    let Some((&a, &e)) = got.data.get(k).zip(expected.data.get(k)) else { return false };
    if a.is_nan() || e.is_nan() {
        return a.is_nan() && e.is_nan();
    }
    a == e || ((a - e).abs() <= (rtol * e.abs().max(largest.min(1e3))).max(1e-14) && e.is_finite())
}

/// Whether `docs/kinks.md` documents this value for this op at this point, as a choice with its reason.
/// Rows are `| op | where | value | gradient | why |`; only elements of one-input ops are looked up.
pub fn our_choice(case: &Case, what: &str, k: usize, got: f64) -> bool {
    const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kinks.md"));
    let column = if what == "output" { 3 } else { 4 };
    let point = |cell: &str| -> Option<Vec<f64>> { cell.split(',').map(|x| x.trim().parse().ok()).collect() };
    let here: Vec<f64> = case.inputs.iter().filter_map(|x| x.data.get(k).copied()).collect();
    PAGE.lines().any(|line| {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        cells.len() > 5
            && cells[1] == case.op
            && point(cells[2]).is_some_and(|p| p.iter().zip(&here).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())))
            && point(cells[column]).is_some_and(|p| p.contains(&got) || (got.is_nan() && p.iter().any(|p| p.is_nan())))
    })
}
