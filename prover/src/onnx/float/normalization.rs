//! Normalisations: `BatchNormalization` with fixed statistics, `LayerNormalization`, `Softmax`, `LogSoftmax`.

use super::super::geometry::normalize_axis;
use super::super::tensor::Tensor;
use super::{Call, Kernel, OpError, one, unsupported};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("BatchNormalization", batch_normalization),
    ("LayerNormalization", layer_normalization),
    ("LogSoftmax", |call| over_rows(call, log_softmax)),
    ("Softmax", |call| over_rows(call, softmax)),
];

fn batch_normalization(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    if call.node.flag_or("training_mode", false)? || call.node.wants_output(1) {
        return unsupported("BatchNormalization in training mode");
    }
    let channels = x.shape().get(1).copied().unwrap_or(1);
    let parameter = |index: usize| -> Result<&[f32], OpError> {
        let tensor = call.input(index)?;
        if tensor.shape() == [channels] {
            return Ok(tensor.slice()?);
        }
        let reason = "a parameter has not one entry a channel";
        Err(OpError::Shapes { left: x.shape().to_vec(), right: tensor.shape().to_vec(), reason })
    };
    let (scale, bias, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let epsilon = call.node.float_or("epsilon", 1e-5)?;
    call.allocate(x.shape())?;
    let mut out = x.slice::<f32>()?.to_vec();
    let plane: usize = x.shape().get(2..).unwrap_or_default().iter().product();
    for (i, plane) in out.chunks_exact_mut(plane.max(1)).enumerate() {
        let c = i % channels.max(1);
        let factor = scale[c] / (variance[c] + epsilon).sqrt();
        plane.iter_mut().for_each(|x| *x = (*x - mean[c]) * factor + bias[c]);
    }
    one(x.shape().to_vec(), out)
}

/// Normalises over the axes from `axis` on, and returns also the mean and the inverse deviation.
fn layer_normalization(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, scale) = (call.input(0)?, call.input(1)?);
    let axis = normalize_axis(call.node.int_or("axis", -1)?, x.rank())?;
    let epsilon = f64::from(call.node.float_or("epsilon", 1e-5)?);
    let row: usize = x.shape()[axis..].iter().product();
    let (scale, bias) = (scale.slice::<f32>()?, call.optional(2).map(|b| b.slice::<f32>()).transpose()?);
    if scale.len() != row || bias.is_some_and(|b| b.len() != row) {
        let reason = "scale or bias has another size than what is normalised";
        return Err(OpError::Shapes { left: x.shape().to_vec(), right: vec![scale.len()], reason });
    }
    call.allocate(x.shape())?;
    let mut out = x.slice::<f32>()?.to_vec();
    let (mut means, mut inverses) = (vec![], vec![]);
    for row in out.chunks_exact_mut(row.max(1)) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let inverse = 1.0 / (variance + epsilon).sqrt();
        for (i, x) in row.iter_mut().enumerate() {
            *x = ((f64::from(*x) - mean) * inverse) as f32 * scale[i] + bias.map_or(0.0, |bias| bias[i]);
        }
        means.push(mean as f32);
        inverses.push(inverse as f32);
    }
    let statistics = [&x.shape()[..axis], vec![1; x.rank() - axis].as_slice()].concat();
    let statistic = |values: Vec<f32>| Tensor::new(statistics.clone(), values);
    let count: usize = statistics.iter().product();
    means.resize(count, 0.0);
    inverses.resize(count, 0.0);
    Ok(vec![Tensor::new(x.shape().to_vec(), out)?, statistic(means)?, statistic(inverses)?])
}

/// Applies `f` to every row along `axis`. Before operator set 13 a row is everything from `axis` on.
fn over_rows(call: &Call, f: fn(&mut [f32])) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    let default = if call.opset < 13 { 1 } else { -1 };
    let axis = call.node.int_or("axis", default)?;
    if x.rank() == 0 {
        return unsupported("a scalar");
    }
    let axis =
        if call.opset < 13 && axis == x.rank() as i64 { x.rank() } else { normalize_axis(axis, x.rank())? };
    call.allocate(x.shape())?;
    let mut out = x.slice::<f32>()?.to_vec();
    let inner: usize = if call.opset < 13 { 1 } else { x.shape()[axis + 1..].iter().product() };
    let len: usize = if call.opset < 13 { x.shape()[axis..].iter().product() } else { x.shape()[axis] };
    if out.is_empty() {
        return one(x.shape().to_vec(), out);
    }
    let mut row = vec![0.0; len];
    for block in out.chunks_exact_mut(len * inner) {
        for i in 0..inner {
            row.iter_mut().zip(block[i..].iter().step_by(inner)).for_each(|(to, from)| *to = *from);
            f(&mut row);
            block[i..].iter_mut().step_by(inner).zip(&row).for_each(|(to, from)| *to = *from);
        }
    }
    one(x.shape().to_vec(), out)
}

fn largest(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

fn softmax(row: &mut [f32]) {
    let largest = largest(row);
    row.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let total = row.iter().map(|&x| f64::from(x)).sum::<f64>() as f32;
    row.iter_mut().for_each(|x| *x /= total);
}

fn log_softmax(row: &mut [f32]) {
    let largest = largest(row);
    let total = row.iter().map(|&x| f64::from(x - largest).exp()).sum::<f64>();
    row.iter_mut().for_each(|x| *x = *x - largest - total.ln() as f32);
}
