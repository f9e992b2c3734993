//! A tensor that was used up
//!
//! Operators take tensors by value or by reference. `&a * 2.0` leaves `a` as it is; `a.clone()` copies no element.

fn main() {
    let a = tensor![1.0, 2.0];
    let b = a * 2.0;
    println!("{}", a + b);
}
