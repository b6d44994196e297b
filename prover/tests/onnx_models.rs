//! Real models through import and the float interpreter, compared with the outputs of ONNX Runtime.

mod common;

use std::time::Instant;

use assay_prover::onnx::{import, run};
use common::{Case, relative_difference, shared};

/// Largest relative difference to ONNX Runtime. Quantised models may differ where a value lies at the middle between
/// two steps; their outputs are small numbers of steps of about this size.
fn tolerance(name: &str) -> f32 {
    if name.ends_with("_qdq") || name.ends_with("_qop") { 0.5 } else { 1e-4 }
}

#[test]
fn shared_models_agree_with_onnx_runtime() {
    let Some(root) = shared("models") else {
        println!("skipped: no shared folder");
        return;
    };
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("model.onnx").exists());
    folders.sort();
    let mut failures = vec![];
    println!("{:28} {:>6} {:>10} {:>9} {:>9}", "model", "nodes", "difference", "import", "run");
    for folder in folders {
        let case = Case::from_folder(&folder).unwrap();
        let start = Instant::now();
        let graph = match import(&case.model_bytes(), &case.dims()) {
            Ok(graph) => graph,
            Err(error) => {
                failures.push(format!("{}: {error}", case.name));
                continue;
            }
        };
        let (imported, start) = (start.elapsed(), Instant::now());
        let found = run(&graph, &case.inputs).unwrap();
        let ran = start.elapsed();
        let mut worst = 0f32;
        for (name, expected) in &case.outputs {
            match relative_difference(&found[name], expected) {
                Ok(difference) => worst = worst.max(difference),
                Err(reason) => failures.push(format!("{}: `{name}` {reason}", case.name)),
            }
        }
        println!(
            "{:28} {:>6} {worst:>10.1e} {:>6} ms {:>6} ms",
            case.name,
            graph.nodes.len(),
            imported.as_millis(),
            ran.as_millis()
        );
        if worst > tolerance(&case.name) {
            failures.push(format!("{}: differs by {worst}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
