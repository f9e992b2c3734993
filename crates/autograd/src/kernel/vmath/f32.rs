//! Single precision: constants and polynomials of minimax error below a quarter ulp.

use super::lane::{Lane, bit_tricks};
use super::{exp, log};

/// Mantissa bits stored, and the bias of the exponent.
const FRACTION: u32 = 23;
const BIAS: u32 = 127;

impl Lane for f32 {
    bit_tricks!(f32, u32);

    const LN_2: [f32; 2] = [std::f32::consts::LN_2, -1.9046542e-9];
    const PI: [f32; 3] = [std::f32::consts::PI.next_down(), 1.5099579e-7, 1.0780605e-14];

    const EXP_MIN: f32 = -104.0;
    const EXP_MAX: f32 = 89.0;
    const TANH_MAX: f32 = 10.0;
    const ERF_MAX: f32 = 4.0;
    const TRIG_LIMIT: f32 = 131_072.0;

    const EXP_TAIL: &'static [f32] = &[0.5, 0.16666667, 0.04166648, 0.008333282, 0.0013933486, 0.00019909951];
    const ATANH_TAIL: &'static [f32] = &[0.6666666, 0.40000972, 0.28498793, 0.24278858];
    const SIN_TAIL: &'static [f32] = &[-0.1666666, 0.008333065, -0.00019809141, 2.6041314e-6];
    const ERF_SMALL: &'static [f32] =
        &[0.12837917, -0.37612626, 0.112835854, -0.026853811, 0.0051883277, -0.0008010193, 7.853859e-5];
    const LN_ERFC: &'static [f32] =
        &[-1.8496056, -2.6389668, -0.8431183, -0.041500688, 0.009890891, -0.0018261622, 0.00018557374];

    #[inline(always)]
    fn pow_positive(self, p: f32) -> f32 {
        exp::exp(p as f64 * log::ln(self as f64)) as f32
    }
}
