//! Prints the derivative table from the rows that compute it: `cargo run --example derivative_table`.

fn main() {
    print!("{}", autograd::derivative_table());
}
