//! Connectionist temporal classification: the probability of a sequence of labels that is shorter than its input, over all
//! ways to align the two.

use super::Reduction;
use crate::domain::Domain;
use crate::once;
use autograd::{Error, Float, Index, Ints, Result, Tensor, Var};

/// Options of [`ctc_loss`].
///
/// ```
/// use nn::loss::{CtcOptions, Reduction};
/// let options = CtcOptions { zero_infinity: true, ..CtcOptions::default() };
/// assert_eq!((options.blank, options.reduction), (0, Reduction::Mean));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CtcOptions {
    /// The blank class, which represents no label. Defaults to 0.
    pub blank: usize,
    /// Whether the loss of a target that does not fit into its input is 0 rather than infinite. Its gradient is 0 either
    /// way; in PyTorch it is NaN if the loss is infinite.
    pub zero_infinity: bool,
    /// The reduction over samples. A mean first divides the loss of each sample by the length of its target.
    pub reduction: Reduction,
}

/// Connectionist temporal classification: minus the log-probability of the labels `targets`, `[N, S]`, under
/// `log_probs`, `[T, N, classes]`, the logarithms of probabilities at each time. A path has a class at each time; it
/// represents the labels that remain after repeated classes are merged and blanks removed. The probability of the labels is
/// the sum of the probabilities of all their paths:
///
/// ```text
/// ℓ = blank, label 1, blank, label 2, …, blank                        the labels with blanks between them
/// αₜ(s) = log_probsₜ(ℓₛ) + ln(e^αₜ₋₁(s) + e^αₜ₋₁(s - 1) + [ℓₛ ≠ ℓₛ₋₂] e^αₜ₋₁(s - 2))
/// loss = -ln(e^α(2 S) + e^α(2 S - 1)) at the last time
/// ```
///
/// `lengths` are the lengths of the inputs, at most `T`, and of the targets, at most `S`, `[N]` each; later elements are not
/// read. Each target is a sequence of classes other than the blank. The recursion is recorded, so derivatives of any order are
/// exact. PyTorch's gradient with respect to `log_probs` is correct only after a log-softmax, where both agree. Source:
/// Graves, Fernández, Gomez and Schmidhuber, *Connectionist temporal classification* (2006).
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{CtcOptions, ctc_loss};
/// let tape = Tape::<f64>::new();
/// // Two classes besides the blank, two times: the label 1 is written 11, 10 or 01.
/// let log_probs = tape.var([[[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]).log_softmax(2);
/// let loss = ctc_loss(log_probs, tensor![[1_i64]], [tensor![2_i64], tensor![1_i64]], CtcOptions::default())?;
/// assert!((loss.item() - 3f64.ln()).abs() < 1e-14); // three of nine paths
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes do not fit, a length is too large, or a label is the blank or not a class.
#[track_caller]
pub fn ctc_loss<'t, T: Float, I: Into<Index<Var<'t, T>>>>(
    log_probs: Var<'t, T>,
    targets: impl Into<Index<Var<'t, T>>>,
    lengths: [I; 2],
    options: CtcOptions,
) -> Result<Var<'t, T>> {
    let tape = log_probs.tape();
    let [inputs, labels] = lengths.map(|lengths| lengths.into().on(tape));
    recorded(log_probs, targets.into().on(tape), [inputs, labels], options)
}

const OP: &str = "ctc_loss";
/// Stands for the logarithm of 0: its exponential is 0, but it is finite, so that differences are defined.
const NEVER: f64 = -1e30;

