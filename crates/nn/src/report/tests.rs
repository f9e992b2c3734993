//! A report is well-formed and self-contained.

use super::*;
use crate::data::{TensorDataset, digits};
use crate::layer::{Conv2d, Mlp};
use crate::loss::{CrossEntropy, Mse, Target};
use crate::metric::Metric;
use crate::optim::Adam;
use crate::plot::Plot;
use crate::train::{Epoch, Stop, Trainer};
use autograd::Rng;

/// Every element ends, in order, and every attribute is quoted. Style sheets are left out.
fn is_well_formed(page: &str) -> bool {
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    while let Some((_, after)) = rest.split_once('<') {
        let Some((tag, after)) = after.split_once('>') else { return false };
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or("").to_owned();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) if open.pop().as_deref() != Some(&*name) => return false,
            (true, _) | (false, true) => {}
            (false, false) => {
                if name == "style" {
                    rest = &rest[rest.find("</style>").expect("a style sheet ends")..];
                }
                open.push(name);
            }
        }
        if tag.matches('"').count() % 2 == 1 {
            return false;
        }
    }
    open.is_empty()
}

/// Nothing is fetched: no scripts, no links, and no address but that of the SVG name space and data.
fn needs_nothing(page: &str) -> bool {
    let parts = ["<script", "<link", "<iframe", "@import", "url(http", "src="];
    let hrefs = page.split("href=\"").skip(1).all(|rest| rest.starts_with("data:image/png;base64,"));
    let addresses = page.matches("http").count() == page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
    parts.iter().all(|part| !page.contains(part)) && hrefs && addresses
}

#[test]
fn a_classifier_has_a_page_of_its_own() {
    let (training, test) = digits::<f32>().split(0.8, 1).unwrap();
    let mut model = Mlp::new(&[64, 16, 10]).build();
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.01))
        .epochs(2)
        .metric(Metric::accuracy())
        .validation(&test)
        .quiet();
    let history = trainer.fit(&mut model, &training).unwrap();
    let scores = trainer.predict(&model, test.inputs()).unwrap();
    let wrong = mistakes(&scores, test.labels().unwrap(), test.inputs(), 8, 10);
    assert!((1..=10).contains(&wrong.len()));
    let report = trainer.report("Digits <&> \"2\"", &history, &model, &test).unwrap();
    let report = report.figure("First layer", &first_layer(&model, 8)).figure("Wrong", &wrong);
    let page = report.html();
    assert!(is_well_formed(&page) && needs_nothing(&page));
    assert!(page.len() < 200_000, "{} bytes", page.len());
    for part in [
        "<title>Digits &lt;&amp;&gt; &quot;2&quot;</title>",
        "2 epochs in",
        "359 samples: loss ",
        ", accuracy 0.",
        "<h2>Confusion matrix</h2>",
        ">precision<",
        "Linear(64, 16)",
        ">0: Linear(64, 16)</text>",
        ">2.weight</text>",
        "prefers-color-scheme:dark",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let folder = std::env::temp_dir().join(format!("nn-report-{}", std::process::id()));
    let path = folder.join("new/page.html");
    report.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page);
    assert!(report.save(path.join("x.html")).unwrap_err().to_string().starts_with("cannot write "));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_regression_shows_predictions_over_actual_values() {
    let inputs = Tensor::<f64>::randn(&[40, 3], &mut Rng::new(1));
    let data = TensorDataset::new(inputs.clone(), Target::Values(inputs.slice_axis(1, 0..1))).unwrap();
    let mut model = Mlp::new(&[3, 4, 1]).build();
    let mut trainer = Trainer::new(Mse::new(), Adam::new(0.01)).epochs(1).quiet();
    let history = trainer.fit(&mut model, &data).unwrap();
    let page = trainer.report("A line", &history, &model, &data).unwrap().html();
    assert!(page.contains("<h2>Predictions</h2>") && page.contains(">predicted</text>") && page.contains("1 epoch in"));
    assert!(is_well_formed(&page) && !page.contains("Confusion"));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let page = Report::new("t")
        .figure("Loss", &Plot::new("").log_y().line("a", [-1.0]))
        .text("Note", "1 < 2\nand so on")
        .html();
    assert!(page.contains("<p class=\"fault\">the y axis is logarithmic, but value 1 of &quot;a&quot; is -1"));
    assert!(page.contains("<p>1 &lt; 2</p>\n<p>and so on</p>") && is_well_formed(&page));
}

#[test]
fn the_summary_says_how_training_ended() {
    let epoch = |epoch, loss, validation_loss| Epoch { epoch, loss, validation_loss, seconds: 1.5, ..Epoch::default() };
    let mut history =
        History { epochs: vec![epoch(1, 0.5, Some(0.25)), epoch(2, 0.4, Some(0.3))], ..History::default() };
    assert_eq!(summary(&history), "2 epochs in 3.0 s. Best validation loss: 0.2500 after epoch 1.");
    history.stopped = Some(Stop::Asked { reason: "enough".into() });
    history.notes.push("a checkpoint was skipped".into());
    assert!(summary(&history).ends_with(" Stopped early: enough. Note: a checkpoint was skipped."));
    assert_eq!(summary(&History::default()), "0 epochs in 0.0 s.");
}

#[test]
fn filters_are_shown_for_the_first_channel() {
    let rng = &mut Rng::new(0);
    let model = Conv2d::<f32>::new(3, 5, 4, rng);
    assert_eq!(first_layer(&model, 4).len(), 5);
    assert!(first_layer(&model, 7).is_empty(), "16 pixels are not rows of 7");
}
