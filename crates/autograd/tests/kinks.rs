//! Checks `docs/kinks.md`: each row of its first table is computed and compared.

use autograd::op::{Binary, Op, Unary};
use autograd::{Pool, Tape, Tensor, Value, Var};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kinks.md"));

fn numbers(cell: &str) -> Option<Vec<f64>> {
    cell.split(',').map(|x| x.trim().parse().ok()).collect()
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

#[test]
fn every_row_of_the_page_holds() {
    let mut rows = 0;
    for line in PAGE.lines() {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, name, at, value, gradient, ..] = cells[..] else { continue };
        let (Some(at), Some(value), Some(gradient)) = (numbers(at), numbers(value), numbers(gradient)) else {
            continue;
        };
        let tape = Tape::new();
        let x: Vec<Var<f64>> = at.iter().map(|&x| tape.var(Tensor::scalar(x))).collect();
        let unary = Unary::ALL.iter().find(|u| u.name() == name).map(|&u| Op::Unary(u));
        let binary = Binary::ALL.iter().find(|b| b.name() == name).map(|&b| Op::Binary(b));
        let all = || Var::stack(&x, 0);
        let y = match (name, if at.len() == 1 { unary } else { binary }) {
            (_, Some(op)) => Var::apply(op, &x.iter().collect::<Vec<_>>()),
            ("clamp", _) => x[0].clamp(0.0, 1.0),
            ("max", _) => all().max(),
            ("min", _) => all().min(),
            ("max_dim", _) => all().max_dim(0).0,
            ("min_dim", _) => all().min_dim(0).0,
            ("max_pool1d", _) => all().reshape(&[1, 1, at.len()]).max_pool1d(Pool::of([at.len()])).sum(),
            ("norm", _) => all().norm(2.0),
            ("var", _) => all().var(1.0),
            ("std", _) => all().std(1.0),
            ("prod", _) => all().prod(),
            ("logcumsumexp", _) => all().logcumsumexp(0).slice(0, 1..).sum(),
            ("logsumexp", _) => all().logsumexp(),
            _ => panic!("no op `{name}` of {at:?}"),
        };
        let gradients = y.backward();
        assert!(same(y.item(), value[0]), "{line}: value {}", y.item());
        for (x, expected) in x.iter().zip(gradient) {
            let got = gradients.wrt(*x).item();
            assert!(same(got, expected), "{line}: gradient {got}");
        }
        rows += 1;
    }
    assert!(rows > 20, "the page does not have its table");
}

/// Cases where both peers lose digits, overflow, or return NaN.
#[test]
fn extreme_numbers() {
    let tape = Tape::<f64>::new();
    for scale in [1e200, 1e-200] {
        let (a, b) = (tape.var(3.0 * scale), tape.var(4.0 * scale));
        let y = a.hypot(b);
        let d = y.backward();
        assert!((y.item() / scale - 5.0).abs() < 1e-15);
        assert!((d.wrt(a).item() - 0.6).abs() < 1e-15 && (d.wrt(b).item() - 0.8).abs() < 1e-15);
    }
    let x = tape.var([1e5, -1e5, 0.0]);
    let gradient = |y: Var<f64>| y.backward().wrt(x).to_vec();
    assert_eq!(gradient(x.log_softmax(0).slice(0, ..1).sum()), [0.0, 0.0, 0.0]);
    assert_eq!(gradient(x.softmax(0).slice(0, ..1).sum()), [0.0, 0.0, 0.0]);
    assert_eq!(gradient(x.softmin(0).slice(0, ..1).sum()), [0.0, 0.0, 0.0]);
    assert_eq!(gradient(x.logsumexp()), [1.0, 0.0, 0.0]);
    assert_eq!(gradient(x.logcumsumexp(0).sum()), [3.0, 0.0, 0.0]);
    assert_eq!(gradient(x.unsqueeze(0).cross_entropy(Tensor::from(vec![1_i64])).sum()), [1.0, -1.0, 0.0]);
    assert_eq!(gradient(x.log_sigmoid().sum()), [0.0, 1.0, 0.5]);
    let nothing = tape.var([f64::NEG_INFINITY; 2]);
    let y = nothing.logsumexp();
    assert_eq!((y.item(), y.backward().wrt(nothing).to_vec()), (f64::NEG_INFINITY, vec![0.0, 0.0]));
    // Φ′/Φ at -t is t + 1/t - 2/t³ and so on.
    let far = tape.var(-1e8);
    assert!((far.log_ndtr().backward().wrt(far).item() / 1e8 - 1.0).abs() < 1e-15);
    let denormal = tape.var(5e-324);
    assert!((denormal.ln().item() + 744.440_071_921_381_3).abs() < 1e-12);
    let denormal = Tape::<f32>::new();
    assert!((denormal.var(1e-45_f32).ln().item() + 103.278_93).abs() < 1e-5);
    // Second derivatives of celu and hardsigmoid, in full precision.
    let x = tape.var(-0.7);
    let d = x.celu(1.3).grad(&[x])[0];
    assert!((d.item() - (-0.7f64 / 1.3).exp()).abs() < 1e-15);
    assert!((d.backward().wrt(x).item() - (-0.7f64 / 1.3).exp() / 1.3).abs() < 1e-15);
    let h = x.hardsigmoid();
    assert_eq!((h.item(), h.backward().wrt(x).item()), ((-0.7 + 3.0) / 6.0, 1.0 / 6.0));
    assert_eq!(h.grad(&[x])[0].backward().wrt(x).item(), 0.0);
}

