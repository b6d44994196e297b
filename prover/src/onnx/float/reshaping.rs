//! Operators that change the shape and keep the elements, and those that read the shape.

use super::super::geometry::{normalize_axes, normalize_axis, reshape as reshaped};
use super::super::tensor::Tensor;
use super::{Call, Kernel, OpError};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("Flatten", flatten),
    ("Reshape", reshape),
    ("Shape", shape),
    ("Size", |call| Ok(vec![Tensor::scalar(call.input(0)?.len() as i64)])),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
];

fn with_shape(call: &Call, x: &Tensor, shape: Vec<usize>) -> Result<Vec<Tensor>, OpError> {
    call.allocate(&shape)?;
    Ok(vec![x.reshaped(shape)?])
}

fn reshape(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let wanted = call.required_integers(1, "shape")?;
    with_shape(call, x, reshaped(x.shape(), &wanted, call.node.flag_or("allowzero", false)?)?)
}

fn flatten(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let axis = match call.node.int_or("axis", 1)? {
        axis if axis == x.rank() as i64 => x.rank(),
        axis => normalize_axis(axis, x.rank())?,
    };
    let (rows, columns) = x.shape().split_at(axis);
    with_shape(call, x, vec![rows.iter().product(), columns.iter().product()])
}

fn squeeze(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let axes = match call.integers(1, "axes")? {
        Some(axes) => normalize_axes(&axes, x.rank())?,
        None => (0..x.rank()).filter(|&d| x.shape()[d] == 1).collect(),
    };
    if let Some(d) = axes.iter().find(|&&d| x.shape()[d] != 1) {
        let reason = format!("dimension {d} cannot be squeezed");
        return Err(OpError::Shape { shape: x.shape().to_vec(), reason });
    }
    let kept = (0..x.rank()).filter(|d| !axes.contains(d)).map(|d| x.shape()[d]).collect();
    with_shape(call, x, kept)
}

fn unsqueeze(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let axes = call.required_integers(1, "axes")?;
    let rank = x.rank() + axes.len();
    let axes = normalize_axes(&axes, rank)?;
    let mut rest = x.shape().iter().copied();
    let shape = (0..rank).map(|d| if axes.contains(&d) { 1 } else { rest.next().unwrap_or(1) }).collect();
    with_shape(call, x, shape)
}

fn shape(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let rank = x.rank() as i64;
    let bound = |axis: i64| if axis < 0 { axis.saturating_add(rank) } else { axis }.clamp(0, rank) as usize;
    let start = bound(call.node.int_or("start", 0)?);
    let end = bound(call.node.int_or("end", rank)?).max(start);
    Ok(vec![Tensor::vector(x.shape()[start..end].iter().map(|&d| d as i64).collect())])
}
