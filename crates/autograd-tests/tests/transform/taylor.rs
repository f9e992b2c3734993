//! Power series against derivatives of derivatives.

use autograd::transform::{jvp, taylor};
use autograd::{Attention, Order, Rng, Tape, Tensor, Var, tensor};

type F = for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>;

/// The derivatives along a line, by nesting.
fn nested(f: F, x: &[Tensor<f64>], t: &[Tensor<f64>], order: usize) -> Vec<Tensor<f64>> {
    let tape = Tape::new();
    let x: Vec<Var<f64>> = x.iter().map(|x| tape.var(x.clone())).collect();
    let along: Vec<_> = x.iter().zip(t).map(|(&x, t)| (x, tape.constant(t.clone()))).collect();
    let mut y = f(&x);
    let mut found = vec![y.value()];
    for _ in 0..order {
        y = y.jvp_recorded(&along);
        found.push(y.value());
    }
    found
}

#[test]
fn series_are_nested_derivatives() {
    let functions: &[(&str, F)] = &[
        ("poly", |x| x[0].square() * x[0] - x[0] * 3.0 + x[1]),
        ("exp", |x| (x[0] * x[1]).exp()),
        ("sin", |x| x[0].sin() * x[1].cos()),
        ("tanh", |x| (x[0] + x[1]).tanh()),
        ("sigmoid", |x| x[0].sigmoid() - x[1].softplus()),
        ("ln", |x| (x[0].square() + 1.0).ln() / (x[1].exp() + 2.0)),
        ("sqrt", |x| (x[0].square() + 1.0).sqrt() * x[1].recip()),
        ("pow", |x| (x[0].square() + 0.5).pow(x[1])),
        ("erf", |x| x[0].erf() * x[1].gelu()),
        ("atan", |x| x[0].atan2(x[1] + 3.0) + x[0].asinh()),
        ("lgamma", |x| (x[0].square() + 1.0).lgamma() * x[1].silu()),
        ("tan", |x| (x[0] * 0.3).tan() + x[1].mish()),
        ("max", |x| x[0].maximum(x[1]) * x[0].relu()),
        ("where", |x| x[0].where_(x[1].is_gt(0.0), x[0].exp())),
        ("softmax", |x| x[0].softmax(0) * x[1].log_softmax(0)),
        ("logsumexp", |x| x[0].logsumexp() + x[1].norm(2.0)),
        ("prod", |x| x[0].prod() * x[1].max()),
        ("layer_norm", |x| x[0].layer_norm(0, &x[1], &x[0], 1e-3)),
        ("attention", |x| x[0].outer(x[1]).attention(x[1].outer(x[0]), x[0].outer(x[0]), None, Attention::default())),
        ("cumprod", |x| x[0].cumprod(0) + x[1].cumsum(0)),
        ("logcumsumexp", |x| x[0].logcumsumexp(0)),
        ("matmul", |x| x[0].outer(x[1]).matmul(x[0]).sin()),
        ("views", |x| Var::concat(&[x[0].flip(0), x[1].slice(0, ..1)], 0).square()),
        ("sort", |x| x[0].sort(0, Order::Descending).0 * x[1]),
        ("cross_entropy", |x| Var::stack(&[x[0], x[1]], 0).cross_entropy(tensor![2_i64, 0])),
        ("checkpoint", |x| autograd::checkpoint(|x| (x[0] * x[1]).exp(), &[x[0], x[1]])),
        ("constant", |x| x[0].stop_gradient()),
        ("nested", |x| (x[0].sin() * x[1]).sum().grad(&[x[0]])[0]),
    ];
    let rng = &mut Rng::new(5);
    let mut random = || Tensor::<f64>::randn(&[3], rng);
    let (x, t) = ([random(), random()], [random(), random()]);
    for (name, f) in functions {
        let (found, expected) = (taylor(*f, &x, &t, 5), nested(*f, &x, &t, 5));
        for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.shape(), expected.shape(), "{name}");
            let size = expected.abs().max().item().max(1.0);
            assert!((found - expected).abs().max().item() < 1e-9 * size, "{name}, order {k}: {found} {expected}");
        }
    }
}

