//! `assay key`: the verifying key of a model.

use crate::args::OutArgs;
use crate::error::CliError;
use crate::model::{key_of, read_program};
use crate::progress::Progress;
use crate::report::{self, Report};
use assay_prover::files::write_atomically;
use assay_verifier::basis::REFERENCE;
use assay_verifier::hex::Hex;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  assay key mlp.assay -o mlp.vk
  assay verify x.proof --vk mlp.vk

Of a model compiled with --committed the key holds no weight, only commitments and a proof of their ranges. The \
digest printed here is what a buyer pins: it must come from whom the buyer trusts to name the model.";

/// Arguments of `assay key`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct KeyArgs {
    /// The program.
    #[arg(value_name = "MODEL.assay")]
    model: PathBuf,
    #[command(flatten)]
    out: OutArgs,
}

impl KeyArgs {
    /// Makes the key and writes it.
    pub fn execute(&self) -> Result<Report, CliError> {
        let start = Instant::now();
        let program = read_program(&self.model)?;
        let progress = Progress::start("making the key");
        let committed = program.committed_model;
        let key = key_of(&self.model, program)?;
        let bytes = key.encode();
        write_atomically(&self.out.out, &bytes)?;
        let took = start.elapsed();
        drop(progress);
        let (out, digest) = (self.out.out.display(), Hex(key.digest()));
        let model = if committed { "committed" } else { "public" };
        let lines = [
            format!("key             of a {model} model in {}", report::time(took)),
            format!("program         {digest}"),
            format!("written         {out}, {}", report::size(bytes.len())),
        ];
        let json = json!({
            "key": out.to_string(),
            "program_digest": digest.to_string(),
            "model": model,
            "reference": REFERENCE,
            "bytes": bytes.len(),
            "times": { "key_ms": report::milliseconds(took) },
        });
        Ok(Report::done(lines.join("\n"), json))
    }
}
