//! Every kind of mistake: the plain form panics with the operation, the shapes and the caller's line, which must be the
//! line in this file; the `try_` form returns the error.

#![allow(
    clippy::needless_borrows_for_generic_args,
    clippy::clone_on_copy,
    reason = "the same code runs on tensors, which are borrowed, and on variables, which are copied"
)]

mod caught;
mod tape;

use autograd::op::{Fold, Op};
use autograd::{Dims, Error, Precision, Span, Tape, Tensor, Value, Var, set_threads, tensor, update};
use caught::refuses;

/// A test that runs once on tensors and once on variables; `$new` turns a tensor into an operand.
macro_rules! tensors_and_variables {
    ($name:ident, $V:ident, |$new:ident| $($body:tt)*) => {
        #[test]
        fn $name() {
            {
                type $V = Tensor<f64>;
                let $new = |x: Tensor<f64>| -> $V { x };
                $($body)*
            }
            let tape = Tape::<f64>::new();
            type $V<'t> = Var<'t, f64>;
            let $new = |x: Tensor<f64>| -> $V { tape.var(x) };
            $($body)*
        }
    };
}

mod moved;

fn zeros(shape: &[usize]) -> Tensor<f64> {
    Tensor::zeros(shape)
}

tensors_and_variables!(shapes_that_do_not_broadcast, V, |new| {
    let (a, b) = (new(zeros(&[4, 2])), new(zeros(&[4, 3])));
    assert!(matches!(a.try_add(b.clone()), Err(Error::Broadcast { op: "add", .. })));
    refuses!(a.add(&b), a.try_add(&b), "add", "[4, 2]", "[4, 3]");
    refuses!(a.sub(&b), a.try_sub(&b), "sub", "[4, 2]", "[4, 3]");
    refuses!(a.mul(&b), a.try_mul(&b), "mul", "[4, 2]", "[4, 3]");
    refuses!(a.div(&b), a.try_div(&b), "div", "[4, 2]", "[4, 3]");
    refuses!(a.pow(&b), a.try_pow(&b), "pow", "[4, 2]", "[4, 3]");
    refuses!(a.maximum(&b), a.try_maximum(&b), "maximum", "[4, 2]", "[4, 3]");
    refuses!(a.minimum(&b), a.try_minimum(&b), "minimum", "[4, 2]", "[4, 3]");
    refuses!(a.gt(&b), a.try_gt(&b), "gt", "[4, 2]", "[4, 3]");
    refuses!(a.ge(&b), a.try_ge(&b), "ge", "[4, 2]", "[4, 3]");
    refuses!(a.equal(&b), a.try_equal(&b), "eq", "[4, 2]", "[4, 3]");
    refuses!(a.select(&a, &b), a.try_select(&a, &b), "select", "[4, 2]", "[4, 3]");
    refuses!(a.lt(&b), "gt", "[4, 2]", "[4, 3]");
    refuses!(a.le(&b), "ge", "[4, 2]", "[4, 3]");
    refuses!(a.broadcast_to(&[4, 4]), a.try_broadcast_to(&[4, 4]), "expand", "[4, 2]", "[4, 4]");
    refuses!(a.broadcast_to(&[2]), a.try_broadcast_to(&[2]), "expand", "[4, 2]", "[2]");
});

#[test]
#[allow(clippy::op_ref, reason = "the operators of references are implemented one by one")]
fn operators_name_the_line_they_stand_on() {
    let (a, b) = (zeros(&[2]), zeros(&[3]));
    refuses!(&a + &b, "add", "[2]", "[3]");
    refuses!(&a - b.clone(), "sub", "[2]", "[3]");
    refuses!(a.clone() * &b, "mul", "[2]", "[3]");
    refuses!(a.clone() / b.clone(), "div", "[2]", "[3]");
    let tape = Tape::new();
    let (a, b) = (tape.var(a), tape.var(b));
    refuses!(a + b, "add", "[2]", "[3]");
    refuses!(a - b, "sub", "[2]", "[3]");
    refuses!(a * b, "mul", "[2]", "[3]");
    refuses!(a / b, "div", "[2]", "[3]");
}

