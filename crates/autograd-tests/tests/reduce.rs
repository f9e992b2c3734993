//! Statistics, norms, scans and sorting where errors are likely: at zeros, ties, NaN, empty axes and the limits of the
//! floating-point range.

use autograd::{Dims, Error, Order, Program, Tape, Tensor, Var, gradcheck, tensor};

fn arbitrary(shape: &[usize]) -> Tensor<f64> {
    let mut k = 0.0f64;
    Tensor::from_fn(shape, |_| {
        k += 1.0;
        (k * 1.7).sin() * 2.0 + 0.01 * k
    })
}

/// The gradient of the sum of `f` at `x`.
fn gradient(x: Tensor<f64>, f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> Vec<f64> {
    let tape = Tape::new();
    let x = tape.var(x);
    f(x).sum().backward().wrt(x).to_vec()
}

#[test]
fn products_have_exact_derivatives_with_any_number_of_zeros() {
    for zeros in [vec![], vec![2], vec![2, 4], vec![0, 2, 11]] {
        let mut x = arbitrary(&[3, 2, 2]);
        zeros.iter().for_each(|&i: &usize| x.make_mut()[i] = 0.0);
        // For second derivatives of 0, finite differences are only rounding errors; the square makes them nonzero.
        gradcheck(|x| x[0].prod() + x[0].square().sum(), &[x.clone()]).unwrap();
        gradcheck(|x| x[0].prod_axes([0, 2]).square().sum() + x[0].square().sum(), &[x.clone()]).unwrap();
        gradcheck(|x| x[0].prod_keep(-2).square().sum() + x[0].square().sum(), &[x.clone()]).unwrap();
        gradcheck(|x| x[0].cumprod(0).sin().sum() + x[0].square().sum(), &[x.clone()]).unwrap();
        gradcheck(|x| x[0].flatten().cumprod(0).sin().sum() + x[0].square().sum(), &[x]).unwrap();
    }
    let third = |x: Tensor<f64>| {
        let tape = Tape::new();
        let x = tape.var(x);
        let first = x.prod().grad(&[x])[0].slice(0, 0..1).sum();
        let second = first.grad(&[x])[0].slice(0, 1..2).sum();
        second.backward().wrt(x).to_vec()
    };
    assert_eq!(third(tensor![0.0, 0.0, 0.0, 5.0]), [0.0, 0.0, 5.0, 0.0]);
}

#[test]
fn composed_reductions_have_the_derivatives_of_differences() {
    let x = [arbitrary(&[3, 4])];
    for p in [0.5, 1.0, 1.5, 2.0, 3.0, -1.0, -2.5, f64::INFINITY, f64::NEG_INFINITY] {
        gradcheck(|x| x[0].norm_axes(p, 1).square().sum(), &x).unwrap_or_else(|e| panic!("{p}: {e}"));
        gradcheck(|x| x[0].norm(p).sin(), &x).unwrap_or_else(|e| panic!("{p}: {e}"));
    }
    gradcheck(|x| x[0].var_axes(1.0, 0).sin().sum(), &x).unwrap();
    gradcheck(|x| x[0].std_keep(0.0, [0, 1]).sin().sum(), &x).unwrap();
    gradcheck(|x| (x[0].max_dim_keep(0).0 * x[0].min_dim_keep(1).0).sum(), &x).unwrap();
    gradcheck(|x| (x[0].sort(0, Order::Descending).0 * x[0]).sum(), &x).unwrap();
    gradcheck(|x| x[0].topk(2, -1, Order::Ascending).0.square().sum() + x[0].median(0).0.sin().sum(), &x).unwrap();
    gradcheck(|x| (x[0].cummax(1).0 * x[0].cummin(0).0).sum(), &x).unwrap();
    gradcheck(|x| (x[0].logcumsumexp(1) * x[0].cumsum(0)).sum() + x[0].softmin(0).square().sum(), &x).unwrap();
}

#[test]
fn a_norm_of_zero_and_a_constant_have_derivative_zero() {
    for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
        assert_eq!(gradient(Tensor::zeros(&[3]), |x| x.norm(p)), [0.0; 3], "{p}");
    }
    assert_eq!(gradient(tensor![2.0, 2.0, 2.0], |x| x.std(1.0)), [0.0; 3]);
    let tape = Tape::new();
    let x = tape.var(Tensor::<f64>::zeros(&[2]));
    let slope = x.norm(2.0).grad(&[x])[0];
    assert_eq!((slope * tape.constant(tensor![1.0, 2.0])).sum().backward().wrt(x), Tensor::zeros(&[2]));
}

