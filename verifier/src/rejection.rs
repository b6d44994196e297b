//! Why a proof is rejected: which step failed, and where.

use crate::hex::Hex;
use alloc::string::String;
use assay_circuits::encoding::DecodeError;
use assay_circuits::lower::LowerError;
use thiserror::Error;

/// The step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The proof's bytes are malformed.
    #[error("the proof is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The proof has another length than its key fixes.
    #[error("the proof has {given} bytes, this model's proofs have {expected}")]
    Length {
        /// What the key fixes.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// The proof file is of another model.
    #[error("the proof is of program {}, not of this model's program {}", Hex(.found), Hex(.expected))]
    OtherModel {
        /// The digest of the key's program.
        expected: [u8; 32],
        /// The digest that the file states.
        found: [u8; 32],
    },
    /// The proof file is for another reference string.
    #[error("the proof is for the reference string {found:?}, which this verifier does not know")]
    OtherReference {
        /// The name that the file states.
        found: String,
    },
    /// The wires of a sampled proof are not those that were committed to before the draw.
    #[error("the proof's wires are not those that the draw was made for")]
    Commitment,
    /// The drawn operations have no argument.
    #[error("the draw cannot be proven: {0}")]
    Draw(#[from] LowerError),
    /// The statement does not fit the model.
    #[error("the statement does not fit the model: {part} {index} {problem}")]
    Statement {
        /// "input" or "output".
        part: &'static str,
        /// Its number.
        index: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The tree of lookups does not sum to zero, or a denominator is zero.
    #[error("lookups: the fractions of leaves and tables do not cancel")]
    Root,
    /// A layer of the tree does not follow from the layer above it.
    #[error("lookups: layer {layer} of the tree does not follow from the one above")]
    Layer {
        /// The layer.
        layer: usize,
    },
    /// The leaves are not those of the tensors.
    #[error("lookups: the leaves do not follow from the tensors' values")]
    Leaves,
    /// The batched sumcheck does not end in the tensors' values.
    #[error("einsums: the sumcheck does not end in the tensors' values")]
    Einsum,
    /// The folded row does not have the value claimed, or is not what was committed.
    #[error("openings: {0}")]
    Opening(&'static str),
    /// The key and the program do not fit together.
    #[error("the key is inconsistent: {0}")]
    Key(String),
}
