//! `assay demo`: a network that reads a handwritten digit, from its ONNX file to a verified proof, and two forgeries.
//!
//! Network and digits ship inside the binary; where they come from stands in `cli/assets/README.md`.

use crate::error::CliError;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::tensors::pixels;
use assay_circuits::plan::ProofShape;
use assay_circuits::program::{ImageInput, Program};
use assay_prover::compile::{CompileOptions, compile, dequantise_output, quantise_input};
use assay_prover::execute::execute;
use assay_prover::files::npy;
use assay_prover::onnx::{Graph, Tensor, import};
use assay_prover::prove::Prover;
use assay_verifier::bundle;
use assay_verifier::hex::Hex;
use assay_verifier::key::VerifyingKey;
use assay_verifier::rejection::Rejection;
use assay_verifier::statement::{Statement, Value as Stated};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// LeNet-5, as ONNX.
const NETWORK: &[u8] = include_bytes!("../assets/mnist_lenet.onnx");
/// One picture of each digit that the network was not trained on, 28 by 28 bytes.
const DIGITS: &[u8] = include_bytes!("../assets/digits.npy");
/// 64 digits that it was trained on.
const CALIBRATION: &[u8] = include_bytes!("../assets/calibration.npy");
/// Rows and columns of a picture.
const SIDE: usize = 28;

const EXAMPLES: &str = "\
Examples:
  assay demo
  assay demo --digit 3 --json";

/// Arguments of `assay demo`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// The digit in the picture.
    #[arg(long, value_name = "0..9", default_value_t = 7, value_parser = clap::value_parser!(u8).range(0..=9))]
    digit: u8,
}

impl DemoArgs {
    /// Shows all steps.
    pub fn execute(&self) -> Result<Report, CliError> {
        let progress = Progress::start("compiling");
        let (program, compiled) = timed(compile_network)?;
        let root = Hex(&program.root()).to_string();
        let (input, picture) = digit(&program, self.digit.into())?;

        progress.phase("preparing");
        let (prover, prepared) = timed(|| Ok(Prover::new(program)?))?;
        progress.phase("running");
        let (trace, ran) = timed(|| Ok(execute(prover.program(), &[input])?))?;
        let ((statement, proof), proven) =
            timed(|| Ok(prover.prove_observed(&trace, &|phase| progress.proof(phase))?))?;
        let file = bundle::encode(prover.key(), None, &statement, &proof);

        progress.phase("verifying");
        let (key, keyed) = timed(|| crate::model::key_of("demo".as_ref(), prover.program().clone()))?;
        let (verified, verification) = timed(|| Ok(bundle::verify(&key, &file)))?;
        let (_, shown) = verified.map_err(|rejection| CliError::Internal(rejection.to_string()))?;
        let scores = scores(&key, &shown)?;
        let predicted = greatest(&scores);
        let damaged = damage(&file, &key.argument().shape);
        let flipped = rejection(&key, &damaged)?;
        let claim = (predicted + 1) % scores.len();
        let claimed = rejection(&key, &bundle::encode(&key, None, &claim_digit(&statement, claim), &proof))?;
        drop(progress);

        let program = key.program();
        let mut lines = picture_lines(&picture);
        lines.push(String::new());
        let mut step = |name: &str, took: Duration, what: String| {
            lines.push(format!("{name:<10}{:>9}   {what}", report::time(took)));
        };
        let weights: usize = program.constants.iter().map(|constant| constant.shape.cells()).sum();
        let macs = report::count(program.multiply_accumulates());
        step(
            "compile",
            compiled,
            format!("LeNet-5 from ONNX to integers, {} weights", report::count(weights as u64)),
        );
        step(
            "prepare",
            prepared,
            format!("plan and key; program {}..", &Hex(key.digest()).to_string()[..16]),
        );
        step("run", ran, format!("{macs} multiply-accumulates, exact"));
        step("prove", proven, format!("proof of {}", report::size(key.argument().shape.bytes())));
        step("verify", verification, format!("VERIFIED: the picture shows a {predicted}"));
        lines.push(String::new());
        lines.push(format!("One bit of the proof flipped:    REJECTED, {flipped}"));
        lines.push(format!("Output changed to claim a {claim}:     REJECTED, {claimed}"));

        let ms = report::milliseconds;
        let json = json!({
            "program_root": root,
            "program_digest": Hex(key.digest()).to_string(),
            "digit": self.digit,
            "predicted": predicted,
            "scores": scores,
            "verdict": "verified",
            "proof_bytes": key.argument().shape.bytes(),
            "file_bytes": file.len(),
            "multiply_accumulates": program.multiply_accumulates(),
            "rejections": { "flipped_bit": flipped.to_string(), "changed_output": claimed.to_string() },
            "times": {
                "compile_ms": ms(compiled),
                "prepare_ms": ms(prepared),
                "run_ms": ms(ran),
                "prove_ms": ms(proven),
                "key_ms": ms(keyed),
                "verify_ms": ms(verification),
            },
        });
        Ok(Report::done(lines.join("\n"), json))
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T, CliError>) -> Result<(T, Duration), CliError> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed()))
}

