//! A whole number as a factor
//!
//! Write `2.0 * x`.

fn main() {
    let tape = Tape::<f64>::new();
    let x = tape.var(3.0);
    println!("{}", x * 2);
}
