//! Graphs under construction.

use assay_circuits::program::Program;
use assay_circuits::tensor::RealTensor;
use assay_prover::execute_f32::execute_f32;
use assay_prover::onnx::{Attribute, Graph, GraphInput, Node, Tensor, run_observed};
use assay_prover::reals::compile;
use std::collections::BTreeMap;

/// Deterministic values in [-1, 1).
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A graph under construction, with values for its inputs.
pub struct Net {
    pub graph: Graph,
    pub inputs: BTreeMap<String, Tensor>,
}

impl Net {
    pub fn new() -> Net {
        let graph = Graph {
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: Vec::new(),
            constants: BTreeMap::new(),
            numbers: Default::default(),
            shapes: BTreeMap::new(),
            opset: 17,
        };
        Net { graph, inputs: BTreeMap::new() }
    }

    pub fn input(&mut self, name: &str, shape: &[usize]) {
        let values = noise(name.len() as u64 + shape.len() as u64, shape.iter().product());
        self.given(name, Tensor::new(shape.to_vec(), values).unwrap());
    }

    pub fn given(&mut self, name: &str, tensor: Tensor) {
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        self.graph.shapes.insert(name.into(), (dtype, shape.clone()));
        self.graph.inputs.push(GraphInput { name: name.into(), dtype, shape });
        self.inputs.insert(name.into(), tensor);
    }

    pub fn constant(&mut self, name: &str, tensor: Tensor) {
        self.graph.shapes.insert(name.into(), (tensor.dtype(), tensor.shape().to_vec()));
        self.graph.constants.insert(name.into(), tensor);
    }

    pub fn weights(&mut self, name: &str, shape: &[usize]) {
        let values = noise(7 + shape.len() as u64, shape.iter().product());
        self.constant(name, Tensor::new(shape.to_vec(), values).unwrap());
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) {
        self.graph.nodes.push(Node {
            name: output.into(),
            op_type: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|input| input.to_string()).collect(),
            outputs: vec![output.into()],
            attributes: attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        });
    }

    /// Ends the graph in `outputs`; their values by the float interpreter.
    pub fn end(&mut self, outputs: &[&str]) -> BTreeMap<String, Tensor> {
        self.graph.outputs = outputs.iter().map(|output| output.to_string()).collect();
        let mut shapes = self.graph.shapes.clone();
        let expected = run_observed(&self.graph, &self.inputs, |name, value| {
            shapes.insert(name.to_string(), (value.dtype(), value.shape().to_vec()));
        })
        .unwrap();
        self.graph.shapes = shapes;
        expected
    }

    /// The program of the graph that ends in `outputs`; its outputs are the float interpreter's within `tolerance`.
    pub fn program(mut self, outputs: &[&str], tolerance: f32) -> (Program, Vec<Tensor>) {
        let expected = self.end(outputs);
        let program = compile(&self.graph, None).unwrap();
        let given = program.inputs.iter().map(|input| RealTensor {
            shape: input.shape.clone(),
            bits: self.inputs[&input.name].to_f32().into_iter().map(f32::to_bits).collect(),
        });
        let given: Vec<RealTensor> = given.collect();
        let trace = execute_f32(&program, &given).unwrap();
        assert_eq!(assay_circuits::execute_f32::execute_f32(&program, &given).unwrap(), trace);
        let found: Vec<Tensor> = (trace.outputs(&program))
            .map(|tensor| {
                let values: Vec<f32> = tensor.bits.iter().map(|&bits| f32::from_bits(bits)).collect();
                Tensor::new(tensor.shape.sizes().to_vec(), values).unwrap()
            })
            .collect();
        for (name, tensor) in outputs.iter().zip(&found) {
            let expected = &expected[*name];
            let expected = Tensor::new(expected.shape().to_vec(), expected.to_f32()).unwrap();
            let by = super::difference(tensor, &expected).unwrap();
            assert!(by.worst <= tolerance, "{name} differs by {}", by.worst);
        }
        (program, found)
    }
}
