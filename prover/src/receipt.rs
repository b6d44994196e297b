//! Receipts of runs: the digests of all that a program computes, taken beside the computation.
//!
//! ```no_run
//! # use assay_prover::{execute, receipt::receipt_of};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (program, inputs): (assay_circuits::program::Program, Vec<assay_circuits::tensor::Tensor>) = todo!();
//! let trace = execute(&program, &inputs)?;
//! let receipt = receipt_of(&program, [0; 32], &trace.inputs, &trace.wires)?;
//! # Ok(())
//! # }
//! ```
//!
//! Views have no wire and are not hashed. [`beside`] takes each wire as it is made: the caller goes on computing while
//! other threads hash.

use assay_circuits::program::Program;
use assay_circuits::root::Digest32;
use assay_circuits::tensor::{Bounds, Tensor};
use assay_verifier::receipt::{Receipt, ReceiptError};
use std::sync::OnceLock;

/// The bytes that a tensor's digest is taken over: [`Tensor::to_bytes`], many elements at a time.
pub fn bytes_of(tensor: &Tensor, bounds: &Bounds) -> Vec<u8> {
    let values = tensor.values.as_slice();
    match bounds.bytes() {
        1 => values.iter().map(|&x| x as u8).collect(),
        2 => narrow(values, |x| (x as i16).to_le_bytes()),
        4 => narrow(values, |x| (x as i32).to_le_bytes()),
        _ => narrow(values, i64::to_le_bytes),
    }
}

fn narrow<const N: usize>(values: &[i64], bytes: impl Fn(i64) -> [u8; N]) -> Vec<u8> {
    let mut narrow = vec![[0; N]; values.len()];
    narrow.iter_mut().zip(values).for_each(|(out, &x)| *out = bytes(x));
    narrow.into_flattened()
}

/// BLAKE3 of bytes.
pub fn digest(bytes: &[u8]) -> Digest32 {
    *blake3::hash(bytes).as_bytes()
}

/// The digests of a program's inputs.
pub fn input_digests(program: &Program, inputs: &[Tensor]) -> Vec<Digest32> {
    let pairs = program.inputs.iter().zip(inputs);
    pairs.map(|(input, tensor)| digest(&bytes_of(tensor, &input.bounds))).collect()
}

/// Runs `work`, which hands over the bytes of each operation's wire as it is made, and hashes them on other threads
/// meanwhile. Gives what `work` gives, and the digest of each of `operations` wires: zero of one never handed over.
pub fn beside<R>(
    operations: usize,
    work: impl FnOnce(&mut dyn FnMut(usize, Vec<u8>)) -> R,
) -> (R, Vec<Digest32>) {
    let slots: Vec<OnceLock<Digest32>> = vec![OnceLock::new(); operations];
    let result = rayon::in_place_scope(|scope| {
        let mut hand_over = |operation: usize, bytes: Vec<u8>| {
            if let Some(slot) = slots.get(operation) {
                scope.spawn(move |_| {
                    slot.get_or_init(|| digest(&bytes));
                });
            }
        };
        work(&mut hand_over)
    });
    (result, slots.into_iter().map(|slot| slot.into_inner().unwrap_or_default()).collect())
}

/// The digests of all wires of a run.
pub fn wire_digests(program: &Program, wires: &[Tensor]) -> Vec<Digest32> {
    let operations = program.operations.iter().zip(wires).enumerate();
    let ((), digests) = beside(wires.len(), |hand_over| {
        operations.for_each(|(i, (operation, wire))| hand_over(i, bytes_of(wire, &operation.bounds())));
    });
    digests
}

/// The receipt of a run. The job id is zero without terms.
///
/// # Errors
/// Where inputs or wires are not the program's.
pub fn receipt_of(
    program: &Program,
    job: Digest32,
    inputs: &[Tensor],
    wires: &[Tensor],
) -> Result<Receipt, ReceiptError> {
    Receipt::new(program, job, input_digests(program, inputs), wire_digests(program, wires))
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_circuits::shape::Shape;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_definition(
            bits in 1u32..62, raw in proptest::collection::vec(any::<i64>(), 1..70),
        ) {
            let values: Vec<i64> = raw.into_iter().map(|x| x >> (63 - bits)).collect();
            let bounds = Bounds::of(&values);
            let tensor = Tensor::new(Shape::new(vec![values.len()]).unwrap(), values).unwrap();
            prop_assert_eq!(bytes_of(&tensor, &bounds), tensor.to_bytes(&bounds));
            prop_assert_eq!(digest(&bytes_of(&tensor, &bounds)), tensor.digest(&bounds));
        }
    }

    #[test]
    fn digests_stand_in_the_order_of_operations_whatever_the_order_of_hashing() {
        let bytes = |i: usize| vec![i as u8; 100_000 / (i + 1)];
        let (result, digests) = beside(6, |hand_over| {
            [4, 0, 3, 1, 2, 9].into_iter().for_each(|i| hand_over(i, bytes(i)));
            7
        });
        assert_eq!(result, 7);
        let expected: Vec<Digest32> = (0..5).map(|i| digest(&bytes(i))).chain([[0; 32]]).collect();
        assert_eq!(digests, expected);
    }
}
