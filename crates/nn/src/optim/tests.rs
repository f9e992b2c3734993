use super::*;
use crate::{Param, Path};
use autograd::{Tensor, tensor};

fn all() -> [Box<dyn Optimizer<f64>>; 16] {
    [
        Box::new(Sgd::new(0.1)),
        Box::new(RmsProp::new(0.1)),
        Box::new(RmsProp::new(0.1).momentum(0.5)),
        Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true)),
        Box::new(RmsProp::new(0.1).centered(true).momentum(0.5)),
        Box::new(Adam::new(0.1)),
        Box::new(Adam::new(0.1).amsgrad(true)),
        Box::new(AdamW::new(0.1).weight_decay(0.0)),
        Box::new(Adagrad::new(0.1).rate_decay(0.5)),
        Box::new(Adadelta::new(0.1)),
        Box::new(Adamax::new(0.1)),
        Box::new(NAdam::new(0.1)),
        Box::new(RAdam::new(0.1)),
        Box::new(Lion::new(0.1)),
        Box::new(Asgd::new(0.1).t0(1.0)),
        Box::new(Sgd::new(0.1).momentum(0.9).weight_decay(0.25).decoupled_weight_decay(true)),
    ]
}

/// Values of PyTorch's `ASGD`, lr 0.1, lambd 0.05, t0 2, weight decay 0.01, on gradients 1, -0.5, 0.25, 2, 1.
#[test]
fn averages_are_pytorchs() {
    let mut w = Param::new(tensor![1.0, -2.0]);
    let mut asgd = Asgd::new(0.1).lambd(0.05).t0(2.0).weight_decay(0.01);
    for g in [1.0, -0.5, 0.25, 2.0, 1.0] {
        asgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![g, -g])]));
    }
    let found = [w.value().to_vec(), asgd.state(&w).get("ax").unwrap().to::<f64>().to_vec()].concat();
    assert!(
        found
            .iter()
            .zip([0.6022064172485165, -1.5727810895431382, 0.653552828422562, -1.6270133593343956])
            .all(|(a, b)| (a - b).abs() < 1e-15),
        "{found:?}"
    );
}

#[test]
fn decay_that_is_decoupled_is_no_part_of_the_velocity() {
    let step = |sgd: Sgd<f64>| {
        let (mut w, mut sgd) = (Param::new(tensor![1.0]), sgd.momentum(0.5).weight_decay(0.1));
        (0..2).for_each(|_| sgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![1.0])])));
        w.value().at(&[0])
    };
    // (1 (1 - 0.05) - 0.5) (1 - 0.05) - 0.5 · 1.5
    assert!((step(Sgd::new(0.5).decoupled_weight_decay(true)) - (0.45 * 0.95 - 0.75)).abs() < 1e-15);
    // 1 - 0.5 · 1.1, then v = 0.55 + 1 + 0.1 · 0.45
    assert!((step(Sgd::new(0.5)) - (0.45 - 0.5 * (0.55 + 1.045))).abs() < 1e-15);
}

#[test]
fn places_do_not_mix_and_may_be_empty() {
    for (i, mut optimizer) in all().into_iter().enumerate() {
        let gradient = |x: f64| Some(tensor![x, -x]);
        // The first parameter joins late, the second has no gradient in between, the third never gets one.
        let mut model = vec![Param::new(tensor![1.0, 2.0]), Param::new(tensor![1.0, 2.0]), Param::new(tensor![0.0; 3])];
        let mut alone = Param::new(tensor![1.0, 2.0]);
        optimizer.step(&mut model, &[None, gradient(0.5), None].into_iter().collect());
        assert_eq!(model[0].value(), &tensor![1.0, 2.0], "{i}");
        optimizer.step(&mut model, &[gradient(0.5), None, None].into_iter().collect());
        assert_eq!(model[0].value(), model[1].value(), "optimizer {i}: each parameter counts its own steps");
        let after_one = model[1].value().clone();
        optimizer.step(&mut model, &[gradient(-2.0), gradient(-2.0), None].into_iter().collect());
        assert_eq!(model[0].value(), model[1].value(), "{i}");
        assert_ne!(model[0].value(), &after_one, "{i}");
        assert_eq!(model[2].value(), &tensor![0.0; 3], "{i}");

        let mut fresh = all().into_iter().nth(i).unwrap();
        [0.5, -2.0].into_iter().for_each(|x| fresh.step(&mut alone, &ParamGradients::from_iter([gradient(x)])));
        assert_eq!(alone.value(), model[0].value(), "{i}");
    }
}