fn internal(error: impl std::fmt::Display) -> CliError {
    CliError::Internal(error.to_string())
}

/// Pixels as the network was trained on them: divided by 256.
fn image() -> ImageInput {
    ImageInput { scale: 1.0 / 256.0, mean: vec![0.0], std: vec![1.0] }
}

fn compile_network() -> Result<Program, CliError> {
    let graph = import(NETWORK, &BTreeMap::new()).map_err(internal)?;
    let options = CompileOptions { image: Some(image()), ..CompileOptions::default() };
    let digits = npy::decode(CALIBRATION).map_err(internal)?;
    let samples =
        (0..digits.shape()[0]).map(|i| sample(&graph, &digits, i)).collect::<Result<Vec<_>, _>>()?;
    compile(&graph, &samples, &options).map_err(internal)
}

fn sample(graph: &Graph, digits: &Tensor, i: usize) -> Result<BTreeMap<String, Tensor>, CliError> {
    let input = graph.inputs.first().ok_or_else(|| internal("the network has no input"))?;
    let picture = Tensor::new(input.shape.clone(), row(digits, i)?).map_err(internal)?;
    let real = pixels(&picture, &image()).ok_or_else(|| internal("a digit is no picture"))?;
    Ok(BTreeMap::from([(input.name.clone(), real)]))
}

fn row(digits: &Tensor, i: usize) -> Result<Vec<u8>, CliError> {
    let bytes = digits.slice::<u8>().map_err(internal)?;
    bytes
        .get(i * SIDE * SIDE..(i + 1) * SIDE * SIDE)
        .map(<[u8]>::to_vec)
        .ok_or_else(|| internal("no such digit"))
}

/// The input that shows a digit, and its pixels.
fn digit(program: &Program, digit: usize) -> Result<(assay_circuits::tensor::Tensor, Vec<u8>), CliError> {
    let bytes = row(&npy::decode(DIGITS).map_err(internal)?, digit)?;
    let shape = program.inputs.first().map(|input| input.shape.sizes().to_vec()).unwrap_or_default();
    let picture = Tensor::new(shape, bytes.clone()).map_err(internal)?;
    let real = pixels(&picture, &image()).ok_or_else(|| internal("a digit is no picture"))?;
    Ok((quantise_input(program, 0, &real), bytes))
}

/// Two rows of pixels a line.
fn picture_lines(bytes: &[u8]) -> Vec<String> {
    let dark = |y: usize, x: usize| bytes.get(y * SIDE + x).is_some_and(|&byte| byte > 95);
    let line = |y: usize| -> String {
        (0..SIDE)
            .map(|x| match (dark(y, x), dark(y + 1, x)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            })
            .collect()
    };
    let lines = (0..SIDE).step_by(2).map(|y| format!("    {}", line(y)).trim_end().to_string());
    let mut lines: Vec<String> = lines.skip_while(String::is_empty).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The real values of the verified statement's output.
fn scores(key: &VerifyingKey, statement: &Statement) -> Result<Vec<f32>, CliError> {
    match statement.outputs.first() {
        Some(Stated::Public(tensor)) => Ok(dequantise_output(key.program(), 0, tensor).to_f32()),
        _ => Err(internal("the output is not public")),
    }
}

fn greatest(scores: &[f32]) -> usize {
    (0..scores.len()).reduce(|best, i| if scores[i] > scores[best] { i } else { best }).unwrap_or(0)
}

/// The file with the lowest bit of the first number after the proof's commitments flipped.
fn damage(file: &[u8], shape: &ProofShape) -> Vec<u8> {
    let mut damaged = file.to_vec();
    let place = file.len() - shape.bytes() + 32 * (shape.wires + shape.hints);
    if let Some(byte) = damaged.get_mut(place) {
        *byte ^= 1;
    }
    damaged
}

/// The statement with the greatest output moved to another digit.
fn claim_digit(statement: &Statement, claim: usize) -> Statement {
    let mut forged = statement.clone();
    if let Some(Stated::Public(tensor)) = forged.outputs.first_mut() {
        let best = (0..tensor.values.len()).max_by_key(|&i| tensor.values[i]).unwrap_or(0);
        tensor.values.swap(best, claim);
    }
    forged
}

fn rejection(key: &VerifyingKey, file: &[u8]) -> Result<Rejection, CliError> {
    match bundle::verify(key, file) {
        Err(rejection) => Ok(rejection),
        Ok(_) => Err(internal("a forged proof was verified")),
    }
}
