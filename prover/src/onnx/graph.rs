//! The float graph: what import leaves of a model, ready to be quantised.
//!
//! Invariants that [`super::import()`] establishes and every later stage relies on:
//! - nodes are in topological order, and each contributes to an output;
//! - no node depends on constants alone, and none is an `Identity`, an inference `Dropout` or a `Cast` to
//!   the same type, except an `Identity` that gives an output its name where the value is an input,
//!   a constant or another output;
//! - every name that a node reads is a graph input, a constant, or an earlier node's output;
//! - `shapes` has an entry for every input, every constant and every node's output.

use std::collections::{BTreeMap, BTreeSet};

use super::node::Node;
use super::tensor::{DType, Tensor};

/// Oldest and newest version of the `ai.onnx` operator set that is understood.
pub const OPSETS: std::ops::RangeInclusive<i64> = 6..=22;

/// An input that the caller gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphInput {
    /// Name.
    pub name: String,
    /// Type of its elements.
    pub dtype: DType,
    /// Shape, with every dimension pinned.
    pub shape: Vec<usize>,
}

/// A straight-line float program.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Inputs, in the model's order.
    pub inputs: Vec<GraphInput>,
    /// Names of the outputs, in the model's order.
    pub outputs: Vec<String>,
    /// Operations, in an order in which they can be evaluated.
    pub nodes: Vec<Node>,
    /// Initializers, and values that depend on no input's values.
    pub constants: BTreeMap<String, Tensor>,
    /// The constants that no initializer decides: part of the model's formula, and no weights.
    pub numbers: BTreeSet<String>,
    /// Type and shape of every value.
    pub shapes: BTreeMap<String, (DType, Vec<usize>)>,
    /// Version of the `ai.onnx` operator set.
    pub opset: i64,
}

impl Graph {
    /// Shape of a value, if the graph has it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(|(_, shape)| shape.as_slice())
    }

    /// Type of a value, if the graph has it.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        self.shapes.get(name).map(|&(dtype, _)| dtype)
    }
}
