//! `assay compile --train`: a network to a step of its training.

use crate::args::file_name;
use crate::compile::{CompileArgs, describe};
use crate::error::CliError;
use crate::report::{self, Report};
use assay_prover::files::{FileError, write_atomically, write_tensor};
use assay_prover::onnx::{Tensor, batch_dimension, import};
use assay_prover::train::{Optimiser, step};
use assay_verifier::hex::Hex;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// How a network is trained.
#[derive(Args)]
pub struct TrainArgs {
    /// Compiles one step of training instead: an f32 program that takes a batch, labels, the weights and what the optimiser
    /// keeps, and gives the loss, and each of the others for the next step as NAME.next.
    #[arg(long, value_enum, requires_all = ["lr", "batch"])]
    pub train: Option<OptimiserArg>,
    /// The step size.
    #[arg(long, value_name = "X", requires = "train", value_parser = crate::args::parse_finite)]
    lr: Option<f64>,
    /// Samples of a batch.
    #[arg(long, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// The loss: softmax cross-entropy of the logits against class numbers in the input `labels`.
    #[arg(long, value_enum, requires = "train", default_value = "softmax-cross-entropy")]
    loss: LossArg,
    /// Adam's decay of the mean.
    #[arg(long, value_name = "X", requires = "train", default_value_t = 0.9, value_parser = crate::args::parse_finite)]
    beta1: f64,
    /// Adam's decay of the mean of squares.
    #[arg(long, value_name = "X", requires = "train", default_value_t = 0.999, value_parser = crate::args::parse_finite)]
    beta2: f64,
    /// What Adam adds to the root.
    #[arg(long, value_name = "X", requires = "train", default_value_t = 1e-8, value_parser = crate::args::parse_finite)]
    epsilon: f64,
    /// The folder for the state before the first step, NAME.npy each, which `assay run --state` takes; beside the program
    /// unless given.
    #[arg(long, value_name = "DIR", requires = "train")]
    init: Option<PathBuf>,
}

/// An optimiser.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimiserArg {
    /// `w - lr * g`.
    Sgd,
    /// Adam.
    Adam,
}

/// A loss.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LossArg {
    /// The mean over the batch of the negative logarithm of the class's share.
    SoftmaxCrossEntropy,
}

impl TrainArgs {
    fn optimiser(&self, which: OptimiserArg) -> Optimiser {
        let LossArg::SoftmaxCrossEntropy = self.loss;
        let learning_rate = self.lr.unwrap_or_default() as f32;
        match which {
            OptimiserArg::Sgd => Optimiser::Sgd { learning_rate },
            OptimiserArg::Adam => Optimiser::Adam {
                learning_rate,
                beta1: self.beta1 as f32,
                beta2: self.beta2 as f32,
                epsilon: self.epsilon as f32,
            },
        }
    }
}

impl CompileArgs {
    /// Compiles a training step.
    pub fn training_step(
        &self,
        which: OptimiserArg,
        bytes: &[u8],
        start: Instant,
    ) -> Result<Report, CliError> {
        let failed = |source| CliError::Import { path: self.model.clone(), source: Box::new(source) };
        let mut dims: std::collections::BTreeMap<String, usize> = self.dim.iter().cloned().collect();
        let batch = self.train.batch.unwrap_or(1) as usize;
        match batch_dimension(bytes).map_err(failed)? {
            Some(name) => dims.insert(name, batch),
            None => {
                return Err(CliError::content(
                    &self.model,
                    "takes batches of a fixed size: --batch has no effect",
                ));
            }
        };
        let graph = import(bytes, &dims).map_err(failed)?;
        let image = self.options(&graph)?.image;
        let step = step(&graph, image.as_ref(), self.train.optimiser(which), false)
            .map_err(|source| CliError::Train { path: self.model.clone(), source: Box::new(source) })?;
        let folder = self.train.init.clone().unwrap_or_else(|| self.out.out.with_extension("init"));
        let name = |input: usize| file_name(&step.program.inputs[input].name);
        let mut files = BTreeSet::new();
        for (input, ..) in &step.state {
            // `--state` looks for the next value of an input first.
            if !(files.insert(name(*input)) && files.insert(format!("{}.next", name(*input)))) {
                let problem = format!("two weights would have one file: {}", name(*input));
                return Err(CliError::content(&self.model, problem));
            }
        }
        std::fs::create_dir_all(&folder)
            .map_err(|source| FileError::Write { path: folder.clone(), source })?;
        for (input, _, initial) in &step.state {
            let values: Vec<f32> = initial.bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let tensor = Tensor::new(initial.shape.sizes().to_vec(), values)
                .map_err(|error| CliError::Internal(error.to_string()))?;
            write_tensor(&folder.join(format!("{}.npy", name(*input))), &tensor)?;
        }
        let program = step.program;
        let encoded = program.encode();
        write_atomically(&self.out.out, &encoded)?;
        let took = start.elapsed();
        let out = self.out.out.display();
        let mut lines =
            vec![format!("compiled        a step of {} in {}", self.model.display(), report::time(took))];
        lines.extend(describe(&program));
        lines.push(format!("operations      {}", program.operations.len()));
        lines
            .push(format!("a receipt       hashes {} of wires", report::size(program.wire_bytes() as usize)));
        lines.push(format!("written         {out}, {}", report::size(encoded.len())));
        lines.push(format!("                {}: the state before the first step", folder.display()));
        let json = json!({
            "program": out.to_string(),
            "program_root": Hex(&program.root()).to_string(),
            "precision": "f32",
            "bytes": encoded.len(),
            "operations": program.operations.len(),
            "wire_bytes": program.wire_bytes(),
            "init": folder.display().to_string(),
            "times": { "compile_ms": report::milliseconds(took) },
        });
        Ok(Report::done(lines.join("\n"), json))
    }
}
