//! Axes map values to positions between 0 and 1, with ticks at round numbers.

/// An axis: maps values to fractions of its length.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    log: bool,
    /// The ends, as logarithms to base 10 on a logarithmic axis.
    low: f64,
    high: f64,
    /// Positions and labels of the ticks.
    pub(super) ticks: Vec<(f64, String)>,
}

/// Beyond this, differences of values could overflow.
const LARGEST: f64 = 1e300;

impl Scale {
    /// From the first epoch to the `n`-th, with about `wanted` ticks at integers only.
    pub(super) fn whole(n: usize, wanted: f64) -> Scale {
        // A single epoch is centered.
        let (low, high) = if n == 1 { (0.0, 2.0) } else { (1.0, n as f64) };
        let mut scale = Scale { log: false, low, high, ticks: Vec::new() };
        let step = round_step((high - low) / (wanted + 1.0)).max(1.0);
        scale.mark_multiples(step);
        scale
    }

    /// Slightly more than a range of values, or from 0 to 1 if there is none.
    pub(super) fn linear(range: Option<[f64; 2]>, wanted: f64) -> Scale {
        let [low, high] = range.unwrap_or([0.0, 1.0]);
        let (low, high) = (low.max(-LARGEST), high.min(LARGEST));
        // Equal or nearly equal values need a minimum range.
        let spread = (high - low).max(1e-9 * low.abs().max(high.abs())).max(1e-290);
        let margin = if high - low < spread || high == low { spread.max(0.5 * high.abs()) } else { 0.04 * spread };
        // Losses and accuracies are not negative: do not waste space below 0.
        let bottom = if low >= 0.0 && low < 0.3 * high { 0.0 } else { low - margin };
        Scale::between([bottom, high + margin], wanted)
    }

    /// A linear axis from one end to the other.
    pub(super) fn between([low, high]: [f64; 2], wanted: f64) -> Scale {
        let mut scale = Scale { log: false, low, high, ticks: Vec::new() };
        scale.mark_multiples(round_step((high - low) / wanted));
        scale
    }

    /// Slightly more than a range of positive values, or a decade if there is none.
    pub(super) fn log(range: Option<[f64; 2]>, wanted: f64) -> Scale {
        let [low, high] = range.map_or([0.0, 1.0], |[low, high]| [low.log10(), high.min(LARGEST).log10()]);
        let margin = (0.04 * (high - low)).max(0.05);
        let mut scale = Scale { log: true, low: low - margin, high: high + margin, ticks: Vec::new() };
        let decades = scale.high - scale.low;
        let factors: &[f64] = if decades < 1.5 {
            &[1.0, 2.0, 3.0, 5.0, 7.0]
        } else if decades < 0.6 * wanted {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let stride = (decades / (wanted + 2.0)).ceil().max(1.0) as i32;
        for exponent in (scale.low.floor() as i32..=scale.high.ceil() as i32).filter(|e| e % stride == 0) {
            for factor in factors {
                let value = factor * 10f64.powi(exponent);
                scale.mark(value, number(value, value, value));
            }
        }
        scale
    }

    /// Position of a value, if it can be shown.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let shown = value.abs() <= LARGEST && (!self.log || value > 0.0);
        let at = if self.log { value.log10() } else { value };
        shown.then(|| (at - self.low) / (self.high - self.low))
    }

    /// Adds ticks at all multiples of a step.
    fn mark_multiples(&mut self, step: f64) {
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        for k in 0..=(last - first).clamp(0.0, 20.0) as usize {
            let value = (first + k as f64) * step;
            self.mark(value, number(value, step, self.low.abs().max(self.high.abs())));
        }
    }

    fn mark(&mut self, value: f64, text: String) {
        // Rounding can put the outermost tick slightly outside.
        if let Some(at) = self.place(value).filter(|at| (-1e-9..=1.0 + 1e-9).contains(at)) {
            self.ticks.push((at, text));
        }
    }
}

/// The smallest and the largest of the values that are finite.
pub(super) fn range(values: &[f64]) -> Option<[f64; 2]> {
    let mut range = None;
    for &v in values.iter().filter(|v| v.is_finite()) {
        let [low, high] = range.unwrap_or([v, v]);
        range = Some([v.min(low), v.max(high)]);
    }
    range
}

/// The smallest number not below `step` that is 1, 2 or 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    // The tolerance is needed because 10^-1 is not exactly 0.1.
    power * factors.into_iter().find(|f| f * power >= step * (1.0 - 1e-9)).unwrap_or(10.0)
}

/// A label with enough digits to distinguish neighbors at this distance: a plain decimal on an axis of middle range,
/// like `2e−7` outside.
fn number(value: f64, step: f64, largest: f64) -> String {
    let place = |x: f64| x.abs().log10().floor();
    let digits = (-place(step)).max(0.0) as usize;
    if value.abs() < 1e-9 * step.abs() || value == 0.0 {
        "0".to_owned()
    } else if largest >= 1e6 || digits > 4 {
        let digits = (place(value) - place(step)).clamp(0.0, 15.0) as usize;
        let text = format!("{value:.digits$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = if digits == 0 { mantissa } else { mantissa.trim_end_matches('0').trim_end_matches('.') };
        format!("{mantissa}e{exponent}").replace('-', "−")
    } else {
        format!("{value:.digits$}").replace('-', "−")
    }
}
