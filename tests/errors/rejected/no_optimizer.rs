//! A learning rate instead of an optimizer
//!
//! The optimizer comes with its rate: `Sgd::new(0.1)`.

fn trainer() -> Trainer<'static, f32> {
    Trainer::new(CrossEntropy::new(), 0.1)
}
