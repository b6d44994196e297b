//! Small graphs of many layers through compilation, against the float interpreter.

mod common;

use assay_circuits::plan::plan;
use assay_circuits::program::Program;
use assay_circuits::tensor::Tensor as IntTensor;
use assay_prover::compile::{Bits, CompileOptions, compile, dequantise_output, quantise_input};
use assay_prover::execute::execute;
use assay_prover::onnx::{Attribute, DType, Graph, GraphInput, Node, Tensor, run, run_observed};
use common::nets::noise;
use std::collections::BTreeMap;

type Sample = BTreeMap<String, Tensor>;

/// A graph under construction.
struct Net {
    graph: Graph,
    seed: u64,
}

impl Net {
    fn new(shape: &[usize]) -> Net {
        let input = GraphInput { name: "x".into(), dtype: DType::F32, shape: shape.to_vec() };
        let graph = Graph {
            inputs: vec![input],
            outputs: vec![],
            nodes: vec![],
            constants: BTreeMap::new(),
            numbers: Default::default(),
            shapes: BTreeMap::new(),
            opset: 13,
        };
        Net { graph, seed: 1 }
    }

    fn weights(&mut self, shape: &[usize], gain: f32) -> String {
        self.seed += 1;
        let name = format!("w{}", self.seed);
        let values = noise(self.seed, shape.iter().product()).iter().map(|x| x * gain).collect::<Vec<_>>();
        self.graph.constants.insert(name.clone(), Tensor::new(shape.to_vec(), values).unwrap());
        name
    }

    fn integers(&mut self, values: &[i64]) -> String {
        self.seed += 1;
        let name = format!("i{}", self.seed);
        self.graph.constants.insert(name.clone(), Tensor::vector(values.to_vec()));
        name
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = format!("{}{}", op.to_lowercase(), self.graph.nodes.len());
        self.graph.nodes.push(Node {
            name: output.clone(),
            op_type: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|name| name.to_string()).collect(),
            outputs: vec![output.clone()],
            attributes: attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        });
        output
    }

    fn finish(mut self, outputs: &[&str]) -> Graph {
        self.graph.outputs = outputs.iter().map(|name| name.to_string()).collect();
        let mut shapes = BTreeMap::new();
        for (name, tensor) in &self.graph.constants {
            shapes.insert(name.clone(), (tensor.dtype(), tensor.shape().to_vec()));
        }
        run_observed(&self.graph, &samples(&self.graph, 1)[0], |name, tensor| {
            shapes.insert(name.to_string(), (tensor.dtype(), tensor.shape().to_vec()));
        })
        .unwrap();
        self.graph.shapes = shapes;
        self.graph
    }
}

fn samples(graph: &Graph, count: usize) -> Vec<Sample> {
    let one = |seed: usize| {
        let shape = graph.inputs[0].shape.clone();
        let values = noise(seed as u64 + 77, shape.iter().product());
        BTreeMap::from([("x".to_string(), Tensor::new(shape, values).unwrap())])
    };
    (0..count).map(one).collect()
}