tensors_and_variables!(matrices_that_do_not_fit, V, |new| {
    let (a, b) = (new(zeros(&[2, 3])), new(zeros(&[4, 5])));
    let (one, v) = (new(tensor![1.0].reshape(&[])), new(zeros(&[7])));
    assert!(matches!(a.try_matmul(b.clone()), Err(Error::MatMul { .. })));
    refuses!(a.matmul(&b), a.try_matmul(&b), "matmul", "[2, 3]", "[4, 5]");
    refuses!(a.matmul_t(&b), a.try_matmul_t(&b), "matmul", "[2, 3]", "[4, 5]");
    refuses!(a.matmul_t(&v), a.try_matmul_t(&v), "matmul", "[2, 3]", "[7]");
    refuses!(a.matmul(&one), a.try_matmul(&one), "matmul", "[2, 3]", "[]", "*");
    refuses!(a.matmul(&v), a.try_matmul(&v), "matmul", "[2, 3]", "[7");
    refuses!(v.matmul(&a), v.try_matmul(&a), "matmul", "[2, 3]", "7]");
    refuses!(v.matmul(new(zeros(&[8]))), "matmul", "[7]", "[8]");
    let (p, q) = (new(zeros(&[2, 3, 4])), new(zeros(&[3, 4, 5])));
    refuses!(p.matmul(&q), p.try_matmul(&q), "matmul", "[2, 3, 4]", "[3, 4, 5]", "broadcast");
    refuses!(p.matmul(&b.t()), "matmul", "[2, 3, 4]", "[5, 4]");
});

tensors_and_variables!(axes_that_are_not_there, V, |new| {
    let x = new(zeros(&[2, 3]));
    assert!(matches!(x.try_sum([1, -1], Dims::Drop), Err(Error::Axis { op: "sum", axis: -1, .. })));
    refuses!(x.sum_axes(2), x.try_sum(2, Dims::Drop), "sum", "2", "[2, 3]");
    refuses!(x.sum_axes([0, 1, 0]), x.try_sum([0, 1, 0], Dims::Drop), "sum", "twice", "[2, 3]");
    refuses!(x.sum_keep([1, -1]), x.try_sum([1, -1], Dims::Keep), "sum", "-1", "[2, 3]");
    refuses!(x.mean_axes(-3), x.try_mean(-3, Dims::Drop), "mean", "-3", "[2, 3]");
    refuses!(x.mean_keep(-3), "mean", "-3", "[2, 3]");
    refuses!(x.max_axes(5), x.try_max(5, Dims::Drop), "max", "5", "[2, 3]");
    refuses!(x.min_keep(5), x.try_min(5, Dims::Keep), "min", "5", "[2, 3]");
    refuses!(x.logsumexp_axes(2), x.try_logsumexp(2, Dims::Drop), "logsumexp", "2", "[2, 3]");
    refuses!(x.softmax(2), x.try_softmax(2), "softmax", "2", "[2, 3]");
    refuses!(x.log_softmax(-3), x.try_log_softmax(-3), "log_softmax", "-3", "[2, 3]");
    refuses!(x.transpose(0, 2), x.try_transpose(0, 2), "transpose", "2", "[2, 3]");
    refuses!(x.unsqueeze(3), x.try_unsqueeze(3), "unsqueeze", "3", "[2, 3");
    refuses!(x.squeeze(2), x.try_squeeze(2), "squeeze", "2", "[2, 3]");
    refuses!(x.slice(2, ..), x.try_slice(2, ..), "slice", "2", "[2, 3]");
    refuses!(x.take(2, &tensor![0_i64]), x.try_take(2, &tensor![0_i64]), "take", "2", "[2, 3]");
    refuses!(x.gather(-3, &tensor![0_i64]), x.try_gather(-3, &tensor![0_i64]), "gather", "-3", "[2, 3]");
    refuses!(x.sum_axes(isize::MIN), x.try_sum(isize::MIN, Dims::Drop), "sum", "[2, 3]");
    let parts = [x.clone(), x];
    refuses!(V::concat(&parts, 2), V::try_concat(&parts, 2), "concat", "2", "[2, 3]");
    refuses!(V::stack(&parts, -4), V::try_stack(&parts, -4), "unsqueeze", "-4", "[2, 3");
    refuses!(new(tensor![1.0].reshape(&[])).softmax(0), "softmax", "0", "[]");
});

