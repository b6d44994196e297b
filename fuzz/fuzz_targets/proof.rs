//! Proof files: the first two bytes say how long a key is, the key follows, then the file.
#![no_main]

use assay_verifier::bundle;
use assay_verifier::key::VerifyingKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bundle::Header::decode(bytes);
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (key, file) = rest.split_at(length);
    if let Ok(key) = VerifyingKey::decode(key) {
        let _ = bundle::verify(&key, file);
    }
});
