//! A side of a dispute with its own run of the program.

use crate::args::InputArgs;
use crate::error::CliError;
use crate::model::read_program;
use crate::tensors::{is_folder, read_run_inputs};
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_prover::dispute::{NoMove, Record};
use assay_prover::run::{Run, Tensors};
use assay_prover::spill::{KeptRun, wire_path};
use assay_verifier::terms::Terms;
use clap::Args;
use std::path::{Path, PathBuf};

/// The program, its inputs, and where the wires of the run are.
#[derive(Args)]
pub struct RunOfArgs {
    #[command(flatten)]
    pub job: JobOfArgs,
    /// The folder that `assay run --trace-dir` wrote; without it the program is run again.
    #[arg(long, value_name = "DIR")]
    pub trace_dir: Option<PathBuf>,
}

/// The program and its inputs.
#[derive(Args)]
pub struct JobOfArgs {
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    pub model: PathBuf,
    #[command(flatten)]
    pub inputs: InputArgs,
}

impl JobOfArgs {
    /// Reads program and inputs.
    pub fn read(&self) -> Result<(Program, Tensors), CliError> {
        let program = read_program(&self.model)?;
        let (inputs, _) = read_run_inputs(&program, &self.inputs.files(&program), self.inputs.sample)?;
        Ok((program, inputs))
    }
}

impl RunOfArgs {
    /// Reads the program, and reads or runs its run.
    pub fn read(&self) -> Result<(Program, KeptRun), CliError> {
        let (program, inputs) = self.job.read()?;
        let run = match &self.trace_dir {
            Some(folder) => {
                is_folder(folder)?;
                KeptRun::Folder(inputs, folder.clone())
            }
            None => KeptRun::Memory(Run::new(&program, &inputs)?),
        };
        Ok((program, run))
    }
}

/// Hashes a run.
pub fn record<'a>(
    program: &'a Program,
    run: &'a KeptRun,
    folder: Option<&Path>,
) -> Result<Record<'a, KeptRun>, CliError> {
    Record::new(program, run).map_err(|error| match (error, folder) {
        (NoMove::NoBytes(Source::Operation(i)), Some(folder)) => {
            CliError::content(&wire_path(folder, i), "cannot be read: the folder lacks a wire of the program")
        }
        (error, _) => CliError::Internal(error.to_string()),
    })
}

/// Refuses terms of another program or of other inputs.
pub fn check_terms(
    path: &Path,
    terms: &Terms,
    program: &Program,
    inputs: &[Digest32],
) -> Result<(), CliError> {
    if terms.program != program.root() {
        return Err(CliError::content(path, "the terms are of another program than --model"));
    }
    match terms.inputs == inputs {
        true => Ok(()),
        false => Err(CliError::content(path, "the terms are of other inputs than --input")),
    }
}
