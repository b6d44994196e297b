//! Receipts, and the envelopes that they travel in.
#![no_main]

use assay_prover::envelope;
use assay_prover::terms;
use assay_verifier::receipt::Receipt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes, "two encodings of one receipt");
        let _ = receipt.check();
    }
    let _ = envelope::open(bytes);
    if let Ok(agreement) = terms::from_json(bytes) {
        let text = terms::to_json(&agreement).unwrap();
        assert_eq!(terms::from_json(text.as_bytes()).unwrap(), agreement);
    }
});
