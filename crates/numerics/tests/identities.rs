//! The identities that define each factorization and transform, at both number types.

use numerics::{Complex, FftDirection, Fourier, Matrix};

/// Some matrix that is regular and not symmetric.
fn some<T: Matrix>(m: usize, n: usize) -> Vec<T> {
    let element = |k: usize| (k as f64 * 1.7).sin() + if k / n == k % n { 2.0 } else { 0.0 };
    (0..m * n).map(|k| T::from(element(k)).unwrap()).collect()
}

fn product<T: Matrix>(a: &[T], b: &[T], inner: usize) -> Vec<T> {
    let (m, n) = (a.len() / inner, b.len() / inner);
    let element = |k: usize| (0..inner).map(|p| a[k / n * inner + p] * b[p * n + k % n]).fold(T::zero(), |s, x| s + x);
    (0..m * n).map(element).collect()
}

fn transpose<T: Matrix>(a: &[T], n: usize) -> Vec<T> {
    let m = a.len() / n;
    (0..a.len()).map(|k| a[k % m * n + k / m]).collect()
}

fn diagonal<T: Matrix>(d: &[T]) -> Vec<T> {
    let n = d.len();
    (0..n * n).map(|k| if k / n == k % n { d[k % n] } else { T::zero() }).collect()
}

#[track_caller]
fn assert_near<T: Matrix>(x: &[T], y: &[T]) {
    let tolerance = <T as num_traits::Float>::epsilon() * T::from(200.0).unwrap();
    assert_eq!(x.len(), y.len());
    for (x, y) in x.iter().zip(y) {
        assert!(num_traits::Float::abs(*x - *y) <= tolerance, "{x:?} is not {y:?}");
    }
}

fn check<T: Matrix>() {
    let (n, ones) = (4, diagonal(&[T::one(); 4]));
    let (a, mut y) = (some::<T>(n, n), vec![T::zero(); n * n]);
    assert!(T::inverse(&a, n, &mut y));
    assert_near(&product(&a, &y, n), &ones);
    let mut x = vec![T::zero(); n * 3];
    assert!(T::solve(&a, n, &some::<T>(n, 3), &mut x));
    assert_near(&product(&a, &x, n), &some::<T>(n, 3));
    let (sign, pivots) = T::pivots(&a, n);
    let mut det = [T::zero()];
    assert!(T::det(&a, n, &mut det));
    assert_near(&det, &[pivots.into_iter().fold(sign, |x, y| x * y)]);
    assert!(T::cofactors(&a, n, &[], &mut y));
    assert_near(&product(&a, &transpose(&y, n), n), &diagonal(&[det[0]; 4]));

    let s = product(&a, &transpose(&a, n), n);
    assert!(T::cholesky(&s, n, &mut y));
    assert_near(&product(&y, &transpose(&y, n), n), &s);
    let mut eigen = vec![T::zero(); n * (n + 1)];
    assert!(T::eigh(&s, n, &mut eigen));
    let (values, vectors) = eigen.split_at(n);
    assert_near(&product(&product(vectors, &diagonal(values), n), &transpose(vectors, n), n), &s);
    assert!(T::exponential(&diagonal(&[T::one(); 4]), n, &mut y));
    assert_near(&y, &diagonal(&[T::from(std::f64::consts::E).unwrap(); 4]));
    let mut eigen = vec![T::zero(); 2 * n * (n + 1)];
    assert!(T::eig(&a, n, &mut eigen));
    let trace = (0..n).fold(T::zero(), |sum, i| sum + a[i * n + i]);
    assert_near(&[eigen[..n].iter().fold(T::zero(), |sum, &x| sum + x)], &[trace]);

    let (m, n) = (5, 3);
    let (a, ones) = (some::<T>(m, n), diagonal(&[T::one(); 3]));
    let mut q = vec![T::zero(); m * n];
    assert!(T::qr(&a, [m, n], &mut q));
    assert_near(&product(&transpose(&q, n), &q, m), &ones);
    let mut parts = vec![T::zero(); n * (1 + m + n)];
    assert!(T::svd(&a, [m, n], &mut parts));
    let (s, (u, v)) = (&parts[..n], parts[n..].split_at(m * n));
    assert_near(&product(&product(u, &diagonal(s), n), &transpose(v, n), n), &a);
    let mut pinv = vec![T::zero(); n * m];
    assert!(T::pinv(&a, [m, n], 1e-6, &mut pinv));
    assert_near(&product(&pinv, &a, m), &ones);
    let mut lu = vec![T::zero(); m * (m + n)];
    assert!(T::lu(&a, [m, n], &mut lu));
    let part = |i: usize, j: usize| lu[i * (m + n) + j];
    let p: Vec<T> = (0..m * m).map(|k| part(k / m, k % m)).collect();
    let l = |i: usize, j: usize| {
        if j < i {
            part(i, m + j)
        } else if i == j {
            T::one()
        } else {
            T::zero()
        }
    };
    let l: Vec<T> = (0..m * n).map(|k| l(k / n, k % n)).collect();
    let u = |i: usize, j: usize| if i <= j { part(i, m + j) } else { T::zero() };
    let u: Vec<T> = (0..n * n).map(|k| u(k / n, k % n)).collect();
    assert_near(&product(&product(&p, &l, m), &u, n), &a);
}

#[test]
fn factorizations_multiply_to_the_matrix() {
    check::<f32>();
    check::<f64>();
}

#[test]
fn a_singular_matrix_has_no_inverse() {
    let (ones, mut y) = ([1.0; 9], [0.0; 9]);
    assert!(!f64::inverse(&ones, 3, &mut y) && !f64::solve(&ones, 3, &ones, &mut y));
    assert!(!f64::cholesky(&[1.0, 2.0, 2.0, 1.0], 2, &mut y[..4]));
    assert_eq!(f64::pivots(&ones, 3).1, [0.0; 3]);
}

#[test]
fn triangles_ignore_the_other_one() {
    let (a, b, mut x) = ([2.0, f64::NAN, 1.0, 4.0], [2.0, 9.0], [0.0; 2]);
    assert!(f64::triangular_solve(&a, 2, true, false, &b, &mut x));
    assert_eq!(x, [1.0, 2.0]);
    assert!(f64::triangular_solve(&a, 2, true, true, &b, &mut x));
    assert_eq!(x, [2.0, 7.0]);
}

#[test]
fn transforms_are_their_sums() {
    let x = [0.5, -1.0, 2.0, 0.25, 3.0];
    let sum = |k: usize| -> Complex<f64> {
        let turn = |j: usize| Complex::from_polar(x[j], -std::f64::consts::TAU * (j * k) as f64 / 5.0);
        (0..5).map(turn).sum()
    };
    let mut y = x.map(Complex::from);
    f64::complex(5, FftDirection::Forward).process(&mut y);
    let mut half = f64::real(5).make_output_vec();
    f64::real(5).process(&mut x.clone(), &mut half).unwrap();
    for k in 0..5 {
        assert!((y[k] - sum(k)).norm() < 1e-14);
        assert!(half.get(k).is_none_or(|y| (y - sum(k)).norm() < 1e-14));
    }
    let mut back = [0.0; 5];
    f64::half(5).process(&mut half, &mut back).unwrap();
    assert!(back.iter().zip(x).all(|(y, x)| (y / 5.0 - x).abs() < 1e-15));
}
