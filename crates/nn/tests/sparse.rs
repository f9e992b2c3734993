//! Tables whose gradients have only the rows that were looked up: the same training as with dense gradients, or PyTorch's
//! SparseAdam, and nothing that reads the whole table.

use autograd::{Precision, Result, Rng, Tape, Tensor, tensor};
use nn::data::{FieldDataset, Fields, Samples};
use nn::distributed::on_threads;
use nn::layer::{Embedding, Linear};
use nn::loss::{CrossEntropy, between, custom};
use nn::optim::{Adagrad, Adam, Lbfgs, Optimizer, ParamGradients, ParamGroups, Sgd, SparseAdam};
use nn::train::{Callback, CallbackResult, Checkpoints, Moment, Sharing, TrainStep, Trainer};
use nn::{Model, Module, Param, Parameters, Pass, Tied, Vars, clip, parameters};

const WORDS: usize = 40;

/// The class of a pair of words, both from one table.
struct Pairs {
    words: Embedding<f64>,
    class: Linear<f64>,
}

parameters! { impl Parameters<f64> for Pairs { words, class } }

impl Model<f64> for Pairs {
    fn call<'t>(&self, inputs: &Vars<'t, f64>, pass: &mut Pass<'t, f64>) -> Result<Vars<'t, f64>> {
        let words = self.words.lookup(inputs.integers("words")?, pass);
        let word = self.words.lookup(inputs.numbers("word")?.to_integers(), pass);
        Ok(self.class.forward((words.mean_axes(1) + word).tanh(), pass).into())
    }
}

fn pairs(sparse: bool) -> Pairs {
    let rng = &mut Rng::new(1);
    let words = Embedding::new(WORDS, 4, rng).with_padding(3);
    Pairs { words: if sparse { words.sparse() } else { words }, class: Linear::new(4, 3, rng) }
}

/// Samples whose words repeat, and some of which are padding.
fn samples(n: usize, seed: u64) -> Samples<f64> {
    let mut rng = Rng::new(seed);
    let mut ids = |n: usize| (0..n).map(|_| rng.below(9) as i64 * 3 % WORDS as i64).collect::<Tensor<i64>>();
    let words = Tensor::new(&[n, 5], ids(n * 5).to_vec());
    let word = ids(n).iter().map(|id| id as f64).collect::<Tensor<f64>>();
    let kind = ids(n).iter().map(|id| id % 3).collect::<Tensor<i64>>();
    Samples::new(Fields::new().with("words", words).with("word", word), Fields::new().with("kind", kind))
}

fn loss() -> impl nn::loss::Loss<f64> {
    between(CrossEntropy::new(), "0", "kind")
}

fn bits(model: &dyn Parameters<f64>) -> Vec<u64> {
    let mut all = Vec::new();
    model.visit(&mut nn::Path::default(), &mut |_, p| all.extend(p.value().iter().map(f64::to_bits)));
    all
}

type Maker = fn() -> Box<dyn Optimizer<f64>>;

/// Optimizers under which rows without a gradient move as under a gradient of 0.
fn exact() -> [Maker; 5] {
    [
        || Box::new(Sgd::new(0.3)),
        || Box::new(Sgd::new(0.3).momentum(0.9)),
        || Box::new(Sgd::new(0.3).momentum(0.9).dampening(0.5)),
        || Box::new(Sgd::new(0.3).momentum(0.9).nesterov(true)),
        || Box::new(ParamGroups::new(Adam::new(0.01)).group("words.*", Adagrad::new(0.1))),
    ]
}

