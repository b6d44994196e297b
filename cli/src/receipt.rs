//! Receipts in files: reading, pinning, and what `assay verify` says of one.

use crate::args::input_files;
use crate::error::CliError;
use crate::model::{FileKind, read_program};
use crate::report::{self, Report};
use crate::tensors::{assign, integers, one, output_integers, reals, same};
use assay_circuits::program::{Precision, Program};
use assay_circuits::root::Digest32;
use assay_circuits::tensor::RealTensor;
use assay_prover::envelope::{self, Evidence};
use assay_prover::files::read_bytes;
use assay_prover::receipt::input_digests;
use assay_prover::run::Tensors;
use assay_prover::terms::{from_json, parse_hex};
use assay_verifier::hex::Hex;
use assay_verifier::receipt::{Receipt, ReceiptError, profile_name};
use assay_verifier::signature::Signer;
use assay_verifier::terms::Agreement;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Whom and what a receipt should be from.
#[derive(Args, Default)]
pub struct PinArgs {
    /// Who must have signed the receipt: an address, or an Ed25519 public key in hexadecimal.
    #[arg(long, value_name = "ADDRESS|KEY", value_parser = parse_signer)]
    pub from: Option<Signer>,
    /// Your own file of the terms; a receipt with others, or none, is rejected.
    #[arg(long, value_name = "TERMS.json")]
    pub terms: Option<PathBuf>,
}

/// A signer as `assay signer` prints it.
fn parse_signer(text: &str) -> Result<Signer, String> {
    let key = parse_hex(text.strip_prefix("ed25519:").unwrap_or(text)).map(Signer::Ed25519);
    key.or_else(|| parse_hex(text).map(Signer::Address))
        .ok_or(format!("`{text}` is neither an address of 40 hexadecimal digits nor a key of 64"))
}

/// Reads terms from a file.
pub fn read_terms(path: &Path) -> Result<Agreement, CliError> {
    from_json(&read_bytes(path)?).map_err(|error| CliError::content(path, format!("no terms: {error}")))
}

/// Reads a receipt's file and opens it: [`open`], for a file that should be nothing else.
pub fn read(path: &Path, pin: &PinArgs) -> Result<Result<(Evidence, Signer), String>, CliError> {
    let bytes = read_bytes(path)?;
    FileKind::Receipt.check(path, &bytes)?;
    open(&bytes, pin)
}

/// Opens an envelope and compares it with what is pinned; or why it is refused.
pub fn open(bytes: &[u8], pin: &PinArgs) -> Result<Result<(Evidence, Signer), String>, CliError> {
    let terms = pin.terms.as_deref().map(read_terms).transpose()?;
    let (evidence, signer) = match envelope::open(bytes) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Some(from) = pin.from
        && from != signer
    {
        return Ok(Err(format!("the receipt is signed by {signer}, not by {from}")));
    }
    if terms.is_some() && terms != evidence.agreement {
        return Ok(Err("the receipt is not for these terms".to_string()));
    }
    // Terms name the provider's account. Another key may sign in its place, if somebody says whose it is.
    if terms.is_some() && pin.from.is_none() && matches!(signer, Signer::Ed25519(_)) {
        let why = "which the terms do not name: say by --from whose receipt it should be";
        return Ok(Err(format!("the receipt is signed by the key {signer}, {why}")));
    }
    Ok(Ok((evidence, signer)))
}

/// Why a receipt is not one of this program under these names of outputs, if it is not.
pub fn other_program(evidence: &Evidence, program: &Program) -> Option<String> {
    if let Err(error) = evidence.receipt.check_program(program) {
        return Some(error.to_string());
    }
    let names = program.outputs.iter().map(|output| &output.name);
    (!names.eq(evidence.outputs.iter().map(|output| &output.name)))
        .then(|| "the receipt gives the outputs other names than the program".to_string())
}

/// Why a receipt is of other inputs than these, if it is.
pub fn other_inputs(program: &Program, receipt: &Receipt, inputs: &Tensors) -> Option<String> {
    let error = receipt.check_inputs(&input_digests(program, inputs)).err()?;
    Some(match &error {
        ReceiptError::OtherInput { input } => {
            format!("input {}: the receipt has another digest than your file", program.inputs[*input].name)
        }
        _ => error.to_string(),
    })
}