/// A branch that is not selected propagates 0 times its derivative. Selecting its operand as well avoids NaN.
#[test]
fn choices_and_their_operands() {
    let tape = Tape::<f64>::new();
    let x = tape.var([0.0, 4.0]);
    let positive = x.value().is_gt(Tensor::scalar(0.0));
    let careless = positive.choose(&x.sqrt(), &x).sum().backward().wrt(x).to_vec();
    assert!(careless[0].is_nan() && careless[1] == 0.25);
    let inside = positive.choose(&x, &tape.constant(1.0));
    assert_eq!(positive.choose(&inside.sqrt(), &x).sum().backward().wrt(x).to_vec(), [1.0, 0.25]);
}

/// The derivative of the norm at 0 is a constant; the sum of squares has the exact second derivative.
#[test]
fn the_square_of_a_norm() {
    let tape = Tape::<f64>::new();
    let x = tape.var([0.0, 0.0]);
    let bend = |y: Var<'_, f64>| y.grad(&[x])[0].sum().grad(&[x])[0].value().to_vec();
    assert_eq!(bend(x.norm(2.0).square()), [0.0, 0.0]);
    assert_eq!(bend(x.square().sum()), [2.0, 2.0]);
}

/// An index that is out of range is an error that names the indices of the axis.
#[test]
fn indices_out_of_range() {
    let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    let far = Tensor::from([5_i64]);
    let said = |error: autograd::Error| error.to_string();
    assert_eq!(
        said(x.try_take(0, &far).unwrap_err()),
        "take: index 5 at position 0 is out of range for size 2: use 0 to 1, or -1 to -2 from the end"
    );
    let one = x.slice(0, ..1);
    for error in [
        x.try_gather(0, Tensor::from([[-3_i64, 0]])).unwrap_err(),
        x.try_index_axis(1, 2).unwrap_err(),
        x.try_index_add(0, &far, &one).unwrap_err(),
        x.try_scatter(0, Tensor::from([[9_i64]]), &one).unwrap_err(),
        x.try_scatter_add(0, Tensor::from([[9_i64]]), &one).unwrap_err(),
    ] {
        assert!(said(error).ends_with("for size 2: use 0 to 1, or -1 to -2 from the end"));
    }
    let error = said(one.try_take(0, &far).unwrap_err());
    assert!(error.ends_with("for size 1: its only index is 0, or -1 from the end"), "{error}");
    let error = said(x.try_cross_entropy(Tensor::from([0_i64, 7])).unwrap_err());
    assert!(error.ends_with("for size 2: use 0 to 1"), "{error}");
}

/// The rules also select the operands of their branches, so that second derivatives are not NaN.
#[test]
fn second_derivatives_where_a_rule_chooses() {
    let second = |f: fn(Var<f64>) -> Var<f64>, at: f64| {
        let tape = Tape::new();
        let x = tape.var(at);
        f(x).grad(&[x])[0].grad(&[x])[0].item()
    };
    let pi = std::f64::consts::PI;
    for at in [0.0, 1e-9] {
        assert!((second(|x| x.sinc(), at) + pi * pi / 3.0).abs() < 1e-14);
    }
    assert_eq!(second(|x| x.i1e(), 0.0), 0.0);
    // (ln Φ)″ = -m (x + m), with m the slope: near -1 far out.
    assert!((second(|x| x.log_ndtr(), -1000.0) + 1.0).abs() < 1e-5);
}
