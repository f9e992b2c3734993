//! Optimizers: the update rule with the gradients of the file, and training on the tape from the problem's definition.

use crate::{close, number, numbers, text};
use autograd::{Tape, Tensor, Var};
use nn::optim::*;
use nn::{Param, Pass};
use serde_json::Value;

pub fn check(case: &Value) -> Result<(), String> {
    if case["optimizer"] == "LBFGS" {
        return lbfgs(case);
    }
    update_rule(case)?;
    training(case)
}

/// The optimizer of a case. Each row is an optimizer and its hyperparameters: PyTorch's name, the builder method, and
/// whether it takes one argument, two, or a flag. A hyperparameter without a row is a failure.
fn optimizer(case: &Value) -> Result<Box<dyn Optimizer<f64>>, String> {
    macro_rules! rows {
        ($($name:literal => $Optimizer:ident { $($key:literal $set:ident $kind:ident),* })*) => {
            match name(case) {
                $( $name => {
                    let hyper = case["hyper"].as_object().expect("hyperparameters");
                    let mut optimizer = $Optimizer::new(number(&hyper["lr"]));
                    for (key, v) in hyper {
                        optimizer = match key.as_str() {
                            // For maximization, the gradients are negated.
                            "lr" | "maximize" => optimizer,
                            $( $key => rows!(@set optimizer $set $kind v), )*
                            other => return Err(format!("unknown hyperparameter {other}")),
                        };
                    }
                    Ok(Box::new(optimizer))
                } )*
                other => Err(format!("unknown optimizer {other}")),
            }
        };
        (@set $o:ident $set:ident one $v:ident) => { $o.$set(number($v)) };
        (@set $o:ident $set:ident two $v:ident) => { $o.$set(number(&$v[0]), number(&$v[1])) };
        (@set $o:ident $set:ident ignored $v:ident) => { $o };
        (@set $o:ident $set:ident flag $v:ident) => { $o.$set($v.as_bool().expect("true or false")) };
    }
    rows! {
        "SGD" => Sgd {
            "momentum" momentum one, "dampening" dampening one, "nesterov" nesterov flag, "weight_decay"
            weight_decay one
        }
        "RMSprop" => RmsProp {
            "alpha" alpha one, "eps" eps one, "momentum" momentum one, "centered" centered flag,
            "weight_decay" weight_decay one
        }
        "Adam" => Adam {
            "betas" betas two, "eps" eps one, "amsgrad" amsgrad flag, "weight_decay" weight_decay one,
            "decoupled_weight_decay" decoupled ignored
        }
        "AdamW" => AdamW {
            "betas" betas two, "eps" eps one, "amsgrad" amsgrad flag, "weight_decay" weight_decay one,
            "decoupled_weight_decay" decoupled ignored
        }
        "Adagrad" => Adagrad {
            "lr_decay" rate_decay one, "initial_accumulator_value" initial_accumulator_value one, "eps"
            eps one, "weight_decay" weight_decay one
        }
        "Adadelta" => Adadelta { "rho" rho one, "eps" eps one, "weight_decay" weight_decay one }
        "Adamax" => Adamax { "betas" betas two, "eps" eps one, "weight_decay" weight_decay one }
        "NAdam" => NAdam {
            "betas" betas two, "eps" eps one, "momentum_decay" momentum_decay one, "weight_decay"
            weight_decay one, "decoupled_weight_decay" decoupled_weight_decay flag
        }
        "RAdam" => RAdam {
            "betas" betas two, "eps" eps one, "weight_decay" weight_decay one, "decoupled_weight_decay"
            decoupled_weight_decay flag
        }
        "Rprop" => Rprop { "etas" etas two, "step_sizes" step_sizes two }
        "Lion" => Lion { "betas" betas two, "weight_decay" weight_decay one }
    }
}

/// The optimizer's name here: PyTorch's Adam with decoupled weight decay is AdamW.
fn name(case: &Value) -> &str {
    let decoupled = &case["hyper"]["decoupled_weight_decay"];
    match text(&case["optimizer"]) {
        "Adam" if decoupled == true => "AdamW",
        name => name,
    }
}

