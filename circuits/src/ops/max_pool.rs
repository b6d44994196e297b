//! Max-pools as pairwise maxima, along the last axis first.
//!
//! ```text
//! out[y] = max over k of x[stride*y + dilation*k - pad]          a read outside is the least value of x
//! ```
//!
//! With m the largest power of two that is at most the kernel, windows of m elements grow by doubling,
//! `w_2m[i] = max(w_m[i], w_m[i + m*dilation])`, and two that overlap make the kernel: its maximum is the same.
//! Strided windows are doubled where they start only, so that a kernel of 2 with stride 2 is one operation on
//! two views. Outside of x a view gives zero; where zero could exceed x, the operand is
//! `x[i] + lo * (1 - ones[i])`, ones being a constant of ones that is read through the same index.

use super::conv::Window;
use crate::builder::{Accumulator, BuildError, Builder, View, axis_digits};
use crate::expression::Expression;
use crate::program::{Affine, Class, Term};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The pool over the last `windows.len()` axes. With `ones`, the wire keeps its axes of size 1.
///
/// # Errors
/// Where a wire has too many axes.
pub fn max_pool(
    b: &mut Builder,
    name: &str,
    x: &View,
    windows: &[Window],
    ones: bool,
) -> Result<View, BuildError> {
    let leading = x.axes().len() - windows.len();
    let mut view = x.clone();
    let last_pooled = windows.iter().position(|window| window.kernel > 1);
    for (d, window) in windows.iter().enumerate().rev() {
        let ones = ones && last_pooled == Some(d);
        view = along(b, name, &view, leading + d, window, ones)?;
    }
    Ok(view)
}

fn along(
    b: &mut Builder,
    name: &str,
    x: &View,
    axis: usize,
    window: &Window,
    ones: bool,
) -> Result<View, BuildError> {
    let size = x.sizes()[axis];
    let outside = window.reaches_outside(size);
    let mut x = x.clone();
    if outside || x.axes()[axis].len() > 1 {
        x = b.plain_axis(name, &x, axis)?;
    }
    let Window { kernel, stride, dilation, pad, output } = *window;
    let start = -(pad as i64);
    if kernel == 1 {
        let read = Read { places: output, step: stride as i64, first: start };
        if !outside {
            return x.sliced(axis, start, stride as i64, output).ok_or(BuildError::Unsupported("no slice"));
        }
        let operand = operand(b, &x, axis, &read)?;
        return b.emit(name, Class::Map, operand, Expression::Sum(0), ones);
    }
    // Every third maximum of a strided window costs more than the taps one after another.
    let sequential = stride > 1 && (kernel == 3 || (stride >= kernel && !kernel.is_power_of_two()));
    if sequential && output > 1 {
        let read =
            |tap: usize| Read { places: output, step: stride as i64, first: start + (tap * dilation) as i64 };
        let first = operand(b, &x, axis, &read(0))?;
        let second = operand(b, &x, axis, &read(1))?;
        let mut view = pair(b, name, first, second, ones && kernel == 2)?;
        for tap in 2..kernel {
            let (left, right) = (Accumulator::of(&view), operand(b, &x, axis, &read(tap))?);
            view = pair(b, name, left, right, ones && tap + 1 == kernel)?;
        }
        return Ok(view);
    }
    let mut width = 1;
    let (mut view, mut origin) = (x, start);
    while 2 * width <= kernel {
        let finishes = 2 * width == kernel;
        // Doubled windows start at every place that a later step reads.
        let places = match finishes {
            true => output,
            false => (output - 1) * stride + (kernel - 2 * width) * dilation + 1,
        };
        let step = if finishes { stride as i64 } else { 1 };
        let read = |shift: usize| Read { places, step, first: origin + (shift * dilation) as i64 };
        let (left, right) = (operand(b, &view, axis, &read(0))?, operand(b, &view, axis, &read(width))?);
        view = pair(b, name, left, right, ones && finishes)?;
        width *= 2;
        origin = 0;
        if finishes {
            return Ok(view);
        }
    }
    let read = |first: usize| Read { places: output, step: stride as i64, first: (first * dilation) as i64 };
    let (left, right) = (operand(b, &view, axis, &read(0))?, operand(b, &view, axis, &read(kernel - width))?);
    pair(b, name, left, right, ones)
}