#[test]
fn the_rate_can_be_changed_on_the_way() {
    for mut optimizer in all() {
        let (mut w, gradients) = (Param::new(tensor![1.0]), ParamGradients::from_iter([Some(tensor![1.0])]));
        assert_eq!(optimizer.learning_rate(), 0.1);
        optimizer.set_learning_rate(0.0);
        assert_eq!(optimizer.learning_rate(), 0.0);
        optimizer.step(&mut w, &gradients);
        assert_eq!(w.value(), &tensor![1.0]);
        optimizer.set_learning_rate(0.1);
        optimizer.step(&mut w, &gradients);
        assert!(w.value().at(&[0]) < 1.0);
    }
}

#[test]
fn impossible_hyperparameters_are_refused() {
    let refuses = |f: fn() -> f64, text: &str| {
        let panic = std::panic::catch_unwind(f).expect_err(text);
        assert!(panic.downcast_ref::<String>().is_some_and(|m| m.contains(text)), "{text}: {panic:?}");
    };
    refuses(|| Sgd::<f32>::new(-0.1).learning_rate(), "the learning rate must be finite and at least 0, got -0.1");
    refuses(|| Adam::<f32>::new(f64::NAN).learning_rate(), "learning rate");
    refuses(|| AdamW::<f32>::new(f64::INFINITY).learning_rate(), "AdamW: the learning rate");
    refuses(|| AdamW::<f32>::new(0.1).betas(-0.1, 0.9).learning_rate(), "AdamW: the first beta");
    refuses(|| AdamW::<f32>::new(0.1).eps(f64::NAN).learning_rate(), "AdamW: the eps");
    refuses(|| Adam::<f32>::new(0.1).betas(0.9, 1.0).learning_rate(), "the second beta must be at least 0 and below 1");
    refuses(|| AdamW::<f32>::new(0.1).weight_decay(-1.0).learning_rate(), "AdamW: the weight decay");
    refuses(|| RmsProp::<f32>::new(0.1).alpha(f64::NAN).learning_rate(), "alpha");
    refuses(|| RmsProp::<f32>::new(0.1).eps(-1e-8).learning_rate(), "eps");
    refuses(|| Sgd::<f32>::new(0.1).dampening(f64::NAN).learning_rate(), "dampening");
    refuses(
        || {
            Adam::<f32>::new(0.1).set_learning_rate(-1.0);
            0.0
        },
        "learning rate",
    );
    refuses(
        || {
            let (mut sgd, mut w) = (Sgd::new(0.1).nesterov(true), Param::new(tensor![1.0]));
            sgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![1.0])]));
            0.0
        },
        "Nesterov momentum requires momentum above 0 and no dampening",
    );
}

