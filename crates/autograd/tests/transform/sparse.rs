//! Sparse derivatives are the dense ones, from fewer directions.

use autograd::transform::{SparseHessian, SparseJacobian, hessian, jacobian, sparsity};
use autograd::{Order, Rng, Tensor, Var, tensor};

type F = for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>;

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
        ("sort", |x| x[0].sort(1, Order::Ascending).0, 1),
        ("layer_norm", |x| x[0].layer_norm(1, &x[0].index_axis(0, 0), &x[0].index_axis(0, 1), 1e-3), 12),
        ("attention", |x| x[0].attention(x[0], x[0], None, autograd::Attention::default()), 12),
        ("constant", |x| x[0].stop_gradient() * 2.0, 0),
        ("mean", |x| x[0].mean(), 1),
        ("cross_entropy", |x| x[0].cross_entropy(tensor![1_i64, 0, 3]), 1),
    ];
    let x = Tensor::<f64>::randn(&[3, 4], &mut Rng::new(8));
    for (name, f, most) in functions {
        let mut sparse = SparseJacobian::new(*f, &x).unwrap();
        for at in [&x, &(&x * 1.01 + 0.001)] {
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
    ];
    let x = Tensor::<f64>::randn(&[9], &mut Rng::new(9));
    for (name, f, most) in functions {
        let mut sparse = SparseHessian::new(*f, &x).unwrap();
        for at in [&x, &(&x * 1.1)] {
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
