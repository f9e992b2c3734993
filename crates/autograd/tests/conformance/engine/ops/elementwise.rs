//! Elementwise functions of one and two tensors.

use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Error, Result, Tape, Tensor, Var};

pub fn apply<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    unary(op, attrs, x).or_else(|| binary(tape, op, attrs, x))
}

fn unary<'t>(op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    type F<'t> = fn(&Var<'t, f64>) -> Var<'t, f64>;
    let f: F<'t> = match op {
        "neg" => |x| -*x,
        "abs" => Var::abs,
        "exp" => Var::exp,
        "exp2" => Var::exp2,
        "expm1" => Var::exp_m1,
        "log" => Var::ln,
        "log1p" => Var::ln_1p,
        "log2" => Var::log2,
        "log10" => Var::log10,
        "sqrt" => Var::sqrt,
        "rsqrt" => Var::rsqrt,
        "square" => Var::square,
        "reciprocal" => Var::recip,
        "sin" => Var::sin,
        "cos" => Var::cos,
        "tan" => Var::tan,
        "sinh" => Var::sinh,
        "cosh" => Var::cosh,
        "tanh" => Var::tanh,
        "asin" => Var::asin,
        "acos" => Var::acos,
        "atan" => Var::atan,
        "asinh" => Var::asinh,
        "acosh" => Var::acosh,
        "atanh" => Var::atanh,
        "sigmoid" => Var::sigmoid,
        "log_sigmoid" => Var::log_sigmoid,
        "relu" => Var::relu,
        "relu6" => Var::relu6,
        "selu" => Var::selu,
        "silu" => Var::silu,
        "mish" => Var::mish,
        "hardsigmoid" => Var::hardsigmoid,
        "hardswish" => Var::hardswish,
        "softsign" => Var::softsign,
        "tanhshrink" => Var::tanhshrink,
        "sign" => Var::sign,
        "floor" => Var::floor,
        "ceil" => Var::ceil,
        "round" => Var::round,
        "trunc" => Var::trunc,
        "erf" => Var::erf,
        "erfc" => Var::erfc,
        "erfinv" => Var::erfinv,
        "lgamma" => Var::lgamma,
        "digamma" => Var::digamma,
        "logit" => Var::logit,
        "sinc" => Var::sinc,
        "entr" => Var::entr,
        "ndtr" => Var::ndtr,
        "log_ndtr" => Var::log_ndtr,
        "i0e" => Var::i0e,
        "i1e" => Var::i1e,
        _ => return with_parameters(op, attrs, x),
    };
    Some(x[0].real().map(|x| vec![f(&x).into()]))
}

fn with_parameters<'t>(op: &str, attrs: &Attrs, args: &[Arg<'t>]) -> Applied<'t> {
    let x = args.first()?.real().ok()?;
    let number = |key: &str, default: f64| attrs.f64(key).unwrap_or(default);
    let y = match op {
        "softplus" => match (number("beta", 1.0), number("threshold", 20.0)) {
            (1.0, 20.0) => x.softplus(),
            (beta, threshold) => x.softplus_with(beta, threshold),
        },
        "gelu" => match attrs.text("approximate") {
            Some("tanh") => x.gelu_tanh(),
            _ => x.gelu(),
        },
        "leaky_relu" => x.leaky_relu(number("slope", 0.01)),
        "elu" => x.elu(number("alpha", 1.0)),
        "celu" => x.celu(number("alpha", 1.0)),
        "hardtanh" => x.hardtanh(number("min", -1.0), number("max", 1.0)),
        "softshrink" => x.softshrink(x.tape().constant(number("lambd", 0.5))),
        "hardshrink" => x.hardshrink(x.tape().constant(number("lambd", 0.5))),
        "threshold" => x.threshold(number("threshold", 0.0), number("value", 0.0)),
        "pow_scalar" => x.powf(attrs.f64("exponent")?),
        "scalar_pow" => x.scalar_pow(attrs.f64("base")?),
        "scale_add" => x * number("mul", 1.0) + number("add", 0.0),
        "polygamma" => match u32::try_from(attrs.int("n")?) {
            Ok(n) => x.polygamma(n),
            Err(_) => return Some(Err(Error::Argument { op: "polygamma", hint: "n must not be negative".into() })),
        },
        "glu" => return Some(one(x.try_glu(attrs.int("axis").unwrap_or(-1)))),
        "prelu" => return Some(prelu(x, args.get(1)?)),
        _ => return None,
    };
    Some(Ok(vec![y.into()]))
}

/// One slope, or one per channel (axis 1).
fn prelu<'t>(x: Var<'t, f64>, weight: &Arg<'t>) -> Result<Vec<Arg<'t>>> {
    let weight = weight.real()?;
    let mut shape = vec![1; x.rank()];
    if let Some(channels) = shape.get_mut(1) {
        *channels = weight.shape().iter().product();
    }
    one(x.try_prelu(weight.try_reshape(&shape)?))
}

fn binary<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    type F<'t> = fn(&Var<'t, f64>, Var<'t, f64>) -> Result<Var<'t, f64>>;
    let f: F<'t> = match op {
        "add" => Var::try_add,
        "sub" => Var::try_sub,
        "mul" => Var::try_mul,
        "div" => Var::try_div,
        "pow" => Var::try_pow,
        "maximum" => Var::try_maximum,
        "minimum" => Var::try_minimum,
        "atan2" => Var::try_atan2,
        "hypot" => Var::try_hypot,
        "logaddexp" => Var::try_logaddexp,
        "fmod" => Var::try_fmod,
        "remainder" => Var::try_remainder,
        "copysign" => Var::try_copysign,
        "xlogy" => Var::try_xlogy,
        "xlog1py" => Var::try_xlog1py,
        "fmax" => Var::try_fmax,
        "fmin" => Var::try_fmin,
        _ => return constants(tape, op, attrs, x),
    };
    Some(x[0].real().and_then(|a| one(f(&a, x[1].real()?))))
}

/// Helper ops that connect the ops of programs.
fn constants<'t>(tape: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    let x = x.first()?.real().ok()?;
    Some(Ok(vec![match op {
        "greater_scalar" => {
            let value = attrs.f64("value")?;
            Arg::Mask(x.is_gt(value))
        }
        "fill_like" => tape.constant(Tensor::full(&x.shape(), attrs.f64("value")?)).into(),
        "detach" => x.stop_gradient().into(),
        _ => return None,
    }]))
}
