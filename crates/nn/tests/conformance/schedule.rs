//! Learning rate schedules.

use crate::{close, number, numbers, sizes, text};
use nn::schedule::*;
use serde_json::Value;

pub fn check(case: &Value) -> Result<(), String> {
    // The base rate of `OneCycle` is its maximum.
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
    let cosine = || CosineAnnealing { t_max: count("T_max"), eta_min: real("eta_min") };
    Ok(match text(&case["schedule"]) {
        "step" => Box::new(StepDecay { step_size: count("step_size"), gamma: real("gamma") }),
        "multistep" => Box::new(MultiStepDecay { milestones: sizes(&attrs["milestones"]), gamma: real("gamma") }),
        "exponential" => Box::new(ExponentialDecay { gamma: real("gamma") }),
        "cosine" => Box::new(cosine()),
        "cosine_warm_restarts" => {
            let (t_0, t_mult) = (count("T_0"), count("T_mult"));
            Box::new(CosineWarmRestarts { t_0, t_mult, eta_min: real("eta_min") })
        }
        "onecycle" => Box::new(OneCycle {
            total_steps: count("total_steps"),
            pct_start: real("pct_start"),
            anneal_strategy: if text(&attrs["anneal_strategy"]) == "cos" { Anneal::Cosine } else { Anneal::Linear },
            div_factor: real("div_factor"),
            final_div_factor: real("final_div_factor"),
            three_phase: attrs["three_phase"] == true,
        }),
        "linear" => {
            let (start_factor, end_factor) = (real("start_factor"), real("end_factor"));
            Box::new(LinearRamp { start_factor, end_factor, total_iters: count("total_iters") })
        }
        "polynomial" => Box::new(PolynomialDecay { total_iters: count("total_iters"), power: real("power") }),
        "constant" => Box::new(ConstantFactor { factor: real("factor"), total_iters: count("total_iters") }),
        "linear_warmup_then_cosine" => {
            let total_iters = count("warmup_iters");
            let warmup = LinearRamp { start_factor: real("warmup_start_factor"), end_factor: 1.0, total_iters };
            Box::new(Sequence::new(warmup).then(total_iters, cosine()))
        }
        other => return Err(format!("unknown schedule {other}")),
    })
}

/// The rate at each step, after which the schedule observes a metric.
fn plateau(case: &Value, base: f64) -> Vec<f64> {
    let attrs = &case["attrs"];
    let real = |name: &str| number(&attrs[name]);
    let options = PlateauOptions {
        mode: if attrs["mode"] == "max" { Goal::Max } else { Goal::Min },
        factor: real("factor"),
        patience: real("patience") as usize,
        threshold: match attrs["threshold_mode"] == "abs" {
            true => Threshold::Absolute(real("threshold")),
            false => Threshold::Relative(real("threshold")),
        },
        cooldown: real("cooldown") as usize,
        min_lr: real("min_lr"),
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
