//! Which operations, and which chunks of their wires, are looked at: drawn from randomness that nobody could know
//! when the run was committed to.
//!
//! The seed is `BLAKE3("assay draw v1" || commitment || randomness)`, the commitment being the receipt's hash for an audit
//! and the digest of the committed wires for a sampled proof; its extended output is read in words of 128 bits. A sample
//! picks an operation with its weight, then a chunk of 1,024 bytes of its wire, all alike. The weight of one of n operations
//! is its share of the program's arithmetic, but at least `1 / (4 n)`: a cheap one can flip a result too.
//!
//! What a sample is worth is deterrence, not soundness: with a fraction f of the weight wrong, s samples miss all of it with
//! probability `(1 - f)^s`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use assay_circuits::descriptor::CHUNK;
use assay_circuits::program::{Operation, Program, Source};

/// The most samples of one draw.
pub const MAX_SAMPLES: u32 = 1 << 16;

/// A chunk of the wire of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// The operation.
    pub operation: usize,
    /// The chunk of 1,024 bytes of its wire; the last is shorter.
    pub chunk: u64,
}

/// The weight of each operation, in no unit; their sum is below 2^120.
pub fn weights(program: &Program) -> Vec<u128> {
    let arithmetic: Vec<u128> =
        program.operations.iter().map(|operation| u128::from(arithmetic(operation))).collect();
    let total: u128 = arithmetic.iter().sum();
    let count = arithmetic.len() as u128;
    // Share against 1 / (4 n), both times 4 n total.
    arithmetic.into_iter().map(|own| (4 * count * own).max(total)).collect()
}

/// Multiplications and other steps of an operation: cells of its wire times what one cell takes.
fn arithmetic(operation: &Operation) -> u64 {
    operation.multiply_accumulates().max(operation.shape.cells() as u64).min(1 << 60)
}

/// Number of chunks of an operation's wire.
pub fn chunks(program: &Program, operation: usize) -> u64 {
    let cells = program.operations.get(operation).map_or(0, |operation| operation.shape.cells() as u64);
    let width = program.width(Source::Operation(operation)).unwrap_or(1) as u64;
    cells.saturating_mul(width).div_ceil(CHUNK as u64)
}

/// The samples of a draw, in the order drawn; one may come twice. None of a program without operations.
pub fn draw(program: &Program, commitment: &[u8; 32], randomness: &[u8; 32], count: u32) -> Vec<Sample> {
    let weights = weights(program);
    let total: u128 = weights.iter().sum();
    let mut words = Words::new(commitment, randomness);
    let count = if total == 0 { 0 } else { count.min(MAX_SAMPLES) };
    let sample = |_| {
        let mut rest = words.below(total);
        let within = |weight: &u128| match rest.checked_sub(*weight) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        };
        let operation = weights.iter().position(within).unwrap_or(0);
        let chunk = words.below(u128::from(chunks(program, operation)).max(1)) as u64;
        Sample { operation, chunk }
    };
    (0..count).map(sample).collect()
}

/// The operations of a draw, each once: what a sampled proof covers.
pub fn operations(samples: &[Sample]) -> BTreeSet<usize> {
    samples.iter().map(|sample| sample.operation).collect()
}

/// Words of 128 bits from the seed.
struct Words {
    output: blake3::OutputReader,
}

impl Words {
    fn new(commitment: &[u8; 32], randomness: &[u8; 32]) -> Words {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"assay draw v1").update(commitment).update(randomness);
        Words { output: hasher.finalize_xof() }
    }

    /// A number below `bound`, which is not zero, all alike: words beyond the last whole multiple are passed over.
    fn below(&mut self, bound: u128) -> u128 {
        let excess = (u128::MAX % bound + 1) % bound;
        loop {
            let mut bytes = [0; 16];
            self.output.fill(&mut bytes);
            let word = u128::from_be_bytes(bytes);
            if word <= u128::MAX - excess {
                return word % bound;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use assay_circuits::builder::{Accumulator, Builder};
    use assay_circuits::expression::Expression;
    use assay_circuits::program::{Class, Input, Visibility};
    use assay_circuits::shape::Shape;
    use assay_circuits::tensor::Bounds;

    /// One large product and two small maps.
    fn program() -> Program {
        let mut b = Builder::new(false);
        let input = |name: &str, sizes: Vec<usize>| Input {
            name: name.into(),
            shape: Shape::new(sizes).unwrap(),
            bounds: Bounds { lo: -8, hi: 7 },
            scale: 1.0,
            visibility: Visibility::Public,
            image: None,
        };
        let left = b.input(input("a", vec![64, 64]));
        let right = b.input(input("b", vec![64, 64]));
        let product = assay_circuits::ops::matmul::product(&mut b, "product", &left, &right).unwrap();
        let wide = b
            .emit("wide", Class::Fold, product, Expression::requantise(64, Bounds { lo: -8, hi: 7 }), false)
            .unwrap();
        let small = wide.sliced(0, 0, 1, 2).unwrap();
        let small = b.emit("small", Class::Map, Accumulator::of(&small), Expression::Sum(0), false).unwrap();
        b.output("y", &small, 1.0, Visibility::Public).unwrap();
        b.finish()
    }

    #[test]
    fn a_draw_is_the_same_everywhere_and_changes_with_each_of_its_inputs() {
        let program = program();
        let samples = draw(&program, &[1; 32], &[2; 32], 50);
        assert_eq!(samples.len(), 50);
        assert_eq!(samples, draw(&program, &[1; 32], &[2; 32], 50));
        assert_eq!(samples[..20], draw(&program, &[1; 32], &[2; 32], 20));
        assert_ne!(samples, draw(&program, &[3; 32], &[2; 32], 50));
        assert_ne!(samples, draw(&program, &[1; 32], &[3; 32], 50));
        let within = |s: &Sample| s.chunk < chunks(&program, s.operation);
        assert!(samples.iter().all(within));
    }

    #[test]
    fn a_cheap_operation_is_drawn_as_often_as_its_floor_says() {
        let program = program();
        let weights = weights(&program);
        let total: u128 = weights.iter().sum();
        let cheap = weights.len() - 1;
        assert!(weights[cheap] * 4 * weights.len() as u128 >= total / 2);
        let drawn = draw(&program, &[1; 32], &[2; 32], 10_000);
        let seen = drawn.iter().filter(|s| s.operation == cheap).count() as u128;
        let expected = 10_000 * weights[cheap] / total;
        assert!(seen.abs_diff(expected) < expected / 4, "{seen} for {expected}");
    }

    #[test]
    fn a_program_without_operations_has_no_sample() {
        let mut empty = program();
        empty.operations.clear();
        assert!(draw(&empty, &[1; 32], &[2; 32], 5).is_empty());
    }
}
