//! A loss function of variables as the loss of a trainer
//!
//! `Mse::new()` is the loss that training takes; `mse_loss` is the same for two variables.

use wengert::nn::loss::mse_loss;

fn trainer() -> Trainer<'static, f32> {
    Trainer::new(mse_loss, Adam::new(1e-3))
}
