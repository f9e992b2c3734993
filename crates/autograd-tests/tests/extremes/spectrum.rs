//! Functions of eigenvalues and singular values, some of which coincide: their derivatives are those of the smooth
//! function of the matrix.

use crate::{At, Function, function};
use autograd::{Cotangents, Dims, Float, Program, Result, Rule, Tape, Tensor, Value, Var, tensor};

/// Value, gradient, and the second derivative along a direction by all ways that compute it.
struct Derivatives<T: Float> {
    gradient: Tensor<T>,
    seconds: Vec<(&'static str, Tensor<T>)>,
}

fn derivatives<T: Float>(f: At<T>, x: &Tensor<T>, direction: &Tensor<T>) -> Derivatives<T> {
    let record = |x: &Tensor<T>, tape: Tape<T>, program: bool| {
        let (v, d) = (tape.var(x.clone()), tape.constant(direction.clone()));
        let y = f(v);
        let first = y.grad(&[v])[0];
        let second = (first * d).sum().grad(&[v])[0];
        let replay = program.then(|| Program::new(&tape, &[v], &[y, first, second]));
        let values = (!program).then(|| {
            let seconds = vec![
                ("hvp", y.hvp(&[(v, direction.clone())]).remove(0)),
                ("recorded", second.value()),
                ("reverse", first.vjp(direction.clone()).wrt(v)),
                ("forward", first.jvp(&[(v, direction.clone())])),
            ];
            (y.value(), Derivatives { gradient: first.value(), seconds })
        });
        (replay, values)
    };
    let (value, mut found) = record(x, Tape::new(), false).1.unwrap();
    let other = x + &Tensor::from_fn(x.shape(), |i| T::of(0.3 + i[0] as f64 - 0.7 * i[1] as f64));
    let mut program = record(&other, Tape::sketch(), true).0.unwrap();
    let replayed = program.run(&[x]).unwrap();
    assert_eq!((&replayed[0], &replayed[1]), (&value, &found.gradient));
    found.seconds.push(("replayed", replayed[2].clone()));
    found
}

#[track_caller]
fn near<T: Float>(name: &str, found: &Tensor<T>, expected: &Tensor<f64>, digits: f64) {
    let scale = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let error = found.iter().zip(expected.iter()).map(|(a, b)| (a.f64() - b).abs()).fold(0.0, f64::max);
    let allowed = T::EPSILON.f64().powf(digits) * scale;
    assert!(error <= allowed && found.iter().all(T::is_finite), "{name} {}: {found}, expected {expected}", T::NAME);
}

fn check_as<T: Float>(name: &str, f: At<T>, at: &Tensor<f64>, along: &Tensor<f64>, expected: [Tensor<f64>; 2]) {
    let cast = |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| T::of(x.at(i)));
    let found = derivatives(f, &cast(at), &cast(along));
    near(name, &found.gradient, &expected[0], 0.8);
    for (way, second) in &found.seconds {
        near(&format!("{name}, second derivative, {way}"), second, &expected[1], 0.75);
    }
}

/// Checks the gradient and the second derivative along a direction, in both precisions.
fn check(name: &str, f: &impl Function, at: &Tensor<f64>, along: &Tensor<f64>, expected: [Tensor<f64>; 2]) {
    check_as::<f64>(name, &|x| f.at(x), at, along, expected.clone());
    check_as::<f32>(name, &|x| f.at(x), at, along, expected);
}

/// A reflection, so that the eigenvalues that coincide do so only up to rounding errors.
fn reflection(n: usize) -> Tensor<f64> {
    let v = Tensor::from_fn(&[n, 1], |i| 1.0 + 0.5 * i[0] as f64);
    Tensor::eye(n) - v.matmul(v.t()) * (2.0 / v.square().sum().item())
}

fn symmetric_cases() -> Vec<Tensor<f64>> {
    let turned = |w: Tensor<f64>| {
        let q = reflection(w.len());
        (&q * &w).matmul(q.t())
    };
    vec![
        tensor![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]],
        Tensor::eye(4) * 1.5,
        tensor![[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 2.0]],
        turned(tensor![0.5, 0.5, 2.0, 2.0, 3.0]),
        turned(tensor![1.0, 1.0, 1.0, 1.0]),
        turned(tensor![1.0, 2.0, 4.0]),
    ]
}

#[test]
fn cubes_and_logarithms_of_eigenvalues_that_coincide() {
    for a in symmetric_cases() {
        let n = a.shape()[0];
        for along in [Tensor::ones(&[n, n]), Tensor::from_fn(&[n, n], |i| (i[0] * i[1]) as f64 - 1.0)] {
            let cubes = function!(x => x.eigvalsh().powf(3.0).sum());
            let second = (a.matmul(&along) + along.matmul(&a)) * 3.0;
            check("Σ λ³", &cubes, &a, &along, [a.matmul(&a) * 3.0, second]);
            let inverse = a.inv();
            let logarithms = function!(x => x.eigh().0.ln().sum());
            check("Σ ln λ", &logarithms, &a, &along, [inverse.clone(), -inverse.matmul(&along).matmul(&inverse)]);
            let singular = function!(x => x.svdvals().ln().sum());
            check("Σ ln σ", &singular, &a, &along, [inverse.clone(), -inverse.matmul(&along).matmul(&inverse)]);
            let product = function!(x => x.eigvalsh().prod());
            let det = a.det().item();
            let slope = inverse.matmul(&along);
            let trace = (0..n).map(|i| slope.at(&[i, i])).sum::<f64>();
            let second = (&inverse * trace - slope.matmul(&inverse)) * det;
            check("Π λ", &product, &a, &along, [&inverse * det, second.clone()]);
            let product = function!(x => x.svd().1.prod());
            check("Π σ", &product, &a, &along, [&inverse * det, second]);
        }
    }
}

