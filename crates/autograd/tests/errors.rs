//! Every kind of mistake: the `try_` form returns the error, the plain form panics with the same text at the caller's line.

use autograd::{Cotangents, Error, Result, Rule, Tape, Tensor, Value, Var, tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// The text and place of the last panic. Hooks are global, so tests that use it take turns.
static PANIC: Mutex<()> = Mutex::new(());

/// Runs `f`, which must panic; gives the text, and the file and line that the panic named.
fn panic_of<R>(f: impl FnOnce() -> R) -> (String, String, u32) {
    let _turn = PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let place = std::sync::Arc::new(Mutex::new((String::new(), 0)));
    let (seen, before) = (place.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        let location = info.location().expect("panics have locations");
        *seen.lock().unwrap() = (location.file().to_owned(), location.line());
    }));
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(f())));
    std::panic::set_hook(before);
    let payload = outcome.expect_err("it must panic");
    let text = payload.downcast_ref::<String>().cloned().unwrap_or_default();
    let (file, line) = place.lock().unwrap().clone();
    (text, file, line)
}

/// Both forms of a mistake: the error, and the panic with its text and this file and line.
macro_rules! both {
    ($try:expr, $plain:expr, $($word:expr),*) => {{
        let error = $try.expect_err("it must be an error").to_string();
        let (text, file, line) = panic_of(|| $plain);
        assert_eq!(text, error);
        assert_eq!((file.as_str(), line), (file!(), line!()), "{text}");
        $( assert!(text.contains($word), "{text:?} lacks {:?}", $word); )*
    }};
}

#[test]
fn shapes_that_do_not_fit() {
    let (a, b) = (Tensor::<f64>::ones(&[2, 3]), Tensor::<f64>::ones(&[4, 5]));
    both!(a.try_add(&b), a.add(&b), "add", "[2, 3]", "[4, 5]");
    both!(a.try_mul(&b), &a * &b, "mul", "[2, 3]");
    both!(a.try_pow(&b), a.pow(&b), "pow");
    both!(a.try_maximum(&b), a.maximum(&b), "maximum");
    both!(a.try_gt(&b), a.gt(&b), "gt");
    both!(a.try_select(&b, &b), a.select(&b, &b), "select", "[2, 3]", "[4, 5]");
    both!(a.try_matmul(&b), a.matmul(&b), "matmul", "[2, 3]", "[4, 5]", "columns");
    both!(a.try_matmul(tensor![1.0, 2.0]), a.matmul(tensor![1.0, 2.0]), "matmul", "[2, 3]");
    both!(a.try_matmul(Tensor::scalar(1.0)), a.matmul(Tensor::scalar(1.0)), "matmul", "multiply with *");
    both!(a.try_reshape(&[4]), a.reshape(&[4]), "reshape", "[2, 3]", "[4]");
    both!(a.try_broadcast_to(&[3, 3]), a.broadcast_to(&[3, 3]), "expand", "[3, 3]");
    let parts = [a.clone(), b.clone()];
    both!(Tensor::try_concat(&parts, 0), Tensor::concat(&parts, 0), "concat", "[4, 5]");
    both!(Tensor::<f64>::try_concat(&[], 0), Tensor::<f64>::concat(&[], 0), "concat", "at least one");
    both!(Tensor::try_stack(&parts, 0), Tensor::stack(&parts, 0), "concat");
    both!(Tensor::try_new(&[2, 2], vec![1.0]), Tensor::new(&[2, 2], vec![1.0]), "new", "[2, 2]");
    both!(a.try_item(), a.item(), "item", "6 elements");
}

