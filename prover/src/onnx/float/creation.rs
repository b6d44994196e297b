//! Operators that make tensors from attributes, shapes and numbers.

use super::super::node::Attribute;
use super::super::tensor::{DType, Tensor};
use super::movement::sizes;
use super::{Call, Kernel, OpError, unsupported};

pub(super) const OPERATORS: &[(&str, Kernel)] =
    &[("Constant", constant), ("ConstantOfShape", constant_of_shape), ("Range", range)];

fn constant(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let mut values =
        call.node.attributes.iter().filter(|(name, _)| name.starts_with("value") || *name == "sparse_value");
    let Some((_, attribute)) = values.next() else {
        return Err(OpError::Attribute { attribute: "value", reason: "is missing".into() });
    };
    let tensor = match attribute {
        Attribute::Tensor(tensor) => tensor.clone(),
        Attribute::Float(value) => Tensor::scalar(*value),
        Attribute::Int(value) => Tensor::scalar(*value),
        Attribute::Floats(values) => Tensor::vector(values.clone()),
        Attribute::Ints(values) => Tensor::vector(values.clone()),
        Attribute::String(_) | Attribute::Strings(_) => return unsupported("a constant of strings"),
    };
    call.allocate(tensor.shape())?;
    Ok(vec![tensor])
}

fn constant_of_shape(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let shape = sizes(call.input(0)?)?;
    let len = call.allocate(&shape)?;
    let value = match call.node.tensor("value")? {
        Some(value) if value.len() == 1 => value.clone(),
        Some(_) => {
            return Err(OpError::Attribute { attribute: "value", reason: "has not one element".into() });
        }
        None => Tensor::scalar(0f32),
    };
    call.select(&value, shape, std::iter::repeat_n(0, len))
}

fn range(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let dtype = call.input(0)?.dtype();
    let number = |index: usize| -> Result<f64, OpError> {
        let wide = call.input(index)?.cast(DType::F64);
        wide.slice::<f64>()?.first().copied().ok_or(OpError::MissingInput { index })
    };
    let (start, limit, delta) = (number(0)?, number(1)?, number(2)?);
    let count = ((limit - start) / delta).ceil().max(0.0);
    if !count.is_finite() {
        return unsupported(format!("a range from {start} to {limit} by {delta}"));
    }
    let count = call.allocate(&[count as usize])?;
    let values: Vec<f64> = (0..count).map(|i| start + i as f64 * delta).collect();
    Ok(vec![Tensor::vector(values).cast(dtype)])
}
