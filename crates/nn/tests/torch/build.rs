//! Builds layers of `nn` from printed PyTorch modules, with all classes and arguments that PyTorch prints.

use crate::repr::{Printed, list};
use autograd::{Float, Pad, Rng, Var};
use nn::functional::RnnNonlinearity;
use nn::layer::*;
use nn::{Module, Param, Parameters, Pass, Path};
use serde_json::Value;

/// Builds a module of `nn` from its printed form, with new random weights. `options` are arguments of its constructor
/// that PyTorch does not print.
pub fn build<T: Float>(printed: &Printed, options: &Value) -> Box<dyn Module<T>> {
    Builder { options, rng: Rng::new(0) }.module(printed)
}

/// Named layers, run in sequence.
struct Named<T: Float> {
    layers: Vec<(String, Box<dyn Module<T>>)>,
}

impl<T: Float> Parameters<T> for Named<T> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        self.layers.iter().for_each(|(name, layer)| path.within(name, |path| layer.visit(path, f)));
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        self.layers.iter_mut().for_each(|(name, layer)| path.within(name, |path| layer.visit_mut(path, f)));
    }
}

impl<T: Float> Module<T> for Named<T> {
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.layers.iter().fold(x, |x, (_, layer)| layer.forward(x, pass))
    }
}

/// A recurrent network that outputs the final state of its last layer, `h_n[-1]`.
struct LastState<T: Float, U, const N: usize>(Recurrent<T, U, N>);

impl<T: Float, U, const N: usize> Parameters<T> for LastState<T, U, N> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<T>)) {
        self.0.visit(path, f);
    }
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<T>)) {
        self.0.visit_mut(path, f);
    }
}

impl<T: Float, U: nn::functional::Unit<N>, const N: usize> Module<T> for LastState<T, U, N> {
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.0.run(x, None, None, pass).1[0].index_axis(0, -1)
    }
}

struct Builder<'a> {
    options: &'a Value,
    rng: Rng,
}

/// Builds a layer of one, two or three axes, according to the last letters of its class, `1d` to `3d`.
macro_rules! by_axes {
    ($self:ident, $p:ident, $build:ident) => {
        match &$p.class[$p.class.len() - 2..] {
            "1d" => $self.$build::<T, 1>($p),
            "2d" => $self.$build::<T, 2>($p),
            _ => $self.$build::<T, 3>($p),
        }
    };
}

