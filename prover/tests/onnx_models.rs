//! Real models through import and the float interpreter, compared with the outputs of ONNX Runtime.

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use assay_prover::onnx::{Graph, Tensor, import, run};
use common::{Case, Difference, difference, shared};

/// What is wrong with a model's outputs, if anything.
///
/// - Float models agree within 1e-4.
/// - Models of quantise and dequantise pairs agree, but for one step where a float sum of another order lies on the
///   other side of a half.
/// - The expected outputs of the models `_qop` come from an x86 processor without VNNI, where ONNX Runtime saturates
///   sums of two products of uint8 and int8 to 16 bits. On a processor with VNNI the same ONNX Runtime
///   gives our outputs. So only the predicted classes are compared, and few of them may differ.
fn verdict(name: &str, graph: &Graph, found: &Tensor, expected: &Tensor, by: &Difference) -> Option<String> {
    if name.ends_with("_qop") {
        let (ours, theirs) = (classes(found), classes(expected));
        let changed = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
        (changed > 2).then(|| format!("{changed} of {} predictions differ", ours.len()))
    } else if name.ends_with("_qdq") {
        let step = output_step(graph);
        let close = by.worst_absolute <= 1.001 * step && by.count * 100 <= found.len();
        (!close).then(|| format!("{} differ, by up to {} ({step} a step)", by.count, by.worst_absolute))
    } else {
        (by.worst > 1e-4).then(|| format!("differs by {}", by.worst))
    }
}

/// The scale of the last node, a `DequantizeLinear`.
fn output_step(graph: &Graph) -> f32 {
    graph.constants[&graph.nodes.last().unwrap().inputs[1]].to_f32()[0]
}

/// The position of the largest element of every row.
fn classes(rows: &Tensor) -> Vec<usize> {
    let row = |row: &[f32]| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    rows.to_f32().chunks(rows.shape()[1]).map(row).collect()
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
    println!("{:28} {:>6} {:>10} {:>9} {:>9} {:>9}", "model", "nodes", "relative", "differ", "import", "run");
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
        for (name, expected) in &case.outputs {
            let by =
                difference(&found[name], expected).unwrap_or_else(|e| panic!("{}: `{name}` {e}", case.name));
            println!(
                "{:28} {:>6} {:>10.1e} {:>9} {:>6} ms {:>6} ms",
                case.name,
                graph.nodes.len(),
                by.worst,
                by.count,
                imported.as_millis(),
                ran.as_millis()
            );
            failures.extend(
                verdict(&case.name, &graph, &found[name], expected, &by)
                    .map(|why| format!("{}: {why}", case.name)),
            );
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_symbolic_batch_is_one_unless_pinned() {
    let Some(folder) = shared("models/mnist_lenet") else {
        println!("skipped: no shared folder");
        return;
    };
    let case = Case::from_folder(&folder).unwrap();
    let one = import(&case.model_bytes(), &BTreeMap::new()).unwrap();
    let (name, digits) = case.inputs.iter().next().unwrap();
    assert_eq!(one.inputs[0].shape, [1, 1, 28, 28]);
    let start = Instant::now();
    for (i, expected) in case.outputs[0].1.to_f32().chunks(10).enumerate() {
        let digit = digits.to_f32()[i * 784..][..784].to_vec();
        let digit = Tensor::new(vec![1, 1, 28, 28], digit).unwrap();
        let found = run(&one, &BTreeMap::from([(name.clone(), digit)])).unwrap();
        let expected = Tensor::new(vec![1, 10], expected.to_vec()).unwrap();
        assert!(difference(&found[&case.outputs[0].0], &expected).unwrap().worst < 1e-4);
    }
    println!("100 digits, one by one: {} ms", start.elapsed().as_millis());
}
