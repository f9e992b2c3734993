//! Losses: how wrong an output is, as one number to be made small.

mod classification;
mod regression;

pub use classification::{Bce, BceWithLogits, CrossEntropy};
pub use regression::{HalfSquared, Mse};

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
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>>;
}

/// How the losses of the elements (or samples) become one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean: the size of the batch does not change the scale.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl Reduction {
    fn apply<T: Float>(self, losses: Var<'_, T>) -> Var<'_, T> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
        }
    }
}

/// The target's numbers beside the output, on its tape. Shapes must be equal: broadcasting would hide a mistake.
fn beside<'t, T: Float>(op: &'static str, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
    let values = target.values(op)?;
    if *values.shape() != *output.shape() {
        let hint = format!("the target must have the shape of the output, {:?}", output.shape());
        return Err(Error::Shape { op, shape: values.shape().into(), hint });
    }
    Ok(output.tape().constant(values.clone()))
}

/// Defines a loss struct with a reduction.
macro_rules! reduced {
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
