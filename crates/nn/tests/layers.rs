//! Compares every layer with PyTorch: names and shapes of its state, outputs, states, derivatives of input and
//! parameters, and buffers afterwards. The numbers in fixtures/layers.json were computed by PyTorch in float64, except
//! for the derivative of Hardsigmoid, where PyTorch's constant 1/6 has only single precision.

use autograd::{Pad, Rng, Tape, Tensor, Var};
use nn::functional::RnnNonlinearity;
use nn::layer::*;
use nn::{Module, Parameters, Pass, Path, apply_updates};
use serde_json::Value;

/// A parameterized function with any number of inputs and outputs.
trait Subject: Parameters<f64> {
    fn run<'t>(&self, x: &[Var<'t, f64>], pass: &mut Pass<'t, f64>) -> Vec<Var<'t, f64>>;
}

/// A layer and a function that runs it.
struct Ran<M, F>(M, F);

impl<M: Parameters<f64>, F> Parameters<f64> for Ran<M, F> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &nn::Param<f64>)) {
        self.0.visit(path, f);
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut nn::Param<f64>)) {
        self.0.visit_mut(path, f);
    }
}

impl<M: Parameters<f64>, F> Subject for Ran<M, F>
where
    F: for<'t> Fn(&M, &[Var<'t, f64>], &mut Pass<'t, f64>) -> Vec<Var<'t, f64>>,
{
    fn run<'t>(&self, x: &[Var<'t, f64>], pass: &mut Pass<'t, f64>) -> Vec<Var<'t, f64>> {
        (self.1)(&self.0, x, pass)
    }
}

/// A layer run by the given function.
fn run<M: Parameters<f64> + 'static>(
    layer: M,
    run: impl for<'t> Fn(&M, &[Var<'t, f64>], &mut Pass<'t, f64>) -> Vec<Var<'t, f64>> + 'static,
) -> Box<dyn Subject> {
    Box::new(Ran(layer, run))
}

/// A layer with one input and one output.
fn plain<M: Module<f64> + 'static>(layer: M) -> Box<dyn Subject> {
    run(layer, |layer, x, pass| vec![layer.forward(x[0], pass)])
}

/// A recurrent network with one state, which is an optional input.
macro_rules! with_state {
    ($layer:expr) => {
        run($layer, |layer, x, pass| {
            let (y, [h]) = layer.run(x[0], x.get(1).map(|&h| [h]), None, pass);
            vec![y, h]
        })
    };
}

fn lstm(layer: Lstm<f64>) -> Box<dyn Subject> {
    run(layer, |layer, x, pass| {
        let (y, [h, c]) = layer.run(x[0], Some([x[1], x[2]]), None, pass);
        vec![y, h, c]
    })
}

fn attention(layer: MultiheadAttention<f64>) -> Box<dyn Subject> {
    run(layer, |layer, x, pass| {
        let masks = Masks { scores: x.get(3).copied(), keys: x.get(4).copied(), causal: false };
        let (y, weights) = layer.attend_with_weights([x[0], x[1], x[2]], masks, pass);
        vec![y, weights]
    })
}

fn language_model(options: CausalLmOptions) -> Box<dyn Subject> {
    run(CausalLm::new(7, 8, options, &mut Rng::new(0)), |model, x, pass| vec![model.scores(x[0].to_integers(), pass)])
}