/// L-BFGS on `Σ (x - target)⁴ + Σ (x - target)²`, with two parameters, one of them frozen.
#[test]
fn lbfgs_goes_to_the_bottom_and_leaves_the_frozen() {
    for search in [false, true] {
        let target = Tensor::<f64>::arange(6).reshape(&[2, 3]) * 0.5;
        let mut model = vec![Param::new(Tensor::zeros(&[2, 3])), Param::new(tensor![7.0])];
        model[1].set_trainable(false);
        let mut lbfgs = Lbfgs::new(if search { 1.0 } else { 0.3 }).max_iter(200).line_search(search);
        let mut evaluations = 0;
        let first = lbfgs.step(&mut model, |model, gradients| {
            evaluations += 1;
            let off = model[0].value() - &target;
            let gradient = off.square() * off.clone() * 4.0 + &off * 2.0;
            *gradients = [Some(gradient), Some(tensor![1.0])].into_iter().collect();
            (off.square().square() + off.square()).sum().item()
        });
        assert!(first > 10.0 && evaluations < 100, "{evaluations}");
        let off: Tensor<f64> = (model[0].value() - &target).abs();
        assert!(off.max().item() < 1e-4, "{off}");
        assert_eq!(model[1].value(), &tensor![7.0]);
    }
}

/// A step that would leave the domain of the loss is undone.
#[test]
fn a_line_search_comes_back_from_what_is_no_number() {
    let mut x = Param::new(tensor![0.1_f64]);
    let mut lbfgs = Lbfgs::new(1.0).max_iter(50).line_search(true);
    // -ln x + x, whose logarithm is NaN below 0
    lbfgs.step(&mut x, |x, gradients| {
        let v = x.value().at(&[0]);
        *gradients = ParamGradients::from_iter([Some(tensor![1.0 - 1.0 / v])]);
        v - v.ln()
    });
    assert!((x.value().at(&[0]) - 1.0).abs() < 1e-5, "{}", x.value());
}

/// Values of PyTorch 2.15: `LBFGS(lr=1e-30, max_iter=40, line_search_fn="strong_wolfe")` on -x, from 0.
#[test]
fn a_line_search_may_take_all_evaluations_that_are_left() {
    let (mut x, mut evaluations) = (Param::new(tensor![0.0_f64]), 0);
    Lbfgs::new(1e-30).max_iter(40).line_search(true).step(&mut x, |x, gradients| {
        evaluations += 1;
        *gradients = ParamGradients::from_iter([Some(tensor![-1.0])]);
        -x.value().at(&[0])
    });
    assert_eq!(evaluations, 51);
    assert!((x.value().at(&[0]) / 1.667_837_092_161_25e18 - 1.0).abs() < 1e-12, "{}", x.value());
}

/// Gradients of three parameters, the first of which joins late.
fn gradients(step: usize) -> ParamGradients<f64> {
    let wave = |k: f64| Some(tensor![(k + step as f64).sin(), (2.0 * k - step as f64).cos()]);
    [if step > 1 { wave(1.0) } else { None }, wave(2.0), wave(3.0)].into_iter().collect()
}

fn model() -> Vec<Param<f64>> {
    vec![Param::new(tensor![1.0, -2.0]), Param::new(tensor![0.5, 3.0]), Param::new(tensor![0.0, 0.25])]
}

fn bits(model: &dyn Parameters<f64>) -> Vec<u64> {
    let mut bits = Vec::new();
    model.visit(&mut Path::default(), &mut |_, p| bits.extend(p.value().iter().map(f64::to_bits)));
    bits
}

fn groups() -> ParamGroups<f64> {
    ParamGroups::new(Adam::new(0.1)).group("1", Sgd::new(0.5).momentum(0.9)).frozen(|name: &str| name == "2")
}

#[test]
fn a_state_taken_out_and_put_in_goes_on_bit_for_bit() {
    type Make = Box<dyn Fn() -> Box<dyn Optimizer<f64>>>;
    let makes = (0..all().len()).map(|i| Box::new(move || all().into_iter().nth(i).unwrap()) as Make);
    let more: [Make; 2] = [Box::new(|| Box::new(Rprop::new(0.1))), Box::new(|| Box::new(groups()))];
    for (i, make) in makes.chain(more).enumerate() {
        for pause in 0..5 {
            let (mut straight, mut paused) = ((make(), model()), (make(), model()));
            for step in 0..5 {
                if step == pause {
                    let state = paused.0.state(&paused.1);
                    paused.0 = make();
                    paused.0.load_state(&paused.1, &state).unwrap();
                    assert_eq!(paused.0.state(&paused.1), state, "{i}");
                }
                for (optimizer, model) in [&mut straight, &mut paused] {
                    optimizer.step(model, &gradients(step));
                }
            }
            assert_eq!(bits(&straight.1), bits(&paused.1), "optimizer {i}, paused at {pause}");
        }
    }
}

