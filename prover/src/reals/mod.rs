//! From a float graph to an f32 program: the same numbers in one fixed order of evaluation.
//!
//! Every tensor of an f32 program is of binary32. Integers of the model (token numbers, masks, classes) are carried as the
//! numbers that they are, exact up to 2^24, and booleans as 0 and 1. Element-wise nodes are formulas that wait for
//! their reader (`element.rs`), so that a bias, an activation and a residual end in the fold before them; movements are views.

mod activation;
mod element;
mod exits;
mod gather;
mod hoist;
mod linear;
mod movement;
mod normalisation;
mod pooling;
mod quantised;

use crate::onnx::{DType, Graph, GraphInput, Node, OpError, Tensor};
use crate::quantise::prepare;
use assay_circuits::builder::{BuildError, Builder, View};
use assay_circuits::program::{ImageInput, Input, Program, ProgramError, Source, Visibility};
use assay_circuits::shape::Shape;
use assay_circuits::tensor::REAL_BOUNDS;
use element::Element;
use std::collections::{BTreeMap, BTreeSet};

/// Operators that have an f32 form.
pub const SUPPORTED: &str = "Abs, Add, And, ArgMax, ArgMin, AveragePool, BatchNormalization, Cast, Ceil, Celu, Clip, \
    Concat, Conv, ConvInteger, ConvTranspose, Cos, DequantizeLinear, Div, Dropout, DynamicQuantizeLinear, Elu, Equal, Erf, \
    Exp, Expand, Flatten, Floor, Gather, GatherND, Gelu, Gemm, GlobalAveragePool, GlobalMaxPool, Greater, \
    GreaterOrEqual, HardSigmoid, HardSwish, Identity, IsNaN, LayerNormalization, LeakyRelu, Less, LessOrEqual, Log, \
    LogSoftmax, MatMul, MatMulInteger, Max, MaxPool, Mean, Min, Mish, Mul, Neg, Not, Or, PRelu, Pad, Pow, QLinearConv, \
    QLinearMatMul, QuantizeLinear, Reciprocal, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceMax, ReduceMean, \
    ReduceMin, ReduceSum, ReduceSumSquare, Relu, Reshape, Round, Selu, Sigmoid, Sign, Sin, Slice, Softmax, Softplus, \
    Softsign, Split, Sqrt, Squeeze, Sub, Sum, Tanh, ThresholdedRelu, Tile, Transpose, Unsqueeze, Where, Xor; of \
    com.microsoft: QGemm, QLinearAdd, QLinearAveragePool, QLinearConcat, QLinearGlobalAveragePool, QLinearLeakyRelu, \
    QLinearMul, QLinearSigmoid";

/// Why a graph has no f32 program.
#[derive(Debug, thiserror::Error)]
pub enum RealsError {
    /// A node cannot be lowered.
    #[error("node {node} ({operator}): {source}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        operator: String,
        /// Why.
        source: NodeError,
    },
    /// The program breaks a rule of its format.
    #[error("the program cannot be built: {0}")]
    Program(#[from] ProgramError),
}

/// Why a node has no f32 form.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NodeError {
    /// No form for the operator.
    #[error("operator {op} has no f32 form; supported are {SUPPORTED}")]
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

fn form<T>(what: impl Into<String>) -> Result<T, NodeError> {
    Err(NodeError::Form(what.into()))
}

/// The state of a lowering.
struct Lowering<'g> {
    graph: &'g Graph,
    b: Builder,
    values: BTreeMap<String, Element>,
    /// How often a value is read, as an output too.
    readers: BTreeMap<&'g str, usize>,
    /// Whether weights keep the model's layout, and are never numbers of a formula; values that several nodes read are
    /// then written, and a softmax is whole, which keeps derivatives short.
    trained: bool,
    /// The names of constants that are weights.
    weights: BTreeMap<usize, String>,
    /// Folds for which several values wait, by number, and the value in which all of these end.
    waiting: BTreeMap<usize, String>,
    /// Folds that had to be written before that.
    written: BTreeMap<usize, View>,
    /// The wires of the powers of each softmax.
    powers: BTreeSet<Source>,
}

/// The f32 program of a graph.
///
/// # Errors
/// The node that has no f32 form, and why.
pub fn compile(graph: &Graph, image: Option<&ImageInput>) -> Result<Program, RealsError> {
    let (program, _) = lower(graph, image, false)?;
    Ok(program)
}

/// The f32 program of a graph that will be trained, and the names of the constants that are its weights: every float
/// initializer that is read as it is, in the model's own layout.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_weights(
    graph: &Graph,
    image: Option<&ImageInput>,
) -> Result<(Program, BTreeMap<usize, String>), RealsError> {
    lower(graph, image, true)
}

