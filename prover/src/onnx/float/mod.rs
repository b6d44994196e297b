//! The float operators: for each, a short function from its inputs to its outputs.
//!
//! One file holds one family, and lists its operators in `OPERATORS`; [`kernel`] finds them by domain and name.
//! A kernel asks its [`Call`] for inputs, attributes and room for its outputs, so that each refusal
//! (a missing input, a wrong type, a result that is too large) is made in one place.

mod activation;
mod arithmetic;
mod convolution;
mod creation;
mod indexing;
mod matrix;
mod movement;
mod normalization;
mod pooling;
mod quantized;
mod quantized_contrib;
mod reduction;
mod reshaping;

use super::error::OpError;
use super::limits::Budget;
use super::node::Node;
use super::tensor::{DType, Data, Element, Tensor};

/// Evaluates one operation.
pub type Kernel = fn(&Call) -> Result<Vec<Tensor>, OpError>;

/// Operators of `ai.onnx`, by family.
const ONNX: &[&[(&str, Kernel)]] = &[
    activation::OPERATORS,
    arithmetic::OPERATORS,
    convolution::OPERATORS,
    creation::OPERATORS,
    indexing::OPERATORS,
    matrix::OPERATORS,
    movement::OPERATORS,
    normalization::OPERATORS,
    pooling::OPERATORS,
    quantized::OPERATORS,
    reduction::OPERATORS,
    reshaping::OPERATORS,
];

/// The operator's kernel, if it is supported.
pub fn kernel(domain: &str, op_type: &str) -> Option<Kernel> {
    let families = match domain {
        "" => ONNX,
        "com.microsoft" => &[quantized_contrib::OPERATORS],
        _ => return None,
    };
    families.iter().copied().flatten().find(|(name, _)| *name == op_type).map(|&(_, kernel)| kernel)
}

/// Names of all supported operators, sorted, those of other domains with their domain.
pub fn supported() -> Vec<String> {
    let mut names: Vec<String> = ONNX.iter().copied().flatten().map(|(name, _)| name.to_string()).collect();
    names.push("LSTM".to_string());
    names.extend(quantized_contrib::OPERATORS.iter().map(|(name, _)| format!("com.microsoft::{name}")));
    names.sort();
    names
}

/// Inputs of the operator that decide the shape of its output, and so must be constants.
pub fn shape_inputs(domain: &str, op_type: &str) -> std::ops::Range<usize> {
    match op_type {
        _ if !domain.is_empty() => 0..0,
        "ConstantOfShape" => 0..1,
        "Range" => 0..3,
        "LSTM" => 4..5,
        "Slice" => 1..5,
        "Reshape" | "Expand" | "Tile" | "Split" | "Squeeze" | "Unsqueeze" => 1..2,
        op if op.starts_with("Reduce") => 1..2,
        "Pad" => 1..4,
        "Dropout" => 1..3,
        _ => 0..0,
    }
}

/// One operation about to be evaluated.
#[derive(Debug)]
pub struct Call<'a> {
    /// The operation.
    pub node: &'a Node,
    /// Its inputs; `None` for an absent optional input.
    pub inputs: &'a [Option<&'a Tensor>],
    /// Version of the `ai.onnx` operator set.
    pub opset: i64,
    /// What it may still use.
    pub budget: &'a Budget,
}

impl<'a> Call<'a> {
    /// An input that must be there.
    fn input(&self, index: usize) -> Result<&'a Tensor, OpError> {
        self.optional(index).ok_or(OpError::MissingInput { index })
    }

    /// An input that may be absent.
    fn optional(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index).copied().flatten()
    }

    /// All inputs, none of which may be absent.
    fn all_inputs(&self) -> Result<Vec<&'a Tensor>, OpError> {
        if self.inputs.is_empty() {
            return Err(OpError::MissingInput { index: 0 });
        }
        (0..self.inputs.len()).map(|i| self.input(i)).collect()
    }

    /// Elements of an input that must be there and have the type.
    fn slice<T: Element>(&self, index: usize) -> Result<&'a [T], OpError> {
        Ok(self.input(index)?.slice()?)
    }

    /// The integers of an input, or of the attribute that older operator sets have in its place.
    fn integers(&self, index: usize, attribute: &'static str) -> Result<Option<Vec<i64>>, OpError> {
        match self.optional(index) {
            Some(tensor) => Ok(Some(tensor.integers()?)),
            None => Ok(self.node.ints(attribute)?.map(<[i64]>::to_vec)),
        }
    }

    /// As [`Self::integers`], which must be there.
    fn required_integers(&self, index: usize, attribute: &'static str) -> Result<Vec<i64>, OpError> {
        self.integers(index, attribute)?
            .ok_or(OpError::Attribute { attribute, reason: "is missing, and so is the input".into() })
    }

    /// Charges a tensor of this shape and returns its number of elements.
    fn allocate(&self, shape: &[usize]) -> Result<usize, OpError> {
        self.budget.allocate(shape)
    }

    /// The elements of `source` at `places`, under a shape that was charged.
    fn select(
        &self,
        source: &Tensor,
        shape: Vec<usize>,
        places: impl Iterator<Item = usize>,
    ) -> Result<Vec<Tensor>, OpError> {
        one(shape, source.data().select(places))
    }
}

/// A single output.
fn one(shape: Vec<usize>, data: impl Into<Data>) -> Result<Vec<Tensor>, OpError> {
    Ok(vec![Tensor::new(shape, data)?])
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, OpError> {
    Err(OpError::Unsupported(what.into()))
}

/// The type that an attribute names.
fn dtype_attribute(node: &Node, name: &'static str, default: DType) -> Result<DType, OpError> {
    match node.int(name)? {
        None | Some(0) => Ok(default),
        Some(code) => {
            DType::from_onnx(code).ok_or_else(|| OpError::Unsupported(format!("element type {code}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operator_is_listed_twice() {
        let names = supported();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
