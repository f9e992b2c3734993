//! NPY, NPZ and IDX: files written by NumPy are read, and broken files are errors.

use super::hostile::{break_everywhere, refuses};
use super::{Folder, written};
use autograd::{Tensor, tensor};
use flate2::write::GzEncoder;
use nn::data::{Augmented, DataLoader, Dataset, FileDataset, Position, TensorDataset};
use nn::io::{AnyTensor, ArrayFile, StateDict, read_idx, read_npy, write_npy};
use nn::loss::Target;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Files that NumPy wrote.
macro_rules! numpy {
    ($name:literal) => {
        include_bytes!(concat!("numpy/", $name))
    };
}

#[test]
fn arrays_of_numpy() {
    let folder = Folder::new("numpy");
    let path = folder.file("array");
    let cases: [(&[u8], AnyTensor); 4] = [
        (numpy!("c.npy"), tensor![[1.5, -2.0, 3.25], [0.1, 1e300, -0.0]].into()),
        (numpy!("fortran.npy"), tensor![[[1_i64, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]].into()),
        (numpy!("half.npy"), tensor![1.0f32, -0.333_251_95, 65504.0].into()),
        (numpy!("scalar.npy"), Tensor::scalar(true).into()),
    ];
    for (bytes, expected) in cases {
        assert_eq!(read_npy(written(&path, bytes)).unwrap(), expected);
        write_npy(&path, &expected).unwrap();
        assert_eq!(read_npy(&path).unwrap(), expected);
    }
    // Equals what NumPy writes, bit for bit.
    write_npy(&path, &tensor![[1.5, -2.0, 3.25], [0.1, 1e300, -0.0]].into()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), numpy!("c.npy"));
}

#[test]
fn archives_of_numpy() {
    let folder = Folder::new("npz");
    let path = folder.file("arrays.npz");
    let dict = StateDict::read_npz(written(&path, numpy!("several.npz"))).unwrap();
    assert_eq!(dict.get("weight").unwrap(), &tensor![[1.0f32, 2.0], [3.0, 4.0]].into());
    assert_eq!(dict.get("mask").unwrap(), &tensor![true, false].into());
    assert_eq!(dict.get("n").unwrap(), &Tensor::scalar(200_i64).into());
    let stored = StateDict::read_npz(written(&path, numpy!("stored.npz"))).unwrap();
    assert_eq!(stored.get("x").unwrap(), &tensor![0.0, 1.0, 2.0].into());
    dict.write_npz(&path).unwrap();
    assert_eq!(StateDict::read_npz(&path).unwrap(), dict);
}

/// An NPY file with this header.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn headers_of_other_writers() {
    let folder = Folder::new("headers");
    let path = folder.file("array.npy");
    let read = |descr: &str, shape: &str, data: &[u8]| {
        let header = format!("{{u'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
        read_npy(written(&path, &npy(&header, data)))
    };
    let two = [1.5_f64, -2.0].map(f64::to_le_bytes).concat();
    for descr in ["'<f8'", "u'<f8'", "'f8'", "'float64'", "'d'", "b'=f8'", "'<d'"] {
        assert_eq!(read(descr, "(2L, 1L)", &two).unwrap(), tensor![[1.5], [-2.0]].into(), "{descr}");
    }
    for descr in ["'?'", "'|b1'", "'bool'", "'b1'"] {
        assert_eq!(read(descr, "(2L,)", &[1, 0]).unwrap(), tensor![true, false].into(), "{descr}");
    }
    assert_eq!(read("'>u2'", "(1,)", &[1, 0]).unwrap(), tensor![256_i64].into());
    let large = [u64::MAX, 1].map(u64::to_le_bytes).concat();
    assert_eq!(read("'<u8'", "(2,)", &large).unwrap(), tensor![2f64.powi(64), 1.0].into());
    for (descr, says) in [
        ("'<U3'", "type \"<U3\" is not supported (text)"),
        ("'|S3'", "(text)"),
        ("'<c16'", "(complex numbers)"),
        ("'<f16'", "(floating-point numbers wider than 64 bits"),
        ("'|O'", "(Python objects)"),
        ("[('a', '<f8'), ('b]', '<i4', (2,))]", "the array holds records"),
        ("'nothing'", "type \"nothing\" is not supported"),
    ] {
        let error = read(descr, "(1,)", &[0; 16]).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("array.npy, byte "), "{error}");
    }
}

