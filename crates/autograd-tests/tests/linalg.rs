//! Tests einsum against the explicit sum, and linear algebra at edge cases.

use autograd::{Error, Rng, Tape, Tensor, Triangle, Var, gradcheck, tensor};
use std::collections::BTreeMap;

/// The explicit sum over all indices of all labels, one product of elements at a time.
fn naive(equation: &str, x: &[Tensor<f64>]) -> Tensor<f64> {
    let (inputs, output) = equation.split_once("->").expect("explicit");
    let inputs: Vec<Vec<char>> = inputs.split(',').map(|s| s.chars().collect()).collect();
    let mut sizes = BTreeMap::new();
    inputs.iter().zip(x).for_each(|(labels, x)| sizes.extend(labels.iter().copied().zip(x.shape().iter().copied())));
    let labels: Vec<char> = sizes.keys().copied().collect();
    let at = |index: &[usize], l: char| index[labels.iter().position(|&k| k == l).unwrap()];
    let shape: Vec<usize> = output.chars().map(|l| sizes[&l]).collect();
    let mut sum = BTreeMap::<Vec<usize>, f64>::new();
    let all = Tensor::<f64>::zeros(&labels.iter().map(|l| sizes[l]).collect::<Vec<_>>());
    Tensor::from_fn(all.shape(), |index| {
        let product: f64 = inputs
            .iter()
            .zip(x)
            .map(|(labels, x)| x.at(&labels.iter().map(|&l| at(index, l)).collect::<Vec<_>>()))
            .product();
        *sum.entry(output.chars().map(|l| at(index, l)).collect()).or_default() += product;
        0.0
    });
    Tensor::from_fn(&shape, |index| sum.get(index).copied().unwrap_or_default())
}

fn random(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

fn near(a: &Tensor<f64>, b: &Tensor<f64>, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    assert!(a.iter().zip(b.iter()).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0)), "{a} and {b}");
}

#[test]
fn einsum_is_the_sum_it_stands_for() {
    let size = |l: char| 2 + (l as usize - 'a' as usize) % 3;
    for equation in [
        "ab,bc->ac",
        "ab,bc->ca",
        "ba,bc->ca",
        "ab,cb->ac",
        "abc,cad->bd",
        "abc,bcd->ad",
        "abc,adc->abd",
        "a,b,c->cab",
        "aa->a",
        "aa->",
        "aab->b",
        "abab->ab",
        "aaa->a",
        "aab,bcc->ca",
        "ab,ab,ab->ab",
        "ab,ab->a",
        "ab,b,bc,cd->d",
        "ab,cd->",
        "abc->",
        "abc->cab",
        ",ab,->ba",
        "ab,bc,ca->",
        "abcd,dc->ab",
        "a,a,a->",
        "abc,abd,abe->cde",
        "->",
        "a->aa",
        "a->aaa",
        "ab->baab",
        "ab,bc->cac",
        "aab->abab",
        "abc->aca",
    ] {
        let inputs = equation.split_once("->").unwrap().0;
        let shapes = inputs.split(',').map(|s| s.chars().map(size).collect::<Vec<_>>());
        let x: Vec<Tensor<f64>> = shapes.enumerate().map(|(i, shape)| random(&shape, i as u64)).collect();
        near(&Tensor::einsum(equation, &x), &naive(equation, &x), 1e-13);
        gradcheck(|x| Var::einsum(equation, x), &x).unwrap();
    }
}