/// The derivative of exp(A) in a direction, by the mean value theorem for matrices.
fn moved_exponential(a: &Tensor<f64>, along: &Tensor<f64>) -> Tensor<f64> {
    let n = a.shape()[0];
    let zero = Tensor::zeros(&[n, n]);
    let above = Tensor::concat(&[a.clone(), along.clone()], 1);
    let whole = Tensor::concat(&[above, Tensor::concat(&[zero, a.clone()], 1)], 0);
    whole.matrix_exp().slice(0, ..n).slice(1, n..)
}

#[test]
fn exponentials_of_eigenvalues_that_coincide() {
    for a in symmetric_cases() {
        let n = a.shape()[0];
        let along = Tensor::from_fn(&[n, n], |i| (i[0] + i[1]) as f64 - 1.0);
        let f = function!(x => x.eigvalsh().exp().sum());
        check("Σ exp λ", &f, &a, &along, [a.matrix_exp(), moved_exponential(&a, &along)]);
    }
}

#[test]
fn even_functions_of_singular_values_are_smooth_at_zero() {
    let along = |shape: &[usize]| Tensor::from_fn(shape, |i| 1.0 + i[0] as f64 - 0.5 * i[1] as f64);
    let rank_one = |m: usize, n: usize| Tensor::from_fn(&[m, n], |i| (1.0 + i[0] as f64) * (1.0 - i[1] as f64));
    for a in [Tensor::zeros(&[2, 3]), Tensor::eye(3), rank_one(4, 3), rank_one(3, 4), rank_one(3, 3)] {
        let d = along(a.shape());
        let squares = function!(x => x.svdvals().square().sum());
        check("Σ σ²", &squares, &a, &d, [&a * 2.0, &d * 2.0]);
        let fourth = function!(x => x.svdvals().powf(4.0).sum());
        let products = [(&a, &a, &d), (&a, &d, &a), (&d, &a, &a)].map(|(p, q, r)| p.matmul(q.t()).matmul(r));
        let second = products.into_iter().reduce(|a, b| a + b).unwrap() * 4.0;
        check("Σ σ⁴", &fourth, &a, &d, [a.matmul(a.t()).matmul(&a) * 4.0, second]);
    }
    // Values that coincide up to rounding errors, of a matrix that is not symmetric.
    let (p, q) = (reflection(4).slice(1, ..3), reflection(3));
    let a = (p * tensor![2.0, 2.0, 1.0]).matmul(q.roll(1, 0));
    let d = along(&[4, 3]);
    let products = [(&a, &a, &d), (&a, &d, &a), (&d, &a, &a)].map(|(p, q, r)| p.matmul(q.t()).matmul(r));
    let second = products.into_iter().reduce(|a, b| a + b).unwrap() * 4.0;
    let fourth = function!(x => x.svdvals().powf(4.0).sum());
    check("Σ σ⁴", &fourth, &a, &d, [a.matmul(a.t()).matmul(&a) * 4.0, second]);
    let cubes = function!(x => x.svdvals().powf(3.0).sum());
    let d = tensor![[1.0, 2.0], [3.0, 4.0]];
    check("Σ σ³", &cubes, &Tensor::eye(2), &d, [Tensor::eye(2) * 3.0, tensor![[6.0, 13.5], [16.5, 24.0]]]);
}

#[test]
fn batches_and_matrices_without_elements() {
    let f = function!(x => x.eigvalsh().powf(3.0).sum_keep(-1).sum());
    let tape = Tape::new();
    let (a, b) = (Tensor::<f64>::eye(2), tensor![[1.0, 0.5], [0.5, 3.0]]);
    let x = tape.var(Tensor::stack(&[a.clone(), b.clone()], 0));
    let along = Tensor::<f64>::ones(&[2, 2, 2]);
    let second = f.at(x).hvp(&[(x, along)]).remove(0);
    let ones = Tensor::<f64>::ones(&[2, 2]);
    let expected = [&a, &b].map(|a| (a.matmul(&ones) + ones.matmul(a)) * 3.0);
    near("batch", &second, &Tensor::stack(&expected, 0), 0.8);
    let none = tape.var(Tensor::zeros(&[2, 0, 0]));
    let y = none.eigvalsh().try_sum(.., Dims::Drop).unwrap();
    assert_eq!(y.hvp(&[(none, Tensor::zeros(&[2, 0, 0]))])[0].shape(), [2, 0, 0]);
}

