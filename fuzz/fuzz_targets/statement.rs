//! Statements: the first two bytes say how long a key is, the key follows, then the statement.
#![no_main]

use assay_circuits::encoding::Reader;
use assay_verifier::key::VerifyingKey;
use assay_verifier::statement::Statement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (key, statement) = rest.split_at(length);
    let Ok(key) = VerifyingKey::decode(key) else { return };
    let layout = &key.argument().system.layout;
    if let Ok(statement) = Statement::decode(&mut Reader::new(statement), key.program(), layout) {
        let _ = statement.check(key.program(), layout);
    }
});
