//! From an ONNX model and an input to a proof file: `prove_onnx MODEL.onnx INPUT.npy OUT.proof [CALIBRATION.npy]..`

use assay_prover::files::{read_tensor, write_atomically};
use assay_prover::{CompileOptions, Prover, compile, dequantise_output, execute, import, quantise_input};
use assay_verifier::bundle;
use std::collections::BTreeMap;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, out, calibration @ ..] = arguments.as_slice() else {
        return Err("usage: prove_onnx MODEL.onnx INPUT.npy OUT.proof [CALIBRATION.npy]..".into());
    };
    let graph = import(&std::fs::read(model)?, &BTreeMap::new())?;
    let name = graph.inputs[0].name.clone();
    let sample = |file| Ok(BTreeMap::from([(name.clone(), read_tensor(Path::new(file))?)]));
    let samples = calibration.iter().map(sample).collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    let program = compile(&graph, &samples, &CompileOptions::default())?;

    let prover = Prover::new(program)?;
    let input = quantise_input(prover.program(), 0, &read_tensor(Path::new(input))?);
    let trace = execute(prover.program(), &[input])?;
    let (statement, proof) = prover.prove(&trace)?;

    for (index, output) in trace.outputs(prover.program()).enumerate() {
        println!("{:?}", dequantise_output(prover.program(), index, output).to_f32());
    }
    write_atomically(Path::new(out), &bundle::encode(prover.key(), None, &statement, &proof))?;
    Ok(())
}
