//! Gradient descent as the suite prescribes it: steps grow after ten successes and shrink after a failure.

/// The direction in which derivatives are computed.
#[derive(Clone, Copy)]
pub enum Sweep {
    Forward,
    Reverse,
}

/// The directions of the outer and the inner derivatives of a function that the suite names by two letters.
pub fn sweeps(function: &str) -> Option<[Sweep; 2]> {
    match function {
        "ff" => Some([Sweep::Forward, Sweep::Forward]),
        "fr" => Some([Sweep::Forward, Sweep::Reverse]),
        "rf" => Some([Sweep::Reverse, Sweep::Forward]),
        "rr" => Some([Sweep::Reverse, Sweep::Reverse]),
        _ => None,
    }
}

/// A function to minimize, with its gradient.
pub trait Objective<const N: usize> {
    fn value(&mut self, x: [f64; N]) -> Result<f64, String>;
    fn gradient(&mut self, x: [f64; N]) -> Result<[f64; N], String>;
}

/// A maximum of `f` is a minimum of `Negative(f)`.
pub struct Negative<F>(pub F);

impl<F: Objective<N>, const N: usize> Objective<N> for Negative<F> {
    fn value(&mut self, x: [f64; N]) -> Result<f64, String> {
        Ok(-self.0.value(x)?)
    }

    fn gradient(&mut self, x: [f64; N]) -> Result<[f64; N], String> {
        Ok(self.0.gradient(x)?.map(|slope| -slope))
    }
}

/// Steps and slopes below this end the descent.
const SMALL: f64 = 1e-5;

/// Where `f` is smallest near `x`.
pub fn argmin<const N: usize>(f: &mut impl Objective<N>, mut x: [f64; N]) -> Result<[f64; N], String> {
    let norm = |x: [f64; N]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (mut y, mut slope) = (f.value(x)?, f.gradient(x)?);
    let (mut rate, mut successes) = (1e-5, 0);
    while norm(slope) > SMALL {
        if successes == 10 {
            (rate, successes) = (2.0 * rate, 0);
            continue;
        }
        let next: [f64; N] = std::array::from_fn(|i| x[i] - rate * slope[i]);
        if norm(std::array::from_fn(|i| x[i] - next[i])) <= SMALL {
            break;
        }
        let lower = f.value(next)?;
        if lower < y {
            (x, y, slope, successes) = (next, lower, f.gradient(next)?, successes + 1);
        } else {
            (rate, successes) = (rate / 2.0, 0);
        }
    }
    Ok(x)
}
