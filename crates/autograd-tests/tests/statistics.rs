//! Statistics of samples, places in sorted lists, reductions by index, and distinct elements. The expected numbers are those
//! of PyTorch 2.15.

use autograd::prelude::*;
use autograd::{Between, Error, Insert, Program, Scatter, Target, compile};

fn near(a: &Tensor<f64>, b: &Tensor<f64>) {
    assert_eq!(a.shape(), b.shape());
    assert!(a.iter().zip(b.iter()).all(|(a, b)| (a - b).abs() <= 1e-14 * b.abs().max(1.0)), "{a} and {b}");
}

/// The gradient of Σ w·f(x), with the weights 1, 2, 3, …
fn gradients(f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>, x: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    let tape = Tape::new();
    let x: Vec<Var<f64>> = x.iter().map(|x| tape.var(x.clone())).collect();
    let y = f(&x);
    let weights: Vec<f64> = (1..=y.value().len()).map(|i| i as f64).collect();
    let g = y.vjp(Tensor::new(&y.shape(), weights));
    x.iter().map(|&x| g.wrt(x)).collect()
}

/// That a program compiled at the first point gives the value, and the gradient, at the second.
fn replays(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: [Tensor<f64>; 2]) {
    let record = |tape: &Tape<f64>, x: &Tensor<f64>| {
        let x = tape.var(x.clone());
        let y = f(x);
        let g = y.sum().grad(&[x])[0];
        ([y.value(), g.value()], Program::new(tape, &[x], &[y, g]))
    };
    let (one, two) = (Tape::new(), Tape::new());
    let (_, mut program) = record(&one, &at[0]);
    assert_eq!(program.run(&[&at[1]]).unwrap(), record(&two, &at[1]).0);
}

#[test]
fn quantiles_lie_on_or_between_elements() {
    let x = tensor![[3.1, -1.2, 0.4, 7.7, 2.5], [0.3, 0.1, -4.0, 2.2, 9.9]];
    let q = [0.0, 0.1, 0.35, 0.5, 0.62, 1.0];
    let at = |between| x.quantiles(&q, 1, between).t();
    let linear =
        tensor![[-1.2, -0.5599999999999998, 1.2399999999999998, 2.5, 2.788, 7.7], [-4.0, -2.36, 0.18, 0.3, 1.212, 9.9]];
    near(&at(Between::Linear), &linear);
    let lower = tensor![[-1.2, -1.2, 0.4, 2.5, 2.5, 7.7], [-4.0, -4.0, 0.1, 0.3, 0.3, 9.9]];
    assert_eq!(at(Between::Lower), lower);
    assert_eq!(at(Between::Nearest), lower);
    let higher = tensor![[-1.2, 0.4, 2.5, 2.5, 3.1, 7.7], [-4.0, 0.1, 0.3, 0.3, 2.2, 9.9]];
    assert_eq!(at(Between::Higher), higher);
    near(
        &at(Between::Midpoint),
        &tensor![[-1.2, -0.4, 1.45, 2.5, 2.8, 7.7], [-4.0, -1.9499999999999997, 0.2, 0.3, 1.25, 9.9]],
    );
    assert_eq!(tensor![1.0, 2.0, 3.0, 4.0].quantile(0.5, 0, Between::Nearest).item(), 3.0); // place 1.5: the even one
    let g = gradients(|x| x[0].quantiles(&q, 1, Between::Linear), std::slice::from_ref(&x));
    near(&g[0], &tensor![[4.32, 2.8, 4.2, 11.0, 13.68], [15.6, 5.2, 4.4, 4.8, 12.0]]);
    for between in [Between::Linear, Between::Lower, Between::Higher, Between::Midpoint, Between::Nearest] {
        gradcheck(|x| x[0].quantiles(&q, -1, between).square(), &[&x]).unwrap();
        gradcheck(|x| x[0].quantile(0.3, 0, between).square(), &[&x]).unwrap();
    }
    replays(|x| x.quantiles(&[0.2, 0.7], 1, Between::Linear).square(), [x.clone(), -&x]);
    let all = vmap(|x| x[0].quantiles(&q, 0, Between::Linear), &[Some(0)], &[&x]);
    assert_eq!(all, x.quantiles(&q, 1, Between::Linear).t());
}