/// The names under which `torch.optim` keeps state.
#[test]
fn states_have_pytorchs_names() {
    let names = |mut optimizer: Box<dyn Optimizer<f64>>| {
        let mut model = vec![Param::new(tensor![1.0])];
        optimizer.step(&mut model, &ParamGradients::from_iter([Some(tensor![1.0])]));
        let names: Vec<String> = optimizer.state(&model).iter().map(|(name, _)| name.to_owned()).collect();
        names.join(" ").replace("0.", "")
    };
    assert_eq!(names(Box::new(Sgd::new(0.1))), "");
    assert_eq!(names(Box::new(Sgd::new(0.1).momentum(0.9))), "momentum_buffer");
    assert_eq!(names(Box::new(AdamW::new(0.1).amsgrad(true))), "step exp_avg exp_avg_sq max_exp_avg_sq");
    let centered = RmsProp::new(0.1).momentum(0.9).centered(true);
    assert_eq!(names(Box::new(centered)), "step grad_var grad_avg momentum_buffer", "not PyTorch's");
    assert_eq!(names(Box::new(Adamax::new(0.1))), "step exp_avg exp_inf");
    assert_eq!(names(Box::new(NAdam::new(0.1))), "step exp_avg exp_avg_sq mu_product");
    assert_eq!(names(Box::new(RAdam::new(0.1))), "step exp_avg exp_avg_sq");
    assert_eq!(names(Box::new(Adagrad::new(0.1))), "step sum");
    assert_eq!(names(Box::new(Adadelta::new(0.1))), "step square_avg acc_delta");
    assert_eq!(names(Box::new(Rprop::new(0.1))), "step prev step_size");
    assert_eq!(names(Box::new(Lion::new(0.1))), "exp_avg");
}

#[test]
fn a_state_that_does_not_fit_is_refused_with_all_that_is_wrong() {
    let (mut adam, mut model) = (Adam::new(0.1), model());
    (0..3).for_each(|step| adam.step(&mut model, &gradients(step)));
    let (good, before) = (adam.state(&model), adam.state(&model));
    let mut bad = StateDict::new();
    for (name, tensor) in good.iter().filter(|(name, _)| *name != "1.exp_avg") {
        bad.insert(name, tensor.clone());
    }
    bad.insert("2.exp_avg_sq", tensor![1.0]);
    bad.insert("7.exp_avg", tensor![1.0, 2.0]);
    let said = adam.load_state(&model, &bad).unwrap_err().to_string();
    for what in ["missing: 1.exp_avg", "unexpected: 7.exp_avg", "2.exp_avg_sq: expected shape [2]"] {
        assert!(said.contains(what), "{said}");
    }
    assert_eq!(adam.state(&model), before, "nothing has changed");
    assert!(Sgd::new(0.1).load_state(&model, &good).unwrap_err().unexpected.contains(&"0.exp_avg".into()));
    let (mut groups, mut frozen) = (groups(), StateDict::new());
    frozen.insert("2.exp_avg", tensor![1.0, 1.0]);
    frozen.insert("0.momentum_buffer", tensor![1.0, 1.0]);
    assert_eq!(groups.load_state(&model, &frozen).unwrap_err().unexpected, ["2.exp_avg", "0.momentum_buffer"]);
}

