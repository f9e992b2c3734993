//! A closure that was bound first
//!
//! Rust fixes the lifetime of the argument of such a closure. Write it in the call, or use a `fn`.

fn main() {
    let f = |x: &[Var<f64>]| x[0].sin();
    println!("{}", grad(f, &[&tensor!(1.0)])[0]);
}
