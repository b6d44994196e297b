//! Real networks proven: compiled, run on a sample and on inputs at their bounds, proven, verified; a changed output
//! and another model's proof are rejected.

mod common;

use assay_circuits::execute::Trace;
use assay_circuits::tensor::Tensor as IntTensor;
use assay_prover::onnx::{Graph, Tensor, import};
use assay_prover::{CompileOptions, Prover, compile, execute, quantise_input};
use assay_verifier::bundle;
use assay_verifier::statement::Value;
use common::{Case, shared};
use std::collections::BTreeMap;

/// Samples of a model's input, from its own folder or from its quantised form's.
fn samples(name: &str, graph: &Graph) -> Option<Vec<BTreeMap<String, Tensor>>> {
    let input = &graph.inputs[0];
    let cells: usize = input.shape.iter().product();
    let folders = [format!("models/{name}"), format!("models/{name}_qdq")];
    let batches = folders.iter().filter_map(|folder| Case::from_folder(&shared(folder)?).ok());
    let values =
        batches.filter_map(|case| Some(case.inputs.values().next()?.to_f32())).max_by_key(Vec::len)?;
    let sample = |row: &[f32]| {
        BTreeMap::from([(input.name.clone(), Tensor::new(input.shape.clone(), row.to_vec()).unwrap())])
    };
    Some(values.chunks(cells).take(100).map(sample).collect())
}

/// Proves a trace, verifies it, and sees a changed output rejected; gives the proof file.
fn prove_and_forge(name: &str, prover: &Prover, trace: &Trace) -> Vec<u8> {
    let (statement, proof) = prover.prove(trace).unwrap();
    let file = bundle::encode(prover.key(), None, &statement, &proof);
    bundle::verify(prover.key(), &file).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
    let mut forged = statement;
    let Some(Value::Public(output)) = forged.outputs.first_mut() else {
        panic!("{name} has no public output")
    };
    output.values[0] += if output.values[0] > 0 { -1 } else { 1 };
    let forged = bundle::encode(prover.key(), None, &forged, &proof);
    assert!(bundle::verify(prover.key(), &forged).is_err(), "{name}: another output was accepted");
    file
}

fn proven(name: &str) -> Option<(Prover, Vec<u8>)> {
    let Some(folder) = shared(&format!("models/{name}")) else {
        println!("skipped: {name} is not in the shared folder");
        return None;
    };
    let graph = import(&std::fs::read(folder.join("model.onnx")).unwrap(), &BTreeMap::new()).unwrap();
    let samples = samples(name, &graph).unwrap();
    let program = compile(&graph, &samples, &CompileOptions::default()).unwrap();
    let prover = Prover::new(program).unwrap();
    let program = prover.program();
    let sample = quantise_input(program, 0, samples[0].values().next().unwrap());
    let input = &program.inputs[0];
    let all = |value: i64| IntTensor { shape: input.shape.clone(), values: vec![value; input.shape.cells()] };
    // Far outside of the calibration set: everything saturates, and is proven all the same.
    for extreme in [all(input.bounds.lo), all(input.bounds.hi)] {
        prove_and_forge(name, &prover, &execute(program, &[extreme]).unwrap());
    }
    let file = prove_and_forge(name, &prover, &execute(program, &[sample]).unwrap());
    println!("{name}: proven, file of {} bytes", file.len());
    Some((prover, file))
}

#[test]
fn float_networks_and_their_quantised_forms_are_proven() {
    let names =
        ["credit_mlp", "mnist_mlp", "mnist_mlp_qdq", "mnist_lenet", "mnist_lenet_qdq", "mnist_lenet_qop"];
    let made: Vec<(Prover, Vec<u8>)> = names.into_iter().filter_map(proven).collect();
    for (i, (prover, _)) in made.iter().enumerate() {
        for (_, file) in made.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other) {
            assert!(bundle::verify(prover.key(), file).is_err(), "a proof of another model was accepted");
        }
    }
}

#[test]
fn a_deeper_network_and_its_quantised_forms_are_proven() {
    for name in ["digit_recognizer_cnn", "digit_recognizer_cnn_qdq", "digit_recognizer_cnn_qop"] {
        proven(name);
    }
}