/// The layer of a case, or `None` for an unknown name.
fn layer(name: &str) -> Option<Box<dyn Subject>> {
    let rng = &mut Rng::new(0);
    let options = RecurrentOptions::default();
    let encoder = TransformerOptions { feedforward: 6, batch_first: true, ..TransformerOptions::default() };
    Some(match name {
        "linear" => plain(Linear::new(3, 2, rng)),
        "linear_no_bias" => plain(Linear::new(3, 2, rng).without_bias()),
        "bilinear" => run(Bilinear::new(2, 3, 2, rng), |layer, x, pass| vec![layer.join(x[0], x[1], pass)]),
        "embedding" => plain(Embedding::new(5, 3, rng).with_padding(2)),
        "conv1d" => plain(Conv1d::grouped(2, 4, 3, 2, rng).stride(2).padding(1).dilation(2)),
        "conv2d" => plain(Conv2d::new(2, 3, [3, 2], rng).padding([1, 0]).without_bias()),
        "conv2d_same" => plain(Conv2d::new(1, 2, [2, 4], rng).dilation([1, 2]).same()),
        "conv2d_reflect" => plain(Conv2d::new(1, 1, 3, rng).padding(1).border(Pad::Reflect)),
        "conv2d_replicate" => plain(Conv2d::new(1, 1, 3, rng).padding(1).border(Pad::Replicate)),
        "conv2d_circular" => plain(Conv2d::new(1, 1, 3, rng).padding(1).border(Pad::Circular)),
        "conv3d" => plain(Conv3d::new(1, 2, 2, rng).stride([1, 2, 1]).padding([0, 1, 0])),
        "conv_transpose1d" => plain(ConvTranspose1d::new(2, 3, 3, rng).stride(2).padding(1).output_padding(1)),
        "conv_transpose2d" => plain(ConvTranspose2d::grouped(2, 4, 3, 2, rng).stride(2).padding(1).dilation(2)),
        "conv_transpose3d" => plain(ConvTranspose3d::new(1, 2, 2, rng).without_bias()),
        "max_pool1d" => plain(MaxPool1d::new(3).stride(2).padding(1)),
        "max_pool2d" => plain(MaxPool2d::new([2, 3]).stride(2).padding(1).ceil_mode(true)),
        "max_pool3d" => plain(MaxPool3d::new(2)),
        "avg_pool1d" => plain(AvgPool1d::new(3).stride(2).padding(1).count_include_pad(false)),
        "avg_pool2d" => plain(AvgPool2d::new(3).stride(2).padding(1).ceil_mode(true)),
        "avg_pool3d" => plain(AvgPool3d::new(2)),
        "adaptive_max_pool1d" => plain(AdaptiveMaxPool1d::new(3)),
        "adaptive_max_pool2d" => plain(AdaptiveMaxPool2d::new([2, 3])),
        "adaptive_max_pool3d" => plain(AdaptiveMaxPool3d::new(2)),
        "adaptive_avg_pool1d" => plain(AdaptiveAvgPool1d::new(3)),
        "adaptive_avg_pool2d" => plain(AdaptiveAvgPool2d::new([2, 3])),
        "adaptive_avg_pool3d" => plain(AdaptiveAvgPool3d::new(2)),
        "batch_norm1d" => plain(BatchNorm1d::new(3)),
        "batch_norm2d" => plain(BatchNorm2d::new(2).momentum(None)),
        "batch_norm3d" => plain(BatchNorm3d::new(2).momentum(Some(0.3)).without_affine()),
        "batch_norm_untracked" => plain(BatchNorm1d::new(2).without_running()),
        "instance_norm1d" => plain(InstanceNorm1d::new(2).with_affine()),
        "instance_norm2d" => plain(InstanceNorm2d::new(2)),
        "instance_norm3d" => plain(InstanceNorm3d::new(2).with_affine().with_running()),
        "layer_norm" => plain(LayerNorm::new(&[2, 3])),
        "layer_norm_no_affine" => plain(LayerNorm::new(&[3]).without_affine()),
        "rms_norm" => plain(RmsNorm::new(&[4])),
        "group_norm" => plain(GroupNorm::new(2, 4)),
        "rnn" => {
            let options = RecurrentOptions { layers: 2, bidirectional: true, ..options };
            with_state!(Rnn::with(3, 2, options, rng).nonlinearity(RnnNonlinearity::Relu))
        }
        "rnn_tanh" => with_state!(Rnn::with(3, 2, RecurrentOptions { bias: false, ..options }, rng)),
        "gru" => {
            let options = RecurrentOptions { layers: 2, batch_first: true, ..options };
            with_state!(Gru::with(3, 2, options, rng))
        }
        "lstm" => {
            let options = RecurrentOptions { layers: 2, batch_first: true, bidirectional: true, ..options };
            lstm(Lstm::with(3, 2, options, rng))
        }
        "lstm_single" => lstm(Lstm::new(3, 2, rng)),
        "lstm_packed" => {
            let options = RecurrentOptions { layers: 2, bidirectional: true, ..options };
            run(Lstm::with(2, 2, options, rng), |layer, x, pass| {
                let (y, [h, c]) = layer.run(x[0], None, Some(x[1]), pass);
                vec![y, h, c]
            })
        }
        "gru_packed" => {
            let options = RecurrentOptions { bidirectional: true, ..options };
            run(Gru::with(2, 2, options, rng), |layer, x, pass| {
                let (y, [h]) = layer.run(x[0], None, Some(x[1]), pass);
                vec![y, h]
            })
        }
        "rnn_cell" => run(RnnCell::new(3, 2, rng), |layer, x, pass| layer.step(x[0], [x[1]], pass).into()),
        "gru_cell" => {
            run(GruCell::new(3, 2, rng).without_bias(), |layer, x, pass| layer.step(x[0], [x[1]], pass).into())
        }
        "lstm_cell" => run(LstmCell::new(3, 2, rng), |layer, x, pass| layer.step(x[0], [x[1], x[2]], pass).into()),
        "attention" => attention(MultiheadAttention::new(4, 2, rng)),
        "attention_masked" => attention(MultiheadAttention::new(4, 2, rng).without_bias().batch_first()),
        "attention_widths" => attention(MultiheadAttention::of_widths(4, 3, 2, 2, rng)),
        "attention_causal" => run(MultiheadAttention::new(4, 2, rng), |layer, x, pass| {
            let (y, weights) = layer.attend_with_weights([x[0]; 3], Masks::causal(), pass);
            vec![y, weights.squeeze(0)]
        }),
        "encoder_layer" => plain(TransformerEncoderLayer::new(4, 2, encoder, rng)),
        "encoder_layer_first" => {
            let options = TransformerOptions {
                activation: Activation::Gelu,
                norm_first: true,
                batch_first: false,
                dropout: 0.0,
                ..encoder
            };
            plain(TransformerEncoderLayer::new(4, 2, options, rng))
        }
        "encoder" => {
            let options = TransformerOptions { norm_first: true, ..encoder };
            run(TransformerEncoder::new(2, 4, 2, options, rng), |layer, x, pass| {
                vec![layer.encode(x[0], Masks { keys: Some(x[1]), ..Masks::causal() }, pass)]
            })
        }
        "decoder_layer" => run(TransformerDecoderLayer::new(4, 2, encoder, rng), |layer, x, pass| {
            vec![layer.decode(x[0], x[1], Masks::causal(), Masks::default(), pass)]
        }),
        // The derivative of the memory, which is the first input.
        "decoder_layer_memory" => {
            let options =
                TransformerOptions { activation: Activation::Gelu, norm_first: true, batch_first: false, ..encoder };
            run(TransformerDecoderLayer::new(4, 2, options, rng), |layer, x, pass| {
                let of_memory = Masks::default().lengths(x[2].to_integers(), 5);
                vec![layer.decode(x[1], x[0], Masks::default(), of_memory, pass)]
            })
        }
        "decoder" => {
            let options = TransformerOptions { norm_first: true, ..encoder };
            run(TransformerDecoder::new(2, 4, 2, options, rng), |layer, x, pass| {
                let masks = Masks::causal().visible(x[2].is_eq(0.0));
                vec![layer.decode(x[0], x[1], masks, Masks::default(), pass)]
            })
        }
        "transformer" => run(Transformer::new([1, 2], 4, 2, encoder, rng), |model, x, pass| {
            let masks = TransformerMasks::causal().source_lengths(x[2].to_integers(), 4);
            vec![model.run([x[0], x[1]], masks, pass)]
        }),
        "attention_rotary" => run(MultiheadAttention::new(8, 2, rng).batch_first().rotary(100.0), |layer, x, pass| {
            vec![layer.attend([x[0]; 3], Masks::causal(), pass)]
        }),
        "causal_lm" => language_model(CausalLmOptions { layers: 2, heads: 2, ..CausalLmOptions::default() }),
        "causal_lm_untied" => {
            let positions = Positions::Learned { most: 9 };
            language_model(CausalLmOptions {
                layers: 2,
                heads: 2,
                positions,
                tied: false,
                ..CausalLmOptions::default()
            })
        }
        "prelu" => plain(PRelu::new(4)),
        "rrelu" => plain(RRelu::default()),
        name => plain(*Activation::ALL.iter().find(|f| f.name() == name)?),
    })
}

