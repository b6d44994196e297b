//! Where all that is computed from a value, element by element, ends in one other.

use crate::onnx::Graph;
use std::collections::BTreeMap;

/// Operators whose every output element is a function of one element of each input.
const ELEMENT_WISE: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Div",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "IsNaN",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
    "ThresholdedRelu",
    "Where",
    "Xor",
];

/// True where an operator computes element by element.
pub fn is_element_wise(op_type: &str) -> bool {
    ELEMENT_WISE.contains(&op_type)
}

/// The most nodes between a value and its exit.
const MAX_STEPS: usize = 32;

/// The first value in which all that reads `name` ends, through nodes that compute element by element at its shape.
pub fn exit(graph: &Graph, readers: &BTreeMap<&str, usize>, name: &str) -> Option<String> {
    let shape = graph.shape(name)?;
    let count = |value: &str| readers.get(value).copied().unwrap_or(0);
    // How many readers of each value inside have not been seen.
    let mut open: BTreeMap<&str, usize> = BTreeMap::from([(name, count(name))]);
    let mut steps = 0;
    for node in &graph.nodes {
        let inside: Vec<&str> =
            node.inputs.iter().map(String::as_str).filter(|input| open.contains_key(input)).collect();
        if inside.is_empty() {
            continue;
        }
        steps += 1;
        let [output] = node.outputs.as_slice() else { return None };
        if steps > MAX_STEPS || !is_element_wise(&node.op_type) || graph.shape(output) != Some(shape) {
            return None;
        }
        for input in inside {
            let left = open.get_mut(input)?;
            *left = left.checked_sub(1)?;
            if *left == 0 {
                open.remove(input);
            }
        }
        if open.is_empty() {
            return Some(output.clone());
        }
        open.insert(output, count(output));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{DType, Node};

    /// A graph of nodes `(operator, inputs, output)` over values of one shape.
    fn graph(nodes: &[(&str, &[&str], &str)], outputs: &[&str]) -> Graph {
        let node = |(op, inputs, output): &(&str, &[&str], &str)| Node {
            name: output.to_string(),
            op_type: op.to_string(),
            domain: String::new(),
            inputs: inputs.iter().map(|input| input.to_string()).collect(),
            outputs: vec![output.to_string()],
            attributes: BTreeMap::new(),
        };
        let shapes = nodes.iter().map(|(_, _, output)| (output.to_string(), (DType::F32, vec![2, 3])));
        Graph {
            inputs: Vec::new(),
            outputs: outputs.iter().map(|output| output.to_string()).collect(),
            nodes: nodes.iter().map(node).collect(),
            constants: BTreeMap::new(),
            numbers: Default::default(),
            shapes: shapes.collect(),
            opset: 17,
        }
    }

    fn exit_of(graph: &Graph, name: &str) -> Option<String> {
        let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
        let read = graph.nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs);
        read.for_each(|name| *readers.entry(name.as_str()).or_default() += 1);
        exit(graph, &readers, name)
    }

    #[test]
    fn a_value_times_its_sigmoid_ends_in_the_product() {
        let silu = graph(
            &[
                ("MatMul", &["a", "b"], "x"),
                ("Sigmoid", &["x"], "s"),
                ("Mul", &["x", "s"], "y"),
                ("Relu", &["y"], "z"),
            ],
            &["z"],
        );
        assert_eq!(exit_of(&silu, "x").as_deref(), Some("y"));
    }

    #[test]
    fn a_reader_of_another_kind_or_an_output_leaves_no_exit() {
        let nodes: [(&str, &[&str], &str); 4] = [
            ("MatMul", &["a", "b"], "x"),
            ("Sigmoid", &["x"], "s"),
            ("Mul", &["x", "s"], "y"),
            ("Softmax", &["s"], "t"),
        ];
        assert_eq!(exit_of(&graph(&nodes, &["y", "t"]), "x"), None);
        assert_eq!(exit_of(&graph(&nodes[..3], &["y", "s"]), "x"), None);
        assert_eq!(exit_of(&graph(&nodes[..3], &["y", "x"]), "x"), None);
    }
}
