//! Attention in blocks against the same with whole matrices: values, cotangents and second derivatives, for sizes around
//! those of a block, masks that hide keys or all of them, and views.

use autograd::{Attention, Error, Rng, Tape, Tensor, Var, gradcheck, tensor};

/// softmax(q kᵀ / √width + mask) v with whole matrices; a query whose keys are all hidden yields 0.
fn whole<'t>([q, k, v]: [Var<'t, f64>; 3], mask: Option<Var<'t, f64>>, causal: bool) -> Var<'t, f64> {
    let width = q.shape()[q.rank() - 1] as f64;
    let mut scores = (q * (1.0 / width.sqrt())).matmul(k.t());
    let shape = scores.shape();
    let &[.., queries, keys] = shape.as_slice() else { unreachable!("scores are matrices") };
    if causal {
        let later = |at: &[usize]| if at[1] > at[0] { f64::NEG_INFINITY } else { 0.0 };
        scores = scores + q.tape().constant(Tensor::from_fn(&[queries, keys], later));
    }
    if let Some(mask) = mask {
        scores = scores + mask;
    }
    let blind = scores.max_keep(-1).is_eq(f64::NEG_INFINITY);
    scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0).matmul(v)
}

/// 0, except for -inf at one key in three, and at all keys of one query in seven.
fn holes(queries: usize, keys: usize) -> Tensor<f64> {
    let hidden = |at: &[usize]| at[0] % 7 == 3 || (at[0] + 2 * at[1]).is_multiple_of(3);
    Tensor::from_fn(&[queries, keys], |at| if hidden(at) { f64::NEG_INFINITY } else { 0.1 * at[1] as f64 })
}

fn close(a: &Tensor<f64>, b: &Tensor<f64>, what: &str) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    let size = b.abs().max().item().max(1.0);
    assert!((a - b).abs().max().item() <= 1e-12 * size, "{what}");
}

#[test]
fn blocks_compute_what_whole_matrices_do() {
    let rng = &mut Rng::new(1);
    let sizes =
        [[1, 1, 1, 1], [1, 5, 3, 2], [63, 64, 8, 8], [64, 65, 4, 9], [65, 3, 7, 1], [130, 200, 16, 5], [3, 130, 1, 4]];
    for ([queries, keys, width, values], heads) in sizes.into_iter().flat_map(|sizes| [(sizes, 1), (sizes, 9)]) {
        let mut random = |rows: usize, columns: usize| Tensor::<f64>::randn(&[heads, rows, columns], rng);
        let x = [random(queries, width), random(keys, width), random(keys, values)];
        let g = random(queries, values);
        for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            let tape = Tape::new();
            let [q, k, v] = x.each_ref().map(|x| tape.var(x.clone()));
            let mask = masked.then(|| tape.constant(holes(queries, keys)));
            let settings = Attention { causal, ..Attention::default() };
            let (y, expected) = (q.attention(k, v, mask.as_ref(), settings), whole([q, k, v], mask, causal));
            let what =
                format!("{queries} x {keys}, {width} and {values}, {heads} heads, causal {causal}, masked {masked}");
            close(&y.value(), &expected.value(), &what);
            let [found, expected] = [y, expected].map(|y| y.vjp(g.clone()));
            for x in [q, k, v] {
                close(&found.wrt(x), &expected.wrt(x), &what);
            }
        }
    }
}

#[test]
fn leading_axes_broadcast_and_views_are_read_in_place() {
    let rng = &mut Rng::new(2);
    let (q, kv) = (Tensor::<f64>::randn(&[5, 2, 3, 4], rng), Tensor::<f64>::randn(&[6, 3, 4], rng));
    let tape = Tape::new();
    let (q, kv) = (tape.var(q).permute_axes(&[1, 2, 0, 3]), tape.var(kv).permute_axes(&[1, 0, 2]));
    let y = q.attention(kv, kv.flip(-1), None, Attention::default());
    assert_eq!(y.shape().as_slice(), [2, 3, 5, 4]);
    close(&y.value(), &whole([q, kv, kv.flip(-1)], None, false).value(), "broadcast");
}

#[test]
fn derivatives_are_right_to_second_order() {
    let rng = &mut Rng::new(3);
    let mut random = |shape: &[usize]| Tensor::<f64>::randn(shape, rng);
    let x = [random(&[2, 3, 2]), random(&[2, 4, 2]), random(&[2, 4, 3]), random(&[3, 4])];
    gradcheck(|x| x[0].attention(x[1], x[2], None, Attention::default()), &x[..3]).unwrap();
    gradcheck(|x| x[0].attention(x[1], x[2], Some(&x[3]), Attention { causal: true, scale: Some(0.3) }), &x).unwrap();
    fn masked<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let hidden = x[0].tape().constant(tensor![[0.0, f64::NEG_INFINITY, 0.0, 0.5]]);
        x[0].attention(x[1], x[2], Some(&hidden), Attention::default())
    }
    gradcheck(masked, &x[..3]).unwrap();
    // The cotangents' own derivatives, of which `gradcheck` sees only those of first order.
    gradcheck(|x| masked(x).square().sum().grad(&x[..3])[1], &x[..3]).unwrap();
}

#[test]
fn nothing_attends_to_nothing() {
    let (q, none) = (Tensor::<f64>::ones(&[2, 3]), Tensor::<f64>::ones(&[0, 3]));
    let tape = Tape::new();
    let x = [q, none].map(|x| tape.var(x));
    let y = x[0].attention(x[1], x[1], None, Attention::default());
    assert_eq!(y.value(), Tensor::zeros(&[2, 3]));
    let gradients = y.sum().backward();
    assert_eq!((gradients.wrt(x[0]), gradients.wrt(x[1])), (Tensor::zeros(&[2, 3]), Tensor::zeros(&[0, 3])));
}

#[test]
fn what_does_not_fit_is_named() {
    let x = |shape: &[usize]| Tensor::<f64>::ones(shape);
    let error = |q: &[usize], k: &[usize], v: &[usize], mask: Option<&[usize]>| -> Error {
        let mask = mask.map(x);
        x(q).try_attention(x(k), x(v), mask.as_ref(), Attention::default()).unwrap_err()
    };
    let says = |error: Error, text: &str| assert!(error.to_string().contains(text), "{error}");
    says(error(&[3], &[2, 3], &[2, 3], None), "at least two axes");
    says(error(&[2, 3], &[2, 4], &[2, 3], None), "keys must be […, positions, 3]");
    says(error(&[2, 3], &[4, 3], &[2, 3], None), "values must be […, 4, width]");
    says(error(&[2, 3], &[4, 3], &[4, 3], Some(&[3, 4])), "broadcast");
    says(error(&[5, 2, 3], &[4, 4, 3], &[4, 3], None), "broadcast");
}
