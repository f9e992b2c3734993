//! From a table with text and gaps to a saved classifier: the species of penguins (examples/tables/README.md).

use std::error::Error;
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let options = CsvOptions::text("species").one_hot(["island", "sex"]).gaps(Gap::Median);
    let (columns, penguins) = options.learn::<f32>("examples/tables/penguins.csv")?;
    let (training, test) = penguins.split_stratified(0.75, 1)?;
    let scaler = Scaler::fit_standard(training.inputs())?;
    let network = |columns: &Columns| Mlp::new(&[columns.inputs(), 16, columns.outputs()]).seed(1).build();
    let mut model = network(&columns);
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.01)).epochs(40).metric(Metric::accuracy()).quiet();
    let history = trainer.fit(&mut model, &training.scaled(&scaler)?)?;
    println!("test accuracy: {:.3}", trainer.evaluate(&model, &test.scaled(&scaler)?)?.metrics[0]);
    let report = trainer.report("Penguins", &history, &model, &test.scaled(&scaler)?)?;
    report.class_names(columns.class_names()).save("target/penguins.html")?;
    println!("report: target/penguins.html");

    // One file for another process, which predicts from a table without the species.
    let file = std::env::temp_dir().join(format!("penguins-{}.safetensors", std::process::id()));
    Pipeline::new(columns, model).scaler(scaler).save(&file)?;
    let pipeline = Pipeline::load(&file, network)?;
    println!("the first penguin: {}", pipeline.predict_csv("examples/tables/penguins.csv")?.names()[0]);
    Ok(std::fs::remove_file(file)?)
}
