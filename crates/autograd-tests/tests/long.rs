//! Sums over long axes in single precision keep six digits: rounding errors do not add up.

use autograd::{Align, Attention, Conv, Pool, Resize, Tape, Tensor};

const N: usize = 20_000_000;
const TENTH: f64 = 0.1_f32 as f64;

#[track_caller]
fn near(found: f32, expected: f64, of: &str) {
    assert!((f64::from(found) / expected - 1.0).abs() < 1e-6, "{of}: {found} and not {expected}");
}

#[test]
fn running_sums() {
    let ones = Tensor::<f32>::ones(&[N]);
    near(ones.cumsum(0).at(&[N - 1]), N as f64, "cumsum");
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::full(&[N], 0.1));
    let y = x.cumsum(0);
    near(y.value().at(&[N - 1]), N as f64 * TENTH, "cumsum");
    near(y.vjp(Tensor::full(&[N], 0.1)).wrt(x).at(&[0]), N as f64 * TENTH, "gradient of cumsum");
    let columns = Tensor::<f32>::full(&[N / 4, 4], 0.1);
    near(columns.cumsum(0).at(&[N / 4 - 1, 3]), (N / 4) as f64 * TENTH, "cumsum of columns");
    let several = Tensor::<f32>::full(&[9, N / 8], 0.1);
    near(several.cumsum(1).at(&[8, N / 8 - 1]), (N / 8) as f64 * TENTH, "cumsum of rows");
    let log = Tensor::<f32>::zeros(&[N / 10]).logcumsumexp(0);
    near(log.at(&[N / 10 - 1]), ((N / 10) as f64).ln(), "logcumsumexp");
}

#[test]
fn gradients_of_indexing() {
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::<f32>::ones(&[2]));
    let index = Tensor::<i64>::from((0..N as i64).map(|i| i64::from(i % 4 == 0)).collect::<Vec<_>>());
    for (name, y) in [("take", x.take(0, index.clone())), ("gather", x.gather(0, index))] {
        let g = y.vjp(Tensor::full(&[N], 0.1)).wrt(x);
        near(g.at(&[0]), 0.75 * N as f64 * TENTH, name);
        near(g.at(&[1]), 0.25 * N as f64 * TENTH, name);
    }
}

#[test]
fn reductions() {
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::full(&[N], 0.1));
    near(x.sum().item(), N as f64 * TENTH, "sum");
    near(x.mean().item(), TENTH, "mean");
    near(x.norm(2.0).item(), (N as f64).sqrt() * TENTH, "norm");
    near(x.logsumexp().item(), (N as f64).ln() + TENTH, "logsumexp");
    near(x.softmax(0).value().sum().item(), 1.0, "softmax");
    near(x.reshape(&[1, N]).matmul(x.reshape(&[N, 1])).item(), N as f64 * TENTH * TENTH, "matmul");
    near(x.dot(x).item(), N as f64 * TENTH * TENTH, "dot");
    let bias = tape.var(Tensor::<f32>::zeros(&[2]));
    let y = (x.reshape(&[N / 2, 2]) + bias).vjp(Tensor::full(&[N / 2, 2], 0.1)).wrt(bias);
    near(y.at(&[1]), (N / 2) as f64 * TENTH, "gradient of a bias");
    let tall = Tensor::<f32>::full(&[N / 9000, 9000], 0.1);
    near(tall.sum_axes([0]).at(&[8999]), (N / 9000) as f64 * TENTH, "sum of wide rows");
}

#[test]
fn windows() {
    let n = 1_000_000;
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::full(&[1, 1, n], 0.1));
    near(x.avg_pool1d(Pool::of([n])).value().at(&[0, 0, 0]), TENTH, "average of a window");
    let seen = tape.var(Tensor::full(&[1, 2, 224, 224], 0.1));
    near(seen.avg_pool2d(Pool::of([224, 224])).value().at(&[0, 1, 0, 0]), TENTH, "average of a picture");
    let few = tape.var(Tensor::<f32>::zeros(&[1, 1, 2]));
    for (name, y) in [
        ("nearest", few.upsample_nearest1d(Resize::To([n]))),
        ("linear", few.upsample_linear1d(Resize::To([n]), Align::Centers)),
    ] {
        let g = y.vjp(Tensor::full(&[1, 1, n], 0.1)).wrt(few);
        near(g.at(&[0, 0, 0]), (n / 2) as f64 * TENTH, name);
    }
}

#[test]
fn gradients_of_convolution_weights() {
    // One large image, lines of many images in place, and patches of many small images that are joined.
    for (images, channels, size) in [(1, 1, 1100), (3000, 1, 20), (5000, 16, 8), (5000, 16, 1)] {
        let tape = Tape::<f32>::new();
        let x = Tensor::full(&[images, channels, size + 2, size + 2], 0.1);
        let w = tape.var(Tensor::<f32>::zeros(&[channels, channels, 3, 3]));
        let y = tape.constant(x).conv2d(w, None, Conv::default());
        let terms = (images * size * size) as f64;
        let g = y.vjp(Tensor::full(&y.shape(), 0.1)).wrt(w);
        for at in [[0, 0, 0, 0], [channels - 1, channels / 2, 1, 2]] {
            near(g.at(&at), terms * TENTH * TENTH, &format!("{images} images of {size} x {size}"));
        }
    }
}

#[test]
fn gradients_of_attention() {
    let queries = 200_000;
    let tape = Tape::<f32>::new();
    let q = tape.constant(Tensor::zeros(&[queries, 2]));
    let [k, v] = [1, 2].map(|_| tape.var(Tensor::<f32>::full(&[4, 2], 0.1)));
    let g = q.attention(k, v, None, Attention::default()).vjp(Tensor::full(&[queries, 2], 0.1)).wrt(v);
    near(g.at(&[3, 1]), queries as f64 * TENTH / 4.0, "gradient of values");
}
