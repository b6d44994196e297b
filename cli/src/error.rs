//! Why a command fails.

use assay_circuits::execute::ExecuteError;
use assay_circuits::lower::LowerError;
use assay_circuits::program::ProgramError;
use assay_prover::compile::CompileError;
use assay_prover::error::ProveError;
use assay_prover::files::FileError;
use assay_prover::onnx::ImportError;
use assay_prover::reals::RealsError;
use assay_prover::train::TrainError;
use assay_verifier::key::KeyError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An error of usage or input; every one ends the process with exit code 2.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum CliError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {source}", path = path.display())]
    Import { path: PathBuf, source: Box<ImportError> },
    #[error("{path}: {source}", path = path.display())]
    Compile { path: PathBuf, source: Box<CompileError> },
    #[error("{path}: {source}", path = path.display())]
    Reals { path: PathBuf, source: Box<RealsError> },
    #[error("{path}: {source}", path = path.display())]
    Train { path: PathBuf, source: Box<TrainError> },
    #[error("{path}: {source}; compile the model again if it was edited", path = path.display())]
    Program { path: PathBuf, source: Box<ProgramError> },
    #[error("{path}: {source}", path = path.display())]
    Key { path: PathBuf, source: Box<KeyError> },
    #[error("{path}: {problem}", path = path.display())]
    Content { path: PathBuf, problem: String },
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Node(#[from] crate::dispute::NodeError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error("internal: {0}")]
    Internal(String),
    #[error("standard output: cannot write: {0}")]
    Stdout(std::io::Error),
}

impl CliError {
    /// An error about what a file holds.
    pub fn content(path: &Path, problem: impl Into<String>) -> CliError {
        CliError::Content { path: path.to_path_buf(), problem: problem.into() }
    }
}
