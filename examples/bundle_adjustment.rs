//! Bundle adjustment: finds the poses of cameras and the positions of points from their pictures. Levenberg and
//! Marquardt's method with a sparse Jacobian: each residual depends on one camera and one point, so a few sweeps give all
//! derivatives.
//!
//! `cargo run --release --example bundle_adjustment [-- --short]`.

mod common;

use autograd::transform::SparseJacobian;
use std::error::Error;
use std::process::ExitCode;
use wengert::autograd;
use wengert::prelude::*;

const USAGE: &str = "usage: bundle_adjustment [--short]\n  --short  6 cameras and 50 points instead of 20 and 500";

/// The standard deviation of a measurement, where the focal length is 1.
const NOISE: f64 = 1e-3;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        if short { adjust(6, 50) } else { adjust(20, 500) }
    })
}

/// The pictures `[2, cameras · points]` of all points in all cameras, from one vector: three angles and three coordinates
/// of each camera, then three coordinates of each point, coordinate by coordinate.
fn pictures<'t>(x: Var<'t, f64>, cameras: usize, points: usize) -> Var<'t, f64> {
    let n = cameras * points;
    let camera: Tensor<i64> = (0..n).map(|i| (i / points) as i64).collect();
    let point: Tensor<i64> = (0..n).map(|i| (i % points) as i64).collect();
    let [rx, ry, rz, cx, cy, cz] =
        [0, 1, 2, 3, 4, 5].map(|k| x.slice(0, k * cameras..(k + 1) * cameras).take(0, &camera));
    let start = 6 * cameras;
    let [px, py, pz] = [0, 1, 2].map(|k| x.slice(0, start + k * points..start + (k + 1) * points).take(0, &point));
    // Seen from the camera, and turned about one axis after another.
    let turn = |angle: Var<'t, f64>, a, b| (a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos());
    let (x, y, z) = (px - cx, py - cy, pz - cz);
    let (y, z) = turn(rx, y, z);
    let (z, x) = turn(ry, z, x);
    let (x, y) = turn(rz, x, y);
    Var::stack(&[x / z, y / z], 0)
}

fn adjust(cameras: usize, points: usize) -> Result<(), Box<dyn Error>> {
    // Cameras in front of a cloud of points, and a start that is a little off.
    let mut rng = Rng::new(0);
    let truth: Vec<f64> = (0..6 * cameras + 3 * points)
        .map(|i| match i / cameras {
            0..3 => 0.1 * rng.normal(),
            3 | 4 => rng.normal(),
            5 => -8.0 + 0.5 * rng.normal(),
            _ => rng.normal(),
        })
        .collect();
    let mut x: Vec<f64> = truth.iter().map(|x| x + 0.05 * rng.normal()).collect();
    let tape = Tape::new();
    let exact = pictures(tape.constant(truth), cameras, points).value();
    let data = &exact + Tensor::randn(exact.shape(), &mut rng) * NOISE;

    let value = |x: &[f64]| {
        let tape = Tape::new();
        (pictures(tape.constant(x.to_vec()), cameras, points).value() - &data).reshape(&[data.len()])
    };
    let mut jacobian = SparseJacobian::new(
        |x| pictures(x[0], cameras, points).reshape(&[2 * cameras * points]),
        &Tensor::from(x.clone()),
    )?;
    let pattern = jacobian.pattern().clone();
    let (m, n) = (pattern.rows(), pattern.columns());
    let share = 100.0 * pattern.nonzeros() as f64 / (m * n) as f64;
    println!("{m} residuals of {n} unknowns; {share:.2}% of the Jacobian, in {} sweeps", jacobian.colors());

    let (mut damping, mut r) = (1e-3, value(&x));
    let mut error = root_mean_square(&r);
    for iteration in 0..30 {
        println!("iteration {iteration:>2}: {error:.6} root mean square error, damping {damping:.0e}");
        let rows = jacobian.at(&Tensor::from(x.clone()))?.to_vec();
        let before = error;
        // Shorter steps until one improves.
        for _ in 0..10 {
            let step = normal_equations(&pattern, &rows, &r, damping);
            let next: Vec<f64> = x.iter().zip(&step).map(|(x, step)| x - step).collect();
            let there = value(&next);
            if root_mean_square(&there) < error {
                (x, error, r, damping) = (next, root_mean_square(&there), there, damping / 10.0);
                break;
            }
            damping *= 10.0;
        }
        if error > before * (1.0 - 1e-6) {
            break;
        }
    }
    // The unknowns absorb their share of the noise, except for the seven ways to move, turn and scale the whole scene, which
    // change no picture.
    let expected = NOISE * (1.0 - (n - 7) as f64 / m as f64).sqrt();
    println!("expected from the noise: {expected:.6}");
    if (error / expected - 1.0).abs() < 0.05 { Ok(()) } else { Err("the cameras are not where they should be".into()) }
}

fn root_mean_square(r: &Tensor<f64>) -> f64 {
    r.square().mean().sqrt().item()
}

/// The solution of (JᵀJ + λ diag JᵀJ) d = Jᵀr by conjugate gradients, from the nonzero elements of J, row by row.
fn normal_equations(pattern: &autograd::transform::Pattern, rows: &[f64], r: &Tensor<f64>, damping: f64) -> Vec<f64> {
    let (starts, columns) = (pattern.row_starts(), pattern.columns_of());
    let row = |i: usize| (starts[i]..starts[i + 1]).map(|k| (columns[k] as usize, rows[k]));
    let mut diagonal = vec![0.0; pattern.columns()];
    let mut b = vec![0.0; pattern.columns()];
    for (i, r) in r.iter().enumerate() {
        for (j, slope) in row(i) {
            diagonal[j] += slope * slope;
            b[j] += slope * r;
        }
    }
    let product = |d: &[f64]| {
        let mut y: Vec<f64> = d.iter().zip(&diagonal).map(|(d, scale)| damping * scale * d).collect();
        for i in 0..pattern.rows() {
            let along: f64 = row(i).map(|(j, slope)| slope * d[j]).sum();
            row(i).for_each(|(j, slope)| y[j] += slope * along);
        }
        y
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scaled =
        |r: &[f64]| -> Vec<f64> { r.iter().zip(&diagonal).map(|(r, scale)| r / ((1.0 + damping) * scale)).collect() };
    let (mut d, mut p, mut rest) = (vec![0.0; b.len()], scaled(&b), b);
    let mut size = dot(&rest, &p);
    let goal = 1e-12 * size;
    for _ in 0..500 {
        if size <= goal {
            break;
        }
        let y = product(&p);
        let length = size / dot(&p, &y);
        d.iter_mut().zip(&p).for_each(|(d, p)| *d += length * p);
        rest.iter_mut().zip(&y).for_each(|(rest, y)| *rest -= length * y);
        let next = scaled(&rest);
        let after = dot(&rest, &next);
        p.iter_mut().zip(&next).for_each(|(p, next)| *p = next + after / size * *p);
        size = after;
    }
    d
}
