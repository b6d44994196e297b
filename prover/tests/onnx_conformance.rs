//! ONNX's own node tests through import and the float interpreter.

mod common;

use std::collections::BTreeMap;

use assay_prover::onnx::{ImportError, OpError, import, run};
use common::{Case, conformance, difference, vendored};

/// Cases of ONNX 1.17 whose expected outputs contradict the operator's specification; ONNX Runtime and tract
/// disagree with them too.
const WRONG_VECTORS: [(&str, &str); 3] = [
    (
        "node/test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
        "counts what lies past the padding",
    ),
    ("node/test_qlinearmatmul_2D_int8_float32", "wraps where it should saturate"),
    ("node/test_qlinearmatmul_3D_int8_float32", "wraps where it should saturate"),
];

enum Outcome {
    Pass,
    Unsupported(String),
    Fail(String),
}

fn is_unsupported(error: &ImportError) -> bool {
    match error {
        ImportError::UnsupportedOperator { .. }
        | ImportError::ControlFlow { .. }
        | ImportError::Domain { .. } => true,
        ImportError::Opset { .. } | ImportError::NoOpset => true,
        ImportError::Node { source, .. } => matches!(source, OpError::Unsupported(_) | OpError::DType(_)),
        ImportError::Tensor { reason, .. }
        | ImportError::Input { reason, .. }
        | ImportError::Attribute { reason, .. } => {
            reason.contains("not supported") || reason.contains("is not a tensor")
        }
        _ => false,
    }
}

fn outcome(case: Case) -> Outcome {
    let case = case.with_constant_shapes();
    let graph = match import(&case.model_bytes(), &case.dims()) {
        Ok(graph) => graph,
        Err(error) if is_unsupported(&error) => return Outcome::Unsupported(error.to_string()),
        Err(error) => return Outcome::Fail(error.to_string()),
    };
    let found = match run(&graph, &case.inputs) {
        Ok(found) => found,
        Err(error) => return Outcome::Fail(error.to_string()),
    };
    for (name, expected) in &case.outputs {
        let tolerance = if expected.dtype().is_float() { 1e-4 } else { 0.0 };
        match difference(&found[name], expected) {
            Ok(difference) if difference.worst <= tolerance => {}
            Ok(difference) => return Outcome::Fail(format!("`{name}` differs by {}", difference.worst)),
            Err(reason) => return Outcome::Fail(format!("`{name}` {reason}")),
        }
        let described = (expected.dtype(), expected.shape().to_vec());
        if graph.shapes.get(name) != Some(&described) {
            return Outcome::Fail(format!("`{name}` was inferred as {:?}", graph.shapes.get(name)));
        }
    }
    Outcome::Pass
}

fn check(cases: Vec<(String, Result<Case, String>)>) -> usize {
    let (mut passed, mut failures, mut unsupported) = (0, vec![], BTreeMap::<String, usize>::new());
    for (name, case) in cases {
        if let Some((_, why)) = WRONG_VECTORS.iter().find(|(wrong, _)| *wrong == name) {
            println!("skipped: {name} {why}");
            continue;
        }
        match case.map_or_else(Outcome::Unsupported, outcome) {
            Outcome::Pass => passed += 1,
            Outcome::Fail(reason) => failures.push(format!("{name}: {reason}")),
            Outcome::Unsupported(reason) => {
                let reason = reason.split("; supported are").next().unwrap_or_default();
                let reason = reason.rsplit(": ").next().unwrap_or_default().to_string();
                *unsupported.entry(reason).or_default() += 1;
            }
        }
    }
    println!("{passed} pass, {} fail, {} unsupported:", failures.len(), unsupported.values().sum::<usize>());
    unsupported.iter().for_each(|(reason, count)| println!("{count:4} {reason}"));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    passed
}

#[test]
fn every_supported_conformance_case_passes() {
    check(conformance());
}

#[test]
fn every_vendored_case_passes() {
    let cases = vendored();
    let count = cases.len();
    assert_eq!(check(cases), count);
}