/// The places `first + step * i` for `i < places` of an axis.
struct Read {
    places: usize,
    step: i64,
    first: i64,
}

fn pair(
    b: &mut Builder,
    name: &str,
    left: Accumulator,
    right: Accumulator,
    ones: bool,
) -> Result<View, BuildError> {
    let maximum = Expression::Max(Box::new(Expression::Sum(0)), Box::new(Expression::Sum(1)));
    b.emit_all(name, Class::Map, alloc::vec![left, right], maximum, ones)
}

/// The view read along an axis, the least value of its source where that is outside.
fn operand(b: &mut Builder, x: &View, axis: usize, read: &Read) -> Result<Accumulator, BuildError> {
    let bounds = b.source_bounds(x.source());
    let size = x.sizes()[axis];
    let first = x.first_digit(axis);
    let mut axes = x.axes().to_vec();
    let own = x.axes()[axis].len();
    axes[axis] = axis_digits(read.places);
    let index = match read.places {
        1 => Affine::constant(read.first),
        _ => Affine::new(read.first, &[(first, read.step)]),
    };
    let shift = axes[axis].len();
    let mut digits: Vec<Affine> = (0..first).map(Affine::axis).collect();
    if own == 1 {
        digits.push(index.clone());
    }
    digits.extend((first + own..x.digits().len()).map(|digit| Affine::axis(digit - own + shift)));
    let mut terms = alloc::vec![Term { coefficient: 1, factors: alloc::vec![x.at(&digits)] }];
    let last = read.first + read.step * (read.places as i64 - 1);
    let outside = read.first.min(last) < 0 || read.first.max(last) >= size as i64;
    if outside && bounds.lo < 0 {
        let ones = b.constant_of(&[size], alloc::vec![1; size])?;
        let inside = crate::program::Access { source: ones.source(), index: alloc::vec![index] };
        terms.push(Term { coefficient: bounds.lo, factors: Vec::new() });
        terms.push(Term { coefficient: -bounds.lo, factors: alloc::vec![inside] });
    }
    let known = if outside && bounds.lo > 0 { bounds.with_zero() } else { bounds };
    Ok(Accumulator { axes, reduce: Vec::new(), terms, known: Some(known) })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, finish, input};
    use super::*;

    #[test]
    fn every_window_is_its_maximum() {
        for kernel in 1..=9usize {
            for (stride, dilation, pad) in
                [(1, 1, 0), (2, 1, 1), (3, 2, 1), (kernel, 1, 0), (1, 1, kernel / 2)]
            {
                let (size, extent) = (21usize, (kernel - 1) * dilation + 1);
                let pad = pad.min(kernel / 2);
                let output = (size + 2 * pad - extent) / stride + 1;
                let window = Window { kernel, stride, dilation, pad, output };
                let (mut b, x, tensor) = input(&[2, size]);
                let view = max_pool(&mut b, "pool", &x, &[window], true).unwrap();
                let found = finish(b, &view, tensor.clone());
                let expected = (0..2 * output).map(|o| {
                    let start = (o % output * stride) as i64 - pad as i64;
                    let taps = (0..kernel).map(|k| start + (k * dilation) as i64);
                    let least = i64::MIN;
                    taps.map(|i| at(&tensor.values, &[2, size], &[(o / output) as i64, i], least))
                        .max()
                        .unwrap()
                });
                assert_eq!(found.values, expected.collect::<Vec<_>>(), "{window:?}");
            }
        }
    }

    #[test]
    fn two_by_two_is_two_operations_on_views() {
        let (mut b, x, tensor) = input(&[3, 6, 10]);
        let window = |size| Window { kernel: 2, stride: 2, dilation: 1, pad: 0, output: size };
        let view = max_pool(&mut b, "pool", &x, &[window(3), window(5)], false).unwrap();
        assert_eq!(b.program().operations.len(), 2);
        assert_eq!(finish(b, &view, tensor).shape.sizes(), [3, 3, 5]);
    }
}
