//! Compiling: a float or quantised ONNX graph to a [`Program`], one call on plain values.
//!
//! ```no_run
//! # use assay_prover::{compile::{CompileOptions, compile}, onnx::import};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let graph = import(&std::fs::read("model.onnx")?, &Default::default())?;
//! let program = compile(&graph, &[], &CompileOptions::default())?;
//! # Ok(()) }
//! ```

use crate::onnx::{DType, Graph, RunError, Tensor};
use crate::quantise::accuracy::report;
use crate::quantise::{Level, LowerNodeError, calibrate, default_samples, lower, prepare};
use assay_circuits::program::{ImageInput, Output, Program, ProgramError};
use assay_circuits::tensor::Tensor as IntTensor;
use std::collections::BTreeMap;

/// Width of activations and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Bits {
    /// 8 bits.
    Eight,
    /// Up to 16 bits.
    Sixteen,
    /// 8 bits; more where the calibration shows that 8 lose accuracy.
    #[default]
    Auto,
}

/// How to compile.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// Width of activations and weights.
    pub bits: Bits,
    /// True where proofs use commitments to the weights instead of the weights.
    pub committed_model: bool,
    /// The picture that the model takes.
    pub image: Option<ImageInput>,
    /// Inputs whose values a statement does not show.
    pub committed_inputs: Vec<String>,
    /// Outputs whose values a statement does not show.
    pub committed_outputs: Vec<String>,
}

/// Why a graph cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A calibration sample does not run.
    #[error("calibration: {0}")]
    Calibration(#[from] RunError),
    /// A calibration sample holds what is no number.
    #[error("calibration sample {sample}: input {input} holds NaN or infinity")]
    NotFinite {
        /// The sample.
        sample: usize,
        /// The input.
        input: String,
    },
    /// A name that is no input or output.
    #[error("{what} {name} is not in the model")]
    Unknown {
        /// "input" or "output".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A node has no integer form.
    #[error("node {node} ({operator}): {source}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        operator: String,
        /// Why.
        source: LowerNodeError,
    },
    /// The program breaks a rule of its format.
    #[error("the program cannot be built: {0}")]
    Program(#[from] ProgramError),
}

/// Share of samples on which top-1 may differ before [`Bits::Auto`] takes more bits.
pub const TOP1_LOSS: f64 = 0.01;
/// Cosine below which [`Bits::Auto`] takes more bits.
pub const LEAST_COSINE: f64 = 0.999;

/// What [`Bits::Auto`] tries, in order.
const LEVELS: [Level; 4] = [
    Level { activation_bits: 8, weight_bits: 8 },
    Level { activation_bits: 8, weight_bits: 10 },
    Level { activation_bits: 10, weight_bits: 11 },
    Level { activation_bits: 12, weight_bits: 12 },
];
/// What [`Bits::Sixteen`] takes.
const SIXTEEN: Level = Level { activation_bits: 16, weight_bits: 12 };

/// Compiles a graph. Without calibration samples the ranges come from inputs drawn deterministically
/// ([`default_samples`]; bytes of pictures where the model takes one), which serves for quantised models and tests
/// but is a guess for others.
///
/// # Errors
/// Where a sample does not fit the graph, or a node has no integer form.
pub fn compile(
    graph: &Graph,
    calibration: &[BTreeMap<String, Tensor>],
    options: &CompileOptions,
) -> Result<Program, CompileError> {
    check_names(graph, options)?;
    let drawn;
    let samples = match calibration {
        [] => {
            drawn = default_samples(graph);
            drawn.as_slice()
        }
        given => given,
    };
    for (number, sample) in samples.iter().enumerate() {
        let broken = sample.iter().find(|(_, tensor)| tensor.to_f32().iter().any(|x| !x.is_finite()));
        if let Some((input, _)) = broken {
            return Err(CompileError::NotFinite { sample: number, input: input.clone() });
        }
    }
    let prepared = prepare(graph);
    let ranges = calibrate(&prepared, samples)?;
    let build = |level: Level| -> Result<Program, CompileError> {
        let committed = (options.committed_inputs.as_slice(), options.committed_outputs.as_slice());
        let image = options.image.as_ref();
        let mut program = lower(&prepared, &ranges, level, options.committed_model, image, committed)
            .map_err(|(node, operator, source)| CompileError::Node { node, operator, source })?;
        program.check()?;
        program.accuracy = report(&program, graph, samples);
        Ok(program)
    };
    match options.bits {
        Bits::Eight => build(LEVELS[0]),
        Bits::Sixteen => build(SIXTEEN),
        Bits::Auto => {
            let mut best: Option<Program> = None;
            for level in LEVELS {
                let program = build(level)?;
                let enough = is_accurate(&program);
                let better = best.as_ref().is_none_or(|best| score(&program) > score(best));
                if better {
                    best = Some(program);
                }
                // A quantised model's own widths do not change with ours.
                if enough || is_quantised(&prepared) {
                    break;
                }
            }
            best.map_or_else(|| build(LEVELS[0]), Ok)
        }
    }
}

fn is_quantised(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| node.op_type == "QuantizeLinear" || node.op_type.starts_with("QLinear"))
}

fn is_accurate(program: &Program) -> bool {
    program
        .accuracy
        .outputs
        .iter()
        .all(|output| output.top1_agreement >= 1.0 - TOP1_LOSS && output.cosine >= LEAST_COSINE)
}

fn score(program: &Program) -> f64 {
    program.accuracy.outputs.iter().map(|output| output.top1_agreement + output.cosine).sum()
}

fn check_names(graph: &Graph, options: &CompileOptions) -> Result<(), CompileError> {
    let inputs: Vec<&String> = graph.inputs.iter().map(|input| &input.name).collect();
    for (what, names, known) in [
        ("input", &options.committed_inputs, inputs),
        ("output", &options.committed_outputs, graph.outputs.iter().collect()),
    ] {
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(CompileError::Unknown { what, name: name.clone() });
        }
    }
    Ok(())
}

/// The integers of a program's input: a real value to the nearest integer, saturating; an integer tensor
/// of the source model less its zero point, which the input's bounds tell.
pub fn quantise_input(program: &Program, index: usize, tensor: &Tensor) -> IntTensor {
    let input = &program.inputs[index];
    let clamp = |x: i64| x.max(input.bounds.lo).min(input.bounds.hi);
    let values = match tensor.integers() {
        Ok(integers) if input.scale == 1.0 => {
            let least = match tensor.dtype() {
                DType::I8 => -128,
                DType::I16 => -32768,
                DType::U8 | DType::U16 => 0,
                _ => input.bounds.lo,
            };
            integers.into_iter().map(|q| clamp(q - least + input.bounds.lo)).collect()
        }
        _ => {
            let real = tensor.to_f32();
            real.into_iter().map(|x| clamp((f64::from(x) / input.scale).round_ties_even() as i64)).collect()
        }
    };
    IntTensor { shape: input.shape.clone(), values }
}

/// The real values of a program's output.
pub fn dequantise_output(program: &Program, index: usize, tensor: &IntTensor) -> Tensor {
    let scale = program.outputs.get(index).map_or(1.0, |output: &Output| output.scale);
    let values: Vec<f32> = tensor.values.iter().map(|&x| (x as f64 * scale) as f32).collect();
    Tensor::new(tensor.shape.sizes().to_vec(), values).unwrap_or_else(|_| Tensor::scalar(0f32))
}
