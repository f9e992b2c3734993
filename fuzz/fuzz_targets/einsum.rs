//! The text of `einsum`: any formula is a result or an error.
#![no_main]

use autograd::Tensor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [shapes, formula @ ..] = data else { return };
    let Ok(formula) = str::from_utf8(formula) else { return };
    // Each repeated label of the output multiplies its size: what a long output asks for is a result, but a huge one.
    if formula.split_once("->").is_some_and(|(_, output)| output.len() > 12) {
        return;
    }
    let (a, b) = (Tensor::<f64>::ones(&[2, 3]), Tensor::<f64>::ones(&[3, 2]));
    let (c, d) = (Tensor::<f64>::ones(&[2, 2, 2]), Tensor::<f64>::ones(&[]));
    let operands = match shapes % 6 {
        0 => vec![a],
        1 => vec![a, b],
        2 => vec![c, a],
        3 => vec![c],
        4 => vec![d, c],
        _ => vec![a, b, c],
    };
    let _ = Tensor::try_einsum(formula, &operands);
});