/// What is not an array of numbers is left out; the rest of the archive can be read.
#[test]
fn archives_with_other_parts() {
    let folder = Folder::new("mixed");
    let path = folder.file("mixed.npz");
    let write = |parts: &[(&str, Vec<u8>)]| {
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, bytes) in parts {
            let options = zip::write::SimpleFileOptions::default();
            if name.ends_with('/') {
                zip.add_directory(*name, options).unwrap();
            } else {
                zip.start_file(*name, options).unwrap();
                zip.write_all(bytes).unwrap();
            }
        }
        zip.finish().unwrap();
    };
    let of = |descr: &str, data: &[u8]| {
        npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}"), data)
    };
    let others = [
        ("names.npy", of("<U1", &[65, 0, 0, 0])),
        ("wide.npy", of("<f16", &[0; 16])),
        ("README.md", b"about these arrays".to_vec()),
        ("folder/", Vec::new()),
    ];
    let x = ("x.npy", of("<i4", &[7, 0, 0, 0]));
    write(&[&others[..2], std::slice::from_ref(&x), &others[2..]].concat());
    let dict = StateDict::read_npz(&path).unwrap();
    assert_eq!(dict.iter().collect::<Vec<_>>(), [("x", &tensor![7_i64].into())]);
    let left: Vec<&str> = dict.left_out().keys().map(String::as_str).collect();
    assert_eq!(left, ["README.md", "folder/", "names", "wide"]);
    assert_eq!(dict.left_out()["names"], "type \"<U1\" is not supported (text)");
    assert_eq!(StateDict::read_npz_array(&path, "x").unwrap(), tensor![7_i64].into());
    let error = StateDict::read_npz_array(&path, "names").unwrap_err().to_string();
    assert!(error.contains("\"names\": type \"<U1\" is not supported (text)"), "{error}");
    write(&others);
    let error = StateDict::read_npz(&path).unwrap_err().to_string();
    assert!(error.contains("there is no array of numbers"), "{error}");
    // A damaged part is an error and is not left out.
    write(&[x, ("y.npy", of("<i4", &[7, 0]))]);
    assert!(StateDict::read_npz(&path).is_err() && StateDict::read_npz_array(&path, "x").is_ok());
}

/// Several members, and padding of zeros or a line end behind the last one.
#[test]
fn padded_gzip() {
    let folder = Folder::new("padded");
    let path = folder.file("idx.gz");
    let expected = read_idx(written(&path, &IDX)).unwrap();
    let [first, second] = [packed(&IDX[..10]), packed(&IDX[10..])];
    for padding in [&b""[..], &[0; 512], &[0; 100_000], b"\n", b"\r\n"] {
        let bytes = [&first, &second, padding].concat();
        assert_eq!(read_idx(written(&path, &bytes)).unwrap(), expected);
        assert!(ArrayFile::idx(&path).is_ok());
    }
    for rest in [&b"x"[..], b"\0\0x", b"\x1f"] {
        refuses(&[&first, &second, rest].concat(), |path| read_idx(path), "byte 20:");
    }
}

#[test]
fn broken_arrays() {
    for (name, bytes) in [("npy", &numpy!("c.npy")[..]), ("fortran", numpy!("fortran.npy"))] {
        break_everywhere(name, bytes, |path| read_npy(path));
        refuses(&[bytes, b"more"].concat(), |path| read_npy(path), "the file continues");
    }
    break_everywhere("idx", &IDX, |path| read_idx(path));
    break_everywhere("rows", &IDX, |path: &Path| ArrayFile::idx(path)?.rows::<f32>(&[1, 0]));
    break_everywhere("gzip", &packed(&IDX), |path| read_idx(path));
    break_everywhere("packed rows", &packed(&IDX), |path: &Path| ArrayFile::idx(path)?.rows::<f32>(&[1, 0]));
    refuses(&[&IDX[..], b"more"].concat(), |path| read_idx(path), "the file continues");
    refuses(&[&packed(&IDX)[..], b"more"].concat(), |path| read_idx(path), "byte 20:");
    break_everywhere("npy rows", numpy!("c.npy"), |path: &Path| ArrayFile::npy(path)?.rows::<f64>(&[1, 0]));
    break_everywhere("npz", numpy!("several.npz"), |path| StateDict::read_npz(path));
    break_everywhere("stored", numpy!("stored.npz"), |path| StateDict::read_npz(path));
}