#[test]
fn quantiles_of_equal_infinite_and_missing_numbers() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let equal = Tensor::full(&[7], 0.1);
    for i in 0..=100 {
        assert_eq!(equal.quantile(f64::from(i) / 100.0, 0, Between::Linear).item(), 0.1);
    }
    let x = tensor![-inf, 1.0, inf, inf];
    assert_eq!(x.quantiles(&[0.0, 1.0, 0.4], 0, Between::Linear), tensor![-inf, inf, inf]);
    assert!(tensor![1.0, nan, 2.0].quantile(0.0, 0, Between::Linear).item().is_nan());
    assert_eq!(tensor![[1.0, nan], [2.0, 3.0]].quantile(0.5, 1, Between::Linear).at(&[1]), 2.5);
    assert_eq!(tensor![[1.0f32, 2.0]].quantile(0.25, 1, Between::Linear), tensor![1.25f32]);
    assert_eq!(equal.quantiles(&[], 0, Between::Linear).shape(), [0]);
    for q in [-0.1, 1.5, nan] {
        assert!(matches!(x.try_quantile(q, 0, Between::Linear), Err(Error::Argument { op: "quantile", .. })));
    }
    assert!(matches!(Tensor::<f64>::zeros(&[0]).try_quantile(0.5, 0, Between::Linear), Err(Error::Empty { .. })));
    assert!(x.try_quantile(0.5, 1, Between::Linear).is_err());
}

#[test]
fn places_in_sorted_rows() {
    let rows = tensor![[1.0, 2.0, 2.0, 3.0], [0.0, 5.0, 6.0, 6.0]];
    let x = tensor![[2.0, 0.0, 9.0, f64::NAN], [6.0, 5.5, 0.0, -1.0]];
    assert_eq!(rows.searchsorted(&x, Insert::Before), tensor![[1_i64, 0, 4, 4], [2, 2, 0, 0]]);
    assert_eq!(rows.searchsorted(&x, Insert::After), tensor![[3_i64, 0, 4, 4], [4, 2, 1, 0]]);
    let list = tensor![0.5f32, 1.5];
    assert_eq!(tensor![[[1.0f32]], [[2.0]]].bucketize(&list, Insert::After), tensor![[[1_i64]], [[2]]]);
    assert_eq!(list.searchsorted(Tensor::scalar(1.5), Insert::Before), Tensor::scalar(1_i64));
    assert_eq!(Tensor::<f64>::zeros(&[0]).searchsorted(tensor![3.0], Insert::After), tensor![0_i64]);
    assert_eq!(list.searchsorted(Tensor::zeros(&[0, 3]), Insert::Before).shape(), [0, 3]);
    assert!(rows.try_searchsorted(tensor![1.0], Insert::Before).is_err());
    assert!(Tensor::scalar(1.0).try_searchsorted(tensor![1.0], Insert::Before).is_err());
    // Many, against the count of smaller ones.
    let (edges, x) = (Tensor::<f64>::rand(&[300], &mut Rng::new(1)), Tensor::rand(&[9000], &mut Rng::new(2)));
    let found = edges.sort(0, autograd::Order::Ascending).0.searchsorted(&x, Insert::Before);
    assert!(found.iter().zip(x.iter()).all(|(place, x)| place as usize == edges.is_lt(x).count()));
    // A program searches again, for each sample too.
    let at = [tensor![0.2, 1.7, 0.9], tensor![3.0, -1.0, 1.5]];
    replays(|x| x.square() * x.bucketize(x.tape().constant([0.0, 1.0, 2.0]), Insert::After).numbers(), at.clone());
    let both = Tensor::stack(&at, 0);
    fn of_sample<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        x[0].cumsum(0).abs().cumsum(0).searchsorted(x[0], Insert::Before).numbers()
    }
    let tape = Tape::new();
    let each = at.map(|x| of_sample(&[tape.var(x)]).value());
    assert_eq!(vmap(of_sample, &[Some(0)], &[&both]), Tensor::stack(&each, 0));
}

