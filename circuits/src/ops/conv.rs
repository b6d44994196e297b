//! Convolution in any number of spatial dimensions, with strides, dilations, padding and groups.
//!
//! ```text
//! acc[n, g, i, y..] = sum over c, k.. of w[g, i, c, k..] * x[n, g, c, stride*y + dilation*k - pad, ..] + b[g, i]
//! ```
//!
//! Output channel `g * (O / groups) + i` is output axis g, then i; the weights' axes are read plainly. Shape:
//! x `[N, C, n..]`, w `[O, C / groups, k..]` gives `[N, O, m..]` with m as the caller states it.

use crate::builder::{Accumulator, BuildError, Builder, View, axis_digits};
use crate::program::{Affine, Term};
use alloc::vec::Vec;

/// One spatial dimension of a window: output y and tap k read `stride*y + dilation*k - pad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of taps.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Distance between taps.
    pub dilation: usize,
    /// Padding before the first element.
    pub pad: usize,
    /// Number of windows.
    pub output: usize,
}

impl Window {
    /// The index that is read, given the loop axes of the output and of the taps, where there are any.
    pub fn index(&self, output: Option<usize>, tap: Option<usize>) -> Affine {
        let output = output.map(|axis| (axis, self.stride as i64));
        let tap = tap.map(|axis| (axis, self.dilation as i64));
        let terms: Vec<(usize, i64)> = output.into_iter().chain(tap).collect();
        Affine::new(-(self.pad as i64), &terms)
    }

    /// True where some tap reads outside of `size` elements.
    pub fn reaches_outside(&self, size: usize) -> bool {
        let last = (self.output - 1) * self.stride + (self.kernel - 1) * self.dilation;
        self.pad > 0 || last >= size
    }
}

/// Makes every spatial axis readable by its window.
pub fn windowed(b: &mut Builder, name: &str, x: &View, windows: &[Window]) -> Result<View, BuildError> {
    let mut view = x.clone();
    for (d, window) in windows.iter().enumerate() {
        let axis = view.axes().len() - windows.len() + d;
        let size = view.sizes()[axis];
        if window.reaches_outside(size) || view.axes()[axis].len() > 1 {
            view = b.plain_axis(name, &view, axis)?;
        }
    }
    Ok(view)
}

