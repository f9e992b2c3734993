//! [`Columns`] as text, to be stored in the file of a model.

use super::columns::{Code, Columns, Input, distinct};
use super::names::Names;
use super::options::{CsvOptions, Gap, Kind};
use super::record::Format;
use crate::data::DataError;
use serde_json::{Map, Value, json};

/// Identifies the format of the text.
const VERSION: &str = "wengert columns 1";

impl Columns {
    /// The columns as text (JSON), to be stored with a model. [`Pipeline`](crate::Pipeline) does so.
    ///
    /// ```
    /// use nn::data::{Columns, CsvOptions};
    /// let table = &b"size,kind\nS,a\nL,b\n"[..];
    /// let (columns, data) = CsvOptions::text("kind").one_hot(["size"]).learn_from::<f64>(table, "table.csv")?;
    /// let restored = Columns::from_text(&columns.to_text())?;
    /// assert_eq!(restored.class_names(), ["a", "b"]);
    /// assert_eq!(&restored.read_inputs_from::<f64>(table, "table.csv")?, data.inputs());
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn to_text(&self) -> String {
        // Without `..`: new fields must be stored, or listed as not needed after learning.
        let Columns { options, headings, width, inputs, targets, classes, labels } = self;
        let CsvOptions {
            kind,
            drop_missing_targets,
            markers,
            format,
            targets: _,
            inputs: _,
            texts: _,
            gaps: _,
            gaps_of: _,
            header: _,
        } = options;
        let Format { delimiter, quotes, comment, skip, decimal } = format;
        let (kind, limit) = match kind {
            Kind::Values => ("values", None),
            Kind::Labels(limit) => ("labels", *limit),
            Kind::Text(_) => ("text", None),
        };
        json!({
            "version": VERSION,
            "header": options.has_header(),
            "headings": headings,
            "width": width,
            "inputs": inputs.iter().map(written).collect::<Vec<_>>(),
            "targets": targets,
            "kind": kind,
            "limit": limit,
            "labels": labels,
            "classes": classes.list(),
            "markers": markers,
            "drop_missing_targets": drop_missing_targets,
            "delimiter": delimiter,
            "quotes": quotes,
            "comment": comment,
            "skip": skip,
            "decimal": decimal,
        })
        .to_string()
    }

    /// Restores columns from their [text](Columns::to_text).
    ///
    /// # Errors
    /// If the text is not valid.
    pub fn from_text(text: &str) -> Result<Self, DataError> {
        let wrong = |problem: String| DataError::NoColumns { problem };
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let fields = value.as_object().ok_or_else(|| wrong("it is not an object".into()))?;
        read(fields).map_err(wrong)
    }
}

fn written(input: &Input) -> Value {
    let Input { place, code, gap, fill } = input;
    let (code, names) = match code {
        Code::Number => ("number", &[][..]),
        Code::OneHot(names) => ("one_hot", names.list()),
        Code::Ordinal(names) => ("ordinal", names.list()),
    };
    let gap = match gap {
        Gap::Refuse => "refuse",
        Gap::DropRow => "drop_row",
        Gap::Value(_) | Gap::Mean | Gap::Median | Gap::MostFrequent => "fill",
    };
    json!({ "place": place, "code": code, "names": names, "gap": gap, "fill": fill })
}

/// A field of an object, converted by `of`.
fn field<'v, V>(fields: &'v Map<String, Value>, name: &str, of: impl Fn(&'v Value) -> Option<V>) -> Result<V, String> {
    fields.get(name).and_then(of).ok_or_else(|| format!("field {name:?} is missing or not valid"))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| Some(text.as_str()?.to_owned())).collect()
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn byte(value: &Value) -> Option<u8> {
    u8::try_from(value.as_u64()?).ok()
}

/// A value that may be null.
fn option<V>(value: &Value, of: impl Fn(&Value) -> Option<V>) -> Option<Option<V>> {
    if value.is_null() { Some(None) } else { of(value).map(Some) }
}

fn read(fields: &Map<String, Value>) -> Result<Columns, String> {
    if field(fields, "version", Value::as_str)? != VERSION {
        return Err(format!("its version is not {VERSION:?}"));
    }
    let width = field(fields, "width", index)?;
    let headings = field(fields, "headings", texts)?;
    if !headings.is_empty() && headings.len() != width {
        return Err(format!("it has {} headings for {width} columns", headings.len()));
    }
    let place = |value: &Value| index(value).filter(|place| *place < width);
    let inputs = field(fields, "inputs", Value::as_array)?;
    let inputs = inputs.iter().map(|input| read_input(input, place)).collect::<Result<Vec<_>, _>>()?;
    if inputs.is_empty() {
        return Err("it has no inputs".into());
    }
    let closed = |list: &[String]| Names::closed(list, "the class name").map_err(|error| error.to_string());
    let classes = field(fields, "classes", texts)?;
    let limit = field(fields, "limit", |value| option(value, index))?;
    let kind = match field(fields, "kind", Value::as_str)? {
        "values" => Kind::Values,
        "labels" => Kind::Labels(limit),
        "text" => Kind::Text(Some(classes.clone())),
        other => return Err(format!("{other:?} is not a kind of targets")),
    };
    let format = Format {
        delimiter: field(fields, "delimiter", |value| option(value, byte))?,
        quotes: field(fields, "quotes", Value::as_bool)?,
        comment: field(fields, "comment", |value| option(value, byte))?,
        skip: field(fields, "skip", Value::as_u64)?,
        decimal: field(fields, "decimal", byte)?,
    };
    let options = CsvOptions {
        kind,
        format,
        header: field(fields, "header", Value::as_bool)?,
        markers: field(fields, "markers", texts)?,
        drop_missing_targets: field(fields, "drop_missing_targets", Value::as_bool)?,
        ..CsvOptions::without_target()
    };
    let targets: Vec<usize> = field(fields, "targets", |value| value.as_array()?.iter().map(place).collect())?;
    let places: Vec<usize> = inputs.iter().map(|input| input.place).chain(targets.iter().copied()).collect();
    distinct(&places, &headings).map_err(|error| error.to_string())?;
    let (classes, labels) = (closed(&classes)?, field(fields, "labels", index)?);
    Ok(Columns { options, headings, width, inputs, targets, classes, labels })
}

