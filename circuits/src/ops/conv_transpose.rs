//! Transposed convolution: the adjoint of a convolution in its input.
//!
//! ```text
//! acc[n, g, o, y..] = sum over c, i.. of x[n, g, c, i..] * w[g, c, o, y + pad - stride*i, ..] + b[g, o]
//! ```
//!
//! The weights are read at an affine index that is zero outside of the kernel; a dilated kernel has zeros
//! written between its taps. Shape: x `[N, C, n..]`, w `[C, O / groups, k..]` gives `[N, O, m..]`.

use super::conv::Window;
use crate::builder::{Accumulator, BuildError, Builder, View, axis_digits};
use crate::program::{Affine, Term};
use crate::tensor::Bounds;
use alloc::vec::Vec;

/// The accumulator. `windows` are those of the convolution whose adjoint this is: their `output` is the size of x.
/// `sizes` are the spatial sizes of the result. `weights` are row-major `[C, O / groups, k..]`.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
#[allow(clippy::too_many_arguments)]
pub fn transposed_convolution(
    b: &mut Builder,
    name: &str,
    x: &View,
    weights: &[i64],
    bias: Option<&[i64]>,
    groups: usize,
    windows: &[Window],
    sizes: &[usize],
) -> Result<Accumulator, BuildError> {
    let mut x = x.clone();
    for d in 0..windows.len() {
        if x.axes()[2 + d].len() > 1 {
            x = b.plain_axis(name, &x, 2 + d)?;
        }
    }
    let channels = x.sizes()[1];
    if x.axes()[1].len() > 1 {
        x = b.materialised(name, &x, false)?;
    }
    let per_group = channels / groups;
    let x = b.refine(name, &x, 1, &[groups, per_group])?;
    let taps: usize = windows.iter().map(|w| w.kernel).product();
    let filters = weights.len() / (channels * taps).max(1);
    let (group, filter, inner) = (axis_digits(groups), axis_digits(filters), axis_digits(per_group));
    let batch = x.axes()[0].clone();
    let mut axes = alloc::vec![batch.clone(), [group.clone(), filter.clone()].concat()];
    axes.extend(sizes.iter().map(|&size| axis_digits(size)));
    let space: Vec<Vec<usize>> = x.axes()[2..].to_vec();
    let reduce: Vec<usize> = [inner.clone(), space.concat()].concat();

    let outputs: usize = axes.iter().map(Vec::len).sum();
    let range = |first: usize, count: usize| (first..first + count).map(Affine::axis);
    let mut x_index: Vec<Affine> = range(0, batch.len() + group.len()).collect();
    x_index.extend(range(outputs, reduce.len()));

    let extents: Vec<usize> = windows.iter().map(|w| (w.kernel - 1) * w.dilation + 1).collect();
    let kernel = dilated(weights, windows, &extents);
    let weight_sizes = [&[groups, per_group, filters], extents.as_slice()].concat();
    let weight_view = b.constant_of(&weight_sizes, kernel)?;
    let place = |digits: &[usize], axis: usize| match digits.is_empty() {
        true => Affine::constant(0),
        false => Affine::axis(axis),
    };
    let first_filter = batch.len() + group.len();
    let mut weight_index =
        alloc::vec![place(&group, batch.len()), place(&inner, outputs), place(&filter, first_filter),];
    let (mut output, mut input) = (first_filter + filter.len(), outputs + inner.len());
    for (d, window) in windows.iter().enumerate() {
        let mut terms = Vec::new();
        if sizes[d] > 1 {
            terms.push((output, 1));
            output += 1;
        }
        if !space[d].is_empty() {
            terms.push((input, -(window.stride as i64)));
            input += 1;
        }
        weight_index.push(Affine::new(window.pad as i64, &terms));
    }
    let weight_access = crate::program::Access { source: weight_view.source(), index: weight_index };
    let mut terms = alloc::vec![Term { coefficient: 1, factors: alloc::vec![weight_access, x.at(&x_index)] }];
    let bias = bias.filter(|bias| bias.iter().any(|&value| value != 0));
    if let Some(bias) = bias {
        let bias = b.constant_of(&axes[1], bias.to_vec())?;
        let index: Vec<Affine> = range(batch.len(), axes[1].len()).collect();
        terms.push(Term { coefficient: 1, factors: alloc::vec![bias.at(&index)] });
    }
    let known = Some(bounds(b.bounds(&x).with_zero(), weights, bias, [groups, per_group, filters, taps]));
    Ok(Accumulator { axes, reduce, terms, known })
}

