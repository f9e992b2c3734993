//! The header of a safetensors file, parsed without an intermediate tree: a hostile one must not take much more memory
//! than its text.

use super::METADATA;
use crate::io::dtype::{Dtype, Layout, Order};
use serde_core::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{Formatter, Result as Written};
use std::marker::PhantomData;

/// The most axes of a tensor.
const MOST_AXES: usize = 64;

/// Type names in headers, and the storage types they denote.
const TYPES: [(&str, Dtype); 13] = [
    ("BOOL", Dtype::Bool),
    ("U8", Dtype::U8),
    ("I8", Dtype::I8),
    ("U16", Dtype::U16),
    ("I16", Dtype::I16),
    ("U32", Dtype::U32),
    ("I32", Dtype::I32),
    ("U64", Dtype::U64),
    ("I64", Dtype::I64),
    ("F16", Dtype::F16),
    ("BF16", Dtype::Bf16),
    ("F32", Dtype::F32),
    ("F64", Dtype::F64),
];

/// A header: entries in file order, and the metadata.
#[derive(Default)]
pub(super) struct Header {
    pub entries: Vec<(String, Entry)>,
    pub notes: BTreeMap<String, String>,
}

/// The entry of one tensor in a header.
pub(super) struct Entry {
    pub layout: Layout,
    /// Byte offset from the end of the header.
    pub begin: u64,
    pub end: u64,
}

/// What is read from a JSON object, field by field.
trait Object: Default {
    /// What is expected, for errors.
    const WHAT: &str;

    /// Reads the value of a field.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object.
fn object<'de, O: Object, D: Deserializer<'de>>(deserializer: D) -> Result<O, D::Error> {
    struct Fields<O>(PhantomData<O>);
    impl<'de, O: Object> Visitor<'de> for Fields<O> {
        type Value = O;
        fn expecting(&self, f: &mut Formatter) -> Written {
            f.write_str(O::WHAT)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<O, A::Error> {
            let mut object = O::default();
            while let Some(name) = map.next_key()? {
                object.field(name, &mut map)?;
            }
            Ok(object)
        }
    }
    deserializer.deserialize_map(Fields(PhantomData))
}

impl Object for Header {
    const WHAT: &str = "an object";

    fn field<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        if name == METADATA {
            self.notes = map.next_value::<Option<Notes>>()?.unwrap_or_default().0;
            return Ok(());
        }
        let entry = map.next_value::<Parts>()?.entry();
        let entry = entry.map_err(|problem| A::Error::custom(format!("header, {name:?}: {problem}")))?;
        self.entries.push((name, entry));
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

/// Metadata: text by name.
#[derive(Default)]
struct Notes(BTreeMap<String, String>);

impl Object for Notes {
    const WHAT: &str = "metadata as an object of strings";

    fn field<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        let Value::String(text) = map.next_value()? else {
            return Err(A::Error::custom(format!("the value of {name:?} is not a string")));
        };
        self.0.insert(name, text);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Notes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

/// The fields of an entry that have been read so far.
#[derive(Default)]
struct Parts {
    dtype: Option<String>,
    shape: Option<Sizes>,
    offsets: Option<Sizes>,
}

impl Parts {
    fn entry(self) -> Result<Entry, String> {
        let dtype = self.dtype.ok_or("\"dtype\" is missing")?;
        let known = TYPES.iter().find(|(name, _)| *name == dtype);
        let &(_, dtype) = known.ok_or_else(|| unsupported(&dtype))?;
        let shape = self.shape.and_then(|Sizes(sizes)| sizes).ok_or("\"shape\" is not a list of at most 64 sizes")?;
        let shape = shape.into_iter().map(usize::try_from).collect::<Result<_, _>>();
        let shape = shape.map_err(|_| "\"shape\" has a size that does not fit in memory")?;
        let layout = Layout { dtype, order: Order::Little, shape };
        match self.offsets {
            Some(Sizes(Some(pair))) if pair.len() == 2 => Ok(Entry { layout, begin: pair[0], end: pair[1] }),
            _ => Err("\"data_offsets\" is not a pair of numbers".into()),
        }
    }
}

/// Describes a type that no tensor here can have.
fn unsupported(dtype: &str) -> String {
    let what = match dtype {
        _ if dtype.starts_with("F8") || dtype.starts_with("F6") || dtype.starts_with("F4") => {
            " (floating-point numbers of at most 8 bits: convert them to BF16 or F32)"
        }
        _ if dtype.starts_with('C') => " (complex numbers: store the real and the imaginary part)",
        _ => "",
    };
    format!("type {dtype:.20?} is not supported{what}")
}

impl Object for Parts {
    const WHAT: &str = "the type, shape and position of a tensor";

    fn field<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        match name.as_str() {
            "dtype" => self.dtype = Some(map.next_value()?),
            "shape" => self.shape = Some(map.next_value()?),
            "data_offsets" => self.offsets = Some(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)
    }
}

/// A list of numbers; `None` if it is too long, or an element is not a valid size.
struct Sizes(Option<Vec<u64>>);

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Sizes;
            fn expecting(&self, f: &mut Formatter) -> Written {
                f.write_str("a list of sizes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sizes, A::Error> {
                let mut sizes = Some(Vec::new());
                while let Some(element) = list.next_element::<Value>()? {
                    let room = sizes.filter(|sizes: &Vec<u64>| sizes.len() < MOST_AXES);
                    sizes = room.zip(element.as_u64()).map(|(mut sizes, size)| {
                        sizes.push(size);
                        sizes
                    });
                }
                Ok(Sizes(sizes))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}
