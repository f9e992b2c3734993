//! Losses: how wrong an output is, as one number to be made small.
//!
//! Each comes twice. The function, as [`mse_loss`], takes variables on both sides, is differentiable in both, and gives one
//! number or, with [`Reduction::None`], all of them. The type, as [`Mse`], is a [`Loss`]: what training asks for.

mod binary;
mod classification;
mod likelihood;
mod margin;
mod regression;

pub use binary::{
    Bce, BceWithLogits, bce_loss, bce_with_logits_loss, pos_weighted_bce_with_logits_loss, weighted_bce_loss,
};
pub use classification::{
    ClassOptions, CrossEntropy, cross_entropy, cross_entropy_with, nll_loss, soft_cross_entropy,
    soft_cross_entropy_with,
};
pub use likelihood::{GaussianOptions, PoissonOptions, gaussian_nll_loss, kl_div, poisson_nll_loss};
pub use margin::{
    TripletOptions, cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, soft_margin_loss,
    triplet_margin_loss,
};
pub use regression::{HalfSquared, Mse, half_squared_loss, huber_loss, l1_loss, mse_loss, smooth_l1_loss};

use autograd::{Error, Float, Result, Tensor, Var};

/// What an output should have been.
#[derive(Debug, Clone, PartialEq)]
pub enum Target<T: Float> {
    /// Numbers, of the shape of the output.
    Values(Tensor<T>),
    /// The right class of each row: `[rows]`.
    Labels(Tensor<i64>),
}

impl<T: Float> Target<T> {
    /// Number of samples: the size of the first axis.
    pub fn len(&self) -> usize {
        let shape = match self {
            Target::Values(t) => t.shape(),
            Target::Labels(t) => t.shape(),
        };
        shape.first().copied().unwrap_or(1)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers.
    ///
    /// # Errors
    /// If these are labels; `op` is who wanted numbers.
    pub fn values(&self, op: &'static str) -> Result<&Tensor<T>> {
        match self {
            Target::Values(values) => Ok(values),
            Target::Labels(_) => Err(Error::Argument {
                op,
                hint: "the targets are class labels, and numbers are needed: use Target::Values".into(),
            }),
        }
    }

    /// The class labels.
    ///
    /// # Errors
    /// If these are numbers; `op` is who wanted labels.
    pub fn labels(&self, op: &'static str) -> Result<&Tensor<i64>> {
        match self {
            Target::Labels(labels) => Ok(labels),
            Target::Values(_) => Err(Error::Argument {
                op,
                hint: "the targets are numbers, and class labels are needed: use Target::Labels".into(),
            }),
        }
    }
}

/// How wrong an output is.
pub trait Loss<T: Float>: Send {
    /// The loss as a single number on the tape.
    ///
    /// # Errors
    /// If the target does not fit the output: another shape, labels where values are needed, a label out of range.
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>>;
}

/// How the losses of the elements (or samples) become one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean: the size of the batch does not change the scale. NaN over nothing.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum, divided by the number of samples (the size of the first axis): what a divergence between distributions
    /// is, where the mean would also divide by the number of classes.
    BatchMean,
    /// They stay as they are: for the functions only, since a [`Loss`] is one number.
    None,
}

impl Reduction {
    #[track_caller]
    fn apply<T: Float>(self, losses: Var<'_, T>) -> Var<'_, T> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::BatchMean => {
                let samples = losses.shape().first().copied().unwrap_or(1);
                losses.sum() * T::of(1.0 / samples as f64)
            }
            Reduction::None => losses,
        }
    }

    /// This, or an error if it does not give one number.
    fn to_one(self, op: &'static str) -> Result<Reduction> {
        if self != Reduction::None {
            return Ok(self);
        }
        let hint = format!("a loss is one number: use Reduction::Mean or Sum, or call the function {op}");
        Err(Error::Argument { op, hint })
    }
}

/// An error unless target and output have one shape: broadcasting would hide a mistake.
fn same_shape<T: Float>(op: &'static str, output: Var<'_, T>, target: Var<'_, T>) -> Result<()> {
    if output.shape() == target.shape() {
        return Ok(());
    }
    let hint = format!("the target must have the shape of the output, {:?}", output.shape());
    Err(Error::Shape { op, shape: target.shape().as_slice().into(), hint })
}

