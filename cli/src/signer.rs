//! `assay signer`: the keys that sign receipts.

use crate::args::OutArgs;
use crate::error::CliError;
use crate::report::Report;
use assay_prover::files::{read_bytes, write_private};
use assay_prover::signature::SigningKey;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  assay signer new -o provider.pem
  assay signer new --secp256k1 -o provider.pem
  assay signer show provider.pem

The key is a PEM file (PKCS#8) that only its owner may read; a file that is there is never replaced. What is printed, \
an Ed25519 public key or an account's address, is what others give to `assay verify --from`.";

/// Arguments of `assay signer`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct SignerArgs {
    #[command(subcommand)]
    command: SignerCommand,
}

#[derive(Subcommand)]
enum SignerCommand {
    /// Makes a key.
    #[command(after_help = EXAMPLES)]
    New {
        /// A key of an Ethereum account, whose signatures a contract checks, instead of Ed25519.
        #[arg(long)]
        secp256k1: bool,
        #[command(flatten)]
        out: OutArgs,
    },
    /// Shows who signs with a key.
    #[command(after_help = EXAMPLES)]
    Show {
        /// The key.
        #[arg(value_name = "KEY.pem")]
        key: PathBuf,
    },
}

impl SignerArgs {
    /// Makes or shows a key.
    pub fn execute(&self) -> Result<Report, CliError> {
        let (key, path) = match &self.command {
            SignerCommand::New { secp256k1, out } => {
                let new = if *secp256k1 { SigningKey::new_secp256k1() } else { SigningKey::new_ed25519() };
                let internal =
                    |error: assay_prover::signature::KeyError| CliError::Internal(error.to_string());
                let key = new.map_err(internal)?;
                write_private(&out.out, key.to_pem().map_err(internal)?.as_bytes())?;
                (key, &out.out)
            }
            SignerCommand::Show { key } => (read_signer(key)?, key),
        };
        let signer = key.signer().map_err(|error| CliError::content(path, error.to_string()))?;
        let text = format!("signer          {signer}\nkey             {}", path.display());
        Ok(Report::done(text, json!({ "signer": signer.to_string(), "key": path.display().to_string() })))
    }
}

/// Reads a signing key.
pub fn read_signer(path: &Path) -> Result<SigningKey, CliError> {
    let text = String::from_utf8(read_bytes(path)?).unwrap_or_default();
    SigningKey::from_pem(&text).map_err(|error| CliError::content(path, error.to_string()))
}
