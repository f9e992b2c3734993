//! The text of columns, as files hold it: what is accepted reads a table without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::data::{Columns, CsvOptions, Gap};
use std::sync::LazyLock;
use wengert_fuzz::{Edits, bounded};

const TABLE: &[u8] = b"a,b,c,y\n1,u,p,x\n2,v,q,z\n,u,,x\n";

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let options = CsvOptions::text("y").one_hot(["b"]).ordinal("c", ["p", "q"]).gaps(Gap::Mean);
    options.learn_from::<f64>(TABLE, "fuzz").unwrap().0.to_text()
});

fuzz_target!(|data: &[u8]| {
    let [how, data @ ..] = data else { return };
    let text = if how % 2 == 0 { data.to_vec() } else { Edits(data).of(TEXT.as_bytes()) };
    let Ok(text) = str::from_utf8(&text) else { return };
    bounded(text.len(), || {
        let Ok(columns) = Columns::from_text(text) else { return };
        let _ = (columns.inputs(), columns.outputs(), columns.class_names(), columns.input_names());
        let _ = columns.read_inputs_from::<f32>(TABLE, "fuzz");
        let again = Columns::from_text(&columns.to_text()).expect("columns read their own text");
        assert_eq!(again.to_text(), columns.to_text());
    });
});
