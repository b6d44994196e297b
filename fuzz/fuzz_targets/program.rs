//! Programs: decoding, checking, planning.
#![no_main]

use assay_circuits::plan::plan;
use assay_circuits::program::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(program) = Program::decode(bytes) {
        assert_eq!(program.encode(), bytes);
        let _ = plan(&program);
    }
});
