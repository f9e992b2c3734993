//! Saved pipelines: a valid one, changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::Pipeline;
use nn::data::{Columns, CsvOptions, Gap, Scaler, TensorDataset};
use nn::layer::{Mlp, Sequential};
use std::fs;
use std::sync::LazyLock;
use wengert_fuzz::{Edits, path, with_file};

const TABLE: &[u8] = b"area,kind,price\n50,flat,100\n70,house,300\n,flat,200\n";

fn model(columns: &Columns) -> Sequential<f64> {
    Mlp::new(&[columns.inputs(), 4, columns.outputs()]).seed(1).build()
}

static VALID: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let saved = |pipeline: Pipeline<f64>| {
        let file = path("valid.safetensors");
        pipeline.save(&file).unwrap();
        fs::read(file).unwrap()
    };
    let options = CsvOptions::values("price").one_hot(["kind"]).gaps(Gap::Mean);
    let (columns, data): (Columns, TensorDataset<f64>) = options.learn_from(TABLE, "fuzz").unwrap();
    let network = model(&columns);
    let values = Pipeline::new(columns, network)
        .scaler(Scaler::fit_standard(data.inputs()).unwrap())
        .target_scaler(Scaler::fit_standard(data.values().unwrap()).unwrap());
    let options = CsvOptions::text("kind").gaps(Gap::Median);
    let (columns, _): (Columns, TensorDataset<f64>) = options.learn_from(TABLE, "fuzz").unwrap();
    let network = model(&columns);
    [saved(values), saved(Pipeline::new(columns, network))]
});

fuzz_target!(|data: &[u8]| {
    let [which, data @ ..] = data else { return };
    let file = Edits(data).of_safetensors(&VALID[usize::from(*which % 2)]);
    let table = path("table.csv");
    fs::write(&table, TABLE).unwrap();
    with_file("pipeline.safetensors", &file, |path| {
        if let Ok(pipeline) = Pipeline::load(path, model) {
            if let Ok(predictions) = pipeline.predict_csv(&table) {
                assert_eq!(predictions.names().len(), predictions.outputs.shape()[0]);
            }
        }
    });
});