impl Builder<'_> {
    fn module<T: Float>(&mut self, p: &Printed) -> Box<dyn Module<T>> {
        if let Some(activation) = activation(p) {
            return Box::new(activation);
        }
        let rng = &mut self.rng;
        match p.class.as_str() {
            "Linear" | "NonDynamicallyQuantizableLinear" => {
                p.knows(&["in_features", "out_features", "bias"]);
                let layer = Linear::new(p.size("in_features", 0), p.size("out_features", 1), rng);
                if p.truth("bias", true) { Box::new(layer) } else { Box::new(layer.without_bias()) }
            }
            "Embedding" => {
                p.knows(&["padding_idx"]);
                let layer = Embedding::new(p.size("num_embeddings", 0), p.size("embedding_dim", 1), rng);
                match p.get("padding_idx") {
                    Some(row) => Box::new(layer.with_padding(row.parse().expect("a row"))),
                    None => Box::new(layer),
                }
            }
            "Dropout" => Box::new(Dropout::new(p.number("p", 0.5))),
            "AlphaDropout" => Box::new(AlphaDropout::new(p.number("p", 0.5))),
            "Dropout1d" => Box::new(Dropout1d::new(p.number("p", 0.5))),
            "Dropout2d" => Box::new(Dropout2d::new(p.number("p", 0.5))),
            "Dropout3d" => Box::new(Dropout3d::new(p.number("p", 0.5))),
            "Flatten" => {
                p.knows(&["start_dim", "end_dim"]);
                Box::new(Flatten::axes(p.number("start_dim", 1.0) as isize, p.number("end_dim", -1.0) as isize))
            }
            "Unflatten" => {
                let sizes: Vec<isize> =
                    list(p.get("unflattened_size").expect("sizes")).iter().map(|n| *n as isize).collect();
                Box::new(Unflatten::new(p.number("dim", 1.0) as isize, &sizes))
            }
            "Conv1d" | "Conv2d" | "Conv3d" => by_axes!(self, p, conv),
            "ConvTranspose1d" | "ConvTranspose2d" | "ConvTranspose3d" => by_axes!(self, p, conv_transpose),
            "BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d" => by_axes!(self, p, batch_norm),
            "InstanceNorm1d" | "InstanceNorm2d" | "InstanceNorm3d" => by_axes!(self, p, instance_norm),
            "LayerNorm" => {
                p.knows(&["eps", "elementwise_affine", "bias"]);
                let mut layer = LayerNorm::new(&list(p.nth(0)));
                layer.eps = p.number("eps", 1e-5);
                layer.weight = layer.weight.filter(|_| p.truth("elementwise_affine", true));
                layer.bias = layer.bias.filter(|_| p.truth("elementwise_affine", true) && p.truth("bias", true));
                Box::new(layer)
            }
            "RMSNorm" => {
                p.knows(&["eps", "elementwise_affine"]);
                let mut layer = RmsNorm::new(&list(p.nth(0)));
                layer.eps = p.get("eps").and_then(|text| text.parse().ok());
                layer.weight = layer.weight.filter(|_| p.truth("elementwise_affine", true));
                Box::new(layer)
            }
            "GroupNorm" => {
                p.knows(&["eps", "affine"]);
                let mut layer = GroupNorm::new(p.size("", 0), p.size("", 1));
                layer.eps = p.number("eps", 1e-5);
                if p.truth("affine", true) { Box::new(layer) } else { Box::new(layer.without_affine()) }
            }
            class if class.contains("Pool") => pool(p),
            "RNN" => {
                let relu = p.get("nonlinearity") == Some("relu");
                let layer = self.recurrent(p);
                Box::new(if relu { Rnn::nonlinearity(layer, RnnNonlinearity::Relu) } else { layer })
            }
            "GRU" => Box::new(self.recurrent::<T, _, 1>(p) as Gru<T>),
            "LSTM" => Box::new(self.recurrent::<T, _, 2>(p) as Lstm<T>),
            "PReLU" => Box::new(PRelu::new(p.size("num_parameters", 0))),
            "MultiheadAttention" => Box::new(self.attention(p)),
            "TransformerEncoderLayer" => Box::new(self.encoder_layer(p)),
            _ => self.named(p),
        }
    }

    /// A module of nested layers, in the order in which they are printed.
    fn named<T: Float>(&mut self, p: &Printed) -> Box<dyn Module<T>> {
        p.knows(&[]);
        assert!(!p.inner.is_empty(), "{} is a class unknown to the tests", p.class);
        let mut layers = Vec::new();
        for (i, (name, inner)) in p.inner.iter().enumerate() {
            // In models whose class is named after their recurrent layer, the next layer reads its final state.
            let last = p.class.eq_ignore_ascii_case(&inner.class) && i + 1 < p.inner.len();
            let layer: Box<dyn Module<T>> = match (last, inner.class.as_str()) {
                (true, "RNN") => Box::new(LastState(self.recurrent(inner) as Rnn<T>)),
                (true, "GRU") => Box::new(LastState(self.recurrent(inner) as Gru<T>)),
                (true, "LSTM") => Box::new(LastState(self.recurrent(inner) as Lstm<T>)),
                _ => self.module(inner),
            };
            layers.push((name.clone(), layer));
        }
        Box::new(Named { layers })
    }

    fn conv<T: Float, const D: usize>(&mut self, p: &Printed) -> Box<dyn Module<T>>
    where
        Convolution<T, D>: Module<T>,
    {
        p.knows(&["kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode"]);
        let groups = p.number("groups", 1.0) as usize;
        let (inputs, outputs) = (p.size("in_channels", 0), p.size("out_channels", 1));
        let layer = Convolution::grouped(inputs, outputs, p.sizes("kernel_size", 1), groups, &mut self.rng);
        let layer = layer.stride(p.sizes("stride", 1)).dilation(p.sizes("dilation", 1));
        let layer = match p.get("padding") {
            Some("same") => layer.same(),
            Some("valid") | None => layer,
            Some(_) => layer.padding(p.sizes("padding", 0)),
        };
        let layer = match p.get("padding_mode") {
            None | Some("zeros") => layer,
            Some("reflect") => layer.border(Pad::Reflect),
            Some("replicate") => layer.border(Pad::Replicate),
            Some(_) => layer.border(Pad::Circular),
        };
        if p.truth("bias", true) { Box::new(layer) } else { Box::new(layer.without_bias()) }
    }

    fn conv_transpose<T: Float, const D: usize>(&mut self, p: &Printed) -> Box<dyn Module<T>>
    where
        ConvolutionTranspose<T, D>: Module<T>,
    {
        p.knows(&["kernel_size", "stride", "padding", "dilation", "groups", "bias", "output_padding"]);
        let groups = p.number("groups", 1.0) as usize;
        let (inputs, outputs) = (p.size("in_channels", 0), p.size("out_channels", 1));
        let layer = ConvolutionTranspose::grouped(inputs, outputs, p.sizes("kernel_size", 1), groups, &mut self.rng);
        let layer = layer.stride(p.sizes("stride", 1)).dilation(p.sizes("dilation", 1)).padding(p.sizes("padding", 0));
        let layer = layer.output_padding(p.sizes("output_padding", 0));
        if p.truth("bias", true) { Box::new(layer) } else { Box::new(layer.without_bias()) }
    }

    fn batch_norm<T: Float, const D: usize>(&mut self, p: &Printed) -> Box<dyn Module<T>> {
        p.knows(&["eps", "momentum", "affine", "bias", "track_running_stats"]);
        let mut layer = BatchNorm::<T, D>::new(p.size("num_features", 0));
        layer.eps = p.number("eps", 1e-5);
        layer.momentum = p.get("momentum").filter(|text| *text != "None").map(|text| text.parse().expect("a number"));
        layer.weight = layer.weight.filter(|_| p.truth("affine", true));
        layer.bias = layer.bias.filter(|_| p.truth("affine", true) && p.truth("bias", true));
        layer.running = layer.running.filter(|_| p.truth("track_running_stats", true));
        Box::new(layer)
    }

    fn instance_norm<T: Float, const D: usize>(&mut self, p: &Printed) -> Box<dyn Module<T>> {
        p.knows(&["eps", "momentum", "affine", "bias", "track_running_stats"]);
        let mut layer = InstanceNorm::<T, D>::new(p.size("num_features", 0));
        layer = if p.truth("affine", false) { layer.with_affine() } else { layer };
        layer = if p.truth("track_running_stats", false) { layer.with_running() } else { layer };
        (layer.eps, layer.momentum) = (p.number("eps", 1e-5), p.number("momentum", 0.1));
        layer.bias = layer.bias.filter(|_| p.truth("bias", true));
        Box::new(layer)
    }

    fn recurrent<T: Float, U: nn::functional::Unit<N> + Default, const N: usize>(
        &mut self,
        p: &Printed,
    ) -> Recurrent<T, U, N> {
        p.knows(&["num_layers", "bias", "batch_first", "dropout", "bidirectional", "nonlinearity"]);
        let options = RecurrentOptions {
            layers: p.number("num_layers", 1.0) as usize,
            bidirectional: p.truth("bidirectional", false),
            batch_first: p.truth("batch_first", false),
            bias: p.truth("bias", true),
            dropout: p.number("dropout", 0.0),
        };
        Recurrent::with(p.size("input_size", 0), p.size("hidden_size", 1), options, &mut self.rng)
    }

    fn option(&self, name: &str) -> &Value {
        &self.options[name]
    }

    fn heads(&self) -> usize {
        let heads = [self.option("nhead"), self.option("num_heads")].into_iter().find_map(Value::as_u64);
        heads.expect("the number of heads is an option") as usize
    }

    fn attention<T: Float>(&mut self, p: &Printed) -> MultiheadAttention<T> {
        let (heads, out) = (self.heads(), &p.inner[0].1);
        let layer = MultiheadAttention::new(out.size("in_features", 0), heads, &mut self.rng);
        let layer = if out.truth("bias", true) { layer } else { layer.without_bias() };
        if self.option("batch_first").as_bool() == Some(true) { layer.batch_first() } else { layer }
    }

    fn encoder_layer<T: Float>(&mut self, p: &Printed) -> TransformerEncoderLayer<T> {
        let find = |name: &str| p.inner.iter().find(|(found, _)| found == name).map(|(_, inner)| inner);
        let linear1 = find("linear1").expect("a layer of this class has one");
        let truth = |name: &str| self.option(name).as_bool() == Some(true);
        let options = TransformerOptions {
            feedforward: linear1.size("out_features", 1),
            activation: match self.option("activation").as_str() {
                Some("gelu") => Activation::Gelu,
                Some("relu") | None => Activation::Relu,
                Some(other) => panic!("{other} is not an activation of this layer"),
            },
            dropout: find("dropout").map_or(0.0, |dropout| dropout.number("p", 0.1)),
            norm_first: truth("norm_first"),
            batch_first: truth("batch_first"),
            eps: find("norm1").map_or(1e-5, |norm| norm.number("eps", 1e-5)),
            rotary: None,
        };
        TransformerEncoderLayer::new(linear1.size("in_features", 0), self.heads(), options, &mut self.rng)
    }
}