/// Byte offsets of the headers in an archive's list of entries.
fn listed(archive: &[u8]) -> Vec<usize> {
    (0..archive.len()).filter(|&at| archive[at..].starts_with(b"PK\x01\x02")).collect()
}

/// Small archives that would unpack to much more: their entries share a body, or one contains the next.
#[test]
fn archives_that_count_bytes_twice() {
    let folder = Folder::new("bomb");
    let path = folder.file("arrays.npz");
    let mut dict = StateDict::new();
    dict.insert("a", tensor![1.0, 2.0]);
    dict.insert("b", tensor![3.0, 4.0]);
    dict.write_npz(&path).unwrap();
    let sound = fs::read(&path).unwrap();
    let &[first, second] = &listed(&sound)[..] else { panic!("two entries are listed") };
    let read = |path: &Path| StateDict::read_npz(path);

    let mut shared = sound.clone();
    shared.copy_within(first + 42..first + 46, second + 42); // where the entry begins
    refuses(&shared, read, &format!("byte {first}: list of entries"));

    let mut bomb = sound[..second].to_vec();
    let names = b"bcdefghijklmnopqrstuvwxyz";
    for name in names {
        bomb.extend(&sound[first..second]);
        let at = bomb.len() - (second - first) + 46;
        bomb[at] = *name;
    }
    let mut end = sound[sound.len() - 22..].to_vec();
    let size = ((second - first) * (names.len() + 1)) as u32;
    [8, 10].iter().for_each(|at| end[*at] = names.len() as u8 + 1);
    end[12..16].copy_from_slice(&size.to_le_bytes());
    bomb.extend(end);
    refuses(&bomb, read, &format!("byte {first}: list of entries"));

    let mut swallowing = sound.clone();
    for at in [first + 20, first + 24] {
        swallowing[at] += 60; // its length, packed and not, into the next entry
    }
    refuses(&swallowing, read, &format!("byte {first}: list of entries"));
}

