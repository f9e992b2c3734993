//! An `f32` times an `f64`
//!
//! One computation has one type of number, and nothing is converted silently. `tensor.cast::<f32>()` converts.

fn main() {
    let (tape, other) = (Tape::<f32>::new(), Tape::<f64>::new());
    let (x, w) = (tape.var(1.0), other.var(2.0));
    println!("{}", x * w);
}