tensors_and_variables!(shapes_that_an_op_cannot_take, V, |new| {
    let x = new(zeros(&[2, 3]));
    assert!(matches!(x.try_reshape(&[7]), Err(Error::Shape { op: "reshape", .. })));
    refuses!(x.reshape(&[7]), x.try_reshape(&[7]), "reshape", "[2, 3]", "[7]");
    refuses!(x.permute(&[0]), x.try_permute(&[0]), "permute", "[2, 3]", "[0]");
    refuses!(x.permute(&[1, 1]), x.try_permute(&[1, 1]), "permute", "[2, 3]", "[1, 1]");
    refuses!(x.squeeze(1), x.try_squeeze(1), "squeeze", "[2, 3]", "size 1");
    refuses!(x.slice_step(0, None, None, 0), x.try_slice_step(0, None, None, 0), "slice", "step");
    let parts = [x, new(zeros(&[2, 4, 1]))];
    refuses!(V::concat(&parts, 0), V::try_concat(&parts, 0), "concat", "[2, 3]", "[2, 4, 1]");
    refuses!(V::stack(&parts, 0), V::try_stack(&parts, 0), "concat", "[1, 2, 3]", "[1, 2, 4, 1]");
    refuses!(V::concat(&[], 0), V::try_concat(&[], 0), "concat", "at least one");
    refuses!(V::stack(&[], 0), V::try_stack(&[], 0), "concat", "at least one");
});

tensors_and_variables!(folds_of_nothing, V, |new| {
    let x = new(zeros(&[0, 3]));
    assert!(matches!(x.try_max(0, Dims::Drop), Err(Error::Empty { op: "max", .. })));
    refuses!(x.max(), x.try_max(.., Dims::Drop), "max", "[0, 3]");
    refuses!(x.max_axes(0), x.try_max(0, Dims::Drop), "max", "[0, 3]");
    refuses!(x.min_keep(0), x.try_min(0, Dims::Keep), "min", "[0, 3]");
    // The reduced axis has elements, although there are no rows.
    assert_eq!(Value::shape(&x.max_axes(1)).as_slice(), [0]);
    assert_eq!(Value::shape(&x.matmul(new(zeros(&[3, 2])))).as_slice(), [0, 2]);
    // An empty sum of products is 0.
    let y = x.t().matmul(&x);
    assert_eq!((Value::shape(&y).as_slice(), y.abs().sum().item()), ([3, 3].as_slice(), 0.0));
});

tensors_and_variables!(indices_past_the_end, V, |new| {
    let x = new(zeros(&[2, 3]));
    let (low, high) = (tensor![0_i64, -1], tensor![3_i64, 0]);
    assert!(matches!(x.try_cross_entropy(&high), Err(Error::Index { index: 3, position: 0, size: 3, .. })));
    refuses!(x.cross_entropy(&low), x.try_cross_entropy(&low), "cross_entropy", "-1", "position 1", "size 3");
    refuses!(x.cross_entropy(&high), x.try_cross_entropy(&high), "cross_entropy", "3", "position 0");
    refuses!(x.cross_entropy(&tensor![0_i64]), "cross_entropy", "[2, 3]", "[1]");
    refuses!(x.sum().cross_entropy(&low), "cross_entropy", "[]", "[rows, classes]");
    refuses!(x.take(1, &high), x.try_take(1, &high), "take", "3", "position 0", "size 3");
    // Negative indices count from the end, but may not go past the start.
    let before = tensor![0_i64, -3];
    assert_eq!(Value::shape(&x.take(0, &low)).as_slice(), [2, 3]);
    refuses!(x.take(0, &before), x.try_take(0, &before), "take", "-3", "position 1", "size 2");
    let index = tensor![[0_i64, 1, 2], [0, 1, 9]];
    refuses!(x.gather(1, &index), x.try_gather(1, &index), "gather", "9", "position 5", "size 3");
    refuses!(x.gather(1, &tensor![0_i64, 0]), "gather", "[2, 3]", "[2]");
});

tensors_and_variables!(more_elements_than_can_be_addressed, V, |new| {
    const LONG: usize = 1 << 40;
    let one = new(zeros(&[1]));
    assert!(matches!(one.try_broadcast_to(&[LONG, LONG]), Err(Error::TooLarge { op: "expand", .. })));
    refuses!(one.broadcast_to(&[usize::MAX]), one.try_broadcast_to(&[usize::MAX]), "expand", "[1844");
    refuses!(one.reshape(&[LONG, LONG]), one.try_reshape(&[LONG, LONG]), "reshape", "[1099511627776, ");
    // Views that take no memory, but whose product would not fit in memory.
    let (column, row) = (one.broadcast_to(&[LONG, 1]), one.broadcast_to(&[1, LONG]));
    refuses!(column.add(&row), column.try_add(&row), "add", "[1099511627776, 1099511627776]");
    refuses!(column.select(&row, &one), column.try_select(&row, &one), "select", "[1099511627776, ");
    refuses!(column.matmul(&row), column.try_matmul(&row), "matmul", "[1099511627776, ");
    let parts = [one.broadcast_to(&[LONG << 19]), one.broadcast_to(&[LONG << 19])];
    refuses!(V::concat(&parts, 0), V::try_concat(&parts, 0), "concat", "[");
    // Empty, until the empty axis is reduced away.
    let nothing = new(zeros(&[0, LONG, LONG]));
    refuses!(nothing.sum_axes(0), nothing.try_sum(0, Dims::Drop), "sum", "[1099511627776, 1099511627776]");
    refuses!(nothing.mean_keep(0), nothing.try_mean(0, Dims::Keep), "mean", "[1, 1099511627776, ");
});

