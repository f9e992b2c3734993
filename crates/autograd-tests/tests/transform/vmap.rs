//! `vmap` is the loop over samples, for every op, in values and derivatives.

use autograd::transform::{
    Mode, clipped_grad, hessian, jacobian_by, per_sample_grad, per_sample_norm, try_clipped_grad, try_per_sample_grad,
    try_vmap, vmap,
};
use autograd::{Attention, Dims, Order, Pad, Rng, Tensor, Var, tensor};

type F = for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>;

const CAUSAL: Attention = Attention { causal: true, scale: None };

/// `vmap` of `f` and the loop, in values and gradients; `x` has its samples along the axes given.
fn is_the_loop(name: &str, f: F, in_axes: &[Option<isize>], x: &[Tensor<f64>]) {
    let n = in_axes.iter().zip(x).find_map(|(axis, x)| axis.map(|axis| x.shape()[axis as usize])).unwrap();
    let sample = |i: usize| -> Vec<Tensor<f64>> {
        let pick = |(axis, x): (&Option<isize>, &Tensor<f64>)| {
            axis.map_or_else(|| x.clone(), |axis| x.index_axis(axis, i as isize))
        };
        in_axes.iter().zip(x).map(pick).collect()
    };
    let at = |x: &[Tensor<f64>]| {
        let tape = autograd::Tape::new();
        let x: Vec<Var<f64>> = x.iter().map(|x| tape.var(x.clone())).collect();
        f(&x).value()
    };
    let each: Vec<Tensor<f64>> = (0..n).map(|i| at(&sample(i))).collect();
    let all = vmap(f, in_axes, x);
    assert_eq!(all.shape()[0], n, "{name}");
    for (i, each) in each.iter().enumerate() {
        let found = all.index_axis(0, i as isize);
        assert_eq!(found.shape(), each.shape(), "{name}");
        let error = if each.is_empty() { 0.0 } else { (&found - each).abs().max().item() };
        assert!(error < 1e-12 || each.iter().any(f64::is_nan), "{name}, sample {i}: {found} {each}");
    }
    // Gradients of each sample, and of all: the samples are independent.
    let wrt: Vec<usize> = (0..x.len()).collect();
    let each = per_sample_grad(|x| f(x).sin().sum(), in_axes, &wrt, x);
    for i in 0..n {
        let tape = autograd::Tape::new();
        let x: Vec<Var<f64>> = sample(i).into_iter().map(|x| tape.var(x)).collect();
        let expected = f(&x).sin().sum().backward();
        for (k, found) in each.iter().enumerate() {
            let (found, expected) = (found.index_axis(0, i as isize), expected.wrt(x[k]));
            assert_eq!(found.shape(), expected.shape(), "{name}");
            let error = (&found - &expected).abs().max().item();
            assert!(error < 1e-11, "{name}, gradient {k} of sample {i}: {found} {expected}");
        }
    }
}

