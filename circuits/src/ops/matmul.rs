//! Matrix products, batched as ONNX broadcasts them; of two wires, or of a wire and a constant.
//!
//! ```text
//! acc[.., i, j] = sum over k of a[.., i, k] * b[.., k, j]
//! ```
//!
//! The inner axis is split into the digits in which either operand is stored, so that a flattened wire is read
//! as it lies, and a constant is reshaped to match.

use crate::builder::{Accumulator, BuildError, Builder, View, align};
use crate::program::{Affine, Term};
use alloc::vec::Vec;

/// The accumulator of the product of two views of at least two axes each.
///
/// # Errors
/// Where a wire that has to be made has too many axes.
pub fn product(b: &mut Builder, name: &str, left: &View, right: &View) -> Result<Accumulator, BuildError> {
    let (mut left, mut right) = aligned_batch(b, name, left, right)?;
    let rank = left.axes().len();
    let inner = match align(&left.axes()[rank - 1], &right.axes()[rank - 2]) {
        Some(inner) => inner,
        None => {
            left = b.materialised(name, &left, false)?;
            right = b.materialised(name, &right, false)?;
            left.axes()[rank - 1].clone()
        }
    };
    let left = b.refine(name, &left, rank - 1, &inner)?;
    let right = b.refine(name, &right, rank - 2, &inner)?;
    let mut axes: Vec<Vec<usize>> = Vec::new();
    for axis in 0..rank - 2 {
        let wider = if left.sizes()[axis] > 1 { &left } else { &right };
        axes.push(wider.axes()[axis].clone());
    }
    axes.push(left.axes()[rank - 2].clone());
    axes.push(right.axes()[rank - 1].clone());
    let outputs: usize = axes.iter().map(Vec::len).sum();
    let batch: usize = axes[..rank - 2].iter().map(Vec::len).sum();
    let rows = axes[rank - 2].len();
    let range = |first: usize, count: usize| (first..first + count).map(Affine::axis);
    let batch_index = |view: &View| -> Vec<Affine> {
        let mut next = 0;
        let mut index = Vec::new();
        for (axis, digits) in axes[..rank - 2].iter().enumerate() {
            if !view.axes()[axis].is_empty() {
                index.extend(range(next, digits.len()));
            }
            next += digits.len();
        }
        index
    };
    let mut left_index = batch_index(&left);
    left_index.extend(range(batch, rows));
    left_index.extend(range(outputs, inner.len()));
    let mut right_index = batch_index(&right);
    right_index.extend(range(outputs, inner.len()));
    right_index.extend(range(batch + rows, axes[rank - 1].len()));
    let factors = alloc::vec![left.at(&left_index), right.at(&right_index)];
    let terms = alloc::vec![Term { coefficient: 1, factors }];
    Ok(Accumulator { axes, reduce: inner, terms, known: None })
}

/// Both operands with the same number of axes, and batch axes of the same digits or of size 1.
fn aligned_batch(b: &mut Builder, name: &str, left: &View, right: &View) -> Result<(View, View), BuildError> {
    let rank = left.axes().len().max(right.axes().len());
    let (mut left, mut right) = (left.with_rank(rank), right.with_rank(rank));
    for axis in 0..rank - 2 {
        if left.axes()[axis].is_empty() || right.axes()[axis].is_empty() {
            continue;
        }
        let digits = match align(&left.axes()[axis], &right.axes()[axis]) {
            Some(digits) => digits,
            None => {
                left = b.materialised(name, &left, false)?;
                right = b.materialised(name, &right, false)?;
                left.axes()[axis].clone()
            }
        };
        left = b.refine(name, &left, axis, &digits)?;
        right = b.refine(name, &right, axis, &digits)?;
    }
    Ok((left, right))
}

/// The accumulator plus a constant that broadcasts to it.
///
/// # Errors
/// Where its sizes do not fit.
pub fn with_bias(
    b: &mut Builder,
    mut accumulator: Accumulator,
    sizes: &[usize],
    values: Vec<i64>,
) -> Result<Accumulator, BuildError> {
    if values.iter().all(|&value| value == 0) {
        return Ok(accumulator);
    }
    let rank = accumulator.axes.len();
    let mut fine: Vec<usize> = Vec::new();
    let mut index = Vec::new();
    let mut next = 0;
    for (axis, digits) in accumulator.axes.iter().enumerate() {
        let size = (axis + sizes.len()).checked_sub(rank).map_or(1, |own| sizes[own]);
        if size > 1 {
            fine.extend(digits);
            index.extend((next..next + digits.len()).map(Affine::axis));
        }
        next += digits.len();
    }
    let constant = b.constant_of(&fine, values)?;
    accumulator.terms.push(Term { coefficient: 1, factors: alloc::vec![constant.at(&index)] });
    accumulator.known = None;
    Ok(accumulator)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{input, run, values};
    use super::*;
    use crate::tensor::Bounds;

    #[test]
    fn a_flattened_wire_is_multiplied_without_being_moved() {
        let (mut b, x, tensor) = input(&[2, 3, 5]);
        let flat = x.reshaped(&[2, 15]).unwrap();
        let weights = values(15 * 7, Bounds { lo: -6, hi: 5 });
        let stored = b.constant_of(&[3, 5, 7], weights.clone()).unwrap();
        let right = stored.reshaped(&[15, 7]).unwrap();
        let acc = product(&mut b, "gemm", &flat, &right).unwrap();
        let acc = with_bias(&mut b, acc, &[7], values(7, Bounds { lo: 0, hi: 50 })).unwrap();
        assert!(b.program().operations.is_empty());
        let found = run(b, acc, tensor.clone());
        let bias = values(7, Bounds { lo: 0, hi: 50 });
        for row in 0..2 {
            for column in 0..7 {
                let sum: i64 = (0..15).map(|k| tensor.values[row * 15 + k] * weights[k * 7 + column]).sum();
                assert_eq!(found.values[row * 7 + column], sum + bias[column]);
            }
        }
    }

    #[test]
    fn two_wires_multiply_with_broadcast_batches() {
        let (mut b, x, tensor) = input(&[3, 2, 5]);
        let turned = x.transposed(&[0, 2, 1]);
        let first = x.sliced(0, 1, 1, 1).unwrap();
        let acc = product(&mut b, "scores", &first, &turned).unwrap();
        assert_eq!(acc.sizes(), [3, 2, 2]);
        let found = run(b, acc, tensor.clone());
        for (n, i, j) in (0..12).map(|c| (c / 4, c / 2 % 2, c % 2)) {
            let sum: i64 =
                (0..5).map(|k| tensor.values[10 + i * 5 + k] * tensor.values[n * 10 + j * 5 + k]).sum();
            assert_eq!(found.values[n * 4 + i * 2 + j], sum);
        }
    }
}
