//! `assay verify`: a proof file against a model, and its statement against the buyer's own files; or a receipt.

use crate::beacon::read_beacon;
use crate::error::CliError;
use crate::model::{FileKind, ModelArgs};
use crate::progress::Progress;
use crate::receipt::{self, Compared, Own, PinArgs};
use crate::report::{self, Report};
use crate::run::preview;
use crate::tensors::{Loaded, assign, element, integers, one, output_integers, same};
use assay_circuits::program::{Program, Visibility};
use assay_circuits::relation::Group;
use assay_circuits::tensor::{Bounds, Tensor as IntTensor};
use assay_prover::compile::dequantise_output;
use assay_prover::files::read_bytes;
use assay_prover::prove::commit_stated;
use assay_verifier::basis::REFERENCE;
use assay_verifier::bundle::{self, Drawn, Header};
use assay_verifier::draw::{draw, operations, weights};
use assay_verifier::hex::Hex;
use assay_verifier::key::VerifyingKey;
use assay_verifier::point;
use assay_verifier::statement::{Statement, Value as Stated};
use assay_verifier::verify::SECURITY_BITS;
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  assay verify x.proof --model mlp.assay
  assay verify x.proof --vk mlp.vk --input x.npy --output y.npy
  assay verify three.proof --model lenet.assay --input digits.npy --sample 3 --json
  assay verify r.json --model lenet.assay --input digits.npy --sample 3 --from 0x..

A verified proof says: this program gives these outputs on these inputs. Whether they are the inputs that you mean \
is for you to say: with --input and --output the statement is compared with your files. A verified receipt says only \
that its signer signed it and that it is whole; `assay replay` recomputes it. Exit code 0: verified, \
1: rejected, 2: an error of usage or input.";

/// Arguments of `assay verify`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The proof file, or the receipt.
    #[arg(value_name = "RESULT.proof|RECEIPT.json")]
    proof: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Your own files of inputs, read and quantised as `assay prove` does; a difference is a rejection.
    #[arg(short, long, value_name = "[NAME=]FILE", num_args = 1..)]
    input: Vec<String>,
    /// Of a receipt: a folder for the inputs that no file is given for, NAME.next.npy or NAME.npy.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Your own files of outputs: real values, or the integers of NAME.int.npy; a difference is a rejection.
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    output: Vec<String>,
    /// Of a proof of a sample: the randomness that you gave; another draw is a rejection.
    #[arg(long, value_name = "FILE", requires = "draw")]
    beacon: Option<PathBuf>,
    /// Of a proof of a sample: the number of draws that you asked for; a proof of fewer is a rejection.
    #[arg(long, value_name = "N")]
    draw: Option<u32>,
    /// Of a proof of a sample: what the run was committed to before you gave the randomness; another one is a rejection.
    #[arg(long, value_name = "FILE")]
    commitment: Option<PathBuf>,
    /// Takes row I, from 0 on, of each file of inputs, and of those of outputs that have rows.
    #[arg(long, value_name = "I")]
    sample: Option<usize>,
    #[command(flatten)]
    pin: PinArgs,
}

/// What a sampled proof covers, and what that is worth.
struct SampleReport {
    drawn: Drawn,
    operations: Vec<(usize, String)>,
    total: usize,
    least_share: f64,
}

impl SampleReport {
    fn new(key: &VerifyingKey, drawn: &Drawn) -> SampleReport {
        let program = key.program();
        let samples = draw(program, &drawn.commitment, &drawn.randomness, drawn.samples);
        let named = |i: usize| (i, program.operations.get(i).map_or_else(String::new, |op| op.name.clone()));
        let weights = weights(program);
        let total: u128 = weights.iter().sum();
        let least = weights.iter().min().copied().unwrap_or(0);
        SampleReport {
            drawn: *drawn,
            operations: operations(&samples).into_iter().map(named).collect(),
            total: program.operations.len(),
            least_share: least as f64 / total.max(1) as f64,
        }
    }

    /// Probability that a run with this share of wrong operations, by weight, is caught.
    fn caught(&self, share: f64) -> f64 {
        1.0 - (1.0 - share).powf(self.drawn.samples.into())
    }

    fn json(&self) -> Value {
        json!({
            "samples": self.drawn.samples,
            "operations": self.operations.iter().map(|(i, name)| json!({ "number": i, "name": name })).collect::<Vec<_>>(),
            "of": self.total,
            "randomness": Hex(&self.drawn.randomness).to_string(),
            "commitment": Hex(&self.drawn.commitment).to_string(),
            "caught_if_one_cheapest_operation_is_wrong": self.caught(self.least_share),
            "caught_if_a_tenth_is_wrong": self.caught(0.1),
        })
    }