#[test]
fn einsum_knows_dots_ones_nothing_and_the_implicit_output() {
    let (a, b) = (random(&[4, 2, 3], 1), random(&[5, 1, 3, 2], 2));
    let same = |equation: &str, x: &[Tensor<f64>], y: Tensor<f64>| near(&Tensor::einsum(equation, x), &y, 1e-13);
    same("...ij, ...jk", &[a.clone(), b.clone()], a.matmul(&b));
    same("...ij,...jk->ik...", &[a.clone(), b.clone()], a.matmul(&b).permute(&[2, 3, 0, 1]));
    same("...ij,...jk->ik", &[a.clone(), b.clone()], a.matmul(&b).sum_axes([0, 1]));
    same("ba", &[random(&[2, 3], 1)], random(&[2, 3], 1).t());
    same("i...->...", std::slice::from_ref(&a), a.sum_axes(0));
    same("ij,jk->ik", &[tensor![[1.0], [2.0]], tensor![[1.0, 2.0], [3.0, 4.0]]], tensor![[4.0, 6.0], [8.0, 12.0]]);
    same("ij,jk->ik", &[Tensor::zeros(&[2, 0]), Tensor::zeros(&[0, 3])], Tensor::zeros(&[2, 3]));
    same("ij,jk->ijk", &[Tensor::zeros(&[2, 0]), Tensor::zeros(&[0, 3])], Tensor::zeros(&[2, 0, 3]));
    same("ii->i", &[Tensor::zeros(&[0, 0])], Tensor::zeros(&[0]));
    same("i...->...ii", &[Tensor::zeros(&[0, 2])], Tensor::zeros(&[2, 0, 0]));
    same("i->ii", &[Tensor::ones(&[1])], Tensor::ones(&[1, 1]));
    same("ij->ji", &[Tensor::ones(&[1, 1])], Tensor::ones(&[1, 1]));
    same("ii->i", &[random(&[3, 3], 3).t()], Tensor::from_fn(&[3], |i| random(&[3, 3], 3).at(&[i[0], i[0]])));
}

#[test]
fn a_bad_equation_is_an_error() {
    let x = [Tensor::<f64>::ones(&[2, 3]), Tensor::ones(&[3, 2])];
    for equation in [
        "",
        "ij",
        "ij,jk,kl",
        "ij,ij->",
        "ij,jk->il",
        "i,jk",
        "ijk,jk",
        "i1,jk",
        "ij,jk->i->k",
        "ij,jk->.",
        "..ij,jk",
        "i.j,jk",
        "......,jk",
        "ii,jk",
        "ij;jk",
        "ij,jk->i...k...",
        "é,jk",
    ] {
        let error = Tensor::try_einsum(equation, &x);
        assert!(matches!(error, Err(Error::Argument { .. })), "{equation}: {error:?}");
    }
    assert!(Tensor::<f64>::try_einsum("", &[]).is_err());
    let huge = Tensor::scalar(1.0).broadcast_to(&[1 << 30]);
    assert!(Tensor::<f64>::try_einsum("a,b,c->abc", &[huge.clone(), huge.clone(), huge]).is_err());
    // At once: the first factors of this size would fill any memory.
    let many = format!("ij,jk->{}", "j".repeat(100));
    assert!(matches!(Tensor::try_einsum(&many, &x), Err(Error::TooLarge { op: "einsum", .. })));
}

#[test]
fn products_with_names_refuse_what_does_not_fit() {
    let (v, m) = (Tensor::<f64>::ones(&[2]), Tensor::ones(&[2, 3]));
    assert!(v.try_dot(&m).is_err() && v.try_dot(Tensor::ones(&[3])).is_err());
    assert!(v.try_outer(&m).is_err());
    assert!(m.try_linear(m.t(), None).is_err() && m.try_linear(&v, None).is_err());
    assert!(m.try_tensordot(&m, &[0], &[1]).is_err() && m.try_tensordot(&m, &[0, 0], &[0, 0]).is_err());
    assert!(m.try_tensordot(&m, &[2], &[0]).is_err() && m.try_tensordot(&m, &[0], &[]).is_err());
    assert_eq!(m.tensordot(&m, &[], &[]).shape(), [2, 3, 2, 3]);
    assert_eq!(m.tensordot(&m, &[-1], &[1]).shape(), [2, 2]);
    assert_eq!(v.kron(&m).shape(), [2, 6]);
}

