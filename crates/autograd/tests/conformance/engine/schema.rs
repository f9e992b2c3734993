//! Reads the JSON files into arrays and cases.

use super::Arg;
use autograd::{Tape, Tensor};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All cases of a family.
pub struct File {
    pub cases: Vec<Case>,
}

/// One application of an op, and its expected results.
pub struct Case {
    pub id: String,
    pub op: String,
    pub attrs: Attrs,
    pub inputs: Vec<Array>,
    pub outputs: Vec<Array>,
    pub cotangents: Vec<Option<Array>>,
    pub grads: Vec<Option<Array>>,
    pub hvp: Option<Hvp>,
    pub rtol: f64,
    pub edge: bool,
    pub expect: Option<String>,
    pub jax_outputs: Option<Vec<Array>>,
    pub jax_grads: Option<Vec<Option<Array>>>,
    pub jax_hvp: Option<Vec<Option<Array>>>,
    /// The whole JSON, for families with a schema of their own.
    pub json: Value,
}

/// Second derivatives along tangents.
pub struct Hvp {
    pub tangents: Vec<Option<Array>>,
    pub grads: Vec<Option<Array>>,
}

/// An array of any dtype, widened to `f64`.
#[derive(Clone, Debug)]
pub struct Array {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
    pub grad: bool,
}

/// An op's attributes. Keeps track of which ones are read, since one that is never read is unknown.
pub struct Attrs {
    values: Value,
    read: RefCell<BTreeSet<String>>,
}

/// Every family that one of the two crates replays.
const FAMILIES: &[&str] = &[
    "attention",
    "binary",
    "conv",
    "edge",
    "einsum",
    "init",
    "linalg",
    "loss",
    "lr_schedule",
    "matmul",
    "normlayer",
    "optim",
    "pool",
    "program",
    "recurrent",
    "reduce",
    "reject",
    "scan",
    "select",
    "shape",
    "softmax",
    "special",
    "transform",
    "unary",
];

/// The files of the given families, from the folder `CONFORMANCE_DIR` if set, or from the default one.
pub fn files(families: &[&str], default: &str) -> Vec<File> {
    let given = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from);
    // Only checked there, since the default folder also has files of other tests.
    given.iter().for_each(|folder| refuse_strangers(folder));
    let folder = given.unwrap_or_else(|| PathBuf::from(default));
    let path = |family: &&str| folder.join(format!("{family}.json"));
    let present: Vec<PathBuf> = families.iter().map(path).filter(|path| path.is_file()).collect();
    assert!(!present.is_empty(), "{} has no file of the families {families:?}", folder.display());
    present.iter().map(|path| read(path)).collect()
}

/// Panics on a file of an unknown family, whose cases would otherwise be skipped silently.
fn refuse_strangers(folder: &Path) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry of the folder").path()) {
        let family = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|ext| ext == "json") && !FAMILIES.contains(&family) {
            assert!(list(&parse(&path)["cases"]).is_empty(), "unknown family `{family}`");
        }
    }
}

fn read(path: &Path) -> File {
    File { cases: list(&parse(path)["cases"]).iter().map(Case::of).collect() }
}