/// An error unless a setting is above 0.
fn positive(op: &'static str, name: &str, x: f64) -> Result<()> {
    if x > 0.0 { Ok(()) } else { Err(Error::Argument { op, hint: format!("{name} must be above 0, and it is {x}") }) }
}

/// Defines a loss struct with a reduction; with a function of output, target and reduction, the loss against numbers too.
macro_rules! reduced {
    ($(#[$doc:meta])* $Name:ident, $default:ident, $function:ident) => {
        $crate::loss::reduced! { $(#[$doc])* $Name, $default }

        impl<T: Float> $crate::loss::Loss<T> for $Name {
            #[track_caller]
            fn loss<'t>(&self, output: Var<'t, T>, target: &$crate::loss::Target<T>) -> Result<Var<'t, T>> {
                const OP: &str = stringify!($function);
                let target = output.tape().constant(target.values(OP)?.clone());
                $function(output, target, self.reduction.to_one(OP)?)
            }
        }
    };
    ($(#[$doc:meta])* $Name:ident, $default:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name {
            /// How elements become one number.
            pub reduction: $crate::loss::Reduction,
        }

        impl $Name {
            /// With its usual reduction.
            pub fn new() -> Self {
                $Name { reduction: $crate::loss::Reduction::$default }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}
use reduced;

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Tape, gradcheck, tensor};

    /// Value and gradient of a loss.
    fn at(loss: &dyn Loss<f64>, output: Tensor<f64>, target: Target<f64>) -> (f64, Vec<f64>) {
        let tape = Tape::new();
        let x = tape.var(output);
        let l = loss.loss(x, &target).unwrap();
        (l.item(), l.backward().wrt(x).to_vec())
    }

    #[test]
    fn numbers_worked_by_hand() {
        let values = || Target::Values(tensor![[0.0, 3.0]]);
        assert_eq!(at(&Mse::new(), tensor![[1.0, 1.0]], values()), (2.5, vec![1.0, -2.0]));
        assert_eq!(at(&HalfSquared::new(), tensor![[1.0, 1.0]], values()), (2.5, vec![1.0, -2.0]));
        let (loss, gradient) =
            at(&CrossEntropy::new(), tensor![[0.0, 0.0], [0.0, 0.0]], Target::Labels(tensor![0_i64, 1]));
        assert_eq!((loss, gradient), (2f64.ln(), vec![-0.25, 0.25, 0.25, -0.25]));
        let (loss, gradient) = at(&Bce::new(), tensor![0.25, 0.5], Target::Values(tensor![0.0, 1.0]));
        assert!((loss - (-(0.75f64.ln()) - 0.5f64.ln()) / 2.0).abs() < 1e-15);
        assert!((gradient[0] - 0.5 / 0.75).abs() < 1e-15 && (gradient[1] + 1.0).abs() < 1e-15);
    }

    #[test]
    fn nothing_overflows() {
        let (loss, gradient) = at(&CrossEntropy::new(), tensor![[1e5, -1e5, 0.0]], Target::Labels(tensor![1_i64]));
        assert_eq!((loss, gradient), (2e5, vec![1.0, -1.0, 0.0]));
        let far = tensor![1e5, -1e5, 1e5, -1e5];
        let (loss, gradient) = at(&BceWithLogits::new(), far, Target::Values(tensor![1.0, 0.0, 0.0, 1.0]));
        assert_eq!((loss, gradient), (5e4, vec![0.0, 0.0, 0.25, -0.25]));
        let (loss, _) = at(&Bce::new(), tensor![0.0, 1.0], Target::Values(tensor![1.0, 0.0]));
        assert_eq!(loss, 100.0, "logarithms are cut at -100, as in PyTorch");
    }

    #[test]
    fn derivatives_are_right_to_second_order() {
        let x = [tensor![[0.3, 0.9, 0.2], [0.5, 0.7, 0.6]]];
        let (values, labels) =
            (Target::Values(tensor![[1.0, 0.0, 0.0], [0.25, 0.5, 0.25]]), Target::Labels(tensor![2_i64, 0]));
        let both =
            |loss: &dyn Loss<f64>, target: &Target<f64>| gradcheck(|x| loss.loss(x[0], target).unwrap(), &x).unwrap();
        both(&Mse::new(), &values);
        both(&HalfSquared { reduction: Reduction::Mean }, &values);
        both(&Bce { reduction: Reduction::Sum }, &values);
        both(&BceWithLogits::new(), &values);
        both(&CrossEntropy::new(), &labels);
        both(&CrossEntropy { reduction: Reduction::Sum }, &values);
    }

    #[test]
    fn soft_and_hard_targets_agree() {
        let x = tensor![[0.5, -1.0, 2.0], [0.0, 0.1, 0.2]];
        let one_hot = Target::Values(tensor![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        let (soft, soft_gradient) = at(&CrossEntropy::new(), x.clone(), one_hot);
        let (hard, hard_gradient) = at(&CrossEntropy::new(), x, Target::Labels(tensor![2_i64, 0]));
        assert!((soft - hard).abs() < 1e-15);
        assert!(soft_gradient.iter().zip(&hard_gradient).all(|(a, b)| (a - b).abs() < 1e-15));
    }

    /// Every loss against numbers with its function.
    type Function = for<'t> fn(Var<'t, f64>, Var<'t, f64>, Reduction) -> Result<Var<'t, f64>>;
    const FUNCTIONS: [Function; 5] = [mse_loss, half_squared_loss, bce_loss, bce_with_logits_loss, soft_cross_entropy];

    #[test]
    fn functions_are_differentiable_on_both_sides() {
        let inputs = [tensor![[0.2, 0.7, 0.45], [0.9, 0.35, 0.6]], tensor![[0.0, 1.0, 0.3], [0.8, 0.5, 1.0]]];
        for f in FUNCTIONS {
            for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
                gradcheck(|x| f(x[0], x[1], reduction).unwrap(), &inputs).unwrap();
            }
        }
    }

    #[test]
    fn a_target_of_another_shape_is_never_broadcast() {
        let tape = Tape::new();
        let output = tape.var([[0.5], [0.25]]);
        for f in FUNCTIONS {
            for target in [tensor![0.0, 1.0], tensor![[0.0, 1.0]], tensor![1.0]] {
                let error = f(output, tape.constant(target), Reduction::Mean).unwrap_err();
                assert!(matches!(error, Error::Shape { .. }) && error.to_string().contains("[2, 1]"), "{error}");
            }
        }
    }

    #[test]
    fn nothing_has_no_mean_and_the_sum_zero() {
        let tape = Tape::new();
        let nothing = tape.constant(Tensor::zeros(&[0, 2]));
        for f in FUNCTIONS {
            assert!(f(nothing, nothing, Reduction::Mean).unwrap().item().is_nan());
            assert_eq!(f(nothing, nothing, Reduction::Sum).unwrap().item(), 0.0);
        }
    }

    #[test]
    fn a_loss_is_one_number() {
        let tape = Tape::new();
        let (output, target, reduction) =
            (tape.var([[0.5, 0.5]]), Target::Values(tensor![[0.0, 1.0]]), Reduction::None);
        let losses: [&dyn Loss<f64>; 5] = [
            &Mse { reduction },
            &HalfSquared { reduction },
            &Bce { reduction },
            &BceWithLogits { reduction },
            &CrossEntropy { reduction },
        ];
        for loss in losses {
            assert!(loss.loss(output, &target).unwrap_err().to_string().contains("one number"));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let tape = Tape::<f64>::new();
        let x = tape.var([[0.5, 0.5]]);
        let values = Target::Values(tensor![[1.0]]);
        let says = |loss: &dyn Loss<f64>, target: &Target<f64>| loss.loss(x, target).unwrap_err().to_string();
        assert!(says(&Mse::new(), &values).contains("shape of the output, [1, 2]"));
        assert!(says(&Bce::new(), &Target::Labels(tensor![0_i64])).contains("class labels"));
        assert!(says(&CrossEntropy::new(), &Target::Labels(tensor![2_i64])).contains("out of range for size 2"));
        assert!(says(&CrossEntropy::new(), &Target::Labels(tensor![-1_i64])).contains("index -1"));
        assert!(says(&CrossEntropy::new(), &Target::Labels(tensor![0_i64, 0])).contains("one label per row"));
    }
}
