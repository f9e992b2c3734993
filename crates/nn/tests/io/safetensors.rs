//! Models and dictionaries in safetensors files.

use super::hostile::{break_everywhere, refuses};
use super::{Folder, written};
use autograd::{Rng, Tensor, tensor};
use nn::io::{AnyTensor, ArrayFile, IoError, StateDict};
use nn::layer::{BatchNorm1d, Linear, Sequential};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn model(seed: u64) -> Sequential<f32> {
    let rng = &mut Rng::new(seed);
    Sequential::new().then(Linear::new(3, 2, rng)).then(BatchNorm1d::new(2)).then(Linear::new(2, 1, rng))
}

#[test]
fn a_model_comes_back() {
    let folder = Folder::new("model");
    let path = folder.file("model.safetensors");
    nn::save(&model(1), &path).unwrap();
    let mut other = model(2);
    assert_ne!(nn::state_dict(&other), nn::state_dict(&model(1)));
    nn::load(&mut other, &path).unwrap();
    assert_eq!(nn::state_dict(&other), nn::state_dict(&model(1)));
}

#[test]
fn what_fits_is_taken_and_the_rest_is_told() {
    let (mut other, trained) = (model(2), nn::state_dict(&model(1)));
    let mut dict = trained.clone();
    dict.retain(|name, _| name != "2.bias");
    dict.insert("2.weight", tensor![[1e300, 2.0]]);
    dict.insert("0.bias", tensor![1.0f32]);
    dict.insert("3.weight", tensor![[1.0f32], [2.0]]);
    let before = nn::state_dict(&other);
    let left = nn::load_matching(&mut other, &dict);
    assert_eq!(left.missing, [("2.bias".to_owned(), vec![1])]);
    assert_eq!(left.unexpected, [("3.weight".to_owned(), vec![2, 1])]);
    let unfit: Vec<&str> = left.unfit.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(unfit, ["0.bias", "2.weight"]);
    let lines: Vec<String> = left.to_string().lines().map(str::to_owned).collect();
    assert_eq!((lines.len(), &*lines[0], &*lines[1]), (4, "missing: 2.bias [1]", "unexpected: 3.weight [2, 1]"));
    for (name, tensor) in nn::state_dict(&other).iter() {
        let source = if ["0.bias", "2.weight", "2.bias"].contains(&name) { &before } else { &trained };
        assert_eq!(Some(tensor), source.get(name), "{name}");
    }
    assert!(nn::load_matching(&mut other, &trained).is_empty());
}

#[test]
fn the_file_is_as_the_format_says() {
    let folder = Folder::new("bytes");
    let path = folder.file("dict");
    let mut dict = StateDict::new();
    dict.insert("flag", tensor![true, false]);
    dict.insert("a \"b\"\n", tensor![[1.0f32], [-2.0]].t());
    dict.insert("n", Tensor::scalar(3_i64));
    dict.metadata.insert("epoch".into(), "7".into());
    dict.write(&path).unwrap();
    let header = concat!(
        r#"{"__metadata__":{"epoch":"7"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"#,
        r#""a \"b\"\n":{"dtype":"F32","shape":[1, 2],"data_offsets":[8,16]},"#,
        r#""flag":{"dtype":"BOOL","shape":[2],"data_offsets":[16,18]}}"#
    );
    let padded = header.len().next_multiple_of(8);
    let mut bytes = (padded as u64).to_le_bytes().to_vec();
    bytes.extend(format!("{header:padded$}").bytes());
    bytes.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1, 0]);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(StateDict::read(&path).unwrap(), dict);
}

