//! ONNX models.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = assay_prover::import(bytes, &Default::default());
});
