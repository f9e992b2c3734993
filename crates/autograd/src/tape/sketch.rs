//! Sketching: recording without computing, from some node on.

use super::Tape;
use super::list::Extent;
use crate::float::Float;

/// Records what `f` does as a sketch, which is removed when `f` returns or panics: for derivatives that are compiled and
/// need not be computed and stored first. On a tape with users' rules, which may read values, they are computed.
pub fn sketched<T: Float, R>(tape: &Tape<T>, f: impl FnOnce() -> R) -> R {
    let _sketching = Sketching::on(tape);
    f()
}

/// Removes what was sketched.
struct Sketching<'t, T: Float> {
    tape: &'t Tape<T>,
    before: Extent,
    sketched: Option<u32>,
}

impl<'t, T: Float> Sketching<'t, T> {
    fn on(tape: &'t Tape<T>) -> Self {
        let mut list = tape.list.borrow_mut();
        let (before, sketched) = (list.extent(), list.sketched);
        if list.rules().is_empty() {
            let end = list.nodes.len() as u32;
            list.sketched.get_or_insert(end);
        }
        Sketching { tape, before, sketched }
    }
}

impl<T: Float> Drop for Sketching<'_, T> {
    fn drop(&mut self) {
        self.tape.list.borrow_mut().sketched = self.sketched;
        self.tape.rewind(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sketch_that_panics_leaves_a_tape_that_computes() {
        let tape = Tape::<f64>::new();
        let x = tape.var([1.0, 2.0]);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sketched(&tape, || {
                let y = x * 2.0;
                y.value()
            })
        }));
        assert!(failed.is_err(), "nothing was computed");
        assert_eq!((tape.len(), (x * 2.0).value()), (1, crate::tensor![2.0, 4.0]));
    }
}