once! {
    fn recorded<'t, T>(
        log_probs: Var<'t, T>,
        targets: Ints<'t, T>,
        lengths: [Ints<'t, T>; 2],
        options: CtcOptions,
    ) -> Result<Var<'t, T>> {
        let CtcOptions { blank, zero_infinity, reduction } = options;
        let (times, classes, most) = sizes(log_probs, targets, lengths, blank)?;
        let tape = log_probs.tape();
        let number = |x: f64| tape.constant(Tensor::scalar(T::of(x)));
        let inputs = lengths[0].try_within(OP, times + 1)?.numbers().unsqueeze(1);
        let labels = lengths[1].try_within(OP, most + 1)?.numbers().unsqueeze(1);
        let (samples, states) = (targets.shape()[0], 2 * most + 1);

        // The labels with blanks between them, [N, states]; past the end of a target, blanks.
        let place = tape.constant(Tensor::<T>::arange(most));
        let (within, none) = (labels.is_gt(place), number(-1.0));
        let written = Domain::NotBlank(blank).check(OP, "labels", within.try_choose(targets.numbers(), none)?)?;
        let written = within.try_choose(written, number(blank as f64))?;
        let blanks = number(blank as f64).broadcast_to(&[samples, most]);
        let pairs = Var::try_stack(&[blanks, written], 2)?.reshape(&[samples, 2 * most]);
        let path = Var::try_concat(&[pairs, number(blank as f64).broadcast_to(&[samples, 1])], 1)?;
        let index = path.broadcast_to(&[times, samples, states]).to_integers().try_within(OP, classes)?;
        let emitted = log_probs.maximum(number(NEVER)).try_gather(2, index)?;

        // From each state, its own, the next, and the one after if that is another label.
        let never = |width: usize| number(NEVER).broadcast_to(&[samples, width]);
        let shifted = |x: Var<'t, T>, by: usize| match by < states {
            true => Var::try_concat(&[never(by), x.slice(1, ..states - by)], 1),
            false => Ok(never(states)),
        };
        let skips = path.is_ne(shifted(path, 2)?);
        let begins = tape.constant(Tensor::<T>::arange(states)).is_lt(number(2.0));
        let mut alpha = begins.try_choose(emitted.index_axis(0, 0), number(NEVER))?;
        for time in 1..times {
            let skipped = skips.try_choose(shifted(alpha, 2)?, number(NEVER))?;
            let before = Var::try_stack(&[alpha, shifted(alpha, 1)?, skipped], 0)?.logsumexp_axes(0);
            let next = emitted.index_axis(0, time as isize) + before;
            alpha = inputs.is_gt(number(time as f64)).try_choose(next, alpha)?;
        }

        // A path ends in the last label or in the blank after it. An input of length 0 has the empty path alone.
        let ends = labels * T::of(2.0);
        let last = alpha.try_gather(1, ends.to_integers())?;
        let label = labels.is_gt(number(0.0));
        let in_label = label.try_choose(alpha.try_gather(1, (ends - T::one()).relu().to_integers())?, number(NEVER))?;
        let found = Var::try_concat(&[last, in_label], 1)?.logsumexp_axes(1);
        let empty = label.try_choose(number(NEVER), number(0.0))?.squeeze(1);
        let found = inputs.squeeze(1).is_gt(number(0.0)).try_choose(found, empty)?;
        let impossible = number(if zero_infinity { 0.0 } else { f64::INFINITY });
        let losses = found.is_lt(number(0.1 * NEVER)).try_choose(impossible, -found)?;
        Ok(reduction.apply(match reduction {
            Reduction::Mean => losses / labels.squeeze(1).maximum(number(1.0)),
            Reduction::Sum | Reduction::BatchMean | Reduction::None => losses,
        }))
    }
}

