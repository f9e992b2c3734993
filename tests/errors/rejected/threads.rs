//! A tape shared by threads
//!
//! Each thread records on a tape of its own; tensors and compiled programs can be sent between threads. The kernels use all
//! cores by themselves.

fn main() {
    let tape = Tape::<f64>::new();
    std::thread::scope(|scope| {
        scope.spawn(|| tape.var(2.0).exp().item());
    });
}
