//! Values of PyTorch, derivatives, and the moments of samples.

use super::*;
use crate::Pass;
use autograd::{Rng, Tape, Tensor, compile, gradcheck, tensor};

fn near(found: Var<'_, f64>, expected: &[f64]) {
    let found = found.value();
    let close = |(a, b): (f64, &f64)| a == *b || (a - b).abs() < 1e-13 * b.abs().max(1.0);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{found} is not {expected:?}");
}

/// Values from PyTorch 2.15, written out there.
#[test]
fn distributions_have_the_values_of_pytorch() {
    let tape = Tape::<f64>::new();
    let var = |x: [f64; 3]| tape.var(x);
    let p = Normal::new(var([0.3, -1.2, 2.0]), var([0.7, 2.5, 1e-3])).unwrap();
    let q = Normal::new(var([0.0, 0.5, 1.0]), var([1.0, 0.3, 2.0])).unwrap();
    near(p.log_prob(var([0.1, 3.0, 2.001])).unwrap(), &[-0.6030799157965525, -3.246429265078828, 5.488816745777575]);
    near(p.entropy(), &[1.0622635892659402, 2.3352292650788278, -5.488816745777465]);
    near(p.kl(&q).unwrap(), &[0.14667494393873243, 48.157514241577694, 7.225902584542082]);

    let p = Bernoulli::from_logits(var([0.3, -2.0, 7.5]));
    let q = Bernoulli::from_logits(var([1.0, 0.0, -3.0]));
    near(p.log_prob(var([1.0, 0.0, 0.0])).unwrap(), &[-0.5543552444685271, -0.1269280110429727, -7.500552931475361]);
    near(p.entropy(), &[0.6820224894250294, 0.36533385508720784, 0.0046987712522878035]);
    near(p.kl(&q).unwrap(), &[0.05679668128153437, 0.32781332547273767, 3.0422302444106837]);

    let p = Categorical::from_logits(tape.var([[0.2, -1.0, 3.0], [0.5, 0.5, -0.7]])).unwrap();
    let q = Categorical::from_logits(var([0.0, 1.0, -1.0])).unwrap();
    near(p.log_prob(tensor![1_i64, 2]).unwrap(), &[-4.076151177649976, -2.033428210756229]);
    near(p.entropy(), &[0.3018252863880847, 0.9904914661840729]);
    near(p.kl(&q).unwrap(), &[2.015484116436105, 0.1134435675451124]);
}

/// Certain outcomes have an entropy of 0 and no NaN derivatives.
#[test]
fn certainty_is_no_trouble() {
    let tape = Tape::<f64>::new();
    let logits = tape.var([f64::INFINITY, f64::NEG_INFINITY, 0.0]);
    let p = Bernoulli::from_logits(logits);
    near(p.entropy(), &[0.0, 0.0, 2f64.ln()]);
    near(p.log_prob(tape.constant([1.0, 1.0, 1.0])).unwrap(), &[0.0, f64::NEG_INFINITY, -2f64.ln()]);
    let logits = tape.var([0.0, f64::NEG_INFINITY]);
    let p = Categorical::from_logits(logits).unwrap();
    near(p.entropy(), &[0.0]);
    near(p.kl(&p).unwrap(), &[0.0]);
    assert_eq!(p.entropy().backward().wrt(logits).at(&[0]), 0.0);
    assert!(Categorical::from_logits(tape.var(0.0)).is_err());
    assert!(p.log_prob(tensor![0_i64]).is_err() && p.log_prob(Tensor::scalar(2_i64)).is_err());
    let pass = &mut Pass::train(&tape, Rng::new(0));
    assert!(gumbel_softmax(logits, 0.0, false, pass).unwrap_err().to_string().contains("temperature"));
}

#[test]
fn what_is_no_probability_has_no_log_probability() {
    let tape = Tape::<f64>::new();
    let p = Bernoulli::from_logits(tape.var([0.3, -2.0]));
    near(p.log_prob(tape.constant(0.5)).unwrap(), &[-0.7043552444685272, -1.126928011042973]);
    for wrong in [2.0, -0.5, f64::NAN] {
        let error = p.log_prob(tape.constant([1.0, wrong])).unwrap_err().to_string();
        let expected = format!("Bernoulli::log_prob: values must be in [0, 1], but element 1 is {wrong}");
        assert!(error.contains(&expected), "{error}");
    }
}

