//! The buyer's question for a chunk of an output, which it asks of a receipt without a run of its own.

use super::record::{NoMove, leaves};
use assay_circuits::program::Program;
use assay_circuits::root::{Digest32, keccak, tree_path};
use assay_verifier::dispute::{Open, Output, Wire};

/// How a chunk of an output is asked for. `digests` are those of all operations in the receipt.
///
/// # Errors
/// Where the program has no such output, or another number of operations.
pub fn disclosure(
    program: &Program,
    digests: &[Digest32],
    output: usize,
    chunk: u64,
) -> Result<Open, NoMove> {
    let operation = program.outputs.get(output).ok_or(NoMove::OtherProgram)?.operation;
    if digests.len() != program.operations.len() {
        return Err(NoMove::OtherProgram);
    }
    let descriptor = program.descriptor(operation).ok_or(NoMove::OtherProgram)?.encode();
    let wire = Wire {
        operation: operation as u32,
        digest: *digests.get(operation).ok_or(NoMove::OtherProgram)?,
        leaf_path: tree_path(leaves(digests), operation),
        descriptor,
        path: tree_path(program.operation_leaves(), operation),
    };
    let outputs: Vec<Vec<u8>> = (0..program.outputs.len()).filter_map(|i| program.output_bytes(i)).collect();
    let path = tree_path(outputs.iter().map(|leaf| keccak(0, leaf)).collect(), output);
    let leaf = outputs.get(output).cloned().ok_or(NoMove::OtherProgram)?;
    Ok(Open::Disclose { wire, output: Output { number: output as u32, leaf, path }, chunk })
}
