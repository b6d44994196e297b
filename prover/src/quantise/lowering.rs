//! The state of lowering a graph, and the dispatch on operators.

use super::calibrate::Ranges;
use super::chain::{Chain, Plan};
use super::scale::{imported_ratio, nearest_ratio};
use super::targets::{Target, Targets};
use crate::onnx::{DType, Graph, Node, OpError, Tensor};
use assay_circuits::builder::{Accumulator, BuildError, Builder, View};
use assay_circuits::ops::requantise::{Ratio, requantised};
use assay_circuits::program::{Class, ImageInput, Program, Visibility};
use assay_circuits::tensor::Bounds;
use std::collections::{BTreeMap, BTreeSet};

/// Operators that are lowered.
pub const SUPPORTED: &str = "Add, ArgMax (as an output), AveragePool, BatchNormalization, Cast, Clip, Concat, Conv, \
    ConvInteger, ConvTranspose, DequantizeLinear, Div (by a constant), Dropout, Expand, Flatten, Gemm, GlobalAveragePool, \
    GlobalMaxPool, Identity, LeakyRelu, MatMul, MatMulInteger, MaxPool, Mul, Pad, QLinearConv, QLinearMatMul, \
    QuantizeLinear, ReduceMean, ReduceSum, Relu, Reshape, Sigmoid, Slice, Split, Squeeze, Sub, Tanh, Transpose, \
    Unsqueeze; of com.microsoft: QGemm, QLinearAdd, QLinearAveragePool, QLinearConcat, QLinearGlobalAveragePool, \
    QLinearLeakyRelu, QLinearMul, QLinearSigmoid";

/// Why a node cannot be lowered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LowerNodeError {
    /// No lowering for the operator.
    #[error("operator {op} has no integer form; supported are {SUPPORTED}")]
    Operator {
        /// The operator.
        op: String,
    },
    /// A form of an operator that has none.
    #[error("{0}")]
    Form(String),
    /// The operator's attributes or shapes.
    #[error(transparent)]
    Shape(#[from] OpError),
    /// The operation cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

pub(super) fn form<T>(what: impl Into<String>) -> Result<T, LowerNodeError> {
    Err(LowerNodeError::Form(what.into()))
}

/// How many bits activations and weights take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Bits of activations, sign included.
    pub activation_bits: u32,
    /// Bits of weights, sign included.
    pub weight_bits: u32,
}

impl Level {
    /// The greatest weight.
    pub fn weight_top(&self) -> i64 {
        (1 << (self.weight_bits - 1)) - 1
    }
}

/// Scale, zero point and window of a quantised tensor of the source model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The scale.
    pub scale: f64,
    /// The zero point.
    pub zero: i64,
    /// What its type holds.
    pub range: (i64, i64),
}

impl Parameters {
    /// The window of `q - zero`.
    pub fn target(&self) -> Target {
        let window = Bounds { lo: self.range.0 - self.zero, hi: self.range.1 - self.zero };
        Target { scale: self.scale, window, alone: true }
    }
}

/// A value of the graph as integers.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// Where they are read.
    pub view: View,
    /// The real value of one.
    pub scale: f64,
    /// What is added to them to give the source model's integers; 0 of real values.
    pub zero: i64,
}

/// The state of a lowering.
pub struct Lowering<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// Ranges of its values.
    pub ranges: &'g Ranges,
    /// Scales that operations may choose.
    pub targets: Targets,
    /// Bits.
    pub level: Level,
    /// What has been built.
    pub b: Builder,
    pub(super) values: BTreeMap<String, Quantity>,
    pub(super) done: BTreeSet<usize>,
    readers: BTreeMap<String, Vec<usize>>,
}