/// The number of times, of classes, and the length of the longest target that there is room for.
fn sizes<'t, T: Float>(
    log_probs: Var<'t, T>,
    targets: Ints<'t, T>,
    lengths: [Ints<'t, T>; 2],
    blank: usize,
) -> Result<(usize, usize, usize)> {
    let wrong = |shape: &[usize], hint: String| Err(Error::Shape { op: OP, shape: shape.into(), hint });
    let &[times, samples, classes] = log_probs.shape().as_slice() else {
        return wrong(&log_probs.shape(), "the logarithms of probabilities must be [times, samples, classes]".into());
    };
    if times == 0 || blank >= classes {
        let hint = format!("there must be at least one time, and the blank {blank} must be a class");
        return wrong(&log_probs.shape(), hint);
    }
    let most = match *targets.shape() {
        [n, most] if n == samples => most,
        ref shape => return wrong(shape, format!("the targets must be [{samples}, length]")),
    };
    for lengths in lengths {
        if *lengths.shape() != [samples] {
            return wrong(&lengths.shape(), format!("there must be a length for each of {samples} samples"));
        }
    }
    Ok((times, classes, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Program, Tape, Tensor, gradcheck, tensor};

    fn logits() -> Tensor<f64> {
        Tensor::from_fn(&[6, 3, 4], |at| ((12 * at[0] + 4 * at[1] + at[2]) * 37 % 23) as f64 * 0.13 - 1.2)
    }

    fn loss<'t>(x: Var<'t, f64>, options: CtcOptions) -> Var<'t, f64> {
        let targets = tensor![[1_i64, 2, 2], [3, 1, 99], [2, 2, 2]];
        // Elements beyond the length of a target are not read.
        ctc_loss(x.log_softmax(2), targets, [tensor![6_i64, 4, 4], tensor![3_i64, 2, 3]], options).unwrap()
    }

    fn near(found: &Tensor<f64>, expected: &[f64]) {
        let close = |(a, b): (f64, &f64)| a == *b || (a - b).abs() < 1e-13;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{found} is not {expected:?}");
    }

    /// Values and gradients from PyTorch 2.15, written out there.
    #[test]
    fn losses_and_gradients_are_those_of_pytorch() {
        let tape = Tape::new();
        let x = tape.var(logits());
        let of = |zero_infinity, reduction| loss(x, CtcOptions { zero_infinity, reduction, ..CtcOptions::default() });
        let each = [4.023207614769544, 2.5606082468346987];
        near(&of(false, Reduction::None).value(), &[each[0], each[1], f64::INFINITY]);
        near(&of(true, Reduction::None).value(), &[each[0], each[1], 0.0]);
        near(&of(true, Reduction::Sum).value(), &[6.583815861604243]);
        near(&of(true, Reduction::Mean).value(), &[0.8737911094468437]);
        let gradient = of(true, Reduction::Sum).backward().wrt(x);
        let at = |time: usize, sample: usize| gradient.slice_axis(0, time..time + 1).slice_axis(1, sample..sample + 1);
        near(&at(0, 0), &[-0.042364985952514866, -0.614645476720984, 0.09160951338689158, 0.5654009492866073]);
        near(&at(0, 1), &[-0.3792513333161341, 0.0812387814693216, 0.5013942598696759, -0.20338170802286343]);
        near(&at(0, 2), &[0.0; 4]);
        near(&at(3, 1), &[0.05578595556465244, -0.3150383994878697, 0.19784721039500933, 0.06140523352820792]);
        near(&at(4, 0), &[-0.17598960695038693, 0.6374622554461198, -0.5228778820239408, 0.06140523352820797]);
        near(&at(4, 1), &[0.0; 4]);
        near(&at(5, 0), &[0.013438054055675275, 0.0812387814693216, -0.2502930383288199, 0.155616202803823]);
        // An impossible target does not contribute to the gradient, regardless of its loss.
        assert_eq!(of(false, Reduction::Sum).backward().wrt(x), gradient);
        let mean = of(true, Reduction::Mean).backward().wrt(x);
        near(
            &mean.slice_axis(0, 0..1).slice_axis(1, 1..2),
            &[-0.063208555552689, 0.0135397969115536, 0.0835657099782793, -0.033896951337143905],
        );
    }

    /// Another blank, an empty target, and an input that ends early.
    #[test]
    fn any_class_may_be_the_blank() {
        let tape = Tape::new();
        let (x, options) =
            (tape.var(logits()), CtcOptions { blank: 2, reduction: Reduction::None, ..Default::default() });
        let targets = tensor![[1_i64, 0, 0], [0, 0, 0], [3, 0, 1]];
        let y = ctc_loss(x.log_softmax(2), targets, [tensor![6_i64, 4, 5], tensor![3_i64, 0, 2]], options).unwrap();
        near(&y.value(), &[4.733792124868662, 5.391205448663422, 5.18861781252057]);
        let gradient = y.sum().backward().wrt(x);
        near(
            &gradient.slice_axis(0, 4..5).slice_axis(1, 2..3),
            &[-0.3112948813326203, 0.2951651777517426, -0.5492712457057292, 0.565400949286607],
        );
        near(
            &gradient.slice_axis(0, 0..1).slice_axis(1, 1..2),
            &[0.2617507558571797, 0.08123878146932163, -0.4986057401303244, 0.15561620280382304],
        );
    }

    #[test]
    fn derivatives_are_right_to_second_order() {
        fn summed<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
            loss(x[0], CtcOptions { zero_infinity: true, ..CtcOptions::default() })
        }
        fn slope<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
            summed(x).grad(&[x[0]])[0].square().sum()
        }
        gradcheck(summed, &[logits()]).unwrap();
        gradcheck(slope, &[logits()]).unwrap();
    }

    /// Labels and lengths are inputs of a program.
    #[test]
    fn a_replay_takes_other_labels() {
        let tape = Tape::<f64>::new();
        let (x, y) = (tape.var(logits()), tape.integers(tensor![[1_i64, 2, 2], [3, 1, 0], [2, 2, 2]]));
        let lengths = [tensor![6_i64, 4, 6], tensor![3_i64, 2, 3]].map(|lengths| tape.integers(lengths));
        let loss = ctc_loss(x.log_softmax(2), y, lengths, CtcOptions::default()).unwrap();
        let integers = [y, lengths[0], lengths[1]];
        let outputs = [loss, loss.grad(&[x])[0]];
        let mut program = Program::draft(&tape).inputs(&[x]).integers(&integers).outputs(&outputs).compile().unwrap();
        let other = [tensor![[2_i64, 1, 0], [3, 0, 0], [1, 2, 3]], tensor![5_i64, 6, 6], tensor![2_i64, 1, 3]];
        let found = program.run_with(&[&logits()], &other.each_ref()).unwrap().to_vec();
        let tape = Tape::new();
        let x = tape.var(logits());
        let [y, inputs, labels] = other;
        let again = ctc_loss(x.log_softmax(2), y, [inputs, labels], CtcOptions::default()).unwrap();
        near(&found[0], &[again.item()]);
        near(&found[1], &again.backward().wrt(x).to_vec());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let tape = Tape::<f64>::new();
        let x = tape.var(logits());
        let said = |targets: Tensor<i64>, lengths: [Tensor<i64>; 2], blank| {
            let options = CtcOptions { blank, ..CtcOptions::default() };
            ctc_loss(x, targets, lengths, options).map(|loss| loss.item()).unwrap_err().to_string()
        };
        let good = || [tensor![6_i64, 6, 6], tensor![1_i64, 1, 1]];
        let labels = || tensor![[1_i64], [1], [1]];
        assert!(said(labels(), good(), 4).contains("the blank 4 must be a class"));
        assert!(said(tensor![[1_i64]], good(), 0).contains("[3, length]"));
        assert!(said(labels(), [tensor![6_i64], tensor![1_i64]], 0).contains("each of 3 samples"));
        assert!(said(labels(), [tensor![7_i64, 6, 6], tensor![1_i64, 1, 1]], 0).contains("index 7"));
        assert!(said(labels(), [tensor![6_i64, 6, 6], tensor![1_i64, 2, 1]], 0).contains("index 2"));
        assert!(said(tensor![[1_i64], [4], [1]], good(), 0).contains("index 4"));
        let error = said(tensor![[1_i64], [2], [1]], good(), 2);
        assert!(error.contains("ctc_loss: labels must be other than the blank 2, but element 1 is 2"), "{error}");
        // Behind a target, a blank is not read.
        let padded = tensor![[1_i64, 0], [2, 0], [1, 0]];
        assert!(ctc_loss(x, padded, good(), CtcOptions::default()).is_ok());
    }
}