fn pool<T: Float>(p: &Printed) -> Box<dyn Module<T>> {
    p.knows(&["kernel_size", "stride", "padding", "dilation", "ceil_mode", "count_include_pad", "output_size"]);
    /// The four kinds of pooling over the given number of axes.
    macro_rules! pools {
        ($D:literal) => {{
            let (stride, padding) = (p.sizes::<$D>("stride", 1), p.sizes::<$D>("padding", 0));
            let (kernel, size, ceil) =
                (p.sizes::<$D>("kernel_size", 1), p.sizes::<$D>("output_size", 1), p.truth("ceil_mode", false));
            match p.class.split_at(p.class.len() - 2).0 {
                "MaxPool" => {
                    let layer = MaxPool::<$D>::new(kernel).stride(stride).padding(padding).ceil_mode(ceil);
                    Box::new(layer.dilation(p.sizes::<$D>("dilation", 1))) as Box<dyn Module<T>>
                }
                "AvgPool" => {
                    let layer = AvgPool::<$D>::new(kernel).stride(stride).padding(padding).ceil_mode(ceil);
                    Box::new(layer.count_include_pad(p.truth("count_include_pad", true)))
                }
                "AdaptiveMaxPool" => Box::new(AdaptiveMaxPool::<$D>::new(size)),
                "AdaptiveAvgPool" => Box::new(AdaptiveAvgPool::<$D>::new(size)),
                class => panic!("{class} is a pooling layer unknown to the tests"),
            }
        }};
    }
    match &p.class[p.class.len() - 2..] {
        "1d" => pools!(1),
        "2d" => pools!(2),
        _ => pools!(3),
    }
}

