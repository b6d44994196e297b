//! `assay run`: a program on inputs, without a proof, and with a receipt where one is asked for.

use crate::args::{InputArgs, file_name, folder_of};
use crate::error::CliError;
use crate::flip::{Flip, parse_flip};
use crate::model::read_program;
use crate::progress::Progress;
use crate::receipt::read_terms;
use crate::report::{self, Report};
use crate::signer::read_signer;
use crate::tensors::{is_folder, read_run_inputs};
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_circuits::tensor::{Bounds, Tensor as IntTensor};
use assay_prover::compile::dequantise_output;
use assay_prover::envelope::{EnvelopeError, OutputFile, seal};
use assay_prover::files::{FileError, write_atomically, write_tensor};
use assay_prover::onnx::{Data, Tensor, TensorError};
use assay_prover::receipt::{receipt_of, wire_digests};
use assay_prover::run::{Outcome, Run, Tensors};
use assay_prover::spill::TraceWriter;
use assay_prover::trace::TensorBytes;
use assay_verifier::hex::Hex;
use assay_verifier::receipt::Receipt;
use assay_verifier::terms::Agreement;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  assay run mlp.assay --input x.npy -o out
  assay run lenet.assay --input digits.npy --sample 3 -o out
  assay run net.assay --input left=a.npy right=b.npy -o out
  assay run lenet.assay --input digits.npy --sample 3 --receipt r.json --signer k.pem -o out

Each output becomes out/NAME.npy, real values in float32; of a program of integers also out/NAME.int.npy, the integers \
that a proof and a receipt bind. A receipt is signed by the key of `assay signer new`; without --terms it is for no job.";

/// Bytes of a tensor's name in a file's.
const LONGEST_STEM: usize = 100;

/// Arguments of `assay run`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// The program.
    #[arg(value_name = "MODEL.assay")]
    model: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    /// The folder for the outputs; it is made where it does not exist.
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    receipt: ReceiptArgs,
}

/// The receipt of a run.
#[derive(Args)]
struct ReceiptArgs {
    /// The file for the receipt.
    #[arg(long, value_name = "RECEIPT.json", requires = "signer")]
    receipt: Option<PathBuf>,
    /// The key that signs it.
    #[arg(long, value_name = "KEY.pem", requires = "receipt")]
    signer: Option<PathBuf>,
    /// The terms of the job.
    #[arg(long, value_name = "TERMS.json", requires = "receipt")]
    terms: Option<PathBuf>,
    /// A new folder for the output of each operation, to open them from in an audit or a dispute.
    #[arg(long, value_name = "DIR", requires = "receipt")]
    trace_dir: Option<PathBuf>,
    /// Flips a bit of an operation's output before the receipt is made: a fault on purpose, to try out replay, audit
    /// and dispute.
    #[arg(long, value_name = "OPERATION:BIT", requires = "receipt", value_parser = parse_flip)]
    flip: Option<Flip>,
}

/// A receipt that is signed and not yet written.
struct Signed<'a> {
    receipt: Receipt,
    path: &'a Path,
    file: Vec<u8>,
    took: Duration,
}

impl ReceiptArgs {
    /// Refuses places where the receipt and the trace cannot be written, before the outputs of a run before are replaced.
    fn check(&self) -> Result<(), CliError> {
        if let Some(path) = &self.receipt {
            is_folder(folder_of(path))?;
        }
        match &self.trace_dir {
            Some(folder) if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) => {
                Err(CliError::content(folder, "is there already: --trace-dir takes a new folder"))
            }
            _ => Ok(()),
        }
    }

    /// Makes and signs the receipt of a run, where one is asked for.
    fn sign(
        &self,
        program: &Program,
        run: &Outcome,
        digests: Vec<Digest32>,
    ) -> Result<Option<Signed<'_>>, CliError> {
        let (Some(path), Some(signer)) = (&self.receipt, &self.signer) else { return Ok(None) };
        let key = read_signer(signer)?;
        let terms = self.terms.as_deref().map(read_terms).transpose()?;
        let job = terms.as_ref().map(Agreement::job).unwrap_or_default();
        let start = Instant::now();
        let receipt =
            receipt_of(program, job, run, digests).map_err(|error| CliError::Internal(error.to_string()))?;
        let outputs = program.outputs.iter().map(|output| {
            let bytes = run.own_bytes(program, Source::Operation(output.operation)).unwrap_or_default();
            OutputFile::new(&output.name, &bytes)
        });
        let outputs: Vec<OutputFile> = outputs.collect();
        let file =
            seal(&receipt, &outputs, terms.as_ref(), &key).map_err(|error| match (&error, &self.terms) {
                (EnvelopeError::Terms(_), Some(path)) => CliError::content(path, error.to_string()),
                _ => CliError::content(signer, error.to_string()),
            })?;
        Ok(Some(Signed { receipt, path, file, took: start.elapsed() }))
    }
}

