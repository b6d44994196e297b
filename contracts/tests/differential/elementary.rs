//! The elementary functions in the deployed formulas.

use crate::common::programs::Dice;
use crate::machine::Machine;
use crate::numbers::{edges, random};
use assay_circuits::formula::{Formula, UNARY, Unary};
use assay_circuits::real::Soft;

const ELEMENTARY: [Unary; 8] = [
    Unary::Exp,
    Unary::Log,
    Unary::Tanh,
    Unary::Erf,
    Unary::Sigmoid,
    Unary::ReciprocalRoot,
    Unary::Sin,
    Unary::Cos,
];

/// Where a function overflows, underflows, saturates, changes its polynomial or reduces its argument.
const THRESHOLDS: [f32; 22] = [
    88.72284, -87.33655, -103.97208, 88.72283, 104.0, 0.6931472, 0.34657359, 0.5, 0.70710677, 1.4142135,
    0.921875, 2.0, 3.925, 4.0, 9.010914, 10.0, 16.635532, 1.5707964, 3.1415927, 0.7853982, 25.0, 1e-4,
];

/// What all functions are compared at.
fn numbers() -> Vec<u32> {
    let mut dice = Dice(41);
    let mut numbers = edges();
    for threshold in THRESHOLDS {
        for step in -3..=3 {
            let bits = threshold.abs().to_bits().wrapping_add_signed(step);
            numbers.extend([bits, bits | 1 << 31]);
        }
    }
    // Multiples of a quarter turn, large ones too, and each power of two.
    numbers.extend((1..=64).map(|k| (k as f32 * std::f32::consts::FRAC_PI_2).to_bits()));
    numbers.extend((0..255).flat_map(|exponent: u32| [exponent << 23, exponent << 23 | 0x8000_0001]));
    numbers.extend((0..1500).map(|_| random(&mut dice)));
    numbers.extend((0..1000).map(|_| ((dice.from(-1 << 20..=1 << 20) as f32) / 8192.0).to_bits()));
    numbers
}

#[test]
fn elementary_functions_agree_at_edges_thresholds_and_at_random() {
    let (mut machine, numbers) = (Machine::new(), numbers());
    assert_eq!(numbers.len(), 57 + 22 * 14 + 64 + 510 + 2500);
    for function in ELEMENTARY {
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
    assert_eq!(UNARY[6..], ELEMENTARY);
}