/// PyTorch writes steps as `f32`, and states of `f32` models can be loaded into `f64` models.
#[test]
fn a_state_of_another_element_type_is_converted() {
    let (mut adam, mut state) = (Adam::<f64>::new(0.1), StateDict::new());
    let mut w = Param::new(tensor![1.0, 2.0]);
    state.insert("step", Tensor::scalar(3.0f32));
    state.insert("exp_avg", tensor![0.5f32, -0.25]);
    state.insert("exp_avg_sq", tensor![0.25f32, 1.0]);
    adam.load_state(&w, &state).unwrap();
    adam.step(&mut w, &ParamGradients::from_iter([Some(tensor![0.0, 0.0])]));
    assert_eq!(adam.state(&w).get("step").unwrap().to::<f64>().item(), 4.0);
    assert!(w.value().at(&[0]) < 1.0 && w.value().at(&[1]) > 2.0);
}

#[test]
fn each_group_moves_by_its_own_rule() {
    let (mut whole, mut parts, mut groups) = (model(), model(), groups());
    let (mut adam, mut sgd) = (Adam::new(0.1), Sgd::new(0.5).momentum(0.9));
    for step in 0..4 {
        groups.step(&mut whole, &gradients(step));
        let only = |place: usize| -> ParamGradients<f64> {
            (0..3).map(|i| gradients(step).get(i).cloned().filter(|_| i == place)).collect()
        };
        adam.step(&mut parts, &only(0));
        sgd.step(&mut parts, &only(1));
    }
    assert_eq!(bits(&whole), bits(&parts));
    assert_eq!(whole[2].value(), model()[2].value(), "frozen");
    let mut rates = Vec::new();
    groups.for_each_rate(&mut |rate| {
        *rate /= 2.0;
        rates.push(*rate);
    });
    assert_eq!((rates, groups.learning_rate()), (vec![0.25, 0.05], 0.05));
}

/// After n equal gradients g, s = g² (1 - αⁿ) and a = g (1 - αⁿ), so that s - a² = g² αⁿ (1 - αⁿ).
#[test]
fn a_variance_of_equal_gradients_is_not_negative() {
    fn variance<T: Float>(steps: i32) -> f64 {
        let (mut w, mut rule) = (Param::new(tensor![1.0].map(T::of)), RmsProp::<T>::new(1e-9).centered(true));
        let gradients = ParamGradients::from_iter([Some(tensor![1.44544].map(T::of))]);
        (0..steps).for_each(|_| rule.step(&mut w, &gradients));
        assert!(w.value().at(&[0]).is_finite(), "{steps}");
        let kept = 0.99f64.powi(steps);
        rule.state(&w).get("grad_var").unwrap().to::<f64>().item() / (1.44544f64.powi(2) * kept * (1.0 - kept))
    }
    for steps in [1, 100, 1214, 3000] {
        assert!((variance::<f64>(steps) - 1.0).abs() < 1e-10, "{steps}: {}", variance::<f64>(steps));
    }
    assert!((variance::<f32>(100) - 1.0).abs() < 1e-4, "{}", variance::<f32>(100));
    assert!(variance::<f32>(1214) > 0.5 && variance::<f32>(3000) >= 0.0);
}

#[test]
fn a_centered_state_of_pytorch_is_converted() {
    let model = vec![Param::new(tensor![1.0, 2.0])];
    let mut state = StateDict::new();
    state.insert("0.step", Tensor::scalar(7.0));
    state.insert("0.square_avg", tensor![5.0, 1.0]);
    state.insert("0.grad_avg", tensor![1.0, 1.0 + 1e-9]);
    let mut rule = RmsProp::<f64>::new(0.1).centered(true);
    rule.load_state(&model, &state).unwrap();
    assert_eq!(rule.state(&model).get("0.grad_var").unwrap().to::<f64>(), tensor![4.0, 0.0]);
    assert_eq!(rule.state(&model).get("0.grad_avg").unwrap().to::<f64>(), tensor![1.0, 1.0 + 1e-9]);
}

