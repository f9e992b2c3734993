//! A variable that outlives its tape
//!
//! A `Var` borrows its tape. Return its value, `.value()` or `.item()`, or pass the tape in: `fn loss(tape: &Tape<f64>)`.

fn loss() -> Var<'static, f64> {
    let tape = Tape::new();
    let x = tape.var(2.0);
    x * x
}