/// x³, a user's op without a forward rule.
struct Cube;

impl<T: Float> Rule<T> for Cube {
    fn name(&self) -> &'static str {
        "cube"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(x[0] * x[0] * x[0])
    }
    fn vjp<V: Value<T>>(&self, x: &[&V], _: &V, g: &V) -> Cotangents<V> {
        [Some(g.mul(x[0]).mul(x[0]).scale(3.0))].into_iter().collect()
    }
}

#[test]
fn ops_without_forward_rules_have_second_derivatives_where_eigenvalues_differ() {
    let a = tensor![[1.0, 0.5, 0.0], [0.5, 2.0, 0.25], [0.0, 0.25, 4.0]];
    let tape = Tape::<f64>::new();
    let x = tape.var(a.clone());
    let (ones, y) = (Tensor::ones(&[3, 3]), Var::custom(Cube, &[x.eigvalsh()]).sum());
    let expected = (a.matmul(&ones) + ones.matmul(&a)) * 3.0;
    near("reverse", &y.grad(&[x])[0].vjp(ones.clone()).wrt(x), &expected, 0.8);
    near("hvp", &y.hvp(&[(x, ones)])[0], &expected, 0.8);
}

/// Checks the gradient of a function of a matrix, computed, recorded and replayed, and that the derivatives in forward mode
/// agree, in both precisions.
fn check_gradient(name: &str, f: &impl Function, at: &Tensor<f64>, expected: &Tensor<f64>) {
    check_gradient_as::<f64>(name, &|x| f.at(x), at, expected);
    check_gradient_as::<f32>(name, &|x| f.at(x), at, expected);
}

fn check_gradient_as<T: Float>(name: &str, f: At<T>, at: &Tensor<f64>, expected: &Tensor<f64>) {
    let cast = |x: &Tensor<f64>| Tensor::from_fn(x.shape(), |i| T::of(x.at(i)));
    let tape = Tape::<T>::new();
    let x = tape.var(cast(at));
    let y = f(x);
    let (nodes, computed) = (tape.len(), y.backward().wrt(x));
    near(&format!("{name}, computed"), &computed, expected, 0.75);
    let along = Tensor::from_fn(at.shape(), |i| 1.0 + i[0] as f64 - 0.5 * (i[1] * i[1]) as f64);
    let tangent = y.jvp(&[(x, cast(&along))]).item().f64();
    let slope = (expected * &along).sum().item();
    let allowed = T::EPSILON.f64().powf(0.75) * (expected * &along).abs().sum().item().max(1.0);
    assert!((tangent - slope).abs() < allowed, "{name}, forward {}: {tangent}, expected {slope}", T::NAME);
    assert_eq!(tape.len(), nodes, "nothing stays on the tape");
    near(&format!("{name}, recorded"), &y.grad(&[x])[0].value(), expected, 0.75);
    let sketch = Tape::<T>::sketch();
    let x = sketch.var(cast(&(at + &along)));
    let mut program = Program::new(&sketch, &[x], &f(x).grad(&[x]));
    near(&format!("{name}, replayed"), &program.run(&[&cast(at)]).unwrap()[0], expected, 0.75);
}

/// A sum of the elements of a matrix with different weights.
fn weighted<'t, T: Float>(x: Var<'t, T>) -> Var<'t, T> {
    (x * x.tape().constant(weights(&x.shape()))).sum()
}

fn weights<T: Float>(shape: &[usize]) -> Tensor<T> {
    Tensor::from_fn(shape, |i| T::of(1.0 + i[0] as f64 - 0.3 * i[1] as f64 + 0.1 * (i[0] * i[1]) as f64))
}

#[test]
fn functions_of_a_matrix_by_its_eigenvectors() {
    for a in symmetric_cases() {
        let w = weights::<f64>(a.shape());
        let w = (&w + w.t()) * 0.5;
        let exp = function!(x => {
            let (w, v) = x.eigh();
            weighted((v * w.unsqueeze(-2).exp()).matmul(v.t()))
        });
        check_gradient("exp A", &exp, &a, &moved_exponential(&a, &w));
        let same = function!(x => {
            let (w, v) = x.eigh();
            weighted((v * w.unsqueeze(-2)).matmul(v.t()))
        });
        check_gradient("V·diag(w)·Vᵀ", &same, &a, &w);
    }
}

#[test]
fn a_matrix_by_its_singular_vectors() {
    let rank_one = |m: usize, n: usize| Tensor::from_fn(&[m, n], |i| (1.0 + i[0] as f64) * (1.0 - i[1] as f64));
    let same = function!(x => {
        let (u, s, vt) = x.svd();
        weighted((u * s.unsqueeze(-2)).matmul(vt))
    });
    for a in
        symmetric_cases().into_iter().chain([rank_one(3, 3), rank_one(4, 3), rank_one(3, 4), Tensor::zeros(&[2, 3])])
    {
        check_gradient("U·diag(s)·Vᵀ", &same, &a, &weights(a.shape()));
    }
}