#[test]
fn groups_that_refuse_a_state_keep_their_own() {
    let (mut mine, mut other, mut model) = (groups(), groups(), model());
    mine.step(&mut model, &gradients(0));
    (0..3).for_each(|step| other.step(&mut model, &gradients(step)));
    let before = mine.state(&model);
    // The first group's part is good, the default's is not.
    let mut state = other.state(&model);
    state.insert("0.exp_avg", tensor![1.0]);
    assert!(mine.load_state(&model, &state).is_err());
    assert_eq!(mine.state(&model), before);
}

#[test]
#[should_panic(expected = "group 0 (counted from 0) matches no parameter; the parameters are 0, 1, 2")]
fn a_group_without_parameters_is_a_mistake() {
    ParamGroups::new(Sgd::new(0.1)).group("*.bias", Sgd::new(0.2)).step(&mut model(), &gradients(2));
}

#[test]
fn an_average_is_the_sum_of_what_it_has_seen() {
    let mut model = model();
    model[1].set_trainable(false);
    let (mut ema, mut expected) = (Ema::new(0.9), f64::NAN);
    for step in 0..6 {
        let value = (step as f64).sin();
        model[0].set(tensor![value, 0.0]);
        expected = if step == 0 { value } else { 0.9 * expected + (1.0 - 0.9) * value };
        ema.update(&model);
        if step == 3 {
            let mut other = Ema::new(0.9);
            other.load_state(&model, &ema.state(&model)).unwrap();
            ema = other;
        }
    }
    let last = bits(&model);
    ema.swap(&mut model);
    assert!((model[0].value().at(&[0]) - expected).abs() < 1e-15);
    assert_eq!(model[1].value(), &tensor![0.5, 3.0], "frozen parameters do not change");
    ema.swap(&mut model);
    assert_eq!(bits(&model), last);
    let mut wrong = ema.state(&model);
    wrong.insert("0", tensor![1.0]);
    wrong.insert("9", tensor![1.0]);
    let error = ema.load_state(&model, &wrong).unwrap_err();
    assert_eq!((error.unexpected, error.unfit.len()), (vec!["9".to_owned()], 1));
}

/// A parameter is averaged from the first update on, whether it is frozen or not, and in states saved before it thaws.
#[test]
fn a_parameter_that_thaws_has_an_average() {
    let values = [1.0, 1.0, 1.0, 5.0, 9.0];
    let (mut model, mut ema) = (vec![Param::new(tensor![1.0, 1.0])], Ema::<f64>::new(0.75));
    model[0].set_trainable(false);
    for (step, value) in values.into_iter().enumerate() {
        if step == 3 {
            let state = ema.state(&model);
            model[0].set_trainable(true);
            ema = Ema::new(0.75);
            ema.load_state(&model, &state).unwrap();
        }
        model[0].set(tensor![value, value]);
        ema.update(&model);
    }
    ema.swap(&mut model);
    // 0.75 (0.75 · 1 + 0.25 · 5) + 0.25 · 9
    assert_eq!(model[0].value(), &tensor![3.75, 3.75]);

    // A state without the average of a frozen parameter, which never moved.
    let mut frozen = vec![Param::new(tensor![2.0]), Param::new(tensor![3.0])];
    frozen[1].set_trainable(false);
    let mut state = StateDict::new();
    state.insert("0", tensor![1.0]);
    ema.load_state(&frozen, &state).unwrap();
    ema.swap(&mut frozen);
    assert_eq!((frozen[0].value(), frozen[1].value()), (&tensor![1.0], &tensor![3.0]));
}

#[test]
fn a_parameter_frozen_after_its_gradient_does_not_move() {
    for (i, mut optimizer) in all().into_iter().enumerate() {
        let mut model = model();
        optimizer.step(&mut model, &gradients(2));
        model[1].set_trainable(false);
        let before = model[1].value().clone();
        optimizer.step(&mut model, &gradients(2));
        assert_eq!(model[1].value(), &before, "{i}");
    }
}

