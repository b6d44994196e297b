//! One operation of the float graph, and typed access to its attributes.
//!
//! A getter returns the given default when the attribute is absent, and an error that names the attribute
//! when it is there with another type.

use std::collections::BTreeMap;

use super::error::OpError;
use super::tensor::Tensor;

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Attribute {
    Float(f32),
    Int(i64),
    String(String),
    Tensor(Tensor),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

impl Attribute {
    fn kind(&self) -> &'static str {
        match self {
            Attribute::Float(_) => "a float",
            Attribute::Int(_) => "an integer",
            Attribute::String(_) => "a string",
            Attribute::Tensor(_) => "a tensor",
            Attribute::Floats(_) => "a list of floats",
            Attribute::Ints(_) => "a list of integers",
            Attribute::Strings(_) => "a list of strings",
        }
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node's name, or the operator and the first output where the file gives none.
    pub name: String,
    /// Operator, for example `Conv`.
    pub op_type: String,
    /// Domain of the operator; empty for `ai.onnx`.
    pub domain: String,
    /// Names of the inputs; empty for an absent optional input.
    pub inputs: Vec<String>,
    /// Names of the outputs; empty for an output that nobody wants.
    pub outputs: Vec<String>,
    /// Attributes that the file gives.
    pub attributes: BTreeMap<String, Attribute>,
}

macro_rules! getter {
    ($(#[$doc:meta])* $vis:vis $name:ident, $variant:ident, $t:ty, $expected:literal) => {
        $(#[$doc])*
        $vis fn $name(&self, name: &'static str) -> Result<Option<$t>, OpError> {
            match self.attributes.get(name) {
                None => Ok(None),
                Some(Attribute::$variant(value)) => Ok(Some(value)),
                Some(other) => Err(OpError::Attribute {
                    attribute: name,
                    reason: format!("should be {}, is {}", $expected, other.kind()),
                }),
            }
        }
    };
}

impl Node {
    getter!(
        /// The list of integers, if given.
        pub ints, Ints, &[i64], "a list of integers"
    );
    getter!(
        /// The list of floats, if given.
        pub floats, Floats, &[f32], "a list of floats"
    );
    getter!(
        /// The tensor, if given.
        pub tensor, Tensor, &Tensor, "a tensor"
    );
    getter!(string_value, String, &str, "a string");
    getter!(int_value, Int, &i64, "an integer");
    getter!(float_value, Float, &f32, "a float");

    /// The integer, if given.
    pub fn int(&self, name: &'static str) -> Result<Option<i64>, OpError> {
        Ok(self.int_value(name)?.copied())
    }

    /// The integer, or the default.
    pub fn int_or(&self, name: &'static str, default: i64) -> Result<i64, OpError> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// The integer read as a flag, or the default.
    pub fn flag_or(&self, name: &'static str, default: bool) -> Result<bool, OpError> {
        Ok(self.int(name)?.map_or(default, |i| i != 0))
    }

    /// The float, if given.
    pub fn float(&self, name: &'static str) -> Result<Option<f32>, OpError> {
        Ok(self.float_value(name)?.copied())
    }

    /// The float, or the default.
    pub fn float_or(&self, name: &'static str, default: f32) -> Result<f32, OpError> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    /// The string, or the default.
    pub fn string_or<'a>(&'a self, name: &'static str, default: &'a str) -> Result<&'a str, OpError> {
        Ok(self.string_value(name)?.unwrap_or(default))
    }

    /// Whether the output of this number exists and has a name.
    pub fn wants_output(&self, index: usize) -> bool {
        self.outputs.get(index).is_some_and(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_attribute_type_is_named() {
        let node = Node {
            name: "n".into(),
            op_type: "Flatten".into(),
            domain: String::new(),
            inputs: vec![],
            outputs: vec![],
            attributes: BTreeMap::from([("axis".to_string(), Attribute::Float(1.0))]),
        };
        let message = node.int_or("axis", 1).unwrap_err().to_string();
        assert!(
            message.contains("axis") && message.contains("should be an integer, is a float"),
            "{message}"
        );
        assert_eq!(node.float_or("alpha", 0.5).unwrap(), 0.5);
    }
}