#[test]
fn names_in_archives() {
    let folder = Folder::new("npz-names");
    let path = folder.file("arrays.npz");
    let mut dict = StateDict::new();
    dict.insert("x.npy", tensor![1.0]);
    dict.insert("x", tensor![2.0]);
    dict.write_npz(&path).unwrap();
    assert_eq!(StateDict::read_npz(&path).unwrap(), dict);
    // The entry "b.npy" becomes a second "a" next to "a.npy": the rest of its name becomes a meaningless extra field.
    let mut dict = StateDict::new();
    dict.insert("a", tensor![1.0]);
    dict.insert("b", tensor![2.0]);
    dict.write_npz(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let start = bytes.windows(5).position(|name| name == b"b.npy").unwrap() - 30;
    let in_list = listed(&bytes)[1];
    for (at, name) in [(start + 26, start + 30), (in_list + 28, in_list + 46)] {
        bytes[at] = 1;
        bytes[at + 2] += 4;
        bytes[name..name + 5].copy_from_slice(b"a\xfe\xca\0\0");
    }
    refuses(&bytes, |path: &Path| StateDict::read_npz(path), &format!("byte {in_list}: \"a\" occurs twice"));
    bytes[in_list + 46] = b'c';
    refuses(&bytes, |path: &Path| StateDict::read_npz(path), "list of entries");
}

/// Sizes that no file may declare, whichever reader opens it.
#[test]
fn sizes_beyond_the_file() {
    let huge = b"\x93NUMPY\x01\0\x46\0{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000)}\n";
    let saying = "1000000000000 elements of 8 bytes are declared, but";
    refuses(huge, |path| read_npy(path), saying);
    refuses(huge, |path: &Path| ArrayFile::npy(path), saying);
    // Without elements, but with rows, or columns, of more than any memory holds.
    for order in ["False", "True"] {
        let header = format!("{{'descr': '<f8', 'fortran_order': {order}, 'shape': (0, 4294967296, 4294967296)}}\n");
        let bytes = [b"\x93NUMPY\x01\0", &[header.len() as u8, 0][..], header.as_bytes()].concat();
        refuses(&bytes, |path| read_npy(path), "the number of elements of shape");
        let saying = if order == "True" { "cannot read single rows" } else { "the number of elements of shape" };
        refuses(&bytes, |path: &Path| ArrayFile::npy(path), saying);
    }
    let folder = Folder::new("huge");
    let path = folder.file("huge.npz");
    let mut dict = StateDict::new();
    dict.insert("x", tensor![[1.0, 2.0], [3.0, 4.0]]);
    dict.write_npz(&path).unwrap();
    let mut archive = fs::read(&path).unwrap();
    let at = archive.windows(6).position(|bytes| bytes == b"(2, 2)").unwrap();
    archive[at..at + 20].copy_from_slice(b"(1000000000, 1000)} ");
    refuses(
        &archive,
        |path: &Path| StateDict::read_npz(path),
        "1000000000000 elements of 8 bytes are declared, but at most",
    );
    let idx = [&[0, 0, 14, 2][..], &[0xff; 3], &[0, 0, 0, 0, 9], &[1; 8]].concat();
    let saying = "38654703360 elements of 8 bytes are declared, but";
    for bytes in [idx.clone(), packed(&idx)] {
        refuses(&bytes, |path| read_idx(path), saying);
        refuses(&bytes, |path: &Path| ArrayFile::idx(path), saying);
    }
}

/// Bytes of shape [2, 1, 2].
const IDX: [u8; 20] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 51, 204, 255];

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_arrays_must_not_say() {
    let npy = |header: &str| [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    let of_shape = |shape: &str| npy(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"));
    let cases = [
        (numpy!("complex.npy").to_vec(), "byte 26: type \"<c16\" is not supported"),
        (b"\x93NUMPY\x04\0\0\0".to_vec(), "byte 6: version 4 of the format is not supported"),
        (b"\x93NUMPY\x03\0\xff\xff\xff\xff".to_vec(), "a header of 4294967295 bytes is too long"),
        (npy("{'descr': '<f4', 'shape': (1,)}"), "a field of the header is missing"),
        (npy("{'descr': '<f4', 'order': 1}"), "\"order\" is not a header field"),
        (of_shape("(-1,)"), "expected a size in the header's shape"),
        (of_shape("(99999999999999999999,)"), "expected a size in the header's shape"),
        (of_shape("(4611686018427387904,)"), "are declared, but 0 bytes follow"),
        (of_shape("(4294967296, 4294967296)"), "the number of elements of shape"),
        (of_shape("(1000000000,)"), "1000000000 elements of 4 bytes are declared, but 0 bytes follow"),
    ];
    cases.iter().for_each(|(bytes, saying)| refuses(bytes, |path| read_npy(path), saying));
    let huge = [0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 1];
    let cases = [
        (vec![0, 1, 8, 0, 1], "byte 0: the file does not start with two zeros"),
        (vec![0, 0, 7, 0, 1], "byte 2: 0x7 is not a type of this format"),
        (huge.to_vec(), "the number of elements of shape"),
        (huge[..16].iter().copied().chain([1]).map(|b| if b == 9 { 0 } else { b }).collect(), "the file continues"),
        (packed(&[0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff, 1]), "4294967295 elements of 1 bytes are declared, but at most"),
        (packed(&[0, 0, 8, 1, 0, 0, 0, 9, 1]), "byte 8: the file ends too early"),
    ];
    cases.iter().for_each(|(bytes, saying)| refuses(bytes, |path| read_idx(path), saying));
    let open = |path: &Path| ArrayFile::idx(path);
    refuses(&[0, 0, 8, 0, 1], open, "a scalar has no rows");
    refuses(&packed(&[0, 0, 8, 1, 0, 0, 0, 9, 1]), open, "byte 9: the file ends too early");
    refuses(&packed(&[&IDX[..], b"more"].concat()), open, "the file continues");
    refuses(numpy!("fortran.npy"), |path: &Path| ArrayFile::npy(path), "cannot read single rows");
}

#[test]
fn pictures() {
    let folder = Folder::new("pictures");
    let (images, labels) = (folder.file("images.gz"), folder.file("labels"));
    written(&images, &packed(&IDX));
    written(&labels, &[0, 0, 8, 1, 0, 0, 0, 2, 7, 3]);
    let data = TensorDataset::<f64>::from_idx(&images, &labels).unwrap();
    assert_eq!(data.inputs(), &tensor![[[[0.0, 0.2]]], [[[0.8, 1.0]]]]);
    assert_eq!(data.targets(), &Target::Labels(tensor![7_i64, 3]));
    let rows = FileDataset::labels(ArrayFile::idx(&images).unwrap(), ArrayFile::idx(&labels).unwrap()).unwrap();
    let batch = Dataset::<f64>::batch(&rows, &[1, 0, 1]).unwrap();
    assert_eq!(batch.inputs, tensor![[[204.0, 255.0]], [[0.0, 51.0]], [[204.0, 255.0]]]);
    assert_eq!(batch.targets, Target::Labels(tensor![3_i64, 7, 3]));
    let open = |path| ArrayFile::idx(path).unwrap();
    let rows = FileDataset::pictures(open(&images), open(&labels)).unwrap();
    assert_eq!(Dataset::<f64>::batch(&rows, &[1, 0, 1]).unwrap(), data.batch(&[1, 0, 1]).unwrap());
    let error = FileDataset::pictures(open(&labels), open(&labels)).err().unwrap().to_string();
    assert_eq!(error, "expected images [n, height, width] and integer labels [n], got shapes [2] and [2]");
    let error = TensorDataset::<f64>::from_idx(&images, &images).unwrap_err().to_string();
    assert_eq!(error, "expected images [n, height, width] and integer labels [n], got shapes [2, 1, 2] and [2, 1, 2]");
    let error = TensorDataset::<f64>::from_idx(&labels, &labels).unwrap_err().to_string();
    assert_eq!(error, "expected images [n, height, width] and integer labels [n], got shapes [2] and [2]");
}

/// A thousand rows in a file give the same batches as in memory, even prefetched and augmented.
#[test]
fn rows_of_files() {
    let folder = Folder::new("rows-of-files");
    let (x, y, both) = (folder.file("x.npy"), folder.file("y.npy"), folder.file("both"));
    let inputs = Tensor::<f64>::randn(&[1000, 1, 3, 4], &mut autograd::Rng::new(3));
    let labels: Tensor<i64> = (0..1000).map(|i| i % 7).collect();
    write_npy(&x, &inputs.clone().into()).unwrap();
    write_npy(&y, &labels.clone().into()).unwrap();
    let mut dict = StateDict::new();
    dict.insert("y", labels.clone());
    dict.insert("x", inputs.clone());
    dict.write(&both).unwrap();
    let memory = TensorDataset::new(inputs, Target::Labels(labels)).unwrap();
    let arrays = FileDataset::labels(ArrayFile::npy(&x).unwrap(), ArrayFile::npy(&y).unwrap()).unwrap();
    let tensor = |name| ArrayFile::safetensors(&both, name).unwrap();
    let tensors = FileDataset::labels(tensor("x"), tensor("y")).unwrap();
    assert!(ArrayFile::safetensors(&both, "z").err().unwrap().to_string().contains("the file has no tensor \"z\""));

    let batches = |data: &dyn Dataset<f64>| -> Vec<String> {
        let augmented = Augmented::new(data, 5).then(nn::data::RandomCrop { size: [3, 4], padding: 1 });
        let loader = DataLoader::new(&augmented, 64).unwrap().shuffle(1);
        let at = Position { epoch: 2, batch: 3 };
        loader.prefetched(at, 2, |batches| batches.map(|batch| format!("{:?}", batch.unwrap())).collect())
    };
    let expected = batches(&memory);
    assert_eq!((expected.len(), batches(&arrays) == expected, batches(&tensors) == expected), (13, true, true));

    // A file that shrinks while it is open is an error when its missing rows are requested.
    fs::OpenOptions::new().write(true).open(&x).unwrap().set_len(5000).unwrap();
    let error = Dataset::<f64>::batch(&arrays, &[0, 999]).unwrap_err().to_string();
    assert!(error.contains("x.npy, byte") && error.contains("ends too early"), "{error}");
}