impl RunArgs {
    /// Runs, and writes the outputs.
    pub fn execute(&self) -> Result<Report, CliError> {
        let progress = Progress::start("reading");
        self.receipt.check()?;
        let program = read_program(&self.model)?;
        let (inputs, notes) = read_run_inputs(&program, &self.inputs.files(&program), self.inputs.sample)?;
        progress.phase("running");
        let trace = self.receipt.trace_dir.as_deref().map(TraceWriter::create).transpose()?;
        let spill = |operation: usize, bytes: &[u8]| {
            if let Some(trace) = &trace {
                trace.wire(operation, bytes);
            }
        };
        let start = Instant::now();
        let (run, digests) = match (&self.receipt.receipt, self.receipt.flip) {
            (Some(_), None) => Outcome::hashed(&program, inputs, &spill)?,
            (Some(_), Some(flip)) => {
                let mut run = Run::new(&program, &inputs)?;
                flip.apply(&program, &mut run).map_err(|why| CliError::Usage(format!("--flip: {why}")))?;
                if let Some(trace) = &trace {
                    trace.run(&program, &run);
                }
                let digests = wire_digests(&program, &run);
                (Outcome::of(&program, run), digests)
            }
            (None, _) => (Outcome::new(&program, inputs)?, Vec::new()),
        };
        let took = start.elapsed();
        let signed = self.receipt.sign(&program, &run, digests)?;
        std::fs::create_dir_all(&self.out)
            .map_err(|source| FileError::Write { path: self.out.clone(), source })?;
        // The evidence first: what a provider has bonded hangs on it.
        let mut times = json!({ "run_ms": report::milliseconds(took) });
        let (mut receipt, mut evidence) = (Value::Null, Vec::new());
        if let Some(Signed { receipt: of, path, file, took }) = signed {
            if let (Some(folder), Some(trace)) = (&self.receipt.trace_dir, trace) {
                trace.finish(&program, &of)?;
                evidence.push(format!("trace           {}", folder.display()));
            }
            write_atomically(path, &file)?;
            let hash = Hex(&of.hash()).to_string();
            evidence.push(format!("receipt         {} in {}, {hash}", path.display(), report::time(took)));
            times["receipt_ms"] = report::milliseconds(took);
            receipt = json!({ "file": path.display().to_string(), "hash": hash });
        }
        let mut lines = vec![format!("run             {} in {}", self.model.display(), report::time(took))];
        lines.extend(notes);
        let mut json = Map::new();
        for ((index, output), stem) in program.outputs.iter().enumerate().zip(file_stems(&program)) {
            let file = self.out.join(format!("{stem}.npy"));
            let (real, integers) = values(&program, index, &run)?;
            write_tensor(&file, &real)?;
            let shape = real.shape().to_vec();
            let mut entry = json!({ "shape": shape, "file": file.display().to_string() });
            if let Some(integers) = integers {
                let path = self.out.join(format!("{stem}.int.npy"));
                write_tensor(&path, &integers)?;
                entry["integers_file"] = json!(path.display().to_string());
            }
            lines.push(format!(
                "output          {} {} in {}",
                output.name,
                report::shape(&shape),
                file.display()
            ));
            lines.push(format!("                {}", preview(&real)));
            json.insert(output.name.clone(), entry);
        }
        lines.extend(evidence);
        drop(progress);
        let json = json!({ "outputs": json, "receipt": receipt, "times": times });
        Ok(Report::done(lines.join("\n"), json))
    }
}

