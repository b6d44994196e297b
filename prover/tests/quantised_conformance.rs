//! ONNX's node cases through import, compilation and exact execution, compared with their float expectation.

mod common;

use assay_circuits::plan::plan;
use assay_prover::compile::{Bits, CompileError, CompileOptions, compile, dequantise_output, quantise_input};
use assay_prover::onnx::proto::NodeProto;
use assay_prover::onnx::{DType, import};
use assay_prover::quantise::LowerNodeError;
use common::{Case, conformance};
use std::collections::BTreeMap;

/// Greatest difference of a real output, relative to the greatest expected magnitude (at least 0.1): inputs are
/// rounded to 9 bits, weights to 8 or more.
const REAL: f32 = 0.02;
/// Greatest difference of a quantised output, in steps: a rational half up against a float half to even.
const STEPS: f32 = 1.0;

/// Inputs that a quantised program holds as constants.
fn is_parameter(node: &NodeProto, input: usize) -> bool {
    match node.op_type.as_str() {
        "QLinearMatMul" | "QLinearAdd" | "QLinearMul" => input != 0 && input != 3,
        "MatMulInteger" => input > 1,
        "QLinearConcat" => input < 2 || input % 3 != 2,
        "Conv" | "ConvTranspose" | "BatchNormalization" | "Clip" | "ConvInteger" | "QuantizeLinear"
        | "DequantizeLinear" | "Pad" | "Slice" => input > 0,
        "Gemm" => input > 1,
        "Div" => input == 1,
        op if op.starts_with("QLinear") || op == "QGemm" => input > 0,
        _ => false,
    }
}

/// Cases of ONNX 1.17 whose expected outputs contradict the operator's specification; ONNX Runtime and tract
/// disagree with them too.
const WRONG_VECTORS: [&str; 3] = [
    "node/test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
    "node/test_qlinearmatmul_2D_int8_float32",
    "node/test_qlinearmatmul_3D_int8_float32",
];

enum Outcome {
    Pass(f32),
    Fail(String),
    Unsupported(String),
    NotProven(String),
}

fn outcome(case: Case) -> Outcome {
    let case = case.with_constant_shapes().with_constants(is_parameter);
    let graph = match import(&case.model_bytes(), &case.dims()) {
        Ok(graph) => graph,
        Err(error) => return Outcome::Unsupported(format!("import: {error}")),
    };
    let options = CompileOptions { bits: Bits::Eight, ..CompileOptions::default() };
    let program = match compile(&graph, std::slice::from_ref(&case.inputs), &options) {
        Ok(program) => program,
        Err(CompileError::Node {
            source: source @ (LowerNodeError::Operator { .. } | LowerNodeError::Form(_)),
            operator,
            ..
        }) => {
            let mut text = format!("{operator}: {source}");
            text.truncate(90);
            return Outcome::Unsupported(text);
        }
        Err(error @ CompileError::NotFinite { .. }) => return Outcome::Unsupported(error.to_string()),
        Err(error) => return Outcome::Fail(error.to_string()),
    };
    let inputs: Vec<_> = program
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| quantise_input(&program, i, &case.inputs[&input.name]))
        .collect();
    let trace = match assay_circuits::execute::execute(&program, &inputs) {
        Ok(trace) => trace,
        Err(error) => return Outcome::Fail(error.to_string()),
    };
    let mut worst = 0f32;
    for (number, (name, expected)) in case.outputs.iter().enumerate() {
        let Some(place) = program.outputs.iter().position(|output| output.name == *name) else {
            return Outcome::Fail(format!("no output {name}"));
        };
        let wire = trace.outputs(&program).nth(place).unwrap();
        let found = dequantise_output(&program, place, wire);
        if found.shape() != expected.shape() {
            return Outcome::Fail(format!(
                "output {number} is {:?}, should be {:?}",
                found.shape(),
                expected.shape()
            ));
        }
        let expected_values = expected.to_f32();
        let reach = expected_values.iter().fold(0.1f32, |m, x| m.max(x.abs()));
        let distance =
            expected_values.iter().zip(found.to_f32()).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        let exact = case.model.graph.as_ref().unwrap().node.iter().any(|n| n.op_type.ends_with("Integer"));
        let limit = match expected.dtype() {
            _ if exact => 0.0,
            DType::F32 | DType::F64 => REAL * reach,
            _ => STEPS,
        };
        if distance > limit {
            return Outcome::Fail(format!("output {number} differs by {distance}, greatest {reach}"));
        }
        worst = worst.max(if expected.dtype().is_float() { distance / reach } else { 0.0 });
    }
    match plan(&program) {
        Ok(_) => Outcome::Pass(worst),
        Err(error) => Outcome::NotProven(error.to_string()),
    }
}

#[test]
fn node_cases_are_within_the_quantisation_error() {
    let (mut passed, mut failed, mut refused) = (0, Vec::new(), BTreeMap::<String, usize>::new());
    let mut worst = (0f32, String::new());
    for (name, case) in conformance() {
        if WRONG_VECTORS.contains(&name.as_str()) {
            continue;
        }
        let result = match case {
            Ok(case) => outcome(case),
            Err(error) => Outcome::Unsupported(format!("case: {error}")),
        };
        match result {
            Outcome::Pass(distance) => {
                passed += 1;
                if distance > worst.0 {
                    worst = (distance, name);
                }
            }
            Outcome::Fail(reason) => failed.push(format!("{name}: {reason}")),
            Outcome::NotProven(reason) => failed.push(format!("{name}: cannot be proven: {reason}")),
            Outcome::Unsupported(reason) => {
                if std::env::var_os("ASSAY_VERBOSE").is_some() {
                    println!("unsupported {name}: {reason}");
                }
                *refused.entry(reason.split(':').next().unwrap_or("").to_string()).or_default() += 1;
            }
        }
    }
    let unsupported: usize = refused.values().sum();
    println!("conformance, quantised: {passed} pass, {} fail, {unsupported} unsupported", failed.len());
    println!("greatest relative difference {:.4} in {}", worst.0, worst.1);
    println!("unsupported: {refused:?}");
    failed.iter().for_each(|line| println!("FAIL {line}"));
    assert!(failed.is_empty());
}