#[test]
fn training_by_rows_has_the_bits_of_dense_training() {
    for (number, optimizer) in exact().into_iter().enumerate() {
        for replays in [false, true] {
            let run = |sparse| {
                let (mut model, mut optimizer, step) = (pairs(sparse), optimizer(), TrainStep::new(0));
                let mut step = if replays { step.replaying() } else { step };
                for k in 0..9 {
                    let outcome = step.gradients(&model, &loss(), samples(4 + (k as usize % 2), k)).unwrap();
                    assert!(outcome.loss > 0.0);
                    assert_eq!(step.param_gradients().rows(0).is_some(), sparse);
                    clip::by_norm(step.param_gradients_mut(), 0.1);
                    step.apply(&mut model, &mut *optimizer);
                }
                assert_eq!((step.programs(), step.recorded_because()), (if replays { 2 } else { 0 }, None));
                model
            };
            let (dense, sparse) = (run(false), run(true));
            let apart = (dense.words.weight.value() - sparse.words.weight.value()).abs().max().item();
            // The two lookups of one table are added in another order, and so are the squares of a norm.
            assert!(apart < 1e-14, "optimizer {number}, replays {replays}: {apart}");
            assert_eq!(sparse.words.weight.value().slice_axis(0, 3..4), Tensor::zeros(&[1, 4]));
        }
    }
}

#[test]
fn a_single_lookup_has_the_very_bits() {
    for (number, optimizer) in exact().into_iter().enumerate().take(4) {
        let run = |sparse: bool, replays: bool| {
            let words = Embedding::<f64>::new(WORDS, 4, &mut Rng::new(1)).with_padding(3);
            let mut words = if sparse { words.sparse() } else { words };
            let (mut optimizer, step) = (optimizer(), TrainStep::new(0));
            let mut step = if replays { step.replaying() } else { step };
            for k in 0..7 {
                step.gradients_by(&words, samples(4, k), |given, pass| {
                    let _ = (given.inputs.numbers("word")?, given.targets.integers("kind")?);
                    Ok(words.lookup(given.inputs.integers("words")?, pass).sin().sum().into())
                })
                .unwrap();
                step.apply(&mut words, &mut *optimizer);
            }
            bits(&words)
        };
        let dense = run(false, false);
        assert_eq!(run(true, false), dense, "optimizer {number}");
        assert_eq!(run(true, true), dense, "optimizer {number}");
    }
}

/// Three steps in PyTorch 2.15, with repeated indices and a padding index.
#[test]
fn sparse_adam_has_the_numbers_of_pytorch() {
    let table = Tensor::from_fn(&[6, 2], |at| 0.1 * (2 * at[0] + at[1]) as f64 - 0.5);
    let mut words = Embedding::new(6, 2, &mut Rng::new(0)).sparse();
    words.weight.set(table);
    let mut words = words.with_padding(0);
    let mut adam = SparseAdam::new(0.1).betas(0.8, 0.95).eps(1e-3);
    let target = Tensor::from_fn(&[2, 3, 2], |at| 0.1 * (1 + 6 * at[0] + 2 * at[1] + at[2]) as f64);
    let mut step = TrainStep::new(0).replaying();
    for ids in [tensor![[1_i64, 3, 1], [0, 3, 3]], tensor![[2_i64, 2, 0], [1, 4, 2]], tensor![[1_i64, 3, 0], [4, 4, 1]]]
    {
        let batch = Samples::unlabeled(Fields::new().with("ids", ids).with("target", target.clone()));
        step.gradients_by(&words, batch, |given, pass| {
            let y = words.lookup(given.inputs.integers("ids")?, pass);
            Ok((y - given.inputs.numbers("target")?).square().sum().into())
        })
        .unwrap();
        step.apply(&mut words, &mut adam);
    }
    assert_eq!(step.programs(), 1);
    let near = |found: &Tensor<f64>, expected: Tensor<f64>| {
        assert!((found - &expected).abs().max().item() < 1e-14, "{found} is not {expected}");
    };
    near(
        words.weight.value(),
        tensor![
            [0.0, 0.0],
            [-0.0030765171304496103, 0.09692348286955042],
            [-0.022517142499318354, 0.07748285750068162],
            [0.26010814239591423, 0.36010814239591415],
            [0.46634433264000225, 0.5663443326400022],
            [0.5, 0.6]
        ],
    );
    let state = adam.state(&words);
    assert_eq!(state.get("weight.step").unwrap().to::<f64>().item(), 3.0);
    let first = [0.0, -1.1573046548906394, -0.72, -0.6800446714153892, -0.530167148349139, 0.0];
    near(&state.get("weight.exp_avg").unwrap().to(), Tensor::from_fn(&[6, 2], |at| first[at[0]]));
    let second = [0.0, 0.8087520364561992, 0.648, 0.7620044696359588, 0.21134627527823605, 0.0];
    near(&state.get("weight.exp_avg_sq").unwrap().to(), Tensor::from_fn(&[6, 2], |at| second[at[0]]));
}

