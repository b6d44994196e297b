//! `assay replay`: a receipt against a full re-execution.

use crate::args::InputArgs;
use crate::error::CliError;
use crate::model::read_program;
use crate::progress::Progress;
use crate::receipt::{PinArgs, describe, other_inputs, other_program, read, rejected};
use crate::report::{self, Report};
use crate::tensors::{element, is_folder, read_run_inputs, shown};
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_prover::receipt::digest;
use assay_prover::run::Outcome;
use assay_prover::spill::read_wire;
use assay_verifier::audit::number;
use assay_verifier::hex::Hex;
use assay_verifier::receipt::Receipt;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  assay replay r.json --model lenet.assay --input digits.npy --sample 7
  assay replay r.json --model lenet.assay --input digits.npy --sample 7 --trace-dir trace

Computes everything again and compares the output of each operation with the receipt. A difference names the first \
operation whose bits are others: its inputs are right, so it is the one to dispute. With the provider's --trace-dir \
it names the first element too. Exit code 0: all bits are the receipt's, 1: rejected, 2: an error of usage or input.";

/// Arguments of `assay replay`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The receipt.
    #[arg(value_name = "RECEIPT.json")]
    receipt: PathBuf,
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    model: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    /// The folder that the provider's `assay run --trace-dir` wrote.
    #[arg(long, value_name = "DIR")]
    trace_dir: Option<PathBuf>,
    #[command(flatten)]
    pin: PinArgs,
}

/// An operation whose output is another here.
struct Different {
    operation: usize,
    digest: Digest32,
    bytes: Vec<u8>,
}

/// The first operation whose output is another.
struct Difference {
    operation: usize,
    name: String,
    /// What differs, in words.
    how: String,
    /// The place of the first element that differs, where the provider's bytes are known.
    element: Option<String>,
}

impl ReplayArgs {
    /// Replays, and reports the verdict.
    pub fn execute(&self) -> Result<Report, CliError> {
        let progress = Progress::start("reading");
        if let Some(folder) = &self.trace_dir {
            is_folder(folder)?;
        }
        let program = read_program(&self.model)?;
        let (inputs, _) = read_run_inputs(&program, &self.inputs.files(&program), self.inputs.sample)?;
        let (evidence, signer) = match read(&self.receipt, &self.pin)? {
            Ok(opened) => opened,
            Err(reason) => return Ok(rejected(reason, None)),
        };
        let opened = Some((&evidence, signer));
        if let Some(reason) = other_program(&evidence, &program) {
            return Ok(rejected(reason, opened));
        }
        let receipt = &evidence.receipt;
        if let Some(reason) = other_inputs(&program, receipt, &inputs) {
            return Ok(rejected(reason, opened));
        }
        progress.phase("running");
        let start = Instant::now();
        let first = Mutex::new(None);
        Outcome::observed(&program, inputs, &|operation, bytes| {
            let ours = digest(bytes);
            if receipt.leaves.get(operation) == Some(&ours) {
                return;
            }
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            if first.as_ref().is_none_or(|first: &Different| operation < first.operation) {
                *first = Some(Different { operation, digest: ours, bytes: bytes.to_vec() });
            }
        })?;
        let first = first.into_inner().unwrap_or_else(PoisonError::into_inner);
        let difference = first.map(|first| self.difference(&program, receipt, first)).transpose()?;
        let took = start.elapsed();
        drop(progress);
        if let Some(Difference { operation, name, how, element }) = difference {
            let mut report = rejected(format!("operation {operation} ({name}): {how}"), opened);
            report.json["operation"] = json!({ "number": operation, "name": name, "element": element });
            return Ok(report);
        }
        let operations = report::count(receipt.operations.into());
        let lines = [
            format!(
                "REPLAYED        in {}: all {operations} operations have the receipt's bits",
                report::time(took)
            ),
            format!("signer          {signer}"),
            format!("receipt         {}", Hex(&receipt.hash())),
        ];
        let mut json = describe("replayed", None, opened);
        json["times"] = json!({ "replay_ms": report::milliseconds(took) });
        Ok(Report::done(lines.join("\n"), json))
    }

    fn difference(
        &self,
        program: &Program,
        receipt: &Receipt,
        ours: Different,
    ) -> Result<Difference, CliError> {
        let operation = ours.operation;
        let name = program.operations[operation].name.clone();
        let (how, element) = match &self.trace_dir {
            Some(folder) => elements(program, folder, receipt, &ours)?,
            None => {
                let (ours, theirs) = (Hex(&ours.digest), Hex(&receipt.leaves[operation]));
                (format!("its output is {theirs} in the receipt, {ours} here"), None)
            }
        };
        Ok(Difference { operation, name, how, element })
    }
}

/// How the provider's bytes of a wire differ from ours, and where first.
fn elements(
    program: &Program,
    folder: &Path,
    receipt: &Receipt,
    ours: &Different,
) -> Result<(String, Option<String>), CliError> {
    let Different { operation, bytes: expected, .. } = ours;
    let theirs = read_wire(folder, *operation, &receipt.leaves[*operation])?;
    let width = program.width(Source::Operation(*operation)).unwrap_or(1);
    if theirs.len() != expected.len() {
        let how =
            format!("its output has {} bytes in the trace, should have {}", theirs.len(), expected.len());
        return Ok((how, None));
    }
    let pairs = theirs.chunks_exact(width).zip(expected.chunks_exact(width));
    let Some(i) = pairs.clone().position(|(theirs, ours)| theirs != ours) else {
        return Err(CliError::Internal("bytes with two digests".to_string()));
    };
    let place = element(program.operations[*operation].shape.sizes(), i);
    let [theirs, ours] = [&theirs[..], &expected[..]].map(|bytes| {
        let value = number(&bytes[i * width..][..width], program.precision);
        shown(program.precision, value)
    });
    let how = format!("element {place} is {theirs} in the trace, {ours} here");
    Ok((how, Some(place)))
}
