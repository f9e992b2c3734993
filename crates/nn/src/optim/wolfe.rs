//! The line search of [`Lbfgs`](super::Lbfgs): how far to move in a descent direction.

/// A point on the line.
#[derive(Debug, Clone)]
pub(super) struct Trial<G> {
    /// The distance along the direction.
    pub t: f64,
    /// The function value there.
    pub f: f64,
    /// The derivative along the direction.
    pub slope: f64,
    /// The gradient.
    pub g: G,
}

/// Sufficient decrease: `f ≤ f₀ + DECREASE · t · slope₀`.
const DECREASE: f64 = 1e-4;
/// Sufficient flatness: `|slope| ≤ FLATNESS · |slope₀|`.
const FLATNESS: f64 = 0.9;

/// Finds a point that meets the strong Wolfe conditions, or returns the best of those tried. `size` is the largest
/// element of the direction: intervals below `tolerance` are not searched. Also returns the number of evaluations, at
/// most `tries + 1`.
///
/// The steps follow PyTorch's search, which follows Nocedal and Wright, *Numerical optimization*, algorithms 3.5 and
/// 3.6: expand until an interval contains a point, then shrink the interval around it, both by cubic interpolation. NaN
/// counts as too high.
pub(super) fn strong_wolfe<G: Clone>(
    start: Trial<G>,
    first: f64,
    size: f64,
    tolerance: f64,
    tries: usize,
    mut at: impl FnMut(f64) -> Trial<G>,
) -> (Trial<G>, usize) {
    let low_enough = |x: &Trial<G>| x.f <= start.f + DECREASE * x.t * start.slope;
    let flat = |x: &Trial<G>| x.slope.abs() <= -FLATNESS * start.slope;
    let (mut count, mut before, mut new) = (0, start.clone(), at(first));
    let mut bracket = loop {
        if count == tries {
            break [start.clone(), new];
        }
        if !low_enough(&new) || (count > 1 && new.f >= before.f) {
            break [before, new];
        }
        if flat(&new) {
            return (new, count + 1);
        }
        if new.slope >= 0.0 {
            break [before, new];
        }
        let t = cubic_minimum(&before, &new, (new.t + 0.01 * (new.t - before.t), new.t * 10.0));
        (before, new) = (new, at(t));
        count += 1;
    };

    let lower = |bracket: &[Trial<G>; 2]| usize::from(bracket[1].f < bracket[0].f);
    let (mut low, mut stuck) = (lower(&bracket), false);
    while count < tries {
        let (left, right) = (bracket[0].t.min(bracket[1].t), bracket[0].t.max(bracket[1].t));
        if (right - left) * size < tolerance {
            break;
        }
        let mut t = cubic_minimum(&bracket[0], &bracket[1], (left, right));
        // Move a point inside if it is too near an end twice in succession, or beyond the end.
        let margin = 0.1 * (right - left);
        let near = (right - t).min(t - left) < margin;
        let moved = near && (stuck || t >= right || t <= left);
        if moved {
            t = if (t - right).abs() < (t - left).abs() { right - margin } else { left + margin };
        }
        stuck = near && !moved;

        let new = at(t);
        count += 1;
        let lowest = new.f < bracket[low].f;
        if !(lowest && low_enough(&new)) {
            bracket[1 - low] = new;
            low = lower(&bracket);
            continue;
        }
        let done = flat(&new);
        if !done && new.slope * (bracket[1 - low].t - bracket[low].t) >= 0.0 {
            bracket[1 - low] = bracket[low].clone();
        }
        bracket[low] = new;
        if done {
            break;
        }
    }
    let best = bracket.into_iter().nth(low).expect("a bracket has two ends");
    (best, count + 1)
}

/// The minimum, within bounds, of the cubic through two points with their slopes; the midpoint of the bounds if it has
/// none.
fn cubic_minimum<G>(a: &Trial<G>, b: &Trial<G>, (low, high): (f64, f64)) -> f64 {
    let (a, b) = if a.t <= b.t { (a, b) } else { (b, a) };
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    let d2 = (d1 * d1 - a.slope * b.slope).sqrt();
    let t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2));
    if t.is_nan() { (low + high) / 2.0 } else { t.max(low).min(high) }
}