#[test]
fn covariances_and_correlations() {
    let x = tensor![[1.5, -0.2, 3.3, 0.7], [2.0, 0.1, -1.0, 4.0], [0.3, 0.3, 1.1, -2.0]];
    let cov = tensor![
        [2.215833333333333, -1.4258333333333333, 1.0058333333333334],
        [-1.4258333333333333, 4.8358333333333325, -2.6958333333333333],
        [1.0058333333333334, -2.6958333333333333, 1.7891666666666668]
    ];
    near(&x.cov(1.0), &cov);
    near(&x.cov(0.0), &(&cov * 0.75));
    let corr = tensor![
        [1.0, -0.43557661504912526, 0.5051636345083366],
        [-0.4355766150491253, 1.0, -0.9164989621584471],
        [0.5051636345083366, -0.9164989621584471, 1.0]
    ];
    near(&x.corrcoef(), &corr);
    let weights = || Tensor::from_fn(&[3, 3], |i| (3 * i[0] + i[1]) as f64 - 2.0);
    let tape = Tape::new();
    let v = tape.var(x.clone());
    let expected = tensor![
        [0.19792185068614185, 0.7146744215258092, 0.18648826877858252, -1.0990845409905337],
        [0.7063787655363538, -0.253868294591745, -0.0845342364329803, -0.36797623451162853],
        [1.1455369317418787, -1.7153680868970111, 0.4227779538247761, 0.14705320133035638]
    ];
    near(&v.corrcoef().vjp(weights()).wrt(v), &expected);
    let expected = tensor![
        [0.2666666666666664, 2.533333333333333, -1.0666666666666664, -1.7333333333333334],
        [1.9666666666666666, -0.5666666666666665, 0.10000000000000031, -1.5],
        [3.6666666666666665, -3.6666666666666665, 1.2666666666666662, -1.2666666666666666]
    ];
    near(&v.cov(1.0).vjp(weights()).wrt(v), &expected);
    gradcheck(|x| x[0].cov(1.0), &[&x]).unwrap();
    gradcheck(|x| x[0].corrcoef().sum_axes(0), &[&x]).unwrap();
    let list = tensor![1.0, 4.0, 7.0];
    assert_eq!((list.cov(1.0).item(), list.corrcoef().item()), (9.0, 1.0));
    let batch = Tensor::stack(&[x.clone(), &x * 2.0], 0);
    near(&batch.cov(1.0), &Tensor::stack(&[cov.clone(), &cov * 4.0], 0));
    // Rows on one line: 1 is the largest value, so the gradient is 0, but the curvature is not clipped away. Along d, which
    // is orthogonal to x, it is -d / |x - mean|².
    let (x, d) = (tape.var(list.clone()), tensor![1.0, -2.0, 1.0]);
    let one = Var::stack(&[x, tape.constant(&list * 3.0 + 1.0)], 0).corrcoef().slice(0, ..1).slice(1, 1..);
    assert_eq!(one.value(), tensor![[1.0]]);
    let slope = one.sum().grad(&[x])[0];
    assert!(slope.value().abs().max().item() < 1e-15);
    near(&(slope * tape.constant(d.clone())).sum().backward().wrt(x), &(d * (-1.0 / 18.0)));
    assert!(Tensor::full(&[2, 3], 1.0).corrcoef().iter().all(f64::is_nan));
    assert!(Tensor::scalar(1.0).try_cov(1.0).is_err() && Tensor::scalar(1.0).try_corrcoef().is_err());
}