#[test]
fn axes_out_of_range_or_named_twice() {
    let a = Tensor::<f64>::ones(&[2, 3]);
    both!(a.try_sum(2, false), a.sum_axes(2), "sum", "axis 2", "[2, 3]", "-2 to 1");
    both!(a.try_mean([0, -2], true), a.mean_keep([0, -2]), "mean", "twice");
    both!(a.try_logsumexp(-3, false), a.logsumexp_axes(-3), "logsumexp", "axis -3");
    both!(a.try_softmax(5), a.softmax(5), "softmax", "axis 5");
    both!(a.try_log_softmax(5), a.log_softmax(5), "log_softmax");
    both!(a.try_permute(&[0, 0]), a.permute(&[0, 0]), "permute", "once");
    both!(a.try_transpose(0, 2), a.transpose(0, 2), "transpose", "axis 2");
    both!(a.try_unsqueeze(4), a.unsqueeze(4), "unsqueeze", "axis 4");
    both!(a.try_squeeze(0), a.squeeze(0), "squeeze", "size 1");
    both!(a.try_slice(3, ..), a.slice(3, ..), "slice", "axis 3");
    both!(a.try_slice_step(0, None, None, 0), a.slice_step(0, None, None, 0), "slice", "step");
}

#[test]
fn empty_tensors_where_there_is_no_answer() {
    let none = Tensor::<f64>::zeros(&[0, 3]);
    both!(none.try_max(0, false), none.max_axes(0), "max", "[0, 3]", "no value");
    both!(none.try_min(.., false), none.min(), "min", "no value");
    let (_, file, _) = panic_of(|| none.argmax(0));
    assert_eq!(file, file!());
    // And where there is one, it is given.
    assert_eq!((none.sum().item(), none.logsumexp().item()), (0.0, f64::NEG_INFINITY));
    assert!(none.mean().item().is_nan());
    assert_eq!(none.max_axes(1).shape(), [0]);
    assert_eq!(none.matmul(Tensor::ones(&[3, 2])).shape(), [0, 2]);
    assert_eq!(Tensor::<f64>::ones(&[2, 0]).matmul(Tensor::ones(&[0, 2])), Tensor::zeros(&[2, 2]));
    let tape = Tape::new();
    let x = tape.var(none);
    assert_eq!((x * x).sum().backward().wrt(x).shape(), [0, 3]);
}

#[test]
fn indices_and_labels_out_of_range() {
    let a = Tensor::<f64>::ones(&[2, 3]);
    let (far, negative) = (tensor![0_i64, 3], tensor![-1_i64, 0]);
    both!(a.try_take(1, &far), a.take(1, &far), "take", "index 3", "position 1", "size 3");
    both!(a.try_gather(1, &far.reshape_index()), a.gather(1, &far.reshape_index()), "gather", "index 3");
    both!(a.try_cross_entropy(&far), a.cross_entropy(&far), "cross_entropy", "index 3");
    both!(a.try_cross_entropy(&negative), a.cross_entropy(&negative), "cross_entropy", "index -1");
    both!(a.try_cross_entropy(&tensor![0_i64]), a.cross_entropy(&tensor![0_i64]), "one label per row");
}

/// An index of two rows for `gather`.
trait Rows {
    fn reshape_index(&self) -> Tensor<i64>;
}
impl Rows for Tensor<i64> {
    fn reshape_index(&self) -> Tensor<i64> {
        Tensor::new(&[2, 1], self.to_vec())
    }
}

#[test]
fn sizes_that_no_memory_can_hold() {
    let huge = Tensor::<f64>::ones(&[1, 1]).broadcast_to(&[1 << 31, 1 << 28]);
    both!(huge.try_add(huge.unsqueeze(0).t()), huge.add(huge.unsqueeze(0).t()), "add");
    let one = Tensor::<f64>::ones(&[1]);
    both!(one.try_broadcast_to(&[usize::MAX, 8]), one.broadcast_to(&[usize::MAX, 8]), "addressed");
    let (text, file, _) = panic_of(|| Tensor::<f64>::zeros(&[usize::MAX, 2]));
    assert!(text.contains("addressed") && file == file!());
}

