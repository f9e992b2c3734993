//! Safetensors files: all tensors, each by its rows, and written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::io::{ArrayFile, StateDict};
use wengert_fuzz::{same_rows, survives, with_file};

fuzz_target!(|data: &[u8]| {
    with_file("w.safetensors", data, |path| {
        let dict = StateDict::read(path);
        let _ = ArrayFile::safetensors(path, "a");
        let Ok(dict) = dict else { return };
        for (name, tensor) in dict.iter() {
            if let Ok(rows) = ArrayFile::safetensors(path, name) {
                same_rows(tensor, &rows);
            }
        }
        survives(&dict, |path| dict.write(path).unwrap(), |path| StateDict::read(path).unwrap());
    });
});
