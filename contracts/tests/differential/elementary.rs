//! The elementary functions in the deployed formulas.

use crate::common::programs::Dice;
use crate::machine::Machine;
use crate::numbers::{edges, random};
use assay_circuits::elementary::{ERF_SPLIT, LN2, QUARTER_PI, TANH_SPLIT};
use assay_circuits::formula::{Formula, UNARY, Unary};
use assay_circuits::real::Soft;

/// The functions whose definition is Assay's own.
const ELEMENTARY: &[Unary] = UNARY.split_at(Unary::Exp as usize).1;

/// Magnitudes where a function overflows, underflows, saturates, changes its polynomial or reduces its argument anew.
const THRESHOLDS: [u32; 14] = [
    TANH_SPLIT,
    ERF_SPLIT,
    QUARTER_PI,
    LN2,
    0x3eb1_7218, // half of it, where the exponent of exp steps
    0x3f2a_aaab, // 2/3, where that of log does
    0x4080_0000, // 4, where erf is 1
    0x4118_0000, // 9.5, where tanh is
    0x42b1_7217, // the greatest finite exp
    0x42b2_0000, // 89
    0x42ae_ac50, // the least normal exp
    0x42cf_f1b4, // the least positive exp
    0x42d2_0000, // 105
    0x6f79_be45, // nearest to a multiple of a quarter turn
];

/// What all functions are compared at.
fn numbers() -> Vec<u32> {
    let mut dice = Dice(41);
    let mut numbers = edges();
    for threshold in THRESHOLDS {
        for step in -9..=9 {
            let bits = threshold.wrapping_add_signed(step);
            numbers.extend([bits, bits | 1 << 31]);
        }
    }
    // Multiples of a quarter turn, large ones too, and each power of two.
    numbers.extend((1..=64).map(|k| (k as f32 * std::f32::consts::FRAC_PI_2).to_bits()));
    numbers.extend((0..255).flat_map(|exponent: u32| [exponent << 23, exponent << 23 | 0x8000_0001]));
    numbers.extend((0..4000).map(|_| random(&mut dice)));
    numbers.extend((0..4000).map(|_| ((dice.from(-1 << 20..=1 << 20) as f32) / 8192.0).to_bits()));
    numbers
}

#[test]
fn elementary_functions_agree_at_edges_thresholds_and_at_random() {
    let (mut machine, numbers) = (Machine::new(), numbers());
    assert_eq!(numbers.len(), 57 + 14 * 38 + 64 + 510 + 8000);
    for &function in ELEMENTARY {
        let formula = Formula::Unary(function, Box::new(Formula::Sum(0)));
        let mut different = std::collections::BTreeSet::new();
        for &bits in &numbers {
            let own = formula.value(&[Soft(bits)]).0;
            let theirs = machine.value(&formula, &[bits]);
            assert_eq!(own, theirs, "{function:?} at {bits:08x}: Rust {own:08x}, Solidity {theirs:08x}");
            different.insert(own);
        }
        // Not one value for all.
        assert!(different.len() > 500, "{function:?} has {} values", different.len());
    }
    assert_eq!(ELEMENTARY.len(), 8);
}