#[test]
fn distances_of_points() {
    let x = tensor![[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]];
    let y = tensor![[0.5, -1.0, 2.0], [0.1, 0.2, 0.3], [-1.0, 2.0, -3.0]];
    let cases = [
        (1.0, tensor![[0.0, 3.3, 9.5], [5.0, 2.5, 6.5]], tensor![[5.0, -5.0, 5.0], [15.0, 3.0, -3.0]]),
        (
            2.0,
            tensor![
                [0.0, 2.118962010041709, 6.020797289396148],
                [3.181980515339464, 1.7507141400011597, 3.7914377220257753]
            ],
            tensor![
                [1.1249526612300667, -2.6274486650065403, 4.0959236014344285],
                [9.21172990832692, -1.0552507161311482, -2.895088188845733]
            ],
        ),
        (f64::INFINITY, tensor![[0.0, 1.7, 5.0], [2.75, 1.4, 2.5]], tensor![[0.0, 0.0, 5.0], [11.0, 0.0, -4.0]]),
        (
            1.5,
            tensor![
                [0.0, 2.428310444589677, 6.922516760358184],
                [3.6446194393840234, 1.9598154764098812, 4.5304133216600855]
            ],
            tensor![
                [2.2082035683951666, -3.380867258250685, 4.223022877665566],
                [10.778310417701125, -0.5878936048710268, -2.9059850094806574]
            ],
        ),
        (
            3.0,
            tensor![
                [0.0, 1.8856724705406933, 5.3760138703995395],
                [2.8744485394724153, 1.5742963178872533, 3.187155543964547]
            ],
            tensor![
                [0.32354649709518163, -1.7441600305679166, 4.220549990265042],
                [8.129953389878743, -1.047448734973982, -2.895083345367559]
            ],
        ),
    ];
    for (p, expected, gradient) in cases {
        near(&x.cdist(&y, p), &expected);
        near(&gradients(|x| x[0].cdist(x[1], p), &[x.clone(), y.clone()])[0], &gradient); // 0 at distance 0
        gradcheck(|x| x[0].cdist(x[1], p), &[&x, &y.slice(0, 1..)]).unwrap();
    }
    // Near points keep their digits, which products of coordinates would lose.
    let far = tensor![[1e8, 1e8]];
    assert_eq!(far.cdist(&far + tensor![[3.0, 4.0]], 2.0).item(), 5.0);
    assert_eq!(x.cdist(Tensor::ones(&[4, 1, 5, 3]), 2.0).shape(), [4, 1, 2, 5]);
    assert_eq!(Tensor::<f64>::zeros(&[2, 0]).cdist(Tensor::zeros(&[3, 0]), f64::INFINITY), Tensor::zeros(&[2, 3]));
    assert!(x.try_cdist(tensor![[1.0, 2.0]], 2.0).is_err() && x.try_cdist(tensor![1.0, 2.0, 3.0], 2.0).is_err());
    // Many points are taken block by block.
    let rng = &mut Rng::new(8);
    let (many, others) = (Tensor::<f64>::randn(&[2, 70, 40], rng), Tensor::<f64>::randn(&[3, 1, 50, 40], rng));
    for p in [1.0, 2.0, 3.0] {
        let d = many.cdist(&others, p);
        assert_eq!(d.shape(), [3, 2, 70, 50]);
        for [i, j, k, l] in [[0, 0, 0, 0], [2, 1, 69, 49], [1, 0, 33, 7], [2, 0, 5, 48_isize]] {
            let (from, to) =
                (many.index_axis(0, j).index_axis(0, k), others.index_axis(0, i).index_axis(0, 0).index_axis(0, l));
            let expected = (from - to).norm(p).item();
            assert!((d.at(&[i, j, k, l].map(|at| at as usize)) / expected - 1.0).abs() < 1e-14);
        }
    }
    assert!(x.try_cdist(&y, -1.0).is_err() && x.try_cdist(&y, f64::NAN).is_err());
}

