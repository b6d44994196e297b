//! `assay export`: a receipt in another system's words.

use crate::args::OutArgs;
use crate::error::CliError;
use crate::receipt::{PinArgs, read, rejected};
use crate::report::Report;
use assay_prover::envelope::{Evidence, OutputFile};
use assay_prover::files::write_atomically;
use assay_verifier::hex::Hex;
use assay_verifier::receipt::profile_name;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Example:
  assay export --format ree r.json -o ree.json

Gensyn REE's field names. `commit_hash` is the program root, which pins graph and weights; `config_hash` the SHA-256 of \
the arithmetic profile's name; `prompt_hash` and `tokens_hash` the SHA-256 of the input and output digests one after the \
other; `receipt_hash` the SHA-256 of those four texts one after the other. What a run of a program does not have is \
null. The file is for systems that store such fields: REE itself can neither validate nor re-run it.";

/// The systems whose words are known.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Gensyn's Reproducible Execution Environment.
    Ree,
}

/// Arguments of `assay export`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// The system.
    #[arg(long, value_enum)]
    format: Format,
    /// The receipt.
    #[arg(value_name = "RECEIPT.json")]
    receipt: PathBuf,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    pin: PinArgs,
}

impl ExportArgs {
    /// Checks the receipt, and writes it in the other system's words.
    pub fn execute(&self) -> Result<Report, CliError> {
        let (evidence, _) = match read(&self.receipt, &self.pin)? {
            Ok(opened) => opened,
            Err(reason) => return Ok(rejected(reason, None)),
        };
        let exported = match self.format {
            Format::Ree => ree(&evidence),
        };
        write_atomically(&self.out.out, format!("{exported:#}\n").as_bytes())?;
        let out = self.out.out.display().to_string();
        Ok(Report::done(format!("written         {out}"), json!({ "file": out, "exported": exported })))
    }
}

/// A receipt in the words of Gensyn's REE.
fn ree(evidence: &Evidence) -> Value {
    let receipt = &evidence.receipt;
    let sha256 = |bytes: &[u8]| Hex(&OutputFile::new("", bytes).sha256).to_string();
    let outputs: Vec<u8> = receipt.outputs.iter().flat_map(|output| output.digest).collect();
    let commit = Hex(&receipt.program).to_string();
    let config = sha256(profile_name(receipt.profile).unwrap_or_default().as_bytes());
    let prompt = sha256(receipt.inputs.as_flattened());
    let tokens = sha256(&outputs);
    let whole = sha256([commit.as_str(), &config, &prompt, &tokens].concat().as_bytes());
    json!({
        "model_name": null,
        "commit_hash": commit,
        "config_hash": config,
        "prompt": null,
        "prompt_hash": prompt,
        "parameters": null,
        "parameters_hash": null,
        "tokens_hash": tokens,
        "token_count": null,
        "finish_reason": null,
        "text_output": null,
        "device_type": null,
        "device_name": null,
        "receipt_hash": whole,
        "assay_receipt_hash": Hex(&receipt.hash()).to_string(),
    })
}
