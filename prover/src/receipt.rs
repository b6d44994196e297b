//! Receipts of runs: the digests of all that a program computes.
//!
//! ```no_run
//! # use assay_prover::{receipt::receipt_of, run::{Outcome, Tensors}};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (program, inputs): (assay_circuits::program::Program, Tensors) = todo!();
//! let (outcome, digests) = Outcome::hashed(&program, inputs, &|_, _| ())?;
//! let receipt = receipt_of(&program, [0; 32], &outcome, digests)?;
//! # Ok(())
//! # }
//! ```
//!
//! Views have no wire and are not hashed. [`Outcome::hashed`](crate::run::Outcome::hashed) hashes beside the computation.

use crate::trace::TensorBytes;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_verifier::receipt::{Receipt, ReceiptError};
use rayon::prelude::*;

/// BLAKE3 of bytes.
pub fn digest(bytes: &[u8]) -> Digest32 {
    *blake3::hash(bytes).as_bytes()
}

/// The digests of a run's inputs; zero of one that is not there.
pub fn input_digests(program: &Program, run: &dyn TensorBytes) -> Vec<Digest32> {
    (0..program.inputs.len()).map(|i| of(program, run, Source::Input(i))).collect()
}

/// The digest of each operation's wire, many at a time; zero of one that is not there.
pub fn wire_digests(program: &Program, run: &dyn TensorBytes) -> Vec<Digest32> {
    let wires = (0..program.operations.len()).into_par_iter();
    wires.map(|i| of(program, run, Source::Operation(i))).collect()
}

fn of(program: &Program, run: &dyn TensorBytes, source: Source) -> Digest32 {
    run.own_bytes(program, source).map_or([0; 32], |bytes| digest(&bytes))
}

/// The receipt of a run whose wires have these digests. The job id is zero without terms.
///
/// # Errors
/// Where inputs or digests are not the program's.
pub fn receipt_of(
    program: &Program,
    job: Digest32,
    run: &dyn TensorBytes,
    digests: Vec<Digest32>,
) -> Result<Receipt, ReceiptError> {
    Receipt::new(program, job, input_digests(program, run), digests)
}
