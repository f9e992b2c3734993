//! The number of threads does not change any bit of values or gradients.

use autograd::{Attention, Float, Order, Pool, Rng, Tape, Tensor, Var, set_threads};
use std::fmt::Debug;
use std::sync::Mutex;

/// Runs `f` with one thread and with more, and checks that the results are the same.
fn same_on_any_number_of_threads<R: PartialEq + Debug>(what: &str, f: impl Fn() -> R) {
    // The number of threads is global to the process, and tests run in parallel.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    set_threads(1);
    let alone = f();
    for threads in [2, 3, 5] {
        set_threads(threads);
        let together = f();
        assert!(alone == together, "{what}: {threads} threads give different bits than one");
    }
}

fn bits<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.iter().map(|x| x.f64().to_bits()).collect()
}

fn random<T: Float>(shape: &[usize], seed: u64) -> Tensor<T> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

fn elementwise<T: Float>() {
    let (a, b) = (random::<T>(&[300, 1001], 1), random::<T>(&[1001], 2));
    same_on_any_number_of_threads("elementwise", || {
        [bits(&a.exp()), bits(&a.sin()), bits(&(&a * &b)), bits(&a.t().tanh()), bits(&a.maximum(&b).sigmoid())]
    });
}

fn reductions<T: Float>() {
    let a = random::<T>(&[70, 90, 110], 3);
    same_on_any_number_of_threads("reductions", || {
        let sums =
            [a.sum(), a.sum_axes(0), a.sum_axes(1), a.sum_axes(2), a.sum_axes([0, 2]), a.permute(&[2, 0, 1]).sum()];
        let others = [a.mean(), a.max_axes(1), a.min(), a.logsumexp(), a.logsumexp_axes(0)];
        sums.iter().chain(&others).map(bits).collect::<Vec<_>>()
    });
}

fn rows<T: Float>() {
    let (a, wide) = (random::<T>(&[3000, 101], 4), random::<T>(&[3, 100_003], 5));
    let labels: Tensor<i64> = (0..3000).map(|i| i % 101).collect();
    same_on_any_number_of_threads("rows", || {
        let x = [a.softmax(1), a.softmax(0), a.log_softmax(1), wide.softmax(1), a.cross_entropy(&labels)];
        x.iter().map(bits).collect::<Vec<_>>()
    });
}

fn products<T: Float>() {
    for [m, k, n] in [[64, 300, 500], [500, 64, 33], [1, 5000, 300], [300, 5000, 1], [257, 1030, 65]] {
        let (a, b) = (random::<T>(&[m, k], 6), random::<T>(&[k, n], 7));
        let bt = b.t().deep_copy();
        same_on_any_number_of_threads(&format!("{m} x {k} x {n}"), || {
            [bits(&a.matmul(&b)), bits(&a.matmul_t(&bt)), bits(&b.t().matmul(a.t()))]
        });
    }
    let (a, b) = (random::<T>(&[12, 40, 50], 8), random::<T>(&[12, 50, 60], 9));
    same_on_any_number_of_threads("a batch of products", || bits(&a.matmul(&b)));
}

/// Few heads, which are split into blocks of queries, and many.
fn attention<T: Float>() {
    for heads in [1, 3, 12] {
        let [q, k, v] = [20, 21, 22].map(|seed| random::<T>(&[heads, 150, 24], seed));
        for causal in [false, true] {
            same_on_any_number_of_threads(&format!("attention with {heads} heads"), || {
                let tape = Tape::<T>::new();
                let [q, k, v] = [&q, &k, &v].map(|x| tape.var(x.clone()));
                let y = q.attention(k, v, None, Attention { causal, scale: None });
                let loss = y.square().sum();
                let (computed, recorded) = (loss.backward(), loss.grad(&[q, k, v]));
                let mut all = vec![bits(&y.value())];
                all.extend([q, k, v].map(|x| bits(&computed.wrt(x))));
                assert!(recorded.iter().zip(&all[1..]).all(|(x, bars)| bits(&x.value()) == *bars), "recorded");
                all
            });
        }
    }
}

fn moves<T: Float>() {
    let x = random::<T>(&[30, 70, 90], 23);
    same_on_any_number_of_threads("copies, sorts and averages", || {
        let pooled = x.avg_pool1d(Pool::of([3]));
        let sorted = x.sort(1, Order::Descending).0;
        let moved =
            [x.t().contiguous(), x.permute(&[2, 0, 1]).contiguous(), pooled, sorted, x.digamma(), x.polygamma(2)];
        moved.iter().map(bits).collect::<Vec<_>>()
    });
    same_on_any_number_of_threads("random numbers", || {
        let (rng, mut gate) = (&mut Rng::new(3), vec![T::zero(); 100_001]);
        rng.fill_choice(0.3, [T::zero(), T::one()], &mut gate);
        let all = [Tensor::<T>::rand(&[99_999], rng), Tensor::randn(&[77_777], rng), gate.into_iter().collect()];
        all.iter().map(bits).collect::<Vec<_>>()
    });
}

/// A dense network with a broadcast, a normalization and a cross-entropy: value, gradients, and a second derivative.
fn training<T: Float>() {
    let x = random::<T>(&[200, 300], 10);
    let weights = [random::<T>(&[256, 300], 11), random(&[256], 12), random(&[10, 256], 13)];
    let labels: Tensor<i64> = (0..200).map(|i| i % 10).collect();
    same_on_any_number_of_threads("forward and backward", || {
        let tape = Tape::<T>::new();
        let x = tape.var(x.clone());
        let [w1, b1, w2] = weights.each_ref().map(|w| tape.var(w.clone()));
        let h = (x.matmul_t(w1) * T::of(0.05) + b1).tanh();
        let h = h - h.mean_keep(-1);
        let h = h / (h.square().mean_keep(-1) + T::of(1e-5)).sqrt();
        let loss = h.matmul_t(w2).cross_entropy(&labels).mean();
        let computed = loss.backward();
        let recorded: Vec<Var<T>> = loss.grad(&[x, b1]);
        let second = recorded[1].square().sum().backward();
        let mut all: Vec<Tensor<T>> = [x, w1, b1, w2].map(|v| computed.wrt(v)).into();
        all.extend([loss.value(), recorded[0].value(), second.wrt(w1), second.wrt(b1)]);
        all.iter().map(bits).collect::<Vec<_>>()
    });
}

macro_rules! in_both_precisions { ($($name:ident)*) => {
    mod single { $( #[test] fn $name() { super::$name::<f32>() } )* }
    mod double { $( #[test] fn $name() { super::$name::<f64>() } )* }
} }
in_both_precisions!(elementwise reductions rows products attention moves training);
