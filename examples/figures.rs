//! The figures of docs/pictures.md: how a classifier divides the plane, activations by depth, the weights of a layer.
//!
//! Run with `cargo run --release --example figures`. The files go to `target/figures`, or to the given folder.

use std::error::Error;
use std::f64::consts::PI;
use std::path::{Path, PathBuf};
use wengert::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("target/figures"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    write(&folder, "boundary", &boundary()?)?;
    write(&folder, "activations", &activations())?;
    write(&folder, "correlations", &correlations()?)
}

fn write(folder: &Path, name: &str, figure: &impl Figure) -> Result<(), Box<dyn Error>> {
    let path = folder.join(format!("{name}.svg"));
    figure.save(&path)?;
    println!("{}", path.display());
    Ok(())
}

/// Two interlocking half circles with noise, and how a network divides the plane between them.
fn boundary() -> Result<Plot, Box<dyn Error>> {
    const EACH: usize = 120;
    let rng = &mut Rng::new(3);
    let noise = Tensor::<f64>::randn(&[2 * EACH, 2], rng);
    let moon = |i: usize| {
        let (upper, angle) = (i < EACH, PI * (i % EACH) as f64 / EACH as f64);
        let center = if upper { [angle.cos(), angle.sin()] } else { [1.0 - angle.cos(), 0.5 - angle.sin()] };
        [0, 1].map(|k| center[k] + 0.17 * noise.at(&[i, k]))
    };
    let points: Vec<[f64; 2]> = (0..2 * EACH).map(moon).collect();
    let labels = Tensor::from((0..2 * EACH).map(|i| i64::from(i >= EACH)).collect::<Vec<i64>>());
    let data = TensorDataset::new(tensor_of(&points), Target::Labels(labels))?;

    let mut model = Mlp::new(&[2, 16, 16, 2]).activation(Activation::Tanh).seed(1).build();
    let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.02)).epochs(60).seed(1).quiet();
    trainer.fit(&mut model, &data)?;

    let classes = |grid: &[[f64; 2]]| {
        let scores = trainer.predict(&model, &tensor_of(grid)).expect("points of the plane");
        scores.argmax(1).iter().map(|class| class as usize).collect()
    };
    let half = |half: &[[f64; 2]]| half.iter().map(|[x, y]| (*x, *y)).collect::<Vec<_>>();
    Ok(Plot::new("A network of 2-16-16-2 divides two moons")
        .labels("x₁", "x₂")
        .regions([-1.7, 2.7], [-1.25, 1.75], classes)
        .scatter("upper", half(&points[..EACH]))
        .scatter("lower", half(&points[EACH..])))
}

fn tensor_of(points: &[[f64; 2]]) -> Tensor<f64> {
    Tensor::from_fn(&[points.len(), 2], |i| points[i[0]][i[1]])
}

/// The activations of six layers of tanh, each 100 wide, for weights whose standard deviation is 0.05, and 1/√100 = 0.1.
fn activations() -> Panels {
    let mut panels = Panels::new("Activations by depth: weights of standard deviation 0.05 and 0.1").shared_x();
    for depth in 1..=6 {
        let mut plot = Plot::new(format!("layer {depth}"));
        for scale in [0.05, 0.1] {
            let rng = &mut Rng::new(1);
            let mut x = Tensor::<f64>::randn(&[50, 100], rng);
            for _ in 0..depth {
                x = x.matmul(&(Tensor::randn(&[100, 100], rng) * scale)).tanh();
            }
            plot = plot.histogram(scale.to_string(), x.iter());
        }
        panels = panels.panel(plot);
    }
    panels
}

/// How the measures of penguins vary together.
fn correlations() -> Result<HeatMap, Box<dyn Error>> {
    let names = ["bill length", "bill depth", "flipper length", "body mass"];
    let columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
    let options = CsvOptions::text("species").one_hot(["island", "sex"]).gaps(Gap::Median);
    let (table, penguins) = options.learn::<f64>("examples/tables/penguins.csv")?;
    let x = Scaler::fit_standard(penguins.inputs())?.apply(penguins.inputs())?;
    let at =
        columns.map(|name| table.input_names().iter().position(|other| other == name).expect("a column of the table"));
    let correlation = |i: usize, j: usize| {
        let column = |k: usize| x.slice_axis(1, at[k]..at[k] + 1);
        (column(i) * column(j)).mean().item()
    };
    let row = |i: usize| (0..4).map(|j| correlation(i, j)).collect::<Vec<f64>>();
    Ok(HeatMap::new("Correlations among 344 penguins", (0..4).map(row)).names(names, names).numbers())
}