#[test]
fn reductions_by_index() {
    let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let src = tensor![[2.0, -1.0, 2.0, 0.0], [7.0, 0.5, 0.5, 3.0]];
    let index = tensor![[0_i64, 0, 0, 2], [1, 1, 1, 1]];
    use {Scatter::*, Target::*};
    // The value, and the gradients with respect to x and src, by rows.
    type Expected = [[[f64; 3]; 2]; 2];
    let cases: [(Scatter, Target, Expected, [[f64; 4]; 2]); 10] = [
        (
            Sum,
            Included,
            [[[4.0, 2.0, 3.0], [4.0, 16.0, 6.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]],
            [[1.0, 1.0, 1.0, 3.0], [5.0, 5.0, 5.0, 5.0]],
        ),
        (
            Sum,
            Replaced,
            [[[3.0, 2.0, 0.0], [4.0, 11.0, 6.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 6.0]]],
            [[1.0, 1.0, 1.0, 3.0], [5.0, 5.0, 5.0, 5.0]],
        ),
        (
            Mean,
            Included,
            [[[1.0, 2.0, 1.5], [4.0, 3.2, 6.0]], [[0.25, 2.0, 1.5], [4.0, 1.0, 6.0]]],
            [[0.25, 0.25, 0.25, 1.5], [1.0, 1.0, 1.0, 1.0]],
        ),
        (
            Mean,
            Replaced,
            [[[1.0, 2.0, 0.0], [4.0, 2.75, 6.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 6.0]]],
            [[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 3.0], [1.25, 1.25, 1.25, 1.25]],
        ),
        (
            Prod,
            Included,
            [[[-4.0, 2.0, 0.0], [4.0, 26.25, 6.0]], [[-4.0, 2.0, 0.0], [4.0, 26.25, 6.0]]],
            [[-2.0, 4.0, -2.0, 9.0], [18.75, 262.5, 262.5, 43.75]],
        ),
        (
            Prod,
            Replaced,
            [[[-4.0, 2.0, 0.0], [4.0, 5.25, 6.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 6.0]]],
            [[-2.0, 4.0, -2.0, 3.0], [3.75, 52.5, 52.5, 8.75]],
        ),
        (
            Max,
            Included,
            [[[2.0, 2.0, 3.0], [4.0, 7.0, 6.0]], [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0]]],
            [[0.5, 0.0, 0.5, 0.0], [5.0, 0.0, 0.0, 0.0]],
        ),
        (
            Max,
            Replaced,
            [[[2.0, 2.0, 0.0], [4.0, 7.0, 6.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 6.0]]],
            [[0.5, 0.0, 0.5, 3.0], [5.0, 0.0, 0.0, 0.0]],
        ),
        (
            Min,
            Included,
            [[[-1.0, 2.0, 0.0], [4.0, 0.5, 6.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 6.0]]],
            [[0.0, 1.0, 0.0, 3.0], [0.0, 2.5, 2.5, 0.0]],
        ),
        (
            Min,
            Replaced,
            [[[-1.0, 2.0, 0.0], [4.0, 0.5, 6.0]], [[0.0, 2.0, 0.0], [4.0, 0.0, 6.0]]],
            [[0.0, 1.0, 0.0, 3.0], [0.0, 2.5, 2.5, 0.0]],
        ),
    ];
    for (how, target, [y, x_bar], src_bar) in cases {
        let f = |x: Var<'_, f64>, src: Var<'_, f64>| x.scatter_reduce(1, &index, src, how, target).value();
        let tape = Tape::new();
        assert_eq!(f(tape.var(x.clone()), tape.var(src.clone())), Tensor::from(y), "{how:?} {target:?}");
        let found = gradients(|x| x[0].scatter_reduce(1, &index, x[1], how, target), &[x.clone(), src.clone()]);
        near(&found[0], &Tensor::from(x_bar));
        near(&found[1], &Tensor::from(src_bar));
        // Without ties, to second order.
        let apart = tensor![[2.0, -1.0, 2.5, 0.0], [7.0, 0.5, 0.25, 3.0]];
        gradcheck(|x| x[0].square().scatter_reduce(1, &index, x[1].sin(), how, target).square(), &[&x, &apart])
            .unwrap();
        // Where an index is computed, a program computes it again.
        let at = [tensor![[0.3, -2.0, 1.0, 7.0]], tensor![[5.0, 2.5, 1.0, -7.0]]];
        let base = tensor![[0.5, 1.5, -0.5, 2.0]];
        replays(
            |v| {
                let index = v.slice(1, ..3).argsort(1, autograd::Order::Ascending);
                v.tape().constant(base.clone()).scatter_reduce(1, index, v.square(), how, target)
            },
            at,
        );
        let index = tensor![1_i64, 1, 0, 1];
        let samples = vmap(|x| x[0].scatter_reduce(0, &index, x[1], how, target), &[Some(0), Some(0)], &[&x, &src]);
        let each = [0, 1].map(|i| x.index_axis(0, i).scatter_reduce(0, &index, src.index_axis(0, i), how, target));
        assert_eq!(samples, Tensor::stack(&each, 0));
    }
}

