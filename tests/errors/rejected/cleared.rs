//! A variable of a tape that was cleared
//!
//! `clear` forgets all variables, so it needs exclusive access to the tape. Take what you need before:
//! `let gradient = gradients.wrt(w);`.

fn main() {
    let mut tape = Tape::<f64>::new();
    let w = tape.var(2.0);
    let loss = w * w;
    tape.clear();
    println!("{}", loss.backward().wrt(w));
}