#[test]
fn variables_of_another_tape() {
    let (here, there) = (Tape::<f64>::new(), Tape::<f64>::new());
    let (x, y) = (here.var(1.0), there.var(2.0));
    both!(x.try_add(y), x + y, "add", "another tape");
    both!(x.try_matmul_t(y), x.matmul_t(y), "matmul", "another tape");
    both!(x.try_grad(&[y]), x.grad(&[y]), "grad", "another tape");
    both!(x.try_jvp(&[(y, tensor![1.0].sum())]), x.jvp(&[(y, tensor![1.0].sum())]), "jvp", "another tape");
    let gradients = x.backward();
    both!(gradients.try_wrt(y), gradients.wrt(y), "wrt", "another tape");
    let mut tape = Tape::<f64>::new();
    let old = tape.var(1.0).backward();
    tape.clear();
    let again = tape.var(1.0);
    both!(old.try_wrt(again), old.wrt(again), "wrt", "cleared");
}

#[test]
fn derivatives_of_what_is_not_one_number() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    both!((x * x).try_backward(), (x * x).backward(), "backward", "[2]", "reduce it");
    both!((x * x).try_grad(&[x]), (x * x).grad(&[x]), "grad", "[2]");
    both!((x * x).try_vjp(tensor![1.0]), (x * x).vjp(tensor![1.0]), "vjp", "[1]", "[2]");
    both!(x.try_jvp(&[(x, tensor![1.0])]), x.jvp(&[(x, tensor![1.0])]), "jvp", "[2]");
    let y = x.sum();
    let z = y * y;
    let gradients = z.backward();
    both!(gradients.try_wrt(y), gradients.wrt(y), "wrt", "backward_wrt");
    assert_eq!(z.backward_wrt(&[y]).wrt(y).item(), 6.0);
}

#[test]
fn variables_name_the_callers_line_too() {
    let tape = Tape::<f64>::new();
    let (a, b) = (tape.var(Tensor::ones(&[2, 3])), tape.var(Tensor::ones(&[4, 5])));
    both!(a.try_sub(b), a - b, "sub", "[2, 3]", "[4, 5]");
    both!(a.try_matmul(b), a.matmul(b), "matmul");
    both!(a.try_sum(7, false), a.sum_axes(7), "sum", "axis 7");
    both!(a.try_reshape(&[7]), a.reshape(&[7]), "reshape");
    both!(Var::try_concat(&[a, b], 0), Var::concat(&[a, b], 0), "concat");
    both!(a.try_cross_entropy(&tensor![9_i64, 0]), a.cross_entropy(&tensor![9_i64, 0]), "index 9");
    assert_eq!((a.line().file(), (a + 1.0).line().line()), (file!(), line!()));
}

/// Takes one operand of rank 1, and has no forward rule.
struct Picky;
impl Rule<f64> for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }
    fn forward(&self, x: &[&Tensor<f64>]) -> Result<Tensor<f64>> {
        let hint = "it must have one axis".to_owned();
        if x[0].rank() == 1 {
            Ok(x[0].clone())
        } else {
            Err(Error::Shape { op: "picky", shape: x[0].shape().into(), hint })
        }
    }
    fn vjp<V: Value<f64>>(&self, _: &[&V], _: &V, g: &V) -> Cotangents<V> {
        [Some(g.clone())].into_iter().collect()
    }
}

#[test]
fn a_users_own_op_reports_its_own_errors() {
    let tape = Tape::<f64>::new();
    let (scalar, vector) = (tape.var(1.0), tape.var([1.0]));
    both!(Var::try_custom(Picky, &[scalar]), Var::custom(Picky, &[scalar]), "picky", "one axis");
    both!(Var::try_custom(Picky, &[]), Var::custom(Picky, &[]), "custom", "at least one input");
    let y = Var::custom(Picky, &[vector]);
    both!(y.try_jvp(&[(vector, tensor![1.0])]), y.jvp(&[(vector, tensor![1.0])]), "picky", "Rule::jvp");
    assert_eq!(y.sum().backward().wrt(vector), tensor![1.0]);
}
