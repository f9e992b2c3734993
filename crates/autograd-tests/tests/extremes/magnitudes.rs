//! Every elementwise function at every magnitude: zeros, denormals, ties, powers of ten up to the largest number,
//! infinities and NaN. A result in single precision must be that of double precision, rounded: values, first and second
//! derivatives, recorded, replayed and in forward mode. So it is finite where the exact result is finite, unless the
//! type cannot represent it.

use autograd::op::{Binary, Op, Unary};
use autograd::{Float, Program, Rng, Tape, Tensor, Value, Var};

/// Numbers of each magnitude that single precision holds, and the ends of its range.
fn magnitudes() -> Vec<f32> {
    let rng = &mut Rng::new(7);
    let mut all = vec![0.0, 1e-45, 1e-40, f32::MIN_POSITIVE, 0.5, 1.0, 2.0, 3.0, f32::MAX, f32::INFINITY];
    all.extend((-37..=37).step_by(3).map(|power| 10f32.powi(power) * (1.0 + rng.uniform() as f32)));
    all.extend([0.25, 0.75, 0.99, 1.5, 5.0, 9.3, 14.0, 18.0, 40.0, 87.0, 89.0, 105.0, 711.0]);
    let negative: Vec<f32> = all.iter().map(|x| -x).collect();
    [all, negative, vec![f32::NAN]].concat()
}

/// The value of an op, its cotangents, and theirs, each with the input or inputs that it was taken for.
fn derivatives<T: Float>(op: &Op, inputs: &[Vec<f32>]) -> Vec<(String, Vec<f64>)> {
    let inputs: Vec<Tensor<T>> = inputs.iter().map(|x| x.iter().map(|x| T::of(f64::from(*x))).collect()).collect();
    let tape = Tape::new();
    let x: Vec<Var<T>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
    let y = Var::apply(op.clone(), &x.iter().collect::<Vec<_>>());
    let (mut names, mut all) = (vec!["value".to_owned()], vec![y]);
    for (i, g) in y.sum().grad(&x).into_iter().enumerate() {
        let forward = y.jvp(&[(x[i], Tensor::ones(inputs[i].shape()))]);
        assert!(alike(&forward, &g.value()), "{op:?}: ∂{i} forward: {forward}, reverse {g}");
        names.push(format!("∂{i}"));
        all.push(g);
        for (j, h) in g.sum().grad(&x).into_iter().enumerate() {
            names.push(format!("∂{i}∂{j}"));
            all.push(h);
        }
    }
    let recorded: Vec<Tensor<T>> = all.iter().map(|v| v.value()).collect();
    let mut program = Program::new(&tape, &x, &all);
    let replayed = program.run(&inputs.iter().collect::<Vec<_>>()).unwrap();
    for ((name, a), b) in names.iter().zip(&recorded).zip(replayed) {
        assert!(alike(a, b), "{op:?}: {name} replayed: {b}, recorded {a}");
    }
    names.into_iter().zip(recorded.iter().map(|x| x.iter().map(|x| x.f64()).collect())).collect()
}

fn alike<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
    a.iter().zip(b.iter()).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

/// Differences that rounding explains are not faults: relative to the largest derivative of the same order.
const ERROR: f64 = 1e-4;
/// Larger values may overflow, since a factor can be larger still.
const LARGEST: f64 = f32::MAX as f64 / 8.0;

/// The additional absolute error that a derivative of this order may have.
fn slack(op: &Op, order: usize) -> f64 {
    const ROUNDING: f64 = 8.0 * f32::EPSILON as f64;
    match (op, order) {
        // Near 0, x - tanh x has the error of x.
        (Op::Unary(Unary::Tanhshrink | Unary::Mish), _) => ROUNDING,
        // Derivatives of Bessel functions and of continued fractions are differences of nearly equal numbers.
        (Op::Unary(Unary::I0e), 1) => ROUNDING,
        (Op::Unary(Unary::I0e | Unary::I1e | Unary::Mills), 1 | 2) => f64::INFINITY,
        // So is that of celu with respect to its parameter where it is nearly straight.
        (Op::Binary(Binary::Celu), 1 | 2) => ROUNDING,
        _ => 0.0,
    }
}

/// The derivatives of each order, from 0 on, at one point.
fn orders(names: &[(String, Vec<f64>)], k: usize) -> impl Iterator<Item = Vec<(&str, f64)>> {
    let order = |name: &str| name.matches('∂').count();
    (0..3).map(move |n| names.iter().filter(|(name, _)| order(name) == n).map(|(name, x)| (&**name, x[k])).collect())
}

/// Where the results of single precision are not those of double precision, rounded.
fn faults(op: &Op, inputs: &[Vec<f32>]) -> Vec<String> {
    let (single, double) = (derivatives::<f32>(op, inputs), derivatives::<f64>(op, inputs));
    let mut faults = Vec::new();
    for k in 0..inputs[0].len() {
        for (order, (singles, doubles)) in orders(&single, k).zip(orders(&double, k)).enumerate() {
            let scale = doubles.iter().fold(0.0, |most: f64, (_, d)| most.max(d.abs()));
            for ((name, s), (_, d)) in singles.iter().zip(&doubles) {
                let slack = slack(op, order);
                let same = s == d || s.is_nan() && d.is_nan();
                let near = (s - d).abs() <= (ERROR * scale).max(8.0 * f64::from(f32::MIN_POSITIVE)).max(slack);
                let beyond = scale > LARGEST && (s.is_nan() || s.abs() > 1e30);
                if !(same || near || beyond || slack.is_infinite()) {
                    let at: Vec<f32> = inputs.iter().map(|x| x[k]).collect();
                    faults.push(format!("{op:?} {name} at {at:?}: {s:e} in f32, {d:e} in f64"));
                }
            }
            // Outside the domain, and where a derivative overflows, those of higher order have no meaning.
            if doubles.iter().any(|(_, d)| d.is_nan()) || scale > LARGEST {
                break;
            }
        }
    }
    faults
}

#[test]
fn unary_functions() {
    let numbers = magnitudes();
    let faults: Vec<String> =
        Unary::ALL.iter().flat_map(|&f| faults(&Op::Unary(f), std::slice::from_ref(&numbers))).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn binary_functions() {
    // Sums of two of the largest numbers overflow.
    let numbers: Vec<f32> = magnitudes().into_iter().map(|x| if x.is_finite() { x / 4.0 } else { x }).collect();
    let a: Vec<f32> = numbers.iter().flat_map(|&a| numbers.iter().map(move |_| a)).collect();
    let mut all = Vec::new();
    for &binary in Binary::ALL {
        let b = |a: f32, b: f32| match binary {
            // Orders of functions of one variable, whose derivatives are differences.
            Binary::Polygamma | Binary::Spherical | Binary::MillsTail => None,
            // Beyond, they are products of a number that vanishes and one that overflows.
            Binary::Elu => Some(b.clamp(-1e3, 1e3)),
            Binary::Celu => Some(b.abs()),
            Binary::Pow if a.abs() < 1e-18 && b.abs() < 1.0 => Some(0.0),
            _ => Some(b),
        };
        let b: Option<Vec<f32>> = a.iter().zip(numbers.iter().cycle()).map(|(&x, &y)| b(x, y)).collect();
        all.extend(b.into_iter().flat_map(|b| faults(&Op::Binary(binary), &[a.clone(), b])));
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}
