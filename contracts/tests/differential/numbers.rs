//! Numbers of binary32 at which arithmetic goes wrong, and random ones.

use crate::common::programs::Dice;

/// Magnitudes; each is taken with both signs.
const MAGNITUDES: [u32; 27] = [
    0x0000_0000, // zero
    0x0000_0001, // the least subnormal
    0x0000_0003,
    0x0040_0000, // half of the least normal
    0x007f_ffff, // the greatest subnormal
    0x0080_0000, // the least normal
    0x0080_0001,
    0x1f80_0000, // 2^-64: its square is subnormal
    0x3300_0000, // 2^-25: a tie beside 1/2
    0x3380_0000, // 2^-24: a tie beside 1
    0x3380_0001, // just above it
    0x3eaa_aaab, // 1/3, rounded
    0x3f00_0000, // 1/2
    0x3f7f_ffff, // the number before 1
    0x3f80_0000, // 1
    0x3f80_0001, // the number after 1
    0x3fc0_0000, // 3/2
    0x4040_0000, // 3
    0x4b00_0001, // 2^23 + 1: no fraction is left
    0x4b80_0000, // 2^24: 1 is half of its ulp
    0x4b80_0001, // 2^24 + 2
    0x5f00_0000, // 2^63
    0x5f80_0000, // 2^64: its square overflows
    0x7f00_0000, // 2^127
    0x7f7f_ffff, // the greatest
    0x7f80_0000, // infinity
    0x7fc0_0000, // the canonical NaN; with the other sign one that is not
];

/// NaNs with payloads, quiet and signalling.
const NANS: [u32; 3] = [0x7f80_0001, 0x7fff_ffff, 0xffa0_5a5a];

/// All edge numbers.
pub fn edges() -> Vec<u32> {
    let signed = MAGNITUDES.iter().flat_map(|&bits| [bits, bits | 1 << 31]);
    signed.chain(NANS).collect()
}

/// Edge numbers of one sign each, for all triples.
pub fn few_edges() -> Vec<u32> {
    edges()
        .into_iter()
        .enumerate()
        .filter(|(place, _)| place % 4 == 0 || place % 4 == 3)
        .map(|x| x.1)
        .collect()
}

/// Random bits: of any exponent, of a near one, or an edge with a few bits changed.
pub fn random(dice: &mut Dice) -> u32 {
    let edges = edges();
    match dice.from(0..=3) {
        0 => dice.from(0..=0xffff_ffff) as u32,
        1 => dice.of(&edges) ^ dice.from(0..=7) as u32,
        2 => dice.from(0x3e00_0000..=0x4180_0000) as u32 | (dice.from(0..=1) as u32) << 31,
        _ => (dice.from(-4096..=4096) as f32 / 64.0).to_bits(),
    }
}

/// A pair that cancels, all of it or all but a few of its last bits.
pub fn cancelling(dice: &mut Dice) -> [u32; 2] {
    let bits = random(dice);
    [bits, (bits ^ 1 << 31).wrapping_add(dice.from(-2..=2) as u32)]
}
