//! Convolution, pooling, resampling.

use crate::engine::{Applied, Arg, Attrs, one};
use autograd::{Align, Conv, Error, Pool, Resize, Result, Tape, Var};

pub fn apply<'t>(_: &'t Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    call(op, attrs, x).transpose().map(one)
}

fn call<'t>(op: &str, a: &Attrs, inputs: &[Arg<'t>]) -> Result<Option<Var<'t, f64>>> {
    let operand = |i: usize| inputs.get(i).map_or_else(|| Err(wrong("an operand is missing")), Arg::real);
    let (x, w) = (|| operand(0), || operand(1));
    let bias = operand(2).ok();
    let bias = bias.as_ref();
    let y = match op {
        "conv1d" if same(a) => x()?.try_conv1d_same(w()?, bias, conv(a)?),
        "conv2d" if same(a) => x()?.try_conv2d_same(w()?, bias, conv(a)?),
        "conv3d" if same(a) => x()?.try_conv3d_same(w()?, bias, conv(a)?),
        "conv1d" => x()?.try_conv1d(w()?, bias, conv(a)?),
        "conv2d" => x()?.try_conv2d(w()?, bias, conv(a)?),
        "conv3d" => x()?.try_conv3d(w()?, bias, conv(a)?),
        "conv_transpose1d" => x()?.try_conv_transpose1d(w()?, bias, conv(a)?, sizes(a, "output_padding", [0])?),
        "conv_transpose2d" => x()?.try_conv_transpose2d(w()?, bias, conv(a)?, sizes(a, "output_padding", [0; 2])?),
        "conv_transpose3d" => x()?.try_conv_transpose3d(w()?, bias, conv(a)?, sizes(a, "output_padding", [0; 3])?),
        "max_pool1d" => x()?.try_max_pool1d(pool(a)?),
        "max_pool2d" => x()?.try_max_pool2d(pool(a)?),
        "max_pool3d" => x()?.try_max_pool3d(pool(a)?),
        "avg_pool1d" => x()?.try_avg_pool1d(pool(a)?),
        "avg_pool2d" => x()?.try_avg_pool2d(pool(a)?),
        "avg_pool3d" => x()?.try_avg_pool3d(pool(a)?),
        "adaptive_avg_pool1d" => x()?.try_adaptive_avg_pool1d(output(a, x()?)?),
        "adaptive_avg_pool2d" => x()?.try_adaptive_avg_pool2d(output(a, x()?)?),
        "adaptive_avg_pool3d" => x()?.try_adaptive_avg_pool3d(output(a, x()?)?),
        "adaptive_max_pool1d" => x()?.try_adaptive_max_pool1d(output(a, x()?)?),
        "adaptive_max_pool2d" => x()?.try_adaptive_max_pool2d(output(a, x()?)?),
        "adaptive_max_pool3d" => x()?.try_adaptive_max_pool3d(output(a, x()?)?),
        "upsample_nearest1d" => x()?.try_upsample_nearest1d(resize(a)?),
        "upsample_nearest2d" => x()?.try_upsample_nearest2d(resize(a)?),
        "upsample_nearest3d" => x()?.try_upsample_nearest3d(resize(a)?),
        "upsample_linear1d" => x()?.try_upsample_linear1d(resize(a)?, align(a)),
        "upsample_bilinear2d" => x()?.try_upsample_bilinear2d(resize(a)?, align(a)),
        "upsample_trilinear3d" => x()?.try_upsample_trilinear3d(resize(a)?, align(a)),
        "pixel_shuffle" => x()?.try_pixel_shuffle(sizes(a, "r", [0])?[0]),
        "pixel_unshuffle" => x()?.try_pixel_unshuffle(sizes(a, "r", [0])?[0]),
        "unfold" if a.get("kernel").is_some() => {
            let stride = sizes(a, "stride", [1; 2])?;
            x()?.try_columns(Pool { stride, ..pool(a)? })
        }
        "unfold" => {
            let axis = a.int("axis").or(a.int("dimension")).ok_or_else(|| wrong("an axis is missing"))?;
            x()?.try_unfold(axis, sizes(a, "size", [0])?[0], sizes(a, "step", [1])?[0])
        }
        _ => return Ok(None),
    };
    y.map(Some)
}

fn wrong(hint: &str) -> Error {
    Error::Argument { op: "conformance", hint: hint.into() }
}

/// One size per axis; a single size applies to all axes. Values that are not sizes are an error.
fn sizes<const D: usize>(a: &Attrs, key: &str, otherwise: [usize; D]) -> Result<[usize; D]> {
    if a.get(key).is_none() {
        return Ok(otherwise);
    }
    let given = a.sizes(key).ok_or_else(|| wrong("sizes must not be negative"))?;
    if let [size] = given[..] {
        return Ok([size; D]);
    }
    given.try_into().map_err(|_| wrong("there must be one size for each axis"))
}

/// Whether the padding is "same".
fn same(a: &Attrs) -> bool {
    a.text("padding") == Some("same")
}

fn conv<const D: usize>(a: &Attrs) -> Result<Conv<D>> {
    let usual = Conv::<D>::default();
    Ok(Conv {
        stride: sizes(a, "stride", usual.stride)?,
        padding: match a.text("padding") {
            Some("same" | "valid") => usual.padding,
            _ => sizes(a, "padding", usual.padding)?,
        },
        dilation: sizes(a, "dilation", usual.dilation)?,
        groups: sizes(a, "groups", [usual.groups])?[0],
    })
}

fn pool<const D: usize>(a: &Attrs) -> Result<Pool<D>> {
    let usual = Pool::of(sizes(a, "kernel", [0; D])?);
    Ok(Pool {
        stride: sizes(a, "stride", usual.stride)?,
        padding: sizes(a, "padding", usual.padding)?,
        dilation: sizes(a, "dilation", usual.dilation)?,
        ceil_mode: a.bool("ceil_mode"),
        count_include_pad: a.get("count_include_pad").is_none() || a.bool("count_include_pad"),
        ..usual
    })
}

fn align(attrs: &Attrs) -> Align {
    if attrs.bool("align_corners") { Align::Corners } else { Align::Centers }
}

/// The requested output sizes; `null` keeps the size of the image.
fn output<const D: usize>(a: &Attrs, x: Var<f64>) -> Result<[usize; D]> {
    let key = ["output", "output_size", "size"].into_iter().find(|key| a.get(key).is_some());
    let key = key.ok_or_else(|| wrong("the size of the output is missing"))?;
    let Some(list) = a.get(key).and_then(|v| v.as_array()).filter(|list| list.iter().any(|size| size.is_null())) else {
        return sizes(a, key, [0; D]);
    };
    let (from, missing) = (x.shape(), || wrong("there must be one size for each axis"));
    let first = from.len().checked_sub(D).filter(|_| list.len() == D).ok_or_else(missing)?;
    let size = |i: usize| list[i].as_u64().map_or(from[first + i], |size| size as usize);
    Ok(std::array::from_fn(size))
}

fn resize<const D: usize>(a: &Attrs) -> Result<Resize<D>> {
    let factor = a.get("scale").map(|scale| match scale.as_array() {
        Some(list) => list.iter().filter_map(|s| s.as_f64()).collect::<Vec<_>>(),
        None => vec![scale.as_f64().unwrap_or(f64::NAN); D],
    });
    match factor {
        Some(factor) => factor.try_into().map(Resize::By).map_err(|_| wrong("there must be one factor for each axis")),
        None => Ok(Resize::To(sizes(a, "size", [0; D])?)),
    }
}
