//! Moves, openings of games, positions, openings of steps, and a move played at a position. The first byte chooses.
#![no_main]

#[path = "../../prover/tests/decoders/drive.rs"]
mod drive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 5 {
        0 => drive::moves(bytes),
        1 => drive::opens(bytes),
        2 => drive::position(bytes),
        3 => drive::openings(bytes),
        _ => drive::game(bytes),
    }
});
