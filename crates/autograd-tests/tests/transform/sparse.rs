//! Sparse derivatives are the dense ones, from fewer directions.

use autograd::transform::{SparseHessian, SparseJacobian, hessian, jacobian, sparsity};
use autograd::{Ints, Order, Rng, Scatter, Target, Tensor, Var, compile, tensor};

type F = for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>;

/// Where an element is positive 1, elsewhere 0.
fn signs<'t>(x: Var<'t, f64>) -> Ints<'t, f64> {
    x.is_gt(0.0).indicator().to_integers()
}

#[test]
fn sparse_jacobians_are_the_dense_ones() {
    let functions: &[(&str, F, usize)] = &[
        ("elementwise", |x| x[0].sin() * x[0].t().t(), 1),
        ("slices", |x| x[0].slice(1, 1..) - x[0].slice(1, ..-1).square(), 2),
        ("shared row", |x| x[0] * x[0].slice(0, ..1), 2),
        ("rows", |x| x[0].softmax(1), 4),
        ("sums", |x| x[0].sum_axes(1).exp(), 1),
        ("cumsum", |x| x[0].cumsum(1), 4),
        ("gather", |x| x[0].gather(1, tensor![[2_i64, 2], [0, 1], [3, 3]]).exp(), 1),
        ("take", |x| x[0].take(0, tensor![2_i64, 0, 2, 2]).square(), 1),
        ("index_add", |x| x[0].index_add(0, tensor![1_i64, 1, 0], x[0].square()), 4),
        ("scatter_add", |x| x[0].scatter_add(1, tensor![[1_i64, 1, 1, 0]], x[0].slice(0, ..1).sin()), 4),
        ("concat", |x| Var::concat(&[x[0], x[0].flip(1), x[0].exp()], 0), 3),
        ("pad", |x| x[0].pad(&[[1, 0], [0, 2]], autograd::Pad::Constant(0.0)).sin(), 1),
        ("where", |x| x[0].where_(x[0].is_gt(0.0), x[0].roll(1, 1)), 2),
        ("matmul", |x| x[0].matmul(x[0].tape().constant(Tensor::ones(&[4, 2]))), 4),
        ("left", |x| x[0].tape().constant(Tensor::ones(&[2, 3])).matmul(x[0]), 2),
        ("both", |x| x[0].matmul(x[0].t()), 7),
        ("vector", |x| x[0].slice(0, ..1).reshape(&[4]).outer(x[0].slice(1, ..1).reshape(&[3])), 3),
        ("sort", |x| x[0].sort(1, Order::Ascending).0, 4),
        ("topk of columns", |x| x[0].topk(2, 0, Order::Descending).0, 3),
        ("cummax", |x| x[0].cummax(1).0.square(), 4),
        ("median", |x| x[0].median(1).0, 4),
        ("ranks", |x| x[0].gather(1, x[0].argsort(1, Order::Ascending)).slice(0, 1..), 4),
        ("take by argmax", |x| x[0].take(0, x[0].sum_axes(1).argmax(0).reshape(&[1])), 3),
        ("index_add by argmin", |x| x[0].index_add(0, x[0].sum_axes(1).argmin(0).reshape(&[1]), x[0].slice(0, ..1)), 3),
        ("scatter_add by values", |x| x[0].scatter_add(1, signs(x[0]), x[0].square()), 4),
        (
            "scatter_reduce by values",
            |x| x[0].scatter_reduce(1, signs(x[0]), x[0].exp(), Scatter::Prod, Target::Included),
            4,
        ),
        ("layer_norm", |x| x[0].layer_norm(1, &x[0].index_axis(0, 0), &x[0].index_axis(0, 1), 1e-3), 12),
        ("attention", |x| x[0].attention(x[0], x[0], None, autograd::Attention::default()), 12),
        ("constant", |x| x[0].stop_gradient() * 2.0, 0),
        ("mean", |x| x[0].mean(), 1),
        ("cross_entropy", |x| x[0].cross_entropy(tensor![1_i64, 0, 3]), 1),
    ];
    let x = Tensor::<f64>::randn(&[3, 4], &mut Rng::new(8));
    for (name, f, most) in functions {
        let mut sparse = SparseJacobian::new(*f, &x).unwrap();
        for at in [&x, &(&x * 1.01 + 0.001), &-&x] {
            sparse.at(at).unwrap();
            let (found, expected) = (sparse.dense(), jacobian(*f, &[at]).remove(0));
            assert_eq!(found.shape(), expected.shape(), "{name}");
            assert!((&found - &expected).abs().max().item() < 1e-12, "{name}: {found} {expected}");
            // Nothing is outside the pattern, and the pattern is what the dense matrix shows.
            let structural = sparse.pattern().nonzeros();
            assert!(expected.iter().filter(|&d| d != 0.0).count() <= structural, "{name}");
        }
        assert!(sparse.colors() <= *most, "{name}: {} colors", sparse.colors());
    }
}