/// Neither a step nor what surrounds it copies the table.
#[test]
fn the_table_stays_where_it_is() {
    for replays in [false, true] {
        let mut words = Embedding::<f32>::new(1000, 8, &mut Rng::new(0)).sparse();
        let place = words.weight.value().as_slice().unwrap().as_ptr();
        let (mut adam, step) = (SparseAdam::new(1e-2), TrainStep::new(0));
        let mut step = if replays { step.replaying() } else { step };
        for k in 0..6 {
            let batch = Samples::unlabeled(Fields::new().with("ids", tensor![k, 999, 5 * k, 999]));
            step.gradients_by(&words, batch, |given, pass| {
                Ok(words.lookup(given.inputs.integers("ids")?, pass).square().sum().into())
            })
            .unwrap();
            clip::by_norm(step.param_gradients_mut(), 1.0);
            let (g, rows) = (step.param_gradients().get(0).unwrap(), step.param_gradients().rows(0).unwrap());
            assert_eq!((g.shape()[0], rows.of()), (rows.len(), 1000));
            step.apply(&mut words, &mut adam);
        }
        assert_eq!(words.weight.value().as_slice().unwrap().as_ptr(), place, "replays {replays}");
    }
}

#[test]
fn accumulated_rows_are_those_of_all_passes() {
    let run = |sparse: bool| {
        let (mut model, mut step) = (pairs(sparse), TrainStep::new(0).replaying());
        for k in 0..8 {
            step.gradients(&model, &loss(), samples(4, k)).unwrap();
            step.accumulate(&mut model, 4.0);
            if k % 2 == 1 {
                step.average();
                step.apply(&mut model, &mut Sgd::new(0.5));
            }
        }
        model
    };
    let (dense, sparse) = (run(false), run(true));
    assert!((dense.words.weight.value() - sparse.words.weight.value()).abs().max().item() < 1e-14);
    // Gradients of some rows and of all are added as well.
    let rows = gradients_of(&pairs(true), 0);
    for (a, b) in [(&rows, &gradients_of(&pairs(false), 1)), (&gradients_of(&pairs(false), 1), &rows)] {
        let mut sum = ParamGradients::new();
        [a, b].into_iter().for_each(|g| sum.add_scaled(2.0, g));
        let expected = (a.dense(0).unwrap() + b.dense(0).unwrap()) * 2.0;
        assert_eq!((sum.rows(0), sum.get(0)), (None, Some(&expected)));
    }
}

fn gradients_of(model: &Pairs, seed: u64) -> ParamGradients<f64> {
    let mut step = TrainStep::new(0);
    step.gradients(model, &loss(), samples(5, seed)).unwrap();
    step.param_gradients().clone()
}

/// Fails after some batches.
struct Fails(usize);

impl Callback<f64> for Fails {
    fn batch_end(&mut self, _: &mut Moment<'_, f64>) -> CallbackResult {
        self.0 = self.0.wrapping_sub(1);
        if self.0 == 0 { Err("no more".into()) } else { Ok(()) }
    }
}

