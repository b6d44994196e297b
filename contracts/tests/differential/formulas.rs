//! Arithmetic and elementary functions of binary32.

use super::common::programs::Dice;
use super::common::reals::reals;
use super::evm::Evm;
use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use assay_circuits::encoding::Writer;
use assay_circuits::formula::{BINARY, Formula, UNARY};
use assay_circuits::real::Soft;
use assay_contracts::abi::Formulas;

/// Zeros, the least and the greatest of each class, neighbours of one, ties, infinities and what is no number; of each sign.
fn edges() -> Vec<u32> {
    let positive = [
        0x0000_0000, // zero
        0x0000_0001, // the least subnormal
        0x0000_0003,
        0x0040_0000,
        0x007f_ffff, // the greatest subnormal
        0x0080_0000, // the least normal
        0x0080_0001,
        0x00ff_ffff,
        0x0100_0000,
        0x0d00_0001,
        0x1f80_0000, // whose square is the least normal
        0x2000_0001,
        0x3380_0000, // half a unit of one
        0x3400_0000, // a unit of one
        0x3eff_ffff,
        0x3f00_0000, // a half
        0x3f7f_ffff, // below one
        0x3f80_0000, // one
        0x3f80_0001, // above one
        0x3fc0_0000, // one and a half
        0x4000_0000,
        0x4049_0fdb, // about pi
        0x4b00_0000, // 2^23
        0x4b7f_ffff,
        0x4b80_0000, // 2^24
        0x4f00_0000, // 2^31
        0x5f00_0000, // 2^63
        0x5f7f_ffff, // whose square is the greatest number
        0x7e80_0001,
        0x7f7f_ffff, // the greatest number
        0x7f80_0000, // infinity
        0x7f80_0001, // signalling
        0x7fc0_0000, // the one that arithmetic gives
        0x7fff_ffff,
    ];
    positive.iter().flat_map(|&bits| [bits, bits | 1 << 31]).collect()
}

struct Compared {
    evm: Evm,
    count: usize,
}

impl Compared {
    fn new() -> Compared {
        Compared { evm: Evm::new(), count: 0 }
    }

    fn compare(&mut self, formula: &Formula, sums: &[u32]) {
        let mut encoded = Writer::new();
        formula.encode(&mut encoded);
        let call = Formulas::valueCall {
            formula: encoded.finish().into(),
            sums: sums.iter().map(|&bits| U256::from(bits)).collect(),
        };
        let answer = self.evm.ask(self.evm.formulas, call.abi_encode().into());
        let answer = Formulas::valueCall::abi_decode_returns(&answer.expect("a value")).unwrap();
        let soft: Vec<Soft> = sums.iter().map(|&bits| Soft(bits)).collect();
        assert_eq!(answer, U256::from(formula.value(&soft).0), "{formula:?} of {sums:x?}");
        self.count += 1;
    }
}

fn sum(number: usize) -> Box<Formula> {
    Box::new(Formula::Sum(number))
}

#[test]
fn functions_of_one_number_have_the_same_bits() {
    let (mut compared, mut dice) = (Compared::new(), Dice(31));
    for function in UNARY {
        let formula = Formula::Unary(function, sum(0));
        for bits in edges().into_iter().chain(reals(&mut dice, 500)) {
            compared.compare(&formula, &[bits]);
        }
        for _ in 0..4_000 {
            compared.compare(&formula, &[dice.from(0..=u32::MAX.into()) as u32]);
        }
    }
    assert!(compared.count > 60_000, "{}", compared.count);
}

#[test]
fn functions_of_two_numbers_have_the_same_bits() {
    let (mut compared, mut dice, edges) = (Compared::new(), Dice(32), edges());
    for function in BINARY {
        let formula = Formula::Binary(function, sum(0), sum(1));
        for &x in &edges {
            for &y in &edges {
                compared.compare(&formula, &[x, y]);
            }
            // Neighbours, which cancel.
            compared.compare(&formula, &[x, x ^ (1 << 31) ^ 1]);
        }
        for _ in 0..500 {
            compared.compare(&formula, &reals(&mut dice, 2));
            let x = dice.from(0..=u32::MAX.into()) as u32;
            compared.compare(&formula, &[x, x ^ (1 << 31) ^ dice.from(0..=15) as u32]);
        }
    }
    assert!(compared.count > 40_000, "{}", compared.count);
}

#[test]
fn fused_sums_of_products_have_the_same_bits() {
    let (mut compared, mut dice, edges) = (Compared::new(), Dice(33), edges());
    let formula = Formula::Fma(sum(0), sum(1), sum(2));
    for (i, &x) in edges.iter().enumerate() {
        for (j, &y) in edges.iter().enumerate() {
            // A third of the triples, each pair with another.
            for &z in edges.iter().skip((i + j) % 3).step_by(3) {
                compared.compare(&formula, &[x, y, z]);
            }
            // What is added cancels the product, or all of it but what rounding cut off.
            let product = f32::from_bits(x) * f32::from_bits(y);
            let z = (-product).to_bits();
            compared.compare(&formula, &[x, y, z]);
            compared.compare(&formula, &[x, y, z ^ 1]);
        }
    }
    for _ in 0..40_000 {
        let mut triple = reals(&mut dice, 3);
        compared.compare(&formula, &triple);
        triple[2] = (-f32::from_bits(triple[0]) * f32::from_bits(triple[1])).to_bits();
        compared.compare(&formula, &triple);
    }
    assert!(compared.count > 150_000, "{}", compared.count);
}
