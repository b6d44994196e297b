//! Receipts, the envelopes that they travel in, terms. The first byte chooses.
#![no_main]

#[path = "../../prover/tests/decoders/drive.rs"]
mod drive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => drive::receipt(bytes),
        1 => drive::envelope(bytes),
        _ => drive::agreement(bytes),
    }
});