fn lower(
    graph: &Graph,
    image: Option<&ImageInput>,
    trained: bool,
) -> Result<(Program, BTreeMap<usize, String>), RealsError> {
    // What is fused for speed may be what a derivative needs.
    let graph = if trained { graph.clone() } else { hoist::hoisted(prepare(graph)) };
    let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
    let read = graph.nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs);
    read.for_each(|name| *readers.entry(name.as_str()).or_default() += 1);
    let mut lowering = Lowering {
        graph: &graph,
        b: if trained { Builder::reals().with_constants_apart() } else { Builder::reals() },
        values: BTreeMap::new(),
        readers,
        trained,
        weights: BTreeMap::new(),
        waiting: BTreeMap::new(),
        written: BTreeMap::new(),
        powers: BTreeSet::new(),
    };
    let at = |node: &str, operator: &str, source| RealsError::Node {
        node: node.to_string(),
        operator: operator.to_string(),
        source,
    };
    for input in &graph.inputs {
        lowering.input(input, image).map_err(|error| at(&input.name, "input", error))?;
    }
    for node in &graph.nodes {
        lowering.node(node).map_err(|error| at(&node.name, &node.op_type, error))?;
    }
    for name in &graph.outputs {
        lowering.output(name).map_err(|error| at(name, "output", error))?;
    }
    let Lowering { b, weights, .. } = lowering;
    let program = b.finish();
    program.check()?;
    Ok((program, weights))
}

impl<'g> Lowering<'g> {
    fn input(&mut self, input: &GraphInput, image: Option<&ImageInput>) -> Result<(), NodeError> {
        if input.dtype == DType::F64 {
            return form("an input of doubles");
        }
        let Some(shape) = Shape::new(input.shape.clone()) else {
            return form(format!("a shape of {:?}", input.shape));
        };
        let view = self.b.input(Input {
            name: input.name.clone(),
            shape,
            bounds: REAL_BOUNDS,
            scale: 1.0,
            visibility: Visibility::Public,
            image: image.filter(|_| input.dtype.is_float() && input.shape.len() >= 3).cloned(),
        });
        self.values.insert(input.name.clone(), Element::read(view));
        Ok(())
    }

    fn output(&mut self, name: &str) -> Result<(), NodeError> {
        self.shape(name)?;
        let view = self.view_of(name)?;
        Ok(self.b.output(name, &view, 1.0, Visibility::Public)?)
    }

