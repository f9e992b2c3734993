//! NPZ archives: all arrays, each by its name, and written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::io::StateDict;
use wengert_fuzz::{same, survives, with_file};

fuzz_target!(|data: &[u8]| {
    with_file("npz", data, |path| {
        let Ok(dict) = StateDict::read_npz(path) else { return };
        for (name, array) in dict.iter() {
            same(array, &StateDict::read_npz_array(path, name).expect("it was read before"));
        }
        if let Err(error) = dict.write_npz(path) {
            // A name can be too long for the list of entries.
            return assert!(error.to_string().contains("npz"), "{error}");
        }
        survives(&dict, |path| dict.write_npz(path).unwrap(), |path| StateDict::read_npz(path).unwrap());
    });
});
