//! Integers where numbers are wanted
//!
//! Write `1.0` for `1`. Labels and indices stay integers, and go to `tape.integers`, `Target::Labels`, `take` or `gather`.

fn main() {
    let tape = Tape::<f64>::new();
    let x = tape.var(tensor![1_i64, 2, 3]);
    println!("{}", x.exp());
}