#[test]
fn every_op_on_samples_is_the_loop() {
    let rng = &mut Rng::new(1);
    let mut random = |shape: &[usize]| Tensor::<f64>::randn(shape, rng);
    let (a, b, m, v) = (random(&[4, 2, 3]), random(&[3, 4, 2]), random(&[3, 3]), random(&[3]));
    let (c, w) = (random(&[4, 2, 3, 6]), random(&[4, 4, 3, 3]));
    let one: &[(&str, F)] = &[
        ("square", |x| x[0].square()),
        ("sum", |x| x[0].sum()),
        ("max", |x| x[0].max_axes(0)),
        ("norm", |x| x[0].norm_axes(2.0, 1)),
        ("prod", |x| x[0].prod_axes([0, 1])),
        ("softmax", |x| x[0].softmax(0)),
        ("log_softmax", |x| x[0].log_softmax(1)),
        ("layer_norm", |x| x[0].layer_norm(1, &x[0].index_axis(0, 0), &x[0].index_axis(0, 1), 1e-5)),
        ("attention", |x| x[0].attention(x[0], x[0].exp(), None, CAUSAL)),
        ("cumsum", |x| x[0].cumsum(0)),
        ("logcumsumexp", |x| x[0].logcumsumexp(1)),
        ("cumprod", |x| x[0].cumprod(1)),
        ("matmul", |x| x[0].matmul(x[0].t())),
        ("reshape", |x| x[0].reshape(&[3, 2])),
        ("expand", |x| x[0].sum().broadcast_to(&[2, 2])),
        ("permute", |x| x[0].permute_axes(&[1, 0])),
        ("slice", |x| x[0].slice(1, ..2)),
        ("pad", |x| x[0].pad(&[[1, 0], [0, 2]], Pad::Constant(0.5))),
        ("concat", |x| Var::concat(&[x[0], x[0].exp()], 0)),
        ("stack", |x| Var::stack(&[x[0], x[0].tape().constant(Tensor::ones(&[2, 3]))], 1)),
        ("take", |x| x[0].take(1, tensor![2_i64, 0, 2])),
        ("take own", |x| x[0].take(1, x[0].argmax(1))),
        ("take own rows", |x| x[0].take(0, x[0].argmax(0))),
        ("shared by own", |x| x[0].tape().constant(tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).take(1, x[0].argmax(1))),
        ("gather", |x| x[0].gather(1, tensor![[2_i64], [0]])),
        ("gather own", |x| x[0].gather(0, x[0].argmin_keep(0))),
        ("sort", |x| x[0].sort(1, Order::Descending).0),
        ("median", |x| x[0].try_median(1, Dims::Keep).unwrap().0),
        ("cummax", |x| x[0].cummax(1).0),
        ("scatter", |x| x[0].scatter(1, tensor![[2_i64, 0], [1, 1]], x[0].exp())),
        ("scatter own", |x| x[0].scatter(1, x[0].argsort(1, Order::Ascending), x[0].exp())),
        ("scatter_add", |x| x[0].scatter_add(1, x[0].argmax_keep(1), x[0].square())),
        ("index_add", |x| x[0].index_add(1, x[0].argmax(1), x[0].slice(1, ..2))),
        ("where", |x| x[0].where_(x[0].is_gt(0.0), x[0].square())),
        ("cross_entropy", |x| x[0].cross_entropy(tensor![2_i64, 0])),
        ("cross_entropy own", |x| x[0].cross_entropy(x[0].argmin(1))),
        ("cast", |x| x[0] * x[0].argmax_keep(1).numbers()),
        ("checkpoint", |x| autograd::checkpoint(|x| x[0].exp().sum(), &[x[0]])),
        ("stop_gradient", |x| x[0] * x[0].stop_gradient()),
        ("interpolate", |x| {
            x[0].reshape(&[1, 2, 3]).upsample_linear1d(autograd::Resize::To([5]), autograd::Align::Centers)
        }),
        ("nested vmap", |x| {
            vmap(|y| y[0].softmax(0) * y[1], &[Some(1), None], &[x[0], x[0].slice(1, ..1).reshape(&[2])])
        }),
        ("nested gradient", |x| (x[0].square() * x[0].sum()).sum().grad(&[x[0]])[0]),
    ];
    for (name, f) in one {
        is_the_loop(name, *f, &[Some(0)], std::slice::from_ref(&a));
        is_the_loop(name, *f, &[Some(2)], &[a.permute_axes(&[1, 2, 0])]);
    }
    let two: &[(&str, F)] = &[
        ("mul", |x| x[0] * x[1].sum_axes(1)),
        ("broadcast", |x| x[0].sum() + x[1]),
        ("matmul", |x| x[0].t().matmul(x[1].t().slice(0, ..2).square())),
        ("concat", |x| Var::concat(&[x[0], x[1].t()], 1)),
        ("attention", |x| x[0].attention(x[0], x[1].t(), None, Attention::default())),
        ("masked attention", |x| x[0].attention(x[0], x[0], Some(&x[1].slice(0, ..2)), CAUSAL)),
        ("logaddexp", |x| x[0].sum_axes(0).logaddexp(x[1].sum_axes(1))),
    ];
    for (name, f) in two {
        is_the_loop(name, *f, &[Some(0), Some(1)], &[a.clone(), b.clone()]);
        is_the_loop(name, *f, &[None, Some(1)], &[a.index_axis(0, 0), b.clone()]);
        is_the_loop(name, *f, &[Some(0), None], &[a.clone(), b.index_axis(1, 0)]);
    }
    let with_matrix: &[(&str, F)] = &[
        ("right", |x| x[0].matmul(x[1])),
        ("right transposed", |x| x[0].matmul(x[1].t())),
        ("left", |x| x[1].matmul(x[0].t())),
        ("vector", |x| x[1].matmul(x[0].index_axis(0, 0))),
        ("vector transposed", |x| x[0].index_axis(0, 1).matmul(x[1])),
    ];
    for (name, f) in with_matrix {
        is_the_loop(name, *f, &[Some(0), None], &[a.clone(), m.clone()]);
        is_the_loop(name, *f, &[None, Some(0)], &[a.index_axis(0, 0), Tensor::stack(&[m.clone(), m.exp()], 0)]);
    }
    let norm: F = |x| x[0].layer_norm(1, &x[1], &x[2], 1e-5);
    is_the_loop("weights", norm, &[Some(0), None, None], &[a.clone(), v.clone(), v.exp()]);
    is_the_loop(
        "own weights",
        norm,
        &[Some(0), Some(1), None],
        &[a.clone(), b.permute_axes(&[0, 2, 1]).index_axis(1, 0), v.exp()],
    );
    let conv: F = |x| {
        x[0].conv1d(x[1].index_axis(0, 0).slice(0, ..2), None, autograd::Conv { padding: [1], ..Default::default() })
    };
    is_the_loop("conv, shared weights", conv, &[Some(0), None], &[c.clone(), w.slice(2, ..3)]);
    let own: F =
        |x| x[0].conv1d(x[1].slice(1, ..3), None, autograd::Conv { stride: [2], padding: [1], ..Default::default() });
    is_the_loop("conv, own weights", own, &[Some(0), Some(0)], &[c.clone(), w.clone()]);
    is_the_loop("conv, own weights only", own, &[None, Some(0)], &[c.index_axis(0, 0), w.clone()]);
}

