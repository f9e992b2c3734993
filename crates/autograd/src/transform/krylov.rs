//! Linear systems solved from products with the matrix alone, for matrices that are too large to form.

use crate::error::Result;

/// A product with the matrix.
pub(super) type Product<'p> = &'p dyn Fn(&[f64]) -> Result<Vec<f64>>;

/// The solution of A x = b, or the progress: the relative residual after this many products.
pub(super) struct Outcome {
    pub(super) x: Vec<f64>,
    pub(super) residual: f64,
    pub(super) products: usize,
}

/// Vectors that GMRES keeps before it restarts.
const RESTART: usize = 60;

/// GMRES (Saad and Schultz, 1986), for any regular matrix: the least residual in the space of b, A b, A² b, ….
pub(super) fn gmres(product: Product<'_>, b: &[f64], tolerance: f64, most: usize) -> Result<Outcome> {
    let size = norm(b);
    let mut found = Outcome { x: vec![0.0; b.len()], residual: if size == 0.0 { 0.0 } else { 1.0 }, products: 0 };
    let mut rest = b.to_vec();
    while found.residual > tolerance && found.products < most {
        let before = found.residual;
        let change = cycle(product, &rest, tolerance * size, &mut found.products, most)?;
        found.x.iter_mut().zip(&change).for_each(|(x, d)| *x += d);
        let image = product(&found.x)?;
        found.products += 1;
        rest = b.iter().zip(&image).map(|(b, y)| b - y).collect();
        found.residual = norm(&rest) / size;
        if found.residual >= before {
            break; // no progress: rounding, or a singular matrix
        }
    }
    Ok(found)
}

/// One cycle of GMRES from 0: Arnoldi's basis of the Krylov space, and the least squares problem in it by Givens rotations.
fn cycle(product: Product<'_>, b: &[f64], goal: f64, products: &mut usize, most: usize) -> Result<Vec<f64>> {
    let size = norm(b);
    let mut basis = vec![scaled(b, 1.0 / size)];
    let (mut columns, mut turns): (Vec<Vec<f64>>, Vec<(f64, f64)>) = (Vec::new(), Vec::new());
    let mut right = vec![size];
    while columns.len() < RESTART && *products < most && right[columns.len()].abs() > goal {
        let k = columns.len();
        let mut w = product(&basis[k])?;
        *products += 1;
        let mut h = vec![0.0; k + 2];
        // Twice is enough (Kahan): the second pass removes what rounding left.
        for _ in 0..2 {
            for (v, h) in basis.iter().zip(&mut h) {
                let along = dot(v, &w);
                *h += along;
                w.iter_mut().zip(v).for_each(|(w, v)| *w -= along * v);
            }
        }
        h[k + 1] = norm(&w);
        for (i, (c, s)) in turns.iter().enumerate() {
            (h[i], h[i + 1]) = (c * h[i] + s * h[i + 1], c * h[i + 1] - s * h[i]);
        }
        let length = h[k].hypot(h[k + 1]);
        if !(length > 0.0 && length.is_finite()) {
            break;
        }
        let (c, s) = (h[k] / length, h[k + 1] / length);
        let grows = h[k + 1] > 1e-14 * length;
        turns.push((c, s));
        basis.push(scaled(&w, 1.0 / h[k + 1]));
        right.push(-s * right[k]);
        right[k] *= c;
        h[k] = length;
        columns.push(h);
        if !grows {
            break; // the space is invariant: the solution is in it
        }
    }
    let mut y = right[..columns.len()].to_vec();
    for i in (0..y.len()).rev() {
        y[i] = (i + 1..y.len()).fold(y[i], |rest, j| rest - columns[j][i] * y[j]) / columns[i][i];
    }
    let mut x = vec![0.0; b.len()];
    y.iter().zip(&basis).for_each(|(y, v)| x.iter_mut().zip(v).for_each(|(x, v)| *x += y * v));
    Ok(x)
}

