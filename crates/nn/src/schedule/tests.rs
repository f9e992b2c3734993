use super::*;

/// The defaults of PyTorch's constructors.
#[test]
fn defaults_are_pytorchs() {
    assert_eq!(StepDecay::new(7), StepDecay { step_size: 7, gamma: 0.1 });
    assert_eq!(MultiStepDecay::new([3]), MultiStepDecay { milestones: vec![3], gamma: 0.1 });
    assert_eq!(CosineAnnealing::new(7), CosineAnnealing { t_max: 7, eta_min: 0.0 });
    assert_eq!(CosineWarmRestarts::new(7), CosineWarmRestarts { t_0: 7, t_mult: 1, eta_min: 0.0 });
    assert_eq!(LinearRamp::default(), LinearRamp { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters: 5 });
    assert_eq!(ConstantFactor::default(), ConstantFactor { factor: 1.0 / 3.0, total_iters: 5 });
    assert_eq!(PolynomialDecay::default(), PolynomialDecay { total_iters: 5, power: 1.0 });
    let OneCycle { pct_start, anneal_strategy, div_factor, final_div_factor, three_phase, .. } = OneCycle::new(7);
    assert_eq!((pct_start, anneal_strategy), (0.3, Anneal::Cosine));
    assert_eq!((div_factor, final_div_factor, three_phase), (25.0, 1e4, false));
    let PlateauOptions { mode, factor, patience, threshold, cooldown, min_lr, eps } = PlateauOptions::default();
    assert_eq!((mode, factor, patience, threshold), (Goal::Min, 0.1, 10, Threshold::Relative(1e-4)));
    assert_eq!((cooldown, min_lr, eps), (0, 0.0, 1e-8));
}

/// As in PyTorch: with the power 0, nothing decays.
#[test]
fn a_decay_of_power_0_is_constant() {
    let rate = |power, epoch| PolynomialDecay { total_iters: 2, power }.rate(epoch, 0.1);
    assert_eq!([0, 1, 2, 9].map(|epoch| rate(0.0, epoch)), [0.1; 4]);
    assert_eq!([0, 1, 2, 9].map(|epoch| rate(1.0, epoch)), [0.1, 0.05, 0.0, 0.0]);
    assert_eq!(PolynomialDecay { total_iters: 0, power: 1.0 }.rate(0, 0.1), 0.0);
}

/// Values of PyTorch's `CyclicLR`, base 0.1, top 0.7.
#[test]
fn cycles_are_pytorchs() {
    let cycle = |mode| Cyclic { step_size_up: 2, step_size_down: 3, mode, ..Cyclic::new(0.7, 0) };
    let close = |mode, expected: [f64; 9]| {
        let found: [f64; 9] = std::array::from_fn(|step| cycle(mode).rate(step, 0.1));
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{mode:?}: {found:?}");
    };
    close(CycleMode::Same, CYCLES[0]);
    close(CycleMode::Halving, CYCLES[1]);
    close(CycleMode::Exponential(0.9), CYCLES[2]);
}

const CYCLES: [[f64; 9]; 3] = [
    [
        0.1,
        0.3999999999999999,
        0.6999999999999998,
        0.4999999999999999,
        0.29999999999999993,
        0.1,
        0.40000000000000024,
        0.6999999999999998,
        0.4999999999999999,
    ],
    [
        0.1,
        0.3999999999999999,
        0.6999999999999998,
        0.4999999999999999,
        0.29999999999999993,
        0.1,
        0.2500000000000001,
        0.3999999999999999,
        0.29999999999999993,
    ],
    [
        0.1,
        0.37,
        0.586,
        0.39159999999999995,
        0.23121999999999998,
        0.1,
        0.25943230000000017,
        0.38697813999999997,
        0.272186884,
    ],
];

fn plateau(patience: usize) -> ReduceOnPlateau {
    ReduceOnPlateau::new(PlateauOptions { patience, cooldown: 1, factor: 0.5, ..PlateauOptions::default() })
}

/// A schedule with two stateful parts, one nested inside the other.
fn nested() -> Box<dyn Schedule> {
    Box::new(Chain::new(Sequence::new(LinearRamp::default()).then(2, plateau(0))).and(plateau(1)))
}

#[test]
fn a_restored_schedule_goes_on_as_if_nothing_had_happened() {
    let losses = [3.0, 2.0, 2.5, f64::NAN, 2.0, 1.0, 1.5, 1.5, 1.5, 0.5, 0.7, 0.7];
    for pause in 0..losses.len() {
        let (mut straight, mut before) = (nested(), nested());
        for (epoch, loss) in losses.into_iter().enumerate() {
            if epoch == pause {
                let mut after = nested();
                assert!(after.restore(&before.state()));
                before = after;
            }
            assert_eq!(straight.rate(epoch, 0.1).to_bits(), before.rate(epoch, 0.1).to_bits(), "{pause} {epoch}");
            straight.observe(loss);
            before.observe(loss);
        }
        assert!(straight.rate(99, 0.1) < 0.03, "the memories matter");
    }
}

#[test]
fn a_state_of_another_schedule_is_refused() {
    assert!(!Constant.restore(&[1.0]) && Constant.restore(&[]));
    assert!(!plateau(1).restore(&[]) && !plateau(1).restore(&[0.0, 0.0, 0.0, 1.0, 1.0]));
    for state in [&[][..], &[5.0], &[f64::NAN], &[-1.0], &[1e300, 1.0], &[0.0, 0.0, 0.0]] {
        assert!(!nested().restore(state), "{state:?}");
    }
}

#[test]
fn a_plateau_is_not_counted_further_than_the_rate_falls() {
    let mut plateau = ReduceOnPlateau::new(PlateauOptions { factor: 0.5, ..PlateauOptions::default() });
    assert!(plateau.restore(&[0.0, 0.0, 9e15]));
    let rate = plateau.rate(0, 0.1);
    assert!(rate > 0.0 && rate * 0.5 <= 1e-8, "{rate}");
}

#[test]
fn a_negative_value_that_gets_worse_is_a_plateau() {
    for (mode, sign) in [(Goal::Min, 1.0), (Goal::Max, -1.0)] {
        let options = PlateauOptions { mode, patience: 0, threshold: Threshold::Relative(0.1), ..Default::default() };
        let mut plateau = ReduceOnPlateau::new(options);
        [-100.0, -99.0, -98.0].iter().for_each(|measure| plateau.observe(sign * measure));
        assert!((plateau.rate(3, 1.0) - 0.01).abs() < 1e-15, "{mode:?}");
    }
}

#[test]
fn a_state_that_is_refused_changes_no_part() {
    let mut schedule = nested();
    schedule.observe(1.0);
    let before = schedule.state();
    let mut broken = before.clone();
    broken[3] += 1.0;
    *broken.last_mut().unwrap() = 2.0;
    broken.push(7.0);
    assert!(!schedule.restore(&broken));
    assert_eq!(schedule.state(), before);
}