#[test]
fn all_that_does_not_fit_is_told_at_once_and_nothing_changes() {
    let mut dict = nn::state_dict(&model(1));
    dict.insert("0.weight", Tensor::<f32>::zeros(&[3, 2]));
    dict.insert("2.bias", tensor![1e300]);
    dict.insert("3.weight", tensor![1.0]);
    let mut lacking = StateDict::new();
    dict.iter().filter(|(name, _)| *name != "0.bias").for_each(|(name, t)| drop(lacking.insert(name, t.clone())));
    let mut other = model(2);
    let error = nn::load_state_dict(&mut other, &lacking).unwrap_err();
    let expected = "the tensors do not match the model, which is unchanged\n  \
                    missing: 0.bias\n  \
                    unexpected: 3.weight\n  \
                    0.weight: the model has shape [2, 3] and the file [3, 2]\n  \
                    2.bias: it has values that overflow f32";
    assert_eq!(error.to_string(), expected);
    assert_eq!(nn::state_dict(&other), nn::state_dict(&model(2)));

    let folder = Folder::new("unfit");
    let path = folder.file("other");
    lacking.write(&path).unwrap();
    let error = nn::load(&mut other, &path).unwrap_err();
    assert!(matches!(error, IoError::State { .. }) && error.to_string() == format!("{}: {expected}", path.display()));
}

#[test]
fn types_are_converted() {
    let rng = &mut Rng::new(5);
    let (single, mut double) = (Linear::<f32>::new(2, 2, rng), Linear::<f64>::new(2, 2, rng));
    nn::load_state_dict(&mut double, &nn::state_dict(&single)).unwrap();
    let mut back = Linear::<f32>::new(2, 2, rng);
    nn::load_state_dict(&mut back, &nn::state_dict(&double)).unwrap();
    assert_eq!(back.weight.value(), single.weight.value());
    let wide = AnyTensor::from(tensor![0.1, f64::INFINITY, f64::NAN]).to::<f32>();
    assert!(wide.at(&[0]) == 0.1f32 && wide.at(&[1]) == f32::INFINITY && wide.at(&[2]).is_nan());
    assert_eq!(AnyTensor::from(tensor![true, false]).to::<f64>(), tensor![1.0, 0.0]);
}

/// A file with this header and these bytes after it.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn read(path: &Path) -> Result<StateDict, IoError> {
    StateDict::read(path)
}

