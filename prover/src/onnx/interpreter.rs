//! Plain f32 execution of a [`Graph`], for calibration and for comparison with exact programs.
//!
//! ```no_run
//! # use std::collections::BTreeMap;
//! # use assay_prover::onnx::{Tensor, import, run_observed};
//! # fn calibrate(model: &[u8], digit: Tensor) -> Result<(), Box<dyn std::error::Error>> {
//! let graph = import(model, &BTreeMap::new())?;
//! let inputs = BTreeMap::from([(graph.inputs[0].name.clone(), digit)]);
//! run_observed(&graph, &inputs, |name, value| println!("{name}: {:?}", value.shape()))?;
//! # Ok(())
//! # }
//! ```
//!
//! Values live until the run ends. Nothing is parallel here: a caller that has many samples runs them in parallel.

use std::collections::BTreeMap;

use super::error::{OpError, RunError};
use super::float::{Call, kernel};
use super::graph::Graph;
use super::limits::{Budget, Limits};
use super::node::Node;
use super::tensor::Tensor;

/// Runs the graph and returns its outputs by name.
pub fn run(graph: &Graph, inputs: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, RunError> {
    run_observed(graph, inputs, |_, _| {})
}

/// As [`run`], and shows every input and every node's output to `observe` as it is made.
pub fn run_observed(
    graph: &Graph,
    inputs: &BTreeMap<String, Tensor>,
    mut observe: impl FnMut(&str, &Tensor),
) -> Result<BTreeMap<String, Tensor>, RunError> {
    check_inputs(graph, inputs)?;
    inputs.iter().for_each(|(name, value)| observe(name, value));
    let budget = Budget::new(Limits::DEFAULT);
    let mut values: BTreeMap<&str, Tensor> = BTreeMap::new();
    for node in &graph.nodes {
        let find =
            |name: &str| values.get(name).or_else(|| inputs.get(name)).or_else(|| graph.constants.get(name));
        let outputs = evaluate(node, find, graph.opset, &budget)?;
        for (name, value) in node.outputs.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
            observe(name, &value);
            values.insert(name, value);
        }
    }
    let mut outputs = BTreeMap::new();
    for name in &graph.outputs {
        let value =
            values.get(name.as_str()).or_else(|| inputs.get(name)).or_else(|| graph.constants.get(name));
        let value = value.ok_or_else(|| RunError::MissingOutput { name: name.clone() })?;
        outputs.insert(name.clone(), value.clone());
    }
    Ok(outputs)
}

fn check_inputs(graph: &Graph, inputs: &BTreeMap<String, Tensor>) -> Result<(), RunError> {
    for wanted in &graph.inputs {
        let given =
            inputs.get(&wanted.name).ok_or_else(|| RunError::MissingInput { name: wanted.name.clone() })?;
        if given.shape() != wanted.shape || given.dtype() != wanted.dtype {
            return Err(RunError::WrongInput {
                name: wanted.name.clone(),
                expected: wanted.dtype,
                expected_shape: wanted.shape.clone(),
                found: given.dtype(),
                found_shape: given.shape().to_vec(),
            });
        }
    }
    let unknown = inputs.keys().find(|name| !graph.inputs.iter().any(|input| input.name == **name));
    unknown.map_or(Ok(()), |name| Err(RunError::UnknownInput { name: name.clone() }))
}

/// Evaluates one node, whose inputs `find` looks up.
pub(super) fn evaluate<'v>(
    node: &Node,
    find: impl Fn(&str) -> Option<&'v Tensor>,
    opset: i64,
    budget: &Budget,
) -> Result<Vec<Tensor>, RunError> {
    let unsupported = || RunError::UnsupportedOperator { node: node.name.clone(), op: node.op_type.clone() };
    let kernel = kernel(&node.domain, &node.op_type).ok_or_else(unsupported)?;
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for name in &node.inputs {
        let missing = || RunError::MissingValue {
            node: node.name.clone(),
            op: node.op_type.clone(),
            value: name.clone(),
        };
        inputs.push(if name.is_empty() { None } else { Some(find(name).ok_or_else(missing)?) });
    }
    let at_node = |source| RunError::Node { node: node.name.clone(), op: node.op_type.clone(), source };
    let outputs = kernel(&Call { node, inputs: &inputs, opset, budget }).map_err(at_node)?;
    if outputs.len() < node.outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1) {
        return Err(at_node(OpError::Unsupported(format!("its output {}", outputs.len()))));
    }
    Ok(outputs)
}