/// The gradients as a step expects them, negated for maximization.
fn downhill(case: &Value, mut gradients: ParamGradients<f64>) -> ParamGradients<f64> {
    if case["hyper"]["maximize"] == true {
        gradients.iter_mut().for_each(|g| *g = -&*g);
    }
    gradients
}

/// The points of a case, one per step.
fn path(case: &Value) -> Vec<Vec<f64>> {
    case["x"].as_array().expect("a path").iter().map(numbers).collect()
}

fn update_rule(case: &Value) -> Result<(), String> {
    let (mut x, mut optimizer) = (Param::new(numbers(&case["x0"])), optimizer(case)?);
    for (step, expected) in path(case).iter().enumerate() {
        let gradients = ParamGradients::from_iter([Some(numbers(&case["grads"][step]).into())]);
        optimizer.step(&mut x, &downhill(case, gradients));
        close(&format!("update {step}"), &x.value().to_vec(), expected, number(&case["rtol"]))?;
    }
    Ok(())
}

/// The function that a case minimizes or maximizes.
fn problem<'t>(case: &Value, x: Var<'t, f64>) -> Var<'t, f64> {
    let definition = &case["problem_def"];
    match text(&case["problem"]) {
        "quadratic" => {
            let n = x.shape()[0];
            let a = x.tape().constant(Tensor::new(&[n, n], numbers(&definition["A"])));
            let b = x.tape().constant(numbers(&definition["b"]));
            x.matmul(a.matmul(x)) * 0.5 - b.matmul(x)
        }
        "rosenbrock" => {
            let (head, tail) = (x.slice(0, ..-1), x.slice(0, 1..));
            ((tail - head.square()).square() * 100.0 + (head * -1.0 + 1.0).square()).sum()
        }
        other => panic!("unknown problem {other}"),
    }
}

/// The value of the problem, and its gradient on the tape.
fn evaluate(case: &Value, tape: &mut Tape<f64>, x: &Param<f64>, gradients: &mut ParamGradients<f64>) -> f64 {
    tape.clear();
    let f = problem(case, Pass::eval(tape).var(x));
    gradients.collect(x, tape, &mut f.backward());
    f.item()
}

fn training(case: &Value) -> Result<(), String> {
    let (mut x, mut optimizer) = (Param::new(numbers(&case["x0"])), optimizer(case)?);
    let (mut tape, mut gradients) = (Tape::new(), ParamGradients::new());
    let rtol = number(&case["rtol"]);
    for (step, expected) in path(case).iter().enumerate() {
        let f = evaluate(case, &mut tape, &x, &mut gradients);
        close(&format!("value before step {step}"), &[f], &[number(&case["f"][step])], rtol)?;
        gradients = downhill(case, gradients);
        optimizer.step(&mut x, &gradients);
        close(&format!("step {step}"), &x.value().to_vec(), expected, rtol)?;
    }
    Ok(())
}

/// L-BFGS evaluates the problem itself.
fn lbfgs(case: &Value) -> Result<(), String> {
    let (mut x, mut tape, hyper) = (Param::new(numbers(&case["x0"])), Tape::new(), case["hyper"].as_object());
    let mut lbfgs = Lbfgs::new(1.0);
    for (key, v) in hyper.expect("hyperparameters") {
        lbfgs = match key.as_str() {
            "lr" => {
                lbfgs.set_learning_rate(number(v));
                lbfgs
            }
            "max_iter" => lbfgs.max_iter(number(v) as usize),
            "max_eval" => lbfgs.max_eval(number(v) as usize),
            "history_size" => lbfgs.history_size(number(v) as usize),
            "tolerance_grad" => lbfgs.tolerance_grad(number(v)),
            "tolerance_change" => lbfgs.tolerance_change(number(v)),
            "line_search_fn" => lbfgs.line_search(v == "strong_wolfe"),
            other => return Err(format!("unknown hyperparameter {other}")),
        };
    }
    for (step, expected) in path(case).iter().enumerate() {
        let f = lbfgs.step(&mut x, |x, gradients| evaluate(case, &mut tape, x, gradients));
        close(&format!("value before step {step}"), &[f], &[number(&case["f"][step])], number(&case["rtol"]))?;
        close(&format!("step {step}"), &x.value().to_vec(), expected, number(&case["rtol"]))?;
    }
    Ok(())
}