#[test]
fn a_pattern_is_exact() {
    let pattern = sparsity(|x| x[0].cumsum(0), &Tensor::<f64>::ones(&[4])).unwrap();
    assert_eq!(
        (0..4).map(|r| pattern.row(r).to_vec()).collect::<Vec<_>>(),
        [vec![0], vec![0, 1], vec![0, 1, 2], vec![0, 1, 2, 3]]
    );
    let pattern = sparsity(|x| x[0].slice(0, ..1) * x[0].slice(0, 2..3), &Tensor::<f64>::zeros(&[4])).unwrap();
    assert_eq!((pattern.row_starts(), pattern.columns_of()), (&[0, 2][..], &[0, 2][..]));
}

#[test]
fn sparse_hessians_are_the_dense_ones() {
    let functions: &[(&str, F, usize)] = &[
        ("separable", |x| x[0].sin().sum(), 1),
        ("chain", |x| (x[0].slice(0, 1..) - x[0].slice(0, ..-1).square()).square().sum(), 3),
        ("arrow", |x| (x[0].slice(0, 1..) * x[0].slice(0, ..1).exp()).sum() + x[0].square().sum(), 2),
        ("ring", |x| (x[0] * x[0].roll(1, 0).square()).sum(), 4),
        ("dense", |x| x[0].sum().square() * x[0].exp().sum(), 9),
        ("linear", |x| x[0].sum(), 0),
        (
            "products by values",
            |x| {
                let twos = x[0].tape().constant([2.0, 2.0]);
                twos.scatter_reduce(0, signs(x[0]), x[0].cos(), Scatter::Prod, Target::Included).sum()
            },
            9,
        ),
    ];
    let x = Tensor::<f64>::randn(&[9], &mut Rng::new(9));
    for (name, f, most) in functions {
        let mut sparse = SparseHessian::new(*f, &x).unwrap();
        for at in [&x, &(&x * 1.1), &x.flip(0)] {
            sparse.at(at).unwrap();
            let (found, expected) = (sparse.dense(), hessian(*f, &[at]).remove(0).remove(0));
            assert!((&found - &expected).abs().max().item() < 1e-11, "{name}: {found} {expected}");
        }
        assert!(sparse.colors() <= *most, "{name}: {} colors", sparse.colors());
    }
    let error = SparseHessian::new(|x| x[0].square(), &x).err().unwrap().to_string();
    assert!(error.contains("sparse_hessian"), "{error}");
    let error = SparseJacobian::new(|x| x[0] * x[0].sum().item(), &x).err().unwrap().to_string();
    assert!(error.contains("sparse.rs"), "{error}");
}

#[test]
fn values_come_by_columns_too() {
    let x = tensor![1.0, 2.0, 3.0, 4.0];
    let mut sparse = SparseJacobian::new(|x| x[0].slice(0, 1..) * x[0].slice(0, ..-1).square(), &x).unwrap();
    sparse.at(&x).unwrap();
    let (dense, (columns, values)) = (sparse.dense(), sparse.by_columns());
    assert_eq!((columns.rows(), columns.columns(), values.len()), (4, 3, 6));
    for ((c, r), value) in columns.entries().zip(values) {
        assert_eq!(dense.at(&[r, c]), value);
    }
}

/// A compiled Jacobian is sparse if its recording looks so, and replayed at points of another order.
#[test]
fn an_index_that_follows_from_the_values_may_change() {
    let sorted: F = |x| x[0].sort(0, Order::Ascending).0 * 2.0;
    let mut compiled = compile(move |x: &[Var<'_, f64>]| jacobian(sorted, &[x[0]]).remove(0));
    for seed in 0..3 {
        let x = Tensor::randn(&[40], &mut Rng::new(seed));
        let order = x.argsort(0, Order::Ascending);
        let expected = Tensor::from_fn(&[40, 40], |at| if order.at(&at[..1]) == at[1] as i64 { 2.0 } else { 0.0 });
        assert_eq!(compiled.value(&[&x]).unwrap(), &expected, "seed {seed}");
    }
    // Differences of the two largest, squared: the Hessian is in the places of these, wherever they are.
    let gap: F = |x| {
        let top = x[0].topk(2, 0, Order::Descending).0;
        (top.index_axis(0, 0) - top.index_axis(0, 1)).square()
    };
    let mut sparse = SparseHessian::new(gap, &tensor![1.0, 2.0, 3.0, 4.0]).unwrap();
    sparse.at(&tensor![9.0, 1.0, 5.0, 2.0]).unwrap();
    let expected = tensor![[2.0, 0.0, -2.0, 0.0], [0.0; 4], [-2.0, 0.0, 2.0, 0.0], [0.0; 4]];
    assert_eq!(sparse.dense(), expected);
}