tensors_and_variables!(extremes_that_are_no_mistake, V, |new| {
    const LONG: usize = 1 << 40;
    let x = new(tensor![1.0, 2.0, 3.0]);
    assert_eq!(Value::shape(&x.slice(0, 0..=isize::MAX)).as_slice(), [3]);
    assert_eq!(Value::shape(&x.slice(0, isize::MIN..isize::MIN)).as_slice(), [0]);
    assert_eq!(Value::shape(&x.slice(0, ..=-1)).as_slice(), [3]);
    assert_eq!(Value::shape(&x.slice(0, isize::MAX..)).as_slice(), [0]);
    assert_eq!(Value::shape(&x.slice(0, ..=usize::MAX)).as_slice(), [3]);
    assert_eq!(Value::shape(&x.slice(0, usize::MAX..)).as_slice(), [0]);
    for (step, end) in [(isize::MAX, 1.0), (isize::MIN, 3.0), (isize::MIN + 1, 3.0)] {
        let one = x.slice_step(0, None, None, step);
        assert_eq!((Value::shape(&one).as_slice(), one.mul(&x).sum().item()), ([1].as_slice(), 6.0 * end));
    }
    // Empty tensors with very many rows.
    for shape in [[LONG, LONG, 0], [0, LONG, LONG], [LONG, 0, LONG]] {
        let nothing = new(zeros(&shape));
        assert_eq!(nothing.sum().item(), 0.0);
        assert_eq!(nothing.logsumexp().item(), f64::NEG_INFINITY);
        assert!(nothing.mean().item().is_nan());
        assert_eq!(Value::shape(&nothing.flatten()).as_slice(), [0]);
        assert_eq!(Value::shape(&nothing.exp().mul(&nothing).permute(&[2, 0, 1])).len(), 3);
        assert_eq!(Value::shape(&nothing.softmax(1)).as_slice(), shape);
        let axis = shape.iter().position(|&d| d != 0).unwrap() as isize;
        assert_eq!(Value::shape(&nothing.take(axis, &tensor![0_i64, 3]))[axis as usize], 2);
    }
});

#[test]
fn an_op_is_data_that_anything_may_be_asked_to_apply() {
    let x = zeros(&[2, 3]);
    let apply = |op: Op, x: &[&Tensor<f64>]| Tensor::try_apply(op, x).unwrap_err().to_string();
    let whole = Span { start: 0, len: 3, step: 1 };
    for bad in [
        Span { start: 5, len: usize::MAX, step: 1 },
        Span { start: 0, len: 1 << 63, step: 2 },
        Span { start: usize::MAX, len: 1, step: 1 },
        Span { start: 1, len: 2, step: isize::MAX },
        Span { start: 1, len: 2, step: isize::MIN },
        Span { start: 1, len: 1, step: 0 },
    ] {
        let slice = apply(Op::Slice { spans: [bad, whole].into_iter().collect() }, &[&x]);
        assert!(slice.contains("slice") && slice.contains("[2, 3]"), "{slice}");
        let place = Op::Place { spans: [bad, whole].into_iter().collect(), shape: x.shape().into() };
        assert!(apply(place, &[&x]).contains("place"));
    }
    let huge = [usize::MAX, 3].as_slice().into();
    let first = Span { start: 0, len: 2, step: 1 };
    assert!(apply(Op::Place { spans: [first, whole].into_iter().collect(), shape: huge }, &[&x]).contains("elements"));
    let index = tensor![0_i64];
    assert!(apply(Op::TakeAdd { axis: usize::MAX, index, size: 1 }, &[&x]).contains("take_add"));
    let tape = Tape::new();
    let Op::Reduce { axes, .. } = tape.var(zeros(&[1, 1, 1])).sum_axes(2).op() else { unreachable!("a sum") };
    assert!(apply(Op::Reduce { fold: Fold::Sum, axes, keep: false }, &[&x]).contains("axis 2"));
    assert!(apply(Op::Custom { id: 0 }, &[&x]).contains("custom"));
    for (op, needs) in [
        (Op::Select, "3"),
        (Op::MatMul { ta: false, tb: false, precision: Precision::Full }, "2"),
        (Op::Softmax { axis: 0 }, "1"),
    ] {
        let text = apply(op.clone(), &[]);
        assert!(text.contains(op.name()) && text.contains(needs), "{text}");
    }
}