/// The files that a receipt is compared with.
pub struct Own<'a> {
    /// The program.
    pub model: Option<&'a Path>,
    /// Files of inputs.
    pub input: &'a [String],
    /// A folder of inputs that no file is given for.
    pub state: Option<&'a Path>,
    /// Files of outputs.
    pub output: &'a [String],
    /// The row of each file.
    pub sample: Option<usize>,
}

/// Which parts of a statement or a receipt were compared with files, and whether they were equal.
#[derive(Default)]
pub struct Compared {
    /// The inputs, in order.
    pub inputs: Vec<Option<(PathBuf, bool)>>,
    /// The outputs, in order.
    pub outputs: Vec<Option<(PathBuf, bool)>>,
}

impl Compared {
    /// Nothing, of so many inputs and outputs.
    pub fn none(inputs: usize, outputs: usize) -> Compared {
        Compared { inputs: vec![None; inputs], outputs: vec![None; outputs] }
    }

    /// `equals` in JSON: the file, `false` where it is another tensor, `null` where there was none.
    pub fn json(compared: &Option<(PathBuf, bool)>) -> Value {
        match compared {
            None => Value::Null,
            Some((_, false)) => json!(false),
            Some((path, true)) => json!(path.display().to_string()),
        }
    }
}

/// What was compared, in words.
fn told(compared: &[Option<(PathBuf, bool)>], flag: &str) -> String {
    let files: Vec<String> = compared.iter().flatten().map(|(path, _)| path.display().to_string()).collect();
    let count = compared.len();
    match files.len() {
        0 => format!("{count}, not compared with files of yours ({flag})"),
        all if all == count => format!("{count}, all equal to your files"),
        some => format!("{count}, of which {some} equal to your files: {}", files.join(", ")),
    }
}

impl Own<'_> {
    /// The first difference between a receipt and the files; which of them were compared.
    fn compare(&self, evidence: &Evidence, compared: &mut Compared) -> Result<Option<String>, CliError> {
        let Some(model) = self.model else {
            if self.input.is_empty() && self.output.is_empty() && self.state.is_none() {
                return Ok(None);
            }
            let needed = "to compare a receipt with files, --model is needed: it says how they are read";
            return Err(CliError::Usage(needed.to_string()));
        };
        let program = read_program(model)?;
        if let Some(reason) = other_program(evidence, &program) {
            return Ok(Some(reason));
        }
        let names: Vec<&str> = program.inputs.iter().map(|input| input.name.as_str()).collect();
        let files = input_files(&program, self.input, self.state);
        for (index, given) in assign(&files, &names, "input", false)?.iter().enumerate() {
            let Some(loaded) = given.first() else { continue };
            let given = match program.precision {
                Precision::Int8 => {
                    let (tensor, _) = integers(&program, index, loaded, self.sample)?;
                    tensor.digest(&program.inputs[index].bounds)
                }
                Precision::F32 => reals(&program, index, loaded, self.sample)?.digest(),
            };
            let equal = given == evidence.receipt.inputs[index];
            compared.inputs[index] = Some((loaded.path.clone(), equal));
            if !equal {
                return Ok(Some(differs("input", names[index], &loaded.path)));
            }
        }
        let names: Vec<&str> = program.outputs.iter().map(|output| output.name.as_str()).collect();
        for (index, given) in assign(self.output, &names, "output", false)?.iter().enumerate() {
            let Some(loaded) = given.first() else { continue };
            let operation = &program.operations[program.outputs[index].operation];
            // A file that `assay run` wrote of one sample has no rows, whatever --sample says of the inputs.
            let whole = same(loaded.tensor.shape(), operation.shape.sizes());
            let tensor = one(loaded, operation.shape.sizes(), if whole { None } else { self.sample })?;
            let digest = match program.precision {
                Precision::F32 => {
                    let bits = tensor.to_f32().into_iter().map(f32::to_bits).collect();
                    Some(RealTensor { shape: operation.shape.clone(), bits }.digest())
                }
                Precision::Int8 => {
                    let bounds = operation.bounds();
                    let integers = output_integers(&program, index, &tensor);
                    let held = integers.filter(|tensor| tensor.values.iter().all(|&x| bounds.contains(x)));
                    held.map(|tensor| tensor.digest(&bounds))
                }
            };
            let equal = digest == Some(evidence.receipt.outputs[index].digest);
            compared.outputs[index] = Some((loaded.path.clone(), equal));
            if !equal {
                return Ok(Some(differs("output", names[index], &loaded.path)));
            }
        }
        Ok(None)
    }
}

