//! Test support: checks the derivatives of any module against finite differences, and names folders for files.

use crate::{Mode, Module, Param, Parameters, Pass, Path};
use autograd::{Rng, Tape, Tensor, Var, gradcheck};

/// A pass in which dropout drops the same elements each time.
fn pass(tape: &Tape<f64>, mode: Mode) -> Pass<'_, f64> {
    match mode {
        Mode::Train => Pass::train(tape, Rng::new(5)),
        Mode::Eval => Pass::eval(tape),
    }
}

/// Checks a module's derivatives in both modes: with respect to its input to second order by [`gradcheck`], and with
/// respect to every trainable parameter against five-point differences.
#[track_caller]
pub(crate) fn check_module(model: &mut dyn Module<f64>, x: &Tensor<f64>) {
    for mode in [Mode::Train, Mode::Eval] {
        let name = model.describe();
        if let Err(mismatch) = gradcheck(|x| forward(model, x[0], mode), std::slice::from_ref(x)) {
            panic!("{name} in {mode:?} mode: {mismatch}");
        }
        check_parameters(model, x, mode);
    }
}

fn forward<'t>(model: &dyn Module<f64>, x: Var<'t, f64>, mode: Mode) -> Var<'t, f64> {
    model.forward(x, &mut pass(x.tape(), mode))
}

/// Checks a module's derivatives with respect to every trainable parameter against five-point differences.
#[track_caller]
pub(crate) fn check_parameters(model: &mut dyn Module<f64>, x: &Tensor<f64>, mode: Mode) {
    let tape = Tape::new();
    let y = forward(model, tape.constant(x.clone()), mode);
    let cotangent = Tensor::randn(&y.shape(), &mut Rng::new(6));
    let gradients = y.vjp(cotangent.clone());
    let loss = |model: &dyn Module<f64>| {
        let tape = Tape::new();
        (forward(model, tape.constant(x.clone()), mode).value() * &cotangent).sum().item()
    };
    for (place, (name, value)) in parameters(model).into_iter().enumerate() {
        let (trainable, key) = identity(model, place);
        if !trainable {
            continue;
        }
        let gradient = gradients.wrt(tape.find(key).unwrap_or_else(|| panic!("{name} is not used")));
        for (i, got) in gradient.iter().enumerate() {
            const STEP: f64 = 1e-3;
            let mut at = |h: f64| {
                let mut moved = value.clone();
                moved.make_mut()[i] += h;
                set(model, place, moved);
                loss(model)
            };
            let expected = (at(-2.0 * STEP) - 8.0 * at(-STEP) + 8.0 * at(STEP) - at(2.0 * STEP)) / (12.0 * STEP);
            assert!(
                (got - expected).abs() <= 1e-7 * got.abs().max(expected.abs()) + 1e-10,
                "{} in {mode:?} mode, {name}[{i}]: {got:e}, but finite differences give {expected:e}",
                model.describe()
            );
        }
        set(model, place, value);
    }
}

/// Names and values of all parameters and buffers.
fn parameters(model: &dyn Module<f64>) -> Vec<(String, Tensor<f64>)> {
    let mut all = Vec::new();
    model.visit(&mut Path::default(), &mut |name, p| all.push((name.to_owned(), p.value().clone())));
    all
}

fn identity(model: &dyn Module<f64>, place: usize) -> (bool, u64) {
    let mut all = Vec::new();
    model.visit(&mut Path::default(), &mut |_, p| all.push((p.is_trainable(), p.key())));
    all[place]
}

fn set(model: &mut (impl Parameters<f64> + ?Sized), place: usize, value: Tensor<f64>) {
    let mut at = 0;
    model.visit_mut(&mut Path::default(), &mut |_, p| {
        if at == place {
            p.set(value.clone());
        }
        at += 1;
    });
}

/// y = x · w + x or y = x · w + w, in which one factor of the product loses its derivative.
struct Flawed {
    w: Param<f64>,
    loses: &'static str,
}

crate::parameters! { impl Parameters<f64> for Flawed { w } }

impl Module<f64> for Flawed {
    fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
        let w = pass.var(&self.w);
        match self.loses {
            "x" => x.stop_gradient() * w + x,
            _ => x * w.stop_gradient() + w,
        }
    }
}

#[test]
#[should_panic(expected = "Flawed in Train mode: reverse mode")]
fn a_lost_derivative_of_the_input_is_found() {
    check_module(&mut Flawed { w: Param::new(2.5), loses: "x" }, &Tensor::ones(&[2]));
}

#[test]
#[should_panic(expected = "Flawed in Train mode, w[0]")]
fn a_lost_derivative_of_a_parameter_is_found() {
    check_module(&mut Flawed { w: Param::new(2.5), loses: "w" }, &Tensor::ones(&[2]));
}

/// A folder for the files of a test, which does not exist yet.
pub(crate) fn fresh_folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("nn-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
