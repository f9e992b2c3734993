//! Prints a checksum of the bits that each of many ops gives, in both precisions, with its derivatives. Two machines that
//! print the same compute the same: `.ci/aarch64` compares ARM with x86-64.

use autograd::op::{Binary, Op, Unary};
use autograd::{Conv, Float, Pool, Rng, Tape, Tensor, Value, Var};

/// The FNV-1a hash of the bits; all NaN are the same.
fn digest<T: Float>(tensors: &[Tensor<T>]) -> u64 {
    let bits = |x: T| if x.is_nan() { u64::MAX } else { x.f64().to_bits() };
    let bytes = tensors.iter().flat_map(|x| x.iter().flat_map(|x| bits(x).to_le_bytes()).collect::<Vec<_>>());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Prints the digest of a function's values and of its gradient.
fn print<T: Float>(name: &str, inputs: &[Tensor<T>], f: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>) {
    let tape = Tape::new();
    let x: Vec<Var<T>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
    let y = f(&x);
    let gradients: Vec<Tensor<T>> = y.sum().grad(&x).iter().map(|g| g.value()).collect();
    println!("{} {name} {:016x} {:016x}", T::NAME, digest(&[y.value()]), digest(&gradients));
}

/// Numbers of all sizes, many of them moderate.
fn numbers<T: Float>(n: usize, seed: u64) -> Tensor<T> {
    let rng = &mut Rng::new(seed);
    (0..n).map(|i| T::of((rng.uniform() - 0.5) * [1.0, 4.0, 50.0, 1e3, 1e-6, 1e9][i % 6])).collect()
}

fn functions<T: Float>() {
    for &f in Unary::ALL {
        print(f.name(), &[numbers::<T>(600, 1)], |x| Var::apply(Op::Unary(f), &[&x[0]]));
    }
    for &f in Binary::ALL {
        let b = match f {
            Binary::Polygamma | Binary::MillsTail | Binary::Spherical => Tensor::ones(&[600]),
            _ => numbers::<T>(600, 2),
        };
        print(f.name(), &[numbers(600, 1), b], |x| Var::apply(Op::Binary(f), &[&x[0], &x[1]]));
    }
}

fn structured<T: Float>() {
    let random = |shape: &[usize], seed| Tensor::<T>::randn(shape, &mut Rng::new(seed));
    for (m, n, k) in [(1, 7, 300), (3, 5, 4), (64, 33, 70), (200, 130, 513)] {
        print(&format!("matmul {m} {n} {k}"), &[random(&[m, k], 1), random(&[k, n], 2)], |x| x[0].matmul(x[1]));
    }
    let rows = || random(&[37, 123], 3);
    print("softmax", &[rows()], |x| x[0].softmax(1));
    print("log_softmax", &[rows()], |x| x[0].log_softmax(0));
    print("logsumexp", &[rows()], |x| x[0].logsumexp_axes(1));
    print("standardize", &[rows()], |x| x[0].standardize(1, 1e-5));
    print("sum", &[rows()], |x| x[0].sum_axes(0));
    print("long sum", &[random(&[100_000], 4)], |x| x[0].sum());
    print("prod", &[rows()], |x| x[0].prod_axes(1));
    print("var", &[rows()], |x| x[0].var_axes(1.0, 1));
    print("norm", &[rows()], |x| x[0].norm_axes(2.0, 1));
    print("cumsum", &[rows()], |x| x[0].cumsum(1));
    print("cumprod", &[rows()], |x| x[0].cumprod(1));
    print("logcumsumexp", &[rows()], |x| x[0].logcumsumexp(1));
    print("sort", &[rows()], |x| x[0].sort(1, autograd::Order::Ascending).0);
    let (image, kernel) = (random(&[2, 3, 17, 19], 5), random(&[4, 3, 3, 3], 6));
    print("conv2d", &[image.clone(), kernel], |x| x[0].conv2d(x[1], None, Conv::default()));
    print("max_pool2d", &[image], |x| x[0].max_pool2d(Pool::of([2, 2])));
    println!("{} randn {:016x}", T::NAME, digest(&[random(&[10_000], 7)]));
}

fn main() {
    functions::<f64>();
    functions::<f32>();
    structured::<f64>();
    structured::<f32>();
}
