//! Programs and verifying keys in files.

use crate::error::CliError;
use assay_circuits::program::Program;
use assay_prover::files::read_bytes;
use assay_prover::prove::Prover;
use assay_verifier::bundle;
use assay_verifier::key::VerifyingKey;
use clap::Args;
use std::path::{Path, PathBuf};

/// What a file of ours holds, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A program.
    Program,
    /// A verifying key.
    Key,
    /// A proof.
    Proof,
    /// A receipt in its envelope.
    Receipt,
    /// Terms, a draw, or other JSON.
    Json,
}

impl FileKind {
    /// The kind of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Option<FileKind> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            // What is cut or edited is still a receipt, which is then rejected.
            let other = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes)
                .is_ok_and(|object| {
                    !object.contains_key("dsseEnvelope") && !object.contains_key("mediaType")
                });
            return Some(if other { FileKind::Json } else { FileKind::Receipt });
        }
        match bytes.first_chunk()? {
            b"ASSAYPRG" => Some(FileKind::Program),
            b"ASSAYKEY" => Some(FileKind::Key),
            bundle::MAGIC => Some(FileKind::Proof),
            _ => None,
        }
    }

    /// Refuses a file of another kind.
    pub fn check(self, path: &Path, bytes: &[u8]) -> Result<(), CliError> {
        let here = match FileKind::of(bytes) {
            Some(kind) if kind == self => return Ok(()),
            Some(FileKind::Program) => "a program, which --model takes",
            Some(FileKind::Key) => "a verifying key, which --vk takes",
            Some(FileKind::Proof) => "a proof",
            Some(FileKind::Receipt) => "a receipt",
            Some(FileKind::Json) => "JSON, and no receipt",
            None if bytes.is_empty() => "empty",
            None if path.extension().is_some_and(|e| e == "onnx") => {
                "an ONNX model: run `assay compile` first"
            }
            None => "no file of Assay",
        };
        let wanted = match self {
            FileKind::Program => "a program (.assay)",
            FileKind::Key => "a verifying key (.vk)",
            FileKind::Proof => "a proof or a receipt",
            FileKind::Receipt => "a receipt",
            FileKind::Json => "JSON",
        };
        Err(CliError::content(path, format!("should be {wanted}, is {here}")))
    }
}

/// Reads a program.
pub fn read_program(path: &Path) -> Result<Program, CliError> {
    decode_program(path, &read_bytes(path)?)
}

/// A program from a file's bytes.
pub fn decode_program(path: &Path, bytes: &[u8]) -> Result<Program, CliError> {
    FileKind::Program.check(path, bytes)?;
    Program::decode(bytes)
        .map_err(|source| CliError::Program { path: path.to_path_buf(), source: Box::new(source) })
}

/// A key from a file's bytes; checks the key's own proof.
pub fn decode_key(path: &Path, bytes: &[u8]) -> Result<VerifyingKey, CliError> {
    FileKind::Key.check(path, bytes)?;
    VerifyingKey::decode(bytes).map_err(|source| key_error(path, source))
}

/// The verifying key of a program; commits the weights of a committed model.
pub fn key_of(path: &Path, program: Program) -> Result<VerifyingKey, CliError> {
    if program.committed_model {
        return Ok(Prover::new(program)?.key().clone());
    }
    VerifyingKey::public(program).map_err(|source| key_error(path, source))
}

fn key_error(path: &Path, source: assay_verifier::key::KeyError) -> CliError {
    CliError::Key { path: path.to_path_buf(), source: Box::new(source) }
}

/// The model that a proof or a receipt should be of.
#[derive(Args)]
#[group(required = false, multiple = false)]
pub struct ModelArgs {
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    pub model: Option<PathBuf>,
    /// The verifying key, from `assay key`.
    #[arg(long, value_name = "MODEL.vk")]
    pub vk: Option<PathBuf>,
}

impl ModelArgs {
    /// Reads the key, or makes it from the program.
    pub fn key(&self) -> Result<VerifyingKey, CliError> {
        match (&self.model, &self.vk) {
            (Some(path), None) => key_of(path, read_program(path)?),
            (None, Some(path)) => decode_key(path, &read_bytes(path)?),
            _ => Err(CliError::Usage("one of --model and --vk is needed".to_string())),
        }
    }
}
