//! `assay prove`: a run, and the proof of it.

use crate::args::{InputArgs, OutArgs, ThreadArgs};
use crate::beacon::read_beacon;
use crate::error::CliError;
use crate::model::read_program;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::run::preview;
use crate::tensors::read_inputs;
use assay_circuits::program::Precision;
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
  assay prove net.assay --input x.npy --commit-only -o x.commit        first, to the buyer
  assay prove net.assay --input x.npy --draw 40 --beacon nonce.hex -o x.proof        then, the sample that it draws

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
    /// Writes only what the run is committed to, 32 bytes in hexadecimal: hand it over before the randomness of a draw
    /// is known.
    #[arg(long, conflicts_with = "draw")]
    commit_only: bool,
    /// Proves a sample of this many draws instead of all operations.
    #[arg(long, value_name = "N", requires = "beacon", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    draw: Option<u32>,
    /// Randomness fixed after the commitment: a file of 32 bytes, raw or in hexadecimal.
    #[arg(long, value_name = "FILE", requires = "draw")]
    beacon: Option<PathBuf>,
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
        if program.precision == Precision::F32 {
            return Err(CliError::content(&self.model, "an f32 program has no proof: assay run --receipt"));
        }
        let (inputs, notes) = read_inputs(&program, &self.inputs.files(&program), self.inputs.sample)?;
        progress.phase("planning");
        let prepare = Instant::now();
        let prover = Prover::new(program)?;
        let prepared = prepare.elapsed();
        progress.phase("running");
        let run = Instant::now();
        let trace = execute(prover.program(), &inputs)?;
        let ran = run.elapsed();
        if self.commit_only {
            progress.phase("committing");
            let commitment = Hex(&prover.commitment(&trace)).to_string();
            write_atomically(&self.out.out, format!("{commitment}\n").as_bytes())?;
            let line = format!("committed       {commitment} in {}", self.out.out.display());
            return Ok(Report::done(line, json!({ "commitment": commitment })));
        }
        let prove = Instant::now();
        let (drawn, statement, proof) = match (self.draw, &self.beacon) {
            (Some(samples), Some(beacon)) => {
                progress.phase("proving the sample");
                let (drawn, statement, proof) = prover.prove_drawn(&trace, samples, read_beacon(beacon)?)?;
                (Some(drawn), statement, proof)
            }
            _ => {
                let (statement, proof) = prover.prove_observed(&trace, &|phase| progress.proof(phase))?;
                (None, statement, proof)
            }
        };
        let proven = prove.elapsed();
        let file = bundle::encode(prover.key(), drawn.as_ref(), &statement, &proof);
        write_atomically(&self.out.out, &file)?;
        drop(progress);

        let (out, digest) = (self.out.out.display(), Hex(prover.key().digest()));
        let statement_bytes =
            statement.encode(prover.program(), &prover.key().argument().system.layout).len();
        let proof_bytes = file.len() - statement_bytes;
        let mut lines = vec![
            format!("proven          {} in {}", self.model.display(), report::time(proven)),
            format!("                prepared in {}, run in {}", report::time(prepared), report::time(ran)),
        ];
        lines.extend(notes.iter().cloned());
        lines.push(format!("program         {digest}"));
        if let Some(drawn) = &drawn {
            lines.push(format!("commitment      {}", Hex(&drawn.commitment)));
        }
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
            report::size(statement_bytes)
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
