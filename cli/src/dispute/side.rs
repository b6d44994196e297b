//! A side of a dispute with its own run of the program.

use crate::args::InputArgs;
use crate::error::CliError;
use crate::model::read_program;
use crate::tensors::read_run_inputs;
use assay_circuits::execute::Trace;
use assay_circuits::execute_f32::RealTrace;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_prover::dispute::{NoMove, Record};
use assay_prover::run::{Inputs, Run};
use assay_prover::spill::wire_path;
use assay_prover::trace::TensorBytes;
use assay_verifier::terms::Terms;
use clap::Args;
use std::borrow::Cow;
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

/// A run that is in memory, or whose wires are in files.
pub enum OwnRun {
    /// In memory.
    Memory(Run),
    /// The inputs in memory, the wires in a folder.
    Folder(Run, PathBuf),
}

impl TensorBytes for OwnRun {
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        match (self, source) {
            (OwnRun::Folder(_, folder), Source::Operation(i)) => {
                std::fs::read(wire_path(folder, i)).ok().map(Cow::Owned)
            }
            (OwnRun::Memory(run) | OwnRun::Folder(run, _), _) => run.own_bytes(program, source),
        }
    }
}

impl JobOfArgs {
    /// Reads program and inputs.
    pub fn read(&self) -> Result<(Program, Inputs), CliError> {
        let program = read_program(&self.model)?;
        let (inputs, _) = read_run_inputs(&program, &self.inputs.files(&program), self.inputs.sample)?;
        Ok((program, inputs))
    }
}

impl RunOfArgs {
    /// Reads the program, and reads or runs its run.
    pub fn read(&self) -> Result<(Program, OwnRun), CliError> {
        let (program, inputs) = self.job.read()?;
        let run = match &self.trace_dir {
            Some(folder) => OwnRun::Folder(inputs_alone(inputs), folder.clone()),
            None => OwnRun::Memory(Run::new(&program, &inputs)?),
        };
        Ok((program, run))
    }
}

/// A run of no operation.
fn inputs_alone(inputs: Inputs) -> Run {
    match inputs {
        Inputs::Integers(inputs) => Run::Integers(Trace { inputs, wires: Vec::new(), sums: Vec::new() }),
        Inputs::Reals(inputs) => Run::Reals(RealTrace { inputs, wires: Vec::new() }),
    }
}

/// The digests of a program's inputs.
pub fn input_digests(program: &Program, inputs: Inputs) -> Vec<Digest32> {
    assay_prover::receipt::input_digests(program, &inputs_alone(inputs))
}

/// Hashes a run.
pub fn record<'a>(
    program: &'a Program,
    run: &'a OwnRun,
    folder: Option<&Path>,
) -> Result<Record<'a, OwnRun>, CliError> {
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
