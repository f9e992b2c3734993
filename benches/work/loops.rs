//! L: a step of the loops of the examples, with their models, losses, optimizers and batches.

#![allow(clippy::duplicate_mod, reason = "each example has its command line from examples/common")]

use super::Work;
use autograd::Float;
use nn::clip;
use nn::data::Samples;
use nn::layer::{CausalLm, CausalLmOptions};
use nn::loss::{Loss, custom};
use nn::optim::follow;
use wengert::nn;
use wengert::prelude::*;

#[path = "../../examples/dqn.rs"]
mod dqn;
#[path = "../../examples/gan.rs"]
mod gan;
#[path = "../../examples/multi_task.rs"]
mod multi_task;
#[path = "../../examples/reverse.rs"]
mod reverse;
#[path = "../../examples/siamese.rs"]
mod siamese;
#[path = "../../examples/two_tower.rs"]
mod two_tower;
#[path = "../../examples/vae.rs"]
mod vae;

type Turn = Box<dyn FnMut()>;

/// A loop that is constructed twice: once with recorded steps, once with replayed ones.
struct Loop {
    make: fn(bool) -> Turn,
    turns: [Option<Turn>; 2],
}

impl Loop {
    fn turn(&mut self, replays: bool) {
        self.turns[usize::from(replays)].get_or_insert_with(|| (self.make)(replays))();
    }
}

impl Work for Loop {
    fn record(&mut self) {
        self.turn(false);
    }

    fn replay(&mut self) {
        self.turn(true);
    }
}

/// A loop as a workload, given one iteration.
pub fn of(make: fn(bool) -> Turn) -> Box<dyn Work> {
    Box::new(Loop { make, turns: [None, None] })
}

fn step<T: Float>(replays: bool) -> TrainStep<T> {
    let step = TrainStep::new(1);
    if replays { step.replaying() } else { step }
}

/// The same batch in each step, as in the scripts of the peers.
fn trained<T: Float>(
    replays: bool,
    mut model: impl Model<T> + 'static,
    loss: impl Loss<T> + 'static,
    mut optimizer: impl Optimizer<T> + 'static,
    batch: Samples<T>,
) -> Turn {
    let mut step = step(replays);
    Box::new(move || {
        step.run(&mut model, &loss, &mut optimizer, &batch).expect("the loss is finite");
    })
}

fn first<T: Float>(data: &dyn Dataset<T>, batch: usize) -> Samples<T> {
    data.samples(0, &(0..batch).collect::<Vec<_>>()).expect("there are as many")
}

pub fn recommender(replays: bool) -> Turn {
    let data = two_tower::ratings(&mut Rng::new(1)).expect("as many of each");
    let (model, adam) = (two_tower::TwoTower::new(&mut Rng::new(2)), AdamW::new(0.01).weight_decay(0.1));
    trained(replays, model, Mse::new(), adam, first(&data, 64))
}

pub fn vae(replays: bool) -> Turn {
    let net = |sizes: &[usize]| Mlp::new(sizes).build();
    let model = vae::Vae { encoder: net(&[64, 128, 2 * vae::CODE]), decoder: net(&[vae::CODE, 128, 64]) };
    let images = Fields::new().with("image", digits::<f32>().inputs().slice_axis(0, 0..64));
    trained(replays, model, custom(vae::loss), Adam::new(2e-3), Samples::unlabeled(images))
}

pub fn siamese(replays: bool) -> Turn {
    let pairs = siamese::pairs(&digits(), |_| true, 64, &mut Rng::new(2));
    let model = siamese::Twins { embed: Mlp::new(&[64, 128, 32]).dropout(0.2).build() };
    trained(replays, model, custom(siamese::contrastive), Adam::new(1e-3), first(&pairs, 64))
}

