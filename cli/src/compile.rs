//! `assay compile`: an ONNX model to a program.

use crate::args::{OutArgs, parse_dim, parse_finite};
use crate::error::CliError;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::tensors::{assign, samples, typed};
use crate::train::TrainArgs;
use assay_circuits::program::{ImageInput, Precision, Program, Visibility};
use assay_prover::compile::{Bits, CompileError, CompileOptions, compile};
use assay_prover::files::{read_bytes, write_atomically};
use assay_prover::onnx::{Graph, Tensor, import};
use assay_prover::reals;
use assay_verifier::hex::Hex;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  assay compile mlp.onnx --calibrate train.npy -o mlp.assay
  assay compile net.onnx --dim batch=1 --calibrate a.npz b.npz --bits auto -o net.assay
  assay compile cnn.onnx --calibrate photos/*.png --image-scale 0.00392156862745098 \\
      --image-mean 0.485,0.456,0.406 --image-std 0.229,0.224,0.225 -o cnn.assay
  assay compile secret.onnx --committed --commit-input x -o secret.assay
  assay compile bert.onnx --precision f32 --dim batch=1 --dim sequence=128 -o bert.assay
  assay compile lenet.onnx --train sgd --lr 0.0625 --loss softmax-cross-entropy --batch 32 -o step.assay
  assay run step.assay --state step.init --input image=images.npy labels=labels.npy -o step1";

/// Arguments of `assay compile`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct CompileArgs {
    /// The ONNX model: float, or quantised already.
    #[arg(value_name = "MODEL.onnx")]
    pub(crate) model: PathBuf,
    /// int8: integers, for proofs, receipts, audits and disputes. f32: the model's own numbers in one fixed order of
    /// evaluation, for receipts, audits and disputes.
    #[arg(long, value_enum, default_value = "int8")]
    precision: PrecisionArg,
    /// Files with sample inputs (.npy, .npz, .pb, .png); the first axis counts samples. A float model needs some tens
    /// of typical ones; without them, ranges come from random inputs.
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    calibrate: Vec<String>,
    /// Pins a dynamic dimension; one at the front is 1 unless pinned.
    #[arg(long, value_name = "NAME=SIZE", value_parser = parse_dim)]
    pub(crate) dim: Vec<(String, usize)>,
    /// Width of the integers: auto takes 8 bits, and more where the calibration shows that 8 lose accuracy.
    #[arg(long, value_enum, default_value = "auto")]
    bits: BitsArg,
    /// Keeps the weights out of proofs and keys: a key then holds commitments to them.
    #[arg(long)]
    committed: bool,
    /// Shows only a commitment to this input in a statement.
    #[arg(long, value_name = "NAME")]
    commit_input: Vec<String>,
    /// Shows only a commitment to this output in a statement.
    #[arg(long, value_name = "NAME")]
    commit_output: Vec<String>,
    /// The model takes a picture: its pixel p, from 0 to 255, becomes (p * S - mean) / std, with the mean and std of its channel.
    #[arg(long, value_name = "S", value_parser = parse_finite)]
    image_scale: Option<f64>,
    /// Mean of each channel, or one for all.
    #[arg(long, value_name = "A,B,C", requires = "image_scale", value_delimiter = ',', value_parser = parse_finite, allow_hyphen_values = true)]
    image_mean: Vec<f64>,
    /// Standard deviation of each channel, or one for all.
    #[arg(long, value_name = "A,B,C", requires = "image_scale", value_delimiter = ',', value_parser = parse_finite)]
    image_std: Vec<f64>,
    #[command(flatten)]
    pub(crate) train: TrainArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionArg {
    Int8,
    F32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BitsArg {
    #[value(name = "8")]
    Eight,
    #[value(name = "16")]
    Sixteen,
    #[value(name = "auto")]
    Auto,
}

impl From<BitsArg> for Bits {
    fn from(bits: BitsArg) -> Bits {
        match bits {
            BitsArg::Eight => Bits::Eight,
            BitsArg::Sixteen => Bits::Sixteen,
            BitsArg::Auto => Bits::Auto,
        }
    }
}

impl CompileArgs {
    /// Compiles, writes the program, and reports its accuracy.
    pub fn execute(&self) -> Result<Report, CliError> {
        let start = Instant::now();
        if self.out.out == self.model {
            return Err(CliError::Usage("--out: the program would replace its model".to_string()));
        }
        let progress = Progress::start("importing");
        let bytes = read_bytes(&self.model)?;
        if let Some(which) = self.train.train {
            progress.phase("differentiating");
            self.only_reals()?;
            return self.training_step(which, &bytes, start);
        }
        let dims = self.dim.iter().cloned().collect();
        let graph = import(&bytes, &dims)
            .map_err(|source| CliError::Import { path: self.model.clone(), source: Box::new(source) })?;
        let options = self.options(&graph)?;
        if self.precision == PrecisionArg::F32 {
            progress.phase("lowering");
            return self.reals(&graph, &options, start);
        }
        let calibration = calibration(&graph, &self.calibrate, options.image.as_ref())?;
        progress.phase("calibrating and quantising");
        let program = compile(&graph, &calibration, &options).map_err(|source| match source {
            CompileError::Calibration(_) if calibration.is_empty() => {
                let hint =
                    "the inputs were drawn: give some with --calibrate, or compile with --precision f32";
                CliError::content(&self.model, format!("{source}; {hint}"))
            }
            _ => CliError::Compile { path: self.model.clone(), source: Box::new(source) },
        })?;
        let encoded = program.encode();
        write_atomically(&self.out.out, &encoded)?;
        let took = start.elapsed();
        drop(progress);

        let out = self.out.out.display();
        let mut lines = vec![format!("compiled        {} in {}", self.model.display(), report::time(took))];
        if calibration.is_empty() {
            lines.push("                without --calibrate: ranges come from random inputs".to_string());
        }
        lines.extend(describe(&program));
        lines.extend(report::accuracy(&program.accuracy));
        lines.push(format!("written         {out}, {}", report::size(encoded.len())));
        let json = json!({
            "program": out.to_string(),
            "program_root": Hex(&program.root()).to_string(),
            "bytes": encoded.len(),
            "operations": program.operations.len(),
            "multiply_accumulates": program.multiply_accumulates(),
            "calibrated": !calibration.is_empty(),
            "accuracy": report::accuracy_json(&program.accuracy),
            "times": { "compile_ms": report::milliseconds(took) },
        });
        Ok(Report::done(lines.join("\n"), json))
    }

    /// Refuses what belongs to programs of integers.
    fn only_reals(&self) -> Result<(), CliError> {
        let committed = [&self.commit_input, &self.commit_output].iter().any(|names| !names.is_empty());
        let of_integers = [
            ("--calibrate", !self.calibrate.is_empty()),
            ("--bits", self.bits != BitsArg::Auto),
            ("--committed", self.committed),
            ("--commit-input, --commit-output", committed),
        ];
        if let Some((flag, _)) = of_integers.iter().find(|(_, given)| *given) {
            return Err(CliError::Usage(format!("{flag}: an f32 program has no integers and no proof")));
        }
        Ok(())
    }

    /// Compiles an f32 program.
    fn reals(&self, graph: &Graph, options: &CompileOptions, start: Instant) -> Result<Report, CliError> {
        self.only_reals()?;
        let program = reals::compile(graph, options.image.as_ref())
            .map_err(|source| CliError::Reals { path: self.model.clone(), source: Box::new(source) })?;
        let encoded = program.encode();
        write_atomically(&self.out.out, &encoded)?;
        let took = start.elapsed();
        let out = self.out.out.display();
        let mut lines = vec![format!("compiled        {} in {}", self.model.display(), report::time(took))];
        lines.extend(describe(&program));
        lines.push(format!("operations      {}", program.operations.len()));
        lines
            .push(format!("a receipt       hashes {} of wires", report::size(program.wire_bytes() as usize)));
        lines.push(format!("written         {out}, {}", report::size(encoded.len())));
        let json = json!({
            "program": out.to_string(),
            "program_root": Hex(&program.root()).to_string(),
            "precision": "f32",
            "bytes": encoded.len(),
            "operations": program.operations.len(),
            "wire_bytes": program.wire_bytes(),
            "multiply_accumulates": program.multiply_accumulates(),
            "times": { "compile_ms": report::milliseconds(took) },
        });
        Ok(Report::done(lines.join("\n"), json))
    }

    /// What the flags say about the program, checked against the graph.
    pub fn options(&self, graph: &Graph) -> Result<CompileOptions, CliError> {
        let image = self.image_scale.map(|scale| ImageInput {
            scale,
            mean: if self.image_mean.is_empty() { vec![0.0] } else { self.image_mean.clone() },
            std: if self.image_std.is_empty() { vec![1.0] } else { self.image_std.clone() },
        });
        if let Some(image) = &image {
            check_image(image, graph)?;
        }
        Ok(CompileOptions {
            bits: self.bits.into(),
            committed_model: self.committed,
            image,
            committed_inputs: self.commit_input.clone(),
            committed_outputs: self.commit_output.clone(),
        })
    }
}

fn check_image(image: &ImageInput, graph: &Graph) -> Result<(), CliError> {
    let [input] = graph.inputs.as_slice() else {
        let inputs = graph.inputs.len();
        return Err(CliError::Usage(format!(
            "--image-scale: the model has {inputs} inputs, not one picture"
        )));
    };
    let channels = input.shape.len().checked_sub(3).map_or(1, |axis| input.shape[axis]);
    for (flag, list) in [("--image-mean", &image.mean), ("--image-std", &image.std)] {
        if list.len() != 1 && list.len() != channels {
            let given = list.len();
            return Err(CliError::Usage(format!("{flag}: {given} numbers for {channels} channels")));
        }
    }
    if image.std.contains(&0.0) {
        return Err(CliError::Usage("--image-std: a channel is divided by zero".to_string()));
    }
    Ok(())
}

/// The samples in calibration files: row i of the files of every input makes sample i.
fn calibration(
    graph: &Graph,
    files: &[String],
    image: Option<&ImageInput>,
) -> Result<Vec<BTreeMap<String, Tensor>>, CliError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
    let mut collected: Vec<BTreeMap<String, Tensor>> = Vec::new();
    for (number, (input, given)) in graph.inputs.iter().zip(assign(files, &names, "input", true)?).enumerate()
    {
        let mut of_input = Vec::new();
        for loaded in &given {
            for tensor in samples(loaded, &input.shape)? {
                of_input.push(typed(loaded, tensor, input.dtype, image)?);
            }
        }
        if number == 0 {
            collected = vec![BTreeMap::new(); of_input.len()];
        }
        if of_input.is_empty() || of_input.len() != collected.len() {
            let (name, given, wanted) = (&input.name, of_input.len(), collected.len().max(1));
            let problem = format!("--calibrate: {given} samples of input {name}, should be {wanted}");
            return Err(CliError::Usage(problem));
        }
        for (sample, tensor) in collected.iter_mut().zip(of_input) {
            sample.insert(input.name.clone(), tensor);
        }
    }
    Ok(collected)
}

/// The inputs and outputs of a program as lines.
pub fn describe(program: &Program) -> Vec<String> {
    let visibility = |visibility| match visibility {
        Visibility::Public => "",
        Visibility::Committed => ", committed",
    };
    let mut lines = Vec::new();
    if program.precision == Precision::F32 {
        let ends = program.inputs.iter().map(|input| ("input ", &input.name, Some(&input.shape)));
        let outputs = program.outputs.iter().map(|output| {
            (
                "output",
                &output.name,
                program.operations.get(output.operation).map(|operation| &operation.shape),
            )
        });
        return (ends.chain(outputs))
            .map(|(what, name, shape)| {
                let shape = shape.map(|shape| report::shape(shape.sizes())).unwrap_or_default();
                format!("{what}          {name} {shape} of f32")
            })
            .collect();
    }
    for input in &program.inputs {
        let (shape, bounds) = (report::shape(input.shape.sizes()), input.bounds);
        let picture = if input.image.is_some() { ", a picture" } else { "" };
        lines.push(format!(
            "input           {} {shape} in [{}, {}] times {:.6}{picture}{}",
            input.name,
            bounds.lo,
            bounds.hi,
            input.scale,
            visibility(input.visibility)
        ));
    }
    for output in &program.outputs {
        let shape = program.operations.get(output.operation).map(|op| report::shape(op.shape.sizes()));
        lines.push(format!(
            "output          {} {} times {:.6}{}",
            output.name,
            shape.unwrap_or_default(),
            output.scale,
            visibility(output.visibility)
        ));
    }
    lines
}
