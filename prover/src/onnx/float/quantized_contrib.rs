//! Quantised operators of the domain `com.microsoft`.
//!
//! `QGemm` accumulates in i32 as `QLinearMatMul` does. The elementwise operators and pools are defined over the real
//! numbers that their inputs mean: dequantise, compute in f32, quantise.

use super::super::tensor::Tensor;
use super::activation::sigmoid;
use super::arithmetic::broadcast;
use super::matrix::{MatMulShapes, oriented};
use super::movement::concat;
use super::pooling::{average_windows, global_shape, pool_window};
use super::quantized::{centered, quantize, requantize, scale, zero};
use super::{Call, Kernel, OpError, one, unsupported};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("QGemm", qgemm),
    ("QLinearAdd", |call| binary(call, |a, b| a + b)),
    ("QLinearAveragePool", average_pool),
    ("QLinearConcat", qlinear_concat),
    ("QLinearGlobalAveragePool", global_average_pool),
    ("QLinearLeakyRelu", leaky_relu),
    ("QLinearMul", |call| binary(call, |a, b| a * b)),
    ("QLinearSigmoid", |call| unary(call, |x| sigmoid(f64::from(x)) as f32)),
];

/// The real numbers that the input at `index` means; its scale and zero point are the inputs after it.
fn dequantized(call: &Call, index: usize) -> Result<Vec<f32>, OpError> {
    let zero = zero(call, index + 2)?.0 as i32;
    let scale = scale(call, index + 1)?;
    Ok(centered(call.input(index)?, |_| zero)?.iter().map(|&q| q as f32 * scale).collect())
}

fn binary(call: &Call, f: fn(f32, f32) -> f32) -> Result<Vec<Tensor>, OpError> {
    let (a, b) = (dequantized(call, 0)?, dequantized(call, 3)?);
    let real = broadcast(call, (call.input(0)?.shape(), &a), (call.input(3)?.shape(), &b), f)?;
    Ok(vec![quantize(real.shape().to_vec(), real.slice()?, scale(call, 6)?, zero(call, 7)?)?])
}

fn unary(call: &Call, f: impl Fn(f32) -> f32) -> Result<Vec<Tensor>, OpError> {
    let shape = call.input(0)?.shape().to_vec();
    call.allocate(&shape)?;
    let real: Vec<f32> = dequantized(call, 0)?.into_iter().map(f).collect();
    Ok(vec![quantize(shape, &real, scale(call, 3)?, zero(call, 4)?)?])
}

fn leaky_relu(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let alpha = call.node.float_or("alpha", 0.01)?;
    unary(call, |x| if x < 0.0 { alpha * x } else { x })
}

fn channels_first(call: &Call) -> Result<(), OpError> {
    if call.node.flag_or("channels_last", false)? { unsupported("channels_last") } else { Ok(()) }
}

fn average_pool(call: &Call) -> Result<Vec<Tensor>, OpError> {
    channels_first(call)?;
    let x = call.input(0)?;
    let window = pool_window(call, x.shape())?;
    let shape = super::pooling::charged_shape(call, x.shape(), &window)?;
    let real = average_windows(call, &window, &dequantized(call, 0)?)?;
    Ok(vec![quantize(shape, &real, scale(call, 3)?, zero(call, 4)?)?])
}

fn global_average_pool(call: &Call) -> Result<Vec<Tensor>, OpError> {
    channels_first(call)?;
    let (shape, plane) = global_shape(call.input(0)?.shape())?;
    call.allocate(&shape)?;
    let mean = |x: &[f32]| (x.iter().map(|&x| f64::from(x)).sum::<f64>() / plane as f64) as f32;
    let real: Vec<f32> = dequantized(call, 0)?.chunks_exact(plane).map(mean).collect();
    Ok(vec![quantize(shape, &real, scale(call, 3)?, zero(call, 4)?)?])
}

/// Inputs are the output's scale and zero point, then a tensor, its scale and its zero point, repeatedly.
fn qlinear_concat(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (y_scale, y_zero) = (scale(call, 0)?, zero(call, 1)?);
    let parts = (2..call.inputs.len())
        .step_by(3)
        .map(|i| quantize(call.input(i)?.shape().to_vec(), &dequantized(call, i)?, y_scale, y_zero))
        .collect::<Result<Vec<_>, _>>()?;
    concat(call, &parts.iter().collect::<Vec<_>>())
}

/// `(A - a0)(B - b0) + C`, scaled; without an output scale the result is real.
fn qgemm(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let integers = |index: usize| -> Result<Tensor, OpError> {
        let (x, zero) = (call.input(index)?, zero(call, index + 2)?.0 as i32);
        Ok(Tensor::new(x.shape().to_vec(), centered(x, |_| zero)?)?)
    };
    let (a_shape, a) = oriented::<i32>(call, &integers(0)?, "transA")?;
    let b = qgemm_weights(call)?;
    let (b_shape, b) = oriented::<i32>(call, &b, "transB")?;
    let shapes = MatMulShapes::new(call, &a_shape, &b_shape)?;
    let mut sums = shapes.multiply(call, &a, &b)?;
    if let Some(c) = call.optional(6) {
        let sum =
            broadcast(call, (&shapes.output, &sums), (c.shape(), c.slice::<i32>()?), i32::wrapping_add)?;
        sums = sum.slice::<i32>()?.to_vec();
    }
    let columns = shapes.size.2;
    let (a_scale, b_scales) = (scale(call, 1)?, call.slice::<f32>(4)?);
    if ![1, columns].contains(&b_scales.len()) || sums.len() != shapes.size.0 * columns {
        let reason = "scales or C do not fit the product";
        return Err(OpError::Shapes { left: shapes.output, right: vec![b_scales.len()], reason });
    }
    let alpha = call.node.float_or("alpha", 1.0)?;
    let product_scale = |i: usize| alpha * a_scale * b_scales[i % columns % b_scales.len()];
    if call.optional(7).is_none() {
        let real = sums.iter().enumerate().map(|(i, &sum)| sum as f32 * product_scale(i));
        return one(shapes.output, real.collect::<Vec<_>>());
    }
    let y_scale = scale(call, 7)?;
    requantize(shapes.output, &sums, |i| product_scale(i) / y_scale, zero(call, 8)?)
}

/// The matrix B less its zero point, of which there may be one for each output column.
fn qgemm_weights(call: &Call) -> Result<Tensor, OpError> {
    let b = call.input(3)?;
    let zeros = call.optional(5).map(Tensor::integers).transpose()?.unwrap_or_else(|| vec![0]);
    let &[rows, columns] = b.shape() else {
        return Err(OpError::Shape { shape: b.shape().to_vec(), reason: "is no matrix".into() });
    };
    let transposed = call.node.flag_or("transB", false)?;
    if ![1, if transposed { rows } else { columns }].contains(&zeros.len()) {
        return unsupported(format!("B with {} zero points", zeros.len()));
    }
    let column = |i: usize| if transposed { i / columns } else { i % columns };
    let less_zero = centered(b, |i| zeros[column(i) % zeros.len()] as i32)?;
    Ok(Tensor::new(b.shape().to_vec(), less_zero)?)
}