#[test]
fn a_hint_fits_the_shapes() {
    let text = |result: autograd::Result<Tensor<f64>>| result.unwrap_err().to_string();
    assert!(text(zeros(&[]).try_softmax(0)).ends_with("a scalar has no axes"));
    assert!(text(zeros(&[3]).try_softmax(1)).ends_with("its only axis is 0, or -1 from the end"));
    assert!(text(zeros(&[4, 3]).try_add(zeros(&[4]))).contains("[4] would fit as [4, 1]"));
    assert!(!text(zeros(&[4, 3]).try_add(zeros(&[5]))).contains("would fit"));
    assert!(!text(zeros(&[4, 3]).try_add(zeros(&[4, 2]))).contains("would fit"));
    assert!(text(zeros(&[4, 6]).try_reshape(&[8, 5])).contains("with [8, 3], all of them fit"));
    for odd in [[7, 5], [0, 5], [1 << 40, 0]] {
        assert!(text(zeros(&[4, 6]).try_reshape(&odd)).ends_with("a reshape keeps all elements"));
    }
    assert!(text(zeros(&[2, 3]).try_matmul(zeros(&[5, 3]))).contains("matmul_t multiplies by the second transposed"));
    assert!(text(zeros(&[2, 3]).try_matmul(zeros(&[2, 5]))).contains("the first transposed (`t()`) would fit"));
    assert!(!text(zeros(&[2, 3]).try_matmul(zeros(&[4, 5]))).contains("would fit"));
    refuses!(zeros(&[2, 2]).at(&[0]), "one entry for each of 2 axes");
    refuses!(zeros(&[2, 2]).at(&[0, 2]), "axis 1 ends at 1");
    // The output of `unwrap` and of a `main` that returns the error.
    assert_eq!(
        format!("{:?}", zeros(&[2]).try_sum(1, Dims::Drop)),
        format!("Err({})", text(zeros(&[2]).try_sum(1, Dims::Drop)))
    );
}

#[test]
fn tensors_alone() {
    let x = zeros(&[2, 3]);
    refuses!(Tensor::new(&[2, 2], vec![1.0]), Tensor::try_new(&[2, 2], vec![1.0]), "new", "[2, 2]", "1 elements");
    refuses!(zeros(&[1, 2]).item(), zeros(&[1, 2]).try_item(), "item", "[1, 2]", "2 elements");
    refuses!(x.at(&[2, 0]), "at", "[2, 0]", "[2, 3]");
    refuses!(x.at(&[0]), "at", "[0]", "[2, 3]");
    refuses!(x.argmax(2), "argmax", "2", "[2, 3]");
    refuses!(zeros(&[0]).argmax(0), "max", "[0]");
    refuses!(x.slice_axis(2, 0..1), "slice_axis", "2", "[2, 3]");
    refuses!(x.slice_axis(1, 2..4), "slice_axis", "2..4", "3");
    refuses!(Tensor::<f64>::zeros(&[usize::MAX, 2]), "full", "[1844");
    refuses!(Tensor::<f32>::full(&[1 << 62], 1.0), "full", "[4611");
    refuses!(Tensor::<f32>::eye(1 << 40), "from_fn", "[1099511627776, ");
    refuses!(Tensor::<f32>::rand(&[1 << 62], &mut autograd::Rng::new(0)), "rand", "[4611");
    refuses!(Tensor::<f32>::randn(&[1 << 62], &mut autograd::Rng::new(0)), "randn", "[4611");
    refuses!(Tensor::<f64>::arange(usize::MAX), "arange", "[1844");
    refuses!(Tensor::<f64>::linspace(0.0, 1.0, usize::MAX), "linspace", "[1844");
    refuses!(update(&mut zeros(&[2]), [], &zeros(&[3]), |_, [], _| ()), "update", "[2]", "[3]");
    refuses!(set_threads(0), "set_threads", "at least 1");
}
