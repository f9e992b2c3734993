//! NPY files: as a whole, by rows, and written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::io::{ArrayFile, read_npy, write_npy};
use wengert_fuzz::{path, same, same_rows, with_file};

fuzz_target!(|data: &[u8]| {
    with_file("npy", data, |file| {
        let (whole, rows) = (read_npy(file), ArrayFile::npy(file));
        let Ok(whole) = whole else { return };
        let again = path("again");
        write_npy(&again, &whole).expect("any array can be written");
        same(&whole, &read_npy(&again).expect("it was just written"));
        if let Ok(rows) = rows {
            same_rows(&whole, &rows);
        }
    });
});
