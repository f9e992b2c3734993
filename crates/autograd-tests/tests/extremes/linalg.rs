//! Determinants of singular matrices, and exponentials of matrices of any size. The exponentials are mpmath's; the
//! determinants are those of matrices of small integers.
#![allow(clippy::excessive_precision, reason = "as mpmath prints them")]

use autograd::{Float, Program, Tape, Tensor, Var, tensor};

fn cast<T: Float>(x: &Tensor<f64>) -> Tensor<T> {
    Tensor::from_fn(x.shape(), |i| T::of(x.at(i)))
}

/// The coefficients of det(A + k·B) as a polynomial in k, by expansion of the first row.
fn polynomial(a: &[Vec<[f64; 2]>]) -> Vec<f64> {
    let n = a.len();
    let mut sum = vec![0.0; n + 1];
    if n == 0 {
        sum[0] = 1.0;
    }
    for j in 0..n {
        let rest: Vec<_> = a[1..].iter().map(|row| [&row[..j], &row[j + 1..]].concat()).collect();
        for (power, c) in polynomial(&rest).into_iter().enumerate() {
            let c = if j % 2 == 0 { c } else { -c };
            sum[power] += a[0][j][0] * c;
            sum[power + 1] += a[0][j][1] * c;
        }
    }
    sum
}

/// det(A + k·B) and its derivatives with respect to k at 0, up to the given order.
fn derivatives<'t, T: Float>(k: Var<'t, T>, a: &Tensor<f64>, b: &Tensor<f64>, order: usize) -> Vec<Var<'t, T>> {
    let tape = k.tape();
    let y = (tape.constant(cast::<T>(a)) + k * tape.constant(cast::<T>(b))).det();
    let next = |y: &Var<'t, T>| Some(y.grad(&[k])[0]);
    std::iter::successors(Some(y), next).take(order + 1).collect()
}

fn check_det<T: Float>(a: &Tensor<f64>, b: &Tensor<f64>, order: usize) {
    let n = a.shape()[0];
    let elements: Vec<Vec<_>> = (0..n).map(|i| (0..n).map(|j| [a.at(&[i, j]), b.at(&[i, j])]).collect()).collect();
    let mut factorial = 1.0;
    let mut expected: Vec<f64> = polynomial(&elements);
    expected.resize(expected.len().max(order + 1), 0.0);
    for (k, c) in expected.iter_mut().enumerate() {
        factorial *= k.max(1) as f64;
        *c *= factorial;
    }
    // Elements are of about the size of 3.
    let (scale, tape) = (5f64.powi(n as i32), Tape::<T>::new());
    let k = tape.var(T::zero());
    let near = |found: &Tensor<T>, order: usize, way: &str| {
        let error = (found.item().f64() - expected[order]).abs();
        let allowed = 200.0 * T::EPSILON.f64() * scale;
        assert!(error < allowed, "{way} {}: {a} + k·{b}, order {order}: {found}, not {}", T::NAME, expected[order]);
    };
    let all = derivatives(k, a, b, order);
    for (order, y) in all.iter().enumerate() {
        near(&y.value(), order, "recorded");
        if order < all.len() - 1 {
            near(&y.backward().wrt(k), order + 1, "reverse");
            near(&y.jvp(&[(k, Tensor::scalar(T::one()))]), order + 1, "forward");
        }
        if order + 1 < all.len() - 1 {
            near(&y.hvp(&[(k, Tensor::scalar(T::one()))])[0], order + 2, "hvp");
        }
    }
    let other = Tape::<T>::sketch();
    let k = other.var(T::of(0.7));
    let mut program = Program::new(&other, &[k], &derivatives(k, a, b, order));
    let replayed = program.run(&[&Tensor::scalar(T::zero())]).unwrap();
    assert!(replayed.iter().zip(&all).all(|(replayed, y)| *replayed == y.value()));
}

#[test]
fn determinants_differentiate_at_any_rank_to_any_order() {
    let line = tensor![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]];
    check_det::<f64>(&line, &Tensor::eye(3), 4);
    check_det::<f32>(&line, &Tensor::eye(3), 4);
    for n in 0..=5usize {
        let b = Tensor::from_fn(&[n, n], |i| ((3 * i[0] + 5 * i[1] + i[0] * i[1]) % 7) as f64 - 3.0);
        for rank in 0..=n {
            let (left, right) = (
                Tensor::from_fn(&[n, rank], |i| ((2 * i[0] + 3 * i[1]) % 5) as f64 - 2.0),
                Tensor::from_fn(&[rank, n], |i| ((i[0] + 2 * i[1] + i[0] * i[1]) % 4) as f64 - 1.0),
            );
            check_det::<f64>(&left.matmul(&right), &b, 4);
            check_det::<f32>(&left.matmul(&right), &b, 3);
        }
    }
}