/// The activation of this class, if it is one.
fn activation(p: &Printed) -> Option<Activation> {
    let setting = |name: &str, default: f64| p.number(name, default);
    let only = || p.nth(0).parse().expect("a number");
    let axis = || setting("dim", -1.0) as isize;
    Some(match p.class.as_str() {
        "Identity" => Activation::Identity,
        "ReLU" => Activation::Relu,
        "ReLU6" => Activation::Relu6,
        "LeakyReLU" => Activation::LeakyRelu { slope: setting("negative_slope", 0.01) },
        "ELU" => Activation::Elu { alpha: setting("alpha", 1.0) },
        "CELU" => Activation::Celu { alpha: setting("alpha", 1.0) },
        "SELU" => Activation::Selu,
        "GELU" if p.get("approximate") == Some("tanh") => Activation::GeluTanh,
        "GELU" => Activation::Gelu,
        "SiLU" => Activation::Silu,
        "Mish" => Activation::Mish,
        "Sigmoid" => Activation::Sigmoid,
        "LogSigmoid" => Activation::LogSigmoid,
        "Tanh" => Activation::Tanh,
        "Hardtanh" => Activation::Hardtanh { min: setting("min_val", -1.0), max: setting("max_val", 1.0) },
        "Hardsigmoid" => Activation::Hardsigmoid,
        "Hardswish" => Activation::Hardswish,
        "Hardshrink" => Activation::Hardshrink { lambda: only() },
        "Softshrink" => Activation::Softshrink { lambda: only() },
        "Tanhshrink" => Activation::Tanhshrink,
        "Softplus" => Activation::SoftplusWith { beta: setting("beta", 1.0), threshold: setting("threshold", 20.0) },
        "Softsign" => Activation::Softsign,
        "Threshold" => Activation::Threshold { threshold: setting("threshold", 0.0), value: setting("value", 0.0) },
        "Softmax" => Activation::Softmax { axis: axis() },
        "Softmin" => Activation::Softmin { axis: axis() },
        "LogSoftmax" => Activation::LogSoftmax { axis: axis() },
        "GLU" => Activation::Glu { axis: axis() },
        _ => return None,
    })
}