    fn node(&mut self, node: &'g Node) -> Result<(), NodeError> {
        match node.op_type.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "Conv" => self.conv(node),
            "ConvTranspose" => self.conv_transpose(node),
            "MaxPool" | "GlobalMaxPool" => self.max_pool(node),
            "AveragePool" | "GlobalAveragePool" => self.average_pool(node),
            op if op.starts_with("Reduce") => self.reduce(node),
            "ArgMax" | "ArgMin" => self.position(node),
            "QuantizeLinear"
            | "DequantizeLinear"
            | "DynamicQuantizeLinear"
            | "MatMulInteger"
            | "ConvInteger"
            | "QGemm" => self.quantised(node),
            op if op.starts_with("QLinear") => self.quantised(node),
            "Softmax" | "LogSoftmax" => self.softmax(node),
            "LayerNormalization" => self.layer_normalization(node),
            "BatchNormalization" => self.batch_normalization(node),
            "Gather" => self.gather(node),
            "GatherND" => self.gather_nd(node),
            "Concat" => self.concat(node),
            "Pad" => self.pad(node),
            "Slice" => self.slice(node),
            "Split" => self.split(node),
            "Reshape" | "Flatten" | "Transpose" | "Squeeze" | "Unsqueeze" | "Expand" | "Tile" => {
                self.movement(node)
            }
            op if exits::is_element_wise(op) || ["Dropout", "PRelu"].contains(&op) => self.element_wise(node),
            _ => Err(NodeError::Operator { op: operator(node) }),
        }
    }

    /// True where a node has the input.
    fn has(node: &Node, input: usize) -> bool {
        node.inputs.get(input).is_some_and(|name| !name.is_empty())
    }

    /// The constant that an input of a node is.
    fn constant(&self, node: &Node, input: usize) -> Option<&'g Tensor> {
        self.graph.constants.get(node.inputs.get(input)?)
    }

    /// A list of integers that is a constant input, or an attribute in older operator sets.
    fn integers(
        &self,
        node: &Node,
        input: usize,
        attribute: &'static str,
    ) -> Result<Option<Vec<i64>>, NodeError> {
        if Self::has(node, input) {
            return match self.constant(node, input).map(|tensor| tensor.integers()) {
                Some(Ok(values)) => Ok(Some(values)),
                _ => form(format!("input {input} that is no constant of integers")),
            };
        }
        Ok(node.ints(attribute)?.map(<[i64]>::to_vec))
    }

    /// Shape of a value.
    fn shape(&self, name: &str) -> Result<Vec<usize>, NodeError> {
        match self.graph.shape(name) {
            Some(shape) if shape.contains(&0) => form(format!("{name} has no elements")),
            Some(shape) => Ok(shape.to_vec()),
            None => form(format!("the shape of {name} is not known")),
        }
    }

    /// A node's input as a formula of what can be read.
    fn element(&mut self, node: &Node, input: usize) -> Result<Element, NodeError> {
        match node.inputs.get(input).filter(|name| !name.is_empty()) {
            Some(name) => self.element_of(name),
            None => form(format!("input {input} is missing")),
        }
    }

    fn element_of(&mut self, name: &str) -> Result<Element, NodeError> {
        if let Some(element) = self.values.get(name) {
            return Ok(element.clone());
        }
        let Some(tensor) = self.graph.constants.get(name) else {
            return form(format!("{name} is not known"));
        };
        let values = tensor.to_f32();
        if let Some(integers) = tensor.integers().ok().filter(|_| !tensor.dtype().is_float())
            && let Some(large) = integers.iter().find(|&&x| x as f32 as i64 != x)
        {
            return form(format!("{name} holds {large}, which binary32 does not"));
        }
        match values.as_slice() {
            [value] if !self.trained || self.graph.numbers.contains(name) => {
                Ok(Element::number(*value, tensor.shape()))
            }
            _ => {
                let view = self.weight(name, tensor.shape(), &values)?;
                self.values.insert(name.to_string(), Element::read(view.clone()));
                Ok(Element::read(view))
            }
        }
    }

    /// A constant of the model, in the sizes in which it is stored.
    fn weight(&mut self, name: &str, sizes: &[usize], values: &[f32]) -> Result<View, NodeError> {
        let number = self.b.program().constants.len();
        let view = self.b.constant_of(sizes, bits(values))?;
        if self.trained && self.graph.dtype(name).is_some_and(DType::is_float) {
            self.trains(number, name)?;
        }
        Ok(view)
    }

    /// Takes a constant for a weight of the model, unless it belongs to the model's formula.
    fn trains(&mut self, number: usize, name: &str) -> Result<(), NodeError> {
        if self.graph.numbers.contains(name) {
            return Ok(());
        }
        // Each form would be updated on its own.
        if self.weights.values().any(|other| other == name) {
            return form(format!("{name} is read in two forms, as a weight that is trained has one"));
        }
        self.weights.insert(number, name.to_string());
        Ok(())
    }

    /// A node's input as something that can be read, computed first where it waits.
    fn view(&mut self, node: &Node, input: usize) -> Result<View, NodeError> {
        match node.inputs.get(input).filter(|name| !name.is_empty()) {
            Some(name) => self.view_of(name),
            None => form(format!("input {input} is missing")),
        }
    }

    fn view_of(&mut self, name: &str) -> Result<View, NodeError> {
        let element = self.element_of(name)?;
        if let (Some(value), Some(tensor)) = (element.as_number(), self.graph.constants.get(name)) {
            return Ok(self.b.constant_of(tensor.shape(), bits(&vec![value; tensor.len()]))?);
        }
        if let Some(view) = element.as_view() {
            return Ok(view.clone());
        }
        let ones = self.graph.outputs.iter().any(|output| output == name);
        let view = self.emit(name, element, ones)?;
        self.values.insert(name.to_string(), Element::read(view.clone()));
        Ok(view)
    }

    /// Records what a node computes. Where several read it and it is not cheap, it is computed now, unless all that
    /// they compute ends in one value.
    fn set(&mut self, name: &str, mut element: Element) -> Result<(), NodeError> {
        if name.is_empty() {
            return Ok(());
        }
        if let Some(fold) = &mut element.fold
            && let Some(number) = fold.shared
            && self.waiting.get(&number).is_some_and(|exit| exit == name)
        {
            self.waiting.remove(&number);
            fold.shared = None;
        }
        let shared = self.readers.get(name).copied().unwrap_or(0) > 1 && !element.is_cheap();
        let exit = (shared && !self.trained && element.can_wait())
            .then(|| exits::exit(self.graph, &self.readers, name))
            .flatten();
        let now = shared && exit.is_none();
        if let (Some(exit), Some(fold)) = (exit, &mut element.fold)
            && fold.shared.is_none()
        {
            let number = self.waiting.keys().chain(self.written.keys()).max().map_or(0, |last| last + 1);
            self.waiting.insert(number, exit);
            fold.shared = Some(number);
        }
        self.values.insert(name.to_string(), element);
        if now {
            self.view_of(name)?;
        }
        Ok(())
    }

    fn set_view(&mut self, name: &str, view: View) {
        self.values.insert(name.to_string(), Element::read(view));
    }
}

/// Numbers as the bits that constants of an f32 program are made of.
fn bits(values: &[f32]) -> Vec<i64> {
    values.iter().map(|value| i64::from(value.to_bits())).collect()
}

/// The operator's name, with its domain where that is not `ai.onnx`.
fn operator(node: &Node) -> String {
    if node.domain.is_empty() { node.op_type.clone() } else { format!("{}::{}", node.domain, node.op_type) }
}
