//! LU factors, pseudoinverses, least squares, ranks, condition numbers and eigenvalues of general matrices. The expected
//! numbers are those of PyTorch 2.15.

use autograd::prelude::*;
use autograd::{Error, Program};

fn near(a: &Tensor<f64>, b: &Tensor<f64>) {
    assert_eq!(a.shape(), b.shape());
    let scale = b.iter().fold(1.0, |m: f64, b| m.max(b.abs()));
    assert!(a.iter().zip(b.iter()).all(|(a, b)| (a - b).abs() <= 1e-13 * scale), "{a} and {b}");
}

fn random(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

/// Σ w·x, with the weights from `first` on.
fn weighted<'t>(x: Var<'t, f64>, first: f64) -> Var<'t, f64> {
    let weights = (0..x.shape().iter().product()).map(|i: usize| first + i as f64).collect();
    (x * x.tape().constant(Tensor::new(&x.shape(), weights))).sum()
}

fn gradient(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, x: &Tensor<f64>) -> Tensor<f64> {
    let tape = Tape::new();
    let x = tape.var(x.clone());
    f(x).backward().wrt(x)
}

fn tall() -> Tensor<f64> {
    tensor![[1.0, 2.0, -1.0], [0.5, -3.0, 2.0], [4.0, 1.0, 1.5], [-2.0, 0.3, 0.7]]
}