#[test]
fn what_has_no_inverse_is_an_error() {
    let singular = tensor![[1.0, 2.0], [2.0, 4.0]];
    assert!(matches!(singular.try_inv(), Err(Error::Singular { .. })));
    assert!(matches!(singular.try_solve(tensor![1.0, 1.0]), Err(Error::Singular { .. })));
    assert!(matches!(singular.try_matrix_power(-2), Err(Error::Singular { .. })));
    assert!(matches!((-&singular).try_cholesky(), Err(Error::Singular { .. })));
    let one_of_two = Tensor::stack(&[Tensor::eye(2), singular.clone()], 0);
    assert!(one_of_two.try_inv().is_err());
    assert_eq!(one_of_two.det(), tensor![1.0, 0.0]);
    let (sign, log) = one_of_two.slogdet();
    assert_eq!((sign, log), (tensor![1.0, 0.0], tensor![0.0, -f64::INFINITY]));
    // NaN propagates and is not reported as a singularity.
    let nan = tensor![[f64::NAN, 0.0], [0.0, 1.0]];
    assert!(nan.inv().iter().all(f64::is_nan) && nan.det().item().is_nan() && nan.svdvals().at(&[0]).is_nan());
    for x in [tensor![[1.0, 2.0]], tensor![1.0, 2.0], Tensor::scalar(1.0)] {
        assert!(x.try_inv().is_err() && x.try_det().is_err() && x.try_slogdet().is_err() && x.try_eigh().is_err());
        assert!(x.try_cholesky().is_err() && x.try_matrix_exp().is_err() && x.try_matrix_power(0).is_err());
    }
    assert!(tensor![1.0].try_qr().is_err() && tensor![1.0].try_svd().is_err());
    let a = Tensor::<f64>::eye(3);
    assert!(a.try_solve(tensor![1.0, 2.0]).is_err() && a.try_solve(Tensor::scalar(1.0)).is_err());
    assert!(a.try_triangular_solve(tensor![[1.0]], Triangle::Lower).is_err());
}

/// As `torch.linalg.solve`: what is a vector follows from the whole shape. A square matrix is not a batch of vectors for one
/// matrix with a batch axis, nor for a batch of any other size.
#[test]
fn a_right_hand_side_is_a_vector_by_its_shape() {
    let near = |x: &Tensor<f64>, expected: &Tensor<f64>| near(x, expected, 1e-14);
    let a = tensor![[[2.0, 1.0], [1.0, 3.0]]];
    let b = tensor![[1.0, 2.0], [3.0, 4.0]];
    let x = tensor![[[0.0, 0.4], [1.0, 1.2]]];
    let (two, three) = (a.clone() * tensor![[[1.0]], [[2.0]]], a.clone() * tensor![[[1.0]], [[2.0]], [[4.0]]]);
    near(&a.solve(&b), &x);
    near(&a.solve(tensor![1.0, 3.0]), &tensor![[0.0, 1.0]]);
    near(&a.solve(tensor![[1.0, 3.0]]), &tensor![[0.0, 1.0]]);
    near(&three.solve(&b), &Tensor::concat(&[x.clone(), &x / 2.0, &x / 4.0], 0));
    near(&two.solve(tensor![1.0, 3.0]), &tensor![[0.0, 1.0], [0.0, 0.5]]);
    near(&two.solve(b.t()), &tensor![[0.0, 1.0], [0.2, 0.6]]);
    // The others that take vectors.
    near(&a.lstsq(&b, None), &x);
    let (p, l, u) = a.lu();
    near(&b.lu_solve(&p, &l, &u), &x);
    // A column that looks like a batch of vectors after it was made from a vector.
    assert_eq!(tensor![[[4.0]]].solve(tensor![2.0]), tensor![[0.5]]);
    assert!(tensor![[[4.0]], [[2.0]]].try_solve(tensor![2.0, 1.0]).is_err());
}

#[test]
fn nothing_has_a_determinant() {
    let none = Tensor::<f64>::zeros(&[2, 0, 0]);
    assert_eq!((none.det(), none.logabsdet()), (tensor![1.0, 1.0], tensor![0.0, 0.0]));
    assert_eq!(none.inv().shape(), [2, 0, 0]);
    assert_eq!(none.solve(Tensor::zeros(&[2, 0, 3])).shape(), [2, 0, 3]);
    assert_eq!(none.eigvalsh().shape(), [2, 0]);
    assert_eq!(Tensor::<f64>::zeros(&[0, 2, 2]).matrix_exp().shape(), [0, 2, 2]);
    let (u, s, vt) = Tensor::<f64>::zeros(&[3, 0]).svd();
    assert_eq!((u.shape(), s.shape(), vt.shape()), (&[3, 0][..], &[0][..], &[0, 0][..]));
    let (q, r) = Tensor::<f64>::zeros(&[0, 3]).qr();
    assert_eq!((q.shape(), r.shape()), (&[0, 0][..], &[0, 3][..]));
    assert_eq!(random(&[2, 2], 1).matrix_power(0), Tensor::eye(2));
}

