//! Verifying keys: decoding, and the check of a committed model's ranges.
#![no_main]

use assay_verifier::key::VerifyingKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = VerifyingKey::decode(bytes) {
        assert_eq!(key.encode(), bytes);
    }
});