#[test]
fn elimination_with_pivots() {
    let (p, l, u) = tall().lu();
    let expected = tensor![[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    assert_eq!(p, expected);
    near(&l, &tensor![[1.0, 0.0, 0.0], [0.125, 1.0, 0.0], [-0.5, -0.256, 1.0], [0.25, -0.56, -0.18808777429467077]]);
    near(&u, &tensor![[4.0, 1.0, 1.5], [0.0, -3.125, 1.8125], [0.0, 0.0, 1.914]]);
    fn sum<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let (_, l, u) = x.lu();
        weighted(l, 0.0) + weighted(u, 0.0)
    }
    let expected = tensor![
        [0.06149425287356358, 0.13333333333333314, 5.747126436781609],
        [-4.416061175368428, 4.849568234064785, 10.543117644939285],
        [-0.794416613519259, 1.8739502612330199, 3.7858107952293443],
        [-2.6621013944438436, 3.026959247648903, 9.080964220084315]
    ];
    near(&gradient(sum, &tall()), &expected);
    let expected =
        tensor![[7.42812500, 5.54375, 3.5, 4.25], [-7.1703125, -2.859375, 5.25, 6.375], [-6.9125, -2.175, 10.0, 11.0]];
    near(&gradient(sum, &tall().t()), &expected);
    for shape in [&[3, 3][..], &[2, 5, 3], &[3, 5], &[1, 1], &[4, 1], &[1, 4], &[2, 1, 6, 6]] {
        let a = random(shape, 3);
        let (p, l, u) = a.lu();
        near(&p.matmul(&l).matmul(&u), &a);
        assert!(l.abs().max().item() <= 1.0);
        gradcheck(|x| x[0].lu().1.square() + x[0].lu().2.sum(), &[&a]).unwrap();
    }
}

#[test]
fn factors_of_singular_matrices_and_of_nothing() {
    for a in [tensor![[0.0, 1.0, 2.0], [0.0, 2.0, 4.0], [0.0, 0.0, 5.0]], Tensor::zeros(&[3, 3]), Tensor::ones(&[4, 3])]
    {
        let (p, l, u) = a.lu();
        near(&p.matmul(&l).matmul(&u), &a);
    }
    let (p, l, u) = Tensor::<f64>::zeros(&[3, 0]).lu();
    assert_eq!((p.shape(), l.shape(), u.shape()), (&[3, 3][..], &[3, 0][..], &[0, 0][..]));
    let (p, l, u) = Tensor::<f64>::zeros(&[0, 3]).lu();
    assert_eq!((p.shape(), l.shape(), u.shape()), (&[0, 0][..], &[0, 0][..], &[0, 3][..]));
    assert!(tensor![[f64::NAN, 1.0], [1.0, 1.0]].lu().2.at(&[0, 0]).is_nan());
    assert!(tensor![1.0].try_lu().is_err());
}

#[test]
fn factors_solve_any_number_of_systems() {
    let a = random(&[2, 4, 4], 1);
    let (p, l, u) = a.lu();
    for b in [random(&[2, 4, 3], 2), random(&[2, 4], 3)] {
        near(&b.lu_solve(&p, &l, &u), &a.solve(&b));
    }
    let b = random(&[1, 4, 2], 2);
    gradcheck(
        |x| {
            let (p, l, u) = x[0].lu();
            x[1].lu_solve(p, l, u)
        },
        &[&a, &b],
    )
    .unwrap();
    assert!(random(&[3, 2], 1).try_lu_solve(&p, &l, &u).is_err());
}

#[test]
fn pseudoinverses_of_any_rank() {
    let expected = tensor![
        [0.04861040952451513, 0.040011764204041615, 0.10157626863694634, -0.2625393169128394],
        [0.09088970160680165, -0.18714962765396181, 0.16073405041096125, 0.32012554471183285],
        [-0.08422631275271153, 0.08252903445968851, 0.26405249888307414, 0.5066241000047145]
    ];
    near(&tall().pinv(None), &expected);
    let expected = tensor![
        [-1.3567814378190473, 2.770196272458575, 4.421688882447793],
        [-0.8784542926772041, 1.7914173159030944, 2.8967111454273557],
        [0.8414240536241095, -2.472258753692414, -4.652547987516709],
        [0.4764465532654336, -2.3719176539902236, -4.920330921035315]
    ];
    near(&gradient(|x| weighted(x.pinv(None), 1.0), &tall()), &expected);
    for a in [tall(), tall().t(), random(&[3, 3], 4), random(&[2, 2, 5], 5)] {
        gradcheck(|x| x[0].pinv(None), &[&a]).unwrap();
    }
    // Matrices of rank 2, as products: the four conditions of Penrose, and derivatives that keep the rank.
    let (left, right) = (random(&[5, 2], 1), random(&[2, 4], 2));
    let a = left.matmul(&right);
    let y = a.pinv(None);
    near(&a.matmul(&y).matmul(&a), &a);
    near(&y.matmul(&a).matmul(&y), &y);
    near(&a.matmul(&y).t(), &a.matmul(&y));
    near(&y.matmul(&a).t(), &y.matmul(&a));
    gradcheck(|x| x[0].matmul(x[1]).pinv(1e-9.into()), &[&left, &right]).unwrap();
    assert_eq!(Tensor::<f64>::zeros(&[2, 3]).pinv(None), Tensor::zeros(&[3, 2]));
    near(&tensor![[2.0, 0.0], [0.0, 1e-3]].pinv(Some(1e-2)), &tensor![[0.5, 0.0], [0.0, 0.0]]);
    assert_eq!(Tensor::<f64>::zeros(&[0, 3]).pinv(None).shape(), [3, 0]);
    for rtol in [-1.0, 1.0, f64::NAN] {
        assert!(matches!(a.try_pinv(Some(rtol)), Err(Error::Argument { op: "pinv", .. })));
    }
}

#[test]
fn least_squares() {
    let b = tensor![1.0, 2.0, 3.0, -4.0];
    near(&tall().lstsq(&b, None), &tensor![1.4835200114947944, -1.0817095813155706, -1.1535071472029705]);
    let expected = tensor![
        [-0.1665979523065378, 0.4059464037682814, 0.6464713646068169],
        [0.007195812499717735, 0.1677545833866783, 0.30877830083277047],
        [-1.7564591723081708, 1.2147331175829355, 1.2458146640734826],
        [-2.8526583618972836, 2.133523292238898, 2.3153060120570843]
    ];
    near(&gradient(|a| weighted(a.lstsq(a.tape().constant(b.clone()), None), 1.0), &tall()), &expected);
    gradcheck(|x| x[0].lstsq(x[1], None), &[&random(&[2, 5, 3], 1), &random(&[1, 5, 2], 2)]).unwrap();
    // Of all solutions, the one of least norm.
    near(&tensor![[1.0, 1.0]].lstsq(tensor![4.0], None), &tensor![2.0, 2.0]);
    near(&tensor![[1.0, 1.0], [1.0, 1.0]].lstsq(tensor![4.0, 0.0], None), &tensor![1.0, 1.0]);
    assert!(tall().try_lstsq(tensor![1.0], None).is_err());
}

#[test]
fn ranks_and_condition_numbers() {
    let a: Tensor<f64> = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.5], [7.0, 8.0, 9.0]];
    let singular = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
    assert_eq!(Tensor::stack(&[a.clone(), singular.clone()], 0).matrix_rank(None), tensor![3_i64, 2]);
    assert_eq!(tensor![[1.0, 0.0], [0.0, 1e-3]].matrix_rank(Some(1e-2)).item(), 1);
    assert_eq!(Tensor::<f32>::zeros(&[2, 3]).matrix_rank(None).item(), 0);
    assert_eq!(Tensor::<f64>::zeros(&[0, 3]).matrix_rank(None).item(), 0);
    let odd = tensor![[[f64::NAN, 1.0], [0.0, 1.0]], [[1.0, f64::INFINITY], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]];
    assert_eq!(odd.matrix_rank(None), tensor![i64::MIN, i64::MIN, 2]);
    for (p, expected) in [(2.0, 113.6352968962972), (1.0, 148.0), (f64::INFINITY, 216.0)] {
        assert!((a.cond(p).item() / expected - 1.0).abs() < 1e-12, "{p}");
        gradcheck(|x| x[0].cond(p), &[&general()]).unwrap();
    }
    assert_eq!([1.0, f64::INFINITY].map(|p| Tensor::<f64>::ones(&[2, 2]).cond(p).item()), [f64::INFINITY; 2]);
    assert_eq!([1.0, 2.0, f64::INFINITY].map(|p| Tensor::<f64>::zeros(&[2, 2]).cond(p).item()), [f64::INFINITY; 3]);
    assert!(tensor![[f64::NAN, 1.0], [1.0, 1.0]].cond(2.0).item().is_nan());
    assert!(singular.cond(2.0).item() > 1e15);
    assert!(tensor![[f64::NAN, 1.0], [1.0, 1.0]].cond(1.0).item().is_nan());
    assert!(tall().cond(2.0).item() > 1.0 && tall().try_cond(1.0).is_err() && a.try_cond(3.0).is_err());
    assert!(matches!(Tensor::<f64>::zeros(&[0, 0]).try_cond(2.0), Err(Error::Empty { .. })));
    // A rank is computed again in every run of a program.
    let tape = Tape::<f64>::new();
    let x = tape.var(a.clone());
    let mut program = Program::new(&tape, &[x], &[x.matrix_rank(None).numbers()]);
    assert_eq!(program.run(&[&singular]).unwrap()[0].item(), 2.0);
}