#[test]
fn norms_keep_their_digits_at_any_size() {
    for s in [1e200f64, 1e-200, 1e307, 5e-324, 1.0] {
        let x = tensor![3.0 * s, -4.0 * s];
        for p in [2.0, 1.5, 3.0, -1.0] {
            let expected: f64 = tensor![3.0, -4.0].norm(p).item();
            let error: f64 = (x.norm(p) / s).item() / expected - 1.0;
            assert!(error.abs() < if s < 1e-300 { 0.3 } else { 1e-14 }, "{p} {s}: {error}");
        }
        if s > 1e-300 {
            let g = gradient(x, |x| x.norm(2.0));
            assert!((g[0] - 0.6).abs() + (g[1] + 0.8).abs() < 1e-15, "{s}: {g:?}");
        }
    }
    assert_eq!(tensor![3e30f32, 4e30].norm(2.0).item(), 5e30);
    assert_eq!(tensor![f64::INFINITY, 1.0].norm(2.0).item(), f64::INFINITY);
    assert!(tensor![f64::NAN, 1.0].norm(2.0).item().is_nan());
    assert_eq!(tensor![0.0, 2.0, -1.0].norm(0.0).item(), 2.0);
    assert_eq!(tensor![0.0, 2.0].norm(-1.0).item(), 0.0);
}

#[test]
fn ties_go_to_the_first_and_nan_wins() {
    let nan = f64::NAN;
    let x = tensor![[1.0, 3.0, 3.0], [2.0, nan, nan]];
    assert_eq!((x.argmax(1), x.argmin(1)), (tensor![1_i64, 1], tensor![0_i64, 1]));
    assert_eq!((x.argmax(0), x.argmax(..).item()), (tensor![1_i64, 1, 1], 4));
    assert_eq!(gradient(tensor![[1.0, 3.0, 3.0]], |x| x.max_dim(1).0), [0.0, 1.0, 0.0]);
    assert_eq!(gradient(tensor![1.0, 3.0, 3.0], |x| x.max()), [0.0, 0.5, 0.5]);
    assert_eq!(tensor![2.0, nan, 1.0, 2.0].argsort(0, Order::Ascending), tensor![2_i64, 0, 3, 1]);
    assert_eq!(tensor![2.0, nan, 1.0, 2.0].argsort(0, Order::Descending), tensor![1_i64, 0, 3, 2]);
    assert_eq!(tensor![2.0, nan, 1.0, 2.0].topk(2, 0, Order::Descending).1, tensor![1_i64, 0]);
    assert_eq!(tensor![2.0, nan, 1.0].median(0).1.item(), 1);
    assert_eq!(tensor![2.0, 1.0, 2.0, nan, 9.0].cummax(0).1, tensor![0_i64, 0, 2, 3, 3]);
}

#[test]
fn places_are_found_along_any_axes_of_any_view() {
    let x = arbitrary(&[4, 3, 5]).permute(&[2, 0, 1]).slice_step(0, None, None, -1);
    for axes in [vec![0], vec![1], vec![2], vec![0, 1], vec![1, 2], vec![0, 2], vec![0, 1, 2]] {
        let order: Vec<usize> = (0..3).filter(|i| !axes.contains(i)).chain(axes.iter().copied()).collect();
        let n: usize = axes.iter().map(|&i| x.shape()[i]).product();
        let rows = x.permute(&order).reshape(&[60 / n, n]);
        let axes: Vec<isize> = axes.iter().map(|&i| i as isize).collect();
        for (index, best) in
            [(x.argmax(axes.as_slice()), rows.max_axes(1)), (x.argmin(axes.as_slice()), rows.min_axes(1))]
        {
            let found = rows.gather(1, index.contiguous().reshape_index(&[60 / n, 1]));
            assert_eq!(found.reshape(&[60 / n]), best, "{axes:?}");
        }
    }
    for axis in 0..3 {
        let (sorted, at) = x.sort(axis, Order::Ascending);
        assert_eq!(x.gather(axis, &at), sorted);
        let n = x.shape()[axis as usize] as isize;
        assert!((sorted.slice(axis, 1..) - sorted.slice(axis, ..n - 1)).iter().all(|d| d > 0.0));
        assert_eq!(x.topk(2, axis, Order::Ascending).0, sorted.slice(axis, ..2));
        assert_eq!(x.median_keep(axis).0, sorted.slice(axis, (n - 1) / 2..(n - 1) / 2 + 1));
        assert_eq!(x.cummax(axis).0.slice(axis, n - 1..), x.max_keep(axis));
    }
}

/// Reshapes an index tensor.
trait ReshapeIndex {
    fn reshape_index(&self, shape: &[usize]) -> Self;
}

impl ReshapeIndex for Tensor<i64> {
    fn reshape_index(&self, shape: &[usize]) -> Self {
        Tensor::new(shape, self.to_vec())
    }
}

