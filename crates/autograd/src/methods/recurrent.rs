//! Recurrent layers.

macro_rules! recurrent_methods {
    () => {
        twins! {
            /// The states of a recurrent layer at all steps. `self` holds the contributions of the inputs to the gates,
            /// `[time, batch, gates · hidden]`: their products with the weights, plus a bias. The state contributes
            /// `h · weightᵀ + bias`, with weights `[gates · hidden, hidden]`. Each sequence has a length in `[batch]`,
            /// after which its state does not change. `start` holds the parts of the initial state, `[batch, hidden]`
            /// each: h, and c of an LSTM.
            ///
            /// The result, `[parts, time + 1, batch, hidden]`, begins with the initial state, or ends with it if sequences are
            /// read in reverse. All steps are one op, and so are all steps of its derivative.
            ///
            /// ```
            /// # use autograd::{op::Cell, tensor};
            /// let z = tensor![[[1.0]], [[2.0]], [[3.0]]]; // three steps of one sequence, one unit
            /// let (weight, bias) = (tensor![[10.0]], tensor![0.0]);
            /// let states = z.recurrent(Cell::Relu, false, &weight, &bias, &tensor![3.0], &[&tensor![[0.5]]]);
            /// assert_eq!(states, tensor![[[[0.5]], [[6.0]], [[62.0]], [[623.0]]]]);
            /// ```
            #[doc(alias = "rnn")]
            #[doc(alias = "gru")]
            #[doc(alias = "lstm")]
            recurrent, try_recurrent(
                cell: Cell, reverse: bool, weight: &Self, bias: &Self, lengths: &Self, start: &[&Self]
            ) |z| {
                let x = [&[z, weight, bias, lengths], start].concat();
                let trace = Value::try_apply(Op::RecurrentTrace { cell, reverse }, &x)?;
                Value::try_apply(Op::Recurrent { cell, reverse }, &[&[&trace], &x[..]].concat())
            }
        }
    };
}

pub(super) use recurrent_methods;
