//! Tables that stay on disk: they give the rows that reading the whole table gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::data::{Column, CsvFile, CsvOptions, Dataset, Gap, read_csv};
use wengert_fuzz::with_file;

fuzz_target!(|data: &[u8]| {
    let [how, table @ ..] = data else { return };
    let options = match how % 4 {
        0 => CsvOptions::values(0),
        1 => CsvOptions::labels(Column::Last),
        2 => CsvOptions::text("y").gaps(Gap::Mean),
        _ => CsvOptions::values(0).comments(b'#').gaps(Gap::DropRow),
    };
    with_file("table.csv", table, |path| {
        let Ok(file) = CsvFile::open(path, &options) else { return };
        let all: Vec<usize> = (0..Dataset::<f64>::len(&file)).collect();
        let rows = Dataset::<f64>::batch(&file, &all);
        let whole = read_csv::<f64>(path, &options);
        match (rows, whole) {
            (Ok(rows), Ok(whole)) => {
                let whole = whole.batch(&all).expect("all rows");
                assert_eq!(format!("{:?}", rows.inputs), format!("{:?}", whole.inputs));
                assert_eq!(format!("{:?}", rows.targets), format!("{:?}", whole.targets));
            }
            (Err(_), Err(_)) => {}
            (rows, whole) => panic!("by row: {:?}; as a whole: {:?}", rows.err(), whole.err()),
        }
    });
});