fn read_input(input: &Value, place: impl Fn(&Value) -> Option<usize>) -> Result<Input, String> {
    let fields = input.as_object().ok_or("an input is not an object")?;
    let names = field(fields, "names", texts)?;
    let closed = || Names::closed(&names, "the category").map_err(|error| error.to_string());
    let code = match field(fields, "code", Value::as_str)? {
        "number" => Code::Number,
        "one_hot" => Code::OneHot(closed()?),
        "ordinal" => Code::Ordinal(closed()?),
        other => return Err(format!("{other:?} is not a coding of inputs")),
    };
    let fill = field(fields, "fill", |value| option(value, |x| x.as_f64().filter(|x| x.is_finite())))?;
    let gap = match field(fields, "gap", Value::as_str)? {
        "refuse" => Gap::Refuse,
        "drop_row" => Gap::DropRow,
        "fill" => fill.map_or(Gap::MostFrequent, Gap::Value),
        other => return Err(format!("{other:?} is no way to treat gaps")),
    };
    Ok(Input { place: field(fields, "place", place)?, code, gap, fill })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back() {
        let text = "# made\nname;x;size;y\na;1,5;S;1\nb;;L;2\nb;NA;;3\n";
        let options = CsvOptions::values("y").one_hot(["name"]).ordinal("size", ["S", "L"]).gaps(Gap::Mean);
        let options = options.delimiter(b';').decimal(b',').comments(b'#').markers(["NA"]);
        let (columns, data) = options.learn_from::<f64>(text.as_bytes(), "t").unwrap();
        let restored = Columns::from_text(&columns.to_text()).unwrap();
        assert_eq!(&restored.read_inputs_from::<f64>(text.as_bytes(), "t").unwrap(), data.inputs());
        assert_eq!((restored.input_names(), restored.outputs()), (columns.input_names(), 1));
        assert_eq!(restored.to_text(), columns.to_text());
        let labels = CsvOptions::labels(1).learn_from::<f64>(&b"1,0\n2,2\n"[..], "t").unwrap().0;
        assert_eq!((labels.outputs(), Columns::from_text(&labels.to_text()).unwrap().outputs()), (3, 3));
    }

    /// Every field that is removed, or replaced by something else, gives valid columns or an error.
    #[test]
    fn other_texts_are_errors() {
        let text = &b"a,b,y\n1,u,x\n2,v,z\n"[..];
        let (columns, _) = CsvOptions::text("y").one_hot(["b"]).learn_from::<f64>(text, "t").unwrap();
        let whole: Value = serde_json::from_str(&columns.to_text()).unwrap();
        for name in whole.as_object().unwrap().keys() {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(name);
            let error = Columns::from_text(&less.to_string()).unwrap_err().to_string();
            assert!(error.contains(&format!("field {name:?}")), "{error}");
            for other in [json!(null), json!(-1), json!([1e300]), json!("?"), json!([["x"], ["x"]]), json!({ "x": 7 })]
            {
                less.as_object_mut().unwrap().insert(name.clone(), other);
                if let Ok(columns) = Columns::from_text(&less.to_string()) {
                    let _ = columns.read_inputs_from::<f64>(text, "t");
                }
            }
        }
        for input in ["[]", "1", "{", "{}"] {
            assert!(Columns::from_text(input).is_err());
        }
        let twice = columns.to_text().replace("[\"u\",\"v\"]", "[\"u\",\"u\"]");
        assert!(Columns::from_text(&twice).unwrap_err().to_string().contains("occurs twice"));
        let (values, _) =
            CsvOptions::values(2).inputs([1_usize]).learn_from::<f64>(&b"1,2,3\n4,5,6\n"[..], "t").unwrap();
        for targets in ["[0,0]", "[2,2]", "[1]"] {
            let twice = values.to_text().replace("\"targets\":[2]", &format!("\"targets\":{targets}"));
            assert!(Columns::from_text(&twice).unwrap_err().to_string().contains("is selected twice"));
        }
        let place = columns.to_text().replace("\"place\":1", "\"place\":9");
        assert!(Columns::from_text(&place).unwrap_err().to_string().contains("field \"place\""));
    }
}
