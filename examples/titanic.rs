//! Classification from a table with labels, text and gaps: who survives (examples/tables/README.md).

use std::error::Error;
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let options = CsvOptions::labels("survived").one_hot(["pclass", "sex", "embarked"]).gaps(Gap::Mean);
    let (columns, passengers) = options.learn::<f32>("examples/tables/titanic.csv")?;
    let (training, test) = passengers.split_stratified(0.75, 1)?;
    let scaler = Scaler::fit_standard(training.inputs())?;
    let mut model = Mlp::new(&[columns.inputs(), 16, columns.outputs()]).dropout(0.2).seed(1).build();
    let trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.005)).epochs(40).quiet();
    let mut trainer = trainer.metric(Metric::accuracy()).metric(Metric::f1(Average::Binary));
    let history = trainer.fit(&mut model, &training.scaled(&scaler)?)?;
    let found = trainer.evaluate(&model, &test.scaled(&scaler)?)?;
    println!("test accuracy: {:.3}, F1: {:.3}", found.metrics[0], found.metrics[1]);
    let report = trainer.report("Who survives", &history, &model, &test.scaled(&scaler)?)?;
    report.class_names(["died", "survived"]).save("target/titanic.html")?;
    println!("report: target/titanic.html");

    let pipeline = Pipeline::new(columns, model).scaler(scaler);
    let survivors = pipeline.predict_csv("examples/tables/titanic.csv")?.labels().iter().sum::<usize>();
    println!("survivors among all: {survivors}");
    Ok(())
}