#[test]
fn misuse_is_an_error() {
    let x = Tensor::<f64>::ones(&[2, 3]);
    let error = |f: F, axes: &[Option<isize>], x: &[&Tensor<f64>]| try_vmap(f, axes, x).unwrap_err().to_string();
    assert!(error(|x| x[0], &[], &[&x]).contains("1 inputs"));
    assert!(error(|x| x[0], &[Some(2)], &[&x]).contains("axis 2"));
    assert!(error(|x| x[0], &[None], &[&x]).contains("shared"));
    assert!(error(|x| x[0] + x[1], &[Some(0), Some(1)], &[&x, &x]).contains("[2, 3]"));
    let line = line!() + 1;
    let read = error(|x| if x[0].sum().item() > 0.0 { x[0] } else { -x[0] }, &[Some(0)], &[&x]);
    assert!(read.contains(&format!("{}:{line}", file!())), "{read}");
    assert_eq!(vmap(|x| x[0].sum(), &[Some(0)], &[Tensor::<f64>::zeros(&[0, 3])]).shape(), [0]);
}

#[test]
fn what_all_samples_share_may_decide() {
    fn up_or_down<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        if x[1].item() > 0.0 { x[0].sum() } else { -x[0].sum() }
    }
    let (x, up) = (tensor![[1.0, 2.0], [3.0, 4.0]], Tensor::scalar(1.0));
    for (up, expected) in [(up.clone(), tensor![3.0, 7.0]), (-&up, tensor![-3.0, -7.0])] {
        assert_eq!(vmap(up_or_down, &[Some(0), None], &[&x, &up]), expected);
    }
    // A program would freeze it, unless it is a constant.
    let mut frozen = autograd::compile(|x| vmap(up_or_down, &[Some(0), None], x));
    let error = frozen.value(&[&x, &up]).unwrap_err().to_string();
    assert!(error.contains("frozen") && error.contains("vmap.rs"), "{error}");
    let mut fixed = autograd::compile(|x| vmap(up_or_down, &[Some(0), None], &[x[0], x[0].tape().constant(1.0)]));
    assert_eq!(fixed.value(&[&x]).unwrap(), &tensor![3.0, 7.0]);
}

#[test]
fn transforms_compose_in_both_orders() {
    let x = Tensor::<f64>::randn(&[4, 3], &mut Rng::new(3));
    fn f<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        (x[0].sin() * x[0].sum()).sum().exp()
    }
    // The Hessian of each sample.
    let h = vmap(|x| hessian(f, &[x[0]])[0][0], &[Some(0)], &[&x]);
    for i in 0..4 {
        let expected = &hessian(f, &[x.index_axis(0, i)])[0][0];
        assert!((h.index_axis(0, i) - expected).abs().max().item() < 1e-9 * expected.abs().max().item());
    }
    // The Jacobian of a map over samples is block diagonal.
    fn g<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        vmap(f, &[Some(0)], &[x[0]])
    }
    let [forward, reverse] = [Mode::Forward, Mode::Reverse].map(|mode| jacobian_by(mode, g, &[&x]).unwrap().remove(0));
    assert!((&forward - &reverse).abs().max().item() < 1e-9 * forward.abs().max().item());
    assert_eq!(forward.shape(), [4, 4, 3]);
    assert_eq!(forward.index_axis(0, 0).slice(0, 1..), Tensor::zeros(&[3, 3]));
    // A compiled Jacobian has the same bits.
    let mut program = autograd::compile(|x| jacobian_by(Mode::Reverse, g, &[x[0]]).unwrap()[0]);
    assert_eq!(program.value(&[&x]).unwrap(), &reverse);
}

