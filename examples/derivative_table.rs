//! Prints the derivative table, generated from the rules themselves: `cargo run --example derivative_table`.

fn main() {
    print!("{}", autograd::derivative_table());
}
