//! ONNX's own node tests through import and the float interpreter.

mod common;

use std::collections::BTreeMap;

use assay_prover::onnx::{ImportError, OpError, import, run};
use common::{Case, conformance, relative_difference, vendored};

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
        match relative_difference(&found[name], expected) {
            Ok(difference) if difference <= tolerance => {}
            Ok(difference) => return Outcome::Fail(format!("`{name}` differs by {difference}")),
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