/// The names of the outputs' files without their ends: those of the tensors, as far as a file's name may hold them; where two
/// would have one file, or a name is too long, all have their numbers behind them.
fn file_stems(program: &Program) -> Vec<String> {
    let names: Vec<String> = program.outputs.iter().map(|output| file_name(&output.name)).collect();
    let mut files = BTreeSet::new();
    let alone = |name: &String| {
        !name.is_empty()
            && name.len() <= LONGEST_STEM
            && files.insert(name.clone())
            && files.insert(format!("{name}.int"))
    };
    match names.iter().all(alone) {
        true => names,
        false => {
            let cut = |name: &String| name.chars().take(LONGEST_STEM).collect::<String>();
            names.iter().enumerate().map(|(index, name)| format!("{}.{index}", cut(name))).collect()
        }
    }
}

/// The real values of an output, and its integers where the program is of integers.
fn values(program: &Program, index: usize, run: &Outcome) -> Result<(Tensor, Option<Tensor>), CliError> {
    let internal = |error: TensorError| CliError::Internal(error.to_string());
    match &run.outputs {
        Tensors::Integers(tensors) => {
            let tensor = &tensors[index];
            let operation = program.outputs[index].operation;
            let integers = narrow(tensor, &program.operations[operation].bounds())?;
            Ok((dequantise_output(program, index, tensor), Some(integers)))
        }
        Tensors::Reals(tensors) => {
            let tensor = &tensors[index];
            let values: Vec<f32> = tensor.bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            Ok((Tensor::new(tensor.shape.sizes().to_vec(), values).map_err(internal)?, None))
        }
    }
}

/// The integers in the narrowest type that holds their bounds, so that BLAKE3 of the elements is their digest.
fn narrow(tensor: &IntTensor, bounds: &Bounds) -> Result<Tensor, CliError> {
    let values = tensor.values.iter();
    let data: Data = match bounds.bytes() {
        1 => values.map(|&x| x as i8).collect::<Vec<_>>().into(),
        2 => values.map(|&x| x as i16).collect::<Vec<_>>().into(),
        4 => values.map(|&x| x as i32).collect::<Vec<_>>().into(),
        _ => tensor.values.clone().into(),
    };
    let shape = tensor.shape.sizes().to_vec();
    Tensor::new(shape, data).map_err(|error| CliError::Internal(error.to_string()))
}

/// The first values of a tensor.
pub fn preview(tensor: &Tensor) -> String {
    const SHOWN: usize = 10;
    let values = tensor.to_f32();
    let mut text: Vec<String> = values.iter().take(SHOWN).map(|x| format!("{x:.4}")).collect();
    if values.len() > SHOWN {
        text.push(format!(".. ({} values)", values.len()));
    }
    text.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_prover::onnx::import;
    use assay_prover::reals::compile;
    use std::collections::BTreeMap;

    fn stems(names: &[&str]) -> Vec<String> {
        let graph = import(include_bytes!("../assets/mnist_lenet.onnx"), &BTreeMap::new()).unwrap();
        let mut program = compile(&graph, None).unwrap();
        let output = program.outputs.remove(0);
        let named =
            |name: &&str| assay_circuits::program::Output { name: name.to_string(), ..output.clone() };
        program.outputs = names.iter().map(named).collect();
        file_stems(&program)
    }

    #[test]
    fn no_two_outputs_have_one_file_whatever_they_are_called() {
        assert_eq!(stems(&["logits", "a/b"]), ["logits", "a_b"]);
        assert_eq!(stems(&["a?", "a!", "a_0"]), ["a_.0", "a_.1", "a_0.2"]);
        assert_eq!(stems(&["y", "y.int"]), ["y.0", "y.int.1"]);
        assert_eq!(stems(&["y.int", "y"]), ["y.int.0", "y.1"]);
        assert_eq!(stems(&["", "x"]), [".0", "x.1"]);
        let long = "x".repeat(300);
        assert_eq!(stems(&[&long, "y"]), [format!("{}.0", "x".repeat(100)), "y.1".to_string()]);
    }
}
