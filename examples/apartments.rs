//! Regression from a table with decimal commas, ordered categories and gaps: prices of apartments (examples/tables/README.md).

use std::error::Error;
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let options = CsvOptions::values("price").one_hot(["district", "heating"]);
    let options = options.ordinal("condition", ["poor", "fair", "good", "new"]).gaps(Gap::Median).markers(["-"]);
    let options = options.delimiter(b';').decimal(b',').comments(b'#').drop_missing_targets();
    let (columns, apartments) = options.learn::<f64>("examples/tables/apartments.csv")?;
    let (training, test) = apartments.split(0.8, 1)?;
    let (scaler, prices) =
        (Scaler::fit_standard(training.inputs())?, Scaler::fit_standard(training.targets().values("prices")?)?);
    let scaled = |data: &TensorDataset<f64>| data.scaled(&scaler)?.with_scaled_targets(&prices);
    let mut model = Mlp::new(&[columns.inputs(), 32, columns.outputs()]).seed(1).build();
    let mut trainer = Trainer::new(Mse::new(), Adam::new(0.005)).epochs(60).metric(Metric::r2()).quiet();
    let history = trainer.fit(&mut model, &scaled(&training)?)?;
    println!("test R2: {:.3}", trainer.evaluate(&model, &scaled(&test)?)?.metrics[0]);
    trainer.report("Prices of apartments", &history, &model, &scaled(&test)?)?.save("target/apartments.html")?;
    println!("report: target/apartments.html");

    let pipeline = Pipeline::new(columns, model).scaler(scaler).target_scaler(prices);
    println!("the first price: {:.0}", pipeline.predict_csv("examples/tables/apartments.csv")?.outputs.at(&[0, 0]));
    Ok(())
}
