//! Verifying keys.
#![no_main]

#[path = "../../prover/tests/decoders/drive.rs"]
mod drive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| drive::key(bytes));
