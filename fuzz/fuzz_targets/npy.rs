//! NumPy arrays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Write;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".npy").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let _ = assay_prover::files::read_tensor(file.path());
});