fn differs(what: &str, name: &str, path: &Path) -> String {
    format!("{what} {name}: the receipt has another digest than {}", path.display())
}

/// Verifies a receipt's file: signature, structure, leaves, outputs, and the buyer's own files.
pub fn verify(bytes: &[u8], pin: &PinArgs, own: &Own<'_>) -> Result<Report, CliError> {
    let start = Instant::now();
    let (evidence, signer) = match open(bytes, pin)? {
        Ok(opened) => opened,
        Err(reason) => return Ok(rejected(reason, None)),
    };
    let took = start.elapsed();
    let receipt = &evidence.receipt;
    let mut compared = Compared::none(receipt.inputs.len(), receipt.outputs.len());
    let reason = own.compare(&evidence, &mut compared)?;
    let equals = json!({
        "inputs": compared.inputs.iter().map(Compared::json).collect::<Vec<_>>(),
        "outputs": compared.outputs.iter().map(Compared::json).collect::<Vec<_>>(),
    });
    if let Some(reason) = reason {
        let mut report = rejected(reason, Some((&evidence, signer)));
        report.json["equals"] = equals;
        return Ok(report);
    }
    let by = if pin.from.is_some() { "as --from says" } else { "compare it yourself, or by --from" };
    let of = if own.model.is_some() { "this model's" } else { "not compared with a model (--model)" };
    let job = match &evidence.agreement {
        None => "none: it can be replayed and audited, not disputed".to_string(),
        Some(_) => {
            let terms = if pin.terms.is_some() { "under your terms" } else { "not compared (--terms)" };
            let named = match signer {
                Signer::Ed25519(_) => ", by a key that the terms do not name",
                Signer::Address(_) => "",
            };
            format!("{}, {terms}{named}", Hex(&receipt.job))
        }
    };
    let mut lines = vec![
        format!("VERIFIED        in {}: signature, structure, leaves, outputs", report::time(took)),
        format!("signer          {signer}, {by}"),
        format!("receipt         {}", Hex(&receipt.hash())),
        format!("program         {}, {of}", Hex(&receipt.program)),
        format!("job             {job}"),
        format!("operations      {}", report::count(receipt.operations.into())),
        format!("inputs          {}", told(&compared.inputs, "--input")),
    ];
    for (output, claim) in evidence.outputs.iter().zip(&receipt.outputs) {
        lines.push(format!("output          {} {}", output.name, Hex(&claim.digest)));
    }
    lines.push(format!("outputs         {}", told(&compared.outputs, "--output")));
    lines.push("worth           the signer's word: nothing was recomputed (assay replay)".to_string());
    let mut json = describe("verified", None, Some((&evidence, signer)));
    json["equals"] = equals;
    Ok(Report::done(lines.join("\n"), json))
}

/// The report that a receipt is rejected.
pub fn rejected(reason: String, opened: Option<(&Evidence, Signer)>) -> Report {
    let json = describe("rejected", Some(&reason), opened);
    Report { text: format!("REJECTED        {}", report::plain(&reason)), json, rejected: true }
}

/// A verdict on a receipt as JSON.
pub fn describe(verdict: &str, reason: Option<&str>, opened: Option<(&Evidence, Signer)>) -> Value {
    let hex = |digest: &Digest32| Hex(digest).to_string();
    let receipt = opened.map(|(evidence, signer)| {
        let receipt = &evidence.receipt;
        let outputs = evidence.outputs.iter().zip(&receipt.outputs).map(|(output, claim)| {
            json!({
                "name": output.name,
                "operation": claim.operation,
                "blake3": hex(&claim.digest),
                "sha256": hex(&output.sha256),
            })
        });
        json!({
            "signer": signer.to_string(),
            "hash": hex(&receipt.hash()),
            "program": hex(&receipt.program),
            "profile": profile_name(receipt.profile),
            "job": hex(&receipt.job),
            "trace_root": hex(&receipt.trace_root),
            "operations": receipt.operations,
            "inputs": receipt.inputs.iter().map(hex).collect::<Vec<_>>(),
            "outputs": outputs.collect::<Vec<_>>(),
        })
    });
    json!({ "kind": "receipt", "verdict": verdict, "reason": reason, "receipt": receipt })
}