fn general() -> Tensor<f64> {
    tensor![[1.0, 2.0, 0.0], [-3.0, 0.5, 1.0], [2.0, -1.0, 4.0]]
}

#[test]
fn eigenvalues_of_general_matrices() {
    let (re, im) = general().eigvals();
    near(&re, &tensor![0.7220153427032643, 0.7220153427032643, 4.0559693145934705]);
    near(&im, &tensor![2.668660655752398, -2.668660655752398, 0.0]);
    let expected = tensor![
        [11.274503488056373, 8.901153834923031, 22.330143217960856],
        [-2.6088971713710976, 9.432823741965953, 3.798352624618742],
        [4.987808077866385, 6.177263531114034, 46.01667033446427]
    ];
    fn cubic<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let (re, im) = x.eigvals();
        (re.powi(3) + re * im.square()).sum()
    }
    near(&gradient(cubic, &general()), &expected);
    gradcheck(|x| cubic(x[0]), &[&general()]).unwrap();
    for (shape, seed) in [([1, 1], 1), ([2, 2], 2), ([5, 5], 3), ([6, 6], 4)] {
        let a = random(&shape, seed);
        let (re, im) = a.eigvals();
        assert!((re.sum().item() - a.trace().item()).abs() < 1e-13 && im.sum().item().abs() < 1e-13);
        gradcheck(|x| x[0].eigvals().0, &[&a]).unwrap();
        gradcheck(|x| x[0].eigvals().1.square(), &[&a]).unwrap();
    }
    // Known: the roots of x³ - 6x² + 11x - 6 are 1, 2, 3; those of a symmetric matrix are real.
    let companion = tensor![[6.0, -11.0, 6.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    near(&companion.eigvals().0.sort(0, autograd::Order::Ascending).0, &tensor![1.0, 2.0, 3.0]);
    let symmetric = random(&[4, 4], 5);
    let symmetric = &symmetric + symmetric.t();
    near(&symmetric.eigvals().0.sort(0, autograd::Order::Ascending).0, &symmetric.eigvalsh());
    let (re, im) = Tensor::<f64>::zeros(&[2, 0, 0]).eigvals();
    assert_eq!((re.shape(), im.shape()), (&[2, 0][..], &[2, 0][..]));
    assert!(tall().try_eigvals().is_err() && tensor![1.0].try_eig().is_err());
    // Symmetric functions of eigenvalues that coincide are smooth, if these have enough vectors.
    near(&gradient(|x| x.eigvals().0.square().sum(), &Tensor::eye(3)), &(Tensor::eye(3) * 2.0));
}

#[test]
fn eigenvectors_of_general_matrices() {
    let ((_, _), (re, im)) = general().eig();
    let expected = tensor![
        [-0.05832451476984157, -0.05832451476984157, 0.11588948661710737],
        [0.7552209061866892, 0.7552209061866892, 0.1770773574929355],
        [-0.007302916005817499, -0.007302916005817499, 0.9773501094054998]
    ];
    near(&re, &expected);
    let expected = tensor![
        [-0.5599170088944128, 0.5599170088944128, 0.0],
        [0.0, 0.0, 0.0],
        [0.3356772920588531, -0.3356772920588531, 0.0]
    ];
    near(&im, &expected);
    for a in [general(), random(&[2, 4, 4], 6), random(&[5, 5], 7)] {
        let ((wr, wi), (vr, vi)) = a.eig();
        let (wr, wi) = (wr.unsqueeze(-2), wi.unsqueeze(-2));
        near(&a.matmul(&vr), &(&vr * &wr - &vi * &wi));
        near(&a.matmul(&vi), &(&vr * &wi + &vi * &wr));
        // The vectors are normalized, so that they have derivatives, up to second order.
        gradcheck(|x| x[0].eig().1.0, &[&a]).unwrap();
        gradcheck(|x| x[0].eig().1.1, &[&a]).unwrap();
    }
    // Elements that are 0 have second derivatives, too. The sum does not depend on the order of the vectors.
    let triangular = tensor![[2.0, 1.0, 0.5], [0.0, 3.0, 0.7], [0.0, 0.0, 5.0]];
    gradcheck(|x| x[0].eig().1.0.powi(4).sum_axes(-1), &[&triangular]).unwrap();
}

#[test]
fn eigenvalues_in_programs_and_of_all_samples() {
    fn f<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let ((wr, wi), (vr, vi)) = x.eig();
        weighted(wr, 1.0) + weighted(wi, 2.0) + weighted(vr, 3.0) + weighted(vi, 4.0)
    }
    let tape = Tape::new();
    let x = tape.var(general());
    let y = f(x);
    let g = y.grad(&[x])[0];
    let mut program = Program::new(&tape, &[x], &[y, g]);
    let at = general().t() * 0.5 + 1.0;
    let found = program.run(&[&at]).unwrap();
    let other = tape.var(at.clone());
    assert_eq!(found, [f(other).value(), f(other).backward().wrt(other)]);
    let both = Tensor::stack(&[general(), at.clone()], 0);
    let all = vmap(|x| f(x[0]), &[Some(0)], &[&both]);
    near(&all, &Tensor::stack(&[y.value(), found[0].clone()], 0));
    // Single precision.
    let tape = Tape::<f32>::new();
    let x = tape.var(general().cast::<f32>());
    let g = (x.eigvals().0 * x.eigvals().1.square()).sum().backward().wrt(x);
    let expected = gradient(|x| (x.eigvals().0 * x.eigvals().1.square()).sum(), &general());
    assert!((g.cast::<f64>() - expected).abs().max().item() < 1e-4);
}
