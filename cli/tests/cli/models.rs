//! Small ONNX models and their inputs, made by the prover's own encoder.

use crate::world::World;
use assay_prover::files::npy;
use assay_prover::onnx::encoding::to_proto;
use assay_prover::onnx::proto::{
    DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use assay_prover::onnx::{Data, Tensor};
use prost::Message;

/// A dimension: a number, or a name.
pub enum Dim {
    Is(i64),
    Named(&'static str),
}

pub fn value(name: &str, dims: Vec<Dim>) -> ValueInfoProto {
    let dim = |dim| match dim {
        Dim::Is(size) => DimensionValue::Value(size),
        Dim::Named(name) => DimensionValue::Param(name.to_string()),
    };
    let dim = dims.into_iter().map(|d| DimensionProto { value: Some(dim(d)) }).collect();
    let tensor = TensorTypeProto { elem_type: 1, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_string(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

pub fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.to_string()],
        name: format!("node of {output}"),
        op_type: operator.to_string(),
        ..NodeProto::default()
    }
}

pub fn model(
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    node: Vec<NodeProto>,
    constants: &[(&str, Tensor)],
    opset: i64,
) -> Vec<u8> {
    let graph = GraphProto {
        node,
        name: "test".to_string(),
        initializer: constants.iter().map(|(name, tensor)| to_proto(name, tensor)).collect(),
        input: inputs,
        output: outputs,
        sparse_initializer: Vec::new(),
    };
    ModelProto {
        ir_version: 8,
        producer_name: String::new(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
    }
    .encode_to_vec()
}

pub fn floats(shape: &[usize], seed: usize) -> Tensor {
    let cells: usize = shape.iter().product();
    let values: Vec<f32> = (0..cells).map(|i| ((i * 37 + seed * 11) % 19) as f32 / 9.5 - 1.0).collect();
    Tensor::new(shape.to_vec(), values).unwrap()
}

/// `y = relu(x W + b) V` with x of 4 and y of 3 elements and a batch axis N.
pub fn perceptron(seed: usize, opset: i64) -> Vec<u8> {
    perceptron_of(seed, opset, ["W", "b", "V"])
}

/// The perceptron with other names of its weights.
pub fn perceptron_of(seed: usize, opset: i64, [w, b, v]: [&str; 3]) -> Vec<u8> {
    let nodes = vec![
        node("MatMul", &["x", w], "xW"),
        node("Add", &["xW", b], "sum"),
        node("Relu", &["sum"], "h"),
        node("MatMul", &["h", v], "y"),
    ];
    let constants = [(w, floats(&[4, 5], seed)), (b, floats(&[5], seed + 1)), (v, floats(&[5, 3], seed + 2))];
    model(
        vec![value("x", vec![Dim::Named("N"), Dim::Is(4)])],
        vec![value("y", vec![Dim::Named("N"), Dim::Is(3)])],
        nodes,
        &constants,
        opset,
    )
}

/// `left + right`, two inputs of 3, named as exporters name tensors.
pub fn sum_of_two() -> Vec<u8> {
    model(
        vec![value("left", vec![Dim::Is(3)]), value("right", vec![Dim::Is(3)])],
        vec![value("/head/Add:0", vec![Dim::Is(3)])],
        vec![node("Add", &["left", "right"], "/head/Add:0")],
        &[],
        13,
    )
}

/// A picture of `channels` by 2 by 2, doubled.
pub fn picture(channels: i64) -> Vec<u8> {
    let dims = || vec![Dim::Is(1), Dim::Is(channels), Dim::Is(2), Dim::Is(2)];
    let two = [("two", Tensor::scalar(2f32))];
    model(vec![value("p", dims())], vec![value("q", dims())], vec![node("Mul", &["p", "two"], "q")], &two, 13)
}

pub fn array(shape: &[usize], data: impl Into<Data>) -> Vec<u8> {
    npy::encode(&Tensor::new(shape.to_vec(), data).unwrap())
}

/// A folder with the compiled perceptron `m.assay`, samples `xs.npy` of 8, and a proof `p.proof` for sample 2.
pub fn proven(options: &str) -> World {
    let world = World::new();
    world.write("m.onnx", &perceptron(0, 13));
    world.write("xs.npy", &npy::encode(&floats(&[8, 4], 5)));
    world.assay(&format!("compile m.onnx --calibrate xs.npy {options} -o m.assay")).done();
    world.assay("prove m.assay --input xs.npy --sample 2 -o p.proof").done();
    world
}