    fn lines(&self, beacon: bool, commitment: bool) -> Vec<String> {
        let names: Vec<String> = self.operations.iter().map(|(i, name)| format!("{i} {name}")).collect();
        let mut lines = vec![
            format!("covers          {} of {} operations: {}", names.len(), self.total, names.join(", ")),
            format!(
                "worth           {} samples catch one wrong operation with {:.1} % or more, a wrong tenth with {:.1} %",
                self.drawn.samples,
                100.0 * self.caught(self.least_share),
                100.0 * self.caught(0.1)
            ),
        ];
        if !(beacon && commitment) {
            let note = "worth that only if the randomness was yours and came after the commitment";
            lines.push(format!("                {note} (--beacon, --draw, --commitment)"));
        }
        lines
    }
}

impl VerifyArgs {
    /// Verifies, compares, and reports the verdict.
    pub fn execute(&self) -> Result<Report, CliError> {
        let file = read_bytes(&self.proof)?;
        match FileKind::of(&file) {
            Some(FileKind::Receipt) => return self.receipt(&file),
            // What is cut or edited is still a proof, which is then rejected.
            None | Some(FileKind::Proof) => {}
            Some(_) => FileKind::Proof.check(&self.proof, &file)?,
        }
        if self.pin.from.is_some() || self.pin.terms.is_some() || self.state.is_some() {
            let of = "--from, --terms and --state are about receipts; this is none";
            return Err(CliError::Usage(of.to_string()));
        }
        let progress = Progress::start("preparing the key");
        let start = Instant::now();
        let key = self.model.key()?;
        let prepared = start.elapsed();
        progress.phase("verifying");
        let start = Instant::now();
        let result = bundle::verify(&key, &file);
        let verified = start.elapsed();
        let (statement, mut reason) = match result {
            Ok((_, statement)) => (Some(statement), None),
            Err(rejection) => (None, Some(rejection.to_string())),
        };
        let drawn = Header::decode(&file).ok().and_then(|header| header.drawn);
        if reason.is_none() {
            reason = self.compare_draw(drawn.as_ref())?;
        }
        let sample = drawn.as_ref().map(|drawn| SampleReport::new(&key, drawn));
        let mut compared = Compared::default();
        if let Some(statement) = &statement {
            compared = Compared::none(statement.inputs.len(), statement.outputs.len());
            if reason.is_none() {
                reason = self.compare(&key, statement, &mut compared)?;
            }
        }
        drop(progress);

        let statement_bytes = statement
            .as_ref()
            .map_or(0, |statement| statement.encode(key.program(), &key.argument().system.layout).len());
        let proof_bytes = file.len().saturating_sub(statement_bytes);
        let json = json!({
            "verdict": if reason.is_none() { "verified" } else { "rejected" },
            "reason": reason,
            "program_digest": Hex(key.digest()).to_string(),
            "mode": mode(key.program()),
            "reference": REFERENCE,
            "security_bits": SECURITY_BITS,
            "zero_knowledge": false,
            "coverage": sample.as_ref().map_or(json!("all"), SampleReport::json),
            "inputs": statement.as_ref().map(|s| inputs_json(key.program(), s, &compared)),
            "outputs": statement.as_ref().map(|s| outputs_json(key.program(), s, &compared)),
            "file_bytes": file.len(),
            "proof_bytes": proof_bytes,
            "times": {
                "key_ms": report::milliseconds(prepared),
                "verify_ms": report::milliseconds(verified),
            },
        });
        let text = match &reason {
            Some(reason) => format!("REJECTED        {reason}"),
            None => {
                let mut lines = vec![
                    format!("VERIFIED        in {}", report::time(verified)),
                    format!("program         {}", Hex(key.digest())),
                    format!("security        {SECURITY_BITS} bits, {REFERENCE}; not zero knowledge"),
                ];
                if let Some(sample) = &sample {
                    lines.extend(sample.lines(self.beacon.is_some(), self.commitment.is_some()));
                }
                lines.extend(statement.iter().flat_map(|s| describe(key.program(), s, &compared)));
                let rest = report::size(statement_bytes);
                lines.push(format!("proof           {}, statement {rest}", report::size(proof_bytes)));
                lines.join("\n")
            }
        };
        Ok(Report { text, json, rejected: reason.is_some() })
    }

