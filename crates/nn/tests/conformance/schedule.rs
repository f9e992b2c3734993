//! Learning rate schedules.

use crate::{close, number, numbers, sizes, text};
use nn::schedule::*;
use serde_json::Value;

pub fn check(case: &Value) -> Result<(), String> {
    // The base of one cycle is its top.
    let base = number(case["attrs"].get("max_lr").unwrap_or(&case["base_lr"]));
    let expected = numbers(&case["lr"]);
    let rates: Vec<f64> = if case["schedule"] == "plateau" {
        plateau(case, base)
    } else {
        let schedule = schedule(case)?;
        (0..expected.len()).map(|epoch| schedule.rate(epoch, base)).collect()
    };
    close("rates", &rates, &expected, number(&case["rtol"]))
}

fn schedule(case: &Value) -> Result<Box<dyn Schedule>, String> {
    let attrs = &case["attrs"];
    let real = |name: &str| number(&attrs[name]);
    let count = |name: &str| number(&attrs[name]) as usize;
    let cosine = || CosineAnnealing { over: count("T_max"), floor: real("eta_min") };
    Ok(match text(&case["schedule"]) {
        "step" => Box::new(StepDecay { every: count("step_size"), factor: real("gamma") }),
        "multistep" => Box::new(MultiStepDecay { milestones: sizes(&attrs["milestones"]), factor: real("gamma") }),
        "exponential" => Box::new(ExponentialDecay { factor: real("gamma") }),
        "cosine" => Box::new(cosine()),
        "cosine_warm_restarts" => {
            let (first, factor) = (count("T_0"), count("T_mult"));
            Box::new(CosineWarmRestarts { first, factor, floor: real("eta_min") })
        }
        "onecycle" => Box::new(OneCycle {
            total: count("total_steps"),
            rise: real("pct_start"),
            anneal: if text(&attrs["anneal_strategy"]) == "cos" { Anneal::Cosine } else { Anneal::Linear },
            start_divisor: real("div_factor"),
            end_divisor: real("final_div_factor"),
            three_phases: attrs["three_phase"] == true,
        }),
        "linear" => {
            let (start, end) = (real("start_factor"), real("end_factor"));
            Box::new(LinearRamp { start, end, over: count("total_iters") })
        }
        "polynomial" => Box::new(PolynomialDecay { over: count("total_iters"), power: real("power") }),
        "constant" => Box::new(ConstantFactor { factor: real("factor"), over: count("total_iters") }),
        "linear_warmup_then_cosine" => {
            let over = count("warmup_iters");
            let warmup = LinearRamp { start: real("warmup_start_factor"), end: 1.0, over };
            Box::new(Sequence::new(warmup).then(over, cosine()))
        }
        other => return Err(format!("no schedule is called {other}")),
    })
}

/// The rate in use at each step; a metric follows each.
fn plateau(case: &Value, base: f64) -> Vec<f64> {
    let attrs = &case["attrs"];
    let real = |name: &str| number(&attrs[name]);
    let options = PlateauOptions {
        goal: if attrs["mode"] == "max" { Goal::Max } else { Goal::Min },
        factor: real("factor"),
        patience: real("patience") as usize,
        threshold: match attrs["threshold_mode"] == "abs" {
            true => Threshold::Absolute(real("threshold")),
            false => Threshold::Relative(real("threshold")),
        },
        cooldown: real("cooldown") as usize,
        min_rate: real("min_lr"),
        eps: real("eps"),
    };
    let mut plateau = ReduceOnPlateau::new(options);
    let follow = |(step, metric)| {
        let rate = plateau.rate(step, base);
        plateau.observe(metric);
        rate
    };
    numbers(&case["metrics"]).into_iter().enumerate().map(follow).collect()
}