#[test]
fn nothing_and_one_number() {
    let none = Tensor::<f64>::zeros(&[0, 3]);
    assert_eq!(none.prod_axes(0), tensor![1.0, 1.0, 1.0]);
    assert_eq!(none.norm_axes(2.0, 0), tensor![0.0, 0.0, 0.0]);
    assert!(none.var_axes(1.0, 0).iter().chain(none.std_axes(0.0, 0).iter()).all(f64::is_nan));
    assert_eq!(none.argmax(1).shape(), [0]);
    assert_eq!(none.sort(0, Order::Ascending).0.shape(), [0, 3]);
    assert_eq!(none.topk(0, 0, Order::Descending).0.shape(), [0, 3]);
    assert_eq!(none.cumprod(0).shape(), none.logcumsumexp(1).shape());
    assert_eq!(gradient(none.clone(), |x| x.prod_axes(0) + x.cumprod(1).sum() + x.logcumsumexp(0).sum()), []);
    let one = Tensor::scalar(-3.0f64);
    assert_eq!((one.norm(2.0).item(), one.prod().item(), one.argmax(..).item()), (3.0, -3.0, 0));
    assert!(one.var(1.0).item().is_nan() && one.std(0.0).item() == 0.0);
    assert_eq!(gradient(one, |x| x.prod()), [1.0]);
    let wide = Tensor::<f64>::zeros(&[0, usize::MAX, 2]);
    assert_eq!(wide.cumprod(1).shape(), wide.shape());
    assert_eq!(gradient(wide, |x| x.prod()), []);
}

#[test]
fn what_cannot_be_is_an_error() {
    let (x, none, one) = (arbitrary(&[2, 3]), Tensor::<f64>::zeros(&[0, 2]), Tensor::scalar(1.0f64));
    assert!(matches!(x.try_topk(4, 1, Order::Descending), Err(Error::Argument { op: "topk", .. })));
    assert!(matches!(x.try_norm(f64::NAN, .., Dims::Drop), Err(Error::Argument { op: "norm", .. })));
    for error in [
        none.try_argmax(0, Dims::Drop).err(),
        none.try_argmin(.., Dims::Drop).err(),
        none.try_max_dim(0, Dims::Drop).err(),
        none.try_median(0, Dims::Drop).err(),
        none.try_norm(f64::INFINITY, 0, Dims::Drop).err(),
    ] {
        assert!(matches!(error, Some(Error::Empty { .. })), "{error:?}");
    }
    for error in [
        x.try_argmax(2, Dims::Drop).err(),
        x.try_var(1.0, [0, -2], Dims::Drop).err(),
        x.try_prod(-3, Dims::Keep).err(),
        x.try_cumsum(2).err(),
        x.try_cumprod(isize::MIN).err(),
        x.try_logcumsumexp(9).err(),
        x.try_cummax(-3).err(),
        x.try_sort(2, Order::Ascending).err(),
        x.try_topk(1, 2, Order::Descending).err(),
        x.try_median(2, Dims::Drop).err(),
        x.try_softmin(2).err(),
        one.try_cummin(0).err(),
    ] {
        assert!(matches!(error, Some(Error::Axis { .. })), "{error:?}");
    }
}

#[test]
fn running_log_sums_survive_any_size() {
    let inf = f64::INFINITY;
    let x = tensor![-inf, -1e4, 1e4, 0.0, 1e4];
    let tape = Tape::new();
    let v = tape.var(x);
    let y = v.logcumsumexp(0);
    assert_eq!(y.value(), tensor![-inf, -1e4, 1e4, 1e4, 1e4 + 2f64.ln()]);
    let g = y.slice(0, 1..).sum().grad(&[v])[0];
    // A unit in the last place of 1e4 is 2e-12.
    assert!((g.value() - tensor![0.0, 1.0, 2.5, 0.0, 0.5]).iter().all(|d| d.abs() < 1e-11));
    assert!(g.square().sum().backward().wrt(v).iter().all(f64::is_finite));
}

#[test]
fn norms_of_any_size_and_of_nothing() {
    let tape = Tape::<f64>::new();
    let x = tape.var([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0], [f64::INFINITY, 1.0], [f64::NAN, 1.0]]);
    let y = x.norm_axes(2.0, -1);
    let value = y.value().to_vec();
    assert!((value[0] / 5e200 - 1.0).abs() < 1e-15 && (value[1] / 5e-200 - 1.0).abs() < 1e-15);
    assert!(value[2] == 0.0 && value[3] == f64::INFINITY && value[4].is_nan());
    let gradient = y.slice(0, ..3).sum().backward().wrt(x);
    for (i, expected) in [0.6, 0.8, 0.6, 0.8, 0.0, 0.0].into_iter().enumerate() {
        assert!((gradient.at(&[i / 2, i % 2]) - expected).abs() < 1e-15);
    }
    assert_eq!(Tensor::<f64>::zeros(&[0, 2]).norm_axes(2.0, 0), tensor![0.0, 0.0]);
    assert!(tape.var(1.0).try_norm(2.0, 0, Dims::Drop).is_err() && x.try_norm(f64::NAN, 0, Dims::Drop).is_err());
}

