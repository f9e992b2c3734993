//! Single precision: constants, and minimax polynomials with errors below a quarter ulp.

use super::lane::{Lane, bit_tricks};
use super::{exp, log};

/// Number of stored mantissa bits, and the exponent bias.
const FRACTION: u32 = 23;
const BIAS: u32 = 127;

impl Lane for f32 {
    bit_tricks!(f32, u32);

    const LN_2: [f32; 2] = [std::f32::consts::LN_2, -1.9046542e-9];
    const PI: [f32; 3] = [std::f32::consts::PI.next_down(), 1.5099579e-7, 1.0780605e-14];

    const EXP_MIN: f32 = -104.0;
    const EXP_MAX: f32 = 89.0;
    const TANH_MAX: f32 = 10.0;
    const ERFC_MAX: f32 = 10.5;
    const TRIG_LIMIT: f32 = 131_072.0;

    const EXP_TAIL: &'static [f32] = &[0.5, 0.16666667, 0.04166648, 0.008333282, 0.0013933486, 0.00019909951];
    const ATANH_TAIL: &'static [f32] = &[0.6666666, 0.40000972, 0.28498793, 0.24278858];
    const SIN_TAIL: &'static [f32] = &[-0.1666666, 0.008333065, -0.00019809141, 2.6041314e-6];
    const ERF_SERIES: &'static [f32] =
        &[0.12837917, -0.37612626, 0.112835854, -0.026853811, 0.0051883277, -0.0008010193, 7.853859e-5];
    const ERFCX: &'static [f32] = &[
        1.0215827,
        -0.6871607,
        0.27947235,
        -0.036441762,
        -0.021517584,
        0.0064812633,
        0.0031453797,
        -0.0009146031,
        -0.00075792574,
        0.00030044807,
    ];
    const NDTR: [&'static [f32]; 2] = [
        &[0.5, 0.43839288, 0.18330835, 0.04065798, 0.004119938],
        &[1.0, 1.6746707, 1.2028059, 0.46966368, 0.101920865, 0.010327034],
    ];
    const NDTR_MAX: f32 = 14.5;
    const ATAN_TAIL: &'static [f32] =
        &[-0.33333153, 0.19993772, -0.14211051, 0.1066599, -0.07552189, 0.043211598, -0.016367788, 0.0029206618];
    const ASIN_TAIL: &'static [f32] = &[0.16666752, 0.07495297, 0.045470398, 0.024179427, 0.042166445];

    #[inline(always)]
    fn ln_times(self, factor: (f64, f64)) -> f32 {
        (log::ln(self as f64) * factor.0) as f32
    }

    #[inline(always)]
    fn pow_positive(self, p: f32) -> f32 {
        exp::exp(p as f64 * log::ln(self as f64)) as f32
    }
}
