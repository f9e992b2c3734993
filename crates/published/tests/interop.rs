//! Tensors to and from the arrays and matrices of other crates: the same elements in the same places, and the same memory
//! where the layouts allow.

use autograd::transform::SparseJacobian;
use autograd::{Tensor, Var, tensor};
use faer::sparse::{SparseColMat, SparseRowMat};
use faer::{Mat, MatRef};
use nalgebra::{DMatrix, DMatrixView, DVector, Matrix2x3};
use ndarray::{Array1, Array2, ArrayD, ArrayViewD, Axis, arr0, array, s};

fn address<T>(x: &[T]) -> *const T {
    x.as_ptr()
}

#[test]
fn arrays_become_tensors_in_their_own_memory() {
    let rows: Array2<f64> = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let memory = rows.as_ptr();
    let x = Tensor::from(rows);
    assert_eq!(x, tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(address(x.as_slice().unwrap()), memory);
    // Any layout: transposed, sliced, reversed.
    let wide: Array2<f64> = array![[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]];
    let columns = wide.clone().reversed_axes();
    assert_eq!(Tensor::from(columns), tensor![[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]]);
    let every_other = wide.clone().slice_move(s![.., 1..;2]);
    assert_eq!(Tensor::from(every_other), tensor![[2.0, 4.0], [6.0, 8.0]]);
    let mut reversed = wide.clone();
    reversed.invert_axis(Axis(1));
    let reversed = Tensor::from(reversed);
    assert_eq!(reversed, tensor![[4.0, 3.0, 2.0, 1.0], [8.0, 7.0, 6.0, 5.0]]);
    assert_eq!((&reversed * 2.0).sum().item(), 72.0);
    // Views are copied.
    assert_eq!(Tensor::from(wide.slice(s![1, ..;-1])), tensor![8.0, 7.0, 6.0, 5.0]);
    assert_eq!(Tensor::from(arr0(2.5)), Tensor::scalar(2.5));
    assert_eq!(Tensor::from(Array1::<i64>::from(vec![1, 2])), tensor![1_i64, 2]);
    assert_eq!(Tensor::from(Array2::<f64>::zeros((0, 3))).shape(), [0, 3]);
}

#[test]
fn tensors_become_arrays_and_views() {
    let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let view = ArrayViewD::try_from(&x).unwrap();
    assert_eq!(view.as_ptr(), address(x.as_slice().unwrap()));
    assert_eq!(view[[1, 0]], 4.0);
    let t = x.t();
    let view = ArrayViewD::try_from(&t).unwrap();
    assert_eq!((view.shape(), view[[2, 1]]), (&[3, 2][..], 6.0));
    let part = x.slice(1, 1..);
    assert_eq!(ArrayViewD::try_from(&part).unwrap().sum(), 16.0);
    assert_eq!(ArrayViewD::try_from(&Tensor::scalar(2.5)).unwrap().sum(), 2.5);
    let repeated = x.broadcast_to(&[2, 2, 3]);
    assert_eq!(ArrayViewD::try_from(&repeated).unwrap().sum(), 42.0);
    let mut reversed = array![1.0, 2.0];
    reversed.invert_axis(Axis(0));
    let reversed = Tensor::from(reversed);
    let error = ArrayViewD::try_from(&reversed).map(|view| view.sum()).unwrap_err().to_string();
    assert!(error.contains("an axis is reversed") && error.contains("contiguous()"), "{error}");

    let memory = address(x.as_slice().unwrap());
    drop((t, part, repeated));
    let array = ArrayD::from(x);
    assert_eq!((array.as_ptr(), array[[1, 2]]), (memory, 6.0));
    let x = Tensor::from(array);
    let shared = x.clone();
    assert_ne!(ArrayD::from(x).as_ptr(), address(shared.as_slice().unwrap()), "a shared tensor is copied");
    assert_eq!(ArrayD::from(shared.t())[[2, 0]], 3.0);
}

#[test]
fn matrices_of_nalgebra() {
    let m: DMatrix<f64> = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let memory = m.as_ptr();
    let x = Tensor::from(m);
    assert_eq!(x, tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(address(x.t().as_slice().unwrap()), memory, "its columns stay where they are");
    let view = DMatrixView::try_from(&x).unwrap();
    assert_eq!((view.as_ptr(), view[(1, 0)]), (memory, 4.0));
    assert_eq!((view * DVector::from(vec![1.0, 0.0, -1.0])).as_slice(), [-2.0, -2.0]);
    assert_eq!(DMatrixView::try_from(&x.slice(1, 1..)).unwrap()[(1, 1)], 6.0);
    let row_major = x.contiguous();
    let error = DMatrixView::try_from(&row_major).map(|view| view.sum()).unwrap_err().to_string();
    assert!(error.contains("view the transpose"), "{error}");
    let transposed = row_major.t();
    let view = DMatrixView::try_from(&transposed).unwrap();
    assert_eq!((view.transpose() * DVector::from(vec![1.0, 0.0, -1.0])).as_slice(), [-2.0, -2.0]);
    assert_eq!(DMatrixView::try_from(&row_major.slice(0, 1..)).unwrap()[(0, 2)], 6.0, "a single row has no stride");
    assert_eq!(DMatrix::try_from(&x).unwrap()[(0, 2)], 3.0);
    let fixed = Matrix2x3::new(1.0, 2.0, 3.0, 4.0, 5.0, 6.0);
    assert_eq!(Tensor::from(&fixed), x);
    assert_eq!(Tensor::from(&fixed.fixed_view::<2, 2>(0, 1)), x.slice(1, 1..));
    assert_eq!(Tensor::from(DVector::from(vec![1.0, 2.0])), tensor![1.0, 2.0]);
    assert_eq!(Tensor::from(DMatrix::<f64>::zeros(0, 2)).shape(), [0, 2]);
    let error = DMatrix::try_from(&tensor![1.0, 2.0]).unwrap_err().to_string();
    assert!(error.contains("two axes, not 1"), "{error}");
}

#[test]
fn matrices_of_faer() {
    let m = Mat::from_fn(2, 3, |i, j| (3 * i + j + 1) as f64);
    let x = Tensor::from(m.as_ref());
    assert_eq!(x, tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(Tensor::from(m), x);
    for x in [x.clone(), x.t(), x.slice(1, 1..), x.slice(0, 1..), x.t().slice(1, ..1)] {
        let view = MatRef::try_from(&x).unwrap();
        assert!(x.as_slice().is_none_or(|data| view.as_ptr() == address(data)), "{x}");
        assert_eq!(Tensor::from(view), x);
        assert_eq!(Tensor::from(Mat::try_from(&x).unwrap()), x);
    }
    let every_other = Tensor::from_fn(&[4, 4], |at| at[1] as f64).slice_step(1, None, None, 2).t();
    let error = MatRef::try_from(&every_other.slice_step(1, None, None, 2)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("contiguous()"), "{error}");
    assert!(MatRef::try_from(&tensor![1.0]).map(|_| ()).unwrap_err().to_string().contains("reshape"));
}

/// Wide and tall, with rows and columns that are empty: the elements of the dense matrix.
#[test]
fn sparse_derivatives_become_sparse_matrices() {
    let x = tensor![1.0, 2.0, 3.0, 4.0];
    let wide = SparseJacobian::new(|x| x[0].slice(0, 1..3) * x[0].slice(0, ..2), &x);
    let tall = SparseJacobian::new(|x| Var::concat(&[x[0].square(), x[0].stop_gradient()], 0), &x);
    for mut jacobian in [wide.unwrap(), tall.unwrap()] {
        jacobian.at(&(&x * 2.0)).unwrap();
        let dense = jacobian.dense();
        assert_eq!(Tensor::from(SparseColMat::from(&jacobian).to_dense()), dense);
        assert_eq!(Tensor::from(SparseRowMat::from(&jacobian).to_dense()), dense);
    }
}
