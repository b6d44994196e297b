//! Quantised operators of `ai.onnx`, exact: integers accumulate in i32, and results round half to even and
//! saturate.
//!
//! A quantised tensor means `(q - zero) * scale`, with one scale and zero point for all of it, for each index of one
//! axis, or for each block along an axis. Requantisation multiplies the accumulator by the f32
//! number `scale_a * scale_b / scale_y`, as ONNX Runtime does.

use super::super::geometry::{broadcast_strides, normalize_axis, offsets, strides_of};
use super::super::tensor::{DType, Tensor};
use super::super::window::ConvGeometry;
use super::convolution::convolve;
use super::matrix::MatMulShapes;
use super::{Call, Kernel, OpError, dtype_attribute, one, unsupported};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[
    ("ConvInteger", conv_integer),
    ("DequantizeLinear", dequantize_linear),
    ("DynamicQuantizeLinear", dynamic_quantize_linear),
    ("MatMulInteger", matmul_integer),
    ("QLinearConv", qlinear_conv),
    ("QLinearMatMul", qlinear_matmul),
    ("QuantizeLinear", quantize_linear),
];

/// Adds the zero point to a rounded value and saturates to an 8- or 16-bit type.
fn saturate(rounded: f32, zero: i64, dtype: DType) -> Result<i32, OpError> {
    let (low, high) = match dtype {
        DType::U8 => (0, 255),
        DType::I8 => (-128, 127),
        DType::U16 => (0, 65535),
        DType::I16 => (-32768, 32767),
        other => return Err(OpError::DType(other)),
    };
    Ok((rounded as i64).saturating_add(zero).clamp(low, high) as i32)
}

/// Quantises real numbers with one scale.
pub(super) fn quantize(
    shape: Vec<usize>,
    values: &[f32],
    scale: f32,
    (zero, dtype): (i64, DType),
) -> Result<Tensor, OpError> {
    let quantized: Result<Vec<i32>, OpError> =
        values.iter().map(|x| saturate((x / scale).round_ties_even(), zero, dtype)).collect();
    Ok(Tensor::new(shape, quantized?)?.cast(dtype))
}

/// The single number of a scale input.
pub(super) fn scale(call: &Call, index: usize) -> Result<f32, OpError> {
    match call.slice::<f32>(index)? {
        &[scale] => Ok(scale),
        scales => unsupported(format!("input {index} with {} scales", scales.len())),
    }
}

/// The single number of a zero point input and its type; 0 of type uint8 if absent.
pub(super) fn zero(call: &Call, index: usize) -> Result<(i64, DType), OpError> {
    let Some(tensor) = call.optional(index) else { return Ok((0, DType::U8)) };
    match tensor.integers()?.as_slice() {
        &[zero] => Ok((zero, tensor.dtype())),
        zeros => unsupported(format!("input {index} with {} zero points", zeros.len())),
    }
}

/// Numbers of which there may be one, or one for each of `len`.
fn spread<T: Copy>(values: &[T], len: usize) -> Result<Vec<T>, OpError> {
    match values {
        &[value] => Ok(vec![value; len]),
        values if values.len() == len => Ok(values.to_vec()),
        _ => Err(OpError::Shapes {
            left: vec![values.len()],
            right: vec![len],
            reason: "there is neither one parameter nor one for each index",
        }),
    }
}

/// Zero points of an input, one for each of `len`; zeros if absent.
fn zeros(call: &Call, index: usize, len: usize) -> Result<Vec<i32>, OpError> {
    let Some(tensor) = call.optional(index) else { return Ok(vec![0; len]) };
    spread(&tensor.integers()?.iter().map(|&z| z as i32).collect::<Vec<_>>(), len)
}

/// Elements minus a zero point that depends on the place.
pub(super) fn centered(tensor: &Tensor, zero: impl Fn(usize) -> i32) -> Result<Vec<i32>, OpError> {
    if tensor.dtype().size() > 2 {
        return Err(OpError::DType(tensor.dtype()));
    }
    Ok(tensor.integers()?.iter().enumerate().map(|(i, &q)| q as i32 - zero(i)).collect())
}