/// The products of some elements of a group may overflow, or a long product may vanish.
#[test]
fn products_by_index_have_derivatives_where_parts_overflow() {
    let src = tensor![1e200, 1e-200, 4.0, 1e200, 0.5, 1e-200];
    let index = tensor![0_i64, 0, 1, 0, 1, 0];
    let found = gradients(
        |x| x[0].scatter_reduce(0, &index, x[1], Scatter::Prod, Target::Included),
        &[tensor![1.0, 3.0], src.clone()],
    );
    let expected = tensor![1e-200, 1e200, 3.0, 1e-200, 24.0, 1e200];
    assert!((&found[1] / expected - 1.0).abs().max().item() < 1e-14, "{}", found[1]);
    assert_eq!(found[0], tensor![1.0, 4.0]);
    // To second order where elements are 0.
    let zeros = tensor![0.0, 2.0, 0.0, 3.0, 0.0, 5.0];
    let index = tensor![0_i64, 0, 1, 1, 1, 2];
    let hessian = autograd::transform::hessian(
        |x| {
            x[0].tape()
                .constant(Tensor::ones(&[3]))
                .scatter_reduce(0, &index, x[0], Scatter::Prod, Target::Included)
                .sum()
        },
        &[&zeros],
    );
    let mut expected = Tensor::zeros(&[6, 6]);
    for [i, j, x] in [[0, 1, 1], [1, 0, 1], [2, 4, 3], [4, 2, 3]] {
        expected.make_mut()[i * 6 + j] = x as f64;
    }
    assert_eq!(hessian[0][0], expected);
}

/// Groups affect each other neither in the value nor in the gradient.
#[test]
fn products_by_index_keep_nan_and_overflow_to_themselves() {
    let (x, index) = (Tensor::ones(&[4]), tensor![2_i64, 0, 1, 2, 3, 3]);
    for odd in [f64::NAN, f64::INFINITY, 1e200] {
        let src = tensor![odd, 2.0, 3.0, odd, 0.0, 5.0];
        let y = x.scatter_reduce(0, &index, &src, Scatter::Prod, Target::Included);
        assert_eq!([y.at(&[0]), y.at(&[1]), y.at(&[3])], [2.0, 3.0, 0.0]);
        assert!(!y.at(&[2]).is_finite());
        let found =
            gradients(|x| x[0].scatter_reduce(0, &index, x[1], Scatter::Prod, Target::Included), &[x.clone(), src]);
        assert_eq!([1, 2, 4, 5].map(|i| found[1].at(&[i])), [1.0, 2.0, 20.0, 0.0]);
    }
}

