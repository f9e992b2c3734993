//! Tables: any bytes with any options. What was learned is saved and restored, and then reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::data::{Columns, CsvOptions, Gap};
use wengert_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    let [target, gap, how, table @ ..] = data else { return };
    bounded(data.len(), || read(*target, *gap, *how, table));
});

fn read(target: u8, gap: u8, how: u8, table: &[u8]) {
    let options = match target % 8 {
        0 => CsvOptions::values(0),
        1 => CsvOptions::values("y").also(1),
        2 => CsvOptions::labels(nn::data::Column::Last),
        3 => CsvOptions::labels("y").classes(3),
        4 => CsvOptions::text(0),
        5 => CsvOptions::text("y").class_names(["a", "b"]),
        6 => CsvOptions::values(0).one_hot([1]).ordinal(2, ["a", "b"]),
        _ => CsvOptions::without_target().one_hot(["a"]),
    };
    let options = match gap % 7 {
        0 => options,
        1 => options.gaps(Gap::DropRow),
        2 => options.gaps(Gap::Value(-1.0)),
        3 => options.gaps(Gap::Mean),
        4 => options.gaps(Gap::Median),
        5 => options.gaps(Gap::MostFrequent),
        _ => options.drop_missing_targets().markers(["."]),
    };
    let options = match how % 8 {
        0 => options,
        1 => options.delimiter(b';').decimal(b','),
        2 => options.blank_delimited(),
        3 => options.quotes(false),
        4 => options.comments(b'#'),
        5 => options.skip_lines(2),
        6 => options.header(true),
        _ => options.delimiter(b'\t').header(true),
    };
    let Ok((columns, data)) = options.learn_from::<f64>(table, "fuzz") else { return };
    assert_eq!(data.inputs().shape()[1], columns.inputs());
    let restored = Columns::from_text(&columns.to_text()).expect("columns read their own text");
    assert_eq!(restored.to_text(), columns.to_text());
    let inputs = |columns: &Columns| format!("{:?}", columns.read_inputs_from::<f64>(table, "fuzz"));
    assert_eq!(inputs(&columns), inputs(&restored));
}