/// For each element of `x`, the place of its scale and zero point.
fn parameter_places(call: &Call, x: &[usize], parameters: &Tensor) -> Result<Vec<usize>, OpError> {
    let count = call.allocate(x)?;
    if parameters.len() == 1 {
        return Ok(vec![0; count]);
    }
    let misfit = || OpError::Shapes {
        left: x.to_vec(),
        right: parameters.shape().to_vec(),
        reason: "scales fit neither the axis nor its blocks",
    };
    let axis = normalize_axis(call.node.int_or("axis", 1)?, x.len())?;
    let block = usize::try_from(call.node.int_or("block_size", 0)?).unwrap_or(0);
    if block == 0 {
        if parameters.shape() != [x[axis]] {
            return Err(misfit());
        }
        let aligned = [vec![x[axis]], vec![1; x.len() - axis - 1]].concat();
        return Ok(offsets(x, &broadcast_strides(&aligned, x)));
    }
    let mut blocks = x.to_vec();
    blocks[axis] = x[axis].div_ceil(block);
    if parameters.shape() != blocks {
        return Err(misfit());
    }
    let (outer, inner) = (strides_of(&blocks), strides_of(x));
    let place = |i: usize| -> usize {
        (0..x.len()).map(|d| i / inner[d] % x[d] / if d == axis { block } else { 1 } * outer[d]).sum()
    };
    Ok((0..count).map(place).collect())
}

/// Zero points that lie at the places of the scales.
fn zeros_like(call: &Call, scales: &Tensor) -> Result<Vec<i64>, OpError> {
    match call.optional(2) {
        Some(zeros) if zeros.len() == scales.len() => Ok(zeros.integers()?),
        Some(zeros) => Err(OpError::Shapes {
            left: scales.shape().to_vec(),
            right: zeros.shape().to_vec(),
            reason: "scales and zero points differ in number",
        }),
        None => Ok(vec![0; scales.len()]),
    }
}

fn quantize_linear(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, scales) = (call.input(0)?, call.input(1)?);
    let default = dtype_attribute(call.node, "output_dtype", DType::U8)?;
    let dtype = call.optional(2).map_or(default, Tensor::dtype);
    let (zeros, places) = (zeros_like(call, scales)?, parameter_places(call, x.shape(), scales)?);
    let (values, scales) = (x.to_f32(), scales.slice::<f32>()?);
    let quantized: Result<Vec<i32>, OpError> = values
        .iter()
        .zip(&places)
        .map(|(x, &p)| saturate((x / scales[p]).round_ties_even(), zeros[p], dtype))
        .collect();
    Ok(vec![Tensor::new(x.shape().to_vec(), quantized?)?.cast(dtype)])
}

fn dequantize_linear(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, scales) = (call.input(0)?, call.input(1)?);
    let (zeros, places) = (zeros_like(call, scales)?, parameter_places(call, x.shape(), scales)?);
    let (values, scales) = (x.integers()?, scales.slice::<f32>()?);
    let real = |(q, &p): (&i64, &usize)| q.wrapping_sub(zeros[p]) as f32 * scales[p];
    one(x.shape().to_vec(), values.iter().zip(&places).map(real).collect::<Vec<_>>())
}

/// Chooses the scale so that the range of `x` and zero itself fill uint8.
fn dynamic_quantize_linear(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let x = call.input(0)?;
    call.allocate(x.shape())?;
    let values = x.slice::<f32>()?;
    let (low, high) = values.iter().fold((0f32, 0f32), |(low, high), &x| (low.min(x), high.max(x)));
    let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
    let zero = i64::from(saturate((-low / scale).round_ties_even(), 0, DType::U8)?);
    let quantized = quantize(x.shape().to_vec(), values, scale, (zero, DType::U8))?;
    Ok(vec![quantized, Tensor::scalar(scale), Tensor::scalar(zero as u8)])
}