/// ½ a² + ½ 10 b²: after the first parameter freezes or thaws, the curvature of the others no longer fits.
#[test]
fn lbfgs_starts_afresh_when_other_parameters_are_trainable() {
    let bowl = |model: &Vec<Param<f64>>, gradients: &mut ParamGradients<f64>| {
        let [a, b] = [0, 1].map(|i| model[i].value().at(&[0]));
        *gradients = [Some(tensor![a]), Some(tensor![10.0 * b])].into_iter().collect();
        0.5 * a * a + 5.0 * b * b
    };
    let mut model = vec![Param::new(tensor![3.0]), Param::new(tensor![2.0])];
    let mut lbfgs = Lbfgs::new(1.0).max_iter(2).line_search(true);
    for trainable in [[true, true], [false, true], [true, false], [true, true]] {
        model.iter_mut().zip(trainable).for_each(|(p, trainable)| p.set_trainable(trainable));
        let (mut other, mut fresh) = (model.clone(), Lbfgs::new(1.0).max_iter(2).line_search(true));
        lbfgs.step(&mut model, bowl);
        fresh.step(&mut other, bowl);
        assert_eq!(bits(&model), bits(&other));
    }
}

/// L-BFGS keeps its curvature: a descent in two halves equals the whole.
#[test]
fn lbfgs_goes_on_bit_for_bit() {
    let valley = |x: &Param<f64>, gradients: &mut ParamGradients<f64>| {
        let (a, b) = (x.value().at(&[0]), x.value().at(&[1]));
        let (u, v) = (b - a * a, 1.0 - a);
        *gradients = ParamGradients::from_iter([Some(tensor![-400.0 * a * u - 2.0 * v, 200.0 * u])]);
        100.0 * u * u + v * v
    };
    let new = || Lbfgs::new(1.0).max_iter(4).line_search(true);
    let (mut straight, mut paused) = ((new(), Param::new(tensor![-1.2, 1.0])), (new(), Param::new(tensor![-1.2, 1.0])));
    for _ in 0..6 {
        straight.0.step(&mut straight.1, valley);
        let state = paused.0.state();
        paused.0 = new();
        paused.0.load_state(&paused.1, &state).unwrap();
        paused.0.step(&mut paused.1, valley);
        assert_eq!(bits(&straight.1), bits(&paused.1));
    }
    let state = straight.0.state();
    let said = new().load_state(&vec![Param::new(tensor![1.0])], &state).unwrap_err().to_string();
    assert!(said.contains("prev_flat_grad: expected 1 elements, but the state has 2"), "{said}");
}

#[test]
fn a_state_of_lbfgs_has_its_names_and_may_be_of_no_parameters() {
    let mut lbfgs = Lbfgs::new(1.0);
    let mut w = Param::new(tensor![3.0, 4.0]);
    let evaluate = |w: &Param<f64>, gradients: &mut ParamGradients<f64>| {
        *gradients = ParamGradients::from_iter([Some(w.value() * 2.0)]);
        w.value().square().sum().item()
    };
    lbfgs.step(&mut w, evaluate);
    let mut state = lbfgs.state();
    lbfgs.load_state(&w, &state).unwrap();
    state.insert("exp_avg", tensor![1.0]);
    assert_eq!(lbfgs.load_state(&w, &state).unwrap_err().unexpected, ["exp_avg"]);

    let mut nothing: Vec<Param<f64>> = Vec::new();
    let mut lbfgs = Lbfgs::new(1.0);
    assert_eq!(lbfgs.step(&mut nothing, |_, _| 0.5), 0.5);
    lbfgs.load_state(&nothing, &lbfgs.state()).unwrap();
    let mut state = crate::io::StateDict::new();
    for name in ["d", "prev_flat_grad", "old_stps", "old_dirs", "ro"] {
        state.insert(name, Tensor::<f64>::zeros(&[0]));
    }
    ["t", "H_diag"].iter().for_each(|name| drop(state.insert(*name, Tensor::scalar(1.0))));
    lbfgs.load_state(&nothing, &state).unwrap();
}
