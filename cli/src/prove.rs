//! `assay prove`: a run, and the proof of it.

use crate::args::{InputArgs, OutArgs, ThreadArgs};
use crate::error::CliError;
use crate::model::read_program;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::run::preview;
use crate::tensors::read_inputs;
use assay_prover::compile::dequantise_output;
use assay_prover::execute::execute;
use assay_prover::files::write_atomically;
use assay_prover::prove::Prover;
use assay_verifier::bundle;
use assay_verifier::hex::Hex;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  assay prove mlp.assay --input x.npy -o x.proof
  assay prove lenet.assay --input digits.npy --sample 3 --threads 2 -o three.proof

The proof file carries its statement: which program, on which inputs, gave which outputs. Inputs and outputs that \
the program commits are in it as commitments only.";

/// Arguments of `assay prove`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ProveArgs {
    /// The program.
    #[arg(value_name = "MODEL.assay")]
    model: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl ProveArgs {
    /// Runs, proves, and writes the proof file.
    pub fn execute(&self) -> Result<Report, CliError> {
        if let Some(threads) = self.threads.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.into())
                .build_global()
                .map_err(|error| CliError::Usage(format!("--threads: {error}")))?;
        }
        let progress = Progress::start("reading");
        let program = read_program(&self.model)?;
        let (inputs, notes) = read_inputs(&program, &self.inputs.input, self.inputs.sample)?;
        progress.phase("planning");
        let prepare = Instant::now();
        let prover = Prover::new(program)?;
        let prepared = prepare.elapsed();
        progress.phase("running");
        let run = Instant::now();
        let trace = execute(prover.program(), &inputs)?;
        let ran = run.elapsed();
        let prove = Instant::now();
        let (statement, proof) = prover.prove_observed(&trace, &|phase| progress.proof(phase))?;
        let proven = prove.elapsed();
        let file = bundle::encode(prover.key(), &statement, &proof);
        write_atomically(&self.out.out, &file)?;
        drop(progress);

        let (out, digest) = (self.out.out.display(), Hex(prover.key().digest()));
        let proof_bytes = prover.key().argument().shape.bytes();
        let mut lines = vec![
            format!("proven          {} in {}", self.model.display(), report::time(proven)),
            format!("                prepared in {}, run in {}", report::time(prepared), report::time(ran)),
        ];
        lines.extend(notes.iter().cloned());
        lines.push(format!("program         {digest}"));
        for (index, output) in trace.outputs(prover.program()).enumerate() {
            let name = &prover.program().outputs[index].name;
            let real = dequantise_output(prover.program(), index, output);
            lines.push(format!("output          {name} {}", report::shape(output.shape.sizes())));
            lines.push(format!("                {}", preview(&real)));
        }
        lines.push(format!(
            "written         {out}, {}: proof {}, statement {}",
            report::size(file.len()),
            report::size(proof_bytes),
            report::size(file.len() - proof_bytes)
        ));
        let json = json!({
            "proof": out.to_string(),
            "program_digest": digest.to_string(),
            "bytes": file.len(),
            "proof_bytes": proof_bytes,
            "notes": notes,
            "times": {
                "prepare_ms": report::milliseconds(prepared),
                "run_ms": report::milliseconds(ran),
                "prove_ms": report::milliseconds(proven),
            },
        });
        Ok(Report::done(lines.join("\n"), json))
    }
}