#[test]
fn large_determinants_differentiate_twice() {
    // det(diag(0, 0, 1, …, 1) + k·B) begins with k²(b₀₀·b₁₁ - b₀₁·b₁₀).
    let n = 40;
    let a = Tensor::from_fn(&[n, n], |i| if i[0] == i[1] && i[0] > 1 { 1.0 } else { 0.0 });
    let b = Tensor::from_fn(&[n, n], |i| ((3 * i[0] + 5 * i[1]) % 7) as f64 - 2.0);
    let tape = Tape::<f64>::new();
    let k = tape.var(0.0);
    let all: Vec<f64> = derivatives(k, &a, &b, 2).iter().map(|y| y.item()).collect();
    let minor = b.at(&[0, 0]) * b.at(&[1, 1]) - b.at(&[0, 1]) * b.at(&[1, 0]);
    assert!(all[0] == 0.0 && all[1].abs() < 1e-12 && (all[2] - 2.0 * minor).abs() < 1e-12, "{all:?}, {minor}");
}

#[test]
fn determinants_of_huge_and_tiny_elements() {
    let sizes = [1e200, 1e200, 1e-200, 1e-200];
    let a = Tensor::from_fn(&[4, 4], |i| if i[0] == i[1] { sizes[i[0]] } else { 0.0 });
    let tape = Tape::<f64>::new();
    let x = tape.var(a);
    let y = x.det();
    assert!((y.item() - 1.0).abs() < 1e-14);
    let gradient = y.backward().wrt(x);
    (0..4).for_each(|i| assert!((gradient.at(&[i, i]) * sizes[i] - 1.0).abs() < 1e-13, "{gradient}"));
}

/// Asserts that each element agrees to a relative error.
#[track_caller]
fn near<T: Float>(name: &str, found: &Tensor<T>, expected: &Tensor<f64>, ulps: f64) {
    let expected = cast::<T>(expected);
    for (found, expected) in found.iter().zip(expected.iter()) {
        let (found, expected) = (found.f64(), expected.f64());
        let error = (found - expected).abs();
        let allowed = ulps * T::EPSILON.f64() * expected.abs();
        assert!(found == expected || error <= allowed, "{name} {}: {found:e}, expected {expected:e}", T::NAME);
    }
}

fn check_exp<T: Float>(a: &Tensor<f64>, exp: &Tensor<f64>, ulps: f64) {
    let tape = Tape::<T>::new();
    let x = tape.var(cast::<T>(a));
    let trace = x.matrix_exp().diag(0).sum();
    near("value", &x.matrix_exp().value(), exp, ulps);
    near("trace gradient", &trace.backward().wrt(x), &exp.t(), ulps);
    let recorded = trace.grad(&[x])[0].value();
    near("recorded", &recorded, &exp.t(), ulps);
}

#[test]
fn exponentials_of_matrices_that_are_far_from_normal() {
    for (v, corner) in [(1e4, 11752.011936438015), (1e8, 117520119.36438015), (1e9, 1175201193.6438015)] {
        let (a, exp) = (tensor![[1.0, v], [0.0, -1.0]], tensor![[1f64.exp(), corner], [0.0, (-1f64).exp()]]);
        check_exp::<f64>(&a, &exp, 32.0);
        check_exp::<f32>(&a, &exp, 4.0);
        check_exp::<f64>(&a.t().contiguous(), &exp.t().contiguous(), 32.0);
    }
    let (e, tenth) = (1f64.exp(), (-1f64).exp());
    check_exp::<f64>(&tensor![[1.0, 1e12], [0.0, -1.0]], &tensor![[e, 1175201193643.8015], [0.0, tenth]], 32.0);
    check_exp::<f32>(&tensor![[1.0, 1e12], [0.0, -1.0]], &tensor![[e, 1175201193643.8015], [0.0, tenth]], 4.0);
    let cycle = tensor![[0.0, 1e6, 0.0], [0.0, 0.0, 1e6], [1e-12, 0.0, 0.0]];
    let exp = tensor![
        [1.1680583133759185, 1041865.3550989098, 508358159984.21686],
        [5.0835815998421686e-7, 1.1680583133759185, 1041865.3550989098],
        [1.0418653550989098e-12, 5.0835815998421686e-7, 1.1680583133759185]
    ];
    check_exp::<f64>(&cycle, &exp, 32.0);
    let pair = tensor![[1.0, 1e8], [1e-9, -1.0]];
    let exp = tensor![[2.7959868665840534, 119368482.92680246], [1.1936848292680246e-9, 0.40861720804800413]];
    check_exp::<f64>(&pair, &exp, 32.0);
    let triangle = tensor![[2.0, 1e6, 3.0], [0.0, -1.0, 1e6], [0.0, 0.0, 5.0]];
    let exp = tensor![
        [7.3890560989306502, 2340392.2192530693, 7444607019356.9544],
        [0.0, 0.36787944117144232, 24674213.27690086],
        [0.0, 0.0, 148.4131591025766]
    ];
    check_exp::<f64>(&triangle, &exp, 64.0);
    let blocks = tensor![[0.0, -1.0, 1e5], [1.0, 0.0, 0.0], [0.0, 0.0, -2.0]];
    let exp = tensor![
        [0.54030230586813972, -0.84147098480789651, 33028.100601419011],
        [0.84147098480789651, 0.54030230586813972, 25559.49893968532],
        [0.0, 0.0, 0.13533528323661269]
    ];
    check_exp::<f64>(&blocks, &exp, 64.0);
}