#[test]
fn factors_multiply_to_the_matrix_and_differentiate_twice() {
    for (shape, seed) in [([4, 4], 1), ([5, 3], 2), ([3, 5], 3), ([1, 4], 4), ([1, 1], 5)] {
        let a = random(&shape, seed);
        let (q, r) = a.qr();
        near(&q.matmul(&r), &a, 1e-13);
        near(&q.t().matmul(&q), &Tensor::eye(shape[0].min(shape[1])), 1e-13);
        let (u, s, vt) = a.svd();
        near(&(u * s).matmul(vt), &a, 1e-13);
        gradcheck(|x| x[0].qr().0 + x[0].qr().1.sum(), std::slice::from_ref(&a)).unwrap();
        gradcheck(|x| x[0].svdvals(), &[a]).unwrap();
    }
    let a = random(&[2, 4, 4], 6) + Tensor::eye(4) * 4.0;
    gradcheck(|x| x[0].inv(), std::slice::from_ref(&a)).unwrap();
    gradcheck(|x| x[0].matrix_power(-3), std::slice::from_ref(&a)).unwrap();
    gradcheck(|x| x[0].solve(x[1]), &[a.clone(), random(&[1, 4, 3], 7)]).unwrap();
    gradcheck(|x| x[0].solve(x[1]), &[a.clone(), random(&[2, 4], 7)]).unwrap();
    gradcheck(|x| (x[0] * 0.2).matrix_exp(), std::slice::from_ref(&a)).unwrap();
    gradcheck(|x| x[0].logabsdet(), &[a]).unwrap();
}

#[test]
fn a_triangle_alone_has_influence() {
    let a = tensor![[f64::NAN, f64::NAN], [3.0, f64::INFINITY]];
    assert_eq!(a.triangular_solve(tensor![[1.0], [5.0]], Triangle::UnitLower), tensor![[1.0], [2.0]]);
    let by_zero: Tensor<f64> = tensor![[0.0, 0.0], [0.0, 1.0]].triangular_solve(tensor![[1.0], [1.0]], Triangle::Lower);
    assert!(!by_zero.at(&[0, 0]).is_finite());
}

#[test]
fn the_exponential_moves_along_directions_of_any_length() {
    let tape = Tape::new();
    let x = tape.var(random(&[3, 3], 1));
    let (y, g) = (x.matrix_exp(), random(&[3, 3], 2));
    near(&(y.vjp(&g * 1e12).wrt(x) * 1e-12), &y.vjp(g.clone()).wrt(x), 1e-14);
    near(&y.vjp(g * 0.0).wrt(x), &Tensor::zeros(&[3, 3]), 0.0);
}

#[test]
fn signs_are_those_of_lapack() {
    let (q, r) = tensor![[3.0, 1.0], [4.0, 2.0]].qr();
    near(&q, &tensor![[-0.6, -0.8], [-0.8, 0.6]], 1e-15);
    near(&r, &tensor![[-5.0, -2.2], [0.0, 0.4]], 1e-15);
}

#[test]
fn the_determinant_of_a_singular_matrix_differentiates_twice() {
    let singular = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
    gradcheck(|x| x[0].det(), &[singular]).unwrap();
    gradcheck(|x| x[0].det(), &[Tensor::stack(&[tensor![[0.0, 1.0], [0.0, 0.0]], Tensor::eye(2)], 0)]).unwrap();
    gradcheck(|x| x[0].det(), &[tensor![[0.0]]]).unwrap();
    let tape = Tape::new();
    let zero = tape.var(Tensor::<f64>::zeros(&[3, 3]));
    assert_eq!(zero.det().backward().wrt(zero), Tensor::zeros(&[3, 3]));
}

#[test]
fn exponentials_of_any_size() {
    near(&(Tensor::<f64>::eye(2) * 100.0).matrix_exp(), &(Tensor::eye(2) * 100f64.exp()), 1e-12);
    let turn = tensor![[0.0, -100.0], [100.0, 0.0]].matrix_exp();
    near(&turn, &tensor![[100f64.cos(), -100f64.sin()], [100f64.sin(), 100f64.cos()]], 1e-12);
    assert_eq!(Tensor::<f64>::zeros(&[2, 2]).matrix_exp(), Tensor::eye(2));
}
