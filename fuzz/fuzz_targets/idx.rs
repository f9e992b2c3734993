//! IDX files: as a whole, as numbers, and by rows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::data::TensorDataset;
use nn::io::{ArrayFile, read_idx, read_idx_as};
use wengert_fuzz::{same, same_rows, with_file};

fuzz_target!(|data: &[u8]| {
    with_file("idx", data, |path| {
        let whole = read_idx(path);
        let numbers = read_idx_as::<f64>(path);
        assert_eq!(whole.is_ok(), numbers.is_ok());
        let _ = TensorDataset::<f32>::from_idx(path, path);
        if let (Ok(whole), Ok(file)) = (whole, ArrayFile::idx(path)) {
            same_rows(&whole, &file);
            same(&whole, &numbers.expect("as the whole").into());
        }
    });
});