/// `[shape, data]`
fn array(json: &Value) -> Tensor<f64> {
    let shape: Vec<usize> = json[0].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    // NaN and infinities are strings in JSON.
    let number = |x: &Value| x.as_f64().unwrap_or_else(|| x.as_str().unwrap().parse().unwrap());
    Tensor::new(&shape, json[1].as_array().unwrap().iter().map(number).collect())
}

/// `[name, shape, data]`
fn named(json: &Value) -> (String, Tensor<f64>) {
    let parts = json.as_array().unwrap();
    (parts[0].as_str().unwrap().to_owned(), array(&Value::Array(parts[1..].to_vec())))
}

fn close(what: &str, got: &Tensor<f64>, expected: &Tensor<f64>) -> Result<(), String> {
    if got.shape() != expected.shape() {
        return Err(format!("{what}: shape {:?}, expected {:?}", got.shape(), expected.shape()));
    }
    let size = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    match got.iter().zip(expected.iter()).find(|(g, e)| (g - e).abs() > 1e-12 * size) {
        None => Ok(()),
        Some((g, e)) => Err(format!("{what}: {g}, expected {e}")),
    }
}

/// Checks that the names, shapes and order of the state are PyTorch's, then loads PyTorch's values.
fn load(subject: &mut dyn Subject, case: &Value) -> Result<(), String> {
    let state: Vec<_> = case["state"].as_array().unwrap().iter().map(named).collect();
    let mut own = Vec::new();
    subject.visit(&mut Path::default(), &mut |name, p| own.push((name.to_owned(), p.value().shape().to_vec())));
    let theirs: Vec<_> = state.iter().map(|(name, t)| (name.clone(), t.shape().to_vec())).collect();
    if own != theirs {
        return Err(format!("the state is {own:?}, expected {theirs:?}"));
    }
    let mut values = state.into_iter().map(|(_, value)| value);
    subject.visit_mut(&mut Path::default(), &mut |_, p| p.set(values.next().unwrap()));
    Ok(())
}

