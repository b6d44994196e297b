//! `Conv` and `ConvTranspose`, in any number of spatial dimensions: columns of the input, times the weights.

use super::super::tensor::Tensor;
use super::super::window::ConvGeometry;
use super::matrix::Factor;
use super::{Call, Kernel, OpError, one};

pub(super) const OPERATORS: &[(&str, Kernel)] = &[("Conv", conv), ("ConvTranspose", conv_transpose)];

/// The convolution of `x` with `weights`, without bias, and the output's shape. Padding reads as zero.
pub(super) fn convolve<T: Factor>(
    call: &Call,
    geometry: &ConvGeometry,
    x: &[T],
    weights: &[T],
) -> Result<(Vec<usize>, Vec<T>), OpError> {
    let ConvGeometry { batch, groups, channels_per_group, filters_per_group, ref window } = *geometry;
    let shape = [&[batch, groups * filters_per_group], window.output.as_slice()].concat();
    call.allocate(&[&[channels_per_group], window.kernel.as_slice(), &window.output].concat())?;
    let (plane, kernel, positions) = (window.input_len(), window.kernel_len(), window.output_len());
    let size = (filters_per_group, channels_per_group * kernel, positions);
    let mut out = vec![T::default(); call.allocate(&shape)?];
    let mut columns = vec![T::default(); size.1 * size.2];
    call.budget.work(&[batch, groups, size.0, size.1, size.2])?;
    if out.is_empty() || x.is_empty() {
        return Ok((shape, out));
    }
    let taps = window.taps();
    for (part, out) in out.chunks_exact_mut(size.0 * size.2).enumerate() {
        let x = &x[part * channels_per_group * plane..][..channels_per_group * plane];
        fill_columns(x, plane, &taps, &mut columns);
        let weights = &weights[part % groups * size.0 * size.1..][..size.0 * size.1];
        T::product(size, weights, &columns, out);
    }
    Ok((shape, out))
}

/// Writes, for each channel and kernel position, the row of what every window reads there.
fn fill_columns<T: Factor>(x: &[T], plane: usize, taps: &[Option<u32>], columns: &mut [T]) {
    for (x, columns) in x.chunks_exact(plane).zip(columns.chunks_exact_mut(taps.len())) {
        for (column, tap) in columns.iter_mut().zip(taps) {
            *column = tap.map_or_else(T::default, |at| x[at as usize]);
        }
    }
}

fn conv(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let geometry = ConvGeometry::from_node(call.node, x.shape(), weights.shape())?;
    let (shape, mut out) = convolve(call, &geometry, x.slice::<f32>()?, weights.slice()?)?;
    add_bias(call.optional(2), &shape, &mut out)?;
    one(shape, out)
}

/// Adds one number to every plane.
fn add_bias(bias: Option<&Tensor>, shape: &[usize], out: &mut [f32]) -> Result<(), OpError> {
    let Some(bias) = bias else { return Ok(()) };
    if bias.shape() != [shape[1]] {
        let reason = "the bias has not one entry a filter";
        return Err(OpError::Shapes { left: shape.to_vec(), right: bias.shape().to_vec(), reason });
    }
    let bias = bias.slice::<f32>()?;
    let positions: usize = shape[2..].iter().product();
    for (i, plane) in out.chunks_exact_mut(positions.max(1)).enumerate() {
        plane.iter_mut().for_each(|x| *x += bias[i % bias.len()]);
    }
    Ok(())
}

/// Every input element adds the weights, scaled by it, to the window that the adjoint convolution reads there.
fn conv_transpose(call: &Call) -> Result<Vec<Tensor>, OpError> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let geometry = ConvGeometry::from_transposed(call.node, x.shape(), weights.shape())?;
    let ConvGeometry { batch, groups, channels_per_group, filters_per_group, ref window } = geometry;
    let shape = [&[batch, groups * filters_per_group], window.input.as_slice()].concat();
    let mut out = vec![0f32; call.allocate(&shape)?];
    call.allocate(&[window.kernel.as_slice(), &window.output].concat())?;
    let (plane, positions, kernel) = (window.input_len(), window.output_len(), window.kernel_len());
    call.budget.work(&[batch, groups, channels_per_group, filters_per_group, kernel, positions])?;
    if out.is_empty() {
        return one(shape, out);
    }
    let taps = window.taps();
    let (x, w) = (x.slice::<f32>()?, weights.slice::<f32>()?);
    for (part, out) in out.chunks_exact_mut(filters_per_group * plane).enumerate() {
        for channel in 0..channels_per_group {
            let x = &x[(part * channels_per_group + channel) * positions..][..positions];
            let row = (part % groups * channels_per_group + channel) * filters_per_group;
            for (filter, out) in out.chunks_exact_mut(plane).enumerate() {
                let w = &w[(row + filter) * kernel..][..kernel];
                for (w, taps) in w.iter().zip(taps.chunks_exact(positions.max(1))) {
                    for (x, tap) in x.iter().zip(taps) {
                        if let Some(at) = tap {
                            out[*at as usize] += x * w;
                        }
                    }
                }
            }
        }
    }
    add_bias(call.optional(2), &shape, &mut out)?;
    one(shape, out)
}