#[test]
fn interrupted_training_is_resumed_bit_for_bit() {
    let data = |n, seed| {
        let Samples { inputs, targets, .. } = samples(n, seed);
        FieldDataset::new(inputs, targets).unwrap()
    };
    let data = data(30, 1);
    let optimizers: [Maker; 2] = [|| Box::new(SparseAdam::new(0.05)), || Box::new(Sgd::new(0.1).momentum(0.9))];
    for (number, optimizer) in optimizers.into_iter().enumerate() {
        let trainer = |folder: &std::path::Path, fails| {
            let checkpoints = Checkpoints::new(folder).every_steps(1);
            Trainer::new(loss(), optimizer())
                .epochs(3)
                .batch_size(7)
                .checkpoints(checkpoints)
                .callback(Fails(fails))
                .quiet()
        };
        let folder = |name: &str| {
            let folder = std::env::temp_dir().join(format!("nn-sparse-{name}-{number}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            folder
        };
        let (whole, broken) = (folder("whole"), folder("broken"));
        let (mut expected, mut resumed) = (pairs(true), pairs(true));
        trainer(&whole, 0).fit(&mut expected, &data).unwrap();
        trainer(&broken, 8).fit(&mut pairs(true), &data).unwrap_err();
        // A table with dense gradients is another model.
        let error = trainer(&broken, 0).resume(&mut pairs(false), &data).unwrap_err().to_string();
        assert!(error.contains("parameters"), "{error}");
        trainer(&broken, 0).resume(&mut resumed, &data).unwrap();
        assert_eq!(bits(&resumed), bits(&expected));
        [whole, broken].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
    }
}

/// A table that is also used as a whole, or by a penalty, has dense gradients; unread rows and branches have none.
#[test]
fn only_lookups_have_rows() {
    let tape = Tape::<f64>::new();
    let mut table = Param::new(Tensor::<f64>::ones(&[5, 2]));
    table.set_by_rows(true);
    let x = Pass::eval(&tape).var(&table);
    let (looked_up, output) = (x.take(0, tensor![1_i64, 1]), tape.constant([[1.0, 2.0]]).matmul_t(x));
    let rows_of = |y: autograd::Var<'_, f64>| y.backward().rows(x).map(|rows| rows.index().to_vec());
    assert_eq!(rows_of(looked_up.sum()), Some(vec![1]));
    // Uses that do not affect the result differentiably do not count.
    assert_eq!(rows_of(looked_up.sum() + output.stop_gradient().sum()), Some(vec![1]));
    assert_eq!(rows_of(looked_up.sum() + x.take(0, tensor![3_i64]).stop_gradient().sum()), Some(vec![1]));
    assert_eq!(rows_of(looked_up.sum() + x.take(0, tensor![4_i64, 0]).square().sum()), Some(vec![0, 1, 4]));
    let tied = looked_up.sum() + output.sum();
    assert_eq!(rows_of(tied), None);
    assert_eq!(tied.backward().wrt(x), tied.grad(&[x])[0].value());
    // Recorded derivatives are dense.
    let squares = looked_up.square().sum();
    assert_eq!(squares.grad(&[x])[0].value(), squares.backward().wrt(x));
    assert_eq!(squares.grad(&[x])[0].square().sum().backward().wrt(x).at(&[1, 0]), 32.0);
}

#[test]
#[should_panic(expected = "this optimizer needs all rows of a gradient, but that of parameter 0 (counted from 0) has")]
fn an_optimizer_that_needs_all_rows_says_so() {
    let mut model = pairs(true);
    let gradients = gradients_of(&model, 0);
    Adam::new(0.1).step(&mut model, &gradients);
}

#[test]
#[should_panic(expected = "Sgd with weight decay needs all rows of a gradient")]
fn weights_of_rows_do_not_decay() {
    let mut model = pairs(true);
    let gradients = gradients_of(&model, 0);
    Sgd::new(0.1).weight_decay(0.1).step(&mut model, &gradients);
}

#[test]
fn a_search_reads_dense_gradients() {
    let run = |sparse: bool| {
        let mut model = pairs(sparse);
        let samples = samples(20, 3);
        let data = FieldDataset::new(samples.inputs, samples.targets).unwrap();
        let lbfgs = Lbfgs::new(1.0).line_search(true);
        let loss = custom(|outputs: &Vars<'_, f64>, given: &nn::Given<'_, f64>| {
            let kind = given.targets.integers("kind")?;
            Ok(nn::loss::cross_entropy(outputs.only()?, kind, nn::loss::Reduction::Mean)?.into())
        });
        Trainer::new(loss, lbfgs).epochs(4).batch_size(20).quiet().fit(&mut model, &data).unwrap();
        model
    };
    let (dense, sparse) = (run(false), run(true));
    assert!((dense.words.weight.value() - sparse.words.weight.value()).abs().max().item() < 1e-9);
}

/// Scores of a next word, by the table that the words come from.
struct Next {
    words: Embedding<f64>,
    scores: Linear<f64>,
}

parameters! { impl Parameters<f64> for Next { words, scores } }

impl Model<f64> for Next {
    fn call<'t>(&self, inputs: &Vars<'t, f64>, pass: &mut Pass<'t, f64>) -> Result<Vars<'t, f64>> {
        let words = self.words.lookup(inputs.integers("words")?, pass).mean_axes(1);
        let word = self.words.lookup(inputs.numbers("word")?.to_integers(), pass);
        Ok(self.scores.forward(words + word, pass).into())
    }
}

#[test]
fn a_table_that_a_dense_layer_shares_is_trained_as_without_rows() {
    let run = |sparse, replays, precision| {
        let rng = &mut Rng::new(2);
        let words = Embedding::new(WORDS, 4, rng);
        let words = if sparse { words.sparse() } else { words };
        let model = Next { words, scores: Linear::new(4, WORDS, rng) };
        let mut model = Tied::new(model, &[["words.weight", "scores.weight"]]).unwrap();
        let mut optimizer = Sgd::new(0.3).momentum(0.9);
        let step = TrainStep::new(0).precision(precision);
        let mut step = if replays { step.replaying() } else { step };
        for k in 0..8 {
            step.gradients(&model, &loss(), samples(4, k)).unwrap();
            // The scores of all words depend on all rows.
            assert!(step.param_gradients().rows(0).is_none());
            step.apply(&mut model, &mut optimizer);
        }
        assert_eq!(step.recorded_because(), None);
        bits(&model)
    };
    for precision in [Precision::Full, Precision::Bf16] {
        let dense = run(false, false, precision);
        assert_eq!(dense.len(), WORDS * 4 + WORDS);
        for (sparse, replays) in [(false, true), (true, false), (true, true)] {
            assert_eq!(run(sparse, replays, precision), dense, "{precision:?}, sparse {sparse}, replays {replays}");
        }
    }
    assert_ne!(run(false, false, Precision::Full), run(false, false, Precision::Bf16));
}

/// Each rank sends the rows that its words have. They are summed in the order of shards, or of ranks.
#[test]
fn ranks_share_gradients_by_rows() {
    let Samples { inputs, targets, .. } = samples(50, 3);
    let data = FieldDataset::new(inputs, targets).unwrap();
    let train = |ranks: usize, sparse: bool, sharing: Sharing, optimizer: Maker| {
        let models = on_threads(ranks, |rank| {
            let mut model = pairs(sparse);
            let trainer = Trainer::new(loss(), optimizer()).epochs(3).batch_size(8).sharing(sharing).quiet();
            { trainer }.distributed(rank).fit(&mut model, &data).unwrap();
            model
        });
        assert!(models.iter().all(|model| bits(model) == bits(&models[0])), "the ranks end alike");
        models.into_iter().next().unwrap()
    };
    let sparse_adam: Maker = || Box::new(ParamGroups::new(Adam::new(0.01)).group("words.*", SparseAdam::new(0.01)));
    for optimizer in exact().into_iter().chain([sparse_adam]) {
        let one = bits(&train(1, true, Sharing::Shards(4), optimizer));
        for ranks in 2..=4 {
            assert!(bits(&train(ranks, true, Sharing::Shards(4), optimizer)) == one, "{ranks} ranks");
        }
    }
    for optimizer in exact() {
        for sharing in [Sharing::PerRank, Sharing::Shards(3), Sharing::LocalSgd(1)] {
            let [dense, sparse] = [false, true].map(|sparse| train(3, sparse, sharing, optimizer));
            let apart = (dense.words.weight.value() - sparse.words.weight.value()).abs().max().item();
            assert!(apart < 1e-13, "{sharing:?}: {apart}");
        }
    }
}