/// Compiles, runs at the extremes, checks that it can be proven, and gives the greatest relative error per output.
fn errors(graph: &Graph, bits: Bits) -> (Program, Vec<f32>) {
    let all = samples(graph, 24);
    let program = compile(graph, &all[..16], &CompileOptions { bits, ..CompileOptions::default() }).unwrap();
    plan(&program).unwrap();
    assert_eq!(Program::decode(&program.encode()).unwrap(), program);
    for pick in [0usize, 1, 2] {
        let values = |i: usize| {
            let bounds = program.inputs[0].bounds;
            [bounds.lo, bounds.hi, if i.is_multiple_of(3) { bounds.lo } else { bounds.hi }][pick]
        };
        let shape = program.inputs[0].shape.clone();
        let extreme = IntTensor { values: (0..shape.cells()).map(values).collect(), shape };
        execute(&program, &[extreme]).unwrap();
    }
    let mut worst = vec![0f32; program.outputs.len()];
    for sample in &all[..16] {
        let float = run(graph, sample).unwrap();
        let input = quantise_input(&program, 0, &sample["x"]);
        let plain = assay_circuits::execute::execute(&program, std::slice::from_ref(&input)).unwrap();
        for (number, output) in program.outputs.iter().enumerate() {
            let found = dequantise_output(&program, number, &plain.wires[output.operation]);
            let expected = &float[&output.name];
            assert_eq!(found.shape(), expected.shape());
            let reach = expected.to_f32().iter().fold(0.05f32, |m, x| m.max(x.abs()));
            for (a, b) in expected.to_f32().iter().zip(found.to_f32()) {
                worst[number] = worst[number].max((a - b).abs() / reach);
            }
        }
    }
    (program, worst)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A residual network with a batch normalisation, two branches that are concatenated, and all pools.
fn residual() -> Graph {
    let mut net = Net::new(&[1, 3, 9, 7]);
    let (w1, b1) = (net.weights(&[8, 3, 3, 3], 0.5), net.weights(&[8], 0.2));
    let c1 = net.node("Conv", &["x", &w1, &b1], &[("pads", ints(&[1, 1, 1, 1]))]);
    let bn: Vec<String> = (0..3).map(|_| net.weights(&[8], 0.8)).collect();
    let variance = "variance".to_string();
    net.graph
        .constants
        .insert(variance.clone(), Tensor::vector(vec![0.5f32, 1.0, 2.0, 0.7, 1.1, 0.9, 3.0, 0.4]));
    let n1 = net.node("BatchNormalization", &[&c1, &bn[0], &bn[1], &bn[2], &variance], &[]);
    let r1 = net.node("Relu", &[&n1], &[]);
    let w2 = net.weights(&[8, 1, 3, 3], 0.6);
    let c2 = net.node("Conv", &[&r1, &w2], &[("pads", ints(&[1, 1, 1, 1])), ("group", Attribute::Int(8))]);
    let sum = net.node("Add", &[&c2, &r1], &[]);
    let r2 = net.node("LeakyRelu", &[&sum], &[("alpha", Attribute::Float(0.1))]);
    let window = [("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("pads", ints(&[1, 1, 1, 1]))];
    let left = net.node("MaxPool", &[&r2], &window);
    let right = net.node("AveragePool", &[&r2], &window);
    let both = net.node("Concat", &[&left, &right], &[("axis", Attribute::Int(1))]);
    let gate = net.node("GlobalAveragePool", &[&both], &[]);
    let w3 = net.weights(&[16, 16, 1, 1], 0.5);
    let gate = net.node("Conv", &[&gate, &w3], &[]);
    let gate = net.node("Sigmoid", &[&gate], &[]);
    let gated = net.node("Mul", &[&both, &gate], &[]);
    let turned = net.node("Transpose", &[&gated], &[("perm", ints(&[0, 2, 3, 1]))]);
    let shape = net.integers(&[1, -1]);
    let flat = net.node("Reshape", &[&turned, &shape], &[]);
    let (w4, b4) = (net.weights(&[320, 6], 0.2), net.weights(&[6], 0.3));
    let product = net.node("MatMul", &[&flat, &w4], &[]);
    let logits = net.node("Add", &[&product, &b4], &[]);
    net.finish(&[&logits])
}

#[test]
fn a_residual_network_is_near_its_float_model() {
    let graph = residual();
    let (program, at8) = errors(&graph, Bits::Eight);
    println!("residual, 8 bits: {at8:?}, {} operations, {:?}", program.operations.len(), program.accuracy);
    assert!(at8[0] < 0.08, "{at8:?}");
    let (_, at16) = errors(&graph, Bits::Sixteen);
    println!("residual, 16 bits: {at16:?}");
    assert!(at16[0] < 0.01, "{at16:?}");
    let (program, auto) = errors(&graph, Bits::Auto);
    println!("residual, automatic: {auto:?}, {:?}", program.accuracy);
    assert!(auto[0] <= at8[0]);
}

#[test]
fn attention_of_two_wires_is_near_its_float_model() {
    let mut net = Net::new(&[1, 5, 6]);
    let (q, k, v) = (net.weights(&[6, 4], 0.7), net.weights(&[6, 4], 0.7), net.weights(&[6, 4], 0.7));
    let q = net.node("MatMul", &["x", &q], &[]);
    let k = net.node("MatMul", &["x", &k], &[]);
    let v = net.node("MatMul", &["x", &v], &[]);
    let turned = net.node("Transpose", &[&k], &[("perm", ints(&[0, 2, 1]))]);
    let scores = net.node("MatMul", &[&q, &turned], &[]);
    let scores = net.node("Tanh", &[&scores], &[]);
    let mixed = net.node("MatMul", &[&scores, &v], &[]);
    let sub = net.node("Sub", &[&mixed, &v], &[]);
    let axes = [("axes", ints(&[1])), ("keepdims", Attribute::Int(0))];
    let mean = net.node("ReduceMean", &[&sub], &axes);
    let graph = net.finish(&[&mean, &sub]);
    let (_, at8) = errors(&graph, Bits::Eight);
    println!("attention, 8 bits: {at8:?}");

    let (_, at16) = errors(&graph, Bits::Sixteen);
    println!("attention, 16 bits: {at16:?}");
    assert!(at8.iter().all(|&e| e < 0.35), "{at8:?}");
    assert!(at16.iter().all(|&e| e < 0.03), "{at16:?}");
}

#[test]
fn an_operator_without_integer_form_is_named() {
    let mut net = Net::new(&[1, 5]);
    let y = net.node("Softmax", &["x"], &[]);
    let graph = net.finish(&[&y]);
    let error = compile(&graph, &[], &CompileOptions::default()).unwrap_err().to_string();
    assert!(
        error.contains("softmax0") && error.contains("Softmax") && error.contains("supported are Add"),
        "{error}"
    );
}

#[test]
fn nan_in_the_calibration_is_named() {
    let mut net = Net::new(&[1, 2]);
    let y = net.node("Relu", &["x"], &[]);
    let graph = net.finish(&[&y]);
    let sample = BTreeMap::from([("x".to_string(), Tensor::new(vec![1, 2], vec![0.0, f32::NAN]).unwrap())]);
    let error = compile(&graph, &[sample], &CompileOptions::default()).unwrap_err().to_string();
    assert!(error.contains("sample 0") && error.contains("input x"), "{error}");
}