    /// Compares a draw with what the buyer gave and got before it.
    fn compare_draw(&self, drawn: Option<&Drawn>) -> Result<Option<String>, CliError> {
        if let Some(asked) = self.draw {
            match drawn {
                None => {}
                Some(drawn) if drawn.samples >= asked => {}
                Some(drawn) => {
                    let fewer = drawn.samples;
                    return Ok(Some(format!(
                        "the proof is of {fewer} draws, fewer than the {asked} of --draw"
                    )));
                }
            }
        }
        let wanted = [("beacon", &self.beacon), ("commitment", &self.commitment)];
        for (what, path) in wanted {
            let Some(path) = path else { continue };
            let Some(drawn) = drawn else {
                return Err(CliError::Usage(format!(
                    "--{what}: this proof is of all operations, nothing was drawn"
                )));
            };
            let stated = if what == "beacon" { drawn.randomness } else { drawn.commitment };
            if read_beacon(path)? != stated {
                return Ok(Some(format!(
                    "the draw's {what} is {}, not that of {}",
                    Hex(&stated),
                    path.display()
                )));
            }
        }
        Ok(None)
    }

    fn receipt(&self, file: &[u8]) -> Result<Report, CliError> {
        if self.model.vk.is_some() {
            return Err(CliError::Usage("a receipt is of a program: give --model, not --vk".to_string()));
        }
        if self.beacon.is_some() || self.draw.is_some() || self.commitment.is_some() {
            let of =
                "--beacon and --commitment are about proofs of a sample; a receipt is audited (assay audit)";
            return Err(CliError::Usage(of.to_string()));
        }
        let own = Own {
            model: self.model.model.as_deref(),
            input: &self.input,
            state: self.state.as_deref(),
            output: &self.output,
            sample: self.sample,
        };
        receipt::verify(file, &self.pin, &own)
    }

    /// Compares the statement with the buyer's files; the first difference.
    fn compare(
        &self,
        key: &VerifyingKey,
        statement: &Statement,
        compared: &mut Compared,
    ) -> Result<Option<String>, CliError> {
        let program = key.program();
        let names: Vec<&str> = program.inputs.iter().map(|input| input.name.as_str()).collect();
        for (index, given) in assign(&self.input, &names, "input", false)?.iter().enumerate() {
            let Some(loaded) = given.first() else { continue };
            let (tensor, _) = integers(program, index, loaded, self.sample)?;
            let stated = &statement.inputs[index];
            let what = format!("input {}", names[index]);
            let difference = differs(key, Group::Input(index), stated, &tensor, &what, loaded);
            compared.inputs[index] = Some((loaded.path.clone(), difference.is_none()));
            if difference.is_some() {
                return Ok(difference);
            }
        }
        let names: Vec<&str> = program.outputs.iter().map(|output| output.name.as_str()).collect();
        for (index, given) in assign(&self.output, &names, "output", false)?.iter().enumerate() {
            let Some(loaded) = given.first() else { continue };
            let difference = self.compare_output(key, index, &statement.outputs[index], loaded)?;
            compared.outputs[index] = Some((loaded.path.clone(), difference.is_none()));
            if difference.is_some() {
                return Ok(difference);
            }
        }
        Ok(None)
    }

    fn compare_output(
        &self,
        key: &VerifyingKey,
        index: usize,
        stated: &Stated,
        loaded: &Loaded,
    ) -> Result<Option<String>, CliError> {
        let output = &key.program().outputs[index];
        let shape = &key.program().operations[output.operation].shape;
        // A file that `assay run` wrote of one sample has no rows, whatever --sample says of the inputs.
        let whole = same(loaded.tensor.shape(), shape.sizes());
        let tensor = one(loaded, shape.sizes(), if whole { None } else { self.sample })?;
        let what = format!("output {}", output.name);
        let program = key.program();
        let integral = match stated {
            Stated::Public(integral) if tensor.dtype().is_float() => integral,
            _ => {
                let integers = output_integers(program, index, &tensor);
                return Ok(match integers {
                    Some(integers) => differs(key, Group::Output(index), stated, &integers, &what, loaded),
                    None => Some(format!("{what}: {} has values that it cannot have", loaded.path.display())),
                });
            }
        };
        let given = tensor.to_f32();
        let real = dequantise_output(key.program(), index, integral).to_f32();
        let different = real.iter().zip(&given).position(|(a, b)| a != b);
        Ok(different.map(|i| difference(&what, loaded, shape.sizes(), i, real[i], given[i])))
    }
}