#[test]
fn without_degrees_of_freedom_there_is_no_variance() {
    for (x, correction, variance) in [
        (tensor![3.0], 1.0, f64::NAN),
        (tensor![3.0, 3.0], 2.0, f64::NAN),
        (tensor![1.0, 3.0], 2.0, f64::INFINITY),
        (tensor![1.0, 3.0], 5.0, f64::INFINITY),
    ] {
        let tape = Tape::<f64>::new();
        let x = tape.var(x);
        for y in [x.var(correction), x.std(correction)] {
            assert!(y.item() == variance || y.item().is_nan() && variance.is_nan());
            assert!(y.backward().wrt(x).iter().all(f64::is_nan));
        }
    }
}

#[test]
fn a_row_with_nan_has_no_largest_element_and_no_derivative() {
    let tape = Tape::new();
    let x = tape.var(tensor![[1.0, f64::NAN, 2.0], [1.0, 4.0, 4.0]]);
    for (y, at_other) in [(x.max_axes(1), [0.0, 0.5, 0.5]), (x.min_axes(1), [1.0, 0.0, 0.0])] {
        let d = y.sum().backward().wrt(x).to_vec();
        assert!(d[..3].iter().all(|d| d.is_nan()));
        assert_eq!(d[3..], at_other);
    }
}

#[test]
fn sums_and_means_of_what_is_not_nan() {
    let nan = f64::NAN;
    let x = tensor![[1.0, nan, 3.0], [nan, nan, nan], [4.0, 5.0, 9.0]];
    let same = |a: &Tensor<f64>, b: &Tensor<f64>| {
        a.shape() == b.shape() && a.iter().zip(b.iter()).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    };
    assert!(same(&x.nansum_axes(1), &tensor![4.0, 0.0, 18.0]) && same(&x.nanmean_axes(1), &tensor![2.0, nan, 6.0]));
    assert!(same(&x.nansum_keep(0), &tensor![[5.0, 5.0, 12.0]]) && same(&x.nanmean_keep(0), &tensor![[2.5, 5.0, 6.0]]));
    assert_eq!((x.nansum().item(), x.nanmean().item()), (22.0, 4.4));
    assert!(x.try_nanmean(2, Dims::Drop).is_err());
    let tape = Tape::new();
    let v = tape.var(x);
    // The second derivative of a sum of squares of means, by 2/n² for each pair in a row.
    let y = v.nanmean_axes(1).square().nansum();
    let second: Tensor<f64> = y.hvp(&[(v, Tensor::ones(&[3, 3]))]).remove(0);
    let expected: Tensor<f64> = tensor![[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]];
    assert!([0, 2].iter().all(|&i| (0..3).all(|j| (second.at(&[i, j]) - expected.at(&[i, j])).abs() < 1e-15)));
    let gradient = v.nanmean_axes(1).nansum().backward().wrt(v);
    let third = 1.0 / 3.0;
    let expected = tensor![[0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [third, third, third]];
    assert!((&gradient - expected).abs().max().item() < 1e-16, "{gradient}");
    let mut program = Program::new(&tape, &[v], &[v.nanmean_axes(1).nansum(), v.nansum()]);
    let replayed = program.run(&[&tensor![[nan, 2.0, 3.0], [4.0, nan, nan], [nan, nan, nan]]]).unwrap();
    assert_eq!((replayed[0].item(), replayed[1].item()), (6.5, 9.0));
    assert_eq!((tensor![1f32, f32::NAN].nanmean().item(), Tensor::<f32>::zeros(&[0]).nansum().item()), (1.0, 0.0));
}

/// Below p = 2, an element of 0 is at a kink, or where the curvature is infinite. It counts as a constant; the others have
/// the derivatives that they have without it: of (√a + √b)² in closed form.
#[test]
fn elements_of_zero_do_not_spoil_the_curvature_of_a_norm() {
    let hessian = |p: f64, x: &Tensor<f64>| autograd::transform::hessian(|x| x[0].norm(p), &[x]).remove(0).remove(0);
    let expected = tensor![[0.0, 0.0, 0.0], [0.0, -1.0, 0.25], [0.0, 0.25, -0.0625]];
    assert!((hessian(0.5, &tensor![0.0, 1.0, 4.0]) - expected).abs().max().item() < 1e-14);
    let (whole, part) = (hessian(1.5, &tensor![0.0, 1.0, 4.0]), hessian(1.5, &tensor![1.0, 4.0]));
    assert!((whole.slice_axis(0, 1..3).slice_axis(1, 1..3) - part).abs().max().item() < 1e-14);
    assert_eq!(whole.slice_axis(0, 0..1), Tensor::zeros(&[1, 3]));
}
