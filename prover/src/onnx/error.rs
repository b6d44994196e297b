//! What can go wrong when a model is imported or run, with the place where it went wrong.

use super::tensor::{DType, TensorError};

/// Why one operation could not be evaluated. [`RunError`] and [`ImportError`] add the node.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpError {
    #[error("input {index} is missing")]
    MissingInput { index: usize },
    #[error("attribute `{attribute}` {reason}")]
    Attribute { attribute: &'static str, reason: String },
    #[error("shapes {left:?} and {right:?} do not fit: {reason}")]
    Shapes { left: Vec<usize>, right: Vec<usize>, reason: &'static str },
    #[error("shape {shape:?}: {reason}")]
    Shape { shape: Vec<usize>, reason: String },
    #[error("axis {axis} is outside a tensor of {rank} dimensions")]
    Axis { axis: i64, rank: usize },
    #[error("index {index} is outside a dimension of {size}")]
    Index { index: i64, size: usize },
    #[error("elements of type {0} are not supported here")]
    DType(DType),
    #[error("{0} is not supported")]
    Unsupported(String),
    #[error("{what} of {wanted} exceeds the limit of {limit}")]
    Limit { what: &'static str, wanted: u64, limit: u64 },
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Why a graph could not be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum RunError {
    #[error("input `{name}` is missing")]
    MissingInput { name: String },
    #[error("`{name}` is not an input of the graph")]
    UnknownInput { name: String },
    #[error("input `{name}` should be {expected} {expected_shape:?}, is {found} {found_shape:?}")]
    WrongInput {
        name: String,
        expected: DType,
        expected_shape: Vec<usize>,
        found: DType,
        found_shape: Vec<usize>,
    },
    #[error("node `{node}` ({op}) reads `{value}`, which nothing produces before it")]
    MissingValue { node: String, op: String, value: String },
    #[error("output `{name}` is produced by no node")]
    MissingOutput { name: String },
    #[error("node `{node}`: operator {op} is not supported")]
    UnsupportedOperator { node: String, op: String },
    #[error("node `{node}` ({op}): {source}")]
    Node { node: String, op: String, source: OpError },
}

/// Why a model could not be imported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ImportError {
    #[error("not an ONNX model: {reason} (byte {offset})")]
    NotOnnx { offset: usize, reason: String },
    #[error("the file is truncated: field {field} at byte {offset} needs {needs} bytes, {has} are left")]
    Truncated { offset: usize, field: u64, needs: u64, has: usize },
    #[error("not an ONNX model: {0}")]
    Protobuf(String),
    #[error("operator set {version} of `ai.onnx` is not supported: supported are {oldest} to {newest}")]
    Opset { version: i64, oldest: i64, newest: i64 },
    #[error("the model names no operator set of `ai.onnx`")]
    NoOpset,
    #[error(
        "node `{node}` ({op}) is of the unknown domain `{domain}`; known are `ai.onnx` and `com.microsoft`"
    )]
    Domain { node: String, op: String, domain: String },
    #[error("node `{node}`: operator {op} is not supported; supported are {supported}")]
    UnsupportedOperator { node: String, op: String, supported: String },
    #[error(
        "node `{node}` ({op}): control flow is not supported; export the model with its loops and branches unrolled"
    )]
    ControlFlow { node: String, op: String },
    #[error("node `{node}` ({op}), attribute `{attribute}`: {reason}")]
    Attribute { node: String, op: String, attribute: String, reason: String },
    #[error(
        "node `{node}` ({op}) reads `{value}`, which is neither an input, nor an initializer, nor an earlier node's output{hint}"
    )]
    MissingValue { node: String, op: String, value: String, hint: &'static str },
    #[error("node `{node}` ({op}) writes `{value}`, which is written already")]
    DuplicateValue { node: String, op: String, value: String },
    #[error("input `{name}` is declared twice")]
    DuplicateInput { name: String },
    #[error("output `{name}` is produced by no node")]
    MissingOutput { name: String },
    #[error("tensor `{name}`: {reason}")]
    Tensor { name: String, reason: String },
    #[error("input `{name}`: {reason}")]
    Input { name: String, reason: String },
    #[error("input `{input}`: dimension {axis} (`{dim}`) is dynamic; pin it with --dim {dim}=VALUE")]
    UnpinnedDimension { input: String, axis: usize, dim: String },
    #[error("--dim {name}: the model has no such dimension; it has {known}")]
    UnknownDimension { name: String, known: String },
    #[error("node `{node}` ({op}): {source}")]
    Node { node: String, op: String, source: OpError },
}