#[test]
fn norms_and_clipped_sums_are_those_of_the_gradients() {
    let rng = &mut Rng::new(8);
    let mut random = |shape: &[usize]| Tensor::<f64>::randn(shape, rng);
    // Two dense layers, of which the second sees five positions of each sample, a bias, and a weight used twice.
    let f: F = |x| {
        let hidden = (x[0].matmul(x[1]) + x[2]).tanh();
        (hidden.matmul(x[3]).sin() * x[4] + x[4].square()).sum()
    };
    let at = [random(&[4, 5, 20]), random(&[20, 30]), random(&[30]), random(&[30, 2]), random(&[2])];
    let axes = [Some(0), None, None, None, None];
    let wrt = [1, 2, 3, 4];
    let each = per_sample_grad(f, &axes, &wrt, &at);
    let norm = |k: isize| each.iter().map(|g| g.index_axis(0, k).square().sum().item()).sum::<f64>().sqrt();
    let norms = per_sample_norm(f, &axes, &wrt, &at);
    assert_eq!(norms.shape(), [4]);
    for k in 0..4 {
        assert!((norms.at(&[k]) / norm(k as isize) - 1.0).abs() < 1e-13);
    }
    let most = norm(0).min(norm(1)).min(norm(2)).min(norm(3)) * 1.2;
    let clipped = clipped_grad(f, most, &axes, &wrt, &at);
    for (found, each) in clipped.iter().zip(&each) {
        let expected = (0..4).map(|k| each.index_axis(0, k) * (most / norm(k)).min(1.0)).reduce(|a, b| a + b).unwrap();
        assert!((found - &expected).abs().max().item() < 1e-12 * expected.abs().max().item().max(1.0));
    }
    let mut program = autograd::compile(|x| per_sample_norm(f, &axes, &wrt, x));
    assert_eq!(program.value(&at).unwrap(), &norms);
    let error = try_clipped_grad(f, 0.0, &axes, &wrt, &at).unwrap_err().to_string();
    assert!(error.contains("positive, not 0"), "{error}");
    let error = try_clipped_grad(f, 1.0, &axes, &[0], &at).unwrap_err().to_string();
    assert!(error.contains("input 0 is each sample's own"), "{error}");
    let error = try_per_sample_grad(f, &axes, &[5], &at).unwrap_err().to_string();
    assert!(error.contains("input 5, but there are 5 inputs"), "{error}");
}

#[test]
fn rules_are_mapped_as_one_op() {
    use autograd::transform::{custom_jvp, custom_vjp, scan};
    let x = Tensor::<f64>::randn(&[6, 3], &mut Rng::new(9));
    let shared = tensor![0.5, -1.0, 2.0];
    let rules: &[(&str, F)] = &[
        ("custom_vjp", |x| {
            custom_vjp(
                |x| (x[0] * x[1]).sum(),
                |x, _, g| vec![g.broadcast_to(&[3]) * x[1], g.broadcast_to(&[3]) * x[0]],
                x,
            )
        }),
        ("custom_jvp", |x| custom_jvp(|x| x[0] * x[1], |x, _, t| t[0] * x[1] + x[0] * t[1], x)),
        ("checkpoint", |x| autograd::checkpoint(|x| (x[0] * x[1]).exp(), &[x[0], x[1]])),
        ("scan", |x| scan(|x| (x[0] + x[1]).sin() * x[2].sum(), &x[1].sum(), &x[0], &[x[1]], 2)),
        ("scan of samples", |x| scan(|x| (x[0] * x[2] + x[1]).sin(), &x[0], &x[0].square(), &[x[1]], 2)),
        ("gradient of a scan", |x| scan(|x| (x[0] * x[1]).sin(), &x[1].sum(), &x[0], &[], 2).sum().grad(&[x[0]])[0]),
    ];
    for (name, f) in rules {
        is_the_loop(name, *f, &[Some(0), None], &[x.clone(), shared.clone()]);
        is_the_loop(name, *f, &[Some(0), Some(0)], &[x.clone(), x.exp()]);
        let nodes = |samples: usize| {
            let tape = autograd::Tape::<f64>::new();
            let all = tape.var(Tensor::<f64>::ones(&[samples, 3]));
            vmap(*f, &[Some(0), None], &[all, tape.constant(shared.clone())]);
            tape.len()
        };
        assert_eq!(nodes(2), nodes(7), "{name}: the same nodes for any number of samples");
    }
}