/// The accumulator of a convolution. `weights` are row-major `[O, C / groups, k..]`, `bias` has O entries.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn convolution(
    b: &mut Builder,
    name: &str,
    x: &View,
    weights: &[i64],
    bias: Option<&[i64]>,
    groups: usize,
    windows: &[Window],
) -> Result<Accumulator, BuildError> {
    let x = windowed(b, name, x, windows)?;
    let channels = x.sizes()[1];
    let (per_group, taps) = (channels / groups, windows.iter().map(|w| w.kernel).product::<usize>());
    let filters = weights.len() / (per_group * taps).max(1) / groups;
    let x = b.refine(name, &x, 1, &[groups, per_group])?;
    let channel_digits = x.axes()[1].clone();
    let (mut group_digits, mut inner_digits) = (Vec::new(), Vec::new());
    let mut product = 1;
    for &digit in &channel_digits {
        if product < groups {
            group_digits.push(digit)
        } else {
            inner_digits.push(digit)
        }
        product *= digit;
    }
    let filter_digits = axis_digits(filters);
    let batch = x.axes()[0].clone();
    let mut axes = alloc::vec![batch.clone(), [group_digits.clone(), filter_digits.clone()].concat()];
    axes.extend(windows.iter().map(|window| axis_digits(window.output)));
    let mut reduce = inner_digits.clone();
    reduce.extend(windows.iter().filter(|w| w.kernel > 1).map(|w| w.kernel));

    let outputs: usize = axes.iter().map(Vec::len).sum();
    let first_filter = batch.len();
    let first_space = first_filter + axes[1].len();
    let axis_range = |first: usize, count: usize| (first..first + count).map(Affine::axis);
    let mut index: Vec<Affine> = axis_range(0, batch.len()).collect();
    index.extend(axis_range(first_filter, group_digits.len()));
    index.extend(axis_range(outputs, inner_digits.len()));
    let (mut output, mut tap) = (first_space, outputs + inner_digits.len());
    for (d, window) in windows.iter().enumerate() {
        let own = (window.output > 1).then_some(output);
        let taps = (window.kernel > 1).then_some(tap);
        if !x.axes()[2 + d].is_empty() {
            index.push(window.index(own, taps));
        }
        output += usize::from(own.is_some());
        tap += usize::from(taps.is_some());
    }
    let x_access = x.at(&index);

    let mut weight_sizes = group_digits.clone();
    weight_sizes.extend(&filter_digits);
    weight_sizes.extend(&reduce);
    let weights = b.constant_of(&weight_sizes, weights.to_vec())?;
    let mut weight_index: Vec<Affine> = axis_range(first_filter, axes[1].len()).collect();
    weight_index.extend(axis_range(outputs, reduce.len()));
    let mut terms =
        alloc::vec![Term { coefficient: 1, factors: alloc::vec![weights.at(&weight_index), x_access] }];
    if let Some(bias) = bias.filter(|bias| bias.iter().any(|&value| value != 0)) {
        let bias = b.constant_of(&axes[1], bias.to_vec())?;
        let bias_index: Vec<Affine> = axis_range(first_filter, axes[1].len()).collect();
        terms.push(Term { coefficient: 1, factors: alloc::vec![bias.at(&bias_index)] });
    }
    Ok(Accumulator { axes, reduce, terms, known: None })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, input, run, values};
    use super::*;
    use crate::execute::points;
    use crate::tensor::Bounds;

    #[test]
    fn convolutions_are_their_definition_at_odd_shapes() {
        // (channels, filters, groups, [size, kernel, stride, dilation, pad, output] for y and x)
        let cases = [
            (3, 5, 1, [[7, 3, 1, 1, 1, 7], [5, 2, 2, 1, 0, 2]]),
            (4, 6, 2, [[5, 3, 2, 2, 2, 3], [6, 1, 3, 1, 0, 2]]),
            (3, 3, 3, [[1, 3, 1, 1, 1, 1], [4, 3, 1, 1, 2, 6]]),
        ];
        for (channels, filters, groups, space) in cases {
            let windows = space.map(|[_, kernel, stride, dilation, pad, output]| Window {
                kernel,
                stride,
                dilation,
                pad,
                output,
            });
            let sizes = [2, channels, space[0][0], space[1][0]];
            let (mut b, x, tensor) = input(&sizes);
            let kernel = [filters, channels / groups, space[0][1], space[1][1]];
            let weights = values(kernel.iter().product(), Bounds { lo: -5, hi: 4 });
            let bias = values(filters, Bounds { lo: -30, hi: 30 });
            let acc = convolution(&mut b, "conv", &x, &weights, Some(&bias), groups, &windows).unwrap();
            let found = run(b, acc, tensor.clone());
            let outputs = [2, filters, space[0][5], space[1][5]];
            let expected = points(&outputs).map(|o| {
                let taps = points(&kernel[1..]).map(|k| {
                    let place = |d: usize| {
                        let [_, _, stride, dilation, pad, _] = space[d];
                        (o[2 + d] * stride + k[1 + d] * dilation) as i64 - pad as i64
                    };
                    let channel = o[1] / (filters / groups) * kernel[1] + k[0];
                    let index = [o[0] as i64, channel as i64, place(0), place(1)];
                    let w = [o[1] as i64, k[0] as i64, k[1] as i64, k[2] as i64];
                    at(&tensor.values, &sizes, &index, 0) * at(&weights, &kernel, &w, 0)
                });
                taps.sum::<i64>() + bias[o[1]]
            });
            assert_eq!(found.shape.sizes(), outputs);
            assert_eq!(found.values, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn bounds_are_exact_by_channel() {
        let (mut b, x, _) = input(&[1, 2, 3]);
        let window = Window { kernel: 1, stride: 1, dilation: 1, pad: 0, output: 3 };
        let acc = convolution(&mut b, "conv", &x, &[1, -2, 3, 0], Some(&[100, 0]), 1, &[window]).unwrap();
        // x in [-9, 14]: channel 0 is x0 - 2 x1 + 100, channel 1 is 3 x0.
        assert_eq!(b.sum_bounds(&acc), Bounds { lo: -27, hi: 132 });
    }
}