#[test]
fn every_type_is_read() {
    let folder = Folder::new("types");
    let path = folder.file("dict");
    let cases: [(&str, &[u8], AnyTensor); 13] = [
        ("BOOL", &[1, 0], tensor![true, false].into()),
        ("U8", &[200, 1], tensor![200_i64, 1].into()),
        ("I8", &[200, 1], tensor![-56_i64, 1].into()),
        ("U16", &[0, 200, 1, 0], tensor![51200_i64, 1].into()),
        ("I16", &[0, 200, 1, 0], tensor![-14336_i64, 1].into()),
        ("U32", &[0, 0, 0, 128], tensor![1_i64 << 31].into()),
        ("I32", &[0, 0, 0, 128], tensor![-(1_i64 << 31)].into()),
        ("U64", &[0, 0, 0, 0, 0, 0, 0, 64], tensor![1_i64 << 62].into()),
        ("I64", &[254, 255, 255, 255, 255, 255, 255, 255], tensor![-2_i64].into()),
        ("F16", &[0, 0xc0, 0x55, 0x35], tensor![-2.0f32, 0.333_251_95].into()),
        ("BF16", &[0, 0xc0, 0x80, 0x3f], tensor![-2.0f32, 1.0].into()),
        ("F32", &[0, 0, 0x80, 0x3f], tensor![1.0f32].into()),
        ("F64", &[0, 0, 0, 0, 0, 0, 0xf0, 0xbf], tensor![-1.0].into()),
    ];
    for (dtype, data, expected) in cases {
        let (n, end) = (expected.len(), data.len());
        let header = format!(r#"{{"x":{{"dtype":"{dtype}","shape":[{n}],"data_offsets":[0,{end}]}}}}"#);
        assert_eq!(read(written(&path, &file(&header, data))).unwrap().get("x"), Some(&expected), "{dtype}");
    }
}

#[test]
fn what_a_header_must_not_say() {
    let x = |field: &str, data: &[u8]| file(&format!(r#"{{"x":{{{field}}}}}"#), data);
    let cases: &[(Vec<u8>, &str)] = &[
        (file("[1]", &[]), "byte 8: invalid header: invalid type"),
        (file("{\"x\":\n }", &[]), "byte 15: invalid header"),
        (
            file(&format!("{{\"x\":{}", "[".repeat(9000)), &[]),
            "invalid type: sequence, expected the type, shape and position of a tensor",
        ),
        (file(r#"{"__metadata__":{"a":1}}"#, &[]), "the value of \"a\" is not a string"),
        (file(r#"{"x":1}"#, &[]), "invalid type: integer `1`, expected the type"),
        (file(r#"{"x":{}}"#, &[]), "header, \"x\": \"dtype\" is missing"),
        (x(r#""dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]"#, &[0]), "type \"F8_E4M3\" is not supported"),
        (x(r#""dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]"#, &[0]), "floating-point numbers of at most 8 bits"),
        (x(r#""dtype":"C64","shape":[1],"data_offsets":[0,8]"#, &[0; 8]), "(complex numbers: store the real"),
        (
            x(r#""dtype":"F32","shape":[-1],"data_offsets":[0,4]"#, &[0; 4]),
            "\"shape\" is not a list of at most 64 sizes",
        ),
        (x(r#""dtype":"F32","shape":[1],"data_offsets":[0]"#, &[0; 4]), "\"data_offsets\" is not a pair of numbers"),
        (x(r#""dtype":"F32","shape":[1],"data_offsets":[1,5]"#, &[0; 5]), "begins at byte 1 of the data instead of 0"),
        (
            x(r#""dtype":"F32","shape":[1],"data_offsets":[0,5]"#, &[0; 5]),
            "ends at byte 5 of the data, but its shape requires 4",
        ),
        (x(r#""dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]"#, &[0; 4]), "4 bytes follow"),
        (
            x(r#""dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,4]"#, &[0; 4]),
            "the number of elements of shape",
        ),
        (
            x(r#""dtype":"BOOL","shape":[1],"data_offsets":[0,1]"#, &[2]),
            "byte 63: [2] do not encode a number of this type",
        ),
        (
            file(
                r#"{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
                &[],
            ),
            "\"x\" occurs twice",
        ),
        (file("{}", &[1]), "0 bytes are declared, but 1 follow"),
        (
            u64::MAX.to_le_bytes().to_vec(),
            "byte 0: the header declares 18446744073709551615 bytes, but can have at most 0",
        ),
    ];
    for (bytes, saying) in cases {
        refuses(bytes, read, saying);
        // Faults of the file, as opposed to a single number, are also errors for a reader of a part of it.
        if !saying.contains("do not encode") {
            refuses(bytes, |path: &Path| ArrayFile::safetensors(path, "x"), saying);
        }
    }
    let mut reserved = StateDict::new();
    reserved.insert("__metadata__", tensor![1.0]);
    assert!(reserved.write(Folder::new("reserved").file("x")).unwrap_err().to_string().contains("__metadata__"));
}

/// Large numbers without a sign become the nearest floating-point numbers; metadata may be null.
#[test]
fn unusual_files() {
    let folder = Folder::new("unusual");
    let path = folder.file("dict");
    let header = r#"{"__metadata__":null,"x":{"dtype":"U64","shape":[2],"data_offsets":[0,16],"more":[{}]}}"#;
    let data = [u64::MAX, 7].map(u64::to_le_bytes).concat();
    let dict = read(written(&path, &file(header, &data))).unwrap();
    assert_eq!((dict.get("x"), dict.metadata.len()), (Some(&tensor![2f64.powi(64), 7.0].into()), 0));
    let rows = ArrayFile::safetensors(&path, "x").unwrap();
    assert_eq!(rows.rows::<f32>(&[1, 0]).unwrap(), tensor![7.0f32, 2f32.powi(64)]);
    assert!(rows.whole_rows(&[0]).unwrap_err().to_string().contains("do not encode a number of this type"));

    let strangers: [(&[u8], &str); 5] = [
        (b"PK\x03\x04\0\0\0\0archive/data.pkl", "torch.load"),
        (b"\x80\x02\x8a\nl\xfc", "safetensors.torch.save_file"),
        (b"<!DOCTYPE html>\n<html></html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (br#"{"metadata": {}, "weight_map": {}}"#, "index of a sharded model"),
    ];
    for (bytes, says) in strangers {
        refuses(bytes, read, says);
        refuses(bytes, |path: &Path| ArrayFile::safetensors(path, "x"), says);
    }
}

/// A model in several files is read by its index, which cannot name files elsewhere.
#[test]
fn sharded_models() {
    let folder = Folder::new("shards");
    let index = folder.file("model.safetensors.index.json");
    let model = Linear::<f32>::new(3, 2, &mut Rng::new(1));
    for name in ["weight", "bias"] {
        let mut part = nn::state_dict(&model);
        part.retain(|other, _| other == name);
        part.metadata.insert("format".into(), "pt".into());
        part.write(folder.file(&format!("{name}.safetensors"))).unwrap();
    }
    let write =
        |map: &str| fs::write(&index, format!(r#"{{"metadata": {{"total_size": 32}}, "weight_map": {{{map}}}}}"#));
    write(r#""weight": "weight.safetensors", "bias": "bias.safetensors""#).unwrap();
    let mut other = Linear::<f32>::new(3, 2, &mut Rng::new(2));
    nn::load(&mut other, &index).unwrap();
    assert_eq!(nn::state_dict(&other), nn::state_dict(&model));
    assert_eq!(read(&index).unwrap().metadata["format"], "pt");
    for (map, says) in [
        (r#""weight": "bias.safetensors""#, "tensor \"weight\" should be in \"bias.safetensors\", but is not"),
        (r#""weight": "../weight.safetensors""#, "files must lie next to the index"),
        (r#""weight": "/weight.safetensors""#, "files must lie next to the index"),
        (r#""weight": "missing.safetensors""#, "missing.safetensors"),
        (r#""weight": 1"#, "files must lie next to the index"),
    ] {
        write(map).unwrap();
        let error = read(&index).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    fs::write(&index, "[]").unwrap();
    assert!(read(&index).unwrap_err().to_string().contains("no object \"weight_map\""));
}

#[test]
fn broken_anywhere() {
    let folder = Folder::new("sound");
    let path = folder.file("dict");
    let mut dict = StateDict::new();
    dict.insert("0.weight", tensor![[1.0f32, 2.0], [3.0, 4.0]]);
    dict.insert("steps", tensor![5_i64]);
    dict.insert("mask", tensor![true]);
    dict.metadata.insert("epoch".into(), "7".into());
    dict.write(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    break_everywhere("safetensors", &bytes, read);
    break_everywhere("safetensors rows", &bytes, |path: &Path| {
        ArrayFile::safetensors(path, "0.weight")?.rows::<f32>(&[1, 0])
    });
}

fn any_tensor() -> impl Strategy<Value = AnyTensor> {
    let shape = prop::collection::vec(0_usize..4, 0..4);
    (shape, 0..4, any::<u64>()).prop_map(|(shape, kind, seed)| {
        let x = Tensor::<f64>::randn(&shape, &mut Rng::new(seed));
        match kind {
            0 => AnyTensor::F64(x),
            1 => AnyTensor::F32(AnyTensor::F64(x).to()),
            2 => AnyTensor::I64(Tensor::from_fn(&shape, |i| i.iter().map(|i| *i as i64).sum::<i64>() - 2)),
            _ => AnyTensor::Bool(x.is_gt(0.0)),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_dictionary_comes_back(
        entries in prop::collection::vec((".{0,8}", any_tensor()), 0..6),
        notes in prop::collection::btree_map(".{0,8}", ".{0,8}", 0..4),
    ) {
        let folder = Folder::new("dictionary");
        let path = folder.file("dict");
        let mut dict = StateDict::new();
        entries.into_iter().for_each(|(name, tensor)| drop(dict.insert(name, tensor)));
        dict.metadata = notes;
        dict.write(&path).unwrap();
        prop_assert_eq!(StateDict::read(&path).unwrap(), dict);
    }
}