#[test]
fn series_of_matrices() {
    let functions: &[(&str, F)] = &[
        ("solve", |x| (x[0].matmul(x[0].t()) + 1.0).solve(x[1])),
        ("inv", |x| (x[0] + 2.0 * x[0].tape().constant(Tensor::eye(2))).inv()),
        ("det", |x| x[0].det()),
        ("logdet", |x| (x[0].matmul(x[0].t()) + x[0].tape().constant(Tensor::eye(2))).slogdet().1),
        ("cholesky", |x| (x[0].matmul(x[0].t()) + x[0].tape().constant(Tensor::eye(2))).cholesky()),
        ("exp", |x| x[0].matrix_exp()),
    ];
    let rng = &mut Rng::new(6);
    let mut random = |shape: &[usize]| Tensor::<f64>::randn(shape, rng);
    let (x, t) = ([random(&[2, 2]), random(&[2, 1])], [random(&[2, 2]), random(&[2, 1])]);
    for (name, f) in functions {
        let (found, expected) = (taylor(*f, &x, &t, 4), nested(*f, &x, &t, 4));
        for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let size = expected.abs().max().item().max(1.0);
            assert!((found - expected).abs().max().item() < 1e-8 * size, "{name}, order {k}: {found} {expected}");
        }
    }
}

#[test]
fn high_orders_are_cheap_and_exact() {
    // The derivatives of exp(x²) at 0: (2k)! / k! for even orders.
    let d: Vec<Tensor<f64>> = taylor(|x| x[0].square().exp(), &[tensor!(0.0)], &[tensor!(1.0)], 20);
    let mut expected = 1.0;
    for k in 1..=10 {
        expected *= (2 * k * (2 * k - 1)) as f64 / k as f64;
        assert!((d[2 * k].item() / expected - 1.0).abs() < 1e-12 && d[2 * k - 1].item() == 0.0);
    }
    // tan at 0: 1, 2, 16, 272, 7936 for odd orders.
    let d: Vec<Tensor<f64>> = taylor(|x| x[0].tan(), &[tensor!(0.0)], &[tensor!(1.0)], 9);
    assert!(
        [1.0, 2.0, 16.0, 272.0, 7936.0].iter().zip([1, 3, 5, 7, 9]).all(|(e, k)| (d[k].item() / e - 1.0).abs() < 1e-13)
    );
    // Differentiable and compiled: the slope of the third derivative is the fourth.
    let third = |x: f64| {
        let tape = Tape::new();
        let x = tape.var(x);
        let d = taylor(|x| x[0].sin() * x[0].exp(), &[x], &[Tensor::scalar(1.0)], 4);
        (d[3].backward().wrt(x).item(), d[4].item())
    };
    let (slope, fourth) = third(0.7);
    assert!((slope - fourth).abs() < 1e-12);
    let mut program = autograd::compile(|x| taylor(|x| x[0].sin().exp(), &[x[0]], &[tensor![1.0, 0.5]], 3)[3]);
    for at in [tensor![0.1, 0.2], tensor![-1.0, 2.0]] {
        let expected = taylor(|x| x[0].sin().exp(), &[&at], &[tensor![1.0, 0.5]], 3).remove(3);
        assert_eq!(program.value(&[&at]).unwrap(), &expected);
    }
    assert_eq!(
        jvp(|x| x[0].sin(), &[tensor![0.3]], &[tensor![2.0]]).1,
        taylor(|x| x[0].sin(), &[tensor![0.3]], &[tensor![2.0]], 1)[1]
    );
}

#[test]
fn the_work_grows_with_the_square_of_the_order() {
    let nodes = |order: usize| {
        let tape = Tape::<f64>::new();
        let x = tape.var([0.3]);
        taylor(|x| (x[0].sin().exp() * x[0]).tanh().gelu().ln_1p(), &[x], &[tensor![1.0]], order);
        tape.len() as f64
    };
    // Four times the nodes for twice the order, where rules that call themselves again would take 8 times or more.
    let (eight, sixteen, double) = (nodes(8), nodes(16), nodes(32));
    assert!(sixteen / eight < 4.0 && double / sixteen < 4.2, "{eight} {sixteen} {double}");
}
