//! Why a proof cannot be made.

use assay_circuits::execute::ExecuteError;
use assay_circuits::lower::LowerError;
use assay_verifier::key::KeyError;
use thiserror::Error;

/// Why a proof cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProveError {
    /// The program cannot be run on the inputs.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The program has no lowering.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The program has no verifying key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The trace breaks a relation.
    #[error("the trace is not the program's: cell {cell} of operation {operation:?} is in no table")]
    Unsatisfied {
        /// The operation's name.
        operation: String,
        /// The cell of its padded space.
        cell: usize,
    },
    /// A size that a valid program does not have.
    #[error("internal: {0}")]
    Internal(&'static str),
}
