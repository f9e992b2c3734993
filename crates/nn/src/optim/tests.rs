use super::*;
use autograd::tensor;

fn all() -> [Box<dyn Optimizer<f64>>; 12] {
    [
        Box::new(Sgd::new(0.1)),
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
    ]
}

#[test]
fn places_do_not_mix_and_may_be_empty() {
    for (i, mut optimizer) in all().into_iter().enumerate() {
        let gradient = |x: f64| Some(tensor![x, -x]);
        // The first parameter joins late, the second has no gradient in between, the third is alone.
        let mut model = vec![Param::new(tensor![1.0, 2.0]), Param::new(tensor![1.0, 2.0]), Param::new(tensor![0.0; 3])];
        let mut alone = Param::new(tensor![1.0, 2.0]);
        optimizer.step(&mut model, &[None, gradient(0.5), None].into_iter().collect());
        assert_eq!(model[0].value(), &tensor![1.0, 2.0], "{i}");
        optimizer.step(&mut model, &[gradient(0.5), None, None].into_iter().collect());
        assert_eq!(model[0].value(), model[1].value(), "optimizer {i}: a place counts its own steps");
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
    refuses(
        || Sgd::<f32>::new(-0.1).learning_rate(),
        "the learning rate must be finite and at least 0, and it is -0.1",
    );
    refuses(|| Adam::<f32>::new(f64::NAN).learning_rate(), "learning rate");
    refuses(|| AdamW::<f32>::new(f64::INFINITY).learning_rate(), "learning rate");
    refuses(|| Adam::<f32>::new(0.1).betas(0.9, 1.0).learning_rate(), "the second beta must be at least 0 and below 1");
    refuses(|| AdamW::<f32>::new(0.1).weight_decay(-1.0).learning_rate(), "weight decay");
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
        "Nesterov's momentum needs momentum above 0 and no dampening",
    );
}

/// L-BFGS on `Σ (x - target)⁴ + Σ (x - target)²`, in two parameters of which one is frozen.
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

/// A step that would leave the domain of the loss is taken back.
#[test]
fn a_line_search_comes_back_from_what_is_no_number() {
    let mut x = Param::new(tensor![0.1_f64]);
    let mut lbfgs = Lbfgs::new(1.0).max_iter(50).line_search(true);
    // -ln x + x, of which the logarithm is NaN below 0
    lbfgs.step(&mut x, |x, gradients| {
        let v = x.value().at(&[0]);
        *gradients = ParamGradients::from_iter([Some(tensor![1.0 - 1.0 / v])]);
        v - v.ln()
    });
    assert!((x.value().at(&[0]) - 1.0).abs() < 1e-5, "{}", x.value());
}