/// Derivatives by probabilities of 0 and 1 from PyTorch 2.15.
#[test]
fn impossible_classes_have_derivatives() {
    let tape = Tape::<f64>::new();
    let probs = tape.var([0.5, 0.0, 1.5]);
    let p = Categorical::from_probs(probs).unwrap();
    near(p.probs(), &[0.25, 0.0, 0.75]);
    let slope = |y: Var<'_, f64>| tape.constant(y.backward().wrt(probs));
    near(slope(p.log_prob(Tensor::scalar(0_i64)).unwrap()), &[1.5, -0.5, -0.5]);
    assert!(slope(p.entropy()).value().iter().all(|x| !x.is_nan()));
    assert!(Categorical::from_probs(tape.var(1.0)).is_err());
    let mut entropy = compile(|x: &[Var<'_, f64>]| Categorical::from_probs(x[0]).unwrap().entropy());
    assert!(entropy.value(&[tensor![0.5, 0.5]]).is_ok());
    for wrong in [-0.5, f64::INFINITY, f64::NAN] {
        let error = Categorical::from_probs(tape.var([0.5, wrong])).unwrap_err().to_string();
        let expected =
            format!("Categorical::from_probs: probabilities must be finite and at least 0, but element 1 is {wrong}");
        assert!(error.contains(&expected), "{error}");
        let error = entropy.value(&[tensor![0.5, wrong]]).unwrap_err().to_string();
        assert!(error.contains(&expected), "{error}");
    }

    let probs = tape.var([0.0, 1.0, 0.5]);
    let p = Bernoulli::from_probs(probs);
    near(p.probs(), &[0.0, 1.0, 0.5]);
    let slope = |y: Var<'_, f64>| tape.constant(y.sum().backward().wrt(probs));
    near(slope(p.log_prob(tape.constant([0.0, 1.0, 1.0])).unwrap()), &[0.0, 0.0, 2.0]);
    near(slope(p.entropy()), &[0.0, 0.0, 0.0]);
}

#[test]
fn derivatives_are_right() {
    fn normal<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let (p, q) = (Normal::new(x[0], x[1]).unwrap(), Normal::new(x[1], x[2]).unwrap());
        (p.log_prob(x[2]).unwrap() + p.entropy() * 2.0 + p.kl(&q).unwrap()).sum()
    }
    fn bernoulli<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let (p, q) = (Bernoulli::from_logits(x[0]), Bernoulli::from_logits(x[1]));
        (p.log_prob(x[2]).unwrap() + p.entropy() * 2.0 + p.kl(&q).unwrap()).sum()
    }
    fn categorical<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let (p, q) = (Categorical::from_logits(x[0]).unwrap(), Categorical::from_logits(x[1]).unwrap());
        p.log_prob(Tensor::scalar(1_i64)).unwrap() + p.entropy() * 2.0 + p.kl(&q).unwrap()
    }
    let x = [tensor![0.3, -0.8], tensor![0.7, 0.4], tensor![0.2, 0.9]];
    gradcheck(normal, &x).unwrap();
    gradcheck(bernoulli, &x).unwrap();
    gradcheck(categorical, &x[..2]).unwrap();
}

/// Means and frequencies of 40,000 samples, within five standard errors.
#[test]
fn samples_have_their_distribution() {
    let (tape, n) = (Tape::<f64>::new(), 40_000);
    let pass = &mut Pass::train(&tape, Rng::new(7));
    let five = 5.0 / (n as f64).sqrt();
    let x = Normal::new(tape.constant(Tensor::full(&[n], 1.5)), tape.constant(2.0)).unwrap().sample(pass);
    assert!((x.mean().item() - 1.5).abs() < 2.0 * five);
    assert!(((x - 1.5).square().mean().item() / 4.0 - 1.0).abs() < 2f64.sqrt() * five);
    let x = Bernoulli::from_probs(tape.constant(Tensor::full(&[n], 0.3))).sample(pass);
    assert!((x.mean().item() - 0.3).abs() < 0.5 * five);
    let logits = tape.constant([0.2, 0.5, 0.3]).ln().broadcast_to(&[n, 3]);
    let classes = Categorical::from_logits(logits).unwrap().sample(pass).value();
    let hard = gumbel_softmax(logits, 0.7, true, pass).unwrap().mean_axes(0).value();
    for (class, p) in [0.2, 0.5, 0.3].into_iter().enumerate() {
        let found = classes.iter().filter(|c| *c == class as i64).count() as f64 / n as f64;
        assert!((found - p).abs() < 0.5 * five && (hard.at(&[class]) - p).abs() < 0.5 * five, "{class}: {found}");
    }
}
