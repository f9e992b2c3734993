//! Compressed files: IDX, which is read as a whole and unpacked to disk, and tables, which are read as a stream. The
//! bytes are those of a compressed file, or are compressed first.
#![no_main]

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use nn::data::{Column, CsvFile, CsvOptions, read_csv};
use nn::io::{ArrayFile, read_idx};
use std::io::Write;
use wengert_fuzz::{same_rows, with_file};

fuzz_target!(|data: &[u8]| {
    let [how, data @ ..] = data else { return };
    let packed = |bytes: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let (left, right) = data.split_at(data.len() / 2);
    let bytes = match how % 4 {
        0 => data.to_vec(),
        1 => packed(data),
        2 => [packed(left), packed(right)].concat(),
        _ => [packed(left), right.to_vec()].concat(),
    };
    with_file("packed.gz", &bytes, |path| {
        let (whole, rows) = (read_idx(path), ArrayFile::idx(path));
        if let (Ok(whole), Ok(rows)) = (whole, rows) {
            same_rows(&whole, &rows);
        }
        let options = CsvOptions::labels(Column::Last);
        let _ = (read_csv::<f32>(path, &options), CsvFile::open(path, &options));
    });
});