#[test]
fn exponentials_that_vanish_or_overflow() {
    let large = 700f64.exp();
    check_exp::<f64>(&tensor![[700.0, 1.0], [0.0, 700.0]], &tensor![[large, large], [0.0, large]], 8.0);
    check_exp::<f32>(&tensor![[700.0, 1.0], [0.0, 700.0]], &tensor![[large, large], [0.0, large]], 8.0);
    let infinite = f64::INFINITY;
    check_exp::<f64>(&tensor![[1e300, 0.0], [0.0, 1.0]], &tensor![[infinite, 0.0], [0.0, 1f64.exp()]], 4.0);
    check_exp::<f64>(&tensor![[-1e300, 0.0], [0.0, 1.0]], &tensor![[0.0, 0.0], [0.0, 1f64.exp()]], 4.0);
    let exp = tensor![[infinite, infinite], [0.0, 1f64.exp()]];
    near("value", &tensor![[1e300, 1.0], [0.0, 1.0]].matrix_exp(), &exp, 4.0);
    let turned = tensor![[infinite, infinite], [-infinite, infinite]];
    check_exp::<f64>(&tensor![[800.0, 1.0], [-1.0, 800.0]], &turned, 4.0);
    let (cosine, sine) = (1f64.cos(), 1f64.sin());
    let beside = Tensor::from_fn(&[4, 4], |i| match (i[0], i[1]) {
        (0, 0) | (1, 1) => 1e4,
        (0, 1) | (1, 0) | (3, 2) => 1.0,
        (2, 3) => -1.0,
        _ => 0.0,
    });
    let exp = Tensor::from_fn(&[4, 4], |i| match (i[0], i[1]) {
        (0 | 1, 0 | 1) => infinite,
        (2, 3) => -sine,
        (3, 2) => sine,
        (2, 2) | (3, 3) => cosine,
        _ => 0.0,
    });
    check_exp::<f64>(&beside, &exp, 8.0);
    let negative = tensor![[-50.0, 20.0, 3.0], [7.0, -30.0, 11.0], [2.0, -5.0, -80.0]];
    let exp = tensor![
        [2.4148909086845896e-12, 8.0858122758728146e-12, 1.7524036455536411e-12],
        [3.0335255306552303e-12, 1.0157195046260587e-11, 2.2013256084090069e-12],
        [-1.8833913029587394e-13, -6.306184872772846e-13, -1.3667125804488105e-13]
    ];
    check_exp::<f64>(&negative, &exp, 200.0);
}

#[test]
fn second_derivatives_of_exponentials_that_are_far_from_normal() {
    let along = tensor![[1.0, 0.0], [1.0, 1.0]];
    for (v, moved) in [
        (1e4, [7718.1214559046779, 18405724.070508554, 1.1752011936438015, 4036.9766418029671]),
        (1e8, [77154034.459044017, 1839397323377331.0, 1.1752011936438015, 40366087.991497398]),
        (1e9, [771540320.12590372, 1.8393972176092235e+17, 1.1752011936438015, 403660876.60405901]),
    ] {
        let tape = Tape::<f64>::new();
        let x = tape.var(tensor![[1.0, v], [0.0, -1.0]]);
        let expected = Tensor::from(moved.to_vec()).reshape(&[2, 2]);
        near("forward", &x.matrix_exp().jvp(&[(x, along.clone())]), &expected, 100.0);
        let trace = x.matrix_exp().diag(0).sum();
        near("hvp", &trace.hvp(&[(x, along.clone())])[0], &expected.t(), 100.0);
        let gradient = trace.grad(&[x])[0];
        near("recorded", &(gradient * tape.constant(along.clone())).sum().backward().wrt(x), &expected.t(), 100.0);
    }
}
