//! Moves functions of one element before the reshapes and transposes that come before them, where they end in a fold.
//!
//! ```text
//! MatMul -> Add -> Reshape -> Transpose -> Mul by a number    becomes    MatMul -> Add -> Mul -> Reshape -> Transpose
//! ```

use crate::onnx::{Graph, Tensor};
use std::collections::BTreeMap;

/// Operators that only give elements other places, each once.
const PLACES: &[&str] = &["Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"];
/// Functions of one element.
const FUNCTIONS: &[&str] = &[
    "Abs",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "LeakyRelu",
    "Neg",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Sqrt",
    "Tanh",
];
/// Functions of two, of which one may be a number.
const WITH_NUMBER: &[&str] = &["Add", "Div", "Mul", "Sub"];

/// The graph with such functions moved, until none can be.
pub fn hoisted(mut graph: Graph) -> Graph {
    let mut readers: BTreeMap<String, usize> = BTreeMap::new();
    for name in graph.nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs) {
        *readers.entry(name.clone()).or_default() += 1;
    }
    let mut writers: BTreeMap<String, usize> = BTreeMap::new();
    for at in 0..graph.nodes.len() {
        hoist(&mut graph, &readers, &mut writers, at);
        let outputs = graph.nodes[at].outputs.iter().cloned();
        writers.extend(outputs.map(|output| (output, at)));
    }
    graph
}

/// Moves the function at this place as far up as it goes.
fn hoist(
    graph: &mut Graph,
    readers: &BTreeMap<String, usize>,
    writers: &mut BTreeMap<String, usize>,
    at: usize,
) -> Option<()> {
    let mut at = at;
    loop {
        let place = moved_input(graph, at)?;
        let name = graph.nodes[at].inputs[place].clone();
        let mover = *writers.get(&name)?;
        let single = readers.get(&name) == Some(&1) && graph.nodes[mover].outputs.len() == 1;
        let element_type = graph.dtype(&name).filter(|dtype| dtype.is_float())?;
        if !single || !PLACES.contains(&graph.nodes[mover].op_type.as_str()) {
            return None;
        }
        // A number of several axes would widen what it is now applied to.
        if let Some(other) = graph.nodes[at].inputs.get(1 - place).cloned() {
            let number = graph.constants.get(&other)?.to_f32();
            let scalar = format!("{other}.number");
            graph.shapes.insert(scalar.clone(), (element_type, Vec::new()));
            graph.constants.insert(scalar.clone(), Tensor::scalar(*number.first()?));
            graph.nodes[at].inputs[1 - place] = scalar;
        }
        let source = graph.nodes[mover].inputs.first()?.clone();
        let shape = graph.shape(&source)?.to_vec();
        // The moved value's name stands for the function's, which no longer is at that shape.
        let result = graph.nodes[at].outputs.first()?.clone();
        graph.nodes[at].inputs[place] = source;
        graph.nodes[at].outputs = vec![name.clone()];
        graph.nodes[mover].inputs[0] = name.clone();
        graph.nodes[mover].outputs = vec![result];
        graph.shapes.insert(name.clone(), (element_type, shape));
        graph.nodes.swap(at, mover);
        writers.insert(name, mover);
        at = mover;
    }
}

/// The input of a function of one element that is no number.
fn moved_input(graph: &Graph, at: usize) -> Option<usize> {
    let node = &graph.nodes[at];
    let number = |input: usize| {
        let tensor = node.inputs.get(input).and_then(|name| graph.constants.get(name));
        tensor.is_some_and(|tensor| tensor.len() == 1)
    };
    match (node.op_type.as_str(), node.inputs.len()) {
        (op, 1) if FUNCTIONS.contains(&op) => Some(0),
        (op, 2) if WITH_NUMBER.contains(&op) && number(1) => Some(0),
        (op, 2) if WITH_NUMBER.contains(&op) && number(0) => Some(1),
        _ => None,
    }
}