/// Lowers a prepared graph.
///
/// # Errors
/// The node that cannot be lowered, and why.
pub fn lower(
    graph: &Graph,
    ranges: &Ranges,
    level: Level,
    committed_model: bool,
    image: Option<&ImageInput>,
    committed: (&[String], &[String]),
) -> Result<Program, (String, String, LowerNodeError)> {
    let mut readers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            readers.entry(input.clone()).or_default().push(number);
        }
    }
    let mut lowering = Lowering {
        graph,
        ranges,
        targets: Targets::new(graph, ranges),
        level,
        b: Builder::new(committed_model),
        values: BTreeMap::new(),
        done: BTreeSet::new(),
        readers,
    };
    let visibility = |names: &[String], name: &str| match names.iter().any(|other| other == name) {
        true => Visibility::Committed,
        false => Visibility::Public,
    };
    for input in &graph.inputs {
        let shown = visibility(committed.0, &input.name);
        let added = lowering.input(input, shown, image);
        added.map_err(|error| (input.name.clone(), "input".to_string(), error))?;
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        if !lowering.done.contains(&number) {
            lowering.node(node).map_err(|error| (node.name.clone(), operator(node), error))?;
        }
    }
    for name in &graph.outputs {
        let shown = visibility(committed.1, name);
        let added = lowering.finish_output(name, shown);
        added.map_err(|error| (name.clone(), "output".to_string(), error))?;
    }
    Ok(lowering.b.finish())
}

/// The operator's name, with its domain where that is not `ai.onnx`.
pub fn operator(node: &Node) -> String {
    if node.domain.is_empty() { node.op_type.clone() } else { format!("{}::{}", node.domain, node.op_type) }
}

impl<'g> Lowering<'g> {
    fn node(&mut self, node: &'g Node) -> Result<(), LowerNodeError> {
        match node.op_type.as_str() {
            "Conv" => self.conv(node),
            "ConvTranspose" => self.conv_transpose(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "Add" | "Sub" => self.add(node),
            "Mul" => self.mul(node),
            "Div" => self.div(node),
            "BatchNormalization" => self.batch_normalization(node),
            "Relu" | "Clip" | "LeakyRelu" | "Sigmoid" | "Tanh" => self.activation(node),
            "MaxPool" | "GlobalMaxPool" => self.max_pool(node),
            "AveragePool" => self.average_pool(node),
            "GlobalAveragePool" | "ReduceMean" | "ReduceSum" => self.reduce(node),
            "Concat" => self.concat(node),
            "Reshape" | "Flatten" | "Transpose" | "Squeeze" | "Unsqueeze" | "Expand" | "Identity"
            | "Dropout" | "Slice" | "Split" | "Pad" | "Cast" => self.movement(node),
            "ArgMax" => self.arg_max(node),
            "QuantizeLinear" => self.quantize_linear(node),
            "DequantizeLinear" => self.dequantize_linear(node),
            "MatMulInteger" => self.matmul_integer(node),
            "ConvInteger" => self.conv_integer(node),
            "QLinearConv" => self.qlinear_conv(node),
            "QLinearMatMul" => self.qlinear_matmul(node),
            "QGemm" => self.qgemm(node),
            "QLinearAdd" | "QLinearMul" => self.qlinear_binary(node),
            "QLinearSigmoid" | "QLinearLeakyRelu" => self.qlinear_unary(node),
            "QLinearAveragePool" | "QLinearGlobalAveragePool" => self.qlinear_pool(node),
            "QLinearConcat" => self.qlinear_concat(node),
            _ => Err(LowerNodeError::Operator { op: operator(node) }),
        }
    }

    /// True where the name is a graph output.
    pub fn is_output(&self, name: &str) -> bool {
        self.graph.outputs.iter().any(|output| output == name)
    }

    /// True where the source model's value is a tensor of integers.
    pub fn is_integer(&self, name: &str) -> bool {
        self.graph.dtype(name).is_some_and(|dtype| !dtype.is_float())
    }

    /// The only reader of a value that is no output.
    pub fn single_reader(&self, name: &str) -> Option<usize> {
        match self.readers.get(name).map(Vec::as_slice) {
            Some([reader]) if !self.is_output(name) && !self.done.contains(reader) => Some(*reader),
            _ => None,
        }
    }

    /// All readers of a value.
    pub fn readers(&self, name: &str) -> impl Iterator<Item = &'g Node> + '_ {
        self.readers.get(name).into_iter().flatten().map(|&number| &self.graph.nodes[number])
    }

    /// The constant that an input of a node is.
    pub fn constant(&self, node: &Node, input: usize) -> Option<&'g Tensor> {
        self.graph.constants.get(node.inputs.get(input)?)
    }

    /// True where a node has the input.
    pub fn has(node: &Node, input: usize) -> bool {
        node.inputs.get(input).is_some_and(|name| !name.is_empty())
    }

