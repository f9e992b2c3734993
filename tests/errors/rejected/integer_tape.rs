//! A tape of integers
//!
//! Integers have no derivatives.

fn main() {
    let tape = Tape::<i64>::new();
    let x = tape.var(3);
}
