//! A two-tower recommender predicts ratings from a user's number, an item's number, and the item's genres.
//! `cargo run --release --example two_tower [-- --short]`. docs/experiments.md has the results.
//!
//! A batch has three inputs of three types: integers for the tables of vectors, booleans for the genres, and numbers for
//! the age of the item. Each tower makes one vector, and the rating is their scalar product plus a mean and two offsets.

mod common;

use nn::parameters;
use std::process::ExitCode;
use wengert::nn;
use wengert::prelude::*;

const USAGE: &str = "usage: two_tower [--short]\n  --short  3 epochs instead of 60";

const USERS: usize = 120;
const ITEMS: usize = 80;
const GENRES: usize = 6;
const WIDTH: usize = 8;
/// The standard deviation of the noise, which no model can predict.
const NOISE: f32 = 0.25;

pub(crate) struct TwoTower {
    users: Embedding<f32>,
    items: Embedding<f32>,
    genres: Linear<f32>,
    generous: Embedding<f32>,
    liked: Embedding<f32>,
    age: Linear<f32>,
}

parameters! { impl Parameters<f32> for TwoTower { users, items, genres, generous, liked, age } }

impl Model<f32> for TwoTower {
    fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> autograd::Result<Vars<'t, f32>> {
        let (user, item) = (inputs.integers("user")?, inputs.integers("item")?);
        let genres = self.genres.forward(inputs.booleans("genres")?.indicator(), pass);
        let (left, right) = (self.users.lookup(user, pass), self.items.lookup(item, pass) + genres);
        let offsets = self.generous.lookup(user, pass) + self.liked.lookup(item, pass);
        let age = self.age.forward(inputs.numbers("age")?, pass);
        Ok(((left * right).sum_keep(1) + offsets + age).into())
    }
}

impl TwoTower {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        // Small vectors, so that all ratings start near the mean.
        let mut table = |rows, width| {
            let mut table = Embedding::new(rows, width, rng);
            let small = table.weight.value() * 0.1;
            table.weight.set(small);
            table
        };
        let (users, items, generous, liked) =
            (table(USERS, WIDTH), table(ITEMS, WIDTH), table(USERS, 1), table(ITEMS, 1));
        let (genres, age) = (Linear::new(GENRES, WIDTH, rng).without_bias(), Linear::new(1, 1, rng));
        TwoTower { users, items, genres, generous, liked, age }
    }
}

/// A third of all ratings of a small world: users have tastes in genres, items have genres, a quality, and an age.
pub(crate) fn ratings(rng: &mut Rng) -> Result<FieldDataset<f32>, nn::data::DataError> {
    let tastes = Tensor::<f32>::randn(&[USERS, GENRES], rng) * 0.6;
    let quality = Tensor::<f32>::randn(&[ITEMS], rng) * 0.4;
    let has: Vec<bool> = (0..ITEMS * GENRES).map(|_| rng.uniform() < 0.4).collect();
    let age: Vec<f32> = (0..ITEMS).map(|_| rng.uniform() as f32).collect();
    let (mut user, mut item, mut genres, mut ages, mut rating) = (vec![], vec![], Vec::<bool>::new(), vec![], vec![]);
    for (u, i) in (0..USERS).flat_map(|u| (0..ITEMS).map(move |i| (u, i))) {
        if rng.uniform() < 1.0 / 3.0 {
            let own = &has[i * GENRES..][..GENRES];
            let taste: f32 = (0..GENRES).filter(|&g| own[g]).map(|g| tastes.at(&[u, g])).sum();
            user.push(u as i64);
            item.push(i as i64);
            genres.extend(own);
            ages.push(age[i]);
            rating.push(3.0 + taste + quality.at(&[i]) - 0.5 * age[i] + NOISE * Tensor::<f32>::randn(&[], rng).item());
        }
    }
    let count = rating.len();
    let inputs = Fields::new()
        .with("user", Tensor::from(user))
        .with("item", Tensor::from(item))
        .with("genres", Tensor::new(&[count, GENRES], genres))
        .with("age", Tensor::from(ages).reshape(&[count, 1]));
    FieldDataset::new(inputs, Fields::new().with("rating", Tensor::from(rating).reshape(&[count, 1])))
}

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let epochs = if arguments.contains("--short") { 3 } else { 60 };
        common::finish(arguments)?;

        let (training, rest) = ratings(&mut Rng::new(1))?.split(0.8, 1)?;
        let (validation, test) = rest.split(0.5, 2)?;
        println!("{} ratings to learn from, {} held out", training.len(), test.len());
        let mut model = TwoTower::new(&mut Rng::new(2));
        let mut trainer = Trainer::new(Mse::new(), AdamW::new(0.01).weight_decay(0.1))
            .epochs(epochs)
            .batch_size(64)
            .validation(&validation)
            .early_stopping(EarlyStopping { patience: 10, ..EarlyStopping::default() });
        let history = trainer.fit(&mut model, &training)?;

        let actual = test.all().targets.numbers("rating")?;
        let mean = training.all().targets.numbers("rating")?.mean().item();
        let found = trainer.evaluate(&model, &test)?.loss.sqrt();
        println!("{} epochs, {} notes", history.epochs.len(), history.notes.len());
        println!("error when guessing the mean: {:.3}", (actual - mean).square().mean().item().sqrt());
        println!("error of the two towers: {found:.3}; the noise of the ratings: {NOISE:.3}");

        // What a user would like best, of all items.
        let all = test.samples(0, &[0])?;
        let user = all.inputs.integers("user")?.item();
        println!("user {user} gave item {} {:.1}", all.inputs.integers("item")?.item(), actual.at(&[0, 0]));
        let predicted = trainer.predict_fields(&model, &all.inputs)?;
        println!("the model says {:.1}", predicted.numbers(0)?.at(&[0, 0]));
        Ok(())
    })
}