    /// Shape of a node's input or output value.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>, LowerNodeError> {
        match self.graph.shape(name) {
            Some(shape) => Ok(shape.to_vec()),
            None => form(format!("the shape of {name} is not known")),
        }
    }

    /// A node's input as integers; constants are quantised to the activations' bits, or exactly where they have a step.
    pub fn quantity(&mut self, node: &Node, input: usize) -> Result<Quantity, LowerNodeError> {
        let Some(name) = node.inputs.get(input).filter(|name| !name.is_empty()) else {
            return form(format!("input {input} is missing"));
        };
        if let Some(quantity) = self.values.get(name) {
            return Ok(quantity.clone());
        }
        let Some(tensor) = self.graph.constants.get(name) else {
            return form(format!("{name} has no integer form here"));
        };
        let (scale, integers) = self.constant_integers(tensor, 1 << 11);
        let view = self.b.constant_of(tensor.shape(), integers)?;
        Ok(Quantity { view, scale, zero: 0 })
    }

    /// A constant as integers of magnitude up to `top`: its own step where it has one.
    pub fn constant_integers(&self, tensor: &Tensor, top: i64) -> (f64, Vec<i64>) {
        if let Ok(integers) = tensor.integers() {
            return (1.0, integers);
        }
        let values = tensor.to_f32();
        if let Some(found) = super::scale::step_of(&values, top.min(255)) {
            return found;
        }
        let largest = values.iter().fold(0f64, |m, &x| m.max(f64::from(x).abs()));
        let scale = largest / top as f64;
        (scale, values.iter().map(|&x| (f64::from(x) / scale).round() as i64).collect())
    }

    /// Records a value.
    pub fn set(&mut self, name: &str, view: View, scale: f64, zero: i64) {
        self.values.insert(name.to_string(), Quantity { view, scale, zero });
    }

    /// Scale, zero point and type of a quantised tensor, where all of it has one; `at` and `zero` are inputs.
    pub fn parameters(&self, node: &Node, scale: usize, zero: usize) -> Option<Parameters> {
        let scale = self.constant(node, scale)?.to_f32();
        let [scale] = scale.as_slice() else { return None };
        let (zero, dtype) = match Self::has(node, zero) {
            false => (0, DType::U8),
            true => {
                let tensor = self.constant(node, zero)?;
                let values = tensor.integers().ok()?;
                (*values.first().filter(|_| values.len() == 1)?, tensor.dtype())
            }
        };
        Some(Parameters { scale: f64::from(*scale), zero, range: type_range(dtype)? })
    }

    /// True where a value needs no rounding: it is an output, or only views lie between it and one.
    pub fn is_wide(&self, name: &str) -> bool {
        // Arithmetic of the source model's integers is exact.
        if self.is_integer(name) {
            return true;
        }
        if self.is_output(name) {
            return !self.readers.contains_key(name);
        }
        let Some(reader) = self.single_reader(name) else { return false };
        let node = &self.graph.nodes[reader];
        let carries =
            ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose", "Cast", "Slice"];
        carries.contains(&node.op_type.as_str()) && node.outputs.iter().all(|output| self.is_wide(output))
    }

    /// Emits an accumulator whose one is worth `unit`, with its chain. `exact` where the ratio stands for
    /// imported scales.
    pub fn finish(
        &mut self,
        name: &str,
        class: Class,
        accumulator: Accumulator,
        unit: f64,
        chain: &Chain,
        exact: bool,
    ) -> Result<(), LowerNodeError> {
        if chain.steps.is_empty() && self.is_wide(&chain.result) {
            return self.finish_wide(name, class, accumulator, unit, chain);
        }
        let plan = self.plan(chain)?;
        let (plan, ratio) = self.ratio(plan, unit, exact, &accumulator);
        self.finish_plan(name, class, accumulator, ratio, &plan, chain)
    }

    /// Emits an accumulator as it is.
    pub fn finish_wide(
        &mut self,
        name: &str,
        class: Class,
        accumulator: Accumulator,
        unit: f64,
        chain: &Chain,
    ) -> Result<(), LowerNodeError> {
        let ones = self.is_output(&chain.result);
        let expression = assay_circuits::expression::Expression::Sum(0);
        let view = self.b.emit(name, class, accumulator, expression, ones)?;
        self.set(&chain.result, view, unit, 0);
        Ok(())
    }

    /// The rational by which an accumulator of this unit reaches the plan's grid. A free grid moves to make it
    /// a small multiplier over a power of two, or over the unit's own divisor.
    fn ratio(&self, mut plan: Plan, unit: f64, exact: bool, accumulator: &Accumulator) -> (Plan, Ratio) {
        let wanted = unit / plan.grid;
        if exact {
            return (plan, imported_ratio(wanted));
        }
        if plan.free {
            let s = (4.0 - wanted.log2()).floor().clamp(0.0, 16.0) as u32;
            let multiplier = (wanted * f64::from(1u32 << s)).floor().max(1.0);
            let ratio = Ratio { multiplier: multiplier as i64, divisor: 1 << s };
            let moved = unit * ratio.divisor as f64 / multiplier;
            if moved >= plan.grid * 0.999 {
                plan.grid = moved;
                plan.scale = moved;
                return (plan, reduced(ratio));
            }
        }
        // The product's error stays within a tenth of one over the result's range.
        let bounds = self.b.sum_bounds(accumulator).magnitude() as f64;
        let reach =
            (bounds * wanted).min(plan.epilogue.window.hi.max(-plan.epilogue.window.lo) as f64).max(1.0);
        (plan, nearest_ratio(wanted, 0.1 / reach))
    }

    /// Emits an accumulator with a plan.
    pub fn finish_plan(
        &mut self,
        name: &str,
        class: Class,
        accumulator: Accumulator,
        ratio: Ratio,
        plan: &Plan,
        chain: &Chain,
    ) -> Result<(), LowerNodeError> {
        let ones = self.is_output(&chain.result);
        let view = requantised(&mut self.b, name, class, accumulator, ratio, &plan.epilogue, ones)?;
        self.set(&chain.result, view, plan.scale, chain.zero);
        Ok(())
    }

    /// A value with another zero point, or at another scale: the same integers where nothing changes.
    pub fn rezeroed(
        &mut self,
        name: &str,
        quantity: Quantity,
        zero: i64,
    ) -> Result<Quantity, LowerNodeError> {
        if quantity.zero == zero {
            return Ok(quantity);
        }
        let shifted = Accumulator::of(&quantity.view).plus(quantity.zero - zero);
        let expression = assay_circuits::expression::Expression::Sum(0);
        let view = self.b.emit(name, Class::Map, shifted, expression, false)?;
        Ok(Quantity { view, scale: quantity.scale, zero })
    }

    fn finish_output(&mut self, name: &str, visibility: Visibility) -> Result<(), LowerNodeError> {
        if self.graph.shape(name).is_some_and(|shape| shape.contains(&0)) {
            return form("a tensor without elements");
        }
        let quantity = match self.values.get(name) {
            Some(quantity) => quantity.clone(),
            None => {
                let Some(tensor) = self.graph.constants.get(name) else {
                    return form(format!("{name} has no integer form"));
                };
                let (scale, integers) = self.constant_integers(tensor, 1 << 15);
                let view = self.b.constant_of(tensor.shape(), integers)?;
                Quantity { view, scale, zero: 0 }
            }
        };
        // An integer output of the source model is given as it is, its zero point added.
        let integer = self.graph.dtype(name).is_some_and(|dtype| !dtype.is_float());
        let scale = if integer { 1.0 } else { quantity.scale };
        let view = match quantity.zero {
            0 => quantity.view,
            zero => {
                let shifted = Accumulator::of(&quantity.view).plus(zero);
                let expression = assay_circuits::expression::Expression::Sum(0);
                self.b.emit(name, Class::Map, shifted, expression, true)?
            }
        };
        Ok(self.b.output(name, &view, scale, visibility)?)
    }
}

/// The ratio in lowest terms.
pub fn reduced(ratio: Ratio) -> Ratio {
    let (mut a, mut b) = (ratio.multiplier as u64, ratio.divisor);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Ratio { multiplier: ratio.multiplier / a.max(1) as i64, divisor: ratio.divisor / a.max(1) }
}

/// Least and greatest value of an integer type of at most 16 bits.
pub fn type_range(dtype: DType) -> Option<(i64, i64)> {
    Some(match dtype {
        DType::U8 => (0, 255),
        DType::I8 => (-128, 127),
        DType::U16 => (0, 65535),
        DType::I16 => (-32768, 32767),
        DType::Bool => (0, 1),
        _ => return None,
    })
}