/// Conjugate gradients (Hestenes and Stiefel, 1952), for symmetric matrices that are positive or negative definite.
pub(super) fn conjugate_gradients(product: Product<'_>, b: &[f64], tolerance: f64, most: usize) -> Result<Outcome> {
    let size = norm(b);
    let mut found = Outcome { x: vec![0.0; b.len()], residual: if size == 0.0 { 0.0 } else { 1.0 }, products: 0 };
    let (mut rest, mut direction) = (b.to_vec(), b.to_vec());
    let mut square = dot(&rest, &rest);
    while found.residual > tolerance && found.products < most {
        let image = product(&direction)?;
        found.products += 1;
        let step = square / dot(&direction, &image);
        if !step.is_finite() {
            break;
        }
        found.x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        rest.iter_mut().zip(&image).for_each(|(r, y)| *r -= step * y);
        let next = dot(&rest, &rest);
        direction.iter_mut().zip(&rest).for_each(|(d, r)| *d = r + next / square * *d);
        square = next;
        found.residual = square.sqrt() / size;
    }
    Ok(found)
}

/// The coefficients c of the least ‖b - Σ cᵢ vᵢ‖, by Gram and Schmidt. A vector that depends on those before it counts as 0.
pub(super) fn least_squares(v: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let (mut basis, mut r): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    for v in v {
        let (mut w, mut column) = (v.clone(), vec![0.0; basis.len() + 1]);
        for _ in 0..2 {
            for (q, r) in basis.iter().zip(&mut column) {
                let along = dot(q, &w);
                *r += along;
                w.iter_mut().zip(q).for_each(|(w, q)| *w -= along * q);
            }
        }
        let length = norm(&w);
        let independent = length > 1e-12 * norm(v);
        column[basis.len()] = if independent { length } else { 0.0 };
        basis.push(if independent { scaled(&w, 1.0 / length) } else { vec![0.0; w.len()] });
        r.push(column);
    }
    let mut c: Vec<f64> = basis.iter().map(|q| dot(q, b)).collect();
    for i in (0..c.len()).rev() {
        let rest = (i + 1..c.len()).fold(c[i], |rest, j| rest - r[j][i] * c[j]);
        c[i] = if r[i][i] == 0.0 { 0.0 } else { rest / r[i][i] };
    }
    c
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn scaled(a: &[f64], c: f64) -> Vec<f64> {
    a.iter().map(|a| a * c).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_solved_from_products() {
        let n = 100;
        // Tridiagonal: [-1, 2.5, -1 + skew].
        let product = |skew: f64| {
            move |x: &[f64]| -> Result<Vec<f64>> {
                let at = |i: usize, d: isize| i.checked_add_signed(d).and_then(|i| x.get(i)).copied().unwrap_or(0.0);
                Ok((0..n).map(|i| 2.5 * at(i, 0) - at(i, -1) + (skew - 1.0) * at(i, 1)).collect())
            }
        };
        let x: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let solved = |skew: f64, solve: fn(Product<'_>, &[f64], f64, usize) -> Result<Outcome>| {
            let product = product(skew);
            let b = product(&x).unwrap();
            let found = solve(&product, &b, 1e-13, 500).unwrap();
            let error = found.x.iter().zip(&x).fold(0.0f64, |e, (a, b)| e.max((a - b).abs()));
            assert!(error < 1e-11 && found.residual <= 1e-13, "{error} {} {}", found.residual, found.products);
        };
        solved(0.0, gmres);
        solved(0.7, gmres);
        solved(0.0, conjugate_gradients);
        let singular = gmres(&|x: &[f64]| Ok(vec![x[0], 0.0]), &[1.0, 1.0], 1e-10, 50).unwrap();
        assert!(singular.residual > 0.5 && singular.products < 10);
    }

    #[test]
    fn least_squares_finds_the_projection() {
        let v = [vec![1.0, 1.0, 0.0], vec![0.0, 1.0, 1.0], vec![1.0, 2.0, 1.0]];
        let c = least_squares(&v, &[1.0, 3.0, 2.0]);
        let fit: Vec<f64> = (0..3).map(|k| (0..3).map(|i| c[i] * v[i][k]).sum()).collect();
        assert!(fit.iter().zip([1.0, 3.0, 2.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{fit:?}");
    }
}