pub fn reverse(replays: bool) -> Turn {
    let (model, words) = (reverse::Reverser::new(&mut Rng::new(1)), reverse::words(reverse::BATCH, &mut Rng::new(2)));
    trained(replays, model, CrossEntropy::new(), Adam::new(4e-3), words)
}

pub fn multi_task(replays: bool) -> Turn {
    let data = multi_task::tasks().expect("the digits are there");
    trained(
        replays,
        multi_task::MultiTask::new(&mut Rng::new(1)),
        multi_task::loss(),
        Adam::new(3e-3),
        first(&data, 32),
    )
}

pub fn apartments(replays: bool) -> Turn {
    let (x, price) = (Tensor::<f64>::randn(&[32, 12], &mut Rng::new(1)), Tensor::randn(&[32, 1], &mut Rng::new(2)));
    let data = TensorDataset::new(x, Target::Values(price)).expect("as many of each");
    trained(replays, Mlp::new(&[12, 32, 1]).build(), Mse::new(), Adam::new(0.005), first(&data, 32))
}

pub fn gpt(replays: bool) -> Turn {
    let (rng, characters) = (&mut Rng::new(1), 80);
    let options = CausalLmOptions { layers: 3, ..CausalLmOptions::default() };
    let mut model = CausalLm::<f32>::new(characters, 96, options, rng);
    let mut text = || Tensor::from_fn(&[16, 128], |_| rng.below(characters) as i64);
    let batch = Samples::new(Fields::new().with("read", text()), Fields::new().with("next", text()));
    let (mut step, mut adam, loss) = (step(replays), Adam::new(3e-3), CrossEntropy::new());
    Box::new(move || {
        step.gradients(&model, &loss, &batch).expect("the loss is finite");
        clip::by_norm(step.param_gradients_mut(), 1.0);
        step.apply(&mut model, &mut adam);
    })
}

pub fn gan(replays: bool) -> Turn {
    let net = |sizes: &[usize]| Mlp::new(sizes).activation(Activation::Silu).build();
    let mut model = gan::Gan { generator: net(&[4, 64, 64, 2]), critic: net(&[2, 64, 64, 1]) };
    let adam = || Adam::new(1e-3).betas(0.5, 0.9);
    let (mut critic, mut generator) = (step(replays).only("critic.*"), step(replays).only("generator.*"));
    let (mut adams, real) = ([adam(), adam()], gan::points(&mut Rng::new(3)));
    let nothing = Samples::unlabeled(Fields::new());
    Box::new(move || {
        for _ in 0..gan::TURNS {
            let outcome = critic.gradients_by(&model, &real, |given, pass| model.critic_loss(given, pass));
            outcome.expect("the loss is finite");
            critic.apply(&mut model, &mut adams[0]);
        }
        let outcome = generator.gradients_by(&model, &nothing, |_, pass| Ok(model.generator_loss(pass)));
        outcome.expect("the loss is finite");
        generator.apply(&mut model, &mut adams[1]);
    })
}

pub fn dqn(replays: bool) -> Turn {
    let net = || Mlp::new(&[4, 128, 128, 2]).build();
    let mut model = dqn::Dqn { online: net(), target: net() };
    let rng = &mut Rng::new(2);
    let mut state = || dqn::start(rng);
    let memory: Vec<dqn::Step> =
        (0..1000).map(|k| dqn::Step { now: state(), action: k % 2, next: state(), fell: k % 50 == 0 }).collect();
    let (batch, state) = (dqn::recalled(&memory, &mut Rng::new(3)), memory[0].now);
    let (mut online, mut adam) = (step(replays).only("online.*"), Adam::new(5e-4));
    Box::new(move || {
        assert!(model.choose(state) < 2);
        online.gradients_by(&model, &batch, |given, pass| model.loss(given, pass)).expect("the loss is finite");
        online.apply(&mut model, &mut adam);
        let dqn::Dqn { online, target } = &mut model;
        follow(target, online, 0.01).expect("they are alike");
    })
}