#[test]
fn extrema_by_index_share_ties_and_keep_nan() {
    use {Scatter::*, Target::*};
    let (x, src, index) = (tensor![5.0, 1.0], tensor![5.0, 5.0, 0.0], tensor![0_i64, 0, 1]);
    let tape = Tape::new();
    let (a, b) = (tape.var(x), tape.var(src));
    let g = a.scatter_reduce(0, &index, b, Max, Included).sum().backward();
    near(&g.wrt(a), &tensor![1.0 / 3.0, 1.0]);
    near(&g.wrt(b), &tensor![1.0 / 3.0, 1.0 / 3.0, 0.0]);
    // A long group between short ones, in any order.
    let n = 1000;
    let src = Tensor::<f64>::randn(&[n], &mut Rng::new(1));
    let index = Tensor::from_fn(&[n], |i| if i[0] % 3 == 0 { i[0] as i64 % 50 } else { 7 });
    let y = Tensor::zeros(&[50]).scatter_reduce(0, &index, &src, Max, Replaced);
    for (k, y) in y.iter().enumerate() {
        let group = src.iter().zip(index.iter()).filter(|&(_, i)| i == k as i64).map(|(x, _)| x);
        assert_eq!(y, group.reduce(f64::max).unwrap_or(0.0));
    }
    let inf = f64::INFINITY;
    let y = tensor![1.0, 2.0, 3.0].scatter_reduce(0, tensor![0_i64, 1], tensor![f64::NAN, -inf], Min, Included);
    assert!(y.at(&[0]).is_nan() && y.at(&[1]) == -inf && y.at(&[2]) == 3.0);
    let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    let nothing = x.scatter_reduce(0, Tensor::<i64>::zeros(&[0, 2]), Tensor::zeros(&[0, 2]), Prod, Replaced);
    assert_eq!(nothing, x);
    let error = |index, src: Tensor<f64>| x.try_scatter_reduce(0, index, src, Max, Included).unwrap_err().to_string();
    assert!(error(tensor![[2_i64]], tensor![[1.0]]).contains("scatter_reduce: index 2"));
    assert!(error(tensor![[0_i64, 0]], tensor![[1.0]]).contains("must fit"));
}

#[test]
fn distinct_elements_and_places_of_some() {
    let nan = f64::NAN;
    let found = tensor![2.0, nan, -0.0, 2.0, 0.0, nan].unique();
    assert_eq!(found.values.to_vec()[..2], [0.0, 2.0]);
    assert!(found.values.at(&[2]).is_nan());
    assert_eq!((found.inverse, found.counts), (tensor![1_i64, 2, 0, 1, 0, 2], tensor![2_i64, 2, 2]));
    assert_eq!(tensor![true, false, true].unique().values, tensor![false, true]);
    assert_eq!(Tensor::<f64>::zeros(&[0, 2]).unique().values.shape(), [0]);
    assert_eq!(Tensor::scalar(3.0).unique().inverse, Tensor::scalar(0_i64));
    let x = tensor![[[0_i64, 1], [2, 0]], [[0, 0], [0, -3]]];
    assert_eq!(x.nonzero(), tensor![[0_i64, 0, 1], [0, 1, 0], [1, 1, 1]]);
    assert_eq!(tensor![nan, 0.0].nonzero(), tensor![[0_i64]]);
    assert_eq!(Tensor::scalar(3.0).nonzero().shape(), [1, 0]);
    assert_eq!(Tensor::<f64>::zeros(&[2, 3]).nonzero().shape(), [0, 2]);
    // Their shapes depend on the values, so a compiled function cannot record them.
    let mut f = compile::<f64, _>(|x| x[0].take(0, x[0].value().nonzero()).sum());
    assert!(matches!(f.value(&[tensor![0.0, 1.0, 2.0]]), Err(Error::Argument { .. })));
}
