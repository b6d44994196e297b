//! The arguments: the subcommands, and what several of them share. Each flag is documented where it is defined.

use crate::error::CliError;
use crate::tensors::is_folder;
use assay_circuits::program::Program;
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};

const AFTER: &str = "\
Exit codes: 0 done or verified, 1 rejected, 2 an error of usage or input.

From a model to a verified result:
  assay compile lenet.onnx --calibrate digits.npy --image-scale 0.00390625 -o lenet.assay
  assay prove   lenet.assay --input digits.npy --sample 7 -o seven.proof
  assay verify  seven.proof --model lenet.assay --input digits.npy --sample 7

From a run to a receipt that anybody can check: `assay run`, `assay audit`, `assay replay`, `assay dispute`.

Try `assay demo`: it needs no file.";

/// Proves that a neural network, given as ONNX, gave this output on this input, and verifies such proofs.
#[derive(Parser)]
#[command(name = "assay", version, after_help = AFTER)]
pub struct Cli {
    /// Prints one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Turns an ONNX model into an exact integer program.
    Compile(crate::compile::CompileArgs),
    /// Runs a program and writes its outputs, and a signed receipt of the run.
    Run(crate::run::RunArgs),
    /// Runs a program and proves the run.
    Prove(crate::prove::ProveArgs),
    /// Verifies a proof or a receipt, and compares it with your own files.
    Verify(crate::verify::VerifyArgs),
    /// Shows what a program, a proof or a verifying key holds, and what proving would cost.
    Inspect(crate::inspect::InspectArgs),
    /// Makes a model's verifying key: for a committed model, all that a buyer needs of it.
    Key(crate::key::KeyArgs),
    /// Makes a key that signs receipts.
    Signer(crate::signer::SignerArgs),
    /// Compares a receipt with a full re-execution.
    Replay(crate::replay::ReplayArgs),
    /// Writes a receipt in another system's words.
    Export(crate::export::ExportArgs),
    /// Draws a sample of a receipt, opens it, recomputes it.
    Audit(crate::audit::AuditArgs),
    /// Agrees on a job, posts its receipt, and disputes it before a contract.
    Dispute(Box<crate::dispute::DisputeArgs>),
    /// Compiles, runs, proves and verifies a network that reads a digit, then shows two forgeries rejected.
    Demo(crate::demo::DemoArgs),
}

const INPUT_FILES: &str = "\
.npy, .npz, ONNX .pb, or .png where the model takes a picture. A file without NAME= goes to the input that it \
names (.npz members, .pb), or to the next one that has none. Unsigned bytes for a model that takes a picture are \
pixels.";

/// The inputs of a run.
#[derive(Args)]
pub struct InputArgs {
    /// A file with an input.
    #[arg(short, long, value_name = "[NAME=]FILE", num_args = 1.., required = true, long_help = INPUT_FILES)]
    pub input: Vec<String>,
    /// Takes row I, from 0 on, of each file, whose first axis then counts samples.
    #[arg(long, value_name = "I")]
    pub sample: Option<usize>,
    /// A folder for the inputs that no file is given for: NAME.next.npy, as a training step before this one wrote it, or
    /// NAME.npy.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl InputArgs {
    /// The files, those of the state folder included.
    pub fn files(&self, program: &Program) -> Vec<String> {
        input_files(program, &self.input, self.state.as_deref())
    }
}

/// Files of inputs, and those of a state folder for the inputs that it has.
pub fn input_files(program: &Program, files: &[String], state: Option<&Path>) -> Vec<String> {
    let mut files = files.to_vec();
    let Some(folder) = state else { return files };
    for input in &program.inputs {
        let found = ["next.npy", "npy"].map(|end| folder.join(format!("{}.{end}", file_name(&input.name))));
        if let Some(path) = found.iter().find(|path| path.exists()) {
            files.push(format!("{}={}", input.name, path.display()));
        }
    }
    files
}

/// A tensor's name as a file's: what a file's name may not hold becomes `_`.
pub fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    name.chars().map(safe).collect::<String>().trim_start_matches('.').to_string()
}

/// Threads of the work.
#[derive(Args)]
pub struct ThreadArgs {
    /// Number of threads; all cores unless given. The proof has the same bytes on any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// `NAME=SIZE` of a dynamic dimension.
pub fn parse_dim(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.rsplit_once('=').ok_or("should be NAME=SIZE, for example N=1")?;
    match size.trim().parse() {
        Ok(0) | Err(_) => Err(format!("`{size}` is no size: it should be a whole number from 1 on")),
        Ok(size) if !name.is_empty() => Ok((name.to_string(), size)),
        Ok(_) => Err("should be NAME=SIZE, for example N=1".to_string()),
    }
}

/// A finite number.
pub fn parse_finite(text: &str) -> Result<f64, String> {
    text.trim().parse().ok().filter(|x: &f64| x.is_finite()).ok_or(format!("`{text}` is no finite number"))
}

/// Where a result is written.
#[derive(Args)]
pub struct OutArgs {
    /// The file to write; it is written whole or not at all.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: PathBuf,
}

impl OutArgs {
    /// Refuses a file that is there, or that cannot be: of what is paid for nothing may be lost.
    pub fn is_new(&self) -> Result<(), CliError> {
        if self.out.exists() {
            return Err(CliError::content(&self.out, "is there already, and is not replaced"));
        }
        is_folder(folder_of(&self.out))
    }
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_dimension_is_a_name_and_a_size() {
        assert_eq!(parse_dim("batch=4"), Ok(("batch".to_string(), 4)));
        assert_eq!(parse_dim("x:0=4"), Ok(("x:0".to_string(), 4)));
        for wrong in ["", "N", "=4", "N=", "N=0", "N=-1", "N=1.5"] {
            assert!(parse_dim(wrong).is_err(), "{wrong}");
        }
    }
}
