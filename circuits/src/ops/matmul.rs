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
fn aligned_batch(
    b: &mut Builder,
    name: &str,
    left: &View,
    right: &View,
) -> Result<(View, View), BuildError> {
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