/// How a part of the statement differs from a tensor of the buyer's, if it does.
fn differs(
    key: &VerifyingKey,
    group: Group,
    stated: &Stated,
    given: &IntTensor,
    what: &str,
    loaded: &Loaded,
) -> Option<String> {
    match stated {
        Stated::Public(stated) => {
            let different = stated.values.iter().zip(&given.values).position(|(a, b)| a != b);
            let shape = stated.shape.sizes();
            different.map(|i| difference(what, loaded, shape, i, stated.values[i], given.values[i]))
        }
        Stated::Committed(rows) => (commit_stated(key, group, given).as_ref() != Some(rows))
            .then(|| format!("{what}: the statement's commitment is not that of {}", loaded.path.display())),
    }
}

fn difference<T: std::fmt::Display>(
    what: &str,
    loaded: &Loaded,
    shape: &[usize],
    i: usize,
    stated: T,
    given: T,
) -> String {
    let (place, path) = (element(shape, i), loaded.path.display());
    format!("{what}: element {place} is {stated} in the statement, {given} in {path}")
}

/// What of a proof is public.
pub fn mode(program: &Program) -> Value {
    let name = |committed| if committed { "committed" } else { "public" };
    let inputs: Map<String, Value> = program
        .inputs
        .iter()
        .map(|input| (input.name.clone(), json!(name(input.visibility == Visibility::Committed))))
        .collect();
    let outputs: Map<String, Value> = program
        .outputs
        .iter()
        .map(|output| (output.name.clone(), json!(name(output.visibility == Visibility::Committed))))
        .collect();
    json!({ "model": name(program.committed_model), "inputs": inputs, "outputs": outputs })
}

fn stated_json(stated: &Stated, bounds: &Bounds, scale: f64, compared: &Option<(PathBuf, bool)>) -> Value {
    let compared = Compared::json(compared);
    match stated {
        Stated::Public(tensor) => json!({
            "visibility": "public",
            "shape": tensor.shape.sizes(),
            "integers": tensor.values,
            "scale": scale,
            "digest": Hex(&tensor.digest(bounds)).to_string(),
            "equals": compared,
        }),
        Stated::Committed(rows) => json!({
            "visibility": "committed",
            "commitment": rows.iter().map(|row| Hex(&point::encode(row)).to_string()).collect::<Vec<_>>(),
            "equals": compared,
        }),
    }
}

fn inputs_json(program: &Program, statement: &Statement, compared: &Compared) -> Value {
    let parts = program.inputs.iter().zip(&statement.inputs).zip(&compared.inputs);
    let json = parts.map(|((input, stated), compared)| {
        (input.name.clone(), stated_json(stated, &input.bounds, input.scale, compared))
    });
    Value::Object(json.collect())
}

fn outputs_json(program: &Program, statement: &Statement, compared: &Compared) -> Value {
    let parts = program.outputs.iter().zip(&statement.outputs).zip(&compared.outputs).enumerate();
    let json = parts.map(|(index, ((output, stated), compared))| {
        let bounds = program.operations[output.operation].bounds();
        let mut value = stated_json(stated, &bounds, output.scale, compared);
        if let Stated::Public(tensor) = stated {
            value["values"] = json!(dequantise_output(program, index, tensor).to_f32());
        }
        (output.name.clone(), value)
    });
    Value::Object(json.collect())
}

/// The statement as lines.
fn describe(program: &Program, statement: &Statement, compared: &Compared) -> Vec<String> {
    let mut lines = Vec::new();
    let against = |compared: &Option<(PathBuf, bool)>, flag: &str| match compared {
        Some((path, _)) => format!("equal to {}", path.display()),
        None => format!("not compared with a file of yours ({flag})"),
    };
    let kind = |stated: &Stated| match stated {
        Stated::Public(tensor) => report::shape(tensor.shape.sizes()),
        Stated::Committed(rows) => format!("committed in {} rows", rows.len()),
    };
    for ((input, stated), compared) in program.inputs.iter().zip(&statement.inputs).zip(&compared.inputs) {
        lines.push(format!(
            "input           {} {}, {}",
            input.name,
            kind(stated),
            against(compared, "--input")
        ));
    }
    let outputs = program.outputs.iter().zip(&statement.outputs).zip(&compared.outputs);
    for (index, ((output, stated), compared)) in outputs.enumerate() {
        let against = match compared {
            Some(_) => format!(", {}", against(compared, "--output")),
            None => String::new(),
        };
        lines.push(format!("output          {} {}{against}", output.name, kind(stated)));
        if let Stated::Public(tensor) = stated {
            lines.push(format!("                {}", preview(&dequantise_output(program, index, tensor))));
        }
    }
    lines
}