fn check(case: &Value) -> Result<(), String> {
    let mut subject = layer(case["layer"].as_str().unwrap()).ok_or("no such layer")?;
    load(&mut *subject, case)?;
    let tape = Tape::new();
    let training = case["train"].as_bool().unwrap();
    let mut pass = if training { Pass::train(&tape, Rng::new(0)) } else { Pass::eval(&tape) };
    let x: Vec<_> = case["inputs"].as_array().unwrap().iter().map(|x| tape.var(array(x))).collect();
    let outputs = subject.run(&x, &mut pass);
    let expected = case["outputs"].as_array().unwrap();
    if outputs.len() != expected.len() {
        return Err(format!("{} outputs, expected {}", outputs.len(), expected.len()));
    }
    for (i, (y, expected)) in outputs.iter().zip(expected).enumerate() {
        close(&format!("output {i}"), &y.value(), &array(expected))?;
    }
    let mut n = 0.0;
    let cotangent = Tensor::from_fn(&outputs[0].shape(), |_| {
        n += 1.0;
        f64::sin(n)
    });
    let gradients = outputs[0].vjp(cotangent);
    if !case["input_grad"].is_null() {
        close("derivative of the input", &gradients.wrt(x[0]), &array(&case["input_grad"]))?;
    }
    for (name, expected) in case["grads"].as_array().unwrap().iter().map(named) {
        let mut key = None;
        subject.visit(&mut Path::default(), &mut |own, p| key = key.or((own == name).then_some(p.key())));
        let var = key.and_then(|key| tape.find(key)).ok_or(format!("{name} is not used"))?;
        close(&format!("derivative of {name}"), &gradients.wrt(var), &expected)?;
    }
    apply_updates(&mut *subject, &pass.into_updates());
    let mut buffers = Vec::new();
    subject.visit(&mut Path::default(), &mut |name, p| buffers.push((name.to_owned(), p.value().clone())));
    for (name, expected) in case["buffers"].as_array().unwrap().iter().map(named) {
        let (_, got) = buffers.iter().find(|(own, _)| *own == name).ok_or(format!("no buffer {name}"))?;
        close(&name, got, &expected)?;
    }
    Ok(())
}

