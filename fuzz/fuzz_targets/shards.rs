//! The index of a model in several files: next to two valid ones.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::io::StateDict;
use std::sync::Once;
use wengert_fuzz::{path, with_file};

static SHARDS: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    SHARDS.call_once(|| {
        for name in ["a", "b"] {
            let mut dict = StateDict::new();
            dict.insert(name, autograd::tensor![1.0, 2.0]);
            dict.write(path(&format!("{name}.safetensors"))).unwrap();
        }
    });
    with_file("index.json", data, |path| {
        if let Ok(dict) = StateDict::read(path) {
            assert!(dict.iter().all(|(name, _)| ["a", "b"].contains(&name)));
        }
    });
});