fn parse(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn list(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn arrays(json: &Value) -> Vec<Array> {
    list(json).iter().filter_map(Array::read).collect()
}

pub fn optional(json: &Value) -> Vec<Option<Array>> {
    list(json).iter().map(Array::read).collect()
}

/// A number; infinities and NaN, which JSON lacks, are spelled out.
pub fn number(json: &Value) -> Option<f64> {
    match json {
        Value::Number(x) => x.as_f64(),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::String(s) => s.replace("Infinity", "inf").parse().ok(),
        _ => None,
    }
}

impl Case {
    fn of(json: &Value) -> Case {
        let text = |key: &str| json[key].as_str().map(str::to_string);
        let given = |key: &str| json.get(key).filter(|v| !v.is_null());
        Case {
            id: text("id").unwrap_or_default(),
            op: text("op").unwrap_or_default(),
            attrs: Attrs::new(json["attrs"].clone()),
            inputs: arrays(&json["inputs"]),
            outputs: arrays(&json["outputs"]),
            cotangents: optional(&json["cotangents"]),
            grads: optional(&json["grads"]),
            hvp: given("hvp").map(|h| Hvp { tangents: optional(&h["tangents"]), grads: optional(&h["grads"]) }),
            rtol: json["rtol"].as_f64().unwrap_or(1e-9),
            edge: json["edge"].as_bool().unwrap_or(false),
            expect: text("expect"),
            jax_outputs: given("jax_outputs").map(arrays),
            jax_grads: given("jax_grads").map(optional),
            jax_hvp: given("jax_hvp").map(|h| optional(h.get("grads").unwrap_or(h))),
            json: json.clone(),
        }
    }

    /// The nodes of a program: op, ids of its operands, attributes.
    pub fn nodes(&self) -> Vec<(String, Vec<usize>, Attrs)> {
        self.attrs.nodes()
    }
}

impl Attrs {
    /// The nodes of a program: op, ids of its operands, attributes.
    pub fn nodes(&self) -> Vec<(String, Vec<usize>, Attrs)> {
        let node = |node: &Value| {
            let ids = list(&node[1]).iter().filter_map(|id| id.as_u64().map(|id| id as usize)).collect();
            (node[0].as_str().unwrap_or_default().to_string(), ids, Attrs::new(node[2].clone()))
        };
        list(self.get("nodes").unwrap_or(&Value::Null)).iter().map(node).collect()
    }
}

impl Array {
    fn read(json: &Value) -> Option<Array> {
        let shape: Vec<usize> =
            json.get("shape")?.as_array()?.iter().filter_map(|d| d.as_u64().map(|d| d as usize)).collect();
        let data: Vec<f64> = list(&json["data"]).iter().map(|x| number(x).expect("a number")).collect();
        assert_eq!(data.len(), shape.iter().product::<usize>(), "elements of shape {shape:?}");
        let dtype = json["dtype"].as_str().unwrap_or("f64").to_string();
        Some(Array { dtype, shape, data, grad: json["grad"].as_bool().unwrap_or(false) })
    }

    /// The array of an op's result.
    pub fn of(arg: &Arg) -> Array {
        match arg {
            Arg::Real(x) => Self::of_reals(&x.value()),
            Arg::Index(i) => Array {
                dtype: "i64".into(),
                shape: i.shape().to_vec(),
                data: i.value().iter().map(|i| i as f64).collect(),
                grad: false,
            },
            Arg::Mask(m) => Array {
                dtype: "bool".into(),
                shape: m.shape().to_vec(),
                data: m.indicator().value().to_vec(),
                grad: false,
            },
        }
    }

    pub fn of_reals(x: &Tensor<f64>) -> Array {
        Array { dtype: "f64".into(), shape: x.shape().into(), data: x.to_vec(), grad: false }
    }

    pub fn reals(&self) -> Tensor<f64> {
        Tensor::new(&self.shape, self.data.clone())
    }

    /// The array as an operand on the tape: a variable if derivatives are wanted.
    pub fn operand<'t>(&self, tape: &'t Tape<f64>) -> Arg<'t> {
        match self.dtype.as_str() {
            "i64" => Arg::Index(tape.integers(Tensor::new(&self.shape, self.data.iter().map(|&x| x as i64).collect()))),
            "bool" => Arg::Mask(tape.mask(Tensor::new(&self.shape, self.data.iter().map(|&x| x != 0.0).collect()))),
            "f64" if self.grad => Arg::Real(tape.var(self.reals())),
            "f64" => Arg::Real(tape.constant(self.reals())),
            other => panic!("unknown dtype `{other}`"),
        }
    }
}

impl Attrs {
    pub fn new(values: Value) -> Attrs {
        Attrs { values, read: RefCell::default() }
    }

    /// The attribute; `None` if it is absent or null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_string());
        self.values.get(key).filter(|v| !v.is_null())
    }

    pub fn f64(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(number)
    }

    pub fn int(&self, key: &str) -> Option<isize> {
        self.get(key).and_then(Value::as_i64).map(|i| i as isize)
    }

    pub fn bool(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A list of integers; a single one counts as a list.
    pub fn ints(&self, key: &str) -> Option<Vec<isize>> {
        let value = self.get(key)?;
        let int = |v: &Value| v.as_i64().map(|i| i as isize);
        int(value).map(|i| vec![i]).or_else(|| value.as_array()?.iter().map(int).collect())
    }

    /// A list of sizes.
    pub fn sizes(&self, key: &str) -> Option<Vec<usize>> {
        self.ints(key)?.into_iter().map(|i| usize::try_from(i).ok()).collect()
    }

    /// The attributes that were never read.
    pub fn unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        self.values.as_object().map_or(Vec::new(), |all| all.keys().filter(|k| !read.contains(*k)).cloned().collect())
    }
}

impl std::fmt::Display for Attrs {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let text = self.values.to_string();
        f.write_str(text.get(..120).unwrap_or(&text))
    }
}