/// The i32 product of two operands, each less its zero points: by row of `a`, by column of `b`.
fn integer_product(
    call: &Call,
    (a, a_zero): (usize, usize),
    (b, b_zero): (usize, usize),
) -> Result<(MatMulShapes, Vec<i32>), OpError> {
    let (a, b) = (call.input(a)?, call.input(b)?);
    let shapes = MatMulShapes::new(call, a.shape(), b.shape())?;
    let (rows, inner, columns) = shapes.size;
    let (row_zeros, column_zeros) = (zeros(call, a_zero, rows)?, zeros(call, b_zero, columns)?);
    let left = centered(a, |i| row_zeros[i / inner % rows])?;
    let right = centered(b, |i| column_zeros[i % columns])?;
    let product = shapes.multiply(call, &left, &right)?;
    Ok((shapes, product))
}

fn matmul_integer(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (shapes, product) = integer_product(call, (0, 2), (1, 3))?;
    one(shapes.output, product)
}

fn qlinear_matmul(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (shapes, product) = integer_product(call, (0, 2), (3, 5))?;
    let (rows, _, columns) = shapes.size;
    let (a, b) = (spread(call.slice::<f32>(1)?, rows)?, spread(call.slice::<f32>(4)?, columns)?);
    let (y_scale, (y_zero, dtype)) = (scale(call, 6)?, zero(call, 7)?);
    let multiplier = |i: usize| a[i / columns % rows] * b[i % columns] / y_scale;
    requantize(shapes.output, &product, multiplier, (y_zero, dtype))
}

/// Multiplies accumulators by a real number that depends on the place, rounds, and saturates.
pub(super) fn requantize(
    shape: Vec<usize>,
    accumulators: &[i32],
    multiplier: impl Fn(usize) -> f32,
    (zero, dtype): (i64, DType),
) -> Result<Vec<Tensor>, OpError> {
    let quantized: Result<Vec<i32>, OpError> = accumulators
        .iter()
        .enumerate()
        .map(|(i, &sum)| saturate((sum as f32 * multiplier(i)).round_ties_even(), zero, dtype))
        .collect();
    Ok(vec![Tensor::new(shape, quantized?)?.cast(dtype)])
}

/// The i32 convolution of `x` with `weights`, each less its zero point: one for `x`, by filter for `weights`.
fn integer_convolution(
    call: &Call,
    (x, x_zero): (usize, usize),
    (w, w_zero): (usize, usize),
) -> Result<(ConvGeometry, Vec<usize>, Vec<i32>), OpError> {
    let (x, w) = (call.input(x)?, call.input(w)?);
    let geometry = ConvGeometry::from_node(call.node, x.shape(), w.shape())?;
    let filters = w.shape()[0];
    let (x_zero, w_zeros) = (zero(call, x_zero)?.0 as i32, zeros(call, w_zero, filters)?);
    let each = (w.len() / filters.max(1)).max(1);
    let (x, w) = (centered(x, |_| x_zero)?, centered(w, |i| w_zeros[i / each])?);
    let (shape, sums) = convolve(call, &geometry, &x, &w)?;
    Ok((geometry, shape, sums))
}

fn conv_integer(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (_, shape, sums) = integer_convolution(call, (0, 2), (1, 3))?;
    one(shape, sums)
}

fn qlinear_conv(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (geometry, shape, mut sums) = integer_convolution(call, (0, 2), (3, 5))?;
    let (filters, positions) = (shape[1], geometry.window.output_len().max(1));
    let filter = |i: usize| i / positions % filters;
    if let Some(bias) = call.optional(8) {
        let bias = bias.slice::<i32>()?;
        if bias.len() != filters {
            let reason = "the bias has not one entry a filter";
            return Err(OpError::Shapes { left: shape, right: vec![bias.len()], reason });
        }
        sums.iter_mut().enumerate().for_each(|(i, sum)| *sum = sum.wrapping_add(bias[filter(i)]));
    }
    let (x_scale, y_scale) = (scale(call, 1)?, scale(call, 6)?);
    let w_scales = spread(call.slice::<f32>(4)?, filters)?;
    requantize(shape, &sums, |i| x_scale * w_scales[filter(i)] / y_scale, zero(call, 7)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_to_even_and_results_saturate() {
        let values = [0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0, f32::NAN];
        let q = quantize(vec![8], &values, 1.0, (0, DType::I8)).unwrap();
        assert_eq!(q.integers().unwrap(), [0, 2, 2, 0, -2, 127, -128, 0]);
    }
}