#[test]
fn layers_are_pytorchs() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{} (train {}): {}", case["layer"], case["train"], check(case).err()?)))
        .collect();
    assert!(cases.len() > 90 && failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// `MultiheadAttention(4, 2, kdim=4, vdim=4)` has these names and shapes in PyTorch 2.15: those of equal widths.
#[test]
fn attention_of_equal_widths_has_one_matrix_of_projections() {
    let mut state = Vec::new();
    let layer = MultiheadAttention::<f64>::of_widths(4, 4, 4, 2, &mut Rng::new(0));
    layer.visit(&mut Path::default(), &mut |name, p| state.push((name.to_owned(), p.value().shape().to_vec())));
    let expected: [(&str, &[usize]); 4] =
        [("in_proj_weight", &[12, 4]), ("in_proj_bias", &[12]), ("out_proj.weight", &[4, 4]), ("out_proj.bias", &[4])];
    assert_eq!(state, expected.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
}

/// docs/layers.md lists every layer, and its introduction names exactly those that are not compared here.
#[test]
fn the_page_lists_every_layer() {
    let read = |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (page, rooms) = (read("../../docs/layers.md"), read("src/layer/mod.rs"));
    let exported = rooms.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = exported.flat_map(|list| list.split(|c: char| !c.is_alphanumeric()));
    // Generic types behind layers with one to three axes, and types that are not layers.
    let aside = [
        "AdaptiveAvgPool",
        "AdaptiveMaxPool",
        "AvgPool",
        "MaxPool",
        "MaxUnpool",
        "Upsample",
        "BatchNorm",
        "ChannelDropout",
        "Convolution",
    ];
    let parts = [
        "ConvolutionTranspose",
        "InstanceNorm",
        "Recurrent",
        "RecurrentCell",
        "Direction",
        "Running",
        "Sizes",
        "KeyValues",
        "DecoderCache",
        "Generation",
    ];
    let (start, compared) = (page.split("\n\n").nth(1).unwrap(), read("tests/layers.rs"));
    for name in names.filter(|name| name.starts_with(char::is_uppercase)) {
        if aside.contains(&name) || parts.contains(&name) {
            continue;
        }
        assert!(page.contains(&format!("`{name}`")), "docs/layers.md does not list {name}");
        let excepted = start.contains(&format!("`{name}`")) || name.contains("Dropout");
        let here = compared.contains(&format!("{name}::")) || compared.contains(&format!("{name} {{"));
        assert!(here != excepted, "docs/layers.md and tests/layers.rs disagree on whether {name} is compared");
    }
    for f in Activation::ALL {
        assert!(page.contains(&format!("`{}`", f.name())), "docs/layers.md does not list {}", f.name());
    }
}