/// The kernel with zeros between its taps.
fn dilated(weights: &[i64], windows: &[Window], extents: &[usize]) -> Vec<i64> {
    let taps: usize = windows.iter().map(|w| w.kernel).product();
    let spread: usize = extents.iter().product();
    let mut kernel = alloc::vec![0; weights.len() / taps.max(1) * spread];
    for (i, &weight) in weights.iter().enumerate() {
        let (outer, mut tap) = (i / taps, i % taps);
        let (mut place, mut step) = (0, 1);
        for (window, &extent) in windows.iter().zip(extents).rev() {
            place += tap % window.kernel * window.dilation * step;
            tap /= window.kernel;
            step *= extent;
        }
        kernel[outer * spread + place] = weight;
    }
    kernel
}

/// Each tap is used at most once per output element.
fn bounds(x: Bounds, weights: &[i64], bias: Option<&[i64]>, sizes: [usize; 4]) -> Bounds {
    let [groups, inner, filters, taps] = sizes;
    let mut total = Bounds { lo: i64::MAX, hi: i64::MIN };
    for group in 0..groups {
        for filter in 0..filters {
            let start = bias.map_or(0, |bias| bias[group * filters + filter]);
            let mut ends = Bounds { lo: start, hi: start };
            for c in 0..inner {
                let first = ((group * inner + c) * filters + filter) * taps;
                for &weight in &weights[first..first + taps] {
                    let products = [weight * x.lo, weight * x.hi];
                    ends.lo += products[0].min(products[1]);
                    ends.hi += products[0].max(products[1]);
                }
            }
            total = Bounds { lo: total.lo.min(ends.lo), hi: total.hi.max(ends.hi) };
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::super::testing::{input, run, values};
    use super::*;
    use crate::execute::points;

    #[test]
    fn transposed_convolutions_scatter_each_input() {
        for (groups, stride, dilation, pad) in [(1, 2, 1, 1), (2, 1, 2, 0), (1, 3, 1, 0)] {
            let (channels, filters, kernel, size) = (4, 3, 3, 5);
            let out = (size - 1) * stride + (kernel - 1) * dilation + 1 - 2 * pad;
            let (mut b, x, tensor) = input(&[1, channels, size]);
            let weights = values(channels * filters * kernel, Bounds { lo: -4, hi: 5 });
            let bias = values(groups * filters, Bounds { lo: -9, hi: 9 });
            let window = Window { kernel, stride, dilation, pad, output: size };
            let acc =
                transposed_convolution(&mut b, "up", &x, &weights, Some(&bias), groups, &[window], &[out])
                    .unwrap();
            let found = run(b, acc, tensor.clone());
            let mut expected: Vec<i64> = bias.iter().flat_map(|&value| alloc::vec![value; out]).collect();
            for p in points(&[channels, filters, kernel, size]) {
                let (c, o, k, i) = (p[0], p[1], p[2], p[3]);
                let y = (i * stride + k * dilation) as i64 - pad as i64;
                if (0..out as i64).contains(&y) {
                    let filter = c / (channels / groups) * filters + o;
                    expected[filter * out + y as usize] +=
                        tensor.values[c * size + i] * weights[(c * filters + o) * kernel + k];
                }
            }
            assert_eq!(found.values, expected);
        }
    }
}
